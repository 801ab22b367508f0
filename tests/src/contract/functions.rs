//! Rules of a store of functions.

#![expect(clippy::unwrap_used, reason = "rules of a contract fail by panicking")]

use evercount_core::function::{Answer, Example, FunctionEntry, FunctionId, FunctionKind, FunctionName};
use evercount_core::predicate::Truth;
use evercount_core::value::{Item, Value};
use evercount_pipeline::ports::{FunctionStore, StoreError};
use evercount_sandbox::function::id_of;

/// Hands the names of all rules to a macro, as `every_rule!` does.
#[macro_export]
macro_rules! every_function_rule {
    ($run:ident) => {
        $run! {
            a_function_comes_back_as_it_was_written,
            a_module_that_was_never_added_is_none,
            functions_are_listed_by_name,
            adding_a_function_again_changes_nothing,
            a_name_is_not_taken_twice,
            a_name_moves_on_only_from_what_is_stored,
            a_module_of_another_digest_is_rejected,
            a_removed_name_leaves_its_module,
            a_large_module_comes_back_whole,
            of_two_additions_at_once_one_wins,
        }
    };
}

/// A module of a predicate that says this of every item.
pub fn predicate(truth: i32) -> Vec<u8> {
    wat::parse_str(format!(
        r#"(module (memory (export "memory") 1)
             (func (export "evercount_abi") (result i32) i32.const 1)
             (func (export "alloc") (param i32) (result i32) i32.const 1024)
             (func (export "predicate") (param i32 i32) (result i32) i32.const {truth}))"#
    ))
    .unwrap()
}

fn name(text: &str) -> FunctionName {
    FunctionName::parse(text).unwrap()
}

fn entry(called: &str, module: &[u8]) -> FunctionEntry {
    let item = Item::from([("zip".to_owned(), Value::String("53111".to_owned()))]);
    FunctionEntry {
        name: name(called),
        id: id_of(module),
        kind: FunctionKind::Predicate,
        abi: 1,
        description: "Whether an item is of a place.".to_owned(),
        added_at: 1_769_851_800_123_456,
        examples: vec![Example { item, answer: Answer::Truth(Truth::Unknown) }],
    }
}

async fn add(store: &impl FunctionStore, called: &str, module: &[u8]) -> FunctionEntry {
    let entry = entry(called, module);
    store.put_function(None, &entry, module).await.unwrap();
    entry
}

/// What was added is read again, the module and its entry.
pub async fn a_function_comes_back_as_it_was_written(store: &impl FunctionStore) {
    let added = add(store, "by_zip", b"module").await;
    assert_eq!(store.functions().await.as_deref(), Ok(std::slice::from_ref(&added)));
    assert_eq!(store.module(&added.id).await.unwrap().as_deref(), Some(&b"module"[..]));
}

/// Absence is a value.
pub async fn a_module_that_was_never_added_is_none(store: &impl FunctionStore) {
    assert_eq!(store.module(&FunctionId::of_digest([1; 32])).await, Ok(None));
    assert_eq!(store.functions().await, Ok(Vec::new()));
    assert_eq!(store.remove_function(&name("nobody")).await, Ok(false));
}

/// By name, however they were added; names that are alike are kept apart, and modules may be shared.
pub async fn functions_are_listed_by_name(store: &impl FunctionStore) {
    let mut added = Vec::new();
    for called in ["zip-2", "a", "zip_2", "zip"] {
        added.push(add(store, called, b"shared").await);
    }
    added.sort_by(|a, b| a.name.cmp(&b.name));
    assert_eq!(store.functions().await.unwrap(), added);
}

/// After a lost reply the same write is made again.
pub async fn adding_a_function_again_changes_nothing(store: &impl FunctionStore) {
    let added = add(store, "by_zip", b"module").await;
    assert_eq!(store.put_function(None, &added, b"module").await, Ok(()));
    assert_eq!(store.functions().await.unwrap(), [added]);
}

/// A second function of the name conflicts, and the first stays.
pub async fn a_name_is_not_taken_twice(store: &impl FunctionStore) {
    let added = add(store, "by_zip", b"module").await;
    let other = entry("by_zip", b"other");
    assert_eq!(store.put_function(None, &other, b"other").await, Err(StoreError::Conflict));
    assert_eq!(store.functions().await.unwrap(), [added]);
}

/// A name goes over to another module from the entry that was read, and both modules stay.
pub async fn a_name_moves_on_only_from_what_is_stored(store: &impl FunctionStore) {
    let first = add(store, "by_zip", b"first").await;
    let second = entry("by_zip", b"second");
    store.put_function(Some(&first), &second, b"second").await.unwrap();
    let third = entry("by_zip", b"third");
    assert_eq!(store.put_function(Some(&first), &third, b"third").await, Err(StoreError::Conflict));
    assert_eq!(store.functions().await.as_deref(), Ok(std::slice::from_ref(&second)));
    assert_eq!(store.module(&first.id).await.unwrap().as_deref(), Some(&b"first"[..]));
    assert_eq!(store.module(&second.id).await.unwrap().as_deref(), Some(&b"second"[..]));
    let unknown = entry("nobody", b"third");
    assert_eq!(store.put_function(Some(&second), &unknown, b"third").await, Err(StoreError::Conflict));
}

/// The id is the digest of the bytes, or nothing is written.
pub async fn a_module_of_another_digest_is_rejected(store: &impl FunctionStore) {
    let entry = entry("by_zip", b"module");
    let refused = store.put_function(None, &entry, b"another").await;
    assert!(matches!(refused, Err(StoreError::Rejected(_))), "{refused:?}");
    assert_eq!(store.functions().await, Ok(Vec::new()));
    assert_eq!(store.module(&entry.id).await, Ok(None));
}

/// Logic versions name the module by its id.
pub async fn a_removed_name_leaves_its_module(store: &impl FunctionStore) {
    let added = add(store, "by_zip", b"module").await;
    assert_eq!(store.remove_function(&added.name).await, Ok(true));
    assert_eq!(store.remove_function(&added.name).await, Ok(false));
    assert_eq!(store.functions().await, Ok(Vec::new()));
    assert_eq!(store.module(&added.id).await.unwrap().as_deref(), Some(&b"module"[..]));
    add(store, "by_zip", b"other").await;
}

/// The largest module that is run, of bytes that no encoding leaves alone.
pub async fn a_large_module_comes_back_whole(store: &impl FunctionStore) {
    let module: Vec<u8> = (0..evercount_sandbox::limits::MODULE_BYTES_MAX)
        .map(|n| (n.wrapping_mul(2_654_435_761) >> 13) as u8)
        .collect();
    let added = add(store, "large", &module).await;
    assert!(store.module(&added.id).await.unwrap() == Some(module), "the module came back changed");
}

/// Of two functions for one name, the list has one.
pub async fn of_two_additions_at_once_one_wins(store: &impl FunctionStore) {
    let (one, other) = (entry("by_zip", b"one"), entry("by_zip", b"other"));
    let (first, second) =
        tokio::join!(store.put_function(None, &one, b"one"), store.put_function(None, &other, b"other"));
    assert!(first.is_ok() != second.is_ok(), "{first:?} {second:?}");
    let winner = if first.is_ok() { one } else { other };
    assert_eq!(store.functions().await.unwrap(), [winner]);
}
