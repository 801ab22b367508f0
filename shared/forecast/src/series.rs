//! The activity of a project as a time series: which share of its tables will change next.
//!
//! Exponential smoothing, its form chosen by information criterion (Hyndman et al., *Forecasting with
//! Exponential Smoothing*, 2008), comes from `augurs`. It has no ARIMA; the autoregression with a mean here
//! is ARIMA(1,0,0) by conditional least squares, and ARIMA(0,1,1) is the simple smoothing that `augurs`
//! chooses from anyway. Series are short (two values a year), where a longer autoregression has nothing to
//! hold on to.

use augurs::ets::AutoETS;
use augurs::{Fit as _, Predict as _};

/// Fewest values that a model is fitted to; before that the forecast is their mean.
pub const VALUES_MIN: usize = 5;
/// Most values that a model is fitted to: twenty years.
pub const VALUES_MAX: usize = 40;
/// The interval that comes with a forecast.
const LEVEL: f64 = 0.8;

/// The next value of a series of shares.
#[derive(Clone, PartialEq, Debug)]
pub struct Next {
    /// In [0, 1].
    pub share: f64,
    /// The interval that holds it four times in five.
    pub from: f64,
    /// Its other end.
    pub to: f64,
    /// Which model it comes from.
    pub model: String,
}

/// Exponential smoothing.
#[must_use]
pub fn smoothed(shares: &[f64]) -> Next {
    let shares = latest(shares);
    if shares.len() < VALUES_MIN {
        return mean(shares);
    }
    let Ok(fitted) = AutoETS::non_seasonal().fit(shares) else { return mean(shares) };
    let Ok(forecast) = fitted.predict(1, LEVEL) else { return mean(shares) };
    let Some(share) = forecast.point.first().copied().filter(|share| share.is_finite()) else {
        return mean(shares);
    };
    let bounds = forecast.intervals.as_ref();
    let bound = |values: Option<&Vec<f64>>, otherwise: f64| {
        let value = values.and_then(|values| values.first()).copied();
        value.filter(|value| value.is_finite()).unwrap_or(otherwise).clamp(0.0, 1.0)
    };
    Next {
        share: share.clamp(0.0, 1.0),
        from: bound(bounds.map(|bounds| &bounds.lower), 0.0),
        to: bound(bounds.map(|bounds| &bounds.upper), 1.0),
        model: format!("{}", fitted.model().model_type()),
    }
}

/// A mean and what is left of the last value's distance from it: ARIMA(1,0,0).
#[must_use]
pub fn autoregressed(shares: &[f64]) -> Next {
    let shares = latest(shares);
    if shares.len() < VALUES_MIN {
        return mean(shares);
    }
    let flat = mean(shares);
    let middle = flat.share;
    let pairs = || shares.iter().zip(shares.iter().skip(1));
    let both: f64 = pairs().map(|(one, next)| (one - middle) * (next - middle)).sum();
    let own: f64 = pairs().map(|(one, _)| (one - middle).powi(2)).sum();
    let kept = if own > 0.0 { (both / own).clamp(-0.99, 0.99) } else { 0.0 };
    let last = shares.last().copied().unwrap_or(middle);
    let share = middle + kept * (last - middle);
    let half = (flat.to - flat.from) / 2.0;
    Next {
        share: share.clamp(0.0, 1.0),
        from: (share - half).clamp(0.0, 1.0),
        to: (share + half).clamp(0.0, 1.0),
        model: "AR(1)".to_owned(),
    }
}

fn latest(shares: &[f64]) -> &[f64] {
    shares.get(shares.len().saturating_sub(VALUES_MAX)..).unwrap_or_default()
}

fn mean(shares: &[f64]) -> Next {
    let n = shares.len() as f64;
    if shares.is_empty() {
        return Next { share: 0.0, from: 0.0, to: 1.0, model: "nothing".to_owned() };
    }
    let share = shares.iter().sum::<f64>() / n;
    let spread = (shares.iter().map(|one| (one - share).powi(2)).sum::<f64>() / n).sqrt() * 1.28;
    Next {
        share: share.clamp(0.0, 1.0),
        from: (share - spread).clamp(0.0, 1.0),
        to: (share + spread).clamp(0.0, 1.0),
        model: "mean".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_series_has_a_forecast_between_nothing_and_everything() {
        let long: Vec<f64> = (0..200).map(|at| f64::from(at % 7) / 6.0).collect();
        let odd: [&[f64]; 6] =
            [&[], &[0.3], &[0.0; 12], &[1.0; 12], &long, &[f64::NAN, 0.1, 0.2, 0.3, 0.2, 0.1]];
        for series in odd {
            for next in [smoothed(series), autoregressed(series)] {
                let all = [next.share, next.from, next.to];
                let nan = series.iter().any(|value| value.is_nan());
                assert!(nan || all.iter().all(|value| (0.0..=1.0).contains(value)), "{series:?}: {next:?}");
            }
        }
        assert!((smoothed(&[0.25; 12]).share - 0.25).abs() < 1e-6);
    }

    #[test]
    fn what_swings_is_expected_to_swing_back() {
        let swinging = [0.1, 0.5, 0.1, 0.5, 0.1, 0.5, 0.1, 0.5];
        assert!(autoregressed(&swinging).share < 0.3);
    }
}
