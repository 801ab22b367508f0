//! What a document must be to be kept for forecasts.

use evercount_core::prediction::{IMPORT_BYTES_MAX, IMPORT_NAME_BYTES_MAX, Imported};

use crate::ports::StoreError;

/// The name under which a proxy that cannot write to the metadata table may hand over what it sees of requests
/// ([`evercount_core::prediction::ImportKind::Usage`]), so that each of its tellings replaces the one before. One that
/// can has [`crate::ports::UsageStore`].
pub const USAGE_OF_PROXY: &str = "data-proxy";

/// Whether a document is within the limits.
///
/// # Errors
/// [`StoreError::Rejected`], which names the limit.
pub fn check(imported: &Imported) -> Result<(), StoreError> {
    let rejected = |because: String| Err(StoreError::Rejected(because));
    let name = &imported.name;
    if name.is_empty() || name.len() > IMPORT_NAME_BYTES_MAX {
        return rejected(format!("a document's name has 1 to {IMPORT_NAME_BYTES_MAX} bytes"));
    }
    // Parts of a document are told by it in their keys.
    if name.contains('#') || name.contains(char::is_control) {
        return rejected("a document's name holds neither `#` nor control characters".to_owned());
    }
    if imported.text.len() > IMPORT_BYTES_MAX {
        return rejected(format!(
            "the document has {} bytes, and at most {IMPORT_BYTES_MAX} are kept; leave out what is older",
            imported.text.len()
        ));
    }
    Ok(())
}
