//! Windows: how a forecast becomes a prediction that is kept, one window of a table after the other.
//!
//! A table has one prediction at a time. What it says is fixed when it is made and stands until its window
//! of half a year is over, so windows of a table do not overlap and each is scored once, as the benchmark's
//! units are. What is thought meanwhile is kept beside it; columns that are announced meanwhile are added.

use std::collections::BTreeMap;

use evercount_core::order::Micros;
use evercount_core::prediction::{
    COLUMNS_MAX, Claim, ColumnBelief, DAY, ExpectedAt, GRACE, Kind, Outlook, Prediction, Probability,
    Standing,
};
use evercount_core::schema_change::Subject;

use crate::candidates::{Candidate, Source};
use crate::history::Seconds;
use crate::predict::{Judgement, TableForecast};

/// How late a column may come that was to come at a time: releases slip, and a month is the shortest time
/// that is forecast.
pub const SLIP: Micros = 30 * DAY;
/// How long a window is: the longest time that is forecast.
pub const WINDOW: Micros = 183 * DAY;

/// A table's prediction after a forecast.
#[derive(Clone, PartialEq, Debug)]
pub struct Revised {
    /// What stands now; its revision is that of the one before.
    pub prediction: Prediction,
    /// The one before, where another window begins.
    pub past: Option<Prediction>,
}

/// What a forecast makes of a table's prediction. The same forecast again changes nothing.
///
/// A forecast of the time `now`, which is cut to whole seconds, because histories are.
#[must_use]
pub fn revise(current: Option<&Prediction>, forecast: &TableForecast) -> Revised {
    let now = micros(forecast.at);
    match current {
        Some(current) if !is_over(current, forecast, now) => {
            Revised { prediction: updated(current, forecast, now), past: None }
        }
        Some(current) => {
            let mut past = current.clone();
            if past.standing == Standing::Open {
                past.standing = Standing::Expired;
                "it could not be said, and now it can".clone_into(&mut past.discrepancy);
            }
            let mut prediction = begun(forecast, now);
            let goes_on = |one: &&ColumnBelief| one.standing == Standing::Open && one.until >= now;
            prediction.columns = current.columns.iter().filter(goes_on).cloned().collect();
            prediction.revision = current.revision;
            believe(&mut prediction, &forecast.candidates, now);
            Revised { prediction, past: Some(past) }
        }
        None => {
            let mut prediction = begun(forecast, now);
            believe(&mut prediction, &forecast.candidates, now);
            Revised { prediction, past: None }
        }
    }
}

/// Whether another window begins: this one and the grace behind it are over, or the table has come back, or
/// something can be said for the first time.
fn is_over(current: &Prediction, forecast: &TableForecast, now: Micros) -> bool {
    let can_be_said = matches!(forecast.judgement, Judgement::Outlook(_));
    let was_said = matches!(current.outlook, Outlook::Claims { .. });
    now > current.ends_at.saturating_add(GRACE)
        || current.standing == Standing::Expired
        || (can_be_said && !was_said)
}

fn begun(forecast: &TableForecast, now: Micros) -> Prediction {
    Prediction {
        table: Subject::new(&*forecast.table),
        made_at: now,
        ends_at: now.saturating_add(WINDOW),
        updated_at: now,
        outlook: outlook(forecast),
        columns: Vec::new(),
        planned: planned(forecast),
        standing: Standing::Open,
        came: None,
        error: None,
        discrepancy: String::new(),
        revision: 0,
    }
}

fn updated(current: &Prediction, forecast: &TableForecast, now: Micros) -> Prediction {
    let mut next = current.clone();
    let news = outlook(forecast);
    next.outlook = match (&current.outlook, news) {
        (Outlook::Claims { claims: said, .. }, Outlook::Claims { claims: thought, expected, because }) => {
            let thought: BTreeMap<(Kind, u32), Probability> =
                thought.iter().map(|one| ((one.kind, one.days), one.now)).collect();
            let claims = said.iter().map(|one| Claim {
                now: thought.get(&(one.kind, one.days)).copied().unwrap_or(one.now),
                ..*one
            });
            Outlook::Claims { claims: claims.collect(), expected, because }
        }
        // What was said stands, even where nothing could be said now.
        (said @ Outlook::Claims { .. }, Outlook::CannotJudge { .. }) => said.clone(),
        (_, news) => news,
    };
    next.planned = planned(forecast);
    believe(&mut next, &forecast.candidates, now);
    // Dates that move with the clock are no news where nothing else is.
    let same = Prediction {
        updated_at: current.updated_at,
        outlook: undated(&next.outlook, &current.outlook),
        ..next.clone()
    };
    if same == *current { same } else { Prediction { updated_at: now, ..next } }
}

/// An outlook with the expected date of another.
fn undated(outlook: &Outlook, other: &Outlook) -> Outlook {
    match (outlook, other) {
        (Outlook::Claims { claims, because, .. }, Outlook::Claims { expected, .. }) => {
            Outlook::Claims { claims: claims.clone(), expected: *expected, because: because.clone() }
        }
        (Outlook::CannotJudge { .. }, Outlook::CannotJudge { .. }) => other.clone(),
        _ => outlook.clone(),
    }
}

fn outlook(forecast: &TableForecast) -> Outlook {
    match &forecast.judgement {
        Judgement::CannotJudge { because } => Outlook::CannotJudge { because: because.clone() },
        Judgement::Outlook(outlook) => {
            let claim = |one: &crate::predict::Estimate| {
                let [p, from, to] = [one.chance.p, one.chance.from, one.chance.to].map(rounded);
                let said = Probability { p, from, to };
                Claim { kind: one.target.kind, days: one.target.days, said, now: said, came: None }
            };
            let expected = &outlook.expected;
            let [from, middle, to] = [expected.from, expected.middle, expected.to].map(|at| at.map(micros));
            Outlook::Claims {
                claims: outlook.chances.iter().map(claim).collect(),
                expected: ExpectedAt { from, middle, to },
                because: outlook.because.clone(),
            }
        }
    }
}

fn planned(forecast: &TableForecast) -> Vec<(String, Micros)> {
    forecast.planned.iter().map(|(name, at)| (name.to_string(), micros(*at))).collect()
}

/// Brings what is believed of columns up to what candidates say.
fn believe(prediction: &mut Prediction, candidates: &[Candidate], now: Micros) {
    for one in &mut prediction.columns {
        let is_said = candidates.iter().any(|said| said.kind == one.kind && said.column == one.column);
        let is_withdrawn = one.standing == Standing::Expired && one.counted.is_none();
        if !is_said && one.standing == Standing::Open && now <= one.until {
            one.standing = Standing::Expired;
            "nobody announces it any longer".clone_into(&mut one.discrepancy);
        } else if is_said && is_withdrawn && now <= one.until {
            one.standing = Standing::Open;
            one.discrepancy.clear();
        }
    }
    for said in candidates {
        let next = belief(said, now);
        let is_full = prediction.columns.len() >= COLUMNS_MAX;
        let known =
            prediction.columns.iter_mut().find(|one| one.kind == said.kind && one.column == said.column);
        match known {
            // What came to its end is not said again in this window.
            Some(known) if known.standing != Standing::Open => {}
            Some(known) => {
                let until = if next.at.is_some() { next.until } else { known.until };
                *known = ColumnBelief { since: known.since, until, ..next };
            }
            // Too late to come in its time, and not believed when it could have.
            None if next.until < now => {}
            None if is_full => {}
            None => prediction.columns.push(next),
        }
    }
}

fn belief(said: &Candidate, now: Micros) -> ColumnBelief {
    let at = said.at.map(micros);
    ColumnBelief {
        column: said.column.clone(),
        typed: said.typed.clone(),
        kind: said.kind,
        p: rounded(said.p),
        source: said.source.name().to_owned(),
        evidence: evidence(&said.source),
        precision: said.precision.words(),
        since: now,
        at,
        until: at.map_or(now.saturating_add(WINDOW), |at| at.saturating_add(SLIP)),
        standing: Standing::Open,
        came: None,
        counted: None,
        discrepancy: String::new(),
    }
}

/// The evidence in words.
fn evidence(source: &Source) -> String {
    match source {
        Source::Release { feature } => format!("the release `{feature}` names it"),
        Source::Flag { flag } => format!("the experiment `{flag}` names it"),
        Source::Requested { requests, days } => format!("it was asked for {requests} times in {days} days"),
        Source::Idle { days } => format!("it was neither read nor written for {days} days"),
        Source::Naming(rule) => rule.says().to_owned(),
    }
}

/// A time of a history.
fn micros(at: Seconds) -> Micros {
    at.saturating_mul(1_000_000)
}

/// Four digits: more are beyond what is known, and would be news every day.
fn rounded(p: f64) -> f64 {
    (p * 1e4).round() / 1e4
}
