//! A stand-in for the analyzer: plans for the changes that the simulated source makes, by hand, so
//! that what is simulated is what becomes of plans. Wrong plans are made of right ones.

use std::hash::{DefaultHasher, Hash, Hasher};

use evercount_core::adjustment::{
    AdjustmentPlan, Cause, Certificate, Class, Facts, LogicUpdate, MinimumEvidence, Partitions, PlanCost,
    Start,
};
use evercount_core::decimal::Decimal;
use evercount_core::definition::CountDefinition;
use evercount_core::logic::{LogicVersion, PlanId, Relation};
use evercount_core::migration::{Action, Conversion, Step};
use evercount_core::order::OrderVersion;
use evercount_core::path::Path;
use evercount_core::predicate::{Atom, Operand, Predicate};
use evercount_core::schema::FieldPath;
use evercount_core::schema_change::ChangeKind;
use evercount_core::transform::Transform;
use evercount_core::value::Value;

/// Plans a change as it should be planned.
#[must_use]
pub fn right(cause: &Cause, head: &LogicVersion, facts: &Facts) -> AdjustmentPlan {
    let made = match cause {
        Cause::Schema { changes, position, .. } => {
            let mut follow = Follow::new(head, position.clone(), facts);
            changes.iter().for_each(|change| follow.change(&change.kind));
            follow.finish()
        }
        Cause::Redefinition { definition, .. } => redefine(head, definition, facts),
    };
    let id = match cause {
        Cause::Schema { event, .. } => format!("{event}-{}-{}", head.definition.name, head.id.number),
        Cause::Redefinition { definition, at } => {
            let mut hasher = DefaultHasher::new();
            format!("{definition:?}").hash(&mut hasher);
            format!("{at}-{:x}-{}-{}", hasher.finish(), head.definition.name, head.id.number)
        }
    };
    let certificate = match made.update.as_ref().map(|update| &update.start) {
        Some(Start::Image(transform)) => Certificate::Exact(transform.clone()),
        _ => Certificate::Untouched,
    };
    let has_ledger = facts.has_ledger;
    AdjustmentPlan {
        id: PlanId::new(id),
        definition: head.definition.name.clone(),
        table: head.definition.table.clone(),
        from: head.id.number,
        cause: cause.clone(),
        class: made.class,
        affected: if made.class == Class::A5 { Partitions::All } else { Partitions::None },
        update: made.update,
        certificate,
        estimate: PlanCost::default(),
        relation: made.relation,
        minimum: MinimumEvidence {
            census: has_ledger && made.class != Class::A5,
            changes: if has_ledger { 0 } else { 1 },
        },
        sentence: "A plan by hand.".to_owned(),
        assumptions: Vec::new(),
        choices: Vec::new(),
    }
}

/// A plan whose transform sends every item to one group.
#[must_use]
pub fn wrong_transform(cause: &Cause, head: &LogicVersion, facts: &Facts) -> AdjustmentPlan {
    let mut plan = right(cause, head, facts);
    if let Some(LogicUpdate { start: Start::Image(transform), .. }) = &mut plan.update {
        transform.group_by.clear();
    }
    plan
}

/// The place of a suspended attribute whose column there never was: the last.
pub const NEVER_THERE: usize = 9;

struct Made {
    class: Class,
    update: Option<LogicUpdate>,
    relation: Relation,
}

/// What a change of the schema makes of a definition, change by change.
struct Follow<'a> {
    definition: CountDefinition,
    migration: Vec<Step>,
    suspended: Vec<(usize, Path)>,
    actions: Vec<Action>,
    until: Option<OrderVersion>,
    before: LogicVersion,
    class: Class,
    relation: Relation,
    /// Whether rows have to be looked at again: their counts do not tell what they are now.
    rereads: bool,
    facts: &'a Facts,
}

impl<'a> Follow<'a> {
    fn new(head: &LogicVersion, until: Option<OrderVersion>, facts: &'a Facts) -> Self {
        Self {
            facts,
            definition: head.definition.clone(),
            migration: head.migration.clone(),
            suspended: head.suspended.clone(),
            actions: Vec::new(),
            until,
            before: head.clone(),
            class: Class::A0,
            relation: Relation::Mapped,
            rereads: false,
        }
    }

    fn reads(&self, column: &str) -> bool {
        self.definition.paths().any(|path| path.column_name() == column)
    }

    fn step(&mut self, action: Action) {
        self.migration.push(Step { action: action.clone(), until: self.until.clone() });
        self.actions.push(action);
    }

    fn change(&mut self, kind: &ChangeKind) {
        let name = |column: &FieldPath| column.as_str().to_owned();
        match kind {
            ChangeKind::RenameColumn { column, to, .. }
                if self.reads(&name(column)) || self.reads(&name(to)) =>
            {
                // Somebody who knew of the change before the counts did asked for the new name: rows
                // that have the old one were counted as without.
                self.rereads |= self.reads(&name(to));
                let (from, to) = (Path::column(name(column)), Path::column(name(to)));
                rename(&mut self.definition, &from, &to);
                self.step(Action::Rename { from, to });
                self.is(Class::A1, Relation::MappedWhileEarlier);
            }
            ChangeKind::ChangeType { column, .. } if self.reads(&name(column)) => {
                let path = Path::column(name(column));
                self.step(Action::Convert { path, conversion: Conversion::ToText { max_length: None } });
                // A later change of the same column may have been seen already.
                self.is(Class::A2, Relation::MappedWhileEarlier);
            }
            ChangeKind::DropColumn { column, .. } if self.reads(&name(column)) => {
                let path = Path::column(name(column));
                if let Some(place) = self.definition.group_by.iter().position(|one| *one == path) {
                    self.definition.group_by.remove(place);
                    self.suspended.push((place, path.clone()));
                }
                self.definition.headroom.attributes.retain(|one| *one != path);
                // Without a position a step would take the column from rows written after it is back.
                if self.until.is_some() {
                    self.step(Action::Drop { path });
                }
                self.is(Class::A2, Relation::Mapped);
            }
            ChangeKind::AddColumn { column, default, typed } => {
                let path = Path::column(name(column));
                let Some(at) = self.suspended.iter().position(|(_, one)| *one == path) else { return };
                // Items that kept it from before it was dropped were counted without it. Where nothing
                // is rewritten, or where there is no ledger, nobody can make up for that: a column that
                // no count reads is not remembered.
                let is_new = self.suspended.iter().any(|(place, one)| *one == path && *place == NEVER_THERE);
                if !is_new && (!self.facts.has_ledger || self.until.is_none()) {
                    return;
                }
                // Planned for once more, after rows had no more reason to remember it.
                let adopted = self.facts.adopted.as_ref();
                if adopted.is_some_and(|shape| shape.columns.contains(path.column_name())) {
                    return;
                }
                let (place, _) = self.suspended.remove(at);
                let place = place.min(self.definition.group_by.len());
                self.definition.group_by.insert(place, path.clone());
                if self.until.is_some() {
                    let text = typed.declared.as_deref() == Some("TEXT");
                    let value = match default.as_deref() {
                        None => Value::Null,
                        Some(default) if text => Value::String(default.to_owned()),
                        Some(default) => default.parse::<Decimal>().map_or(Value::Null, Value::Number),
                    };
                    self.step(Action::Default { path, value });
                }
                self.is(Class::A3, Relation::MappedWhileEarlier);
            }
            _ => {}
        }
    }

    fn is(&mut self, class: Class, relation: Relation) {
        self.class = self.class.max(class);
        if relation == Relation::MappedWhileEarlier {
            self.relation = relation;
        }
    }

    fn finish(self) -> Made {
        if self.class == Class::A0 {
            return Made { class: Class::A0, update: None, relation: Relation::Unrelated };
        }
        let (class, start, relation) = if self.rereads {
            let Some((class, start)) = self.reread() else {
                return Made { class: Class::A6, update: None, relation: Relation::Unrelated };
            };
            (class, start, Relation::Unrelated)
        } else {
            let atoms = atoms_of(&self.before.definition);
            let transform = Transform {
                actions: self.actions,
                keep: None,
                group_by: cell_dimensions(&self.definition),
                atoms: (0..atoms).map(Some).collect(),
            };
            (self.class, Start::Image(transform), self.relation)
        };
        let update = LogicUpdate {
            definition: self.definition,
            migration: self.migration,
            start,
            earlier_tables: self.before.earlier_tables.clone(),
            suspended: self.suspended,
        };
        Made { class, update: Some(update), relation }
    }

    /// Where rows are looked at again: in the ledger, if it remembers what is read under the names
    /// from before this event, or else in the source.
    fn reread(&self) -> Option<(Class, Start)> {
        let had = |path: &Path| {
            self.actions.iter().rev().fold(path.clone(), |path, action| match action {
                Action::Rename { from, to } if *to == path => from.clone(),
                _ => path,
            })
        };
        let is_remembered = |path: &Path| {
            let had = had(path);
            self.facts.remembered.iter().any(|one| one == had.column_name())
        };
        match self.facts {
            Facts { has_ledger: false, .. } => None,
            _ if self.definition.paths().all(is_remembered) => Some((Class::A4, Start::Ledger)),
            Facts { source_is_readable: true, .. } => Some((Class::A5, Start::Source)),
            _ => None,
        }
    }
}

fn atoms_of(definition: &CountDefinition) -> u16 {
    definition.filter.as_ref().map_or(0, |filter| u16::try_from(filter.atoms().len()).unwrap_or(0))
}

/// What cells are kept by, truths included.
fn cell_dimensions(definition: &CountDefinition) -> Vec<Path> {
    let mut dimensions = definition.dimensions();
    if definition.headroom.truth {
        dimensions.extend((0..usize::from(atoms_of(definition))).map(Predicate::truth_path));
    }
    dimensions
}

fn redefine(head: &LogicVersion, asked: &CountDefinition, facts: &Facts) -> Made {
    let had = &head.definition;
    let update = |start: Start| {
        Some(LogicUpdate {
            definition: asked.clone(),
            migration: head.migration.clone(),
            start,
            earlier_tables: head.earlier_tables.clone(),
            suspended: head
                .suspended
                .iter()
                .filter(|(_, path)| !asked.group_by.contains(path))
                .cloned()
                .collect(),
        })
    };
    let dimensions = had.dimensions();
    let known = |path: &Path| dimensions.contains(path);
    let atoms = atoms_of(had);
    let keep = match (&had.filter, &asked.filter) {
        (None, None) => Some((None, Vec::new())),
        (Some(old), Some(new)) if old == new && (had.headroom.truth == asked.headroom.truth) => {
            Some((None, (0..atoms).map(Some).collect()))
        }
        (Some(old), Some(new)) if old == new && had.headroom.truth => {
            Some((Some(old.over_truths()), (0..atoms).map(Some).collect()))
        }
        (Some(_), None) if had.headroom.truth => Some((None, (0..atoms).map(|_| None).collect())),
        (None, Some(new)) if !asked.headroom.truth && new.paths().into_iter().all(known) => {
            Some((Some(new.clone()), Vec::new()))
        }
        _ => None,
    };
    if let Some((keep, atoms)) = keep
        && asked.dimensions().iter().all(known)
        && (asked.distinct.is_none() || asked.distinct == had.distinct)
        // A register says nothing of the item it came from but its group.
        && (asked.distinct.is_none() || (keep.is_none() && dimensions == asked.dimensions()))
    {
        let transform = Transform { actions: Vec::new(), keep, group_by: cell_dimensions(asked), atoms };
        return Made {
            class: Class::A2,
            update: update(Start::Image(transform)),
            relation: Relation::Mapped,
        };
    }
    let remembered = |path: &Path| facts.remembered.iter().any(|one| one == path.column_name());
    let narrows = had.filter.is_none() && asked.filter.is_some();
    let widens = had.filter.is_some() && asked.filter.is_none();
    if facts.has_ledger && asked.paths().all(remembered) {
        let relation = match (narrows, widens) {
            (true, _) => Relation::AtMost,
            (_, true) => Relation::AtLeast,
            _ => Relation::Unrelated,
        };
        return Made { class: Class::A4, update: update(Start::Ledger), relation };
    }
    if facts.has_ledger && facts.source_is_readable {
        return Made { class: Class::A5, update: update(Start::Source), relation: Relation::Unrelated };
    }
    Made { class: Class::A6, update: None, relation: Relation::Unrelated }
}

fn rename(definition: &mut CountDefinition, from: &Path, to: &Path) {
    let swap = |path: &mut Path| {
        if path == from {
            path.clone_from(to);
        }
    };
    definition.group_by.iter_mut().for_each(swap);
    definition.headroom.attributes.iter_mut().for_each(swap);
    definition.distinct.iter_mut().for_each(swap);
    let operand = |operand: &Operand| match operand {
        Operand::Path(path) if path == from => Operand::Path(to.clone()),
        other => other.clone(),
    };
    let atom = |atom: &Atom| match atom {
        Atom::Compare { left, op, right } => {
            Atom::Compare { left: operand(left), op: *op, right: operand(right) }
        }
        other => other.clone(),
    };
    let mut atom = atom;
    definition.filter = definition.filter.as_ref().map(|filter| filter.map_atoms(&mut atom));
}

#[cfg(test)]
mod tests {
    use evercount_core::adjustment::{self, version_of};
    use evercount_core::change::TableName;
    use evercount_core::counting::{self, Cells};
    use evercount_core::definition::{DefinitionName, Headroom};
    use evercount_core::group::{Cell, GroupKey};
    use evercount_core::logic::{Coverage, LogicState};
    use evercount_core::value::Item;

    use super::super::shape::{Column, Reshaping, Shape};
    use super::*;

    fn reads(group_by: &[&str], headroom: &[&str]) -> LogicVersion {
        let columns = |names: &[&str]| names.iter().map(|name| Path::column(*name)).collect();
        let definition = CountDefinition {
            name: DefinitionName::parse("by_status").unwrap_or_else(|| unreachable!("it is a name")),
            table: TableName::new("orders"),
            group_by: columns(group_by),
            filter: None,
            distinct: None,
            groups_max: 100,
            headroom: Headroom { attributes: columns(headroom), truth: false },
        };
        LogicVersion::new(1, definition, LogicState::Active, Coverage::Whole, 0)
    }

    /// What an item counts for once a planner's plan for a change is followed.
    fn followed(
        planner: fn(&Cause, &LogicVersion, &Facts) -> AdjustmentPlan,
        head: &LogicVersion,
        (change, facts): (&Reshaping, &Facts),
        item: &Item,
    ) -> Cells {
        let cause =
            Cause::Schema { event: "e1".to_owned(), changes: vec![change.told()], position: None, at: 0 };
        let plan = planner(&cause, head, facts);
        let next = plan.update.as_ref().map(|update| version_of(&plan, update, head, 2, 0));
        let counted = counting::contribution(next.as_ref().unwrap_or(head), Some(item), None);
        counted.unwrap_or_default()
    }

    #[test]
    fn a_rename_is_followed_by_counts_of_the_old_name_and_by_those_that_had_the_new_one_before() {
        let change = Reshaping::Rename { from: "city".to_owned(), to: "city4".to_owned() };
        let old = Shape {
            version: 3,
            status: Column { name: "status".to_owned(), text: true },
            city: Column { name: "city".to_owned(), text: true },
            ..Shape::default()
        };
        let wanted =
            super::super::shape::Wanted { status: 1, city: 2, level: 0, tier: 0, amount: 0, note: 0 };
        let (earlier, later) = (old.item(wanted, None), old.after(&change).item(wanted, None));
        let text = |name: &str, value: &str| (Path::column(name), Value::String(value.to_owned()));
        let in_group = |key: Vec<(Path, Value)>| Cells::from([(Cell::Group(GroupKey::new(key)), 1)]);
        let both = || in_group(vec![text("status", "A"), text("city4", "Paris")]);
        let facts = Facts { has_ledger: true, source_is_readable: true, ..Facts::default() };
        for (head, expected) in [
            (reads(&["status"], &[]), in_group(vec![text("status", "A")])),
            (reads(&["status", "city"], &[]), both()),
            (reads(&["status"], &["city"]), both()),
            (reads(&["status", "city4"], &[]), both()),
            (reads(&["status", "city4"], &["city"]), both()),
        ] {
            for item in [&earlier, &later] {
                let by_hand = followed(right, &head, (&change, &facts), item);
                assert_eq!(by_hand, expected, "{:?} of {item:?}", head.definition);
                let analyzed = followed(adjustment::plan, &head, (&change, &facts), item);
                assert_eq!(analyzed, expected, "the analyzer on {:?} of {item:?}", head.definition);
            }
        }
    }
}
