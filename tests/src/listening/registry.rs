//! What a registry holds, in a form that two of them can be compared in, and the invariants of
//! one.

use std::collections::{BTreeMap, BTreeSet};

use evercount_core::fingerprint::{self, Fingerprint};
use evercount_core::lane::LaneId;
use evercount_core::registration::Recorded;
use evercount_core::registry::SchemaVersion;
use evercount_core::schema_change::{ChangeKind, SchemaChange, SchemaChangeEvent, Subject};
use evercount_pipeline::memory::{Memory, Registry};

use super::chaos::Chaos;
use super::source::{Truth, Word};

/// A change in a few words.
#[must_use]
pub fn word(change: &SchemaChange) -> Word {
    let to = match &change.kind {
        ChangeKind::RenameColumn { to, .. } => Some(to.to_string()),
        ChangeKind::RenameTable { to } => Some(to.to_string()),
        _ => None,
    };
    Word { kind: change.kind.name(), column: change.kind.column().map(ToString::to_string), to }
}

/// What one subject came to.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct End {
    /// The fingerprint of its current schema.
    pub current: Option<Fingerprint>,
    /// Whether it is gone.
    pub dropped: bool,
    /// Its current schema, for a person.
    pub schema: Vec<String>,
    /// Every change that was reported, in the order of the history.
    pub changes: Vec<Word>,
}

/// What each subject came to.
#[must_use]
pub fn ends(memory: &Memory) -> BTreeMap<Subject, End> {
    memory.inspect(|state| {
        let of = |(subject, known): (&Subject, &evercount_core::registry::SubjectState)| {
            let version = known
                .current
                .and_then(|id| Some(&state.registry.versions.get(&(subject.clone(), id.version))?.0));
            let schema = version.map(|version| &version.schema);
            let fields = schema.into_iter().flat_map(|schema| &schema.fields);
            let end = End {
                current: schema.map(fingerprint::of_schema),
                dropped: known.dropped,
                schema: fields.map(|(path, field)| format!("{path} {}", field.types)).collect(),
                changes: reported(&state.registry, subject),
            };
            (subject.clone(), end)
        };
        state.registry.subjects.iter().map(of).collect()
    })
}

/// Everything a registry holds, as text, part by part.
#[must_use]
pub fn snapshot(memory: &Memory) -> Vec<(&'static str, String)> {
    memory.inspect(|state| {
        let Registry {
            subjects,
            versions,
            watches,
            history,
            outbox,
            written,
            held,
            producers,
            consumers,
            sketches,
        } = &state.registry;
        vec![
            ("subjects", format!("{subjects:?}")),
            ("versions", format!("{versions:?}")),
            ("watches", format!("{watches:?}")),
            ("history", format!("{history:?}")),
            ("outbox", format!("{outbox:?}")),
            ("written migrations", format!("{written:?}")),
            ("held changes", format!("{held:?}")),
            ("producers", format!("{producers:?}")),
            ("consumers", format!("{consumers:?}")),
            ("sketches", format!("{sketches:?}")),
        ]
    })
}

/// What the lanes' watches hold of each field, for a person.
#[must_use]
pub fn evidence(memory: &Memory) -> Vec<String> {
    memory.inspect(|state| {
        let mut lines = Vec::new();
        for ((subject, lane), stored) in &state.registry.watches {
            let Ok(watch) = evercount_wire::watch::from_json(&stored.state) else { continue };
            let gathered = watch.gathered();
            lines.push(format!(
                "{subject} on {lane}: {} rows, {} late, of v{}",
                gathered.rows, gathered.late, gathered.version
            ));
            lines.push(format!(
                "    handovers {:?}, {} recent rows",
                gathered.handovers,
                gathered.recent.len()
            ));
            for entry in &gathered.entries {
                let trace = |trace: &evercount_core::detection::records::Trace| {
                    format!("with {} of {} run {} longest {}", trace.with, trace.of, trace.run, trace.longest)
                };
                let families: Vec<String> =
                    entry.families.iter().map(|(family, one)| format!("{family:?} {}", trace(one))).collect();
                lines.push(format!(
                    "    {} known {} {} {families:?}",
                    entry.path,
                    entry.known,
                    trace(&entry.presence)
                ));
            }
        }
        lines
    })
}

fn reported(registry: &Registry, subject: &Subject) -> Vec<Word> {
    let mut history: Vec<&Recorded> =
        registry.history.iter().filter(|one| one.event.subject == *subject).collect();
    history.sort_by_cached_key(|one| one.chronology());
    history.iter().flat_map(|one| one.event.changes.iter().map(word)).collect()
}

/// (a) Two registries that heard the same source came to the same. Returns whether a rename that
/// one of them reports is a column that goes and one that comes in the other: what tells a rename
/// is a question of evidence, and a lane far behind may have it.
///
/// # Errors
/// In words, where they did not.
pub fn same(
    truth: &BTreeMap<Subject, Truth>,
    calm: &BTreeMap<Subject, End>,
    stormy: &BTreeMap<Subject, End>,
) -> Result<bool, String> {
    let subjects: BTreeSet<&Subject> = calm.keys().chain(stormy.keys()).collect();
    let mut apart = false;
    for subject in subjects {
        let nothing = End::default();
        let (calm, stormy) = (calm.get(subject).unwrap_or(&nothing), stormy.get(subject).unwrap_or(&nothing));
        let declared = truth.get(subject).is_some_and(|truth| truth.declared);
        let as_said = sorted(&calm.changes) == sorted(&stormy.changes);
        let moves = |changes: &[Word]| sorted(&changes.iter().flat_map(moves_of).collect::<Vec<_>>());
        let same = if declared {
            calm.changes == stormy.changes
        } else {
            as_said || moves(&calm.changes) == moves(&stormy.changes)
        };
        apart |= !as_said;
        if !same {
            return Err(format!(
                "a: {subject} reports {:?}, without faults {:?}, the source did {:?}",
                stormy.changes,
                calm.changes,
                truth.get(subject).map(|truth| &truth.changes)
            ));
        }
        if (calm.current, calm.dropped) != (stormy.current, stormy.dropped) {
            return Err(format!(
                "a: {subject} ends as {:?}, without faults as {:?}",
                stormy.schema, calm.schema
            ));
        }
    }
    Ok(apart)
}

fn sorted<T: Clone + Ord>(all: &[T]) -> Vec<T> {
    let mut all = all.to_vec();
    all.sort();
    all
}

/// What the source did is what a run without faults reports: of declared subjects every change in
/// order, of others none that did not happen more often than it did (e).
pub fn true_to_source(truth: &BTreeMap<Subject, Truth>, ends: &BTreeMap<Subject, End>) -> Result<(), String> {
    for (subject, truth) in truth {
        let nothing = End::default();
        let end = ends.get(subject).unwrap_or(&nothing);
        if truth.declared {
            if end.changes != truth.changes {
                return Err(format!(
                    "{subject} reports {:?}, the source did {:?}",
                    end.changes, truth.changes
                ));
            }
            continue;
        }
        flapping(subject, truth, end)?;
    }
    Ok(())
}

/// (e) No field comes, goes or changes its type more often than in the source.
pub fn flapping(subject: &Subject, truth: &Truth, end: &End) -> Result<(), String> {
    let (mut did, mut said) = (BTreeMap::new(), BTreeMap::new());
    for (moves, words) in [(&mut did, &truth.changes), (&mut said, &end.changes)] {
        for (what, field) in words.iter().flat_map(moves_of) {
            *moves.entry((what, field)).or_insert(0_u32) += 1;
        }
    }
    for (one, times) in &said {
        let really = did.get(one).copied().unwrap_or(0);
        if *times > really {
            return Err(format!(
                "e: {subject}: {} {} {times} times, the source {really} times; reported {:?}, done {:?}",
                one.0, one.1, end.changes, truth.changes
            ));
        }
    }
    Ok(())
}

/// A change as the comings and goings of fields: a rename is one of each.
fn moves_of(word: &Word) -> Vec<(&'static str, String)> {
    let column = word.column.clone().unwrap_or_default();
    match word.kind {
        "add_column" => vec![("comes", column)],
        "drop_column" => vec![("goes", column)],
        "rename_column" => {
            vec![("goes", column), ("comes", word.to.clone().unwrap_or_default())]
        }
        "change_type" => vec![("is retyped", column)],
        other => vec![(other, String::new())],
    }
}

/// (b) Versions are numbered without gaps, have the right parents, and stay as they were made.
pub fn versions(store: &Chaos) -> Result<(), String> {
    let made = store.versions_made();
    store.memory.inspect(|state| {
        let stored: BTreeMap<(Subject, u32), &SchemaVersion> =
            state.registry.versions.iter().map(|(key, (version, _))| (key.clone(), version)).collect();
        if stored.len() != made.len() {
            return Err(format!("b: {} versions were made, {} are there", made.len(), stored.len()));
        }
        for ((subject, number), version) in &stored {
            let parent = number.checked_sub(1).filter(|parent| *parent > 0);
            let follows = parent.is_none_or(|parent| stored.contains_key(&(subject.clone(), parent)));
            if version.id.version != *number || version.parent != parent || !follows {
                return Err(format!("b: version {number} of {subject} follows {:?}", version.parent));
            }
            if made.get(&(subject.clone(), *number)) != Some(*version) {
                return Err(format!("b: version {number} of {subject} is not what it was"));
            }
            if version.id.fingerprint != fingerprint::of_schema(&version.schema) {
                return Err(format!("b: version {number} of {subject} has another one's fingerprint"));
            }
        }
        for (subject, known) in &state.registry.subjects {
            let newest = stored.keys().filter(|(of, _)| of == subject).map(|(_, number)| *number).max();
            if newest != known.current.map(|id| id.version) {
                return Err(format!(
                    "b: {subject} stands at {:?}, its newest version is {newest:?}",
                    known.current
                ));
            }
        }
        Ok(())
    })
}

/// (c) Each recorded event arrived, nothing else did, and in the order of versions.
pub fn events(store: &Chaos) -> Result<(), String> {
    let (arrived, distinct) = (store.arrived.events(), store.arrived.distinct());
    store.memory.inspect(|state| {
        let recorded: BTreeMap<String, &SchemaChangeEvent> =
            state.registry.history.iter().map(|one| (one.event.id(), &one.event)).collect();
        if recorded.len() != state.registry.history.len() {
            return Err("c: two events have one id".to_owned());
        }
        for event in &arrived {
            if recorded.get(&event.id()) != Some(&event) {
                return Err(format!("c: an event arrived that nobody recorded: {event:?}"));
            }
        }
        let ids: BTreeSet<String> = distinct.iter().map(SchemaChangeEvent::id).collect();
        if let Some((_, event)) = recorded.iter().find(|(id, _)| !ids.contains(*id)) {
            return Err(format!("c: an event never arrived: {event:?}"));
        }
        if !state.registry.outbox.is_empty() {
            return Err(format!("c: {} events wait for ever", state.registry.outbox.len()));
        }
        let mut newest: BTreeMap<&Subject, u32> = BTreeMap::new();
        for event in &distinct {
            let before = newest.insert(&event.subject, event.to.version).unwrap_or(0);
            let steps = event.from.map_or(0, |from| from.version);
            if event.to.version < before || steps > before {
                return Err(format!("c: version {} arrives after {before}: {event:?}", event.to));
            }
        }
        let made = state.registry.versions.keys().count();
        let told = recorded.values().filter(|event| event.from != Some(event.to)).count();
        if made != told { Err(format!("c: {made} versions, {told} events")) } else { Ok(()) }
    })
}

/// (f) What each lane has seen of each subject is what it was given, each record once.
pub fn sightings(memory: &Memory, given: &BTreeMap<(Subject, LaneId), u64>) -> Result<(), String> {
    memory.inspect(|state| {
        let watches = &state.registry.watches;
        let seen: BTreeMap<(Subject, LaneId), u64> =
            watches.iter().map(|(key, watch)| (key.clone(), watch.seen)).collect();
        let wrong = given.iter().find(|(key, n)| seen.get(key) != Some(n));
        if let Some((key, n)) = wrong {
            return Err(format!("f: {key:?} was given {n} and has seen {:?}", seen.get(key)));
        }
        let more = seen.keys().find(|key| !given.contains_key(key));
        more.map_or(Ok(()), |key| Err(format!("f: {key:?} has seen what nobody gave it")))
    })
}

/// (f) of lineage: producers are told of each record once.
pub fn producers(memory: &Memory, given: &BTreeMap<(Subject, LaneId), u64>) -> Result<(), String> {
    memory.inspect(|state| {
        for ((subject, by, lane), (_, seen)) in &state.registry.producers {
            let known = given.get(&(subject.clone(), lane.clone())).copied().unwrap_or(0);
            if seen.records != known {
                return Err(format!(
                    "f: {by:?} wrote {} records of {subject} by {lane}, not {known}",
                    seen.records
                ));
            }
        }
        let told: BTreeSet<(&Subject, &LaneId)> =
            state.registry.producers.keys().map(|(subject, _, lane)| (subject, lane)).collect();
        let untold = given.keys().find(|(subject, lane)| !told.contains(&(subject, lane)));
        untold.map_or(Ok(()), |key| Err(format!("f: nobody wrote {key:?}")))
    })
}
