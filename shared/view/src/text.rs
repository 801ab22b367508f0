//! Times, names and text of sources, as they are shown.

use evercount_core::order::Micros;
use evercount_wire::nearest::nearest;

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

/// What to do about a name that is not known: the one that may have been meant, as a question, else where
/// what there is can be looked up.
pub fn did_you_mean<'a>(name: &str, known: impl IntoIterator<Item = &'a str>, list: &str) -> String {
    match nearest(name, known) {
        Some(known) => format!("did you mean `{}`?", plain(known)),
        None => format!("`{list}` shows what there is"),
    }
}
