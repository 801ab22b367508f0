//! The forecaster's step: what happened is held against what was predicted, what that teaches is kept, and
//! what is predicted now is written down.
//!
//! Nothing is asked of whoever runs it but to run it again: a prediction is settled, learnt from and written
//! in one transaction, from the revisions that were read, so a run that dies anywhere is gone on with by the
//! next, and one that finds nothing new writes nothing.
//!
//! The shadow schemas follow from the predictions as they are stored ([`shadow`]). They are brought up to
//! them twice in a run: before windows are replaced, so that nothing that came to its end is lost with its
//! window, and after.

pub mod shadow;

use std::collections::{BTreeMap, BTreeSet};

use evercount_core::order::Micros;
use evercount_core::prediction::{
    ImportKind, Imported, Kind, Learnt, Prediction, ReliabilityPoint, Standing,
};
use evercount_core::registration::Lookup;
use evercount_core::registry::SchemaVersion;
use evercount_core::schema_change::Subject;
use evercount_forecast::history::{self, History};
use evercount_forecast::join::joined;
use evercount_forecast::predict::{Question, predict};
use evercount_forecast::registry;
use evercount_forecast::settle::{adjustment, learn, settle, trust};
use evercount_forecast::signals::{LeftOut, SIGNALS_MAX, Signals, flags, release, usage};
use evercount_forecast::trained::Model;
use evercount_forecast::units::HORIZONS;
use evercount_forecast::window::{WINDOW, revise};

use crate::ports::{
    DayOfUse, ForecastCommit, ForecastStore, RegistryStore, ShadowSchemaStore, StoreError, UsageStore,
};

/// How often a run begins anew because another one wrote meanwhile.
const ATTEMPTS_MAX: usize = 3;
/// Most lines of imported documents that are told of; the others are as wrong.
const LEFT_OUT_MAX: usize = 20;

/// What is kept from run to run: versions do not change, so each is read once.
#[derive(Debug, Default)]
pub struct Warm {
    versions: BTreeMap<(Subject, u32), SchemaVersion>,
}

/// What is known of the future from elsewhere, and of the past.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Known {
    /// Releases, experiments and requests.
    pub signals: Signals,
    /// What happened before the registry.
    pub histories: Vec<History>,
    /// What of the documents could not be read: which document, where, and why.
    pub left_out: Vec<String>,
}

/// Something that came to its end, or came.
#[derive(Clone, PartialEq, Debug)]
pub struct Settled {
    /// Of which table.
    pub table: Subject,
    /// The column and who said so, where it is about one; else the table as a whole.
    pub column: Option<(String, String)>,
    /// What became of it.
    pub standing: Standing,
    /// What happened less what was said.
    pub error: Option<f64>,
    /// In words.
    pub discrepancy: String,
}

/// What a run did and found.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct ForecastReport {
    /// Tables that were forecast.
    pub tables: usize,
    /// Predictions whose window began.
    pub made: usize,
    /// Predictions beside which something else is thought now.
    pub revised: usize,
    /// What came or came to its end.
    pub settled: Vec<Settled>,
    /// Columns of shadow schemas whose state is another now: the table, the column, and the state's name.
    pub shadowed: Vec<(Subject, String, &'static str)>,
    /// Predictions whose time is not over.
    pub open: usize,
    /// What was learnt so far.
    pub learnt: Learnt,
    /// How reliable predictions were so far.
    pub points: Vec<ReliabilityPoint>,
    /// What of imported documents could not be read.
    pub left_out: Vec<String>,
}

impl ForecastReport {
    /// All that was ever said of any change within the longest time, and came to its end: the Brier score,
    /// and the share that came less the mean that was said. `None` where nothing has come to its end.
    #[must_use]
    pub fn reliability(&self) -> Option<(f64, f64)> {
        reliability(&self.points)
    }
}

/// As [`ForecastReport::reliability`], of any points.
#[must_use]
pub fn reliability(points: &[ReliabilityPoint]) -> Option<(f64, f64)> {
    let days = HORIZONS.into_iter().max()?;
    let of = points.iter().filter(|point| point.kind == Kind::Any && point.days == days);
    let (n, came, said, squared) = of.fold((0, 0, 0, 0), |(n, came, said, squared), point| {
        let total = point.total();
        (n + total.n, came + total.came, said + total.p_micro, squared + point.squared_micro)
    });
    let mean = |sum: f64| sum / n as f64;
    (n > 0).then(|| (mean(squared as f64 / 1e6), mean(came as f64) - mean(said as f64 / 1e6)))
}

/// Reads what imported documents hold, as far as it is of use at a time: what was asked for half a year ago
/// says nothing any more.
#[must_use]
pub fn read_imports(imports: &[Imported], now: Micros) -> Known {
    let mut known = Known::default();
    for one in imports {
        let bytes = one.text.as_bytes();
        let mut left_out: Vec<LeftOut> = Vec::new();
        match one.kind {
            ImportKind::ReleasesCsv | ImportKind::ReleasesCalendar | ImportKind::Flags => {
                let (read, into): (fn(&[u8]) -> _, _) = match one.kind {
                    ImportKind::ReleasesCsv => (release::read_csv, &mut known.signals.releases),
                    ImportKind::ReleasesCalendar => (release::read_calendar, &mut known.signals.releases),
                    _ => (flags::read, &mut known.signals.flags),
                };
                let plans = read(bytes);
                into.extend(plans.planned);
                left_out = plans.left_out;
            }
            ImportKind::Usage if one.at.saturating_add(WINDOW) < now => {
                let because = "it is half a year old, and no longer taken in".to_owned();
                left_out.push(LeftOut { place: 0, because });
            }
            ImportKind::Usage => match usage::read(bytes) {
                Ok(usage) => {
                    known.signals.usage.unknown.extend(usage.unknown);
                    known.signals.usage.rates.extend(usage.rates);
                }
                Err(because) => left_out.push(LeftOut { place: 0, because }),
            },
            ImportKind::History => match history::read(&one.name, bytes) {
                Ok(read) => {
                    let skipped = read.skipped.into_iter();
                    left_out.extend(skipped.map(|one| LeftOut { place: one.line, because: one.because }));
                    known.histories.push(read.history);
                }
                Err(error) => left_out.push(LeftOut { place: 0, because: error.to_string() }),
            },
        }
        let told = left_out.iter().map(|out| format!("{}, {}: {}", one.name, out.place, out.because));
        known.left_out.extend(told);
    }
    known.left_out.truncate(LEFT_OUT_MAX);
    known
}

/// What requests asked for that the tables do not have, as the data proxy counted it: a signal beside those
/// that are imported.
///
/// # Errors
/// Whatever the store answers.
pub async fn load_usage<U: UsageStore>(
    store: &U,
    warm: &Warm,
    now: Micros,
) -> Result<Vec<usage::Unknown>, StoreError> {
    let tables: BTreeSet<&Subject> = warm.versions.keys().map(|(subject, _)| subject).collect();
    let mut asked = Vec::new();
    for table in tables {
        let days =
            store.usage(table).await?.into_iter().map(|DayOfUse { attribute, last, used }| usage::Day {
                attribute,
                last: last.div_euclid(1_000_000),
                requests: used.reads.saturating_add(used.writes),
            });
        asked.extend(usage::weighed(table.as_str(), days, now.div_euclid(1_000_000)));
    }
    asked.truncate(SIGNALS_MAX);
    Ok(asked)
}

/// What the registry's versions tell, of all subjects, and with it what was imported from before.
///
/// # Errors
/// Whatever the store answers.
pub async fn load_history<R: RegistryStore>(
    registry: &R,
    warm: &mut Warm,
    imported: &[History],
    now: Micros,
) -> Result<History, StoreError> {
    let mut there = BTreeSet::new();
    for state in registry.subjects().await? {
        let subject = state.subject;
        for head in registry.schema_versions(&subject).await? {
            let key = (subject.clone(), head.id.version);
            if head.is_expired(now) {
                continue;
            }
            if !warm.versions.contains_key(&key) {
                let found = registry.schema_version(&subject, head.id.version, now).await?;
                let Lookup::Found(version) = found else { continue };
                warm.versions.insert(key.clone(), *version);
            }
            there.insert(key);
        }
    }
    warm.versions.retain(|key, _| there.contains(key));
    let versions: Vec<SchemaVersion> = warm.versions.values().cloned().collect();
    Ok(joined(&registry::history("registry", &versions), imported))
}

/// Settles, learns and predicts. `now` is microseconds since the epoch.
///
/// # Errors
/// Whatever the stores answer; what was done until then stays done, and the next run goes on from there.
pub async fn run<R: RegistryStore, F: ForecastStore + ShadowSchemaStore + UsageStore>(
    registry: &R,
    store: &F,
    model: &Model,
    warm: &mut Warm,
    now: Micros,
) -> Result<ForecastReport, StoreError> {
    let mut known = read_imports(&store.imports().await?, now);
    let history = load_history(registry, warm, &known.histories, now).await?;
    known.signals.usage.unknown.extend(load_usage(store, warm, now).await?);
    let tables = columns_of(warm);
    let mut report = ForecastReport { left_out: known.left_out, ..ForecastReport::default() };
    let mut attempt = 1;
    loop {
        let run = Run { store, model, history: &history, signals: &known.signals, tables: &tables, now };
        match run.once(&mut report).await {
            Err(StoreError::Conflict) if attempt < ATTEMPTS_MAX => attempt += 1,
            ended => return ended.map(|()| report),
        }
    }
}

/// The columns of the tables that the registry knows.
fn columns_of(warm: &Warm) -> BTreeMap<Subject, BTreeSet<String>> {
    // Ascending: the last version of each stands.
    let columns = |version: &SchemaVersion| {
        version.schema.columns().map(|(path, _)| path.as_str().to_owned()).collect()
    };
    warm.versions.values().map(|version| (version.subject.clone(), columns(version))).collect()
}

struct Run<'a, F> {
    store: &'a F,
    model: &'a Model,
    history: &'a History,
    signals: &'a Signals,
    tables: &'a BTreeMap<Subject, BTreeSet<String>>,
    now: Micros,
}

impl<F: ForecastStore + ShadowSchemaStore> Run<'_, F> {
    async fn once(&self, report: &mut ForecastReport) -> Result<(), StoreError> {
        let mut standing: BTreeMap<Subject, Prediction> =
            self.store.predictions().await?.into_iter().map(|one| (one.table.clone(), one)).collect();
        let mut learnt = self.store.learnt().await?;
        let mut points = self.store.reliability().await?;
        for one in standing.values_mut() {
            self.synchronise(one, &mut learnt, &mut points, report).await?;
        }
        self.shadow(&standing, report).await?;
        self.predict(&mut standing, &learnt, report).await?;
        self.shadow(&standing, report).await?;
        report.open = standing.values().filter(|one| one.standing == Standing::Open).count();
        (report.learnt, report.points) = (learnt, points);
        Ok(())
    }

    /// Holds what happened against a prediction, and learns from it.
    async fn synchronise(
        &self,
        stood: &mut Prediction,
        learnt: &mut Learnt,
        points: &mut Vec<ReliabilityPoint>,
        report: &mut ForecastReport,
    ) -> Result<(), StoreError> {
        let mut settled = settle(stood, self.history, self.now);
        if settled == *stood {
            return Ok(());
        }
        settled.revision = stood.revision.saturating_add(1);
        let lesson = learn(Some(stood), &settled, learnt, points).map(|(mut next, changed)| {
            next.revision = learnt.revision.saturating_add(1);
            next.updated_at = self.now;
            (next, changed)
        });
        let prediction = (Some(stood.revision), settled.clone());
        let commit = ForecastCommit { prediction, past: None, learnt: lesson.clone() };
        self.store.commit_forecast(&commit).await?;
        if let Some((next, changed)) = lesson {
            *learnt = next;
            points.retain(|point| changed.iter().all(|one| one.key() != point.key()));
            points.extend(changed);
            points.sort_by_key(ReliabilityPoint::key);
        }
        report.settled.extend(settled_of(stood, &settled));
        *stood = settled;
        Ok(())
    }

    async fn predict(
        &self,
        standing: &mut BTreeMap<Subject, Prediction>,
        learnt: &Learnt,
        report: &mut ForecastReport,
    ) -> Result<(), StoreError> {
        let trust = trust(learnt);
        let question = Question {
            now: self.now.div_euclid(1_000_000),
            horizons: &HORIZONS,
            model: self.model,
            adjustment: adjustment(learnt),
            signals: self.signals,
            trust: &trust,
        };
        let forecasts = predict(self.history, &question);
        report.tables = 0;
        for forecast in &forecasts {
            let table = Subject::new(&*forecast.table);
            // A table that only an imported history knows is nothing that could be held against anything.
            if !self.tables.contains_key(&table) {
                continue;
            }
            report.tables += 1;
            let stood = standing.get(&table);
            let revised = revise(stood, forecast);
            if revised.past.is_none() && stood == Some(&revised.prediction) {
                continue;
            }
            let from = stood.map(|one| one.revision);
            let mut prediction = revised.prediction;
            prediction.revision = from.unwrap_or(0).saturating_add(1);
            let begins = from.is_none() || revised.past.is_some();
            let commit =
                ForecastCommit { prediction: (from, prediction.clone()), past: revised.past, learnt: None };
            self.store.commit_forecast(&commit).await?;
            if begins {
                report.made += 1
            } else {
                report.revised += 1
            }
            standing.insert(table, prediction);
        }
        Ok(())
    }
}

impl<F: ForecastStore + ShadowSchemaStore> Run<'_, F> {
    /// Brings the shadow schemas up to the predictions.
    async fn shadow(
        &self,
        standing: &BTreeMap<Subject, Prediction>,
        report: &mut ForecastReport,
    ) -> Result<(), StoreError> {
        let stored = self.store.shadow_schemas().await?;
        let none = BTreeSet::new();
        for (table, prediction) in standing {
            let known = stored.iter().find(|one| one.table == *table);
            let registered = self.tables.get(table).unwrap_or(&none);
            let Some(next) = shadow::shadowed(known, prediction, registered, self.now) else { continue };
            self.store.replace_shadow_schema(known.map(|one| one.revision), &next).await?;
            for (name, column) in &next.columns {
                let before = known.and_then(|known| known.columns.get(name)).map(|column| column.state);
                if before != Some(column.state) {
                    report.shadowed.push((table.clone(), name.clone(), column.state.name()));
                }
            }
        }
        Ok(())
    }
}

/// What of a prediction stands otherwise than it did.
fn settled_of(before: &Prediction, after: &Prediction) -> Vec<Settled> {
    let mut all = Vec::new();
    if before.standing != after.standing {
        all.push(Settled {
            table: after.table.clone(),
            column: None,
            standing: after.standing,
            error: after.error,
            discrepancy: after.discrepancy.clone(),
        });
    }
    for (was, is) in before.columns.iter().zip(&after.columns) {
        if was.standing != is.standing {
            let came = match is.standing {
                Standing::Confirmed => Some(1.0 - is.p),
                Standing::Refuted | Standing::Expired if is.counted.is_some() => Some(-is.p),
                _ => None,
            };
            all.push(Settled {
                table: after.table.clone(),
                column: Some((is.column.clone(), is.source.clone())),
                standing: is.standing,
                error: came,
                discrepancy: is.discrepancy.clone(),
            });
        }
    }
    all
}
