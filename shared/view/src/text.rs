//! Times, names and text of sources, as they are shown.

use evercount_core::order::Micros;

/// A time for people and for JSON: ISO 8601, UTC, microseconds.
#[must_use]
pub fn time(at: Micros) -> String {
    jiff::Timestamp::from_microsecond(at).map_or_else(|_| at.to_string(), |at| at.to_string())
}

/// What a source writes, without what would move a terminal's cursor.
#[must_use]
pub fn plain(text: impl std::fmt::Display) -> String {
    text.to_string().chars().fold(String::new(), |mut line, c| {
        if c.is_control() {
            line.extend(c.escape_default());
        } else {
            line.push(c);
        }
        line
    })
}

/// The name most like another, if any is like it: by its letters, or because it is the same but
/// for the schema or database before it.
pub fn nearest<'a>(name: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let bare = |name: &'a str| name.rsplit(['.', ':']).next().unwrap_or(name);
    let likeness = |one: &'a str| {
        if bare(one).eq_ignore_ascii_case(name) { 1.0 } else { strsim::jaro_winkler(one, name) }
    };
    known
        .map(|one| (likeness(one), one))
        .filter(|(likeness, _)| *likeness > 0.7)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, one)| one)
}
