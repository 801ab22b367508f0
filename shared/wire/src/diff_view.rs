//! Owns how schemas and their differences are shown: a tree of fields with marks, which a command
//! prints and a page draws. What differs is decided by [`evercount_core::diff`].

mod json;
mod outline;
mod renames;

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

use evercount_core::diff::{BoundChange, Difference, Effect, Place, diff_with_renames, retype};
use evercount_core::schema::{Field, FieldPath, Schema};
use evercount_core::schema_change::Retype;

use outline::Containers;
pub use outline::{Line, Side, outline};
pub use renames::renames_through;

/// The difference of two versions of a schema, as a tree of their fields.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct DiffView {
    /// The top-level fields of both, in the order of the later version; a dropped one stands where
    /// it stood.
    pub fields: Vec<Node>,
    /// The key columns before and now, where rows are identified by other columns.
    pub key: Option<(Vec<FieldPath>, Vec<FieldPath>)>,
}

/// A field in one of the versions or in both, with the fields it holds.
#[derive(Clone, PartialEq, Debug)]
pub struct Node {
    /// What happened to it.
    pub mark: Mark,
    /// Whether it only came or went with the field it stands in.
    pub is_part: bool,
    /// The field before; `None` where it is new.
    pub before: Option<Side>,
    /// The field now; `None` where it is gone.
    pub after: Option<Side>,
    /// What differs, apart from its being there and its name.
    pub notes: Vec<Note>,
    /// The fields within it.
    pub children: Vec<Node>,
}

/// What happened to a field.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Mark {
    /// Nothing.
    Same,
    /// It is new.
    Added,
    /// It is gone.
    Dropped,
    /// It has another name, and perhaps another type.
    Renamed,
    /// It has another type, or was redefined.
    Retyped,
    /// It became required or optional, or the bounds on its values changed.
    Constrained,
}

impl Mark {
    /// All marks with their names in JSON.
    pub const ALL: [(Self, &'static str); 6] = [
        (Self::Same, "same"),
        (Self::Added, "added"),
        (Self::Dropped, "dropped"),
        (Self::Renamed, "renamed"),
        (Self::Retyped, "retyped"),
        (Self::Constrained, "constrained"),
    ];

    /// The mark's name.
    #[must_use]
    pub fn name(self) -> &'static str {
        Self::ALL.iter().find(|(one, _)| *one == self).map_or("same", |(_, name)| name)
    }

    /// One character that tells the marks apart where there are no colours.
    #[must_use]
    pub fn symbol(self) -> char {
        match self {
            Self::Same => ' ',
            Self::Added => '+',
            Self::Dropped => '-',
            Self::Renamed => '→',
            Self::Retyped | Self::Constrained => '~',
        }
    }
}

/// What differs in a field that both versions have.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Note {
    /// Its type.
    Type {
        /// Before, as a person knows it.
        before: String,
        /// Now.
        after: String,
        /// What that does to values.
        retype: Retype,
    },
    /// What rows without a value take, as the source writes it.
    Default {
        /// Before; `None` where there was no default.
        before: Option<String>,
        /// Now.
        after: Option<String>,
    },
    /// Whether every row must bring it now.
    Required(bool),
    /// A bound on its values.
    Bound(BoundChange),
}

impl Note {
    /// The note in words.
    #[must_use]
    pub fn sentence(&self) -> String {
        let or_none = |text: &Option<String>| text.clone().unwrap_or_else(|| "none".to_owned());
        match self {
            Self::Type { retype: Retype::Nullable, .. } => "may be NULL now".to_owned(),
            Self::Type { retype: Retype::NotNull, .. } => "must not be NULL now".to_owned(),
            Self::Type { before, after, retype: Retype::Restated } => {
                format!("{before} → {after} (restated)")
            }
            Self::Type { before, after, retype } => {
                format!("{before} → {after} ({})", retype.name().replace('_', "-"))
            }
            Self::Default { before, after } => format!("default {} → {}", or_none(before), or_none(after)),
            Self::Required(true) => "required now".to_owned(),
            Self::Required(false) => "optional now".to_owned(),
            Self::Bound(change) => {
                let bound = |text: &Option<_>| text.as_deref().unwrap_or("none").to_owned();
                let (name, effect) = (change.bound.name().replace('_', " "), change.effect);
                let how =
                    if effect == Effect::Other { String::new() } else { format!(" ({})", effect.name()) };
                format!("{name} {} → {}{how}", bound(&change.previous), bound(&change.now))
            }
        }
    }
}

/// A node and how deep it stands, 0 for a top-level field.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Row<'a> {
    /// How many fields it stands in.
    pub depth: usize,
    /// The field.
    pub node: &'a Node,
}

impl Node {
    /// Its path now, or the one it had.
    #[must_use]
    pub fn path(&self) -> Option<&FieldPath> {
        self.after.as_ref().or(self.before.as_ref()).map(|side| &side.path)
    }

    /// How many fields it holds, at any depth.
    #[must_use]
    pub fn size(&self) -> usize {
        self.children.iter().map(|child| 1 + child.size()).sum()
    }
}

impl DiffView {
    /// All fields of both versions, each before those within it.
    #[must_use]
    pub fn rows(&self) -> Vec<Row<'_>> {
        let mut rows = Vec::new();
        let mut waiting: Vec<Row<'_>> = self.fields.iter().rev().map(|node| Row { depth: 0, node }).collect();
        while let Some(row) = waiting.pop() {
            rows.push(row);
            waiting.extend(row.node.children.iter().rev().map(|node| Row { depth: row.depth + 1, node }));
        }
        rows
    }

    /// The fields that something happened to; not those that only came or went with another.
    #[must_use]
    pub fn changed(&self) -> Vec<&Node> {
        let rows = self.rows().into_iter().map(|row| row.node);
        rows.filter(|node| node.mark != Mark::Same && !node.is_part).collect()
    }

    /// How many fields have each mark, in the order of [`Mark::ALL`]; none that are the same or
    /// only came or went with another.
    #[must_use]
    pub fn tally(&self) -> BTreeMap<Mark, usize> {
        let mut tally = BTreeMap::new();
        for node in self.changed() {
            *tally.entry(node.mark).or_insert(0) += 1;
        }
        tally
    }

    /// Whether nothing differs.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.key.is_none() && self.changed().is_empty()
    }
}

/// The difference of two versions, of which it is known that fields go on under other names.
#[must_use]
pub fn view(before: &Schema, after: &Schema, renames: &[(FieldPath, FieldPath)]) -> DiffView {
    let differences = diff_with_renames(before, after, renames).differences;
    let mut key = None;
    let mut of_path: BTreeMap<(bool, FieldPath), Vec<&Difference>> = BTreeMap::new();
    for difference in &differences {
        match difference {
            Difference::Key { previous, key: now } => key = Some((previous.clone(), now.clone())),
            other => {
                let is_dropped = matches!(other, Difference::Dropped { .. });
                of_path.entry((is_dropped, other.path())).or_default().push(other);
            }
        }
    }
    let old_paths = old_paths(before, after, &differences);
    let builder = Builder {
        before: Containers::of(before),
        after: Containers::of(after),
        paired: old_paths.values().cloned().collect(),
        old_paths,
        of_path,
    };
    let mut fields = builder.children(None, None);
    let root = FieldPath::root();
    if builder.of_path.contains_key(&(false, root.clone())) {
        fields.insert(0, Node { children: Vec::new(), ..builder.node(Some(&root), Some(&root)) });
    }
    DiffView { fields, key }
}

/// The path before of each field that is in both versions, by its path after.
fn old_paths(before: &Schema, after: &Schema, differences: &[Difference]) -> BTreeMap<FieldPath, FieldPath> {
    let mut renames: Vec<(&FieldPath, &FieldPath)> = differences
        .iter()
        .filter_map(|difference| match difference {
            Difference::Renamed { from, to, .. } => Some((from, to)),
            _ => None,
        })
        .collect();
    // A renamed field within a renamed one comes after it and has the last word.
    renames.sort_unstable();
    let mut moved: BTreeMap<FieldPath, FieldPath> = BTreeMap::new();
    for (from, to) in renames {
        for path in before.fields.keys() {
            if let Some(now) = outline::moved(path, from, to) {
                moved.insert(now, path.clone());
            }
        }
    }
    let gone: BTreeSet<FieldPath> = moved.values().cloned().collect();
    let mut known = BTreeMap::new();
    for path in after.fields.keys() {
        let old = moved.get(path).or_else(|| (!gone.contains(path)).then_some(path));
        if let Some(old) = old.filter(|old| before.fields.contains_key(old)) {
            known.insert(path.clone(), old.clone());
        }
    }
    known
}

struct Builder<'a> {
    before: Containers<'a>,
    after: Containers<'a>,
    old_paths: BTreeMap<FieldPath, FieldPath>,
    /// Fields of the version before that are fields of the one after.
    paired: BTreeSet<FieldPath>,
    /// By whether the path is of a dropped field, and the path.
    of_path: BTreeMap<(bool, FieldPath), Vec<&'a Difference>>,
}

impl Builder<'_> {
    /// The fields that stand in a field, which is at one path before and at one now; `None` for the
    /// top level, and where the field is not there.
    fn children(&self, old: Option<&FieldPath>, new: Option<&FieldPath>) -> Vec<Node> {
        let is_top = old.is_none() && new.is_none();
        let within = |containers: &Containers<'_>, container: Option<&FieldPath>| {
            if is_top || container.is_some() { containers.within(container) } else { Vec::new() }
        };
        let mut pairs: Vec<(Option<FieldPath>, Option<FieldPath>)> = within(&self.after, new)
            .into_iter()
            .map(|path| (self.old_paths.get(&path).cloned(), Some(path)))
            .collect();
        let mut at = 0;
        for path in within(&self.before, old) {
            match pairs.iter().position(|(old, _)| old.as_ref() == Some(&path)) {
                Some(found) => at = found + 1,
                None if !self.paired.contains(&path) => {
                    pairs.insert(at, (Some(path), None));
                    at += 1;
                }
                None => {}
            }
        }
        pairs.iter().map(|(old, new)| self.node(old.as_ref(), new.as_ref())).collect()
    }

    fn node(&self, old: Option<&FieldPath>, new: Option<&FieldPath>) -> Node {
        let before = old.and_then(|path| self.before.side(path));
        let after = new.and_then(|path| self.after.side(path));
        let key = new.map(|path| (false, path.clone())).or_else(|| old.map(|path| (true, path.clone())));
        let found = key.and_then(|key| self.of_path.get(&key)).map(Vec::as_slice).unwrap_or_default();
        let mut mark = Mark::Same;
        let mut is_part = false;
        let mut notes = Vec::new();
        for difference in found {
            let of_this = match difference {
                Difference::Added { place, .. } => {
                    is_part = *place == Place::Part;
                    Mark::Added
                }
                Difference::Dropped { place, .. } => {
                    is_part = *place == Place::Part;
                    Mark::Dropped
                }
                Difference::Renamed { before, after, .. } => {
                    notes.extend(redefinition(before, after));
                    Mark::Renamed
                }
                Difference::Retyped { before, after, .. } => {
                    notes.extend(redefinition(before, after));
                    Mark::Retyped
                }
                Difference::Required { required, .. } => {
                    notes.push(Note::Required(*required));
                    Mark::Constrained
                }
                Difference::Bounded { change, .. } => {
                    notes.push(Note::Bound(change.clone()));
                    Mark::Constrained
                }
                Difference::Key { .. } => Mark::Same,
            };
            // What is told first of a field is what matters most.
            if mark == Mark::Same {
                mark = of_this;
            }
        }
        let is_root = new.or(old).is_some_and(FieldPath::is_root);
        let children = if is_root { Vec::new() } else { self.children(old, new) };
        Node { mark, is_part, before, after, notes, children }
    }
}

/// What differs between two definitions of a field but for bounds.
fn redefinition(before: &Field, after: &Field) -> Vec<Note> {
    let mut notes = Vec::new();
    let (was, is) = (before.type_text(), after.type_text());
    match retype(before, after) {
        Some(Retype::Restated) if was == is => {}
        Some(how) => notes.push(Note::Type { before: was, after: is, retype: how }),
        None => {}
    }
    if before.default != after.default {
        let text = |field: &Field| field.default.as_deref().map(str::to_owned);
        notes.push(Note::Default { before: text(before), after: text(after) });
    }
    notes
}
