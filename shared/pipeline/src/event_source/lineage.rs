//! Decides which shards of a resharded stream may be read now.
//!
//! Where AWS promises nothing (may a child shard be read before its parent?) the caller chooses,
//! so that tests can run both.

use std::collections::BTreeMap;

/// Whether a shard made by a split or merge waits for its parents.
///
/// No AWS page promises that a mapping drains the parent first, so exactness may not depend on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ReadOrder {
    /// A child is read once each of its parents is read to its end.
    #[default]
    ParentFirst,
    /// A parent is held back until its children are read to the tip: the adverse case.
    ChildFirst,
}

/// How far a shard has been read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// There may be records that were not read or not settled.
    Behind,
    /// Everything written so far is settled; the shard may get more.
    AtTip,
    /// The shard is closed and all of it is settled.
    Drained,
}

/// One shard as the choice of what to read next sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ShardView<'a> {
    /// The shard's id.
    pub id: &'a str,
    /// `ParentShardId` and `AdjacentParentShardId`.
    pub parents: [Option<&'a str>; 2],
    /// How far it has been read.
    pub stage: Stage,
}

/// The shards that may be read now, in the order given; drained ones are left out.
///
/// A parent that is not listed has left the stream's retention and holds nothing back.
#[must_use]
pub fn readable<'a>(order: ReadOrder, shards: &[ShardView<'a>]) -> Vec<&'a str> {
    let stages: BTreeMap<&str, Stage> = shards.iter().map(|shard| (shard.id, shard.stage)).collect();
    let mut has_child_behind: BTreeMap<&str, bool> = BTreeMap::new();
    for shard in shards {
        for parent in shard.parents.iter().flatten() {
            *has_child_behind.entry(parent).or_default() |= shard.stage == Stage::Behind;
        }
    }
    shards
        .iter()
        .filter(|shard| shard.stage != Stage::Drained)
        .filter(|shard| match order {
            ReadOrder::ParentFirst => shard
                .parents
                .iter()
                .flatten()
                .all(|parent| stages.get(parent).is_none_or(|stage| *stage == Stage::Drained)),
            ReadOrder::ChildFirst => !has_child_behind.get(shard.id).copied().unwrap_or_default(),
        })
        .map(|shard| shard.id)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn children_wait_for_their_parents_or_the_other_way_round() {
        use ReadOrder::{ChildFirst, ParentFirst};
        use Stage::{AtTip, Behind, Drained};
        let view =
            |id: &'static str, parents: [Option<&'static str>; 2], stage| ShardView { id, parents, stage };
        let split = |parent, left, right| {
            vec![
                view("p", [None, None], parent),
                view("l", [Some("p"), None], left),
                view("r", [Some("p"), None], right),
            ]
        };
        let merge = |first, second| {
            vec![
                view("a", [None, None], first),
                view("b", [None, None], second),
                view("m", [Some("a"), Some("b")], Behind),
            ]
        };
        for (what, order, shards, expected) in [
            ("the parent alone", ParentFirst, split(Behind, Behind, Behind), vec!["p"]),
            ("at the tip is not drained", ParentFirst, split(AtTip, Behind, Behind), vec!["p"]),
            ("then both children", ParentFirst, split(Drained, Behind, Behind), vec!["l", "r"]),
            ("a merged shard waits for both", ParentFirst, merge(Drained, Behind), vec!["b"]),
            ("and then goes on alone", ParentFirst, merge(Drained, Drained), vec!["m"]),
            ("the children alone", ChildFirst, split(Behind, Behind, Behind), vec!["l", "r"]),
            ("one child behind holds the parent", ChildFirst, split(Behind, AtTip, Behind), vec!["l", "r"]),
            ("then the parent too", ChildFirst, split(Behind, AtTip, AtTip), vec!["p", "l", "r"]),
            ("a merged shard first", ChildFirst, merge(Behind, Behind), vec!["m"]),
            (
                "a parent out of retention",
                ParentFirst,
                vec![view("x", [Some("gone"), None], Behind)],
                vec!["x"],
            ),
        ] {
            assert_eq!(readable(order, &shards), expected, "{what}");
        }
    }
}
