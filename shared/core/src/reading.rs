//! Readings: what a logic version's cells say, and how exact it is.

use std::collections::BTreeMap;

use crate::counting::{self, Cells};
use crate::distinct::{self, Distinct};
use crate::group::{Cell, GroupKey};
use crate::lane::{LaneId, LaneState};
use crate::logic::{Coverage, LogicState, LogicVersion};

/// The count of one logic version at a cut.
#[derive(Clone, PartialEq, Debug)]
pub struct Reading {
    /// Which version was read.
    pub logic: LogicVersion,
    /// Items by group; groups of zero are left out.
    pub groups: BTreeMap<GroupKey, i64>,
    /// Items of groups that are counted together, see [`Cell::Overflow`].
    pub overflow: i64,
    /// Items for which an atom of the predicate met a missing attribute, by atom number.
    pub missing: BTreeMap<u16, i64>,
    /// Changes counted by delta, because the table has no key; see [`Cell::ByDelta`].
    pub by_delta: i64,
    /// All items: the groups and the overflow.
    pub total: i64,
    /// Distinct values, where the definition asks for them. Estimates: neither `exactness` nor
    /// `uncertain` speaks of them.
    pub distinct: Option<Distinct>,
    /// The truth lies within this many items of each number of items.
    pub uncertain: u64,
    /// How exact the numbers of items are.
    pub exactness: Exactness,
    /// Up to where each lane had counted.
    pub cut: BTreeMap<LaneId, LaneState>,
}

/// How exact a reading is.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Exactness {
    /// The numbers equal a recount of the source at the cut.
    Exact,
    /// They may not, because of this.
    Inexact(Vec<Doubt>),
}

/// Why a reading may differ from a recount.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Doubt {
    /// Records are in quarantine, or changes could not be ordered; bounded by `uncertain`.
    Uncertain,
    /// The table's schema changed, and the change is not followed until a person says how, or until
    /// the source is read.
    Waiting,
    /// Rows were rewritten without a change record: a statement that the stream does not carry.
    /// Totals stand, groups may not.
    Untold,
    /// Counting started after the table did.
    StartedLate,
    /// There are, or have been, more groups than the definition's cap: the total is exact, groups
    /// are not.
    Overflow,
    /// A group came out negative: a change was lost or counted twice.
    Negative,
    /// Lanes committed while the cells were being read.
    Moving,
    /// The version is not live, so its cells no longer move.
    NotLive,
}

impl Doubt {
    /// A stable name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Uncertain => "uncertain",
            Self::Waiting => "waiting",
            Self::Untold => "untold",
            Self::StartedLate => "started_late",
            Self::Overflow => "overflow",
            Self::Negative => "negative",
            Self::Moving => "moving",
            Self::NotLive => "not_live",
        }
    }

    /// One sentence for a person, with what to do.
    #[must_use]
    pub fn sentence(self) -> &'static str {
        match self {
            Self::Uncertain => {
                "some records are in quarantine or could not be ordered; see `evercount quarantine list` and `evercount audit`"
            }
            Self::Waiting => {
                "a change of the table's schema waits to be followed; see `evercount plan list --open`"
            }
            Self::Untold => {
                "rows were rewritten by a statement that the stream does not carry, so some are counted by values they had before; `evercount audit NAME --repair` asks the source"
            }
            Self::StartedLate => {
                "counting started after the table did; `evercount backfill start NAME` counts the rows from before"
            }
            Self::Overflow => {
                "more groups than the definition's `groups_max`; the total is exact, the rest is counted together"
            }
            Self::Negative => {
                "a group is negative, so a change was lost or counted twice; run `evercount audit NAME`"
            }
            Self::Moving => "lanes committed while the counts were being read; read again for an exact cut",
            Self::NotLive => "this logic version is no longer counted",
        }
    }
}

/// Adds up counter items. Cells of zero are left out, except that an overflow cell is kept once
/// there has been one: counts by delta (tables without a key, lane mode) cannot tell whether what
/// leaves a group was counted under its name or together with others, so from then on the groups
/// are not exact even while the overflow happens to be zero.
#[must_use]
pub fn sum_items<'a>(items: impl IntoIterator<Item = &'a Cells>) -> Cells {
    let (mut sum, mut overflowed) = (Cells::new(), false);
    for cells in items {
        overflowed |= cells.contains_key(&Cell::Overflow);
        counting::add_cells(&mut sum, cells, 1);
    }
    if overflowed {
        sum.entry(Cell::Overflow).or_insert(0);
    }
    sum
}

impl Reading {
    /// Whether the numbers equal a recount at the cut.
    #[must_use]
    pub fn is_exact(&self) -> bool {
        self.exactness == Exactness::Exact
    }

    /// Sums cells (over all lanes and counter items) into a reading. `moving` says that some
    /// lane's checkpoint was another one after reading than before.
    #[must_use]
    pub fn sum(
        logic: LogicVersion,
        cells: impl IntoIterator<Item = (Cell, i64)>,
        cut: BTreeMap<LaneId, LaneState>,
        moving: bool,
    ) -> Self {
        let mut groups: BTreeMap<GroupKey, i64> = BTreeMap::new();
        let mut missing: BTreeMap<u16, i64> = BTreeMap::new();
        let (mut overflow, mut overflowed, mut uncertain, mut by_delta) = (0_i64, false, 0_i64, 0_i64);
        let mut untold = 0_i64;
        let mut registers = Vec::new();
        for (cell, n) in cells {
            match cell {
                Cell::Group(key) => *groups.entry(key).or_insert(0) += n,
                Cell::Overflow => (overflow, overflowed) = (overflow + n, true),
                Cell::Missing(atom) => *missing.entry(atom).or_insert(0) += n,
                Cell::Uncertain => uncertain += n,
                Cell::ByDelta => by_delta += n,
                Cell::Untold => untold += n,
                Cell::Register { .. } => registers.push((cell, n)),
                // A tally about a version, and no part of its count.
                Cell::Evidence { .. } => {}
            }
        }
        groups.retain(|_, n| *n != 0);
        missing.retain(|_, n| *n != 0);
        let doubts: Vec<Doubt> = [
            (uncertain != 0, Doubt::Uncertain),
            (logic.waits_for.is_some(), Doubt::Waiting),
            (untold > 0, Doubt::Untold),
            (matches!(logic.coverage, Coverage::Since(_)), Doubt::StartedLate),
            (overflowed, Doubt::Overflow),
            (overflow < 0 || groups.values().any(|n| *n < 0), Doubt::Negative),
            (moving, Doubt::Moving),
            (!logic.state.is_live() || logic.state == LogicState::Draft, Doubt::NotLive),
        ]
        .into_iter()
        .filter_map(|(holds, doubt)| holds.then_some(doubt))
        .collect();
        let distinct = logic.definition.distinct.as_ref().map(|_| {
            Distinct::read(&distinct::by_group(registers.iter().map(|(cell, n)| (cell, *n))), groups.keys())
        });
        Self {
            distinct,
            total: groups.values().sum::<i64>() + overflow,
            groups,
            overflow,
            by_delta,
            missing,
            uncertain: u64::try_from(uncertain).unwrap_or(0),
            exactness: if doubts.is_empty() { Exactness::Exact } else { Exactness::Inexact(doubts) },
            cut,
            logic,
        }
    }
}
