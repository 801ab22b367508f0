//! A draft: a definition on its way to its next version, with what has been found out so far.

use std::collections::BTreeMap;

use super::Class;
use super::condition;
use super::paths::{atom_paths, renamed, segments};
use crate::change::TableName;
use crate::definition::CountDefinition;
use crate::logic::{LogicVersion, Relation};
use crate::migration::{Action, Step};
use crate::path::Path;
use crate::predicate::{Predicate, Truth};
use crate::transform::Transform;
use crate::value::{Item, Value};

/// How the questions of an event are answered.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default)]
pub(super) struct Answers {
    /// What an unsure rename is.
    pub rename: RenameAnswer,
    /// What becomes of a condition, or of a distinct count, whose column is gone.
    pub lost: LostAnswer,
    /// How a comparison by order goes on where numbers became text.
    pub order: OrderAnswer,
}

impl Answers {
    /// Every set of answers.
    pub(super) fn all() -> impl Iterator<Item = Self> {
        use {LostAnswer as L, OrderAnswer as O, RenameAnswer as R};
        [R::Open, R::Rename, R::Apart].into_iter().flat_map(|rename| {
            let losts = [L::Freeze, L::Remove].into_iter();
            losts.flat_map(move |lost| [O::AsNumber, O::AsText].map(|order| Self { rename, lost, order }))
        })
    }
}

/// What an unsure rename is.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default)]
pub(super) enum RenameAnswer {
    /// Not said yet: both names are read.
    #[default]
    Open,
    /// A rename.
    Rename,
    /// A drop and an addition.
    Apart,
}

/// What becomes of a condition whose column is gone.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default)]
pub(super) enum LostAnswer {
    /// It stays.
    #[default]
    Freeze,
    /// It goes.
    Remove,
}

/// How a comparison by order goes on where numbers became text.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default)]
pub(super) enum OrderAnswer {
    /// The text is read as the number it is.
    #[default]
    AsNumber,
    /// Texts are compared.
    AsText,
}

/// Which questions came up.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) struct Asked {
    pub rename: bool,
    pub lost: bool,
    pub order: bool,
}

impl Asked {
    pub(super) fn any(self) -> bool {
        self.rename || self.lost || self.order
    }
}

/// Why rows have to be looked at again, and where.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Reread {
    /// Whether the ledger's rows would do, if they remember the columns.
    pub ledger: bool,
    /// Whether what a row becomes is known, so that it can be proved that stored counts do not do.
    pub provable: bool,
    /// Why, as part of a sentence.
    pub why: String,
}

/// A definition on its way to its next version.
#[derive(Clone, Debug)]
pub(super) struct Draft {
    pub definition: CountDefinition,
    pub suspended: Vec<(usize, Path)>,
    pub earlier_tables: Vec<TableName>,
    /// The parent's steps.
    pub earlier_steps: Vec<Step>,
    /// Steps that are new.
    pub steps: Vec<Step>,
    /// What brings a key of the parent's groups to the new shape.
    pub actions: Vec<Action>,
    /// Which groups go on.
    pub keep: Vec<Predicate>,
    /// For each atom of the parent's condition, which one it is now.
    pub atoms: Vec<Option<u16>>,
    /// Atoms whose truth is the same for every row that stands.
    pub truths: BTreeMap<u16, Value>,
    pub class: Class,
    /// Whether the logic changed.
    pub changed: bool,
    pub reread: Option<Reread>,
    /// How many changes concern the definition.
    pub effects: usize,
    pub asked: Asked,
    /// How rows stand to the parent's, as far as the rules tell.
    pub relation: Relation,
    /// What happened, as parts of a sentence.
    pub notes: Vec<String>,
    pub assumptions: Vec<String>,
    /// What becomes of a row that the change rewrites.
    pub change: Vec<Action>,
    /// Attributes that no row from before has.
    pub absent: Vec<Path>,
    /// Types of columns before they were converted, by their names before.
    pub typed: Vec<(Path, crate::schema::TypeSet)>,
}

impl Draft {
    /// The logic in force, unchanged.
    pub(super) fn of(logic: &LogicVersion) -> Self {
        let atoms = logic.definition.filter.as_ref().map_or(0, |filter| filter.atoms().len());
        Self {
            definition: logic.definition.clone(),
            suspended: logic.suspended.clone(),
            earlier_tables: logic.earlier_tables.clone(),
            earlier_steps: logic.migration.clone(),
            steps: Vec::new(),
            actions: Vec::new(),
            keep: Vec::new(),
            atoms: (0..atoms).map(|atom| u16::try_from(atom).ok()).collect(),
            truths: BTreeMap::new(),
            class: Class::A0,
            changed: false,
            reread: None,
            effects: 0,
            asked: Asked::default(),
            relation: Relation::Mapped,
            notes: Vec::new(),
            assumptions: Vec::new(),
            change: Vec::new(),
            absent: Vec::new(),
            typed: Vec::new(),
        }
    }

    /// Notes a change of at least this class, in words.
    pub(super) fn note(&mut self, class: Class, note: impl Into<String>) {
        self.effects += usize::from(class > Class::A0);
        self.class = self.class.max(class);
        self.notes.push(note.into());
    }

    /// Notes what is taken for granted, once.
    pub(super) fn assume(&mut self, assumption: impl Into<String>) {
        let assumption = assumption.into();
        if !self.assumptions.contains(&assumption) {
            self.assumptions.push(assumption);
        }
    }

    /// Notes that stored counts do not do. Of several reasons the first is told; the ledger does
    /// only where it does for all of them.
    pub(super) fn needs_rows(&mut self, ledger: bool, provable: bool, why: impl Into<String>) {
        self.changed = true;
        match &mut self.reread {
            Some(reread) => {
                reread.ledger &= ledger;
                reread.provable &= provable;
            }
            None => self.reread = Some(Reread { ledger, provable, why: why.into() }),
        }
    }

    /// Rows of the new shape may differ from the parent's, which knows nothing of them.
    pub(super) fn maps_earlier_rows(&mut self) {
        if self.relation == Relation::Mapped {
            self.relation = Relation::MappedWhileEarlier;
        }
    }

    /// Whether the stored counts are of every row, those that fail the condition included.
    pub(super) fn counts_all(definition: &CountDefinition) -> bool {
        definition.filter.is_none() || definition.headroom.truth
    }

    /// Whether the truth of each atom is a dimension.
    pub(super) fn has_truths(definition: &CountDefinition) -> bool {
        definition.filter.is_some() && definition.headroom.truth
    }

    /// The grouping attributes as they would be were none suspended.
    pub(super) fn full_order(&self) -> Vec<Path> {
        let mut order = self.definition.group_by.clone();
        let mut suspended = self.suspended.clone();
        suspended.sort_by_key(|(place, _)| *place);
        for (place, path) in suspended {
            order.insert(place.min(order.len()), path);
        }
        order
    }

    /// Takes grouping attributes out, and keeps their places.
    pub(super) fn suspend(&mut self, leaves: impl Fn(&Path) -> bool) -> Vec<Path> {
        let order = self.full_order();
        let left: Vec<Path> = self.definition.group_by.iter().filter(|path| leaves(path)).cloned().collect();
        let places = order.into_iter().enumerate().filter(|(_, path)| left.contains(path));
        self.suspended.extend(places);
        self.suspended.sort();
        self.definition.group_by.retain(|path| !left.contains(path));
        left
    }

    /// Puts suspended grouping attributes back to their places.
    pub(super) fn restore(&mut self, returns: impl Fn(&Path) -> bool) -> Vec<Path> {
        let back: Vec<Path> =
            self.suspended.iter().map(|(_, path)| path).filter(|path| returns(path)).cloned().collect();
        if back.is_empty() {
            return back;
        }
        let order = self.full_order();
        self.suspended.retain(|(_, path)| !back.contains(path));
        self.definition.group_by =
            order.into_iter().filter(|path| !self.suspended.iter().any(|(_, gone)| gone == path)).collect();
        back
    }

    /// Takes the parts of the condition out that meet `goes`, and renumbers the atoms that stay.
    pub(super) fn remove_conjuncts(&mut self, goes: impl Fn(&Predicate) -> bool) {
        let Some(filter) = &self.definition.filter else { return };
        let mut kept = Vec::new();
        let mut numbers: Vec<Option<u16>> = Vec::new();
        let mut next = 0_u16;
        for part in condition::conjuncts(filter) {
            let leaves = goes(part);
            for _ in part.atoms() {
                numbers.push((!leaves).then_some(next));
                next += u16::from(!leaves);
            }
            if !leaves {
                kept.push(part.clone());
            }
        }
        let moved = |atom: u16| numbers.get(usize::from(atom)).copied().flatten();
        self.atoms = self.atoms.iter().map(|atom| moved((*atom)?)).collect();
        self.truths =
            self.truths.iter().filter_map(|(atom, truth)| Some((moved(*atom)?, truth.clone()))).collect();
        self.definition.filter = condition::all_of(kept);
    }

    /// The name that an attribute had before the renames of this event.
    pub(super) fn name_before(&self, path: &Path) -> Path {
        self.change.iter().rev().fold(path.clone(), |path, action| match action {
            Action::Rename { from, to } => renamed(&path, to, from),
            _ => path,
        })
    }

    /// Takes out steps of old that neither give nor take anything the definition reads and that only
    /// an image's shape tells from the rest: they would make every row look like an earlier one.
    pub(super) fn forget_idle_steps(&mut self) {
        let mut read: Vec<Path> = self.definition.paths().cloned().collect();
        let is_near = |one: &Path, other: &Path| {
            let (one, other) = (segments(one), segments(other));
            one.starts_with(&other) || other.starts_with(&one)
        };
        let mut idle: Vec<usize> = Vec::new();
        let steps: Vec<_> = self.earlier_steps.iter().chain(&self.steps).collect();
        for (number, step) in steps.into_iter().enumerate().rev() {
            let (before, now) = step.action.paths();
            if read.iter().any(|path| is_near(path, now)) {
                read.push(before.clone());
            } else if step.until.is_none() && !read.iter().any(|path| is_near(path, before)) {
                idle.push(number);
            }
        }
        let mut number = 0;
        self.earlier_steps.retain(|_| {
            number += 1;
            !idle.contains(&(number - 1))
        });
    }

    /// The dimensions of the new cells, in the order in which counting names them.
    pub(super) fn dimensions(&self) -> Vec<Path> {
        let mut dimensions = self.definition.dimensions();
        if let Some(filter) = self.definition.filter.as_ref().filter(|_| self.definition.headroom.truth) {
            dimensions.extend((0..filter.atoms().len()).map(Predicate::truth_path));
        }
        dimensions
    }

    /// The transform of the parent's cells, where one can be written down.
    pub(super) fn transform(&self, parent: &CountDefinition) -> Option<Transform> {
        let mut actions = self.actions.clone();
        if Self::has_truths(parent) && Self::has_truths(&self.definition) {
            actions.extend(self.moved_truths());
        }
        if let Some(filter) = self.definition.filter.as_ref().filter(|_| self.definition.headroom.truth) {
            for atom in 0..u16::try_from(filter.atoms().len()).ok()? {
                let path = Predicate::truth_path(usize::from(atom));
                match self.truths.get(&atom) {
                    Some(truth) => actions.push(Action::Default { path, value: truth.clone() }),
                    None if self.atoms.contains(&Some(atom)) && Self::has_truths(parent) => {}
                    None => return None,
                }
            }
        }
        let keep = condition::all_of(self.keep.clone());
        Some(Transform { actions, keep, group_by: self.dimensions(), atoms: self.atoms.clone() })
    }

    /// What brings each truth to its atom's new number.
    fn moved_truths(&self) -> Vec<Action> {
        let between = |atom: usize| Path::column(format!("was[{atom}]"));
        let (mut gone, mut away, mut back) = (Vec::new(), Vec::new(), Vec::new());
        for (atom, to) in self.atoms.iter().enumerate() {
            let path = Predicate::truth_path(atom);
            match to {
                None => gone.push(Action::Drop { path }),
                Some(to) if usize::from(*to) == atom => {}
                Some(to) => {
                    away.push(Action::Rename { from: path, to: between(atom) });
                    back.push(Action::Rename {
                        from: between(atom),
                        to: Predicate::truth_path(usize::from(*to)),
                    });
                }
            }
        }
        gone.into_iter().chain(away).chain(back).collect()
    }

    /// The condition where an attribute has one value (or none) in every row: the truths of the
    /// tests that read nothing else.
    pub(super) fn decided_by(
        item: &Item,
        is_read: &impl Fn(&Path) -> bool,
    ) -> impl Fn(&crate::predicate::Atom) -> Option<Truth> {
        move |atom| {
            let paths = atom_paths(atom);
            (!paths.is_empty() && paths.iter().all(is_read))
                .then(|| Predicate::Atom(atom.clone()).evaluate(item).truth)
        }
    }
}

/// A truth as the value that counts are kept by.
pub(super) fn truth_value(truth: Truth) -> Value {
    match truth {
        Truth::True => Value::Bool(true),
        Truth::False => Value::Bool(false),
        Truth::Unknown => Value::Null,
    }
}
