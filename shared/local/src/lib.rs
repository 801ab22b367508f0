//! The embedded AWS: DynamoDB and Kinesis in process on loopback, a poller and a pump.
//!
//! [`EmbeddedAws`] runs the two services, the [`pump`] turns the writes of a table into CDC records
//! on a stream as Kinesis Data Streams for DynamoDB does, and the [`poller`] hands the records of a
//! stream to a function as Lambda's event source mapping does. All talk to the services through
//! the real AWS SDKs, except that the pump reads the tables' change log in process.

pub mod client;
pub mod embedded;
pub mod poller;
pub mod pump;
pub mod put;
pub mod stack;

pub use embedded::{EmbeddedAws, EmbeddedError, EmbeddedOptions};
pub use poller::{Poller, PollerError, PollerOptions, StartingPosition};
pub use pump::{Pump, PumpError, PumpStart};
pub use stack::{Stack, StackError};
