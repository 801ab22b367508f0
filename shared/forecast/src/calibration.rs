//! Calibration: log-odds stretched and shifted so that of what is said to happen one time in five, one
//! in five happens (Platt, 1999; as a recalibration of log-odds, Cox, *Two further applications of a model
//! for binary regression*, 1958).
//!
//! It is learnt from predictions for projects that the model had not seen, because a model is always too
//! sure of those it has. Two numbers, not an isotonic curve: five projects have too few changes for more,
//! and the order of predictions stays as it is.

use crate::linear::probability;

/// How log-odds are stretched and shifted.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Calibration {
    /// Above 0, so that the order of predictions stays.
    pub slope: f64,
    /// What is added.
    pub shift: f64,
}

/// How far the slope may be from 1: further off, the model is at fault and not its calibration.
const SLOPES: (f64, f64) = (0.25, 4.0);
/// As many rows of evidence that no calibration is needed.
const PENALTY: f64 = 10.0;

impl Default for Calibration {
    fn default() -> Self {
        Self { slope: 1.0, shift: 0.0 }
    }
}

impl Calibration {
    /// The calibrated log-odds.
    #[must_use]
    pub fn apply(self, log_odds: f64) -> f64 {
        self.slope * log_odds + self.shift
    }

    /// Learns from log-odds, what became of them, and how much each counts.
    #[must_use]
    pub fn fit(seen: &[(f64, bool, f64)]) -> Self {
        let mut now = Self::default();
        for _ in 0..50 {
            let (mut g0, mut g1) = (PENALTY * now.shift, PENALTY * (now.slope - 1.0));
            let (mut h00, mut h01, mut h11) = (PENALTY, 0.0, PENALTY);
            for (odds, changed, weight) in seen {
                let p = probability(now.apply(*odds));
                let off = weight * (p - f64::from(u8::from(*changed)));
                let bend = weight * p * (1.0 - p);
                g0 += off;
                g1 += off * odds;
                h00 += bend;
                h01 += bend * odds;
                h11 += bend * odds * odds;
            }
            let size = h00 * h11 - h01 * h01;
            let (down, turn) = ((h11 * g0 - h01 * g1) / size, (h00 * g1 - h01 * g0) / size);
            if !(down.is_finite() && turn.is_finite()) {
                break;
            }
            now.shift -= down;
            now.slope = (now.slope - turn).clamp(SLOPES.0, SLOPES.1);
            if down.abs().max(turn.abs()) < 1e-10 {
                break;
            }
        }
        now
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn calibration_keeps_the_order(
            seen in proptest::collection::vec((-8.0_f64..8.0, any::<bool>(), 0.1_f64..3.0), 0..60),
            one in -20.0_f64..20.0, other in -20.0_f64..20.0,
        ) {
            let calibration = Calibration::fit(&seen);
            prop_assert!(calibration.slope > 0.0 && calibration.shift.is_finite());
            let (low, high) = (one.min(other), one.max(other));
            prop_assert!(calibration.apply(low) <= calibration.apply(high));
        }
    }

    #[test]
    fn who_is_too_sure_is_told_so() {
        // Says 88 and 12 of a hundred; 70 and 30 happen.
        let seen: Vec<(f64, bool, f64)> = (0..2_000)
            .map(|at| {
                let high = at % 2 == 0;
                (if high { 2.0 } else { -2.0 }, (at / 2 % 10 < 7) == high, 1.0)
            })
            .collect();
        let calibration = Calibration::fit(&seen);
        let p = probability(calibration.apply(2.0));
        assert!((p - 0.7).abs() < 0.02, "{calibration:?} {p}");
    }
}
