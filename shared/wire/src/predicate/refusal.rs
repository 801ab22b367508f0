//! What is said of SQL that predicates do not have: each refusal names what would be accepted.

use evercount_core::predicate::Operand;
use sqlparser::tokenizer::Token;

use super::PredicateError;
use super::grammar::{Parser, Placed, comparison};

/// A function of the language.
pub(super) struct Function {
    pub(super) name: &'static str,
    pub(super) usage: &'static str,
}

/// All functions of the language.
pub(super) const FUNCTIONS: [Function; 4] = [
    Function { name: "begins_with", usage: "begins_with(name, 'A')" },
    Function { name: "contains", usage: "contains(tags, 'new')" },
    Function { name: "attribute_type", usage: "attribute_type(total, 'N')" },
    Function { name: "size", usage: "size(tags) > 0" },
];

/// Help where a name starts with a digit.
pub(super) const QUOTED_DIGIT: &str = "a name that starts with a digit stands in double quotes: `\"2fa\"`";
/// Help where something is computed.
pub(super) const NO_ARITHMETIC: &str =
    "predicates compute nothing: compare attributes with literals or with each other";

const COMPARE: &str =
    "compare it, as in `status = 'ACTIVE'`, or test it with IN, BETWEEN, IS NULL or IS MISSING";
const JOIN: &str = "join conditions with AND or OR";
const NO_SUBQUERY: &str = "a predicate looks at one item at a time: compare its attributes with literals";
const TYPED_LITERALS: [&str; 5] = ["DATE", "TIME", "TIMESTAMP", "DATETIME", "INTERVAL"];

/// Names by which other languages know what a predicate says in its own words.
const ALIASES: [(&str, &str); 12] = [
    ("attribute_exists", "write `name IS NOT MISSING`"),
    ("attribute_not_exists", "write `name IS MISSING`"),
    ("exists", NO_SUBQUERY),
    ("length", "write `size(name) > 0`"),
    ("char_length", "write `size(name) > 0`"),
    ("starts_with", "write `begins_with(name, 'A')`"),
    ("coalesce", "write `name IS NULL OR name = 'A'`"),
    ("lower", "compare with every spelling: `name IN ('a', 'A')`"),
    ("upper", "compare with every spelling: `name IN ('a', 'A')`"),
    ("cast", "compare with a literal of the stored type: `total = 5` or `total = '5'`"),
    ("now", "a count may not depend on the clock; compare with a fixed literal"),
    ("current_timestamp", "a count may not depend on the clock; compare with a fixed literal"),
];

/// Whether the next word starts something that no predicate has, although it may be a name.
pub(super) fn is_refused_word(parser: &Parser<'_>) -> bool {
    let Some(word) = parser.word(0) else { return false };
    let is_text = matches!(parser.lexeme(1).map(|next| &next.token), Some(Token::SingleQuotedString(_)));
    (is_text && TYPED_LITERALS.iter().any(|typed| typed.eq_ignore_ascii_case(word)))
        || (parser.is_word(0, "CASE") && parser.is_word(1, "WHEN"))
}

/// Whether the next lexeme computes something from the operand before it.
pub(super) fn is_arithmetic(parser: &Parser<'_>) -> bool {
    let Some(token) = parser.peek() else { return false };
    matches!(
        token,
        Token::Plus
            | Token::Minus
            | Token::Mul
            | Token::Div
            | Token::Mod
            | Token::StringConcat
            | Token::Caret
            | Token::Ampersand
            | Token::Pipe
            | Token::DoubleColon
            | Token::Arrow
            | Token::LongArrow
    )
}

/// Nothing that could be an operand.
pub(super) fn at_operand(parser: &Parser<'_>) -> PredicateError {
    let refused = |message: &str, help: &str| PredicateError::new(parser.here(), message, help);
    if let Some(word) = parser.word(0) {
        return match word.to_ascii_uppercase().as_str() {
            "MISSING" => refused("MISSING is not a value to compare with", "use `IS MISSING`"),
            "SELECT" => refused("a subquery", NO_SUBQUERY),
            "CASE" => refused("a CASE", "write the alternatives with AND and OR"),
            typed if TYPED_LITERALS.contains(&typed) => {
                refused("a typed literal", "write the text or number that is stored: `'2026-01-31'`")
            }
            _ => parser.expected(
                "a condition",
                format!("as the name of an attribute, the word stands in double quotes: `\"{word}\"`"),
            ),
        };
    }
    match parser.peek() {
        Some(Token::Colon | Token::Sharp | Token::Placeholder(_) | Token::AtSign | Token::Question) => {
            refused("a placeholder", "write names and values themselves: `status = 'ACTIVE'`")
        }
        Some(Token::HexStringLiteral(_)) => {
            refused("a number in hexadecimal", "write the number in decimal, or bytes as `X'00ff'`")
        }
        Some(Token::NationalStringLiteral(_)) => refused("a text with a prefix", "write text as `'text'`"),
        Some(Token::Char('`')) => {
            refused("a name in backticks", "put the name in double quotes: `\"user-id\"`")
        }
        Some(Token::LParen) => refused(
            "parentheses around an operand",
            "parentheses stand around conditions: `(a = 1 OR b = 2)`",
        ),
        _ => parser.expected("a condition", "write a condition such as `status = 'ACTIVE'`"),
    }
}

/// An operand, and then nothing that tests it.
pub(super) fn after_operand(parser: &Parser<'_>, operand: &Placed) -> PredicateError {
    let refused = |message: &str, help: &str| PredicateError::new(parser.here(), message, help);
    if let Some(error) = hyphenated(parser, operand) {
        return error;
    }
    match parser.peek() {
        Some(Token::StringConcat) => return refused("a concatenation", NO_ARITHMETIC),
        Some(Token::DoubleColon) => return refused("a cast", "compare with a literal of the stored type"),
        Some(Token::Arrow | Token::LongArrow) => {
            return refused("a JSON operator", "write the path: `address.city`");
        }
        Some(Token::DoubleEq) => return refused("`==` is not a comparison", "write `=`"),
        Some(_) if is_arithmetic(parser) => return refused("an arithmetic operator", NO_ARITHMETIC),
        _ => {}
    }
    let negated = usize::from(parser.is_word(0, "NOT"));
    let word = parser.word(negated).unwrap_or_default().to_ascii_uppercase();
    let like = ["LIKE", "ILIKE", "RLIKE", "REGEXP", "SIMILAR", "GLOB"].contains(&word.as_str());
    if like {
        let start = parser.here().start;
        let end = parser.lexeme(negated).map_or(start, |lexeme| lexeme.span.end);
        let help = "use `begins_with(name, 'A')` or `contains(name, 'A')`";
        return PredicateError::new(start..end, format!("{word} is not a test of predicates"), help);
    }
    match operand.operand {
        Operand::Literal(_) => {
            parser.expected("a comparison", "a literal by itself is no condition; write `status = 'ACTIVE'`")
        }
        Operand::Path(_) | Operand::Size(_) => parser.expected("a comparison", COMPARE),
    }
}

/// `user-id`, which is a subtraction in SQL and an attribute's name in DynamoDB.
fn hyphenated(parser: &Parser<'_>, operand: &Placed) -> Option<PredicateError> {
    let (minus, next) = (parser.lexeme(0)?, parser.lexeme(1)?);
    let is_name = matches!(operand.operand, Operand::Path(_)) && matches!(next.token, Token::Word(_));
    let adjacent = operand.span.end == minus.span.start && minus.span.end == next.span.start;
    if minus.token != Token::Minus || !is_name || !adjacent {
        return None;
    }
    let last = parser.previous()?.span.start;
    let name = parser.text.get(last..next.span.end)?;
    let help = format!("a name that holds `-` stands in double quotes: `\"{name}\"`");
    Some(PredicateError::new(last..next.span.end, "an arithmetic operator", help))
}

/// A condition, and then neither AND nor OR nor the end.
pub(super) fn after_condition(parser: &Parser<'_>) -> PredicateError {
    match parser.peek() {
        Some(Token::RParen) => PredicateError::new(parser.here(), "a `)` that nothing opened", "remove it"),
        Some(Token::SemiColon) => {
            PredicateError::new(parser.here(), "more than a condition", "remove the `;`")
        }
        _ => not_joined(parser, "AND, OR or the end"),
    }
}

/// A condition in parentheses, and then no closing one.
pub(super) fn unclosed(parser: &Parser<'_>) -> PredicateError {
    not_joined(parser, "AND, OR or `)`")
}

fn not_joined(parser: &Parser<'_>, what: &str) -> PredicateError {
    match parser.peek() {
        Some(token) if comparison(token).is_some() => compared_test(parser),
        Some(Token::Overlap) => PredicateError::new(parser.here(), "`&&` joins nothing", "write AND"),
        Some(Token::StringConcat) => PredicateError::new(parser.here(), "`||` joins nothing", "write OR"),
        Some(_) => {
            let word = parser.word(0).unwrap_or_default().to_ascii_uppercase();
            match word.as_str() {
                "ORDER" | "GROUP" | "LIMIT" | "HAVING" => {
                    let help = "a predicate is the condition after WHERE alone";
                    PredicateError::new(parser.here(), "more than a condition", help)
                }
                _ => parser.expected(what, JOIN),
            }
        }
        None => parser.expected(what, JOIN),
    }
}

/// A test where a value is compared.
pub(super) fn compared_test(parser: &Parser<'_>) -> PredicateError {
    let help = "a test is true or false by itself: drop the comparison, or write NOT before the test";
    PredicateError::new(parser.here(), "a test is not compared", help)
}

/// `IS`, and then neither NULL nor MISSING.
pub(super) fn after_is(parser: &Parser<'_>) -> PredicateError {
    let help = match parser.word(0).unwrap_or_default().to_ascii_uppercase().as_str() {
        "TRUE" | "FALSE" => "compare booleans: `active = TRUE`",
        _ => "write `IS NULL`, `IS NOT NULL`, `IS MISSING` or `IS NOT MISSING`",
    };
    parser.expected("NULL or MISSING", help)
}

/// A function that predicates do not have.
pub(super) fn unknown_function(parser: &Parser<'_>) -> PredicateError {
    let name = parser.word(0).unwrap_or_default();
    let lower = name.to_ascii_lowercase();
    let usages = FUNCTIONS.map(|function| format!("`{}`", function.usage)).join(", ");
    let known = FUNCTIONS.iter().find(|function| strsim::damerau_levenshtein(function.name, &lower) <= 3);
    let alias = ALIASES.iter().find(|(alias, _)| *alias == lower);
    let help = match (alias, known) {
        (Some((_, help)), _) => (*help).to_owned(),
        (None, Some(function)) => format!("did you mean `{}`?", function.usage),
        (None, None) => format!("the functions are {usages}"),
    };
    PredicateError::new(parser.here(), format!("`{name}` is not a function of predicates"), help)
}
