//! Projections: which columns of an image counting needs.
//!
//! A counter that reads millions of records makes nothing of the columns that no definition reads.
//! What it leaves out is still seen: an image's digest, which tells duplicates from changes, is that
//! of the whole image.

use std::collections::BTreeSet;

use crate::image::Columns;
use crate::logic::TableLogic;

/// Which columns of a table's images are kept.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Projection {
    read: Columns,
    others: Others,
    digests: bool,
}

/// What becomes of columns that no definition reads.
#[derive(Clone, PartialEq, Eq, Debug)]
enum Others {
    Dropped,
    Kept,
    /// Kept unless the table's adopted shape has them.
    Strange(BTreeSet<String>),
}

impl Projection {
    /// Of a table that nobody counts.
    #[must_use]
    pub fn nothing() -> Self {
        Self { read: Columns::default(), others: Others::Dropped, digests: false }
    }

    /// Of whole images.
    #[must_use]
    pub fn everything() -> Self {
        Self { read: Columns::default(), others: Others::Kept, digests: false }
    }

    /// What counting by checkpoints and deltas needs: the columns that live versions read.
    #[must_use]
    pub fn for_lanes(logic: &TableLogic) -> Self {
        // Functions see whole items.
        let others = if logic.functions().is_empty() { Others::Dropped } else { Others::Kept };
        Self { read: columns(logic), others, digests: false }
    }

    /// What counting by a ledger needs: also the columns that the adopted shape does not know, which
    /// the row remembers, and the digests of whole images.
    #[must_use]
    pub fn for_ledger(logic: &TableLogic) -> Self {
        let others = match &logic.adopted {
            Some(adopted) if logic.functions().is_empty() => Others::Strange(adopted.columns.clone()),
            _ => Others::Kept,
        };
        Self { read: columns(logic), others, digests: true }
    }

    /// Whether a column is kept.
    #[must_use]
    pub fn keeps(&self, column: &str) -> bool {
        match &self.others {
            Others::Kept => true,
            Others::Dropped => self.read.number(column).is_some(),
            Others::Strange(known) => self.read.number(column).is_some() || !known.contains(column),
        }
    }

    /// The columns that are kept, where they are known beforehand and nothing else of an image matters:
    /// then they may be kept unread.
    #[must_use]
    pub fn unread(&self) -> Option<&Columns> {
        (self.others == Others::Dropped && !self.digests).then_some(&self.read)
    }

    /// Whether digests of whole images are needed.
    #[must_use]
    pub fn digests(&self) -> bool {
        self.digests
    }
}

/// The columns that live versions of a table read.
#[must_use]
pub fn columns(logic: &TableLogic) -> Columns {
    Columns::new(logic.live.iter().flat_map(|version| version.columns()).collect())
}
