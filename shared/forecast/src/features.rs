//! Features: what is known of a table at a time, as numbers that a model weighs.
//!
//! All are computed from a [`Replay`] that has been followed until that time, so none knows the future.
//! They are few and of one kind: how big a table is, how lately and how often it changed, against the other
//! tables of its project. Times are in half-years ([`HALF_YEAR`]); counts and times enter as `ln(1 + x)`,
//! shares as log-odds. Which of them a model uses is chosen by [`crate::choose`].
//!
//! Measured and left out, because no project was forecast better with them: whether the tables changed
//! that had changed together with this one before (co-change), whether tables with the same words in their
//! names or many of the same columns did, how many tables refer to this one, and the number of commits.

use std::sync::Arc;

use crate::history::{DAY, HALF_YEAR, Seconds};
use crate::life::{Changed, Life, Replay};
use crate::series;

/// What is known of a table.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Feature {
    /// Age, log of half-years.
    Age,
    /// Number of columns, log.
    Columns,
    /// Time since the last change, or since birth, log of half-years.
    SinceChange,
    /// Changes in the last half-year, log.
    ChangesLast,
    /// Changes in the half-year before that, log.
    ChangesBefore,
    /// Changes in the two half-years before those, log.
    ChangesEarlier,
    /// Share of the project's tables that changed in the last half-year, log-odds.
    ProjectShare,
    /// Number of columns that are no references (their names do not end in `id`), log.
    OwnColumns,
    /// Place among the project's tables by number of columns, 0 to 1.
    SizeRank,
    /// A month's memory of the last change: 1 just after it, 0.37 a month later.
    Hot,
    /// Changes that are forgotten by half every quarter, log.
    Churn,
    /// Changes that are forgotten by half every year and count less where a commit changed many tables at
    /// once, log, against the project's mean.
    Focus,
    /// Columns added, forgotten by half every year, log.
    Added,
    /// Columns now against columns at first, log.
    Growth,
    /// Age against the project's mean, log.
    RelativeAge,
    /// Time since any table of the project changed, log of half-years.
    ProjectQuiet,
    /// Share of columns that are references.
    ReferenceShare,
    /// Words of the name against the project's mean: relations have long names.
    Words,
    /// The share of the project's tables that exponential smoothing expects to change, log-odds.
    Smoothed,
    /// The same by an autoregression.
    Autoregressed,
}

impl Feature {
    /// All, with their names in stored text, and what they are called in a sentence. Rows hold them in
    /// this order.
    pub const ALL: [(Self, &'static str, &'static str); 20] = [
        (Self::Age, "age", "its age"),
        (Self::Columns, "columns", "its number of columns"),
        (Self::SinceChange, "since_change", "the time since it last changed"),
        (Self::ChangesLast, "changes_last", "its changes of the last half-year"),
        (Self::ChangesBefore, "changes_before", "its changes of the half-year before"),
        (Self::ChangesEarlier, "changes_earlier", "its earlier changes"),
        (Self::ProjectShare, "project_share", "the share of tables that changed lately"),
        (Self::OwnColumns, "own_columns", "its size"),
        (Self::SizeRank, "size_rank", "its size"),
        (Self::Hot, "hot", "how lately it changed"),
        (Self::Churn, "churn", "how often it changed lately"),
        (Self::Focus, "focus", "how often it was changed by itself"),
        (Self::Added, "added", "the columns added to it"),
        (Self::Growth, "growth", "how far it has grown"),
        (Self::RelativeAge, "relative_age", "its age"),
        (Self::ProjectQuiet, "project_quiet", "how long all tables have been quiet"),
        (Self::ReferenceShare, "reference_share", "the share of references among its columns"),
        (Self::Words, "words", "its name, which is that of a relation or not"),
        (Self::Smoothed, "smoothed", "the activity of the project"),
        (Self::Autoregressed, "autoregressed", "the activity of the project"),
    ];

    /// The feature of a name.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.iter().find(|(_, one, _)| *one == name).map(|(feature, ..)| *feature)
    }

    fn entry(self) -> (usize, &'static str, &'static str) {
        let found = Self::ALL.iter().enumerate().find(|(_, (one, ..))| *one == self);
        found.map_or((0, "age", ""), |(at, (_, name, phrase))| (at, name, phrase))
    }

    /// Its name in stored text.
    #[must_use]
    pub fn name(self) -> &'static str {
        self.entry().1
    }

    /// What it is called in a sentence.
    #[must_use]
    pub fn phrase(self) -> &'static str {
        self.entry().2
    }

    /// Whether it is the same for all tables of a project at a time.
    #[must_use]
    pub fn is_shared(self) -> bool {
        matches!(self, Self::ProjectShare | Self::ProjectQuiet | Self::Smoothed | Self::Autoregressed)
    }

    /// Its value in a row.
    #[must_use]
    pub fn of(self, row: &Row) -> f64 {
        row.0.get(self.entry().0).copied().unwrap_or(0.0)
    }
}

/// The features of one table at one time, in the order of [`Feature::ALL`].
#[derive(Clone, PartialEq, Debug)]
pub struct Row([f64; Feature::ALL.len()]);

/// The features of all tables at a time.
#[must_use]
pub fn rows(replay: &Replay<'_>, began: Seconds, now: Seconds) -> Vec<(Arc<str>, Row)> {
    let tables: Vec<(&Arc<str>, &Life)> = replay.tables().collect();
    let project = Project::of(replay, &tables, began, now);
    tables.iter().map(|(name, life)| ((*name).clone(), project.row(name, life, now))).collect()
}

/// What is the same for all tables of a project at a time.
struct Project {
    share: f64,
    quiet: f64,
    smoothed: f64,
    autoregressed: f64,
    focus: f64,
    age: f64,
    words: f64,
    sizes: Vec<usize>,
}

impl Project {
    fn of(replay: &Replay<'_>, tables: &[(&Arc<str>, &Life)], began: Seconds, now: Seconds) -> Self {
        let n = tables.len() as f64;
        let mean = |of: &dyn Fn(&Arc<str>, &Life) -> f64| {
            tables.iter().map(|(name, life)| of(name, life)).sum::<f64>() / n.max(1.0)
        };
        let windows = usize::try_from((now - began).max(0) / HALF_YEAR).unwrap_or(0);
        let changed = |back: usize| {
            let end = now - HALF_YEAR * i64::try_from(back).unwrap_or(0);
            replay.changed_between(end - HALF_YEAR, end) as f64
        };
        let shares: Vec<f64> = (0..windows.min(series::VALUES_MAX))
            .rev()
            .map(|back| (changed(back) / n.max(1.0)).min(1.0))
            .collect();
        let mut sizes: Vec<usize> = tables.iter().map(|(_, life)| life.columns.len()).collect();
        sizes.sort_unstable();
        Self {
            share: odds(changed(0), n),
            quiet: half_years(now - replay.last_change().unwrap_or(began)).ln_1p(),
            smoothed: odds(series::smoothed(&shares).share * n, n),
            autoregressed: odds(series::autoregressed(&shares).share * n, n),
            focus: mean(&|_, life| focus(life, now)),
            age: mean(&|_, life| half_years(now - life.born).ln_1p()),
            words: mean(&|name, _| words(name)),
            sizes,
        }
    }

    fn row(&self, name: &str, life: &Life, now: Seconds) -> Row {
        let columns = life.columns.len();
        let references =
            life.columns.keys().filter(|column| column.to_ascii_lowercase().ends_with("id")).count();
        let age = half_years(now - life.born).ln_1p();
        let since = half_years(now - life.last_change().unwrap_or(life.born));
        let changes = |from: i64, to: i64| {
            let within =
                |change: &&Changed| change.at > now - from * HALF_YEAR && change.at <= now - to * HALF_YEAR;
            (life.changes.iter().filter(within).count() as f64).ln_1p()
        };
        let below = self.sizes.partition_point(|size| *size < columns) as f64;
        let upto = self.sizes.partition_point(|size| *size <= columns) as f64;
        let growth = match life.columns_at_first {
            0 => 0.0,
            first => ((columns as f64 + 1.0) / (first as f64 + 1.0)).ln(),
        };
        Row([
            age,
            (columns as f64).ln_1p(),
            since.ln_1p(),
            changes(1, 0),
            changes(2, 1),
            changes(4, 2),
            self.share,
            ((columns - references) as f64).ln_1p(),
            (below + upto) / 2.0 / (self.sizes.len() as f64).max(1.0),
            (-since * HALF_YEAR as f64 / (30 * DAY) as f64).exp(),
            remembered(life, now, 0.5, |_| 1.0).ln_1p(),
            focus(life, now) - self.focus,
            remembered(life, now, 2.0, |change| f64::from(change.added)).ln_1p(),
            growth,
            age - self.age,
            self.quiet,
            references as f64 / (columns as f64).max(1.0),
            words(name) - self.words,
            self.smoothed,
            self.autoregressed,
        ])
    }
}

/// Tables that a commit may change before it says less about each.
const FOCUSED_TABLES: f64 = 3.0;

fn focus(life: &Life, now: Seconds) -> f64 {
    remembered(life, now, 2.0, |change| (FOCUSED_TABLES / f64::from(change.tables.max(1))).min(1.0)).ln_1p()
}

/// The sum over a table's changes, forgotten by half every so many half-years.
fn remembered(life: &Life, now: Seconds, half_life: f64, weight: impl Fn(&Changed) -> f64) -> f64 {
    let left = |at: Seconds| 0.5_f64.powf(half_years(now - at) / half_life);
    life.changes.iter().map(|change| weight(change) * left(change.at)).sum()
}

fn half_years(seconds: Seconds) -> f64 {
    seconds.max(0) as f64 / HALF_YEAR as f64
}

fn words(name: &str) -> f64 {
    name.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()).count() as f64
}

/// Log-odds of so many among so many, half a table more on either side so that none and all have some.
fn odds(some: f64, all: f64) -> f64 {
    ((some + 0.5) / ((all - some).max(0.0) + 0.5)).ln()
}
