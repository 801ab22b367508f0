//! Evidence: how a derived version's judgement of each change compares with the image of its
//! parent's, tallied in the transaction that counts the change.

use crate::counting::{self, Contributions, Targets};
use crate::group::{Cell, GroupId, Outcome};
use crate::ledger;
use crate::logic::{LogicId, LogicVersion, TableLogic};
use crate::placement::Placement;

/// Groups of a version that one lane tallies by name; the others are tallied together. Enough to
/// see where differences are, and no second copy of the counts.
pub const GROUPS_MAX: usize = 100;

/// Tallies applied changes whose after images are alike for every version that stands beside its
/// parent.
pub fn tally(
    logic: &TableLogic,
    targets: &Targets,
    changes: i64,
    placement: &mut Placement,
    sum: &mut Contributions,
) {
    if changes == 0 {
        return;
    }
    for version in &logic.live {
        if !stands_beside(logic, version) {
            continue;
        }
        let nothing = counting::Cells::new();
        let target = targets.cells.get(&version.id).unwrap_or(&nothing);
        let image = counting::beside(version, &targets.cells);
        let outcome = if targets.failed.contains(&version.id) {
            Outcome::Failed
        } else if target.is_empty() && image.is_empty() {
            // Neither counts the row: that is no evidence of anything.
            continue;
        } else {
            ledger::compare(version.relation, target, &image, targets.earlier.contains(&version.id))
        };
        let group = target.keys().find_map(|cell| match cell {
            Cell::Group(key) => Some(GroupId::of(key)),
            _ => None,
        });
        let mut cell = Cell::Evidence { outcome, group };
        if !placement.has_evidence_room(&version.id, &cell, GROUPS_MAX) {
            cell = Cell::Evidence { outcome, group: None };
        }
        placement.place(&version.id, &cell);
        *sum.entry(version.id.clone()).or_default().entry(cell).or_insert(0) += changes;
    }
}

/// Whether the parent that a version is held against is counted.
fn stands_beside(logic: &TableLogic, version: &LogicVersion) -> bool {
    version.parent.is_some_and(|number| {
        let parent = LogicId { definition: version.id.definition.clone(), number };
        logic.live.iter().any(|one| one.id == parent)
    })
}
