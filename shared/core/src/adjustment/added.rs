//! The decisions on a column that is new, or back.

use super::Class;
use super::composition::{Added, Composition};
use super::condition::{self, Never};
use super::default::{Filled, filled};
use super::draft::{Draft, truth_value};
use super::paths::{Place, Reads};
use super::shape::{Shaping, show};
use crate::logic::LogicVersion;
use crate::migration::{Action, Step, item_of};
use crate::path::Path;
use crate::predicate::{Atom, Predicate};
use crate::value::Value;

impl Shaping<'_> {
    /// Follows a column that is new, or back.
    pub(super) fn added(&mut self, added: &Added, composition: &Composition, logic: &LogicVersion) {
        let place = &added.place;
        let name = place.0.to_string();
        let back = self.draft.restore(|path| place.read_by(path) == Reads::It);
        let is_back = !back.is_empty();
        if is_back {
            self.draft.changed = true;
        }
        self.close_renames(place, logic);
        if !is_back && !place.is_read(self.draft.definition.paths()) {
            self.draft.notes.push(format!("`{name}` was added; the count does not read it"));
            return;
        }
        if !added.origin.typed {
            if is_back {
                self.draft.maps_earlier_rows();
                self.draft.note(Class::A3, format!("`{name}` is back and grouped by again"));
                let why = format!("items written before it went still have `{name}`");
                self.draft.needs_rows(true, true, why);
            } else {
                self.draft.note(
                    Class::A3,
                    format!("`{name}` was added; items from before have none, and are counted so already"),
                );
            }
            return;
        }
        let until = self.until(added.origin);
        let is_tested = self
            .draft
            .definition
            .filter
            .as_ref()
            .is_some_and(|filter| place.is_read(filter.paths()))
            || self.draft.definition.distinct.as_ref().is_some_and(|path| place.read_by(path) == Reads::It);
        // A column of the name may have been there before: the condition and the distinct count
        // stay when theirs is dropped.
        let may_be_old = is_back || is_tested || composition.reuses(&place.0);
        let value = match filled(added) {
            Filled::With(value) => value,
            Filled::Unknown(why) => {
                self.draft.maps_earlier_rows();
                self.draft.note(Class::A3, format!("`{name}` was added"));
                self.draft.needs_rows(false, false, why);
                return;
            }
        };
        if place.is_in_list() {
            self.draft.needs_rows(
                false,
                false,
                format!("`{name}` is inside a list, where rows are not rewritten"),
            );
            return;
        }
        if may_be_old && until.is_none() {
            let why = format!("nothing says which rows have `{name}` from before");
            self.draft.note(Class::A3, format!("`{name}` was added again"));
            self.draft.needs_rows(false, false, why);
            return;
        }
        if until.is_some() {
            // Older images may still have an earlier column of the name.
            self.step(Action::Drop { path: place.0.clone() }, until.clone());
        } else {
            self.draft.assume(format!("a row without `{name}` is from before it was added"));
        }
        self.step(Action::Default { path: place.0.clone(), value: value.clone() }, until);
        let shown = show(&value);
        self.draft.note(
            Class::A3,
            format!(
                "`{name}` was added, and every row from before has {shown}; counts so far go on under it"
            ),
        );
        if is_tested {
            self.test_default(place, &value);
        }
    }

    /// What a column that is the same in every row makes of the condition and the distinct count.
    fn test_default(&mut self, place: &Place, value: &Value) {
        let name = &place.0;
        if self.draft.definition.distinct.as_ref().is_some_and(|path| place.read_by(path) == Reads::It) {
            self.draft.needs_rows(true, true, format!("sketches hold no value of `{name}` yet"));
        }
        let Some(filter) = self.draft.definition.filter.clone() else { return };
        if !place.is_read(filter.paths()) {
            return;
        }
        let item = item_of([&(place.0.clone(), value.clone())]);
        let is_it = |path: &Path| place.read_by(path) == Reads::It;
        let decide = Draft::decided_by(&item, &is_it);
        if Draft::has_truths(&self.draft.definition) {
            for (number, atom) in filter.atoms().into_iter().enumerate() {
                let Ok(number) = u16::try_from(number) else { return };
                if !place.is_read(Predicate::Atom(atom.clone()).paths()) {
                    continue;
                }
                match decide(atom) {
                    Some(truth) => {
                        self.forget_atom(number);
                        self.draft.truths.insert(number, truth_value(truth));
                    }
                    None => self.draft.needs_rows(
                        true,
                        true,
                        format!("a test compares `{name}` with another column"),
                    ),
                }
            }
            return;
        }
        if condition::left_of(&filter, &decide).into_filter() == Err(Never) {
            self.draft.keep.push(condition::never());
        } else {
            self.draft.needs_rows(true, true, format!("rows were judged as without `{name}`"));
        }
        for (number, atom) in filter.atoms().into_iter().enumerate() {
            if let Ok(number) = u16::try_from(number)
                && place.is_read(Predicate::Atom(Atom::clone(atom)).paths())
            {
                self.forget_atom(number);
            }
        }
    }

    /// What an atom of this number told of rows so far no longer holds.
    pub(super) fn forget_atom(&mut self, number: u16) {
        self.draft.atoms.iter_mut().filter(|atom| **atom == Some(number)).for_each(|atom| *atom = None);
    }

    /// A rename without a position rested on its old name being nobody's; it is somebody's now.
    fn close_renames(&mut self, place: &Place, logic: &LogicVersion) {
        let is_of = |step: &Step| matches!(&step.action, Action::Rename { from, .. } if place.read_by(from) == Reads::It);
        let Some(position) = self.position else { return };
        if !logic.migration.iter().any(|step| step.until.is_none() && is_of(step)) {
            return;
        }
        for step in self.draft.earlier_steps.iter_mut().filter(|step| step.until.is_none() && is_of(step)) {
            step.until = Some(position.clone());
        }
        self.draft.changed = true;
        self.draft.maps_earlier_rows();
        self.draft.note(Class::A1, format!("`{}` is another column's name from here on", place.0));
    }
}
