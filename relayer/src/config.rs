//! Settings of the relayer.

use std::{collections::HashMap, path::PathBuf, time::Duration};

use alloy::primitives::{Address, U256};

use crate::submitter::SubmitPolicy;

/// Settings of a relayer.
#[derive(Clone, Debug)]
pub struct RelayerConfig {
    /// File of the job store.
    pub store: PathBuf,
    /// Who is paid; the signing account for `None`.
    pub recipient: Option<Address>,
    /// First block to read on a fresh store: that of the escrow's deployment, or earlier.
    pub start_block: u64,
    /// Most blocks asked for in one log query; narrowed by itself where a node wants less.
    pub max_log_range: u64,
    /// How often the chain is looked at.
    pub poll_interval: Duration,
    /// Proofs made at the same time.
    pub parallel_proofs: usize,
    /// Failed tries to prove before a job is given up.
    pub max_prove_attempts: u32,
    /// Jobs with less time than this before their deadline are not begun.
    pub deadline_margin: Duration,
    /// Tokens accepted and the least price in each; the zero address is the chain's own coin.
    pub minimum_prices: HashMap<Address, U256>,
    pub submit: SubmitPolicy,
    /// Whether to withdraw what was earned after each payment. Only where the recipient is the
    /// signing account.
    pub withdraw: bool,
    /// How long running proofs are waited for when told to stop.
    pub shutdown_grace: Duration,
}

impl RelayerConfig {
    /// The defaults, with a store at `store`: payment in the chain's own coin, of any amount.
    pub fn new(store: impl Into<PathBuf>) -> Self {
        Self {
            store: store.into(),
            recipient: None,
            start_block: 0,
            max_log_range: 2_000,
            poll_interval: Duration::from_secs(2),
            parallel_proofs: 1,
            max_prove_attempts: 5,
            deadline_margin: Duration::from_secs(30),
            minimum_prices: HashMap::from([(Address::ZERO, U256::ONE)]),
            submit: SubmitPolicy::default(),
            withdraw: true,
            shutdown_grace: Duration::from_secs(30),
        }
    }
}
