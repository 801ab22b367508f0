//! Counts of a table whose schema changes while it is counted: listener, analyzer, counter and
//! validator on the embedded AWS, each taking over from the one before by what it stored.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use aws_sdk_dynamodb::types::AttributeValue;
use evercount_aws::dynamo::DynamoSource;
use evercount_core::adjustment::{self, Cause, Start};
use evercount_core::adoption::{Adjustment, PlanOutcome, PlanPolicy, Progress};
use evercount_core::change::TableName;
use evercount_core::definition::DefinitionName;
use evercount_core::logic::{LogicState, LogicVersion};
use evercount_core::order::CLOCK_SKEW_BOUND;
use evercount_core::path::Path;
use evercount_core::value::{Item, Value};
use evercount_core::verdict::ShadowReport;
use evercount_local::stack::{
    INVOCATION_MICROS, LocalAnalyzer, LocalListener, LocalValidator, invoke, invoke_analyzer, invoke_both,
    invoke_listener, now,
};
use evercount_local::{Poller, Pump};
use evercount_pipeline::adapt::{self, AdaptOptions};
use evercount_pipeline::alert::MemoryAlerts;
use evercount_pipeline::listen::ListenOptions;
use evercount_pipeline::ports::{CatalogEdit, CatalogStore, NoSource};
use evercount_pipeline::publish::Mishap;
use evercount_pipeline::{recheck, validate};
use evercount_wire::definition::build;

use super::shop::{Shop, TABLE};
use super::stage::{Counts, LEDGER, Stage, TestCounter, counting, counts, expected, recount};

const EVENTS: &str = "schema-events";
/// Above the skew that counting allows clocks: what is asked of the source settles any doubt.
const MARGIN: i64 = CLOCK_SKEW_BOUND + 10_000;
const OPTIONS: AdaptOptions = AdaptOptions { source_is_readable: true, margin: MARGIN, ..AdaptOptions::BARE };

/// All functions on one stage.
struct Cast {
    stage: Stage,
    shop: Shop,
    pump: Pump,
    cdc: Poller,
    events: Poller,
    counter: TestCounter,
    listener: Arc<LocalListener>,
    analyzer: Arc<LocalAnalyzer<Arc<MemoryAlerts>>>,
    validator: LocalValidator<Arc<MemoryAlerts>>,
    alerts: Arc<MemoryAlerts>,
}

impl Cast {
    async fn assemble() -> Self {
        let stage = Stage::with_shards(2).await;
        let shop = Shop::open(&stage).await;
        stage.stack.ensure_stream(EVENTS).await.unwrap();
        let alerts: Arc<MemoryAlerts> = Arc::default();
        let listen = ListenOptions { format: None, epoch: 0 };
        let options = stage.options(20);
        Self {
            pump: Shop::pump(&stage),
            cdc: stage.poller(options.clone()).await,
            events: Poller::open(stage.stack.kinesis().clone(), EVENTS, options).await.unwrap(),
            counter: stage.counter(LEDGER),
            listener: stage.stack.listener(listen, EVENTS, Arc::new(|_, _| {})),
            analyzer: stage.stack.analyzer(OPTIONS, alerts.clone(), Arc::new(|_, _| {})),
            validator: stage.stack.validator(OPTIONS, alerts.clone(), Arc::new(|_| {})),
            alerts,
            shop,
            stage,
        }
    }

    /// Everything written is counted, and every schema change that it shows is planned for.
    async fn settle(&mut self) {
        self.pump.run_until_idle().await.unwrap();
        let both = invoke_both(invoke_listener(&self.listener), invoke(&self.counter));
        self.cdc.run_until_idle(both).await.unwrap();
        self.events.run_until_idle(invoke_analyzer(&self.analyzer)).await.unwrap();
        tokio::time::sleep(Duration::from_millis(250)).await;
        let table = TableName::new(TABLE);
        let store = self.stage.stack.store();
        recheck::run(store, &self.shop.source, &table, 0, now(), MARGIN).await.unwrap();
    }

    async fn validate(&self) {
        self.validator.handle(now() + INVOCATION_MICROS).await.unwrap();
    }

    async fn put(&self, id: &str, attributes: &[(&str, AttributeValue)]) {
        let mut call = self.shop.client.put_item().table_name(TABLE);
        call = call.item("id", AttributeValue::S(id.to_owned()));
        for (name, value) in attributes {
            call = call.item(*name, value.clone());
        }
        call.send().await.unwrap();
    }

    async fn versions(&self, name: &str) -> Vec<LogicVersion> {
        let versions = self.stage.stack.store().versions().await.unwrap();
        versions.into_iter().filter(|one| one.id.definition.as_str() == name).collect()
    }

    async fn active(&self, name: &str) -> LogicVersion {
        let versions = self.versions(name).await;
        versions.into_iter().find(|one| one.state == LogicState::Active).unwrap()
    }

    async fn adjustments(&self, name: &str) -> Vec<Adjustment> {
        let name = DefinitionName::parse(name).unwrap();
        self.stage.stack.store().adjustments(Some(&name)).await.unwrap()
    }

    /// The active version equals a recount of the table.
    async fn assert_active_exact(&self, name: &str) {
        self.stage.assert_exact(&self.active(name).await, &self.shop.images().await).await;
    }

    /// The active version, and every one that is live beside it, equals a recount of the table.
    async fn assert_exact(&self, name: &str) {
        self.assert_active_exact(name).await;
        let images = self.shop.images().await;
        for version in self.versions(name).await {
            if version.state.is_live() {
                let reading = self.stage.read(&version).await;
                assert_eq!(
                    counts(&reading),
                    recount(&version, &images),
                    "{} {:?}",
                    version.id,
                    version.state
                );
            }
        }
    }

    async fn counts(&self, name: &str) -> Counts {
        counts(&self.stage.read(&self.active(name).await).await)
    }

    /// Orders with a status and a channel, and a count by both.
    async fn with_orders() -> (Self, Counts) {
        let mut cast = Self::assemble().await;
        cast.stage.define(counting("orders", TABLE, &["status", "channel"])).await;
        for n in 0..30 {
            let status = ["OPEN", "PAID", "LATE"][n % 3];
            let channel = ["web", "shop"][n % 2];
            cast.put(&format!("o{n}"), &[("status", s(status)), ("channel", s(channel))]).await;
        }
        cast.settle().await;
        cast.assert_exact("orders").await;
        let counted = cast.counts("orders").await;
        (cast, counted)
    }

    fn cause(group_by: &[&str]) -> Cause {
        Cause::Redefinition { definition: build(counting("orders", TABLE, group_by)).unwrap(), at: now() }
    }
}

fn s(text: &str) -> AttributeValue {
    AttributeValue::S(text.to_owned())
}

fn n(number: usize) -> AttributeValue {
    AttributeValue::N(number.to_string())
}

/// A recount by the first of several attributes that an item has, whatever its type.
fn truth(images: &[Item], names: &[&str]) -> Counts {
    let mut counted = Counts::new();
    for image in images {
        let value = names.iter().find_map(|name| image.get(*name));
        let text = match value {
            Some(Value::String(text)) => text.clone(),
            Some(Value::Number(number)) => number.to_string(),
            other => format!("{other:?}"),
        };
        *counted.entry(text).or_insert(0) += 1;
    }
    counted
}

/// Items gain, rename, retype and lose attributes while they are counted. Each change is planned
/// for and its version promoted without anybody's doing, and the counts are right at every stop.
#[tokio::test]
async fn counts_follow_items_that_gain_rename_retype_and_lose_attributes() {
    let mut cast = Cast::assemble().await;
    cast.stage.define(counting("by_status", TABLE, &["status"])).await;
    cast.stage.define(counting("by_priority", TABLE, &["priority"])).await;
    let status = |of: usize| s(["OPEN", "PAID", "LATE"][of % 3]);
    let stop = async |cast: &mut Cast, what: &str| {
        for _ in 0..3 {
            cast.settle().await;
            cast.validate().await;
            cast.assert_exact("by_status").await;
            cast.assert_exact("by_priority").await;
        }
        for name in ["by_status", "by_priority"] {
            for one in cast.adjustments(name).await {
                let (plan, outcome) = (&one.plan, one.outcome.name());
                println!("{what}: {name} {} {outcome} {:?}: {}", plan.class.name(), one.to, plan.sentence);
            }
        }
    };
    for of in 0..40 {
        cast.put(&format!("o{of}"), &[("status", status(of)), ("priority", s(&(of % 4).to_string()))]).await;
    }
    stop(&mut cast, "start").await;
    assert_eq!(cast.counts("by_status").await, expected(&[("OPEN", 14), ("PAID", 13), ("LATE", 13)]));

    // Gained: nothing that is counted reads it.
    for of in 0..40 {
        let item = [("status", status(of)), ("priority", s(&(of % 4).to_string())), ("channel", s("web"))];
        cast.put(&format!("o{of}"), &item).await;
    }
    stop(&mut cast, "gained").await;
    assert_eq!(cast.active("by_status").await.id.number, 1);

    // Renamed: the application writes the same value under another name from now on.
    for of in 0..30 {
        let item = [("state", status(of)), ("priority", s(&(of % 4).to_string())), ("channel", s("web"))];
        cast.put(&format!("o{of}"), &item).await;
        if of % 10 == 9 {
            stop(&mut cast, "renaming").await;
        }
    }
    for of in 40..60 {
        let item = [("state", status(of)), ("priority", s(&(of % 4).to_string())), ("channel", s("web"))];
        cast.put(&format!("o{of}"), &item).await;
    }
    stop(&mut cast, "renamed").await;
    let images = cast.shop.images().await;
    assert_eq!(cast.counts("by_status").await, truth(&images, &["state", "status"]));
    assert!(cast.active("by_status").await.id.number > 1);

    // Retyped: the text of a number becomes a number.
    for of in 0..60 {
        let item = [("state", status(of)), ("priority", n(of % 4)), ("channel", s("web"))];
        cast.put(&format!("o{of}"), &item).await;
    }
    stop(&mut cast, "retyped").await;
    assert_eq!(cast.counts("by_priority").await, truth(&cast.shop.images().await, &["priority"]));

    // Lost: what nothing counts.
    for of in 0..60 {
        cast.put(&format!("o{of}"), &[("state", status(of)), ("priority", n(of % 4))]).await;
    }
    cast.shop.delete("o0").await;
    stop(&mut cast, "lost").await;
    assert_eq!(cast.counts("by_status").await, truth(&cast.shop.images().await, &["state"]));
    assert!(cast.alerts.alerts().is_empty(), "{:?}", cast.alerts.alerts());
    cast.stage.stop().await;
}

/// A version with a wrong map of its parent's counts is found out by the rows it is held against,
/// and whoever should know hears of it though the first message is lost.
#[tokio::test]
async fn a_wrong_version_is_rejected_and_the_active_counts_never_move() {
    let (mut cast, before) = Cast::with_orders().await;
    let store = cast.stage.stack.store().clone();
    let active = cast.active("orders").await;
    let mut plan =
        adapt::simulate(&store, &NoSource, &active, &Cast::cause(&["status"]), OPTIONS).await.unwrap();
    let mut update = plan.update.clone().unwrap();
    let Start::Image(transform) = &mut update.start else { panic!("{plan:?}") };
    transform.group_by = vec![Path::parse("channel").unwrap()];
    plan.update = Some(update.clone());
    let wrong = adjustment::version_of(&plan, &update, &active, 2, now());
    let planted = Adjustment {
        policy: PlanPolicy::Auto,
        outcome: PlanOutcome::Watching,
        to: Some(2),
        report: ShadowReport::default(),
        verdict: None,
        progress: Progress::default(),
        actual: plan.estimate,
        mismatches: 0,
        created_at: now(),
        updated_at: now(),
        revision: 0,
        plan,
    };
    let edit = CatalogEdit {
        create: vec![wrong.entering(LogicState::Shadow, now())],
        adjustments: vec![(None, planted)],
        ..CatalogEdit::default()
    };
    store.edit_catalog(&edit).await.unwrap();
    // Writes go on beside it.
    for of in 0..5 {
        cast.put(&format!("o{of}"), &[("status", s("LATE")), ("channel", s("web"))]).await;
    }
    cast.settle().await;
    cast.assert_active_exact("orders").await;
    let during = cast.counts("orders").await;
    assert_ne!(during, before);
    cast.alerts.expect(Mishap::CutAfter(0));
    let failed = cast.validator.handle(now() + INVOCATION_MICROS).await.unwrap_err();
    assert!(failed.to_string().starts_with("an alert could not be delivered"), "{failed}");
    let rejected = cast.adjustments("orders").await.into_iter().find(|one| one.to == Some(2)).unwrap();
    assert_eq!(rejected.outcome, PlanOutcome::Rejected, "{rejected:?}");
    assert!(rejected.report.census.compared.unexplained > 0, "{:?}", rejected.report);
    assert_eq!(cast.counts("orders").await, during);
    for _ in 0..2 {
        cast.validate().await;
    }
    let alerts = cast.alerts.alerts();
    assert_eq!(alerts.len(), 1, "{alerts:?}");
    assert!(alerts[0].sentence.starts_with("The plan for `orders` was rejected: "), "{}", alerts[0].sentence);
    assert_eq!(cast.active("orders").await.id, active.id);
    cast.put("o9", &[("status", s("LATE")), ("channel", s("shop"))]).await;
    cast.settle().await;
    cast.assert_exact("orders").await;
    cast.stage.stop().await;
}

/// A promotion that is taken back leaves counts as if it had never been.
#[tokio::test]
async fn a_promotion_taken_back_leaves_counts_as_if_it_had_never_been() {
    let (mut cast, before) = Cast::with_orders().await;
    let store = cast.stage.stack.store().clone();
    let source = DynamoSource::new(cast.stage.stack.dynamodb());
    let definition = build(counting("orders", TABLE, &["status"])).unwrap();
    Box::pin(adapt::redefine(&store, &source, definition, OPTIONS, now())).await.unwrap().unwrap();
    cast.validate().await;
    cast.validate().await;
    assert_eq!(cast.active("orders").await.id.number, 2);
    cast.assert_exact("orders").await;
    assert_eq!(cast.counts("orders").await, expected(&[("OPEN", 10), ("PAID", 10), ("LATE", 10)]));
    cast.put("o0", &[("status", s("PAID")), ("channel", s("shop"))]).await;
    cast.settle().await;
    cast.assert_exact("orders").await;
    let promoted = cast.active("orders").await.id;
    validate::roll_back(&store, &promoted, "somebody looked", now()).await.unwrap();
    assert_eq!(cast.active("orders").await.id.number, 1);
    cast.assert_exact("orders").await;
    cast.validate().await;
    assert_eq!(cast.alerts.alerts().len(), 1);
    cast.put("o0", &[("status", s("OPEN")), ("channel", s("web"))]).await;
    cast.settle().await;
    cast.assert_exact("orders").await;
    assert_eq!(cast.counts("orders").await, before);
    cast.stage.stop().await;
}

/// Runs a future until it has been looked at so often, and then no further: whoever ran it died.
async fn until_killed<T>(polls: u32, future: impl Future<Output = T>) -> Option<T> {
    let mut future = pin!(future);
    let mut left = polls;
    poll_fn(|context| {
        if left == 0 {
            return Poll::Ready(None);
        }
        left -= 1;
        future.as_mut().poll(context).map(Some)
    })
    .await
}

/// Whoever plans, settles, judges or promotes may die between any two calls: the next one goes on.
#[tokio::test]
async fn an_adjustment_that_is_killed_anywhere_is_taken_up_by_the_next() {
    let (mut cast, _) = Cast::with_orders().await;
    let store = cast.stage.stack.store().clone();
    let source = DynamoSource::new(cast.stage.stack.dynamodb());
    let mut kills = 0;
    // Each redefinition dies at every point on its way, a little further each time.
    for (round, group_by) in [&["status"][..], &["status", "channel"], &["channel"]].into_iter().enumerate() {
        let asked = now();
        let definition = build(counting("orders", TABLE, group_by)).unwrap();
        let mut polls = 1;
        let redefined = loop {
            let redefining = adapt::redefine(&store, &source, definition.clone(), OPTIONS, asked);
            match until_killed(polls, Box::pin(redefining)).await {
                Some(redefined) => break redefined.unwrap().unwrap(),
                None => kills += 1,
            }
            polls += 1;
        };
        let id = redefined.adjustments[0].plan.id.clone();
        let mut polls = 1;
        loop {
            match until_killed(polls, Box::pin(cast.validator.handle(now() + INVOCATION_MICROS))).await {
                Some(done) => drop(done.unwrap()),
                None => kills += 1,
            }
            let adjustments = cast.adjustments("orders").await;
            let this = adjustments.iter().find(|one| one.plan.id == id).unwrap();
            println!("{round} {polls}: {} {:?} {:?}", this.outcome.name(), this.to, this.verdict);
            let is_over = matches!(this.outcome, PlanOutcome::Promoted | PlanOutcome::AwaitingApproval);
            if is_over || polls > 200 {
                break;
            }
            polls += 7;
        }
        cast.put(&format!("o{round}"), &[("status", s("OPEN")), ("channel", s("web"))]).await;
        cast.settle().await;
        cast.assert_exact("orders").await;
        let made: Vec<_> =
            cast.adjustments("orders").await.into_iter().filter(|one| one.to.is_some()).collect();
        assert!(made.len() <= round + 1, "a plan was made twice");
    }
    assert!(cast.active("orders").await.id.number > 1);
    println!("{kills} deaths");
    cast.stage.stop().await;
}
