//! Owns how an update expression is taken apart into what is the table's and what is the shadow store's.

use super::expression::{path, paths};
use super::tokens::{self, Kind, Token, Unreadable};
use super::{Naming, Use};

/// The clauses of an update. DynamoDB reserves the words.
const CLAUSES: [&str; 4] = ["SET", "REMOVE", "ADD", "DELETE"];

/// What an update does to an expected column.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum ShadowAction {
    /// It gets the value of this placeholder.
    Put {
        /// The column.
        attribute: String,
        /// The placeholder, `:value`.
        value: String,
    },
    /// It has none any more.
    Remove {
        /// The column.
        attribute: String,
    },
}

/// One action of an update.
#[derive(Clone, PartialEq, Eq, Debug)]
struct Action {
    /// Which of [`CLAUSES`].
    clause: usize,
    attribute: String,
    text: String,
    shadow: Option<ShadowAction>,
}

/// An update expression, taken apart.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Update {
    /// What it names.
    pub namings: Vec<Naming>,
    actions: Vec<Action>,
}

impl Update {
    /// The update of the attributes that are not `expected`; empty where there are none.
    #[must_use]
    pub fn of_table(&self, expected: impl Fn(&str) -> bool) -> String {
        let clauses = CLAUSES.iter().enumerate().filter_map(|(clause, word)| {
            let of_it = |action: &&Action| action.clause == clause && !expected(&action.attribute);
            let texts: Vec<&str> = self.actions.iter().filter(of_it).map(|one| one.text.as_str()).collect();
            (!texts.is_empty()).then(|| format!("{word} {}", texts.join(", ")))
        });
        clauses.collect::<Vec<_>>().join(" ")
    }

    /// What it does to attributes that are `expected`, where nothing stands in the way.
    #[must_use]
    pub fn of_shadow(&self, expected: impl Fn(&str) -> bool) -> Vec<ShadowAction> {
        let of_it = self.actions.iter().filter(|action| expected(&action.attribute));
        of_it.filter_map(|action| action.shadow.clone()).collect()
    }
}

/// Takes an update expression apart. `names` gives what a `#name` stands for.
///
/// # Errors
/// [`Unreadable`].
pub fn split_update(text: &str, names: &impl Fn(&str) -> Option<String>) -> Result<Update, Unreadable> {
    let tokens = tokens::read(text)?;
    let mut update = Update::default();
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
                (Some(clause), action) if !action.is_empty() => {
                    add(&mut update, clause, action, text, names)?
                }
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
    Ok(update)
}

fn add(
    update: &mut Update,
    clause: usize,
    action: &[Token<'_>],
    text: &str,
    names: &impl Fn(&str) -> Option<String>,
) -> Result<(), Unreadable> {
    let Some((attribute, whole, length)) = path(action, names) else {
        // A placeholder without a name, or no path at all: DynamoDB says what is wrong.
        return Err(Unreadable);
    };
    let rest = action.get(length..).unwrap_or_default();
    let mut right = Vec::new();
    paths(rest, names, |head, _| right.push(head));
    let shadow = match (CLAUSES.get(clause).copied(), rest) {
        (Some("SET"), [equals, value]) if equals.is_sign('=') && value.kind == Kind::Value => {
            Some(ShadowAction::Put { attribute: attribute.clone(), value: value.text.to_owned() })
        }
        (Some("REMOVE"), []) => Some(ShadowAction::Remove { attribute: attribute.clone() }),
        _ => None,
    };
    let usage = match (&shadow, whole) {
        (Some(_), true) => Use::Written,
        (_, false) => Use::Within,
        (None, true) => Use::Computed,
    };
    update.namings.push(Naming::new(attribute.clone(), usage));
    update.namings.extend(right.into_iter().map(|head| Naming::new(head, Use::Computed)));
    let (Some(first), Some(last)) = (action.first(), action.last()) else { return Err(Unreadable) };
    let text = text.get(first.span().start..last.span().end).unwrap_or_default().to_owned();
    update.actions.push(Action { clause, attribute, text, shadow });
    Ok(())
}
