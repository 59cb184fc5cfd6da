//! A policy that replaces another while the relayer runs.

use alloy::primitives::U256;
use assay_client::ContractClient;

use super::Relayer;
use crate::{
    clock::unix_now,
    error::{RelayerError, StoreError},
    heads::Heads,
    policy::{is_too_late, objection},
};

impl Relayer {
    /// Lets the policy hold that was offered since the last turn, if any, and takes up the jobs that were left alone by
    /// an earlier one and are not by it.
    pub(super) async fn take_up_policy(&mut self, heads: Heads) -> Result<(), RelayerError> {
        if let Some(changes) = self.policy.take_up() {
            if let Some(gas) = self.policy.read().gas {
                self.escrow.chain().set_gas_policy(gas);
            }
            self.status.policy_holds(unix_now());
            tracing::info!(changes, "the policy was read again");
            self.wants_another_look |= changes;
        }
        // Where that fails, the next turn tries again.
        if self.wants_another_look {
            self.reconsider(heads).await?;
            self.duties.look_again();
            self.wants_another_look = false;
        }
        Ok(())
    }

    /// Takes up jobs again that were left alone for a policy, whose time is not over, and that are not by the present one.
    async fn reconsider(&self, heads: Heads) -> Result<(), RelayerError> {
        let now = heads.confirmed.timestamp;
        let (policy, margin) = (self.policy.read(), self.margin().as_secs());
        let prover = self.proofs.prover();
        for job in self.store.left_by_policy(now).await? {
            let terms = &job.terms;
            let refused = objection(&policy, self.config.binding, prover, terms).is_some();
            if refused || is_too_late(terms.deadline, margin, heads.confirmed) {
                // What would be needed waits for a further policy.
                continue;
            }
            self.take_up_again(job.id()).await?;
        }
        // Those that wait for cheaper gas, or openings, are asked again at once.
        for job in self.store.active().await? {
            self.store.wake(job.id());
        }
        Ok(())
    }

    async fn take_up_again(&self, id: U256) -> Result<(), RelayerError> {
        match self.store.retry(id).await {
            Ok(_) => {
                tracing::info!(job = %id, "the policy admits the job now");
                Ok(())
            }
            // It has changed meanwhile.
            Err(StoreError::NotRetriable { .. } | StoreError::NoSuchJob(_)) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }
}
