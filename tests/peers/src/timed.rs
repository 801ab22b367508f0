//! Owns the time of a function under measurement: of its thread, from where the runtime has an event's bytes
//! to where the function has counted them. What brings the event over HTTP is before that, and is the kernel's
//! and the runtime's.

use std::cell::Cell;
use std::task::{Context, Poll};

use cpu_time::ThreadTime;
use lambda_runtime::tower::Layer;
use lambda_runtime::{LambdaInvocation, Service};

thread_local! {
    /// When the invocation at hand came. A function makes one after the other, on one thread.
    static CAME: Cell<Option<ThreadTime>> = const { Cell::new(None) };
}

/// The layer that takes the time before anything is done with an invocation.
pub struct Timed;

/// The service of that layer.
pub struct TimedService<S>(S);

impl<S> Layer<S> for Timed {
    type Service = TimedService<S>;

    fn layer(&self, inner: S) -> Self::Service {
        TimedService(inner)
    }
}

impl<S: Service<LambdaInvocation>> Service<LambdaInvocation> for TimedService<S> {
    type Response = S::Response;
    type Error = S::Error;
    type Future = S::Future;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.0.poll_ready(context)
    }

    fn call(&mut self, invocation: LambdaInvocation) -> Self::Future {
        CAME.set(Some(ThreadTime::now()));
        self.0.call(invocation)
    }
}

/// What a function answers: the nanoseconds of its thread since the invocation came, and what it has to tell.
pub fn answer(told: String) -> String {
    let ran = CAME.get().map_or(0, |came| came.elapsed().as_nanos());
    format!("{ran}\n{told}")
}
