//! The split: who may learn from what.
//!
//! What became of a project's units is behind two doors. A [`Training`] hands out samples, and is made of
//! all projects but one. A [`Held`] is that one: it shows what was known of its units, and what became
//! of those whose windows had closed by a time; everything else only to [`Held::judge`], which takes
//! predictions that have been made. A model that is fitted takes a `Training` and never a `Held`, so none
//! can learn from the project it is judged on, and choosing among models splits a `Training` again.

use crate::history::{History, Seconds};
use crate::linear::Sample;
use crate::scores::Judged;
use crate::units::{Outcomes, Target, Unit, Units, outcomes, units};

/// A project's units and what became of them.
#[derive(Clone, PartialEq, Debug)]
pub struct Project {
    units: Units,
    outcomes: Outcomes,
}

impl Project {
    /// The units of a history, a step apart, and what became of them.
    #[must_use]
    pub fn of(history: &History, step: Seconds, target: Target) -> Self {
        let units = units(history, step);
        let outcomes = outcomes(history, &units, target);
        Self { units, outcomes }
    }

    /// The same units with another target.
    #[must_use]
    pub fn with(&self, history: &History, target: Target) -> Self {
        Self { units: self.units.clone(), outcomes: outcomes(history, &self.units, target) }
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.units.project
    }

    /// How many units it has.
    #[must_use]
    pub fn rows(&self) -> usize {
        self.units.units.len()
    }

    /// The share of its units that changed; 0 where it has none.
    #[must_use]
    pub fn base_rate(&self) -> f64 {
        let changed = self.outcomes.changed().iter().filter(|changed| **changed).count();
        changed as f64 / (self.rows() as f64).max(1.0)
    }
}

/// Projects to learn from.
#[derive(Clone, Debug)]
pub struct Training<'a> {
    projects: Vec<&'a Project>,
}

/// The project that predictions are made for.
#[derive(Clone, Copy, Debug)]
pub struct Held<'a> {
    project: &'a Project,
}

/// Each project held out once, with the others to learn from.
#[must_use]
pub fn leave_one_out(projects: &[Project]) -> Vec<(Training<'_>, Held<'_>)> {
    Training::of_all(projects).leave_one_out()
}

impl<'a> Training<'a> {
    /// All projects, for a model that is used elsewhere.
    #[must_use]
    pub fn of_all(projects: &'a [Project]) -> Self {
        Self { projects: projects.iter().filter(|project| project.rows() > 0).collect() }
    }

    /// Each of these projects held out once, with the others of these to learn from.
    #[must_use]
    pub fn leave_one_out(&self) -> Vec<(Training<'a>, Held<'a>)> {
        let others = |held: usize| {
            let kept = self.projects.iter().enumerate().filter(|(at, _)| *at != held);
            Training { projects: kept.map(|(_, project)| *project).collect() }
        };
        self.projects.iter().enumerate().map(|(at, project)| (others(at), Held { project })).collect()
    }

    /// The names of the projects.
    #[must_use]
    pub fn names(&self) -> Vec<&'a str> {
        self.projects.iter().map(|project| project.name()).collect()
    }

    /// All units with what became of them. Each project counts as much as each other, whatever its size:
    /// the next one is drawn from projects, not from tables. All together count as many as there are
    /// windows of their own, so that units closer together are no more evidence.
    #[must_use]
    pub fn samples(&self) -> Vec<Sample<'a>> {
        let mut samples = Vec::new();
        let windows = |project: &Project| {
            let overlap = project.outcomes.of().window().max(1) as f64;
            project.rows() as f64 * (project.units.step as f64 / overlap).min(1.0)
        };
        let total: f64 = self.projects.iter().map(|project| windows(project)).sum();
        for project in &self.projects {
            let weight = total / self.projects.len() as f64 / project.rows() as f64;
            let units = project.units.units.iter().zip(project.outcomes.changed());
            samples.extend(units.map(|(unit, changed)| Sample { row: &unit.row, changed: *changed, weight }));
        }
        samples
    }

    /// The share of units that changed, each project alike.
    #[must_use]
    pub fn base_rate(&self) -> f64 {
        let rates: f64 = self.projects.iter().map(|project| project.base_rate()).sum();
        rates / (self.projects.len() as f64).max(1.0)
    }
}

impl<'a> Held<'a> {
    /// Its name.
    #[must_use]
    pub fn name(self) -> &'a str {
        self.project.name()
    }

    /// What was known of its units.
    #[must_use]
    pub fn units(self) -> &'a [Unit] {
        &self.project.units.units
    }

    /// What became of the units whose windows had closed by a time.
    pub fn closed(self, by: Seconds) -> impl Iterator<Item = (&'a Unit, bool)> {
        let window = self.project.outcomes.of().window();
        let all = self.project.units.units.iter().zip(self.project.outcomes.changed());
        all.take_while(move |(unit, _)| unit.at + window <= by).map(|(unit, changed)| (unit, *changed))
    }

    /// Predictions beside what happened, in the order of [`Held::units`].
    #[must_use]
    pub fn judge(self, predictions: &[f64]) -> Vec<Judged<'a>> {
        let units = self.project.units.units.iter().zip(self.project.outcomes.changed());
        units
            .zip(predictions)
            .map(|((unit, changed), p)| Judged { p: *p, changed: *changed, cluster: &unit.table })
            .collect()
    }
}
