//! The template of a function, built and run.

#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a test may panic, and says why it skips")]

mod build;

use evercount_core::function::FunctionKind;
use evercount_core::predicate::Truth;
use evercount_core::value::{Item, Value};
use evercount_sandbox::function::Function;
use evercount_sandbox::limits::Limits;
use evercount_sandbox::outcome::{Failure, Judgement, Migration, Trap};

fn item(attributes: &[(&str, Value)]) -> Item {
    attributes.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect()
}

fn text(text: &str) -> Value {
    Value::String(text.to_owned())
}

/// Numbers that no binary float holds, and every other type.
fn others() -> Vec<(&'static str, Value)> {
    vec![
        ("exact", Value::Number("12345678901234567890.123456789012345678".parse().unwrap())),
        ("large", Value::Number("9007199254740993".parse().unwrap())),
        ("odd", text("\u{0}\"\\\u{1f600}\n")),
        ("bytes", Value::Binary(vec![0, 255, 7])),
        ("nothing", Value::Null),
        ("yes", Value::Bool(true)),
        ("list", Value::List(vec![Value::Null, Value::Map(item(&[("a", Value::Number(1.into()))]))])),
        ("deep", (0..31).fold(Value::Null, |inner, _| Value::List(vec![inner]))),
        ("texts", Value::StringSet(["a".to_owned(), "b".to_owned()].into())),
        ("numbers", Value::NumberSet(["1.50".parse().unwrap()].into())),
        ("binaries", Value::BinarySet([vec![1], vec![2]].into())),
    ]
}

#[test]
fn the_template_is_a_function() {
    let modules = match build::modules() {
        Ok(modules) => modules,
        Err(why) => {
            println!("skipped: {why}");
            return;
        }
    };
    a_migration(&modules.migration);
    a_predicate(&modules.predicate);
}

fn a_migration(module: &[u8]) {
    let function = Function::load(module, Limits::default()).unwrap();
    assert_eq!(function.kind(), FunctionKind::Migration);
    let migrated = |before: &[(&str, Value)]| function.migrate(&item(before), &mut || true).outcome;

    let mut before = others();
    before.push(("name", text("Ada King Lovelace")));
    let mut after = others();
    after.extend([("first_name", text("Ada King")), ("last_name", text("Lovelace"))]);
    assert_eq!(migrated(&before), Migration::Migrated(item(&after)));
    assert_eq!(migrated(&after), Migration::Migrated(item(&after)));
    let refused = Migration::Refused { reason: "`name` is one word".to_owned() };
    assert_eq!(migrated(&[("name", text("Plato"))]), refused);

    // The largest item of DynamoDB's is within the limits.
    let large = [("name", text("A B")), ("large", text(&"x".repeat(400_000)))];
    let run = function.migrate(&item(&large), &mut || true);
    assert!(matches!(run.outcome, Migration::Migrated(_)), "{:?}", run.outcome);
    let many: Item = (0..900).map(|n| (format!("a{n}"), text(&"x".repeat(430)))).collect();
    let run = function.migrate(&many, &mut || true);
    assert!(matches!(run.outcome, Migration::Migrated(_)), "{:?}", run.outcome);
    println!("{} bytes; fuel of an item of 900 attributes and 400 KB: {}", module.len(), run.fuel);
}

fn a_predicate(module: &[u8]) {
    let function = Function::load(module, Limits { fuel: 1_000_000, ..Limits::default() }).unwrap();
    assert_eq!(function.kind(), FunctionKind::Predicate);
    let run = |amount: &str| function.judge(&item(&[("amount", text(amount))]), &mut || true);
    assert_eq!(run("x").outcome, Judgement::Judged(Truth::Unknown));
    assert_eq!(run("loop").outcome, Judgement::Failed(Failure::OutOfFuel));
    let panicked = run("panic");
    assert_eq!(panicked.outcome, Judgement::Failed(Failure::Trapped { trap: Trap::Unreachable }));
    assert!(panicked.log.lines().iter().any(|line| line.contains("an amount to panic at")));
    let judged = |amount: i64| {
        function.judge(&item(&[("amount", Value::Number(amount.into()))]), &mut || true).outcome
    };
    assert_eq!(judged(200), Judgement::Judged(Truth::True));
    assert_eq!(judged(250), Judgement::Judged(Truth::False));
}
