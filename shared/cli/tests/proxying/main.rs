//! The data proxy before the embedded DynamoDB: the same answers with it and without it, refusals by name,
//! and SDKs that know nothing of it.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "a test may panic")]

mod agent;
mod beside;
mod boto;
mod differential;
mod evolving;
mod fetching;
mod generate;
mod refusing;
mod sdk;
mod served;
#[path = "../s3/stand_in.rs"]
#[expect(dead_code, reason = "the functions of users that are in S3 take more of it")]
mod s3;
mod shop;
mod stage;
mod through_index;
mod tokens;
