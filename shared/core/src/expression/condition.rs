//! Whether a condition holds of an item. What is not there is equal to nothing and in no order with
//! anything, as in DynamoDB.

use std::cmp::Ordering;

use super::place::Place;
use super::reader::Reader;
use super::{Given, Invalid};
use crate::decimal::Decimal;
use crate::value::{Item, Value};

/// Something that is compared.
#[derive(Clone, PartialEq, Debug)]
pub enum Operand {
    /// What stands there.
    Place(Place),
    /// A value.
    Value(Value),
    /// How large what stands there is.
    Size(Place),
}

/// How two things are compared.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Comparison {
    /// `=`
    Equal,
    /// `<>`
    Unequal,
    /// `<`
    Less,
    /// `<=`
    LessOrEqual,
    /// `>`
    Greater,
    /// `>=`
    GreaterOrEqual,
}

/// A condition.
#[derive(Clone, PartialEq, Debug)]
pub enum Condition {
    /// It always holds.
    Always,
    /// Two things compare so.
    Compares(Operand, Comparison, Operand),
    /// Something is between two others, or one of them.
    Between(Operand, Operand, Operand),
    /// Something is one of several.
    Among(Operand, Vec<Operand>),
    /// Something is there.
    Exists(Place),
    /// Something is of a type.
    OfType(Place, Operand),
    /// A text or a binary begins so.
    Begins(Operand, Operand),
    /// A text, a binary, a set or a list has something in it.
    Contains(Operand, Operand),
    /// Both hold.
    And(Box<Condition>, Box<Condition>),
    /// One holds.
    Or(Box<Condition>, Box<Condition>),
    /// It does not hold.
    Not(Box<Condition>),
}

impl Condition {
    /// Reads a condition.
    ///
    /// # Errors
    /// [`Invalid`] where it is none.
    pub fn read(text: &str, given: &Given<'_>) -> Result<Self, Invalid> {
        let mut reader = Reader::new(text, given)?;
        let condition = either(&mut reader)?;
        reader.end()?;
        Ok(condition)
    }

    /// Whether it holds of an item; of no item, nothing is there.
    #[must_use]
    pub fn holds(&self, item: &Item) -> bool {
        match self {
            Self::Always => true,
            Self::Compares(one, how, other) => {
                compare(one.get(item).as_ref(), *how, other.get(item).as_ref())
            }
            Self::Between(one, low, high) => {
                let one = one.get(item);
                let holds = |how, bound: &Operand| compare(one.as_ref(), how, bound.get(item).as_ref());
                holds(Comparison::GreaterOrEqual, low) && holds(Comparison::LessOrEqual, high)
            }
            Self::Among(one, all) => {
                let one = one.get(item);
                one.is_some() && all.iter().any(|other| other.get(item) == one)
            }
            Self::Exists(place) => place.get(item).is_some(),
            Self::OfType(place, name) => match (place.get(item), name.get(item)) {
                (Some(value), Some(Value::String(name))) => value.type_name() == name,
                _ => false,
            },
            Self::Begins(one, start) => match (one.get(item), start.get(item)) {
                (Some(Value::String(one)), Some(Value::String(start))) => one.starts_with(&start),
                (Some(Value::Binary(one)), Some(Value::Binary(start))) => one.starts_with(&start),
                _ => false,
            },
            Self::Contains(one, part) => contains(one.get(item), part.get(item)),
            Self::And(one, other) => one.holds(item) && other.holds(item),
            Self::Or(one, other) => one.holds(item) || other.holds(item),
            Self::Not(one) => !one.holds(item),
        }
    }

    /// Parts it from a comparison that it needs to hold in any case: that an attribute is equal to a value.
    #[must_use]
    pub fn without_equality(self, attribute: &str) -> (Self, Option<Value>) {
        let is_it = |place: &Place| place.rest.is_empty() && place.head == attribute;
        match self {
            Self::Compares(Operand::Place(place), Comparison::Equal, Operand::Value(value))
            | Self::Compares(Operand::Value(value), Comparison::Equal, Operand::Place(place))
                if is_it(&place) =>
            {
                (Self::Always, Some(value))
            }
            Self::And(one, other) => {
                let (one, found) = one.without_equality(attribute);
                match found {
                    Some(value) => (Self::And(Box::new(one), other), Some(value)),
                    None => {
                        let (other, found) = other.without_equality(attribute);
                        (Self::And(Box::new(one), Box::new(other)), found)
                    }
                }
            }
            condition => (condition, None),
        }
    }

    /// Whether it names an attribute, or something within it.
    #[must_use]
    pub fn names(&self, attribute: &str) -> bool {
        let of = |operand: &Operand| match operand {
            Operand::Place(place) | Operand::Size(place) => place.head == attribute,
            Operand::Value(_) => false,
        };
        match self {
            Self::Always => false,
            Self::Compares(one, _, other) | Self::Begins(one, other) | Self::Contains(one, other) => {
                of(one) || of(other)
            }
            Self::Between(one, low, high) => of(one) || of(low) || of(high),
            Self::Among(one, all) => of(one) || all.iter().any(of),
            Self::Exists(place) => place.head == attribute,
            Self::OfType(place, name) => place.head == attribute || of(name),
            Self::And(one, other) | Self::Or(one, other) => one.names(attribute) || other.names(attribute),
            Self::Not(one) => one.names(attribute),
        }
    }
}

impl Operand {
    fn get(&self, item: &Item) -> Option<Value> {
        match self {
            Self::Place(place) => place.get(item).cloned(),
            Self::Value(value) => Some(value.clone()),
            Self::Size(place) => size(place.get(item)?),
        }
    }
}

/// As `size` has it: of a text, its UTF-16 units.
fn size(value: &Value) -> Option<Value> {
    let size = match value {
        Value::String(text) => text.encode_utf16().count(),
        Value::Binary(bytes) => bytes.len(),
        Value::List(list) => list.len(),
        Value::Map(map) => map.len(),
        Value::StringSet(set) => set.len(),
        Value::NumberSet(set) => set.len(),
        Value::BinarySet(set) => set.len(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Unavailable => return None,
    };
    Some(Value::Number(Decimal::from(i64::try_from(size).unwrap_or(i64::MAX))))
}

fn compare(one: Option<&Value>, how: Comparison, other: Option<&Value>) -> bool {
    let order = || match (one, other) {
        (Some(Value::String(one)), Some(Value::String(other))) => Some(one.cmp(other)),
        (Some(Value::Number(one)), Some(Value::Number(other))) => Some(one.cmp(other)),
        (Some(Value::Binary(one)), Some(Value::Binary(other))) => Some(one.cmp(other)),
        _ => None,
    };
    match how {
        Comparison::Equal => one.is_some() && one == other,
        Comparison::Unequal => one.is_none() || one != other,
        Comparison::Less => order() == Some(Ordering::Less),
        Comparison::LessOrEqual => order().is_some_and(Ordering::is_le),
        Comparison::Greater => order() == Some(Ordering::Greater),
        Comparison::GreaterOrEqual => order().is_some_and(Ordering::is_ge),
    }
}

fn contains(whole: Option<Value>, part: Option<Value>) -> bool {
    match (whole, part) {
        (Some(Value::String(whole)), Some(Value::String(part))) => whole.contains(&part),
        (Some(Value::Binary(whole)), Some(Value::Binary(part))) => {
            part.is_empty() || whole.windows(part.len()).any(|window| window == part)
        }
        (Some(Value::StringSet(set)), Some(Value::String(part))) => set.contains(&part),
        (Some(Value::NumberSet(set)), Some(Value::Number(part))) => set.contains(&part),
        (Some(Value::BinarySet(set)), Some(Value::Binary(part))) => set.contains(&part),
        (Some(Value::List(list)), Some(part)) => list.contains(&part),
        _ => false,
    }
}

fn either(reader: &mut Reader<'_, '_>) -> Result<Condition, Invalid> {
    let mut one = both(reader)?;
    while reader.word("OR") {
        one = Condition::Or(Box::new(one), Box::new(both(reader)?));
    }
    Ok(one)
}

fn both(reader: &mut Reader<'_, '_>) -> Result<Condition, Invalid> {
    let mut one = negated(reader)?;
    while reader.word("AND") {
        one = Condition::And(Box::new(one), Box::new(negated(reader)?));
    }
    Ok(one)
}

fn negated(reader: &mut Reader<'_, '_>) -> Result<Condition, Invalid> {
    if reader.word("NOT") {
        return reader.within(|reader| Ok(Condition::Not(Box::new(negated(reader)?))));
    }
    if reader.sign('(') {
        let inner = reader.within(either)?;
        reader.expect(')')?;
        return Ok(inner);
    }
    single(reader)
}

fn single(reader: &mut Reader<'_, '_>) -> Result<Condition, Invalid> {
    let Some(name) = reader.call() else {
        let one = operand(reader)?;
        return compared(reader, one);
    };
    let made = match name {
        "attribute_exists" => Condition::Exists(reader.place()?),
        "attribute_not_exists" => Condition::Not(Box::new(Condition::Exists(reader.place()?))),
        "attribute_type" => {
            let place = reader.place()?;
            reader.expect(',')?;
            Condition::OfType(place, operand(reader)?)
        }
        "begins_with" | "contains" => {
            let one = operand(reader)?;
            reader.expect(',')?;
            let other = operand(reader)?;
            if name == "contains" { Condition::Contains(one, other) } else { Condition::Begins(one, other) }
        }
        "size" => {
            let place = reader.place()?;
            reader.expect(')')?;
            return compared(reader, Operand::Size(place));
        }
        _ => return Err(Invalid(format!("Invalid function name; function: {name}"))),
    };
    reader.expect(')')?;
    Ok(made)
}

fn operand(reader: &mut Reader<'_, '_>) -> Result<Operand, Invalid> {
    if reader.is_value() {
        return Ok(Operand::Value(reader.value()?));
    }
    match reader.call() {
        Some("size") => {
            let place = reader.place()?;
            reader.expect(')')?;
            Ok(Operand::Size(place))
        }
        Some(name) => Err(Invalid(format!(
            "The function is not allowed to be used this way in an expression; function: {name}"
        ))),
        None => Ok(Operand::Place(reader.place()?)),
    }
}

fn compared(reader: &mut Reader<'_, '_>, one: Operand) -> Result<Condition, Invalid> {
    if reader.word("BETWEEN") {
        let low = operand(reader)?;
        if !reader.word("AND") {
            return Err(Invalid::syntax());
        }
        return Ok(Condition::Between(one, low, operand(reader)?));
    }
    if reader.word("IN") {
        reader.expect('(')?;
        let mut all = vec![operand(reader)?];
        while reader.sign(',') {
            all.push(operand(reader)?);
        }
        reader.expect(')')?;
        return Ok(Condition::Among(one, all));
    }
    let how = match reader.next().map(|token| token.text) {
        Some("=") => Comparison::Equal,
        Some("<>") => Comparison::Unequal,
        Some("<") => Comparison::Less,
        Some("<=") => Comparison::LessOrEqual,
        Some(">") => Comparison::Greater,
        Some(">=") => Comparison::GreaterOrEqual,
        _ => return Err(Invalid::syntax()),
    };
    Ok(Condition::Compares(one, how, operand(reader)?))
}
