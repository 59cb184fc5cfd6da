//! The relayer's log.

use tracing::{Level, Metadata};
use tracing_subscriber::{
    EnvFilter, Layer, filter::filter_fn, layer::SubscriberExt, util::SubscriberInitExt,
};

use super::json_log::JsonLines;

/// Sends the log to stderr, at the level of ASSAY_LOG; as lines of JSON if wanted.
pub(super) fn start_log(quiet: bool, json: bool) {
    let filter = EnvFilter::try_from_env("ASSAY_LOG")
        .unwrap_or_else(|_| EnvFilter::new(if quiet { "warn" } else { "info" }));
    let lines = tracing_subscriber::fmt::layer().with_writer(std::io::stderr);
    let lines = if json { lines.event_format(JsonLines).boxed() } else { lines.boxed() };
    tracing_subscriber::registry().with(filter).with(filter_fn(keeps_secrets)).with(lines).init();
}

/// Whether a message may be logged. What the libraries underneath say in detail holds the node's
/// whole address, and in it may be a key.
fn keeps_secrets(metadata: &Metadata<'_>) -> bool {
    metadata.target().starts_with("assay") || *metadata.level() <= Level::INFO
}
