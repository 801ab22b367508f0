//! Owns how a schema change and its evidence are written, and the sentence that tells of it.

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};

use evercount_core::decimal::Decimal;
use evercount_core::order::OrderVersion;
use evercount_core::schema::{FieldPath, TypeSet};
use evercount_core::schema_change::{ChangeKind, Evidence, EvidencePart, Retype, SchemaChange, Typed};
use evercount_core::value::{Item, Value};

use super::types::{read_types, type_texts};
use crate::items::ItemError;
use crate::items::fields::{Fields, number, text};
use crate::json::{DYNAMODB_MAGNITUDE_MAX, DYNAMODB_MAGNITUDE_MIN};

/// Changes that a summary tells one by one.
const TOLD_MAX: usize = 3;

pub(in crate::items) fn malformed(name: &str, expected: &'static str) -> ItemError {
    ItemError::Malformed { name: name.to_owned(), expected }
}

/// A binary floating-point number as its shortest decimal, or as text where DynamoDB has no such
/// number.
pub(in crate::items) fn real(number: f64) -> Value {
    let decimal = number.to_string().parse::<Decimal>().ok();
    let fits =
        |decimal: &Decimal| (DYNAMODB_MAGNITUDE_MIN..=DYNAMODB_MAGNITUDE_MAX).contains(&decimal.magnitude());
    decimal.filter(fits).map_or_else(|| text(format!("{number:e}")), Value::Number)
}

pub(in crate::items) fn read_real(fields: Fields<'_>, name: &str) -> Result<f64, ItemError> {
    let read = match fields.0.get(name) {
        None => return Err(ItemError::Missing { name: name.to_owned() }),
        Some(Value::Number(number)) => number.to_string().parse().ok(),
        Some(Value::String(text)) => text.parse().ok(),
        Some(_) => None,
    };
    read.ok_or_else(|| malformed(name, "a number"))
}

/// An order version as text that sorts as it does.
pub(super) fn position_text(position: &OrderVersion) -> String {
    position.as_bytes().iter().map(|byte| format!("{byte:02x}")).collect()
}

pub(super) fn read_position(fields: Fields<'_>) -> Result<Option<OrderVersion>, ItemError> {
    fields.parsed_if_any("position", "an order version in hexadecimal digits", |text| {
        let digits = text.as_bytes();
        let byte = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok();
        let bytes: Option<Vec<u8>> = digits.chunks(2).map(byte).collect();
        OrderVersion::from_bytes(&bytes.filter(|_| digits.len() % 2 == 0)?)
    })
}

pub(in crate::items) fn put(item: &mut Item, name: &str, value: Value) {
    item.insert(name.to_owned(), value);
}

pub(in crate::items) fn list_of<T: AsRef<str>>(texts: impl IntoIterator<Item = T>) -> Value {
    Value::List(texts.into_iter().map(|one| text(one.as_ref())).collect())
}

fn paths(columns: &[FieldPath]) -> Value {
    list_of(columns.iter().map(FieldPath::as_str))
}

fn read_paths(fields: Fields<'_>, name: &str) -> Result<Vec<FieldPath>, ItemError> {
    Ok(fields.texts(name)?.into_iter().map(FieldPath::new).collect())
}

fn put_typed(item: &mut Item, prefix: &str, typed: &Typed) {
    put(item, &format!("{prefix}types"), list_of(type_texts(&typed.types)));
    if let Some(declared) = &typed.declared {
        put(item, &format!("{prefix}declared"), text(&**declared));
    }
}

fn read_typed(fields: Fields<'_>, prefix: &str) -> Result<Typed, ItemError> {
    Ok(Typed {
        types: types_of(fields, &format!("{prefix}types"))?,
        declared: fields.text_if_any(&format!("{prefix}declared"))?.map(Into::into),
    })
}

pub(in crate::items) fn types_of(fields: Fields<'_>, name: &str) -> Result<TypeSet, ItemError> {
    read_types(fields.texts(name)?).ok_or_else(|| malformed(name, "a list of known types"))
}

/// One change, whole.
pub(super) fn change_item(change: &SchemaChange) -> Item {
    let mut item = Item::from([("change".to_owned(), text(change.kind.name()))]);
    match &change.kind {
        ChangeKind::CreateTable | ChangeKind::DropTable | ChangeKind::TruncateTable => {}
        ChangeKind::RenameTable { to } => put(&mut item, "to", text(to.as_str())),
        ChangeKind::AddColumn { column, typed, default } => {
            put(&mut item, "column", text(column.as_str()));
            put_typed(&mut item, "", typed);
            if let Some(default) = default {
                put(&mut item, "default", text(&**default));
            }
        }
        ChangeKind::DropColumn { column, typed } => {
            put(&mut item, "column", text(column.as_str()));
            put_typed(&mut item, "", typed);
        }
        ChangeKind::RenameColumn { column, to, typed, previous } => {
            put(&mut item, "column", text(column.as_str()));
            put(&mut item, "to", text(to.as_str()));
            put_typed(&mut item, "", typed);
            put_typed(&mut item, "previous_", previous);
        }
        ChangeKind::ChangeType { column, typed, previous, retype } => {
            put(&mut item, "column", text(column.as_str()));
            put_typed(&mut item, "", typed);
            put_typed(&mut item, "previous_", previous);
            put(&mut item, "retype", text(retype.name()));
        }
        ChangeKind::ChangeKey { previous, key } => {
            put(&mut item, "previous_key", paths(previous));
            put(&mut item, "key", paths(key));
        }
    }
    put(&mut item, "evidence", Value::Map(evidence_item(&change.evidence)));
    item
}

pub(super) fn read_change(item: &Item) -> Result<SchemaChange, ItemError> {
    let evidence = read_evidence(Fields(Fields(item).map("evidence")?))?;
    Ok(SchemaChange { kind: read_kind(item)?, evidence })
}

fn read_kind(item: &Item) -> Result<ChangeKind, ItemError> {
    let fields = Fields(item);
    let column = || fields.text("column").map(FieldPath::new);
    Ok(match fields.text("change")? {
        "create_table" => ChangeKind::CreateTable,
        "drop_table" => ChangeKind::DropTable,
        "truncate_table" => ChangeKind::TruncateTable,
        "rename_table" => {
            ChangeKind::RenameTable { to: evercount_core::change::TableName::new(fields.text("to")?) }
        }
        "add_column" => ChangeKind::AddColumn {
            column: column()?,
            typed: read_typed(fields, "")?,
            default: fields.text_if_any("default")?.map(Into::into),
        },
        "drop_column" => ChangeKind::DropColumn { column: column()?, typed: read_typed(fields, "")? },
        "rename_column" => ChangeKind::RenameColumn {
            column: column()?,
            to: FieldPath::new(fields.text("to")?),
            typed: read_typed(fields, "")?,
            previous: read_typed(fields, "previous_")?,
        },
        "change_type" => ChangeKind::ChangeType {
            column: column()?,
            typed: read_typed(fields, "")?,
            previous: read_typed(fields, "previous_")?,
            retype: fields.parsed("retype", "a known kind of retype", |name| {
                Retype::ALL.into_iter().find(|(_, known)| *known == name).map(|(retype, _)| retype)
            })?,
        },
        "change_key" => ChangeKind::ChangeKey {
            previous: read_paths(fields, "previous_key")?,
            key: read_paths(fields, "key")?,
        },
        _ => return Err(malformed("change", "a known change")),
    })
}

fn evidence_item(evidence: &Evidence) -> Item {
    let named = |attributes: Vec<(&str, Value)>| -> Item {
        attributes.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
    };
    match evidence {
        Evidence::Declared { statement } => {
            named(vec![("kind", text("declared")), ("statement", text(statement))])
        }
        Evidence::Observed { rows, false_alarm, because } => named(vec![
            ("kind", text("observed")),
            ("rows", number(*rows)),
            ("false_alarm", real(*false_alarm)),
            ("because", text(because)),
        ]),
        Evidence::Proposed { score, parts } => {
            let part = |part: &EvidencePart| {
                Value::Map(named(vec![
                    ("name", text(part.name)),
                    ("weight", real(part.weight)),
                    ("held", real(part.held)),
                ]))
            };
            named(vec![
                ("kind", text("proposed")),
                ("score", real(*score)),
                ("parts", Value::List(parts.iter().map(part).collect())),
            ])
        }
    }
}

fn read_evidence(fields: Fields<'_>) -> Result<Evidence, ItemError> {
    Ok(match fields.text("kind")? {
        "declared" => Evidence::Declared { statement: fields.text("statement")?.to_owned() },
        "observed" => Evidence::Observed {
            rows: fields.unsigned("rows")?,
            false_alarm: read_real(fields, "false_alarm")?,
            because: fields.text("because")?.to_owned(),
        },
        "proposed" => {
            let mut parts = Vec::new();
            for part in maps(fields, "parts")? {
                let part = Fields(part);
                parts.push(EvidencePart {
                    name: part_name(part.text("name")?),
                    weight: read_real(part, "weight")?,
                    held: read_real(part, "held")?,
                });
            }
            Evidence::Proposed { score: read_real(fields, "score")?, parts }
        }
        _ => return Err(malformed("kind", "a known kind of evidence")),
    })
}

pub(super) fn maps<'a>(fields: Fields<'a>, name: &str) -> Result<Vec<&'a Item>, ItemError> {
    let as_map = |value: &'a Value| match value {
        Value::Map(item) => Ok(item),
        _ => Err(malformed(name, "a list of maps")),
    };
    fields.list_if_any(name)?.iter().map(as_map).collect()
}

/// Kinds of evidence are named in code, of which there are few; each name that is read lives on,
/// up to this many of this length.
const PART_NAMES_MAX: usize = 64;
const PART_NAME_BYTES_MAX: usize = 64;

fn part_name(name: &str) -> &'static str {
    static NAMES: Mutex<BTreeSet<&'static str>> = Mutex::new(BTreeSet::new());
    let mut names = NAMES.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(known) = names.get(name) {
        return known;
    }
    if names.len() >= PART_NAMES_MAX || name.len() > PART_NAME_BYTES_MAX {
        return "other";
    }
    let kept: &'static str = Box::leak(name.into());
    names.insert(kept);
    kept
}

/// Changes in order. Evidence that an earlier one of them has already (a statement that changes
/// hundreds of columns) is written once and pointed to.
pub(crate) fn change_items(changes: &[SchemaChange]) -> Vec<Item> {
    let mut written: Vec<(usize, &Evidence)> = Vec::new();
    let mut items = Vec::with_capacity(changes.len());
    for (at, change) in changes.iter().enumerate() {
        let mut item = change_item(change);
        match written.iter().rev().find(|(_, evidence)| **evidence == change.evidence) {
            Some((first, _)) => {
                let same = [("as_change".to_owned(), number(*first as u64 + 1))];
                put(&mut item, "evidence", Value::Map(same.into()));
            }
            None => written.push((at, &change.evidence)),
        }
        items.push(item);
    }
    items
}

pub(crate) fn read_changes<'a>(
    items: impl IntoIterator<Item = &'a Item>,
) -> Result<Vec<SchemaChange>, ItemError> {
    let mut changes: Vec<SchemaChange> = Vec::new();
    for item in items {
        let evidence = Fields(Fields(item).map("evidence")?);
        let evidence = match evidence.unsigned_if_any("as_change")? {
            Some(nth) => {
                let at = usize::try_from(nth).ok().and_then(|nth| nth.checked_sub(1));
                let known = at.and_then(|at| changes.get(at)).map(|change| change.evidence.clone());
                known.ok_or_else(|| malformed("as_change", "the number of an earlier change"))?
            }
            None => read_evidence(evidence)?,
        };
        changes.push(SchemaChange { kind: read_kind(item)?, evidence });
    }
    Ok(changes)
}

/// A change in one sentence: `column `status` renamed to `state` (declared)`.
#[must_use]
pub fn change_sentence(change: &SchemaChange) -> String {
    let what = match &change.kind {
        ChangeKind::CreateTable => "table created".to_owned(),
        ChangeKind::DropTable => "table dropped".to_owned(),
        ChangeKind::TruncateTable => "table truncated".to_owned(),
        ChangeKind::RenameTable { to } => format!("table renamed to `{to}`"),
        ChangeKind::AddColumn { column, typed, .. } => format!("column `{column}` added: {}", typed.text()),
        ChangeKind::DropColumn { column, .. } => format!("column `{column}` dropped"),
        ChangeKind::RenameColumn { column, to, .. } => format!("column `{column}` renamed to `{to}`"),
        ChangeKind::ChangeType { column, typed, previous, retype } => {
            let how = retype.name().replace('_', " ");
            format!("column `{column}` changed from {} to {} ({how})", previous.text(), typed.text())
        }
        ChangeKind::ChangeKey { key, .. } => {
            let key: Vec<String> = key.iter().map(|column| format!("`{column}`")).collect();
            format!("key changed to {}", if key.is_empty() { "none".to_owned() } else { key.join(", ") })
        }
    };
    let how = match &change.evidence {
        Evidence::Declared { .. } => "declared",
        Evidence::Observed { .. } => "observed",
        Evidence::Proposed { .. } => "proposed",
    };
    let cut = what.get(..what.floor_char_boundary(SENTENCE_BYTES_MAX)).unwrap_or_default();
    let cut = if cut.len() < what.len() { format!("{cut}…") } else { what };
    format!("{cut} ({how})")
}

/// Longest sentence of a change: an enumeration may have thousands of values.
const SENTENCE_BYTES_MAX: usize = 400;

/// The first few changes in sentences, and how many more there are.
pub(super) fn changes_summary(changes: &[SchemaChange]) -> String {
    let mut told: Vec<String> = changes.iter().take(TOLD_MAX).map(change_sentence).collect();
    if changes.len() > TOLD_MAX {
        told.push(format!("and {} more", changes.len() - TOLD_MAX));
    }
    told.join("; ")
}
