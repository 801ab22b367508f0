//! The mutation simulator: the agent and the move of shadow values over a table, a registry and stores in
//! memory, under faults.
//!
//! One seed drives everything: what writers of every schema version want, when the schema goes on, who
//! takes the next step, and at which call somebody dies. After every write the table and what is beside it
//! are held against a model of what was meant, which knows no migrations: it keeps the facts of an item,
//! and how each version of the schema would write them down.

#![expect(clippy::indexing_slicing, reason = "a simulator that indexes out of bounds must stop")]

pub mod chaos;
pub mod controls;
pub mod model;
pub mod plan;
pub mod shop;
pub mod world;
