//! Owns what goes on beside requests where values are kept beside tables: columns that have arrived are
//! noticed and their values moved into the table, page by page, and values of columns to come are fetched
//! ahead. All of it can end at any time, and the next run goes on where it ended.

use std::convert::Infallible;
use std::time::{Duration, Instant};

use evercount_aws::clients::Clients;
use evercount_aws::dynamo::{DynamoStore, DynamoTable};
use evercount_aws::sources::{Sources, WaysOut};
use evercount_core::change::TableName;
use evercount_core::mutation::settings::MutationSettings;
use evercount_core::shadow::arrival::ShadowPass;
use evercount_core::shadow::prefetch::{Asker, BOUNDS_DEFAULT};
use evercount_local::stack::now;
use evercount_pipeline::arrive::{self, Arriving};
use evercount_pipeline::ports::StoreError;
use evercount_pipeline::prefetch::{self, Places};

/// How often it is looked whether a column has arrived.
const PAUSE: Duration = Duration::from_secs(2);

/// Pages of one table between two looks at the others.
const PAGES: u32 = 50;

/// How often values are fetched ahead.
const FETCH_PAUSE: Duration = Duration::from_secs(60);

/// Looks after what is kept beside tables, again and again. `tell` hears what was done, and `trouble` what
/// went wrong, or that nothing did.
pub async fn look_after(
    store: &DynamoStore,
    table: &DynamoTable,
    settings: &MutationSettings,
    tell: impl Fn(String),
    trouble: impl Fn(Option<String>),
) -> Infallible {
    let mut fetched_at: Option<Instant> = None;
    let mut places = Places::default();
    let ways_out = WaysOut::new(Asker::Machine, Clients::of_a_person().await);
    loop {
        let stamps = |name: &TableName| settings.of(name).stamps;
        match Box::pin(arrive::turn(store, store, table, stamps, PAGES, now())).await {
            Ok(told) => {
                trouble(None);
                told.iter().filter_map(|(name, how)| words(name, how)).for_each(&tell);
            }
            Err(error) => trouble(Some(error.to_string())),
        }
        if fetched_at.is_none_or(|at| at.elapsed() >= FETCH_PAUSE) {
            fetched_at = Some(Instant::now());
            if let Err(error) = Box::pin(fetch(store, table, &ways_out, &mut places, &tell)).await {
                trouble(Some(error.to_string()));
            }
        }
        tokio::time::sleep(PAUSE).await;
    }
}

/// Fetches values ahead, and tells what came of it.
async fn fetch(
    store: &DynamoStore,
    table: &DynamoTable,
    ways_out: &WaysOut,
    places: &mut Places,
    tell: &impl Fn(String),
) -> Result<(), StoreError> {
    let sources = Sources::new(table, ways_out);
    let turn = prefetch::turn(store, table, &sources, places, BOUNDS_DEFAULT, 0, now).await?;
    for (name, ran) in turn {
        let report = ran?;
        if report.asked > 0 {
            let failed = match sources.take_failure() {
                Some(why) if report.failed > 0 => format!("; {} gave no answer, as: {why}", report.failed),
                _ => String::new(),
            };
            let (fetched, asked, seconds) = (report.fetched, report.asked, report.took as f64 / 1e6);
            tell(format!("`{name}`: {fetched} of {asked} values fetched ahead in {seconds:.1} s{failed}"));
        }
    }
    Ok(())
}

fn words(table: &TableName, how: &Arriving) -> Option<String> {
    let columns = |pass: &ShadowPass| {
        let names: Vec<String> = pass.columns.iter().map(|name| format!("`{name}`")).collect();
        names.join(", ")
    };
    Some(match how {
        Arriving::Nothing => return None,
        Arriving::Page(pass) => {
            format!("`{table}`: values of {} go into the table: {} items so far", columns(pass), pass.done)
        }
        Arriving::Moved(pass) => format!(
            "`{table}`: values of {} are in the table: {} moved, {} written since by others, {} of items that \
             are gone",
            columns(pass),
            pass.moved,
            pass.superseded,
            pass.orphaned
        ),
        Arriving::Misfits(pass) => format!(
            "`{table}`: {} values of {} do not fit its registered schema and stay beside it; change the schema \
             or the values",
            pass.misfits,
            columns(pass)
        ),
        Arriving::Cleaned(pass) => format!("`{table}`: nothing of {} is beside it any more", columns(pass)),
    })
}
