//! What a module may take: at load, for one call, and of memory that outlives a call.

/// Largest module, in bytes. The template, with a reader and a writer of JSON, has 150 KB; 1 MiB leaves
/// room for languages that bring a runtime. What is hardest to translate took a second at this size.
pub const MODULE_BYTES_MAX: usize = 1024 * 1024;

/// Fuel of a call: one unit for each instruction of WebAssembly. A loop burns some 800 million a second,
/// so that a call has 0.13 s at most. The template takes 17 million for an item of 400 KB in 900
/// attributes, the largest of DynamoDB's, and leaves as much again five times over.
pub const FUEL: u64 = 100_000_000;

/// Fuel between two looks at the caller's clock: less than a millisecond.
pub const SLICE_FUEL: u64 = 500_000;

/// Fuel of the call that asks a module for its ABI version: it returns a constant.
pub const ABI_FUEL: u64 = 10_000;

/// Memory of a call, in pages of 64 KiB: 32 MiB. Rust's stack takes 1 MiB, and the largest item of
/// DynamoDB's (400 KB) some ten times its size while it is read and written as JSON. Small beside
/// the 512 MB that a Lambda function is given in the template, whatever a module asks for.
pub const MEMORY_PAGES_MAX: u64 = 512;

/// Bytes of a page of WebAssembly's memory.
pub(crate) const PAGE_BYTES: u64 = 64 * 1024;

/// Largest item that is handed to a function, as JSON, in bytes. An item of DynamoDB has at most
/// 400 KB, and twice that as JSON where all of it is short attributes.
pub const INPUT_BYTES_MAX: usize = 2 * 1024 * 1024;

/// Largest answer, as JSON, in bytes: as what is handed over.
pub const OUTPUT_BYTES_MAX: usize = INPUT_BYTES_MAX;

/// Most elements of a module's table, which holds its functions that are called by pointer.
pub(crate) const TABLE_ELEMENTS_MAX: usize = 10_000;

/// Most tables of a module: compilers write one.
pub(crate) const TABLES_MAX: usize = 1;

/// Deepest nesting of calls within a module.
pub(crate) const CALL_DEPTH_MAX: usize = 1_000;

/// Largest stack of values of a module, in bytes. Beside it a module has the stack that its compiler
/// keeps in its memory.
pub(crate) const STACK_BYTES_MAX: usize = 1_000_000;

/// Most local variables that all functions of a module declare together. Each takes time and room
/// when a module is translated, and three bytes declare 50,000 of them, so that the size of a
/// module is no bound; functions that compilers write have dozens.
pub(crate) const LOCALS_MAX: u64 = 1_000_000;

/// Lines of a call's log that are kept.
pub const LOG_LINES_MAX: usize = 32;

/// Bytes of a line of the log that are kept.
pub const LOG_LINE_BYTES_MAX: usize = 256;

/// Characters of a refusal's reason, or of another text of a module's, that are kept.
pub const REASON_CHARS_MAX: usize = 256;

/// What one call may take.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Limits {
    /// Fuel; see [`FUEL`].
    pub fuel: u64,
    /// Fuel between two looks at the clock; see [`SLICE_FUEL`]. What a call answers does not depend
    /// on it, as long as there is time.
    pub slice_fuel: u64,
    /// Memory, in pages of 64 KiB; see [`MEMORY_PAGES_MAX`].
    pub memory_pages: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self { fuel: FUEL, slice_fuel: SLICE_FUEL, memory_pages: MEMORY_PAGES_MAX }
    }
}
