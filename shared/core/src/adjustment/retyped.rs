//! The decisions on a column of another type.

use super::Class;
use super::candidates;
use super::composition::Retyped;
use super::draft::OrderAnswer;
use super::paths::{Place, Reads, atom_paths, segments};
use super::shape::Shaping;
use crate::logic::Relation;
use crate::migration::conversion::{self, Convert, How, Kind};
use crate::migration::{Action, Conversion, Step};
use crate::path::Path;
use crate::predicate::{Atom, Comparison, Operand, Predicate};
use crate::schema_change::{Retype, Typed};
use crate::value::Value;

/// Follows a change of type.
pub(super) fn work(shaping: &mut Shaping<'_>, retyped: &Retyped) {
    let place = &retyped.place;
    let name = place.0.to_string();
    let definition = shaping.draft.definition.clone();
    let first_and_last = retyped.hops.first().zip(retyped.hops.last());
    let Some((from, to)) = first_and_last.map(|(first, last)| (words(&first.before), words(&last.after)))
    else {
        return;
    };
    let is_part_of_value = definition.paths().any(|path| place.read_by(path) == Reads::Around);
    if !place.is_read(definition.paths()) && !is_part_of_value {
        shaping.draft.notes.push(format!("`{name}` changed its type; the count does not read it"));
        return;
    }
    if retyped.hops.iter().all(|hop| matches!(hop.retype, Retype::Nullable | Retype::NotNull)) {
        nullability(shaping, retyped);
        return;
    }
    if !retyped.origin.typed {
        shaping.draft.note(
            Class::A1,
            format!("`{name}` holds {to} besides {from}; items keep the type they were written with, and values of each are told apart"),
        );
        return;
    }
    if let Some(first) = retyped.hops.first().filter(|hop| conversion::is_known(&hop.before.types)) {
        let before = shaping.draft.name_before(&place.0);
        shaping.draft.typed.push((before, first.before.types.clone()));
    }
    let mut is_same = true;
    for hop in &retyped.hops {
        match conversion::of(hop) {
            How::Same(assumption) => {
                if let Some(assumption) = assumption {
                    shaping.draft.assume(assumption);
                }
            }
            How::Convert(convert) => {
                is_same = false;
                let is_deep = definition.paths().any(|path| {
                    place.read_by(path) == Reads::It && segments(path).len() > segments(&place.0).len()
                });
                if is_part_of_value || is_deep || place.is_in_list() {
                    shaping.draft.note(Class::A1, format!("`{name}` changed from {from} to {to}"));
                    shaping.draft.needs_rows(
                        false,
                        false,
                        "it is a part of a larger value that is counted by",
                    );
                    return;
                }
                apply(shaping, retyped, &convert, (&from, &to));
            }
            How::Unknown(why) => {
                is_same = false;
                shaping.draft.note(Class::A1, format!("`{name}` changed from {from} to {to}"));
                if reads_values(&definition, place) {
                    shaping.draft.needs_rows(false, false, why);
                }
            }
        }
    }
    settle_older(shaping, retyped);
    if is_same {
        let note =
            format!("`{name}` changed from {from} to {to}; its values are the same, and so are the counts");
        shaping.draft.note(Class::A1, note);
    }
}

/// Steps without a position convert whatever image comes. Where values of the latest type are not
/// left alone by them, they end here, or where nothing says where that is, they cannot stay.
fn settle_older(shaping: &mut Shaping<'_>, retyped: &Retyped) {
    let Some((first, last)) = retyped.hops.first().zip(retyped.hops.last()) else { return };
    let (now, before) = (&retyped.place.0, shaping.draft.name_before(&retyped.place.0));
    let until = shaping.until(retyped.origin);
    let is_open = |step: &Step, path: &Path| match &step.action {
        Action::Convert { path: converted, conversion } if step.until.is_none() && converted == path => {
            Some(*conversion)
        }
        _ => None,
    };
    let mut stays_open = false;
    for step in &mut shaping.draft.earlier_steps {
        let Some(conversion) = is_open(step, &before) else { continue };
        let was_latest = conversion::leaves(conversion, &first.before.types);
        if was_latest && conversion::leaves(conversion, &last.after.types) {
            continue;
        }
        step.until.clone_from(&until);
        // What was read back as another type than it has is no older shape.
        stays_open |= until.is_none() || !was_latest;
    }
    let steps = shaping.draft.steps.iter().filter_map(|step| is_open(step, now));
    let asks = shaping.draft.asked.order;
    stays_open |=
        !asks && steps.into_iter().any(|conversion| !conversion::leaves(conversion, &last.after.types));
    if stays_open {
        let goes = |step: &Step, path: &Path| is_open(step, path).is_some();
        shaping.draft.earlier_steps.retain(|step| !goes(step, &before));
        shaping.draft.steps.retain(|step| !goes(step, now));
        shaping.draft.needs_rows(false, false, format!("nothing says in which form a row has `{now}`"));
    } else if shaping.draft.earlier_steps.iter().any(|step| step.until == until) {
        shaping.draft.changed |= until.is_some();
    }
}

/// A type in a sentence. Whether it may be NULL is another matter.
fn words(typed: &Typed) -> String {
    let bare = Typed { types: typed.types.clone().nullable(false), declared: typed.declared.clone() };
    bare.text()
}

/// Whether more of a column is read than whether it is there.
fn reads_values(definition: &crate::definition::CountDefinition, place: &Place) -> bool {
    let tested = definition.filter.iter().flat_map(Predicate::atoms).any(|atom| {
        !matches!(atom, Atom::IsNull(_) | Atom::IsMissing(_)) && place.is_read(&atom_paths(atom))
    });
    tested
        || place.is_read(
            definition.group_by.iter().chain(&definition.distinct).chain(&definition.headroom.attributes),
        )
}

fn nullability(shaping: &mut Shaping<'_>, retyped: &Retyped) {
    let name = &retyped.place.0;
    let last = retyped.hops.last().map(|hop| hop.retype);
    if last == Some(Retype::NotNull) {
        shaping.draft.notes.push(format!("`{name}` may no longer be NULL"));
        shaping.draft.assume(format!("rows whose `{name}` was NULL were filled by changes of their own"));
        return;
    }
    let filter = shaping.draft.definition.filter.as_ref();
    let tests_null = filter.is_some_and(|filter| {
        filter.atoms().into_iter().any(|atom| matches!(atom, Atom::IsNull(path) if path == name))
    });
    if tests_null {
        let note =
            format!("`{name}` may be NULL from here on; no row from before is, and the condition tells");
        shaping.draft.note(Class::A3, note);
    } else {
        shaping
            .draft
            .notes
            .push(format!("`{name}` may be NULL from here on; NULL is a value like any other to the count"));
    }
}

fn apply(shaping: &mut Shaping<'_>, retyped: &Retyped, convert: &Convert, words: (&str, &str)) {
    let place = &retyped.place;
    let (path, (from, to)) = (&place.0, words);
    let definition = shaping.draft.definition.clone();
    let action = Action::Convert { path: path.clone(), conversion: convert.conversion };
    if let Some(assumption) = conversion::assumption(convert) {
        shaping.draft.assume(assumption);
    }
    if convert.kind == Kind::NumberToText && compares_by_order(&definition, place) {
        shaping.draft.asked.order = true;
        if shaping.answers.order == OrderAnswer::AsNumber {
            shaping.draft.change.push(action);
            let back =
                Action::Convert { path: path.clone(), conversion: Conversion::ToNumber { scale: None } };
            shaping.draft.steps.push(Step { action: back, until: None });
            shaping.draft.changed = true;
            // Texts leave comparisons with numbers by order open, and decide those by equality.
            let is_open = definition.filter.iter().flat_map(Predicate::atoms).all(|atom| {
                let numbers = candidates::literals(atom);
                let is_of_numbers = numbers.iter().all(|value| matches!(value, Value::Number(_)));
                is_by_order(atom) && candidates::is_simple(atom) && is_of_numbers
                    || matches!(atom, Atom::IsNull(_) | Atom::IsMissing(_))
                    || !place.is_read(&atom_paths(atom))
            });
            shaping.draft.relation = if is_open { Relation::AtLeast } else { Relation::Unrelated };
            let note = format!(
                "`{path}` changed from {from} to {to}, and texts have another order than numbers; it is still read as the number it is"
            );
            shaping.draft.note(Class::A6, note);
            return;
        }
    }
    let until = shaping.until(retyped.origin);
    shaping.step(action, until);
    let is_counted_by = place.is_read(&definition.dimensions());
    let what = match (is_counted_by, convert.injective) {
        (true, true) => "its groups are relabelled",
        (true, false) => "groups whose values fall together are added up",
        (false, _) => "the condition follows",
    };
    let class = if is_counted_by { Class::A2 } else { Class::A1 };
    shaping.draft.note(class, format!("`{path}` changed from {from} to {to}; {what}"));
    if place.is_read(&definition.distinct) {
        shaping.draft.needs_rows(true, true, format!("a sketch of `{path}` cannot be read back into values"));
    }
    super::rewrite::rewrite(shaping, place, convert, is_counted_by);
}

fn is_by_order(atom: &Atom) -> bool {
    matches!(
        atom,
        Atom::Between { operand: Operand::Path(_), .. }
            | Atom::Compare {
                op: Comparison::Less
                    | Comparison::LessOrEqual
                    | Comparison::Greater
                    | Comparison::GreaterOrEqual,
                ..
            }
    )
}

fn compares_by_order(definition: &crate::definition::CountDefinition, place: &Place) -> bool {
    definition
        .filter
        .iter()
        .flat_map(Predicate::atoms)
        .any(|atom| is_by_order(atom) && place.is_read(&atom_paths(atom)))
}
