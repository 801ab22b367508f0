//! The laws of observing, and its bounds.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

use proptest::prelude::*;

use super::*;
use crate::decimal::Decimal;
use crate::schema::Format;
use crate::schema_change::Subject;
use crate::value::Value;

fn value() -> impl Strategy<Value = Value> {
    let scalar = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::Bool),
        (-900_i64..900, -2_i64..2).prop_map(|(digits, exponent)| {
            let text = digits.unsigned_abs().to_string();
            Value::Number(
                Decimal::from_digits(digits < 0, &text, exponent).unwrap_or_else(|_| Decimal::zero()),
            )
        }),
        "[a-c0-9@.:/-]{0,10}".prop_map(Value::String),
        Just(Value::String("2024-02-03".to_owned())),
        prop::collection::vec(any::<u8>(), 0..3).prop_map(Value::Binary),
        Just(Value::Unavailable),
    ];
    scalar.prop_recursive(3, 16, 5, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Value::List),
            prop::collection::btree_map("[a-c.]{1,2}", inner, 0..5).prop_map(Value::Map),
        ]
    })
}

/// Rows with few columns, or with so many that the bound is met.
fn rows() -> impl Strategy<Value = Vec<Item>> {
    let small = prop::collection::btree_map("[a-e]", value(), 0..5);
    let wide = (0_usize..900).prop_map(|from| {
        (from..from + 300).map(|column| (format!("c{:03}", column * 7 % 997), Value::Bool(true))).collect()
    });
    prop::collection::vec(prop_oneof![4 => small, 1 => wide], 0..12)
}

fn all(rows: &[Item], from: i64) -> ObservedSchema {
    let mut observed = ObservedSchema::default();
    rows.iter().zip(from..).for_each(|(row, at)| observed.observe(row, at));
    observed
}

fn merged(one: &ObservedSchema, other: &ObservedSchema) -> ObservedSchema {
    let mut merged = one.clone();
    merged.merge(other);
    merged
}

proptest! {
    #[test]
    fn merging_is_associative_and_commutative_and_has_an_identity(a in rows(), b in rows(), c in rows()) {
        let [a, b, c] = [all(&a, 0), all(&b, 5), all(&c, 9)];
        prop_assert_eq!(merged(&merged(&a, &b), &c), merged(&a, &merged(&b, &c)));
        prop_assert_eq!(merged(&a, &b), merged(&b, &a));
        prop_assert_eq!(&merged(&a, &ObservedSchema::default()), &a);
        prop_assert_eq!(&merged(&ObservedSchema::default(), &a), &a);
    }

    #[test]
    fn observing_apart_and_merging_is_observing_all(rows in rows(), cut in 0_usize..12) {
        let (one, other) = rows.split_at(cut.min(rows.len()));
        prop_assert_eq!(merged(&all(one, 0), &all(other, one.len() as i64)), all(&rows, 0));
    }
}

fn text(text: &str) -> Value {
    Value::String(text.to_owned())
}

fn number(number: i64) -> Value {
    Value::Number(Decimal::from(number))
}

fn item<const N: usize>(fields: [(&str, Value); N]) -> Item {
    fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

#[test]
fn a_schema_shows_nested_fields_types_formats_and_presence() {
    let rows: Vec<Item> = (0..20)
        .map(|row| {
            let mut one = item([
                ("id", number(row)),
                ("born", text(&format!("2001-02-{:02}", row + 1))),
                ("address", Value::Map(item([("city", text("Bern")), ("zip", Value::Null)]))),
                ("lines", Value::List(vec![Value::Map(item([("sku", text("x"))])), number(1)])),
                ("price", Value::Number(Decimal::from_digits(false, &(row + 10).to_string(), -1).unwrap())),
            ]);
            if row % 4 == 0 {
                one.insert("note".into(), text(""));
            }
            one
        })
        .collect();
    let observed = all(&rows, 0);
    let schema = observed.schema();
    let shown: Vec<String> =
        schema.fields.iter().map(|(path, field)| format!("{path}: {}", field.types)).collect();
    assert_eq!(
        shown,
        [
            "address: map",
            "address.city: string",
            "address.zip: null",
            "born: string",
            "id: integer",
            "lines: list",
            "lines[]: integer or map",
            "lines[].sku: string",
            "note: string",
            "price: decimal",
        ]
    );
    let field = |path: &str| observed.field(&FieldPath::new(path)).unwrap();
    assert_eq!(schema.fields.get(&FieldPath::new("born")).unwrap().format, Some(Format::Date));
    assert_eq!(schema.fields.get(&FieldPath::new("note")).unwrap().format, None);
    assert_eq!((field("id").numbers.bits, field("id").numbers.negative), (5, false));
    assert_eq!((field("price").numbers.whole_digits, field("price").numbers.fraction_digits), (1, 1));
    assert_eq!(observed.presence(&FieldPath::new("note")), 0.25);
    assert_eq!(observed.presence(&FieldPath::new("lines[].sku")), 1.0);
    assert_eq!((field("id").first, field("id").last), (0, 19));
}

#[test]
fn a_format_is_claimed_only_where_every_text_has_it() {
    let check = |one: &str, format: Option<Format>| {
        let mask = format_mask(one);
        let found = FORMATS.iter().enumerate().find(|(bit, _)| mask >> bit & 1 == 1);
        assert_eq!(found.map(|(_, format)| format.clone()), format, "{one}");
    };
    check("2024-02-30", Some(Format::Date));
    check("2024-13-01", None);
    check("2024-01-01T10:00:00.123Z", Some(Format::Timestamp));
    check("2024-01-01 10:00:00+02:00", Some(Format::Timestamp));
    check("2024-01-01T10:00:00.Z", None);
    check("123e4567-e89b-12d3-a456-426614174000", Some(Format::Uuid));
    check("a@b.example", Some(Format::Email));
    check("a@b", None);
    check("https://example.org/x", Some(Format::Uri));
    check("http:// x", None);
    check("192.168.0.1", Some(Format::IpAddress));
    check("2001:db8::1", Some(Format::IpAddress));
    check("1.2.3", None);
    let mut rows: Vec<Item> = (0..40).map(|_| item([("a", text("a@b.example"))])).collect();
    let format = |rows: &[Item]| all(rows, 0).field(&FieldPath::new("a")).unwrap().formats.certain();
    assert_eq!(format(&rows), Some(Format::Email));
    rows.push(item([("a", text("nobody"))]));
    assert_eq!(format(&rows), None);
}

#[test]
fn keys_that_are_data_are_one_field() {
    let by_user: Item = (0..90).map(|user| (format!("user{user}x"), number(1))).collect();
    let by_day = item([("2024-01-01", number(1)), ("2024-01-02", number(2)), ("total", number(3))]);
    let row = item([("users", Value::Map(by_user)), ("days", Value::Map(by_day))]);
    let schema = all(&[row], 0).schema();
    let paths: Vec<&str> = schema.fields.keys().map(FieldPath::as_str).collect();
    assert_eq!(paths, ["days", "days.total", "days.{}", "users", "users.{}"]);
    // Few in each row, many in all.
    let rows: Vec<Item> = (0..400)
        .map(|row| item([("seen", Value::Map([(format!("page{row}x"), number(1))].into()))]))
        .collect();
    let schema = all(&rows, 0).schema();
    let paths: Vec<&str> = schema.fields.keys().map(FieldPath::as_str).collect();
    assert_eq!(paths, ["seen", "seen.{}"]);
}

#[test]
fn hostile_rows_fill_no_memory() {
    let mut deep = Value::Null;
    for _ in 0..2_000 {
        deep = Value::List(vec![Value::Map(item([("a", deep)]))]);
    }
    let wide: Item = (0..5_000).map(|column| (format!("c{column}"), Value::Null)).collect();
    let lists: Item =
        (0..50).map(|column| (format!("l{column}"), Value::List(vec![Value::Null; 500]))).collect();
    let long = item([("x", text(&"y".repeat(100_000)))]);
    let mut observed = ObservedSchema::default();
    for row in [item([("deep", deep)]), wide, lists, long, [("n".repeat(9_000), Value::Null)].into()] {
        observed.observe(&row, 0);
    }
    assert!(observed.fields().count() <= PATHS_MAX);
    assert!(observed.overflow > 1_000, "what is not kept is counted: {}", observed.overflow);
}

#[test]
fn a_foreign_key_shows_in_names_and_values() {
    let customers: Vec<Item> =
        (0..30).map(|id| item([("id", number(id * 11)), ("name", text("x"))])).collect();
    let orders: Vec<Item> = (0..30)
        .map(|id| {
            let tags = Value::List(vec![text("a"), number(1)]);
            item([("id", number(1_000 + id)), ("customer_id", number(id % 20 * 11)), ("tags", tags)])
        })
        .collect();
    let [customers, orders] = [all(&customers, 0), all(&orders, 0)];
    let [one, other] = ["shop.customers", "shop.orders"].map(Subject::new);
    let found = relationships(&BTreeMap::from([(one.clone(), &customers), (other.clone(), &orders)]));
    let column = FieldPath::new("id");
    let key = RelationshipKind::ForeignKey { to: one, column, contained: Some(1.0), by_name: true };
    let elements =
        RelationshipKind::Elements { types: [FieldType::INTEGER, FieldType::STRING].into_iter().collect() };
    assert_eq!(
        found,
        [
            Relationship { subject: other.clone(), field: FieldPath::new("customer_id"), kind: key },
            Relationship { subject: other, field: FieldPath::new("tags"), kind: elements },
        ]
    );
}
