//! Mutations: what a write becomes that was made for another version of the schema, or against an item
//! that somebody else has changed since.
//!
//! The two are told apart. A **schema conflict** is between the version a mutation was written for and the
//! one in force; it is resolved by a path of migration functions, or the mutation is refused. A **data
//! conflict** is between the item's version ([`crate::order::ItemVersion`]) that the writer read and the
//! one stored; it is resolved as the table's settings say.
//!
//! | module | decision |
//! |---|---|
//! | [`settings`] | what a table allows |
//! | [`route`] | which path a mutation takes, or why none |
//! | [`lens`] | what a writer of an earlier version sees of an item, and what its writes make of it |
//! | [`automerge`] | what two writes make together |
//! | [`detect`] | for which version a mutation was written that does not say so |
//! | [`guard`] | what has to hold of the stored item when the write is made |
//! | [`once`] | when a request that is sent again was carried out already |
//! | [`entry`] | what is noted of a mutation that was not applied as it came |
//! | [`decide`] | all of them in turn: the agent's decision |

pub mod automerge;
pub mod decide;
pub mod detect;
pub mod entry;
pub mod guard;
pub mod lens;
pub mod once;
pub mod refusal;
pub mod route;
pub mod settings;

use std::collections::{BTreeMap, BTreeSet};

use crate::decimal::Decimal;
use crate::migration::{put, take};
use crate::order::ItemVersion;
use crate::path::Path;
use crate::value::{Item, Value};

/// The attribute in which an item carries its version.
pub const VERSION_ATTRIBUTE: &str = "_ver";

/// The attribute in which an item carries the number of the schema version that it was written in.
pub const SCHEMA_ATTRIBUTE: &str = "_schema";

/// What somebody wants of one item. The data proxy has others than [`Mutation`]: whatever an expression
/// makes of an item is one.
pub trait Intent: Sync {
    /// How the item is written.
    fn kind(&self) -> Kind;

    /// What the writer makes of the item, as the version has it that it writes for; `None` is no item.
    ///
    /// # Errors
    /// Where a condition of the writer's own does not hold.
    fn after(&self, before: Option<&Item>) -> Result<Option<Item>, ConditionFailed>;

    /// The attributes whose values it says, which tell for which version it was written.
    fn stated(&self) -> Item;

    /// Whether what it makes depends on the value of an attribute.
    fn depends_on(&self, attribute: &str) -> bool {
        let _ = attribute;
        false
    }

    /// The attributes that it takes away, or a part of them. Where the item has none of the name, one that
    /// comes before the write is made has to go as well.
    fn removes(&self) -> BTreeSet<String> {
        BTreeSet::new()
    }
}

/// How an item is written.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// As a whole.
    Put,
    /// Attribute by attribute.
    Update,
    /// It goes.
    Delete,
    /// It stays as it is, and a condition of the writer's has to hold of it.
    Check,
}

/// A condition of the writer's own does not hold.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ConditionFailed;

/// A mutation in plain values.
#[derive(Clone, PartialEq, Debug)]
pub enum Mutation {
    /// The whole item, its key included.
    Put(Item),
    /// Values to set and attributes to remove. An item that does not exist comes into being with its key.
    Update {
        /// The item's key attributes.
        key: Item,
        /// Values by where they go.
        set: BTreeMap<Path, Value>,
        /// What goes.
        remove: BTreeSet<Path>,
    },
    /// The item goes.
    Delete,
}

impl Intent for Mutation {
    fn kind(&self) -> Kind {
        match self {
            Self::Put(_) => Kind::Put,
            Self::Update { .. } => Kind::Update,
            Self::Delete => Kind::Delete,
        }
    }

    fn after(&self, before: Option<&Item>) -> Result<Option<Item>, ConditionFailed> {
        Ok(match self {
            Self::Put(item) => Some(item.clone()),
            Self::Update { key, set, remove } => {
                let mut item = before.unwrap_or(key).clone();
                remove.iter().for_each(|path| drop(take(&mut item, path)));
                for (path, value) in set {
                    // A path that goes through something that is no map has no place, as in DynamoDB.
                    if !put(&mut item, path, value.clone()) {
                        return Err(ConditionFailed);
                    }
                }
                Some(item)
            }
            Self::Delete => None,
        })
    }

    fn stated(&self) -> Item {
        match self {
            Self::Put(item) => item.clone(),
            Self::Update { key, set, .. } => {
                let columns = set.iter().filter(|(path, _)| path.rest().is_empty());
                let columns = columns.map(|(path, value)| (path.column_name().to_owned(), value.clone()));
                key.clone().into_iter().chain(columns).collect()
            }
            Self::Delete => Item::new(),
        }
    }

    fn removes(&self) -> BTreeSet<String> {
        match self {
            Self::Update { remove, .. } => remove.iter().map(|path| path.column_name().to_owned()).collect(),
            Self::Put(_) | Self::Delete => BTreeSet::new(),
        }
    }
}

/// What the proxy has noted in an item.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Stamp {
    /// The item's version; [`ItemVersion::NONE`] where nobody stamped it.
    pub version: ItemVersion,
    /// The schema version that it was written in.
    pub schema: Option<u32>,
}

impl Stamp {
    /// What is noted in an item.
    #[must_use]
    pub fn of(item: &Item) -> Self {
        let schema = item.get(SCHEMA_ATTRIBUTE).and_then(whole);
        Self { version: version_of(item), schema: schema.and_then(|number| u32::try_from(number).ok()) }
    }

    /// Notes it in an item.
    pub fn put(self, item: &mut Item) {
        item.insert(VERSION_ATTRIBUTE.to_owned(), number(self.version.0));
        match self.schema {
            Some(schema) => item.insert(SCHEMA_ATTRIBUTE.to_owned(), number(u64::from(schema))),
            None => item.remove(SCHEMA_ATTRIBUTE),
        };
    }
}

/// The version that an item carries; [`ItemVersion::NONE`] where nobody stamped it.
#[must_use]
pub fn version_of(item: &Item) -> ItemVersion {
    item.get(VERSION_ATTRIBUTE).map_or(ItemVersion::NONE, version_in)
}

/// The version that a value of [`VERSION_ATTRIBUTE`] is; [`ItemVersion::NONE`] for what is none.
#[must_use]
pub fn version_in(value: &Value) -> ItemVersion {
    whole(value).map_or(ItemVersion::NONE, ItemVersion)
}

fn whole(value: &Value) -> Option<u64> {
    match value {
        Value::Number(number) => number.to_string().parse().ok(),
        _ => None,
    }
}

/// An item without what the proxy has noted in it.
#[must_use]
pub fn without_stamp(item: &Item) -> Item {
    let mut item = item.clone();
    item.remove(VERSION_ATTRIBUTE);
    item.remove(SCHEMA_ATTRIBUTE);
    item
}

fn number(number: u64) -> Value {
    Value::Number(Decimal::from_digits(false, &number.to_string(), 0).unwrap_or_else(|_| Decimal::zero()))
}
