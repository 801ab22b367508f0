//! Detection from rows: which changes of a schema the rows of a subject show.
//!
//! A lane gathers what it sees of a subject in a [`Watch`]; [`detect`] decides on all lanes'
//! watches together. What stands behind each kind of change:
//!
//! * **Added**: a field the known schema lacks counts at once, unless it may be another one's new
//!   name: a column that was in (nearly) every row and is in none with the new field. Then the
//!   question waits until that column is gone or back, for [`QUESTION_ROWS`] at most.
//! * **Known earlier**: a field of an earlier version, in a row that is older than the known
//!   version, is no news at all; in newer rows (a rolling deploy still writing the old shape) it
//!   must persist.
//! * **Dropped**: never by one record. The field is gone when it stays away for so long that an
//!   unchanged one would with a chance of at most [`FALSE_ALARM_MAX`], for [`GONE_ROWS`] at least
//!   and for [`LONGEST_GAP_FACTOR`] times its longest absence before. Rows that lack it count from its
//!   last presence in the order of versions, over all lanes; late rows do not start the run
//!   anew. Rows of other types of entities (they have a field that never stood beside it) only
//!   count from [`ELSEWHERE_ROWS`] on. Each return makes the next drop take a third longer.
//! * **Retyped**: a type is gone from a field by the same test while another one is there. Where both
//!   go on, the field has both after [`MIXED_ROWS`]. Width alone, and NULL, are never reported.
//! * **Renamed**: a column is gone and a new one holds its values; evidence is weighed in `rename`.
//!
//! Sources that drop NULLs (DMS without `IncludeNullAndEmpty`) make a nullable column look
//! sparse: the share of rows that have it is part of the test.

mod entry;
pub(super) mod evidence;
mod news;
mod recent;
mod retype;
mod shapes;
mod shares;
mod sight;
mod trace;
mod watch;

use std::collections::{BTreeMap, BTreeSet};

use crate::observed::whole_within_decimal;
use crate::order::{Micros, OrderVersion};
use crate::registry::Origin;
use crate::schema::{Field, FieldPath, Schema, TypeSet};
use crate::schema_change::{ChangeKind, Evidence as ChangeEvidence, SchemaChange, Typed};
use crate::value::Item;

pub use entry::{Entry, Handover, LATELY_ROWS, LATELY_UNIT, Mark};
pub use evidence::{ELSEWHERE_ROWS, FALSE_ALARM_MAX, LONGEST_GAP_FACTOR};
use evidence::{Evidence, FieldEvidence, Gone};
pub use recent::{RECENT_ROWS_MAX, RECENT_VALUES_MAX, RecentRow};
pub use shapes::{Bits, SHAPES_MAX};
pub use shares::{Counts, SHARE_NOISE, SHARE_ROWS, Shares, Tally, shifts};
pub use trace::{Place, Trace};
pub use watch::{Gathered, HANDOVERS_MAX, NEWS_KEPT, NEWS_MAX, Watch};

/// Rows that must lack a field before it can be gone.
pub const GONE_ROWS: u64 = 10;
/// The same where the source hinted that something changed.
pub const GONE_ROWS_HINTED: u64 = 5;
/// Rows that must contradict a schema that the source itself defined: rows of a new shape may
/// arrive long before their statement does.
pub const CONTRADICTION_ROWS: u64 = 10_000;
/// Rows of a new field for which the question waits whether it is another one's new name.
pub const QUESTION_ROWS: u64 = 32;
/// The same while the evidence says that it is, and the other name is still written.
pub const HANDOVER_ROWS: u64 = 4_096;
/// Rows of a new field that has only shown NULL, before it is reported without a type.
pub const NULL_ROWS: u64 = 8;
/// Rows with values over which two types must go on side by side.
pub const MIXED_ROWS: u64 = 200;
/// Rows, newer than the known version, in which a field known earlier must persist while most
/// rows have it.
pub const PERSIST_ROWS: u64 = 16;
/// The same where few rows have it: the last writers of an old shape are done before.
pub const PERSIST_ROWS_SPARSE: u64 = 256;
/// Rows folded at once: decisions fall between folds, so a change is found this many rows late
/// at most, beside what its test needs.
pub const FOLD_ROWS_MAX: usize = 32;

/// A row of a subject, as a change shows it.
#[derive(Clone, Copy, Debug)]
pub struct RowSeen<'a> {
    /// The row after the change; deletes have none and say nothing.
    pub after: Option<&'a Item>,
    /// The row before it, where an update says so.
    pub before: Option<&'a Item>,
    /// The change's place among the changes of the subject.
    pub version: &'a OrderVersion,
    /// When the source made it, microseconds since the epoch.
    pub at: Micros,
}

/// The registered version that rows are held against.
#[derive(Clone, Copy, Debug)]
pub struct Known<'a> {
    /// Its schema; empty where there is no version yet.
    pub schema: &'a Schema,
    /// Where the schema comes from.
    pub origin: Origin,
    /// From where in the source's log it holds, where that is known. Where several changes made
    /// it, the place of the last one: rows from before are no news.
    pub position: Option<&'a OrderVersion>,
    /// The same by time, microseconds since the epoch.
    pub since: Micros,
    /// Columns that earlier versions had and this one lacks.
    pub retired: &'a BTreeSet<FieldPath>,
    /// Its number; 0 where there is no version yet.
    pub version: u32,
}

/// A change that rows show.
#[derive(Clone, PartialEq, Debug)]
pub struct Detected {
    /// What changed.
    pub change: SchemaChange,
    /// The first row in the new shape. An event of several changes holds from the last of theirs.
    pub position: Option<OrderVersion>,
    /// When that row was written, microseconds since the epoch.
    pub at: Micros,
}

/// The first schema of a subject: what the rows of all lanes show so far.
#[derive(Clone, PartialEq, Debug)]
pub struct Baseline {
    /// The schema, without a key: rows do not name it.
    pub schema: Schema,
    /// Rows it is read off.
    pub rows: u64,
    /// The oldest of these rows.
    pub position: OrderVersion,
    /// When it was written, microseconds since the epoch.
    pub at: Micros,
}

/// The first schema of a subject; `None` before the first row.
#[must_use]
pub fn baseline(watches: &[&Watch]) -> Option<Baseline> {
    let (schema, retired) = (Schema::default(), BTreeSet::new());
    let nothing = Known {
        schema: &schema,
        origin: Origin::Observed,
        position: None,
        since: 0,
        retired: &retired,
        version: 0,
    };
    let evidence = Evidence::of(&nothing, watches);
    let firsts = evidence.fields.values().filter_map(|field| field.presence.first.as_ref());
    let first = firsts.min_by(|a, b| a.version.cmp(&b.version))?;
    let fields = evidence.fields.iter().map(|(path, field)| {
        let format = evidence.observed().field(path).and_then(|seen| seen.formats.certain());
        ((*path).clone(), Field { format, ..Field::of(field.types()) })
    });
    Some(Baseline {
        schema: Schema { fields: fields.collect(), key: Vec::new() },
        rows: watches.iter().map(|watch| watch.gathered().rows).sum(),
        position: first.version.clone(),
        at: first.at,
    })
}

/// The changes that the rows of all lanes show against the known version, each once: a caller
/// registers the version they make ([`proposed`]) before it folds more rows. `hinted` says that
/// the source hinted at a change of this subject without saying which.
///
/// Nothing is detected before there is a version; see [`baseline`].
#[must_use]
pub fn detect(known: &Known<'_>, watches: &[&Watch], hinted: bool) -> Vec<Detected> {
    if known.version == 0 || watches.iter().all(|watch| watch.is_quiet(known)) {
        return Vec::new();
    }
    let evidence = Evidence::of(known, watches);
    let least = match known.origin {
        Origin::Declared => CONTRADICTION_ROWS,
        _ if hinted => GONE_ROWS_HINTED,
        _ => GONE_ROWS,
    };
    let gone: BTreeMap<&FieldPath, Gone> = known
        .schema
        .fields
        .keys()
        .filter(|path| known.origin != Origin::Declared || path.is_column())
        .filter_map(|path| Some((path, evidence.fields.get(path)?.gone(least)?)))
        .collect();
    let mut found = news::detect(known, &evidence, &gone);
    if known.origin != Origin::Declared {
        found.extend(retype::detect(known, &evidence, &gone));
    }
    found
}

/// The schema that detected changes make of a known one.
#[must_use]
pub fn proposed(known: &Schema, found: &[Detected]) -> Schema {
    let mut schema = known.clone();
    for Detected { change, .. } in found {
        match &change.kind {
            ChangeKind::AddColumn { column, typed, .. } => {
                schema.fields.insert(column.clone(), Field::of(typed.types.clone()));
            }
            ChangeKind::DropColumn { column, .. } => {
                schema.fields.retain(|path, _| !is_within(path, column));
                schema.key.retain(|part| !is_within(part, column));
            }
            ChangeKind::RenameColumn { column, to, typed, .. } => {
                let moved = |path: &FieldPath| -> Option<FieldPath> {
                    let rest = path.as_str().get(column.as_str().len()..)?;
                    is_within(path, column).then(|| FieldPath::new(format!("{to}{rest}")))
                };
                let fields = std::mem::take(&mut schema.fields).into_iter();
                schema.fields = fields.map(|(path, field)| (moved(&path).unwrap_or(path), field)).collect();
                schema.fields.insert(to.clone(), Field::of(typed.types.clone()));
                for part in &mut schema.key {
                    if let Some(moved) = moved(part) {
                        *part = moved;
                    }
                }
            }
            ChangeKind::ChangeType { column, typed, .. } => {
                if let Some(field) = schema.fields.get_mut(column) {
                    *field = Field { required: field.required, ..Field::of(typed.types.clone()) };
                }
            }
            _ => {}
        }
    }
    schema
}

/// Whether a path is another one or stands within it.
fn is_within(path: &FieldPath, other: &FieldPath) -> bool {
    path.as_str()
        .strip_prefix(other.as_str())
        .is_some_and(|rest| rest.is_empty() || rest.starts_with('.') || rest.starts_with("[]"))
}

impl FieldEvidence {
    /// The types it showed.
    fn types(&self) -> TypeSet {
        let types: TypeSet = self.families().map(crate::observed::Family::field_type).collect();
        whole_within_decimal(types.nullable(self.nulls > 0))
    }
}

fn typed(types: TypeSet) -> Typed {
    Typed { types, declared: None }
}

fn typed_of(field: &Field) -> Typed {
    Typed { types: field.types.clone(), declared: field.declared.clone() }
}

/// A change with its place and what it is concluded from.
fn detected(
    kind: ChangeKind,
    place: Option<&std::sync::Arc<Place>>,
    rows: u64,
    false_alarm: f64,
    because: String,
) -> Detected {
    Detected {
        change: SchemaChange { kind, evidence: ChangeEvidence::Observed { rows, false_alarm, because } },
        position: place.map(|place| place.version.clone()),
        at: place.map_or(0, |place| place.at),
    }
}

#[cfg(test)]
mod tests;
