//! What the baselines share.

pub mod rows;
pub mod timed;
