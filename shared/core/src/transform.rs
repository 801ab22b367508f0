//! Transforms: what a derivable change makes of stored counts.
//!
//! Counts form a commutative group, and where a plan is derivable the new count is a linear image
//! of the old one: every group goes, as a whole, to one group or to none. Which one is found by
//! reading the group's key as the item it is (its grouping attributes with their values), bringing
//! that item to the new shape, and asking the new logic for its group. Renamed, re-encoded, dropped,
//! reordered, coarsened and filled-in group columns, and conditions on group columns, are all this
//! one rule. Because it is linear it commutes with the sum over lanes and rows, so it may be applied
//! to a reading, to a row's contribution, or to any part of either.
//!
//! Basis: Gupta, Mumick, Ross, *Adapting materialized views after redefinitions*, SIGMOD 1995,
//! doi 10.1145/223784.223817.

use std::borrow::Cow;
use std::collections::BTreeMap;

use crate::counting::Cells;
use crate::group::{Cell, GroupId, GroupKey};
use crate::migration::{Action, item_of, value_of};
use crate::path::Path;
use crate::predicate::{Predicate, Truth};

/// A linear map from the cells of one logic version to those of another.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Transform {
    /// What brings a group key, read as an item, to the new shape.
    pub actions: Vec<Action>,
    /// Which groups go on; all of them where there is no condition.
    pub keep: Option<Predicate>,
    /// The dimensions of the new cells, in their order.
    pub group_by: Vec<Path>,
    /// For each atom of the old condition, which atom of the new one it is; `None` where it is
    /// gone, and what it told of missing attributes with it.
    pub atoms: Vec<Option<u16>>,
}

impl Transform {
    /// Where a group goes; `None` where it is no longer counted.
    #[must_use]
    pub fn group(&self, key: &GroupKey) -> Option<GroupKey> {
        let item = item_of(key.parts());
        let mut item = Cow::Borrowed(&item);
        for action in &self.actions {
            action.apply(&mut item);
        }
        if self.keep.as_ref().is_some_and(|keep| keep.evaluate(&item).truth != Truth::True) {
            return None;
        }
        let parts =
            self.group_by.iter().filter_map(|path| Some((path.clone(), value_of(&item, path)?.clone())));
        Some(GroupKey::new(parts.collect()))
    }

    /// The image of cells. Sketch registers name their group by its digest, so the groups they
    /// belong to must be among the cells, as they are in a reading and in a row's contribution. (In
    /// lane mode they are where each row's changes are counted in order, as an event source mapping
    /// does, which reads a shard's parents before the shard.)
    #[must_use]
    pub fn apply(&self, cells: &Cells) -> Cells {
        let mut ids: BTreeMap<GroupId, Option<GroupId>> = BTreeMap::new();
        let has_registers = cells.keys().any(|cell| matches!(cell, Cell::Register { group: Some(_), .. }));
        let mut image = Cells::new();
        let mut add = |cell: Cell, n: i64| {
            let sum = image.entry(cell).or_insert(0_i64);
            *sum = sum.saturating_add(n);
        };
        // Groups sort before registers, so each register finds its group known.
        for (cell, n) in cells {
            match cell {
                Cell::Group(key) => {
                    let to = self.group(key);
                    if has_registers {
                        ids.insert(GroupId::of(key), to.as_ref().map(GroupId::of));
                    }
                    if let Some(to) = to {
                        add(Cell::Group(to), *n);
                    }
                }
                Cell::Register { group: Some(group), register, rank } => {
                    if let Some(Some(to)) = ids.get(group) {
                        add(Cell::Register { group: Some(*to), register: *register, rank: *rank }, *n);
                    }
                }
                Cell::Missing(atom) => {
                    if let Some(Some(to)) = self.atoms.get(usize::from(*atom)) {
                        add(Cell::Missing(*to), *n);
                    }
                }
                Cell::Evidence { .. } | Cell::Untold => {}
                Cell::Overflow | Cell::Uncertain | Cell::ByDelta | Cell::Register { group: None, .. } => {
                    add(cell.clone(), *n);
                }
            }
        }
        // That there ever was an overflow is kept; see `reading::sum_items`.
        image.retain(|cell, n| *n != 0 || *cell == Cell::Overflow);
        image
    }
}
