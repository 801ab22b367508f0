//! Modules that are refused before they see an item.

use std::time::Instant;

use evercount_core::function::FunctionKind;
use evercount_sandbox::function::{Function, Refusal, id_of};
use evercount_sandbox::limits::{Limits, MODULE_BYTES_MAX};
use evercount_sandbox::outcome::{Failure, Trap};

use super::{ECHO, FRAME, load, migrate, migration, module};

const PREDICATE: &str = r#"(func (export "predicate") (param i32 i32) (result i32) i32.const 1)"#;

fn refusal(parts: &[&str]) -> Refusal {
    load(&module(parts)).unwrap_err()
}

fn imports(import: &str) -> Refusal {
    refusal(&[import, FRAME, PREDICATE])
}

#[test]
fn a_kind_is_told_by_the_export() {
    assert_eq!(load(&migration(ECHO)).unwrap().kind(), FunctionKind::Migration);
    assert_eq!(load(&module(&[FRAME, PREDICATE])).unwrap().kind(), FunctionKind::Predicate);
    assert_eq!(refusal(&[FRAME]), Refusal::NoKind);
    assert_eq!(refusal(&[FRAME, &migrate(ECHO), PREDICATE]), Refusal::BothKinds);
}

#[test]
fn an_import_of_the_world_is_refused_by_name() {
    let refused = |module: &str, name: &str| Refusal::Imports { module: module.into(), name: name.into() };
    assert_eq!(
        imports(
            r#"(import "wasi_snapshot_preview1" "clock_time_get" (func (param i32 i64 i32) (result i32)))"#
        ),
        refused("wasi_snapshot_preview1", "clock_time_get")
    );
    assert_eq!(imports(r#"(import "env" "random" (func (result i32)))"#), refused("env", "random"));
    assert_eq!(refusal(&[r#"(import "env" "memory" (memory 1))"#, PREDICATE]), refused("env", "memory"));
    assert_eq!(imports(r#"(import "evercount" "log" (func (param i64)))"#), refused("evercount", "log"));
    assert_eq!(imports(r#"(import "evercount" "log" (global i32))"#), refused("evercount", "log"));
    assert_eq!(imports(r#"(import "evercount" "store" (func))"#), refused("evercount", "store"));
    assert_eq!(imports("(import \"e\\1bvil\" \"\" (func))"), refused("e\\u{1b}vil", ""));
}

#[test]
fn a_missing_export_is_named() {
    let abi = r#"(func (export "evercount_abi") (result i32) i32.const 1)"#;
    let alloc = r#"(func (export "alloc") (param i32) (result i32) i32.const 8)"#;
    let memory = r#"(memory (export "memory") 1)"#;
    assert_eq!(refusal(&[abi, alloc, PREDICATE]), Refusal::NoExport { name: "memory" });
    assert_eq!(refusal(&[memory, alloc, PREDICATE]), Refusal::NoExport { name: "evercount_abi" });
    assert_eq!(refusal(&[memory, abi, PREDICATE]), Refusal::NoExport { name: "alloc" });
    assert_eq!(load(&module(&[memory, abi, alloc, PREDICATE])).unwrap().kind(), FunctionKind::Predicate);
}

#[test]
fn an_export_of_another_type_is_refused() {
    let other = r#"(func (export "predicate") (param i32) (result i32) i32.const 1)"#;
    assert_eq!(refusal(&[FRAME, other]), Refusal::WrongType { name: "predicate" });
    let several = r#"(func (export "migrate") (param i32 i32) (result i32 i32) i32.const 1 i32.const 1)"#;
    assert_eq!(refusal(&[FRAME, several]), Refusal::WrongType { name: "migrate" });
    let global = r#"(global (export "migrate") i32 (i32.const 1))"#;
    assert_eq!(refusal(&[FRAME, global]), Refusal::WrongType { name: "migrate" });
}

#[test]
fn another_abi_version_is_refused() {
    let frame = FRAME.replace("(result i32) i32.const 1)", "(result i32) i32.const 2)");
    assert_eq!(refusal(&[&frame, PREDICATE]), Refusal::OtherAbi { found: 2 });
    let frame = FRAME.replace("(result i32) i32.const 1)", "(result i32) (loop (br 0)) i32.const 1)");
    assert_eq!(refusal(&[&frame, PREDICATE]), Refusal::CannotStart(Failure::OutOfFuel));
    let frame = FRAME.replace("(result i32) i32.const 1)", "(result i32) unreachable)");
    let trapped = Failure::Trapped { trap: Trap::Unreachable };
    assert_eq!(refusal(&[&frame, PREDICATE]), Refusal::CannotStart(trapped));
}

#[test]
fn a_start_function_is_refused_before_it_loops() {
    assert_eq!(refusal(&[FRAME, PREDICATE, "(func $s (loop (br 0))) (start $s)"]), Refusal::Starts);
}

#[test]
fn huge_initial_memory_is_refused() {
    for pages in [513, 65_536] {
        let frame = FRAME.replace("\"memory\") 4", &format!("\"memory\") {pages}"));
        assert_eq!(refusal(&[&frame, PREDICATE]), Refusal::TooMuchMemory { pages });
    }
}

#[test]
fn a_huge_table_is_refused() {
    let table = "(table 4000000000 funcref)";
    assert_eq!(refusal(&[FRAME, PREDICATE, table]), Refusal::CannotStart(Failure::OutOfMemory));
}

#[test]
fn segments_beyond_memory_or_table_are_refused() {
    let data = "(data (i32.const 262140) \"beyond\")";
    let beyond = |trap| Refusal::CannotStart(Failure::Trapped { trap });
    assert_eq!(refusal(&[FRAME, PREDICATE, data]), beyond(Trap::MemoryOutOfBounds));
    let elements = "(table 1 funcref) (elem (i32.const 1) 0)";
    assert_eq!(refusal(&[FRAME, PREDICATE, elements]), beyond(Trap::TableOutOfBounds));
}

#[test]
fn a_huge_data_segment_is_too_long_a_module() {
    let data = format!("(data \"{}\")", "x".repeat(MODULE_BYTES_MAX));
    assert!(matches!(refusal(&[FRAME, PREDICATE, &data]), Refusal::TooLong { .. }));
}

#[test]
fn too_many_of_anything_is_refused() {
    let many = |what: &str, n: usize| refusal(&[FRAME, PREDICATE, &what.repeat(n)]);
    assert!(matches!(many("(func)", 10_001), Refusal::TooMuch { .. }));
    assert!(matches!(many("(global i32 (i32.const 0))", 1_001), Refusal::TooMuch { .. }));
    assert!(matches!(many("(data \"\")", 1_001), Refusal::TooMuch { .. }));
    assert!(matches!(many("(table 1 funcref)", 2), Refusal::CannotStart(_)));
    let parameters = format!("(func (param {}))", "i32 ".repeat(33));
    assert!(matches!(many(&parameters, 1), Refusal::TooMuch { .. }));
    assert!(matches!(many("(memory 1)", 1), Refusal::Invalid { .. } | Refusal::TooMuch { .. }));
}

/// Loads what should be hard to translate, and says how long that took.
fn hard(what: &str, parts: &[&str]) -> Result<Function, Refusal> {
    let bytes = module(parts);
    let started = Instant::now();
    let loaded = load(&bytes);
    println!("{what}: {} bytes, {:?}, {:?}", bytes.len(), started.elapsed(), loaded.as_ref().err());
    assert!(started.elapsed().as_secs() < 20, "{what}");
    loaded
}

#[test]
fn a_module_of_millions_of_locals_is_refused_before_it_is_translated() {
    let locals = format!("(func (local {}))", "i64 ".repeat(30_000));
    let refused = hard("locals beyond the limit", &[FRAME, PREDICATE, &locals.repeat(34)]);
    assert!(matches!(refused, Err(Refusal::TooMuch { .. })));
    assert!(hard("locals", &[FRAME, PREDICATE, &locals.repeat(33)]).is_ok());
}

#[test]
fn modules_that_are_hard_to_translate_take_bounded_time() {
    let results = "i32 ".repeat(32);
    let zeros = "i32.const 0 ".repeat(33);
    let targets = "0 1 ".repeat(32_000);
    let drops = "drop ".repeat(32);
    let branch = format!(
        "(func (block (result {results}) (block (result {results}) {zeros} br_table {targets} 0)) {drops})"
    );
    let branches = branch.repeat(15);
    let _ = hard("branches", &[FRAME, PREDICATE, &branches]);
    let nested = format!("(func {} {})", "block ".repeat(200_000), "end ".repeat(200_000));
    let _ = hard("nested blocks", &[FRAME, PREDICATE, &nested]);
    let ifs = format!("(func {} {})", "i32.const 1 if ".repeat(100_000), "end ".repeat(100_000));
    let _ = hard("nested conditions", &[FRAME, PREDICATE, &ifs]);
    let operands = format!("(func {} {})", "i32.const 1 ".repeat(100_000), "drop ".repeat(100_000));
    let _ = hard("a high stack", &[FRAME, PREDICATE, &operands]);
    let copies = format!(
        "(func (param i32) {} {})",
        "local.get 0 ".repeat(20_000),
        "block local.get 0 i32.eqz local.set 0 end ".repeat(20_000) + &"drop ".repeat(20_000)
    );
    let _ = hard("locals on the stack", &[FRAME, PREDICATE, &copies]);
    let functions = "(func (local i32) i32.const 1000000 i32.const 1000000 i32.add i32.const 10000 i32.add local.get 0 i32.add local.get 0 i32.add local.get 0 i32.add local.get 0 i32.add local.get 0 i32.add local.get 0 i32.add local.get 0 i32.add local.set 0)";
    let _ = hard("many functions", &[FRAME, PREDICATE, &functions.repeat(9_900)]);
}

#[test]
fn what_is_beyond_the_profile_is_refused() {
    let invalid = |part: &str| matches!(refusal(&[FRAME, PREDICATE, part]), Refusal::Invalid { .. });
    assert!(invalid("(func (result v128) (v128.const i64x2 0 0))"));
    assert!(invalid("(func (result i32) (i32.atomic.load (i32.const 0)))"));
    assert!(matches!(
        load(&module(&[
            r#"(memory (export "memory") i64 1)"#,
            r#"(func (export "evercount_abi") (result i32) i32.const 1)"#,
            r#"(func (export "alloc") (param i32) (result i32) i32.const 8)"#,
            PREDICATE
        ])),
        Err(Refusal::Invalid { .. })
    ));
    assert!(matches!(load(b""), Err(Refusal::Invalid { .. })));
    assert!(matches!(load(b"{\"not\":\"wasm\"}"), Err(Refusal::Invalid { .. })));
}

#[test]
fn bytes_that_were_changed_are_refused() {
    let (good, other) = (migration(ECHO), migration("unreachable"));
    assert!(Function::load_as(&id_of(&good), &good, Limits::default()).is_ok());
    let refused = Function::load_as(&id_of(&good), &other, Limits::default()).unwrap_err();
    assert_eq!(refused, Refusal::OtherBytes { found: id_of(&other) });
}
