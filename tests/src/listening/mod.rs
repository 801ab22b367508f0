//! The listener's simulator: production steps over a registry in memory, under faults.
//!
//! One seed drives everything: which tables there are and how they evolve, which faults are on,
//! who takes the next step, and at which store call somebody dies. What the registry holds in the
//! end is compared with what it holds after the same records in order and without a fault.

#![expect(clippy::indexing_slicing, reason = "a simulator that indexes out of bounds must stop")]

pub mod chaos;
pub mod controls;
pub mod plan;
pub mod record;
pub mod registry;
pub mod source;
pub mod table;
pub mod world;
