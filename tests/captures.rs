//! Real captures against the database's own `GROUP BY` at every checkpoint: in order, with each
//! line delivered twice, and shuffled within windows of fifty lines.
//!
//! The captures are not part of the project; where their folder is absent, the tests say so and
//! pass. Here a checkpoint holds a count to the truth while data definition statements have left
//! its columns alone.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a test may panic and says what it skips"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use evercount_aws::dynamo::TableNames;
use evercount_core::change::TableName;
use evercount_core::definition::{CountDefinition, DefinitionName, GROUPS_MAX_DEFAULT};
use evercount_core::logic::{Coverage, LogicVersion};
use evercount_core::value::Value;
use evercount_local::put::{Entry, put_in_order};
use evercount_local::stack::invoke;
use evercount_local::{EmbeddedOptions, Stack, StartingPosition};
use evercount_pipeline::count::{CountMode, CountOptions};
use evercount_pipeline::{define, read};
use serde_json::Value as Json;

/// How lines are delivered.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Delivery {
    InOrder,
    Twice,
    Shuffled,
}

/// Lines shuffled among each other.
const WINDOW: usize = 50;

/// Where a stream is known not to say what the database holds; see the captures' own notes.
fn is_a_lie(capture: &str, table: &str, column: &str, at: &Json) -> bool {
    let line = at["after_line"].as_u64().unwrap();
    match capture {
        // NULL in a nullable column with a default is sent as the default.
        "coppermine-mariadb" => column == "pic_price_band",
        // Operations are skipped as they are by default: the truncate after line 416 left no
        // trace. PostgreSQL says nothing of a dropped table either.
        "coppermine-postgres-default-identity" => {
            (table == "cpg_albums" && line >= 416) || at["dropped"] == true
        }
        "coppermine-postgres" => at["dropped"] == true,
        _ => false,
    }
}

fn captures() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/data/cdc");
    let Ok(entries) = std::fs::read_dir(&folder) else {
        println!("skipped: there are no captures beside the project");
        return Vec::new();
    };
    let mut captures: Vec<PathBuf> =
        entries.flatten().map(|entry| entry.path()).filter(|path| path.is_dir()).collect();
    captures.sort();
    captures
}

fn lines(path: &Path) -> Vec<String> {
    std::fs::read_to_string(path).unwrap().lines().map(str::to_owned).collect()
}

/// The count of a column (or, without one, of all rows) of a table.
fn definition(table: &str, column: Option<&str>) -> CountDefinition {
    let name = format!("c_{}_{}", table.replace('.', "_"), column.unwrap_or("total"));
    CountDefinition {
        name: DefinitionName::parse(&name).unwrap(),
        table: TableName::new(table),
        group_by: column.map(evercount_core::path::Path::column).into_iter().collect(),
        filter: None,
        distinct: None,
        groups_max: GROUPS_MAX_DEFAULT,
        headroom: evercount_core::definition::Headroom::default(),
    }
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

struct Counted {
    logic: LogicVersion,
    table: String,
    column: Option<String>,
    /// The column as it was when counting started: while it is this, nobody touched it.
    was: Option<Json>,
}

fn column_of<'a>(at: &'a Json, name: &str) -> Option<&'a Json> {
    at["columns"].as_array()?.iter().find(|column| column["name"] == name)
}

async fn check(capture: &Path, delivery: Delivery) -> (usize, usize) {
    let name = capture.file_name().unwrap().to_string_lossy().into_owned();
    let records = lines(&capture.join("capture.jsonl"));
    let truth: Vec<Json> =
        lines(&capture.join("truth.jsonl")).iter().map(|line| serde_json::from_str(line).unwrap()).collect();
    let names = qualified(&records);
    let stack = Stack::embedded(EmbeddedOptions::default(), TableNames::default()).await.unwrap();
    let mut counted = Vec::new();
    let mut known = BTreeSet::new();
    for at in truth.iter().take_while(|at| at["ddl_applied"].is_null()) {
        let table = at["table"].as_str().unwrap();
        let groups = at["group_by"].as_object().unwrap().keys().map(|column| Some(column.as_str()));
        for column in std::iter::once(None).chain(groups) {
            if known.insert((table.to_owned(), column.map(str::to_owned))) {
                let logic =
                    define::create(stack.store(), definition(&names[table], column), Coverage::Whole, 0)
                        .await
                        .unwrap();
                let was = column.and_then(|column| column_of(at, column)).cloned();
                counted.push(Counted {
                    logic,
                    table: table.to_owned(),
                    column: column.map(str::to_owned),
                    was,
                });
            }
        }
    }
    stack.create_stream("capture", 3).await.unwrap();
    let options = CountOptions { mode: CountMode::Ledger, format: None, epoch: 0 };
    let counter = stack.counter(options, Arc::new(|_, _| {}));
    let mut poller = stack.poller("capture", 200, StartingPosition::TrimHorizon).await.unwrap();
    let mut rng = fastrand::Rng::with_seed(7);
    let (mut done, mut checks, mut wrong) = (0, 0, Vec::new());
    let mut touched: BTreeSet<usize> = BTreeSet::new();
    for at in &truth {
        let until = usize::try_from(at["after_line"].as_u64().unwrap()).unwrap();
        for window in records[done..until].chunks(WINDOW) {
            let mut window: Vec<&String> = window.iter().collect();
            match delivery {
                Delivery::InOrder => {}
                Delivery::Twice => window = window.into_iter().flat_map(|line| [line, line]).collect(),
                Delivery::Shuffled => rng.shuffle(&mut window),
            }
            let entries: Vec<Entry> = window.into_iter().map(|line| entry(line)).collect();
            put_in_order(stack.kinesis(), "capture", &entries).await.unwrap();
        }
        done = until;
        poller.run_until_idle(invoke(&counter)).await.unwrap();
        for (index, one) in counted.iter().enumerate().filter(|(_, one)| at["table"] == one.table.as_str()) {
            let column = one.column.as_deref();
            let renamed = at["note"] == "renamed away";
            let altered = column.is_some_and(|column| column_of(at, column) != one.was.as_ref());
            if renamed || (altered && at["dropped"] != true) {
                touched.insert(index);
            }
            if touched.contains(&index) || is_a_lie(&name, &one.table, column.unwrap_or(""), at) {
                continue;
            }
            let reading = read::run(stack.store(), &one.logic).await.unwrap();
            let expected = expected(at, column);
            let found: BTreeMap<String, i64> = match column {
                None => [("total".to_owned(), reading.total)].into(),
                Some(_) => reading.groups.iter().map(|(key, n)| (text(&key.parts()[0].1), *n)).collect(),
            };
            checks += 1;
            if found != expected || reading.uncertain != 0 {
                wrong.push(format!("{name} {delivery:?} line {until} {} {column:?}: counted {found:?} (±{}), database {expected:?}", one.table, reading.uncertain));
            }
        }
    }
    stack.stop().await;
    assert!(wrong.is_empty(), "{} of {checks} checks wrong, first: {}", wrong.len(), wrong[0]);
    (truth.len(), checks)
}

fn entry(line: &str) -> Entry {
    let record: Json = serde_json::from_str(line).unwrap();
    let key: String = record["key"].to_string().chars().take(200).collect();
    Entry { partition_key: key, data: line.as_bytes().to_vec() }
}

fn expected(at: &Json, column: Option<&str>) -> BTreeMap<String, i64> {
    let total = at["total"].as_i64().unwrap_or(0);
    let Some(column) = column else { return [("total".to_owned(), total)].into() };
    let groups = at["group_by"][column].as_object();
    let mut expected: BTreeMap<String, i64> =
        groups.into_iter().flatten().map(|(value, n)| (value.clone(), n.as_i64().unwrap())).collect();
    if let Some(nulls) = at["group_by_null"][column].as_i64().filter(|nulls| *nulls > 0) {
        expected.insert("\0null".to_owned(), nulls);
    }
    expected
}

fn text(value: &Value) -> String {
    match value {
        Value::Null => "\0null".to_owned(),
        Value::String(text) => text.clone(),
        Value::Number(number) => number.to_string(),
        other => panic!("the truth has no groups like {other:?}"),
    }
}

fn run(delivery: Delivery) {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    for capture in captures() {
        let (checkpoints, checks) = runtime.block_on(check(&capture, delivery));
        println!(
            "{}: {checkpoints} checkpoints, {checks} counts equal the database's ({delivery:?})",
            capture.file_name().unwrap().display()
        );
        assert!(checks > 0);
    }
}

#[test]
fn counts_equal_the_database_at_every_checkpoint() {
    run(Delivery::InOrder);
}

#[test]
fn counts_equal_the_database_when_every_line_comes_twice() {
    run(Delivery::Twice);
}

#[test]
fn counts_equal_the_database_when_lines_are_shuffled() {
    run(Delivery::Shuffled);
}
