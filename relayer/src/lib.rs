//! Assay's contracts on an Ethereum chain, and a relayer that follows the prediction escrow, has its
//! jobs proven, and claims the payment.
//!
//! * [`chain`]: connection to a node, transactions, deployment of code.
//! * [`deployment`]: all contracts at addresses that follow from the build.
//! * [`contract`]: what the typed contracts share; [`registry`], [`prediction_escrow`],
//!   [`audit_escrow`], [`retrieval_escrow`], [`service_bond`]: one module for each contract;
//!   [`collection_job`]: what audits and retrievals share.
//! * [`follower`], [`store`], [`submitter`] and [`relay`]: the relayer.
//! * [`proving`]: the border to whatever makes proofs.

#![cfg_attr(test, allow(clippy::unwrap_used))]

pub mod audit_escrow;
pub mod bindings;
pub mod chain;
mod clock;
pub mod collection_job;
pub mod config;
pub mod contract;
pub mod deployment;
pub mod error;
pub mod follower;
pub mod job;
mod nonces;
pub mod prediction_escrow;
mod proof_pool;
pub mod proving;
pub mod registry;
pub mod relay;
mod resend;
pub mod retrieval_escrow;
pub mod service_bond;
pub mod store;
pub mod submitter;
mod withdrawals;

pub use audit_escrow::AuditEscrow;
pub use chain::{Artifact, Chain, ChainConfig, ChainError, Deployed, SignerSource};
pub use collection_job::OrderError;
pub use config::RelayerConfig;
pub use contract::{Contract, TypedContract};
pub use deployment::{Deployment, DeploymentError};
pub use error::{RelayerError, StoreError};
pub use job::{JobState, ModelIdentity, PredictionJob, PredictionTerms, SkipReason};
pub use prediction_escrow::PredictionEscrow;
pub use proving::{ProofArtifact, ProofRequest, ProveError, Prover, proof_context};
pub use registry::ModelRegistry;
pub use relay::Relayer;
pub use retrieval_escrow::RetrievalEscrow;
pub use service_bond::ServiceBond;
pub use store::JobStore;
pub use tokio_util::sync::CancellationToken;
