//! Words and signs of a statement, and a cursor over them.

use std::any::TypeId;

use sqlparser::dialect::{Dialect as SqlDialect, MySqlDialect};
use sqlparser::tokenizer::{Token, TokenWithSpan, Tokenizer};

use crate::sql_type::Dialect;

/// The lexical rules of everybody but MySQL.
#[derive(Debug)]
struct StandardDialect;

impl SqlDialect for StandardDialect {
    fn is_delimited_identifier_start(&self, first: char) -> bool {
        // SQL Server's brackets; behind a type they are PostgreSQL's arrays, of which nothing
        // is concluded.
        matches!(first, '"' | '`' | '[')
    }

    fn is_identifier_start(&self, first: char) -> bool {
        first.is_alphabetic() || matches!(first, '_' | '#' | '@')
    }

    fn is_identifier_part(&self, next: char) -> bool {
        next.is_alphanumeric() || matches!(next, '_' | '$' | '#' | '@')
    }
}

/// The lexical rules of MySQL: what the tokenizer asks of `MySqlDialect`, and nothing else of it. Where
/// that is a dialect itself, its ways to go on from a token bring the parser of all of SQL with them,
/// which was a seventh of a function's binary, and which nothing here calls.
#[derive(Debug)]
struct MySqlWords(MySqlDialect);

impl SqlDialect for MySqlWords {
    fn dialect(&self) -> TypeId {
        self.0.dialect()
    }

    fn is_delimited_identifier_start(&self, first: char) -> bool {
        self.0.is_delimited_identifier_start(first)
    }

    fn is_identifier_start(&self, first: char) -> bool {
        self.0.is_identifier_start(first)
    }

    fn is_identifier_part(&self, next: char) -> bool {
        self.0.is_identifier_part(next)
    }

    fn supports_string_literal_backslash_escape(&self) -> bool {
        self.0.supports_string_literal_backslash_escape()
    }

    fn ignores_wildcard_escapes(&self) -> bool {
        self.0.ignores_wildcard_escapes()
    }

    fn supports_numeric_prefix(&self) -> bool {
        self.0.supports_numeric_prefix()
    }

    fn supports_multiline_comment_hints(&self) -> bool {
        self.0.supports_multiline_comment_hints()
    }

    fn requires_single_line_comment_whitespace(&self) -> bool {
        self.0.requires_single_line_comment_whitespace()
    }
}

/// A token, as far as statements on tables need it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Lexeme {
    /// A name or keyword.
    Word { text: String, quoted: bool },
    /// `(`
    Open,
    /// `)`
    Close,
    /// `,`
    Comma,
    /// `.`
    Period,
    /// `;`
    Semicolon,
    /// Anything else.
    Other,
}

/// The words and signs of a text, up to where it cannot be read any further.
pub(super) fn lexemes(dialect: Dialect, text: &str) -> Vec<Lexeme> {
    let sql: &dyn SqlDialect = match dialect {
        Dialect::MySql => &MySqlWords(MySqlDialect {}),
        Dialect::Standard => &StandardDialect,
    };
    let mut tokens: Vec<TokenWithSpan> = Vec::new();
    // An unfinished text or comment ends the reading; what came before it stands.
    let _ = Tokenizer::new(sql, text).tokenize_with_location_into_buf(&mut tokens);
    tokens.into_iter().filter_map(|token| lexeme(token.token)).collect()
}

fn lexeme(token: Token) -> Option<Lexeme> {
    Some(match token {
        Token::Whitespace(_) => return None,
        Token::Word(word) => Lexeme::Word { quoted: word.quote_style.is_some(), text: word.value },
        // A name, where MySQL runs with ANSI_QUOTES.
        Token::DoubleQuotedString(text) => Lexeme::Word { text, quoted: true },
        Token::LParen => Lexeme::Open,
        Token::RParen => Lexeme::Close,
        Token::Comma => Lexeme::Comma,
        Token::Period => Lexeme::Period,
        Token::SemiColon => Lexeme::Semicolon,
        _ => Lexeme::Other,
    })
}

/// The items of a list: what stands between commas outside parentheses.
pub(super) fn items(lexemes: &[Lexeme]) -> impl Iterator<Item = &[Lexeme]> {
    let mut depth = 0_usize;
    lexemes.split(move |lexeme| {
        match lexeme {
            Lexeme::Open => depth += 1,
            Lexeme::Close => depth = depth.saturating_sub(1),
            _ => {}
        }
        depth == 0 && *lexeme == Lexeme::Comma
    })
}

/// A place among the lexemes of a statement.
#[derive(Clone, Copy)]
pub(super) struct Cursor<'a> {
    rest: &'a [Lexeme],
}

impl<'a> Cursor<'a> {
    pub(super) fn new(rest: &'a [Lexeme]) -> Self {
        Self { rest }
    }

    /// What is left.
    pub(super) fn rest(&self) -> &'a [Lexeme] {
        self.rest
    }

    /// Steps over a lexeme; `false` at the end.
    pub(super) fn skip(&mut self) -> bool {
        match self.rest.split_first() {
            Some((_, rest)) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }

    /// The next word, quoted or not.
    pub(super) fn word(&mut self) -> Option<&'a str> {
        let (Lexeme::Word { text, .. }, rest) = self.rest.split_first()? else {
            return None;
        };
        self.rest = rest;
        Some(text)
    }

    /// Whether the lexeme `ahead` of the next one is this keyword.
    pub(super) fn is_at(&self, ahead: usize, keyword: &str) -> bool {
        matches!(
            self.rest.get(ahead),
            Some(Lexeme::Word { text, quoted: false }) if text.eq_ignore_ascii_case(keyword)
        )
    }

    /// Whether the next lexeme is one of these keywords.
    pub(super) fn is_any(&self, keywords: &[&str]) -> bool {
        keywords.iter().any(|keyword| self.is_at(0, keyword))
    }

    /// Steps over a keyword where it comes next.
    pub(super) fn takes(&mut self, keyword: &str) -> bool {
        self.is_at(0, keyword) && self.skip()
    }

    /// Steps over keywords where all of them come next.
    pub(super) fn takes_all(&mut self, keywords: &[&str]) {
        if keywords.iter().enumerate().all(|(ahead, keyword)| self.is_at(ahead, keyword)) {
            for _ in keywords {
                self.skip();
            }
        }
    }

    /// Steps over MariaDB's `WAIT 5` and `NOWAIT`, and over PostgreSQL's star behind a table.
    pub(super) fn takes_wait(&mut self) {
        if self.takes("WAIT") || self.rest.first() == Some(&Lexeme::Other) {
            self.skip();
        }
        let _ = self.takes("NOWAIT");
    }

    /// A name without what it stands in: the column of `table.column`.
    pub(super) fn name(&mut self) -> Option<String> {
        self.names().pop()
    }

    /// A name in its parts: `database.table`.
    pub(super) fn names(&mut self) -> Vec<String> {
        let mut parts: Vec<String> = self.word().map(str::to_owned).into_iter().collect();
        while !parts.is_empty() && self.rest.first() == Some(&Lexeme::Period) {
            self.skip();
            parts.extend(self.word().map(str::to_owned));
        }
        parts
    }

    /// The items of the list in parentheses that comes next.
    pub(super) fn list(&mut self) -> Option<impl Iterator<Item = &'a [Lexeme]> + use<'a>> {
        let (Lexeme::Open, inner) = self.rest.split_first()? else {
            return None;
        };
        let mut depth = 1_usize;
        let end = inner.iter().position(|lexeme| {
            match lexeme {
                Lexeme::Open => depth += 1,
                Lexeme::Close => depth -= 1,
                _ => {}
            }
            depth == 0
        });
        let (inside, rest) = inner.split_at_checked(end.unwrap_or(inner.len()))?;
        self.rest = rest;
        Some(items(inside))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn tokens(dialect: &dyn SqlDialect, text: &str) -> (Vec<TokenWithSpan>, Option<String>) {
        let mut tokens = Vec::new();
        let end = Tokenizer::new(dialect, text).tokenize_with_location_into_buf(&mut tokens);
        (tokens, end.err().map(|error| error.to_string()))
    }

    proptest! {
        #[test]
        fn the_words_of_mysql_are_those_of_its_dialect(
            text in proptest::collection::vec(
                prop_oneof![
                    Just("`"), Just("'"), Just("\""), Just("\\"), Just("\\'"), Just("--"), Just("-- "), Just("\n"),
                    Just("#"), Just("/*"), Just("*/"), Just("/*!50000 "), Just("$"), Just("$$"), Just("@"),
                    Just("1"), Just("1a"), Just("1e5"), Just("0x1F"), Just(".5"), Just("b'1'"), Just("x'1F'"),
                    Just("n'a'"), Just("q'a'"), Just("e'a'"), Just("\u{e9}"), Just("\u{1f600}"), Just("%"),
                    Just("_"), Just("a"), Just(" "), Just(","), Just("("), Just("."), Just(":="), Just("?"),
                ],
                0..12,
            )
        ) {
            let text = text.concat();
            prop_assert_eq!(tokens(&MySqlWords(MySqlDialect {}), &text), tokens(&MySqlDialect {}, &text));
        }
    }
}
