//! The function under measurement: what the item counter does with an event, in the mode that it is
//! told, on the in-memory store, so that all of its time goes into bytes and deltas. Told `floor`, it
//! does only what every such function must: read the event, and look at each byte of each record once.

// The clock of what it is compared with, which is of another workspace.
#[path = "../../peers/src/timed.rs"]
mod timed;

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use evercount_core::group::{Cell, GroupKey};
use evercount_core::logic::{Coverage, LogicId};
use evercount_core::value::Value;
use evercount_pipeline::count::{self, CountMode, CountOptions, Warm};
use evercount_pipeline::define;
use evercount_pipeline::kinesis::{self, ShardEvent};
use evercount_pipeline::memory::Memory;
use evercount_pipeline::ports::CountStore;
use evercount_runtime::Invocation;
use evercount_tests::workload::DEFINITIONS;
use evercount_wire::cdc::Format;
use evercount_wire::definition;
use evercount_wire::kinesis_event::Records;
use lambda_runtime::Error;
use mimalloc::MiMalloc;
use timed::{Timed, answer};
use tokio::sync::Mutex;

/// A batch makes and drops some ten values for each of its records, thousands of which live at once.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let store = Memory::default();
    let mut logics = Vec::new();
    for definition in definition::from_toml(DEFINITIONS, "counts.toml").map_err(|_| "no definitions")? {
        logics.push(LogicId { definition: definition.name.clone(), number: 1 });
        define::create(&store, definition, Coverage::Whole, 0).await.map_err(|error| error.to_string())?;
    }
    let told = std::env::args().nth(1);
    if told.as_deref() == Some("floor") {
        let floor = |invocation: Invocation| async move { floor(invocation.body).map(answer) };
        return evercount_runtime::runtime(floor).layer(Timed).run().await;
    }
    let mode = match told.as_deref() {
        Some("ledger") => CountMode::Ledger,
        _ => CountMode::Lane,
    };
    let options = CountOptions { mode, format: Some(Format::DynamoDb), epoch: 0 };
    let state = Arc::new((store, logics, Mutex::new(Warm::default())));
    let call = |invocation: Invocation| {
        let state = Arc::clone(&state);
        async move {
            let (store, logics, warm) = &*state;
            let mut warm = warm.lock().await;
            let mut reports = Vec::new();
            if let Some((lane, event)) = ShardEvent::of(&invocation.body) {
                reports.extend(count::run_event(store, &mut warm, &lane, event, options, 0).await);
            }
            if reports.is_empty() {
                for (lane, records) in kinesis::read_event(&invocation.body)? {
                    reports.push(count::run(store, &mut warm, &lane, &records, options, 0, || true).await);
                }
            }
            for report in reports {
                if report.tally.quarantined > 0 || report.first_unapplied.is_some() {
                    return Err(Error::from(format!("{report:?}")));
                }
            }
            counts(store, logics).await.map(answer)
        }
    };
    evercount_runtime::runtime(call).layer(Timed).run().await
}

/// How many bytes the records of an event have.
fn floor(body: Bytes) -> Result<String, Error> {
    let mut bytes = 0;
    let mut room = Vec::new();
    for found in Records::of(&body) {
        let data = found.and_then(|found| found.read(&mut room)).map_err(|_| "the event is unusual")?;
        bytes += std::str::from_utf8(data)?.len();
    }
    Ok(bytes.to_string())
}

/// What was counted, as every variant tells it: a line for each group.
async fn counts(store: &Memory, logics: &[LogicId]) -> Result<String, Error> {
    let mut lines = BTreeMap::new();
    for logic in logics {
        for (cell, n) in store.cells(logic).await? {
            if let Cell::Group(key) = cell
                && n != 0
            {
                lines.insert(line(logic.definition.as_str(), &key), n);
            }
        }
    }
    Ok(lines.iter().map(|(group, n)| format!("{group}: {n}\n")).collect())
}

fn line(name: &str, key: &GroupKey) -> String {
    let texts = key.parts().iter().map(|(_, value)| match value {
        Value::String(text) => text.clone(),
        other => format!("{other:?}"),
    });
    std::iter::once(name.to_owned()).chain(texts).collect::<Vec<_>>().join(" ")
}
