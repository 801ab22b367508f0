//! The agent's step: a mutation is loaded for, decided ([`evercount_core::mutation::decide`]), and written
//! in one conditional write: the item, its version, the schema version it is in, and what goes beside the
//! table. Where the condition does not hold nothing was written, so there is nothing to take back; it is
//! decided again from what is stored then, a stated number of times.

mod knowledge;
pub mod look;
pub mod together;

use std::collections::{BTreeMap, BTreeSet};

use evercount_core::change::{RowKey, TableName};
use evercount_core::function::Functions;
use evercount_core::migration::graph::Migration;
use evercount_core::mutation::decide::{Decision, Facts, InForce, decide};
use evercount_core::mutation::entry::MutationEntry;
use evercount_core::mutation::refusal::Refusal;
use evercount_core::mutation::settings::MutationSettings;
use evercount_core::mutation::{Intent, Kind, Stamp, without_stamp};
use evercount_core::order::{ItemVersion, Micros};
use evercount_core::shadow::ShadowRow;
use evercount_core::value::{Item, Value};

use self::knowledge::Knowledge;
pub use self::knowledge::Warm;
use crate::beside;
use crate::ports::{
    BesideWrite, CountedTable, ItemWrite, MutationTrail, RegistryStore, ShadowSchemaStore, ShadowStore,
    StoreError, TableWrite,
};

/// The agent's surroundings.
pub struct Agent<'a, R, S, T> {
    /// The registry.
    pub registry: &'a R,
    /// Shadow schemas, what is kept beside tables, and the trail.
    pub store: &'a S,
    /// The tables that are counted.
    pub table: &'a T,
    /// What tables allow.
    pub settings: &'a MutationSettings,
    /// Migrations that a person wrote, by table, besides those that the registry keeps.
    pub written: &'a BTreeMap<TableName, Vec<Migration>>,
    /// Functions that somebody wrote, loaded.
    pub functions: &'a (dyn Functions + Sync),
}

/// A mutation as it came.
#[derive(Clone, Copy)]
pub struct Request<'a> {
    /// The item.
    pub row: &'a RowKey,
    /// Its key attributes.
    pub key: &'a Item,
    /// What somebody wants of it.
    pub intent: &'a dyn Intent,
    /// The schema version that it says it was written for, by its header or the attribute
    /// [`crate::transform::DECLARED_BY`].
    pub declared: Option<u32>,
    /// The version of the item that its writer read, where it says so.
    pub expected: Option<ItemVersion>,
}

/// What became of a mutation.
#[derive(Clone, PartialEq, Debug)]
pub struct Mutated {
    /// What was made, or why nothing was.
    pub outcome: Result<Decision, Refusal>,
    /// How often it was tried.
    pub attempts: u32,
    /// The schema version that it was taken to be written for; `None` where the table has none.
    pub written_for: Option<u32>,
    /// The schema version in force.
    pub in_force: Option<u32>,
    /// What was noted of it, where it was not applied as it came.
    pub entry: Option<MutationEntry>,
    /// Why the note is not in the trail. The mutation stands all the same.
    pub unnoted: Option<StoreError>,
}

impl Mutated {
    /// The outcome as a stable word for logs and metrics.
    #[must_use]
    pub fn word(&self) -> &'static str {
        match &self.outcome {
            Ok(decision) => decision.outcome(),
            Err(refusal) => refusal.reason(),
        }
    }
}

/// Applies a mutation, or refuses it. `now` is the clock, microseconds since the epoch.
///
/// # Errors
/// Whatever the stores answer. [`StoreError::Unavailable`] also where nobody can tell whether it was
/// applied: the reply was lost, and others have written the item since.
pub async fn run<R, S, T>(
    agent: &Agent<'_, R, S, T>,
    warm: &Warm,
    request: &Request<'_>,
    now: Micros,
) -> Result<Mutated, StoreError>
where
    R: RegistryStore,
    S: ShadowSchemaStore + ShadowStore + MutationTrail,
    T: CountedTable,
{
    let settings = agent.settings.of(&request.row.table);
    let mut doubt: Option<(Decision, beside::Whole)> = None;
    let (mut written_for, mut in_force) = (None, None);
    for attempt in 1..=settings.attempts_max.max(1) {
        let (known, whole) = loaded(agent, warm, request, now).await?;
        in_force = known.in_force();
        if let Some((decision, (before, beside))) = doubt.take() {
            if stands(agent, request, &known, &decision, beside, &whole, now).await? {
                let done = Mutated::of(Ok(decision), attempt, written_for, in_force);
                return Ok(done.noted(agent.store, request.row, now).await);
            }
            // Only a version tells that nothing happened in between: what was not there may have come and gone.
            let is_versioned =
                before.as_ref().is_some_and(|item| Stamp::of(item).version > ItemVersion::NONE);
            if whole.0 != before || !is_versioned {
                let lost = "the reply to a write was lost, and nobody can tell whether it was made";
                return Err(StoreError::Unavailable(lost.to_owned()));
            }
        }
        let (item, row) = whole;
        let (number, decided) = decided(agent, request, &known, item.as_ref(), row.as_ref(), now).await?;
        written_for = number.or(written_for);
        let refused = |refusal| Mutated::of(Err(refusal), attempt, written_for, in_force);
        let decision = match decided {
            Ok(decision) => decision,
            Err(refusal) => return Ok(refused(refusal).noted(agent.store, request.row, now).await),
        };
        let stamps = settings.stamps;
        let read = (item.as_ref(), row.as_ref());
        let Some(write) = write_of(request, read, &decision, &known, number, stamps) else {
            return Ok(Mutated::of(Ok(decision), attempt, written_for, in_force));
        };
        match agent.table.write(&write).await {
            Ok(()) => {
                let done = Mutated::of(Ok(decision), attempt, written_for, in_force);
                return Ok(done.noted(agent.store, request.row, now).await);
            }
            // The item, what is beside the table, or the shadow schema.
            Err(StoreError::Conflict) => warm.forget(&request.row.table),
            Err(StoreError::Unavailable(_)) => doubt = Some((decision, (item, row))),
            Err(rejected) => return Err(rejected),
        }
    }
    if doubt.is_some() {
        return Err(StoreError::Unavailable("no reply to the last write".to_owned()));
    }
    let refusal = Refusal::AttemptsUsedUp { attempts: settings.attempts_max.max(1) };
    let refused = Mutated::of(Err(refusal), settings.attempts_max.max(1), written_for, in_force);
    Ok(refused.noted(agent.store, request.row, now).await)
}

/// Whether a write whose reply was lost was made, or is as if it had been: the item, and what is beside the
/// table, which was `beside`, is as it was to become. The version that the write gave the item is proof.
/// Without one somebody else may have made the very same, as two who count one up do, so making it once more
/// has to change nothing.
async fn stands<R: RegistryStore, S, T>(
    agent: &Agent<'_, R, S, T>,
    request: &Request<'_>,
    known: &Knowledge,
    decision: &Decision,
    beside: Option<ShadowRow>,
    (item, row): &beside::Whole,
    now: Micros,
) -> Result<bool, StoreError> {
    if *item != decision.item || *row != decision.row.clone().or(beside) {
        return Ok(false);
    }
    if item.is_some() && agent.settings.of(&request.row.table).stamps {
        return Ok(true);
    }
    let (_, again) = decided(agent, request, known, item.as_ref(), row.as_ref(), now).await?;
    let values = |row: &Option<ShadowRow>| -> Option<BTreeMap<String, Option<Value>>> {
        let values = row.as_ref()?.values.iter();
        Some(values.map(|(name, one)| (name.clone(), one.value.clone())).collect())
    };
    Ok(again
        .is_ok_and(|again| again.item == *item && (again.row.is_none() || values(&again.row) == values(row))))
}

/// What is known of a mutation's table, and the item that it is about.
async fn loaded<R, S, T>(
    agent: &Agent<'_, R, S, T>,
    warm: &Warm,
    request: &Request<'_>,
    now: Micros,
) -> Result<(Knowledge, beside::Whole), StoreError>
where
    R: RegistryStore,
    S: ShadowSchemaStore + ShadowStore,
    T: CountedTable,
{
    let (known, whole) = Knowledge::and_item(agent, warm, request.row, request.declared, now).await?;
    if known.is_of(now) || !known.knows_nothing_like(request) {
        return Ok((known, whole));
    }
    warm.forget(&request.row.table);
    Knowledge::and_item(agent, warm, request.row, request.declared, now).await
}

/// For which version a mutation was written, where that can be told, and what becomes of it.
async fn decided<R: RegistryStore, S, T>(
    agent: &Agent<'_, R, S, T>,
    request: &Request<'_>,
    known: &Knowledge,
    item: Option<&Item>,
    row: Option<&ShadowRow>,
    now: Micros,
) -> Result<(Option<u32>, Result<Decision, Refusal>), StoreError> {
    let written_for = match known.written_for(agent, request, now).await? {
        Err(refusal) => return Ok((None, Err(refusal))),
        Ok(number) => number,
    };
    let unnamed = known.beyond(written_for);
    let facts = Facts {
        key: request.key,
        item,
        row,
        shadow: known.shadow(),
        in_force: known.in_force().map(|number| InForce { number, graph: known.graph() }),
        written_for,
        unnamed: &unnamed,
        stored_in: item.and_then(|item| known.detected(&without_stamp(item), true)),
        expected: request.expected,
        now,
    };
    let settings = agent.settings.of(&request.row.table);
    Ok((written_for, decide(&facts, request.intent, settings, agent.functions)))
}

/// The one write that a decision is; `None` where it changes nothing.
fn write_of(
    request: &Request<'_>,
    (from, row_before): (Option<&Item>, Option<&ShadowRow>),
    decision: &Decision,
    known: &Knowledge,
    written_for: Option<u32>,
    stamps: bool,
) -> Option<TableWrite> {
    let beside = decision.row.clone().zip(known.shadow());
    let beside = beside.map(|(to, schema)| BesideWrite {
        from: row_before.map(|row| row.revision),
        to,
        schema: schema.revision,
    });
    let beside = beside
        .or_else(|| unchanged_beside(request, row_before, (from, decision.item.as_ref()), known, stamps));
    let is_written = from.is_some() || decision.item.is_some();
    let absent = if stamps { BTreeSet::new() } else { known.looked_for(request.intent, written_for) };
    // Where versions tell of every write there is no attribute that came since, but by somebody who goes
    // past the proxy; what of it the writer's version cannot name has to stay.
    let replaces = !stamps && request.intent.kind() == Kind::Put;
    let item =
        is_written.then(|| ItemWrite { from: from.cloned(), to: decision.item.clone(), absent, replaces });
    (item.is_some() || beside.is_some()).then(|| TableWrite { row: request.row.clone(), item, beside })
}

/// What is kept beside the table as it was read, where a mutation is about it, or takes some of it into the
/// item, and the item's version does not tell whether it still is so.
fn unchanged_beside(
    request: &Request<'_>,
    row: Option<&ShadowRow>,
    (from, to): (Option<&Item>, Option<&Item>),
    known: &Knowledge,
    stamps: bool,
) -> Option<BesideWrite> {
    let schema = known.shadow().filter(|_| !stamps)?;
    let (stated, removes) = (request.intent.stated(), request.intent.removes());
    // A value that is there already is set all the same, and must still be there.
    let is_about = |name: &String| {
        request.intent.depends_on(name) || stated.contains_key(name) || removes.contains(name)
    };
    let has = |item: Option<&Item>, name: &String| item.is_some_and(|item| item.contains_key(name));
    let mut kept = row.into_iter().flat_map(|row| row.values.keys());
    if !schema.kept_beside().any(|(name, _)| is_about(name))
        && !kept.any(|name| has(to, name) && !has(from, name))
    {
        return None;
    }
    let values = row.map(|row| row.values.clone()).unwrap_or_default();
    let revision = row.map_or(1, |row| row.revision + 1);
    let from = row.map(|row| row.revision);
    Some(BesideWrite { from, to: ShadowRow { revision, values }, schema: schema.revision })
}

impl Mutated {
    fn of(
        outcome: Result<Decision, Refusal>,
        attempts: u32,
        written_for: Option<u32>,
        in_force: Option<u32>,
    ) -> Self {
        Self { outcome, attempts, written_for, in_force, entry: None, unnoted: None }
    }

    /// Notes in the trail what was not applied as it came. A condition of the writer's own that does not
    /// hold is nothing to note.
    async fn noted<S: MutationTrail>(mut self, store: &S, row: &RowKey, now: Micros) -> Self {
        let (version, summary) = match &self.outcome {
            Ok(decision) if decision.outcome() == "as-it-is" && decision.caught_up.is_none() => return self,
            Err(Refusal::Condition) => return self,
            Ok(decision) => (Some(decision.version), summary(decision)),
            Err(refusal) => (None, format!("A mutation was refused: {refusal}.")),
        };
        let entry =
            MutationEntry { at: now, row: row.clone(), outcome: self.word().to_owned(), version, summary };
        self.unnoted = store.add_mutation(&entry).await.err();
        self.entry = Some(entry);
        self
    }
}

fn summary(decision: &Decision) -> String {
    let mut told = Vec::new();
    if let Some(by) = &decision.migrated {
        let functions = by.functions.join(", ");
        told.push(format!(
            "it was written for schema version {} and went to {} by {functions}",
            by.from, by.to
        ));
    }
    if let Some(by) = &decision.caught_up {
        told.push(format!("the stored item was of schema version {} and went to {}", by.from, by.to));
    }
    if decision.resolved.is_some() {
        told.push("its writer had read an earlier version of the item".to_owned());
    }
    format!("A mutation was applied: {}.", told.join("; "))
}
