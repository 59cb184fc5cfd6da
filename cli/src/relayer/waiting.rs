//! What a program that runs for long waits for.

use assay_client::{ChainError, PredictionEscrowError};
use assay_relayer::RelayerError;

/// Whether trouble is that of nodes that do not answer, which may pass.
pub(super) fn is_node_trouble(error: &anyhow::Error) -> bool {
    let passes = |error: &ChainError| {
        matches!(error, ChainError::Unreachable { .. } | ChainError::Incomplete { .. })
    };
    error.chain().any(|cause| {
        let chain = cause.downcast_ref::<ChainError>();
        let escrow = cause.downcast_ref::<PredictionEscrowError>();
        let relayer = cause.downcast_ref::<RelayerError>();
        chain.is_some_and(passes)
            || matches!(escrow, Some(PredictionEscrowError::Chain(error)) if passes(error))
            || matches!(relayer, Some(RelayerError::Chain(error)) if passes(error))
    })
}

/// Resolves when the process is asked to stop.
pub(super) async fn interrupted() -> std::io::Result<()> {
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        let mut terminate = signal(SignalKind::terminate())?;
        tokio::select! {
            result = tokio::signal::ctrl_c() => result,
            _ = terminate.recv() => Ok(()),
        }
    }
    #[cfg(not(unix))]
    tokio::signal::ctrl_c().await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_silent_nodes_are_waited_for() {
        let node = || "http://node".to_owned();
        let silent = || ChainError::Unreachable {
            node: node(),
            operation: "connect".into(),
            reason: "refused".into(),
        };
        for passing in [
            anyhow::Error::from(silent()).context("the escrow"),
            RelayerError::Chain(silent()).into(),
            PredictionEscrowError::Chain(silent()).into(),
        ] {
            assert!(is_node_trouble(&passing), "{passing}");
        }
        let wrong = ChainError::WrongChain { node: node(), expected: 1, found: 5 };
        assert!(!is_node_trouble(&wrong.into()));
        assert!(!is_node_trouble(&anyhow::anyhow!("the bundle holds another model")));
    }
}
