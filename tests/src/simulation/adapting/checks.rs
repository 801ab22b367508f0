//! The invariants, against what the store holds, against the images that rows were judged by, and
//! against a recount of the source.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use evercount_core::adjustment::Start;
use evercount_core::change::RowKey;
use evercount_core::counting::{self, Cells, Contributions};
use evercount_core::group::Cell;
use evercount_core::ledger::LedgerRow;
use evercount_core::logic::{Base, Catalog, LogicId, LogicState, LogicVersion, TableLogic};
use evercount_core::value::Item;
use evercount_pipeline::memory::{Memory, State};
use evercount_pipeline::read;

use crate::simulation::asked::answered;
use crate::simulation::world::ready;

/// What is counted, as far as it compares with a recount.
pub type Counted = Cells;
/// Images by digest.
pub type Images = BTreeMap<u64, Item>;

/// What has been looked at, so that only what is new is looked at again.
#[derive(Debug, Default)]
pub struct Checker {
    rows: BTreeMap<RowKey, u64>,
    looked_at: Option<(u64, u64, usize)>,
    logic: TableLogic,
}

impl Checker {
    /// What must hold after every step. Returns whether anything had changed.
    pub fn after_step(&mut self, memory: &Memory, images: &Images, has_ledger: bool) -> Result<bool, String> {
        memory.inspect(|state| {
            let now = (state.revision, state.commits, state.trail.len());
            let before = self.looked_at.replace(now);
            if before == Some(now) {
                return Ok(false);
            }
            let same_logic = before.is_some_and(|before| (before.0, before.2) == (now.0, now.2));
            if !same_logic {
                one_active(state)?;
                self.logic = logic_of(state);
                self.rows.clear();
            }
            if has_ledger {
                cells_are_rows(state, &self.logic)?;
                self.rows_are_images(state, images)?;
            }
            Ok(true)
        })
    }

    /// Every row counts, under every version that is settled, for what its image counts for.
    fn rows_are_images(&mut self, state: &State, images: &Images) -> Result<(), String> {
        let settled: BTreeSet<LogicId> =
            self.logic.live.iter().filter(|one| is_settled(state, one)).map(|one| one.id.clone()).collect();
        for (key, row) in &state.rows {
            if self.rows.insert(key.clone(), row.revision) == Some(row.revision) {
                continue;
            }
            let image = if row.present {
                let image = images.get(&row.after_digest);
                Some(image.ok_or_else(|| format!("nobody wrote what {:?} holds", key.identity))?)
            } else {
                None
            };
            let whole = counting::whole(&self.logic, &row.contributions);
            for version in self.logic.live.iter().filter(|one| settled.contains(&one.id)) {
                row_is_image(key, row, image, version, whole.get(&version.id))?;
            }
        }
        Ok(())
    }
}

/// Every plan and version in a line each, for a person.
#[must_use]
pub fn plans(state: &State) -> Vec<String> {
    let versions = state.versions.values().map(|one| {
        format!(
            "{} is {:?} of {:?}, {:?}, steps {:?}",
            one.id, one.state, one.parent, one.coverage, one.migration
        )
    });
    let plans = state.adjustments.values().map(|one| {
        let start = one.plan.update.as_ref().map(|update| &update.start);
        format!(
            "{} of {} {:?}->{:?} {:?} {start:?} is {:?}: {:?}",
            one.plan.id, one.plan.definition, one.plan.from, one.to, one.plan.class, one.outcome, one.verdict
        )
    });
    versions.chain(plans).collect()
}

fn logic_of(state: &State) -> TableLogic {
    let catalog = Catalog::new(state.revision, state.versions.values().cloned(), state.adopted.clone());
    let table = catalog.tables().next().cloned();
    table.and_then(|table| catalog.table(&table).cloned()).unwrap_or_default()
}

/// Whether a version has judged every ledger row: it was there from the start, or its walk is over.
/// A backfill judges what the source has, so rows whose end is still on its way are not among them.
fn is_settled(state: &State, version: &LogicVersion) -> bool {
    let made = |of: &LogicVersion| {
        state
            .adjustments
            .values()
            .find(|one| one.plan.definition == of.id.definition && one.to == Some(of.id.number))
    };
    let parent = |of: &LogicVersion| {
        of.parent.and_then(|number| {
            state.versions.get(&LogicId { definition: of.id.definition.clone(), number }).cloned()
        })
    };
    let from_source = std::iter::successors(Some(version.clone()), parent).any(|one| {
        made(&one)
            .and_then(|made| made.plan.update.as_ref())
            .is_some_and(|update| update.start == Start::Source)
    });
    let walked = made(version).is_none_or(|one| one.progress.done);
    !from_source && (walked || version.state != LogicState::Shadow)
}

fn row_is_image(
    key: &RowKey,
    row: &LedgerRow,
    image: Option<&Item>,
    version: &LogicVersion,
    counted: Option<&Cells>,
) -> Result<(), String> {
    let counted = counted.cloned().unwrap_or_default();
    let in_doubt = counted.contains_key(&Cell::Uncertain);
    if in_doubt && row.cut {
        return Ok(());
    }
    let judged = image.map(|image| answered(version, image));
    let expected = counting::contribution(version, judged.as_deref(), Some(&row.version)).unwrap_or_default();
    let overflowed = counted.get(&Cell::Overflow).is_some_and(|n| *n > 0);
    let (counted, expected) = (comparable(counted, overflowed), comparable(expected, overflowed));
    if counted == expected {
        return Ok(());
    }
    Err(format!(
        "{:?} counts under {} for {counted:?}, its image for {expected:?}; image {image:?}, stored {:?}",
        key.identity, version.id, row.contributions
    ))
}

/// Cells as compared with a recount: doubt and tallies aside; where groups were counted together,
/// only the total can be told.
#[must_use]
pub fn comparable(mut cells: Cells, overflowed: bool) -> Cells {
    cells.retain(|cell, n| *n != 0 && !matches!(cell, Cell::Evidence { .. } | Cell::Uncertain));
    if overflowed {
        let items = cells.iter().filter(|(cell, _)| matches!(cell, Cell::Group(_) | Cell::Overflow));
        let total = items.map(|(_, n)| n).sum();
        cells.retain(|cell, _| matches!(cell, Cell::Missing(_)));
        if total != 0 {
            cells.insert(Cell::Overflow, total);
        }
    }
    cells
}

/// I13: exactly one version of a definition is active, and somebody promoted it.
fn one_active(state: &State) -> Result<(), String> {
    let mut active: BTreeMap<_, Vec<u32>> = BTreeMap::new();
    for version in state.versions.values() {
        let of_name = active.entry(version.id.definition.clone()).or_default();
        if version.state == LogicState::Active {
            of_name.push(version.id.number);
        }
    }
    for (name, numbers) in active {
        let [number] = numbers.as_slice() else {
            return Err(format!("I13: {} versions of {name} are active: {numbers:?}", numbers.len()));
        };
        let promoted = state.trail.iter().any(|entry| {
            entry.definition == name && entry.version == Some(*number) && entry.what == "promoted"
        });
        if *number > 1 && !promoted {
            return Err(format!("I13: {name} is read by version {number}, which nobody promoted"));
        }
    }
    Ok(())
}

/// I1: cells of every version that is counted or drained are the sum of what rows store.
fn cells_are_rows(state: &State, logic: &TableLogic) -> Result<(), String> {
    let mut expected = Contributions::new();
    for row in state.rows.values() {
        counting::add(&mut expected, &row.contributions, 1);
    }
    for record in state.quarantine.values() {
        for id in &record.affects {
            let doubt = Cells::from([(Cell::Uncertain, 1)]);
            counting::add_cells(expected.entry(id.clone()).or_default(), &doubt, 1);
        }
    }
    let known = || logic.live.iter().chain(&logic.draining);
    let doubts = known().map(|version| LogicId::doubt_of(&version.id.definition));
    for id in known().map(|version| version.id.clone()).chain(doubts).chain([LogicId::unattributed()]) {
        let mut stored = state.cells_of(&id);
        stored.retain(|cell, n| *n != 0 && !matches!(cell, Cell::Evidence { .. }));
        let expected = expected.remove(&id).unwrap_or_default();
        if stored != expected {
            return Err(format!("I1: cells of {id} are {stored:?}, rows add up to {expected:?}"));
        }
    }
    Ok(())
}

/// The whole count of a version, as a reader has it.
///
/// # Errors
/// Where the store does not answer.
pub fn whole(memory: &Memory, version: &LogicVersion) -> Result<Cells, String> {
    let whole = ready(read::whole(memory, version));
    whole.and_then(Result::ok).ok_or_else(|| format!("{} cannot be read", version.id))
}

/// Readers have what the rows add up to.
///
/// # Errors
/// Where they do not.
pub fn readings_are_rows(memory: &Memory) -> Result<(), String> {
    let (logic, summed) = memory.inspect(|state| {
        let logic = logic_of(state);
        let mut summed = Contributions::new();
        for row in state.rows.values() {
            counting::add(&mut summed, &counting::whole(&logic, &row.contributions), 1);
        }
        (logic, summed)
    });
    for version in &logic.live {
        let read = comparable(whole(memory, version)?, false);
        let added = comparable(summed.get(&version.id).cloned().unwrap_or_default(), false);
        if read != added {
            return Err(format!("I12: {} is read as {read:?}, its rows add up to {added:?}", version.id));
        }
    }
    Ok(())
}

/// I4: the active version of each definition counts what a recount of `items` does.
///
/// # Errors
/// Where one does not.
pub fn recount(memory: &Memory, name: &str, items: &[Item], has_ledger: bool) -> Result<(), String> {
    let active = active(memory, name)?;
    let stored = whole(memory, &active)?;
    let overflowed = stored.contains_key(&Cell::Overflow);
    // By the definition alone: the items have the present shape.
    let reader = LogicVersion { migration: Vec::new(), ..LogicVersion::clone(&active) };
    let mut expected = Cells::new();
    for item in items {
        if let Ok(cells) = counting::contribution(&reader, Some(&answered(&reader, item)), None) {
            counting::add_cells(&mut expected, &cells, 1);
        }
    }
    let (mut stored, mut expected) = (comparable(stored, overflowed), comparable(expected, overflowed));
    if !has_ledger {
        // What a new condition lacks is only told of items that came after it.
        let told = |cell: &Cell, _: &mut i64| !matches!(cell, Cell::Missing(_));
        stored.retain(told);
        expected.retain(told);
    }
    if stored == expected {
        return Ok(());
    }
    counting::add_cells(&mut stored, &expected, -1);
    Err(format!("I4: {} counts, beside a recount, {stored:?} too many; {:?}", active.id, active.definition))
}

/// The active version of a definition.
///
/// # Errors
/// Where there is none.
pub fn active(memory: &Memory, name: &str) -> Result<Arc<LogicVersion>, String> {
    memory.inspect(|state| {
        let active = state
            .versions
            .values()
            .find(|one| one.id.definition.as_str() == name && one.state == LogicState::Active);
        active.cloned().map(Arc::new).ok_or_else(|| format!("I13: no version of {name} is active"))
    })
}

/// Nothing is left of versions that are no longer counted.
///
/// # Errors
/// Where something is.
pub fn nothing_is_left(memory: &Memory) -> Result<(), String> {
    memory.inspect(|state| {
        let logic = logic_of(state);
        if let Some(draining) = logic.draining.first() {
            return Err(format!("{} is drained for ever", draining.id));
        }
        for version in state.versions.values() {
            let gone = matches!(version.state, LogicState::Retired | LogicState::Rejected);
            if gone && !state.cells_of(&version.id).is_empty() {
                return Err(format!(
                    "{} is gone, its cells are not: {:?}",
                    version.id,
                    state.cells_of(&version.id)
                ));
            }
            // Where nothing is derived from it, rows forget it when they are written again.
            let handed_over = state.versions.values().any(|child| {
                child.id.definition == version.id.definition
                    && child.parent == Some(version.id.number)
                    && child.state.is_live()
                    && state.adjustments.values().any(|one| {
                        one.plan.definition == child.id.definition
                            && one.to == Some(child.id.number)
                            && one
                                .plan
                                .update
                                .as_ref()
                                .is_some_and(|update| matches!(update.start, Start::Image(_)))
                    })
            });
            if version.state == LogicState::Retired
                && handed_over
                && let Some((key, _)) =
                    state.rows.iter().find(|(_, row)| row.contributions.contains_key(&version.id))
            {
                return Err(format!(
                    "{:?} holds something of {}, which is gone: {:?}",
                    key.identity, version.id, state.rows[key]
                ));
            }
            if version.state == LogicState::Active && version.base != Base::Own {
                return Err(format!("{} is still derived", version.id));
            }
        }
        Ok(())
    })
}
