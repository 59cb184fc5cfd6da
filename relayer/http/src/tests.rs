use std::time::Duration;

use alloy::primitives::{Address, B256, Bytes, U256};
use assay_client::ModelIdentity;
use assay_relayer::{
    BlockRef, JobEvent, PredictionJob, PredictionTerms, SkipReason, store::Progress,
};
use axum::{
    body::Body,
    http::{Method, Request, StatusCode, header},
};
use http_body_util::BodyExt as _;
use serde_json::Value;
use tempfile::TempDir;
use tower::ServiceExt as _;

use super::*;

const TOKEN: &str = "0123456789abcdef";

fn job(id: u64) -> PredictionJob {
    let terms = PredictionTerms {
        job_id: U256::from(id),
        model_id: U256::ONE,
        model: ModelIdentity { vk_hash: B256::ZERO, model_hash: B256::ZERO },
        binding_hash: B256::ZERO,
        buyer: Address::with_last_byte(9),
        token: Address::ZERO,
        price: U256::from(50_000_000_000_000_000u64),
        deadline: 2_000_000_000,
        notice: 0,
        callback_gas: 0,
        input_commitment: U256::from(5),
        hint: Bytes::new(),
    };
    let block = BlockRef { number: 3, hash: B256::ZERO, timestamp: 1_900_000_000 };
    PredictionJob::new(terms, block, 1_900_000_000)
}

async fn source(folder: &TempDir, token: Option<&str>) -> Source {
    let store = JobStore::open(folder.path().join("s.db"), 1, Address::ZERO).await.unwrap();
    let opened = (1..=5).map(job).collect();
    store.apply(Progress { opened, ..Progress::default() }, 1_900_000_000).await.unwrap();
    let event = JobEvent::GivenUp { reason: "<b>no input</b>".into() };
    store.report(U256::from(2), &event, 1_900_000_009).await.unwrap();
    store
        .report(U256::from(3), &JobEvent::Closed { reason: SkipReason::Refunded }, 7)
        .await
        .unwrap();
    Source {
        status: StatusBoard::default(),
        store,
        about: About {
            chain_id: 31337,
            escrow: Address::with_last_byte(1).to_string(),
            recipient: Address::with_last_byte(2).to_string(),
            model_hash: B256::ZERO.to_string(),
            vk_hash: B256::ZERO.to_string(),
        },
        token: token.map(|token| Token::new(token).unwrap()),
    }
}

async fn served(source: Source) -> Router {
    let (_renewing, newest) = snapshot::renewed(source.clone()).await;
    router(source, newest, ([127, 0, 0, 1], 80).into())
}

async fn ask(router: &Router, request: Request<Body>) -> (StatusCode, String) {
    let answer = router.clone().oneshot(request).await.unwrap();
    assert!(answer.headers().contains_key(header::CONTENT_SECURITY_POLICY));
    let status = answer.status();
    let body = answer.into_body().collect().await.unwrap().to_bytes();
    (status, String::from_utf8(body.to_vec()).unwrap())
}

fn request(method: Method, path: &str) -> axum::http::request::Builder {
    Request::builder().method(method).uri(path).header(header::HOST, "localhost:9464")
}

async fn get(router: &Router, path: &str) -> (StatusCode, String) {
    ask(router, request(Method::GET, path).body(Body::empty()).unwrap()).await
}

async fn json(router: &Router, path: &str) -> Value {
    let (status, body) = get(router, path).await;
    assert_eq!(status, StatusCode::OK, "{path}: {body}");
    serde_json::from_str(&body).unwrap()
}

#[tokio::test]
async fn jobs_are_listed_newest_first_and_in_parts() {
    let folder = tempfile::tempdir().unwrap();
    let router = served(source(&folder, None).await).await;
    let first = json(&router, "/api/jobs?limit=2").await;
    assert_eq!((&first["jobs"][0]["id"], &first["next"]), (&"5".into(), &"4".into()));
    let rest = json(&router, "/api/jobs?limit=200&before=4").await;
    assert_eq!(rest["jobs"].as_array().unwrap().len(), 3);
    assert_eq!(rest["next"], Value::Null);
    for wrong in ["limit=0", "limit=201", "limit=x", "before=-1", "before=0x4", "before="] {
        let (status, body) = get(&router, &format!("/api/jobs?{wrong}")).await;
        assert_eq!(status, StatusCode::BAD_REQUEST, "{wrong}: {body}");
        assert!(body.contains("error"), "{body}");
    }
}

#[tokio::test]
async fn a_policy_that_does_not_hold_is_told_of() {
    let folder = tempfile::tempdir().unwrap();
    let source = source(&folder, None).await;
    source.status.policy_trouble(Some(("policy-refused", "line 3: <no price>".into())));
    let router = served(source).await;
    let status = json(&router, "/api/status").await;
    assert_eq!(status["policy"]["trouble"], "line 3: <no price>");
    assert_eq!(status["counts"]["policy-refused"], 1);
    let (_, page) = get(&router, "/").await;
    assert!(page.contains("line 3: &lt;no price&gt;"), "{page}");
    let (_, metrics) = get(&router, "/metrics").await;
    assert!(metrics.contains("assay_relayer_policy_trouble 1\n"), "{metrics}");
}

#[tokio::test]
async fn a_job_tells_what_became_of_it() {
    let folder = tempfile::tempdir().unwrap();
    let router = served(source(&folder, None).await).await;
    let failed = json(&router, "/api/jobs/2").await;
    assert_eq!((&failed["state"], &failed["settled"]), (&"failed".into(), &true.into()));
    assert_eq!(failed["timeline"][1]["at"], 1_900_000_009);
    assert_eq!(failed["price"], "50000000000000000");
    assert_eq!(get(&router, "/api/jobs/77").await.0, StatusCode::NOT_FOUND);
    let huge = format!("/api/jobs/{}", "9".repeat(90));
    for wrong in ["/api/jobs/x", huge.as_str()] {
        assert_eq!(get(&router, wrong).await.0, StatusCode::BAD_REQUEST, "{wrong}");
    }
}

#[tokio::test]
async fn writing_takes_the_token() {
    let folder = tempfile::tempdir().unwrap();
    let source = source(&folder, Some(TOKEN)).await;
    let router = served(source.clone()).await;
    let post = async |path: &str, token: Option<&str>| {
        let mut builder = request(Method::POST, path);
        if let Some(token) = token {
            builder = builder.header(header::AUTHORIZATION, format!("Bearer {token}"));
        }
        ask(&router, builder.body(Body::empty()).unwrap()).await
    };
    for wrong in [None, Some(""), Some("0123456789abcdeX"), Some("0123456789abcdef0")] {
        assert_eq!(post("/api/jobs/2/retry", wrong).await.0, StatusCode::UNAUTHORIZED);
    }
    assert_eq!(source.store.job(U256::from(2)).await.unwrap().unwrap().state().name(), "failed");
    let (status, body) = post("/api/jobs/2/retry", Some(TOKEN)).await;
    assert_eq!(status, StatusCode::OK, "{body}");
    assert_eq!(source.store.job(U256::from(2)).await.unwrap().unwrap().state().name(), "seen");
    // Nothing is tried again that goes on already, or that the chain has ended.
    for (id, expected) in
        [(2, StatusCode::CONFLICT), (3, StatusCode::CONFLICT), (9, StatusCode::NOT_FOUND)]
    {
        let (status, body) = post(&format!("/api/jobs/{id}/retry"), Some(TOKEN)).await;
        assert_eq!(status, expected, "{id}: {body}");
    }
}

#[tokio::test]
async fn without_a_token_nobody_writes() {
    let folder = tempfile::tempdir().unwrap();
    let router = served(source(&folder, None).await).await;
    let builder = request(Method::POST, "/api/jobs/2/retry");
    let builder = builder.header(header::AUTHORIZATION, "Bearer ");
    let (status, body) = ask(&router, builder.body(Body::empty()).unwrap()).await;
    assert_eq!(status, StatusCode::FORBIDDEN, "{body}");
    for short in ["", "0123456789abcde", "0123456789 abcdef"] {
        assert!(Token::new(short).is_err(), "{short}");
    }
}

#[tokio::test]
async fn another_name_for_this_machine_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let source = source(&folder, None).await;
    let local = served(source.clone()).await;
    let named = |host: &str| {
        let builder = Request::builder().uri("/api/status").header(header::HOST, host);
        builder.body(Body::empty()).unwrap()
    };
    for own in ["localhost", "localhost:9464", "127.0.0.1:9464", "[::1]:9464"] {
        assert_eq!(ask(&local, named(own)).await.0, StatusCode::OK, "{own}");
    }
    for other in ["evil.example", "evil.example:9464", "localhost.evil.example", ""] {
        assert_eq!(ask(&local, named(other)).await.0, StatusCode::MISDIRECTED_REQUEST, "{other}");
    }
    // Whoever serves a network has its names.
    let (_renewing, newest) = snapshot::renewed(source.clone()).await;
    let network = router(source, newest, ([0, 0, 0, 0], 80).into());
    assert_eq!(ask(&network, named("relayer.example")).await.0, StatusCode::OK);
}

#[tokio::test]
async fn watchers_are_told() {
    let folder = tempfile::tempdir().unwrap();
    let router = served(source(&folder, None).await).await;
    let (status, early) = get(&router, "/ready").await;
    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
    assert!(early.contains("starting"), "{early}");
    assert_eq!(get(&router, "/health").await.0, StatusCode::OK);
    let (_, metrics) = get(&router, "/metrics").await;
    assert!(
        metrics.contains("\nassay_relayer_ready 0\n") && metrics.ends_with("# EOF\n"),
        "{metrics}"
    );
    assert_eq!(get(&router, "/api/quote").await.0, StatusCode::SERVICE_UNAVAILABLE);
    let (status, body) = get(&router, "/else").await;
    assert_eq!(status, StatusCode::NOT_FOUND);
    assert!(body.contains("openapi"), "{body}");
    let post = request(Method::POST, "/ready").body(Body::empty()).unwrap();
    assert_eq!(ask(&router, post).await.0, StatusCode::METHOD_NOT_ALLOWED);
}

#[tokio::test]
async fn the_document_names_every_path() {
    let folder = tempfile::tempdir().unwrap();
    let router = served(source(&folder, None).await).await;
    let document = json(&router, "/api/openapi.json").await;
    assert_eq!(document, serde_json::from_str::<Value>(&openapi()).unwrap());
    let paths = document["paths"].as_object().unwrap();
    for path in [
        "/health",
        "/ready",
        "/metrics",
        "/api/jobs",
        "/api/jobs/{id}",
        "/api/jobs/{id}/retry",
        "/api/events",
    ] {
        assert!(paths.contains_key(path), "{path}: {paths:?}");
    }
    assert_eq!(
        paths["/api/jobs/{id}/retry"]["post"]["security"][0]["token"],
        serde_json::json!([])
    );
}

#[tokio::test]
async fn the_page_shows_jobs_and_escapes_what_others_wrote() {
    let folder = tempfile::tempdir().unwrap();
    let router = served(source(&folder, None).await).await;
    let (status, page) = get(&router, "/").await;
    assert_eq!(status, StatusCode::OK);
    assert!(page.contains("/jobs/5") && page.contains("0.05 ether"), "{page}");
    assert!(page.contains("&lt;b&gt;no input") && !page.contains("<b>no input"), "{page}");
    let (status, job) = get(&router, "/jobs/2").await;
    assert_eq!(status, StatusCode::OK);
    assert!(job.contains("failed") && job.contains("data-unix=\"1900000009\""), "{job}");
    assert_eq!(get(&router, "/jobs/88").await.0, StatusCode::NOT_FOUND);
    assert_eq!(get(&router, "/page.js").await.0, StatusCode::OK);
    assert_eq!(get(&router, "/style.css").await.0, StatusCode::OK);
}

#[tokio::test]
async fn changes_come_as_a_stream_that_ends_with_the_server() {
    let folder = tempfile::tempdir().unwrap();
    let source = source(&folder, None).await;
    let server = Server::bind(([127, 0, 0, 1], 0).into(), source.clone()).await.unwrap();
    let address = server.address().unwrap();
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let serving = tokio::spawn(server.serve(async { drop(stopped.await) }));
    let mut stream = tokio::net::TcpStream::connect(address).await.unwrap();
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let request = format!("GET /api/events HTTP/1.1\r\nhost: {address}\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut read = String::new();
    let mut until = async |text: &str| {
        let mut part = [0; 4096];
        while !read.contains(text) {
            let count = tokio::time::timeout(Duration::from_secs(10), stream.read(&mut part)).await;
            let count = count.unwrap().unwrap();
            assert!(count > 0, "ended before {text}: {read}");
            read.push_str(&String::from_utf8_lossy(&part[..count]));
        }
    };
    until("event: snapshot").await;
    source.store.retry(U256::from(2)).await.unwrap();
    until("\"at\":1900000009},{\"state\":\"seen\"").await;
    drop(stop);
    tokio::time::timeout(Duration::from_secs(10), serving).await.unwrap().unwrap();
}
