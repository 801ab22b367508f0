//! How good predictions were: what was said beside what came, by month, and what that taught.

use std::collections::BTreeMap;

use evercount_core::prediction::{Bin, Learnt, ReliabilityPoint};
use evercount_forecast::settle::adjustment;
use serde::Serialize;
use utoipa::ToSchema;

use crate::time;

/// What was said in a range of probabilities, and what came.
#[derive(Clone, PartialEq, Debug, Serialize, ToSchema)]
pub struct BinDoc {
    /// Forecasts in it.
    pub n: u64,
    /// Their mean probability.
    pub said: f64,
    /// The share of them that came true.
    pub came: f64,
}

impl BinDoc {
    /// A bin; `None` of no forecasts.
    #[must_use]
    pub fn of(bin: &Bin) -> Option<Self> {
        let n = bin.n as f64;
        (bin.n > 0).then(|| Self { n: bin.n, said: bin.p_micro as f64 / 1e6 / n, came: bin.came as f64 / n })
    }
}

/// How reliable predictions of a kind of change within some days were whose time ended in one month.
#[derive(Clone, PartialEq, Debug, Serialize, ToSchema)]
pub struct MonthDoc {
    /// The month.
    pub month: String,
    /// The kind: `any`, `add`, `drop`, `retype`.
    pub kind: String,
    /// Within so many days.
    pub days: u32,
    /// Predictions that were judged.
    pub n: u64,
    /// How many of them came.
    pub came: u64,
    /// How many were to be expected by what was said.
    pub said: f64,
    /// The mean squared distance of the probability from what came; lower is better.
    #[schema(required)]
    pub brier: Option<f64>,
    /// Points of a reliability diagram; ranges without forecasts are left out.
    pub bins: Vec<BinDoc>,
}

impl From<&ReliabilityPoint> for MonthDoc {
    fn from(point: &ReliabilityPoint) -> Self {
        let total = point.total();
        Self {
            month: time(point.month),
            kind: point.kind.name().to_owned(),
            days: point.days,
            n: total.n,
            came: total.came,
            said: total.p_micro as f64 / 1e6,
            brier: point.brier(),
            bins: point.bins.iter().filter_map(BinDoc::of).collect(),
        }
    }
}

/// How often a kind of evidence was right.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, ToSchema)]
pub struct TallyDoc {
    /// How often what it says came.
    pub came: u64,
    /// Of how often it said so.
    pub of: u64,
}

/// What was learnt from predictions that came to their end.
#[derive(Clone, PartialEq, Debug, Serialize, ToSchema)]
pub struct LearntDoc {
    /// Predictions whose table changed.
    pub confirmed: u64,
    /// Predictions whose table did not.
    pub refuted: u64,
    /// By how much what is said now is moved for it, in log-odds.
    pub shift: f64,
    /// How often each kind of evidence for a column was right.
    pub evidence: BTreeMap<String, TallyDoc>,
}

impl From<&Learnt> for LearntDoc {
    fn from(learnt: &Learnt) -> Self {
        let tally = |(name, one): (&String, &evercount_core::prediction::Tally)| {
            (name.clone(), TallyDoc { came: one.hits, of: one.of })
        };
        Self {
            confirmed: learnt.confirmed,
            refuted: learnt.refuted,
            shift: adjustment(learnt).shift(),
            evidence: learnt.trust.iter().map(tally).collect(),
        }
    }
}
