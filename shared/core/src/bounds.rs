//! Bounds: what is certain of a count while its version is still being filled.
//!
//! Until a backfill is over, a new version has seen only some rows. How its rows must stand to its
//! parent's ([`Relation`]) still says something of the number it will come to, and so do the rows
//! it has seen: they are in it already.

use crate::logic::Relation;

/// The least and the most items a count can have.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Bounds {
    /// At least so many.
    pub min: i64,
    /// At most so many; `None` where nothing limits them.
    pub max: Option<i64>,
}

/// What is certain of a version's items, by how its rows must stand to its parent's: `parent` is
/// what the parent counts, within `uncertain`, and `seen` what the version counts of the rows it
/// has seen.
///
/// A narrower condition counts none that the parent does not, so `0 ≤ n' ≤ n`; a wider one counts
/// all of them, so `n' ≥ n`.
#[must_use]
pub fn bounds(relation: Relation, parent: i64, uncertain: u64, seen: i64) -> Bounds {
    let uncertain = i64::try_from(uncertain).unwrap_or(i64::MAX);
    let least = seen.saturating_sub(uncertain).max(0);
    let most = parent.saturating_add(uncertain).max(least);
    match relation {
        // The image of a group is one group or none, so no items are added.
        Relation::Mapped | Relation::AtMost => Bounds { min: least, max: Some(most) },
        Relation::AtLeast => Bounds { min: least.max(parent.saturating_sub(uncertain)), max: None },
        Relation::MappedWhileEarlier | Relation::Unrelated => Bounds { min: least, max: None },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_narrower_condition_counts_at_most_what_the_parent_does() {
        assert_eq!(bounds(Relation::AtMost, 10, 0, 0), Bounds { min: 0, max: Some(10) });
        assert_eq!(bounds(Relation::AtMost, 10, 0, 4), Bounds { min: 4, max: Some(10) });
        assert_eq!(bounds(Relation::AtMost, 10, 2, 4), Bounds { min: 2, max: Some(12) });
    }

    #[test]
    fn a_wider_condition_counts_at_least_what_the_parent_does() {
        assert_eq!(bounds(Relation::AtLeast, 10, 0, 0), Bounds { min: 10, max: None });
        assert_eq!(bounds(Relation::AtLeast, 10, 0, 12), Bounds { min: 12, max: None });
        assert_eq!(bounds(Relation::AtLeast, 10, 3, 0), Bounds { min: 7, max: None });
    }

    #[test]
    fn without_a_relation_only_what_was_seen_is_certain() {
        assert_eq!(bounds(Relation::Unrelated, 10, 0, 3), Bounds { min: 3, max: None });
        assert_eq!(bounds(Relation::MappedWhileEarlier, 10, 0, 0), Bounds { min: 0, max: None });
        assert_eq!(bounds(Relation::Mapped, 10, 0, 3), Bounds { min: 3, max: Some(10) });
    }

    #[test]
    fn bounds_are_never_the_wrong_way_round_nor_below_nothing() {
        for (relation, _) in Relation::ALL {
            for (parent, uncertain, seen) in
                [(-5, 0, 0), (0, 9, 4), (3, 0, 9), (i64::MAX, u64::MAX, 1), (i64::MIN, u64::MAX, i64::MIN)]
            {
                let Bounds { min, max } = bounds(relation, parent, uncertain, seen);
                assert!(min >= 0 && max.is_none_or(|max| max >= min), "{relation:?}: {min} {max:?}");
            }
        }
    }
}
