//! The stored form of predicates: its exact shape, and how strictly it is read.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

use evercount_wire::predicate::{from_json, parse, to_json};
use serde_json::{Value, json};

#[test]
fn the_stored_form_of_every_node_stays_as_it_is() {
    let predicate = parse(
        "status = 'ACTIVE' AND NOT (size(tags) <> 2 OR \"user-id\" < b.c[0] OR 3 >= total) AND kind IN ('a', 1, TRUE) \
         AND total BETWEEN -1.50 AND 99999999999999999999999999999999999999 AND a IS NULL AND shipped_at IS NOT MISSING \
         AND begins_with(name, X'00ff') AND contains(tags, <<2, 1>>) AND attribute_type(total, 'N') \
         AND m > 1 AND n <= 2 AND o = [{'x': NULL}, <<'s'>>, <<X'01'>>]",
    )
    .unwrap();
    let stored = to_json(&predicate);
    assert_eq!(from_json(&stored), Ok(predicate));
    insta::assert_snapshot!(serde_json::to_string_pretty(&stored).unwrap());
}

#[test]
fn a_field_or_a_node_that_is_not_known_is_refused() {
    let refused = |json: Value, message: &str| {
        let error = from_json(&json).unwrap_err().to_string();
        assert!(error.contains(message), "{json}: {error}");
    };
    refused(json!({"is_null": "a", "is_missing": "a"}), "single");
    refused(json!({"xor": []}), "xor");
    refused(json!({"begins_with": {"path": "a", "prefix": {"S": "x"}, "fold": true}}), "fold");
    refused(json!({"begins_with": {"path": "a"}}), "prefix");
    refused(json!({"compare": {"left": {"path": "a"}, "op": "~", "right": {"literal": {"N": "1"}}}}), "`~`");
    refused(json!({"attribute_type": {"path": "a", "type": "X"}}), "`X`");
    refused(json!({"is_null": "a..b"}), "a..b");
    refused(json!({"contains": {"path": "a", "value": {"N": "one"}}}), "one");
    refused(json!({"contains": {"path": "a", "value": {"B": "?"}}}), "base64");
    refused(json!({"contains": {"path": "a", "value": {"SS": ["x", "x"]}}}), "twice");
    refused(json!({"contains": {"path": "a", "value": {"NULL": false}}}), "NULL");
    refused(json!([]), "not a stored predicate");
}

#[test]
fn what_text_could_not_say_is_refused_from_storage_too() {
    let refused = |json: Value, message: &str| {
        let error = from_json(&json).unwrap_err().to_string();
        assert!(error.contains(message), "{json}: {error}");
    };
    refused(json!({"and": [{"is_null": "a"}]}), "fewer than two");
    refused(json!({"or": []}), "fewer than two");
    refused(json!({"in": {"operand": {"path": "a"}, "values": []}}), "empty IN");
    refused(json!({"in": {"operand": {"path": "a"}, "values": [{"NULL": true}]}}), "NULL");
    refused(json!({"contains": {"path": "a", "value": {"NS": []}}}), "empty set");
    refused(json!({"contains": {"path": "a", "value": {"S": "x".repeat(1025)}}}), "1025 bytes");
    refused(
        json!({"compare": {"left": {"literal": {"N": "1"}}, "op": "=", "right": {"literal": {"N": "1"}}}}),
        "constant",
    );
    let deep = (0..32).fold(json!({"is_null": "a"}), |inner, _| json!({"not": inner}));
    refused(deep, "deeper than 32");
    let wide: Vec<Value> = (0..128).map(|_| json!({"is_null": "a"})).collect();
    refused(json!({"or": wide}), "more than 256 nodes");
    let long: Vec<Value> = (0..4).map(|i| json!({"is_null": format!("{i}{}", "x".repeat(70_000))})).collect();
    refused(json!({"or": long}), "more than 262144 bytes");
}
