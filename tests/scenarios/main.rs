//! Scenarios from end to end: records on the embedded Kinesis, the poller in the place of
//! Lambda's event source mapping, the item counter, and its tables on the embedded DynamoDB, all
//! through the SDKs. Each ends with a recount of its source.

#![expect(
    clippy::panic,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a test may panic, and prints the figures it measured"
)]

mod adjusting;
mod delivery;
mod distinct;
mod failures;
mod feed;
mod operations;
mod poison;
mod relational;
mod resharding;
mod shop;
mod source_table;
mod stage;
