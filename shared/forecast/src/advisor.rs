//! The headroom advisor: what to count now, so that a change that is expected needs no rescan.
//!
//! | expected | buy | what it saves |
//! |---|---|---|
//! | a column comes that counts may be grouped by or limited to | its dimension, counted from its first row | reading the table again for the rows that came in between |
//! | a column that a condition reads goes or gets another type | the condition's truth bit: both answers are counted, with the condition's outcome as one more dimension | reading the table again to tell the rows apart, which nobody can once the column is gone |
//!
//! A group column that goes needs nothing: its groups are summed. One that is retyped is re-keyed.
//!
//! What is bought is paid in writes, every month until the change; what it saves is a scan of the source,
//! as often as the change comes. Both are compared in what read units cost.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::predict::{Judgement, TableForecast};
use crate::units::{Kind, Target};

/// What a write unit costs in read units: on-demand prices are $0.625 and $0.125 for a million
/// (<https://aws.amazon.com/dynamodb/pricing/on-demand/>).
pub const WRITE_PRICE: f64 = 5.0;
/// Read units for a byte of a scan: half a unit for each 4 KiB, eventually consistent.
const READ_UNITS_PER_BYTE: f64 = 0.5 / 4_096.0;
/// Months that headroom is paid for before its prediction is over.
const MONTHS: f64 = 6.0;
/// Values of a column that nobody has seen yet. A guess, and given back with the advice.
pub const VALUES_ASSUMED: u64 = 10;

/// A count that is registered.
#[derive(Clone, PartialEq, Debug)]
pub struct Registered {
    /// Its name.
    pub count: String,
    /// The table it counts.
    pub table: String,
    /// The columns it is grouped by.
    pub group_columns: Vec<String>,
    /// The columns that its condition reads.
    pub condition_columns: Vec<String>,
    /// How many groups it has.
    pub groups: u64,
    /// What its counters cost now.
    pub write_units_per_month: f64,
    /// The size of the table.
    pub source_bytes: u64,
}

/// What can be bought.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Extra {
    /// A column as one more dimension.
    Dimension {
        /// Which.
        column: String,
    },
    /// The outcome of the condition as one more dimension.
    TruthBit {
        /// The columns for whose sake.
        columns: Vec<String>,
    },
}

/// A piece of advice.
#[derive(Clone, PartialEq, Debug)]
pub struct Advice {
    /// For which count.
    pub count: String,
    /// What to buy.
    pub extra: Extra,
    /// How probable it is that it is needed within half a year.
    pub p: f64,
    /// How many counters more that is.
    pub extra_counters: u64,
    /// What they cost each month.
    pub write_units_per_month: f64,
    /// What a rescan reads, times how probable it is.
    pub read_units_saved: f64,
    /// Whether it saves more than it costs until the prediction is over.
    pub worth_it: bool,
    /// Why, with the numbers.
    pub because: String,
}

/// Advice for registered counts, what saves most for its price first.
#[must_use]
pub fn advise(forecasts: &[TableForecast], counts: &[Registered]) -> Vec<Advice> {
    let mut all = Vec::new();
    for count in counts {
        let Some(forecast) = forecasts.iter().find(|one| *one.table == *count.table) else { continue };
        all.extend(dimensions(forecast, count));
        all.extend(truth_bit(forecast, count));
    }
    let value = |one: &Advice| one.read_units_saved - one.write_units_per_month * WRITE_PRICE * MONTHS;
    all.sort_by(|one, other| value(other).total_cmp(&value(one)).then_with(|| one.count.cmp(&other.count)));
    all
}

fn dimensions(forecast: &TableForecast, count: &Registered) -> Vec<Advice> {
    let known: BTreeSet<&String> = count.group_columns.iter().chain(&count.condition_columns).collect();
    let come = forecast.candidates.iter().filter(|one| one.kind == Kind::Add && !known.contains(&one.column));
    come.map(|one| {
        let extra = Extra::Dimension { column: one.column.clone() };
        let why = format!("`{}` may come ({})", one.column, one.precision.words());
        // Each group is split by the values of the column; a change writes to one counter more.
        advice(count, extra, one.p, count.groups.saturating_mul(VALUES_ASSUMED), why)
    })
    .collect()
}

fn truth_bit(forecast: &TableForecast, count: &Registered) -> Option<Advice> {
    if count.condition_columns.is_empty() {
        return None;
    }
    let dropped: Vec<&crate::candidates::Candidate> = forecast
        .candidates
        .iter()
        .filter(|one| one.kind == Kind::Drop && count.condition_columns.contains(&one.column))
        .collect();
    let (p, why) = match dropped.iter().map(|one| one.p).reduce(f64::max) {
        Some(p) => (p, "a column of its condition may go".to_owned()),
        None => {
            // Nothing names the column: as probable as that a drop or a retype meets one of the condition's
            // among the table's columns, at least one in [`VALUES_ASSUMED`].
            let Judgement::Outlook(outlook) = &forecast.judgement else { return None };
            let of = |kind| {
                let wanted = Target { kind, days: 183 };
                outlook.chances.iter().find(|one| one.target == wanted).map_or(0.0, |one| one.chance.p)
            };
            let either = 1.0 - (1.0 - of(Kind::Drop)) * (1.0 - of(Kind::Retype));
            let share = (count.condition_columns.len() as f64 / VALUES_ASSUMED as f64).min(1.0);
            (
                either * share,
                "the table may lose or retype a column, one of its condition's perhaps".to_owned(),
            )
        }
    };
    let extra = Extra::TruthBit { columns: count.condition_columns.clone() };
    // The rows that the condition leaves out are counted too: as many groups again.
    Some(advice(count, extra, p, count.groups, why))
}

fn advice(count: &Registered, extra: Extra, p: f64, extra_counters: u64, why: String) -> Advice {
    let rescan = count.source_bytes as f64 * READ_UNITS_PER_BYTE;
    let saved = p * rescan;
    // Whatever is bought, a change writes to one counter more than it did.
    let cost = count.write_units_per_month.max(0.0);
    let worth_it = saved > cost * WRITE_PRICE * MONTHS;
    let because = format!(
        "{why}: {:.0} % within half a year; {extra_counters} counters and {cost:.0} write units a month, \
         against {saved:.0} of the {rescan:.0} read units of a rescan",
        p * 100.0
    );
    Advice {
        count: count.count.clone(),
        extra,
        p,
        extra_counters,
        write_units_per_month: cost,
        read_units_saved: saved,
        worth_it,
        because,
    }
}

/// The tables for which the benchmark's rule would buy headroom ([`crate::bench::Headroom`]): those that
/// will change within half a year with at least [`crate::bench::BUY_FROM`].
#[must_use]
pub fn tables_to_prepare(forecasts: &[TableForecast]) -> Vec<(Arc<str>, f64)> {
    let chance = |one: &TableForecast| match &one.judgement {
        Judgement::Outlook(outlook) => {
            let any = outlook.chances.iter().find(|one| one.target == crate::units::ANY_IN_HALF_A_YEAR)?;
            Some((Arc::clone(&one.table), any.chance.p))
        }
        Judgement::CannotJudge { .. } => None,
    };
    let mut all: Vec<(Arc<str>, f64)> = forecasts.iter().filter_map(chance).collect();
    all.retain(|(_, p)| *p >= crate::bench::BUY_FROM);
    all.sort_by(|one, other| other.1.total_cmp(&one.1).then_with(|| one.0.cmp(&other.0)));
    all
}

#[cfg(test)]
mod tests {
    #![expect(clippy::indexing_slicing, reason = "a test may panic")]
    use super::*;
    use crate::candidates::{Candidate, Precision, Source};
    use crate::naming::Record;

    fn forecast(kind: Kind, column: &str, p: u32) -> TableForecast {
        let precision = Precision::Assumed { of_ten: p, own: Record::default() };
        let candidate = Candidate {
            column: column.into(),
            typed: None,
            kind,
            p: precision.share(),
            at: None,
            source: Source::Release { feature: "f".into() },
            precision,
        };
        TableForecast {
            table: "orders".into(),
            at: 0,
            judgement: Judgement::CannotJudge { because: String::new() },
            candidates: vec![candidate],
            planned: Vec::new(),
        }
    }

    fn count(source_bytes: u64) -> Registered {
        Registered {
            count: "paid".into(),
            table: "orders".into(),
            group_columns: vec!["country".into()],
            condition_columns: vec!["status".into()],
            groups: 20,
            write_units_per_month: 1_000.0,
            source_bytes,
        }
    }

    #[test]
    fn headroom_is_worth_it_where_a_rescan_costs_more_than_the_writes() {
        // 30 000 read units of writes against 0.7 of the scan: 122 read units for a megabyte.
        let small = advise(&[forecast(Kind::Add, "gift", 7)], &[count(100_000_000)]);
        let large = advise(&[forecast(Kind::Add, "gift", 7)], &[count(1_000_000_000)]);
        assert!(!small[0].worth_it && large[0].worth_it, "{small:?} {large:?}");
        assert_eq!(large[0].extra, Extra::Dimension { column: "gift".into() });
        assert_eq!(large[0].extra_counters, 200);
        assert!((large[0].read_units_saved - 85_449.0).abs() < 1.0);
    }

    #[test]
    fn a_condition_that_may_lose_its_column_is_counted_both_ways() {
        let all = advise(&[forecast(Kind::Drop, "status", 5)], &[count(1_000_000_000)]);
        assert_eq!(all.len(), 1);
        assert_eq!(
            (&all[0].extra, all[0].extra_counters),
            (&Extra::TruthBit { columns: vec!["status".into()] }, 20)
        );
        assert!(advise(&[forecast(Kind::Drop, "fax", 5)], &[count(1)]).is_empty());
        assert!(advise(&[], &[count(1)]).is_empty());
    }
}
