//! The stored form of a plan.

use std::collections::BTreeMap;

use evercount_core::adjustment::{
    AdjustmentPlan, Cause, Certificate, Choice, Class, LogicUpdate, MinimumEvidence, Partitions, PlanCost,
    Start,
};
use evercount_core::change::TableName;
use evercount_core::definition::{CountDefinition, DefinitionName};
use evercount_core::logic::PlanId;
use evercount_core::transform::Transform;
use evercount_core::value::{Item, Value};
use serde::{Deserialize, Serialize};

use super::{finite, named, time, time_text};
use crate::items::registry::change::{change_items, read_changes};
use crate::json::{plain_json, read_plain_item};
use crate::logic::definition::DefinitionJson;
use crate::logic::migration::{StepJson, order, order_text, steps, steps_json};
use crate::logic::transform::TransformJson;
use crate::logic::{SuspendedJson, relation, relation_name, suspended, suspended_json};
use crate::predicate::LiteralJson;

/// A plan.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct PlanJson {
    id: String,
    definition: String,
    table: String,
    from: u32,
    cause: CauseJson,
    class: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    update: Option<UpdateJson>,
    certificate: CertificateJson,
    affected: PartitionsJson,
    estimate: CostJson,
    relation: String,
    minimum: MinimumJson,
    sentence: String,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    assumptions: Vec<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    choices: Vec<ChoiceJson>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum CauseJson {
    Schema(SchemaCauseJson),
    Redefinition(RedefinitionJson),
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct SchemaCauseJson {
    event: String,
    changes: Vec<serde_json::Value>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    position: Option<String>,
    at: String,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct RedefinitionJson {
    definition: DefinitionJson,
    at: String,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct UpdateJson {
    definition: DefinitionJson,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    migration: Vec<StepJson>,
    start: StartJson,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    earlier_tables: Vec<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    suspended: Vec<SuspendedJson>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum StartJson {
    Image(TransformJson),
    Ledger,
    Source,
}

type ItemJson = BTreeMap<String, LiteralJson>;

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum CertificateJson {
    Untouched,
    Exact(TransformJson),
    Witness(WitnessJson),
    Undecided,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct WitnessJson {
    one: Vec<ItemJson>,
    other: Vec<ItemJson>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum PartitionsJson {
    None,
    Keys(KeysJson),
    All,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct KeysJson {
    attribute: String,
    values: Vec<LiteralJson>,
}

/// A cost.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct CostJson {
    cpu_seconds: f64,
    read_units: f64,
    write_units: f64,
    source_items: u64,
    ledger_rows: u64,
    seconds: f64,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct MinimumJson {
    census: bool,
    changes: u64,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct ChoiceJson {
    answer: String,
    consequence: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    update: Option<UpdateJson>,
}

impl From<&AdjustmentPlan> for PlanJson {
    fn from(plan: &AdjustmentPlan) -> Self {
        Self {
            id: plan.id.to_string(),
            definition: plan.definition.to_string(),
            table: plan.table.to_string(),
            from: plan.from,
            cause: (&plan.cause).into(),
            class: plan.class.name().to_owned(),
            update: plan.update.as_ref().map(UpdateJson::from),
            certificate: (&plan.certificate).into(),
            affected: (&plan.affected).into(),
            estimate: plan.estimate.into(),
            relation: relation_name(plan.relation).to_owned(),
            minimum: MinimumJson { census: plan.minimum.census, changes: plan.minimum.changes },
            sentence: plan.sentence.clone(),
            assumptions: plan.assumptions.clone(),
            choices: plan.choices.iter().map(ChoiceJson::from).collect(),
        }
    }
}

impl TryFrom<PlanJson> for AdjustmentPlan {
    type Error = String;

    fn try_from(stored: PlanJson) -> Result<Self, String> {
        let definition = DefinitionName::parse(&stored.definition);
        Ok(Self {
            id: PlanId::new(&stored.id),
            definition: definition.ok_or_else(|| format!("`{}` cannot name a count", stored.definition))?,
            table: TableName::new(&stored.table),
            from: stored.from,
            cause: stored.cause.try_into()?,
            class: named(&Class::ALL, "class", &stored.class)?,
            update: stored.update.map(LogicUpdate::try_from).transpose()?,
            certificate: stored.certificate.try_into()?,
            affected: stored.affected.try_into()?,
            estimate: stored.estimate.into(),
            relation: relation(&stored.relation)?,
            minimum: MinimumEvidence { census: stored.minimum.census, changes: stored.minimum.changes },
            sentence: stored.sentence,
            assumptions: stored.assumptions,
            choices: stored.choices.into_iter().map(Choice::try_from).collect::<Result<_, _>>()?,
        })
    }
}

impl From<&Cause> for CauseJson {
    fn from(cause: &Cause) -> Self {
        match cause {
            Cause::Schema { event, changes, position, at } => Self::Schema(SchemaCauseJson {
                event: event.clone(),
                changes: change_items(changes)
                    .iter()
                    // What this writes is JSON.
                    .map(|item| serde_json::from_str(&plain_json(item)).unwrap_or_default())
                    .collect(),
                position: position.as_ref().map(order_text),
                at: time_text(*at),
            }),
            Cause::Redefinition { definition, at } => {
                Self::Redefinition(RedefinitionJson { definition: definition.into(), at: time_text(*at) })
            }
        }
    }
}

impl TryFrom<CauseJson> for Cause {
    type Error = String;

    fn try_from(stored: CauseJson) -> Result<Self, String> {
        Ok(match stored {
            CauseJson::Schema(SchemaCauseJson { event, changes, position, at }) => {
                let items = changes.iter().map(|change| read_plain_item(&change.to_string()));
                let items: Vec<Item> = items.collect::<Result<_, _>>().map_err(|error| error.to_string())?;
                Self::Schema {
                    event,
                    changes: read_changes(&items).map_err(|error| error.to_string())?,
                    position: position.as_deref().map(order).transpose()?,
                    at: time(&at)?,
                }
            }
            CauseJson::Redefinition(RedefinitionJson { definition, at }) => {
                Self::Redefinition { definition: read_definition(definition)?, at: time(&at)? }
            }
        })
    }
}

fn read_definition(stored: DefinitionJson) -> Result<CountDefinition, String> {
    CountDefinition::try_from(stored).map_err(|error| error.to_string())
}

impl From<&LogicUpdate> for UpdateJson {
    fn from(update: &LogicUpdate) -> Self {
        Self {
            definition: (&update.definition).into(),
            migration: steps_json(&update.migration),
            start: match &update.start {
                Start::Image(transform) => StartJson::Image(transform.into()),
                Start::Ledger => StartJson::Ledger,
                Start::Source => StartJson::Source,
            },
            earlier_tables: update.earlier_tables.iter().map(TableName::to_string).collect(),
            suspended: suspended_json(&update.suspended),
        }
    }
}

impl TryFrom<UpdateJson> for LogicUpdate {
    type Error = String;

    fn try_from(stored: UpdateJson) -> Result<Self, String> {
        Ok(Self {
            definition: read_definition(stored.definition)?,
            migration: steps(stored.migration)?,
            start: match stored.start {
                StartJson::Image(transform) => Start::Image(Transform::try_from(transform)?),
                StartJson::Ledger => Start::Ledger,
                StartJson::Source => Start::Source,
            },
            earlier_tables: stored.earlier_tables.iter().map(TableName::new).collect(),
            suspended: suspended(stored.suspended)?,
        })
    }
}

impl From<&Choice> for ChoiceJson {
    fn from(choice: &Choice) -> Self {
        Self {
            answer: choice.answer.clone(),
            consequence: choice.consequence.clone(),
            update: choice.update.as_ref().map(UpdateJson::from),
        }
    }
}

impl TryFrom<ChoiceJson> for Choice {
    type Error = String;

    fn try_from(stored: ChoiceJson) -> Result<Self, String> {
        let update = stored.update.map(LogicUpdate::try_from).transpose()?;
        Ok(Self { answer: stored.answer, consequence: stored.consequence, update })
    }
}

impl From<&Certificate> for CertificateJson {
    fn from(certificate: &Certificate) -> Self {
        match certificate {
            Certificate::Untouched => Self::Untouched,
            Certificate::Exact(transform) => Self::Exact(transform.into()),
            Certificate::Witness { one, other } => {
                let rows = |rows: &[Item]| rows.iter().map(row_json).collect();
                Self::Witness(WitnessJson { one: rows(one), other: rows(other) })
            }
            Certificate::Undecided => Self::Undecided,
        }
    }
}

impl TryFrom<CertificateJson> for Certificate {
    type Error = String;

    fn try_from(stored: CertificateJson) -> Result<Self, String> {
        let rows = |rows: Vec<ItemJson>| rows.into_iter().map(row).collect::<Result<Vec<_>, _>>();
        Ok(match stored {
            CertificateJson::Untouched => Self::Untouched,
            CertificateJson::Exact(transform) => Self::Exact(Transform::try_from(transform)?),
            CertificateJson::Witness(WitnessJson { one, other }) => {
                Self::Witness { one: rows(one)?, other: rows(other)? }
            }
            CertificateJson::Undecided => Self::Undecided,
        })
    }
}

fn row_json(item: &Item) -> ItemJson {
    item.iter().map(|(name, value)| (name.clone(), value.into())).collect()
}

fn row(stored: ItemJson) -> Result<Item, String> {
    stored.into_iter().map(|(name, value)| Ok((name, Value::try_from(value)?))).collect()
}

impl From<&Partitions> for PartitionsJson {
    fn from(partitions: &Partitions) -> Self {
        match partitions {
            Partitions::None => Self::None,
            Partitions::Keys { attribute, values } => Self::Keys(KeysJson {
                attribute: attribute.clone(),
                values: values.iter().map(LiteralJson::from).collect(),
            }),
            Partitions::All => Self::All,
        }
    }
}

impl TryFrom<PartitionsJson> for Partitions {
    type Error = String;

    fn try_from(stored: PartitionsJson) -> Result<Self, String> {
        Ok(match stored {
            PartitionsJson::None => Self::None,
            PartitionsJson::Keys(KeysJson { attribute, values }) => {
                let values = values.into_iter().map(Value::try_from).collect::<Result<_, _>>()?;
                Self::Keys { attribute, values }
            }
            PartitionsJson::All => Self::All,
        })
    }
}

impl From<PlanCost> for CostJson {
    fn from(cost: PlanCost) -> Self {
        Self {
            cpu_seconds: finite(cost.cpu_seconds),
            read_units: finite(cost.read_units),
            write_units: finite(cost.write_units),
            source_items: cost.source_items,
            ledger_rows: cost.ledger_rows,
            seconds: finite(cost.seconds),
        }
    }
}

impl From<CostJson> for PlanCost {
    fn from(stored: CostJson) -> Self {
        let CostJson { cpu_seconds, read_units, write_units, source_items, ledger_rows, seconds } = stored;
        Self { cpu_seconds, read_units, write_units, source_items, ledger_rows, seconds }
    }
}
