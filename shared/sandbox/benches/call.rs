//! What a call of a function costs beside the same migration made natively: instructions a call under
//! callgrind, which are the same on a busy machine, and CPU time in medians of interleaved rounds, which
//! is not. The function is the template's, over an item of twelve attributes; the native one is what a
//! step of Evercount's own would be.
//!
//! The benchmark runs itself under valgrind with two numbers of calls; the difference leaves out start-up
//! and loading. What needs valgrind or the WebAssembly target is left out where it is not installed, and
//! the table says so.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::indexing_slicing,
    reason = "a benchmark may panic and prints its table"
)]

#[path = "../tests/template/build.rs"]
mod build;

use std::fs;
use std::hint::black_box;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use evercount_core::value::{Item, Value};
use evercount_sandbox::function::Function;
use evercount_sandbox::limits::Limits;
use evercount_sandbox::outcome::{Failure, Migration};
use evercount_wire::json;

const ROUNDS: usize = 31;

/// Calls under callgrind: what differs between the two is theirs.
const CALLS: [u32; 2] = [5, 25];

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

/// What is measured, with the calls of a round.
const VARIANTS: [(&str, &str, u32); 7] = [
    ("native", "native, on the item", 2_000),
    ("json", "native, from JSON and to JSON", 2_000),
    ("echo", "a module that gives the item back", 500),
    ("reset", "17 pages copied, as a reset would", 100),
    ("predicate", "the template's predicate", 200),
    ("migration", "the template's migration", 200),
    ("load", "loading the template", 2),
];

/// Where the template's modules lie.
struct Built {
    folder: PathBuf,
}

impl Built {
    fn module(&self, name: &str) -> Option<Vec<u8>> {
        fs::read(self.folder.join(name)).ok()
    }
}

/// What a variant does; `None` where it needs a module that could not be built.
fn work(variant: &str, built: &Built) -> Option<Box<dyn FnMut()>> {
    let item = item();
    let load = |module: &[u8]| Function::load(module, Limits::default()).unwrap();
    Some(match variant {
        "native" => Box::new(move || drop(black_box(native(black_box(&item))))),
        "json" => Box::new(move || {
            let read = json::read_dynamodb_item(&json::dynamodb_json(black_box(&item))).unwrap();
            let migrated = native(&read).unwrap();
            drop(black_box(json::read_dynamodb_item(&json::dynamodb_json(&migrated))));
        }),
        "echo" => {
            let echo = load(&wat::parse_str(ECHO).unwrap());
            Box::new(move || drop(black_box(echo.migrate(black_box(&item), &mut || true))))
        }
        "reset" => {
            let (mut memory, fresh) = (vec![0_u8; 17 << 16], vec![1_u8; 17 << 16]);
            Box::new(move || {
                memory.copy_from_slice(black_box(&fresh));
                black_box(&mut memory);
            })
        }
        "predicate" => {
            let predicate = load(&built.module("predicate")?);
            Box::new(move || drop(black_box(predicate.judge(black_box(&item), &mut || true))))
        }
        "migration" => {
            let migration = load(&built.module("migration")?);
            let run = migration.migrate(&item, &mut || true);
            assert_eq!(Some(run.outcome), native(&item).map(Migration::Migrated));
            Box::new(move || drop(black_box(migration.migrate(black_box(&item), &mut || true))))
        }
        _ => {
            let module = built.module("migration")?;
            Box::new(move || drop(black_box(Function::load(black_box(&module), Limits::default()))))
        }
    })
}

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    if let [_, variant, calls, folder] = arguments.as_slice() {
        let mut work = work(variant, &Built { folder: folder.into() }).unwrap();
        (0..calls.parse::<u32>().unwrap()).for_each(|_| work());
        return;
    }
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("call-{}", std::process::id()));
    fs::create_dir_all(&folder).unwrap();
    match build::modules() {
        Ok(modules) => {
            fs::write(folder.join("migration"), modules.migration).unwrap();
            fs::write(folder.join("predicate"), modules.predicate).unwrap();
        }
        Err(why) => println!("the template is left out: {why}"),
    }
    let built = Built { folder };
    compare(&built);
    fs::remove_dir_all(&built.folder).unwrap();
}

/// A variant's nanoseconds a call, by rounds.
struct Timed {
    number: usize,
    work: Box<dyn FnMut()>,
    times: Vec<f64>,
}

fn compare(built: &Built) {
    let mut rounds: Vec<Timed> = VARIANTS
        .iter()
        .enumerate()
        .filter_map(|(number, (variant, ..))| {
            Some(Timed { number, work: work(variant, built)?, times: Vec::new() })
        })
        .collect();
    for _ in 0..ROUNDS {
        for Timed { number, work, times } in &mut rounds {
            let calls = VARIANTS[*number].2;
            let started = Instant::now();
            (0..calls).for_each(|_| work());
            times.push(started.elapsed().as_nanos() as f64 / f64::from(calls));
        }
    }
    let mut native: Option<(f64, Option<f64>)> = None;
    println!("{:<36} {:>14} {:>9} {:>12} {:>9}", "", "instructions", "native", "ns a call", "native");
    for Timed { number, times, .. } in &mut rounds {
        let (variant, what, _) = VARIANTS[*number];
        times.sort_by(f64::total_cmp);
        let (time, counted) = (times[times.len() / 2], instructions(variant, built));
        let (native_time, native_counted) = *native.get_or_insert((time, counted));
        let (told, ratio) = match (counted, native_counted) {
            (Some(counted), Some(native)) => (format!("{counted:.0}"), format!("{:.0}", counted / native)),
            _ => ("no valgrind".to_owned(), String::new()),
        };
        println!("{what:<36} {told:>14} {ratio:>9} {time:>12.0} {:>9.0}", time / native_time);
    }
    if let Some(module) = built.module("migration") {
        let fuel = Function::load(&module, Limits::default()).unwrap().migrate(&item(), &mut || true).fuel;
        println!("the template: {} bytes, fuel {fuel}", module.len());
    }
    println!("fuel burnt by a loop: {:.0} million a second", burning());
}

/// Instructions of a call; `None` where there is no valgrind.
fn instructions(variant: &str, built: &Built) -> Option<f64> {
    let [few, many] = CALLS.map(|calls| {
        let output = Command::new("valgrind")
            .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
            .arg(std::env::current_exe().ok()?)
            .args([variant, &calls.to_string()])
            .arg(&built.folder)
            .output()
            .ok()?;
        let told = String::from_utf8_lossy(&output.stderr).into_owned();
        told.lines().find(|line| line.contains("Collected"))?.rsplit(' ').next()?.parse::<f64>().ok()
    });
    Some((many? - few?) / f64::from(CALLS[1] - CALLS[0]))
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
