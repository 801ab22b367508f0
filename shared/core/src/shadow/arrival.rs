//! Columns that have arrived: when they have, and what becomes of the values that were kept beside the
//! table for them.
//!
//! From the moment a column is marked as arrived, nobody writes a value of it beside the table any more:
//! such a write is conditional on the shadow schema it was decided by. So one pass over what is kept finds
//! every value there is. A value goes into the table where the item does not have the attribute; where it
//! does, or where it was removed, somebody wrote later, and the later write stands.

use std::collections::{BTreeMap, BTreeSet};

use super::{ShadowRow, ShadowSchema, ShadowState};
use crate::backfill::Place;
use crate::change::TableName;
use crate::conform::fitted;
use crate::mutation::Stamp;
use crate::order::{ItemVersion, Micros};
use crate::schema::{FieldPath, Schema, TypeSet};
use crate::value::Item;

/// How long after everything was moved the values beside the table are deleted, microseconds: an hour. No
/// read takes that long that began when they were still looked at.
pub const CLEAN_AFTER: Micros = 3_600_000_000;

/// The shadow schema with those columns marked as arrived that the registered schema has; `None` where
/// there is none to mark.
#[must_use]
pub fn arrived(shadow: &ShadowSchema, registered: &Schema, now: Micros) -> Option<ShadowSchema> {
    let has = |name: &str| registered.fields.contains_key(&FieldPath::column(name));
    marked(shadow, now, |name, state| {
        (state == ShadowState::Expected && has(name)).then_some(ShadowState::Arrived { at: now })
    })
}

/// The shadow schema with those columns marked as moved that a pass was over; `None` where there is none.
#[must_use]
pub fn moved(shadow: &ShadowSchema, columns: &BTreeSet<String>, now: Micros) -> Option<ShadowSchema> {
    marked(shadow, now, |name, state| {
        let is_done = matches!(state, ShadowState::Arrived { .. }) && columns.contains(name);
        is_done.then_some(ShadowState::Moved { at: now })
    })
}

/// The shadow schema without the columns of which nothing is left beside the table; `None` where it has
/// none of them.
#[must_use]
pub fn settled(shadow: &ShadowSchema, columns: &BTreeSet<String>, now: Micros) -> Option<ShadowSchema> {
    let mut settled = shadow.clone();
    settled.columns.retain(|name, column| {
        !(matches!(column.state, ShadowState::Moved { .. }) && columns.contains(name))
    });
    (settled != *shadow).then(|| ShadowSchema { at: now, revision: shadow.revision + 1, ..settled })
}

fn marked(
    shadow: &ShadowSchema,
    now: Micros,
    mark: impl Fn(&str, ShadowState) -> Option<ShadowState>,
) -> Option<ShadowSchema> {
    let mut marked = shadow.clone();
    for (name, column) in &mut marked.columns {
        if let Some(state) = mark(name, column.state) {
            column.state = state;
        }
    }
    (marked != *shadow).then(|| ShadowSchema { at: now, revision: shadow.revision + 1, ..marked })
}

/// The columns that have arrived and are not moved yet, with the types that the registered schema has.
#[must_use]
pub fn to_move(shadow: &ShadowSchema, registered: &Schema) -> BTreeMap<String, TypeSet> {
    let types = |name: &str| registered.fields.get(&FieldPath::column(name)).map(|field| field.types.clone());
    let arrived = shadow.columns.iter();
    let arrived = arrived.filter(|(_, column)| matches!(column.state, ShadowState::Arrived { .. }));
    arrived.filter_map(|(name, _)| Some((name.clone(), types(name)?))).collect()
}

/// The columns of which values beside the table may be deleted by now.
#[must_use]
pub fn to_clean(shadow: &ShadowSchema, now: Micros) -> BTreeSet<String> {
    let is_over = |state| match state {
        ShadowState::Moved { at } => now >= at.saturating_add(CLEAN_AFTER),
        _ => false,
    };
    shadow.columns.iter().filter(|(_, column)| is_over(column.state)).map(|(name, _)| name.clone()).collect()
}

/// What is done about what is kept for one item.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Moving {
    /// The item with its values in it, stamped; `None` where there is nothing to write.
    pub item: Option<Item>,
    /// Values that go into the table.
    pub moved: u64,
    /// Values that somebody wrote, or removed, later.
    pub superseded: u64,
    /// Values of an item that does not exist.
    pub orphaned: u64,
    /// Values that the registered schema has no place for; they stay where they are.
    pub misfits: u64,
}

/// Decides about what is kept for one item.
#[must_use]
pub fn moving(
    item: Option<&Item>,
    row: &ShadowRow,
    columns: &BTreeMap<String, TypeSet>,
    stamps: bool,
    now: Micros,
) -> Moving {
    let mut moving = Moving::default();
    let mut into = item.cloned();
    for (name, types) in columns {
        let Some(kept) = row.values.get(name) else { continue };
        match (&mut into, &kept.value) {
            (None, _) => moving.orphaned += 1,
            (Some(_), None) => moving.superseded += 1,
            (Some(item), Some(_)) if item.contains_key(name) => moving.superseded += 1,
            (Some(item), Some(value)) => match fitted(value, types) {
                Some(value) => {
                    item.insert(name.clone(), value);
                    moving.moved += 1;
                }
                None => moving.misfits += 1,
            },
        }
    }
    if let (Some(mut into), true) = (into, moving.moved > 0) {
        let stamp = Stamp::of(&into);
        // An item that carries a version goes on carrying one, whatever the table says by now.
        if stamps || stamp.version > ItemVersion::NONE {
            let version = stamp.version.max(super::beside::latest(Some(row))).next(now);
            Stamp { version, ..stamp }.put(&mut into);
        }
        moving.item = Some(into);
    }
    moving
}

/// A row without the values of columns that were moved long ago; `None` where it has none of them, and a
/// row of no values where nothing is left.
#[must_use]
pub fn cleaned(row: &ShadowRow, columns: &BTreeSet<String>, now: Micros) -> Option<ShadowRow> {
    let is_left = |name: &String| !columns.contains(name);
    if row.values.keys().all(is_left) {
        return None;
    }
    let left = row.values.iter().filter(|(name, _)| is_left(name));
    let values = left.map(|(name, value)| (name.clone(), value.clone())).collect();
    Some(ShadowRow { revision: ShadowRow::next_revision(row.revision, now), values })
}

/// How far a pass over what is kept beside a table has come.
#[derive(Clone, PartialEq, Debug)]
pub struct ShadowPass {
    /// The table.
    pub table: TableName,
    /// What it does.
    pub task: PassTask,
    /// The columns it is about, which stay the same while it lasts.
    pub columns: BTreeSet<String>,
    /// Where it goes on.
    pub place: Place,
    /// Rows it was at.
    pub done: u64,
    /// How many there are, as far as that is known before the end.
    pub about: Option<u64>,
    /// Values that it moved into the table.
    pub moved: u64,
    /// Values that somebody wrote, or removed, later.
    pub superseded: u64,
    /// Values of items that do not exist.
    pub orphaned: u64,
    /// Values that the registered schema has no place for.
    pub misfits: u64,
    /// When it began, microseconds since the epoch.
    pub since: Micros,
    /// When it came this far, microseconds since the epoch.
    pub at: Micros,
    /// Rises with every change; a change is conditional on the one read.
    pub revision: u64,
}

/// What a pass does.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum PassTask {
    /// Values go into the table.
    Move,
    /// Values that were moved long ago are deleted.
    Clean,
}

impl PassTask {
    /// Both with their names.
    pub const ALL: [(Self, &'static str); 2] = [(Self::Move, "move"), (Self::Clean, "clean")];

    /// The task's name.
    #[must_use]
    pub fn name(self) -> &'static str {
        Self::ALL.iter().find(|(one, _)| *one == self).map_or("move", |(_, name)| name)
    }
}

impl ShadowPass {
    /// A pass that begins. What the pass before was over tells about how much there is.
    #[must_use]
    pub fn begin(
        table: TableName,
        task: PassTask,
        columns: BTreeSet<String>,
        before: Option<&Self>,
        now: Micros,
    ) -> Self {
        let over = before.filter(|before| before.place == Place::End);
        Self {
            table,
            task,
            columns,
            place: Place::Start,
            done: 0,
            about: over.map(|before| before.done),
            moved: 0,
            superseded: 0,
            orphaned: 0,
            misfits: 0,
            since: now,
            at: now,
            revision: before.map_or(1, |before| before.revision + 1),
        }
    }

    /// The pass with one row more.
    pub fn add(&mut self, moving: &Moving) {
        self.done += 1;
        self.moved += moving.moved;
        self.superseded += moving.superseded;
        self.orphaned += moving.orphaned;
        self.misfits += moving.misfits;
    }

    /// Whether it is over.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.place == Place::End
    }
}
