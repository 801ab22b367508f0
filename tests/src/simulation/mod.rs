//! The deterministic simulator: production steps over a store in memory, under faults.
//!
//! One seed drives everything: what the source does, which faults are on, who takes the next
//! step, and at which store call somebody dies. The same seed always tells the same story.

#![expect(clippy::indexing_slicing, reason = "a simulator that indexes out of bounds must stop")]

pub mod adapting;
pub mod asked;
pub mod chaos;
pub mod controls;
pub mod dice;
pub mod handing;
pub mod invariants;
pub mod plan;
pub mod seeds;
pub mod shrink;
pub mod source;
pub mod stream;
pub mod world;
