//! Modules that load, and misbehave when they are called.

use evercount_core::predicate::Truth;
use evercount_core::value::{Item, Value};
use evercount_sandbox::function::Function;
use evercount_sandbox::limits::{INPUT_BYTES_MAX, LOG_LINE_BYTES_MAX, LOG_LINES_MAX, Limits};
use evercount_sandbox::outcome::{Failure, Judgement, Migration, OutputFault, Trap};

use super::{ECHO, FRAME, bad, item, limits, load, migrate, migration, module, outcome, run, trapped};

#[test]
fn a_module_that_loops_is_stopped() {
    let run = run(&migration("(loop (br 0)) unreachable"));
    assert_eq!(run.outcome, Migration::Failed(Failure::OutOfFuel));
    assert!(run.fuel <= limits().fuel && run.fuel + 10 > limits().fuel, "{}", run.fuel);
}

#[test]
fn a_loop_within_alloc_is_stopped() {
    let frame = FRAME.replace("i32.const 65536)", "(loop (br 0)) unreachable)");
    assert_eq!(run(&module(&[&frame, &migrate(ECHO)])).outcome, Migration::Failed(Failure::OutOfFuel));
}

#[test]
fn a_loop_of_bulk_copies_is_stopped() {
    let fill = "(loop (memory.fill (i32.const 0) (i32.const 1) (i32.const 262144)) (br 0)) unreachable";
    assert_eq!(outcome(fill), Migration::Failed(Failure::OutOfFuel));
}

#[test]
fn a_module_is_stopped_when_the_time_is_up() {
    let looping = load(&migration("(loop (br 0)) unreachable")).unwrap();
    let mut looks = 0;
    let run = looking(&looping, &mut || {
        looks += 1;
        looks < 4
    });
    assert_eq!(run, Migration::Failed(Failure::TimedOut));
    assert_eq!(looks, 4);
    assert_eq!(looking(&looping, &mut || false), Migration::Failed(Failure::TimedOut));
}

fn looking(function: &Function, keep_going: &mut dyn FnMut() -> bool) -> Migration {
    function.migrate(&item(), keep_going).outcome
}

#[test]
fn deep_recursion_is_stopped() {
    let recursion = "(func $r (param i32) (result i32) (i32.add (call $r (local.get 0)) (i32.const 1)))";
    let body = migrate("(drop (call $r (i32.const 1))) unreachable");
    assert_eq!(run(&module(&[FRAME, recursion, &body])).outcome, trapped(Trap::StackOverflow));
    let wide = format!("(func $r (local {}) (call $r))", "i64 ".repeat(10_000));
    let body = migrate("(call $r) unreachable");
    assert_eq!(run(&module(&[FRAME, &wide, &body])).outcome, trapped(Trap::StackOverflow));
}

#[test]
fn mutual_recursion_by_tail_calls_runs_out_of_fuel() {
    let parts = "(func $a (return_call $b)) (func $b (return_call $a))";
    let module = module(&[FRAME, parts, &migrate("(call $a) unreachable")]);
    assert_eq!(run(&module).outcome, Migration::Failed(Failure::OutOfFuel));
}

#[test]
fn a_module_that_grows_its_memory_without_end_is_stopped() {
    let grow = "(loop (drop (memory.grow (i32.const 16))) (br 0)) unreachable";
    assert_eq!(outcome(grow), Migration::Failed(Failure::OutOfMemory));
    let at_once = "(drop (memory.grow (i32.const 65000))) unreachable";
    assert_eq!(outcome(at_once), Migration::Failed(Failure::OutOfMemory));
}

#[test]
fn a_module_may_grow_up_to_the_limit_and_write_there() {
    let body = format!(
        "(if (i32.ne (memory.grow (i32.const 508)) (i32.const 4)) (then unreachable))
         (i32.store (i32.const 33554428) (i32.const 1)) {ECHO}"
    );
    let function = Function::load(&migration(&body), Limits::default()).unwrap();
    assert_eq!(looking(&function, &mut || true), Migration::Migrated(item()));
}

#[test]
fn growing_beyond_a_maximum_of_its_own_is_the_modules_affair() {
    let frame = FRAME.replace("\"memory\") 4", "\"memory\") 4 5");
    let body = migrate(&format!(
        "(if (i32.ne (memory.grow (i32.const 2)) (i32.const -1)) (then unreachable)) {ECHO}"
    ));
    assert_eq!(run(&module(&[&frame, &body])).outcome, Migration::Migrated(item()));
}

#[test]
fn a_table_that_grows_without_end_is_stopped() {
    let grow = migrate("(loop (drop (table.grow (ref.null func) (i32.const 1000))) (br 0)) unreachable");
    let module = module(&[FRAME, "(table 1 funcref)", &grow]);
    assert_eq!(run(&module).outcome, Migration::Failed(Failure::OutOfMemory));
}

#[test]
fn traps_are_told_apart() {
    let arithmetic = |expression: &str| outcome(&format!("(drop {expression}) unreachable"));
    assert_eq!(outcome("unreachable"), trapped(Trap::Unreachable));
    assert_eq!(arithmetic("(i32.div_u (i32.const 1) (i32.const 0))"), trapped(Trap::DivisionByZero));
    assert_eq!(
        arithmetic("(i32.div_s (i32.const 0x80000000) (i32.const -1))"),
        trapped(Trap::IntegerOverflow)
    );
    assert_eq!(arithmetic("(i32.trunc_f64_s (f64.const nan))"), trapped(Trap::BadConversion));
    assert_eq!(arithmetic("(i32.load (i32.const -4))"), trapped(Trap::MemoryOutOfBounds));
    assert_eq!(
        outcome("(memory.fill (i32.const 0) (i32.const 0) (i32.const -1)) unreachable"),
        trapped(Trap::MemoryOutOfBounds)
    );
}

#[test]
fn indirect_calls_stay_within_the_table() {
    let call = |index: i32| {
        let body = migrate(&format!("(call_indirect (i32.const {index})) unreachable"));
        run(&module(&[FRAME, "(table 2 funcref) (elem (i32.const 0) 0)", &body])).outcome
    };
    assert_eq!(call(0), trapped(Trap::BadSignature));
    assert_eq!(call(1), trapped(Trap::CallToNull));
    assert_eq!(call(2), trapped(Trap::TableOutOfBounds));
    assert_eq!(call(-1), trapped(Trap::TableOutOfBounds));
}

#[test]
fn a_place_for_the_item_beyond_the_memory_is_refused() {
    let place = |place: &str| {
        let frame = FRAME.replace("i32.const 65536)", &format!("i32.const {place})"));
        run(&module(&[&frame, &migrate(ECHO)])).outcome
    };
    assert_eq!(place("0"), bad(OutputFault::NoPlace));
    assert_eq!(place("262144"), bad(OutputFault::InputOutOfBounds));
    assert_eq!(place("262140"), bad(OutputFault::InputOutOfBounds));
    assert_eq!(place("-1"), bad(OutputFault::InputOutOfBounds));
}

#[test]
fn an_item_placed_over_the_modules_own_data_harms_the_module_alone() {
    // Over the beginning of its answer.
    let frame = FRAME.replace("i32.const 65536)", "i32.const 16)");
    let module = module(&[&frame, &migrate(ECHO)]);
    assert_eq!(run(&module).outcome, bad(OutputFault::NotAnAnswer));
}

#[test]
fn an_answer_beyond_the_memory_is_refused() {
    assert_eq!(outcome("i64.const 0x0003FFFF00000002"), bad(OutputFault::OutOfBounds));
    assert_eq!(outcome("i64.const 0x0004000000000001"), bad(OutputFault::OutOfBounds));
    assert_eq!(outcome("i64.const 0x00000010FFFFFFFF"), bad(OutputFault::OutOfBounds));
    // Place and length that overflow 32 bits together.
    assert_eq!(outcome("i64.const 0xFFFFFFFFFFFFFFFF"), bad(OutputFault::OutOfBounds));
    assert_eq!(outcome("i64.const 0x8000000080000000"), bad(OutputFault::OutOfBounds));
}

#[test]
fn an_enormous_answer_is_refused_unread() {
    let body = "(drop (memory.grow (i32.const 100))) i64.const 0x0000001000300000";
    assert_eq!(outcome(body), bad(OutputFault::TooLong { bytes: 0x0030_0000 }));
}

/// What becomes of this text as an answer.
fn answered(text: &str) -> Migration {
    let length = wat_length(text);
    let body = migrate(&format!("i64.const {}", 64_u64 << 32 | length));
    run(&module(&[FRAME, &format!("(data (i32.const 64) \"{text}\")"), &body])).outcome
}

/// The bytes of a text of WAT's with escapes of three characters.
fn wat_length(text: &str) -> u64 {
    let escapes = text.matches('\\').count() as u64;
    text.len() as u64 - escapes * 2
}

#[test]
fn an_answer_that_is_none_is_refused() {
    assert_eq!(outcome("i64.const 0"), bad(OutputFault::NotAnAnswer));
    assert_eq!(answered("null"), bad(OutputFault::NotAnAnswer));
    assert_eq!(answered("{}"), bad(OutputFault::NotAnAnswer));
    assert_eq!(answered("\\ff\\fe{}"), bad(OutputFault::NotUtf8));
    assert_eq!(answered("{\\22item\\22:{},\\22refused\\22:\\22no\\22}"), bad(OutputFault::NotAnAnswer));
    assert_eq!(answered("{\\22item\\22:{},\\22item\\22:{}}"), bad(OutputFault::NotAnAnswer));
    assert_eq!(answered("{\\22item\\22:{},\\22more\\22:1}"), bad(OutputFault::NotAnAnswer));
    assert_eq!(answered("{\\22item\\22:{}} {}"), bad(OutputFault::NotAnAnswer));
    assert_eq!(answered(&"[".repeat(5_000)), bad(OutputFault::NotAnAnswer));
    let not_items = [
        "[]",
        "{\\22a\\22:1}",
        "{\\22a\\22:{\\22N\\22:\\22x\\22}}",
        "{\\22a\\22:{\\22N\\22:\\221e999\\22}}",
        "{\\22a\\22:{\\22S\\22:\\22\\22},\\22a\\22:{\\22S\\22:\\22\\22}}",
        "{\\22a\\22:{\\22UNAVAILABLE\\22:true}}",
    ];
    for text in not_items {
        let outcome = answered(&format!("{{\\22item\\22:{text}}}"));
        let refused =
            matches!(&outcome, Migration::Failed(Failure::BadOutput { fault: OutputFault::NotAnItem(_) }));
        assert!(refused, "{text}: {outcome:?}");
    }
}

#[test]
fn a_refusal_keeps_its_reason_within_bounds() {
    let refused = |reason: &str| Migration::Refused { reason: reason.to_owned() };
    assert_eq!(answered("{\\22refused\\22:\\22no zip\\22}"), refused("no zip"));
    assert_eq!(answered("{\\22refused\\22:\\22\\5cu001b[2J\\22}"), refused("\\u{1b}[2J"));
    let long = format!("{{\\22refused\\22:\\22{}\\22}}", "x".repeat(10_000));
    assert_eq!(answered(&long), refused(&"x".repeat(256)));
}

#[test]
fn a_truth_beyond_the_three_is_none() {
    let judged = |truth: i32| {
        let body = format!(r#"(func (export "predicate") (param i32 i32) (result i32) i32.const {truth})"#);
        load(&module(&[FRAME, &body])).unwrap().judge(&item(), &mut || true).outcome
    };
    assert_eq!(judged(0), Judgement::Judged(Truth::False));
    assert_eq!(judged(1), Judgement::Judged(Truth::True));
    assert_eq!(judged(2), Judgement::Judged(Truth::Unknown));
    for truth in [3, -1] {
        let fault = OutputFault::NotATruth(truth);
        assert_eq!(judged(truth), Judgement::Failed(Failure::BadOutput { fault }));
    }
}

const LOGGING: &str = r#"(import "evercount" "log" (func $log (param i32 i32)))"#;

#[test]
fn a_flood_of_log_lines_is_kept_within_bounds() {
    let flood = "(loop (call $log (i32.const 0) (i32.const 200000)) (br 0)) unreachable";
    let run = run(&module(&[LOGGING, FRAME, &migrate(flood)]));
    assert_eq!(run.outcome, Migration::Failed(Failure::OutOfFuel));
    assert_eq!(run.log.lines().len(), LOG_LINES_MAX);
    assert!(run.log.dropped() > 10_000);
    // Zeros, each of which is written as an escape.
    assert!(run.log.lines().iter().all(|line| line.len() <= LOG_LINE_BYTES_MAX * 6));
}

#[test]
fn a_log_line_beyond_the_memory_is_a_trap() {
    for (place, length) in [("0", "-1"), ("262144", "1"), ("-1", "-1")] {
        let body = format!("(call $log (i32.const {place}) (i32.const {length})) unreachable");
        let run = run(&module(&[LOGGING, FRAME, &migrate(&body)]));
        assert_eq!(run.outcome, trapped(Trap::LogOutOfBounds));
    }
}

#[test]
fn what_was_said_before_a_trap_is_kept() {
    let run = run(&module(&[
        LOGGING,
        FRAME,
        &migrate(
            "(call $log (i32.const 16) (i32.const 6)) (call $log (i32.const 0) (i32.const 0)) unreachable",
        ),
    ]));
    assert_eq!(run.outcome, trapped(Trap::Unreachable));
    assert_eq!(run.log.lines(), ["{\"item", ""]);
}

#[test]
fn an_item_that_cannot_be_handed_over_is_not_judged() {
    let echo = load(&migration(ECHO)).unwrap();
    let with = |value: Value| echo.migrate(&Item::from([("a".to_owned(), value)]), &mut || true).outcome;
    assert_eq!(with(Value::Unavailable), Migration::Failed(Failure::Unavailable));
    let nested = Value::Map([("b".to_owned(), Value::List(vec![Value::Unavailable]))].into());
    assert_eq!(with(nested), Migration::Failed(Failure::Unavailable));
    let long = with(Value::String("x".repeat(INPUT_BYTES_MAX)));
    assert!(matches!(long, Migration::Failed(Failure::ItemTooLong { .. })), "{long:?}");
}

#[test]
fn a_function_of_the_other_kind_answers_nothing() {
    let echo = load(&migration(ECHO)).unwrap();
    assert_eq!(echo.judge(&item(), &mut || true).outcome, Judgement::Failed(Failure::WrongKind));
}
