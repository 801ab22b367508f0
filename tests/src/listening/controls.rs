//! Negative controls: listeners known to be wrong, kept so that the simulator must catch each.

use evercount_core::detection::records::Watch;
use evercount_core::lane::SequenceNumber;
use evercount_core::registration::{Registration, StoredWatch};
use evercount_core::registry::SubjectState;
use evercount_pipeline::memory::Memory;
use evercount_wire::watch;

/// A wrong design.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Control {
    /// Events are published before what they tell of is committed.
    PublishFirst,
    /// A column is gone with the first record that lacks it.
    OneRecordDrops,
    /// From where in the log a version holds is forgotten: late rows of the old shape are news.
    NoPositions,
    /// How far a lane has come is forgotten: what is delivered again is counted again.
    NoThrough,
    /// Events that could not be published are taken for published.
    NoOutbox,
    /// A watch is written without regard to what was read.
    NoCondition,
}

impl Control {
    /// All of them.
    pub const ALL: [Self; 6] = [
        Self::PublishFirst,
        Self::OneRecordDrops,
        Self::NoPositions,
        Self::NoThrough,
        Self::NoOutbox,
        Self::NoCondition,
    ];

    /// Spoils what a subject is read as.
    pub fn spoil_subject(self, state: &mut SubjectState) {
        if self == Self::NoPositions {
            (state.position, state.since) = (None, 0);
        }
    }

    /// Spoils what a watch is read as.
    pub fn spoil_watch(self, stored: &mut StoredWatch) {
        match self {
            Self::NoThrough => stored.through = SequenceNumber::parse("0").unwrap_or(stored.through.clone()),
            Self::OneRecordDrops => {
                let Ok(watch) = watch::from_json(&stored.state) else { return };
                let mut gathered = watch.gathered().clone();
                for trace in gathered.entries.iter_mut().map(|entry| &mut entry.presence) {
                    if trace.run > 0 {
                        (trace.run, trace.longest) = (10_000, 0);
                    }
                }
                stored.state = watch::to_json(&Watch::from(gathered));
            }
            _ => {}
        }
    }

    /// Spoils what a registration is conditional on.
    pub fn spoil_registration(self, registration: &mut Registration, memory: &Memory) {
        if self != Self::NoCondition {
            return;
        }
        let subject = registration.subject.clone();
        if let Some(write) = &mut registration.watch {
            write.from = memory.inspect(|state| {
                let stored = state.registry.watches.get(&(subject, write.lane.clone()));
                stored.map(|watch| watch.revision)
            });
        }
    }
}
