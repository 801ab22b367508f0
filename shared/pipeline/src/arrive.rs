//! Columns that have arrived: marked, their values moved into the table page by page, and long after that
//! deleted beside it.
//!
//! Whoever calls [`page`] time and again finishes the job; several may at once, and any of them may die at
//! any call. What a page did stays done, and doing it again changes nothing.

use std::collections::{BTreeMap, BTreeSet};

use crate::ports::{
    BesideWrite, CountedTable, ItemWrite, RegistryStore, ShadowPassStore, ShadowSchemaStore, ShadowStore,
    StoreError, TableWrite,
};
use evercount_core::backfill::Place;
use evercount_core::change::{RowKey, TableName};
use evercount_core::mutation::Stamp;
use evercount_core::order::{ItemVersion, Micros};
use evercount_core::schema::{Schema, TypeSet};
use evercount_core::shadow::arrival::{
    Moving, PassTask, ShadowPass, arrived, cleaned, moved, moving, settled, to_clean, to_move,
};
use evercount_core::shadow::{ShadowRow, ShadowSchema};

/// How often one row is tried while others change its item. Who loses loses to somebody who got on, and
/// the row is on the next pass where it was not done by then.
const ATTEMPTS_MAX: u32 = 20;

/// How long after a pass that found values without a place the next one begins, microseconds: an hour.
const AGAIN_AFTER: Micros = 3_600_000_000;

/// What a call came to.
#[derive(Clone, PartialEq, Debug)]
pub enum Arriving {
    /// No column has arrived of which values are left, and nothing is to be deleted.
    Nothing,
    /// A page was done; there are more.
    Page(ShadowPass),
    /// The pass is over, and its columns are moved.
    Moved(ShadowPass),
    /// The pass is over, and some of its values have no place in the registered schema: its columns stay as
    /// they are until somebody changes the schema or the values.
    Misfits(ShadowPass),
    /// The pass is over, and nothing is left beside the table of its columns.
    Cleaned(ShadowPass),
}

/// Marks those expected columns as arrived that the registered schema has. Returns their shadow schema
/// where it changed.
///
/// # Errors
/// Whatever the store answers.
pub async fn notice<R: RegistryStore, S: ShadowSchemaStore>(
    registry: &R,
    store: &S,
    table: &TableName,
    now: Micros,
) -> Result<Option<ShadowSchema>, StoreError> {
    let Some(shadow) = store.shadow_schema(table).await? else { return Ok(None) };
    let Some(registered) = registered(registry, table, now).await? else { return Ok(None) };
    let Some(marked) = arrived(&shadow, &registered, now) else { return Ok(None) };
    store.replace_shadow_schema(Some(shadow.revision), &marked).await?;
    Ok(Some(marked))
}

/// Looks after every table of which something is kept beside: notices the columns that have arrived, and does
/// at most so many pages of what is to be done for each. Returns how far each came of which something was
/// done. What others do meanwhile is theirs, and what is left is done the next time.
///
/// # Errors
/// Whatever the stores answer.
pub async fn turn<R, S, T>(
    registry: &R,
    store: &S,
    counted: &T,
    stamps: impl Fn(&TableName) -> bool + Sync,
    pages: u32,
    now: Micros,
) -> Result<Vec<(TableName, Arriving)>, StoreError>
where
    R: RegistryStore,
    S: ShadowSchemaStore + ShadowPassStore + ShadowStore,
    T: CountedTable,
{
    let mut told = Vec::new();
    for schema in store.shadow_schemas().await? {
        if schema.kept_beside().next().is_none() {
            continue;
        }
        let table = &schema.table;
        match notice(registry, store, table, now).await {
            Ok(_) | Err(StoreError::Conflict) => {}
            Err(error) => return Err(error),
        }
        let mut last = None;
        for _ in 0..pages {
            match page(registry, store, counted, table, stamps(table), now).await {
                Ok(Arriving::Nothing) | Err(StoreError::Conflict) => break,
                Ok(done) => last = Some(done),
                Err(error) => return Err(error),
            }
        }
        told.extend(last.map(|last| (table.clone(), last)));
    }
    Ok(told)
}

/// Does the next page of whatever is to be done for a table. `stamps` says whether its items carry
/// versions.
///
/// # Errors
/// Whatever the stores answer; the page is then done again.
pub async fn page<R, S, T>(
    registry: &R,
    store: &S,
    counted: &T,
    table: &TableName,
    stamps: bool,
    now: Micros,
) -> Result<Arriving, StoreError>
where
    R: RegistryStore,
    S: ShadowSchemaStore + ShadowPassStore + ShadowStore,
    T: CountedTable,
{
    let Some(shadow) = store.shadow_schema(table).await? else { return Ok(Arriving::Nothing) };
    let known = store.shadow_pass(table).await?;
    let registered = registered(registry, table, now).await?.unwrap_or_default();
    let types = to_move(&shadow, &registered);
    let Some(mut pass) = current(&shadow, &types, known.as_ref(), now) else { return Ok(Arriving::Nothing) };
    let after = match &pass.place {
        Place::After(place) => Some(place.clone()),
        Place::Start | Place::End => None,
    };
    if !pass.is_over() {
        let page = store.shadow_rows_of_table(table, after).await?;
        for (key, row) in page.rows {
            let done = match pass.task {
                PassTask::Move => {
                    let by = (&types, shadow.revision, stamps);
                    move_one(store, counted, &key, &row, by, now).await?
                }
                PassTask::Clean => clean_one(store, &key, row, &pass, now).await?,
            };
            pass.add(&done);
        }
        pass.place = Place::behind(page.next);
    }
    let marked = match pass.task {
        PassTask::Move if pass.misfits == 0 => moved(&shadow, &pass.columns, now),
        PassTask::Move => None,
        PassTask::Clean => settled(&shadow, &pass.columns, now),
    };
    if let Some(marked) = marked.filter(|_| pass.is_over()) {
        // Before the pass is written: where only one of the two happens, the pass is over again.
        store.replace_shadow_schema(Some(shadow.revision), &marked).await?;
    }
    pass.at = now;
    let from = known.as_ref().map(|known| known.revision);
    pass.revision = from.map_or(1, |from| from + 1);
    store.replace_shadow_pass(from, &pass).await?;
    Ok(match (pass.is_over(), pass.task) {
        (false, _) => Arriving::Page(pass),
        (true, PassTask::Clean) => Arriving::Cleaned(pass),
        (true, PassTask::Move) if pass.misfits > 0 => Arriving::Misfits(pass),
        (true, PassTask::Move) => Arriving::Moved(pass),
    })
}

/// The pass that is under way, or the next one.
fn current(
    shadow: &ShadowSchema,
    types: &BTreeMap<String, TypeSet>,
    known: Option<&ShadowPass>,
    now: Micros,
) -> Option<ShadowPass> {
    if let Some(known) = known.filter(|known| !known.is_over()) {
        // Columns that arrived since are for the next pass: some of their values are behind this one.
        let is_so = |name: &String| known.task == PassTask::Clean || types.contains_key(name);
        if known.columns.iter().all(is_so) {
            return Some(known.clone());
        }
    }
    let begin = |task, columns| ShadowPass::begin(shadow.table.clone(), task, columns, known, now);
    let columns: BTreeSet<String> = types.keys().cloned().collect();
    // One that ended with misfits is tried again, but not time and again.
    let waits = known.is_some_and(|known| {
        known.is_over() && known.misfits > 0 && known.columns == columns && now < known.at + AGAIN_AFTER
    });
    if !columns.is_empty() && !waits {
        return Some(begin(PassTask::Move, columns));
    }
    let columns = to_clean(shadow, now);
    (!columns.is_empty()).then(|| begin(PassTask::Clean, columns))
}

async fn registered<R: RegistryStore>(
    registry: &R,
    table: &TableName,
    now: Micros,
) -> Result<Option<Schema>, StoreError> {
    let Some(id) = registry.subject(table).await?.and_then(|state| state.current) else { return Ok(None) };
    Ok(registry.schema_version(table, id.version, now).await?.found().map(|version| version.schema))
}

/// Moves the values that are kept for one item. The item is read before what is beside the table, so that
/// nothing is moved that was removed since: a removal changes the version of the item, or what is beside the
/// table where it has none, and the write then conflicts.
async fn move_one<S: ShadowStore, T: CountedTable>(
    store: &S,
    counted: &T,
    key: &RowKey,
    listed: &ShadowRow,
    (types, schema, stamps): (&BTreeMap<String, TypeSet>, u64, bool),
    now: Micros,
) -> Result<Moving, StoreError> {
    if !types.keys().any(|name| listed.values.contains_key(name)) {
        return Ok(Moving::default());
    }
    for _ in 0..ATTEMPTS_MAX {
        let item = counted.item(key).await?;
        let Some(row) = store.shadow_rows(&[key.clone()].into()).await?.remove(key) else {
            return Ok(Moving::default());
        };
        let decided = moving(item.as_ref(), &row, types, stamps, now);
        let Some(to) = decided.item.clone() else { return Ok(decided) };
        // A removal of what is beside the table changes the version of an item that has one.
        let is_stamped = Stamp::of(&to).version > ItemVersion::NONE;
        let revision = ShadowRow::next_revision(row.revision, now);
        let beside = (!is_stamped).then(|| BesideWrite {
            from: Some(row.revision),
            to: ShadowRow { revision, values: row.values.clone() },
            schema,
        });
        let item = Some(ItemWrite { from: item, to: Some(to), absent: BTreeSet::new(), replaces: false });
        match counted.write(&TableWrite { row: key.clone(), item, beside }).await {
            Err(StoreError::Conflict) => {}
            done => return done.map(|()| decided),
        }
    }
    Err(StoreError::Unavailable(format!("an item of `{}` keeps changing", key.table)))
}

/// Deletes the values of columns that were moved long ago.
async fn clean_one<S: ShadowStore>(
    store: &S,
    key: &RowKey,
    mut row: ShadowRow,
    pass: &ShadowPass,
    now: Micros,
) -> Result<Moving, StoreError> {
    for _ in 0..ATTEMPTS_MAX {
        let Some(left) = cleaned(&row, &pass.columns, now) else { return Ok(Moving::default()) };
        let to = (!left.values.is_empty()).then_some(&left);
        match store.replace_shadow_row(key, Some(row.revision), to).await {
            Err(StoreError::Conflict) => {}
            done => return done.map(|()| Moving::default()),
        }
        match store.shadow_rows(&[key.clone()].into()).await?.remove(key) {
            Some(stored) => row = stored,
            None => return Ok(Moving::default()),
        }
    }
    Err(StoreError::Unavailable(format!("what is kept for an item of `{}` keeps changing", key.table)))
}
