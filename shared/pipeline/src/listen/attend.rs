//! One subject of a batch: its rows folded into the lane's watch, its control records and what
//! the watches of all lanes show taken to the registry.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use evercount_core::change::{Clause, RowIdentity};
use evercount_core::detection::declared;
use evercount_core::detection::records::{self, Known, RowSeen, Watch};
use evercount_core::diff::Diff;
use evercount_core::drift::drift_with_shifts;
use evercount_core::evolution::{self, Judgement, Proposal};
use evercount_core::lane::{LaneId, SequenceNumber};
use evercount_core::order::{Micros, OrderVersion};
use evercount_core::registration::{Registration, StoredWatch, WatchWrite};
use evercount_core::registry::{Origin, Policy, SubjectState};
use evercount_core::schema::{FieldPath, Schema};
use evercount_core::schema_change::{ChangeKind, Evidence, SchemaChange, Subject};
use evercount_wire::watch;

use super::heir::heir;
use super::sighting::{Said, Sighting};
use super::{Found, ListenReport};
use crate::judge;
use crate::ports::{RegistryStore, StoreError};
use crate::registry_cache::{Known as Cached, RegistryCache};

/// Rows that are taken in before the evidence is looked at, while there is something to look at:
/// few, so that a change is found within a few rows of the one that settles it.
const STEP_ROWS: usize = 4;

/// Fields for each of which one more row is taken in: a look costs as much as there are fields.
const STEP_FIELDS: usize = 24;

/// Rows that a first version is read off at least, where no source declares it.
const FIRST_ROWS: u64 = 16;

/// Rows after which a first version is made though new fields keep coming.
const FIRST_ROWS_MAX: u64 = 200;

/// How long more rows are waited for before a first version is made of fewer, microseconds by
/// the stream's clock: ten minutes.
const FIRST_WAIT: Micros = 600 * 1_000_000;

/// Rows for which a hint stands: a control record that names an alteration without its body. Only
/// the lane that heard it knows; the others find the change without it, a few rows later.
const HINT_ROWS: u64 = 200;

/// Rows in a row that must be identified by other columns before the key has changed.
const KEY_ROWS: u64 = records::GONE_ROWS;

/// What rows must have drifted at least for a version of an unchanged schema: about a field that
/// half of the rows have lost, or two of which half the values have another type.
const SHIFT_DRIFT_MIN: f64 = 0.05;

/// How a proposal is held against what is known.
#[derive(Clone, Copy, PartialEq, Debug)]
enum Taken {
    /// Change by change, against the current schema.
    Changes,
    /// Whole, whatever the schema was before.
    Whole,
    /// Whole, since its rows have drifted so far from the current version's.
    Weighed(f64),
}

/// What a lane keeps warm of a subject.
#[derive(Debug)]
pub(crate) struct Held {
    stored: Option<StoredWatch>,
    watch: Watch,
    through: Option<SequenceNumber>,
    seen: u64,
    first_seen: Micros,
    last_seen: Micros,
    state: Option<SubjectState>,
    schema: Option<Arc<Schema>>,
    /// Rows in a row that other columns identify than the known ones.
    key_run: u64,
    /// Those columns, once there were enough of such rows.
    other_key: Option<Vec<FieldPath>>,
    /// Rows to come for which a hint of the source stands that something changed.
    hinted: u64,
    /// When the first of the rows arrived that this was warm for, and how long ago that was by
    /// the last one, microseconds.
    first_arrival: Option<Micros>,
    waited: Micros,
}

impl Held {
    /// The schema of the subject's current version, as far as it is known here.
    pub(super) fn schema(&self) -> Option<&Schema> {
        self.schema.as_deref()
    }

    fn has_waited(&self) -> bool {
        self.waited >= FIRST_WAIT
    }

    fn count_keys(&mut self, rows: &[&Sighting]) {
        let Some(known) = self.known().filter(|known| known.origin == Origin::Observed) else { return };
        let (key, since) = (known.schema.key.clone(), known.since);
        for row in rows.iter().filter(|row| row.at() >= since) {
            match rows_key(row) {
                None => {}
                Some(same) if same == key => self.key_run = 0,
                Some(other) => {
                    self.key_run += 1;
                    if self.key_run >= KEY_ROWS {
                        (self.key_run, self.other_key) = (0, Some(other));
                    }
                }
            }
        }
    }

    fn known(&self) -> Option<Known<'_>> {
        let state = self.state.as_ref()?;
        let (schema, id) = (self.schema.as_deref()?, state.current?);
        Some(Known {
            schema,
            origin: state.origin,
            position: state.position.as_ref(),
            since: state.since,
            retired: &state.retired,
            version: id.version,
        })
    }

    fn is_new(&self, sequence: &SequenceNumber) -> bool {
        self.through.as_ref().is_none_or(|through| sequence > through)
    }
}

pub(super) struct Attending<'a, S> {
    pub store: &'a S,
    pub lane: &'a LaneId,
    pub subject: &'a Subject,
    /// Whether the subject's source is of a kind that tells of DDL.
    pub is_declared: bool,
    pub cache: &'a RegistryCache,
    pub now: Micros,
    pub report: &'a mut ListenReport,
}

impl<S: RegistryStore> Attending<'_, S> {
    /// Takes in what is new among `sightings`.
    pub(super) async fn run(
        &mut self,
        warm: Option<Held>,
        sightings: &[Sighting],
    ) -> Result<Held, StoreError> {
        let mut held = match warm {
            Some(held) => held,
            None => self.load().await?,
        };
        let mut rest: &[Sighting] = sightings;
        while let Some(first) = rest.first() {
            // What one record says is taken in at once, or a record would be half seen.
            let taken = match &first.said {
                _ if !held.is_new(&first.sequence) => {
                    self.report.again += 1;
                    through_record(rest, 1)
                }
                Said::Told(_) => {
                    let taken = through_record(rest, 1);
                    self.hear_all(&mut held, rest.get(..taken).unwrap_or(rest)).await?;
                    taken
                }
                Said::Row(_) | Said::Item(..) => {
                    let told = rest.iter().position(|one| matches!(one.said, Said::Told(_)));
                    // Many fields make a look dear, and names that are data always give cause for one.
                    let step = STEP_ROWS.max(held.watch.gathered().entries.len() / STEP_FIELDS);
                    let taken = through_record(rest, told.unwrap_or(rest.len()).min(step));
                    self.look(&mut held, rest.get(..taken).unwrap_or(rest)).await?;
                    taken
                }
            };
            rest = rest.get(taken..).unwrap_or_default();
        }
        if held.through != held.stored.as_ref().map(|stored| stored.through.clone()) {
            self.register(&mut held, Registration::empty(self.subject.clone(), self.now)).await?;
        }
        Ok(held)
    }

    async fn load(&self) -> Result<Held, StoreError> {
        let stored = self.store.watch(self.subject, self.lane).await?;
        let watch = stored.as_ref().map(read_watch).unwrap_or_default();
        let mut held = Held {
            through: stored.as_ref().map(|stored| stored.through.clone()),
            seen: stored.as_ref().map_or(0, |stored| stored.seen),
            first_seen: stored.as_ref().map_or(Micros::MAX, |stored| stored.first_seen),
            last_seen: stored.as_ref().map_or(Micros::MIN, |stored| stored.last_seen),
            stored,
            watch,
            state: None,
            schema: None,
            key_run: 0,
            first_arrival: None,
            waited: 0,
            hinted: 0,
            other_key: None,
        };
        self.load_subject(&mut held).await?;
        if held.stored.is_none() && held.schema.is_some() {
            let mut others = self.others().await?;
            if let Some(known) = held.known() {
                others.iter_mut().for_each(|watch| watch.rebase(&known));
                held.watch = heir(&others, known.version);
            }
        }
        Ok(held)
    }

    /// Loads the subject's state, and its schema where the version is another one now.
    async fn load_subject(&self, held: &mut Held) -> Result<(), StoreError> {
        let known = self.cache.subject(self.store, self.subject, self.now).await?;
        (held.state, held.schema) = known.map_or((None, None), |known| (Some(known.state), known.schema));
        Ok(())
    }

    /// Takes rows in, and looks at the evidence where there is some.
    async fn look(&mut self, held: &mut Held, rows: &[Sighting]) -> Result<(), StoreError> {
        let fresh: Vec<&Sighting> = rows.iter().filter(|one| held.is_new(&one.sequence)).collect();
        let versions: Vec<OrderVersion> = fresh.iter().map(|one| one.version()).collect();
        let images: Vec<_> = fresh.iter().map(|one| (one.before(), one.item())).collect();
        let seen: Vec<RowSeen<'_>> = fresh
            .iter()
            .zip(&images)
            .zip(&versions)
            .map(|((one, (before, after)), version)| RowSeen {
                after: after.as_deref(),
                before: before.as_deref(),
                version,
                at: one.at(),
            })
            .collect();
        for one in &fresh {
            self.note(held, one);
        }
        let mut watch = std::mem::take(&mut held.watch);
        match held.known() {
            Some(known) => watch.fold(&known, &seen),
            None => watch.fold(&nothing(&Schema::default(), &BTreeSet::new()), &seen),
        }
        held.watch = watch;
        held.count_keys(&fresh);
        held.hinted = held.hinted.saturating_sub(fresh.len() as u64);
        let whole = held.watch.take_whole_stretch();
        let Some(last) = rows.last() else { return Ok(()) };
        match held.known() {
            None => self.begin(held, last).await,
            Some(known) if held.other_key.is_some() || held.hinted > 0 || !held.watch.is_quiet(&known) => {
                self.conclude(held, last).await
            }
            Some(_) if whole => self.weigh(held, last).await,
            Some(_) => Ok(()),
        }
    }

    /// Makes a version of an unchanged schema whose rows have changed much: fields that far fewer
    /// or far more rows have, values of other types. The drift of that is its reason.
    async fn weigh(&mut self, held: &mut Held, last: &Sighting) -> Result<(), StoreError> {
        let others = self.others().await?;
        self.load_subject(held).await?;
        let Some(known) = held.known() else { return Ok(()) };
        let watches: Vec<&Watch> = std::iter::once(&held.watch).chain(&others).collect();
        let shifts = records::shifts(known.version, &watches);
        let moved = drift_with_shifts(&Diff::default(), &shifts).score;
        let threshold = held.state.as_ref().map_or(0.0, |state| state.policy.drift_threshold);
        // A declared subject's versions stand at its statements' places, which rows do not know.
        if moved < threshold.max(SHIFT_DRIFT_MIN) || known.origin == Origin::Declared {
            return Ok(());
        }
        let (origin, schema) = (known.origin, known.schema.clone());
        let proposal =
            Proposal { schema, changes: Vec::new(), position: Some(last.version()), at: last.at() };
        self.propose(held, origin, Taken::Weighed(moved), proposal, &last.sequence).await
    }

    fn note(&mut self, held: &mut Held, one: &Sighting) {
        held.through = Some(one.sequence.clone());
        let first = *held.first_arrival.get_or_insert(one.arrived_at);
        held.waited = one.arrived_at.saturating_sub(first);
        held.seen += 1;
        held.first_seen = held.first_seen.min(one.at());
        held.last_seen = held.last_seen.max(one.at());
        self.report.seen += 1;
    }

    /// Makes the first version of a subject that no source declares, once its rows have settled:
    /// by Good and Turing, the chance that the next row brings a field never seen is about the
    /// share of fields seen once only.
    async fn begin(&mut self, held: &mut Held, last: &Sighting) -> Result<(), StoreError> {
        if held.watch.gathered().rows < FIRST_ROWS && !held.has_waited() {
            return Ok(());
        }
        let others = self.others().await?;
        let watches: Vec<&Watch> = std::iter::once(&held.watch).chain(&others).collect();
        let Some(baseline) = records::baseline(&watches) else { return Ok(()) };
        let mut rows_with: BTreeMap<&FieldPath, u64> = BTreeMap::new();
        for entry in watches.iter().flat_map(|watch| &watch.gathered().entries) {
            *rows_with.entry(&entry.path).or_insert(0) += entry.presence.with;
        }
        let settled = rows_with.values().all(|rows| *rows != 1);
        let enough = if self.is_declared {
            // The definition is on its way, behind the rows.
            baseline.rows >= records::CONTRADICTION_ROWS
        } else {
            settled || baseline.rows >= FIRST_ROWS_MAX
        };
        if !(enough || held.has_waited() && !self.is_declared) {
            return Ok(());
        }
        self.load_subject(held).await?;
        if held.schema.is_some() {
            // Another lane has made it; the watch follows with the next rows.
            return Ok(());
        }
        let key = rows_key(last).unwrap_or_default();
        let schema = Schema { key, ..baseline.schema };
        let proposal =
            Proposal { schema, changes: Vec::new(), position: Some(baseline.position), at: baseline.at };
        let origin = if matches!(last.said, Said::Item(..)) { Origin::Event } else { Origin::Observed };
        self.propose(held, origin, Taken::Changes, proposal, &last.sequence).await
    }

    /// Concludes changes from the evidence of all lanes.
    async fn conclude(&mut self, held: &mut Held, last: &Sighting) -> Result<(), StoreError> {
        let mut others = self.others().await?;
        self.load_subject(held).await?;
        let (other_key, hinted) = (held.other_key.take(), held.hinted > 0);
        if held.known().is_none() {
            return Ok(());
        }
        let mut watch = std::mem::take(&mut held.watch);
        let Some(known) = held.known() else { return Ok(()) };
        // What a lane gathered before the version it does not know of yet is no news.
        std::iter::once(&mut watch).chain(&mut others).for_each(|watch| watch.rebase(&known));
        let watches: Vec<&Watch> = std::iter::once(&watch).chain(&others).collect();
        let detected = records::detect(&known, &watches, hinted);
        let mut schema = records::proposed(known.schema, &detected);
        // The new version holds from where the last of its changes is first seen, and not from
        // before the one it follows: a change that takes long to settle may be older.
        let (stands, since) = (known.position.cloned(), known.since);
        let position = detected.iter().filter_map(|one| one.position.clone()).max();
        let at = detected.iter().map(|one| one.at).max();
        let mut changes: Vec<SchemaChange> = detected.into_iter().map(|one| one.change).collect();
        if let Some(key) = other_key.filter(|_| known.origin == Origin::Observed) {
            let because = format!("{KEY_ROWS} rows in a row are identified by other columns");
            let evidence = Evidence::Observed { rows: KEY_ROWS, false_alarm: 0.0, because };
            let previous = std::mem::replace(&mut schema.key, key.clone());
            changes.push(SchemaChange { kind: ChangeKind::ChangeKey { previous, key }, evidence });
        }
        let origin = known.origin;
        held.watch = watch;
        if changes.is_empty() {
            return Ok(());
        }
        let position = position.or_else(|| Some(last.version())).max(stands);
        let at = at.unwrap_or_else(|| last.at()).max(since);
        let proposal = Proposal { schema, changes, position, at };
        self.propose(held, origin, Taken::Changes, proposal, &last.sequence).await
    }

    /// The watches of the other lanes.
    async fn others(&self) -> Result<Vec<Watch>, StoreError> {
        let stored = self.store.watches(self.subject).await?;
        Ok(stored
            .iter()
            .filter(|(lane, _)| *lane != self.lane)
            .map(|(_, stored)| read_watch(stored))
            .collect())
    }

    /// Takes a control record to the registry. It is seen with the last that it says.
    async fn hear_all(&mut self, held: &mut Held, record: &[Sighting]) -> Result<(), StoreError> {
        let Some((last, before)) = record.split_last() else { return Ok(()) };
        for one in before {
            self.hear(held, one).await?;
        }
        record.iter().for_each(|one| self.note(held, one));
        self.hear(held, last).await
    }

    async fn hear(&mut self, held: &mut Held, one: &Sighting) -> Result<(), StoreError> {
        let Said::Told(event) = &one.said else { return Ok(()) };
        self.load_subject(held).await?;
        let known = held.state.as_ref().map(|state| state.origin);
        // What was read off the rows gives way to what the source defines.
        let defined = |schema: &Arc<Schema>| schema.fields.values().any(|field| field.declared.is_some());
        let anew = event.told.schema.is_some()
            && known.is_some_and(|known| known != Origin::Declared)
            && !held.schema.as_ref().is_some_and(defined);
        let created = event.told.clauses.contains(&Clause::Create);
        // What is created has nothing before it, though its name was in use.
        let dropped = held.state.as_ref().is_some_and(|state| state.dropped);
        let before = held.schema.as_deref().filter(|_| !(created && (anew || dropped)));
        let changes = declared::changes(before, event);
        if event.told.clauses.contains(&Clause::Unspecified) {
            held.hinted = HINT_ROWS;
        }
        let renamed = changes.iter().find_map(|change| match &change.kind {
            ChangeKind::RenameTable { to } => Some(to.clone()),
            _ => None,
        });
        if let (Some(to), Some(schema)) = (&renamed, &event.told.schema) {
            self.found(to, schema, one).await?;
        }
        // A table that is not known under its old name has no history to go on with.
        if changes.is_empty() && event.told.schema.is_none() || renamed.is_some() && held.schema.is_none() {
            return Ok(());
        }
        let defines = event.told.schema.is_some() && renamed.is_none();
        // A source whose statements have no place in its log does not tell of all of them: DMS
        // names an alteration without its body. There the rows go on being asked.
        let declares = defines && event.told.version.is_some();
        let origin = if declares { Origin::Declared } else { known.unwrap_or(Origin::Observed) };
        let schema = match (&event.told.schema, &held.schema) {
            (Some(schema), _) if defines => schema.clone(),
            (_, Some(schema)) => Schema::clone(schema),
            (_, None) => Schema::default(),
        };
        let taken = if anew && defines { Taken::Whole } else { Taken::Changes };
        let proposal = Proposal { schema, changes, position: event.told.version.clone(), at: event.at };
        self.propose(held, origin, taken, proposal, &one.sequence).await
    }

    /// Begins the history of a table under its new name.
    async fn found(&mut self, to: &Subject, schema: &Schema, one: &Sighting) -> Result<(), StoreError> {
        if self.store.subject(to).await?.is_some_and(|state| state.current.is_some() && !state.dropped) {
            return Ok(());
        }
        let mut renamed = Attending { subject: to, report: &mut *self.report, ..*self };
        let mut held = renamed.load().await?;
        let proposal = Proposal {
            schema: schema.clone(),
            changes: Vec::new(),
            position: Some(one.version()),
            at: one.at(),
        };
        // Boxed: hearing of a rename is part of hearing.
        Box::pin(renamed.propose(&mut held, Origin::Declared, Taken::Whole, proposal, &one.sequence)).await
    }

    /// Takes a proposal through the subject's policy and registers what comes of it.
    async fn propose(
        &mut self,
        held: &mut Held,
        origin: Origin,
        taken: Taken,
        proposal: Proposal,
        sequence: &SequenceNumber,
    ) -> Result<(), StoreError> {
        let stored = held.state.as_ref().map(|state| state.revision);
        let new = || evolution::new_subject(self.subject.clone(), origin, Policy::default(), proposal.at);
        let state = held.state.clone().unwrap_or_else(new);
        let current = held.schema.as_deref().filter(|_| taken == Taken::Changes);
        let mode = state.policy.compatibility;
        let history = judge::history(self.store, &state, mode, current, self.now).await?;
        let judged = |next: &Schema| match taken {
            Taken::Weighed(drift) => Judgement { drift, breaks: Vec::new() },
            Taken::Changes | Taken::Whole => judge::judge(mode, &history, &proposal.changes, next),
        };
        let mut evolved = evolution::evolve(&state, current, &proposal, judged, self.now);
        self.report.late += u64::from(evolved.late);
        if evolved.version.is_some() {
            evolved.state.origin = origin;
        }
        let mut registration = Registration::empty(self.subject.clone(), self.now);
        registration.add(stored, &state, evolved);
        if registration.is_empty() {
            return Ok(());
        }
        let found: Vec<Found> = registration
            .events
            .iter()
            .map(|event| Found { event: event.clone(), sequence: sequence.clone() })
            .collect();
        let drift = registration.versions.iter().map(|version| version.drift).fold(0.0, f64::max);
        let changed = registration.held.clone();
        let after = registration.state.as_ref().map(|write| write.to.clone());
        let schema = registration.versions.last().map(|version| version.schema.clone());
        self.register(held, registration).await?;
        held.schema = schema.map(Arc::new).or_else(|| held.schema.take());
        if let Some(state) = after {
            self.cache.put(Cached { state: state.clone(), schema: held.schema.clone() }, self.now);
            held.state = Some(state);
        }
        self.report.found.extend(found);
        self.report.held.extend(changed);
        self.report.drift = self.report.drift.max(drift);
        Ok(())
    }

    /// Commits a registration together with how far the lane has come.
    async fn register(&mut self, held: &mut Held, mut registration: Registration) -> Result<(), StoreError> {
        if let Some(through) = &held.through {
            let from = held.stored.as_ref().map(|stored| stored.revision);
            let to = StoredWatch {
                through: through.clone(),
                revision: from.unwrap_or(0).saturating_add(1),
                seen: held.seen,
                first_seen: held.first_seen,
                last_seen: held.last_seen,
                state: watch::to_json(&held.watch),
            };
            registration.watch = Some(WatchWrite { lane: self.lane.clone(), from, to: to.clone() });
            let cost = self.store.register(&registration).await?;
            held.stored = Some(to);
            self.report.write_units += cost.write_units;
        } else {
            self.report.write_units += self.store.register(&registration).await?.write_units;
        }
        self.report.commits += 1;
        Ok(())
    }
}

/// A watch as it is stored. One that cannot be read any more is begun anew: what it had gathered
/// is evidence, not counts, and the rows to come show the same.
fn read_watch(stored: &StoredWatch) -> Watch {
    watch::from_json(&stored.state).unwrap_or_default()
}

/// How many sightings there are up to the end of the record that the `least`th is of.
fn through_record(sightings: &[Sighting], least: usize) -> usize {
    let (taken, rest) = sightings.split_at(least.min(sightings.len()));
    let Some(last) = taken.last() else { return 0 };
    taken.len() + rest.iter().take_while(|one| one.sequence == last.sequence).count()
}

/// What rows are held against before there is a version.
fn nothing<'a>(schema: &'a Schema, retired: &'a BTreeSet<FieldPath>) -> Known<'a> {
    Known { schema, origin: Origin::Observed, position: None, since: 0, retired, version: 0 }
}

/// The columns that identify a row, as its record names them; none where it has no key.
fn rows_key(sighting: &Sighting) -> Option<Vec<FieldPath>> {
    let Said::Row(change) = &sighting.said else { return None };
    match &change.row.identity {
        RowIdentity::Position(_) => Some(Vec::new()),
        RowIdentity::Key(text) => {
            let columns: BTreeMap<String, serde_json::Value> = serde_json::from_str(text).ok()?;
            Some(columns.keys().map(|name| FieldPath::column(name)).collect())
        }
    }
}
