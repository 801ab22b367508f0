//! The ledger, exhaustively, in a small scope: two rows with three changes each, every change
//! delivered once or twice in any order, two workers interleaved at every store call, crashes and
//! lost replies anywhere. Every reachable state is visited, over the production planner.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a test may panic, and this one reports its scope"
)]

use std::collections::{BTreeMap, HashSet};
use std::hash::{BuildHasher, Hash, RandomState};

use evercount_core::change::{Change, RowIdentity, RowKey, TableName};
use evercount_core::chunk::{self, Content, Delivery, Facts, Hints, Mode};
use evercount_core::counting::{self, Cells, Contributions};
use evercount_core::definition::{CountDefinition, DefinitionName};
use evercount_core::lane::{LaneId, LaneState, SequenceNumber};
use evercount_core::ledger::LedgerRow;
use evercount_core::logic::{Catalog, Coverage, LogicState, LogicVersion};
use evercount_core::memo::TableMemo;
use evercount_core::order::{LogRank, OrderVersion};
use evercount_core::path::Path;
use evercount_core::value::{Item, Value};

/// Deliveries of one change, at most; each is delivered at least once.
const DELIVERIES_MAX: u8 = 2;
/// Commits whose reply is lost, in one history.
const LOST_REPLIES_MAX: u8 = 1;
/// States that the scope must reach to be worth the name.
const STATES_MIN: usize = 500_000;

/// What a worker is about to do.
#[derive(Clone, PartialEq, Eq, Hash)]
enum Worker {
    Idle,
    /// It has read the row of this change, at this state of the row.
    Loaded(usize, Option<Seen>),
}

/// A row as far as two of them can differ.
#[derive(Clone, PartialEq, Eq, Hash)]
struct Seen {
    version: OrderVersion,
    revision: u64,
}

#[derive(Clone)]
struct Store {
    rows: BTreeMap<RowKey, LedgerRow>,
    cells: Cells,
}

#[derive(Clone)]
struct State {
    store: Store,
    delivered: Vec<u8>,
    workers: [Worker; 2],
    lost_replies: u8,
}

impl State {
    fn fingerprint(&self, hasher: &RandomState) -> u64 {
        let seen: Vec<_> =
            self.store.rows.iter().map(|(key, row)| (key, &row.version, row.revision)).collect();
        let cells: Vec<_> = self.store.cells.iter().filter(|(_, n)| **n != 0).collect();
        hasher.hash_one((seen, cells, &self.delivered, &self.workers, self.lost_replies))
    }
}

struct Scope {
    changes: Vec<Change>,
    catalog: Catalog,
    logic: LogicVersion,
    /// Whether writes of rows are conditional on what was read.
    conditional: bool,
    /// Whether versions are compared.
    guarded: bool,
}

fn image(status: &str) -> Item {
    [("status".to_owned(), Value::String(status.to_owned()))].into()
}

fn scope(conditional: bool, guarded: bool) -> Scope {
    let table = TableName::new("shop.orders");
    let change = |key: &str, position: u64, after: Option<&str>| Change {
        row: RowKey { table: table.clone(), identity: RowIdentity::Key(key.into()) },
        before: None,
        after: after.map(|status| image(status).into()),
        version: OrderVersion::binlog(0, 1, position, 0, LogRank::Change),
        at: 0,
        whole: None,
    };
    let definition = CountDefinition {
        name: DefinitionName::parse("by_status").unwrap(),
        table: table.clone(),
        group_by: vec![Path::column("status")],
        filter: None,
        distinct: None,
        groups_max: 100,
        headroom: evercount_core::definition::Headroom::default(),
    };
    let logic = LogicVersion::new(1, definition, LogicState::Active, Coverage::Whole, 0);
    Scope {
        changes: vec![
            change("a", 1, Some("open")),
            change("a", 2, Some("paid")),
            change("a", 3, None),
            change("b", 1, Some("open")),
            change("b", 2, None),
            change("b", 3, Some("paid")),
        ],
        catalog: Catalog::new(1, [logic.clone()], []),
        logic,
        conditional,
        guarded,
    }
}

/// What a visit of all states found.
#[derive(Default, Debug)]
struct Visit {
    states: usize,
    transitions: usize,
    ledger_broken: usize,
    wrong_ends: usize,
    ends: usize,
}

impl Scope {
    fn visit(&self) -> Visit {
        let hasher = RandomState::new();
        let mut visit = Visit::default();
        let first = State {
            store: Store { rows: BTreeMap::new(), cells: Cells::new() },
            delivered: vec![0; self.changes.len()],
            workers: [Worker::Idle, Worker::Idle],
            lost_replies: 0,
        };
        let mut seen = HashSet::from([first.fingerprint(&hasher)]);
        let mut stack = vec![first];
        while let Some(state) = stack.pop() {
            visit.states += 1;
            self.judge(&state, &mut visit);
            // A wrong design is caught by its first wrong state.
            if visit.ledger_broken + visit.wrong_ends > 0 {
                break;
            }
            for next in self.successors(&state) {
                visit.transitions += 1;
                if seen.insert(next.fingerprint(&hasher)) {
                    stack.push(next);
                }
            }
        }
        visit
    }

    fn judge(&self, state: &State, visit: &mut Visit) {
        let mut rows = Contributions::new();
        state.store.rows.values().for_each(|row| counting::add(&mut rows, &row.contributions, 1));
        let sum = rows.remove(&self.logic.id).unwrap_or_default();
        let cells: Cells =
            state.store.cells.iter().filter(|(_, n)| **n != 0).map(|(cell, n)| (cell.clone(), *n)).collect();
        visit.ledger_broken += usize::from(sum != cells);
        let at_end = state.workers == [Worker::Idle, Worker::Idle] && state.delivered.iter().all(|n| *n > 0);
        if at_end {
            visit.ends += 1;
            let truth = counting::contribution(&self.logic, Some(&image("paid")), None).unwrap();
            visit.wrong_ends += usize::from(cells != truth);
        }
    }

    fn successors(&self, state: &State) -> Vec<State> {
        let mut successors = Vec::new();
        for worker in 0..2 {
            match &state.workers[worker] {
                Worker::Idle => {
                    for change in 0..self.changes.len() {
                        if state.delivered[change] < DELIVERIES_MAX {
                            let row = state.store.rows.get(&self.changes[change].row);
                            let seen =
                                row.map(|row| Seen { version: row.version.clone(), revision: row.revision });
                            let mut next = state.clone();
                            next.workers[worker] = Worker::Loaded(change, seen);
                            successors.push(next);
                        }
                    }
                }
                Worker::Loaded(change, seen) => {
                    let mut next = state.clone();
                    next.workers[worker] = Worker::Idle;
                    // A crash before the commit.
                    successors.push(next.clone());
                    if self.commit(&mut next.store, *change, seen.as_ref()) {
                        if next.lost_replies < LOST_REPLIES_MAX {
                            let mut lost = next.clone();
                            lost.lost_replies += 1;
                            successors.push(lost);
                        }
                        next.delivered[*change] = (next.delivered[*change] + 1).min(DELIVERIES_MAX);
                        successors.push(next);
                    }
                }
            }
        }
        successors
    }

    /// Plans on what the worker saw and commits on what stands; false where that conflicts.
    fn commit(&self, store: &mut Store, change: usize, seen: Option<&Seen>) -> bool {
        let change = &self.changes[change];
        // A row is what its version says: rebuild what the worker read.
        let loaded: BTreeMap<RowKey, LedgerRow> = seen
            .map(|seen| {
                let mut row = self.row_at(change, seen);
                if !self.guarded {
                    row.version = OrderVersion::binlog(0, 0, 0, 0, LogRank::Change);
                }
                (change.row.clone(), row)
            })
            .into_iter()
            .collect();
        let delivery = Delivery {
            sequence: SequenceNumber::parse("1").unwrap(),
            arrived_at: 0,
            bytes: 0,
            content: Content::Changes(vec![change.clone()]),
        };
        let facts = Facts { catalog: &self.catalog, floors: &BTreeMap::new(), tombstone_expires_at: 0 };
        let lane = LaneId::named("lane");
        let mode = Mode::Ledger { loaded: &loaded };
        let state = LaneState::default();
        let planned = chunk::plan(mode, &[delivery], &lane, &state, &facts, &mut Hints::default());
        for write in &planned.commit.rows {
            let stands = store.rows.get(&write.key).map(|row| row.revision);
            if self.conditional && stands != write.expected_revision {
                return false;
            }
        }
        for write in planned.commit.rows {
            store.rows.insert(write.key, write.row.unwrap());
        }
        for one in planned.commit.moves {
            for (cell, n) in one.cells {
                *store.cells.entry(cell).or_insert(0) += n;
            }
        }
        true
    }

    fn row_at(&self, change: &Change, seen: &Seen) -> LedgerRow {
        let made_by =
            self.changes.iter().find(|one| one.row == change.row && one.version == seen.version).unwrap();
        let logic = self.catalog.table(&change.row.table).unwrap();
        let mut memo = TableMemo::new(logic);
        match evercount_core::ledger::apply(None, made_by, logic, &mut memo, 0).unwrap() {
            evercount_core::ledger::Transition::Applied(row, targets) => LedgerRow {
                revision: seen.revision,
                contributions: counting::stored(&logic.live, &targets.cells),
                ..row
            },
            other => panic!("a first change is applied, not {other:?}"),
        }
    }
}

#[test]
fn no_reachable_state_of_the_ledger_is_wrong() {
    let visit = scope(true, true).visit();
    println!("{visit:?}");
    assert_eq!((visit.ledger_broken, visit.wrong_ends), (0, 0));
    assert!(visit.states >= STATES_MIN && visit.ends > 0, "the scope shrank: {visit:?}");
}

#[test]
fn without_the_condition_the_ledger_breaks() {
    let visit = scope(false, true).visit();
    println!("{visit:?}");
    assert!(visit.ledger_broken + visit.wrong_ends > 0);
}

#[test]
fn without_the_version_guard_the_end_is_wrong() {
    let visit = scope(true, false).visit();
    println!("{visit:?}");
    assert!(visit.wrong_ends > 0);
}
