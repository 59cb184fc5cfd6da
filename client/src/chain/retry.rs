//! Retries with exponential backoff, as a layer under the provider, so that every request has them.
//!
//! A request may reach the node more than once. That is harmless for reads, and for
//! `eth_sendRawTransaction` because a signed transaction is identified by its hash and nonce.

use super::refusals::{is_rate_limit, is_transient_refusal};
use std::{
    task::{Context, Poll},
    time::Duration,
};

use alloy::{
    rpc::json_rpc::{RequestPacket, ResponsePacket, RpcError},
    transports::{TransportError, TransportErrorKind, TransportFut},
};
use rand::Rng;
use tower::{Layer, Service};

/// Limits of the retries of one request.
#[derive(Clone, Debug)]
pub struct RetryConfig {
    /// Attempts after the first.
    pub max_retries: u32,
    /// Pause before the first retry; doubles each time, plus or minus a quarter at random.
    pub initial_backoff: Duration,
    /// The longest pause.
    pub max_backoff: Duration,
    /// How long one attempt at one node may take.
    pub request_timeout: Duration,
}

impl Default for RetryConfig {
    fn default() -> Self {
        Self {
            max_retries: 4,
            initial_backoff: Duration::from_millis(250),
            max_backoff: Duration::from_secs(8),
            request_timeout: Duration::from_secs(30),
        }
    }
}

impl RetryConfig {
    /// Pause before retry number `retry` (from 0), without the random part.
    pub(crate) fn backoff(&self, retry: u32) -> Duration {
        self.initial_backoff
            .saturating_mul(1u32.checked_shl(retry.min(20)).unwrap_or(u32::MAX))
            .min(self.max_backoff)
    }
}

#[derive(Clone, Debug)]
pub(crate) struct RetryLayer {
    config: RetryConfig,
}

impl RetryLayer {
    pub(crate) fn new(config: RetryConfig) -> Self {
        Self { config }
    }
}

impl<S> Layer<S> for RetryLayer {
    type Service = RetryService<S>;

    fn layer(&self, inner: S) -> Self::Service {
        RetryService { inner, config: self.config.clone() }
    }
}

#[derive(Clone, Debug)]
pub(crate) struct RetryService<S> {
    inner: S,
    config: RetryConfig,
}

impl<S> Service<RequestPacket> for RetryService<S>
where
    S: Service<
            RequestPacket,
            Response = ResponsePacket,
            Future = TransportFut<'static>,
            Error = TransportError,
        > + Clone
        + Send
        + 'static,
{
    type Response = ResponsePacket;
    type Error = TransportError;
    type Future = TransportFut<'static>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: RequestPacket) -> Self::Future {
        // The ready service is the one to use; its clone takes its place.
        let clone = self.inner.clone();
        let mut inner = std::mem::replace(&mut self.inner, clone);
        let config = self.config.clone();
        let log_query = is_log_query(&request);
        Box::pin(async move {
            let mut retry = 0;
            loop {
                let error = match inner.call(request.clone()).await {
                    // A refusal inside the answer goes to the caller unless it is a passing one.
                    Ok(response) => match response.as_error() {
                        Some(error) if is_transient_refusal(error.code, &error.message) => {
                            let refusal = RpcError::ErrorResp(error.clone());
                            if retry >= patience(&refusal, log_query, &config) {
                                return Ok(response);
                            }
                            refusal
                        }
                        _ => return Ok(response),
                    },
                    Err(error) => error,
                };
                if retry >= patience(&error, log_query, &config) {
                    return Err(error);
                }
                let pause = hinted(&error)
                    .unwrap_or_else(|| jittered(config.backoff(retry)))
                    .min(config.max_backoff);
                retry += 1;
                tracing::debug!(
                    retry,
                    pause_ms = pause.as_millis() as u64,
                    "RPC request failed, trying again"
                );
                tokio::time::sleep(pause).await;
            }
        })
    }
}

/// How often a request that met this error is repeated. Whoever asks for logs narrows the query at once: nodes
/// refuse wide ones in all words there are, "rate limit" apart.
fn patience(error: &TransportError, log_query: bool, config: &RetryConfig) -> u32 {
    match error {
        _ if !is_transient(error) => 0,
        RpcError::ErrorResp(refusal) if log_query && !is_rate_limit(&refusal.message) => 0,
        // A broken connection; a status may well mean the query.
        error if log_query && error.as_error_resp().is_none() && status(error) != Some(429) => {
            u32::from(status(error).is_none()).min(config.max_retries)
        }
        _ => config.max_retries,
    }
}

/// The HTTP status that came in place of an answer.
fn status(error: &TransportError) -> Option<u16> {
    match error {
        RpcError::Transport(
            TransportErrorKind::HttpError(error)
            | TransportErrorKind::HttpErrorWithRetryAfter { error, .. },
        ) => Some(error.status),
        _ => None,
    }
}

/// Whether a request asks for logs.
pub(crate) fn is_log_query(request: &RequestPacket) -> bool {
    request.as_single().is_some_and(|request| request.method() == "eth_getLogs")
}

/// Whether repeating the request may help.
pub(crate) fn is_transient(error: &TransportError) -> bool {
    match error {
        RpcError::Transport(kind) => match (status(error), kind) {
            (Some(status), _) => matches!(status, 408 | 410 | 425 | 429 | 500 | 502 | 503 | 504),
            (_, TransportErrorKind::NonRetryable(_) | TransportErrorKind::PubsubUnavailable) => {
                false
            }
            _ => true,
        },
        RpcError::ErrorResp(payload) => is_transient_refusal(payload.code, &payload.message),
        RpcError::NullResp => true,
        // A body cut off on the way does not parse.
        RpcError::DeserError { .. } => true,
        _ => false,
    }
}

fn hinted(error: &TransportError) -> Option<Duration> {
    match error {
        RpcError::Transport(kind) => kind.retry_after(),
        _ => None,
    }
}

/// Spreads clients that failed together.
fn jittered(pause: Duration) -> Duration {
    pause.mul_f64(rand::thread_rng().gen_range(0.75..1.25))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn backoff_doubles_up_to_the_cap() {
        let config = RetryConfig {
            initial_backoff: Duration::from_millis(100),
            max_backoff: Duration::from_secs(1),
            ..RetryConfig::default()
        };
        let pauses: Vec<u128> = (0..6).map(|i| config.backoff(i).as_millis()).collect();
        assert_eq!(pauses, [100, 200, 400, 800, 1000, 1000]);
        assert_eq!(config.backoff(u32::MAX), Duration::from_secs(1));
    }

    #[test]
    fn passing_faults_are_told_from_lasting_ones() {
        assert!(is_transient(&TransportErrorKind::http_error(503, String::new())));
        assert!(is_transient(&TransportErrorKind::custom_str("connection refused")));
        assert!(!is_transient(&TransportErrorKind::http_error(401, String::new())));
        assert!(is_transient_refusal(-32000, "Rate limit reached"));
        assert!(is_transient_refusal(-32005, "limit exceeded"));
        assert!(!is_transient_refusal(-32603, "nonce too low"));
        assert!(!is_transient_refusal(-32005, "query returned more than 10000 results"));
    }
}
