//! Conditions: which implies which, what is left of one where some tests are decided, and what it
//! pins.
//!
//! An implication is found by trying: simple tests are tried with the candidates of their
//! attributes ([`super::candidates`]), and any other test as if it could be true, false or
//! unknown whatever the rest says. That errs on one side only: what is found to be implied is.

use std::collections::{BTreeMap, BTreeSet};

use super::candidates::{self, Candidate, is_simple};
use super::paths::map_atom;
use crate::decimal::Decimal;
use crate::path::Path;
use crate::predicate::{Atom, Comparison, Operand, Predicate, Truth};
use crate::value::{Item, Value};

/// Most combinations of candidates that are tried; beyond it nothing is concluded.
const COMBINATIONS_MAX: usize = 50_000;

/// The parts that all have to hold.
pub(super) fn conjuncts(condition: &Predicate) -> Vec<&Predicate> {
    match condition {
        Predicate::And(parts) => parts.iter().flat_map(conjuncts).collect(),
        part => vec![part],
    }
}

/// All of the parts together; `None` where there are none.
pub(super) fn all_of(mut parts: Vec<Predicate>) -> Option<Predicate> {
    match parts.len() {
        0 | 1 => parts.pop(),
        _ => Some(Predicate::And(parts)),
    }
}

/// A condition that no item meets.
pub(super) fn never() -> Predicate {
    let path = Path::column("never");
    Predicate::And(vec![Predicate::Atom(Atom::IsMissing(path.clone())), Predicate::Atom(Atom::IsNull(path))])
}

/// A condition of which every item leaves open whether it meets it.
fn unknown() -> Predicate {
    let (left, right) = (Value::Number(Decimal::zero()), Value::String(String::new()));
    Predicate::Atom(Atom::Compare {
        left: Operand::Literal(left),
        op: Comparison::Less,
        right: Operand::Literal(right),
    })
}

/// What is left of a condition where some tests are decided.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Left {
    /// It is decided as well.
    Decided(Truth),
    /// This much.
    Open(Predicate),
}

impl Left {
    /// The same as a filter: `Ok(None)` lets every item through, `Err` none.
    pub(super) fn into_filter(self) -> Result<Option<Predicate>, Never> {
        match self {
            Self::Decided(Truth::True) => Ok(None),
            Self::Decided(_) => Err(Never),
            Self::Open(left) if conjuncts(&left).contains(&&unknown()) => Err(Never),
            Self::Open(left) => Ok(Some(left)),
        }
    }
}

/// A filter that lets no item through.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Never;

/// What is left of a condition where `decide` knows the truth of some tests.
pub(super) fn left_of(condition: &Predicate, decide: &impl Fn(&Atom) -> Option<Truth>) -> Left {
    match condition {
        Predicate::Atom(atom) => decide(atom).map_or_else(|| Left::Open(condition.clone()), Left::Decided),
        Predicate::Not(part) => match left_of(part, decide) {
            Left::Decided(Truth::True) => Left::Decided(Truth::False),
            Left::Decided(Truth::False) => Left::Decided(Truth::True),
            Left::Decided(Truth::Unknown) => Left::Decided(Truth::Unknown),
            Left::Open(part) => Left::Open(Predicate::Not(Box::new(part))),
        },
        Predicate::And(parts) => {
            join(parts.iter().map(|part| left_of(part, decide)), Truth::False, Truth::True, Predicate::And)
        }
        Predicate::Or(parts) => {
            join(parts.iter().map(|part| left_of(part, decide)), Truth::True, Truth::False, Predicate::Or)
        }
    }
}

fn join(
    parts: impl Iterator<Item = Left>,
    decisive: Truth,
    neutral: Truth,
    make: impl Fn(Vec<Predicate>) -> Predicate,
) -> Left {
    let (mut open, mut is_unknown) = (Vec::new(), false);
    for part in parts {
        match part {
            Left::Decided(truth) if truth == decisive => return Left::Decided(decisive),
            Left::Decided(Truth::Unknown) => is_unknown = true,
            Left::Decided(_) => {}
            Left::Open(part) => open.push(part),
        }
    }
    match (open.len(), is_unknown) {
        (0, false) => Left::Decided(neutral),
        (0, true) => Left::Decided(Truth::Unknown),
        (1, false) => open.pop().map_or(Left::Decided(neutral), Left::Open),
        (_, false) => Left::Open(make(open)),
        (_, true) => {
            open.push(unknown());
            Left::Open(make(open))
        }
    }
}

/// Whether every item that meets the one condition meets the other; no condition is met by all.
pub(super) fn implies(one: Option<&Predicate>, other: Option<&Predicate>) -> bool {
    let Some(other) = other else { return true };
    let always = Predicate::And(Vec::new());
    let one = one.unwrap_or(&always);
    // Common parts hold on both sides, and trying them would only cost combinations.
    let given: Vec<&Predicate> = conjuncts(one);
    let wanted: Vec<Predicate> =
        conjuncts(other).into_iter().filter(|part| !given.contains(part)).cloned().collect();
    let Some(wanted) = all_of(wanted) else { return true };
    let about: BTreeSet<&Path> = wanted.paths().into_iter().collect();
    let telling: Vec<Predicate> = given
        .into_iter()
        .filter(|part| part.paths().iter().any(|path| about.contains(path)))
        .cloned()
        .collect();
    let given = all_of(telling).unwrap_or(Predicate::And(Vec::new()));
    every_case(&[&given, &wanted], |truths| match truths {
        [given, wanted] => *given != Truth::True || *wanted == Truth::True,
        _ => false,
    })
}

/// Whether two tests of one attribute agree on all its values, where the second sees a value as
/// `convert` leaves it.
pub(super) fn agree_through(
    one: &Atom,
    other: &Atom,
    candidates: &[Candidate],
    path: &Path,
    convert: impl Fn(&Value) -> Value,
    holds: impl Fn(Truth, Truth) -> bool,
) -> bool {
    let flat = Path::column("x");
    let flatten = |atom: &Atom| {
        Predicate::Atom(map_atom(atom, &|read: &Path| if read == path { flat.clone() } else { read.clone() }))
    };
    let (one, other) = (flatten(one), flatten(other));
    candidates.iter().all(|candidate| {
        let item =
            |value: Option<Value>| value.map(|value| ("x".to_owned(), value)).into_iter().collect::<Item>();
        let before = one.evaluate(&item(candidate.clone())).truth;
        let after = other.evaluate(&item(candidate.as_ref().map(&convert))).truth;
        holds(before, after)
    })
}

/// Whether something holds of the truths of some conditions in every case.
fn every_case(conditions: &[&Predicate], holds: impl Fn(&[Truth]) -> bool) -> bool {
    let mut names: BTreeMap<Path, usize> = BTreeMap::new();
    let mut opaque: Vec<Atom> = Vec::new();
    for atom in conditions.iter().flat_map(|condition| condition.atoms()) {
        if !is_simple(atom) {
            if !opaque.contains(atom) {
                opaque.push(atom.clone());
            }
            continue;
        }
        for path in super::paths::atom_paths(atom) {
            let number = names.len();
            names.entry(path).or_insert(number);
        }
    }
    let column = |number: usize| format!("c{number}");
    let truth_column = |number: usize| format!("t{number}");
    let flat: Vec<Predicate> = conditions
        .iter()
        .map(|condition| {
            condition.map_atoms(&mut |atom| match opaque.iter().position(|known| known == atom) {
                Some(number) => Atom::Compare {
                    left: Operand::Path(Path::column(truth_column(number))),
                    op: Comparison::Equal,
                    right: Operand::Literal(Value::Bool(true)),
                },
                None => map_atom(atom, &|path: &Path| {
                    names.get(path).map_or_else(|| path.clone(), |number| Path::column(column(*number)))
                }),
            })
        })
        .collect();
    let mut variables: Vec<(String, Vec<Candidate>)> =
        names.iter().map(|(path, number)| (column(*number), candidates::of(path, conditions))).collect();
    let truths = || [Value::Bool(true), Value::Bool(false), Value::Null].map(Some).to_vec();
    variables.extend((0..opaque.len()).map(|number| (truth_column(number), truths())));
    let combinations =
        variables.iter().try_fold(1_usize, |product, (_, values)| product.checked_mul(values.len()));
    let Some(combinations) = combinations.filter(|count| *count <= COMBINATIONS_MAX) else { return false };
    (0..combinations).all(|number| {
        let (mut rest, mut item) = (number, Item::new());
        for (name, values) in &variables {
            let at = rest % values.len();
            rest /= values.len();
            if let Some(Some(value)) = values.get(at) {
                item.insert(name.clone(), value.clone());
            }
        }
        let truths: Vec<Truth> = flat.iter().map(|condition| condition.evaluate(&item).truth).collect();
        holds(&truths)
    })
}

/// The values that an attribute has at most in items that meet a condition; `None` where it does
/// not say.
pub(super) fn pinned(condition: &Predicate, path: &Path) -> Option<BTreeSet<Value>> {
    match condition {
        Predicate::Atom(Atom::Compare {
            left: Operand::Path(read),
            op: Comparison::Equal,
            right: Operand::Literal(value),
        })
        | Predicate::Atom(Atom::Compare {
            left: Operand::Literal(value),
            op: Comparison::Equal,
            right: Operand::Path(read),
        }) if read == path => Some([value.clone()].into()),
        Predicate::Atom(Atom::In { operand: Operand::Path(read), values }) if read == path => {
            Some(values.iter().cloned().collect())
        }
        Predicate::Atom(Atom::IsNull(read)) if read == path => Some([Value::Null].into()),
        Predicate::Atom(_) | Predicate::Not(_) => None,
        Predicate::And(parts) => parts.iter().filter_map(|part| pinned(part, path)).min_by_key(BTreeSet::len),
        Predicate::Or(parts) => parts.iter().try_fold(BTreeSet::new(), |mut values, part| {
            values.extend(pinned(part, path)?);
            Some(values)
        }),
    }
}

/// Whether items that meet a condition have no such attribute.
pub(super) fn shuts_out(condition: &Predicate, path: &Path) -> bool {
    conjuncts(condition).into_iter().any(|part| *part == Predicate::Atom(Atom::IsMissing(path.clone())))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn column(name: &str) -> Operand {
        Operand::Path(Path::column(name))
    }

    fn compare(name: &str, op: Comparison, n: i64) -> Predicate {
        let right = Operand::Literal(Value::Number(Decimal::from(n)));
        Predicate::Atom(Atom::Compare { left: column(name), op, right })
    }

    fn and(parts: &[Predicate]) -> Predicate {
        Predicate::And(parts.to_vec())
    }

    #[test]
    fn an_implication_is_found_where_comparisons_allow_no_other_case() {
        use Comparison::{Equal, Greater, GreaterOrEqual, NotEqual};
        let contains = Predicate::Atom(Atom::Contains(Path::column("t"), Value::String("x".into())));
        let check = |one: &Predicate, other: &Predicate, expected: bool| {
            assert_eq!(implies(Some(one), Some(other)), expected, "{one:?} to {other:?}");
        };
        check(&compare("a", Greater, 20), &compare("a", Greater, 10), true);
        check(&compare("a", Greater, 10), &compare("a", Greater, 20), false);
        check(&compare("a", Greater, 10), &compare("a", GreaterOrEqual, 11), false);
        check(&compare("a", Equal, 10), &compare("a", NotEqual, 9), true);
        check(&compare("a", Equal, 10), &compare("b", NotEqual, 9), false);
        check(&and(&[contains.clone(), compare("a", Equal, 1)]), &contains, true);
        check(&compare("a", Equal, 1), &contains, false);
        check(&contains, &Predicate::Or(vec![compare("a", Equal, 1), contains.clone()]), true);
        assert!(implies(Some(&contains), None));
        assert!(!implies(None, Some(&contains)));
    }

    #[test]
    fn decided_tests_leave_the_rest_and_unknown_ones_let_nothing_through() {
        use Comparison::Equal;
        let (a, b) = (compare("a", Equal, 1), compare("b", Equal, 2));
        let decide = |truth: Truth| {
            move |atom: &Atom| {
                super::super::paths::atom_paths(atom).contains(&Path::column("a")).then_some(truth)
            }
        };
        let both = and(&[a.clone(), b.clone()]);
        let left = |condition: &Predicate, truth| left_of(condition, &decide(truth)).into_filter();
        assert_eq!(left(&both, Truth::True), Ok(Some(b.clone())));
        assert_eq!(left(&both, Truth::False), Err(Never));
        assert_eq!(left(&both, Truth::Unknown), Err(Never));
        assert_eq!(left(&a, Truth::True), Ok(None));
        let or = Predicate::Or(vec![a.clone(), b.clone()]);
        assert_eq!(left(&or, Truth::False), Ok(Some(b.clone())));
        let not = Predicate::Not(Box::new(both));
        let unknown = left_of(&not, &decide(Truth::Unknown)).into_filter();
        assert!(matches!(unknown, Ok(Some(_))), "a false other part still makes it true");
        let never = left_of(&never(), &|_| None).into_filter();
        assert!(!implies(None, never.ok().flatten().as_ref()));
    }

    #[test]
    fn a_condition_pins_what_it_equals() {
        use Comparison::Equal;
        let key = Path::column("a");
        let values = |numbers: &[i64]| numbers.iter().map(|n| Value::Number(Decimal::from(*n))).collect();
        let (one, two) = (compare("a", Equal, 1), compare("a", Equal, 2));
        assert_eq!(pinned(&and(&[compare("b", Equal, 3), one.clone()]), &key), Some(values(&[1])));
        assert_eq!(pinned(&Predicate::Or(vec![one.clone(), two]), &key), Some(values(&[1, 2])));
        assert_eq!(pinned(&Predicate::Or(vec![one, compare("b", Equal, 3)]), &key), None);
    }
}
