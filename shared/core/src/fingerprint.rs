//! Fingerprints: one number for a schema, and one for the shape of an image.
//!
//! Both are xxh3 over canonical bytes: length-prefixed, types included, behind a byte that names
//! the format of the bytes. They guard against accidents, not against adversaries: by the
//! birthday bound two of about 2³² schemas share one.

use std::fmt;

use xxhash_rust::xxh3::{Xxh3, xxh3_64};

use crate::schema::{Constraints, Field, Schema};
use crate::value::{Item, Value};

/// The format of the canonical bytes of a schema. Raised whenever they change, so that ids of
/// different formats never compare equal by chance.
const SCHEMA_FORMAT: u8 = 1;
/// The format of the canonical bytes of an image's shape.
const SHAPE_FORMAT: u8 = 1;

/// Deepest level at which an image's shape is looked at; what lies below counts as one value.
/// DynamoDB nests 32 levels, but a shape that deep is data, not schema.
pub const SHAPE_DEPTH_MAX: usize = 16;

/// The xxh3 of a schema's canonical bytes: equal exactly where the schemas are equal, whatever
/// order their fields came in.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Fingerprint(pub u64);

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

/// The id of a schema version: its number within its subject, and its fingerprint. A schema that
/// comes back later is another version with the same fingerprint.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct SchemaId {
    /// The version's number, from 1.
    pub version: u32,
    /// The fingerprint of its schema.
    pub fingerprint: Fingerprint,
}

impl SchemaId {
    /// Reads the text form.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (version, fingerprint) = text.strip_prefix('v')?.split_once('-')?;
        let fingerprint = (fingerprint.len() == 16).then(|| u64::from_str_radix(fingerprint, 16).ok())??;
        Some(Self { version: version.parse().ok()?, fingerprint: Fingerprint(fingerprint) })
    }
}

impl fmt::Display for SchemaId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Zero-padded, so that ids sort by version in the DynamoDB console.
        write!(f, "v{:04}-{}", self.version, self.fingerprint)
    }
}

/// The fingerprint of a schema.
#[must_use]
pub fn of_schema(schema: &Schema) -> Fingerprint {
    Fingerprint(xxh3_64(&canonical_bytes(schema)))
}

/// The bytes that a schema's fingerprint is taken of: format byte, key columns, then each field
/// with its types and what the source declared of it. Left out is what does not change the
/// meaning of a row: positions, the source's own words for a type, a format guessed from values.
#[must_use]
pub fn canonical_bytes(schema: &Schema) -> Vec<u8> {
    let mut bytes = vec![SCHEMA_FORMAT];
    length(schema.key.len(), &mut bytes);
    for column in &schema.key {
        text(column.as_str(), &mut bytes);
    }
    length(schema.fields.len(), &mut bytes);
    for (path, field) in &schema.fields {
        text(path.as_str(), &mut bytes);
        canonical_field(field, &mut bytes);
    }
    bytes
}

fn canonical_field(field: &Field, bytes: &mut Vec<u8>) {
    length(field.types.0.len(), bytes);
    for one in &field.types.0 {
        // The text form names the family and every parameter, and quotes what could be mistaken.
        text(&one.to_string(), bytes);
    }
    bytes.push(u8::from(field.required));
    optional(field.default.as_deref(), bytes);
    let Constraints { minimum, maximum, min_length, min_items, max_items, pattern, values, closed } =
        &field.constraints;
    for number in [minimum, maximum] {
        optional(number.as_ref().map(ToString::to_string).as_deref(), bytes);
    }
    for count in [min_length, min_items, max_items] {
        optional(count.map(|count| count.to_string()).as_deref(), bytes);
    }
    optional(pattern.as_deref(), bytes);
    bytes.push(u8::from(*closed));
    length(values.as_ref().map_or(0, |values| values.len() + 1), bytes);
    values.iter().flatten().for_each(|value| text(value, bytes));
}

fn length(length: usize, bytes: &mut Vec<u8>) {
    bytes.extend_from_slice(&(length as u64).to_le_bytes());
}

fn text(text: &str, bytes: &mut Vec<u8>) {
    length(text.len(), bytes);
    bytes.extend_from_slice(text.as_bytes());
}

fn optional(value: Option<&str>, bytes: &mut Vec<u8>) {
    bytes.push(u8::from(value.is_some()));
    if let Some(value) = value {
        text(value, bytes);
    }
}

/// The shape of an image: which fields it has, and each one's type; values do not matter. Rows
/// of one shape say the same about the schema, so what a shape means is worked out once.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct ShapeId(pub u64);

/// The shape of an image. Costs one hash over names and type tags, and allocates nothing unless
/// a list holds maps.
#[must_use]
pub fn of_image(image: &Item) -> ShapeId {
    let mut hasher = Xxh3::new();
    hasher.update(&[SHAPE_FORMAT]);
    hash_fields(image, 0, &mut hasher);
    ShapeId(hasher.digest())
}

fn hash_fields(fields: &Item, depth: usize, hasher: &mut Xxh3) {
    for (name, value) in fields {
        let mut head = [0_u8; 9];
        let (tag, rest) = head.split_at_mut(1);
        tag.fill(type_tag(value));
        rest.copy_from_slice(&(name.len() as u64).to_le_bytes());
        hasher.update(&head);
        hasher.update(name.as_bytes());
        hash_below(value, depth + 1, hasher);
    }
    hasher.update(&[END]);
}

fn hash_below(value: &Value, depth: usize, hasher: &mut Xxh3) {
    if depth >= SHAPE_DEPTH_MAX {
        return;
    }
    match value {
        Value::Map(fields) => hash_fields(fields, depth, hasher),
        Value::List(elements) => {
            // A list's shape is the set of its elements' shapes: neither their order nor their
            // number is schema.
            let mut tags = 0_u16;
            let mut nested: Vec<u64> = Vec::new();
            for element in elements {
                tags |= 1 << type_tag(element);
                if matches!(element, Value::Map(_) | Value::List(_)) {
                    let mut inner = Xxh3::new();
                    hash_below(element, depth + 1, &mut inner);
                    nested.push(inner.digest());
                }
            }
            nested.sort_unstable();
            nested.dedup();
            hasher.update(&tags.to_le_bytes());
            nested.iter().for_each(|shape| hasher.update(&shape.to_le_bytes()));
            hasher.update(&[END]);
        }
        _ => {}
    }
}

/// Ends the fields of a map; no type has this tag.
const END: u8 = 15;

/// One small number for each type that a value can show.
fn type_tag(value: &Value) -> u8 {
    match value {
        Value::Null => 0,
        Value::Bool(_) => 1,
        Value::Number(number) if number.is_integer() => 2,
        Value::Number(_) => 3,
        Value::String(_) => 4,
        Value::Binary(_) => 5,
        Value::List(_) => 6,
        Value::Map(_) => 7,
        Value::StringSet(_) => 8,
        Value::NumberSet(_) => 9,
        Value::BinarySet(_) => 10,
        Value::Unavailable => 11,
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may panic")]
    use super::*;
    use crate::decimal::Decimal;
    use crate::schema::{FieldPath, FieldType, TypeSet};

    fn schema(fields: &[(&str, FieldType)]) -> Schema {
        let field =
            |(name, one): &(&str, FieldType)| (FieldPath::new(name), Field::of(TypeSet::of(one.clone())));
        Schema { fields: fields.iter().map(field).collect(), key: vec![FieldPath::new("id")] }
    }

    fn item(fields: &[(&str, Value)]) -> Item {
        fields.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect()
    }

    #[test]
    fn fingerprints_never_change_between_builds() {
        let orders = schema(&[
            ("id", FieldType::STRING),
            ("amount", FieldType::Decimal { digits: Some((20, 6)) }),
            ("address", FieldType::Map),
            ("address.city", FieldType::String { max_length: Some(40) }),
        ]);
        assert_eq!(of_schema(&Schema::default()).to_string(), EMPTY);
        assert_eq!(of_schema(&orders).to_string(), ORDERS);
        let image = item(&[
            ("id", Value::String("a".into())),
            ("n", Value::Number(Decimal::from(5))),
            ("tags", Value::List(vec![Value::Null, Value::Map(item(&[("x", Value::Bool(true))]))])),
        ]);
        assert_eq!(format!("{:016x}", of_image(&image).0), IMAGE);
    }

    /// Written once; other values would make every stored schema look changed.
    const EMPTY: &str = "a5950f9c4c7a9188";
    const ORDERS: &str = "b9d07337297219ef";
    const IMAGE: &str = "2fc54b5a62044872";

    #[test]
    fn schemas_that_differ_in_a_boundary_or_a_type_have_different_fingerprints() {
        let schemas = [
            schema(&[]),
            schema(&[("a", FieldType::STRING)]),
            schema(&[("a", FieldType::String { max_length: Some(1) })]),
            schema(&[("a", FieldType::INTEGER)]),
            schema(&[("a", FieldType::STRING), ("b", FieldType::STRING)]),
            schema(&[("a|b", FieldType::STRING)]),
            schema(&[("a,b", FieldType::STRING)]),
            Schema { key: vec![], ..schema(&[("a", FieldType::STRING)]) },
            Schema { key: vec![FieldPath::new("a")], ..schema(&[("a", FieldType::STRING)]) },
        ];
        let fingerprints: std::collections::BTreeSet<_> = schemas.iter().map(of_schema).collect();
        assert_eq!(fingerprints.len(), schemas.len());
    }

    #[test]
    fn a_shape_is_of_names_and_types_and_not_of_values_or_numbers_of_elements() {
        let text = |text: &str| Value::String(text.to_owned());
        let line = |sku: &str| Value::Map(item(&[("sku", text(sku))]));
        let one = item(&[("id", text("a")), ("lines", Value::List(vec![line("x"), line("y")]))]);
        let same = item(&[("id", text("bb")), ("lines", Value::List(vec![line("z")]))]);
        assert_eq!(of_image(&one), of_image(&same));
        let others = [
            item(&[("id", text("a"))]),
            item(&[("id", text("a")), ("lines", Value::List(vec![]))]),
            item(&[("id", text("a")), ("lines", Value::List(vec![text("x")]))]),
            item(&[("id", Value::Null), ("lines", Value::List(vec![line("x")]))]),
            item(&[("idl", text("a")), ("ines", Value::List(vec![line("x")]))]),
            item(&[("lines", Value::Map(item(&[("id", text("a"))])))]),
        ];
        let shapes: std::collections::BTreeSet<_> = others.iter().chain([&one]).map(of_image).collect();
        assert_eq!(shapes.len(), others.len() + 1);
    }

    #[test]
    fn an_id_reads_back_from_its_text() {
        let id = SchemaId { version: 12, fingerprint: Fingerprint(0xabc) };
        assert_eq!(id.to_string(), "v0012-0000000000000abc");
        assert_eq!(SchemaId::parse(&id.to_string()).unwrap(), id);
        for bad in ["", "v1", "1-0000000000000abc", "v1-abc", "vx-0000000000000abc"] {
            assert_eq!(SchemaId::parse(bad), None, "{bad}");
        }
    }
}
