//! What somebody else makes in between: it is not taken for a write whose reply was lost, to a table whose items
//! carry no versions; and where it is the same request under the same token, nobody is refused for it.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test may panic")]

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, Ordering};

use evercount_core::change::{RowIdentity, RowKey, TableName};
use evercount_core::decimal::Decimal;
use evercount_core::function::NoFunctions;
use evercount_core::migration::graph::Migration;
use evercount_core::mutation::once::Once;
use evercount_core::mutation::settings::MutationSettings;
use evercount_core::mutation::{ConditionFailed, Intent, Kind, Mutation};
use evercount_core::path::Path;
use evercount_core::value::{Item, Value};
use evercount_pipeline::memory::Memory;
use evercount_pipeline::mutate::together::{self, Applied};
use evercount_pipeline::mutate::{self, Agent, Mutated, Request, Warm};
use evercount_pipeline::ports::{CountedTable, ItemWrite, StoreError, TableWrite};

/// A table of which the first write gets no reply, and before the second call somebody else writes.
struct Lossy<'a> {
    memory: &'a Memory,
    is_made: bool,
    theirs: Option<Item>,
    first: AtomicBool,
}

impl CountedTable for Lossy<'_> {
    async fn item(&self, row: &RowKey) -> Result<Option<Item>, StoreError> {
        self.memory.item(row).await
    }

    async fn write(&self, write: &TableWrite) -> Result<(), StoreError> {
        self.write_all(std::slice::from_ref(write), None).await
    }

    async fn write_all(&self, writes: &[TableWrite], once: Option<&Once>) -> Result<(), StoreError> {
        if !self.first.swap(false, Ordering::Relaxed) {
            return self.memory.write_all(writes, once).await;
        }
        if self.is_made {
            self.memory.write_all(writes, once).await?;
        }
        if let Some(theirs) = &self.theirs {
            self.memory.tamper(|state| drop(state.items.insert(row(), theirs.clone())));
        }
        Err(StoreError::Unavailable("no reply".to_owned()))
    }

    async fn carried_out(&self, token: &str) -> Result<Option<Once>, StoreError> {
        self.memory.carried_out(token).await
    }
}

/// `SET n = n + 1`.
struct CountUp;

impl Intent for CountUp {
    fn kind(&self) -> Kind {
        Kind::Update
    }

    fn after(&self, before: Option<&Item>) -> Result<Option<Item>, ConditionFailed> {
        let Some(Value::Number(n)) = before.and_then(|item| item.get("n")) else {
            return Err(ConditionFailed);
        };
        let n: i64 = n.to_string().parse().map_err(|_| ConditionFailed)?;
        Ok(Some(item(n + 1)))
    }

    fn stated(&self) -> Item {
        Item::new()
    }

    fn depends_on(&self, attribute: &str) -> bool {
        attribute == "n"
    }
}

fn row() -> RowKey {
    let identity = RowIdentity::Key("{\"id\":\"1\"}".into());
    RowKey { table: TableName::new("orders"), identity }
}

fn key() -> Item {
    Item::from([("id".to_owned(), Value::String("1".to_owned()))])
}

fn item(n: i64) -> Item {
    key().into_iter().chain([("n".to_owned(), Value::Number(Decimal::from(n)))]).collect()
}

/// What tables allow, and migrations that somebody wrote.
type Setting = (MutationSettings, BTreeMap<TableName, Vec<Migration>>);

fn agent<'a, T>(
    memory: &'a Memory,
    table: &'a T,
    (settings, written): &'a Setting,
) -> Agent<'a, Memory, Memory, T> {
    Agent { registry: memory, store: memory, table, settings, written, functions: &NoFunctions }
}

/// What is told of a mutation of an item that counts 5, alone and in a transaction, and what the item is.
async fn told(intent: &dyn Intent, is_made: bool, theirs: Option<Item>) -> (Result<(), StoreError>, Item) {
    let mut all = Vec::new();
    for is_together in [false, true] {
        let memory = Memory::default();
        let from_nothing =
            ItemWrite { from: None, to: Some(item(5)), absent: BTreeSet::new(), replaces: false };
        let first = TableWrite { row: row(), item: Some(from_nothing), beside: None };
        memory.write(&first).await.unwrap();
        let table = Lossy { memory: &memory, is_made, theirs: theirs.clone(), first: AtomicBool::new(true) };
        let setting = (MutationSettings::default(), BTreeMap::new());
        let agent = agent(&memory, &table, &setting);
        let (row, key) = (row(), key());
        let request = Request { row: &row, key: &key, intent, declared: None, expected: None };
        let warm = Warm::default();
        let done = |mutated: &Mutated| mutated.outcome.clone().map(drop).unwrap();
        let result = match is_together {
            false => mutate::run(&agent, &warm, &request, 0).await.map(|one| done(&one)),
            true => together::run(&agent, &warm, &[request], None, 0).await.map(|applied| match applied {
                Applied::Now(all) => all.0.iter().for_each(done),
                other => panic!("nobody sent a token, and it is {other:?}"),
            }),
        };
        all.push((result, memory.item(&row).await.unwrap().unwrap()));
    }
    assert_eq!(all.first(), all.last());
    all.remove(0)
}

#[tokio::test]
async fn one_more_is_not_taken_for_the_one_more_of_somebody_else() {
    let (result, stands) = told(&CountUp, false, Some(item(6))).await;
    assert!(matches!(result, Err(StoreError::Unavailable(_))), "{result:?}");
    assert_eq!(stands, item(6));
    // Where it was made nobody can tell either.
    let (result, stands) = told(&CountUp, true, None).await;
    assert!(matches!(result, Err(StoreError::Unavailable(_))), "{result:?}");
    assert_eq!(stands, item(6));
}

#[tokio::test]
async fn what_would_change_nothing_once_more_stands() {
    let set = Mutation::Update {
        key: key(),
        set: BTreeMap::from([(Path::column("n"), Value::Number(Decimal::from(9)))]),
        remove: BTreeSet::new(),
    };
    for (is_made, theirs) in [(true, None), (false, Some(item(9)))] {
        assert_eq!(told(&set, is_made, theirs).await, (Ok(()), item(9)));
    }
}

/// A put whose condition fails, because by the time of its decision another transaction was carried out.
struct Overtaken<'a> {
    memory: &'a Memory,
    theirs: Once,
}

impl Intent for Overtaken<'_> {
    fn kind(&self) -> Kind {
        Kind::Put
    }

    fn after(&self, _: Option<&Item>) -> Result<Option<Item>, ConditionFailed> {
        let theirs = self.theirs.clone();
        self.memory.tamper(|state| drop(state.carried_out.insert(theirs.token.clone(), theirs)));
        Err(ConditionFailed)
    }

    fn stated(&self) -> Item {
        item(0)
    }

    fn depends_on(&self, _: &str) -> bool {
        true
    }
}

async fn told_under_a_token(theirs: &Once, ours: &Once) -> Applied {
    let memory = Memory::default();
    let intent = Overtaken { memory: &memory, theirs: theirs.clone() };
    let setting = (MutationSettings::default(), BTreeMap::new());
    let agent = agent(&memory, &memory, &setting);
    let (row, key) = (row(), key());
    let request = Request { row: &row, key: &key, intent: &intent, declared: None, expected: None };
    together::run(&agent, &Warm::default(), &[request], Some(ours), 0).await.unwrap()
}

#[tokio::test]
async fn who_comes_second_under_a_token_is_told_what_the_first_did_and_not_that_a_condition_failed() {
    let once = |token: &str, request| Once { token: token.to_owned(), request, at: 0 };
    assert_eq!(told_under_a_token(&once("one", 1), &once("one", 1)).await, Applied::Before);
    assert_eq!(told_under_a_token(&once("one", 2), &once("one", 1)).await, Applied::OtherRequest);
    let refused = told_under_a_token(&once("two", 1), &once("one", 1)).await;
    assert!(matches!(&refused, Applied::Now(all) if all.refused().is_some()), "{refused:?}");
}
