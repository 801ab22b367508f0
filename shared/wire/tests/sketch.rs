//! Laws of stored sketches, and of their error.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may panic")]

#[path = "../benches/sketch/measure.rs"]
mod measure;

use evercount_core::sketch::{HASH_KEY, Precision, hash, place};
use evercount_core::value::Value;
use evercount_wire::sketch::{Sketch, SketchError};
use proptest::prelude::*;

fn precisions() -> impl Iterator<Item = Precision> {
    (4..=16).map(|bits| Precision::new(bits).unwrap())
}

fn sketch_of(precision: Precision, hashes: &[u64]) -> Sketch {
    let mut sketch = Sketch::new(precision);
    hashes.iter().for_each(|hash| {
        sketch.insert_hash(*hash);
    });
    sketch
}

#[test]
fn the_crate_takes_exactly_the_precision_asked_for_and_places_hashes_as_core_does() {
    for precision in precisions() {
        let mut sketch = Sketch::new(precision);
        assert_eq!(sketch.ranks().len(), precision.registers(), "{precision:?}");
        let mut expected = vec![0; precision.registers()];
        let mut rng = 0x9e37_79b9_7f4a_7c15_u64;
        for turn in 0..2_000_u32 {
            rng = rng.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            // Some with long runs of zeros, which the middle bits of the number alone never have.
            let hash = rng.rotate_left(17) >> (turn % 64);
            let (register, rank) = place(hash, precision);
            let standing: &mut u8 = &mut expected[usize::from(register)];
            assert_eq!(sketch.insert_hash(hash), rank > *standing, "whether it grew");
            *standing = rank.max(*standing);
        }
        assert_eq!(sketch.ranks(), expected, "{precision:?}");
    }
}

#[test]
fn values_inserted_one_by_one_or_together_make_the_same_sketch() {
    let values: Vec<Value> = (0..500_i64).map(|n| Value::Number(n.into())).collect();
    let (mut one, mut other) = (Sketch::new(Precision::WINDOW), Sketch::new(Precision::WINDOW));
    let grew = values.iter().filter(|value| one.insert(value)).count();
    assert!(grew > 300);
    assert!(other.extend(&values));
    assert_eq!(one, other);
    assert!(!one.extend(&values), "nothing is new");
    assert!(values.iter().all(|value| !other.insert(value)), "nothing is new");
    let estimate = one.estimate();
    assert!((470..=530).contains(&estimate.n), "{estimate:?}");
}

#[test]
fn stored_sketches_never_change_between_builds() {
    let mut sketch = Sketch::new(Precision::MIN);
    assert_eq!(sketch.to_bytes(), [1, 4]);
    sketch.insert(&Value::String("c-1".to_owned()));
    let (register, rank) = place(hash(&Value::String("c-1".to_owned()), HASH_KEY), Precision::MIN);
    assert_eq!(sketch.to_bytes(), [1, 4, u8::try_from(register).unwrap(), rank]);
    sketch.extend(&(0..20_i64).map(|n| Value::Number(n.into())).collect::<Vec<_>>());
    assert_eq!(sketch.to_bytes(), GOLDEN_DENSE);
}

/// Written once.
const GOLDEN_DENSE: [u8; 14] = [1, 132, 131, 0, 12, 1, 32, 28, 129, 32, 12, 2, 16, 8];

#[test]
fn a_stored_sketch_is_small_at_first_and_never_larger_than_its_registers() {
    let mut sketch = Sketch::new(Precision::WINDOW);
    let mut sizes = Vec::new();
    for n in 0..20_000_i64 {
        sketch.insert(&Value::Number(n.into()));
        if [0, 9, 99, 19_999].contains(&n) {
            sizes.push(sketch.to_bytes().len());
        }
    }
    assert!(sizes[0] <= 5 && sizes[1] <= 32 && sizes[2] <= 210, "{sizes:?}");
    assert_eq!(sizes[3], 770);
}

#[test]
fn bytes_that_are_no_sketch_are_told_apart() {
    let check = |bytes: &[u8], expected| assert_eq!(Sketch::from_bytes(bytes), Err(expected), "{bytes:?}");
    check(&[], SketchError::Truncated(0));
    check(&[1], SketchError::Truncated(1));
    check(&[2, 4], SketchError::Format(2));
    check(&[1, 3], SketchError::Precision(3));
    check(&[1, 17 | 128], SketchError::Precision(17));
    check(&[1, 4, 5], SketchError::Truncated(0));
    check(&[1, 4, 5, 0], SketchError::Rank(0));
    check(&[1, 4, 5, 62], SketchError::Rank(62));
    check(&[1, 4, 16, 1], SketchError::Register(16));
    check(&[1, 16, 255, 255, 255, 255, 1], SketchError::Register(0x1f_ffff));
    check(&[1, 4, 0x85, 0, 1], SketchError::NotCanonical);
    check(&[1, 4 | 128, 0, 0], SketchError::Truncated(4));
    check(&[1, 4 | 128, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0], SketchError::TooLong(1));
    check(&[1, 4 | 128, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0], SketchError::NotCanonical);
    check(&[1, 4 | 128, 63, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0], SketchError::Rank(63));
}

#[test]
fn sketches_of_different_precisions_do_not_merge() {
    let mut one = Sketch::new(Precision::WINDOW);
    assert_eq!(one.merge(&Sketch::new(Precision::LIVE)), Err(SketchError::Mismatch(10, 12)));
}

#[test]
fn the_error_is_what_theory_says() {
    for row in measure::table(&[100, 1_000, 10_000], 60) {
        let ratio = row.ours / row.theory;
        assert!(ratio <= 1.2, "{row:?} is {ratio:.2} times the theory");
    }
}

/// Hashes with long runs of zeros too, so that all ranks occur.
fn hashes() -> impl Strategy<Value = Vec<u64>> {
    prop::collection::vec((any::<u64>(), 0_u32..64).prop_map(|(hash, zeros)| hash >> zeros), 0..200)
}

fn precision() -> impl Strategy<Value = Precision> {
    (4_u8..=12).prop_map(|bits| Precision::new(bits).unwrap())
}

proptest! {
    #[test]
    fn merging_is_associative_commutative_and_idempotent(
        precision in precision(), a in hashes(), b in hashes(), c in hashes(),
    ) {
        let sketch = |hashes: &[u64]| sketch_of(precision, hashes);
        let merged = |one: &Sketch, other: &Sketch| {
            let mut merged = one.clone();
            merged.merge(other).unwrap();
            merged
        };
        let (a, b, c) = (sketch(&a), sketch(&b), sketch(&c));
        prop_assert_eq!(merged(&a, &b).to_bytes(), merged(&b, &a).to_bytes());
        prop_assert_eq!(merged(&merged(&a, &b), &c).to_bytes(), merged(&a, &merged(&b, &c)).to_bytes());
        prop_assert_eq!(merged(&a, &a).to_bytes(), a.to_bytes());
        let mut twice = merged(&a, &b);
        prop_assert!(!twice.merge(&b).unwrap(), "what is in it already makes nothing grow");
    }

    #[test]
    fn the_merge_of_parts_is_the_whole_byte_for_byte(
        precision in precision(), mut hashes in hashes(), parts in 1_usize..5,
    ) {
        let mut merged = Sketch::new(precision);
        for part in 0..parts {
            let of_part: Vec<u64> = hashes.iter().copied().skip(part).step_by(parts).collect();
            // Through bytes, as lanes do.
            let part = Sketch::from_bytes(&sketch_of(precision, &of_part).to_bytes()).unwrap();
            merged.merge(&part).unwrap();
        }
        hashes.reverse();
        prop_assert_eq!(merged.to_bytes(), sketch_of(precision, &hashes).to_bytes());
    }

    #[test]
    fn what_is_stored_reads_back(precision in precision(), hashes in hashes()) {
        let sketch = sketch_of(precision, &hashes);
        prop_assert_eq!(Sketch::from_bytes(&sketch.to_bytes()), Ok(sketch));
    }

    #[test]
    fn any_bytes_are_read_or_refused(
        mut bytes in prop::collection::vec(any::<u8>(), 0..1_000), bits in 4_u8..=10, dense: bool,
    ) {
        let start = [1, bits | if dense { 128 } else { 0 }];
        bytes.iter_mut().zip(start).for_each(|(byte, start)| *byte = start);
        if dense {
            bytes.truncate(2 + (1 << bits) / 4 * 3);
        }
        if let Ok(sketch) = Sketch::from_bytes(&bytes) {
            prop_assert_eq!(sketch.to_bytes(), bytes);
        }
    }
}
