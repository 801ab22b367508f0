//! The stored form of logic versions.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may panic")]

mod strategies;

use evercount_core::change::TableName;
use evercount_core::definition::CountDefinition;
use evercount_core::logic::{Base, Coverage, LogicState, LogicVersion, PlanId, Relation};
use evercount_core::migration::{Action, Conversion, Step};
use evercount_core::order::{LogRank, OrderVersion};
use evercount_core::path::Path;
use evercount_core::transform::Transform;
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
        ..DefinitionParts::default()
    })
    .unwrap()
}

fn version(state: LogicState, coverage: Coverage, created_at: i64) -> LogicVersion {
    LogicVersion::new(3, definition(), state, coverage, created_at)
}

fn stored() -> Value {
    to_json(&version(LogicState::Active, Coverage::Since(1_769_851_800_000_000), 1_769_851_800_123_456))
}

/// Everything that a version can have.
fn derived() -> LogicVersion {
    let path = |text: &str| Path::parse(text).unwrap();
    let number = |text: &str| evercount_core::value::Value::Number(text.parse().unwrap());
    let mut version = version(LogicState::Shadow, Coverage::Whole, 1_769_851_800_123_456);
    version.definition.headroom.attributes = vec![path("payment.kind")];
    version.definition.headroom.truth = true;
    let rename = Action::Rename { from: path("country"), to: path("address.country") };
    let until = OrderVersion::binlog(0, 3, 154, 0, LogRank::Change);
    let convert =
        Action::Convert { path: path("zip"), conversion: Conversion::ToText { max_length: Some(5) } };
    LogicVersion {
        base: Base::Derived {
            parent: 2,
            transform: Transform {
                actions: vec![rename.clone()],
                keep: version.definition.filter.clone(),
                group_by: version.definition.dimensions(),
                atoms: vec![Some(0), None],
            },
        },
        migration: vec![
            Step { action: rename, until: Some(until) },
            Step { action: convert, until: None },
            Step { action: Action::Default { path: path("n"), value: number("1.50") }, until: None },
        ],
        relation: Relation::MappedWhileEarlier,
        parent: Some(2),
        plan: Some(PlanId::new("9a3e5c1f00b2d417")),
        earlier_tables: vec![TableName::new("shop.order")],
        suspended: vec![(1, path("region"))],
        epoch: 1,
        state_since: 1_769_851_860_000_000,
        ..version
    }
}

#[test]
fn the_stored_form_stays_as_it_is() {
    insta::assert_snapshot!(serde_json::to_string_pretty(&stored()).unwrap());
}

#[test]
fn the_stored_form_of_a_derived_version_stays_as_it_is() {
    insta::assert_snapshot!(serde_json::to_string_pretty(&to_json(&derived())).unwrap());
}

/// As every release before format 2 wrote it.
const OF_FORMAT_1: &str = r#"{"coverage":{"since":"2026-01-31T09:30:00Z"},"created_at":"2026-01-31T09:30:00.123456Z",
    "distinct":"customer","format":1,"group_by":["address.country","\"user.id\""],"groups_max":500,
    "name":"active_orders","number":3,"predicate":{"and":[{"compare":{"left":{"path":"status"},"op":"=",
    "right":{"literal":{"S":"ACTIVE"}}}},{"is_missing":"shipped_at"}]},"state":"active",
    "table":"shop.orders","where":"status = 'ACTIVE' AND shipped_at IS MISSING"}"#;

#[test]
fn format_1_is_read_with_what_was_not_there_yet_left_out() {
    let old: Value = serde_json::from_str(OF_FORMAT_1).unwrap();
    let version = version(LogicState::Active, Coverage::Since(1_769_851_800_000_000), 1_769_851_800_123_456);
    assert_eq!(from_json(&old), Ok(version.clone()));
    assert_eq!((version.base, version.epoch, version.state_since), (Base::Own, 0, version.created_at));
    for (name, value) in [
        ("base", json!("own")),
        ("headroom_truth", json!(true)),
        ("epoch", json!(0)),
        ("migration", json!([])),
    ] {
        let mut mixed = old.clone();
        mixed[name] = value;
        let error = from_json(&mixed).unwrap_err().to_string();
        assert!(error.contains(&format!("format 1 has no `{name}`")), "{error}");
    }
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
    assert_eq!(changed("format", json!(3)), LogicJsonError::Format("3".to_owned()));
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
        ("base", Value::Null, "no `base`"),
        ("base", json!("borrowed"), "borrowed"),
        (
            "base",
            json!({"derived": {"parent": 3, "transform": {"actions": [], "group_by": [], "atoms": []}}}),
            "version 3 is derived from version 3",
        ),
        ("base", json!({"derived": {"parent": 2, "transform": {"actions": [], "group_by": []}}}), "atoms"),
        ("migration", json!([{"action": {"drop": "a["}}]), "path `a[`"),
        ("migration", json!([{"action": {"split": "a"}}]), "split"),
        ("migration", json!([{"action": {"drop": "a"}, "until": "zz"}]), "not an order version"),
        ("migration", json!([{"action": {"drop": "a"}, "sometimes": true}]), "sometimes"),
        ("relation", json!("cousin"), "`cousin`"),
        ("epoch", Value::Null, "no `epoch`"),
        ("state_since", json!("then"), "`then`"),
        ("headroom", json!(["a["]), "path `a[`"),
    ] {
        let error = changed(key, value).to_string();
        assert!(error.contains(message), "{key}: {error}");
    }
    assert!(from_json(&json!({})).unwrap_err().to_string().contains("no `format`"));
    assert!(from_json(&json!([1])).is_err());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn a_logic_version_reads_back_from_its_stored_form(version in strategies::version()) {
        let stored = to_json(&version).to_string();
        prop_assert_eq!(from_json(&serde_json::from_str(&stored).unwrap()), Ok(version));
    }
}
