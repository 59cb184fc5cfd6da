//! Which audits are entered.

use std::sync::Arc;

use alloy::{
    primitives::{Address, Bytes, U256},
    rpc::types::TransactionRequest,
};
use assay_client::{
    AuditEscrow, ContractClient, ProofArtifact,
    bindings::IAuditEscrow,
    chain::BlockRef,
    escrow::audit::{Offer, admission_hash},
    registry::ModelBinding,
};

use super::{Selling, alone, subject};
use crate::{
    duty::{Call, Due, Duty, Pays, ProofKey},
    error::RelayerError,
    proving::{ProveError, RunPlace},
    refusal::Refusal,
    sales::RunSale,
    watch::audits::look::Look,
};

/// Calls of a seller beside those with proofs: it enters, accepts, and ends the job.
const OTHER_CALLS: u64 = 3;

/// What the account has promised in other audits.
#[derive(Clone, Copy, Debug, Default)]
pub(in crate::watch::audits) struct Promised {
    /// Stakes in wei.
    pub(in crate::watch::audits) staked: U256,
    /// Runs that may have to be proven.
    pub(in crate::watch::audits) runs: u64,
}

impl Selling {
    /// The entry into an open job, or why it is not entered; nothing while the challenge is looked at.
    pub(in crate::watch::audits) async fn enter(
        &mut self,
        escrow: &AuditEscrow,
        look: &Look,
        promised: Promised,
        at: BlockRef,
    ) -> Result<Result<Option<Due>, Refusal>, RelayerError> {
        if let Err(reason) = self.terms(look, promised, at) {
            return Ok(Err(reason));
        }
        let (sale, binding) = match self.admitted(look).await? {
            Ok(found) => found,
            Err(reason) => return Ok(Err(reason)),
        };
        let challenged = !look.terms.challengeRoot.is_zero();
        let batch = sale.prover.run_items().unwrap_or(1).max(1);
        let runs = u64::from(look.terms.items).div_ceil(batch);
        let duty = Duty::EnterAudit { contract: escrow.address(), job: look.id };
        let key = self.possession_key(escrow, look, &sale);
        let shown = self.store.has_duty_proof(&key).await?
            || self.store.duty(&duty).await?.is_some_and(|record| record.proving);
        let proofs = runs + u64::from(challenged && !shown);
        if let Err(reason) = self.time_and_openings(look, &sale, runs, promised.runs + proofs) {
            return Ok(Err(reason));
        }
        let offer = Offer {
            modelId: sale.model_id,
            bindingHash: binding.binding_hash,
            batch: u32::try_from(batch).unwrap_or(u32::MAX),
            admitted: look.admitted.clone(),
            which: U256::from(place_in_list(look, &binding).unwrap_or_default()),
            path: Vec::new(),
            encryptionKey: self.deliveries.recipient().into_bytes().into(),
            correct: U256::ZERO,
            possession: Bytes::new(),
        };
        let call = if challenged {
            match self.with_possession(escrow, look, &sale, &binding, offer).await {
                None => return Ok(Ok(None)),
                Some(Ok(call)) => call,
                Some(Err(reason)) => return Ok(Err(reason)),
            }
        } else {
            Call::ready(enter_request(escrow, look, offer))
        };
        let pays = Pays {
            token: look.terms.token,
            amount: U256::from(look.terms.reward),
            proofs,
            calls: runs.saturating_add(OTHER_CALLS),
        };
        Ok(Ok(Some(Due {
            duty,
            deadline: Some(look.terms.enterBy),
            pays: Some(pays),
            proofs: 0,
            call,
        })))
    }

    /// What speaks against a job by its terms alone.
    fn terms(&self, look: &Look, promised: Promised, at: BlockRef) -> Result<(), Refusal> {
        let (terms, whole) = (&look.terms, self.policy.read());
        let policy = whole.audits;
        let (stake, reward) = (U256::from(terms.stake), U256::from(terms.reward));
        if terms.token != Address::ZERO {
            return Err(Refusal::TokenNotAccepted { token: terms.token });
        }
        if !terms.sellers.is_zero() && terms.sellers != alone(self.account) {
            return Err(Refusal::NamedSellers { root: terms.sellers });
        }
        if look.job.entries >= U256::from(terms.maxEntries) {
            return Err(Refusal::Full { entries: u64::from(terms.maxEntries) });
        }
        if terms.abortFee.is_zero() {
            return Err(Refusal::NoAbortFee);
        }
        if reward < policy.least_reward {
            return Err(Refusal::RewardTooLow { reward, minimum: policy.least_reward });
        }
        if stake > policy.most_stake {
            return Err(Refusal::StakeTooHigh { stake, maximum: policy.most_stake });
        }
        let (staked, maximum) = (promised.staked, policy.most_staked);
        if staked.saturating_add(stake) > maximum {
            return Err(Refusal::StakesTooHigh { staked, stake, maximum });
        }
        // The transaction has to be in a block by then.
        let needed = self.policy.read().margin(std::time::Duration::ZERO).as_secs();
        let seconds = terms.enterBy.saturating_sub(at.timestamp);
        if seconds < needed {
            return Err(Refusal::TooLate { seconds, needed });
        }
        Ok(())
    }

    /// The first of the models here whose key and verifier the buyer admits.
    async fn admitted(
        &mut self,
        look: &Look,
    ) -> Result<Result<(RunSale, ModelBinding), Refusal>, RelayerError> {
        let mut refused = Refusal::OtherModel { model: U256::ZERO };
        for sale in self.sales.models.clone() {
            let Some((sale, binding)) = self.sale(sale.model_id).await? else {
                refused = Refusal::OtherModel { model: sale.model_id };
                continue;
            };
            if look.admitted.is_empty() || place_in_list(look, &binding).is_some() {
                return Ok(Ok((sale, binding)));
            }
            refused = Refusal::NotAdmitted { key: key_of(&binding) };
        }
        Ok(Err(refused))
    }

    fn time_and_openings(
        &self,
        look: &Look,
        sale: &RunSale,
        runs: u64,
        proofs: u64,
    ) -> Result<(), Refusal> {
        let each = self.policy.read().margin(sale.prover.expected_time());
        let rounds = runs.div_ceil(self.parallel_proofs.max(1) as u64);
        let needed = each.saturating_mul(u32::try_from(rounds).unwrap_or(u32::MAX)).as_secs();
        let seconds = look.terms.proveWindow;
        if needed > seconds {
            return Err(Refusal::WindowTooShort { seconds, needed });
        }
        match sale.prover.openings() {
            Some(openings) if (openings.left as u64) < proofs => {
                Err(Refusal::TooFewOpenings { left: openings.left, needed: proofs })
            }
            _ => Ok(()),
        }
    }

    /// What the proof of the challenge's first run is kept under.
    fn possession_key(&self, escrow: &AuditEscrow, look: &Look, sale: &RunSale) -> ProofKey {
        let subject = subject(look, sale.model_id, look.terms.challengeRoot);
        ProofKey::new(escrow.address(), subject, 0)
    }

    /// The entry with a proof of the model on the job's public collection.
    async fn with_possession(
        &mut self,
        escrow: &AuditEscrow,
        look: &Look,
        sale: &RunSale,
        binding: &ModelBinding,
        offer: Offer,
    ) -> Option<Result<Call, Refusal>> {
        let (root, items) = (look.terms.challengeRoot, u64::from(look.terms.items));
        match &self.surveys.look(&sale.prover, binding.model, root, items).await? {
            Ok(_) => {}
            Err(error) => {
                return Some(Err(match &**error {
                    ProveError::Failed(reason) => {
                        Refusal::NotProvable { reason: format!("its challenge: {reason}") }
                    }
                    other => Refusal::collection(root, other.to_string()),
                }));
            }
        }
        let place = RunPlace { run: 0, items };
        let request = self.request(escrow, look, binding, root, place);
        let key = self.possession_key(escrow, look, sale);
        let (escrow, look) = (escrow.clone(), look.clone());
        let call = Arc::new(move |proof: &ProofArtifact| {
            let correct = proof.outputs.first().copied().unwrap_or_default();
            let offer = Offer { correct, possession: proof.proof.clone(), ..offer.clone() };
            enter_request(&escrow, &look, offer)
        });
        let prover = Arc::clone(&sale.prover);
        Some(Ok(Call::WithProof { key, request: Box::new(request), prover, call }))
    }
}

/// What stands for a model's key and verifier in a list of admitted ones.
fn key_of(binding: &ModelBinding) -> alloy::primitives::B256 {
    admission_hash(binding.model.vk_hash, binding.verifier_code_hash)
}

fn place_in_list(look: &Look, binding: &ModelBinding) -> Option<usize> {
    look.admitted.iter().position(|admitted| *admitted == key_of(binding))
}

fn enter_request(escrow: &AuditEscrow, look: &Look, offer: Offer) -> TransactionRequest {
    let terms = look.terms.clone();
    let call = IAuditEscrow::enterCall { jobId: look.id, terms, offer };
    let mut request = escrow.contract().request(&call);
    request.value = Some(U256::from(look.terms.stake));
    request
}
