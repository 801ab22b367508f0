//! Finds subjects and versions, and says what there is where one is not.

use anyhow::{anyhow, bail};
use evercount_core::fingerprint::{Fingerprint, SchemaId};
use evercount_core::order::Micros;
use evercount_core::registration::{Lookup, in_force, newest_of};
use evercount_core::registry::{SchemaVersion, SubjectState};
use evercount_core::schema_change::Subject;
use evercount_pipeline::ports::RegistryStore;

use super::text::plain;
use crate::show;

/// A subject by its name.
///
/// # Errors
/// Where there is none; names a similar one.
pub async fn find<S: RegistryStore>(store: &S, name: &str) -> anyhow::Result<SubjectState> {
    if let Some(found) = store.subject(&Subject::new(name)).await? {
        return Ok(found);
    }
    let all = store.subjects().await?;
    if all.is_empty() {
        bail!(
            "there is no subject `{}`: the registry is empty; the schema listener fills it as records arrive",
            plain(name)
        );
    }
    let names = all.iter().map(|state| state.subject.as_str());
    Err(show::unknown("subject", name, names, "evercount schema list"))
}

/// The number of a subject's current version.
///
/// # Errors
/// Where it has none yet.
pub fn current(state: &SubjectState) -> anyhow::Result<u32> {
    let name = plain(&state.subject);
    state.current.map(|id| id.version).ok_or_else(|| {
        anyhow!("`{name}` has no version yet; `evercount schema history {name}` tells what was held, and why")
    })
}

/// A version by its number.
///
/// # Errors
/// Where it is not there, or no longer.
pub async fn version<S: RegistryStore>(
    store: &S,
    state: &SubjectState,
    number: u32,
    now: Micros,
) -> anyhow::Result<SchemaVersion> {
    let name = plain(&state.subject);
    match store.schema_version(&state.subject, number, now).await? {
        Lookup::Found(found) => Ok(*found),
        Lookup::Expired { version, at } => {
            let ended = at.map_or_else(String::new, |at| format!(" since {}", show::time(at)));
            bail!(
                "version {version} of `{name}` is no longer kept{ended}; \
                 `evercount schema history {name}` still tells what it changed"
            )
        }
        Lookup::Absent => match state.current {
            Some(id) => bail!("`{name}` has no version {number}; its current one is {}", id.version),
            None => bail!("`{name}` has no version {number}; it has none yet"),
        },
    }
}

/// A version by a text: its number (`3`, `v3`), its id, or a fingerprint.
///
/// # Errors
/// Where the text is none of these, or the version is not there.
pub async fn named<S: RegistryStore>(
    store: &S,
    state: &SubjectState,
    text: &str,
    now: Micros,
) -> anyhow::Result<SchemaVersion> {
    if let Ok(number) = text.strip_prefix('v').unwrap_or(text).parse() {
        return version(store, state, number, now).await;
    }
    if let Some(id) = SchemaId::parse(text) {
        let found = version(store, state, id.version, now).await?;
        if found.id != id {
            bail!("version {} of `{}` is {}, not {id}", id.version, plain(&state.subject), found.id);
        }
        return Ok(found);
    }
    let fingerprint = (text.len() == 16).then(|| u64::from_str_radix(text, 16).ok()).flatten();
    let Some(fingerprint) = fingerprint.map(Fingerprint) else {
        bail!("`{text}` is no version: write its number, or its id as `evercount schema show` prints it")
    };
    let heads = store.schema_versions(&state.subject).await?;
    match newest_of(&heads, fingerprint) {
        Some(head) => version(store, state, head.id.version, now).await,
        None => bail!("no version of `{}` has the fingerprint {fingerprint}", plain(&state.subject)),
    }
}

/// The version in force at a time.
///
/// # Errors
/// Where there was none, or it is no longer kept.
pub async fn at<S: RegistryStore>(
    store: &S,
    state: &SubjectState,
    at: Micros,
    now: Micros,
) -> anyhow::Result<SchemaVersion> {
    let heads = store.schema_versions(&state.subject).await?;
    let Some(head) = in_force(&heads, at) else {
        let name = plain(&state.subject);
        match heads.iter().min_by_key(|head| head.at) {
            Some(first) => bail!(
                "no version of `{name}` that is still kept was in force at {}; the earliest, {}, is from {}",
                show::time(at),
                first.id.version,
                show::time(first.at)
            ),
            None => bail!("`{name}` has no version yet"),
        }
    };
    version(store, state, head.id.version, now).await
}
