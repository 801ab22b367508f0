//! Planning a chunk: what its transaction writes, decided from what was loaded.

use std::borrow::Cow;
use std::collections::BTreeMap;

use super::tally::LaneTally;
use super::{
    ACTIONS_MAX, BYTES_MAX, CellMove, Chunk, Commit, Content, Control, Delivery, Facts, LaneAdvance, Poison,
    Quarantined, RowWrite, Tally,
};
use crate::change::{Change, RowIdentity, RowKey, TableEvent, TableName, Told};
use crate::counting::{self, Cells, Contributions, Unavailable};
use crate::evidence;
use crate::function::is_answer;
use crate::group::Cell;
use crate::image::Image;
use crate::lane::{LaneId, LaneState};
use crate::ledger::{self, LedgerRow, Transition};
use crate::logic::{LogicId, TableLogic};
use crate::memo::Memo;
use crate::placement::Placement;
use crate::value::Value;

/// How counts are kept exact.
#[derive(Clone, Copy, Debug)]
pub enum Mode<'a> {
    /// By a ledger row for each source row; `loaded` holds every row of [`super::rows_needed`] that
    /// exists.
    Ledger {
        /// The rows as read.
        loaded: &'a BTreeMap<RowKey, LedgerRow>,
    },
    /// By the checkpoint alone: the source delivers each change once, in order, with both
    /// images.
    Lane,
}

/// Plans a chunk: as many of the deliveries as fit one transaction, at least one.
///
/// `placement` and `memo` only give hints, so they need no undoing when the commit fails.
#[must_use]
pub fn plan(
    mode: Mode<'_>,
    deliveries: &[Delivery],
    lane: &LaneId,
    state: &LaneState,
    facts: &Facts<'_>,
    placement: &mut Placement,
    memo: &mut Memo,
) -> Chunk {
    memo.refresh(facts.catalog);
    let mut taken = placement.worth_trying(deliveries.len());
    loop {
        let window = deliveries.get(..taken).unwrap_or(deliveries);
        let mut chunk = plan_window(mode, window, lane, state, facts, placement, memo);
        let actions = chunk.commit.actions();
        if actions <= ACTIONS_MAX && chunk.bytes <= BYTES_MAX {
            placement.took(taken, deliveries.len());
            return chunk;
        }
        if taken <= 1 {
            placement.took(taken, deliveries.len());
            merge_buckets(&mut chunk.commit.moves);
            return chunk;
        }
        // Shorter in proportion to what is too much, so that chunks stay full.
        let by_actions = taken * ACTIONS_MAX / actions.max(ACTIONS_MAX);
        let by_bytes = if chunk.bytes > BYTES_MAX { taken / 2 } else { taken };
        taken = by_actions.min(by_bytes).clamp(1, taken - 1);
    }
}

/// Puts all cells of a logic version into one counter item: any item of the lane will do, and a
/// single change must fit one transaction however many counts it touches.
fn merge_buckets(moves: &mut Vec<CellMove>) {
    moves.dedup_by(|next, first| {
        let same = next.logic == first.logic;
        if same {
            first.cells.append(&mut next.cells);
        }
        same
    });
}

fn plan_window(
    mode: Mode<'_>,
    window: &[Delivery],
    lane: &LaneId,
    state: &LaneState,
    facts: &Facts<'_>,
    placement: &mut Placement,
    memo: &mut Memo,
) -> Chunk {
    let mut draft = Draft {
        lane,
        facts,
        mode,
        placement,
        memo,
        lane_tally: LaneTally::default(),
        rows: BTreeMap::new(),
        sum: Contributions::new(),
        evidence: Contributions::new(),
        commit: Commit::empty(lane.clone()),
        tally: Tally::default(),
        bytes: 0,
    };
    let mut to = state.clone();
    let mut last = state.sequence.as_ref();
    for delivery in window {
        if last.is_none_or(|taken| delivery.sequence > *taken) {
            draft.take(delivery);
            last = Some(&delivery.sequence);
            to.records += 1;
            to.at = to.at.max(delivery.arrived_at);
        }
    }
    to.sequence = last.cloned();
    if to != *state {
        draft.commit.advance = Some(LaneAdvance { from: state.clone(), to });
    }
    draft.finish(window.len())
}

/// A chunk in the making.
struct Draft<'a> {
    lane: &'a LaneId,
    facts: &'a Facts<'a>,
    mode: Mode<'a>,
    placement: &'a mut Placement,
    memo: &'a mut Memo,
    /// What lane mode counts.
    lane_tally: LaneTally,
    /// Rows as this chunk leaves them.
    rows: BTreeMap<RowKey, LedgerRow>,
    /// Net movement of every cell.
    sum: Contributions,
    /// How derived versions compared with their parents.
    evidence: Contributions,
    commit: Commit,
    tally: Tally,
    bytes: usize,
}

/// What became of one change; a record is what became of its most telling change.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Outcome {
    NotCounted,
    Late,
    Duplicate,
    Applied,
    Ambiguous,
}

impl Draft<'_> {
    fn take(&mut self, delivery: &Delivery) {
        self.tally.read += 1;
        match &delivery.content {
            Content::Passed(_) => self.tally.passed += 1,
            Content::Tables(events, raw) => {
                self.tally.passed += 1;
                for event in events {
                    self.bytes += raw.len();
                    self.commit.controls.push(Control {
                        lane: self.lane.clone(),
                        sequence: delivery.sequence.clone(),
                        // What it tells of the schema is in the raw bytes, and in the registry.
                        event: TableEvent { told: Told::default(), ..event.clone() },
                        raw: raw.clone(),
                    });
                }
            }
            Content::Poison(poison) => self.put_aside(delivery, poison.clone()),
            Content::Changes(changes) => match self.changes(changes) {
                Ok(Outcome::Applied) => self.tally.applied += 1,
                Ok(Outcome::Duplicate) => self.tally.duplicates += 1,
                Ok(Outcome::Late) => self.tally.late += 1,
                Ok(Outcome::NotCounted) => self.tally.passed += 1,
                Ok(Outcome::Ambiguous) => self.tally.ambiguous += 1,
                Err(poison) => self.put_aside(delivery, poison),
            },
        }
    }

    fn put_aside(&mut self, delivery: &Delivery, poison: Poison) {
        self.tally.quarantined += 1;
        self.bytes += delivery.bytes + 512;
        let affects = self.facts.affected_by(&poison);
        for logic in &affects {
            counting::add_cells(
                self.sum.entry(logic.clone()).or_default(),
                &Cells::from([(Cell::Uncertain, 1)]),
                1,
            );
        }
        self.commit.quarantined.push(Quarantined {
            lane: self.lane.clone(),
            sequence: delivery.sequence.clone(),
            arrived_at: delivery.arrived_at,
            poison,
            affects,
        });
    }

    /// Takes all changes of a record, or none of them.
    fn changes(&mut self, changes: &[Change]) -> Result<Outcome, Poison> {
        let mut outcome = Outcome::NotCounted;
        let mut staged: Vec<(RowKey, LedgerRow)> = Vec::new();
        let mut moved = Contributions::new();
        let facts = self.facts;
        for change in changes {
            let table = facts.catalog.ledger_name(&change.row.table);
            let became = match facts.catalog.table(table).filter(|logic| !logic.live.is_empty()) {
                None => Ok(Outcome::NotCounted),
                Some(_) if facts.is_below_floor(table, change) => Ok(Outcome::Late),
                Some(logic) => match self.mode {
                    Mode::Lane => self.lane_change(change, table, logic),
                    Mode::Ledger { loaded } => {
                        self.ledger_change(change, logic, loaded, &mut staged, &mut moved)
                    }
                },
            };
            match became {
                Ok(became) => outcome = outcome.max(became),
                Err(poison) => {
                    self.lane_tally.drop_staged();
                    return Err(poison);
                }
            }
        }
        self.rows.extend(staged);
        self.lane_tally.take_staged();
        counting::add(&mut self.sum, &moved, 1);
        Ok(outcome)
    }

    fn lane_change(
        &mut self,
        change: &Change,
        table: &TableName,
        logic: &TableLogic,
    ) -> Result<Outcome, Poison> {
        let memo = self.memo.of(table, logic);
        let images = (change.before.as_ref().map(Image::by_ref), change.after.as_ref().map(Image::by_ref));
        let judged = self.lane_tally.stage((table, memo), images, &change.version);
        judged.map_err(|Unavailable| unavailable(change))?;
        Ok(Outcome::Applied)
    }

    fn ledger_change(
        &mut self,
        change: &Change,
        logic: &TableLogic,
        loaded: &BTreeMap<RowKey, LedgerRow>,
        staged: &mut Vec<(RowKey, LedgerRow)>,
        moved: &mut Contributions,
    ) -> Result<Outcome, Poison> {
        let key = &self.facts.ledger_key(&change.row);
        let stands = staged
            .iter()
            .rev()
            .find_map(|(staged_key, row)| (staged_key == key).then_some(row))
            .or_else(|| self.rows.get(key))
            .or_else(|| loaded.get(key));
        // A row from before the table was emptied is no row.
        let before = stands.filter(|row| {
            !self.facts.floors.get(&key.table).is_some_and(|floor| floor.covers(&row.version, row.at))
        });
        // But what it contributes is still in the cells, until this write or the sweep takes it out.
        let nothing = Contributions::new();
        let previous = stands.map_or(&nothing, |row| &row.contributions);
        let (mut row, targets, outcome) = match &key.identity {
            RowIdentity::Position(_) if before.is_some() => return Ok(Outcome::Duplicate),
            RowIdentity::Position(_) => {
                let (row, targets) = ledger::delta_row(change, logic).map_err(|_| unavailable(change))?;
                (row, Some(targets), Outcome::Applied)
            }
            RowIdentity::Key(_) => {
                let memo = self.memo.of(&key.table, logic);
                match ledger::apply(before, change, logic, memo, self.facts.tombstone_expires_at) {
                    Err(_) => return Err(unavailable(change)),
                    Ok(Transition::Duplicate) => return Ok(Outcome::Duplicate),
                    Ok(Transition::Late) => return Ok(Outcome::Late),
                    Ok(Transition::Applied(row, targets)) => (row, Some(targets), Outcome::Applied),
                    Ok(Transition::Ambiguous(row)) => (row, None, Outcome::Ambiguous),
                }
            }
        };
        if outcome == Outcome::Applied && matches!(key.identity, RowIdentity::Key(_)) {
            for definition in ledger::contradicted(before, change, logic) {
                let doubt = self.evidence.entry(LogicId::doubt_of(definition)).or_default();
                *doubt.entry(Cell::Untold).or_insert(0) += 1;
            }
        }
        if let Some(mut targets) = targets {
            cap(&mut targets.cells, Some(previous), logic, self.placement);
            evidence::tally(logic, &targets, 1, self.placement, &mut self.evidence);
            row.contributions = counting::stored(&logic.live, &targets.cells);
        }
        for version in logic.live.iter().chain(&logic.draining) {
            for (contributions, sign) in [(&row.contributions, 1), (previous, -1)] {
                if let Some(cells) = contributions.get(&version.id) {
                    counting::add_cells(moved.entry(version.id.clone()).or_default(), cells, sign);
                }
            }
        }
        moved.retain(|_, cells| !cells.is_empty());
        staged.push((key.clone(), row));
        Ok(outcome)
    }

    fn finish(mut self, consumed: usize) -> Chunk {
        if let Mode::Ledger { loaded } = self.mode {
            for (key, row) in self.rows {
                self.bytes += row_weight(&key, &row);
                let expected_revision = loaded.get(&key).map(|row| row.revision);
                // Within the chunk the revision may have risen several times; one write, one step.
                let revision = ledger::next_revision(expected_revision, &row.version);
                self.commit.rows.push(RowWrite {
                    key,
                    expected_revision,
                    row: Some(LedgerRow { revision, ..row }),
                });
            }
        }
        self.lane_tally.finish(self.memo, self.placement, &mut self.sum, &mut self.evidence);
        // Evidence that nets to nothing cannot be: tallies only grow.
        counting::add(&mut self.sum, &self.evidence, 1);
        self.commit.moves = moves(self.sum, self.placement);
        Chunk { commit: self.commit, consumed, tally: self.tally, bytes: self.bytes }
    }
}

/// Distributes the movement of cells over the lane's counter items; what nets to zero is not
/// written.
#[must_use]
pub fn moves(sum: Contributions, placement: &mut Placement) -> Vec<CellMove> {
    let mut moves = Vec::new();
    for (logic, cells) in sum {
        let mut by_bucket: BTreeMap<u32, Cells> = BTreeMap::new();
        for (cell, n) in cells.into_iter().filter(|(_, n)| *n != 0) {
            by_bucket.entry(placement.place(&logic, &cell)).or_default().insert(cell, n);
        }
        moves.extend(by_bucket.into_iter().map(|(bucket, cells)| CellMove {
            logic: logic.clone(),
            bucket,
            cells,
        }));
    }
    moves
}

/// Moves groups beyond their definitions' caps into the overflow cell, unless the row is counted in
/// that group already, or the version it is derived from counts it there.
pub(super) fn cap(
    targets: &mut Contributions,
    previous: Option<&Contributions>,
    logic: &TableLogic,
    placement: &mut Placement,
) {
    let whole = previous.map(|previous| whole_of(logic, previous));
    for version in &logic.live {
        let image = counting::parent_image(version, targets);
        let Some(cells) = targets.get_mut(&version.id) else { continue };
        ledger::keep_overflow(cells, &image);
        let counted = whole.as_ref().and_then(|whole| whole.get(&version.id));
        let is_known =
            |cell: &Cell| image.contains_key(cell) || counted.is_some_and(|cells| cells.contains_key(cell));
        let is_group = |cell: &&Cell| matches!(cell, Cell::Group(_));
        let beyond = cells.keys().filter(is_group).any(|cell| {
            !is_known(cell) && !placement.has_room(&version.id, cell, version.definition.groups_max)
        });
        if beyond {
            counting::into_overflow(cells);
        } else {
            // Take the place now, so that the groups of one chunk count against the cap as well.
            cells.keys().filter(is_group).filter(|cell| !image.contains_key(*cell)).for_each(|cell| {
                placement.place(&version.id, cell);
            });
        }
    }
}

fn whole_of<'a>(logic: &TableLogic, stored: &'a Contributions) -> Cow<'a, Contributions> {
    if logic.is_plain() { Cow::Borrowed(stored) } else { Cow::Owned(counting::whole(logic, stored)) }
}

fn unavailable(change: &Change) -> Poison {
    let table = &change.row.table;
    let images = change.before.iter().chain(&change.after);
    let unsent =
        images.flat_map(|image| image.item().into_owned()).filter(|(_, value)| *value == Value::Unavailable);
    let (reason, detail) = match unsent.map(|(column, _)| column).find(|column| is_answer(column)) {
        Some(function) => (
            "function_unavailable",
            format!(
                "the {function} that a count of `{table}` asks gave no answer; see `evercount function test`"
            ),
        ),
        None => (
            "value_unavailable",
            format!(
                "a column that a count of `{table}` reads was not sent, and the ledger does not know it from before"
            ),
        ),
    };
    Poison {
        reason: reason.to_owned(),
        detail,
        table: Some(change.row.table.clone()),
        raw: Vec::new(),
        partition_key: None,
    }
}

/// Roughly how many bytes a row write adds to its transaction.
fn row_weight(key: &RowKey, row: &LedgerRow) -> usize {
    let cells: usize = row.contributions.values().map(|cells| 60 + cells.len() * 80).sum();
    let remembered: usize = row.remembered.keys().map(|name| name.len() + 64).sum();
    key.identity.as_str().len() + 200 + cells + remembered
}
