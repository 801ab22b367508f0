//! The registry and the port of events under faults: every call may be interleaved with others,
//! refused, or lose its reply.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};

use evercount_core::change::{TableName, TableShape};
use evercount_core::evolution::HeldChange;
use evercount_core::lane::LaneId;
use evercount_core::lineage::{Consumer, Lineage, WindowSketch};
use evercount_core::migration::written::Written;
use evercount_core::order::{Floor, Micros};
use evercount_core::registration::{Lookup, Recorded, Registration, StoredWatch, VersionHead};
use evercount_core::registry::{SchemaVersion, SubjectState};
use evercount_core::schema::FieldPath;
use evercount_core::schema_change::{SchemaChangeEvent, Subject};
use evercount_pipeline::memory::Memory;
use evercount_pipeline::ports::{Cost, ProducersSeen, RegistryStore, StoreError, TableFacts, TableStore};
use evercount_pipeline::publish::{MemorySchemaEvents, SchemaEvents};

use super::controls::Control;
use super::plan::Faults;
use crate::simulation::chaos::Strikes;
use crate::simulation::dice::{Dice, a_turn};

/// A store and a port whose calls take a step each, and fail as the plan says.
#[derive(Clone)]
pub struct Chaos {
    /// The store itself.
    pub memory: Arc<Memory>,
    /// What arrived.
    pub arrived: Arc<MemorySchemaEvents>,
    faults: Faults,
    control: Option<Control>,
    state: Arc<Mutex<Trouble>>,
}

struct Trouble {
    dice: Dice,
    /// Every version as it was when it was made.
    versions: BTreeMap<(Subject, u32), SchemaVersion>,
}

impl Chaos {
    /// A store under the faults of a plan.
    #[must_use]
    pub fn new(faults: Faults, control: Option<Control>, seed: u64) -> Self {
        let trouble = Trouble { dice: Dice::of(seed), versions: BTreeMap::new() };
        Self {
            memory: Arc::default(),
            arrived: Arc::default(),
            faults,
            control,
            state: Arc::new(Mutex::new(trouble)),
        }
    }

    /// Ends all faults.
    pub fn quieten(&self) {
        self.with(|trouble| trouble.dice.quieten());
    }

    /// How often each fault struck.
    #[must_use]
    pub fn strikes(&self) -> Strikes {
        self.with(|trouble| trouble.dice.struck())
    }

    /// Every version as it was when it was made.
    #[must_use]
    pub fn versions_made(&self) -> BTreeMap<(Subject, u32), SchemaVersion> {
        self.with(|trouble| trouble.versions.clone())
    }

    fn with<T>(&self, look: impl FnOnce(&mut Trouble) -> T) -> T {
        look(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn strikes_now(&self, fault: &'static str, per_mille: u32) -> bool {
        self.with(|trouble| trouble.dice.strikes(fault, per_mille))
    }

    /// One step of the caller: others may act before the call does.
    async fn step(&self) -> Result<(), StoreError> {
        a_turn().await;
        if self.strikes_now("refuse", self.faults.refuse) {
            return Err(StoreError::Unavailable("refused".to_owned()));
        }
        Ok(())
    }

    /// What a write comes to when its reply may be lost.
    fn replied<T>(&self, done: Result<T, StoreError>) -> Result<T, StoreError> {
        if done.is_ok() && self.strikes_now("lost_reply", self.faults.lost_reply) {
            return Err(StoreError::Unavailable("reply lost".to_owned()));
        }
        done
    }
}

impl RegistryStore for Chaos {
    async fn subjects(&self) -> Result<Vec<SubjectState>, StoreError> {
        self.step().await?;
        self.memory.subjects().await
    }

    async fn subject(&self, subject: &Subject) -> Result<Option<SubjectState>, StoreError> {
        self.step().await?;
        let mut state = self.memory.subject(subject).await?;
        if let (Some(control), Some(state)) = (self.control, &mut state) {
            control.spoil_subject(state);
        }
        Ok(state)
    }

    async fn update_subject(&self, from: Option<&SubjectState>, to: &SubjectState) -> Result<(), StoreError> {
        self.step().await?;
        self.memory.update_subject(from, to).await
    }

    async fn schema_versions(&self, subject: &Subject) -> Result<Vec<VersionHead>, StoreError> {
        self.step().await?;
        self.memory.schema_versions(subject).await
    }

    async fn schema_version(
        &self,
        subject: &Subject,
        number: u32,
        now: Micros,
    ) -> Result<Lookup, StoreError> {
        self.step().await?;
        self.memory.schema_version(subject, number, now).await
    }

    async fn written(&self, subject: &Subject) -> Result<Written, StoreError> {
        self.step().await?;
        self.memory.written(subject).await
    }

    async fn replace_written(&self, subject: &Subject, from: u64, to: &Written) -> Result<(), StoreError> {
        self.step().await?;
        self.memory.replace_written(subject, from, to).await
    }

    async fn watch(&self, subject: &Subject, lane: &LaneId) -> Result<Option<StoredWatch>, StoreError> {
        self.step().await?;
        let mut stored = self.memory.watch(subject, lane).await?;
        if let (Some(control), Some(stored)) = (self.control, &mut stored) {
            control.spoil_watch(stored);
        }
        Ok(stored)
    }

    async fn watches(&self, subject: &Subject) -> Result<BTreeMap<LaneId, StoredWatch>, StoreError> {
        self.step().await?;
        let mut stored = self.memory.watches(subject).await?;
        if let Some(control) = self.control {
            stored.values_mut().for_each(|one| control.spoil_watch(one));
        }
        Ok(stored)
    }

    async fn register(&self, registration: &Registration) -> Result<Cost, StoreError> {
        if self.control == Some(Control::PublishFirst) && !registration.events.is_empty() {
            self.arrived.publish(&registration.events).await?;
        }
        self.step().await?;
        if self.strikes_now("conflict", self.faults.conflict) {
            return Err(StoreError::Conflict);
        }
        let mut registration = registration.clone();
        if let Some(control) = self.control {
            control.spoil_registration(&mut registration, &self.memory);
        }
        let cost = self.memory.register(&registration).await?;
        self.with(|trouble| {
            for version in registration.versions {
                trouble.versions.insert((version.subject.clone(), version.id.version), version);
            }
        });
        self.replied(Ok(cost))
    }

    async fn history(&self, subject: &Subject) -> Result<Vec<Recorded>, StoreError> {
        self.step().await?;
        self.memory.history(subject).await
    }

    async fn held(&self, subject: &Subject) -> Result<Vec<HeldChange>, StoreError> {
        self.step().await?;
        self.memory.held(subject).await
    }

    async fn unpublished(&self) -> Result<Vec<Recorded>, StoreError> {
        self.step().await?;
        self.memory.unpublished().await
    }

    async fn published(&self, event_id: &str) -> Result<(), StoreError> {
        self.step().await?;
        let done = self.memory.published(event_id).await;
        self.replied(done)
    }

    async fn touch_producers(&self, seen: &[ProducersSeen]) -> Result<(), StoreError> {
        self.step().await?;
        let done = self.memory.touch_producers(seen).await;
        self.replied(done)
    }

    async fn acknowledge(&self, subject: &Subject, consumer: &Consumer) -> Result<(), StoreError> {
        self.step().await?;
        self.memory.acknowledge(subject, consumer).await
    }

    async fn lineage(&self, subject: &Subject) -> Result<Lineage, StoreError> {
        self.step().await?;
        self.memory.lineage(subject).await
    }

    async fn put_sketches(&self, sketches: &[WindowSketch]) -> Result<(), StoreError> {
        self.step().await?;
        let done = self.memory.put_sketches(sketches).await;
        self.replied(done)
    }

    async fn sketches(
        &self,
        subject: &Subject,
        path: &FieldPath,
        window: Range<Micros>,
        now: Micros,
    ) -> Result<Vec<WindowSketch>, StoreError> {
        self.step().await?;
        self.memory.sketches(subject, path, window, now).await
    }
}

impl TableStore for Chaos {
    async fn table_facts(&self) -> Result<TableFacts, StoreError> {
        self.step().await?;
        self.memory.table_facts().await
    }

    async fn raise_floor(&self, table: &TableName, floor: &Floor) -> Result<(), StoreError> {
        self.step().await?;
        self.memory.raise_floor(table, floor).await
    }

    async fn learn_shape(&self, table: &TableName, at: Micros, shape: &TableShape) -> Result<(), StoreError> {
        self.step().await?;
        self.memory.learn_shape(table, at, shape).await
    }
}

impl SchemaEvents for Chaos {
    async fn publish(&self, events: &[SchemaChangeEvent]) -> Result<(), StoreError> {
        let fails = self.strikes_now("publish", self.faults.publish);
        let arriving =
            if fails { self.with(|trouble| trouble.dice.below(events.len())) } else { events.len() };
        for event in events.iter().take(arriving) {
            a_turn().await;
            self.arrived.publish(std::slice::from_ref(event)).await?;
        }
        a_turn().await;
        let lost = self.strikes_now("publish_lost", self.faults.publish_lost);
        if (fails || lost) && self.control != Some(Control::NoOutbox) {
            return Err(StoreError::Unavailable("the port failed".to_owned()));
        }
        Ok(())
    }
}
