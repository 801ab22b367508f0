//! Figures of benchmarks beside what they are held against, in one form: a table for people, and a
//! line of JSON for programs, of which `evercount bench` makes one table of all benchmarks.

use comfy_table::{Table, presets};
use serde_json::{Value, json};

/// What a figure should be.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Goal {
    /// At most this.
    AtMost(f64),
    /// At least this.
    AtLeast(f64),
    /// Nothing was promised of it.
    None,
}

impl Goal {
    /// Whether a value reaches it.
    #[must_use]
    pub fn is_reached(self, value: f64) -> bool {
        match self {
            Self::AtMost(most) => value <= most,
            Self::AtLeast(least) => value >= least,
            Self::None => true,
        }
    }

    fn text(self) -> String {
        match self {
            Self::AtMost(most) => format!("≤ {most}"),
            Self::AtLeast(least) => format!("≥ {least}"),
            Self::None => String::new(),
        }
    }
}

/// One number, measured or not.
#[derive(Clone, PartialEq, Debug)]
pub struct Figure {
    /// A stable name for programs.
    pub name: &'static str,
    /// What it is, with its unit, for people.
    pub what: String,
    /// The number, or why it was not measured.
    pub value: Result<f64, String>,
    /// The same of what it is compared with, in the same run.
    pub baseline: Option<f64>,
    /// What nothing that does the same work can go below, in the same run.
    pub floor: Option<f64>,
    /// What it should be.
    pub goal: Goal,
}

impl Figure {
    /// A figure.
    #[must_use]
    pub fn new(name: &'static str, what: impl Into<String>, value: f64, goal: Goal) -> Self {
        Self { name, what: what.into(), value: Ok(value), baseline: None, floor: None, goal }
    }

    /// A figure that this machine cannot take, and why.
    #[must_use]
    pub fn not_measured(name: &'static str, what: impl Into<String>, why: &str, goal: Goal) -> Self {
        Self { value: Err(why.to_owned()), ..Self::new(name, what, f64::NAN, goal) }
    }

    /// A figure, where there is one.
    #[must_use]
    pub fn of(name: &'static str, what: &str, value: Result<f64, &str>, goal: Goal) -> Self {
        match value {
            Ok(value) => Self::new(name, what, value, goal),
            Err(why) => Self::not_measured(name, what, why, goal),
        }
    }

    /// With what it is compared with.
    #[must_use]
    pub fn beside(self, baseline: f64) -> Self {
        Self { baseline: Some(baseline), ..self }
    }

    /// With what it cannot go below.
    #[must_use]
    pub fn above(self, floor: f64) -> Self {
        Self { floor: Some(floor), ..self }
    }
}

/// The middle of some values, of two the greater; `None` where there are none.
#[must_use]
pub fn median(values: impl IntoIterator<Item = f64>) -> Option<f64> {
    let mut sorted: Vec<f64> = values.into_iter().collect();
    sorted.sort_by(f64::total_cmp);
    sorted.get(sorted.len() / 2).copied()
}

/// How many times ours theirs is: turn by turn, because what disturbs one disturbs its neighbours, and of that the
/// [`median`].
pub fn times<'a>(
    theirs: impl IntoIterator<Item = &'a f64>,
    ours: impl IntoIterator<Item = &'a f64>,
) -> Option<f64> {
    median(theirs.into_iter().zip(ours).map(|(theirs, ours)| theirs / ours))
}

/// The value of a figure by its name; not a number where there is none.
#[must_use]
pub fn value_of(figures: &[Figure], name: &str) -> f64 {
    let figure = figures.iter().find(|figure| figure.name == name);
    figure.and_then(|figure| figure.value.as_ref().ok()).map_or(f64::NAN, |value| *value)
}

/// Those that miss their goals, each in a sentence.
#[must_use]
pub fn missed(figures: &[Figure]) -> Vec<String> {
    let missed = |figure: &Figure| {
        let value = figure.value.as_ref().ok()?;
        let is_missed = !figure.goal.is_reached(*value);
        is_missed.then(|| format!("{}: {value} is not {}", figure.what, figure.goal.text()))
    };
    figures.iter().filter_map(missed).collect()
}

fn number(value: f64) -> String {
    match value.abs() {
        1_000.0.. => format!("{value:.0}"),
        10.0.. => format!("{value:.1}"),
        1.0.. => format!("{value:.2}"),
        _ => format!("{value:.5}"),
    }
}

/// The figures with what they are held against beside them.
#[must_use]
pub fn table(figures: &[Figure]) -> Table {
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    table.set_header(["", "measured", "baseline", "floor", "goal", ""]);
    for figure in figures {
        let beside = |value: Option<f64>| value.map_or_else(String::new, number);
        let (value, outcome) = match (&figure.value, figure.goal) {
            (Err(why), _) => ("not measured".to_owned(), why.clone()),
            (Ok(value), Goal::None) => (number(*value), String::new()),
            (Ok(value), goal) if goal.is_reached(*value) => (number(*value), "reached".to_owned()),
            (Ok(value), _) => (number(*value), "missed".to_owned()),
        };
        table.add_row([
            figure.what.clone(),
            value,
            beside(figure.baseline),
            beside(figure.floor),
            figure.goal.text(),
            outcome,
        ]);
    }
    table
}

/// The figures as JSON.
#[must_use]
pub fn json(figures: &[Figure]) -> Value {
    let one = |figure: &Figure| {
        let (most, least) = match figure.goal {
            Goal::AtMost(most) => (Some(most), None),
            Goal::AtLeast(least) => (None, Some(least)),
            Goal::None => (None, None),
        };
        let (value, why) = (figure.value.as_ref().ok(), figure.value.as_ref().err());
        json!({ "name": figure.name, "what": figure.what, "value": value, "not_measured": why,
            "baseline": figure.baseline, "floor": figure.floor, "at_most": most, "at_least": least,
            "reached": value.map(|value| figure.goal.is_reached(*value)) })
    };
    figures.iter().map(one).collect()
}

/// What a benchmark prints: for a program one line, its details with its name and figures; for people
/// the table.
#[must_use]
pub fn report(bench: &str, figures: &[Figure], details: &Value, as_json: bool) -> String {
    if as_json {
        json!({ "bench": bench, "figures": json(figures), "details": details }).to_string()
    } else {
        table(figures).to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_not_measured_is_neither_reached_nor_missed() {
        let why = "valgrind is not installed";
        let figures = [
            Figure::new("a", "a", 2.0, Goal::AtMost(3.0)).beside(6.0),
            Figure::new("b", "b", 4.0, Goal::AtMost(3.0)).above(1.0),
            Figure::of("c", "c", Err(why), Goal::AtMost(3.0)),
        ];
        assert_eq!(missed(&figures), ["b: 4 is not ≤ 3"]);
        let told = json(&figures);
        let of = |at: usize, name: &str| told.get(at).and_then(|one| one.get(name)).cloned();
        assert_eq!(of(0, "reached"), Some(json!(true)));
        assert_eq!((of(1, "reached"), of(1, "floor")), (Some(json!(false)), Some(json!(1.0))));
        assert_eq!((of(2, "value"), of(2, "reached")), (Some(Value::Null), Some(Value::Null)));
        assert!(table(&figures).to_string().contains(why));
    }
}
