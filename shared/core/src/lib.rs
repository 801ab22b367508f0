//! Decisions: what a change adds to each count.
//!
//! Everything here is pure and synchronous: no clock, no randomness, no environment, no AWS.
//! Time and limits are arguments; "cannot judge" is a value. The modules stand in the order of
//! the flow:
//!
//! | module | value it owns |
//! |---|---|
//! | [`decimal`], [`value`], [`path`] | what an item is made of |
//! | [`order`] | which of two changes to one row is the later one |
//! | [`change`] | one decoded CDC record |
//! | [`predicate`], [`definition`], [`logic`] | what to count, as data |
//! | [`group`], [`counting`] | what one image adds to a count |
//! | [`ledger`] | what a change does to the row that remembers it |
//! | [`placement`], [`chunk`] | which cells move in one transaction |
//! | [`reading`] | what the cells say, and how exact it is |
//! | [`audit`] | how the counts differ from a recount |

pub mod decimal;
pub mod value;
pub mod path;
pub mod order;
pub mod change;
pub mod predicate;
pub mod definition;
pub mod logic;
pub mod group;
pub mod counting;
pub mod ledger;
pub mod lane;
pub mod placement;
pub mod chunk;
pub mod reading;
pub mod audit;
