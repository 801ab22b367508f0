//! The decisions on another definition of the same name.

use super::condition::{self, Never, implies, left_of, pinned};
use super::draft::Draft;
use super::paths::{atom_paths, segments};
use super::{Class, Facts};
use crate::definition::CountDefinition;
use crate::logic::{LogicVersion, Relation};
use crate::migration::Action;
use crate::path::{Path, Segment};
use crate::predicate::{Atom, Comparison, Operand, Predicate, Truth};
use crate::value::Value;

/// What another definition makes of the one in force.
pub(super) fn draft(new: &CountDefinition, logic: &LogicVersion, facts: &Facts) -> Draft {
    let old = &logic.definition;
    let mut draft = Draft::of(logic);
    if new == old {
        draft.notes.push("the definition is the same".to_owned());
        return draft;
    }
    draft.definition = new.clone();
    draft.changed = true;
    draft.class = Class::A1;
    if new.group_by != old.group_by {
        // Who names the grouping anew means what is named.
        draft.suspended.clear();
    }
    if new.table != old.table {
        draft.note(Class::A5, format!("`{}` is counted instead of `{}`", new.table, old.table));
        (draft.earlier_tables, draft.earlier_steps) = (Vec::new(), Vec::new());
        draft.relation = Relation::Unrelated;
        draft.needs_rows(false, false, "nothing of it is stored");
        return draft;
    }
    cap(&mut draft, old, facts);
    filter(&mut draft, old, facts);
    dimensions(&mut draft, old);
    distinct(&mut draft, old);
    if draft.notes.is_empty() {
        draft.notes.push("the same is counted".to_owned());
    }
    draft
}

fn cap(draft: &mut Draft, old: &CountDefinition, facts: &Facts) {
    let (before, now) = (old.groups_max, draft.definition.groups_max);
    if before == now {
        return;
    }
    draft.note(Class::A1, format!("up to {now} groups are counted by name instead of {before}"));
    if now > before && facts.overflowed {
        draft.needs_rows(true, false, "groups beyond the cap were counted together");
    }
}

/// Whether an attribute can be read off the keys of groups.
fn is_readable(old: &[Path], path: &Path) -> bool {
    old.iter().any(|dimension| {
        let has_index = dimension.rest().iter().any(|one| matches!(one, Segment::Index(_)));
        !has_index && segments(path).starts_with(&segments(dimension))
    })
}

fn dimensions(draft: &mut Draft, old: &CountDefinition) {
    let (before, now) = (old.dimensions(), draft.definition.dimensions());
    let new = draft.definition.clone();
    for path in now.iter().filter(|path| !before.contains(path)) {
        let by_name = if new.group_by.contains(path) { "grouped" } else { "counted" };
        if is_readable(&before, path) {
            draft.note(Class::A2, format!("`{path}` is {by_name} by, and can be told from the groups"));
            continue;
        }
        let condition = new.filter.as_ref().filter(|_| !new.headroom.truth);
        let one = condition.and_then(|condition| pinned(condition, path)).filter(|values| values.len() == 1);
        if let Some(value) = one.and_then(|mut values| values.pop_first()) {
            draft.note(Class::A2, format!("`{path}` is {by_name} by, and the condition says what it is"));
            draft.actions.push(Action::Default { path: path.clone(), value });
        } else if condition.is_some_and(|condition| condition::shuts_out(condition, path)) {
            draft.note(
                Class::A2,
                format!("`{path}` is {by_name} by, and the condition says that it is missing"),
            );
        } else {
            draft.note(Class::A1, format!("`{path}` is {by_name} by"));
            draft.needs_rows(true, true, format!("counts were not kept by `{path}`"));
        }
    }
    for path in before.iter().filter(|path| !now.contains(path)) {
        draft.note(Class::A2, format!("counts are added up over `{path}`"));
    }
    let added = |path: &&Path| before.contains(path) && !old.group_by.contains(path);
    for path in new.group_by.iter().filter(added) {
        draft.note(Class::A2, format!("`{path}` is grouped by, and was counted besides"));
    }
    let kept = |paths: &[Path], others: &[Path]| -> Vec<Path> {
        paths.iter().filter(|path| others.contains(path)).cloned().collect()
    };
    if kept(&old.group_by, &new.group_by) != kept(&new.group_by, &old.group_by) {
        draft.note(Class::A1, "the grouping attributes have another order");
    }
}

fn distinct(draft: &mut Draft, old: &CountDefinition) {
    match (&old.distinct, &draft.definition.distinct) {
        (before, now) if before == now => {}
        (Some(before), None) => {
            draft.note(Class::A1, format!("values of `{before}` are no longer counted"));
        }
        (_, now) => {
            let name = now.as_ref().map_or_else(String::new, ToString::to_string);
            draft.note(Class::A1, format!("values of `{name}` are counted"));
            draft.needs_rows(true, true, format!("no sketch of `{name}` was kept"));
        }
    }
}

/// The condition where columns that may not be NULL or absent decide some of its tests.
fn told(filter: Option<&Predicate>, facts: &Facts) -> Result<Option<Predicate>, Never> {
    let decide = |atom: &Atom| match atom {
        Atom::IsNull(path) | Atom::IsMissing(path) if facts.not_null.contains(path) => Some(Truth::False),
        _ => None,
    };
    filter.map_or(Ok(None), |filter| left_of(filter, &decide).into_filter())
}

fn filter(draft: &mut Draft, old: &CountDefinition, facts: &Facts) {
    let new = draft.definition.clone();
    carry_atoms(draft, old, &new);
    let counts_all = Draft::counts_all(old);
    if old.headroom.truth && !new.headroom.truth && old.filter.is_some() {
        draft.note(Class::A2, "rows that fail the condition are no longer counted besides");
    }
    if Draft::has_truths(&new) && !counts_all {
        draft.note(Class::A1, "rows that fail the condition are counted besides");
        draft.needs_rows(true, true, "rows that failed the condition were never counted");
        return;
    }
    let (before, now) = (told(old.filter.as_ref(), facts), told(new.filter.as_ref(), facts));
    let is_same = match (&before, &now) {
        (Ok(before), Ok(now)) => {
            before == now || implies(before.as_ref(), now.as_ref()) && implies(now.as_ref(), before.as_ref())
        }
        (Err(Never), Err(Never)) => true,
        _ => false,
    };
    let narrows = match (&before, &now) {
        (_, Err(Never)) => true,
        (Err(Never), _) => false,
        (Ok(before), Ok(now)) => implies(now.as_ref(), before.as_ref()),
    };
    let widens = match (&before, &now) {
        (Err(Never), _) => true,
        (_, Err(Never)) => false,
        (Ok(before), Ok(now)) => implies(before.as_ref(), now.as_ref()),
    };
    let note = match (is_same, narrows, widens) {
        (true, ..) if old.filter == new.filter => None,
        (true, ..) => Some((Class::A1, "the condition means the same")),
        (_, true, _) => Some((Class::A2, "the condition is narrower")),
        (_, _, true) => Some((Class::A2, "the condition is wider")),
        _ => Some((Class::A2, "the condition is another one")),
    };
    if let Some((class, note)) = note {
        draft.note(class, note);
    }
    if Draft::has_truths(&new) {
        // Rows are counted whichever way the condition goes; only the truths of its tests are
        // needed, and whether they can be had shows when the transform is written down.
        return;
    }
    if counts_all {
        from_all(draft, old, &new, now);
        return;
    }
    if is_same {
        return;
    }
    if narrows {
        narrowed(draft, old, before.unwrap_or(None), now);
    } else {
        draft.relation = if widens { Relation::AtLeast } else { Relation::Unrelated };
        draft.needs_rows(true, true, "rows that failed the old condition were never counted");
    }
}

/// For each atom of the old condition, the equal one of the new.
fn carry_atoms(draft: &mut Draft, old: &CountDefinition, new: &CountDefinition) {
    let before = old.filter.as_ref().map(Predicate::atoms).unwrap_or_default();
    let now = new.filter.as_ref().map(Predicate::atoms).unwrap_or_default();
    let mut taken: Vec<usize> = Vec::new();
    draft.atoms = before
        .into_iter()
        .map(|atom| {
            let at = now.iter().enumerate().position(|(at, other)| *other == atom && !taken.contains(&at))?;
            taken.push(at);
            u16::try_from(at).ok()
        })
        .collect();
}

/// The counts are of every row, so the new condition only has to be readable off their keys.
fn from_all(
    draft: &mut Draft,
    old: &CountDefinition,
    new: &CountDefinition,
    now: Result<Option<Predicate>, Never>,
) {
    let filter = match now {
        Ok(None) => return,
        Ok(Some(filter)) => filter,
        Err(Never) => {
            draft.keep.push(condition::never());
            return;
        }
    };
    let atoms = old.filter.as_ref().map(Predicate::atoms).unwrap_or_default();
    let dimensions = old.dimensions();
    let (mut unreadable, group_by) = (None, &new.group_by);
    let keep = filter.map_atoms(&mut |atom| {
        if let Some(number) = atoms.iter().position(|known| *known == atom) {
            // Under the name it has once truths have gone to their new numbers.
            return Atom::Compare {
                left: Operand::Path(Predicate::truth_path(number)),
                op: Comparison::Equal,
                right: Operand::Literal(Value::Bool(true)),
            };
        }
        let lacking = atom_paths(atom).into_iter().find(|path| !is_readable(&dimensions, path));
        if let Some(path) = lacking {
            unreadable = Some(path);
        }
        atom.clone()
    });
    if let Some(path) = unreadable {
        let named = if group_by.contains(&path) { "was not grouped by" } else { "was not counted by" };
        let narrows = old.filter.is_none();
        draft.relation = if narrows { Relation::AtMost } else { Relation::Unrelated };
        draft.needs_rows(true, true, format!("`{path}` {named}"));
        return;
    }
    draft.keep.push(keep);
}

/// Counts of the rows that met the old condition; those go on that meet what is new in it.
fn narrowed(
    draft: &mut Draft,
    old: &CountDefinition,
    before: Option<Predicate>,
    now: Result<Option<Predicate>, Never>,
) {
    let now = match now {
        Ok(now) => now,
        Err(Never) => {
            draft.keep.push(condition::never());
            return;
        }
    };
    let known: Vec<Predicate> = before.iter().flat_map(condition::conjuncts).cloned().collect();
    let new: Vec<Predicate> =
        now.iter().flat_map(condition::conjuncts).filter(|part| !known.contains(part)).cloned().collect();
    let dimensions = old.dimensions();
    let lacking = new.iter().flat_map(Predicate::paths).find(|path| !is_readable(&dimensions, path)).cloned();
    match lacking {
        Some(path) => {
            draft.relation = Relation::AtMost;
            draft.needs_rows(true, true, format!("counts were not kept by `{path}`"));
        }
        None => draft.keep.extend(new),
    }
}
