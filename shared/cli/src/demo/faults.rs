//! Decides how the records are disturbed between the pump and the counter: order lost within small
//! windows, some records twice, and now and then an old one once more.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use aws_lambda_events::event::kinesis::KinesisEvent;
use aws_lambda_events::event::streams::KinesisEventResponse;
use evercount_local::put::{Entry, PutError, put_in_order};
use evercount_local::stack::Stack;

/// Widest window within which order is lost, in records.
const WINDOW_MAX: usize = 24;
/// From one record that is put twice to the next, in records: about 5 %, and never none for long.
const TWICE_EVERY: std::ops::RangeInclusive<u32> = 10..=30;
/// From one old record that is put again to the next, in records.
const OLD_EVERY: std::ops::RangeInclusive<u32> = 25..=75;
/// Old records kept at hand.
const MEMORY: usize = 256;

/// What was done to the records.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Injected {
    /// Records that came from the pump.
    pub records: u64,
    /// Second copies put soon after the first.
    pub duplicates: u64,
    /// Copies of old records put much later.
    pub replayed: u64,
    /// Records put behind one that was written later.
    pub reordered: u64,
    /// Of these, records put behind a later change of the same item.
    pub overtaken: u64,
}

/// Disturbs records, each batch on its own, with choices from a seed.
#[derive(Debug)]
pub struct Faults {
    rng: fastrand::Rng,
    memory: Vec<Entry>,
    until_twice: u32,
    until_old: u32,
    injected: Injected,
}

impl Faults {
    /// Faults of a seed.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        let mut rng = fastrand::Rng::with_seed(!seed);
        let (until_twice, until_old) = (rng.u32(TWICE_EVERY), rng.u32(OLD_EVERY));
        Self { rng, memory: Vec::new(), until_twice, until_old, injected: Injected::default() }
    }

    /// What has been done so far.
    #[must_use]
    pub fn injected(&self) -> Injected {
        self.injected
    }

    /// Each record at least once, and no longer as they came.
    pub fn disturb(&mut self, records: Vec<Entry>) -> Vec<Entry> {
        self.injected.records += records.len() as u64;
        let mut numbered: Vec<(usize, Entry)> = records.into_iter().enumerate().collect();
        let mut rest = numbered.as_mut_slice();
        while !rest.is_empty() {
            let width = self.rng.usize(2..=WINDOW_MAX).min(rest.len());
            let (window, behind) = rest.split_at_mut(width);
            if self.rng.bool() {
                self.rng.shuffle(window);
            }
            rest = behind;
        }
        self.note_order(&numbered);
        let mut disturbed = Vec::with_capacity(numbered.len() + numbered.len() / 8);
        for (_, entry) in numbered {
            (self.until_twice, self.until_old) = (self.until_twice - 1, self.until_old - 1);
            if self.until_old == 0 {
                self.until_old = self.rng.u32(OLD_EVERY);
                if let Some(old) = self.rng.choice(&self.memory) {
                    self.injected.replayed += 1;
                    disturbed.push(old.clone());
                }
            }
            disturbed.push(entry.clone());
            if self.until_twice == 0 {
                self.until_twice = self.rng.u32(TWICE_EVERY);
                self.injected.duplicates += 1;
                let first = disturbed.len().saturating_sub(WINDOW_MAX);
                // Anywhere near: which of the two copies is the first makes no difference.
                disturbed.insert(self.rng.usize(first..=disturbed.len()), entry.clone());
            }
            self.remember(entry);
        }
        disturbed
    }

    fn note_order(&mut self, numbered: &[(usize, Entry)]) {
        let mut latest = 0;
        let mut latest_of_item: BTreeMap<&str, usize> = BTreeMap::new();
        for (number, entry) in numbered {
            self.injected.reordered += u64::from(*number < latest);
            latest = latest.max(*number);
            let of_item = latest_of_item.entry(&entry.partition_key).or_insert(*number);
            self.injected.overtaken += u64::from(*number < *of_item);
            *of_item = (*of_item).max(*number);
        }
    }

    fn remember(&mut self, entry: Entry) {
        if self.memory.len() < MEMORY {
            self.memory.push(entry);
        } else if self.rng.u32(..8) == 0
            && let Some(place) = self.rng.choice(&mut self.memory)
        {
            *place = entry;
        }
    }
}

/// The answer of a relayed batch.
pub type Relayed = std::pin::Pin<Box<dyn Future<Output = Result<KinesisEventResponse, PutError>> + Send>>;

/// A poller's handler that puts the records of its batch on `stream`, disturbed.
pub fn relay(
    stack: &Stack,
    stream: &'static str,
    faults: &Arc<Mutex<Faults>>,
) -> impl Fn(KinesisEvent) -> Relayed + Clone + Send + Sync + 'static + use<> {
    let (kinesis, faults) = (stack.kinesis().clone(), faults.clone());
    move |event| {
        let records = event
            .records
            .into_iter()
            .map(|record| Entry { partition_key: record.kinesis.partition_key, data: record.kinesis.data.0 });
        let disturbed = faults.lock().unwrap_or_else(PoisonError::into_inner).disturb(records.collect());
        let kinesis = kinesis.clone();
        Box::pin(async move {
            put_in_order(&kinesis, stream, &disturbed).await?;
            Ok(KinesisEventResponse::default())
        })
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::indexing_slicing, reason = "a test may panic")]
    use super::*;

    fn records(count: usize) -> Vec<Entry> {
        let record =
            |n: usize| Entry { partition_key: format!("k{}", n % 8), data: n.to_string().into_bytes() };
        (0..count).map(record).collect()
    }

    fn number(entry: &Entry) -> usize {
        String::from_utf8_lossy(&entry.data).parse().unwrap_or(usize::MAX)
    }

    #[test]
    fn nothing_is_lost_and_every_extra_copy_is_accounted_for() {
        for seed in 0..50 {
            let mut faults = Faults::new(seed);
            let (mut copies, mut put) = (vec![0_u64; 1_000], 0);
            for batch in records(1_000).chunks(100) {
                let disturbed = faults.disturb(batch.to_vec());
                put += disturbed.len() as u64;
                disturbed.iter().for_each(|entry| copies[number(entry)] += 1);
            }
            let injected = faults.injected();
            assert!(copies.iter().all(|copies| *copies > 0), "seed {seed}");
            assert_eq!(put, injected.records + injected.duplicates + injected.replayed, "seed {seed}");
            assert!(
                injected.duplicates > 0 && injected.replayed > 0 && injected.overtaken > 0,
                "seed {seed}"
            );
            assert!(injected.overtaken <= injected.reordered, "seed {seed}");
        }
    }

    #[test]
    fn the_same_seed_disturbs_the_same_way() {
        let disturbed = |seed| Faults::new(seed).disturb(records(300));
        assert_eq!(disturbed(7), disturbed(7));
        assert_ne!(disturbed(7), disturbed(8));
    }
}
