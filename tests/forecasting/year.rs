//! A year of a project, week by week, through the forecaster's step as `evercount local` runs it: predictions,
//! the shadow schema, a release plan whose column comes (and one whose column does not), traffic for that
//! column before and after it came, what happened held against what was said, and what to count ahead.
//!
//! The year is told as a transcript. That of the shop, which is made up, is kept in `year.txt`; to write it
//! anew, run the test with `EVERCOUNT_WRITE_TRANSCRIPT=1` and read what changed. Years of open projects are
//! told where their histories are; they are no part of this repository.

use std::path::PathBuf;

use evercount_core::change::{RowIdentity, RowKey, TableName};
use evercount_core::order::{ItemVersion, Micros};
use evercount_core::prediction::{ImportKind, Imported, Kind, Standing};
use evercount_core::schema_change::Subject;
use evercount_core::shadow::{ShadowRow, ShadowSchema, ShadowState, ShadowValue};
use evercount_core::value::Value;
use evercount_forecast::advisor::{Registered, advise};
use evercount_forecast::history::{EventKind, History, Seconds, read};
use evercount_forecast::predict::{Question, predict};
use evercount_forecast::settle::{adjustment, trust};
use evercount_forecast::signals::usage;
use evercount_forecast::trained::Model;
use evercount_forecast::units::HORIZONS;
use evercount_pipeline::forecast::{ForecastReport, Warm, load_history, read_imports, run};
use evercount_pipeline::imports::USAGE_OF_PROXY;
use evercount_pipeline::memory::Memory;
use evercount_pipeline::ports::{ForecastStore, RegistryStore, ShadowSchemaStore, ShadowStore};

use super::history::{START, register, shop};

const DAY: Seconds = 86_400;
const WEEK: Seconds = 7 * DAY;

/// A column that comes in the year, and when.
struct Arrival {
    table: String,
    column: String,
    at: Seconds,
}

struct Year<'a, S> {
    store: &'a S,
    history: &'a History,
    model: Model,
    warm: Warm,
    began: Seconds,
    arrival: Arrival,
    lines: Vec<String>,
}

impl<S: RegistryStore + ForecastStore + ShadowSchemaStore + ShadowStore> Year<'_, S> {
    fn tell(&mut self, at: Seconds, what: impl std::fmt::Display) {
        let day = (at - self.began) / DAY;
        self.lines.push(format!("day {day:>3}  {what}"));
    }

    async fn live(&mut self) {
        register(self.store, self.history, 0, self.began).await;
        for week in 0..=56 {
            let now = self.began + week * WEEK;
            register(self.store, self.history, now - WEEK, now).await;
            match week {
                4 => self.import_plan(now).await,
                6 => self.import_usage(now).await,
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
        let Arrival { table, column, at } = &self.arrival;
        let date = |at: Seconds| {
            let text = evercount_wire::items::time_value(at * 1_000_000);
            let Value::String(text) = text else { return String::new() };
            text[..10].to_owned()
        };
        let text = format!(
            "date,feature,tables,columns\n{},gifts,{table},{table}.{column}:S\n{},never,{table},{table}.never_comes:N\n",
            date(at - WEEK),
            date(self.began + 100 * DAY),
        );
        let plan =
            Imported { kind: ImportKind::ReleasesCsv, name: "plan.csv".into(), at: now * 1_000_000, text };
        self.store.put_import(&plan).await.unwrap();
        let told = format!("a release plan is imported: `{column}` and `never_comes` of `{table}`");
        self.tell(now, told);
    }

    /// What the data proxy saw: somebody asks for the column.
    async fn import_usage(&mut self, now: Seconds) {
        let Arrival { table, column, .. } = &self.arrival;
        let asked = |attribute: &str, requests| usage::Unknown {
            table: table.clone(),
            attribute: attribute.to_owned(),
            requests,
            days: 7,
        };
        let unknown = vec![asked(column, 40), asked("asked_for", 12)];
        let text = usage::write(&usage::Usage { unknown, rates: Vec::new() });
        let (kind, name) = (ImportKind::Usage, USAGE_OF_PROXY.to_owned());
        let usage = Imported { kind, name, at: now * 1_000_000, text };
        self.store.put_import(&usage).await.unwrap();
        let told =
            format!("the proxy saw requests for `{column}` (40) and for `asked_for` (12) of `{table}`");
        self.tell(now, told);
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

    fn key(&self, id: &str) -> RowKey {
        RowKey { table: TableName::new(&self.arrival.table), identity: RowIdentity::Key(id.into()) }
    }

    async fn shadow(&self) -> Option<ShadowSchema> {
        self.store.shadow_schema(&TableName::new(&self.arrival.table)).await.unwrap()
    }

    /// A client writes the column before the table has it: its value is kept beside the table, and read
    /// from there.
    async fn write_before(&mut self, now: Seconds) {
        let schema = self.shadow().await.unwrap();
        let column = schema.columns[&self.arrival.column].clone();
        assert_eq!(column.state, ShadowState::Expected);
        for id in ["o-1", "o-2"] {
            let value = Some(Value::String("for you".into()));
            let value = ShadowValue { value, order: ItemVersion(1), at: now * 1_000_000 };
            let values = [(self.arrival.column.clone(), value)].into();
            let row = ShadowRow::default().written(&values, now * 1_000_000).unwrap();
            self.store.replace_shadow_row(&self.key(id), None, Some(&row)).await.unwrap();
        }
        let kept = self.store.shadow_rows(&[self.key("o-1")].into()).await.unwrap();
        assert_eq!(kept.len(), 1);
        let told = format!(
            "two items are written with `{}`: the values are kept beside the table",
            self.arrival.column
        );
        self.tell(now, told);
    }

    /// What arrived takes what was kept beside the table.
    async fn move_what_arrived(&mut self, now: Seconds) {
        let Some(schema) = self.shadow().await else { return };
        let Some(column) = schema.columns.get(&self.arrival.column) else { return };
        let ShadowState::Arrived { at } = column.state else { return };
        assert_eq!(at, self.arrival.at * 1_000_000);
        let table = schema.table.clone();
        let (mut values, mut after) = (0, None);
        loop {
            let page = self.store.shadow_rows_of_table(&table, after).await.unwrap();
            for (key, row) in &page.rows {
                self.store.replace_shadow_row(key, Some(row.revision), None).await.unwrap();
                values += row.values.len();
            }
            after = page.next;
            if after.is_none() {
                break;
            }
        }
        let mut moved = schema.clone();
        moved.revision += 1;
        moved.columns.get_mut(&self.arrival.column).unwrap().state =
            ShadowState::Moved { at: now * 1_000_000 };
        self.store.replace_shadow_schema(Some(schema.revision), &moved).await.unwrap();
        let told =
            format!("{values} values of `{}` go into the table, and new ones with them", self.arrival.column);
        self.tell(now, told);
    }

    /// What to count ahead, for a count of a table of 40 GB that changes 2,000 times a month.
    async fn advice(&mut self, now: Seconds) {
        let known = read_imports(&self.store.imports().await.unwrap(), now * 1_000_000);
        let history = load_history(self.store, &mut self.warm, &[], now * 1_000_000).await.unwrap();
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

/// The year that begins at a time of a history, in which a column comes.
async fn year<S: RegistryStore + ForecastStore + ShadowSchemaStore + ShadowStore>(
    store: &S,
    history: &History,
    began: Seconds,
) -> Vec<String> {
    // A column that comes in the second quarter, to a table that is there.
    let there = |table: &str| history.events().iter().any(|event| event.at < began && *event.table == *table);
    let had = |table: &str, column: &str| {
        history.events().iter().any(|one| one.at < began && *one.table == *table && *one.column == *column)
    };
    let arrival = history.events().iter().find(|event| {
        let soon = event.at > began + 80 * DAY && event.at < began + 280 * DAY;
        event.kind == EventKind::AddColumn && soon && there(&event.table) && !had(&event.table, &event.column)
    });
    let arrival = arrival.unwrap();
    let arrival =
        Arrival { table: arrival.table.to_string(), column: arrival.column.to_string(), at: arrival.at };
    let (model, warm) = (Model::shipped().unwrap(), Warm::default());
    let (table, column) = (Subject::new(&arrival.table), arrival.column.clone());
    let mut year = Year { store, history, model, warm, began, arrival, lines: Vec::new() };
    year.live().await;
    let lines = year.lines;
    let all = store.predictions_of(&table).await.unwrap();
    let beliefs = || all.iter().flat_map(|one| &one.columns);
    let of =
        |name: &str| beliefs().filter(|one| one.column == name).map(|one| one.standing).collect::<Vec<_>>();
    assert!(of(&column).contains(&Standing::Confirmed), "{lines:#?}");
    assert!(of("never_comes").contains(&Standing::Refuted), "{lines:#?}");
    let shadow = store.shadow_schema(&TableName::new(table.as_str())).await.unwrap().unwrap();
    assert!(matches!(shadow.columns[&column].state, ShadowState::Moved { .. }), "{shadow:#?}");
    assert!(matches!(shadow.columns["never_comes"].state, ShadowState::GivenUp { .. }), "{shadow:#?}");
    let left = store.shadow_rows_of_table(&shadow.table, None).await.unwrap();
    assert!(left.rows.is_empty(), "everything was moved");
    let _: Micros = shadow.at;
    lines
}

#[tokio::test]
async fn a_year_of_a_shop_is_told() {
    let store = Memory::default();
    let lines = year(&store, &shop(6), START + 1_000 * DAY).await;
    let told = lines.join("\n") + "\n";
    let file = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("forecasting/year.txt");
    if std::env::var_os("EVERCOUNT_WRITE_TRANSCRIPT").is_some() {
        std::fs::write(&file, &told).unwrap();
    }
    let kept = std::fs::read_to_string(&file).unwrap_or_default();
    assert!(told == kept, "the transcript is another; EVERCOUNT_WRITE_TRANSCRIPT=1 writes it:\n{told}");
}

/// The same through the SDK, on the embedded DynamoDB that `evercount local` runs on.
#[cfg(feature = "embedded")]
#[tokio::test]
async fn the_year_is_the_same_on_dynamodb() {
    use evercount_aws::dynamo::{DynamoStore, TableNames};
    use evercount_aws::setup::create_tables;
    use evercount_local::{EmbeddedAws, EmbeddedOptions};

    let aws = EmbeddedAws::start(EmbeddedOptions::default()).await.unwrap();
    create_tables(&aws.dynamodb(), &TableNames::default()).await.unwrap();
    let store = DynamoStore::new(&aws.dynamodb(), TableNames::default());
    let (history, began) = (shop(6), START + 1_000 * DAY);
    let lines = year(&store, &history, began).await;
    assert_eq!(lines, year(&Memory::default(), &history, began).await);
    aws.stop().await;
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
        let history = read(&name, &std::fs::read(&file).unwrap()).unwrap().history;
        let (first, last) = history.span().unwrap();
        let comes = |began: &Seconds| {
            history.events().iter().any(|event| {
                let had = |one: &evercount_forecast::history::Event| {
                    one.at < *began && one.table == event.table && one.column == event.column
                };
                let there = history.events().iter().any(|one| one.at < *began && one.table == event.table);
                event.kind == EventKind::AddColumn
                    && event.at > began + 80 * DAY
                    && event.at < began + 280 * DAY
                    && there
                    && !history.events().iter().any(had)
            })
        };
        let mut years =
            (1..30).map(|n| last - (60 + 52 * n) * WEEK).take_while(|began| *began > first + 400 * DAY);
        let Some(began) = years.find(comes) else {
            println!("{name}: no year in which a column comes to a table that was there");
            continue;
        };
        println!("{name}");
        let lines = year(&Memory::default(), &history, began).await;
        lines.iter().for_each(|line| println!("{line}"));
        told += 1;
    }
    assert!(told > 0);
}
