//! Trained models: what is shipped, so that whoever has no histories of other projects gets a forecast too.
//!
//! [`Model::shipped`] is a file of coefficients, compiled in. It is made from a folder of histories by
//!
//! ```sh
//! cargo run --release -p evercount-forecast --example train -- DIR > shared/forecast/src/shipped.json
//! ```
//!
//! and holds, beside the coefficients, how each was measured: on projects left out, never on those it was
//! fitted to.
//!
//! # Versions
//!
//! The file is read by the program that it was compiled into, and by no other. A saved model of another
//! version is refused ([`ModelError::Version`]).

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::calibration::Calibration;
use crate::choose::{Calibrated, calibrated, choose};
use crate::features::Feature;
use crate::history::{DAY, HALF_YEAR, History, Seconds};
use crate::linear::{Linear, Term, probability};
use crate::naming::{self, Record, Rule};
use crate::scores::{BINS, Bin, Judged, Scores, Sorted, bins};
use crate::split::{Project, Training};
use crate::units::{Kind, Target};

/// The version of the stored form.
const VERSION: u32 = 1;
/// The step of the units that short horizons are learnt from: a third of a half-year, so that more of
/// their windows are seen.
const SHORT_STEP: Seconds = 61 * DAY;

/// A model for every kind of change and horizon.
#[derive(Clone, PartialEq, Debug)]
pub struct Model {
    /// The projects it was learnt from.
    pub trained_on: Vec<String>,
    /// One for each target.
    pub parts: Vec<Part>,
    /// How often the naming rules were right.
    pub naming: BTreeMap<Rule, Record>,
}

/// The model of one target.
#[derive(Clone, PartialEq, Debug)]
pub struct Part {
    /// What it forecasts.
    pub target: Target,
    /// The model.
    pub model: Calibrated,
    /// How good it was on projects that it had not seen.
    pub measured: Measured,
}

/// How good a model was on projects that it had not seen, all their units together.
#[derive(Clone, Copy, PartialEq, Debug, Serialize, Deserialize)]
pub struct Measured {
    /// Units.
    pub rows: u64,
    /// The share that changed.
    pub base_rate: f64,
    /// Brier score.
    pub brier: f64,
    /// That of the training projects' share for all.
    pub brier_of_base_rate: f64,
    /// Average precision.
    pub ap: f64,
    /// Area under the ROC curve.
    pub auc: f64,
    /// Expected calibration error.
    pub ece: f64,
    /// What was said in each tenth of [0, 1], and what came.
    #[serde(default)]
    pub bins: [Bin; BINS],
}

/// Why a stored model cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ModelError {
    /// It is not what it should be.
    #[error("the model cannot be read")]
    Malformed(#[from] serde_json::Error),
    /// It has another version.
    #[error("the model has version {0}, not {VERSION}")]
    Version(u32),
    /// It names something that is not known.
    #[error("the model names `{0}`, which is not known")]
    Unknown(String),
}

impl Model {
    /// The model that is shipped.
    ///
    /// # Errors
    /// Never, unless the file was changed by hand.
    pub fn shipped() -> Result<Self, ModelError> {
        Self::parse(include_str!("shipped.json"))
    }

    /// Learns from histories. Two are needed for a calibration; with one, and with none, every forecast
    /// has a wide interval.
    #[must_use]
    pub fn train(histories: &[History]) -> Self {
        // What is known of tables is the same for all targets.
        let of = |step, days| -> Vec<Project> {
            let first = Target { kind: Kind::Any, days };
            histories.iter().map(|history| Project::of(history, step, first)).collect()
        };
        let (short, long) = (of(SHORT_STEP, 30), of(HALF_YEAR, 183));
        let part = |target: Target| {
            let known = if target.window() < HALF_YEAR { &short } else { &long };
            let projects =
                known.iter().zip(histories).map(|(project, history)| project.with(history, target));
            part(&projects.collect::<Vec<_>>(), target)
        };
        let parts = Target::all().map(part).collect();
        let mut naming: BTreeMap<Rule, Record> = BTreeMap::new();
        for (rule, record) in histories.iter().flat_map(naming::measure) {
            let sum = naming.entry(rule).or_default();
            sum.hits += record.hits;
            sum.of += record.of;
        }
        let trained_on = histories.iter().map(|history| history.project.clone()).collect();
        Self { trained_on, parts, naming }
    }

    /// The part for a target.
    #[must_use]
    pub fn part(&self, target: Target) -> Option<&Part> {
        self.parts.iter().find(|part| part.target == target)
    }

    /// Reads the stored form.
    ///
    /// # Errors
    /// Where it is not one.
    pub fn parse(text: &str) -> Result<Self, ModelError> {
        let stored: Stored = serde_json::from_str(text)?;
        if stored.version != VERSION {
            return Err(ModelError::Version(stored.version));
        }
        let parts = stored.parts.iter().map(StoredPart::part).collect::<Result<_, _>>()?;
        let rule = |name: &str| {
            let found = Rule::ALL.iter().find(|(_, one, _)| *one == name);
            found.map(|(rule, ..)| *rule).ok_or_else(|| ModelError::Unknown(name.to_owned()))
        };
        let naming =
            stored.naming.iter().map(|(name, (hits, of))| Ok((rule(name)?, Record { hits: *hits, of: *of })));
        Ok(Self { trained_on: stored.trained_on, parts, naming: naming.collect::<Result<_, ModelError>>()? })
    }

    /// The stored form.
    ///
    /// # Errors
    /// Where a number is not finite.
    pub fn text(&self) -> Result<String, ModelError> {
        let stored = Stored {
            version: VERSION,
            trained_on: self.trained_on.clone(),
            naming: self.naming.iter().map(|(rule, it)| (rule.name().to_owned(), (it.hits, it.of))).collect(),
            parts: self.parts.iter().map(StoredPart::of).collect(),
        };
        // A line for each part: a difference between two models can be read.
        let lines: Vec<String> = stored.parts.iter().map(serde_json::to_string).collect::<Result<_, _>>()?;
        let head = serde_json::to_string(&Stored { parts: Vec::new(), ..stored })?;
        Ok(head.replace("\"parts\":[]", &format!("\"parts\":[\n{}\n]", lines.join(",\n"))) + "\n")
    }
}

fn part(projects: &[Project], target: Target) -> Part {
    let training = Training::of_all(projects);
    let kept = choose(&training).kept;
    let (mut ours, mut base) = (Vec::new(), Vec::new());
    for (others, held) in training.leave_one_out() {
        let model = calibrated(&kept, &others);
        let said: Vec<f64> = held.units().iter().map(|unit| probability(model.log_odds(&unit.row))).collect();
        ours.extend(held.judge(&said));
        base.extend(held.judge(&vec![others.base_rate(); said.len()]));
    }
    let scores = |judged: &[Judged<'_>]| Sorted::of(judged).scores();
    let (Scores { brier, ap, auc, ece }, without) = (scores(&ours), scores(&base));
    let changed = ours.iter().filter(|one| one.changed).count();
    let measured = Measured {
        rows: ours.len() as u64,
        base_rate: changed as f64 / (ours.len() as f64).max(1.0),
        brier,
        brier_of_base_rate: without.brier,
        ap,
        auc,
        ece,
        bins: bins(&ours),
    };
    Part { target, model: calibrated(&kept, &training), measured }
}

#[derive(Serialize, Deserialize)]
struct Stored {
    version: u32,
    trained_on: Vec<String>,
    /// By rule: hits, and out of how many.
    naming: BTreeMap<String, (u64, u64)>,
    parts: Vec<StoredPart>,
}

#[derive(Serialize, Deserialize)]
struct StoredPart {
    kind: String,
    days: u32,
    slope: f64,
    shift: f64,
    measured: Measured,
    linear: StoredLinear,
    left_out: Vec<StoredLinear>,
}

#[derive(Serialize, Deserialize)]
struct StoredLinear {
    intercept: f64,
    /// By feature: mean, deviation, weight.
    terms: BTreeMap<String, (f64, f64, f64)>,
}

/// Six digits: a probability moves by less than a millionth.
fn short(value: f64) -> f64 {
    (value * 1e6).round() / 1e6
}

impl StoredLinear {
    fn of(linear: &Linear) -> Self {
        let term = |it: &Term| {
            (it.feature.name().to_owned(), (short(it.mean), short(it.deviation), short(it.weight)))
        };
        Self { intercept: short(linear.intercept), terms: linear.terms.iter().map(term).collect() }
    }

    fn linear(&self) -> Result<Linear, ModelError> {
        let term = |(name, (mean, deviation, weight)): (&String, &(f64, f64, f64))| {
            let feature = Feature::parse(name).ok_or_else(|| ModelError::Unknown(name.clone()))?;
            Ok(Term { feature, mean: *mean, deviation: deviation.max(1e-6), weight: *weight })
        };
        let terms = self.terms.iter().map(term).collect::<Result<_, ModelError>>()?;
        Ok(Linear { intercept: self.intercept, terms })
    }
}

impl StoredPart {
    fn of(part: &Part) -> Self {
        let m = part.measured;
        Self {
            kind: part.target.kind.name().to_owned(),
            days: part.target.days,
            slope: short(part.model.calibration.slope),
            shift: short(part.model.calibration.shift),
            measured: Measured {
                rows: m.rows,
                base_rate: short(m.base_rate),
                brier: short(m.brier),
                brier_of_base_rate: short(m.brier_of_base_rate),
                ap: short(m.ap),
                auc: short(m.auc),
                ece: short(m.ece),
                bins: m.bins.map(|bin| Bin { said: short(bin.said), came: short(bin.came), ..bin }),
            },
            linear: StoredLinear::of(&part.model.linear),
            left_out: part.model.left_out.iter().map(StoredLinear::of).collect(),
        }
    }

    fn part(&self) -> Result<Part, ModelError> {
        let kind = Kind::parse(&self.kind).ok_or_else(|| ModelError::Unknown(self.kind.clone()))?;
        let left_out = self.left_out.iter().map(StoredLinear::linear).collect::<Result<_, _>>()?;
        let calibration = Calibration { slope: self.slope.max(1e-6), shift: self.shift };
        let model = Calibrated { linear: self.linear.linear()?, left_out, calibration };
        Ok(Part { target: Target { kind, days: self.days }, model, measured: self.measured })
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may panic")]
    use super::*;

    #[test]
    fn what_is_shipped_covers_every_target_and_survives_being_stored() {
        let model = Model::shipped().unwrap();
        for target in Target::all() {
            let part = model.part(target).unwrap();
            assert!(
                part.measured.brier < part.measured.brier_of_base_rate,
                "{target:?}: {:?}",
                part.measured
            );
            assert!(part.measured.ece < 0.03, "{target:?}: {:?}", part.measured);
        }
        assert_eq!(Model::parse(&model.text().unwrap()).unwrap(), model);
    }

    #[test]
    fn another_version_and_unknown_names_are_refused() {
        let shipped = Model::shipped().unwrap().text().unwrap();
        let other = shipped.replace("\"version\":1", "\"version\":2");
        assert!(matches!(Model::parse(&other), Err(ModelError::Version(2))));
        let other = shipped.replace("\"churn\"", "\"chrun\"");
        assert!(matches!(Model::parse(&other), Err(ModelError::Unknown(name)) if name == "chrun"));
        assert!(matches!(Model::parse("{"), Err(ModelError::Malformed(_))));
    }

    #[test]
    fn nothing_to_learn_from_is_no_failure() {
        let model = Model::train(&[]);
        assert!(model.parts.iter().all(|part| part.measured.rows == 0));
    }
}
