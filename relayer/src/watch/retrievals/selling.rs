//! The holder's side of a retrieval: its runs are proven, and the openings of the selected items published.

use std::{collections::HashMap, path::Path, sync::Arc, time::Duration};

use alloy::{
    primitives::{B256, Bytes, U256, keccak256},
    sol_types::SolValue,
};
use assay_client::{
    ContractClient, ModelRegistry, ProofArtifact, RetrievalEscrow, bindings::IRetrievalEscrow,
    chain::BlockRef, registry::ModelBinding,
};
use assay_prover::{
    collection::sealed::{self, Recipient},
    files::atomic_file::{self, Readers},
};

use super::Look;
use crate::{
    config::RelayerConfig,
    duty::{Call, Due, Duty, Pays, ProofKey},
    error::RelayerError,
    live_policy::LivePolicy,
    proving::{ProofRequest, ProveError, RunPlace},
    refusal::Refusal,
    sales::{RetrievalSales, RunSale},
    store::JobStore,
    surveys::Surveys,
    watch::discovery::of_each,
};

/// Runs of a job that are due at the same time; the others come when these are proven.
const AT_ONCE: usize = 32;

/// Proves retrievals for their holder.
pub(crate) struct Selling {
    sales: RetrievalSales,
    registry: ModelRegistry,
    policy: LivePolicy,
    parallel_proofs: usize,
    store: JobStore,
    bindings: HashMap<U256, ModelBinding>,
    surveys: Surveys,
    /// What was published where, by the name of its file.
    published: HashMap<String, (B256, Bytes)>,
}

/// How far the runs of a job are.
struct Progress {
    runs: u64,
    /// Not proven on chain.
    missing: u64,
    /// Of these, those that are due now.
    open: Vec<u64>,
    /// Proofs that are not made yet.
    unmade: u64,
    /// Of these, those that are being made, or were when the process was killed.
    proving: u64,
    /// Whether anything was spent on it: a proof was shown, made, or begun.
    begun: bool,
}

/// What proofs of a job are kept under: what they are about. Another job of the same id needs others.
pub(super) fn subject(look: &Look) -> U256 {
    let terms = &look.terms;
    let about =
        (look.id, terms.holder, terms.modelId, terms.collectionRoot, terms.items, terms.batch);
    U256::from_be_bytes(keccak256(about.abi_encode_params()).0)
}

impl Selling {
    pub(crate) fn new(
        sales: RetrievalSales,
        registry: ModelRegistry,
        (config, policy): (&RelayerConfig, &LivePolicy),
        store: JobStore,
    ) -> Self {
        Self {
            sales,
            registry,
            policy: policy.clone(),
            parallel_proofs: config.parallel_proofs,
            store,
            bindings: HashMap::new(),
            surveys: Surveys::default(),
            published: HashMap::new(),
        }
    }

    pub(super) fn has_news(&mut self) -> bool {
        self.surveys.has_news()
    }

    /// The proofs that a job still needs, or why it is left alone.
    pub(super) async fn prove(
        &mut self,
        escrow: &RetrievalEscrow,
        look: &Look,
        at: BlockRef,
    ) -> Result<Result<Vec<Due>, Refusal>, RelayerError> {
        let other = Refusal::OtherModel { model: look.terms.modelId };
        let Some((sale, binding)) = self.sale(look.terms.modelId).await? else {
            return Ok(Err(other));
        };
        let progress = self.progress(escrow, look, at).await?;
        if let Some(reason) = self.too_late(look, &sale, &progress, at) {
            return Ok(Err(reason));
        }
        if !progress.begun {
            if let Err(reason) = self.terms(look, &sale, &progress) {
                return Ok(Err(reason));
            }
            let (root, items) = (look.terms.collectionRoot, u64::from(look.terms.items));
            let words = match self.surveys.look(&sale.prover, binding.model, root, items).await {
                // It is being computed.
                None => return Ok(Ok(Vec::new())),
                Some(Ok(words)) => words,
                Some(Err(error)) => return Ok(Err(unusable(root, &error))),
            };
            if words.iter().any(|word| !word.is_zero())
                && let Err(reason) = self.readers(look)
            {
                return Ok(Err(Refusal::NotPublishable { reason }));
            }
        }
        let due = |run: &u64| self.run(escrow, look, &sale, &binding, &progress, *run);
        Ok(Ok(progress.open.iter().map(due).collect()))
    }

    /// The bundle that is of a model of the registry.
    async fn sale(&mut self, model: U256) -> Result<Option<(RunSale, ModelBinding)>, RelayerError> {
        let binding = match self.bindings.get(&model) {
            Some(binding) => *binding,
            // Bindings are final.
            None => match self.registry.binding(model).await? {
                Some(binding) => *self.bindings.entry(model).or_insert(binding),
                None => return Ok(None),
            },
        };
        let serves = |sale: &&RunSale| {
            sale.prover.serves(&binding.model)
                && sale.binding.is_none_or(|served| served == binding.binding_hash)
        };
        Ok(self.sales.models.iter().find(serves).map(|sale| (sale.clone(), binding)))
    }

    async fn progress(
        &self,
        escrow: &RetrievalEscrow,
        look: &Look,
        at: BlockRef,
    ) -> Result<Progress, RelayerError> {
        let (items, batch) = (u64::from(look.terms.items), u64::from(look.terms.batch).max(1));
        let (runs, missing) = (items.div_ceil(batch), look.job.missing.saturating_to::<u64>());
        let (mut open, mut next) = (Vec::new(), 0);
        while next < runs && open.len() < AT_ONCE {
            let last = runs.min(next + AT_ONCE as u64);
            let (escrow, job) = (escrow.in_block(at), look.id);
            let found = of_each(next..last, |run| {
                let escrow = escrow.clone();
                async move { Ok((run, escrow.bitmap(job, run).await?.is_some())) }
            });
            let unproven = found.await?.into_iter().filter(|(_, proven)| !proven);
            open.extend(unproven.map(|(run, _)| run));
            next = last;
        }
        open.truncate(AT_ONCE);
        let (mut unmade, mut proving) = (missing, 0);
        for run in &open {
            let key = ProofKey::new(escrow.address(), subject(look), *run);
            if self.store.has_duty_proof(&key).await? {
                unmade = unmade.saturating_sub(1);
                continue;
            }
            let duty =
                Duty::ProveRetrievalRun { contract: escrow.address(), job: look.id, run: *run };
            proving +=
                u64::from(self.store.duty(&duty).await?.is_some_and(|record| record.proving));
        }
        let begun = missing < runs || unmade < missing || proving > 0;
        Ok(Progress { runs, missing, open, unmade, proving, begun })
    }

    /// Before the first proof the margin of each has to be there; later what they are expected to take.
    fn too_late(
        &self,
        look: &Look,
        sale: &RunSale,
        progress: &Progress,
        at: BlockRef,
    ) -> Option<Refusal> {
        let (expected, policy) = (sale.prover.expected_time(), self.policy.read());
        let each = if progress.begun { expected } else { policy.margin(expected) };
        let unbegun = progress.unmade.saturating_sub(progress.proving);
        let rounds = unbegun.div_ceil(self.parallel_proofs.max(1) as u64);
        let needed = each.saturating_mul(u32::try_from(rounds).unwrap_or(u32::MAX)).as_secs();
        // A requester may leave a second between both deadlines.
        let publishing = policy.margin(Duration::ZERO).as_secs();
        let last = look.terms.proveBy.min(look.terms.openBy.saturating_sub(publishing));
        let seconds = last.saturating_sub(at.timestamp);
        (needed > seconds).then_some(Refusal::TooLate { seconds, needed })
    }

    /// What speaks against a job of which nothing is proven yet.
    fn terms(&self, look: &Look, sale: &RunSale, progress: &Progress) -> Result<(), Refusal> {
        let (terms, policy) = (&look.terms, self.policy.read());
        let Some(minimum) = policy.minimum_prices.get(&terms.token) else {
            return Err(Refusal::TokenNotAccepted { token: terms.token });
        };
        let each = U256::from(terms.price) / U256::from(progress.runs.max(1));
        if each < *minimum {
            return Err(Refusal::PriceTooLow { each, minimum: *minimum });
        }
        let needed = progress.unmade;
        match sale.prover.openings() {
            Some(openings) if (openings.left as u64) < needed => {
                Err(Refusal::TooFewOpenings { left: openings.left, needed })
            }
            _ => Ok(()),
        }
    }

    fn run(
        &self,
        escrow: &RetrievalEscrow,
        look: &Look,
        sale: &RunSale,
        binding: &ModelBinding,
        progress: &Progress,
        run: u64,
    ) -> Due {
        let Look { id, terms, hint, .. } = look;
        let (contract, id) = (escrow.contract().clone(), *id);
        let request = ProofRequest {
            job_id: id,
            context: contract.proof_context(id, terms.holder),
            model: binding.model,
            input_commitment: terms.collectionRoot,
            recipient: terms.holder,
            hint: hint.clone(),
            run: Some(RunPlace { run, items: u64::from(terms.items) }),
            expected: None,
        };
        let repeated = terms.clone();
        let call = Arc::new(move |proof: &ProofArtifact| {
            let bitmap = proof.outputs.first().copied().unwrap_or_default();
            let (terms, proof) = (repeated.clone(), proof.proof.clone());
            let run = U256::from(run);
            contract.request(&IRetrievalEscrow::proveCall { jobId: id, terms, run, bitmap, proof })
        });
        let pays = Pays {
            token: terms.token,
            amount: U256::from(terms.price),
            proofs: progress.unmade,
            // The last one publishes, or settles.
            calls: progress.missing.saturating_add(1),
        };
        Due {
            duty: Duty::ProveRetrievalRun { contract: escrow.address(), job: id, run },
            deadline: Some(terms.proveBy),
            pays: Some(pays),
            proofs: progress.unmade,
            call: Call::WithProof {
                key: ProofKey::new(escrow.address(), subject(look), run),
                request: Box::new(request),
                prover: Arc::clone(&sale.prover),
                call,
            },
        }
    }

    /// To whom the openings of a job are sealed; `None` for everybody.
    fn readers(&self, look: &Look) -> Result<Option<Recipient>, String> {
        let Some(publishing) = &self.sales.publishing else {
            return Err("--published and --published-at do not say where they would lie".into());
        };
        let hint = String::from_utf8_lossy(&look.hint);
        let recipient = hint.split_whitespace().find_map(|word| word.parse::<Recipient>().ok());
        match recipient {
            None if !publishing.unsealed => Err(
                "its requester names no key (age1...) in its hint to which they could be sealed; --publish-unsealed \
                 publishes them for everybody"
                    .into(),
            ),
            recipient => Ok(recipient),
        }
    }

    /// The publication of a job whose runs are all proven in a confirmed block.
    pub(super) async fn publish(
        &mut self,
        escrow: &RetrievalEscrow,
        look: &Look,
        confirmed: BlockRef,
    ) -> Result<Due, RelayerError> {
        let duty = Duty::PublishRetrieval { contract: escrow.address(), job: look.id };
        let call = match self.publication(escrow, look, confirmed).await? {
            Ok((data_hash, place)) => {
                let (job_id, terms) = (look.id, look.terms.clone());
                Call::ready(escrow.contract().request(&IRetrievalEscrow::publishCall {
                    jobId: job_id,
                    terms,
                    dataHash: data_hash,
                    place,
                }))
            }
            Err(why) => Call::Blocked(why),
        };
        Ok(Due::by(look.terms.openBy, duty, call))
    }

    /// Hash and place of the file with the openings, which is made once.
    async fn publication(
        &mut self,
        escrow: &RetrievalEscrow,
        look: &Look,
        confirmed: BlockRef,
    ) -> Result<Result<(B256, Bytes), String>, RelayerError> {
        let reader = match self.readers(look) {
            Ok(reader) => reader,
            Err(why) => return Ok(Err(why)),
        };
        let Some(publishing) = self.sales.publishing.clone() else {
            return Ok(Err("there is no folder for them".into()));
        };
        // Sealed anew it would have another hash, so its name says what it holds and for whom.
        let about = keccak256((look.job.termsHash, look.hint.clone()).abi_encode_params());
        let ending = if reader.is_some() { "jsonl.age" } else { "jsonl" };
        let name = format!("{}.{ending}", alloy::hex::encode(about));
        if let Some(known) = self.published.get(&name) {
            return Ok(Ok(known.clone()));
        }
        let path = publishing.folder.join(&name);
        if !path.exists() {
            let openings = match self.openings(escrow, look, confirmed).await? {
                Ok(openings) => openings,
                Err(error) => return Ok(Err(error.to_string())),
            };
            if let Err(why) = write(&path, &openings, reader.as_ref()) {
                return Ok(Err(why));
            }
        }
        let data = match std::fs::read(&path) {
            Ok(data) => data,
            Err(error) => return Ok(Err(format!("{} cannot be read: {error}", path.display()))),
        };
        let place = format!("{}{name}", publishing.place).into_bytes().into();
        let made = (keccak256(&data), place);
        self.published.insert(name, made.clone());
        Ok(Ok(made))
    }

    /// The openings of all items that the proofs on chain select.
    async fn openings(
        &mut self,
        escrow: &RetrievalEscrow,
        look: &Look,
        confirmed: BlockRef,
    ) -> Result<Result<String, ProveError>, RelayerError> {
        let terms = &look.terms;
        let Some((sale, binding)) = self.sale(terms.modelId).await? else {
            let text = format!("no --bundle is of its model {:#066x} any more", terms.modelId);
            return Ok(Err(ProveError::Failed(text)));
        };
        tracing::debug!(job = %look.id, model = %binding.model, "opening the selected items");
        let (items, batch) = (u64::from(terms.items), u64::from(terms.batch).max(1));
        let (escrow, job) = (escrow.in_block(confirmed), look.id);
        let bitmaps = of_each(0..items.div_ceil(batch), |run| {
            let escrow = escrow.clone();
            async move { Ok((run, escrow.bitmap(job, run).await?.unwrap_or_default())) }
        });
        let mut selected = Vec::new();
        for (run, bitmap) in bitmaps.await? {
            let chosen = (0..batch).filter(|item| bitmap.bit(*item as usize));
            selected.extend(chosen.map(|item| run * batch + item));
        }
        Ok(sale.prover.open_items(terms.collectionRoot, &selected).await)
    }
}

/// Why a collection cannot be proven.
fn unusable(root: U256, error: &ProveError) -> Refusal {
    match error {
        ProveError::InputUnavailable { reason, .. } => Refusal::collection(root, reason.clone()),
        other => Refusal::NotProvable { reason: other.to_string() },
    }
}

fn write(path: &Path, openings: &str, reader: Option<&Recipient>) -> Result<(), String> {
    let folder = path.parent().map_or(Ok(()), std::fs::create_dir_all);
    folder.map_err(|error| format!("the folder of {} cannot be made: {error}", path.display()))?;
    match reader {
        Some(reader) => sealed::seal_bytes(openings.as_bytes(), std::slice::from_ref(reader), path)
            .map_err(|error| error.to_string()),
        None => atomic_file::write_new(path, Readers::Everyone, openings.as_bytes())
            .map_err(|error| format!("{} cannot be written: {error}", path.display())),
    }
}
