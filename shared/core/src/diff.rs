//! How two versions of a schema differ, as data.

#[cfg(test)]
pub(crate) mod arbitrary;
mod constraint;
pub(crate) mod retype;

use std::collections::{BTreeMap, BTreeSet};

use crate::schema::{Field, FieldPath, FieldType, Schema};
use crate::schema_change::{ChangeKind, Retype, Typed};

pub use constraint::{Bound, BoundChange, Effect, bound_changes};
pub use retype::{disjoint_enums, fits, retype, retype_types};

/// The differences of two schemas, in the order of their paths; a changed key comes last.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Diff {
    /// Each difference.
    pub differences: Vec<Difference>,
}

/// One difference. Where a field is meant, it is by its path after the change, but for a
/// dropped one.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Difference {
    /// A field is new.
    Added {
        /// Which.
        path: FieldPath,
        /// What the schema says of it.
        field: Field,
        /// Whether every row must bring it; see [`must_bring`].
        required: bool,
        /// What rows from before may hold in its place.
        place: Place,
    },
    /// A field is gone.
    Dropped {
        /// Which.
        path: FieldPath,
        /// What the schema said of it.
        field: Field,
        /// Whether every row had to bring it.
        required: bool,
        /// What the schema lets rows hold in its place now.
        place: Place,
    },
    /// A field goes on under another name; nested fields that went with it are not told.
    Renamed {
        /// Its path before.
        from: FieldPath,
        /// Its path now.
        to: FieldPath,
        /// What the schema said of it.
        before: Field,
        /// What the schema says of it.
        after: Field,
        /// Whether every row must bring it now.
        required: bool,
        /// What the schema lets rows hold under the old name now.
        place: Place,
    },
    /// A field has another type, or was redefined.
    Retyped {
        /// Which.
        path: FieldPath,
        /// What the schema said of it.
        before: Field,
        /// What the schema says of it.
        after: Field,
        /// What that does to values.
        retype: Retype,
    },
    /// A field that some rows lacked must be there, or the other way round.
    Required {
        /// Which.
        path: FieldPath,
        /// Whether every row must bring it now.
        required: bool,
        /// Whether rows that lack it take a default.
        default: bool,
    },
    /// A bound on a field's values changed.
    Bounded {
        /// Which field.
        path: FieldPath,
        /// What changed.
        change: BoundChange,
    },
    /// Rows are identified by other columns.
    Key {
        /// The columns before.
        previous: Vec<FieldPath>,
        /// The columns now.
        key: Vec<FieldPath>,
    },
}

/// What a schema that does not name a field lets rows hold in the field's place.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Place {
    /// The map or list it stands in is not there, or was another type, so that the difference is
    /// part of a larger one.
    Part,
    /// Nothing: a table has no more columns than its schema, and readers of a table pass over
    /// columns they do not ask for.
    Table,
    /// Anything: the document says that its map may hold more than it names, or does not say
    /// what its list holds.
    Open,
    /// Nothing: the document says that its map holds no more than it names.
    Closed,
}

impl Difference {
    /// The field that differs, by its path after the change where it has one; the whole item for
    /// a changed key.
    #[must_use]
    pub fn path(&self) -> FieldPath {
        match self {
            Self::Added { path, .. }
            | Self::Dropped { path, .. }
            | Self::Retyped { path, .. }
            | Self::Required { path, .. }
            | Self::Bounded { path, .. } => path.clone(),
            Self::Renamed { to, .. } => to.clone(),
            Self::Key { .. } => FieldPath::root(),
        }
    }

    /// The difference's name in stored and printed text.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Added { .. } => "added",
            Self::Dropped { .. } => "dropped",
            Self::Renamed { .. } => "renamed",
            Self::Retyped { .. } => "retyped",
            Self::Required { required: true, .. } => "required",
            Self::Required { required: false, .. } => "optional",
            Self::Bounded { .. } => "constraint",
            Self::Key { .. } => "key",
        }
    }
}

impl Diff {
    /// Whether the schemas say the same.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.differences.is_empty()
    }

    /// The changes that the differences amount to, in their order. Parts of a field that came or
    /// went with it are not told apart from it. Bounds and required fields, which only documents
    /// declare, are no changes of a table.
    #[must_use]
    pub fn changes(&self) -> Vec<ChangeKind> {
        self.differences.iter().filter_map(change).collect()
    }
}

fn change(difference: &Difference) -> Option<ChangeKind> {
    let typed = |field: &Field| Typed { types: field.types.clone(), declared: field.declared.clone() };
    Some(match difference {
        Difference::Added { place: Place::Part, .. } | Difference::Dropped { place: Place::Part, .. } => {
            return None;
        }
        Difference::Retyped { path, .. } if path.is_root() => return None,
        Difference::Added { path, field, .. } => ChangeKind::AddColumn {
            column: path.clone(),
            typed: typed(field),
            default: field.default.clone(),
        },
        Difference::Dropped { path, field, .. } => {
            ChangeKind::DropColumn { column: path.clone(), typed: typed(field) }
        }
        Difference::Renamed { from, to, before, after, .. } => ChangeKind::RenameColumn {
            column: from.clone(),
            to: to.clone(),
            typed: typed(after),
            previous: typed(before),
        },
        Difference::Retyped { path, before, after, retype } => ChangeKind::ChangeType {
            column: path.clone(),
            typed: typed(after),
            previous: typed(before),
            retype: *retype,
        },
        Difference::Key { previous, key } => {
            ChangeKind::ChangeKey { previous: previous.clone(), key: key.clone() }
        }
        Difference::Required { .. } | Difference::Bounded { .. } => return None,
    })
}

/// Whether a schema is of documents, which may hold more than it names, and not of a table.
#[must_use]
pub fn is_of_documents(schema: &Schema) -> bool {
    schema.fields.contains_key(&FieldPath::root())
}

/// Whether whoever writes a row must bring the field. A table's column that may be NULL is NULL
/// where nothing is brought; a document's field that may be null must be there all the same.
#[must_use]
pub fn must_bring(schema: &Schema, field: &Field) -> bool {
    field.required && (is_of_documents(schema) || !field.types.is_nullable())
}

/// The difference of two versions.
#[must_use]
pub fn diff(before: &Schema, after: &Schema) -> Diff {
    diff_with_renames(before, after, &[])
}

/// The difference of two versions, of which it is known that fields go on under other names. A
/// rename holds where its first name is a field before and not after, and its second after and
/// not before; any other says nothing.
#[must_use]
pub fn diff_with_renames(before: &Schema, after: &Schema, renames: &[(FieldPath, FieldPath)]) -> Diff {
    let renames: BTreeMap<&FieldPath, &FieldPath> = renames
        .iter()
        .filter(|(from, to)| {
            before.fields.contains_key(from)
                && !before.fields.contains_key(to)
                && after.fields.contains_key(to)
                && !after.fields.contains_key(from)
        })
        .map(|(from, to)| (from, to))
        .collect();
    let pairs = Pairs { before, after, by_new: by_new_path(before, &renames) };
    let mut found: Vec<(FieldPath, Difference)> = Vec::new();
    for (path, field) in &after.fields {
        pairs.compare(path, field, &renames, &mut found);
    }
    let paired: BTreeSet<&FieldPath> = after
        .fields
        .keys()
        .filter_map(|path| pairs.old_path(path))
        .filter(|path| before.fields.contains_key(path))
        .collect();
    for (path, field) in before.fields.iter().filter(|(path, _)| !paired.contains(path) && !path.is_root()) {
        let now = pairs.by_new.iter().find(|(_, old)| *old == path).map_or(path, |(new, _)| new);
        let difference = Difference::Dropped {
            path: path.clone(),
            field: field.clone(),
            required: must_bring(before, field),
            place: place(now, after, |container| container.clone()),
        };
        found.push((path.clone(), difference));
    }
    // Stable: what differs about one field stays in the order it was found in.
    found.sort_by(|(a, _), (b, _)| a.cmp(b));
    let mut differences: Vec<Difference> = found.into_iter().map(|(_, difference)| difference).collect();
    let renamed_key: Vec<FieldPath> = before
        .key
        .iter()
        .map(|column| renames.get(column).map_or_else(|| column.clone(), |to| (*to).clone()))
        .collect();
    if renamed_key != after.key {
        differences.push(Difference::Key { previous: before.key.clone(), key: after.key.clone() });
    }
    Diff { differences }
}

/// The path after the change of each field that moved with a rename, with its path before.
fn by_new_path(
    before: &Schema,
    renames: &BTreeMap<&FieldPath, &FieldPath>,
) -> BTreeMap<FieldPath, FieldPath> {
    let mut moved = BTreeMap::new();
    for (from, to) in renames {
        for path in before.fields.keys() {
            let below = path.as_str().strip_prefix(from.as_str());
            if let Some(below) = below.filter(|below| below.is_empty() || below.starts_with(['.', '['])) {
                moved.insert(FieldPath::new(format!("{to}{below}")), path.clone());
            }
        }
    }
    moved
}

struct Pairs<'a> {
    before: &'a Schema,
    after: &'a Schema,
    by_new: BTreeMap<FieldPath, FieldPath>,
}

impl Pairs<'_> {
    /// The path before the change of a field by its path after; `None` where the name was
    /// another field's, which moved away.
    fn old_path<'b>(&'b self, new: &'b FieldPath) -> Option<&'b FieldPath> {
        match self.by_new.get(new) {
            Some(old) => Some(old),
            None if self.by_new.values().any(|old| old == new) => None,
            None => Some(new),
        }
    }

    fn compare(
        &self,
        path: &FieldPath,
        after: &Field,
        renames: &BTreeMap<&FieldPath, &FieldPath>,
        found: &mut Vec<(FieldPath, Difference)>,
    ) {
        let mut push = |difference| found.push((path.clone(), difference));
        let required = must_bring(self.after, after);
        let old_path = self.old_path(path);
        let Some((old_path, before)) =
            old_path.and_then(|old| self.before.fields.get(old).map(|field| (old, field)))
        else {
            // A schema that says nothing of the whole item is a table's: no difference.
            if !path.is_root() {
                push(Difference::Added {
                    path: path.clone(),
                    field: after.clone(),
                    required,
                    place: place(path, self.before, |container| {
                        self.old_path(container).unwrap_or(container).clone()
                    }),
                });
            }
            return;
        };
        if renames.contains_key(old_path) {
            push(Difference::Renamed {
                from: old_path.clone(),
                to: path.clone(),
                before: before.clone(),
                after: after.clone(),
                required,
                place: place(old_path, self.after, |container| container.clone()),
            });
        } else if let Some(retype) = retype(before, after) {
            push(Difference::Retyped {
                path: path.clone(),
                before: before.clone(),
                after: after.clone(),
                retype,
            });
        }
        if must_bring(self.before, before) != required && before.required != after.required {
            let default = after.default.is_some();
            push(Difference::Required { path: path.clone(), required, default });
        }
        for change in bound_changes(before, after) {
            push(Difference::Bounded { path: path.clone(), change });
        }
    }
}

/// What a schema that does not name a path lets rows hold there.
fn place(path: &FieldPath, schema: &Schema, known_as: impl Fn(&FieldPath) -> FieldPath) -> Place {
    let container = path.parent().unwrap_or_else(FieldPath::root);
    let documents = is_of_documents(schema);
    if container.is_root() && !documents {
        return Place::Table;
    }
    let wanted = if path.is_element() { FieldType::List } else { FieldType::Map };
    let Some(holder) =
        schema.fields.get(&known_as(&container)).filter(|holder| holder.types.0.contains(&wanted))
    else {
        return Place::Part;
    };
    if !documents {
        Place::Table
    } else if holder.constraints.closed && wanted == FieldType::Map {
        Place::Closed
    } else {
        Place::Open
    }
}

#[cfg(test)]
mod tests;
