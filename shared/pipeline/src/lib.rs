//! Steps: load, decide, commit. One file for each step; the store traits; the in-memory store.
//!
//! | module | step |
//! |---|---|
//! | [`define`] | a count definition → logic version 1 |
//! | [`count`] | a batch of CDC records → counts |
//! | [`empty_table`] | a truncate or drop → rows and counts of the table gone |
//! | [`listen`] | a batch of CDC records → observed schemas, schema change events |
//! | [`accept`] | changes that wait → a schema version |
//! | [`quarantine`] | a quarantined record → counted and released |
//! | [`recheck`] | an ambiguous row → settled by the source |
//! | [`audit`] | the source table → what differs, and repairs |
//! | [`read`] | cells → a reading that says how exact it is |
//!
//! [`publish`] is how others hear of schema changes, [`ports`] says what the steps need of the world,
//! [`memory`] is a store in memory, and [`event_source`] is a model of Lambda's Kinesis event source
//! mapping. [`registry_cache`] keeps what the registry said last, and [`discovery`] adds to a
//! subject's lineage what services say of themselves.

pub mod accept;
pub mod audit;
pub mod count;
pub mod define;
pub mod discovery;
pub mod empty_table;
pub mod event_source;
pub mod memory;
pub mod operator;
pub mod judge;
pub mod listen;
pub mod ports;
pub mod publish;
pub mod quarantine;
pub mod read;
pub mod recheck;
pub mod registry_cache;
