//! The store of predictions: those that stand now in one partition, each table's past ones in its own.

use evercount_core::decimal::Decimal;
use evercount_core::prediction::{ImportKind, Imported, Learnt, Prediction, ReliabilityPoint};
use evercount_core::schema_change::Subject;
use evercount_core::value::{Item, Value};
use evercount_pipeline::imports;
use evercount_pipeline::ports::{ForecastCommit, ForecastStore, StoreError};
use evercount_wire::items::{
    IMPORTS_PK, ItemError, PK, PREDICTION_OPTIONAL, PREDICTIONS_PK, RELIABILITY_PK, SK, import_items,
    import_key, imports_from_items, is_of_import, learnt_from_item, learnt_item, learnt_key,
    past_prediction_item, past_predictions_pk, prediction_from_item, prediction_item, prediction_key,
    reliability_from_item, reliability_item,
};

use super::DynamoStore;
use super::commit::{deletes, put, puts, update};
use super::edit::{Condition, Edit};
use super::failure::unreadable;

fn revision(revision: u64) -> Value {
    Value::Number(Decimal::from_digits(false, &revision.to_string(), 0).unwrap_or_else(|_| Decimal::zero()))
}

fn read_all<T>(items: &[Item], read: impl Fn(&Item) -> Result<T, ItemError>) -> Result<Vec<T>, StoreError> {
    items.iter().map(read).collect::<Result<_, _>>().map_err(unreadable)
}

impl DynamoStore {
    /// A document and its parts.
    async fn parts_of_import(&self, kind: ImportKind, name: &str) -> Result<Vec<Item>, StoreError> {
        let found = self.query(&self.tables.metadata, IMPORTS_PK, &import_key(kind, name).sk).await?;
        Ok(found.into_iter().filter(|item| is_of_import(item, kind, name)).collect())
    }
}

impl ForecastStore for DynamoStore {
    async fn predictions(&self) -> Result<Vec<Prediction>, StoreError> {
        read_all(&self.query(&self.tables.metadata, PREDICTIONS_PK, "").await?, prediction_from_item)
    }

    async fn predictions_of(&self, table: &Subject) -> Result<Vec<Prediction>, StoreError> {
        let mut items = self.query(&self.tables.metadata, &past_predictions_pk(table), "").await?;
        items.extend(self.get(&self.tables.metadata, &prediction_key(table)).await?);
        read_all(&items, prediction_from_item)
    }

    async fn learnt(&self) -> Result<Learnt, StoreError> {
        let item = self.get(&self.tables.metadata, &learnt_key()).await?;
        let read = item.map(|item| learnt_from_item(&item).map_err(unreadable)).transpose();
        Ok(read?.unwrap_or_default())
    }

    async fn reliability(&self) -> Result<Vec<ReliabilityPoint>, StoreError> {
        let items = self.query(&self.tables.metadata, RELIABILITY_PK, "").await?;
        let mut points = read_all(&items, reliability_from_item)?;
        points.sort_by_key(ReliabilityPoint::key);
        Ok(points)
    }

    async fn commit_forecast(&self, commit: &ForecastCommit) -> Result<(), StoreError> {
        let metadata = &self.tables.metadata;
        let as_read = |from: Option<u64>| match from {
            Some(known) => Condition::Equals("revision", revision(known)),
            None => Condition::Absent(PK),
        };
        let (from, to) = &commit.prediction;
        let edit = Edit::of(metadata, prediction_key(&to.table)).set_all(prediction_item(to));
        let mut actions = vec![update(&edit.remove_unset(&PREDICTION_OPTIONAL).only_if(as_read(*from)))?];
        if let Some(past) = &commit.past {
            actions.push(put(metadata, &past_prediction_item(past), None)?);
        }
        if let Some((to, points)) = &commit.learnt {
            let from = to.revision.checked_sub(1).filter(|from| *from > 0);
            let edit = Edit::of(metadata, learnt_key()).set_all(learnt_item(to)).only_if(as_read(from));
            actions.push(update(&edit)?);
            for point in points {
                actions.push(put(metadata, &reliability_item(point), None)?);
            }
        }
        self.transact(actions).await.map(|_| ())
    }

    async fn imports(&self) -> Result<Vec<Imported>, StoreError> {
        let items = self.query(&self.tables.metadata, IMPORTS_PK, "").await?;
        imports_from_items(&items).map_err(unreadable)
    }

    async fn put_import(&self, imported: &Imported) -> Result<(), StoreError> {
        imports::check(imported)?;
        let (item, parts) = import_items(imported);
        // The parts before what leads to them.
        self.batch_write(&self.tables.metadata, puts(&parts)?).await?;
        self.put(&self.tables.metadata, &item).await?;
        // Of a longer one before it, parts are left that nothing leads to.
        let left = self.parts_of_import(imported.kind, &imported.name).await?;
        let key = |item: &Item| item.get(SK).cloned();
        let is_old = |one: &&Item| key(one) != key(&item) && parts.iter().all(|part| key(part) != key(one));
        let old: Vec<Item> = left.iter().filter(is_old).cloned().collect();
        self.batch_write(&self.tables.metadata, deletes(&old)?).await.map(|_| ())
    }

    async fn remove_import(&self, kind: ImportKind, name: &str) -> Result<bool, StoreError> {
        let was_there = self.delete(&self.tables.metadata, &import_key(kind, name)).await?;
        let parts = self.parts_of_import(kind, name).await?;
        self.batch_write(&self.tables.metadata, deletes(&parts)?).await?;
        Ok(was_there)
    }
}
