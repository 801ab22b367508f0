//! The table store: floors and shapes, each raised by comparing and writing.

use evercount_core::change::{TableName, TableShape};
use evercount_core::order::{Floor, Micros};
use evercount_core::value::Value;
use evercount_pipeline::ports::{StoreError, TableFacts, TableStore};
use evercount_wire::items::{
    PK, TABLES_PK, TableFactsItem, table_facts_from_item, table_facts_item, table_facts_key,
};

use super::DynamoStore;
use super::edit::{Condition, Edit};
use super::failure::unreadable;

/// Attempts to change facts that others are changing. A loser loses to somebody who got on, and
/// a handful of lanes learn of one truncate at once at most.
const ATTEMPTS_MAX: u32 = 20;

/// Attributes that facts may lack.
const OPTIONAL: [&str; 5] = ["floor_version", "floor_time", "emptied_at", "shape", "shape_at"];

impl DynamoStore {
    /// Changes a table's facts, where `change` finds anything to change.
    async fn change_facts(
        &self,
        table: &TableName,
        change: impl Fn(&mut TableFactsItem) + Sync,
    ) -> Result<(), StoreError> {
        for _ in 0..ATTEMPTS_MAX {
            let (known, condition) = match self.get(&self.tables.metadata, &table_facts_key(table)).await? {
                Some(item) => {
                    let revision = item.get("revision").cloned().unwrap_or(Value::Null);
                    (
                        table_facts_from_item(&item).map_err(unreadable)?,
                        Condition::Equals("revision", revision),
                    )
                }
                None => {
                    let nothing =
                        TableFactsItem { table: table.clone(), floor: None, shape: None, revision: 0 };
                    (nothing, Condition::Absent(PK))
                }
            };
            let mut changed = known.clone();
            change(&mut changed);
            if changed == known {
                return Ok(());
            }
            changed.revision += 1;
            let edit = Edit::of(&self.tables.metadata, table_facts_key(table))
                .set_all(table_facts_item(&changed))
                .remove_unset(&OPTIONAL)
                .only_if(condition);
            match self.edit(&edit).await {
                Err(StoreError::Conflict) => {}
                done => return done.map(|_| ()),
            }
        }
        Err(StoreError::Unavailable(format!("the facts of table `{table}` keep changing")))
    }
}

impl TableStore for DynamoStore {
    async fn table_facts(&self) -> Result<TableFacts, StoreError> {
        let mut all = TableFacts::default();
        for item in self.query(&self.tables.metadata, TABLES_PK, "").await? {
            let facts = table_facts_from_item(&item).map_err(unreadable)?;
            all.floors.extend(facts.floor.map(|floor| (facts.table.clone(), floor)));
            all.shapes.extend(facts.shape.map(|shape| (facts.table.clone(), shape)));
        }
        Ok(all)
    }

    async fn raise_floor(&self, table: &TableName, floor: &Floor) -> Result<(), StoreError> {
        self.change_facts(table, |facts| {
            facts.floor = Some(match facts.floor.take() {
                Some(known) => known.later(floor.clone()),
                None => floor.clone(),
            });
        })
        .await
    }

    async fn learn_shape(&self, table: &TableName, at: Micros, shape: &TableShape) -> Result<(), StoreError> {
        self.change_facts(table, |facts| {
            if facts.shape.as_ref().is_none_or(|(known, _)| at >= *known) {
                facts.shape = Some((at, shape.clone()));
            }
        })
        .await
    }
}
