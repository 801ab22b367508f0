//! How plans are treated: policy files as people write them, and the stored form.
//!
//! ```toml
//! standby = "72h"                  # how long a version that was replaced is kept live
//! backfill_units_a_second = 1000   # read units a second that a backfill may take
//!
//! [tolerance]
//! unexplained_max = 0              # unexplained differences that still promote
//! explained_share_max = 1.0        # share of explained ones above which a person decides
//! patience = "24h"                 # without enough evidence for so long, that is said
//!
//! [class]
//! A5 = "approve"
//!
//! [[table]]
//! name = "orders"
//! policy = "approve"
//! [table.kind]
//! drop_column = "freeze"
//! redefine = "approve"
//! ```
//!
//! What a file does not say is as where there is no file; an entry of `kind` goes before its
//! table's `policy`, and that before `class`. Lengths of time are a whole number and `s`, `m`,
//! `h` or `d`.

mod file;
mod json;

pub use file::{KINDS, from_toml, length_text};
pub use json::{PolicyJsonError, from_json, to_json};
