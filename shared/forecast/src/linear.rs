//! A logistic regression with a penalty on its weights: the hazard model.
//!
//! With units as rows it is the discrete-time hazard model of survival analysis: the odds that a table
//! that is there changes within the window, given its life until then (Singer & Willett, *Applied
//! Longitudinal Data Analysis*, 2003, chapter 11).
//!
//! It is solved by Newton's method (iteratively reweighted least squares) with `nalgebra`'s Cholesky, a
//! dozen steps on a matrix as wide as there are features. `smartcore` 0.7 was looked at first: its logistic
//! regression and its forests answer with classes, not probabilities, take no weights, and bring 20
//! packages; `linfa` has had one release in a year.

use nalgebra::{Cholesky, DMatrix, DVector};

use crate::features::{Feature, Row};

/// Steps of Newton's method; six to ten reach [`CLOSE`] on every history known.
const STEPS_MAX: usize = 40;
/// A step this small is the last.
const CLOSE: f64 = 1e-8;
/// Log-odds beyond which a probability is 0 or 1 for all purposes; keeps exponentials finite.
const LOG_ODDS_MAX: f64 = 30.0;
/// The penalty of the intercept: none to speak of, but the matrix can always be solved.
const INTERCEPT_PENALTY: f64 = 1e-6;
/// How much more a feature is held that is the same for all tables of a project at a time: a half-year of a
/// project is one observation of it, not as many as the project has tables, which is about 45.
const SHARED_PENALTY: f64 = 45.0;

/// One row to learn from.
#[derive(Clone, Copy, Debug)]
pub struct Sample<'a> {
    /// What was known.
    pub row: &'a Row,
    /// What became of it.
    pub changed: bool,
    /// How much it counts.
    pub weight: f64,
}

/// A weight for each feature.
#[derive(Clone, PartialEq, Debug)]
pub struct Linear {
    /// The log-odds of a table whose features are all at their means.
    pub intercept: f64,
    /// The features.
    pub terms: Vec<Term>,
}

/// One feature of a model.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Term {
    /// Which.
    pub feature: Feature,
    /// Its mean where it was learnt.
    pub mean: f64,
    /// Its standard deviation there.
    pub deviation: f64,
    /// What a standard deviation adds to the log-odds.
    pub weight: f64,
}

impl Term {
    /// What the feature adds to the log-odds of a row.
    #[must_use]
    pub fn adds(&self, row: &Row) -> f64 {
        self.weight * self.standard(row)
    }

    fn standard(&self, row: &Row) -> f64 {
        (self.feature.of(row) - self.mean) / self.deviation
    }
}

impl Linear {
    /// The log-odds of a row.
    #[must_use]
    pub fn log_odds(&self, row: &Row) -> f64 {
        self.intercept + self.terms.iter().map(|term| term.adds(row)).sum::<f64>()
    }

    /// Learns weights; `penalty` is that of a standard deviation's weight, in rows of evidence; it is
    /// higher where a feature is one observation for many rows.
    #[must_use]
    pub fn fit(samples: &[Sample<'_>], features: &[Feature], penalty: f64) -> Self {
        let total: f64 = samples.iter().map(|sample| sample.weight).sum();
        let mean = |of: &dyn Fn(&Row) -> f64| {
            samples.iter().map(|sample| sample.weight * of(sample.row)).sum::<f64>()
                / total.max(f64::MIN_POSITIVE)
        };
        let terms: Vec<Term> = features
            .iter()
            .map(|feature| {
                let middle = mean(&|row| feature.of(row));
                let spread = mean(&|row| (feature.of(row) - middle).powi(2)).sqrt();
                // A feature that is the same everywhere says nothing, and must not divide by nothing.
                let deviation = if spread > 1e-9 { spread } else { 1.0 };
                Term { feature: *feature, mean: middle, deviation, weight: 0.0 }
            })
            .collect();
        let design = DMatrix::from_fn(samples.len(), terms.len() + 1, |row, column| {
            let Some(sample) = samples.get(row) else { return 0.0 };
            match column.checked_sub(1).and_then(|at| terms.get(at)) {
                Some(term) => term.standard(sample.row),
                None => 1.0,
            }
        });
        let targets = DVector::from_iterator(
            samples.len(),
            samples.iter().map(|sample| f64::from(u8::from(sample.changed))),
        );
        let importance = DVector::from_iterator(samples.len(), samples.iter().map(|sample| sample.weight));
        let penalties =
            DVector::from_fn(terms.len() + 1, |at, _| match at.checked_sub(1).and_then(|at| terms.get(at)) {
                Some(term) if term.feature.is_shared() => penalty * SHARED_PENALTY,
                Some(_) => penalty,
                None => INTERCEPT_PENALTY,
            });
        let solved = solve(&design, &targets, &importance, &penalties);
        let mut solved = solved.iter().copied();
        let intercept = solved.next().unwrap_or(0.0);
        let terms = terms.into_iter().zip(solved).map(|(term, weight)| Term { weight, ..term }).collect();
        Self { intercept, terms }
    }
}

fn solve(
    design: &DMatrix<f64>,
    targets: &DVector<f64>,
    importance: &DVector<f64>,
    penalties: &DVector<f64>,
) -> DVector<f64> {
    let mut weights = DVector::zeros(design.ncols());
    for _ in 0..STEPS_MAX {
        let expected = (design * &weights).map(probability);
        let slope = design.tr_mul(&importance.component_mul(&(&expected - targets)))
            + penalties.component_mul(&weights);
        let bend = importance.zip_map(&expected, |weight, p| weight * p * (1.0 - p));
        let mut bent = design.clone();
        for mut column in bent.column_iter_mut() {
            column.component_mul_assign(&bend);
        }
        let curvature = design.tr_mul(&bent) + DMatrix::from_diagonal(penalties);
        let Some(factored) = Cholesky::new(curvature) else { break };
        let step = factored.solve(&slope);
        if !step.iter().all(|one| one.is_finite()) {
            break;
        }
        weights -= &step;
        if step.amax() < CLOSE {
            break;
        }
    }
    weights
}

/// The probability of log-odds.
#[must_use]
pub fn probability(log_odds: f64) -> f64 {
    1.0 / (1.0 + (-log_odds.clamp(-LOG_ODDS_MAX, LOG_ODDS_MAX)).exp())
}

/// The log-odds of a probability.
#[must_use]
pub fn log_odds(probability: f64) -> f64 {
    let p = probability.clamp(1e-9, 1.0 - 1e-9);
    (p / (1.0 - p)).ln()
}
