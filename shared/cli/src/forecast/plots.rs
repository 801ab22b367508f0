//! Small plots for a terminal. Where nobody looks (a pipe, a file) there are none: what they show is in the
//! lines and in `--json`.

use std::io::IsTerminal;

use evercount_core::order::Micros;
use evercount_core::prediction::{BINS, Bin, Kind, Prediction, ReliabilityPoint};
use textplots::{Chart, LabelBuilder, LabelFormat, Plot, Shape};

use crate::show;

/// Dots of a plot: two and four of them are a character.
const WIDTH: u32 = 96;
const HEIGHT: u32 = 40;

/// Whether plots are drawn.
#[must_use]
pub fn wanted(json: bool) -> bool {
    !json && std::io::stdout().is_terminal()
}

/// How often what was said with a probability came: on the diagonal where it is honest.
#[must_use]
pub fn reliability(points: &[ReliabilityPoint], days: u32) -> Vec<String> {
    let bins = bins(points, days);
    let seen: Vec<(f32, f32)> =
        bins.iter().filter(|bin| bin.n > 0).map(|bin| (said(bin), came(bin))).collect();
    if seen.is_empty() {
        return Vec::new();
    }
    let marks: Vec<(f32, f32)> = seen.iter().flat_map(|(x, y)| mark(*x, *y)).collect();
    let mut lines = vec![format!("what came (up) of what was said (across), changes within {days} days")];
    lines.extend(chart(
        (0.0, 1.0),
        percent,
        &[Shape::Lines(&[(0.0, 0.0), (1.0, 1.0)]), Shape::Points(&marks)],
    ));
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
    let course: Vec<(f32, f32)> =
        of.filter_map(|point| Some((day(point.month), point.brier()? as f32))).collect();
    let (Some(first), Some(last)) = (course.first(), course.last()) else { return Vec::new() };
    if first.0 >= last.0 {
        return Vec::new();
    }
    let mut lines = vec!["Brier score by month (0 is best)".to_owned()];
    lines.extend(chart((first.0, last.0), date, &[Shape::Lines(&course)]));
    lines
}

/// What was said of any change within the longest time, from prediction to prediction, with what came as
/// marks at the top.
#[must_use]
pub fn timeline(predictions: &[Prediction], changes: &[Micros]) -> Vec<String> {
    let mut course: Vec<(f32, f32)> = Vec::new();
    for one in predictions {
        let Some(claim) = one.headline() else { continue };
        course.push((day(one.made_at), claim.said.p as f32));
        course.push((day(one.updated_at.max(one.made_at)), claim.now.p as f32));
    }
    let marks: Vec<(f32, f32)> = changes.iter().flat_map(|at| mark(day(*at), 1.0)).collect();
    let days = || course.iter().chain(&marks).map(|(x, _)| *x);
    let (from, to) = (days().fold(f32::INFINITY, f32::min), days().fold(f32::NEG_INFINITY, f32::max));
    if from.is_finite() && from < to {
        let mut lines = vec!["changes (dots), and how probable the next was said to be (line)".to_owned()];
        lines.extend(chart((from, to), date, &[Shape::Lines(&course), Shape::Points(&marks)]));
        return lines;
    }
    Vec::new()
}

fn chart((from, to): (f32, f32), label: fn(f32) -> String, shapes: &[Shape<'_>]) -> Vec<String> {
    let mut chart = Chart::new_with_y_range(WIDTH, HEIGHT, from, to, 0.0, 1.0);
    let mut chart = chart.x_label_format(LabelFormat::Custom(Box::new(label)));
    chart = chart.y_label_format(LabelFormat::Custom(Box::new(percent)));
    for shape in shapes {
        chart = chart.lineplot(shape);
    }
    chart.borders();
    chart.figures();
    chart.to_string().lines().map(|line| format!("  {line}")).collect()
}

/// Some dots around a place, so that it is seen beside lines.
fn mark(x: f32, y: f32) -> [(f32, f32); 5] {
    [-0.05, -0.025, 0.0, 0.025, 0.05].map(|by| (x, (y + by).clamp(0.0, 1.0)))
}

fn said(bin: &Bin) -> f32 {
    (bin.p_micro as f64 / 1e6 / bin.n.max(1) as f64) as f32
}

fn came(bin: &Bin) -> f32 {
    (bin.came as f64 / bin.n.max(1) as f64) as f32
}

fn percent(p: f32) -> String {
    format!("{:.0} %", p * 100.0)
}

/// A time in days, which a plot's numbers tell apart.
fn day(at: Micros) -> f32 {
    (at / evercount_core::prediction::DAY) as f32
}

fn date(day: f32) -> String {
    let at = show::time((day as i64).saturating_mul(evercount_core::prediction::DAY));
    at.get(..10).unwrap_or(&at).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plot_is_drawn_of_what_there_is_and_none_of_nothing() {
        assert!(
            reliability(&[], 183).is_empty() && scores(&[], 183).is_empty() && timeline(&[], &[]).is_empty()
        );
        let month = |n: i64| n * 31 * evercount_core::prediction::DAY;
        let points: Vec<ReliabilityPoint> = (0..6)
            .map(|n| {
                let mut point = ReliabilityPoint::empty(month(n), Kind::Any, 183);
                point.count(0.1 * n as f64, n % 2 == 0, false);
                point
            })
            .collect();
        let plot = reliability(&points, 183);
        plot.iter().for_each(|line| println!("{line}"));
        assert!(plot.len() > 8 && plot.iter().any(|line| line.contains("100 %")), "{plot:#?}");
        let course = scores(&points, 183);
        course.iter().for_each(|line| println!("{line}"));
        assert!(course.last().is_some_and(|line| line.contains("1970-0")), "{course:#?}");
        let marks = timeline(&[], &[month(1), month(3), month(9)]);
        marks.iter().for_each(|line| println!("{line}"));
        assert!(marks.len() > 8);
    }
}
