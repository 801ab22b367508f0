//! What holds for every adjustment, policy and cut: what is stored reads back, whatever it holds
//! and however long it is.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "a test may panic")]

mod strategies;

use evercount_core::adoption::{PolicyBook, TrailEntry};
use evercount_core::backfill::{Allowance, Place};
use evercount_core::definition::DefinitionName;
use evercount_core::group::{Cell, GroupId, Outcome};
use evercount_core::lane::{LaneId, LaneState, SequenceNumber};
use evercount_core::logic::{LogicId, PlanId};
use evercount_core::value::{Item, Value};
use evercount_wire::adjustment::{AdjustmentJsonError, from_json, to_json};
use evercount_wire::items::*;
use evercount_wire::json::{dynamodb_json, read_dynamodb_item};
use evercount_wire::policy;
use proptest::collection::{btree_map, vec};
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use strategies::{adjustment, book, definition, group, version};

/// What DynamoDB gives back is what it was sent: every attribute is one it can hold.
fn through(item: &Item) -> Item {
    read_dynamodb_item(&dynamodb_json(item)).unwrap()
}

fn one<T>(strategy: impl Strategy<Value = T>) -> T {
    strategy.new_tree(&mut TestRunner::deterministic()).unwrap().current()
}

fn cells() -> impl Strategy<Value = evercount_core::counting::Cells> {
    let cell = prop_oneof![
        group().prop_map(Cell::Group),
        Just(Cell::Overflow),
        Just(Cell::Uncertain),
        any::<u16>().prop_map(Cell::Missing),
        (any::<Option<u64>>(), 0_u16..4_096, 1_u8..=53).prop_map(|(group, register, rank)| {
            Cell::Register { group: group.map(GroupId), register, rank }
        }),
        any::<Option<u64>>()
            .prop_map(|group| Cell::Evidence { outcome: Outcome::Explained, group: group.map(GroupId) }),
    ];
    btree_map(cell, any::<i64>(), 0..5)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn an_adjustment_reads_back_from_its_stored_form(adjustment in adjustment()) {
        let stored = to_json(&adjustment).to_string();
        prop_assert_eq!(from_json(&serde_json::from_str(&stored).unwrap()), Ok(adjustment));
    }

    #[test]
    fn an_adjustment_reads_back_from_its_items(adjustment in adjustment(), was in definition()) {
        let AdjustmentItems { item, parts } = adjustment_items(&adjustment, Some(&was));
        prop_assert!(size_bytes(&item) < ITEM_BYTES_MAX);
        let items: Vec<Item> = parts.iter().chain([&item]).map(through).collect();
        prop_assert_eq!(adjustments_from_items(&items), Ok(vec![adjustment]));
    }

    #[test]
    fn a_logic_version_reads_back_from_its_item(version in version()) {
        let item = through(&logic_item(&version));
        prop_assert_eq!(logic_version_from_item(&item), Ok(Some(version)));
    }

    #[test]
    fn policies_read_back_from_their_stored_form_and_item(book in book()) {
        let stored = policy::to_json(&book).to_string();
        prop_assert_eq!(policy::from_json(&serde_json::from_str(&stored).unwrap()), Ok(book.clone()));
        prop_assert_eq!(policies_from_item(&through(&policies_item(&book))), Ok(book));
    }

    #[test]
    fn a_trail_entry_reads_back_and_sorts_by_time(
        (at, later) in (0i64..250_000_000_000_000_000, 1i64..1_000_000_000),
        (what, summary, nth) in (".{0,9}", ".{0,9}", 0usize..100),
        (version, plan) in (any::<Option<u32>>(), any::<bool>()),
    ) {
        let definition = DefinitionName::parse("orders_by_status").unwrap();
        let plan = plan.then(|| PlanId::new("9a3e"));
        let entry = TrailEntry { at, definition, what, version, plan, summary };
        let item = trail_item(&entry, nth);
        prop_assert_eq!(trail_from_item(&through(&item)), Ok(entry.clone()));
        let next = trail_item(&TrailEntry { at: at + later, ..entry }, 0);
        prop_assert!(text(&item, "sk") < text(&next, "sk"));
    }

    #[test]
    fn a_cut_reads_back_from_its_items(
        cells in cells(),
        lanes in btree_map("[a-z#/ é]{1,9}", (any::<u64>(), any::<u64>(), any::<i64>()), 0..3),
        at in any::<i64>(),
    ) {
        let lanes = lanes.into_iter().map(|(name, (fence, records, at))| {
            let sequence = SequenceNumber::parse("49590338271490256608559692538361571095921575989136588898");
            (LaneId::named(&name), LaneState { sequence, fence, records, at })
        });
        let logic = LogicId::parse("orders_by_status#v0002").unwrap();
        let cut = CutItem { logic, at, lanes: lanes.collect(), cells };
        let (item, parts) = cut_items(&cut);
        prop_assert!(parts.is_empty());
        prop_assert_eq!(cut_from_items(&through(&item), &[]), Ok(cut));
    }
}

fn text<'a>(item: &'a Item, name: &str) -> &'a str {
    match item.get(name) {
        Some(Value::String(text)) => text,
        other => panic!("{name} is {other:?}"),
    }
}

#[test]
fn an_adjustment_of_any_length_comes_back_whole() {
    let mut long = one(adjustment());
    long.plan.assumptions = vec!["größer ".repeat(80_000), "x".repeat(1_000_000)];
    let AdjustmentItems { item, parts } = adjustment_items(&long, None);
    assert!(parts.len() > 3);
    let mut items: Vec<Item> = parts.into_iter().rev().chain([item]).collect();
    assert!(items.iter().all(|item| size_bytes(item) < ITEM_BYTES_MAX));
    assert_eq!(adjustments_from_items(&items), Ok(vec![long.clone()]));
    // Another writing of it is not mixed with this one.
    items[0].insert("revision".to_owned(), Value::Number(0.into()));
    if long.revision != 0 {
        assert!(matches!(adjustments_from_items(&items), Err(ItemError::MissingPart { .. })));
    }
    items.remove(0);
    assert!(matches!(adjustments_from_items(&items), Err(ItemError::MissingPart { .. })));
}

#[test]
fn a_cut_of_any_size_comes_back_whole() {
    let cells = (0..20_000).map(|n: i64| {
        let key = vec![(evercount_core::path::Path::column("customer"), Value::String(format!("c-{n:030}")))];
        (Cell::Group(evercount_core::group::GroupKey::new(key)), n - 5)
    });
    let logic = LogicId::parse("orders_by_customer#v0001").unwrap();
    let cut = CutItem { logic, at: 5, lanes: Default::default(), cells: cells.collect() };
    let (item, parts) = cut_items(&cut);
    assert!(parts.len() > 1);
    assert!(parts.iter().chain([&item]).all(|item| size_bytes(item) < ITEM_BYTES_MAX));
    assert_eq!(cut_part_keys(&item).unwrap().len(), parts.len());
    let shuffled: Vec<Item> = parts.iter().rev().cloned().collect();
    assert_eq!(cut_from_items(&item, &shuffled), Ok(cut.clone()));
    assert!(cut_from_items(&item, &shuffled[1..]).is_err());
    let other = CutItem { cells: [(Cell::Overflow, 1)].into(), ..cut };
    assert_ne!(text(&cut_items(&other).0, "parts_sk"), text(&item, "parts_sk"));
}

#[test]
fn a_form_that_is_not_fully_understood_is_refused() {
    let mut stored = to_json(&one(adjustment()));
    stored["because"] = serde_json::json!(1);
    assert!(from_json(&stored).unwrap_err().to_string().contains("because"));
    stored["format"] = serde_json::json!(3);
    assert_eq!(from_json(&stored), Err(AdjustmentJsonError::Format("3".to_owned())));
    let mut stored = policy::to_json(&PolicyBook::default());
    stored["format"] = serde_json::json!(7);
    assert!(policy::from_json(&stored).unwrap_err().to_string().contains("`7`"));
    let mut item = policies_item(&PolicyBook::default());
    item.insert("policies".to_owned(), Value::String(stored.to_string()));
    assert!(policies_from_item(&item).unwrap_err().is_newer());
    stored["format"] = serde_json::json!(1);
    stored["class"] = serde_json::json!({ "A9": "auto" });
    assert!(policy::from_json(&stored).unwrap_err().to_string().contains("`A9`"));
}

/// An earlier release reads every plan but those whose source is being read in segments.
#[test]
fn only_a_backfill_under_way_is_of_the_later_format() {
    let mut of = one(adjustment());
    (of.progress.segments, of.progress.allowance) = (Vec::new(), Allowance::default());
    assert_eq!(to_json(&of)["format"], 1);
    of.progress.segments = vec![Place::End, Place::Start];
    assert_eq!(to_json(&of)["format"], 2);
}

#[test]
fn what_people_read_of_an_adjustment_is_in_attributes_of_their_own() {
    let mut of = one(adjustment());
    let was = one(definition());
    of.plan.sentence = "Column `status` goes on as `state`: counts stand.".to_owned();
    (of.plan.from, of.to) = (1, Some(2));
    (of.plan.class, of.outcome) =
        (evercount_core::adjustment::Class::A1, evercount_core::adoption::PlanOutcome::AwaitingApproval);
    of.created_at = 1_769_851_800_123_456;
    let item = adjustment_items(&of, Some(&was)).item;
    assert_eq!(
        text(&item, "summary"),
        "orders_by_status v0001 to v0002 (A1, awaiting approval): Column `status` goes on as `state`: counts stand."
    );
    assert_eq!(text(&item, "pk"), "adjustment#orders_by_status");
    assert_eq!(text(&item, "sk"), format!("2026-01-31T09:30:00.123456Z#{}", of.plan.id));
    let lines = evercount_wire::definition::definition_lines(&was);
    assert!(matches!(item.get("was"), Some(Value::List(list)) if list.len() == lines.len()));
    for name in ["explained", "unexplained", "estimate", "actual", "policy", "certificate", "updated_at"] {
        assert!(item.contains_key(name), "{name}");
    }
    assert!(!adjustment_items(&of, None).item.contains_key("was"));
}

#[test]
fn an_edit_is_there_when_all_it_wrote_is() {
    let versions: Vec<Item> = vec(version(), 3)
        .new_tree(&mut TestRunner::deterministic())
        .unwrap()
        .current()
        .iter()
        .map(logic_item)
        .collect();
    let mut revision = revision_key().item();
    revision.insert("edited".to_owned(), Value::Map(edited(&versions)));
    let all: Vec<Item> = versions.iter().cloned().chain([revision.clone()]).collect();
    assert_eq!(is_edited(&all), Ok(true));
    assert_eq!(is_edited(&all[1..]), Ok(false));
    let mut old = all.clone();
    old[0].insert("logic".to_owned(), Value::String("{}".to_owned()));
    assert_eq!(is_edited(&old), Ok(false));
    // A release that notes nothing is believed.
    assert_eq!(is_edited(&versions), Ok(true));
    assert_eq!(is_edited(&[revision_key().item()]), Ok(true));
}
