//! The same requests, with the proxy and without it, are answered alike: by status, media type, error and
//! body. `EVERCOUNT_PROXY_REQUESTS` says how many.

use std::collections::BTreeMap;

use evercount_core::resolve::Mode;
use evercount_local::{EmbeddedAws, EmbeddedOptions};
use evercount_proxy::operation::Operation;
use evercount_proxy::server::PlainUpstream;
use serde_json::Value;

use super::generate::{COLUMNS, Generator, TABLES};
use super::stage::{Answer, Stage, send};

const REQUESTS: usize = 2_000;

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
