//! Documents of every draft, what they say, and that none of them can do harm.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test may panic")]

use evercount_core::schema::{FieldPath, Schema};
use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

/// One line a field: path, `!` where it is required, types, and whatever else is said of it.
fn lines(schema: &Schema) -> Vec<String> {
    schema
        .fields
        .iter()
        .map(|(path, field)| {
            let required = if field.required { "!" } else { "" };
            let mut line = format!("{path}{required}: {}", field.types);
            let bounds = &field.constraints;
            let mut say = |name: &str, value: Option<String>| {
                if let Some(value) = value {
                    line.push_str(&format!(" {name}={value}"));
                }
            };
            say("format", field.format.as_ref().map(|format| format.name().to_owned()));
            say("min", bounds.minimum.as_ref().map(ToString::to_string));
            say("max", bounds.maximum.as_ref().map(ToString::to_string));
            say("min_length", bounds.min_length.map(|n| n.to_string()));
            say("min_items", bounds.min_items.map(|n| n.to_string()));
            say("max_items", bounds.max_items.map(|n| n.to_string()));
            say("pattern", bounds.pattern.as_deref().map(ToOwned::to_owned));
            say("values", bounds.values.as_ref().map(|v| v.iter().cloned().collect::<Vec<_>>().join(",")));
            say("default", field.default.as_deref().map(ToOwned::to_owned));
            say("closed", bounds.closed.then(|| "yes".to_owned()));
            line
        })
        .collect()
}

fn check(document: &Value, expected: &[&str]) {
    let schema = from_json(document).unwrap();
    assert_eq!(lines(&schema), expected, "{document}");
    assert_eq!(from_json(&to_json_schema(&schema)).unwrap(), schema, "{}", to_json_schema(&schema));
}

#[test]
fn types_and_bounds_of_every_draft_are_read() {
    check(&json!({}), &[": bool or decimal or string or list or map or null"]);
    check(
        &json!({"type": "object", "additionalProperties": false, "required": ["a"], "properties": {
            "a": {"type": ["string", "null"], "maxLength": 5, "minLength": 1, "pattern": "^x"},
            "b": {"type": "integer", "minimum": 0, "maximum": 9, "default": 1.0},
            "c": {"type": "number", "exclusiveMinimum": 0},
            "d": {"type": "integer", "minimum": 0, "exclusiveMinimum": true, "exclusiveMaximum": 10},
            "e": {"type": "number", "multipleOf": 5},
            "f": {"enum": ["y", "x", null]},
            "g": {"type": "string", "enum": ["x", 1]},
            "h": {"enum": [1, "x", 1.0, 2.5]},
            "i": {"const": 3},
            "j": {"type": ["integer", "number"]},
            "k": {"format": "date-time"},
            "l": true,
            "m": false,
            "n.o": {"type": "boolean"}
        }}),
        &[
            ": map closed=yes",
            "\"n.o\": bool",
            "a!: string(5) or null min_length=1 pattern=^x",
            "b: integer min=0 max=9 default=1",
            "c: decimal min=0",
            "d: integer min=1 max=9",
            "e: integer",
            "f: enum('x','y') or null",
            "g: enum('x')",
            "h: decimal or string values=\"x\",1,2.5",
            "i: integer values=3",
            "j: decimal",
            "k: string format=date-time",
            "l: bool or decimal or string or list or map or null",
        ],
    );
    check(
        &json!({"type": "object", "properties": {"a": {"type": "string", "required": true}}}),
        &[": map", "a!: string"],
    );
    check(
        &json!({"properties": {"a": {"type": "integer", "format": "int32"}}, "maxProperties": 5}),
        &[": map", "a: integer(32)"],
    );
    check(&json!({"properties": {"a": {}}, "maxProperties": 0}), &[": map closed=yes"]);
}

#[test]
fn maps_and_lists_hold_fields_of_their_own() {
    check(
        &json!({"type": "array", "items": {"type": "object", "properties": {"sku": {"type": "string"}}}}),
        &[": list", "[]: map", "[].sku: string"],
    );
    check(
        &json!({"properties": {
            "prices": {"type": "object", "additionalProperties": {"type": "number"}},
            "rules": {"patternProperties": {"^a\"b": {"items": {"minItems": 1}}}, "additionalProperties": false},
            "pair": {"items": [{"type": "string"}, {"type": "integer"}], "maxItems": 2},
            "triple": {"prefixItems": [{"type": "string"}], "items": {"type": "null"}}
        }, "required": ["unsaid"]}),
        &[
            ": map",
            "pair: list max_items=2",
            "pair[]: integer or string",
            "prices: map",
            "prices[*]: decimal",
            "rules: map closed=yes",
            "rules[\"^a\"\"b\"]: list",
            "rules[\"^a\"\"b\"][]: list min_items=1",
            "triple: list",
            "triple[]: string or null",
            "unsaid!: bool or decimal or string or list or map or null",
        ],
    );
}

#[test]
fn alternatives_are_merged_as_what_they_let_through() {
    check(
        &json!({"oneOf": [
            {"type": "object", "properties": {"kind": {"const": "a"}, "x": {"type": "integer", "minimum": 1}},
             "required": ["kind", "x"], "additionalProperties": false},
            {"type": "object", "properties": {"kind": {"const": "b"}, "y": {"type": "string"}},
             "required": ["kind"], "additionalProperties": false},
            {"type": "string", "maxLength": 3},
            {"type": "null"}
        ]}),
        &[": string(3) or map or null closed=yes", "kind!: enum('a','b')", "x: integer min=1", "y: string"],
    );
    check(
        &json!({"allOf": [{"properties": {"a": {"type": ["integer", "null"]}}}, {"required": ["a"]},
            {"properties": {"a": {"type": "number", "maximum": 5}, "b": {"maxLength": 9}}}]}),
        &[": map", "a!: integer max=5", "b: string(9)"],
    );
    check(
        &json!({"type": ["object", "null"], "properties": {"a": {"type": "string"}, "b": {"type": "string"}},
            "anyOf": [{"required": ["a"]}, {"required": ["b"]}]}),
        &[": map or null", "a: string", "b: string"],
    );
    check(
        &json!({"anyOf": [{"type": "string", "maxLength": 3}, {"type": "string", "maxLength": 5}, {"type": "integer", "minimum": 2}]}),
        &[": integer or string(5) min=2"],
    );
}

#[test]
fn references_are_followed_until_they_lead_back() {
    check(
        &json!({"$id": "https://example.org/tree", "properties": {
            "root": {"$ref": "https://example.org/tree#/$defs/no%64e"},
            "leaf": {"$ref": "#leaf"}, "self": {"$ref": "#"}
        }, "$defs": {
            "node": {"type": "object", "properties": {"left": {"$ref": "#/$defs/node"}, "n": {"$ref": "#/$defs/n~1a"}}},
            "n/a": {"type": "integer"}, "l": {"$anchor": "leaf", "type": "boolean"}
        }}),
        &[
            ": map",
            "leaf: bool",
            "root: map",
            "root.left: map",
            "root.n: integer",
            "self: map",
            "self.leaf: bool",
            "self.root: map",
            "self.root.left: map",
            "self.root.n: integer",
            "self.self: bool or decimal or string or list or map or null",
        ],
    );
}

#[test]
fn what_is_no_schema_is_told_with_its_place_and_what_to_write() {
    let check_error = |text: &str, expected: &str| {
        assert_eq!(read(text).unwrap_err().to_string(), expected, "{text}");
    };
    check_error("{\n  \"type\" \"string\"}", "not JSON: expected `:`, at line 2 column 10");
    check_error("[]", "at `#`: this is no schema; write an object such as {\"type\": \"string\"}");
    check_error(
        r#"{"properties": {"a/b": {"type": "text"}}}"#,
        "at `#/properties/a~1b`: there is no type `text`; use null, boolean, integer, number, string, array \
         or object",
    );
    check_error(
        r#"{"items": [{"$ref": "other.json#/a"}]}"#,
        "at `#/items/0`: `other.json#/a` is not in this document; put what it means under `$defs` and refer \
         to it there",
    );
    check_error(
        r##"{"properties": {"a": {"$ref": "#/definitions/b"}}, "definitions": {"b": {"properties": 1}}}"##,
        "at `#/definitions/b`: `properties` must be an object of schemas",
    );
    check_error(r#"{"maxLength": -1}"#, "at `#`: `maxLength` must be a whole number that is not negative");
    check_error(r#"{"required": "a"}"#, "at `#`: `required` must be a list of names");
}

#[test]
fn a_document_that_would_blow_up_is_refused() {
    let doubling: serde_json::Map<String, Value> = (0..64)
        .map(|at| {
            let next = format!("#/$defs/d{}", at + 1);
            (format!("d{at}"), json!({"properties": {"x": {"$ref": next}, "y": {"$ref": next}}}))
        })
        .chain([("d64".to_owned(), json!({}))])
        .collect();
    let document = json!({"$ref": "#/$defs/d0", "$defs": doubling});
    let JsonSchemaError::At { problem, .. } = from_json(&document).unwrap_err() else { panic!() };
    assert!(matches!(problem, Problem::TooDeep | Problem::TooLarge), "{problem}");
    let long = "x".repeat(400_000);
    let names: serde_json::Map<String, Value> = (0..400).map(|at| (at.to_string(), json!({}))).collect();
    let below_a_long_name = json!({"properties": {long: {"properties": names}}});
    let JsonSchemaError::At { problem, .. } = from_json(&below_a_long_name).unwrap_err() else { panic!() };
    assert_eq!(problem, Problem::TooLarge);
    assert!(read(&"[".repeat(100_000)).is_err());
    assert!(read(&" ".repeat(BYTES_MAX + 1)).is_err());
}

#[test]
fn a_table_is_printed_as_what_its_rows_are_written_as() {
    use evercount_core::schema::{Field, FieldType, TypeSet};
    let field = |one: FieldType, required: bool| Field { required, ..Field::of(TypeSet::of(one)) };
    let schema = Schema {
        fields: [
            ("id", field(FieldType::Integer { bits: Some(64), unsigned: false }, true)),
            ("at", field(FieldType::Timestamp { zoned: true }, false)),
            ("tags", field(FieldType::StringSet, false)),
        ]
        .into_iter()
        .map(|(name, field)| (FieldPath::new(name), field))
        .collect(),
        key: Vec::new(),
    };
    assert_eq!(
        to_json_schema(&schema),
        json!({"$schema": "https://json-schema.org/draft/2020-12/schema", "type": "object", "required": ["id"],
        "properties": {
            "id": {"type": "integer", "format": "int64"},
            "at": {"type": "string", "format": "date-time"},
            "tags": {"type": "array", "uniqueItems": true, "items": {"type": "string"}}
        }})
    );
}

/// Documents of real keywords with right and wrong values.
fn document() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(json!(true)),
        Just(json!(null)),
        Just(json!(-3)),
        Just(json!(2)),
        Just(json!(1.5)),
        Just(json!(1e300)),
        Just(json!("string")),
        Just(json!("object")),
        Just(json!("#")),
        Just(json!("#/properties/a")),
        Just(json!(["integer", "null"])),
        Just(json!(["a", "b"])),
        Just(json!({})),
        Just(json!({"type": "string", "maxLength": 3})),
        Just(json!({"type": "object", "required": ["a"]})),
    ];
    leaf.prop_recursive(5, 60, 6, |inner| {
        let keyword = proptest::sample::select(vec![
            "type", "properties", "a", "b", "required", "items", "anyOf", "oneOf", "allOf", "$ref", "enum",
            "const", "additionalProperties", "patternProperties", "minimum", "maxLength", "pattern", "format",
            "$defs", "default", "nullable", "prefixItems", "minItems", "maxProperties", "multipleOf",
        ]);
        prop_oneof![
            3 => proptest::collection::btree_map(keyword, inner.clone(), 0..6).prop_map(|keywords| json!(keywords)),
            1 => proptest::collection::vec(inner, 0..4).prop_map(Value::Array),
        ]
    })
}

/// Documents that are schemas, for the most part.
fn sane() -> impl Strategy<Value = Value> {
    let name = || proptest::sample::select(vec!["a", "b", "c.d", "e\"f"]);
    let leaf = prop_oneof![
        Just(json!({})),
        Just(json!({"type": "string", "maxLength": 3, "default": "x"})),
        Just(json!({"type": ["string", "null"], "format": "date"})),
        Just(json!({"type": "integer", "minimum": 3})),
        Just(json!({"type": ["number", "boolean"]})),
        Just(json!({"enum": ["x", "y"]})),
        Just(json!({"enum": ["x", null]})),
        Just(json!({"enum": [1, "y"]})),
        Just(json!({"type": "array", "minItems": 1})),
        Just(json!({"$ref": "#"})),
    ];
    leaf.prop_recursive(4, 40, 4, move |inner| {
        let map = (
            proptest::collection::btree_map(name(), inner.clone(), 0..4),
            proptest::collection::btree_set(name(), 0..3),
            proptest::option::of(prop_oneof![Just(json!(false)), inner.clone()]),
        );
        prop_oneof![
            3 => map.prop_map(|(properties, required, rest)| {
                let mut schema = json!({"type": "object", "properties": properties, "required": required});
                if let (Some(rest), Some(schema)) = (rest, schema.as_object_mut()) {
                    schema.insert("additionalProperties".to_owned(), rest);
                }
                schema
            }),
            1 => inner.clone().prop_map(|items| json!({"type": "array", "items": items})),
            1 => proptest::collection::vec(inner.clone(), 1..3).prop_map(|all| json!({"anyOf": all})),
            1 => proptest::collection::vec(inner, 1..3).prop_map(|all| json!({"allOf": all})),
        ]
    })
}

proptest! {
    #[test]
    fn no_document_panics(document in document()) {
        if let Ok(schema) = from_json(&document) {
            let _ = from_json(&to_json_schema(&schema));
        }
    }

    #[test]
    fn no_text_panics(text in "[\\[\\]{}\":,a-z0-9 ]{0,40}") {
        let _ = read(&text);
    }

    #[test]
    fn what_was_read_reads_back_the_same(document in sane()) {
        let schema = from_json(&document).unwrap();
        let printed = to_json_schema(&schema);
        prop_assert_eq!(from_json(&printed).unwrap(), schema, "{}", printed);
    }
}
