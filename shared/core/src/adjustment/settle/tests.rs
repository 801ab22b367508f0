//! What is proved without trying rows holds for the rows that are tried, on random chains of changes.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may panic")]

#[path = "../../../tests/adjustment/world.rs"]
#[expect(dead_code, reason = "the laws of plans use more of it")]
mod world;

use std::cell::Cell;

use proptest::prelude::*;
use proptest::test_runner::{Config, TestCaseResult, TestRunner};

use super::*;
use crate::adjustment::{plan, redefinition};
use world::{Table, Tape, definition, redefined};

const CASES: u32 = 400;
const CHOICES: usize = 200;
const EVENTS: usize = 4;

/// How many updates were proved in which way.
#[derive(Default)]
struct Proved {
    by_names: Cell<usize>,
    by_columns: Cell<usize>,
    by_rows: Cell<usize>,
}

fn count(tally: &Cell<usize>) {
    tally.set(tally.get() + 1);
}

/// Holds what a draft comes to against the rows.
fn hold(
    draft: &Draft,
    cause: &Cause,
    logic: &LogicVersion,
    facts: &Facts,
    proved: &Proved,
) -> TestCaseResult {
    let settled = settle(draft.clone(), cause, logic, facts);
    let shown = outline(draft.clone(), cause, logic, facts);
    prop_assert_eq!(shown, (settled.sentence, settled.update), "an answer shows another plan");
    let mut draft = draft.clone();
    if !draft.changed {
        return Ok(());
    }
    draft.forget_idle_steps();
    expect_registers(&mut draft, logic);
    let Some(transform) = derivable(&mut draft, logic, facts) else { return Ok(()) };
    let rows = Rows::of(&logic.definition, &draft, &facts.not_null);
    let update = update(&draft, Start::Image(transform.clone()));
    let next = version(&update, logic, Relation::Unrelated, None, 0, 0);
    let trial = trial(&draft, logic, &next, &rows, position_of(cause));
    let by_names = form::only_renames(&draft, logic, position_of(cause), &transform);
    let by_columns = columns::bear_out(&trial, &transform, draft.relation);
    count(match (by_names, by_columns) {
        (true, _) => &proved.by_names,
        (false, true) => &proved.by_columns,
        (false, false) => &proved.by_rows,
    });
    if by_names || by_columns {
        let tried = try_out(&trial, &transform, draft.relation);
        prop_assert_eq!(
            tried,
            (true, draft.relation),
            "{:?}\n{:?}\n{:?}\n{:?}",
            cause,
            logic,
            transform,
            draft
        );
    }
    Ok(())
}

fn facts(tape: &mut Tape<'_>) -> Facts {
    let remembered = ["a", "b", "c", "d", "e"].map(str::to_owned).to_vec();
    let rich = Facts { has_ledger: true, remembered, new_shape_seen: Some(false), ..Facts::default() };
    match tape.below(4) {
        0 => Facts { not_null: vec![Path::column("a")], ..rich },
        1 => Facts { has_ledger: false, new_shape_seen: None, ..rich },
        2 => Facts { overflowed: true, ..rich },
        _ => rich,
    }
}

fn chain(choices: &[u16], proved: &Proved) -> TestCaseResult {
    let mut tape = Tape::new(choices);
    let mut table = Table::random(&mut tape);
    let mut logic = LogicVersion::new(1, definition(&mut tape), LogicState::Active, Coverage::Whole, 0);
    for number in 0..EVENTS {
        let facts = facts(&mut tape);
        let cause = if tape.one_in(6) {
            let definition = redefined(&logic.definition, &mut tape);
            hold(
                &redefinition::draft(&definition, &logic, &facts),
                &Cause::Redefinition { definition: definition.clone(), at: 0 },
                &logic,
                &facts,
                proved,
            )?;
            Cause::Redefinition { definition, at: 0 }
        } else {
            let event = table.event(&mut tape);
            let (changes, position) = (event.changes, event.position);
            let cause = Cause::Schema {
                event: format!("e{number}"),
                changes: changes.clone(),
                position: position.clone(),
                at: 0,
            };
            let draft = |answers| shape::draft(&changes, position.as_ref(), &logic, answers);
            let first = draft(Answers::default());
            hold(&first, &cause, &logic, &facts, proved)?;
            if first.asked.any() {
                for answers in Answers::all().skip(1) {
                    hold(&draft(answers), &cause, &logic, &facts, proved)?;
                }
            }
            cause
        };
        let made = plan(&cause, &logic, &facts);
        let updates: Vec<_> =
            made.update.iter().chain(made.choices.iter().filter_map(|one| one.update.as_ref())).collect();
        if !updates.is_empty() {
            let update = updates[tape.below(updates.len())];
            let next = version(update, &logic, made.relation, None, logic.id.number + 1, 0);
            logic = next.entering(LogicState::Active, 0);
        }
    }
    Ok(())
}

#[test]
fn what_is_proved_rows_bear_out() {
    let config = Config { cases: CASES, failure_persistence: None, ..Config::default() };
    let proved = Proved::default();
    let choices = prop::collection::vec(any::<u16>(), 0..CHOICES);
    TestRunner::new(config).run(&choices, |choices| chain(&choices, &proved)).unwrap();
    let [names, columns, rows] = [&proved.by_names, &proved.by_columns, &proved.by_rows].map(Cell::get);
    println!("proved by names {names}, by columns {columns}, left to rows {rows}");
    assert!(names > 0 && columns > 0 && rows > 0 && columns > rows, "{names} {columns} {rows}");
}
