//! Distinct counts of live items: how many different values an attribute has among the items
//! counted *now*, following updates and deletes.
//!
//! A HyperLogLog register only grows, so a sketch of what was ever inserted never forgets. Here
//! each register keeps, for each rank, how many live items have it ([`Cell::Register`]): these
//! multiplicities move by ±1 in the same transaction as the item counts, add up over lanes as
//! those do, and the register is the highest rank whose multiplicity is above zero. The registers
//! are therefore, bit for bit, those of a sketch of the live items alone. What they say of the
//! number of values is an estimate ([`crate::sketch::estimate`]) and is never called exact.
//!
//! An attribute that is absent or NULL adds no value, as in SQL's `COUNT(DISTINCT x)`.

use std::collections::BTreeMap;

use crate::counting::Unavailable;
use crate::group::{Cell, GroupId, GroupKey};
use crate::path::Path;
use crate::sketch::{self, Precision};
use crate::value::{Item, Value};

/// The precision of distinct counts. Fixed, as is [`sketch::HASH_KEY`]: both decide which cell
/// a value is counted in, so the cells of another precision have other names.
pub const PRECISION: Precision = Precision::LIVE;

/// Where an item's value of the attribute falls; `None` where it has none.
///
/// # Errors
/// [`Unavailable`] where the value was not sent.
pub fn place_of(path: &Path, item: &Item) -> Result<Option<(u16, u8)>, Unavailable> {
    place_of_value(path.lookup(item))
}

/// As [`place_of`], of the value itself.
///
/// # Errors
/// [`Unavailable`] where it was not sent.
pub fn place_of_value(value: Option<&Value>) -> Result<Option<(u16, u8)>, Unavailable> {
    match value {
        None | Some(Value::Null) => Ok(None),
        Some(Value::Unavailable) => Err(Unavailable),
        Some(value) => Ok(Some(sketch::place(sketch::hash(value, sketch::HASH_KEY), PRECISION))),
    }
}

/// How many items each rank of each register has.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Multiplicities(BTreeMap<(u16, u8), i64>);

impl Multiplicities {
    /// Adds to the items of one rank of one register.
    pub fn add(&mut self, register: u16, rank: u8, n: i64) {
        *self.0.entry((register, rank)).or_insert(0) += n;
    }

    /// Every register and rank that was ever moved, with its items.
    pub fn iter(&self) -> impl Iterator<Item = (u16, u8, i64)> + '_ {
        self.0.iter().map(|((register, rank), n)| (*register, *rank, *n))
    }

    /// The registers that are not empty, each with its highest rank that items still have.
    #[must_use]
    pub fn registers(&self) -> BTreeMap<u16, u8> {
        // In the order of ranks, so the highest of a register comes last.
        self.0.iter().filter(|(_, n)| **n > 0).map(|((register, rank), _)| (*register, *rank)).collect()
    }

    fn estimate(&self) -> Estimate {
        Estimate::of(sketch::estimate(PRECISION, self.registers().into_values()), PRECISION)
    }
}

/// An estimated number of distinct values.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Estimate {
    /// The estimate, rounded.
    pub n: u64,
    /// Its relative standard error: two readings in three are within this share of the truth.
    pub error: f64,
}

impl Estimate {
    /// Rounds what a sketch of a precision says.
    #[must_use]
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "an estimate is not negative, and saturates where no number is large enough"
    )]
    pub fn of(estimate: f64, precision: Precision) -> Self {
        Self { n: estimate.round() as u64, error: precision.relative_standard_error() }
    }
}

/// The distinct counts of a reading.
#[derive(Clone, PartialEq, Debug)]
pub struct Distinct {
    /// Distinct values by group, for the groups of the reading.
    pub groups: BTreeMap<GroupKey, Estimate>,
    /// Distinct values of the items that are counted together.
    pub overflow: Estimate,
    /// Distinct values of all items: of the union of the groups, not their sum, because a value
    /// may be in several groups.
    pub total: Estimate,
}

/// Sums the multiplicities of each group (`None`: of the overflow) over cells.
#[must_use]
pub fn by_group<'a>(
    cells: impl IntoIterator<Item = (&'a Cell, i64)>,
) -> BTreeMap<Option<GroupId>, Multiplicities> {
    let mut groups: BTreeMap<_, Multiplicities> = BTreeMap::new();
    for (cell, n) in cells {
        if let Cell::Register { group, register, rank } = cell {
            groups.entry(*group).or_default().add(*register, *rank, n);
        }
    }
    groups
}

/// The multiplicities of all groups together. Their sum, and not the highest register of any
/// group, because counts by delta may take an item out of another cell than they put it in: that
/// cancels out in the sum.
#[must_use]
pub fn union<'a>(groups: impl IntoIterator<Item = &'a Multiplicities>) -> Multiplicities {
    let mut sum = Multiplicities::default();
    for group in groups {
        group.iter().for_each(|(register, rank, n)| sum.add(register, rank, n));
    }
    sum
}

impl Distinct {
    /// Reads multiplicities. A group that is not among `shown` (it has no items) is in the total
    /// only, where what it still holds cancels out.
    #[must_use]
    pub fn read<'a>(
        by_group: &BTreeMap<Option<GroupId>, Multiplicities>,
        shown: impl IntoIterator<Item = &'a GroupKey>,
    ) -> Self {
        let nothing = Multiplicities::default();
        let of = |group: Option<GroupId>| by_group.get(&group).unwrap_or(&nothing).estimate();
        Self {
            groups: shown.into_iter().map(|key| (key.clone(), of(Some(GroupId::of(key))))).collect(),
            overflow: of(None),
            total: union(by_group.values()).estimate(),
        }
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may panic")]
    use proptest::prelude::*;

    use super::*;

    fn key(status: &str) -> GroupKey {
        GroupKey::new(vec![(Path::column("status"), Value::String(status.to_owned()))])
    }

    fn item(customer: Option<Value>) -> Item {
        customer.map(|value| ("customer".to_owned(), value)).into_iter().collect()
    }

    #[test]
    fn an_absent_or_null_value_is_no_value_and_an_unsent_one_is_unknown() {
        let path = Path::column("customer");
        assert_eq!(place_of(&path, &item(None)), Ok(None));
        assert_eq!(place_of(&path, &item(Some(Value::Null))), Ok(None));
        assert_eq!(place_of(&path, &item(Some(Value::Unavailable))), Err(Unavailable));
        assert!(place_of(&path, &item(Some(Value::Bool(false)))).unwrap().is_some());
    }

    #[test]
    fn the_total_is_of_the_union_and_a_register_falls_when_its_last_item_goes() {
        let mut open = Multiplicities::default();
        for (register, rank, n) in [(7, 3, 2), (7, 9, 1), (8, 1, 1)] {
            open.add(register, rank, n);
        }
        assert_eq!(open.registers(), [(7, 9), (8, 1)].into());
        let closed = open.clone();
        let groups =
            [(Some(GroupId::of(&key("OPEN"))), open.clone()), (Some(GroupId::of(&key("CLOSED"))), closed)];
        let read = Distinct::read(&groups.into(), [&key("OPEN"), &key("EMPTY")]);
        assert_eq!(read.total.n, 2);
        assert_eq!(read.groups[&key("OPEN")].n, 2);
        assert_eq!(read.groups[&key("EMPTY")].n, 0);
        assert_eq!(read.overflow.n, 0);
        open.add(7, 9, -1);
        assert_eq!(open.registers(), [(7, 3), (8, 1)].into());
    }

    proptest! {
        #[test]
        fn registers_are_those_of_a_sketch_of_what_is_left(
            values in prop::collection::vec((any::<u16>(), any::<bool>()), 0..300),
        ) {
            let place = |n: u16| sketch::place(sketch::hash(&Value::Number(i64::from(n).into()), 1), Precision::MIN);
            let (mut kept, mut expected) = (Multiplicities::default(), BTreeMap::new());
            for (n, stays) in &values {
                let (register, rank) = place(*n);
                kept.add(register, rank, 1);
                if *stays {
                    let standing = expected.entry(register).or_insert(0);
                    *standing = rank.max(*standing);
                }
            }
            for (n, _) in values.iter().filter(|(_, stays)| !stays) {
                let (register, rank) = place(*n);
                kept.add(register, rank, -1);
            }
            prop_assert_eq!(kept.registers(), expected);
        }
    }
}
