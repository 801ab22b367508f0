//! What fingerprinting a row costs beside counting it: instructions a record under callgrind, on
//! a steady schema of twelve attributes. The records are counted from their bytes, in ledger mode,
//! on the in-memory store.
//!
//! The benchmark runs itself under valgrind with two numbers of records in two variants; the
//! differences leave out start-up and set-up. It prints why, and measures nothing, where there is
//! no valgrind.

#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a benchmark may panic and prints its table")]

use std::process::Command;

use evercount_core::change::Record;
use evercount_core::fingerprint;
use evercount_core::lane::{LaneId, SequenceNumber};
use evercount_core::logic::Coverage;
use evercount_pipeline::count::{self, CountMode, CountOptions, StreamRecord, Warm};
use evercount_pipeline::define;
use evercount_pipeline::memory::Memory;
use evercount_wire::cdc::{Decoder, Envelope, Format};
use evercount_wire::definition;

const DEFINITIONS: &str = r#"
[[count]]
name = "by_status"
table = "orders"
group_by = ["status"]

[[count]]
name = "large_by_country"
table = "orders"
where = "amount > 100"
group_by = ["address.country", "plan"]
"#;

/// Batches of a number of records the two runs differ by.
const RECORDS: [u64; 2] = [1_000, 3_000];
const BATCH: usize = 500;

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    match arguments.as_slice() {
        [_, variant, records] if variant == "count" || variant == "shape" => {
            run(variant, records.parse().unwrap());
        }
        _ => compare(),
    }
}

/// One record: Kinesis Data Streams for DynamoDB, about 1.2 KB.
fn record(n: u64) -> String {
    let image = |status: &str| {
        serde_json::json!({
            "id": {"S": format!("order-{n:08}")}, "status": {"S": status},
            "amount": {"N": format!("{}.{:02}", n % 500, n % 100)}, "quantity": {"N": (n % 9).to_string()},
            "plan": {"S": format!("plan-{}", n % 3)}, "paid": {"BOOL": n.is_multiple_of(2)},
            "email": {"S": format!("user{}@example.org", n % 1000)}, "note": {"S": "x".repeat(40)},
            "created": {"S": "2026-01-01T12:00:00Z"}, "updated": {"S": "2026-01-02T12:00:00Z"},
            "tags": {"L": [{"S": "a"}, {"S": "b"}]},
            "address": {"M": {"country": {"S": "DE"}, "city": {"S": "Bonn"}, "zip": {"S": "53111"}}}
        })
    };
    serde_json::json!({
        "awsRegion": "eu-central-1", "eventID": format!("e-{n}"), "eventName": "MODIFY",
        "userIdentity": null, "recordFormat": "application/json", "tableName": "orders",
        "dynamodb": {
            "ApproximateCreationDateTime": 1_700_000_000_000_000_u64 + n * 1_000_000,
            "ApproximateCreationDateTimePrecision": "MICROSECOND",
            "Keys": {"id": {"S": format!("order-{n:08}")}},
            "NewImage": image("ACTIVE"), "OldImage": image("NEW"), "SizeBytes": 900
        },
        "eventSource": "aws:dynamodb"
    })
    .to_string()
}

fn run(variant: &str, records: u64) {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let mut shapes = 0_u64;
    runtime.block_on(async {
        let store = Memory::default();
        for definition in definition::from_toml(DEFINITIONS, "counts.toml").unwrap() {
            define::create(&store, definition, Coverage::Whole, 0).await.unwrap();
        }
        let options = CountOptions { mode: CountMode::Ledger, format: Some(Format::DynamoDb), epoch: 0 };
        let (lane, mut warm) = (LaneId::named("bench"), Warm::default());
        // Written once and numbered anew, so that writing records does not drown counting them.
        let texts: Vec<Vec<u8>> = (0..BATCH as u64).map(|n| record(n).into_bytes()).collect();
        let decoder = Decoder::new(Some(Format::DynamoDb), 0);
        let images: Vec<_> = texts
            .iter()
            .filter_map(|text| match decoder.decode(&Envelope::of(text)) {
                Ok(Record::Changes(changes)) => changes.into_iter().next().and_then(|change| change.after),
                _ => None,
            })
            .collect();
        for batch in 0..records / BATCH as u64 {
            let delivered: Vec<StreamRecord> = texts
                .iter()
                .enumerate()
                .map(|(n, text)| {
                    let number = batch * BATCH as u64 + n as u64 + 1;
                    // Each batch is later than the one before it.
                    let time = format!("{}", 1_700_000_000_000_000 + n as u64 * 1_000_000);
                    let later = format!("{}", 1_700_000_000_000_000 + (batch * 1_000 + n as u64) * 1_000_000);
                    let text = String::from_utf8(text.clone()).unwrap().replace(&time, &later);
                    StreamRecord {
                        sequence: SequenceNumber::parse(&number.to_string()).unwrap(),
                        partition_key: "p".to_owned(),
                        arrived_at: 0,
                        data: Ok(text.into_bytes()),
                    }
                })
                .collect();
            let report = count::run(&store, &mut warm, &lane, &delivered, options, 0, || true).await;
            assert_eq!(report.tally.applied, BATCH as u64);
            if variant == "shape" {
                shapes ^= images.iter().fold(0, |sum, image| sum ^ fingerprint::of_image(image).0);
            }
        }
    });
    println!("{shapes:x}");
}

fn compare() {
    if Command::new("valgrind").arg("--version").output().is_err() {
        println!("fingerprint: skipped, because valgrind is not installed");
        return;
    }
    let each = |variant: &str| {
        let [few, many] = RECORDS.map(|records| instructions(variant, records));
        (many - few) as f64 / (RECORDS[1] - RECORDS[0]) as f64
    };
    let (count, shape) = (each("count"), each("shape"));
    println!("counting                    {count:>10.0} instructions a record");
    println!("counting and fingerprinting {shape:>10.0}");
    println!("fingerprint's share         {:>10.2} % (goal: at most 3 %)", (shape - count) / count * 100.0);
}

fn instructions(variant: &str, records: u64) -> u64 {
    let output = Command::new("valgrind")
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
        .arg(std::env::current_exe().unwrap())
        .args([variant, &records.to_string()])
        .output()
        .unwrap();
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    let line = told.lines().find(|line| line.contains("Collected")).unwrap();
    line.rsplit(' ').next().unwrap().parse().unwrap()
}
