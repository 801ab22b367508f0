//! The table's shape, and how it changes: what writers write, what a statement does to rows that
//! are there, and what an item of an earlier shape means now.

use std::collections::BTreeSet;
use std::sync::Arc;

use evercount_core::decimal::Decimal;
use evercount_core::schema::{FieldPath, FieldType, TypeSet};
use evercount_core::schema_change::{ChangeKind, Evidence, Retype, SchemaChange, Typed};
use evercount_core::value::{Item, Value};
use fastrand::Rng;

/// A column with a name that changes, and a type that may.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Column {
    /// Its name now.
    pub name: String,
    /// Whether its values are text.
    pub text: bool,
}

/// The shape that writers write.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Shape {
    /// Rises with every change.
    pub version: u32,
    /// Text, sometimes absent.
    pub status: Column,
    /// Text, sometimes absent.
    pub city: Column,
    /// A number that may become text; `None` while it is dropped.
    pub level: Option<Column>,
    /// Text that is added and dropped; `None` while it is not there.
    pub tier: Option<Column>,
    /// Whether the level was text once. Where no log tells items apart by their age, it stays so:
    /// nobody could say what a number means.
    pub level_was_text: bool,
}

/// One change of the shape.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Reshaping {
    /// A column goes on under another name.
    Rename {
        /// The name before.
        from: String,
        /// The name after.
        to: String,
    },
    /// A column is new; where the source fills it in, existing rows take the value.
    Add {
        /// Its name.
        name: String,
        /// What existing rows take.
        default: Option<Value>,
        /// Whether its values are text.
        text: bool,
    },
    /// A column is gone.
    Drop {
        /// Its name.
        name: String,
        /// Whether its values were text.
        text: bool,
    },
    /// Numbers become their text.
    ToText {
        /// The column.
        name: String,
    },
}

impl Reshaping {
    /// Its name in what a run reports.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Rename { .. } => "rename",
            Self::Add { .. } => "add",
            Self::Drop { .. } => "drop",
            Self::ToText { .. } => "to_text",
        }
    }

    /// What a statement does to a row that is there.
    pub fn alter(&self, item: &mut Item) {
        match self {
            Self::Rename { from, to } => {
                if let Some(value) = item.remove(from) {
                    item.insert(to.clone(), value);
                }
            }
            Self::Add { name, default, .. } => {
                item.insert(name.clone(), default.clone().unwrap_or(Value::Null));
            }
            Self::Drop { name, .. } => {
                item.remove(name);
            }
            Self::ToText { name } => as_text(item, name),
        }
    }

    /// What an item means where nothing was done to those that were there: the new name where it
    /// has one, the old one where it does not.
    pub fn understand(&self, item: &mut Item) {
        match self {
            Self::Rename { from, to } => {
                // An item with both says itself what each of them is.
                if !item.contains_key(to)
                    && let Some(value) = item.remove(from)
                {
                    item.insert(to.clone(), value);
                }
            }
            Self::ToText { name } => as_text(item, name),
            Self::Add { .. } | Self::Drop { .. } => {}
        }
    }

    /// The change as the registry tells of it.
    #[must_use]
    pub fn told(&self) -> SchemaChange {
        let kind = match self {
            Self::Rename { from, to } => ChangeKind::RenameColumn {
                column: FieldPath::column(from),
                to: FieldPath::column(to),
                typed: typed(true),
                previous: typed(true),
            },
            Self::Add { name, default, text } => ChangeKind::AddColumn {
                column: FieldPath::column(name),
                typed: typed(*text),
                default: default.as_ref().map(|value| match value {
                    Value::String(text) => Arc::from(text.as_str()),
                    Value::Number(number) => Arc::from(number.to_string()),
                    other => Arc::from(format!("{other:?}")),
                }),
            },
            Self::Drop { name, text } => {
                ChangeKind::DropColumn { column: FieldPath::column(name), typed: typed(*text) }
            }
            Self::ToText { name } => ChangeKind::ChangeType {
                column: FieldPath::column(name),
                typed: typed(true),
                previous: typed(false),
                retype: Retype::ReEncoding,
            },
        };
        SchemaChange { kind, evidence: Evidence::Declared { statement: format!("{self:?}") } }
    }
}

fn typed(text: bool) -> Typed {
    let (one, declared) = if text { (FieldType::STRING, "TEXT") } else { (FieldType::INTEGER, "INT") };
    Typed { types: TypeSet::of(one).nullable(true), declared: Some(Arc::from(declared)) }
}

fn as_text(item: &mut Item, name: &str) {
    if let Some(value @ Value::Number(_)) = item.get_mut(name) {
        let Value::Number(number) = &*value else { return };
        *value = Value::String(number.to_string());
    }
}

impl Default for Shape {
    fn default() -> Self {
        let column = |name: &str, text| Column { name: name.to_owned(), text };
        Self {
            version: 1,
            status: column("status", true),
            city: column("city", true),
            level: Some(column("level", false)),
            tier: None,
            level_was_text: false,
        }
    }
}

/// What writers make up for a row, whatever the shape.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Wanted {
    /// 0 is absent.
    pub status: u8,
    /// 0 is absent.
    pub city: u8,
    /// The number.
    pub level: u8,
    /// 0 is absent.
    pub tier: u8,
    /// In hundreds.
    pub amount: u8,
    /// Some text nobody counts by at first.
    pub note: u8,
}

impl Wanted {
    /// Something.
    #[must_use]
    pub fn any(rng: &mut Rng) -> Self {
        Self {
            status: rng.u8(0..4),
            city: rng.u8(0..3),
            level: rng.u8(0..3),
            tier: rng.u8(0..3),
            amount: rng.u8(0..10),
            note: rng.u8(0..2),
        }
    }
}

impl Shape {
    /// The columns.
    #[must_use]
    pub fn columns(&self) -> BTreeSet<String> {
        let fixed = ["id", "amount", "note", "unique"].map(str::to_owned);
        let named = [Some(&self.status), Some(&self.city), self.level.as_ref(), self.tier.as_ref()];
        fixed.into_iter().chain(named.into_iter().flatten().map(|column| column.name.clone())).collect()
    }

    /// What a writer of this shape writes. A database with columns has all of them.
    #[must_use]
    pub fn item(&self, wanted: Wanted, absent: Option<&Value>) -> Item {
        let mut item = Item::new();
        let mut put = |name: &str, value: Option<Value>| {
            if let Some(value) = value.or_else(|| absent.cloned()) {
                item.insert(name.to_owned(), value);
            }
        };
        let text = |names: &[&str], at: u8| {
            at.checked_sub(1).map(|at| Value::String(names[usize::from(at)].to_owned()))
        };
        put(&self.status.name, text(&["A", "B", "C"], wanted.status));
        put(&self.city.name, text(&["Łódź", "Paris"], wanted.city));
        if let Some(level) = &self.level {
            let number = Decimal::from(i64::from(wanted.level));
            let value = if level.text { Value::String(number.to_string()) } else { Value::Number(number) };
            put(&level.name, Some(value));
        }
        if let Some(tier) = &self.tier {
            put(&tier.name, text(&["gold", "tin"], wanted.tier));
        }
        put("amount", Some(Value::Number(Decimal::from(i64::from(wanted.amount) * 100))));
        put("note", text(&["x", "y"], wanted.note + 1));
        item
    }

    /// A change of the shape that makes sense now. `fills` says whether the source gives existing
    /// rows the default.
    #[must_use]
    pub fn change(&self, rng: &mut Rng, fills: bool) -> Reshaping {
        let next = |column: &Column| {
            // Names are never used twice but for those that are dropped and come back.
            let stem = column.name.trim_end_matches(|c: char| c.is_ascii_digit());
            Reshaping::Rename { from: column.name.clone(), to: format!("{stem}{}", self.version + 1) }
        };
        let filled = fills && rng.bool();
        let default = |value: Value| filled.then_some(value);
        match (rng.u32(0..6), &self.level, &self.tier) {
            (0 | 1, _, _) => next(&self.status),
            (2, _, _) => next(&self.city),
            (3, Some(level), _) if !level.text => Reshaping::ToText { name: level.name.clone() },
            (3 | 4, Some(level), _) => Reshaping::Drop { name: level.name.clone(), text: level.text },
            (3 | 4, None, _) => {
                let default = default(Value::Number(Decimal::from(7)));
                let text = !fills && self.level_was_text;
                Reshaping::Add { name: "level".to_owned(), default, text }
            }
            (_, _, None) => {
                let default = default(Value::String("tin".to_owned()));
                Reshaping::Add { name: "tier".to_owned(), default, text: true }
            }
            (_, _, Some(tier)) => Reshaping::Drop { name: tier.name.clone(), text: true },
        }
    }

    /// The shape after a change.
    #[must_use]
    pub fn after(&self, change: &Reshaping) -> Self {
        let mut after = Self { version: self.version + 1, ..self.clone() };
        match change {
            Reshaping::Rename { from, to } => {
                let columns = [
                    Some(&mut after.status),
                    Some(&mut after.city),
                    after.level.as_mut(),
                    after.tier.as_mut(),
                ];
                for column in columns.into_iter().flatten().filter(|column| column.name == *from) {
                    column.name.clone_from(to);
                }
            }
            Reshaping::Add { name, text, .. } => {
                let column = Some(Column { name: name.clone(), text: *text });
                if name == "level" { after.level = column } else { after.tier = column }
            }
            Reshaping::Drop { name, .. } => {
                if name == "tier" {
                    after.tier = None
                } else {
                    after.level = None
                }
            }
            Reshaping::ToText { name } => {
                if let Some(level) = after.level.as_mut().filter(|level| level.name == *name) {
                    level.text = true;
                    after.level_was_text = true;
                }
            }
        }
        after
    }
}
