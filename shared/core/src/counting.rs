//! Counting: what one image adds to each cell of a logic version. The only interpreter of
//! counting logic; pure, so the same image gives the same cells on every evaluation.

use std::collections::BTreeMap;

use crate::distinct;
use crate::group::{Cell, GroupId, Grouped, group_of};
use crate::logic::{LogicId, LogicVersion};
use crate::predicate::Truth;
use crate::value::{Item, Value};

/// Signed counts by cell, of one logic version.
pub type Cells = BTreeMap<Cell, i64>;
/// Signed counts by logic version and cell: what a row contributes, or by how much cells move.
pub type Contributions = BTreeMap<LogicId, Cells>;

/// A referenced value was not sent and is not known from before, so the image cannot be judged.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Unavailable;

/// What an image counts for under a logic version; nothing for an absent image. Where distinct
/// values are counted, an item whose attribute is absent or NULL counts as an item and adds no
/// value, as in SQL's `COUNT(*), COUNT(DISTINCT x)`.
///
/// # Errors
/// [`Unavailable`] where a referenced value was not sent.
pub fn contribution(logic: &LogicVersion, image: Option<&Item>) -> Result<Cells, Unavailable> {
    let mut cells = Cells::new();
    let Some(item) = image else { return Ok(cells) };
    let definition = &logic.definition;
    let truth = match &definition.filter {
        None => Truth::True,
        Some(filter) => {
            let evaluation = filter.evaluate(item);
            if evaluation.unavailable {
                return Err(Unavailable);
            }
            for atom in evaluation.missing {
                cells.insert(Cell::Missing(atom), 1);
            }
            evaluation.truth
        }
    };
    if truth == Truth::True {
        let cell = match group_of(&definition.group_by, item) {
            Grouped::Key(key) => Cell::Group(key),
            Grouped::Overlong => Cell::Overflow,
            Grouped::Unavailable => return Err(Unavailable),
        };
        if let Some(path) = &definition.distinct
            && let Some((register, rank)) = distinct::place_of(path, item)?
        {
            let group = match &cell {
                Cell::Group(key) => Some(GroupId::of(key)),
                _ => None,
            };
            cells.insert(Cell::Register { group, register, rank }, 1);
        }
        cells.insert(cell, 1);
    }
    Ok(cells)
}

/// Adds `sign` times `part` to `sum`, dropping what cancels out.
pub fn add(sum: &mut Contributions, part: &Contributions, sign: i64) {
    for (logic, cells) in part {
        let target = sum.entry(logic.clone()).or_default();
        add_cells(target, cells, sign);
        if target.is_empty() {
            sum.remove(logic);
        }
    }
}

/// Adds `sign` times `part` to `sum`, dropping what cancels out.
pub fn add_cells(sum: &mut Cells, part: &Cells, sign: i64) {
    for (cell, n) in part {
        let target = sum.entry(cell.clone()).or_insert(0);
        *target = target.saturating_add(n.saturating_mul(sign));
        if *target == 0 {
            sum.remove(cell);
        }
    }
}

/// The columns of an image that any of the logic versions reads: what a ledger row remembers.
#[must_use]
pub fn project<'a>(logic: impl IntoIterator<Item = &'a LogicVersion>, image: &Item) -> Item {
    let mut projection = Item::new();
    for path in logic.into_iter().flat_map(|version| version.definition.paths()) {
        if let Some((name, value)) = image.get_key_value(path.column_name()) {
            projection.entry(name.clone()).or_insert_with(|| value.clone());
        }
    }
    projection
}

/// The image with every value that was not sent taken from what the row held before.
#[must_use]
pub fn fill_unavailable(mut image: Item, remembered: &Item) -> Item {
    for (name, value) in &mut image {
        if *value == Value::Unavailable
            && let Some(before) = remembered.get(name)
        {
            *value = before.clone();
        }
    }
    image
}
