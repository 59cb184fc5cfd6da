//! Several nodes of one chain behind one connection.
//!
//! A request goes to the healthiest node, and to the next where that one does not answer. Which node
//! answered matters where one alone must not decide: then each is asked by itself
//! ([`Chain::each_node`](super::Chain::each_node)).

use std::{
    future::poll_fn,
    sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError},
    task::{Context, Poll},
    time::Duration,
};

use alloy::{
    primitives::U64,
    rpc::json_rpc::{Id, Request, RequestPacket, ResponsePacket},
    transports::{
        BoxTransport, Transport, TransportError, TransportErrorKind, TransportFut, http::Http,
        ws::WsConnect,
    },
};
use alloy::{pubsub::PubSubConnect, transports::http::Client};
use tokio::{sync::OnceCell, time::Instant};
use tower::Service;
use url::Url;

use super::{
    refusals::is_transient_refusal,
    retry::{is_log_query, is_transient},
};

/// Trouble counts half after this long.
const HALF_LIFE: Duration = Duration::from_secs(20);
/// From this score on others are asked first.
const UNWELL: f64 = 0.5;

/// How a node has answered so far.
#[derive(Clone, Debug, PartialEq)]
pub struct NodeHealth {
    /// Its address without path, query and credentials: fit for logs.
    pub node: String,
    /// 0 for a node that answers; each failure adds 1, which is halved every 20 seconds and by each answer.
    pub score: f64,
    /// Requests that it answered.
    pub answered: u64,
    /// Requests that it did not answer, or refused for the moment.
    pub failed: u64,
    /// Whether it serves another chain than the connection is about; nothing is asked of it then.
    pub other_chain: bool,
}

/// One node.
pub(super) struct Node {
    pub(super) label: Arc<str>,
    url: Url,
    /// Made with the first request: a node may be down at the start.
    transport: OnceCell<BoxTransport>,
    state: Mutex<State>,
}

struct State {
    score: f64,
    at: Instant,
    answered: u64,
    failed: u64,
    /// Whether it serves the connection's chain, once it has said so.
    right_chain: Option<bool>,
}

impl Node {
    pub(super) fn new(url: Url, label: Arc<str>) -> Self {
        let state =
            State { score: 0.0, at: Instant::now(), answered: 0, failed: 0, right_chain: None };
        Self { label, url, transport: OnceCell::new(), state: Mutex::new(state) }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes what chain it serves.
    pub(super) fn identified(&self, right_chain: bool) {
        self.state().right_chain = Some(right_chain);
    }

    /// Whether it serves the connection's chain, as far as it has said so.
    pub(super) fn is_identified(&self) -> bool {
        self.state().right_chain == Some(true)
    }

    /// Notes trouble beyond an answer that did not come, such as blocks that it alone has.
    pub(super) fn distrust(&self) {
        let mut state = self.state();
        state.decay();
        state.score += 1.0;
    }

    pub(super) fn health(&self) -> NodeHealth {
        let mut state = self.state();
        state.decay();
        NodeHealth {
            node: self.label.to_string(),
            score: state.score,
            answered: state.answered,
            failed: state.failed,
            other_chain: state.right_chain == Some(false),
        }
    }

    async fn connected(&self) -> Result<BoxTransport, TransportError> {
        let connect = async || match self.url.scheme() {
            "http" | "https" => Ok(Http::<Client>::new(self.url.clone()).boxed()),
            _ => Ok::<_, TransportError>(ws_connect(&self.url).into_service().await?.boxed()),
        };
        self.transport.get_or_try_init(connect).await.cloned()
    }

    async fn send(
        &self,
        request: RequestPacket,
        limit: Duration,
    ) -> Result<ResponsePacket, TransportError> {
        let answer = async {
            let mut transport = self.connected().await?;
            poll_fn(|context| transport.poll_ready(context)).await?;
            transport.call(request).await
        };
        match tokio::time::timeout(limit, answer).await {
            Ok(answer) => answer,
            Err(_) => Err(TransportErrorKind::custom_str(&format!(
                "no answer within {} s",
                limit.as_secs()
            ))),
        }
    }

    /// Asks what chain it serves, where it has not said so yet.
    async fn identify(&self, chain: u64, limit: Duration) -> Result<(), TransportError> {
        if self.state().right_chain.is_none() {
            let question = Request::new("eth_chainId", Id::Number(0), ());
            let question = question.serialize().map_err(TransportError::SerError)?;
            let answer = self.send(question.into(), limit).await?;
            let found = answer
                .single_payload()
                .and_then(|payload| payload.try_success_as::<U64>())
                .and_then(Result::ok);
            // A refusal says nothing about the chain.
            let found = found.ok_or_else(|| {
                TransportErrorKind::custom_str("it does not say what chain it serves")
            })?;
            let right = found.to::<u64>() == chain;
            if !right {
                tracing::error!(node = %self.label, found = found.to::<u64>(), chain, "the node serves another chain and is not asked");
            }
            self.identified(right);
        }
        if self.state().right_chain == Some(false) {
            return Err(TransportErrorKind::custom_str("it serves another chain"));
        }
        Ok(())
    }

    async fn ask(
        &self,
        request: RequestPacket,
        chain: Option<u64>,
        limit: Duration,
    ) -> Result<ResponsePacket, TransportError> {
        let log_query = is_log_query(&request);
        let answer = async {
            if let Some(chain) = chain {
                self.identify(chain, limit).await?;
            }
            self.send(request, limit).await
        };
        let answer = answer.await;
        // A query for logs that is too wide says nothing about the node.
        let fails = !log_query && has_failed(&answer);
        let mut state = self.state();
        state.decay();
        if fails {
            state.failed += 1;
            state.score += 1.0;
        } else {
            state.answered += 1;
            state.score /= 2.0;
        }
        answer
    }
}

impl State {
    fn decay(&mut self) {
        let now = Instant::now();
        let lives = (now - self.at).as_secs_f64() / HALF_LIFE.as_secs_f64();
        (self.score, self.at) = (self.score * 0.5f64.powf(lives), now);
    }
}

/// Whether another node should be asked.
fn has_failed(answer: &Result<ResponsePacket, TransportError>) -> bool {
    match answer {
        Ok(answer) => answer.as_error().is_some_and(|e| is_transient_refusal(e.code, &e.message)),
        Err(error) => is_transient(error) || matches!(error, TransportError::Transport(_)),
    }
}

/// Reconnects without end: how long a request may wait is its time limit's business.
fn ws_connect(url: &Url) -> WsConnect {
    WsConnect::new(url.as_str())
        .with_max_retries(u32::MAX)
        .with_retry_interval(Duration::from_secs(1))
}

/// The transport over several nodes, or over one.
#[derive(Clone)]
pub(super) struct Routed {
    nodes: Arc<[Arc<Node>]>,
    /// Known once one of them has said it.
    chain: Arc<OnceLock<u64>>,
    limit: Duration,
}

impl Routed {
    pub(super) fn new(nodes: Arc<[Arc<Node>]>, chain: Arc<OnceLock<u64>>, limit: Duration) -> Self {
        Self { nodes, chain, limit }
    }

    /// The healthiest first; among equals in the order in which they were given.
    fn in_order(&self) -> Vec<Arc<Node>> {
        let mut nodes: Vec<_> = self
            .nodes
            .iter()
            .map(|node| {
                let health = node.health();
                let trouble = if health.score < UNWELL { 0.0 } else { health.score };
                (health.other_chain, trouble, node.clone())
            })
            .collect();
        nodes.sort_by(|a, b| (a.0.cmp(&b.0)).then(a.1.total_cmp(&b.1)));
        nodes.into_iter().map(|(.., node)| node).collect()
    }
}

impl Service<RequestPacket> for Routed {
    type Response = ResponsePacket;
    type Error = TransportError;
    type Future = TransportFut<'static>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: RequestPacket) -> Self::Future {
        let (nodes, chain, limit) = (self.in_order(), self.chain.get().copied(), self.limit);
        Box::pin(async move {
            let mut first = None;
            for node in nodes {
                let answer = node.ask(request.clone(), chain, limit).await;
                if !has_failed(&answer) {
                    return answer;
                }
                // The preferred node's trouble says more than that of the last resort.
                first.get_or_insert(answer);
            }
            first.unwrap_or_else(|| Err(TransportErrorKind::custom_str("there is no node to ask")))
        })
    }
}
