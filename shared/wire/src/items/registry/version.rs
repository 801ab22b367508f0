//! Owns a schema version's items: its head, which is small and listed, and its detail.

use evercount_core::decimal::Decimal;
use evercount_core::fingerprint::SchemaId;
use evercount_core::order::Micros;
use evercount_core::registration::VersionHead;
use evercount_core::registry::SchemaVersion;
use evercount_core::schema::{Constraints, Field, FieldPath, Schema};
use evercount_core::schema_change::Subject;
use evercount_core::value::{Item, Value};

use super::change::{
    change_items, list_of, malformed, maps, position_text, put, read_changes, read_position, read_real, real,
    types_of,
};
use super::history::told;
use super::pages::{Entry, joined, paged};
use super::types::{format_text, read_format, type_texts};
use super::{put_expiry, read_expiry, subject_pk};
use crate::items::fields::{Fields, number, text, time_value};
use crate::items::{FORMAT, ItemError, ItemKey};

/// The sort keys of heads begin with this.
pub const VERSION_PREFIX: &str = "version#";

/// What stands for the whole item among the names of fields: a name of its own is never a dot.
const ROOT: &str = ".";

/// The key of a version's head.
#[must_use]
pub fn version_key(subject: &Subject, number: u32) -> ItemKey {
    ItemKey::new(subject_pk(subject), format!("{VERSION_PREFIX}{number:04}"))
}

/// The key of a version's detail. It does not begin with [`VERSION_PREFIX`], so that whoever
/// lists versions does not pay for their details.
#[must_use]
pub fn version_detail_key(subject: &Subject, number: u32) -> ItemKey {
    ItemKey::new(subject_pk(subject), format!("version-detail#{number:04}"))
}

/// The items of a version: its head, its detail, and parts of the detail.
pub(super) fn version_items(version: &SchemaVersion, expires_at: Option<Micros>) -> Vec<Item> {
    let mut items = vec![head_item(version, expires_at)];
    items.extend(detail_items(version, expires_at));
    items
}

fn head_item(version: &SchemaVersion, expires_at: Option<Micros>) -> Item {
    let head = VersionHead::of(version, expires_at);
    let mut item = version_key(&version.subject, version.id.version).item();
    let told = told(&version.changes, version.parent.is_none(), version.drift);
    put(&mut item, "entity", text("schema version"));
    put(&mut item, "format", number(FORMAT));
    put(&mut item, "subject", text(version.subject.as_str()));
    put(&mut item, "schema_id", text(head.id.to_string()));
    put(&mut item, "version", number(u64::from(head.id.version)));
    put(&mut item, "at", time_value(head.at));
    put(&mut item, "created_at", time_value(head.created_at));
    put(&mut item, "drift", real(head.drift));
    put(&mut item, "changes", list_of(&head.changes));
    put(&mut item, "breaks", list_of(&head.breaks));
    put(&mut item, "fields", number(head.fields));
    put(&mut item, "summary", text(format!("v{:04}: {told}", head.id.version)));
    if let Some(parent) = head.parent {
        put(&mut item, "parent", number(u64::from(parent)));
    }
    if let Some(position) = &version.position {
        put(&mut item, "position", text(position_text(position)));
    }
    put_expiry(&mut item, expires_at);
    item
}

fn detail_items(version: &SchemaVersion, expires_at: Option<Micros>) -> Vec<Item> {
    let key = version_detail_key(&version.subject, version.id.version);
    let mut item = key.item();
    put(&mut item, "entity", text("schema version detail"));
    put(&mut item, "format", number(FORMAT));
    put(&mut item, "subject", text(version.subject.as_str()));
    put(&mut item, "schema_id", text(version.id.to_string()));
    put(&mut item, "key", list_of(version.schema.key.iter().map(FieldPath::as_str)));
    for (name, empty) in [
        ("fields", Value::Map(Item::new())),
        ("changes", Value::List(Vec::new())),
        ("breaks", Value::List(Vec::new())),
    ] {
        put(&mut item, name, empty);
    }
    let fields = version.schema.fields.iter().map(|(path, field)| {
        let name = if path.is_root() { ROOT } else { path.as_str() };
        Entry::Named("fields", name.to_owned(), Value::Map(field_item(field)))
    });
    let changes = change_items(&version.changes).into_iter();
    let changes = changes.map(|change| Entry::Element("changes", Value::Map(change)));
    let breaks = version.breaks.iter().map(|one| Entry::Element("breaks", text(one)));
    let mut items = paged(item, &key, fields.chain(changes).chain(breaks).collect());
    items.iter_mut().for_each(|item| put_expiry(item, expires_at));
    items
}

fn field_item(field: &Field) -> Item {
    let mut item = Item::from([("types".to_owned(), list_of(type_texts(&field.types)))]);
    put(&mut item, "required", Value::Bool(field.required));
    let mut add = |name: &str, value: Option<Value>| {
        if let Some(value) = value {
            put(&mut item, name, value);
        }
    };
    add("declared", field.declared.as_deref().map(text));
    add("default", field.default.as_deref().map(text));
    add("position", field.position.map(|position| number(u64::from(position))));
    add("value_format", field.format.as_ref().map(|format| text(format_text(format))));
    put_constraints(&mut item, &field.constraints);
    item
}

/// Writes bounds, each under its own name; what is not bounded is left out.
pub(in crate::items) fn put_constraints(item: &mut Item, constraints: &Constraints) {
    let Constraints { minimum, maximum, min_length, min_items, max_items, pattern, values, closed } =
        constraints;
    let mut add = |name: &str, value: Option<Value>| {
        if let Some(value) = value {
            put(item, name, value);
        }
    };
    // As text: a bound may have more digits than a DynamoDB number.
    let decimal = |bound: &Option<Decimal>| bound.as_ref().map(|bound| text(bound.to_string()));
    add("minimum", decimal(minimum));
    add("maximum", decimal(maximum));
    add("min_length", min_length.map(number));
    add("min_items", min_items.map(number));
    add("max_items", max_items.map(number));
    add("pattern", pattern.as_deref().map(text));
    add("values", values.as_ref().map(list_of));
    add("closed", closed.then_some(Value::Bool(true)));
}

/// Reads bounds.
pub(in crate::items) fn read_constraints(item: &Item) -> Result<Constraints, ItemError> {
    let fields = Fields(item);
    let decimal =
        |name: &str| fields.parsed_if_any(name, "a number as text", |text| text.parse::<Decimal>().ok());
    let values = item.contains_key("values").then(|| fields.texts("values")).transpose()?;
    Ok(Constraints {
        minimum: decimal("minimum")?,
        maximum: decimal("maximum")?,
        min_length: fields.unsigned_if_any("min_length")?,
        min_items: fields.unsigned_if_any("min_items")?,
        max_items: fields.unsigned_if_any("max_items")?,
        pattern: fields.text_if_any("pattern")?.map(Into::into),
        values: values.map(|values| values.into_iter().map(Into::into).collect()),
        closed: fields.flag_if_any("closed")?,
    })
}

fn read_field(item: &Item) -> Result<Field, ItemError> {
    let fields = Fields(item);
    let position = fields.unsigned_if_any("position")?.map(u32::try_from).transpose();
    Ok(Field {
        types: types_of(fields, "types")?,
        required: fields.flag("required")?,
        declared: fields.text_if_any("declared")?.map(Into::into),
        default: fields.text_if_any("default")?.map(Into::into),
        position: position.map_err(|_| malformed("position", "a place among the columns"))?,
        format: fields.text_if_any("value_format")?.map(read_format),
        constraints: read_constraints(item)?,
    })
}

fn read_id(fields: Fields<'_>, name: &str) -> Result<SchemaId, ItemError> {
    fields.parsed(name, "a schema id", SchemaId::parse)
}

fn read_parent(fields: Fields<'_>) -> Result<Option<u32>, ItemError> {
    let parent = fields.unsigned_if_any("parent")?.map(u32::try_from).transpose();
    parent.map_err(|_| malformed("parent", "a version number"))
}

/// Reads a version's head.
///
/// # Errors
/// [`ItemError`].
pub fn version_head_from_item(item: &Item) -> Result<VersionHead, ItemError> {
    let fields = Fields::of_format(item)?;
    let texts = |name: &str| -> Result<Vec<String>, ItemError> {
        Ok(fields.texts(name)?.into_iter().map(str::to_owned).collect())
    };
    Ok(VersionHead {
        id: read_id(fields, "schema_id")?,
        parent: read_parent(fields)?,
        at: fields.time("at")?,
        created_at: fields.time("created_at")?,
        drift: read_real(fields, "drift")?,
        changes: texts("changes")?,
        breaks: texts("breaks")?,
        fields: fields.unsigned("fields")?,
        expires_at: read_expiry(fields)?,
    })
}

/// Reads a version from its head, its detail, and the parts of the detail.
///
/// # Errors
/// [`ItemError`].
pub fn version_from_items(head: &Item, detail: &Item, parts: &[Item]) -> Result<SchemaVersion, ItemError> {
    let (of_head, whole) = (Fields::of_format(head)?, joined(detail, parts)?);
    let detail = Fields::of_format(&whole)?;
    let known = version_head_from_item(head)?;
    if read_id(detail, "schema_id")? != known.id {
        return Err(ItemError::KeyMismatch { pk: detail.text(crate::items::PK)?.to_owned() });
    }
    let mut fields = std::collections::BTreeMap::new();
    for (name, field) in detail.map("fields")? {
        let Value::Map(field) = field else { return Err(malformed("fields", "a map of maps")) };
        let path = if name == ROOT { FieldPath::root() } else { FieldPath::new(name) };
        fields.insert(path, read_field(field)?);
    }
    let key = detail.texts("key")?.into_iter().map(FieldPath::new).collect();
    Ok(SchemaVersion {
        subject: Subject::new(of_head.text("subject")?),
        id: known.id,
        parent: known.parent,
        schema: Schema { fields, key },
        changes: read_changes(maps(detail, "changes")?)?,
        drift: known.drift,
        breaks: detail.texts("breaks")?.into_iter().map(str::to_owned).collect(),
        position: read_position(of_head)?,
        at: known.at,
        created_at: known.created_at,
    })
}
