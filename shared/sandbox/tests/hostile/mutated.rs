//! Modules that were cut or changed at random: whatever they have become, there is a typed answer.

use evercount_sandbox::function::{Function, Refusal};
use evercount_sandbox::limits::Limits;
use evercount_sandbox::outcome::{Failure, Migration};
use proptest::prelude::*;

use super::{ECHO, FRAME, item, migrate, module};

/// A module with one of everything.
fn whole() -> Vec<u8> {
    module(&[
        r#"(import "evercount" "log" (func $log (param i32 i32)))"#,
        FRAME,
        "(table 4 funcref) (elem (i32.const 0) $f $g) (global $n (mut i64) (i64.const 7))
         (data $d \"passive\")
         (func $f (param i32) (result i32) (i32.mul (local.get 0) (i32.const 3)))
         (func $g (param i32) (result i32) (local f64 i64)
           (local.set 1 (f64.sqrt (f64.convert_i32_s (local.get 0))))
           (global.set $n (i64.add (global.get $n) (i64.const 1)))
           (block (block (br_table 0 1 (local.get 0))))
           (i32.trunc_sat_f64_u (local.get 1)))",
        &migrate(&format!(
            "(call $log (i32.const 16) (i32.const 7))
             (drop (call_indirect (param i32) (result i32) (local.get 1) (i32.const 1)))
             (memory.init $d (i32.const 1000) (i32.const 0) (i32.const 7))
             (drop (memory.grow (i32.const 1)))
             {ECHO}"
        )),
    ])
}

/// Loads and calls what bytes have become.
fn survive(bytes: &[u8]) -> Result<(), TestCaseError> {
    let limits = Limits { fuel: 100_000, slice_fuel: 1_000, memory_pages: 64 };
    match Function::load(bytes, limits) {
        Err(refusal) => prop_assert_ne!(refusal, Refusal::CannotStart(Failure::Interpreter)),
        Ok(function) => {
            let run = function.migrate(&item(), &mut || true);
            prop_assert_ne!(run.outcome, Migration::Failed(Failure::Interpreter));
            prop_assert!(run.fuel <= limits.fuel);
        }
    }
    Ok(())
}

#[test]
fn the_module_is_good_before_it_is_changed() {
    let function = Function::load(&whole(), Limits::default()).unwrap();
    assert_eq!(function.migrate(&item(), &mut || true).outcome, Migration::Migrated(item()));
}

#[test]
fn a_module_cut_anywhere_is_refused() {
    let whole = whole();
    for length in 0..whole.len() {
        if let Ok(function) = Function::load(&whole[..length], Limits::default()) {
            // Names for debuggers stand last, and nothing needs them.
            assert!(whole[length..].windows(4).any(|bytes| bytes == b"name"), "{length}");
            assert_eq!(function.migrate(&item(), &mut || true).outcome, Migration::Migrated(item()));
        }
    }
}

#[test]
fn what_stands_after_a_functions_end_is_not_translated() {
    // The interpreter alone panics at it, or worse: some of its checks are off in a release.
    let mut bytes = module(&[FRAME, &migrate("i64.const 77 nop nop")]);
    let (nops, constant) = ([0xcd, 0x00, 0x01, 0x01, 0x0b], [0xcd, 0x00, 0x0b, 0x41, 0x00]);
    let place = bytes.windows(5).position(|found| found == nops).unwrap();
    bytes[place..place + 5].copy_from_slice(&constant);
    assert!(matches!(Function::load(&bytes, Limits::default()), Err(Refusal::Invalid { .. })));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 3_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_changed_module_has_a_typed_answer(
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
    ) {
        let mut bytes = whole();
        for (place, byte) in changes {
            let place = place.index(bytes.len());
            bytes[place] = byte;
        }
        survive(&bytes)?;
    }

    #[test]
    fn a_module_with_a_hole_or_a_graft_has_a_typed_answer(
        from in any::<prop::sample::Index>(),
        length in 0_usize..40,
        graft in prop::collection::vec(any::<u8>(), 0..40),
    ) {
        let mut bytes = whole();
        let from = from.index(bytes.len());
        let to = (from + length).min(bytes.len());
        bytes.splice(from..to, graft);
        survive(&bytes)?;
    }
}
