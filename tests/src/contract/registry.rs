//! Rules of the registry: registrations, versions, history and the outbox.

use evercount_core::evolution::{Held, HeldChange};
use evercount_core::fingerprint::{self, SchemaId};
use evercount_core::function::FunctionId;
use evercount_core::migration::function::MigrationFunction;
use evercount_core::migration::graph::Migration;
use evercount_core::migration::written::Written;
use evercount_core::order::{LogRank, Micros, OrderVersion};
use evercount_core::path::Path;
use evercount_core::registration::{
    Lookup, Registration, StoredWatch, SubjectWrite, VersionHead, WatchWrite, in_force, newest_of,
};
use evercount_core::registry::{Compatibility, EvolutionRule, Origin, Policy, SchemaVersion, SubjectState};
use evercount_core::schema::{Field, FieldPath, FieldType, Schema, TypeSet};
use evercount_core::schema_change::{ChangeKind, Evidence, SchemaChange, SchemaChangeEvent, Subject, Typed};
use evercount_pipeline::ports::{RegistryStore, StoreError};

use super::*;

pub(super) fn subject(name: &str) -> Subject {
    TableName::new(name)
}

/// A schema of so many columns, with names of so many bytes.
fn schema(columns: usize, name_bytes: usize) -> Schema {
    let field = Field { declared: Some("VARCHAR(255)".into()), ..Field::of(TypeSet::of(FieldType::STRING)) };
    let path = |n: usize| FieldPath::new(format!("c{n:0name_bytes$}"));
    Schema { fields: (0..columns).map(|n| (path(n), field.clone())).collect(), key: vec![path(0)] }
}

fn version(name: &str, number: u32, schema: &Schema) -> SchemaVersion {
    let added = |(column, field): (&FieldPath, &Field)| SchemaChange {
        kind: ChangeKind::AddColumn {
            column: column.clone(),
            typed: Typed { types: field.types.clone(), declared: field.declared.clone() },
            default: None,
        },
        evidence: Evidence::Declared { statement: "ALTER TABLE orders ADD …".to_owned() },
    };
    SchemaVersion {
        subject: subject(name),
        id: SchemaId { version: number, fingerprint: fingerprint::of_schema(schema) },
        parent: number.checked_sub(1).filter(|parent| *parent > 0),
        changes: schema.fields.iter().map(added).collect(),
        schema: schema.clone(),
        drift: 0.25,
        breaks: Vec::new(),
        position: Some(OrderVersion::binlog(0, 1, u64::from(number), 0, LogRank::Change)),
        at: AT + i64::from(number),
        created_at: AT + 100,
    }
}

fn at_version(version: &SchemaVersion, revision: u64) -> SubjectState {
    SubjectState {
        subject: version.subject.clone(),
        origin: Origin::Declared,
        current: Some(version.id),
        position: version.position.clone(),
        since: version.at,
        dropped: false,
        retired: [FieldPath::column("gone")].into(),
        pending: version.changes.iter().take(2).cloned().collect(),
        policy: Policy {
            compatibility: Compatibility::Full,
            rules: [("drop_column".to_owned(), EvolutionRule::Lenient)].into(),
            ..Policy::default()
        },
        first_seen: AT,
        revision,
    }
}

fn event_of(version: &SchemaVersion, from: Option<SchemaId>) -> SchemaChangeEvent {
    SchemaChangeEvent {
        subject: version.subject.clone(),
        from,
        to: version.id,
        changes: version.changes.clone(),
        drift: version.drift,
        position: version.position.clone(),
        at: version.at,
    }
}

pub(super) fn watch(revision: u64, state: &str) -> StoredWatch {
    StoredWatch {
        through: sequence(revision * 10),
        revision,
        seen: revision * 3,
        first_seen: AT,
        last_seen: AT + revision as i64,
        state: state.to_owned(),
    }
}

fn watch_write(lane: LaneId, from: Option<u64>, to: StoredWatch) -> Option<WatchWrite> {
    Some(WatchWrite { lane, from, to })
}

/// A subject's next version with everything that belongs to it, as a lane registers it.
fn registration(name: &str, number: u32, schema: &Schema) -> Registration {
    let version = version(name, number, schema);
    let from = u64::from(number - 1);
    Registration {
        state: Some(SubjectWrite { from: (from > 0).then_some(from), to: at_version(&version, from + 1) }),
        events: vec![event_of(&version, None)],
        versions: vec![version],
        replaced: if number > 1 { [(number - 1, AT + 1_000)].into() } else { [].into() },
        ..Registration::empty(subject(name), AT + 200)
    }
}

/// Where one condition fails, no part of the registration is there; where all hold, all parts are.
pub async fn a_registration_is_all_or_nothing<S: RegistryStore>(store: &S) {
    let orders = subject("orders");
    let first = Registration {
        watch: watch_write(lane("a"), None, watch(1, "{}")),
        ..registration("orders", 1, &schema(3, 4))
    };
    let ahead = Registration {
        watch: watch_write(lane("a"), None, watch(1, "{}")),
        ..Registration::empty(orders.clone(), AT)
    };
    store.register(&ahead).await.unwrap();
    assert_eq!(store.register(&first).await.unwrap_err(), StoreError::Conflict);
    assert_eq!(store.subject(&orders).await.unwrap(), None);
    assert!(store.subjects().await.unwrap().is_empty());
    assert!(store.schema_versions(&orders).await.unwrap().is_empty());
    assert!(store.history(&orders).await.unwrap().is_empty());
    assert!(store.unpublished().await.unwrap().is_empty());

    let first = Registration { watch: watch_write(lane("a"), Some(1), watch(2, "{\"é\":1}")), ..first };
    store.register(&first).await.unwrap();
    let state = at_version(&first.versions[0], 1);
    assert_eq!(store.subject(&orders).await.unwrap(), Some(state.clone()));
    assert_eq!(store.subjects().await.unwrap(), [state]);
    assert_eq!(store.watch(&orders, &lane("a")).await.unwrap(), Some(watch(2, "{\"é\":1}")));
    let found = store.schema_version(&orders, 1, AT).await.unwrap();
    assert_eq!(found, Lookup::Found(Box::new(first.versions[0].clone())));
    assert_eq!(store.schema_versions(&orders).await.unwrap(), [VersionHead::of(&first.versions[0], None)]);
    let history = store.history(&orders).await.unwrap();
    assert_eq!((&history[0].event, history[0].recorded_at), (&first.events[0], AT + 200));
    assert_eq!(store.unpublished().await.unwrap(), history);
}

/// A lane that has been overtaken changes nothing, and neither does one that begins where
/// another has begun.
pub async fn a_watch_is_moved_on_only_from_what_is_stored<S: RegistryStore>(store: &S) {
    let orders = subject("orders");
    let to = |from: Option<u64>, to: u64| Registration {
        watch: watch_write(lane("a"), from, watch(to, "{}")),
        ..Registration::empty(orders.clone(), AT)
    };
    assert_eq!(store.watch(&orders, &lane("a")).await.unwrap(), None);
    assert_eq!(store.register(&to(Some(1), 2)).await.unwrap_err(), StoreError::Conflict);
    store.register(&to(None, 1)).await.unwrap();
    store.register(&to(Some(1), 2)).await.unwrap();
    for stale in [None, Some(1), Some(3)] {
        assert_eq!(store.register(&to(stale, 9)).await.unwrap_err(), StoreError::Conflict);
    }
    assert_eq!(store.watch(&orders, &lane("a")).await.unwrap(), Some(watch(2, "{}")));
    assert_eq!(store.watch(&orders, &lane("b")).await.unwrap(), None);
    assert_eq!(store.watch(&subject("items"), &lane("a")).await.unwrap(), None);
    store.register(&Registration::empty(orders, AT)).await.unwrap();
}

/// An edit of a policy and a new version do not overwrite each other.
pub async fn a_subject_is_changed_only_from_what_is_stored<S: RegistryStore>(store: &S) {
    let orders = subject("orders");
    let bare =
        SubjectState { current: None, position: None, ..at_version(&version("orders", 1, &schema(1, 4)), 1) };
    assert_eq!(store.update_subject(Some(&bare), &bare).await.unwrap_err(), StoreError::Conflict);
    store.update_subject(None, &bare).await.unwrap();
    assert_eq!(store.update_subject(None, &bare).await.unwrap_err(), StoreError::Conflict);
    assert_eq!(store.subjects().await.unwrap(), std::slice::from_ref(&bare));
    let edited = SubjectState {
        policy: Policy {
            drift_threshold: 0.125,
            exclude: ["add_column".to_owned()].into(),
            ..Policy::default()
        },
        revision: 2,
        ..bare.clone()
    };
    store.update_subject(Some(&bare), &edited).await.unwrap();
    assert_eq!(store.update_subject(Some(&bare), &edited).await.unwrap_err(), StoreError::Conflict);
    let from_stale = registration("orders", 2, &schema(2, 4));
    let stale = Registration {
        state: from_stale.state.clone().map(|write| SubjectWrite { from: Some(1), ..write }),
        ..from_stale.clone()
    };
    assert_eq!(store.register(&stale).await.unwrap_err(), StoreError::Conflict);
    assert_eq!(store.subject(&orders).await.unwrap(), Some(edited.clone()));
    let fresh = Registration {
        state: from_stale.state.clone().map(|write| SubjectWrite { from: Some(2), ..write }),
        replaced: [].into(),
        ..from_stale
    };
    store.register(&fresh).await.unwrap();
    assert!(store.subject(&orders).await.unwrap().unwrap().current.is_some());
    // What a state has no longer is gone.
    store
        .update_subject(
            Some(&SubjectState { revision: 2, ..bare.clone() }),
            &SubjectState { revision: 3, ..bare.clone() },
        )
        .await
        .unwrap();
    assert_eq!(store.subject(&orders).await.unwrap().unwrap().current, None);
}

/// Versions are immutable: a number is given once.
pub async fn a_schema_version_is_registered_once<S: RegistryStore>(store: &S) {
    let orders = subject("orders");
    store.register(&registration("orders", 1, &schema(1, 4))).await.unwrap();
    let other = Registration {
        versions: vec![version("orders", 1, &schema(2, 4))],
        ..Registration::empty(orders.clone(), AT)
    };
    assert_eq!(store.register(&other).await.unwrap_err(), StoreError::Conflict);
    let found = store.schema_version(&orders, 1, AT).await.unwrap().found().unwrap();
    assert_eq!(found.schema, schema(1, 4));
}

/// The same event is told once, however often it is registered and whoever registers it.
pub async fn an_event_is_entered_once<S: RegistryStore>(store: &S) {
    let orders = subject("orders");
    store.register(&registration("orders", 1, &schema(1, 4))).await.unwrap();
    let one = version("orders", 1, &schema(1, 4));
    let truncate = SchemaChange {
        kind: ChangeKind::TruncateTable,
        evidence: Evidence::Declared { statement: String::new() },
    };
    let event = SchemaChangeEvent {
        from: Some(one.id),
        changes: vec![truncate],
        at: AT + 50,
        ..event_of(&one, None)
    };
    let told = Registration {
        events: vec![event.clone(), event.clone()],
        ..Registration::empty(orders.clone(), AT + 300)
    };
    store.register(&told).await.unwrap();
    let history = store.history(&orders).await.unwrap();
    assert_eq!(history.len(), 2);
    assert_eq!(store.unpublished().await.unwrap().len(), 2);
    for recorded in &history {
        for _ in 0..2 {
            store.published(&recorded.event.id()).await.unwrap();
        }
    }
    assert!(store.unpublished().await.unwrap().is_empty());
    store.register(&Registration { at: AT + 400, ..told }).await.unwrap();
    assert!(store.unpublished().await.unwrap().is_empty());
    assert_eq!(store.history(&orders).await.unwrap(), history);
    // The whole registration again is somebody's who was overtaken.
    let again = store.register(&registration("orders", 1, &schema(1, 4))).await;
    assert_eq!(again.unwrap_err(), StoreError::Conflict);
}

/// Two lanes that find the same change at the same time make one version of it.
pub async fn of_two_registrations_at_once_one_wins<S: RegistryStore>(store: &S) {
    let of = |name: &str| Registration {
        watch: watch_write(lane(name), None, watch(1, "{}")),
        ..registration("orders", 1, &schema(1, 4))
    };
    let (a, b) = (of("a"), of("b"));
    let (one, other) = tokio::join!(store.register(&a), store.register(&b));
    let outcomes = [one.is_ok(), other.is_ok()];
    assert_eq!(outcomes.iter().filter(|won| **won).count(), 1, "{one:?} {other:?}");
    let lost = one.err().or(other.err()).unwrap();
    assert_eq!(lost, StoreError::Conflict);
    assert_eq!(store.watches(&subject("orders")).await.unwrap().len(), 1);
    assert_eq!(store.unpublished().await.unwrap().len(), 1);
}

/// A schema larger than an item comes back whole, with its changes, from wherever it is read.
pub async fn a_wide_schema_comes_back_whole<S: RegistryStore>(store: &S) {
    let orders = subject("orders");
    let wide = registration("orders", 1, &schema(512, 1_000));
    store.register(&wide).await.unwrap();
    let found = store.schema_version(&orders, 1, AT).await.unwrap();
    assert_eq!(found, Lookup::Found(Box::new(wide.versions[0].clone())));
    assert_eq!(store.history(&orders).await.unwrap()[0].event, wide.events[0]);
    assert_eq!(store.unpublished().await.unwrap()[0].event, wide.events[0]);
    store.register(&registration("orders", 2, &schema(2, 4))).await.unwrap();
    let expired = Lookup::Expired { version: 1, at: Some(AT + 1_000) };
    assert_eq!(store.schema_version(&orders, 1, AT + 1_000).await.unwrap(), expired);
    assert_eq!(store.schema_version(&orders, 1, AT).await.unwrap(), found);
}

/// What is too much for one transaction is refused, by every store alike.
pub async fn a_registration_of_too_much_is_rejected<S: RegistryStore>(store: &S) {
    let many = (1..=60).map(|number| version("orders", number, &schema(1, 4))).collect();
    let many = Registration { versions: many, ..Registration::empty(subject("orders"), AT) };
    assert!(matches!(store.register(&many).await, Err(StoreError::Rejected(_))));
    let current = Registration { replaced: [(1, AT)].into(), ..registration("orders", 1, &schema(1, 4)) };
    assert!(matches!(store.register(&current).await, Err(StoreError::Rejected(_))));
    assert!(store.schema_versions(&subject("orders")).await.unwrap().is_empty());
}

/// A subject's versions are listed in the order of their numbers, however many there are.
pub async fn versions_are_listed_beyond_one_page<S: RegistryStore>(store: &S) {
    let orders = subject("orders");
    let breaks: Vec<String> = (0..20).map(|n| format!("{n}{}", "x".repeat(1_500))).collect();
    let numbers: Vec<u32> = (1..=40).chain([9_999, 10_000]).collect();
    for number in numbers.iter().rev() {
        let version = SchemaVersion { breaks: breaks.clone(), ..version("orders", *number, &schema(1, 4)) };
        store
            .register(&Registration { versions: vec![version], ..Registration::empty(orders.clone(), AT) })
            .await
            .unwrap();
    }
    let heads = store.schema_versions(&orders).await.unwrap();
    assert_eq!(heads.iter().map(|head| head.id.version).collect::<Vec<_>>(), numbers);
    assert!(heads.iter().all(|head| head.breaks == breaks));
    for number in [9_999, 10_000] {
        let found = store.schema_version(&orders, number, AT).await.unwrap().found().unwrap();
        assert_eq!(found.id.version, number);
    }
    // By fingerprint the newest, by time the one in force.
    let newest = newest_of(&heads, heads[0].id.fingerprint).unwrap();
    assert_eq!(newest.id.version, 10_000);
    let at_the_time = |at: Micros| in_force(&heads, at).map(|head| head.id.version);
    assert_eq!((at_the_time(AT), at_the_time(AT + 7), at_the_time(AT + 500)), (None, Some(7), Some(40)));
}

/// Lanes that watch a subject are found, however many there are and however much each has seen.
pub async fn watches_are_listed_beyond_one_page<S: RegistryStore>(store: &S) {
    let orders = subject("orders");
    let text = "x".repeat(100_000);
    for n in 0..15 {
        let lane = LaneId::named(&format!("{}#{n}", "stream".repeat(60)));
        let write = watch_write(lane, None, watch(1, &text));
        store
            .register(&Registration { watch: write, ..Registration::empty(orders.clone(), AT) })
            .await
            .unwrap();
    }
    let other = Registration {
        watch: watch_write(lane("a"), None, watch(1, "")),
        ..Registration::empty(subject("orders2"), AT)
    };
    store.register(&other).await.unwrap();
    let watches = store.watches(&orders).await.unwrap();
    assert_eq!(watches.len(), 15);
    assert!(watches.values().all(|watch| watch.state == text));
}

/// The current version stays; one that was replaced is kept for its retention, and is then gone
/// for every reader, whether or not it has been deleted yet.
pub async fn a_replaced_version_expires_and_the_current_one_does_not<S: RegistryStore>(store: &S) {
    let orders = subject("orders");
    store.register(&registration("orders", 1, &schema(1, 4))).await.unwrap();
    store.register(&registration("orders", 2, &schema(2, 4))).await.unwrap();
    // Two at once: the first of them is replaced as it is made.
    let (three, four) = (version("orders", 3, &schema(3, 4)), version("orders", 4, &schema(4, 4)));
    let both = Registration {
        state: Some(SubjectWrite { from: Some(2), to: at_version(&four, 3) }),
        versions: vec![three, four],
        replaced: [(2, AT + 1_000), (3, AT + 2_000)].into(),
        ..Registration::empty(orders.clone(), AT)
    };
    store.register(&both).await.unwrap();
    let expiries: Vec<_> =
        store.schema_versions(&orders).await.unwrap().iter().map(|head| head.expires_at).collect();
    assert_eq!(expiries, [Some(AT + 1_000), Some(AT + 1_000), Some(AT + 2_000), None]);
    let look = async |number, now| store.schema_version(&orders, number, now).await.unwrap();
    for number in 1..=4 {
        assert!(look(number, AT + 999).await.found().is_some());
    }
    assert_eq!(look(2, AT + 1_000).await, Lookup::Expired { version: 2, at: Some(AT + 1_000) });
    assert!(look(3, AT + 1_000).await.found().is_some());
    assert_eq!(look(3, i64::MAX).await, Lookup::Expired { version: 3, at: Some(AT + 2_000) });
    assert!(look(4, i64::MAX).await.found().is_some());
    assert_eq!(look(5, AT).await, Lookup::Absent);
    assert_eq!(look(0, AT).await, Lookup::Absent);
    assert_eq!(store.schema_version(&subject("items"), 1, AT).await.unwrap(), Lookup::Absent);
}

/// All subjects are listed by name, more of them than one call reads.
pub async fn subjects_are_listed_by_name<S: RegistryStore>(store: &S) {
    let long = format!("event:{}", "é".repeat(700));
    let mut names: Vec<String> = (0..120).map(|n| format!("shop#{n:03}")).chain([long]).collect();
    for name in names.iter().rev() {
        store.register(&registration(name, 1, &schema(1, 4))).await.unwrap();
    }
    names.sort();
    let listed = store.subjects().await.unwrap();
    assert_eq!(listed.iter().map(|state| state.subject.as_str().to_owned()).collect::<Vec<_>>(), names);
    assert_eq!(store.unpublished().await.unwrap().len(), 121);
}

/// A history is told in the order things happened, whatever order they were found in.
pub async fn a_history_is_in_the_order_of_what_happened<S: RegistryStore>(store: &S) {
    let orders = subject("orders");
    let mut from = None;
    let mut events = Vec::new();
    for number in 1..=5 {
        let version = version("orders", number, &schema(1, 4));
        events.push(event_of(&version, from));
        from = Some(version.id);
    }
    for event in events.iter().rev() {
        let one = Registration { events: vec![event.clone()], ..Registration::empty(orders.clone(), AT) };
        store.register(&one).await.unwrap();
    }
    let told: Vec<SchemaChangeEvent> =
        store.history(&orders).await.unwrap().into_iter().map(|recorded| recorded.event).collect();
    assert_eq!(told, events);
    let waiting: Vec<SchemaChangeEvent> =
        store.unpublished().await.unwrap().into_iter().map(|recorded| recorded.event).collect();
    assert_eq!(waiting, events);
}

/// What made no version is kept with its reason; found again it is not kept twice.
pub async fn a_held_change_replaces_itself<S: RegistryStore>(store: &S) {
    let orders = subject("orders");
    let one = version("orders", 1, &schema(2, 4));
    let held = |n: usize, why: Held, at: Micros| HeldChange {
        subject: orders.clone(),
        from: Some(one.id),
        change: one.changes[n].clone(),
        why,
        at,
    };
    let threshold = Held::BelowThreshold { drift: 0.05, threshold: 0.1 };
    let breaks = Held::Breaks(vec!["BACKWARD: a column is required".to_owned()]);
    let first = [held(0, Held::Ignored, AT), held(1, threshold, AT + 1)];
    let second = [held(1, breaks, AT + 9)];
    for held in [first.to_vec(), second.to_vec(), second.to_vec()] {
        store.register(&Registration { held, ..Registration::empty(orders.clone(), AT) }).await.unwrap();
    }
    assert_eq!(store.held(&orders).await.unwrap(), [first[0].clone(), second[0].clone()]);
    assert!(store.held(&subject("items")).await.unwrap().is_empty());
}

/// What was written for a table comes back, and is replaced only from what is stored.
pub async fn written_migrations_come_back_and_are_replaced_only_from_their_revision<S: RegistryStore>(
    store: &S,
) {
    let subject = subject("written");
    assert_eq!(store.written(&subject).await, Ok(Written::default()));
    let functions = vec![
        MigrationFunction::Rename { from: Path::column("status"), to: Path::parse("address.state").unwrap() },
        MigrationFunction::Custom {
            function: FunctionId::of_digest([7; 32]),
            columns: vec!["name".to_owned()],
            inverse: Some(FunctionId::of_digest([8; 32])),
        },
    ];
    let one = Written::default().with(Migration { from: 2, to: 3, functions: functions.clone() }).unwrap();
    store.replace_written(&subject, 0, &one).await.unwrap();
    assert_eq!(store.written(&subject).await, Ok(one.clone()));
    assert_eq!(store.replace_written(&subject, 0, &one).await, Err(StoreError::Conflict));
    let two = one.with(Migration { from: 3, to: 2, functions }).unwrap();
    store.replace_written(&subject, 1, &two).await.unwrap();
    assert_eq!(store.replace_written(&subject, 1, &one).await, Err(StoreError::Conflict));
    assert_eq!(store.written(&subject).await, Ok(two.clone()));
    let none = two.without(2, 3).and_then(|left| left.without(3, 2)).unwrap();
    store.replace_written(&subject, 2, &none).await.unwrap();
    assert_eq!(store.written(&subject).await, Ok(none));
}
