//! Distinct counts from changes to readings: planned, added up and read without any store.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may panic")]

use std::collections::BTreeMap;

use evercount_core::change::{Change, RowIdentity, RowKey, TableName};
use evercount_core::chunk::{self, Content, Delivery, Facts, Hints, Mode};
use evercount_core::counting::{self, Cells};
use evercount_core::definition::{CountDefinition, DefinitionName};
use evercount_core::group::{Cell, GroupId, GroupKey};
use evercount_core::lane::{LaneId, LaneState, SequenceNumber};
use evercount_core::ledger::LedgerRow;
use evercount_core::logic::{Catalog, Coverage, LogicState, LogicVersion};
use evercount_core::order::{LogRank, OrderVersion};
use evercount_core::path::Path;
use evercount_core::reading::{Doubt, Exactness, Reading};
use evercount_core::value::{Item, Value};

/// A lane that counts the customers of orders by status, in memory.
struct Lane {
    catalog: Catalog,
    logic: LogicVersion,
    state: LaneState,
    rows: BTreeMap<RowKey, LedgerRow>,
    cells: Cells,
    hints: Hints,
    ledger: bool,
    position: u64,
}

fn order(status: &str, customer: Option<&str>) -> Item {
    let text = |text: &str| Value::String(text.to_owned());
    let customer = customer.map_or(Value::Null, text);
    [("status".to_owned(), text(status)), ("customer".to_owned(), customer)].into()
}

fn group(status: &str) -> GroupKey {
    GroupKey::new(vec![(Path::column("status"), Value::String(status.to_owned()))])
}

impl Lane {
    fn new(ledger: bool, groups_max: u32) -> Self {
        let definition = CountDefinition {
            name: DefinitionName::parse("customers").unwrap(),
            table: TableName::new("orders"),
            group_by: vec![Path::column("status")],
            filter: None,
            distinct: Some(Path::column("customer")),
            groups_max,
            headroom: evercount_core::definition::Headroom::default(),
        };
        let logic = LogicVersion::new(1, definition, LogicState::Active, Coverage::Whole, 0);
        Self {
            catalog: Catalog::new(1, [logic.clone()], []),
            logic,
            state: LaneState::default(),
            rows: BTreeMap::new(),
            cells: Cells::new(),
            hints: Hints::default(),
            ledger,
            position: 0,
        }
    }

    fn change(&mut self, key: &str, before: Option<&Item>, after: Option<&Item>) {
        self.position += 1;
        let change = Change {
            row: RowKey { table: TableName::new("orders"), identity: RowIdentity::Key(key.into()) },
            before: before.cloned().map(Into::into),
            after: after.cloned().map(Into::into),
            version: OrderVersion::binlog(0, 1, self.position, 0, LogRank::Change),
            at: 0,
            whole: None,
        };
        let delivery = Delivery {
            sequence: SequenceNumber::parse(&self.position.to_string()).unwrap(),
            arrived_at: 0,
            bytes: 100,
            content: Content::Changes(vec![change]),
        };
        let mode = if self.ledger { Mode::Ledger { loaded: &self.rows } } else { Mode::Lane };
        let floors = BTreeMap::new();
        let facts = Facts { catalog: &self.catalog, floors: &floors, tombstone_expires_at: 0 };
        let lane = LaneId::named("lane");
        let chunk = chunk::plan(mode, &[delivery], &lane, &self.state, &facts, &mut self.hints);
        self.state = chunk.commit.advance.unwrap().to;
        for write in chunk.commit.rows {
            self.rows.insert(write.key, write.row.unwrap());
        }
        chunk.commit.moves.iter().for_each(|one| counting::add_cells(&mut self.cells, &one.cells, 1));
    }

    fn read(&self) -> Reading {
        Reading::sum(self.logic.clone(), self.cells.clone(), BTreeMap::new(), false)
    }
}

/// Reads items and distinct customers, `(n, distinct)`, by group and in total.
fn check(lane: &Lane, groups: &[(&str, i64, u64)], total: (i64, u64)) {
    let reading = lane.read();
    let distinct = reading.distinct.as_ref().unwrap();
    let read: Vec<_> =
        reading.groups.iter().map(|(key, n)| (key.clone(), *n, distinct.groups[key].n)).collect();
    let expected: Vec<_> = groups.iter().map(|(status, n, values)| (group(status), *n, *values)).collect();
    assert_eq!(read, expected);
    assert_eq!((reading.total, distinct.total.n), total);
    assert!(reading.is_exact(), "the items are exact, whatever is estimated beside them");
    assert!(distinct.total.error > 0.016, "an estimate says its error");
}

#[test]
fn distinct_counts_follow_updates_and_deletes_in_either_mode() {
    for ledger in [true, false] {
        let mut lane = Lane::new(ledger, 100);
        let (ann, bob) = (order("OPEN", Some("ann")), order("OPEN", Some("bob")));
        lane.change("1", None, Some(&ann));
        lane.change("2", None, Some(&ann));
        lane.change("3", None, Some(&bob));
        check(&lane, &[("OPEN", 3, 2)], (3, 2));
        // She still has another order.
        lane.change("1", Some(&ann), None);
        check(&lane, &[("OPEN", 2, 2)], (2, 2));
        let paid = order("PAID", Some("bob"));
        lane.change("4", None, Some(&paid));
        // The total is of the union: bob is in both groups.
        check(&lane, &[("OPEN", 2, 2), ("PAID", 1, 1)], (3, 2));
        lane.change("2", Some(&ann), Some(&bob));
        check(&lane, &[("OPEN", 2, 1), ("PAID", 1, 1)], (3, 1));
        lane.change("4", Some(&paid), None);
        check(&lane, &[("OPEN", 2, 1)], (2, 1));
        lane.change("2", Some(&bob), None);
        lane.change("3", Some(&bob), None);
        check(&lane, &[], (0, 0));
        assert_eq!(lane.cells, Cells::new(), "nothing is left of the group");
    }
}

#[test]
fn an_item_without_a_value_counts_as_an_item_and_adds_no_value() {
    let mut lane = Lane::new(true, 100);
    let mut absent = order("PAID", None);
    absent.remove("customer");
    lane.change("1", None, Some(&order("OPEN", None)));
    lane.change("2", None, Some(&order("OPEN", Some("ann"))));
    lane.change("3", None, Some(&absent));
    check(&lane, &[("OPEN", 2, 1), ("PAID", 1, 0)], (3, 1));
}

#[test]
fn groups_beyond_the_cap_share_one_sketch_and_the_total_is_as_good_as_ever() {
    for ledger in [true, false] {
        let mut lane = Lane::new(ledger, 1);
        let bob = order("LATE", Some("bob"));
        lane.change("1", None, Some(&order("OPEN", Some("ann"))));
        lane.change("2", None, Some(&order("PAID", Some("ann"))));
        lane.change("3", None, Some(&bob));
        lane.change("4", None, Some(&order("LATE", Some("cid"))));
        let reading = lane.read();
        let distinct = reading.distinct.clone().unwrap();
        assert_eq!((reading.total, reading.overflow), (4, 3));
        assert_eq!(distinct.groups[&group("OPEN")].n, 1);
        assert_eq!((distinct.overflow.n, distinct.total.n), (3, 3));
        assert_eq!(reading.exactness, Exactness::Inexact(vec![Doubt::Overflow]));
        lane.change("3", Some(&bob), None);
        assert_eq!(lane.read().distinct.unwrap().overflow.n, 2);
        let named = Some(GroupId::of(&group("OPEN")));
        let of_others =
            |cell: &Cell| matches!(cell, Cell::Register { group, .. } if group.is_some() && *group != named);
        assert!(!lane.cells.keys().any(of_others), "no group beyond the cap has cells of its own");
    }
}

#[test]
fn a_cap_on_groups_is_not_used_up_by_their_registers() {
    let mut lane = Lane::new(true, 3);
    for n in 0..200 {
        let status = ["OPEN", "PAID", "LATE"][n % 3];
        lane.change(&n.to_string(), None, Some(&order(status, Some(&format!("customer {n}")))));
    }
    let reading = lane.read();
    assert_eq!((reading.overflow, reading.groups.len()), (0, 3));
    let n = reading.distinct.unwrap().total.n;
    assert!((194..=206).contains(&n), "{n}");
}
