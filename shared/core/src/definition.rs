//! Count definitions: what the user asked to count.

use std::fmt;
use std::sync::Arc;

use crate::change::TableName;
use crate::path::Path;
use crate::predicate::Predicate;
use crate::transform::Transform;

/// Most grouping attributes of a definition.
pub const GROUP_BY_MAX: usize = 8;
/// Longest name of a definition, in bytes: it is part of every counter item's key.
pub const NAME_BYTES_MAX: usize = 64;
/// Distinct groups a lane counts by name unless the definition says otherwise. Beyond the cap
/// items are still counted exactly, in one overflow counter: a flood of invented groups must
/// not become a flood of counter items.
pub const GROUPS_MAX_DEFAULT: u32 = 100_000;
/// Largest cap a definition may ask for: 1,000,000 groups are about 60 MB of counters.
pub const GROUPS_MAX_LIMIT: u32 = 1_000_000;

/// The name of a count definition: letters, digits, `_` and `-`, starting with a letter.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct DefinitionName(Arc<str>);

impl DefinitionName {
    /// Accepts a well-formed name.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let well_formed = text.len() <= NAME_BYTES_MAX
            && text.starts_with(|first: char| first.is_ascii_alphabetic())
            && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-');
        well_formed.then(|| Self(text.into()))
    }

    /// The name under which doubt is kept that no single definition can be blamed for. No user's
    /// definition can have it: names start with a letter.
    #[must_use]
    pub fn unattributed() -> Self {
        Self("_unattributed".into())
    }

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for DefinitionName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// `SELECT group_by, COUNT(*), COUNT(DISTINCT distinct) FROM table WHERE filter GROUP BY group_by`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CountDefinition {
    /// Its name.
    pub name: DefinitionName,
    /// The table counted.
    pub table: TableName,
    /// Attributes to group by, in the order the user gave; empty for one total.
    pub group_by: Vec<Path>,
    /// Which items count; all of them where there is no filter.
    pub filter: Option<Predicate>,
    /// The attribute whose distinct values are estimated beside the items; see
    /// [`crate::distinct`].
    pub distinct: Option<Path>,
    /// Distinct groups counted by name; see [`GROUPS_MAX_DEFAULT`].
    pub groups_max: u32,
    /// What is counted beside what is asked for, so that likely changes need no rescan.
    pub headroom: Headroom,
}

/// Extra dimensions that are counted and not shown. They cost a counter for each combination that
/// occurs, and turn refinements and changed conditions from reading the source into arithmetic.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Headroom {
    /// Attributes to count by, beside the grouping ones.
    pub attributes: Vec<Path>,
    /// Whether each atom of the condition is a dimension of its own (true, false or unknown) and
    /// items that fail the condition are counted as well.
    pub truth: bool,
}

impl Headroom {
    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.attributes.is_empty() && !self.truth
    }
}

impl CountDefinition {
    /// Every path the definition reads.
    pub fn paths(&self) -> impl Iterator<Item = &Path> {
        let filter = self.filter.iter().flat_map(Predicate::paths);
        self.group_by.iter().chain(filter).chain(&self.distinct).chain(&self.headroom.attributes)
    }

    /// What cells are kept by: the grouping attributes, and those of the headroom.
    #[must_use]
    pub fn dimensions(&self) -> Vec<Path> {
        let extra = self.headroom.attributes.iter().filter(|path| !self.group_by.contains(path));
        self.group_by.iter().chain(extra).cloned().collect()
    }

    /// What the cells of a definition with headroom are brought to when they are read; `None`
    /// where they are kept as they are read.
    #[must_use]
    pub fn view(&self) -> Option<Transform> {
        (!self.headroom.is_empty()).then(|| Transform {
            actions: Vec::new(),
            keep: self.filter.as_ref().filter(|_| self.headroom.truth).map(Predicate::over_truths),
            group_by: self.group_by.clone(),
            atoms: (0..self.filter.as_ref().map_or(0, |filter| filter.atoms().len()))
                .map(|atom| u16::try_from(atom).ok())
                .collect(),
        })
    }
}
