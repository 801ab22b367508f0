//! Predictions that are kept: what was said, what is thought now, and what came of it.
//!
//! With `--json` it prints what a forecast made anew prints, and with each table `"kept": {"made_at", "ends_at",
//! "state", "error", "discrepancy", "came_at", "summary"}`; beside the tables `"stored": true, "reliability":
//! [{"month", "kind", "days", "n", "came", "said", "brier", "bins": [{"n", "said", "came"}]}], "learnt":
//! {"confirmed", "refuted", "shift", "evidence": {name: {"came", "of"}}}, "shadow": [{"table", "at", "revision",
//! "columns": [{"column", "type", "default", "rules", "expected_at", "p", "because", "prefetch", "state",
//! "since"}]}]`. With `explain`, a table has its `past` predictions as well.

use evercount_core::order::Micros;
use evercount_core::prediction::{
    ColumnBelief, Kind, Learnt, Outlook, Prediction, Probability, ReliabilityPoint, Standing,
};
use evercount_core::schema_change::Subject;
use evercount_core::shadow::ShadowSchema;
use evercount_forecast::settle::adjustment;
use evercount_forecast::units::HORIZONS;
use evercount_pipeline::forecast;
use evercount_pipeline::ports::{ForecastStore, RegistryStore, ShadowSchemaStore};
use evercount_view::{LearntDoc, MonthDoc, ShadowColumnDoc, ShadowSchemaDoc, TableOutlook};
use serde_json::{Value, json};

use super::{plots, unknown_table};
use crate::answer::Answer;
use crate::schema::text::{BAD, FAINT, GOOD, STRONG, paint, plain, table};
use crate::show;

/// What is asked.
#[derive(Clone, Copy, Debug)]
pub struct Asked<'a> {
    /// One table, or all.
    pub of: Option<&'a str>,
    /// When.
    pub now: Micros,
    /// Whether plots are drawn.
    pub plots: bool,
}

/// The answer from what is stored; `None` where nothing is.
///
/// # Errors
/// Whatever the store answers, and where there is no such table.
pub async fn answer<S: ForecastStore + RegistryStore + ShadowSchemaStore>(
    store: &S,
    asked: Asked<'_>,
) -> anyhow::Result<Option<Answer>> {
    let all = store.predictions().await?;
    if all.is_empty() {
        return Ok(None);
    }
    let (points, learnt) = (store.reliability().await?, store.learnt().await?);
    let mut shadow = store.shadow_schemas().await?;
    shadow.retain(|one| asked.of.is_none_or(|wanted| one.table.as_str() == wanted));
    let (mut lines, mut tables) = (Vec::new(), Vec::new());
    match asked.of {
        None => {
            tables.extend(all.iter().map(to_json));
            lines.extend(listed(&all, asked.now));
            lines.extend(told(&points, &learnt));
            if asked.plots {
                let days = longest();
                lines.extend(plots::reliability(&points, days));
                lines.extend(plots::scores(&points, days));
            }
        }
        Some(wanted) => {
            let Some(one) = all.iter().find(|one| one.table.as_str() == wanted) else {
                return Err(unknown_table(wanted, all.iter().map(|one| one.table.as_str())));
            };
            let subject = Subject::new(wanted);
            let mut past = store.predictions_of(&subject).await?;
            let history = store.history(&subject).await?;
            let changes: Vec<Micros> = history.iter().map(|recorded| recorded.event.at).collect();
            if asked.plots {
                lines.extend(plots::timeline(&past, &changes));
            }
            past.retain(|older| older.made_at != one.made_at);
            let mut document = to_json(one);
            show::extend(&mut document, json!({"past": past.iter().map(to_json).collect::<Vec<_>>()}));
            tables.push(document);
            let mut told = explained(one, asked.now);
            told.extend(shadow.iter().flat_map(shadowed));
            told.extend(past.iter().rev().take(4).map(|one| format!("  before: {}", plain(one.summary()))));
            told.extend(std::mem::take(&mut lines));
            lines = told;
        }
    }
    let document = json!({
        "at": show::time(asked.now), "stored": true, "tables": tables,
        "reliability": points.iter().map(|point| show::json(&MonthDoc::from(point))).collect::<Vec<_>>(),
        "learnt": show::json(&LearntDoc::from(&learnt)),
        "shadow": shadow.iter().map(|one| show::json(&ShadowSchemaDoc::from(one))).collect::<Vec<_>>(),
    });
    Ok(Some(Answer::ok(document, lines)))
}

fn longest() -> u32 {
    HORIZONS.into_iter().max().unwrap_or_default()
}

fn to_json(one: &Prediction) -> Value {
    show::json(&TableOutlook::stored(one))
}

fn percent(p: f64) -> f64 {
    (p * 100.0).round()
}

fn chance(one: Probability) -> String {
    format!("{} % [{}, {}]", percent(one.p), percent(one.from), percent(one.to))
}

fn of(one: &Prediction, kind: Kind, days: u32) -> Option<Probability> {
    one.claims().iter().find(|claim| claim.kind == kind && claim.days == days).map(|claim| claim.now)
}

fn listed(all: &[Prediction], now: Micros) -> Vec<String> {
    let mut sorted: Vec<&Prediction> = all.iter().collect();
    let half_a_year = |one: &Prediction| of(one, Kind::Any, longest()).map_or(-1.0, |one| one.p);
    sorted.sort_by(|a, b| half_a_year(b).total_cmp(&half_a_year(a)).then_with(|| a.table.cmp(&b.table)));
    let rows: Vec<_> = sorted
        .into_iter()
        .map(|one| {
            let mut cells = vec![plain(&one.table)];
            match &one.outlook {
                Outlook::CannotJudge { because } => {
                    cells.extend([
                        format!("cannot be judged: {because}"),
                        String::new(),
                        String::new(),
                        String::new(),
                    ]);
                }
                Outlook::Claims { expected, .. } => {
                    cells.extend(
                        HORIZONS.map(|days| of(one, Kind::Any, days).map(chance).unwrap_or_default()),
                    );
                    cells.push(super::within(expected.middle.map(|at| at / 1_000_000), now / 1_000_000));
                }
            }
            let open = one.columns.iter().filter(|belief| belief.standing == Standing::Open).count();
            cells.push(if open == 0 { String::new() } else { open.to_string() });
            let since = show::time(one.made_at);
            cells.push(format!("{} (since {})", one.standing.name(), since.get(..10).unwrap_or(&since)));
            (anstyle::Style::new(), cells)
        })
        .collect();
    let headers: Vec<String> = HORIZONS.map(|days| format!("within {days} days")).to_vec();
    let mut header = vec!["table"];
    header.extend(headers.iter().map(String::as_str));
    header.extend(["expected", "columns", "prediction"]);
    table(&header, &rows)
}

/// How reliable it was, and what was learnt, in a few lines.
fn told(points: &[ReliabilityPoint], learnt: &Learnt) -> Vec<String> {
    let Some((brier, bias)) = forecast::reliability(points) else {
        return vec![
            "no prediction has come to its end yet; each is scored when its half-year is over".to_owned(),
        ];
    };
    let n = learnt.confirmed + learnt.refuted;
    let shift = adjustment(learnt).shift();
    let mut lines = vec![format!(
        "{n} predictions came to their end, {} of them true: Brier score {brier:.3}, {:+.1} % came more than was \
         said; what is said now is moved by {shift:+.3} in log-odds",
        learnt.confirmed,
        bias * 100.0
    )];
    for (source, one) in &learnt.trust {
        lines.push(format!("  of columns by `{source}`, {} of {} came", one.hits, one.of));
    }
    lines
}

fn explained(one: &Prediction, now: Micros) -> Vec<String> {
    let mut lines = vec![paint(STRONG, plain(&one.table))];
    match &one.outlook {
        Outlook::CannotJudge { because } => lines.push(format!("cannot be judged: {because}")),
        Outlook::Claims { expected, because, .. } => {
            for (kind, name) in Kind::ALL {
                let all: Vec<String> = HORIZONS
                    .into_iter()
                    .filter_map(|days| Some(format!("{} within {days} days", chance(of(one, kind, days)?))))
                    .collect();
                lines.push(format!("  {name:<8}{}", all.join(", ")));
            }
            let [from, middle, to] = [expected.from, expected.middle, expected.to]
                .map(|at| super::within(at.map(|at| at / 1_000_000), now / 1_000_000));
            lines.push(format!("  expected {middle}; four in five come between {from} and {to}"));
            lines.push(format!("  {}", plain(because)));
        }
    }
    if let Some(claim) = one.headline() {
        let (from, to) = (show::time(one.made_at), show::time(one.ends_at));
        let day = |text: &str| text.get(..10).unwrap_or(text).to_owned();
        lines.push(format!("  said on {} until {}: {}", day(&from), day(&to), chance(claim.said)));
    }
    if one.standing != Standing::Open {
        lines.push(format!("  {}", state(one.standing, &one.discrepancy)));
    }
    for (feature, at) in &one.planned {
        lines.push(format!("  planned: {} on {}", plain(feature), show::time(*at)));
    }
    lines.extend(one.columns.iter().map(column));
    lines
}

fn state(standing: Standing, discrepancy: &str) -> String {
    let style = match standing {
        Standing::Confirmed => GOOD,
        Standing::Refuted => BAD,
        Standing::Open | Standing::Expired => FAINT,
    };
    paint(style, format!("{}: {}", standing.name(), plain(discrepancy)))
}

fn column(one: &ColumnBelief) -> String {
    let typed = one.typed.as_deref().unwrap_or("of a type that is not known");
    let at = one.at.map_or_else(String::new, |at| format!(", about {}", show::time(at)));
    let (kind, p) = (one.kind.name(), (one.p * 1_000.0).round() / 10.0);
    let why = match one.standing {
        Standing::Open => paint(FAINT, format!("({}; {})", plain(&one.evidence), one.precision)),
        other => state(other, &one.discrepancy),
    };
    format!("  {kind} `{}` {}: {p} %{at} {why}", plain(&one.column), plain(typed))
}

/// The columns that are held ready for a table, with how far each has come.
fn shadowed(schema: &ShadowSchema) -> Vec<String> {
    let doc = ShadowSchemaDoc::from(schema);
    let line = |one: &ShadowColumnDoc| {
        let since = one.since.as_deref().and_then(|since| since.get(..10));
        let since = since.map_or_else(String::new, |since| format!(" since {since}"));
        let default = one.default.as_ref().map_or_else(String::new, |value| format!(", {value} by default"));
        let rules: String = one.rules.iter().map(|rule| format!(", {rule}")).collect();
        let typed = plain(&one.typed);
        format!("    `{}` {typed}{}{rules}: {}{since}", plain(&one.column), plain(default), one.state)
    };
    let mut lines = vec![format!("  shadow schema, revision {}:", doc.revision)];
    lines.extend(doc.columns.iter().map(line));
    lines
}
