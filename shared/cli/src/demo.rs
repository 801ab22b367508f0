//! `evercount demo`: a table and its schema change, its records are disturbed on their way, the
//! counter crashes, and its live counts equal a recount all the same.
//!
//! Decides what runs beside what, when each release and each fault comes, and how everything is
//! brought to rest before the last recount.

mod adapting;
mod background;
mod checking;
mod counting;
mod display;
mod evolution;
mod faults;
mod report;
mod workload;

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::Context;
use evercount_aws::dynamo::TableNames;
use evercount_core::definition::DefinitionName;
use evercount_core::logic::Coverage;
use evercount_core::schema_change::SchemaChangeEvent;
use evercount_local::stack::now;
use evercount_local::{
    EmbeddedAws, EmbeddedOptions, Poller, PollerOptions, Pump, PumpStart, Stack, StartingPosition,
};
use evercount_pipeline::define;
use evercount_pipeline::event_source::MappingConfig;
use tokio::time::Instant;

use crate::args::DemoArgs;
use crate::exit::Exit;
use crate::show;
use adapting::Adapting;
use background::{Background, rest};
use counting::{Counting, Observed};
use display::{Display, Teller};
use evolution::{Release, Rollout};
use faults::Faults;
use report::{Checkpoint, Outcome};
use workload::{Gate, Written};

/// The counts, as a user would write them.
const COUNTS: &str = r#"[[count]]
name = "by_status"
table = "orders"
group_by = ["status"]

[[count]]
name = "to_deliver"
table = "orders"
where = "status IN ('PAID', 'SHIPPED') AND amount >= 25"
group_by = ["address.country", "carrier"]

[[count]]
name = "bulk_without_zip"
table = "orders"
where = "address.zip IS MISSING AND items[0].quantity >= 3"

[[count]]
name = "by_plan"
table = "orders"
group_by = ["plan"]
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

/// How long after a release a fault strikes: while its change is being found and followed.
const STRIKE_AFTER: Duration = Duration::from_millis(400);

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
        "A table `orders` and its schema change for {} s or a little longer, on an embedded AWS, in memory.",
        args.seconds
    ));
    show::line("These counts follow both live:");
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
    names: Vec<DefinitionName>,
    written: Written,
    rollout: Rollout,
    gate: Gate,
    faults: Arc<Mutex<Faults>>,
    observed: Observed,
}

impl<'a> Demo<'a> {
    /// Creates the table, the counts and the streams.
    async fn prepare(stack: &'a Stack, args: &'a DemoArgs) -> anyhow::Result<Self> {
        let aws = stack.embedded_aws().context("the demo runs on an embedded AWS")?;
        workload::create_table(stack.dynamodb()).await?;
        let mut names = Vec::new();
        for definition in evercount_wire::definition::from_toml(COUNTS, "the demo's counts")? {
            let version = define::create(stack.store(), definition, Coverage::Whole, now()).await?;
            names.push(version.id.definition);
        }
        stack.create_stream(SOURCE_STREAM, 1).await?;
        stack.create_stream(COUNTED_STREAM, SHARDS).await?;
        let faults = Arc::new(Mutex::new(Faults::new(args.seed)));
        Ok(Self {
            stack,
            aws,
            args,
            names,
            written: Written::default(),
            rollout: Rollout::default(),
            gate: Gate::default(),
            faults,
            observed: Observed::default(),
        })
    }

    async fn run(self, started: Instant) -> anyhow::Result<Outcome> {
        let first = self.names.first().context("there are counts")?;
        let display =
            Display::start(self.args.output.json, self.stack.store(), first, &self.written, &self.observed);
        let teller = display.teller();
        let adapting = Adapting::start(self.stack, COUNTED_STREAM, teller).await?;
        let began = Instant::now();
        let pump = self.pump()?;
        let relay = self.relay().await?;
        let (checkpoints, (), (counting, crashed_in_a_batch)) =
            tokio::try_join!(self.evolve(&adapting, teller), self.work(), self.strike(teller))?;
        let written_seconds = began.elapsed().as_secs_f64();
        teller.say("the table is left alone; what is under way is counted");
        // Upstream first: each is only at rest once nothing more comes from the one before.
        pump.finish().await?;
        relay.finish().await?;
        rest("counter", async { counting.finish().await }).await?;
        adapting.finish().await?;
        let newest = Release::LATER.last().copied().unwrap_or_default();
        let end = checking::at_rest(self.stack, &self.names, newest).await?;
        let (adjusted, untouched) = adapting::adjusted(self.stack).await?;
        drop(display);
        let injected = self.faults.lock().unwrap_or_else(PoisonError::into_inner).injected();
        let rechecked = checkpoints.iter().map(|(_, rechecked)| rechecked).sum::<u64>() + end.rechecked;
        Ok(Outcome {
            seed: self.args.seed,
            seconds: started.elapsed().as_secs_f64(),
            written_seconds,
            writes: self.written.so_far(),
            injected,
            crashed_in_a_batch,
            delivered: self.observed.delivered(),
            totals: self.observed.totals(),
            rechecked,
            adjusted,
            untouched,
            checkpoints: checkpoints.into_iter().map(|(one, _)| one).collect(),
            end,
        })
    }

    /// Rolls out one release after the other, and holds the counts against a recount once each has
    /// been followed; closes the shop when the time is over. With each checkpoint, how many rows
    /// were asked for at the table.
    async fn evolve(&self, adapting: &Adapting, teller: &Teller) -> anyhow::Result<Vec<(Checkpoint, u64)>> {
        let begin = Instant::now();
        let time = Duration::from_secs(self.args.seconds);
        let is_first_version = |event: &SchemaChangeEvent| event.from.is_none();
        // It asks nothing of any count, so no plan has to be waited for.
        adapting.followed(self.stack, 0, "the first schema", is_first_version).await?;
        let mut checkpoints = Vec::new();
        for release in Release::LATER {
            tokio::time::sleep_until(begin + time.mul_f64(release.at())).await;
            let news = release.news();
            teller.say(format!("a release {news}; two of the four clerks run it first"));
            self.rollout.begin(release);
            let shows =
                |event: &SchemaChangeEvent| event.changes.iter().any(|change| release.shows_as(&change.kind));
            let what = format!("the release that {news}");
            adapting.followed(self.stack, self.names.len(), &what, shows).await?;
            checkpoints.push(self.check(release, teller).await?);
        }
        tokio::time::sleep_until(begin + time).await;
        self.rollout.close();
        Ok(checkpoints)
    }

    /// Lets the writers pause and everything come to rest, and recounts.
    async fn check(&self, release: Release, teller: &Teller) -> anyhow::Result<(Checkpoint, u64)> {
        let shut = self.gate.shut().await;
        let recounted = checking::at_rest(self.stack, &self.names, release).await?;
        drop(shut);
        let (counts, orders) = (recounted.counts.len(), recounted.orders);
        let is_equal = recounted.is_right();
        teller.say(if is_equal {
            format!("the clerks pause: all {counts} counts equal a recount of {orders} orders ✓")
        } else {
            format!("the clerks pause: not all {counts} counts equal a recount of {orders} orders ✗")
        });
        Ok((Checkpoint { release, orders, is_equal }, recounted.rechecked))
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
        let mapping =
            MappingConfig { batch_size: 500, batch_window_ms: RELAY_WINDOW_MS, ..MappingConfig::default() };
        let options = PollerOptions { mapping, ..background::options() };
        let mut poller = Poller::open(self.stack.kinesis().clone(), SOURCE_STREAM, options).await?;
        let handler = faults::relay(self.stack, COUNTED_STREAM, &self.faults);
        Ok(Background::start("relay", |stopped| async move {
            Ok(counting::until_stopped(&mut poller, handler, stopped).await?)
        }))
    }

    /// Writes to the table until the shop is closed; expired items are removed meanwhile, and once at
    /// the end.
    async fn work(&self) -> anyhow::Result<()> {
        let clerks =
            workload::run(self.stack.dynamodb(), self.args.seed, &self.rollout, &self.gate, &self.written);
        tokio::pin!(clerks);
        loop {
            tokio::select! {
                worked = &mut clerks => {
                    worked?;
                    return self.sweep().await;
                }
                () = tokio::time::sleep(SWEEP_PAUSE) => self.sweep().await?,
            }
        }
    }

    /// Removes expired items.
    async fn sweep(&self) -> anyhow::Result<()> {
        let _open = self.gate.pass().await;
        let database = self.aws.database();
        let swept = tokio::task::spawn_blocking(move || database.sweep_ttl()).await??;
        self.written.note(|writes| writes.expired += swept as u64);
        Ok(())
    }

    /// Counts, splits a shard, and lets the counter crash and start again from too early, each while a
    /// change of the schema is being followed. The position it starts from is one before the split,
    /// so that it reads the parent again. Returns the counter that lives, and whether the crash hit a
    /// batch.
    async fn strike(&self, teller: &Teller) -> anyhow::Result<(Counting, bool)> {
        let first =
            Counting::start(self.stack, COUNTED_STREAM, StartingPosition::TrimHorizon, &self.observed)
                .await?;
        self.rollout.reaches(Release::Channel).await;
        let position = self.observed.position();
        tokio::time::sleep(STRIKE_AFTER).await;
        self.split().await?;
        teller.say("one of the two shards of the counted stream is split");
        self.rollout.reaches(Release::State).await;
        tokio::time::sleep(STRIKE_AFTER).await;
        let in_a_batch = first.crash().await;
        teller.say("the counter crashes; a new one, which knows nothing, starts from an older position");
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
}
