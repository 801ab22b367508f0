//! What is noted of a mutation that was not applied as it came.

use crate::change::RowKey;
use crate::order::{ItemVersion, Micros};

/// One line of the trail of a table's mutations.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct MutationEntry {
    /// When, microseconds since the epoch.
    pub at: Micros,
    /// The item.
    pub row: RowKey,
    /// The outcome as a stable word: `migrated`, `merged`, `resolved-by-function`, or why it was refused
    /// ([`super::refusal::Refusal::reason`]).
    pub outcome: String,
    /// The item's version from then on, where it was applied.
    pub version: Option<ItemVersion>,
    /// One sentence for a person. It holds no value of the item.
    pub summary: String,
}
