//! How far a schema moved: its SchemaVer class, and a score in [0, 1] that its parts explain.
//!
//! # Class
//!
//! SchemaVer asks what becomes of historical data
//! (<https://docs.snowplow.io/docs/api-reference/iglu/common-architecture/schemaver/>): an
//! *addition* is compatible with all of it, a *revision* may prevent interaction with some of it, a
//! *model* change with any of it. What is an addition follows from the definition: every row of
//! the version before can be read with the version after ([`crate::compatibility::obstacle`]),
//! and no data goes. For the rest its authors say which changes are breaking
//! (<https://docs.snowplow.io/docs/fundamentals/schemas/versioning/>):
//!
//! | change | class |
//! |---|---|
//! | a field added where no row can have had it; wider types, looser bounds; optional or NULL where it was not | addition |
//! | a field added where rows may have had anything (their own example); an optional field removed or renamed; a type or bound of the same kind, but smaller | revision |
//! | a required field added without a default, removed or renamed; an optional field made required, or NULL refused; a field of another type; another key | model |
//!
//! # Score
//!
//! The class gives the band, so that a threshold can be set between two classes: additions stay
//! below [`REVISION_FROM`], revisions below [`MODEL_FROM`]. Within the band the score rises with
//! the weights of all changes, `1 − e^−Σ`: one breaking change moves it about two thirds of the way, and
//! however many there are, it ends below the next band. A change added can only raise the sum and
//! the class, so the score never falls.
//!
//! A [`Shift`] of what rows hold raises the score within the band and never past it: rows stay
//! readable, whatever they hold.

use std::collections::{BTreeMap, BTreeSet};

use crate::compatibility::{Obstacle, obstacle};
use crate::diff::{Diff, Difference, Effect, Place, disjoint_enums};
use crate::schema::{Field, FieldPath, FieldType};
use crate::schema_change::Retype;

/// The class of a change, in the sense of SchemaVer.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub enum SchemaVerClass {
    /// Compatible with all historical data.
    #[default]
    Addition,
    /// May prevent interaction with some historical data.
    Revision,
    /// Breaking: prevents interaction with historical data.
    Model,
}

impl SchemaVerClass {
    /// The class's name in stored and printed text.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Addition => "addition",
            Self::Revision => "revision",
            Self::Model => "model",
        }
    }
}

/// Scores of revisions start here.
pub const REVISION_FROM: f64 = 0.25;
/// Scores of model changes start here.
pub const MODEL_FROM: f64 = 0.5;

/// What a score is made of.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Part {
    /// New fields.
    Added,
    /// Fields that are gone.
    Removed,
    /// Fields under another name.
    Renamed,
    /// Fields of another type.
    Retyped,
    /// Fields that became required or optional, and bounds on values.
    Constraints,
    /// Another key.
    Key,
    /// How many rows have a field.
    Presence,
    /// How a field's values are distributed.
    Distribution,
}

impl Part {
    /// All with their names in stored and printed text.
    pub const ALL: [(Self, &'static str); 8] = [
        (Self::Added, "added"),
        (Self::Removed, "removed"),
        (Self::Renamed, "renamed"),
        (Self::Retyped, "retyped"),
        (Self::Constraints, "constraints"),
        (Self::Key, "key"),
        (Self::Presence, "presence"),
        (Self::Distribution, "distribution"),
    ];

    /// The part's name.
    #[must_use]
    pub fn name(self) -> &'static str {
        Self::ALL.iter().find(|(one, _)| *one == self).map_or("added", |(_, name)| name)
    }
}

/// How the rows of a field changed, where they were counted.
#[derive(Clone, Copy, PartialEq, Debug, Default)]
pub struct Shift {
    /// The share of rows that have the field, now against before: the difference, in [0, 1].
    pub presence: f64,
    /// The distance of the distributions of its values, in [0, 1].
    pub distribution: f64,
}

/// How far a schema moved.
#[derive(Clone, PartialEq, Debug)]
pub struct Drift {
    /// In [0, 1]; 0 where nothing changed.
    pub score: f64,
    /// The class of the worst change.
    pub class: SchemaVerClass,
    /// What each part adds to the score; they add up to it. Parts that add nothing are left out.
    pub parts: Vec<(Part, f64)>,
}

/// The class of a difference: that of its worst change.
#[must_use]
pub fn class(diff: &Diff) -> SchemaVerClass {
    diff.differences.iter().map(class_of).max().unwrap_or_default()
}

/// The class of one change.
#[must_use]
pub fn class_of(difference: &Difference) -> SchemaVerClass {
    use SchemaVerClass::{Addition, Model, Revision};
    if let Difference::Dropped { required, place, .. } = difference {
        return match place {
            Place::Part => Addition,
            _ if *required => Model,
            // A table's column goes with its values; an open map keeps them.
            Place::Table | Place::Closed => Revision,
            Place::Open => Addition,
        };
    }
    let Some(obstacle) = obstacle(difference) else { return Addition };
    match (difference, obstacle) {
        (_, Obstacle::Lacking | Obstacle::Null | Obstacle::Key) => Model,
        (Difference::Retyped { before, after, .. }, _) => {
            if only_smaller(before, after) {
                Revision
            } else {
                Model
            }
        }
        (Difference::Bounded { change, .. }, _) if change.disjoint => Model,
        (Difference::Renamed { required: true, .. }, _) => Model,
        _ => Revision,
    }
}

/// Whether a narrowed type is of the same kind as before, and only leaves out some of its values.
fn only_smaller(before: &Field, after: &Field) -> bool {
    if before.types.is_nullable() && !after.types.is_nullable() && !is_anything(before)
        || disjoint_enums(&before.types, &after.types)
    {
        return false;
    }
    is_anything(before) || kinds(before) == kinds(after)
}

/// The kinds of a field's values, without widths and lengths; listed texts are texts.
fn kinds(field: &Field) -> BTreeSet<&str> {
    field
        .types
        .values()
        .map(|one| if matches!(one, FieldType::Enum(_)) { "string" } else { one.family() })
        .collect()
}

/// Whether a field was not described at all: it may hold text, numbers, lists and maps.
fn is_anything(field: &Field) -> bool {
    [FieldType::STRING, FieldType::DECIMAL, FieldType::List, FieldType::Map]
        .iter()
        .all(|one| field.types.0.contains(one))
}

/// How much a change moves a schema, in thousandths: whole numbers, so that a sum does not depend
/// on the order of its parts.
///
/// A breaking change is the unit. Less is what keeps the meaning of what rows have and asks for
/// one thing more (required). A wider type of another kind weighs nearly as much, though every
/// row stays readable: whoever stores values in a typed column must change the column, and
/// SchemaVer's authors list any change of type as breaking for that reason. A change that leaves
/// out some rows weighs less than half of one that leaves out all. What every reader gets past
/// weighs a tenth, and less where it only lets more values through. What came or went with its
/// parent, and words that mean the same, tell next to nothing.
#[must_use]
pub fn weight(difference: &Difference) -> u32 {
    use SchemaVerClass::{Addition, Model, Revision};
    match (difference, class_of(difference)) {
        (
            Difference::Added { place: Place::Part, .. } | Difference::Dropped { place: Place::Part, .. },
            _,
        ) => 20,
        (Difference::Added { .. } | Difference::Required { .. }, Model) => 700,
        (_, Model) => 1_000,
        (Difference::Added { .. }, Revision) => 150,
        (Difference::Dropped { .. } | Difference::Renamed { .. }, Revision) => 400,
        (_, Revision) => 300,
        (Difference::Retyped { before, after, retype: Retype::Widening, .. }, Addition)
            if kinds(before) != kinds(after) =>
        {
            800
        }
        (Difference::Retyped { retype: Retype::Restated, .. }, Addition) => 10,
        (Difference::Bounded { change, .. }, Addition) if change.effect == Effect::Loosened => 50,
        (_, Addition) => 100,
    }
}

/// A field that no row has any more is half a breaking change: nothing says that it will not come
/// back.
const PRESENCE_WEIGHT: f64 = 500.0;
/// Values that all changed are less: what they mean may well be what it was.
const DISTRIBUTION_WEIGHT: f64 = 300.0;

/// How far the schema moved.
#[must_use]
pub fn drift(diff: &Diff) -> Drift {
    drift_with_shifts(diff, &BTreeMap::new())
}

/// The same, with how the rows of fields changed, where they were counted.
#[must_use]
pub fn drift_with_shifts(diff: &Diff, shifts: &BTreeMap<FieldPath, Shift>) -> Drift {
    let mut weights: BTreeMap<Part, u64> = BTreeMap::new();
    let mut add = |part, weight: u32| *weights.entry(part).or_default() += u64::from(weight);
    for difference in &diff.differences {
        add(part(difference), weight(difference));
    }
    for shift in shifts.values() {
        add(Part::Presence, share(shift.presence, PRESENCE_WEIGHT));
        add(Part::Distribution, share(shift.distribution, DISTRIBUTION_WEIGHT));
    }
    let class = class(diff);
    let sum: u64 = weights.values().sum();
    if sum == 0 {
        return Drift { score: 0.0, class, parts: Vec::new() };
    }
    let (from, to) = match class {
        SchemaVerClass::Addition => (0.0, REVISION_FROM),
        SchemaVerClass::Revision => (REVISION_FROM, MODEL_FROM),
        SchemaVerClass::Model => (MODEL_FROM, 1.0),
    };
    let score = from + (to - from) * (1.0 - (-(sum as f64) / 1_000.0).exp());
    let parts = weights
        .into_iter()
        .filter(|(_, weight)| *weight > 0)
        .map(|(part, weight)| (part, score * weight as f64 / sum as f64))
        .collect();
    Drift { score, class, parts }
}

fn part(difference: &Difference) -> Part {
    match difference {
        Difference::Added { .. } => Part::Added,
        Difference::Dropped { .. } => Part::Removed,
        Difference::Renamed { .. } => Part::Renamed,
        Difference::Retyped { .. } => Part::Retyped,
        Difference::Required { .. } | Difference::Bounded { .. } => Part::Constraints,
        Difference::Key { .. } => Part::Key,
    }
}

fn share(shift: f64, weight: f64) -> u32 {
    // Not a number is no shift: nothing was counted.
    if shift.is_nan() { 0 } else { (shift.clamp(0.0, 1.0) * weight).round() as u32 }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::indexing_slicing, reason = "a test may panic")]
    use super::*;
    use crate::diff::arbitrary::schema;
    use crate::diff::diff;
    use crate::schema::{Constraints, Format, Schema, TypeSet};
    use proptest::prelude::*;

    fn document(closed: bool, fields: &[(&str, Field)]) -> Schema {
        let root = Field {
            constraints: Constraints { closed, ..Default::default() },
            ..Field::of(TypeSet::of(FieldType::Map))
        };
        let mut fields: BTreeMap<_, _> =
            fields.iter().map(|(name, field)| (FieldPath::new(name), field.clone())).collect();
        fields.insert(FieldPath::root(), root);
        Schema { fields, key: Vec::new() }
    }

    fn optional(one: FieldType) -> Field {
        Field::of(TypeSet::of(one))
    }

    fn required(one: FieldType) -> Field {
        Field { required: true, ..optional(one) }
    }

    #[test]
    fn the_documented_examples_have_their_documented_classes() {
        let check = |before: &Schema, after: &Schema, expected: SchemaVerClass| {
            assert_eq!(class(&diff(before, after)), expected, "{before:?} to {after:?}");
        };
        use SchemaVerClass::{Addition, Model, Revision};
        let banner = ("bannerId", required(FieldType::STRING));
        let impression = ("impressionId", optional(FieldType::STRING));
        let cost = Field {
            constraints: Constraints { minimum: Some(0.into()), ..Default::default() },
            ..optional(FieldType::DECIMAL)
        };
        let cost = ("cost", cost);
        let v100 = document(true, std::slice::from_ref(&banner));
        let v101 = document(true, &[banner.clone(), impression.clone()]);
        let v102 = document(false, &[banner.clone(), impression.clone()]);
        let v110 = document(false, &[banner.clone(), impression.clone(), cost.clone()]);
        let v200 = document(true, &[("clickId", required(FieldType::STRING)), cost]);
        check(&v100, &v100, Addition);
        check(&v100, &v101, Addition);
        check(&v101, &v102, Addition);
        check(&v102, &v110, Revision);
        check(&v110, &v200, Model);
        let of = |field: Field| document(true, &[("a", field)]);
        let check_field = |before: Field, after: Field, expected| check(&of(before), &of(after), expected);
        let text = |max_length| optional(FieldType::String { max_length });
        check(&of(text(None)), &document(true, &[]), Revision);
        check(&of(required(FieldType::STRING)), &document(true, &[]), Model);
        check_field(text(None), required(FieldType::STRING), Model);
        check_field(required(FieldType::STRING), text(None), Addition);
        check_field(text(None), optional(FieldType::Bool), Model);
        check_field(text(Some(5)), text(Some(9)), Addition);
        check_field(text(Some(9)), text(Some(5)), Revision);
        check_field(optional(FieldType::INTEGER), optional(FieldType::DECIMAL), Addition);
        check_field(optional(FieldType::DECIMAL), optional(FieldType::INTEGER), Model);
        let one_of = |texts: &[&str]| optional(FieldType::Enum(texts.iter().map(|t| (*t).into()).collect()));
        check_field(one_of(&["a", "b"]), one_of(&["a"]), Revision);
        check_field(one_of(&["a", "b"]), one_of(&["c"]), Model);
        check_field(text(None), one_of(&["c"]), Revision);
        let format = |format| Field { format: Some(format), ..text(None) };
        check_field(format(Format::Date), format(Format::Timestamp), Model);
        check_field(text(None), format(Format::Uuid), Revision);
        let null = Field::of(TypeSet::of(FieldType::STRING).nullable(true));
        check_field(text(None), null.clone(), Addition);
        check_field(null, text(None), Model);
    }

    #[test]
    fn the_class_sets_the_band_and_the_parts_add_up() {
        let text = || optional(FieldType::STRING);
        let before = document(true, &[("a", text()), ("b", text()), ("n", optional(FieldType::STRING))]);
        let added: Vec<(String, Field)> = (0..200).map(|at| (format!("x{at}"), text())).collect();
        let mut many = before.clone();
        many.fields.extend(added.into_iter().map(|(name, field)| (FieldPath::new(name), field)));
        let additions = drift(&diff(&before, &many));
        assert!(additions.score > 0.2 && additions.score <= REVISION_FROM, "{additions:?}");
        let gone = drift(&diff(&before, &document(true, &[("a", text()), ("b", text())])));
        assert!(gone.score > REVISION_FROM && gone.score < MODEL_FROM, "{gone:?}");
        let after = document(true, &[("a", optional(FieldType::Bool)), ("b", text()), ("c", text())]);
        let broken = drift(&diff(&before, &after));
        assert!(broken.score > MODEL_FROM && broken.score < 1.0, "{broken:?}");
        let names: Vec<&str> = broken.parts.iter().map(|(part, _)| part.name()).collect();
        assert_eq!(names, ["added", "removed", "retyped"]);
        let sum: f64 = broken.parts.iter().map(|(_, share)| share).sum();
        assert!((sum - broken.score).abs() < 1e-9);
        assert!(broken.parts[2].1 > broken.parts[1].1 && broken.parts[1].1 > broken.parts[0].1);
    }

    #[test]
    fn rows_that_shift_raise_the_score_within_the_band() {
        let schema = document(true, &[("a", optional(FieldType::STRING))]);
        let same = diff(&schema, &schema);
        let with = |presence, distribution| {
            let shifts = BTreeMap::from([(FieldPath::new("a"), Shift { presence, distribution })]);
            drift_with_shifts(&same, &shifts)
        };
        assert_eq!(drift(&same).score.to_bits(), 0.0_f64.to_bits());
        assert_eq!(with(f64::NAN, -3.0).parts, []);
        let shifted = with(0.4, 0.1);
        assert!(shifted.score > 0.0 && shifted.score < with(1.0, 7.0).score);
        assert!(with(1.0, 1.0).score < REVISION_FROM);
        let names: Vec<&str> = shifted.parts.iter().map(|(part, _)| part.name()).collect();
        assert_eq!(names, ["presence", "distribution"]);
    }

    proptest! {
        #[test]
        fn a_change_more_never_lowers_the_score(
            a in schema(),
            b in schema(),
            keep in proptest::collection::vec(any::<bool>(), 40),
            shifts in proptest::collection::vec((0.0_f64..=1.0, 0.0_f64..=1.0), 0..4),
        ) {
            let whole = diff(&a, &b);
            let some = Diff {
                differences: whole
                    .differences
                    .iter()
                    .zip(keep.iter().chain(std::iter::repeat(&true)))
                    .filter(|(_, keep)| **keep)
                    .map(|(difference, _)| difference.clone())
                    .collect(),
            };
            let shifts: BTreeMap<FieldPath, Shift> = shifts
                .into_iter()
                .enumerate()
                .map(|(at, (presence, distribution))| {
                    (FieldPath::new(at.to_string()), Shift { presence, distribution })
                })
                .collect();
            let full = drift_with_shifts(&whole, &shifts);
            prop_assert!((0.0..=1.0).contains(&full.score));
            prop_assert!(drift(&some).score <= drift(&whole).score);
            prop_assert!(drift(&whole).score <= full.score);
            prop_assert!(drift_with_shifts(&some, &shifts).score <= full.score);
            prop_assert_eq!(full.score > 0.0, !full.parts.is_empty());
            let sum: f64 = full.parts.iter().map(|(_, share)| share).sum();
            prop_assert!((sum - full.score).abs() < 1e-9);
        }

        #[test]
        fn nothing_changed_is_no_drift(schema in schema()) {
            prop_assert_eq!(drift(&diff(&schema, &schema)).parts, []);
        }
    }
}
