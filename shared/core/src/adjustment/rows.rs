//! Rows to try a plan on: a small domain in which everything that the logic tells apart occurs.

use std::cell::OnceCell;
use std::collections::{BTreeMap, BTreeSet};
use std::iter;
use std::rc::Rc;

use super::candidates::{self, Candidate};
use super::composition::is_between;
use super::draft::Draft;
use super::paths::{renamed, segments};
use crate::definition::CountDefinition;
use crate::migration::{Action, conversion, take};
use crate::path::{Path, Segment};
use crate::predicate::{Atom, Predicate, Truth};
use crate::value::{Item, Value};

/// Most combinations of a domain. Beyond it they are sampled evenly, always the same ones.
const ROWS_MAX: usize = 256;
/// Rows whose attributes are then varied one by one.
const BASES_MAX: usize = 12;
/// Steps through combinations so that each attribute's values come up evenly.
const STRIDE: usize = 7_919;

/// Rows of both shapes, made as they are asked for: a proof mostly needs few of them.
pub(super) struct Rows<'a> {
    draft: &'a Draft,
    not_null: &'a [Path],
    filters: Vec<&'a Predicate>,
    /// Attributes of rows before the change.
    columns: Vec<Column>,
    /// Attributes that are new, and that rows from before cannot have other values in.
    made: Vec<Column>,
    bases: OnceCell<Vec<Item>>,
}

/// An attribute that rows differ in.
struct Column {
    path: Path,
    /// By each of its names, so that literals of either condition are tried.
    names: BTreeSet<Path>,
    values: OnceCell<Vec<Candidate>>,
}

impl Column {
    fn new(path: Path, names: BTreeSet<Path>) -> Self {
        Self { path, names, values: OnceCell::new() }
    }
}

impl<'a> Rows<'a> {
    /// Rows that a parent's definition and a draft of the next one tell apart.
    pub(super) fn of(parent: &'a CountDefinition, draft: &'a Draft, not_null: &'a [Path]) -> Self {
        let filters: Vec<&Predicate> = parent.filter.iter().chain(&draft.definition.filter).collect();
        let renames = || {
            draft.change.iter().filter_map(|action| match action {
                Action::Rename { from, to } => Some((from, to)),
                _ => None,
            })
        };
        let before = |path: &Path| draft.name_before(path);
        let after = |path: &Path| renames().fold(path.clone(), |path, (from, to)| renamed(&path, from, to));
        let mut names: BTreeMap<Path, BTreeSet<Path>> = BTreeMap::new();
        // What only steps of old read decides whether a row counts as an earlier one.
        let steps = draft.earlier_steps.iter().map(|step| step.action.paths().0.clone());
        // What takes over a name that the parent reads is misread by it.
        let taken = renames().map(|(from, _)| from.clone()).filter(|from| !is_between(from));
        let new_names = || draft.definition.paths();
        for path in parent.paths().cloned().chain(new_names().map(before)).chain(steps).chain(taken) {
            let now = after(&path);
            names.entry(path.clone()).or_default().extend([path, now]);
        }
        let is_absent = |path: &Path| draft.absent.iter().any(|absent| is_in(path, absent));
        let columns = names.into_iter().filter(|(path, _)| !is_absent(path));
        let is_made = |path: &&Path| {
            draft.change.iter().any(|action| match action {
                Action::Default { path: new, .. } => is_in(path, new),
                _ => false,
            })
        };
        let made: BTreeSet<&Path> = new_names().chain(parent.paths()).filter(is_made).collect();
        Self {
            draft,
            not_null,
            filters,
            columns: columns.map(|(path, names)| Column::new(path, names)).collect(),
            made: made.into_iter().map(|path| Column::new(path.clone(), [path.clone()].into())).collect(),
            bases: OnceCell::new(),
        }
    }

    /// The attributes of rows before the change.
    pub(super) fn columns(&self) -> impl Iterator<Item = &Path> {
        self.columns.iter().map(|column| &column.path)
    }

    /// The attributes that rows after the change alone have other values in.
    pub(super) fn made(&self) -> impl Iterator<Item = &Path> {
        self.made.iter().map(|column| &column.path)
    }

    /// Values of an attribute of [`Self::columns`] in rows before the change.
    pub(super) fn values(&self, path: &Path) -> &[Candidate] {
        self.columns.iter().find(|column| column.path == *path).map_or(&[], |column| self.earlier_of(column))
    }

    /// Values of an attribute of [`Self::made`] in rows after the change.
    pub(super) fn values_made(&self, path: &Path) -> &[Candidate] {
        self.made.iter().find(|column| column.path == *path).map_or(&[], |column| self.later_of(column))
    }

    fn earlier_of<'b>(&self, column: &'b Column) -> &'b [Candidate] {
        column.values.get_or_init(|| {
            let mut values = values_of(&column.names, &self.filters);
            if let Some((_, types)) = self.draft.typed.iter().find(|(typed, _)| *typed == column.path) {
                values.extend(samples().map(Some));
                values.retain(|value| value.as_ref().is_none_or(|value| conversion::is_of(value, types)));
            }
            if self.not_null.contains(&column.path) {
                values.retain(|value| !matches!(value, None | Some(Value::Null)));
            }
            values
        })
    }

    fn later_of<'b>(&self, column: &'b Column) -> &'b [Candidate] {
        column.values.get_or_init(|| values_of(&column.names, &self.filters))
    }

    fn axes(&self) -> Vec<(&Path, &[Candidate])> {
        self.columns.iter().map(|column| (&column.path, self.earlier_of(column))).collect()
    }

    /// Rows as they were before the change: all combinations of attributes' values where they are few,
    /// else an even sample, and rows that meet as much of the conditions as can be had, with each
    /// attribute varied. Some come twice.
    pub(super) fn earlier(&self) -> impl Iterator<Item = Item> {
        let axes = Rc::new(self.axes());
        let all = combinations(&axes);
        let is_sample = all > ROWS_MAX;
        let numbers = (0..all.min(ROWS_MAX))
            .map(move |number| if is_sample { number.wrapping_mul(STRIDE) % all } else { number });
        let first = Rc::clone(&axes);
        let bases = iter::once(()).filter(move |()| is_sample).flat_map(|()| self.bases());
        let varied = bases.flat_map(move |base| {
            let axes = Rc::clone(&axes);
            (0..axes.len()).flat_map(move |at| {
                let axis = axes.get(at).copied();
                axis.into_iter().flat_map(move |(path, values)| {
                    values.iter().map(move |value| with(base, path, value.as_ref()))
                })
            })
        });
        numbers.map(move |number| row(&first, number)).chain(varied)
    }

    /// Rows whose attributes are varied one by one, where not all combinations are tried.
    fn bases(&self) -> &[Item] {
        self.bases.get_or_init(|| {
            let axes = self.axes();
            let all = combinations(&axes);
            let mut bases: Vec<Item> = self.filters.iter().map(|filter| meeting(&axes, filter)).collect();
            bases.push(row(&axes, 0));
            let more = BASES_MAX.saturating_sub(bases.len());
            bases.extend((0..more).map(|number| row(&axes, number.wrapping_mul(STRIDE) % all)));
            bases
        })
    }

    /// Rows as they are written after the change.
    pub(super) fn later(&self) -> impl Iterator<Item = Item> {
        let rewritten = self.earlier().map(|row| changed(&row, &self.draft.change));
        let varied = self.made.iter().take(1).flat_map(|_| self.first()).flat_map(move |row| {
            let values = self.made.iter().flat_map(|column| {
                self.later_of(column).iter().map(move |value| (&column.path, value.as_ref()))
            });
            values.map(|(path, value)| with(&row, path, value)).collect::<Vec<_>>()
        });
        rewritten.chain(varied)
    }

    /// The first rows after the change that are different before it.
    fn first(&self) -> Vec<Item> {
        let mut first: Vec<Item> = Vec::new();
        for row in self.earlier() {
            if first.len() == BASES_MAX {
                break;
            }
            if !first.contains(&row) {
                first.push(row);
            }
        }
        first.iter().map(|row| changed(row, &self.draft.change)).collect()
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
    candidates::once(values)
}

fn combinations(columns: &[(&Path, &[Candidate])]) -> usize {
    columns.iter().fold(1_usize, |product, (_, values)| product.saturating_mul(values.len().max(1)))
}

fn row(columns: &[(&Path, &[Candidate])], number: usize) -> Item {
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
fn meeting(columns: &[(&Path, &[Candidate])], filter: &Predicate) -> Item {
    let atoms: Vec<&Atom> = filter.atoms();
    let score = |item: &Item| {
        let met = atoms.iter().filter(|atom| atom.evaluate(item).truth == Truth::True);
        (filter.evaluate(item).truth == Truth::True, met.count())
    };
    let first = row(columns, 0);
    let mut best = (score(&first), first);
    for (path, values) in columns {
        for value in *values {
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
pub(super) fn with(row: &Item, path: &Path, value: Option<&Value>) -> Item {
    let mut item = row.clone();
    take(&mut item, path);
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
