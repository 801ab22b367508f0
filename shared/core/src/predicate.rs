//! Predicates: the `where` of a count, as data, and its three-valued evaluation.
//!
//! The language is the condition part of SQL as DynamoDB speaks it (PartiQL,
//! <https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/ql-functions.html>). It is
//! total: no clock, no randomness, no recursion beyond the bounds below. Where an atom meets a
//! missing attribute its truth is unknown *and* it is reported, because a missing attribute is
//! the first sign of a rename; it is never silently false.

use std::cmp::Ordering;

use crate::path::Path;
use crate::value::{Item, Value};

/// Most nodes (connectives, atoms, operands, literals) of a predicate. DynamoDB allows 300
/// operators in an expression; 256 keeps an evaluation within microseconds.
pub const PREDICATE_NODES_MAX: usize = 256;
/// Deepest nesting of a predicate.
pub const PREDICATE_DEPTH_MAX: usize = 32;
/// Longest literal, in bytes. DynamoDB's sort keys end at 1,024.
pub const LITERAL_BYTES_MAX: usize = 1_024;

/// A condition on an item.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Predicate {
    /// True where all parts are.
    And(Vec<Predicate>),
    /// True where any part is.
    Or(Vec<Predicate>),
    /// True where the part is false.
    Not(Box<Predicate>),
    /// A single test.
    Atom(Atom),
}

/// A single test of an item.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Atom {
    /// `left op right`.
    Compare {
        /// The left operand.
        left: Operand,
        /// The comparison.
        op: Comparison,
        /// The right operand.
        right: Operand,
    },
    /// `operand IN (values)`.
    In {
        /// What is looked for.
        operand: Operand,
        /// Where.
        values: Vec<Value>,
    },
    /// `operand BETWEEN low AND high`, both ends included.
    Between {
        /// What is compared.
        operand: Operand,
        /// The lower end.
        low: Value,
        /// The upper end.
        high: Value,
    },
    /// `path IS NULL`: the attribute is there and is NULL.
    IsNull(Path),
    /// `path IS MISSING`: the attribute is not there.
    IsMissing(Path),
    /// `begins_with(path, prefix)`.
    BeginsWith(Path, Value),
    /// `contains(path, value)`: a substring of text, an element of a set or list.
    Contains(Path, Value),
    /// `attribute_type(path, type)`.
    AttributeType(Path, AttributeType),
}

/// What a comparison compares.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Operand {
    /// The value at a path.
    Path(Path),
    /// `size(path)`: characters of text, bytes of a binary, elements of a collection.
    Size(Path),
    /// A constant.
    Literal(Value),
}

/// A comparison operator.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Comparison {
    /// `=`
    Equal,
    /// `<>`
    NotEqual,
    /// `<`
    Less,
    /// `<=`
    LessOrEqual,
    /// `>`
    Greater,
    /// `>=`
    GreaterOrEqual,
}

impl Comparison {
    /// All operators with their spelling.
    pub const ALL: [(Self, &'static str); 6] = [
        (Self::Equal, "="),
        (Self::NotEqual, "<>"),
        (Self::Less, "<"),
        (Self::LessOrEqual, "<="),
        (Self::Greater, ">"),
        (Self::GreaterOrEqual, ">="),
    ];

    fn holds(self, order: Ordering) -> bool {
        match self {
            Self::Equal => order.is_eq(),
            Self::NotEqual => order.is_ne(),
            Self::Less => order.is_lt(),
            Self::LessOrEqual => order.is_le(),
            Self::Greater => order.is_gt(),
            Self::GreaterOrEqual => order.is_ge(),
        }
    }
}

/// A DynamoDB type descriptor: `S SS N NS B BS BOOL NULL L M`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct AttributeType(&'static str);

impl AttributeType {
    /// All descriptors.
    pub const ALL: [&'static str; 10] = ["S", "SS", "N", "NS", "B", "BS", "BOOL", "NULL", "L", "M"];

    /// The descriptor of that name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|known| *known == name).map(Self)
    }

    /// Its name.
    #[must_use]
    pub fn name(self) -> &'static str {
        self.0
    }
}

/// Three-valued truth.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Truth {
    /// The condition holds.
    True,
    /// It does not.
    False,
    /// It cannot be told: NULL, a missing attribute, or types that do not compare.
    Unknown,
}

impl Truth {
    fn from_bool(flag: bool) -> Self {
        if flag { Self::True } else { Self::False }
    }

    fn not(self) -> Self {
        match self {
            Self::True => Self::False,
            Self::False => Self::True,
            Self::Unknown => Self::Unknown,
        }
    }
}

/// The outcome of evaluating a predicate on an item.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Evaluation {
    /// Whether the item is counted ([`Truth::True`]) or not.
    pub truth: Truth,
    /// Atoms (numbered as they are written, from 0) that met a missing attribute.
    pub missing: Vec<u16>,
    /// Whether an atom needed a value that the source did not send.
    pub unavailable: bool,
}

impl Predicate {
    /// Evaluates the predicate on an item. Every atom is looked at, so that what is reported as
    /// missing does not depend on the order in which conditions are written.
    #[must_use]
    pub fn evaluate(&self, item: &Item) -> Evaluation {
        let mut walk = Walk { item, atom: 0, missing: Vec::new(), unavailable: false };
        let truth = walk.predicate(self);
        Evaluation { truth, missing: walk.missing, unavailable: walk.unavailable }
    }

    /// The atoms in the order in which evaluations number them.
    #[must_use]
    pub fn atoms(&self) -> Vec<&Atom> {
        let mut atoms = Vec::new();
        self.visit(&mut |atom| atoms.push(atom));
        atoms
    }

    /// Every path the predicate reads.
    #[must_use]
    pub fn paths(&self) -> Vec<&Path> {
        let mut paths = Vec::new();
        self.visit(&mut |atom| atom.visit_paths(&mut paths));
        paths
    }

    /// The dimension under which the truth of the atom of this number is counted (see
    /// [`crate::definition::Headroom`]): true, false, or NULL where it is unknown. No attribute
    /// has such a name in a path that a person writes without quotes.
    #[must_use]
    pub fn truth_path(atom: usize) -> Path {
        Path::column(format!("where[{atom}]"))
    }

    /// The truth of each atom as a value, in the order in which evaluations number them.
    #[must_use]
    pub fn truths(&self, item: &Item) -> Vec<Value> {
        let truth = |atom: &&Atom| match atom.evaluate(item).truth {
            Truth::True => Value::Bool(true),
            Truth::False => Value::Bool(false),
            Truth::Unknown => Value::Null,
        };
        self.atoms().iter().map(truth).collect()
    }

    /// The same condition on an item that holds the truth of each atom at [`Self::truth_path`].
    #[must_use]
    pub fn over_truths(&self) -> Self {
        let mut number = 0;
        self.map_atoms(&mut |_| {
            number += 1;
            Atom::Compare {
                left: Operand::Path(Self::truth_path(number - 1)),
                op: Comparison::Equal,
                right: Operand::Literal(Value::Bool(true)),
            }
        })
    }

    /// The same condition with each atom replaced.
    #[must_use]
    pub fn map_atoms(&self, map: &mut impl FnMut(&Atom) -> Atom) -> Self {
        match self {
            Self::And(parts) => Self::And(parts.iter().map(|part| part.map_atoms(map)).collect()),
            Self::Or(parts) => Self::Or(parts.iter().map(|part| part.map_atoms(map)).collect()),
            Self::Not(part) => Self::Not(Box::new(part.map_atoms(map))),
            Self::Atom(atom) => Self::Atom(map(atom)),
        }
    }

    fn visit<'a>(&'a self, seen: &mut impl FnMut(&'a Atom)) {
        match self {
            Self::And(parts) | Self::Or(parts) => parts.iter().for_each(|part| part.visit(seen)),
            Self::Not(part) => part.visit(seen),
            Self::Atom(atom) => seen(atom),
        }
    }
}

impl Atom {
    /// Evaluates the test alone, as if it were a whole condition.
    pub(crate) fn evaluate(&self, item: &Item) -> Evaluation {
        let mut walk = Walk { item, atom: 0, missing: Vec::new(), unavailable: false };
        let truth = walk.atom(self);
        Evaluation { truth, missing: walk.missing, unavailable: walk.unavailable }
    }

    /// Every path the test reads.
    pub(crate) fn paths(&self) -> Vec<&Path> {
        let mut paths = Vec::new();
        self.visit_paths(&mut paths);
        paths
    }

    fn visit_paths<'a>(&'a self, paths: &mut Vec<&'a Path>) {
        let mut operand = |operand: &'a Operand| match operand {
            Operand::Path(path) | Operand::Size(path) => paths.push(path),
            Operand::Literal(_) => {}
        };
        match self {
            Self::Compare { left, right, .. } => {
                operand(left);
                operand(right);
            }
            Self::In { operand: tested, .. } | Self::Between { operand: tested, .. } => operand(tested),
            Self::IsNull(path)
            | Self::IsMissing(path)
            | Self::BeginsWith(path, _)
            | Self::Contains(path, _)
            | Self::AttributeType(path, _) => paths.push(path),
        }
    }
}

/// What an operand turned out to be.
enum Found<'a> {
    Value(std::borrow::Cow<'a, Value>),
    /// NULL, or a type that has no such operation: unknown, nothing to report.
    Nothing,
    Missing,
    Unavailable,
}

struct Walk<'a> {
    item: &'a Item,
    atom: u16,
    missing: Vec<u16>,
    unavailable: bool,
}

impl<'a> Walk<'a> {
    fn predicate(&mut self, predicate: &'a Predicate) -> Truth {
        match predicate {
            Predicate::And(parts) => self.all(parts, Truth::False, Truth::True),
            Predicate::Or(parts) => self.all(parts, Truth::True, Truth::False),
            Predicate::Not(part) => self.predicate(part).not(),
            Predicate::Atom(atom) => {
                let truth = self.atom(atom);
                self.atom = self.atom.saturating_add(1);
                truth
            }
        }
    }

    /// A connective: `decisive` wins over unknown, unknown wins over `neutral`.
    fn all(&mut self, parts: &'a [Predicate], decisive: Truth, neutral: Truth) -> Truth {
        parts.iter().fold(neutral, |so_far, part| {
            let truth = self.predicate(part);
            if so_far == decisive || truth == decisive {
                decisive
            } else if so_far == Truth::Unknown || truth == Truth::Unknown {
                Truth::Unknown
            } else {
                neutral
            }
        })
    }

    fn atom(&mut self, atom: &'a Atom) -> Truth {
        match atom {
            Atom::Compare { left, op, right } => {
                let (left, right) = (self.operand(left), self.operand(right));
                let order = match (&left, &right) {
                    (Found::Value(left), Found::Value(right)) => Some(compare(left, right)),
                    _ => None,
                };
                match order {
                    Some(Some(order)) => Truth::from_bool(op.holds(order)),
                    // Values of two types are different, but neither is the greater one.
                    Some(None) => match op {
                        Comparison::Equal => Truth::False,
                        Comparison::NotEqual => Truth::True,
                        _ => Truth::Unknown,
                    },
                    None => self.undecided(&[left, right]),
                }
            }
            Atom::In { operand, values } => self.test_operand(operand, |found| {
                Truth::from_bool(values.iter().any(|value| compare(found, value) == Some(Ordering::Equal)))
            }),
            Atom::Between { operand, low, high } => {
                self.test_operand(operand, |found| match (compare(found, low), compare(found, high)) {
                    (Some(low), Some(high)) => Truth::from_bool(low.is_ge() && high.is_le()),
                    _ => Truth::Unknown,
                })
            }
            Atom::IsMissing(path) => match path.lookup(self.item) {
                None => Truth::True,
                // A column that was not sent is there; what it holds inside is not known.
                Some(Value::Unavailable) if !path.rest().is_empty() => self.undecided(&[Found::Unavailable]),
                Some(_) => Truth::False,
            },
            Atom::IsNull(path) => self.test_present(path, |found| Truth::from_bool(*found == Value::Null)),
            Atom::AttributeType(path, wanted) => {
                self.test_present(path, |found| Truth::from_bool(found.type_name() == wanted.name()))
            }
            Atom::BeginsWith(path, prefix) => self.test_value(path, |found| match (found, prefix) {
                (Value::String(text), Value::String(prefix)) => {
                    Truth::from_bool(text.starts_with(prefix.as_str()))
                }
                (Value::Binary(bytes), Value::Binary(prefix)) => Truth::from_bool(bytes.starts_with(prefix)),
                _ => Truth::Unknown,
            }),
            Atom::Contains(path, wanted) => self.test_value(path, |found| contains(found, wanted)),
        }
    }

    fn found(&self, path: &Path) -> Found<'a> {
        match path.lookup(self.item) {
            None => Found::Missing,
            Some(Value::Unavailable) => Found::Unavailable,
            Some(Value::Null) => Found::Nothing,
            Some(value) => Found::Value(std::borrow::Cow::Borrowed(value)),
        }
    }

    fn operand(&self, operand: &'a Operand) -> Found<'a> {
        match operand {
            Operand::Literal(value) => Found::Value(std::borrow::Cow::Borrowed(value)),
            Operand::Path(path) => self.found(path),
            Operand::Size(path) => match self.found(path) {
                Found::Value(value) => match size(&value) {
                    Some(size) => Found::Value(std::borrow::Cow::Owned(Value::Number(size.into()))),
                    None => Found::Nothing,
                },
                other => other,
            },
        }
    }

    fn test_operand(&mut self, operand: &'a Operand, test: impl FnOnce(&Value) -> Truth) -> Truth {
        match self.operand(operand) {
            Found::Value(value) => test(&value),
            other => self.undecided(&[other]),
        }
    }

    fn test_value(&mut self, path: &Path, test: impl FnOnce(&Value) -> Truth) -> Truth {
        match self.found(path) {
            Found::Value(value) => test(&value),
            other => self.undecided(&[other]),
        }
    }

    /// As [`Walk::test_value`], but NULL is a value to test like any other.
    fn test_present(&mut self, path: &Path, test: impl FnOnce(&Value) -> Truth) -> Truth {
        match self.found(path) {
            Found::Nothing => test(&Value::Null),
            Found::Value(value) => test(&value),
            other => self.undecided(&[other]),
        }
    }

    fn undecided(&mut self, found: &[Found<'_>]) -> Truth {
        if found.iter().any(|one| matches!(one, Found::Missing)) {
            self.missing.push(self.atom);
        }
        self.unavailable |= found.iter().any(|one| matches!(one, Found::Unavailable));
        Truth::Unknown
    }
}

/// The order of two values of one type; for types without an order, equality alone.
fn compare(left: &Value, right: &Value) -> Option<Ordering> {
    match (left, right) {
        (Value::Number(a), Value::Number(b)) => Some(a.cmp(b)),
        (Value::String(a), Value::String(b)) => Some(a.as_bytes().cmp(b.as_bytes())),
        (Value::Binary(a), Value::Binary(b)) => Some(a.cmp(b)),
        _ if left == right => Some(Ordering::Equal),
        _ => None,
    }
}

/// `size()` in DynamoDB's sense; `None` for types without one.
/// <https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/ql-functions.size.html>
fn size(value: &Value) -> Option<i64> {
    let size = match value {
        Value::String(text) => text.chars().count(),
        Value::Binary(bytes) => bytes.len(),
        Value::List(values) => values.len(),
        Value::Map(item) => item.len(),
        Value::StringSet(set) => set.len(),
        Value::NumberSet(set) => set.len(),
        Value::BinarySet(set) => set.len(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Unavailable => return None,
    };
    i64::try_from(size).ok()
}

fn contains(found: &Value, wanted: &Value) -> Truth {
    match (found, wanted) {
        (Value::String(text), Value::String(part)) => Truth::from_bool(text.contains(part.as_str())),
        (Value::Binary(bytes), Value::Binary(part)) => {
            Truth::from_bool(part.is_empty() || bytes.windows(part.len()).any(|window| window == part))
        }
        (Value::List(values), wanted) => Truth::from_bool(values.contains(wanted)),
        (Value::StringSet(set), Value::String(text)) => Truth::from_bool(set.contains(text)),
        (Value::NumberSet(set), Value::Number(number)) => Truth::from_bool(set.contains(number)),
        (Value::BinarySet(set), Value::Binary(bytes)) => Truth::from_bool(set.contains(bytes)),
        _ => Truth::Unknown,
    }
}

#[cfg(test)]
mod tests;
