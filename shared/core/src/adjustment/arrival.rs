//! Arrival: a table takes the name of one that is counted already.

use xxhash_rust::xxh3::xxh3_64;

use super::{
    AdjustmentPlan, Cause, Certificate, Class, Facts, LogicUpdate, MinimumEvidence, Partitions, PlanCost,
    Start,
};
use crate::logic::{LogicVersion, PlanId, Relation};
use crate::path::Path;
use crate::value::Item;

/// Read units for each 4 KB of a strongly consistent read.
const BYTES_A_READ_UNIT: f64 = 4_096.0;

/// What a count of a table's new name asks when the table arrives there under a rename: the rows
/// that come with it were never counted under that name.
#[must_use]
pub fn arrival(cause: &Cause, from: &str, logic: &LogicVersion, facts: &Facts) -> AdjustmentPlan {
    let reads = || logic.definition.paths().map(Path::column_name);
    let in_ledger =
        facts.has_ledger && reads().all(|column| facts.remembered.iter().any(|known| known == column));
    let (class, start, how) = if in_ledger {
        (Class::A4, Start::Ledger, "each row of the ledger is judged anew, and the source is not read")
    } else {
        (
            Class::A5,
            Start::Source,
            "the ledger does not remember all that the count reads, so the table is read",
        )
    };
    let rows = facts.ledger_rows.unwrap_or(0);
    let read_units = (rows as f64 * facts.rates.ledger_row_bytes / BYTES_A_READ_UNIT).ceil();
    let event = match cause {
        Cause::Schema { event, .. } => event.clone(),
        Cause::Redefinition { .. } => String::new(),
    };
    let text = format!("arrival\0{}\0{from}\0{event}", logic.id);
    AdjustmentPlan {
        id: PlanId::new(format!("{:016x}", xxh3_64(text.as_bytes()))),
        definition: logic.definition.name.clone(),
        table: logic.definition.table.clone(),
        from: logic.id.number,
        cause: cause.clone(),
        class,
        update: Some(LogicUpdate {
            definition: logic.definition.clone(),
            migration: logic.migration.clone(),
            start,
            earlier_tables: logic.earlier_tables.clone(),
            suspended: logic.suspended.clone(),
        }),
        // Nothing was counted under the name, whether rows come with the table or not.
        certificate: Certificate::Witness { one: Vec::new(), other: vec![Item::new()] },
        affected: Partitions::All,
        estimate: PlanCost {
            cpu_seconds: rows as f64 * facts.rates.cpu_seconds_a_row,
            read_units,
            write_units: rows as f64 * facts.rates.write_units_a_row,
            source_items: if in_ledger { 0 } else { rows },
            ledger_rows: if in_ledger { rows } else { 0 },
            seconds: rows as f64 / facts.rates.ledger_rows_a_second.max(1.0),
        },
        relation: Relation::AtLeast,
        minimum: MinimumEvidence { census: in_ledger, changes: 0 },
        sentence: format!(
            "`{from}` was renamed to `{}`, which this count is of: the rows that come with it are counted; {how}.",
            logic.definition.table
        ),
        assumptions: Vec::new(),
        choices: Vec::new(),
    }
}
