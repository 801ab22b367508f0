//! Golden samples of the registry's items.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "a test may panic")]

use std::collections::BTreeSet;
use std::sync::Arc;

use super::*;
use crate::items::{ITEM_BYTES_MAX, PK, SK};
use crate::json::{dynamodb_json, read_dynamodb_item};
use crate::schema_event;
use evercount_core::change::TableName;
use evercount_core::evolution::{Held, HeldChange};
use evercount_core::fingerprint::{self, Fingerprint, SchemaId};
use evercount_core::lane::{LaneId, SequenceNumber};
use evercount_core::lineage::{Consumer, ProducerId, ProducerKind, Seen, Service, WindowSketch};
use evercount_core::order::{LogRank, OrderVersion};
use evercount_core::registration::{Recorded, StoredWatch, SubjectWrite, VersionHead, WatchWrite};
use evercount_core::registry::{
    Compatibility, EvolutionRule, Origin, Policy, RETENTION_DEFAULT, SchemaVersion, SubjectState,
};
use evercount_core::schema::{Constraints, Field, FieldPath, FieldType, Format, Schema, TypeSet};
use evercount_core::schema_change::{ChangeKind, Evidence, EvidencePart, Retype, SchemaChange, Typed};
use evercount_core::value::Value;

const AT: i64 = 1_769_851_800_123_456;

fn subject() -> Subject {
    TableName::new("shop.orders")
}

fn id(version: u32) -> SchemaId {
    SchemaId { version, fingerprint: Fingerprint(0x9a3e_0000_0000_0001) }
}

fn lane() -> LaneId {
    LaneId::of_shard("orders-cdc", "shardId-000000000000")
}

fn sequence() -> SequenceNumber {
    SequenceNumber::parse("49590338271490256608559692538361571095921575989136588898").unwrap()
}

fn typed(declared: &str, types: &[FieldType]) -> Typed {
    Typed { types: types.iter().cloned().collect(), declared: Some(declared.into()) }
}

fn varchar(length: u64) -> Typed {
    typed(&format!("VARCHAR({length})"), &[FieldType::String { max_length: Some(length) }])
}

fn statement() -> Evidence {
    let statement = "ALTER TABLE orders RENAME COLUMN status TO state, MODIFY total DECIMAL(20,6)";
    Evidence::Declared { statement: statement.to_owned() }
}

fn changes() -> Vec<SchemaChange> {
    let column = FieldPath::column;
    vec![
        SchemaChange {
            kind: ChangeKind::RenameColumn {
                column: column("status"),
                to: column("state"),
                typed: varchar(40),
                previous: varchar(20),
            },
            evidence: statement(),
        },
        SchemaChange {
            kind: ChangeKind::ChangeType {
                column: column("total"),
                typed: typed(
                    "DECIMAL(20,6)",
                    &[FieldType::Decimal { digits: Some((20, 6)) }, FieldType::Null],
                ),
                previous: typed("INT", &[FieldType::Integer { bits: Some(32), unsigned: false }]),
                retype: Retype::Widening,
            },
            evidence: statement(),
        },
        SchemaChange {
            kind: ChangeKind::AddColumn {
                column: column("note"),
                typed: Typed { types: TypeSet::of(FieldType::STRING), declared: None },
                default: Some("''".into()),
            },
            evidence: Evidence::Observed {
                rows: 42,
                false_alarm: 1e-9,
                because: "42 rows in a row have it".to_owned(),
            },
        },
        SchemaChange {
            kind: ChangeKind::ChangeKey {
                previous: vec![column("id")],
                key: vec![column("id"), column("line")],
            },
            evidence: Evidence::Proposed {
                score: 0.875,
                parts: vec![
                    EvidencePart { name: "values moved", weight: 0.5, held: 1.0 },
                    EvidencePart { name: "names alike", weight: 0.25, held: 0.5 },
                ],
            },
        },
    ]
}

fn schema() -> Schema {
    let enumeration = ["it's", "OPEN"].map(Arc::from).into();
    let fields = [
        (
            FieldPath::column("id"),
            Field {
                required: true,
                position: Some(1),
                ..Field::of(TypeSet::of(FieldType::Integer { bits: Some(64), unsigned: true }))
            },
        ),
        (
            FieldPath::column("state"),
            Field {
                declared: Some("ENUM('it''s','OPEN')".into()),
                default: Some("OPEN".into()),
                position: Some(2),
                ..Field::of(TypeSet::of(FieldType::Enum(enumeration)).nullable(true))
            },
        ),
        (
            FieldPath::column("a.b"),
            Field {
                format: Some(Format::Email),
                constraints: Constraints {
                    minimum: Some("0.5".parse().unwrap()),
                    max_items: Some(3),
                    pattern: Some("^a".into()),
                    values: Some([Arc::from("1")].into()),
                    closed: true,
                    ..Constraints::default()
                },
                ..Field::of(TypeSet::of(FieldType::Other("GEOMETRY".into())))
            },
        ),
    ];
    Schema { fields: fields.into(), key: vec![FieldPath::column("id")] }
}

pub(super) fn version() -> SchemaVersion {
    SchemaVersion {
        subject: subject(),
        id: id(3),
        parent: Some(2),
        schema: schema(),
        changes: changes(),
        drift: 0.125,
        breaks: vec!["BACKWARD with v0002: `note` is required".to_owned()],
        position: Some(OrderVersion::binlog(0, 3, 154, 0, LogRank::Change)),
        at: AT,
        created_at: AT + 5,
    }
}

pub(super) fn state() -> SubjectState {
    SubjectState {
        subject: subject(),
        origin: Origin::Declared,
        current: Some(id(3)),
        position: version().position,
        since: AT,
        dropped: false,
        retired: [FieldPath::column("status")].into(),
        pending: changes().into_iter().skip(2).collect(),
        policy: Policy {
            compatibility: Compatibility::BackwardTransitive,
            rules: [("drop_column".to_owned(), EvolutionRule::TryEvolve)].into(),
            include: BTreeSet::new(),
            exclude: ["truncate_table".to_owned()].into(),
            drift_threshold: 0.1,
            retention: RETENTION_DEFAULT,
        },
        first_seen: AT - 9,
        revision: 7,
    }
}

pub(super) fn event() -> SchemaChangeEvent {
    SchemaChangeEvent {
        subject: subject(),
        from: Some(id(2)),
        to: id(3),
        changes: changes(),
        drift: 0.125,
        position: version().position,
        at: AT,
    }
}

fn watch() -> StoredWatch {
    StoredWatch {
        through: sequence(),
        revision: 3,
        seen: 1_234,
        first_seen: AT - 9,
        last_seen: AT,
        state: "{\"format\":1}".to_owned(),
    }
}

fn held() -> HeldChange {
    HeldChange {
        subject: subject(),
        from: Some(id(3)),
        change: changes().swap_remove(0),
        why: Held::Breaks(vec!["FORWARD: `status` is required".to_owned()]),
        at: AT,
    }
}

fn producer() -> ProducerItem {
    ProducerItem {
        subject: subject(),
        id: ProducerId { kind: ProducerKind::UserIdentity, name: "dynamodb.amazonaws.com".to_owned() },
        lane: lane(),
        through: sequence(),
        seen: Seen { first: AT - 9, last: AT, records: 7 },
    }
}

fn consumer() -> Consumer {
    Consumer { name: "billing".to_owned(), first: AT - 9, last: AT, applied: Some(id(2)) }
}

fn service() -> Service {
    Service {
        name: "checkout".to_owned(),
        produces: [subject()].into(),
        consumes: [TableName::new("shop.items"), TableName::new("event:order_placed")].into(),
        seen_at: AT,
    }
}

fn sketch() -> WindowSketch {
    WindowSketch {
        subject: subject(),
        path: FieldPath::column("state"),
        start: AT - AT % 3_600_000_000,
        length: 3_600_000_000,
        lane: lane(),
        registers: vec![1, 12, 0, 255],
        expires_at: AT + 1,
    }
}

/// One golden item of each shape, with what is written today.
fn shapes() -> Vec<(&'static str, &'static str, Item)> {
    let items = version::version_items(&version(), Some(AT + 1));
    let events = event_items(&event(), AT + 5);
    vec![
        ("subject", include_str!("../../../tests/golden/items_v1/subject.json"), subject_item(&state())),
        (
            "subject entry",
            include_str!("../../../tests/golden/items_v1/subject_entry.json"),
            subject_entry_item(&subject()),
        ),
        ("version", include_str!("../../../tests/golden/items_v1/schema_version.json"), items[0].clone()),
        (
            "detail",
            include_str!("../../../tests/golden/items_v1/schema_version_detail.json"),
            items[1].clone(),
        ),
        (
            "event",
            include_str!("../../../tests/golden/items_v1/schema_change.json"),
            events.history[0].clone(),
        ),
        ("outbox", include_str!("../../../tests/golden/items_v1/outbox.json"), events.outbox),
        (
            "held",
            include_str!("../../../tests/golden/items_v1/held_change.json"),
            history::held_item(&held(), Some(AT + 1)),
        ),
        (
            "watch",
            include_str!("../../../tests/golden/items_v1/watch.json"),
            watch_item(&subject(), &lane(), &watch()),
        ),
        (
            "producer",
            include_str!("../../../tests/golden/items_v1/producer.json"),
            producer_item(&producer()),
        ),
        (
            "consumer",
            include_str!("../../../tests/golden/items_v1/consumer.json"),
            consumer_item(&subject(), &consumer(), 2),
        ),
        ("service", include_str!("../../../tests/golden/items_v1/service.json"), service_item(&service())),
        (
            "sketch",
            include_str!("../../../tests/golden/items_v1/cardinality_sketch.json"),
            sketch_item(&sketch()),
        ),
    ]
}

#[test]
fn registry_items_of_format_1_are_written_as_their_golden_samples() {
    for (name, golden, written) in shapes() {
        assert_eq!(read_dynamodb_item(golden).unwrap(), written, "{name}: {}", dynamodb_json(&written));
    }
}

#[test]
fn registry_items_of_format_1_are_read_forever() {
    let golden = |wanted: &str| {
        let found = shapes().into_iter().find(|(name, ..)| *name == wanted);
        read_dynamodb_item(found.map(|(_, golden, _)| golden).unwrap()).unwrap()
    };
    assert_eq!(subject_from_item(&golden("subject")).unwrap(), state());
    assert_eq!(subject_entry_from_item(&golden("subject entry")).unwrap(), subject());
    assert_eq!(
        version_head_from_item(&golden("version")).unwrap(),
        VersionHead::of(&version(), Some(AT + 1))
    );
    assert_eq!(version_from_items(&golden("version"), &golden("detail"), &[]).unwrap(), version());
    let recorded = Recorded { event: event(), recorded_at: AT + 5 };
    assert_eq!(history_from_items(&[golden("event")]).unwrap(), [recorded]);
    assert_eq!(outbox_target(&golden("outbox")).unwrap(), history_key(&event()));
    assert_eq!(held_from_item(&golden("held")).unwrap(), held());
    assert_eq!(watch_from_item(&golden("watch")).unwrap(), (lane(), watch()));
    assert_eq!(producer_from_item(&golden("producer")).unwrap(), producer());
    assert_eq!(consumer_from_item(&golden("consumer")).unwrap(), consumer());
    assert_eq!(service_from_item(&golden("service")).unwrap(), service());
    assert_eq!(sketch_from_item(&golden("sketch")).unwrap(), sketch());
}

#[test]
fn the_json_of_an_event_is_its_golden_sample_and_reads_back() {
    let golden = include_str!("../../../tests/golden/schema_event_v1.json");
    let written = schema_event::to_json(&event());
    let same = |text: &str| serde_json::from_str::<serde_json::Value>(text).unwrap();
    assert_eq!(same(golden), same(&written), "{written}");
    assert_eq!(schema_event::from_json(golden).unwrap(), event());
    assert_eq!(schema_event::from_json(&written).unwrap(), event());
    let newer = written.replace("\"format\":1", "\"format\":2");
    assert!(
        matches!(schema_event::from_json(&newer), Err(schema_event::SchemaEventError::Event(error)) if error.is_newer())
    );
}

#[test]
fn a_version_and_a_held_change_say_in_a_sentence_what_happened() {
    let text = |item: &Item, name: &str| match item.get(name) {
        Some(Value::String(text)) => text.clone(),
        other => panic!("{name} is {other:?}"),
    };
    assert_eq!(
        text(&version::version_items(&version(), None)[0], "summary"),
        "v0003: column `status` renamed to `state` (declared); column `total` changed from INT to DECIMAL(20,6) \
         (widening) (declared); column `note` added: string (observed); and 1 more"
    );
    assert_eq!(
        text(&history::held_item(&held(), None), "summary"),
        "column `status` renamed to `state` (declared): waits for a person: FORWARD: `status` is required"
    );
    assert_eq!(
        text(&subject_item(&state()), "summary"),
        "shop.orders is at v0003 since 2026-01-31T09:30:00.123456Z; 2 changes wait."
    );
}

#[test]
fn a_service_that_somebody_else_registered_may_lack_everything_but_its_name() {
    let mut item = Item::from([
        ("pk".to_owned(), Value::String("services".to_owned())),
        ("sk".to_owned(), Value::String("a".to_owned())),
    ]);
    let read = service_from_item(&item).unwrap();
    assert_eq!((read.name.as_str(), read.produces.len(), read.seen_at), ("a", 0, 0));
    item.insert("produces".to_owned(), Value::Bool(true));
    assert!(service_from_item(&item).is_err());
}

fn wide(fields: usize, name_bytes: usize) -> SchemaVersion {
    let path = |n: usize| FieldPath::new(format!("c{n:04}{}", "x".repeat(name_bytes)));
    let field = Field {
        declared: Some("VARCHAR(255)".into()),
        default: Some("''".into()),
        ..Field::of(varchar(255).types)
    };
    let added = |n: usize| SchemaChange {
        kind: ChangeKind::AddColumn { column: path(n), typed: varchar(255), default: None },
        evidence: Evidence::Declared { statement: "x".repeat(4_096) },
    };
    let schema = Schema { fields: (0..fields).map(|n| (path(n), field.clone())).collect(), key: vec![] };
    SchemaVersion {
        id: SchemaId { version: 3, fingerprint: fingerprint::of_schema(&schema) },
        schema,
        changes: (0..fields).map(added).collect(),
        ..version()
    }
}

#[test]
fn a_wide_schema_fits_one_transaction_however_long_its_names() {
    for (fields, name_bytes, least_parts) in [(512, 60, 0), (512, 255, 0), (512, 1_000, 3), (1_000, 600, 3)] {
        let version = wide(fields, name_bytes);
        let event = SchemaChangeEvent { changes: version.changes.clone(), to: version.id, ..event() };
        let registration = Registration {
            versions: vec![version.clone()],
            events: vec![event.clone()],
            state: Some(SubjectWrite {
                from: None,
                to: SubjectState { current: Some(version.id), ..state() },
            }),
            watch: Some(WatchWrite { lane: lane(), from: None, to: watch() }),
            replaced: [(2, AT)].into(),
            ..Registration::empty(subject(), AT)
        };
        let items = registration_items(&registration).unwrap();
        let (head, details) = &items.versions[0];
        assert!(size_bytes(head) < 32 * 1024, "a head of {} bytes", size_bytes(head));
        assert!(details.iter().chain(&items.events[0].history).all(|item| size_bytes(item) < ITEM_BYTES_MAX));
        assert!(details.len() > least_parts, "{} parts", details.len());
        assert_eq!(part_keys(&details[0]).unwrap().len(), details.len() - 1);
        let mut parts: Vec<Item> = details[1..].to_vec();
        parts.reverse();
        assert_eq!(version_from_items(head, &details[0], &parts).unwrap(), version);
        let mut history = items.events[0].history.clone();
        history.reverse();
        assert_eq!(history_from_items(&history).unwrap()[0].event, event);
        if let Some((_, rest)) = parts.split_last() {
            assert!(matches!(
                version_from_items(head, &details[0], rest),
                Err(ItemError::MissingPart { part: 1 })
            ));
        }
    }
}

#[test]
fn what_no_transaction_holds_is_refused_by_name() {
    let empty = || Registration::empty(subject(), AT);
    let refused = |registration: Registration| check_registration(&registration).unwrap_err();
    let long = StoredWatch { state: "x".repeat(WATCH_STATE_BYTES_MAX + 1), ..watch() };
    let write = Some(WatchWrite { lane: lane(), from: None, to: long });
    assert_eq!(
        refused(Registration { watch: write, ..empty() }),
        RegistrationError::Watch(WATCH_STATE_BYTES_MAX + 1)
    );
    let at = |n: u32| SchemaVersion { id: id(n), ..version() };
    let many = (1..=60).map(at).collect();
    assert_eq!(refused(Registration { versions: many, ..empty() }), RegistrationError::Actions(120));
    let mut one = wide(1, 10);
    one.schema.fields.insert(
        FieldPath::new("big"),
        Field { default: Some("x".repeat(500_000).into()), ..Field::default() },
    );
    assert!(matches!(refused(Registration { versions: vec![one], ..empty() }), RegistrationError::Item(_)));
    let large = (1..=9).map(|n| SchemaVersion { id: id(n), ..wide(400, 1_000) }).collect();
    assert!(matches!(refused(Registration { versions: large, ..empty() }), RegistrationError::Bytes(_)));
    let current = Registration {
        state: Some(SubjectWrite { from: None, to: state() }),
        replaced: [(3, AT)].into(),
        ..empty()
    };
    assert_eq!(refused(current), RegistrationError::Current(3));
}

#[test]
fn keys_of_hostile_names_fit_and_stay_apart() {
    let long = |tail: &str| format!("{}{tail}", "ä#".repeat(600));
    let subjects = [long("1"), long("2"), "a#b".to_owned()].map(TableName::new);
    let mut keys = BTreeSet::new();
    for subject in &subjects {
        for name in [long("1"), long("2"), "a".to_owned(), "a#b".to_owned(), "a%23b".to_owned()] {
            let lane = LaneId::named(&name);
            let by = ProducerId { kind: ProducerKind::Stream, name: name.clone() };
            let sketch = WindowSketch {
                subject: subject.clone(),
                path: FieldPath::new(&name),
                lane: lane.clone(),
                ..sketch()
            };
            let producer = producer_key(subject, &by, &lane);
            for key in [
                watch_key(subject, &lane).item(),
                producer.item(),
                consumer_key(subject, &name).item(),
                sketch_item(&sketch),
            ] {
                let (Some(Value::String(pk)), Some(Value::String(sk))) = (key.get(PK), key.get(SK)) else {
                    panic!("no key")
                };
                assert!(pk.len() <= 2_048 && sk.len() <= 1_024, "{} {}", pk.len(), sk.len());
                assert!(keys.insert((pk.clone(), sk.clone())), "{pk} {sk}");
            }
        }
    }
}
