//! The same requests, with the proxy and without it, are answered alike: by status, media type, error and
//! body. `EVERCOUNT_PROXY_REQUESTS` says how many.

use std::collections::BTreeMap;

use evercount_core::mutation::settings::MutationSettings;
use evercount_core::resolve::Mode;
use evercount_local::{EmbeddedAws, EmbeddedOptions};
use evercount_proxy::operation::Operation;
use evercount_proxy::server::PlainUpstream;
use serde_json::{Value, json};

use super::generate::{COLUMNS, Generator, TABLES};
use super::stage::{Answer, Live, Stage, register, send};

const REQUESTS: usize = 2_000;
const AGENTS_REQUESTS: usize = 1_500;

/// What two databases cannot have in common: when something was made, and ids that are drawn.
const OF_ITS_OWN: [&str; 6] = [
    "CreationDateTime",
    "TableId",
    "LatestStreamLabel",
    "LatestStreamArn",
    "LastUpdateToPayPerRequestDateTime",
    "NextToken",
];

fn without_own(mut answer: Answer) -> Answer {
    fn strip(value: &mut Value) {
        match value {
            Value::Object(fields) => {
                fields.retain(|name, _| !OF_ITS_OWN.contains(&name.as_str()));
                fields.values_mut().for_each(strip);
            }
            Value::Array(values) => values.iter_mut().for_each(strip),
            _ => {}
        }
    }
    strip(&mut answer.body);
    answer
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_requests_are_answered_alike_with_the_proxy_and_without() {
    let requests = std::env::var("EVERCOUNT_PROXY_REQUESTS").ok();
    let requests = requests.and_then(|text| text.parse().ok()).unwrap_or(REQUESTS);
    let stage = Stage::new(Mode::Strict).await;
    for table in TABLES {
        stage.register(table, &COLUMNS).await;
    }
    let straight = EmbeddedAws::start(EmbeddedOptions::default()).await.unwrap();
    let with = PlainUpstream::new(&stage.url).unwrap();
    let without = PlainUpstream::new(&straight.dynamodb_endpoint()).unwrap();
    let mut generator = Generator::new(7);
    let mut mix: BTreeMap<String, (u64, u64)> = BTreeMap::new();
    for (place, request) in
        generator.tables().into_iter().chain((0..requests).map(|_| generator.next())).enumerate()
    {
        let target = request.target.as_deref();
        let (one, other) =
            tokio::join!(send(&with, target, &request.body), send(&without, target, &request.body));
        let told = format!("request {place}: {target:?} {}", request.body);
        assert_eq!(without_own(one), without_own(other.clone()), "{told}");
        let counted = mix.entry(request.operation.clone()).or_default();
        *(if other.status == 200 { &mut counted.0 } else { &mut counted.1 }) += 1;
    }
    println!("{requests} requests, by operation (answered, refused): {mix:?}");
    assert_eq!(stage.proxy.usage().take().len(), 0, "every attribute is registered");
    for (_, name) in Operation::ALL {
        let (answered, refused) = mix.get(name).copied().unwrap_or_default();
        assert!(answered > 0 && refused > 0, "{name}: {answered} answered, {refused} refused");
    }
    stage.aws.stop().await;
    straight.stop().await;
}

/// Parameters of before there were expressions, which the agent refuses, and how much was consumed, which it
/// can only tell about.
const NOT_THE_AGENTS: [&str; 6] = [
    "\"Expected\"",
    "\"AttributeUpdates\"",
    "\"ConditionalOperator\"",
    "\"QueryFilter\"",
    "\"ScanFilter\"",
    "\"ReturnConsumedCapacity\"",
];

/// A table that is believed to get a column which nobody names yet: all that is written goes through the
/// agent, and every read of whole items is put together from two places. Nobody sees a difference.
#[tokio::test(flavor = "multi_thread")]
async fn what_the_agent_carries_out_is_answered_as_without_it() {
    let live = Live::new(MutationSettings::default(), BTreeMap::new()).await;
    for table in TABLES {
        register(live.stack.store(), table, &COLUMNS).await;
        live.believe(table, &[("unnamed", None)]).await;
    }
    let straight = EmbeddedAws::start(EmbeddedOptions::default()).await.unwrap();
    let with = live.client();
    let without = PlainUpstream::new(&straight.dynamodb_endpoint()).unwrap();
    let mut generator = Generator::new(11);
    let mut mix: BTreeMap<String, (u64, u64)> = BTreeMap::new();
    let made = generator.tables().into_iter().chain((0..AGENTS_REQUESTS).map(|_| generator.next()));
    for (place, request) in made.enumerate() {
        let target = request.target.as_deref();
        let operation = target.and_then(Operation::of_target);
        let is_its = |operation: Operation| !operation.is_statement();
        if place >= TABLES.len()
            && (!operation.is_some_and(is_its)
                || NOT_THE_AGENTS.iter().any(|name| request.body.contains(name)))
        {
            continue;
        }
        // The embedded DynamoDB lets a transaction change a key, or looks at a condition before it says that
        // nobody can; and it does not miss the update that a value is for.
        let changes_nothing =
            operation == Some(Operation::UpdateItem) && !request.body.contains("UpdateExpression");
        if request.body.contains("SET id =") || changes_nothing {
            continue;
        }
        let (one, other) =
            tokio::join!(send(&with, target, &request.body), send(&without, target, &request.body));
        let told = format!("request {place}: {target:?} {}", request.body);
        let made = request.body.contains("\"ALL_OLD\"") && one.body == json!({});
        if made && operation == Some(Operation::UpdateItem) {
            // Of an item that an update made, the embedded DynamoDB shows the key as what was there before.
            let shown = other.body["Attributes"].as_object().map_or(0, serde_json::Map::len);
            assert!(one.status == other.status && shown <= 2, "{told}: {other:?}");
        } else if other.status == 200 {
            assert_eq!((one.status, without_own(one).body), (200, without_own(other.clone()).body), "{told}");
        } else {
            // What is wrong with a request may be found in another order, and is told in other words.
            assert_eq!(one.status, other.status, "{told}: {one:?} {other:?}");
            let kind = &other.body["__type"];
            let is_of_form = ["ValidationException", "SerializationException"];
            if kind.as_str().is_some_and(|kind| !is_of_form.iter().any(|form| kind.contains(form))) {
                assert_eq!(one.body["__type"], *kind, "{told}: {one:?} {other:?}");
            }
        }
        let counted = mix.entry(request.operation.clone()).or_default();
        *(if other.status == 200 { &mut counted.0 } else { &mut counted.1 }) += 1;
    }
    println!("by operation (answered, refused): {mix:?}");
    for (operation, name) in Operation::ALL {
        let (answered, refused) = mix.get(name).copied().unwrap_or_default();
        assert!(operation.is_statement() || (answered > 0 && refused > 0), "{name}: {answered}, {refused}");
    }
    live.stack.stop().await;
    straight.stop().await;
}
