//! Rules of lineage and of cardinality sketches.

use std::collections::BTreeMap;

use evercount_core::fingerprint::{Fingerprint, SchemaId};
use evercount_core::lineage::{Consumer, ProducerId, ProducerKind, Seen, WindowSketch};
use evercount_core::order::Micros;
use evercount_core::schema::FieldPath;
use evercount_pipeline::ports::{ProducersSeen, RegistryStore};

use super::registry::subject;
use super::*;

fn producer(name: &str) -> ProducerId {
    ProducerId { kind: ProducerKind::Source, name: name.to_owned() }
}

fn told(lane_name: &str, through: u64, seen: &[(&str, Micros, u64)]) -> ProducersSeen {
    let seen = seen.iter().map(|(name, at, records)| {
        (producer(name), Seen { first: AT + at, last: AT + at, records: *records })
    });
    ProducersSeen {
        subject: subject("orders"),
        lane: lane(lane_name),
        through: sequence(through),
        producers: seen.collect(),
    }
}

/// Lanes add up, and a telling repeated after a lost reply adds nothing.
pub async fn producers_add_up_over_lanes_and_a_telling_repeated_adds_nothing<S: RegistryStore>(store: &S) {
    let first = [told("a", 9, &[("db", 3, 5), ("other", 1, 1)]), told("b", 9, &[("db", 1, 2)])];
    let second = [told("a", 10, &[("db", 8, 1)])];
    for telling in [&first[..], &first, &second, &first, &second, &[]] {
        store.touch_producers(telling).await.unwrap();
    }
    let lineage = store.lineage(&subject("orders")).await.unwrap();
    let seen = |first: i64, last: i64, records| Seen { first: AT + first, last: AT + last, records };
    let expected = [(producer("db"), seen(1, 8, 8)), (producer("other"), seen(1, 1, 1))];
    assert_eq!(lineage.producers, BTreeMap::from(expected));
    assert_eq!(store.lineage(&subject("items")).await.unwrap(), Default::default());
    // One call that tells of one producer twice counts both.
    store.touch_producers(&[told("c", 1, &[("db", 0, 1)]), told("c", 2, &[("db", 9, 1)])]).await.unwrap();
    let lineage = store.lineage(&subject("orders")).await.unwrap();
    assert_eq!(lineage.producers.get(&producer("db")), Some(&seen(0, 9, 10)));
}

/// More producers than one batch takes, of names of every kind.
pub async fn many_producers_are_told_at_once<S: RegistryStore>(store: &S) {
    let names: Vec<String> = (0..130).map(|n| format!("{}#{n} é", "arn:aws:iam::".repeat(30))).collect();
    let seen: Vec<(&str, Micros, u64)> = names.iter().map(|name| (name.as_str(), 1, 1)).collect();
    store.touch_producers(&[told("a", 1, &seen)]).await.unwrap();
    store.touch_producers(&[told("a", 2, &seen)]).await.unwrap();
    let lineage = store.lineage(&subject("orders")).await.unwrap();
    assert_eq!(lineage.producers.len(), 130);
    assert!(lineage.producers.values().all(|seen| seen.records == 2));
}

/// Which version a consumer has applied is what it acknowledged last, whatever order its
/// acknowledgements come in.
pub async fn a_later_acknowledgement_stands<S: RegistryStore>(store: &S) {
    let orders = subject("orders");
    let id = |version: u32| SchemaId { version, fingerprint: Fingerprint(u64::from(version)) };
    let of = |at: i64, version: Option<u32>| Consumer {
        name: "billing #1".to_owned(),
        first: AT + at,
        last: AT + at,
        applied: version.map(id),
    };
    for consumer in
        [of(5, Some(2)), of(9, Some(3)), of(7, Some(4)), of(9, Some(3)), of(1, None), of(12, None)]
    {
        store.acknowledge(&orders, &consumer).await.unwrap();
    }
    let other = Consumer { name: "audit".to_owned(), ..of(3, None) };
    store.acknowledge(&orders, &other).await.unwrap();
    let lineage = store.lineage(&orders).await.unwrap();
    let billing = Consumer { first: AT + 1, last: AT + 12, ..of(0, Some(3)) };
    assert_eq!(lineage.consumers, [("audit".to_owned(), other), (billing.name.clone(), billing)].into());
}

/// Two acknowledgements at once are both known.
pub async fn acknowledgements_at_once_lose_nothing<S: RegistryStore>(store: &S) {
    let orders = subject("orders");
    let of = |at: i64| Consumer { name: "billing".to_owned(), first: AT + at, last: AT + at, applied: None };
    let (a, b, c) = (of(1), of(2), of(3));
    let (x, y, z) = tokio::join!(
        store.acknowledge(&orders, &a),
        store.acknowledge(&orders, &b),
        store.acknowledge(&orders, &c)
    );
    x.and(y).and(z).unwrap();
    let lineage = store.lineage(&orders).await.unwrap();
    assert_eq!(lineage.consumers.get("billing"), Some(&Consumer { first: AT + 1, ..of(3) }));
}

const HOUR: Micros = 3_600_000_000;

fn sketch(path: &str, hour: i64, lane_name: &str, bytes: usize) -> WindowSketch {
    WindowSketch {
        subject: subject("orders"),
        path: FieldPath::new(path),
        start: AT - AT % HOUR + hour * HOUR,
        length: HOUR,
        lane: lane(lane_name),
        registers: (0..bytes).map(|n| (n % 251) as u8).collect(),
        expires_at: AT + hour * HOUR + 100 * HOUR,
    }
}

/// The windows of a range, over all lanes, of one field and no other.
pub async fn sketches_are_found_by_field_and_window<S: RegistryStore>(store: &S) {
    let long = format!("a.{}", "b#".repeat(400));
    let mut all = Vec::new();
    for path in ["a", "a#b", "a.b", &long] {
        for hour in 0..10 {
            all.extend(["x", "y"].map(|lane| sketch(path, hour, lane, 12_000)));
        }
    }
    store.put_sketches(&all).await.unwrap();
    // The same field and window again replaces what was there, in one call too.
    let again = WindowSketch { registers: vec![1, 2], ..all[0].clone() };
    store.put_sketches(&[all[0].clone(), again.clone()]).await.unwrap();
    all[0] = again;
    let orders = subject("orders");
    let start = AT - AT % HOUR;
    for path in ["a", "a#b", "a.b", &long] {
        let path = FieldPath::new(path);
        let of = |hours: std::ops::Range<i64>| -> Vec<WindowSketch> {
            let range = start + hours.start * HOUR..start + hours.end * HOUR;
            all.iter().filter(|one| one.path == path && range.contains(&one.start)).cloned().collect()
        };
        for hours in [0..10, 3..5, 9..99, 4..4] {
            let range = start + hours.start * HOUR..start + hours.end * HOUR;
            let found = store.sketches(&orders, &path, range, AT).await.unwrap();
            assert_eq!(found, of(hours.clone()), "{path} {hours:?}");
        }
        let whole = store.sketches(&orders, &path, i64::MIN..i64::MAX, AT).await.unwrap();
        assert_eq!(whole, of(0..10));
    }
    let other = store.sketches(&subject("items"), &FieldPath::new("a"), 0..i64::MAX, AT).await.unwrap();
    assert!(other.is_empty());
}

/// A sketch whose time is over is gone for readers, whether or not it has been deleted yet.
pub async fn sketches_expire<S: RegistryStore>(store: &S) {
    let all: Vec<WindowSketch> = (0..3).map(|hour| sketch("a", hour, "x", 10)).collect();
    store.put_sketches(&all).await.unwrap();
    let find =
        async |now| store.sketches(&subject("orders"), &FieldPath::new("a"), 0..i64::MAX, now).await.unwrap();
    assert_eq!(find(all[0].expires_at - 1).await.len(), 3);
    assert_eq!(find(all[0].expires_at).await, all[1..]);
    assert!(find(all[2].expires_at).await.is_empty());
}
