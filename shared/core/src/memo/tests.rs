//! The memo says of every image what the interpreter says of it.

#![expect(clippy::unwrap_used, reason = "a test may panic")]
use std::cell::RefCell;

use proptest::prelude::*;

use super::*;
use crate::chunk::LaneTally;
use crate::counting::Contributions;
use crate::decimal::{Decimal, ShortDecimal};
use crate::definition::{CountDefinition, DefinitionName, Headroom};
use crate::image::{Columns, Frames, Layout, Unread};
use crate::logic::{Base, Coverage, LogicState, Relation};
use crate::migration::{Action, Conversion, Step};
use crate::order::LogRank;
use crate::path::{Path, Segment};
use crate::placement::Placement;
use crate::predicate::{Atom, AttributeType, Comparison, Operand, Predicate};
use crate::transform::Transform;
use crate::value::{Item, Value};

const COLUMNS: [&str; 4] = ["a", "b", "c", "d"];

fn path() -> impl Strategy<Value = Path> {
    let column = prop::sample::select(COLUMNS.as_slice());
    let rest = prop_oneof![
        6 => Just(Vec::new()),
        2 => Just(vec![Segment::Field("x".to_owned())]),
        1 => Just(vec![Segment::Index(0)]),
    ];
    (column, rest).prop_map(|(column, rest)| Path::new(column, rest))
}

fn scalar() -> impl Strategy<Value = Value> {
    prop_oneof![
        (-2_i64..6).prop_map(|number| Value::Number(Decimal::from(number))),
        prop::sample::select(["0.5", "2.50", "1e2"].as_slice())
            .prop_map(|number| Value::Number(number.parse().unwrap())),
        prop::sample::select(["", "k", "l", "lm", "\u{e9}"].as_slice())
            .prop_map(|text| Value::String(text.into())),
        prop::sample::select(["", "k", "l"].as_slice())
            .prop_map(|bytes| Value::Binary(bytes.as_bytes().to_vec())),
        any::<bool>().prop_map(Value::Bool),
        Just(Value::Null),
    ]
}

fn value() -> impl Strategy<Value = Value> {
    prop_oneof![
        12 => scalar(),
        1 => Just(Value::Unavailable),
        2 => scalar().prop_map(|value| Value::Map([("x".to_owned(), value)].into())),
        2 => prop::collection::vec(scalar(), 0..3).prop_map(Value::List),
        1 => prop::collection::btree_set("[kl]", 1..3).prop_map(Value::StringSet),
        1 => Just(Value::String("long ".repeat(500))),
    ]
}

fn item() -> impl Strategy<Value = Item> {
    prop::collection::btree_map(
        prop::sample::select(COLUMNS.as_slice()).prop_map(str::to_owned),
        value(),
        0..5,
    )
}

fn atom() -> impl Strategy<Value = Atom> {
    let op = || prop::sample::select(Comparison::ALL.map(|(op, _)| op).to_vec());
    let compare = |left: Operand, op, right: Operand| Atom::Compare { left, op, right };
    prop_oneof![
        6 => (path(), op(), scalar())
            .prop_map(move |(path, op, value)| compare(Operand::Path(path), op, Operand::Literal(value))),
        1 => (path(), op(), scalar())
            .prop_map(move |(path, op, value)| compare(Operand::Literal(value), op, Operand::Path(path))),
        1 => (path(), op(), path())
            .prop_map(move |(left, op, right)| compare(Operand::Path(left), op, Operand::Path(right))),
        1 => (path(), op(), 0_i64..3).prop_map(move |(path, op, size)| {
            compare(Operand::Size(path), op, Operand::Literal(Value::Number(size.into())))
        }),
        2 => (path(), prop::collection::vec(scalar(), 1..4))
            .prop_map(|(path, values)| Atom::In { operand: Operand::Path(path), values }),
        2 => (path(), scalar(), scalar())
            .prop_map(|(path, low, high)| Atom::Between { operand: Operand::Path(path), low, high }),
        1 => path().prop_map(Atom::IsNull),
        1 => path().prop_map(Atom::IsMissing),
        1 => (path(), prop::sample::select(vec!["k", "l"]))
            .prop_map(|(path, text)| Atom::BeginsWith(path, Value::String(text.into()))),
        1 => (path(), scalar()).prop_map(|(path, value)| Atom::Contains(path, value)),
        1 => (path(), prop::sample::select(AttributeType::ALL.to_vec()))
            .prop_map(|(path, name)| Atom::AttributeType(path, AttributeType::named(name).unwrap())),
    ]
}

fn predicate() -> impl Strategy<Value = Predicate> {
    atom().prop_map(Predicate::Atom).prop_recursive(3, 8, 3, |inner| {
        prop_oneof![
            3 => prop::collection::vec(inner.clone(), 1..4).prop_map(Predicate::And),
            1 => prop::collection::vec(inner.clone(), 1..4).prop_map(Predicate::Or),
            1 => inner.prop_map(|part| Predicate::Not(Box::new(part))),
        ]
    })
}

fn definition(name: String) -> impl Strategy<Value = CountDefinition> {
    let headroom = prop_oneof![
        4 => Just(Headroom::default()),
        1 => (prop::collection::vec(path(), 0..2), any::<bool>())
            .prop_map(|(attributes, truth)| Headroom { attributes, truth }),
    ];
    let parts = (
        prop::option::of(predicate()),
        prop::collection::vec(path(), 0..3),
        prop::option::weighted(0.3, path()),
        headroom,
    );
    parts.prop_map(move |(filter, group_by, distinct, headroom)| CountDefinition {
        name: DefinitionName::parse(&name).unwrap(),
        table: TableName::new("t"),
        group_by,
        filter,
        distinct,
        groups_max: 100,
        headroom,
    })
}

/// Of a definition: its version, and perhaps a shadow derived from it that reads earlier rows anew.
fn versions(number: usize) -> impl Strategy<Value = Vec<LogicVersion>> {
    let until =
        prop::option::of((1_u64..9).prop_map(|at| OrderVersion::binlog(0, 1, at, 0, LogRank::Change)));
    let action = prop_oneof![
        (path(), path()).prop_map(|(from, to)| Action::Rename { from, to }),
        path().prop_map(|path| Action::Drop { path }),
        (path(), scalar()).prop_map(|(path, value)| Action::Default { path, value }),
        path().prop_map(|path| Action::Convert { path, conversion: Conversion::ToText { max_length: None } }),
    ];
    let step = (action, until).prop_map(|(action, until)| Step { action, until });
    let shadow =
        prop::option::weighted(0.3, (definition(format!("d{number}")), prop::collection::vec(step, 0..3)));
    (definition(format!("d{number}")), shadow).prop_map(|(definition, shadow)| {
        let first = LogicVersion::new(1, definition, LogicState::Active, Coverage::Whole, 0);
        let shadow = shadow.map(|(definition, migration)| LogicVersion {
            base: Base::Derived {
                parent: 1,
                transform: Transform {
                    actions: Vec::new(),
                    keep: None,
                    group_by: definition.group_by.clone(),
                    atoms: Vec::new(),
                },
            },
            migration,
            relation: Relation::Unrelated,
            parent: Some(1),
            ..LogicVersion::new(2, definition, LogicState::Shadow, Coverage::Whole, 0)
        });
        std::iter::once(first).chain(shadow).collect()
    })
}

fn logic() -> impl Strategy<Value = TableLogic> {
    let definitions = (1_usize..5).prop_flat_map(|many| (0..many).map(versions).collect::<Vec<_>>());
    definitions.prop_map(|versions| TableLogic {
        live: versions.into_iter().flatten().map(Arc::new).collect(),
        ..TableLogic::default()
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn a_judgement_from_memory_is_the_interpreters(logic in logic(), rows in prop::collection::vec((item(), 0_u64..10), 1..30)) {
        let mut memo = TableMemo::new(&logic);
        // Twice, so that the second time everything is from memory.
        for (image, at) in rows.iter().chain(&rows) {
            let at = OrderVersion::binlog(0, 1, *at, 0, LogRank::Change);
            let expected = counting::targets(&logic.live, Some(image), Some(&at));
            prop_assert_eq!(memo.targets(image.into(), Some(&at)), expected);
        }
    }

    #[test]
    fn a_judgement_of_what_nobody_read_is_the_interpreters(
        logic in logic(),
        rows in prop::collection::vec((item(), 0_u64..10), 1..30),
        others in prop::option::of(prop::sample::subsequence(COLUMNS.as_slice(), 0..4)),
    ) {
        let mut memo = TableMemo::new(&logic);
        // Columns that are not the memo's own are those of another reading of the catalog.
        let columns = match &others {
            Some(others) => Columns::new(others.iter().copied().collect()),
            None => projection::columns(&logic),
        };
        for (image, at) in rows.iter().chain(&rows) {
            let at = OrderVersion::binlog(0, 1, *at, 0, LogRank::Change);
            let kept: Item = image.iter().filter(|(name, _)| columns.number(name).is_some()).map(|(name, value)| (name.clone(), value.clone())).collect();
            let expected = counting::targets(&logic.live, Some(&kept), Some(&at));
            let unread = unread(&columns, image);
            prop_assert_eq!(memo.targets(ImageRef::Unread(unread.by_ref()), Some(&at)), expected);
        }
    }
}

thread_local! {
    /// What bytes stand for: the place of a value.
    static VALUES: RefCell<Vec<Value>> = const { RefCell::new(Vec::new()) };
}

fn read(bytes: &[u8]) -> Option<Value> {
    let place = u64::from_le_bytes(bytes.try_into().ok()?) as usize;
    VALUES.with_borrow(|values| values.get(place).cloned())
}

fn read_number(bytes: &[u8]) -> Option<ShortDecimal> {
    if let Value::Number(number) = read(bytes)? { number.short_decimal() } else { None }
}

/// The columns of an item that are among these, under bytes that stand for their values.
fn unread(columns: &Columns, item: &Item) -> Unread {
    let mut frames = Frames::default();
    for (name, value) in item {
        let Some(column) = columns.number(name) else { continue };
        let place = VALUES.with_borrow_mut(|values| {
            let known = values.iter().position(|known| known == value);
            known.unwrap_or_else(|| {
                values.push(value.clone());
                values.len() - 1
            })
        });
        let bytes = (place as u64).to_le_bytes();
        match value {
            Value::Number(_) => frames.push_number(column, &bytes, bytes.len()).unwrap(),
            _ => frames.push(column, &bytes, bytes.len()).unwrap(),
        }
    }
    frames.image(&Layout { columns: columns.clone(), read, read_number }).to_unread()
}

#[test]
fn a_memo_of_another_catalog_is_forgotten_and_so_is_one_that_grew_too_large() {
    let definition = CountDefinition {
        name: DefinitionName::parse("by_a").unwrap(),
        table: TableName::new("t"),
        group_by: vec![Path::column("a")],
        filter: None,
        distinct: None,
        groups_max: 100,
        headroom: Headroom::default(),
    };
    let version = LogicVersion::new(1, definition, LogicState::Active, Coverage::Whole, 0);
    let catalog = |revision| Catalog::new(revision, [version.clone()], []);
    let (table, mut memo) = (TableName::new("t"), Memo::default());
    let meet = |memo: &mut Memo, values: i64| {
        let known = catalog(1);
        for number in 0..values {
            let image = Item::from([("a".to_owned(), Value::Number(number.into()))]);
            memo.of(&table, known.table(&table).unwrap()).targets((&image).into(), None).unwrap();
        }
    };
    memo.refresh(&catalog(1));
    meet(&mut memo, 10);
    memo.refresh(&catalog(1));
    assert_eq!(memo.get(&table).map(TableMemo::kept), Some(20), "a value and a group for each");
    memo.refresh(&catalog(2));
    assert!(memo.get(&table).is_none());
    meet(&mut memo, KEPT_MAX as i64);
    memo.refresh(&catalog(2));
    assert!(memo.get(&table).is_none());
}

#[test]
fn rows_that_are_known_are_counted_also_where_no_more_will_be() {
    let text = |text: &str| Value::String(text.to_owned());
    let definition = CountDefinition {
        name: DefinitionName::parse("with_k").unwrap(),
        table: TableName::new("t"),
        group_by: Vec::new(),
        filter: Some(Predicate::Atom(Atom::BeginsWith(Path::column("a"), text("k")))),
        distinct: None,
        groups_max: 100,
        headroom: Headroom::default(),
    };
    let version = LogicVersion::new(1, definition, LogicState::Active, Coverage::Whole, 0);
    let id = version.id.clone();
    let catalog = Catalog::new(1, [version], []);
    let table = TableName::new("t");
    let logic = catalog.table(&table).unwrap();
    let layout = Layout {
        columns: projection::columns(logic),
        read: |bytes| Some(Value::String(String::from_utf8(bytes.to_vec()).ok()?)),
        read_number: |_| None,
    };
    let at = OrderVersion::binlog(0, 1, 1, 0, LogRank::Change);
    let (mut memo, mut placement, mut frames) = (Memo::default(), Placement::default(), Frames::default());
    // Two rows of three are new, which a chunk finds out in its midst, and the next one begins with.
    for _ in 0..2 {
        memo.refresh(&catalog);
        let (mut tally, mut sum) = (LaneTally::default(), Contributions::new());
        for number in 0..20_000 {
            frames.clear();
            let row = if number % 3 == 0 { "k".to_owned() } else { format!("k{number}") };
            frames.push(0, row.as_bytes(), row.len()).unwrap();
            let image = ImageRef::Unread(frames.image(&layout));
            tally.stage((&table, memo.of(&table, logic)), (image, 1), &at).unwrap();
            tally.take_staged();
        }
        tally.finish(&memo, &mut placement, &mut sum, &mut Contributions::new());
        assert_eq!(sum.get(&id).unwrap().values().sum::<i64>(), 20_000);
    }
}
