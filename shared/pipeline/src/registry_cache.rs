//! The registry's cache: a subject's state and current schema in memory, revalidated by the
//! state's revision.
//!
//! Versions are immutable, so a schema is never stale: what may be is which one is current. A
//! look within [`CacheOptions::max_age`] reads nothing; a later one reads the subject's state, one
//! small item, and the schema only where another version is current. What is kept is bounded in
//! subjects and in fields, and what was used longest ago goes first.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use evercount_core::order::Micros;
use evercount_core::registry::SubjectState;
use evercount_core::schema::Schema;
use evercount_core::schema_change::Subject;

use crate::ports::{RegistryStore, StoreError};

/// Bounds of a cache.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct CacheOptions {
    /// Most subjects kept.
    pub subjects_max: usize,
    /// Most fields kept, over all subjects; a field with its path and types takes some 200 bytes.
    pub fields_max: usize,
    /// How long a subject's state is taken for current, microseconds; 0 asks every time.
    pub max_age: Micros,
}

impl Default for CacheOptions {
    fn default() -> Self {
        Self { subjects_max: 1_024, fields_max: 100_000, max_age: 0 }
    }
}

/// How often the cache helped, since the figures were last taken.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct CacheMetrics {
    /// Looks that read nothing.
    pub hits: u64,
    /// Looks that read the state and found it, or at least its schema, unchanged.
    pub revalidated: u64,
    /// Looks that had to load a schema, or found no subject.
    pub misses: u64,
    /// Subjects that gave way to others.
    pub evicted: u64,
    /// Subjects that were said to be stale.
    pub invalidated: u64,
}

/// A subject as the cache knows it.
#[derive(Clone, PartialEq, Debug)]
pub struct Known {
    /// Its state.
    pub state: SubjectState,
    /// The schema of its current version; `None` before the first one.
    pub schema: Option<Arc<Schema>>,
}

#[derive(Debug)]
struct Entry {
    known: Known,
    looked_at: Micros,
    used: u64,
}

impl Entry {
    fn fields(&self) -> usize {
        self.known.schema.as_ref().map_or(0, |schema| schema.fields.len())
    }
}

#[derive(Debug, Default)]
struct Inner {
    entries: BTreeMap<Subject, Entry>,
    /// Subjects by when they were last used.
    by_use: BTreeMap<u64, Subject>,
    uses: u64,
    fields: usize,
    metrics: CacheMetrics,
}

impl Inner {
    fn touch(&mut self, subject: &Subject) {
        self.uses += 1;
        if let Some(entry) = self.entries.get_mut(subject) {
            self.by_use.remove(&entry.used);
            entry.used = self.uses;
            self.by_use.insert(self.uses, subject.clone());
        }
    }

    fn remove(&mut self, subject: &Subject) -> bool {
        let Some(entry) = self.entries.remove(subject) else { return false };
        self.by_use.remove(&entry.used);
        self.fields -= entry.fields();
        true
    }

    fn put(&mut self, known: Known, now: Micros, options: CacheOptions) {
        let subject = known.state.subject.clone();
        self.remove(&subject);
        let entry = Entry { known, looked_at: now, used: self.uses };
        let fields = entry.fields();
        if options.subjects_max == 0 || fields > options.fields_max {
            return;
        }
        while self.entries.len() >= options.subjects_max || self.fields + fields > options.fields_max {
            let Some((_, oldest)) = self.by_use.pop_first() else { break };
            self.remove(&oldest);
            self.metrics.evicted += 1;
        }
        self.fields += fields;
        self.entries.insert(subject.clone(), entry);
        self.touch(&subject);
    }
}

/// A cache of the registry, for any number of lanes.
#[derive(Debug, Default)]
pub struct RegistryCache {
    options: CacheOptions,
    inner: Mutex<Inner>,
}

impl RegistryCache {
    /// An empty cache.
    #[must_use]
    pub fn new(options: CacheOptions) -> Self {
        Self { options, inner: Mutex::default() }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A subject with its current schema; `None` where the registry does not know it.
    ///
    /// # Errors
    /// [`StoreError`] of the store; [`StoreError::Conflict`] where the current version is not to
    /// be found, which another look settles.
    pub async fn subject<S: RegistryStore>(
        &self,
        store: &S,
        subject: &Subject,
        now: Micros,
    ) -> Result<Option<Known>, StoreError> {
        let cached = {
            let mut inner = self.lock();
            inner.touch(subject);
            let entry = inner.entries.get(subject).map(|entry| (entry.known.clone(), entry.looked_at));
            if let Some((known, looked_at)) = &entry
                && (0..self.options.max_age).contains(&now.saturating_sub(*looked_at))
            {
                inner.metrics.hits += 1;
                return Ok(Some(known.clone()));
            }
            entry.map(|(known, _)| known)
        };
        let Some(state) = store.subject(subject).await? else {
            let mut inner = self.lock();
            inner.remove(subject);
            inner.metrics.misses += 1;
            return Ok(None);
        };
        let same = cached.filter(|cached| cached.state.current == state.current);
        let revalidated = same.is_some();
        let schema = match (same, state.current) {
            (Some(same), _) => same.schema,
            (None, None) => None,
            (None, Some(id)) => {
                let version = store.schema_version(subject, id.version, now).await?;
                Some(Arc::new(version.found().ok_or(StoreError::Conflict)?.schema))
            }
        };
        let known = Known { state, schema };
        let mut inner = self.lock();
        if revalidated {
            inner.metrics.revalidated += 1;
        } else {
            inner.metrics.misses += 1;
        }
        inner.put(known.clone(), now, self.options);
        Ok(Some(known))
    }

    /// Notes what was just written, unless something newer is known.
    pub fn put(&self, known: Known, now: Micros) {
        let mut inner = self.lock();
        let newer = inner.entries.get(&known.state.subject);
        if newer.is_none_or(|newer| newer.known.state.revision <= known.state.revision) {
            inner.put(known, now, self.options);
        }
    }

    /// Forgets a subject: a write met a conflict, or somebody said that its schema changed.
    pub fn invalidate(&self, subject: &Subject) {
        let mut inner = self.lock();
        let was_there = inner.remove(subject);
        inner.metrics.invalidated += u64::from(was_there);
    }

    /// How many subjects are kept.
    #[must_use]
    pub fn len(&self) -> usize {
        self.lock().entries.len()
    }

    /// Whether nothing is kept.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The figures since they were last taken.
    #[must_use]
    pub fn take_metrics(&self) -> CacheMetrics {
        std::mem::take(&mut self.lock().metrics)
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may panic")]
    use evercount_core::evolution::{Judgement, Proposal, evolve, new_subject};
    use evercount_core::registration::{Registration, SubjectWrite};
    use evercount_core::registry::{Origin, Policy};
    use evercount_core::schema::{Field, FieldPath, FieldType, TypeSet};

    use super::*;
    use crate::memory::Memory;

    const NOW: Micros = 1_769_851_800_123_456;

    fn schema(fields: usize) -> Schema {
        let field = |n: usize| (FieldPath::new(format!("c{n}")), Field::of(TypeSet::of(FieldType::STRING)));
        Schema { fields: (0..fields).map(field).collect(), key: vec![] }
    }

    /// Registers a subject's next version.
    async fn register(store: &Memory, name: &str, fields: usize) {
        let subject = Subject::new(name);
        let stored = store.subject(&subject).await.unwrap();
        let before = stored
            .clone()
            .unwrap_or_else(|| new_subject(subject.clone(), Origin::Event, Policy::default(), NOW));
        let proposal = Proposal { schema: schema(fields), changes: vec![], position: None, at: NOW };
        let evolved = evolve(&before, None, &proposal, |_| Judgement::default(), NOW);
        let mut registration = Registration::empty(subject, NOW);
        registration.add(stored.map(|state| state.revision), &before, evolved);
        store.register(&registration).await.unwrap();
    }

    async fn fields(cache: &RegistryCache, store: &Memory, name: &str, now: Micros) -> Option<usize> {
        let known = cache.subject(store, &Subject::new(name), now).await.unwrap();
        known.map(|known| known.schema.map_or(0, |schema| schema.fields.len()))
    }

    #[tokio::test]
    async fn a_subject_is_read_once_and_then_revalidated() {
        let (store, cache) =
            (Memory::default(), RegistryCache::new(CacheOptions { max_age: 10, ..CacheOptions::default() }));
        register(&store, "orders", 3).await;
        assert_eq!(fields(&cache, &store, "orders", NOW).await, Some(3));
        assert_eq!(fields(&cache, &store, "orders", NOW + 9).await, Some(3));
        assert_eq!(fields(&cache, &store, "orders", NOW + 10).await, Some(3));
        let metrics = cache.take_metrics();
        assert_eq!((metrics.misses, metrics.hits, metrics.revalidated), (1, 1, 1));

        register(&store, "orders", 4).await;
        assert_eq!(fields(&cache, &store, "orders", NOW + 19).await, Some(3), "within its age");
        assert_eq!(fields(&cache, &store, "orders", NOW + 20).await, Some(4));
        register(&store, "orders", 5).await;
        cache.invalidate(&Subject::new("orders"));
        cache.invalidate(&Subject::new("items"));
        assert_eq!(fields(&cache, &store, "orders", NOW + 21).await, Some(5));
        let metrics = cache.take_metrics();
        assert_eq!((metrics.misses, metrics.hits, metrics.revalidated, metrics.invalidated), (2, 1, 0, 1));
        assert_eq!(fields(&cache, &store, "items", NOW).await, None);
        assert_eq!(cache.take_metrics(), CacheMetrics { misses: 1, ..CacheMetrics::default() });
        // A clock that runs backwards is no reason to trust what is old.
        assert_eq!(fields(&cache, &store, "orders", NOW).await, Some(5));
        assert_eq!(cache.take_metrics().revalidated, 1);
    }

    #[tokio::test]
    async fn an_edit_of_the_policy_loads_no_schema() {
        let (store, cache) = (Memory::default(), RegistryCache::default());
        register(&store, "orders", 3).await;
        fields(&cache, &store, "orders", NOW).await;
        let state = store.subject(&Subject::new("orders")).await.unwrap().unwrap();
        let policy = Policy { drift_threshold: 0.5, ..Policy::default() };
        let edited = SubjectState { policy, revision: state.revision + 1, ..state.clone() };
        store.update_subject(Some(&state), &edited).await.unwrap();
        let known = cache.subject(&store, &Subject::new("orders"), NOW).await.unwrap().unwrap();
        assert_eq!(known.state, edited);
        let metrics = cache.take_metrics();
        assert_eq!((metrics.misses, metrics.revalidated), (1, 1));
        // What was known before is not put over what is known now.
        cache.put(Known { state, schema: None }, NOW);
        let known = cache.subject(&store, &Subject::new("orders"), NOW).await.unwrap().unwrap();
        assert_eq!(known.state, edited);
    }

    #[tokio::test]
    async fn memory_is_bounded_and_what_was_used_last_stays() {
        let store = Memory::default();
        for n in 0..20 {
            register(&store, &format!("s{n}"), 10).await;
        }
        register(&store, "huge", 101).await;
        let bounds = |subjects_max, fields_max| {
            RegistryCache::new(CacheOptions { subjects_max, fields_max, max_age: 10 })
        };
        for cache in [bounds(5, 1_000), bounds(100, 59)] {
            for n in 0..20 {
                fields(&cache, &store, &format!("s{n}"), NOW).await;
                fields(&cache, &store, "s0", NOW).await;
            }
            assert_eq!(cache.len(), 5);
            let metrics = cache.take_metrics();
            assert_eq!((metrics.misses, metrics.hits, metrics.evicted), (20, 20, 15));
        }
        let cache = bounds(5, 100);
        assert_eq!(fields(&cache, &store, "huge", NOW).await, Some(101));
        assert!(cache.is_empty());
    }

    #[tokio::test]
    async fn a_version_that_is_not_to_be_found_is_a_conflict() {
        let (store, cache) = (Memory::default(), RegistryCache::default());
        register(&store, "orders", 3).await;
        let subject = Subject::new("orders");
        store.tamper(|state| state.registry.versions.clear());
        assert_eq!(cache.subject(&store, &subject, NOW).await, Err(StoreError::Conflict));
        let mut empty = Registration::empty(subject.clone(), NOW);
        let new = new_subject(Subject::new("new"), Origin::Event, Policy::default(), NOW);
        empty.subject = new.subject.clone();
        empty.state = Some(SubjectWrite { from: None, to: new });
        store.register(&empty).await.unwrap();
        assert_eq!(fields(&cache, &store, "new", NOW).await, Some(0));
    }
}
