//! Stored items: golden samples of every shape, and laws.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test may panic")]
//! Items written by format 1 are read forever; what is written reads back.

use evercount_core::change::{ColumnCoding, RowIdentity, RowKey, TableEvent, TableName, TableShape, Told};
use evercount_core::chunk::{Control, Poison, Quarantined};
use evercount_core::counting::Cells;
use evercount_core::decimal::Decimal;
use evercount_core::definition::DefinitionName;
use evercount_core::group::{Cell, GroupId, GroupKey};
use evercount_core::lane::{LaneId, LaneState, SequenceNumber};
use evercount_core::ledger::LedgerRow;
use evercount_core::logic::{Coverage, LogicId, LogicState, LogicVersion};
use evercount_core::order::{Floor, LogRank, OrderVersion};
use evercount_core::path::Path;
use evercount_core::value::{Item, Value};
use proptest::prelude::*;

use super::*;
use crate::json::{dynamodb_json, read_dynamodb_item};

const AT: i64 = 1_769_851_800_123_456;

fn text(text: &str) -> Value {
    Value::String(text.to_owned())
}

fn named(attributes: &[(&str, Value)]) -> Item {
    attributes.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect()
}

fn logic_id() -> LogicId {
    LogicId::parse("orders_by_status#v0001").unwrap()
}

fn lane() -> LaneId {
    LaneId::of_shard("orders-cdc", "shardId-000000000000")
}

fn sequence() -> SequenceNumber {
    SequenceNumber::parse("49590338271490256608559692538361571095921575989136588898").unwrap()
}

fn cells() -> Cells {
    let group = Cell::Group(GroupKey::new(vec![
        (Path::column("status"), text("OPEN")),
        (Path::column("zip"), Value::Null),
    ]));
    [(group, 1), (Cell::Missing(2), 1), (Cell::Overflow, -3), (Cell::Uncertain, 1)].into()
}

fn registers() -> Cells {
    let group = Some(GroupId::of(&GroupKey::new(vec![(Path::column("status"), text("OPEN"))])));
    [
        (Cell::Register { group, register: 1_993, rank: 2 }, 1),
        (Cell::Register { group: None, register: 7, rank: 53 }, -1),
    ]
    .into()
}

fn row_key() -> RowKey {
    RowKey { table: TableName::new("orders"), identity: RowIdentity::Key(r#"{"id":"o-1"}"#.into()) }
}

fn row() -> LedgerRow {
    LedgerRow {
        version: OrderVersion::clock(0, AT),
        at: AT,
        present: true,
        contributions: [(logic_id(), cells())].into(),
        remembered: named(&[
            ("status", text("OPEN")),
            ("total", Value::Number("12.50".parse().unwrap())),
            ("wide", Value::Number("12345678901234567890123456789012345678901234567890.5".parse().unwrap())),
        ]),
        cut: false,
        before_digest: 0,
        after_digest: 11_637_065_788_934_290_290,
        ambiguous: None,
        expires_at: None,
        revision: 3,
    }
}

fn tombstone() -> LedgerRow {
    LedgerRow {
        version: OrderVersion::binlog(1, 3, 154, 0, LogRank::Change),
        present: false,
        contributions: Default::default(),
        remembered: Item::new(),
        cut: false,
        before_digest: 7,
        after_digest: 0,
        ambiguous: Some(OrderVersion::clock(1, AT + 5)),
        expires_at: Some(1_770_543_001_000_000),
        ..row()
    }
}

fn logic_version() -> LogicVersion {
    LogicVersion::new(
        1,
        crate::definition::build(crate::definition::DefinitionParts {
            name: "orders_by_status".to_owned(),
            table: "orders".to_owned(),
            group_by: vec!["status".to_owned()],
            filter: Some("total > 100".to_owned()),
            ..crate::definition::DefinitionParts::default()
        })
        .unwrap(),
        LogicState::Active,
        Coverage::Since(AT),
        AT,
    )
}

fn facts() -> TableFactsItem {
    TableFactsItem {
        table: TableName::new("shop.orders"),
        floor: Some(Floor::Time(AT)),
        shape: Some((AT, shape())),
        revision: 2,
    }
}

fn shape() -> TableShape {
    TableShape {
        key: vec!["id".to_owned()],
        columns: vec![
            ("total".to_owned(), ColumnCoding::UnscaledDecimal { scale: 2 }),
            ("photo".to_owned(), ColumnCoding::Binary),
            ("hits".to_owned(), ColumnCoding::Unsigned64),
        ],
    }
}

fn quarantined(raw: Vec<u8>) -> Quarantined {
    Quarantined {
        lane: lane(),
        sequence: sequence(),
        arrived_at: AT,
        poison: Poison {
            reason: "not_json".to_owned(),
            detail: "not JSON at line 1 column 1".to_owned(),
            table: None,
            raw,
            partition_key: Some("p-1".to_owned()),
        },
        affects: vec![logic_id()],
    }
}

fn control() -> Control {
    Control {
        lane: lane(),
        sequence: sequence(),
        event: TableEvent {
            table: TableName::new("shop.orders"),
            operation: "TRUNCATE".to_owned(),
            floor: Some(Floor::Version(OrderVersion::lsn(0, 99, 0, LogRank::Change))),
            shape: None,
            told: Told::default(),
            at: AT,
        },
        raw: b"{}".to_vec(),
    }
}

fn lane_state() -> LaneState {
    LaneState { sequence: Some(sequence()), fence: 2, records: 1_234, at: AT }
}

fn revision() -> Item {
    let mut item = revision_key().item();
    item.extend(named(&[
        ("entity", text("catalog revision")),
        ("format", Value::Number(Decimal::from(1))),
        ("revision", Value::Number(Decimal::from(7))),
    ]));
    item
}

/// One golden item of each shape, with what is written today.
fn shapes() -> Vec<(&'static str, &'static str, Item)> {
    let position =
        RowKey { table: TableName::new("log#1"), identity: RowIdentity::Position("bin.3:154:0".into()) };
    vec![
        (
            "ledger row",
            include_str!("../../tests/golden/items_v1/ledger_row.json"),
            ledger_item(&row_key(), &row()),
        ),
        (
            "tombstone",
            include_str!("../../tests/golden/items_v1/tombstone.json"),
            ledger_item(&position, &tombstone()),
        ),
        (
            "counter item",
            include_str!("../../tests/golden/items_v1/counter.json"),
            counter_item(&logic_id(), &lane(), 7, &cells()),
        ),
        (
            "counter item of a distinct count",
            include_str!("../../tests/golden/items_v1/counter_distinct.json"),
            counter_item(&logic_id(), &lane(), 8, &registers()),
        ),
        (
            "checkpoint",
            include_str!("../../tests/golden/items_v1/checkpoint.json"),
            checkpoint_item(&lane(), &lane_state()),
        ),
        ("revision", include_str!("../../tests/golden/items_v1/revision.json"), revision()),
        (
            "logic version",
            include_str!("../../tests/golden/items_v1/logic_version_2.json"),
            logic_item(&logic_version()),
        ),
        ("lane", include_str!("../../tests/golden/items_v1/lane.json"), lane_entry_item(&lane())),
        (
            "table facts",
            include_str!("../../tests/golden/items_v1/table_facts.json"),
            table_facts_item(&facts()),
        ),
        (
            "quarantined record",
            include_str!("../../tests/golden/items_v1/quarantined.json"),
            quarantined_items(&quarantined(b"oops".to_vec())).item,
        ),
        (
            "control record",
            include_str!("../../tests/golden/items_v1/control.json"),
            control_items(&control(), 0).item,
        ),
    ]
}

#[test]
fn items_of_format_1_are_written_as_their_golden_samples() {
    for (name, golden, written) in shapes() {
        assert_eq!(read_dynamodb_item(golden).unwrap(), written, "{name}: {}", dynamodb_json(&written));
    }
}

#[test]
fn items_of_format_1_are_read_forever() {
    let golden = |wanted: &str| {
        let found = shapes().into_iter().find(|(name, ..)| *name == wanted);
        read_dynamodb_item(found.map(|(_, golden, _)| golden).unwrap()).unwrap()
    };
    assert_eq!(ledger_from_item(&golden("ledger row")).unwrap(), (row_key(), row()));
    let (key, stored) = ledger_from_item(&golden("tombstone")).unwrap();
    assert_eq!((key.table.as_str(), key.identity.as_str()), ("log#1", "bin.3:154:0"));
    assert_eq!(stored, tombstone());
    let counter = CounterItem { lane: lane(), bucket: 7, cells: cells() };
    assert_eq!(counter_from_item(&golden("counter item")).unwrap(), Some(counter));
    let counter = CounterItem { lane: lane(), bucket: 8, cells: registers() };
    assert_eq!(counter_from_item(&golden("counter item of a distinct count")).unwrap(), Some(counter));
    assert_eq!(checkpoint_from_item(&golden("checkpoint")).unwrap(), lane_state());
    assert_eq!(catalog_revision(&golden("revision")).unwrap(), 7);
    assert_eq!(logic_version_from_item(&golden("revision")).unwrap(), None);
    assert_eq!(logic_version_from_item(&golden("logic version")).unwrap(), Some(logic_version()));
    // As releases before format 2 of the logic wrote it.
    let first = include_str!("../../tests/golden/items_v1/logic_version.json");
    let first = read_dynamodb_item(first).unwrap();
    assert_eq!(logic_version_from_item(&first).unwrap(), Some(logic_version()));
    assert_eq!(lane_entry_from_item(&golden("lane")).unwrap(), lane());
    assert_eq!(table_facts_from_item(&golden("table facts")).unwrap(), facts());
    assert_eq!(
        quarantined_from_items(&golden("quarantined record"), &[]).unwrap(),
        quarantined(b"oops".to_vec())
    );
    assert_eq!(control_from_items(&golden("control record"), &[]).unwrap(), control());
}

#[test]
fn what_is_wrong_with_an_item_is_named() {
    fn check(break_it: impl FnOnce(&mut Item), expected: &str) {
        let mut item = ledger_item(&row_key(), &row());
        break_it(&mut item);
        assert_eq!(ledger_from_item(&item).unwrap_err().to_string(), expected);
    }
    let set = |name: &'static str, value: Value| {
        move |item: &mut Item| {
            item.insert(name.to_owned(), value);
        }
    };
    check(
        set("format", Value::Number(Decimal::from(2))),
        "an item of format `2`, and this reader knows formats up to 1",
    );
    check(|item| drop(item.remove("version")), "attribute `version` is missing");
    check(set("version", Value::Binary(vec![0, 0, 9])), "attribute `version` is not an order version");
    check(set("present", text("true")), "attribute `present` is not a boolean");
    check(set("after_digest", Value::Binary(vec![1])), "attribute `after_digest` is not a digest of 8 bytes");
    check(
        set("revision", Value::Number("1.5".parse().unwrap())),
        "attribute `revision` is not a whole number",
    );
    check(set("at", text("yesterday")), "attribute `at` is not a time such as `2026-01-31T09:30:00.000000Z`");
    check(
        set("table", text("other")),
        r#"the key `orders#{"id":"o-1"}` is not that of the item's attributes"#,
    );
    let unknown_cell = named(&[(
        "orders_by_status#v0001",
        Value::Map(named(&[("sketch 4", Value::Number(Decimal::from(1)))])),
    )]);
    check(set("counted", Value::Map(unknown_cell)), "attribute `counted` is not cells by logic version");
}

#[test]
fn attributes_added_later_do_no_harm() {
    let mut item = ledger_item(&row_key(), &row());
    item.insert("schema".to_owned(), text("9f3a"));
    assert_eq!(ledger_from_item(&item).unwrap(), (row_key(), row()));
    let mut item = counter_item(&logic_id(), &lane(), 0, &cells());
    item.insert("sketch 4".to_owned(), Value::Binary(vec![1]));
    assert_eq!(counter_from_item(&item).unwrap().unwrap().cells, cells());
}

#[test]
fn a_long_key_is_cut_and_its_row_still_known() {
    let identity = |tail: &str| RowIdentity::Key(format!(r#"{{"id":"{}{tail}"}}"#, "ä".repeat(1_200)).into());
    let key = |tail: &str| RowKey { table: TableName::new("orders"), identity: identity(tail) };
    assert!(ledger_key(&key("1")).len() < LEDGER_KEY_BYTES_MAX);
    assert_ne!(ledger_key(&key("1")), ledger_key(&key("2")));
    assert_eq!(ledger_from_item(&ledger_item(&key("1"), &row())).unwrap().0, key("1"));

    let mut collided = ledger_item(&key("1"), &row());
    collided.insert("pk".to_owned(), text(&ledger_key(&key("2"))));
    assert!(matches!(ledger_from_item(&collided), Err(ItemError::KeyMismatch { .. })));
}

#[test]
fn rows_of_different_tables_never_share_a_key() {
    let key =
        |table: &str, identity: RowIdentity| ledger_key(&RowKey { table: TableName::new(table), identity });
    let of_key = |table: &str, text: &str| key(table, RowIdentity::Key(text.into()));
    let of_position = |table: &str, text: &str| key(table, RowIdentity::Position(text.into()));
    assert_ne!(of_key("a", "b#c"), of_key("a#b", "c"));
    assert_ne!(of_position("a", "b@c"), of_position("a@b", "c"));
    assert_ne!(of_key("a@b", "c"), of_position("a", "b#c"));
    assert_ne!(of_key("a%23", "c"), of_key("a#", "c"));
}

#[test]
fn a_lane_whose_name_looks_like_a_counter_of_another_is_not_taken_for_it() {
    let inner = LaneId::named("a#00001");
    let counter = counter_from_item(&counter_item(&logic_id(), &inner, 2, &Cells::new())).unwrap().unwrap();
    assert_eq!((counter.lane, counter.bucket), (inner.clone(), 2));
    assert_eq!(counter_from_item(&checkpoint_key(&inner).item()), Ok(None));
}

#[test]
fn quarantined_records_sort_by_sequence_number_and_parts_after_their_record() {
    let key = |digits: &str| quarantine_key(&lane(), &SequenceNumber::parse(digits).unwrap());
    assert!(key("9") < key("10"));
    assert!(key("10") < part_key(&key("10"), 1) && part_key(&key("10"), 2) < part_key(&key("10"), 10));
    assert!(part_key(&key("10"), 9_999) < key("11"));
}

#[test]
fn raw_bytes_of_any_size_come_back_whole() {
    for bytes in [0, 1, RAW_INLINE_BYTES_MAX, RAW_INLINE_BYTES_MAX + 1, 1_100_000] {
        let raw: Vec<u8> = (0..bytes).map(|n| (n % 251) as u8).collect();
        let stored = quarantined_items(&quarantined(raw.clone()));
        assert!(stored.parts.iter().chain([&stored.item]).all(|item| size_bytes(item) < ITEM_BYTES_MAX));
        assert_eq!(raw_parts(&stored.item).unwrap(), stored.parts.len());
        let shuffled: Vec<Item> = stored.parts.iter().rev().cloned().collect();
        assert_eq!(quarantined_from_items(&stored.item, &shuffled).unwrap(), quarantined(raw));
        if let Some((_, rest)) = shuffled.split_first() {
            let missing = ItemError::MissingPart { part: stored.parts.len() };
            assert_eq!(quarantined_from_items(&stored.item, rest), Err(missing));
        }
    }
}

#[test]
fn a_lane_that_was_only_fenced_has_taken_nothing() {
    let mut item = checkpoint_key(&lane()).item();
    assert_eq!(checkpoint_from_item(&item).unwrap(), LaneState::default());
    item.insert("fence".to_owned(), Value::Number(Decimal::from(4)));
    assert_eq!(checkpoint_from_item(&item).unwrap(), LaneState { fence: 4, ..LaneState::default() });
}

#[test]
fn times_sort_as_text_and_times_off_the_calendar_are_kept() {
    let order = [0, 1, 999_999, 1_000_000, AT, AT + 1].map(time_value);
    assert!(order.is_sorted());
    for at in [i64::MIN, i64::MAX, -1, AT] {
        let state = LaneState { at, ..lane_state() };
        assert_eq!(checkpoint_from_item(&checkpoint_item(&lane(), &state)).unwrap(), state);
    }
}

#[test]
fn a_definition_is_told_in_one_sentence() {
    let Some(Value::String(summary)) = logic_item(&logic_version()).remove("summary") else {
        panic!("no summary")
    };
    assert_eq!(
        summary,
        "Counts the items of orders where total > 100 by status; this version is active and covers rows changed \
         since 2026-01-31T09:30:00.123456Z."
    );
    assert!(DefinitionName::parse("orders_by_status").is_some());
}

fn values() -> impl Strategy<Value = Value> {
    let number = ("[0-9]{1,60}", -200i64..200, any::<bool>())
        .prop_map(|(digits, exponent, negative)| Decimal::from_digits(negative, &digits, exponent).unwrap());
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::Bool),
        number.clone().prop_map(Value::Number),
        ".{0,12}".prop_map(Value::String),
        prop::collection::vec(any::<u8>(), 0..8).prop_map(Value::Binary),
        prop::collection::btree_set(".{0,4}", 0..3).prop_map(Value::StringSet),
        prop::collection::btree_set(number, 0..3).prop_map(Value::NumberSet),
        prop::collection::btree_set(prop::collection::vec(any::<u8>(), 0..3), 0..3)
            .prop_map(Value::BinarySet),
    ];
    leaf.prop_recursive(34, 40, 3, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..3).prop_map(Value::List),
            prop::collection::btree_map(".{0,4}", inner, 0..3).prop_map(Value::Map),
        ]
    })
}

fn versions() -> impl Strategy<Value = OrderVersion> {
    prop_oneof![
        (any::<u16>(), any::<i64>()).prop_map(|(epoch, at)| OrderVersion::clock(epoch, at)),
        (any::<u16>(), any::<u64>(), any::<u32>()).prop_map(|(e, lsn, sub)| OrderVersion::lsn(
            e,
            lsn,
            sub,
            LogRank::Change
        )),
        (any::<u16>(), any::<i64>()).prop_map(|(epoch, at)| OrderVersion::load(epoch, at)),
    ]
}

fn any_cells() -> impl Strategy<Value = Cells> {
    let group = prop::collection::vec(("[a-z. ]{1,6}", values()), 0..3).prop_map(|parts| {
        Cell::Group(GroupKey::new(
            parts.into_iter().map(|(name, value)| (Path::column(name), value)).collect(),
        ))
    });
    let register = (any::<Option<u64>>(), 0_u16..4_096, 1_u8..=53)
        .prop_map(|(group, register, rank)| Cell::Register { group: group.map(GroupId), register, rank });
    let missing = any::<u16>().prop_map(Cell::Missing);
    let cell = prop_oneof![group, Just(Cell::Overflow), Just(Cell::Uncertain), missing, register];
    prop::collection::btree_map(cell, any::<i64>(), 0..4)
}

fn keys() -> impl Strategy<Value = RowKey> {
    let identity = prop_oneof![
        ".{0,40}".prop_map(|text| RowIdentity::Key(text.into())),
        ".{400,600}".prop_map(|text| RowIdentity::Key(text.into())),
        ".{0,40}".prop_map(|text| RowIdentity::Position(text.into())),
    ];
    ("[a-z#@%~.]{1,9}", identity)
        .prop_map(|(table, identity)| RowKey { table: TableName::new(table), identity })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn every_ledger_row_reads_back_as_itself(
        key in keys(),
        (version, ambiguous) in (versions(), prop::option::of(versions())),
        (at, present, cut, revision) in (any::<i64>(), any::<bool>(), any::<bool>(), any::<u64>()),
        digests: (u64, u64),
        cells in prop::collection::btree_map(1u32..9_999, any_cells(), 0..3),
        remembered in prop::collection::btree_map(".{0,6}", values(), 0..4),
        seconds in prop::option::of(-9_000_000_000i64..9_000_000_000),
    ) {
        let definition = DefinitionName::parse("orders-1").unwrap();
        let row = LedgerRow {
            version,
            at,
            present,
            contributions: cells
                .into_iter()
                .map(|(number, cells)| (LogicId { definition: definition.clone(), number }, cells))
                .collect(),
            remembered,
            cut,
            before_digest: digests.0,
            after_digest: digests.1,
            ambiguous,
            expires_at: seconds.map(|seconds| seconds * 1_000_000),
            revision,
        };
        let item = ledger_item(&key, &row);
        prop_assert_eq!(ledger_from_item(&item).unwrap(), (key.clone(), row.clone()));
        // What DynamoDB gives back is what it was sent: every attribute is one it can hold.
        let through = read_dynamodb_item(&dynamodb_json(&item)).unwrap();
        prop_assert_eq!(ledger_from_item(&through).unwrap(), (key, row));
    }
}
