//! What a call came to. Everything a module can do is one of these values: none is an error of the
//! caller's, and none ends the process.

use std::fmt;

use evercount_core::predicate::Truth;
use evercount_core::value::Item;
use evercount_wire::json::JsonError;

use crate::limits::{LOG_LINE_BYTES_MAX, LOG_LINES_MAX, OUTPUT_BYTES_MAX, REASON_CHARS_MAX};

/// A call: what it came to, what it took, and what the module said meanwhile.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Run<T> {
    /// What it came to.
    pub outcome: T,
    /// Fuel it took. The same module, item and limits take the same fuel on every machine, unless
    /// the time was up.
    pub fuel: u64,
    /// What the module said.
    pub log: Log,
}

/// What a migration came to.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Migration {
    /// The item in its new shape.
    Migrated(Item),
    /// The function says that the item cannot be migrated.
    Refused {
        /// Why, in the module's own words: as confidential as the item, so nothing for a log.
        reason: String,
    },
    /// There is no answer.
    Failed(Failure),
}

/// What the judgement of a predicate came to.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Judgement {
    /// Whether the item counts.
    Judged(Truth),
    /// There is no answer.
    Failed(Failure),
}

/// Why a call has no answer.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Failure {
    /// It takes more instructions than a call may.
    #[error("it ran out of fuel")]
    OutOfFuel,
    /// It asked for more memory than a call may have, or than there is.
    #[error("it asked for more memory than it may have")]
    OutOfMemory,
    /// The caller's time was up. Another time the same call may have an answer.
    #[error("the time was up")]
    TimedOut,
    /// It did what WebAssembly forbids.
    #[error("it trapped: {trap}")]
    Trapped {
        /// What.
        trap: Trap,
    },
    /// What it returned is no answer.
    #[error("its answer cannot be used: {fault}")]
    BadOutput {
        /// Why.
        fault: OutputFault,
    },
    /// The item is larger than what is handed to a function.
    #[error("the item has {bytes} bytes as JSON, too many for a function")]
    ItemTooLong {
        /// Its length as JSON.
        bytes: usize,
    },
    /// The item has a value that the source did not send, so that nobody knows what the function
    /// makes of it.
    #[error("the source did not send a value of the item")]
    Unavailable,
    /// The function is of the other kind: a predicate migrates nothing.
    #[error("the function is of another kind")]
    WrongKind,
    /// The interpreter failed; that is a fault of its own, and the module may be good.
    #[error("the interpreter failed")]
    Interpreter,
}

/// What WebAssembly forbids
/// (<https://webassembly.github.io/spec/core/intro/overview.html#trap>), and a module did.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Trap {
    /// It came to an instruction `unreachable`: what panics and aborts are compiled to.
    Unreachable,
    /// It read or wrote beyond its memory.
    MemoryOutOfBounds,
    /// It used an element beyond its table.
    TableOutOfBounds,
    /// It called an element of its table that holds nothing.
    CallToNull,
    /// It called a function of another type than it said.
    BadSignature,
    /// It divided by zero.
    DivisionByZero,
    /// A division or conversion has a result that is too large.
    IntegerOverflow,
    /// It converted what is not a number to an integer.
    BadConversion,
    /// Its calls nest too deeply.
    StackOverflow,
    /// It logged a text that is not within its memory.
    LogOutOfBounds,
    /// It trapped in another way.
    Other,
}

impl fmt::Display for Trap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Unreachable => "it gave up (`unreachable`, as a panic does)",
            Self::MemoryOutOfBounds => "it read or wrote beyond its memory",
            Self::TableOutOfBounds => "it used an element beyond its table",
            Self::CallToNull => "it called an element of its table that holds nothing",
            Self::BadSignature => "it called a function of another type than it said",
            Self::DivisionByZero => "it divided by zero",
            Self::IntegerOverflow => "a result was too large for an integer",
            Self::BadConversion => "it converted what is not a number to an integer",
            Self::StackOverflow => "its calls nest too deeply",
            Self::LogOutOfBounds => "it logged a text that is not within its memory",
            Self::Other => "in a way that has no name",
        })
    }
}

/// Why what a module returned is no answer.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum OutputFault {
    /// `alloc` returned 0: there was no place for the item.
    NoPlace,
    /// `alloc` returned a place that is not within the memory.
    InputOutOfBounds,
    /// The answer is not within the memory.
    OutOfBounds,
    /// The answer is longer than [`OUTPUT_BYTES_MAX`].
    TooLong {
        /// How long, in bytes.
        bytes: usize,
    },
    /// The answer is not UTF-8.
    NotUtf8,
    /// The answer is neither `{"item":…}` nor `{"refused":…}`.
    NotAnAnswer,
    /// What stands under `item` is no item.
    NotAnItem(JsonError),
    /// The truth is none of 0, 1 and 2.
    NotATruth(i32),
}

impl fmt::Display for OutputFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoPlace => f.write_str("`alloc` found no place for the item"),
            Self::InputOutOfBounds => f.write_str("`alloc` returned a place beyond its memory"),
            Self::OutOfBounds => f.write_str("it is not within the memory"),
            Self::TooLong { bytes } => {
                write!(f, "it has {bytes} bytes, more than {OUTPUT_BYTES_MAX}")
            }
            Self::NotUtf8 => f.write_str("it is not UTF-8"),
            Self::NotAnAnswer => f.write_str("it is neither {\"item\":…} nor {\"refused\":…}"),
            Self::NotAnItem(error) => write!(f, "its item is {error}"),
            Self::NotATruth(truth) => write!(f, "{truth} is not 0 (false), 1 (true) or 2 (unknown)"),
        }
    }
}

/// What a module said during a call, within bounds. As confidential as the item: it is for whoever
/// tries a function, and nothing for a log.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Log {
    lines: Vec<String>,
    dropped: u64,
}

impl Log {
    /// The lines that are kept: the first ones, each cut to a bound, control characters escaped.
    #[must_use]
    pub fn lines(&self) -> &[String] {
        &self.lines
    }

    /// How many lines came after those that are kept.
    #[must_use]
    pub fn dropped(&self) -> u64 {
        self.dropped
    }

    /// Adds a line, or notes that it is dropped. Reads no more of a line than is kept.
    pub(crate) fn push(&mut self, line: &[u8]) {
        if self.lines.len() >= LOG_LINES_MAX {
            self.dropped = self.dropped.saturating_add(1);
            return;
        }
        let kept = line.get(..LOG_LINE_BYTES_MAX).unwrap_or(line);
        self.lines.push(harmless(&String::from_utf8_lossy(kept)));
    }
}

/// A text of a module's that may be shown: cut, and without control characters.
pub(crate) fn harmless(text: &str) -> String {
    let mut shown = String::new();
    for character in text.chars().take(REASON_CHARS_MAX) {
        if character.is_control() {
            shown.extend(character.escape_default());
        } else {
            shown.push(character);
        }
    }
    shown
}
