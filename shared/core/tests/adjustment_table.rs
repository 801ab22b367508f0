//! Every kind of change against every shape of definition, in one table to be read: what it is
//! worth is for a person to judge.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::fmt::Write;

use evercount_core::adjustment::{Cause, Certificate, Facts, Start, plan};
use evercount_core::change::TableName;
use evercount_core::definition::{CountDefinition, DefinitionName, Headroom};
use evercount_core::logic::{Coverage, LogicState, LogicVersion};
use evercount_core::order::{LogRank, OrderVersion};
use evercount_core::path::Path;
use evercount_core::predicate::{Atom, Comparison, Operand, Predicate};
use evercount_core::schema::{FieldPath, FieldType, TypeSet};
use evercount_core::schema_change::{ChangeKind, Evidence, Retype, SchemaChange, Typed};
use evercount_core::value::Value;

fn path(name: &str) -> Path {
    Path::column(name)
}

fn text(text: &str) -> Value {
    Value::String(text.to_owned())
}

fn number(n: i64) -> Value {
    Value::Number(n.into())
}

fn compare(name: &str, op: Comparison, value: Value) -> Predicate {
    Predicate::Atom(Atom::Compare { left: Operand::Path(path(name)), op, right: Operand::Literal(value) })
}

fn paid() -> Predicate {
    compare("status", Comparison::Equal, text("paid"))
}

fn definition(group_by: &[&str], filter: Option<Predicate>) -> CountDefinition {
    CountDefinition {
        name: DefinitionName::parse("orders").unwrap(),
        table: TableName::new("orders"),
        group_by: group_by.iter().map(|name| path(name)).collect(),
        filter,
        distinct: None,
        groups_max: 1_000,
        headroom: Headroom::default(),
    }
}

fn shapes() -> Vec<(&'static str, CountDefinition)> {
    let large = || compare("total", Comparison::Greater, number(10));
    let of = definition;
    vec![
        ("count(*)", of(&[], None)),
        ("by status", of(&["status"], None)),
        ("by total", of(&["total"], None)),
        ("where status = 'paid'", of(&[], Some(paid()))),
        ("where total > 10", of(&[], Some(large()))),
        ("by total where total > 10", of(&["total"], Some(large()))),
        ("count(distinct status)", CountDefinition { distinct: Some(path("status")), ..of(&[], None) }),
        (
            "where status = 'paid', truths kept",
            CountDefinition {
                headroom: Headroom { attributes: Vec::new(), truth: true },
                ..of(&[], Some(paid()))
            },
        ),
        ("by channel, which is not there yet", of(&["channel"], None)),
    ]
}

fn declared(kind: ChangeKind) -> SchemaChange {
    SchemaChange { kind, evidence: Evidence::Declared { statement: "ALTER TABLE orders".into() } }
}

fn observed(kind: ChangeKind) -> SchemaChange {
    let because = "the last 40 rows show it".to_owned();
    SchemaChange { kind, evidence: Evidence::Observed { rows: 40, false_alarm: 1e-6, because } }
}

fn typed(types: &FieldType) -> Typed {
    Typed { types: TypeSet::of(types.clone()).nullable(true), declared: None }
}

fn rename(from: &str, to: &str) -> ChangeKind {
    let (column, to) = (FieldPath::column(from), FieldPath::column(to));
    let typed = typed(&FieldType::STRING);
    ChangeKind::RenameColumn { column, to, typed: typed.clone(), previous: typed }
}

fn drop(name: &str) -> ChangeKind {
    ChangeKind::DropColumn { column: FieldPath::column(name), typed: typed(&FieldType::STRING) }
}

fn add(name: &str, default: Option<&str>) -> ChangeKind {
    let (column, typed) = (FieldPath::column(name), typed(&FieldType::STRING));
    ChangeKind::AddColumn { column, typed, default: default.map(Into::into) }
}

fn retyped(name: &str, before: &FieldType, after: &FieldType, retype: Retype) -> ChangeKind {
    let column = FieldPath::column(name);
    ChangeKind::ChangeType { column, typed: typed(after), previous: typed(before), retype }
}

fn changes() -> Vec<(&'static str, Vec<SchemaChange>)> {
    let int = |bits| FieldType::Integer { bits: Some(bits), unsigned: false };
    let decimal = |scale| FieldType::Decimal { digits: Some((12, scale)) };
    let cut = FieldType::String { max_length: Some(3) };
    let proposed = |score| SchemaChange {
        kind: rename("status", "state"),
        evidence: Evidence::Proposed { score, parts: Vec::new() },
    };
    let key = |name: &str| vec![FieldPath::column(name)];
    vec![
        ("add channel, default 'web'", vec![declared(add("channel", Some("'web'")))]),
        ("add channel, no default", vec![declared(add("channel", None))]),
        ("add channel, default now()", vec![declared(add("channel", Some("now()")))]),
        ("add channel, seen in items", vec![observed(add("channel", None))]),
        ("drop status", vec![declared(drop("status"))]),
        ("drop total", vec![declared(drop("total"))]),
        ("rename status to state", vec![declared(rename("status", "state"))]),
        ("rename status to state, proposed, 0.80", vec![proposed(0.8)]),
        ("rename status to state, proposed, 0.55", vec![proposed(0.55)]),
        (
            "rename status to s, s to state",
            vec![declared(rename("status", "s")), declared(rename("s", "state"))],
        ),
        (
            "rename status to state and back",
            vec![declared(rename("status", "state")), declared(rename("state", "status"))],
        ),
        (
            "drop status, add status, default 'new'",
            vec![declared(drop("status")), declared(add("status", Some("'new'")))],
        ),
        (
            "add channel, drop channel",
            vec![declared(add("channel", Some("'web'"))), declared(drop("channel"))],
        ),
        ("total: int to bigint", vec![declared(retyped("total", &int(32), &int(64), Retype::Widening))]),
        (
            "total: int to text",
            vec![declared(retyped("total", &int(32), &FieldType::STRING, Retype::ReEncoding))],
        ),
        ("total: decimal to int", vec![declared(retyped("total", &decimal(2), &int(32), Retype::Narrowing))]),
        (
            "total: double to int",
            vec![declared(retyped(
                "total",
                &FieldType::Float { bits: Some(64) },
                &int(32),
                Retype::Narrowing,
            ))],
        ),
        (
            "total: int to text, seen in items",
            vec![observed(retyped("total", &FieldType::INTEGER, &FieldType::STRING, Retype::ReEncoding))],
        ),
        (
            "status: text to text(3)",
            vec![declared(retyped("status", &FieldType::STRING, &cut, Retype::Narrowing))],
        ),
        (
            "status: text to bytes",
            vec![declared(retyped("status", &FieldType::STRING, &FieldType::BINARY, Retype::ReEncoding))],
        ),
        (
            "status: null allowed",
            vec![declared(retyped("status", &FieldType::STRING, &FieldType::STRING, Retype::Nullable))],
        ),
        (
            "status: null no longer allowed",
            vec![declared(retyped("status", &FieldType::STRING, &FieldType::STRING, Retype::NotNull))],
        ),
        ("key id to uid", vec![declared(ChangeKind::ChangeKey { previous: key("id"), key: key("uid") })]),
        ("truncate", vec![declared(ChangeKind::TruncateTable)]),
        (
            "truncate and rename status to state",
            vec![declared(ChangeKind::TruncateTable), declared(rename("status", "state"))],
        ),
        ("drop table", vec![declared(ChangeKind::DropTable)]),
        ("create table", vec![declared(ChangeKind::CreateTable)]),
        ("rename table", vec![declared(ChangeKind::RenameTable { to: TableName::new("purchases") })]),
    ]
}

fn redefinitions() -> Vec<(&'static str, CountDefinition, CountDefinition)> {
    use Comparison::{Greater, NotEqual};
    let of = definition;
    let and = |parts: &[Predicate]| Some(Predicate::And(parts.to_vec()));
    let not_null = |name: &str| Predicate::Not(Box::new(Predicate::Atom(Atom::IsNull(path(name)))));
    let larger = |n| compare("total", Greater, number(n));
    let key = |name: &str| compare("customer", Comparison::Equal, text(name));
    let beside = |attributes: &[&str], truth, definition: CountDefinition| CountDefinition {
        headroom: Headroom { attributes: attributes.iter().map(|name| path(name)).collect(), truth },
        ..definition
    };
    let counted =
        |definition: CountDefinition| CountDefinition { distinct: Some(path("customer")), ..definition };
    let other = || compare("status", NotEqual, text("void"));
    vec![
        ("the same", of(&["status"], None), of(&["status"], None)),
        ("narrower, on what is grouped by", of(&["status"], None), of(&["status"], Some(paid()))),
        ("narrower, on a remembered column", of(&[], Some(paid())), of(&[], and(&[paid(), larger(10)]))),
        (
            "narrower, on a forgotten column",
            of(&[], Some(paid())),
            of(&[], and(&[paid(), compare("region", NotEqual, text("EU"))])),
        ),
        ("narrower, on the partition key", of(&[], Some(larger(10))), of(&[], and(&[larger(10), key("c1")]))),
        (
            "narrower, on headroom",
            beside(&["total"], false, of(&["status"], None)),
            of(&["status"], Some(larger(10))),
        ),
        ("wider: condition dropped", of(&[], and(&[paid(), larger(10)])), of(&[], Some(paid()))),
        ("wider, with truths", beside(&[], true, of(&[], and(&[paid(), larger(10)]))), of(&[], Some(paid()))),
        (
            "wider, with truths on both sides",
            beside(&[], true, of(&[], and(&[paid(), larger(10)]))),
            beside(&[], true, of(&[], Some(larger(10)))),
        ),
        ("constant 10 to 20", of(&[], Some(larger(10))), of(&[], Some(larger(20)))),
        ("constant 10 to 20, grouped by", of(&["total"], Some(larger(10))), of(&["total"], Some(larger(20)))),
        ("constant 20 to 10", of(&["total"], Some(larger(20))), of(&["total"], Some(larger(10)))),
        ("coarser", of(&["status", "total"], None), of(&["status"], None)),
        ("finer, by a remembered column", of(&["status"], None), of(&["status", "total"], None)),
        ("finer, by a forgotten column", of(&["status"], None), of(&["status", "region"], None)),
        (
            "finer, by headroom",
            beside(&["total"], false, of(&["status"], None)),
            of(&["status", "total"], None),
        ),
        ("finer, by what the condition pins", of(&[], Some(paid())), of(&["status"], Some(paid()))),
        ("reordered", of(&["status", "total"], None), of(&["total", "status"], None)),
        ("count(x), never NULL", of(&[], None), of(&[], Some(not_null("id")))),
        ("count(x), grouped by", of(&["status"], None), of(&["status"], Some(not_null("status")))),
        ("count(x), remembered", of(&[], None), of(&[], Some(not_null("total")))),
        ("distinct added", of(&["status"], None), counted(of(&["status"], None))),
        ("distinct removed", counted(of(&["status"], None)), of(&["status"], None)),
        ("truths added", of(&[], Some(paid())), beside(&[], true, of(&[], Some(paid())))),
        ("truths removed", beside(&[], true, of(&[], Some(paid()))), of(&[], Some(paid()))),
        ("another condition", of(&[], Some(paid())), of(&[], Some(other()))),
        (
            "another table",
            of(&[], None),
            CountDefinition { table: TableName::new("returns"), ..of(&[], None) },
        ),
    ]
}

fn facts() -> Facts {
    Facts {
        has_ledger: true,
        remembered: ["status", "total", "customer"].map(str::to_owned).to_vec(),
        ledger_rows: Some(1_000),
        source_items: Some(1_000),
        source_bytes: Some(400_000),
        source_is_readable: true,
        partition_key: Some("customer".to_owned()),
        not_null: vec![path("id")],
        ..Facts::default()
    }
}

/// What a plan says, in one line and one for each answer.
fn told(cause: &Cause, definition: &CountDefinition) -> String {
    let logic = LogicVersion::new(1, definition.clone(), LogicState::Active, Coverage::Whole, 0);
    let plan = plan(cause, &logic, &facts());
    let start = match plan.update.as_ref().map(|update| &update.start) {
        None => "stays",
        Some(Start::Image(_)) => "image",
        Some(Start::Ledger) => "ledger",
        Some(Start::Source) => "source",
    };
    let proof = match plan.certificate {
        Certificate::Untouched => "untouched",
        Certificate::Exact(_) => "exact",
        Certificate::Witness { .. } => "witness",
        Certificate::Undecided => "open",
    };
    let mut told = format!("{} {start} {proof} {:?}: {}\n", plan.class.name(), plan.relation, plan.sentence);
    for choice in &plan.choices {
        writeln!(told, "      {}: {}", choice.answer, choice.consequence).unwrap();
    }
    told
}

#[test]
fn every_change_meets_every_shape() {
    let mut table = String::new();
    for (change, changes) in changes() {
        writeln!(table, "{change}").unwrap();
        // Shapes of which the same is said stand together.
        let mut lines: Vec<(String, Vec<&str>)> = Vec::new();
        for (shape, definition) in shapes() {
            let is_declared =
                changes.iter().any(|change| matches!(change.evidence, Evidence::Declared { .. }));
            // Only a document store has times for places.
            let position = Some(if is_declared {
                OrderVersion::binlog(0, 1, 500, 0, LogRank::Change)
            } else {
                OrderVersion::clock(0, 500_000_000)
            });
            let cause = Cause::Schema { event: "e".into(), changes: changes.clone(), position, at: 0 };
            let told = told(&cause, &definition);
            match lines.iter_mut().find(|(line, _)| *line == told) {
                Some((_, shapes)) => shapes.push(shape),
                None => lines.push((told, vec![shape])),
            }
        }
        for (told, shapes) in lines {
            write!(table, "  [{}]\n    {told}", shapes.join("] [")).unwrap();
        }
    }
    insta::assert_snapshot!("changes", table);
}

#[test]
fn every_redefinition_has_its_class() {
    let mut table = String::new();
    for (name, old, new) in redefinitions() {
        let told = told(&Cause::Redefinition { definition: new, at: 0 }, &old);
        write!(table, "{name}\n    {told}").unwrap();
    }
    insta::assert_snapshot!("redefinitions", table);
}
