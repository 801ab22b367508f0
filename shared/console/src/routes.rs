//! The routes, and the document that is made from them.

mod answers;
mod asked;
mod read;
mod words;

use std::sync::Arc;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::middleware::{from_fn, from_fn_with_state};
use axum::response::IntoResponse;
use axum::routing::get;
use utoipa::OpenApi;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::assets::{self, ASSETS};
use crate::console::Console;
use crate::guard::{self, Hosts};
use crate::problem::Problem;
use answers::Answers;

/// Longest body of a request, bytes: a word has a few fields.
const BODY_MAX: usize = 16 * 1_024;

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Evercount console",
        description = "Live counts, schemas, plans, quarantine, forecasts and health. Every answer of a GET has a \
            strong ETag: ask again with it in `If-None-Match`, and an answer that still stands is 304. Every POST \
            takes `dry_run: true`, and then says what would happen and does nothing. What could not be done is a \
            problem (RFC 9457) with its fix."
    ),
    components(schemas(Problem))
)]
struct Document;

type Shared = Arc<dyn Console>;

fn api() -> OpenApiRouter<Shared> {
    OpenApiRouter::with_openapi(Document::openapi())
        .routes(routes!(read::target))
        .routes(routes!(read::counts))
        .routes(routes!(read::count))
        .routes(routes!(read::series))
        .routes(routes!(read::versions))
        .routes(routes!(read::plans))
        .routes(routes!(read::plan))
        .routes(routes!(read::schemas))
        .routes(routes!(read::schema))
        .routes(routes!(read::schema_versions))
        .routes(routes!(read::diff))
        .routes(routes!(read::history))
        .routes(routes!(read::lineage))
        .routes(routes!(read::cardinality))
        .routes(routes!(read::quarantine))
        .routes(routes!(read::record))
        .routes(routes!(read::backfills))
        .routes(routes!(read::audits, words::audit))
        .routes(routes!(read::forecasts))
        .routes(routes!(read::forecast))
        .routes(routes!(read::advice))
        .routes(routes!(read::health))
        .routes(routes!(words::approve))
        .routes(routes!(words::reject))
        .routes(routes!(words::promote))
        .routes(routes!(words::roll_back))
        .routes(routes!(words::replay_all))
        .routes(routes!(words::replay))
        .routes(routes!(words::pause))
        .routes(routes!(words::resume))
}

/// The OpenAPI document of the routes, as it is served.
#[must_use]
pub fn document() -> String {
    let (_, document) = api().split_for_parts();
    document.to_pretty_json().unwrap_or_default()
}

/// The API and the page.
pub fn router(console: Shared, hosts: Hosts) -> Router {
    let (routes, document) = api().split_for_parts();
    let document = document.to_pretty_json().unwrap_or_default();
    let answers = Answers::new(console.clone());
    let mut router = routes.layer(from_fn_with_state(answers, answers::answer)).with_state(console).route(
        "/api/v1/openapi.json",
        get(move |headers: HeaderMap| {
            let tag = assets::tag(document.as_bytes());
            let answer = if assets::has(&headers, &tag) {
                (StatusCode::NOT_MODIFIED, [(header::ETAG, tag)]).into_response()
            } else {
                let kind = HeaderValue::from_static("application/json");
                ([(header::CONTENT_TYPE, kind), (header::ETAG, tag)], document).into_response()
            };
            std::future::ready(answer)
        }),
    );
    for asset in ASSETS {
        router = router.route(
            asset.path,
            get(move |headers: HeaderMap| std::future::ready(assets::serve(asset, &headers))),
        );
    }
    router
        .fallback(|| async {
            Problem::absent("there is nothing here", "`GET /api/v1/openapi.json` lists what there is")
        })
        .method_not_allowed_fallback(|| async {
            Problem::new(
                StatusCode::METHOD_NOT_ALLOWED,
                "this cannot be done here",
                "`GET /api/v1/openapi.json` lists what can",
            )
        })
        .layer(DefaultBodyLimit::max(BODY_MAX))
        .layer(from_fn(answers::compose))
        .layer(from_fn_with_state(hosts, guard::guard))
}
