//! What becomes of a row when a change of its item comes, in whatever order changes do.

#![expect(clippy::panic, reason = "a test may panic")]

use super::*;
use crate::change::{RowIdentity, RowKey, TableName};
use crate::order::LogRank;

fn change(version: OrderVersion, before: Option<&str>, after: Option<&str>) -> Change {
    let image = |status: &str| Item::from([("status".to_owned(), Value::String(status.to_owned()))]);
    Change {
        row: RowKey { table: TableName::new("orders"), identity: RowIdentity::Key("k".into()) },
        before: before.map(|of| image(of).into()),
        after: after.map(|of| image(of).into()),
        at: version.clock_micros().unwrap_or(0),
        version,
        whole: None,
    }
}

fn row(version: OrderVersion, before: Option<&str>, after: Option<&str>) -> LedgerRow {
    let (logic, mut memo) = (TableLogic::default(), TableMemo::default());
    match apply(None, &change(version, before, after), &logic, &mut memo, 0) {
        Ok(Transition::Applied(row, _)) => row,
        other => panic!("a first change is applied, not {other:?}"),
    }
}

/// A row at time 1,000,000 that went from A to B, and a change at another time.
fn check(at: Micros, before: &str, after: &str, expected: Arrival) {
    let row = row(OrderVersion::clock(0, 1_000_000), Some("A"), Some("B"));
    let change = change(OrderVersion::clock(0, at), Some(before), Some(after));
    assert_eq!(arrival(Some(&row), &change), expected, "{before} to {after} at {at}");
}

#[test]
fn beyond_the_skew_bound_the_later_time_wins() {
    check(1_100_000, "X", "Y", Arrival::Newer);
    check(900_000, "X", "Y", Arrival::Late);
}

#[test]
fn within_the_skew_bound_images_decide_or_nobody_does() {
    check(1_000_000, "A", "B", Arrival::Duplicate);
    check(1_050_000, "B", "C", Arrival::Newer);
    check(950_000, "X", "A", Arrival::Late);
    // At the very same time an item may have been B before.
    check(1_000_000, "B", "C", Arrival::Ambiguous);
    check(1_000_000, "X", "A", Arrival::Ambiguous);
    // Read from the source, where it is as the row has it; and where it is not.
    check(1_050_000, "B", "B", Arrival::Duplicate);
    check(950_000, "B", "B", Arrival::Duplicate);
    check(1_050_000, "X", "X", Arrival::Ambiguous);
    // It could be the next change or the one before.
    check(1_050_000, "B", "A", Arrival::Ambiguous);
    // It does not chain.
    check(1_050_000, "X", "Y", Arrival::Ambiguous);
    // It chains, but its clock says otherwise.
    check(950_000, "B", "C", Arrival::Ambiguous);
}

#[test]
fn within_the_skew_bound_item_versions_decide_what_images_do_not() {
    const STANDING: u64 = 500;
    let check = |at, item, before: Option<&str>, after: Option<&str>, expected| {
        let version = |at, item| OrderVersion::stamped(0, at, Some(crate::order::ItemVersion(item)));
        let row = row(version(1_000_000, STANDING), Some("A"), Some("B"));
        let change = change(version(at, item), before, after);
        assert_eq!(arrival(Some(&row), &change), expected, "{before:?} to {after:?} at {at}, {item}");
    };
    check(1_050_000, 600, Some("X"), Some("Y"), Arrival::Newer);
    check(1_050_000, 600, Some("B"), Some("A"), Arrival::Newer);
    check(950_000, 400, None, Some("X"), Arrival::Late);
    check(1_050_000, STANDING, Some("X"), None, Arrival::Newer);
    // An old copy written back, or a clock that was set back.
    check(1_050_000, 400, Some("X"), Some("Y"), Arrival::Ambiguous);
    check(950_000, 600, Some("X"), Some("Y"), Arrival::Ambiguous);
    check(1_000_000, 600, Some("X"), Some("Y"), Arrival::Ambiguous);
    check(1_050_000, STANDING, Some("X"), Some("Y"), Arrival::Ambiguous);
    // What images and clocks tell needs no version; at the very same time it does.
    check(1_050_000, 400, Some("B"), Some("C"), Arrival::Newer);
    check(1_000_000, 600, Some("B"), Some("C"), Arrival::Newer);
    check(1_000_000, 400, Some("X"), Some("A"), Arrival::Late);
    check(1_000_000, 400, Some("B"), Some("C"), Arrival::Ambiguous);
    check(1_000_000, STANDING, Some("B"), None, Arrival::Ambiguous);
    check(1_000_000, 400, None, Some("A"), Arrival::Ambiguous);
    // Beyond the bound clocks are believed.
    check(900_000, 600, Some("X"), Some("Y"), Arrival::Late);
}

/// Inserted, changed and deleted in one millisecond, and the insert delivered once more: it follows upon
/// the absence that the delete left.
#[test]
fn an_insert_that_is_delivered_again_does_not_bring_back_what_was_deleted_at_its_time() {
    let row = row(OrderVersion::clock(0, 1_000_000), Some("B"), None);
    let again = change(OrderVersion::clock(0, 1_000_000), None, Some("A"));
    assert_eq!(arrival(Some(&row), &again), Arrival::Ambiguous);
}

#[test]
fn doubt_is_sticky_until_a_change_later_than_all_of_it() {
    let mut doubtful = row(OrderVersion::clock(0, 1_000_000), Some("A"), Some("B"));
    doubtful.ambiguous = Some(OrderVersion::clock(0, 1_080_000));
    let at = |at| arrival(Some(&doubtful), &change(OrderVersion::clock(0, at), Some("B"), Some("C")));
    assert_eq!(at(1_120_000), Arrival::Ambiguous);
    assert_eq!(at(1_180_000), Arrival::Newer);
    assert_eq!(at(800_000), Arrival::Late);
}

#[test]
fn log_positions_decide_alone() {
    let at = |offset| OrderVersion::binlog(0, 1, offset, 0, LogRank::Change);
    let row = row(at(5), None, Some("A"));
    assert_eq!(arrival(Some(&row), &change(at(6), None, None)), Arrival::Newer);
    assert_eq!(arrival(Some(&row), &change(at(5), None, Some("A"))), Arrival::Duplicate);
    assert_eq!(arrival(Some(&row), &change(at(4), None, Some("Z"))), Arrival::Late);
    // Delete and create at one position, in either order: the row is there.
    assert_eq!(arrival(Some(&row), &change(at(5), None, None)), Arrival::Late);
}

#[test]
fn a_row_made_again_does_not_repeat_a_revision() {
    let at = |offset| OrderVersion::binlog(0, 1, offset, 0, LogRank::Change);
    let (first, again) = (row(at(5), None, Some("A")), row(at(9), None, Some("A")));
    assert_ne!(first.revision, again.revision);
}
