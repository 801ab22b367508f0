//! What a source must be told before it is connected. Nothing here can be checked from this side:
//! with another setting the stream itself is wrong or incomplete.

use serde_json::{Value, json};

use crate::show;

/// A setting, and what goes wrong without it.
struct Advice {
    source: &'static str,
    setting: &'static str,
    why: &'static str,
}

/// <https://debezium.io/documentation/reference/stable/connectors/postgresql.html> and
/// <https://docs.aws.amazon.com/dms/latest/APIReference/API_KinesisSettings.html>.
const ADVICE: &[Advice] = &[
    Advice {
        source: "Debezium",
        setting: "value.converter.replace.null.with.default=false",
        why: "else a NULL in a nullable column with a DEFAULT arrives as the default, and is counted as that",
    },
    Advice {
        source: "Debezium",
        setting: "skipped.operations=none",
        why: "truncates are skipped by default, and the rows would stay counted",
    },
    Advice {
        source: "Debezium",
        setting: "decimal.handling.mode=precise",
        why: "the default; `double` rounds, so that different values fall in one group",
    },
    Advice {
        source: "Debezium",
        setting: "binary.handling.mode=bytes",
        why: "the default; the other modes make binary values indistinguishable from text",
    },
    Advice {
        source: "AWS DMS",
        setting: "IncludeTransactionDetails=true",
        why: "gives the commit time and stream position by which changes are ordered",
    },
    Advice {
        source: "AWS DMS",
        setting: "IncludeControlDetails=true, IncludeTableAlterOperations=true",
        why: "tell of columns that were added, dropped or retyped",
    },
    Advice {
        source: "AWS DMS",
        setting: "IncludePartitionValue=true",
        why: "shows the key a record was sent under",
    },
    Advice {
        source: "AWS DMS",
        setting: "IncludeNullAndEmpty=true",
        why: "NULL columns are left out by default, and look like dropped ones",
    },
    Advice {
        source: "AWS DMS",
        setting: "BeforeImageSettings: EnableBeforeImage=true, FieldName=before-image, ColumnFilter=all",
        why: "a change of a row's key is else a new row beside the old one",
    },
];

/// The advice as JSON.
pub fn to_json() -> Value {
    let one =
        |advice: &Advice| json!({"source": advice.source, "setting": advice.setting, "why": advice.why});
    ADVICE.iter().map(one).collect()
}

/// Prints the advice.
pub fn text() {
    show::line("connecting a source (not checked; DynamoDB tables need no setting but their stream):");
    for advice in ADVICE {
        show::line(format!("  · {}: {}", advice.source, advice.setting));
        show::line(format!("      {}", advice.why));
    }
}
