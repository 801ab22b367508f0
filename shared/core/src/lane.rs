//! Lanes: the writer of one shard of one stream, its checkpoint and its fence.

use std::cmp::Ordering;
use std::fmt;
use std::sync::Arc;

use crate::decimal::no_digits;
use crate::order::Micros;

/// A shard of a stream, as the writer of its own counter cells; `orders-cdc/shardId-000000000000`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct LaneId(Arc<str>);

/// No stream's name has a colon.
const TRANSFORMER: &str = "transformer:";

impl LaneId {
    /// The lane of a shard. Keyed by ids only: a shard's sequence range changes when it closes.
    #[must_use]
    pub fn of_shard(stream: &str, shard: &str) -> Self {
        Self(format!("{stream}/{shard}").into())
    }

    /// The lane of commits that come from no stream: repairs, rechecks, replayed quarantine.
    #[must_use]
    pub fn operator() -> Self {
        Self("operator".into())
    }

    /// The name under which the event transformer keeps what it refuses of a lane's records: the
    /// counter may refuse the same record for another reason.
    #[must_use]
    pub fn of_transformer(lane: &Self) -> Self {
        Self(format!("{TRANSFORMER}{}", lane.0).into())
    }

    /// Whether it is of the event transformer.
    #[must_use]
    pub fn is_of_transformer(&self) -> bool {
        self.0.starts_with(TRANSFORMER)
    }

    /// A lane by its stored name.
    #[must_use]
    pub fn named(name: &str) -> Self {
        Self(name.into())
    }

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The stream of the shard; the whole name where the lane is of no shard.
    #[must_use]
    pub fn stream(&self) -> &str {
        self.0.rsplit_once('/').map_or(&self.0, |(stream, _)| stream)
    }
}

impl fmt::Display for LaneId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A Kinesis sequence number: a decimal of up to 129 digits, ordered as a number.
///
/// <https://docs.aws.amazon.com/kinesis/latest/APIReference/API_Record.html>
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct SequenceNumber(Arc<str>);

impl SequenceNumber {
    /// Accepts decimal digits; leading zeros are dropped.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        SequenceRef::parse(text.as_bytes()).map(SequenceRef::to_number)
    }

    /// The digits.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The same number, borrowed.
    #[must_use]
    pub fn by_ref(&self) -> SequenceRef<'_> {
        SequenceRef(self.0.as_bytes())
    }
}

/// A borrowed [`SequenceNumber`]: its digits.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SequenceRef<'a>(&'a [u8]);

impl<'a> SequenceRef<'a> {
    /// As [`SequenceNumber::parse`].
    #[must_use]
    pub fn parse(text: &'a [u8]) -> Option<Self> {
        let (words, rest) = text.as_chunks();
        let others = words.iter().fold(0, |others, word| others | no_digits(u64::from_le_bytes(*word)));
        let are_digits = others == 0 && rest.iter().all(u8::is_ascii_digit);
        let zeros = text.iter().take_while(|byte| **byte == b'0').count();
        let significant = text.get(zeros..).filter(|significant| !significant.is_empty());
        (are_digits && !text.is_empty() && text.len() <= 129).then_some(Self(significant.unwrap_or(b"0")))
    }

    /// The same number, owned.
    #[must_use]
    pub fn to_number(self) -> SequenceNumber {
        SequenceNumber(String::from_utf8_lossy(self.0).into())
    }
}

impl PartialOrd for SequenceRef<'_> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for SequenceRef<'_> {
    fn cmp(&self, other: &Self) -> Ordering {
        self.0.len().cmp(&other.0.len()).then_with(|| self.0.cmp(other.0))
    }
}

impl PartialOrd for SequenceNumber {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for SequenceNumber {
    fn cmp(&self, other: &Self) -> Ordering {
        self.by_ref().cmp(&other.by_ref())
    }
}

impl fmt::Display for SequenceNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// How far a lane has come.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct LaneState {
    /// The last record whose effect is in the counts.
    pub sequence: Option<SequenceNumber>,
    /// Rises when something every lane must know of has happened (a table was emptied): a
    /// commit prepared before that fails, and the lane looks again.
    pub fence: u64,
    /// Records taken so far.
    pub records: u64,
    /// Source time of the newest record taken, microseconds since the epoch.
    pub at: Micros,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sequence_numbers_order_as_numbers_not_as_text() {
        let n = SequenceNumber::parse;
        assert!(n("9") < n("10"));
        assert!(n("49590338271490256608559692538361571095921575989136588898") > n("5"));
        assert_eq!(n("007"), n("7"));
        for bad in ["", "x", "1.0", "-1"] {
            assert_eq!(n(bad), None, "{bad}");
        }
    }
}
