//! The invariants, against what the store holds and against a recount of the source.

use std::collections::BTreeMap;

use evercount_core::change::TableName;
use evercount_core::counting::{self, Cells, Contributions};
use evercount_core::definition::{CountDefinition, DefinitionName};
use evercount_core::distinct::{self, Multiplicities};
use evercount_core::group::{Cell, GroupId, Grouped, group_of};
use evercount_core::logic::{LogicId, LogicVersion};
use evercount_core::path::Path;
use evercount_core::predicate::Truth;
use evercount_core::value::{Item, Value};
use evercount_pipeline::memory::{Memory, State};
use evercount_wire::sketch::Sketch;

/// The counts every run keeps: a plain grouping, a nested one under a filter with a cap whose
/// distinct values come in two spellings, and a total whose filter meets missing attributes and
/// whose distinct values are as many as its items, or none.
#[must_use]
pub fn definitions(table: &str, groups_max: u32) -> Vec<CountDefinition> {
    let define =
        |name: &str, group_by: &[&str], filter: Option<&str>, distinct, groups_max| CountDefinition {
            name: DefinitionName::parse(name).unwrap_or_else(|| unreachable!("`{name}` is a name")),
            table: TableName::new(table),
            group_by: group_by.iter().filter_map(|path| Path::parse(path).ok()).collect(),
            filter: filter.map(|text| {
                evercount_wire::predicate::parse(text).unwrap_or_else(|error| unreachable!("{text}: {error}"))
            }),
            distinct,
            groups_max,
            headroom: evercount_core::definition::Headroom::default(),
        };
    vec![
        define("by_status", &["status"], None, None, 1_000),
        define(
            "by_city_and_plan",
            &["address.city", "plan"],
            Some("plan >= 1 AND amount BETWEEN 100 AND 900"),
            Some(Path::column("amount")),
            groups_max,
        ),
        define(
            "open_total",
            &[],
            Some("begins_with(status, 'A') OR NOT (status = 'CLOSED' OR amount > 500)"),
            Some(Path::column("unique")),
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
        let doubts = logic.iter().map(|version| LogicId::doubt_of(&version.id.definition));
        let ids = logic.iter().map(|version| version.id.clone()).chain(doubts);
        for id in ids.chain([LogicId::unattributed()]) {
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
    cells.retain(|cell, n| *n != 0 && !matches!(cell, Cell::Evidence { .. } | Cell::Untold));
    cells
}

fn recounted(logic: &LogicVersion, images: &[Item]) -> Cells {
    let mut cells = Cells::new();
    for image in images {
        if let Ok(one) = counting::contribution(logic, Some(image), None) {
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
        let registers =
            distinct::union(distinct::by_group(cells.iter().map(|(cell, n)| (cell, *n))).values());
        cells.retain(|cell, _| !matches!(cell, Cell::Group(_) | Cell::Overflow | Cell::Register { .. }));
        cells.insert(Cell::Overflow, total);
        cells.extend(
            registers.iter().map(|(register, rank, n)| (Cell::Register { group: None, register, rank }, n)),
        );
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
            registers(&state.cells_of(&version.id), version, images, overflowed)?;
        }
        Ok(())
    })
}

/// I4 of distinct counts: the registers are, bit for bit, those of a sketch that never met any but
/// the live items. The sketch is another implementation's, and only ever grows.
fn registers(cells: &Cells, logic: &LogicVersion, images: &[Item], overflowed: bool) -> Result<(), String> {
    let Some(path) = &logic.definition.distinct else { return Ok(()) };
    let fresh = || Sketch::new(distinct::PRECISION);
    let (mut expected, mut all) = (BTreeMap::<Option<GroupId>, Sketch>::new(), fresh());
    for image in images {
        let counts =
            logic.definition.filter.as_ref().is_none_or(|it| it.evaluate(image).truth == Truth::True);
        let value = path.lookup(image).filter(|value| **value != Value::Null);
        if let (true, Some(value), Grouped::Key(key)) =
            (counts, value, group_of(&logic.definition.group_by, image))
        {
            expected.entry(Some(GroupId::of(&key))).or_insert_with(fresh).insert(value);
            all.insert(value);
        }
    }
    let stored = distinct::by_group(cells.iter().map(|(cell, n)| (cell, *n)));
    let differ = |of: &str, stored: &Multiplicities, expected: &Sketch| {
        let mut ranks = vec![0; distinct::PRECISION.registers()];
        for (register, rank) in stored.registers() {
            ranks[usize::from(register)] = rank;
        }
        let off =
            ranks.iter().zip(expected.ranks()).filter(|(stored, expected)| **stored != *expected).count();
        if off == 0 { Ok(()) } else { Err(format!("I4: {} has {off} wrong registers of {of}", logic.id)) }
    };
    differ("all items", &distinct::union(stored.values()), &all)?;
    if overflowed {
        return Ok(());
    }
    let nothing = Multiplicities::default();
    for id in stored.keys().chain(expected.keys()) {
        let of_group = stored.get(id).unwrap_or(&nothing);
        differ(&format!("{id:?}"), of_group, expected.get(id).unwrap_or(&fresh()))?;
    }
    Ok(())
}

/// I8: the truth lies within `uncertain` of each number.
pub fn certificate(memory: &Memory, logic: &[LogicVersion], images: &[Item]) -> Result<(), String> {
    memory.inspect(|state| {
        for version in logic {
            let cells = state.cells_of(&version.id);
            let everywhere = state.cells_of(&LogicId::unattributed());
            let doubt = |cells: &Cells| cells.get(&Cell::Uncertain).copied().unwrap_or(0);
            let quarantined = state.cells_of(&LogicId::doubt_of(&version.id.definition));
            let uncertain = doubt(&cells) + doubt(&quarantined) + doubt(&everywhere);
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
                let expected = counting::contribution(version, Some(image), None).unwrap_or_default();
                let again = counting::contribution(version, Some(image), None).unwrap_or_default();
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
