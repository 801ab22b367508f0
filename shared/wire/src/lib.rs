//! Formats: bytes to core values and back.

pub mod json;
pub mod cdc;
pub mod predicate;
pub mod definition;
pub mod logic;
pub mod group;
pub mod items;
