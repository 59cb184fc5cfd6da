//! What programs ask.

use std::sync::Arc;

use alloy::primitives::U256;
use assay_relayer::{StoreError, metrics_text};
use axum::{
    Json, Router,
    extract::{Path, Query, State, rejection::QueryRejection},
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde::{Deserialize, Serialize};
use utoipa::{
    IntoParams, Modify, OpenApi, ToSchema,
    openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme},
};
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{
    Shared, Snapshot, access, events,
    views::{JobList, JobView, ObstacleView, Problem, QuoteView, StatusView},
};

/// Most jobs in one answer.
const MOST_JOBS: usize = 200;

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Assay relayer",
        description = "What a relayer does and has done. Reading needs no token; writing takes the one of \
                       --api-token-file. Numbers that may pass 2^53 are decimal texts.",
        license(name = "MIT OR Apache-2.0", identifier = "MIT OR Apache-2.0")
    ),
    modifiers(&BearerToken)
)]
struct Document;

struct BearerToken;

impl Modify for BearerToken {
    fn modify(&self, document: &mut utoipa::openapi::OpenApi) {
        let scheme = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).build();
        let components = document.components.get_or_insert_default();
        components.add_security_scheme("token", SecurityScheme::Http(scheme));
    }
}

fn documented() -> OpenApiRouter<Shared> {
    OpenApiRouter::with_openapi(Document::openapi())
        .routes(routes!(health))
        .routes(routes!(ready))
        .routes(routes!(metrics))
        .routes(routes!(snapshot))
        .routes(routes!(status))
        .routes(routes!(jobs))
        .routes(routes!(job))
        .routes(routes!(retry))
        .routes(routes!(quote))
        .routes(routes!(events::events))
}

/// The paths of the API.
pub(crate) fn router() -> Router<Shared> {
    let (router, document) = documented().split_for_parts();
    let document = Arc::new(document);
    let answer = move || async move { Json((*document).clone()) };
    router.route("/api/openapi.json", axum::routing::get(answer))
}

/// Their description.
pub(crate) fn document() -> utoipa::openapi::OpenApi {
    documented().into_openapi()
}

pub(crate) async fn no_such_path() -> Problem {
    Problem::new(
        StatusCode::NOT_FOUND,
        "there is nothing here; /api/openapi.json describes what there is, / is the page",
    )
}

pub(crate) async fn no_such_method() -> Problem {
    Problem::new(
        StatusCode::METHOD_NOT_ALLOWED,
        "this path takes another method; /api/openapi.json says which",
    )
}

/// The process answers.
#[derive(Serialize, ToSchema)]
struct Health {
    /// Always true: nothing more is asked.
    alive: bool,
    /// Seconds since a look at the chain went well.
    seconds_since_good_turn: Option<u64>,
    /// The newest trouble that concerned all jobs.
    last_error: Option<String>,
}

/// Whether the process answers.
#[utoipa::path(get, path = "/health", tag = "watching", responses((status = 200, body = Health)))]
async fn health(State(shared): State<Shared>) -> Json<Health> {
    let status = shared.source.status.read();
    Json(Health {
        alive: true,
        seconds_since_good_turn: status.seconds_since_good_turn(),
        last_error: status.last_error,
    })
}

/// Whether anything stands against work.
#[derive(Serialize, ToSchema)]
struct Ready {
    /// Whether nothing does.
    ready: bool,
    /// What does.
    obstacles: Vec<ObstacleView>,
}

/// Whether anything stands against work.
#[utoipa::path(
    get,
    path = "/ready",
    tag = "watching",
    responses((status = 200, body = Ready), (status = 503, description = "something does", body = Ready))
)]
async fn ready(State(shared): State<Shared>) -> (StatusCode, Json<Ready>) {
    let StatusView { ready, obstacles, .. } = StatusView::from(&shared.source.status.read());
    let code = if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (code, Json(Ready { ready, obstacles }))
}

/// OpenMetrics' text, as Prometheus reads it.
#[utoipa::path(
    get,
    path = "/metrics",
    tag = "watching",
    responses((status = 200, body = String, content_type = "application/openmetrics-text"))
)]
async fn metrics(State(shared): State<Shared>) -> Response {
    let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    ([(header::CONTENT_TYPE, kind)], metrics_text(&shared.source.status.read())).into_response()
}

/// All that the page shows, at most a second old.
#[utoipa::path(get, path = "/api/snapshot", tag = "state", responses((status = 200, body = Snapshot)))]
async fn snapshot(State(shared): State<Shared>) -> Json<Snapshot> {
    let newest = Arc::clone(&shared.newest.borrow());
    Json((*newest).clone())
}

/// Health, money and nodes.
#[utoipa::path(get, path = "/api/status", tag = "state", responses((status = 200, body = StatusView)))]
async fn status(State(shared): State<Shared>) -> Json<StatusView> {
    Json(StatusView::from(&shared.source.status.read()))
}

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct Which {
    /// Only jobs with smaller ids, a decimal number: `next` of the answer before.
    #[param(pattern = "^[0-9]{1,77}$")]
    before: Option<String>,
    /// Most jobs in the answer, 1 to 200; 50 where nothing is said.
    #[param(minimum = 1, maximum = 200)]
    limit: Option<usize>,
}

/// Jobs, the newest first.
#[utoipa::path(
    get,
    path = "/api/jobs",
    tag = "jobs",
    params(Which),
    responses(
        (status = 200, body = JobList),
        (status = 400, description = "no such numbers", body = Problem),
        (status = 503, description = "the store does not answer", body = Problem),
    )
)]
async fn jobs(
    State(shared): State<Shared>,
    which: Result<Query<Which>, QueryRejection>,
) -> Result<Json<JobList>, Problem> {
    let Query(which) =
        which.map_err(|error| Problem::new(StatusCode::BAD_REQUEST, error.body_text()))?;
    let limit = which.limit.unwrap_or(50);
    if !(1..=MOST_JOBS).contains(&limit) {
        let text = format!("limit is 1 to {MOST_JOBS}, not {limit}");
        return Err(Problem::new(StatusCode::BAD_REQUEST, text));
    }
    let before = which.before.as_deref().map(id_of).transpose()?;
    // One more, to know whether there are any.
    let found = shared.source.store.newest(before, limit + 1).await;
    let mut found = found.map_err(|error| Problem::of_store(&error))?;
    let more = found.len() > limit;
    found.truncate(limit);
    let next = found.last().filter(|_| more).map(|job| job.id().to_string());
    Ok(Json(JobList { jobs: found.iter().map(JobView::from).collect(), next }))
}

/// A job, with the states it went through.
#[utoipa::path(
    get,
    path = "/api/jobs/{id}",
    tag = "jobs",
    params(("id" = String, Path, description = "Id in the escrow, a decimal number", pattern = "^[0-9]{1,77}$")),
    responses(
        (status = 200, body = JobView),
        (status = 400, description = "no id", body = Problem),
        (status = 404, description = "no such job in the store", body = Problem),
        (status = 503, description = "the store does not answer", body = Problem),
    )
)]
async fn job(
    State(shared): State<Shared>,
    Path(id): Path<String>,
) -> Result<Json<JobView>, Problem> {
    Ok(Json(job_of(&shared, &id).await?))
}

/// The job with an id in words.
pub(crate) async fn job_of(shared: &Shared, id: &str) -> Result<JobView, Problem> {
    let id = id_of(id)?;
    let found = shared.source.store.job(id).await.map_err(|error| Problem::of_store(&error))?;
    found.as_ref().map(JobView::from).ok_or_else(|| no_such_job(id))
}

/// Takes up a job again that was given up, or left alone for a reason of this relayer's own.
#[utoipa::path(
    post,
    path = "/api/jobs/{id}/retry",
    tag = "jobs",
    params(("id" = String, Path, description = "Id in the escrow, a decimal number", pattern = "^[0-9]{1,77}$")),
    security(("token" = [])),
    responses(
        (status = 200, description = "the job as it goes on", body = JobView),
        (status = 400, description = "no id", body = Problem),
        (status = 401, description = "without the token", body = Problem),
        (status = 403, description = "this relayer has no token, so nobody writes", body = Problem),
        (status = 404, description = "no such job in the store", body = Problem),
        (status = 409, description = "the job is in a state that needs no other try", body = Problem),
        (status = 503, description = "the store does not answer", body = Problem),
    )
)]
async fn retry(
    State(shared): State<Shared>,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Result<Json<JobView>, Problem> {
    access::may_write(shared.source.token.as_ref(), &headers)?;
    let (id, store) = (id_of(&id)?, shared.source.store.clone());
    // To its end, whether whoever asked waits for it or not.
    let done = tokio::spawn(async move { store.retry(id).await }).await;
    match done.map_err(|error| internal(&error))? {
        Ok(job) => {
            tracing::info!(job = %id, "a person asked over HTTP for another try");
            Ok(Json(JobView::from(&job)))
        }
        Err(StoreError::NoSuchJob(_)) => Err(no_such_job(id)),
        Err(error @ StoreError::NotRetriable { .. }) => {
            Err(Problem::new(StatusCode::CONFLICT, error.to_string()))
        }
        Err(error) => Err(Problem::of_store(&error)),
    }
}

/// What a job would have to pay now, and when its proof would be made. Not an offer: the fee may change, and other
/// jobs may come before.
#[utoipa::path(
    get,
    path = "/api/quote",
    tag = "jobs",
    responses(
        (status = 200, body = QuoteView),
        (status = 503, description = "no node has said yet what gas costs", body = Problem),
    )
)]
async fn quote(State(shared): State<Shared>) -> Result<Json<QuoteView>, Problem> {
    let quote = StatusView::from(&shared.source.status.read()).quote;
    quote.map(Json).ok_or_else(|| {
        let text = "no node has said yet what gas costs; ask again in some seconds";
        Problem::new(StatusCode::SERVICE_UNAVAILABLE, text)
    })
}

fn id_of(text: &str) -> Result<U256, Problem> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    U256::from_str_radix(text, 10).ok().filter(|_| digits).ok_or_else(|| {
        Problem::new(StatusCode::BAD_REQUEST, "an id is a decimal number below 2^256")
    })
}

fn no_such_job(id: U256) -> Problem {
    Problem::new(
        StatusCode::NOT_FOUND,
        format!("there is no job {id} in the store; settled jobs are forgotten after a month"),
    )
}

fn internal(error: &tokio::task::JoinError) -> Problem {
    Problem::new(StatusCode::SERVICE_UNAVAILABLE, error.to_string())
}
