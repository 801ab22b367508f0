//! `evercount demo`: a table changes, its records are disturbed on their way, the counter crashes,
//! and its live counts equal a recount all the same.
//!
//! Decides what runs beside what, when each fault strikes, and how everything is brought to rest
//! before the recount.

mod counting;
mod display;
mod faults;
mod report;
mod workload;

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context, anyhow};
use evercount_aws::dynamo::{DynamoSource, TableNames};
use evercount_core::change::TableName;
use evercount_core::counting::{Cells, add_cells, contribution};
use evercount_core::logic::{Coverage, LogicVersion};
use evercount_core::order::Micros;
use evercount_core::reading::Reading;
use evercount_local::stack::now;
use evercount_local::{EmbeddedAws, EmbeddedOptions, Poller, Pump, PumpStart, Stack, StartingPosition};
use evercount_pipeline::event_source::MappingConfig;
use evercount_pipeline::ports::SourceTable;
use evercount_pipeline::{define, read, recheck};
use tokio::sync::oneshot;
use tokio::time::Instant;

use crate::args::DemoArgs;
use crate::exit::Exit;
use crate::show;
use counting::{Counting, Observed};
use display::Display;
use faults::Faults;
use report::{Compared, Outcome};
use workload::Written;

/// The counts, as a user would write them.
const COUNTS: &str = r#"[[count]]
name = "by_status"
table = "orders"
group_by = ["status"]

[[count]]
name = "to_deliver"
table = "orders"
where = "status IN ('PAID', 'SHIPPED') AND amount >= 25"
group_by = ["address.country", "plan"]

[[count]]
name = "bulk_without_zip"
table = "orders"
where = "address.zip IS MISSING AND items[0].quantity >= 3"
"#;

/// What the pump writes to.
const SOURCE_STREAM: &str = "orders-source";
/// What is counted.
const COUNTED_STREAM: &str = "orders-cdc";
const SHARDS: i32 = 2;

/// How long records gather before they are disturbed, milliseconds: longer than the time within
/// which two changes of an item are ordered by their images instead of their clocks, so that
/// both ways are tried.
const RELAY_WINDOW_MS: u64 = 150;
/// How often expired items are removed.
const SWEEP_PAUSE: Duration = Duration::from_millis(500);

/// When the position is taken that the second counter starts from, as a share of the time.
const POSITION_AT: f64 = 0.3;
/// When a shard is split: between the two, so that the second counter reads the parent again.
const SPLIT_AT: f64 = 0.4;
/// When the first counter crashes.
const CRASH_AT: f64 = 0.6;

/// How long the records that are under way may take to be counted.
const REST_TIMEOUT: Duration = Duration::from_secs(40);
/// Bound on the clock skew between table and recheck: there is one clock, and a recheck only has
/// to be later than all doubt.
const RECHECK_MARGIN: Micros = 250_000;

/// Runs the command.
pub async fn run(args: DemoArgs) -> anyhow::Result<Exit> {
    let started = Instant::now();
    if !args.output.json {
        introduce(&args);
    }
    let stack = Stack::embedded(EmbeddedOptions::default(), TableNames::default()).await?;
    let demo = Demo::prepare(&stack, &args).await;
    let outcome = match demo {
        Ok(demo) => demo.run(started).await,
        Err(error) => Err(error),
    };
    stack.stop().await;
    let outcome = outcome?;
    if args.output.json {
        show::document(&outcome.to_json());
    } else {
        outcome.print();
        suggest();
    }
    Ok(if outcome.is_right() { Exit::Ok } else { Exit::Found })
}

fn introduce(args: &DemoArgs) {
    show::line(format!(
        "A table `orders` changes for {} s on an embedded AWS, in memory. These counts follow it live:",
        args.seconds
    ));
    show::line("");
    COUNTS
        .lines()
        .for_each(|line| show::line(if line.is_empty() { String::new() } else { format!("  {line}") }));
    show::line("");
}

fn suggest() {
    show::line("");
    show::line("Next:");
    show::line("  evercount replay CAPTURE --counts FILE   count your own CDC records");
    show::line("  evercount local                          keep the embedded AWS running and use it");
    show::line("  cargo test --workspace                   the same faults, thousands of times, simulated");
}

/// What runs, before it does.
struct Demo<'a> {
    stack: &'a Stack,
    aws: &'a EmbeddedAws,
    args: &'a DemoArgs,
    versions: Vec<LogicVersion>,
    written: Written,
    faults: Arc<Mutex<Faults>>,
    observed: Observed,
}

/// A task that can be told to finish what is under way.
struct Background {
    name: &'static str,
    stop: oneshot::Sender<()>,
    task: tokio::task::JoinHandle<anyhow::Result<()>>,
}

impl<'a> Demo<'a> {
    /// Creates the table, the counts and the streams.
    async fn prepare(stack: &'a Stack, args: &'a DemoArgs) -> anyhow::Result<Self> {
        let aws = stack.embedded_aws().context("the demo runs on an embedded AWS")?;
        workload::create_table(stack.dynamodb()).await?;
        let mut versions = Vec::new();
        for definition in evercount_wire::definition::from_toml(COUNTS, "the demo's counts")? {
            versions.push(define::create(stack.store(), definition, Coverage::Whole, now()).await?);
        }
        stack.create_stream(SOURCE_STREAM, 1).await?;
        stack.create_stream(COUNTED_STREAM, SHARDS).await?;
        let faults = Arc::new(Mutex::new(Faults::new(args.seed)));
        Ok(Self {
            stack,
            aws,
            args,
            versions,
            written: Written::default(),
            faults,
            observed: Observed::default(),
        })
    }

    async fn run(self, started: Instant) -> anyhow::Result<Outcome> {
        let logic = self.versions.first().context("there are counts")?;
        let display =
            Display::start(self.args.output.json, self.stack.store(), logic, &self.written, &self.observed);
        let (counting, crashed_in_a_batch) = {
            let pump = self.pump()?;
            let relay = self.relay().await?;
            let end = Instant::now() + Duration::from_secs(self.args.seconds);
            let ((), struck) = tokio::try_join!(self.work(end), self.strike(&display))?;
            display.say("the table is left alone; what is under way is counted");
            // Upstream first: each is only at rest once nothing more comes from the one before.
            rest("pump", async { pump.finish().await }).await?;
            rest("relay", async { relay.finish().await }).await?;
            struck
        };
        rest("counter", async { counting.finish().await }).await?;
        let rechecked = rest("recheck", self.settle()).await?;
        drop(display);
        let (counts, orders) = self.compare().await?;
        let injected = self.faults.lock().unwrap_or_else(PoisonError::into_inner).injected();
        Ok(Outcome {
            seed: self.args.seed,
            seconds: started.elapsed().as_secs_f64(),
            written_seconds: self.args.seconds,
            writes: self.written.so_far(),
            orders,
            injected,
            crashed_in_a_batch,
            delivered: self.observed.delivered(),
            totals: self.observed.totals(),
            rechecked,
            counts,
        })
    }

    /// Captures the table onto the source stream.
    fn pump(&self) -> anyhow::Result<Background> {
        let mut pump =
            Pump::new(self.aws.database(), self.stack.kinesis().clone(), SOURCE_STREAM, self.aws.region());
        pump.attach(workload::TABLE, &PumpStart::TrimHorizon)?;
        Ok(Background::start("pump", |stopped| async move {
            let shutdown = async {
                // An error means that nobody is left who could tell, which is also an end.
                let _ = stopped.await;
            };
            pump.run(shutdown).await;
            pump.run_until_idle().await?;
            Ok(())
        }))
    }

    /// Moves records from the source stream to the counted one, disturbed.
    async fn relay(&self) -> anyhow::Result<Background> {
        let options = self.aws.poller_options();
        let mapping =
            MappingConfig { batch_size: 500, batch_window_ms: RELAY_WINDOW_MS, ..options.mapping.clone() };
        let options = evercount_local::PollerOptions { mapping, ..options };
        let mut poller = Poller::open(self.stack.kinesis().clone(), SOURCE_STREAM, options).await?;
        let handler = faults::relay(self.stack, COUNTED_STREAM, &self.faults);
        Ok(Background::start("relay", |stopped| async move {
            Ok(counting::until_stopped(&mut poller, handler, stopped).await?)
        }))
    }

    /// Writes to the table until `end`; expired items are removed meanwhile, and once at the end.
    async fn work(&self, end: Instant) -> anyhow::Result<()> {
        let database = self.aws.database();
        let written = self.written.clone();
        let sweep = move || {
            let (database, written) = (database.clone(), written.clone());
            async move {
                let swept = tokio::task::spawn_blocking(move || database.sweep_ttl()).await??;
                written.note(|writes| writes.expired += swept as u64);
                anyhow::Ok(())
            }
        };
        let sweeping = async {
            while Instant::now() < end {
                tokio::time::sleep(SWEEP_PAUSE).await;
                sweep().await?;
            }
            anyhow::Ok(())
        };
        tokio::try_join!(workload::run(self.stack.dynamodb(), self.args.seed, end, &self.written), sweeping)?;
        sweep().await
    }

    /// Counts, splits a shard, and lets the counter crash and start again from too early. Returns
    /// the counter that lives, and whether the crash hit a batch.
    async fn strike(&self, display: &Display) -> anyhow::Result<(Counting, bool)> {
        let begin = Instant::now();
        let at = |share: f64| begin + Duration::from_secs(self.args.seconds).mul_f64(share);
        let first =
            Counting::start(self.stack, COUNTED_STREAM, StartingPosition::TrimHorizon, &self.observed)
                .await?;
        tokio::time::sleep_until(at(POSITION_AT)).await;
        let position = self.observed.position();
        tokio::time::sleep_until(at(SPLIT_AT)).await;
        self.split().await?;
        display.say("one of the two shards of the counted stream is split");
        tokio::time::sleep_until(at(CRASH_AT)).await;
        let in_a_batch = first.crash().await;
        display.say("the counter crashes; a new one, which knows nothing, starts from an older position");
        let start = StartingPosition::AfterSequenceNumbers(position);
        let second = Counting::start(self.stack, COUNTED_STREAM, start, &self.observed).await?;
        Ok((second, in_a_batch))
    }

    /// Splits the counted stream's first shard in the middle.
    async fn split(&self) -> anyhow::Result<()> {
        let kinesis = self.stack.kinesis();
        let listed = kinesis.list_shards().stream_name(COUNTED_STREAM).send().await?;
        let shard = listed.shards().first().context("the stream has shards")?;
        let range = shard.hash_key_range().context("a shard has a range of hash keys")?;
        let (from, to): (u128, u128) = (range.starting_hash_key().parse()?, range.ending_hash_key().parse()?);
        let middle = from + (to - from) / 2;
        let split = kinesis.split_shard().stream_name(COUNTED_STREAM).shard_to_split(shard.shard_id());
        split.new_starting_hash_key(middle.to_string()).send().await?;
        Ok(())
    }

    /// Asks the table for every row whose changes could not be ordered.
    async fn settle(&self) -> anyhow::Result<u64> {
        let source = DynamoSource::new(self.stack.dynamodb());
        let table = TableName::new(workload::TABLE);
        let mut settled = 0;
        loop {
            let round = recheck::run(self.stack.store(), &source, &table, 0, now(), RECHECK_MARGIN).await?;
            settled += round.settled;
            if round.waiting == 0 {
                return Ok(settled);
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Every count beside a recount by a scan, and how many items the table has.
    async fn compare(&self) -> anyhow::Result<(Vec<Compared>, u64)> {
        let source = DynamoSource::new(self.stack.dynamodb());
        let table = TableName::new(workload::TABLE);
        let mut recounts = vec![Cells::new(); self.versions.len()];
        let (mut orders, mut after) = (0, None);
        loop {
            let (page, next) = source.scan(&table, after).await?;
            for (_, item) in &page {
                orders += 1;
                for (version, recount) in self.versions.iter().zip(&mut recounts) {
                    let cells = contribution(version, Some(item));
                    let cells = cells.map_err(|_| anyhow!("a scanned item has all its values"))?;
                    add_cells(recount, &cells, 1);
                }
            }
            after = next;
            if after.is_none() {
                break;
            }
        }
        let mut counts = Vec::new();
        for (version, recount) in self.versions.iter().zip(recounts) {
            let live = read::run(self.stack.store(), version).await?;
            let recount = Reading::sum(version.clone(), recount, live.cut.clone(), false);
            counts.push(Compared { live, recount });
        }
        Ok((counts, orders))
    }
}

impl Background {
    fn start<F>(name: &'static str, task: impl FnOnce(oneshot::Receiver<()>) -> F) -> Self
    where
        F: Future<Output = anyhow::Result<()>> + Send + 'static,
    {
        let (stop, stopped) = oneshot::channel();
        Self { name, stop, task: tokio::spawn(task(stopped)) }
    }

    async fn finish(self) -> anyhow::Result<()> {
        // The receiver is gone only if the task ended by itself; then it says why.
        let _ = self.stop.send(());
        self.task.await?.with_context(|| format!("the {} failed", self.name))
    }
}

/// Waits until a part of the pipeline has done all there is to do.
async fn rest<T>(part: &str, done: impl Future<Output = anyhow::Result<T>>) -> anyhow::Result<T> {
    tokio::time::timeout(REST_TIMEOUT, done).await.map_err(|_| {
        anyhow!(
            "the {part} did not come to rest within {} s; is the machine very busy?",
            REST_TIMEOUT.as_secs()
        )
    })?
}
