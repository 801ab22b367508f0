//! Items of predictions, of what was learnt from them, of how reliable they were, and of documents that were
//! imported for them.

use evercount_core::order::Micros;
use evercount_core::prediction::{
    Claim, ColumnBelief, ImportKind, Imported, Kind, Learnt, Outlook, Prediction, ReliabilityPoint, Standing,
};
use evercount_core::schema_change::Subject;
use evercount_core::value::{Item, Value};

use super::fields::{Fields, number, signed, text, time_text, time_value};
use super::long_text::{put_text, read_text};
use super::registry::change::{malformed, put, real};
use super::tables::table_in_key;
use super::{FORMAT, ItemError, ItemKey, SK};
use crate::prediction::{
    PredictionJsonError, from_json, learnt_from_json, learnt_to_json, point_from_json, point_to_json, to_json,
};

/// The partition of the predictions that stand now, one for each table.
pub const PREDICTIONS_PK: &str = "forecasts";
/// The partition of how reliable predictions were.
pub const RELIABILITY_PK: &str = "forecast-reliability";
/// The partition of imported documents.
pub const IMPORTS_PK: &str = "forecast-imports";

/// Attributes that the item of a prediction may lack.
pub const PREDICTION_OPTIONAL: [&str; 7] =
    ["expected_at", "chances", "columns", "planned", "error", "discrepancy", "came_at"];

/// The key of the prediction of a table that stands now.
#[must_use]
pub fn prediction_key(table: &Subject) -> ItemKey {
    ItemKey::new(PREDICTIONS_PK, table_in_key(table))
}

/// The partition of a table's predictions that are past.
#[must_use]
pub fn past_predictions_pk(table: &Subject) -> String {
    format!("forecast#{}", table_in_key(table))
}

/// The key of what was learnt.
#[must_use]
pub fn learnt_key() -> ItemKey {
    ItemKey::new("forecast-learnt", "learnt")
}

/// The key of an imported document.
#[must_use]
pub fn import_key(kind: ImportKind, name: &str) -> ItemKey {
    ItemKey::new(IMPORTS_PK, format!("{}#{name}", kind.name()))
}

/// The item of the prediction that stands now. `prediction` is what is read back; the rest is for people.
#[must_use]
pub fn prediction_item(prediction: &Prediction) -> Item {
    let mut item = prediction_key(&prediction.table).item();
    tell(&mut item, prediction);
    item
}

/// The item of a prediction that is past.
#[must_use]
pub fn past_prediction_item(prediction: &Prediction) -> Item {
    let key = ItemKey::new(past_predictions_pk(&prediction.table), time_text(prediction.made_at));
    let mut item = key.item();
    tell(&mut item, prediction);
    item
}

fn tell(item: &mut Item, prediction: &Prediction) {
    for (name, value) in [
        ("entity", text("prediction")),
        ("format", number(FORMAT)),
        ("table", text(prediction.table.as_str())),
        ("made_at", time_value(prediction.made_at)),
        ("window_ends_at", time_value(prediction.ends_at)),
        ("updated_at", time_value(prediction.updated_at)),
        ("state", text(prediction.standing.name())),
        ("revision", number(prediction.revision)),
        ("prediction", text(to_json(prediction))),
        ("summary", text(prediction.summary())),
    ] {
        put(item, name, value);
    }
    match &prediction.outlook {
        Outlook::CannotJudge { because } => put(item, "because", text(because)),
        Outlook::Claims { claims, expected, because } => {
            put(item, "because", text(because));
            put(item, "chances", Value::Map(claims.iter().map(chance).collect()));
            if let Some(at) = expected.middle {
                put(item, "expected_at", time_value(at));
            }
        }
    }
    if !prediction.columns.is_empty() {
        put(item, "columns", Value::List(prediction.columns.iter().map(column).collect()));
    }
    if !prediction.planned.is_empty() {
        let planned = |(name, at): &(String, Micros)| (name.clone(), time_value(*at));
        put(item, "planned", Value::Map(prediction.planned.iter().map(planned).collect()));
    }
    if let Some(error) = prediction.error {
        put(item, "error", real(error));
    }
    if prediction.standing != Standing::Open {
        put(item, "discrepancy", text(&prediction.discrepancy));
    }
    if let Some((at, _)) = &prediction.came {
        put(item, "came_at", time_value(*at));
    }
}

/// `any within 183 days`: what was said, what is thought now, and what came.
fn chance(claim: &Claim) -> (String, Value) {
    let mut item = Item::new();
    for (name, p) in [
        ("said", claim.said.p),
        ("said_from", claim.said.from),
        ("said_to", claim.said.to),
        ("now", claim.now.p),
        ("now_from", claim.now.from),
        ("now_to", claim.now.to),
    ] {
        put(&mut item, name, real(p));
    }
    if let Some(came) = claim.came {
        put(&mut item, "came", Value::Bool(came));
    }
    (format!("{} within {} days", claim.kind.name(), claim.days), Value::Map(item))
}

fn column(one: &ColumnBelief) -> Value {
    let mut item = Item::new();
    let typed = one.typed.as_deref().unwrap_or("not known");
    for (name, value) in [
        ("column", text(&one.column)),
        ("type", text(typed)),
        ("change", text(if one.kind == Kind::Drop { "goes" } else { "comes" })),
        ("p", real(one.p)),
        ("evidence", text(&one.evidence)),
        ("precision", text(&one.precision)),
        ("state", text(one.standing.name())),
        ("until", time_value(one.until)),
    ] {
        put(&mut item, name, value);
    }
    if let Some(at) = one.at {
        put(&mut item, "at", time_value(at));
    }
    if one.standing != Standing::Open {
        put(&mut item, "discrepancy", text(&one.discrepancy));
    }
    Value::Map(item)
}

fn unreadable(name: &str, error: PredictionJsonError) -> ItemError {
    match error {
        PredictionJsonError::Format(format) => ItemError::NewerFormat(format.to_string()),
        PredictionJsonError::Malformed(_) => malformed(name, "in the form that is written here"),
    }
}

/// Reads a prediction from its item.
///
/// # Errors
/// [`ItemError`].
pub fn prediction_from_item(item: &Item) -> Result<Prediction, ItemError> {
    let name = "prediction";
    from_json(Fields::of_format(item)?.text(name)?).map_err(|error| unreadable(name, error))
}

/// The item of what was learnt.
#[must_use]
pub fn learnt_item(learnt: &Learnt) -> Item {
    let mut item = learnt_key().item();
    let of = learnt.confirmed.saturating_add(learnt.refuted);
    let summary =
        format!("Of {of} predictions that came to an end, the table of {} changed.", learnt.confirmed);
    let trust = learnt.trust.iter().map(|(source, one)| {
        let mut tally = Item::new();
        put(&mut tally, "came", number(one.hits));
        put(&mut tally, "of", number(one.of));
        (source.clone(), Value::Map(tally))
    });
    for (name, value) in [
        ("entity", text("what was learnt")),
        ("format", number(FORMAT)),
        ("surprise_millionths", signed(learnt.surprise_micro)),
        ("confirmed", number(learnt.confirmed)),
        ("refuted", number(learnt.refuted)),
        ("evidence", Value::Map(trust.collect())),
        ("updated_at", time_value(learnt.updated_at)),
        ("revision", number(learnt.revision)),
        ("learnt", text(learnt_to_json(learnt))),
        ("summary", text(summary)),
    ] {
        put(&mut item, name, value);
    }
    item
}

/// Reads what was learnt.
///
/// # Errors
/// [`ItemError`].
pub fn learnt_from_item(item: &Item) -> Result<Learnt, ItemError> {
    learnt_from_json(Fields::of_format(item)?.text("learnt")?).map_err(|error| unreadable("learnt", error))
}

/// The item of a point.
#[must_use]
pub fn reliability_item(point: &ReliabilityPoint) -> Item {
    let month = time_text(point.month);
    let month = month.get(..7).unwrap_or(&month);
    let (kind, days) = (point.kind.name(), point.days);
    let mut item = ItemKey::new(RELIABILITY_PK, format!("{month}#{kind}#{days:03}")).item();
    let total = point.total();
    let said = if total.n == 0 { 0.0 } else { total.p_micro as f64 / 1e6 / total.n as f64 };
    let came = if total.n == 0 { 0.0 } else { total.came as f64 / total.n as f64 };
    let [said, came] = [said, came].map(|p| (p * 1e4).round() / 1e4);
    let summary = format!(
        "Of {} predictions of {kind} within {days} days that ended in {month}, {} came; {:.1} were to be expected.",
        total.n,
        total.came,
        total.p_micro as f64 / 1e6
    );
    for (name, value) in [
        ("entity", text("reliability")),
        ("format", number(FORMAT)),
        ("month", text(month)),
        ("kind", text(kind)),
        ("days", number(u64::from(days))),
        ("predictions", number(total.n)),
        ("came", number(total.came)),
        ("said_mean", real(said)),
        ("came_share", real(came)),
        ("brier", real((point.brier().unwrap_or(0.0) * 1e6).round() / 1e6)),
        ("point", text(point_to_json(point))),
        ("summary", text(summary)),
    ] {
        put(&mut item, name, value);
    }
    item
}

/// Reads a point.
///
/// # Errors
/// [`ItemError`].
pub fn reliability_from_item(item: &Item) -> Result<ReliabilityPoint, ItemError> {
    point_from_json(Fields::of_format(item)?.text("point")?).map_err(|error| unreadable("point", error))
}

/// The items of an imported document: its head, and the parts that hold what does not fit. Parts of one
/// writing are told from those of another by the time of the import.
#[must_use]
pub fn import_items(imported: &Imported) -> (Item, Vec<Item>) {
    let key = import_key(imported.kind, &imported.name);
    let mut item = key.item();
    let (kind, bytes) = (imported.kind.name(), imported.text.len() as u64);
    for (name, value) in [
        ("entity", text("imported document")),
        ("format", number(FORMAT)),
        ("kind", text(kind)),
        ("name", text(&imported.name)),
        ("imported_at", time_value(imported.at)),
        ("bytes", number(bytes)),
        ("summary", text(format!("{kind} {}: {bytes} bytes, as they were given", imported.name))),
    ] {
        put(&mut item, name, value);
    }
    let parts = put_text(&mut item, &key, "text", &imported.text, imported.at.unsigned_abs());
    (item, parts)
}

/// Reads all imported documents from their partition, by kind and name.
///
/// # Errors
/// [`ItemError`].
pub fn imports_from_items(items: &[Item]) -> Result<Vec<Imported>, ItemError> {
    let is_head = |item: &&Item| item.contains_key("name");
    let mut all =
        items.iter().filter(is_head).map(|item| import(item, items)).collect::<Result<Vec<_>, _>>()?;
    all.sort_by(|a, b| (a.kind, &a.name).cmp(&(b.kind, &b.name)));
    Ok(all)
}

fn import(item: &Item, others: &[Item]) -> Result<Imported, ItemError> {
    let fields = Fields::of_format(item)?;
    let at = fields.time("imported_at")?;
    Ok(Imported {
        kind: fields.parsed("kind", "a kind of document", ImportKind::parse)?,
        name: fields.text("name")?.to_owned(),
        at,
        text: read_text(item, "text", at.unsigned_abs(), others)?,
    })
}

/// Whether an item of the partition of imported documents is a document's, or a part of one.
#[must_use]
pub fn is_of_import(item: &Item, kind: ImportKind, name: &str) -> bool {
    let key = import_key(kind, name).sk;
    matches!(item.get(SK), Some(Value::String(sk)) if *sk == key || sk.strip_prefix(&key).is_some_and(|rest| rest.starts_with("#part-")))
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, clippy::panic, reason = "a test may panic")]
    use evercount_core::prediction::{ExpectedAt, Probability};

    use super::*;

    const AT: Micros = 1_769_851_800_123_456;

    fn prediction() -> Prediction {
        let said = Probability { p: 0.41, from: 0.33, to: 0.5 };
        let claim = Claim { kind: Kind::Any, days: 183, said, now: said, came: None };
        let gift = ColumnBelief {
            column: "gift".to_owned(),
            typed: Some("BOOL".to_owned()),
            kind: Kind::Add,
            p: 0.7,
            source: "release".to_owned(),
            evidence: "the release `gifts` names it".to_owned(),
            precision: "assumed, not measured: 7 of 10".to_owned(),
            since: AT,
            at: Some(AT),
            until: AT,
            standing: Standing::Open,
            came: None,
            counted: None,
            discrepancy: String::new(),
        };
        Prediction {
            table: Subject::new("orders"),
            made_at: AT,
            ends_at: AT,
            updated_at: AT,
            outlook: Outlook::Claims {
                claims: vec![claim],
                expected: ExpectedAt { middle: Some(AT), ..ExpectedAt::default() },
                because: "raised by how often it changed".to_owned(),
            },
            columns: vec![gift],
            planned: vec![("gifts".to_owned(), AT)],
            standing: Standing::Open,
            came: None,
            error: None,
            discrepancy: String::new(),
            revision: 1,
        }
    }

    /// What a person reads in the console, and what was written so is read forever.
    #[test]
    fn a_prediction_is_made_to_be_read() {
        let item = prediction_item(&prediction());
        assert_eq!(prediction_from_item(&item).unwrap(), prediction());
        let shown = |name: &str| match item.get(name) {
            Some(Value::String(shown)) => shown.as_str(),
            other => panic!("{name}: {other:?}"),
        };
        assert_eq!(
            shown("summary"),
            "orders changes within 183 days with 41 % [33, 50]; `gift` may come (70 %)."
        );
        assert_eq!(shown("made_at"), "2026-01-31T09:30:00.123456Z");
        assert_eq!(shown("state"), "open");
        assert_eq!(
            shown("prediction"),
            concat!(
                r#"{"format":1,"table":"orders","made_at":1769851800123456,"#,
                r#""ends_at":1769851800123456,"updated_at":1769851800123456,"claims":[{"kind":"any","#,
                r#""days":183,"said":[0.41,0.33,0.5],"now":[0.41,0.33,0.5],"came":null}],"#,
                r#""expected":[null,1769851800123456,null],"because":"raised by how often it changed","#,
                r#""cannot_judge":false,"columns":[{"column":"gift","type":"BOOL","kind":"add","#,
                r#""p":0.7,"source":"release","evidence":"the release `gifts` names it","#,
                r#""precision":"assumed, not measured: 7 of 10","since":1769851800123456,"#,
                r#""at":1769851800123456,"until":1769851800123456,"standing":"open","came":null,"#,
                r#""counted":null,"discrepancy":""}],"planned":[["gifts",1769851800123456]],"#,
                r#""standing":"open","came":null,"error":null,"discrepancy":"","revision":1}"#
            )
        );
        let newer = Item::from([("format".to_owned(), number(FORMAT + 1))]);
        let mut item = item;
        item.extend(newer);
        assert!(prediction_from_item(&item).is_err_and(|error| error.is_newer()));
    }

    #[test]
    fn a_point_tells_its_month() {
        let mut point = ReliabilityPoint::empty(1_767_225_600_000_000, Kind::Any, 30);
        point.count(0.25, true, false);
        let item = reliability_item(&point);
        assert_eq!(item.get(SK), Some(&text("2026-01#any#030")));
        assert_eq!(reliability_from_item(&item).unwrap(), point);
        let Some(Value::String(summary)) = item.get("summary") else { panic!("{item:?}") };
        assert_eq!(
            summary,
            "Of 1 predictions of any within 30 days that ended in 2026-01, 1 came; 0.2 were to be expected."
        );
    }
}
