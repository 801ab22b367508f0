//! Stores of functions, held to their contract; what only a folder can do wrong; and a function that is
//! added while records come.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

// The contract stands with those of other stores, so that a store on AWS is held to the same.
#[path = "../../../tests/src/contract/functions.rs"]
mod contract;

use std::fs;

use evercount_core::function::{FunctionEntry, FunctionId, FunctionKind, FunctionName, Functions as _};
use evercount_core::predicate::Truth;
use evercount_core::value::Item;
use evercount_pipeline::function_folder::FunctionFolder;
use evercount_pipeline::functions::{NotAtHand, bring};
use evercount_pipeline::memory::Memory;
use evercount_pipeline::ports::{FunctionStore, StoreError};
use evercount_sandbox::cache::Cache;
use evercount_sandbox::evaluator::Evaluator;
use evercount_sandbox::function::{Refusal, id_of};
use evercount_sandbox::limits::Limits;

use contract::predicate;

mod memory {
    use super::{Memory, contract};

    macro_rules! on_memory {
        ($($rule:ident),* $(,)?) => {$(
            #[tokio::test]
            async fn $rule() {
                contract::$rule(&Memory::default()).await;
            }
        )*};
    }

    crate::every_function_rule!(on_memory);
}

mod folder {
    use super::{FunctionFolder, contract};

    macro_rules! on_folder {
        ($($rule:ident),* $(,)?) => {$(
            #[tokio::test]
            async fn $rule() {
                let folder = tempfile::tempdir().unwrap();
                contract::$rule(&FunctionFolder::at(folder.path().join("functions"))).await;
            }
        )*};
    }

    crate::every_function_rule!(on_folder);
}

async fn add(store: &impl FunctionStore, name: &str, module: &[u8]) -> FunctionId {
    let entry = FunctionEntry {
        name: FunctionName::parse(name).unwrap(),
        id: id_of(module),
        kind: FunctionKind::Predicate,
        abi: 1,
        description: String::new(),
        added_at: 0,
        examples: Vec::new(),
    };
    store.put_function(None, &entry, module).await.unwrap();
    entry.id
}

#[tokio::test]
async fn a_module_changed_in_its_folder_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let store = FunctionFolder::at(folder.path());
    let id = add(&store, "always", &predicate(1)).await;
    fs::write(folder.path().join(format!("modules/{id}.wasm")), predicate(0)).unwrap();
    assert!(matches!(store.module(&id).await, Err(StoreError::Rejected(_))));
}

#[tokio::test]
async fn what_a_writer_left_half_done_is_not_seen() {
    let folder = tempfile::tempdir().unwrap();
    let store = FunctionFolder::at(folder.path());
    add(&store, "always", &predicate(1)).await;
    fs::write(folder.path().join("functions/never.new"), "{\"format\":").unwrap();
    assert_eq!(store.functions().await.unwrap().len(), 1);
    add(&store, "never", &predicate(0)).await;
    assert_eq!(store.functions().await.unwrap().len(), 2);
}

#[tokio::test]
async fn a_function_is_used_at_the_next_record_that_needs_it() {
    let (store, mut cache) = (Memory::default(), Cache::default());
    let id = id_of(&predicate(1));
    let named = [id].into();
    let before = bring(&store, &mut cache, &named, Limits::default()).await.unwrap();
    assert!(before.ready.is_empty());
    assert_eq!(before.missing, [(id, NotAtHand::Absent)].into());

    add(&store, "always", &predicate(1)).await;
    let after = bring(&store, &mut cache, &named, Limits::default()).await.unwrap();
    assert!(after.missing.is_empty());
    let evaluator = Evaluator::new(&after.ready, &|| true);
    assert_eq!(evaluator.judge(&id, &Item::new()), Some(Truth::True));

    // It is at hand now, whatever becomes of the store.
    store.tamper(|state| state.modules.clear());
    assert_eq!(bring(&store, &mut cache, &named, Limits::default()).await.unwrap().ready.len(), 1);
}

#[tokio::test]
async fn a_module_that_is_not_fit_is_told_and_stops_nothing_else() {
    let (store, mut cache) = (Memory::default(), Cache::default());
    let good = add(&store, "always", &predicate(1)).await;
    let unfit = add(&store, "unfit", b"no module").await;
    let changed = add(&store, "changed", &predicate(2)).await;
    store.tamper(|state| {
        state.modules.insert(changed, predicate(0));
    });
    let at_hand = bring(&store, &mut cache, &[good, unfit, changed].into(), Limits::default()).await.unwrap();
    assert_eq!(at_hand.ready.keys().collect::<Vec<_>>(), [&good]);
    assert!(matches!(at_hand.missing.get(&unfit), Some(NotAtHand::Unfit(Refusal::Invalid { .. }))));
    assert!(matches!(at_hand.missing.get(&changed), Some(NotAtHand::Unfit(Refusal::OtherBytes { .. }))));
}
