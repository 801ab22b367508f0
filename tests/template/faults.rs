//! Faults, planted one at a time in the template: each has to be found by the rule it is planted for,
//! by the name of what it was planted in.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::yaml::Template;
use super::{rules, template};

/// A fault: where it is planted (a JSON pointer from `Resources`, or from the whole template after `..`),
/// the rule that has to find it, what is put there (`None` removes), and what the rule has to name.
struct Fault {
    path: String,
    rule: &'static str,
    value: Option<Value>,
    named: &'static str,
}

const COUNTER: &str = "/ItemCounterFunction/Properties";
const MAPPING: &str = "/ItemCounterFunction/Properties/Events/Changes/Properties";

fn on_mapping(rule: &'static str, setting: &str, value: Option<Value>) -> Fault {
    Fault { path: format!("{MAPPING}/{setting}"), rule, value, named: "ItemCounterFunction.Changes" }
}

/// Where each statement of a role is, by its name.
fn statement(template: &Template, role: &str, sid: &str) -> String {
    let all = &template.0["Resources"][role]["Properties"]["Policies"][0]["PolicyDocument"]["Statement"];
    let at = all.as_array().unwrap().iter().position(|one| one["Sid"] == sid);
    let at = at.unwrap_or_else(|| panic!("{role} has no statement {sid}"));
    format!("/{role}/Properties/Policies/0/PolicyDocument/Statement/{at}")
}

fn faults(template: &Template) -> Vec<Fault> {
    let at = |path: &str, (rule, value, named): (&'static str, Option<Value>, &'static str)| Fault {
        path: path.to_owned(),
        rule,
        value,
        named,
    };
    let of = |role: &str, sid: &str, field: &str| format!("{}/{field}", statement(template, role, sid));
    let mut all = vec![
        on_mapping("one batch of a shard at a time", "ParallelizationFactor", Some(json!(2))),
        on_mapping("one batch of a shard at a time", "ParallelizationFactor", None),
        on_mapping("what was not done is handed back", "FunctionResponseTypes", None),
        on_mapping("what was not done is handed back", "FunctionResponseTypes", Some(json!([]))),
        on_mapping("a batch that fails is bisected", "BisectBatchOnFunctionError", Some(json!(false))),
        on_mapping("a batch that fails is bisected", "BisectBatchOnFunctionError", None),
        on_mapping("no change is given up before its stream does", "MaximumRetryAttempts", Some(json!(5))),
        on_mapping(
            "no change is given up before its stream does",
            "MaximumRecordAgeInSeconds",
            Some(json!(86400)),
        ),
        on_mapping("what is given up is kept whole", "DestinationConfig", None),
        on_mapping(
            "what is given up is kept whole",
            "DestinationConfig/OnFailure",
            Some(json!({"Type": "SQS", "Destination": {"Fn::GetAtt": "Queue.Arn"}})),
        ),
        on_mapping(
            "no change is filtered away",
            "FilterCriteria",
            Some(json!({"Filters": [{"Pattern": "{\"data\": {\"status\": [\"NEW\"]}}"}]})),
        ),
        on_mapping("batches gather for a second", "MaximumBatchingWindowInSeconds", None),
        on_mapping("a stream is read from its beginning", "StartingPosition", Some(json!("LATEST"))),
    ];
    all.extend([
        // A mapping beside the function's own is one, too.
        at(
            "/Other",
            (
                "one batch of a shard at a time",
                Some(json!({"Type": "AWS::Lambda::EventSourceMapping", "Properties": {"ParallelizationFactor": 10}})),
                "Other",
            ),
        ),
        at(&format!("{COUNTER}/AutoPublishAlias"), ("a shard is never read by two releases", Some(json!("live")), "ItemCounterFunction")),
        at(&format!("{COUNTER}/Role"), ("each function has a role of its own", Some(json!({"Fn::GetAtt": "SchemaListenerRole.Arn"})), "SchemaListenerRole")),
        at(&format!("{COUNTER}/Policies"), ("each function has a role of its own", Some(json!(["DynamoDBCrudPolicy"])), "ItemCounterFunction")),
        at("/ItemCounterRole/Properties/ManagedPolicyArns", ("each function has a role of its own", Some(json!(["arn:aws:iam::aws:policy/PowerUserAccess"])), "ItemCounterRole")),
        at(&of("ItemCounterRole", "ReadMetadata", "Action"), ("no wildcards", Some(json!(["dynamodb:*"])), "ItemCounterRole.ReadMetadata")),
        at(&of("ItemCounterRole", "ReadMetadata", "Resource"), ("no wildcards", Some(json!("*")), "ItemCounterRole.ReadMetadata")),
        at(&of("ItemCounterRole", "ReadStream", "Resource"), ("no wildcards", Some(json!([{"Fn::Sub": "arn:aws:kinesis:${AWS::Region}:${AWS::AccountId}:stream/*"}])), "ItemCounterRole.ReadStream")),
        at(&of("ItemCounterRole", "ReadMetadata", "NotAction"), ("no wildcards", Some(json!(["dynamodb:DeleteTable"])), "NotAction")),
        at("/AlertTopicPolicy/Properties/PolicyDocument/Statement/0/Principal", ("no wildcards", Some(json!({"AWS": "*"})), "anybody")),
        at(&of("ItemCounterRole", "WriteLedgerInTransactions", "Condition"), ("ledger and counts are written in transactions", None, "ItemCounterRole.WriteLedgerInTransactions")),
        at(&of("ItemCounterRole", "WriteCountsInTransactions", "Condition"), ("ledger and counts are written in transactions", None, "ItemCounterRole.WriteCountsInTransactions")),
        at(&of("ItemCounterRole", "WriteCheckpoints", "Condition"), ("ledger and counts are written in transactions", None, "ItemCounterRole.WriteCheckpoints")),
        at(&of("ItemCounterRole", "ReadLedger", "Action"), ("ledger and counts are written in transactions", Some(json!(["dynamodb:BatchWriteItem"])), "ItemCounterRole.ReadLedger")),
        at(&of("ItemCounterRole", "WriteWhatIsNotCounted", "Condition"), ("metadata is written where a function has something to write", None, "ItemCounterRole.WriteWhatIsNotCounted")),
        at(&of("ItemCounterRole", "NeverAlterTables", "Effect"), ("tables are never altered by a function", Some(json!("Allow")), "ItemCounterRole")),
        at(&of("ItemCounterRole", "NeverAlterTables", "Action/0"), ("tables are never altered by a function", Some(json!("dynamodb:ListTables")), "dynamodb:DeleteTable")),
        at("/ItemCounterRole/Properties/ManagedPolicyArns", ("only what fills versions reads source tables", Some(json!([{"Ref": "ReadSourcesPolicy"}])), "ItemCounterRole")),
        at("/ReadSourcesPolicy/Properties/PolicyDocument/Statement/0/Action", ("only what fills versions reads source tables", Some(json!(["dynamodb:PutItem"])), "ReadSourcesPolicy")),
        at("/ReadFunctionsPolicy/Properties/PolicyDocument/Statement/0/Action", ("who runs functions of users reads their modules, and nothing else in S3", Some(json!(["s3:GetObject", "s3:PutObject"])), "ReadFunctionsPolicy")),
        at("/FunctionRunnerRole/Properties/ManagedPolicyArns/Fn::If/1/0", ("who runs functions of users reads their modules, and nothing else in S3", Some(json!({"Ref": "PrefetchPolicy"})), "FunctionRunnerFunction")),
        at("/PrefetchPolicy/Properties/PolicyDocument/Statement/0/Action/0", ("who runs functions of users reads their modules, and nothing else in S3", Some(json!("s3:PutObject")), "PrefetchPolicy")),
        at("/FunctionRunnerFunction/Properties/Environment/Variables/EVERCOUNT_FUNCTIONS", ("who runs functions of users reads their modules, and nothing else in S3", None, "FunctionRunnerFunction")),
        at(&of("FunctionRunnerRole", "ReadModules", "Action"), ("the function runner can write nothing, and the item counter alone asks it", Some(json!(["dynamodb:PutItem", "dynamodb:Query"])), "FunctionRunnerRole.ReadModules: dynamodb:PutItem")),
        at(&of("FunctionRunnerRole", "ReadModules", "Resource"), ("the function runner can write nothing, and the item counter alone asks it", Some(json!([{"Fn::GetAtt": "MetadataTable.Arn"}, {"Fn::GetAtt": "CountsTable.Arn"}])), "FunctionRunnerRole.ReadModules")),
        at(&of("FunctionRunnerRole", "ReadModules", "Condition"), ("the function runner can write nothing, and the item counter alone asks it", None, "FunctionRunnerRole.ReadModules")),
        at("/FunctionRunnerRole/Properties/ManagedPolicyArns/Fn::If/1/0", ("the function runner can write nothing, and the item counter alone asks it", Some(json!({"Ref": "ReadSourcesPolicy"})), "ReadSourcesPolicy")),
        at("/FunctionRunnerFunction/Properties/Role", ("the function runner can write nothing, and the item counter alone asks it", Some(json!({"Fn::GetAtt": "ConsoleRole.Arn"})), "ConsoleRole")),
        at("/FunctionRunnerFunction/Properties/FunctionUrlConfig", ("the function runner can write nothing, and the item counter alone asks it", Some(json!({"AuthType": "AWS_IAM"})), "FunctionUrlConfig")),
        at(&of("ItemCounterRole", "AskFunctions", "Action"), ("the function runner can write nothing, and the item counter alone asks it", None, "FunctionRunnerFunction: asked by []")),
        at(&of("ScheduleRole", "Invoke", "Resource/0/Fn::Sub"), ("the function runner can write nothing, and the item counter alone asks it", Some(json!("arn:${AWS::Partition}:lambda:${AWS::Region}:${AWS::AccountId}:function:${AWS::StackName}-function-runner")), "ScheduleRole")),
        at(&format!("{COUNTER}/Environment/Variables/EVERCOUNT_FUNCTION_RUNNER"), ("the function runner can write nothing, and the item counter alone asks it", Some(json!({"Ref": "ShadowValidatorFunction"})), "ItemCounterFunction")),
        at("/ConsoleFunction/Properties/Environment/Variables/EVERCOUNT_FUNCTION_RUNNER", ("the function runner can write nothing, and the item counter alone asks it", Some(json!({"Ref": "FunctionRunnerFunction"})), "ConsoleFunction")),
        at(&of("DataProxyRole", "UseTables", "Action/0"), ("only the data proxy uses the tables it is in front of, and alters none", Some(json!("dynamodb:DeleteTable")), "DataProxyRole.UseTables")),
        at(&of("ItemCounterRole", "ReadMetadata", "Resource"), ("only the data proxy uses the tables it is in front of, and alters none", Some(json!({"Ref": "ProxiedTableArns"})), "ItemCounterRole.ReadMetadata")),
        at(&of("DataProxyRole", "KeepBesideTables", "Condition"), ("metadata is written where a function has something to write", None, "DataProxyRole.KeepBesideTables")),
        at("/DataProxyFunction/Properties/FunctionUrlConfig/AuthType", ("a function's URL asks who calls", Some(json!("NONE")), "DataProxyFunction")),
        at(&format!("{COUNTER}/FunctionUrlConfig"), ("a function's URL asks who calls", Some(json!({"AuthType": "NONE"})), "ItemCounterFunction")),
        at("/Url", ("a function's URL asks who calls", Some(json!({"Type": "AWS::Lambda::Url", "Properties": {"AuthType": "NONE"}})), "Url")),
        at("/CountsTable/Properties/KeySchema", ("tables have the keys that the code gives them", Some(json!([{"AttributeName": "pk", "KeyType": "HASH"}])), "CountsTable")),
        at("/LedgerTable/Properties/TimeToLiveSpecification", ("tables have the keys that the code gives them", None, "LedgerTable")),
        at("/LedgerTable/Properties/PointInTimeRecoverySpecification", ("tables can be restored", None, "LedgerTable")),
        at("/LedgerTable/Properties/DeletionProtectionEnabled", ("tables are not deleted by accident", Some(json!(false)), "LedgerTable")),
        at("/LedgerTable/DeletionPolicy", ("tables are not deleted by accident", Some(json!("Delete")), "LedgerTable")),
        at("/LedgerTable/Properties/SSESpecification", ("data at rest is encrypted with the stack's key", None, "LedgerTable")),
        at("/CdcStream/Properties/StreamEncryption", ("data at rest is encrypted with the stack's key", None, "CdcStream")),
        at("/AlertTopic/Properties/KmsMasterKeyId", ("data at rest is encrypted with the stack's key", None, "AlertTopic")),
        at("/FailedBatchesBucket/Properties/BucketEncryption", ("data at rest is encrypted with the stack's key", None, "FailedBatchesBucket")),
        at("/DataKey/Properties/EnableKeyRotation", ("data at rest is encrypted with the stack's key", Some(json!(false)), "DataKey")),
        at("/CdcStream/Properties/RetentionPeriodHours", ("streams keep a week", Some(json!(24)), "CdcStream")),
        at("/SchemaEventsStream/Properties/RetentionPeriodHours", ("streams keep a week", None, "SchemaEventsStream")),
        at("/ItemCounterLogs/Properties/RetentionInDays", ("logs end and can only be read with the key", None, "ItemCounterLogs")),
        at(&format!("{COUNTER}/LoggingConfig"), ("logs end and can only be read with the key", None, "ItemCounterFunction")),
        at("/FailedBatchesBucket/Properties/PublicAccessBlockConfiguration/BlockPublicPolicy", ("the bucket is closed", Some(json!(false)), "FailedBatchesBucket")),
        at("/FailedBatchesBucketPolicy", ("a topic and a bucket are spoken to in TLS", None, "FailedBatchesBucket")),
        at("/ItemCounterFunction/Metadata/BuildMethod", ("functions are built by cargo-lambda, for ARM unless told", Some(json!("makefile")), "ItemCounterFunction")),
        at("/ItemCounterFunction/Metadata/BuildProperties/Binary", ("functions are built by cargo-lambda, for ARM unless told", Some(json!("schema-listener")), "ItemCounterFunction")),
        at("../Parameters/Architecture/Default", ("functions are built by cargo-lambda, for ARM unless told", Some(json!("x86_64")), "Architecture")),
        at(&format!("{COUNTER}/Environment/Variables/EVERCOUNT_MODUS"), ("variables are those that the code reads", Some(json!("ledger")), "EVERCOUNT_MODUS")),
        at(&format!("{COUNTER}/Environment/Variables/EVERCOUNT_MODE"), ("variables are those that the code reads", None, "EVERCOUNT_MODE")),
        at("../Globals/Function/Environment/Variables/EVERCOUNT_COUNTS_TABLE", ("variables are those that the code reads", Some(json!({"Ref": "LedgerTable"})), "CountsTable")),
        at("../Globals/Function/Environment/Variables/EVERCOUNT_TLS_ROOTS", ("variables are those that the code reads", None, "TlsRoots")),
        at("/ShadowValidatorFunction/Properties/Events", ("validator, forecaster and data proxy are invoked on a schedule", None, "ShadowValidatorFunction")),
        at("/SchemaForecasterFunction/Properties/Events/FourTimesADay/Properties/ScheduleExpression", ("validator, forecaster and data proxy are invoked on a schedule", Some(json!("at(2030-01-01T00:00:00)")), "SchemaForecasterFunction")),
        at(&of("SchemaForecasterRole", "WritePredictions", "Condition"), ("metadata is written where a function has something to write", None, "SchemaForecasterRole.WritePredictions")),
        at("/ForecasterSilentAlarm", ("what goes wrong raises an alarm", None, "tables_forecast")),
        at("/SchemaUpdatedRule/Properties/EventPattern/detail-type", ("rules match what the code sends", Some(json!(["schema changed"])), "SchemaUpdatedRule")),
        at("/EventsRule/Properties/EventPattern", ("rules match what the code sends", Some(json!({"account": ["1"]})), "EventsRule")),
        at("/ItemCounterAgeAlarm", ("what goes wrong raises an alarm", None, "ItemCounterFunction")),
        at("/ItemCounterErrorsAlarm", ("what goes wrong raises an alarm", None, "ItemCounterFunction")),
        at("/ItemCounterThrottlesAlarm", ("what goes wrong raises an alarm", None, "ItemCounterFunction")),
        at("/QuarantineAlarm", ("what goes wrong raises an alarm", None, "quarantined")),
        at("/NegativeSumsAlarm", ("what goes wrong raises an alarm", None, "negative_sums")),
        at("/StandbyLagAlarm", ("what goes wrong raises an alarm", None, "draining")),
        at("/FailedToReplicateAlarm", ("what goes wrong raises an alarm", None, "FailedToReplicateRecordCount")),
        at("/QuarantineAlarm/Properties/AlarmActions", ("an alarm reaches the topic", None, "QuarantineAlarm")),
        at("/QuarantineAlarm/Properties/MetricName", ("metrics are those that the code writes", Some(json!("quarantine_depth")), "QuarantineAlarm")),
        at("/Dashboard/Properties/DashboardBody/Fn::Sub", ("the dashboard shows what counts are judged by", Some(json!("{\"widgets\": []}")), "shadow_agreement")),
    ]);
    all
}

/// Puts a value at a place, or removes what is there.
fn plant(template: &mut Template, path: &str, value: Option<Value>) {
    let path = match path.strip_prefix("..") {
        Some(path) => path.to_owned(),
        None => format!("/Resources{path}"),
    };
    let (parent, last) = path.rsplit_once('/').unwrap();
    let parent = template.0.pointer_mut(parent).unwrap_or_else(|| panic!("nothing at {parent}"));
    match (parent, value) {
        (Value::Object(fields), Some(value)) => drop(fields.insert(last.to_owned(), value)),
        (Value::Object(fields), None) => assert!(fields.remove(last).is_some(), "nothing at {path}"),
        (Value::Array(all), Some(value)) => all[last.parse::<usize>().unwrap()] = value,
        (other, _) => panic!("{path} cannot be changed in {other}"),
    }
}

#[test]
fn each_planted_fault_is_found_by_its_rule() {
    let (whole, rules) = (template(), rules());
    for Fault { path, rule: name, value, named } in faults(&whole) {
        let mut broken = whole.clone();
        plant(&mut broken, &path, value.clone());
        let (_, rule) =
            rules.iter().find(|(one, _)| *one == name).unwrap_or_else(|| panic!("no rule `{name}`"));
        let found = rule(&broken);
        assert!(
            found.iter().any(|what| what.contains(named)),
            "{path} = {value:?}: `{name}` finds {found:?}"
        );
    }
}

#[test]
fn each_rule_is_shown_to_fail() {
    let whole = template();
    let shown: BTreeSet<&str> = faults(&whole).into_iter().map(|fault| fault.rule).collect();
    for (name, _) in rules() {
        assert!(shown.contains(name), "no fault is planted for the rule `{name}`");
    }
}
