//! The store of functions in S3: an object for each module, named by its digest, and one for each entry of the
//! list, as in a folder.
//!
//! ```text
//! s3://BUCKET/PREFIX/modules/9f86d081….wasm
//! s3://BUCKET/PREFIX/functions/split_name.json      the stored form of `evercount_wire::function`
//! ```
//!
//! Whoever runs functions reads modules, and nothing else; a module that was changed in the bucket is refused
//! then. An entry is replaced only where it is the one that was read, which S3 looks to itself.

use bytes::Bytes;
use evercount_core::function::{FunctionEntry, FunctionId, FunctionName};
use evercount_pipeline::functions::{check_digest, check_entry, listed, read_entry, stored_entry};
use evercount_pipeline::ports::{FunctionStore, StoreError};
use evercount_sandbox::limits::MODULE_BYTES_MAX;
use http::HeaderValue;

use crate::s3::{Replaces, S3, S3Place};

/// Longest entry, in bytes: it may hold examples, which are items.
const ENTRY_BYTES_MAX: usize = 4 << 20;
/// Most objects among which entries are looked for.
const ENTRIES_MAX: usize = 10_000;

/// A store of functions in S3.
#[derive(Clone, Debug)]
pub struct S3Functions {
    s3: S3,
    place: S3Place,
}

impl S3Functions {
    pub(crate) fn new(s3: S3, place: S3Place) -> Self {
        Self { s3, place }
    }

    fn module_key(&self, id: &FunctionId) -> String {
        self.place.key(&format!("modules/{id}.wasm"))
    }

    fn entry_key(&self, name: &FunctionName) -> String {
        self.place.key(&format!("functions/{name}.json"))
    }

    /// An entry, and what it is replaced by.
    async fn entry(&self, key: &str) -> Result<Option<(FunctionEntry, Option<HeaderValue>)>, StoreError> {
        let Some(object) = self.s3.get(self.place.bucket(), key, ENTRY_BYTES_MAX).await? else {
            return Ok(None);
        };
        let place = format!("s3://{}/{key}", self.place.bucket());
        Ok(Some((read_entry(&place, &object.bytes)?, object.tag)))
    }
}

impl FunctionStore for S3Functions {
    async fn module(&self, id: &FunctionId) -> Result<Option<Vec<u8>>, StoreError> {
        let read = self.s3.get(self.place.bucket(), &self.module_key(id), MODULE_BYTES_MAX).await?;
        let Some(object) = read else { return Ok(None) };
        check_digest(id, &object.bytes)?;
        Ok(Some(object.bytes.into()))
    }

    async fn functions(&self) -> Result<Vec<FunctionEntry>, StoreError> {
        let mut entries = Vec::new();
        let prefix = self.place.key("functions/");
        for key in self.s3.list(self.place.bucket(), &prefix, ENTRIES_MAX).await? {
            if key.ends_with(".json")
                && let Some((entry, _)) = self.entry(&key).await?
            {
                entries.push(entry);
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
        let (bucket, key) = (self.place.bucket(), self.entry_key(&to.name));
        let stored = self.entry(&key).await?;
        check_entry(stored.as_ref().map(|(entry, _)| entry), from, to)?;
        // The module before its entry, so that a name never leads to nothing.
        let module = Bytes::copy_from_slice(module);
        self.s3.put(bucket, &self.module_key(&to.id), module, &Replaces::Any).await?;
        let replaces = match stored {
            None => Replaces::Nothing,
            Some((_, Some(tag))) => Replaces::Tagged(tag),
            Some((_, None)) => {
                return Err(StoreError::Rejected(format!("the entry {key} in S3 has no ETag")));
            }
        };
        match self.s3.put(bucket, &key, text.into(), &replaces).await {
            // The reply of an attempt may have been lost that wrote this very entry.
            Err(StoreError::Conflict) => match self.entry(&key).await? {
                Some((stored, _)) if stored == *to => Ok(()),
                _ => Err(StoreError::Conflict),
            },
            done => done,
        }
    }

    async fn remove_function(&self, name: &FunctionName) -> Result<bool, StoreError> {
        let (bucket, key) = (self.place.bucket(), self.entry_key(name));
        if self.s3.get(bucket, &key, ENTRY_BYTES_MAX).await?.is_none() {
            return Ok(false);
        }
        self.s3.delete(bucket, &key).await?;
        Ok(true)
    }
}
