//! Where in an item something stands: a document path.

use super::Invalid;
use crate::value::{Item, Value};

/// One step of a path.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Step {
    /// To an attribute of an item or a map.
    Name(String),
    /// To an element of a list.
    At(usize),
}

/// A document path: an attribute, and what is within it.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Place {
    /// The attribute.
    pub head: String,
    /// The steps on from it.
    pub rest: Vec<Step>,
}

impl Place {
    /// A whole attribute.
    #[must_use]
    pub fn of(head: impl Into<String>) -> Self {
        Self { head: head.into(), rest: Vec::new() }
    }

    /// The value there.
    #[must_use]
    pub fn get<'i>(&self, item: &'i Item) -> Option<&'i Value> {
        let mut value = item.get(&self.head)?;
        for step in &self.rest {
            value = match (step, value) {
                (Step::Name(name), Value::Map(map)) => map.get(name)?,
                (Step::At(at), Value::List(list)) => list.get(*at)?,
                _ => return None,
            };
        }
        Some(value)
    }

    /// Whether one of the two is within the other, or both are one.
    #[must_use]
    pub fn overlaps(&self, other: &Self) -> bool {
        let steps = self.rest.len().min(other.rest.len());
        self.head == other.head && self.rest.get(..steps) == other.rest.get(..steps)
    }

    /// Whether something is written in it that the other path is written in as well, in another way: as a
    /// map here, and as a list there.
    #[must_use]
    pub fn conflicts(&self, other: &Self) -> bool {
        let mut pairs = self.rest.iter().zip(&other.rest);
        let differs = pairs.find(|(one, another)| one != another);
        self.head == other.head
            && matches!(differs, Some((Step::Name(_), Step::At(_)) | (Step::At(_), Step::Name(_))))
    }

    /// What holds the place: the map or the list that it is in.
    fn holder<'i>(&self, item: &'i mut Item) -> Result<Holder<'i>, Invalid> {
        let Some((last, way)) = self.rest.split_last() else { return Ok(Holder::Map(item)) };
        let mut value = item.get_mut(&self.head).ok_or_else(Invalid::path)?;
        for step in way {
            value = match (step, value) {
                (Step::Name(name), Value::Map(map)) => map.get_mut(name).ok_or_else(Invalid::path)?,
                (Step::At(at), Value::List(list)) => list.get_mut(*at).ok_or_else(Invalid::path)?,
                _ => return Err(Invalid::path()),
            };
        }
        match (last, value) {
            (Step::Name(_), Value::Map(map)) => Ok(Holder::Map(map)),
            (Step::At(_), Value::List(list)) => Ok(Holder::List(list)),
            _ => Err(Invalid::path()),
        }
    }

    fn last(&self) -> Step {
        self.rest.last().cloned().unwrap_or_else(|| Step::Name(self.head.clone()))
    }

    /// Puts a value there. What it is in has to be there; an index beyond a list's end is its end.
    ///
    /// # Errors
    /// [`Invalid`] where what it would be in is not there, or is something else.
    pub fn put(&self, item: &mut Item, value: Value) -> Result<(), Invalid> {
        match (self.holder(item)?, self.last()) {
            (Holder::Map(map), Step::Name(name)) => drop(map.insert(name, value)),
            (Holder::List(list), Step::At(at)) => match list.get_mut(at) {
                Some(slot) => *slot = value,
                None => list.push(value),
            },
            _ => return Err(Invalid::path()),
        }
        Ok(())
    }

    /// Takes away what is there, if anything is.
    ///
    /// # Errors
    /// [`Invalid`] where what it would be in is not there, or is something else.
    pub fn take(&self, item: &mut Item) -> Result<(), Invalid> {
        match (self.holder(item)?, self.last()) {
            (Holder::Map(map), Step::Name(name)) => drop(map.remove(&name)),
            (Holder::List(list), Step::At(at)) => {
                if at < list.len() {
                    list.remove(at);
                }
            }
            _ => return Err(Invalid::path()),
        }
        Ok(())
    }

    /// Checks that there is something for it to be in.
    ///
    /// # Errors
    /// [`Invalid`] where there is not.
    pub fn check(&self, item: &Item) -> Result<(), Invalid> {
        // What is looked for is a way, and ways to change and to look are one.
        self.holder(&mut item.clone()).map(|_| ())
    }
}

enum Holder<'i> {
    Map(&'i mut Item),
    List(&'i mut Vec<Value>),
}
