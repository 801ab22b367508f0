//! Functions in a folder: one file for each module, named by its digest, and one for each entry of the
//! list.
//!
//! ```text
//! modules/9f86d081….wasm
//! functions/split_name.json      the stored form of `evercount_wire::function`
//! lock                           held while the list is changed
//! ```
//!
//! A file is written beside its place and moved there, so that a reader sees all of it or none, whenever
//! the writer ends. A module that was changed in the folder is refused when it is read. Calls wait for
//! the disk, without a thread of their own: this is for commands and for runs on one machine.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use evercount_core::function::{FunctionEntry, FunctionId, FunctionName};

use crate::functions::{check_digest, check_entry, listed, read_entry, stored_entry};
use crate::ports::{FunctionStore, StoreError};

/// A store of functions in a folder.
#[derive(Clone, Debug)]
pub struct FunctionFolder {
    folder: PathBuf,
}

impl FunctionFolder {
    /// The store in this folder, which is made by the first write.
    #[must_use]
    pub fn at(folder: impl Into<PathBuf>) -> Self {
        Self { folder: folder.into() }
    }

    fn module_path(&self, id: &FunctionId) -> PathBuf {
        self.folder.join("modules").join(format!("{id}.wasm"))
    }

    fn entry_path(&self, name: &FunctionName) -> PathBuf {
        self.folder.join("functions").join(format!("{name}.json"))
    }

    fn entry(&self, name: &FunctionName) -> Result<Option<FunctionEntry>, StoreError> {
        let path = self.entry_path(name);
        read(&path)?.map(|bytes| read_entry(&path.display(), &bytes)).transpose()
    }

    /// Waits until nobody else changes the list. The system takes the lock back when the process ends.
    fn lock(&self) -> Result<File, StoreError> {
        let take = || {
            fs::create_dir_all(&self.folder)?;
            let file = File::create(self.folder.join("lock"))?;
            file.lock()?;
            Ok(file)
        };
        take().map_err(unavailable)
    }
}

impl FunctionStore for FunctionFolder {
    async fn module(&self, id: &FunctionId) -> Result<Option<Vec<u8>>, StoreError> {
        let Some(module) = read(&self.module_path(id))? else { return Ok(None) };
        check_digest(id, &module)?;
        Ok(Some(module))
    }

    async fn functions(&self) -> Result<Vec<FunctionEntry>, StoreError> {
        let folder = match fs::read_dir(self.folder.join("functions")) {
            Ok(folder) => folder,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(unavailable(error)),
        };
        let mut entries = Vec::new();
        for file in folder {
            let path = file.map_err(unavailable)?.path();
            if path.extension().is_some_and(|extension| extension == "json")
                && let Some(bytes) = read(&path)?
            {
                entries.push(read_entry(&path.display(), &bytes)?);
            }
        }
        Ok(listed(entries))
    }

    async fn put_function(
        &self,
        from: Option<&FunctionEntry>,
        to: &FunctionEntry,
        module: &[u8],
    ) -> Result<(), StoreError> {
        check_digest(&to.id, module)?;
        let text = stored_entry(to)?;
        let _held = self.lock()?;
        let stored = self.entry(&to.name)?;
        check_entry(stored.as_ref(), from, to)?;
        write(&self.module_path(&to.id), module)?;
        write(&self.entry_path(&to.name), text.as_bytes())
    }

    async fn remove_function(&self, name: &FunctionName) -> Result<bool, StoreError> {
        let _held = self.lock()?;
        match fs::remove_file(self.entry_path(name)) {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(unavailable(error)),
        }
    }
}

/// A file; `None` where there is none.
fn read(path: &Path) -> Result<Option<Vec<u8>>, StoreError> {
    match fs::read(path) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(unavailable(error)),
    }
}

/// Writes a file beside its place and moves it there. The lock is held, so that one name will do.
fn write(path: &Path, bytes: &[u8]) -> Result<(), StoreError> {
    let beside = path.with_extension("new");
    let put = || {
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder)?;
        }
        let mut file = File::create(&beside)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        fs::rename(&beside, path)
    };
    put().map_err(unavailable)
}

fn unavailable(error: io::Error) -> StoreError {
    StoreError::Unavailable(format!("the folder of functions: {error}"))
}
