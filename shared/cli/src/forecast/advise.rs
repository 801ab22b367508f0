//! `evercount forecast advise`: what to count now, so that the changes that are likely need no rescan.
//!
//! With `--json` it prints `{"advice": [{"count", "extra": {"dimension"} or {"truth_of": [column]}, "p",
//! "extra_counters", "write_units_per_month", "read_units_saved", "worth_it", "because", "adopted"}], "notes":
//! [text], "budget": {"write_units_per_month", "spent"}}`.

use std::collections::BTreeMap;

use evercount_core::logic::{LogicState, LogicVersion};
use evercount_core::path::Path;
use evercount_core::predicate::Predicate;
use evercount_forecast::advisor::{Advice, Extra, Registered, advise};
use evercount_local::stack::now;
use evercount_pipeline::ports::{CatalogStore, RegistryStore, SourceTable};
use evercount_pipeline::read;
use serde_json::{Value, json};

use super::registered;
use crate::answer::{self, Answer};
use crate::args::forecast::AdviseArgs;
use crate::count::alter;
use crate::drive;
use crate::exit::Exit;
use crate::schema::text::{FAINT, GOOD, paint, plain};
use crate::target::Opened;

/// Write units of a change to one counter more. Counters of one item are written together, many changes in
/// one transaction: measured on the registers of distinct counts, which lie further apart than groups do.
const UNITS_A_CHANGE: f64 = 0.4;
/// A month, microseconds.
const MONTH: f64 = 30.0 * 86_400e6;
/// A shorter watch says nothing about a month: an import, a test.
const WATCHED_MIN: f64 = 86_400e6;

/// Runs the command.
pub async fn run(args: AdviseArgs) -> anyhow::Result<Exit> {
    answer::on(args.target, args.output, args.adopt, async |opened| advised(opened, &args).await).await
}

async fn advised(opened: &Opened, args: &AdviseArgs) -> anyhow::Result<Answer> {
    let (history, basis) = registered(opened, now()).await?;
    let forecasts = basis.predict(&history, now() / 1_000_000)?;
    let mut versions = opened.stack.store().versions().await?;
    versions.retain(|version| version.state == LogicState::Active);
    let (mut counts, mut notes) = (Vec::new(), Vec::new());
    let sizes: BTreeMap<&str, u64> =
        args.bytes.iter().map(|(table, bytes)| (table.as_str(), *bytes)).collect();
    for version in &versions {
        match priced(opened, version, &sizes).await? {
            Ok(count) => counts.push(count),
            Err(note) => notes.push(note),
        }
    }
    let mut advice = advise(&forecasts, &counts);
    advice.retain(|one| !versions.iter().any(|version| has(version, one)));
    if versions.is_empty() {
        notes.push("no counts yet; `evercount count create NAME --table TABLE` makes one".to_owned());
    } else if advice.is_empty() && notes.is_empty() {
        notes.push("no change is likely that would ask a count to be read again".to_owned());
    }
    let (adopted, spent) =
        if args.adopt { adopt(opened, &advice, args).await? } else { (BTreeMap::new(), 0.0) };
    let lines = told(&advice, &adopted, &notes);
    let shown = advice.iter().enumerate().map(|(place, one)| to_json(one, adopted.get(&place)));
    let document = json!({
        "advice": shown.collect::<Vec<_>>(), "notes": notes,
        "budget": {"write_units_per_month": args.budget, "spent": spent},
    });
    Ok(Answer::ok(document, lines))
}

/// A count with what its counters cost and what its table is, or why that is not known.
async fn priced(
    opened: &Opened,
    version: &LogicVersion,
    sizes: &BTreeMap<&str, u64>,
) -> anyhow::Result<Result<Registered, String>> {
    let (store, definition) = (opened.stack.store(), &version.definition);
    let table = &definition.table;
    let bytes = match sizes.get(table.as_str()) {
        Some(bytes) => Some(*bytes),
        None => drive::source(opened).facts(table).await.bytes.filter(|bytes| *bytes > 0),
    };
    let name = &definition.name;
    let Some(source_bytes) = bytes else {
        return Ok(Err(format!(
            "{name}: how large `{table}` is is not known, so a rescan has no price; `--bytes {table}=BYTES` says it"
        )));
    };
    let watches = store.watches(table).await?;
    let changes: f64 = watches
        .values()
        .map(|watch| {
            let watched = watch.last_seen.saturating_sub(watch.first_seen).max(0) as f64;
            watch.seen as f64 * MONTH / watched.max(WATCHED_MIN)
        })
        .sum();
    if changes <= 0.0 {
        return Ok(Err(format!(
            "{name}: how often `{table}` changes is not known yet; the schema listener sees it with the records"
        )));
    }
    let reading = read::run(store, version).await?;
    let columns =
        |paths: &mut dyn Iterator<Item = &Path>| paths.map(|path| path.column_name().to_owned()).collect();
    Ok(Ok(Registered {
        count: name.to_string(),
        table: table.to_string(),
        group_columns: columns(&mut definition.group_by.iter()),
        condition_columns: columns(&mut definition.filter.iter().flat_map(Predicate::paths)),
        groups: (reading.groups.len() as u64).max(1),
        write_units_per_month: changes * UNITS_A_CHANGE,
        source_bytes,
    }))
}

/// Whether a count has what is advised already.
fn has(version: &LogicVersion, advice: &Advice) -> bool {
    let headroom = &version.definition.headroom;
    version.definition.name.as_str() == advice.count
        && match &advice.extra {
            Extra::Dimension { column } => {
                headroom.attributes.iter().any(|path| path.column_name() == column)
            }
            Extra::TruthBit { .. } => headroom.truth,
        }
}

/// Adopts what is worth it, what saves most for its price first, until the budget is spent. Returns what was
/// done about which piece of advice, and what that costs.
async fn adopt(
    opened: &Opened,
    advice: &[Advice],
    args: &AdviseArgs,
) -> anyhow::Result<(BTreeMap<usize, String>, f64)> {
    let (mut done, mut spent) = (BTreeMap::new(), 0.0);
    let budget = args.budget.unwrap_or(0) as f64;
    for (place, one) in advice.iter().enumerate().filter(|(_, one)| one.worth_it) {
        // One that is too dear leaves room for a cheaper one behind it.
        if spent + one.write_units_per_month > budget {
            continue;
        }
        let column = match &one.extra {
            Extra::Dimension { column } => Some(column.as_str()),
            Extra::TruthBit { .. } => None,
        };
        done.insert(place, alter::add_headroom(opened, &one.count, column, args.output.json).await?);
        spent += one.write_units_per_month;
    }
    Ok((done, spent))
}

fn to_json(one: &Advice, adopted: Option<&String>) -> Value {
    let extra = match &one.extra {
        Extra::Dimension { column } => json!({"dimension": column}),
        Extra::TruthBit { columns } => json!({"truth_of": columns}),
    };
    json!({
        "count": one.count, "extra": extra, "p": one.p, "extra_counters": one.extra_counters,
        "write_units_per_month": one.write_units_per_month, "read_units_saved": one.read_units_saved,
        "worth_it": one.worth_it, "because": one.because, "adopted": adopted,
    })
}

fn told(advice: &[Advice], adopted: &BTreeMap<usize, String>, notes: &[String]) -> Vec<String> {
    let mut lines = Vec::new();
    for (place, one) in advice.iter().enumerate() {
        let what = match &one.extra {
            Extra::Dimension { column } => format!("count by `{}` too", plain(column)),
            Extra::TruthBit { .. } => "count what fails its condition too".to_owned(),
        };
        let option = match &one.extra {
            Extra::Dimension { column } => format!("--headroom {}", plain(Path::column(column))),
            Extra::TruthBit { .. } => "--headroom-truth".to_owned(),
        };
        let verdict = if one.worth_it { paint(GOOD, "worth it") } else { paint(FAINT, "not worth it") };
        lines.push(format!("{}: {what}: {verdict}", plain(&one.count)));
        lines.push(format!("  {}", plain(&one.because)));
        match adopted.get(&place) {
            Some(done) => lines.push(format!("  adopted: {}", plain(done))),
            None if one.worth_it => {
                lines.push(format!("  evercount count alter {} {option}", plain(&one.count)));
            }
            None => {}
        }
    }
    lines.extend(notes.iter().map(|note| paint(FAINT, plain(note))));
    lines
}
