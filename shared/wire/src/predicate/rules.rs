//! Which predicates are well-formed, however they arrive: the bounds, and the tests that could
//! never be true and so are surely not what was meant.

use evercount_core::predicate::{
    Atom, Comparison, LITERAL_BYTES_MAX, Operand, PREDICATE_DEPTH_MAX, PREDICATE_NODES_MAX, Predicate,
};
use evercount_core::value::Value;

/// Longest text of a predicate, in bytes: what the other bounds leave room for in practice, and
/// well within the 400 KB of a DynamoDB item.
pub const PREDICATE_TEXT_BYTES_MAX: usize = 256 * 1024;

/// The part of an atom that a refusal is about.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Part {
    Whole,
    Left,
    Right,
    Value(usize),
    Low,
    High,
}

/// Why an atom is refused.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Refusal {
    pub(super) part: Part,
    pub(super) message: String,
    pub(super) help: String,
}

impl Refusal {
    fn new(part: Part, message: impl Into<String>, help: impl Into<String>) -> Self {
        Self { part, message: message.into(), help: help.into() }
    }
}

/// What is said of a predicate of too many nodes.
pub(super) fn too_many_nodes() -> (String, String) {
    (
        format!("a predicate of more than {PREDICATE_NODES_MAX} nodes"),
        "connectives, tests, attributes and literals all count; split the count in two".to_owned(),
    )
}

/// What is said of a predicate nested too deep.
pub(super) fn too_deep() -> (String, String) {
    (
        format!("a predicate nested deeper than {PREDICATE_DEPTH_MAX} levels"),
        "drop parentheses that are not needed, or turn nested conditions into one IN".to_owned(),
    )
}

/// How many nodes (connectives, atoms, operands, literals) a predicate has.
pub(super) fn nodes(predicate: &Predicate) -> usize {
    match predicate {
        Predicate::And(parts) | Predicate::Or(parts) => 1 + parts.iter().map(nodes).sum::<usize>(),
        Predicate::Not(part) => 1 + nodes(part),
        Predicate::Atom(atom) => {
            1 + atom_operands(atom) + atom_literals(atom).map(value_nodes).sum::<usize>()
        }
    }
}

/// How many levels a predicate has; literals that hold literals count on.
pub(super) fn depth(predicate: &Predicate) -> usize {
    1 + match predicate {
        Predicate::And(parts) | Predicate::Or(parts) => parts.iter().map(depth).max().unwrap_or(0),
        Predicate::Not(part) => depth(part),
        Predicate::Atom(atom) => atom_literals(atom).map(value_depth).max().unwrap_or(0),
    }
}

fn atom_operands(atom: &Atom) -> usize {
    let operand = |operand: &Operand| usize::from(!matches!(operand, Operand::Literal(_)));
    match atom {
        Atom::Compare { left, right, .. } => operand(left) + operand(right),
        Atom::In { operand: tested, .. } | Atom::Between { operand: tested, .. } => operand(tested),
        Atom::IsNull(_) | Atom::IsMissing(_) | Atom::BeginsWith(..) | Atom::Contains(..) => 1,
        Atom::AttributeType(..) => 1,
    }
}

fn operand_literal(operand: &Operand) -> Option<&Value> {
    match operand {
        Operand::Literal(value) => Some(value),
        Operand::Path(_) | Operand::Size(_) => None,
    }
}

fn atom_literals(atom: &Atom) -> impl Iterator<Item = &Value> {
    let (first, second, list): (Option<&Value>, Option<&Value>, &[Value]) = match atom {
        Atom::Compare { left, right, .. } => (operand_literal(left), operand_literal(right), &[]),
        Atom::In { operand, values } => (operand_literal(operand), None, values),
        Atom::Between { low, high, .. } => (Some(low), Some(high), &[]),
        Atom::BeginsWith(_, value) | Atom::Contains(_, value) => (Some(value), None, &[]),
        Atom::IsNull(_) | Atom::IsMissing(_) | Atom::AttributeType(..) => (None, None, &[]),
    };
    first.into_iter().chain(second).chain(list)
}

fn value_nodes(value: &Value) -> usize {
    1 + match value {
        Value::List(values) => values.iter().map(value_nodes).sum(),
        Value::Map(item) => item.values().map(value_nodes).sum(),
        Value::StringSet(set) => set.len(),
        Value::NumberSet(set) => set.len(),
        Value::BinarySet(set) => set.len(),
        _ => 0,
    }
}

fn value_depth(value: &Value) -> usize {
    match value {
        Value::List(values) => 1 + values.iter().map(value_depth).max().unwrap_or(0),
        Value::Map(item) => 1 + item.values().map(value_depth).max().unwrap_or(0),
        Value::StringSet(_) | Value::NumberSet(_) | Value::BinarySet(_) => 1,
        _ => 0,
    }
}

fn value_bytes(value: &Value) -> usize {
    match value {
        Value::Null | Value::Bool(_) | Value::Unavailable => 1,
        Value::Number(number) => number.significant_digits(),
        Value::String(text) => text.len(),
        Value::Binary(bytes) => bytes.len(),
        Value::List(values) => values.iter().map(value_bytes).sum(),
        Value::Map(item) => item.iter().map(|(name, value)| name.len() + value_bytes(value)).sum(),
        Value::StringSet(set) => set.iter().map(String::len).sum(),
        Value::NumberSet(set) => set.iter().map(|number| number.significant_digits()).sum(),
        Value::BinarySet(set) => set.iter().map(Vec::len).sum(),
    }
}

/// Whether a value can stand in a predicate at all: not longer than a literal may be, and not
/// an empty set, which DynamoDB does not store either.
fn literal(part: Part, value: &Value) -> Result<(), Refusal> {
    let bytes = value_bytes(value);
    if bytes > LITERAL_BYTES_MAX {
        let message = format!("a literal of {bytes} bytes");
        return Err(Refusal::new(part, message, format!("literals have at most {LITERAL_BYTES_MAX} bytes")));
    }
    let empty = match value {
        Value::StringSet(set) => set.is_empty(),
        Value::NumberSet(set) => set.is_empty(),
        Value::BinarySet(set) => set.is_empty(),
        Value::Unavailable => true,
        Value::List(values) => return values.iter().try_for_each(|value| literal(part, value)),
        Value::Map(item) => return item.values().try_for_each(|value| literal(part, value)),
        _ => false,
    };
    if empty {
        return Err(Refusal::new(part, "an empty set", "a set has at least one element"));
    }
    Ok(())
}

/// As [`literal`], for a value that something is compared with.
fn compared(part: Part, value: &Value) -> Result<(), Refusal> {
    literal(part, value)?;
    if *value == Value::Null {
        let help = "use `IS NULL` for a NULL and `IS MISSING` for an absent attribute";
        return Err(Refusal::new(part, "nothing is equal to NULL, nor different from it", help));
    }
    Ok(())
}

/// As [`compared`], for a value that something is greater or less than.
fn ordered(part: Part, value: &Value) -> Result<(), Refusal> {
    compared(part, value)?;
    match value {
        Value::Number(_) | Value::String(_) | Value::Binary(_) => Ok(()),
        _ => {
            let message =
                format!("a value of type {} is neither greater nor less than another", value.type_name());
            Err(Refusal::new(part, message, "order numbers, text or binary; compare others with `=` or `<>`"))
        }
    }
}

/// As [`compared`], for a value that the size of something is compared with.
fn sized(part: Part, operand: &Operand, value: &Value) -> Result<(), Refusal> {
    match (operand, value) {
        (Operand::Size(_), Value::Number(_)) | (Operand::Path(_) | Operand::Literal(_), _) => Ok(()),
        (Operand::Size(_), _) => {
            Err(Refusal::new(part, "a size is a number", "compare `size(…)` with a number"))
        }
    }
}

fn tested(operand: &Operand) -> Result<(), Refusal> {
    match operand {
        Operand::Path(_) | Operand::Size(_) => Ok(()),
        Operand::Literal(_) => Err(constant(Part::Left)),
    }
}

fn constant(part: Part) -> Refusal {
    Refusal::new(
        part,
        "a test of a constant",
        "test an attribute, as in `status = 'ACTIVE'`, or `size(attribute)`",
    )
}

/// Whether an atom is well-formed.
pub(super) fn check_atom(atom: &Atom) -> Result<(), Refusal> {
    match atom {
        Atom::Compare { left, op, right } => {
            for (part, side, other) in [(Part::Left, left, right), (Part::Right, right, left)] {
                let Operand::Literal(value) = side else { continue };
                match op {
                    Comparison::Equal | Comparison::NotEqual => compared(part, value)?,
                    _ => ordered(part, value)?,
                }
                sized(part, other, value)?;
            }
            match (left, right) {
                (Operand::Literal(_), Operand::Literal(_)) => Err(constant(Part::Whole)),
                _ => Ok(()),
            }
        }
        Atom::In { operand, values } => {
            tested(operand)?;
            if values.is_empty() {
                return Err(Refusal::new(Part::Whole, "an empty IN", "name at least one value"));
            }
            values.iter().enumerate().try_for_each(|(index, value)| {
                compared(Part::Value(index), value)?;
                sized(Part::Value(index), operand, value)
            })
        }
        Atom::Between { operand, low, high } => {
            tested(operand)?;
            ordered(Part::Low, low)?;
            ordered(Part::High, high)?;
            sized(Part::Low, operand, low)?;
            if low.type_name() != high.type_name() {
                let message = format!("a range from type {} to type {}", low.type_name(), high.type_name());
                return Err(Refusal::new(
                    Part::High,
                    message,
                    "both ends are numbers, or both text, or both binary",
                ));
            }
            if low > high {
                let help = "the lower end comes first: `BETWEEN 1 AND 9`";
                return Err(Refusal::new(Part::Whole, "a range that nothing lies in", help));
            }
            Ok(())
        }
        Atom::BeginsWith(_, prefix) => {
            compared(Part::Right, prefix)?;
            match prefix {
                Value::String(_) | Value::Binary(_) => Ok(()),
                _ => Err(Refusal::new(
                    Part::Right,
                    "a prefix that is neither text nor binary",
                    "write `begins_with(name, 'A')`",
                )),
            }
        }
        Atom::Contains(_, value) => compared(Part::Right, value),
        Atom::IsNull(_) | Atom::IsMissing(_) | Atom::AttributeType(..) => Ok(()),
    }
}

/// Whether a predicate is well-formed: what a reader of anything but text has to ask.
///
/// # Errors
/// What is wrong, in one sentence.
pub(super) fn check(predicate: &Predicate) -> Result<(), String> {
    // Depth comes first: the other walks recurse as deep as the predicate is.
    if depth(predicate) > PREDICATE_DEPTH_MAX {
        return Err(too_deep().0);
    }
    if nodes(predicate) > PREDICATE_NODES_MAX {
        return Err(too_many_nodes().0);
    }
    check_parts(predicate)?;
    if super::to_text(predicate).len() > PREDICATE_TEXT_BYTES_MAX {
        return Err(format!("a predicate whose text has more than {PREDICATE_TEXT_BYTES_MAX} bytes"));
    }
    Ok(())
}

fn check_parts(predicate: &Predicate) -> Result<(), String> {
    match predicate {
        Predicate::And(parts) | Predicate::Or(parts) if parts.len() < 2 => {
            Err("a connective of fewer than two conditions".to_owned())
        }
        Predicate::And(parts) | Predicate::Or(parts) => parts.iter().try_for_each(check_parts),
        Predicate::Not(part) => check_parts(part),
        Predicate::Atom(atom) => {
            check_atom(atom).map_err(|refusal| format!("{}: {}", refusal.message, refusal.help))
        }
    }
}
