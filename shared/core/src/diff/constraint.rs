//! How the bounds on a field's values changed.

use std::fmt::Display;
use std::sync::Arc;

use crate::schema::{Field, FieldType};

/// A bound on values.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Bound {
    /// Smallest number.
    Minimum,
    /// Largest number.
    Maximum,
    /// Shortest text.
    MinLength,
    /// Fewest elements.
    MinItems,
    /// Most elements.
    MaxItems,
    /// A regular expression.
    Pattern,
    /// A format of texts.
    Format,
    /// The only values allowed.
    Values,
    /// Whether a map refuses attributes that the schema does not name.
    Closed,
}

impl Bound {
    /// The bound's name in stored and printed text.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Minimum => "minimum",
            Self::Maximum => "maximum",
            Self::MinLength => "min_length",
            Self::MinItems => "min_items",
            Self::MaxItems => "max_items",
            Self::Pattern => "pattern",
            Self::Format => "format",
            Self::Values => "values",
            Self::Closed => "closed",
        }
    }
}

/// What a changed bound does to values.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Effect {
    /// Every value allowed before is allowed now.
    Loosened,
    /// Every value allowed now was allowed before, and some are no longer.
    Tightened,
    /// Neither, or it cannot be told: another pattern, another format.
    Other,
}

impl Effect {
    /// The effect's name in stored and printed text.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Loosened => "loosened",
            Self::Tightened => "tightened",
            Self::Other => "other",
        }
    }
}

/// One changed bound.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct BoundChange {
    /// Which.
    pub bound: Bound,
    /// The bound before, as text; `None` where there was none.
    pub previous: Option<Arc<str>>,
    /// The bound now; `None` where there is none.
    pub now: Option<Arc<str>>,
    /// What that does to values.
    pub effect: Effect,
    /// Whether no value allowed before is allowed now, so far as that can be told.
    pub disjoint: bool,
}

/// The bounds that changed between two definitions of a field.
#[must_use]
pub fn bound_changes(before: &Field, after: &Field) -> Vec<BoundChange> {
    let (old, new) = (&before.constraints, &after.constraints);
    // A bound on a kind of value that the field cannot have, before or after, says nothing.
    let kept = |wanted: fn(&FieldType) -> bool| {
        before.types.values().any(wanted) && after.types.values().any(wanted)
    };
    let mut changes = Vec::new();
    if kept(is_number) {
        changes.extend(limit(Bound::Minimum, old.minimum.clone(), new.minimum.clone()));
        changes.extend(limit(Bound::Maximum, old.maximum.clone(), new.maximum.clone()));
    }
    // A lower bound of nothing is no bound.
    let some = |least: Option<u64>| least.filter(|least| *least > 0);
    if kept(is_text) {
        changes.extend(limit(Bound::MinLength, some(old.min_length), some(new.min_length)));
        changes.extend(rule(Bound::Pattern, old.pattern.clone(), new.pattern.clone()));
        let format = |field: &Field| field.format.as_ref().map(|format| Arc::from(format.name()));
        changes.extend(rule(Bound::Format, format(before), format(after)));
    }
    if kept(|one| *one == FieldType::List) {
        changes.extend(limit(Bound::MinItems, some(old.min_items), some(new.min_items)));
        changes.extend(limit(Bound::MaxItems, old.max_items, new.max_items));
    }
    changes.extend(values(before, after));
    if kept(|one| *one == FieldType::Map) && old.closed != new.closed {
        changes.push(BoundChange {
            bound: Bound::Closed,
            previous: Some(old.closed.to_string().into()),
            now: Some(new.closed.to_string().into()),
            effect: if new.closed { Effect::Tightened } else { Effect::Loosened },
            disjoint: false,
        });
    }
    changes
}

fn is_number(one: &FieldType) -> bool {
    matches!(one, FieldType::Integer { .. } | FieldType::Decimal { .. } | FieldType::Float { .. })
}

fn is_text(one: &FieldType) -> bool {
    matches!(one, FieldType::String { .. } | FieldType::Enum(_))
}

fn limit<T: Ord + Display>(bound: Bound, previous: Option<T>, now: Option<T>) -> Option<BoundChange> {
    let raised = match (&previous, &now) {
        (Some(previous), Some(now)) if previous == now => return None,
        (None, None) => return None,
        (Some(previous), Some(now)) => Some(now > previous),
        _ => None,
    };
    let least = matches!(bound, Bound::Minimum | Bound::MinLength | Bound::MinItems);
    let tightened = raised.map_or(now.is_some(), |raised| raised == least);
    let text = |one: Option<T>| one.map(|one| one.to_string().into());
    Some(BoundChange {
        bound,
        previous: text(previous),
        now: text(now),
        effect: if tightened { Effect::Tightened } else { Effect::Loosened },
        disjoint: false,
    })
}

fn rule(bound: Bound, previous: Option<Arc<str>>, now: Option<Arc<str>>) -> Option<BoundChange> {
    let effect = match (&previous, &now) {
        (previous, now) if previous == now => return None,
        (None, _) => Effect::Tightened,
        (_, None) => Effect::Loosened,
        _ => Effect::Other,
    };
    // Two formats are two ways to write a value, so no text has both; patterns may overlap.
    let disjoint = effect == Effect::Other && bound == Bound::Format;
    Some(BoundChange { bound, previous, now, effect, disjoint })
}

fn values(before: &Field, after: &Field) -> Option<BoundChange> {
    let (old, new) = (&before.constraints.values, &after.constraints.values);
    let (effect, disjoint) = match (old, new) {
        (old, new) if old == new => return None,
        (None, _) => (Effect::Tightened, false),
        (_, None) => (Effect::Loosened, false),
        (Some(old), Some(new)) if old.is_subset(new) => (Effect::Loosened, false),
        (Some(old), Some(new)) if new.is_subset(old) => (Effect::Tightened, false),
        (Some(old), Some(new)) => (Effect::Other, old.is_disjoint(new)),
    };
    let text = |values: &Option<std::collections::BTreeSet<Arc<str>>>| {
        values.as_ref().map(|values| {
            let texts: Vec<&str> = values.iter().map(|value| &**value).collect();
            texts.join(",").into()
        })
    };
    Some(BoundChange { bound: Bound::Values, previous: text(old), now: text(new), effect, disjoint })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schema::{Constraints, Format, TypeSet};

    #[test]
    fn a_bound_that_moves_lets_more_or_less_through() {
        let field = |types: FieldType, constraints: Constraints| Field {
            constraints,
            ..Field::of(TypeSet::of(types))
        };
        let check = |before: &Field, after: &Field, bound: Bound, effect: Effect| {
            let changes = bound_changes(before, after);
            let found: Vec<_> = changes.iter().map(|change| (change.bound, change.effect)).collect();
            assert_eq!(found, [(bound, effect)], "{before:?} to {after:?}");
        };
        let minimum = |minimum: Option<i64>| {
            field(FieldType::INTEGER, Constraints { minimum: minimum.map(Into::into), ..Default::default() })
        };
        check(&minimum(Some(1)), &minimum(Some(0)), Bound::Minimum, Effect::Loosened);
        check(&minimum(Some(0)), &minimum(Some(1)), Bound::Minimum, Effect::Tightened);
        check(&minimum(None), &minimum(Some(0)), Bound::Minimum, Effect::Tightened);
        check(&minimum(Some(0)), &minimum(None), Bound::Minimum, Effect::Loosened);
        let maximum =
            |max| field(FieldType::List, Constraints { max_items: Some(max), ..Default::default() });
        check(&maximum(3), &maximum(4), Bound::MaxItems, Effect::Loosened);
        check(&maximum(4), &maximum(3), Bound::MaxItems, Effect::Tightened);
        let closed = |closed| field(FieldType::Map, Constraints { closed, ..Default::default() });
        check(&closed(false), &closed(true), Bound::Closed, Effect::Tightened);
        check(&closed(true), &closed(false), Bound::Closed, Effect::Loosened);
        let format = |format: Option<Format>| Field { format, ..Field::of(TypeSet::of(FieldType::STRING)) };
        check(&format(Some(Format::Date)), &format(Some(Format::Timestamp)), Bound::Format, Effect::Other);
        check(&format(Some(Format::Date)), &format(None), Bound::Format, Effect::Loosened);
    }

    #[test]
    fn a_bound_on_values_that_a_field_cannot_have_is_no_change() {
        let of = |types: FieldType, min_length| Field {
            constraints: Constraints { min_length, ..Default::default() },
            ..Field::of(TypeSet::of(types))
        };
        assert_eq!(bound_changes(&of(FieldType::INTEGER, None), &of(FieldType::INTEGER, Some(3))), []);
        assert_eq!(bound_changes(&of(FieldType::STRING, None), &of(FieldType::INTEGER, Some(3))), []);
        assert_eq!(bound_changes(&of(FieldType::STRING, None), &of(FieldType::STRING, Some(0))), []);
    }
}
