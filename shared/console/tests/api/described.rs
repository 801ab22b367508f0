//! The document describes what the routes answer: it is the one that is served and kept, and every answer
//! of these tests is held against it.

use serde_json::Value;

use crate::seed::{get, send, shop};

fn document() -> Value {
    serde_json::from_str(&evercount_console::document()).unwrap()
}

#[tokio::test]
async fn the_document_that_is_served_is_the_one_that_is_kept() {
    let served = send(shop(true).await, get("/api/v1/openapi.json")).await;
    let kept = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/openapi.json")).unwrap();
    assert_eq!(
        served.text.trim(),
        kept.trim(),
        "shared/console/openapi.json is not current: cargo run -p evercount-console --example openapi"
    );
}

/// Holds an answer against the document.
pub fn holds(path: &str, method: &str, status: u16, answer: &Value) {
    let document = document();
    let path = path.split('?').next().unwrap();
    let asked: Vec<&str> = path.split('/').collect();
    let fits = |template: &str| {
        let parts: Vec<&str> = template.split('/').collect();
        parts.len() == asked.len()
            && parts.iter().zip(&asked).all(|(part, one)| part.starts_with('{') || part == one)
    };
    let mut of_path: Vec<_> =
        document["paths"].as_object().unwrap().iter().filter(|(template, _)| fits(template)).collect();
    // The more a template names, the more it is meant.
    of_path.sort_by_key(|(template, _)| template.matches('{').count());
    let operations = of_path.iter().map(|(_, item)| &item[method]).find(|one| one.is_object());
    let operation = operations.unwrap_or_else(|| panic!("{method} {path} is not described"));
    let response = &operation["responses"][status.to_string()];
    assert!(response.is_object(), "{method} {path}: {status} is not described");
    let content = response["content"].as_object().unwrap();
    let schema = &content.values().next().unwrap()["schema"];
    let found = differs(&document, schema, answer);
    assert!(found.is_none(), "{method} {path}: {found:?}");
}

/// Where a value is not what a schema says, if anywhere: the parts of JSON Schema that the document uses.
fn differs(document: &Value, schema: &Value, value: &Value) -> Option<String> {
    if let Some(name) = schema["$ref"].as_str() {
        let of = &document["components"]["schemas"][name.rsplit('/').next().unwrap()];
        return differs(document, of, value);
    }
    for one in schema["allOf"].as_array().into_iter().flatten() {
        if let Some(found) = differs(document, one, value) {
            return Some(found);
        }
    }
    for any in ["oneOf", "anyOf"] {
        if let Some(all) = schema[any].as_array()
            && all.iter().all(|one| differs(document, one, value).is_some())
        {
            return Some(format!("{value:.200} is none of {all:?}"));
        }
    }
    let is = |kind: &str| match kind {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "integer" => value.is_i64() || value.is_u64(),
        "number" => value.is_number(),
        "boolean" => value.is_boolean(),
        "null" => value.is_null(),
        other => panic!("type {other}"),
    };
    let kinds: Vec<&str> = match &schema["type"] {
        Value::String(kind) => vec![kind],
        Value::Array(kinds) => kinds.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    };
    if !kinds.is_empty() && !kinds.iter().any(|kind| is(kind)) {
        return Some(format!("{value} is no {kinds:?}"));
    }
    let required = schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str);
    if let Some(missing) = required.into_iter().find(|name| value.is_object() && value.get(*name).is_none()) {
        return Some(format!("no {missing}"));
    }
    for (name, field) in value.as_object().into_iter().flatten() {
        let of = &schema["properties"][name.as_str()];
        if let Some(found) = of.as_object().and_then(|_| differs(document, of, field)) {
            return Some(format!("{name}: {found}"));
        }
    }
    let items = &schema["items"];
    let mut elements = value.as_array().into_iter().flatten().filter(|_| items.is_object());
    elements.find_map(|one| differs(document, items, one))
}
