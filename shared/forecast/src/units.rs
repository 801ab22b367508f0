//! Units: a table at a time, what is known of it then, and what became of it.
//!
//! The benchmark's unit is (table, half-year): every table that is there at `t`, for `t` in steps of
//! [`HALF_YEAR`] from the beginning of its project's history, as long as the half-year after `t` is within
//! the history. Steps are as long as the longest horizon, so the windows of a table's units do not overlap.
//!
//! A table changed where a column was added, dropped or retyped under its name. One that came or went as a
//! whole, or was renamed, did not.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::features::{Row, rows};
use crate::history::{DAY, EventKind, HALF_YEAR, History, Seconds};
use crate::life::Replay;

pub use evercount_core::prediction::Kind;

/// Whether an event is of a kind. A rename is a drop and an add.
#[must_use]
pub fn is_of(kind: Kind, event: EventKind) -> bool {
    let add = matches!(event, EventKind::AddColumn | EventKind::RenameColumn);
    let drop = matches!(event, EventKind::DropColumn | EventKind::RenameColumn);
    let retype = event == EventKind::ChangeType;
    match kind {
        Kind::Any => add || drop || retype,
        Kind::Add => add,
        Kind::Drop => drop,
        Kind::Retype => retype,
    }
}

/// A kind of change within a time.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Target {
    /// What.
    pub kind: Kind,
    /// Within how many days.
    pub days: u32,
}

/// The horizons of a forecast, days.
pub const HORIZONS: [u32; 3] = [30, 90, 183];

/// The benchmark's target: any change within half a year.
pub const ANY_IN_HALF_A_YEAR: Target = Target { kind: Kind::Any, days: 183 };

impl Target {
    /// How long its window is.
    #[must_use]
    pub fn window(self) -> Seconds {
        i64::from(self.days) * DAY
    }

    /// All kinds within all horizons.
    pub fn all() -> impl Iterator<Item = Self> {
        HORIZONS.into_iter().flat_map(|days| Kind::ALL.into_iter().map(move |(kind, _)| Self { kind, days }))
    }
}

/// A table at a time.
#[derive(Clone, PartialEq, Debug)]
pub struct Unit {
    /// Which table.
    pub table: Arc<str>,
    /// When.
    pub at: Seconds,
    /// What is known of it.
    pub row: Row,
}

/// The units of a project, without what became of them.
#[derive(Clone, PartialEq, Debug)]
pub struct Units {
    /// Which project.
    pub project: String,
    /// The time between two units of a table.
    pub step: Seconds,
    /// Its units, in the order of time and table.
    pub units: Vec<Unit>,
}

/// What became of the units of a project, in their order.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Outcomes {
    of: Target,
    changed: Vec<bool>,
}

impl Outcomes {
    /// Of what.
    #[must_use]
    pub fn of(&self) -> Target {
        self.of
    }

    /// Whether each unit changed.
    #[must_use]
    pub fn changed(&self) -> &[bool] {
        &self.changed
    }
}

/// The units of a history, a step apart.
#[must_use]
pub fn units(history: &History, step: Seconds) -> Units {
    let mut units = Units { project: history.project.clone(), step, units: Vec::new() };
    let Some((began, ended)) = history.span() else { return units };
    let mut replay = Replay::new(history);
    // Before the first half-year is over there is nothing to go by.
    let mut at = began.saturating_add(HALF_YEAR);
    while at.saturating_add(HALF_YEAR) <= ended {
        replay.until(at);
        let here = rows(&replay, began, at);
        units.units.extend(here.into_iter().map(|(table, row)| Unit { table, at, row }));
        at = at.saturating_add(step.max(DAY));
    }
    units
}

/// What became of units.
#[must_use]
pub fn outcomes(history: &History, units: &Units, of: Target) -> Outcomes {
    let mut times: BTreeMap<&str, Vec<Seconds>> = BTreeMap::new();
    for event in history.events().iter().filter(|event| is_of(of.kind, event.kind)) {
        times.entry(&event.table).or_default().push(event.at);
    }
    let changed = |unit: &Unit| {
        let times = times.get(&*unit.table).map_or(&[][..], Vec::as_slice);
        let next = times.get(times.partition_point(|at| *at <= unit.at));
        next.is_some_and(|at| *at <= unit.at + of.window())
    };
    Outcomes { of, changed: units.units.iter().map(changed).collect() }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may panic")]
    use super::*;
    use crate::history::Event;
    use proptest::prelude::*;

    fn events() -> impl Strategy<Value = Vec<Event>> {
        let event =
            (0_i64..8 * HALF_YEAR, 0_usize..8, 0_u8..4, 0_u8..5).prop_map(|(at, kind, table, column)| {
                let name = |text: String| -> Arc<str> { text.into() };
                Event {
                    at,
                    table: name(format!("t{table}")),
                    kind: EventKind::ALL.get(kind).unwrap().0,
                    column: name(format!("c{column}")),
                    typed: name("INT".to_owned()),
                    before: name(String::new()),
                }
            });
        proptest::collection::vec(event, 0..120)
    }

    proptest! {
        #[test]
        fn nothing_after_a_time_changes_a_feature_at_that_time(
            past in events(), one in events(), other in events(), cut in 0_i64..8 * HALF_YEAR,
        ) {
            let with = |future: Vec<Event>| {
                // An end far away, so that both have the same units.
                let end = Event {
                    at: 20 * HALF_YEAR,
                    kind: EventKind::ChangeKey,
                    table: "end".into(), column: "x".into(), typed: "".into(), before: "".into(),
                };
                let start = Event { at: 0, ..end.clone() };
                let past = past.iter().filter(|event| event.at <= cut).cloned();
                let future = future.into_iter().filter(|event| event.at > cut);
                let all = [start].into_iter().chain(past).chain(future).chain([end]).collect();
                let units = units(&History::new("p", all), HALF_YEAR);
                units.units.into_iter().filter(|unit| unit.at <= cut).collect::<Vec<_>>()
            };
            prop_assert_eq!(with(one), with(other));
        }
    }

    #[test]
    fn a_table_changed_where_a_column_came_went_or_changed_within_the_window() {
        let day = |n: i64| n * DAY;
        let text = format!(
            "at,table,event,column,type\n0,a,initial,x,INT\n0,b,initial,x,INT\n0,c,initial,x,INT\n\
             {},a,change_type,x,BIGINT\n{},b,drop_table,x,INT\n{},c,add_column,y,INT\n{},a,change_key,x,INT\n",
            day(183 + 183),
            day(183 + 5),
            day(183 + 31),
            day(900),
        );
        let history = crate::history::read("p", text.as_bytes()).unwrap().history;
        let units = units(&history, HALF_YEAR);
        let changed = |kind, days| {
            let outcomes = outcomes(&history, &units, Target { kind, days });
            let of = |n: i64| -> Vec<bool> {
                let at = |unit: &Unit| unit.at == n * HALF_YEAR;
                units.units.iter().zip(&outcomes.changed).filter(|(u, _)| at(u)).map(|(_, c)| *c).collect()
            };
            (of(1), of(2))
        };
        assert_eq!(changed(Kind::Any, 183), (vec![true, false, true], vec![false, false]));
        assert_eq!(changed(Kind::Retype, 183), (vec![true, false, false], vec![false, false]));
        assert_eq!(changed(Kind::Any, 30), (vec![false, false, false], vec![false, false]));
        assert_eq!(changed(Kind::Add, 90), (vec![false, false, true], vec![false, false]));
    }
}
