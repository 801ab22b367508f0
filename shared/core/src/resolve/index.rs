//! What is seen through an index, which may have only some of an item.
//!
//! A value that is kept beside the table, and an item as another version of the schema has it, are in no index. What
//! is seen of them through one is what the index would have of the table's own.

use std::collections::BTreeSet;
use std::fmt;

use super::{Naming, Use};

/// What an index has of an item besides keys.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Projected {
    /// Everything.
    All,
    /// Nothing.
    Keys,
    /// These attributes.
    Some(BTreeSet<String>),
}

/// An index of a table.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TableIndex {
    /// Its key attributes, and those of its table.
    pub keys: BTreeSet<String>,
    /// What else it has.
    pub projected: Projected,
    /// Whether it is local to a partition: what it does not have, a read that asks for it has from the table.
    pub is_local: bool,
}

/// What a read asks of an index.
#[derive(Clone, Copy, Debug)]
pub struct Asks<'a> {
    /// The attributes that the read names.
    pub namings: &'a [Naming],
    /// Whether it asks for all attributes, whatever the index has.
    pub all: bool,
    /// The version of the schema that it wants items in, where that is not the one in force.
    pub version: Option<u32>,
    /// The columns of which values are kept beside the table.
    pub beside: &'a BTreeSet<String>,
}

/// What is seen of an item.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Seen {
    /// All of it.
    Whole,
    /// These attributes.
    Only(BTreeSet<String>),
}

/// Why nothing can be seen.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Unseen {
    /// Attributes are asked for, or decide what is shown, that the index does not have.
    NotProjected(Vec<String>),
    /// A key of another version of the schema.
    NoKey {
        /// Which.
        attribute: String,
        /// The version.
        version: u32,
    },
    /// Which attributes of another version the index would have, nobody can tell.
    OfAnotherVersion(u32),
}

impl fmt::Display for Unseen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotProjected(names) => write!(f, "it does not project [{}]", names.join(", ")),
            Self::NoKey { attribute, version } => write!(
                f,
                "`{attribute}` of schema version {version} is none of its keys; name them as the version in force does"
            ),
            Self::OfAnotherVersion(version) => write!(
                f,
                "it projects single attributes, and which those are in schema version {version} nobody can tell; read \
                 the table, or through an index that projects ALL or KEYS_ONLY"
            ),
        }
    }
}

impl TableIndex {
    /// What a read sees of each item.
    ///
    /// # Errors
    /// [`Unseen`] where it has no answer.
    pub fn seen(&self, asks: Asks<'_>) -> Result<Seen, Unseen> {
        let of_use = |uses: &'static [Use]| {
            asks.namings.iter().filter(|one| uses.contains(&one.usage)).map(|one| &one.attribute)
        };
        if let Some(version) = asks.version
            && let Some(attribute) = of_use(&[Use::Key]).find(|name| !self.keys.contains(*name))
        {
            return Err(Unseen::NoKey { attribute: attribute.clone(), version });
        }
        let mut names = self.keys.clone();
        match (&self.projected, asks.version) {
            (Projected::All, _) => return Ok(Seen::Whole),
            (Projected::Keys, _) => {}
            (Projected::Some(_), Some(version)) => return Err(Unseen::OfAnotherVersion(version)),
            (Projected::Some(others), None) => names.extend(others.iter().cloned()),
        }
        let shown: Vec<&String> = of_use(&[Use::Read, Use::Within]).collect();
        if self.is_local && (asks.all || !shown.is_empty()) {
            return Ok(Seen::Whole);
        }
        // A filter on what an index does not have is the database's to judge, but for what is in no index.
        let decides = of_use(&[Use::Filter]).filter(|name| asks.beside.contains(*name));
        let missing = shown.into_iter().chain(decides).filter(|name| !names.contains(*name));
        let missing: BTreeSet<String> = missing.cloned().collect();
        if missing.is_empty() {
            Ok(Seen::Only(names))
        } else {
            Err(Unseen::NotProjected(missing.into_iter().collect()))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(names: &[&str]) -> BTreeSet<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    fn index(projected: Projected, is_local: bool) -> TableIndex {
        TableIndex { keys: set(&["id", "state"]), projected, is_local }
    }

    #[test]
    fn what_an_index_has_is_seen_and_what_it_has_not_is_refused_by_name() {
        let (none, beside) = (BTreeSet::new(), set(&["gift"]));
        let some = || Projected::Some(set(&["note"]));
        let seen = |index: TableIndex, namings: &[(&str, Use)], all, version| {
            let namings: Vec<Naming> =
                namings.iter().map(|(name, usage)| Naming::new(*name, *usage)).collect();
            index.seen(Asks { namings: &namings, all, version, beside: &beside })
        };
        let only = |names: &[&str]| Ok(Seen::Only(set(names)));
        let not = |name: &str| Err(Unseen::NotProjected(vec![name.to_owned()]));
        let gift = [("gift", Use::Read)];
        assert_eq!(seen(index(Projected::All, false), &gift, false, Some(1)), Ok(Seen::Whole));
        assert_eq!(seen(index(Projected::Keys, false), &[], false, None), only(&["id", "state"]));
        assert_eq!(seen(index(Projected::Keys, false), &[], false, Some(1)), only(&["id", "state"]));
        assert_eq!(
            seen(index(some(), false), &[("note", Use::Within)], false, None),
            only(&["id", "note", "state"])
        );
        assert_eq!(seen(index(some(), false), &gift, false, None), not("gift"));
        assert_eq!(seen(index(some(), true), &gift, false, None), Ok(Seen::Whole));
        assert_eq!(seen(index(some(), true), &[], true, None), Ok(Seen::Whole));
        assert_eq!(seen(index(some(), true), &[("gift", Use::Filter)], false, None), not("gift"));
        assert_eq!(
            seen(index(some(), false), &[("total", Use::Filter)], false, None),
            only(&["id", "note", "state"])
        );
        assert_eq!(seen(index(some(), false), &[], false, Some(1)), Err(Unseen::OfAnotherVersion(1)));
        let key = [("status", Use::Key)];
        let told = seen(index(Projected::All, false), &key, false, Some(1));
        assert_eq!(told, Err(Unseen::NoKey { attribute: "status".to_owned(), version: 1 }));
        // In the version in force it is the database's to refuse.
        assert_eq!(seen(index(Projected::All, false), &key, false, None), Ok(Seen::Whole));
        assert_eq!(
            index(Projected::All, false).seen(Asks {
                namings: &[],
                all: false,
                version: None,
                beside: &none
            }),
            Ok(Seen::Whole)
        );
    }
}
