//! Golden samples of derived versions, adjustments, their trail and policies, and of cuts: what
//! is written today is written so, and what was written so is read forever.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

use evercount_core::adjustment::{
    AdjustmentPlan, Cause, Certificate, Class, LogicUpdate, MinimumEvidence, Partitions, PlanCost, Start,
};
use evercount_core::adoption::{Adjustment, PlanOutcome, PlanPolicy, PolicyBook, Progress, TrailEntry};
use evercount_core::change::TableName;
use evercount_core::definition::{CountDefinition, DefinitionName};
use evercount_core::group::{Cell, GroupKey};
use evercount_core::lane::{LaneId, LaneState};
use evercount_core::logic::{
    AdoptedShape, Base, Coverage, LogicId, LogicState, LogicVersion, PlanId, Relation,
};
use evercount_core::migration::{Action, Step};
use evercount_core::order::{LogRank, OrderVersion};
use evercount_core::path::Path;
use evercount_core::schema::{FieldPath, FieldType, TypeSet};
use evercount_core::schema_change::{ChangeKind, Evidence, SchemaChange, Typed};
use evercount_core::transform::Transform;
use evercount_core::value::{Item, Value};
use evercount_core::verdict::{Census, Compared, ShadowReport};

use super::*;
use crate::definition::{DefinitionParts, build};
use crate::json::{dynamodb_json, read_dynamodb_item};

const AT: i64 = 1_769_851_800_123_456;

fn definition(attribute: &str) -> CountDefinition {
    build(DefinitionParts {
        name: "open_orders".to_owned(),
        table: "shop.orders".to_owned(),
        group_by: vec![attribute.to_owned()],
        filter: Some("closed_at IS MISSING".to_owned()),
        headroom: vec!["payment".to_owned()],
        headroom_truth: true,
        ..DefinitionParts::default()
    })
    .unwrap()
}

fn rename() -> Action {
    Action::Rename { from: Path::column("status"), to: Path::column("state") }
}

fn migration() -> Vec<Step> {
    vec![Step { action: rename(), until: Some(OrderVersion::binlog(0, 3, 154, 0, LogRank::Change)) }]
}

fn transform() -> Transform {
    Transform {
        actions: vec![rename()],
        keep: None,
        group_by: vec![Path::column("state"), Path::column("payment")],
        atoms: vec![Some(0)],
    }
}

fn version() -> LogicVersion {
    LogicVersion {
        base: Base::Derived { parent: 1, transform: transform() },
        migration: migration(),
        relation: Relation::Mapped,
        parent: Some(1),
        plan: Some(PlanId::new("9a3e5c1f00b2d417")),
        earlier_tables: vec![TableName::new("shop.order")],
        suspended: vec![(1, Path::column("region"))],
        epoch: 1,
        ..LogicVersion::new(2, definition("state"), LogicState::Active, Coverage::Whole, AT)
    }
}

fn adjustment() -> Adjustment {
    let text =
        || Typed { types: TypeSet([FieldType::String { max_length: Some(40) }].into()), declared: None };
    Adjustment {
        plan: AdjustmentPlan {
            id: PlanId::new("9a3e5c1f00b2d417"),
            definition: DefinitionName::parse("open_orders").unwrap(),
            table: TableName::new("shop.orders"),
            from: 1,
            cause: Cause::Schema {
                event: "4b0c8f1d2e3a5967".to_owned(),
                changes: vec![SchemaChange {
                    kind: ChangeKind::RenameColumn {
                        column: FieldPath::column("status"),
                        to: FieldPath::column("state"),
                        typed: text(),
                        previous: text(),
                    },
                    evidence: Evidence::Declared {
                        statement: "ALTER TABLE orders RENAME COLUMN status TO state".to_owned(),
                    },
                }],
                position: Some(OrderVersion::binlog(0, 3, 154, 0, LogRank::Change)),
                at: AT,
            },
            class: Class::A1,
            update: Some(LogicUpdate {
                definition: definition("state"),
                migration: migration(),
                start: Start::Image(transform()),
                earlier_tables: Vec::new(),
                suspended: Vec::new(),
            }),
            certificate: Certificate::Exact(transform()),
            affected: Partitions::None,
            estimate: PlanCost { cpu_seconds: 0.02, ledger_rows: 1_000, seconds: 0.5, ..PlanCost::default() },
            relation: Relation::Mapped,
            minimum: MinimumEvidence { census: true, changes: 0 },
            sentence: "Column `status` goes on as `state`: the counts stand.".to_owned(),
            assumptions: Vec::new(),
            choices: Vec::new(),
        },
        policy: PlanPolicy::Auto,
        outcome: PlanOutcome::Watching,
        to: Some(2),
        report: ShadowReport {
            census: Census {
                complete: true,
                rows: 1_000,
                compared: Compared { agreed: 1_000, ..Compared::default() },
                ..Census::default()
            },
            is_whole: true,
            ..ShadowReport::default()
        },
        verdict: None,
        progress: Progress { done: true, visited: 1_000, started_at: AT, ..Progress::default() },
        actual: PlanCost { cpu_seconds: 0.01, ledger_rows: 1_000, seconds: 0.25, ..PlanCost::default() },
        mismatches: 0,
        created_at: AT,
        updated_at: AT + 1_000_000,
        revision: 3,
    }
}

fn trail() -> TrailEntry {
    TrailEntry {
        at: AT,
        definition: DefinitionName::parse("open_orders").unwrap(),
        what: "promoted".to_owned(),
        version: Some(2),
        plan: Some(PlanId::new("9a3e5c1f00b2d417")),
        summary: "Version 2 took over: 1000 comparisons agree.".to_owned(),
    }
}

fn book() -> PolicyBook {
    let mut book = PolicyBook::default();
    book.by_table.insert(TableName::new("shop.orders"), PlanPolicy::Approve);
    book.by_kind.insert((TableName::new("shop.orders"), "drop_column".to_owned()), PlanPolicy::Freeze);
    book
}

fn adopted() -> (TableName, AdoptedShape) {
    let columns = ["id".to_owned(), "state".to_owned()].into();
    (TableName::new("shop.orders"), AdoptedShape { version: 3, columns, declared: true })
}

fn cut() -> CutItem {
    let open = GroupKey::new(vec![(Path::column("state"), Value::String("OPEN".to_owned()))]);
    CutItem {
        logic: LogicId::parse("open_orders#v0002").unwrap(),
        at: AT,
        lanes: [(
            LaneId::of_shard("orders-cdc", "shardId-000000000000"),
            LaneState { sequence: None, fence: 1, records: 5, at: AT },
        )]
        .into(),
        cells: [(Cell::Group(open), 41), (Cell::Overflow, 1), (Cell::Missing(0), 2)].into(),
    }
}

fn check(name: &str, golden: &str, written: &Item) -> Item {
    let golden = read_dynamodb_item(golden).unwrap_or_default();
    assert_eq!(golden, *written, "{name}: {}", dynamodb_json(written));
    golden
}

#[test]
fn a_derived_version_is_written_and_read_as_its_golden_sample() {
    let golden = include_str!("../../tests/golden/items_v1/logic_version_derived.json");
    let golden = check("derived version", golden, &logic_item(&version()));
    assert_eq!(logic_version_from_item(&golden), Ok(Some(version())));
    let golden = include_str!("../../tests/golden/items_v1/adopted_shape.json");
    let (table, shape) = adopted();
    let golden = check("adopted shape", golden, &adopted_item(&table, &shape));
    assert_eq!(adopted_from_item(&golden), Ok(Some((table, shape))));
    assert_eq!(logic_version_from_item(&golden), Ok(None));
}

#[test]
fn an_adjustment_is_written_and_read_as_its_golden_sample() {
    let golden = include_str!("../../tests/golden/items_v1/adjustment.json");
    let AdjustmentItems { item, parts } = adjustment_items(&adjustment(), Some(&definition("status")));
    assert!(parts.is_empty());
    let golden = check("adjustment", golden, &item);
    assert_eq!(adjustments_from_items(&[golden]), Ok(vec![adjustment()]));
    let golden = include_str!("../../tests/golden/items_v1/plan.json");
    let golden = check("plan", golden, &plan_entry_item(&adjustment()));
    assert_eq!(plan_entry_from_item(&golden), Ok(adjustment().plan.definition));
    let golden = include_str!("../../tests/golden/items_v1/trail.json");
    let golden = check("trail entry", golden, &trail_item(&trail(), 0));
    assert_eq!(trail_from_item(&golden), Ok(trail()));
}

#[test]
fn policies_and_cuts_are_written_and_read_as_their_golden_samples() {
    let golden = include_str!("../../tests/golden/items_v1/policies.json");
    let golden = check("policies", golden, &policies_item(&book()));
    assert_eq!(policies_from_item(&golden), Ok(book()));
    let golden = include_str!("../../tests/golden/items_v1/cut.json");
    let golden = check("cut", golden, &cut_items(&cut()).0);
    assert_eq!(cut_from_items(&golden, &[]), Ok(cut()));
}
