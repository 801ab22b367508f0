//! What a commit writes and what DynamoDB bills for it, item by item.
//!
//! By <https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/read-write-operations.html>:
//! the larger of the item before and after, a unit for each started 1,024 bytes, twice that within
//! a transaction. The items are those of [`evercount_wire::items`], so names and values weigh what
//! they weigh in the table.

use std::collections::BTreeMap;

use evercount_core::chunk::Commit;
use evercount_core::counting::Cells;
use evercount_core::lane::{LaneId, LaneState};
use evercount_core::logic::LogicId;
use evercount_core::value::Item;
use evercount_pipeline::memory::State;
use evercount_wire::items::{
    ItemKey, checkpoint_item, control_items, control_key, counter_item, ledger_item, ledger_key,
    quarantined_items, size_bytes, write_units,
};

/// Which of our items, by the table it is in and by what it is for.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Written {
    /// A lane's checkpoint.
    Checkpoint(LaneId),
    /// The ledger row of this partition key.
    Row(String),
    /// A counter item: its logic version, the lane it belongs to, and its number.
    Counter(LogicId, LaneId, u32),
    /// A record that is kept: put aside, or a control record.
    Record(ItemKey),
}

impl Written {
    /// What the item is for.
    #[must_use]
    pub fn kind(&self) -> Kind {
        match self {
            Self::Checkpoint(_) => Kind::Checkpoint,
            Self::Row(_) => Kind::Row,
            Self::Counter(..) => Kind::Counter,
            Self::Record(_) => Kind::Record,
        }
    }

    /// What decides the partition it is in.
    #[must_use]
    pub fn partition(&self) -> String {
        match self {
            Self::Checkpoint(lane) => format!("lane#{lane}"),
            Self::Row(pk) => pk.clone(),
            Self::Counter(logic, ..) => logic.to_string(),
            Self::Record(key) => key.pk.clone(),
        }
    }
}

/// What an item is for.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Kind {
    /// [`Written::Checkpoint`].
    Checkpoint,
    /// [`Written::Row`].
    Row,
    /// [`Written::Counter`].
    Counter,
    /// [`Written::Record`].
    Record,
}

/// One item that a commit writes.
#[derive(Clone, PartialEq, Debug)]
pub struct Touch {
    /// Which.
    pub item: Written,
    /// Its bytes as it stands, 0 where it does not.
    pub before: usize,
    /// Its bytes after the commit, 0 where it is gone.
    pub after: usize,
}

impl Touch {
    /// What writing it costs.
    #[must_use]
    pub fn units(&self, transactional: bool) -> f64 {
        write_units(self.before.max(self.after), transactional)
    }

    /// What not writing it costs, because a condition did not hold: the item that was looked at.
    #[must_use]
    pub fn refused_units(&self, transactional: bool) -> f64 {
        write_units(self.before, transactional)
    }
}

/// Whether a commit is a transaction. One of a checkpoint alone is an ordinary conditional write.
#[must_use]
pub fn is_transaction(commit: &Commit) -> bool {
    !(commit.advance.is_some() && commit.actions() == 1)
}

/// The bytes of a lane's checkpoint; a lane that was never fenced has no fence.
#[must_use]
pub fn checkpoint_bytes(lane: &LaneId, state: &LaneState) -> usize {
    let mut item = checkpoint_item(lane, state);
    if state.fence == 0 {
        item.remove("fence");
    }
    if state.sequence.is_none() {
        // Fenced before its first commit.
        item.retain(|name, _| matches!(name.as_str(), "pk" | "sk" | "fence"));
    }
    size_bytes(&item)
}

/// The items that a commit writes to a store that holds `state`.
#[must_use]
pub fn touches(state: &State, commit: &Commit) -> Vec<Touch> {
    let mut touches = Vec::with_capacity(commit.actions());
    let size = |item: Option<Item>| item.as_ref().map_or(0, size_bytes);
    if let Some(advance) = &commit.advance {
        let stands = state.lanes.get(&commit.lane).map(|stands| checkpoint_bytes(&commit.lane, stands));
        touches.push(Touch {
            item: Written::Checkpoint(commit.lane.clone()),
            before: stands.unwrap_or(0),
            after: checkpoint_bytes(&commit.lane, &advance.to),
        });
    }
    for write in &commit.rows {
        touches.push(Touch {
            item: Written::Row(ledger_key(&write.key)),
            before: size(state.rows.get(&write.key).map(|row| ledger_item(&write.key, row))),
            after: size(write.row.as_ref().map(|row| ledger_item(&write.key, row))),
        });
    }
    for one in &commit.moves {
        let stands = state.cells.get(&(one.logic.clone(), commit.lane.clone(), one.bucket));
        let mut cells: Cells = stands.cloned().unwrap_or_default();
        for (cell, n) in &one.cells {
            *cells.entry(cell.clone()).or_insert(0) += n;
        }
        let item = |cells: &Cells| counter_item(&one.logic, &commit.lane, one.bucket, cells);
        touches.push(Touch {
            item: Written::Counter(one.logic.clone(), commit.lane.clone(), one.bucket),
            before: size(stands.map(item)),
            after: size(Some(item(&cells))),
        });
    }
    if let Some(id) = &commit.released
        && let Some(released) = state.quarantine.get(id)
    {
        let item = quarantined_items(released).item;
        touches.push(Touch { item: Written::Record(key_of(&item)), before: size_bytes(&item), after: 0 });
    }
    for one in &commit.quarantined {
        let item = quarantined_items(one).item;
        let stands = state.quarantine.get(&(one.lane.clone(), one.sequence.clone()));
        touches.push(Touch {
            before: size(stands.map(|stands| quarantined_items(stands).item)),
            after: size_bytes(&item),
            item: Written::Record(key_of(&item)),
        });
    }
    for item in controls(commit).map(|record| record.0) {
        touches.push(Touch { before: 0, after: size_bytes(&item), item: Written::Record(key_of(&item)) });
    }
    touches
}

/// What the parts of large records cost, which are written before the transaction.
#[must_use]
pub fn parts_units(commit: &Commit) -> f64 {
    let quarantined = commit.quarantined.iter().flat_map(|one| quarantined_items(one).parts);
    let controls = controls(commit).flat_map(|record| record.1);
    quarantined.chain(controls).map(|part| write_units(size_bytes(&part), false)).sum()
}

/// The control records of a commit with their parts, each under a key of its own.
fn controls(commit: &Commit) -> impl Iterator<Item = (Item, Vec<Item>)> + '_ {
    let mut seen: BTreeMap<ItemKey, usize> = BTreeMap::new();
    commit.controls.iter().map(move |one| {
        let nth = seen.entry(control_key(one, 0)).or_insert(0);
        let stored = control_items(one, *nth);
        *nth += 1;
        (stored.item, stored.parts)
    })
}

fn key_of(item: &Item) -> ItemKey {
    let text = |name: &str| match item.get(name) {
        Some(evercount_core::value::Value::String(text)) => text.clone(),
        _ => String::new(),
    };
    ItemKey { pk: text("pk"), sk: text("sk") }
}
