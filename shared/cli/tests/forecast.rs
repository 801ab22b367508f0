//! `evercount forecast …` from the outside, on a history in a file and on what the forecaster has stored.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "a test may panic")]

use std::fmt::Write as _;
use std::path::Path;
use std::process::Command;

use evercount_core::definition::DefinitionName;
use evercount_core::evolution::{Judgement, Proposal, evolve, new_subject};
use evercount_core::lane::{LaneId, SequenceNumber};
use evercount_core::logic::Coverage;
use evercount_core::order::Micros;
use evercount_core::path;
use evercount_core::registration::{Registration, StoredWatch, WatchWrite};
use evercount_core::registry::{Origin, Policy};
use evercount_core::schema::{Field, FieldPath, FieldType, Schema, TypeSet};
use evercount_core::schema_change::{ChangeKind, Evidence, SchemaChange, Subject, Typed};
use evercount_forecast::trained::Model;
use evercount_local::stack::now;
use evercount_local::{EmbeddedOptions, Stack};
use evercount_pipeline::define;
use evercount_pipeline::forecast::{Warm, run as forecast};
use evercount_pipeline::ports::{CatalogStore, RegistryStore};
use evercount_wire::definition::{DefinitionParts, build};
use serde_json::{Value, json};

const DAY: Micros = 86_400_000_000;

const MONTH: u64 = 2_629_800;

/// A table that gains a column every third month, and one that never changes.
fn history(busy: &str) -> String {
    let mut text = "at,table,event,column,type,previous_type\n".to_owned();
    for table in [busy, "still"] {
        let _ = writeln!(text, "1000000000,{table},initial,id,INT,");
    }
    for n in 1..=24_u64 {
        let at = 1_000_000_000 + n * 3 * MONTH;
        let _ = writeln!(text, "{at},{busy},add_column,c{n},TEXT,");
    }
    text
}

fn run(arguments: &[&str]) -> (i32, String, String) {
    let output =
        Command::new(env!("CARGO_BIN_EXE_evercount")).arg("forecast").args(arguments).output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
}

fn file(folder: &Path, name: &str, content: &str) -> String {
    let path = folder.join(name);
    std::fs::write(&path, content).unwrap();
    path.display().to_string()
}

#[test]
fn a_table_that_changes_often_is_more_likely_to_change_and_says_why() {
    let folder = tempfile::tempdir().unwrap();
    let history = file(folder.path(), "shop.csv", &history("busy"));
    let (code, told, errors) = run(&["list", "--history", &history]);
    assert_eq!(code, 0, "{errors}");
    let lines: Vec<&str> = told.lines().collect();
    assert!(lines[0].contains("within 183 days"), "{told}");
    assert!(lines[1].trim_start().starts_with("busy"), "the most likely comes first:\n{told}");
    let plan = "date,feature,tables,columns\n2007-11-01,loyalty,busy,busy.tier:TEXT\n";
    let plan = file(folder.path(), "plan.csv", plan);
    let (code, told, errors) =
        run(&["explain", "busy", "--history", &history, "--releases", &plan, "--json"]);
    assert_eq!(code, 0, "{errors}");
    let told: Value = serde_json::from_str(&told).unwrap();
    let busy = &told["tables"][0];
    let any =
        busy["chances"].as_array().unwrap().iter().find(|one| one["kind"] == "any" && one["days"] == 183);
    assert!(any.unwrap()["p"].as_f64().unwrap() > 0.3, "{busy:#}");
    assert!(busy["candidates"].as_array().unwrap().iter().any(|one| one["column"] == "tier"), "{busy:#}");
    let (code, _, errors) = run(&["explain", "buzy", "--history", &history]);
    assert_eq!((code, errors.contains("did you mean `busy`?")), (2, true), "{errors}");
}

#[test]
fn the_benchmark_forecasts_each_project_by_the_others() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().display().to_string();
    let (code, _, errors) = run(&["bench", &path]);
    assert_eq!((code, errors.contains("there must be two")), (2, true), "{errors}");
    for project in ["one", "two", "three"] {
        file(folder.path(), &format!("{project}.csv"), &history(project));
    }
    let (code, told, errors) = run(&["bench", &path, "--json"]);
    assert_eq!(code, 0, "{errors}");
    let told: Value = serde_json::from_str(&told).unwrap();
    let headroom = told["headroom"].as_array().unwrap();
    assert!(headroom.iter().any(|one| one["model"] == "ours" && one["avoided_per_counter"].is_number()));
    let projects = told["projects"].as_array().unwrap();
    assert_eq!(projects.len(), 3);
    for project in projects {
        let models: Vec<&Value> =
            project["models"].as_array().unwrap().iter().map(|one| &one["model"]).collect();
        for model in ["base_rate", "recency", "logistic", "ours"] {
            assert!(models.contains(&&json!(model)), "{project:#}");
        }
    }
}

/// A registry in which `orders` gained a column every other month for three years, and was seen to change
/// 20,000 times in the last one.
async fn registry() -> Stack {
    let stack = Stack::embedded(EmbeddedOptions::default(), Default::default()).await.unwrap();
    let (store, subject) = (stack.store(), Subject::new("orders"));
    let began = now() - 1_080 * DAY;
    let field = || Field::of(TypeSet::of(FieldType::STRING));
    let mut schema = Schema {
        fields: ["id", "status", "amount"].map(|name| (FieldPath::column(name), field())).into(),
        key: Vec::new(),
    };
    for month in 0..18_i64 {
        let at = began + month * 60 * DAY;
        let column = FieldPath::column(&format!("extra_{month}"));
        let kind = if month == 0 {
            ChangeKind::CreateTable
        } else {
            schema.fields.insert(column.clone(), field());
            ChangeKind::AddColumn {
                column,
                typed: Typed { types: field().types, declared: None },
                default: None,
            }
        };
        let stored = store.subject(&subject).await.unwrap();
        let policy = Policy { retention: 4_000 * DAY, ..Policy::default() };
        let state =
            stored.clone().unwrap_or_else(|| new_subject(subject.clone(), Origin::Declared, policy, at));
        let current = match state.current {
            Some(id) => store.schema_version(&subject, id.version, at).await.unwrap().found(),
            None => None,
        };
        let current = current.map(|version| version.schema);
        let evidence = Evidence::Declared { statement: "a release".to_owned() };
        let changes = vec![SchemaChange { kind, evidence }];
        let proposal = Proposal { schema: schema.clone(), changes, position: None, at };
        let judge = |_: &Schema| Judgement { drift: 0.1, breaks: Vec::new() };
        let evolved = evolve(&state, current.as_ref(), &proposal, judge, at);
        let mut registration = Registration::empty(subject.clone(), at);
        registration.add(stored.map(|state| state.revision), &state, evolved);
        if month == 17 {
            let to = StoredWatch {
                through: SequenceNumber::parse("1").unwrap(),
                revision: 1,
                seen: 20_000,
                first_seen: now() - 30 * DAY,
                last_seen: now(),
                state: "{}".to_owned(),
            };
            let lane = LaneId::of_shard("orders-cdc", "shardId-000000000000");
            registration.watch = Some(WatchWrite { lane, from: None, to });
        }
        store.register(&registration).await.unwrap();
    }
    stack
}

async fn on(stack: &Stack, home: &Path, arguments: &[&str]) -> (i32, String, String) {
    let aws = stack.embedded_aws().unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_evercount"));
    command.env("AWS_ENDPOINT_URL_DYNAMODB", aws.dynamodb_endpoint());
    command.env("AWS_ENDPOINT_URL_KINESIS", aws.kinesis_endpoint());
    command.envs([("AWS_REGION", aws.region()), ("AWS_ACCESS_KEY_ID", "x"), ("AWS_SECRET_ACCESS_KEY", "x")]);
    command.env("EVERCOUNT_HOME", home).arg("forecast").args(arguments);
    let output = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    let told = (output.status.code().unwrap(), text(output.stdout), text(output.stderr));
    println!("$ evercount forecast {}\n{}{}", arguments.join(" "), told.1, told.2);
    told
}

async fn json_on(stack: &Stack, home: &Path, arguments: &[&str]) -> Value {
    let (code, told, errors) = on(stack, home, &[arguments, &["--json"]].concat()).await;
    assert_eq!(code, 0, "{told}{errors}");
    serde_json::from_str(&told).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_imported_is_predicted_kept_shown_and_prepared_for() {
    let (stack, folder) = (registry().await, tempfile::tempdir().unwrap());
    let home = folder.path();
    let (code, told, _) = on(&stack, home, &["import"]).await;
    assert_eq!((code, told.contains("nothing was imported yet")), (0, true), "{told}");
    let at = jiff::Timestamp::from_microsecond(now() + 30 * DAY).unwrap().to_string();
    let text =
        format!("date,feature,tables,columns\n{},gifts,orders,orders.gift:BOOL\nsoon,x,,\n", &at[..10]);
    let plan = file(home, "plan.csv", &text);
    let flags = format!(r#"[{{"flag":"wrap","start":"{}","attributes":["orders.wrap:S"]}}]"#, &at[..10]);
    let flags = file(home, "flags.json", &flags);
    let imported = json_on(&stack, home, &["import", &plan, &flags]).await;
    assert_eq!(imported["imported"][0]["holds"], "1 releases with 1 columns");
    assert_eq!(imported["imported"][0]["left_out"].as_array().unwrap().len(), 1);
    assert_eq!(imported["imported"][1]["kind"], "flags");
    let (code, _, errors) = on(&stack, home, &["import", &file(home, "notes.txt", "hello")]).await;
    assert_eq!((code, errors.contains("is none of what can be imported")), (2, true), "{errors}");

    // Before the forecaster ran, it is forecast anew, with what was imported.
    let anew = json_on(&stack, home, &["explain", "orders"]).await;
    assert_eq!(
        (&anew["stored"], anew["tables"][0]["candidates"][0]["column"].as_str()),
        (&Value::Null, Some("gift"))
    );
    let (store, model) = (stack.store(), Model::shipped().unwrap());
    forecast(store, store, &model, &mut Warm::default(), now()).await.unwrap();
    let listed = json_on(&stack, home, &["list"]).await;
    assert_eq!((&listed["stored"], &listed["tables"][0]["kept"]["state"]), (&json!(true), &json!("open")));
    let told = json_on(&stack, home, &["explain", "orders"]).await;
    let columns: Vec<_> =
        told["tables"][0]["candidates"].as_array().unwrap().iter().map(|one| one["column"].clone()).collect();
    assert!(columns.contains(&json!("gift")) && columns.contains(&json!("wrap")), "{told:#}");
    let (_, text, _) = on(&stack, home, &["explain", "orders"]).await;
    assert!(text.contains("said on") && text.contains("the release `gifts` names it"), "{text}");
    assert!(text.chars().all(|c| !('\u{2800}'..'\u{2900}').contains(&c)), "no plot for a pipe");
    let (code, _, errors) = on(&stack, home, &["explain", "order"]).await;
    assert_eq!((code, errors.contains("did you mean `orders`?")), (2, true), "{errors}");

    let none = json_on(&stack, home, &["advise"]).await;
    assert!(none["notes"][0].as_str().unwrap().contains("no counts yet"));
    let parts = DefinitionParts {
        name: "by_status".to_owned(),
        table: "orders".to_owned(),
        group_by: vec!["status".to_owned()],
        filter: Some("amount = 'x'".to_owned()),
        ..DefinitionParts::default()
    };
    define::create(store, build(parts).unwrap(), Coverage::Whole, now()).await.unwrap();
    let unknown = json_on(&stack, home, &["advise"]).await;
    assert!(unknown["notes"][0].as_str().unwrap().contains("--bytes orders=BYTES"), "{unknown:#}");
    let bytes = "orders=4000000000000";
    let advice = json_on(&stack, home, &["advise", "--bytes", bytes]).await;
    let first = &advice["advice"][0];
    assert_eq!(
        (&first["extra"]["dimension"], &first["worth_it"]),
        (&json!("gift"), &json!(true)),
        "{advice:#}"
    );
    let spent = first["write_units_per_month"].as_f64().unwrap();
    let budget = format!("{}", spent.ceil());
    let adopted = json_on(&stack, home, &["advise", "--bytes", bytes, "--adopt", "--budget", &budget]).await;
    let done = adopted["advice"].as_array().unwrap().iter().filter(|one| !one["adopted"].is_null()).count();
    assert_eq!((done, adopted["budget"]["spent"].as_f64()), (1, Some(spent)), "{adopted:#}");
    let name = DefinitionName::parse("by_status").unwrap();
    let headroom = |one: &evercount_core::logic::LogicVersion| one.definition.headroom.attributes.clone();
    let versions = store.versions().await.unwrap();
    let newest = versions.iter().filter(|one| one.id.definition == name).max_by_key(|one| one.id.number);
    assert_eq!(newest.map(headroom), Some(vec![path::Path::column("gift")]));

    let gone = json_on(&stack, home, &["import", "--forget", "plan.csv"]).await;
    assert_eq!(gone["documents"].as_array().unwrap().len(), 1);
    stack.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repository_is_imported_by_its_commits() {
    let (stack, folder) = (registry().await, tempfile::tempdir().unwrap());
    let repository = folder.path().join("shop");
    std::fs::create_dir(&repository).unwrap();
    let git = |arguments: &[&str], at: &str| {
        let done = Command::new("git")
            .arg("-C")
            .arg(&repository)
            .args(["-c", "user.name=x", "-c", "user.email=x@example.com", "-c", "commit.gpgsign=false"])
            .args(arguments)
            .env("GIT_AUTHOR_DATE", at)
            .env("GIT_COMMITTER_DATE", at)
            .output();
        match done {
            Ok(done) => assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr)),
            Err(error) => panic!("this test needs the git command: {error}"),
        }
    };
    git(&["init", "-q"], "2020-01-01T00:00:00Z");
    let columns = ["id INT", "id INT, note TEXT", "id BIGINT, note TEXT, gift BOOL"];
    for (year, columns) in (2020..).zip(columns) {
        std::fs::write(repository.join("schema.sql"), format!("CREATE TABLE parcels ({columns});")).unwrap();
        git(&["add", "."], "2020-01-01T00:00:00Z");
        git(&["commit", "-qm", "x"], &format!("{year}-03-01T00:00:00Z"));
    }
    let path = repository.display().to_string();
    let told = json_on(&stack, folder.path(), &["import", &path]).await;
    assert_eq!(told["imported"][0]["holds"], "4 events", "{told:#}");
    let parcels = json_on(&stack, folder.path(), &["explain", "parcels"]).await;
    assert_eq!(parcels["tables"][0]["table"], "parcels");
    stack.stop().await;
}
