//! Arrival: rows that a count has never met, because they came under the table's name with another
//! table, or were there before the count was.

use xxhash_rust::xxh3::xxh3_64;

use super::{
    AdjustmentPlan, Cause, Certificate, Class, Facts, LogicUpdate, MinimumEvidence, Partitions, Start, cost,
};
use crate::logic::{LogicVersion, PlanId, Relation};
use crate::order::Micros;
use crate::path::Path;
use crate::value::Item;

/// What a count of a table's new name asks when the table arrives there under a rename: the rows
/// that come with it were never counted under that name.
#[must_use]
pub fn arrival(cause: &Cause, from: &str, logic: &LogicVersion, facts: &Facts) -> AdjustmentPlan {
    let reads = || logic.definition.paths().map(Path::column_name);
    let in_ledger =
        facts.has_ledger && reads().all(|column| facts.remembered.iter().any(|known| known == column));
    let (start, how) = if in_ledger {
        (Start::Ledger, "each row of the ledger is judged anew, and the source is not read")
    } else {
        (Start::Source, "the ledger does not remember all that the count reads, so the table is read")
    };
    let event = match cause {
        Cause::Schema { event, .. } => event.clone(),
        Cause::Redefinition { .. } => String::new(),
    };
    let sentence = format!(
        "`{from}` was renamed to `{}`, which this count is of: the rows that come with it are counted; {how}.",
        logic.definition.table
    );
    unmet(&format!("arrival\0{}\0{from}\0{event}", logic.id), cause.clone(), start, sentence, logic, facts)
}

/// What a count that started on a table with rows asks: the rows from before it, read from the source.
/// The plan makes no version. What is read is applied under every version that is counted, so it is
/// the one in force that has seen every row afterwards.
#[must_use]
pub fn filling(logic: &LogicVersion, facts: &Facts, asked_at: Micros) -> AdjustmentPlan {
    let cause = Cause::Redefinition { definition: logic.definition.clone(), at: asked_at };
    let sentence = format!(
        "The rows of `{}` from before the count are read from the source, while writers go on.",
        logic.definition.table
    );
    let id = format!("filling\0{}\0{asked_at}", logic.id);
    unmet(&id, cause, Start::Source, sentence, logic, facts)
}

fn unmet(
    id: &str,
    cause: Cause,
    start: Start,
    sentence: String,
    logic: &LogicVersion,
    facts: &Facts,
) -> AdjustmentPlan {
    let mut assumptions = Vec::new();
    let (class, affected, estimate) = match start {
        Start::Source => {
            let affected = cost::affected(&logic.definition, facts);
            let estimate = cost::backfill(facts, &affected, &mut assumptions);
            (Class::A5, affected, estimate)
        }
        Start::Ledger | Start::Image(_) => {
            let estimate = cost::census(facts, &mut assumptions);
            let write_units = estimate.ledger_rows as f64 * facts.rates.write_units_a_row;
            (Class::A4, Partitions::All, super::PlanCost { write_units, ..estimate })
        }
    };
    let in_ledger = start != Start::Source;
    AdjustmentPlan {
        id: PlanId::new(format!("{:016x}", xxh3_64(id.as_bytes()))),
        definition: logic.definition.name.clone(),
        table: logic.definition.table.clone(),
        from: logic.id.number,
        cause,
        class,
        update: Some(LogicUpdate {
            definition: logic.definition.clone(),
            migration: logic.migration.clone(),
            start,
            earlier_tables: logic.earlier_tables.clone(),
            suspended: logic.suspended.clone(),
        }),
        // Nothing of them is stored: with a row or without, the counts are the same.
        certificate: Certificate::Witness { one: Vec::new(), other: vec![Item::new()] },
        affected,
        estimate,
        relation: Relation::AtLeast,
        minimum: MinimumEvidence { census: in_ledger, changes: 0 },
        sentence,
        assumptions,
        choices: Vec::new(),
    }
}
