//! Owns how others hear of schema change events: the port, and one in memory.

use std::collections::{BTreeSet, VecDeque};
use std::future::Future;
use std::sync::{Mutex, MutexGuard, PoisonError};

use evercount_core::schema_change::SchemaChangeEvent;

use crate::ports::StoreError;

/// Where schema change events go.
///
/// They arrive at least once: after an error any of them may have arrived, and the caller
/// publishes all of them again. An event's id ([`SchemaChangeEvent::id`]) is the same each time.
pub trait SchemaEvents: Sync {
    /// Publishes events; those of one subject arrive in this order.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] where it may work later; [`StoreError::Rejected`] where it
    /// cannot, as without the permission to.
    fn publish(&self, events: &[SchemaChangeEvent]) -> impl Future<Output = Result<(), StoreError>> + Send;
}

/// What goes wrong with a call to [`MemorySchemaEvents`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Mishap {
    /// Only this many of the events arrive, and the caller hears of a failure.
    CutAfter(usize),
    /// All events arrive, and the caller hears of a failure.
    ReplyLost,
    /// Nothing arrives, and the caller hears that it never will.
    Refused,
}

/// Keeps what is published; for simulation and tests.
#[derive(Debug, Default)]
pub struct MemorySchemaEvents {
    state: Mutex<Published>,
}

#[derive(Debug, Default)]
struct Published {
    events: Vec<SchemaChangeEvent>,
    mishaps: VecDeque<Mishap>,
}

impl MemorySchemaEvents {
    /// Lets a call to come go wrong; each mishap befalls one call, in the order they are told.
    pub fn expect(&self, mishap: Mishap) {
        self.lock().mishaps.push_back(mishap);
    }

    /// Everything that arrived, in order, repetitions included.
    #[must_use]
    pub fn events(&self) -> Vec<SchemaChangeEvent> {
        self.lock().events.clone()
    }

    /// What arrived without its repetitions: each id once, in the order of first arrival. This is
    /// what a reader that keeps ids has.
    #[must_use]
    pub fn distinct(&self) -> Vec<SchemaChangeEvent> {
        let mut seen = BTreeSet::new();
        self.lock().events.iter().filter(|event| seen.insert(event.id())).cloned().collect()
    }

    /// The ids of [`MemorySchemaEvents::distinct`].
    #[must_use]
    pub fn ids(&self) -> Vec<String> {
        self.distinct().iter().map(SchemaChangeEvent::id).collect()
    }

    fn lock(&self) -> MutexGuard<'_, Published> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl SchemaEvents for MemorySchemaEvents {
    async fn publish(&self, events: &[SchemaChangeEvent]) -> Result<(), StoreError> {
        let mut state = self.lock();
        let mishap = state.mishaps.pop_front();
        let arriving = match mishap {
            Some(Mishap::CutAfter(arriving)) => arriving,
            Some(Mishap::Refused) => 0,
            Some(Mishap::ReplyLost) | None => events.len(),
        };
        state.events.extend(events.iter().take(arriving).cloned());
        match mishap {
            None => Ok(()),
            Some(Mishap::Refused) => Err(StoreError::Rejected("refused on request".to_owned())),
            Some(mishap) => Err(StoreError::Unavailable(format!("{mishap:?}"))),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::pin::pin;
    use std::task::{Context, Poll, Waker};

    use evercount_core::fingerprint::{Fingerprint, SchemaId};
    use evercount_core::schema_change::Subject;

    use super::*;

    fn event(version: u32) -> SchemaChangeEvent {
        SchemaChangeEvent {
            subject: Subject::new("orders"),
            from: None,
            to: SchemaId { version, fingerprint: Fingerprint(u64::from(version)) },
            changes: Vec::new(),
            drift: 0.0,
            position: None,
            at: 0,
        }
    }

    fn publish(port: &MemorySchemaEvents, events: &[SchemaChangeEvent]) -> Option<Result<(), StoreError>> {
        match pin!(port.publish(events)).poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(result) => Some(result),
            Poll::Pending => None,
        }
    }

    #[test]
    fn events_published_again_after_a_mishap_are_the_same_events() {
        let events = [event(1), event(2)];
        let check = |mishap, arrived: usize, told: fn(&StoreError) -> bool| {
            let port = MemorySchemaEvents::default();
            port.expect(mishap);
            let first = publish(&port, &events);
            assert!(matches!(first, Some(Err(error)) if told(&error)), "{mishap:?}");
            assert_eq!(port.events().len(), arrived, "{mishap:?}");
            assert_eq!(publish(&port, &events), Some(Ok(())), "{mishap:?}");
            assert_eq!(port.events().len(), arrived + 2, "{mishap:?}");
            assert_eq!(port.distinct(), events, "{mishap:?}");
            assert_eq!(port.ids(), events.each_ref().map(SchemaChangeEvent::id), "{mishap:?}");
        };
        let later: fn(&StoreError) -> bool = |error| matches!(error, StoreError::Unavailable(_));
        check(Mishap::CutAfter(0), 0, later);
        check(Mishap::CutAfter(1), 1, later);
        check(Mishap::ReplyLost, 2, later);
        check(Mishap::Refused, 0, |error| matches!(error, StoreError::Rejected(_)));
    }
}
