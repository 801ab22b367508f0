//! The logic versions of a count, and which of them readers see.

use evercount_core::logic::LogicState;
use evercount_pipeline::discovery::ServiceDirectory;
use evercount_pipeline::ports::SourceTable;
use evercount_pipeline::validate;
use evercount_view::{outcome_words, time};
use evercount_wire::definition::definition_lines;
use serde::Serialize;
use utoipa::ToSchema;

use crate::console::{ConsoleStore, Served};
use crate::counts::{active, state_name, versions_of};
use crate::live;
use crate::plans::{Decided, Say};
use crate::problem::Problem;

/// A logic version.
#[derive(Clone, PartialEq, Debug, Serialize, ToSchema)]
pub struct VersionDoc {
    /// Its number.
    pub number: u32,
    /// `draft`, `shadow`, `active`, `standby`, `retired` or `rejected`.
    pub state: String,
    /// Since when.
    pub state_since: String,
    /// The version it came from; null where a person wrote it.
    #[schema(required)]
    pub parent: Option<u32>,
    /// The plan that made it.
    #[schema(required)]
    pub plan: Option<String>,
    /// Its definition, line by line.
    pub definition: Vec<String>,
    /// Items in all; null where it is not counted.
    #[schema(required)]
    pub total: Option<i64>,
    /// When it was made.
    pub created_at: String,
}

/// The logic versions of a count, oldest first.
#[derive(Clone, PartialEq, Debug, Serialize, ToSchema)]
pub struct VersionList {
    /// The count.
    pub count: String,
    /// What a rollback would do; null where none is possible.
    #[schema(required)]
    pub rollback: Option<String>,
    /// Its versions.
    pub versions: Vec<VersionDoc>,
}

/// All versions of a count.
pub async fn list<S, T, D>(served: &Served<S, T, D>, name: &str) -> Result<VersionList, Problem>
where
    S: ConsoleStore,
    T: SourceTable,
    D: ServiceDirectory,
{
    let versions = versions_of(&served.store, name).await?;
    let mut docs = Vec::new();
    for version in &versions {
        let total = match version.state.is_live() {
            true => Some(live::reading(served, version).await?.total),
            false => None,
        };
        docs.push(VersionDoc {
            number: version.id.number,
            state: state_name(version.state).to_owned(),
            state_since: time(version.state_since),
            parent: version.parent,
            plan: version.plan.as_ref().map(ToString::to_string),
            definition: definition_lines(&version.definition),
            total,
            created_at: time(version.created_at),
        });
    }
    let rollback = active(name, &versions)
        .ok()
        .zip(versions.iter().rfind(|version| version.state == LogicState::Standby))
        .map(|(active, standby)| will_roll_back(standby.id.number, active.id.number));
    Ok(VersionList { count: name.to_owned(), rollback, versions: docs })
}

/// What a rollback will do.
pub fn will_roll_back(to: u32, from: u32) -> String {
    format!(
        "version {to} becomes active again, and version {from} is given up with whatever was planned on it"
    )
}

/// What a promotion will do.
pub fn will_promote(to: u32, from: u32) -> String {
    format!("version {to} takes over from version {from}, which stands by for a rollback")
}

/// Lets a version take over.
pub async fn promote<S, T, D>(
    served: &Served<S, T, D>,
    name: &str,
    number: u32,
    say: Say,
) -> Result<Decided, Problem>
where
    S: ConsoleStore,
    T: SourceTable,
    D: ServiceDirectory,
{
    let versions = versions_of(&served.store, name).await?;
    let Some(version) = versions.iter().find(|version| version.id.number == number) else {
        return Err(Problem::absent(
            format!("`{name}` has no version {number}"),
            format!("`GET /api/v1/counts/{name}/versions` lists what there is"),
        ));
    };
    if version.state != LogicState::Shadow {
        return Err(Problem::conflict(
            format!("version {number} of `{name}` is {}", state_name(version.state)),
            "only a shadow version can take over; a standby version takes over again by a rollback",
        ));
    }
    let stored = served.store.adjustments(Some(&version.id.definition)).await?;
    let Some(stored) = stored.into_iter().find(|one| one.to == Some(number)) else {
        return Err(Problem::conflict(
            format!("no plan made version {number} of `{name}`, so nothing says whether it may take over"),
            "ask for the definition anew with `evercount count alter`",
        ));
    };
    say.holds(stored.revision)?;
    let current = active(name, &versions)?;
    let will = will_promote(number, current.id.number);
    if say.dry_run {
        return Ok(Decided::dry(will, &stored));
    }
    served.may_write()?;
    let (after, _) = validate::promote_by_hand(&served.store, &stored, version, served.now()).await?;
    served.memory.forget();
    let done = format!(
        "version {number} is active; version {} stands by, and a rollback makes it active again",
        current.id.number
    );
    Ok(Decided::done(will, done, &after))
}

/// Takes a promotion back.
pub async fn roll_back<S, T, D>(served: &Served<S, T, D>, name: &str, say: Say) -> Result<Decided, Problem>
where
    S: ConsoleStore,
    T: SourceTable,
    D: ServiceDirectory,
{
    let versions = versions_of(&served.store, name).await?;
    let current = active(name, &versions)?;
    let Some(standby) = versions.iter().rfind(|version| version.state == LogicState::Standby) else {
        return Err(Problem::conflict(
            format!("no version of `{name}` stands by"),
            "nothing was promoted lately, or its time to be taken back is over",
        ));
    };
    let will = will_roll_back(standby.id.number, current.id.number);
    if say.dry_run {
        return Ok(Decided { will, done: None, plan: None });
    }
    served.may_write()?;
    let rolled = validate::roll_back(&served.store, &current.id, "a person took it back", served.now());
    let (back, reverted) = rolled.await?;
    served.memory.forget();
    let taken = reverted.as_ref().map_or_else(String::new, |reverted| {
        format!("; plan {} is {}", reverted.plan.id, outcome_words(reverted.outcome))
    });
    let done = format!("version {} is active again{taken}", back.id.number);
    Ok(Decided { will, done: Some(done), plan: reverted.as_ref().map(Into::into) })
}
