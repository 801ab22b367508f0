//! Which of a definition's paths a changed field is about, and their new names.

use std::collections::BTreeSet;

use crate::definition::CountDefinition;
use crate::path::{Path, Segment};
use crate::predicate::{Atom, Operand, Predicate};
use crate::schema::FieldPath;

/// A changed field by its place: a path in which an index stands for every element of its list.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) struct Place(pub Path);

/// How a path that a definition reads stands to a changed field.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Reads {
    /// It has nothing to do with it.
    Nothing,
    /// It is the field, or a part of it.
    It,
    /// It is a value that the field is a part of.
    Around,
}

impl Place {
    /// The place of a field; `None` where its text is not one that a definition could name.
    pub(super) fn of(field: &FieldPath) -> Option<Self> {
        let mut quoted = false;
        let mut text = String::new();
        for c in field.as_str().chars() {
            quoted ^= c == '"';
            // Elements have no index in a schema.
            if c == ']' && !quoted && text.ends_with('[') {
                text.push('0');
            }
            text.push(c);
        }
        Path::parse(&text).ok().map(Self)
    }

    /// Whether it is inside a list, where steps of a migration do not reach.
    pub(super) fn is_in_list(&self) -> bool {
        self.0.rest().iter().any(|segment| matches!(segment, Segment::Index(_)))
    }

    /// How a path stands to the field.
    pub(super) fn read_by(&self, path: &Path) -> Reads {
        let (mine, read) = (segments(&self.0), segments(path));
        let alike = mine.iter().zip(&read).all(|(mine, read)| match (mine, read) {
            (Segment::Index(_), Segment::Index(_)) => true,
            (mine, read) => mine == read,
        });
        match alike {
            false => Reads::Nothing,
            true if read.len() >= mine.len() => Reads::It,
            true => Reads::Around,
        }
    }

    /// Whether any of the paths is the field or a part of it.
    pub(super) fn is_read<'a>(&self, paths: impl IntoIterator<Item = &'a Path>) -> bool {
        paths.into_iter().any(|path| self.read_by(path) == Reads::It)
    }
}

/// A path as segments alone.
pub(super) fn segments(path: &Path) -> Vec<Segment> {
    std::iter::once(Segment::Field(path.column_name().to_owned()))
        .chain(path.rest().iter().cloned())
        .collect()
}

fn from_segments(segments: Vec<Segment>) -> Option<Path> {
    let mut segments = segments.into_iter();
    match segments.next()? {
        Segment::Field(column) => Some(Path::new(column, segments.collect())),
        Segment::Index(_) => None,
    }
}

/// The path under its new name, where it is `from` or a part of it.
pub(super) fn renamed(path: &Path, from: &Path, to: &Path) -> Path {
    let (read, before) = (segments(path), segments(from));
    match read.strip_prefix(before.as_slice()) {
        Some(below) => {
            let all = segments(to).into_iter().chain(below.iter().cloned()).collect();
            from_segments(all).unwrap_or_else(|| path.clone())
        }
        None => path.clone(),
    }
}

/// The definition with every path mapped; what falls together is named once.
pub(super) fn map_paths(definition: &CountDefinition, map: impl Fn(&Path) -> Path) -> CountDefinition {
    let once = |paths: &[Path]| {
        let mut seen = BTreeSet::new();
        paths.iter().map(&map).filter(|path| seen.insert(path.clone())).collect::<Vec<_>>()
    };
    let mut mapped = definition.clone();
    mapped.group_by = once(&definition.group_by);
    mapped.headroom.attributes = once(&definition.headroom.attributes);
    mapped.distinct = definition.distinct.as_ref().map(&map);
    mapped.filter =
        definition.filter.as_ref().map(|filter| filter.map_atoms(&mut |atom| map_atom(atom, &map)));
    mapped
}

/// The atom with every path mapped.
pub(super) fn map_atom(atom: &Atom, map: &impl Fn(&Path) -> Path) -> Atom {
    let operand = |operand: &Operand| match operand {
        Operand::Path(path) => Operand::Path(map(path)),
        Operand::Size(path) => Operand::Size(map(path)),
        Operand::Literal(value) => Operand::Literal(value.clone()),
    };
    match atom {
        Atom::Compare { left, op, right } => {
            Atom::Compare { left: operand(left), op: *op, right: operand(right) }
        }
        Atom::In { operand: tested, values } => Atom::In { operand: operand(tested), values: values.clone() },
        Atom::Between { operand: tested, low, high } => {
            Atom::Between { operand: operand(tested), low: low.clone(), high: high.clone() }
        }
        Atom::IsNull(path) => Atom::IsNull(map(path)),
        Atom::IsMissing(path) => Atom::IsMissing(map(path)),
        Atom::BeginsWith(path, prefix) => Atom::BeginsWith(map(path), prefix.clone()),
        Atom::Contains(path, value) => Atom::Contains(map(path), value.clone()),
        Atom::AttributeType(path, kind) => Atom::AttributeType(map(path), *kind),
    }
}

/// The paths an atom reads.
pub(super) fn atom_paths(atom: &Atom) -> Vec<Path> {
    Predicate::Atom(atom.clone()).paths().into_iter().cloned().collect()
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may panic")]
    use super::*;

    #[test]
    fn a_field_is_read_by_itself_its_parts_and_what_it_is_part_of() {
        let check = |field: &str, path: &str, expected: Reads| {
            let place = Place::of(&FieldPath::new(field)).unwrap();
            assert_eq!(place.read_by(&Path::parse(path).unwrap()), expected, "{field} by {path}");
        };
        check("a", "a", Reads::It);
        check("a", "a.x", Reads::It);
        check("a", "ab", Reads::Nothing);
        check("a.x", "a", Reads::Around);
        check("a.x", "a.y", Reads::Nothing);
        check("lines[].sku", "lines[3].sku", Reads::It);
        check("lines[]", "lines", Reads::Around);
        check("\"a.[]\".x", "\"a.[]\".x", Reads::It);
        assert_eq!(Place::of(&FieldPath::new("a[*]")), None);
    }

    #[test]
    fn a_renamed_column_takes_its_parts_along() {
        let path = |text: &str| Path::parse(text).unwrap();
        assert_eq!(renamed(&path("a.x[0]"), &path("a"), &path("b")), path("b.x[0]"));
        assert_eq!(renamed(&path("ab"), &path("a"), &path("b")), path("ab"));
        assert_eq!(renamed(&path("a.x.y"), &path("a.x"), &path("c.z")), path("c.z.y"));
    }
}
