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

/// Everything that is sold beside predictions.
#[derive(Clone, Default)]
pub struct Sales {
    /// Retrievals.
    pub retrievals: RetrievalSales,
}
