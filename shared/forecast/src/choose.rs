//! The choice: which models are used, and how they are calibrated, decided on training projects alone.
//!
//! Every model is fitted with one of the training projects left out and scored on that one, in turn. Its
//! skill is the share of the log loss of a project's own base rate that it saves, a proper score, as a mean
//! over projects, so that each counts alike. The hazard models that have more skill than plain logistic
//! regression are kept, and their log-odds averaged.
//!
//! Averaged, because four or five projects tell the families apart and not the members of one: the single
//! best model is another one for almost every project that is left out, and being chosen makes it look
//! better than it is (Breiman, *Heuristics of instability and stabilization in model selection*, 1996).
//! Measured: choosing the best, or the smallest within a standard error, loses more than averaging. Learnt
//! from any two to four of five histories, the average is better than plain logistic regression on another
//! one by Brier score in 54 of 55 cases, and by average precision in all (the `bench` example's `--fewer`).
//!
//! The predictions for the projects left out also give the calibration, and how far the fits that left one
//! out disagree gives the interval (the jackknife by groups, Efron & Tibshirani, *An Introduction to the
//! Bootstrap*, 1993, chapter 11): projects differ more than any formula within one would say.

use crate::calibration::Calibration;
use crate::features::Row;
use crate::linear::{Linear, Term, probability};
use crate::models::{Fitted, Hazard, Recipe};
use crate::scores::Judged;
use crate::split::Training;

/// A calibrated hazard model.
#[derive(Clone, PartialEq, Debug)]
pub struct Calibrated {
    /// Fitted to all training projects.
    pub linear: Linear,
    /// Fitted to all but one, for each.
    pub left_out: Vec<Linear>,
    /// How their log-odds become probabilities.
    pub calibration: Calibration,
}

/// Half the width of an interval that holds four in five, in standard errors.
const FOUR_IN_FIVE: f64 = 1.28;

/// A probability with its interval.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Chance {
    /// The probability.
    pub p: f64,
    /// The interval that holds four in five of the models that other projects would have given.
    pub from: f64,
    /// Its other end.
    pub to: f64,
}

impl Calibrated {
    /// The calibrated log-odds of a row.
    #[must_use]
    pub fn log_odds(&self, row: &Row) -> f64 {
        self.calibration.apply(self.linear.log_odds(row))
    }

    /// The probability of a row, its log-odds shifted by what was learnt since ([`crate::online`]).
    #[must_use]
    pub fn chance(&self, row: &Row, shift: f64) -> Chance {
        let middle = self.log_odds(row) + shift;
        let others: Vec<f64> =
            self.left_out.iter().map(|other| self.calibration.apply(other.log_odds(row)) + shift).collect();
        let n = others.len() as f64;
        let mean = others.iter().sum::<f64>() / n.max(1.0);
        let spread = others.iter().map(|one| (one - mean).powi(2)).sum::<f64>();
        let error = if n > 1.0 { ((n - 1.0) / n * spread).sqrt() } else { 1.0 };
        Chance {
            p: probability(middle),
            from: probability(middle - FOUR_IN_FIVE * error),
            to: probability(middle + FOUR_IN_FIVE * error),
        }
    }
}

/// What was kept, and what else was tried.
#[derive(Clone, PartialEq, Debug)]
pub struct Choice {
    /// The model.
    pub model: Calibrated,
    /// The hazard models it is the mean of.
    pub kept: Vec<Hazard>,
    /// The mean skill of every hazard model on training projects that it had not seen.
    pub tried: Vec<(Hazard, f64)>,
    /// The same of plain logistic regression: the skill that a hazard model had to pass.
    pub bar: f64,
}

/// Chooses and fits.
#[must_use]
pub fn choose(training: &Training<'_>) -> Choice {
    let folds = training.leave_one_out();
    let tried_out = |recipe: Recipe| {
        let skills =
            folds.iter().map(|(others, held)| skill(&held.judge(&recipe.fit(others).probabilities(*held))));
        skills.sum::<f64>() / (folds.len() as f64).max(1.0)
    };
    let bar = tried_out(Recipe::Logistic);
    let tried: Vec<(Hazard, f64)> =
        Hazard::all().map(|hazard| (hazard, tried_out(Recipe::Hazard(hazard)))).collect();
    let above = tried.iter().filter(|(_, skill)| *skill > bar);
    let mut kept: Vec<Hazard> = above.map(|(hazard, _)| *hazard).collect();
    if kept.is_empty() {
        kept = Hazard::all().collect();
    }
    Choice { model: calibrated(&kept, training), kept, tried, bar }
}

/// The mean of models: linear like each of them, because all stand on the same samples.
fn together(hazards: &[Hazard], training: &Training<'_>) -> Linear {
    let samples = training.samples();
    let n = hazards.len() as f64;
    let mut sum = Linear { intercept: 0.0, terms: Vec::new() };
    for one in hazards.iter().map(|hazard| hazard.fit(&samples)) {
        sum.intercept += one.intercept / n;
        for term in one.terms {
            match sum.terms.iter_mut().find(|known| known.feature == term.feature) {
                Some(known) => known.weight += term.weight / n,
                None => sum.terms.push(Term { weight: term.weight / n, ..term }),
            }
        }
    }
    sum
}

/// Fits a hazard model and its calibration.
#[must_use]
pub fn calibrated(hazards: &[Hazard], training: &Training<'_>) -> Calibrated {
    let mut left_out = Vec::new();
    let mut seen = Vec::new();
    for (others, held) in training.leave_one_out() {
        let linear = together(hazards, &others);
        let fitted = Fitted::Linear(linear.clone());
        let odds = fitted.log_odds(held);
        let weight = 1.0 / (odds.len() as f64).max(1.0);
        let judged = held.judge(&odds);
        seen.extend(judged.iter().map(|one| (one.p, one.changed, weight)));
        left_out.push(linear);
    }
    // Each project counts alike; all together count as many as there are.
    let scale = seen.len() as f64 / (left_out.len() as f64).max(1.0);
    for one in &mut seen {
        one.2 *= scale;
    }
    // One project alone leaves nothing to calibrate on.
    let calibration = if left_out.len() > 1 { Calibration::fit(&seen) } else { Calibration::default() };
    Calibrated { linear: together(hazards, training), left_out, calibration }
}

/// The share of the log loss of a project's own base rate that predictions save; 0 where nothing or
/// everything changed.
fn skill(judged: &[Judged<'_>]) -> f64 {
    let n = judged.len() as f64;
    let rate = judged.iter().filter(|one| one.changed).count() as f64 / n.max(1.0);
    let entropy = -(rate * rate.ln() + (1.0 - rate) * (1.0 - rate).ln());
    let said = |one: &Judged<'_>| if one.changed { one.p } else { 1.0 - one.p };
    let loss = judged.iter().map(|one| -said(one).max(1e-9).ln()).sum::<f64>() / n.max(1.0);
    if entropy.is_finite() && entropy > 0.0 { 1.0 - loss / entropy } else { 0.0 }
}
