//! What fingerprinting a row costs beside counting it: instructions a record under callgrind, on
//! a steady schema of twelve attributes. The records are counted from their bytes, in ledger mode,
//! on the in-memory store.
//!
//! `cargo bench -p evercount-tests --no-default-features --bench fingerprint [-- --json]`
//!
//! The benchmark runs itself under valgrind with two numbers of records in two variants; the
//! differences leave out start-up and set-up.

#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a benchmark may panic and prints its table")]

use evercount_core::change::Record;
use evercount_core::fingerprint;
use evercount_core::image::Image;
use evercount_core::lane::{LaneId, SequenceNumber};
use evercount_core::logic::Coverage;
use evercount_pipeline::count::{self, CountMode, CountOptions, StreamRecord, Warm};
use evercount_pipeline::define;
use evercount_pipeline::memory::Memory;
use evercount_tests::callgrind;
use evercount_tests::figures::{self, Figure, Goal};
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
        _ => compare(arguments.iter().any(|argument| argument == "--json")),
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
                Ok(Record::Changes(changes)) => {
                    changes.into_iter().next().and_then(|change| change.after.map(Image::into_item))
                }
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
                        data: text.into_bytes().into(),
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

fn compare(as_json: bool) {
    let what = "share of a record that its fingerprint takes, %";
    let figure = |value| Figure::of("fingerprint_percent", what, value, Goal::AtMost(3.0));
    if !callgrind::is_there() {
        let figures = [figure(Err(callgrind::MISSING))];
        println!("{}", figures::report("fingerprint", &figures, &serde_json::Value::Null, as_json));
        return;
    }
    let each = |variant: &str| {
        let [few, many] =
            RECORDS.map(|records| callgrind::instructions(&[variant, &records.to_string()]).unwrap());
        (many - few) as f64 / (RECORDS[1] - RECORDS[0]) as f64
    };
    let (count, shape) = (each("count"), each("shape"));
    let details = serde_json::json!({ "counting": count, "counting_and_fingerprinting": shape });
    let figures = [figure(Ok((shape - count) / count * 100.0))];
    println!("{}", figures::report("fingerprint", &figures, &details, as_json));
}
