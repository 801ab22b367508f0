//! Steps: load, decide, commit. One file for each step; the store traits; the in-memory store.
//!
//! | module | step |
//! |---|---|
//! | [`define`] | a count definition → logic version 1 |
//! | [`count`] | a batch of CDC records → counts |
//! | [`empty_table`] | a truncate or drop → rows and counts of the table gone |
//! | [`quarantine`] | a quarantined record → counted and released |
//! | [`recheck`] | an ambiguous row → settled by the source |
//! | [`audit`] | the source table → what differs, and repairs |
//! | [`read`] | cells → a reading that says how exact it is |
//!
//! [`ports`] says what the steps need of the world, [`memory`] is a store in memory, and
//! [`event_source`] is a model of Lambda's Kinesis event source mapping.

pub mod audit;
pub mod count;
pub mod define;
pub mod empty_table;
pub mod event_source;
pub mod memory;
pub mod operator;
pub mod ports;
pub mod quarantine;
pub mod read;
pub mod recheck;
