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
//! | [`schema`], [`fingerprint`] | what rows may hold, and its id |
//! | [`observed`] | what rows show of a schema |
//! | [`change`] | one decoded CDC record |
//! | [`schema_change`] | what changed between two schema versions of a table |
//! | [`diff`] | how two versions of a schema differ |
//! | [`compatibility`] | who can read whose rows |
//! | [`drift`] | how far a schema moved |
//! | [`detection`] | which changes rows and statements show |
//! | [`registry`] | subjects, their policies and their schema versions |
//! | [`evolution`] | what a proposed schema makes of a subject, under its policy |
//! | [`lineage`] | who writes and who reads a subject |
//! | [`prediction`] | what was said of a table's schema to come, and what came of it |
//! | [`registration`] | what one transaction writes into the registry |
//! | [`predicate`], [`definition`] | what to count, as data |
//! | [`function`] | how logic names a function that somebody wrote, and what its answers are |
//! | [`migration`] | how an item of an earlier shape is read as one of a later shape |
//! | [`conform`] | what an item has to become to be one of a schema |
//! | [`resolve`] | where the attributes that a request names stand, and how the request is split |
//! | [`expression`] | what a condition says of an item, and what an update makes of it |
//! | [`shadow`] | which columns a table is believed to get, and what was written to them already |
//! | [`mutation`] | what a write that was made for another schema version becomes |
//! | [`transform`] | what a derivable change makes of stored counts |
//! | [`logic`] | the versions of a definition's counting logic, and what each is counted from |
//! | [`sketch`] | where a value falls in a cardinality sketch, and what its registers say |
//! | [`group`], [`counting`] | what one image adds to a count |
//! | [`memo`] | what was judged of an image before, so that its like need not be judged again |
//! | [`projection`] | which columns of an image counting needs |
//! | [`ledger`] | what a change does to the row that remembers it |
//! | [`adjustment`] | what a change asks of a count, and why that is enough |
//! | [`verdict`] | whether a version may take over |
//! | [`backfill`] | how much of a source may be read when |
//! | [`adoption`] | what becomes of plans, and under which policy |
//! | [`timeline`] | which version was active when |
//! | [`bounds`] | what is certain of a count while its version is being filled |
//! | [`evidence`] | how a derived version compares with its parent |
//! | [`placement`], [`chunk`] | which cells move in one transaction |
//! | [`distinct`] | how many distinct values the live items have |
//! | [`reading`] | what the cells say, and how exact it is |
//! | [`audit`] | how the counts differ from a recount |

// Tests of modules share the random tables of the tests beside them, which name the crate.
#[cfg(test)]
extern crate self as evercount_core;

pub mod decimal;
pub mod value;
pub mod path;
pub mod order;
pub mod schema;
pub mod fingerprint;
pub mod observed;
pub mod change;
pub mod schema_change;
pub mod diff;
pub mod compatibility;
pub mod drift;
pub mod detection;
pub mod registry;
pub mod evolution;
pub mod lineage;
pub mod prediction;
pub mod registration;
pub mod predicate;
pub mod definition;
pub mod function;
pub mod migration;
pub mod conform;
pub mod resolve;
pub mod expression;
pub mod shadow;
pub mod mutation;
pub mod transform;
pub mod logic;
pub mod adjustment;
pub mod verdict;
pub mod backfill;
pub mod adoption;
pub mod timeline;
pub mod bounds;
pub mod sketch;
pub mod group;
pub mod image;
pub mod distinct;
pub mod counting;
pub mod memo;
pub mod projection;
pub mod ledger;
pub mod lane;
pub mod evidence;
pub mod placement;
pub mod chunk;
pub mod reading;
pub mod audit;
