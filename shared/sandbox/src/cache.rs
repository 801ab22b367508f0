//! The functions that an instance has at hand, and those that it need not look at again.

use std::collections::BTreeMap;
use std::sync::Arc;

use evercount_core::function::FunctionId;

use crate::function::{Function, Refusal};
use crate::limits::Limits;

/// Most functions at hand. An instance counts a few tables, and each count names a few functions;
/// a registry of hundreds must not fill its memory.
pub const FUNCTIONS_MAX: usize = 64;

/// Most bytes that the modules at hand have together. A translated module takes some three and a half
/// times its own size (the template: 150 KB, and 520 KB of memory), so about 30 MiB of the 512 that a
/// Lambda function is given.
pub const MODULES_BYTES_MAX: usize = 8 * 1024 * 1024;

/// Functions by their ids: those used least recently go first. A module that is not fit is
/// remembered as well, so that it is not translated for each record that names it.
#[derive(Clone, Debug, Default)]
pub struct Cache {
    held: BTreeMap<FunctionId, Held>,
    /// Rises with every use.
    uses: u64,
}

#[derive(Clone, Debug)]
struct Held {
    used: u64,
    loaded: Result<Arc<Function>, Refusal>,
}

impl Held {
    fn bytes(&self) -> usize {
        self.loaded.as_ref().map_or(0, |function| function.module_bytes())
    }
}

impl Cache {
    /// What is known of a function; `None` where it has to be loaded.
    pub fn get(&mut self, id: &FunctionId) -> Option<Result<Arc<Function>, Refusal>> {
        self.uses = self.uses.saturating_add(1);
        let held = self.held.get_mut(id)?;
        held.used = self.uses;
        Some(held.loaded.clone())
    }

    /// Loads a function from the bytes that a store gave for it, and keeps what came of it.
    ///
    /// # Errors
    /// As [`Function::load_as`].
    pub fn load(&mut self, id: &FunctionId, bytes: &[u8], limits: Limits) -> Result<Arc<Function>, Refusal> {
        let loaded = Function::load_as(id, bytes, limits).map(Arc::new);
        // Other bytes say nothing of those that the id is of: the store may be mended.
        if !matches!(loaded, Err(Refusal::OtherBytes { .. })) {
            self.uses = self.uses.saturating_add(1);
            self.held.insert(*id, Held { used: self.uses, loaded: loaded.clone() });
            self.shrink(id);
        }
        loaded
    }

    /// How many functions are known.
    #[must_use]
    pub fn len(&self) -> usize {
        self.held.len()
    }

    /// Whether nothing is known.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.held.is_empty()
    }

    /// Drops what was used least recently until the bounds hold; never the newest.
    fn shrink(&mut self, newest: &FunctionId) {
        while self.held.len() > FUNCTIONS_MAX
            || self.held.values().map(Held::bytes).sum::<usize>() > MODULES_BYTES_MAX
        {
            let others = self.held.iter().filter(|(id, _)| *id != newest);
            let Some(oldest) = others.min_by_key(|(_, held)| held.used).map(|(id, _)| *id) else { return };
            self.held.remove(&oldest);
        }
    }
}
