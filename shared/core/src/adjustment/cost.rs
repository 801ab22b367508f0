//! What has to be looked at, and what that costs.

use super::{Facts, Partitions, PlanCost, condition};
use crate::backfill::READ_UNIT_BYTES;
use crate::definition::CountDefinition;
use crate::path::Path;
use crate::value::Value;

/// Which part of the table a definition can count anything of.
pub(super) fn affected(definition: &CountDefinition, facts: &Facts) -> Partitions {
    let key = facts.partition_key.as_ref().map(Path::column);
    let pinned = key.as_ref().zip(definition.filter.as_ref()).and_then(|(key, filter)| {
        // Rows that fail the condition are counted, too, where its truths are.
        if definition.headroom.truth { None } else { condition::pinned(filter, key) }
    });
    match (&facts.partition_key, pinned) {
        (Some(attribute), Some(values)) => {
            Partitions::Keys { attribute: attribute.clone(), values: values.into_iter().collect() }
        }
        _ => Partitions::All,
    }
}

/// What looking at every ledger row costs. They are read consistently: of a row as it was once,
/// nobody can say that it may stay as it is.
pub(super) fn census(facts: &Facts, assumptions: &mut Vec<String>) -> PlanCost {
    let Some(rows) = facts.ledger_rows else {
        assumptions
            .push("how many rows the ledger has is not known; the estimate is without them".to_owned());
        return PlanCost::default();
    };
    let rates = &facts.rates;
    PlanCost {
        cpu_seconds: rows as f64 * rates.cpu_seconds_a_row,
        read_units: (rows as f64 * rates.ledger_row_bytes / READ_UNIT_BYTES).ceil(),
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
        Partitions::Keys { attribute, values } => {
            share(facts, attribute, values, items).unwrap_or_else(|| {
                let how_many = format!("how many items have these values of `{attribute}` is not known");
                assumptions.push(format!("{how_many}; the estimate is for all items"));
                1.0
            })
        }
        Partitions::None | Partitions::All => 1.0,
    };
    let rates = &facts.rates;
    let read = (items as f64 * share).ceil();
    let read_units = (bytes * share / READ_UNIT_BYTES).ceil();
    let unhindered = read / rates.source_items_a_second.max(f64::MIN_POSITIVE);
    PlanCost {
        cpu_seconds: read * rates.cpu_seconds_a_row,
        read_units,
        write_units: read * rates.write_units_a_row,
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a share of a u64")]
        source_items: read as u64,
        ledger_rows: 0,
        seconds: unhindered.max(read_units / rates.read_units_a_second.max(f64::MIN_POSITIVE)),
    }
}

/// The share of the items that have one of these values, where the groups counted so far tell.
fn share(facts: &Facts, attribute: &str, values: &[Value], items: u64) -> Option<f64> {
    let key = Path::column(attribute);
    let of = |value: &Value| {
        let has = |path: &Path, part: &Value| *path == key && part == value;
        let groups =
            facts.groups.iter().filter(|(group, _)| group.parts().iter().any(|(path, part)| has(path, part)));
        let counts: Vec<i64> = groups.map(|(_, n)| *n).collect();
        (!counts.is_empty()).then(|| counts.iter().sum::<i64>())
    };
    let known: i64 = values.iter().map(of).sum::<Option<i64>>()?;
    (items > 0).then(|| (known.max(0) as f64 / items as f64).min(1.0))
}
