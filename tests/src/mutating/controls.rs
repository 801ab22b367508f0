//! Wrong designs: each must be caught.

use evercount_core::mutation::Stamp;
use evercount_core::value::Item;
use evercount_pipeline::memory::State;
use evercount_pipeline::ports::{BesideWrite, TableWrite};

use super::chaos::Actor;

/// A wrong design.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Control {
    /// The move writes whatever it decided, without looking whether the item is as it was.
    MoveWithoutCondition,
    /// The move puts what is beside the table over what the table has.
    MoveOverTable,
    /// The move reads what is beside the table before it reads the item.
    MoveFromList,
    /// The agent writes the item, and its version and schema version after it.
    StampApart,
    /// The agent writes the item, and what goes beside the table after it.
    BesideApart,
    /// The agent writes without looking whether the item is as it was.
    WriteWithoutCondition,
    /// The agent writes beside the table whatever has become of the shadow schema.
    NoSchemaCondition,
    /// The agent takes a lost reply for a write that was not made.
    NoDoubt,
    /// What was removed leaves nothing beside the table that says so.
    NoTombstones,
    /// What belongs together is written one after the other.
    Apart,
    /// An item that is put as a whole keeps what came since it was read.
    PutByDifference,
    /// What is kept beside the table is only looked at again where it is written.
    BesideUnwatched,
}

impl Control {
    /// All of them.
    pub const ALL: [Self; 12] = [
        Self::MoveWithoutCondition,
        Self::MoveOverTable,
        Self::MoveFromList,
        Self::StampApart,
        Self::BesideApart,
        Self::WriteWithoutCondition,
        Self::NoSchemaCondition,
        Self::NoDoubt,
        Self::NoTombstones,
        Self::Apart,
        Self::PutByDifference,
        Self::BesideUnwatched,
    ];

    /// What it makes of an item that somebody reads.
    pub fn spoil_read(self, actor: &Actor, item: &mut Item) {
        if self == Self::MoveOverTable && *actor == Actor::Mover {
            item.remove("mood");
        }
    }

    /// The writes that it makes of one.
    #[must_use]
    pub fn spoil_write(self, actor: &Actor, write: &TableWrite, state: &State) -> Vec<TableWrite> {
        let mut write = write.clone();
        let is_mover = *actor == Actor::Mover;
        match self {
            Self::MoveWithoutCondition if is_mover => blind(&mut write, state),
            Self::WriteWithoutCondition if !is_mover => blind(&mut write, state),
            Self::StampApart if !is_mover => return stamp_apart(write),
            Self::BesideApart if write.item.is_some() && write.beside.is_some() => {
                let beside = TableWrite { item: None, ..write.clone() };
                return vec![TableWrite { beside: None, ..write }, beside];
            }
            Self::NoSchemaCondition => {
                if let (Some(beside), Some(schema)) =
                    (&mut write.beside, state.shadow_schemas.get(&write.row.table))
                {
                    beside.schema = schema.revision;
                }
            }
            Self::PutByDifference => write.item.iter_mut().for_each(|item| item.replaces = false),
            Self::BesideUnwatched => {
                let kept = state.shadow_rows.get(&write.row).map(|row| &row.values);
                let is_as_it_was = |beside: &BesideWrite| match kept {
                    Some(kept) => *kept == beside.to.values,
                    None => beside.to.values.is_empty(),
                };
                write.beside = write.beside.filter(|beside| !is_as_it_was(beside));
            }
            Self::NoTombstones => {
                if let Some(beside) = &mut write.beside {
                    beside.to.values.retain(|_, value| value.value.is_some());
                }
            }
            _ => {}
        }
        vec![write]
    }
}

/// The same from whatever is stored.
fn blind(write: &mut TableWrite, state: &State) {
    if let Some(item) = &mut write.item {
        item.from = state.items.get(&write.row).cloned();
    }
    if let Some(beside) = &mut write.beside {
        beside.from = state.shadow_rows.get(&write.row).map(|row| row.revision);
    }
}

fn stamp_apart(write: TableWrite) -> Vec<TableWrite> {
    let mut first = write.clone();
    let Some((from, to)) = first.item.as_mut().and_then(|item| Some((item.from.clone()?, item.to.as_mut()?)))
    else {
        return vec![write];
    };
    Stamp::of(&from).put(to);
    let unstamped = to.clone();
    let mut second = TableWrite { beside: None, ..write };
    if let Some(item) = &mut second.item {
        item.from = Some(unstamped);
    }
    vec![first, second]
}
