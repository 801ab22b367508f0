//! That roles reach the items their functions write, and no others: the first keys in the template
//! beside those that the code makes.

use evercount_core::change::{RowIdentity, RowKey, TableName};
use evercount_core::definition::DefinitionName;
use evercount_core::function::FunctionId;
use evercount_core::lane::{LaneId, SequenceNumber};
use evercount_core::logic::LogicId;
use evercount_core::schema_change::Subject;
use evercount_wire::items::{
    FUNCTIONS_PK, IMPORTS_PK, OUTBOX_PK, PLANS_PK, RELIABILITY_PK, SUBJECTS_PK, adjustment_pk,
    checkpoint_key, cut_pk, lane_directory_pk, learnt_key, logic_key, logic_pk, module_pk, mutations_pk,
    once_key, pass_key, past_predictions_pk, prediction_key, quarantine_key, shadow_row_key,
    shadow_schema_key, subject_key, table_facts_key, trail_pk, usage_pk,
};

use super::access::statements;
use super::template;

fn lane() -> LaneId {
    LaneId::of_shard("orders-cdc", "shardId-000000000000")
}

fn logic() -> LogicId {
    LogicId { definition: DefinitionName::parse("by_status").unwrap(), number: 1 }
}

/// Whether a key is one that `StringLike` takes for the pattern.
fn is_like(pattern: &str, key: &str) -> bool {
    match pattern.strip_suffix('*') {
        Some(start) => key.starts_with(start),
        None => pattern == key,
    }
}

/// Whether a role may write items of a table under a key, outside of ledger and counts transactions; or
/// read them, where it may read some of the table only.
fn reaches(role: &str, table: &str, key: &str) -> bool {
    let template = template();
    statements(&template).iter().any(|statement| {
        statement.of.0 == role
            && statement.on().iter().any(|on| on == table)
            && statement.leading_keys().iter().any(|pattern| is_like(pattern, key))
    })
}

#[test]
fn roles_reach_the_items_that_their_functions_write_and_no_others() {
    let definition = logic().definition;
    let sequence = SequenceNumber::parse("1").unwrap();
    let subject = Subject::new("orders");
    let row = RowKey { table: subject.clone(), identity: RowIdentity::Key("{\"id\":\"1\"}".into()) };
    let keys = [
        ("lanes", lane_directory_pk().to_owned()),
        ("tables", table_facts_key(&TableName::new("orders")).pk),
        ("quarantine", quarantine_key(&lane(), &sequence).pk),
        ("aside", quarantine_key(&LaneId::of_transformer(&lane()), &sequence).pk),
        ("subject", subject_key(&subject).pk),
        ("subjects", SUBJECTS_PK.to_owned()),
        ("outbox", OUTBOX_PK.to_owned()),
        ("catalog", logic_key(&logic()).pk),
        ("adjustment", adjustment_pk(&definition)),
        ("plans", PLANS_PK.to_owned()),
        ("trail", trail_pk(&definition)),
        ("cut", cut_pk(&logic())),
        ("prediction", prediction_key(&subject).pk),
        ("past predictions", past_predictions_pk(&subject)),
        ("learnt", learnt_key().pk),
        ("reliability", RELIABILITY_PK.to_owned()),
        ("imports", IMPORTS_PK.to_owned()),
        ("shadow schema", shadow_schema_key(&subject).pk),
        ("shadow pass", pass_key(&subject).pk),
        ("beside", shadow_row_key(&row).pk),
        ("mutations", mutations_pk(&subject)),
        ("usage", usage_pk(&subject)),
        ("token", once_key("t").pk),
        ("functions", FUNCTIONS_PK.to_owned()),
        ("module", module_pk(&FunctionId::of_digest([7; 32]))),
    ];
    for (role, reached) in [
        ("ItemCounterRole", &["lanes", "tables", "quarantine", "aside"][..]),
        ("ConsoleRole", &[]),
        // Which reads modules, and writes none.
        ("FunctionRunnerRole", &["module"]),
        ("DataProxyRole", &["shadow schema", "shadow pass", "beside", "mutations", "usage", "token"]),
        ("EventTransformerRole", &["aside", "subject"]),
        ("SchemaListenerRole", &["subject", "subjects", "outbox"]),
        (
            "SchemaForecasterRole",
            &["prediction", "past predictions", "learnt", "reliability", "shadow schema"],
        ),
        ("ImpactAnalyzerRole", &["lanes", "catalog", "adjustment", "plans", "trail"]),
        ("ShadowValidatorRole", &["lanes", "catalog", "adjustment", "plans", "trail", "cut"]),
    ] {
        for (name, key) in &keys {
            let may = reaches(role, "MetadataTable", key);
            assert_eq!(may, reached.contains(name), "{role}: {key}");
        }
    }
}

#[test]
fn outside_of_a_transaction_only_checkpoints_are_written_in_counts() {
    for role in ["ItemCounterRole", "ImpactAnalyzerRole", "ShadowValidatorRole"] {
        assert!(reaches(role, "CountsTable", &checkpoint_key(&lane()).pk), "{role}");
        assert!(!reaches(role, "CountsTable", &logic_pk(&logic())), "{role}");
    }
}
