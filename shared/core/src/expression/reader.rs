//! Owns how an expression is read, piece by piece.

use super::place::{Place, Step};
use super::{Given, Invalid};
use crate::resolve::tokens::{self, Kind, Token};
use crate::value::Value;

/// Deepest nesting of an expression. DynamoDB takes 300 operators in all
/// (<https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Constraints.html>), and deeper ones
/// are nobody's.
const DEPTH_MAX: usize = 150;

/// The pieces of an expression, and how far it was read.
pub(super) struct Reader<'t, 'g> {
    tokens: Vec<Token<'t>>,
    at: usize,
    depth: usize,
    given: &'g Given<'g>,
}

impl<'t, 'g> Reader<'t, 'g> {
    pub(super) fn new(text: &'t str, given: &'g Given<'g>) -> Result<Self, Invalid> {
        let tokens = tokens::read(text).map_err(|_| Invalid::syntax())?;
        Ok(Self { tokens, at: 0, depth: 0, given })
    }

    pub(super) fn peek(&self) -> Option<Token<'t>> {
        self.tokens.get(self.at).copied()
    }

    fn peek_after(&self) -> Option<Token<'t>> {
        self.tokens.get(self.at + 1).copied()
    }

    pub(super) fn next(&mut self) -> Option<Token<'t>> {
        let token = self.peek();
        self.at += 1;
        token
    }

    /// What is read within, one level deeper.
    pub(super) fn within<T>(
        &mut self,
        read: impl FnOnce(&mut Self) -> Result<T, Invalid>,
    ) -> Result<T, Invalid> {
        self.depth += 1;
        if self.depth > DEPTH_MAX {
            return Err(Invalid("The expression is nested too deeply".to_owned()));
        }
        let read = read(self);
        self.depth -= 1;
        read
    }

    pub(super) fn is_word(&self, word: &str) -> bool {
        self.peek().is_some_and(|token| token.is_word(&[word]))
    }

    /// Takes a word where it is next.
    pub(super) fn word(&mut self, word: &str) -> bool {
        let is_it = self.is_word(word);
        self.at += usize::from(is_it);
        is_it
    }

    /// Takes a sign where it is next.
    pub(super) fn sign(&mut self, sign: char) -> bool {
        let is_it = self.peek().is_some_and(|token| token.is_sign(sign) && token.text.len() == 1);
        self.at += usize::from(is_it);
        is_it
    }

    pub(super) fn expect(&mut self, sign: char) -> Result<(), Invalid> {
        if self.sign(sign) { Ok(()) } else { Err(Invalid::syntax()) }
    }

    /// The name of a function, where a call is next; its parenthesis is taken as well.
    pub(super) fn call(&mut self) -> Option<&'t str> {
        let name = self.peek().filter(|token| token.kind == Kind::Word)?;
        self.peek_after().filter(|next| next.is_sign('('))?;
        self.at += 2;
        Some(name.text)
    }

    pub(super) fn is_value(&self) -> bool {
        self.peek().is_some_and(|token| token.kind == Kind::Value)
    }

    pub(super) fn value(&mut self) -> Result<Value, Invalid> {
        let token = self.next().filter(|token| token.kind == Kind::Value).ok_or_else(Invalid::syntax)?;
        self.given.value(token.text)
    }

    fn name(&mut self) -> Result<String, Invalid> {
        let token = self.next().ok_or_else(Invalid::syntax)?;
        match token.kind {
            Kind::Word => Ok(token.text.to_owned()),
            Kind::Name => (self.given.names)(token.text).ok_or_else(|| {
                Invalid(format!(
                    "An expression attribute name used in the document path is not defined; attribute name: {}",
                    token.text
                ))
            }),
            _ => Err(Invalid::syntax()),
        }
    }

    pub(super) fn place(&mut self) -> Result<Place, Invalid> {
        let mut place = Place::of(self.name()?);
        loop {
            if self.sign('.') {
                place.rest.push(Step::Name(self.name()?));
            } else if self.sign('[') {
                let index = self.next().filter(|token| token.kind == Kind::Number);
                let index = index.and_then(|token| token.text.parse().ok()).ok_or_else(Invalid::syntax)?;
                place.rest.push(Step::At(index));
                self.expect(']')?;
            } else {
                return Ok(place);
            }
        }
    }

    /// That nothing is left.
    pub(super) fn end(&self) -> Result<(), Invalid> {
        if self.at < self.tokens.len() { Err(Invalid::syntax()) } else { Ok(()) }
    }
}
