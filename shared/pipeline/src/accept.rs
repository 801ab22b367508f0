//! The accepting step: a person lets changes through that wait. The event leaves with the next
//! batch that is listened to, by the outbox.

use evercount_core::evolution::{self, Evolved};
use evercount_core::order::Micros;
use evercount_core::registration::Registration;
use evercount_core::registry::SubjectState;
use evercount_core::schema::Schema;
use evercount_core::schema_change::{SchemaChange, Subject};

use crate::judge;
use crate::ports::{RegistryStore, StoreError};

/// How often a decision is made again because the subject changed meanwhile. Listeners write a
/// subject when its schema changes, which is rare.
const ATTEMPTS_MAX: usize = 10;

/// What was accepted: the subject as it was, and what came of it.
#[derive(Clone, PartialEq, Debug)]
pub struct Accepted {
    /// The subject before.
    pub before: SubjectState,
    /// The version made, the event, and what still waits.
    pub evolved: Evolved,
}

/// Lets pending changes of a subject through: those that `wanted` accepts. `None` where the
/// subject is not known or has no version yet.
///
/// # Errors
/// [`StoreError::Conflict`] where the subject changes faster than it can be decided on.
pub async fn run<S: RegistryStore>(
    store: &S,
    subject: &Subject,
    wanted: impl Fn(&SchemaChange) -> bool,
    now: Micros,
) -> Result<Option<Accepted>, StoreError> {
    for _ in 0..ATTEMPTS_MAX {
        let Some(before) = store.subject(subject).await? else { return Ok(None) };
        let Some(id) = before.current else { return Ok(None) };
        let version = store.schema_version(subject, id.version, now).await?.found();
        let current = version.ok_or(StoreError::Conflict)?.schema;
        let mode = before.policy.compatibility;
        let history = judge::history(store, &before, mode, Some(&current), now).await?;
        let judged = |next: &Schema| judge::judge(mode, &history, &before.pending, next);
        let evolved = evolution::accept(&before, &current, &wanted, judged, now);
        let mut registration = Registration::empty(subject.clone(), now);
        registration.add(Some(before.revision), &before, evolved.clone());
        let registered =
            if registration.is_empty() { Ok(()) } else { store.register(&registration).await.map(drop) };
        match registered {
            Err(StoreError::Conflict) => {}
            Err(error) => return Err(error),
            Ok(()) => return Ok(Some(Accepted { before, evolved })),
        }
    }
    Err(StoreError::Conflict)
}
