//! The seller's side of an audit: it is entered by policy, its set is looked at and answered for, and the claim is proven
//! when its turn has come.

mod entering;

pub(super) use entering::Promised;

use std::{collections::HashMap, sync::Arc};

use alloy::{
    primitives::{Address, B256, U256, keccak256},
    sol_types::SolValue,
};
use assay_client::{
    AuditEscrow, ContractClient, ModelRegistry, ProofArtifact,
    bindings::IAuditEscrow,
    chain::BlockRef,
    escrow::{audit::Entry, audit_end::window_to_prove},
    registry::ModelBinding,
};

use super::look::Look;
use crate::{
    config::RelayerConfig,
    deliveries::{Deliveries, Delivery, NoSet, WantedSet},
    duty::{Call, Due, Duty, ProofKey},
    error::RelayerError,
    live_policy::LivePolicy,
    proving::{ProofRequest, ProveError, RunPlace},
    refusal::Refusal,
    sales::{AuditSales, RunSale},
    store::JobStore,
    surveys::Surveys,
    watch::discovery::of_each,
};

/// Runs of a claim that are due at the same time; the others come when these are proven.
const AT_ONCE: usize = 32;

/// Sells proofs of accuracy for one account.
pub(crate) struct Selling {
    sales: AuditSales,
    account: Address,
    registry: ModelRegistry,
    policy: LivePolicy,
    parallel_proofs: usize,
    store: JobStore,
    bindings: HashMap<U256, ModelBinding>,
    surveys: Surveys,
    deliveries: Deliveries,
}

/// What proofs of an entry are kept under: what they are about. Another job of the same id needs others.
pub(super) fn subject(look: &Look, model: U256, root: U256) -> U256 {
    let about = (look.id, model, root, look.terms.items);
    U256::from_be_bytes(keccak256(about.abi_encode_params()).0)
}

/// What a seller answers to a delivery.
enum Answer {
    /// So many items are correct.
    Claim(u64),
    /// The stake would be lost.
    Abort(String),
    /// Neither, as things are.
    Wait(String),
}

impl Selling {
    /// # Errors
    /// [`RelayerError::Config`] where the folder of deliveries, or the key, cannot be used.
    pub(crate) fn new(
        sales: AuditSales,
        account: Address,
        registry: ModelRegistry,
        (config, policy): (&RelayerConfig, &LivePolicy),
        store: JobStore,
    ) -> Result<Self, RelayerError> {
        Ok(Self {
            deliveries: Deliveries::open(&sales.deliveries)?,
            sales,
            account,
            registry,
            policy: policy.clone(),
            parallel_proofs: config.parallel_proofs,
            store,
            bindings: HashMap::new(),
            surveys: Surveys::default(),
        })
    }

    pub(super) fn has_news(&mut self) -> bool {
        // Both have to be asked.
        self.surveys.has_news() | self.deliveries.has_news()
    }

    /// The bundle of a model of the registry that is sold here.
    async fn sale(&mut self, model: U256) -> Result<Option<(RunSale, ModelBinding)>, RelayerError> {
        let Some(sale) = self.sales.models.iter().find(|sale| sale.model_id == model).cloned()
        else {
            return Ok(None);
        };
        let binding = match self.bindings.get(&model) {
            Some(binding) => *binding,
            // Bindings are final.
            None => match self.registry.binding(model).await? {
                Some(binding) => *self.bindings.entry(model).or_insert(binding),
                None => return Ok(None),
            },
        };
        let serves = sale.prover.serves(&binding.model)
            && sale.binding.is_none_or(|served| served == binding.binding_hash);
        Ok(serves.then_some((sale, binding)))
    }

    /// The answer to a delivery that an entry of the account was approved for, and why, where it is given up; nothing
    /// while the set is looked at.
    pub(super) async fn answer(
        &mut self,
        escrow: &AuditEscrow,
        look: &Look,
        entry: usize,
        delivery: Option<&Delivery>,
    ) -> Result<(Option<Due>, Option<Refusal>), RelayerError> {
        let Some(stored) = look.entries.get(entry - 1) else {
            return Ok((None, None));
        };
        let (contract, id, entry) = (escrow.address(), look.id, U256::from(entry));
        let answer = match self.judged(look, stored, delivery).await? {
            Some(answer) => answer,
            None => {
                // What was said to wait goes on waiting; it is not over.
                let duty = Duty::AcceptAudit { contract, job: id, entry };
                let waits = self.store.duty(&duty).await?;
                if waits.is_none_or(|record| record.over_since.is_some()) {
                    return Ok((None, None));
                }
                Answer::Wait("the delivered set is being looked at".into())
            }
        };
        let (job_id, terms) = (id, look.terms.clone());
        let (duty, call, reason) = match answer {
            Answer::Claim(correct) => {
                let claim = U256::from(correct);
                let call = IAuditEscrow::acceptCall { jobId: job_id, terms, entry, claim };
                let duty = Duty::AcceptAudit { contract, job: id, entry };
                (duty, Call::ready(escrow.contract().request(&call)), None)
            }
            Answer::Abort(reason) => {
                let call = IAuditEscrow::abortCall { jobId: job_id, terms, entry };
                let duty = Duty::AbortAudit { contract, job: id, entry };
                let call = Call::ready(escrow.contract().request(&call));
                (duty, call, Some(Refusal::GivenUp { reason }))
            }
            Answer::Wait(why) => {
                (Duty::AcceptAudit { contract, job: id, entry }, Call::Blocked(why), None)
            }
        };
        Ok((Some(Due::by(look.terms.acceptBy, duty, call)), reason))
    }

    async fn judged(
        &mut self,
        look: &Look,
        stored: &Entry,
        delivery: Option<&Delivery>,
    ) -> Result<Option<Answer>, RelayerError> {
        let wait = |why: String| Ok(Some(Answer::Wait(why)));
        let Some((sale, binding)) = self.sale(stored.modelId).await? else {
            return wait(no_bundle(stored));
        };
        let Some(delivery) = delivery else {
            return wait(
                "the event that says where the set is was shown by no node, or not by so many as have to agree; add another \
                 node with --rpc"
                    .into(),
            );
        };
        let terms = &look.terms;
        let wanted = WantedSet { root: terms.testSetRoot, items: u64::from(terms.items) };
        match self.deliveries.look(delivery, wanted).await {
            None => return Ok(None),
            Some(Ok(())) => {}
            Some(Err(NoSet::Missing(why))) => return wait(why),
            Some(Err(NoSet::Garbage(why))) => return Ok(Some(Answer::Abort(why))),
        }
        let (root, items) = (wanted.root, wanted.items);
        let words = match self.surveys.look(&sale.prover, binding.model, root, items).await {
            None => return Ok(None),
            Some(Ok(words)) => words,
            Some(Err(error)) => {
                return Ok(Some(match &*error {
                    ProveError::Failed(_) => Answer::Abort(format!("it cannot be proven: {error}")),
                    // Of this machine, not of the set.
                    other => Answer::Wait(other.to_string()),
                }));
            }
        };
        let correct: u64 = words.iter().map(|word| word.saturating_to::<u64>()).sum();
        if correct < u64::from(terms.required) {
            return Ok(Some(Answer::Abort(format!(
                "the model classifies {correct} of the {items} items correctly, {} are required",
                terms.required
            ))));
        }
        let (left, needed) = (sale.prover.openings().map(|found| found.left), words.len());
        if let Some(left) = left.filter(|left| *left < needed) {
            return wait(format!(
                "{needed} runs would have to be proven, and {left} openings of the bundle are left; derive one with more \
                 (`assay model derive --openings`) of the same import"
            ));
        }
        Ok(Some(Answer::Claim(correct)))
    }

    /// The proofs of an entry's claim, when its turn has come.
    pub(super) async fn prove(
        &mut self,
        escrow: &AuditEscrow,
        look: &Look,
        entry: usize,
        at: BlockRef,
    ) -> Result<Vec<Due>, RelayerError> {
        let window = window_to_prove(&look.job, &look.entries, &look.terms, entry, at.timestamp);
        let Some(window) = window.filter(|window| window.contains(&at.timestamp)) else {
            return Ok(Vec::new());
        };
        let Some(stored) = look.entries.get(entry - 1) else {
            return Ok(Vec::new());
        };
        let found = self.sale(stored.modelId).await?;
        let batch = stored.batch.saturating_to::<u64>().max(1);
        let runs = u64::from(look.terms.items).div_ceil(batch);
        let open = unproven(escrow, look, entry, runs, at).await?;
        let Some((sale, binding)) = found else {
            let Some(run) = open.first() else { return Ok(Vec::new()) };
            let duty = run_duty(escrow, look, entry, *run);
            return Ok(vec![Due::by(*window.end(), duty, Call::Blocked(no_bundle(stored)))]);
        };
        let subject = subject(look, stored.modelId, look.terms.testSetRoot);
        let mut unmade = stored.missing.saturating_to::<u64>();
        for run in &open {
            let key = ProofKey::new(escrow.address(), subject, *run);
            unmade -= u64::from(unmade > 0 && self.store.has_duty_proof(&key).await?);
        }
        let place = |run: &u64| RunPlace { run: *run, items: u64::from(look.terms.items) };
        let due = |run: &u64| {
            let request = self.request(escrow, look, &binding, look.terms.testSetRoot, place(run));
            let call = Call::WithProof {
                key: ProofKey::new(escrow.address(), subject, *run),
                request: Box::new(request),
                prover: Arc::clone(&sale.prover),
                call: prove_call(escrow, look, entry, *run),
            };
            let duty = run_duty(escrow, look, entry, *run);
            Due { proofs: unmade, ..Due::by(*window.end(), duty, call) }
        };
        Ok(open.iter().map(due).collect())
    }

    /// A proof of a run of a collection that pays the account for a job.
    fn request(
        &self,
        escrow: &AuditEscrow,
        look: &Look,
        binding: &ModelBinding,
        root: U256,
        place: RunPlace,
    ) -> ProofRequest {
        ProofRequest {
            job_id: look.id,
            context: escrow.contract().proof_context(look.id, self.account),
            model: binding.model,
            input_commitment: root,
            recipient: self.account,
            hint: Default::default(),
            run: Some(place),
            expected: None,
        }
    }
}

fn no_bundle(stored: &Entry) -> String {
    format!(
        "the entry is of model {:#066x}, and no --bundle here is of it; give the bundle that it was entered with",
        stored.modelId
    )
}

fn run_duty(escrow: &AuditEscrow, look: &Look, entry: usize, run: u64) -> Duty {
    let (contract, entry) = (escrow.address(), U256::from(entry));
    Duty::ProveAuditRun { contract, job: look.id, entry, run }
}

fn prove_call(escrow: &AuditEscrow, look: &Look, entry: usize, run: u64) -> crate::duty::CallOf {
    let (contract, terms, job_id) = (escrow.contract().clone(), look.terms.clone(), look.id);
    Arc::new(move |proof: &ProofArtifact| {
        contract.request(&IAuditEscrow::proveCall {
            jobId: job_id,
            terms: terms.clone(),
            entry: U256::from(entry),
            run: U256::from(run),
            correct: proof.outputs.first().copied().unwrap_or_default(),
            proof: proof.proof.clone(),
        })
    })
}

/// Runs of an entry that are not proven in the state of a block, some of them.
async fn unproven(
    escrow: &AuditEscrow,
    look: &Look,
    entry: usize,
    runs: u64,
    at: BlockRef,
) -> Result<Vec<u64>, RelayerError> {
    let (mut open, mut next) = (Vec::new(), 0);
    while next < runs && open.len() < AT_ONCE {
        let last = runs.min(next + AT_ONCE as u64);
        let (escrow, job, entry) = (escrow.in_block(at), look.id, U256::from(entry));
        let found = of_each(next..last, |run| {
            let escrow = escrow.clone();
            async move { Ok((run, escrow.is_proven(job, entry, run).await?)) }
        });
        let found = found.await?.into_iter().filter(|(_, proven)| !proven);
        open.extend(found.map(|(run, _)| run));
        next = last;
    }
    open.truncate(AT_ONCE);
    Ok(open)
}

/// The hash that stands for one account among the sellers that a job names.
fn alone(account: Address) -> B256 {
    assay_client::escrow::sellers::Sellers::new(&[account]).root()
}
