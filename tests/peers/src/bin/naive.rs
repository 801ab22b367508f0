//! A counter in Rust as it is usually written: the typed event, each record as a tree of values, and
//! maps by text.

use std::collections::{BTreeMap, HashMap};
use std::sync::Mutex;

use aws_lambda_events::event::kinesis::KinesisEvent;
use evercount_peers::timed::{Timed, answer};
use lambda_runtime::{Error, LambdaEvent, Runtime, service_fn};
use serde_json::Value;

#[derive(Default)]
struct Counts {
    groups: HashMap<String, i64>,
}

fn text<'a>(image: &'a Value, name: &str) -> Option<&'a str> {
    image.get(name)?.get("S")?.as_str()
}

impl Counts {
    fn image(&mut self, image: &Value, sign: i64) {
        let (Some(status), Some(country), Some(plan)) =
            (text(image, "status"), text(image, "country"), text(image, "plan"))
        else {
            return;
        };
        let amount: Option<f64> =
            image.get("amount").and_then(|it| it.get("N")?.as_str()).and_then(|it| it.parse().ok());
        if status == "ACTIVE" && amount.is_some_and(|amount| amount > 100.0) {
            *self.groups.entry(format!("large_active {country} {plan}")).or_default() += sign;
        }
        *self.groups.entry(format!("by_status {status}")).or_default() += sign;
    }

    fn told(&self) -> String {
        let lines: BTreeMap<_, _> = self.groups.iter().filter(|(_, n)| **n != 0).collect();
        lines.iter().map(|(group, n)| format!("{group}: {n}\n")).collect()
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let counts = Mutex::new(Counts::default());
    let counts = &counts;
    let call = service_fn(|event: LambdaEvent<KinesisEvent>| async move {
        let mut counts = counts.lock().map_err(|_| "poisoned")?;
        for record in event.payload.records {
            let change: Value = serde_json::from_slice(&record.kinesis.data.0)?;
            if let Some(image) = change.pointer("/dynamodb/NewImage") {
                counts.image(image, 1);
            }
            if let Some(image) = change.pointer("/dynamodb/OldImage") {
                counts.image(image, -1);
            }
        }
        Ok::<String, Error>(answer(counts.told()))
    });
    Runtime::new(call).layer(Timed).run().await
}
