//! Laws of adjustment plans, on random tables, definitions, changes and redefinitions: a
//! transform is the recount, a witness is one, and what is not known never makes a plan cheaper.
//!
//! `EVERCOUNT_PLAN_CASES` sets how many cases each law is tried on.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may panic")]

#[path = "adjustment/world.rs"]
mod world;

use evercount_core::adjustment::{AdjustmentPlan, Cause, Certificate, Class, Facts, Start, plan, version_of};
use evercount_core::counting::{Cells, add_cells, contribution};
use evercount_core::definition::CountDefinition;
use evercount_core::group::{Cell, Outcome};
use evercount_core::ledger::compare;
use evercount_core::logic::{Base, Coverage, LogicState, LogicVersion};
use evercount_core::migration::migrate;
use evercount_core::order::OrderVersion;
use evercount_core::schema_change::ChangeKind;
use evercount_core::transform::Transform;
use evercount_core::value::Item;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestCaseResult};
use world::{Event, Table, Tape, definition, redefined};

const CASES: u32 = 4_000;
/// Choices of a case.
const CHOICES: usize = 160;
/// Events of a case.
const EVENTS: usize = 3;
const ROWS: usize = 8;

fn config() -> Config {
    let cases = std::env::var("EVERCOUNT_PLAN_CASES").ok().and_then(|text| text.parse().ok());
    Config { cases: cases.unwrap_or(CASES), failure_persistence: None, ..Config::default() }
}

fn choices() -> impl Strategy<Value = Vec<u16>> {
    prop::collection::vec(any::<u16>(), 0..CHOICES)
}

/// Everything is known, and the ledger remembers every column.
fn rich() -> Facts {
    Facts {
        has_ledger: true,
        remembered: ["a", "b", "c", "d", "e"].map(str::to_owned).to_vec(),
        ledger_rows: Some(1_000),
        source_items: Some(1_000),
        source_bytes: Some(100_000),
        source_is_readable: true,
        new_shape_seen: Some(false),
        ..Facts::default()
    }
}

fn first(definition: CountDefinition) -> LogicVersion {
    LogicVersion::new(1, definition, LogicState::Active, Coverage::Whole, 0)
}

/// A row as it was last written, and when.
#[derive(Clone, Debug)]
struct Written {
    image: Item,
    at: Option<OrderVersion>,
    /// The same row as the table has it now.
    now: Item,
}

fn total<'a>(
    version: &LogicVersion,
    rows: impl IntoIterator<Item = (&'a Item, Option<&'a OrderVersion>)>,
) -> Cells {
    let mut sum = Cells::new();
    for (row, at) in rows {
        add_cells(&mut sum, &contribution(version, Some(row), at).unwrap(), 1);
    }
    sum
}

fn as_written(version: &LogicVersion, rows: &[Written]) -> Cells {
    total(version, rows.iter().map(|row| (&row.image, row.at.as_ref())))
}

/// Cells but for what the parent never told: missing attributes of atoms that did not carry over,
/// and sketches that are not asked for.
fn told(cells: &Cells, transform: &Transform, definition: &CountDefinition) -> Cells {
    let is_told = |cell: &Cell| match cell {
        Cell::Missing(atom) => transform.atoms.contains(&Some(*atom)),
        Cell::Register { .. } => definition.distinct.is_some(),
        _ => true,
    };
    cells.iter().filter(|(cell, _)| is_told(cell)).map(|(cell, n)| (cell.clone(), *n)).collect()
}

fn items(cells: &Cells) -> Cells {
    cells
        .iter()
        .filter(|(cell, _)| !matches!(cell, Cell::Missing(_)))
        .map(|(cell, n)| (cell.clone(), *n))
        .collect()
}

/// A plan in a few lines.
fn brief(plan: &AdjustmentPlan, parent: &LogicVersion) -> String {
    let changes = match &plan.cause {
        Cause::Schema { changes, position, .. } => {
            let kinds: Vec<_> = changes.iter().map(|change| &change.kind).collect();
            format!("{kinds:?} at {position:?}")
        }
        Cause::Redefinition { definition, .. } => format!("{definition:?}"),
    };
    let parts = [
        format!("{:?} {}", plan.class, plan.sentence),
        format!("cause: {changes}"),
        format!("parent: {:?}, {:?}", parent.definition, parent.migration),
        format!("update: {:?}", plan.update),
        format!("certificate: {:?}", plan.certificate),
    ];
    parts.join("\n")
}

/// Checks a plan for a definition whose rows are these, of which each is changed by `change`, and
/// lies at `at` then.
fn check(
    plan: &AdjustmentPlan,
    parent: &LogicVersion,
    rows: &[Written],
    change: &dyn Fn(&Item) -> Item,
    before: Option<&OrderVersion>,
    at: Option<&OrderVersion>,
) -> TestCaseResult {
    if plan.update.is_none() && plan.class < Class::A6 {
        let changed: Vec<Item> = rows.iter().map(|row| change(&row.now)).collect();
        let now = total(parent, changed.iter().map(|row| (row, at)));
        prop_assert_eq!(
            items(&as_written(parent, rows)),
            items(&now),
            "the logic stays\n{}",
            brief(plan, parent)
        );
    }
    match &plan.certificate {
        Certificate::Exact(transform) => {
            let Some(update) = &plan.update else {
                let old = as_written(parent, rows);
                prop_assert_eq!(transform.apply(&old), old, "nothing is to change");
                return Ok(());
            };
            let next = version_of(plan, update, parent, 2, 0);
            let old = as_written(parent, rows);
            let image = told(&transform.apply(&old), transform, &next.definition);
            let changed: Vec<Item> = rows.iter().map(|row| change(&row.now)).collect();
            // As the table has it now: no migration has anything to do.
            let recount = total(&first(next.definition.clone()), changed.iter().map(|row| (row, None)));
            prop_assert_eq!(
                &image,
                &told(&recount, transform, &next.definition),
                "a recount\n{}",
                brief(plan, parent)
            );
            // Some rows rewritten, the others as they were.
            for period in [1, 2, 3] {
                let mixed = rows.iter().zip(&changed).enumerate().map(|(number, (row, changed))| {
                    if number % period == 0 { (&row.image, row.at.as_ref()) } else { (changed, at) }
                });
                let mixed = total(&next, mixed);
                prop_assert_eq!(
                    &image,
                    &told(&mixed, transform, &next.definition),
                    "rows of both shapes\n{}",
                    brief(plan, parent)
                );
            }
        }
        Certificate::Witness { one, other } => {
            let update = plan.update.as_ref().unwrap();
            let next = version_of(plan, update, parent, 2, 0);
            let count = |version: &LogicVersion, rows: &[Item], at: Option<&OrderVersion>| {
                total(version, rows.iter().map(|row| (row, at)))
            };
            prop_assert!(plan.class >= Class::A4);
            prop_assert_eq!(count(parent, one, before), count(parent, other, before));
            let changed = |rows: &[Item]| rows.iter().map(change).collect::<Vec<Item>>();
            let fresh = first(next.definition.clone());
            let (one, other) = (count(&fresh, &changed(one), None), count(&fresh, &changed(other), None));
            prop_assert_ne!(items(&one), items(&other), "no witness\n{}", brief(plan, parent));
        }
        Certificate::Untouched => prop_assert!(plan.update.is_none() && plan.class == Class::A0),
        Certificate::Undecided => {}
    }
    // Every claim is either proved, open, or says that it is not.
    if matches!(plan.class, Class::A4 | Class::A5) && plan.certificate == Certificate::Undecided {
        prop_assert!(!plan.assumptions.is_empty(), "{}", brief(plan, parent));
    }
    Ok(())
}

/// Checks that rows of either shape relate as a version says they do.
fn check_relation(
    next: &LogicVersion,
    parent: &LogicVersion,
    rows: &[(Item, Option<OrderVersion>)],
) -> TestCaseResult {
    for (row, at) in rows {
        let old = contribution(parent, Some(row), at.as_ref()).unwrap();
        let new = contribution(next, Some(row), at.as_ref()).unwrap();
        let image = match &next.base {
            Base::Derived { transform, .. } => transform.apply(&old),
            Base::Own => old,
        };
        let (_, was_earlier) = migrate(&next.migration, row, at.as_ref());
        let outcome = compare(next.relation, &new, &image, was_earlier);
        prop_assert!(
            outcome != Outcome::Unexplained,
            "{:?} does not hold of {row:?} at {at:?}: {new:?} for {image:?}\n{next:?}\nof {parent:?}",
            next.relation
        );
    }
    Ok(())
}

/// A table that goes through events, and a definition that follows.
fn events(choices: &[u16]) -> TestCaseResult {
    let mut tape = Tape::new(choices);
    let mut table = Table::random(&mut tape);
    let mut logic = first(definition(&mut tape));
    let mut rows: Vec<Written> = Vec::new();
    for number in 0..EVENTS {
        for _ in 0..ROWS / EVENTS + 1 {
            let image = table.row(&mut tape);
            rows.push(Written { now: image.clone(), image, at: table.place(table.level) });
        }
        // What no event has touched the ledger has as it is; what the definition reads its
        // migration brings to it.
        let read = logic.definition.paths().map(|path| path.column_name().to_owned());
        let facts = Facts { remembered: table.untouched.iter().cloned().chain(read).collect(), ..rich() };
        let before = table.place(table.level);
        let event = table.event(&mut tape);
        let cause = Cause::Schema {
            event: format!("e{number}"),
            changes: event.changes.clone(),
            position: event.position.clone(),
            at: 0,
        };
        let at = table.place(table.level);
        let made = plan(&cause, &logic, &facts);
        if event.empties() {
            rows.clear();
        }
        check(&made, &logic, &rows, &|row| event.on(row), before.as_ref(), at.as_ref())?;
        if number == 0 {
            cheaper_with_facts(&cause, &logic, &mut tape)?;
        }
        let mut updates: Vec<_> =
            made.update.iter().chain(made.choices.iter().filter_map(|one| one.update.as_ref())).collect();
        for update in &updates {
            let next = version_of(&made, update, &logic, logic.id.number + 1, 0);
            let later = (0..3).map(|_| (table.row(&mut tape), at.clone()));
            let all: Vec<_> = rows
                .iter()
                .flat_map(|row| [(row.image.clone(), row.at.clone()), (event.on(&row.now), at.clone())])
                .chain(later)
                .collect();
            check_relation(&next, &logic, &all)?;
            open(&made, update, &next, &logic, &rows, &event, at.as_ref())?;
        }
        for row in &mut rows {
            row.now = event.on(&row.now);
            // Rows are written again now and then.
            if tape.one_in(3) {
                (row.image, row.at) = (row.now.clone(), at.clone());
            }
        }
        if updates.is_empty() {
            if made.class == Class::A6 {
                // What a frozen condition says of rows is no recount of anything.
                return Ok(());
            }
            continue;
        }
        let update = updates.remove(tape.below(updates.len()));
        let next = version_of(&made, update, &logic, logic.id.number + 1, 0);
        match (&update.start, made.class) {
            (Start::Source, _) | (_, Class::A6) => return Ok(()),
            (Start::Image(_), _) => {}
            (Start::Ledger, _) => {
                // What the ledger remembers is what the table has, brought to its shape.
                let recount = total(&first(next.definition.clone()), rows.iter().map(|row| (&row.now, None)));
                prop_assert_eq!(
                    items(&as_written(&next, &rows)),
                    items(&recount),
                    "from the ledger\n{}",
                    brief(&made, &logic)
                );
            }
        }
        logic = LogicVersion { base: Base::Own, ..next.entering(LogicState::Active, 0) };
    }
    Ok(())
}

/// While an answer is open, counts are what they were, whichever shape rows have.
fn open(
    made: &AdjustmentPlan,
    update: &evercount_core::adjustment::LogicUpdate,
    next: &LogicVersion,
    parent: &LogicVersion,
    rows: &[Written],
    event: &Event,
    at: Option<&OrderVersion>,
) -> TestCaseResult {
    let (Class::A6, Start::Image(transform)) = (made.class, &update.start) else { return Ok(()) };
    let is_frozen = made.choices.iter().any(|choice| choice.answer.contains("freeze"));
    let before = transform.apply(&as_written(parent, rows));
    let before = told(&before, transform, &next.definition);
    let as_they_were = told(&as_written(next, rows), transform, &next.definition);
    prop_assert_eq!(&before, &as_they_were, "rows as they were\n{}", brief(made, parent));
    // An answer that is not the rename's leaves renamed rows to the readers of the new name.
    let is_apart = Some(update) != made.update.as_ref()
        && made.choices.iter().any(|choice| {
            choice.answer.starts_with("it is a drop") && choice.update.as_ref() == Some(update)
        });
    // Rows that were counted as without a column come to have it by a rename.
    let is_new = event.changes.iter().any(|change| match &change.kind {
        ChangeKind::RenameColumn { to, .. } => {
            parent.definition.paths().any(|path| path.column_name() == to.as_str())
        }
        _ => false,
    });
    if !is_frozen && !is_apart && !is_new {
        let changed: Vec<Item> = rows.iter().map(|row| event.on(&row.now)).collect();
        let after = total(next, changed.iter().map(|row| (row, at)));
        prop_assert_eq!(
            &before,
            &told(&after, transform, &next.definition),
            "rows as they are now\n{}",
            brief(made, parent)
        );
    }
    Ok(())
}

/// A fact that is missing never makes a plan cheaper.
fn cheaper_with_facts(cause: &Cause, logic: &LogicVersion, tape: &mut Tape<'_>) -> TestCaseResult {
    let class = plan(cause, logic, &rich()).class;
    let poorer = [
        Facts { has_ledger: false, ..rich() },
        Facts { remembered: Vec::new(), ..rich() },
        Facts { new_shape_seen: None, ..rich() },
        Facts { overflowed: true, ..rich() },
        Facts { has_ledger: false, new_shape_seen: None, ..rich() },
        Facts::default(),
    ];
    let facts = tape.pick(&poorer);
    let poorer = plan(cause, logic, facts).class;
    prop_assert!(poorer >= class, "{class:?} with all facts and {poorer:?} with {facts:?}");
    Ok(())
}

fn redefinitions(choices: &[u16]) -> TestCaseResult {
    let mut tape = Tape::new(choices);
    let mut table = Table::random(&mut tape);
    let mut logic = first(definition(&mut tape));
    let mut rows: Vec<Written> = (0..ROWS)
        .map(|_| {
            let image = table.row(&mut tape);
            Written { now: image.clone(), image, at: table.place(0) }
        })
        .collect();
    // Now and then the definition has been through a change of shape before.
    if tape.one_in(2) {
        let event = table.event(&mut tape);
        let (changes, position) = (event.changes.clone(), event.position.clone());
        let cause = Cause::Schema { event: "e".into(), changes, position, at: 0 };
        let made = plan(&cause, &logic, &rich());
        let followed =
            made.update.as_ref().filter(|update| made.class < Class::A4 && update.start != Start::Source);
        match followed {
            Some(update) if !event.empties() => {
                let next = version_of(&made, update, &logic, 2, 0);
                logic = LogicVersion { base: Base::Own, ..next.entering(LogicState::Active, 0) };
                rows.iter_mut().for_each(|row| row.now = event.on(&row.now));
            }
            _ => return Ok(()),
        }
    }
    let new = redefined(&logic.definition, &mut tape);
    let cause = Cause::Redefinition { definition: new.clone(), at: 0 };
    let facts = Facts {
        remembered: table
            .untouched
            .iter()
            .cloned()
            .chain(logic.definition.paths().map(|path| path.column_name().to_owned()))
            .collect(),
        ..rich()
    };
    let made = plan(&cause, &logic, &facts);
    let at = table.place(table.level);
    check(&made, &logic, &rows, &Item::clone, at.as_ref(), at.as_ref())?;
    if let Some(update) = &made.update {
        prop_assert_eq!(&update.definition, &new);
        let next = version_of(&made, update, &logic, logic.id.number + 1, 0);
        let all: Vec<_> = rows.iter().map(|row| (row.image.clone(), row.at.clone())).collect();
        check_relation(&next, &logic, &all)?;
        if update.start == Start::Ledger {
            let recount = total(&first(new), rows.iter().map(|row| (&row.now, None)));
            prop_assert_eq!(
                items(&as_written(&next, &rows)),
                items(&recount),
                "from the ledger\n{}",
                brief(&made, &logic)
            );
        }
    }
    cheaper_with_facts(&cause, &logic, &mut tape)
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn a_plan_for_changes_of_shape_holds_for_every_table(choices in choices()) {
        events(&choices)?;
    }

    #[test]
    fn a_plan_for_a_redefinition_holds_for_every_table(choices in choices()) {
        redefinitions(&choices)?;
    }
}

/// The laws can fail: a plan whose transform forgets what it should do is found out.
#[test]
fn a_wrong_transform_is_caught() {
    let mut caught = 0;
    for seed in 0..400_u16 {
        let choices: Vec<u16> = (0..120).map(|at| seed.wrapping_mul(7_919).wrapping_add(at * 31)).collect();
        let mut tape = Tape::new(&choices);
        let mut table = Table::random(&mut tape);
        let logic = first(definition(&mut tape));
        let rows: Vec<Written> = (0..ROWS)
            .map(|_| {
                let image = table.row(&mut tape);
                Written { now: image.clone(), image, at: table.place(0) }
            })
            .collect();
        let event = table.event(&mut tape);
        let (changes, position) = (event.changes.clone(), event.position.clone());
        let cause = Cause::Schema { event: "e".into(), changes, position, at: 0 };
        let mut made = plan(&cause, &logic, &rich());
        let at = table.place(1);
        let holds = |made: &AdjustmentPlan| {
            check(made, &logic, &rows, &|row| event.on(row), table.place(0).as_ref(), at.as_ref()).is_ok()
        };
        if event.empties() || made.class > Class::A3 || made.update.is_none() {
            continue;
        }
        assert!(holds(&made), "{}", brief(&made, &logic));
        if let Certificate::Exact(transform) = &mut made.certificate
            && !transform.actions.is_empty()
        {
            transform.actions.clear();
            caught += u32::from(!holds(&made));
        }
    }
    assert!(caught > 10, "{caught} wrong transforms were caught");
}
