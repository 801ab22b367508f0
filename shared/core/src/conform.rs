//! Conforming: what an item has to become to be one of a schema, and what is wrong where it cannot.
//!
//! Defaults fill what is missing, values take the form the schema has where nothing is lost by it,
//! and what the schema does not know is kept aside, dropped or refused, by policy. Texts of dates,
//! documents and floating-point numbers come in forms of the source's own and are left as they are;
//! so are the regular expressions that a JSON Schema may ask of texts.

use std::collections::BTreeMap;
use std::fmt;

use crate::migration::Conversion;
use crate::migration::constant::constant;
use crate::path::{Path, Segment};
use crate::schema::{Constraints, FieldPath, FieldType, Schema, TypeSet};
use crate::value::{Item, Value};

/// What becomes of attributes that the schema does not know.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default)]
pub enum Unknown {
    /// They are kept beside the item.
    #[default]
    KeepAside,
    /// They are left out.
    Drop,
    /// The item is refused.
    Reject,
}

impl Unknown {
    /// All with their names.
    pub const ALL: [(Self, &'static str); 3] =
        [(Self::KeepAside, "keep_aside"), (Self::Drop, "drop"), (Self::Reject, "reject")];

    /// The one of a name.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.iter().find(|(_, known)| *known == name).map(|(one, _)| *one)
    }
}

/// What is wrong with an item. It holds no value of the item.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Violation {
    /// Where.
    pub path: Path,
    /// What.
    pub what: Wrong,
}

/// What can be wrong.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Wrong {
    /// It is missing, and nothing says what it would be.
    Missing,
    /// It is of a type that the schema does not have there, and nothing makes it one without loss.
    Type {
        /// What the schema has.
        expected: String,
        /// What it is.
        found: &'static str,
    },
    /// The schema does not know it.
    Unknown,
    /// It breaks a bound.
    Bound(&'static str),
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = &self.path;
        match &self.what {
            Wrong::Missing => write!(f, "`{path}` is missing, and has no default"),
            Wrong::Type { expected, found } => {
                write!(f, "`{path}` is {found} where the schema has {expected}")
            }
            Wrong::Unknown => write!(f, "the schema does not know `{path}`"),
            Wrong::Bound(bound) => write!(f, "`{path}` {bound}"),
        }
    }
}

/// Most violations that are told of one item: a person reads the first few.
pub const VIOLATIONS_MAX: usize = 20;

/// An item of the schema.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Conformed {
    /// The item.
    pub item: Item,
    /// What the schema does not know of it, each value under its path.
    pub aside: Item,
    /// Attributes that got their default.
    pub filled: u32,
    /// Values that took another form.
    pub converted: u32,
    /// Attributes that the schema does not know.
    pub unknown: u32,
}

impl Conformed {
    /// Whether the item is as it came.
    #[must_use]
    pub fn is_as_it_came(&self) -> bool {
        self.filled == 0 && self.converted == 0 && self.unknown == 0
    }
}

/// A schema as items are held against it: made once, used for every item.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Shape {
    root: Node,
}

#[derive(Clone, PartialEq, Debug, Default)]
struct Node {
    types: TypeSet,
    required: bool,
    default: Option<Value>,
    constraints: Constraints,
    fields: BTreeMap<String, Node>,
    element: Option<Box<Node>>,
    /// Whether names are allowed that are not among the fields.
    is_open: bool,
}

impl Shape {
    /// The shape of a schema.
    #[must_use]
    pub fn of(schema: &Schema) -> Self {
        let mut root = Node::default();
        for (path, field) in &schema.fields {
            let Some(node) = root.at(path) else { continue };
            node.types.clone_from(&field.types);
            node.required = field.required;
            node.default = field.default.as_deref().and_then(|text| constant(text, &field.types));
            node.constraints.clone_from(&field.constraints);
        }
        Self { root }
    }

    /// Whether an item is one of the schema as it is: every attribute is known and of its type, and, of a
    /// `whole` item, none is missing that has to be there.
    #[must_use]
    pub fn has(&self, item: &Item, whole: bool) -> bool {
        self.root.has(item, whole, true)
    }

    /// What an item has to become.
    ///
    /// # Errors
    /// Every violation, up to [`VIOLATIONS_MAX`].
    pub fn conform(&self, item: &Item, unknown: Unknown) -> Result<Conformed, Vec<Violation>> {
        let mut conforming =
            Conforming { unknown, made: Conformed::default(), at: Vec::new(), wrong: Vec::new() };
        let item = conforming.map(item, &self.root, true);
        if conforming.wrong.is_empty() {
            Ok(Conformed { item, ..conforming.made })
        } else {
            Err(conforming.wrong)
        }
    }
}

impl Node {
    fn has(&self, map: &Item, whole: bool, is_item: bool) -> bool {
        let is_open = self.is_open || (!is_item && !self.constraints.closed);
        let known = |(name, value): (&String, &Value)| match self.fields.get(name) {
            Some(field) => {
                is_of(value, &field.types)
                    && match value {
                        Value::Map(map) => field.has(map, whole, false),
                        _ => true,
                    }
            }
            None => is_open,
        };
        let missing = |(name, field): (&String, &Self)| field.required && !map.contains_key(name);
        map.iter().all(known) && !(whole && self.fields.iter().any(missing))
    }

    /// The node of a field; `None` where it has no place of its own: it is of names that the schema does
    /// not name, and opens the map that it is in.
    fn at(&mut self, path: &FieldPath) -> Option<&mut Self> {
        if path.is_root() {
            return Some(self);
        }
        if path.is_element() {
            let parent = path.parent()?;
            return Some(self.at(&parent)?.element.get_or_insert_with(Box::default));
        }
        match Path::parse(path.as_str()) {
            Ok(parsed) => {
                let name = match parsed.rest().last() {
                    None => parsed.column_name().to_owned(),
                    Some(Segment::Field(name)) => name.clone(),
                    Some(Segment::Index(_)) => return None,
                };
                let parent = match path.parent() {
                    Some(parent) => self.at(&parent)?,
                    None => self,
                };
                Some(parent.fields.entry(name).or_default())
            }
            Err(_) => self.within(path),
        }
    }

    /// The node of a field below a list, or of names that are not named.
    fn within(&mut self, path: &FieldPath) -> Option<&mut Self> {
        let parent = path.parent()?;
        let last = path.as_str().get(parent.as_str().len()..)?;
        let parent = self.at(&parent)?;
        match last.strip_prefix('.').and_then(|name| Path::parse(name).ok()) {
            Some(name) => Some(parent.fields.entry(name.column_name().to_owned()).or_default()),
            None => {
                parent.is_open = true;
                None
            }
        }
    }
}

struct Conforming {
    unknown: Unknown,
    made: Conformed,
    at: Vec<Segment>,
    wrong: Vec<Violation>,
}

impl Conforming {
    /// Where it is at; `None` at the item itself.
    fn path(&self) -> Option<Path> {
        let mut segments = self.at.iter();
        let Some(Segment::Field(column)) = segments.next() else { return None };
        Some(Path::new(column.clone(), segments.cloned().collect()))
    }

    fn wrong(&mut self, what: Wrong) {
        if self.wrong.len() < VIOLATIONS_MAX {
            self.wrong.extend(self.path().map(|path| Violation { path, what }));
        }
    }

    fn unknown(&mut self, value: &Value) {
        self.made.unknown += 1;
        match (self.unknown, self.path()) {
            (Unknown::Reject, _) => self.wrong(Wrong::Unknown),
            (Unknown::KeepAside, Some(path)) => {
                self.made.aside.insert(path.to_string(), value.clone());
            }
            (Unknown::KeepAside, None) | (Unknown::Drop, _) => {}
        }
    }

    /// A map's attributes that the schema knows, as it has them.
    fn map(&mut self, map: &Item, node: &Node, is_item: bool) -> Item {
        let mut kept = Item::new();
        for (name, value) in map {
            self.at.push(Segment::Field(name.clone()));
            match node.fields.get(name) {
                Some(field) => {
                    let value = self.value(value, field);
                    kept.insert(name.clone(), value);
                }
                // A map whose fields nobody described may have any; a row's columns are all there are.
                None if node.is_open || (!is_item && !node.constraints.closed) => {
                    kept.insert(name.clone(), value.clone());
                }
                None => self.unknown(value),
            }
            self.at.pop();
        }
        for (name, field) in node.fields.iter().filter(|(name, _)| !map.contains_key(*name)) {
            if let Some(default) = &field.default {
                self.made.filled += 1;
                kept.insert(name.clone(), default.clone());
            } else if field.required && field.types.is_nullable() {
                self.made.filled += 1;
                kept.insert(name.clone(), Value::Null);
            } else if field.required {
                self.at.push(Segment::Field(name.clone()));
                self.wrong(Wrong::Missing);
                self.at.pop();
            }
        }
        kept
    }

    fn value(&mut self, value: &Value, node: &Node) -> Value {
        if is_of(value, &node.types) {
            let made = match value {
                Value::Map(map) => Value::Map(self.map(map, node, false)),
                Value::List(list) => self.list(list, node),
                _ => value.clone(),
            };
            if let Some(bound) = broken(&made, &node.constraints, &node.types) {
                self.wrong(Wrong::Bound(bound));
            }
            return made;
        }
        match node.types.values().find_map(|one| converted(value, one)) {
            Some(made) => {
                self.made.converted += 1;
                if let Some(bound) = broken(&made, &node.constraints, &node.types) {
                    self.wrong(Wrong::Bound(bound));
                }
                made
            }
            None => {
                self.wrong(Wrong::Type { expected: node.types.to_string(), found: value.type_name() });
                Value::Null
            }
        }
    }

    fn list(&mut self, list: &[Value], node: &Node) -> Value {
        let Some(element) = &node.element else { return Value::List(list.to_vec()) };
        let one = |(at, value): (usize, &Value)| {
            self.at.push(Segment::Index(at));
            let made = self.value(value, element);
            self.at.pop();
            made
        };
        Value::List(list.iter().enumerate().map(one).collect())
    }
}

/// Whether a value is one of a set of types, where that can be told of it.
fn is_of(value: &Value, types: &TypeSet) -> bool {
    use FieldType as T;
    if types.0.is_empty() {
        return true;
    }
    match value {
        // Whatever the row held before still stands.
        Value::Unavailable => return true,
        Value::Null => return types.is_nullable(),
        _ => {}
    }
    types.values().any(|one| match (one, value) {
        (T::Integer { .. }, Value::Number(number)) => number.is_integer(),
        (T::Decimal { .. } | T::Float { .. }, Value::Number(_)) => true,
        (T::Bool, Value::Bool(_))
        | (T::String { .. } | T::Uuid, Value::String(_))
        | (T::Binary { .. }, Value::Binary(_))
        | (T::List, Value::List(_))
        | (T::Map, Value::Map(_))
        | (T::StringSet, Value::StringSet(_))
        | (T::NumberSet, Value::NumberSet(_))
        | (T::BinarySet, Value::BinarySet(_)) => true,
        (T::Enum(texts), Value::String(text)) => texts.contains(text.as_str()),
        // A number, a text or a document, as the connector likes.
        (T::Date | T::Time | T::Timestamp { .. } | T::Json | T::Other(_), _) => true,
        _ => false,
    })
}

/// A value as one of a set of types; `None` where it has no such form without loss.
pub(crate) fn fitted(value: &Value, types: &TypeSet) -> Option<Value> {
    if is_of(value, types) {
        return Some(value.clone());
    }
    types.values().find_map(|one| converted(value, one))
}

/// A value in the form of a type; `None` where it has none without loss.
fn converted(value: &Value, to: &FieldType) -> Option<Value> {
    let (there, back) = match (value, to) {
        (
            Value::String(_),
            FieldType::Integer { .. } | FieldType::Decimal { .. } | FieldType::Float { .. },
        ) => (Conversion::ToNumber { scale: None }, Conversion::ToText { max_length: None }),
        (Value::Number(_), FieldType::String { .. }) => {
            (Conversion::ToText { max_length: None }, Conversion::ToNumber { scale: None })
        }
        (Value::String(_), FieldType::Bool) => (Conversion::ToBool, Conversion::ToText { max_length: None }),
        (Value::Number(_), FieldType::Bool) => (Conversion::ToBool, Conversion::ToNumber { scale: None }),
        (Value::Bool(_), FieldType::Integer { .. } | FieldType::Decimal { .. }) => {
            (Conversion::ToNumber { scale: None }, Conversion::ToBool)
        }
        _ => return None,
    };
    let made = there.apply(value).ok()?;
    let is_kept = match (&made, value) {
        // The only texts of a boolean that say nothing besides.
        (Value::Bool(_), Value::String(text)) => matches!(text.as_str(), "true" | "false"),
        _ => back.apply(&made).ok().as_ref() == Some(value),
    };
    (is_kept && is_of(&made, &TypeSet::of(to.clone()))).then_some(made)
}

/// The bound that a value breaks, in words.
fn broken(value: &Value, constraints: &Constraints, types: &TypeSet) -> Option<&'static str> {
    let longest = types.values().find_map(|one| match one {
        FieldType::String { max_length } | FieldType::Binary { max_length } => *max_length,
        _ => None,
    });
    match value {
        Value::Number(number) => {
            if constraints.minimum.as_ref().is_some_and(|least| number < least) {
                return Some("is below the smallest number that the schema has");
            }
            constraints
                .maximum
                .as_ref()
                .is_some_and(|most| number > most)
                .then_some("is above the largest number that the schema has")
        }
        Value::String(text) => {
            let length = || text.chars().count() as u64;
            if longest.is_some_and(|most| text.len() as u64 > most && length() > most) {
                return Some("is longer than the schema has it");
            }
            let is_short = constraints.min_length.is_some_and(|least| length() < least);
            is_short.then_some("is shorter than the schema has it")
        }
        Value::Binary(bytes) => longest
            .is_some_and(|most| bytes.len() as u64 > most)
            .then_some("is longer than the schema has it"),
        Value::List(list) => {
            let length = list.len() as u64;
            if constraints.min_items.is_some_and(|least| length < least) {
                return Some("has fewer elements than the schema has it");
            }
            constraints
                .max_items
                .is_some_and(|most| length > most)
                .then_some("has more elements than the schema has it")
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may panic")]

    use super::*;
    use crate::schema::Field;
    use proptest::prelude::*;

    fn field(one: FieldType) -> Field {
        Field::of(TypeSet::of(one))
    }

    fn schema() -> Schema {
        let required = |one: FieldType| Field { required: true, ..field(one) };
        let fields = [
            ("id", required(FieldType::STRING)),
            ("amount", field(FieldType::DECIMAL)),
            ("open", field(FieldType::Bool)),
            ("note", Field { required: true, ..Field::of(TypeSet::of(FieldType::STRING).nullable(true)) }),
            ("tier", Field { default: Some("'tin'".into()), ..required(FieldType::STRING) }),
            ("lines", field(FieldType::List)),
            ("lines[]", field(FieldType::Map)),
            ("lines[].sku", required(FieldType::String { max_length: Some(3) })),
            ("address", field(FieldType::Map)),
            ("address.city", field(FieldType::STRING)),
        ];
        let mut fields: BTreeMap<FieldPath, Field> =
            fields.into_iter().map(|(path, field)| (FieldPath::new(path), field)).collect();
        if let Some(city) = fields.get_mut(&FieldPath::new("address")) {
            city.constraints.closed = true;
        }
        if let Some(lines) = fields.get_mut(&FieldPath::new("lines")) {
            lines.constraints.max_items = Some(2);
        }
        Schema { fields, key: Vec::new() }
    }

    fn text(text: &str) -> Value {
        Value::String(text.to_owned())
    }

    fn item(attributes: &[(&str, Value)]) -> Item {
        attributes.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect()
    }

    #[test]
    fn defaults_fill_values_take_the_schemas_form_and_the_unknown_is_kept_aside() {
        let shape = Shape::of(&schema());
        let line = Value::Map(item(&[("sku", text("a1")), ("extra", Value::Bool(true))]));
        let before = item(&[
            ("id", text("o-1")),
            ("amount", text("12.5")),
            ("open", text("true")),
            ("lines", Value::List(vec![line.clone()])),
            ("coupon", text("X")),
            ("address", Value::Map(item(&[("city", text("Ulm")), ("zip", text("89"))]))),
        ]);
        let made = shape.conform(&before, Unknown::KeepAside).unwrap();
        let after = item(&[
            ("id", text("o-1")),
            ("amount", Value::Number("12.5".parse().unwrap())),
            ("open", Value::Bool(true)),
            ("note", Value::Null),
            ("tier", text("tin")),
            ("lines", Value::List(vec![line])),
            ("address", Value::Map(item(&[("city", text("Ulm"))]))),
        ]);
        assert_eq!(made.item, after);
        assert_eq!(made.aside, item(&[("address.zip", text("89")), ("coupon", text("X"))]));
        assert_eq!((made.filled, made.converted, made.unknown), (2, 2, 2));
        assert_eq!(shape.conform(&before, Unknown::Drop).unwrap().aside, Item::new());
    }

    #[test]
    fn everything_that_is_wrong_is_told_with_its_place_and_no_value() {
        let sku = |sku: Value| Value::Map(item(&[("sku", sku)]));
        let wrong = item(&[
            ("amount", text("much")),
            ("open", text("1")),
            ("lines", Value::List(vec![sku(text("long")), Value::Map(Item::new()), sku(text("b"))])),
            ("coupon", text("X")),
        ]);
        let violations = Shape::of(&schema()).conform(&wrong, Unknown::Reject).unwrap_err();
        let told: Vec<String> = violations.iter().map(ToString::to_string).collect();
        assert_eq!(
            told,
            [
                "`amount` is S where the schema has decimal",
                "the schema does not know `coupon`",
                "`lines[0].sku` is longer than the schema has it",
                "`lines[1].sku` is missing, and has no default",
                "`lines` has more elements than the schema has it",
                "`open` is S where the schema has bool",
                "`id` is missing, and has no default",
            ]
        );
    }

    fn values() -> impl Strategy<Value = Value> {
        prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::Bool),
            (-9_i64..9).prop_map(|n| Value::Number(n.into())),
            "[0-9]{1,2}|true|false|[a-c]{0,4}".prop_map(Value::String),
        ]
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 4_000, ..ProptestConfig::default() })]

        #[test]
        fn what_conforms_once_conforms_as_it_is(
            attributes in prop::collection::btree_map(
                prop::sample::select(vec!["id", "amount", "open", "note", "tier", "coupon"]), values(), 0..6),
        ) {
            let shape = Shape::of(&schema());
            let before: Item = attributes.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
            if let Ok(made) = shape.conform(&before, Unknown::KeepAside) {
                let again = shape.conform(&made.item, Unknown::Reject);
                prop_assert!(again.as_ref().is_ok_and(|again| again.is_as_it_came()), "{:?}", again);
                prop_assert_eq!(again.unwrap().item, made.item);
            }
        }
    }
}
