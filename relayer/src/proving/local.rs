//! Proofs made in this process, for one model.

use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    thread::available_parallelism,
    time::Duration,
};

use alloy::primitives::{B256, U256};
use assay_client::{ModelIdentity, ProofArtifact};
use assay_prover::{
    arithmetic::field::{Fr, field_from_bytes, field_to_bytes},
    bundle::{Bundle, BundleError},
    circuit::{Layout, StatementKind},
    collection::Collection,
    files::FileError,
    model_proof::{CountOpening, ModelProofError, ModelProver, generate_key, model_hash, read_key},
    openings::{Marks, Openings, OpeningsError},
    prediction::{self, OutputWord, Statement, shows_answer},
    proof::{KeyError, ProofFile, ProverKey, Srs, SrsError},
};
use async_trait::async_trait;
use tokio::sync::Semaphore;

use super::{InputStore, OpeningsLeft, ProofRequest, ProveError, Prover, TaskOpening};

/// Name of the proving key in a folder of keys.
const PROVING_KEY: &str = "proving.key";

/// Why a model cannot be served from here.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
#[allow(missing_docs, reason = "the texts of the variants say what their fields hold")]
pub enum LocalProverError {
    /// The bundle cannot be used.
    #[error(transparent)]
    Bundle(#[from] BundleError),
    /// The setup cannot be used.
    #[error(transparent)]
    Setup(#[from] SrsError),
    /// The proving key cannot be used or made.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// A file is damaged or of another kind.
    #[error(transparent)]
    File(#[from] FileError),
    /// The model cannot be proven with these.
    #[error(transparent)]
    Prediction(#[from] ModelProofError),
    /// The bundle is for another statement.
    #[error(
        "{path} proves another statement; what is served from here is what a model says of a committed input, openly, or \
         of the items of a collection",
        path = .path.display()
    )]
    Statement { path: PathBuf },
    /// The folder for keys cannot be made.
    #[error("the folder {path} for keys cannot be made: {source}", path = .path.display())]
    Folder { path: PathBuf, source: io::Error },
    /// Key and setup do not belong together.
    #[error(
        "the keys in {path} were made with another setup than the one given; make them again with `assay keygen`",
        path = .path.display()
    )]
    OtherSetup { path: PathBuf },
}

/// What a proof cost.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ProofReport {
    /// Id of the job in the escrow.
    pub job_id: U256,
    /// The class or the number it proves, where it shows one word.
    pub answer: Option<OutputWord>,
    /// Of a number: what one step of it stands for.
    pub step: Option<f64>,
    /// Time for computing the witness.
    pub witness_time: Duration,
    /// Time for the proof itself.
    pub prove_time: Duration,
    /// Its length.
    pub proof_bytes: usize,
    /// Proofs made under the bundle's blinding seed so far, and allowed.
    pub openings: (usize, usize),
}

/// Proves one model's predictions on this machine's cores.
pub struct LocalProver {
    model: Arc<LoadedModel>,
    inputs: InputStore,
    reports: Arc<Mutex<Vec<ProofReport>>>,
    /// One permit for each proof at a time.
    slots: Arc<Semaphore>,
    expected_time: Duration,
}

pub(super) struct LoadedModel {
    pub(super) bundle: Bundle,
    openings: Openings,
    /// Whether they are counted here.
    counts: bool,
    pub(super) layout: Layout,
    srs: Srs,
    key: ProverKey,
    identity: ModelIdentity,
    /// The collection that was read last: it takes as long as a proof.
    pub(super) collection: Mutex<Option<(B256, Arc<Collection>)>>,
}

impl LocalProver {
    /// Loads the model in the file `bundle` with the setup in the file `setup`. The proving key is
    /// read from the folder `keys`; where there is none it is made and kept there. Takes seconds:
    /// call it outside of an async task.
    ///
    /// The setup's points are not checked here: read the file with [`assay_prover::checked_setup::CheckedSetups`] first,
    /// as the program does, or a setup of a stranger's points makes proofs that hide nothing.
    ///
    /// # Errors
    /// [`LocalProverError`].
    pub fn open(
        bundle: &Path,
        setup: &Path,
        keys: &Path,
        inputs: InputStore,
    ) -> Result<Self, LocalProverError> {
        Self::open_as(bundle, setup, keys, inputs, true)
    }

    /// The same with a copy of a bundle whose openings are counted elsewhere. It proves tasks of a queue, for which that is
    /// done; the counter beside the bundle is neither read nor changed.
    ///
    /// # Errors
    /// [`LocalProverError`].
    pub fn open_uncounted(
        bundle: &Path,
        setup: &Path,
        keys: &Path,
        inputs: InputStore,
    ) -> Result<Self, LocalProverError> {
        Self::open_as(bundle, setup, keys, inputs, false)
    }

    fn open_as(
        bundle: &Path,
        setup: &Path,
        keys: &Path,
        inputs: InputStore,
        counts: bool,
    ) -> Result<Self, LocalProverError> {
        let path = bundle;
        let bundle = Bundle::read(path)?;
        let layout = bundle.layout()?;
        let statement = layout.options.statement;
        if !shows_answer(statement) && statement.run().is_none() {
            return Err(LocalProverError::Statement { path: path.to_owned() });
        }
        let openings = bundle.openings(path, &Marks::of_user().map_err(BundleError::from)?);
        // A count that cannot be trusted is found before the keys are read.
        if counts {
            openings.usage().map_err(BundleError::from)?;
        }
        let srs = Srs::read(setup, Some(layout.k))?;
        let path = keys.join(PROVING_KEY);
        let key = if path.exists() {
            read_key(&path, &layout)?
        } else {
            fs::create_dir_all(keys)
                .map_err(|source| LocalProverError::Folder { path: keys.to_owned(), source })?;
            let key = generate_key(&srs, &layout)?;
            key.write(&path)?;
            key
        };
        if key.info().setup_id() != srs.id() {
            return Err(LocalProverError::OtherSetup { path: keys.to_owned() });
        }
        let identity = ModelIdentity {
            vk_hash: B256::from(key.info().hash()),
            model_hash: B256::from(model_hash(&bundle, &layout, &srs)?),
        };
        // The planner counts CPU seconds.
        let threads = available_parallelism().map_or(1, usize::from) as f64;
        let expected = Duration::try_from_secs_f64(layout.estimate().prove_cpu_s / threads);
        Ok(Self {
            expected_time: expected.unwrap_or_default(),
            slots: Arc::new(Semaphore::new(1)),
            model: Arc::new(LoadedModel {
                bundle,
                openings,
                counts,
                layout,
                srs,
                key,
                identity,
                collection: Mutex::default(),
            }),
            inputs,
            reports: Arc::default(),
        })
    }

    /// Makes up to `count` proofs at the same time; one unless set.
    pub fn with_parallel_proofs(mut self, count: usize) -> Self {
        self.slots = Arc::new(Semaphore::new(count.clamp(1, Semaphore::MAX_PERMITS)));
        self
    }

    /// The model that it proves.
    pub fn model(&self) -> ModelIdentity {
        self.model.identity
    }

    /// What its setup is known by: Keccak-256 of `[s]_2`.
    pub fn setup_id(&self) -> [u8; 32] {
        self.model.key.info().setup_id()
    }

    /// What its proofs state.
    pub fn statement(&self) -> StatementKind {
        self.model.layout.options.statement
    }

    /// The proofs made so far, oldest first.
    pub fn reports(&self) -> Vec<ProofReport> {
        self.reports.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

#[async_trait]
impl Prover for LocalProver {
    fn serves(&self, model: &ModelIdentity) -> bool {
        *model == self.model.identity
    }

    fn proves_runs(&self) -> bool {
        matches!(self.statement(), StatementKind::Classification { .. })
    }

    fn run_items(&self) -> Option<u64> {
        self.statement().run().map(|run| run.items() as u64)
    }

    async fn survey(&self, root: U256, items: u64) -> Result<Vec<U256>, ProveError> {
        let (model, inputs) = (Arc::clone(&self.model), self.inputs.clone());
        aside(move || model.survey(&inputs, root, items)).await
    }

    async fn open_items(&self, root: U256, items: &[u64]) -> Result<String, ProveError> {
        let (model, inputs, items) = (Arc::clone(&self.model), self.inputs.clone(), items.to_vec());
        aside(move || model.open_items(&inputs, root, &items)).await
    }

    fn expected_time(&self) -> Duration {
        self.expected_time
    }

    fn openings(&self) -> Option<OpeningsLeft> {
        if !self.model.counts {
            return None;
        }
        let usage = self.model.openings.usage();
        let usage = usage.inspect_err(|error| tracing::warn!(%error, "the openings are not known"));
        usage.ok().map(|usage| OpeningsLeft { left: usage.left, budget: usage.budget })
    }

    /// A proof that was begun runs to its end even if the future is dropped: its opening is counted
    /// already. The next one waits for that end.
    async fn prove(&self, request: &ProofRequest) -> Result<ProofArtifact, ProveError> {
        self.prove_with(request, None).await
    }

    async fn prove_task(
        &self,
        request: &ProofRequest,
        opening: Arc<dyn TaskOpening>,
    ) -> Result<ProofArtifact, ProveError> {
        self.prove_with(request, Some(opening)).await
    }

    fn models(&self) -> Vec<ModelIdentity> {
        vec![self.model.identity]
    }

    fn count_opening(&self) -> Result<(), ProveError> {
        let counted = self.model.openings.count_proof().map(drop);
        counted.map_err(|error| ProveError::NotReady(error.to_string()))
    }
}

impl LocalProver {
    async fn prove_with(
        &self,
        request: &ProofRequest,
        opening: Option<Arc<dyn TaskOpening>>,
    ) -> Result<ProofArtifact, ProveError> {
        if !self.serves(&request.model) {
            return Err(ProveError::UnknownModel(request.model));
        }
        let (model, inputs) = (Arc::clone(&self.model), self.inputs.clone());
        let (request, reports) = (request.clone(), Arc::clone(&self.reports));
        in_slot(&self.slots, move || {
            let count = |openings: &Openings| match &opening {
                Some(opening) => opening.take(openings),
                None if model.counts => openings.count_proof(),
                None => {
                    Err(OpeningsError::Elsewhere { reason: "they are counted elsewhere".into() })
                }
            };
            if let Some(place) = request.run {
                return model.prove_run(&inputs, &request, place, &count);
            }
            let (artifact, report) = model.prove(&inputs, &request, &count)?;
            reports.lock().unwrap_or_else(PoisonError::into_inner).push(report);
            Ok(artifact)
        })
        .await
    }
}

/// Runs `work` on a thread of its own.
async fn aside<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, ProveError> + Send + 'static,
) -> Result<T, ProveError> {
    let work = tokio::task::spawn_blocking(work).await;
    work.map_err(|error| ProveError::Interrupted(error.to_string()))?
}

/// Runs `work` on a thread of its own when a slot is free. The slot is taken until the work has
/// ended, also where nobody waits for it any more.
async fn in_slot<T: Send + 'static>(
    slots: &Arc<Semaphore>,
    work: impl FnOnce() -> Result<T, ProveError> + Send + 'static,
) -> Result<T, ProveError> {
    let interrupted = |error: &dyn std::error::Error| ProveError::Interrupted(error.to_string());
    let slot = Arc::clone(slots).acquire_owned().await.map_err(|error| interrupted(&error))?;
    let work = tokio::task::spawn_blocking(move || {
        let _slot = slot;
        work()
    });
    work.await.map_err(|error| interrupted(&error))?
}

/// What an error of the prover means for the job.
pub(super) fn prove_error(error: &ModelProofError) -> ProveError {
    match error {
        // The owner may bring a bundle with more of them.
        ModelProofError::Openings(_) => ProveError::NotReady(error.to_string()),
        // Others may give theirs back; the file with other commitments is gone.
        ModelProofError::Memory { .. } | ModelProofError::KeptCommitments { .. } => {
            ProveError::NotReady(error.to_string())
        }
        _ => ProveError::Failed(error.to_string()),
    }
}

/// That what the model gives is what was answered.
pub(super) fn refuse_other(expected: &[U256], given: &[U256]) -> Result<(), ProveError> {
    if expected == given {
        return Ok(());
    }
    let text = |words: &[U256]| words.iter().map(U256::to_string).collect::<Vec<_>>().join(" ");
    Err(ProveError::Failed(format!(
        "it was answered with output {}, the model gives {}: it cannot be proven",
        text(expected),
        text(given)
    )))
}

pub(super) fn words_of(words: &[Fr]) -> Vec<U256> {
    words.iter().map(|word| U256::from_be_bytes(field_to_bytes(word))).collect()
}

impl LoadedModel {
    pub(super) fn prover<'a>(&'a self, count: CountOpening<'a>) -> ModelProver<'a> {
        let prover =
            ModelProver::new(&self.bundle, &self.openings, &self.layout, &self.srs, &self.key);
        ModelProver { count, ..prover }
    }

    /// A proof that does not hold would cost gas and an opening of the weights.
    pub(super) fn check(&self, proof: &ProofFile) -> Result<(), ProveError> {
        let failed = |reason: String| ProveError::Failed(reason);
        let weights = self
            .key
            .verify(&proof.public_inputs, &proof.proof)
            .map_err(|error| failed(format!("the proof made here is refused: {error}")))?;
        if weights != self.identity.model_hash.0 {
            return Err(failed("the proof made here is for another model".into()));
        }
        Ok(())
    }

    fn prove(
        &self,
        inputs: &InputStore,
        request: &ProofRequest,
        count: CountOpening<'_>,
    ) -> Result<(ProofArtifact, ProofReport), ProveError> {
        let failed = |reason: String| ProveError::Failed(reason);
        let unavailable = |reason: String| ProveError::InputUnavailable {
            commitment: request.input_commitment,
            reason,
        };
        let commitment = B256::from(request.input_commitment.to_be_bytes());
        let opening = inputs.get(commitment).map_err(|error| unavailable(error.to_string()))?;
        opening.check_numbers(&self.bundle.graph).map_err(|error| failed(error.to_string()))?;
        let salt = field_from_bytes(&opening.salt.0)
            .ok_or_else(|| unavailable("its salt is out of range".into()))?;
        let context = field_from_bytes(&request.context.to_be_bytes())
            .ok_or_else(|| failed("the context is not a field element".into()))?;
        if let Some(expected) = &request.expected {
            let words = prediction::reference(&self.bundle, &self.layout, &opening.input);
            refuse_other(expected, &words_of(&words.map_err(|error| prove_error(&error))?))?;
        }
        let statement = Statement { context, input: &opening.input, salt };
        // What was begun runs to its end: see `prove` above.
        let prediction = prediction::prove(self.prover(count), &statement)
            .map_err(|error| prove_error(&error))?;
        self.check(&prediction.proof)?;
        let outputs = words_of(&prediction.outputs);
        let answer = match outputs[..] {
            [word] => u64::try_from(word)
                .ok()
                .and_then(|word| OutputWord::read(self.layout.statement_code, word)),
            _ => None,
        };
        let report = ProofReport {
            job_id: request.job_id,
            answer,
            step: answer.and_then(OutputWord::number).and_then(|_| self.bundle.output_step()),
            witness_time: prediction.witness_time,
            prove_time: prediction.prove_time,
            proof_bytes: prediction.proof.proof.len(),
            openings: prediction.openings,
        };
        let artifact = ProofArtifact::of_input(prediction.proof.proof.into(), outputs);
        Ok((artifact, report))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    #[tokio::test]
    async fn a_proof_nobody_waits_for_keeps_its_slot_until_it_ends() {
        let slots = Arc::new(Semaphore::new(1));
        let (begun, is_begun) = mpsc::channel();
        let (end, may_end) = mpsc::channel::<()>();
        let first = tokio::spawn({
            let slots = Arc::clone(&slots);
            async move {
                in_slot(&slots, move || {
                    begun.send(()).unwrap();
                    may_end.recv().unwrap();
                    Ok(())
                })
                .await
            }
        });
        tokio::task::spawn_blocking(move || is_begun.recv().unwrap()).await.unwrap();
        first.abort();
        assert!(first.await.unwrap_err().is_cancelled());

        let second = in_slot(&slots, || Ok(7));
        tokio::pin!(second);
        let early = tokio::time::timeout(Duration::from_millis(100), &mut second).await;
        assert!(early.is_err(), "begun beside the first");
        end.send(()).unwrap();
        assert_eq!(second.await.unwrap(), 7);
    }

    #[test]
    fn a_disk_that_takes_no_count_is_waited_for() {
        let counter = || "model.bundle.openings".into();
        let full = OpeningsError::Io { path: counter(), source: io::ErrorKind::StorageFull.into() };
        assert!(matches!(prove_error(&full.into()), ProveError::NotReady(_)));
        // Somebody may bring it.
        let missing = OpeningsError::Missing { path: counter() };
        assert!(matches!(prove_error(&missing.into()), ProveError::NotReady(_)));
        let path = "model.bundle.commitments".into();
        let others = ModelProofError::KeptCommitments { path };
        assert!(matches!(prove_error(&others), ProveError::NotReady(_)));
        for spent in [OpeningsError::BudgetSpent { budget: 3 }, OpeningsError::Ended] {
            assert!(matches!(prove_error(&spent.into()), ProveError::NotReady(_)));
        }
    }
}
