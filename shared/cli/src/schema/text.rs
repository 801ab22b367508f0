//! How schemas are put in words: styles, tables whose lines have colours, and what changes,
//! fields and policies are called.

use anstyle::{AnsiColor, Style};
use evercount_core::drift::{Drift, SchemaVerClass};
use evercount_core::evolution::Held;
use evercount_core::order::Micros;
use evercount_core::registry::{Compatibility, EvolutionRule, Policy};
use evercount_core::schema::FieldPath;
use evercount_core::schema_change::{ChangeKind, SchemaChange};
use evercount_view::{ChangeDoc, PolicyDoc, bare_sentence};
use evercount_wire::diff_view::Mark;
use serde_json::Value;

use crate::show;

/// What is of note.
pub const STRONG: Style = Style::new().bold();
/// What is right.
pub const GOOD: Style = AnsiColor::Green.on_default();
/// What is wrong.
pub const BAD: Style = AnsiColor::Red.on_default();
/// What may be passed over.
pub const FAINT: Style = Style::new().dimmed();

/// Text in a style; whoever prints it takes the style away where there are no colours.
pub fn paint(style: Style, text: impl std::fmt::Display) -> String {
    format!("{style}{text}{style:#}")
}

/// The style of what happened to a field.
pub fn style(mark: Mark) -> Style {
    match mark {
        Mark::Same => Style::new(),
        Mark::Added => GOOD,
        Mark::Dropped => BAD,
        Mark::Renamed => AnsiColor::Cyan.on_default(),
        Mark::Retyped | Mark::Constrained => AnsiColor::Yellow.on_default(),
    }
}

pub use evercount_view::plain;

/// A statement as one line.
fn one_line(text: &str) -> String {
    plain(text.split_ascii_whitespace().collect::<Vec<_>>().join(" "))
}

/// Rows under headers, without the columns that no row fills, as lines that each have a style.
pub fn table(headers: &[&str], rows: &[(Style, Vec<String>)]) -> Vec<String> {
    let is_filled =
        |column: &usize| rows.iter().any(|(_, row)| row.get(*column).is_some_and(|cell| !cell.is_empty()));
    let columns: Vec<usize> = (0..headers.len()).filter(is_filled).collect();
    let kept = |cells: &[String]| -> Vec<String> {
        columns.iter().map(|column| cells.get(*column).cloned().unwrap_or_default()).collect()
    };
    let headers: Vec<String> = headers.iter().map(ToString::to_string).collect();
    let headers = kept(&headers);
    let headers: Vec<&str> = headers.iter().map(String::as_str).collect();
    let mut table = show::table(&headers, 0);
    for (_, row) in rows {
        table.add_row(kept(row));
    }
    let has_header = headers.iter().any(|header| !header.is_empty());
    let styles = std::iter::repeat_n(STRONG, 1).chain(rows.iter().map(|(style, _)| *style));
    let lines = table.lines().zip(styles).map(|(line, style)| paint(style, line.trim_end()));
    lines.skip(usize::from(!has_header)).collect()
}

/// `3 fields`, `1 field`.
pub fn count(n: usize, one: &str) -> String {
    if n == 1 { format!("1 {one}") } else { format!("{n} {one}s") }
}

/// Columns as a list, `none` where there are none.
pub fn columns(columns: &[FieldPath]) -> String {
    let names: Vec<String> = columns.iter().map(plain).collect();
    if names.is_empty() { "none".to_owned() } else { names.join(", ") }
}

pub use evercount_view::origin;

/// A change in a sentence, and what it is concluded from in one below it.
pub fn change(change: &SchemaChange) -> [String; 2] {
    let mark = match change.kind {
        ChangeKind::CreateTable | ChangeKind::AddColumn { .. } => Mark::Added,
        ChangeKind::DropTable | ChangeKind::DropColumn { .. } => Mark::Dropped,
        ChangeKind::RenameTable { .. } | ChangeKind::RenameColumn { .. } => Mark::Renamed,
        ChangeKind::TruncateTable => Mark::Same,
        ChangeKind::ChangeType { .. } | ChangeKind::ChangeKey { .. } => Mark::Retyped,
    };
    let symbol = if mark == Mark::Renamed { '~' } else { mark.symbol() };
    let told = format!("{symbol} {}", plain(bare_sentence(change)));
    let evidence = shortened(&one_line(&change.evidence.sentence()));
    [paint(style(mark), told), paint(FAINT, format!("    {evidence}"))]
}

/// Longest evidence in text, in characters: a statement may create hundreds of columns. JSON has
/// it whole.
const EVIDENCE_CHARS_MAX: usize = 200;

fn shortened(text: &str) -> String {
    match text.char_indices().nth(EVIDENCE_CHARS_MAX) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
        None => text.to_owned(),
    }
}

/// Why a change made no version.
pub fn why(held: &Held) -> String {
    match held {
        Held::Breaks(breaks) => {
            let breaks: Vec<String> = breaks.iter().map(plain).collect();
            format!("waits for a person, since {}", breaks.join("; and "))
        }
        other => plain(other.sentence()),
    }
}

/// A change in the shape of [`evercount_view::ChangeDoc`].
pub fn change_json(change: &SchemaChange) -> Value {
    show::json(&ChangeDoc::from(change))
}

/// How far a schema moved: the score, its class, and what it is made of where it has parts.
pub fn moved(drift: &Drift) -> String {
    let class = match drift.class {
        SchemaVerClass::Addition => "an addition",
        SchemaVerClass::Revision => "a revision",
        SchemaVerClass::Model => "a model change",
    };
    let parts: Vec<String> =
        drift.parts.iter().map(|(part, score)| format!("{} {score:.3}", part.name())).collect();
    let parts = if parts.len() > 1 { format!(" ({})", parts.join(", ")) } else { String::new() };
    format!("{class}, drift {:.3}{parts}", drift.score)
}

/// The name of a compatibility mode.
pub fn mode(mode: Compatibility) -> &'static str {
    Compatibility::ALL.iter().find(|(one, _)| *one == mode).map_or("NONE", |(_, name)| name)
}

/// The name of a rule.
pub fn rule(rule: EvolutionRule) -> &'static str {
    EvolutionRule::ALL.iter().find(|(one, _)| *one == rule).map_or("evolve", |(_, name)| name)
}

const MICROS_PER_DAY: Micros = 86_400_000_000;

/// Days as microseconds.
pub fn days(days: u32) -> Micros {
    Micros::from(days) * MICROS_PER_DAY
}

/// A policy, one line for each part of it.
pub fn policy(policy: &Policy) -> Vec<String> {
    let list =
        |kinds: &std::collections::BTreeSet<String>| kinds.iter().cloned().collect::<Vec<_>>().join(", ");
    let readers = match policy.compatibility {
        Compatibility::None => "new versions are held to nothing",
        Compatibility::Backward => "readers of a new version read rows of the one before",
        Compatibility::BackwardTransitive => "readers of a new version read rows of every one before",
        Compatibility::Forward => "readers of the version before read rows of a new one",
        Compatibility::ForwardTransitive => "readers of every version before read rows of a new one",
        Compatibility::Full => "both ways, with the version before",
        Compatibility::FullTransitive => "both ways, with every version before",
    };
    let mut lines = vec![format!("compatibility {}: {readers}", mode(policy.compatibility))];
    let ruled = |(kind, one): (&String, &EvolutionRule)| {
        let what = match one {
            EvolutionRule::Evolve => "makes a version",
            EvolutionRule::TryEvolve => {
                "makes a version where the compatibility mode allows it, else waits for a person"
            }
            EvolutionRule::Lenient => "makes a version that keeps what older rows need",
            EvolutionRule::Ignore => "is logged and makes no version",
            EvolutionRule::Exception => "is refused",
        };
        format!("{kind}: {}, it {what}", rule(*one))
    };
    lines.extend(policy.rules.iter().map(ruled));
    lines.push(
        if policy.rules.is_empty() { "every change: evolve" } else { "every other change: evolve" }
            .to_owned(),
    );
    if !policy.include.is_empty() {
        lines.push(format!("only these make a version: {}", list(&policy.include)));
    }
    if !policy.exclude.is_empty() {
        lines.push(format!("these make no version: {}", list(&policy.exclude)));
    }
    lines.push(if policy.drift_threshold > 0.0 {
        format!("changes wait until they add up to a drift of {}", policy.drift_threshold)
    } else {
        "changes make a version however small the drift".to_owned()
    });
    lines.push(format!("versions are kept for {} days once replaced", policy.retention / MICROS_PER_DAY));
    lines
}

/// A policy in the shape of [`evercount_view::PolicyDoc`].
pub fn policy_json(policy: &Policy) -> Value {
    show::json(&PolicyDoc::from(policy))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_source_writes_stays_on_its_line_and_moves_no_cursor() {
        assert_eq!(one_line("ALTER TABLE a\n\tADD b INT"), "ALTER TABLE a ADD b INT");
        assert_eq!(plain("a  b\n"), "a  b\\n");
        assert_eq!(plain("\u{1b}[2Jgone"), "\\u{1b}[2Jgone");
        assert_eq!(plain("naïve"), "naïve");
    }

    #[test]
    fn a_column_that_no_row_fills_is_left_out() {
        let rows = [(Style::new(), ["a", "", "1"].map(str::to_owned).to_vec())];
        let lines: Vec<String> = table(&["field", "default", "key"], &rows)
            .iter()
            .map(|line| anstream::adapter::strip_str(line).to_string())
            .collect();
        assert_eq!(lines, [" field  key", " a      1"]);
    }
}
