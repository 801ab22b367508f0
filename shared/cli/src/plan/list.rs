//! `evercount plan list`: what there is.

use anstyle::Style;
use evercount_core::adoption::{Adjustment, PlanOutcome};
use evercount_core::definition::DefinitionName;
use evercount_pipeline::ports::CatalogStore;
use evercount_view::is_open;
use serde_json::{Value, json};

use super::words::{outcome, what};
use crate::answer::Answer;
use crate::args::adjust::PlanListArgs;
use crate::schema::text::{BAD, FAINT, GOOD, STRONG, count, table};
use crate::target::Opened;
use crate::{count as counts, show};

const HEADERS: [&str; 7] = ["plan", "count", "change", "class", "version", "outcome", "made at"];

/// Lists plans, the newest first.
pub async fn run(opened: &Opened, args: &PlanListArgs) -> anyhow::Result<Answer> {
    let store = opened.stack.store();
    let name = match &args.name {
        // Says so where there is no such count, and which one is meant.
        Some(name) => Some(counts::active(opened, name).await?.id.definition),
        None => None,
    };
    let mut all = store.adjustments(name.as_ref()).await?;
    all.sort_by_key(|one| std::cmp::Reverse((one.created_at, one.plan.id.clone())));
    let open = all.iter().filter(|one| is_open(one)).count();
    let waiting = all.iter().filter(|one| one.outcome == PlanOutcome::AwaitingApproval).count();
    let every = all.len();
    all.retain(|one| !args.open || is_open(one));
    let lines = if all.is_empty() {
        vec![nothing(name.as_ref(), every)]
    } else {
        let rows: Vec<(Style, Vec<String>)> = all.iter().map(row).collect();
        let waits = if waiting == 1 { "1 waits".to_owned() } else { format!("{waiting} wait") };
        let told = format!("{}: {open} open, of which {waits} for you", count(every, "plan"));
        std::iter::once(told).chain(table(&HEADERS, &rows)).collect()
    };
    let plans: Vec<Value> = all.iter().map(show::adjustment_json).collect();
    Ok(Answer::ok(json!({"open": open, "waiting": waiting, "plans": plans}), lines))
}

fn nothing(name: Option<&DefinitionName>, every: usize) -> String {
    let of = name.map_or_else(String::new, |name| format!(" of {name}"));
    if every > 0 {
        return format!("no plan{of} is open; without `--open`, all {every} are listed");
    }
    format!(
        "no plans{of} yet: a schema change of a counted table makes one, and so does `evercount count alter`"
    )
}

fn row(adjustment: &Adjustment) -> (Style, Vec<String>) {
    let plan = &adjustment.plan;
    let style = match adjustment.outcome {
        PlanOutcome::AwaitingApproval => STRONG,
        PlanOutcome::Rejected | PlanOutcome::Reverted => BAD,
        PlanOutcome::Watching | PlanOutcome::Backfilling => GOOD,
        PlanOutcome::NotAffected | PlanOutcome::Promoted => FAINT,
    };
    let version = adjustment.to.map_or_else(|| plan.from.to_string(), |to| format!("{} → {to}", plan.from));
    let cells = vec![
        plan.id.to_string(),
        plan.definition.to_string(),
        what(&plan.cause),
        plan.class.name().to_owned(),
        version,
        outcome(adjustment.outcome).to_owned(),
        show::time(adjustment.created_at),
    ];
    (style, cells)
}
