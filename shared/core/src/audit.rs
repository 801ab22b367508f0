//! Audits: how the ledger differs from a recount of the source, and why.
//!
//! A source row read at time `t` is a change like any other, with version `t − margin`: had the
//! row been written after that, the write's own record is newer and wins whichever comes first;
//! otherwise the row read is the row's last state. So an audit may repair while writers go on.

use std::collections::BTreeMap;

use crate::change::{Change, Digests, RowKey};
use crate::counting::{self, Cells, Contributions};
use crate::definition::DefinitionName;
use crate::function::digest_of_source;
use crate::image::Image;
use crate::ledger::LedgerRow;
use crate::logic::{LogicVersion, TableLogic};
use crate::order::{Micros, OrderVersion};
use crate::value::Item;

/// What an audit finds of one row.
#[derive(Clone, PartialEq, Debug)]
pub enum Finding {
    /// The ledger counts the row as a recount would.
    Agrees,
    /// The row changed so lately that its record may still be on its way.
    InFlux,
    /// The ledger counts the row otherwise.
    Differs(Cause),
}

/// The likely cause of a difference.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Cause {
    /// The source has the row, the ledger never saw it.
    NeverDelivered,
    /// The source has the row, the ledger holds it deleted.
    DeletedByMistake,
    /// The ledger holds an older image of the row.
    Stale,
    /// The ledger holds the row, the source no longer has it.
    DeleteNeverDelivered,
    /// Changes of the row could not be ordered.
    Ambiguous,
    /// The row's last change came before the definition was created.
    BeforeDefinition,
}

impl Cause {
    /// A stable name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::NeverDelivered => "never_delivered",
            Self::DeletedByMistake => "deleted_by_mistake",
            Self::Stale => "stale",
            Self::DeleteNeverDelivered => "delete_never_delivered",
            Self::Ambiguous => "ambiguous",
            Self::BeforeDefinition => "before_definition",
        }
    }

    /// One sentence for a person.
    #[must_use]
    pub fn sentence(self) -> &'static str {
        match self {
            Self::NeverDelivered => {
                "no change of this row was ever delivered: written before counting started, or skipped by the stream for its size"
            }
            Self::DeletedByMistake => {
                "the ledger holds the row as deleted, and the insert after that was not delivered"
            }
            Self::Stale => "the row's last change was not delivered",
            Self::DeleteNeverDelivered => "the row's delete was not delivered",
            Self::Ambiguous => "two changes of the row had the same time and do not chain",
            Self::BeforeDefinition => "the row last changed before the count was created",
        }
    }
}

/// What an audit found, as it is kept: the certificate of a count.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Audited {
    /// The count.
    pub definition: DefinitionName,
    /// The logic version that was recounted.
    pub version: u32,
    /// When it began, microseconds since the epoch.
    pub began: Micros,
    /// When it ended.
    pub ended: Micros,
    /// It looked at one row in so many.
    pub one_in: u64,
    /// Whether it repaired what differed.
    pub repair: bool,
    /// Source rows read.
    pub rows: u64,
    /// Rows counted as a recount would.
    pub agreeing: u64,
    /// Rows that changed too lately to judge.
    pub in_flux: u64,
    /// Rows that differ, by the name of the cause.
    pub differing: BTreeMap<String, u64>,
    /// Rows repaired.
    pub repaired: u64,
    /// Whether the sums of cells were judged as well.
    pub cells_judged: bool,
    /// Cells whose sum is not what the ledger adds up to.
    pub cells_off: u64,
}

impl Audited {
    /// How many rows differ.
    #[must_use]
    pub fn differences(&self) -> u64 {
        self.differing.values().sum()
    }

    /// Whether nothing is left that is counted wrong.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        self.differences() <= self.repaired && self.cells_off == 0
    }

    /// A sentence for people.
    #[must_use]
    pub fn summary(&self) -> String {
        let share =
            if self.one_in <= 1 { String::new() } else { format!(", one in {} of the table", self.one_in) };
        let mut told = format!(
            "{} rows read{share}: {} counted right, {} counted wrong",
            self.rows,
            self.agreeing,
            self.differences()
        );
        if self.in_flux > 0 {
            told.push_str(&format!(", {} changed too lately to judge", self.in_flux));
        }
        if self.repair {
            told.push_str(&format!("; {} repaired", self.repaired));
        }
        if self.cells_judged {
            told.push_str(match self.cells_off {
                0 => "; every cell is what the ledger adds up to",
                _ => "; there are cells that are not what the ledger adds up to",
            });
        }
        told + "."
    }
}

/// The version at which a row read from the source at `read_at` stands, `margin` being at least
/// the clock skew and timestamp error between reader and source, microseconds.
#[must_use]
pub fn read_version(epoch: u16, read_at: Micros, margin: Micros) -> OrderVersion {
    OrderVersion::clock(epoch, read_at.saturating_sub(margin))
}

/// A row read from the source, as the change that says so. `image` is `None` where the source
/// has no such row.
#[must_use]
pub fn observation(row: RowKey, image: Option<Item>, version: OrderVersion) -> Change {
    let at = version.clock_micros().unwrap_or(0);
    let digest = image.as_ref().map_or(0, digest_of_source);
    let whole = Some(Digests { before: digest, after: digest });
    let image = image.map(Image::Item);
    Change { row, before: image.clone(), after: image, version, at, whole }
}

/// Compares what the ledger holds of a row with the source's image of it, read at `version`.
#[must_use]
pub fn compare(
    row: Option<&LedgerRow>,
    image: Option<&Item>,
    version: &OrderVersion,
    logic: &LogicVersion,
    table: &TableLogic,
) -> Finding {
    if row.is_some_and(|row| row.version > *version) {
        return Finding::InFlux;
    }
    if row.is_some_and(|row| row.ambiguous.is_some()) {
        return Finding::Differs(Cause::Ambiguous);
    }
    let Ok(recount) = counting::contribution(logic, image, Some(version)) else { return Finding::InFlux };
    let counted = counted(row, logic, table);
    if recount == counted {
        return Finding::Agrees;
    }
    Finding::Differs(match (row, image) {
        (None, _) => Cause::NeverDelivered,
        (Some(row), Some(_)) if !row.present => Cause::DeletedByMistake,
        (Some(row), Some(_)) if row.at < logic.created_at && counted.is_empty() => Cause::BeforeDefinition,
        (Some(_), Some(_)) => Cause::Stale,
        (Some(_), None) => Cause::DeleteNeverDelivered,
    })
}

/// What a row counts for under a version, whole.
#[must_use]
pub fn counted(row: Option<&LedgerRow>, logic: &LogicVersion, table: &TableLogic) -> Cells {
    let whole = row.map(|row| counting::whole(table, &row.contributions));
    whole.and_then(|mut whole| whole.remove(&logic.id)).unwrap_or_default()
}

/// Whether a row belongs to a sample of one in `one_in` rows. The choice depends on the key
/// alone, so that two audits look at the same rows.
#[must_use]
pub fn in_sample(row: &RowKey, one_in: u64) -> bool {
    key_hash(row).is_multiple_of(one_in.max(1))
}

/// A hash of a row's key, to name it in reports without showing it.
#[must_use]
pub fn key_hash(row: &RowKey) -> u64 {
    xxhash_rust::xxh3::xxh3_64(row.identity.as_str().as_bytes())
}

/// What is counted of each logic version according to the ledger rows themselves: the sum that
/// the cells must show.
#[must_use]
pub fn sum_of_rows<'a>(rows: impl IntoIterator<Item = &'a LedgerRow>) -> Contributions {
    let mut sum = Contributions::new();
    for row in rows {
        counting::add(&mut sum, &row.contributions, 1);
    }
    sum
}
