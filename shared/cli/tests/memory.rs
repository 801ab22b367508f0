//! The counting path's own memory over a long capture: the stores run in this process, the
//! replay in one of its own, whose resident memory is watched.
//!
//! `EVERCOUNT_MEMORY_RECORDS=1000000 cargo test -p evercount-cli --test memory -- --nocapture`
//! runs it over a million records; an ordinary test run takes fewer.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a test may panic, and says what it measured"
)]

use std::io::Write;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use evercount_local::{EmbeddedAws, EmbeddedOptions};

/// Records of an ordinary run.
const RECORDS: u64 = 30_000;
/// What the counting path may take, in KiB.
const RESIDENT_KIB_MAX: u64 = 64 * 1024;
/// Rows the records are of.
const ROWS: u64 = 20_000;
/// Groups the rows fall in.
const GROUPS: u64 = 40;

fn record(number: u64) -> String {
    let key = number.wrapping_mul(2_654_435_761) % ROWS;
    let status = number.wrapping_mul(40_503) / 7 % GROUPS;
    format!(
        r#"{{"awsRegion":"eu-central-1","eventID":"{number}","eventName":"INSERT","userIdentity":null,"recordFormat":"application/json","tableName":"orders","dynamodb":{{"ApproximateCreationDateTime":{at},"Keys":{{"id":{{"S":"order-{key}"}}}},"NewImage":{{"id":{{"S":"order-{key}"}},"status":{{"S":"status-{status}"}},"amount":{{"N":"{number}"}},"note":{{"S":"{note}"}}}},"SizeBytes":300,"ApproximateCreationDateTimePrecision":"MICROSECOND"}},"eventSource":"aws:dynamodb"}}"#,
        at = 1_767_225_600_000_000 + number * 1_000_000,
        note = "x".repeat(200),
    )
}

/// What a process holds beside the pages of its own program, which in a debug build are several times
/// those of the one that is deployed.
fn held_kib(pid: u32) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find(|line| line.starts_with("RssAnon:"))?;
    line.split_whitespace().nth(1)?.parse().ok()
}

#[tokio::test(flavor = "multi_thread")]
async fn memory_stays_flat_over_a_long_capture() {
    if held_kib(std::process::id()).is_none() {
        println!("skipped: this system does not tell what memory a process holds in /proc");
        return;
    }
    let records =
        std::env::var("EVERCOUNT_MEMORY_RECORDS").ok().and_then(|n| n.parse().ok()).unwrap_or(RECORDS);
    let aws = EmbeddedAws::start(EmbeddedOptions::default()).await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let counts: PathBuf = folder.path().join("counts.toml");
    std::fs::write(&counts, "[[count]]\nname = \"by_status\"\ntable = \"orders\"\ngroup_by = [\"status\"]\n")
        .unwrap();
    let mut replay = Command::new(env!("CARGO_BIN_EXE_evercount"))
        .args(["replay", "-", "--json", "--counts"])
        .arg(&counts)
        .env("AWS_ENDPOINT_URL_DYNAMODB", aws.dynamodb_endpoint())
        .env("AWS_ENDPOINT_URL_KINESIS", aws.kinesis_endpoint())
        .env("AWS_REGION", aws.region())
        .env("AWS_ACCESS_KEY_ID", "test")
        .env("AWS_SECRET_ACCESS_KEY", "test")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let (pid, written, ended) = (replay.id(), Arc::new(AtomicU64::new(0)), Arc::new(AtomicBool::new(false)));
    let mut input = replay.stdin.take().unwrap();
    let writer = {
        let written = written.clone();
        std::thread::spawn(move || {
            for number in 0..records {
                writeln!(input, "{}", record(number)).unwrap();
                written.fetch_add(1, Ordering::Relaxed);
            }
        })
    };
    let watcher = {
        let (written, ended) = (written.clone(), ended.clone());
        std::thread::spawn(move || {
            let (mut early, mut peak) = (0, 0);
            while !ended.load(Ordering::Relaxed) {
                if let Some(kib) = held_kib(pid) {
                    peak = kib.max(peak);
                    if written.load(Ordering::Relaxed) <= records / 2 {
                        early = peak;
                    }
                }
                std::thread::sleep(std::time::Duration::from_millis(20));
            }
            (early, peak)
        })
    };
    let output = tokio::task::spawn_blocking(move || replay.wait_with_output().unwrap()).await.unwrap();
    ended.store(true, Ordering::Relaxed);
    writer.join().unwrap();
    let (early, peak) = watcher.join().unwrap();
    aws.stop().await;
    let document: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    println!("{records} records: peak {peak} KiB, {early} KiB after half of them; cost {}", document["cost"]);
    assert_eq!(document["records"]["read"].as_u64(), Some(records));
    assert_eq!(document["counts"][0]["total"].as_u64(), Some(records.min(ROWS)));
    assert!(peak <= RESIDENT_KIB_MAX, "{peak} KiB");
}
