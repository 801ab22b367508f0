//! Schemas: the ordered `field path: type set` of a table or of a type of events, in one
//! vocabulary for every source.
//!
//! A schema says what rows *may* hold. It is *declared* where the source told it (DDL, a JSON
//! Schema) and *observed* where it was read off the rows ([`crate::observed`]).

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

use crate::decimal::Decimal;
use crate::value::Value;

/// Where a field stands: names joined by `.`, `[]` for the elements of a list, written and quoted
/// as [`crate::path::Path`] writes paths. Cheap to clone.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct FieldPath(Arc<str>);

impl FieldPath {
    /// A path from its text form.
    #[must_use]
    pub fn new(text: impl AsRef<str>) -> Self {
        Self(text.as_ref().into())
    }

    /// The path of a top-level column, quoted where its name needs it.
    #[must_use]
    pub fn column(name: &str) -> Self {
        Self::new(crate::path::Path::column(name).to_string())
    }

    /// The whole item, which is what a schema of documents is of: a map, as a rule, and where it
    /// is another type, its fields start with it (`[].sku`). Only schemas that a document
    /// declares have it among their fields; the columns of a table's schema are all that a row
    /// can hold.
    #[must_use]
    pub fn root() -> Self {
        Self::new("")
    }

    /// The path of an attribute of the map at this path.
    #[must_use]
    pub fn child(&self, name: &str) -> Self {
        if self.is_root() {
            return Self::column(name);
        }
        Self::new(format!("{}.{}", self.0, crate::path::Path::column(name)))
    }

    /// The path of the elements of the list at this path.
    #[must_use]
    pub fn element(&self) -> Self {
        Self::new(format!("{}[]", self.0))
    }

    /// The path of those attributes of the map at this path that the schema does not name.
    #[must_use]
    pub fn unnamed(&self) -> Self {
        Self::new(format!("{}[*]", self.0))
    }

    /// The path of the attributes of the map at this path whose names match a regular expression.
    #[must_use]
    pub fn matching(&self, pattern: &str) -> Self {
        Self::new(format!("{}[\"{}\"]", self.0, pattern.replace('"', "\"\"")))
    }

    /// Whether the path is the whole item.
    #[must_use]
    pub fn is_root(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether the path is of the elements of a list.
    #[must_use]
    pub fn is_element(&self) -> bool {
        self.0.ends_with("[]")
    }

    /// Whether the path is a top-level column.
    #[must_use]
    pub fn is_column(&self) -> bool {
        !self.is_root() && self.parent().is_none()
    }

    /// The path of the map or list this path stands in; `None` for a column.
    #[must_use]
    pub fn parent(&self) -> Option<Self> {
        let mut quoted = false;
        let step = self.0.char_indices().filter(|(_, c)| {
            quoted ^= *c == '"';
            matches!(c, '.' | '[') && !quoted
        });
        step.last().and_then(|(at, _)| self.0.get(..at)).map(Self::new)
    }

    /// The text form.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for FieldPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A normalised type. `None` in a parameter means that the source did not say.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum FieldType {
    /// NULL. A field that may be NULL has it in its type set.
    Null,
    /// A boolean.
    Bool,
    /// A whole number.
    Integer {
        /// 8, 16, 24, 32 or 64.
        bits: Option<u8>,
        /// Without negative values.
        unsigned: bool,
    },
    /// An exact decimal number.
    Decimal {
        /// Digits in all, and digits after the decimal point.
        digits: Option<(u16, u16)>,
    },
    /// A binary floating-point number.
    Float {
        /// 32 or 64.
        bits: Option<u8>,
    },
    /// Text.
    String {
        /// Longest text, in characters.
        max_length: Option<u64>,
    },
    /// Bytes.
    Binary {
        /// Longest value, in bytes.
        max_length: Option<u64>,
    },
    /// A calendar date.
    Date,
    /// A time of day.
    Time,
    /// A date with a time.
    Timestamp {
        /// Whether it names an instant (with a zone or in UTC).
        zoned: bool,
    },
    /// A UUID.
    Uuid,
    /// A document kept as one value.
    Json,
    /// One of these texts.
    Enum(BTreeSet<Arc<str>>),
    /// A list; its elements are the field `path[]`.
    List,
    /// A map; its attributes are fields of their own.
    Map,
    /// A set of strings.
    StringSet,
    /// A set of numbers.
    NumberSet,
    /// A set of binaries.
    BinarySet,
    /// A type of the source that has no place here, by the source's own name, upper case.
    Other(Arc<str>),
}

impl FieldType {
    /// A whole number of unstated width: what rows show.
    pub const INTEGER: Self = Self::Integer { bits: None, unsigned: false };
    /// A decimal number of unstated width: what rows show.
    pub const DECIMAL: Self = Self::Decimal { digits: None };
    /// Text of unstated length.
    pub const STRING: Self = Self::String { max_length: None };
    /// Bytes of unstated length.
    pub const BINARY: Self = Self::Binary { max_length: None };

    /// The type that a value shows; `None` where the value was not sent.
    #[must_use]
    pub fn of(value: &Value) -> Option<Self> {
        Some(match value {
            Value::Null => Self::Null,
            Value::Bool(_) => Self::Bool,
            Value::Number(number) if number.is_integer() => Self::INTEGER,
            Value::Number(_) => Self::DECIMAL,
            Value::String(_) => Self::STRING,
            Value::Binary(_) => Self::BINARY,
            Value::List(_) => Self::List,
            Value::Map(_) => Self::Map,
            Value::StringSet(_) => Self::StringSet,
            Value::NumberSet(_) => Self::NumberSet,
            Value::BinarySet(_) => Self::BinarySet,
            Value::Unavailable => return None,
        })
    }

    /// The type's name without its parameters.
    #[must_use]
    pub fn family(&self) -> &str {
        match self {
            Self::Null => "null",
            Self::Bool => "bool",
            Self::Integer { .. } => "integer",
            Self::Decimal { .. } => "decimal",
            Self::Float { .. } => "float",
            Self::String { .. } => "string",
            Self::Binary { .. } => "binary",
            Self::Date => "date",
            Self::Time => "time",
            Self::Timestamp { .. } => "timestamp",
            Self::Uuid => "uuid",
            Self::Json => "json",
            Self::Enum(_) => "enum",
            Self::List => "list",
            Self::Map => "map",
            Self::StringSet => "string_set",
            Self::NumberSet => "number_set",
            Self::BinarySet => "binary_set",
            Self::Other(name) => name,
        }
    }
}

impl fmt::Display for FieldType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.family())?;
        match self {
            Self::Integer { bits, unsigned } => {
                if let Some(bits) = bits {
                    write!(f, "({bits})")?;
                }
                f.write_str(if *unsigned { " unsigned" } else { "" })
            }
            Self::Decimal { digits: Some((precision, scale)) } => write!(f, "({precision},{scale})"),
            Self::Float { bits: Some(bits) } => write!(f, "({bits})"),
            Self::String { max_length: Some(length) } | Self::Binary { max_length: Some(length) } => {
                write!(f, "({length})")
            }
            Self::Timestamp { zoned: true } => f.write_str(" with zone"),
            Self::Enum(values) => {
                let texts: Vec<String> =
                    values.iter().map(|value| format!("'{}'", value.replace('\'', "''"))).collect();
                write!(f, "({})", texts.join(","))
            }
            _ => Ok(()),
        }
    }
}

/// The types a field may have; more than one where the source is not strict.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct TypeSet(pub BTreeSet<FieldType>);

impl TypeSet {
    /// A set of one type.
    #[must_use]
    pub fn of(one: FieldType) -> Self {
        Self(BTreeSet::from([one]))
    }

    /// The same with or without NULL.
    #[must_use]
    pub fn nullable(mut self, nullable: bool) -> Self {
        if nullable {
            self.0.insert(FieldType::Null);
        } else {
            self.0.remove(&FieldType::Null);
        }
        self
    }

    /// Whether NULL is among the types.
    #[must_use]
    pub fn is_nullable(&self) -> bool {
        self.0.contains(&FieldType::Null)
    }

    /// The types other than NULL.
    pub fn values(&self) -> impl Iterator<Item = &FieldType> {
        self.0.iter().filter(|one| **one != FieldType::Null)
    }
}

impl FromIterator<FieldType> for TypeSet {
    fn from_iter<T: IntoIterator<Item = FieldType>>(types: T) -> Self {
        Self(types.into_iter().collect())
    }
}

impl fmt::Display for TypeSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // NULL last: `string(40) or null`.
        let mut texts: Vec<String> = self.values().map(ToString::to_string).collect();
        texts.extend(self.is_nullable().then(|| FieldType::Null.to_string()));
        f.write_str(if texts.is_empty() { "nothing" } else { "" })?;
        f.write_str(&texts.join(" or "))
    }
}

/// A format that every text of a field has.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Format {
    /// An ISO 8601 calendar date.
    Date,
    /// An ISO 8601 date with a time (RFC 3339, or without a zone).
    Timestamp,
    /// A UUID (RFC 9562).
    Uuid,
    /// An e-mail address.
    Email,
    /// A URI with a scheme.
    Uri,
    /// An IP address, version 4 or 6.
    IpAddress,
    /// A format a JSON Schema names that is none of these.
    Other(Arc<str>),
}

impl Format {
    /// The format's name, as JSON Schema names it where it does.
    #[must_use]
    pub fn name(&self) -> &str {
        match self {
            Self::Date => "date",
            Self::Timestamp => "date-time",
            Self::Uuid => "uuid",
            Self::Email => "email",
            Self::Uri => "uri",
            Self::IpAddress => "ip",
            Self::Other(name) => name,
        }
    }
}

/// Further bounds on a field's values, which a JSON Schema can declare.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct Constraints {
    /// Smallest number.
    pub minimum: Option<Decimal>,
    /// Largest number.
    pub maximum: Option<Decimal>,
    /// Shortest text, in characters.
    pub min_length: Option<u64>,
    /// Fewest elements of a list.
    pub min_items: Option<u64>,
    /// Most elements of a list.
    pub max_items: Option<u64>,
    /// A regular expression that texts match.
    pub pattern: Option<Arc<str>>,
    /// The only values allowed, as canonical JSON, where they are not all texts.
    pub values: Option<BTreeSet<Arc<str>>>,
    /// Whether a map refuses attributes that the schema does not name.
    pub closed: bool,
}

/// What a schema says of one field.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Field {
    /// Its types.
    pub types: TypeSet,
    /// Whether every item (or every map it stands in) has it. Observed schemas never claim it:
    /// the next row may lack it.
    pub required: bool,
    /// The source's own words for its type, where it was declared: `VARCHAR(255)`.
    pub declared: Option<Arc<str>>,
    /// The value that rows without one take, as the source writes it.
    pub default: Option<Arc<str>>,
    /// Its place among the columns, from 1, where the source orders them.
    pub position: Option<u32>,
    /// The format of its texts, where all have it.
    pub format: Option<Format>,
    /// Further bounds.
    pub constraints: Constraints,
}

impl Field {
    /// A field of these types, nothing else known.
    #[must_use]
    pub fn of(types: TypeSet) -> Self {
        Self { types, ..Self::default() }
    }

    /// The type as a person knows it: the source's own words where there are some.
    #[must_use]
    pub fn type_text(&self) -> String {
        self.declared.as_ref().map_or_else(|| self.types.to_string(), ToString::to_string)
    }
}

/// The schema of a table or of a type of events.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Schema {
    /// Its fields by path; a nested field's parents are fields as well.
    pub fields: BTreeMap<FieldPath, Field>,
    /// The key columns in order; empty where there is no key or it is not known.
    pub key: Vec<FieldPath>,
}

impl Schema {
    /// The top-level columns.
    pub fn columns(&self) -> impl Iterator<Item = (&FieldPath, &Field)> {
        self.fields.iter().filter(|(path, _)| path.is_column())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_parent_of_a_path_is_what_it_stands_in() {
        let check = |path: &str, parent: Option<&str>| {
            assert_eq!(FieldPath::new(path).parent(), parent.map(FieldPath::new), "{path}");
        };
        check("a", None);
        check("\"a.b\"", None);
        check("a.b", Some("a"));
        check("\"a.b\".\"c.d\"", Some("\"a.b\""));
        check("lines[]", Some("lines"));
        check("lines[].sku", Some("lines[]"));
        check("[]", Some(""));
        check("prices[*]", Some("prices"));
        check("rules[\"a.[b]\"].x", Some("rules[\"a.[b]\"]"));
        check("rules[\"a.[\"\"b]\"]", Some("rules"));
        assert_eq!(FieldPath::column("a.b").child("c.d").as_str(), "\"a.b\".\"c.d\"");
        assert_eq!(FieldPath::column("lines").element().child("sku").as_str(), "lines[].sku");
        assert_eq!(FieldPath::root().child("a.b").as_str(), "\"a.b\"");
        assert_eq!(FieldPath::column("rules").matching("a\"b").as_str(), "rules[\"a\"\"b\"]");
        assert!(FieldPath::column("a.b").is_column() && !FieldPath::root().is_column());
    }

    #[test]
    fn a_type_set_reads_as_a_person_would_say_it() {
        let text = FieldType::String { max_length: Some(40) };
        assert_eq!(TypeSet::of(text).nullable(true).to_string(), "string(40) or null");
        assert_eq!(TypeSet::default().to_string(), "nothing");
        let values = ["it's", "b"].map(Arc::from).into();
        assert_eq!(FieldType::Enum(values).to_string(), "enum('b','it''s')");
        let unsigned = FieldType::Integer { bits: Some(64), unsigned: true };
        assert_eq!(unsigned.to_string(), "integer(64) unsigned");
    }
}
