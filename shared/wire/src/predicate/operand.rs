//! Operands: attribute paths, `size(…)`, literals, and the functions that are tests.

use std::collections::BTreeSet;

use evercount_core::decimal::Decimal;
use evercount_core::path::{PATH_SEGMENTS_MAX, Path, Segment};
use evercount_core::predicate::{Atom, AttributeType, Operand};
use evercount_core::value::{Item, Value};
use sqlparser::tokenizer::Token;

use super::grammar::{Parser, Placed, Term, is_reserved};
use super::literal::from_hex;
use super::rules::check_atom;
use super::{PredicateError, refusal};

const SET_HELP: &str = "a set holds text, or numbers, or binary: `<<1, 2>>`";

impl Parser<'_> {
    /// What stands where an operand may stand.
    pub(super) fn term(&mut self) -> Result<Term, PredicateError> {
        let start = self.here().start;
        let called = self.lexeme(1).is_some_and(|next| next.token == Token::LParen);
        let term = match self.peek() {
            Some(Token::Word(word)) if word.quote_style.is_some() => self.path_operand()?,
            Some(Token::Word(word)) if called && !is_reserved(&word.value) => return self.call(),
            Some(Token::Word(word)) => {
                if refusal::is_refused_word(self) || (is_reserved(&word.value) && !is_constant(&word.value)) {
                    return Err(refusal::at_operand(self));
                } else if is_constant(&word.value) {
                    Operand::Literal(self.value()?)
                } else {
                    self.path_operand()?
                }
            }
            _ => Operand::Literal(self.value()?),
        };
        let span = start..self.end();
        if refusal::is_arithmetic(self) {
            return Err(refusal::after_operand(self, &Placed { operand: term, span }));
        }
        Ok(Term::Operand(Placed { operand: term, span }))
    }

    fn path_operand(&mut self) -> Result<Operand, PredicateError> {
        self.path().map(Operand::Path)
    }

    fn path(&mut self) -> Result<Path, PredicateError> {
        let start = self.here().start;
        let column = self.name("an attribute name")?;
        let mut rest = Vec::new();
        loop {
            if self.eat(&Token::Period) {
                rest.push(Segment::Field(self.name("an attribute name after `.`")?));
            } else if self.eat(&Token::LBracket) {
                rest.push(Segment::Index(self.index()?));
                self.expect(&Token::RBracket, "`]`", "an element of a list is written `lines[0]`")?;
            } else {
                break;
            }
            if rest.len() >= PATH_SEGMENTS_MAX {
                let help = format!("a path has at most {PATH_SEGMENTS_MAX} segments");
                return Err(PredicateError::new(start..self.end(), "a path too long", help));
            }
        }
        if matches!(self.peek(), Some(Token::Number(text, _)) if text.starts_with('.')) {
            return Err(self.expected("an attribute name after `.`", refusal::QUOTED_DIGIT));
        }
        self.spend(start..self.end())?;
        Ok(Path::new(column, rest))
    }

    fn name(&mut self, what: &str) -> Result<String, PredicateError> {
        match self.peek() {
            Some(Token::Word(word)) if !word.value.is_empty() => {
                let name = word.value.clone();
                self.advance();
                Ok(name)
            }
            _ => Err(self.expected(
                what,
                "put a name that is not letters, digits and `_` in double quotes: `\"user-id\"`",
            )),
        }
    }

    fn index(&mut self) -> Result<usize, PredicateError> {
        let index = match self.peek() {
            Some(Token::Number(digits, false)) => digits.parse().ok(),
            _ => None,
        };
        match index {
            Some(index) => {
                self.advance();
                Ok(index)
            }
            None => Err(self.expected("the index of a list element", "indexes count from 0: `lines[0]`")),
        }
    }

    fn call(&mut self) -> Result<Term, PredicateError> {
        let start = self.here().start;
        let name = self.word(0).unwrap_or_default().to_ascii_lowercase();
        let Some(function) = refusal::FUNCTIONS.iter().find(|function| function.name == name) else {
            return Err(refusal::unknown_function(self));
        };
        self.advance();
        self.advance();
        if matches!(self.peek(), Some(Token::Word(word)) if word.quote_style.is_none() && is_reserved(&word.value))
            || !matches!(self.peek(), Some(Token::Word(_)))
        {
            return Err(self.expected("an attribute", format!("write `{}`", function.usage)));
        }
        let path = self.path()?;
        if function.name == "size" {
            self.close(function.usage)?;
            return Ok(Term::Operand(Placed { operand: Operand::Size(path), span: start..self.end() }));
        }
        self.expect(&Token::Comma, "`,`", &format!("write `{}`", function.usage))?;
        let atom = match function.name {
            "attribute_type" => Atom::AttributeType(path, self.attribute_type()?),
            name => {
                let span = self.here();
                let Term::Operand(Placed { operand: Operand::Literal(value), span }) = self.term()? else {
                    let help = format!("write `{}`", function.usage);
                    return Err(PredicateError::new(
                        span.start..self.end(),
                        "only a literal can stand here",
                        help,
                    ));
                };
                let atom = if name == "contains" {
                    Atom::Contains(path, value)
                } else {
                    Atom::BeginsWith(path, value)
                };
                check_atom(&atom)
                    .map_err(|refusal| PredicateError::new(span, refusal.message, refusal.help))?;
                atom
            }
        };
        self.close(function.usage)?;
        Ok(Term::Test(atom))
    }

    fn close(&mut self, usage: &str) -> Result<(), PredicateError> {
        self.expect(&Token::RParen, "`)`", &format!("write `{usage}`"))
    }

    fn attribute_type(&mut self) -> Result<AttributeType, PredicateError> {
        let named = match self.peek() {
            Some(Token::SingleQuotedString(name)) => AttributeType::named(name),
            _ => None,
        };
        let Some(named) = named else {
            let help =
                format!("the types are {}", AttributeType::ALL.map(|name| format!("'{name}'")).join(", "));
            return Err(self.expected("a DynamoDB type", help));
        };
        self.advance();
        Ok(named)
    }

    /// A literal.
    fn value(&mut self) -> Result<Value, PredicateError> {
        let span = self.here();
        let value = match self.peek() {
            Some(Token::SingleQuotedString(text)) => Value::String(text.clone()),
            Some(Token::HexStringLiteral(hex)) if !self.is_0x() => match from_hex(hex) {
                Some(bytes) => Value::Binary(bytes),
                None => return Err(PredicateError::new(span, "not hexadecimal", "write bytes as `X'00ff'`")),
            },
            Some(Token::Minus | Token::Plus | Token::Number(..)) => return self.number(),
            Some(Token::LBracket) => return self.list(),
            Some(Token::LBrace) => return self.map(),
            Some(Token::ShiftLeft) => return self.set(),
            Some(Token::Word(word)) if word.quote_style.is_none() => {
                match word.value.to_ascii_uppercase().as_str() {
                    "TRUE" => Value::Bool(true),
                    "FALSE" => Value::Bool(false),
                    "NULL" => Value::Null,
                    _ => return Err(refusal::at_operand(self)),
                }
            }
            _ => return Err(refusal::at_operand(self)),
        };
        self.spend(span)?;
        self.advance();
        Ok(value)
    }

    /// Whether the next lexeme is a number such as `0x1F`, which the tokenizer gives as `X'1F'`.
    fn is_0x(&self) -> bool {
        self.text.get(self.here()).is_some_and(|text| text.starts_with('0'))
    }

    fn number(&mut self) -> Result<Value, PredicateError> {
        let start = self.here().start;
        let negative = self.eat(&Token::Minus);
        if !negative {
            self.eat(&Token::Plus);
        }
        let digits = match self.peek() {
            Some(Token::Number(digits, false)) => digits.clone(),
            Some(Token::Number(..)) => {
                return Err(self.expected("a number", "write the number without a suffix"));
            }
            _ => return Err(self.expected("a number", refusal::NO_ARITHMETIC)),
        };
        let span = start..self.here().end;
        let sign = if negative { "-" } else { "" };
        let number: Decimal = format!("{sign}{digits}").parse().map_err(|error| {
            PredicateError::new(span.clone(), format!("{error}"), "write a number such as `-0.5` or `1e3`")
        })?;
        self.advance();
        self.spend(span.clone())?;
        if self
            .lexeme(0)
            .is_some_and(|next| next.span.start == span.end && matches!(next.token, Token::Word(_)))
        {
            return Err(PredicateError::new(
                span.start..self.here().end,
                "neither a number nor a name",
                refusal::QUOTED_DIGIT,
            ));
        }
        Ok(Value::Number(number))
    }

    fn list(&mut self) -> Result<Value, PredicateError> {
        let help = "a list is written `[1, 'a']`";
        self.collection(
            &Token::RBracket,
            "`,` or `]`",
            help,
            Vec::new(),
            |parser, values: &mut Vec<Value>| {
                values.push(parser.value()?);
                Ok(())
            },
        )
        .map(Value::List)
    }

    fn map(&mut self) -> Result<Value, PredicateError> {
        let help = "a map is written `{'city': 'Bern'}`";
        self.collection(&Token::RBrace, "`,` or `}`", help, Item::new(), |parser, item| {
            let span = parser.here();
            let Some(Token::SingleQuotedString(name)) = parser.peek() else {
                return Err(parser.expected("a name in single quotes", help));
            };
            let name = name.clone();
            parser.advance();
            parser.expect(&Token::Colon, "`:`", help)?;
            let value = parser.value()?;
            if item.insert(name, value).is_some() {
                return Err(PredicateError::new(span, "a name that stands there twice", help));
            }
            Ok(())
        })
        .map(Value::Map)
    }

    fn set(&mut self) -> Result<Value, PredicateError> {
        let start = self.here().start;
        let seen = BTreeSet::new();
        let values = self.collection(&Token::ShiftRight, "`,` or `>>`", SET_HELP, seen, |parser, seen| {
            let span = parser.here();
            let value = parser.value()?;
            let span = span.start..parser.end();
            if !matches!(value, Value::Number(_) | Value::String(_) | Value::Binary(_)) {
                return Err(PredicateError::new(span, "no element of a set", SET_HELP));
            }
            if seen.first().is_some_and(|first: &Value| first.type_name() != value.type_name()) {
                return Err(PredicateError::new(span, "a set of more than one type", SET_HELP));
            }
            if !seen.insert(value) {
                return Err(PredicateError::new(span, "an element that stands there twice", SET_HELP));
            }
            Ok(())
        })?;
        let mut set = Value::Unavailable;
        for value in values {
            match (&mut set, value) {
                (Value::NumberSet(set), Value::Number(number)) => drop(set.insert(number)),
                (Value::StringSet(set), Value::String(text)) => drop(set.insert(text)),
                (Value::BinarySet(set), Value::Binary(bytes)) => drop(set.insert(bytes)),
                (_, Value::Number(number)) => set = Value::NumberSet([number].into()),
                (_, Value::String(text)) => set = Value::StringSet([text].into()),
                (_, Value::Binary(bytes)) => set = Value::BinarySet([bytes].into()),
                _ => {}
            }
        }
        if set == Value::Unavailable {
            return Err(PredicateError::new(start..self.end(), "an empty set", SET_HELP));
        }
        Ok(set)
    }

    /// Elements up to the closing sign, gathered into `into`; the opening sign comes next.
    fn collection<T>(
        &mut self,
        close: &Token,
        separators: &str,
        help: &str,
        mut into: T,
        element: impl Fn(&mut Self, &mut T) -> Result<(), PredicateError>,
    ) -> Result<T, PredicateError> {
        let span = self.here();
        self.spend(span.clone())?;
        self.advance();
        self.nested(span, |parser| {
            if parser.eat(close) {
                return Ok(into);
            }
            loop {
                element(parser, &mut into)?;
                if parser.eat(close) {
                    return Ok(into);
                }
                parser.expect(&Token::Comma, separators, help)?;
            }
        })
    }
}

fn is_constant(word: &str) -> bool {
    ["TRUE", "FALSE", "NULL"].iter().any(|constant| constant.eq_ignore_ascii_case(word))
}
