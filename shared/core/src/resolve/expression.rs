//! Owns what projections and conditions name.

use std::collections::BTreeSet;

use super::tokens::{self, Kind, Token, Unreadable};
use super::{Naming, Use};

/// Words of conditions that are no names. DynamoDB reserves them: an attribute of such a name is written
/// as a placeholder.
const WORDS: [&str; 5] = ["AND", "OR", "NOT", "BETWEEN", "IN"];

/// The attribute a path starts with, where `tokens` start with a path, whether it is the whole path, and
/// how many tokens the path has.
pub(super) fn path<'t>(
    tokens: &[Token<'t>],
    names: &impl Fn(&str) -> Option<String>,
) -> Option<(String, bool, usize)> {
    let first = tokens.first()?;
    let head = match first.kind {
        Kind::Word => first.text.to_owned(),
        Kind::Name => names(first.text)?,
        _ => return None,
    };
    let mut length = 1;
    loop {
        let rest = tokens.get(length..).unwrap_or_default();
        match rest {
            [dot, step, ..] if dot.is_sign('.') && matches!(step.kind, Kind::Word | Kind::Name) => {
                length += 2
            }
            [open, index, close, ..]
                if open.is_sign('[') && index.kind == Kind::Number && close.is_sign(']') =>
            {
                length += 3;
            }
            _ => return Some((head, length == 1, length)),
        }
    }
}

/// The paths in tokens that are no paths alone: in a condition, or on the right of an assignment.
pub(super) fn paths(
    tokens: &[Token<'_>],
    names: &impl Fn(&str) -> Option<String>,
    mut found: impl FnMut(String, bool),
) {
    let mut at = 0;
    while let Some(token) = tokens.get(at) {
        let is_call = tokens.get(at + 1).is_some_and(|next| next.is_sign('('));
        let is_path = match token.kind {
            Kind::Word => !is_call && !token.is_word(&WORDS),
            Kind::Name => true,
            _ => false,
        };
        let path = if is_path { path(tokens.get(at..).unwrap_or_default(), names) } else { None };
        at += match path {
            Some((head, whole, length)) => {
                found(head, whole);
                length
            }
            None => 1,
        };
    }
}

/// What a condition names: a condition of a write, a filter, or a condition on a key. `names` gives what a
/// `#name` stands for; one that stands for nothing is DynamoDB's to refuse.
///
/// # Errors
/// [`Unreadable`].
pub fn compared(
    text: &str,
    names: &impl Fn(&str) -> Option<String>,
    usage: Use,
) -> Result<Vec<Naming>, Unreadable> {
    let mut found = Vec::new();
    paths(&tokens::read(text)?, names, |head, _| found.push(Naming::new(head, usage)));
    Ok(found)
}

/// What a projection names.
///
/// # Errors
/// [`Unreadable`].
pub fn projected(text: &str, names: &impl Fn(&str) -> Option<String>) -> Result<Vec<Naming>, Unreadable> {
    let tokens = tokens::read(text)?;
    let mut namings = Vec::new();
    for one in tokens.split(|token| token.is_sign(',')) {
        let (head, whole, length) = path(one, names).ok_or(Unreadable)?;
        if length != one.len() {
            return Err(Unreadable);
        }
        namings.push(Naming::new(head, if whole { Use::Read } else { Use::Within }));
    }
    Ok(namings)
}

/// The placeholders of an expression, `#names` and `:values`.
///
/// # Errors
/// [`Unreadable`].
pub fn placeholders(text: &str) -> Result<BTreeSet<String>, Unreadable> {
    let tokens = tokens::read(text)?;
    let placeholders = tokens.iter().filter(|token| matches!(token.kind, Kind::Name | Kind::Value));
    Ok(placeholders.map(|token| token.text.to_owned()).collect())
}
