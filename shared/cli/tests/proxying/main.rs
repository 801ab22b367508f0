//! The data proxy before the embedded DynamoDB: the same answers with it and without it, refusals by name,
//! and SDKs that know nothing of it.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "a test may panic")]

mod agent;
mod beside;
mod boto;
mod differential;
mod evolving;
mod generate;
mod refusing;
mod sdk;
mod served;
mod shop;
mod stage;
