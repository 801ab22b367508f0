//! A plan as a person reads it: what changed, what that does to the definition, why it is enough,
//! what it takes, what has been seen, and what to do next.

use anstyle::Style;
use evercount_core::adjustment::{Cause, Certificate, Class, Start};
use evercount_core::adoption::{Adjustment, PlanOutcome};
use evercount_core::definition::CountDefinition;
use evercount_core::group::{GroupKey, Outcome};
use evercount_core::migration::{Action, Step};
use evercount_core::verdict::Compared;
use evercount_wire::definition::definition_lines;

use super::view::View;
use super::{certificate, next, words};
use crate::schema::text::{BAD, FAINT, GOOD, STRONG, change, count, paint, plain, table};
use crate::show;

/// Groups, changes and rows that are listed one by one; JSON has all of them.
const LISTED_MAX: usize = 10;

/// All lines of a plan.
#[must_use]
pub fn lines(view: &View) -> Vec<String> {
    let mut lines = head(view);
    section(&mut lines, "what changed", changed(view));
    section(&mut lines, "the definition", definition(view));
    section(&mut lines, heading_of_certificate(view), why(view));
    section(&mut lines, "what it takes", takes(&view.adjustment));
    if view.made.is_some() {
        section(&mut lines, "what has been seen", seen(view));
    }
    section(&mut lines, "what to do next", next::lines(view));
    lines
}

fn section(lines: &mut Vec<String>, heading: &str, part: Vec<String>) {
    if part.is_empty() {
        return;
    }
    lines.push(String::new());
    lines.push(paint(STRONG, heading));
    lines.extend(part.into_iter().map(|line| format!("  {line}").trim_end().to_owned()));
}

fn head(view: &View) -> Vec<String> {
    let (adjustment, plan) = (&view.adjustment, &view.adjustment.plan);
    let style = match adjustment.outcome {
        PlanOutcome::Rejected | PlanOutcome::Reverted => BAD,
        PlanOutcome::AwaitingApproval => STRONG,
        _ => GOOD,
    };
    let name = paint(STRONG, &plan.definition);
    let mut lines = if view.is_simulated {
        vec![format!("{name}  a simulation on version {}; nothing is written", plan.from)]
    } else {
        let version = adjustment.to.map_or_else(String::new, |to| format!(", version {} → {to}", plan.from));
        let outcome = paint(style, words::outcome(adjustment.outcome));
        vec![format!("{name}  plan {}, {outcome}{version}", plan.id)]
    };
    lines.push(plain(&plan.sentence));
    lines.push(format!("class {}: {}", plan.class.name(), words::class(plan.class)));
    if !adjustment.is_filling() {
        lines.push(format!("policy {}: it {}", adjustment.policy.name(), words::policy(adjustment.policy)));
    }
    lines
}

fn changed(view: &View) -> Vec<String> {
    let plan = &view.adjustment.plan;
    match &plan.cause {
        Cause::Schema { changes, at, .. } => {
            let when = if view.is_simulated { String::new() } else { format!(", {}", show::time(*at)) };
            let mut lines = vec![format!("table `{}`{when}", plain(&plan.table))];
            lines.extend(changes.iter().take(LISTED_MAX).flat_map(change));
            lines.extend(more(changes.len(), "change"));
            lines
        }
        Cause::Redefinition { at, .. } => {
            let when = if view.is_simulated { String::new() } else { format!(", {}", show::time(*at)) };
            let what = if view.adjustment.is_filling() {
                "the rows from before the count"
            } else {
                "another definition of the count"
            };
            vec![format!("a person asked for {what}{when}")]
        }
    }
}

fn more(n: usize, what: &str) -> Option<String> {
    let left = n.saturating_sub(LISTED_MAX);
    (left > 0).then(|| format!("and {}, which `--json` lists", count(left, &format!("more {what}"))))
}

/// The definition before and after, part by part.
fn definition(view: &View) -> Vec<String> {
    let plan = &view.adjustment.plan;
    let asked = match &plan.cause {
        Cause::Redefinition { definition, .. } => Some(definition),
        Cause::Schema { .. } => None,
    };
    let after = plan.update.as_ref().map(|update| &update.definition).or(asked);
    let Some(before) = view.parent.as_ref().map(|parent| &parent.definition) else {
        return after.map(definition_lines).unwrap_or_default().into_iter().map(plain).collect();
    };
    let mut lines = compared(before, after.unwrap_or(before));
    if let Some(update) = &plan.update {
        let known = view.parent.as_ref().map(|parent| parent.migration.as_slice()).unwrap_or_default();
        lines.extend(update.migration.iter().filter(|step| !known.contains(step)).filter_map(reads));
    }
    lines
}

/// Two definitions, part by part: what is the same, and what it was and becomes.
#[must_use]
pub fn compared(before: &CountDefinition, after: &CountDefinition) -> Vec<String> {
    let split = |definition: &CountDefinition| -> Vec<(String, String)> {
        let part = |line: String| {
            line.split_once(": ")
                .map_or((line.clone(), String::new()), |(part, text)| (part.to_owned(), text.to_owned()))
        };
        definition_lines(definition).into_iter().map(part).collect()
    };
    let (was, becomes) = (split(before), split(after));
    let mut lines = Vec::new();
    for (part, text) in &was {
        if becomes.iter().any(|(one, other)| one == part && other == text) {
            lines.push(format!("         {part}: {}", plain(text)));
            continue;
        }
        lines.push(paint(BAD, format!("was:     {part}: {}", plain(text))));
        let after =
            becomes.iter().find(|(one, other)| one == part && !was.contains(&(one.clone(), other.clone())));
        let after =
            after.map_or_else(|| format!("no {part}"), |(_, text)| format!("{part}: {}", plain(text)));
        lines.push(paint(GOOD, format!("becomes: {after}")));
    }
    for (part, text) in becomes.iter().filter(|(part, _)| !was.iter().any(|(one, _)| one == part)) {
        lines.push(paint(BAD, format!("was:     no {part}")));
        lines.push(paint(GOOD, format!("becomes: {part}: {}", plain(text))));
    }
    lines
}

/// How items of the earlier shape are read.
fn reads(step: &Step) -> Option<String> {
    let told = match &step.action {
        Action::Rename { from, to } => format!("an item with {from} and no {to} is read as if it were {to}"),
        Action::Drop { path } => format!("{path} of an item from before is passed over"),
        Action::Default { path, value } => {
            format!("an item without {path} is read as with {}", evercount_wire::group::value_json(value))
        }
        Action::FillNull { path, value } => {
            format!("NULL in {path} is read as {}", evercount_wire::group::value_json(value))
        }
        Action::Convert { path, .. } => format!("{path} of the earlier type is read as of the new one"),
    };
    Some(format!("reads:   {}", plain(told)))
}

fn heading_of_certificate(view: &View) -> &'static str {
    match view.adjustment.plan.certificate {
        Certificate::Untouched | Certificate::Exact(_) => "why the stored counts are enough",
        Certificate::Witness { .. } => "why the stored counts are not enough",
        Certificate::Undecided if view.adjustment.plan.class != Class::A6 => "what is proved",
        Certificate::Undecided => "what happens meanwhile",
    }
}

fn why(view: &View) -> Vec<String> {
    let plan = &view.adjustment.plan;
    let parent = view.parent.as_ref().map(|parent| &parent.definition);
    let mut lines = match &plan.certificate {
        Certificate::Untouched => vec!["nothing that the count reads has changed".to_owned()],
        Certificate::Exact(_) => {
            vec!["for every table, the new counts are an image of the stored ones:".to_owned()]
        }
        Certificate::Witness { .. } => vec![
            "two tables have the same stored counts and different new ones, so no arithmetic on the"
                .to_owned(),
            "stored counts can be right for both:".to_owned(),
        ],
        Certificate::Undecided if plan.class != Class::A6 => {
            vec!["nothing: what is asked for cannot be told from the counts, and is looked up".to_owned()]
        }
        Certificate::Undecided => match certificate::transform(plan) {
            Some(_) => vec![
                "until somebody says what the change means, the count goes on for both answers:".to_owned(),
            ],
            None => vec!["until somebody says what the change means, the logic stays as it is".to_owned()],
        },
    };
    if let (Some(transform), Some(parent)) = (certificate::transform(plan), parent) {
        lines.extend(
            certificate::words(transform, parent).into_iter().map(|line| format!("  {}", plain(line))),
        );
        lines.extend(moved(view).into_iter().map(|line| format!("  {line}")));
    }
    if let Some(witness) = view.parent.as_ref().and_then(|parent| certificate::witness(plan, parent)) {
        lines.extend(witness.into_iter().map(|line| format!("  {line}")));
    }
    if !plan.assumptions.is_empty() {
        lines.push("taken for granted:".to_owned());
        lines.extend(plan.assumptions.iter().map(|line| format!("  {}", plain(line))));
    }
    lines
}

/// The groups that are stored now, and where they go.
fn moved(view: &View) -> Vec<String> {
    let (Some(moves), Some(update)) = (&view.moves, &view.adjustment.plan.update) else { return Vec::new() };
    let Some(parent) = &view.parent else { return Vec::new() };
    if moves.iter().all(|((was, becomes), _)| becomes.as_ref() == Some(was)) {
        return Vec::new();
    }
    let mut moves: Vec<_> = moves.iter().collect();
    moves.sort_by(|a, b| b.1.cmp(a.1).then_with(|| a.0.cmp(b.0)));
    let row = |((was, becomes), n): &(&(GroupKey, Option<GroupKey>), &i64)| {
        let becomes = match becomes {
            Some(key) => group(key, &update.definition),
            None => "(not counted)".to_owned(),
        };
        (Style::new(), vec![group(was, &parent.definition), format!("→ {becomes}"), n.to_string()])
    };
    let rows: Vec<_> = moves.iter().take(LISTED_MAX).map(row).collect();
    let mut lines = table(&["stored now", "becomes", "items"], &rows);
    lines.extend(more(moves.len(), "group"));
    lines
}

/// A group under a definition.
#[must_use]
pub fn group(key: &GroupKey, definition: &CountDefinition) -> String {
    if key.parts().is_empty() && !definition.group_by.is_empty() {
        return "(absent)".to_owned();
    }
    plain(show::group(key))
}

/// What following the change costs, as estimated and as it came.
fn takes(adjustment: &Adjustment) -> Vec<String> {
    let plan = &adjustment.plan;
    let (estimate, actual) = (&plan.estimate, &adjustment.actual);
    let mut lines = vec![format!("partitions to look at: {}", plain(words::affected(plan)))];
    let is_over = adjustment.progress.done;
    let row = |name: &str, estimate: f64, actual: f64, digits: usize| {
        let text = |n: f64| format!("{n:.digits$}");
        // What rounds to nothing is nothing that anybody pays for.
        let is_any = |n: f64| text(n).contains(|c: char| ('1'..='9').contains(&c));
        let actual_text = if is_any(actual) || is_over { text(actual) } else { String::new() };
        (is_any(estimate) || is_any(actual))
            .then(|| (Style::new(), vec![name.to_owned(), text(estimate), actual_text]))
    };
    let rows = [
        row("ledger rows read", estimate.ledger_rows as f64, actual.ledger_rows as f64, 0),
        row("source items read", estimate.source_items as f64, actual.source_items as f64, 0),
        row("read units", estimate.read_units, actual.read_units, 1),
        row("write units", estimate.write_units, actual.write_units, 1),
        row("CPU seconds", estimate.cpu_seconds, actual.cpu_seconds, 2),
        row("seconds", estimate.seconds, actual.seconds, 1),
    ];
    let rows: Vec<_> = rows.into_iter().flatten().collect();
    if rows.is_empty() {
        let reads = plan.update.as_ref().is_some_and(|update| !matches!(update.start, Start::Image(_)));
        lines.push(if reads { "cost: not known" } else { "cost: none" }.to_owned());
    } else {
        lines.extend(table(&["cost", "estimate", "actual"], &rows));
    }
    lines
}

/// What is known of the version beside its parent, and the verdict on it.
fn seen(view: &View) -> Vec<String> {
    let (adjustment, plan) = (&view.adjustment, &view.adjustment.plan);
    let (census, report) = (&adjustment.report.census, &adjustment.report);
    let mut lines = vec![format!("relation: {}", words::relation(plan.relation))];
    let every = if reads_source(adjustment) { "every item of the source" } else { "every ledger row" };
    let asked = match (plan.minimum.census, plan.minimum.changes) {
        (true, 0) => format!("{every}, judged under both versions"),
        (true, n) => format!("{every}, and {} counted under both versions", changes(n)),
        (false, 0) => "something to compare".to_owned(),
        (false, n) => format!("{} counted under both versions", changes(n)),
    };
    lines.push(format!("asked for: {asked}"));
    let tallies = if reads_source(adjustment) {
        // Items of the source are applied as changes are, and compared with them.
        let seen =
            if census.complete { "source items, all, and changes" } else { "source items and changes" };
        vec![(seen.to_owned(), census.compared.and(report.changes))]
    } else {
        let seen = if census.complete { "ledger rows, all" } else { "ledger rows so far" };
        vec![(seen.to_owned(), census.compared), ("changes".to_owned(), report.changes)]
    };
    let by_group = report.by_group.iter().map(|(key, compared)| {
        let name = plan
            .update
            .as_ref()
            .map_or_else(|| plain(show::group(key)), |update| group(key, &update.definition));
        (format!("  of them in {name}"), *compared)
    });
    let rows: Vec<(Style, Vec<String>)> =
        tallies.into_iter().chain(by_group.take(LISTED_MAX)).map(tally).collect();
    lines.extend(table(&["compared", "agree", "differ as planned", "differ otherwise", "failed"], &rows));
    lines.extend(more(report.by_group.len(), "group"));
    let rows = |n: u64, one: &str, many: &str| {
        if n == 1 { format!("1 row {one}") } else { format!("{n} rows {many}") }
    };
    // A version that starts from nothing has no image to differ from.
    if census.rejudged > 0 && certificate::transform(plan).is_some() {
        lines.push(rows(
            census.rejudged,
            "is counted otherwise than its image would be",
            "are counted otherwise than their images would be",
        ));
    }
    if census.not_remembered > 0 {
        lines.push(rows(
            census.not_remembered,
            "remembers too little to be judged, and is counted as uncertain",
            "remember too little to be judged, and are counted as uncertain",
        ));
    }
    if report.uncertain > 0 {
        lines.push(format!("±{} items are uncertain, whichever version is read", report.uncertain));
    }
    if !census.examples.is_empty() {
        lines.push("rows that differ, by the hash of their key:".to_owned());
        let told = |key: &Option<GroupKey>| {
            key.as_ref().map_or_else(|| "(not counted)".to_owned(), |key| plain(show::group(key)))
        };
        let rows: Vec<(Style, Vec<String>)> = census
            .examples
            .iter()
            .map(|one| {
                let how = if one.outcome == Outcome::Failed { "could not be judged" } else { "differs" };
                let cells = vec![
                    format!("{:016x}", one.key_hash),
                    how.to_owned(),
                    told(&one.group),
                    told(&one.image),
                ];
                (Style::new(), cells)
            })
            .collect();
        lines.extend(table(&["key hash", "", "counts as", "the plan says"], &rows));
    }
    let verdict = adjustment.verdict.as_deref().unwrap_or("none yet");
    lines.push(format!("verdict: {}", plain(verdict)));
    lines
}

fn changes(n: u64) -> String {
    count(usize::try_from(n).unwrap_or(usize::MAX), "change")
}

fn tally((name, compared): (String, Compared)) -> (Style, Vec<String>) {
    let Compared { agreed, explained, unexplained, failed } = compared;
    let style = match (unexplained + failed, compared.total()) {
        (1.., _) => BAD,
        (0, 0) => FAINT,
        (0, _) => Style::new(),
    };
    let cells = [agreed, explained, unexplained, failed].map(|n| n.to_string());
    (style, std::iter::once(name).chain(cells).collect())
}

/// Whether a plan reads the source to be followed.
#[must_use]
pub fn reads_source(adjustment: &Adjustment) -> bool {
    adjustment.plan.update.as_ref().is_some_and(|update| update.start == Start::Source)
}
