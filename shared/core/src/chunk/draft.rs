//! Owns a chunk while it is made: it takes one record after the other, and keeps nothing of those that lane
//! mode counts.

use std::collections::BTreeMap;

use super::plan::{cap, moves};
use super::tally::LaneTally;
use super::{
    Arrival, Chunk, Commit, Content, Control, Facts, Hints, LaneAdvance, Poison, Quarantined, RowWrite, Tally,
};
use crate::change::{Change, ChangeRef, RowIdentity, RowKey, TableEvent, TableName, Told};
use crate::counting::{self, Cells, Contributions, Unavailable};
use crate::evidence;
use crate::function::is_answer;
use crate::group::Cell;
use crate::lane::{LaneId, LaneState, SequenceNumber, SequenceRef};
use crate::ledger::{self, LedgerRow, Transition};
use crate::logic::{LogicId, TableLogic};
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

/// A chunk in the making.
#[derive(Debug)]
pub struct Draft<'a> {
    lane: &'a LaneId,
    facts: &'a Facts<'a>,
    mode: Mode<'a>,
    from: &'a LaneState,
    to: LaneState,
    /// The last record taken, where it is another than when the chunk was begun.
    last: Option<SequenceRef<'a>>,
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

impl Tally {
    /// Notes what became of a record.
    fn note(&mut self, outcome: Outcome) {
        let count = match outcome {
            Outcome::Applied => &mut self.applied,
            Outcome::Duplicate => &mut self.duplicates,
            Outcome::Late => &mut self.late,
            Outcome::NotCounted => &mut self.passed,
            Outcome::Ambiguous => &mut self.ambiguous,
        };
        *count += 1;
    }
}

impl<'a> Draft<'a> {
    /// A chunk of nothing yet.
    #[must_use]
    pub fn new(
        mode: Mode<'a>,
        lane: &'a LaneId,
        state: &'a LaneState,
        facts: &'a Facts<'a>,
        hints: &mut Hints,
    ) -> Self {
        hints.memo.refresh(facts.catalog);
        Self {
            lane,
            facts,
            mode,
            from: state,
            to: state.clone(),
            last: None,
            lane_tally: LaneTally::default(),
            rows: BTreeMap::new(),
            sum: Contributions::new(),
            evidence: Contributions::new(),
            commit: Commit::empty(lane.clone()),
            tally: Tally::default(),
            bytes: 0,
        }
    }

    /// Whether a record was not taken before, here or in an earlier chunk.
    #[must_use]
    pub fn awaits(&self, sequence: SequenceRef<'_>) -> bool {
        let taken = self.last.or_else(|| self.from.sequence.as_ref().map(SequenceNumber::by_ref));
        taken.is_none_or(|taken| sequence > taken)
    }

    /// The tables of which lane mode has counted something, by the names of their ledger rows.
    pub fn tables(&self) -> impl Iterator<Item = &TableName> {
        self.lane_tally.tables()
    }

    fn arrive(&mut self, Arrival { sequence, at, .. }: Arrival<'a>) {
        self.last = Some(sequence);
        self.to.records += 1;
        self.to.at = self.to.at.max(at);
        self.tally.read += 1;
    }

    /// Takes a record, unless it was taken before.
    pub fn take(&mut self, arrival: Arrival<'a>, content: &Content, hints: &mut Hints) {
        if !self.awaits(arrival.sequence) {
            return;
        }
        self.arrive(arrival);
        match content {
            Content::Passed(_) => self.tally.passed += 1,
            Content::Tables(events, raw) => {
                self.tally.passed += 1;
                for event in events {
                    self.bytes += raw.len();
                    self.commit.controls.push(Control {
                        lane: self.lane.clone(),
                        sequence: arrival.sequence.to_number(),
                        // What it tells of the schema is in the raw bytes, and in the registry.
                        event: TableEvent { told: Told::default(), ..event.clone() },
                        raw: raw.clone(),
                    });
                }
            }
            Content::Poison(poison) => self.put_aside(arrival, poison.clone()),
            Content::Changes(changes) => match self.changes(changes, hints) {
                Ok(outcome) => self.tally.note(outcome),
                Err(poison) => self.put_aside(arrival, poison),
            },
        }
    }

    /// Takes a record of lane mode that is [awaited](Self::awaits) and holds one change.
    ///
    /// # Errors
    /// [`Unavailable`] where it cannot be judged; it is not taken then.
    pub fn meet(
        &mut self,
        arrival: Arrival<'a>,
        change: ChangeRef<'_>,
        hints: &mut Hints,
    ) -> Result<(), Unavailable> {
        let outcome = self.lane_change(change, hints);
        if outcome.is_err() {
            self.lane_tally.drop_staged();
        }
        let outcome = outcome?;
        self.lane_tally.take_staged();
        self.arrive(arrival);
        self.tally.note(outcome);
        Ok(())
    }

    fn put_aside(&mut self, arrival: Arrival<'_>, poison: Poison) {
        self.tally.quarantined += 1;
        self.bytes += arrival.bytes + 512;
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
            sequence: arrival.sequence.to_number(),
            arrived_at: arrival.at,
            poison,
            affects,
        });
    }

    /// Takes all changes of a record, or none of them.
    fn changes(&mut self, changes: &[Change], hints: &mut Hints) -> Result<Outcome, Poison> {
        let mut outcome = Outcome::NotCounted;
        let mut staged: Vec<(RowKey, LedgerRow)> = Vec::new();
        let mut moved = Contributions::new();
        for change in changes {
            let became = match self.mode {
                Mode::Lane => {
                    let judged = self.lane_change(change.by_ref(), hints);
                    judged.map_err(|Unavailable| unavailable(change.by_ref()))
                }
                Mode::Ledger { loaded } => {
                    self.ledger_change(change, loaded, (&mut staged, &mut moved), hints)
                }
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

    /// What counts a change, with the name of its ledger rows; or what becomes of one that nothing does.
    fn counted<'c>(&self, change: ChangeRef<'c>) -> Result<(&'c TableName, &'a TableLogic), Outcome>
    where
        'a: 'c,
    {
        let facts = self.facts;
        let table = facts.catalog.ledger_name(change.table);
        match facts.catalog.table(table).filter(|logic| !logic.live.is_empty()) {
            None => Err(Outcome::NotCounted),
            Some(_) if facts.is_below_floor(table, change.version, change.at) => Err(Outcome::Late),
            Some(logic) => Ok((table, logic)),
        }
    }

    fn lane_change(&mut self, change: ChangeRef<'_>, hints: &mut Hints) -> Result<Outcome, Unavailable> {
        let (table, logic) = match self.counted(change) {
            Ok(counted) => counted,
            Err(outcome) => return Ok(outcome),
        };
        let memo = hints.memo.of(table, logic);
        if let Some(after) = change.after {
            self.lane_tally.stage((table, memo), (after, 1), change.version)?;
        }
        if let Some(before) = change.before {
            self.lane_tally.stage((table, memo), (before, -1), change.version)?;
        }
        Ok(Outcome::Applied)
    }

    fn ledger_change(
        &mut self,
        change: &Change,
        loaded: &BTreeMap<RowKey, LedgerRow>,
        (staged, moved): (&mut Vec<(RowKey, LedgerRow)>, &mut Contributions),
        hints: &mut Hints,
    ) -> Result<Outcome, Poison> {
        let (_, logic) = match self.counted(change.by_ref()) {
            Ok(counted) => counted,
            Err(outcome) => return Ok(outcome),
        };
        let Hints { placement, memo } = hints;
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
                let (row, targets) =
                    ledger::delta_row(change, logic).map_err(|_| unavailable(change.by_ref()))?;
                (row, Some(targets), Outcome::Applied)
            }
            RowIdentity::Key(_) => {
                let memo = memo.of(&key.table, logic);
                match ledger::apply(before, change, logic, memo, self.facts.tombstone_expires_at) {
                    Err(_) => return Err(unavailable(change.by_ref())),
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
            cap(&mut targets.cells, Some(previous), logic, placement);
            evidence::tally(logic, &targets, 1, placement, &mut self.evidence);
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

    /// The chunk, which takes so many deliveries. In lane mode it must be known by now where the lane keeps the
    /// cells of the [tables](Self::tables) that were met.
    #[must_use]
    pub fn finish(mut self, consumed: usize, hints: &mut Hints) -> Chunk {
        if let Some(last) = self.last {
            self.to.sequence = Some(last.to_number());
            self.commit.advance = Some(LaneAdvance { from: self.from.clone(), to: self.to });
        }
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
        let Hints { placement, memo } = hints;
        self.lane_tally.finish(memo, placement, &mut self.sum, &mut self.evidence);
        // Evidence that nets to nothing cannot be: tallies only grow.
        counting::add(&mut self.sum, &self.evidence, 1);
        self.commit.moves = moves(self.sum, placement);
        Chunk { commit: self.commit, consumed, tally: self.tally, bytes: self.bytes }
    }
}

fn unavailable(change: ChangeRef<'_>) -> Poison {
    let table = change.table;
    let images = change.before.into_iter().chain(change.after);
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
        table: Some(table.clone()),
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
