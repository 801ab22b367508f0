//! What is stored reads back as it was, stays small, and what is not its form is refused.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::collections::BTreeSet;

use evercount_core::decimal::Decimal;
use evercount_core::detection::records::{Known, RowSeen, baseline};
use evercount_core::registry::Origin;
use evercount_core::schema::Schema;
use evercount_core::value::{Item, Value};
use proptest::prelude::*;

use super::*;

fn value() -> impl Strategy<Value = Value> {
    let scalar = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::Bool),
        any::<i32>().prop_map(|number| Value::Number(Decimal::from(i64::from(number)))),
        "[a-z@.:/-]{0,12}".prop_map(Value::String),
        prop::collection::vec(any::<u8>(), 0..5).prop_map(Value::Binary),
        Just(Value::Unavailable),
    ];
    scalar.prop_recursive(3, 12, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::List),
            prop::collection::btree_map("[a-d.\"]{1,3}", inner, 0..4).prop_map(Value::Map),
        ]
    })
}

fn item() -> impl Strategy<Value = Item> {
    prop::collection::btree_map("[a-f.\"]{1,2}", value(), 0..6)
}

fn folded(items: &[Item], split: usize) -> Watch {
    let (empty, retired) = (Schema::default(), BTreeSet::new());
    let mut watch = Watch::default();
    let mut schema = Schema::default();
    for (batch, items) in items.chunks(split.max(1)).enumerate() {
        let versions: Vec<OrderVersion> =
            (0..items.len()).map(|at| OrderVersion::clock(0, (batch * 100 + at) as Micros)).collect();
        let rows: Vec<RowSeen<'_>> = items
            .iter()
            .zip(&versions)
            .map(|(item, version)| RowSeen {
                after: Some(item),
                before: items.first(),
                version,
                at: 1_700_000_000_000_000 + batch as Micros,
            })
            .collect();
        let schema_now = if batch == 0 { &empty } else { &schema };
        let known = Known {
            schema: schema_now,
            origin: Origin::Observed,
            position: None,
            since: 0,
            retired: &retired,
            version: u32::from(batch > 0),
        };
        watch.fold(&known, &rows);
        if let Some(first) = baseline(&[&watch]).filter(|_| batch == 0) {
            let key = items.first().and_then(|item| item.keys().next()).map(|name| FieldPath::column(name));
            schema = Schema { key: key.into_iter().collect(), ..first.schema };
        }
    }
    watch
}

proptest! {
    #[test]
    fn a_watch_reads_back_as_it_was(items in prop::collection::vec(item(), 0..40), split in 1_usize..20) {
        let watch = folded(&items, split);
        let back = from_json(&to_json(&watch));
        prop_assert_eq!(back, Ok(watch));
    }

    #[test]
    fn an_observed_schema_reads_back_as_it_was(items in prop::collection::vec(item(), 0..40)) {
        let mut observed = ObservedSchema::default();
        items.iter().zip(0..).for_each(|(item, at)| observed.observe(item, at));
        prop_assert_eq!(observed_from_json(&observed_to_json(&observed)), Ok(observed));
    }

    #[test]
    fn no_text_makes_the_reader_panic(text in "\\PC{0,40}", cut in 0_usize..400) {
        let _ = from_json(&text);
        let whole = to_json(&folded(&[Item::from([("a".to_owned(), Value::Bool(true))])], 1));
        let _ = from_json(whole.get(..cut.min(whole.len())).unwrap_or_default());
    }
}

#[test]
fn a_watch_of_a_hundred_columns_stays_small() {
    let items: Vec<Item> = (0..2_000_i64)
        .map(|row| {
            let column = |number: i64| {
                let value = match number % 3 {
                    0 => Value::Number(Decimal::from(row * 7 + number)),
                    1 => Value::String(format!("text {row} of {number}")),
                    _ => Value::Null,
                };
                (format!("column_{number:03}"), value)
            };
            (0..100).map(column).collect()
        })
        .collect();
    let text = to_json(&folded(&items, 100));
    assert!(text.len() < 45_000, "{} bytes", text.len());
}

#[test]
fn another_format_is_refused_by_its_number() {
    let text = to_json(&Watch::default());
    let later = text.replacen("\"format\":1", "\"format\":2", 1);
    assert_eq!(from_json(&later), Err(WatchError::Format(2)));
    assert!(matches!(from_json("{}"), Err(WatchError::Json(_))));
    let unknown_place = text.replace("\"marks\":[]", "\"marks\":[[1,9]]");
    assert_eq!(from_json(&unknown_place), Err(WatchError::Part("places")));
    assert_eq!(from_json(&text).unwrap(), Watch::default());
}
