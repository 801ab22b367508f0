//! Placement is decided in core, and what an item weighs is the wire format's: here both meet.

#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a test may panic and prints its figures")]

use std::collections::BTreeMap;

use evercount_core::counting::Cells;
use evercount_core::definition::DefinitionName;
use evercount_core::group::{Cell, GroupKey};
use evercount_core::lane::LaneId;
use evercount_core::logic::LogicId;
use evercount_core::path::Path;
use evercount_core::placement::{Placement, SORT_KEY_BYTES, WRITE_UNIT_BYTES};
use evercount_core::value::Value;
use evercount_wire::items::{counter_item, size_bytes};

/// The bytes of the items that cells are placed in, all but the last one, with counts of ten digits.
fn full_items(logic: &LogicId, lane: &LaneId, cells: impl Iterator<Item = Cell>) -> Vec<usize> {
    let mut placement = Placement::default();
    let mut items: BTreeMap<u32, Cells> = BTreeMap::new();
    for cell in cells {
        items.entry(placement.place(logic, &cell)).or_default().insert(cell, -9_876_543_211);
    }
    items.pop_last();
    items.iter().map(|(bucket, cells)| size_bytes(&counter_item(logic, lane, *bucket, cells))).collect()
}

/// The parts of the group of a number.
type Parts = fn(u32) -> Vec<(&'static str, String)>;

/// An update bills the whole item: one that is over a unit costs two for each write of any of its
/// cells, and one that is half full makes for twice as many items.
#[test]
fn a_full_counter_item_is_one_write_unit() {
    let lane = LaneId::of_shard("orders-cdc-of-the-shop-in-production", "shardId-000000000000");
    assert!(format!("{lane}#00000").len() <= SORT_KEY_BYTES);
    let one = |name: &str, text: String| (Path::column(name), Value::String(text));
    let shapes: [(&str, Parts); 4] = [
        ("short", |n| vec![("s", format!("{n}"))]),
        ("two_attributes", |n| {
            vec![("status", format!("STATUS-{}", n % 7)), ("city", format!("city of {n}"))]
        }),
        ("quotes", |n| vec![("note", format!("\"{n}\" \\ \u{1} Łódź"))]),
        ("a_name_that_is_as_long_as_names_of_definitions_may_be_which_is64", |n| {
            vec![("country", format!("country {n}"))]
        }),
    ];
    for (name, parts) in shapes {
        let logic = LogicId { definition: DefinitionName::parse(name).unwrap(), number: 1 };
        let cell = |n: u32| {
            Cell::Group(GroupKey::new(parts(n).into_iter().map(|(name, text)| one(name, text)).collect()))
        };
        let items = full_items(&logic, &lane, (0..500).map(cell));
        let (least, most) = (items.iter().min().unwrap(), items.iter().max().unwrap());
        println!("{name}: {} full items of {least} to {most} bytes", items.len());
        assert!(*most <= WRITE_UNIT_BYTES, "{name}: {most} bytes");
        assert!(*least >= WRITE_UNIT_BYTES * 4 / 5, "{name}: {least} bytes");
    }
}
