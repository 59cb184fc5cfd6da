//! The relayer's log.

use tracing::{Level, Metadata};
use tracing_subscriber::{
    EnvFilter, filter::filter_fn, layer::SubscriberExt, util::SubscriberInitExt,
};

/// Sends the log to stderr, at the level of ASSAY_LOG.
pub(super) fn start_log(quiet: bool) {
    let filter = EnvFilter::try_from_env("ASSAY_LOG")
        .unwrap_or_else(|_| EnvFilter::new(if quiet { "warn" } else { "info" }));
    tracing_subscriber::registry()
        .with(filter)
        .with(filter_fn(keeps_secrets))
        .with(tracing_subscriber::fmt::layer().with_writer(std::io::stderr))
        .init();
}

/// Whether a message may be logged. What the libraries underneath say in detail holds the node's
/// whole address, and in it may be a key.
fn keeps_secrets(metadata: &Metadata<'_>) -> bool {
    metadata.target().starts_with("assay") || *metadata.level() <= Level::INFO
}
