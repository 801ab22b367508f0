//! Rules of commits, lanes and cells.

use evercount_core::change::{TableEvent, TableName, Told};
use evercount_core::chunk::{ACTIONS_MAX, Commit, Control};
use evercount_core::counting::Cells;
use evercount_core::group::{Cell, GroupId};
use evercount_core::lane::{LaneId, LaneState};
use evercount_pipeline::ports::{Store, StoreError};

use super::*;

/// Where one condition fails, no part of the commit is there; where all hold, all parts are.
pub async fn a_commit_is_all_or_nothing<S: Store>(store: &S) {
    let (lane, id) = (lane("a"), logic("orders_by_status", 1));
    store.commit(&rows_commit(vec![write(key("taken"), None, Some(row(1)))])).await.unwrap();
    let control = Control {
        lane: lane.clone(),
        sequence: sequence(7),
        event: TableEvent {
            table: TableName::new("orders"),
            operation: "ALTER".to_owned(),
            floor: None,
            shape: None,
            told: Told::default(),
            at: AT,
        },
        raw: b"{}".to_vec(),
    };
    let good = Commit {
        lane: lane.clone(),
        advance: advance(LaneState::default(), state(7, 0)),
        rows: vec![write(key("new"), None, Some(row(1)))],
        moves: vec![move_of(&id, 0, &[(group("OPEN"), 1)])],
        quarantined: vec![quarantined(&lane, 6, b"x".to_vec())],
        released: None,
        controls: vec![control],
    };
    let mut bad = good.clone();
    bad.rows.push(write(key("taken"), None, Some(row(1))));
    assert_eq!(store.commit(&bad).await.unwrap_err(), StoreError::Conflict);
    assert_eq!(store.lane(&lane).await.unwrap(), LaneState::default());
    assert!(store.rows(&[key("new")].into()).await.unwrap().is_empty());
    assert!(store.cells(&id).await.unwrap().is_empty());
    assert!(store.quarantined().await.unwrap().is_empty());

    store.commit(&good).await.unwrap();
    assert_eq!(store.lane(&lane).await.unwrap(), state(7, 0));
    assert_eq!(store.rows(&[key("new")].into()).await.unwrap().get(&key("new")), Some(&row(1)));
    assert_eq!(store.cells(&id).await.unwrap(), cells(&[(group("OPEN"), 1)]));
    assert_eq!(store.quarantined().await.unwrap(), good.quarantined);
}

/// The cheapest commit there is, and the condition holds for it too.
pub async fn a_commit_of_nothing_but_a_checkpoint_advances_the_lane<S: Store>(store: &S) {
    let commit = |from, to| Commit { advance: advance(from, to), ..Commit::empty(lane("a")) };
    store.commit(&commit(LaneState::default(), state(1, 0))).await.unwrap();
    store.commit(&commit(state(1, 0), state(5, 0))).await.unwrap();
    let stale = store.commit(&commit(state(1, 0), state(3, 0))).await;
    assert_eq!(stale.unwrap_err(), StoreError::Conflict);
    assert_eq!(store.lane(&lane("a")).await.unwrap(), state(5, 0));
}

/// A commit that changes nothing is no reason to fail.
pub async fn a_commit_of_nothing_is_one<S: Store>(store: &S) {
    store.commit(&Commit::empty(lane("a"))).await.unwrap();
    assert_eq!(store.lane(&lane("a")).await.unwrap(), LaneState::default());
}

/// A writer that has been overtaken changes nothing.
pub async fn a_commit_with_a_stale_checkpoint_conflicts<S: Store>(store: &S) {
    let id = logic("orders_by_status", 1);
    let commit = |from, to| Commit {
        advance: advance(from, to),
        moves: vec![move_of(&id, 0, &[(group("OPEN"), 1)])],
        ..Commit::empty(lane("a"))
    };
    store.commit(&commit(LaneState::default(), state(3, 0))).await.unwrap();
    store.commit(&commit(state(3, 0), state(9, 0))).await.unwrap();
    for stale in [LaneState::default(), state(3, 0), state(10, 0), state(9, 1)] {
        let to = state(20, stale.fence);
        assert_eq!(
            store.commit(&commit(stale.clone(), to)).await.unwrap_err(),
            StoreError::Conflict,
            "{stale:?}"
        );
    }
    assert_eq!(store.cells(&id).await.unwrap(), cells(&[(group("OPEN"), 2)]));
}

/// A second process that thinks it is the first changes nothing.
pub async fn a_first_commit_conflicts_where_the_lane_has_begun<S: Store>(store: &S) {
    let commit = |to| Commit { advance: advance(LaneState::default(), to), ..Commit::empty(lane("a")) };
    store.commit(&commit(state(4, 0))).await.unwrap();
    assert_eq!(store.commit(&commit(state(2, 0))).await.unwrap_err(), StoreError::Conflict);
}

/// What was prepared before a fence was raised cannot be committed after.
pub async fn a_fence_makes_a_prepared_commit_conflict<S: Store>(store: &S) {
    let lane = lane("a");
    let commit = |from, to| Commit {
        advance: advance(from, to),
        rows: vec![write(key("1"), None, Some(row(1)))],
        ..Commit::empty(lane.clone())
    };
    let begun = Commit { advance: advance(LaneState::default(), state(1, 0)), ..Commit::empty(lane.clone()) };
    store.commit(&begun).await.unwrap();
    store.fence(&lane).await.unwrap();
    assert_eq!(store.commit(&commit(state(1, 0), state(2, 0))).await.unwrap_err(), StoreError::Conflict);
    assert_eq!(store.lane(&lane).await.unwrap(), state(1, 1));
    store.commit(&commit(state(1, 1), state(2, 1))).await.unwrap();
    store.fence(&lane).await.unwrap();
    assert_eq!(store.lane(&lane).await.unwrap(), state(2, 2));
}

/// A lane may be fenced before it has written anything.
pub async fn a_fence_before_the_first_commit_is_seen<S: Store>(store: &S) {
    let lane = lane("a");
    let commit = |from, to| Commit { advance: advance(from, to), ..Commit::empty(lane.clone()) };
    store.fence(&lane).await.unwrap();
    let fenced = LaneState { fence: 1, ..LaneState::default() };
    assert_eq!(store.lane(&lane).await.unwrap(), fenced);
    assert_eq!(
        store.commit(&commit(LaneState::default(), state(1, 0))).await.unwrap_err(),
        StoreError::Conflict
    );
    store.commit(&commit(fenced, state(1, 1))).await.unwrap();
    assert_eq!(store.lane(&lane).await.unwrap(), state(1, 1));
}

/// A sweep moves a lane's cells without moving its checkpoint.
pub async fn a_commit_without_a_checkpoint_leaves_the_lane_alone<S: Store>(store: &S) {
    let id = logic("orders_by_status", 1);
    let begun = Commit { advance: advance(LaneState::default(), state(1, 0)), ..Commit::empty(lane("a")) };
    store.commit(&begun).await.unwrap();
    let moved = Commit { moves: vec![move_of(&id, 0, &[(group("OPEN"), -2)])], ..Commit::empty(lane("a")) };
    store.commit(&moved).await.unwrap();
    assert_eq!(store.lane(&lane("a")).await.unwrap(), state(1, 0));
    assert_eq!(store.cells(&id).await.unwrap(), cells(&[(group("OPEN"), -2)]));
}

/// A commit whose reply was lost may be sent again.
pub async fn a_replayed_commit_changes_nothing<S: Store>(store: &S) {
    let id = logic("orders_by_status", 1);
    let commit = Commit {
        advance: advance(LaneState::default(), state(1, 0)),
        rows: vec![write(key("1"), None, Some(row(1)))],
        moves: vec![move_of(&id, 0, &[(group("OPEN"), 1)])],
        ..Commit::empty(lane("a"))
    };
    store.commit(&commit).await.unwrap();
    for _ in 0..3 {
        assert_eq!(store.commit(&commit).await.unwrap_err(), StoreError::Conflict);
    }
    assert_eq!(store.cells(&id).await.unwrap(), cells(&[(group("OPEN"), 1)]));
}

/// Two processes that own one lane for a moment do not both count.
pub async fn of_two_commits_at_once_from_one_checkpoint_one_wins<S: Store>(store: &S) {
    let id = logic("orders_by_status", 1);
    let commit = |n| Commit {
        advance: advance(LaneState::default(), state(n, 0)),
        moves: vec![move_of(&id, 0, &[(group("OPEN"), 1)])],
        ..Commit::empty(lane("a"))
    };
    let (one, other) = (commit(1), commit(2));
    let (one, other) = tokio::join!(store.commit(&one), store.commit(&other));
    assert!(one.is_ok() != other.is_ok(), "{one:?} {other:?}");
    assert_eq!(store.cells(&id).await.unwrap(), cells(&[(group("OPEN"), 1)]));
}

/// The limit of a transaction is the same everywhere, so that plans made for one store fit all.
pub async fn a_transaction_takes_100_actions_and_no_more<S: Store>(store: &S) {
    let commit = |rows: usize| Commit {
        advance: advance(LaneState::default(), state(1, 0)),
        rows: (0..rows).map(|n| write(key(&n.to_string()), None, Some(row(1)))).collect(),
        ..Commit::empty(lane("a"))
    };
    assert!(matches!(store.commit(&commit(ACTIONS_MAX)).await, Err(StoreError::Rejected(_))));
    assert_eq!(store.lane(&lane("a")).await.unwrap(), LaneState::default());
    store.commit(&commit(ACTIONS_MAX - 1)).await.unwrap();
    let rows = store.rows_of_table(&TableName::new("orders"), None).await.unwrap().rows;
    assert!(!rows.is_empty());
    assert_eq!(store.lane(&lane("a")).await.unwrap(), state(1, 0));
}

/// Only the sum means anything, and it is complete: over lanes, over a lane's items, and with
/// cells of every kind.
pub async fn cells_add_up_over_lanes_and_counter_items<S: Store>(store: &S) {
    let (id, other) = (logic("orders_by_status", 1), logic("orders_by_status", 2));
    let commit = |name: &str, moves| Commit { moves, ..Commit::empty(lane(name)) };
    let odd = group("a.b #c:d\"\u{1F600}");
    let register = Cell::Register { group: Some(GroupId(u64::MAX)), register: 4_095, rank: 53 };
    let first = vec![
        move_of(&id, 0, &[(group("OPEN"), 5), (Cell::Overflow, 1), (register.clone(), -2)]),
        move_of(&id, 1, &[(odd.clone(), 2), (Cell::Missing(3), 4)]),
        move_of(&other, 0, &[(group("OPEN"), 100)]),
    ];
    store.commit(&commit("a", first)).await.unwrap();
    let second = vec![move_of(&id, 0, &[(group("OPEN"), -7), (Cell::Uncertain, 1)])];
    store.commit(&commit("b", second)).await.unwrap();
    let third = vec![move_of(&id, 0, &[(group("OPEN"), 1)]), move_of(&id, 1, &[(group("OPEN"), 1)])];
    store.commit(&commit("a", third)).await.unwrap();

    let expected = [
        (odd.clone(), 2),
        (Cell::Overflow, 1),
        (Cell::Missing(3), 4),
        (Cell::Uncertain, 1),
        (register.clone(), -2),
    ];
    assert_eq!(store.cells(&id).await.unwrap(), cells(&expected));
    let mut of_lane = store.cells_of_lane(&id, &lane("a")).await.unwrap();
    of_lane.sort_by_key(|(bucket, _)| *bucket);
    let first = cells(&[(group("OPEN"), 6), (Cell::Overflow, 1), (register, -2)]);
    let second = cells(&[(odd, 2), (Cell::Missing(3), 4), (group("OPEN"), 1)]);
    assert_eq!(of_lane, [(0, first), (1, second)]);
    assert!(store.cells_of_lane(&id, &lane("c")).await.unwrap().is_empty());
}

/// Counts by delta cannot tell what an overflow that is zero by now holds of which group.
pub async fn an_overflow_that_went_back_to_zero_is_still_told<S: Store>(store: &S) {
    let id = logic("orders_by_status", 1);
    for (n, name) in [(1, "a"), (-1, "b")] {
        let moves = vec![move_of(&id, 0, &[(Cell::Overflow, n)])];
        store.commit(&Commit { moves, ..Commit::empty(lane(name)) }).await.unwrap();
    }
    assert_eq!(store.cells(&id).await.unwrap(), cells(&[(Cell::Overflow, 0)]));
}

/// A lane's items are found by its whole name.
pub async fn cells_of_lanes_with_names_alike_are_kept_apart<S: Store>(store: &S) {
    let id = logic("orders_by_status", 1);
    let lanes = ["s/1", "s/10", "s/1#00000", "s"].map(LaneId::named);
    for (n, lane) in (1..).zip(&lanes) {
        let moves = vec![move_of(&id, 0, &[(group("OPEN"), n)])];
        store.commit(&Commit { moves, ..Commit::empty(lane.clone()) }).await.unwrap();
    }
    for (n, lane) in (1..).zip(&lanes) {
        assert_eq!(
            store.cells_of_lane(&id, lane).await.unwrap(),
            [(0, cells(&[(group("OPEN"), n)]))],
            "{lane}"
        );
    }
    assert_eq!(store.cells(&id).await.unwrap(), cells(&[(group("OPEN"), 10)]));
}

/// Lanes never share a counter item, so they never wait for each other and nothing is lost.
pub async fn lanes_at_once_lose_nothing<S: Store>(store: &S) {
    let id = logic("orders_by_status", 1);
    let run = async |name: &str| {
        let mut from = LaneState::default();
        for n in 1..=10 {
            let commit = Commit {
                advance: advance(from, state(n, 0)),
                moves: vec![move_of(&id, 0, &[(group("OPEN"), 1)])],
                ..Commit::empty(lane(name))
            };
            store.commit(&commit).await.unwrap();
            from = state(n, 0);
        }
    };
    tokio::join!(run("a"), run("b"), run("c"));
    assert_eq!(store.cells(&id).await.unwrap(), Cells::from([(group("OPEN"), 30)]));
}

/// Whoever fences all lanes finds them, also those that have not committed yet.
pub async fn every_registered_lane_is_listed_with_its_state<S: Store>(store: &S) {
    assert!(store.lanes().await.unwrap().is_empty());
    let names: Vec<LaneId> = (0..120).map(|n| lane(&format!("shardId-{n:012}"))).collect();
    for name in &names {
        store.register_lane(name).await.unwrap();
    }
    store.register_lane(&names[0]).await.unwrap();
    let commit =
        Commit { advance: advance(LaneState::default(), state(5, 0)), ..Commit::empty(names[3].clone()) };
    store.commit(&commit).await.unwrap();
    store.fence(&names[119]).await.unwrap();
    let lanes = store.lanes().await.unwrap();
    assert_eq!(lanes.len(), 120);
    assert_eq!(lanes.get(&names[3]), Some(&state(5, 0)));
    assert_eq!(lanes.get(&names[119]), Some(&LaneState { fence: 1, ..LaneState::default() }));
    assert_eq!(lanes.get(&names[1]), Some(&LaneState::default()));
}
