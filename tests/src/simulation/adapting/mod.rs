//! The simulator of schema changes: the source's table changes its shape while it is written and
//! counted, and the steps that follow the change run as tasks among invocations, under the same
//! faults.
//!
//! One seed drives everything. What the source does depends on nothing but the seed, so that the
//! same history can be lived through again without anybody following its changes.

pub mod checks;
pub mod controls;
pub mod plan;
pub mod planner;
pub mod record;
pub mod shape;
pub mod shrink;
pub mod source;
#[cfg(test)]
mod taken_back;
pub mod tasks;
pub mod world;
