//! What a call of a function costs beside the same migration made natively: medians of interleaved
//! rounds of one run, so that a busy machine slows all of them. The function is the template's, over an
//! item of twelve attributes and of a large one; the native one is what a step of Evercount's own would
//! be. Skips what needs the WebAssembly target where it is not installed, and says so.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::indexing_slicing,
    reason = "a benchmark may panic and prints its table"
)]

#[path = "../tests/template/build.rs"]
mod build;

use std::hint::black_box;
use std::time::Instant;

use evercount_core::value::{Item, Value};
use evercount_sandbox::function::Function;
use evercount_sandbox::limits::Limits;
use evercount_sandbox::outcome::{Failure, Migration};
use evercount_wire::json;

const ROUNDS: usize = 31;

/// A module that answers the item as it is, so that what is left is the call itself.
const ECHO: &str = r#"(module
  (memory (export "memory") 17)
  (func (export "evercount_abi") (result i32) i32.const 1)
  (func (export "alloc") (param i32) (result i32) i32.const 524288)
  (data (i32.const 16) "{\"item\":")
  (func (export "migrate") (param i32 i32) (result i64)
    (memory.copy (i32.const 24) (local.get 0) (local.get 1))
    (i32.store8 (i32.add (i32.const 24) (local.get 1)) (i32.const 125))
    (i64.or (i64.const 0x1000000000) (i64.extend_i32_u (i32.add (local.get 1) (i32.const 9))))))"#;

fn text(text: &str) -> Value {
    Value::String(text.to_owned())
}

/// About 600 bytes in twelve attributes.
fn item() -> Item {
    let mut item: Item = (0..8).map(|n| (format!("attribute_{n}"), text(&"x".repeat(20)))).collect();
    item.insert("name".to_owned(), text("Ada King Lovelace"));
    item.insert("amount".to_owned(), Value::Number("123.45".parse().unwrap()));
    item.insert("tags".to_owned(), Value::List(vec![text("a"), text("b")]));
    item.insert("id".to_owned(), text("order-00000042"));
    item
}

/// What the template does, as a step of Evercount's own would.
fn native(item: &Item) -> Option<Item> {
    let mut item = item.clone();
    let Some(Value::String(name)) = item.remove("name") else { return Some(item) };
    let (first, last) = name.trim().rsplit_once(char::is_whitespace)?;
    item.insert("first_name".to_owned(), text(first.trim_end()));
    item.insert("last_name".to_owned(), text(last));
    Some(item)
}

/// Nanoseconds of a call, the median of all rounds.
struct Row<'a> {
    what: &'a str,
    calls: u32,
    run: Box<dyn FnMut() + 'a>,
    rounds: Vec<f64>,
}

impl Row<'_> {
    fn median(&self) -> f64 {
        let mut rounds = self.rounds.clone();
        rounds.sort_by(f64::total_cmp);
        rounds[rounds.len() / 2]
    }
}

fn row<'a>(what: &'a str, calls: u32, run: impl FnMut() + 'a) -> Row<'a> {
    Row { what, calls, run: Box::new(run), rounds: Vec::new() }
}

fn main() {
    let item = item();
    let echo = wat::parse_str(ECHO).unwrap();
    let echo = Function::load(&echo, Limits::default()).unwrap();
    let (mut memory, fresh) = (vec![0_u8; 17 << 16], vec![1_u8; 17 << 16]);
    let modules = build::modules();
    let loaded = |module: &Vec<u8>| Function::load(module, Limits::default()).unwrap();
    let template = modules.as_ref().map(|modules| loaded(&modules.migration));
    let predicate = modules.as_ref().map(|modules| loaded(&modules.predicate));

    let mut rows = vec![
        row("native, on the item", 2_000, || drop(black_box(native(black_box(&item))))),
        row("native, by way of JSON", 2_000, || {
            let read = json::read_dynamodb_item(&json::dynamodb_json(black_box(&item))).unwrap();
            let migrated = native(&read).unwrap();
            drop(black_box(json::read_dynamodb_item(&json::dynamodb_json(&migrated))));
        }),
        row("a module that gives the item back", 500, || {
            drop(black_box(echo.migrate(black_box(&item), &mut || true)));
        }),
        row("17 pages copied, as a reset would", 100, || {
            memory.copy_from_slice(black_box(&fresh));
            black_box(&mut memory);
        }),
    ];
    if let (Ok(template), Ok(predicate), Ok(modules)) = (&template, &predicate, &modules) {
        assert_eq!(
            Some(template.migrate(&item, &mut || true).outcome),
            native(&item).map(Migration::Migrated)
        );
        rows.push(row("the template's predicate", 200, || {
            drop(black_box(predicate.judge(black_box(&item), &mut || true)));
        }));
        rows.push(row("the template's migration", 200, || {
            drop(black_box(template.migrate(black_box(&item), &mut || true)));
        }));
        rows.push(row("loading the template", 2, || {
            drop(black_box(Function::load(black_box(&modules.migration), Limits::default())));
        }));
    }
    for _ in 0..ROUNDS {
        for row in &mut rows {
            let started = Instant::now();
            (0..row.calls).for_each(|_| (row.run)());
            row.rounds.push(started.elapsed().as_nanos() as f64 / f64::from(row.calls));
        }
    }
    let native = rows[0].median();
    println!("{:<40} {:>12} {:>10}", "", "ns a call", "native");
    for row in &rows {
        println!("{:<40} {:>12.0} {:>9.1}x", row.what, row.median(), row.median() / native);
    }
    match &template {
        Ok(template) => {
            let fuel = template.migrate(&item, &mut || true).fuel;
            println!("the template: {} bytes, fuel {fuel}", template.module_bytes());
        }
        Err(why) => println!("the template: skipped, {why}"),
    }
    println!("fuel burnt by a loop: {:.0} million a second", burning());
}

/// How much fuel a second burns, in millions.
fn burning() -> f64 {
    let parts = ECHO.split_once("(memory.copy").unwrap().0;
    let looping = format!(
        "{parts} (local i32) (loop (local.set 2 (i32.add (local.get 2) (i32.load (local.get 0)))) (br 0)) unreachable))"
    );
    let function = Function::load(&wat::parse_str(looping).unwrap(), Limits::default()).unwrap();
    let started = Instant::now();
    let run = function.migrate(&Item::new(), &mut || true);
    assert_eq!(run.outcome, Migration::Failed(Failure::OutOfFuel));
    run.fuel as f64 / 1e6 / started.elapsed().as_secs_f64()
}
