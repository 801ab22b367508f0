//! What must hold after every step, and how everything is brought to rest and held against a
//! recount.

use evercount_core::adjustment::Cause;
use evercount_core::schema_change::ChangeKind;

use super::*;

impl World {
    /// What must hold after every step.
    pub(super) fn check(&mut self) -> Result<(), String> {
        let store = &self.desk.store;
        if let Some(broken) = store.broken() {
            return Err(broken);
        }
        if let Some(control) = self.control {
            control.after_step(&store.memory);
        }
        let (checker, has_ledger) = (&mut self.checker, self.plan.kind.has_ledger());
        let moved =
            self.source.with(|source| checker.after_step(&store.memory, &source.images, has_ledger))?;
        if moved {
            let (revision, commits) = store.memory.inspect(|state| (state.revision, state.commits));
            self.tell(12 + revision, || format!("commit {commits}, catalog {revision}"));
        }
        if self.plan.following.read > 0 {
            self.remember(moved)?;
        }
        Ok(())
    }

    /// Keeps what every live version counts now, for readers.
    pub(super) fn remember(&mut self, moved: bool) -> Result<(), String> {
        let memory = &self.desk.store.memory;
        let lanes_now = memory.inspect(|state| {
            standing(
                state.directory.iter().map(|lane| (lane, state.lanes.get(lane).cloned().unwrap_or_default())),
            )
        });
        if self.remembered_at.replace(lanes_now) == Some(lanes_now) && !moved {
            return Ok(());
        }
        let live: Vec<LogicVersion> = memory
            .inspect(|state| state.versions.values().filter(|one| one.state.is_live()).cloned().collect());
        for version in live {
            let groups = shown(&version, checks::whole(memory, &version)?);
            let known = self.history.entry((lanes_now, version.id.clone())).or_default();
            if !known.contains(&groups) {
                known.push(groups);
            }
        }
        Ok(())
    }

    /// I8: a reading that names a cut is what was counted there.
    pub(super) fn check_reading(&mut self, reading: &Reading) -> Result<(), String> {
        let Some(groups) = at_one_cut(reading) else { return Ok(()) };
        let lanes = standing(reading.cut.iter().map(|(lane, state)| (lane, state.clone())));
        let Some(known) = self.history.get(&(lanes, reading.logic.id.clone())) else { return Ok(()) };
        self.outcome.strikes.entry("reading").and_modify(|n| *n += 1).or_insert(1);
        if known.contains(groups) {
            return Ok(());
        }
        Err(format!("I8: {} is read as {groups:?}, and was {known:?} at that cut", reading.logic.id))
    }

    /// The quiet part: faults end, everything is delivered and followed, and the counts must be
    /// right.
    pub(super) fn settle(&mut self) -> Result<(), String> {
        self.desk.store.quieten();
        self.plan.faults = crate::simulation::plan::Faults {
            child_first: self.plan.faults.child_first,
            milliseconds: self.plan.faults.milliseconds,
            ..Default::default()
        };
        let following = &mut self.plan.following;
        (following.crash, following.zombie, following.redefine, following.roll_back) = (0, 0, 0, 0);
        (following.maintain, following.read, following.lag, following.fill) = (0, 0, 0, 0);
        self.news.iter_mut().for_each(|(lag, _)| *lag = 0);
        while let Some((_, record)) = self.held.pop() {
            self.put(record);
        }
        let mut steps = LIVENESS_STEPS * (1_000 + self.stream.everything().count());
        while !(self.stream.is_drained()
            && self.running.is_empty()
            && self.jobs.is_empty()
            && self.news.is_empty()
            && self.later.is_empty())
        {
            self.assign();
            self.progress()?;
            steps -= 1;
            if steps == 0 {
                return Err("I17: a quiet system does not reach the tip".to_owned());
            }
        }
        self.mend()?;
        self.fill()?;
        self.final_counts("before maintenance")?;
        if self.plan.follows && self.control != Some(Control::SwitchByDeploy) {
            self.maintain_to_the_end()?;
        }
        Ok(())
    }

    /// Runs an errand to its end, with a look at everything after each of its steps.
    fn attend(&mut self, errand: Errand, what: &str) -> Result<(), String> {
        let mut work = self.desk.start(errand);
        loop {
            let done = poll(&mut work);
            self.check()?;
            match done {
                Some(Ok(_)) => return Ok(()),
                Some(Err(error)) => return Err(format!("I17: {what} fails: {error}")),
                None => {}
            }
        }
    }

    /// The rows from before the counts are read to the end.
    pub(super) fn fill(&mut self) -> Result<(), String> {
        let is_partial = |world: &Self, name: &DefinitionName| {
            let active = checks::active(&world.desk.store.memory, name.as_str());
            active.map(|active| active.coverage != Coverage::Whole)
        };
        for name in self.names.clone() {
            let mut rounds = ROUNDS_MAX;
            while is_partial(self, &name)? {
                let pause = invocation_margin(&self.plan) * 4 + page_time(&self.plan);
                self.clock.fetch_add(pause, Ordering::Relaxed);
                self.attend(Errand::Fill(name.clone()), "a filling")?;
                self.count("filled");
                rounds = rounds.checked_sub(1).ok_or("I17: a count is never filled")?;
            }
        }
        Ok(())
    }

    /// Rounds of maintenance until nothing is open, first while versions stand by, then beyond.
    pub(super) fn maintain_to_the_end(&mut self) -> Result<(), String> {
        let margin = invocation_margin(&self.plan);
        let pause = margin * 4 + page_time(&self.plan);
        for pass in [pause, self.plan.standby + pause] {
            for _ in 0..ROUNDS_MAX {
                self.clock.fetch_add(pass, Ordering::Relaxed);
                for errand in [Errand::Approve, Errand::Maintain] {
                    self.attend(errand, "maintenance")?;
                }
            }
            if self.plan.kind.is_readable() && self.outcome.strikes.contains_key("lose") {
                // A repair vouches for what the version it audits reads, and other versions read more.
                self.clock.fetch_add(MARGIN * 4, Ordering::Relaxed);
                self.repair()?;
            }
            self.final_counts("after maintenance")?;
        }
        self.all_is_decided()?;
        if self.plan.kind.has_ledger() {
            checks::nothing_is_left(&self.desk.store.memory)?;
        }
        self.repair_changes_nothing()
    }

    /// Every plan has come to an end; a right one is not rejected but with one it was planned on.
    pub(super) fn all_is_decided(&mut self) -> Result<(), String> {
        let (adjustments, versions): (Vec<_>, Vec<_>) = self.desk.store.memory.inspect(|state| {
            (state.adjustments.values().cloned().collect(), state.versions.values().cloned().collect())
        });
        for one in adjustments {
            let id = format!("{} of {} from {}", one.plan.id, one.plan.definition, one.plan.from);
            self.count(one.outcome.name());
            if is_planned_anew(&one) {
                self.count("planned_anew");
            }
            if catches_up(&one, &versions) {
                self.count("caught_up");
            }
            match one.outcome {
                // In lane mode only changes are evidence, and the source has ceased to make any.
                PlanOutcome::Watching if self.plan.kind == Kind::Ordered => {}
                PlanOutcome::Watching | PlanOutcome::Backfilling => {
                    return Err(format!("I17: plan {id} is open for ever: {:?}", one.verdict));
                }
                PlanOutcome::AwaitingApproval if one.to.is_some() && self.plan.kind.is_readable() => {
                    return Err(format!("I17: plan {id} is approved and goes nowhere: {:?}", one.verdict));
                }
                PlanOutcome::Rejected
                    if !one.verdict.as_ref().is_some_and(|why| {
                        why.contains("it was planned on") || why.contains("overtaken")
                    }) =>
                {
                    return Err(format!(
                        "a right plan is rejected: {id}: {:?} {:?} {:?}",
                        one.verdict, one.report, one.plan.update
                    ));
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// Rechecks what is ambiguous, repairs what was lost.
    pub(super) fn mend(&mut self) -> Result<(), String> {
        if !self.plan.kind.is_readable() {
            return Ok(());
        }
        self.clock.fetch_add(MARGIN * 4, Ordering::Relaxed);
        let desk = self.desk.clone();
        let rechecked = drive(async move { desk.recheck().await });
        rechecked.map_err(|error| format!("I15: rechecks fail: {error}"))?;
        let doubtful = self
            .desk
            .store
            .memory
            .inspect(|state| state.rows.values().filter(|row| row.ambiguous.is_some()).count());
        if doubtful > 0 {
            return Err(format!("I15: {doubtful} rows are ambiguous after a recheck"));
        }
        if self.outcome.strikes.contains_key("lose") {
            self.repair()?;
        }
        self.check()
    }

    pub(super) fn repair(&mut self) -> Result<(), String> {
        for name in self.names.clone() {
            let work = self.desk.start(Errand::Repair(name));
            drive(work).map_err(|error| format!("repairs fail: {error}"))?;
        }
        Ok(())
    }

    /// I10: reading the source once more changes nothing.
    pub(super) fn repair_changes_nothing(&mut self) -> Result<(), String> {
        if !self.plan.kind.is_readable() {
            return Ok(());
        }
        let before = self.outcome.counts.clone();
        self.clock.fetch_add(MARGIN * 4, Ordering::Relaxed);
        self.repair()?;
        self.check()?;
        self.final_counts("after a repair")?;
        if before == self.outcome.counts {
            Ok(())
        } else {
            Err(format!("I10: a repair changes {before:?} to {:?}", self.outcome.counts))
        }
    }

    pub(super) fn final_counts(&mut self, when: &str) -> Result<(), String> {
        let memory = self.desk.store.memory.clone();
        if self.plan.kind.has_ledger() {
            checks::readings_are_rows(&memory).map_err(|error| format!("{when}: {error}"))?;
        }
        for name in self.names.clone() {
            let active = checks::active(&memory, name.as_str())?;
            let whole = checks::whole(&memory, &active)?;
            let overflowed = whole.contains_key(&Cell::Overflow);
            self.outcome.counts.insert(name.to_string(), checks::comparable(whole, overflowed));
            if !self.is_in_step(&name) {
                continue;
            }
            self.count("in_step");
            let items = self.source.with(|source| source.present());
            let has_ledger = self.plan.kind.has_ledger();
            checks::recount(&memory, name.as_str(), &items, has_ledger)
                .map_err(|error| format!("{when}: {error}"))?;
        }
        if self.plan.faults.poison == 0 && !self.outcome.strikes.contains_key("poison") {
            let quarantined = memory.inspect(|state| state.quarantine.len());
            if quarantined > 0 {
                return Err(format!("I14: {quarantined} records are in quarantine"));
            }
        }
        Ok(())
    }

    /// Whether a definition has followed every change: none is open, none was refused or taken
    /// back.
    pub(super) fn is_in_step(&self, name: &DefinitionName) -> bool {
        let changes = self.source.with(|source| source.history.len());
        if self.control == Some(Control::SwitchByDeploy) {
            return true;
        }
        if !self.plan.follows {
            return changes == 0;
        }
        self.desk.store.memory.inspect(|state| {
            let mut of_name = state.adjustments.values().filter(|one| one.plan.definition == *name);
            of_name.all(|one| {
                matches!(one.outcome, PlanOutcome::Promoted | PlanOutcome::NotAffected)
                    || is_planned_anew(one)
                    || (one.to.is_none() && matches!(one.plan.cause, Cause::Redefinition { .. }))
            })
        })
    }

    pub(super) fn reverted_to_the_first(&self) -> Vec<String> {
        let memory = &self.desk.store.memory;
        let is_first = |name: &&DefinitionName| {
            checks::active(memory, name.as_str()).is_ok_and(|active| active.id.number == 1)
                && memory.inspect(|state| {
                    state.trail.iter().any(|entry| entry.definition == **name && entry.what == "reverted")
                })
        };
        self.names.iter().filter(is_first).map(ToString::to_string).collect()
    }
}

/// Whether another plan stands for it, because the table changed while it waited.
fn is_planned_anew(adjustment: &Adjustment) -> bool {
    adjustment.verdict.as_ref().is_some_and(|why| why.contains("planned anew as"))
}

/// Whether it is for a rename whose new name was asked for before the count was told of it.
fn catches_up(adjustment: &Adjustment, versions: &[LogicVersion]) -> bool {
    let plan = &adjustment.plan;
    let Cause::Schema { changes, .. } = &plan.cause else { return false };
    let planned_on =
        versions.iter().find(|one| one.id.definition == plan.definition && one.id.number == plan.from);
    planned_on.is_some_and(|one| {
        let reads = |column: &str| one.definition.paths().any(|path| path.column_name() == column);
        changes
            .iter()
            .any(|change| matches!(&change.kind, ChangeKind::RenameColumn { to, .. } if reads(to.as_str())))
    })
}

fn standing<'a>(lanes: impl Iterator<Item = (&'a LaneId, evercount_core::lane::LaneState)>) -> u64 {
    let mut hasher = DefaultHasher::new();
    for (lane, state) in lanes {
        (lane.as_str(), state.sequence.as_ref().map(|number| number.as_str().to_owned())).hash(&mut hasher);
        (state.fence, state.records, state.at).hash(&mut hasher);
    }
    hasher.finish()
}

fn shown(version: &LogicVersion, whole: evercount_core::counting::Cells) -> BTreeMap<GroupKey, i64> {
    let cells = match version.definition.view() {
        Some(view) => view.apply(&whole),
        None => whole,
    };
    let groups = cells.into_iter().filter_map(|(cell, n)| match cell {
        Cell::Group(key) if n != 0 => Some((key, n)),
        _ => None,
    });
    groups.collect()
}
