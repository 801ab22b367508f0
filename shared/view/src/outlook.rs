//! A forecast of a table's schema: as it is made now, or as the forecaster keeps it, with what came of it.

use evercount_core::prediction::{Claim, ColumnBelief, Outlook, Prediction, Probability};
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
    /// What was said when its window began, with the ends of that; null of a forecast that is not kept.
    #[schema(required)]
    pub said: Option<[f64; 3]>,
    /// Whether it came; null while its days are not over, and of a forecast that is not kept.
    #[schema(required)]
    pub came: Option<bool>,
}

impl From<&Claim> for ChanceDoc {
    fn from(claim: &Claim) -> Self {
        let (Probability { p, from, to }, said) = (claim.now, claim.said);
        Self {
            kind: claim.kind.name().to_owned(),
            days: claim.days,
            p,
            from,
            to,
            said: Some([said.p, said.from, said.to]),
            came: claim.came,
        }
    }
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
    /// What speaks for it; null of a forecast that is not kept.
    #[schema(required)]
    pub evidence: Option<String>,
    /// What became of it: `open`, `confirmed`, `refuted` or `expired`.
    pub state: String,
    /// How what happened differs from what was said; empty while it is open.
    pub discrepancy: String,
}

impl From<&ColumnBelief> for CandidateDoc {
    fn from(one: &ColumnBelief) -> Self {
        Self {
            column: one.column.clone(),
            typed: one.typed.clone(),
            kind: one.kind.name().to_owned(),
            p: one.p,
            at: one.at.map(time),
            precision: one.precision.clone(),
            evidence: Some(one.evidence.clone()),
            state: one.standing.name().to_owned(),
            discrepancy: one.discrepancy.clone(),
        }
    }
}

/// Something that is planned and needs a table.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, ToSchema)]
pub struct PlannedDoc {
    /// What.
    pub feature: String,
    /// When.
    pub at: String,
}

/// What is kept of a forecast: its window, and what came of it.
#[derive(Clone, PartialEq, Debug, Serialize, ToSchema)]
pub struct KeptDoc {
    /// When its window began.
    pub made_at: String,
    /// When its window ends.
    pub ends_at: String,
    /// What became of it: `open`, `confirmed`, `refuted` or `expired`.
    pub state: String,
    /// What happened (1 or 0) less the probability that was said; null where there is nothing to compare.
    #[schema(required)]
    pub error: Option<f64>,
    /// How what happened differs from what was said, in a sentence; empty while it is open.
    pub discrepancy: String,
    /// When the first change came; null while none has.
    #[schema(required)]
    pub came_at: Option<String>,
    /// All of it in a sentence.
    pub summary: String,
}

impl From<&Prediction> for KeptDoc {
    fn from(one: &Prediction) -> Self {
        Self {
            made_at: time(one.made_at),
            ends_at: time(one.ends_at),
            state: one.standing.name().to_owned(),
            error: one.error,
            discrepancy: one.discrepancy.clone(),
            came_at: one.came.as_ref().map(|(at, _)| time(*at)),
            summary: one.summary(),
        }
    }
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
    /// What is planned that needs the table.
    pub planned: Vec<PlannedDoc>,
    /// Its window, and what came of it; absent of a forecast that is not kept.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kept: Option<KeptDoc>,
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
            evidence: None,
            state: "open".to_owned(),
            discrepancy: String::new(),
        });
        let planned = forecast.planned.iter();
        let planned =
            planned.map(|(feature, on)| PlannedDoc { feature: feature.to_string(), at: at(*on) }).collect();
        let mut doc = Self {
            table: forecast.table.to_string(),
            candidates: candidates.collect(),
            cannot_judge: None,
            chances: None,
            expected: None,
            because: None,
            at: None,
            planned,
            kept: None,
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
                    said: None,
                    came: None,
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

    /// A forecast as it is kept.
    #[must_use]
    pub fn stored(one: &Prediction) -> Self {
        let (mut cannot_judge, mut chances, mut expected_at, mut reason) = (None, None, None, None);
        match &one.outlook {
            Outlook::CannotJudge { because } => cannot_judge = Some(because.clone()),
            Outlook::Claims { claims, expected, because } => {
                let [from, middle, to] = [expected.from, expected.middle, expected.to].map(|at| at.map(time));
                chances = Some(claims.iter().map(ChanceDoc::from).collect());
                expected_at = Some(ExpectedDoc { from, middle, to });
                reason = Some(because.clone());
            }
        }
        let planned = one.planned.iter();
        Self {
            table: one.table.to_string(),
            candidates: one.columns.iter().map(CandidateDoc::from).collect(),
            cannot_judge,
            chances,
            expected: expected_at,
            because: reason,
            at: Some(time(one.updated_at)),
            planned: planned
                .map(|(feature, at)| PlannedDoc { feature: feature.clone(), at: time(*at) })
                .collect(),
            kept: Some(KeptDoc::from(one)),
        }
    }
}
