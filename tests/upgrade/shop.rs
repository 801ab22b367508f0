//! The counted table: what is written to it, and what a recount of it finds.

use std::collections::{BTreeMap, HashMap};
use std::ops::Range;

use aws_sdk_dynamodb::types::{
    AttributeDefinition, AttributeValue, BillingMode, KeySchemaElement, KeyType, ScalarAttributeType,
};
use serde_json::Value;

use crate::release::Running;

/// An item as it is read back.
pub struct Item {
    /// The number in its id.
    pub number: u32,
    /// Its `status` or, where it was renamed, its `state`.
    pub status: String,
    /// Its amount.
    pub amount: u32,
    /// Its weight.
    pub weight: u32,
    /// Who ordered.
    pub customer: u32,
}

/// What a recount finds, by group; an item that is not counted has none.
pub fn recount(items: &[Item], group: impl Fn(&Item) -> Option<String>) -> BTreeMap<String, i64> {
    let mut counts = BTreeMap::new();
    for group in items.iter().filter_map(group) {
        *counts.entry(group).or_insert(0) += 1;
    }
    counts
}

/// The groups of a count as `counts --json` prints them.
pub fn groups(count: &Value) -> BTreeMap<String, i64> {
    let groups = count["groups"].as_array().unwrap().iter();
    let group = |one: &Value| {
        let key = one["key"].as_object().unwrap();
        let name = key.iter().next().map(|(name, value)| format!("{name}={}", value.as_str().unwrap_or("?")));
        (name.unwrap_or_else(|| "all".to_owned()), one["n"].as_i64().unwrap())
    };
    groups.map(group).filter(|(_, n)| *n != 0).collect()
}

fn id(number: u32) -> AttributeValue {
    AttributeValue::S(format!("o-{number}"))
}

fn number(of: u32) -> AttributeValue {
    AttributeValue::N(of.to_string())
}

impl Running {
    /// Makes the table.
    pub async fn create_table(&self) {
        let key = KeySchemaElement::builder().attribute_name("id").key_type(KeyType::Hash).build();
        let attribute = AttributeDefinition::builder().attribute_name("id");
        let attribute = attribute.attribute_type(ScalarAttributeType::S).build();
        let call = self.dynamodb.create_table().table_name("orders").billing_mode(BillingMode::PayPerRequest);
        let call = call.key_schema(key.unwrap()).attribute_definitions(attribute.unwrap());
        call.send().await.unwrap();
    }

    /// Puts items whose status is under a name.
    pub async fn write(&self, numbers: Range<u32>, status: &str) {
        for number in numbers {
            self.put(number, number, status).await;
        }
    }

    /// Puts them again with what other items have.
    pub async fn overwrite(&self, numbers: Range<u32>, status: &str) {
        for number in numbers {
            self.put(number, number + 7, status).await;
        }
    }

    async fn put(&self, item: u32, like: u32, status: &str) {
        let value = ["NEW", "PAID", "SENT"][like as usize % 3];
        let call = self.dynamodb.put_item().table_name("orders").item("id", id(item));
        let call = call.item(status, AttributeValue::S(value.to_owned()));
        let call = call.item("amount", number(like * 13 % 100)).item("weight", number(like % 8));
        call.item("customer", AttributeValue::S(format!("c-{}", like % 11))).send().await.unwrap();
    }

    /// Moves an item's status to `state`.
    pub async fn rename(&self, item: &Item) {
        let call = self.dynamodb.update_item().table_name("orders").key("id", id(item.number));
        let call = call.update_expression("SET #to = :value REMOVE #from");
        let call = call.expression_attribute_names("#to", "state");
        let call = call.expression_attribute_names("#from", "status");
        let value = AttributeValue::S(item.status.clone());
        call.expression_attribute_values(":value", value).send().await.unwrap();
    }

    /// Deletes items.
    pub async fn delete(&self, numbers: Range<u32>) {
        for number in numbers {
            self.dynamodb.delete_item().table_name("orders").key("id", id(number)).send().await.unwrap();
        }
    }

    /// The items of the table.
    pub async fn items(&self) -> Vec<Item> {
        let page = self.dynamodb.scan().table_name("orders").consistent_read(true).send().await.unwrap();
        assert!(page.last_evaluated_key.is_none(), "a page holds them all");
        page.items.unwrap_or_default().iter().map(item).collect()
    }
}

fn item(attributes: &HashMap<String, AttributeValue>) -> Item {
    let text = |name: &str| attributes.get(name).and_then(|value| value.as_s().ok());
    let number = |name: &str| attributes[name].as_n().unwrap().parse().unwrap();
    let after = |name: &str, prefix: &str| text(name).unwrap().strip_prefix(prefix).unwrap().parse().unwrap();
    Item {
        number: after("id", "o-"),
        status: text("state").or_else(|| text("status")).unwrap().clone(),
        amount: number("amount"),
        weight: number("weight"),
        customer: after("customer", "c-"),
    }
}
