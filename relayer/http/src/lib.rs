//! What a relayer says over HTTP, and the one thing that it does when asked with a token.
//!
//! | path | what |
//! |---|---|
//! | `/` and `/jobs/ID` | the page: jobs with what became of them and when, money, nodes, openings |
//! | `/health`, `/ready`, `/metrics` | for programs that watch it; OpenMetrics' text |
//! | `/api/...` | the same as JSON, changes as a stream, a job tried again; `/api/openapi.json` describes it |
//!
//! Reading needs no token, so a [`Server`] is bound to this machine unless its owner says otherwise. There it
//! answers requests for a name of this machine only, so that a page of the web cannot have its own name point
//! here and read what is written for the owner (DNS rebinding).

#![cfg_attr(test, allow(clippy::unwrap_used))]

mod access;
mod api;
mod events;
mod page;
mod snapshot;
mod views;

use std::{future::Future, io, net::SocketAddr, sync::Arc};

use assay_relayer::{JobStore, StatusBoard};
use axum::{Router, middleware};
use tokio::{net::TcpListener, sync::watch};

pub use access::{Token, TokenError};
pub use snapshot::{About, Snapshot};
pub use views::{
    DutyView, HeadView, JobList, JobView, LeftAloneView, NodeView, ObstacleView, OpeningsView,
    Problem, QuoteView, StatusView, StepView,
};

/// What the answers are made of.
#[derive(Clone)]
pub struct Source {
    /// The relayer's state.
    pub status: StatusBoard,
    /// Its jobs.
    pub store: JobStore,
    /// What does not change while it runs.
    pub about: About,
    /// What writing takes; without one nothing is written.
    pub token: Option<Token>,
}

/// What each request sees.
#[derive(Clone)]
pub(crate) struct Shared {
    source: Source,
    /// Renewed each second while the server serves.
    newest: watch::Receiver<Arc<Snapshot>>,
    /// Streams that may still be opened.
    streams: Arc<tokio::sync::Semaphore>,
}

/// Most streams of changes at a time: whoever has more is no watcher.
const MOST_STREAMS: usize = 64;

/// A listener that is bound, and answers while [`Server::serve`] runs.
pub struct Server {
    listener: TcpListener,
    source: Source,
}

impl Server {
    /// Binds an address; port 0 stands for a free one.
    ///
    /// # Errors
    /// Those of the operating system, for an address that is taken or not of this machine.
    pub async fn bind(address: SocketAddr, source: Source) -> io::Result<Self> {
        Ok(Self { listener: TcpListener::bind(address).await?, source })
    }

    /// Where it listens.
    ///
    /// # Errors
    /// Those of the operating system.
    pub fn address(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// Answers until `end`. A watcher's trouble is the watcher's.
    pub async fn serve(self, end: impl Future<Output = ()> + Send + 'static) {
        let here = match self.address() {
            Ok(address) => address,
            Err(error) => {
                tracing::error!(%error, "the page and the API are not served");
                return;
            }
        };
        let (renewing, newest) = snapshot::renewed(self.source.clone()).await;
        let router = router(self.source, newest, here);
        let served = axum::serve(self.listener, router);
        let stop = renewing.stopper();
        let served = served.with_graceful_shutdown(async move {
            end.await;
            // Streams have no end of their own.
            drop(stop);
        });
        if let Err(error) = served.await {
            tracing::error!(%error, "the page and the API are not served any more");
        }
    }
}

/// All paths, at an address.
pub(crate) fn router(
    source: Source,
    newest: watch::Receiver<Arc<Snapshot>>,
    here: SocketAddr,
) -> Router {
    let streams = Arc::new(tokio::sync::Semaphore::new(MOST_STREAMS));
    let shared = Shared { source, newest, streams };
    api::router()
        .merge(page::router())
        .fallback(api::no_such_path)
        .method_not_allowed_fallback(api::no_such_method)
        .layer(middleware::from_fn(move |request, next| access::own_names(here, request, next)))
        .with_state(shared)
}

/// The API's OpenAPI document, as JSON.
pub fn openapi() -> String {
    api::document().to_pretty_json().unwrap_or_default()
}

#[cfg(test)]
mod tests;
