//! The least that a function in Rust can be: it polls, and answers with what it got. No SDK, no
//! logging, no configuration. What the functions take beyond it to their first poll is their own doing.

use lambda_runtime::{Error, LambdaEvent, run, service_fn};
use serde_json::value::RawValue;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    run(service_fn(async |event: LambdaEvent<Box<RawValue>>| Ok::<_, Error>(event.payload))).await
}
