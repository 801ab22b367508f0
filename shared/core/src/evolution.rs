//! Evolution: what a proposed schema makes of a subject, under its policy.
//!
//! In the manner of Flink CDC each kind of change has a rule. What a rule lets through is put
//! into the current schema change by change, so the new version holds what was let through and
//! nothing else; what it holds back is a value that says why. The same inputs give the same ids.

mod amend;
mod conclude;
#[cfg(test)]
mod tests;

use crate::fingerprint::{self, SchemaId};
use crate::order::{Micros, OrderVersion};
use crate::registry::{EvolutionRule, Origin, Policy, SchemaVersion, SubjectState};
use crate::schema::Schema;
use crate::schema_change::{ChangeKind, Retype, SchemaChange, SchemaChangeEvent, Subject};

use amend::{amend, refresh, still_holds};
use conclude::{Next, Place, conclude};

/// Most bytes of names in [`SubjectState::retired`]: the subject's item is read with every batch
/// and has 400 KB. What does not fit is not remembered, so an old row that still has the column
/// looks new.
pub const RETIRED_BYTES_MAX: usize = 64 * 1024;

/// Most bytes of names and evidence in [`SubjectState::pending`]. What does not fit is held all
/// the same, and found again by the next proposal.
pub const PENDING_BYTES_MAX: usize = 128 * 1024;

/// How a subject's schema is now, as its source or its rows say.
#[derive(Clone, PartialEq, Debug)]
pub struct Proposal {
    /// The whole schema, pending changes included.
    pub schema: Schema,
    /// Everything in which it differs from the current version, and what happened to the table as
    /// a whole; in the order it happened where the source said so.
    pub changes: Vec<SchemaChange>,
    /// From where in the source's log it holds, where that is known.
    pub position: Option<OrderVersion>,
    /// When the source changed, or the first row in the new shape was written; microseconds
    /// since the epoch.
    pub at: Micros,
}

/// What a schema would mean as the next version.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Judgement {
    /// How far it is from the current version, in [0, 1].
    pub drift: f64,
    /// Where the compatibility mode does not hold, in words.
    pub breaks: Vec<String>,
}

/// Why a change made no version.
#[derive(Clone, PartialEq, Debug)]
pub enum Held {
    /// Its rule is `ignore`, or the policy includes or excludes other kinds.
    Ignored,
    /// Its rule is `exception`.
    Refused,
    /// What has gathered is below the policy's drift threshold.
    BelowThreshold {
        /// The drift so far.
        drift: f64,
        /// The threshold.
        threshold: f64,
    },
    /// Its rule is `try_evolve`, and the compatibility mode would not hold.
    Breaks(Vec<String>),
}

impl Held {
    /// The stored name.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Ignored => "ignored",
            Self::Refused => "refused",
            Self::BelowThreshold { .. } => "below_threshold",
            Self::Breaks(_) => "breaks",
        }
    }

    /// Whether it waits: for more drift, or for a person.
    #[must_use]
    pub fn is_pending(&self) -> bool {
        matches!(self, Self::BelowThreshold { .. } | Self::Breaks(_))
    }

    /// Why, in words.
    #[must_use]
    pub fn sentence(&self) -> String {
        match self {
            Self::Ignored => "ignored by the subject's policy".to_owned(),
            Self::Refused => "refused by the subject's policy".to_owned(),
            Self::BelowThreshold { drift, threshold } => {
                format!("waits for more: drift {drift:.3} is below the threshold {threshold:.3}")
            }
            Self::Breaks(breaks) => {
                format!("waits for a person: {}", breaks.join("; "))
            }
        }
    }
}

/// A change that made no version.
#[derive(Clone, PartialEq, Debug)]
pub struct HeldChange {
    /// Of which subject.
    pub subject: Subject,
    /// The version it would have changed.
    pub from: Option<SchemaId>,
    /// The change.
    pub change: SchemaChange,
    /// Why it made none.
    pub why: Held,
    /// When the source made it, microseconds since the epoch.
    pub at: Micros,
}

impl HeldChange {
    /// Its id: a hash of subject, version and what changed, so the same change held again has
    /// the same one.
    #[must_use]
    pub fn id(&self) -> String {
        let from = self.from.map_or_else(String::new, |from| from.to_string());
        let text = format!("{}\0{from}\0{:?}", self.subject, self.change.kind);
        format!("{:016x}", xxhash_rust::xxh3::xxh3_64(text.as_bytes()))
    }
}

/// What a proposal led to.
#[derive(Clone, PartialEq, Debug)]
pub struct Evolved {
    /// The subject's state now; equal to the one before where nothing changed.
    pub state: SubjectState,
    /// The new version.
    pub version: Option<SchemaVersion>,
    /// What to tell the world. An event that changes no schema (a truncate) has no version.
    pub event: Option<SchemaChangeEvent>,
    /// Changes that made no version. Those that wait are named when they begin to.
    pub held: Vec<HeldChange>,
    /// Whether the proposal is from before the current version, and so no news.
    pub late: bool,
}

impl Evolved {
    fn nothing(state: &SubjectState, late: bool) -> Self {
        Self { state: state.clone(), version: None, event: None, held: Vec::new(), late }
    }
}

/// A subject that nothing is known of yet.
#[must_use]
pub fn new_subject(subject: Subject, origin: Origin, policy: Policy, first_seen: Micros) -> SubjectState {
    SubjectState {
        subject,
        origin,
        current: None,
        position: None,
        since: first_seen,
        dropped: false,
        retired: [].into(),
        pending: Vec::new(),
        policy,
        first_seen,
        revision: 0,
    }
}

/// Whether a proposal is from before the current version of a declared subject: a statement
/// that was sent again, or that another lane has overtaken. By position where both have one, else
/// by time, where two statements of one moment are both news.
fn is_late(state: &SubjectState, proposal: &Proposal) -> bool {
    if state.origin != Origin::Declared || state.current.is_none() {
        return false;
    }
    match (&proposal.position, &state.position) {
        (Some(proposed), Some(current)) => proposed <= current,
        _ => proposal.at < state.since,
    }
}

/// What becomes of one change on the way.
enum Fate {
    /// The rule lets it through.
    Open(EvolutionRule),
    /// It is held.
    Held(Held),
    /// It changed the schema.
    Made,
    /// It happened to the table as a whole.
    Happened,
    /// It is so already.
    Known,
}

/// Applies a subject's policy to a proposal. `current` is the schema of the current version, and
/// `judge` says what a schema would mean as the next one.
#[must_use]
pub fn evolve(
    state: &SubjectState,
    current: Option<&Schema>,
    proposal: &Proposal,
    judge: impl Fn(&Schema) -> Judgement,
    now: Micros,
) -> Evolved {
    if is_late(state, proposal) {
        return Evolved::nothing(state, true);
    }
    let mut fates = gathered(state, current, proposal);
    let Some(current) = current else { return first(state, proposal, fates, &judge, now) };

    let mut built = build(current, Some(&proposal.schema), &fates);
    let mut judgement = judge(&built.0);
    let tries = |fate: &Fate| matches!(fate, Fate::Open(EvolutionRule::TryEvolve));
    if !judgement.breaks.is_empty() && fates.iter().any(|(_, fate)| tries(fate)) {
        let breaks = judgement.breaks;
        for (change, fate) in &mut fates {
            if tries(fate) && alters_schema(&change.kind) {
                *fate = Fate::Held(Held::Breaks(breaks.clone()));
            }
        }
        built = build(current, Some(&proposal.schema), &fates);
        judgement = judge(&built.0);
    }
    let threshold = state.policy.drift_threshold;
    let is_new_table = fates
        .iter()
        .any(|(change, fate)| matches!((&change.kind, fate), (ChangeKind::CreateTable, Fate::Open(_))));
    if !is_new_table && judgement.drift < threshold {
        for (change, fate) in &mut fates {
            if matches!(fate, Fate::Open(_)) && alters_schema(&change.kind) {
                *fate = Fate::Held(Held::BelowThreshold { drift: judgement.drift, threshold });
            }
        }
        built = (current.clone(), vec![false; fates.len()]);
    }
    let (schema, made) = built;
    for ((change, fate), made) in fates.iter_mut().zip(made) {
        if let Fate::Open(_) = fate {
            *fate = match &change.kind {
                _ if made => Fate::Made,
                ChangeKind::CreateTable if !state.dropped => Fate::Known,
                ChangeKind::DropTable if state.dropped => Fate::Known,
                // A statement that leaves a column as it was is told, though it makes no version.
                ChangeKind::ChangeType { retype: Retype::Restated, typed, previous, .. }
                    if typed == previous =>
                {
                    Fate::Happened
                }
                kind if alters_schema(kind) => Fate::Known,
                _ => Fate::Happened,
            };
        }
    }
    let next = Next { schema, judgement, fates, kept: Vec::new() };
    conclude(state, Some(current), Place::of(proposal), next, now)
}

/// A person's decision to let pending changes through: those that `wanted` accepts.
#[must_use]
pub fn accept(
    state: &SubjectState,
    current: &Schema,
    wanted: impl Fn(&SchemaChange) -> bool,
    judge: impl Fn(&Schema) -> Judgement,
    now: Micros,
) -> Evolved {
    let wanted = state.pending.iter().filter(|change| wanted(change));
    let mut fates: Vec<(SchemaChange, Fate)> =
        wanted.map(|change| (change.clone(), Fate::Open(accepted_rule(&state.policy, change)))).collect();
    let (schema, made) = build(current, None, &fates);
    for ((_, fate), made) in fates.iter_mut().zip(made) {
        *fate = if made { Fate::Made } else { Fate::Known };
    }
    let kept = state.pending.iter().filter(|change| fates.iter().all(|(one, _)| one != *change));
    let kept = kept.cloned().collect();
    let judgement = judge(&schema);
    // Nobody knows where in the log a person stands; the position that is known stays.
    let place = Place { proposed: None, position: None, at: now };
    let mut evolved = conclude(state, Some(current), place, Next { schema, judgement, fates, kept }, now);
    evolved.state.position.clone_from(&state.position);
    evolved
}

/// A person overrules every rule but `lenient`, which says how and not whether.
fn accepted_rule(policy: &Policy, change: &SchemaChange) -> EvolutionRule {
    match policy.rule(change.kind.name()) {
        EvolutionRule::Lenient => EvolutionRule::Lenient,
        _ => EvolutionRule::Evolve,
    }
}

/// The proposal's changes and those that wait and still hold, each under its rule.
fn gathered(
    state: &SubjectState,
    current: Option<&Schema>,
    proposal: &Proposal,
) -> Vec<(SchemaChange, Fate)> {
    let waiting = |change: &&SchemaChange| {
        proposal.changes.iter().all(|proposed| proposed.kind != change.kind)
            && current.is_some_and(|current| still_holds(&change.kind, current, &proposal.schema))
    };
    let known = |change: &SchemaChange| {
        // The evidence that a waiting change was first found by stands.
        let pending = state.pending.iter().find(|pending| pending.kind == change.kind);
        pending.unwrap_or(change).clone()
    };
    let all = state.pending.iter().filter(waiting).cloned().chain(proposal.changes.iter().map(known));
    all.map(|change| {
        let fate = match state.policy.rule(change.kind.name()) {
            _ if is_kept(state, current, &change) => Fate::Known,
            EvolutionRule::Ignore => Fate::Held(Held::Ignored),
            EvolutionRule::Exception => Fate::Held(Held::Refused),
            rule => Fate::Open(rule),
        };
        (change, fate)
    })
    .collect()
}

/// Whether a lenient rule keeps the column on purpose, though its source has dropped or renamed it.
fn is_kept(state: &SubjectState, current: Option<&Schema>, change: &SchemaChange) -> bool {
    let ChangeKind::DropColumn { column, .. } = &change.kind else { return false };
    let is_lenient = |kind| state.policy.rule(kind) == EvolutionRule::Lenient;
    state.retired.contains(column)
        && current.is_some_and(|current| current.fields.contains_key(column))
        && (is_lenient("drop_column") || is_lenient("rename_column"))
}

fn alters_schema(kind: &ChangeKind) -> bool {
    !matches!(
        kind,
        ChangeKind::CreateTable
            | ChangeKind::DropTable
            | ChangeKind::RenameTable { .. }
            | ChangeKind::TruncateTable
    )
}

/// The current schema with the open changes made, and which of them changed it.
fn build(current: &Schema, proposed: Option<&Schema>, fates: &[(SchemaChange, Fate)]) -> (Schema, Vec<bool>) {
    let created = fates
        .iter()
        .any(|(change, fate)| matches!((&change.kind, fate), (ChangeKind::CreateTable, Fate::Open(_))));
    if let (true, Some(proposed)) = (created, proposed) {
        // A table made anew is as it was made; nothing of the old one is left to be kept.
        let differs = fingerprint::of_schema(proposed) != fingerprint::of_schema(current);
        let schema = if differs { proposed.clone() } else { current.clone() };
        let made = fates.iter().map(|(change, fate)| {
            differs
                && matches!(fate, Fate::Open(_))
                && (alters_schema(&change.kind) || change.kind == ChangeKind::CreateTable)
        });
        return (schema, made.collect());
    }
    let mut schema = current.clone();
    let made = fates.iter().map(|(change, fate)| match fate {
        Fate::Open(rule) => amend(&mut schema, &change.kind, proposed, *rule == EvolutionRule::Lenient),
        _ => false,
    });
    let made: Vec<bool> = made.collect();
    if made.contains(&true) {
        refresh(&mut schema, proposed);
    }
    (schema, made)
}

/// The first version: the schema as it is, unless a rule holds the creation back.
fn first(
    state: &SubjectState,
    proposal: &Proposal,
    mut fates: Vec<(SchemaChange, Fate)>,
    judge: &impl Fn(&Schema) -> Judgement,
    now: Micros,
) -> Evolved {
    let is_gone = fates.iter().any(|(change, _)| change.kind == ChangeKind::DropTable);
    let is_held = fates.iter().any(|(change, fate)| {
        let creates = matches!(change.kind, ChangeKind::CreateTable | ChangeKind::RenameTable { .. });
        creates && matches!(fate, Fate::Held(_))
    });
    let made = !is_gone && !is_held && !proposal.schema.fields.is_empty();
    for (change, fate) in &mut fates {
        if let Fate::Open(_) = fate {
            *fate = match change.kind {
                ChangeKind::DropTable | ChangeKind::TruncateTable => Fate::Happened,
                _ if made => Fate::Made,
                _ => Fate::Known,
            };
        }
    }
    let judgement = if made { judge(&proposal.schema) } else { Judgement::default() };
    let schema = if made { proposal.schema.clone() } else { Schema::default() };
    conclude(state, None, Place::of(proposal), Next { schema, judgement, fates, kept: Vec::new() }, now)
}
