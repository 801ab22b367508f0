//! Tests of what came of predictions, over random histories and in any order.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may panic")]

use proptest::prelude::*;

use super::*;
use crate::candidates::{Candidate, Precision, Source};
use crate::choose::Chance;
use crate::online::SHIFT_MAX;
use crate::predict::{Estimate, Expected, Judgement, TableForecast};
use crate::trained::Model;
use crate::units::Target;
use crate::window::{WINDOW, revise};

const DAY_S: Seconds = 86_400;

fn event(at: Seconds, kind: EventKind, column: &str) -> Event {
    Event { at, table: "orders".into(), kind, column: column.into(), typed: "S".into(), before: "old".into() }
}

/// A forecast of one table, with a candidate that a release names for a day.
fn forecast(at: Seconds, p: f64, columns: &[(&str, Option<Seconds>)]) -> TableForecast {
    let measured = Model::shipped().unwrap().parts[0].measured;
    let chances = Target::all().map(|target| {
        let p = p * f64::from(target.days) / 183.0;
        Estimate { target, chance: Chance { p, from: p / 2.0, to: (p * 1.5).min(1.0) }, measured }
    });
    let candidate = |(column, at): &(&str, Option<Seconds>)| {
        let precision = Precision::Assumed { of_ten: 7, own: Record::default() };
        Candidate {
            column: (*column).to_owned(),
            typed: Some("BOOL DEFAULT true".to_owned()),
            kind: Kind::Add,
            p: precision.share(),
            at: *at,
            source: Source::Release { feature: "gifts".into() },
            precision,
        }
    };
    TableForecast {
        table: "orders".into(),
        at,
        judgement: Judgement::Outlook(crate::predict::Outlook {
            chances: chances.collect(),
            expected: Expected { from: None, middle: Some(at + 100 * DAY_S), to: None },
            because: "it is like most tables".to_owned(),
        }),
        candidates: columns.iter().map(candidate).collect(),
        planned: Vec::new(),
    }
}

fn history(events: Vec<Event>) -> History {
    History::new("p", events)
}

const MADE: Seconds = 1_000 * DAY_S;

fn at_day(day: i64) -> Micros {
    (MADE + day * DAY_S) * 1_000_000
}

#[test]
fn a_change_confirms_and_its_end_scores_it() {
    let made = revise(None, &forecast(MADE, 0.4, &[("gift", Some(MADE + 10 * DAY_S))])).prediction;
    let history = history(vec![event(MADE + 12 * DAY_S, EventKind::AddColumn, "gift")]);
    let soon = settle(&made, &history, at_day(13));
    assert_eq!((soon.standing, soon.error), (Standing::Confirmed, Some(0.6)));
    assert_eq!(soon.discrepancy, "40 % [20, 60] was said, and after 12 days it got `gift` (S)");
    assert_eq!(soon.columns[0].standing, Standing::Confirmed);
    assert_eq!(soon.columns[0].discrepancy, "it came 2 days late, as S where BOOL DEFAULT true was said");
    assert!(soon.claims().iter().all(|claim| claim.came.is_none()), "no time is over");
    let (learnt, points) = learn(Some(&made), &soon, &Learnt::default(), &[]).unwrap();
    assert_eq!(
        (learnt.trust["release"], learnt.surprise_micro, points.len()),
        (Tally { hits: 1, of: 1 }, 0, 0)
    );
    let later = settle(&soon, &history, at_day(40));
    let (learnt, points) = learn(Some(&soon), &later, &learnt, &points).unwrap();
    assert_eq!((learnt.confirmed, points.len()), (0, 4), "the claims of 30 days");
    let last = settle(&later, &history, at_day(191));
    let (learnt, points) = learn(Some(&later), &last, &learnt, &points).unwrap();
    assert_eq!((learnt.confirmed, learnt.surprise_micro, points.len()), (1, 600_000, 8));
    assert_eq!(learn(Some(&last), &settle(&last, &history, at_day(191)), &learnt, &points), None);
    // The next window begins with what still may come, and the last one is kept.
    let next = revise(Some(&last), &forecast(MADE + 191 * DAY_S, 0.3, &[]));
    assert_eq!(next.past, Some(last));
    assert_eq!((next.prediction.made_at, next.prediction.columns.len()), (at_day(191), 0));
}

#[test]
fn types_are_the_same_in_other_words() {
    for (said, came) in
        [("TEXT", "string(20) or null"), ("S", "VARCHAR(9)"), ("int(11)", "integer"), ("N", "float(64)")]
    {
        assert_eq!(family(said), family(came), "{said} {came}");
    }
    assert_ne!(family("BOOL"), family("S"));
    assert_ne!(family("DATE"), family("timestamp"));
}

#[test]
fn what_does_not_come_is_refuted_and_what_comes_late_takes_it_back() {
    let made = revise(None, &forecast(MADE, 0.4, &[("gift", Some(MADE + 10 * DAY_S))])).prediction;
    let nothing = history(vec![event(MADE - DAY_S, EventKind::AddColumn, "before")]);
    let refuted = settle(&made, &nothing, at_day(48));
    assert_eq!((refuted.standing, refuted.columns[0].standing), (Standing::Open, Standing::Refuted));
    let (learnt, _) = learn(Some(&made), &refuted, &Learnt::default(), &[]).unwrap();
    assert_eq!(learnt.trust["release"], Tally { hits: 0, of: 1 });
    let late = history(vec![event(MADE + 60 * DAY_S, EventKind::AddColumn, "gift")]);
    let came = settle(&refuted, &late, at_day(61));
    let (learnt, _) = learn(Some(&refuted), &came, &learnt, &[]).unwrap();
    assert_eq!(learnt.trust["release"], Tally { hits: 1, of: 1 });
    let over = settle(&made, &nothing, at_day(191));
    assert_eq!((over.standing, over.error), (Standing::Refuted, Some(-0.4)));
    assert!(over.discrepancy.ends_with("nothing changed"));
}

#[test]
fn a_table_that_goes_is_not_judged_and_begins_anew_when_it_comes_back() {
    let made = revise(None, &forecast(MADE, 0.4, &[("gift", None)])).prediction;
    let history = history(vec![event(MADE + DAY_S, EventKind::DropTable, "")]);
    let gone = settle(&made, &history, at_day(200));
    assert_eq!((gone.standing, gone.columns[0].standing), (Standing::Expired, Standing::Expired));
    assert_eq!(learn(Some(&made), &gone, &Learnt::default(), &[]), None);
    let back = revise(Some(&gone), &forecast(MADE + 30 * DAY_S, 0.4, &[]));
    assert_eq!(back.past, Some(gone));
}

#[test]
fn a_column_that_nobody_announces_any_longer_is_not_held_against_anybody() {
    let made = revise(None, &forecast(MADE, 0.4, &[("gift", Some(MADE + 90 * DAY_S))])).prediction;
    let dropped = revise(Some(&made), &forecast(MADE + DAY_S, 0.4, &[])).prediction;
    assert_eq!((dropped.columns[0].standing, dropped.columns[0].counted), (Standing::Expired, None));
    let after = settle(&dropped, &history(vec![]), at_day(150));
    assert_eq!(after.columns[0], dropped.columns[0]);
    let again =
        revise(Some(&dropped), &forecast(MADE + 2 * DAY_S, 0.4, &[("gift", Some(MADE + 100 * DAY_S))]));
    let gift = &again.prediction.columns[0];
    assert_eq!((gift.standing, gift.since, gift.at), (Standing::Open, at_day(0), Some(at_day(100))));
}

#[test]
fn what_is_thought_now_moves_and_what_was_said_stands() {
    let made = revise(None, &forecast(MADE, 0.4, &[])).prediction;
    let later = revise(Some(&made), &forecast(MADE + 5 * DAY_S, 0.5, &[])).prediction;
    let claim = later.headline().unwrap();
    assert_eq!((claim.said.p, claim.now.p, later.updated_at), (0.4, 0.5, at_day(5)));
    let same = revise(Some(&later), &forecast(MADE + 6 * DAY_S, 0.5, &[])).prediction;
    assert_eq!(same, later, "a date that moves with the clock is no news");
}

fn events() -> impl Strategy<Value = Vec<Event>> {
    let one = (0_i64..500, 0_usize..8, 0_u8..3).prop_map(|(day, kind, column)| {
        event(MADE + day * DAY_S, EventKind::ALL[kind].0, &format!("c{column}"))
    });
    proptest::collection::vec(one, 0..12)
}

proptest! {
    /// However often and at whatever times it is looked, and however much of the history is known then: what
    /// was learnt in the end is what the predictions teach as they stand, and nothing goes too far.
    #[test]
    fn what_is_learnt_does_not_depend_on_when_it_was_looked(
        events in events(),
        looks in proptest::collection::btree_set(0_i64..600, 1..12),
        repeats in 1_usize..3,
        p in 0.0_f64..1.0,
    ) {
        let (mut current, mut all): (Option<Prediction>, Vec<Prediction>) = (None, Vec::new());
        let (mut learnt, mut points) = (Learnt::default(), Vec::<ReliabilityPoint>::new());
        let keep = |points: &mut Vec<ReliabilityPoint>, changed: Vec<ReliabilityPoint>| {
            for one in changed {
                points.retain(|point| point.key() != one.key());
                points.push(one);
            }
        };
        for day in &looks {
            for _ in 0..repeats {
                let known: Vec<Event> =
                    events.iter().filter(|one| one.at <= MADE + day * DAY_S).cloned().collect();
                if let Some(stood) = &current {
                    let settled = settle(stood, &history(known.clone()), at_day(*day));
                    prop_assert_eq!(&settle(&settled, &history(known), at_day(*day)), &settled);
                    if let Some((next, changed)) = learn(Some(stood), &settled, &learnt, &points) {
                        learnt = next;
                        keep(&mut points, changed);
                    }
                    current = Some(settled);
                }
                let at = Some(MADE + 40 * DAY_S);
                let revised = revise(current.as_ref(), &forecast(MADE + day * DAY_S, p, &[("c1", at), ("c2", None)]));
                all.extend(revised.past);
                let again = revise(Some(&revised.prediction), &forecast(MADE + day * DAY_S, p, &[("c1", at), ("c2", None)]));
                prop_assert_eq!(&again.prediction, &revised.prediction);
                prop_assert_eq!(&again.past, &None);
                current = Some(revised.prediction);
            }
        }
        all.extend(current);
        let (mut anew, mut anew_points) = (Learnt::default(), Vec::new());
        for one in &all {
            if let Some((next, changed)) = learn(None, one, &anew, &anew_points) {
                anew = next;
                keep(&mut anew_points, changed);
            }
        }
        points.retain(|point| point.total().n > 0);
        points.sort_by_key(ReliabilityPoint::key);
        anew_points.sort_by_key(ReliabilityPoint::key);
        prop_assert_eq!(&learnt, &anew);
        prop_assert_eq!(points, anew_points);
        prop_assert!(adjustment(&learnt).shift().abs() <= SHIFT_MAX);
        for pair in all.windows(2) {
            let gone = pair[0].standing == Standing::Expired;
            prop_assert!(gone || pair[1].made_at - pair[0].made_at > WINDOW, "windows do not overlap");
        }
    }
}
