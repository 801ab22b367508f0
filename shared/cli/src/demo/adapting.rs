//! Decides how the functions that follow the schema run beside the counter: the schema listener on
//! the same stream, the impact analyzer on the listener's events, and the shadow validator time and
//! again; and what is said of what they do.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::bail;
use aws_lambda_events::event::kinesis::KinesisEvent;
use evercount_aws::analyzer::AnalyzeReport;
use evercount_aws::config::SCHEMA_EVENTS_STREAM;
use evercount_aws::meter::meter;
use evercount_aws::validator::ValidateReport;
use evercount_core::adjustment::{Cause, Class};
use evercount_core::adoption::{Adjustment, PlanOutcome};
use evercount_core::lane::LaneId;
use evercount_core::logic::PlanId;
use evercount_core::order::Micros;
use evercount_core::schema_change::{Evidence, SchemaChange, SchemaChangeEvent};
use evercount_local::stack::{
    HandlerFuture, INVOCATION_MICROS, LocalValidator, invoke_analyzer, invoke_listener, now,
};
use evercount_local::{Stack, StartingPosition};
use evercount_pipeline::adapt::{self, AdaptOptions};
use evercount_pipeline::alert::MemoryAlerts;
use evercount_pipeline::listen::{ListenOptions, ListenReport};
use evercount_pipeline::ports::{CatalogStore, StoreError};
use evercount_pipeline::validate;
use tokio::sync::oneshot;
use tokio::time::Instant;

use super::background::{self, Background};
use super::counting::until_stopped;
use super::display::Teller;
use super::report::{Adjusted, described};
use crate::plan;

/// Records of one invocation of the listener.
const BATCH_SIZE: usize = 200;
/// Events of one invocation of the analyzer.
const EVENTS: usize = 10;
/// From one look at the versions to the next, while a plan is open.
const VALIDATE_PAUSE: Duration = Duration::from_millis(300);
/// The same while none is.
const VALIDATE_PAUSE_IDLE: Duration = Duration::from_secs(2);
/// How long it may take until a change has been followed.
const FOLLOW_TIMEOUT: Duration = Duration::from_secs(150);
/// From one look at whether it has been to the next.
const LOOK_PAUSE: Duration = Duration::from_millis(100);
/// Pages of ledger rows that a look may walk.
const PAGES: u32 = 50;
/// Bound on the clock skew between ledger and table: there is one clock.
const MARGIN: Micros = 250_000;
/// Characters of a plan's id that are told.
const ID_CHARS: usize = 4;

/// The functions that follow the schema, running.
pub struct Adapting {
    listener: Background,
    analyzer: Background,
    validator: Background,
    heard: Heard,
}

impl Adapting {
    /// Starts to listen to `stream`, to plan, and to validate.
    ///
    /// # Errors
    /// Where a stream cannot be opened.
    pub async fn start(stack: &Stack, stream: &str, teller: &Teller) -> anyhow::Result<Self> {
        let heard = Heard { teller: teller.clone(), state: Arc::default() };
        stack.ensure_stream(SCHEMA_EVENTS_STREAM).await?;
        let options = AdaptOptions {
            has_ledger: true,
            source_is_readable: true,
            epoch: 0,
            margin: MARGIN,
            pages: PAGES,
            segments: 1,
            meter,
        };
        let listening = {
            let heard = heard.clone();
            Arc::new(move |_: &LaneId, report: &ListenReport| heard.listened(report))
        };
        let listen = ListenOptions { format: None, epoch: 0 };
        let listener = invoke_listener(&stack.listener(listen, SCHEMA_EVENTS_STREAM, listening));
        let analyzing = {
            let heard = heard.clone();
            Arc::new(move |_: &LaneId, report: &AnalyzeReport| heard.analyzed(report))
        };
        // Plans only: the ledger is walked by the validator, so that changes are counted under both
        // versions meanwhile, as they would be over a ledger of any size.
        let plans = AdaptOptions { pages: 0, ..options };
        let analyzer = invoke_analyzer(&stack.analyzer(plans, MemoryAlerts::default(), analyzing));
        let validator = stack.validator(options, MemoryAlerts::default(), Arc::new(|_: &ValidateReport| ()));
        let listener = polling(stack, "schema listener", (stream, BATCH_SIZE), listener).await?;
        let analyzer = polling(stack, "impact analyzer", (SCHEMA_EVENTS_STREAM, EVENTS), analyzer).await?;
        let (store, hears) = (stack.store().clone(), heard.clone());
        let validator = Background::start("shadow validator", |stopped| async move {
            validate_until(validator, stopped, &store, &hears).await
        });
        Ok(Self { listener, analyzer, validator, heard })
    }

    /// Waits until the schema change that `is_it` has been found, planned for by `counts` counts,
    /// and every plan has come to its end.
    ///
    /// # Errors
    /// That it took too long, or what the store answers.
    pub async fn followed(
        &self,
        stack: &Stack,
        counts: usize,
        what: &str,
        is_it: impl Fn(&SchemaChangeEvent) -> bool,
    ) -> anyhow::Result<()> {
        let deadline = Instant::now() + FOLLOW_TIMEOUT;
        loop {
            if let Some(event) = self.heard.event(&is_it) {
                let id = event.id();
                let adjustments = stack.store().adjustments(None).await?;
                self.heard.decided(&adjustments);
                let of_event = adjustments.iter().filter(|one| is_caused_by(one, &id));
                if of_event.filter(|one| !plan::is_open(one)).count() >= counts {
                    return Ok(());
                }
            }
            if Instant::now() > deadline {
                let trouble = self.heard.lock().trouble.clone().map(|why| format!(": {why}"));
                bail!(
                    "{what} was not followed within {} s{}",
                    FOLLOW_TIMEOUT.as_secs(),
                    trouble.unwrap_or_default()
                );
            }
            tokio::time::sleep(LOOK_PAUSE).await;
        }
    }

    /// Lets each do what there is left to do, upstream first.
    ///
    /// # Errors
    /// What went wrong in one of them.
    pub async fn finish(self) -> anyhow::Result<()> {
        self.listener.finish().await?;
        self.analyzer.finish().await?;
        self.validator.finish().await
    }
}

/// What became of each plan for a change that its count reads, in the order of the changes; and how
/// many others there were.
///
/// # Errors
/// What the store answers.
pub async fn adjusted(stack: &Stack) -> Result<(Vec<Adjusted>, u64), StoreError> {
    let store = stack.store();
    let versions = store.versions().await?;
    let (mut adjusted, mut untouched) = (Vec::new(), 0);
    for one in store.adjustments(None).await? {
        let Cause::Schema { changes, at, .. } = &one.plan.cause else { continue };
        if one.plan.class == Class::A0 {
            untouched += u64::from(!changes.is_empty());
            continue;
        }
        // What has been compared since it took over is evidence, too.
        let report = match adapt::version_of(&one, &versions) {
            Some(version) => validate::report(store, &one, version, now()).await?,
            None => one.report.clone(),
        };
        let changes: Vec<String> = changes.iter().map(described).collect();
        adjusted.push((
            *at,
            Adjusted {
                count: one.plan.definition.to_string(),
                change: changes.join(", "),
                class: one.plan.class,
                from_version: one.plan.from,
                to_version: one.to,
                outcome: one.outcome,
                source_items_read: one.actual.source_items,
                compared: report.census.compared.and(report.changes),
            },
        ));
    }
    adjusted.sort_by(|(at, one), (later, other)| at.cmp(later).then_with(|| one.count.cmp(&other.count)));
    Ok((adjusted.into_iter().map(|(_, one)| one).collect(), untouched))
}

/// Starts a function on a stream, from its beginning.
async fn polling<H>(
    stack: &Stack,
    name: &'static str,
    (stream, batch_size): (&str, usize),
    handler: H,
) -> anyhow::Result<Background>
where
    H: Fn(KinesisEvent) -> HandlerFuture + Clone + Send + Sync + 'static,
{
    let mut poller = background::poller(stack, stream, batch_size, StartingPosition::TrimHorizon).await?;
    Ok(Background::start(
        name,
        |stopped| async move { Ok(until_stopped(&mut poller, handler, stopped).await?) },
    ))
}

/// Validates until told to stop, and then once more. A round that fails is made again.
async fn validate_until(
    validator: LocalValidator<MemoryAlerts>,
    mut stopped: oneshot::Receiver<()>,
    store: &impl CatalogStore,
    heard: &Heard,
) -> anyhow::Result<()> {
    loop {
        let idle = Instant::now();
        let is_last = loop {
            if tokio::time::timeout(VALIDATE_PAUSE, &mut stopped).await.is_ok() {
                break true;
            }
            if heard.has_open() || idle.elapsed() >= VALIDATE_PAUSE_IDLE {
                break false;
            }
        };
        let round = Box::pin(validator.handle(now().saturating_add(INVOCATION_MICROS))).await;
        heard.lock().trouble = round.err().map(|error| error.to_string());
        heard.decided(&store.adjustments(None).await?);
        if is_last {
            return Ok(());
        }
    }
}

fn is_caused_by(adjustment: &Adjustment, id: &str) -> bool {
    matches!(&adjustment.plan.cause, Cause::Schema { event, .. } if event == id)
}

/// What the functions have told of themselves; each thing is said once.
#[derive(Clone)]
struct Heard {
    teller: Teller,
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    events: Vec<SchemaChangeEvent>,
    /// Ids of events whose changes have been told.
    told: BTreeSet<String>,
    planned: BTreeSet<PlanId>,
    /// Of these, the plans that make a version.
    making: BTreeSet<PlanId>,
    decided: BTreeSet<PlanId>,
    /// Why the last look at the versions failed.
    trouble: Option<String>,
}

impl Heard {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn event(&self, is_it: impl Fn(&SchemaChangeEvent) -> bool) -> Option<SchemaChangeEvent> {
        self.lock().events.iter().find(|event| is_it(event)).cloned()
    }

    /// Whether a version waits for its verdict.
    fn has_open(&self) -> bool {
        let state = self.lock();
        state.making.iter().any(|plan| !state.decided.contains(plan))
    }

    fn listened(&self, report: &ListenReport) {
        for found in &report.found {
            self.changed(&found.event.id(), &found.event.changes);
            self.lock().events.push(found.event.clone());
        }
    }

    fn changed(&self, event: &str, changes: &[SchemaChange]) {
        if !self.lock().told.insert(event.to_owned()) {
            return;
        }
        for change in changes {
            let evidence = match &change.evidence {
                Evidence::Proposed { score, .. } => {
                    format!("proposed, score {score:.2}")
                }
                Evidence::Observed { because, .. } => because.clone(),
                Evidence::Declared { .. } => "declared".to_owned(),
            };
            self.teller.say(format!("schema: {} ({evidence})", described(change)));
        }
    }

    fn analyzed(&self, report: &AnalyzeReport) {
        let mut unread: Option<bool> = None;
        for adjustment in &report.adapted.adjustments {
            let plan = &adjustment.plan;
            let Cause::Schema { event, changes, .. } = &plan.cause else { continue };
            if changes.is_empty() || !self.lock().planned.insert(plan.id.clone()) {
                continue;
            }
            if adjustment.to.is_some() {
                self.lock().making.insert(plan.id.clone());
            }
            // The listener may still be about to say so.
            self.changed(event, changes);
            unread = Some(unread.unwrap_or(true) && plan.class == Class::A0);
            if plan.class > Class::A0 {
                let id: String = plan.id.as_str().chars().take(ID_CHARS).collect();
                let (name, class) = (&plan.definition, plan.class.name());
                // What happened to the column has just been said.
                let sentence = plan.sentence.split_once("; ").map_or(&*plan.sentence, |(_, rest)| rest);
                self.teller.say(format!("plan {id} for {name}: {class}, {}", sentence.trim_end_matches('.')));
            }
        }
        if unread == Some(true) {
            self.teller.say("no count reads it, so none has to follow");
        }
    }

    fn decided(&self, adjustments: &[Adjustment]) {
        for one in adjustments {
            let (plan, Some(to)) = (&one.plan, one.to) else { continue };
            if plan::is_open(one) || !self.lock().decided.insert(plan.id.clone()) {
                continue;
            }
            let compared = one.report.census.compared.and(one.report.changes);
            let name = &plan.definition;
            self.teller.say(format!(
                "{name} v{to} beside v{}: {} agree, {} explained, {} unexplained",
                plan.from, compared.agreed, compared.explained, compared.unexplained
            ));
            self.teller.say(match one.outcome {
                PlanOutcome::Promoted => format!("{name} v{to} takes over"),
                _ => format!("{name} v{to}: {}", one.verdict.as_deref().unwrap_or(one.outcome.name())),
            });
        }
    }
}
