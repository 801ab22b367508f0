//! How a running `evercount local` is found: one to a folder, and a file that says where it is.

use std::fs::{self, File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use serde_json::Value;

/// The lock that a running `evercount local` holds. The system frees it with the process, however
/// that ends, so the file itself says nothing and stays.
const LOCK_FILE: &str = "local.lock";

/// A folder that is this process's own.
pub struct Place {
    home: PathBuf,
    file: PathBuf,
    _lock: File,
}

impl Place {
    /// Claims a folder, creating it where it is missing.
    ///
    /// # Errors
    /// Where another process has it, or it cannot be written to.
    pub fn claim(home: PathBuf, file: PathBuf) -> anyhow::Result<Self> {
        fs::create_dir_all(&home).with_context(|| format!("could not create {}", home.display()))?;
        let path = home.join(LOCK_FILE);
        let opened = File::options().create(true).append(true).open(&path);
        let lock = opened.with_context(|| format!("could not write {}", path.display()))?;
        match lock.try_lock() {
            Ok(()) => Ok(Self { home, file, _lock: lock }),
            Err(TryLockError::WouldBlock) => bail!(
                "an `evercount local` is running already{}; stop it, or name another folder in EVERCOUNT_HOME",
                whereabouts(&file).map(|found| format!(" ({found})")).unwrap_or_default()
            ),
            Err(TryLockError::Error(error)) => {
                Err(error).with_context(|| format!("could not lock {}", path.display()))
            }
        }
    }

    /// The folder.
    pub fn home(&self) -> &Path {
        &self.home
    }

    /// Says where the services are. The file appears whole or not at all.
    ///
    /// # Errors
    /// Where it cannot be written.
    pub fn tell(&self, where_it_is: &Value) -> anyhow::Result<()> {
        let draft = self.file.with_extension("json.new");
        fs::write(&draft, format!("{where_it_is}\n"))
            .and_then(|()| fs::rename(&draft, &self.file))
            .with_context(|| format!("could not write {}", self.file.display()))
    }

    /// Takes the file away; the folder stays claimed.
    pub fn leave(&self) {
        match fs::remove_file(&self.file) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                crate::show::remark(format!("note: {} is left behind: {error}", self.file.display()));
            }
            _ => {}
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.leave();
    }
}

/// What the file says of who is running.
fn whereabouts(file: &Path) -> Option<String> {
    let told: Value = serde_json::from_str(&fs::read_to_string(file).ok()?).ok()?;
    let endpoint = told.get("dynamodb")?.as_str()?.to_owned();
    Some(format!("process {}, {endpoint}", told.get("pid")?))
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may panic")]
    use super::*;

    #[test]
    fn a_folder_has_one_owner_at_a_time_and_a_second_hears_who_it_is() {
        let folder = tempfile::tempdir().unwrap();
        let claim = || Place::claim(folder.path().to_owned(), folder.path().join("local.json"));
        let place = claim().unwrap();
        place.tell(&serde_json::json!({"dynamodb": "http://127.0.0.1:1", "pid": 7})).unwrap();
        let refused = claim().err().unwrap().to_string();
        assert!(refused.contains("(process 7, http://127.0.0.1:1)"), "{refused}");
        drop(place);
        assert!(!folder.path().join("local.json").exists());
        claim().unwrap();
    }
}
