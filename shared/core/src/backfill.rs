//! Backfill: how much of a source may be read when, and where each part of the reading stands.

use crate::order::Micros;

/// Bytes of a read unit, where they are read consistently
/// (<https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/read-write-operations.html>).
pub const READ_UNIT_BYTES: f64 = 4_096.0;

/// Read units a second that a backfill may take unless a policy says otherwise: a third of what one
/// partition of a table gives.
pub const UNITS_A_SECOND_DEFAULT: f64 = 1_000.0;

/// One of the parts that a table is read in at the same time, as DynamoDB's parallel Scan has them
/// (<https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Scan.html#Scan.ParallelScan>).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Segment {
    /// Its number, from 0.
    pub number: u32,
    /// How many there are.
    pub of: u32,
}

impl Segment {
    /// The table in one part.
    pub const WHOLE: Self = Self { number: 0, of: 1 };
}

/// Where the reading of one segment stands.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Place {
    /// Before its first page.
    Start,
    /// Behind a page; the text is the source's own.
    After(String),
    /// Behind its last page.
    End,
}

impl Place {
    /// Where a page leaves it.
    #[must_use]
    pub fn behind(next: Option<String>) -> Self {
        next.map_or(Self::End, Self::After)
    }

    /// What to ask the next page after; `None` where there is no next page.
    #[must_use]
    pub fn next(&self) -> Option<Option<String>> {
        match self {
            Self::Start => Some(None),
            Self::After(text) => Some(Some(text.clone())),
            Self::End => None,
        }
    }
}

/// Seconds' worth of a budget that may be taken at once.
const BURST_SECONDS: f64 = 1.0;

/// What a backfill may still take of its budget: a token bucket in read units. How much a page costs
/// is only known afterwards, so it may be overdrawn, and the next page waits until that is made up
/// for.
#[derive(Clone, Copy, PartialEq, Debug, Default)]
pub struct Allowance {
    /// Units left; less than nothing where it is overdrawn.
    pub units: f64,
    /// When that was so, microseconds since the epoch.
    pub at: Micros,
}

impl Allowance {
    /// What it has grown to, at `budget` read units a second.
    #[must_use]
    pub fn by(self, budget: f64, now: Micros) -> Self {
        let seconds = now.saturating_sub(self.at).max(0) as f64 / 1e6;
        Self { units: (self.units + seconds * budget).min(budget * BURST_SECONDS), at: now.max(self.at) }
    }

    /// What is left when so many units were taken.
    #[must_use]
    pub fn less(self, units: f64) -> Self {
        Self { units: self.units - units, ..self }
    }

    /// When it is no longer overdrawn, microseconds since the epoch.
    #[must_use]
    pub fn due(self, budget: f64) -> Micros {
        if self.units >= 0.0 {
            return self.at;
        }
        let wait = (-self.units / budget.max(f64::MIN_POSITIVE) * 1e6).ceil();
        #[expect(clippy::cast_possible_truncation, reason = "a wait beyond all time saturates")]
        self.at.saturating_add(wait as Micros)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_budget_is_kept_over_any_time_and_however_dear_a_page_is() {
        let budget = 100.0;
        let (mut now, mut taken, mut allowance) = (5_000_000, 0.0, Allowance::default());
        let start = now;
        for page in 0..200 {
            now = now.max(allowance.due(budget));
            let cost = f64::from(page % 7) * 40.0;
            allowance = allowance.by(budget, now).less(cost);
            taken += cost;
            let seconds = (now - start) as f64 / 1e6;
            // What was taken last is made up for before the next page.
            assert!(taken - cost <= budget * (seconds + BURST_SECONDS) + 1e-6, "{taken} in {seconds} s");
        }
        let least = taken / budget - BURST_SECONDS - 3.0;
        assert!((now - start) as f64 / 1e6 >= least, "and it is not slower than it has to be");
    }

    #[test]
    fn what_was_not_taken_is_not_saved_up() {
        let idle = Allowance { units: 3.0, at: 0 }.by(10.0, 3_600_000_000);
        assert_eq!(idle, Allowance { units: 10.0, at: 3_600_000_000 });
        assert_eq!(Allowance { units: -5.0, at: 7 }.due(10.0), 500_007);
        assert_eq!(Allowance { units: 10.0, at: 9 }.by(10.0, 3), Allowance { units: 10.0, at: 9 });
    }
}
