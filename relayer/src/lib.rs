//! A relayer: follows the prediction escrow, has its jobs proven, and claims the payment.
//!
//! The contracts and the node are [`assay_client`]'s. What is here, from an event to a payment:
//!
//! * [`relay`]: the loop; [`config`]: its settings.
//! * [`follower`]: reads the escrow's events, and notices when the chain takes blocks back.
//! * [`job`]: a job, and the one table of the states it goes through.
//! * [`store`]: jobs, proofs and withdrawals on disk.
//! * [`proving`]: the interface to whatever makes proofs, and proofs made in this process.
//! * [`submitter`]: from a proof to a payment; [`heads`]: which blocks may end a job.
//! * [`status`]: what a person or a program that watches it wants to know; `assay-relayer-http` says it.

#![cfg_attr(test, allow(clippy::unwrap_used))]

mod clock;
pub mod config;
mod disk;
pub mod error;
pub mod follower;
pub mod heads;
pub mod job;
mod metrics;
mod nonces;
mod pauses;
mod policy;
mod proof_pool;
pub mod proving;
pub mod relay;
mod resend;
pub mod status;
pub mod store;
pub mod submitter;
mod withdrawals;

pub use assay_client::chain::BlockRef;
pub use config::{Profit, RelayerConfig};
pub use disk::free_bytes;
pub use error::{RelayerError, StoreError};
pub use heads::Heads;
pub use job::{IllegalEvent, JobEvent, JobState, PredictionJob, PredictionTerms, SkipReason, Step};
pub use metrics::text as metrics_text;
pub use policy::Quote;
pub use proving::{OpeningsLeft, ProofRequest, ProveError, Prover};
pub use relay::Relayer;
pub use status::{Status, StatusBoard};
pub use store::JobStore;
pub use tokio_util::sync::CancellationToken;
