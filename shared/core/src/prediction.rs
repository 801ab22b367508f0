//! Predictions of schema change: what was said of a table, and what came of it.
//!
//! A prediction stands for one window of a table. What it says is fixed when it is made, so that it can be
//! held against what happens; what is thought now is kept beside it. Columns that something announces are
//! beliefs of their own inside it, because each has its own time and its own source.
//!
//! How predictions are made, judged and learnt from is `evercount-forecast`'s; here is what is kept.

use std::collections::BTreeMap;

use crate::order::Micros;
use crate::schema_change::Subject;

/// A day.
pub const DAY: Micros = 86_400_000_000;
/// How long after a time something that happened before it may still become known: a record may be late,
/// and that a column is gone is concluded from the rows that lack it.
pub const GRACE: Micros = 7 * DAY;
/// Bins of a [`ReliabilityPoint`]: tenths of a probability.
pub const BINS: usize = 10;
/// Most columns that one prediction holds, settled ones among them. More are beyond reading, and each is
/// below 3 KB: half an item.
pub const COLUMNS_MAX: usize = 64;

/// What is forecast of a table.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Kind {
    /// Any of the others.
    Any,
    /// A column is added.
    Add,
    /// A column is dropped.
    Drop,
    /// A column gets another type.
    Retype,
}

impl Kind {
    /// All with their names in stored text.
    pub const ALL: [(Self, &'static str); 4] =
        [(Self::Any, "any"), (Self::Add, "add"), (Self::Drop, "drop"), (Self::Retype, "retype")];

    /// Its name in stored text.
    #[must_use]
    pub fn name(self) -> &'static str {
        Self::ALL.iter().find(|(one, _)| *one == self).map_or("any", |(_, name)| name)
    }

    /// The kind of a name.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.iter().find(|(_, one)| *one == name).map(|(kind, _)| *kind)
    }
}

/// What became of something that was predicted.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub enum Standing {
    /// Its time is not over, and it has not come.
    #[default]
    Open,
    /// It came.
    Confirmed,
    /// Its time is over, and it did not come.
    Refuted,
    /// It cannot be judged any more: the table is gone, or nobody announces the column any longer.
    Expired,
}

impl Standing {
    /// All with their names in stored text.
    pub const ALL: [(Self, &'static str); 4] = [
        (Self::Open, "open"),
        (Self::Confirmed, "confirmed"),
        (Self::Refuted, "refuted"),
        (Self::Expired, "expired"),
    ];

    /// Its name in stored text.
    #[must_use]
    pub fn name(self) -> &'static str {
        Self::ALL.iter().find(|(one, _)| *one == self).map_or("open", |(_, name)| name)
    }

    /// The standing of a name.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.iter().find(|(_, one)| *one == name).map(|(standing, _)| *standing)
    }
}

/// A probability with its interval of nine in ten, each in [0, 1].
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Probability {
    /// The probability.
    pub p: f64,
    /// The lower end.
    pub from: f64,
    /// The upper end.
    pub to: f64,
}

/// That a change of a kind comes within so many days.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Claim {
    /// Of what kind.
    pub kind: Kind,
    /// Within how many days of [`Prediction::made_at`].
    pub days: u32,
    /// What was said.
    pub said: Probability,
    /// What is thought now, from now on.
    pub now: Probability,
    /// Whether it came; `None` until its days and [`GRACE`] are over, and where it cannot be judged.
    pub came: Option<bool>,
}

impl Claim {
    /// When its days are over.
    #[must_use]
    pub fn ends_at(&self, made_at: Micros) -> Micros {
        made_at.saturating_add(i64::from(self.days) * DAY)
    }
}

/// When the next change is to be expected; `None` is later than can be said.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct ExpectedAt {
    /// One time in ten it is earlier.
    pub from: Option<Micros>,
    /// It is as often earlier as later.
    pub middle: Option<Micros>,
    /// One time in ten it is later.
    pub to: Option<Micros>,
}

/// A column that was said to come or go.
#[derive(Clone, PartialEq, Debug)]
pub struct ColumnBelief {
    /// Its name.
    pub column: String,
    /// Its type, as whoever says so writes it; `None` where nobody does.
    pub typed: Option<String>,
    /// [`Kind::Add`] or [`Kind::Drop`].
    pub kind: Kind,
    /// How probable that is, in [0, 1].
    pub p: f64,
    /// The kind of evidence, by which records of it are kept: `release`, say.
    pub source: String,
    /// The evidence in words.
    pub evidence: String,
    /// How often such evidence is right, in words.
    pub precision: String,
    /// Since when it is believed.
    pub since: Micros,
    /// When it is to come; `None` where nothing says it.
    pub at: Option<Micros>,
    /// When its time is over.
    pub until: Micros,
    /// What became of it.
    pub standing: Standing,
    /// When it came, and as which type.
    pub came: Option<(Micros, String)>,
    /// Whether what became of it is among what was learnt, and as what.
    pub counted: Option<bool>,
    /// How what happened differs from what was said, in a sentence; empty while it is open.
    pub discrepancy: String,
}

/// What is said of a table.
#[derive(Clone, PartialEq, Debug)]
pub enum Outlook {
    /// Probabilities, for each kind and each number of days.
    Claims {
        /// Each.
        claims: Vec<Claim>,
        /// When the next change is to be expected, as of [`Prediction::updated_at`].
        expected: ExpectedAt,
        /// Why, in a sentence.
        because: String,
    },
    /// There is not enough of a past.
    CannotJudge {
        /// Why, in a sentence.
        because: String,
    },
}

/// A prediction of one table for one window.
#[derive(Clone, PartialEq, Debug)]
pub struct Prediction {
    /// Of which table.
    pub table: Subject,
    /// When its window begins, microseconds since the epoch.
    pub made_at: Micros,
    /// When its window ends.
    pub ends_at: Micros,
    /// When what is thought now was last thought over.
    pub updated_at: Micros,
    /// What is said.
    pub outlook: Outlook,
    /// Columns that may come or go, in the order they were first believed.
    pub columns: Vec<ColumnBelief>,
    /// What is planned that needs the table, with its time.
    pub planned: Vec<(String, Micros)>,
    /// What became of it.
    pub standing: Standing,
    /// When the first change came, and what it was.
    pub came: Option<(Micros, String)>,
    /// What happened (1 or 0) less the probability that was said; `None` where there is nothing to compare.
    pub error: Option<f64>,
    /// How what happened differs from what was said, in a sentence; empty while it is open.
    pub discrepancy: String,
    /// Rises with every write.
    pub revision: u64,
}

impl Prediction {
    /// Its claims; none where nothing could be said.
    #[must_use]
    pub fn claims(&self) -> &[Claim] {
        match &self.outlook {
            Outlook::Claims { claims, .. } => claims,
            Outlook::CannotJudge { .. } => &[],
        }
    }

    /// The claim of any change within the longest time: what its standing is about.
    #[must_use]
    pub fn headline(&self) -> Option<&Claim> {
        self.claims().iter().filter(|claim| claim.kind == Kind::Any).max_by_key(|claim| claim.days)
    }

    /// A sentence for people.
    #[must_use]
    pub fn summary(&self) -> String {
        let percent = |p: f64| (p * 100.0).round();
        let said = match (&self.outlook, self.headline()) {
            (Outlook::CannotJudge { because }, _) => format!("It cannot be said yet: {because}"),
            (_, Some(claim)) => {
                let Probability { p, from, to } = claim.said;
                let [p, from, to] = [p, from, to].map(percent);
                let days = claim.days;
                format!("{} changes within {days} days with {p} % [{from}, {to}]", self.table.as_str())
            }
            (_, None) => "Nothing is said".to_owned(),
        };
        let became = match self.standing {
            Standing::Open => String::new(),
            one => format!("; {}: {}", one.name(), self.discrepancy),
        };
        let coming: Vec<String> = self
            .columns
            .iter()
            .filter(|belief| belief.standing == Standing::Open)
            .take(3)
            .map(|belief| {
                let verb = if belief.kind == Kind::Drop { "go" } else { "come" };
                format!("`{}` may {verb} ({} %)", belief.column, percent(belief.p))
            })
            .collect();
        let coming = if coming.is_empty() { String::new() } else { format!("; {}", coming.join(", ")) };
        format!("{said}{became}{coming}.")
    }
}

/// How often a kind of evidence was right.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Tally {
    /// How often.
    pub hits: u64,
    /// Of how many.
    pub of: u64,
}

/// What was learnt from predictions that came to an end.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Learnt {
    /// The sum of surprises, millionths of a table.
    pub surprise_micro: i64,
    /// Predictions whose table changed.
    pub confirmed: u64,
    /// Predictions whose table did not.
    pub refuted: u64,
    /// By kind of evidence.
    pub trust: BTreeMap<String, Tally>,
    /// When it last changed; 0 where nothing was learnt.
    pub updated_at: Micros,
    /// Rises with every write; 0 where there was none.
    pub revision: u64,
}

/// Claims with a probability in one tenth, and what came of them. Whole numbers, so that what is taken back
/// leaves nothing.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Bin {
    /// How many.
    pub n: u64,
    /// How many came.
    pub came: u64,
    /// The sum of their probabilities, millionths.
    pub p_micro: i64,
}

/// How reliable predictions were whose time ended in one month: enough to plot reliability, and its course.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ReliabilityPoint {
    /// The month, as the first of its microseconds since the epoch.
    pub month: Micros,
    /// Of which kind.
    pub kind: Kind,
    /// Within how many days.
    pub days: u32,
    /// The sum of squared errors, millionths.
    pub squared_micro: i64,
    /// By tenths of the probability that was said.
    pub bins: [Bin; BINS],
}

impl ReliabilityPoint {
    /// A point of nothing.
    #[must_use]
    pub fn empty(month: Micros, kind: Kind, days: u32) -> Self {
        Self { month, kind, days, squared_micro: 0, bins: [Bin::default(); BINS] }
    }

    /// What a point is told by.
    #[must_use]
    pub fn key(&self) -> (Micros, Kind, u32) {
        (self.month, self.kind, self.days)
    }

    /// All bins as one.
    #[must_use]
    pub fn total(&self) -> Bin {
        self.bins.iter().fold(Bin::default(), |sum, bin| Bin {
            n: sum.n + bin.n,
            came: sum.came + bin.came,
            p_micro: sum.p_micro + bin.p_micro,
        })
    }

    /// The Brier score: the mean squared error, 0 where it is best; `None` of nothing.
    #[must_use]
    pub fn brier(&self) -> Option<f64> {
        let n = self.total().n;
        (n > 0).then(|| self.squared_micro as f64 / 1e6 / n as f64)
    }

    /// Adds a claim that came to its end, or takes it back.
    pub fn count(&mut self, p: f64, came: bool, back: bool) {
        let p = if p.is_finite() { p.clamp(0.0, 1.0) } else { return };
        let micro = |x: f64| (x * 1e6).round() as i64;
        let sign = if back { -1 } else { 1 };
        let step = |n: u64| if back { n.saturating_sub(1) } else { n.saturating_add(1) };
        let error = f64::from(u8::from(came)) - p;
        self.squared_micro = self.squared_micro.saturating_add(sign * micro(error * error));
        let place = ((p * BINS as f64) as usize).min(BINS - 1);
        if let Some(bin) = self.bins.get_mut(place) {
            bin.n = step(bin.n);
            bin.came = if came { step(bin.came) } else { bin.came };
            bin.p_micro = bin.p_micro.saturating_add(sign * micro(p));
        }
    }
}

/// What kind of document was imported.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum ImportKind {
    /// A release schedule as CSV.
    ReleasesCsv,
    /// A release schedule as iCalendar.
    ReleasesCalendar,
    /// The configuration of experiments.
    Flags,
    /// Which attributes are asked for, and how often.
    Usage,
    /// What happened to tables before the registry knew them, as CSV.
    History,
}

impl ImportKind {
    /// All with their names in stored text.
    pub const ALL: [(Self, &'static str); 5] = [
        (Self::ReleasesCsv, "releases"),
        (Self::ReleasesCalendar, "calendar"),
        (Self::Flags, "flags"),
        (Self::Usage, "usage"),
        (Self::History, "history"),
    ];

    /// Its name in stored text.
    #[must_use]
    pub fn name(self) -> &'static str {
        Self::ALL.iter().find(|(one, _)| *one == self).map_or("releases", |(_, name)| name)
    }

    /// The kind of a name.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.iter().find(|(_, one)| *one == name).map(|(kind, _)| *kind)
    }
}

/// Longest document that is kept, bytes: 16 times the longest history known, 20 items.
pub const IMPORT_BYTES_MAX: usize = 4 << 20;
/// Longest name of a document, bytes: it is part of a key.
pub const IMPORT_NAME_BYTES_MAX: usize = 255;

/// A document about the future, or about the past before the registry, as it was given. It is read anew
/// each time, so a reader that learns to read more of it does.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Imported {
    /// What kind.
    pub kind: ImportKind,
    /// Its name: another of the same kind and name replaces it.
    pub name: String,
    /// When it was imported, microseconds since the epoch.
    pub at: Micros,
    /// The document.
    pub text: String,
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may panic")]
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn what_is_taken_back_leaves_nothing(
            seen in proptest::collection::vec((-0.5_f64..1.5, any::<bool>()), 0..60),
        ) {
            let mut point = ReliabilityPoint::empty(0, Kind::Any, 30);
            for (p, came) in &seen {
                point.count(*p, *came, false);
            }
            prop_assert_eq!(point.total().n, seen.len() as u64);
            for (p, came) in &seen {
                point.count(*p, *came, true);
            }
            prop_assert_eq!(point, ReliabilityPoint::empty(0, Kind::Any, 30));
        }
    }

    #[test]
    fn a_point_knows_its_score() {
        let mut point = ReliabilityPoint::empty(0, Kind::Any, 30);
        assert_eq!(point.brier(), None);
        point.count(1.0, true, false);
        point.count(0.5, false, false);
        point.count(f64::NAN, false, false);
        assert!((point.brier().unwrap() - 0.125).abs() < 1e-9);
        assert_eq!(point.total(), Bin { n: 2, came: 1, p_micro: 1_500_000 });
    }

    #[test]
    fn names_come_back() {
        assert!(Kind::ALL.iter().all(|(one, _)| Kind::parse(one.name()) == Some(*one)));
        assert!(Standing::ALL.iter().all(|(one, _)| Standing::parse(one.name()) == Some(*one)));
        assert!(ImportKind::ALL.iter().all(|(one, _)| ImportKind::parse(one.name()) == Some(*one)));
    }
}
