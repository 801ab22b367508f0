//! `evercount backfill …`: how versions are filled from ledger or source.
//!
//! With `--json`, they print `{"walks": […]}`, each walk with `count`, `plan`,
//! `version`, `reads` (`ledger` or `source`), `visited`, `of` (null where nobody knows), `per_second`,
//! `seconds_left` (null where nobody knows), `read_units` taken so far and `units_a_second` that may be
//! (null for the ledger), `state` (`waiting`, `running`, `paused` or `done`) and
//! `started_at`; so does `start`, of the walk it began or went on with.

use anstyle::Style;
use anyhow::bail;
use evercount_core::adoption::Adjustment;
use evercount_core::order::Micros;
use evercount_local::stack::now;
use evercount_pipeline::adapt::{self, AdaptOptions};
use evercount_pipeline::backfill;
use evercount_pipeline::ports::CatalogStore;
use evercount_view::WalkDoc;
use serde_json::{Value, json};

use crate::answer::{self, Answer};
use crate::args::NameArgs;
use crate::args::adjust::{BackfillArgs, BackfillCommand};
use crate::exit::Exit;
use crate::schema::text::{count as counted, table};
use crate::target::Opened;
use crate::{count, drive, plan, show};

/// Runs the command.
pub async fn run(command: BackfillCommand) -> anyhow::Result<Exit> {
    match &command {
        BackfillCommand::Status(args) => {
            answer::on(args.target, args.output, false, async |opened| status(opened, args).await).await
        }
        BackfillCommand::Pause(args) => {
            answer::on(args.target, args.output, true, async |opened| pause(opened, args, true).await).await
        }
        BackfillCommand::Resume(args) => {
            answer::on(args.target, args.output, true, async |opened| pause(opened, args, false).await).await
        }
        BackfillCommand::Start(args) => {
            answer::on(args.target, args.output, true, async |opened| start(opened, args).await).await
        }
    }
}

/// Walks that are not over, of a count or of all.
async fn walks(opened: &Opened, name: Option<&str>) -> anyhow::Result<Vec<Adjustment>> {
    let name = match name {
        Some(name) => Some(count::active(opened, name).await?.id.definition),
        None => None,
    };
    let mut all = opened.stack.store().adjustments(name.as_ref()).await?;
    all.retain(drive::walks);
    Ok(all)
}

async fn status(opened: &Opened, args: &BackfillArgs) -> anyhow::Result<Answer> {
    let walks = walks(opened, args.name.as_deref()).await?;
    told(opened, &walks, args.name.as_deref(), Vec::new()).await
}

async fn pause(opened: &Opened, args: &BackfillArgs, paused: bool) -> anyhow::Result<Answer> {
    let store = opened.stack.store();
    let walks = walks(opened, args.name.as_deref()).await?;
    let concerned: Vec<Adjustment> = walks.into_iter().filter(|one| one.progress.paused != paused).collect();
    let (mut after, mut done) = (Vec::new(), Vec::new());
    for adjustment in concerned {
        let changed = backfill::pause(store, &adjustment, paused, now()).await.map_err(plan::lost_race)?;
        let name = changed.plan.definition.clone();
        if paused {
            done.push(format!("{name} is paused; `evercount backfill resume {name}` lets it go on"));
            after.push(changed);
        } else {
            let options = drive::options(opened, &changed.plan.table, None).await;
            let driven = drive::on(opened, changed, options, args.output.json).await?;
            done.push(format!("{name} went on; its plan is {} now", plan::outcome(driven.outcome)));
            after.push(driven);
        }
    }
    if after.is_empty() {
        let what = if paused { "running" } else { "paused" };
        done.push(format!("no backfill is {what}"));
    }
    told(opened, &after, args.name.as_deref(), done).await
}

/// How a walk goes.
struct Walk<'a> {
    adjustment: &'a Adjustment,
    /// Rows or items a second, as measured.
    rate: Option<f64>,
    seconds_left: Option<f64>,
}

impl<'a> Walk<'a> {
    fn of(adjustment: &'a Adjustment) -> Self {
        let progress = &adjustment.progress;
        // Until the last page: how long ago that was says nothing of the speed.
        let took = seconds(adjustment.updated_at.saturating_sub(progress.started_at));
        let rate = (took > 0.0 && progress.visited > 0).then(|| progress.visited as f64 / took);
        let left = drive::extent(adjustment).map(|extent| extent.saturating_sub(progress.visited));
        let seconds_left = left.zip(rate).map(|(left, rate)| left as f64 / rate);
        Self { adjustment, rate, seconds_left }
    }

    fn reads(&self) -> &'static str {
        if plan::reads_source(self.adjustment) { "source" } else { "ledger" }
    }

    fn state(&self) -> &'static str {
        let progress = &self.adjustment.progress;
        match (progress.done, progress.paused, progress.visited) {
            (true, _, _) => "done",
            (_, true, _) => "paused",
            (_, _, 0) => "waiting",
            _ => "running",
        }
    }

    fn row(&self) -> (Style, Vec<String>) {
        let (plan, progress) = (&self.adjustment.plan, &self.adjustment.progress);
        let extent = drive::extent(self.adjustment);
        let cells = vec![
            plan.definition.to_string(),
            self.adjustment.to.map(|to| to.to_string()).unwrap_or_default(),
            plan.id.to_string(),
            self.reads().to_owned(),
            extent.map_or_else(
                || progress.visited.to_string(),
                |extent| format!("{} of ~{extent}", progress.visited),
            ),
            extent.map_or_else(String::new, |extent| {
                format!("{:.0} %", (progress.visited as f64 / extent as f64 * 100.0).min(100.0))
            }),
            self.rate.map_or_else(String::new, |rate| format!("{rate:.0}/s")),
            self.seconds_left.map_or_else(String::new, length),
            self.state().to_owned(),
        ];
        (Style::new(), cells)
    }

    /// `budget` is in read units a second, for walks over the source.
    fn to_json(&self, budget: f64) -> Value {
        show::json(&WalkDoc::of(self.adjustment, budget))
    }
}

fn seconds(micros: Micros) -> f64 {
    micros as f64 / 1e6
}

/// A length of time, to the unit that matters.
fn length(seconds: f64) -> String {
    match seconds {
        less if less < 1.0 => "less than 1 s".to_owned(),
        short if short < 120.0 => format!("{short:.0} s"),
        longer if longer < 7_200.0 => format!("{:.0} min", longer / 60.0),
        long if long < 172_800.0 => format!("{:.0} h", long / 3_600.0),
        very_long => format!("{:.0} days", very_long / 86_400.0),
    }
}

const HEADERS: [&str; 9] = ["count", "version", "plan", "reads", "rows", "", "speed", "to go", "state"];

async fn told(
    opened: &Opened,
    walks: &[Adjustment],
    name: Option<&str>,
    done: Vec<String>,
) -> anyhow::Result<Answer> {
    let budget = opened.stack.store().policy_book().await?.backfill_units_a_second;
    let walks: Vec<Walk<'_>> = walks.iter().map(Walk::of).collect();
    let documents: Vec<Value> = walks.iter().map(|walk| walk.to_json(budget)).collect();
    let mut lines = Vec::new();
    if walks.is_empty() && done.is_empty() {
        let of = name.map_or_else(String::new, |name| format!(" of {name}"));
        lines.push(format!("no version{of} is being filled"));
    }
    if !walks.is_empty() {
        let rows: Vec<(Style, Vec<String>)> = walks.iter().map(Walk::row).collect();
        lines.extend(table(&HEADERS, &rows));
        if walks.iter().any(|walk| walk.reads() == "source" && !walk.adjustment.progress.done) {
            lines.push(format!(
                "reading a source may take {budget} read units a second (`backfill_units_a_second` of the policy)"
            ));
        }
    }
    lines.extend(done.iter().cloned());
    let mut document = json!({"walks": documents});
    if !done.is_empty() {
        show::extend(&mut document, json!({"done": done}));
    }
    Ok(Answer::ok(document, lines))
}

/// Counts the rows from before a count: the table is read once, as for any version that needs it, so
/// writers go on meanwhile and nothing is counted twice.
async fn start(opened: &Opened, args: &NameArgs) -> anyhow::Result<Answer> {
    let logic = count::active(opened, &args.name).await?;
    let (name, table) = (&logic.id.definition, &logic.definition.table);
    let options = drive::options(opened, table, None).await;
    if options.has_ledger && !options.source_is_readable {
        bail!(
            "table `{table}` cannot be read at the target ({}); only DynamoDB tables can be read back, and a table captured by DMS or Debezium is counted from a fresh snapshot",
            opened.target
        );
    }
    let source = drive::source(opened);
    let begun = adapt::fill(opened.stack.store(), &source, name, AdaptOptions { pages: 0, ..options }, now());
    let begun = begun.await.map_err(plan::lost_race)?;
    let Some(filling) = begun.and_then(|mut begun| begun.adjustments.pop()) else {
        bail!("`{name}` counts every row already, so there is nothing to fill")
    };
    let filling = drive::on(opened, filling, options, args.output.json).await?;
    let rows = |n: u64| counted(usize::try_from(n).unwrap_or(usize::MAX), "row");
    let done = if filling.progress.done {
        format!(
            "{} read; `{name}` counts every row from now on, and `evercount counts {name}` shows them",
            rows(filling.progress.visited)
        )
    } else if filling.progress.paused {
        format!("{name} is paused; `evercount backfill resume {name}` lets it go on")
    } else {
        format!(
            "{} read so far; the shadow validator goes on, or this command again, and `evercount backfill status {name}` shows how far it is",
            rows(filling.progress.visited)
        )
    };
    told(opened, &[filling], Some(&args.name), vec![done]).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_length_of_time_is_told_in_the_unit_that_matters() {
        let told = [0.2, 1.0, 119.0, 600.0, 7_200.0, 200_000.0].map(length);
        assert_eq!(told, ["less than 1 s", "1 s", "119 s", "10 min", "2 h", "2 days"]);
    }
}
