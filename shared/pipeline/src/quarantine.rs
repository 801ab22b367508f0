//! Replaying the quarantine: a record that can be understood by now is counted and released.

use evercount_core::change::Record;
use evercount_core::chunk::{Quarantined, Tally};
use evercount_core::order::Micros;
use evercount_wire::cdc::{Decoder, Envelope};

use crate::count::CountOptions;
use crate::ports::{Store, StoreError};
use crate::{answering, operator};

/// What became of a quarantined record.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Replayed {
    /// It is counted, or was all along, and no longer in quarantine.
    Released(Tally),
    /// It still cannot be understood, for this reason; it stays.
    StillPoison(String),
}

/// Decodes a quarantined record again and applies it by the last-writer-wins rule.
///
/// # Errors
/// Whatever the store answers.
pub async fn replay<S: Store>(
    store: &S,
    record: &Quarantined,
    options: CountOptions,
    now: Micros,
) -> Result<Replayed, StoreError> {
    if record.lane.is_of_transformer() {
        let why = "the event transformer refused it; put it on the stream again once the schema holds it";
        return Ok(Replayed::StillPoison(why.to_owned()));
    }
    let mut decoder = Decoder::new(options.format, options.epoch);
    for (table, (_, shape)) in store.table_facts().await?.shapes {
        decoder.learn(table, shape);
    }
    let poison = &record.poison;
    let envelope = Envelope {
        data: &poison.raw,
        partition_key: poison.partition_key.as_deref(),
        arrival: Some(record.arrived_at),
    };
    let mut changes = match decoder.decode(&envelope) {
        Ok(Record::Changes(changes)) => changes,
        Ok(Record::Passed(_)) => Vec::new(),
        Ok(Record::Tables(_)) => {
            return Ok(Replayed::StillPoison(
                "it is a control record; put it on the stream again to replay it".to_owned(),
            ));
        }
        Err(bad) => return Ok(Replayed::StillPoison(format!("{}: {}", bad.reason, bad.detail))),
    };
    answering::answer(store, &mut changes).await?;
    match operator::apply(store, &changes, Some(record), now).await {
        Ok((tally, _)) => Ok(Replayed::Released(tally)),
        Err(StoreError::Rejected(why)) => Ok(Replayed::StillPoison(why)),
        Err(error) => Err(error),
    }
}
