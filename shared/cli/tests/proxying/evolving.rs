//! A table is written and read through the proxy while its schema goes on: writers of every version mixed,
//! nothing is lost, every reader sees the version that it asks for, and counts are those of a recount.

use std::collections::BTreeMap;
use std::process::Stdio;
use std::sync::Arc;

use aws_sdk_dynamodb::types::AttributeValue;
use evercount_aws::dynamo::from_attributes;
use evercount_core::change::TableName;
use evercount_core::counting::{self, Cells};
use evercount_core::logic::{Coverage, LogicVersion};
use evercount_core::mutation::settings::OnConflict;
use evercount_core::order::CLOCK_SKEW_BOUND;
use evercount_core::reading::Reading;
use evercount_local::client;
use evercount_local::stack::{BATCH_SIZE, invoke, now};
use evercount_local::{Pump, PumpStart, StartingPosition};
use evercount_pipeline::count::{CountMode, CountOptions};
use evercount_pipeline::ports::{CatalogStore as _, MutationTrail as _};
use evercount_pipeline::{define, read, recheck};
use evercount_wire::definition::{DefinitionParts, build};
use serde_json::{Value, json};
use tokio::process::Command;

use super::refusing::table;
use super::shop::{LAST, TABLE, go_on, order, settings, written};
use super::stage::{Live, call, call_with};

const STREAM: &str = "cdc";
const VERSION: &str = "x-evercount-schema-version";
const REGIONS: [&str; 3] = ["eu", "us", "ap"];

/// What an order is, whichever version writes it down.
#[derive(Clone, PartialEq, Debug)]
struct Fact {
    status: String,
    level: u32,
    number: usize,
}

impl Fact {
    fn written(&self, version: u32) -> Value {
        let last = format!("l{}", self.number);
        let region = REGIONS[self.number % REGIONS.len()];
        let id = format!("o-{}", self.number);
        order(version, &id, ("f", &last), &self.status, self.level, region)
    }
}

/// Counting by region from the start.
async fn counted(live: &Live) -> (LogicVersion, Pump) {
    live.stack.create_stream(STREAM, 1).await.unwrap();
    let parts = DefinitionParts {
        name: "orders_by_region".to_owned(),
        table: TABLE.to_owned(),
        group_by: vec!["region".to_owned()],
        ..DefinitionParts::default()
    };
    let logic =
        define::create(live.stack.store(), build(parts).unwrap(), Coverage::Whole, now()).await.unwrap();
    let aws = live.stack.embedded_aws().unwrap();
    let mut pump = Pump::new(aws.database(), aws.kinesis(), STREAM, aws.region());
    pump.attach(TABLE, &PumpStart::TrimHorizon).unwrap();
    (logic, pump)
}

/// Asserts that the count is exact and that of the items in the table.
async fn assert_counted(live: &Live, logic: &LogicVersion, pump: &mut Pump) {
    pump.run_until_idle().await.unwrap();
    let options = CountOptions { mode: CountMode::Ledger, format: None, epoch: 0 };
    let counter = live.stack.counter(options, Arc::new(|_, _| {}));
    let mut poller = live.stack.poller(STREAM, BATCH_SIZE, StartingPosition::TrimHorizon).await.unwrap();
    poller.run_until_idle(invoke(&counter)).await.unwrap();
    // Where clocks and images do not tell which of two changes is newer, the table does, a little later.
    tokio::time::sleep(std::time::Duration::from_millis(400)).await;
    let name = TableName::new(TABLE);
    let source = live.stack.counted_tables();
    recheck::run(live.stack.store(), &source, &name, 0, now(), CLOCK_SKEW_BOUND).await.unwrap();
    let versions = live.stack.store().versions().await.unwrap();
    let logic = versions.into_iter().find(|version| version.id == logic.id).unwrap();
    let reading = read::run(live.stack.store(), &logic).await.unwrap();
    let items = live.stack.dynamodb().scan().table_name(TABLE).send().await.unwrap().items.unwrap();
    let mut cells = Cells::new();
    for item in items {
        let image = from_attributes(item).unwrap();
        counting::add_cells(&mut cells, &counting::contribution(&logic, Some(&image), None).unwrap(), 1);
    }
    let recount = Reading::sum(logic.clone(), cells, BTreeMap::new(), false);
    assert_eq!(reading.groups, recount.groups);
    assert!(reading.is_exact(), "{:?}", reading.exactness);
}

#[tokio::test(flavor = "multi_thread")]
async fn writers_and_readers_of_every_version_work_on_one_table() {
    for stamps in [true, false] {
        let live = Live::new(settings(stamps, OnConflict::Reject), written()).await;
        let client = live.client();
        table(&client).await;
        let (logic, mut pump) = counted(&live).await;
        let mut truth: BTreeMap<usize, Fact> = BTreeMap::new();
        let mut number = 0;
        for in_force in 1..=LAST {
            go_on(&live, in_force).await;
            for version in 1..=in_force {
                let said = version.to_string();
                let headers = [(VERSION, said.as_str())];
                for _ in 0..4 {
                    let fact = Fact { status: format!("S{version}"), level: 7, number };
                    let put = json!({"TableName": TABLE, "Item": fact.written(version)});
                    let answer = call_with(&client, "PutItem", &headers, &put).await;
                    assert_eq!(answer.status, 200, "{version} under {in_force}: {answer:?}");
                    let word = if version == in_force { "as-it-is" } else { "migrated" };
                    assert_eq!(answer.outcome.as_deref(), Some(word));
                    truth.insert(number, fact);
                    number += 1;
                }
                // Items of every earlier version are changed by a writer of this one.
                for (number, fact) in
                    truth.iter_mut().filter(|(number, _)| **number % 3 == version as usize % 3)
                {
                    fact.status = format!("U{in_force}{version}");
                    fact.level += 1;
                    let status = if version < 3 { "state" } else { "status" };
                    let level = if version < 5 {
                        json!({"N": fact.level.to_string()})
                    } else {
                        json!({"S": fact.level.to_string()})
                    };
                    let update = json!({"TableName": TABLE, "Key": {"id": {"S": format!("o-{number}")}},
                        "UpdateExpression": "SET #s = :s, #l = :l",
                        "ConditionExpression": "attribute_exists(id)",
                        "ExpressionAttributeNames": {"#s": status, "#l": "level"},
                        "ExpressionAttributeValues": {":s": {"S": fact.status}, ":l": level}});
                    let answer = call_with(&client, "UpdateItem", &headers, &update).await;
                    assert_eq!(answer.status, 200, "{version} under {in_force}: {answer:?}");
                }
                let gone = truth.keys().next().copied().unwrap();
                let delete = json!({"TableName": TABLE, "Key": {"id": {"S": format!("o-{gone}")}}});
                assert_eq!(call_with(&client, "DeleteItem", &headers, &delete).await.status, 200);
                truth.remove(&gone);
            }
            for version in 1..=in_force {
                let said = version.to_string();
                let scan = json!({"TableName": TABLE, "ConsistentRead": true});
                let answer = call_with(&client, "Scan", &[(VERSION, &said)], &scan).await;
                assert_eq!(answer.status, 200, "{answer:?}");
                let mut found: BTreeMap<String, Value> = BTreeMap::new();
                for mut item in answer.body["Items"].as_array().unwrap().clone() {
                    assert_eq!(item.as_object_mut().unwrap().remove("_ver").is_some(), stamps);
                    found.insert(item["id"]["S"].as_str().unwrap().to_owned(), item);
                }
                let expected: BTreeMap<String, Value> = truth
                    .iter()
                    .map(|(number, fact)| (format!("o-{number}"), fact.written(version)))
                    .collect();
                assert_eq!(found, expected, "as version {version} under {in_force}");
            }
        }
        assert_counted(&live, &logic, &mut pump).await;
        let trail = live.stack.store().mutations(&TableName::new(TABLE)).await.unwrap();
        assert!(trail.iter().any(|entry| entry.outcome == "migrated"), "{trail:?}");
        live.stack.stop().await;
    }
}

/// The Rust SDK says nothing of versions: what it writes shows its own.
#[tokio::test(flavor = "multi_thread")]
async fn a_writer_that_says_nothing_is_told_by_what_it_writes() {
    let live = Live::new(settings(true, OnConflict::Reject), written()).await;
    table(&live.client()).await;
    for version in 1..=3 {
        go_on(&live, version).await;
    }
    let sdk = client::dynamodb(&live.url, "eu-central-1");
    let text = |text: &str| AttributeValue::S(text.to_owned());
    let put = sdk.put_item().table_name(TABLE).item("id", text("a")).item("state", text("OPEN"));
    let put = put.item("name", text("f l")).item("level", AttributeValue::N("1".to_owned()));
    put.item("region", text("eu")).send().await.unwrap();
    let got = sdk.get_item().table_name(TABLE).key("id", text("a")).send().await.unwrap().item.unwrap();
    assert_eq!(got["status"], text("OPEN"));
    assert_eq!(got["tier"], text("tin"));
    let update = sdk.update_item().table_name(TABLE).key("id", text("a"));
    let update = update.update_expression("SET #s = :s").expression_attribute_names("#s", "state");
    update.expression_attribute_values(":s", text("DONE")).send().await.unwrap();
    let got = sdk.get_item().table_name(TABLE).key("id", text("a")).send().await.unwrap().item.unwrap();
    assert_eq!(got["status"], text("DONE"));
    live.stack.stop().await;
}

const WORKLOAD: &str = r##"
import sys, boto3
from decimal import Decimal
url, version, step = sys.argv[1], int(sys.argv[2]), sys.argv[3]
session = boto3.session.Session(region_name="eu-central-1", aws_access_key_id="test", aws_secret_access_key="test")
resource = session.resource("dynamodb", endpoint_url=url)
resource.meta.client.meta.events.register("before-call.dynamodb",
    lambda params, **_: params["headers"].update({"x-evercount-schema-version": str(version)}))
table = resource.Table("orders")

def written(n, status, level):
    item = {"id": f"o-{n}", "region": ["eu", "us", "ap"][n % 3]}
    if version < 4:
        item["name"] = f"f l{n}"
    else:
        item["first"], item["last"] = "f", f"l{n}"
    item["state" if version < 3 else "status"] = status
    item["level"] = Decimal(level) if version < 5 else str(level)
    if version >= 2:
        item["tier"] = "tin"
    return item

base = version * 10
if step == "write":
    with table.batch_writer() as batch:
        for n in range(base, base + 10):
            batch.put_item(Item=written(n, "NEW", n))
    for n in range(base, base + 10, 2):
        got = table.update_item(Key={"id": f"o-{n}"}, UpdateExpression="SET #s = :p", ReturnValues="ALL_NEW",
            ExpressionAttributeNames={"#s": "state" if version < 3 else "status"},
            ExpressionAttributeValues={":p": "PAID"})["Attributes"]
        assert got == written(n, "PAID", n), got
    for n in range(base, base + 10, 5):
        assert table.delete_item(Key={"id": f"o-{n}"}, ReturnValues="ALL_OLD")["Attributes"]["id"] == f"o-{n}"
else:
    found = {}
    for item in table.scan(ConsistentRead=True)["Items"]:
        item.pop("_ver", None)
        found[item["id"]] = item
    last = int(sys.argv[4])
    wanted = {}
    for n in range(10, (last + 1) * 10):
        if n % 5:
            wanted[f"o-{n}"] = written(n, "NEW" if n % 2 else "PAID", n)
    assert found == wanted, (version, {k: (found.get(k), wanted.get(k)) for k in found.keys() | wanted.keys() if found.get(k) != wanted.get(k)})
print("done")
"##;

#[tokio::test(flavor = "multi_thread")]
async fn boto3_of_every_version_works_on_one_table() {
    let probe = Command::new("python3").args(["-c", "import boto3"]).stderr(Stdio::null()).status().await;
    if !probe.is_ok_and(|status| status.success()) {
        println!("skipped: there is no python3 with boto3 on this machine");
        return;
    }
    let live = Live::new(settings(true, OnConflict::Reject), written()).await;
    table(&live.client()).await;
    let (logic, mut pump) = counted(&live).await;
    let ran = async |arguments: &[&str]| {
        let mut command = Command::new("python3");
        let ran = command.args(["-c", WORKLOAD, &live.url]).args(arguments).output().await.unwrap();
        let told =
            format!("{}{}", String::from_utf8_lossy(&ran.stdout), String::from_utf8_lossy(&ran.stderr));
        assert!(ran.status.success() && told.contains("done"), "{arguments:?}: {told}");
    };
    // Each writer goes on with the version that it was written for, while the schema is one ahead of it.
    go_on(&live, 1).await;
    for version in 1..=LAST {
        if version < LAST {
            go_on(&live, version + 1).await;
        }
        ran(&[&version.to_string(), "write"]).await;
    }
    for version in 1..=LAST {
        ran(&[&version.to_string(), "read", &LAST.to_string()]).await;
    }
    assert_counted(&live, &logic, &mut pump).await;
    let scan = call(&live.client(), "Scan", &json!({"TableName": TABLE, "Select": "COUNT"})).await;
    assert_eq!(scan.body["Count"], 40);
    live.stack.stop().await;
}
