//! Laws of the registry's items: what is written reads back.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may panic")]

use std::sync::Arc;

use evercount_core::change::TableName;
use evercount_core::registry::{SchemaVersion, SubjectState};
use evercount_core::schema::{Field, FieldPath, FieldType, Schema, TypeSet};
use evercount_core::schema_change::{ChangeKind, Evidence, EvidencePart, Retype, SchemaChange, Typed};
use proptest::prelude::*;

use super::tests::{event, state, version};
use super::types::{read_type, type_text};
use super::*;
use crate::json::{dynamodb_json, read_dynamodb_item};
use crate::schema_event;

fn types() -> impl Strategy<Value = FieldType> {
    let text = "[a-zA-Z(),' éx]{0,8}";
    prop_oneof![
        Just(FieldType::Null),
        (prop::option::of(any::<u8>()), any::<bool>())
            .prop_map(|(bits, unsigned)| FieldType::Integer { bits, unsigned }),
        prop::option::of(any::<(u16, u16)>()).prop_map(|digits| FieldType::Decimal { digits }),
        prop::option::of(any::<u8>()).prop_map(|bits| FieldType::Float { bits }),
        prop::option::of(any::<u64>()).prop_map(|max_length| FieldType::String { max_length }),
        prop::option::of(any::<u64>()).prop_map(|max_length| FieldType::Binary { max_length }),
        any::<bool>().prop_map(|zoned| FieldType::Timestamp { zoned }),
        prop::collection::btree_set(text.prop_map(Arc::from), 0..4).prop_map(FieldType::Enum),
        text.prop_map(|name| FieldType::Other(name.into())),
        prop::sample::select(vec![
            FieldType::Bool,
            FieldType::Date,
            FieldType::Time,
            FieldType::Uuid,
            FieldType::Json,
            FieldType::List,
            FieldType::Map,
            FieldType::StringSet,
            FieldType::NumberSet,
            FieldType::BinarySet,
        ]),
    ]
}

fn any_typed() -> impl Strategy<Value = Typed> {
    (prop::collection::btree_set(types(), 0..3), prop::option::of(".{0,6}"))
        .prop_map(|(types, declared)| Typed { types: TypeSet(types), declared: declared.map(Into::into) })
}

fn any_change() -> impl Strategy<Value = SchemaChange> {
    let path = || ".{0,8}".prop_map(FieldPath::new);
    let kind = prop_oneof![
        prop::sample::select(vec![ChangeKind::CreateTable, ChangeKind::DropTable, ChangeKind::TruncateTable]),
        "[a-z.]{0,6}".prop_map(|to| ChangeKind::RenameTable { to: TableName::new(to) }),
        (path(), any_typed(), prop::option::of(".{0,5}")).prop_map(|(column, typed, default)| {
            ChangeKind::AddColumn { column, typed, default: default.map(Into::into) }
        }),
        (path(), any_typed()).prop_map(|(column, typed)| ChangeKind::DropColumn { column, typed }),
        (path(), path(), any_typed(), any_typed()).prop_map(|(column, to, typed, previous)| {
            ChangeKind::RenameColumn { column, to, typed, previous }
        }),
        (path(), any_typed(), any_typed(), prop::sample::select(Retype::ALL.map(|(one, _)| one).to_vec()))
            .prop_map(|(column, typed, previous, retype)| ChangeKind::ChangeType {
                column,
                typed,
                previous,
                retype
            }),
        (prop::collection::vec(path(), 0..3), prop::collection::vec(path(), 0..3))
            .prop_map(|(previous, key)| ChangeKind::ChangeKey { previous, key }),
    ];
    let real = || prop_oneof![0.0..1.0_f64, Just(0.0), Just(1e-300), Just(f64::MIN_POSITIVE)];
    let evidence = prop_oneof![
        ".{0,8}".prop_map(|statement| Evidence::Declared { statement }),
        (any::<u64>(), real(), ".{0,8}").prop_map(|(rows, false_alarm, because)| Evidence::Observed {
            rows,
            false_alarm,
            because
        }),
        (
            real(),
            prop::collection::vec(
                (prop::sample::select(vec!["values moved", "names alike"]), real(), real()),
                0..3
            )
        )
            .prop_map(|(score, parts)| Evidence::Proposed {
                score,
                parts: parts
                    .into_iter()
                    .map(|(name, weight, held)| EvidencePart { name, weight, held })
                    .collect(),
            }),
    ];
    (kind, evidence).prop_map(|(kind, evidence)| SchemaChange { kind, evidence })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn every_type_reads_back_from_its_text(one in types()) {
        prop_assert_eq!(read_type(&type_text(&one)), Some(one));
    }

    #[test]
    fn every_version_and_event_reads_back_as_itself(
        changes in prop::collection::vec(any_change(), 0..4),
        fields in prop::collection::btree_map(".{0,6}", any_typed(), 0..4),
        (at, drift) in (any::<i64>(), 0.0..1.0_f64),
    ) {
        let fields = fields.into_iter().map(|(name, typed)| {
            // A path is never a dot: as a name of its own it would be quoted.
            let path = if name == "." { FieldPath::root() } else { FieldPath::new(name) };
            (path, Field { declared: typed.declared, ..Field::of(typed.types) })
        });
        let version = SchemaVersion { schema: Schema { fields: fields.collect(), key: vec![] }, changes: changes.clone(), drift, at, ..version() };
        let through = |item: &Item| read_dynamodb_item(&dynamodb_json(item)).unwrap();
        let items = version::version_items(&version, None);
        let back = version_from_items(&through(&items[0]), &through(&items[1]), &[]);
        prop_assert_eq!(back.unwrap(), version);
        let event = SchemaChangeEvent { changes: changes.clone(), at, drift, ..event() };
        let stored = event_items(&event, at);
        prop_assert_eq!(&history_from_items(&[through(&stored.history[0])]).unwrap()[0].event, &event);
        prop_assert_eq!(schema_event::from_json(&schema_event::to_json(&event)).unwrap(), event);
        let state = SubjectState { pending: changes, since: at, ..state() };
        prop_assert_eq!(subject_from_item(&through(&subject_item(&state))).unwrap(), state);
    }
}
