//! Follows a prediction escrow on an Ethereum chain, has its jobs proven, and claims the payment.
//!
//! * [`chain`]: connection to a node, transactions, deployment.
//! * [`registry`] and [`escrow`]: the two contracts, typed.
//! * [`follower`], [`store`], [`submitter`] and [`service`]: the relayer.
//! * [`proving`]: the border to whatever makes proofs.

#![cfg_attr(test, allow(clippy::unwrap_used))]

pub mod bindings;
pub mod chain;
mod clock;
pub mod config;
pub mod error;
pub mod escrow;
pub mod follower;
pub mod job;
mod proof_pool;
pub mod proving;
pub mod registry;
pub mod service;
pub mod store;
pub mod submitter;

pub use chain::{Artifact, Chain, ChainConfig, ChainError, Deployed, SignerSource};
pub use config::RelayerConfig;
pub use error::{RelayerError, StoreError};
pub use escrow::PredictionEscrow;
pub use job::{JobState, ModelIdentity, PredictionJob, PredictionTerms, SkipReason};
pub use proving::{ProofArtifact, ProofRequest, ProveError, Prover, proof_context};
pub use registry::ModelRegistry;
pub use service::Relayer;
pub use store::JobStore;
pub use tokio_util::sync::CancellationToken;
