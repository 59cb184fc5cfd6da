//! The statement "this committed model maps this input to this output".
//!
//! Public inputs: `[context, input commitment, outputs ...]`, or with a public input
//! `[context, packed bytes ..., outputs ...]`; each below the field's modulus. Of hidden outputs there is the
//! commitment instead. See [`StatementKind::Prediction`].

use std::time::{Duration, Instant};

use halo2_proofs::halo2curves::{bn256::Fr, ff::Field};
use rand_core::OsRng;

use crate::bundle::Bundle;
use crate::model_proof::{ModelProofError, ModelProver, check_input};
use crate::output_opening::OutputOpening;
use assay_circuit::{
    Assignment, InputMode, Layout, OutputMode, ProvenInput, StatementCode, StatementKind,
    random_salt,
};
use assay_graph::{Execution, Executor, QuantizedGraph};
use assay_proof::ProofFile;

/// What a proof speaks of.
#[derive(Clone, Copy, Debug)]
pub struct Statement<'a> {
    /// Binds the proof to chain, contract, job and recipient.
    pub context: Fr,
    /// Bytes, `[channels, height, width]`.
    pub input: &'a [u8],
    /// Blinds the commitment to the input; a public input has none.
    pub salt: Fr,
}

/// A proof and what it cost.
pub struct Prediction {
    /// The proof with its public inputs and the hash of its key.
    pub proof: ProofFile,
    /// Index of the largest logit.
    pub class: usize,
    /// The public outputs: the class, the best classes, all logits + 2^15, or the commitment to them.
    pub outputs: Vec<Fr>,
    /// What opens the commitment to hidden outputs. It is nowhere else.
    pub output_opening: Option<OutputOpening>,
    /// Logits, integers at the output tensor's scale.
    pub logits: Vec<i32>,
    /// Reference run and first phase.
    pub witness_time: Duration,
    /// Wall-clock time of the rest: the other phases, commitments and openings.
    pub prove_time: Duration,
    /// Openings of the weights used so far, and allowed.
    pub openings: (usize, usize),
}

/// What is added to the integer of an output where a proof shows it.
const NUMBER_OFFSET: i64 = 1 << 15;

/// The output word of a prediction that shows one, the class or a number. What it means is what the key states.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OutputWord {
    /// The class.
    Class(u64),
    /// The integer of a network's only output; the real number is that times the step in the card.
    Number(i64),
}

impl OutputWord {
    /// Reads a proof's output; `None` where the statement shows something else, or no circuit shows the word.
    pub fn read(code: StatementCode, word: u64) -> Option<Self> {
        let StatementKind::Prediction { input: InputMode::Committed, output } = code.kind else {
            return None;
        };
        match (output, code.outputs) {
            (OutputMode::Class, 1) => Some(Self::Class(word)),
            (OutputMode::Logits, 1) => {
                let word = u16::try_from(word).ok()?;
                Some(Self::Number(i64::from(word) - NUMBER_OFFSET))
            }
            _ => None,
        }
    }

    /// As the proof shows it.
    pub fn word(self) -> u64 {
        match self {
            Self::Class(class) => class,
            // Outputs are not below -2^15.
            Self::Number(integer) => (integer + NUMBER_OFFSET).unsigned_abs(),
        }
    }

    /// The class, of a model that states one.
    pub fn class(self) -> Option<u64> {
        match self {
            Self::Class(class) => Some(class),
            Self::Number(_) => None,
        }
    }

    /// The integer, of a model that states a number.
    pub fn number(self) -> Option<i64> {
        match self {
            Self::Class(_) => None,
            Self::Number(integer) => Some(integer),
        }
    }
}

/// Whether contracts pay for predictions with a key that states this: those of one committed input.
pub fn is_paid_for(kind: StatementKind) -> bool {
    matches!(kind, StatementKind::Prediction { input: InputMode::Committed, .. })
}

/// Whether the words that such a proof shows follow from the input alone. Of hidden outputs a proof shows a commitment
/// with a salt that is drawn when it is made.
pub fn shows_answer(kind: StatementKind) -> bool {
    is_paid_for(kind) && !kind.hashes_outputs()
}

/// The output words that a proof about an input will show, without keys or a proof.
///
/// # Errors
/// [`ModelProofError`]; [`ModelProofError::Statement`] where they do not follow from the input.
pub fn reference(
    bundle: &Bundle,
    layout: &Layout,
    input: &[u8],
) -> Result<Vec<Fr>, ModelProofError> {
    let kind = layout.options.statement;
    if !shows_answer(kind) {
        return Err(ModelProofError::Statement { found: kind.name(), wanted: "prediction" });
    }
    let graph = &bundle.graph;
    check_input(graph, input)?;
    let execution = Executor::new(graph)?.run(input)?;
    let assignment = assignment(graph, layout, input, [Fr::ZERO; 2], &execution);
    // The context is not among the values.
    Ok(assignment.public_values().split_off(kind.first_output(graph) - 1))
}

/// Proves one prediction.
///
/// # Errors
/// [`ModelProofError`].
pub fn prove(
    prover: ModelProver<'_>,
    statement: &Statement<'_>,
) -> Result<Prediction, ModelProofError> {
    let start = Instant::now();
    let (graph, kind) = (&prover.bundle.graph, prover.layout.options.statement);
    if !matches!(kind, StatementKind::Prediction { .. }) {
        return Err(ModelProofError::Statement { found: kind.name(), wanted: "prediction" });
    }
    check_input(&prover.bundle.graph, statement.input)?;
    let execution = Executor::new(graph)?.run(statement.input)?;
    let executed = start.elapsed();
    let output_salt = if kind.hashes_outputs() { random_salt(OsRng) } else { Fr::ZERO };
    let output_opening = kind
        .hashes_outputs()
        .then(|| OutputOpening::new(execution.logits().to_vec(), output_salt))
        .transpose()?;
    let salts = [statement.salt, output_salt];
    let assignment = assignment(graph, prover.layout, statement.input, salts, &execution);
    let proven = prover.prove(&assignment, statement.context)?;
    let outputs = proven.proof.public_inputs.iter().skip(kind.first_output(graph)).copied();
    Ok(Prediction {
        class: assignment.best(0),
        outputs: outputs.collect(),
        output_opening,
        logits: execution.tensors[graph.output].clone(),
        proof: proven.proof,
        witness_time: executed + proven.witness_time,
        prove_time: proven.prove_time,
        openings: proven.openings,
    })
}

/// What a circuit is filled with for one input; the salts are those of the input and of the outputs.
fn assignment<'a>(
    graph: &'a QuantizedGraph,
    layout: &'a Layout,
    bytes: &'a [u8],
    [salt, output_salt]: [Fr; 2],
    execution: &'a Execution,
) -> Assignment<'a> {
    let input = ProvenInput { bytes, salt, output_salt, label: 0, class: 0, execution };
    Assignment { graph, layout, inputs: vec![input], place: None }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code(input: InputMode, output: OutputMode, outputs: u32) -> StatementCode {
        StatementCode { kind: StatementKind::Prediction { input, output }, outputs }
    }

    #[test]
    fn words_are_what_the_key_states() {
        let class = code(InputMode::Committed, OutputMode::Class, 1);
        let number = code(InputMode::Committed, OutputMode::Logits, 1);
        assert_eq!(OutputWord::read(class, 40_000), Some(OutputWord::Class(40_000)));
        for (word, integer) in [(0, -32_768), (32_468, -300), (65_535, 32_767)] {
            let read = OutputWord::read(number, word);
            assert_eq!(read, Some(OutputWord::Number(integer)));
            assert_eq!(read.map(OutputWord::word), Some(word));
        }
        assert_eq!(OutputWord::read(number, 1 << 16), None, "no circuit shows that");
    }

    #[test]
    fn nothing_else_is_paid_for() {
        use InputMode::{Committed, Public};
        use OutputMode::{Best, Class, Commitment, Logits, Scored};
        for output in [Class, Best(1), Best(2), Scored(1), Scored(2), Logits, Commitment] {
            let of = |input| StatementKind::Prediction { input, output };
            assert!(is_paid_for(of(Committed)) && !is_paid_for(of(Public)), "{output:?}");
            assert_eq!(shows_answer(of(Committed)), output != Commitment, "{output:?}");
            assert!(!shows_answer(of(Public)), "{output:?}");
        }
        let run = assay_circuit::Run { log_items: 0, depth: 0 };
        assert!(!is_paid_for(StatementKind::Audit { run, top: 1 }));
    }
}
