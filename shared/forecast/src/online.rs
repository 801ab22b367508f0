//! Learning on: each prediction that is confirmed or refuted moves the next ones, a little.
//!
//! Only the level moves, not what the features weigh, and by no more than [`SHIFT_MAX`]. Measured on
//! the benchmark, more is harmful: a half-year in which much changed is followed by a quiet one, so whoever
//! follows the last half-year is wrong in the next. A project that always changes more than others is
//! followed within a few years.
//!
//! What was learnt is kept as whole numbers, so that taking a prediction back leaves exactly what was
//! there before it, in any order.

/// What one table's worth of surprise adds to the log-odds, millionths.
const STEP_MICRO: i64 = 2_000;
/// How far the level can move, in log-odds: a probability of 0.15 stays between 0.12 and 0.18.
pub const SHIFT_MAX: f64 = 0.25;

/// What was learnt.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Adjustment {
    /// The sum of surprises, millionths of a table.
    pub surprise_micro: i64,
    /// Predictions whose table changed.
    pub confirmed: u64,
    /// Predictions whose table did not.
    pub refuted: u64,
}

impl Adjustment {
    /// What is added to log-odds.
    #[must_use]
    pub fn shift(&self) -> f64 {
        let micro = i128::from(self.surprise_micro) * i128::from(STEP_MICRO);
        (micro as f64 / 1e12).clamp(-SHIFT_MAX, SHIFT_MAX)
    }

    /// A prediction's window has closed.
    pub fn observe(&mut self, predicted: f64, changed: bool) {
        self.surprise_micro = self.surprise_micro.saturating_add(surprise(predicted, changed));
        let n = if changed { &mut self.confirmed } else { &mut self.refuted };
        *n = n.saturating_add(1);
    }

    /// Takes an observation back.
    pub fn revert(&mut self, predicted: f64, changed: bool) {
        self.surprise_micro = self.surprise_micro.saturating_sub(surprise(predicted, changed));
        let n = if changed { &mut self.confirmed } else { &mut self.refuted };
        *n = n.saturating_sub(1);
    }
}

fn surprise(predicted: f64, changed: bool) -> i64 {
    // Not a number was no prediction.
    let p = if predicted.is_nan() { return 0 } else { predicted.clamp(0.0, 1.0) };
    ((f64::from(u8::from(changed)) - p) * 1e6).round() as i64
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn what_is_taken_back_leaves_nothing_and_nothing_goes_too_far(
            seen in proptest::collection::vec((-1.0_f64..2.0, any::<bool>()), 0..400),
        ) {
            let mut adjustment = Adjustment::default();
            for (p, changed) in &seen {
                adjustment.observe(*p, *changed);
                prop_assert!(adjustment.shift().abs() <= SHIFT_MAX);
            }
            for (p, changed) in seen.iter().rev() {
                adjustment.revert(*p, *changed);
            }
            prop_assert_eq!(adjustment, Adjustment::default());
        }
    }

    #[test]
    fn more_changes_than_predicted_raise_the_level() {
        let mut adjustment = Adjustment::default();
        for at in 0..100 {
            adjustment.observe(0.1, at % 2 == 0);
        }
        assert!(adjustment.shift() > 0.05 && adjustment.shift() < 0.25, "{}", adjustment.shift());
        adjustment.observe(f64::NAN, true);
        assert!(adjustment.shift() < 0.25);
    }
}
