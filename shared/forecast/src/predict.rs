//! Predictions: for each table of a history, how probable a change of each kind is, when it is to be
//! expected, why, and which columns may come or go.
//!
//! Probabilities come from the table's past alone ([`crate::trained`]). What a schedule, an experiment or a
//! request says is told beside them, as candidates with dates and sources, and not mixed into them: how
//! often declared changes come is not measured, and a number that is calibrated stays so.

use std::sync::Arc;

use crate::candidates::{Candidate, Known, Trust, candidates, planned_for};
use crate::choose::Chance;
use crate::features::{Feature, Row, rows};
use crate::history::{DAY, HALF_YEAR, History, Seconds};
use crate::life::Replay;
use crate::naming::named;
use crate::online::Adjustment;
use crate::signals::Signals;
use crate::trained::{Measured, Model};
use crate::units::{HORIZONS, Kind, Target};

/// A younger table that never changed has shown nothing yet.
pub const AGE_MIN: Seconds = 30 * DAY;
/// A date further off than ten years is no date.
const EXPECTED_MAX: Seconds = 3_653 * DAY;
/// Features that are named as reasons, in either direction.
const REASONS_MAX: usize = 2;
/// What a feature must add to the log-odds to be a reason: a tenth of the odds.
const REASON_MIN: f64 = 0.1;

/// What is asked.
#[derive(Clone, Copy, Debug)]
pub struct Question<'a> {
    /// From when; what happened later is not looked at.
    pub now: Seconds,
    /// Within how many days; those of [`HORIZONS`], others are left out.
    pub horizons: &'a [u32],
    /// The model.
    pub model: &'a Model,
    /// What was learnt from predictions since.
    pub adjustment: Adjustment,
    /// What is known from elsewhere.
    pub signals: &'a Signals,
    /// How often that was right.
    pub trust: &'a Trust,
}

/// The forecast of a table.
#[derive(Clone, PartialEq, Debug)]
pub struct TableForecast {
    /// Which.
    pub table: Arc<str>,
    /// When it was made.
    pub at: Seconds,
    /// What its past says.
    pub judgement: Judgement,
    /// Columns that may come or go, the most probable first.
    pub candidates: Vec<Candidate>,
    /// What is planned that needs the table, with its date.
    pub planned: Vec<(Arc<str>, Seconds)>,
}

/// What a table's past says.
#[derive(Clone, PartialEq, Debug)]
pub enum Judgement {
    /// How probable changes are.
    Outlook(Outlook),
    /// There is not enough of a past.
    CannotJudge {
        /// Why.
        because: String,
    },
}

/// How probable changes are.
#[derive(Clone, PartialEq, Debug)]
pub struct Outlook {
    /// For each horizon and kind that was asked for.
    pub chances: Vec<Estimate>,
    /// When the next change of any kind is to be expected.
    pub expected: Expected,
    /// Which features moved it, in a sentence.
    pub because: String,
}

/// One probability.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Estimate {
    /// Of what.
    pub target: Target,
    /// The probability with its interval.
    pub chance: Chance,
    /// How good the model is at it, on projects that it had not seen.
    pub measured: Measured,
}

/// When the next change is to be expected; `None` is later than can be said.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Expected {
    /// One time in ten it is earlier.
    pub from: Option<Seconds>,
    /// It is as often earlier as later.
    pub middle: Option<Seconds>,
    /// One time in ten it is later.
    pub to: Option<Seconds>,
}

/// Forecasts every table there is.
#[must_use]
pub fn predict(history: &History, question: &Question<'_>) -> Vec<TableForecast> {
    let now = question.now;
    let mut replay = Replay::new(history);
    replay.until(now);
    let Some((began, _)) = history.span().filter(|(began, _)| *began <= now) else { return Vec::new() };
    let names = named(&replay, now);
    let known = Known { signals: question.signals, trust: question.trust, naming: &question.model.naming };
    rows(&replay, began, now)
        .into_iter()
        .filter_map(|(table, row)| {
            let life = replay.table(&table)?;
            let because = if now - began < HALF_YEAR {
                Some(format!("the history is {} days long, and half a year is needed", (now - began) / DAY))
            } else if now - life.born < AGE_MIN && life.changes.is_empty() {
                Some(format!("the table is {} days old and has not changed yet", (now - life.born) / DAY))
            } else {
                None
            };
            let judgement = match because {
                Some(because) => Judgement::CannotJudge { because },
                None => Judgement::Outlook(outlook(&row, question)),
            };
            let named = names.get(&table).map_or(&[][..], Vec::as_slice);
            let candidates = candidates(&table, life, named, known, now);
            let planned = planned_for(&table, question.signals, now);
            let planned = planned.into_iter().map(|(name, one)| (name, one.at)).collect();
            Some(TableForecast { table, at: now, judgement, candidates, planned })
        })
        .collect()
}

fn outlook(row: &Row, question: &Question<'_>) -> Outlook {
    let model = question.model;
    let shift = question.adjustment.shift();
    let mut all: Vec<Estimate> = Vec::new();
    for target in Target::all() {
        let Some(part) = model.part(target) else { continue };
        let mut chance = part.model.chance(row, shift);
        // What happens within a month happens within a quarter, and an added column is a change: models
        // that were fitted one by one need not know.
        let within = |one: &&Estimate| {
            one.target.days <= target.days && (one.target.kind == target.kind || target.kind == Kind::Any)
        };
        for sooner in all.iter().filter(within) {
            chance = at_least(chance, sooner.chance);
        }
        all.push(Estimate { target, chance, measured: part.measured });
    }
    // Targets come with any change first: lift it to what its kinds were given after it.
    let kinds = all.clone();
    for estimate in all.iter_mut().filter(|one| one.target.kind == Kind::Any) {
        for kind in kinds.iter().filter(|one| one.target.days <= estimate.target.days) {
            estimate.chance = at_least(estimate.chance, kind.chance);
        }
    }
    let any = |days: u32| {
        let found = all.iter().find(|one| one.target == Target { kind: Kind::Any, days });
        found.map_or(0.0, |one| one.chance.p)
    };
    let expected = expected(HORIZONS.map(|days| (days, any(days))), question.now);
    all.retain(|one| question.horizons.contains(&one.target.days));
    Outlook { chances: all, expected, because: because(row, model) }
}

fn at_least(one: Chance, other: Chance) -> Chance {
    Chance { p: one.p.max(other.p), from: one.from.max(other.from), to: one.to.max(other.to) }
}

/// When a change is as often earlier as later, and one time in ten: the risk is the same on every day
/// between two horizons, and beyond the last one what it was on average until then.
fn expected(chances: [(u32, f64); HORIZONS.len()], now: Seconds) -> Expected {
    let day = |quantile: f64| {
        let goal = -(1.0 - quantile).ln();
        let (mut days, mut risk) = (0.0, 0.0);
        for (until, p) in chances {
            let next = -(1.0 - p.min(1.0 - 1e-9)).ln();
            let until = f64::from(until);
            if next >= goal && next > risk {
                return Some(days + (until - days) * (goal - risk) / (next - risk));
            }
            (days, risk) = (until, next.max(risk));
        }
        (risk > 0.0).then(|| days * goal / risk)
    };
    let date = |quantile: f64| {
        let seconds = day(quantile)? * DAY as f64;
        (seconds <= EXPECTED_MAX as f64).then(|| now + seconds as Seconds)
    };
    Expected { from: date(0.1), middle: date(0.5), to: date(0.9) }
}

/// A sentence about the features that move the probability of any change within half a year most.
fn because(row: &Row, model: &Model) -> String {
    let Some(part) = model.part(crate::units::ANY_IN_HALF_A_YEAR) else { return String::new() };
    // Features with one phrase are one reason.
    let mut adds: Vec<(&'static str, f64)> = Vec::new();
    for term in &part.model.linear.terms {
        let (phrase, add) = (Feature::phrase(term.feature), term.adds(row) * part.model.calibration.slope);
        match adds.iter_mut().find(|(known, _)| *known == phrase) {
            Some((_, sum)) => *sum += add,
            None => adds.push((phrase, add)),
        }
    }
    adds.sort_by(|one, other| other.1.abs().total_cmp(&one.1.abs()));
    let pick = |sign: f64| -> Vec<&str> {
        let chosen = adds.iter().filter(|(_, add)| add * sign >= REASON_MIN);
        chosen.take(REASONS_MAX).map(|(phrase, _)| *phrase).collect()
    };
    let (up, down) = (pick(1.0).join(" and "), pick(-1.0).join(" and "));
    match (up.is_empty(), down.is_empty()) {
        (true, true) => "it is like most tables".to_owned(),
        (false, true) => format!("raised by {up}"),
        (true, false) => format!("lowered by {down}"),
        (false, false) => format!("raised by {up}, lowered by {down}"),
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "a test may panic")]
    use super::*;
    use crate::history::read;
    use crate::signals::{ColumnHint, Planned, usage};

    /// Nine years of a busy table and a quiet one, and one that was born yesterday.
    fn history() -> History {
        let mut text = "at,table,event,column,type\n".to_owned();
        for column in 0..25 {
            text += &format!("0,busy,initial,c{column},INT\n");
        }
        text += "0,quiet,initial,a_id,INT\n0,quiet,initial,b_id,INT\n";
        for month in 1..108 {
            text += &format!("{},busy,add_column,n{month},TEXT\n", month * 30 * DAY);
        }
        text += &format!("{},new,create_table,id,INT\n", 108 * 30 * DAY);
        read("p", text.as_bytes()).unwrap().history
    }

    fn forecasts(signals: &Signals, now: Seconds) -> Vec<TableForecast> {
        let (model, trust) = (Model::shipped().unwrap(), Trust::default());
        let question = Question {
            now,
            horizons: &[30, 183, 7],
            model: &model,
            adjustment: Adjustment::default(),
            signals,
            trust: &trust,
        };
        predict(&history(), &question)
    }

    const NOW: Seconds = (108 * 30 + 1) * DAY;

    #[test]
    fn a_busy_table_is_expected_to_change_and_a_young_one_is_not_judged() {
        let all = forecasts(&Signals::default(), NOW);
        let of = |name: &str| all.iter().find(|one| &*one.table == name).unwrap();
        let Judgement::Outlook(busy) = &of("busy").judgement else { panic!() };
        let Judgement::Outlook(quiet) = &of("quiet").judgement else { panic!() };
        let any = |outlook: &Outlook, days| {
            let wanted = Target { kind: Kind::Any, days };
            outlook.chances.iter().find(|one| one.target == wanted).unwrap().chance
        };
        assert!(any(busy, 183).p > 0.4 && any(quiet, 183).p < 0.1, "{busy:?} {quiet:?}");
        assert!(any(busy, 30).p < any(busy, 183).p);
        assert_eq!(busy.chances.len(), 8, "two horizons that there are, four kinds");
        for one in &busy.chances {
            assert!(one.chance.from <= one.chance.p && one.chance.p <= one.chance.to);
            assert!(one.chance.p <= any(busy, one.target.days).p);
        }
        let expected = busy.expected;
        assert!(expected.from < expected.middle && expected.from.unwrap() > NOW);
        assert!(busy.because.starts_with("raised by"), "{}", busy.because);
        assert!(
            matches!(&of("new").judgement, Judgement::CannotJudge { because } if because.contains("1 days"))
        );
        let early = forecasts(&Signals::default(), 100 * DAY);
        assert!(early.iter().all(|one| matches!(one.judgement, Judgement::CannotJudge { .. })));
    }

    #[test]
    fn candidates_say_where_they_come_from_and_how_often_that_is_right() {
        let hint = |column: &str, typed: Option<&str>| ColumnHint {
            table: "quiet".to_owned(),
            column: Some(column.to_owned()),
            typed: typed.map(str::to_owned),
        };
        let release = Planned {
            name: "gifts".into(),
            at: NOW + 20 * DAY,
            columns: vec![hint("gift", Some("BOOL")), hint("a_id", None)],
        };
        let old = Planned { name: "dropped".into(), at: NOW - 400 * DAY, columns: vec![hint("never", None)] };
        let unknown = |attribute: &str, requests| usage::Unknown {
            table: "quiet".into(),
            attribute: attribute.into(),
            requests,
            days: 7,
        };
        let signals = Signals {
            releases: vec![release, old],
            flags: Vec::new(),
            usage: usage::Usage {
                unknown: vec![unknown("gift", 90), unknown("typo", 1), unknown("asked", 50)],
                rates: vec![usage::Rate {
                    table: "quiet".into(),
                    attribute: "b_id".into(),
                    reads: 0,
                    writes: 0,
                    days: 90,
                }],
            },
        };
        let all = forecasts(&signals, NOW);
        let quiet = all.iter().find(|one| &*one.table == "quiet").unwrap();
        let seen: Vec<(&str, Kind, &str, Option<&str>)> = quiet
            .candidates
            .iter()
            .map(|one| (one.column.as_str(), one.kind, one.source.name(), one.typed.as_deref()))
            .collect();
        assert_eq!(
            seen,
            [
                ("gift", Kind::Add, "release", Some("BOOL")),
                ("asked", Kind::Add, "requested", None),
                ("b_id", Kind::Drop, "idle", None),
            ]
        );
        assert_eq!(quiet.candidates[0].at, Some(NOW + 20 * DAY));
        assert_eq!(quiet.candidates[0].precision.words(), "assumed, not measured: 7 of 10");
        assert_eq!(quiet.planned, [("gifts".into(), NOW + 20 * DAY)]);
    }

    #[test]
    fn what_happens_later_changes_no_prediction() {
        let signals = Signals::default();
        let now = 50 * 30 * DAY;
        let all = forecasts(&signals, now);
        let mut events: Vec<_> = history().events().iter().filter(|event| event.at <= now).cloned().collect();
        events.push(crate::history::Event { at: now + 1, ..events[0].clone() });
        let (model, trust) = (Model::shipped().unwrap(), Trust::default());
        let question = Question {
            now,
            horizons: &[30, 183],
            model: &model,
            adjustment: Adjustment::default(),
            signals: &signals,
            trust: &trust,
        };
        assert_eq!(all, predict(&History::new("p", events), &question));
    }
}
