//! Owns how the function that runs functions of users is asked: one call of Lambda's, over the way to the network
//! that the SDK's clients take. Lambda's own client would be as large as that of DynamoDB.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use evercount_core::function::{Answers, Question, Unanswered};
use evercount_pipeline::asking::Runner;
use evercount_pipeline::ports::StoreError;
use evercount_wire::asking::{questions_json, read_answers};
use http::header::CONTENT_TYPE;
use http::uri::{Authority, Scheme};
use http::{HeaderValue, Method, Request, Response, StatusCode, Uri};
use tokio::sync::OnceCell;

use crate::caller::{Caller, CallerError, Service, domain_of, endpoint, told};
use crate::dynamo::{Failure, retrying};

/// How long one attempt at a call may take: a cold start, modules to translate, and the time that the function
/// runner gives questions.
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(10);

/// Longest payload, in bytes. Lambda takes 6 MB
/// (<https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html>).
const PAYLOAD_BYTES_MAX: usize = 6_000_000;

/// So much of what a function says of its failure is told.
const SAID_CHARS_MAX: usize = 256;

/// Where Lambda is.
#[derive(Debug)]
struct Place {
    /// Where somebody says that it is.
    url: Option<String>,
    fips: bool,
    dual_stack: bool,
    /// Where it is found, when it is looked for: to know a region's hosts takes longer than a start.
    found: OnceCell<(Scheme, Authority)>,
}

impl Place {
    async fn find(&self, region: &str) -> Result<(Scheme, Authority), CallerError> {
        let url = match &self.url {
            Some(url) => url.clone(),
            None => {
                let domain = domain_of(region, self.dual_stack).await?;
                let name = if self.fips { "lambda-fips" } else { "lambda" };
                format!("https://{name}.{region}.{domain}")
            }
        };
        endpoint(&url).ok_or(CallerError::Url(url))
    }
}

/// Asks the function runner.
#[derive(Clone, Debug)]
pub struct LambdaRunner {
    caller: Arc<Caller>,
    function: String,
    place: Arc<Place>,
}

impl LambdaRunner {
    pub(crate) fn new(
        caller: Caller,
        function: String,
        url: Option<String>,
        fips: bool,
        dual_stack: bool,
    ) -> Self {
        let place = Place { url, fips, dual_stack, found: OnceCell::new() };
        Self { caller: Arc::new(caller), function, place: Arc::new(place) }
    }

    /// Invokes the function, and waits for what it returns
    /// (<https://docs.aws.amazon.com/lambda/latest/api/API_Invoke.html>).
    async fn invoke(&self, payload: Bytes) -> Result<Bytes, StoreError> {
        retrying(|| async {
            let answer = self.call(payload.clone()).await?;
            self.judge(&answer)?;
            Ok(answer.into_body())
        })
        .await
    }

    /// One attempt at it.
    async fn call(&self, payload: Bytes) -> Result<Response<Bytes>, Failure> {
        let path = format!("/2015-03-31/functions/{}/invocations", self.function);
        let finding = self.place.found.get_or_try_init(|| self.place.find(self.caller.region()));
        let (scheme, authority) = finding.await.map_err(|error| Failure::Refused(told(&error)))?;
        let url = Uri::builder().scheme(scheme.clone()).authority(authority.clone());
        let url = url.path_and_query(path).build().map_err(|error| Failure::Refused(told(&error)))?;
        let mut request = Request::new(payload);
        *request.method_mut() = Method::POST;
        *request.uri_mut() = url;
        request.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        let calling = self.caller.call(Service::Lambda, request, PAYLOAD_BYTES_MAX);
        let late = |_| self.failed(&format!("gave no answer in {} s", ATTEMPT_TIMEOUT.as_secs()));
        let called = tokio::time::timeout(ATTEMPT_TIMEOUT, calling).await.map_err(late)?;
        called.map_err(|error| self.failed(&format!("cannot be asked: {}", told(&*error))))
    }

    fn failed(&self, how: &dyn fmt::Display) -> Failure {
        Failure::Transient(format!("the function runner `{}` {how}", self.function))
    }

    /// What an answer means that is none to what was asked.
    fn judge(&self, answer: &Response<Bytes>) -> Result<(), Failure> {
        let status = answer.status();
        let did_fail = answer.headers().contains_key("x-amz-function-error");
        if status.is_success() && !did_fail {
            return Ok(());
        }
        let said: String = String::from_utf8_lossy(answer.body()).chars().take(SAID_CHARS_MAX).collect();
        if did_fail {
            // It began, and did not end well.
            return Err(self.failed(&format!("failed: {said}")));
        }
        let told =
            format!("the function runner `{}`: Lambda answers {}: {said}", self.function, status.as_u16());
        match status {
            StatusCode::NOT_FOUND => Err(Failure::Refused(format!(
                "{told}; EVERCOUNT_FUNCTION_RUNNER names another than there is"
            ))),
            // Its state changes, as while it is deployed.
            StatusCode::CONFLICT | StatusCode::TOO_MANY_REQUESTS => Err(Failure::Transient(told)),
            _ if status.is_server_error() => Err(Failure::Transient(told)),
            _ => Err(Failure::Refused(told)),
        }
    }

    /// Asks the first questions, all that one call takes. Returns how many that were, too.
    async fn ask_some(&self, questions: &[Question]) -> Result<(usize, Answers), StoreError> {
        let (asked, put) = questions_json(questions, PAYLOAD_BYTES_MAX);
        if put == 0 {
            return Ok((1, questions.first().map(too_long).unwrap_or_default()));
        }
        let answered = self.invoke(asked.into()).await?;
        let answers = read_answers(&answered).map_err(|error| StoreError::Rejected(error.to_string()))?;
        match answers.given.len() {
            given if (1..=put).contains(&given) => Ok((put, answers)),
            given => Err(StoreError::Rejected(format!(
                "the function runner `{}` gave {given} answers to {put} questions",
                self.function
            ))),
        }
    }
}

/// What becomes of an item that no call takes: as of one that is too long for a function.
fn too_long(question: &Question) -> Answers {
    let because =
        format!("the item has more than {PAYLOAD_BYTES_MAX} bytes as JSON, too many for a function");
    let unanswered =
        question.functions.iter().map(|id| (*id, Unanswered { images: 1, because: because.clone() }));
    Answers { given: vec![Default::default()], unanswered: unanswered.collect() }
}

impl<S> Runner<S> for LambdaRunner {
    async fn ask(
        &mut self,
        _: &S,
        questions: &[Question],
        keep_going: &impl Fn() -> bool,
    ) -> Result<Answers, StoreError> {
        let mut answers = Answers::default();
        while let Some(rest) = questions.get(answers.given.len()..).filter(|rest| !rest.is_empty()) {
            if !keep_going() {
                break;
            }
            let (asked, some) = self.ask_some(rest).await?;
            let took_long = some.given.len() < asked;
            answers.extend(some);
            if took_long {
                break;
            }
        }
        Ok(answers)
    }
}

#[cfg(test)]
mod tests;
