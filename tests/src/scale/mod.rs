//! What counting costs and how far it goes: a store that bills as DynamoDB does, a workload of
//! records of ordinary size, the designs ours is held against, and many lanes on a simulated clock.

pub mod baselines;
pub mod bill;
pub mod lanes;
pub mod metered;
pub mod timed;
pub mod workload;
pub mod writes;
