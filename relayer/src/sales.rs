//! What is sold in the escrows about collections, with which proofs, and under which conditions.

use std::{path::PathBuf, sync::Arc};

use alloy::primitives::{B256, U256};

use crate::proving::Prover;

/// A model whose proofs about runs of collections are sold.
#[derive(Clone)]
pub struct RunSale {
    /// Who makes them.
    pub prover: Arc<dyn Prover>,
    /// The registry's entry that was checked; `None` takes every entry of the prover's model.
    pub binding: Option<B256>,
    /// Its id in the registry, with which audits are entered.
    pub model_id: U256,
}

/// Where the openings of selected items are published.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Publishing {
    /// Folder for the files; made when it is needed.
    pub folder: PathBuf,
    /// Where requesters find them: this, followed by the file's name.
    pub place: String,
    /// Whether they are published for everybody to read where the requester names no key to seal them to.
    pub unsealed: bool,
}

/// Retrievals that name the signing account as holder.
#[derive(Clone, Default)]
pub struct RetrievalSales {
    /// The models, one for each class that is looked for.
    pub models: Vec<RunSale>,
    /// `None` leaves retrievals alone that select anything.
    pub publishing: Option<Publishing>,
}

/// Where the test sets of audits come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeliveryFolder {
    /// Folder in which sealed sets are looked for by their hash, and in which the unsealed ones are kept.
    pub folder: PathBuf,
    /// File of the secret key to which they are sealed.
    pub key: PathBuf,
    /// Largest set in bytes that is fetched from the URL that its buyer names; `None` fetches none.
    pub fetch: Option<u64>,
}

/// What is risked and asked for in audits, all in the native currency.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AuditPolicy {
    /// Largest stake of one audit, in wei.
    pub most_stake: U256,
    /// Largest sum of all stakes that are in audits at the same time, in wei.
    pub most_staked: U256,
    /// Least reward, in wei.
    pub least_reward: U256,
}

/// Audits that are entered, and proven.
#[derive(Clone)]
pub struct AuditSales {
    /// The models, in the order in which they are preferred.
    pub models: Vec<RunSale>,
    /// Where their test sets come from: the folder in which the provers look.
    pub deliveries: DeliveryFolder,
}

impl Sales {
    /// Who makes the proofs of what is sold.
    pub(crate) fn provers(&self) -> Vec<Arc<dyn Prover>> {
        let audits = self.audits.iter().flat_map(|audits| &audits.models);
        let sold = self.retrievals.models.iter().chain(audits);
        sold.map(|sale| Arc::clone(&sale.prover)).collect()
    }
}

/// Everything that is sold beside predictions.
#[derive(Clone, Default)]
pub struct Sales {
    /// Retrievals.
    pub retrievals: RetrievalSales,
    /// Audits; `None` enters none.
    pub audits: Option<AuditSales>,
}
