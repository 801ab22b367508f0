//! Owns the items of adjustments and of the audit trail.

use evercount_core::adjustment::{AdjustmentPlan, Cause, Certificate, Partitions, PlanCost};
use evercount_core::adoption::{Adjustment, Progress, TrailEntry};
use evercount_core::definition::{CountDefinition, DefinitionName};
use evercount_core::logic::PlanId;
use evercount_core::value::{Item, Value};
use xxhash_rust::xxh3::xxh3_64;

use super::fields::{Fields, number, text, time_text, time_value};
use super::long_text::{put_text, read_text};
use super::registry::change::{change_sentence, list_of, malformed, put, real};
use super::{FORMAT, ItemError, ItemKey};
use crate::adjustment::{AdjustmentJsonError, from_json, to_json};
use crate::definition::definition_lines;
use crate::group::value_json;
use crate::logic::{relation_name, step_text};

/// The partition key of the list of plans.
pub const PLANS_PK: &str = "plans";

/// Attributes that an adjustment's item may lack. `was` is not among them: it is written once,
/// when the plan is made.
pub const ADJUSTMENT_OPTIONAL: [&str; 10] = [
    "parts",
    "to_version",
    "becomes",
    "migration",
    "changes",
    "event",
    "verdict",
    "assumptions",
    "choices",
    "progress",
];

/// How much of one text, and how many of a list, the attributes for people show. The rest is in
/// what is read back.
const SHOWN_BYTES_MAX: usize = 1_000;
const SHOWN_MAX: usize = 20;

/// The partition key of a definition's adjustments.
#[must_use]
pub fn adjustment_pk(definition: &DefinitionName) -> String {
    format!("adjustment#{definition}")
}

/// The key of an adjustment.
#[must_use]
pub fn adjustment_key(adjustment: &Adjustment) -> ItemKey {
    let sk = format!("{}#{}", time_text(adjustment.created_at), adjustment.plan.id);
    ItemKey::new(adjustment_pk(&adjustment.plan.definition), sk)
}

/// The key of a plan in the list of plans.
#[must_use]
pub fn plan_key(plan: &PlanId) -> ItemKey {
    ItemKey::new(PLANS_PK, plan.as_str())
}

/// The entry of a new adjustment in the list of plans: a plan is made once, whenever it is made.
#[must_use]
pub fn plan_entry_item(adjustment: &Adjustment) -> Item {
    let key = adjustment_key(adjustment);
    let mut item = plan_key(&adjustment.plan.id).item();
    put(&mut item, "entity", text("plan"));
    put(&mut item, "format", number(FORMAT));
    put(&mut item, "definition", text(adjustment.plan.definition.as_str()));
    put(&mut item, "created_at", time_value(adjustment.created_at));
    put(&mut item, "adjustment_pk", text(key.pk));
    put(&mut item, "adjustment_sk", text(key.sk));
    put(&mut item, "summary", text(shown(&adjustment.plan.sentence)));
    item
}

/// The definition that an entry of the list of plans is of.
///
/// # Errors
/// [`ItemError`].
pub fn plan_entry_from_item(item: &Item) -> Result<DefinitionName, ItemError> {
    Fields::of_format(item)?.parsed("definition", "a definition's name", DefinitionName::parse)
}

/// An adjustment's item, and the parts that hold what of it does not fit.
#[derive(Clone, PartialEq, Debug)]
pub struct AdjustmentItems {
    /// The item.
    pub item: Item,
    /// The parts.
    pub parts: Vec<Item>,
}

/// The items of an adjustment. `adjustment` is what is read back; the other attributes are for
/// people. `was` is the definition before the plan, where it is known.
#[must_use]
pub fn adjustment_items(adjustment: &Adjustment, was: Option<&CountDefinition>) -> AdjustmentItems {
    let (key, plan) = (adjustment_key(adjustment), &adjustment.plan);
    let mut item = key.item();
    let compared = adjustment.report.census.compared.and(adjustment.report.changes);
    for (name, value) in [
        ("entity", text("adjustment")),
        ("format", number(FORMAT)),
        ("plan", text(plan.id.as_str())),
        ("definition", text(plan.definition.as_str())),
        ("table", text(shown(plan.table.as_str()))),
        ("class", text(plan.class.name())),
        ("policy", text(adjustment.policy.name())),
        ("outcome", text(adjustment.outcome.name())),
        ("from_version", number(u64::from(plan.from))),
        ("relation", text(relation_name(plan.relation))),
        ("certificate", text(certificate_sentence(&plan.certificate))),
        ("affected", text(shown(&affected_sentence(&plan.affected)))),
        ("agreed", number(compared.agreed)),
        ("explained", number(compared.explained)),
        ("unexplained", number(compared.unexplained)),
        ("failed", number(compared.failed)),
        ("estimate", Value::Map(cost_item(&plan.estimate))),
        ("actual", Value::Map(cost_item(&adjustment.actual))),
        ("created_at", time_value(adjustment.created_at)),
        ("updated_at", time_value(adjustment.updated_at)),
        ("revision", number(u64::from(adjustment.revision))),
        ("sentence", text(shown(&plan.sentence))),
        ("summary", text(summary(adjustment))),
    ] {
        put(&mut item, name, value);
    }
    let mut add = |name: &str, value: Option<Value>| {
        if let Some(value) = value {
            put(&mut item, name, value);
        }
    };
    add("was", was.map(|was| shown_list(definition_lines(was))));
    let update = plan.update.as_ref();
    add("becomes", update.map(|update| shown_list(definition_lines(&update.definition))));
    let steps = update.map(|update| &update.migration).filter(|steps| !steps.is_empty());
    add("migration", steps.map(|steps| shown_list(steps.iter().map(step_text))));
    if let Cause::Schema { event, changes, .. } = &plan.cause {
        add("event", Some(text(event)));
        add("changes", Some(shown_list(changes.iter().map(change_sentence))));
    }
    add("to_version", adjustment.to.map(|to| number(u64::from(to))));
    add("verdict", adjustment.verdict.as_deref().map(|verdict| text(shown(verdict))));
    let some = |texts: &[String]| (!texts.is_empty()).then(|| shown_list(texts.iter().cloned()));
    add("assumptions", some(&plan.assumptions));
    let choices: Vec<String> =
        plan.choices.iter().map(|choice| format!("{}: {}", choice.answer, choice.consequence)).collect();
    add("choices", some(&choices));
    add("progress", progress_item(&adjustment.progress).map(Value::Map));
    let whole = to_json(adjustment).to_string();
    let parts = put_text(&mut item, &key, "adjustment", &whole, u64::from(adjustment.revision));
    AdjustmentItems { item, parts }
}

fn shown(whole: &str) -> String {
    match whole.get(..whole.floor_char_boundary(SHOWN_BYTES_MAX)) {
        Some(cut) if cut.len() < whole.len() => format!("{cut}…"),
        _ => whole.to_owned(),
    }
}

fn shown_list(texts: impl IntoIterator<Item = String>) -> Value {
    let mut texts = texts.into_iter();
    let mut first: Vec<String> = texts.by_ref().take(SHOWN_MAX).map(|one| shown(&one)).collect();
    let more = texts.count();
    if more > 0 {
        first.push(format!("and {more} more"));
    }
    list_of(first)
}

/// `orders_by_status v0001 to v0002 (A1, watching): column `status` goes on as `state`.`
fn summary(adjustment: &Adjustment) -> String {
    let plan = &adjustment.plan;
    let to = adjustment.to.map(|to| format!(" to v{to:04}")).unwrap_or_default();
    let outcome = adjustment.outcome.name().replace('_', " ");
    let sentence = shown(&plan.sentence);
    format!("{} v{:04}{to} ({}, {outcome}): {sentence}", plan.definition, plan.from, plan.class.name())
}

fn certificate_sentence(certificate: &Certificate) -> &'static str {
    match certificate {
        Certificate::Untouched => "untouched: nothing that the definition reads has changed",
        Certificate::Exact(_) => "exact: the new counts are an image of the stored ones, for every table",
        Certificate::Witness { .. } => {
            "witness: two tables with equal stored counts and different new ones, so more must be read"
        }
        Certificate::Undecided => "undecided: what the change means is for a person to say",
    }
}

fn affected_sentence(affected: &Partitions) -> String {
    match affected {
        Partitions::None => "nothing has to be read".to_owned(),
        Partitions::All => "the whole table".to_owned(),
        Partitions::Keys { attribute, values } => {
            let told: Vec<String> =
                values.iter().take(SHOWN_MAX).map(|value| value_json(value).to_string()).collect();
            let more = values.len().saturating_sub(SHOWN_MAX);
            let more = if more > 0 { format!(" and {more} more") } else { String::new() };
            format!("items whose `{attribute}` is {}{more}", told.join(", "))
        }
    }
}

fn cost_item(cost: &PlanCost) -> Item {
    [
        ("cpu_seconds", real(cost.cpu_seconds)),
        ("read_units", real(cost.read_units)),
        ("write_units", real(cost.write_units)),
        ("source_items", number(cost.source_items)),
        ("ledger_rows", number(cost.ledger_rows)),
        ("seconds", real(cost.seconds)),
    ]
    .map(|(name, value)| (name.to_owned(), value))
    .into()
}

/// How far a walk has come; nothing where there is none.
fn progress_item(progress: &Progress) -> Option<Item> {
    let state = match progress {
        Progress { done: true, .. } => "done",
        Progress { paused: true, .. } => "paused",
        Progress { started_at: 0, .. } => return None,
        _ => "running",
    };
    let mut item = Item::new();
    put(&mut item, "state", text(state));
    put(&mut item, "visited", number(progress.visited));
    put(&mut item, "started_at", time_value(progress.started_at));
    Some(item)
}

/// Reads the adjustments of a definition from all of its items, in any order; the result is in
/// theirs.
///
/// # Errors
/// [`ItemError`]; a missing part means that somebody wrote meanwhile.
pub fn adjustments_from_items(items: &[Item]) -> Result<Vec<Adjustment>, ItemError> {
    let mut adjustments = Vec::new();
    for item in items {
        let fields = Fields::of_format(item)?;
        if fields.text("entity")? != "adjustment" {
            continue;
        }
        let whole = read_text(item, "adjustment", fields.unsigned("revision")?, items)?;
        let json =
            serde_json::from_str(&whole).map_err(|error| AdjustmentJsonError::Shape(error.to_string()))?;
        adjustments.push(from_json(&json)?);
    }
    Ok(adjustments)
}

/// Whether an adjustment reads back as itself.
///
/// # Errors
/// What of it cannot be stored.
pub fn check_adjustment(adjustment: &Adjustment) -> Result<(), AdjustmentJsonError> {
    let AdjustmentPlan { definition, id, .. } = from_json(&to_json(adjustment))?.plan;
    if definition != adjustment.plan.definition || id != adjustment.plan.id {
        return Err(AdjustmentJsonError::Shape("it reads back as another".to_owned()));
    }
    Ok(())
}

/// The partition key of a definition's audit trail.
#[must_use]
pub fn trail_pk(definition: &DefinitionName) -> String {
    format!("trail#{definition}")
}

/// An entry of the audit trail; `nth` is its place among those that are written with it. The same
/// entry written again replaces itself.
#[must_use]
pub fn trail_item(entry: &TrailEntry, nth: usize) -> Item {
    let plan = entry.plan.as_ref().map(PlanId::as_str);
    let said = format!("{}\0{:?}\0{plan:?}\0{}", entry.what, entry.version, entry.summary);
    let sk = format!("{}#{nth:02}-{:016x}", time_text(entry.at), xxh3_64(said.as_bytes()));
    let mut item = ItemKey::new(trail_pk(&entry.definition), sk).item();
    put(&mut item, "entity", text("trail entry"));
    put(&mut item, "format", number(FORMAT));
    put(&mut item, "definition", text(entry.definition.as_str()));
    put(&mut item, "at", time_value(entry.at));
    put(&mut item, "what", text(&entry.what));
    put(&mut item, "summary", text(&entry.summary));
    if let Some(version) = entry.version {
        put(&mut item, "version", number(u64::from(version)));
    }
    if let Some(plan) = plan {
        put(&mut item, "plan", text(plan));
    }
    item
}

/// Reads an entry of the audit trail.
///
/// # Errors
/// [`ItemError`].
pub fn trail_from_item(item: &Item) -> Result<TrailEntry, ItemError> {
    let fields = Fields::of_format(item)?;
    let version = fields.unsigned_if_any("version")?.map(u32::try_from).transpose();
    Ok(TrailEntry {
        at: fields.time("at")?,
        definition: fields.parsed("definition", "a definition's name", DefinitionName::parse)?,
        what: fields.text("what")?.to_owned(),
        version: version.map_err(|_| malformed("version", "a version number"))?,
        plan: fields.text_if_any("plan")?.map(PlanId::new),
        summary: fields.text("summary")?.to_owned(),
    })
}
