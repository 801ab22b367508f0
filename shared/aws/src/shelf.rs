//! Decides what a function's instance keeps warm between invocations: one thing for each lane it
//! has lately served.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use evercount_core::lane::LaneId;

/// Most lanes kept. A function's instance serves one shard for long stretches, so this only
/// bounds a process that serves many; losing one costs a few reads.
pub(crate) const LANES_MAX: usize = 64;

/// What is kept for each lane. All of it can be loaded again.
#[derive(Debug)]
pub(crate) struct Shelf<T>(Mutex<HashMap<LaneId, T>>);

impl<T> Default for Shelf<T> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<T> Shelf<T> {
    /// Takes a lane's thing out, where there is one: two batches of one lane at once (which no event source mapping
    /// with one batch per shard delivers) are safe, only slower.
    pub(crate) fn take(&self, lane: &LaneId) -> Option<T> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(lane)
    }

    /// Puts it back, in another's place where the shelf is full.
    pub(crate) fn keep(&self, lane: &LaneId, thing: T) {
        let mut shelf = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if shelf.len() >= LANES_MAX
            && let Some(other) = shelf.keys().next().cloned()
        {
            shelf.remove(&other);
        }
        shelf.insert(lane.clone(), thing);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_that_meets_many_lanes_keeps_some_of_them_warm() {
        let shelf: Shelf<u32> = Shelf::default();
        for n in 0..100 {
            shelf.keep(&LaneId::named(&format!("lane-{n}")), n);
        }
        let kept = (0..100).filter(|n| shelf.take(&LaneId::named(&format!("lane-{n}"))).is_some()).count();
        assert!((LANES_MAX - 1..=LANES_MAX).contains(&kept), "{kept} kept");
    }
}
