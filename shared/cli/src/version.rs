//! `evercount version …`: the logic versions of a count, and which of them readers see.
//!
//! With `--json`, a version is the stored form of [`evercount_wire::logic`] with `total` (null where it is
//! not counted). `list` prints `{"count": …, "versions": […]}`; `show` prints one version with its `plan`
//! in the shape of [`crate::show::adjustment_json`] or null, and with `parent_total`; `promote` prints the plan with
//! `done`; `rollback` prints `{"count", "active", "rejected", "before": reading, "after": reading}`.

use anstyle::Style;
use anyhow::bail;
use evercount_core::adoption::PlanOutcome;
use evercount_core::logic::{Base, Coverage, LogicState, LogicVersion};
use evercount_core::reading::Reading;
use evercount_local::stack::now;
use evercount_pipeline::ports::CatalogStore;
use evercount_pipeline::{read, validate};
use evercount_wire::definition::definition_lines;
use evercount_wire::logic;
use serde_json::{Value, json};

use crate::answer::{self, Answer, confirm};
use crate::args::NameArgs;
use crate::args::adjust::{PromoteArgs, RollbackArgs, VersionArgs, VersionCommand};
use crate::exit::Exit;
use crate::schema::text::{FAINT, GOOD, STRONG, paint, plain, table};
use crate::target::Opened;
use crate::{count, plan, show};

/// Runs the command.
pub async fn run(command: VersionCommand) -> anyhow::Result<Exit> {
    match &command {
        VersionCommand::List(args) => {
            answer::on(args.target, args.output, false, async |opened| list(opened, args).await).await
        }
        VersionCommand::Show(args) => {
            answer::on(args.target, args.output, false, async |opened| show_one(opened, args).await).await
        }
        VersionCommand::Promote(args) => {
            let on = &args.on;
            answer::on(on.target, on.output, true, async |opened| promote(opened, args).await).await
        }
        VersionCommand::Rollback(args) => {
            let on = &args.on;
            answer::on(on.target, on.output, true, async |opened| roll_back(opened, args).await).await
        }
    }
}

/// All versions of a count, oldest first.
///
/// # Errors
/// Where there is no such count; names a similar one.
pub async fn of(opened: &Opened, name: &str) -> anyhow::Result<Vec<LogicVersion>> {
    let mut versions = opened.stack.store().versions().await?;
    versions.retain(|version| version.id.definition.as_str() == name);
    if versions.is_empty() {
        count::active(opened, name).await?;
    }
    versions.sort_by_key(|version| version.id.number);
    Ok(versions)
}

/// One version of a count.
///
/// # Errors
/// Where there is no such count or version; says what there is.
pub async fn find(opened: &Opened, name: &str, number: u32) -> anyhow::Result<LogicVersion> {
    let versions = of(opened, name).await?;
    if let Some(found) = versions.iter().find(|version| version.id.number == number) {
        return Ok(found.clone());
    }
    let known: Vec<String> = versions.iter().map(|version| version.id.number.to_string()).collect();
    bail!("`{name}` has no version {number}; it has {}", known.join(", "))
}

async fn reading(opened: &Opened, version: &LogicVersion) -> anyhow::Result<Option<Reading>> {
    if !version.state.is_live() {
        return Ok(None);
    }
    Ok(Some(read::run(opened.stack.store(), version).await?))
}

const HEADERS: [&str; 8] =
    ["version", "state", "since", "from", "counted from", "items", "group by", "where"];

async fn list(opened: &Opened, args: &NameArgs) -> anyhow::Result<Answer> {
    let versions = of(opened, &args.name).await?;
    let (mut rows, mut documents) = (Vec::new(), Vec::new());
    for version in &versions {
        let total = reading(opened, version).await?.map(|reading| reading.total);
        let style = match version.state {
            LogicState::Active => STRONG,
            LogicState::Shadow | LogicState::Standby => Style::new(),
            LogicState::Draft | LogicState::Retired | LogicState::Rejected => FAINT,
        };
        let definition = count::row(version);
        let part = |index: usize| definition.get(index).cloned().unwrap_or_default();
        let cells = vec![
            version.id.number.to_string(),
            count::state_name(version.state).to_owned(),
            show::time(version.state_since),
            version.parent.map(|parent| parent.to_string()).unwrap_or_default(),
            counted_from(version),
            total.map(|total| total.to_string()).unwrap_or_default(),
            part(4),
            part(5),
        ];
        rows.push((style, cells));
        documents.push(to_json(version, total));
    }
    let document = json!({"count": args.name, "versions": documents});
    Ok(Answer::ok(document, table(&HEADERS, &rows)))
}

fn to_json(version: &LogicVersion, total: Option<i64>) -> Value {
    let mut document = logic::to_json(version);
    show::extend(&mut document, json!({"total": total}));
    document
}

/// What a version's cells start from.
fn counted_from(version: &LogicVersion) -> String {
    match (&version.base, version.coverage) {
        (Base::Derived { parent, .. }, _) => format!("version {parent}"),
        (Base::Own, Coverage::Whole) => "every row".to_owned(),
        (Base::Own, Coverage::Since(at)) => format!("rows since {}", show::time(at)),
    }
}

async fn show_one(opened: &Opened, args: &VersionArgs) -> anyhow::Result<Answer> {
    let store = opened.stack.store();
    let version = find(opened, &args.name, args.number).await?;
    let versions = of(opened, &args.name).await?;
    let parent = versions.iter().find(|one| Some(one.id.number) == version.parent);
    let own = reading(opened, &version).await?;
    let beside = match parent {
        Some(parent) => reading(opened, parent).await?,
        None => None,
    };
    let adjustments = store.adjustments(Some(&version.id.definition)).await?;
    let made_by = adjustments.iter().find(|one| Some(&one.plan.id) == version.plan.as_ref());

    let state = count::state_name(version.state);
    let name = paint(STRONG, format!("{} version {}", version.id.definition, version.id.number));
    let mut lines = vec![format!("{name}  {state} since {}", show::time(version.state_since))];
    lines.extend(definition_lines(&version.definition).into_iter().map(|line| format!("  {}", plain(line))));
    lines.push(format!("counted from {}", counted_from(&version)));
    if let (Base::Derived { transform, .. }, Some(parent)) = (&version.base, parent) {
        let told = plan::transform_words(transform, &parent.definition);
        lines.extend(told.into_iter().map(|line| format!("  {}", plain(line))));
    }
    if !version.earlier_tables.is_empty() {
        let names: Vec<String> = version.earlier_tables.iter().map(plain).collect();
        lines.push(format!("the table was {} before", names.join(", ")));
    }
    if let Some(adjustment) = made_by {
        lines.push(format!("made by plan {}: {}", adjustment.plan.id, plain(&adjustment.plan.sentence)));
        lines.push(format!("  `evercount plan show {}` tells more", adjustment.plan.id));
    } else {
        lines.push("written by a person".to_owned());
    }
    match (&own, &beside) {
        (Some(own), Some(beside)) => lines
            .push(format!("{} items; version {} has {}", own.total, beside.logic.id.number, beside.total)),
        (Some(own), None) => lines.push(format!("{} items", own.total)),
        (None, _) => lines.push("it is not counted".to_owned()),
    }
    if let Some(reading) = own.as_ref().filter(|reading| !reading.logic.definition.group_by.is_empty()) {
        lines.extend(show::groups(reading).lines().map(|line| line.trim_end().to_owned()));
    }
    let mut document = to_json(&version, own.map(|reading| reading.total));
    let with = json!({
        "plan": made_by.map(show::adjustment_json),
        "parent_total": beside.map(|reading| reading.total),
    });
    show::extend(&mut document, with);
    Ok(Answer::ok(document, lines))
}

async fn promote(opened: &Opened, args: &PromoteArgs) -> anyhow::Result<Answer> {
    let store = opened.stack.store();
    let version = find(opened, &args.on.name, args.on.number).await?;
    let id = &version.id;
    match version.state {
        LogicState::Shadow => {}
        LogicState::Active => bail!("{id} is the active version already"),
        LogicState::Standby => {
            bail!("{id} stands by; `evercount version rollback {}` makes it active again", id.definition)
        }
        LogicState::Draft => bail!(
            "{id} is not counted yet; `evercount plan approve {}` starts it",
            version.plan.as_ref().map_or_else(String::new, ToString::to_string)
        ),
        LogicState::Rejected => {
            bail!("{id} was rejected; ask for the definition anew with `evercount count alter`")
        }
        LogicState::Retired => bail!("{id} is retired, and its counts have gone over to its successor"),
    }
    let adjustments = store.adjustments(Some(&id.definition)).await?;
    let stored = adjustments.into_iter().find(|one| one.to == Some(id.number));
    let Some(stored) = stored else { bail!("no plan made {id}, so nothing says whether it may take over") };
    let active = count::active(opened, &args.on.name).await?;
    confirm(
        args.yes,
        &format!(
            "version {} takes over from version {}, which stands by for a rollback",
            id.number, active.id.number
        ),
    )?;
    let (after, _) =
        validate::promote_by_hand(store, &stored, &version, now()).await.map_err(plan::lost_race)?;
    let done = vec![format!(
        "version {} is active; version {} stands by, and `evercount version rollback {}` makes it active again",
        id.number, active.id.number, id.definition
    )];
    let view = plan::View::of(opened, after, false).await?;
    Ok(plan::answer_with(&view, &done))
}

async fn roll_back(opened: &Opened, args: &RollbackArgs) -> anyhow::Result<Answer> {
    let store = opened.stack.store();
    let active = count::active(opened, &args.on.name).await?;
    let versions = of(opened, &args.on.name).await?;
    let standby = versions.iter().rfind(|version| version.state == LogicState::Standby);
    let Some(standby) = standby else {
        bail!(
            "no version of `{}` stands by: nothing was promoted lately, or its time to be taken back is over; `evercount version list {}` shows what there is",
            args.on.name,
            args.on.name
        )
    };
    confirm(
        args.yes,
        &format!(
            "version {} becomes active again, and version {} is given up with whatever was planned on it",
            standby.id.number, active.id.number
        ),
    )?;
    let before = read::run(store, &active).await?;
    let rolled = validate::roll_back(store, &active.id, "a person took it back", now()).await;
    let (back, reverted) = rolled.map_err(plan::lost_race)?;
    let after = read::run(store, &back).await?;
    let mut lines = vec![paint(
        GOOD,
        format!(
            "version {} of {} is active again; version {} is given up",
            back.id.number, back.id.definition, active.id.number
        ),
    )];
    let changed = [("before", &before), ("after", &after)];
    for (when, reading) in changed {
        lines.push(format!("{when}: version {}, {} items", reading.logic.id.number, reading.total));
        if !reading.logic.definition.group_by.is_empty() {
            lines.extend(show::groups(reading).lines().map(|line| format!("  {}", line.trim_end())));
        }
    }
    if let Some(reverted) = &reverted {
        lines.push(format!("`evercount plan show {}` tells what was taken back", reverted.plan.id));
    }
    let reverted = reverted.filter(|one| one.outcome == PlanOutcome::Reverted);
    let document = json!({
        "count": back.id.definition.as_str(),
        "active": back.id.number,
        "rejected": active.id.number,
        "plan": reverted.as_ref().map(show::adjustment_json),
        "before": show::reading_json(&before),
        "after": show::reading_json(&after),
    });
    Ok(Answer::ok(document, lines))
}
