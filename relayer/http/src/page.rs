//! The page: made here, renewed by a short script when a stream tells of changes, whole without it.

mod parts;

use std::sync::Arc;

use axum::{
    Router,
    extract::{Path, State},
    http::{StatusCode, header},
    response::{IntoResponse, Response},
    routing::get,
};
use maud::{DOCTYPE, Markup, html};

use crate::{Shared, Snapshot, api::job_of, views::JobView};

const STYLE: &str = include_str!("page/style.css");
const SCRIPT: &str = include_str!("page/page.js");

pub(crate) fn router() -> Router<Shared> {
    Router::new()
        .route("/", get(overview))
        .route("/jobs/{id}", get(one_job))
        .route("/style.css", get(async || asset("text/css; charset=utf-8", STYLE)))
        .route("/page.js", get(async || asset("text/javascript; charset=utf-8", SCRIPT)))
}

fn asset(kind: &'static str, text: &'static str) -> Response {
    ([(header::CONTENT_TYPE, kind)], text).into_response()
}

async fn overview(State(shared): State<Shared>) -> Markup {
    let snapshot = Arc::clone(&shared.newest.borrow());
    let title = format!("Relayer for {}", parts::short(&snapshot.about.escrow));
    framed(&title, &snapshot, &parts::overview(&snapshot))
}

async fn one_job(State(shared): State<Shared>, Path(id): Path<String>) -> Response {
    let snapshot = Arc::clone(&shared.newest.borrow());
    match job_of(&shared, &id).await {
        Ok(job) => framed(&format!("Job {}", job.id), &snapshot, &job_page(&job)).into_response(),
        Err(problem) => {
            let text = html! {
                h1 { "No such job" }
                p { (problem.error) }
                p { a href="/" { "All jobs" } }
            };
            (StatusCode::NOT_FOUND, framed("No such job", &snapshot, &text)).into_response()
        }
    }
}

fn job_page(job: &JobView) -> Markup {
    html! {
        p { a href="/" { "All jobs" } }
        h1 { "Job " (job.id) }
        (parts::job_facts(job))
        section aria-labelledby="timeline" {
            h2 #timeline { "What became of it" }
            (parts::timeline(job))
        }
    }
}

fn framed(title: &str, snapshot: &Snapshot, content: &Markup) -> Markup {
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                title { (title) }
                link rel="icon" href="data:,";
                link rel="stylesheet" href="/style.css";
                script src="/page.js" defer {}
            }
            body {
                a.skip href="#content" { "To the content" }
                header {
                    a.home href="/" { "Assay relayer" }
                    (parts::readiness(&snapshot.status))
                    span #live { "as of the page's loading" }
                }
                main #content tabindex="-1" { (content) }
                footer {
                    "chain " (snapshot.about.chain_id) ", escrow " code { (snapshot.about.escrow) } ". "
                    a href="/api/openapi.json" { "API" } ", " a href="/metrics" { "metrics" }
                }
            }
        }
    }
}
