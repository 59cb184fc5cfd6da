//! Settings of the relayer.

use std::{collections::HashMap, path::PathBuf, time::Duration};

use alloy::primitives::{Address, B256, U256};

use crate::submitter::SubmitPolicy;

const LEAST_MARGIN: Duration = Duration::from_secs(30);

/// What a job in the native currency has to leave beyond its costs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Profit {
    /// In wei.
    pub minimum: U256,
    /// What one proof costs, in wei: the machine's time, and an opening of the weights.
    pub proving_cost: U256,
}

/// Settings of a relayer.
#[derive(Clone, Debug)]
pub struct RelayerConfig {
    /// File of the job store.
    pub store: PathBuf,
    /// Who is paid; the signing account for `None`.
    pub recipient: Option<Address>,
    /// First block to read on a fresh store: that of the escrow's deployment, or earlier.
    pub start_block: u64,
    /// Most blocks asked for in one log query; narrowed by itself where a node wants less, down to one.
    pub max_log_range: u64,
    /// How often the chain is looked at.
    pub poll_interval: Duration,
    /// Proofs made at the same time.
    pub parallel_proofs: usize,
    /// Jobs with less time than this before their deadline are not begun; `None` for one and a
    /// half times what a proof is expected to take, and half a minute at least.
    pub deadline_margin: Option<Duration>,
    /// Tokens accepted and the least price in each; the zero address is the native currency. A
    /// claim costs gas whatever it pays, so there is no price that suits every chain.
    pub minimum_prices: HashMap<Address, U256>,
    /// What a job in the native currency has to leave; `None` looks at its price alone.
    pub profit: Option<Profit>,
    /// Bytes that the store's disk must have free before a proof is begun.
    pub least_disk: u64,
    /// Settled jobs are forgotten this long after their deadline, by the chain's time.
    pub keep_settled: Duration,
    /// Serve jobs of this binding only: the registry's entry that was checked, with its owner, verifying
    /// key and verifier. `None` serves every entry of the prover's model.
    pub binding: Option<B256>,
    /// Limits on claims and other transactions.
    pub submit: SubmitPolicy,
    /// Whether to withdraw what was earned after each payment. Only where the recipient is the
    /// signing account.
    pub withdraw: bool,
    /// How long running proofs are waited for when told to stop.
    pub shutdown_grace: Duration,
}

impl RelayerConfig {
    /// The defaults, with a store at `store`. No payment is accepted before there is a minimum
    /// price.
    pub fn new(store: impl Into<PathBuf>) -> Self {
        Self {
            store: store.into(),
            recipient: None,
            start_block: 0,
            max_log_range: 2_000,
            poll_interval: Duration::from_secs(2),
            parallel_proofs: 1,
            deadline_margin: None,
            minimum_prices: HashMap::new(),
            profit: None,
            least_disk: 64 << 20,
            keep_settled: Duration::from_secs(30 * 24 * 3600),
            binding: None,
            submit: SubmitPolicy::default(),
            withdraw: true,
            shutdown_grace: Duration::from_secs(30),
        }
    }

    /// The margin before a deadline, with a prover whose proofs are expected to take that long.
    pub fn margin(&self, expected: Duration) -> Duration {
        self.deadline_margin.unwrap_or_else(|| LEAST_MARGIN.max(expected.saturating_mul(3) / 2))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_margin_follows_the_proving_time_unless_it_is_set() {
        let mut config = RelayerConfig::new("store");
        let seconds = Duration::from_secs;
        assert_eq!(config.margin(Duration::ZERO), seconds(30));
        assert_eq!(config.margin(seconds(19)), seconds(30));
        assert_eq!(config.margin(seconds(400)), seconds(600));
        config.deadline_margin = Some(seconds(5));
        assert_eq!(config.margin(seconds(400)), seconds(5));
    }
}
