//! Rules on what is kept: how safely, for how long, and for whom it can be read.

use evercount_wire::items::{PK, SK};
use serde_json::{Value, json};

use super::yaml::{Template, references};
use super::{Offences, Rule, source};

/// The rules.
pub const RULES: &[Rule] = &[
    ("tables have the keys that the code gives them", keys),
    ("tables can be restored", restorable),
    ("tables are not deleted by accident", protected),
    ("data at rest is encrypted with the stack's key", encrypted),
    ("streams keep a week", a_week),
    ("logs end and can only be read with the key", logs),
    ("the bucket is closed", closed_bucket),
    ("a topic and a bucket are spoken to in TLS", tls),
];

fn check(template: &Template, kind: &str, wrong: impl Fn(&Value) -> Option<String>) -> Offences {
    let all = template.of_type(kind).into_iter();
    all.filter_map(|(name, one)| wrong(one).map(|why| format!("{name}: {why}"))).collect()
}

/// The key and the time to live of each table, as `create_tables` makes them.
fn tables_of_the_code() -> [(&'static str, Vec<&'static str>, bool); 3] {
    let setup = source("shared/aws/src/setup.rs");
    let keys = "(&tables.metadata, &[PK, SK]), (&tables.ledger, &[PK]), (&tables.counts, &[PK, SK])";
    assert!(setup.contains(keys), "shared/aws/src/setup.rs gives the tables other keys than this test knows");
    let expires = |table: &str| setup.contains(&format!("expire(&client, &tables.{table})"));
    [
        ("MetadataTable", vec![PK, SK], expires("metadata")),
        ("LedgerTable", vec![PK], expires("ledger")),
        ("CountsTable", vec![PK, SK], expires("counts")),
    ]
}

fn keys(template: &Template) -> Offences {
    let mut found = Vec::new();
    for (name, key, expires) in tables_of_the_code() {
        let table = &template.0["Resources"][name]["Properties"];
        let element = |(name, kind): (&&str, &str)| json!({"AttributeName": *name, "KeyType": kind});
        let schema: Vec<Value> = key.iter().zip(["HASH", "RANGE"]).map(element).collect();
        if table["KeySchema"] != json!(schema) {
            found.push(format!("{name}: the key is {}", table["KeySchema"]));
        }
        let attribute = |name: &&str| json!({"AttributeName": *name, "AttributeType": "S"});
        let attributes: Vec<Value> = key.iter().map(attribute).collect();
        if table["AttributeDefinitions"] != json!(attributes) {
            found.push(format!("{name}: the attributes are {}", table["AttributeDefinitions"]));
        }
        let ttl = &table["TimeToLiveSpecification"];
        let expected =
            if expires { json!({"AttributeName": "expires", "Enabled": true}) } else { Value::Null };
        if *ttl != expected {
            found.push(format!("{name}: the time to live is {ttl}"));
        }
    }
    let number = template.of_type("AWS::DynamoDB::Table").len();
    if number != 3 {
        found.push(format!("{number} tables, not 3"));
    }
    found
}

fn restorable(template: &Template) -> Offences {
    check(template, "AWS::DynamoDB::Table", |table| {
        let recovery = &table["Properties"]["PointInTimeRecoverySpecification"]["PointInTimeRecoveryEnabled"];
        (*recovery != json!(true)).then(|| "no point-in-time recovery".to_owned())
    })
}

fn protected(template: &Template) -> Offences {
    check(template, "AWS::DynamoDB::Table", |table| {
        let protected = table["Properties"]["DeletionProtectionEnabled"] == json!(true);
        let kept = table["DeletionPolicy"] == "Retain" && table["UpdateReplacePolicy"] == "Retain";
        (!protected || !kept).then(|| "may be deleted with the stack, or by one call".to_owned())
    })
}

fn is_our_key(value: &Value) -> bool {
    references(value) == ["DataKey"]
}

fn encrypted(template: &Template) -> Offences {
    let no_key = || Some("is not encrypted with DataKey".to_owned());
    let mut found = check(template, "AWS::DynamoDB::Table", |one| {
        let settings = &one["Properties"]["SSESpecification"];
        let ours = settings["SSEEnabled"] == json!(true) && is_our_key(&settings["KMSMasterKeyId"]);
        if ours { None } else { no_key() }
    });
    found.extend(check(template, "AWS::Kinesis::Stream", |one| {
        if is_our_key(&one["Properties"]["StreamEncryption"]["KeyId"]) { None } else { no_key() }
    }));
    found.extend(check(template, "AWS::SNS::Topic", |one| {
        if is_our_key(&one["Properties"]["KmsMasterKeyId"]) { None } else { no_key() }
    }));
    found.extend(check(template, "AWS::S3::Bucket", |one| {
        let rules = &one["Properties"]["BucketEncryption"]["ServerSideEncryptionConfiguration"];
        let rule = &rules[0]["ServerSideEncryptionByDefault"];
        if rule["SSEAlgorithm"] == "aws:kms" && is_our_key(&rule["KMSMasterKeyID"]) { None } else { no_key() }
    }));
    found.extend(check(template, "AWS::KMS::Key", |one| {
        let rotates = one["Properties"]["EnableKeyRotation"] == json!(true);
        let kept = one["DeletionPolicy"] == "Retain";
        (!rotates || !kept).then(|| "does not rotate, or goes before what it encrypts".to_owned())
    }));
    found
}

fn a_week(template: &Template) -> Offences {
    check(template, "AWS::Kinesis::Stream", |stream| {
        let hours = stream["Properties"]["RetentionPeriodHours"].as_i64().unwrap_or(24);
        (hours < 168).then(|| format!("forgets after {hours} hours, before 168"))
    })
}

fn logs(template: &Template) -> Offences {
    let mut found = check(template, "AWS::Logs::LogGroup", |group| {
        let group = &group["Properties"];
        let ends = !group["RetentionInDays"].is_null();
        (!ends || !is_our_key(&group["KmsKeyId"]))
            .then(|| "kept for ever, or readable without the key".into())
    });
    let groups: Vec<&str> =
        template.of_type("AWS::Logs::LogGroup").into_iter().map(|(name, _)| name).collect();
    for (name, function) in template.functions() {
        let group = references(&function["Properties"]["LoggingConfig"]["LogGroup"]);
        if !group.first().is_some_and(|group| groups.contains(&group.as_str())) {
            found.push(format!("{name}: its log group is none of the template's"));
        }
    }
    found
}

fn closed_bucket(template: &Template) -> Offences {
    check(template, "AWS::S3::Bucket", |bucket| {
        let access = &bucket["Properties"]["PublicAccessBlockConfiguration"];
        let blocks = ["BlockPublicAcls", "BlockPublicPolicy", "IgnorePublicAcls", "RestrictPublicBuckets"];
        let open = blocks.iter().find(|name| access[**name] != json!(true));
        open.map(|name| format!("{name} is not set"))
    })
}

fn tls(template: &Template) -> Offences {
    let statements = super::access::statements(template);
    let mut found = Vec::new();
    for kind in ["AWS::S3::Bucket", "AWS::SNS::Topic"] {
        for (name, _) in template.of_type(kind) {
            let insists = statements.iter().any(|statement| {
                statement.value["Effect"] == "Deny"
                    && statement.value["Condition"]["Bool"]["aws:SecureTransport"] == "false"
                    && statement.on().iter().any(|on| on == name)
            });
            if !insists {
                found.push(format!("{name}: may be spoken to in clear"));
            }
        }
    }
    found
}
