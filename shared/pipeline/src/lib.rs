//! Steps: load, decide, commit. One file for each step; the store traits; the in-memory store.
//!
//! | module | step |
//! |---|---|
//! | [`define`] | a count definition → logic version 1 |
//! | [`asking`] | questions of a batch to functions → their answers, by whoever runs functions |
//! | [`functions`] | functions that records need → loaded, each once |
//! | [`answering`] | items read back → items with the answers of the functions that counts ask |
//! | [`count`] | a batch of CDC records → counts |
//! | [`empty_table`] | a truncate or drop → rows and counts of the table gone |
//! | [`listen`] | a batch of CDC records → observed schemas, schema change events |
//! | [`transform`] | a batch of records → records that conform to the schema in force |
//! | [`mutate`] | a write that was made for any schema version → an item of the one in force |
//! | [`beside`] | an item and what is kept beside the table for it → one item, of one moment |
//! | [`arrive`] | a column that has arrived → its values in the table |
//! | [`prefetch`] | a column that is expected → values fetched ahead of time |
//! | [`accept`] | changes that wait → a schema version |
//! | [`adapt`] | a schema change event → a plan for each count, and its version as far as it goes |
//! | [`settle`] | ledger rows judged anew under a version that starts |
//! | [`backfill`] | what was never stored → read from the source, online |
//! | [`validate`] | what is known of a version → verdict, promotion, rejection, rollback |
//! | [`maintain`] | open adjustments, standbys, draining and cuts, time and again |
//! | [`drain`] | rows of retired versions → their successors |
//! | [`forecast`] | schema versions and signals → predictions, what came of them, what was learnt |
//! | [`outlook`] | the same, for whoever asks now and writes nothing |
//! | [`advise`] | forecasts and counts → what to count ahead |
//! | [`quarantine`] | a quarantined record → counted and released |
//! | [`recheck`] | an ambiguous row → settled by the source |
//! | [`audit`] | the source table → what differs, and repairs |
//! | [`read`] | cells → a reading that says how exact it is |
//!
//! [`publish`] is how others hear of schema changes, [`alert`] is how administrators hear of plans
//! that were wrong, [`ports`] says what the steps need of the world,
//! [`memory`] is a store in memory, and [`event_source`] is a model of Lambda's Kinesis event source
//! mapping. [`imports`] are the limits of imported documents, [`kept`] are the schema versions of a subject, [`registry_cache`] keeps what the registry said last, and [`discovery`] adds to a
//! subject's lineage what services say of themselves.

pub mod accept;
pub mod adapt;
pub mod answering;
pub mod arrive;
pub mod beside;
pub mod mutate;
pub mod prefetch;
pub mod alert;
pub mod backfill;
pub mod drain;
pub mod settle;
pub mod validate;
pub mod audit;
pub mod count;
pub mod define;
pub mod discovery;
pub mod empty_table;
#[cfg(feature = "forecast")]
pub mod forecast;
#[cfg(feature = "forecast")]
pub mod outlook;
#[cfg(feature = "forecast")]
pub mod advise;
pub mod asking;
pub mod functions;
pub mod function_folder;
pub mod event_source;
pub mod memory;
pub mod operator;
pub mod judge;
pub mod imports;
pub mod kept;
pub mod kinesis;
pub mod listen;
pub mod maintain;
pub mod ports;
pub mod publish;
pub mod quarantine;
pub mod read;
pub mod recheck;
pub mod registry_cache;
pub mod transform;
