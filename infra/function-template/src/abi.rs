//! How Evercount calls a function: its ABI, version 1. Nothing here has to be changed.
//!
//! An item is JSON in DynamoDB's form, `{"id": {"N": "1"}}`. Numbers are text in it, and so exact.

use std::collections::BTreeMap;

use serde_json::value::{RawValue, to_raw_value};
use serde_json::{Value, json};

/// An item: attribute names with their values. A value is parsed when it is asked for, because most
/// are only passed on, and what a function does is paid for by the instruction.
#[derive(Clone, Debug, Default)]
pub struct Item(BTreeMap<String, Box<RawValue>>);

impl Item {
    /// The value of an attribute in DynamoDB's form, `{"S": "a"}`.
    pub fn get(&self, name: &str) -> Option<Value> {
        serde_json::from_str(self.0.get(name)?.get()).ok()
    }

    /// The text that an attribute is, where it is one.
    pub fn text(&self, name: &str) -> Option<String> {
        self.get(name)?["S"].as_str().map(str::to_owned)
    }

    /// The number that an attribute is, as its exact text, where it is one.
    pub fn number(&self, name: &str) -> Option<String> {
        self.get(name)?["N"].as_str().map(str::to_owned)
    }

    /// Whether there is such an attribute.
    pub fn has(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }

    /// Gives an attribute a value in DynamoDB's form, `json!({"N": "1"})`.
    pub fn set(&mut self, name: &str, value: &Value) {
        if let Ok(value) = to_raw_value(value) {
            self.0.insert(name.to_owned(), value);
        }
    }

    /// Makes an attribute a text.
    pub fn set_text(&mut self, name: &str, text: &str) {
        self.set(name, &json!({"S": text}));
    }

    /// Takes an attribute away.
    pub fn remove(&mut self, name: &str) {
        self.0.remove(name);
    }

    /// Reads an item from its JSON.
    pub fn from_json(json: &[u8]) -> Option<Self> {
        serde_json::from_slice(json).ok().map(Self)
    }

    /// The item as JSON.
    pub fn to_json(&self) -> String {
        serde_json::to_string(&self.0).unwrap_or_default()
    }
}

/// Makes a function of type `fn(Item) -> Result<Item, String>` the module's migration.
#[macro_export]
macro_rules! export_migration {
    ($migrate:path) => {
        #[unsafe(export_name = "migrate")]
        extern "C" fn exported(place: *const u8, length: usize) -> u64 {
            // SAFETY: Evercount calls with what `alloc` gave, filled.
            $crate::abi::migrated($migrate(unsafe { $crate::abi::item(place, length) }))
        }
    };
}

/// Makes a function of type `fn(Item) -> Option<bool>` the module's predicate.
#[macro_export]
macro_rules! export_predicate {
    ($is_counted:path) => {
        #[unsafe(export_name = "predicate")]
        extern "C" fn exported(place: *const u8, length: usize) -> i32 {
            // SAFETY: Evercount calls with what `alloc` gave, filled.
            $crate::abi::judged($is_counted(unsafe { $crate::abi::item(place, length) }))
        }
    };
}

/// Says something to whoever tries the function. Elsewhere nobody hears it.
pub fn log(line: &str) {
    #[cfg(target_arch = "wasm32")]
    {
        #[link(wasm_import_module = "evercount")]
        unsafe extern "C" {
            #[link_name = "log"]
            fn host_log(place: *const u8, length: usize);
        }
        // SAFETY: place and length are those of a text.
        unsafe { host_log(line.as_ptr(), line.len()) }
    }
    #[cfg(not(target_arch = "wasm32"))]
    eprintln!("{line}");
}

#[unsafe(no_mangle)]
extern "C" fn evercount_abi() -> i32 {
    1
}

/// The place for an item. There is an instance for each, so that nothing has to be freed.
#[unsafe(no_mangle)]
extern "C" fn alloc(length: usize) -> *mut u8 {
    vec![0; length].leak().as_mut_ptr()
}

/// The item at a place.
///
/// # Safety
/// The place holds so many bytes.
pub unsafe fn item(place: *const u8, length: usize) -> Item {
    // What a panic says is heard where the function is tried.
    std::panic::set_hook(Box::new(|panic| log(&panic.to_string())));
    // SAFETY: as the caller says.
    let bytes = unsafe { std::slice::from_raw_parts(place, length) };
    Item::from_json(bytes).expect("Evercount hands an item over")
}

/// The answer of a migration, as its place and length.
pub fn migrated(answer: Result<Item, String>) -> u64 {
    let answer = match answer {
        Ok(item) => format!("{{\"item\":{}}}", item.to_json()),
        Err(reason) => json!({"refused": reason}).to_string(),
    };
    let bytes = answer.into_bytes().leak();
    (bytes.as_ptr() as u64) << 32 | bytes.len() as u64
}

/// The answer of a predicate.
pub fn judged(answer: Option<bool>) -> i32 {
    match answer {
        Some(false) => 0,
        Some(true) => 1,
        None => 2,
    }
}
