//! Hostile modules: each is contained, and each gets the answer that says what it did.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may panic")]

mod at_load;
mod calls;
mod mutated;
mod state;

use evercount_core::value::{Item, Value};
use evercount_sandbox::function::{Function, Refusal};
use evercount_sandbox::limits::Limits;
use evercount_sandbox::outcome::{Failure, Migration, OutputFault, Run, Trap};

/// What every good module has: memory, a place for the item in the second page, the ABI version; and the
/// beginning of an answer at 16.
const FRAME: &str = r#"
  (memory (export "memory") 4)
  (func (export "evercount_abi") (result i32) i32.const 1)
  (func (export "alloc") (param i32) (result i32) i32.const 65536)
  (data (i32.const 16) "{\"item\":")"#;

/// Answers the item as it is: what stands at 16, the item and a brace.
const ECHO: &str = r"
  (memory.copy (i32.const 24) (local.get 0) (local.get 1))
  (i32.store8 (i32.add (i32.const 24) (local.get 1)) (i32.const 125))
  (i64.or (i64.const 0x1000000000) (i64.extend_i32_u (i32.add (local.get 1) (i32.const 9))))";

fn migrate(body: &str) -> String {
    format!(r#"(func (export "migrate") (param i32 i32) (result i64) {body})"#)
}

/// A module of these parts.
fn module(parts: &[&str]) -> Vec<u8> {
    wat::parse_str(format!("(module {})", parts.join("\n"))).unwrap()
}

/// A good module but for what its migration does.
fn migration(body: &str) -> Vec<u8> {
    module(&[FRAME, &migrate(body)])
}

fn load(bytes: &[u8]) -> Result<Function, Refusal> {
    Function::load(bytes, limits())
}

/// As by default, with less fuel, so that what loops is soon stopped.
fn limits() -> Limits {
    Limits { fuel: 2_000_000, ..Limits::default() }
}

fn item() -> Item {
    [("id".to_owned(), Value::String("o-1".to_owned())), ("n".to_owned(), Value::Number(15.into()))].into()
}

fn run(bytes: &[u8]) -> Run<Migration> {
    load(bytes).unwrap().migrate(&item(), &mut || true)
}

/// What a migration with this body comes to.
fn outcome(body: &str) -> Migration {
    run(&migration(body)).outcome
}

fn trapped(trap: Trap) -> Migration {
    Migration::Failed(Failure::Trapped { trap })
}

fn bad(fault: OutputFault) -> Migration {
    Migration::Failed(Failure::BadOutput { fault })
}

#[test]
fn a_good_module_answers() {
    let run = run(&migration(ECHO));
    assert_eq!(run.outcome, Migration::Migrated(item()));
    assert!(run.fuel > 0 && run.fuel < 1_000, "{}", run.fuel);
}
