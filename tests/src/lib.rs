//! Shared pieces of the system tests.

pub mod callgrind;
#[expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a rule that is broken panics")]
pub mod contract;
pub mod figures;
#[expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a file that is not as it should be panics"
)]
pub mod histories;
pub mod listening;
pub mod mutating;
pub mod peers;
pub mod runtime_api;
#[expect(clippy::unwrap_used, reason = "a measurement that cannot be made panics")]
pub mod scale;
pub mod simulation;
#[expect(clippy::indexing_slicing, reason = "what is made up here cannot be out of bounds")]
pub mod workload;
