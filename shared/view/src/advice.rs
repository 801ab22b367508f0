//! What to count ahead, so that a change that is likely needs no rescan.

use evercount_core::path::Path;
use evercount_forecast::advisor::{Advice, Extra};
use evercount_pipeline::advise::{Advised, Missing, Note};
use serde::Serialize;
use utoipa::ToSchema;

use crate::plain;

/// What can be counted beside what is asked for.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ExtraDoc {
    /// A column as one more dimension.
    Dimension(String),
    /// The truth of the condition, for the sake of these columns.
    TruthOf(Vec<String>),
}

/// A piece of advice.
#[derive(Clone, PartialEq, Debug, Serialize, ToSchema)]
pub struct AdviceDoc {
    /// For which count.
    pub count: String,
    /// The table that it counts.
    pub table: String,
    /// What to count beside what is asked for.
    pub extra: ExtraDoc,
    /// How probable it is that it is needed within half a year.
    pub p: f64,
    /// How many counters more that is.
    pub extra_counters: u64,
    /// What they cost each month.
    pub write_units_per_month: f64,
    /// What a rescan reads, times how probable it is.
    pub read_units_saved: f64,
    /// Whether it saves more than it costs until the prediction is over.
    pub worth_it: bool,
    /// Why, with the numbers.
    pub because: String,
    /// The command that does it.
    pub command: String,
    /// What was done about it; null where nothing was.
    #[schema(required)]
    pub adopted: Option<String>,
}

impl AdviceDoc {
    /// All pieces of advice.
    #[must_use]
    pub fn all(advised: &Advised) -> Vec<Self> {
        advised.advice.iter().map(|one| Self::of(one, advised)).collect()
    }

    fn of(one: &Advice, advised: &Advised) -> Self {
        let (extra, option) = match &one.extra {
            Extra::Dimension { column } => {
                (ExtraDoc::Dimension(column.clone()), format!("--headroom {}", plain(Path::column(column))))
            }
            Extra::TruthBit { columns } => {
                (ExtraDoc::TruthOf(columns.clone()), "--headroom-truth".to_owned())
            }
        };
        Self {
            count: one.count.clone(),
            table: advised.tables.get(&one.count).map(ToString::to_string).unwrap_or_default(),
            extra,
            p: one.p,
            extra_counters: one.extra_counters,
            write_units_per_month: one.write_units_per_month,
            read_units_saved: one.read_units_saved,
            worth_it: one.worth_it,
            because: one.because.clone(),
            command: format!("evercount count alter {} {option}", plain(&one.count)),
            adopted: None,
        }
    }

    /// What to count, in a few words.
    #[must_use]
    pub fn what(&self) -> String {
        match &self.extra {
            ExtraDoc::Dimension(column) => format!("count by `{}` too", plain(column)),
            ExtraDoc::TruthOf(_) => "count what fails its condition too".to_owned(),
        }
    }
}

/// Why there is no advice on something, each in a sentence.
#[must_use]
pub fn notes(advised: &Advised) -> Vec<String> {
    let mut notes: Vec<String> = advised.notes.iter().map(note).collect();
    if advised.tables.is_empty() {
        notes.push("no counts yet; `evercount count create NAME --table TABLE` makes one".to_owned());
    } else if advised.advice.is_empty() && notes.is_empty() {
        notes.push("no change is likely that would ask a count to be read again".to_owned());
    }
    notes
}

fn note(note: &Note) -> String {
    let Note { count, table, missing } = note;
    match missing {
        Missing::Size => format!(
            "{count}: the size of `{table}` is not known, so a rescan has no price; \
             `evercount forecast advise --bytes {table}=BYTES` says it"
        ),
        Missing::Changes => format!(
            "{count}: how often `{table}` changes is not known yet; the schema listener sees it with the records"
        ),
    }
}
