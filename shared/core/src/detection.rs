//! Detection: which changes of a schema the rows and the statements of a subject show.
//!
//! Everything here is a function of what was gathered: the same rows in the same lanes give the
//! same changes.

pub mod declared;
pub mod records;
mod rename;
