//! Random schemas for the laws of this crate's tests: few names and types, so that two of them
//! share enough to be compared.

use proptest::collection::{btree_map, btree_set};
use proptest::prelude::*;

use crate::schema::{Constraints, Field, FieldPath, FieldType, Format, Schema, TypeSet};

fn one_type() -> impl Strategy<Value = FieldType> {
    prop_oneof![
        2 => Just(FieldType::Null),
        1 => Just(FieldType::Bool),
        1 => (proptest::option::of(prop_oneof![Just(8), Just(32), Just(64)]), any::<bool>())
            .prop_map(|(bits, unsigned)| FieldType::Integer { bits, unsigned }),
        1 => proptest::option::of((1_u16..22, 0_u16..4)).prop_map(|digits| FieldType::Decimal {
            digits: digits.map(|(whole, scale)| (whole + scale, scale))
        }),
        1 => Just(FieldType::Float { bits: Some(64) }),
        2 => proptest::option::of(1_u64..4).prop_map(|max_length| FieldType::String { max_length }),
        1 => btree_set("[ab]{1,2}".prop_map(std::sync::Arc::from), 1..3).prop_map(FieldType::Enum),
        1 => Just(FieldType::Date),
        1 => Just(FieldType::List),
        2 => Just(FieldType::Map),
    ]
}

pub(crate) fn types() -> impl Strategy<Value = TypeSet> {
    btree_set(one_type(), 1..3).prop_map(TypeSet)
}

pub(crate) fn field() -> impl Strategy<Value = Field> {
    let constraints = (
        proptest::option::of(0_i64..3),
        proptest::option::of(0_u64..3),
        proptest::option::of(prop_oneof![Just("^a"), Just("b$")]),
        any::<bool>(),
    );
    let format = proptest::option::of(prop_oneof![Just(Format::Date), Just(Format::Uuid)]);
    (types(), any::<bool>(), proptest::option::weighted(0.2, Just("1")), constraints, format).prop_map(
        |(types, required, default, (minimum, min_length, pattern, closed), format)| Field {
            types,
            required,
            default: default.map(Into::into),
            format,
            constraints: Constraints {
                minimum: minimum.map(Into::into),
                min_length,
                pattern: pattern.map(Into::into),
                closed,
                ..Default::default()
            },
            ..Field::default()
        },
    )
}

/// A schema of a table, or (with a root) of documents; the parents of a field are fields.
pub(crate) fn schema() -> impl Strategy<Value = Schema> {
    let path = prop_oneof![
        Just("a"),
        Just("b"),
        Just("c"),
        Just("c.d"),
        Just("c.e"),
        Just("c[]"),
        Just("c[].f"),
        Just("c[*]"),
        Just(""),
    ];
    (btree_map(path.prop_map(FieldPath::new), field(), 0..7), btree_set(0_usize..3, 0..2)).prop_map(
        |(mut fields, key)| {
            let paths: Vec<FieldPath> = fields.keys().cloned().collect();
            for path in paths {
                let mut parent = path.parent();
                while let Some(path) = parent.filter(|path| !path.is_root()) {
                    let container = TypeSet::from_iter([FieldType::Map, FieldType::List]);
                    fields.entry(path.clone()).or_insert_with(|| Field::of(container));
                    parent = path.parent();
                }
            }
            if let Some(root) = fields.get_mut(&FieldPath::root()) {
                root.types = TypeSet::of(FieldType::Map);
            }
            let names = ["a", "b", "c"];
            let key = key.into_iter().filter_map(|at| names.get(at).map(FieldPath::new)).collect();
            Schema { fields, key }
        },
    )
}
