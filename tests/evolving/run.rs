//! One capture, delivered in one way, and what the counts said at each checkpoint.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path as FilePath;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use evercount_core::adoption::PlanOutcome;
use evercount_core::change::TableName;
use evercount_core::definition::{CountDefinition, DefinitionName, GROUPS_MAX_DEFAULT, Headroom};
use evercount_core::lane::{LaneId, SequenceNumber};
use evercount_core::logic::{Coverage, LogicState};
use evercount_core::path::Path;
use evercount_core::value::Value;
use evercount_pipeline::adapt::{self, AdaptOptions};
use evercount_pipeline::count::{self, CountMode, CountOptions, StreamRecord};
use evercount_pipeline::listen::{self, ListenOptions};
use evercount_pipeline::memory::Memory;
use evercount_pipeline::ports::{CatalogStore, NoSource};
use evercount_pipeline::publish::MemorySchemaEvents;
use evercount_pipeline::{define, maintain, read};
use serde_json::Value as Json;

use crate::truth::{Checkpoint, Truth};

/// How lines are delivered.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Delivery {
    InOrder,
    Twice,
    Shuffled,
    TwoShards,
}

/// Lines shuffled among each other, and lines of a batch.
const WINDOW: usize = 50;
/// Rows of the new shape within which a change that only rows show must be followed.
const ROWS_UNTOLD_MAX: usize = 50;
/// Batches between two rounds of the validator.
const MAINTAIN_EVERY: u64 = 8;
const NOW: i64 = 1_800_000_000_000_000;

const OPTIONS: AdaptOptions = AdaptOptions { margin: 900_000_000, pages: u32::MAX, ..AdaptOptions::BARE };

#[derive(Default)]
pub struct Report {
    pub checks: usize,
    /// Checks left out because the stream is known to lie, or has not told yet.
    pub left_out: usize,
    /// Checks in which a count differs and says so, because the stream does not tell.
    pub labelled: usize,
    pub wrong: Vec<String>,
    /// What became of each plan that affected a count.
    pub story: Vec<String>,
    pub outcomes: BTreeMap<(String, &'static str), usize>,
    pub source_items_read: u64,
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} counts equal the database's, {} left out, {} labelled, {} wrong; plans {:?}, {} source items read",
            self.checks - self.wrong.len(),
            self.left_out,
            self.labelled,
            self.wrong.len(),
            self.outcomes,
            self.source_items_read
        )
    }
}

struct Lane {
    id: LaneId,
    counting: count::Warm,
    listening: listen::Warm,
}

pub struct Run {
    name: String,
    delivery: Delivery,
    lines: Vec<String>,
    tables: BTreeMap<String, String>,
    store: Memory,
    events: MemorySchemaEvents,
    planned: usize,
    lanes: Vec<Lane>,
    next: u64,
    batches: u64,
    now: i64,
    definitions: Vec<(CountDefinition, String)>,
}

impl Run {
    pub fn new(folder: &FilePath, name: &str, delivery: Delivery, truth: &Truth) -> Self {
        let text = std::fs::read_to_string(folder.join("capture.jsonl")).unwrap();
        let lines: Vec<String> = text.lines().map(str::to_owned).collect();
        let tables = qualified(&lines);
        let mut definitions = Vec::new();
        let mut columns: Vec<(String, Option<String>)> =
            truth.columns().into_iter().map(|(table, column)| (table, Some(column))).collect();
        columns.extend(tables.keys().map(|table| (table.clone(), None)));
        for (table, column) in columns {
            let Some(full) = tables.get(&table) else { continue };
            let name = format!("c_{table}_{}", column.as_deref().unwrap_or("total"));
            definitions.push((definition(&name, full, column.as_deref()), table));
        }
        let lanes = if delivery == Delivery::TwoShards { 2 } else { 1 };
        let lane = |number| Lane {
            id: LaneId::of_shard("cdc", &format!("shard-{number}")),
            counting: count::Warm::default(),
            listening: listen::Warm::default(),
        };
        Self {
            name: name.to_owned(),
            delivery,
            lines,
            tables,
            store: Memory::default(),
            events: MemorySchemaEvents::default(),
            planned: 0,
            lanes: (0..lanes).map(lane).collect(),
            next: 0,
            batches: 0,
            now: NOW,
            definitions,
        }
    }

    pub async fn run(mut self, truth: &Truth) -> Report {
        let mut report = Report::default();
        for (definition, _) in &self.definitions {
            define::create(&self.store, definition.clone(), Coverage::Whole, NOW).await.unwrap();
        }
        let mut at = 0;
        let mut places: Vec<usize> = truth.checkpoints.iter().map(|one| one.after_line).collect();
        places.dedup();
        for place in places {
            self.deliver(at, place).await;
            at = place;
            for checkpoint in truth.checkpoints.iter().filter(|one| one.after_line == place) {
                self.compare(checkpoint, truth, &mut report).await;
            }
        }
        for one in self.store.adjustments(None).await.unwrap() {
            if one.outcome != PlanOutcome::NotAffected {
                report.story.push(format!(
                    "{} v{} {} {}: {} ({})",
                    one.plan.definition,
                    one.plan.from,
                    one.plan.class.name(),
                    one.outcome.name(),
                    one.plan.sentence,
                    one.verdict.as_deref().unwrap_or_default()
                ));
                let class = one.plan.class.name().to_owned();
                *report.outcomes.entry((class, one.outcome.name())).or_insert(0) += 1;
            }
            report.source_items_read += one.actual.source_items;
        }
        report
    }

    async fn deliver(&mut self, from: usize, to: usize) {
        let mut lines: Vec<String> = self.lines[from..to].to_vec();
        if self.delivery == Delivery::Twice {
            lines = lines.into_iter().flat_map(|line| [line.clone(), line]).collect();
        }
        if self.delivery == Delivery::Shuffled {
            let mut rng = fastrand::Rng::with_seed(7 + from as u64);
            lines.chunks_mut(WINDOW).for_each(|window| rng.shuffle(window));
        }
        for batch in lines.chunks(WINDOW) {
            let mut by_lane: Vec<Vec<StreamRecord>> = vec![Vec::new(); self.lanes.len()];
            for line in batch {
                let record = self.record(line);
                let lane = shard_of(&record.partition_key, self.lanes.len());
                by_lane[lane].push(record);
            }
            for (lane, records) in self.lanes.iter_mut().zip(&by_lane) {
                let options = ListenOptions { format: None, epoch: 0 };
                let listener = listen::Listener { store: &self.store, events: &self.events, options };
                let report =
                    listen::run(&listener, &mut lane.listening, &lane.id, records, self.now, || true).await;
                assert_eq!(report.stopped_by, None);
            }
            self.adapt().await;
            for (lane, records) in self.lanes.iter_mut().zip(&by_lane) {
                let options = CountOptions { mode: CountMode::Ledger, format: None, epoch: 0 };
                let counted =
                    count::run(&self.store, &mut lane.counting, &lane.id, records, options, self.now, || {
                        true
                    })
                    .await;
                assert_eq!(counted.stopped_by, None);
            }
            if self.batches.is_multiple_of(MAINTAIN_EVERY) {
                maintain::run(&self.store, &NoSource, OPTIONS, self.now).await.unwrap();
            }
            self.batches += 1;
            self.now += 1_000_000;
        }
    }

    async fn adapt(&mut self) {
        let events = self.events.distinct();
        for event in &events[self.planned..] {
            adapt::schema_changed(&self.store, &NoSource, event, OPTIONS, self.now).await.unwrap();
        }
        self.planned = events.len();
    }

    fn record(&mut self, line: &str) -> StreamRecord {
        self.next += 1;
        let record: Json = serde_json::from_str(line).unwrap();
        StreamRecord {
            sequence: SequenceNumber::parse(&self.next.to_string()).unwrap(),
            partition_key: record["key"].to_string().chars().take(200).collect(),
            arrived_at: self.now,
            data: line.as_bytes().to_vec().into(),
        }
    }

    async fn compare(&self, checkpoint: &Checkpoint, truth: &Truth, report: &mut Report) {
        let versions = self.store.versions().await.unwrap();
        let Some(full) = self.tables.get(&checkpoint.table) else { return };
        for version in versions.iter().filter(|one| one.state == LogicState::Active) {
            if version.definition.table.as_str() != full {
                continue;
            }
            let column = version.definition.group_by.first().map(ToString::to_string);
            let expected = match &column {
                None => BTreeMap::from([(Some("total".to_owned()), checkpoint.total)]),
                Some(column) => match checkpoint.groups.get(column) {
                    Some(groups) if !checkpoint.dropped => groups.clone(),
                    _ if checkpoint.total == 0 => BTreeMap::new(),
                    // A column that the truth does not group by here, or that is not there yet.
                    _ => continue,
                },
            };
            if self.is_left_out(checkpoint, column.as_deref(), truth) {
                report.left_out += 1;
                continue;
            }
            let reading = read::run(&self.store, version).await.unwrap();
            let by_wire = column.as_ref().is_some_and(|column| checkpoint.by_wire.contains(column));
            let found: BTreeMap<Option<String>, i64> = match &column {
                None => BTreeMap::from([(Some("total".to_owned()), reading.total)]),
                Some(_) => reading
                    .groups
                    .iter()
                    .map(|(key, n)| {
                        (
                            key.parts()
                                .first()
                                .map_or(Some("(absent)".to_owned()), |(_, value)| text(value, by_wire)),
                            *n,
                        )
                    })
                    .collect(),
            };
            if self.name.contains("postgres") && !reading.is_exact() && found != expected {
                // What the stream cannot tell is said; a total is right all the same.
                report.labelled += 1;
                continue;
            }
            report.checks += 1;
            if found != expected || reading.uncertain != 0 {
                report.wrong.push(format!(
                    "line {} {} {column:?} ({}): counted {found:?} (±{}), the database {expected:?}",
                    checkpoint.after_line, checkpoint.table, version.id, reading.uncertain
                ));
            }
        }
    }

    /// Where the stream is known not to say what the database holds, or rows have not shown it yet.
    fn is_left_out(&self, checkpoint: &Checkpoint, column: Option<&str>, truth: &Truth) -> bool {
        let line = checkpoint.after_line;
        let untold = self.name.contains("postgres");
        match self.name.as_str() {
            // NULL in a nullable column with a default is sent as the default.
            "coppermine-mariadb" if column == Some("pic_price_band") => return true,
            // Truncates are skipped by default, and PostgreSQL says nothing of a dropped table.
            "coppermine-postgres-default-identity" if checkpoint.table == "cpg_albums" && line >= 416 => {
                return true;
            }
            _ => {}
        }
        if untold && checkpoint.dropped {
            return true;
        }
        // A table that was renamed and has not been written since.
        if untold && self.rows_between(&checkpoint.table, 0, line) == 0 {
            return true;
        }
        // Only rows can show the change, and there must have been enough of them.
        untold
            && column.is_some()
            && truth.checkpoints.iter().any(|one| {
                one.table == checkpoint.table
                    && one.after_ddl
                    && one.after_line <= line
                    && self.rows_between(&checkpoint.table, one.after_line, line) < ROWS_UNTOLD_MAX
            })
    }

    fn rows_between(&self, table: &str, from: usize, to: usize) -> usize {
        let of_table = |line: &&String| {
            let record: Json = serde_json::from_str(line).unwrap();
            record["value"]["source"]["table"] == table && !record["value"]["after"].is_null()
        };
        self.lines[from..to].iter().filter(of_table).count()
    }
}

fn definition(name: &str, table: &str, column: Option<&str>) -> CountDefinition {
    CountDefinition {
        name: DefinitionName::parse(name).unwrap(),
        table: TableName::new(table),
        group_by: column.map(Path::column).into_iter().collect(),
        filter: None,
        distinct: None,
        groups_max: GROUPS_MAX_DEFAULT,
        headroom: Headroom::default(),
    }
}

fn shard_of(key: &str, shards: usize) -> usize {
    key.bytes().map(usize::from).sum::<usize>() % shards
}

/// Database and schema stand before a table's name in the stream but not in the truth.
fn qualified(records: &[String]) -> BTreeMap<String, String> {
    let mut names = BTreeMap::new();
    for line in records {
        let record: Json = serde_json::from_str(line).unwrap();
        let source = &record["value"]["source"];
        if let Some(table) = source["table"].as_str() {
            let owner = source["schema"].as_str().or(source["db"].as_str()).unwrap();
            names.insert(table.to_owned(), format!("{owner}.{table}"));
        }
    }
    names
}

fn text(value: &Value, by_wire: bool) -> Option<String> {
    match value {
        Value::Null => None,
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Binary(bytes) if by_wire => Some(STANDARD.encode(bytes)),
        Value::Binary(bytes) => Some(String::from_utf8_lossy(bytes).into_owned()),
        other => panic!("the truth has no groups like {other:?}"),
    }
}
