//! Which values are fetched ahead of time, and which are there already.

use std::net::{IpAddr, Ipv4Addr};

use super::{Prefetch, ShadowRow, ShadowSchema, ShadowState, ShadowValue};
use crate::order::{ItemVersion, Micros};
use crate::value::Value;

/// How long before a column is expected its values are fetched, microseconds: a week. What is fetched
/// earlier is mostly fetched again.
pub const AHEAD: Micros = 7 * 86_400_000_000;

/// What one run of fetching may take.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct PrefetchBounds {
    /// Values asked for.
    pub values: u64,
    /// Bytes of answers.
    pub bytes: u64,
    /// Time, microseconds.
    pub time: Micros,
    /// Values asked for at the same time.
    pub at_once: usize,
}

/// A thousand values, 16 MiB and a minute: what a scheduled function does besides its work. Of a source that takes
/// a tenth of a second for each, eight at once are those thousand in a quarter of the minute, and are no more than
/// what a web page asks of a host.
pub const BOUNDS_DEFAULT: PrefetchBounds =
    PrefetchBounds { values: 1_000, bytes: 16 << 20, time: 60_000_000, at_once: 8 };

impl PrefetchBounds {
    /// What is left after a fetch; `None` where nothing more may be asked for.
    #[must_use]
    pub fn after(self, values: u64, bytes: u64, time: Micros) -> Option<Self> {
        let left = Self {
            values: self.values.saturating_sub(values),
            bytes: self.bytes.saturating_sub(bytes),
            time: self.time.saturating_sub(time),
            at_once: self.at_once,
        };
        (left.values > 0 && left.bytes > 0 && left.time > 0).then_some(left)
    }
}

/// From where a source is asked.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Asker {
    /// A person's machine, on which a gateway may listen.
    Machine,
    /// A function, in whose machine listens what starts it, and nothing else.
    Function,
}

/// Whether a source may be at an address. One that names a host chooses what the asker connects to, so that
/// it must not lead to the asker's own services: on the link are those that hand out credentials, in EC2 and
/// ECS (<https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/instancedata-data-retrieval.html>).
#[must_use]
pub fn may_be_at(asker: Asker, address: IpAddr) -> bool {
    /// What EC2 has instead of its link, in IPv6.
    const EC2: [u16; 2] = [0xfd00, 0x0ec2];
    /// Before an address of IPv4 that is translated (RFC 6052).
    const TRANSLATED: [u16; 6] = [0x64, 0xff9b, 0, 0, 0, 0];
    match address.to_canonical() {
        IpAddr::V4(v4) => {
            let [first, ..] = v4.octets();
            let is_here = v4.is_loopback() && asker == Asker::Function;
            // Of the network 0, connections end on the same machine.
            !is_here && first != 0 && !v4.is_link_local() && !v4.is_multicast() && !v4.is_broadcast()
        }
        IpAddr::V6(v6) => {
            if let ([high, low], TRANSLATED) = split(v6.segments()) {
                let v4 = Ipv4Addr::from((u32::from(high) << 16) | u32::from(low));
                return may_be_at(asker, IpAddr::V4(v4));
            }
            let is_here = v6.is_loopback() && asker == Asker::Function;
            let is_of_ec2 = v6.segments().starts_with(&EC2);
            !is_here
                && !is_of_ec2
                && !v6.is_unspecified()
                && !v6.is_unicast_link_local()
                && !v6.is_multicast()
        }
    }
}

/// The last two segments, and those before them.
fn split([a, b, c, d, e, f, high, low]: [u16; 8]) -> ([u16; 2], [u16; 6]) {
    ([high, low], [a, b, c, d, e, f])
}

/// The columns of which values are fetched by now: expected soon, or at a time that nobody knows.
pub fn due(schema: &ShadowSchema, now: Micros) -> impl Iterator<Item = (&String, &Prefetch)> {
    schema.columns.iter().filter_map(move |(name, column)| {
        let is_soon = column.expected_at.is_none_or(|at| at.saturating_sub(now) <= AHEAD);
        let prefetch = column.prefetch.as_ref()?;
        (column.state == ShadowState::Expected && is_soon).then_some((name, prefetch))
    })
}

/// Whether a value is to be fetched: nobody wrote or removed one, and none that was fetched is fresh. That
/// the source had none is kept as well, and is as fresh as a value.
#[must_use]
pub fn is_wanted(row: Option<&ShadowRow>, column: &str, prefetch: &Prefetch, now: Micros) -> bool {
    match row.and_then(|row| row.values.get(column)) {
        None => true,
        Some(known) => known.is_fetched() && known.at.saturating_add(prefetch.fresh_for) <= now,
    }
}

/// A value as it is kept after it was fetched; `None` where the source has none.
#[must_use]
pub fn fetched(value: Option<Value>, now: Micros) -> ShadowValue {
    ShadowValue { value, order: ItemVersion::NONE, at: now }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may panic")]
    use std::collections::BTreeMap;

    use super::*;
    use crate::change::TableName;
    use crate::schema::{Constraints, TypeSet};
    use crate::shadow::{PrefetchFrom, ShadowColumn};

    const HOUR: Micros = 3_600_000_000;

    fn prefetch() -> Prefetch {
        let (table, attribute) = (TableName::new("tiers"), "tier".to_owned());
        Prefetch { from: PrefetchFrom::Table { table, attribute }, fresh_for: HOUR }
    }

    #[test]
    fn what_is_expected_soon_is_fetched_and_no_other() {
        let column = |state, expected_at, prefetch| ShadowColumn {
            types: TypeSet::default(),
            default: None,
            constraints: Constraints::default(),
            expected_at,
            probability: 0.5,
            source: String::new(),
            prefetch,
            state,
        };
        let expected = ShadowState::Expected;
        let columns = [
            ("soon", column(expected, Some(AHEAD), Some(prefetch()))),
            ("some time", column(expected, None, Some(prefetch()))),
            ("later", column(expected, Some(AHEAD + 1), Some(prefetch()))),
            ("from nowhere", column(expected, None, None)),
            ("there", column(ShadowState::Arrived { at: 0 }, None, Some(prefetch()))),
        ];
        let columns = columns.map(|(name, column)| (name.to_owned(), column)).into();
        let schema = ShadowSchema { columns, ..ShadowSchema::nothing(TableName::new("t"), 0) };
        assert_eq!(due(&schema, 0).map(|(name, _)| name.as_str()).collect::<Vec<_>>(), ["some time", "soon"]);
    }

    #[test]
    fn a_source_is_at_none_of_the_askers_own_services() {
        let may = |asker, address: &str| may_be_at(asker, address.parse().unwrap());
        for other in
            ["93.184.216.34", "10.0.0.8", "192.168.1.1", "2606:2800::1", "fd12::1", "64:ff9b::5db8:d822"]
        {
            assert!(may(Asker::Function, other) && may(Asker::Machine, other), "{other}");
        }
        for here in ["127.0.0.1", "127.9.9.9", "::1", "::ffff:127.0.0.1", "64:ff9b::7f00:1"] {
            assert!(!may(Asker::Function, here) && may(Asker::Machine, here), "{here}");
        }
        for own in [
            "169.254.169.254",
            "169.254.170.2",
            "::ffff:169.254.169.254",
            "64:ff9b::a9fe:a9fe",
            "fd00:ec2::254",
            "fe80::1",
            "0.0.0.0",
            "0.1.2.3",
            "::",
            "224.0.0.1",
            "255.255.255.255",
            "ff02::1",
        ] {
            assert!(!may(Asker::Function, own) && !may(Asker::Machine, own), "{own}");
        }
    }

    #[test]
    fn what_is_fresh_or_written_is_not_fetched() {
        let row = |value| ShadowRow { revision: 1, values: BTreeMap::from([("c".to_owned(), value)]) };
        let is_wanted = |row: Option<&ShadowRow>, now| is_wanted(row, "c", &prefetch(), now);
        assert!(is_wanted(None, 0));
        for value in [None, Some(Value::Null)] {
            let kept = row(fetched(value.clone(), 5));
            assert!(!is_wanted(Some(&kept), HOUR + 4) && is_wanted(Some(&kept), HOUR + 5));
            let written = row(ShadowValue { order: ItemVersion(1), ..fetched(value, 5) });
            assert!(!is_wanted(Some(&written), 9 * HOUR));
        }
    }
}
