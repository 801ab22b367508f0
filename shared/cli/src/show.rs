//! What a person sees: tables, readings and failures, printed in one place.

pub use evercount_view::time;

use std::io::Write;

use comfy_table::{CellAlignment, Table, presets};
use evercount_core::adoption::Adjustment;
use evercount_core::distinct::Estimate;
use evercount_core::group::{Cell, GroupKey};
use evercount_core::reading::{Exactness, Reading};
use evercount_view::{AdjustmentDoc, ReadingDoc, atom_text, did_you_mean, plain};
use evercount_wire::definition::DefinitionError;
use evercount_wire::group::value_json;
use serde_json::Value;

/// Prints one JSON document on standard output.
pub fn document(document: &Value) {
    line(format_args!("{document:#}"));
}

/// Prints a line on standard output. Whoever reads it may have read enough (`| head`): then the
/// command ends, without complaint.
pub fn line(text: impl std::fmt::Display) {
    if writeln!(std::io::stdout(), "{text}").is_err() {
        std::process::exit(0);
    }
}

/// Prints a styled line on standard output, without its styles where that is no terminal or
/// `NO_COLOR` is set (<https://no-color.org>).
pub fn styled(text: impl std::fmt::Display) {
    if writeln!(anstream::stdout(), "{text}").is_err() {
        std::process::exit(0);
    }
}

/// Prints a remark on standard error.
#[expect(clippy::print_stderr, reason = "remarks must not get into the command's output")]
pub fn remark(text: impl std::fmt::Display) {
    eprintln!("{text}");
}

/// That nothing has this name, with the name that may have been meant.
pub fn unknown<'a>(
    what: &str,
    name: &str,
    known: impl IntoIterator<Item = &'a str>,
    list: &str,
) -> anyhow::Error {
    anyhow::anyhow!("there is no {what} `{}`; {}", plain(name), did_you_mean(name, known, list))
}

/// Prints why a command could not do what it was asked to, with all causes.
pub fn failure(error: &anyhow::Error) {
    if let Some(bad) = error.chain().find_map(|cause| cause.downcast_ref::<DefinitionError>()) {
        return remark(format!("{:?}", miette::Report::new(report(bad))));
    }
    remark(format!("error: {error}"));
    for cause in error.chain().skip(1) {
        remark(format!("  because {cause}"));
    }
}

#[derive(Debug)]
struct Pointed(DefinitionError);

fn report(error: &DefinitionError) -> Pointed {
    Pointed(error.clone())
}

impl std::fmt::Display for Pointed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0.message)
    }
}

impl std::error::Error for Pointed {}

impl miette::Diagnostic for Pointed {
    fn help<'a>(&'a self) -> Option<Box<dyn std::fmt::Display + 'a>> {
        (!self.0.help.is_empty()).then(|| Box::new(&self.0.help) as Box<dyn std::fmt::Display>)
    }

    fn source_code(&self) -> Option<&dyn miette::SourceCode> {
        Some(self)
    }

    fn labels(&self) -> Option<Box<dyn Iterator<Item = miette::LabeledSpan> + '_>> {
        let span = miette::SourceSpan::from(self.0.span.clone());
        Some(Box::new(std::iter::once(miette::LabeledSpan::new_with_span(Some("here".to_owned()), span))))
    }
}

impl miette::SourceCode for Pointed {
    fn read_span<'a>(
        &'a self,
        span: &miette::SourceSpan,
        before: usize,
        after: usize,
    ) -> Result<Box<dyn miette::SpanContents<'a> + 'a>, miette::MietteError> {
        let contents = self.0.source_text.read_span(span, before, after)?;
        let named = miette::MietteSpanContents::new_named(
            self.0.source_name.clone(),
            contents.data(),
            *contents.span(),
            contents.line(),
            contents.column(),
            contents.line_count(),
        );
        Ok(Box::new(named))
    }
}

/// A table with headers; numbers in the last columns are aligned right.
#[must_use]
pub fn table(headers: &[&str], numbers: usize) -> Table {
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    table.set_header(headers.to_vec());
    for index in headers.len().saturating_sub(numbers)..headers.len() {
        if let Some(column) = table.column_mut(index) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    table
}

/// A group for people: its values, or `all` where nothing is grouped by.
#[must_use]
pub fn group(key: &GroupKey) -> String {
    if key.parts().is_empty() {
        return "(all)".to_owned();
    }
    let part = |(path, value): &(evercount_core::path::Path, evercount_core::value::Value)| {
        format!("{path}={}", value_json(value))
    };
    key.parts().iter().map(part).collect::<Vec<_>>().join("  ")
}

/// What a cell is called.
#[must_use]
pub fn cell(cell: &Cell) -> String {
    match cell {
        Cell::Group(key) => group(key),
        Cell::Register { .. } => format!("distinct value {}", evercount_wire::group::cell_name(cell)),
        other => evercount_wire::group::cell_name(other),
    }
}

/// A document as JSON. Nothing of one can fail to be written: it has text keys.
#[must_use]
pub fn json(document: &impl serde::Serialize) -> Value {
    serde_json::to_value(document).unwrap_or_default()
}

/// A reading in the shape of [`evercount_view::ReadingDoc`].
#[must_use]
pub fn reading_json(reading: &Reading) -> Value {
    json(&ReadingDoc::of(reading))
}

/// An adjustment in the shape of [`evercount_view::AdjustmentDoc`].
#[must_use]
pub fn adjustment_json(adjustment: &Adjustment) -> Value {
    json(&AdjustmentDoc::from(adjustment))
}

/// Adds the fields of one object to another.
pub fn extend(object: &mut Value, with: Value) {
    if let (Value::Object(object), Value::Object(with)) = (object, with) {
        object.extend(with);
    }
}

/// The groups of a reading, the largest first.
#[must_use]
pub fn groups(reading: &Reading) -> Table {
    let distinct = reading.distinct.as_ref();
    let about = |estimate: Option<&Estimate>| estimate.map(|estimate| format!("~{}", estimate.n));
    let mut shown = match &reading.logic.definition.distinct {
        Some(path) => table(&["group", "n", &format!("distinct {path}")], 2),
        None => table(&["group", "n"], 1),
    };
    let mut groups: Vec<_> = reading.groups.iter().collect();
    groups.sort_by(|a, b| b.1.cmp(a.1).then_with(|| a.0.cmp(b.0)));
    for (key, n) in groups {
        // Here, a key of nothing is the group of items that lack the attributes.
        let name = if key.parts().is_empty() { "(absent)".to_owned() } else { group(key) };
        let estimate = distinct.and_then(|distinct| distinct.groups.get(key));
        shown.add_row([name, n.to_string()].into_iter().chain(about(estimate)));
    }
    if reading.overflow != 0 {
        let name = "(other groups, counted together)".to_owned();
        let estimate = distinct.map(|distinct| &distinct.overflow);
        shown.add_row([name, reading.overflow.to_string()].into_iter().chain(about(estimate)));
    }
    shown
}

/// Prints a reading.
pub fn reading(reading: &Reading) {
    let exact = match &reading.exactness {
        Exactness::Exact => "exact".to_owned(),
        Exactness::Inexact(_) if reading.uncertain > 0 => format!("not exact, ±{}", reading.uncertain),
        Exactness::Inexact(_) => "not exact".to_owned(),
    };
    let logic = &reading.logic;
    line(format!(
        "{}  {} items of {}  ({exact}, logic version {})",
        logic.id.definition, reading.total, logic.definition.table, logic.id.number
    ));
    if let (Some(distinct), Some(path)) = (&reading.distinct, &logic.definition.distinct) {
        let Estimate { n, error } = distinct.total;
        line(format!("  ~{n} distinct {path}, an estimate (standard error {:.1} %)", error * 100.0));
    }
    if !logic.definition.group_by.is_empty() && !reading.groups.is_empty() {
        line(groups(reading));
    }
    for (atom, n) in &reading.missing {
        line(format!("  {n} items lack the attribute in `{}`", atom_text(reading, *atom)));
    }
    if reading.by_delta > 0 {
        line(format!(
            "  note: {} has no key; {} changes are counted by what each adds and removes, told apart by source position",
            logic.definition.table, reading.by_delta
        ));
    }
    if let Exactness::Inexact(doubts) = &reading.exactness {
        doubts.iter().for_each(|doubt| line(format!("  note: {}", doubt.sentence())));
    }
}
