//! Purity: no state goes from one record to the next, and the same call is the same everywhere.

use std::collections::BTreeMap;
use std::sync::Arc;

use evercount_core::decimal::Decimal;
use evercount_core::function::{FunctionId, Functions};
use evercount_core::predicate::Truth;
use evercount_core::value::{Item, Value};
use evercount_sandbox::cache::{Cache, FUNCTIONS_MAX};
use evercount_sandbox::evaluator::{Evaluator, Failures};
use evercount_sandbox::function::{Function, Refusal, id_of};
use evercount_sandbox::limits::Limits;
use evercount_sandbox::outcome::{Failure, Migration, Run, Trap};
use proptest::prelude::*;

use super::{ECHO, FRAME, item, load, migrate, migration, module, run, trapped};

#[test]
fn a_global_keeps_nothing_between_records() {
    // Traps where it was called before.
    let body = migrate(&format!(
        "(if (global.get $called) (then unreachable)) (global.set $called (i32.const 1)) {ECHO}"
    ));
    let function = load(&module(&[FRAME, "(global $called (mut i32) (i32.const 0))", &body])).unwrap();
    for _ in 0..3 {
        assert_eq!(function.migrate(&item(), &mut || true).outcome, Migration::Migrated(item()));
    }
}

#[test]
fn memory_tables_and_segments_keep_nothing_between_records() {
    let once = [
        "(if (i32.load (i32.const 200000)) (then unreachable)) (i32.store (i32.const 200000) (i32.const 1))",
        "(if (i32.ne (memory.size) (i32.const 4)) (then unreachable)) (drop (memory.grow (i32.const 1)))",
        "(if (i32.eqz (ref.is_null (table.get 0 (i32.const 0)))) (then unreachable))
         (table.set 0 (i32.const 0) (ref.func 0))",
        "(memory.init $d (i32.const 200000) (i32.const 0) (i32.const 2)) (data.drop $d)",
    ];
    for stateful in once {
        let parts = "(table 1 funcref) (elem declare func 0) (data $d \"ab\")";
        let module = module(&[FRAME, parts, &migrate(&format!("{stateful} {ECHO}"))]);
        let function = load(&module).unwrap();
        for _ in 0..3 {
            assert_eq!(function.migrate(&item(), &mut || true).outcome, Migration::Migrated(item()));
        }
    }
}

#[test]
fn a_trap_leaves_the_next_call_alone() {
    // Traps for items of an odd length.
    let body = format!("(if (i32.and (local.get 1) (i32.const 1)) (then unreachable)) {ECHO}");
    let function = load(&migration(&body)).unwrap();
    let item = |text: &str| Item::from([("a".to_owned(), Value::String(text.to_owned()))]);
    for _ in 0..3 {
        let outcomes = ["x", "xx"].map(|text| function.migrate(&item(text), &mut || true).outcome);
        assert_eq!(outcomes, [trapped(Trap::Unreachable), Migration::Migrated(item("xx"))]);
    }
}

#[test]
fn a_function_may_be_called_by_several_threads() {
    let function = load(&migration(ECHO)).unwrap();
    let alone = function.migrate(&item(), &mut || true);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..50 {
                    assert_eq!(function.migrate(&item(), &mut || true), alone);
                }
            });
        }
    });
}

#[test]
fn nans_have_one_pattern() {
    // Two NaNs of other bits; what comes of them is compared as bits.
    let body = format!(
        "(if (i64.ne
           (i64.reinterpret_f64 (f64.div (f64.const 0) (f64.const 0)))
           (i64.reinterpret_f64 (f64.mul (f64.const nan:0x4000000000001) (f64.const -1))))
         (then unreachable)) {ECHO}"
    );
    assert_eq!(run(&migration(&body)).outcome, Migration::Migrated(item()));
}

#[test]
fn the_cache_forgets_what_was_used_least_recently() {
    let modules: Vec<Vec<u8>> =
        (0..=FUNCTIONS_MAX).map(|n| migration(&format!("(drop (i32.const {n})) {ECHO}"))).collect();
    let mut cache = Cache::default();
    let first = id_of(&modules[0]);
    for module in &modules {
        assert!(cache.is_empty() || cache.get(&first).is_some());
        let function = cache.load(&id_of(module), module, Limits::default()).unwrap();
        assert!(Arc::strong_count(&function) == 2);
    }
    assert_eq!(cache.len(), FUNCTIONS_MAX);
    assert!(cache.get(&first).is_some());
    assert!(cache.get(&id_of(&modules[1])).is_none());
}

#[test]
fn the_cache_remembers_that_a_module_is_not_fit() {
    let mut cache = Cache::default();
    let unfit = module(&[FRAME]);
    assert_eq!(cache.load(&id_of(&unfit), &unfit, Limits::default()).unwrap_err(), Refusal::NoKind);
    assert_eq!(cache.get(&id_of(&unfit)).unwrap().unwrap_err(), Refusal::NoKind);
    // Other bytes under an id say nothing of those that it is of.
    let good = migration(ECHO);
    assert!(matches!(cache.load(&id_of(&good), &unfit, Limits::default()), Err(Refusal::OtherBytes { .. })));
    assert!(cache.get(&id_of(&good)).is_none());
}

#[test]
fn an_evaluator_tallies_what_failed_and_tells_time_apart() {
    let odd = r#"(func (export "predicate") (param i32 i32) (result i32)
        (if (i32.and (local.get 1) (i32.const 1)) (then unreachable)) i32.const 1)"#;
    let functions: BTreeMap<FunctionId, Arc<Function>> = [module(&[FRAME, odd]), migration(ECHO)]
        .map(|module| (id_of(&module), Arc::new(load(&module).unwrap())))
        .into();
    let predicate = id_of(&module(&[FRAME, odd]));
    let item = |text: &str| Item::from([("a".to_owned(), Value::String(text.to_owned()))]);

    let evaluator = Evaluator::new(&functions, &|| true);
    assert_eq!(evaluator.judge(&predicate, &item("xx")), Some(Truth::True));
    assert_eq!(evaluator.judge(&predicate, &item("x")), None);
    assert_eq!(evaluator.judge(&predicate, &item("xyz")), None);
    assert_eq!(evaluator.judge(&FunctionId::of_digest([0; 32]), &item("xx")), None);
    assert_eq!(evaluator.migrate(&id_of(&migration(ECHO)), &item("x")), Ok(item("x")));
    assert!(!evaluator.timed_out());
    let first = Failure::Trapped { trap: Trap::Unreachable };
    assert_eq!(evaluator.into_failures(), [(predicate, Failures { calls: 2, first })].into());

    let late = Evaluator::new(&functions, &|| false);
    assert_eq!(late.judge(&predicate, &item("xx")), None);
    assert!(late.timed_out());
    assert!(late.into_failures().is_empty());
}

fn any_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::Bool),
        any::<i64>().prop_map(|n| Value::Number(n.into())),
        "[0-9]{1,20}\\.[0-9]{1,17}"
            .prop_map(|text| Value::Number(text.parse().unwrap_or_else(|_| Decimal::zero()))),
        any::<String>().prop_map(Value::String),
        any::<Vec<u8>>().prop_map(Value::Binary),
    ];
    leaf.prop_recursive(3, 16, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::List),
            prop::collection::btree_map(any::<String>(), inner, 0..4).prop_map(Value::Map),
        ]
    })
}

fn with_slices(module: &[u8], item: &Item, slice_fuel: u64) -> Run<Migration> {
    let limits = Limits { fuel: 20_000, slice_fuel, ..Limits::default() };
    Function::load(module, limits).unwrap().migrate(item, &mut || true)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_item_goes_through_a_module_unchanged(
        item in prop::collection::btree_map(any::<String>(), any_value(), 0..6),
    ) {
        let echo = load(&migration(ECHO)).unwrap();
        prop_assert_eq!(echo.migrate(&item, &mut || true).outcome, Migration::Migrated(item));
    }

    #[test]
    fn the_same_call_has_the_same_outcome_and_fuel_however_it_is_sliced(
        text in "[a-z]{0,200}",
        work in 0_u32..4_000,
        slice in 1_u64..3_000,
    ) {
        let item = Item::from([("a".to_owned(), Value::String(text))]);
        let body = format!(
            "(local i32) (local.set 2 (i32.const {work}))
             (block (loop (br_if 1 (i32.eqz (local.get 2)))
               (memory.fill (i32.const 190000) (local.get 2) (local.get 2))
               (if (i32.eqz (i32.rem_u (local.get 2) (i32.const 512))) (then (drop (memory.grow (i32.const 1)))))
               (local.set 2 (i32.sub (local.get 2) (i32.const 1))) (br 0))) {ECHO}"
        );
        let module = migration(&body);
        let whole = with_slices(&module, &item, u64::MAX);
        prop_assert_eq!(&with_slices(&module, &item, u64::MAX), &whole);
        prop_assert_eq!(&with_slices(&module, &item, slice), &whole);
    }
}
