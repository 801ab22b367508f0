//! What two schemas say together, and what at least one of them lets through.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use evercount_core::schema::{Constraints, FieldType, TypeSet};

use super::node::{Node, is_number};

/// Longest regular expression put together of others, in bytes; a longer one is left out.
const PATTERN_BYTES_MAX: usize = 4_096;

/// What both say: `allOf`.
pub(super) fn both(a: Node, b: Node) -> Node {
    let types = match (a.types, b.types) {
        (Some(a), Some(b)) => Some(meet_types(&a, &b)),
        (a, b) => a.or(b),
    };
    let constraints = Constraints {
        minimum: tightest(a.constraints.minimum, b.constraints.minimum, Ord::max),
        maximum: tightest(a.constraints.maximum, b.constraints.maximum, Ord::min),
        min_length: tightest(a.constraints.min_length, b.constraints.min_length, Ord::max),
        min_items: tightest(a.constraints.min_items, b.constraints.min_items, Ord::max),
        max_items: tightest(a.constraints.max_items, b.constraints.max_items, Ord::min),
        pattern: match (a.constraints.pattern, b.constraints.pattern) {
            (Some(a), Some(b)) if a != b => bounded(format!("(?=[\\s\\S]*(?:{a}))(?=[\\s\\S]*(?:{b}))")),
            (a, b) => a.or(b),
        },
        values: tightest(a.constraints.values, b.constraints.values, |a, b| &a & &b),
        closed: a.constraints.closed || b.constraints.closed,
    };
    let mut required = a.required;
    required.extend(b.required);
    Node {
        types,
        max_length: tightest(a.max_length, b.max_length, Ord::min),
        format: a.format.or(b.format),
        constraints,
        default: a.default.or(b.default),
        properties: join(a.properties, b.properties, both),
        patterns: join(a.patterns, b.patterns, both),
        unnamed: tightest(a.unnamed, b.unnamed, |a, b| Box::new(both(*a, *b))),
        required,
        items: tightest(a.items, b.items, |a, b| Box::new(both(*a, *b))),
    }
}

/// What at least one lets through: `anyOf`, `oneOf`. A bound holds where every alternative that
/// it can apply to has one.
pub(super) fn either(mut a: Node, mut b: Node) -> Node {
    let stated = a.types.is_some() || b.types.is_some();
    let can = |wanted: fn(&FieldType) -> bool| (a.has(wanted), b.has(wanted));
    let numbers = can(is_number);
    let texts = can(|one| *one == FieldType::STRING);
    let lists = can(|one| *one == FieldType::List);
    let maps = can(|one| *one == FieldType::Map);
    let values = can(|one| *one != FieldType::Null);
    let types = stated.then(|| join_types(a.take_types(), b.take_types()));
    let same = |a: Arc<str>, b: Arc<str>| (a == b).then_some(a);
    let constraints = Constraints {
        minimum: loosest(numbers, a.constraints.minimum, b.constraints.minimum, |a, b| Some(a.min(b))),
        maximum: loosest(numbers, a.constraints.maximum, b.constraints.maximum, |a, b| Some(a.max(b))),
        min_length: loosest(texts, a.constraints.min_length, b.constraints.min_length, |a, b| Some(a.min(b))),
        min_items: loosest(lists, a.constraints.min_items, b.constraints.min_items, |a, b| Some(a.min(b))),
        max_items: loosest(lists, a.constraints.max_items, b.constraints.max_items, |a, b| Some(a.max(b))),
        pattern: loosest(texts, a.constraints.pattern, b.constraints.pattern, |a, b| {
            if a == b { Some(a) } else { bounded(format!("(?:{a})|(?:{b})")) }
        }),
        values: loosest(values, a.constraints.values, b.constraints.values, |a, b| Some(&a | &b)),
        closed: loosest(maps, Some(a.constraints.closed), Some(b.constraints.closed), |a, b| Some(a && b))
            .unwrap_or_default(),
    };
    let required = loosest(maps, Some(a.required), Some(b.required), |a, b| Some(&a & &b));
    Node {
        types,
        max_length: loosest(texts, a.max_length, b.max_length, |a, b| Some(a.max(b))),
        format: loosest(texts, a.format, b.format, |a, b| (a == b).then_some(a)),
        constraints,
        default: loosest((true, true), a.default, b.default, same),
        properties: join(a.properties, b.properties, either),
        patterns: join(a.patterns, b.patterns, either),
        unnamed: tightest(a.unnamed, b.unnamed, |a, b| Box::new(either(*a, *b))),
        required: required.unwrap_or_default(),
        items: tightest(a.items, b.items, |a, b| Box::new(either(*a, *b))),
    }
}

/// Both bounds taken together.
fn tightest<T>(a: Option<T>, b: Option<T>, take: impl Fn(T, T) -> T) -> Option<T> {
    match (a, b) {
        (Some(a), Some(b)) => Some(take(a, b)),
        (a, b) => a.or(b),
    }
}

/// The bound that remains of two alternatives; one that cannot have such values has no say.
fn loosest<T>(
    (a_has, b_has): (bool, bool),
    a: Option<T>,
    b: Option<T>,
    take: impl Fn(T, T) -> Option<T>,
) -> Option<T> {
    match (a_has, b_has) {
        (true, false) => a,
        (false, true) => b,
        _ => a.zip(b).and_then(|(a, b)| take(a, b)),
    }
}

fn join(
    mut a: BTreeMap<String, Node>,
    b: BTreeMap<String, Node>,
    merge: impl Fn(Node, Node) -> Node,
) -> BTreeMap<String, Node> {
    for (name, node) in b {
        let merged = match a.remove(&name) {
            Some(other) => merge(other, node),
            None => node,
        };
        a.insert(name, merged);
    }
    a
}

fn bounded(pattern: String) -> Option<Arc<str>> {
    (pattern.len() <= PATTERN_BYTES_MAX).then(|| pattern.into())
}

/// The types that values of both sets have.
pub(super) fn meet_types(a: &TypeSet, b: &TypeSet) -> TypeSet {
    let pairs = a.0.iter().flat_map(|one| b.0.iter().filter_map(|other| meet(one, other)));
    pairs.collect()
}

fn meet(one: &FieldType, other: &FieldType) -> Option<FieldType> {
    use FieldType as T;
    Some(match (one, other) {
        (T::Enum(a), T::Enum(b)) => {
            let texts = a & b;
            return (!texts.is_empty()).then_some(T::Enum(texts));
        }
        (T::Enum(_), T::String { .. }) | (T::Integer { .. }, T::Decimal { digits: None }) => one.clone(),
        (T::String { .. }, T::Enum(_)) | (T::Decimal { digits: None }, T::Integer { .. }) => other.clone(),
        (T::Float { .. }, T::Decimal { digits: None }) | (T::Integer { .. }, T::Float { .. }) => one.clone(),
        (T::Decimal { digits: None }, T::Float { .. }) | (T::Float { .. }, T::Integer { .. }) => {
            other.clone()
        }
        (T::Integer { bits: None, .. }, T::Integer { .. }) => other.clone(),
        (T::Integer { .. }, T::Integer { bits: None, .. }) => one.clone(),
        (a, b) => return (a == b).then(|| a.clone()),
    })
}

/// The types that values of either set have, none of them within another.
pub(super) fn join_types(a: TypeSet, b: TypeSet) -> TypeSet {
    let mut texts: Option<BTreeSet<Arc<str>>> = None;
    let mut joined = TypeSet::default();
    for one in a.0.into_iter().chain(b.0) {
        match (one, &mut texts) {
            (FieldType::Enum(more), Some(texts)) => texts.extend(more),
            (FieldType::Enum(more), None) => texts = Some(more),
            (other, _) => {
                joined.0.insert(other);
            }
        }
    }
    if let Some(texts) = texts.filter(|_| !joined.0.contains(&FieldType::STRING)) {
        joined.0.insert(FieldType::Enum(texts));
    }
    if joined.0.contains(&FieldType::DECIMAL) {
        joined.0.retain(|one| !matches!(one, FieldType::Integer { .. } | FieldType::Float { .. }));
    }
    joined
}
