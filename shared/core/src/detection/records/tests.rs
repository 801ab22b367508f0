//! Rows of made-up tables: what must be found, and above all what must not.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may panic")]

use super::*;
use crate::decimal::Decimal;
use crate::order::LogRank;
use crate::value::Value;

/// A subject with its lanes, as a listener would hold it.
struct Table {
    schema: Schema,
    origin: Origin,
    version: u32,
    position: Option<OrderVersion>,
    retired: BTreeSet<FieldPath>,
    lanes: Vec<Watch>,
    next: u64,
    found: Vec<String>,
    detected: Vec<Detected>,
}

fn text(kind: &ChangeKind) -> String {
    match kind {
        ChangeKind::AddColumn { column, .. } => format!("add {column}"),
        ChangeKind::DropColumn { column, .. } => format!("drop {column}"),
        ChangeKind::RenameColumn { column, to, .. } => format!("rename {column} to {to}"),
        ChangeKind::ChangeType { column, typed, .. } => format!("retype {column} to {}", typed.text()),
        other => other.name().to_owned(),
    }
}

impl Table {
    fn new(lanes: usize) -> Self {
        Self {
            schema: Schema { key: vec![FieldPath::column("id")], ..Schema::default() },
            origin: Origin::Observed,
            version: 0,
            position: None,
            retired: BTreeSet::new(),
            lanes: vec![Watch::default(); lanes],
            next: 1,
            found: Vec::new(),
            detected: Vec::new(),
        }
    }

    /// Rows of one lane, at the next places of the log.
    fn rows(&mut self, lane: usize, rows: Vec<Item>) {
        let count = rows.len() as u64;
        let placed =
            rows.into_iter().enumerate().map(|(at, row)| (self.next + at as u64, None, row)).collect();
        self.next += count;
        self.placed(lane, placed);
    }

    /// Updates of one lane, with the image before each.
    fn updates(&mut self, rows: Vec<(Item, Item)>) {
        let first = self.next;
        self.next += rows.len() as u64;
        let placed = rows.into_iter().zip(first..).map(|((before, after), at)| (at, Some(before), after));
        self.placed(0, placed.collect());
    }

    fn placed(&mut self, lane: usize, rows: Vec<(u64, Option<Item>, Item)>) {
        let versions: Vec<OrderVersion> =
            rows.iter().map(|(at, _, _)| OrderVersion::lsn(0, *at, 0, LogRank::Change)).collect();
        let seen: Vec<RowSeen<'_>> = rows
            .iter()
            .zip(&versions)
            .map(|((at, before, after), version)| RowSeen {
                after: Some(after),
                before: before.as_ref(),
                version,
                at: i64::try_from(*at).unwrap(),
            })
            .collect();
        for piece in seen.chunks(FOLD_ROWS_MAX) {
            self.fold(lane, piece);
        }
    }

    fn fold(&mut self, lane: usize, rows: &[RowSeen<'_>]) {
        let known = Known {
            schema: &self.schema,
            origin: self.origin,
            position: self.position.as_ref(),
            since: 0,
            retired: &self.retired,
            version: self.version,
        };
        self.lanes[lane].fold(&known, rows);
        let watches: Vec<&Watch> = self.lanes.iter().collect();
        if self.version == 0 {
            if let Some(first) = baseline(&watches) {
                self.schema.fields = first.schema.fields;
                self.position = Some(first.position);
                self.version = 1;
            }
            return;
        }
        let found = detect(&known, &watches, false);
        if found.is_empty() {
            return;
        }
        let next = proposed(&self.schema, &found);
        self.retired.extend(self.schema.fields.keys().cloned());
        self.retired.retain(|path| !next.fields.contains_key(path));
        self.schema = next;
        self.version += 1;
        self.position = found.iter().filter_map(|one| one.position.clone()).chain(self.position.take()).max();
        self.found.extend(found.iter().map(|one| text(&one.change.kind)));
        self.detected.extend(found);
    }

    fn check(&self, expected: &[&str]) {
        let because: Vec<String> = self.detected.iter().map(|one| one.change.evidence.sentence()).collect();
        assert_eq!(self.found, expected, "{because:#?}");
    }
}

fn string(text: impl Into<String>) -> Value {
    Value::String(text.into())
}

fn number(number: u64) -> Value {
    Value::Number(Decimal::from(i64::try_from(number).unwrap()))
}

fn item(fields: &[(&str, Value)]) -> Item {
    fields.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect()
}

/// A small stream of chances, the same each time.
struct Chance(u64);

impl Chance {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        self.0 >> 33
    }

    fn percent(&mut self, share: u64) -> bool {
        self.next() % 100 < share
    }
}

fn person(id: u64) -> Item {
    item(&[("id", number(id)), ("name", string(format!("name{}", id % 50))), ("age", number(id % 90))])
}

fn people(ids: std::ops::Range<u64>) -> Vec<Item> {
    ids.map(person).collect()
}

#[test]
fn a_column_is_added_at_once_and_dropped_by_many_rows() {
    let mut table = Table::new(1);
    table.rows(0, people(0..40));
    let with = |id| [person(id), item(&[("mail", string("a"))])].into_iter().flatten().collect::<Item>();
    table.rows(0, vec![with(1)]);
    table.check(&["add mail"]);
    table.rows(0, (0..40).map(with).collect());
    table.rows(0, people(0..9));
    table.check(&["add mail"]);
    table.rows(0, people(9..20));
    table.check(&["add mail", "drop mail"]);
    let dropped = &table.detected[1];
    assert_eq!(dropped.position, Some(OrderVersion::lsn(0, 82, 0, LogRank::Change)), "where the rows began");
}

#[test]
fn a_column_that_comes_and_goes_is_found_each_time() {
    let mut table = Table::new(1);
    let short = |id| item(&[("id", number(id)), ("name", string("x"))]);
    table.rows(0, people(0..200));
    let mut expected = Vec::new();
    for _ in 0..6 {
        table.rows(0, (0..200).map(short).collect());
        table.rows(0, people(0..200));
        expected.extend(["drop age", "add age"]);
    }
    table.check(&expected);
}

#[test]
fn a_rolling_deploy_that_drops_a_column_changes_the_schema_once() {
    for lanes in 1..4 {
        let mut chance = Chance(lanes as u64);
        let mut table = Table::new(lanes);
        table.rows(0, people(0..400));
        // The share of writers of the old shape sinks from all to none.
        for row in 0..4_000_u64 {
            let mut one = person(row);
            if !chance.percent(100_u64.saturating_sub(row / 20)) {
                one.remove("age");
            }
            table.rows(row as usize % lanes, vec![one]);
        }
        table.check(&["drop age"]);
    }
}

#[test]
fn a_straggler_of_the_old_shape_is_no_change_and_a_return_is() {
    let mut table = Table::new(2);
    let short = |id| item(&[("id", number(id)), ("name", string("x"))]);
    table.rows(0, people(0..100));
    table.rows(0, (0..60).map(short).collect());
    table.check(&["drop age"]);
    // Late records, from before the change: however many, they are no news.
    let late = (0..200_u64).map(|at| (at % 90 + 1, None, person(at))).collect();
    table.placed(1, late);
    // A last writer of the old shape.
    for row in 0..300 {
        table.rows(1, vec![if row % 40 == 0 { person(row) } else { short(row) }]);
    }
    table.check(&["drop age"]);
    table.rows(0, people(0..20));
    table.check(&["drop age", "add age"]);
}

#[test]
fn shuffled_windows_of_both_shapes_do_not_flap() {
    let mut table = Table::new(1);
    table.rows(0, people(0..100));
    let mut placed: Vec<(u64, Option<Item>, Item)> = (0..400_u64)
        .map(|at| {
            (
                200 + at,
                None,
                if at < 100 { person(at) } else { item(&[("id", number(at)), ("nick", number(1))]) },
            )
        })
        .collect();
    let mut chance = Chance(3);
    for window in placed.chunks_mut(50) {
        window.sort_by_cached_key(|_| chance.next());
    }
    for row in placed {
        table.placed(0, vec![row]);
    }
    table.found.sort();
    table.check(&["add nick", "drop age", "drop name"]);
}

#[test]
fn sparse_columns_raise_no_false_alarm_in_a_hundred_thousand_rows() {
    let mut chance = Chance(9);
    let mut table = Table::new(2);
    for batch in 0..1_000_u64 {
        let rows = (0..100)
            .map(|at| {
                let mut one = person(batch * 100 + at);
                for (name, share) in [("one", 1), ("five", 5), ("half", 50), ("most", 97)] {
                    if chance.percent(share) || (batch == 0 && at < 2) {
                        one.insert(name.to_owned(), number(at));
                    }
                }
                one
            })
            .collect();
        table.rows(batch as usize % 2, rows);
    }
    table.check(&[]);
}

#[test]
fn several_types_of_entities_in_bursts_are_no_change() {
    let order = |id| {
        item(&[("pk", string("o")), ("total", number(id)), ("lines", number(2)), ("paid", Value::Bool(true))])
    };
    let customer = |id| item(&[("pk", string("c")), ("name", string("x")), ("mail", number(id))]);
    let mut table = Table::new(1);
    table.rows(0, (0..16).map(|id| if id % 2 == 0 { order(id) } else { customer(id) }).collect());
    for _ in 0..6 {
        table.rows(0, (0..20).map(order).collect());
        table.rows(0, (0..20).map(customer).collect());
    }
    table.rows(0, (0..2_000).map(order).collect());
    table.rows(0, (0..900).map(customer).collect());
    table.check(&[]);
    // Within one type of entity a column is still found to be gone.
    let unpaid = |id| item(&[("pk", string("o")), ("total", number(id)), ("lines", number(2))]);
    table.rows(0, (0..60).map(|id| if id % 3 == 0 { customer(id) } else { unpaid(id) }).collect());
    table.check(&["drop paid"]);
}

#[test]
fn a_rename_that_is_rolled_out_slowly_is_one_change() {
    let mut chance = Chance(8);
    let renamed = |id| {
        item(&[("id", number(id)), ("full", string(format!("name{}", id % 50))), ("age", number(id % 90))])
    };
    let mut table = Table::new(1);
    table.rows(0, people(0..200));
    for row in 0..3_000_u64 {
        let old_writer = chance.percent(100_u64.saturating_sub(row / 20));
        let shape = if old_writer { person } else { renamed };
        table.updates(vec![(person(row % 70), shape(row % 70))]);
    }
    table.check(&["rename name to full"]);
    // Slower than anybody waits for: added, and in the end dropped.
    let last = |id| {
        [renamed(id), item(&[("rank", number(id + 7))])]
            .into_iter()
            .flatten()
            .filter(|(name, _)| name != "age")
            .collect::<Item>()
    };
    for row in 0..300_u64 {
        table.updates(vec![(renamed(row), if row % 2 == 0 { renamed(row) } else { last(row) })]);
    }
    table.check(&["rename name to full", "add rank"]);
    table.rows(0, (0..11_000).map(last).collect());
    table.check(&["rename name to full", "add rank", "drop age"]);
}

#[test]
fn deletes_and_values_that_were_not_sent_say_nothing() {
    let mut table = Table::new(1);
    table.rows(0, people(0..100));
    let version = OrderVersion::lsn(0, 5_000, 0, LogRank::Change);
    let before = item(&[("id", number(1))]);
    // A TTL run: many deletes, with the key or all of the old image before them.
    let delete = RowSeen { after: None, before: Some(&before), version: &version, at: 5_000 };
    table.fold(0, &vec![delete; 500]);
    let toast = item(&[("id", number(1)), ("name", Value::Unavailable), ("age", Value::Unavailable)]);
    table.rows(0, vec![toast; 300]);
    table.check(&[]);
}

#[test]
fn dms_that_drops_nulls_only_makes_columns_sparse() {
    let mut chance = Chance(4);
    let mut table = Table::new(1);
    table.rows(0, people(0..8));
    for row in 0..5_000 {
        let mut one = person(row);
        if chance.percent(40) {
            one.remove("age");
        }
        if row == 3_000 {
            one.insert("mail".into(), string("x"));
        }
        table.rows(0, vec![one]);
    }
    table.check(&["add mail"]);
    table.rows(
        0,
        (0..60).map(|id| item(&[("id", number(id)), ("name", string("x")), ("mail", string("y"))])).collect(),
    );
    table.check(&["add mail", "drop age"]);
}

#[test]
fn a_type_changes_when_the_old_one_is_gone_and_widens_when_it_stays() {
    let typed = |value: Value| item(&[("id", number(1)), ("code", value)]);
    let mut table = Table::new(1);
    table.rows(0, (0..100).map(|at| typed(number(at))).collect());
    table.rows(0, (0..60).map(|_| typed(Value::Null)).collect());
    table.check(&[]);
    table.rows(0, (0..40).map(|at| typed(string(at.to_string()))).collect());
    table.check(&["retype code to string or null"]);
    // Both types go on: after a while the field has both.
    let both = |at: u64| typed(if at.is_multiple_of(2) { number(at) } else { string("x") });
    table.rows(0, (0..150).map(both).collect());
    table.check(&["retype code to string or null"]);
    table.rows(0, (0..200).map(both).collect());
    table.check(&["retype code to string or null", "retype code to integer or string or null"]);
}

#[test]
fn whole_numbers_in_a_decimal_column_are_no_change() {
    let priced = |at: u64, whole: bool| {
        let digits = (at * 10 + 5).to_string();
        let price = Decimal::from_digits(false, &digits, -1).unwrap();
        item(&[("id", number(at)), ("price", if whole { number(at) } else { Value::Number(price) })])
    };
    let mut table = Table::new(1);
    table.rows(0, (0..8).map(|at| priced(at, true)).collect());
    for at in 0..100 {
        table.rows(0, vec![priced(at, at % 3 > 0)]);
    }
    table.check(&[]);
    for at in 0..400 {
        table.rows(0, vec![priced(at, at % 3 > 0)]);
    }
    table.check(&["retype price to decimal"]);
    table.rows(0, (0..1_000).map(|at| priced(at, at % 5 > 0)).collect());
    assert_eq!(table.found.len(), 1);
}

#[test]
fn an_update_that_hands_a_value_over_is_a_rename() {
    let renamed = |id| {
        item(&[("id", number(id)), ("full", string(format!("name{}", id % 50))), ("age", number(id % 90))])
    };
    let mut table = Table::new(1);
    table.rows(0, people(0..100));
    table.updates((0..30).map(|id| (person(id), renamed(id))).collect());
    table.check(&["rename name to full"]);
    // One column for another, with other values: they have nothing to do with each other.
    let other = |id| {
        item(&[("id", number(id)), ("full", string(format!("name{}", id % 50))), ("rank", number(id + 7))])
    };
    table.updates((0..60).map(|id| (renamed(id), other(id))).collect());
    table.check(&["rename name to full", "drop age", "add rank"]);
}

#[test]
fn a_declared_schema_is_not_changed_by_rows_that_run_ahead() {
    let mut table = Table::new(1);
    table.rows(0, people(0..100));
    table.origin = Origin::Declared;
    let ahead = |id| item(&[("id", number(id)), ("name", number(1)), ("mail", string("x"))]);
    table.rows(0, (0..9_000).map(ahead).collect());
    table.check(&[]);
    table.rows(0, (0..2_000).map(ahead).collect());
    table.check(&["drop age", "add mail"]);
}

#[test]
fn nested_fields_are_added_with_their_map_and_dropped_with_it() {
    let nested = |city: &str| {
        let lines = Value::List(vec![Value::Map(item(&[("sku", string("x"))]))]);
        item(&[("id", number(1)), ("home", Value::Map(item(&[(city, string("y"))]))), ("lines", lines)])
    };
    let mut table = Table::new(1);
    table.rows(0, vec![item(&[("id", number(1))]); 40]);
    table.rows(0, vec![nested("city"); 60]);
    table.check(&["add home", "add home.city", "add lines", "add lines[]", "add lines[].sku"]);
    table.found.clear();
    table.rows(0, vec![nested("town"); 60]);
    table.found.sort();
    table.check(&["add home.town", "drop home.city"]);
    table.found.clear();
    table.rows(0, vec![item(&[("id", number(1))]); 60]);
    table.check(&["drop home", "drop lines"]);
}

#[test]
fn a_million_shapes_of_one_table_fill_no_memory_and_make_few_versions() {
    let mut table = Table::new(1);
    table.rows(0, people(0..100));
    let mut chance = Chance(5);
    for _ in 0..2_000 {
        let rows = (0..500)
            .map(|_| {
                let mut one = person(chance.next());
                for _ in 0..chance.next() % 4 {
                    one.insert(format!("k{}", chance.next()), Value::Null);
                }
                let nested = (0..3).map(|_| (format!("n{:x}", chance.next()), Value::Bool(true))).collect();
                one.insert("map".to_owned(), Value::Map(nested));
                one
            })
            .collect();
        table.rows(0, rows);
    }
    let gathered = table.lanes[0].gathered();
    assert!(gathered.entries.len() <= NEWS_KEPT + table.schema.fields.len());
    assert!(table.schema.fields.len() < 2 * NEWS_KEPT, "{} fields", table.schema.fields.len());
    assert!(table.lanes[0].shapes_remembered() <= SHAPES_MAX);
    assert!(gathered.observed.fields().count() <= crate::observed::PATHS_MAX);
    assert!(gathered.overflow > 1_000_000);
    // What is real is still found.
    table.found.clear();
    let real = |id: u64| [person(id), item(&[("mail", string("x"))])].into_iter().flatten().collect::<Item>();
    table.rows(0, (0..40).map(real).collect());
    assert!(table.found.contains(&"add mail".to_owned()), "{:?}", table.found);
}
