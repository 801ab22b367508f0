//! Cardinality sketches: where a value falls in a HyperLogLog register file, and what the
//! registers say of the number of distinct values.
//!
//! A value's hash picks one of `m = 2^p` registers by its low `p` bits, and a rank by the
//! leading zeros of the rest; a register holds the highest rank it has met. The estimate is
//! Ertl's improved raw estimator (<https://arxiv.org/abs/1702.01284>, algorithm 6): unbiased
//! from the first value to beyond 10^18 without thresholds, correction tables or switching
//! between formulas, which is where other estimators have their error bumps. It needs only how
//! many registers hold each rank, so sparse and dense registers are estimated alike.
//!
//! Everything here is a function of the hash alone: the same values give the same registers in
//! every process and on every machine, which is what lets sketches be merged and recounted.

use xxhash_rust::xxh3::xxh3_64_with_seed;

use crate::value::{Value, canonical};

/// The key of the hash under which distinct counts of live items are kept. Fixed, because an
/// audit or another lane must find the very register that the first writer did. Whoever knows it
/// can choose values that fall where they like, so such an estimate is no defence against
/// a producer who wants it wrong; the item counts beside it are not concerned.
pub const HASH_KEY: u64 = 0x6576_6572_636f_756e;

/// The highest rank a register of any precision may hold: 60 bits of zeros, and one.
pub const RANK_MAX: u8 = 61;

/// How many registers a sketch has: two to the power of this.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Precision(u8);

impl Precision {
    /// The least precision: 16 registers, a relative standard error of 26 %.
    pub const MIN: Self = Self(4);
    /// The greatest: 65,536 registers, 0.41 %.
    pub const MAX: Self = Self(16);
    /// Of distinct counts of live items: 4,096 registers, 1.63 %.
    pub const LIVE: Self = Self(12);
    /// Of a field in one time window: 1,024 registers, 3.25 %, in at most 770 bytes.
    pub const WINDOW: Self = Self(10);

    /// The precision of this many index bits, 4 to 16.
    #[must_use]
    pub fn new(bits: u8) -> Option<Self> {
        (Self::MIN.0..=Self::MAX.0).contains(&bits).then_some(Self(bits))
    }

    /// How many bits of a hash pick the register.
    #[must_use]
    pub fn bits(self) -> u8 {
        self.0
    }

    /// How many registers there are.
    #[must_use]
    pub fn registers(self) -> usize {
        1 << self.0
    }

    /// The highest rank of this precision: all bits that do not pick the register are zero.
    #[must_use]
    pub fn rank_max(self) -> u8 {
        65 - self.0
    }

    /// The standard deviation of the estimate, as a share of the truth: `1.04 / √m`. Where there
    /// are far fewer values than registers, the error is smaller.
    #[must_use]
    pub fn relative_standard_error(self) -> f64 {
        1.04 / f64::from(1_u32 << self.0).sqrt()
    }
}

/// The stable hash of a value under a key: xxh3 over its canonical bytes. Equal numbers hash
/// alike whatever their spelling; a number and its text do not.
#[must_use]
pub fn hash(value: &Value, key: u64) -> u64 {
    let mut bytes = Vec::with_capacity(64);
    canonical::value(value, &mut bytes);
    xxh3_64_with_seed(&bytes, key)
}

/// The register and the rank of a hash.
#[must_use]
pub fn place(hash: u64, precision: Precision) -> (u16, u8) {
    let register = hash & ((1 << precision.0) - 1);
    // At least `p` of the zeros come from the shift, so the rank is 1 to 65 − p.
    let rank = (hash >> precision.0).leading_zeros() + 1 - u32::from(precision.0);
    (u16::try_from(register).unwrap_or(0), u8::try_from(rank).unwrap_or(RANK_MAX))
}

/// A hash that [`place`] puts at this register and rank: what raises a register to a rank that
/// is known without its value. A rank beyond the precision's highest counts as the highest.
#[must_use]
pub fn hash_at(register: u16, rank: u8, precision: Precision) -> u64 {
    let register = u64::from(register) & ((1 << precision.0) - 1);
    match precision.rank_max().saturating_sub(rank.max(1)) {
        0 => register,
        // The bit that ends the zeros stands this many places above the lowest.
        left => (1 << (left - 1 + precision.0)) | register,
    }
}

/// Estimates how many distinct values were met, from the ranks of registers. Registers that are
/// left out, and those of rank 0, have met none. Never negative; 0 exactly where all are empty,
/// infinite exactly where all are at their highest rank.
#[must_use]
pub fn estimate(precision: Precision, ranks: impl IntoIterator<Item = u8>) -> f64 {
    let mut with_rank = [0_u32; RANK_MAX as usize + 1];
    let mut filled = 0_u32;
    for rank in ranks.into_iter().filter(|rank| *rank > 0) {
        if let Some(n) = with_rank.get_mut(usize::from(rank.min(precision.rank_max()))) {
            *n += 1;
            filled += 1;
        }
    }
    if filled == 0 {
        return 0.0;
    }
    let m = f64::from(1_u32 << precision.0);
    let top = usize::from(precision.rank_max());
    let with = |rank: usize| with_rank.get(rank).copied().map_or(0.0, f64::from);
    let mut z = m * tau(1.0 - with(top) / m);
    for rank in (1..top).rev() {
        z = 0.5 * (z + with(rank));
    }
    z += m * sigma(1.0 - f64::from(filled) / m);
    m * m / (2.0 * std::f64::consts::LN_2 * z)
}

/// `x + Σ x^(2^k) · 2^(k−1)`, the correction for empty registers; `x` is their share, below 1.
fn sigma(mut x: f64) -> f64 {
    let (mut y, mut z) = (1.0, x);
    loop {
        x *= x;
        let before = z;
        z += x * y;
        y += y;
        // Terms shrink faster than any geometric series, so this comes within some 60 steps.
        if z <= before {
            return z;
        }
    }
}

/// `(1 − x − Σ (1 − x^(2^−k))² · 2^−k) / 3`, the correction for saturated registers; `x` is the
/// share of registers that are not.
fn tau(mut x: f64) -> f64 {
    if x <= 0.0 || x >= 1.0 {
        return 0.0;
    }
    let (mut y, mut z) = (1.0, 1.0 - x);
    loop {
        x = x.sqrt();
        let before = z;
        y *= 0.5;
        z -= (1.0 - x).powi(2) * y;
        if z >= before {
            return z / 3.0;
        }
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may panic")]
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;
    use crate::value::Item;

    fn number(text: &str) -> Value {
        Value::Number(text.parse().unwrap())
    }

    #[test]
    fn equal_numbers_hash_alike_and_unequal_types_do_not() {
        for spelling in ["250.0", "2.5e2", "0.25E+3", "+250"] {
            assert_eq!(hash(&number(spelling), 1), hash(&number("250"), 1), "{spelling}");
        }
        let text = |text: &str| Value::String(text.to_owned());
        let values = [
            number("1"),
            text("1"),
            Value::Binary(b"1".to_vec()),
            Value::Bool(true),
            Value::Bool(false),
            Value::List(vec![text("1")]),
            Value::StringSet(["1".to_owned()].into()),
            Value::Map(Item::from([("1".to_owned(), Value::Null)])),
            Value::List(Vec::new()),
            text(""),
        ];
        let hashes: std::collections::BTreeSet<u64> = values.iter().map(|value| hash(value, 1)).collect();
        assert_eq!(hashes.len(), values.len());
        assert_ne!(hash(&text("1"), 1), hash(&text("1"), 2), "the key matters");
    }

    #[test]
    fn hashes_and_places_never_change_between_builds() {
        // Written once; other numbers would make every stored register mean other values.
        let check = |value: Value, expected: (u16, u8)| {
            assert_eq!(place(hash(&value, HASH_KEY), Precision::LIVE), expected, "{value:?}");
        };
        check(Value::String("c-1".to_owned()), GOLDEN[0]);
        check(number("250.00"), GOLDEN[1]);
        check(Value::Binary(vec![0, 255]), GOLDEN[2]);
        check(Value::Bool(true), GOLDEN[3]);
    }

    const GOLDEN: [(u16, u8); 4] = [(1993, 2), (819, 2), (2144, 1), (1948, 1)];

    #[test]
    fn a_precision_is_four_to_sixteen_bits() {
        assert_eq!(Precision::new(3), None);
        assert_eq!(Precision::new(17), None);
        assert_eq!(Precision::new(12), Some(Precision::LIVE));
        assert_eq!(Precision::LIVE.registers(), 4_096);
        assert!((Precision::LIVE.relative_standard_error() - 0.016_25).abs() < 1e-6);
    }

    #[test]
    fn the_estimate_of_nothing_is_zero_and_of_everything_is_beyond_counting() {
        for bits in 4..=16 {
            let precision = Precision::new(bits).unwrap();
            assert!(estimate(precision, []).abs() < f64::EPSILON);
            let one = estimate(precision, [1]);
            assert!((one - 1.0).abs() < 0.05, "one register of {bits} bits: {one}");
            let full = estimate(precision, vec![RANK_MAX; precision.registers()]);
            assert!(full > 1e18, "saturated at {bits} bits: {full}");
        }
    }

    proptest! {
        #[test]
        fn a_hash_made_for_a_place_falls_there(bits in 4_u8..=16, hash: u64) {
            let precision = Precision::new(bits).unwrap();
            let (register, rank) = place(hash, precision);
            prop_assert!(usize::from(register) < precision.registers());
            prop_assert!((1..=precision.rank_max()).contains(&rank));
            prop_assert_eq!(place(hash_at(register, rank, precision), precision), (register, rank));
        }

        #[test]
        fn more_values_never_make_a_smaller_estimate(hashes: Vec<u64>) {
            let mut registers: BTreeMap<u16, u8> = BTreeMap::new();
            let mut before = 0.0;
            for hash in hashes {
                let (register, rank) = place(hash, Precision::MIN);
                let standing = registers.entry(register).or_insert(0);
                *standing = rank.max(*standing);
                let now = estimate(Precision::MIN, registers.values().copied());
                prop_assert!(now >= before);
                before = now;
            }
        }
    }

    #[test]
    fn the_lowest_and_highest_ranks_are_reached() {
        for bits in 4..=16 {
            let precision = Precision::new(bits).unwrap();
            assert_eq!(place(0, precision), (0, precision.rank_max()));
            assert_eq!(place(u64::MAX, precision).1, 1);
            for rank in 1..=precision.rank_max() {
                assert_eq!(place(hash_at(7, rank, precision), precision), (7, rank));
            }
        }
    }
}
