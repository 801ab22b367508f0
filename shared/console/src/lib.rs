//! The console: a JSON API over the traits of [`evercount_pipeline::ports`] and the steps, and a page.
//!
//! | where | what |
//! |---|---|
//! | [`Served`] | a store, a source and settings: what is asked and done, generic over where it is kept |
//! | [`Console`] | the same without its types, so that routes are compiled once |
//! | [`router`] | the routes under `/api/v1`, the document that describes them, and the page |
//! | [`Problem`] | what could not be done, and what to do about it |
//!
//! Live updates are conditional requests. An answer has a strong ETag, and whoever asks again with it in
//! `If-None-Match` gets 304 and no body. A pulse (what lanes, catalog, plans and subjects stand at, read at
//! most twice a second for all who ask) says whether anything can have changed; while it has not, answers
//! come from memory. Server-sent events would stay open, and a function URL with buffered answers sends
//! nothing before the end; a long poll would pay for a function that waits. This way is the same here and
//! there, and nothing that nobody looks at is read.

mod assets;
mod console;
mod counts;
mod forecasts;
mod guard;
mod health;
mod live;
mod plans;
mod problem;
mod records;
mod routes;
mod schemas;
mod versions;
mod work;

pub use assets::ASSETS;
pub use console::{Console, ConsoleStore, Served, Settings, TargetDoc};
pub use counts::{GroupQuery, Sort};
pub use guard::Hosts;
pub use problem::Problem;
pub use routes::{document, router};
