//! A relayer: follows the prediction escrow, has its jobs proven, and claims the payment.
//!
//! The contracts and the node are [`assay_client`]'s. What is here, from an event to a payment:
//!
//! * [`relay`]: the loop; [`config`]: its settings.
//! * [`follower`]: reads the escrow's events, and notices when the chain takes blocks back.
//! * [`job`]: a job, and the one table of the states it goes through.
//! * [`store`]: jobs, proofs and withdrawals on disk.
//! * [`proving`]: the interface to whatever makes proofs, and proofs made in this process; [`queue`]: who makes which, under
//!   a lease; [`worker`]: makes them in another process.
//! * [`submitter`]: from a proof to a payment; [`heads`]: which blocks may end a job.
//! * [`duty`]: what else the contracts leave to do: contests of a service, settlements, refunds, withdrawals; the
//!   [`keeper`] does what needs no proof by itself.
//! * [`config::Policy`]: which work is taken; it may be replaced while a relayer runs.
//! * [`status`]: what a person or a program that watches it wants to know; `assay-relayer-http` says it.

#![cfg_attr(test, allow(clippy::unwrap_used))]

mod answer_folder;
mod beside;
mod clock;
pub mod config;
mod deliveries;
mod disk;
mod duties;
pub mod duty;
pub mod error;
pub mod follower;
pub mod heads;
pub mod job;
pub mod keeper;
mod live_policy;
mod metrics;
mod nonces;
mod pauses;
mod policy;
mod policy_file;
mod proof_pool;
pub mod proving;
pub mod queue;
pub mod refusal;
pub mod relay;
mod resend;
pub mod sales;
pub mod status;
pub mod store;
pub mod submitter;
mod surveys;
mod task_opening;
mod watch;
mod withdrawals;
pub mod worker;

pub use assay_client::chain::BlockRef;
pub use config::{DutyConfig, Policy, Profit, RelayerConfig};
pub use disk::free_bytes;
pub use duty::{Duty, DutyRecord};
pub use error::{RelayerError, StoreError};
pub use heads::Heads;
pub use job::{IllegalEvent, JobEvent, JobState, PredictionJob, PredictionTerms, SkipReason, Step};
pub use keeper::{Keeper, KeeperConfig};
pub use live_policy::LivePolicy;
pub use metrics::text as metrics_text;
pub use policy::Quote;
pub use policy_file::{PolicyFile, PolicyReading};
pub use proving::{OpeningsLeft, ProofRequest, ProveError, Prover, RunPlace};
pub use refusal::{LeftAlone, Refusal};
pub use relay::Relayer;
pub use sales::{
    AuditPolicy, AuditSales, DeliveryFolder, Publishing, RetrievalSales, RunSale, Sales,
};
pub use status::{Status, StatusBoard};
pub use store::{JobStore, StorePlace};
pub use tokio_util::sync::CancellationToken;
pub use worker::{Worker, WorkerConfig};
