//! Owns an invocation of the function runner: questions in, answers of functions of users out. It reads modules
//! where they are kept, and writes nothing.

use bytes::Bytes;
use evercount_core::order::Micros;
use evercount_pipeline::asking::{InProcess, Runner as _};
use evercount_pipeline::ports::{FunctionStore, StoreError};
use evercount_wire::asking::{AskingError, answers_json, read_questions};
use serde_json::value::RawValue;
use tokio::sync::Mutex;

/// How long questions are answered before what is left goes back, microseconds: whoever asked looks at its own
/// clock then, and asks again.
const ANSWERING: Micros = 5_000_000;

/// Why an invocation failed.
#[derive(Debug, thiserror::Error)]
pub enum RunnerError {
    /// It is not what an item counter asks.
    #[error(transparent)]
    Unknown(#[from] AskingError),
    /// Modules cannot be read.
    #[error("modules of functions cannot be read: {0}")]
    Store(#[from] StoreError),
}

/// Runs functions of users for item counters.
#[derive(Debug)]
pub struct FunctionRunner<S> {
    store: S,
    clock: fn() -> Micros,
    runner: Mutex<InProcess>,
}

impl<S: FunctionStore> FunctionRunner<S> {
    /// A runner of the functions of a store. `clock` gives the time in microseconds since the epoch.
    #[must_use]
    pub fn new(store: S, clock: fn() -> Micros) -> Self {
        Self { store, clock, runner: Mutex::default() }
    }

    /// Answers questions: the first one always, and others while there is time.
    ///
    /// # Errors
    /// [`RunnerError`]. What a function fails at is an answer.
    pub async fn handle_payload(&self, payload: Bytes) -> Result<Box<RawValue>, RunnerError> {
        let questions = read_questions(&payload)?;
        let mut runner = self.runner.lock().await;
        let until = (self.clock)().saturating_add(ANSWERING);
        let (first, rest) = questions.split_at(questions.len().min(1));
        // Boxed, as a counter's work is: with the store's calls inside, the type is too deep for the compiler.
        let mut answers = Box::pin(runner.ask(&self.store, first, &|| true)).await?;
        if !rest.is_empty() {
            let keep_going = || (self.clock)() < until;
            answers.extend(Box::pin(runner.ask(&self.store, rest, &keep_going)).await?);
        }
        // Numbers, and nothing of any item. What functions fail at is told by whoever asked.
        tracing::info!(questions = questions.len(), answered = answers.given.len(), "questions answered");
        Ok(answers_json(&answers)?)
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may panic")]
    use std::sync::LazyLock;
    use std::sync::atomic::{AtomicI64, Ordering};

    use evercount_core::function::{FunctionEntry, FunctionKind, FunctionName, Question};
    use evercount_core::predicate::Truth;
    use evercount_core::value::{Item, Value};
    use evercount_pipeline::memory::Memory;
    use evercount_sandbox::function::id_of;
    use evercount_wire::asking::{questions_json, read_answers};

    use super::*;

    /// Whatever the item is, it counts.
    static ALWAYS: LazyLock<Vec<u8>> = LazyLock::new(|| {
        let text = r#"(module (memory (export "memory") 1)
            (func (export "evercount_abi") (result i32) i32.const 1)
            (func (export "alloc") (param i32) (result i32) i32.const 1024)
            (func (export "predicate") (param i32 i32) (result i32) i32.const 1))"#;
        wat::parse_str(text).unwrap()
    });

    fn question(n: u32) -> Question {
        let item = Item::from([("n".to_owned(), Value::String(n.to_string()))]);
        Question { functions: [id_of(&ALWAYS)].into(), item }
    }

    async fn store() -> Memory {
        let store = Memory::default();
        let entry = FunctionEntry {
            name: FunctionName::parse("always").unwrap(),
            id: id_of(&ALWAYS),
            kind: FunctionKind::Predicate,
            abi: 1,
            description: String::new(),
            added_at: 0,
            examples: Vec::new(),
        };
        store.put_function(None, &entry, &ALWAYS).await.unwrap();
        store
    }

    #[tokio::test]
    async fn questions_are_answered_by_the_modules_of_the_store() {
        let runner = FunctionRunner::new(store().await, || 0);
        let asked = [question(1), question(2)];
        let answered = runner.handle_payload(questions_json(&asked, usize::MAX).0.into()).await.unwrap();
        let answers = read_answers(answered.get().as_bytes()).unwrap();
        assert_eq!(answers.given, vec![[(id_of(&ALWAYS), Truth::True)].into(); 2]);
        assert!(answers.unanswered.is_empty());
    }

    #[tokio::test]
    async fn where_there_is_no_time_the_first_question_is_answered_and_the_rest_goes_back() {
        static NOW: AtomicI64 = AtomicI64::new(0);
        let clock = || NOW.fetch_add(ANSWERING, Ordering::Relaxed);
        let runner = FunctionRunner::new(store().await, clock);
        let asked = [question(1), question(2)];
        let answered = runner.handle_payload(questions_json(&asked, usize::MAX).0.into()).await.unwrap();
        assert_eq!(read_answers(answered.get().as_bytes()).unwrap().given.len(), 1);
    }

    #[tokio::test]
    async fn a_module_that_is_not_there_is_told() {
        let runner = FunctionRunner::new(Memory::default(), || 0);
        let answered =
            runner.handle_payload(questions_json(&[question(1)], usize::MAX).0.into()).await.unwrap();
        let answers = read_answers(answered.get().as_bytes()).unwrap();
        assert_eq!(answers.given, [[].into()]);
        let unanswered = answers.unanswered.get(&id_of(&ALWAYS)).unwrap();
        assert_eq!(unanswered.because, "the store has no such module");
    }

    #[tokio::test]
    async fn what_asks_nothing_is_refused() {
        let runner = FunctionRunner::new(Memory::default(), || 0);
        let refused = runner.handle_payload(Bytes::from_static(b"{\"Records\":[]}")).await.unwrap_err();
        assert!(refused.to_string().starts_with("not what functions are asked"), "{refused}");
    }
}
