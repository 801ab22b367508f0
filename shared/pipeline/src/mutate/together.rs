//! Mutations of several items that are applied together: all of them or none. Each is decided as it is alone
//! ([`super::run`]), and one transaction writes what comes of them.

use evercount_core::mutation::Kind;
use evercount_core::mutation::Stamp;
use evercount_core::mutation::decide::Decision;
use evercount_core::mutation::once::{Before, Once};
use evercount_core::mutation::refusal::Refusal;
use evercount_core::order::{ItemVersion, Micros};

use super::{
    Agent, Knowledge, Mutated, Request, Warm, beside, decided, loaded, stands, unchanged_beside, write_of,
};
use crate::ports::{
    CountedTable, ItemWrite, MutationTrail, RegistryStore, ShadowSchemaStore, ShadowStore, StoreError,
    TableWrite,
};

/// What became of mutations that belong together, in the order in which they came. Where one was refused
/// nothing was written: it is the last, and those before it would have been made.
#[derive(Clone, PartialEq, Debug)]
pub struct Together(pub Vec<Mutated>);

impl Together {
    /// Why nothing was made, and which mutation is to blame, from 0.
    #[must_use]
    pub fn refused(&self) -> Option<(usize, &Refusal)> {
        let refused = |(at, one): (usize, &'_ Mutated)| one.outcome.as_ref().err().map(|_| at);
        let at = self.0.iter().enumerate().find_map(refused)?;
        self.0.get(at)?.outcome.as_ref().err().map(|refusal| (at, refusal))
    }
}

/// What became of them as a request that takes effect once.
#[derive(Clone, PartialEq, Debug)]
pub enum Applied {
    /// It was seen to now.
    Now(Together),
    /// It was carried out before, and nothing was done now.
    Before,
    /// Another request was carried out under its token, and nothing was done.
    OtherRequest,
}

/// One mutation, decided from what was read.
struct Step {
    known: Knowledge,
    read: beside::Whole,
    written_for: Option<u32>,
    decision: Decision,
}

/// Applies mutations of different items together, or refuses them together; those of a request that takes
/// effect `once` only where it did not take it before.
///
/// # Errors
/// As [`super::run`].
pub async fn run<R, S, T>(
    agent: &Agent<'_, R, S, T>,
    warm: &Warm,
    requests: &[Request<'_>],
    once: Option<&Once>,
    now: Micros,
) -> Result<Applied, StoreError>
where
    R: RegistryStore,
    S: ShadowSchemaStore + ShadowStore + MutationTrail,
    T: CountedTable,
{
    let attempts = requests.iter().map(|request| agent.settings.of(&request.row.table).attempts_max);
    let attempts_max = attempts.min().unwrap_or(1).max(1);
    let mut doubt: Option<Vec<Step>> = None;
    for attempt in 1..=attempts_max {
        match (carried_out(agent, once).await?, doubt.take()) {
            (Before::Nothing, None) => {}
            (Before::Nothing, Some(steps)) => {
                if is_done(agent, requests, &steps, now).await? {
                    return Ok(Applied::Now(noted(agent, requests, steps, attempt, now).await));
                }
            }
            // The reply that was lost said that it was made.
            (Before::Same, Some(steps)) => {
                return Ok(Applied::Now(noted(agent, requests, steps, attempt, now).await));
            }
            (Before::Same, None) => return Ok(Applied::Before),
            (Before::Other, _) => return Ok(Applied::OtherRequest),
        }
        let mut steps = Vec::with_capacity(requests.len());
        for request in requests {
            let (known, read) = loaded(agent, warm, request, now).await?;
            let (written_for, outcome) =
                decided(agent, request, &known, read.0.as_ref(), read.1.as_ref(), now).await?;
            match outcome {
                Ok(decision) => steps.push(Step { known, read, written_for, decision }),
                Err(refusal) => {
                    // What it was refused for may be what the same request made since the note was looked for.
                    match carried_out(agent, once).await? {
                        Before::Nothing => {}
                        Before::Same => return Ok(Applied::Before),
                        Before::Other => return Ok(Applied::OtherRequest),
                    }
                    let refused = Mutated::of(Err(refusal), attempt, written_for, known.in_force());
                    let refused = refused.noted(agent.store, request.row, now).await;
                    let before = steps.into_iter().map(|step| step.mutated(attempt));
                    return Ok(Applied::Now(Together(before.chain([refused]).collect())));
                }
            }
        }
        let stamps = |request: &Request<'_>| agent.settings.of(&request.row.table).stamps;
        let writes = requests.iter().zip(&steps);
        let writes = writes.filter_map(|(request, step)| step.write(request, stamps(request)));
        let writes: Vec<TableWrite> = writes.collect();
        if writes.is_empty() {
            let done = steps.into_iter().map(|step| step.mutated(attempt)).collect();
            return Ok(Applied::Now(Together(done)));
        }
        match agent.table.write_all(&writes, once).await {
            Ok(()) => return Ok(Applied::Now(noted(agent, requests, steps, attempt, now).await)),
            Err(StoreError::Conflict) => requests.iter().for_each(|request| warm.forget(&request.row.table)),
            Err(StoreError::Unavailable(_)) => doubt = Some(steps),
            Err(rejected) => return Err(rejected),
        }
    }
    if doubt.is_some() {
        return Err(StoreError::Unavailable("no reply to the last write".to_owned()));
    }
    let refusal = Refusal::AttemptsUsedUp { attempts: attempts_max };
    let refused = Mutated::of(Err(refusal), attempts_max, None, None);
    Ok(Applied::Now(Together(match requests.first() {
        Some(request) => vec![refused.noted(agent.store, request.row, now).await],
        None => Vec::new(),
    })))
}

/// What was done under the token of a request that takes effect once.
async fn carried_out<R, S, T: CountedTable>(
    agent: &Agent<'_, R, S, T>,
    once: Option<&Once>,
) -> Result<Before, StoreError> {
    Ok(match once {
        Some(once) => once.before(agent.table.carried_out(&once.token).await?.as_ref()),
        None => Before::Nothing,
    })
}

/// Whether a write was made whose reply was lost. All of it was or nothing.
async fn is_done<R: RegistryStore, S: ShadowSchemaStore + ShadowStore, T: CountedTable>(
    agent: &Agent<'_, R, S, T>,
    requests: &[Request<'_>],
    steps: &[Step],
    now: Micros,
) -> Result<bool, StoreError> {
    let (mut done, mut undone) = (true, true);
    for (request, step) in
        requests.iter().zip(steps).filter(|(request, _)| request.intent.kind() != Kind::Check)
    {
        let whole = beside::item(agent.table, agent.store, request.row, step.known.shadow()).await?;
        let (before, beside) = &step.read;
        done &= stands(agent, request, &step.known, &step.decision, beside.clone(), &whole, now).await?;
        // Only a version tells that nothing happened in between.
        let version = before.as_ref().map(|item| Stamp::of(item).version);
        undone &= whole.0 == *before && version.is_some_and(|version| version > ItemVersion::NONE);
    }
    if !done && !undone {
        let lost = "the reply to a write was lost, and nobody can tell whether it was made";
        return Err(StoreError::Unavailable(lost.to_owned()));
    }
    Ok(done)
}

async fn noted<R, S: MutationTrail, T>(
    agent: &Agent<'_, R, S, T>,
    requests: &[Request<'_>],
    steps: Vec<Step>,
    attempt: u32,
    now: Micros,
) -> Together {
    let mut all = Vec::with_capacity(steps.len());
    for (request, step) in requests.iter().zip(steps) {
        let mutated = step.mutated(attempt);
        all.push(match request.intent.kind() {
            Kind::Check => mutated,
            _ => mutated.noted(agent.store, request.row, now).await,
        });
    }
    Together(all)
}

impl Step {
    fn mutated(self, attempt: u32) -> Mutated {
        Mutated::of(Ok(self.decision), attempt, self.written_for, self.known.in_force())
    }

    fn write(&self, request: &Request<'_>, stamps: bool) -> Option<TableWrite> {
        let (item, row) = &self.read;
        if request.intent.kind() != Kind::Check {
            let (known, written_for) = (&self.known, self.written_for);
            let read = (item.as_ref(), row.as_ref());
            return write_of(request, read, &self.decision, known, written_for, stamps);
        }
        let beside = unchanged_beside(request, row.as_ref(), (None, None), &self.known, stamps);
        let absent = self.known.looked_for(request.intent, self.written_for);
        let (from, to) = (item.clone(), item.clone());
        let item = Some(ItemWrite { from, to, absent, replaces: false });
        Some(TableWrite { row: request.row.clone(), item, beside })
    }
}
