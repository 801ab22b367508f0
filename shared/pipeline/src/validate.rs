//! The validation step: what is known of a version beside its parent, a verdict on it, and what
//! follows: promoted, watched on, rejected, taken back, retired.

use std::collections::BTreeMap;

use evercount_core::adjustment::Start;
use evercount_core::adoption::{self, Adjustment, PlanOutcome, PlanPolicy, TrailEntry};
use evercount_core::definition::DefinitionName;
use evercount_core::group::{Cell, GroupId, GroupKey};
use evercount_core::logic::{Coverage, LogicId, LogicState, LogicVersion, PlanId};
use evercount_core::order::Micros;
use evercount_core::verdict::{self, Compared, ShadowReport, Verdict};

use crate::adapt::{entry, touched};
use crate::empty_table::fence_all;
use crate::ports::{CatalogEdit, Store, StoreError};
use crate::read;

/// What is known of a version beside its parent.
///
/// # Errors
/// Whatever the store answers.
pub async fn report<S: Store>(
    store: &S,
    adjustment: &Adjustment,
    version: &LogicVersion,
    now: Micros,
) -> Result<ShadowReport, StoreError> {
    let cells = store.cells(&version.id).await?;
    let names: BTreeMap<GroupId, GroupKey> = read::whole(store, version)
        .await?
        .into_keys()
        .filter_map(|cell| match cell {
            Cell::Group(key) => Some((GroupId::of(&key), key)),
            _ => None,
        })
        .collect();
    let mut report = adjustment.report.clone();
    (report.changes, report.by_group) = (Compared::default(), BTreeMap::new());
    for (cell, n) in &cells {
        let Cell::Evidence { outcome, group } = cell else { continue };
        let n = u64::try_from(*n).unwrap_or(0);
        report.changes.add(*outcome, n);
        if let Some(key) = group.and_then(|group| names.get(&group)) {
            report.by_group.entry(key.clone()).or_default().add(*outcome, n);
        }
    }
    let mut doubts = cells.get(&Cell::Uncertain).copied().unwrap_or(0);
    for id in [LogicId::doubt_of(&version.id.definition), LogicId::unattributed()] {
        doubts += store.cells(&id).await?.get(&Cell::Uncertain).copied().unwrap_or(0);
    }
    report.uncertain = u64::try_from(doubts).unwrap_or(0);
    let start = adjustment.plan.update.as_ref().map(|update| &update.start);
    report.is_whole = version.coverage == Coverage::Whole
        || match start {
            Some(Start::Image(_)) => true,
            // As whole as what the ledger holds.
            Some(Start::Ledger) => report.census.complete,
            Some(Start::Source) | None => false,
        };
    report.watched_for = now.saturating_sub(version.state_since);
    Ok(report)
}

/// Judges a version, and promotes or rejects it where the verdict says so and the policy lets it.
///
/// # Errors
/// Whatever the store answers.
pub async fn judge<S: Store>(
    store: &S,
    adjustment: &Adjustment,
    version: &LogicVersion,
    now: Micros,
) -> Result<(Adjustment, Verdict), StoreError> {
    let book = store.policy_book().await?;
    let report = report(store, adjustment, version, now).await?;
    let verdict = verdict::judge(&report, adjustment.plan.minimum, book.tolerance);
    let mut judged = Adjustment { report, ..touched(adjustment, now) };
    let undecided = adjustment.plan.class == evercount_core::adjustment::Class::A6
        && adjustment.outcome == PlanOutcome::AwaitingApproval;
    match &verdict {
        // A question that is open is bridged meanwhile: counts under both answers are the same.
        Verdict::Promote { because } if adjustment.policy == PlanPolicy::Auto || undecided => {
            judged.verdict = Some(format!("promote: {because}"));
            if !undecided {
                judged.outcome = PlanOutcome::Promoted;
            }
            match promote(store, adjustment, judged, version, because, now).await? {
                Promotion::Done(after) => Ok((after, verdict)),
                Promotion::Waits(after, because) => Ok((after, Verdict::KeepWatching { because })),
            }
        }
        Verdict::Promote { because } => {
            judged.verdict = Some(format!("promote, once a person approves: {because}"));
            judged.outcome = PlanOutcome::AwaitingApproval;
            let after = keep(store, adjustment, judged).await?;
            Ok((after, Verdict::KeepWatching { because: "a person has to approve".to_owned() }))
        }
        Verdict::KeepWatching { because } => {
            judged.verdict = Some(format!("keep watching: {because}"));
            Ok((keep(store, adjustment, judged).await?, verdict))
        }
        Verdict::Reject { because } => {
            judged.verdict = Some(format!("reject: {because}"));
            let after = reject(store, &judged_on(adjustment, judged), Some(version), because, now).await?;
            Ok((after, verdict))
        }
    }
}

/// The adjustment as stored, with what was found out about it.
fn judged_on(stored: &Adjustment, judged: Adjustment) -> Adjustment {
    Adjustment { revision: stored.revision, ..judged }
}

/// Stores what was found out, where it is news.
async fn keep<S: Store>(
    store: &S,
    stored: &Adjustment,
    judged: Adjustment,
) -> Result<Adjustment, StoreError> {
    let same = stored.report.changes == judged.report.changes
        && stored.report.census == judged.report.census
        && stored.verdict == judged.verdict
        && stored.outcome == judged.outcome;
    if same {
        return Ok(stored.clone());
    }
    let adjustments = vec![(Some(stored.clone()), judged.clone())];
    store.edit_catalog(&CatalogEdit { adjustments, ..CatalogEdit::default() }).await?;
    Ok(judged)
}

/// What came of a promotion.
enum Promotion {
    /// The version is active.
    Done(Adjustment),
    /// It is not, and why.
    Waits(Adjustment, String),
}

/// Lets a version take over: one edit, conditional on the version and on the active one.
async fn promote<S: Store>(
    store: &S,
    stored: &Adjustment,
    judged: Adjustment,
    version: &LogicVersion,
    because: &str,
    now: Micros,
) -> Result<Promotion, StoreError> {
    let versions = store.versions().await?;
    let active = versions
        .iter()
        .find(|one| one.id.definition == version.id.definition && one.state == LogicState::Active);
    // A version planned on a shadow waits until that one is active, or it would skip its verdict.
    let parent_waits = versions.iter().any(|one| {
        one.id.definition == version.id.definition
            && Some(one.id.number) == version.parent
            && one.state == LogicState::Shadow
    });
    if parent_waits {
        let outcome = if judged.outcome == PlanOutcome::Promoted { stored.outcome } else { judged.outcome };
        let because = "the version it was planned on is not active yet".to_owned();
        let verdict = Some(format!("keep watching: {because}"));
        let after = keep(store, stored, Adjustment { outcome, verdict, ..judged }).await?;
        return Ok(Promotion::Waits(after, because));
    }
    if !active.is_some_and(|active| version.may_follow(active)) {
        let because = "another version took over from the one it was planned on".to_owned();
        let verdict = Some(format!("keep watching: {because}"));
        let after = keep(store, stored, Adjustment { outcome: stored.outcome, verdict, ..judged }).await?;
        return Ok(Promotion::Waits(after, because));
    }
    let mut change = vec![(version.clone(), version.entering(LogicState::Active, now))];
    change.extend(active.map(|active| (active.clone(), active.entering(LogicState::Standby, now))));
    let summary = format!("{} takes over: {because}.", version.id);
    let edit = CatalogEdit {
        change,
        adjustments: vec![(Some(stored.clone()), judged.clone())],
        trail: vec![entry(&judged, "promoted", summary, now)],
        ..CatalogEdit::default()
    };
    store.edit_catalog(&edit).await?;
    Ok(Promotion::Done(judged))
}

/// Lets a version take over because a person says so, whatever evidence is missing yet.
///
/// # Errors
/// [`StoreError::Rejected`] where the version is not counted beside the active one, does not count
/// every row yet, waits for its own parent, or where the evidence is against it; else whatever the
/// store answers.
pub async fn promote_by_hand<S: Store>(
    store: &S,
    stored: &Adjustment,
    version: &LogicVersion,
    now: Micros,
) -> Result<(Adjustment, Verdict), StoreError> {
    let refused = |why: String| Err(StoreError::Rejected(format!("{} {why}", version.id)));
    if version.state != LogicState::Shadow {
        return refused("is not counted beside the active version".to_owned());
    }
    let book = store.policy_book().await?;
    let report = report(store, stored, version, now).await?;
    let verdict = verdict::judge(&report, stored.plan.minimum, book.tolerance);
    let because = match &verdict {
        Verdict::Reject { because } => return refused(format!("is found wrong: {because}")),
        _ if !report.is_whole => return refused("does not count every row yet".to_owned()),
        Verdict::Promote { because } => format!("a person promoted it; {because}"),
        Verdict::KeepWatching { because } => {
            format!("a person promoted it before the evidence was in: {because}")
        }
    };
    let mut judged = Adjustment { report, ..touched(stored, now) };
    judged.outcome = PlanOutcome::Promoted;
    judged.verdict = Some(format!("promote: {because}"));
    match promote(store, stored, judged, version, &because, now).await? {
        Promotion::Done(after) => Ok((after, verdict)),
        Promotion::Waits(_, because) => refused(format!("cannot take over: {because}")),
    }
}

/// Rejects a version, and whatever was planned on it; the active one never moved.
///
/// # Errors
/// Whatever the store answers.
pub async fn reject<S: Store>(
    store: &S,
    stored: &Adjustment,
    version: Option<&LogicVersion>,
    because: &str,
    now: Micros,
) -> Result<Adjustment, StoreError> {
    let after = Adjustment { outcome: PlanOutcome::Rejected, ..touched(stored, now) };
    let mut edit = CatalogEdit {
        adjustments: vec![(Some(stored.clone()), after.clone())],
        trail: vec![entry(&after, "rejected", format!("The plan is rejected: {because}."), now)],
        ..CatalogEdit::default()
    };
    if let Some(version) = version {
        give_up(store, &mut edit, version, now).await?;
    }
    no_longer_waits(store, &mut edit, &stored.plan.id).await?;
    store.edit_catalog(&edit).await?;
    Ok(after)
}

/// Adds to an edit that whatever waited for a plan does not any more.
pub(crate) async fn no_longer_waits<S: Store>(
    store: &S,
    edit: &mut CatalogEdit,
    plan: &PlanId,
) -> Result<(), StoreError> {
    for version in store.versions().await? {
        let is_edited = edit.change.iter().any(|(from, _)| from.id == version.id);
        if version.waits_for.as_ref() == Some(plan) && !is_edited {
            let decided = LogicVersion { waits_for: None, ..version.clone() };
            edit.change.push((version, decided));
        }
    }
    Ok(())
}

/// Adds to an edit that a version and those planned on it are rejected.
///
/// The version is as the caller found it when it decided so. In another state it is another matter:
/// where a version planned on an active one has taken over since, to bring back the one before would
/// leave two of them active, and no condition of the edit would tell.
///
/// # Errors
/// [`StoreError::Conflict`] where it is in another state by now; else whatever the store answers.
async fn give_up<S: Store>(
    store: &S,
    edit: &mut CatalogEdit,
    version: &LogicVersion,
    now: Micros,
) -> Result<(), StoreError> {
    let versions = store.versions().await?;
    let adjustments = store.adjustments(Some(&version.id.definition)).await?;
    let mut rejected = vec![version.id.number];
    for one in versions.iter().filter(|one| one.id.definition == version.id.definition) {
        let descends = one.parent.is_some_and(|parent| rejected.contains(&parent));
        if one.id == version.id {
            if one.state != version.state {
                return Err(StoreError::Conflict);
            }
            edit.change.push((one.clone(), one.entering(LogicState::Rejected, now)));
        } else if descends && matches!(one.state, LogicState::Draft | LogicState::Shadow) {
            rejected.push(one.id.number);
            edit.change.push((one.clone(), one.entering(LogicState::Rejected, now)));
            for stored in adjustments.iter().filter(|stored| stored.to == Some(one.id.number)) {
                let verdict = Some(format!("reject: it was planned on {}, which is rejected", version.id));
                let after = Adjustment { outcome: PlanOutcome::Rejected, verdict, ..touched(stored, now) };
                edit.trail.push(entry(&after, "rejected", format!("It was planned on {}.", version.id), now));
                edit.adjustments.push((Some(stored.clone()), after));
            }
        }
    }
    Ok(())
}

/// Takes the promotion of a version back: the version that stands by is active again, with counts as if the other
/// had never been. Returns the version that is active now.
///
/// # Errors
/// [`StoreError::Rejected`] where none stands by; [`StoreError::Conflict`] where it is not, or no
/// longer, the version that is active; else whatever the store answers.
pub async fn roll_back<S: Store>(
    store: &S,
    promoted: &LogicId,
    because: &str,
    now: Micros,
) -> Result<(LogicVersion, Option<Adjustment>), StoreError> {
    let definition = &promoted.definition;
    let versions = store.versions().await?;
    let of = |state: LogicState| {
        versions
            .iter()
            .filter(move |one| one.id.definition == *definition && one.state == state)
            .max_by_key(|one| one.id.number)
    };
    let (Some(active), Some(standby)) = (of(LogicState::Active), of(LogicState::Standby)) else {
        return Err(StoreError::Rejected(format!("no version of `{definition}` stands by for a rollback")));
    };
    if active.id != *promoted {
        // Whoever asked looked before another one took over.
        return Err(StoreError::Conflict);
    }
    let back = standby.entering(LogicState::Active, now);
    let mut edit = CatalogEdit { change: vec![(standby.clone(), back.clone())], ..CatalogEdit::default() };
    give_up(store, &mut edit, active, now).await?;
    let stored = store.adjustments(Some(definition)).await?;
    let stored = stored.into_iter().find(|one| one.to == Some(active.id.number));
    let reverted = stored.as_ref().map(|stored| Adjustment {
        outcome: PlanOutcome::Reverted,
        verdict: Some(format!("taken back: {because}")),
        ..touched(stored, now)
    });
    edit.adjustments.extend(stored.zip(reverted.clone()).map(|(from, to)| (Some(from), to)));
    edit.trail.push(TrailEntry {
        at: now,
        definition: definition.clone(),
        what: "reverted".to_owned(),
        version: Some(active.id.number),
        plan: active.plan.clone(),
        summary: format!("{} is active again instead of {}: {because}.", standby.id, active.id),
    });
    store.edit_catalog(&edit).await?;
    Ok((back, reverted))
}

/// Retires versions whose time to stand by is over. Their rows drain ([`crate::drain`]).
///
/// # Errors
/// Whatever the store answers.
pub async fn retire<S: Store>(
    store: &S,
    definition: &DefinitionName,
    standby: Micros,
    now: Micros,
) -> Result<Vec<LogicVersion>, StoreError> {
    let versions = store.versions().await?;
    let of_name: Vec<_> = versions.into_iter().filter(|one| one.id.definition == *definition).collect();
    let mut retired = Vec::new();
    for version in adoption::retirable(&of_name, standby, now) {
        let after = version.entering(LogicState::Retired, now);
        let entry = TrailEntry {
            at: now,
            definition: definition.clone(),
            what: "retired".to_owned(),
            version: Some(version.id.number),
            plan: version.plan.clone(),
            summary: format!("{} is no longer counted; its rows go over to its successor.", version.id),
        };
        let edit = CatalogEdit {
            change: vec![(version, after.clone())],
            trail: vec![entry],
            ..CatalogEdit::default()
        };
        store.edit_catalog(&edit).await?;
        retired.push(after);
    }
    if !retired.is_empty() {
        // Whoever still counts under them must not write what a fold has taken out.
        fence_all(store).await?;
    }
    Ok(retired)
}
