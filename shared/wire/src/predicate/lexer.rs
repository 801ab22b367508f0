//! Where a predicate's words begin and end: `sqlparser`'s lexical rules under our dialect, with
//! byte ranges in place of lines and columns.

use std::ops::Range;

use sqlparser::dialect::Dialect;
use sqlparser::tokenizer::{Location, Token, TokenWithSpan, Tokenizer};

use super::PredicateError;

/// The lexical rules: names are letters of any script, digits, `_` and `$`, or stand in double
/// quotes; text stands in single quotes.
#[derive(Debug)]
struct ConditionDialect;

impl Dialect for ConditionDialect {
    fn is_delimited_identifier_start(&self, first: char) -> bool {
        first == '"'
    }

    fn is_identifier_start(&self, first: char) -> bool {
        starts_name(first)
    }

    fn is_identifier_part(&self, next: char) -> bool {
        continues_name(next)
    }
}

/// Whether an unquoted name may start so.
pub(super) fn starts_name(first: char) -> bool {
    first.is_alphabetic() || first == '_'
}

/// Whether an unquoted name may go on so.
pub(super) fn continues_name(next: char) -> bool {
    next.is_alphanumeric() || next == '_' || next == '$'
}

/// One word, literal or sign, with its place in the text.
#[derive(Clone, Debug)]
pub(super) struct Lexeme {
    pub(super) token: Token,
    pub(super) span: Range<usize>,
}

/// The words of a text, without whitespace and comments.
pub(super) fn lexemes(text: &str) -> Result<Vec<Lexeme>, PredicateError> {
    let mut lexemes = Vec::new();
    let mut base = 0;
    loop {
        let rest = text.get(base..).unwrap_or_default();
        let mut tokens = Vec::new();
        let outcome = Tokenizer::new(&ConditionDialect, rest).tokenize_with_location_into_buf(&mut tokens);
        let mut cursor = Cursor::new(rest);
        let after_index = matches!(tokens.last(), Some(TokenWithSpan { token: Token::RBracket, .. }));
        for TokenWithSpan { token, span } in tokens {
            let (start, end) = (cursor.byte_at(span.start), cursor.byte_at(span.end));
            if !matches!(token, Token::Whitespace(_)) {
                lexemes.push(Lexeme { token, span: base + start..base + end });
            }
        }
        let Err(error) = outcome else { return Ok(lexemes) };
        let at = base + cursor.byte_at(error.location);
        // The tokenizer takes `._` for a malformed number unless a name precedes it; after an
        // index it is a path going on, as in `lines[0]._id`.
        if after_index && text.get(at..).is_some_and(|rest| rest.starts_with("._")) {
            lexemes.push(Lexeme { token: Token::Period, span: at..at + 1 });
            base = at + 1;
        } else {
            return Err(unfinished(text, at, &error.message));
        }
    }
}

fn unfinished(text: &str, at: usize, message: &str) -> PredicateError {
    let rest = text.get(at..).unwrap_or_default();
    let span = at..text.len();
    if rest.starts_with('"') {
        PredicateError::new(span, "a quoted name without its closing quote", "close the name with `\"`")
    } else if rest.contains('\'') {
        let help = "close the text with `'`; a quote inside is written `''`";
        PredicateError::new(span, "a text without its closing quote", help)
    } else if message.contains("comment") {
        PredicateError::new(span, "a comment without its end", "end the comment with `*/`")
    } else {
        PredicateError::new(
            span,
            format!("unreadable: {message}"),
            "write a condition such as `status = 'ACTIVE'`",
        )
    }
}

/// Turns the tokenizer's lines and columns (counted in characters) into byte offsets, walking
/// forward once over the text.
struct Cursor<'a> {
    chars: std::str::CharIndices<'a>,
    length: usize,
    line: u64,
    column: u64,
}

impl<'a> Cursor<'a> {
    fn new(text: &'a str) -> Self {
        Self { chars: text.char_indices(), length: text.len(), line: 1, column: 1 }
    }

    fn byte_at(&mut self, to: Location) -> usize {
        while (self.line, self.column) < (to.line, to.column) {
            match self.chars.next() {
                Some((_, '\n')) => (self.line, self.column) = (self.line + 1, 1),
                Some(_) => self.column += 1,
                None => return self.length,
            }
        }
        self.chars.offset()
    }
}
