//! An adjustment for programs.
//!
//! | field | holds |
//! |---|---|
//! | `id`, `count`, `table`, `sentence` | the plan's id, its count and table, and what it says in one sentence |
//! | `change` | the kinds of change, joined by `+`; `redefine` where a person asked for another definition, `fill` for the rows from before a count |
//! | `changes` | each change, as `schema history` has it, with its columns and `evidence` |
//! | `at` | when the source made the change, or the person asked |
//! | `class` | `A0` to `A6` |
//! | `from_version`, `to_version` | the version planned on, and the one it made or null |
//! | `policy`, `outcome`, `verdict` | how it is treated, what became of it, and the last verdict in words or null |
//! | `becomes` | lines of the definition it makes, or null where that stays |
//! | `certificate` | `kind` (`untouched`, `exact`, `witness` or `undecided`), with `words`, `keep` and `group_by`, or the rows `one` and `other` |
//! | `relation` | `mapped`, `mapped_while_earlier`, `at_most`, `at_least` or `unrelated` |
//! | `affected` | `none`, `all`, or an object of `attribute` and `values` |
//! | `estimate`, `actual` | `cpu_seconds`, `read_units`, `write_units`, `source_items`, `ledger_rows`, `seconds` |
//! | `source_items_read` | source items read so far |
//! | `agreed`, `explained`, `unexplained`, `failed` | comparisons, over ledger rows and changes |
//! | `census` | `complete`, `rows`, `rejudged`, `not_remembered`, its own comparisons, and `examples` by `key_hash` |
//! | `compared_changes`, `by_group` | the comparisons of changes, in all and by group |
//! | `minimum` | `census` and `changes`: what has to have been seen |
//! | `progress` | of the walk over ledger or source: `visited`, `done`, `paused`, `started_at` |
//! | `assumptions`, `choices` | what was taken for granted; the answers to an open question, each with `choice`, `answer` and `consequence` |
//! | `created_at`, `updated_at` | ISO 8601 |

use evercount_core::adjustment::{Cause, Partitions, PlanCost};
use evercount_core::adoption::{Adjustment, Progress};
use evercount_core::verdict::{Census, Compared};
use evercount_wire::definition::definition_lines;
use evercount_wire::group::{group_json, value_json};
use serde_json::{Value, json};

use super::{extend, time};
use crate::plan;
use crate::schema::text::change_json;

/// An adjustment in the documented shape.
#[must_use]
pub fn adjustment_json(adjustment: &Adjustment) -> Value {
    let plan = &adjustment.plan;
    let (change, changes, at) = match &plan.cause {
        Cause::Schema { changes, at, .. } => {
            let kinds: Vec<&str> = changes.iter().map(|change| change.kind.name()).collect();
            (kinds.join("+"), changes.iter().map(change_json).collect(), *at)
        }
        Cause::Redefinition { at, .. } => {
            let change = if adjustment.is_filling() { "fill" } else { "redefine" };
            (change.to_owned(), Vec::new(), *at)
        }
    };
    let compared = adjustment.report.census.compared.and(adjustment.report.changes);
    let becomes = plan.update.as_ref().map(|update| definition_lines(&update.definition));
    let choices: Vec<Value> = plan
        .choices
        .iter()
        .enumerate()
        .map(|(number, choice)| {
            json!({
                "choice": number,
                "answer": choice.answer,
                "consequence": choice.consequence,
                "becomes": choice.update.as_ref().map(|update| definition_lines(&update.definition)),
            })
        })
        .collect();
    let mut document = json!({
        "id": plan.id.as_str(),
        "count": plan.definition.as_str(),
        "table": plan.table.as_str(),
        "sentence": plan.sentence,
        "change": change,
        "changes": changes,
        "at": time(at),
        "class": plan.class.name(),
        "from_version": plan.from,
        "to_version": adjustment.to,
        "policy": adjustment.policy.name(),
        "outcome": adjustment.outcome.name(),
        "verdict": adjustment.verdict,
        "becomes": becomes,
        "certificate": plan::certificate_json(plan),
        "relation": plan::relation_name(plan.relation),
        "affected": affected(&plan.affected),
        "estimate": cost(&plan.estimate),
        "actual": cost(&adjustment.actual),
        "source_items_read": adjustment.actual.source_items,
        "census": census(&adjustment.report.census),
        "compared_changes": comparisons(adjustment.report.changes),
        "by_group": by_group(adjustment),
        "minimum": {"census": plan.minimum.census, "changes": plan.minimum.changes},
        "progress": progress(&adjustment.progress),
        "assumptions": plan.assumptions,
        "choices": choices,
        "created_at": time(adjustment.created_at),
        "updated_at": time(adjustment.updated_at),
    });
    extend(&mut document, comparisons(compared));
    document
}

fn affected(partitions: &Partitions) -> Value {
    match partitions {
        Partitions::None => json!("none"),
        Partitions::All => json!("all"),
        Partitions::Keys { attribute, values } => {
            let values: Vec<Value> = values.iter().map(value_json).collect();
            json!({"attribute": attribute, "values": values})
        }
    }
}

fn cost(cost: &PlanCost) -> Value {
    json!({
        "cpu_seconds": cost.cpu_seconds,
        "read_units": cost.read_units,
        "write_units": cost.write_units,
        "source_items": cost.source_items,
        "ledger_rows": cost.ledger_rows,
        "seconds": cost.seconds,
    })
}

fn comparisons(compared: Compared) -> Value {
    let Compared { agreed, explained, unexplained, failed } = compared;
    json!({"agreed": agreed, "explained": explained, "unexplained": unexplained, "failed": failed})
}

fn census(census: &Census) -> Value {
    let examples: Vec<Value> = census
        .examples
        .iter()
        .map(|one| {
            json!({
                "key_hash": format!("{:016x}", one.key_hash),
                "outcome": one.outcome.name(),
                "group": one.group.as_ref().map(group_json),
                "image": one.image.as_ref().map(group_json),
            })
        })
        .collect();
    let mut document = json!({
        "complete": census.complete,
        "rows": census.rows,
        "rejudged": census.rejudged,
        "not_remembered": census.not_remembered,
        "examples": examples,
    });
    extend(&mut document, comparisons(census.compared));
    document
}

fn by_group(adjustment: &Adjustment) -> Vec<Value> {
    let one = |(key, compared): (&_, &Compared)| {
        let mut document = json!({"key": group_json(key)});
        extend(&mut document, comparisons(*compared));
        document
    };
    adjustment.report.by_group.iter().map(one).collect()
}

/// How far a walk over ledger or source has come.
fn progress(progress: &Progress) -> Value {
    json!({
        "visited": progress.visited,
        "done": progress.done,
        "paused": progress.paused,
        "started_at": (progress.started_at > 0).then(|| time(progress.started_at)),
    })
}
