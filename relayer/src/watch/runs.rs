//! Predictions on the items of collections: each run is proven, and claimed, for itself.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::Arc,
};

use alloy::{
    primitives::{Address, B256, U256},
    rpc::types::Log,
};
use assay_client::{
    ContractClient, ModelIdentity, ModelRegistry, PredictionEscrow, ProofArtifact,
    chain::BlockRef,
    escrow::prediction::{EventKind, OnChainJob, OnChainState},
};
use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use super::{
    Watch,
    discovery::{Discovery, Source, of_each},
};
use crate::{
    config::RelayerConfig,
    duty::{Call, Due, Duty, DutyRecord, Pays, ProofKey},
    error::RelayerError,
    job::PredictionTerms,
    live_policy::LivePolicy,
    policy::objection,
    proving::{ProofRequest, Prover, RunPlace},
};

/// Runs of a job looked at with each block; the others come when these are claimed.
const AT_ONCE: usize = 32;

/// Watches one prediction escrow for jobs about collections.
pub(crate) struct RunWatch {
    escrow: PredictionEscrow,
    registry: ModelRegistry,
    recipient: Address,
    /// The registry's entry that is served; `None` for every one of the prover's model.
    binding: Option<B256>,
    policy: LivePolicy,
    prover: Arc<dyn Prover>,
    seen: Discovery<Found>,
    confirmed: Option<BlockRef>,
    models: HashMap<U256, ModelIdentity>,
    /// Runs that are claimed in a confirmed block, by job.
    claimed: HashMap<U256, BTreeSet<u64>>,
}

#[derive(Clone, Default, PartialEq, Serialize, Deserialize)]
struct Found {
    /// Jobs that may be served, with their number of inputs.
    open: BTreeMap<U256, (PredictionTerms, U256)>,
}

impl RunWatch {
    pub(crate) async fn new(
        escrow: PredictionEscrow,
        registry: ModelRegistry,
        recipient: Address,
        (config, policy): (&RelayerConfig, &LivePolicy),
        prover: &Arc<dyn Prover>,
        source: &Source,
    ) -> Result<Self, RelayerError> {
        let scanner = escrow.scanner(source.max_log_range);
        let name = format!("collections for {recipient} at {}", escrow.address());
        let seen = Discovery::open(name, escrow.chain().clone(), scanner, source).await?;
        Ok(Self {
            escrow,
            registry,
            recipient,
            binding: config.binding,
            policy: policy.clone(),
            prover: Arc::clone(prover),
            seen,
            confirmed: None,
            models: HashMap::new(),
            claimed: HashMap::new(),
        })
    }

    async fn jobs(&self, at: BlockRef) -> Result<Vec<OnChainJob>, RelayerError> {
        let escrow = self.escrow.in_block(at);
        let found = of_each(self.seen.found().open.keys().copied().collect::<Vec<_>>(), |id| {
            let escrow = escrow.clone();
            async move { Ok(escrow.job(id).await?) }
        });
        Ok(found.await?.into_iter().flatten().collect())
    }

    async fn model(&mut self, id: U256) -> Result<Option<ModelIdentity>, RelayerError> {
        if let Some(model) = self.models.get(&id) {
            return Ok(Some(*model));
        }
        // Bindings are final.
        let model = self.registry.binding(id).await?.map(|binding| binding.model);
        self.models.extend(model.map(|model| (id, model)));
        Ok(model)
    }

    /// Runs that nobody has claimed, some of them.
    async fn unclaimed(
        &mut self,
        job: U256,
        runs: u64,
        at: BlockRef,
    ) -> Result<Vec<u64>, RelayerError> {
        let is_confirmed = self.confirmed == Some(at);
        let known = self.claimed.entry(job).or_default();
        let (mut open, mut next) = (Vec::new(), 0);
        while next < runs && open.len() < AT_ONCE {
            let asked: Vec<u64> =
                (next..runs).filter(|run| !known.contains(run)).take(AT_ONCE).collect();
            let Some(last) = asked.last().copied() else { break };
            let escrow = self.escrow.in_block(at);
            let found = of_each(asked, |run| {
                let escrow = escrow.clone();
                async move { Ok((run, escrow.is_claimed(job, run).await?)) }
            });
            for (run, claimed) in found.await? {
                if !claimed {
                    open.push(run);
                } else if is_confirmed {
                    known.insert(run);
                }
            }
            next = last + 1;
        }
        open.truncate(AT_ONCE);
        Ok(open)
    }

    /// Whether a run is proven: its terms are good, or were when its proof was begun.
    async fn is_wanted(
        &self,
        terms: &PredictionTerms,
        run: u64,
        due: &Due,
    ) -> Result<bool, RelayerError> {
        let price = due.pays.map_or(U256::ZERO, |pays| pays.amount);
        let of_run = PredictionTerms { price, ..terms.clone() };
        let policy = self.policy.read();
        if objection(&policy, self.binding, self.prover.as_ref(), &of_run).is_none() {
            return Ok(true);
        }
        let store = self.seen.store();
        let key = ProofKey::new(self.escrow.address(), terms.job_id, run);
        let under_way = |record: DutyRecord| record.proving || !record.transactions.is_empty();
        Ok(store.has_duty_proof(&key).await? || store.duty(&due.duty).await?.is_some_and(under_way))
    }

    /// What a run of a job leaves to do.
    fn run(&self, terms: &PredictionTerms, job: &OnChainJob, run: u64) -> Option<Due> {
        let (items, batch) = (u64::try_from(job.items).ok()?, u64::try_from(job.batch).ok()?);
        let length = items.checked_sub(run.checked_mul(batch)?)?.min(batch);
        let pays = job.price.saturating_mul(U256::from(length));
        let (escrow, id, recipient) = (self.escrow.clone(), job.job_id, self.recipient);
        let request = ProofRequest {
            job_id: id,
            context: escrow.contract().proof_context(id, recipient),
            model: terms.model,
            input_commitment: job.input_commitment,
            recipient,
            hint: terms.hint.clone(),
            run: Some(RunPlace { run, items }),
            expected: None,
        };
        let call =
            Arc::new(move |proof: &ProofArtifact| escrow.claim_request(id, recipient, proof));
        Some(Due {
            duty: Duty::ClaimRun { contract: self.escrow.address(), job: id, run },
            deadline: Some(job.deadline),
            pays: Some(Pays::once(job.token, pays)),
            proofs: 0,
            call: Call::WithProof {
                key: ProofKey::new(self.escrow.address(), id, run),
                request: Box::new(request),
                prover: Arc::clone(&self.prover),
                call,
            },
        })
    }

    /// Forgets jobs of which nothing more can come, as a confirmed block says.
    async fn drop_final(&mut self, confirmed: BlockRef) -> Result<(), RelayerError> {
        let jobs = self.jobs(confirmed).await?;
        let is_over = |job: &&OnChainJob| {
            job.state != OnChainState::Open || confirmed.timestamp > job.deadline
        };
        let over: Vec<U256> = jobs.iter().filter(is_over).map(|job| job.job_id).collect();
        if over.is_empty() {
            return Ok(());
        }
        for id in &over {
            self.claimed.remove(id);
            self.seen.store().forget_duty_proofs(self.escrow.address(), *id).await?;
        }
        self.seen.change(|found| found.open.retain(|id, _| !over.contains(id))).await
    }
}

#[async_trait]
impl Watch for RunWatch {
    fn tells(&self, duty: &Duty) -> bool {
        matches!(duty, Duty::ClaimRun { contract, .. } if *contract == self.escrow.address())
    }

    async fn discover(&mut self, confirmed: BlockRef) -> Result<(), RelayerError> {
        self.confirmed = Some(confirmed);
        let (escrow, binding) = (self.escrow.clone(), self.binding);
        let note = |found: &mut Found, log: &Log| {
            let Ok(EventKind::Opened(opened)) = escrow.decode_event(log).map(|event| event.kind)
            else {
                return None;
            };
            let (id, items) = (opened.jobId, opened.order.items);
            if binding.is_none_or(|served| served == opened.order.bindingHash) {
                // Asked for when it is needed.
                let nobody =
                    ModelIdentity { vk_hash: Default::default(), model_hash: Default::default() };
                found.open.insert(id, (PredictionTerms::opened(*opened, nobody), items));
            }
            Some(id)
        };
        self.seen.advance_counted(confirmed, self.escrow.contract(), &note).await
    }

    async fn due(&mut self, at: BlockRef) -> Result<Vec<Due>, RelayerError> {
        let jobs = self.jobs(at).await?;
        let (mut dues, mut any_over) = (Vec::new(), false);
        for job in &jobs {
            let over = job.state != OnChainState::Open || at.timestamp > job.deadline;
            any_over |= over;
            if over || job.batch.is_zero() {
                continue;
            }
            let Some((mut terms, _)) = self.seen.found().open.get(&job.job_id).cloned() else {
                continue;
            };
            let Some(model) = self.model(job.model_id).await? else {
                continue;
            };
            terms.model = model;
            let Ok(runs) = u64::try_from(job.items.div_ceil(job.batch)) else {
                continue;
            };
            if !self.prover.serves(&model) {
                continue;
            }
            for run in self.unclaimed(job.job_id, runs, at).await? {
                let due = self.run(&terms, job, run);
                if let Some(due) = due
                    && self.is_wanted(&terms, run, &due).await?
                {
                    dues.push(due);
                }
            }
        }
        if any_over && let Some(confirmed) = self.confirmed {
            self.drop_final(confirmed).await?;
        }
        Ok(dues)
    }
}
