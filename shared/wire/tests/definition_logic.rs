//! The stored form of logic versions.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may panic")]

use evercount_core::definition::CountDefinition;
use evercount_core::logic::{Coverage, LogicId, LogicState, LogicVersion};
use evercount_wire::definition::{DefinitionParts, build};
use evercount_wire::logic::{LogicJsonError, from_json, to_json};
use proptest::prelude::*;
use serde_json::{Value, json};

fn definition() -> CountDefinition {
    build(DefinitionParts {
        name: "active_orders".to_owned(),
        table: "shop.orders".to_owned(),
        group_by: vec!["address.country".to_owned(), "\"user.id\"".to_owned()],
        filter: Some("status = 'ACTIVE' AND shipped_at IS MISSING".to_owned()),
        distinct: Some("customer".to_owned()),
        groups_max: Some(500),
    })
    .unwrap()
}

fn version(state: LogicState, coverage: Coverage, created_at: i64) -> LogicVersion {
    let definition = definition();
    let id = LogicId { definition: definition.name.clone(), number: 3 };
    LogicVersion { id, state, definition, coverage, created_at }
}

fn stored() -> Value {
    to_json(&version(LogicState::Active, Coverage::Since(1_769_851_800_000_000), 1_769_851_800_123_456))
}

#[test]
fn the_stored_form_stays_as_it_is() {
    insta::assert_snapshot!(serde_json::to_string_pretty(&stored()).unwrap());
}

#[test]
fn a_count_of_everything_has_neither_where_nor_predicate() {
    let mut version = version(LogicState::Shadow, Coverage::Whole, 0);
    (version.definition.filter, version.definition.distinct) = (None, None);
    let stored = to_json(&version);
    assert_eq!(stored.get("where"), None);
    assert_eq!(stored.get("predicate"), None);
    assert_eq!(stored["coverage"], json!("whole"));
    assert_eq!(from_json(&stored), Ok(version));
}

#[test]
fn an_edited_where_changes_nothing() {
    let mut edited = stored();
    edited["where"] = json!("status = 'GONE'");
    assert_eq!(from_json(&edited).unwrap().definition, definition());
}

#[test]
fn a_form_that_is_not_fully_understood_is_refused() {
    let changed = |key: &str, value: Value| {
        let mut changed = stored();
        changed[key] = value;
        from_json(&changed).unwrap_err()
    };
    assert_eq!(changed("format", json!(2)), LogicJsonError::Format("2".to_owned()));
    assert_eq!(changed("format", json!("1")), LogicJsonError::Format("\"1\"".to_owned()));
    for (key, value, message) in [
        ("sampling", json!(0.5), "sampling"),
        ("state", json!("sleeping"), "`sleeping`"),
        ("name", json!("no name"), "`name`"),
        ("table", json!(""), "`table`"),
        ("group_by", json!(["a", "a"]), "twice"),
        ("distinct", json!("a["), "`distinct`"),
        ("groups_max", json!(0), "cap of 0"),
        ("coverage", json!("half"), "half"),
        ("coverage", json!({"since": "yesterday"}), "`yesterday`"),
        ("created_at", json!(5), "string"),
        ("number", json!(-1), "number"),
        ("predicate", json!({"is_null": ""}), "not a stored predicate"),
        ("predicate", Value::Null, "no `predicate`"),
    ] {
        let error = changed(key, value).to_string();
        assert!(error.contains(message), "{key}: {error}");
    }
    assert!(from_json(&json!({})).unwrap_err().to_string().contains("no `format`"));
    assert!(from_json(&json!([1])).is_err());
}

proptest! {
    #[test]
    fn a_logic_version_reads_back_from_its_stored_form(
        state in prop::sample::select(LogicState::ALL.map(|(state, _)| state).to_vec()),
        since in prop::option::of(-60_000_000_000_000_000i64..250_000_000_000_000_000),
        created_at in -60_000_000_000_000_000i64..250_000_000_000_000_000,
    ) {
        let version = version(state, since.map_or(Coverage::Whole, Coverage::Since), created_at);
        let stored = to_json(&version).to_string();
        prop_assert_eq!(from_json(&serde_json::from_str(&stored).unwrap()), Ok(version));
    }
}
