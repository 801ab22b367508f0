//! The table and the stores under faults: every call may be interleaved with others, refused, or lose its
//! reply; and every write is held against what was meant.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};

use evercount_core::change::{RowKey, TableName};
use evercount_core::mutation::entry::MutationEntry;
use evercount_core::mutation::once::Once;
use evercount_core::shadow::arrival::ShadowPass;
use evercount_core::shadow::{ShadowRow, ShadowSchema};
use evercount_core::value::Item;
use evercount_pipeline::memory::Memory;
use evercount_pipeline::ports::{
    CountedTable, MutationTrail, Page, ShadowPassStore, ShadowSchemaStore, ShadowStore, StoreError,
    TableWrite,
};

use super::controls::Control;
use super::model::Model;
use super::plan::{Faults, Op, Plan};
use super::shop;
use crate::simulation::chaos::Strikes;
use crate::simulation::dice::{Dice, a_turn};

/// Rows of one page: few, so that a pass has several.
const PAGE_ROWS: usize = 2;

/// Who makes a call.
#[derive(Clone, PartialEq, Debug)]
pub enum Actor {
    /// An agent, for a mutation or for several that belong together.
    Agent(Arc<[Op]>),
    /// Somebody who reads.
    Reader,
    /// The move of shadow values.
    Mover,
}

/// A change of an item in the table, as its stream has it.
pub type Streamed = (usize, Option<Item>, Option<Item>);

/// The world as actors reach it.
#[derive(Clone)]
pub struct Chaos {
    /// The stores themselves.
    pub memory: Arc<Memory>,
    faults: Faults,
    control: Option<Control>,
    actor: Actor,
    state: Arc<Mutex<Trouble>>,
}

/// What goes on besides.
pub struct Trouble {
    dice: Dice,
    /// What was meant.
    pub model: Model,
    /// The time, in steps.
    pub tick: u64,
    /// What the table's stream has.
    pub stream: Vec<Streamed>,
    /// What the move read last of what is beside the table.
    listed: BTreeMap<RowKey, ShadowRow>,
}

impl Chaos {
    /// A world under a plan.
    #[must_use]
    pub fn new(plan: &Plan, control: Option<Control>, seed: u64) -> Self {
        let trouble = Trouble {
            dice: Dice::of(seed),
            model: Model::of(plan.stamps),
            tick: 0,
            stream: Vec::new(),
            listed: BTreeMap::new(),
        };
        Self {
            memory: Arc::default(),
            faults: plan.faults.clone(),
            control,
            actor: Actor::Reader,
            state: Arc::new(Mutex::new(trouble)),
        }
    }

    /// The same world for another actor.
    #[must_use]
    pub fn by(&self, actor: Actor) -> Self {
        Self { actor, ..self.clone() }
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

    /// Looks at what goes on besides.
    pub fn with<T>(&self, look: impl FnOnce(&mut Trouble) -> T) -> T {
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

    /// Makes writes of different rows, all or none, and holds what comes of each against what was meant.
    fn make(&self, writes: &[TableWrite], counts: bool) -> Result<(), StoreError> {
        let mut before = Vec::new();
        let mut made = false;
        self.memory.tamper(|state| {
            before.extend(writes.iter().map(|write| state.items.get(&write.row).cloned()));
            made = state.write(writes);
        });
        if !made {
            return Err(StoreError::Conflict);
        }
        self.memory.inspect(|state| {
            self.with(|trouble| {
                for (write, before) in writes.iter().zip(before) {
                    let key = (0..).find(|key| shop::row(*key) == write.row).unwrap_or_default();
                    let after = state.items.get(&write.row).cloned();
                    let op = match &self.actor {
                        Actor::Agent(ops) if counts => ops.iter().find(|op| op.key == key),
                        _ => None,
                    };
                    match op {
                        Some(op) => trouble.model.mutated(op, before.as_ref(), trouble.tick, state),
                        None => trouble.model.moved(key, trouble.tick, state),
                    }
                    if before != after {
                        trouble.stream.push((key, before, after));
                    }
                }
            });
        });
        Ok(())
    }

    /// Calls in turn, each of writes that are made together, under faults. Only the first call of an
    /// actor's writes counts as what it was asked for, unless a call is a part of them.
    async fn call(&self, calls: &[&[TableWrite]], is_in_parts: bool) -> Result<(), StoreError> {
        self.step().await?;
        if self.strikes_now("conflict", self.faults.conflict) {
            return Err(StoreError::Conflict);
        }
        let lost = self.strikes_now("lost_reply", self.faults.lost_reply);
        for (place, writes) in calls.iter().enumerate() {
            if place > 0 {
                // A call of its own, and anything may come between.
                self.step().await?;
            }
            self.make(writes, place == 0 || is_in_parts)?;
        }
        if !lost {
            return Ok(());
        }
        match self.control {
            Some(Control::NoDoubt) => Err(StoreError::Conflict),
            _ => Err(StoreError::Unavailable("reply lost".to_owned())),
        }
    }
}

impl CountedTable for Chaos {
    async fn item(&self, row: &RowKey) -> Result<Option<Item>, StoreError> {
        self.step().await?;
        let mut item = self.memory.item(row).await?;
        if let (Some(control), Some(item)) = (self.control, &mut item) {
            control.spoil_read(&self.actor, item);
        }
        Ok(item)
    }

    async fn write(&self, write: &TableWrite) -> Result<(), StoreError> {
        let writes = match self.control {
            Some(control) => self.memory.inspect(|state| control.spoil_write(&self.actor, write, state)),
            None => vec![write.clone()],
        };
        let calls: Vec<_> = writes.chunks(1).collect();
        self.call(&calls, false).await
    }

    async fn write_all(&self, writes: &[TableWrite], _: Option<&Once>) -> Result<(), StoreError> {
        match (writes, self.control) {
            ([write], _) => self.write(write).await,
            (_, Some(Control::Apart)) => self.call(&writes.chunks(1).collect::<Vec<_>>(), true).await,
            _ => self.call(&[writes], false).await,
        }
    }

    /// Nobody here sends a token.
    async fn carried_out(&self, _: &str) -> Result<Option<Once>, StoreError> {
        Ok(None)
    }
}

impl ShadowStore for Chaos {
    async fn shadow_rows(&self, keys: &BTreeSet<RowKey>) -> Result<BTreeMap<RowKey, ShadowRow>, StoreError> {
        if self.control == Some(Control::MoveFromList) && self.actor == Actor::Mover {
            return Ok(self.with(|trouble| {
                keys.iter().filter_map(|key| Some((key.clone(), trouble.listed.get(key)?.clone()))).collect()
            }));
        }
        self.step().await?;
        self.memory.shadow_rows(keys).await
    }

    async fn replace_shadow_row(
        &self,
        key: &RowKey,
        from: Option<u64>,
        to: Option<&ShadowRow>,
    ) -> Result<(), StoreError> {
        self.step().await?;
        self.memory.replace_shadow_row(key, from, to).await
    }

    async fn shadow_rows_of_table(
        &self,
        table: &TableName,
        after: Option<String>,
    ) -> Result<Page<ShadowRow>, StoreError> {
        self.step().await?;
        let mut page = self.memory.shadow_rows_of_table(table, after).await?;
        if page.rows.len() > PAGE_ROWS {
            page.rows.truncate(PAGE_ROWS);
            page.next = page.rows.last().map(|(key, _)| key.identity.as_str().to_owned());
        }
        self.with(|trouble| trouble.listed.extend(page.rows.iter().cloned()));
        Ok(page)
    }
}

impl ShadowSchemaStore for Chaos {
    async fn shadow_schemas(&self) -> Result<Vec<ShadowSchema>, StoreError> {
        self.step().await?;
        self.memory.shadow_schemas().await
    }

    async fn shadow_schema(&self, table: &TableName) -> Result<Option<ShadowSchema>, StoreError> {
        self.step().await?;
        self.memory.shadow_schema(table).await
    }

    async fn replace_shadow_schema(&self, from: Option<u64>, to: &ShadowSchema) -> Result<(), StoreError> {
        self.step().await?;
        let lost = self.strikes_now("lost_mark", self.faults.lost_reply);
        self.memory.replace_shadow_schema(from, to).await?;
        if lost { Err(StoreError::Unavailable("reply lost".to_owned())) } else { Ok(()) }
    }
}

impl ShadowPassStore for Chaos {
    async fn shadow_pass(&self, table: &TableName) -> Result<Option<ShadowPass>, StoreError> {
        self.step().await?;
        self.memory.shadow_pass(table).await
    }

    async fn replace_shadow_pass(&self, from: Option<u64>, to: &ShadowPass) -> Result<(), StoreError> {
        self.step().await?;
        let lost = self.strikes_now("lost_pass", self.faults.lost_reply);
        self.memory.replace_shadow_pass(from, to).await?;
        if lost { Err(StoreError::Unavailable("reply lost".to_owned())) } else { Ok(()) }
    }
}

impl MutationTrail for Chaos {
    async fn add_mutation(&self, entry: &MutationEntry) -> Result<(), StoreError> {
        self.step().await?;
        self.memory.add_mutation(entry).await
    }

    async fn mutations(&self, table: &TableName) -> Result<Vec<MutationEntry>, StoreError> {
        self.memory.mutations(table).await
    }
}
