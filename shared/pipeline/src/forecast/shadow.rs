//! What a prediction makes of its table's shadow schema: columns that are believed in are expected, those
//! that came have arrived, and those that nobody believes in any more are given up.
//!
//! Only columns that the prediction speaks of are touched, and what somebody else knows of one (where its
//! values can be fetched from) is left as it is. The same prediction again changes nothing.

use std::collections::BTreeSet;

use evercount_core::migration::constant;
use evercount_core::order::Micros;
use evercount_core::prediction::{ColumnBelief, Kind, Prediction, Standing};
use evercount_core::schema::{Constraints, FieldType, TypeSet};
use evercount_core::shadow::{SHADOW_COLUMNS_MAX, ShadowColumn, ShadowSchema, ShadowState};
use evercount_core::value::Value;
use evercount_wire::sql_type::{Dialect, parse_in};

/// From which probability on a column is held ready. What is declared is above it, and what is often asked
/// for; what a naming rule says is far below. Being wrong costs a name that nobody uses; being right, that
/// nobody's writes are refused.
pub const BELIEVED_FROM: f64 = 0.25;

/// What is declared of a column.
#[derive(Clone, PartialEq, Debug)]
pub struct Declared {
    /// Its types.
    pub types: TypeSet,
    /// The default, where it is a constant.
    pub default: Option<Value>,
    /// Bounds beyond those of the type.
    pub constraints: Constraints,
}

/// The shadow schema after a prediction; `None` where nothing changes. `registered` are the columns that
/// the table has.
#[must_use]
pub fn shadowed(
    known: Option<&ShadowSchema>,
    prediction: &Prediction,
    registered: &BTreeSet<String>,
    now: Micros,
) -> Option<ShadowSchema> {
    let mut next = known.cloned().unwrap_or_else(|| ShadowSchema::nothing(prediction.table.clone(), now));
    for belief in prediction.columns.iter().filter(|belief| belief.kind == Kind::Add) {
        let came = belief.came.as_ref().map(|(at, _)| *at);
        let came = came.or_else(|| registered.contains(&belief.column).then_some(now));
        let is_believed = belief.standing == Standing::Open && belief.p >= BELIEVED_FROM;
        let is_full = next.columns.len() >= SHADOW_COLUMNS_MAX;
        match (next.columns.get_mut(&belief.column), came) {
            (Some(column), Some(at)) => arrived(column, at),
            (Some(column), None) if is_believed => expected(column, belief),
            (Some(column), None) if column.state == ShadowState::Expected => {
                column.state = ShadowState::GivenUp { at: now };
            }
            (None, None) if is_believed && !is_full => {
                next.columns.insert(belief.column.clone(), new(belief));
            }
            _ => {}
        }
    }
    // Whoever expected it: what the table has is no longer beside it.
    for (name, column) in &mut next.columns {
        if registered.contains(name) {
            arrived(column, now);
        }
    }
    let is_news = known.map_or(!next.columns.is_empty(), |known| known.columns != next.columns);
    is_news.then(|| ShadowSchema { at: now, revision: next.revision.saturating_add(1), ..next })
}

fn arrived(column: &mut ShadowColumn, at: Micros) {
    if matches!(column.state, ShadowState::Expected | ShadowState::GivenUp { .. }) {
        column.state = ShadowState::Arrived { at };
    }
}

fn expected(column: &mut ShadowColumn, belief: &ColumnBelief) {
    if matches!(column.state, ShadowState::Arrived { .. } | ShadowState::Moved { .. }) {
        return;
    }
    let ShadowColumn { types, default, constraints, expected_at, probability, source, .. } = new(belief);
    column.state = ShadowState::Expected;
    if belief.typed.is_some() {
        (column.types, column.default, column.constraints) = (types, default, constraints);
    }
    (column.expected_at, column.probability, column.source) = (expected_at, probability, source);
}

fn new(belief: &ColumnBelief) -> ShadowColumn {
    let Declared { types, default, constraints } = declared(belief.typed.as_deref());
    ShadowColumn {
        types,
        default,
        constraints,
        expected_at: belief.at,
        probability: belief.p,
        source: belief.evidence.clone(),
        prefetch: None,
        state: ShadowState::Expected,
    }
}

/// What a text such as `INT NOT NULL DEFAULT 0 CHECK (stars >= 0 AND stars <= 5)` declares. Bounds of the type
/// are its own; a type that is not known, or that nobody says, is any.
#[must_use]
pub fn declared(text: Option<&str>) -> Declared {
    let (rest, check) = cut(text.unwrap_or_default().trim(), "CHECK");
    let (rest, default) = cut(rest, "DEFAULT");
    let (typed, not_null) = cut(rest, "NOT NULL");
    // The clauses may stand in another order.
    let not_null = not_null.is_some() || default.is_some_and(|text| cut(text, "NOT NULL").1.is_some());
    let default = default.map(|text| cut(text, "NOT NULL").0.trim());
    let types = match dynamodb(typed).unwrap_or_else(|| parse_in(Dialect::Standard, typed)) {
        FieldType::Other(_) => anything(),
        known => TypeSet::of(known),
    };
    let default = default.and_then(|default| constant(default, &types));
    let constraints = check.map(checked).unwrap_or_default();
    Declared { types: types.nullable(!not_null), default, constraints }
}

/// A text before a clause, and behind its word.
fn cut<'a>(text: &'a str, word: &str) -> (&'a str, Option<&'a str>) {
    // Words of SQL are ASCII, and so is what upper case makes of them: places stay the same.
    let at = text.to_ascii_uppercase().find(&format!(" {word}"));
    match at.and_then(|at| Some((text.get(..at)?, text.get(at + 1 + word.len()..)?))) {
        Some((before, after)) => (before.trim(), Some(after)),
        None => (text, None),
    }
}

/// The bounds in a condition such as `(stars >= 0 AND stars <= 5 AND LENGTH(note) >= 3)`; what is not one of
/// these is the source's to check.
fn checked(condition: &str) -> Constraints {
    let mut bounds = Constraints::default();
    let condition = condition.trim().trim_start_matches('(').to_ascii_uppercase();
    for part in condition.split(" AND ") {
        let bound = |sign: &str| {
            let (name, bound) = part.split_once(sign)?;
            Some((name.contains("LENGTH("), bound.trim().trim_end_matches(')').trim().to_owned()))
        };
        match (bound(">="), bound("<=")) {
            (Some((true, length)), _) => bounds.min_length = length.parse().ok(),
            (Some((false, least)), _) => bounds.minimum = least.parse().ok(),
            (None, Some((false, most))) => bounds.maximum = most.parse().ok(),
            _ => {}
        }
    }
    bounds
}

/// The types that items of DynamoDB show, by its own names.
fn dynamodb(name: &str) -> Option<FieldType> {
    Some(match name.to_ascii_uppercase().as_str() {
        "S" => FieldType::STRING,
        "N" => FieldType::DECIMAL,
        "BOOL" => FieldType::Bool,
        "B" => FieldType::BINARY,
        "L" => FieldType::List,
        "M" => FieldType::Map,
        "SS" => FieldType::StringSet,
        "NS" => FieldType::NumberSet,
        "BS" => FieldType::BinarySet,
        _ => return None,
    })
}

fn anything() -> TypeSet {
    let all = ["S", "N", "BOOL", "B", "L", "M", "SS", "NS", "BS"];
    all.into_iter().filter_map(dynamodb).collect()
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may panic")]
    use evercount_core::prediction::Outlook;
    use evercount_core::schema_change::Subject;

    use super::*;

    fn belief(column: &str, standing: Standing, p: f64) -> ColumnBelief {
        ColumnBelief {
            column: column.to_owned(),
            typed: Some("VARCHAR(20) DEFAULT 'x'".to_owned()),
            kind: Kind::Add,
            p,
            source: "release".to_owned(),
            evidence: "the release `gifts` names it".to_owned(),
            precision: String::new(),
            since: 0,
            at: Some(50),
            until: 90,
            standing,
            came: None,
            counted: None,
            discrepancy: String::new(),
        }
    }

    fn prediction(columns: Vec<ColumnBelief>) -> Prediction {
        Prediction {
            table: Subject::new("orders"),
            made_at: 0,
            ends_at: 100,
            updated_at: 0,
            outlook: Outlook::CannotJudge { because: String::new() },
            columns,
            planned: Vec::new(),
            standing: Standing::Open,
            came: None,
            error: None,
            discrepancy: String::new(),
            revision: 1,
        }
    }

    #[test]
    fn what_is_believed_is_expected_arrives_or_is_given_up_and_nothing_is_said_twice() {
        let none = BTreeSet::new();
        let said = prediction(vec![belief("gift", Standing::Open, 0.7), belief("rare", Standing::Open, 0.1)]);
        let first = shadowed(None, &said, &none, 10).unwrap();
        assert_eq!((first.columns.len(), first.revision), (1, 1));
        let gift = &first.columns["gift"];
        assert_eq!((gift.default.clone(), gift.expected_at), (Some(Value::String("x".into())), Some(50)));
        assert_eq!(gift.types.to_string(), "string(20) or null");
        assert_eq!(shadowed(Some(&first), &said, &none, 11), None);

        let came = ColumnBelief { came: Some((40, "S".into())), ..belief("gift", Standing::Confirmed, 0.7) };
        let there = BTreeSet::from(["gift".to_owned()]);
        let arrived = shadowed(Some(&first), &prediction(vec![came.clone()]), &there, 41).unwrap();
        assert_eq!(arrived.columns["gift"].state, ShadowState::Arrived { at: 40 });
        assert_eq!(shadowed(Some(&arrived), &prediction(vec![came]), &there, 42), None);

        let refuted = prediction(vec![belief("gift", Standing::Refuted, 0.7)]);
        let given_up = shadowed(Some(&first), &refuted, &none, 95).unwrap();
        assert_eq!(given_up.columns["gift"].state, ShadowState::GivenUp { at: 95 });
        assert_eq!(shadowed(Some(&given_up), &refuted, &none, 96), None);
        // Announced again, it is expected again; where it came all the same, it has arrived.
        assert_eq!(
            shadowed(Some(&given_up), &said, &none, 97).unwrap().columns["gift"].state,
            ShadowState::Expected
        );
        let late = shadowed(Some(&given_up), &refuted, &there, 98).unwrap();
        assert_eq!(late.columns["gift"].state, ShadowState::Arrived { at: 98 });
        assert_eq!(shadowed(None, &refuted, &there, 98), None, "nobody expected it");
    }

    #[test]
    fn types_are_read_as_people_write_them() {
        let of = |text| declared(Some(text));
        assert_eq!(of("BOOL DEFAULT false").default, Some(Value::Bool(false)));
        assert_eq!(of("N").types.to_string(), "decimal or null");
        assert!(!of("int not null default 5").types.is_nullable());
        assert!(of("what is that").types.0.len() > 5 && declared(None).types.0.len() > 5);
        assert_eq!(of("TIMESTAMP DEFAULT NOW()").default, None);
        let stars = of("INT DEFAULT 3 NOT NULL CHECK (stars >= 0 AND stars <= 5)");
        assert_eq!((stars.default, stars.types.is_nullable()), (Some(Value::Number(3.into())), false));
        let bounds = stars.constraints;
        assert_eq!((bounds.minimum, bounds.maximum), (Some(0.into()), Some(5.into())));
        assert_eq!(of("TEXT CHECK (LENGTH(note) >= 3)").constraints.min_length, Some(3));
        assert_eq!(of("TEXT CHECK (note LIKE 'a%')").constraints, Constraints::default());
    }
}
