//! Owns what a request wants of one item, where the agent has to carry it out: its change and its condition,
//! read from the request's own words.

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};

use evercount_core::change::{RowIdentity, RowKey, TableName};
use evercount_core::expression::{Condition, Given, Invalid, Place, Update};
use evercount_core::mutation::{ConditionFailed, Intent, Kind, SCHEMA_ATTRIBUTE, VERSION_ATTRIBUTE};
use evercount_core::order::ItemVersion;
use evercount_core::resolve::placeholders;
use evercount_core::value::{Item, Value};
use evercount_wire::json::{canonical_key, dynamodb_json, read_dynamodb_item};
use serde_json::Value as Json;

use crate::answer::Refusal;
use crate::request::table_name;

/// Parameters of before there were expressions.
const LEGACY: [(&str, &str); 3] = [
    ("Expected", "a ConditionExpression"),
    ("AttributeUpdates", "an UpdateExpression"),
    ("ConditionalOperator", "a ConditionExpression"),
];

/// Parameters that are texts. What is none is never taken for absent: a write without its condition would be
/// another write.
const TEXTS: [&str; 10] = [
    "TableName",
    "ConditionExpression",
    "UpdateExpression",
    "FilterExpression",
    "ProjectionExpression",
    "KeyConditionExpression",
    "ReturnValues",
    "ReturnConsumedCapacity",
    "ReturnItemCollectionMetrics",
    "ReturnValuesOnConditionCheckFailure",
];

/// What is made of an item.
#[derive(Clone, PartialEq, Debug)]
pub enum Change {
    /// It is replaced.
    Put(Item),
    /// It is updated; with no update it comes into being with its key.
    Update(Update),
    /// It goes.
    Delete,
    /// Nothing.
    None,
}

/// What a request wants of one item.
#[derive(Debug)]
pub struct Wish {
    /// The item.
    pub row: RowKey,
    /// Its key.
    pub key: Item,
    /// What is made of it.
    pub change: Change,
    /// What has to hold.
    condition: Condition,
    /// The version of the item that the writer read.
    pub expected: Option<ItemVersion>,
    /// What items without a value read in expected columns, and conditions with them.
    defaults: Item,
    /// Whether the writer wants to see the item that its condition does not hold of.
    shows_failed: bool,
    failed: Mutex<Failed>,
}

/// What stood in the way.
#[derive(Clone, Debug, Default)]
pub struct Failed {
    /// What is wrong with the expression, or does not fit the item.
    pub invalid: Option<Invalid>,
    /// The item that the condition does not hold of.
    pub item: Option<Item>,
}

/// An item in DynamoDB JSON, as a core value.
///
/// # Errors
/// [`Refusal::Validation`] where it is none.
pub fn item_of(json: &Json) -> Result<Item, Refusal> {
    read_dynamodb_item(&json.to_string())
        .map_err(|error| Refusal::Validation(format!("an item or its values cannot be read: {error}")))
}

/// A core value in DynamoDB JSON.
#[must_use]
pub fn json_of(item: &Item) -> Json {
    serde_json::from_str(&dynamodb_json(item)).unwrap_or_default()
}

/// The row that a key is of.
#[must_use]
pub fn row_of(table: &str, key: &Item) -> RowKey {
    let identity = RowIdentity::Key(canonical_key(key).into());
    RowKey { table: TableName::new(table), identity }
}

/// The part of an item that is its key.
///
/// # Errors
/// [`Refusal::Validation`] where something of it is missing.
pub fn key_of(item: &Item, names: &[String]) -> Result<Item, Refusal> {
    let of_key = |name: &String| {
        item.get_key_value(name).map(|(name, value)| (name.clone(), value.clone())).ok_or_else(|| {
            Refusal::Validation(format!(
                "One or more parameter values were invalid: Missing the key {name} in the item"
            ))
        })
    };
    names.iter().map(of_key).collect()
}

/// The placeholders of a request, read as far as they are needed.
pub struct Words<'b> {
    body: &'b Json,
    values: Item,
}

impl<'b> Words<'b> {
    /// Those of a request.
    ///
    /// # Errors
    /// [`Refusal::Validation`] where a value is none.
    pub fn of(body: &'b Json) -> Result<Self, Refusal> {
        let is_wrong = |name: &&&str| body.get(**name).is_some_and(|text| !text.is_string());
        if let Some(wrong) = TEXTS.iter().find(is_wrong) {
            return Err(Refusal::Validation(format!("{wrong} is no text")));
        }
        let is_text = |one: &Json| one.is_string();
        let names = body.get("ExpressionAttributeNames");
        if names.is_some_and(|names| !names.as_object().is_some_and(|all| all.values().all(is_text))) {
            return Err(Refusal::Validation("ExpressionAttributeNames is no map of names".to_owned()));
        }
        let values = body.get("ExpressionAttributeValues").map_or_else(|| Ok(Item::new()), item_of)?;
        Ok(Self { body, values })
    }

    /// An expression of the request; `None` where it has none of the kind.
    ///
    /// # Errors
    /// [`Refusal::Validation`] where it is no expression.
    pub fn read<T>(
        &self,
        parameter: &str,
        read: impl Fn(&str, &Given<'_>) -> Result<T, Invalid>,
    ) -> Result<Option<T>, Refusal> {
        let Some(text) = self.body.get(parameter).and_then(Json::as_str) else { return Ok(None) };
        let stand_for = self.body.get("ExpressionAttributeNames").and_then(Json::as_object);
        let names = |placeholder: &str| Some(stand_for?.get(placeholder)?.as_str()?.to_owned());
        let given = Given { names: &names, values: &self.values };
        read(text, &given)
            .map(Some)
            .map_err(|invalid| Refusal::Validation(format!("Invalid {parameter}: {invalid}")))
    }

    /// Checks that every placeholder is used by one of these expressions, as DynamoDB does.
    ///
    /// # Errors
    /// [`Refusal::Validation`] where one is not.
    pub fn are_used(&self, parameters: &[&str]) -> Result<(), Refusal> {
        let texts = parameters.iter().filter_map(|name| self.body.get(name)?.as_str());
        let used: BTreeSet<String> = texts.flat_map(|text| placeholders(text).unwrap_or_default()).collect();
        for given in ["ExpressionAttributeNames", "ExpressionAttributeValues"] {
            let names = self.body.get(given).and_then(Json::as_object).into_iter().flat_map(|all| all.keys());
            let unused: Vec<&str> = names.filter(|name| !used.contains(*name)).map(String::as_str).collect();
            if !unused.is_empty() {
                return Err(Refusal::Validation(format!(
                    "Value provided in {given} unused in expressions: keys: {{{}}}",
                    unused.join(", ")
                )));
            }
        }
        Ok(())
    }
}

impl Wish {
    /// What an action wants: a request of `PutItem`, `UpdateItem`, `DeleteItem`, or the like within a
    /// transaction or a batch. `keys` are the names of the table's key attributes, and `read` the version of
    /// the item that a header says was read.
    ///
    /// # Errors
    /// [`Refusal::Validation`] where it is none that DynamoDB would take, or names what only DynamoDB can do.
    pub fn of(
        kind: Kind,
        body: &Json,
        keys: &[String],
        defaults: Item,
        read: Option<ItemVersion>,
    ) -> Result<Self, Refusal> {
        if let Some((parameter, instead)) = LEGACY.iter().find(|(parameter, _)| body.get(parameter).is_some())
        {
            return Err(Refusal::Validation(format!(
                "`{parameter}` is not carried out where an item is written by its schema; write {instead}"
            )));
        }
        let words = Words::of(body)?;
        words.are_used(&["ConditionExpression", "UpdateExpression"])?;
        let item = |name: &str| {
            let missing = || Refusal::Validation(format!("{name} is missing"));
            body.get(name).ok_or_else(missing).and_then(item_of)
        };
        let (key, change) = match kind {
            Kind::Put => {
                let mut item = item("Item")?;
                // They are of what was read, and the agent says what they are from now on.
                item.remove(VERSION_ATTRIBUTE);
                item.remove(SCHEMA_ATTRIBUTE);
                (key_of(&item, keys)?, Change::Put(item))
            }
            Kind::Update => {
                let update = words.read("UpdateExpression", Update::read)?.unwrap_or_default();
                check_places(&update, keys)?;
                (item("Key")?, Change::Update(update))
            }
            Kind::Delete => (item("Key")?, Change::Delete),
            Kind::Check => (item("Key")?, Change::None),
        };
        if key.len() != keys.len() || !keys.iter().all(|name| key.contains_key(name)) {
            return Err(Refusal::Validation("The provided key element does not match the schema".to_owned()));
        }
        let condition = words.read("ConditionExpression", Condition::read)?.unwrap_or(Condition::Always);
        let (condition, named) = condition.without_equality(VERSION_ATTRIBUTE);
        if [VERSION_ATTRIBUTE, SCHEMA_ATTRIBUTE].iter().any(|name| condition.names(name)) {
            return Err(Refusal::Validation(format!(
                "a condition on `{VERSION_ATTRIBUTE}` can only be `{VERSION_ATTRIBUTE} = :version`, alone or \
                 joined to others by AND, and none can be on `{SCHEMA_ATTRIBUTE}`"
            )));
        }
        let named = named.map(|value| version_of(&value)).transpose()?;
        let table = table_name(body.get("TableName").and_then(Json::as_str).unwrap_or_default());
        let wanted = body.get("ReturnValuesOnConditionCheckFailure").and_then(Json::as_str);
        Ok(Self {
            row: row_of(&table, &key),
            key,
            change,
            condition,
            expected: named.or(read),
            defaults,
            shows_failed: wanted == Some("ALL_OLD"),
            failed: Mutex::default(),
        })
    }

    /// What stood in the way the last time.
    #[must_use]
    pub fn failed(&self) -> Failed {
        self.failed.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn fail(&self, failed: Failed) -> ConditionFailed {
        *self.failed.lock().unwrap_or_else(PoisonError::into_inner) = failed;
        ConditionFailed
    }
}

/// The attributes that the agent writes itself, and those that nobody can change.
fn check_places(update: &Update, keys: &[String]) -> Result<(), Refusal> {
    for Place { head, .. } in update.places() {
        if keys.contains(head) {
            return Err(Refusal::Validation(format!(
                "One or more parameter values were invalid: Cannot update attribute {head}. This attribute is \
                 part of the key"
            )));
        }
        if head == VERSION_ATTRIBUTE || head == SCHEMA_ATTRIBUTE {
            return Err(Refusal::Validation(format!("`{head}` is written by the proxy; leave it out")));
        }
    }
    Ok(())
}

fn version_of(value: &Value) -> Result<ItemVersion, Refusal> {
    let number = match value {
        Value::Number(number) => number.to_string().parse().ok(),
        _ => None,
    };
    number
        .map(ItemVersion)
        .ok_or_else(|| Refusal::Validation(format!("`{VERSION_ATTRIBUTE}` is a whole number")))
}

impl Intent for Wish {
    fn kind(&self) -> Kind {
        match self.change {
            Change::Put(_) => Kind::Put,
            Change::Update(_) => Kind::Update,
            Change::Delete => Kind::Delete,
            Change::None => Kind::Check,
        }
    }

    fn after(&self, before: Option<&Item>) -> Result<Option<Item>, ConditionFailed> {
        let holds = match before {
            Some(item) if self.defaults.is_empty() => self.condition.holds(item),
            Some(item) => {
                let mut read = self.defaults.clone();
                read.extend(item.iter().map(|(name, value)| (name.clone(), value.clone())));
                self.condition.holds(&read)
            }
            None => self.condition.holds(&Item::new()),
        };
        if !holds {
            let item = before.filter(|_| self.shows_failed).cloned();
            return Err(self.fail(Failed { invalid: None, item }));
        }
        match &self.change {
            Change::Put(item) => Ok(Some(item.clone())),
            Change::Update(update) => {
                let made = update.apply(before.unwrap_or(&self.key));
                made.map(Some).map_err(|invalid| self.fail(Failed { invalid: Some(invalid), item: None }))
            }
            Change::Delete => Ok(None),
            Change::None => Ok(before.cloned()),
        }
    }

    fn stated(&self) -> Item {
        match &self.change {
            Change::Put(item) => item.clone(),
            Change::Update(update) => {
                let stated = update.stated().map(|(name, value)| (name.to_owned(), value.clone()));
                self.key.clone().into_iter().chain(stated).collect()
            }
            Change::Delete | Change::None => self.key.clone(),
        }
    }

    fn depends_on(&self, attribute: &str) -> bool {
        let by_change = match &self.change {
            Change::Update(update) => update.reads(attribute),
            _ => false,
        };
        by_change || self.condition.names(attribute)
    }

    fn removes(&self) -> BTreeSet<String> {
        match &self.change {
            Change::Update(update) => update.removes(),
            _ => BTreeSet::new(),
        }
    }
}
