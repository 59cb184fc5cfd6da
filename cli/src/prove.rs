//! `assay prove` and `assay verify`.

use std::{ops::Range, path::PathBuf, time::Instant};

use alloy::primitives::{Address, B256, Bytes, U256};
use anyhow::{Context, Result, bail};
use assay_client::{Contract, ContractClient, ModelIdentity, PredictionEscrow};
use assay_prover::{
    arithmetic::field::{field_from_bytes, field_to_bytes},
    bundle::Bundle,
    circuit::{InputMode, OutputMode, StatementKind},
    graph::QuantizedGraph,
    model_card::CardOutput,
    model_proof::{ModelProver, model_hash},
    openings::Marks,
    prediction::{self, Statement},
    proof::{ProofFile, VerifyError, library::LibraryProver},
};
use assay_relayer::proving::InputOpening;
use clap::{ArgGroup, Args};
use serde::Serialize;

use crate::{
    binding::require_model,
    chain::{NodeArgs, OptionalNodeArgs, block_on},
    contract::find,
    hex_words::{parse_hash, parse_word},
    input::{InputArgs, ResizeArgs, Salt},
    key_folder::KeyFolder,
    model::describe,
    new_file::NewFile,
    output::{Decimal, Output, hex, table},
    predicted::Predicted,
    proof_watch::{Course, HeldSignals, ProofWatch},
    public_inputs::{PublicInput, named},
    resources::Stopwatch,
    setup_trust::{SetupTrust, guard_setup},
    trust::{ProofKey, ProofKeyArgs, TrustReport, read_setup},
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
    class: usize,
    /// The network's outputs, where the proof shows them.
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

pub(crate) fn prove(args: &ProveArgs, output: &Output) -> Result<()> {
    let proof_file = NewFile::new(&args.output, None, "a proof costs an opening of the weights");
    proof_file.require_free()?;
    let spinner = output.spinner("reading the model");
    let bundle = Bundle::read(&args.bundle)?;
    let layout = bundle.layout()?;
    let openings = bundle.openings(&args.bundle, &Marks::of_user()?);
    openings.usage()?;
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
    let start = Instant::now();
    let verified = key.verify(&proof.public_inputs, &proof.proof);
    let model_hash = verified.context("the proof made here is refused")?;
    let verify_ms = start.elapsed().as_secs_f64() * 1e3;
    proof_file.write(|path| Ok(proof.write(path)?))?;
    drop(watch);
    let words = |element| B256::from(field_to_bytes(element));
    let public_inputs: Vec<B256> = proof.public_inputs.iter().map(words).collect();
    let report = Proven {
        output: args.output.clone(),
        opening: opening_file.map(OpeningBeside::keep),
        class: prediction.class,
        outputs: shown_outputs(layout.options.statement, &bundle.graph, &public_inputs),
        context,
        public_inputs,
        model_hash: B256::from(model_hash),
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

/// The public inputs that are outputs of the network.
fn shown_outputs(
    statement: StatementKind,
    graph: &QuantizedGraph,
    public_inputs: &[B256],
) -> Vec<PublicInput> {
    let mut outputs = named(statement, graph, public_inputs);
    outputs.retain(|input| input.real.is_some());
    outputs
}

impl Proven {
    fn text(&self) -> String {
        let mut rows =
            vec![("proof", format!("{} ({} bytes)", self.output.display(), self.proof_bytes))];
        rows.extend(self.opening.as_ref().map(|path| {
            ("opening", format!("{} (secret: shows the input that was proven)", path.display()))
        }));
        rows.push(("class", self.class.to_string()));
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
            (Some(path), _) => Ok(InputOpening::read(path)?),
            (None, Some(input)) => Ok(InputOpening {
                input: InputArgs { input: input.clone(), clamp: self.clamp, resize: self.resize }
                    .read(graph)?,
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
        let path = self.opening_output.clone().unwrap_or_else(|| {
            let mut name = self.output.clone().into_os_string();
            name.push(".opening.json");
            PathBuf::from(name)
        });
        let was_there = opening.write_new(&path)?;
        Ok(Some(OpeningBeside { path, remove: !was_there }))
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

#[derive(Args)]
#[command(after_help = "Example:
  assay verify digit.proof --card lenet.card.json --setup ceremony.srs --opening digit.proof.opening.json
  assay verify digit.proof --architecture lenet.json --setup ceremony.srs --model-hash 0x...

The verifying key is made again from the architecture and your setup, which costs as much as making keys the
first time; it is kept then.")]
pub(crate) struct VerifyArgs {
    /// Proof file
    proof: PathBuf,
    #[command(flatten)]
    model: ProofKeyArgs,
    /// The model that the proof must be for: the hash of its weight commitments [default: the card's]
    #[arg(long, value_name = "HEX", value_parser = parse_hash)]
    model_hash: Option<B256>,
    /// The context that the proof must have
    #[arg(long, value_name = "HEX", value_parser = parse_word)]
    context: Option<B256>,
    /// The input commitment that the proof must have
    #[arg(long, value_name = "HEX", value_parser = parse_word)]
    commitment: Option<B256>,
    /// Opening of the input that the proof must be about, as `assay prove` or `assay input commit` wrote it
    #[arg(long, value_name = "FILE", conflicts_with = "commitment")]
    opening: Option<PathBuf>,
}

#[derive(Serialize)]
struct Verified {
    valid: bool,
    statement: String,
    /// The class of a prediction that shows just that.
    class: Option<Decimal>,
    /// Its name, by the card.
    class_name: Option<String>,
    /// What the float network does after the logits and the proven one does not, by the card.
    left_out: Option<String>,
    context: B256,
    public_inputs: Vec<B256>,
    /// The same by name.
    named_inputs: Vec<PublicInput>,
    /// The input that an opening says the proof is about.
    input: Option<PathBuf>,
    model_hash: B256,
    /// What was compared with something of the user's own.
    compared: Compared,
    vk_hash: B256,
    setup: SetupTrust,
    trust: TrustReport,
    verify_ms: f64,
}

/// Whether a proof is about what the user means, which the proof alone does not say.
#[derive(Clone, Copy, Serialize)]
struct Compared {
    model: bool,
    input: bool,
    context: bool,
}

/// A value, with a remark where it was not compared.
fn compared(value: String, is_compared: bool, how: &str) -> String {
    if is_compared { value } else { format!("{value} (not compared: {how})") }
}

pub(crate) fn verify(args: &VerifyArgs, output: &Output) -> Result<()> {
    let file = ProofFile::read(&args.proof)?;
    let ProofKey { architecture, layout, key, model_hash, output: shown_as, report: trust } =
        args.model.open(output)?;
    let statement = layout.options.statement;
    let commitment = args.commitment(statement)?;
    let spinner = output.spinner("checking the proof");
    if file.vk_hash != key.hash() {
        bail!(
            "{} belongs to verifying key {}, this model has {}",
            args.proof.display(),
            hex(file.vk_hash),
            hex(key.hash())
        );
    }
    let check =
        || -> Result<[u8; 32], VerifyError> { key.verify(&file.public_inputs, &file.proof) };
    // The first check also fills caches of the library.
    let shown =
        B256::from(check().with_context(|| format!("{} is refused", args.proof.display()))?);
    let start = Instant::now();
    check()?;
    let verify_ms = start.elapsed().as_secs_f64() * 1e3;
    drop(spinner);
    let public_inputs: Vec<B256> =
        file.public_inputs.iter().map(|x| B256::from(field_to_bytes(x))).collect();
    let Some(context) = public_inputs.first().copied() else {
        bail!("{} has no public inputs", args.proof.display());
    };
    let shows_class =
        matches!(statement, StatementKind::Prediction { output: OutputMode::Class, .. });
    let class = public_inputs.last().filter(|_| shows_class);
    args.require(shown, model_hash, commitment, &public_inputs)?;
    let report = Verified {
        valid: true,
        statement: describe(statement),
        class: class.map(|class| Decimal(U256::from_be_bytes(class.0))),
        class_name: class.and_then(|class| name_of(*class, shown_as.as_ref()?)),
        left_out: shown_as.and_then(|shown| shown.left_out),
        context,
        named_inputs: named(statement, &architecture.graph, &public_inputs),
        input: args.opening.clone(),
        model_hash: shown,
        compared: Compared {
            model: model_hash.or(args.model_hash).is_some(),
            input: commitment.is_some(),
            context: args.context.is_some(),
        },
        vk_hash: B256::from(file.vk_hash),
        setup: SetupTrust::of(key.info().setup_id()),
        trust,
        verify_ms,
        public_inputs,
    };
    // A public input has too many elements for a table.
    let packed = match statement {
        StatementKind::Prediction { input: InputMode::Public, .. } => {
            1..statement.first_output(&architecture.graph)
        }
        _ => 0..0,
    };
    output.finish(&report, || report.text(&packed))
}

fn name_of(class: B256, output: &CardOutput) -> Option<String> {
    output.names.get(usize::try_from(U256::from_be_bytes(class.0)).ok()?).cloned()
}

impl VerifyArgs {
    /// The commitment to the input that the proof must be about, if one is asked for.
    fn commitment(&self, statement: StatementKind) -> Result<Option<B256>> {
        let wanted = match &self.opening {
            Some(path) => Some(InputOpening::read(path)?.commitment()?),
            None => self.commitment,
        };
        let is_committed =
            matches!(statement, StatementKind::Prediction { input: InputMode::Committed, .. });
        if wanted.is_some() && !is_committed {
            bail!("--commitment and --opening: a proof of this model has no input commitment");
        }
        Ok(wanted)
    }

    /// Refuses a proof that is about something else than what was asked for, or than the card's model.
    fn require(
        &self,
        model_hash: B256,
        card: Option<B256>,
        commitment: Option<B256>,
        public_inputs: &[B256],
    ) -> Result<()> {
        let demands = [
            ("model", card, Some(model_hash)),
            ("model", self.model_hash, Some(model_hash)),
            ("context", self.context, public_inputs.first().copied()),
            ("input commitment", commitment, public_inputs.get(1).copied()),
        ];
        for (what, wanted, found) in demands {
            if let (Some(wanted), Some(found)) = (wanted, found)
                && wanted != found
            {
                bail!("the proof holds, but for {what} {found}, not {wanted}");
            }
        }
        Ok(())
    }
}

impl Verified {
    fn remarked(&self, input: &PublicInput) -> String {
        match input.name.as_str() {
            "input commitment" => {
                compared(input.value.clone(), self.compared.input, "--opening or --commitment")
            }
            "context" => compared(input.value.clone(), self.compared.context, "--context"),
            _ => input.text(),
        }
    }

    /// With the public inputs one by one, except for the `packed` ones.
    fn text(&self, packed: &Range<usize>) -> String {
        let mut rows = vec![
            (
                "valid",
                format!("yes{}; checked in {:.1} ms", self.trust.condition(), self.verify_ms),
            ),
            ("statement", self.statement.clone()),
            (
                "model",
                compared(
                    self.model_hash.to_string(),
                    self.compared.model,
                    "--card or --model-hash",
                ),
            ),
        ];
        if !packed.is_empty() {
            rows.push(("input", format!("{} packed elements, see --json", packed.len())));
        }
        let named = self.named_inputs.iter().enumerate();
        rows.extend(
            named
                .filter(|(index, _)| !packed.contains(index))
                .map(|(_, input)| (input.name.as_str(), self.remarked(input))),
        );
        rows.extend(self.class_name.clone().map(|name| ("name of the class", name)));
        rows.extend(self.left_out.clone().map(|text| ("left out", text)));
        if let Some(opening) = &self.input {
            rows.push(("input", format!("the one in {}", opening.display())));
        }
        rows.extend(self.trust.rows());
        table(&rows)
    }
}
