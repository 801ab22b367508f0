//! Negative controls: ways of following a change that are known to be wrong, kept so that the
//! simulator must catch each.

use evercount_core::adjustment::{self, Cause, Facts};
use evercount_core::adoption::PlanOutcome;
use evercount_core::chunk::{CellMove, Commit};
use evercount_core::counting::{self, Contributions};
use evercount_core::lane::LaneId;
use evercount_core::logic::{Base, Catalog, Coverage, LogicState, LogicVersion};
use evercount_pipeline::memory::{Memory, State};

use super::planner;
use super::source::News;

/// A wrong design.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Control {
    /// The new logic replaces the old at once, and counts what comes after.
    SwitchByDeploy,
    /// What a row hands over to the child is its image twice.
    MappedTwice,
    /// A retired parent's cells are dropped without a walk over its rows.
    NotDrained,
    /// Rows of the new shape that came before the version are not judged anew.
    NotSettled,
    /// A page of the source is dated when the backfill is over, and not before it was read.
    PageDatedLate,
    /// A version is promoted whatever was seen of it.
    NoEvidence,
    /// No lane is told that a version starts.
    NoFence,
    /// A parent is retired while its own parent is still counted.
    RetiredUnderParent,
    /// Answers of functions are taken in the order in which they are ready, and not in that of the questions.
    AnswersAsReady,
}

impl Control {
    /// All of them.
    pub const ALL: [Self; 9] = [
        Self::SwitchByDeploy,
        Self::MappedTwice,
        Self::NotDrained,
        Self::NotSettled,
        Self::PageDatedLate,
        Self::NoEvidence,
        Self::NoFence,
        Self::RetiredUnderParent,
        Self::AnswersAsReady,
    ];

    /// What it makes of a commit.
    #[must_use]
    pub fn spoils(self) -> Option<fn(&mut Commit, &Memory)> {
        (self == Self::MappedTwice).then_some(map_twice as fn(&mut Commit, &Memory))
    }
}

/// Rows that leave a retired version give its children the image once more; cells and rows agree.
fn map_twice(commit: &mut Commit, memory: &Memory) {
    if commit.lane != LaneId::operator() {
        return;
    }
    memory.inspect(|state| {
        let catalog = Catalog::new(state.revision, state.versions.values().cloned(), state.adopted.clone());
        let mut extra = Contributions::new();
        for write in &mut commit.rows {
            let (Some(before), Some(after), Some(logic)) =
                (state.rows.get(&write.key), &mut write.row, catalog.table(&write.key.table))
            else {
                continue;
            };
            let whole = counting::whole(logic, &before.contributions);
            for gone in &logic.draining {
                let leaves = gone.state == LogicState::Retired
                    && before.contributions.contains_key(&gone.id)
                    && !after.contributions.contains_key(&gone.id);
                for child in
                    logic.live.iter().filter(|one| leaves && one.base_id().as_ref() == Some(&gone.id))
                {
                    let image = counting::parent_image(child, &whole);
                    counting::add_cells(after.contributions.entry(child.id.clone()).or_default(), &image, 1);
                    counting::add_cells(extra.entry(child.id.clone()).or_default(), &image, 1);
                }
            }
        }
        for (logic, cells) in extra.into_iter().filter(|(_, cells)| !cells.is_empty()) {
            commit.moves.push(CellMove { logic, bucket: 0, cells });
        }
    });
}

impl Control {
    /// What it does behind the back of the steps, as soon as there is something to do it to.
    pub fn after_step(self, memory: &Memory) {
        match self {
            Self::NotDrained => memory.tamper(drop_retired),
            Self::NoEvidence => memory.tamper(promote_at_once),
            Self::RetiredUnderParent => memory.tamper(retire_under_parent),
            _ => {}
        }
    }
}

fn drop_retired(state: &mut State) {
    let retired: Vec<_> = state
        .versions
        .values()
        .filter(|one| one.state == LogicState::Retired)
        .map(|one| one.id.clone())
        .collect();
    for id in retired {
        for child in state.versions.values_mut().filter(|one| one.base_id().as_ref() == Some(&id)) {
            child.base = Base::Own;
            state.revision += 1;
        }
        state.cells.retain(|(of, _, _), _| *of != id);
    }
}

fn promote_at_once(state: &mut State) {
    let shadows: Vec<_> =
        state.versions.values().filter(|one| one.state == LogicState::Shadow).cloned().collect();
    for shadow in shadows {
        let started = state.adjustments.values_mut().find(|one| {
            one.plan.definition == shadow.id.definition
                && one.to == Some(shadow.id.number)
                && one.progress.started_at > 0
        });
        let Some(adjustment) = started else { continue };
        adjustment.outcome = PlanOutcome::Promoted;
        adjustment.revision += 1;
        for one in state.versions.values_mut().filter(|one| one.id.definition == shadow.id.definition) {
            if one.state == LogicState::Active {
                *one = one.entering(LogicState::Standby, one.state_since);
            } else if one.id == shadow.id {
                *one = one.entering(LogicState::Active, one.state_since);
            }
        }
        state.revision += 1;
    }
}

fn retire_under_parent(state: &mut State) {
    let live: Vec<_> =
        state.versions.values().filter(|one| one.state.is_live()).map(|one| one.id.clone()).collect();
    for one in state.versions.values_mut().filter(|one| one.state == LogicState::Standby) {
        if one.base_id().is_some_and(|parent| live.contains(&parent)) {
            *one = one.entering(LogicState::Retired, one.state_since);
            state.revision += 1;
            state.lanes.values_mut().for_each(|lane| lane.fence += 1);
        }
    }
}

/// Lets new logic take the place of the old at once, and count what comes after.
pub fn switch(memory: &Memory, news: &News) {
    let cause = Cause::Schema {
        event: news.event.id(),
        changes: news.event.changes.clone(),
        position: news.event.position.clone(),
        at: news.event.at,
    };
    memory.tamper(|state| {
        let active: Vec<_> =
            state.versions.values().filter(|one| one.state == LogicState::Active).cloned().collect();
        for old in active {
            let facts = Facts { has_ledger: true, ..Facts::default() };
            let plan = planner::right(&cause, &old, &facts);
            let Some(update) = &plan.update else { continue };
            let number = old.id.number + 1;
            let made = adjustment::version_of(&plan, update, &old, number, news.event.at);
            let made = LogicVersion {
                base: Base::Own,
                coverage: Coverage::Whole,
                state: LogicState::Active,
                ..made
            };
            state.versions.insert(made.id.clone(), made);
            state.versions.insert(old.id.clone(), old.entering(LogicState::Retired, news.event.at));
            state.revision += 1;
        }
        state.lanes.values_mut().for_each(|lane| lane.fence += 1);
    });
}
