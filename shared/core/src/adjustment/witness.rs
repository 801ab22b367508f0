//! Proofs: whether a transform is exact, and where none can be, two tables that show it.
//!
//! Counts are sums over rows, so a transform is exact when it is for each row alone; and stored
//! counts fall short as soon as there are two rows (or a row and no row at all) that they cannot
//! tell apart and the new counts can. Both are tried on a small domain of rows
//! ([`super::rows`]). A witness that is found is one whatever the domain lacks; a transform is
//! drawn up by rules that hold for all rows, and tried as a guard.

use std::collections::BTreeMap;

use super::Certificate;
use super::rows::{Rows, changed};
use crate::counting::{Cells, contribution};
use crate::group::{Cell, Outcome};
use crate::ledger;
use crate::logic::{Base, LogicVersion, Relation};
use crate::migration::{Action, Step, migrate};
use crate::order::{Micros, OrderVersion};
use crate::transform::Transform;
use crate::value::Item;

/// A version, the one planned to follow it, and what becomes of rows in between.
pub(super) struct Trial<'a> {
    pub parent: &'a LogicVersion,
    pub next: &'a LogicVersion,
    pub change: &'a [Action],
    /// Where the change stands in the source's log.
    pub position: Option<&'a OrderVersion>,
    pub rows: &'a Rows<'a>,
    /// The steps of both versions: rows are tried in the parent's shape, and have them behind them.
    pub steps_before: usize,
}

impl Trial<'_> {
    /// The place of images right before the change.
    fn before(&self) -> OrderVersion {
        let oldest = OrderVersion::load(0, Micros::MIN);
        let dated = self.parent.migration.iter().filter_map(|step| step.until.as_ref());
        let known = dated.filter(|until| self.position.is_none_or(|position| *until < position)).max();
        known.cloned().unwrap_or(oldest)
    }

    /// The same versions for rows that have the parent's shape.
    fn of_this_shape(&self) -> (LogicVersion, LogicVersion) {
        let parent = LogicVersion { migration: Vec::new(), ..self.parent.clone() };
        (parent, LogicVersion { migration: self.steps().to_vec(), ..self.next.clone() })
    }

    /// The steps that are new.
    pub(super) fn steps(&self) -> &[Step] {
        self.next.migration.get(self.steps_before..).unwrap_or_default()
    }

    /// Whether a transform gives the new counts of every row, whether it is read as it was or as
    /// it is after the change.
    pub(super) fn is_exact(&self, transform: &Transform) -> bool {
        let (parent, next) = self.of_this_shape();
        let before = OrderVersion::load(0, Micros::MIN);
        self.rows.earlier().all(|row| {
            let Ok(old) = contribution(&parent, Some(&row), Some(&before)) else { return true };
            let image = transform.apply(&old);
            let is_image = |row: &Item, at| {
                contribution(&next, Some(row), at).is_ok_and(|new| self.same(transform, &image, &new))
            };
            is_image(&changed(&row, self.change), self.position) && is_image(&row, Some(&before))
        })
    }

    /// Whether cells are the same but for what the parent never told: the new atoms' missing
    /// attributes, and sketches that are no longer asked for.
    fn same(&self, transform: &Transform, image: &Cells, new: &Cells) -> bool {
        let told = |(cell, _): &(&Cell, &i64)| match cell {
            Cell::Missing(atom) => transform.atoms.contains(&Some(*atom)),
            Cell::Register { .. } => self.next.definition.distinct.is_some(),
            _ => true,
        };
        image.iter().filter(told).eq(new.iter().filter(told))
    }

    /// Two tables that have equal counts under the parent and different ones under the next
    /// version.
    pub(super) fn witness(&self) -> Option<Certificate> {
        let (parent, next) = self.of_this_shape();
        let before = self.before();
        let mut seen: BTreeMap<Cells, (Option<Item>, Cells)> = [(Cells::new(), (None, Cells::new()))].into();
        for row in self.rows.earlier() {
            // Rows of an even older shape would prove it as well, and be harder to read.
            if migrate(&self.parent.migration, &row, Some(&before)).1 {
                continue;
            }
            let (Ok(old), Ok(new)) = (
                contribution(&parent, Some(&row), Some(&before)),
                contribution(&next, Some(&changed(&row, self.change)), self.position),
            ) else {
                continue;
            };
            let new = items(new);
            match seen.get(&old) {
                Some((other, counted)) if *counted != new => {
                    let other = other.iter().cloned().collect();
                    return Some(Certificate::Witness { one: vec![row], other });
                }
                Some(_) => {}
                None => {
                    seen.insert(old, (Some(row), new));
                }
            }
        }
        None
    }

    /// Whether an exact transform says all of how rows of the earlier shape stand to the parent's:
    /// [`Self::is_exact`] leaves out steps of old, and sketches that are no longer asked for.
    pub(super) fn tells_of_earlier_rows(&self) -> bool {
        self.parent.migration.is_empty()
            && self.steps_before == 0
            && (self.parent.definition.distinct.is_none() || self.next.definition.distinct.is_some())
    }

    /// The strongest relation, from the one that the rules give on, that every row of either
    /// shape keeps to; those of the earlier one are not tried again where that is known.
    pub(super) fn relation(&self, expected: Relation, is_known_of_earlier: bool) -> Relation {
        let mut relation = expected;
        if relation == Relation::Unrelated {
            return relation;
        }
        let ages = if is_known_of_earlier { Vec::new() } else { self.ages() };
        let earlier = ages.iter().flat_map(|age| self.rows.earlier().map(move |row| (row, Some(age))));
        let later = self.rows.later().map(|row| (row, self.position));
        for (row, at) in earlier.chain(later) {
            // What kept to the stronger one keeps to the weaker one as well.
            if relation == Relation::Mapped && !self.keeps(relation, &row, at) {
                relation = Relation::MappedWhileEarlier;
            }
            if relation != Relation::Mapped && !self.keeps(relation, &row, at) {
                return Relation::Unrelated;
            }
        }
        relation
    }

    /// The places of rows from before the change: those that were not written for long have gone
    /// through every step.
    pub(super) fn ages(&self) -> Vec<OrderVersion> {
        let (before, oldest) = (self.before(), OrderVersion::load(0, Micros::MIN));
        if before == oldest { vec![oldest] } else { vec![before, oldest] }
    }

    fn keeps(&self, relation: Relation, row: &Item, at: Option<&OrderVersion>) -> bool {
        let (_, was_earlier) = migrate(&self.next.migration, row, at);
        if relation == Relation::MappedWhileEarlier && !was_earlier {
            return true;
        }
        let (Ok(old), Ok(new)) =
            (contribution(self.parent, Some(row), at), contribution(self.next, Some(row), at))
        else {
            return true;
        };
        let image = match &self.next.base {
            Base::Derived { transform, .. } => transform.apply(&old),
            Base::Own => old,
        };
        ledger::compare(relation, &new, &image, was_earlier) != Outcome::Unexplained
    }
}

/// Cells without what they tell of missing attributes: what a reader counts.
fn items(mut cells: Cells) -> Cells {
    cells.retain(|cell, _| !matches!(cell, Cell::Missing(_)));
    cells
}
