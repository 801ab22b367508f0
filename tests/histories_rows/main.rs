//! What rows alone show of real schema changes: five projects' histories as generated row
//! images, with and without planted renames, and captures of a PostgreSQL that sends no DDL.
//!
//! The data is not part of the project; where its folder is absent, the tests say so and pass.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a test may panic and prints its figures"
)]

mod captures;
mod generate;
mod histories;
mod listener;
