//! Figures beside their goals, as a table for people and as one line for programs.

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

/// One measured number.
#[derive(Clone, PartialEq, Debug)]
pub struct Figure {
    /// A stable name for programs.
    pub name: &'static str,
    /// What it is, for people.
    pub what: String,
    /// The number.
    pub value: f64,
    /// What it should be.
    pub goal: Goal,
}

impl Figure {
    /// A figure.
    #[must_use]
    pub fn new(name: &'static str, what: impl Into<String>, value: f64, goal: Goal) -> Self {
        Self { name, what: what.into(), value, goal }
    }
}

/// The value of a figure by its name; not a number where there is none.
#[must_use]
pub fn value_of(figures: &[Figure], name: &str) -> f64 {
    figures.iter().find(|figure| figure.name == name).map_or(f64::NAN, |figure| figure.value)
}

/// Those that miss their goals, each in a sentence.
#[must_use]
pub fn missed(figures: &[Figure]) -> Vec<String> {
    let missed = figures.iter().filter(|figure| !figure.goal.is_reached(figure.value));
    missed.map(|figure| format!("{}: {} is not {}", figure.what, figure.value, figure.goal.text())).collect()
}

/// The figures with their goals beside them.
#[must_use]
pub fn table(figures: &[Figure]) -> Table {
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    table.set_header(["", "measured", "goal", ""]);
    for figure in figures {
        let reached = match figure.goal {
            Goal::None => "",
            goal if goal.is_reached(figure.value) => "reached",
            _ => "missed",
        };
        let value = if figure.value.abs() >= 10.0 {
            format!("{:.1}", figure.value)
        } else {
            format!("{:.5}", figure.value)
        };
        table.add_row([figure.what.clone(), value, figure.goal.text(), reached.to_owned()]);
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
        json!({ "name": figure.name, "what": figure.what, "value": figure.value, "at_most": most,
            "at_least": least, "reached": figure.goal.is_reached(figure.value) })
    };
    figures.iter().map(one).collect()
}
