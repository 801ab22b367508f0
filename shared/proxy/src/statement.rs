//! Owns what a statement of PartiQL names
//! (<https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/ql-reference.html>).
//!
//! The statement is read as pieces, as SQL has them, because DynamoDB's dialect (`INSERT INTO t VALUE {…}`)
//! is no SQL's. A statement without a table, or one that falls into no pieces, is DynamoDB's to refuse.

use evercount_core::resolve::{Naming, Use};
use sqlparser::dialect::GenericDialect;
use sqlparser::tokenizer::{Token, Tokenizer, Word};

use crate::request::Asked;

/// Longest statement, in bytes, that DynamoDB takes.
const STATEMENT_BYTES_MAX: usize = 8_192;

/// Words that are no names.
const WORDS: [&str; 31] = [
    "ALL",
    "AND",
    "ASC",
    "BETWEEN",
    "BY",
    "DELETE",
    "DESC",
    "EXISTS",
    "FALSE",
    "FROM",
    "IN",
    "INSERT",
    "INTO",
    "IS",
    "MISSING",
    "MODIFIED",
    "NEW",
    "NOT",
    "NULL",
    "OLD",
    "OR",
    "ORDER",
    "REMOVE",
    "RETURNING",
    "SELECT",
    "SET",
    "TRUE",
    "UPDATE",
    "VALUE",
    "VALUES",
    "WHERE",
];

fn is_word(word: &Word, words: &[&str]) -> bool {
    word.quote_style.is_none() && words.iter().any(|known| known.eq_ignore_ascii_case(&word.value))
}

/// What statements start with.
const VERBS: [&str; 5] = ["DELETE", "EXISTS", "INSERT", "SELECT", "UPDATE"];

/// What a statement names; `None` where it is no statement, or names no table.
#[must_use]
pub fn asked(text: &str) -> Option<Asked> {
    if text.len() > STATEMENT_BYTES_MAX {
        return None;
    }
    let tokens = Tokenizer::new(&GenericDialect {}, text).tokenize().ok()?;
    let tokens: Vec<Token> =
        tokens.into_iter().filter(|token| !matches!(token, Token::Whitespace(_))).collect();
    if !matches!(tokens.first(), Some(Token::Word(word)) if is_word(word, &VERBS)) {
        return None;
    }
    let (place, table) = table(&tokens)?;
    let is_insert = matches!(tokens.first(), Some(Token::Word(word)) if is_word(word, &["INSERT"]));
    let (mut namings, mut depth) = (Vec::new(), 0_usize);
    for (at, token) in tokens.iter().enumerate() {
        let next = tokens.get(at + 1);
        let before = at.checked_sub(1).and_then(|before| tokens.get(before));
        match token {
            Token::LBrace => depth += 1,
            Token::RBrace => depth = depth.saturating_sub(1),
            Token::SingleQuotedString(name) if is_insert && depth == 1 && next == Some(&Token::Colon) => {
                namings.push(Naming::new(name, Use::Statement));
            }
            Token::Word(word) if depth == 0 && at != place && before != Some(&Token::Period) => {
                let is_call = word.quote_style.is_none() && next == Some(&Token::LParen);
                if is_call || is_word(word, &WORDS) {
                    continue;
                }
                // Qualified by the table's name, the attribute is the step after it.
                let step = match (next, tokens.get(at + 2)) {
                    (Some(Token::Period), Some(Token::Word(step))) if word.value == table => step,
                    _ => word,
                };
                namings.push(Naming::new(&step.value, Use::Statement));
            }
            _ => {}
        }
    }
    let selects = matches!(tokens.first(), Some(Token::Word(word)) if is_word(word, &["SELECT", "EXISTS"]));
    let whole = selects && tokens.get(1..place).is_some_and(|shown| shown.contains(&Token::Mul));
    Some(Asked { table, namings, whole, writes: !selects, declared: None })
}

/// The table, and where it stands.
fn table(tokens: &[Token]) -> Option<(usize, String)> {
    let leads =
        |token: &Token| matches!(token, Token::Word(word) if is_word(word, &["FROM", "INTO", "UPDATE"]));
    let place = tokens.iter().position(leads)? + 1;
    match tokens.get(place)? {
        Token::Word(word) => Some((place, word.value.clone())),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_statement_names_its_table_and_attributes() {
        let check = |text: &str, told: &str| {
            let told_of = asked(text).map(|one| {
                let names: Vec<String> = one.namings.into_iter().map(|naming| naming.attribute).collect();
                format!("{}: {}", one.table, names.join(" "))
            });
            assert_eq!(told_of.as_deref(), Some(told), "{text}");
        };
        check("SELECT * FROM \"orders\" WHERE id = 'a' AND begins_with(state, 'N')", "orders: id state");
        check(
            "select a, \"order\".b, c[0].d from t.idx where size(e) > 3 and f is missing",
            "t: a order c e f",
        );
        check("SELECT orders.state FROM orders", "orders: state");
        check("INSERT INTO t VALUE {'id': ?, 'x': {'y': 1}, 'z' : 'w'}", "t: id x z");
        check(
            "UPDATE t SET a = a + 1 SET m = {'k': 2} REMOVE b WHERE id = 'x' RETURNING ALL OLD *",
            "t: a a m b id",
        );
        check("DELETE FROM \"t\" WHERE id IN ('x', 'y') AND NOT (c BETWEEN 1 AND 2)", "t: id c");
        check("EXISTS(SELECT * FROM t WHERE id = 'x' AND a = 1)", "t: id a");
        assert_eq!(asked("SELECT 1"), None);
        assert_eq!(asked("SELEKT * FROM t"), None);
        assert_eq!(asked("SELECT * FROM 'x"), None);
        assert_eq!(asked(""), None);
    }

    proptest! {
        #[test]
        fn no_text_is_more_than_no_statement(text in "\\PC{0,80}", parts in prop::collection::vec("SELECT|FROM|INTO|\"a\"|'b'|[a{}:.,()=* ]", 0..30)) {
            let _ = asked(&text);
            let _ = asked(&parts.join(" "));
        }
    }
}
