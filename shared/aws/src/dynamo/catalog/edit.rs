//! Owns how an edit of the catalog becomes one transaction.

use std::collections::BTreeMap;

use aws_sdk_dynamodb::types::TransactWriteItem;
use evercount_core::adoption::Adjustment;
use evercount_core::chunk::ACTIONS_MAX;
use evercount_core::decimal::Decimal;
use evercount_core::logic::{LogicId, LogicVersion};
use evercount_core::value::{Item, Value};
use evercount_pipeline::ports::{CatalogEdit, StoreError};
use evercount_wire::items::{
    ADJUSTMENT_OPTIONAL, AdjustmentItems, FORMAT, LOGIC_OPTIONAL, PK, adjustment_items, adjustment_key,
    adopted_item, check_adjustment, edited, logic_item, logic_key, logic_version_from_item, plan_entry_item,
    revision_key, trail_item,
};
use evercount_wire::logic;

use super::super::DynamoStore;
use super::super::commit::{put, update};
use super::super::edit::{Condition, Edit};
use super::super::failure::unreadable;

/// Versions as they are stored, each with the text that a write can be made conditional on.
type Stored = BTreeMap<LogicId, (LogicVersion, Value)>;

fn refused(error: impl std::fmt::Display) -> StoreError {
    StoreError::Rejected(error.to_string())
}

fn number(n: u64) -> Value {
    n.to_string().parse().map_or(Value::Null, Value::Number)
}

impl DynamoStore {
    pub(super) async fn execute_edit(&self, edit: &CatalogEdit) -> Result<(), StoreError> {
        if edit.actions() > ACTIONS_MAX {
            return Err(StoreError::Rejected(format!("{} actions in one edit", edit.actions())));
        }
        if let Some((from, to)) = edit.change.iter().find(|(from, to)| from.id != to.id) {
            return Err(StoreError::Rejected(format!("version {} cannot become {}", from.id, to.id)));
        }
        let stored = self.stored_versions(edit).await?;
        let mut versions: Vec<(&LogicVersion, Condition)> =
            edit.create.iter().map(|version| (version, Condition::Absent(PK))).collect();
        for (from, to) in &edit.change {
            // Compared as values, and then conditional on the text: an older release may have
            // written the same version in other words.
            match stored.get(&from.id) {
                Some((known, text)) if known == from => {
                    versions.push((to, Condition::Equals("logic", text.clone())));
                }
                _ => return Err(StoreError::Conflict),
            }
        }
        let mut actions = Vec::with_capacity(edit.actions());
        if edit.is_evaluated() {
            actions.extend(self.version_actions(&versions)?);
        }
        if let Some((table, shape)) = &edit.adopt {
            actions.push(put(&self.tables.metadata, &adopted_item(table, shape), None)?);
        }
        for (from, to) in &edit.adjustments {
            actions.extend(self.adjustment_actions(from.as_ref(), to, &stored)?);
        }
        for (nth, entry) in edit.trail.iter().enumerate() {
            actions.push(put(&self.tables.metadata, &trail_item(entry, nth), None)?);
        }
        match actions.len() {
            0 => Ok(()),
            1..=ACTIONS_MAX => self.transact(actions).await.map(|_| ()),
            n => Err(StoreError::Rejected(format!("{n} actions in one edit"))),
        }
    }

    /// The versions that an edit changes, and those that its new plans were made on.
    async fn stored_versions(&self, edit: &CatalogEdit) -> Result<Stored, StoreError> {
        let planned_on = edit
            .adjustments
            .iter()
            .filter(|(from, _)| from.is_none())
            .map(|(_, to)| LogicId { definition: to.plan.definition.clone(), number: to.plan.from });
        let changed = edit.change.iter().map(|(from, _)| from.id.clone());
        let ids: std::collections::BTreeSet<LogicId> = changed.chain(planned_on).collect();
        let keys: Vec<Item> = ids.iter().map(|id| logic_key(id).item()).collect();
        let mut stored = Stored::new();
        for mut item in self.batch_get(&self.tables.metadata, &keys, true).await? {
            let version = logic_version_from_item(&item).map_err(unreadable)?;
            if let Some((version, text)) = version.zip(item.remove("logic")) {
                stored.insert(version.id.clone(), (version, text));
            }
        }
        Ok(stored)
    }

    /// Writes versions and raises the revision, together.
    pub(super) async fn write_versions(
        &self,
        versions: &[(&LogicVersion, Condition)],
    ) -> Result<(), StoreError> {
        self.transact(self.version_actions(versions)?).await.map(|_| ())
    }

    /// The actions that write versions and raise the revision.
    fn version_actions(
        &self,
        versions: &[(&LogicVersion, Condition)],
    ) -> Result<Vec<TransactWriteItem>, StoreError> {
        let table = &self.tables.metadata;
        let (mut actions, mut written) = (Vec::new(), Vec::new());
        for (version, condition) in versions {
            // A version that cannot be read would stop all counting.
            logic::check(version).map_err(refused)?;
            let item = logic_item(version);
            let edit = Edit::of(table, logic_key(&version.id))
                .set_all(item.clone())
                .remove_unset(&LOGIC_OPTIONAL)
                .only_if(condition.clone());
            actions.push(update(&edit)?);
            written.push(item);
        }
        let of_revision = Edit::of(table, revision_key())
            .set("entity", Value::String("catalog revision".to_owned()))
            .set("format", number(FORMAT))
            .set("edited", Value::Map(edited(&written)))
            .add("revision", Value::Number(Decimal::from(1)));
        actions.push(update(&of_revision)?);
        Ok(actions)
    }

    fn adjustment_actions(
        &self,
        from: Option<&Adjustment>,
        to: &Adjustment,
        stored: &Stored,
    ) -> Result<Vec<TransactWriteItem>, StoreError> {
        check_adjustment(to).map_err(refused)?;
        let table = &self.tables.metadata;
        let planned_on = LogicId { definition: to.plan.definition.clone(), number: to.plan.from };
        let was = stored.get(&planned_on).filter(|_| from.is_none()).map(|(version, _)| &version.definition);
        let AdjustmentItems { item, parts } = adjustment_items(to, was);
        let condition = match from {
            None => Condition::Absent(PK),
            Some(known) => Condition::Equals("revision", number(u64::from(known.revision))),
        };
        let edit = Edit::of(table, adjustment_key(to))
            .set_all(item)
            .remove_unset(&ADJUSTMENT_OPTIONAL)
            .only_if(condition);
        let mut actions = vec![update(&edit)?];
        if from.is_none() {
            // The same change planned again has the same plan, at whatever time.
            actions.push(put(table, &plan_entry_item(to), Some(PK))?);
        }
        for part in &parts {
            actions.push(put(table, part, None)?);
        }
        Ok(actions)
    }
}
