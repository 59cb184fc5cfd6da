//! `assay prove`.

use std::{path::PathBuf, time::Instant};

use alloy::primitives::{Address, B256, Bytes, U256};
use anyhow::{Context, Result, bail};
use assay_client::{Contract, ContractClient, ModelIdentity, PredictionEscrow};
use assay_prover::{
    arithmetic::field::{field_from_bytes, field_to_bytes},
    bundle::Bundle,
    circuit::{InputMode, OutputMode, StatementKind},
    graph::QuantizedGraph,
    model_proof::{ModelProver, model_hash},
    openings::{Marks, Openings},
    prediction::{self, Prediction, Statement},
    proof::{ProofFile, ProverKey, library::LibraryProver},
};
use assay_relayer::proving::InputOpening;
use clap::{ArgGroup, Args};
use serde::Serialize;

use crate::{
    binding::require_model,
    chain::{NodeArgs, OptionalNodeArgs, block_on},
    contract::find,
    hex_words::parse_word,
    input::{InputArgs, ResizeArgs, Salt},
    key_folder::KeyFolder,
    model::describe,
    new_file::NewFile,
    output::{Output, table},
    predicted::Predicted,
    proof_watch::{Course, HeldSignals, ProofWatch},
    public_inputs::{PublicInput, named},
    resources::Stopwatch,
    setup_trust::{SetupTrust, guard_setup},
    trust::read_setup,
};

#[derive(Args)]
#[command(
    group = ArgGroup::new("what").required(true).args(["input", "opening"]),
    after_help = "Example:
  assay prove lenet.bundle --setup dev.srs --keys keys --input 7.png -o digit.proof
                                       writes the input's opening to digit.proof.opening.json
  assay prove lenet.bundle --setup dev.srs --keys keys --opening openings/0a...json \\
    --escrow 0x... --job 1 --recipient 0x... --rpc http://127.0.0.1:8545 -o job1.proof"
)]
pub(crate) struct ProveArgs {
    /// Model bundle
    bundle: PathBuf,
    /// Parameters that the keys were made with
    #[arg(long, env = "ASSAY_SETUP", value_name = "FILE")]
    setup: PathBuf,
    /// Folder of keys
    #[arg(long, value_name = "DIR")]
    keys: PathBuf,
    /// Input: an image, `FILE.npz:INDEX` or a JSON file
    #[arg(long, value_name = "FILE")]
    input: Option<String>,
    /// Take numbers outside the input's encoding as its nearest end. Without it they are refused: the proof
    /// would be about another input than was meant
    #[arg(long, requires = "input")]
    clamp: bool,
    #[command(flatten)]
    resize: ResizeArgs,
    /// Salt of the input's commitment: 64 hexadecimal digits, or `random`
    #[arg(long, default_value = "random", value_name = "HEX", conflicts_with = "opening")]
    salt: Salt,
    /// Input and salt from an opening that `assay input commit` wrote
    #[arg(long, value_name = "FILE")]
    opening: Option<PathBuf>,
    /// Where the opening of --input goes, its bytes and salt: who has it and the proof knows which input was
    /// proven. Secret [default: OUTPUT.opening.json]
    #[arg(long, value_name = "FILE", conflicts_with = "opening")]
    opening_output: Option<PathBuf>,
    /// Where the opening of hidden outputs goes, of a model whose proofs show a commitment to them: who has
    /// it knows the answer. Secret [default: OUTPUT.outputs.json]
    #[arg(long, value_name = "FILE")]
    outputs_opening: Option<PathBuf>,
    /// Public input 0, which binds the proof to its use: 64 hexadecimal digits [default: 0]
    #[arg(long, default_value_t = B256::ZERO, hide_default_value = true, value_name = "HEX", value_parser = parse_word, conflicts_with_all = ["escrow", "job", "recipient"])]
    context: B256,
    /// Prove for this job: its context is computed
    #[arg(long, value_name = "ID", requires_all = ["recipient", "rpc"])]
    job: Option<U256>,
    /// Who is paid for the proof; nobody else can be
    #[arg(long, value_name = "ADDRESS", requires = "job")]
    recipient: Option<Address>,
    /// The job's escrow [default: the one in --deployment]
    #[arg(long, value_name = "ADDRESS", requires = "job", help_heading = "Chain")]
    escrow: Option<Address>,
    /// File of addresses that `assay deploy` wrote
    #[arg(long, env = "ASSAY_DEPLOYMENT", value_name = "FILE", help_heading = "Chain")]
    deployment: Option<PathBuf>,
    /// Allow a setup of no known ceremony for a job on a chain that is not a development chain
    #[arg(long)]
    dev: bool,
    #[command(flatten)]
    node: OptionalNodeArgs,
    /// Begin even if the proof is expected to take more memory than is free
    #[arg(long)]
    despite_memory: bool,
    /// Let the library's prover make the proof, to compare time and memory
    #[arg(long, hide = true)]
    library_prover: bool,
    /// Proof file to write, not replaced when it exists: each proof costs an opening of the weights
    #[arg(short, long, value_name = "FILE")]
    output: PathBuf,
}

#[derive(Serialize)]
struct Proven {
    output: PathBuf,
    /// File with the input and the salt of its commitment, where this command wrote one.
    opening: Option<PathBuf>,
    /// File with the outputs and the salt of their commitment, where the proof hides them.
    #[serde(skip_serializing_if = "Option::is_none")]
    outputs_opening: Option<PathBuf>,
    /// Index of the largest output; none where there is only one.
    class: Option<usize>,
    /// The network's outputs, or the best classes, where the proof shows them.
    outputs: Vec<PublicInput>,
    context: B256,
    public_inputs: Vec<B256>,
    model_hash: B256,
    vk_hash: B256,
    proof_bytes: usize,
    /// As the verifier contract takes it.
    proof: Bytes,
    witness_s: f64,
    /// Making the proof, without the witness.
    prove_wall_s: f64,
    /// CPU time of witness and proof.
    prove_cpu_s: f64,
    verify_ms: f64,
    openings_used: usize,
    openings: usize,
    /// By the planner, before proving.
    predicted: Predicted,
    /// How the time went.
    #[serde(flatten)]
    course: Option<Course>,
}

pub(crate) fn run(args: &ProveArgs, output: &Output) -> Result<()> {
    let proof_file = NewFile::new(&args.output, None, "a proof costs an opening of the weights");
    proof_file.require_free()?;
    let spinner = output.spinner("reading the model");
    let bundle = Bundle::read(&args.bundle)?;
    let layout = bundle.layout()?;
    let openings = bundle.openings(&args.bundle, &Marks::of_user()?);
    openings.usage()?;
    let outputs_file = args.outputs_file(layout.options.statement)?;
    let opening = args.opening(&bundle.graph)?;
    let _signals = HeldSignals::hold();
    let opening_file = args.write_opening(&opening, layout.options.statement)?;
    spinner.message("reading the keys");
    let srs = read_setup(&args.setup, Some(layout.k), output)?;
    let key = KeyFolder(&args.keys).proving_key(&layout, &srs)?;
    let context = match (args.job, args.recipient, args.node.any_chain()) {
        (Some(job), Some(recipient), Some(node)) => {
            spinner.message("looking at the job");
            let commitment = opening.commitment()?;
            let model = ModelIdentity {
                vk_hash: B256::from(key.info().hash()),
                model_hash: B256::from(model_hash(&bundle, &layout, &srs)?),
            };
            let setup = SetupTrust::of(srs.id());
            args.job_context(&node, job, recipient, commitment, model, &setup)?
        }
        (None, ..) => args.context,
        _ => bail!("a proof for a job needs --job, --recipient and --rpc"),
    };
    let statement = Statement {
        context: field_from_bytes(&context.0).context("the context is not a field element")?,
        input: &opening.input,
        salt: field_from_bytes(&opening.salt.0).context("the salt is not a field element")?,
    };
    let predicted = Predicted::new(&layout, &bundle.graph);
    spinner.note(&format!("predicted: {}", predicted.text()));
    let library = args.library_prover.then(|| LibraryProver::new(&srs, &key));
    drop(spinner);
    let watch = ProofWatch::of_one(output, format!("proving, 2^{} rows", layout.k));
    let stopwatch = Stopwatch::start();
    let prover = ModelProver {
        bundle: &bundle,
        openings: &openings,
        count: &Openings::count_proof,
        layout: &layout,
        srs: &srs,
        key: &key,
        watch: &watch,
        despite_memory: args.despite_memory,
        library: library.as_ref(),
    };
    let prediction = prediction::prove(prover, &statement)?;
    let (used, course) = (stopwatch.read(), watch.course());
    let proof = &prediction.proof;
    let (model_hash, verify_ms) = checked(&key, proof)?;
    write(&proof_file, outputs_file.as_ref(), &prediction)?;
    drop(watch);
    let words = |element| B256::from(field_to_bytes(element));
    let public_inputs: Vec<B256> = proof.public_inputs.iter().map(words).collect();
    let report = Proven {
        output: args.output.clone(),
        opening: opening_file.map(OpeningBeside::keep),
        outputs_opening: outputs_file.map(|file| file.path().to_owned()),
        class: (prediction.logits.len() > 1).then_some(prediction.class),
        outputs: shown_outputs(layout.options.statement, &bundle, &public_inputs),
        context,
        public_inputs,
        model_hash,
        vk_hash: B256::from(proof.vk_hash),
        proof_bytes: proof.proof.len(),
        proof: proof.proof.clone().into(),
        witness_s: prediction.witness_time.as_secs_f64(),
        prove_wall_s: prediction.prove_time.as_secs_f64(),
        prove_cpu_s: used.cpu_s,
        verify_ms,
        openings_used: prediction.openings.0,
        openings: prediction.openings.1,
        predicted,
        course,
    };
    output.finish(&report, || report.text())
}

/// The model that a proof made here is of, and how many milliseconds the check took.
fn checked(key: &ProverKey, proof: &ProofFile) -> Result<(B256, f64)> {
    let start = Instant::now();
    let verified = key.verify(&proof.public_inputs, &proof.proof);
    let model_hash = verified.context("the proof made here is refused")?;
    Ok((B256::from(model_hash), start.elapsed().as_secs_f64() * 1e3))
}

/// Writes the proof, and before it what opens its outputs: without that it would say nothing about any.
fn write(proof: &NewFile, outputs: Option<&NewFile>, prediction: &Prediction) -> Result<()> {
    if let (Some(file), Some(opening)) = (outputs, &prediction.output_opening) {
        opening.write_new(file.path())?;
    }
    proof.write(|path| Ok(prediction.proof.write(path)?))
}

/// The public inputs that are outputs of the network, or its best classes.
fn shown_outputs(
    statement: StatementKind,
    bundle: &Bundle,
    public_inputs: &[B256],
) -> Vec<PublicInput> {
    let mut outputs = named(statement, &bundle.graph, &bundle.bounds, public_inputs);
    let first = statement.first_output(&bundle.graph);
    match statement {
        StatementKind::Prediction {
            output: OutputMode::Best(_) | OutputMode::Scored(_), ..
        } => outputs.split_off(first.min(outputs.len())),
        _ => {
            outputs.retain(|input| input.real.is_some());
            outputs
        }
    }
}

impl Proven {
    fn text(&self) -> String {
        let mut rows =
            vec![("proof", format!("{} ({} bytes)", self.output.display(), self.proof_bytes))];
        rows.extend(self.opening.as_ref().map(|path| {
            ("opening", format!("{} (secret: shows the input that was proven)", path.display()))
        }));
        rows.extend(self.outputs_opening.as_ref().map(|path| {
            ("outputs", format!("{} (secret: shows the hidden outputs)", path.display()))
        }));
        // The best classes begin with it.
        let ranked = self.outputs.iter().any(|output| output.real.is_none());
        let class = self.class.filter(|_| !ranked);
        rows.extend(class.map(|class| ("class", class.to_string())));
        rows.extend(self.outputs.iter().map(|output| (output.name.as_str(), output.text())));
        rows.extend([
            ("model", self.model_hash.to_string()),
            ("verifying key", self.vk_hash.to_string()),
            (
                "time",
                format!(
                    "witness {:.2} s, proof {:.2} s ({:.2} CPU seconds)",
                    self.witness_s, self.prove_wall_s, self.prove_cpu_s
                ),
            ),
            ("predicted", self.predicted.text()),
            ("openings", format!("{} of {} used", self.openings_used, self.openings)),
        ]);
        table(&rows)
    }
}

/// The opening of the input beside a proof. Written before the proof is begun, as without it the proof
/// would say nothing about any input; gone again when there is no proof.
struct OpeningBeside {
    path: PathBuf,
    remove: bool,
}

impl OpeningBeside {
    fn keep(mut self) -> PathBuf {
        self.remove = false;
        std::mem::take(&mut self.path)
    }
}

impl Drop for OpeningBeside {
    fn drop(&mut self) {
        if self.remove {
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

impl ProveArgs {
    fn opening(&self, graph: &QuantizedGraph) -> Result<InputOpening> {
        match (&self.opening, &self.input) {
            (Some(path), _) => {
                let opening = InputOpening::read(path)?;
                opening.check_numbers(graph)?;
                Ok(opening)
            }
            (None, Some(input)) => Ok(InputOpening {
                input: InputArgs { input: input.clone(), clamp: self.clamp, resize: self.resize }
                    .read(graph)?,
                number_bytes: graph.input.number_bytes(),
                salt: self.salt.value(),
            }),
            (None, None) => bail!("give --input or --opening"),
        }
    }

    /// Writes the opening of an input that is given as such; other inputs have a file already, or are public.
    fn write_opening(
        &self,
        opening: &InputOpening,
        statement: StatementKind,
    ) -> Result<Option<OpeningBeside>> {
        let is_public =
            matches!(statement, StatementKind::Prediction { input: InputMode::Public, .. });
        if is_public && self.opening_output.is_some() {
            bail!(
                "--opening-output: the input of this model's proofs is public and has no opening"
            );
        }
        if is_public || self.input.is_none() {
            return Ok(None);
        }
        let path = self.opening_output.clone().unwrap_or_else(|| self.beside("opening.json"));
        let was_there = opening.write_new(&path)?;
        Ok(Some(OpeningBeside { path, remove: !was_there }))
    }

    /// Where the opening of hidden outputs goes, of a circuit that hides them.
    fn outputs_file(&self, statement: StatementKind) -> Result<Option<NewFile>> {
        if !statement.hashes_outputs() {
            if self.outputs_opening.is_some() {
                bail!(
                    "--outputs-opening: proofs of this model show {}; `assay model derive --outputs commitment` makes \
                     a bundle whose proofs hide the outputs",
                    describe(statement)
                );
            }
            return Ok(None);
        }
        let path = self.outputs_opening.clone().unwrap_or_else(|| self.beside("outputs.json"));
        let file = NewFile::new(path, None, "it may open the outputs of another proof");
        file.require_free()?;
        Ok(Some(file))
    }

    /// A file beside the proof.
    fn beside(&self, ending: &str) -> PathBuf {
        let mut name = self.output.clone().into_os_string();
        name.push(".");
        name.push(ending);
        PathBuf::from(name)
    }

    /// The context of a job, after a look at whether the proof can be for it: a proof costs an opening of
    /// the weights.
    fn job_context(
        &self,
        node: &NodeArgs,
        job: U256,
        recipient: Address,
        commitment: B256,
        model: ModelIdentity,
        setup: &SetupTrust,
    ) -> Result<B256> {
        block_on(async {
            let chain = node.connect().await?;
            guard_setup(setup, chain.chain_id(), self.dev)?;
            let file = self.deployment.as_deref();
            let place = find(self.escrow, file, PredictionEscrow::NAME, &chain)?;
            let escrow: PredictionEscrow = Contract::at(chain, place.address).into_client().await?;
            let Some(found) = escrow.job(job).await? else {
                bail!("escrow {} has no job {job}", place.address);
            };
            let wanted = B256::from(found.input_commitment.to_be_bytes());
            if wanted != commitment {
                bail!(
                    "job {job} is about the input with commitment {wanted}, this one has {commitment}"
                );
            }
            require_model(&escrow.registry().await?, found.model_id, model).await?;
            Ok(B256::from(escrow.contract().proof_context(job, recipient).to_be_bytes()))
        })
    }
}
