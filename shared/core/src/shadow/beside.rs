//! An item with what is kept beside the table for it: how the two are read as one, and how what a write
//! makes of that is parted again.
//!
//! A value is read as `COALESCE(table, shadow, default)`: the table's where it has the attribute, NULL
//! included, because what SQL calls NULL is an absent attribute in DynamoDB; else the one beside it, unless
//! it was removed; else the column's default. A value is written beside the table only where the table does
//! not have the attribute, so that a write is never hidden by an older value in the table.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use super::{ShadowRow, ShadowSchema, ShadowState, ShadowValue};
use crate::mutation::Stamp;
use crate::order::{ItemVersion, Micros};
use crate::value::{Item, Value};

/// The item with the values that are kept beside the table for it, without defaults.
#[must_use]
pub fn joined(item: &Item, row: Option<&ShadowRow>, schema: Option<&ShadowSchema>) -> Item {
    let mut joined = item.clone();
    let (Some(row), Some(schema)) = (row, schema) else { return joined };
    for (name, _) in schema.kept_beside().filter(|(name, _)| !item.contains_key(*name)) {
        let value = row.values.get(name).and_then(|one| one.value.clone());
        joined.extend(value.map(|value| (name.clone(), value)));
    }
    joined
}

/// The item as it is read: joined, and with the defaults of columns that have no value.
#[must_use]
pub fn read(item: &Item, row: Option<&ShadowRow>, schema: Option<&ShadowSchema>) -> Item {
    let mut read = joined(item, row, schema);
    for (name, column) in schema.into_iter().flat_map(ShadowSchema::kept_beside) {
        if let (Some(default), false) = (&column.default, read.contains_key(name)) {
            read.insert(name.clone(), default.clone());
        }
    }
    read
}

/// Whether what is kept beside the table was written after the item: the two were read at different times,
/// and have to be read again. The item is read first.
#[must_use]
pub fn is_newer(row: &ShadowRow, item: &Item) -> bool {
    row.values.values().any(|value| value.order > Stamp::of(item).version)
}

/// The latest version that a row knows of its item.
#[must_use]
pub fn latest(row: Option<&ShadowRow>) -> ItemVersion {
    row.into_iter().flat_map(|row| row.values.values()).map(|value| value.order).max().unwrap_or_default()
}

/// What a write makes of the item and of what is kept beside the table for it.
#[derive(Clone, PartialEq, Debug)]
pub struct Parted {
    /// The item in the table; `None` is no item.
    pub item: Option<Item>,
    /// What is kept beside the table, where that changes.
    pub row: Option<ShadowRow>,
}

/// Parts what a write makes of a joined item. Values of a column that has arrived go into the table,
/// whoever wrote them and when. What was removed stays known as removed, so that no older value comes back;
/// so does what was written for an item that is deleted, or was deleted behind the proxy's back.
#[must_use]
pub fn part(
    item: Option<&Item>,
    row: Option<&ShadowRow>,
    to: Option<Item>,
    schema: &ShadowSchema,
    version: ItemVersion,
    now: Micros,
) -> Parted {
    if item.is_none() && to.is_none() {
        return Parted { item: None, row: None };
    }
    let (mut in_table, mut beside) = (to, BTreeMap::new());
    for (name, column) in schema.kept_beside() {
        let was_in_table = item.is_some_and(|item| item.contains_key(name));
        let known = row.and_then(|row| row.values.get(name));
        let value = if column.state == ShadowState::Expected && !was_in_table {
            in_table.as_mut().and_then(|item| item.remove(name))
        } else {
            if let (None, Some(into), Some(known)) =
                (item, &mut in_table, known.filter(|one| one.is_fetched()))
            {
                // What was fetched for the key comes into the table with the item.
                let entry = into.entry(name.clone());
                if let (Entry::Vacant(entry), Some(value)) = (entry, &known.value) {
                    entry.insert(value.clone());
                }
            }
            None
        };
        let is_in_table = in_table.as_ref().is_some_and(|item| item.contains_key(name));
        let goes_on = item.is_some() && in_table.is_some();
        if is_changed(known, value.as_ref(), is_in_table, goes_on) {
            beside.insert(name.clone(), ShadowValue { value, order: version, at: now });
        }
    }
    let nothing = ShadowRow::default();
    Parted { item: in_table, row: row.unwrap_or(&nothing).written(&beside, now) }
}

/// Whether the value beside the table changes; `goes_on` says that the item was there and will be.
fn is_changed(known: Option<&ShadowValue>, value: Option<&Value>, is_in_table: bool, goes_on: bool) -> bool {
    match (known, value) {
        (None, value) => value.is_some(),
        // A new item has no version that tells whether what was read beside it still stands.
        (Some(known), Some(value)) => !goes_on || known.value.as_ref() != Some(value),
        // The table's value goes before the one beside it.
        (Some(_), None) if is_in_table => false,
        (Some(known), None) if goes_on => known.value.is_some(),
        // Where an item begins or ends, what was written for another one of its key is marked as removed with
        // this version, so that no later item gets a version that an earlier one had. What was fetched was
        // fetched for the key.
        (Some(known), None) => !known.is_fetched(),
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may panic")]

    use proptest::prelude::*;

    use super::*;
    use crate::change::TableName;
    use crate::schema::{Constraints, TypeSet};
    use crate::shadow::ShadowColumn;

    const STATES: [ShadowState; 4] = [
        ShadowState::Expected,
        ShadowState::Arrived { at: 1 },
        ShadowState::Moved { at: 2 },
        ShadowState::GivenUp { at: 2 },
    ];

    prop_compose! {
        fn schema()(states in prop::collection::vec(0..STATES.len(), 3), default in any::<bool>()) -> ShadowSchema {
            let column = |state: usize| ShadowColumn {
                types: TypeSet::default(),
                default: default.then(|| Value::String("default".to_owned())),
                constraints: Constraints::default(),
                expected_at: None,
                probability: 0.5,
                source: String::new(),
                prefetch: None,
                state: STATES[state],
            };
            let columns = ["a", "b", "c"].into_iter().zip(states);
            let columns = columns.map(|(name, state)| (name.to_owned(), column(state))).collect();
            ShadowSchema { columns, ..ShadowSchema::nothing(TableName::new("t"), 0) }
        }
    }

    fn value() -> impl Strategy<Value = Value> {
        prop_oneof![Just(Value::Null), any::<bool>().prop_map(Value::Bool)]
    }

    fn item() -> impl Strategy<Value = Item> {
        prop::collection::btree_map("[a-e]", value(), 0..5)
    }

    fn row() -> impl Strategy<Value = ShadowRow> {
        let one = (prop::option::of(value()), 0u64..5).prop_map(|(value, order)| ShadowValue {
            value,
            order: ItemVersion(order),
            at: 0,
        });
        prop::collection::btree_map("[a-c]", one, 0..3).prop_map(|values| ShadowRow { revision: 1, values })
    }

    proptest! {
        /// What is written is what is read, wherever it went.
        #[test]
        fn what_is_parted_is_joined_again(
            schema in schema(), from in item(), row in prop::option::of(row()), to in item()
        ) {
            let before = joined(&from, row.as_ref(), Some(&schema));
            // A writer leaves what it does not know, or changes it; either is an item.
            let parted = part(Some(&from), row.as_ref(), Some(to.clone()), &schema, ItemVersion(9), 9);
            let kept = parted.row.as_ref().or(row.as_ref());
            let stored = parted.item.unwrap();
            prop_assert_eq!(joined(&stored, kept, Some(&schema)), to);
            // A write that changes nothing beside the table writes nothing there.
            let same = part(Some(&from), row.as_ref(), Some(before), &schema, ItemVersion(9), 9);
            prop_assert_eq!(same.row, None);
        }

        /// Of a deleted item nothing is left that a new one of its key could show, but what was fetched.
        #[test]
        fn a_deleted_item_leaves_nothing(schema in schema(), from in item(), row in row(), to in item()) {
            let gone = part(Some(&from), Some(&row), None, &schema, ItemVersion(8), 8);
            prop_assert_eq!(gone.item, None);
            let left = gone.row.unwrap_or(row);
            let made = part(None, Some(&left), Some(to.clone()), &schema, ItemVersion(9), 9);
            let left = made.row.unwrap_or(left);
            let shown = joined(&made.item.unwrap(), Some(&left), Some(&schema));
            for (name, value) in &shown {
                let fetched = left.values.get(name).is_some_and(ShadowValue::is_fetched);
                prop_assert!(fetched || to.get(name) == Some(value), "{} came back", name);
            }
        }
    }
}
