//! The same transaction sent twice at once under one token: the one that comes second finds what the first made,
//! and is told so where its condition does not hold for that very reason.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, Ordering};

use evercount_core::change::{RowIdentity, RowKey, TableName};
use evercount_core::function::NoFunctions;
use evercount_core::mutation::once::Once;
use evercount_core::mutation::settings::MutationSettings;
use evercount_core::mutation::{ConditionFailed, Intent, Kind};
use evercount_core::value::{Item, Value};
use evercount_pipeline::memory::Memory;
use evercount_pipeline::mutate::together::{self, Applied};
use evercount_pipeline::mutate::{Agent, Request, Warm};
use evercount_pipeline::ports::{CountedTable, ItemWrite, StoreError, TableWrite};

/// A table in which somebody else's transaction is carried out just before its item is first read.
struct Raced<'a> {
    memory: &'a Memory,
    theirs: Once,
    first: AtomicBool,
}

impl CountedTable for Raced<'_> {
    async fn item(&self, row: &RowKey) -> Result<Option<Item>, StoreError> {
        if self.first.swap(false, Ordering::Relaxed) {
            let made = ItemWrite { from: None, to: Some(item()), absent: BTreeSet::new(), replaces: false };
            let write = TableWrite { row: row.clone(), item: Some(made), beside: None };
            self.memory.write_all(&[write], Some(&self.theirs)).await?;
        }
        self.memory.item(row).await
    }

    async fn write(&self, write: &TableWrite) -> Result<(), StoreError> {
        self.memory.write(write).await
    }

    async fn write_all(&self, writes: &[TableWrite], once: Option<&Once>) -> Result<(), StoreError> {
        self.memory.write_all(writes, once).await
    }

    async fn carried_out(&self, token: &str) -> Result<Option<Once>, StoreError> {
        self.memory.carried_out(token).await
    }
}

/// A put with the condition that there is no such item.
struct PutNew;

impl Intent for PutNew {
    fn kind(&self) -> Kind {
        Kind::Put
    }

    fn after(&self, before: Option<&Item>) -> Result<Option<Item>, ConditionFailed> {
        if before.is_some() { Err(ConditionFailed) } else { Ok(Some(item())) }
    }

    fn stated(&self) -> Item {
        item()
    }

    fn depends_on(&self, _: &str) -> bool {
        true
    }
}

fn item() -> Item {
    Item::from([("id".to_owned(), Value::String("1".to_owned()))])
}

async fn told(theirs: &Once, ours: &Once) -> Applied {
    let memory = Memory::default();
    let table = Raced { memory: &memory, theirs: theirs.clone(), first: AtomicBool::new(true) };
    let (settings, written) = (MutationSettings::default(), BTreeMap::new());
    let agent = Agent {
        registry: &memory,
        store: &memory,
        table: &table,
        settings: &settings,
        written: &written,
        functions: &NoFunctions,
    };
    let row = RowKey { table: TableName::new("orders"), identity: RowIdentity::Key("{\"id\":\"1\"}".into()) };
    let key = item();
    let request = Request { row: &row, key: &key, intent: &PutNew, declared: None, expected: None };
    together::run(&agent, &Warm::default(), &[request], Some(ours), 0).await.unwrap()
}

#[tokio::test]
async fn who_comes_second_under_a_token_is_told_what_the_first_did_and_not_that_a_condition_failed() {
    let once = |token: &str, request| Once { token: token.to_owned(), request, at: 0 };
    assert_eq!(told(&once("one", 1), &once("one", 1)).await, Applied::Before);
    assert_eq!(told(&once("one", 2), &once("one", 1)).await, Applied::OtherRequest);
    let refused = told(&once("two", 1), &once("one", 1)).await;
    assert!(matches!(&refused, Applied::Now(all) if all.refused().is_some()), "{refused:?}");
}
