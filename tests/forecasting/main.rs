//! The forecaster's step over the registry: what is predicted, what comes of it, and that a run that dies
//! anywhere is gone on with as if it had not.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test may panic"
)]

mod crashes;
mod history;
mod steps;
#[cfg(feature = "embedded")]
mod traffic;
#[cfg(feature = "embedded")]
mod year;
