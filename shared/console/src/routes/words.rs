//! Words of a person: what changes something. Each says with `dry_run` what would happen.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use serde::Deserialize;
use utoipa::ToSchema;

use super::asked::{Named, Said};
use crate::console::Console;
use crate::plans::{Decided, Say};
use crate::problem::Problem;
use crate::records::Replays;
use crate::work::{AuditAsk, Audits, Walks};

type On = State<Arc<dyn Console>>;
type Answer<T> = Result<Json<T>, Problem>;

/// Whether to say only what would happen.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Dry {
    /// Say only what would happen, and do nothing.
    #[serde(default)]
    pub dry_run: bool,
}

/// Which count's walks.
#[derive(Clone, PartialEq, Eq, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct WalkAsk {
    /// The count.
    #[schema(example = "by_status")]
    pub count: String,
    /// Say only what would happen, and do nothing.
    #[serde(default)]
    pub dry_run: bool,
}

macro_rules! word {
    ($(#[$doc:meta])* $name:ident, $path:literal, ($($param:tt)*), $named:ty, $said:ty, $answer:ty, $do:expr) => {
        $(#[$doc])*
        #[utoipa::path(
            post, path = $path, tag = "words", params($($param)*), request_body = $said,
            responses(
                (status = 200, body = $answer),
                (status = 400, body = Problem, content_type = "application/problem+json"),
                (status = 403, body = Problem, content_type = "application/problem+json"),
                (status = 404, body = Problem, content_type = "application/problem+json"),
                (status = 409, body = Problem, content_type = "application/problem+json"),
                (status = 413, body = Problem, content_type = "application/problem+json"),
                (status = 415, body = Problem, content_type = "application/problem+json"),
            )
        )]
        pub async fn $name(State(console): On, Named(named): Named<$named>, Said(said): Said<$said>) -> Answer<$answer> {
            let answer: Result<$answer, Problem> = ($do)(console.clone(), named, said).await;
            console.changed();
            Ok(Json(answer?))
        }
    };
}

word!(
    /// Goes on with a plan that waits.
    approve, "/api/v1/plans/{id}/approve", (("id" = String, Path, description = "The plan's id.")),
    String, Say, Decided,
    async |console: Arc<dyn Console>, id: String, say: Say| console.approve(&id, say).await
);
word!(
    /// Leaves the logic as it is.
    reject, "/api/v1/plans/{id}/reject", (("id" = String, Path, description = "The plan's id.")),
    String, Say, Decided,
    async |console: Arc<dyn Console>, id: String, say: Say| console.reject(&id, say).await
);
word!(
    /// Lets a version take over now, without more evidence.
    promote, "/api/v1/counts/{name}/versions/{number}/promote",
    (("name" = String, Path, description = "The count.", example = "by_status"), ("number" = u32, Path, description = "The version.", example = 1)),
    (String, u32), Say, Decided,
    async |console: Arc<dyn Console>, (name, number): (String, u32), say: Say| {
        console.promote(&name, number, say).await
    }
);
word!(
    /// Takes a promotion back: the version that stands by is active again.
    roll_back, "/api/v1/counts/{name}/rollback", (("name" = String, Path, description = "The count.", example = "by_status")),
    String, Say, Decided,
    async |console: Arc<dyn Console>, name: String, say: Say| console.roll_back(&name, say).await
);
word!(
    /// Counts a quarantined record if it can be understood by now.
    replay, "/api/v1/quarantine/{id}/replay", (("id" = String, Path, description = "LANE#SEQUENCE.", example = "orders-cdc/shardId-000000000000#4711")),
    String, Dry, Replays,
    async |console: Arc<dyn Console>, id: String, dry: Dry| console.replay(Some(&id), dry.dry_run).await
);
word!(
    /// Counts all quarantined records that can be understood by now, at most 100 at a time.
    replay_all, "/api/v1/quarantine/replay", (), (), Dry, Replays,
    async |console: Arc<dyn Console>, (): (), dry: Dry| console.replay(None, dry.dry_run).await
);
word!(
    /// Halts the backfill of a count.
    pause, "/api/v1/backfills/pause", (), (), WalkAsk, Walks,
    async |console: Arc<dyn Console>, (): (), ask: WalkAsk| console.pause(&ask.count, true, ask.dry_run).await
);
word!(
    /// Lets the backfill of a count go on.
    resume, "/api/v1/backfills/resume", (), (), WalkAsk, Walks,
    async |console: Arc<dyn Console>, (): (), ask: WalkAsk| console.pause(&ask.count, false, ask.dry_run).await
);
word!(
    /// Starts an audit, which goes on after the answer.
    audit, "/api/v1/audits", (), (), AuditAsk, Audits,
    async |console: Arc<dyn Console>, (): (), ask: AuditAsk| console.audit(ask).await
);
