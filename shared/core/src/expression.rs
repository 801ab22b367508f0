//! DynamoDB's expressions, carried out on an item: what a condition says of it, what an update makes of it,
//! and what a projection shows of it
//! (<https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Expressions.html>).
//!
//! The data proxy needs them where DynamoDB itself cannot carry them out: for an item that is partly beside
//! its table, or that its writer sees in an earlier version.
//!
//! | module | decision |
//! |---|---|
//! | [`place`] | where in an item something stands |
//! | [`condition`] | whether a condition holds |
//! | [`update`] | what an update makes |
//! | [`projection`] | what a projection shows |

pub mod condition;
pub mod place;
pub mod projection;
mod reader;
pub mod update;

use std::fmt;

pub use condition::Condition;
pub use place::Place;
pub use projection::Shown;
pub use update::Update;

use crate::value::{Item, Value};

/// What placeholders stand for.
pub struct Given<'a> {
    /// What a `#name` stands for.
    pub names: &'a dyn Fn(&str) -> Option<String>,
    /// Values by their placeholders, `:value`.
    pub values: &'a Item,
}

impl Given<'_> {
    fn value(&self, placeholder: &str) -> Result<Value, Invalid> {
        self.values.get(placeholder).cloned().ok_or_else(|| {
            Invalid(format!("an expression attribute value used in expression is not defined: {placeholder}"))
        })
    }
}

/// What is wrong with an expression, or with the item that it was to be carried out on, in DynamoDB's words
/// where it has some.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Invalid(pub String);

impl Invalid {
    fn syntax() -> Self {
        Self("Syntax error".to_owned())
    }

    fn operand() -> Self {
        Self("An operand in the update expression has an incorrect data type".to_owned())
    }

    fn path() -> Self {
        Self("The document path provided in the update expression is invalid for update".to_owned())
    }
}

impl fmt::Display for Invalid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests;
