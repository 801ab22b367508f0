//! Rules on how changes are delivered: what counts are exact by.

use serde_json::{Value, json};

use super::yaml::{Template, references};
use super::{Offences, Rule, texts};

/// The rules.
pub const RULES: &[Rule] = &[
    ("one batch of a shard at a time", one_batch_at_a_time),
    ("what was not done is handed back", partial_answers),
    ("a batch that fails is bisected", bisect),
    ("no change is given up before its stream does", no_giving_up),
    ("what is given up is kept whole", kept_whole),
    ("no change is filtered away", no_filter),
    ("batches gather for a second", gathered),
    ("a stream is read from its beginning", from_the_beginning),
    ("a shard is never read by two releases", one_release),
];

fn check(template: &Template, wrong: impl Fn(&Value) -> Option<String>) -> Offences {
    let mappings = template.mappings();
    let found = mappings.iter().filter_map(|(name, one)| wrong(one).map(|why| format!("{name}: {why}")));
    found.collect()
}

/// Two batches of one shard at once would write one lane's checkpoint twice.
fn one_batch_at_a_time(template: &Template) -> Offences {
    check(template, |one| {
        let factor = &one["ParallelizationFactor"];
        (*factor != json!(1)).then(|| format!("ParallelizationFactor is {factor}, not 1"))
    })
}

fn partial_answers(template: &Template) -> Offences {
    check(template, |one| {
        let types = texts(&one["FunctionResponseTypes"]);
        (types != ["ReportBatchItemFailures"]).then(|| format!("FunctionResponseTypes are {types:?}"))
    })
}

fn bisect(template: &Template) -> Offences {
    check(template, |one| {
        (one["BisectBatchOnFunctionError"] != json!(true)).then(|| "does not bisect".to_owned())
    })
}

fn no_giving_up(template: &Template) -> Offences {
    check(template, |one| {
        let (attempts, age) = (&one["MaximumRetryAttempts"], &one["MaximumRecordAgeInSeconds"]);
        (*attempts != json!(-1) || *age != json!(-1))
            .then(|| format!("gives up after {attempts} attempts or {age} seconds; both must be -1"))
    })
}

/// A queue gets a batch's place only; a bucket gets the batch.
fn kept_whole(template: &Template) -> Offences {
    let buckets: Vec<&str> = template.of_type("AWS::S3::Bucket").into_iter().map(|(name, _)| name).collect();
    check(template, |one| {
        let destination = &one["DestinationConfig"]["OnFailure"];
        let to = references(&destination["Destination"]);
        let is_bucket = to.iter().all(|name| buckets.contains(&name.as_str())) && !to.is_empty();
        let is_s3 = destination["Type"] == "S3" || destination.get("Type").is_none();
        (!is_bucket || !is_s3).then(|| "its on-failure destination is no bucket of the stack".to_owned())
    })
}

/// A filter on what counts look at would hide that an item left the set.
fn no_filter(template: &Template) -> Offences {
    check(template, |one| one.get("FilterCriteria").map(|_| "filters records".to_owned()))
}

/// A group that all lanes write is written once a second by each of them, not for each record.
fn gathered(template: &Template) -> Offences {
    check(template, |one| {
        let window = one["MaximumBatchingWindowInSeconds"].as_i64().unwrap_or(0);
        (window < 1).then(|| format!("MaximumBatchingWindowInSeconds is {window}, less than 1"))
    })
}

fn from_the_beginning(template: &Template) -> Offences {
    check(template, |one| {
        let position = &one["StartingPosition"];
        (position != "TRIM_HORIZON").then(|| format!("starts at {position}: what came before is never read"))
    })
}

/// A weighted alias hands batches of one shard to two releases in turn.
fn one_release(template: &Template) -> Offences {
    let mut found = Vec::new();
    let globals = ("Globals", &template.0["Globals"]["Function"]);
    let functions = template.functions().into_iter().map(|(name, one)| (name, &one["Properties"]));
    for (name, properties) in functions.chain([globals]) {
        for setting in ["AutoPublishAlias", "DeploymentPreference"] {
            if properties.get(setting).is_some() {
                found.push(format!("{name}: {setting} shifts traffic between two releases"));
            }
        }
    }
    found
}
