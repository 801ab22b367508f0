//! What the data proxy needs of the world: shadow schemas, what is kept beside tables, and tables that are
//! written for somebody else.

use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;

use evercount_core::change::{RowKey, TableName};
use evercount_core::mutation::entry::MutationEntry;
use evercount_core::mutation::once::Once;
use evercount_core::resolve::index::TableIndex;
use evercount_core::shadow::arrival::ShadowPass;
use evercount_core::shadow::{ShadowRow, ShadowSchema};
use evercount_core::value::Item;

use super::{Page, StoreError};

/// Shadow schemas: which columns tables are believed to get.
pub trait ShadowSchemaStore: Sync {
    /// All of them, by table.
    fn shadow_schemas(&self) -> impl Future<Output = Result<Vec<ShadowSchema>, StoreError>> + Send;

    /// That of a table (consistent read); `None` where nothing was ever believed of it.
    fn shadow_schema(
        &self,
        table: &TableName,
    ) -> impl Future<Output = Result<Option<ShadowSchema>, StoreError>> + Send;

    /// Replaces a table's shadow schema where the stored one is of revision `from`; `None` creates it.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] where another is stored; [`StoreError::Rejected`] where it is of more than
    /// [`evercount_core::shadow::SHADOW_COLUMNS_MAX`] columns.
    fn replace_shadow_schema(
        &self,
        from: Option<u64>,
        to: &ShadowSchema,
    ) -> impl Future<Output = Result<(), StoreError>> + Send;
}

/// How far passes over what is kept beside tables have come.
pub trait ShadowPassStore: Sync {
    /// The last pass over what is kept for a table (consistent read).
    fn shadow_pass(
        &self,
        table: &TableName,
    ) -> impl Future<Output = Result<Option<ShadowPass>, StoreError>> + Send;

    /// Replaces it where the stored one is of revision `from`; `None` creates it.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] where another is stored.
    fn replace_shadow_pass(
        &self,
        from: Option<u64>,
        to: &ShadowPass,
    ) -> impl Future<Output = Result<(), StoreError>> + Send;
}

/// What became of mutations that were migrated, merged or refused.
pub trait MutationTrail: Sync {
    /// Adds an entry.
    fn add_mutation(&self, entry: &MutationEntry) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// The entries of a table, oldest first.
    fn mutations(
        &self,
        table: &TableName,
    ) -> impl Future<Output = Result<Vec<MutationEntry>, StoreError>> + Send;
}

/// A write of one item of the table that is counted, and of what is kept beside the table for it.
#[derive(Clone, PartialEq, Debug)]
pub struct TableWrite {
    /// The item.
    pub row: RowKey,
    /// What the item was and what it becomes, where it is written.
    pub item: Option<ItemWrite>,
    /// What is kept beside the table, where that is written.
    pub beside: Option<BesideWrite>,
}

/// A write of an item.
#[derive(Clone, PartialEq, Debug)]
pub struct ItemWrite {
    /// The item as it was read; `None` is no item.
    pub from: Option<Item>,
    /// What it becomes; `None` is no item.
    pub to: Option<Item>,
    /// Attributes that the decision depends on and that the item did not have, as far as they have names.
    pub absent: BTreeSet<String>,
    /// Whether the item becomes that and nothing else, so that attributes that came since go. Otherwise
    /// what `from` and `to` have alike is left alone.
    pub replaces: bool,
}

/// A write of what is kept beside a table for an item.
#[derive(Clone, PartialEq, Debug)]
pub struct BesideWrite {
    /// The revision that was read; `None` where nothing was kept.
    pub from: Option<u64>,
    /// What is kept from now on.
    pub to: ShadowRow,
    /// The revision of the table's shadow schema that this was decided by.
    pub schema: u64,
}

/// The table that is counted, where Evercount writes it for somebody else.
pub trait CountedTable: Sync {
    /// An item (consistent read); `None` is no item.
    fn item(&self, row: &RowKey) -> impl Future<Output = Result<Option<Item>, StoreError>> + Send;

    /// Executes a write: all of it or nothing. Attributes of the item that the write does not change stay
    /// as they are.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] where the item is not as [`evercount_core::mutation::guard`] has it, where
    /// what is kept beside the table is of another revision, or where the shadow schema is.
    fn write(&self, write: &TableWrite) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// Executes writes of different items, all of them or none. One that makes an item of itself, or nothing
    /// of nothing, changes nothing and asks that it is so.
    ///
    /// With them it is noted that the request was carried out which they are `once` made for.
    ///
    /// # Errors
    /// As [`CountedTable::write`], for any of them; [`StoreError::Conflict`] where a request is remembered to have
    /// been carried out under the token; [`StoreError::Rejected`] where they are too many, with the note.
    fn write_all(
        &self,
        writes: &[TableWrite],
        once: Option<&Once>,
    ) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// What was carried out under a token last (consistent read); it may be forgotten after a while.
    fn carried_out(&self, token: &str) -> impl Future<Output = Result<Option<Once>, StoreError>> + Send;
}

/// The keys of tables, and of their indexes.
pub trait TableKeys: Sync {
    /// The names of a table's key attributes, the partition key first.
    ///
    /// # Errors
    /// [`StoreError::Rejected`] where there is no such table.
    fn key_attributes(
        &self,
        table: &TableName,
    ) -> impl Future<Output = Result<Vec<String>, StoreError>> + Send;

    /// An index of a table; `None` where it has none of the name.
    ///
    /// # Errors
    /// [`StoreError::Rejected`] where there is no such table.
    fn index(
        &self,
        table: &TableName,
        name: &str,
    ) -> impl Future<Output = Result<Option<TableIndex>, StoreError>> + Send;
}

/// Values of shadow columns, kept beside their tables by item.
pub trait ShadowStore: Sync {
    /// What is kept for items (consistent read); items for which nothing is kept are left out.
    fn shadow_rows(
        &self,
        keys: &BTreeSet<RowKey>,
    ) -> impl Future<Output = Result<BTreeMap<RowKey, ShadowRow>, StoreError>> + Send;

    /// Replaces what is kept for an item where the stored row is of revision `from`; from `None` it creates
    /// it, to `None` it deletes it.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] where another row is stored, or one is where none should be.
    fn replace_shadow_row(
        &self,
        key: &RowKey,
        from: Option<u64>,
        to: Option<&ShadowRow>,
    ) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// A page of what is kept for a table (consistent read). A row that is there from before the first
    /// page until after the last one is on one of them.
    fn shadow_rows_of_table(
        &self,
        table: &TableName,
        after: Option<String>,
    ) -> impl Future<Output = Result<Page<ShadowRow>, StoreError>> + Send;
}
