//! Forecasts of schema change: which tables will change, what is known about how, and what to count ahead.

pub mod history;
pub mod life;
pub mod series;
pub mod features;
pub mod units;
pub mod scores;
pub mod linear;
pub mod calibration;
pub mod split;
pub mod models;
pub mod choose;
pub mod online;
pub mod bench;
