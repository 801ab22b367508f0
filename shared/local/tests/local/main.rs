//! The embedded AWS end to end: real SDK calls over loopback, the poller and the pump.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "a test may panic")]

mod alerts;
mod conformed;
mod embedded;
mod failures;
mod poller;
mod pump;
mod resharding;
mod scene;
mod schema_events;
