//! `evercount forecast …`: how probable schema changes are, and how good such forecasts are.
//!
//! Without a file, `list` and `explain` show what the forecaster has stored, where it has ([`stored`]); else,
//! and with `--live` or a plan on the command line, they forecast anew. Then
//! `list` and `explain` with `--json` print `{"at", "tables": [{"table", "chances": [{"kind", "days", "p",
//! "from", "to", "said", "came"}], "expected": {"from", "middle", "to"}, "because", "cannot_judge",
//! "candidates": [{"column", "type", "kind", "p", "at", "precision", "evidence", "state", "discrepancy"}],
//! "planned": [{"feature", "at"}]}]}`. `bench` prints `{"projects": [{"name", "rows", "base_rate", "models":
//! [{"model", "brier", "ap", "auc", "ece", "ci"}]}], "headroom": [{"model", "counters", "rescans", "avoided",
//! "avoided_per_counter"}]}`.

mod advise;
mod git;
mod import;
mod plots;
mod stored;

use std::path::Path;

use anyhow::{Context, bail};
use evercount_core::order::Micros;
use evercount_forecast::bench::bench;
use evercount_forecast::candidates::Candidate;
use evercount_forecast::history::{self, History, Seconds};
use evercount_forecast::predict::{Judgement, Outlook, TableForecast};
use evercount_forecast::signals::{Signals, release};
use evercount_forecast::trained::Model;
use evercount_forecast::units::{HORIZONS, Kind};
use evercount_local::stack::now;
use evercount_pipeline::forecast::Warm;
use evercount_pipeline::outlook::{self, Basis};
use evercount_view::TableOutlook;
use serde_json::json;

use crate::answer::{self, Answer};
use crate::args::forecast::{BenchArgs, ExplainArgs, ForecastArgs, ForecastCommand};
use crate::exit::Exit;
use crate::schema::text::{FAINT, STRONG, paint, plain, table};
use crate::show;
use crate::target::Opened;

/// Runs the command.
pub async fn run(command: ForecastCommand) -> anyhow::Result<Exit> {
    let (args, of) = match command {
        ForecastCommand::Bench(args) => return run_bench(&args),
        ForecastCommand::Advise(args) => return advise::run(args).await,
        ForecastCommand::Import(args) => return import::run(args).await,
        ForecastCommand::List(args) => (args, None),
        ForecastCommand::Explain(ExplainArgs { table, of }) => (of, Some(table)),
    };
    let of = of.as_deref();
    match &args.history {
        Some(file) => {
            let history = read(file)?;
            let ended = history.span().map(|(_, ended)| ended).context("nothing happened in that history")?;
            let basis = Basis { history, signals: signals(&args)?, ..Basis::default() };
            Ok(forecast(&basis, of, ended)?.tell(None, args.output))
        }
        None => {
            answer::on(args.target, args.output, false, async |opened: &Opened| {
                let at = now();
                if !args.live && args.releases.is_empty() {
                    let asked = stored::Asked { of, now: at, plots: plots::wanted(args.output.json) };
                    if let Some(answer) = stored::answer(opened.stack.store(), asked).await? {
                        return Ok(answer);
                    }
                }
                let mut basis = registered(opened, at).await?;
                let given = signals(&args)?;
                basis.signals.releases.extend(given.releases);
                forecast(&basis, of, at / 1_000_000)
            })
            .await
        }
    }
}

fn read(file: &Path) -> anyhow::Result<History> {
    let name = file.file_stem().unwrap_or_default().to_string_lossy();
    let bytes = std::fs::read(file).with_context(|| format!("could not read {}", file.display()))?;
    let read = history::read(&name, &bytes).with_context(|| format!("{} is no history", file.display()))?;
    for skipped in &read.skipped {
        show::remark(format!("{}, line {}: {}", file.display(), skipped.line, skipped.because));
    }
    Ok(read.history)
}

/// What a forecast of a target is made from, as the forecaster takes it.
async fn registered(opened: &Opened, now: Micros) -> anyhow::Result<Basis> {
    let store = opened.stack.store();
    let basis = outlook::load(store, store, &mut Warm::default(), now).await?;
    basis.left_out.iter().for_each(show::remark);
    Ok(basis)
}

/// The model that is shipped.
fn model() -> anyhow::Result<Model> {
    Model::shipped().context("the model that is shipped cannot be read")
}

fn signals(args: &ForecastArgs) -> anyhow::Result<Signals> {
    let mut signals = Signals::default();
    for file in &args.releases {
        let name = file.display();
        let bytes = std::fs::read(file).with_context(|| format!("could not read {name}"))?;
        let is_calendar = file.extension().is_some_and(|extension| extension == "ics");
        let plans = if is_calendar { release::read_calendar(&bytes) } else { release::read_csv(&bytes) };
        for left_out in &plans.left_out {
            show::remark(format!("{name}, {}: {}", left_out.place, left_out.because));
        }
        signals.releases.extend(plans.planned);
    }
    Ok(signals)
}

fn forecast(basis: &Basis, of: Option<&str>, now: Seconds) -> anyhow::Result<Answer> {
    let mut forecasts = basis.forecast(&model()?, now);
    if let Some(wanted) = of {
        if !forecasts.iter().any(|one| &*one.table == wanted) {
            return Err(unknown_table(wanted, forecasts.iter().map(|one| &*one.table)));
        }
        forecasts.retain(|one| &*one.table == wanted);
    }
    let document = json!({
        "at": time(now), "tables": forecasts.iter().map(|one| TableOutlook::of(one, now)).collect::<Vec<_>>(),
    });
    let lines = match of {
        Some(_) => forecasts.iter().flat_map(|one| explained(one, now)).collect(),
        None => listed(&forecasts, now),
    };
    Ok(Answer::ok(document, lines))
}

/// That there is no such table, with the name that may have been meant.
fn unknown_table<'a>(wanted: &str, known: impl Iterator<Item = &'a str>) -> anyhow::Error {
    show::unknown("table", wanted, known, "evercount forecast list")
}

fn time(at: Seconds) -> String {
    show::time(at.saturating_mul(1_000_000))
}

/// A probability with its interval, in percent.
fn percent(outlook: &Outlook, kind: Kind, days: u32) -> String {
    let of = outlook.chances.iter().find(|one| one.target.kind == kind && one.target.days == days);
    of.map_or_else(String::new, |one| {
        let [p, from, to] = [one.chance.p, one.chance.from, one.chance.to].map(|p| (p * 100.0).round());
        format!("{p} % [{from}, {to}]")
    })
}

fn listed(forecasts: &[TableForecast], now: Seconds) -> Vec<String> {
    if forecasts.is_empty() {
        return vec!["no tables yet; the schema listener fills the registry as records arrive".to_owned()];
    }
    let mut sorted: Vec<&TableForecast> = forecasts.iter().collect();
    let half_a_year = |one: &TableForecast| match &one.judgement {
        Judgement::Outlook(outlook) => {
            let of = |one: &&evercount_forecast::predict::Estimate| one.target.kind == Kind::Any;
            outlook.chances.iter().filter(of).map(|one| one.chance.p).fold(0.0, f64::max)
        }
        Judgement::CannotJudge { .. } => -1.0,
    };
    sorted.sort_by(|a, b| half_a_year(b).total_cmp(&half_a_year(a)));
    let rows: Vec<_> = sorted
        .into_iter()
        .map(|one| {
            let mut cells = vec![plain(&one.table)];
            match &one.judgement {
                Judgement::Outlook(outlook) => {
                    cells.extend(HORIZONS.map(|days| percent(outlook, Kind::Any, days)));
                    cells.push(within(outlook.expected.middle, now));
                }
                Judgement::CannotJudge { because } => cells.push(format!("cannot be judged: {because}")),
            }
            (anstyle::Style::new(), cells)
        })
        .collect();
    let headers: Vec<String> = HORIZONS.map(|days| format!("within {days} days")).to_vec();
    let mut header = vec!["table"];
    header.extend(headers.iter().map(String::as_str));
    header.push("expected");
    table(&header, &rows)
}

fn within(at: Option<Seconds>, now: Seconds) -> String {
    at.map_or_else(|| "in over ten years".to_owned(), |at| format!("in {} days", (at - now) / 86_400))
}

fn explained(forecast: &TableForecast, now: Seconds) -> Vec<String> {
    let mut lines = vec![paint(STRONG, plain(&forecast.table))];
    match &forecast.judgement {
        Judgement::CannotJudge { because } => lines.push(format!("cannot be judged: {because}")),
        Judgement::Outlook(outlook) => {
            for kind in [Kind::Any, Kind::Add, Kind::Drop, Kind::Retype] {
                let all: Vec<String> = HORIZONS
                    .map(|days| format!("{} within {days} days", percent(outlook, kind, days)))
                    .to_vec();
                lines.push(format!("  {:<8}{}", kind.name(), all.join(", ")));
            }
            let expected = &outlook.expected;
            let [from, middle, to] = [expected.from, expected.middle, expected.to].map(|at| within(at, now));
            lines.push(format!("  expected {middle}; four in five come between {from} and {to}"));
            lines.push(format!("  {}", plain(&outlook.because)));
        }
    }
    for (feature, at) in &forecast.planned {
        lines.push(format!("  planned: {} on {}", plain(feature), time(*at)));
    }
    lines.extend(forecast.candidates.iter().map(candidate));
    lines
}

fn candidate(one: &Candidate) -> String {
    let typed = one.typed.as_deref().unwrap_or("of a type that is not known");
    let at = one.at.map_or_else(String::new, |at| format!(", about {}", time(at)));
    let (kind, p) = (one.kind.name(), (one.p * 1_000.0).round() / 10.0);
    let precision = paint(FAINT, format!("({})", one.precision.words()));
    format!("  {kind} `{}` {}: {p} %{at} {precision}", plain(&one.column), plain(typed))
}

fn run_bench(args: &BenchArgs) -> anyhow::Result<Exit> {
    let folder = args.folder.display();
    let entries = std::fs::read_dir(&args.folder).with_context(|| format!("could not read {folder}"))?;
    let mut files: Vec<_> = entries.flatten().map(|entry| entry.path()).collect();
    files.retain(|file| file.extension().is_some_and(|extension| extension == "csv"));
    files.sort();
    if files.len() < 2 {
        bail!(
            "{folder} holds {} histories; a model learns from the others, so there must be two",
            files.len()
        );
    }
    let histories = files.iter().map(|file| read(file)).collect::<anyhow::Result<Vec<_>>>()?;
    let found = bench(&histories, args.seed);
    let text = found.text().lines().map(str::to_owned).collect();
    Ok(Answer::ok(found.json(), text).tell(None, args.output))
}
