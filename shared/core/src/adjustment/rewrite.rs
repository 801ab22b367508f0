//! Conditions on converted values.

use super::Class;
use super::candidates::{self, Candidate};
use super::condition::{agree_through, conjuncts};
use super::draft::Draft;
use super::paths::{Place, atom_paths};
use super::shape::Shaping;
use crate::migration::Conversion;
use crate::migration::conversion::{self, Convert, Kind};
use crate::path::Path;
use crate::predicate::{Atom, Comparison, Operand, Predicate, Truth};
use crate::schema::{FieldType, TypeSet};
use crate::value::Value;

/// Rewrites the condition for converted values: `p` becomes `p ∘ f⁻¹` where that is a condition
/// of the same form, and where it is not, says what that costs.
pub(super) fn rewrite(shaping: &mut Shaping<'_>, place: &Place, convert: &Convert, is_counted_by: bool) {
    let Some(filter) = shaping.draft.definition.filter.clone() else { return };
    let mut changed: Vec<(Atom, Atom, bool)> = Vec::new();
    let rewritten = filter.map_atoms(&mut |atom| {
        if !place.is_read(&atom_paths(atom)) {
            return atom.clone();
        }
        let now = through(atom, convert);
        let candidates = values(&place.0, &filter, convert);
        let agrees = is_rewritable(atom, convert)
            && agree_through(
                atom,
                &now,
                &candidates,
                &place.0,
                |value| converted(convert, value),
                |a, b| a == b,
            );
        changed.push((atom.clone(), now.clone(), agrees));
        now
    });
    shaping.draft.definition.filter = Some(rewritten);
    for (before, now, agrees) in changed {
        if agrees {
            continue;
        }
        let narrows = || {
            let candidates = values(&place.0, &filter, convert);
            let is_conjunct = conjuncts(&filter).contains(&&Predicate::Atom(before.clone()));
            // Whatever the rest says, a row that meets the new test met the old one.
            let implied = |before: Truth, now: Truth| now != Truth::True || before == Truth::True;
            is_conjunct
                && is_rewritable(&before, convert)
                && agree_through(
                    &before,
                    &now,
                    &candidates,
                    &place.0,
                    |value| converted(convert, value),
                    implied,
                )
        };
        if is_counted_by && !Draft::has_truths(&shaping.draft.definition) && narrows() {
            shaping.draft.keep.push(Predicate::Atom(now));
            shaping.draft.note(Class::A2, "groups that no longer meet the condition go");
        } else {
            let why = format!(
                "converted values of `{}` may meet the condition where they did not, or the other way round",
                place.0
            );
            shaping.draft.needs_rows(true, true, why);
        }
    }
}

fn converted(convert: &Convert, value: &Value) -> Value {
    convert.conversion.apply(value).unwrap_or_else(|_| value.clone())
}

/// The test with its literals in their new form.
fn through(atom: &Atom, convert: &Convert) -> Atom {
    let literal = |value: &Value| {
        // A literal of another type than the column's never was one of its values.
        if is_kind(value, &convert.before) { converted(convert, value) } else { value.clone() }
    };
    let operand = |operand: &Operand| match operand {
        Operand::Literal(value) => Operand::Literal(literal(value)),
        other => other.clone(),
    };
    match atom {
        Atom::Compare { left, op, right } => {
            Atom::Compare { left: operand(left), op: *op, right: operand(right) }
        }
        Atom::In { operand: tested, values } => {
            Atom::In { operand: tested.clone(), values: values.iter().map(literal).collect() }
        }
        Atom::Between { operand: tested, low, high } => {
            Atom::Between { operand: tested.clone(), low: literal(low), high: literal(high) }
        }
        Atom::BeginsWith(path, prefix) if convert.kind == Kind::Bytes => {
            Atom::BeginsWith(path.clone(), literal(prefix))
        }
        Atom::Contains(path, part) if convert.kind == Kind::Bytes => {
            Atom::Contains(path.clone(), literal(part))
        }
        other => other.clone(),
    }
}

/// Whether a test keeps its form under a conversion, so that candidates decide whether it keeps
/// its meaning.
fn is_rewritable(atom: &Atom, convert: &Convert) -> bool {
    let literals = || {
        candidates::literals(atom)
            .into_iter()
            .all(|value| *value == Value::Null || is_kind(value, &convert.before))
    };
    // Where a literal is cut, texts between it and what is left of it are many.
    let stand = || candidates::literals(atom).into_iter().all(|value| converted(convert, value) == *value);
    let keeps_order = match convert.kind {
        Kind::Numbers => true,
        Kind::Texts => stand(),
        Kind::Bytes => convert.injective,
        Kind::NumberToText | Kind::Other => false,
    };
    let keeps_equality = convert.kind != Kind::Bytes || convert.injective;
    match atom {
        Atom::IsNull(_) | Atom::IsMissing(_) => true,
        Atom::Compare { op: Comparison::Equal | Comparison::NotEqual, .. } | Atom::In { .. } => {
            keeps_equality && candidates::is_simple(atom) && literals()
        }
        Atom::Compare { .. } | Atom::Between { .. } => {
            keeps_order && candidates::is_simple(atom) && literals()
        }
        Atom::BeginsWith(_, Value::String(prefix)) => match convert.conversion {
            Conversion::ToText { max_length } => {
                let length = prefix.chars().count() as u64;
                convert.kind == Kind::Texts && max_length.is_none_or(|longest| length <= longest)
            }
            _ => convert.kind == Kind::Bytes && convert.injective,
        },
        Atom::BeginsWith(..) | Atom::Contains(..) => {
            convert.kind == Kind::Bytes && convert.injective && literals()
        }
        Atom::AttributeType(..) => false,
    }
}

/// Whether a literal is of the kind of value that types have, be it too long or too wide.
fn is_kind(value: &Value, types: &TypeSet) -> bool {
    use FieldType as T;
    types.values().any(|one| {
        matches!(
            (one, value),
            (T::Integer { .. } | T::Decimal { .. } | T::Float { .. }, Value::Number(_))
                | (T::String { .. } | T::Enum(_), Value::String(_))
                | (T::Binary { .. }, Value::Binary(_))
                | (T::Bool, Value::Bool(_))
        )
    })
}

/// Values of a column, of its type before, on which a rewritten test may go wrong.
fn values(path: &Path, filter: &Predicate, convert: &Convert) -> Vec<Candidate> {
    let mut all = candidates::of(path, &[filter]);
    // A rounded number moves past a literal only if one of the type is close enough to it.
    let digits: Vec<u16> = convert
        .before
        .values()
        .filter_map(|one| match one {
            FieldType::Integer { .. } => Some(0),
            FieldType::Decimal { digits: Some((_, scale)) } => Some(*scale),
            _ => None,
        })
        .collect();
    let literals: Vec<Value> = filter.atoms().into_iter().flat_map(candidates::literals).cloned().collect();
    for literal in &literals {
        let now = converted(convert, literal);
        for number in [literal, &now] {
            let Value::Number(number) = number else { continue };
            let next = digits.iter().flat_map(|digits| candidates::neighbours(number, *digits));
            all.extend(next.map(Value::Number).map(Some));
        }
        all.extend(candidates::near(&now).into_iter().map(Some));
        all.push(Some(now));
        if let Value::String(text) = literal {
            // Other spellings of the same number, and longer texts that are cut to the same.
            all.extend(
                [format!("{text}.0"), format!(" {text}"), format!("{text}xx")].map(Value::String).map(Some),
            );
        }
    }
    all.extend([0_i64, 1, 2, -1, 10].map(|number| Some(Value::Number(number.into()))));
    all.extend([Some(Value::Bool(true)), Some(Value::Bool(false))]);
    all.retain(|one| one.as_ref().is_none_or(|value| conversion::is_of(value, &convert.before)));
    all
}
