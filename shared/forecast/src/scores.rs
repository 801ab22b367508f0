//! Scores of probabilities against what happened.
//!
//! | score | what it is | better |
//! |---|---|---|
//! | Brier | mean squared distance of the probability from what happened (Brier, 1950) | lower |
//! | AP | average precision: precision at each change found, going down from the highest probability; equal ones are one step | higher |
//! | AUC | how often a unit that changed has the higher probability of two, equal ones by half | higher |
//! | ECE | expected calibration error: in ten bins of equal width over [0, 1], the distance of the mean probability from the share that changed, weighed by units (Naeini et al., AAAI 2015) | lower |
//!
//! Intervals are bootstraps by table: tables are drawn with replacement, each with all of its half-years,
//! because half-years of one table are not independent. That shocks which hit all tables of a project
//! at once are shared by them is not in the intervals, which are therefore narrower than the truth.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// Bins of the calibration error.
pub const BINS: usize = 10;
/// Draws of a bootstrap: the 2.5 % ends rest on 25 draws each.
pub const DRAWS: usize = 1_000;

/// One prediction.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Judged<'a> {
    /// The probability that was said.
    pub p: f64,
    /// Whether it happened.
    pub changed: bool,
    /// What is drawn together: the table.
    pub cluster: &'a str,
}

/// The four scores. Those of nothing, and the AP and AUC where nothing or everything changed, are NaN.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Scores {
    /// Brier score.
    pub brier: f64,
    /// Average precision.
    pub ap: f64,
    /// Area under the ROC curve.
    pub auc: f64,
    /// Expected calibration error.
    pub ece: f64,
}

impl Scores {
    /// With their names.
    #[must_use]
    pub fn named(&self) -> [(&'static str, f64); 4] {
        [("brier", self.brier), ("ap", self.ap), ("auc", self.auc), ("ece", self.ece)]
    }

    fn less(&self, other: &Self) -> Self {
        Self {
            brier: self.brier - other.brier,
            ap: self.ap - other.ap,
            auc: self.auc - other.auc,
            ece: self.ece - other.ece,
        }
    }
}

/// The 95 % interval of each score.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Intervals {
    /// The lower ends.
    pub from: Scores,
    /// The upper ends.
    pub to: Scores,
}

/// Predictions sorted by probability, so that they can be scored again and again with other weights.
#[derive(Debug)]
pub struct Sorted {
    /// Highest probability first: probability, whether it changed, which cluster.
    judged: Vec<(f64, bool, usize)>,
    clusters: usize,
}

impl Sorted {
    /// Sorts.
    #[must_use]
    pub fn of(judged: &[Judged<'_>]) -> Self {
        let mut names: BTreeMap<&str, usize> = BTreeMap::new();
        let mut sorted: Vec<(f64, bool, usize)> = judged
            .iter()
            .map(|one| {
                let next = names.len();
                (one.p, one.changed, *names.entry(one.cluster).or_insert(next))
            })
            .collect();
        sorted.sort_by(|one, other| other.0.total_cmp(&one.0));
        Self { judged: sorted, clusters: names.len() }
    }

    /// The scores.
    #[must_use]
    pub fn scores(&self) -> Scores {
        self.weighed(&vec![1.0; self.clusters])
    }

    /// The scores where each cluster counts so often.
    fn weighed(&self, weights: &[f64]) -> Scores {
        let (mut n, mut squares, mut changed) = (0.0, 0.0, 0.0);
        let mut bins = [(0.0_f64, 0.0_f64); BINS];
        let (mut precision_sum, mut above) = (0.0, 0.0);
        for tied in self.judged.chunk_by(|one, next| one.0.total_cmp(&next.0).is_eq()) {
            let (mut tied_changed, mut tied_not) = (0.0, 0.0);
            for (p, was, cluster) in tied {
                let weight = weights.get(*cluster).copied().unwrap_or(0.0);
                let y = f64::from(u8::from(*was));
                squares += weight * (p - y).powi(2);
                tied_changed += weight * y;
                tied_not += weight * (1.0 - y);
                if let Some(bin) = bins.get_mut(((p * BINS as f64) as usize).min(BINS - 1)) {
                    bin.0 += weight * p;
                    bin.1 += weight * y;
                }
            }
            let not_before = n - changed;
            n += tied_changed + tied_not;
            changed += tied_changed;
            if tied_changed > 0.0 {
                precision_sum += tied_changed * changed / n;
            }
            // Pairs in which the unit that did not change is above, or as high.
            above += tied_changed * (not_before + tied_not / 2.0);
        }
        let off: f64 = bins.iter().map(|(said, was)| (said - was).abs()).sum();
        Scores {
            brier: squares / n,
            ap: precision_sum / changed,
            auc: 1.0 - above / (changed * (n - changed)),
            ece: off / n,
        }
    }
}

/// What was said in one bin of probabilities, and what came: a point of a reliability diagram.
#[derive(Clone, Copy, PartialEq, Debug, Default, Serialize, Deserialize)]
pub struct Bin {
    /// Predictions in it.
    pub n: u64,
    /// Their mean probability; 0 where there are none.
    pub said: f64,
    /// The share of them that came true; 0 where there are none.
    pub came: f64,
}

/// The bins of the calibration error.
#[must_use]
pub fn bins(judged: &[Judged<'_>]) -> [Bin; BINS] {
    let mut bins = [Bin::default(); BINS];
    for one in judged {
        if let Some(bin) = bins.get_mut(((one.p * BINS as f64) as usize).min(BINS - 1)) {
            bin.n += 1;
            bin.said += one.p;
            bin.came += f64::from(u8::from(one.changed));
        }
    }
    bins.map(|bin| {
        let n = (bin.n as f64).max(1.0);
        Bin { n: bin.n, said: bin.said / n, came: bin.came / n }
    })
}

fn draw(clusters: usize, random: &mut fastrand::Rng) -> Vec<f64> {
    let mut weights = vec![0.0; clusters];
    for _ in 0..clusters {
        if let Some(weight) = weights.get_mut(random.usize(0..clusters)) {
            *weight += 1.0;
        }
    }
    weights
}

fn ends(draws: &[Scores]) -> Intervals {
    let end = |share: f64| {
        let of = |score: &dyn Fn(&Scores) -> f64| {
            let mut values: Vec<f64> = draws.iter().map(score).filter(|value| value.is_finite()).collect();
            values.sort_by(f64::total_cmp);
            let at = (share * (values.len() as f64 - 1.0)).round().max(0.0) as usize;
            values.get(at).copied().unwrap_or(f64::NAN)
        };
        Scores { brier: of(&|s| s.brier), ap: of(&|s| s.ap), auc: of(&|s| s.auc), ece: of(&|s| s.ece) }
    };
    Intervals { from: end(0.025), to: end(0.975) }
}

/// The scores of predictions of the same units, the first against each other one, with intervals of each
/// and of the differences: differences are drawn on the same tables, and say more than intervals that
/// overlap.
#[must_use]
pub fn compare(models: &[Vec<Judged<'_>>], seed: u64) -> Vec<Compared> {
    let sorted: Vec<Sorted> = models.iter().map(|judged| Sorted::of(judged)).collect();
    let clusters = sorted.iter().map(|one| one.clusters).max().unwrap_or(0);
    let mut random = fastrand::Rng::with_seed(seed);
    let mut draws: Vec<Vec<Scores>> = vec![Vec::with_capacity(DRAWS); sorted.len()];
    for _ in 0..DRAWS {
        let weights = draw(clusters, &mut random);
        for (scores, model) in draws.iter_mut().zip(&sorted) {
            scores.push(model.weighed(&weights));
        }
    }
    let first = draws.first().cloned().unwrap_or_default();
    sorted
        .iter()
        .zip(&draws)
        .map(|(model, draws)| {
            let less: Vec<Scores> = first.iter().zip(draws).map(|(first, this)| first.less(this)).collect();
            Compared { scores: model.scores(), intervals: ends(draws), first_less_this: ends(&less) }
        })
        .collect()
}

/// A model's scores.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Compared {
    /// On all units.
    pub scores: Scores,
    /// Their intervals.
    pub intervals: Intervals,
    /// The intervals of the first model's scores less this one's.
    pub first_less_this: Intervals,
}

#[cfg(test)]
mod tests {
    #![expect(clippy::indexing_slicing, reason = "a test may panic")]
    use super::*;
    use proptest::prelude::*;

    fn judged(seen: &[(f64, bool)]) -> Vec<Judged<'static>> {
        const NAMES: [&str; 9] = ["a", "b", "c", "d", "e", "f", "g", "h", "i"];
        let one = |(at, (p, changed)): (usize, &(f64, bool))| Judged {
            p: *p,
            changed: *changed,
            cluster: NAMES[at % 9],
        };
        seen.iter().enumerate().map(one).collect()
    }

    fn scores(seen: &[(f64, bool)]) -> Scores {
        Sorted::of(&judged(seen)).scores()
    }

    #[test]
    fn known_vectors_have_their_known_scores() {
        // The example of scikit-learn's documentation of both scores.
        let known = scores(&[(0.1, false), (0.4, false), (0.35, true), (0.8, true)]);
        assert!((known.ap - 0.833_333_333).abs() < 1e-6, "{known:?}");
        assert!((known.auc - 0.75).abs() < 1e-12);
        assert!((known.brier - (0.01 + 0.16 + 0.4225 + 0.04) / 4.0).abs() < 1e-12);
        assert!((known.ece - (0.1 + 0.4 + 0.65 + 0.2) / 4.0).abs() < 1e-12);
        let flat = scores(&[(0.25, true), (0.25, false), (0.25, false), (0.25, false)]);
        assert!((flat.ap - 0.25).abs() < 1e-12 && (flat.auc - 0.5).abs() < 1e-12 && flat.ece < 1e-12);
        assert!(scores(&[(0.5, false)]).ap.is_nan() && scores(&[]).brier.is_nan());
    }

    #[test]
    fn the_calibration_error_is_what_its_bins_are_off_by() {
        let seen = [(0.0, false), (0.05, true), (0.31, true), (0.39, false), (1.0, true)];
        let found = bins(&judged(&seen));
        assert_eq!((found[0].n, found[0].came), (2, 0.5));
        assert_eq!((found[3].n, found[9].n, found[5]), (2, 1, Bin::default()));
        let off: f64 = found.iter().map(|bin| bin.n as f64 * (bin.said - bin.came).abs()).sum();
        assert!((off / 5.0 - scores(&seen).ece).abs() < 1e-12);
    }

    proptest! {
        #[test]
        fn curves_agree_with_brute_force(
            seen in proptest::collection::vec((0_u8..=12, any::<bool>()), 1..60),
        ) {
            let seen: Vec<(f64, bool)> = seen.iter().map(|(p, y)| (f64::from(*p) / 12.0, *y)).collect();
            let got = scores(&seen);
            let yes: Vec<f64> = seen.iter().filter(|one| one.1).map(|one| one.0).collect();
            let no: Vec<f64> = seen.iter().filter(|one| !one.1).map(|one| one.0).collect();
            if yes.is_empty() || no.is_empty() {
                return Ok(());
            }
            let mut wins = 0.0;
            for y in &yes {
                for n in &no {
                    wins += if y > n { 1.0 } else if y < n { 0.0 } else { 0.5 };
                }
            }
            prop_assert!((got.auc - wins / (yes.len() * no.len()) as f64).abs() < 1e-9);
            let precision = |at: f64| {
                let taken = seen.iter().filter(|one| one.0 >= at).count() as f64;
                yes.iter().filter(|p| **p >= at).count() as f64 / taken
            };
            let ap = yes.iter().map(|p| precision(*p)).sum::<f64>() / yes.len() as f64;
            prop_assert!((got.ap - ap).abs() < 1e-9);
            prop_assert!((0.0..=1.0).contains(&got.brier) && (0.0..=1.0).contains(&got.ece));
        }
    }

    #[test]
    fn a_seed_decides_the_intervals_and_a_model_does_not_differ_from_itself() {
        let seen: Vec<(f64, bool)> =
            (0..80).map(|at| (f64::from(at * at % 17) / 17.0, at % 3 == 0)).collect();
        let models = [judged(&seen), judged(&seen)];
        let one = compare(&models, 7);
        assert_eq!(one, compare(&models, 7));
        assert_ne!(one, compare(&models, 8));
        assert!(one[1].first_less_this.from.brier == 0.0 && one[1].first_less_this.to.ap == 0.0);
        assert!(one[0].intervals.from.brier <= one[0].scores.brier);
        assert!(one[0].intervals.to.brier >= one[0].scores.brier);
    }
}
