//! When faults strike, and turns: what every store under faults has.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use fastrand::Rng;

use super::chaos::Strikes;

/// Which faults strike, by a seed.
#[derive(Debug)]
pub struct Dice {
    rng: Rng,
    quiet: bool,
    strikes: Strikes,
}

impl Dice {
    /// Dice of a seed.
    #[must_use]
    pub fn of(seed: u64) -> Self {
        Self { rng: Rng::with_seed(seed), quiet: false, strikes: Strikes::new() }
    }

    /// Ends all faults.
    pub fn quieten(&mut self) {
        self.quiet = true;
    }

    /// Whether a fault strikes now, so many times in a thousand.
    pub fn strikes(&mut self, fault: &'static str, per_mille: u32) -> bool {
        let strikes = !self.quiet && per_mille > 0 && self.rng.u32(0..1_000) < per_mille;
        if strikes {
            *self.strikes.entry(fault).or_insert(0) += 1;
        }
        strikes
    }

    /// How often each fault struck.
    #[must_use]
    pub fn struck(&self) -> Strikes {
        self.strikes.clone()
    }

    /// One of so many.
    pub fn below(&mut self, n: usize) -> usize {
        self.rng.usize(0..n)
    }
}

/// A turn of others: it is pending once.
pub async fn a_turn() {
    Turn(false).await;
}

struct Turn(bool);

impl Future for Turn {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<()> {
        if self.0 {
            Poll::Ready(())
        } else {
            self.0 = true;
            Poll::Pending
        }
    }
}
