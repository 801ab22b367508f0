//! The stored form of what is known of a version beside its parent, and of how far a walk has
//! come.

use std::collections::BTreeMap;

use evercount_core::adoption::Progress;
use evercount_core::backfill::{Allowance, Place};
use evercount_core::group::{Cell, GroupKey, Outcome};
use evercount_core::verdict::{Census, Compared, Example, ShadowReport};
use serde::{Deserialize, Serialize};

use super::{finite, named, time, time_text};
use crate::group::{cell_from_name, cell_name};

/// A report.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ReportJson {
    census: CensusJson,
    changes: ComparedJson,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    by_group: BTreeMap<String, ComparedJson>,
    is_whole: bool,
    uncertain: u64,
    watched_for: i64,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct CensusJson {
    complete: bool,
    rows: u64,
    rejudged: u64,
    not_remembered: u64,
    compared: ComparedJson,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    examples: Vec<ExampleJson>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct ComparedJson {
    agreed: u64,
    explained: u64,
    unexplained: u64,
    failed: u64,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct ExampleJson {
    key_hash: String,
    outcome: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    group: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    image: Option<String>,
}

/// How far a walk has come.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ProgressJson {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    after: Option<String>,
    done: bool,
    paused: bool,
    visited: u64,
    started_at: String,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    segments: Vec<PlaceJson>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    allowance: Option<AllowanceJson>,
}

/// Where a segment of the source stands.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum PlaceJson {
    Start,
    After(String),
    End,
}

/// What a backfill may still take, in read units.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct AllowanceJson {
    units: f64,
    at: String,
}

impl From<&ShadowReport> for ReportJson {
    fn from(report: &ShadowReport) -> Self {
        let by_group = report.by_group.iter();
        Self {
            census: (&report.census).into(),
            changes: report.changes.into(),
            by_group: by_group.map(|(key, compared)| (group_name(key), (*compared).into())).collect(),
            is_whole: report.is_whole,
            uncertain: report.uncertain,
            watched_for: report.watched_for,
        }
    }
}

impl TryFrom<ReportJson> for ShadowReport {
    type Error = String;

    fn try_from(stored: ReportJson) -> Result<Self, String> {
        let by_group = stored.by_group.into_iter();
        Ok(Self {
            census: stored.census.try_into()?,
            changes: stored.changes.into(),
            by_group: by_group
                .map(|(name, compared)| Ok((group(&name)?, compared.into())))
                .collect::<Result<_, String>>()?,
            is_whole: stored.is_whole,
            uncertain: stored.uncertain,
            watched_for: stored.watched_for,
        })
    }
}

fn group_name(key: &GroupKey) -> String {
    cell_name(&Cell::Group(key.clone()))
}

fn group(name: &str) -> Result<GroupKey, String> {
    match cell_from_name(name) {
        Some(Cell::Group(key)) => Ok(key),
        _ => Err(format!("`{name}` is not a group")),
    }
}

impl From<&Census> for CensusJson {
    fn from(census: &Census) -> Self {
        Self {
            complete: census.complete,
            rows: census.rows,
            rejudged: census.rejudged,
            not_remembered: census.not_remembered,
            compared: census.compared.into(),
            examples: census.examples.iter().map(ExampleJson::from).collect(),
        }
    }
}

impl TryFrom<CensusJson> for Census {
    type Error = String;

    fn try_from(stored: CensusJson) -> Result<Self, String> {
        Ok(Self {
            complete: stored.complete,
            rows: stored.rows,
            rejudged: stored.rejudged,
            not_remembered: stored.not_remembered,
            compared: stored.compared.into(),
            examples: stored.examples.into_iter().map(Example::try_from).collect::<Result<_, _>>()?,
        })
    }
}

impl From<Compared> for ComparedJson {
    fn from(compared: Compared) -> Self {
        let Compared { agreed, explained, unexplained, failed } = compared;
        Self { agreed, explained, unexplained, failed }
    }
}

impl From<ComparedJson> for Compared {
    fn from(stored: ComparedJson) -> Self {
        let ComparedJson { agreed, explained, unexplained, failed } = stored;
        Self { agreed, explained, unexplained, failed }
    }
}

impl From<&Example> for ExampleJson {
    fn from(example: &Example) -> Self {
        Self {
            key_hash: format!("{:016x}", example.key_hash),
            outcome: example.outcome.name().to_owned(),
            group: example.group.as_ref().map(group_name),
            image: example.image.as_ref().map(group_name),
        }
    }
}

impl TryFrom<ExampleJson> for Example {
    type Error = String;

    fn try_from(stored: ExampleJson) -> Result<Self, String> {
        Ok(Self {
            key_hash: u64::from_str_radix(&stored.key_hash, 16)
                .map_err(|_| format!("`{}` is not a hash in hexadecimal digits", stored.key_hash))?,
            outcome: named(&Outcome::ALL, "outcome", &stored.outcome)?,
            group: stored.group.as_deref().map(group).transpose()?,
            image: stored.image.as_deref().map(group).transpose()?,
        })
    }
}

impl From<&Progress> for ProgressJson {
    fn from(progress: &Progress) -> Self {
        Self {
            after: progress.after.clone(),
            done: progress.done,
            paused: progress.paused,
            visited: progress.visited,
            started_at: time_text(progress.started_at),
            segments: progress.segments.iter().map(PlaceJson::from).collect(),
            allowance: (progress.allowance != Allowance::default()).then(|| AllowanceJson {
                units: finite(progress.allowance.units),
                at: time_text(progress.allowance.at),
            }),
        }
    }
}

impl TryFrom<ProgressJson> for Progress {
    type Error = String;

    fn try_from(stored: ProgressJson) -> Result<Self, String> {
        Ok(Self {
            after: stored.after,
            done: stored.done,
            paused: stored.paused,
            visited: stored.visited,
            started_at: time(&stored.started_at)?,
            segments: stored.segments.into_iter().map(Place::from).collect(),
            allowance: match stored.allowance {
                Some(AllowanceJson { units, at }) => Allowance { units, at: time(&at)? },
                None => Allowance::default(),
            },
        })
    }
}

impl From<&Place> for PlaceJson {
    fn from(place: &Place) -> Self {
        match place {
            Place::Start => Self::Start,
            Place::After(text) => Self::After(text.clone()),
            Place::End => Self::End,
        }
    }
}

impl From<PlaceJson> for Place {
    fn from(stored: PlaceJson) -> Self {
        match stored {
            PlaceJson::Start => Self::Start,
            PlaceJson::After(text) => Self::After(text),
            PlaceJson::End => Self::End,
        }
    }
}
