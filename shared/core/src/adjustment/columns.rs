//! Proofs by column: a change does something to a few columns, and what it does to one has nothing to do
//! with what the others hold. Where each test and each dimension comes to the same before and after,
//! whatever its own column holds, whole rows do, and none has to be tried.
//!
//! Columns hang together where a step, or a test of two columns, leads from the one to the other; the values
//! of such a bundle are tried in all combinations ([`super::candidates`]). Columns that nothing is done to
//! are read as before by tests and dimensions that are as before. Of bundles that nothing reads any more,
//! as a grouping attribute's that was dropped, there is nothing to try.
//!
//! What this bears out, rows that are tried ([`super::witness`]) bear out as well: each of them is such a
//! combination in every bundle. Where it does not, they are tried. Rows whose key is too long to be counted
//! by name are left out by both: their counts are exact in total alone.

use std::collections::BTreeSet;

use super::candidates::{Candidate, literals};
use super::rows::{Rows, changed, with};
use super::witness::Trial;
use crate::definition::CountDefinition;
use crate::group::GROUP_KEY_BYTES_MAX;
use crate::logic::Relation;
use crate::migration::{Action, item_of, migrate, value_of};
use crate::order::{Micros, OrderVersion};
use crate::path::Path;
use crate::predicate::{Atom, Predicate, Truth};
use crate::transform::Transform;
use crate::value::{Item, Value};

/// Most combinations of a bundle's values; beyond it rows are tried.
const COMBINATIONS_MAX: usize = 300;
/// What a dimension's value may weigh more than a literal next to it: numbers become text.
const WEIGHT_MARGIN: usize = 200;

/// Whether a transform is exact, and rows of either shape stand to the parent's as `expected`, because
/// they do column by column.
pub(super) fn bear_out(trial: &Trial<'_>, transform: &Transform, expected: Relation) -> bool {
    let Some(bundles) = Bundles::of(trial, transform) else { return false };
    let mut later = Later::default();
    bundles.0.iter().all(|bundle| bundle.bears_out(trial, transform, expected, &mut later))
        && (expected != Relation::MappedWhileEarlier || !(later.is_earlier && later.differs))
}

/// What rows of the new shape may be.
#[derive(Default)]
struct Later {
    /// Whether a step takes any for an earlier one.
    is_earlier: bool,
    /// Whether any counts otherwise than its image.
    differs: bool,
}

/// Columns that hang together, with what reads them.
#[derive(Default)]
struct Bundle<'a> {
    columns: BTreeSet<&'a str>,
    /// Tests before and after.
    atoms: Vec<(&'a Atom, &'a Atom)>,
    /// Dimensions before, and after.
    before: Vec<&'a Path>,
    after: Vec<&'a Path>,
    /// The distinct count's column before and after.
    distinct: Option<(&'a Path, &'a Path)>,
}

struct Bundles<'a>(Vec<Bundle<'a>>);

impl<'a> Bundles<'a> {
    /// What a change does something to; `None` where it is not column by column.
    fn of(trial: &Trial<'a>, transform: &'a Transform) -> Option<Self> {
        let (old, new) = (&trial.parent.definition, &trial.next.definition);
        let pairs = pairs(old.filter.as_ref(), new.filter.as_ref())?;
        let (before, after) = (old.dimensions(), new.dimensions());
        let truths = if new.headroom.truth { pairs.len() } else { 0 };
        let is_plain_form = transform.keep.is_none()
            && transform.atoms.iter().copied().eq((0..pairs.len()).map(|atom| u16::try_from(atom).ok()))
            && (pairs.is_empty() || old.headroom.truth == new.headroom.truth)
            && old.distinct.is_some() == new.distinct.is_some()
            && transform
                .group_by
                .strip_prefix(after.as_slice())
                .is_some_and(|rest| rest.iter().cloned().eq((0..truths).map(Predicate::truth_path)))
            && fits(trial, before.len().max(after.len()));
        if !is_plain_form {
            return None;
        }
        let mut bundles = Self(Vec::new());
        let steps = trial.parent.migration.iter().chain(&trial.next.migration).map(|step| &step.action);
        for action in steps.chain(trial.change).chain(&transform.actions) {
            let (from, to) = action.paths();
            bundles.join(&[from, to])?;
        }
        for (one, other) in pairs {
            let paths: Vec<&Path> = one.paths().into_iter().chain(other.paths()).collect();
            match bundles.reached(&paths) {
                true => bundles.join(&paths)?.atoms.push((one, other)),
                false if one == other => {}
                false => return None,
            }
        }
        let dimensions = |definition: &'a CountDefinition| {
            definition.group_by.iter().chain(&definition.headroom.attributes)
        };
        for path in dimensions(old).filter(|path| bundles.reached(&[path])).collect::<Vec<_>>() {
            bundles.join(&[path])?.before.push(path);
        }
        for path in dimensions(new) {
            match bundles.reached(&[path]) {
                true => bundles.join(&[path])?.after.push(path),
                false if before.contains(path) => {}
                false => return None,
            }
        }
        if let Some((one, other)) = old.distinct.as_ref().zip(new.distinct.as_ref()) {
            match bundles.reached(&[one, other]) {
                true => bundles.join(&[one, other])?.distinct = Some((one, other)),
                false if one == other => {}
                false => return None,
            }
        }
        // A part of a column is no column of its own.
        let is_part = |path: &Path| !is_plain(path) && bundles.reached(&[path]);
        (!trial.rows.columns().chain(trial.rows.made()).any(is_part)).then_some(bundles)
    }

    /// Whether a bundle has any of the columns.
    fn reached(&self, paths: &[&Path]) -> bool {
        paths.iter().any(|path| self.0.iter().any(|bundle| bundle.columns.contains(path.column_name())))
    }

    /// Bundles columns; `None` where one of the paths is a part of a column.
    fn join(&mut self, paths: &[&'a Path]) -> Option<&mut Bundle<'a>> {
        if !paths.iter().all(|path| is_plain(path)) {
            return None;
        }
        let columns: BTreeSet<&str> = paths.iter().map(|path| path.column_name()).collect();
        let (mut joined, others): (Vec<_>, Vec<_>) =
            std::mem::take(&mut self.0).into_iter().partition(|bundle| !bundle.columns.is_disjoint(&columns));
        self.0 = others;
        let mut bundle = joined.pop().unwrap_or_default();
        for other in joined {
            bundle.columns.extend(other.columns);
            bundle.atoms.extend(other.atoms);
            bundle.before.extend(other.before);
            bundle.after.extend(other.after);
            bundle.distinct = bundle.distinct.or(other.distinct);
        }
        bundle.columns.extend(columns);
        self.0.push(bundle);
        self.0.last_mut()
    }
}

/// A column of its own, and not under a name that parts of columns stand under in a key.
fn is_plain(path: &Path) -> bool {
    path.rest().is_empty() && !path.column_name().contains(['.', '[', ']', '"'])
}

/// The tests of two conditions, in pairs, where they are connected in the same way.
fn pairs<'a>(one: Option<&'a Predicate>, other: Option<&'a Predicate>) -> Option<Vec<(&'a Atom, &'a Atom)>> {
    fn walk<'a>(one: &'a Predicate, other: &'a Predicate, pairs: &mut Vec<(&'a Atom, &'a Atom)>) -> bool {
        match (one, other) {
            (Predicate::Atom(one), Predicate::Atom(other)) => {
                pairs.push((one, other));
                true
            }
            (Predicate::Not(one), Predicate::Not(other)) => walk(one, other, pairs),
            (Predicate::And(ones), Predicate::And(others)) | (Predicate::Or(ones), Predicate::Or(others)) => {
                ones.len() == others.len()
                    && ones.iter().zip(others).all(|(one, other)| walk(one, other, pairs))
            }
            _ => false,
        }
    }
    let mut pairs = Vec::new();
    match (one, other) {
        (None, None) => Some(pairs),
        (Some(one), Some(other)) => walk(one, other, &mut pairs).then_some(pairs),
        _ => None,
    }
}

/// Whether no key can be too long to be counted by name.
fn fits(trial: &Trial<'_>, dimensions: usize) -> bool {
    let length = |value: &Value| match value {
        Value::Null | Value::Bool(_) | Value::Number(_) => 0,
        Value::String(text) => text.len(),
        Value::Binary(bytes) => bytes.len(),
        _ => GROUP_KEY_BYTES_MAX,
    };
    let filters = [&trial.parent.definition, &trial.next.definition].into_iter().flat_map(|one| &one.filter);
    let tested = filters.flat_map(Predicate::atoms).flat_map(literals);
    let steps = trial.parent.migration.iter().chain(&trial.next.migration).map(|step| &step.action);
    let given = steps.chain(trial.change).filter_map(|action| match action {
        Action::Default { value, .. } | Action::FillNull { value, .. } => Some(value),
        Action::Rename { .. } | Action::Drop { .. } | Action::Convert { .. } => None,
    });
    let longest = tested.chain(given).map(length).max().unwrap_or(0);
    longest.saturating_add(WEIGHT_MARGIN).saturating_mul(dimensions) <= GROUP_KEY_BYTES_MAX
}

/// A row's part in a bundle as both definitions read it.
struct Sides<'a> {
    old: &'a Item,
    new: &'a Item,
}

impl Bundle<'_> {
    fn bears_out(
        &self,
        trial: &Trial<'_>,
        transform: &Transform,
        expected: Relation,
        later: &mut Later,
    ) -> bool {
        let is_read = !self.atoms.is_empty() || !self.after.is_empty() || self.distinct.is_some();
        let is_of = |action: &Action| self.columns.contains(action.paths().0.column_name());
        let is_told = expected == Relation::MappedWhileEarlier
            && trial.next.migration.iter().any(|step| is_of(&step.action));
        if !is_read && !is_told {
            return true;
        }
        let Some(earlier) = self.earlier(trial.rows) else { return false };
        let oldest = OrderVersion::load(0, Micros::MIN);
        let ages = if trial.tells_of_earlier_rows() { Vec::new() } else { trial.ages() };
        let is_image = |new: &Item, at: Option<&OrderVersion>, old: &Item| {
            let (new, _) = migrate(trial.steps(), new, at);
            let sides = Sides { old, new: &new };
            self.atoms.iter().all(|(before, after)| before.evaluate(old) == after.evaluate(&new))
                && self.is_counted_alike(&sides, transform)
        };
        let keeps = |row: &Item, at: &OrderVersion| {
            let (old, _) = migrate(&trial.parent.migration, row, Some(at));
            let (new, _) = migrate(&trial.next.migration, row, Some(at));
            self.agrees(&Sides { old: &old, new: &new }, transform)
        };
        let are_images = earlier.iter().all(|row| {
            is_image(&changed(row, trial.change), trial.position, row)
                && is_image(row, Some(&oldest), row)
                && ages.iter().all(|age| keeps(row, age))
        });
        are_images
            && self.later(trial.rows, &earlier, trial.change).iter().all(|row| {
                let (old, _) = migrate(&trial.parent.migration, row, trial.position);
                let (new, was_earlier) = migrate(&trial.next.migration, row, trial.position);
                let sides = Sides { old: &old, new: &new };
                match expected {
                    Relation::Mapped => self.agrees(&sides, transform),
                    Relation::MappedWhileEarlier => {
                        later.is_earlier |= was_earlier;
                        later.differs |= !self.agrees(&sides, transform);
                        true
                    }
                    // Of what is not known less can only become more.
                    Relation::AtLeast => {
                        self.truths(&sides).all(|(old, new)| old == Truth::Unknown || old == new)
                    }
                    Relation::AtMost => {
                        self.truths(&sides).all(|(old, new)| new == Truth::Unknown || old == new)
                    }
                    Relation::Unrelated => true,
                }
            })
    }

    fn truths(&self, sides: &Sides<'_>) -> impl Iterator<Item = (Truth, Truth)> {
        self.atoms
            .iter()
            .map(|(before, after)| (before.evaluate(sides.old).truth, after.evaluate(sides.new).truth))
    }

    /// Whether a row counts as its image as far as the bundle goes.
    fn agrees(&self, sides: &Sides<'_>, transform: &Transform) -> bool {
        self.truths(sides).all(|(old, new)| old == new) && self.is_counted_alike(sides, transform)
    }

    /// Whether dimensions and the distinct value are the image's.
    fn is_counted_alike(&self, sides: &Sides<'_>, transform: &Transform) -> bool {
        let key: Vec<(Path, Value)> = self
            .before
            .iter()
            .filter_map(|path| Some(((*path).clone(), path.lookup(sides.old)?.clone())))
            .collect();
        let image = changed(&item_of(&key), &transform.actions);
        self.after.iter().all(|path| value_of(&image, path) == path.lookup(sides.new))
            && self.distinct.is_none_or(|(before, after)| before.lookup(sides.old) == after.lookup(sides.new))
    }

    /// All combinations of values that rows before the change have in the bundle.
    fn earlier(&self, rows: &Rows<'_>) -> Option<Vec<Item>> {
        let mut items = vec![Item::new()];
        for path in rows.columns().filter(|path| self.columns.contains(path.column_name())) {
            let values = rows.values(path);
            if items.len().saturating_mul(values.len()) > COMBINATIONS_MAX {
                return None;
            }
            // Where no value is of its type, rows are without.
            if !values.is_empty() {
                items = varied(&items, path, values);
            }
        }
        Some(items)
    }

    /// The same after the change, with other values in what is new.
    fn later(&self, rows: &Rows<'_>, earlier: &[Item], change: &[Action]) -> Vec<Item> {
        let mut items: Vec<Item> = earlier.iter().map(|row| changed(row, change)).collect();
        let made = rows.made().filter(|path| self.columns.contains(path.column_name()));
        let varied: Vec<Item> = made.flat_map(|path| varied(&items, path, rows.values_made(path))).collect();
        items.extend(varied);
        items
    }
}

fn varied(items: &[Item], path: &Path, values: &[Candidate]) -> Vec<Item> {
    items.iter().flat_map(|row| values.iter().map(move |value| with(row, path, value.as_ref()))).collect()
}
