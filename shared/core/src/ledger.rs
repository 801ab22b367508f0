//! The ledger: what each source row contributes to the counts, and what a change does to that.
//!
//! A row's state is the join (maximum) of the changes delivered for it, so the state after any
//! set of deliveries does not depend on their order, number or timing. Where versions are mere
//! timestamps, two changes closer together than clocks can tell are ordered where two of three witnesses
//! agree: their clocks, their images (each change's before image is its predecessor's after image), and
//! the versions that the data proxy stamps on items. Where no two do, the row is marked ambiguous, its
//! counts carry `uncertain`, and a recheck asks the source.

use std::borrow::Cow;
use std::cmp::Ordering;

use crate::change::{Change, Digests};
use crate::counting::{self, Contributions, Targets, Unavailable};
use crate::group::{Cell, Outcome};
use crate::image::Image;
use crate::logic::{LogicVersion, Relation, TableLogic};
use crate::memo::TableMemo;
use crate::migration::{migrate, migrate_beyond};
use crate::order::{Basis, CLOCK_SKEW_BOUND, Micros, OrderVersion};
use crate::value::{Item, Value};

/// Longest value that a ledger row remembers of a referenced column, in bytes. Rows stay small
/// enough that ninety of them fit a 4 MB transaction; a longer value still counts, but cannot be
/// filled in when a later change leaves it out.
pub const REMEMBERED_BYTES_MAX: usize = 4_096;
/// Most bytes that a ledger row remembers of columns which no definition reads and the table's
/// adopted shape does not know. Enough for the handful of columns that a schema change adds; a
/// whole wide row would double the price of every write.
pub const STRANGE_BYTES_MAX: usize = 512;

/// What the ledger knows of one source row.
#[derive(Clone, PartialEq, Debug)]
pub struct LedgerRow {
    /// The newest change applied.
    pub version: OrderVersion,
    /// When the source made it, microseconds since the epoch.
    pub at: Micros,
    /// Whether the row exists after it. A row that does not is a tombstone: it keeps a late
    /// change from bringing the row back.
    pub present: bool,
    /// What the row adds to the cells of each logic version (see [`counting::stored`]).
    pub contributions: Contributions,
    /// The columns that any definition reads, and those that the adopted shape of the table does
    /// not know.
    pub remembered: Item,
    /// Whether the image had columns to remember that were left out for their size, so that the
    /// row cannot be judged anew from what is remembered.
    pub cut: bool,
    /// Digest of the image before the change; 0 where there was none.
    pub before_digest: u64,
    /// Digest of the image after the change; 0 where there is none.
    pub after_digest: u64,
    /// The newest change that could not be ordered against the one applied. Sticky: only a
    /// recheck, or a change later than all doubt, clears it.
    pub ambiguous: Option<OrderVersion>,
    /// When a tombstone may be forgotten, microseconds since the epoch.
    pub expires_at: Option<Micros>,
    /// Another one after every write of the row; see [`next_revision`].
    pub revision: u64,
}

/// The revision of a row's next write: one more than the one that stands. A new row starts from
/// a digest of its version, because a row that is forgotten (its table was emptied) and made
/// again must not repeat a revision that a slow worker may still hold.
#[must_use]
pub fn next_revision(standing: Option<u64>, version: &OrderVersion) -> u64 {
    match standing {
        Some(revision) => revision.wrapping_add(1),
        None => xxhash_rust::xxh3::xxh3_64(version.as_bytes()) >> 16,
    }
}

/// How a change stands to what its row already knows.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Arrival {
    /// It is the newest: its image is the row's.
    Newer,
    /// It is the change that was applied last.
    Duplicate,
    /// A newer change stands already.
    Late,
    /// Neither times nor images tell which is newer.
    Ambiguous,
}

/// What a change does to its ledger row.
#[derive(Clone, PartialEq, Debug)]
pub enum Transition {
    /// The row becomes this, and counts for that.
    Applied(LedgerRow, Targets),
    /// The change is in the row already.
    Duplicate,
    /// A newer change is in the row already.
    Late,
    /// The row stays as it was but for its doubt.
    Ambiguous(LedgerRow),
}

/// How a change stands to its row.
#[must_use]
pub fn arrival(row: Option<&LedgerRow>, change: &Change) -> Arrival {
    let Some(row) = row else { return Arrival::Newer };
    let digests = change.digests();
    match (row.version.clock_micros(), change.version.clock_micros()) {
        (Some(row_at), Some(change_at)) => by_clock(row, row_at, change, change_at, digests),
        // The digest only breaks ties between different images at one log position, always the
        // same way; a tombstone (0) loses to an image.
        _ => match (&change.version, digests.after).cmp(&(&row.version, row.after_digest)) {
            Ordering::Greater => Arrival::Newer,
            Ordering::Equal => Arrival::Duplicate,
            Ordering::Less => Arrival::Late,
        },
    }
}

fn by_clock(
    row: &LedgerRow,
    row_at: Micros,
    change: &Change,
    change_at: Micros,
    digests: Digests,
) -> Arrival {
    let Digests { before, after } = digests;
    if change_at == row_at && after == row.after_digest && before == row.before_digest {
        return Arrival::Duplicate;
    }
    if let Some(doubt) = row.ambiguous.as_ref().and_then(OrderVersion::clock_micros) {
        return if change_at >= doubt.saturating_add(CLOCK_SKEW_BOUND) {
            Arrival::Newer
        } else if change_at.saturating_add(CLOCK_SKEW_BOUND) <= row_at {
            Arrival::Late
        } else {
            Arrival::Ambiguous
        };
    }
    if change_at >= row_at.saturating_add(CLOCK_SKEW_BOUND) {
        return Arrival::Newer;
    }
    if change_at.saturating_add(CLOCK_SKEW_BOUND) <= row_at {
        return Arrival::Late;
    }
    // What was read from the source is what the row has: two may read it at the same time.
    if before == after && after == row.after_digest {
        return Arrival::Duplicate;
    }
    let images = match (before == row.after_digest, after == row.before_digest) {
        (true, false) => Some(Arrival::Newer),
        (false, true) => Some(Arrival::Late),
        _ => None,
    };
    let clocks = match change_at.cmp(&row_at) {
        Ordering::Greater => Some(Arrival::Newer),
        Ordering::Less => Some(Arrival::Late),
        Ordering::Equal => None,
    };
    // One witness may be wrong: an item comes to be what it was before (it is deleted twice, a flag is set
    // back), a clock steps back, an old copy is written back. So two have to say the same.
    let versions = by_item_version(row, change);
    let agreed = if clocks.is_some() {
        clocks.filter(|_| images == clocks || versions == clocks)
    } else {
        // At the very same time a version counts where the item was there all the while: one that was
        // deleted begins again, and may do so with an old copy.
        let was_there = row.before_digest != 0 && row.present && before != 0 && after != 0;
        images.filter(|_| was_there && versions == images)
    };
    agreed.unwrap_or(Arrival::Ambiguous)
}

/// Which of two changes of one item is the later one by the versions that they gave it. They could be
/// wrong: a writer that goes past the data proxy may write an old copy back, and an item that was deleted
/// begins again with the proxy's clock. What removes a version comes after what gave it.
fn by_item_version(row: &LedgerRow, change: &Change) -> Option<Arrival> {
    let standing = (row.version.item_version()?, !row.present);
    let coming = (change.version.item_version()?, change.after.is_none());
    match coming.cmp(&standing) {
        Ordering::Greater => Some(Arrival::Newer),
        Ordering::Less => Some(Arrival::Late),
        Ordering::Equal => None,
    }
}

/// What a change does to its row under the counting logic of its table. The row of
/// [`Transition::Applied`] holds what the image counts for, whole ([`counting::targets`]); whoever
/// stores it brings that to its stored form. `memo` is the table's. A tombstone is given the expiry
/// `tombstone_expires_at`.
///
/// # Errors
/// [`Unavailable`] where a referenced value was not sent and is not remembered.
pub fn apply(
    row: Option<&LedgerRow>,
    change: &Change,
    logic: &TableLogic,
    memo: &mut TableMemo,
    tombstone_expires_at: Micros,
) -> Result<Transition, Unavailable> {
    match (arrival(row, change), row) {
        (Arrival::Duplicate, _) => Ok(Transition::Duplicate),
        (Arrival::Late, _) => Ok(Transition::Late),
        (Arrival::Ambiguous, Some(row)) => Ok(Transition::Ambiguous(doubt(row, change, logic))),
        (Arrival::Newer | Arrival::Ambiguous, row) => newer(row, change, logic, memo, tombstone_expires_at),
    }
}

fn newer(
    row: Option<&LedgerRow>,
    change: &Change,
    logic: &TableLogic,
    memo: &mut TableMemo,
    tombstone_expires_at: Micros,
) -> Result<Transition, Unavailable> {
    // A tombstone remembers nothing, so values are only ever filled in from the row's last life.
    let image = change.after.as_ref().map(Image::item);
    let filled = match (&image, row) {
        (Some(image), Some(row)) => Some(counting::fill_unavailable(image, &row.remembered)),
        (image, _) => image.as_deref().map(Cow::Borrowed),
    };
    let targets = match &filled {
        Some(image) => memo.targets(image.as_ref().into(), Some(&change.version))?,
        None => Targets::default(),
    };
    let digests = change.digests();
    let (remembered, cut) = filled.as_ref().map(|image| remember(logic, image)).unwrap_or_default();
    let row = LedgerRow {
        version: change.version.clone(),
        at: change.at,
        present: change.after.is_some(),
        contributions: Contributions::new(),
        remembered,
        cut,
        before_digest: digests.before,
        after_digest: digests.after,
        ambiguous: None,
        expires_at: change.after.is_none().then_some(tombstone_expires_at),
        revision: next_revision(row.map(|row| row.revision), &change.version),
    };
    Ok(Transition::Applied(row, targets))
}

fn doubt(row: &LedgerRow, change: &Change, logic: &TableLogic) -> LedgerRow {
    let mut doubtful = row.clone();
    let newest = doubtful.ambiguous.take().unwrap_or_else(|| row.version.clone()).max(change.version.clone());
    doubtful.ambiguous = Some(newest);
    doubtful.expires_at = None;
    doubtful.revision = next_revision(Some(row.revision), &row.version);
    for version in &logic.live {
        // What the parent doubts, its image doubts.
        let whole = counting::whole(logic, &doubtful.contributions);
        if !whole.get(&version.id).is_some_and(|cells| cells.contains_key(&Cell::Uncertain)) {
            doubtful.contributions.entry(version.id.clone()).or_default().insert(Cell::Uncertain, 1);
        }
    }
    doubtful
}

/// What a ledger row keeps of an image: the columns that any version reads, in full up to
/// [`REMEMBERED_BYTES_MAX`] each, and those that the adopted shape does not know, up to
/// [`STRANGE_BYTES_MAX`] in all; and whether anything was left out.
fn remember(logic: &TableLogic, image: &Item) -> (Item, bool) {
    let (mut kept, mut cut) = (Item::new(), false);
    for column in logic.live.iter().flat_map(|version| version.columns()) {
        if let Some((name, value)) = image.get_key_value(column)
            && !kept.contains_key(name)
        {
            if bytes(value) <= REMEMBERED_BYTES_MAX {
                kept.insert(name.clone(), value.clone());
            } else {
                cut = true;
            }
        }
    }
    let is_strange = |name: &String| {
        !kept.contains_key(name)
            && !logic.adopted.as_ref().is_some_and(|adopted| adopted.columns.contains(name))
    };
    let mut room = STRANGE_BYTES_MAX;
    let strange: Vec<&String> = image.keys().filter(|name| is_strange(name)).collect();
    for name in strange {
        let Some(value) = image.get(name) else { continue };
        match room.checked_sub(bytes(value).saturating_add(name.len())) {
            Some(left) => {
                room = left;
                kept.insert(name.clone(), value.clone());
            }
            None => cut = true,
        }
    }
    (kept, cut)
}

/// What a row, judged anew under one version from what it remembers, is stored as.
#[derive(Clone, PartialEq, Debug)]
pub enum Rejudged {
    /// As it is.
    Same(Outcome),
    /// Otherwise.
    Row(LedgerRow, Outcome),
    /// It does not remember enough of its image.
    NotRemembered,
}

/// Judges a row anew under one version, by what it remembers of its image: what a version that
/// starts does to every row, because rows of the new shape may have come before the version did.
#[must_use]
pub fn rejudge(row: &LedgerRow, logic: &TableLogic, version: &LogicVersion) -> Rejudged {
    let whole = counting::whole(logic, &row.contributions);
    let counted = whole.get(&version.id).cloned().unwrap_or_default();
    let image = counting::parent_image(version, &whole);
    let mut target = match row.present {
        false => counting::Cells::new(),
        // What was left out may be what the version reads.
        true if row.cut && !remembers(row, version) => return Rejudged::NotRemembered,
        true => match counting::contribution(version, Some(&row.remembered), Some(&row.version)) {
            Ok(target) => target,
            Err(Unavailable) => return Rejudged::NotRemembered,
        },
    };
    let outcome = against_parent(row, logic, version, &target);
    // Doubt, and that a group was beyond the cap, are of the row and not of its image.
    if let Some(doubt) = counted.get(&Cell::Uncertain).or_else(|| image.get(&Cell::Uncertain)) {
        target.insert(Cell::Uncertain, *doubt);
    }
    keep_overflow(&mut target, &image);
    if target == counted {
        return Rejudged::Same(outcome);
    }
    let mut again = row.clone();
    again.revision = next_revision(Some(row.revision), &row.version);
    let mut judged = whole.clone();
    judged.insert(version.id.clone(), target);
    // Versions derived from this one count what they did: what they store is held against its new
    // judgement.
    let moved = |one: &&std::sync::Arc<LogicVersion>| {
        one.id == version.id || one.base_id().as_ref() == Some(&version.id)
    };
    for one in logic.live.iter().chain(&logic.draining).filter(moved) {
        let mut cells = judged.get(&one.id).cloned().unwrap_or_default();
        counting::add_cells(&mut cells, &counting::parent_image(one, &judged), -1);
        if cells.is_empty() {
            again.contributions.remove(&one.id);
        } else {
            again.contributions.insert(one.id.clone(), cells);
        }
    }
    Rejudged::Row(again, outcome)
}

/// How what a version makes of a row compares with what its parent makes of the same row. What the
/// row is stored as says nothing of that: the parent may not have judged it anew yet.
fn against_parent(
    row: &LedgerRow,
    logic: &TableLogic,
    version: &LogicVersion,
    target: &counting::Cells,
) -> Outcome {
    let parent = logic.live.iter().find(|one| version.comes_from(one)).filter(|_| row.present && !row.cut);
    let Some(parent) = parent else { return Outcome::Agreed };
    let (_, was_earlier) =
        migrate_beyond(&parent.migration, &version.migration, &row.remembered, Some(&row.version));
    let Ok(cells) = counting::contribution(parent, Some(&row.remembered), Some(&row.version)) else {
        return Outcome::Agreed;
    };
    let image = counting::beside(version, &Contributions::from([(parent.id.clone(), cells)]));
    compare(version.relation, target, &image, was_earlier)
}

/// Whether a row that left columns out has those that a version reads.
fn remembers(row: &LedgerRow, version: &LogicVersion) -> bool {
    // The image as the new shape has it: a renamed column may be there under its earlier name.
    let (image, _) = migrate(&version.migration, &row.remembered, Some(&row.version));
    let mut columns = version.definition.paths().map(crate::path::Path::column_name);
    columns.all(|column| image.contains_key(column))
}

/// A row that cannot be judged from what it remembers: what it counts for under the version is in
/// doubt until it changes again or is asked for at the source.
#[must_use]
pub fn in_doubt(row: &LedgerRow, logic: &TableLogic, version: &LogicVersion) -> LedgerRow {
    let whole = counting::whole(logic, &row.contributions);
    let mut again = row.clone();
    again.revision = next_revision(Some(row.revision), &row.version);
    if !whole.get(&version.id).is_some_and(|cells| cells.contains_key(&Cell::Uncertain)) {
        again.contributions.entry(version.id.clone()).or_default().insert(Cell::Uncertain, 1);
    }
    again
}

/// A row in which versions that are no longer evaluated have handed what they held to those
/// derived from them; `None` where there is nothing to hand over.
#[must_use]
pub fn drained(row: &LedgerRow, logic: &TableLogic) -> Option<LedgerRow> {
    let holds = |version: &std::sync::Arc<LogicVersion>| row.contributions.contains_key(&version.id);
    if !logic.draining.iter().any(holds) {
        return None;
    }
    let mut whole = counting::whole(logic, &row.contributions);
    // What is drained holds nothing any more, so its image is nothing.
    whole.retain(|id, _| logic.live.iter().any(|version| version.id == *id));
    let mut again = row.clone();
    again.revision = next_revision(Some(row.revision), &row.version);
    again.contributions = counting::stored(&logic.live, &whole);
    Some(again)
}

/// Where the parent counts a row beyond its cap of groups, so does a version derived from it: the
/// image of "one of the others" is "one of the others".
pub fn keep_overflow(target: &mut counting::Cells, image: &counting::Cells) {
    let in_group = target.keys().any(|cell| matches!(cell, Cell::Group(_)));
    if in_group && image.get(&Cell::Overflow).is_some_and(|n| *n > 0) {
        counting::into_overflow(target);
    }
}

/// How what a row counts for compares with the image of what it counts for under the parent.
#[must_use]
pub fn compare(
    relation: Relation,
    target: &counting::Cells,
    image: &counting::Cells,
    was_earlier: bool,
) -> Outcome {
    let counted = |cells: &counting::Cells| -> i64 {
        cells.iter().filter(|(cell, _)| matches!(cell, Cell::Group(_) | Cell::Overflow)).map(|(_, n)| n).sum()
    };
    // What the condition lacked is told apart from what was counted.
    let is_item = |(cell, _): &(&Cell, &i64)| !matches!(cell, Cell::Missing(_));
    let agrees = match relation {
        Relation::Mapped | Relation::MappedWhileEarlier => {
            target.iter().filter(is_item).eq(image.iter().filter(is_item))
        }
        Relation::AtMost => counted(target) <= counted(image),
        Relation::AtLeast => counted(target) >= counted(image),
        Relation::Unrelated => true,
    };
    match relation {
        _ if agrees => Outcome::Agreed,
        Relation::MappedWhileEarlier if !was_earlier => Outcome::Explained,
        _ => Outcome::Unexplained,
    }
}

fn bytes(value: &Value) -> usize {
    match value {
        Value::String(text) => text.len(),
        Value::Binary(bytes) => bytes.len(),
        Value::List(values) => values.iter().map(bytes).fold(0, usize::saturating_add),
        Value::Map(item) => item
            .iter()
            .map(|(name, value)| bytes(value).saturating_add(name.len()))
            .fold(0, usize::saturating_add),
        Value::StringSet(set) => set.iter().map(String::len).sum(),
        Value::BinarySet(set) => set.iter().map(Vec::len).sum(),
        Value::NumberSet(set) => set.len() * 20,
        Value::Number(_) | Value::Bool(_) | Value::Null => 8,
        // What was never known is not worth remembering.
        Value::Unavailable => usize::MAX,
    }
}

/// A keyless event as a row of its own: it contributes what it adds, less what it removes. As with
/// [`apply`], what it counts for is whole.
///
/// # Errors
/// [`Unavailable`] where a referenced value was not sent.
pub fn delta_row(change: &Change, logic: &TableLogic) -> Result<(LedgerRow, Targets), Unavailable> {
    let [before, after] = [&change.before, &change.after].map(|image| image.as_ref().map(Image::item));
    let mut targets = counting::targets(&logic.live, after.as_deref(), Some(&change.version))?;
    let before = counting::targets(&logic.live, before.as_deref(), Some(&change.version))?;
    counting::add(&mut targets.cells, &before.cells, -1);
    for version in &logic.live {
        targets.cells.entry(version.id.clone()).or_default().insert(Cell::ByDelta, 1);
    }
    let digests = change.digests();
    let row = LedgerRow {
        version: change.version.clone(),
        at: change.at,
        present: change.after.is_some(),
        contributions: Contributions::new(),
        remembered: Item::new(),
        // There is no image to judge anew: the row is a difference of two.
        cut: true,
        before_digest: digests.before,
        after_digest: digests.after,
        ambiguous: None,
        expires_at: None,
        revision: next_revision(None, &change.version),
    };
    Ok((row, targets))
}

/// The definitions that read a column in which a change's before image contradicts what the row
/// remembers of the change before: the row was rewritten in between, and no record told of it. A
/// before image that the source makes up, and a column it left out, say nothing; a before image of a
/// row that the ledger never saw contradicts every definition. A change that arrives ahead of its
/// predecessor contradicts it too, so this is a sign and no proof.
#[must_use]
pub fn contradicted<'a>(
    row: Option<&LedgerRow>,
    change: &Change,
    logic: &'a TableLogic,
) -> std::collections::BTreeSet<&'a crate::definition::DefinitionName> {
    let tells_statements = logic.adopted.as_ref().is_none_or(|adopted| adopted.declared);
    let Some(before) = change.before.as_ref().map(Image::item) else { return Default::default() };
    if tells_statements || change.version.basis() != Basis::Log || row.is_some_and(|row| !row.present) {
        return Default::default();
    }
    let contradicts = |column: &str| match (row, before.get(column)) {
        (None, _) => true,
        (Some(_), Some(Value::Unavailable) | None) => false,
        (Some(row), Some(shown)) => row.remembered.get(column).is_some_and(|remembered| shown != remembered),
    };
    let reads = logic.live.iter().filter(|version| {
        row.is_none() || version.definition.paths().any(|path| contradicts(path.column_name()))
    });
    reads.map(|version| &version.id.definition).collect()
}

/// Whether the row waits for a recheck, and since which version.
#[must_use]
pub fn recheck_due(row: &LedgerRow) -> Option<Micros> {
    row.ambiguous.as_ref().filter(|doubt| doubt.basis() == Basis::Clock).and_then(OrderVersion::clock_micros)
}

#[cfg(test)]
mod tests;
