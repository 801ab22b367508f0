//! What has to be looked at, and what that costs.

use super::draft::Draft;
use super::{Facts, Partitions, PlanCost, condition};
use crate::path::Path;

/// Which part of the table the new condition can count anything of.
pub(super) fn affected(draft: &Draft, facts: &Facts) -> Partitions {
    let key = facts.partition_key.as_ref().map(Path::column);
    let pinned = key.as_ref().zip(draft.definition.filter.as_ref()).and_then(|(key, filter)| {
        // Rows that fail the condition are counted, too, where its truths are.
        if draft.definition.headroom.truth { None } else { condition::pinned(filter, key) }
    });
    match (&facts.partition_key, pinned) {
        (Some(attribute), Some(values)) => {
            Partitions::Keys { attribute: attribute.clone(), values: values.into_iter().collect() }
        }
        _ => Partitions::All,
    }
}

/// Bytes of a read unit.
const READ_UNIT_BYTES: f64 = 4_096.0;
/// Read units of an eventually consistent read of that many bytes: the ledger's rows are written
/// back on condition that they are still the ones read.
const READ_UNITS_EVENTUAL: f64 = 0.5;

/// What looking at every ledger row costs.
pub(super) fn census(facts: &Facts, assumptions: &mut Vec<String>) -> PlanCost {
    let Some(rows) = facts.ledger_rows else {
        assumptions
            .push("how many rows the ledger has is not known; the estimate is without them".to_owned());
        return PlanCost::default();
    };
    let rates = &facts.rates;
    let pages = (rows as f64 * rates.ledger_row_bytes / READ_UNIT_BYTES).ceil();
    PlanCost {
        cpu_seconds: rows as f64 * rates.cpu_seconds_a_row,
        read_units: pages * READ_UNITS_EVENTUAL,
        write_units: 0.0,
        source_items: 0,
        ledger_rows: rows,
        seconds: rows as f64 / rates.ledger_rows_a_second.max(f64::MIN_POSITIVE),
    }
}

/// What reading the affected part of the source costs.
pub(super) fn backfill(facts: &Facts, affected: &Partitions, assumptions: &mut Vec<String>) -> PlanCost {
    let Some(items) = facts.source_items else {
        assumptions.push("how large the source is is not known; the estimate is without it".to_owned());
        return PlanCost::default();
    };
    let bytes = facts.source_bytes.map_or_else(
        || {
            let each = facts.rates.ledger_row_bytes;
            assumptions.push(format!("an item of the source is taken for {each:.0} bytes"));
            items as f64 * each
        },
        |bytes| bytes as f64,
    );
    let share = match affected {
        Partitions::Keys { values, .. } if !facts.partition_values.is_empty() => {
            (values.len() as f64 / facts.partition_values.len() as f64).min(1.0)
        }
        _ => 1.0,
    };
    let rates = &facts.rates;
    let read = (items as f64 * share).ceil();
    PlanCost {
        cpu_seconds: read * rates.cpu_seconds_a_row,
        read_units: (bytes * share / READ_UNIT_BYTES).ceil(),
        write_units: read * rates.write_units_a_row,
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a share of a u64")]
        source_items: read as u64,
        ledger_rows: 0,
        seconds: read / rates.source_items_a_second.max(f64::MIN_POSITIVE),
    }
}
