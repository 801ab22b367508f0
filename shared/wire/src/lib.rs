//! Formats: bytes to core values and back.

pub mod json;
pub mod json_schema;
pub mod sql_type;
pub mod ddl;
pub mod cdc;
pub mod kinesis_event;
mod scan;
pub mod event;
pub mod predicate;
mod toml_file;
pub mod definition;
pub mod logic;
pub mod migration;
pub mod mutation_settings;
pub mod adjustment;
pub mod function;
pub mod asking;
pub mod policy;
pub mod prediction;
pub mod group;
pub mod diff_view;
pub mod sketch;
pub mod items;
pub mod schema_event;
pub mod conformed;
pub mod watch;
pub mod nearest;
