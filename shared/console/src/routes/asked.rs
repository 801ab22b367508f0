//! What is asked for, read so that what cannot be read is told as a problem.

use axum::Json;
use axum::extract::{FromRequest, FromRequestParts, Path, Query, Request};
use axum::http::StatusCode;
use axum::http::request::Parts;
use serde::de::DeserializeOwned;

use crate::problem::Problem;

const FIX: &str = "`GET /api/v1/openapi.json` says what is expected";

/// The query of a request.
pub struct Asked<T>(pub T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for Asked<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let read = Query::<T>::from_request_parts(parts, state).await;
        let Query(asked) = read.map_err(|error| Problem::bad(error.body_text(), FIX))?;
        Ok(Self(asked))
    }
}

/// The parts of a path.
pub struct Named<T>(pub T);

impl<T: DeserializeOwned + Send, S: Send + Sync> FromRequestParts<S> for Named<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let read = Path::<T>::from_request_parts(parts, state).await;
        let Path(named) = read.map_err(|error| Problem::bad(error.body_text(), FIX))?;
        Ok(Self(named))
    }
}

/// The body of a request: JSON, and said to be.
pub struct Said<T>(pub T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Said<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        let read = Json::<T>::from_request(request, state).await;
        let Json(said) = read.map_err(|error| {
            let status = match error.status() {
                StatusCode::UNPROCESSABLE_ENTITY => StatusCode::BAD_REQUEST,
                other => other,
            };
            let fix = if status == StatusCode::UNSUPPORTED_MEDIA_TYPE {
                "send JSON, with `Content-Type: application/json`"
            } else {
                FIX
            };
            Problem::new(status, error.body_text(), fix)
        })?;
        Ok(Self(said))
    }
}
