//! Rules of edits of the catalog, adjustments, their trail and policies, and of cuts.

use std::collections::BTreeSet;

use evercount_core::adjustment::{
    AdjustmentPlan, Cause, Certificate, Choice, Class, LogicUpdate, MinimumEvidence, Partitions, PlanCost,
    Start,
};
use evercount_core::adoption::{Adjustment, PlanOutcome, PlanPolicy, PolicyBook, Progress, TrailEntry};
use evercount_core::change::TableName;
use evercount_core::chunk::{ACTIONS_MAX, Commit};
use evercount_core::definition::DefinitionName;
use evercount_core::group::{Cell, GroupId, GroupKey, Outcome};
use evercount_core::logic::{
    AdoptedShape, Base, Coverage, LogicId, LogicState, LogicVersion, PlanId, Relation,
};
use evercount_core::migration::{Action, Conversion, Step};
use evercount_core::order::{LogRank, Micros, OrderVersion};
use evercount_core::path::Path;
use evercount_core::schema::{FieldPath, FieldType, TypeSet};
use evercount_core::schema_change::{ChangeKind, Evidence, SchemaChange, Typed};
use evercount_core::transform::Transform;
use evercount_core::value::{Item, Value};
use evercount_core::verdict::{Census, Compared, Example, ShadowReport};
use evercount_pipeline::ports::{CatalogEdit, Cut, Store, StoreError};

use super::*;

const NAME: &str = "orders_by_status";

fn name() -> DefinitionName {
    DefinitionName::parse(NAME).unwrap()
}

fn first() -> LogicVersion {
    LogicVersion::new(1, definition(NAME), LogicState::Active, Coverage::Whole, AT)
}

fn rename() -> Action {
    Action::Rename { from: Path::column("status"), to: Path::parse("order.state").unwrap() }
}

fn steps() -> Vec<Step> {
    vec![
        Step { action: rename(), until: Some(OrderVersion::binlog(0, 3, 154, 0, LogRank::Change)) },
        Step {
            action: Action::Default { path: Path::column("n"), value: Value::Binary(vec![0, 255]) },
            until: None,
        },
        Step {
            action: Action::Convert {
                path: Path::column("zip"),
                conversion: Conversion::ToText { max_length: Some(5) },
            },
            until: None,
        },
    ]
}

fn transform() -> Transform {
    Transform {
        actions: vec![rename()],
        keep: None,
        group_by: vec![Path::parse("order.state").unwrap()],
        atoms: vec![Some(0), None],
    }
}

/// A version derived from the one before it.
fn derived(number: u32, state: LogicState) -> LogicVersion {
    LogicVersion {
        base: Base::Derived { parent: number - 1, transform: transform() },
        migration: steps(),
        relation: Relation::MappedWhileEarlier,
        parent: Some(number - 1),
        plan: Some(PlanId::new("9a3e5c1f00b2d417")),
        earlier_tables: vec![TableName::new("order")],
        suspended: vec![(1, Path::column("region"))],
        ..LogicVersion::new(number, definition(NAME), state, Coverage::Whole, AT + i64::from(number))
    }
}

fn adjustment(definition_name: &str, plan: &str, at: Micros) -> Adjustment {
    let row = |status: &str| Item::from([("status".to_owned(), Value::String(status.to_owned()))]);
    let compared = Compared { agreed: 90, explained: 9, unexplained: 1, failed: 0 };
    let open = GroupKey::new(vec![(Path::column("status"), Value::String("OPEN".to_owned()))]);
    let text = Typed { types: TypeSet([FieldType::String { max_length: None }].into()), declared: None };
    let update = LogicUpdate {
        definition: definition(definition_name),
        migration: steps(),
        start: Start::Image(transform()),
        earlier_tables: vec![TableName::new("order")],
        suspended: vec![(0, Path::column("region"))],
    };
    Adjustment {
        plan: AdjustmentPlan {
            id: PlanId::new(plan),
            definition: DefinitionName::parse(definition_name).unwrap(),
            table: TableName::new("orders"),
            from: 1,
            cause: Cause::Schema {
                event: "4b0c".to_owned(),
                changes: vec![SchemaChange {
                    kind: ChangeKind::DropColumn { column: FieldPath::column("status"), typed: text },
                    evidence: Evidence::Declared { statement: "ALTER TABLE orders …".to_owned() },
                }],
                position: Some(OrderVersion::clock(0, at)),
                at,
            },
            class: Class::A5,
            update: Some(update.clone()),
            certificate: Certificate::Witness { one: vec![row("A"), row("B")], other: vec![row("A")] },
            affected: Partitions::Keys {
                attribute: "id".to_owned(),
                values: vec![Value::String("o-1".to_owned()), Value::Number(7.into())],
            },
            estimate: PlanCost { cpu_seconds: 0.1 + 0.2, source_items: u64::MAX, ..PlanCost::default() },
            relation: Relation::AtMost,
            minimum: MinimumEvidence { census: true, changes: 20 },
            sentence: "What is counted was never stored.".to_owned(),
            assumptions: vec!["the source can be read".to_owned()],
            choices: vec![
                Choice { answer: "stay".to_owned(), consequence: "nothing".to_owned(), update: None },
                Choice { answer: "go on".to_owned(), consequence: "all".to_owned(), update: Some(update) },
            ],
        },
        policy: PlanPolicy::Approve,
        outcome: PlanOutcome::AwaitingApproval,
        to: None,
        report: ShadowReport {
            census: Census {
                complete: true,
                rows: 100,
                compared,
                examples: vec![Example {
                    key_hash: u64::MAX,
                    outcome: Outcome::Unexplained,
                    group: Some(open.clone()),
                    image: None,
                }],
                ..Census::default()
            },
            by_group: [(open, compared)].into(),
            watched_for: 5_000_000,
            ..ShadowReport::default()
        },
        verdict: Some("1 of 100 comparisons differ where the plan says they must not".to_owned()),
        progress: Progress {
            after: Some("o-1".to_owned()),
            visited: 5,
            started_at: at,
            ..Progress::default()
        },
        actual: PlanCost::default(),
        mismatches: 2,
        created_at: at,
        updated_at: at,
        revision: 0,
    }
}

fn trail(at: Micros, what: &str) -> TrailEntry {
    TrailEntry {
        at,
        definition: name(),
        what: what.to_owned(),
        version: Some(2),
        plan: Some(PlanId::new("9a3e5c1f00b2d417")),
        summary: format!("It was {what}."),
    }
}

fn shape(version: u32, columns: &[&str]) -> AdoptedShape {
    AdoptedShape {
        version,
        columns: columns.iter().map(|column| (*column).to_owned()).collect(),
        declared: false,
    }
}

async fn revision<S: Store>(store: &S) -> u64 {
    store.catalog(None).await.unwrap().unwrap().revision
}

/// Where one condition fails, no part of the edit is there; where all hold, all parts are.
pub async fn an_edit_is_all_or_nothing<S: Store>(store: &S) {
    store.create_version(&first()).await.unwrap();
    let taken = adjustment(NAME, "taken", AT);
    let begun = CatalogEdit { adjustments: vec![(None, taken.clone())], ..CatalogEdit::default() };
    store.edit_catalog(&begun).await.unwrap();
    let before = revision(store).await;
    let good = CatalogEdit {
        create: vec![derived(2, LogicState::Shadow)],
        change: vec![(first(), first().entering(LogicState::Standby, AT + 5))],
        adopt: Some((TableName::new("orders"), shape(3, &["id", "order"]))),
        adjustments: vec![(None, adjustment(NAME, "new", AT + 1))],
        trail: vec![trail(AT, "planned"), trail(AT, "shadow")],
    };
    let not_stored = first().entering(LogicState::Standby, AT);
    let later = Adjustment { revision: 1, ..taken.clone() };
    let failing = [
        CatalogEdit { create: vec![derived(2, LogicState::Shadow), first()], change: vec![], ..good.clone() },
        CatalogEdit { change: vec![(not_stored, first())], ..good.clone() },
        CatalogEdit {
            change: vec![(derived(9, LogicState::Draft), derived(9, LogicState::Shadow))],
            ..good.clone()
        },
        CatalogEdit { adjustments: vec![(None, taken.clone())], ..good.clone() },
        CatalogEdit { adjustments: vec![(Some(later.clone()), later)], ..good.clone() },
        CatalogEdit {
            adjustments: vec![(Some(adjustment(NAME, "none", AT)), adjustment(NAME, "none", AT))],
            ..good.clone()
        },
    ];
    for (nth, edit) in failing.iter().enumerate() {
        assert_eq!(store.edit_catalog(edit).await.unwrap_err(), StoreError::Conflict, "{nth}");
        assert_eq!(store.versions().await.unwrap(), [first()], "{nth}");
        assert_eq!(store.adjustments(None).await.unwrap(), std::slice::from_ref(&taken), "{nth}");
        assert!(store.trail(&name()).await.unwrap().is_empty(), "{nth}");
        assert!(store.catalog(Some(before)).await.unwrap().is_none(), "{nth}");
    }

    store.edit_catalog(&good).await.unwrap();
    let catalog = store.catalog(Some(before)).await.unwrap().unwrap();
    assert!(catalog.revision > before);
    let versions = [first().entering(LogicState::Standby, AT + 5), derived(2, LogicState::Shadow)];
    assert_eq!(store.versions().await.unwrap(), versions);
    assert_eq!(store.adjustments(None).await.unwrap(), [taken, adjustment(NAME, "new", AT + 1)]);
    assert_eq!(store.trail(&name()).await.unwrap(), good.trail);
    // Once more, nothing of it holds.
    assert_eq!(store.edit_catalog(&good).await.unwrap_err(), StoreError::Conflict);
}

/// Counters load the catalog anew only for what they evaluate.
pub async fn an_edit_of_no_logic_leaves_the_revision<S: Store>(store: &S) {
    store.create_version(&first()).await.unwrap();
    let before = revision(store).await;
    store.edit_catalog(&CatalogEdit::default()).await.unwrap();
    let adjustments = vec![(None, adjustment(NAME, "new", AT))];
    let edit = CatalogEdit { adjustments, trail: vec![trail(AT, "planned")], ..CatalogEdit::default() };
    store.edit_catalog(&edit).await.unwrap();
    assert!(store.catalog(Some(before)).await.unwrap().is_none());
    let adopt = Some((TableName::new("orders"), shape(1, &["id"])));
    store.edit_catalog(&CatalogEdit { adopt, ..CatalogEdit::default() }).await.unwrap();
    assert!(store.catalog(Some(before)).await.unwrap().is_some());
}

/// One transaction takes 100 items.
pub async fn an_edit_of_too_much_is_rejected<S: Store>(store: &S) {
    let entries = |n: i64| (0..n).map(|n| trail(AT + n, "planned")).collect::<Vec<_>>();
    let most = i64::try_from(ACTIONS_MAX).unwrap();
    let edit = |trail| CatalogEdit { trail, ..CatalogEdit::default() };
    let failed = store.edit_catalog(&edit(entries(most + 1))).await;
    assert!(matches!(failed, Err(StoreError::Rejected(_))), "{failed:?}");
    assert!(store.trail(&name()).await.unwrap().is_empty());
    store.edit_catalog(&edit(entries(most))).await.unwrap();
    assert_eq!(store.trail(&name()).await.unwrap(), entries(most));
}

/// Everything a plan says and everything that became of it, by definition and over all.
pub async fn adjustments_come_back_as_they_were_written<S: Store>(store: &S) {
    for name in [NAME, "all", "orders_by_status_2"] {
        store
            .create_version(&LogicVersion::new(1, definition(name), LogicState::Active, Coverage::Whole, AT))
            .await
            .unwrap();
    }
    let redefined = Adjustment {
        plan: AdjustmentPlan {
            cause: Cause::Redefinition { definition: definition("all"), at: AT },
            update: None,
            certificate: Certificate::Exact(transform()),
            ..adjustment("all", "b", AT + 2).plan
        },
        ..adjustment("all", "b", AT + 2)
    };
    let late = adjustment(NAME, "a", AT + 3);
    // Two at one time are in the order of their ids.
    let early = [adjustment(NAME, "c", AT + 1), adjustment(NAME, "d", AT + 1)];
    let [c, d] = early.clone();
    for one in [&late, &d, &c, &redefined] {
        let edit = CatalogEdit { adjustments: vec![(None, one.clone())], ..CatalogEdit::default() };
        store.edit_catalog(&edit).await.unwrap();
    }
    let all = [c.clone(), d.clone(), redefined.clone(), late.clone()];
    assert_eq!(store.adjustments(None).await.unwrap(), all);
    assert_eq!(store.adjustments(Some(&name())).await.unwrap(), [c, d, late]);
    let of = async |name: &str| {
        let name = DefinitionName::parse(name).unwrap();
        store.adjustments(Some(&name)).await.unwrap()
    };
    assert_eq!(of("all").await, [redefined]);
    assert!(of("orders_by_status_2").await.is_empty());
}

/// Whoever decides about a plan decides on what it says now, and a plan is made once.
pub async fn an_adjustment_is_replaced_only_from_its_revision<S: Store>(store: &S) {
    let made = adjustment(NAME, "a", AT);
    let edit = async |from: Option<&Adjustment>, to: &Adjustment| {
        let adjustments = vec![(from.cloned(), to.clone())];
        store.edit_catalog(&CatalogEdit { adjustments, ..CatalogEdit::default() }).await
    };
    edit(None, &made).await.unwrap();
    assert_eq!(edit(None, &made).await.unwrap_err(), StoreError::Conflict);
    let again = adjustment(NAME, "a", AT + 60_000_000);
    assert_eq!(edit(None, &again).await.unwrap_err(), StoreError::Conflict);
    let watched = Adjustment {
        outcome: PlanOutcome::Watching,
        to: Some(2),
        verdict: None,
        updated_at: AT + 9,
        revision: 1,
        ..made.clone()
    };
    edit(Some(&made), &watched).await.unwrap();
    assert_eq!(edit(Some(&made), &watched).await.unwrap_err(), StoreError::Conflict);
    assert_eq!(store.adjustments(Some(&name())).await.unwrap(), std::slice::from_ref(&watched));
    // Twice at once: one of them wins.
    let to = |verdict: &str| Adjustment { verdict: Some(verdict.to_owned()), revision: 2, ..watched.clone() };
    let (yes, no) = (to("yes"), to("no"));
    let (one, other) = tokio::join!(edit(Some(&watched), &yes), edit(Some(&watched), &no));
    assert!(one.is_ok() != other.is_ok(), "{one:?} {other:?}");
    assert_eq!(store.adjustments(None).await.unwrap(), [if one.is_ok() { yes } else { no }]);
}

/// A table of a thousand columns changes all of them, and a plan tells why at length.
pub async fn an_adjustment_of_any_length_comes_back_whole<S: Store>(store: &S) {
    let mut long = adjustment(NAME, "a", AT);
    long.plan.assumptions = vec!["größer ".repeat(100_000)];
    let edit = async |from: Option<&Adjustment>, to: &Adjustment| {
        let adjustments = vec![(from.cloned(), to.clone())];
        store.edit_catalog(&CatalogEdit { adjustments, ..CatalogEdit::default() }).await.unwrap();
        assert_eq!(store.adjustments(None).await.unwrap(), std::slice::from_ref(to));
    };
    edit(None, &long).await;
    let mut short = Adjustment { revision: 1, ..long.clone() };
    short.plan.assumptions = vec!["kleiner ".repeat(30_000)];
    edit(Some(&long), &short).await;
    edit(Some(&short), &Adjustment { revision: 2, ..long.clone() }).await;
}

/// What happened first is told first, whenever it was written.
pub async fn the_trail_is_in_the_order_of_time<S: Store>(store: &S) {
    let write = async |entries: &[TrailEntry]| {
        let edit = CatalogEdit { trail: entries.to_vec(), ..CatalogEdit::default() };
        store.edit_catalog(&edit).await.unwrap();
    };
    let other = TrailEntry {
        definition: DefinitionName::parse("orders_by_status_2").unwrap(),
        version: None,
        plan: None,
        ..trail(AT, "policy")
    };
    write(&[trail(AT + 2, "promoted"), trail(AT + 2, "drained"), other.clone()]).await;
    write(&[trail(AT + 1_000_000, "reverted")]).await;
    write(&[trail(AT, "planned"), trail(AT + 1, "shadow")]).await;
    let told: Vec<String> = store.trail(&name()).await.unwrap().into_iter().map(|entry| entry.what).collect();
    assert_eq!(told, ["planned", "shadow", "promoted", "drained", "reverted"]);
    assert_eq!(store.trail(&other.definition).await.unwrap(), [other]);
}

/// Where nobody set any, policies are the ones of the house.
pub async fn policies_come_back_as_they_were_set<S: Store>(store: &S) {
    assert_eq!(store.policy_book().await.unwrap(), PolicyBook::default());
    let mut book = PolicyBook::default();
    let table = || TableName::new("shop.orders #1");
    book.by_table.insert(table(), PlanPolicy::Approve);
    book.by_kind.insert((table(), "drop_column".to_owned()), PlanPolicy::Freeze);
    book.by_class.insert(Class::A5, PlanPolicy::Auto);
    book.by_class.remove(&Class::A6);
    (book.tolerance.unexplained_max, book.tolerance.explained_share_max) = (u64::MAX, 0.1 + 0.2);
    (book.tolerance.patience, book.standby, book.backfill_units_a_second) = (1, 1_500_000, 0.5);
    store.set_policy_book(&book).await.unwrap();
    assert_eq!(store.policy_book().await.unwrap(), book);
    store.set_policy_book(&PolicyBook::default()).await.unwrap();
    assert_eq!(store.policy_book().await.unwrap(), PolicyBook::default());
}

/// A question about the past is answered by the last cut before it.
pub async fn the_last_cut_at_or_before_a_time_is_found<S: Store>(store: &S) {
    let cut = |number: u32, at: Micros, cells: &[(Cell, i64)]| Cut {
        logic: logic(NAME, number),
        at,
        lanes: [(lane("a"), state(7, 1)), (lane("b#00001"), state(0, 0))].into(),
        cells: cells.iter().cloned().collect(),
    };
    let register = Cell::Register { group: Some(GroupId(5)), register: 9, rank: 3 };
    let early = cut(1, AT, &[(group("OPEN"), -3), (Cell::Overflow, 0), (Cell::Missing(2), 4), (register, 1)]);
    let late = cut(1, AT + 1_000_000, &[(group("OPEN"), 5)]);
    let of_next = cut(2, AT + 500_000, &[]);
    for one in [&late, &of_next, &early] {
        store.put_cut(one).await.unwrap();
    }
    let at = async |number: u32, at: Micros| store.cut_at(&logic(NAME, number), at).await.unwrap();
    assert_eq!(at(1, AT - 1).await, None);
    assert_eq!(at(1, AT).await, Some(early.clone()));
    assert_eq!(at(1, AT + 999_999).await, Some(early));
    assert_eq!(at(1, AT + 1_000_000).await, Some(late.clone()));
    assert_eq!(at(1, Micros::MAX).await, Some(late));
    assert_eq!(at(2, AT + 600_000).await, Some(of_next));
    assert_eq!(at(3, AT).await, None);
    // More groups than one item holds, put twice as after a lost reply.
    let many: Vec<(Cell, i64)> = (0..9_000).map(|n| (group(&format!("{n:060}")), n)).collect();
    let large = cut(1, AT + 2_000_000, &many);
    for _ in 0..2 {
        store.put_cut(&large).await.unwrap();
    }
    assert_eq!(at(1, AT + 3_000_000).await, Some(large));
    assert_eq!(at(1, AT + 1_999_999).await.map(|cut| cut.at), Some(AT + 1_000_000));
}

/// A counter knows from the catalog alone which columns the counts have not taken notice of.
pub async fn the_catalog_knows_the_shapes_that_are_adopted<S: Store>(store: &S) {
    store.create_version(&first()).await.unwrap();
    let (orders, other) = (TableName::new("orders"), TableName::new("v0001"));
    let adopted = async |table: &TableName| {
        let catalog = store.catalog(None).await.unwrap().unwrap();
        catalog.table(table).and_then(|logic| logic.adopted.clone())
    };
    assert_eq!(adopted(&orders).await, None);
    let adopt = async |table: &TableName, shape: AdoptedShape| {
        let adopt = Some((table.clone(), shape));
        store.edit_catalog(&CatalogEdit { adopt, ..CatalogEdit::default() }).await.unwrap();
    };
    adopt(&orders, shape(1, &["id", "zweiter Schl\u{fc}ssel", "a.b"])).await;
    assert_eq!(adopted(&orders).await, Some(shape(1, &["a.b", "id", "zweiter Schl\u{fc}ssel"])));
    adopt(&orders, shape(2, &[])).await;
    assert_eq!(adopted(&orders).await, Some(shape(2, &[])));
    // Shapes and versions never take each other's place, whatever they are called.
    let mut of_adopted = LogicVersion::new(1, definition("adopted"), LogicState::Active, Coverage::Whole, AT);
    of_adopted.definition.table = other.clone();
    store.create_version(&of_adopted).await.unwrap();
    adopt(&other, shape(1, &["id"])).await;
    assert_eq!(adopted(&other).await, Some(shape(1, &["id"])));
    assert_eq!(store.versions().await.unwrap(), [of_adopted, first()]);
}

/// A version that is retired goes on being told of while rows are counted from it.
pub async fn a_retired_parent_of_a_live_version_is_drained<S: Store>(store: &S) {
    let (second, third) = (derived(2, LogicState::Standby), derived(3, LogicState::Active));
    let create = vec![third.clone(), first(), second.clone()];
    store.edit_catalog(&CatalogEdit { create, ..CatalogEdit::default() }).await.unwrap();
    let numbers = async || {
        let catalog = store.catalog(None).await.unwrap().unwrap();
        // Rows are kept under the table's first name.
        let logic = catalog.table(&TableName::new("order")).cloned().unwrap_or_default();
        assert_eq!(catalog.table(&TableName::new("orders")), catalog.table(&TableName::new("order")));
        let numbers = |of: &[std::sync::Arc<LogicVersion>]| of.iter().map(|one| one.id.number).collect();
        let (live, draining): (Vec<u32>, Vec<u32>) = (numbers(&logic.live), numbers(&logic.draining));
        (live, draining)
    };
    let mut early = first();
    early.earlier_tables = vec![TableName::new("order")];
    store.update_version(&first(), &early).await.unwrap();
    assert_eq!(numbers().await, (vec![1, 2, 3], vec![]));
    let retire = |version: &LogicVersion| (version.clone(), version.entering(LogicState::Retired, AT + 9));
    let change = vec![retire(&early), retire(&second)];
    store.edit_catalog(&CatalogEdit { change, ..CatalogEdit::default() }).await.unwrap();
    assert_eq!(numbers().await, (vec![3], vec![1, 2]));
    let own = LogicVersion { base: Base::Own, ..third.clone() };
    store.update_version(&third, &own).await.unwrap();
    assert_eq!(numbers().await, (vec![3], vec![]));
}

/// What a change of every kind makes of a version is there to be counted by.
pub async fn a_derived_version_comes_back_as_it_was_written<S: Store>(store: &S) {
    let mut version = derived(2, LogicState::Shadow);
    version.definition.headroom.attributes = vec![Path::column("payment")];
    let path = Path::column("total");
    version.definition.filter = Some(evercount_core::predicate::Predicate::Atom(
        evercount_core::predicate::Atom::IsMissing(path.clone()),
    ));
    version.definition.headroom.truth = true;
    version.coverage = Coverage::Since(AT);
    if let Base::Derived { transform, .. } = &mut version.base {
        transform.keep = version.definition.filter.as_ref().map(|filter| filter.over_truths());
    }
    store.create_version(&version).await.unwrap();
    assert_eq!(store.versions().await.unwrap(), [version.clone()]);
    // What it has no longer is gone.
    let bare = LogicVersion {
        id: version.id.clone(),
        ..LogicVersion::new(2, definition(NAME), LogicState::Active, Coverage::Whole, AT)
    };
    store.update_version(&version, &bare).await.unwrap();
    assert_eq!(store.versions().await.unwrap(), [bare]);
}

/// Tallies are cells like others, and are moved like others.
pub async fn evidence_comes_back_as_it_was_tallied<S: Store>(store: &S) {
    let id = logic(NAME, 2);
    let open = Some(GroupId::of(&GroupKey::new(vec![(Path::column("status"), Value::Null)])));
    let tally = |outcome, group, n| (Cell::Evidence { outcome, group }, n);
    let tallied = [
        tally(Outcome::Agreed, open, 5),
        tally(Outcome::Explained, None, 2),
        tally(Outcome::Unexplained, open, 1),
        tally(Outcome::Failed, None, 1),
        (group("OPEN"), 3),
    ];
    for name in ["a", "b"] {
        let moves = vec![move_of(&id, 0, &tallied)];
        store.commit(&Commit { moves, ..Commit::empty(lane(name)) }).await.unwrap();
    }
    let twice: Vec<(Cell, i64)> = tallied.iter().map(|(cell, n)| (cell.clone(), n * 2)).collect();
    assert_eq!(store.cells(&id).await.unwrap(), cells(&twice));
    assert_eq!(store.cells_of_lane(&id, &lane("a")).await.unwrap(), [(0, cells(&tallied))]);
}

/// A version that nothing is derived from any more leaves nothing behind, and takes nothing along.
pub async fn deleted_cells_are_gone_and_others_are_not<S: Store>(store: &S) {
    let ids = [logic(NAME, 1), logic(NAME, 2), logic("orders_by_status_2", 1)];
    let buckets: BTreeSet<u32> = (0..40).collect();
    for name in ["a", "b"] {
        for id in &ids {
            let moves = buckets.iter().map(|bucket| move_of(id, *bucket, &[(group("OPEN"), 1)])).collect();
            store.commit(&Commit { moves, ..Commit::empty(lane(name)) }).await.unwrap();
        }
    }
    let [gone, kept, other] = &ids;
    for _ in 0..2 {
        store.delete_cells(gone).await.unwrap();
        assert!(store.cells(gone).await.unwrap().is_empty());
        assert!(store.cells_of_lane(gone, &lane("a")).await.unwrap().is_empty());
        for id in [kept, other] {
            assert_eq!(store.cells(id).await.unwrap(), cells(&[(group("OPEN"), 80)]));
        }
    }
}

/// Doubt goes with the counts it touches; what was decided stays known.
pub async fn a_deleted_definition_leaves_its_trail_and_no_doubt<S: Store>(store: &S) {
    store.create_version(&first()).await.unwrap();
    let edit = CatalogEdit {
        adjustments: vec![(None, adjustment(NAME, "a", AT))],
        trail: vec![trail(AT, "planned")],
        ..CatalogEdit::default()
    };
    store.edit_catalog(&edit).await.unwrap();
    let doubt = [LogicId::doubt_of(&name()), LogicId::doubt_of(&DefinitionName::parse("all").unwrap())];
    let moves = doubt.iter().map(|id| move_of(id, 0, &[(Cell::Uncertain, 1)])).collect();
    store.commit(&Commit { moves, ..Commit::empty(lane("a")) }).await.unwrap();
    assert!(store.delete_definition(&name()).await.unwrap());
    let [gone, kept] = &doubt;
    assert!(store.cells(gone).await.unwrap().is_empty());
    assert_eq!(store.cells(kept).await.unwrap(), cells(&[(Cell::Uncertain, 1)]));
    assert_eq!(store.trail(&name()).await.unwrap(), edit.trail);
    assert_eq!(store.adjustments(Some(&name())).await.unwrap().len(), 1);
}
