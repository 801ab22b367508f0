//! A function that somebody wrote, for runs in which counts ask one, and whoever runs it for them.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock};

use evercount_core::function::{
    Answers, FunctionEntry, FunctionId, FunctionKind, FunctionName, Question, with_answers,
};
use evercount_core::logic::{LogicVersion, TableLogic};
use evercount_core::value::Item;
use evercount_pipeline::asking::{InProcess, Runner};
use evercount_pipeline::memory::Memory;
use evercount_pipeline::ports::{FunctionStore, StoreError};
use evercount_sandbox::evaluator::Evaluator;
use evercount_sandbox::function::{Function, id_of};
use evercount_sandbox::limits::Limits;

use super::chaos::Chaos;
use super::world::ready;

/// Questions of one call, and calls until what is answered is to be counted: together fewer than a batch has.
const QUESTIONS: usize = 3;
const CALLS: usize = 3;

/// Runs functions elsewhere: some questions at a time, and each time others act before, or nobody answers.
#[derive(Clone, Debug)]
pub struct Elsewhere {
    runner: InProcess,
    /// The wrong design: answers are taken in the order in which they are ready.
    as_ready: bool,
}

impl Elsewhere {
    /// Whoever answers in the order of the questions; or, which is wrong, in that in which answers are ready.
    #[must_use]
    pub fn new(as_ready: bool) -> Self {
        Self { runner: InProcess::default(), as_ready }
    }
}

impl Runner<Chaos> for Elsewhere {
    async fn ask(
        &mut self,
        store: &Chaos,
        questions: &[Question],
        keep_going: &impl Fn() -> bool,
    ) -> Result<Answers, StoreError> {
        let mut answers = Answers::default();
        for some in questions.chunks(QUESTIONS).take(CALLS) {
            if !keep_going() {
                break;
            }
            store.step().await?;
            let mut further = self.runner.ask(store, some, &|| true).await?;
            if self.as_ready {
                further.given.reverse();
            }
            answers.extend(further);
        }
        Ok(answers)
    }
}

/// Judges an item by two attributes that no change of the shape touches, one of which no condition reads: by the
/// first digit of `amount`, which is the first attribute, and the letter of `note`. Odd is true, even is false, and
/// what seven divides is unknown.
const TEXT: &str = r#"(module (memory (export "memory") 1)
  (func (export "evercount_abi") (result i32) i32.const 1)
  (func (export "alloc") (param i32) (result i32) i32.const 1024)
  (func (export "predicate") (param $at i32) (param $left i32) (result i32) (local $sum i32)
    (local.set $sum (i32.load8_u offset=16 (local.get $at)))
    (block $end
      (loop $next
        (br_if $end (i32.eqz (local.get $left)))
        (if (i64.eq (i64.load (local.get $at)) (i64.const 0x7b3a2265746f6e22)) ;; "note":{
          (then (local.set $sum (i32.add (local.get $sum) (i32.load8_u offset=13 (local.get $at))))))
        (local.set $at (i32.add (local.get $at) (i32.const 1)))
        (local.set $left (i32.sub (local.get $left) (i32.const 1)))
        (br $next)))
    (if (result i32) (i32.eqz (i32.rem_u (local.get $sum) (i32.const 7)))
      (then (i32.const 2))
      (else (i32.and (local.get $sum) (i32.const 1))))))"#;

static MODULE: LazyLock<Vec<u8>> =
    LazyLock::new(|| wat::parse_str(TEXT).unwrap_or_else(|error| unreachable!("{error}")));

static LOADED: LazyLock<BTreeMap<FunctionId, Arc<Function>>> = LazyLock::new(|| {
    let loaded = Function::load(&MODULE, Limits::default());
    let function = loaded.unwrap_or_else(|error| unreachable!("{error}"));
    BTreeMap::from([(id_of(&MODULE), Arc::new(function))])
});

/// A condition that asks it.
#[must_use]
pub fn condition() -> String {
    format!("\"{}\" = true", id_of(&MODULE).path())
}

/// Adds it to a store.
pub fn add_to(memory: &Memory) {
    let entry = FunctionEntry {
        name: FunctionName::parse("odd").unwrap_or_else(|| unreachable!("`odd` is a name")),
        id: id_of(&MODULE),
        kind: FunctionKind::Predicate,
        abi: 1,
        description: String::new(),
        examples: Vec::new(),
        added_at: 0,
    };
    let added = ready(memory.put_function(None, &entry, &MODULE));
    debug_assert_eq!(added, Some(Ok(())));
}

/// An image as a version has it judged: with the answers of the functions that it asks.
#[must_use]
pub fn answered<'a>(version: &LogicVersion, image: &'a Item) -> Cow<'a, Item> {
    let alone = TableLogic { live: vec![Arc::new(version.clone())], ..TableLogic::default() };
    with_answers(&Evaluator::new(&LOADED, &|| true), &alone.functions(), image)
}
