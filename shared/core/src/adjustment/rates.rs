//! Rates: what estimates are made of, measured on walks that are over.

use super::PlanCost;
use crate::backfill::{READ_UNIT_BYTES, UNITS_A_SECOND_DEFAULT};

/// Measured rates that estimates are made of.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Rates {
    /// Ledger rows judged anew a second.
    pub ledger_rows_a_second: f64,
    /// Source items read a second.
    pub source_items_a_second: f64,
    /// CPU seconds for each row judged.
    pub cpu_seconds_a_row: f64,
    /// Write units for each row that is written.
    pub write_units_a_row: f64,
    /// Bytes of a ledger row.
    pub ledger_row_bytes: f64,
    /// Read units a second that a backfill may take.
    pub read_units_a_second: f64,
}

impl Default for Rates {
    /// Rates of an unmeasured system, on the slow side.
    fn default() -> Self {
        Self {
            ledger_rows_a_second: 2_000.0,
            source_items_a_second: 1_000.0,
            cpu_seconds_a_row: 20e-6,
            write_units_a_row: 2.5,
            ledger_row_bytes: 400.0,
            read_units_a_second: UNITS_A_SECOND_DEFAULT,
        }
    }
}

/// Rows that a walk must have visited for its rates to say anything of the next one: of a short one,
/// most is setting out.
const MEASURED_ROWS_MIN: u64 = 1_000;

impl Rates {
    /// The rates that these walks came to, where a backfill may take `budget` read units a second;
    /// where none was long enough, those of an unmeasured system.
    #[must_use]
    pub fn measured(walks: &[PlanCost], budget: f64) -> Self {
        let usual = Self::default();
        let long = |rows: u64| rows >= MEASURED_ROWS_MIN;
        let of_ledger = || walks.iter().filter(|walk| walk.source_items == 0 && long(walk.ledger_rows));
        let of_source = || walks.iter().filter(|walk| long(walk.source_items));
        let all = || of_ledger().chain(of_source());
        let rows = |walk: &PlanCost| (walk.ledger_rows + walk.source_items) as f64;
        Self {
            ledger_rows_a_second: ratio(of_ledger(), rows, |walk| walk.seconds)
                .unwrap_or(usual.ledger_rows_a_second),
            source_items_a_second: ratio(of_source(), rows, |walk| walk.seconds)
                .unwrap_or(usual.source_items_a_second),
            cpu_seconds_a_row: ratio(all(), |walk| walk.cpu_seconds, rows).unwrap_or(usual.cpu_seconds_a_row),
            // Where arithmetic suffices next to nothing is written, which says nothing of a backfill.
            write_units_a_row: ratio(of_source(), |walk| walk.write_units, rows)
                .unwrap_or(usual.write_units_a_row),
            ledger_row_bytes: ratio(of_ledger(), |walk| walk.read_units * READ_UNIT_BYTES, rows)
                .unwrap_or(usual.ledger_row_bytes),
            read_units_a_second: budget,
        }
    }
}

/// So much of one for each of the other, over all walks; `None` where there was none of either.
fn ratio<'a>(
    walks: impl Iterator<Item = &'a PlanCost>,
    of: impl Fn(&PlanCost) -> f64,
    to: impl Fn(&PlanCost) -> f64,
) -> Option<f64> {
    let (of, to) = walks.fold((0.0, 0.0), |sum, walk| (sum.0 + of(walk), sum.1 + to(walk)));
    (of > 0.0 && to > 0.0).then(|| of / to)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_are_those_of_the_walks_that_were_long_enough() {
        let ledger = PlanCost {
            cpu_seconds: 0.2,
            read_units: 500.0,
            ledger_rows: 10_000,
            seconds: 2.0,
            ..PlanCost::default()
        };
        let source = PlanCost {
            cpu_seconds: 0.8,
            read_units: 100.0,
            write_units: 5_000.0,
            source_items: 2_000,
            seconds: 4.0,
            ..PlanCost::default()
        };
        let short = PlanCost { ledger_rows: 40, seconds: 60.0, ..PlanCost::default() };
        let rates = Rates::measured(&[ledger, source, short], 7.0);
        assert_eq!((rates.ledger_rows_a_second, rates.source_items_a_second), (5_000.0, 500.0));
        assert_eq!((rates.write_units_a_row, rates.ledger_row_bytes), (2.5, 204.8));
        assert!((rates.cpu_seconds_a_row - 1.0 / 12_000.0).abs() < 1e-12);
        assert_eq!(rates, Rates { read_units_a_second: 7.0, ..rates });
        let unmeasured = Rates::measured(&[short], UNITS_A_SECOND_DEFAULT);
        assert_eq!(unmeasured, Rates::default());
    }
}
