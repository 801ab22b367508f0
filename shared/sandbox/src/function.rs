//! A module that was found fit, and its calls.

use std::borrow::Cow;
use std::panic::{AssertUnwindSafe, catch_unwind};

use evercount_core::function::{FunctionId, FunctionKind, is_partial};
use evercount_core::predicate::Truth;
use evercount_core::value::Item;
use evercount_wire::json;
use serde::Deserialize;
use serde_json::value::RawValue;
use sha2::{Digest as _, Sha256};
use wasmi::errors::ErrorKind;
use wasmi::{CompilationMode, Config, EnforcedLimits, Engine, ExternType, FuncType, Linker, Module, ValType};

use crate::instance::{Host, LOG_IMPORT, Running, linker};
use crate::limits::{
    ABI_FUEL, CALL_DEPTH_MAX, INPUT_BYTES_MAX, LOCALS_MAX, Limits, MODULE_BYTES_MAX, STACK_BYTES_MAX,
};
use crate::outcome::{Failure, Judgement, Log, Migration, OutputFault, Run, harmless};
use crate::scan::scan;

/// The ABI version that this release runs.
pub const ABI: i32 = 1;

/// Why a module is not fit to be a function.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Refusal {
    /// Its bytes are not those that its id was made of.
    #[error("the bytes are those of {found}: they were changed after the function was added")]
    OtherBytes {
        /// The id that they have.
        found: FunctionId,
    },
    /// It is longer than [`MODULE_BYTES_MAX`].
    #[error("the module has {bytes} bytes, more than {MODULE_BYTES_MAX}; strip it of what is for debuggers")]
    TooLong {
        /// Its length.
        bytes: usize,
    },
    /// It is no module, or one that uses what this release does not run.
    #[error("not a WebAssembly module that can be run: {detail}")]
    Invalid {
        /// What the validator says.
        detail: String,
    },
    /// It has more functions, globals, segments or local variables than a module may.
    #[error("the module has too much of something: {detail}")]
    TooMuch {
        /// Of what.
        detail: String,
    },
    /// It starts by itself.
    #[error("the module has a start function")]
    Starts,
    /// It imports something. Functions are pure: they get the item, and may log.
    #[error("the module imports `{module}.{name}`; only `evercount.log: (i32, i32) -> ()` may be imported")]
    Imports {
        /// Of which module.
        module: String,
        /// What.
        name: String,
    },
    /// It does not export what it must.
    #[error("the module does not export `{name}`")]
    NoExport {
        /// What.
        name: &'static str,
    },
    /// An export is of another type than the ABI's.
    #[error("the export `{name}` is of another type than the ABI's")]
    WrongType {
        /// Which.
        name: &'static str,
    },
    /// It exports neither `migrate` nor `predicate`.
    #[error("the module exports neither `migrate` nor `predicate`")]
    NoKind,
    /// It exports both.
    #[error("the module exports both `migrate` and `predicate`; make it two")]
    BothKinds,
    /// It asks for more memory to begin with than a call may have.
    #[error("the module begins with {pages} pages of memory, more than it may have")]
    TooMuchMemory {
        /// How many pages of 64 KiB.
        pages: u64,
    },
    /// It was written for another version of the ABI.
    #[error("the module is of ABI version {found}; this release runs version {ABI}")]
    OtherAbi {
        /// Which.
        found: i32,
    },
    /// It cannot be started, or does not even tell its ABI version.
    #[error("the module cannot be started: {0}")]
    CannotStart(Failure),
}

/// The content address of a module.
#[must_use]
pub fn id_of(bytes: &[u8]) -> FunctionId {
    FunctionId::of_digest(Sha256::digest(bytes).into())
}

/// A module that was found fit, translated, ready to be called by any number of threads.
pub struct Function {
    id: FunctionId,
    kind: FunctionKind,
    bytes: usize,
    limits: Limits,
    module: Module,
    linker: Linker<Host>,
}

impl std::fmt::Debug for Function {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Function").field("id", &self.id).field("kind", &self.kind).finish_non_exhaustive()
    }
}

impl Function {
    /// Checks and translates a module.
    ///
    /// # Errors
    /// [`Refusal`] where it is not fit; the same bytes are refused for the same reason.
    pub fn load(bytes: &[u8], limits: Limits) -> Result<Self, Refusal> {
        catch_unwind(AssertUnwindSafe(|| load(bytes, limits)))
            .unwrap_or(Err(Refusal::CannotStart(Failure::Interpreter)))
    }

    /// As [`Self::load`], of bytes that came from somewhere under an id.
    ///
    /// # Errors
    /// As [`Self::load`], and [`Refusal::OtherBytes`].
    pub fn load_as(id: &FunctionId, bytes: &[u8], limits: Limits) -> Result<Self, Refusal> {
        let found = id_of(bytes);
        if found != *id {
            return Err(Refusal::OtherBytes { found });
        }
        Self::load(bytes, limits)
    }

    /// Its content address.
    #[must_use]
    pub fn id(&self) -> FunctionId {
        self.id
    }

    /// What it is for.
    #[must_use]
    pub fn kind(&self) -> FunctionKind {
        self.kind
    }

    /// The length of its module, in bytes.
    #[must_use]
    pub fn module_bytes(&self) -> usize {
        self.bytes
    }

    /// Brings an item to another shape. `keep_going` is asked before the call and about every
    /// [`Limits::slice_fuel`]: where it says no, the call has timed out.
    pub fn migrate(&self, item: &Item, keep_going: &mut dyn FnMut() -> bool) -> Run<Migration> {
        let run = self.run(FunctionKind::Migration, item, keep_going, |running, place, length| {
            let packed: u64 = running.call("migrate", (place, length))?;
            let answer = running.answer(packed).and_then(read_answer);
            answer.map_err(|fault| Failure::BadOutput { fault })
        });
        Run { outcome: run.outcome.unwrap_or_else(Migration::Failed), fuel: run.fuel, log: run.log }
    }

    /// Says whether an item counts. `keep_going` as for [`Self::migrate`].
    pub fn judge(&self, item: &Item, keep_going: &mut dyn FnMut() -> bool) -> Run<Judgement> {
        let run = self.run(FunctionKind::Predicate, item, keep_going, |running, place, length| {
            let truth: i32 = running.call("predicate", (place, length))?;
            match truth {
                0 => Ok(Judgement::Judged(Truth::False)),
                1 => Ok(Judgement::Judged(Truth::True)),
                2 => Ok(Judgement::Judged(Truth::Unknown)),
                other => Err(Failure::BadOutput { fault: OutputFault::NotATruth(other) }),
            }
        });
        Run { outcome: run.outcome.unwrap_or_else(Judgement::Failed), fuel: run.fuel, log: run.log }
    }

    fn run<T>(
        &self,
        kind: FunctionKind,
        item: &Item,
        keep_going: &mut dyn FnMut() -> bool,
        call: impl FnOnce(&mut Running<'_>, u32, u32) -> Result<T, Failure>,
    ) -> Run<Result<T, Failure>> {
        let not_run = |failure| Run { outcome: Err(failure), fuel: 0, log: Log::default() };
        if kind != self.kind {
            return not_run(Failure::WrongKind);
        }
        let text = match text_of(item) {
            Ok(text) => text,
            Err(failure) => return not_run(failure),
        };
        let run = || {
            let mut running = match Running::start(&self.module, &self.linker, self.limits, keep_going) {
                Ok(running) => running,
                Err(failure) => return not_run(failure),
            };
            let outcome =
                running.hand_over(&text).and_then(|(place, length)| call(&mut running, place, length));
            let (fuel, log) = running.finish();
            Run { outcome, fuel, log }
        };
        // What is left of an instance after a panic is dropped, and nothing else was touched.
        catch_unwind(AssertUnwindSafe(run)).unwrap_or_else(|_| not_run(Failure::Interpreter))
    }
}

/// The item as it is handed over.
fn text_of(item: &Item) -> Result<String, Failure> {
    if is_partial(item) {
        return Err(Failure::Unavailable);
    }
    let text = json::dynamodb_json(item);
    if text.len() > INPUT_BYTES_MAX {
        return Err(Failure::ItemTooLong { bytes: text.len() });
    }
    Ok(text)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct AnswerJson<'a> {
    #[serde(borrow)]
    item: Option<&'a RawValue>,
    #[serde(borrow)]
    refused: Option<Cow<'a, str>>,
}

fn read_answer(text: &str) -> Result<Migration, OutputFault> {
    let answer: AnswerJson<'_> = serde_json::from_str(text).map_err(|_| OutputFault::NotAnAnswer)?;
    match (answer.item, answer.refused) {
        (Some(item), None) => {
            json::read_dynamodb_item(item.get()).map(Migration::Migrated).map_err(OutputFault::NotAnItem)
        }
        (None, Some(reason)) => Ok(Migration::Refused { reason: harmless(&reason) }),
        _ => Err(OutputFault::NotAnAnswer),
    }
}

fn load(bytes: &[u8], limits: Limits) -> Result<Function, Refusal> {
    if bytes.len() > MODULE_BYTES_MAX {
        return Err(Refusal::TooLong { bytes: bytes.len() });
    }
    let scanned = scan(bytes);
    if scanned.starts {
        return Err(Refusal::Starts);
    }
    if scanned.locals > LOCALS_MAX {
        let detail = format!("{} local variables, more than {LOCALS_MAX}", scanned.locals);
        return Err(Refusal::TooMuch { detail });
    }
    let engine = engine();
    // All of it, before any of it is translated: the interpreter validates each instruction just before
    // it translates it, and what is wrong with a function as a whole only after both.
    Module::validate(&engine, bytes).map_err(|error| unfit(&error))?;
    let module = Module::new(&engine, bytes).map_err(|error| unfit(&error))?;
    check_imports(&module)?;
    let kind = check_exports(&module, limits)?;
    let linker = linker(&engine).map_err(|_| Refusal::CannotStart(Failure::Interpreter))?;
    check_abi(&module, &linker, limits)?;
    Ok(Function { id: id_of(bytes), kind, bytes: bytes.len(), limits, module, linker })
}

/// Why the interpreter does not take a module.
fn unfit(error: &wasmi::Error) -> Refusal {
    let detail = harmless(&error.to_string());
    match error.kind() {
        ErrorKind::UserLimits(_) | ErrorKind::ImplementationLimits(_) => Refusal::TooMuch { detail },
        _ => Refusal::Invalid { detail },
    }
}

fn engine() -> Engine {
    let mut config = Config::default();
    config
        .consume_fuel(true)
        .compilation_mode(CompilationMode::Eager)
        .enforced_limits(EnforcedLimits::strict())
        .ignore_custom_sections(true)
        .allow_start_fn(false)
        .wasm_multi_memory(false)
        .set_max_recursion_depth(CALL_DEPTH_MAX)
        .set_max_stack_height(STACK_BYTES_MAX);
    Engine::new(&config)
}

fn check_imports(module: &Module) -> Result<(), Refusal> {
    let log = FuncType::new([ValType::I32, ValType::I32], []);
    let stray = module
        .imports()
        .find(|import| (import.module(), import.name()) != LOG_IMPORT || import.ty().func() != Some(&log));
    match stray {
        None => Ok(()),
        Some(import) => {
            Err(Refusal::Imports { module: harmless(import.module()), name: harmless(import.name()) })
        }
    }
}

/// Checks that everything of the ABI is exported. Returns which kind of function it is.
fn check_exports(module: &Module, limits: Limits) -> Result<FunctionKind, Refusal> {
    match module.get_export("memory") {
        None => return Err(Refusal::NoExport { name: "memory" }),
        Some(ExternType::Memory(memory)) if memory.minimum() > limits.memory_pages => {
            return Err(Refusal::TooMuchMemory { pages: memory.minimum() });
        }
        Some(ExternType::Memory(_)) => {}
        Some(_) => return Err(Refusal::WrongType { name: "memory" }),
    }
    use ValType::{I32, I64};
    require(module, "evercount_abi", &FuncType::new([], [I32]))?;
    require(module, "alloc", &FuncType::new([I32], [I32]))?;
    match (module.get_export("migrate"), module.get_export("predicate")) {
        (None, None) => Err(Refusal::NoKind),
        (Some(_), Some(_)) => Err(Refusal::BothKinds),
        (Some(_), None) => {
            require(module, "migrate", &FuncType::new([I32, I32], [I64]))?;
            Ok(FunctionKind::Migration)
        }
        (None, Some(_)) => {
            require(module, "predicate", &FuncType::new([I32, I32], [I32]))?;
            Ok(FunctionKind::Predicate)
        }
    }
}

fn require(module: &Module, name: &'static str, of_type: &FuncType) -> Result<(), Refusal> {
    match module.get_export(name) {
        None => Err(Refusal::NoExport { name }),
        Some(export) if export.func() == Some(of_type) => Ok(()),
        Some(_) => Err(Refusal::WrongType { name }),
    }
}

/// Starts the module once: what every call would fail at is said when it is loaded.
fn check_abi(module: &Module, linker: &Linker<Host>, limits: Limits) -> Result<(), Refusal> {
    let limits = Limits { fuel: ABI_FUEL, slice_fuel: ABI_FUEL, ..limits };
    let mut no_clock = || true;
    let mut running = Running::start(module, linker, limits, &mut no_clock).map_err(Refusal::CannotStart)?;
    match running.call("evercount_abi", ()).map_err(Refusal::CannotStart)? {
        ABI => Ok(()),
        found => Err(Refusal::OtherAbi { found }),
    }
}
