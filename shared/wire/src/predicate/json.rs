//! The stored form of a predicate: its tree as JSON, one object with one field for each node.
//!
//! ```json
//! {"and": [{"compare": {"left": {"path": "status"}, "op": "=", "right": {"literal": {"S": "ACTIVE"}}}},
//!          {"not": {"is_missing": "shipped_at"}}]}
//! ```
//!
//! Reading is strict: unknown nodes and fields are refused, and all bounds are checked again. A
//! predicate that an old reader does not understand must not be counted by it.

use evercount_core::path::Path;
use evercount_core::predicate::{Atom, AttributeType, Comparison, Operand, Predicate};
use evercount_core::value::Value;
use serde::{Deserialize, Serialize};

use super::literal::LiteralJson;
use super::rules;

/// Why a JSON value is not a predicate.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("not a stored predicate: {0}")]
pub struct PredicateJsonError(String);

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Node {
    And(Vec<Node>),
    Or(Vec<Node>),
    Not(Box<Node>),
    Compare(CompareNode),
    In(InNode),
    Between(BetweenNode),
    IsNull(String),
    IsMissing(String),
    BeginsWith(BeginsWithNode),
    Contains(ContainsNode),
    AttributeType(AttributeTypeNode),
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct CompareNode {
    left: OperandNode,
    op: String,
    right: OperandNode,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct InNode {
    operand: OperandNode,
    values: Vec<LiteralJson>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct BetweenNode {
    operand: OperandNode,
    low: LiteralJson,
    high: LiteralJson,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct BeginsWithNode {
    path: String,
    prefix: LiteralJson,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct ContainsNode {
    path: String,
    value: LiteralJson,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct AttributeTypeNode {
    path: String,
    #[serde(rename = "type")]
    of_type: String,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum OperandNode {
    Path(String),
    Size(String),
    Literal(LiteralJson),
}

/// The stored form of a predicate.
#[must_use]
pub fn to_json(predicate: &Predicate) -> serde_json::Value {
    // Nothing of a node can fail to be written: its maps have text keys, and no number is a float.
    serde_json::to_value(Node::from(predicate)).unwrap_or_default()
}

/// Reads a predicate from its stored form.
///
/// # Errors
/// [`PredicateJsonError`] where the form is not exactly that of [`to_json`], or where the
/// predicate breaks a bound or is otherwise not one that text could give.
pub fn from_json(json: &serde_json::Value) -> Result<Predicate, PredicateJsonError> {
    let node = Node::deserialize(json).map_err(|error| PredicateJsonError(error.to_string()))?;
    let predicate = Predicate::try_from(node).map_err(PredicateJsonError)?;
    rules::check(&predicate).map_err(PredicateJsonError)?;
    Ok(predicate)
}

/// Reads a condition that no person wrote, in the form of [`to_json`]: that of a transform. What is
/// put together from several predicates may go beyond the bounds of one.
///
/// # Errors
/// [`PredicateJsonError`] where the form is not exactly that of [`to_json`].
pub(crate) fn condition_from_json(json: &serde_json::Value) -> Result<Predicate, PredicateJsonError> {
    let node = Node::deserialize(json).map_err(|error| PredicateJsonError(error.to_string()))?;
    Predicate::try_from(node).map_err(PredicateJsonError)
}

impl From<&Predicate> for Node {
    fn from(predicate: &Predicate) -> Self {
        match predicate {
            Predicate::And(parts) => Self::And(parts.iter().map(Self::from).collect()),
            Predicate::Or(parts) => Self::Or(parts.iter().map(Self::from).collect()),
            Predicate::Not(part) => Self::Not(Box::new(Self::from(&**part))),
            Predicate::Atom(atom) => Self::from(atom),
        }
    }
}

impl From<&Atom> for Node {
    fn from(atom: &Atom) -> Self {
        match atom {
            Atom::Compare { left, op, right } => {
                let op = Comparison::ALL
                    .iter()
                    .find(|(known, _)| known == op)
                    .map_or("", |(_, spelling)| spelling);
                Self::Compare(CompareNode { left: left.into(), op: op.to_owned(), right: right.into() })
            }
            Atom::In { operand, values } => Self::In(InNode {
                operand: operand.into(),
                values: values.iter().map(LiteralJson::from).collect(),
            }),
            Atom::Between { operand, low, high } => {
                Self::Between(BetweenNode { operand: operand.into(), low: low.into(), high: high.into() })
            }
            Atom::IsNull(path) => Self::IsNull(path.to_string()),
            Atom::IsMissing(path) => Self::IsMissing(path.to_string()),
            Atom::BeginsWith(path, prefix) => {
                Self::BeginsWith(BeginsWithNode { path: path.to_string(), prefix: prefix.into() })
            }
            Atom::Contains(path, value) => {
                Self::Contains(ContainsNode { path: path.to_string(), value: value.into() })
            }
            Atom::AttributeType(path, of_type) => Self::AttributeType(AttributeTypeNode {
                path: path.to_string(),
                of_type: of_type.name().to_owned(),
            }),
        }
    }
}

impl From<&Operand> for OperandNode {
    fn from(operand: &Operand) -> Self {
        match operand {
            Operand::Path(path) => Self::Path(path.to_string()),
            Operand::Size(path) => Self::Size(path.to_string()),
            Operand::Literal(value) => Self::Literal(value.into()),
        }
    }
}

impl TryFrom<Node> for Predicate {
    type Error = String;

    fn try_from(node: Node) -> Result<Self, String> {
        let all = |parts: Vec<Node>| parts.into_iter().map(Self::try_from).collect::<Result<Vec<_>, _>>();
        Ok(Self::Atom(match node {
            Node::And(parts) => return Ok(Self::And(all(parts)?)),
            Node::Or(parts) => return Ok(Self::Or(all(parts)?)),
            Node::Not(part) => return Ok(Self::Not(Box::new(Self::try_from(*part)?))),
            Node::Compare(node) => Atom::Compare {
                left: node.left.try_into()?,
                op: comparison(&node.op)?,
                right: node.right.try_into()?,
            },
            Node::In(node) => Atom::In {
                operand: node.operand.try_into()?,
                values: node.values.into_iter().map(Value::try_from).collect::<Result<_, _>>()?,
            },
            Node::Between(node) => Atom::Between {
                operand: node.operand.try_into()?,
                low: node.low.try_into()?,
                high: node.high.try_into()?,
            },
            Node::IsNull(text) => Atom::IsNull(path(&text)?),
            Node::IsMissing(text) => Atom::IsMissing(path(&text)?),
            Node::BeginsWith(node) => Atom::BeginsWith(path(&node.path)?, node.prefix.try_into()?),
            Node::Contains(node) => Atom::Contains(path(&node.path)?, node.value.try_into()?),
            Node::AttributeType(node) => {
                Atom::AttributeType(path(&node.path)?, attribute_type(&node.of_type)?)
            }
        }))
    }
}

impl TryFrom<OperandNode> for Operand {
    type Error = String;

    fn try_from(node: OperandNode) -> Result<Self, String> {
        Ok(match node {
            OperandNode::Path(text) => Self::Path(path(&text)?),
            OperandNode::Size(text) => Self::Size(path(&text)?),
            OperandNode::Literal(literal) => Self::Literal(literal.try_into()?),
        })
    }
}

fn path(text: &str) -> Result<Path, String> {
    Path::parse(text).map_err(|error| format!("path `{text}` {error}"))
}

fn comparison(spelling: &str) -> Result<Comparison, String> {
    Comparison::ALL
        .into_iter()
        .find(|(_, known)| *known == spelling)
        .map(|(op, _)| op)
        .ok_or_else(|| format!("unknown comparison `{spelling}`"))
}

fn attribute_type(name: &str) -> Result<AttributeType, String> {
    AttributeType::named(name).ok_or_else(|| format!("unknown type `{name}`"))
}
