//! Does what the contracts leave an account to do that needs no proof: settles, refunds, releases, punishes, closes and
//! withdraws, where that pays the account.

use std::time::Duration;

use alloy::primitives::Address;
use assay_client::{ContractClient, PredictionEscrow, chain::BlockRef};
use tokio_util::sync::CancellationToken;

use crate::{
    config::DutyConfig,
    duties::Duties,
    error::RelayerError,
    heads::{HeadWatch, Heads},
    nonces::Nonces,
    store::{JobStore, StorePlace},
    submitter::SubmitPolicy,
    watch::{Proving, Source, keeping_watches},
};

/// Settings of a keeper.
#[derive(Clone, Debug)]
pub struct KeeperConfig {
    /// Where the store is; a relayer's, if it does not run.
    pub store: StorePlace,
    /// First block to read on a fresh store: that of the contracts' deployment, or earlier.
    pub start_block: u64,
    /// Most blocks asked for in one log query.
    pub max_log_range: u64,
    /// How often the chain is looked at.
    pub poll_interval: Duration,
    /// The contracts beside the prediction escrow, and tokens.
    pub duties: DutyConfig,
    /// Limits on transactions.
    pub submit: SubmitPolicy,
    /// Whether to withdraw what the contracts owe.
    pub withdraw: bool,
}

impl KeeperConfig {
    /// The defaults, with a store at `store`.
    pub fn new(store: impl Into<StorePlace>) -> Self {
        Self {
            store: store.into(),
            start_block: 0,
            max_log_range: 2_000,
            poll_interval: Duration::from_secs(12),
            duties: DutyConfig { keep: true, ..DutyConfig::default() },
            submit: SubmitPolicy::default(),
            withdraw: true,
        }
    }
}

/// Keeps the escrows of one deployment for the signing account.
pub struct Keeper {
    escrow: PredictionEscrow,
    store: JobStore,
    config: KeeperConfig,
    heads: HeadWatch,
    /// The newest confirmed block of the last turn.
    last: Option<BlockRef>,
    duties: Duties,
    nonces: Nonces,
}

const LONGEST_BACKOFF: Duration = Duration::from_secs(30);

impl Keeper {
    /// Opens the store.
    ///
    /// # Errors
    /// [`RelayerError::Store`], and [`assay_client::ChainError::NoSigner`] for a connection without a key.
    pub async fn new(escrow: PredictionEscrow, config: KeeperConfig) -> Result<Self, RelayerError> {
        let chain = escrow.chain().clone();
        if config.submit.confirmations == 0 {
            return Err(RelayerError::Config("confirmations must be at least 1".into()));
        }
        let store = JobStore::open(&config.store, chain.chain_id(), escrow.address()).await?;
        let source = Source {
            store: store.clone(),
            start_block: config.start_block,
            max_log_range: config.max_log_range,
        };
        let mut withdrawn = config.duties.contracts();
        withdrawn.push(escrow.address());
        withdrawn.retain(|_| config.withdraw);
        let watches =
            keeping_watches(&escrow, &config.duties, &source, Proving::default(), &withdrawn)
                .await?;
        let duties = Duties::new(chain.clone(), store.clone(), config.submit, watches);
        let nonces = Nonces::new(chain, store.clone(), config.submit);
        let (heads, last) = (HeadWatch::default(), None);
        Ok(Self { escrow, store, config, heads, last, duties, nonces })
    }

    /// For whom it works.
    ///
    /// # Errors
    /// None that [`Self::new`] would not have had.
    pub fn account(&self) -> Result<Address, RelayerError> {
        Ok(self.escrow.chain().account()?)
    }

    /// What it has done, and what is under way.
    pub fn store(&self) -> &JobStore {
        &self.store
    }

    /// One look at the chain, and one step of everything that is due. Whether anything is under way then.
    ///
    /// # Errors
    /// Those that concern all duties; the turn can be repeated.
    pub async fn turn(&mut self) -> Result<bool, RelayerError> {
        let heads = self.look().await?;
        self.duties.look(heads).await?;
        for due in self.duties.dues().to_vec() {
            // None of them needs a proof.
            self.duties.perform(&due, heads).await?;
        }
        self.nonces.free().await?;
        let live = self.store.duties().await?.iter().any(|record| {
            record.over_since.is_none() && !record.transactions.is_empty() || record.is_loose()
        });
        Ok(live || !self.duties.dues().is_empty())
    }

    async fn look(&mut self) -> Result<Heads, RelayerError> {
        let chain = self.escrow.chain();
        if let Some(last) = self.last
            && chain.agreed_block(last.number).await?.is_none_or(|block| block.hash != last.hash)
        {
            self.heads.forget();
        }
        let newest = chain.head().await?;
        let heads = self.heads.look(chain, newest, self.config.submit.confirmations).await?;
        self.last = Some(heads.confirmed).filter(|block| !block.hash.is_zero());
        Ok(heads)
    }

    /// Runs until told to stop, or with `once` until nothing is left to do now. Troubles that may pass are waited out.
    ///
    /// # Errors
    /// What a restart would not cure.
    pub async fn run(
        &mut self,
        once: bool,
        shutdown: CancellationToken,
    ) -> Result<(), RelayerError> {
        tracing::info!(
            account = %self.account()?, chain = self.escrow.chain().chain_id(),
            node = self.escrow.chain().label(), "keeper runs"
        );
        let mut failures = 0u32;
        while !shutdown.is_cancelled() {
            let turn = tokio::select! {
                biased;
                () = shutdown.cancelled() => break,
                turn = self.turn() => turn,
            };
            match turn {
                Ok(false) if once => break,
                Ok(_) => failures = 0,
                Err(error) if error.is_survivable() => {
                    failures = failures.saturating_add(1);
                    tracing::warn!(%error, code = error.code(), failures, "trying again");
                }
                Err(error) => return Err(error),
            }
            let pause = match failures {
                0 => self.config.poll_interval,
                times => {
                    let longer = self.config.poll_interval.saturating_mul(1 << times.min(8));
                    longer.min(LONGEST_BACKOFF)
                }
            };
            tokio::select! {
                () = shutdown.cancelled() => break,
                () = tokio::time::sleep(pause) => {}
            }
        }
        tracing::info!("keeper stopped");
        Ok(())
    }
}
