//! `evercount replay`: a capture travels through a stream, and is listened to and counted as in
//! production.

mod changes;

use std::io::IsTerminal;
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::Context;
use changes::Changes;
use evercount_aws::clients::Clients;
use evercount_aws::counter::Counter;
use evercount_aws::dynamo::{DynamoStore, TableNames};
use evercount_aws::meter::meter;
use evercount_core::adoption::{Adjustment, PlanOutcome, PolicyBook};
use evercount_core::chunk::{self, Content, Delivery, Facts, Hints, Mode, Poison, Tally};
use evercount_core::definition::CountDefinition;
use evercount_core::lane::{LaneId, SequenceNumber};
use evercount_core::logic::{Coverage, LogicState};
use evercount_core::reading::Reading;
use evercount_local::put::{Entry, put_in_order};
use evercount_local::stack::{
    self, INVOCATION_MICROS, LocalAnalyzer, LocalListener, LocalValidator, invoke, invoke_analyzer,
    invoke_listener, now,
};
use evercount_local::{EmbeddedOptions, Poller, Stack, StartingPosition};
use evercount_pipeline::adapt::AdaptOptions;
use evercount_pipeline::alert::MemoryAlerts;
use evercount_pipeline::count::{BatchReport, CountMode, CountOptions};
use evercount_pipeline::listen::ListenOptions;
use evercount_pipeline::ports::{CatalogStore, CountStore};
use evercount_pipeline::{define, read};
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::json;

use crate::args::{ModeArg, ReplayArgs};
use crate::capture::{Captures, Line};
use crate::exit::Exit;
use crate::{show, target};

/// Records put on the stream before they are counted: a bound on memory, not on the capture.
const WINDOW_RECORDS: usize = 2_000;
/// Bytes put on the stream before they are counted.
const WINDOW_BYTES: usize = 4 << 20;

/// Records put on the stream before they are listened to, at first: shards are read in turn, and
/// none should be far ahead of the others, as none is for long in production.
const LISTEN_RECORDS: usize = 50;
/// The share of the capture so far, as a divisor, that may be listened to at once: a long capture
/// need not be read in small steps to its end.
const LISTEN_SHARE: u64 = 100;

/// Totals over all batches.
#[derive(Default)]
struct Totals {
    tally: Tally,
    commits: u64,
    write_units: f64,
}

/// Runs the command.
pub async fn run(args: ReplayArgs) -> anyhow::Result<Exit> {
    let definitions = definitions(&args.counts)?;
    let captures = Captures::open(args.captures.clone())?;
    let unique = format!("{}-{}", now(), std::process::id());
    let stack = open(&unique).await?;
    let counted =
        Replay::new(&stack, &args, definitions, format!("replay-{unique}")).await?.run(captures).await;
    // What was made for the replay is removed, whatever became of it.
    remove(&stack, &format!("replay-{unique}")).await;
    stack.stop().await;
    let Counted { totals, readings, changes, adjustments } = counted?;
    if args.output.json {
        show::document(&json!({
            "records": {
                "read": totals.tally.read,
                "applied": totals.tally.applied,
                "duplicates": totals.tally.duplicates,
                "quarantined": totals.tally.quarantined,
                "late": totals.tally.late,
                "passed": totals.tally.passed,
                "ambiguous": totals.tally.ambiguous,
            },
            "counts": readings.iter().map(show::reading_json).collect::<Vec<_>>(),
            "schema_changes": changes,
            "adjustments": adjustments.iter().map(show::adjustment_json).collect::<Vec<_>>(),
            "cost": {"write_units": totals.write_units, "transactions": totals.commits},
        }));
    } else {
        text(&totals, &readings, &changes, &adjustments);
    }
    Ok(Exit::Ok)
}

/// Reads a file of count definitions.
///
/// # Errors
/// Where the file cannot be read or a definition is wrong.
pub fn definitions(file: &std::path::Path) -> anyhow::Result<Vec<CountDefinition>> {
    let text = std::fs::read_to_string(file).with_context(|| format!("could not read {}", file.display()))?;
    Ok(evercount_wire::definition::from_toml(&text, &file.display().to_string())?)
}

/// A stack of its own: embedded, or on the endpoint of the environment under unique names.
async fn open(unique: &str) -> anyhow::Result<Stack> {
    let Some(url) = target::endpoint() else {
        return Ok(Stack::embedded(EmbeddedOptions::default(), TableNames::default()).await?);
    };
    let named = |table: &str| format!("evercount-replay-{unique}-{table}");
    let tables = TableNames { metadata: named("metadata"), ledger: named("ledger"), counts: named("counts") };
    let clients = Clients::of_a_person().await;
    Stack::on(clients.dynamodb(), clients.kinesis(), tables)
        .await
        .with_context(|| format!("could not use endpoint {url}"))
}

async fn remove(stack: &Stack, stream: &str) {
    if stack.embedded_aws().is_some() {
        return;
    }
    let tables = stack.store().tables();
    for table in [&tables.metadata, &tables.ledger, &tables.counts] {
        if let Err(error) = stack.dynamodb().delete_table().table_name(table).send().await {
            show::remark(format!("note: table `{table}` is left behind: {}", error.into_service_error()));
        }
    }
    for stream in [stream.to_owned(), schema_events_of(stream)] {
        if let Err(error) = stack.kinesis().delete_stream().stream_name(&stream).send().await {
            show::remark(format!("note: stream `{stream}` is left behind: {}", error.into_service_error()));
        }
    }
}

/// The stream of a replay's schema change events.
fn schema_events_of(stream: &str) -> String {
    format!("{stream}-schema-events")
}

/// What a replay comes to.
struct Counted {
    totals: Totals,
    readings: Vec<Reading>,
    changes: Vec<serde_json::Value>,
    adjustments: Vec<Adjustment>,
}

struct Replay<'a> {
    stack: &'a Stack,
    args: &'a ReplayArgs,
    stream: String,
    counting: Poller,
    counter: Arc<Counter<DynamoStore>>,
    listening: Poller,
    listener: Arc<LocalListener>,
    changes: Changes,
    analyzing: Poller,
    analyzer: Arc<LocalAnalyzer<MemoryAlerts>>,
    validator: LocalValidator<MemoryAlerts>,
    totals: Arc<Mutex<Totals>>,
}

impl<'a> Replay<'a> {
    async fn new(
        stack: &'a Stack,
        args: &'a ReplayArgs,
        definitions: Vec<CountDefinition>,
        stream: String,
    ) -> anyhow::Result<Self> {
        for definition in definitions {
            define::create(stack.store(), definition, Coverage::Whole, now()).await?;
        }
        stack.create_stream(&stream, args.shards).await?;
        let totals: Arc<Mutex<Totals>> = Arc::default();
        let hook = {
            let totals = totals.clone();
            Arc::new(move |_: &LaneId, report: &BatchReport| {
                let mut totals = totals.lock().unwrap_or_else(PoisonError::into_inner);
                totals.tally.add(&report.tally);
                totals.commits += report.commits;
                totals.write_units += report.cost.write_units;
            })
        };
        let options = CountOptions {
            mode: match args.mode {
                ModeArg::Ledger => CountMode::Ledger,
                ModeArg::Lane => CountMode::Lane,
            },
            format: args.format.as_deref().map(str::parse).transpose()?,
            epoch: 0,
        };
        let counter = stack.counter(options, hook);
        let events = schema_events_of(&stream);
        stack.ensure_stream(&events).await?;
        let changes = Changes::default();
        let listen = ListenOptions { format: options.format, epoch: options.epoch };
        let listener = stack.listener(listen, &events, changes.hook());
        let batch_size = usize::try_from(args.batch_size).unwrap_or(stack::BATCH_SIZE);
        let counting = stack.poller(&stream, batch_size, StartingPosition::TrimHorizon).await?;
        let listening = stack.poller(&stream, batch_size, StartingPosition::TrimHorizon).await?;
        let analyzing = stack.poller(&events, batch_size, StartingPosition::TrimHorizon).await?;
        let adapt = AdaptOptions {
            has_ledger: options.mode == CountMode::Ledger,
            epoch: options.epoch,
            pages: u32::MAX,
            meter,
            // A capture has no source to ask.
            ..AdaptOptions::BARE
        };
        if let Some(file) = &args.policy {
            stack.store().set_policy_book(&policies(file)?).await?;
        }
        let analyzer = stack.analyzer(adapt, MemoryAlerts::default(), Arc::new(|_, _| {}));
        let validator = stack.validator(adapt, MemoryAlerts::default(), Arc::new(|_| {}));
        Ok(Self {
            stack,
            args,
            stream,
            counting,
            counter,
            listening,
            listener,
            changes,
            analyzing,
            analyzer,
            validator,
            totals,
        })
    }

    async fn run(mut self, mut captures: Captures) -> anyhow::Result<Counted> {
        let progress = progress(self.args.output.json);
        let until = self.args.until_line.unwrap_or(u64::MAX);
        let mut ended = false;
        while !ended {
            let (mut window, mut lines, mut bytes) = (Vec::new(), Vec::new(), 0);
            while window.len() < WINDOW_RECORDS && bytes < WINDOW_BYTES && !ended {
                match if captures.line < until { captures.next_line()? } else { None } {
                    Some(Line::Record(entry)) => {
                        bytes += entry.data.len();
                        window.push(entry);
                        lines.push(captures.line);
                    }
                    Some(Line::TooLong(raw)) => self.put_aside(captures.line, raw).await?,
                    None => ended = true,
                }
            }
            self.travel(&window, &lines).await?;
            progress.set_position(captures.line);
            progress.set_message(self.told());
        }
        progress.finish_and_clear();
        let store = self.stack.store();
        let mut readings = Vec::new();
        for version in store.versions().await? {
            if version.state == LogicState::Active {
                readings.push(read::run(store, &version).await?);
            }
        }
        let adjustments = store.adjustments(None).await?;
        let totals = std::mem::take(&mut *self.totals.lock().unwrap_or_else(PoisonError::into_inner));
        Ok(Counted { totals, readings, changes: self.changes.json(), adjustments })
    }

    /// Puts records on the stream, listens to them and counts them.
    async fn travel(&mut self, window: &[Entry], lines: &[u64]) -> anyhow::Result<()> {
        let before = lines.first().map_or(0, |first| first / LISTEN_SHARE);
        let step = usize::try_from(before).unwrap_or(usize::MAX).max(LISTEN_RECORDS);
        for (window, lines) in window.chunks(step).zip(lines.chunks(step)) {
            let sequences = put_in_order(self.stack.kinesis(), &self.stream, window).await?;
            self.changes.note(sequences.into_iter().zip(lines.iter().copied()));
            let found = self.changes.found();
            self.listening.run_until_idle(invoke_listener(&self.listener)).await?;
            if self.changes.found() > found {
                self.analyzing.run_until_idle(invoke_analyzer(&self.analyzer)).await?;
            }
        }
        self.counting.run_until_idle(invoke(&self.counter)).await?;
        self.validator.handle(now().saturating_add(INVOCATION_MICROS)).await?;
        if let Some(embedded) = self.stack.embedded_aws() {
            // Both have read all there is.
            embedded.forget(&self.stream, &self.counting.checkpoints().await).await;
        }
        Ok(())
    }

    /// Quarantines a line that no stream takes, under a lane of its own.
    async fn put_aside(&self, line: u64, raw: Vec<u8>) -> anyhow::Result<()> {
        let store = self.stack.store();
        let lane = LaneId::named("replay");
        store.register_lane(&lane).await?;
        let state = store.lane(&lane).await?;
        let catalog = store.catalog(None).await?.unwrap_or_default();
        let sequence =
            SequenceNumber::parse(&line.to_string()).context("a line number is a sequence number")?;
        let poison = Poison {
            reason: "too-large".to_owned(),
            detail: format!("line {line} has {} bytes, more than a Kinesis record may have", raw.len()),
            table: None,
            raw,
            partition_key: None,
        };
        let bytes = poison.raw.len();
        let delivery = Delivery { sequence, arrived_at: now(), bytes, content: Content::Poison(poison) };
        let facts =
            Facts { catalog: &catalog, floors: &std::collections::BTreeMap::new(), tombstone_expires_at: 0 };
        let chunk = chunk::plan(Mode::Lane, &[delivery], &lane, &state, &facts, &mut Hints::default());
        let cost = store.commit(&chunk.commit).await?;
        let mut totals = self.totals.lock().unwrap_or_else(PoisonError::into_inner);
        totals.tally.add(&chunk.tally);
        totals.commits += 1;
        totals.write_units += cost.write_units;
        Ok(())
    }

    fn told(&self) -> String {
        let totals = self.totals.lock().unwrap_or_else(PoisonError::into_inner);
        format!(
            "{} applied, {} duplicates, {} quarantined",
            totals.tally.applied, totals.tally.duplicates, totals.tally.quarantined
        )
    }
}

fn progress(quiet: bool) -> ProgressBar {
    if quiet || !std::io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let bar = ProgressBar::new_spinner();
    if let Ok(style) = ProgressStyle::with_template("{spinner} {pos} lines ({per_sec})  {msg}") {
        bar.set_style(style);
    }
    bar
}

fn text(totals: &Totals, readings: &[Reading], changes: &[serde_json::Value], adjustments: &[Adjustment]) {
    let tally = &totals.tally;
    show::line(format!(
        "{} records: {} applied, {} duplicates, {} late, {} passed by, {} ambiguous, {} quarantined",
        tally.read,
        tally.applied,
        tally.duplicates,
        tally.late,
        tally.passed,
        tally.ambiguous,
        tally.quarantined
    ));
    if tally.read > 0 {
        let each = totals.write_units / tally.read as f64;
        show::line(format!(
            "{:.0} write units in {} transactions, {each:.2} a record",
            totals.write_units, totals.commits
        ));
    }
    if !changes.is_empty() {
        show::line("");
        show::line(format!("{} schema changes", changes.len()));
        changes::text(changes).into_iter().for_each(show::line);
    }
    let affected: Vec<&Adjustment> =
        adjustments.iter().filter(|one| one.outcome != PlanOutcome::NotAffected).collect();
    if !affected.is_empty() {
        show::line("");
        show::line(format!("{} counts adjusted", affected.len()));
        affected.into_iter().map(adjustment_line).for_each(show::line);
    }
    for reading in readings {
        show::line("");
        show::reading(reading);
    }
}

/// What became of one count, in a line.
fn adjustment_line(one: &Adjustment) -> String {
    let (plan, outcome) = (&one.plan, one.outcome.name().replace('_', " "));
    let to = one.to.map_or_else(String::new, |to| format!(" → v{to}"));
    format!("  {}  v{}{to}  {}, {outcome}: {}", plan.definition, plan.from, plan.class.name(), plan.sentence)
}

/// Reads a file of policies.
fn policies(file: &std::path::Path) -> anyhow::Result<PolicyBook> {
    let text = std::fs::read_to_string(file).with_context(|| format!("could not read {}", file.display()))?;
    Ok(evercount_wire::policy::from_toml(&text, &file.display().to_string())?)
}
