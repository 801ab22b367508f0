//! What an update makes of an item. Everything that it reads is read of the item as it was.

use std::collections::BTreeSet;

use super::place::Place;
use super::reader::Reader;
use super::{Given, Invalid};
use crate::decimal::Decimal;
use crate::value::{Item, Value};

/// The clauses. DynamoDB reserves the words.
const CLAUSES: [&str; 4] = ["SET", "REMOVE", "ADD", "DELETE"];

/// Most significant digits of a number that DynamoDB stores.
const DIGITS_MAX: usize = 38;

/// What an attribute is set to.
#[derive(Clone, PartialEq, Debug)]
pub enum Source {
    /// A value.
    Value(Value),
    /// What stands there.
    Place(Place),
    /// What stands there, else something else.
    IfNotExists(Place, Box<Source>),
    /// Two lists, one after the other.
    ListAppend(Box<Source>, Box<Source>),
    /// A sum.
    Plus(Box<Source>, Box<Source>),
    /// A difference.
    Minus(Box<Source>, Box<Source>),
}

/// One action.
#[derive(Clone, PartialEq, Debug)]
enum Action {
    Set(Source),
    Remove,
    Add(Value),
    Delete(Value),
}

/// An update.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Update {
    actions: Vec<(Place, Action)>,
}

impl Update {
    /// Reads an update.
    ///
    /// # Errors
    /// [`Invalid`] where it is none.
    pub fn read(text: &str, given: &Given<'_>) -> Result<Self, Invalid> {
        let mut reader = Reader::new(text, given)?;
        let (mut update, mut seen) = (Self::default(), Vec::new());
        while reader.peek().is_some() {
            let clause =
                CLAUSES.iter().copied().find(|word| reader.word(word)).ok_or_else(Invalid::syntax)?;
            if seen.contains(&clause) {
                return Err(Invalid(format!(
                    "The \"{clause}\" section can only be used once in an update expression;"
                )));
            }
            seen.push(clause);
            loop {
                let place = reader.place()?;
                let action = match clause {
                    "SET" => {
                        reader.expect('=')?;
                        Action::Set(sum(&mut reader)?)
                    }
                    "REMOVE" => Action::Remove,
                    "ADD" => Action::Add(reader.value()?),
                    _ => Action::Delete(reader.value()?),
                };
                update.actions.push((place, action));
                if !reader.sign(',') {
                    break;
                }
            }
        }
        if update.actions.is_empty() {
            return Err(Invalid("The expression can not be empty;".to_owned()));
        }
        update.check()?;
        Ok(update)
    }

    /// Where it writes, in the order in which it says so.
    pub fn places(&self) -> impl Iterator<Item = &Place> {
        self.actions.iter().map(|(place, _)| place)
    }

    /// The attributes that it gives values to as they are.
    pub fn stated(&self) -> impl Iterator<Item = (&str, &Value)> {
        self.actions.iter().filter_map(|(place, action)| match action {
            Action::Set(Source::Value(value)) if place.rest.is_empty() => Some((place.head.as_str(), value)),
            _ => None,
        })
    }

    /// Whether what it makes depends on what an attribute has.
    #[must_use]
    pub fn reads(&self, attribute: &str) -> bool {
        self.actions.iter().any(|(place, action)| match action {
            Action::Set(source) => {
                source.reads(attribute) || (place.head == attribute && !place.rest.is_empty())
            }
            Action::Remove => place.head == attribute && !place.rest.is_empty(),
            Action::Add(_) | Action::Delete(_) => place.head == attribute,
        })
    }

    /// The attributes that it takes away, or a part of them.
    #[must_use]
    pub fn removes(&self) -> BTreeSet<String> {
        let removes = |action: &Action| matches!(action, Action::Remove | Action::Delete(_));
        let places = self.actions.iter().filter(|(_, action)| removes(action));
        places.map(|(place, _)| place.head.clone()).collect()
    }

    fn check(&self) -> Result<(), Invalid> {
        for (at, (one, _)) in self.actions.iter().enumerate() {
            for (other, _) in self.actions.iter().skip(at + 1) {
                if one.overlaps(other) {
                    return Err(Invalid(
                        "Two document paths overlap with each other; must remove or rewrite one of these paths;"
                            .to_owned(),
                    ));
                }
                if one.conflicts(other) {
                    return Err(Invalid(
                        "Two document paths conflict with each other; must remove or rewrite one of these \
                         paths;"
                            .to_owned(),
                    ));
                }
            }
        }
        Ok(())
    }

    /// What it makes of an item.
    ///
    /// # Errors
    /// [`Invalid`] where something of the item does not fit it.
    pub fn apply(&self, before: &Item) -> Result<Item, Invalid> {
        // In the order of places: what goes beyond the end of a list goes there in the order of its index,
        // and what is removed goes last, from behind, so that an index means what it meant in the item.
        let (mut writes, mut removals) = (Vec::new(), Vec::new());
        for (place, action) in &self.actions {
            let stored = place.get(before);
            let value = match action {
                Action::Set(source) => source.of(before)?,
                Action::Add(value) => added(stored, value)?,
                Action::Delete(value) => match without(stored, value)? {
                    Some(left) => left,
                    None => {
                        removals.push(place);
                        continue;
                    }
                },
                Action::Remove => {
                    removals.push(place);
                    continue;
                }
            };
            writes.push((place, value));
        }
        writes.sort_by(|one, other| one.0.cmp(other.0));
        let mut item = before.clone();
        for (place, value) in writes {
            place.put(&mut item, value)?;
        }
        removals.sort();
        for place in removals.into_iter().rev() {
            place.check(before)?;
            if place.get(before).is_some() {
                place.take(&mut item)?;
            }
        }
        Ok(item)
    }
}

impl Source {
    fn reads(&self, attribute: &str) -> bool {
        match self {
            Self::Value(_) => false,
            Self::Place(place) => place.head == attribute,
            Self::IfNotExists(place, other) => place.head == attribute || other.reads(attribute),
            Self::ListAppend(one, other) | Self::Plus(one, other) | Self::Minus(one, other) => {
                one.reads(attribute) || other.reads(attribute)
            }
        }
    }

    fn of(&self, item: &Item) -> Result<Value, Invalid> {
        match self {
            Self::Value(value) => Ok(value.clone()),
            Self::Place(place) => place.get(item).cloned().ok_or_else(|| {
                Invalid(
                    "The provided expression refers to an attribute that does not exist in the item"
                        .to_owned(),
                )
            }),
            Self::IfNotExists(place, other) => place.get(item).cloned().map_or_else(|| other.of(item), Ok),
            Self::ListAppend(one, other) => match (one.of(item)?, other.of(item)?) {
                (Value::List(mut one), Value::List(other)) => {
                    one.extend(other);
                    Ok(Value::List(one))
                }
                _ => Err(Invalid::operand()),
            },
            Self::Plus(one, other) => sum_of(&one.of(item)?, &other.of(item)?, false),
            Self::Minus(one, other) => sum_of(&one.of(item)?, &other.of(item)?, true),
        }
    }
}

fn sum_of(one: &Value, other: &Value, negate: bool) -> Result<Value, Invalid> {
    let (Value::Number(one), Value::Number(other)) = (one, other) else { return Err(Invalid::operand()) };
    let other = if negate { other.negated() } else { other.clone() };
    let sum: Option<Decimal> = one.plus(&other).filter(|sum| sum.significant_digits() <= DIGITS_MAX);
    sum.map(Value::Number).ok_or_else(|| {
        Invalid(
            "Number overflow. Attempting to store a number with magnitude larger than supported range"
                .to_owned(),
        )
    })
}

/// As `ADD` has it: a sum, or a set with more in it.
fn added(stored: Option<&Value>, value: &Value) -> Result<Value, Invalid> {
    match (stored, value) {
        (None, Value::Number(_) | Value::StringSet(_) | Value::NumberSet(_) | Value::BinarySet(_)) => {
            Ok(value.clone())
        }
        (Some(one @ Value::Number(_)), Value::Number(_)) => sum_of(one, value, false),
        (Some(Value::StringSet(one)), Value::StringSet(more)) => Ok(Value::StringSet(one | more)),
        (Some(Value::NumberSet(one)), Value::NumberSet(more)) => Ok(Value::NumberSet(one | more)),
        (Some(Value::BinarySet(one)), Value::BinarySet(more)) => Ok(Value::BinarySet(one | more)),
        _ => Err(Invalid::operand()),
    }
}

/// As `DELETE` has it: a set with less in it; `None` where nothing is left, or nothing was there.
fn without(stored: Option<&Value>, value: &Value) -> Result<Option<Value>, Invalid> {
    Ok(match (stored, value) {
        (None, _) => None,
        (Some(Value::StringSet(one)), Value::StringSet(less)) => {
            Some(one - less).filter(|set| !set.is_empty()).map(Value::StringSet)
        }
        (Some(Value::NumberSet(one)), Value::NumberSet(less)) => {
            Some(one - less).filter(|set| !set.is_empty()).map(Value::NumberSet)
        }
        (Some(Value::BinarySet(one)), Value::BinarySet(less)) => {
            Some(one - less).filter(|set| !set.is_empty()).map(Value::BinarySet)
        }
        _ => return Err(Invalid::operand()),
    })
}

fn sum(reader: &mut Reader<'_, '_>) -> Result<Source, Invalid> {
    let one = source(reader)?;
    if reader.sign('+') {
        return Ok(Source::Plus(Box::new(one), Box::new(source(reader)?)));
    }
    if reader.sign('-') {
        return Ok(Source::Minus(Box::new(one), Box::new(source(reader)?)));
    }
    Ok(one)
}

fn source(reader: &mut Reader<'_, '_>) -> Result<Source, Invalid> {
    if reader.is_value() {
        return Ok(Source::Value(reader.value()?));
    }
    if reader.sign('(') {
        let inner = reader.within(sum)?;
        reader.expect(')')?;
        return Ok(inner);
    }
    let made = match reader.call() {
        Some("if_not_exists") => {
            let place = reader.place()?;
            reader.expect(',')?;
            Source::IfNotExists(place, Box::new(reader.within(source)?))
        }
        Some("list_append") => {
            let one = reader.within(source)?;
            reader.expect(',')?;
            Source::ListAppend(Box::new(one), Box::new(reader.within(source)?))
        }
        Some(name) => return Err(Invalid(format!("Invalid function name; function: {name}"))),
        None => return Ok(Source::Place(reader.place()?)),
    };
    reader.expect(')')?;
    Ok(made)
}
