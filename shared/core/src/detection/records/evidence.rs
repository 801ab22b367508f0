//! Owns what the watches of all lanes say together, and the test of whether something is gone.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::Known;
use super::entry::Handover;
use super::trace::{Place, Trace};
use super::watch::Watch;
use crate::observed::{Family, ObservedSchema};
use crate::schema::FieldPath;

/// The chance, a column and a decision, at which an unchanged column is still taken for gone.
pub const FALSE_ALARM_MAX: f64 = 1e-6;
/// A run must be this many times the longest one that ended: columns that are written in bursts
/// stay away by habit.
pub const LONGEST_GAP_FACTOR: u64 = 3;

/// Rows of other types of entities after which a field is gone all the same: types that take turns
/// do so within fewer, and what a column gave way to (a rename that took too long to be seen as
/// one) looks like another type of entity.
pub const ELSEWHERE_ROWS: u64 = 10_000;

/// What all lanes met of one thing.
#[derive(Clone, Debug, Default)]
pub(in crate::detection) struct Met {
    pub with: u64,
    pub of: u64,
    pub run: u64,
    pub longest: u64,
    pub first: Option<Arc<Place>>,
    pub last: Option<Arc<Place>>,
    pub gap: Option<Arc<Place>>,
}

/// That something is gone.
#[derive(Clone, Debug)]
pub(in crate::detection) struct Gone {
    /// Rows that lack it.
    pub rows: u64,
    /// The chance of that many in a row, had nothing changed.
    pub chance: f64,
    /// The first of them.
    pub began: Option<Arc<Place>>,
}

impl Met {
    fn over<'a>(lanes: impl Iterator<Item = (&'a Watch, &'a Trace)> + Clone) -> Self {
        let traces = lanes.clone().map(|(_, trace)| trace);
        let newer = |a: &&Arc<Place>, b: &&Arc<Place>| a.version.cmp(&b.version);
        let last = traces.clone().filter_map(|trace| trace.last.as_ref()).max_by(newer).cloned();
        let mut met = Self {
            with: traces.clone().map(|trace| trace.with).sum(),
            of: traces.clone().map(|trace| trace.of).sum(),
            // A run within one lane is about as many rows of each other lane as well.
            longest: traces.clone().map(|trace| trace.longest).sum(),
            first: traces.clone().filter_map(|trace| trace.first.as_ref()).min_by(newer).cloned(),
            ..Self::default()
        };
        let Some(newest) = &last else { return met };
        for (watch, trace) in lanes {
            let Some(gap) = &trace.gap else { continue };
            if gap.version > newest.version {
                met.run += trace.run;
                if met.gap.as_ref().is_none_or(|known| gap.version < known.version) {
                    met.gap = Some(gap.clone());
                }
            } else {
                // The lane lacked it before another lane saw it for the last time.
                met.run += trace.run.min(watch.rows_after(&newest.version));
            }
        }
        met.gap = met.gap.or_else(|| (met.run > 0).then(|| newest.clone()));
        met.last = last;
        met
    }

    /// The share of rows that show it, before the present run.
    pub fn share(&self) -> f64 {
        let of = self.of.saturating_sub(self.run).max(self.with);
        if of == 0 { 0.0 } else { self.with as f64 / of as f64 }
    }

    /// Whether it is gone: `least` rows lack it and so many that, were the rows that show it
    /// spread over all rows at random, none of them would be among these with a chance above
    /// [`FALSE_ALARM_MAX`]. With `k` of `n` rows showing it and then `m` that do not, the chance is
    /// `C(n, k) / C(n + m, k)`: exact, and the rule of succession where `k = n`.
    pub fn gone(&self, least: u64) -> Option<Gone> {
        if self.with == 0 || self.run < least || self.run < least + LONGEST_GAP_FACTOR * self.longest {
            return None;
        }
        let n = self.of.saturating_sub(self.run).max(self.with);
        let log = ln_choose(n, self.with) - ln_choose(n + self.run, self.with);
        let chance = log.exp();
        (chance <= FALSE_ALARM_MAX).then(|| Gone { rows: self.run, chance, began: self.gap.clone() })
    }
}

fn sum(pairs: impl Iterator<Item = [u64; 2]>) -> [u64; 2] {
    pairs.fold([0; 2], |[a, b], [c, d]| [a + c, b + d])
}

/// The natural logarithm of a binomial coefficient.
fn ln_choose(n: u64, k: u64) -> f64 {
    ln_factorial(n) - ln_factorial(k) - ln_factorial(n.saturating_sub(k))
}

/// The natural logarithm of `n!`, by Stirling's series, whose error is below 1e-9 from 10 on.
fn ln_factorial(n: u64) -> f64 {
    if n < 10 {
        return (2..=n).map(|factor| (factor as f64).ln()).sum();
    }
    let n = n as f64;
    n * n.ln() - n + 0.5 * (std::f64::consts::TAU * n).ln() + 1.0 / (12.0 * n) - 1.0 / (360.0 * n.powi(3))
}

/// What all lanes gathered of one field.
#[derive(Clone, Debug, Default)]
pub(in crate::detection) struct FieldEvidence {
    pub presence: Met,
    /// Rows of other types of entities since the last that has it, and the longest such time.
    pub elsewhere: [u64; 2],
    /// Of the latest rows of each lane that could have it, those that do, and all.
    pub lately: Vec<[u64; 2]>,
    /// How often it has left the schema.
    pub left: u32,
    pub nulls: u64,
    pub families: BTreeMap<Family, Met>,
}

impl FieldEvidence {
    /// Whether the field is gone. Each time it came back makes the next time take a third longer,
    /// so a field that comes and goes by habit changes the schema ever more seldom.
    pub fn gone(&self, least: u64) -> Option<Gone> {
        let times = (4.0_f64 / 3.0).powf(f64::from(self.left));
        let least = (least as f64 * times).min(u64::MAX as f64) as u64;
        let [elsewhere, longest] = self.elsewhere;
        self.presence.gone(least).or_else(|| {
            let enough = elsewhere >= least.max(ELSEWHERE_ROWS) && elsewhere >= LONGEST_GAP_FACTOR * longest;
            let all = Met {
                run: self.presence.run + elsewhere,
                of: self.presence.of + elsewhere,
                ..self.presence.clone()
            };
            all.gone(least).filter(|_| enough)
        })
    }

    /// The families it showed lately enough to count as its type.
    pub fn families(&self) -> impl Iterator<Item = Family> + '_ {
        self.families.iter().filter(|(_, met)| met.with > 0).map(|(family, _)| *family)
    }
}

/// What all lanes say.
pub(in crate::detection) struct Evidence<'a> {
    watches: &'a [&'a Watch],
    pub fields: BTreeMap<&'a FieldPath, FieldEvidence>,
    observed: std::cell::OnceCell<ObservedSchema>,
}

impl<'a> Evidence<'a> {
    pub fn of(known: &Known<'_>, watches: &'a [&'a Watch]) -> Self {
        let mut fields = BTreeMap::new();
        for path in watches.iter().flat_map(|watch| &watch.gathered().entries).map(|entry| &entry.path) {
            fields.entry(path).or_insert_with(|| {
                // A lane that has not come to the known version yet tells of columns that have
                // left since: that is no sign of their return.
                let left = !known.schema.fields.contains_key(path) && known.retired.contains(path);
                let of_now =
                    watches.iter().filter(|watch| !left || watch.gathered().version == known.version);
                let entries = of_now.filter_map(|watch| Some((*watch, watch.entry(path)?)));
                let mut families: BTreeMap<Family, Vec<(&Watch, &Trace)>> = BTreeMap::new();
                for (watch, entry) in entries.clone() {
                    for (family, trace) in &entry.families {
                        families.entry(*family).or_default().push((watch, trace));
                    }
                }
                let families =
                    families.into_iter().map(|(family, lanes)| (family, Met::over(lanes.into_iter())));
                FieldEvidence {
                    presence: Met::over(entries.clone().map(|(watch, entry)| (watch, &entry.presence))),
                    elsewhere: sum(entries.clone().map(|(_, entry)| entry.elsewhere)),
                    lately: entries.clone().map(|(_, entry)| entry.lately).collect(),
                    left: entries.clone().map(|(_, entry)| entry.left).max().unwrap_or_default(),
                    nulls: entries.map(|(_, entry)| entry.nulls).sum(),
                    families: families.collect(),
                }
            });
        }
        Self { watches, fields, observed: std::cell::OnceCell::new() }
    }

    /// Whether two fields were ever in one row.
    pub fn have_met(&self, one: &FieldPath, other: &FieldPath) -> bool {
        self.watches.iter().any(|watch| watch.have_met(one, other))
    }

    /// Updates that took away one column and brought another.
    pub fn handover(&self, gone: &FieldPath, come: &FieldPath) -> Handover {
        let pair = (gone.clone(), come.clone());
        let found = self.watches.iter().filter_map(|watch| watch.gathered().handovers.get(&pair));
        found.fold(Handover::default(), |sum, one| Handover {
            tried: sum.tried + one.tried,
            held: sum.held + one.held,
        })
    }

    /// What samples of the rows show of values.
    pub fn observed(&self) -> &ObservedSchema {
        self.observed.get_or_init(|| {
            let mut all = ObservedSchema::default();
            self.watches.iter().for_each(|watch| all.merge(watch.observed()));
            all
        })
    }
}
