//! The data proxy: it speaks the DynamoDB protocol, so that an unmodified SDK works through it by endpoint
//! override, and holds the attributes that requests name against the registered schema and the shadow
//! schema of their table.
//!
//! | module | decision |
//! |---|---|
//! | [`operation`] | which requests are resolved, and which go on as they are |
//! | [`proxy`] | what becomes of one request |
//! | [`answer`] | how the proxy answers itself |
//! | [`upstream`] | what it needs of the DynamoDB behind it |
//! | `server` | how it is served on this machine |

pub mod answer;
pub mod operation;
pub mod proxy;
#[cfg(feature = "server")]
pub mod server;
pub mod upstream;

pub use proxy::Proxy;
