//! Owns a subject's items: its state, which is small and hot, and its entry in the list of
//! subjects.

use evercount_core::fingerprint::SchemaId;
use evercount_core::registry::{Compatibility, EvolutionRule, Origin, Policy, SubjectState};
use evercount_core::schema::FieldPath;
use evercount_core::schema_change::Subject;
use evercount_core::value::{Item, Value};

use super::change::{
    change_items, list_of, malformed, maps, position_text, put, read_changes, read_position, read_real, real,
};
use super::subject_pk;
use crate::items::fields::{Fields, number, signed, text, time_text, time_value};
use crate::items::tables::table_in_key;
use crate::items::{FORMAT, ItemError, ItemKey};

/// The partition key of the list of subjects.
pub const SUBJECTS_PK: &str = "subjects";

const ORIGINS: [(Origin, &str); 3] =
    [(Origin::Declared, "declared"), (Origin::Observed, "observed"), (Origin::Event, "event")];

/// The key of a subject's state.
#[must_use]
pub fn subject_key(subject: &Subject) -> ItemKey {
    ItemKey::new(subject_pk(subject), "state")
}

/// A subject's entry in the list of subjects.
#[must_use]
pub fn subject_entry_item(subject: &Subject) -> Item {
    let mut item = ItemKey::new(SUBJECTS_PK, table_in_key(subject)).item();
    put(&mut item, "entity", text("subject entry"));
    put(&mut item, "format", number(FORMAT));
    put(&mut item, "subject", text(subject.as_str()));
    item
}

/// Reads an entry of the list of subjects.
///
/// # Errors
/// [`ItemError`].
pub fn subject_entry_from_item(item: &Item) -> Result<Subject, ItemError> {
    Fields::of_format(item)?.text("subject").map(Subject::new)
}

fn name_of<T: PartialEq>(all: &[(T, &'static str)], one: &T) -> &'static str {
    all.iter().find(|(known, _)| known == one).map_or("", |(_, name)| name)
}

fn of_name<T: Copy>(all: &[(T, &'static str)], name: &str) -> Option<T> {
    all.iter().find(|(_, known)| *known == name).map(|(one, _)| *one)
}

/// The item of a subject's state.
#[must_use]
pub fn subject_item(state: &SubjectState) -> Item {
    let mut item = subject_key(&state.subject).item();
    put(&mut item, "entity", text("subject"));
    put(&mut item, "format", number(FORMAT));
    put(&mut item, "subject", text(state.subject.as_str()));
    put(&mut item, "origin", text(name_of(&ORIGINS, &state.origin)));
    put(&mut item, "since", time_value(state.since));
    put(&mut item, "dropped", Value::Bool(state.dropped));
    put(&mut item, "retired", list_of(state.retired.iter().map(FieldPath::as_str)));
    let pending = change_items(&state.pending).into_iter().map(Value::Map).collect();
    put(&mut item, "pending", Value::List(pending));
    put(&mut item, "policy", Value::Map(policy_item(&state.policy)));
    put(&mut item, "first_seen", time_value(state.first_seen));
    put(&mut item, "revision", number(state.revision));
    put(&mut item, "summary", text(summary(state)));
    if let Some(current) = &state.current {
        put(&mut item, "current", text(current.to_string()));
    }
    if let Some(position) = &state.position {
        put(&mut item, "position", text(position_text(position)));
    }
    item
}

fn summary(state: &SubjectState) -> String {
    let subject = &state.subject;
    let at = match &state.current {
        Some(current) => {
            format!("{subject} is at v{:04} since {}", current.version, time_text(state.since))
        }
        None => format!("{subject} has no version yet"),
    };
    let gone = if state.dropped { ", and the table is gone" } else { "" };
    match state.pending.len() {
        0 => format!("{at}{gone}."),
        1 => format!("{at}{gone}; 1 change waits."),
        n => format!("{at}{gone}; {n} changes wait."),
    }
}

fn policy_item(policy: &Policy) -> Item {
    let rules =
        policy.rules.iter().map(|(kind, rule)| (kind.clone(), text(name_of(&EvolutionRule::ALL, rule))));
    [
        ("compatibility", text(name_of(&Compatibility::ALL, &policy.compatibility))),
        ("rules", Value::Map(rules.collect())),
        ("include", list_of(&policy.include)),
        ("exclude", list_of(&policy.exclude)),
        ("drift_threshold", real(policy.drift_threshold)),
        ("retention_microseconds", signed(policy.retention)),
    ]
    .map(|(name, value)| (name.to_owned(), value))
    .into()
}

fn read_policy(item: &Item) -> Result<Policy, ItemError> {
    let fields = Fields(item);
    let rule = |(kind, rule): (&String, &Value)| {
        let known = match rule {
            Value::String(name) => of_name(&EvolutionRule::ALL, name),
            _ => None,
        };
        known.map(|rule| (kind.clone(), rule)).ok_or_else(|| malformed("rules", "a map of known rules"))
    };
    let retention = fields.signed_if_any("retention_microseconds")?;
    let missing = || ItemError::Missing { name: "retention_microseconds".to_owned() };
    Ok(Policy {
        compatibility: fields.parsed("compatibility", "a known compatibility mode", |name| {
            of_name(&Compatibility::ALL, name)
        })?,
        rules: fields.map("rules")?.iter().map(rule).collect::<Result<_, _>>()?,
        include: fields.texts("include")?.into_iter().map(str::to_owned).collect(),
        exclude: fields.texts("exclude")?.into_iter().map(str::to_owned).collect(),
        drift_threshold: read_real(fields, "drift_threshold")?,
        retention: retention.ok_or_else(missing)?,
    })
}

/// Reads a subject's state.
///
/// # Errors
/// [`ItemError`].
pub fn subject_from_item(item: &Item) -> Result<SubjectState, ItemError> {
    let fields = Fields::of_format(item)?;
    Ok(SubjectState {
        subject: Subject::new(fields.text("subject")?),
        origin: fields.parsed("origin", "a known origin", |name| of_name(&ORIGINS, name))?,
        current: fields.parsed_if_any("current", "a schema id", SchemaId::parse)?,
        position: read_position(fields)?,
        since: fields.time("since")?,
        dropped: fields.flag("dropped")?,
        retired: fields.texts("retired")?.into_iter().map(FieldPath::new).collect(),
        pending: read_changes(maps(fields, "pending")?)?,
        policy: read_policy(fields.map("policy")?)?,
        first_seen: fields.time("first_seen")?,
        revision: fields.unsigned("revision")?,
    })
}
