//! Owns what stands for Lambda: a port that admits whoever signed for it, and has one function, which runs
//! functions of users (<https://docs.aws.amazon.com/lambda/latest/api/API_Invoke.html>).

// Here and not at the root, so that a test takes this file by its path and needs nothing beside.
#[path = "../signature/mod.rs"]
mod signature;
#[path = "../served/mod.rs"]
mod served;

use std::collections::VecDeque;
use std::sync::Mutex;

use aws_sigv4::http_request::SigningSettings;
use bytes::Bytes;
use evercount_aws::clients::{Access, Clients};
use evercount_aws::function_runner::FunctionRunner;
use evercount_aws::lambda::LambdaRunner;
use evercount_core::order::Micros;
use evercount_pipeline::memory::Memory;
use evercount_proxy::server::Handler;
use http::{Method, Request, Response};

use served::Served;
use signature::{Demands, ID, REGION, SECRET};

pub const NAME: &str = "evercount-function-runner";

/// What goes wrong with a call.
#[derive(Clone, Copy)]
pub enum Fault {
    /// There are more calls than Lambda makes at once.
    Throttled,
    /// The function's process ended.
    Crashed,
    /// Lambda fails.
    Failed,
}

struct Port {
    runner: FunctionRunner<Memory>,
    faults: Mutex<VecDeque<Fault>>,
    calls: Mutex<u64>,
    refused: Mutex<Vec<String>>,
}

/// A served port.
pub struct StandIn {
    served: Served<Port>,
}

impl StandIn {
    /// Runs the functions of a store; its clock says how long that takes.
    pub async fn start(store: Memory, clock: fn() -> Micros) -> Self {
        let runner = FunctionRunner::new(store, clock);
        let port =
            Port { runner, faults: Mutex::default(), calls: Mutex::default(), refused: Mutex::default() };
        Self { served: Served::start(port).await }
    }

    /// Whoever asks here for the function of a name.
    pub fn asked_for(&self, function: &str) -> LambdaRunner {
        let known = [
            ("AWS_ACCESS_KEY_ID", ID),
            ("AWS_SECRET_ACCESS_KEY", SECRET),
            ("AWS_REGION", REGION),
            ("AWS_ENDPOINT_URL_LAMBDA", &self.served.url),
        ];
        let lookup =
            |name: &str| known.iter().find(|(one, _)| *one == name).map(|(_, value)| (*value).to_owned());
        let clients = Clients::new(Access::from_lookup(lookup).unwrap()).unwrap();
        clients.function_runner(function.to_owned()).unwrap()
    }

    /// The next calls go wrong.
    pub fn fail(&self, faults: &[Fault]) {
        self.served.port.faults.lock().unwrap().extend(faults);
    }

    /// How often the function was asked.
    pub fn calls(&self) -> u64 {
        *self.served.port.calls.lock().unwrap()
    }

    /// Why calls were not admitted.
    pub fn refused(&self) -> Vec<String> {
        self.served.port.refused.lock().unwrap().clone()
    }
}

impl Handler for Port {
    async fn handle(&self, request: Request<Bytes>) -> Response<Bytes> {
        let demands = Demands {
            service: "lambda",
            token: None,
            headers: &["host", "x-amz-date", "content-type"],
            settings: SigningSettings::default(),
        };
        if let Err(why) = signature::check(&request, demands) {
            self.refused.lock().unwrap().push(why);
            return error(403, "InvalidSignatureException");
        }
        let path = format!("/2015-03-31/functions/{NAME}/invocations");
        if request.method() != Method::POST || request.uri().path() != path {
            return error(404, "ResourceNotFoundException");
        }
        *self.calls.lock().unwrap() += 1;
        let fault = self.faults.lock().unwrap().pop_front();
        match fault {
            Some(Fault::Throttled) => error(429, "TooManyRequestsException"),
            Some(Fault::Failed) => error(500, "ServiceException"),
            Some(Fault::Crashed) => crashed("Runtime exited with error: signal: killed"),
            None => match self.runner.handle_payload(request.into_body()).await {
                Ok(answer) => Response::new(Bytes::from(answer.get().to_owned())),
                Err(failed) => crashed(&failed.to_string()),
            },
        }
    }
}

fn error(status: u16, kind: &str) -> Response<Bytes> {
    let body = serde_json::json!({"Type": "User", "Message": kind}).to_string();
    Response::builder().status(status).header("x-amzn-errortype", kind).body(body.into()).unwrap()
}

fn crashed(why: &str) -> Response<Bytes> {
    let body = serde_json::json!({"errorType": "Error", "errorMessage": why}).to_string();
    Response::builder().header("x-amz-function-error", "Unhandled").body(body.into()).unwrap()
}
