//! `evercount schema ack`: a consumer has applied a version.

use evercount_core::lineage::Consumer;
use evercount_core::order::Micros;
use evercount_pipeline::ports::RegistryStore;
use serde_json::json;

use super::args::AckArgs;
use super::text::{STRONG, paint, plain};
use super::{Answer, subject};
use crate::show;

/// Notes an acknowledgement.
pub async fn run<S: RegistryStore>(store: &S, args: &AckArgs, now: Micros) -> anyhow::Result<Answer> {
    let state = subject::find(store, &args.on.subject).await?;
    let applied = subject::version(store, &state, args.version, now).await?.id;
    let consumer = Consumer { name: args.consumer.clone(), first: now, last: now, applied: Some(applied) };
    store.acknowledge(&state.subject, &consumer).await?;
    let behind = subject::current(&state)?.saturating_sub(applied.version);
    let line = format!(
        "{} has applied version {} of {}{}",
        plain(&args.consumer),
        applied.version,
        paint(STRONG, plain(&state.subject)),
        if behind == 0 {
            ", the current one".to_owned()
        } else {
            format!(", {behind} behind the current one")
        }
    );
    let document = json!({
        "subject": state.subject.as_str(),
        "consumer": args.consumer,
        "applied": {"version": applied.version, "id": applied.to_string()},
        "behind": behind,
        "at": show::time(now),
    });
    Ok(Answer::ok(document, vec![line]))
}
