//! The decisions on a changed shape: one column at a time.

use super::composition::{Composition, Dropped, Origin, Renamed, Retyped, ordered};
use super::condition;
use super::draft::{Answers, Draft, LostAnswer, RenameAnswer};
use super::paths::{Place, Reads, map_paths, renamed, segments};
use super::{Class, RENAME_SCORE_MIN};
use crate::logic::{LogicVersion, Relation};
use crate::migration::{Action, Step};
use crate::order::{Basis, OrderVersion};
use crate::path::{Path, Segment};
use crate::predicate::{Atom, Predicate};
use crate::schema_change::SchemaChange;
use crate::value::Value;

/// Whether a rename is for a person to confirm.
pub(super) fn is_question(renamed: &Renamed) -> bool {
    renamed.score < RENAME_SCORE_MIN
}

/// A shape change being worked into a draft.
pub(super) struct Shaping<'a> {
    pub draft: Draft,
    pub answers: Answers,
    pub position: Option<&'a OrderVersion>,
}

/// What the changes of an event make of a definition, questions answered so.
pub(super) fn draft(
    changes: &[SchemaChange],
    position: Option<&OrderVersion>,
    logic: &LogicVersion,
    answers: Answers,
) -> Draft {
    let from_log = position.is_some_and(|position| position.basis() == Basis::Log);
    let mut composition = Composition::of(changes, from_log);
    let asks = composition.renamed.iter().any(|one| is_question(one) && concerns(logic, one));
    if answers.rename == RenameAnswer::Apart {
        composition = composition.with_renames_apart(is_question);
    }
    let mut shaping = Shaping { draft: Draft::of(logic), answers, position };
    shaping.draft.asked.rename = asks;
    // Items of a document store may still have an attribute that came back.
    let came_back = |place: &Place| logic.suspended.iter().any(|(_, path)| place.read_by(path) == Reads::It);
    let is_typed = composition.added.iter().all(|one| one.origin.typed);
    shaping.draft.absent = composition
        .introduced
        .iter()
        .filter(|place| is_typed || !came_back(place))
        .map(|place| place.0.clone())
        .collect();
    shaping.table(&composition);
    for field in &composition.strange {
        shaping.draft.assume(format!("`{field}` is no attribute that a count reads"));
    }
    for one in &composition.dropped {
        shaping.dropped(one, &composition);
    }
    shaping.renamed(&composition);
    for one in &composition.retyped {
        shaping.retyped(one);
    }
    for one in &composition.added {
        shaping.added(one, &composition, logic);
    }
    shaping.key(&composition);
    shaping.emptied(&composition);
    if shaping.draft.effects > 1 && matches!(shaping.draft.relation, Relation::AtMost | Relation::AtLeast) {
        // What one of them makes sure of another may undo.
        shaping.draft.relation = Relation::Unrelated;
    }
    shaping.draft
}

fn concerns(logic: &LogicVersion, one: &Renamed) -> bool {
    let paths = || logic.definition.paths();
    one.from.is_read(paths()) || one.to.is_read(paths())
}

impl Shaping<'_> {
    /// From where on every row has the new shape, where that is known: a source that said so
    /// rewrote its rows there. Where rows alone show a change, writers of both shapes may go on
    /// side by side, and an image's shape has to tell.
    pub(super) fn until(&self, origin: Origin) -> Option<OrderVersion> {
        self.position.filter(|_| origin.declared).cloned()
    }

    pub(super) fn step(&mut self, action: Action, until: Option<OrderVersion>) {
        self.draft.steps.push(Step { action: action.clone(), until });
        self.draft.actions.push(action.clone());
        self.draft.change.push(action);
        self.draft.changed = true;
        self.draft.maps_earlier_rows();
    }

    fn table(&mut self, composition: &Composition) {
        let old = self.draft.definition.table.clone();
        if composition.created && composition.emptied.is_none() {
            self.draft.notes.push(format!("`{old}` is new, and counted from its first row on"));
        }
        if let Some(to) = composition.table.as_ref().filter(|to| **to != old) {
            self.draft.definition.table = to.clone();
            self.draft.earlier_tables.push(old.clone());
            self.draft.changed = true;
            self.draft
                .note(Class::A1, format!("`{old}` was renamed to `{to}`; its rows go on under the new name"));
            self.draft.assume(format!("no row of `{to}` came before this version does"));
        }
    }

    fn dropped(&mut self, dropped: &Dropped, composition: &Composition) {
        let place = &dropped.place;
        let name = place.0.to_string();
        let tests = self.draft.definition.filter.iter().flat_map(Predicate::paths);
        // What stays as the column left it is judged by the column as long as rows have it.
        // A column that is made anew at once is not lost: its values are others.
        let is_replaced = composition.replaces(place);
        let is_frozen = self.answers.lost == LostAnswer::Freeze
            && !is_replaced
            && place.is_read(tests.chain(&self.draft.definition.distinct));
        let mut is_read = false;
        let until = self.until(dropped.origin);
        let left = self.draft.suspend(|path| place.read_by(path) == Reads::It);
        let extra = self.draft.definition.headroom.attributes.clone();
        self.draft.definition.headroom.attributes.retain(|path| place.read_by(path) != Reads::It);
        if !left.is_empty() || extra != self.draft.definition.headroom.attributes {
            is_read = true;
            self.draft.changed = true;
            if !place.is_in_list() {
                let action = Action::Drop { path: place.0.clone() };
                self.draft.actions.push(action.clone());
                // Without a position nothing tells a late image from one whose column came back.
                if let Some(until) = until.filter(|_| !is_frozen) {
                    self.draft.steps.push(Step { action, until: Some(until) });
                }
            }
            let what = if left.is_empty() { "its extra counts" } else { "its groups" };
            self.draft.note(Class::A2, format!("`{name}` was dropped; {what} are added up"));
        }
        let tests = self.draft.definition.filter.iter().flat_map(Predicate::paths);
        if is_replaced && place.is_read(tests.chain(&self.draft.definition.distinct)) {
            self.draft.notes.push(format!("`{name}` was dropped and made anew"));
            self.draft.change.push(Action::Drop { path: place.0.clone() });
            return;
        }
        if self.draft.definition.distinct.as_ref().is_some_and(|path| place.read_by(path) == Reads::It) {
            is_read = true;
            self.draft.asked.lost = true;
            if self.answers.lost == LostAnswer::Remove {
                self.draft.definition.distinct = None;
                self.draft.changed = true;
                self.draft.note(Class::A2, format!("`{name}` was dropped; its values are no longer counted"));
            } else {
                self.draft.note(
                    Class::A1,
                    format!("`{name}` was dropped; the number of its values stays as it is"),
                );
            }
        }
        if self.draft.definition.filter.as_ref().is_some_and(|filter| place.is_read(filter.paths())) {
            is_read = true;
            self.draft.asked.lost = true;
            if self.answers.lost == LostAnswer::Remove {
                self.drop_condition(place);
            } else {
                self.draft.note(
                    Class::A1,
                    format!("`{name}` was dropped and the condition reads it; rows keep their last verdict, and new ones have none"),
                );
            }
        }
        if !is_read {
            self.draft.notes.push(format!("`{name}` was dropped; the count does not read it"));
        } else if !is_frozen && !place.is_in_list() {
            self.draft.change.push(Action::Drop { path: place.0.clone() });
        }
    }

    fn drop_condition(&mut self, place: &Place) {
        let counted_all = Draft::counts_all(&self.draft.definition);
        self.draft.remove_conjuncts(|part| place.is_read(part.paths()));
        self.draft.changed = true;
        let name = &place.0;
        self.draft.note(Class::A2, format!("`{name}` was dropped, and with it the condition on it"));
        self.draft.relation = Relation::AtLeast;
        if !counted_all {
            self.draft.needs_rows(true, true, "rows that failed it were never counted");
        } else {
            self.draft.relation = Relation::Mapped;
        }
    }

    fn renamed(&mut self, composition: &Composition) {
        let certain = |one: &&Renamed| !is_question(one) || self.answers.rename == RenameAnswer::Rename;
        let all: Vec<Renamed> = composition.renamed.iter().filter(certain).cloned().collect();
        let questions: Vec<Renamed> =
            composition.renamed.iter().filter(|one| !certain(one)).cloned().collect();
        let read: Vec<Renamed> = all
            .iter()
            .filter(|one| {
                let paths = || self.draft.definition.paths();
                one.from.is_read(paths()) || one.to.is_read(paths())
            })
            .cloned()
            .collect();
        for one in all.iter().filter(|one| !read.contains(one)) {
            let (from, to) = (&one.from.0, &one.to.0);
            self.draft.notes.push(format!("`{from}` was renamed to `{to}`; the count does not read it"));
        }
        for one in &read {
            self.rename_checks(one, composition);
        }
        let until: Vec<_> = read.iter().map(|one| self.until(one.origin)).collect();
        // One position for all: it is one event's.
        let until = until.into_iter().reduce(|one, other| one.and(other)).flatten();
        for (from, to) in ordered(&read) {
            if !from.rest().iter().chain(to.rest()).any(|one| matches!(one, Segment::Index(_))) {
                if until.is_some() {
                    // Older images may still have an earlier column of the name.
                    self.step(Action::Drop { path: to.clone() }, until.clone());
                }
                self.step(Action::Rename { from, to }, until.clone());
            }
        }
        let pairs: Vec<(Path, Path)> =
            read.iter().map(|one| (one.from.0.clone(), one.to.0.clone())).collect();
        let new_name = |path: &Path| {
            let pair = pairs.iter().find(|(from, _)| segments(path).starts_with(&segments(from)));
            pair.map_or_else(|| path.clone(), |(from, to)| renamed(path, from, to))
        };
        for path in self.draft.definition.dimensions() {
            // A path with an index stands in a key under its text.
            let now = new_name(&path);
            if now != path && path.rest().iter().any(|one| matches!(one, Segment::Index(_))) {
                let named = |path: &Path| Path::column(path.to_string());
                self.draft.actions.push(Action::Rename { from: named(&path), to: named(&now) });
            }
        }
        self.draft.definition = map_paths(&self.draft.definition, new_name);
        for one in &read {
            let (from, to) = (&one.from.0, &one.to.0);
            self.draft.note(Class::A1, format!("`{from}` was renamed to `{to}`; the count follows by name"));
        }
        for one in questions {
            self.bridge(&one, composition);
        }
    }

    fn rename_checks(&mut self, one: &Renamed, composition: &Composition) {
        let (from, to) = (&one.from.0, &one.to.0);
        if one.from.is_in_list() || one.to.is_in_list() {
            self.draft.needs_rows(
                false,
                false,
                format!("`{from}` is inside a list, where rows are not rewritten"),
            );
        }
        let reused = composition.reuses(from) || composition.reuses(to);
        if reused && self.until(one.origin).is_none() {
            let why = format!(
                "a name of `{from}` and `{to}` is another column's now, and nothing says which rows are older"
            );
            self.draft.needs_rows(false, false, why);
        } else if self.was_counted_without(one, composition) {
            self.draft.changed = true;
            self.draft.needs_rows(true, true, format!("rows were not counted by what is `{to}` now"));
        }
    }

    /// Whether the definition already reads the new name, and not because it is the old one of
    /// another column that is renamed with it, and does not read the old one there.
    fn was_counted_without(&self, one: &Renamed, composition: &Composition) -> bool {
        let definition = &self.draft.definition;
        let stays =
            |path: &&Path| composition.renamed.iter().all(|other| other.from.read_by(path) != Reads::It);
        let tests = definition.filter.iter().flat_map(Predicate::paths);
        let beside = tests.chain(&definition.distinct).chain(&definition.headroom.attributes);
        one.to.is_read(beside.filter(stays))
            || one.to.is_read(definition.group_by.iter().filter(stays))
                && !one.from.is_read(&definition.group_by)
    }

    /// Reads an unsure rename's new column under its old name: a row of either shape counts as it
    /// did, whatever the answer will be.
    fn bridge(&mut self, one: &Renamed, composition: &Composition) {
        let (from, to) = (&one.from.0, &one.to.0);
        if !one.from.is_read(self.draft.definition.paths()) {
            let reads = if one.to.is_read(self.draft.definition.paths()) {
                self.draft.class = Class::A6;
                "a row that has the old name alone counts as without it until somebody says so"
            } else {
                "the count does not read it"
            };
            self.draft.notes.push(format!("`{from}` may have been renamed to `{to}`; {reads}"));
            return;
        }
        if composition.reuses(from) || composition.reuses(to) || one.from.is_in_list() || one.to.is_in_list()
        {
            // The new name was another column's, so it says nothing of the old one's values.
            self.draft.note(
                Class::A6,
                format!("`{from}` may have been renamed to `{to}`, a name that rows had before; rows without `{from}` count as without until somebody says so"),
            );
            return;
        }
        self.draft.change.push(Action::Rename { from: from.clone(), to: to.clone() });
        let action = Action::Rename { from: to.clone(), to: from.clone() };
        self.draft.steps.push(Step { action, until: None });
        self.draft.changed = true;
        // To the parent a row of the new shape leaves every test open but one: then whatever it
        // counts is counted still.
        let tests_absence = self
            .draft
            .definition
            .filter
            .iter()
            .flat_map(Predicate::atoms)
            .any(|atom| matches!(atom, Atom::IsMissing(path) if one.from.read_by(path) == Reads::It));
        self.draft.relation = if tests_absence { Relation::Unrelated } else { Relation::AtLeast };
        self.draft.note(
            Class::A6,
            format!(
                "`{from}` looks renamed to `{to}` (score {:.2}, {RENAME_SCORE_MIN:.2} would do); until somebody says so, `{to}` is read where `{from}` is missing",
                one.score
            ),
        );
    }

    fn retyped(&mut self, retyped: &Retyped) {
        super::retyped::work(self, retyped);
    }

    fn key(&mut self, composition: &Composition) {
        let Some((previous, key)) = &composition.key else { return };
        let names = |columns: &[crate::schema::FieldPath]| {
            let names: Vec<String> = columns.iter().map(|column| format!("`{column}`")).collect();
            if names.is_empty() { "nothing".to_owned() } else { names.join(", ") }
        };
        let note = format!("rows are identified by {} instead of {}", names(key), names(previous));
        self.draft.note(Class::A5, note);
        self.draft.needs_rows(false, false, "which rows are the same row is another question now");
    }

    /// An emptied table has no rows from before, so whatever else changed, nothing has to be
    /// looked at.
    fn emptied(&mut self, composition: &Composition) {
        let Some(how) = composition.emptied else { return };
        let table = self.draft.definition.table.clone();
        if self.draft.reread.take().is_some() || !self.draft.changed {
            self.draft.keep = vec![condition::never()];
            self.draft.relation = Relation::Unrelated;
        }
        self.draft.class = if self.draft.asked.any() { Class::A6 } else { Class::A2 };
        self.draft.notes.insert(0, format!("`{table}` {how}; every count is zero"));
    }
}

/// A value in a sentence.
pub(super) fn show(value: &Value) -> String {
    match value {
        Value::Null => "NULL".to_owned(),
        Value::Bool(flag) => flag.to_string(),
        Value::Number(number) => number.to_string(),
        Value::String(text) => format!("'{text}'"),
        other => format!("a value of type {}", other.type_name()),
    }
}
