//! `evercount counts --as-of`: what was counted at a time, from the last cut before it.

use anyhow::bail;
use evercount_core::logic::{LogicId, LogicState, LogicVersion};
use evercount_core::order::Micros;
use evercount_core::reading::Reading;
use evercount_core::timeline::active_at;
use evercount_pipeline::ports::CatalogStore;
use evercount_pipeline::read;
use serde_json::{Value, json};

use crate::target::Opened;
use crate::{count, show, version};

/// A reading of the past.
pub struct LookedBack {
    reading: Reading,
    asked: Micros,
    cut_at: Micros,
    active: Option<u32>,
}

/// Looks back at one count, or at all.
///
/// # Errors
/// Where nothing was kept of the time.
pub async fn run(
    opened: &Opened,
    name: Option<&str>,
    number: Option<u32>,
    at: Micros,
    now: Micros,
) -> anyhow::Result<Vec<LookedBack>> {
    if at > now {
        bail!(
            "{} is still to come; `evercount counts` without `--as-of` shows the counts now",
            show::time(at)
        );
    }
    let names: Vec<String> = match name {
        Some(name) => vec![name.to_owned()],
        None => {
            let versions = opened.stack.store().versions().await?;
            let active = versions.into_iter().filter(|version| version.state == LogicState::Active);
            active.map(|version| version.id.definition.to_string()).collect()
        }
    };
    let mut looked_back = Vec::new();
    for of in &names {
        looked_back.push(one(opened, of, number, at).await?);
    }
    Ok(looked_back)
}

async fn one(opened: &Opened, name: &str, number: Option<u32>, at: Micros) -> anyhow::Result<LookedBack> {
    let store = opened.stack.store();
    let versions = version::of(opened, name).await?;
    let definition = count::active(opened, name).await?.id.definition;
    let trail = store.trail(&definition).await?;
    let active = active_at(&versions, &trail, at);
    let Some(wanted) = number.or(active) else {
        let first = versions.iter().map(|version| version.created_at).min().unwrap_or(at);
        bail!("`{name}` was not counted at {}; it was created at {}", show::time(at), show::time(first))
    };
    let version = version::find(opened, name, wanted).await?;
    let Some(cut) = store.cut_at(&version.id, at).await? else {
        bail!(no_cut(opened, &version, &versions, at).await?)
    };
    let reading = read::of_cut(&version, &cut);
    Ok(LookedBack { reading, asked: at, cut_at: cut.at, active })
}

/// Why there is nothing to look back at, and at what there is.
async fn no_cut(
    opened: &Opened,
    version: &LogicVersion,
    versions: &[LogicVersion],
    at: Micros,
) -> anyhow::Result<String> {
    let store = opened.stack.store();
    let LogicId { definition: name, number } = &version.id;
    let why = format!(
        "no cut of version {number} of `{name}` was kept before {}: the active version is cut once an hour while counts are maintained",
        show::time(at)
    );
    for other in versions.iter().rev().filter(|other| other.id != version.id) {
        if let Some(cut) = store.cut_at(&other.id, at).await? {
            let other = other.id.number;
            return Ok(format!(
                "{why}; version {other} has one of {}: `--version {other}`",
                show::time(cut.at)
            ));
        }
    }
    Ok(format!("{why}; it was created at {}", show::time(version.created_at)))
}

impl LookedBack {
    /// Prints it.
    pub fn show(&self) {
        show::reading(&self.reading);
        let number = self.reading.logic.id.number;
        show::line(format!(
            "  as of {}, from the cut of {}, {} before",
            show::time(self.asked),
            show::time(self.cut_at),
            ago(self.asked.saturating_sub(self.cut_at))
        ));
        match self.active {
            Some(active) if active == number => {
                show::line(format!("  version {number} was the active one then"));
            }
            Some(active) => show::line(format!("  version {active} was the active one then")),
            None => show::line("  no version was active then"),
        }
    }

    /// The reading with what it was taken from.
    pub fn to_json(&self) -> Value {
        let mut document = show::reading_json(&self.reading);
        let with = json!({
            "as_of": {
                "asked": show::time(self.asked),
                "cut_at": show::time(self.cut_at),
                "age_seconds": self.asked.saturating_sub(self.cut_at) as f64 / 1e6,
                "active_version": self.active,
            },
        });
        show::extend(&mut document, with);
        document
    }
}

/// A length of time for people.
fn ago(micros: Micros) -> String {
    let seconds = micros / 1_000_000;
    match seconds {
        ..=0 => "less than a second".to_owned(),
        1..=119 => format!("{seconds} s"),
        120..=7_199 => format!("{} min", seconds / 60),
        7_200..=172_799 => format!("{} h", seconds / 3_600),
        _ => format!("{} days", seconds / 86_400),
    }
}
