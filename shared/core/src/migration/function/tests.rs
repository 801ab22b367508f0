//! The laws, over random items and functions.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

use proptest::prelude::*;

use super::*;
use crate::change::TableName;
use crate::counting;
use crate::definition::{DefinitionName, Headroom};
use crate::function::{Functions, NoFunctions};
use crate::logic::{Coverage, LogicState, LogicVersion};
use crate::predicate::Truth;
use crate::value::Item;

const NAMES: [&str; 5] = ["a", "b", "c", "m", "n"];

fn scalars() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::Bool),
        (-20_i64..20).prop_map(|n| Value::Number(n.into())),
        "[0-9]{1,2}(\\.[05]{1,2})?".prop_map(|text| Value::Number(text.parse().unwrap())),
        "[ab\\-]{0,6}".prop_map(Value::String),
        "[0-9]{1,2}(\\.[05]{1,2})?".prop_map(Value::String),
        prop::collection::vec(any::<u8>(), 0..3).prop_map(Value::Binary),
        "[a-z]{0,3}".prop_map(|text| Value::Binary(text.into_bytes())),
    ]
}

fn values() -> impl Strategy<Value = Value> {
    let names = || prop::sample::select(NAMES.to_vec()).prop_map(str::to_owned);
    scalars().prop_recursive(2, 8, 3, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..3).prop_map(Value::List),
            prop::collection::btree_map(names(), inner, 0..3).prop_map(Value::Map),
        ]
    })
}

fn items() -> impl Strategy<Value = Item> {
    let names = prop::sample::select(NAMES.to_vec()).prop_map(str::to_owned);
    prop::collection::btree_map(names, values(), 0..5)
}

fn paths() -> impl Strategy<Value = Path> {
    let name = || prop::sample::select(NAMES.to_vec());
    prop_oneof![
        3 => name().prop_map(Path::column),
        1 => (name(), name()).prop_map(|(column, field)| Path::parse(&format!("{column}.{field}")).unwrap()),
    ]
}

fn conversions() -> impl Strategy<Value = Conversion> {
    prop_oneof![
        prop::option::of(0..4_u64).prop_map(|max_length| Conversion::ToText { max_length }),
        prop::option::of(0..4_u64).prop_map(|max_length| Conversion::ToBinary { max_length }),
        prop::option::of(0..2_u16).prop_map(|scale| Conversion::ToNumber { scale }),
        Just(Conversion::ToBool),
    ]
}

fn functions() -> impl Strategy<Value = MigrationFunction> {
    use MigrationFunction as F;
    let kind = prop::sample::select(Scalar::ALL.map(|(one, _)| one).to_vec());
    let on_loss = prop::sample::select(OnLoss::ALL.map(|(one, _)| one).to_vec());
    let separator = || "[a\\-]{1,2}";
    let names = || {
        let all = NAMES.map(str::to_owned).to_vec();
        prop::sample::subsequence(all, 1..4)
    };
    let function = prop_oneof![
        (paths(), scalars()).prop_map(|(path, default)| F::Add { path, default }),
        paths().prop_map(|path| F::Drop { path }),
        (paths(), paths()).prop_map(|(from, to)| F::Rename { from, to }),
        (paths(), kind, conversions(), on_loss).prop_map(|(path, from, conversion, on_loss)| F::Retype {
            path,
            from,
            conversion,
            on_loss
        }),
        (paths(), separator(), prop::collection::vec(paths(), 1..4))
            .prop_map(|(path, separator, into)| F::Split { path, separator, into }),
        (prop::collection::vec(paths(), 1..4), separator(), paths())
            .prop_map(|(paths, separator, into)| F::Merge { paths, separator, into }),
        (names(), paths()).prop_map(|(names, into)| F::Nest { names, into }),
        (paths(), names()).prop_map(|(path, names)| F::Flatten { path, names }),
        paths().prop_map(|path| F::Wrap { path }),
        paths().prop_map(|path| F::Unwrap { path }),
        (paths(), prop::collection::btree_map(scalars(), scalars(), 1..4), any::<bool>())
            .prop_map(|(path, values, only_these)| F::MapValues { path, values, only_these }),
    ];
    function.prop_filter("its laws can hold", |function| function.validate().is_ok())
}

/// A function and an item that is of its earlier shape, more often than not.
fn cases() -> impl Strategy<Value = (MigrationFunction, Item)> {
    (functions(), items(), items(), any::<bool>()).prop_map(|(function, mut item, more, fits)| {
        if fits && !function.is_earlier(&item) {
            item.extend(more);
        }
        (function, item)
    })
}

fn count_of(paths: Vec<Path>) -> LogicVersion {
    let definition = CountDefinition {
        name: DefinitionName::parse("orders_by").unwrap(),
        table: TableName::new("orders"),
        group_by: paths,
        filter: None,
        distinct: None,
        groups_max: 100,
        headroom: Headroom::default(),
    };
    LogicVersion::new(1, definition, LogicState::Active, Coverage::Whole, 0)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4_000, ..ProptestConfig::default() })]

    #[test]
    fn what_is_done_twice_is_done_once((function, item) in cases()) {
        if let Ok(once) = function.apply(&item, &NoFunctions) {
            prop_assert_eq!(function.apply(&once, &NoFunctions), Ok(once));
        }
    }

    #[test]
    fn what_loses_nothing_is_undone_by_its_inverse((function, item) in cases()) {
        prop_assert_eq!(function.is_lossless(), function.inverse().is_some());
        if let (Some(inverse), true) = (function.inverse(), function.is_earlier(&item)) {
            prop_assert_eq!(inverse.validate(), Ok(()), "{:?}", inverse);
            if let Ok(made) = function.apply(&item, &NoFunctions) {
                prop_assert_eq!(inverse.apply(&made, &NoFunctions), Ok(item), "{:?} by {:?}", made, inverse);
            }
        }
    }

    #[test]
    fn a_count_that_reads_other_columns_counts_as_before(
        (function, item) in cases(),
        group_by in prop::collection::vec(paths(), 0..3),
    ) {
        let count = count_of(group_by);
        if let (true, Ok(made)) = (function.keeps(&count.definition), function.apply(&item, &NoFunctions)) {
            let counted = |item: &Item| counting::contribution(&count, Some(item), None).ok();
            prop_assert_eq!(counted(&made), counted(&item));
        }
    }

    #[test]
    fn an_item_of_the_later_shape_is_left_alone((function, item) in cases()) {
        if !function.is_earlier(&item) {
            match function.apply(&item, &NoFunctions) {
                Ok(made) => prop_assert_eq!(made, item),
                Err(failure) => prop_assert!(matches!(failure, Failure::Unmapped { .. }), "{}", failure),
            }
        }
    }

    #[test]
    fn a_function_has_an_id_of_its_own(one in functions(), other in functions()) {
        prop_assert_eq!(one == other, one.id() == other.id());
    }
}

fn item(json: &[(&str, Value)]) -> Item {
    json.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect()
}

fn text(text: &str) -> Value {
    Value::String(text.to_owned())
}

#[test]
fn each_function_does_what_its_name_says() {
    use MigrationFunction as F;
    let path = |text: &str| Path::parse(text).unwrap();
    let check = |function: F, before: Item, after: Result<Item, Failure>| {
        assert_eq!(function.apply(&before, &NoFunctions), after, "{function:?}");
    };
    let name = || vec![path("first"), path("last")];
    let split = F::Split { path: path("name"), separator: " ".to_owned(), into: name() };
    let (whole, parts) = (
        item(&[("name", text("Ada King Noel"))]),
        item(&[("first", text("Ada")), ("last", text("King Noel"))]),
    );
    check(split.clone(), whole.clone(), Ok(parts.clone()));
    check(split.inverse().unwrap(), parts, Ok(whole));
    let merge = F::Merge { paths: name(), separator: " ".to_owned(), into: path("name") };
    let first_has_it = item(&[("first", text("Ada K")), ("last", text("N"))]);
    check(merge, first_has_it, Err(Failure::Separator { path: path("first") }));
    let amount = |on_loss| F::Retype {
        path: path("amount"),
        from: Scalar::Text,
        conversion: Conversion::ToNumber { scale: None },
        on_loss,
    };
    let written = |value: Value| item(&[("amount", value)]);
    let number = || Value::Number("1.5".parse().unwrap());
    check(amount(OnLoss::Refuse), written(text("1.5")), Ok(written(number())));
    check(amount(OnLoss::Refuse), written(text("1.50")), Err(Failure::Loss { path: path("amount") }));
    check(amount(OnLoss::Nearest), written(text("1.50")), Ok(written(number())));
    check(amount(OnLoss::Null), written(text("1.50")), Ok(written(Value::Null)));
    check(amount(OnLoss::Nearest), written(text("much")), Ok(written(Value::Null)));
    let states = F::MapValues {
        path: path("state"),
        values: [(text("o"), text("open")), (text("c"), text("closed"))].into(),
        only_these: true,
    };
    check(states.clone(), item(&[("state", text("o"))]), Ok(item(&[("state", text("open"))])));
    check(states.clone(), item(&[("state", text("closed"))]), Ok(item(&[("state", text("closed"))])));
    check(states, item(&[("state", text("?"))]), Err(Failure::Unmapped { path: path("state") }));
    let nest = F::Nest { names: vec!["city".to_owned(), "zip".to_owned()], into: path("address") };
    let flat = item(&[("city", text("Ulm")), ("id", text("1"))]);
    let nested = item(&[("address", Value::Map(item(&[("city", text("Ulm"))]))), ("id", text("1"))]);
    check(nest.clone(), flat.clone(), Ok(nested.clone()));
    check(nest.inverse().unwrap(), nested, Ok(flat));
    let lists = F::Unwrap { path: path("tags") };
    let several = item(&[("tags", Value::List(vec![text("a"), text("b")]))]);
    assert!(lists.apply(&several, &NoFunctions).is_err());
}

/// Writes the name in capitals, takes the id away, or is not there, by the number of the function.
struct Upper;

impl Functions for Upper {
    fn judge(&self, _: &FunctionId, _: &Item) -> Option<Truth> {
        None
    }

    fn migrate(&self, function: &FunctionId, item: &Item) -> Result<Item, String> {
        let mut made = item.clone();
        match function {
            function if *function == FunctionId::of_digest([1; 32]) => {
                if let Some(Value::String(text)) = made.get_mut("name") {
                    *text = text.to_uppercase();
                }
                Ok(made)
            }
            function if *function == FunctionId::of_digest([2; 32]) => {
                made.remove("id");
                Ok(made)
            }
            function => NoFunctions.migrate(function, item),
        }
    }
}

#[test]
fn a_custom_function_changes_only_what_it_says() {
    let function = |number: u8| MigrationFunction::Custom {
        function: FunctionId::of_digest([number; 32]),
        columns: vec!["name".to_owned()],
        inverse: None,
    };
    let before = item(&[("id", text("1")), ("name", text("ada"))]);
    let after = item(&[("id", text("1")), ("name", text("ADA"))]);
    assert_eq!(function(1).apply(&before, &Upper), Ok(after));
    let strayed = Failure::Strayed { function: FunctionId::of_digest([2; 32]), column: "id".to_owned() };
    assert_eq!(function(2).apply(&before, &Upper), Err(strayed));
    assert!(matches!(function(3).apply(&before, &Upper), Err(Failure::Custom { .. })));
}

#[test]
fn a_function_whose_laws_cannot_hold_is_none() {
    use MigrationFunction as F;
    let path = |text: &str| Path::parse(text).unwrap();
    let check = |function: F, why: Invalid| assert_eq!(function.validate(), Err(why), "{function:?}");
    check(F::Rename { from: path("a"), to: path("a") }, Invalid::Names);
    check(F::Rename { from: path("a"), to: path("a.b") }, Invalid::Overlap { path: path("a.b") });
    check(F::Drop { path: path("a[0]") }, Invalid::InList { path: path("a[0]") });
    check(F::Nest { names: Vec::new(), into: path("a") }, Invalid::Names);
    let swap = [(text("a"), text("b")), (text("b"), text("a"))].into();
    check(F::MapValues { path: path("a"), values: swap, only_these: false }, Invalid::Chain);
    let empty = F::Split { path: path("a"), separator: String::new(), into: vec![path("b")] };
    check(empty, Invalid::Separator);
}
