//! Models: every way of forecasting that was tried, fitted to a [`Training`] and applied to a [`Held`].
//!
//! # Baselines
//!
//! * `base_rate`: the share of units that changed in the training projects. A project's own past share is
//!   `own_rate`, which is reported beside it: it is worse, because a half-year in which much changed
//!   is followed by a quiet one, and projects differ less than their half-years do.
//! * `recency`: a function of the time since the last change, fitted on the training projects.
//! * `logistic`: plain logistic regression on the standard features: age, size, time since the last change,
//!   numbers of changes in the last, the second and the two earlier half-years, and the share of tables
//!   that changed in the last one.
//!
//! # Time series alone
//!
//! `ets` and `arima_1_0_0` give every table the share that the project's series of shares leads to
//! ([`crate::series`]).
//!
//! # Hazard models
//!
//! Logistic regressions on features of the table's own life against its project's, with a penalty
//! ([`crate::linear`]); the larger ones with the forecast of the time series as one of their features,
//! which is how the two are combined. [`crate::choose`] keeps the good ones and averages them.

use crate::features::Feature;
use crate::linear::{Linear, Sample, log_odds, probability};
use crate::split::{Held, Training};

/// A model that can be fitted.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Recipe {
    /// The training projects' share.
    BaseRate,
    /// The project's own share until then, pulled to the training projects' share.
    OwnRate,
    /// The time since the last change.
    Recency,
    /// The standard features.
    Logistic,
    /// Only a time series, by its feature.
    Series(Feature),
    /// A hazard model.
    Hazard(Hazard),
}

/// A hazard model's features and penalty.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Hazard {
    /// Which features.
    pub set: Set,
    /// The penalty, in rows.
    pub penalty: u32,
}

/// Sets of features: each holds the one before.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Set {
    /// Size and churn.
    Churn,
    /// And growth and age.
    Life,
    /// And what the table is, and how quiet its project.
    Project,
    /// And the project's activity by exponential smoothing.
    Smoothed,
    /// The same by autoregression instead.
    Autoregressed,
}

const CHURN: [Feature; 5] =
    [Feature::OwnColumns, Feature::SizeRank, Feature::Hot, Feature::Churn, Feature::Focus];
const LIFE: [Feature; 4] = [Feature::Added, Feature::Growth, Feature::Age, Feature::RelativeAge];
const PROJECT: [Feature; 3] = [Feature::ProjectQuiet, Feature::ReferenceShare, Feature::Words];
const STANDARD: [Feature; 7] = [
    Feature::Age,
    Feature::Columns,
    Feature::SinceChange,
    Feature::ChangesLast,
    Feature::ChangesBefore,
    Feature::ChangesEarlier,
    Feature::ProjectShare,
];

impl Set {
    /// All with their names.
    pub const ALL: [(Self, &'static str); 5] = [
        (Self::Churn, "churn"),
        (Self::Life, "life"),
        (Self::Project, "project"),
        (Self::Smoothed, "project+ets"),
        (Self::Autoregressed, "project+arima_1_0_0"),
    ];

    /// Its features.
    #[must_use]
    pub fn features(self) -> Vec<Feature> {
        let series: &[Feature] = match self {
            Self::Smoothed => &[Feature::Smoothed],
            Self::Autoregressed => &[Feature::Autoregressed],
            _ => &[],
        };
        let parts: [(&[Feature], bool); 4] =
            [(&CHURN, true), (&LIFE, self >= Self::Life), (&PROJECT, self >= Self::Project), (series, true)];
        parts.into_iter().filter(|(_, holds)| *holds).flat_map(|(part, _)| part.iter().copied()).collect()
    }
}

/// Penalties that are tried: from a lightly held weight to one that a thousand rows move a little.
const PENALTIES: [u32; 3] = [30, 100, 300];
/// What the baselines are held by: enough that they can be solved. As with ours, projects count alike, and a
/// feature shared by all tables is held as what it is. They are not calibrated on projects left out; their
/// calibration error over all projects is as small as it is.
const PLAIN_PENALTY: f64 = 1.0;
/// Units of the training projects that a project's own rate begins with.
const PRIOR_UNITS: f64 = 20.0;

impl Hazard {
    /// Every hazard model that is tried, the smallest first.
    pub fn all() -> impl Iterator<Item = Self> {
        Set::ALL
            .into_iter()
            .flat_map(|(set, _)| PENALTIES.into_iter().rev().map(move |penalty| Self { set, penalty }))
    }

    /// Fits it.
    #[must_use]
    pub fn fit(self, samples: &[Sample<'_>]) -> Linear {
        Linear::fit(samples, &self.set.features(), f64::from(self.penalty))
    }
}

impl Recipe {
    /// Its name in tables.
    #[must_use]
    pub fn name(self) -> String {
        match self {
            Self::BaseRate => "base_rate".to_owned(),
            Self::OwnRate => "own_rate".to_owned(),
            Self::Recency => "recency".to_owned(),
            Self::Logistic => "logistic".to_owned(),
            Self::Series(Feature::Autoregressed) => "arima_1_0_0".to_owned(),
            Self::Series(_) => "ets".to_owned(),
            Self::Hazard(Hazard { set, penalty }) => {
                let set = Set::ALL.iter().find(|(one, _)| *one == set).map_or("", |(_, name)| name);
                format!("hazard {set} {penalty}")
            }
        }
    }

    /// Fits it.
    #[must_use]
    pub fn fit(self, training: &Training<'_>) -> Fitted {
        let linear =
            |features: &[Feature]| Fitted::Linear(Linear::fit(&training.samples(), features, PLAIN_PENALTY));
        match self {
            Self::BaseRate => Fitted::Rate(training.base_rate()),
            Self::OwnRate => Fitted::OwnRate { prior: training.base_rate() },
            Self::Recency => linear(&[Feature::SinceChange]),
            Self::Logistic => linear(&STANDARD),
            Self::Series(feature) => Fitted::Series(feature),
            Self::Hazard(hazard) => Fitted::Linear(hazard.fit(&training.samples())),
        }
    }
}

/// A model that has been fitted.
#[derive(Clone, PartialEq, Debug)]
pub enum Fitted {
    /// The same for all.
    Rate(f64),
    /// The project's own past.
    OwnRate {
        /// What is said before it has one.
        prior: f64,
    },
    /// A feature that is a forecast itself.
    Series(Feature),
    /// Weighed features.
    Linear(Linear),
}

impl Fitted {
    /// The log-odds of every unit of a project.
    #[must_use]
    pub fn log_odds(&self, held: Held<'_>) -> Vec<f64> {
        match self {
            Self::Rate(rate) => vec![log_odds(*rate); held.units().len()],
            Self::Series(feature) => held.units().iter().map(|unit| feature.of(&unit.row)).collect(),
            Self::Linear(linear) => held.units().iter().map(|unit| linear.log_odds(&unit.row)).collect(),
            Self::OwnRate { prior } => {
                let mut known: Option<(i64, f64)> = None;
                let mut own = |at: i64| match known {
                    Some((when, odds)) if when == at => odds,
                    _ => {
                        let (mut n, mut changed) = (PRIOR_UNITS, PRIOR_UNITS * prior);
                        for (_, was) in held.closed(at) {
                            n += 1.0;
                            changed += f64::from(u8::from(was));
                        }
                        let odds = log_odds(changed / n);
                        known = Some((at, odds));
                        odds
                    }
                };
                held.units().iter().map(|unit| own(unit.at)).collect()
            }
        }
    }

    /// The probability of every unit of a project.
    #[must_use]
    pub fn probabilities(&self, held: Held<'_>) -> Vec<f64> {
        self.log_odds(held).into_iter().map(probability).collect()
    }
}
