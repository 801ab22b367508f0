//! Proofs by form: an update that only calls columns by other names is exact for every row, and
//! no row has to be tried.
//!
//! Let a definition read `from`, and let no row from before have `to`. Reading a row with `from` moved
//! to `to` by a definition with `from` replaced by `to` finds, test by test and dimension by
//! dimension, what the one finds in the other: the same truths, the same missing attributes, the
//! same values and so the same groups under their new names, which is what the transform makes of
//! the old ones. A row that is written after the change has no `from`, so the new version's steps leave
//! it alone; the parent knows nothing of it.
//!
//! What is looked at is what the rules came to, not how: whatever is not of this very form is tried on
//! rows ([`super::witness`]).

use std::collections::BTreeSet;

use super::draft::Draft;
use super::paths::map_paths;
use crate::definition::CountDefinition;
use crate::function::is_answer;
use crate::logic::{LogicVersion, Relation};
use crate::migration::{Action, Step};
use crate::order::{Micros, OrderVersion};
use crate::path::Path;
use crate::transform::Transform;

/// Whether a draft does nothing but go on under other names, so that `transform` is exact, and rows of
/// the earlier shape count as their image.
pub(super) fn only_renames(
    draft: &Draft,
    parent: &LogicVersion,
    position: Option<&OrderVersion>,
    transform: &Transform,
) -> bool {
    let Some(pairs) = pairs(&draft.change) else { return false };
    let atoms = draft.definition.filter.as_ref().map_or(0, |filter| filter.atoms().len());
    draft.relation == Relation::MappedWhileEarlier
        // Steps of old may give a row the very names that this is about.
        && parent.migration.is_empty()
        && draft.earlier_steps.is_empty()
        && are_fresh(&pairs, &parent.definition)
        && draft.definition == map_paths(&parent.definition, |path| substituted(path, &pairs))
        && draft.steps.iter().map(|step| &step.action).eq(&draft.change)
        && spare_later_rows(&draft.steps, position)
        && transform.actions == draft.change
        && transform.keep.is_none()
        && transform.group_by == draft.dimensions()
        && transform.atoms.iter().copied().eq((0..atoms).map(|atom| u16::try_from(atom).ok()))
}

/// The names before and after, where a change is of columns' names alone: renames, each after the
/// new name was cleared or not.
fn pairs(change: &[Action]) -> Option<Vec<(&Path, &Path)>> {
    // Paths with an index stand in a key under their text, and truths under names like it.
    let is_plain = |path: &Path| path.rest().is_empty() && !path.column_name().contains(['.', '[', ']', '"']);
    let mut pairs = Vec::new();
    let mut cleared = None;
    for action in change {
        match (action, cleared.take()) {
            (Action::Drop { path }, None) => cleared = Some(path),
            (Action::Rename { from, to }, before)
                if is_plain(from) && is_plain(to) && before.is_none_or(|path| path == to) =>
            {
                pairs.push((from, to));
            }
            _ => return None,
        }
    }
    (cleared.is_none() && !pairs.is_empty()).then_some(pairs)
}

/// Whether the names are all different, and the new ones mean nothing to the definition yet.
fn are_fresh(pairs: &[(&Path, &Path)], definition: &CountDefinition) -> bool {
    let names: BTreeSet<&Path> = pairs.iter().flat_map(|(from, to)| [*from, *to]).collect();
    let is_of = |path: &Path, name: &Path| path.column_name() == name.column_name();
    // Of a column and its parts, a key has one under its text.
    let is_part = |path: &Path| !path.rest().is_empty() && pairs.iter().any(|(from, _)| is_of(path, from));
    names.len() == 2 * pairs.len()
        && names.iter().all(|path| !is_answer(path.column_name()))
        && !definition.paths().any(|path| pairs.iter().any(|(_, to)| is_of(path, to)))
        && !definition.dimensions().iter().any(is_part)
}

fn substituted(path: &Path, pairs: &[(&Path, &Path)]) -> Path {
    let pair = pairs.iter().find(|(from, _)| from.column_name() == path.column_name());
    pair.map_or_else(|| path.clone(), |(_, to)| Path::new(to.column_name(), path.rest().to_vec()))
}

/// Whether steps leave rows alone that are written after the change, and no others: those of the
/// new shape have nothing to rename, and a name is cleared only in rows from before.
fn spare_later_rows(steps: &[Step], position: Option<&OrderVersion>) -> bool {
    let oldest = OrderVersion::load(0, Micros::MIN);
    let all_older = position.is_some_and(|position| oldest < *position);
    steps.iter().all(|step| match (&step.until, &step.action) {
        (None, action) => matches!(action, Action::Rename { .. }),
        (until, _) => until.as_ref() == position && all_older,
    })
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may panic")]
    use super::*;
    use crate::adjustment::rows::Rows;
    use crate::adjustment::settle::{trial, try_out, update, version};
    use crate::adjustment::{Start, draft::Answers, shape};
    use crate::change::TableName;
    use crate::decimal::Decimal;
    use crate::definition::{DefinitionName, Headroom};
    use crate::logic::{Coverage, LogicState};
    use crate::order::LogRank;
    use crate::predicate::{Atom, Comparison, Operand, Predicate};
    use crate::schema::{FieldPath, FieldType, TypeSet};
    use crate::schema_change::{ChangeKind, Evidence, SchemaChange, Typed};
    use crate::value::Value;

    fn logic(
        group_by: &[&str],
        filter: Option<Predicate>,
        truth: bool,
        distinct: Option<&str>,
    ) -> LogicVersion {
        let path = |text: &&str| Path::parse(text).unwrap();
        let definition = CountDefinition {
            name: DefinitionName::parse("orders_by").unwrap(),
            table: TableName::new("orders"),
            group_by: group_by.iter().map(path).collect(),
            filter,
            distinct: distinct.as_ref().map(path),
            groups_max: 100,
            headroom: Headroom { truth, ..Headroom::default() },
        };
        LogicVersion::new(1, definition, LogicState::Active, Coverage::Whole, 0)
    }

    fn renames(names: &[(&str, &str)]) -> Vec<SchemaChange> {
        let typed = || Typed { types: TypeSet::of(FieldType::STRING), declared: None };
        let rename = |(from, to): &(&str, &str)| SchemaChange {
            kind: ChangeKind::RenameColumn {
                column: FieldPath::new(*from),
                to: FieldPath::new(*to),
                typed: typed(),
                previous: typed(),
            },
            evidence: Evidence::Declared { statement: "ALTER TABLE orders".into() },
        };
        names.iter().map(rename).collect()
    }

    /// Whether the form proves it; what it proves, rows bear out.
    fn is_proved(logic: &LogicVersion, names: &[(&str, &str)], position: Option<&OrderVersion>) -> bool {
        let draft = shape::draft(&renames(names), position, logic, Answers::default());
        let Some(transform) = draft.transform(&logic.definition).filter(|_| draft.reread.is_none()) else {
            return false;
        };
        let proved = only_renames(&draft, logic, position, &transform);
        if proved {
            let rows = Rows::of(&logic.definition, &draft, &[]);
            let update = update(&draft, Start::Image(transform.clone()));
            let next = version(&update, logic, Relation::Unrelated, None, 0, 0);
            let tried = try_out(&trial(&draft, logic, &next, &rows, position), &transform, draft.relation);
            assert_eq!(tried, (true, Relation::MappedWhileEarlier), "{:?} {names:?}", logic.definition);
        }
        proved
    }

    fn filters() -> Vec<Predicate> {
        let column = |name: &str| Operand::Path(Path::column(name));
        let equals = |name: &str, text: &str| {
            let right = Operand::Literal(Value::String(text.into()));
            Predicate::Atom(Atom::Compare { left: column(name), op: Comparison::Equal, right })
        };
        let hundred = Operand::Literal(Value::Number(Decimal::from(100)));
        let more = Atom::Compare { left: column("amount"), op: Comparison::Greater, right: hundred };
        vec![
            Predicate::And(vec![equals("status", "ACTIVE"), Predicate::Atom(more)]),
            Predicate::Not(Box::new(equals("status", "CLOSED"))),
            Predicate::Or(vec![
                Predicate::Atom(Atom::IsMissing(Path::column("status"))),
                equals("plan", "free"),
            ]),
            Predicate::Atom(Atom::BeginsWith(Path::parse("status.code").unwrap(), Value::String("a".into()))),
        ]
    }

    #[test]
    fn what_goes_on_under_other_names_alone_is_proved_and_rows_bear_it_out() {
        let at = OrderVersion::binlog(0, 1, 500, 0, LogRank::Change);
        let mut proved = 0;
        for filter in filters() {
            for group_by in [&["status"][..], &["plan", "status"], &["plan"], &[]] {
                for distinct in [None, Some("status"), Some("plan")] {
                    for truth in [false, true] {
                        let logic = logic(group_by, Some(filter.clone()), truth, distinct);
                        for position in [None, Some(&at)] {
                            assert!(
                                is_proved(&logic, &[("status", "state")], position),
                                "{:?}",
                                logic.definition
                            );
                            let both = [("status", "state"), ("plan", "tariff")];
                            proved += usize::from(is_proved(&logic, &both, position));
                        }
                    }
                }
            }
        }
        assert!(proved > 100, "{proved}");
    }

    #[test]
    fn what_is_not_of_the_form_is_left_to_be_tried() {
        let filter = || filters().into_iter().next();
        let plain = logic(&["status"], filter(), false, None);
        // The new name is read already, or names go in a ring.
        assert!(!is_proved(&plain, &[("status", "amount")], None));
        assert!(!is_proved(&plain, &[("status", "x"), ("amount", "status"), ("x", "amount")], None));
        // A part of a column, and a column beside a part of it.
        assert!(!is_proved(&logic(&["status.code"], None, false, None), &[("status", "state")], None));
        assert!(!is_proved(
            &logic(&["status", "status.code"], None, false, None),
            &[("status", "state")],
            None
        ));
        assert!(!is_proved(&logic(&["address.city"], None, false, None), &[("address.city", "town")], None));
        // Steps of old, and a transform that is not what the names come to.
        let step = Step {
            action: Action::Rename { from: Path::column("old"), to: Path::column("status") },
            until: None,
        };
        let moved = LogicVersion { migration: vec![step], ..plain.clone() };
        assert!(!is_proved(&moved, &[("status", "state")], None));
        let draft = shape::draft(&renames(&[("status", "state")]), None, &plain, Answers::default());
        let transform = draft.transform(&plain.definition).unwrap();
        assert!(only_renames(&draft, &plain, None, &transform));
        let others = [
            Transform { actions: Vec::new(), ..transform.clone() },
            Transform { keep: filter(), ..transform.clone() },
            Transform { group_by: plain.definition.group_by.clone(), ..transform.clone() },
            Transform { atoms: vec![Some(1), Some(0)], ..transform },
        ];
        assert!(others.iter().all(|other| !only_renames(&draft, &plain, None, other)));
    }
}
