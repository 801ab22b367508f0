//! One instance of a module: made for one call, limited, and dropped after it.

use wasmi::errors::{ErrorKind, InstantiationError, MemoryError, TableError};
use wasmi::{
    Caller, Error, Extern, Instance, Linker, Memory, Module, ResourceLimiter, Store, TrapCode, TypedFunc,
    TypedResumableCall, WasmParams, WasmResults,
};
use wasmi_core::LimiterError;

use crate::limits::{Limits, OUTPUT_BYTES_MAX, PAGE_BYTES, TABLE_ELEMENTS_MAX, TABLES_MAX};
use crate::outcome::{Failure, Log, OutputFault, Trap};

/// The module and the name of the one import there is.
pub(crate) const LOG_IMPORT: (&str, &str) = ("evercount", "log");

/// What belongs to an instance besides its memory.
pub(crate) struct Host {
    log: Log,
    memory_bytes_max: usize,
}

impl ResourceLimiter for Host {
    fn memory_growing(&mut self, _: usize, desired: usize, _: Option<usize>) -> Result<bool, LimiterError> {
        if desired > self.memory_bytes_max {
            return Err(LimiterError::ResourceLimiterDeniedAllocation);
        }
        Ok(true)
    }

    fn memory_grow_failed(&mut self, error: &MemoryError) -> Result<(), LimiterError> {
        match error {
            // Beyond the module's own maximum: it goes on with -1, as everywhere.
            MemoryError::OutOfBoundsGrowth => Ok(()),
            // The fuel of a slice is used up: the call goes on with the next one.
            MemoryError::OutOfFuel { .. } => Ok(()),
            _ => Err(LimiterError::ResourceLimiterDeniedAllocation),
        }
    }

    fn table_growing(&mut self, _: usize, desired: usize, _: Option<usize>) -> Result<bool, LimiterError> {
        if desired > TABLE_ELEMENTS_MAX {
            return Err(LimiterError::ResourceLimiterDeniedAllocation);
        }
        Ok(true)
    }

    fn instances(&self) -> usize {
        1
    }

    fn tables(&self) -> usize {
        TABLES_MAX
    }

    fn memories(&self) -> usize {
        1
    }
}

/// What modules may import.
pub(crate) fn linker(engine: &wasmi::Engine) -> Result<Linker<Host>, Error> {
    let mut linker = Linker::new(engine);
    let (module, name) = LOG_IMPORT;
    linker.func_wrap(module, name, |mut caller: Caller<'_, Host>, place: u32, length: u32| {
        let memory = caller.get_export("memory").and_then(Extern::into_memory);
        let out_of_bounds = || Error::from(TrapCode::MemoryOutOfBounds);
        let (data, host) = memory.ok_or_else(out_of_bounds)?.data_and_store_mut(&mut caller);
        host.log.push(span(data, place, length).ok_or_else(out_of_bounds)?);
        Ok::<(), Error>(())
    })?;
    Ok(linker)
}

/// The bytes at a place, if they are within a memory.
fn span(memory: &[u8], place: u32, length: u32) -> Option<&[u8]> {
    let (place, length) = (usize::try_from(place).ok()?, usize::try_from(length).ok()?);
    memory.get(place..)?.get(..length)
}

/// An instance, its fuel, and the caller's clock.
pub(crate) struct Running<'a> {
    store: Store<Host>,
    instance: Instance,
    memory: Memory,
    limits: Limits,
    /// Fuel that the store was given so far.
    granted: u64,
    keep_going: &'a mut dyn FnMut() -> bool,
}

impl<'a> Running<'a> {
    /// Makes an instance of a module.
    pub(crate) fn start(
        module: &Module,
        linker: &Linker<Host>,
        limits: Limits,
        keep_going: &'a mut dyn FnMut() -> bool,
    ) -> Result<Self, Failure> {
        let pages = limits.memory_pages.saturating_mul(PAGE_BYTES);
        let memory_bytes_max = usize::try_from(pages).unwrap_or(usize::MAX);
        let mut store = Store::new(module.engine(), Host { log: Log::default(), memory_bytes_max });
        store.limiter(|host| host);
        let granted = limits.slice_fuel.min(limits.fuel);
        store.set_fuel(granted).map_err(|_| Failure::Interpreter)?;
        let instance = linker.instantiate_and_start(&mut store, module).map_err(|error| failure(&error))?;
        let memory = instance.get_memory(&store, "memory").ok_or(Failure::Interpreter)?;
        Ok(Self { store, instance, memory, limits, granted, keep_going })
    }

    /// Calls an export, a slice of fuel after the other.
    pub(crate) fn call<P: WasmParams, R: WasmResults>(
        &mut self,
        name: &str,
        parameters: P,
    ) -> Result<R, Failure> {
        let function: TypedFunc<P, R> =
            self.instance.get_typed_func(&self.store, name).map_err(|_| Failure::Interpreter)?;
        if !(self.keep_going)() {
            return Err(Failure::TimedOut);
        }
        let mut call = function.call_resumable(&mut self.store, parameters);
        loop {
            match call.map_err(|error| failure(&error))? {
                TypedResumableCall::Finished(results) => return Ok(results),
                // The only function of the host's fails for no other reason.
                TypedResumableCall::HostTrap(_) => {
                    return Err(Failure::Trapped { trap: Trap::LogOutOfBounds });
                }
                TypedResumableCall::OutOfFuel(paused) => {
                    self.refuel(paused.required_fuel())?;
                    call = paused.resume(&mut self.store);
                }
            }
        }
    }

    /// Grants another slice, and more where the next step alone takes more.
    fn refuel(&mut self, required: u64) -> Result<(), Failure> {
        let left = self.store.get_fuel().map_err(|_| Failure::Interpreter)?;
        let missing = required.saturating_sub(left);
        let ungranted = self.limits.fuel.saturating_sub(self.granted);
        if missing > ungranted {
            return Err(Failure::OutOfFuel);
        }
        if !(self.keep_going)() {
            return Err(Failure::TimedOut);
        }
        let slice = missing.max(self.limits.slice_fuel).min(ungranted);
        self.granted = self.granted.saturating_add(slice);
        self.store.set_fuel(left.saturating_add(slice)).map_err(|_| Failure::Interpreter)
    }

    /// Puts the item where the module wants it. Returns place and length.
    pub(crate) fn hand_over(&mut self, item: &str) -> Result<(u32, u32), Failure> {
        let bad = |fault| Failure::BadOutput { fault };
        let length = u32::try_from(item.len()).map_err(|_| Failure::ItemTooLong { bytes: item.len() })?;
        let place: u32 = self.call("alloc", length)?;
        if place == 0 {
            return Err(bad(OutputFault::NoPlace));
        }
        let offset = usize::try_from(place).map_err(|_| bad(OutputFault::InputOutOfBounds))?;
        self.memory
            .write(&mut self.store, offset, item.as_bytes())
            .map_err(|_| bad(OutputFault::InputOutOfBounds))?;
        Ok((place, length))
    }

    /// The answer at a packed place and length.
    pub(crate) fn answer(&self, packed: u64) -> Result<&str, OutputFault> {
        let (place, length) = ((packed >> 32) as u32, packed as u32);
        let answer = span(self.memory.data(&self.store), place, length).ok_or(OutputFault::OutOfBounds)?;
        if answer.len() > OUTPUT_BYTES_MAX {
            return Err(OutputFault::TooLong { bytes: answer.len() });
        }
        std::str::from_utf8(answer).map_err(|_| OutputFault::NotUtf8)
    }

    /// What the calls took together, and what was said.
    pub(crate) fn finish(self) -> (u64, Log) {
        let left = self.store.get_fuel().unwrap_or(0);
        (self.granted.saturating_sub(left), self.store.into_data().log)
    }
}

/// What an error of the interpreter's says of the module.
pub(crate) fn failure(error: &Error) -> Failure {
    let code = match error.kind() {
        ErrorKind::Memory(MemoryError::ResourceLimiterDeniedAllocation | MemoryError::OutOfSystemMemory)
        | ErrorKind::Table(TableError::ResourceLimiterDeniedAllocation | TableError::OutOfSystemMemory)
        | ErrorKind::Instantiation(
            InstantiationError::FailedToInstantiateMemory(_)
            | InstantiationError::FailedToInstantiateTable(_),
        ) => return Failure::OutOfMemory,
        ErrorKind::Instantiation(InstantiationError::ElementSegmentDoesNotFit { .. }) => {
            return Failure::Trapped { trap: Trap::TableOutOfBounds };
        }
        kind => kind.as_trap_code(),
    };
    let trap = match code {
        None => return Failure::Interpreter,
        Some(TrapCode::OutOfFuel) => return Failure::OutOfFuel,
        Some(TrapCode::GrowthOperationLimited | TrapCode::OutOfSystemMemory) => return Failure::OutOfMemory,
        Some(TrapCode::UnreachableCodeReached) => Trap::Unreachable,
        Some(TrapCode::MemoryOutOfBounds) => Trap::MemoryOutOfBounds,
        Some(TrapCode::TableOutOfBounds) => Trap::TableOutOfBounds,
        Some(TrapCode::IndirectCallToNull) => Trap::CallToNull,
        Some(TrapCode::BadSignature) => Trap::BadSignature,
        Some(TrapCode::IntegerDivisionByZero) => Trap::DivisionByZero,
        Some(TrapCode::IntegerOverflow) => Trap::IntegerOverflow,
        Some(TrapCode::BadConversionToInteger) => Trap::BadConversion,
        Some(TrapCode::StackOverflow) => Trap::StackOverflow,
        #[expect(unreachable_patterns, reason = "other releases of the interpreter may know more")]
        Some(_) => Trap::Other,
    };
    Failure::Trapped { trap }
}
