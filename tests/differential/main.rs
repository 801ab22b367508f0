//! Runs the same batches on the store in memory and on DynamoDB as the embedded one speaks it,
//! through the SDK: after every few batches both hold the same lanes, ledger rows, cells, table
//! facts and quarantine, so what the simulator proves of one store is true of the other.
//!
//! An ordinary run takes 60 seeds, about ten seconds; `EVERCOUNT_DIFF_SEEDS=n` sets another
//! number (CI runs 500), `EVERCOUNT_DIFF_FIRST=n` where they start.

#![expect(
    clippy::panic,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a test may panic, and says what it did"
)]

mod run;
mod sight;

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use evercount_aws::dynamo::{DynamoStore, TableNames};
use evercount_aws::setup::create_tables;
use evercount_local::{EmbeddedAws, EmbeddedOptions};
use evercount_tests::simulation::seeds::from_env;

use run::{Run, Strikes};

/// Seeds of an ordinary test run.
const SEEDS: u64 = 60;
/// What every run does to both stores at least once, over all seeds.
const EXPECTED: [&str; 14] = [
    "cold",
    "warm",
    "redelivery",
    "out_of_time",
    "rewind",
    "reshard",
    "fence",
    "truncate",
    "key_change",
    "poison",
    "repair",
    "lane_mode",
    "released",
    "keyless",
];

async fn one_seed(aws: &EmbeddedAws, seed: u64) -> Result<(Strikes, u64), String> {
    let names = |part: &str| format!("seed-{seed}-{part}");
    let tables = TableNames { metadata: names("metadata"), ledger: names("ledger"), counts: names("counts") };
    let client = aws.dynamodb();
    create_tables(&client, &tables).await.map_err(|error| error.to_string())?;
    let mut run = Run::new(seed, DynamoStore::new(&client, tables.clone())).await?;
    run.live().await?;
    run.operate().await?;
    for table in [tables.metadata, tables.ledger, tables.counts] {
        client.delete_table().table_name(table).send().await.map_err(|error| format!("{error:?}"))?;
    }
    Ok((run.strikes(), run.batches))
}

#[test]
fn both_stores_hold_the_same_after_the_same_batches() {
    let seeds = from_env("EVERCOUNT_DIFF_SEEDS").unwrap_or(SEEDS);
    let first = from_env("EVERCOUNT_DIFF_FIRST").unwrap_or(0);
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let (next, batches) = (AtomicU64::new(first), AtomicU64::new(0));
    let strikes: Mutex<Strikes> = Mutex::default();
    let failed: Mutex<Option<(u64, String)>> = Mutex::default();
    // Each thread has an embedded DynamoDB and a runtime of its own: one database has one lock.
    let work = || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let aws = EmbeddedAws::start(EmbeddedOptions::default()).await.unwrap();
            loop {
                let seed = next.fetch_add(1, Ordering::Relaxed);
                if seed >= first + seeds || failed.lock().unwrap().is_some() {
                    break;
                }
                match Box::pin(one_seed(&aws, seed)).await {
                    Ok((struck, delivered)) => {
                        batches.fetch_add(delivered, Ordering::Relaxed);
                        let mut all = strikes.lock().unwrap();
                        struck.iter().for_each(|(fault, n)| *all.entry(fault).or_insert(0) += n);
                    }
                    Err(difference) => *failed.lock().unwrap() = Some((seed, difference)),
                }
            }
            aws.stop().await;
        });
    };
    std::thread::scope(|scope| (0..threads).for_each(|_| drop(scope.spawn(work))));
    if let Some((seed, difference)) = failed.into_inner().unwrap() {
        panic!("seed {seed}: {difference}\nreplay: EVERCOUNT_DIFF_FIRST={seed} EVERCOUNT_DIFF_SEEDS=1");
    }
    let strikes = strikes.into_inner().unwrap();
    println!("{seeds} seeds, {} batches on both stores: {strikes:?}", batches.into_inner());
    if seeds >= SEEDS {
        let rare: Vec<_> =
            EXPECTED.iter().filter(|what| strikes.get(**what).copied().unwrap_or(0) == 0).collect();
        assert!(rare.is_empty(), "these never happened: {rare:?}");
    }
}
