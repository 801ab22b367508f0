//! The invariants, against what the store holds and against a recount of the source.

use std::collections::BTreeMap;

use evercount_core::change::TableName;
use evercount_core::counting::{self, Cells, Contributions};
use evercount_core::definition::{CountDefinition, DefinitionName};
use evercount_core::group::Cell;
use evercount_core::logic::{LogicId, LogicVersion};
use evercount_core::path::Path;
use evercount_core::value::Item;
use evercount_pipeline::memory::{Memory, State};

/// The counts every run keeps: a plain grouping, a nested one under a filter with a cap, and a
/// total whose filter meets missing attributes.
#[must_use]
pub fn definitions(table: &str, groups_max: u32) -> Vec<CountDefinition> {
    let define = |name: &str, group_by: &[&str], filter: Option<&str>, groups_max| CountDefinition {
        name: DefinitionName::parse(name).unwrap_or_else(|| unreachable!("`{name}` is a name")),
        table: TableName::new(table),
        group_by: group_by.iter().filter_map(|path| Path::parse(path).ok()).collect(),
        filter: filter.and_then(|text| evercount_wire::predicate::parse(text).ok()),
        distinct: None,
        groups_max,
    };
    vec![
        define("by_status", &["status"], None, 1_000),
        define(
            "by_city_and_plan",
            &["address.city", "plan"],
            Some("plan >= 1 AND amount BETWEEN 100 AND 900"),
            groups_max,
        ),
        define(
            "open_total",
            &[],
            Some("begins_with(status, 'A') OR NOT (status = 'CLOSED' OR amount > 500)"),
            1_000,
        ),
    ]
}

/// I1 and I5: cells add up to what rows contribute and records in quarantine make uncertain.
pub fn ledger(memory: &Memory, logic: &[LogicVersion]) -> Result<(), String> {
    memory.inspect(|state| {
        let mut expected = Contributions::new();
        for row in state.rows.values() {
            counting::add(&mut expected, &row.contributions, 1);
        }
        for record in state.quarantine.values() {
            for id in &record.affects {
                counting::add_cells(
                    expected.entry(id.clone()).or_default(),
                    &[(Cell::Uncertain, 1)].into(),
                    1,
                );
            }
        }
        for id in logic.iter().map(|version| version.id.clone()).chain([LogicId::unattributed()]) {
            let stored = non_zero(state.cells_of(&id));
            let expected = expected.remove(&id).unwrap_or_default();
            if stored != expected {
                return Err(format!("I1: cells of {id} are {stored:?}, rows add up to {expected:?}"));
            }
        }
        Ok(())
    })
}

fn non_zero(mut cells: Cells) -> Cells {
    cells.retain(|_, n| *n != 0);
    cells
}

fn recounted(logic: &LogicVersion, images: &[Item]) -> Cells {
    let mut cells = Cells::new();
    for image in images {
        if let Ok(one) = counting::contribution(logic, Some(image)) {
            counting::add_cells(&mut cells, &one, 1);
        }
    }
    cells
}

/// Cells as compared with a recount: doubt aside; where groups were counted together, only the
/// total can be told.
fn comparable(mut cells: Cells, overflowed: bool) -> Cells {
    cells.remove(&Cell::Uncertain);
    cells.remove(&Cell::ByDelta);
    if overflowed {
        let total = cells
            .iter()
            .filter(|(cell, _)| matches!(cell, Cell::Group(_) | Cell::Overflow))
            .map(|(_, n)| n)
            .sum();
        cells.retain(|cell, _| !matches!(cell, Cell::Group(_) | Cell::Overflow));
        cells.insert(Cell::Overflow, total);
    }
    non_zero(cells)
}

fn has_overflow(state: &State, version: &LogicVersion) -> bool {
    state.cells_of(&version.id).contains_key(&Cell::Overflow)
}

/// I4: the counts equal a recount of the source.
pub fn recount(memory: &Memory, logic: &[LogicVersion], images: &[Item]) -> Result<(), String> {
    memory.inspect(|state| {
        for version in logic {
            let overflowed = has_overflow(state, version);
            let stored = comparable(state.cells_of(&version.id), overflowed);
            let expected = comparable(recounted(version, images), overflowed);
            if stored != expected {
                return Err(format!("I4: {} counts {stored:?}, a recount {expected:?}", version.id));
            }
        }
        Ok(())
    })
}

/// I8: the truth lies within `uncertain` of each number.
pub fn certificate(memory: &Memory, logic: &[LogicVersion], images: &[Item]) -> Result<(), String> {
    memory.inspect(|state| {
        for version in logic {
            let cells = state.cells_of(&version.id);
            let everywhere = state.cells_of(&LogicId::unattributed());
            let doubt = |cells: &Cells| cells.get(&Cell::Uncertain).copied().unwrap_or(0);
            let uncertain = doubt(&cells) + doubt(&everywhere);
            let overflowed = has_overflow(state, version);
            let stored = comparable(cells, overflowed);
            let expected = comparable(recounted(version, images), overflowed);
            for cell in stored.keys().chain(expected.keys()) {
                let n = |cells: &Cells| cells.get(cell).copied().unwrap_or(0);
                let off = (n(&stored) - n(&expected)).abs();
                if off > uncertain {
                    return Err(format!(
                        "I8: {} is off by {off} at {cell:?}, uncertain says {uncertain}",
                        version.id
                    ));
                }
            }
        }
        Ok(())
    })
}

/// I2 and I18: what each row contributes is what its logic says of the source's rows.
pub fn rows_are_right(memory: &Memory, logic: &[LogicVersion], images: &[Item]) -> Result<(), String> {
    memory.inspect(|state| {
        let present = state.rows.values().filter(|row| row.present).count();
        let keyless = state
            .rows
            .keys()
            .any(|key| matches!(key.identity, evercount_core::change::RowIdentity::Position(_)));
        if !keyless && present != images.len() {
            return Err(format!("I2: the ledger holds {present} rows, the source {}", images.len()));
        }
        if logic.iter().any(|version| has_overflow(state, version)) || keyless {
            return Ok(());
        }
        for image in images {
            for version in logic {
                let expected = counting::contribution(version, Some(image)).unwrap_or_default();
                let again = counting::contribution(version, Some(image)).unwrap_or_default();
                let held = state
                    .rows
                    .values()
                    .any(|row| row.contributions.get(&version.id).cloned().unwrap_or_default() == expected);
                if expected != again || !held {
                    return Err(format!("I18: no ledger row contributes {expected:?} to {}", version.id));
                }
            }
        }
        Ok(())
    })
}

/// Every logic version's cells, doubt and zeros aside.
#[must_use]
pub fn cells_but_doubt(memory: &Memory, logic: &[LogicVersion]) -> BTreeMap<String, Cells> {
    memory.inspect(|state| {
        let of =
            |version: &LogicVersion| (version.id.to_string(), comparable(state.cells_of(&version.id), false));
        logic.iter().map(of).collect()
    })
}
