//! Functions of users: WebAssembly modules, run within limits.
//!
//! What counting logic or a migration cannot say as data is a module that somebody wrote. It is
//! stored by its content address, loaded by a running instance at the next record that needs it,
//! and run here: synchronously, with no clock, network, file or randomness, within fuel, memory and
//! the caller's time. Whatever it does, a call comes to one of the values of [`outcome`].
//!
//! | module | what it owns |
//! |---|---|
//! | [`limits`] | how much a module may take |
//! | [`outcome`] | what a call came to |
//! | [`function`] | a module that was found fit, and its calls |
//! | [`cache`] | the functions at hand |
//! | [`evaluator`] | a batch's functions, as core asks them |
//!
//! # ABI, version 1
//!
//! A module is WebAssembly 2.0 without SIMD (<https://www.w3.org/TR/wasm-core-2/>), with tail calls
//! and extended constants as compilers may write them; no threads, no 64-bit memories. It exports:
//!
//! | export | type | |
//! |---|---|---|
//! | `memory` | memory | at most [`limits::MEMORY_PAGES_MAX`] pages to begin with |
//! | `evercount_abi` | `() -> i32` | 1 |
//! | `alloc` | `(len: i32) -> i32` | the place of `len` bytes for the item; 0 where there is none |
//! | `migrate` | `(ptr: i32, len: i32) -> i64` | a migration: its answer's place and length, `place << 32 \| length` |
//! | `predicate` | `(ptr: i32, len: i32) -> i32` | a predicate: 0 false, 1 true, 2 unknown |
//!
//! and of the last two exactly one, so that an id names one function. Other exports are ignored. It
//! may import `evercount.log: (ptr: i32, len: i32) -> ()`, and nothing else; it has no start function.
//!
//! For each item there is an instance of its own: `alloc` is called once, the item is written to the
//! place it returns, and the function is called with place and length. The item is JSON in DynamoDB's
//! form, UTF-8: `{"id":{"S":"a"},"n":{"N":"1.50"}}`, numbers as text and so exact
//! (<https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_AttributeValue.html>). The answer
//! of a migration is an object with one field, in memory that the module does not use again:
//! `{"item":{…}}`, or `{"refused":"why"}` where there is no such item. Places and lengths are unsigned.
//!
//! An answer is packed into one `i64` because compilers return one value: an out-pointer would cost a
//! second allocation, and several results are not what C or Rust write. A predicate needs no memory
//! for its answer, so that it returns it.
//!
//! A new version of this ABI gets a new number. A module says which one it was written for, and a
//! release goes on running every version that it ever ran, because logic versions name modules for
//! good.
//!
//! # Decisions
//!
//! * **An interpreter** (`wasmi`) and no compiler. `wasmtime` runs long computations some ten times
//!   faster, and it is several megabytes, writes machine code at run time, and takes milliseconds to
//!   compile what a call runs for microseconds.
//! * **A fresh instance for each call.** Purity is that no state goes from one record to the next, and
//!   an instance that is never used again has none to hand on. Its memory is zeroed, some 20 µs with the
//!   megabyte of Rust's usual stack; resetting one instance instead would copy as much, and would have to
//!   know of all that a module can change.
//! * **Floats are allowed**: compilers use them for JSON. What WebAssembly leaves open of them, the bits
//!   of NaNs, is fixed by the interpreter's deterministic profile.
//! * **Translated when it is loaded**, not at its first call: then a call's fuel is its own.
//! * **A refused `memory.grow` ends the call.** WebAssembly would let the module go on with -1, and
//!   then its allocator gives up with a trap that does not say why.
//! * **An engine for each module**, so that what is dropped from the cache is freed, and so that a fault
//!   of the interpreter's stays with one module.
//! * **Loop dispatch.** The faster kind of the interpreter relies on the compiler making calls at the end
//!   of functions into jumps, which stable Rust does not promise: where it did not, a module's loop would
//!   overflow the process's own stack.

pub mod limits;
pub mod outcome;
pub mod function;
pub mod cache;
pub mod evaluator;
mod instance;
mod scan;
