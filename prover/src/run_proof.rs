//! The statements about a run of neighbouring items of a committed collection: of these items so
//! many are classified correctly ([`StatementKind::Audit`]); these items are the ones that the model
//! assigns to a class ([`StatementKind::Retrieval`]); this is what the model makes of each of them
//! ([`StatementKind::Classification`]).
//!
//! Public inputs: `[context, root, first index, items, result]`; a classification's result is one word for
//! each 15 places of the run.

use std::time::{Duration, Instant};

use halo2_proofs::halo2curves::{
    bn256::Fr,
    ff::{Field, PrimeField},
};
use rayon::prelude::*;

use crate::bundle::Bundle;
use crate::model_proof::{ModelProofError, ModelProver, check_input};
use assay_arithmetic::packed_outputs::{pack_outputs, unpack_outputs};
use assay_circuit::{
    AnswerMode, Assignment, Layout, ProvenInput, Run, StatementKind, TreePlace, WitnessError,
};
use assay_collection::{Item, RunOpening};
use assay_graph::{ACTIVATION_OFFSET, Execution, Executor, QuantizedGraph};
use assay_proof::ProofFile;

/// A proof about a run and what it cost.
pub struct RunProof {
    /// The proof with its public inputs and the hash of its key.
    pub proof: ProofFile,
    /// What it shows.
    pub result: RunResult,
    /// Reference runs and first phase.
    pub witness_time: Duration,
    /// Wall-clock time of the rest: the other phases, commitments and openings.
    pub prove_time: Duration,
    /// Openings of the weights used so far, and allowed.
    pub openings: (usize, usize),
}

/// What is shown of a run's items.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RunResult {
    /// So many are classified correctly.
    Correct(u64),
    /// Item `i` of the run is selected where bit `i` is set.
    Selected(u128),
    /// The class of each item.
    Classes(Vec<u16>),
    /// The output of a network that has one, for each item: an integer, in steps that the card tells.
    Numbers(Vec<i32>),
}

impl RunResult {
    /// Reads the output words of a proof about so many items; [`None`] where no circuit of the statement
    /// shows them, or where it is not about a run.
    pub fn read(statement: StatementKind, items: usize, words: &[Fr]) -> Option<Self> {
        if let StatementKind::Classification { run, answers } = statement {
            let words = (words.len() == run.answer_words()).then_some(words)?;
            let packed = unpack_outputs(words, items)?;
            let number = |answer: u16| i32::from(answer) - ACTIVATION_OFFSET;
            return Some(match answers {
                AnswerMode::Classes => Self::Classes(packed),
                AnswerMode::Numbers => Self::Numbers(packed.into_iter().map(number).collect()),
            });
        }
        let [word] = words else { return None };
        let repr = word.to_repr();
        let (number, rest) = repr.split_first_chunk::<16>()?;
        let number = u128::from_le_bytes(*number);
        match statement {
            _ if rest.iter().any(|byte| *byte != 0) => None,
            StatementKind::Audit { .. } => {
                u64::try_from(number).ok().filter(|n| *n <= items as u64).map(Self::Correct)
            }
            StatementKind::Retrieval { .. } => {
                let past = number.checked_shr(items as u32).unwrap_or(0);
                (past == 0).then_some(Self::Selected(number))
            }
            _ => None,
        }
    }

    /// Items that are correct, selected, or answered.
    pub fn counted(&self) -> u64 {
        match self {
            Self::Correct(count) => *count,
            Self::Selected(bitmap) => bitmap.count_ones().into(),
            Self::Classes(classes) => classes.len() as u64,
            Self::Numbers(numbers) => numbers.len() as u64,
        }
    }

    /// The output words that a classification's proof shows for these answers; [`None`] of a count or a selection, and
    /// of answers that no circuit shows.
    pub fn answer_words(&self, run: Run) -> Option<Vec<Fr>> {
        let packed = match self {
            Self::Classes(classes) => classes.clone(),
            Self::Numbers(numbers) => {
                let stored = numbers.iter().map(|number| u16::try_from(number + ACTIVATION_OFFSET));
                stored.collect::<Result<_, _>>().ok()?
            }
            Self::Correct(_) | Self::Selected(_) => return None,
        };
        let mut words = pack_outputs(&packed);
        words.resize(run.answer_words(), Fr::ZERO);
        Some(words)
    }

    fn of(assignment: &Assignment<'_>, items: usize) -> Result<Self, ModelProofError> {
        let values = assignment.public_values();
        let words = values.get(3..).unwrap_or_default();
        let statement = assignment.layout.options.statement;
        // Anything else is the witness of another circuit.
        Self::read(statement, items, words).ok_or(WitnessError::Mismatch.into())
    }
}

/// What the reference says about a run, without keys or a proof. A run for which it fails cannot be proven.
///
/// # Errors
/// [`ModelProofError`].
pub fn reference(
    bundle: &Bundle,
    layout: &Layout,
    opening: &RunOpening,
) -> Result<RunResult, ModelProofError> {
    let run = PreparedRun::new(&bundle.graph, layout, opening)?;
    RunResult::of(&run.assignment(&bundle.graph, layout, opening), opening.items.len())
}

/// Proves the statement of the bundle's circuit about a run.
///
/// # Errors
/// [`ModelProofError`].
pub fn prove(
    prover: ModelProver<'_>,
    opening: &RunOpening,
    context: Fr,
) -> Result<RunProof, ModelProofError> {
    let start = Instant::now();
    let graph = &prover.bundle.graph;
    let run = PreparedRun::new(graph, prover.layout, opening)?;
    let executed = start.elapsed();
    let assignment = run.assignment(graph, prover.layout, opening);
    let proven = prover.prove(&assignment, context)?;
    let result = RunResult::of(&assignment, opening.items.len())?;
    Ok(RunProof {
        proof: proven.proof,
        result,
        witness_time: executed + proven.witness_time,
        prove_time: proven.prove_time,
        openings: proven.openings,
    })
}

/// The reference runs of a run's items.
struct PreparedRun {
    run: Run,
    executions: Vec<Execution>,
    /// Class of all items, where the statement is not about their labels.
    class: Option<usize>,
}

impl PreparedRun {
    fn new(
        graph: &QuantizedGraph,
        layout: &Layout,
        opening: &RunOpening,
    ) -> Result<Self, ModelProofError> {
        let kind = layout.options.statement;
        let (run, class) = match kind {
            StatementKind::Audit { run, .. } => (run, None),
            StatementKind::Retrieval { run, class } => (run, Some(class)),
            StatementKind::Classification { run, .. } => (run, Some(0)),
            StatementKind::Prediction { .. } => {
                let wanted = "audit, retrieval or classification";
                return Err(ModelProofError::Statement { found: kind.name(), wanted });
            }
        };
        if opening.bits != run.log_items || opening.items.is_empty() {
            let (expected, found) = (run.log_items, opening.bits);
            return Err(ModelProofError::RunLength { expected, found });
        }
        if opening.siblings.len() != run.path() {
            let found = opening.siblings.len() + run.log_items as usize;
            return Err(ModelProofError::Depth { expected: run.depth, found });
        }
        let classes = graph.tensors[graph.output].shape[0];
        for (item, Item { input, label, .. }) in opening.items.iter().enumerate() {
            check_input(graph, input)?;
            let label = u64::from(*label);
            if class.is_none() && label >= classes as u64 {
                return Err(ModelProofError::Label { item, label, classes });
            }
        }
        let executor = Executor::new(graph)?;
        let executions = opening
            .items
            .par_iter()
            .map(|item| executor.run(&item.input))
            .collect::<Result<_, _>>()?;
        Ok(Self { run, executions, class })
    }

    /// Masked items repeat the first one.
    fn assignment<'a>(
        &'a self,
        graph: &'a QuantizedGraph,
        layout: &'a Layout,
        opening: &'a RunOpening,
    ) -> Assignment<'a> {
        let count = opening.items.len();
        let inputs = (0..self.run.items())
            .map(|place| {
                let index = if place < count { place } else { 0 };
                let item = &opening.items[index];
                let label = u64::from(item.label);
                ProvenInput {
                    bytes: &item.input,
                    salt: item.salt,
                    output_salt: Fr::ZERO,
                    label,
                    class: self.class.unwrap_or(label as usize),
                    execution: &self.executions[index],
                }
            })
            .collect();
        let masked_leaves = vec![Fr::ZERO; self.run.items() - count];
        let siblings = opening.siblings.clone();
        let place = TreePlace::new(opening.first, count, masked_leaves, siblings);
        Assignment { graph, layout, inputs, place: Some(place) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(log_items: u32) -> Run {
        Run { log_items, depth: 9 }
    }

    #[test]
    fn results_are_read_as_the_statement_says() {
        let word = |number: u128| Fr::from_u128(number);
        let audit = StatementKind::Audit { run: run(2), top: 1 };
        assert_eq!(RunResult::read(audit, 3, &[word(2)]), Some(RunResult::Correct(2)));
        let retrieval = StatementKind::Retrieval { run: run(7), class: 1 };
        let bitmap = 5 | 1 << 127;
        let selected = RunResult::read(retrieval, 128, &[word(bitmap)]);
        assert_eq!(selected, Some(RunResult::Selected(bitmap)));
        assert_eq!(selected.map(|selected| selected.counted()), Some(3));
        let of = |answers| StatementKind::Classification { run: run(4), answers };
        let words = [word(7 | 65_535 << 16), word(0)];
        let classes = RunResult::read(of(AnswerMode::Classes), 2, &words);
        assert_eq!(classes, Some(RunResult::Classes(vec![7, 65_535])));
        let numbers = RunResult::read(of(AnswerMode::Numbers), 2, &words);
        assert_eq!(numbers, Some(RunResult::Numbers(vec![7 - 32_768, 32_767])));
    }

    #[test]
    fn words_that_no_circuit_shows_are_refused() {
        let word = |number: u128| Fr::from_u128(number);
        let audit = StatementKind::Audit { run: run(2), top: 1 };
        let retrieval = StatementKind::Retrieval { run: run(2), class: 1 };
        let answers = AnswerMode::Classes;
        let classification = StatementKind::Classification { run: run(4), answers };
        for (statement, items, words) in [
            (audit, 3, vec![word(4)]),
            (audit, 3, vec![-Fr::ONE]),
            (audit, 3, vec![]),
            (audit, 3, vec![word(1), word(1)]),
            (retrieval, 3, vec![word(8)]),
            (classification, 3, vec![word(1)]),
            (classification, 3, vec![word(1 << 48), word(0)]),
            (classification, 3, vec![word(1), word(1)]),
            (classification, 16, vec![word(1), word(1 << 16)]),
            (StatementKind::default(), 1, vec![word(1)]),
        ] {
            let read = RunResult::read(statement, items, &words);
            assert_eq!(read, None, "{statement:?}, {items} items: {words:?}");
        }
    }
}
