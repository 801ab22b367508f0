//! The data proxy: it speaks the DynamoDB protocol, so that an unmodified SDK works through it by endpoint
//! override, and holds the attributes that requests name against the registered schema and the shadow
//! schema of their table.
//!
//! | module | decision |
//! |---|---|
//! | [`operation`] | which requests are resolved, and which go on as they are |
//! | [`request`] | what a request names |
//! | [`statement`] | what a statement of PartiQL names |
//! | [`tables`] | which columns a table has and expects |
//! | [`usage`] | how often attributes are asked for that a table does not have |
//! | [`tally`] | what became of requests, counted |
//! | [`functions`] | which functions that somebody wrote are at hand |
//! | [`options`] | what a proxy may do |
//! | `wish` | what a request wants of one item |
//! | [`mutating`] | how the agent carries out writes |
//! | `reading` | how reads are answered that show more than the table has |
//! | [`proxy`] | what becomes of one request |
//! | [`answer`] | how the proxy answers itself |
//! | [`upstream`] | what it needs of the DynamoDB behind it |
//! | `server` | how it is served on this machine |

pub mod answer;
pub mod functions;
pub mod mutating;
pub mod operation;
pub mod options;
pub mod proxy;
mod reading;
pub mod request;
#[cfg(feature = "server")]
pub mod server;
pub mod statement;
pub mod tables;
pub mod tally;
pub mod upstream;
pub mod usage;
mod wish;

pub use options::ProxyOptions;
pub use proxy::Proxy;
