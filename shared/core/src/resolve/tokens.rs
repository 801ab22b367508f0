//! Owns what DynamoDB's expressions are made of
//! (<https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Expressions.html>).
//!
//! Whatever the expressions of DynamoDB can hold is read here, and more: what is not read, DynamoDB does
//! not read either.

use std::fmt;

/// Longest expression, in bytes, that DynamoDB takes
/// (<https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Constraints.html>).
pub(crate) const EXPRESSION_BYTES_MAX: usize = 4_096;

/// An expression that nobody can read, DynamoDB included, which says so better.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Unreadable;

impl fmt::Display for Unreadable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an expression that cannot be read")
    }
}

/// What a piece of an expression is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Kind {
    /// A name, a keyword or a function.
    Word,
    /// `#name`.
    Name,
    /// `:value`.
    Value,
    /// A whole number: an index.
    Number,
    /// Anything else, by its first character.
    Sign(char),
}

/// A piece of an expression.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Token<'t> {
    pub(crate) kind: Kind,
    pub(crate) text: &'t str,
}

impl Token<'_> {
    pub(crate) fn is_sign(&self, sign: char) -> bool {
        self.kind == Kind::Sign(sign)
    }

    /// Whether it is one of these words, in any case.
    pub(crate) fn is_word(&self, words: &[&str]) -> bool {
        self.kind == Kind::Word && words.iter().any(|word| word.eq_ignore_ascii_case(self.text))
    }
}

fn of_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// The pieces of an expression.
///
/// # Errors
/// [`Unreadable`].
pub(crate) fn read(text: &str) -> Result<Vec<Token<'_>>, Unreadable> {
    if text.len() > EXPRESSION_BYTES_MAX {
        return Err(Unreadable);
    }
    let mut tokens = Vec::new();
    let mut at = 0;
    while let Some(first) = text.get(at..).and_then(|rest| rest.chars().next()) {
        if first.is_whitespace() {
            at += first.len_utf8();
            continue;
        }
        let body = at + first.len_utf8();
        let rest = text.get(body..).unwrap_or_default();
        // DynamoDB's placeholders are words, and SDKs have always sent hyphens and dots in none.
        let word = || rest.find(|c| !of_word(c)).unwrap_or(rest.len());
        let (kind, end) = match first {
            '#' => (Kind::Name, body + word()),
            ':' => (Kind::Value, body + word()),
            c if c.is_ascii_digit() => {
                (Kind::Number, body + rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len()))
            }
            c if of_word(c) => (Kind::Word, body + word()),
            '<' if rest.starts_with(['=', '>']) => (Kind::Sign('<'), body + 1),
            '>' if rest.starts_with('=') => (Kind::Sign('>'), body + 1),
            '(' | ')' | ',' | '.' | '[' | ']' | '=' | '<' | '>' | '+' | '-' => (Kind::Sign(first), body),
            _ => return Err(Unreadable),
        };
        tokens.push(Token { kind, text: text.get(at..end).unwrap_or_default() });
        at = end;
    }
    Ok(tokens)
}
