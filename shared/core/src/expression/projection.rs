//! What a projection shows of an item: the places that it names, each within what it stands in.

use std::collections::BTreeMap;

use super::place::{Place, Step};
use super::reader::Reader;
use super::{Given, Invalid};
use crate::value::{Item, Value};

/// What is shown.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Shown {
    attributes: BTreeMap<String, Part>,
}

/// How much of a value is shown.
#[derive(Clone, PartialEq, Eq, Debug)]
enum Part {
    Whole,
    Names(BTreeMap<String, Part>),
    Elements(BTreeMap<usize, Part>),
}

impl Shown {
    /// Reads a projection.
    ///
    /// # Errors
    /// [`Invalid`] where it is none.
    pub fn read(text: &str, given: &Given<'_>) -> Result<Self, Invalid> {
        let mut reader = Reader::new(text, given)?;
        let mut places = vec![reader.place()?];
        while reader.sign(',') {
            places.push(reader.place()?);
        }
        reader.end()?;
        for (at, one) in places.iter().enumerate() {
            if places.iter().skip(at + 1).any(|other| one.overlaps(other)) {
                return Err(Invalid(
                    "Two document paths overlap with each other; must remove or rewrite one of these paths;"
                        .to_owned(),
                ));
            }
        }
        Ok(Self::of(&places))
    }

    /// What shows these places.
    pub fn of<'p>(places: impl IntoIterator<Item = &'p Place>) -> Self {
        let mut shown = Self::default();
        for place in places {
            match shown.attributes.entry(place.head.clone()) {
                std::collections::btree_map::Entry::Vacant(entry) => drop(entry.insert(part(&place.rest))),
                std::collections::btree_map::Entry::Occupied(mut entry) => add(entry.get_mut(), &place.rest),
            }
        }
        shown
    }

    /// The attributes that it names, or names something in.
    pub fn heads(&self) -> impl Iterator<Item = &str> {
        self.attributes.keys().map(String::as_str)
    }

    /// What it shows of an item.
    #[must_use]
    pub fn show(&self, item: &Item) -> Item {
        names(&self.attributes, item)
    }
}

fn part(rest: &[Step]) -> Part {
    match rest.split_first() {
        None => Part::Whole,
        Some((Step::Name(name), rest)) => Part::Names([(name.clone(), part(rest))].into()),
        Some((Step::At(at), rest)) => Part::Elements([(*at, part(rest))].into()),
    }
}

fn add(known: &mut Part, rest: &[Step]) {
    match (known, rest.split_first()) {
        (Part::Names(names), Some((Step::Name(name), rest))) => match names.get_mut(name) {
            Some(known) => add(known, rest),
            None => drop(names.insert(name.clone(), part(rest))),
        },
        (Part::Elements(elements), Some((Step::At(at), rest))) => match elements.get_mut(at) {
            Some(known) => add(known, rest),
            None => drop(elements.insert(*at, part(rest))),
        },
        // Places that overlap are refused before.
        _ => {}
    }
}

fn names(parts: &BTreeMap<String, Part>, map: &Item) -> Item {
    let shown = parts.iter().filter_map(|(name, part)| Some((name.clone(), show(part, map.get(name)?)?)));
    shown.collect()
}

fn show(part: &Part, value: &Value) -> Option<Value> {
    match (part, value) {
        (Part::Whole, value) => Some(value.clone()),
        (Part::Names(parts), Value::Map(map)) => Some(Value::Map(names(parts, map)))
            .filter(|shown| !matches!(shown, Value::Map(map) if map.is_empty())),
        (Part::Elements(parts), Value::List(list)) => {
            let shown = parts.iter().filter_map(|(at, part)| show(part, list.get(*at)?));
            Some(shown.collect::<Vec<_>>()).filter(|shown| !shown.is_empty()).map(Value::List)
        }
        _ => None,
    }
}
