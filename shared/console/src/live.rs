//! What was read lately, and whether it still stands: a pulse that all requests share, readings and answers
//! that hold while it does.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use evercount_core::logic::{LogicId, LogicVersion};
use evercount_core::reading::Reading;
use evercount_pipeline::discovery::ServiceDirectory;
use evercount_pipeline::forecast::Warm;
use evercount_pipeline::ports::SourceTable;
use evercount_pipeline::read;
use tokio::sync::OnceCell;

use crate::console::{ConsoleStore, Served};
use crate::counts::Point;
use crate::plans::Agreement;
use crate::problem::Problem;
use crate::work::{AuditDoc, Audits};

/// How long all who ask share one look at what everything stands at.
const PULSE_LIFE: Duration = Duration::from_millis(500);
/// Readings kept beside each other; with more, all are dropped.
const READINGS_MAX: usize = 64;
/// Audits that are remembered.
const AUDITS_MAX: usize = 20;
/// Samples of a plan's comparisons that are kept.
const SAMPLES_MAX: usize = 240;
/// Plans whose comparisons are kept.
const SAMPLED_MAX: usize = 100;

/// What everything stands at, as one number: the same number means that nothing was written meanwhile.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Pulse(pub u64);

/// What is kept of one thing, read once however many ask at a time.
type Shared<T> = Arc<OnceCell<T>>;

/// Readings, each with the state of the store that it is of.
type Readings = HashMap<LogicId, (Pulse, Shared<Arc<Reading>>)>;

/// What was read lately.
#[derive(Debug, Default)]
pub struct Memory {
    pulse: tokio::sync::Mutex<Option<(Instant, u64, Pulse)>>,
    /// Raised by each change made from here.
    changes: AtomicU64,
    readings: Mutex<Readings>,
    /// Totals of cuts, which never change; by version and by the time asked for.
    points: Mutex<HashMap<(LogicId, i64), Point>>,
    agreements: Mutex<HashMap<String, Vec<Agreement>>>,
    audits: Mutex<Vec<AuditDoc>>,
    /// Schema versions that forecasts are made from.
    pub(crate) warm: tokio::sync::Mutex<Warm>,
    /// Readings that were at hand, and that had to be made.
    hits: AtomicU64,
    misses: AtomicU64,
}

fn held<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Memory {
    /// Forgets the pulse, so that the next request looks again.
    pub fn forget(&self) {
        self.changes.fetch_add(1, Ordering::Relaxed);
    }

    /// Readings that were at hand, and that had to be made.
    pub fn tally(&self) -> (u64, u64) {
        (self.hits.load(Ordering::Relaxed), self.misses.load(Ordering::Relaxed))
    }

    /// A point of a cut that was read before.
    pub fn point(&self, logic: &LogicId, at: i64) -> Option<Point> {
        held(&self.points).get(&(logic.clone(), at)).cloned()
    }

    /// Keeps a point.
    pub fn keep_point(&self, logic: &LogicId, at: i64, point: Point) {
        let mut points = held(&self.points);
        if points.len() > 10_000 {
            points.clear();
        }
        points.insert((logic.clone(), at), point);
    }

    /// Adds a sample of a plan's comparisons where they moved, and gives all of them.
    pub fn sample(&self, plan: &str, sample: Agreement) -> Vec<Agreement> {
        let mut all = held(&self.agreements);
        if all.len() >= SAMPLED_MAX && !all.contains_key(plan) {
            all.clear();
        }
        let samples = all.entry(plan.to_owned()).or_default();
        if samples.last().is_none_or(|last| last.compared != sample.compared) {
            samples.push(sample);
        }
        if samples.len() > SAMPLES_MAX {
            // Every second one goes, so that the whole time stays in view.
            let mut keep = false;
            samples.retain(|_| {
                keep = !keep;
                keep
            });
        }
        samples.clone()
    }

    /// The audits, the newest first.
    pub fn audits(&self) -> Audits {
        Audits { audits: held(&self.audits).iter().rev().cloned().collect(), will: None }
    }

    /// Adds an audit, or replaces what is known of it.
    pub fn tell_audit(&self, audit: AuditDoc) {
        let mut audits = held(&self.audits);
        match audits.iter_mut().find(|known| known.id == audit.id) {
            Some(known) => *known = audit,
            None => audits.push(audit),
        }
        let over = audits.len().saturating_sub(AUDITS_MAX);
        audits.drain(..over);
    }
}

/// What everything stands at.
pub async fn pulse<S, T, D>(served: &Served<S, T, D>) -> Result<Pulse, Problem>
where
    S: ConsoleStore,
    T: SourceTable,
    D: ServiceDirectory,
{
    // Whoever comes while it is looked waits for that look.
    let mut known = served.memory.pulse.lock().await;
    let changes = served.memory.changes.load(Ordering::Relaxed);
    if let Some((at, of, pulse)) = *known
        && of == changes
        && at.elapsed() < PULSE_LIFE
    {
        return Ok(pulse);
    }
    let store = &served.store;
    let (lanes, catalog, adjustments, subjects) = futures_util::future::try_join4(
        store.lanes(),
        store.catalog(None),
        store.adjustments(None),
        store.subjects(),
    )
    .await?;
    let mut hasher = DefaultHasher::new();
    changes.hash(&mut hasher);
    for (lane, state) in &lanes {
        (lane.as_str(), state.records, state.fence, state.at).hash(&mut hasher);
        state.sequence.as_ref().map(|sequence| sequence.as_str()).hash(&mut hasher);
    }
    catalog.map(|catalog| catalog.revision).hash(&mut hasher);
    for one in &adjustments {
        (one.plan.id.as_str(), one.revision, one.updated_at).hash(&mut hasher);
    }
    for state in &subjects {
        (state.subject.as_str(), state.revision).hash(&mut hasher);
    }
    let pulse = Pulse(hasher.finish());
    *known = Some((Instant::now(), changes, pulse));
    Ok(pulse)
}

/// A reading, made once for each pulse.
pub async fn reading<S, T, D>(served: &Served<S, T, D>, logic: &LogicVersion) -> Result<Arc<Reading>, Problem>
where
    S: ConsoleStore,
    T: SourceTable,
    D: ServiceDirectory,
{
    let pulse = pulse(served).await?;
    let memory = &served.memory;
    let cell = {
        let mut readings = held(&memory.readings);
        if readings.len() >= READINGS_MAX && !readings.contains_key(&logic.id) {
            readings.clear();
        }
        let kept = readings.entry(logic.id.clone()).or_insert_with(|| (pulse, Shared::default()));
        let stands = kept.0 == pulse && kept.1.get().is_none_or(|reading| reading.logic == *logic);
        if !stands {
            *kept = (pulse, Shared::default());
        }
        kept.1.clone()
    };
    let of = if cell.initialized() { &memory.hits } else { &memory.misses };
    of.fetch_add(1, Ordering::Relaxed);
    let made = cell.get_or_try_init(async || read::run(&served.store, logic).await.map(Arc::new)).await?;
    Ok(made.clone())
}
