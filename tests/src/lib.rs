//! Shared pieces of the system tests.

#[expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a rule that is broken panics")]
pub mod contract;
pub mod simulation;
