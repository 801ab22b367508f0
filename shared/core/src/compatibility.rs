//! Who can read whose rows: the compatibility modes of a schema registry, decided field by field.
//!
//! A reader that knows one version reads rows written under another. It cannot where
//!
//! * a field that it requires, without a default, may be missing from the row. A table's column
//!   that may be NULL is never missed: it is NULL;
//! * a value may be of a type, or outside of a bound, that it does not expect. Every integer is a
//!   decimal, every `VARCHAR(20)` a `VARCHAR(40)`, every value of a list of texts a text; NULL is
//!   a value like any other;
//! * a row may hold a field that the reader's map, being closed, refuses;
//! * a row may hold anything under a name for which the reader expects something: the writer's
//!   map was open and did not name it;
//! * a field has another name, or rows have another key.
//!
//! It can where a table has columns it does not ask for, where a field is optional or has a
//! default, and where its types and bounds are wider than the writer's. These are the rules of
//! Confluent's registry for JSON Schema
//! (<https://docs.confluent.io/platform/current/schema-registry/fundamentals/serdes-develop/serdes-json.html#json-schema-compatibility-rules>),
//! with columns of tables read as Avro reads fields.

use crate::diff::{Bound, Difference, Effect, Place, diff};
use crate::registry::Compatibility;
use crate::schema::{FieldPath, Schema};
use crate::schema_change::Retype;

/// Which reader cannot read whose rows.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Direction {
    /// Readers of the new version, rows of an earlier one.
    Backward,
    /// Readers of an earlier version, rows of the new one.
    Forward,
}

/// One place where a new version breaks what its compatibility mode promises.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Break {
    /// Who cannot read whom.
    pub direction: Direction,
    /// The number of the earlier version.
    pub version: u32,
    /// The field.
    pub path: FieldPath,
    /// Field, versions, reason and fix, for a person.
    pub sentence: String,
}

/// Where a new version breaks the promise of a mode towards the versions before it, oldest
/// first, each with its number. Empty where the promise holds.
#[must_use]
pub fn check(mode: Compatibility, history: &[(u32, &Schema)], candidate: &Schema) -> Vec<Break> {
    use Compatibility as C;
    let (backward, forward, transitive) = match mode {
        C::None => return Vec::new(),
        C::Backward => (true, false, false),
        C::BackwardTransitive => (true, false, true),
        C::Forward => (false, true, false),
        C::ForwardTransitive => (false, true, true),
        C::Full => (true, true, false),
        C::FullTransitive => (true, true, true),
    };
    let held_to = if transitive { history } else { history.split_at(history.len().saturating_sub(1)).1 };
    let mut breaks = Vec::new();
    for (version, earlier) in held_to {
        if backward {
            breaks.extend(breaks_of(Direction::Backward, *version, earlier, candidate));
        }
        if forward {
            breaks.extend(breaks_of(Direction::Forward, *version, candidate, earlier));
        }
    }
    breaks
}

fn breaks_of(direction: Direction, version: u32, writer: &Schema, reader: &Schema) -> Vec<Break> {
    let differences = diff(writer, reader).differences;
    let told = differences.iter().filter_map(|difference| {
        let obstacle = obstacle(difference)?;
        let path = difference.path();
        Some(Break { direction, version, sentence: obstacle.sentence(direction, version, &path), path })
    });
    told.collect()
}

/// Why a reader of the version after a difference cannot read every row of the version before.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Obstacle {
    /// Rows may lack what the reader requires.
    Lacking,
    /// Rows may hold anything in the field's place.
    Undescribed,
    /// The reader's map refuses the field.
    Refused,
    /// The rows carry the field under this name.
    Moved(FieldPath),
    /// The reader does not take NULL.
    Null,
    /// The reader's types do not hold all values of the writer's.
    Types {
        /// The writer's.
        before: String,
        /// The reader's.
        after: String,
    },
    /// The reader's bound leaves out values that the writer's lets through.
    Bound {
        /// Which.
        bound: Bound,
        /// The writer's.
        before: String,
        /// The reader's.
        after: String,
    },
    /// Rows are identified by other columns.
    Key,
}

/// What keeps a reader of the version after a difference from reading every row of the version
/// before it; `None` where nothing does.
#[must_use]
pub fn obstacle(difference: &Difference) -> Option<Obstacle> {
    match difference {
        Difference::Added { place: Place::Part, .. } => None,
        Difference::Added { required: true, field, .. } if field.default.is_none() => Some(Obstacle::Lacking),
        Difference::Added { place, .. } => (*place == Place::Open).then_some(Obstacle::Undescribed),
        Difference::Dropped { place, .. } => (*place == Place::Closed).then_some(Obstacle::Refused),
        Difference::Renamed { from, .. } => Some(Obstacle::Moved(from.clone())),
        Difference::Retyped { before, after, retype, .. } => match retype {
            Retype::Restated | Retype::Nullable | Retype::Widening => None,
            Retype::NotNull => Some(Obstacle::Null),
            Retype::Narrowing | Retype::ReEncoding => {
                Some(Obstacle::Types { before: before.type_text(), after: after.type_text() })
            }
        },
        Difference::Required { required, default, .. } => {
            (*required && !default).then_some(Obstacle::Lacking)
        }
        Difference::Bounded { change, .. } => (change.effect != Effect::Loosened).then(|| {
            let text = |bound: &Option<_>| bound.as_deref().unwrap_or("any").to_owned();
            Obstacle::Bound { bound: change.bound, before: text(&change.previous), after: text(&change.now) }
        }),
        Difference::Key { .. } => Some(Obstacle::Key),
    }
}

impl Obstacle {
    fn sentence(&self, direction: Direction, version: u32, path: &FieldPath) -> String {
        let earlier = format!("version {version}");
        let new = "the new version".to_owned();
        let (reader, writer) = match direction {
            Direction::Backward => (&new, &earlier),
            Direction::Forward => (&earlier, &new),
        };
        let name = if path.is_root() { "the item".to_owned() } else { format!("`{path}`") };
        let why = match self {
            Self::Lacking => format!("{name} is required, and rows of {writer} may lack it"),
            Self::Undescribed => {
                format!("rows of {writer} may hold anything as {name}, which it does not describe")
            }
            Self::Refused => format!("{name} is refused, and rows of {writer} may have it"),
            Self::Moved(from) => format!("{name} is `{from}` in rows of {writer}"),
            Self::Null => format!("{name} must not be NULL, and rows of {writer} may have it NULL"),
            Self::Types { before, after } => {
                format!("{name} is {after}, which does not hold every {before} of {writer}")
            }
            Self::Bound { bound: Bound::Closed, .. } => {
                format!("{name} refuses attributes it does not name, and rows of {writer} may have some")
            }
            Self::Bound { bound, before, after } => {
                format!("the {} of {name} is {after}, and {before} in rows of {writer}", bound.name())
            }
            Self::Key => format!("rows of {writer} have another key"),
        };
        format!("readers of {reader} cannot read every row of {writer}: {why}; {}", self.fix(direction))
    }

    /// What to do about it in the new version, since the earlier one stays as it is.
    fn fix(&self, direction: Direction) -> String {
        let backward = direction == Direction::Backward;
        match self {
            Self::Lacking if backward => "give it a default or make it optional".to_owned(),
            Self::Lacking => "keep it, and keep it required".to_owned(),
            Self::Undescribed if backward => "let it hold any value, or choose a name never used".to_owned(),
            Self::Undescribed => "keep describing it".to_owned(),
            Self::Refused if backward => "keep it as an optional field".to_owned(),
            Self::Refused => "leave it out, or start a new subject".to_owned(),
            Self::Moved(from) => format!("keep `{from}` beside it"),
            Self::Null if backward => "let it be NULL".to_owned(),
            Self::Null => "keep it from being NULL".to_owned(),
            Self::Types { before, .. } if backward => {
                format!("keep {before}, widen it, or add a new field beside it")
            }
            Self::Types { after, .. } => {
                format!("keep its values within {after}, or add a new field beside it")
            }
            Self::Bound { bound: Bound::Closed, .. } if backward => "leave it open".to_owned(),
            Self::Bound { bound: Bound::Closed, .. } => "leave it closed".to_owned(),
            Self::Bound { before, .. } if backward => format!("keep {before} or let more through"),
            Self::Bound { after, .. } => format!("keep {after} or let less through"),
            Self::Key => "keep the key".to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diff::arbitrary::schema;
    use crate::schema::{Constraints, Field, FieldType, TypeSet};
    use proptest::collection::vec;
    use proptest::prelude::*;

    /// A closed (or open) document of text fields: `a` optional, `a!` required, `a=` required with
    /// a default, `a:int`, `a:number` and `a?` optional of other types.
    fn document(closed: bool, fields: &[&str]) -> Schema {
        let root = Field {
            constraints: Constraints { closed, ..Default::default() },
            ..Field::of(TypeSet::of(FieldType::Map))
        };
        let field = |text: &&str| {
            let name = text.trim_end_matches(":int").trim_end_matches(":number");
            let types = match text.strip_prefix(name) {
                Some(":int") => FieldType::INTEGER,
                Some(":number") => FieldType::DECIMAL,
                _ => FieldType::STRING,
            };
            let field = Field {
                types: TypeSet::of(types).nullable(name.ends_with('?')),
                required: name.ends_with(['!', '=']),
                default: name.ends_with('=').then(|| "\"\"".into()),
                ..Field::default()
            };
            (FieldPath::new(name.trim_end_matches(['!', '=', '?'])), field)
        };
        let mut fields: std::collections::BTreeMap<_, _> = fields.iter().map(field).collect();
        fields.insert(FieldPath::root(), root);
        Schema { fields, key: Vec::new() }
    }

    #[test]
    fn a_mode_asks_for_the_readers_it_names() {
        use Compatibility::{Backward, Forward};
        let check_one = |mode, before: &Schema, after: &Schema, expected: &[&str]| {
            let found: Vec<String> =
                check(mode, &[(1, before)], after).into_iter().map(|one| one.path.to_string()).collect();
            assert_eq!(found, expected, "{mode:?} {before:?} {after:?}");
        };
        let a = document(true, &["a"]);
        check_one(Backward, &a, &document(true, &["a", "b"]), &[]);
        check_one(Forward, &a, &document(true, &["a", "b"]), &["b"]);
        check_one(Backward, &a, &document(true, &["a", "b!"]), &["b"]);
        check_one(Backward, &a, &document(true, &["a", "b="]), &[]);
        check_one(Backward, &a, &document(true, &["a!"]), &["a"]);
        check_one(Backward, &a, &document(true, &["a="]), &[]);
        check_one(Forward, &a, &document(true, &["a!"]), &[]);
        check_one(Backward, &a, &document(true, &[]), &["a"]);
        check_one(Forward, &a, &document(true, &[]), &[]);
        check_one(Backward, &a, &document(true, &["a?"]), &[]);
        check_one(Forward, &a, &document(true, &["a?"]), &["a"]);
        check_one(Backward, &a, &document(false, &["a"]), &[]);
        check_one(Forward, &a, &document(false, &["a"]), &[""]);
        let open = document(false, &["a"]);
        check_one(Backward, &open, &document(false, &["a", "b"]), &["b"]);
        check_one(Forward, &open, &document(false, &["a", "b"]), &[]);
        let int = document(true, &["a:int"]);
        check_one(Backward, &int, &document(true, &["a:number"]), &[]);
        check_one(Forward, &int, &document(true, &["a:number"]), &["a"]);
        check_one(Backward, &int, &a, &["a"]);
        check_one(Forward, &int, &a, &["a"]);
    }

    #[test]
    fn a_column_of_a_table_that_may_be_null_is_never_missed() {
        let table = |columns: &[(&str, bool)]| Schema {
            fields: columns
                .iter()
                .map(|(name, nullable)| {
                    let types = TypeSet::of(FieldType::INTEGER).nullable(*nullable);
                    (FieldPath::new(name), Field { required: true, ..Field::of(types) })
                })
                .collect(),
            key: Vec::new(),
        };
        let one = table(&[("a", false)]);
        assert_eq!(check(Compatibility::Full, &[(1, &one)], &table(&[("a", false), ("b", true)])), []);
        let breaks = check(Compatibility::Full, &[(1, &one)], &table(&[("a", false), ("b", false)]));
        assert_eq!(breaks.len(), 1);
    }

    #[test]
    fn a_break_names_field_versions_and_fix() {
        let history = document(true, &["a:int", "b!"]);
        let sentences: Vec<String> =
            check(Compatibility::Full, &[(3, &history)], &document(true, &["a", "b", "c!"]))
                .into_iter()
                .map(|one| one.sentence)
                .collect();
        assert_eq!(
            sentences,
            [
                "readers of the new version cannot read every row of version 3: `a` is string, which does not \
                 hold every integer of version 3; keep integer, widen it, or add a new field beside it",
                "readers of the new version cannot read every row of version 3: `c` is required, and rows of \
                 version 3 may lack it; give it a default or make it optional",
                "readers of version 3 cannot read every row of the new version: `a` is integer, which does not \
                 hold every string of the new version; keep its values within integer, or add a new field \
                 beside it",
                "readers of version 3 cannot read every row of the new version: `b` is required, and rows of \
                 the new version may lack it; keep it, and keep it required",
                "readers of version 3 cannot read every row of the new version: `c` is refused, and rows of the \
                 new version may have it; leave it out, or start a new subject",
            ]
        );
    }

    proptest! {
        #[test]
        fn full_is_backward_and_forward(history in vec(schema(), 0..4), candidate in schema()) {
            use Compatibility as C;
            let history: Vec<(u32, &Schema)> = (1..).zip(&history).collect();
            let set = |mode| -> std::collections::BTreeSet<Break> {
                check(mode, &history, &candidate).into_iter().collect()
            };
            let both: std::collections::BTreeSet<Break> = &set(C::Backward) | &set(C::Forward);
            prop_assert_eq!(set(C::Full), both);
            let both = &set(C::BackwardTransitive) | &set(C::ForwardTransitive);
            prop_assert_eq!(set(C::FullTransitive), both);
            for (plain, transitive) in [
                (C::Backward, C::BackwardTransitive),
                (C::Forward, C::ForwardTransitive),
                (C::Full, C::FullTransitive),
            ] {
                prop_assert!(set(plain).is_subset(&set(transitive)));
            }
            prop_assert!(set(C::None).is_empty());
        }

        #[test]
        fn a_version_gets_along_with_itself(schema in schema()) {
            for (mode, _) in Compatibility::ALL {
                prop_assert_eq!(check(mode, &[(1, &schema)], &schema), []);
            }
        }

        #[test]
        fn forward_is_backward_with_the_parts_exchanged(a in schema(), b in schema()) {
            let paths = |mode, a: &Schema, b: &Schema| -> Vec<FieldPath> {
                check(mode, &[(1, a)], b).into_iter().map(|one| one.path).collect()
            };
            prop_assert_eq!(
                paths(Compatibility::Backward, &a, &b),
                paths(Compatibility::Forward, &b, &a)
            );
        }
    }
}
