//! Candidates: the few values of an attribute that make a difference to conditions.
//!
//! Whether a comparison with a literal holds changes at the literal and nowhere else, so the
//! literals, a value next to each on either side, and one value of another type stand for all
//! values. Tests that look inside a value (a prefix, a substring, a size) have no such finite
//! list; theirs is a sample.

use crate::decimal::Decimal;
use crate::path::Path;
use crate::predicate::{Atom, Operand, Predicate};
use crate::value::{Item, Value};

/// The value of an attribute, or that it has none.
pub(super) type Candidate = Option<Value>;

/// Whether a test is of one attribute against literals, so that its candidates are complete.
pub(super) fn is_simple(atom: &Atom) -> bool {
    let tested = matches!(
        atom,
        Atom::Compare { left: Operand::Path(_), right: Operand::Literal(_), .. }
            | Atom::Compare { left: Operand::Literal(_), right: Operand::Path(_) | Operand::Literal(_), .. }
            | Atom::In { operand: Operand::Path(_), .. }
            | Atom::Between { operand: Operand::Path(_), .. }
            | Atom::IsNull(_)
            | Atom::IsMissing(_)
            | Atom::AttributeType(..)
    );
    tested
        && literals(atom).iter().all(|literal| match literal {
            Value::Number(number) => Scaled::of(number).is_some(),
            _ => true,
        })
}

/// The literals of a test.
pub(super) fn literals(atom: &Atom) -> Vec<&Value> {
    let literal = |operand: &'_ Operand| matches!(operand, Operand::Literal(_));
    match atom {
        Atom::Compare { left, right, .. } => [left, right]
            .into_iter()
            .filter(|operand| literal(operand))
            .filter_map(|operand| match operand {
                Operand::Literal(value) => Some(value),
                _ => None,
            })
            .collect(),
        Atom::In { values, .. } => values.iter().collect(),
        Atom::Between { low, high, .. } => vec![low, high],
        Atom::BeginsWith(_, value) | Atom::Contains(_, value) => vec![value],
        Atom::IsNull(_) | Atom::IsMissing(_) | Atom::AttributeType(..) => Vec::new(),
    }
}

/// Candidates of an attribute under some conditions, the ones that conditions speak of first.
pub(super) fn of(path: &Path, conditions: &[&Predicate]) -> Vec<Candidate> {
    let mut values: Vec<Candidate> = Vec::new();
    let mut add = |candidate: Candidate| values.push(candidate);
    let mut atoms: Vec<&Atom> = conditions.iter().flat_map(|condition| condition.atoms()).collect();
    atoms.retain(|atom| atom.paths().contains(&path));
    let mine = || atoms.iter();
    for literal in mine().flat_map(|atom| literals(atom)) {
        add(Some(literal.clone()));
    }
    add(None);
    add(Some(Value::Null));
    for literal in mine().flat_map(|atom| literals(atom)) {
        near(literal).into_iter().for_each(|value| add(Some(value)));
    }
    for atom in mine() {
        inside(atom).into_iter().for_each(|value| add(Some(value)));
        if matches!(atom, Atom::AttributeType(..)) {
            one_of_each().into_iter().for_each(|value| add(Some(value)));
        }
    }
    add(Some(other()));
    once(values)
}

/// Values as they come up first.
pub(super) fn once(values: Vec<Candidate>) -> Vec<Candidate> {
    let mut kept: Vec<Candidate> = Vec::with_capacity(values.len());
    for value in values {
        if !kept.contains(&value) {
            kept.push(value);
        }
    }
    kept
}

/// A value of a type that literals do not have.
fn other() -> Value {
    Value::List(vec![Value::Null, Value::Null])
}

fn one_of_each() -> [Value; 10] {
    [
        Value::String("s".to_owned()),
        Value::StringSet(["s".to_owned()].into()),
        Value::Number(Decimal::from(1)),
        Value::NumberSet([Decimal::from(1)].into()),
        Value::Binary(vec![1]),
        Value::BinarySet([vec![1]].into()),
        Value::Bool(true),
        Value::Null,
        Value::List(Vec::new()),
        Value::Map(Item::new()),
    ]
}

/// Values next to a literal.
pub(super) fn near(literal: &Value) -> Vec<Value> {
    match literal {
        Value::Number(number) => Scaled::of(number)
            .map_or_else(Vec::new, |scaled| scaled.around().into_iter().map(Value::Number).collect()),
        Value::String(text) => vec![
            // Nothing lies between a text and the same with a zero behind it.
            Value::String(format!("{text}\0")),
            Value::String(String::new()),
            Value::String(format!("{text}x")),
        ],
        Value::Binary(bytes) => {
            let longer: Vec<u8> = bytes.iter().copied().chain([0]).collect();
            vec![Value::Binary(longer), Value::Binary(Vec::new())]
        }
        Value::Bool(flag) => vec![Value::Bool(!flag)],
        _ => Vec::new(),
    }
}

/// The numbers of so many digits after the point that are nearest to a number, on either side.
pub(super) fn neighbours(number: &Decimal, digits: u16) -> Vec<Decimal> {
    let Some(mut scaled) = number.rounded(Some(digits)).as_ref().and_then(Scaled::of) else {
        return Vec::new();
    };
    while scaled.scale < u32::from(digits) {
        let Some(units) = scaled.units.checked_mul(10) else { return Vec::new() };
        scaled = Scaled { units, scale: scaled.scale + 1 };
    }
    let Some(step) = 10_i128.checked_pow(scaled.scale - u32::from(digits)) else { return Vec::new() };
    let around = [0, step, -step].into_iter();
    around.filter_map(|step| scaled.number(scaled.units.checked_add(step)?)).collect()
}

/// Values that a test which looks inside them may treat otherwise.
fn inside(atom: &Atom) -> Vec<Value> {
    match atom {
        Atom::Contains(_, wanted) => {
            let mut values = vec![Value::List(vec![wanted.clone()])];
            match wanted {
                Value::String(text) => {
                    values.push(Value::String(format!("a{text}")));
                    values.push(Value::StringSet([text.clone()].into()));
                }
                Value::Number(number) => values.push(Value::NumberSet([number.clone()].into())),
                Value::Binary(bytes) => values.push(Value::BinarySet([bytes.clone()].into())),
                _ => {}
            }
            values
        }
        Atom::Compare { left: Operand::Size(_), .. }
        | Atom::Compare { right: Operand::Size(_), .. }
        | Atom::In { operand: Operand::Size(_), .. }
        | Atom::Between { operand: Operand::Size(_), .. } => {
            let sizes = literals(atom).into_iter().filter_map(|literal| match literal {
                Value::Number(number) => number.as_i64().and_then(|size| usize::try_from(size).ok()),
                _ => None,
            });
            let around = sizes
                .filter(|size| *size <= SIZE_MAX)
                .flat_map(|size| [size.saturating_sub(1), size, size + 1]);
            around.map(|size| Value::String("x".repeat(size))).collect()
        }
        // Two attributes: a few numbers and texts of both.
        Atom::Compare { left: Operand::Path(_), right: Operand::Path(_), .. } => {
            let number = |n: i64| Value::Number(Decimal::from(n));
            vec![number(1), number(2), Value::String("a".to_owned()), Value::String("b".to_owned())]
        }
        _ => Vec::new(),
    }
}

/// Longest text that a size is tried with.
const SIZE_MAX: usize = 64;

/// A number as so many units of a power of ten.
struct Scaled {
    units: i128,
    scale: u32,
}

impl Scaled {
    fn of(number: &Decimal) -> Option<Self> {
        let text = number.to_string();
        let scale = text.split_once('.').map_or(0, |(_, fraction)| fraction.len());
        // Far from the ends of the type, so that neighbours and halves are in it.
        if text.len() > 30 {
            return None;
        }
        let units: i128 = text.replace('.', "").parse().ok()?;
        Some(Self { units: units.checked_mul(100)?, scale: u32::try_from(scale).ok()? + 2 })
    }

    fn number(&self, units: i128) -> Option<Decimal> {
        Decimal::from_digits(units < 0, &units.unsigned_abs().to_string(), -i64::from(self.scale)).ok()
    }

    /// The nearest on either side, and those that rounding may turn into it or out of it.
    fn around(&self) -> Vec<Decimal> {
        let one = 10_i128.checked_pow(self.scale).unwrap_or(100);
        [1, -1, 50, -50, one, -one, one / 2, -(one / 2), one / 2 + 1]
            .into_iter()
            .filter_map(|step| self.number(self.units.checked_add(step)?))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may panic")]
    use super::*;

    #[test]
    fn numbers_have_neighbours_closer_than_any_literal_as_precise() {
        let around = |text: &str| -> Vec<String> {
            let number: Decimal = text.parse().unwrap();
            near(&Value::Number(number))
                .into_iter()
                .map(
                    |value| {
                        if let Value::Number(number) = value { number.to_string() } else { String::new() }
                    },
                )
                .collect()
        };
        assert_eq!(around("-0.5")[..2], ["-0.499", "-0.501"]);
        assert_eq!(around("10")[..6], ["10.01", "9.99", "10.5", "9.5", "11", "9"]);
        assert_eq!(around("1e-130"), Vec::<String>::new());
    }
}
