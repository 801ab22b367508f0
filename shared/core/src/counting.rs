//! Counting: what one image adds to each cell of a logic version. The only interpreter of
//! counting logic; pure, so the same image gives the same cells on every evaluation.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::definition::CountDefinition;
use crate::distinct;
use crate::function::is_answer;
use crate::group::{Cell, GroupId, GroupKey, Grouped, group_of};
use crate::logic::{Base, LogicId, LogicState, LogicVersion, TableLogic};
use crate::migration::{migrate, migrate_beyond};
use crate::order::OrderVersion;
use crate::predicate::{Predicate, Truth};
use crate::value::{Item, Value};

/// Signed counts by cell, of one logic version.
pub type Cells = BTreeMap<Cell, i64>;
/// Signed counts by logic version and cell: what a row contributes, or by how much cells move.
pub type Contributions = BTreeMap<LogicId, Cells>;

/// A referenced value was not sent and is not known from before, so the image cannot be judged.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Unavailable;

/// What an image counts for under a logic version; nothing for an absent image. `at` is the
/// image's place in the source's log, where it is known: an image from before a change of shape is
/// read as the new shape has it. Where distinct values are counted, an item whose attribute is
/// absent or NULL counts as an item and adds no value, as in SQL's
/// `COUNT(*), COUNT(DISTINCT x)`.
///
/// # Errors
/// [`Unavailable`] where a referenced value was not sent.
pub fn contribution(
    logic: &LogicVersion,
    image: Option<&Item>,
    at: Option<&OrderVersion>,
) -> Result<Cells, Unavailable> {
    let Some(item) = image else { return Ok(Cells::new()) };
    cells_of(logic, &migrate(&logic.migration, item, at).0)
}

/// What an item of the shape that the definition speaks of counts for.
fn cells_of(logic: &LogicVersion, item: &Item) -> Result<Cells, Unavailable> {
    let mut cells = Cells::new();
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
    if truth == Truth::True || definition.headroom.truth {
        let grouped = if definition.headroom.is_empty() {
            group_of(&definition.group_by, item)
        } else {
            with_truths(definition, item, group_of(&definition.dimensions(), item))
        };
        let cell = match grouped {
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

fn with_truths(definition: &CountDefinition, item: &Item, grouped: Grouped) -> Grouped {
    match (grouped, definition.filter.as_ref().filter(|_| definition.headroom.truth)) {
        (Grouped::Key(key), Some(filter)) => {
            let truths = filter.truths(item).into_iter().enumerate();
            let truths = truths.map(|(atom, truth)| (Predicate::truth_path(atom), truth));
            Grouped::Key(GroupKey::new(key.parts().iter().cloned().chain(truths).collect()))
        }
        (grouped, _) => grouped,
    }
}

/// What an image counts for under every live version of its table.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Targets {
    /// What it counts for, whole.
    pub cells: Contributions,
    /// Versions that could not judge it and were given the image of their parent's judgement
    /// instead, or doubt where they are counted from nothing: a shadow's failure is evidence, and
    /// never a failed batch.
    pub failed: BTreeSet<LogicId>,
    /// Versions for which it is of an earlier shape than their parents knew.
    pub earlier: BTreeSet<LogicId>,
}

/// What an image counts for under the live versions of its table (parents first).
///
/// # Errors
/// [`Unavailable`] where the active version cannot judge it.
pub fn targets(
    live: &[Arc<LogicVersion>],
    image: Option<&Item>,
    at: Option<&OrderVersion>,
) -> Result<Targets, Unavailable> {
    let mut targets = Targets::default();
    let Some(item) = image else { return Ok(targets) };
    for version in live {
        let known = live.iter().find(|one| version.comes_from(one)).map(|parent| parent.migration.as_slice());
        let (item, was_earlier) = migrate_beyond(known.unwrap_or_default(), &version.migration, item, at);
        if was_earlier {
            targets.earlier.insert(version.id.clone());
        }
        let cells = match cells_of(version, &item) {
            Ok(cells) => cells,
            Err(Unavailable) if version.state == LogicState::Active => return Err(Unavailable),
            Err(Unavailable) => {
                targets.failed.insert(version.id.clone());
                match version.base {
                    Base::Derived { .. } => parent_image(version, &targets.cells),
                    // There is nothing to go by: the item may count or not.
                    Base::Own => Cells::from([(Cell::Uncertain, 1)]),
                }
            }
        };
        if !cells.is_empty() {
            targets.cells.insert(version.id.clone(), cells);
        }
    }
    Ok(targets)
}

/// The image of what `cells` hold for a version's parent; nothing where it has none.
#[must_use]
pub fn parent_image(version: &LogicVersion, cells: &Contributions) -> Cells {
    match (&version.base, version.base_id()) {
        (Base::Derived { transform, .. }, Some(parent)) => {
            cells.get(&parent).map(|cells| transform.apply(cells)).unwrap_or_default()
        }
        _ => Cells::new(),
    }
}

/// What a version's judgement is held against: the image of its parent's, or, where it is counted
/// from nothing, what the parent counts; nothing where it has no parent.
#[must_use]
pub fn beside(version: &LogicVersion, cells: &Contributions) -> Cells {
    match (&version.base, version.parent) {
        (Base::Derived { .. }, _) => parent_image(version, cells),
        (Base::Own, Some(number)) => {
            let parent = LogicId { definition: version.id.definition.clone(), number };
            cells.get(&parent).cloned().unwrap_or_default()
        }
        (Base::Own, None) => Cells::new(),
    }
}

/// What is stored of a row that counts for `targets`: of a derived version only by how much it
/// differs from the image of its parent ([`Base`]). Versions that are no longer evaluated get
/// nothing, so that what they held goes over to those derived from them.
#[must_use]
pub fn stored(live: &[Arc<LogicVersion>], targets: &Contributions) -> Contributions {
    let mut stored = Contributions::new();
    for version in live {
        let mut cells = targets.get(&version.id).cloned().unwrap_or_default();
        add_cells(&mut cells, &parent_image(version, targets), -1);
        if !cells.is_empty() {
            stored.insert(version.id.clone(), cells);
        }
    }
    stored
}

/// What stored cells (a row's, or the sum over lanes and rows) come to for every version of a
/// table, those that are drained included: the inverse of [`stored`].
#[must_use]
pub fn whole(table: &TableLogic, stored: &Contributions) -> Contributions {
    let mut whole = Contributions::new();
    let mut left: Vec<&Arc<LogicVersion>> = table.draining.iter().chain(&table.live).collect();
    // Parents first; a chain of versions is as long as the list at most.
    left.sort_by_key(|version| version.id.number);
    for version in left {
        let mut cells = parent_image(version, &whole);
        add_cells(&mut cells, stored.get(&version.id).unwrap_or(&Cells::new()), 1);
        whole.insert(version.id.clone(), cells);
    }
    whole.retain(|_, cells| !cells.is_empty());
    whole
}

/// Moves what a row counts for by name, and adds to sketches, to where the groups beyond a cap are
/// counted together.
pub fn into_overflow(cells: &mut Cells) {
    let mut shared = Cells::new();
    cells.retain(|cell, n| {
        let to = match cell {
            Cell::Group(_) => Cell::Overflow,
            Cell::Register { group: Some(_), register, rank } => {
                Cell::Register { group: None, register: *register, rank: *rank }
            }
            _ => return true,
        };
        *shared.entry(to).or_insert(0) += *n;
        false
    });
    add_cells(cells, &shared, 1);
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

/// The image with every value that was not sent taken from what the row held before; but a function's
/// answer for the image before says nothing of this one.
#[must_use]
pub fn fill_unavailable<'a>(image: &'a Item, remembered: &Item) -> Cow<'a, Item> {
    let mut filled = Cow::Borrowed(image);
    let not_sent = |(name, value): &(&String, &Value)| **value == Value::Unavailable && !is_answer(name);
    for (name, _) in image.iter().filter(not_sent) {
        if let Some(before) = remembered.get(name) {
            filled.to_mut().insert(name.clone(), before.clone());
        }
    }
    filled
}
