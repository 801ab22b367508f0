//! The contract of a store: rules that every implementation of [`evercount_pipeline::ports`] keeps. Each
//! rule is a function that runs against a fresh store and panics where the store breaks it, so
//! the in-memory store that the simulation runs on is as honest as the one on DynamoDB.

mod adjustments;
mod audits;
mod catalog;
mod commits;
mod forecasts;
pub mod counted;
pub mod functions;
mod lineage;
mod records;
mod registry;
mod rows;
pub mod shadow;
mod usage;

pub use adjustments::*;
pub use audits::*;
pub use catalog::*;
pub use commits::*;
pub use forecasts::*;
pub use lineage::*;
pub use records::*;
pub use registry::*;
pub use rows::*;
pub use usage::*;

use evercount_core::change::{RowIdentity, RowKey, TableName};
use evercount_core::chunk::{CellMove, Commit, LaneAdvance, Poison, Quarantined, RowWrite};
use evercount_core::counting::Cells;
use evercount_core::definition::{CountDefinition, DefinitionName, GROUPS_MAX_DEFAULT};
use evercount_core::group::{Cell, GroupKey};
use evercount_core::lane::{LaneId, LaneState, SequenceNumber};
use evercount_core::ledger::LedgerRow;
use evercount_core::logic::LogicId;
use evercount_core::order::OrderVersion;
use evercount_core::path::Path;
use evercount_core::value::{Item, Value};

/// Hands the names of all rules to a macro: `every_rule!(on_memory)` becomes
/// `on_memory! { rule, rule, … }`.
#[macro_export]
macro_rules! every_rule {
    ($run:ident) => {
        $run! {
            a_commit_is_all_or_nothing,
            a_commit_of_nothing_but_a_checkpoint_advances_the_lane,
            a_commit_of_nothing_is_one,
            a_commit_with_a_stale_checkpoint_conflicts,
            a_first_commit_conflicts_where_the_lane_has_begun,
            a_fence_makes_a_prepared_commit_conflict,
            a_fence_before_the_first_commit_is_seen,
            a_commit_without_a_checkpoint_leaves_the_lane_alone,
            a_replayed_commit_changes_nothing,
            of_two_commits_at_once_from_one_checkpoint_one_wins,
            a_transaction_takes_100_actions_and_no_more,
            cells_add_up_over_lanes_and_counter_items,
            an_overflow_that_went_back_to_zero_is_still_told,
            cells_of_lanes_with_names_alike_are_kept_apart,
            lanes_at_once_lose_nothing,
            every_registered_lane_is_listed_with_its_state,
            a_row_comes_back_as_it_was_written,
            a_row_written_from_a_stale_revision_conflicts,
            rows_of_odd_identities_are_kept_apart,
            many_rows_are_read_at_once_and_missing_ones_left_out,
            rows_of_a_table_are_paged_through_once_each,
            rows_may_be_forgotten_while_they_are_paged_through,
            releasing_twice_conflicts,
            quarantined_records_are_listed_oldest_first,
            large_raw_records_come_back_whole,
            a_record_put_aside_again_replaces_itself,
            records_that_concern_no_count_are_put_aside,
            control_records_of_one_stream_record_do_not_collide,
            a_later_floor_stands,
            the_newest_shape_stands,
            floors_and_shapes_do_not_disturb_each_other,
            the_catalog_is_told_only_when_it_changed,
            a_version_is_created_once,
            a_version_is_updated_only_from_what_is_stored,
            a_deleted_definition_is_gone_and_its_number_is_not_reused,
            an_edit_is_all_or_nothing,
            an_edit_of_no_logic_leaves_the_revision,
            an_edit_of_too_much_is_rejected,
            adjustments_come_back_as_they_were_written,
            an_adjustment_is_replaced_only_from_its_revision,
            an_adjustment_of_any_length_comes_back_whole,
            the_trail_is_in_the_order_of_time,
            policies_come_back_as_they_were_set,
            the_last_cut_at_or_before_a_time_is_found,
            the_catalog_knows_the_shapes_that_are_adopted,
            a_retired_parent_of_a_live_version_is_drained,
            a_derived_version_comes_back_as_it_was_written,
            evidence_comes_back_as_it_was_tallied,
            deleted_cells_are_gone_and_others_are_not,
            a_deleted_definition_leaves_its_trail_and_no_doubt,
            a_batch_is_counted_once_however_often_it_is_delivered,
            a_registration_is_all_or_nothing,
            a_watch_is_moved_on_only_from_what_is_stored,
            a_subject_is_changed_only_from_what_is_stored,
            a_schema_version_is_registered_once,
            an_event_is_entered_once,
            of_two_registrations_at_once_one_wins,
            a_wide_schema_comes_back_whole,
            a_registration_of_too_much_is_rejected,
            versions_are_listed_beyond_one_page,
            watches_are_listed_beyond_one_page,
            a_replaced_version_expires_and_the_current_one_does_not,
            subjects_are_listed_by_name,
            a_history_is_in_the_order_of_what_happened,
            a_held_change_replaces_itself,
            producers_add_up_over_lanes_and_a_telling_repeated_adds_nothing,
            many_producers_are_told_at_once,
            a_later_acknowledgement_stands,
            acknowledgements_at_once_lose_nothing,
            sketches_are_found_by_field_and_window,
            sketches_expire,
            written_migrations_come_back_and_are_replaced_only_from_their_revision,
            a_prediction_comes_back_as_it_was_written,
            a_prediction_is_replaced_only_from_its_revision,
            a_forecast_commit_is_all_or_nothing,
            past_predictions_are_kept_with_their_table,
            documents_come_back_as_they_were_given,
            usage_adds_up_by_day_and_attribute,
            usage_is_a_tables_own,
            usage_told_at_once_loses_nothing,
            a_document_beyond_the_limits_is_rejected,
            the_last_audit_of_each_count_stands,
        }
    };
}

const AT: i64 = 1_769_851_800_123_456;

fn lane(name: &str) -> LaneId {
    LaneId::of_shard("orders-cdc", name)
}

fn sequence(n: u64) -> SequenceNumber {
    SequenceNumber::parse(&n.to_string()).unwrap()
}

fn state(n: u64, fence: u64) -> LaneState {
    LaneState { sequence: Some(sequence(n)), fence, records: n, at: AT + n as i64 }
}

fn advance(from: LaneState, to: LaneState) -> Option<LaneAdvance> {
    Some(LaneAdvance { from, to })
}

fn logic(name: &str, number: u32) -> LogicId {
    LogicId { definition: DefinitionName::parse(name).unwrap(), number }
}

fn definition(name: &str) -> CountDefinition {
    CountDefinition {
        name: DefinitionName::parse(name).unwrap(),
        table: TableName::new("orders"),
        group_by: vec![Path::column("status")],
        filter: None,
        distinct: None,
        groups_max: GROUPS_MAX_DEFAULT,
        headroom: evercount_core::definition::Headroom::default(),
    }
}

fn group(text: &str) -> Cell {
    Cell::Group(GroupKey::new(vec![(Path::column("status"), Value::String(text.to_owned()))]))
}

fn move_of(logic: &LogicId, bucket: u32, cells: &[(Cell, i64)]) -> CellMove {
    CellMove { logic: logic.clone(), bucket, cells: cells.iter().cloned().collect() }
}

fn cells(of: &[(Cell, i64)]) -> Cells {
    of.iter().cloned().collect()
}

fn key(text: &str) -> RowKey {
    key_of("orders", text)
}

fn key_of(table: &str, text: &str) -> RowKey {
    RowKey { table: TableName::new(table), identity: RowIdentity::Key(text.into()) }
}

fn row(revision: u64) -> LedgerRow {
    LedgerRow {
        version: OrderVersion::clock(0, AT),
        at: AT,
        present: true,
        contributions: [(logic("orders_by_status", 1), cells(&[(group("OPEN"), 1)]))].into(),
        remembered: Item::from([("status".to_owned(), Value::String("OPEN".to_owned()))]),
        cut: false,
        before_digest: 0,
        after_digest: u64::MAX,
        ambiguous: None,
        expires_at: None,
        revision,
    }
}

fn write(key: RowKey, expected_revision: Option<u64>, row: Option<LedgerRow>) -> RowWrite {
    RowWrite { key, expected_revision, row }
}

fn rows_commit(rows: Vec<RowWrite>) -> Commit {
    Commit { rows, ..Commit::empty(lane("a")) }
}

fn quarantined(lane: &LaneId, n: u64, raw: Vec<u8>) -> Quarantined {
    Quarantined {
        lane: lane.clone(),
        sequence: sequence(n),
        arrived_at: AT,
        poison: Poison {
            reason: "not_json".to_owned(),
            detail: "not JSON at line 1 column 1".to_owned(),
            table: Some(TableName::new("orders")),
            raw,
            partition_key: None,
        },
        affects: vec![logic("orders_by_status", 1)],
    }
}
