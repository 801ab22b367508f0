//! Owns what a decision leaves behind: the state, the version, the event, and what is held.

use super::amend::is_or_is_below;
use super::{Evolved, Fate, HeldChange, Judgement, PENDING_BYTES_MAX, Proposal, RETIRED_BYTES_MAX};
use crate::fingerprint::{self, SchemaId};
use crate::order::{Micros, OrderVersion};
use crate::registry::{Origin, SchemaVersion, SubjectState};
use crate::schema::{FieldPath, Schema};
use crate::schema_change::{ChangeKind, Evidence, SchemaChange, SchemaChangeEvent, Typed};

/// What was decided, on the way to being told.
pub(super) struct Next {
    pub schema: Schema,
    pub judgement: Judgement,
    pub fates: Vec<(SchemaChange, Fate)>,
    /// Pending changes that were not looked at.
    pub kept: Vec<SchemaChange>,
}

/// Where what was decided comes from.
pub(super) struct Place<'a> {
    /// The schema as the source has it, where it is at hand.
    pub proposed: Option<&'a Schema>,
    pub position: Option<&'a OrderVersion>,
    pub at: Micros,
}

impl<'a> Place<'a> {
    pub fn of(proposal: &'a Proposal) -> Self {
        Self { proposed: Some(&proposal.schema), position: proposal.position.as_ref(), at: proposal.at }
    }
}

pub(super) fn conclude(
    state: &SubjectState,
    current: Option<&Schema>,
    place: Place<'_>,
    next: Next,
    now: Micros,
) -> Evolved {
    let Next { schema, judgement, fates, kept } = next;
    let mut evolved = Evolved::nothing(state, false);
    let after = &mut evolved.state;
    let is_first = current.is_none() && !schema.fields.is_empty();
    let made: Vec<SchemaChange> = fates
        .iter()
        .filter(|(_, fate)| matches!(fate, Fate::Made))
        .map(|(change, _)| change.clone())
        .collect();
    let told: Vec<SchemaChange> = fates
        .iter()
        .filter(|(_, fate)| matches!(fate, Fate::Made | Fate::Happened))
        .map(|(change, _)| change.clone())
        .collect();

    for change in &told {
        match change.kind {
            ChangeKind::DropTable => after.dropped = true,
            ChangeKind::RenameTable { .. } if current.is_some() => after.dropped = true,
            ChangeKind::CreateTable => after.dropped = false,
            _ => {}
        }
    }
    let is_back = |path: &FieldPath| match place.proposed {
        Some(proposed) => proposed.fields.contains_key(path),
        None => made.iter().any(|change| match &change.kind {
            ChangeKind::AddColumn { column: back, .. } | ChangeKind::RenameColumn { to: back, .. } => {
                is_or_is_below(path, back)
            }
            _ => false,
        }),
    };
    after.retired.retain(|path| !is_back(path));
    if is_first || !made.is_empty() {
        let version = state.current.map_or(1, |id| id.version.saturating_add(1));
        let id = SchemaId { version, fingerprint: fingerprint::of_schema(&schema) };
        retire(after, current, &schema, &made);
        after.current = Some(id);
        after.position = place.position.cloned();
        after.since = place.at;
        evolved.version = Some(SchemaVersion {
            subject: state.subject.clone(),
            id,
            parent: state.current.map(|id| id.version),
            schema,
            changes: made,
            drift: judgement.drift,
            breaks: judgement.breaks,
            position: place.position.cloned(),
            at: place.at,
            created_at: now,
        });
    }
    if state.origin == Origin::Declared && !told.is_empty() && place.position > after.position.as_ref() {
        // The statement has been heard, whatever it changed: sent again it is late.
        after.position = place.position.cloned();
    }
    let (pending, held) = pending_and_held(state, kept, place.at, &fates);
    after.pending = pending;
    evolved.held = held;
    if let (Some(to), false) = (after.current, told.is_empty() && evolved.version.is_none()) {
        evolved.event = Some(SchemaChangeEvent {
            subject: state.subject.clone(),
            from: state.current,
            to,
            changes: told,
            drift: evolved.version.as_ref().map_or(0.0, |version| version.drift),
            position: place.position.cloned(),
            at: place.at,
        });
    }
    if evolved.state != *state {
        evolved.state.revision = state.revision.saturating_add(1);
    }
    evolved
}

/// Remembers the columns that the source has no longer: rows written before still have them. A
/// column that a lenient rule keeps is among them, so its absence is not found again and again.
fn retire(after: &mut SubjectState, current: Option<&Schema>, schema: &Schema, made: &[SchemaChange]) {
    let Some(current) = current else { return };
    let is_gone = |path: &FieldPath| {
        let by_change = made.iter().any(|change| match &change.kind {
            ChangeKind::DropColumn { column, .. } | ChangeKind::RenameColumn { column, .. } => {
                is_or_is_below(path, column)
            }
            _ => false,
        });
        by_change || !schema.fields.contains_key(path)
    };
    let mut bytes: usize = after.retired.iter().map(|path| path.as_str().len()).sum();
    for path in current.fields.keys().filter(|path| is_gone(path)) {
        if bytes + path.as_str().len() <= RETIRED_BYTES_MAX && after.retired.insert(path.clone()) {
            bytes += path.as_str().len();
        }
    }
}

/// What waits from now on, and what was newly held.
fn pending_and_held(
    state: &SubjectState,
    kept: Vec<SchemaChange>,
    at: Micros,
    fates: &[(SchemaChange, Fate)],
) -> (Vec<SchemaChange>, Vec<HeldChange>) {
    let (mut pending, mut held) = (kept, Vec::new());
    let mut bytes: usize = pending.iter().map(weight).sum();
    for (change, fate) in fates {
        let Fate::Held(why) = fate else { continue };
        let waits_already = state.pending.iter().any(|known| known.kind == change.kind);
        if why.is_pending() {
            bytes += weight(change);
            if bytes <= PENDING_BYTES_MAX {
                pending.push(change.clone());
            }
        }
        if !(why.is_pending() && waits_already) {
            let (subject, from) = (state.subject.clone(), state.current);
            held.push(HeldChange { subject, from, change: change.clone(), why: why.clone(), at });
        }
    }
    (pending, held)
}

pub(super) fn weight(change: &SchemaChange) -> usize {
    let of_type = |typed: &Typed| typed.text().len() + typed.types.to_string().len();
    let what = match &change.kind {
        ChangeKind::AddColumn { column, typed, .. } | ChangeKind::DropColumn { column, typed } => {
            column.as_str().len() + of_type(typed)
        }
        ChangeKind::RenameColumn { column, to, typed, previous } => {
            column.as_str().len() + to.as_str().len() + of_type(typed) + of_type(previous)
        }
        ChangeKind::ChangeType { column, typed, previous, .. } => {
            column.as_str().len() + of_type(typed) + of_type(previous)
        }
        ChangeKind::ChangeKey { previous, key } => {
            previous.iter().chain(key).map(|column| column.as_str().len()).sum()
        }
        _ => 0,
    };
    let evidence = match &change.evidence {
        Evidence::Declared { statement } => statement.len(),
        Evidence::Observed { because, .. } => because.len(),
        Evidence::Proposed { parts, .. } => parts.len() * 64,
    };
    what + evidence + 256
}
