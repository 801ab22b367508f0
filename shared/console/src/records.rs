//! Records in quarantine.

use evercount_core::chunk::Quarantined;
use evercount_core::lane::{LaneId, SequenceNumber};
use evercount_pipeline::discovery::ServiceDirectory;
use evercount_pipeline::ports::SourceTable;
use evercount_pipeline::quarantine::{Replayed, replay as replay_one};
use evercount_view::QuarantinedDoc;
use serde::Serialize;
use utoipa::ToSchema;

use crate::console::{ConsoleStore, Served};
use crate::problem::Problem;

/// Records of one replay: what is left is replayed by the next.
const REPLAYED_MAX: usize = 100;

/// What is in quarantine.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, ToSchema)]
pub struct QuarantineList {
    /// How many records there are.
    pub total: usize,
    /// Those of this page.
    pub quarantined: Vec<QuarantinedDoc>,
    /// The `offset` of the next page; null after the last one.
    #[schema(required)]
    pub next: Option<usize>,
}

/// A record that stays in quarantine.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, ToSchema)]
pub struct Kept {
    /// Its id.
    pub id: String,
    /// Why.
    pub why: String,
}

/// What a replay did, or would do.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, ToSchema)]
pub struct Replays {
    /// What happens, in a sentence to be shown before it is confirmed.
    pub will: String,
    /// Whether it was done; not so for a dry run.
    pub done: bool,
    /// Records that are counted, and no longer in quarantine.
    pub released: Vec<String>,
    /// Records that stay.
    pub kept: Vec<Kept>,
    /// Records that were not tried: there were more than one replay takes.
    pub left: usize,
}

/// What is in quarantine.
pub async fn list<S, T, D>(
    served: &Served<S, T, D>,
    limit: usize,
    offset: usize,
) -> Result<QuarantineList, Problem>
where
    S: ConsoleStore,
    T: SourceTable,
    D: ServiceDirectory,
{
    let records = served.store.quarantined().await?;
    let page: Vec<_> = records.iter().skip(offset).take(limit).map(QuarantinedDoc::of).collect();
    let end = offset.saturating_add(limit);
    let next = (end < records.len() && limit > 0).then_some(end);
    Ok(QuarantineList { total: records.len(), quarantined: page, next })
}

async fn find<S: ConsoleStore>(store: &S, id: &str) -> Result<Quarantined, Problem> {
    let shape = || Problem::bad("an id is LANE#SEQUENCE, a number", "take it from `GET /api/v1/quarantine`");
    let (lane, sequence) = id.rsplit_once('#').ok_or_else(shape)?;
    let sequence = SequenceNumber::parse(sequence).ok_or_else(shape)?;
    if lane.is_empty() {
        return Err(shape());
    }
    match store.quarantined_record(&LaneId::named(lane), &sequence).await? {
        Some(record) => Ok(record),
        None => Err(Problem::absent(
            format!("`{}` is not in quarantine", evercount_view::plain(id)),
            "`GET /api/v1/quarantine` lists what is",
        )),
    }
}

/// One record with its bytes.
pub async fn one<S, T, D>(served: &Served<S, T, D>, id: &str) -> Result<QuarantinedDoc, Problem>
where
    S: ConsoleStore,
    T: SourceTable,
    D: ServiceDirectory,
{
    Ok(QuarantinedDoc::whole(&find(&served.store, id).await?))
}

/// Counts those that can be understood by now.
pub async fn replay<S, T, D>(
    served: &Served<S, T, D>,
    id: Option<&str>,
    dry_run: bool,
) -> Result<Replays, Problem>
where
    S: ConsoleStore,
    T: SourceTable,
    D: ServiceDirectory,
{
    let records = match id {
        Some(id) => vec![find(&served.store, id).await?],
        None => served.store.quarantined().await?,
    };
    let those = match records.len() {
        1 => "the record is".to_owned(),
        n => format!("{n} records are"),
    };
    let will =
        format!("{those} read again; what can be understood by now is counted and released, the rest stays");
    let left = records.len().saturating_sub(REPLAYED_MAX);
    let mut replays = Replays { will, done: false, released: Vec::new(), kept: Vec::new(), left };
    if dry_run {
        return Ok(replays);
    }
    served.may_write()?;
    for record in records.iter().take(REPLAYED_MAX) {
        let id = format!("{}#{}", record.lane, record.sequence);
        match replay_one(&served.store, record, served.settings.count, served.now()).await? {
            Replayed::Released(_) => replays.released.push(id),
            Replayed::StillPoison(why) => replays.kept.push(Kept { id, why }),
        }
        served.memory.forget();
    }
    replays.done = true;
    Ok(replays)
}
