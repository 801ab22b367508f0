//! The grammar of conditions: how tests are joined, and what a test looks like.
//!
//! Recursive descent, at most [`PREDICATE_DEPTH_MAX`] parentheses and NOTs deep. `a AND b AND c`
//! is one connective of three parts; parentheses keep connectives apart.

use std::ops::Range;

use evercount_core::predicate::{
    Atom, Comparison, Operand, PREDICATE_DEPTH_MAX, PREDICATE_NODES_MAX, Predicate,
};
use evercount_core::value::Value;
use sqlparser::tokenizer::Token;

use super::lexer::{Lexeme, lexemes};
use super::rules::{self, PREDICATE_TEXT_BYTES_MAX, Part};
use super::{PredicateError, refusal};

/// Words that are part of the grammar; as attribute names they stand in double quotes.
const RESERVED: [&str; 10] = ["AND", "OR", "NOT", "IN", "BETWEEN", "IS", "NULL", "MISSING", "TRUE", "FALSE"];

/// Whether an unquoted word would be read as part of the grammar.
pub(super) fn is_reserved(word: &str) -> bool {
    RESERVED.iter().any(|reserved| reserved.eq_ignore_ascii_case(word))
}

/// The comparison that a token stands for.
pub(super) fn comparison(token: &Token) -> Option<Comparison> {
    Some(match token {
        Token::Eq => Comparison::Equal,
        Token::Neq => Comparison::NotEqual,
        Token::Lt => Comparison::Less,
        Token::LtEq => Comparison::LessOrEqual,
        Token::Gt => Comparison::Greater,
        Token::GtEq => Comparison::GreaterOrEqual,
        _ => return None,
    })
}

/// See [`super::parse`].
pub(super) fn parse(text: &str) -> Result<Predicate, PredicateError> {
    if text.len() > PREDICATE_TEXT_BYTES_MAX {
        let help = format!("a predicate has at most {PREDICATE_TEXT_BYTES_MAX} bytes");
        return Err(PredicateError::new(0..0, format!("a text of {} bytes", text.len()), help));
    }
    let lexemes = lexemes(text)?;
    let mut parser = Parser { text, lexemes, at: 0, nesting: 0, nodes: 0 };
    let predicate = parser.any_of()?;
    if parser.peek().is_some() {
        return Err(refusal::after_condition(&parser));
    }
    if rules::depth(&predicate) > PREDICATE_DEPTH_MAX {
        let (message, help) = rules::too_deep();
        return Err(PredicateError::new(0..text.len(), message, help));
    }
    Ok(predicate)
}

/// An operand with its place in the text.
pub(super) struct Placed {
    pub(super) operand: Operand,
    pub(super) span: Range<usize>,
}

/// What stands where an operand may stand: one, or a function that is a test by itself.
pub(super) enum Term {
    Operand(Placed),
    Test(Atom),
}

pub(super) struct Parser<'a> {
    pub(super) text: &'a str,
    lexemes: Vec<Lexeme>,
    at: usize,
    nesting: usize,
    nodes: usize,
}

impl Parser<'_> {
    pub(super) fn lexeme(&self, ahead: usize) -> Option<&Lexeme> {
        self.lexemes.get(self.at + ahead)
    }

    /// The lexeme before the next one.
    pub(super) fn previous(&self) -> Option<&Lexeme> {
        self.lexemes.get(self.at.checked_sub(1)?)
    }

    pub(super) fn peek(&self) -> Option<&Token> {
        self.lexeme(0).map(|lexeme| &lexeme.token)
    }

    /// Where the next lexeme stands; the end of the text where there is none.
    pub(super) fn here(&self) -> Range<usize> {
        self.lexeme(0).map_or(self.text.len()..self.text.len(), |lexeme| lexeme.span.clone())
    }

    /// Where the lexeme read last ends.
    pub(super) fn end(&self) -> usize {
        self.previous().map_or(0, |lexeme| lexeme.span.end)
    }

    pub(super) fn advance(&mut self) {
        self.at += 1;
    }

    pub(super) fn eat(&mut self, token: &Token) -> bool {
        let found = self.peek() == Some(token);
        if found {
            self.advance();
        }
        found
    }

    /// Whether the lexeme `ahead` is this word, unquoted.
    pub(super) fn is_word(&self, ahead: usize, word: &str) -> bool {
        self.word(ahead).is_some_and(|found| found.eq_ignore_ascii_case(word))
    }

    /// The unquoted word that stands `ahead`.
    pub(super) fn word(&self, ahead: usize) -> Option<&str> {
        match &self.lexeme(ahead)?.token {
            Token::Word(word) if word.quote_style.is_none() => Some(&word.value),
            _ => None,
        }
    }

    pub(super) fn eat_word(&mut self, word: &str) -> bool {
        let found = self.is_word(0, word);
        if found {
            self.advance();
        }
        found
    }

    /// The text of the next lexeme, as an error quotes it.
    pub(super) fn found(&self) -> String {
        match self.text.get(self.here()) {
            Some(found) if !found.is_empty() => format!("`{found}`"),
            _ => "the end".to_owned(),
        }
    }

    /// An error at the next lexeme.
    pub(super) fn expected(&self, what: &str, help: impl Into<String>) -> PredicateError {
        PredicateError::new(self.here(), format!("expected {what}, found {}", self.found()), help)
    }

    pub(super) fn expect(&mut self, token: &Token, what: &str, help: &str) -> Result<(), PredicateError> {
        if self.eat(token) { Ok(()) } else { Err(self.expected(what, help)) }
    }

    /// Counts a node that stands at `span`.
    pub(super) fn spend(&mut self, span: Range<usize>) -> Result<(), PredicateError> {
        self.nodes += 1;
        if self.nodes > PREDICATE_NODES_MAX {
            let (message, help) = rules::too_many_nodes();
            return Err(PredicateError::new(span, message, help));
        }
        Ok(())
    }

    /// Reads something nested, so that hostile text meets the bound and not the end of the stack.
    pub(super) fn nested<T>(
        &mut self,
        span: Range<usize>,
        read: impl FnOnce(&mut Self) -> Result<T, PredicateError>,
    ) -> Result<T, PredicateError> {
        if self.nesting >= PREDICATE_DEPTH_MAX {
            let (message, help) = rules::too_deep();
            return Err(PredicateError::new(span, message, help));
        }
        self.nesting += 1;
        let outcome = read(self);
        self.nesting -= 1;
        outcome
    }

    fn any_of(&mut self) -> Result<Predicate, PredicateError> {
        self.joined("OR", Self::all_of, Predicate::Or)
    }

    fn all_of(&mut self) -> Result<Predicate, PredicateError> {
        self.joined("AND", Self::negated, Predicate::And)
    }

    fn joined(
        &mut self,
        word: &str,
        part: impl Fn(&mut Self) -> Result<Predicate, PredicateError>,
        join: impl Fn(Vec<Predicate>) -> Predicate,
    ) -> Result<Predicate, PredicateError> {
        let first = part(self)?;
        if !self.is_word(0, word) {
            return Ok(first);
        }
        self.spend(self.here())?;
        let mut parts = vec![first];
        while self.eat_word(word) {
            parts.push(part(self)?);
        }
        Ok(join(parts))
    }

    fn negated(&mut self) -> Result<Predicate, PredicateError> {
        let span = self.here();
        if !self.eat_word("NOT") {
            return self.primary();
        }
        self.spend(span.clone())?;
        let part = self.nested(span, Self::negated)?;
        Ok(Predicate::Not(Box::new(part)))
    }

    fn primary(&mut self) -> Result<Predicate, PredicateError> {
        let span = self.here();
        if !self.eat(&Token::LParen) {
            return self.test();
        }
        if self.is_word(0, "SELECT") {
            return Err(refusal::at_operand(self));
        }
        let inner = self.nested(span, Self::any_of)?;
        if self.peek() != Some(&Token::RParen) {
            return Err(refusal::unclosed(self));
        }
        self.advance();
        Ok(inner)
    }

    fn test(&mut self) -> Result<Predicate, PredicateError> {
        let start = self.here();
        let left = match self.term()? {
            Term::Operand(left) => left,
            Term::Test(atom) => return self.atom(atom, |_| start.clone()),
        };
        if let Some(op) = self.peek().and_then(comparison) {
            self.advance();
            return self.compare(left, op);
        }
        if self.eat_word("IS") {
            return self.is(left);
        }
        let negated = self.is_word(0, "NOT") && (self.is_word(1, "IN") || self.is_word(1, "BETWEEN"));
        if negated {
            self.spend(self.here())?;
            self.advance();
        }
        let test = if self.eat_word("IN") {
            self.is_in(left)?
        } else if self.eat_word("BETWEEN") {
            self.between(left)?
        } else {
            return Err(refusal::after_operand(self, &left));
        };
        Ok(if negated { Predicate::Not(Box::new(test)) } else { test })
    }

    fn compare(&mut self, left: Placed, op: Comparison) -> Result<Predicate, PredicateError> {
        let right = match self.term()? {
            Term::Operand(right) => right,
            Term::Test(_) => return Err(refusal::compared_test(self)),
        };
        let whole = left.span.start..right.span.end;
        let (left_span, right_span) = (left.span, right.span);
        let atom = Atom::Compare { left: left.operand, op, right: right.operand };
        self.atom(atom, |part| match part {
            Part::Left => left_span.clone(),
            Part::Right => right_span.clone(),
            _ => whole.clone(),
        })
    }

    fn is(&mut self, left: Placed) -> Result<Predicate, PredicateError> {
        let not = self.here();
        let negated = self.eat_word("NOT");
        let missing = self.is_word(0, "MISSING");
        if !missing && !self.is_word(0, "NULL") {
            return Err(refusal::after_is(self));
        }
        let Operand::Path(path) = left.operand else {
            let help = "test an attribute, as in `shipped_at IS MISSING`";
            return Err(PredicateError::new(left.span, "only an attribute can be NULL or missing", help));
        };
        self.advance();
        let span = left.span.start..self.end();
        let atom = if missing { Atom::IsMissing(path) } else { Atom::IsNull(path) };
        let test = self.atom(atom, |_| span.clone())?;
        if !negated {
            return Ok(test);
        }
        self.spend(not)?;
        Ok(Predicate::Not(Box::new(test)))
    }

    fn is_in(&mut self, left: Placed) -> Result<Predicate, PredicateError> {
        let help = "list literals: `status IN ('ACTIVE', 'TRIAL')`";
        self.expect(&Token::LParen, "`(`", help)?;
        let (mut values, mut spans) = (Vec::new(), Vec::new());
        if self.peek() != Some(&Token::RParen) {
            loop {
                let (value, span) = self.literal(help)?;
                values.push(value);
                spans.push(span);
                if !self.eat(&Token::Comma) {
                    break;
                }
            }
        }
        if self.peek() != Some(&Token::RParen) {
            return Err(self.expected("`,` or `)`", help));
        }
        self.advance();
        let (left_span, whole) = (left.span.clone(), left.span.start..self.end());
        self.atom(Atom::In { operand: left.operand, values }, |part| match part {
            Part::Left => left_span.clone(),
            Part::Value(index) => spans.get(index).cloned().unwrap_or_else(|| whole.clone()),
            _ => whole.clone(),
        })
    }

    fn between(&mut self, left: Placed) -> Result<Predicate, PredicateError> {
        let help = "name two literals: `total BETWEEN 10 AND 20`";
        let (low, low_span) = self.literal(help)?;
        if !self.eat_word("AND") {
            return Err(self.expected("`AND`", help));
        }
        let (high, high_span) = self.literal(help)?;
        let whole = left.span.start..high_span.end;
        self.atom(Atom::Between { operand: left.operand, low, high }, |part| match part {
            Part::Left => left.span.clone(),
            Part::Low => low_span.clone(),
            Part::High => high_span.clone(),
            _ => whole.clone(),
        })
    }

    /// A literal where nothing else may stand.
    fn literal(&mut self, help: &str) -> Result<(Value, Range<usize>), PredicateError> {
        let span = self.here();
        match self.term()? {
            Term::Operand(Placed { operand: Operand::Literal(value), span }) => Ok((value, span)),
            _ => Err(PredicateError::new(span.start..self.end(), "only literals can stand here", help)),
        }
    }

    /// Takes a finished atom, if it is well-formed; `place` says where its parts stand.
    fn atom(
        &mut self,
        atom: Atom,
        place: impl Fn(Part) -> Range<usize>,
    ) -> Result<Predicate, PredicateError> {
        self.spend(place(Part::Whole))?;
        rules::check_atom(&atom)
            .map_err(|refusal| PredicateError::new(place(refusal.part), refusal.message, refusal.help))?;
        if self.peek().is_some_and(|token| comparison(token).is_some()) {
            return Err(refusal::compared_test(self));
        }
        Ok(Predicate::Atom(atom))
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may panic")]
    use super::*;

    #[test]
    fn nodes_are_counted_alike_while_reading_and_afterwards() {
        let text = "a = b AND NOT (size(c) > 1 OR 2 < d.e[0]) AND f NOT IN (1, 'x', [1, {'y': <<1, 2>>}]) \
                    AND g NOT BETWEEN 1 AND 2 AND h IS NULL AND i IS NOT MISSING AND begins_with(j, 'x') \
                    AND contains(k, X'00') AND attribute_type(l, 'N')";
        let mut parser = Parser { text, lexemes: lexemes(text).unwrap(), at: 0, nesting: 0, nodes: 0 };
        let predicate = parser.any_of().unwrap();
        assert_eq!(parser.nodes, rules::nodes(&predicate));
    }
}
