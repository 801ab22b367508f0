//! Small plots for a terminal. Where nobody looks (a pipe, a file) there are none: what they show is in the
//! lines and in `--json`.

use std::io::IsTerminal;

use evercount_core::order::Micros;
use evercount_core::prediction::{BINS, Bin, Kind, Prediction, ReliabilityPoint};
use rasciigraph::{Config, plot_many};

use crate::show;

/// Columns and rows of a plot.
const COLUMNS: usize = 56;
const ROWS: u32 = 10;
/// Columns in front of a plot: the labels of its axis.
const LABELS: u32 = 8;

/// Whether plots are drawn.
#[must_use]
pub fn wanted(json: bool) -> bool {
    !json && std::io::stdout().is_terminal()
}

/// How often what was said with a probability came: on the diagonal where it is honest.
#[must_use]
pub fn reliability(points: &[ReliabilityPoint], days: u32) -> Vec<String> {
    let bins = bins(points, days);
    let seen: Vec<(f64, f64)> =
        bins.iter().filter(|bin| bin.n > 0).map(|bin| (said(bin), came(bin))).collect();
    if seen.is_empty() {
        return Vec::new();
    }
    let diagonal = (0..COLUMNS).map(|column| column as f64 / (COLUMNS - 1) as f64).collect();
    let mut lines = vec![format!("what came (up) of what was said (across), changes within {days} days")];
    lines.extend(drawn(vec![diagonal, course(&seen, (0.0, 1.0))]));
    lines.push(ends("0".to_owned(), "1".to_owned()));
    lines
}

/// The bins of any change within so many days, over all months.
#[must_use]
pub fn bins(points: &[ReliabilityPoint], days: u32) -> [Bin; BINS] {
    let mut all = [Bin::default(); BINS];
    for point in points.iter().filter(|point| point.kind == Kind::Any && point.days == days) {
        for (sum, bin) in all.iter_mut().zip(&point.bins) {
            *sum = Bin { n: sum.n + bin.n, came: sum.came + bin.came, p_micro: sum.p_micro + bin.p_micro };
        }
    }
    all
}

/// The Brier score by the month in which predictions ended.
#[must_use]
pub fn scores(points: &[ReliabilityPoint], days: u32) -> Vec<String> {
    let of = points.iter().filter(|point| point.kind == Kind::Any && point.days == days);
    let seen: Vec<(f64, f64)> = of.filter_map(|point| Some((point.month as f64, point.brier()?))).collect();
    let (Some((from, _)), Some((to, _))) = (seen.first().copied(), seen.last().copied()) else {
        return Vec::new();
    };
    if from >= to {
        return Vec::new();
    }
    let mut lines = vec!["Brier score by month (0 is best)".to_owned()];
    lines.extend(drawn(vec![course(&seen, (from, to))]));
    lines.push(ends(date(from), date(to)));
    lines
}

/// How probable the next change within the longest time was thought to be, over time, and when there was one.
#[must_use]
pub fn timeline(predictions: &[Prediction], changes: &[Micros]) -> Vec<String> {
    let mut seen: Vec<(f64, f64)> = Vec::new();
    for one in predictions {
        let Some(claim) = one.headline() else { continue };
        seen.push((one.made_at as f64, claim.said.p));
        if one.updated_at > one.made_at {
            seen.push((one.updated_at as f64, claim.now.p));
        }
    }
    let times = || seen.iter().map(|(at, _)| *at).chain(changes.iter().map(|at| *at as f64));
    let (from, to) = (times().fold(f64::INFINITY, f64::min), times().fold(f64::NEG_INFINITY, f64::max));
    if seen.is_empty() || !from.is_finite() || from >= to {
        return Vec::new();
    }
    let mut marks = vec![' '; COLUMNS];
    for at in changes {
        if let Some(mark) = marks.get_mut(column(*at as f64, (from, to))) {
            *mark = '^';
        }
    }
    let mut lines = vec!["how probable a change was said to be, and when there was one (^)".to_owned()];
    lines.extend(drawn(vec![course(&seen, (from, to))]));
    lines.push(format!("{:1$}{2}", "", LABELS as usize, marks.into_iter().collect::<String>().trim_end()));
    lines.push(ends(date(from), date(to)));
    lines
}

/// Points as a line with a value for each column; no value before the first and after the last.
fn course(seen: &[(f64, f64)], span: (f64, f64)) -> Vec<f64> {
    let mut line = vec![f64::NAN; COLUMNS];
    let mut put = |place: usize, value: f64| {
        if let Some(there) = line.get_mut(place) {
            *there = value;
        }
    };
    let places = seen.iter().map(|(x, y)| (column(*x, span), *y));
    for ((x0, y0), (x1, y1)) in places.clone().zip(places.clone().skip(1)) {
        for place in x0..=x1 {
            let share = (place - x0) as f64 / (x1 - x0).max(1) as f64;
            put(place, y0 + (y1 - y0) * share);
        }
    }
    if let (1, Some((x, y))) = (seen.len(), places.clone().next()) {
        put(x, y);
    }
    line
}

fn column(x: f64, (from, to): (f64, f64)) -> usize {
    let share = ((x - from) / (to - from)).clamp(0.0, 1.0);
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a share of so many columns")]
    let column = (share * (COLUMNS - 1) as f64).round() as usize;
    column
}

fn drawn(mut series: Vec<Vec<f64>>) -> Vec<String> {
    // Differences that nobody could see would be scaled up beyond what the library counts rows with.
    series.iter_mut().flatten().for_each(|value| *value = (*value * 1e3).round() / 1e3);
    let values = || series.iter().flatten().copied().filter(|value| value.is_finite());
    let (least, most) = (values().fold(f64::INFINITY, f64::min), values().fold(f64::NEG_INFINITY, f64::max));
    if least >= most {
        return vec![format!("{least:>7.2} all the time")];
    }
    let config = Config::default().with_height(ROWS).with_offset(LABELS);
    plot_many(series, config).lines().map(|line| line.trim_end().to_owned()).collect()
}

/// The line below a plot.
fn ends(from: String, to: String) -> String {
    let between = COLUMNS.saturating_sub(from.chars().count() + to.chars().count());
    format!("{}{from}{}{to}", " ".repeat(LABELS as usize), " ".repeat(between))
}

fn said(bin: &Bin) -> f64 {
    bin.p_micro as f64 / 1e6 / bin.n.max(1) as f64
}

fn came(bin: &Bin) -> f64 {
    bin.came as f64 / bin.n.max(1) as f64
}

fn date(at: f64) -> String {
    #[expect(clippy::cast_possible_truncation, reason = "it was a time before it was a place")]
    let at = show::time(at as Micros);
    at.get(..10).unwrap_or(&at).to_owned()
}

#[cfg(test)]
mod tests {
    use evercount_core::prediction::{Claim, DAY, ExpectedAt, Outlook, Probability, Standing};
    use evercount_core::schema_change::Subject;

    use super::*;

    fn prediction(made_at: Micros, p: f64) -> Prediction {
        let said = Probability { p, from: p, to: p };
        let claim = Claim { kind: Kind::Any, days: 183, said, now: said, came: None };
        Prediction {
            table: Subject::new("orders"),
            made_at,
            ends_at: made_at,
            updated_at: made_at,
            outlook: Outlook::Claims {
                claims: vec![claim],
                expected: ExpectedAt::default(),
                because: String::new(),
            },
            columns: Vec::new(),
            planned: Vec::new(),
            standing: Standing::Open,
            came: None,
            error: None,
            discrepancy: String::new(),
            revision: 1,
        }
    }

    #[test]
    fn a_plot_is_drawn_of_what_there_is_and_none_of_nothing() {
        assert!(reliability(&[], 183).is_empty() && scores(&[], 183).is_empty());
        assert!(timeline(&[], &[DAY, 9 * DAY]).is_empty());
        let month = |n: i64| n * 31 * DAY;
        let points: Vec<ReliabilityPoint> = (0..6)
            .map(|n| {
                let mut point = ReliabilityPoint::empty(month(n), Kind::Any, 183);
                point.count(0.15 * n as f64, n % 2 == 0, false);
                point
            })
            .collect();
        let plots = [
            reliability(&points, 183),
            reliability(points.get(..1).unwrap_or_default(), 183),
            scores(&points, 183),
            timeline(&[prediction(month(0), 0.2), prediction(month(6), 0.5)], &[month(2), month(9)]),
            timeline(&[prediction(month(0), 0.2)], &[month(2)]),
        ];
        for plot in &plots {
            plot.iter().for_each(|line| println!("{line}"));
            assert!(plot.len() > 3 && plot.iter().all(|line| line.chars().count() < 80), "{plot:#?}");
        }
        assert!(plots[3].iter().any(|line| line.trim_start().starts_with('^')), "{:#?}", plots[3]);
    }
}
