//! Owns how an update of one item becomes expressions: every attribute name goes by a
//! placeholder, because a cell's name is data and may be anything, reserved words included.

use std::collections::HashMap;

use aws_sdk_dynamodb::types::{AttributeValue, Update};
use evercount_core::value::{Item, Value};
use evercount_pipeline::ports::StoreError;
use evercount_wire::items::{ItemKey, PK, SK};

use super::value::{to_attribute, to_attributes};

/// What must hold of an item for it to be updated.
#[derive(Clone, PartialEq, Debug)]
pub(super) enum Condition {
    /// The attribute is not there.
    Absent(&'static str),
    /// The attribute has this value.
    Equals(&'static str, Value),
    /// One of the two.
    AbsentOrEquals(&'static str, Value),
}

/// An update of one item, attribute by attribute: what it does not name stays.
#[derive(Clone, PartialEq, Debug)]
pub(super) struct Edit {
    table: String,
    key: ItemKey,
    set: Vec<(String, Value)>,
    add: Vec<(String, Value)>,
    remove: Vec<&'static str>,
    conditions: Vec<Condition>,
}

/// An edit in the words of the API.
#[derive(Clone, PartialEq, Debug, Default)]
pub(super) struct Expressions {
    pub update: String,
    pub condition: Option<String>,
    pub names: HashMap<String, String>,
    pub values: HashMap<String, AttributeValue>,
}

impl Edit {
    pub fn of(table: &str, key: ItemKey) -> Self {
        let table = table.to_owned();
        Self { table, key, set: Vec::new(), add: Vec::new(), remove: Vec::new(), conditions: Vec::new() }
    }

    pub fn set(mut self, name: impl Into<String>, value: Value) -> Self {
        self.set.push((name.into(), value));
        self
    }

    /// Sets every attribute of an item but its key.
    pub fn set_all(mut self, item: Item) -> Self {
        self.set.extend(item.into_iter().filter(|(name, _)| name != PK && name != SK));
        self
    }

    pub fn add(mut self, name: impl Into<String>, value: Value) -> Self {
        self.add.push((name.into(), value));
        self
    }

    /// Removes those of the attributes that the edit does not set.
    pub fn remove_unset(mut self, names: &[&'static str]) -> Self {
        let unset = names.iter().filter(|name| self.set.iter().all(|(set, _)| set != **name));
        self.remove = unset.copied().collect();
        self
    }

    pub fn only_if(mut self, condition: Condition) -> Self {
        self.conditions.push(condition);
        self
    }

    pub fn table(&self) -> &str {
        &self.table
    }

    pub fn key(&self) -> HashMap<String, AttributeValue> {
        to_attributes(&self.key.item())
    }

    pub fn expressions(&self) -> Expressions {
        let mut all = Expressions::default();
        let set: Vec<String> = self.set.iter().map(|(name, value)| all.pair(name, value, " = ")).collect();
        let add: Vec<String> = self.add.iter().map(|(name, value)| all.pair(name, value, " ")).collect();
        let remove: Vec<String> = self.remove.iter().map(|name| all.name(name)).collect();
        let clauses = [("SET", set), ("ADD", add), ("REMOVE", remove)];
        let stated = clauses.into_iter().filter(|(_, parts)| !parts.is_empty());
        let clauses: Vec<String> =
            stated.map(|(verb, parts)| format!("{verb} {}", parts.join(", "))).collect();
        all.update = clauses.join(" ");
        let conditions: Vec<String> =
            self.conditions.iter().map(|condition| all.condition_text(condition)).collect();
        all.condition = (!conditions.is_empty()).then(|| conditions.join(" AND "));
        all
    }

    pub fn as_action(&self) -> Result<Update, StoreError> {
        let all = self.expressions();
        Update::builder()
            .table_name(&self.table)
            .set_key(Some(self.key()))
            .update_expression(all.update)
            .set_condition_expression(all.condition)
            .set_expression_attribute_names(Some(all.names))
            .set_expression_attribute_values((!all.values.is_empty()).then_some(all.values))
            .build()
            .map_err(|error| StoreError::Rejected(error.to_string()))
    }
}

impl Expressions {
    pub fn name(&mut self, name: &str) -> String {
        let placeholder = format!("#n{}", self.names.len());
        self.names.insert(placeholder.clone(), name.to_owned());
        placeholder
    }

    pub fn value(&mut self, value: &Value) -> String {
        let placeholder = format!(":v{}", self.values.len());
        self.values.insert(placeholder.clone(), to_attribute(value));
        placeholder
    }

    pub fn pair(&mut self, name: &str, value: &Value, between: &str) -> String {
        let (name, value) = (self.name(name), self.value(value));
        format!("{name}{between}{value}")
    }

    fn condition_text(&mut self, condition: &Condition) -> String {
        match condition {
            Condition::Absent(name) => format!("attribute_not_exists({})", self.name(name)),
            Condition::Equals(name, value) => self.pair(name, value, " = "),
            Condition::AbsentOrEquals(name, value) => {
                let absent = self.name(name);
                format!("(attribute_not_exists({absent}) OR {})", self.pair(name, value, " = "))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use evercount_core::decimal::Decimal;
    use evercount_core::lane::LaneId;
    use evercount_wire::items::checkpoint_key;

    use super::*;

    #[test]
    fn an_edit_names_every_attribute_by_a_placeholder() {
        let one = || Value::Number(Decimal::from(1));
        let edit = Edit::of("t", checkpoint_key(&LaneId::operator()))
            .set("status", one())
            .add("{\"a\":\"b #x\"}", one())
            .remove_unset(&["status", "size"])
            .only_if(Condition::Absent("pk"))
            .only_if(Condition::AbsentOrEquals("fence", one()));
        let all = edit.expressions();
        assert_eq!(all.update, "SET #n0 = :v0 ADD #n1 :v1 REMOVE #n2");
        let condition = "attribute_not_exists(#n3) AND (attribute_not_exists(#n4) OR #n5 = :v2)";
        assert_eq!(all.condition.as_deref(), Some(condition));
        assert_eq!(all.names.get("#n1").map(String::as_str), Some("{\"a\":\"b #x\"}"));
        assert_eq!((all.names.len(), all.values.len()), (6, 3));
    }
}
