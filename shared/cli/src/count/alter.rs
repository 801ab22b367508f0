//! `evercount count alter`: another definition under the same name, planned as a schema change is.
//!
//! With `--json` it prints the plan in the shape of [`crate::show::adjustment_json`], with `done`.

use anyhow::bail;
use evercount_core::adoption::{Adjustment, PlanOutcome};
use evercount_core::definition::CountDefinition;
use evercount_local::stack::now;
use evercount_pipeline::adapt;
use evercount_pipeline::ports::CatalogStore;
use evercount_wire::definition::build;

use super::{active, parts, with_ids};
use crate::answer::{self, Answer};
use crate::args::adjust::{AlterArgs, DefinitionEdit};
use crate::exit::Exit;
use crate::target::Opened;
use crate::{drive, plan};

/// Runs the command.
pub async fn run(args: AlterArgs) -> anyhow::Result<Exit> {
    answer::on(args.on.target, args.on.output, true, async |opened| alter(opened, &args).await).await
}

async fn alter(opened: &Opened, args: &AlterArgs) -> anyhow::Result<Answer> {
    let store = opened.stack.store();
    let active = active(opened, &args.on.name).await?;
    let versions = store.versions().await?;
    // What is planned is planned on the newest version that is counted.
    let head = adapt::head(&versions, &active.id.definition).unwrap_or(active);
    let filter = with_ids(opened, args.edit.filter.clone()).await?;
    let edit = DefinitionEdit { filter, ..args.edit.clone() };
    let definition = edited(&head.definition, &edit)?;
    if definition == head.definition {
        bail!(
            "that is what version {} of `{}` counts already; `evercount version show {} {}` shows it",
            head.id.number,
            args.on.name,
            args.on.name,
            head.id.number
        );
    }
    let after = redefine(opened, definition, args.margin, args.on.output.json).await?;
    let done = vec![done(&after)];
    let view = plan::View::of(opened, after, false).await?;
    Ok(plan::answer_with(&view, &done))
}

/// Plans another definition under a name that there is, and takes the plan as far as it goes.
async fn redefine(
    opened: &Opened,
    definition: CountDefinition,
    margin: Option<u32>,
    quiet: bool,
) -> anyhow::Result<Adjustment> {
    let (store, source, name) = (opened.stack.store(), drive::source(opened), definition.name.clone());
    let options = drive::options(opened, &definition.table, margin).await;
    let adapted =
        adapt::redefine(store, &source, definition, options, now()).await.map_err(plan::lost_race)?;
    let planned = adapted.and_then(|mut adapted| adapted.adjustments.pop());
    let Some(planned) = planned else { bail!("`{name}` is gone") };
    drive::on(opened, planned, options, quiet).await
}

/// Counts an attribute, or the truth of the condition, beside what is asked for, as
/// `count alter --headroom` does. Returns what was done, in a sentence.
///
/// # Errors
/// Where there is no such count, or it cannot be planned for.
pub async fn add_headroom(
    opened: &Opened,
    name: &str,
    column: Option<&str>,
    quiet: bool,
) -> anyhow::Result<String> {
    let active = active(opened, name).await?;
    let versions = opened.stack.store().versions().await?;
    let head = adapt::head(&versions, &active.id.definition).unwrap_or(active);
    let mut parts = parts(&head.definition);
    match column {
        Some(column) => parts.headroom.push(evercount_core::path::Path::column(column).to_string()),
        None => parts.headroom_truth = parts.filter.is_some(),
    }
    let after = redefine(opened, build(parts)?, None, quiet).await?;
    Ok(done(&after))
}

fn edited(before: &CountDefinition, edit: &DefinitionEdit) -> anyhow::Result<CountDefinition> {
    let mut parts = parts(before);
    if edit.no_group_by || !edit.group_by.is_empty() {
        parts.group_by.clone_from(&edit.group_by);
    }
    if edit.no_where || edit.filter.is_some() {
        parts.filter.clone_from(&edit.filter);
    }
    if edit.no_distinct || edit.distinct.is_some() {
        parts.distinct.clone_from(&edit.distinct);
    }
    if edit.no_headroom {
        (parts.headroom, parts.headroom_truth) = (Vec::new(), false);
    }
    if !edit.headroom.is_empty() {
        parts.headroom.clone_from(&edit.headroom);
    }
    parts.headroom_truth |= edit.headroom_truth;
    // What is grouped by now is no headroom any more.
    parts.headroom.retain(|path| !parts.group_by.contains(path));
    parts.headroom_truth &= parts.filter.is_some();
    Ok(build(parts)?)
}

/// What the command did, in a sentence.
fn done(after: &Adjustment) -> String {
    let name = &after.plan.definition;
    let version = after.to.map_or_else(|| "no version".to_owned(), |to| format!("version {to}"));
    match after.outcome {
        PlanOutcome::Promoted => {
            format!("{version} of {name} is counted from now on; version {} stands by", after.plan.from)
        }
        PlanOutcome::Watching => {
            format!(
                "{version} of {name} is counted beside version {}, and takes over once they agree",
                after.plan.from
            )
        }
        PlanOutcome::Backfilling => {
            format!("{version} of {name} is being filled; until then, version {} is read", after.plan.from)
        }
        PlanOutcome::AwaitingApproval => {
            format!(
                "nothing is counted under it yet: the plan waits for you; until then, version {} is read",
                after.plan.from
            )
        }
        PlanOutcome::NotAffected => format!("{name} stays as it is"),
        PlanOutcome::Rejected | PlanOutcome::Reverted => {
            format!("{version} of {name} was found wrong; version {} is read as before", after.plan.from)
        }
    }
}
