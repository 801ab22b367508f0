//! A forecast of a table's schema.

use evercount_forecast::history::Seconds;
use evercount_forecast::predict::{Judgement, TableForecast};
use serde::Serialize;
use utoipa::ToSchema;

use crate::time;

/// How probable a kind of change is within some days.
#[derive(Clone, PartialEq, Debug, Serialize, ToSchema)]
pub struct ChanceDoc {
    /// The kind: `any`, `add`, `drop`, `retype`.
    pub kind: String,
    /// Days from now.
    pub days: u32,
    /// Probability, in [0, 1].
    pub p: f64,
    /// Lower end of its interval.
    pub from: f64,
    /// Upper end of its interval.
    pub to: f64,
}

/// When a change is expected: four in five come between `from` and `to`.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, ToSchema)]
pub struct ExpectedDoc {
    /// One in ten comes before.
    #[schema(required)]
    pub from: Option<String>,
    /// One in two comes before.
    #[schema(required)]
    pub middle: Option<String>,
    /// Nine in ten come before.
    #[schema(required)]
    pub to: Option<String>,
}

/// A column that may come, go or change: the shadow schema.
#[derive(Clone, PartialEq, Debug, Serialize, ToSchema)]
pub struct CandidateDoc {
    /// The column.
    pub column: String,
    /// Its type, where that is known.
    #[serde(rename = "type")]
    #[schema(required)]
    pub typed: Option<String>,
    /// What may happen to it.
    pub kind: String,
    /// How probable that is, in [0, 1].
    pub p: f64,
    /// When, where that is known.
    #[schema(required)]
    pub at: Option<String>,
    /// How often such candidates have come true.
    pub precision: String,
}

/// What is forecast of one table.
#[derive(Clone, PartialEq, Debug, Serialize, ToSchema)]
pub struct TableOutlook {
    /// The table.
    pub table: String,
    /// Columns that may come, go or change.
    pub candidates: Vec<CandidateDoc>,
    /// Why nothing can be said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cannot_judge: Option<String>,
    /// Probabilities by kind and days.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub chances: Option<Vec<ChanceDoc>>,
    /// When the next change is expected.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expected: Option<ExpectedDoc>,
    /// What speaks for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub because: Option<String>,
    /// When it was said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub at: Option<String>,
}

fn at(seconds: Seconds) -> String {
    time(seconds.saturating_mul(1_000_000))
}

impl TableOutlook {
    /// A forecast made at a time.
    #[must_use]
    pub fn of(forecast: &TableForecast, now: Seconds) -> Self {
        let candidates = forecast.candidates.iter().map(|one| CandidateDoc {
            column: one.column.to_string(),
            typed: one.typed.as_deref().map(str::to_owned),
            kind: one.kind.name().to_owned(),
            p: one.p,
            at: one.at.map(at),
            precision: one.precision.words().to_string(),
        });
        let mut doc = Self {
            table: forecast.table.to_string(),
            candidates: candidates.collect(),
            cannot_judge: None,
            chances: None,
            expected: None,
            because: None,
            at: None,
        };
        match &forecast.judgement {
            Judgement::CannotJudge { because } => doc.cannot_judge = Some(because.to_string()),
            Judgement::Outlook(outlook) => {
                let chances = outlook.chances.iter().map(|one| ChanceDoc {
                    kind: one.target.kind.name().to_owned(),
                    days: one.target.days,
                    p: one.chance.p,
                    from: one.chance.from,
                    to: one.chance.to,
                });
                let expected = &outlook.expected;
                doc.chances = Some(chances.collect());
                doc.expected = Some(ExpectedDoc {
                    from: expected.from.map(at),
                    middle: expected.middle.map(at),
                    to: expected.to.map(at),
                });
                doc.because = Some(outlook.because.to_string());
                doc.at = Some(at(now));
            }
        }
        doc
    }
}
