//! Clients of the escrows: contracts that hold a buyer's money until a proof earns it.
//!
//! * [`prediction`]: one input, one class.
//! * [`audit`]: the accuracy of a model on a hidden test set.
//! * [`retrieval`]: the items of a collection that a model selects.
//! * [`sellers`]: whom an audit names.
//! * [`collection_job`]: what audits and retrievals share.

mod job_count;

pub mod audit;
pub mod audit_end;
pub mod collection_job;
pub mod prediction;
pub mod retrieval;
pub mod sellers;

pub use audit::AuditEscrow;
pub use collection_job::{OrderError, RunArtifact};
pub use job_count::{job_count, job_count_at};
pub use prediction::{PredictionEscrow, PredictionEscrowError};
pub use retrieval::RetrievalEscrow;
