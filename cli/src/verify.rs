//! `assay verify`.

use std::{ops::Range, path::PathBuf, time::Instant};

use alloy::primitives::{B256, U256};
use anyhow::{Context, Result, bail};
use assay_prover::{
    arithmetic::field::field_to_bytes,
    bundle::Architecture,
    circuit::{InputMode, OutputMode, StatementKind},
    model_card::CardOutput,
    proof::{ProofFile, VerifyError},
};
use assay_relayer::proving::InputOpening;
use clap::Args;
use serde::Serialize;

use crate::{
    hex_words::{parse_hash, parse_word},
    hidden_outputs::HiddenOutputs,
    model::describe,
    output::{Decimal, Output, hex, table},
    public_inputs::{PublicInput, named},
    setup_trust::SetupTrust,
    trust::{ProofKey, ProofKeyArgs, TrustReport},
};

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
    /// Opening of the outputs that the proof hides, as `assay prove` wrote it or the seller sealed it to you
    #[arg(long, value_name = "FILE")]
    outputs_opening: Option<PathBuf>,
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
    /// The outputs that the proof hides, where their opening was given.
    #[serde(skip_serializing_if = "Option::is_none")]
    hidden_outputs: Option<HiddenOutputs>,
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
    outputs: bool,
}

/// A value, with a remark where it was not compared.
fn compared(value: String, is_compared: bool, how: &str) -> String {
    if is_compared { value } else { format!("{value} (not compared: {how})") }
}

pub(crate) fn run(args: &VerifyArgs, output: &Output) -> Result<()> {
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
    let bounds = shown_as.as_ref().map_or(&[][..], |shown| shown.bounds.as_slice()).to_vec();
    let hidden_outputs = args.hidden_outputs(&architecture, &bounds, &public_inputs)?;
    let report = Verified {
        valid: true,
        statement: describe(statement),
        class: class.map(|class| Decimal(U256::from_be_bytes(class.0))),
        class_name: class.and_then(|class| name_of(*class, shown_as.as_ref()?)),
        left_out: shown_as.and_then(|shown| shown.left_out),
        context,
        named_inputs: named(statement, &architecture.graph, &bounds, &public_inputs),
        input: args.opening.clone(),
        model_hash: shown,
        compared: Compared {
            model: model_hash.or(args.model_hash).is_some(),
            input: commitment.is_some(),
            context: args.context.is_some(),
            outputs: hidden_outputs.is_some(),
        },
        hidden_outputs,
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

    /// The outputs that the proof hides, by the opening that was given.
    fn hidden_outputs(
        &self,
        architecture: &Architecture,
        bounds: &[f64],
        public_inputs: &[B256],
    ) -> Result<Option<HiddenOutputs>> {
        let Some(path) = &self.outputs_opening else { return Ok(None) };
        let (statement, graph) = (architecture.options.statement, &architecture.graph);
        if !statement.hashes_outputs() {
            bail!("--outputs-opening: a proof of this model hides no outputs");
        }
        let shown = public_inputs.get(statement.first_output(graph)).copied();
        let shown = shown.context("the proof shows no commitment to its outputs")?;
        HiddenOutputs::read(path, graph, bounds, Some(shown)).map(Some)
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
            "output commitment" => {
                compared(input.value.clone(), self.compared.outputs, "--outputs-opening")
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
        rows.extend(self.hidden_outputs.iter().flat_map(HiddenOutputs::rows));
        if let Some(opening) = &self.input {
            rows.push(("input", format!("the one in {}", opening.display())));
        }
        rows.extend(self.trust.rows());
        table(&rows)
    }
}
