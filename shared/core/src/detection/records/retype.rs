//! Owns when a field has another type.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::evidence::{Evidence, FieldEvidence, Gone};
use super::{Detected, GONE_ROWS, Known, MIXED_ROWS, PERSIST_ROWS, Place, detected, typed, typed_of};
use crate::diff::retype_types;
use crate::observed::{Family, whole_within_decimal};
use crate::schema::{Field, FieldPath, TypeSet};
use crate::schema_change::{ChangeKind, Retype};

/// The fields that have other types than the known version says.
pub(super) fn detect(
    known: &Known<'_>,
    evidence: &Evidence<'_>,
    gone: &BTreeMap<&FieldPath, Gone>,
) -> Vec<Detected> {
    let there = known.schema.fields.iter().filter(|(path, _)| !gone.contains_key(path));
    there.filter_map(|(path, field)| of_field(path, field, evidence.fields.get(path)?)).collect()
}

fn of_field(path: &FieldPath, field: &Field, seen: &FieldEvidence) -> Option<Detected> {
    let known: BTreeSet<Family> = field.types.values().filter_map(Family::of_type).collect();
    // A field that has shown nothing but NULL gets its type with its first value, and that is
    // no change of it. From then on the first type is the known one.
    let known = if known.is_empty() { first_shown(seen)? } else { known };
    let fits = |family: &Family| {
        // Whole numbers are decimal numbers too.
        known.contains(family) || (*family == Family::INTEGER && known.contains(&Family::DECIMAL))
    };
    let lost: Vec<(Family, Gone)> = known
        .iter()
        .filter_map(|family| Some((*family, seen.families.get(family)?.gone(least(*family, seen))?)))
        .collect();
    let left: BTreeSet<Family> =
        known.iter().copied().filter(|family| lost.iter().all(|(lost, _)| lost != family)).collect();
    let new: Vec<Family> = seen
        .families
        .iter()
        .filter(|(family, met)| !fits(family) && met.with > 0 && met.gone(GONE_ROWS).is_none())
        .map(|(family, _)| *family)
        .collect();
    let whole_now = known.contains(&Family::DECIMAL)
        && !left.contains(&Family::DECIMAL)
        && seen.families.get(&Family::INTEGER).is_some_and(|met| met.with > 0);
    let types = |families: &mut dyn Iterator<Item = Family>| -> TypeSet {
        let types: TypeSet = families.map(Family::field_type).collect();
        whole_within_decimal(types).nullable(field.types.is_nullable() || seen.nulls > 0)
    };
    let shown = types(&mut known.iter().copied());
    let place = |lost: &[(Family, Gone)]| -> Option<Arc<Place>> {
        lost.iter().filter_map(|(_, gone)| gone.began.clone()).max_by(|a, b| a.version.cmp(&b.version))
    };
    let rows = |families: &[Family]| -> u64 {
        families.iter().filter_map(|family| seen.families.get(family)).map(|met| met.with).sum()
    };
    if left.is_empty() && (!new.is_empty() || whole_now) {
        // Every known type is gone and another is there.
        let now = types(&mut new.iter().copied().chain(whole_now.then_some(Family::INTEGER)));
        let chance = lost.iter().map(|(_, gone)| gone.chance).fold(0.0, f64::max);
        let away = lost.iter().map(|(_, gone)| gone.rows).min().unwrap_or_default();
        let because =
            format!("the last {away} rows with a value hold {}, none holds {}", bare(&now), bare(&shown));
        return Some(change(path, (field, shown), now, place(&lost).as_ref(), (away, chance, because)));
    }
    if !new.is_empty() {
        // Old and new types go on side by side: a rolling deploy, until it has lasted too long.
        let since = |family: &Family| seen.families.get(family).map_or(0, |met| met.of);
        let settled: Vec<Family> = new
            .iter()
            .copied()
            .filter(|family| since(family) >= MIXED_ROWS && rows(&[*family]) >= PERSIST_ROWS)
            .collect();
        let first = settled
            .iter()
            .filter_map(|family| seen.families.get(family)?.first.clone())
            .min_by(|a, b| a.version.cmp(&b.version));
        if !settled.is_empty() {
            let now = types(&mut known.iter().copied().chain(settled.iter().copied()));
            let because = format!(
                "{} of the last {} rows with a value hold {}",
                rows(&settled),
                settled.iter().map(since).max().unwrap_or_default(),
                bare(&types(&mut settled.iter().copied()))
            );
            return Some(change(path, (field, shown), now, first.as_ref(), (rows(&settled), 0.0, because)));
        }
        return None;
    }
    // One of several types is no longer written.
    let (lost, left_of_many) = (&lost, known.len() > 1 && !left.is_empty());
    let long_gone = !lost.is_empty() && lost.iter().all(|(_, gone)| gone.rows >= MIXED_ROWS);
    let whole_only =
        lost.iter().all(|(family, _)| *family == Family::INTEGER) && left.contains(&Family::DECIMAL);
    if left_of_many && long_gone && !whole_only {
        let now = types(&mut left.iter().copied());
        let chance = lost.iter().map(|(_, gone)| gone.chance).fold(0.0, f64::max);
        let away = lost.iter().map(|(_, gone)| gone.rows).min().unwrap_or_default();
        let because = format!("the last {away} rows with a value hold {} only", bare(&now));
        return Some(change(path, (field, shown), now, place(lost).as_ref(), (away, chance, because)));
    }
    None
}

/// Decimals that happen to be whole look like integers, so they must be gone for longer.
fn least(family: Family, seen: &FieldEvidence) -> u64 {
    let whole = seen.families.get(&Family::INTEGER).is_some_and(|met| met.with > 0);
    if family == Family::DECIMAL && whole { GONE_ROWS * 2 } else { GONE_ROWS }
}

/// The family that a field showed first.
fn first_shown(seen: &FieldEvidence) -> Option<BTreeSet<Family>> {
    let firsts = seen.families.iter().filter_map(|(family, met)| Some((met.first.as_ref()?, *family)));
    let first = firsts.min_by(|a, b| a.0.version.cmp(&b.0.version))?.1;
    Some(BTreeSet::from([first]))
}

fn bare(types: &TypeSet) -> TypeSet {
    types.clone().nullable(false)
}

fn change(
    path: &FieldPath,
    (field, before): (&Field, TypeSet),
    now: TypeSet,
    place: Option<&Arc<Place>>,
    (rows, chance, because): (u64, f64, String),
) -> Detected {
    let previous = if field.types.values().next().is_none() { typed(before) } else { typed_of(field) };
    let retype = retype_types(&previous.types, &now).unwrap_or(Retype::Restated);
    let kind = ChangeKind::ChangeType { column: path.clone(), typed: typed(now), previous, retype };
    detected(kind, place, rows, chance, because)
}
