//! The stored form of predictions, of what was learnt from them, and of how reliable they were.
//!
//! A prediction in JSON, as its item and the command line have it; times are in microseconds since the epoch:
//!
//! ```json
//! {"format": 1, "table": "orders", "made_at": 1769851800123456, "ends_at": …, "updated_at": …,
//!  "claims": [{"kind": "any", "days": 30, "said": [0.08, 0.05, 0.12], "now": [0.09, 0.06, 0.13], "came": null}],
//!  "expected": [null, 1790000000000000, null], "because": "raised by …", "cannot_judge": false,
//!  "columns": [{"column": "gift", "type": "BOOL", "kind": "add", "p": 0.7, "source": "release",
//!               "evidence": "release gifts", "precision": "assumed, not measured: 7 of 10", "since": …,
//!               "at": …, "until": …, "standing": "open", "came": null, "counted": null, "discrepancy": ""}],
//!  "planned": [["gifts", 1772323200000000]], "standing": "open", "came": null, "error": null,
//!  "discrepancy": "", "revision": 3}
//! ```
//!
//! A reader that does not know the format says so; attributes that it does not know are ignored.

use std::collections::BTreeMap;

use evercount_core::change::TableName;
use evercount_core::order::Micros;
use evercount_core::prediction::{
    BINS, Bin, Claim, ColumnBelief, ExpectedAt, Kind, Learnt, Outlook, Prediction, Probability,
    ReliabilityPoint, Standing, Tally,
};
use serde::{Deserialize, Serialize};

/// The format that is written.
const FORMAT: u32 = 1;

/// Why a text is none of these.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum PredictionJsonError {
    /// A later release wrote it.
    #[error("a prediction of format {0}, and this reader knows formats up to {FORMAT}")]
    Format(u32),
    /// It is not in this form.
    #[error("not a prediction: {0}")]
    Malformed(String),
}

#[derive(Deserialize)]
struct Head {
    format: u32,
}

#[derive(Serialize, Deserialize)]
struct PredictionJson {
    format: u32,
    table: String,
    made_at: Micros,
    ends_at: Micros,
    updated_at: Micros,
    claims: Vec<ClaimJson>,
    expected: [Option<Micros>; 3],
    because: String,
    cannot_judge: bool,
    columns: Vec<ColumnJson>,
    planned: Vec<(String, Micros)>,
    standing: String,
    came: Option<(Micros, String)>,
    error: Option<f64>,
    discrepancy: String,
    revision: u64,
}

#[derive(Serialize, Deserialize)]
struct ClaimJson {
    kind: String,
    days: u32,
    said: [f64; 3],
    now: [f64; 3],
    came: Option<bool>,
}

#[derive(Serialize, Deserialize)]
struct ColumnJson {
    column: String,
    #[serde(rename = "type")]
    typed: Option<String>,
    kind: String,
    p: f64,
    source: String,
    evidence: String,
    precision: String,
    since: Micros,
    at: Option<Micros>,
    until: Micros,
    standing: String,
    came: Option<(Micros, String)>,
    counted: Option<bool>,
    discrepancy: String,
}

#[derive(Serialize, Deserialize)]
struct LearntJson {
    format: u32,
    surprise_micro: i64,
    confirmed: u64,
    refuted: u64,
    trust: BTreeMap<String, [u64; 2]>,
    updated_at: Micros,
    revision: u64,
}

#[derive(Serialize, Deserialize)]
struct PointJson {
    format: u32,
    month: Micros,
    kind: String,
    days: u32,
    squared_micro: i64,
    bins: Vec<(u64, u64, i64)>,
}

/// The stored form of a prediction.
#[must_use]
pub fn to_json(prediction: &Prediction) -> String {
    let (claims, expected, because, cannot_judge) = match &prediction.outlook {
        Outlook::Claims { claims, expected, because } => {
            let ExpectedAt { from, middle, to } = *expected;
            (claims.iter().map(claim_json).collect(), [from, middle, to], because, false)
        }
        Outlook::CannotJudge { because } => (Vec::new(), [None; 3], because, true),
    };
    text(&PredictionJson {
        format: FORMAT,
        table: prediction.table.as_str().to_owned(),
        made_at: prediction.made_at,
        ends_at: prediction.ends_at,
        updated_at: prediction.updated_at,
        claims,
        expected,
        because: because.clone(),
        cannot_judge,
        columns: prediction.columns.iter().map(column_json).collect(),
        planned: prediction.planned.clone(),
        standing: prediction.standing.name().to_owned(),
        came: prediction.came.clone(),
        error: prediction.error,
        discrepancy: prediction.discrepancy.clone(),
        revision: prediction.revision,
    })
}

/// Reads a prediction.
///
/// # Errors
/// [`PredictionJsonError`].
pub fn from_json(text: &str) -> Result<Prediction, PredictionJsonError> {
    let one: PredictionJson = read(text)?;
    let outlook = if one.cannot_judge {
        Outlook::CannotJudge { because: one.because }
    } else {
        let [from, middle, to] = one.expected;
        let claims = one.claims.iter().map(read_claim).collect::<Result<_, _>>()?;
        Outlook::Claims { claims, expected: ExpectedAt { from, middle, to }, because: one.because }
    };
    Ok(Prediction {
        table: TableName::new(&one.table),
        made_at: one.made_at,
        ends_at: one.ends_at,
        updated_at: one.updated_at,
        outlook,
        columns: one.columns.into_iter().map(read_column).collect::<Result<_, _>>()?,
        planned: one.planned,
        standing: standing(&one.standing)?,
        came: one.came,
        error: one.error,
        discrepancy: one.discrepancy,
        revision: one.revision,
    })
}

/// The stored form of what was learnt.
#[must_use]
pub fn learnt_to_json(learnt: &Learnt) -> String {
    text(&LearntJson {
        format: FORMAT,
        surprise_micro: learnt.surprise_micro,
        confirmed: learnt.confirmed,
        refuted: learnt.refuted,
        trust: learnt.trust.iter().map(|(source, one)| (source.clone(), [one.hits, one.of])).collect(),
        updated_at: learnt.updated_at,
        revision: learnt.revision,
    })
}

/// Reads what was learnt.
///
/// # Errors
/// [`PredictionJsonError`].
pub fn learnt_from_json(text: &str) -> Result<Learnt, PredictionJsonError> {
    let one: LearntJson = read(text)?;
    Ok(Learnt {
        surprise_micro: one.surprise_micro,
        confirmed: one.confirmed,
        refuted: one.refuted,
        trust: one.trust.into_iter().map(|(source, [hits, of])| (source, Tally { hits, of })).collect(),
        updated_at: one.updated_at,
        revision: one.revision,
    })
}

/// The stored form of a point.
#[must_use]
pub fn point_to_json(point: &ReliabilityPoint) -> String {
    text(&PointJson {
        format: FORMAT,
        month: point.month,
        kind: point.kind.name().to_owned(),
        days: point.days,
        squared_micro: point.squared_micro,
        bins: point.bins.iter().map(|bin| (bin.n, bin.came, bin.p_micro)).collect(),
    })
}

/// Reads a point.
///
/// # Errors
/// [`PredictionJsonError`].
pub fn point_from_json(text: &str) -> Result<ReliabilityPoint, PredictionJsonError> {
    let one: PointJson = read(text)?;
    let bins: Vec<Bin> =
        one.bins.iter().map(|(n, came, p_micro)| Bin { n: *n, came: *came, p_micro: *p_micro }).collect();
    let bins: [Bin; BINS] = bins.try_into().map_err(|_| malformed("the bins are not ten"))?;
    Ok(ReliabilityPoint {
        month: one.month,
        kind: kind(&one.kind)?,
        days: one.days,
        squared_micro: one.squared_micro,
        bins,
    })
}

fn text(value: &impl Serialize) -> String {
    // Texts, numbers and lists of them: there is nothing that could not be written.
    serde_json::to_string(value).unwrap_or_default()
}

fn read<T: for<'a> Deserialize<'a>>(text: &str) -> Result<T, PredictionJsonError> {
    let wrong = |error: serde_json::Error| PredictionJsonError::Malformed(error.to_string());
    let head: Head = serde_json::from_str(text).map_err(wrong)?;
    if head.format != FORMAT {
        return Err(PredictionJsonError::Format(head.format));
    }
    serde_json::from_str(text).map_err(wrong)
}

fn malformed(because: impl Into<String>) -> PredictionJsonError {
    PredictionJsonError::Malformed(because.into())
}

fn kind(name: &str) -> Result<Kind, PredictionJsonError> {
    Kind::parse(name).ok_or_else(|| malformed("a kind of change that is not known"))
}

fn standing(name: &str) -> Result<Standing, PredictionJsonError> {
    Standing::parse(name).ok_or_else(|| malformed("a standing that is not known"))
}

fn claim_json(claim: &Claim) -> ClaimJson {
    let of = |one: Probability| [one.p, one.from, one.to];
    let (said, now) = (of(claim.said), of(claim.now));
    ClaimJson { kind: claim.kind.name().to_owned(), days: claim.days, said, now, came: claim.came }
}

fn read_claim(one: &ClaimJson) -> Result<Claim, PredictionJsonError> {
    let of = |[p, from, to]: [f64; 3]| Probability { p, from, to };
    let (said, now) = (of(one.said), of(one.now));
    Ok(Claim { kind: kind(&one.kind)?, days: one.days, said, now, came: one.came })
}

fn column_json(one: &ColumnBelief) -> ColumnJson {
    ColumnJson {
        column: one.column.clone(),
        typed: one.typed.clone(),
        kind: one.kind.name().to_owned(),
        p: one.p,
        source: one.source.clone(),
        evidence: one.evidence.clone(),
        precision: one.precision.clone(),
        since: one.since,
        at: one.at,
        until: one.until,
        standing: one.standing.name().to_owned(),
        came: one.came.clone(),
        counted: one.counted,
        discrepancy: one.discrepancy.clone(),
    }
}

fn read_column(one: ColumnJson) -> Result<ColumnBelief, PredictionJsonError> {
    Ok(ColumnBelief {
        kind: kind(&one.kind)?,
        standing: standing(&one.standing)?,
        column: one.column,
        typed: one.typed,
        p: one.p,
        source: one.source,
        evidence: one.evidence,
        precision: one.precision,
        since: one.since,
        at: one.at,
        until: one.until,
        came: one.came,
        counted: one.counted,
        discrepancy: one.discrepancy,
    })
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may panic")]
    use super::*;

    #[test]
    fn what_is_not_in_this_form_is_told_apart_from_what_is_newer() {
        assert!(matches!(from_json("{}"), Err(PredictionJsonError::Malformed(_))));
        assert!(matches!(learnt_from_json("nothing"), Err(PredictionJsonError::Malformed(_))));
        assert_eq!(from_json("{\"format\": 2}"), Err(PredictionJsonError::Format(2)));
        let point = ReliabilityPoint::empty(0, Kind::Any, 30);
        let nine = point_to_json(&point).replacen("[0,0,0],", "", 1);
        assert_eq!(point_from_json(&nine), Err(malformed("the bins are not ten")));
    }

    #[test]
    fn points_and_what_was_learnt_come_back() {
        let mut point = ReliabilityPoint::empty(1_767_225_600_000_000, Kind::Drop, 183);
        point.count(0.25, true, false);
        assert_eq!(point_from_json(&point_to_json(&point)).unwrap(), point);
        let trust = [("release".to_owned(), Tally { hits: 2, of: 3 })].into();
        let learnt = Learnt { surprise_micro: -5, trust, revision: 7, ..Learnt::default() };
        assert_eq!(learnt_from_json(&learnt_to_json(&learnt)).unwrap(), learnt);
    }
}
