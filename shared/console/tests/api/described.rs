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
    let schema = content.values().next().unwrap()["schema"].clone();
    let whole = serde_json::json!({"allOf": [schema], "components": document["components"]});
    let validator = jsonschema::validator_for(&whole).unwrap();
    let errors: Vec<String> =
        validator.iter_errors(answer).map(|error| format!("{}: {error}", error.instance_path())).collect();
    assert!(errors.is_empty(), "{method} {path}: {errors:#?}");
}
