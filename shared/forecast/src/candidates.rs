//! Candidates: columns that a table may get or lose, each with who says so and how often they are right.
//!
//! | source | evidence | precision |
//! |---|---|---|
//! | release, flag | declared: name, often type, and date | assumed until the user's own records say ([`Trust`]) |
//! | usage | observed: requests for the name, or no use of it | likewise |
//! | naming | a rule over the project's own columns | measured on whole histories ([`crate::naming`]) |
//!
//! No open data tells how often declared columns come, so none is claimed: what is assumed is called that,
//! and ten predictions that were confirmed or refuted outweigh it.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::history::{HALF_YEAR, Seconds};
use crate::life::Life;
use crate::naming::{Named, Record, Rule};
use crate::signals::usage::{IDLE_DAYS_MIN, REQUESTS_MIN};
use crate::signals::{Planned, Signals};
use crate::units::Kind;

/// Most candidates of a table: a person reads so many.
pub const CANDIDATES_MAX: usize = 10;

/// Who says that a column will come or go.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Source {
    /// A release.
    Release {
        /// Of what.
        feature: String,
    },
    /// An experiment.
    Flag {
        /// Which.
        flag: String,
    },
    /// Requests for an attribute that there is not.
    Requested {
        /// How many.
        requests: u64,
        /// In how many days.
        days: u32,
    },
    /// No use of an attribute that there is.
    Idle {
        /// For how many days.
        days: u32,
    },
    /// A naming rule.
    Naming(Rule),
}

impl Source {
    /// The name of its kind, by which records of it are kept.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Release { .. } => "release",
            Self::Flag { .. } => "flag",
            Self::Requested { .. } => "requested",
            Self::Idle { .. } => "idle",
            Self::Naming(rule) => rule.name(),
        }
    }
}

/// How often a source is right.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Precision {
    /// Counted on histories of other projects.
    Measured(Record),
    /// Nobody has counted: so many of ten are assumed, and what the user's own predictions showed is added.
    Assumed {
        /// Of ten.
        of_ten: u32,
        /// The user's own.
        own: Record,
    },
}

impl Precision {
    /// The share that is right.
    #[must_use]
    pub fn share(self) -> f64 {
        match self {
            // One half more on either side, so that a rule that was never right in few cases is not ruled out.
            Self::Measured(record) => (record.hits as f64 + 0.5) / (record.of as f64 + 1.0),
            Self::Assumed { of_ten, own } => (f64::from(of_ten) + own.hits as f64) / (10.0 + own.of as f64),
        }
    }

    /// In words.
    #[must_use]
    pub fn words(self) -> String {
        match self {
            Self::Measured(record) => {
                format!("measured: {} of {} such columns came within half a year", record.hits, record.of)
            }
            Self::Assumed { of_ten, own: Record { of: 0, .. } } => {
                format!("assumed, not measured: {of_ten} of 10")
            }
            Self::Assumed { own, .. } => format!("of your own: {} of {} came", own.hits, own.of),
        }
    }
}

/// What the user's own predictions showed, by [`Source::name`].
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Trust(pub BTreeMap<String, Record>);

impl Trust {
    /// A candidate came, or its time passed without it.
    pub fn observe(&mut self, source: &str, came: bool) {
        let record = self.0.entry(source.to_owned()).or_default();
        record.of = record.of.saturating_add(1);
        record.hits = record.hits.saturating_add(u64::from(came));
    }

    /// Takes an observation back.
    pub fn revert(&mut self, source: &str, came: bool) {
        if let Some(record) = self.0.get_mut(source) {
            record.of = record.of.saturating_sub(1);
            record.hits = record.hits.saturating_sub(u64::from(came));
        }
    }

    /// What is assumed of a source that nobody has measured. A schedule names what is decided; a flag may
    /// be dropped before it ships; who asks for an attribute may be wrong; what is not used stays, mostly,
    /// because dropping costs something and keeping nothing.
    fn of(&self, source: &Source) -> Precision {
        let of_ten = match source {
            Source::Release { .. } => 7,
            Source::Flag { .. } => 6,
            Source::Requested { .. } => 3,
            Source::Idle { .. } => 1,
            Source::Naming(_) => 0,
        };
        Precision::Assumed { of_ten, own: self.0.get(source.name()).copied().unwrap_or_default() }
    }
}

/// A column that may come or go within half a year.
#[derive(Clone, PartialEq, Debug)]
pub struct Candidate {
    /// Its name.
    pub column: String,
    /// Its type; `None` where nothing says it.
    pub typed: Option<String>,
    /// [`Kind::Add`] or [`Kind::Drop`].
    pub kind: Kind,
    /// How probable that is.
    pub p: f64,
    /// When; `None` where nothing says it.
    pub at: Option<Seconds>,
    /// Who says so: of several, the one that is right most often.
    pub source: Source,
    /// How often that one is right.
    pub precision: Precision,
}

/// What candidates are made from.
#[derive(Clone, Copy, Debug)]
pub struct Known<'a> {
    /// What is known from elsewhere.
    pub signals: &'a Signals,
    /// What the user's own predictions showed.
    pub trust: &'a Trust,
    /// How often naming rules were right.
    pub naming: &'a BTreeMap<Rule, Record>,
}

/// The candidates of a table, the most probable first.
#[must_use]
pub fn candidates(
    table: &str,
    life: &Life,
    named: &[Named],
    known: Known<'_>,
    now: Seconds,
) -> Vec<Candidate> {
    let mut found: BTreeMap<(Kind, String), Candidate> = BTreeMap::new();
    let mut add = |candidate: Candidate| {
        let key = (candidate.kind, candidate.column.clone());
        match found.get_mut(&key) {
            Some(known) if known.p >= candidate.p => {
                // The weaker source may know what the stronger does not.
                known.typed = known.typed.take().or(candidate.typed);
                known.at = known.at.or(candidate.at);
            }
            Some(known) => {
                let (typed, at) = (known.typed.take(), known.at);
                *known = candidate;
                known.typed = known.typed.take().or(typed);
                known.at = known.at.or(at);
            }
            None => {
                found.insert(key, candidate);
            }
        }
    };
    let candidate = |column: &str, typed: Option<String>, kind, at, source: Source, precision: Precision| {
        Candidate { column: column.to_owned(), typed, kind, p: precision.share(), at, source, precision }
    };
    let has = |column: &str| life.columns.contains_key(column);
    let release = |one: &Planned| Source::Release { feature: one.name.clone() };
    let flag = |one: &Planned| Source::Flag { flag: one.name.clone() };
    let plans = known.signals.releases.iter().map(|one| (one, release(one)));
    let plans = plans.chain(known.signals.flags.iter().map(|one| (one, flag(one))));
    // What was planned for longer ago than half a year and is not there was given up.
    for (one, source) in plans.filter(|(one, _)| one.at > now - HALF_YEAR && one.at <= now + HALF_YEAR) {
        for hint in one.columns.iter().filter(|hint| hint.table == table) {
            let Some(column) = hint.column.as_deref().filter(|column| !has(column)) else { continue };
            let precision = known.trust.of(&source);
            add(candidate(column, hint.typed.clone(), Kind::Add, Some(one.at), source.clone(), precision));
        }
    }
    let usage = &known.signals.usage;
    for one in usage.unknown.iter().filter(|one| one.table == table && one.requests >= REQUESTS_MIN) {
        if !has(&one.attribute) {
            let source = Source::Requested { requests: one.requests, days: one.days };
            let precision = known.trust.of(&source);
            add(candidate(&one.attribute, None, Kind::Add, None, source, precision));
        }
    }
    let idle =
        usage.rates.iter().filter(|one| one.reads == 0 && one.writes == 0 && one.days >= IDLE_DAYS_MIN);
    for one in idle.filter(|one| one.table == table && has(&one.attribute)) {
        let source = Source::Idle { days: one.days };
        let precision = known.trust.of(&source);
        add(candidate(&one.attribute, None, Kind::Drop, None, source, precision));
    }
    for one in named {
        let record = known.naming.get(&one.rule).copied().unwrap_or_default();
        let typed = Some(one.typed.to_string()).filter(|typed| !typed.is_empty());
        let precision = Precision::Measured(record);
        // A rule that was never counted says nothing.
        if record.of > 0 {
            add(candidate(&one.column, typed, Kind::Add, None, Source::Naming(one.rule), precision));
        }
    }
    let mut all: Vec<Candidate> = found.into_values().collect();
    all.sort_by(|one, other| other.p.total_cmp(&one.p).then_with(|| one.column.cmp(&other.column)));
    all.truncate(CANDIDATES_MAX);
    all
}

/// Whether anything from elsewhere names a table itself, and when: a release of a feature that needs it.
#[must_use]
pub fn planned_for<'a>(table: &str, signals: &'a Signals, now: Seconds) -> Vec<(Arc<str>, &'a Planned)> {
    let all = signals.releases.iter().chain(&signals.flags);
    let ahead = all.filter(|one| one.at > now && one.at <= now + HALF_YEAR);
    let names = ahead.filter(|one| one.columns.iter().any(|hint| hint.table == table));
    names.map(|one| (Arc::from(one.name.as_str()), one)).collect()
}
