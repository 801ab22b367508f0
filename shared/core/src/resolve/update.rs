//! Owns what an update expression names.

use super::expression::{path, paths};
use super::tokens::{self, Kind, Token, Unreadable};
use super::{Naming, Use};

/// The clauses of an update. DynamoDB reserves the words.
const CLAUSES: [&str; 4] = ["SET", "REMOVE", "ADD", "DELETE"];

/// What an update names. `names` gives what a `#name` stands for.
///
/// # Errors
/// [`Unreadable`].
pub fn updated(text: &str, names: &impl Fn(&str) -> Option<String>) -> Result<Vec<Naming>, Unreadable> {
    let tokens = tokens::read(text)?;
    let mut namings = Vec::new();
    let (mut clause, mut seen) = (None, Vec::new());
    let mut from = 0;
    let mut depth = 0_usize;
    for at in 0..=tokens.len() {
        let token = tokens.get(at);
        let is_step = at.checked_sub(1).and_then(|before| tokens.get(before)).is_some_and(|t| t.is_sign('.'));
        let starts = token.filter(|_| depth == 0 && !is_step);
        let next = starts.and_then(|token| CLAUSES.iter().position(|word| token.is_word(&[word])));
        let is_end = token.is_none() || next.is_some() || starts.is_some_and(|token| token.is_sign(','));
        if is_end {
            match (clause, tokens.get(from..at).unwrap_or_default()) {
                // Only what stands before the first clause may be nothing.
                (None, []) if next.is_some() => {}
                (Some(clause), action) if !action.is_empty() => add(&mut namings, clause, action, names)?,
                _ => return Err(Unreadable),
            }
            from = at + 1;
        }
        if let Some(next) = next {
            if seen.contains(&next) {
                return Err(Unreadable);
            }
            seen.push(next);
            clause = Some(next);
        }
        match token.map(|token| token.kind) {
            Some(Kind::Sign('(')) => depth += 1,
            Some(Kind::Sign(')')) => depth = depth.checked_sub(1).ok_or(Unreadable)?,
            _ => {}
        }
    }
    Ok(namings)
}

fn add(
    namings: &mut Vec<Naming>,
    clause: usize,
    action: &[Token<'_>],
    names: &impl Fn(&str) -> Option<String>,
) -> Result<(), Unreadable> {
    let Some((attribute, whole, length)) = path(action, names) else {
        // A placeholder without a name, or no path at all: DynamoDB says what is wrong.
        return Err(Unreadable);
    };
    let rest = action.get(length..).unwrap_or_default();
    let is_plain = match (CLAUSES.get(clause).copied(), rest) {
        (Some("SET"), [equals, value]) => equals.is_sign('=') && value.kind == Kind::Value,
        (Some("REMOVE"), []) => true,
        _ => false,
    };
    let usage = match (is_plain, whole) {
        (true, true) => Use::Written,
        (_, false) => Use::Within,
        (false, true) => Use::Computed,
    };
    namings.push(Naming::new(attribute, usage));
    paths(rest, names, |head, _| namings.push(Naming::new(head, Use::Computed)));
    Ok(())
}
