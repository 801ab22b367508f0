//! Schemas as JSON Schema documents, draft 2020-12.

use std::collections::BTreeMap;

use evercount_core::decimal::Decimal;
use evercount_core::schema::{Field, FieldPath, FieldType, Schema, TypeSet};
use serde_json::{Map, Value, json};

use super::node::anything;

/// The JSON Schema of a schema, as a registry prints it. A type that JSON does not have is the
/// one that its values are written as. What was read from a document reads back the same.
#[must_use]
pub fn to_json_schema(schema: &Schema) -> Value {
    let mut below = Below::new();
    for (path, field) in schema.fields.iter().filter(|(path, _)| !path.is_root()) {
        below.entry(path.parent().unwrap_or_else(FieldPath::root)).or_default().push((path, field));
    }
    let columns = Field::of(TypeSet::of(FieldType::Map));
    let root = FieldPath::root();
    let mut document = field_schema(&root, schema.fields.get(&root).unwrap_or(&columns), &below);
    document.insert("$schema".to_owned(), json!("https://json-schema.org/draft/2020-12/schema"));
    Value::Object(document)
}

/// The fields that stand in each field.
type Below<'a> = BTreeMap<FieldPath, Vec<(&'a FieldPath, &'a Field)>>;

fn field_schema(path: &FieldPath, field: &Field, below: &Below<'_>) -> Map<String, Value> {
    let mut schema = type_keywords(&field.types);
    let bounds = &field.constraints;
    let mut set = |keyword: &str, value: Option<Value>| {
        if let Some(value) = value {
            schema.insert(keyword.to_owned(), value);
        }
    };
    set("format", field.format.as_ref().map(|format| json!(format.name())));
    set("minimum", bounds.minimum.as_ref().map(number));
    set("maximum", bounds.maximum.as_ref().map(number));
    set("minLength", bounds.min_length.map(Value::from));
    set("minItems", bounds.min_items.map(Value::from));
    set("maxItems", bounds.max_items.map(Value::from));
    set("pattern", bounds.pattern.as_deref().map(Value::from));
    set("default", field.default.as_deref().map(literal));
    set("additionalProperties", bounds.closed.then_some(Value::Bool(false)));
    set(
        "enum",
        bounds.values.as_ref().map(|values| {
            let null = field.types.is_nullable().then_some(Value::Null);
            values.iter().map(|value| literal(value)).chain(null).collect()
        }),
    );
    let (mut properties, mut patterns, mut required) = (Map::new(), Map::new(), Vec::new());
    for (inner, field) in below.get(path).into_iter().flatten() {
        let schema = Value::Object(field_schema(inner, field, below));
        match step(path, inner) {
            Step::Element => set("items", Some(schema)),
            Step::Unnamed => set("additionalProperties", Some(schema)),
            Step::Matching(pattern) => {
                patterns.insert(pattern, schema);
            }
            Step::Name(name) => {
                if field.required {
                    required.push(Value::String(name.clone()));
                }
                properties.insert(name, schema);
            }
        }
    }
    set("properties", (!properties.is_empty()).then_some(Value::Object(properties)));
    set("patternProperties", (!patterns.is_empty()).then_some(Value::Object(patterns)));
    set("required", (!required.is_empty()).then_some(Value::Array(required)));
    // Any type need not be said, unless the keywords beside it would seem to ask for one.
    if schema.len() == 1 && field.types == anything() { Map::new() } else { schema }
}

enum Step {
    Name(String),
    Element,
    Unnamed,
    Matching(String),
}

/// The last step of a path below another.
fn step(above: &FieldPath, path: &FieldPath) -> Step {
    let text = path.as_str().strip_prefix(above.as_str()).unwrap_or(path.as_str());
    match text {
        "[]" => return Step::Element,
        "[*]" => return Step::Unnamed,
        _ => {}
    }
    if let Some(pattern) = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')) {
        return Step::Matching(unquoted(pattern));
    }
    Step::Name(unquoted(if above.is_root() { text } else { text.strip_prefix('.').unwrap_or(text) }))
}

fn unquoted(text: &str) -> String {
    match text.strip_prefix('"').and_then(|text| text.strip_suffix('"')) {
        Some(inner) => inner.replace("\"\"", "\""),
        None => text.to_owned(),
    }
}

fn type_keywords(types: &TypeSet) -> Map<String, Value> {
    let null = types.is_nullable();
    let said: Vec<Map<String, Value>> = types.values().map(one_type).collect();
    if types.values().any(|one| *one == FieldType::Json) {
        return Map::new();
    }
    let plain = said.iter().all(|one| one.keys().all(|keyword| matches!(&**keyword, "type" | "maxLength")));
    let mut keywords = Map::new();
    match said.as_slice() {
        [] if !null => {
            keywords.insert("not".to_owned(), json!({}));
            keywords.insert("type".to_owned(), json!([]));
        }
        [one] => {
            keywords.clone_from(one);
            if null && let Some(name) = keywords.remove("type") {
                keywords.insert("type".to_owned(), json!([name, "null"]));
            }
            if null && let Some(Value::Array(listed)) = keywords.get_mut("enum") {
                listed.push(Value::Null);
            }
        }
        all if plain => {
            let mut names: Vec<Value> = Vec::new();
            for one in all {
                names.extend(one.get("type").cloned());
                keywords.extend(one.get("maxLength").map(|length| ("maxLength".to_owned(), length.clone())));
            }
            names.extend(null.then(|| json!("null")));
            names.dedup();
            keywords.insert("type".to_owned(), Value::Array(names));
        }
        all => {
            let null = null.then(|| json!({"type": "null"}));
            let all = all.iter().cloned().map(Value::Object).chain(null);
            keywords.insert("anyOf".to_owned(), all.collect());
        }
    }
    keywords
}

fn one_type(one: &FieldType) -> Map<String, Value> {
    let schema = match one {
        FieldType::Null => json!({"type": "null"}),
        FieldType::Bool => json!({"type": "boolean"}),
        FieldType::Integer { bits: Some(bits @ (32 | 64)), unsigned: false } => {
            json!({"type": "integer", "format": format!("int{bits}")})
        }
        FieldType::Integer { unsigned: true, .. } => json!({"type": "integer", "minimum": 0}),
        FieldType::Integer { .. } => json!({"type": "integer"}),
        FieldType::Decimal { .. } => json!({"type": "number"}),
        FieldType::Float { bits: Some(32) } => json!({"type": "number", "format": "float"}),
        FieldType::Float { .. } => json!({"type": "number", "format": "double"}),
        FieldType::String { max_length: Some(length) } => json!({"type": "string", "maxLength": length}),
        FieldType::String { max_length: None } => json!({"type": "string"}),
        FieldType::Binary { .. } => json!({"type": "string", "contentEncoding": "base64"}),
        FieldType::Date => json!({"type": "string", "format": "date"}),
        FieldType::Time => json!({"type": "string", "format": "time"}),
        FieldType::Timestamp { .. } => json!({"type": "string", "format": "date-time"}),
        FieldType::Uuid => json!({"type": "string", "format": "uuid"}),
        FieldType::Json => json!({}),
        FieldType::Enum(texts) => {
            let texts: Vec<&str> = texts.iter().map(|text| &**text).collect();
            json!({"type": "string", "enum": texts})
        }
        FieldType::List => json!({"type": "array"}),
        FieldType::Map => json!({"type": "object"}),
        FieldType::StringSet => json!({"type": "array", "items": {"type": "string"}, "uniqueItems": true}),
        FieldType::NumberSet => json!({"type": "array", "items": {"type": "number"}, "uniqueItems": true}),
        FieldType::BinarySet => {
            let element = json!({"type": "string", "contentEncoding": "base64"});
            json!({"type": "array", "items": element, "uniqueItems": true})
        }
        FieldType::Other(name) => json!({"type": "string", "$comment": format!("{name} in the source")}),
    };
    if let Value::Object(schema) = schema { schema } else { Map::new() }
}

fn number(number: &Decimal) -> Value {
    literal(&number.to_string())
}

/// A text that is JSON as what it says; a source's own words for a default as a text.
fn literal(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|_| Value::String(text.to_owned()))
}
