//! The registry in memory.

use std::collections::{BTreeMap, BTreeSet};

use evercount_core::evolution::HeldChange;
use evercount_core::lane::{LaneId, SequenceNumber};
use evercount_core::lineage::{Consumer, Lineage, ProducerId, Seen, WindowSketch};
use evercount_core::migration::written::Written;
use evercount_core::order::Micros;
use evercount_core::registration::{Lookup, Recorded, Registration, StoredWatch, VersionHead};
use evercount_core::registry::{SchemaVersion, SubjectState};
use evercount_core::schema::FieldPath;
use evercount_core::schema_change::Subject;
use evercount_wire::items::check_registration;

use super::Memory;
use crate::ports::{Cost, ProducersSeen, RegistryStore, StoreError};

/// Everything the registry holds.
#[derive(Clone, Debug, Default)]
pub struct Registry {
    /// Subjects by name.
    pub subjects: BTreeMap<Subject, SubjectState>,
    /// Versions, each with when it may be forgotten.
    pub versions: BTreeMap<(Subject, u32), (SchemaVersion, Option<Micros>)>,
    /// What each lane has seen.
    pub watches: BTreeMap<(Subject, LaneId), StoredWatch>,
    /// Events in the order they were entered.
    pub history: Vec<Recorded>,
    /// Ids of events that are not published yet.
    pub outbox: BTreeSet<String>,
    /// Changes that made no version, by id.
    pub held: BTreeMap<(Subject, String), HeldChange>,
    /// Migrations that people wrote.
    pub written: BTreeMap<Subject, Written>,
    /// What each lane told of each producer.
    pub producers: BTreeMap<(Subject, ProducerId, LaneId), (SequenceNumber, Seen)>,
    /// Who reads what.
    pub consumers: BTreeMap<(Subject, String), Consumer>,
    /// Cardinality sketches by subject, field, window and lane.
    pub sketches: BTreeMap<(Subject, FieldPath, Micros, Micros, LaneId), WindowSketch>,
}

impl Registry {
    fn knows(&self, event_id: &str) -> bool {
        self.history.iter().any(|recorded| recorded.event.id() == event_id)
    }

    fn conditions_hold(&self, registration: &Registration) -> bool {
        let subject = &registration.subject;
        let watch = registration.watch.as_ref().is_none_or(|write| {
            let stored = self.watches.get(&(subject.clone(), write.lane.clone()));
            stored.map(|watch| watch.revision) == write.from
        });
        let state = registration
            .state
            .as_ref()
            .is_none_or(|write| self.subjects.get(subject).map(|state| state.revision) == write.from);
        let exists = |number: u32| self.versions.contains_key(&(subject.clone(), number));
        let versions = registration.versions.iter().all(|version| !exists(version.id.version));
        watch && state && versions
    }

    fn execute(&mut self, registration: &Registration) {
        let subject = &registration.subject;
        if let Some(write) = &registration.watch {
            self.watches.insert((subject.clone(), write.lane.clone()), write.to.clone());
        }
        if let Some(write) = &registration.state {
            self.subjects.insert(subject.clone(), write.to.clone());
        }
        for version in &registration.versions {
            self.versions.insert((subject.clone(), version.id.version), (version.clone(), None));
        }
        for (number, expires_at) in &registration.replaced {
            if let Some((_, expiry)) = self.versions.get_mut(&(subject.clone(), *number)) {
                *expiry = Some(*expires_at);
            }
        }
        for event in &registration.events {
            if !self.knows(&event.id()) {
                self.outbox.insert(event.id());
                self.history.push(Recorded { event: event.clone(), recorded_at: registration.at });
            }
        }
        for held in &registration.held {
            self.held.insert((subject.clone(), held.id()), held.clone());
        }
    }
}

impl RegistryStore for Memory {
    async fn subjects(&self) -> Result<Vec<SubjectState>, StoreError> {
        Ok(self.lock().registry.subjects.values().cloned().collect())
    }

    async fn subject(&self, subject: &Subject) -> Result<Option<SubjectState>, StoreError> {
        Ok(self.lock().registry.subjects.get(subject).cloned())
    }

    async fn update_subject(&self, from: Option<&SubjectState>, to: &SubjectState) -> Result<(), StoreError> {
        let mut state = self.lock();
        let stored = state.registry.subjects.get(&to.subject).map(|state| state.revision);
        if stored != from.map(|state| state.revision) {
            return Err(StoreError::Conflict);
        }
        state.registry.subjects.insert(to.subject.clone(), to.clone());
        Ok(())
    }

    async fn schema_versions(&self, subject: &Subject) -> Result<Vec<VersionHead>, StoreError> {
        let state = self.lock();
        let of_subject = state.registry.versions.iter().filter(|((of, _), _)| of == subject);
        Ok(of_subject.map(|(_, (version, expires_at))| VersionHead::of(version, *expires_at)).collect())
    }

    async fn schema_version(
        &self,
        subject: &Subject,
        number: u32,
        now: Micros,
    ) -> Result<Lookup, StoreError> {
        let state = self.lock();
        let newest = state.registry.subjects.get(subject).and_then(|state| state.current);
        Ok(match state.registry.versions.get(&(subject.clone(), number)) {
            Some((_, Some(at))) if *at <= now => Lookup::Expired { version: number, at: Some(*at) },
            Some((version, _)) => Lookup::Found(Box::new(version.clone())),
            None => Lookup::missing(number, newest),
        })
    }

    async fn written(&self, subject: &Subject) -> Result<Written, StoreError> {
        Ok(self.lock().registry.written.get(subject).cloned().unwrap_or_default())
    }

    async fn replace_written(&self, subject: &Subject, from: u64, to: &Written) -> Result<(), StoreError> {
        let mut state = self.lock();
        if state.registry.written.get(subject).map_or(0, |stored| stored.revision) != from {
            return Err(StoreError::Conflict);
        }
        state.registry.written.insert(subject.clone(), to.clone());
        Ok(())
    }

    async fn watch(&self, subject: &Subject, lane: &LaneId) -> Result<Option<StoredWatch>, StoreError> {
        Ok(self.lock().registry.watches.get(&(subject.clone(), lane.clone())).cloned())
    }

    async fn watches(&self, subject: &Subject) -> Result<BTreeMap<LaneId, StoredWatch>, StoreError> {
        let state = self.lock();
        let of_subject = state.registry.watches.iter().filter(|((of, _), _)| of == subject);
        Ok(of_subject.map(|((_, lane), watch)| (lane.clone(), watch.clone())).collect())
    }

    async fn register(&self, registration: &Registration) -> Result<Cost, StoreError> {
        check_registration(registration).map_err(|error| StoreError::Rejected(error.to_string()))?;
        let mut state = self.lock();
        if !state.registry.conditions_hold(registration) {
            return Err(StoreError::Conflict);
        }
        state.registry.execute(registration);
        Ok(Cost::default())
    }

    async fn history(&self, subject: &Subject) -> Result<Vec<Recorded>, StoreError> {
        let state = self.lock();
        let mut history: Vec<Recorded> =
            state.registry.history.iter().filter(|one| one.event.subject == *subject).cloned().collect();
        history.sort_by_cached_key(Recorded::chronology);
        Ok(history)
    }

    async fn held(&self, subject: &Subject) -> Result<Vec<HeldChange>, StoreError> {
        let state = self.lock();
        let mut held: Vec<HeldChange> =
            state.registry.held.values().filter(|one| one.subject == *subject).cloned().collect();
        held.sort_by_cached_key(|one| (one.at, one.id()));
        Ok(held)
    }

    async fn unpublished(&self) -> Result<Vec<Recorded>, StoreError> {
        let state = self.lock();
        let Registry { history, outbox, .. } = &state.registry;
        let mut waiting: Vec<Recorded> =
            history.iter().filter(|one| outbox.contains(&one.event.id())).cloned().collect();
        waiting.sort_by_cached_key(Recorded::order);
        Ok(waiting)
    }

    async fn published(&self, event_id: &str) -> Result<(), StoreError> {
        self.lock().registry.outbox.remove(event_id);
        Ok(())
    }

    async fn touch_producers(&self, seen: &[ProducersSeen]) -> Result<(), StoreError> {
        let mut state = self.lock();
        for told in seen {
            for (by, seen) in &told.producers {
                let key = (told.subject.clone(), by.clone(), told.lane.clone());
                let known = state.registry.producers.get(&key);
                if known.is_some_and(|(through, _)| *through >= told.through) {
                    continue;
                }
                let seen = known.map_or(*seen, |(_, known)| known.and(*seen));
                state.registry.producers.insert(key, (told.through.clone(), seen));
            }
        }
        Ok(())
    }

    async fn acknowledge(&self, subject: &Subject, consumer: &Consumer) -> Result<(), StoreError> {
        let mut state = self.lock();
        let key = (subject.clone(), consumer.name.clone());
        let merged = match state.registry.consumers.get(&key) {
            Some(known) => known.clone().and(consumer.clone()),
            None => consumer.clone(),
        };
        state.registry.consumers.insert(key, merged);
        Ok(())
    }

    async fn lineage(&self, subject: &Subject) -> Result<Lineage, StoreError> {
        let state = self.lock();
        let mut lineage = Lineage::default();
        for ((of, by, _), (_, seen)) in &state.registry.producers {
            if of == subject {
                lineage.produced(by.clone(), *seen);
            }
        }
        for ((of, _), consumer) in &state.registry.consumers {
            if of == subject {
                lineage.consumed(consumer.clone());
            }
        }
        Ok(lineage)
    }

    async fn put_sketches(&self, sketches: &[WindowSketch]) -> Result<(), StoreError> {
        let mut state = self.lock();
        for one in sketches {
            let key = (one.subject.clone(), one.path.clone(), one.start, one.length, one.lane.clone());
            state.registry.sketches.insert(key, one.clone());
        }
        Ok(())
    }

    async fn sketches(
        &self,
        subject: &Subject,
        path: &FieldPath,
        window: std::ops::Range<Micros>,
        now: Micros,
    ) -> Result<Vec<WindowSketch>, StoreError> {
        let state = self.lock();
        let wanted = state.registry.sketches.values().filter(|one| {
            one.subject == *subject
                && one.path == *path
                && window.contains(&one.start)
                && one.expires_at > now
        });
        Ok(wanted.cloned().collect())
    }
}
