//! The proofs that duties need.

use std::{sync::Arc, time::Duration};

use assay_client::ProofArtifact;
use tokio::time::Instant;

use super::Duties;
use crate::{
    duty::{Duty, DutyRecord, Pays, ProofKey},
    error::RelayerError,
    proving::{ProofRequest, ProveError, Prover},
    queue::Lease,
};

/// A proof that a duty needs.
pub(crate) struct Wanted {
    pub(crate) duty: Duty,
    pub(crate) key: ProofKey,
    pub(crate) request: ProofRequest,
    pub(crate) prover: Arc<dyn Prover>,
    pub(crate) deadline: Option<u64>,
    pub(crate) pays: Option<Pays>,
}

impl Duties {
    /// Notes that a proof is begun. A pause before that stands where earlier ones came to no end.
    ///
    /// # Errors
    /// Those of the store.
    pub(crate) async fn may_begin_proof(
        &mut self,
        wanted: &Wanted,
        now: u64,
    ) -> Result<bool, RelayerError> {
        let duty = wanted.duty;
        let record = self.store.duty(&duty).await?.unwrap_or_else(|| DutyRecord::new(duty));
        if record.proving {
            // It came to no end; each try may cost an opening of the weights.
            let record = self
                .store
                .update_duty(&duty, |record| {
                    record.proving = false;
                    record.failed_proofs = record.failed_proofs.saturating_add(1);
                })
                .await?;
            let left = wanted.deadline.map_or(u64::MAX, |deadline| deadline.saturating_sub(now));
            if record.failed_proofs > 1 {
                let pause = Duration::from_secs(1u64 << record.failed_proofs.min(12));
                let pause = pause.min(Duration::from_secs(left / 4));
                tracing::warn!(
                    code = "proof-interrupted", %duty, times = record.failed_proofs, pause_s = pause.as_secs(),
                    "proving came to no end, again; it is begun once more after a pause"
                );
                self.pauses.insert(duty, (Instant::now() + pause, 0));
                return Ok(false);
            }
        }
        self.store.update_duty(&duty, |record| record.proving = true).await?;
        tracing::info!(%duty, "proving");
        Ok(true)
    }

    /// Lets a duty wait for something on this machine.
    ///
    /// # Errors
    /// Those of the store.
    pub(crate) async fn wait(&mut self, duty: Duty, why: &str) -> Result<(), RelayerError> {
        self.postpone(duty, why, "duty-waits").await
    }

    /// Notes how a proof ended.
    ///
    /// # Errors
    /// Those of the store; the proof is to be handed in again then.
    pub(crate) async fn finish_proof(
        &mut self,
        duty: Duty,
        key: &ProofKey,
        result: &Result<ProofArtifact, ProveError>,
        lease: &Lease,
    ) -> Result<(), RelayerError> {
        match result {
            Ok(proof) => {
                self.store.put_duty_proof_of(&duty, key, proof, Some(lease)).await?;
                self.pauses.remove(&duty);
                tracing::info!(%duty, bytes = proof.proof.len(), "proven");
            }
            Err(error @ ProveError::Interrupted(_)) => {
                // Still noted as being made: the next try counts it as one that came to no end.
                tracing::warn!(%duty, %error, code = "proof-interrupted", "no proof; trying again");
            }
            Err(error @ (ProveError::InputUnavailable { .. } | ProveError::NotReady(_))) => {
                self.store.update_duty(&duty, |record| record.proving = false).await?;
                self.postpone(duty, &error.to_string(), "duty-waits").await?;
            }
            Err(error) => {
                self.store.update_duty(&duty, |record| record.proving = false).await?;
                tracing::error!(%duty, %error, code = "proof-failed", "it cannot be proven; a restart tries again");
                self.hopeless.insert(duty, error.to_string());
            }
        }
        Ok(())
    }
}
