//! What the baselines share.

pub mod rows;
