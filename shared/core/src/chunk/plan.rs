//! Planning a chunk: what its transaction writes, decided from what was loaded.

use std::borrow::Cow;
use std::collections::BTreeMap;

use super::{CellMove, Chunk, Delivery, Draft, Facts, Hints, Mode};
use crate::counting::{self, Cells, Contributions};
use crate::group::Cell;
use crate::lane::{LaneId, LaneState};
use crate::ledger;
use crate::logic::TableLogic;
use crate::placement::Placement;

/// Plans a chunk: as many of the deliveries as fit one transaction, at least one.
#[must_use]
pub fn plan(
    mode: Mode<'_>,
    deliveries: &[Delivery],
    lane: &LaneId,
    state: &LaneState,
    facts: &Facts<'_>,
    hints: &mut Hints,
) -> Chunk {
    let mut taken = hints.placement.worth_trying(deliveries.len());
    loop {
        let window = deliveries.get(..taken).unwrap_or(deliveries);
        let mut draft = Draft::new(mode, lane, state, facts, hints);
        window.iter().for_each(|delivery| draft.take(delivery.arrival(), &delivery.content, hints));
        let mut chunk = draft.finish(window.len(), hints);
        if chunk.fits() {
            hints.placement.took(taken, deliveries.len());
            return chunk;
        }
        if taken <= 1 {
            hints.placement.took(taken, deliveries.len());
            merge_buckets(&mut chunk.commit.moves);
            return chunk;
        }
        taken = chunk.fitting(taken).clamp(1, taken - 1);
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
