//! Rows to try a plan on: a small domain in which everything that the logic tells apart occurs.

use std::collections::{BTreeMap, BTreeSet};

use super::candidates::{self, Candidate};
use super::composition::is_between;
use super::draft::Draft;
use super::paths::{renamed, segments};
use crate::definition::CountDefinition;
use crate::migration::{Action, conversion};
use crate::path::{Path, Segment};
use crate::predicate::{Atom, Predicate, Truth};
use crate::value::{Item, Value};

/// Most rows of a domain. Beyond it combinations are sampled evenly, always the same ones.
const ROWS_MAX: usize = 256;
/// Rows whose attributes are then varied one by one.
const BASES_MAX: usize = 12;
/// Steps through combinations so that each attribute's values come up evenly.
const STRIDE: usize = 7_919;

/// Rows of both shapes.
#[derive(Clone, PartialEq, Debug, Default)]
pub(super) struct Rows {
    /// Rows as they were before the change.
    pub earlier: Vec<Item>,
    /// Rows as they are written after it.
    pub later: Vec<Item>,
}

impl Rows {
    /// Rows that a parent's definition and a draft of the next one tell apart.
    pub(super) fn of(parent: &CountDefinition, draft: &Draft, not_null: &[Path]) -> Self {
        let new_names: Vec<Path> = draft.definition.paths().cloned().collect();
        let old_names: Vec<Path> = parent.paths().cloned().collect();
        let filters: Vec<&Predicate> = parent.filter.iter().chain(&draft.definition.filter).collect();
        let renames = || {
            draft.change.iter().filter_map(|action| match action {
                Action::Rename { from, to } => Some((from, to)),
                _ => None,
            })
        };
        let before = |path: &Path| draft.name_before(path);
        let after = |path: &Path| renames().fold(path.clone(), |path, (from, to)| renamed(&path, from, to));
        // Each attribute by both of its names, so that literals of either condition are tried.
        let mut names: BTreeMap<Path, BTreeSet<Path>> = BTreeMap::new();
        // What only steps of old read decides whether a row counts as an earlier one.
        let steps = draft.earlier_steps.iter().map(|step| step.action.paths().0.clone());
        // What takes over a name that the parent reads is misread by it.
        let taken = renames().map(|(from, _)| from.clone()).filter(|from| !is_between(from));
        for path in old_names.iter().cloned().chain(new_names.iter().map(before)).chain(steps).chain(taken) {
            let now = after(&path);
            names.entry(path.clone()).or_default().extend([path, now]);
        }
        let made: Vec<&Path> = draft
            .change
            .iter()
            .filter_map(|action| match action {
                Action::Default { path, .. } => Some(path),
                _ => None,
            })
            .collect();
        let is_absent = |path: &Path| draft.absent.iter().any(|absent| is_in(path, absent));
        let earlier: Vec<(Path, Vec<Candidate>)> = names
            .iter()
            .filter(|(path, _)| !is_absent(path))
            .map(|(path, aliases)| {
                let mut values = values_of(aliases, &filters);
                if let Some((_, types)) = draft.typed.iter().find(|(typed, _)| typed == path) {
                    values.extend(samples().map(Some));
                    values.retain(|value| value.as_ref().is_none_or(|value| conversion::is_of(value, types)));
                }
                if not_null.contains(path) {
                    values.retain(|value| !matches!(value, None | Some(Value::Null)));
                }
                (path.clone(), values)
            })
            .collect();
        let earlier = combine(&earlier, &filters);
        let mut later: Vec<Item> = earlier.iter().map(|row| changed(row, &draft.change)).collect();
        // What a row from before cannot have: other values in a column that is new.
        let new: Vec<(Path, Vec<Candidate>)> = new_names
            .iter()
            .chain(&old_names)
            .collect::<BTreeSet<_>>()
            .into_iter()
            .filter(|path| made.iter().any(|new| is_in(path, new)))
            .map(|path| (path.clone(), values_of(&[path.clone()].into(), &filters)))
            .collect();
        let varied: Vec<Item> = later
            .iter()
            .take(BASES_MAX)
            .flat_map(|row| new.iter().map(move |one| (row, one)))
            .flat_map(|(row, (path, values))| values.iter().map(move |value| with(row, path, value.as_ref())))
            .collect();
        later.extend(varied);
        Self { earlier, later }
    }
}

fn is_in(path: &Path, parent: &Path) -> bool {
    segments(path).starts_with(&segments(parent))
}

/// What becomes of a row that a change rewrites.
pub(super) fn changed(row: &Item, change: &[Action]) -> Item {
    let mut row = std::borrow::Cow::Borrowed(row);
    for action in change {
        action.apply(&mut row);
    }
    row.into_owned()
}

fn samples() -> impl Iterator<Item = Value> {
    let numbers = ["0", "1", "2", "0.4", "1.4", "1.5", "-1", "100"].into_iter();
    let numbers = numbers.filter_map(|number| number.parse().ok()).map(Value::Number);
    let texts =
        ["p", "q", "1", "2", "1.0", "long text", "long tex"].map(|text| Value::String(text.to_owned()));
    numbers.chain(texts).chain([Value::Bool(true), Value::Bool(false), Value::Binary(b"p".to_vec())])
}

fn values_of(names: &BTreeSet<Path>, filters: &[&Predicate]) -> Vec<Candidate> {
    let mut values = Vec::new();
    for name in names {
        values.extend(candidates::of(name, filters));
    }
    values.extend(["p", "q"].map(|text| Some(Value::String(text.to_owned()))));
    values.push(Some(Value::Number(1.into())));
    let mut seen = BTreeSet::new();
    values.retain(|value| seen.insert(value.clone()));
    values
}

/// Rows made of attributes' values: all combinations where they are few, else an even sample, and
/// rows that meet as much of the conditions as can be had, with each attribute varied.
fn combine(columns: &[(Path, Vec<Candidate>)], filters: &[&Predicate]) -> Vec<Item> {
    let all =
        columns.iter().fold(1_usize, |product, (_, values)| product.saturating_mul(values.len().max(1)));
    let mut rows: Vec<Item> = if all <= ROWS_MAX {
        (0..all).map(|number| row(columns, number)).collect()
    } else {
        (0..ROWS_MAX).map(|number| row(columns, number.wrapping_mul(STRIDE) % all)).collect()
    };
    if all > ROWS_MAX {
        let mut bases: Vec<Item> = filters.iter().map(|filter| meeting(columns, filter)).collect();
        bases.push(row(columns, 0));
        bases.extend(rows.iter().take(BASES_MAX.saturating_sub(bases.len())).cloned().collect::<Vec<_>>());
        for base in &bases {
            for (path, values) in columns {
                rows.extend(values.iter().map(|value| with(base, path, value.as_ref())));
            }
        }
    }
    let mut seen = BTreeSet::new();
    let is_first: Vec<bool> = rows.iter().map(|row| seen.insert(row)).collect();
    let mut is_first = is_first.into_iter();
    rows.retain(|_| is_first.next() == Some(true));
    rows
}

fn row(columns: &[(Path, Vec<Candidate>)], number: usize) -> Item {
    let (mut rest, mut item) = (number, Item::new());
    for (path, values) in columns {
        let at = rest % values.len().max(1);
        rest /= values.len().max(1);
        if let Some(Some(value)) = values.get(at) {
            put(&mut item, path, value);
        }
    }
    item
}

/// A row that meets as many tests of a condition as trying one attribute after the other gives.
fn meeting(columns: &[(Path, Vec<Candidate>)], filter: &Predicate) -> Item {
    let score = |item: &Item| {
        let atoms: Vec<&Atom> = filter.atoms();
        let met =
            atoms.iter().filter(|atom| Predicate::Atom((**atom).clone()).evaluate(item).truth == Truth::True);
        (filter.evaluate(item).truth == Truth::True, met.count())
    };
    let first = row(columns, 0);
    let mut best = (score(&first), first);
    for (path, values) in columns {
        for value in values {
            let other = with(&best.1, path, value.as_ref());
            let reached = score(&other);
            if reached > best.0 {
                best = (reached, other);
            }
        }
    }
    best.1
}

/// The row with another value at a path, or with none.
fn with(row: &Item, path: &Path, value: Option<&Value>) -> Item {
    let mut item = changed(row, &[Action::Drop { path: path.clone() }]);
    if let Some(value) = value {
        put(&mut item, path, value);
    }
    item
}

/// Puts a value at a path, with the maps and lists on the way; where another value is in the way,
/// that one stays.
fn put(item: &mut Item, path: &Path, value: &Value) {
    let (at, mut rest) = (item.entry(path.column_name().to_owned()), path.rest().iter());
    let mut next = rest.next();
    let Some(first) = next else {
        at.insert_entry(value.clone());
        return;
    };
    let mut slot = at.or_insert_with(|| empty(first));
    while let Some(segment) = next {
        next = rest.next();
        let fresh = next.map_or_else(|| value.clone(), empty);
        slot = match (segment, slot) {
            (Segment::Field(name), Value::Map(map)) => {
                if next.is_none() {
                    map.insert(name.clone(), fresh);
                    return;
                }
                map.entry(name.clone()).or_insert(fresh)
            }
            (Segment::Index(index), Value::List(list)) if *index < INDEX_MAX => {
                if list.len() <= *index {
                    list.resize(*index + 1, Value::Null);
                }
                match list.get_mut(*index) {
                    Some(slot) => {
                        if next.is_none() || *slot == Value::Null {
                            *slot = fresh;
                        }
                        slot
                    }
                    None => return,
                }
            }
            _ => return,
        };
    }
}

/// Longest list that a row is given.
const INDEX_MAX: usize = 64;

fn empty(within: &Segment) -> Value {
    match within {
        Segment::Field(_) => Value::Map(Item::new()),
        Segment::Index(_) => Value::List(Vec::new()),
    }
}
