//! Where each column of a table went in a statement.
//!
//! The clauses of one statement mostly speak of columns by their names before it (so two may
//! trade names), those of several statements by their names in between; a text may hold either.
//! A name therefore means the column that has it and was not touched yet, before any other.

use std::collections::{BTreeMap, BTreeSet};

use crate::change::Clause;
use crate::schema::{FieldPath, Schema};

/// What a clause came to. Columns are by their names before (`from`) and after (`to`) the
/// statement.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Step {
    /// The clause is not about columns, or the definitions say that it did nothing.
    Nothing,
    /// A column is gone.
    Drop(FieldPath),
    /// A column is new.
    Add(FieldPath),
    /// A column goes on under another name.
    Rename {
        /// The name before.
        from: FieldPath,
        /// The name now.
        to: FieldPath,
    },
    /// A column was defined over again.
    Modify {
        /// The name before.
        from: FieldPath,
        /// The name now.
        to: FieldPath,
    },
    /// The key may be another.
    Key,
}

/// Where each column went.
pub(super) struct Columns {
    /// What each clause came to, in order.
    pub(super) steps: Vec<Step>,
    /// The columns that go on, by their names before, with their names now.
    kept: BTreeMap<FieldPath, FieldPath>,
}

/// A column on its way through the clauses.
struct Traveller {
    /// Its name before; `None` where a clause added it.
    origin: Option<FieldPath>,
    name: FieldPath,
    renamed: bool,
    gone: bool,
}

/// What a clause did to a traveller, by its number.
enum Touch {
    Nothing,
    Key,
    Added(usize),
    Dropped(usize),
    Renamed(usize),
    Modified(usize),
}

#[derive(Default)]
struct Journey {
    travellers: Vec<Traveller>,
    /// Travellers by their names in lower case: databases mostly do not tell columns apart by
    /// case, and statements are written in either.
    by_name: BTreeMap<String, Vec<usize>>,
}

fn folded(name: &FieldPath) -> String {
    name.as_str().to_lowercase()
}

impl Journey {
    fn enter(&mut self, origin: Option<FieldPath>, name: FieldPath) -> usize {
        let number = self.travellers.len();
        self.by_name.entry(folded(&name)).or_default().push(number);
        self.travellers.push(Traveller { origin, name, renamed: false, gone: false });
        number
    }

    /// The traveller that a clause means by a name: an untouched one first, then one spelled the
    /// same, then the latest.
    fn find(&self, name: &FieldPath) -> Option<usize> {
        self.by_name.get(&folded(name))?.iter().copied().max_by_key(|number| {
            let one = self.travellers.get(*number);
            one.map(|one| (one.origin.is_some() && !one.renamed, one.name == *name, *number))
        })
    }

    /// Takes a traveller off the name that a clause means it by.
    fn take(&mut self, name: &str) -> Option<usize> {
        let name = FieldPath::column(name);
        let number = self.find(&name)?;
        self.by_name.entry(folded(&name)).or_default().retain(|other| *other != number);
        Some(number)
    }

    /// A column that a clause adds; it cannot be added twice.
    fn add(&mut self, name: &str) -> usize {
        let name = FieldPath::column(name);
        let known = self.by_name.get(&folded(&name)).into_iter().flatten().copied();
        let mut added =
            known.filter(|number| self.travellers.get(*number).is_some_and(|one| one.origin.is_none()));
        match added.next() {
            Some(number) => number,
            None => self.enter(None, name),
        }
    }

    fn touch(&mut self, clause: &Clause) -> Touch {
        match clause {
            Clause::AddColumn(name) => Touch::Added(self.add(name)),
            Clause::DropColumn(name) => match self.take(name) {
                Some(number) => {
                    if let Some(one) = self.travellers.get_mut(number) {
                        one.gone = true;
                    }
                    Touch::Dropped(number)
                }
                None => Touch::Nothing,
            },
            Clause::RenameColumn { from, to } => match self.take(from) {
                Some(number) => {
                    let to = FieldPath::column(to);
                    self.by_name.entry(folded(&to)).or_default().push(number);
                    if let Some(one) = self.travellers.get_mut(number) {
                        one.name = to;
                        one.renamed = true;
                    }
                    Touch::Renamed(number)
                }
                None => Touch::Nothing,
            },
            Clause::ModifyColumn(name) => {
                let name = FieldPath::column(name);
                let found = self.find(&name);
                // The column takes the spelling of its new definition.
                if let Some(one) = found.and_then(|number| self.travellers.get_mut(number))
                    && one.name != name
                {
                    one.name = name;
                    one.renamed = true;
                }
                found.map_or(Touch::Nothing, Touch::Modified)
            }
            Clause::ChangeKey => Touch::Key,
            Clause::Create
            | Clause::Drop
            | Clause::Truncate
            | Clause::RenameTable { .. }
            | Clause::Unspecified => Touch::Nothing,
        }
    }
}

impl Columns {
    /// Follows the columns through the clauses, and believes of them what the definitions bear
    /// out.
    pub(super) fn trace(before: &Schema, after: &Schema, clauses: &[Clause]) -> Self {
        let mut journey = Journey::default();
        for (path, _) in before.columns() {
            journey.enter(Some(path.clone()), path.clone());
        }
        let touches: Vec<Touch> = clauses.iter().map(|clause| journey.touch(clause)).collect();
        let arrived = arrivals(&journey, after);
        let mut kept = BTreeMap::new();
        for (number, name) in &arrived {
            if let Some(origin) = journey.travellers.get(*number).and_then(|one| one.origin.clone()) {
                kept.insert(origin, name.clone());
            }
        }
        let mut told = BTreeSet::new();
        let steps = touches.into_iter().map(|touch| step(&touch, &journey, &arrived, &mut told)).collect();
        Self { steps, kept }
    }

    /// The schema before, with the columns that go on under their names now, and without those
    /// that were dropped to make room for others.
    pub(super) fn renamed(&self, before: &Schema) -> Schema {
        let now = |column: &FieldPath| self.kept.get(column).unwrap_or(column).clone();
        let taken: BTreeSet<&FieldPath> = self.kept.values().collect();
        let dropped: BTreeSet<&FieldPath> = self
            .steps
            .iter()
            .filter_map(|step| if let Step::Drop(column) = step { Some(column) } else { None })
            .collect();
        let fields = before
            .columns()
            .filter(|(column, _)| self.kept.contains_key(column) || !taken.contains(column))
            .filter(|(column, _)| !dropped.contains(column))
            .map(|(column, field)| (now(column), field.clone()));
        Schema { fields: fields.collect(), key: before.key.iter().map(now).collect() }
    }
}

/// Who is in the table after the clauses, by the name that the definition gives it. Where two
/// want one name, the one that had it goes first, and one that a clause added goes last.
fn arrivals(journey: &Journey, after: &Schema) -> BTreeMap<usize, FieldPath> {
    let mut spelled: BTreeMap<String, FieldPath> = BTreeMap::new();
    for (path, _) in after.columns() {
        spelled.insert(folded(path), path.clone());
    }
    // A column that no clause names keeps its spelling; rows tell two spellings apart.
    let exact = |name: &FieldPath| after.fields.contains_key(name).then(|| name.clone());
    let alike = |name: &FieldPath| exact(name).or_else(|| spelled.get(&folded(name)).cloned());
    let mut arrived = BTreeMap::new();
    let mut taken = BTreeSet::new();
    let mut settle = |number: usize, name: Option<FieldPath>| {
        if let Some(name) = name.filter(|name| !arrived.contains_key(&number) && taken.insert(name.clone())) {
            arrived.insert(number, name);
        }
    };
    let all = || journey.travellers.iter().enumerate();
    let here = || all().filter(|(_, one)| !one.gone);
    let stayed = |one: &Traveller| one.origin.is_some() && !one.renamed;
    here().filter(|(_, one)| stayed(one)).for_each(|(number, one)| settle(number, exact(&one.name)));
    here().filter(|(_, one)| one.renamed).for_each(|(number, one)| settle(number, alike(&one.name)));
    here().filter(|(_, one)| !stayed(one)).for_each(|(number, one)| settle(number, alike(&one.name)));
    // A drop or a rename that the definition does not bear out has not happened.
    for (number, one) in all() {
        settle(number, one.origin.as_ref().and_then(exact));
    }
    arrived
}

/// What a clause came to. Renames of one column by way of other names are told once.
fn step(
    touch: &Touch,
    journey: &Journey,
    arrived: &BTreeMap<usize, FieldPath>,
    told: &mut BTreeSet<usize>,
) -> Step {
    let origin = |number: &usize| journey.travellers.get(*number).and_then(|one| one.origin.clone());
    match touch {
        Touch::Nothing => Step::Nothing,
        Touch::Key => Step::Key,
        Touch::Added(number) => arrived.get(number).cloned().map_or(Step::Nothing, Step::Add),
        Touch::Dropped(number) => match (origin(number), arrived.get(number)) {
            (Some(origin), None) => Step::Drop(origin),
            _ => Step::Nothing,
        },
        Touch::Renamed(number) | Touch::Modified(number) => match (origin(number), arrived.get(number)) {
            (Some(from), Some(to)) if from != *to && told.insert(*number) => {
                Step::Rename { from, to: to.clone() }
            }
            (Some(from), Some(to)) if matches!(touch, Touch::Modified(_)) => {
                Step::Modify { from, to: to.clone() }
            }
            _ => Step::Nothing,
        },
    }
}
