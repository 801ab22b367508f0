//! A year of a project, week by week, on what `evercount local` runs on: predictions, the shadow schema, a release
//! plan whose column comes (and one whose column does not), requests through the data proxy for that column
//! before and after it came, what happened held against what was said, and what to count ahead.
//!
//! The year is told as a transcript. That of the shop, which is made up, is kept in `year.txt`; to write it
//! anew, run the test with `EVERCOUNT_WRITE_TRANSCRIPT=1` and read what changed. Years of open projects are
//! told where their histories are; they are no part of this repository.

use std::collections::BTreeSet;
use std::path::PathBuf;

use evercount_aws::dynamo::DynamoStore;
use evercount_core::change::TableName;
use evercount_core::prediction::{ImportKind, Imported, Kind, Standing};
use evercount_core::schema::{FieldType, TypeSet};
use evercount_core::schema_change::Subject;
use evercount_core::shadow::{ShadowSchema, ShadowState};
use evercount_core::value::Value;
use evercount_forecast::advisor::{Registered, advise};
use evercount_forecast::history::{Event, EventKind, History, Seconds, read};
use evercount_forecast::predict::{Question, predict};
use evercount_forecast::settle::{adjustment, trust};
use evercount_forecast::trained::Model;
use evercount_forecast::units::HORIZONS;
use evercount_pipeline::arrive::{self, Arriving};
use evercount_pipeline::forecast::{ForecastReport, Warm, load_history, load_usage, read_imports, run};
use evercount_pipeline::ports::{ForecastStore, ShadowSchemaStore, ShadowStore};
use serde_json::{Value as Json, json};

use super::history::{START, register, shop, types};
use super::traffic::{Answer, Traffic};

const DAY: Seconds = 86_400;
const WEEK: Seconds = 7 * DAY;

/// A column that comes in the year, and when.
struct Arrival {
    table: String,
    column: String,
    typed: String,
    at: Seconds,
}

impl Arrival {
    fn is_number(&self) -> bool {
        types(&self.typed) == TypeSet::of(FieldType::INTEGER)
    }

    /// What a release plan says of it.
    fn declared(&self) -> &'static str {
        if self.is_number() { "N DEFAULT 3" } else { "S DEFAULT 'none'" }
    }

    /// What items have that were written before.
    fn default_value(&self) -> Value {
        if self.is_number() { Value::Number(3.into()) } else { Value::String("none".into()) }
    }

    /// What clients write.
    fn value(&self) -> Value {
        if self.is_number() { Value::Number(7.into()) } else { Value::String("for you".into()) }
    }
}

struct Year<'a> {
    traffic: &'a Traffic,
    store: &'a DynamoStore,
    history: &'a History,
    model: Model,
    warm: Warm,
    began: Seconds,
    arrival: Arrival,
    /// The key of the table that the column comes to.
    key: String,
    lines: Vec<String>,
}

impl Year<'_> {
    fn tell(&mut self, at: Seconds, what: impl std::fmt::Display) {
        let day = (at - self.began) / DAY;
        self.lines.push(format!("day {day:>3}  {what}"));
    }

    async fn live(&mut self) {
        self.traffic.at(self.began);
        register(self.store, self.history, 0, self.began).await;
        self.traffic.create(&self.arrival.table, &self.key).await;
        for week in 0..=56 {
            let now = self.began + week * WEEK;
            self.traffic.at(now);
            register(self.store, self.history, now - WEEK, now).await;
            match week {
                2 => self.ask_too_early(now).await,
                4 => self.import_plan(now).await,
                _ => {}
            }
            let report =
                run(self.store, self.store, &self.model, &mut self.warm, now * 1_000_000).await.unwrap();
            self.report(now, &report).await;
            if week == 8 {
                self.write_before(now).await;
                self.advice(now).await;
            }
            self.move_what_arrived(now).await;
        }
        self.end().await;
    }

    /// A plan that names a column a week before it really comes, and one that nobody ever adds.
    async fn import_plan(&mut self, now: Seconds) {
        let Arrival { table, column, at, .. } = &self.arrival;
        let date = |at: Seconds| {
            let text = evercount_wire::items::time_value(at * 1_000_000);
            let Value::String(text) = text else { return String::new() };
            text[..10].to_owned()
        };
        let text = format!(
            "date,feature,tables,columns\n{},gifts,{table},{table}.{column}:{}\n{},never,{table},{table}.never_comes:N\n",
            date(at - WEEK),
            self.arrival.declared(),
            date(self.began + 100 * DAY),
        );
        let plan =
            Imported { kind: ImportKind::ReleasesCsv, name: "plan.csv".into(), at: now * 1_000_000, text };
        self.store.put_import(&plan).await.unwrap();
        let told = format!("a release plan is imported: `{column}` and `never_comes` of `{table}`");
        self.tell(now, told);
    }

    fn item(&self, id: &str, column: Option<(&str, &Value)>) -> Json {
        let mut item = json!({&*self.key: {"S": id}});
        if let Some((column, value)) = column {
            item[column] = self.written(value);
        }
        item
    }

    /// A value as requests have it.
    fn written(&self, value: &Value) -> Json {
        match value {
            Value::String(text) => json!({ "S": text }),
            Value::Number(n) => json!({"N": n.to_string()}),
            other => panic!("no client writes {other:?}"),
        }
    }

    /// Puts an item through the proxy.
    async fn put(&self, id: &str, column: Option<(&str, &Value)>) -> Answer {
        let body = json!({"TableName": self.arrival.table, "Item": self.item(id, column)});
        self.traffic.ask("PutItem", &body).await
    }

    /// What there is of an item's column, read through the proxy or straight.
    async fn value_of(&self, id: &str, straight: bool) -> Json {
        let body =
            json!({"TableName": self.arrival.table, "Key": self.item(id, None), "ConsistentRead": true});
        let (status, told) = match straight {
            true => self.traffic.ask_straight("GetItem", &body).await,
            false => self.traffic.ask("GetItem", &body).await,
        };
        assert_eq!(status, 200, "{told}");
        told["Item"][&self.arrival.column].clone()
    }

    /// A release goes out too early: its clients write a column that nobody expects, and are refused by name. So
    /// are those of another one, whose column nobody ever adds.
    async fn ask_too_early(&mut self, now: Seconds) {
        let value = self.arrival.value();
        assert_eq!(self.put("o-0", None).await.0, 200, "what the table has goes through");
        for (column, times) in [(self.arrival.column.clone(), 20), ("asked_for".to_owned(), 12)] {
            let mut told = Json::Null;
            for time in 0..times {
                let (status, body) = self.put(&format!("e-{time}"), Some((&column, &value))).await;
                assert_eq!(status, 400, "{body}");
                told = body["message"].clone();
            }
            let told = told.as_str().unwrap().to_owned();
            let expected =
                format!("PutItem on `{}`: the table has no attribute `{column}`", self.arrival.table);
            assert!(told.starts_with(&expected), "{told}");
            let last = told.split("; did you mean").next().unwrap_or_default();
            self.tell(now, format!("{times} requests are refused: {last}"));
        }
        self.traffic.store_usage().await;
    }

    async fn report(&mut self, now: Seconds, report: &ForecastReport) {
        if report.made > 0 {
            self.tell(now, format!("{} windows begin, {} predictions are open", report.made, report.open));
            for one in self.store.predictions().await.unwrap() {
                if one.made_at == now * 1_000_000
                    && (now == self.began || one.table.as_str() == self.arrival.table)
                {
                    self.lines.push(format!("           {}", one.summary()));
                }
            }
        }
        for one in &report.settled {
            let what = match &one.column {
                Some((column, source)) => format!("`{column}` of `{}` ({source})", one.table),
                None => format!("a change of `{}`", one.table),
            };
            self.tell(now, format!("{what} is {}: {}", one.standing.name(), one.discrepancy));
        }
        for (table, column, state) in &report.shadowed {
            self.tell(now, format!("shadow schema of `{table}`: `{column}` {state}"));
        }
    }

    async fn shadow(&self) -> Option<ShadowSchema> {
        self.store.shadow_schema(&TableName::new(&self.arrival.table)).await.unwrap()
    }

    /// The column is written before the table has it: the clients are answered as if it had, and the values are
    /// kept beside the table.
    async fn write_before(&mut self, now: Seconds) {
        let schema = self.shadow().await.unwrap();
        assert_eq!(schema.columns[&self.arrival.column].state, ShadowState::Expected);
        let (column, value) = (self.arrival.column.clone(), self.arrival.value());
        for id in ["o-1", "o-2"] {
            let (status, told) = self.put(id, Some((&column, &value))).await;
            assert_eq!(status, 200, "{told}");
            assert_eq!(self.value_of(id, false).await, self.written(&value), "{id} through the proxy");
            assert_eq!(self.value_of(id, true).await, Json::Null, "{id} in the table");
        }
        let default = self.written(&self.arrival.default_value());
        assert_eq!(self.value_of("o-0", false).await, default, "an item of before has the default");
        let told = format!(
            "two items are written with `{column}` and read again: the values are kept beside the table"
        );
        self.tell(now, told);
        self.tell(now, format!("an item of before is read with the default of `{column}`"));
    }

    /// What arrived takes what was kept beside the table, and new values with it.
    async fn move_what_arrived(&mut self, now: Seconds) {
        let table = TableName::new(&self.arrival.table);
        loop {
            let (store, written) = (self.store, &self.traffic.written);
            let page = arrive::page(store, store, written, &table, false, now * 1_000_000).await.unwrap();
            match page {
                Arriving::Nothing => return,
                Arriving::Page(_) => {}
                Arriving::Misfits(pass) => panic!("{pass:?}"),
                Arriving::Cleaned(pass) => {
                    let columns: Vec<String> = pass.columns.iter().map(|name| format!("`{name}`")).collect();
                    self.tell(now, format!("nothing of {} is left beside the table", columns.join(", ")));
                }
                Arriving::Moved(pass) => {
                    if !pass.columns.contains(&self.arrival.column) {
                        continue;
                    }
                    let told =
                        format!("{} values of `{}` go into the table", pass.moved, self.arrival.column);
                    self.tell(now, told);
                    self.write_after(now).await;
                }
            }
        }
    }

    /// The column is there: what was kept beside the table is in it, and what is written goes into it.
    async fn write_after(&mut self, now: Seconds) {
        let value = self.arrival.value();
        let expected = self.written(&value);
        for id in ["o-1", "o-2"] {
            assert_eq!(self.value_of(id, false).await, expected, "{id} through the proxy");
            assert_eq!(self.value_of(id, true).await, expected, "{id} in the table");
        }
        let column = self.arrival.column.clone();
        let (status, told) = self.put("o-3", Some((&column, &value))).await;
        assert_eq!(status, 200, "{told}");
        assert_eq!(self.value_of("o-3", true).await, expected);
        let told = format!("an item is written with `{column}` through the proxy, and the table has it");
        self.tell(now, told);
    }

    /// What to count ahead, for a count of a table of 40 GB that changes 2,000 times a month.
    async fn advice(&mut self, now: Seconds) {
        let mut known = read_imports(&self.store.imports().await.unwrap(), now * 1_000_000);
        let history = load_history(self.store, &mut self.warm, &[], now * 1_000_000).await.unwrap();
        let asked = load_usage(self.store, &self.warm, now * 1_000_000).await.unwrap();
        known.signals.usage.unknown.extend(asked);
        let learnt = self.store.learnt().await.unwrap();
        let trust = trust(&learnt);
        let question = Question {
            now,
            horizons: &HORIZONS,
            model: &self.model,
            adjustment: adjustment(&learnt),
            signals: &known.signals,
            trust: &trust,
        };
        let count = Registered {
            count: "by_status".to_owned(),
            table: self.arrival.table.clone(),
            group_columns: vec!["status".to_owned()],
            condition_columns: vec!["amount".to_owned()],
            groups: 12,
            write_units_per_month: 800.0,
            source_bytes: 40_000_000_000,
        };
        let advice = advise(&predict(&history, &question), &[count]);
        let worth = advice.iter().filter(|one| one.worth_it).count();
        assert!(worth > 0, "{advice:#?}");
        self.tell(
            now,
            format!("the advisor has {} pieces of advice, {worth} worth it; the first:", advice.len()),
        );
        self.lines.push(format!("           {}", advice[0].because));
    }

    async fn end(&mut self) {
        let learnt = self.store.learnt().await.unwrap();
        let points = self.store.reliability().await.unwrap();
        let (brier, bias) = evercount_pipeline::forecast::reliability(&points).unwrap();
        let now = self.began + 56 * WEEK;
        let of = learnt.confirmed + learnt.refuted;
        self.tell(now, format!("of {of} predictions that came to their end, {} came true", learnt.confirmed));
        self.tell(now, format!("Brier score {brier:.3}, {:+.1} % came more than was said", bias * 100.0));
        for (source, one) in &learnt.trust {
            self.tell(now, format!("of columns by `{source}`, {} of {} came", one.hits, one.of));
        }
        for month in points.iter().filter(|point| point.kind == Kind::Any && point.days == 183) {
            let total = month.total();
            let said = total.p_micro as f64 / 1e6;
            self.tell(
                month.month / 1_000_000,
                format!("month of {} ends: {} came, {said:.1} were said", total.n, total.came),
            );
        }
    }
}

/// A column that comes in the second quarter of a year, to a table that is there and keeps a column of texts
/// all the while: that one is its key. It comes within what a plan is believed ahead when it is imported.
fn arrival(history: &History, began: Seconds) -> Option<(Arrival, String)> {
    let before = || history.events().iter().filter(|one| one.at < began);
    history.events().iter().find_map(|event| {
        let soon = event.at > began + 80 * DAY && event.at < began + 200 * DAY;
        let had = || before().any(|one| one.table == event.table && one.column == event.column);
        if event.kind != EventKind::AddColumn || !soon || had() {
            return None;
        }
        let mut kept: BTreeSet<&str> = BTreeSet::new();
        let is_text = |one: &Event| types(&one.typed) == TypeSet::of(FieldType::STRING);
        let until_the_end = |one: &&Event| one.table == event.table && one.at <= began + 56 * WEEK;
        for one in history.events().iter().filter(until_the_end) {
            match one.kind {
                EventKind::Initial | EventKind::CreateTable | EventKind::AddColumn if one.at < began => {
                    kept.extend(is_text(one).then_some(&*one.column));
                }
                EventKind::ChangeType if !is_text(one) => drop(kept.remove(&*one.column)),
                EventKind::DropColumn => drop(kept.remove(&*one.column)),
                EventKind::RenameColumn => drop(kept.remove(&*one.before)),
                EventKind::DropTable => kept.clear(),
                _ => {}
            }
        }
        let key = (*kept.first()?).to_owned();
        let (table, column) = (event.table.to_string(), event.column.to_string());
        Some((Arrival { table, column, typed: event.typed.to_string(), at: event.at }, key))
    })
}

/// A history whose tables have names that DynamoDB takes: `#__content` is one of a project's.
fn renamed(name: &str, history: &History) -> History {
    let is_taken = |c: char| c.is_ascii_alphanumeric() || "_-.".contains(c);
    let events = history.events().iter().map(|event| {
        let table: String = event.table.chars().map(|c| if is_taken(c) { c } else { '_' }).collect();
        Event { table: format!("{table:_<3}").as_str().into(), ..event.clone() }
    });
    History::new(name, events.collect())
}

/// The year that begins at a time of a history, in which a column comes.
async fn year(history: &History, began: Seconds) -> Vec<String> {
    let (arrival, key) = arrival(history, began).unwrap();
    let traffic = Traffic::start().await;
    let (model, warm) = (Model::shipped().unwrap(), Warm::default());
    let (table, column) = (Subject::new(&arrival.table), arrival.column.clone());
    let store = traffic.store.clone();
    let (traffic_of, lines) = (&traffic, Vec::new());
    let mut year =
        Year { traffic: traffic_of, store: &store, history, model, warm, began, arrival, key, lines };
    year.live().await;
    let lines = year.lines;
    let all = store.predictions_of(&table).await.unwrap();
    let beliefs = || all.iter().flat_map(|one| &one.columns);
    let of =
        |name: &str| beliefs().filter(|one| one.column == name).map(|one| one.standing).collect::<Vec<_>>();
    assert!(of(&column).contains(&Standing::Confirmed), "{lines:#?}");
    assert!(of("never_comes").contains(&Standing::Refuted), "{lines:#?}");
    let shadow = store.shadow_schema(&table).await.unwrap().unwrap();
    assert!(!shadow.columns.contains_key(&column), "what was moved is settled: {shadow:#?}");
    assert!(matches!(shadow.columns["never_comes"].state, ShadowState::GivenUp { .. }), "{shadow:#?}");
    let left = store.shadow_rows_of_table(&shadow.table, None).await.unwrap();
    assert!(left.rows.is_empty(), "everything was moved");
    assert!(lines.iter().any(|line| line.contains("and the table has it")), "{lines:#?}");
    traffic.stop().await;
    lines
}

#[tokio::test]
async fn a_year_of_a_shop_is_told() {
    let lines = year(&shop(6), START + 1_000 * DAY).await;
    let told = lines.join("\n") + "\n";
    let file = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("forecasting/year.txt");
    if std::env::var_os("EVERCOUNT_WRITE_TRANSCRIPT").is_some() {
        std::fs::write(&file, &told).unwrap();
    }
    let kept = std::fs::read_to_string(&file).unwrap_or_default();
    assert!(told == kept, "the transcript is another; EVERCOUNT_WRITE_TRANSCRIPT=1 writes it:\n{told}");
}

/// The last year but one of each open history in which such a column comes.
#[tokio::test]
async fn a_year_of_each_open_project_is_told() {
    let beside = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../shared/data/schema-histories");
    let folder = std::env::var_os("EVERCOUNT_SCHEMA_HISTORIES").map_or(beside, PathBuf::from);
    let Ok(entries) = std::fs::read_dir(&folder) else {
        println!("skipped: no histories in {} (set EVERCOUNT_SCHEMA_HISTORIES)", folder.display());
        return;
    };
    let mut files: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
    files.retain(|path| path.extension().is_some_and(|extension| extension == "csv"));
    files.sort();
    assert!(!files.is_empty(), "no histories in {}", folder.display());
    let mut told = 0;
    for file in files {
        let name = file.file_stem().unwrap().to_string_lossy().into_owned();
        let history = renamed(&name, &read(&name, &std::fs::read(&file).unwrap()).unwrap().history);
        let (first, last) = history.span().unwrap();
        let mut years =
            (1..30).map(|n| last - (60 + 52 * n) * WEEK).take_while(|began| *began > first + 400 * DAY);
        let Some(began) = years.find(|began| arrival(&history, *began).is_some()) else {
            println!("{name}: no year in which a column comes to a table that was there");
            continue;
        };
        println!("{name}");
        let lines = year(&history, began).await;
        lines.iter().for_each(|line| println!("{line}"));
        told += 1;
    }
    assert!(told > 0);
}
