//! Composition: what several changes of one event amount to together.
//!
//! Each column is followed from its name before to its name after, so that what cancels out (a
//! column that was added and dropped again, a rename that was taken back) is no change, renames
//! in a row are one, and a column that was dropped and made anew is another one of the same name.

use std::sync::Arc;

use super::paths::{Place, Reads};
use crate::change::TableName;
use crate::migration::conversion::Hop;
use crate::path::Path;
use crate::schema::FieldPath;
use crate::schema_change::{ChangeKind, Evidence, SchemaChange, Typed};

/// What the changes of an event amount to. Drops come first, then renames (all at once), then
/// changes of type under the new names, then additions.
#[derive(Clone, PartialEq, Debug, Default)]
pub(super) struct Composition {
    /// Whether rows come from a database's log: such a database has typed columns, whoever tells of
    /// the change.
    from_log: bool,
    /// What emptied the table, in a few words.
    pub emptied: Option<&'static str>,
    /// Whether the table is new.
    pub created: bool,
    /// The table's new name.
    pub table: Option<TableName>,
    /// The key columns before and now.
    pub key: Option<(Vec<FieldPath>, Vec<FieldPath>)>,
    /// Columns that are gone.
    pub dropped: Vec<Dropped>,
    /// Columns that go on under another name.
    pub renamed: Vec<Renamed>,
    /// Columns of another type.
    pub retyped: Vec<Retyped>,
    /// Columns that are new.
    pub added: Vec<Added>,
    /// Names that came up and that no column had before.
    pub introduced: Vec<Place>,
    /// Fields whose place cannot be followed, by their text.
    pub strange: Vec<String>,
}

/// A column that is gone.
#[derive(Clone, PartialEq, Debug)]
pub(super) struct Dropped {
    pub place: Place,
    pub origin: Origin,
}

/// A column under another name.
#[derive(Clone, PartialEq, Debug)]
pub(super) struct Renamed {
    pub from: Place,
    pub to: Place,
    /// How sure it is; 1 where it was declared or seen.
    pub score: f64,
    pub origin: Origin,
}

/// A column of another type, by its name after.
#[derive(Clone, PartialEq, Debug)]
pub(super) struct Retyped {
    pub place: Place,
    /// From type to type.
    pub hops: Vec<Hop>,
    pub origin: Origin,
}

/// A new column.
#[derive(Clone, PartialEq, Debug)]
pub(super) struct Added {
    pub place: Place,
    pub typed: Typed,
    pub default: Option<Arc<str>>,
    /// Changes of its type since.
    pub hops: Vec<Hop>,
    pub origin: Origin,
}

/// Where a change comes from.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Origin {
    /// Whether the source said so: then its position is where every row has the new shape.
    pub declared: bool,
    /// Whether the source is a database of typed columns, which changes rows that stand. A
    /// document store changes none.
    pub typed: bool,
}

impl Origin {
    fn of(change: &SchemaChange, from_log: bool) -> Self {
        let declared = matches!(change.evidence, Evidence::Declared { .. });
        let words = match &change.kind {
            ChangeKind::AddColumn { typed, .. }
            | ChangeKind::DropColumn { typed, .. }
            | ChangeKind::RenameColumn { typed, .. }
            | ChangeKind::ChangeType { typed, .. } => typed.declared.is_some(),
            _ => false,
        };
        Self { declared, typed: declared || words || from_log }
    }

    fn and(self, other: Self) -> Self {
        Self { declared: self.declared && other.declared, typed: self.typed || other.typed }
    }
}

/// A column on its way through the changes.
struct Lineage {
    before: Option<FieldPath>,
    now: Option<FieldPath>,
    added: Option<(Typed, Option<Arc<str>>)>,
    hops: Vec<Hop>,
    score: f64,
    origin: Origin,
}

impl Composition {
    /// What the changes amount to.
    pub(super) fn of(changes: &[SchemaChange], from_log: bool) -> Self {
        let mut all = Self { from_log, ..Self::default() };
        let mut lineages: Vec<Lineage> = Vec::new();
        for change in changes {
            all.follow(change, &mut lineages);
        }
        for lineage in &lineages {
            all.conclude(lineage, &lineages);
        }
        all.forget_returns();
        let existed: Vec<&FieldPath> =
            lineages.iter().filter_map(|lineage| lineage.before.as_ref()).collect();
        let names = changes.iter().filter_map(|change| match &change.kind {
            ChangeKind::AddColumn { column, .. } => Some(column),
            ChangeKind::RenameColumn { to, .. } => Some(to),
            _ => None,
        });
        all.introduced = names.filter(|name| !existed.contains(name)).filter_map(Place::of).collect();
        if let Some((previous, key)) = all.key.take() {
            let names: Vec<FieldPath> = previous
                .iter()
                .map(|column| {
                    let goes_on = lineages.iter().find(|lineage| lineage.before.as_ref() == Some(column));
                    goes_on.and_then(|lineage| lineage.now.clone()).unwrap_or_else(|| column.clone())
                })
                .collect();
            all.key = (names != key).then_some((previous, key));
        }
        all
    }

    /// A document store rewrites nothing: an attribute that was not written for a while and is
    /// again has the same meaning in every item.
    fn forget_returns(&mut self) {
        let added = self.added.clone();
        let returns = |dropped: &Dropped| {
            !dropped.origin.typed
                && added.iter().any(|added| !added.origin.typed && added.place == dropped.place)
        };
        let returned: Vec<Place> =
            self.dropped.iter().filter(|dropped| returns(dropped)).map(|one| one.place.clone()).collect();
        self.dropped.retain(|dropped| !returned.contains(&dropped.place));
        self.added.retain(|added| !returned.contains(&added.place));
    }

    fn follow(&mut self, change: &SchemaChange, lineages: &mut Vec<Lineage>) {
        let origin = Origin::of(change, self.from_log);
        match &change.kind {
            ChangeKind::CreateTable => self.created = true,
            ChangeKind::DropTable => self.emptied = Some("was dropped"),
            ChangeKind::TruncateTable => {
                self.emptied.get_or_insert("was emptied");
            }
            ChangeKind::RenameTable { to } => self.table = Some(to.clone()),
            ChangeKind::ChangeKey { previous, key } => {
                let first = self.key.take().map_or_else(|| previous.clone(), |(first, _)| first);
                self.key = Some((first, key.clone()));
            }
            ChangeKind::AddColumn { column, typed, default } => lineages.push(Lineage {
                before: None,
                now: Some(column.clone()),
                added: Some((typed.clone(), default.clone())),
                hops: Vec::new(),
                score: 1.0,
                origin,
            }),
            ChangeKind::DropColumn { column, .. } => {
                let lineage = lineage_of(column, origin, lineages);
                (lineage.now, lineage.origin) = (None, origin);
                for below in lineages.iter_mut() {
                    if below.now.as_ref().is_some_and(|now| under(now, column).is_some()) {
                        below.now = None;
                    }
                }
            }
            ChangeKind::RenameColumn { column, to, .. } => {
                let score = match &change.evidence {
                    Evidence::Proposed { score, .. } => *score,
                    _ => 1.0,
                };
                let lineage = lineage_of(column, origin, lineages);
                lineage.now = Some(to.clone());
                lineage.score = lineage.score.min(score);
                lineage.origin = lineage.origin.and(origin);
                for other in lineages.iter_mut() {
                    if let Some(below) = other.now.as_ref().and_then(|now| under(now, column)) {
                        other.now = Some(FieldPath::new(format!("{to}{below}")));
                    }
                }
            }
            ChangeKind::ChangeType { column, typed, previous, retype } => {
                let lineage = lineage_of(column, origin, lineages);
                lineage.origin = lineage.origin.and(origin);
                lineage.hops.push(Hop { before: previous.clone(), after: typed.clone(), retype: *retype });
            }
        }
    }

    fn conclude(&mut self, lineage: &Lineage, all: &[Lineage]) {
        let mut place = |field: &FieldPath| {
            let place = Place::of(field);
            if place.is_none() {
                self.strange.push(field.to_string());
            }
            place
        };
        let origin = lineage.origin;
        match (&lineage.before, &lineage.now) {
            (None, None) => {}
            (Some(before), None) => {
                let Some(place) = place(before) else { return };
                self.dropped.push(Dropped { place, origin });
            }
            (None, Some(now)) => {
                let (Some(place), Some((typed, default))) = (place(now), lineage.added.clone()) else {
                    return;
                };
                self.added.push(Added { place, typed, default, hops: lineage.hops.clone(), origin });
            }
            (Some(before), Some(now)) => {
                let (Some(from), Some(to)) = (place(before), place(now)) else { return };
                // A part of a column that was renamed moves along, and is not renamed itself.
                let moves_along = all.iter().any(|other| match (&other.before, &other.now) {
                    (Some(was), Some(is)) => {
                        under(before, was).is_some_and(|below| under(now, is) == Some(below))
                    }
                    _ => false,
                });
                if before != now && !moves_along {
                    self.renamed.push(Renamed { from, to: to.clone(), score: lineage.score, origin });
                }
                if !lineage.hops.is_empty() {
                    self.retyped.push(Retyped { place: to, hops: lineage.hops.clone(), origin });
                }
            }
        }
    }

    /// The same with each rename that is a question answered: it is a drop and an addition.
    pub(super) fn with_renames_apart(&self, is_question: impl Fn(&Renamed) -> bool) -> Self {
        let mut apart = self.clone();
        apart.renamed.clear();
        for renamed in &self.renamed {
            if is_question(renamed) {
                apart.dropped.push(Dropped { place: renamed.from.clone(), origin: renamed.origin });
                let (place, origin) = (renamed.to.clone(), renamed.origin);
                let (typed, default, hops) = (Typed::default(), None, Vec::new());
                apart.added.push(Added { place, typed, default, hops, origin });
            } else {
                apart.renamed.push(renamed.clone());
            }
        }
        apart
    }

    /// Whether a column of the name is there after all.
    pub(super) fn replaces(&self, place: &Place) -> bool {
        let renamed = self.renamed.iter().map(|one| &one.to);
        self.added.iter().map(|one| &one.place).chain(renamed).any(|other| other == place)
    }

    /// Whether a name is of one column before and of another after, so that only an image's
    /// position tells which it has.
    pub(super) fn reuses(&self, path: &Path) -> bool {
        let before =
            self.dropped.iter().map(|one| &one.place).chain(self.renamed.iter().map(|one| &one.from));
        let after = self.added.iter().map(|one| &one.place).chain(self.renamed.iter().map(|one| &one.to));
        let mut before = before.filter(|place| place.read_by(path) != Reads::Nothing);
        let mut after = after.filter(|place| place.read_by(path) != Reads::Nothing);
        before.next().is_some() && after.next().is_some()
    }
}

/// The rest of a field's text below another one.
fn under<'a>(field: &'a FieldPath, parent: &FieldPath) -> Option<&'a str> {
    field.as_str().strip_prefix(parent.as_str()).filter(|rest| rest.starts_with(['.', '[']))
}

fn lineage_of<'a>(column: &FieldPath, origin: Origin, lineages: &'a mut Vec<Lineage>) -> &'a mut Lineage {
    let at = lineages.iter().position(|lineage| lineage.now.as_ref() == Some(column));
    let at = at.unwrap_or_else(|| {
        let (before, now) = (Some(column.clone()), Some(column.clone()));
        lineages.push(Lineage { before, now, added: None, hops: Vec::new(), score: 1.0, origin });
        lineages.len() - 1
    });
    #[expect(clippy::indexing_slicing, reason = "found or pushed just now")]
    &mut lineages[at]
}

/// How a name begins that a column only has between two others.
const BETWEEN: &str = "renaming[";

/// Whether a column only has this name between two others.
pub(super) fn is_between(path: &Path) -> bool {
    path.column_name().starts_with(BETWEEN)
}

/// Renames in an order in which each name is free when it is taken; a swap goes over a name that
/// no column has.
pub(super) fn ordered(renamed: &[Renamed]) -> Vec<(Path, Path)> {
    let mut left: Vec<(Path, Path)> =
        renamed.iter().map(|one| (one.from.0.clone(), one.to.0.clone())).collect();
    let mut order = Vec::new();
    let mut last = Vec::new();
    while !left.is_empty() {
        let free = left.iter().position(|(_, to)| left.iter().all(|(from, _)| from != to));
        match free {
            Some(at) => order.push(left.remove(at)),
            None => {
                let (from, to) = left.remove(0);
                let between = Path::column(format!("{BETWEEN}{}]", last.len()));
                order.push((from, between.clone()));
                last.push((between, to));
            }
        }
    }
    order.extend(last);
    order
}
