//! The witness: all advice columns, phase by phase, from the reference executor's run.

pub(crate) mod assignment;
pub(crate) mod cell_change;
mod evaluations;
mod first_phase;
pub(crate) mod hash;
mod integer_sums;
mod known;
pub(crate) mod lookups;
pub(crate) mod model_advice;
mod pieces;
mod rest;
mod small_column;
pub(crate) mod tile_values;
mod weight_sums;

use halo2_proofs::halo2curves::{
    bn256::Fr,
    ff::{Field, PrimeField},
};
use rand_core::{CryptoRng, RngCore};
use rayon::prelude::*;

use assay_arithmetic::packed_outputs::pack_outputs;
use assay_arithmetic::poseidon;
use assay_arithmetic::weight_columns::BlindingSeed;
use assay_graph::{ACTIVATION_OFFSET, Op, QuantizedGraph, WEIGHT_OFFSET};

use crate::WitnessError;
use crate::layout::scalar_program::FreeValue;
use crate::layout::{BLINDING_ROWS, Layout, RESERVED_ROWS};
use crate::statement::{AnswerMode, InputMode, OutputMode, StatementKind};
pub use crate::witness::assignment::{Assignment, FirstPhase, LaneColumns, ProvenInput, TreePlace};
pub use crate::witness::model_advice::ModelAdvice;
pub use crate::witness::small_column::{SmallColumn, SmallNumber};
#[cfg(test)]
use crate::witness::{
    assignment::{FirstChallenges, ThirdPhase},
    known::Known,
};

impl Assignment<'_> {
    /// Number of rows that the assignment fills.
    pub fn rows(&self) -> usize {
        1 << self.layout.k
    }

    /// Everything before the first challenge. `blinding` masks the `rem` columns.
    ///
    /// # Errors
    /// [`WitnessError::OutOfRange`] for a value outside its table, [`WitnessError::Mismatch`] when the
    /// layout is of another network or statement.
    pub fn first_phase(
        &self,
        weights: Vec<SmallColumn<u32>>,
        mut blinding: impl RngCore + CryptoRng,
    ) -> Result<FirstPhase, WitnessError> {
        let mut lanes = first_phase::lanes(self)?;
        let multiplicity = first_phase::multiplicity(self, &lanes);
        let hash_scalars = hash::fill(self, &mut lanes);
        let first = self.layout.blinding_row;
        for lane in &mut lanes {
            for row in first..first + BLINDING_ROWS {
                lane.rem.set(row, Fr::random(&mut blinding));
            }
        }
        let weight_stride = self.layout.weight_stride();
        Ok(FirstPhase { weights, weight_stride, lanes, multiplicity, hash_scalars })
    }

    /// The `rest` column, by rows of the weights' domain.
    pub(crate) fn second_phase(&self, v: Fr, u: Fr) -> Vec<Fr> {
        rest::column(self, v, u)
    }

    /// Everything after the last challenge. `instances` are the public inputs.
    #[cfg(test)]
    pub(crate) fn third_phase(
        &self,
        first: &FirstPhase,
        rest: &[Fr],
        challenges: FirstChallenges,
        z: Fr,
        instances: &[Fr],
    ) -> ThirdPhase {
        let known = Known { first, weights: &first.weights, rest, challenges, z, instances };
        evaluations::third_phase(self, known)
    }

    /// The public inputs of this assignment, after the context.
    pub fn public_values(&self) -> Vec<Fr> {
        let Some(place) = &self.place else {
            let Some(input) = self.inputs.first() else { return Vec::new() };
            let mut values = match self.layout.options.statement {
                StatementKind::Prediction { input: InputMode::Public, .. } => {
                    poseidon::pack_bytes(input.bytes)
                }
                _ => {
                    let number_bytes = self.graph.input.number_bytes();
                    vec![poseidon::commit_input(input.salt, input.bytes, number_bytes)]
                }
            };
            values.extend(self.outputs());
            return values;
        };
        let number = |value: usize| Fr::from(value as u64);
        let mut values = vec![self.root(), number(place.first), number(place.count)];
        match self.layout.options.statement {
            StatementKind::Classification { run, .. } => {
                let mut words = pack_outputs(&self.answers());
                words.resize(run.answer_words(), Fr::ZERO);
                values.extend(words);
            }
            _ => values.push(Fr::from_u128(self.small_result())),
        }
        values
    }

    /// The outputs of a prediction.
    fn outputs(&self) -> Vec<Fr> {
        let StatementKind::Prediction { output, .. } = self.layout.options.statement else {
            return Vec::new();
        };
        match output {
            OutputMode::Class => vec![Fr::from(self.best(0) as u64)],
            OutputMode::Best(count) => {
                (0..count).map(|rank| Fr::from(self.best(rank) as u64)).collect()
            }
            OutputMode::Scored(count) => {
                let best = (0..count).map(|rank| self.best(rank)).collect::<Vec<_>>();
                let stored = self.stored_outputs();
                let scores = best.iter().map(|class| u64::from(stored[*class]));
                best.iter().map(|class| *class as u64).chain(scores).map(Fr::from).collect()
            }
            OutputMode::Logits => self
                .stored_outputs()
                .into_iter()
                .map(|output| Fr::from(u64::from(output)))
                .collect(),
            OutputMode::Commitment => {
                let salt = self.inputs.first().map(|input| input.output_salt);
                salt.map(|salt| poseidon::commit_outputs(salt, &self.stored_outputs()))
                    .into_iter()
                    .collect()
            }
        }
    }

    /// All outputs of a prediction, each as integer + 2^15.
    pub fn stored_outputs(&self) -> Vec<u16> {
        let stored = |logit: &i32| (i64::from(*logit) + i64::from(ACTIVATION_OFFSET)) as u16;
        self.logits(0).iter().map(stored).collect()
    }

    /// Whether an item of a run is correct or selected, and counts.
    pub fn counts(&self, item: usize) -> bool {
        let active = self.place.as_ref().is_some_and(|place| item < place.count);
        let input = self.inputs.get(item).filter(|_| active);
        input.is_some_and(|input| {
            self.beating(item, input.class) < self.layout.options.statement.top()
        })
    }

    /// What a classification shows of the items that count: classes, or numbers + 2^15.
    pub fn answers(&self) -> Vec<u16> {
        let StatementKind::Classification { answers, .. } = self.layout.options.statement else {
            return Vec::new();
        };
        let count = self.place.as_ref().map_or(0, |place| place.count);
        let answer = |image: usize| match answers {
            AnswerMode::Classes => self.class(image) as i64,
            AnswerMode::Numbers => {
                let number = self.logits(image).first().copied().unwrap_or(0);
                i64::from(number) + i64::from(ACTIVATION_OFFSET)
            }
        };
        // Both are below 2^16 in all circuits of this statement.
        (0..count.min(self.inputs.len())).map(|image| answer(image) as u16).collect()
    }

    /// What an audit counts or a retrieval collects: a number below 2^128.
    pub fn small_result(&self) -> u128 {
        let counted = (0..self.inputs.len()).filter(|item| self.counts(*item));
        match self.layout.options.statement {
            StatementKind::Retrieval { .. } => counted.map(|item| 1 << item).sum(),
            _ => counted.count() as u128,
        }
    }

    /// The root of the tree.
    pub(crate) fn root(&self) -> Fr {
        self.climb(self.leaves(), hash_nodes)
    }

    /// The root of the run alone.
    #[cfg(test)]
    pub(crate) fn root_of_run(&self) -> Fr {
        climb_run(self.leaves(), &mut hash_nodes)
    }

    fn leaves(&self) -> Vec<Fr> {
        let leaf = |(item, input): (usize, &ProvenInput<'_>)| {
            self.leaf(item, || poseidon::hash_leaf(input.salt, input.label, input.bytes))
        };
        self.inputs.par_iter().enumerate().map(leaf).collect()
    }

    /// A leaf of the run: `hash` of an item that counts, else the prover's choice.
    pub(crate) fn leaf(&self, item: usize, hash: impl FnOnce() -> Fr) -> Fr {
        let active = self.free_value(FreeValue::Active(item));
        let masked = self.free_value(FreeValue::MaskedLeaf(item));
        if bool::from(active.is_zero()) {
            return masked;
        }
        masked + active * (hash() - masked)
    }

    /// From the leaves of the run to the tree's root, `nodes` of the pairs of each level.
    pub(crate) fn climb(
        &self,
        leaves: Vec<Fr>,
        mut nodes: impl FnMut(&[[Fr; 2]]) -> Vec<Fr>,
    ) -> Fr {
        let mut root = climb_run(leaves, &mut nodes);
        let heights = self.place.as_ref().map_or(0, |place| place.siblings.len());
        for height in 0..heights {
            let bit = self.free_value(FreeValue::PathBit(height));
            let sibling = self.free_value(FreeValue::Sibling(height));
            let left = root + bit * (sibling - root);
            root = nodes(&[[left, sibling + root - left]]).first().copied().unwrap_or(Fr::ZERO);
        }
        root
    }

    /// The values that the prover chooses in the scalar program.
    pub(crate) fn free_value(&self, value: FreeValue) -> Fr {
        let Some(place) = &self.place else { return Fr::ZERO };
        #[cfg(test)]
        if let Some((_, forged)) = place.forged.iter().find(|(what, _)| *what == value) {
            return *forged;
        }
        match value {
            FreeValue::Active(item) => Fr::from(u64::from(item < place.count)),
            FreeValue::MaskedLeaf(item) => item
                .checked_sub(place.count)
                .and_then(|index| place.masked_leaves.get(index).copied())
                .unwrap_or(Fr::ZERO),
            FreeValue::PathBit(height) => {
                Fr::from(((place.first / self.inputs.len()) >> height & 1) as u64)
            }
            FreeValue::Sibling(height) => place.siblings.get(height).copied().unwrap_or(Fr::ZERO),
        }
    }

    fn logits(&self, image: usize) -> &[i32] {
        &self.inputs[image].execution.tensors[self.graph.output]
    }

    /// Classes that beat `class`.
    fn beating(&self, image: usize, class: usize) -> usize {
        let logits = self.logits(image);
        let Some(own) = logits.get(class) else { return logits.len() };
        logits
            .iter()
            .enumerate()
            .filter(|(other, logit)| *logit > own || (*logit == own && *other < class))
            .count()
    }

    /// The class of rank `rank`, the best first.
    pub fn best(&self, rank: usize) -> usize {
        self.ranking(0).get(rank).copied().unwrap_or(0)
    }

    /// The class with the largest logit, the first of equals.
    fn class(&self, image: usize) -> usize {
        self.ranking(image).first().copied().unwrap_or(0)
    }

    /// The classes, the best first.
    fn ranking(&self, image: usize) -> Vec<usize> {
        let logits = self.logits(image);
        let mut classes = (0..logits.len()).collect::<Vec<_>>();
        classes.sort_by_key(|class| (std::cmp::Reverse(logits[*class]), *class));
        classes
    }
}

impl Layout {
    /// The weight columns, by rows of the weights' domain: weights, biases, `opening_values` (uniform,
    /// seeded), which fill the rows kept for openings, and at the end the seed's rows. They are the
    /// same for all circuits of a model.
    pub fn weight_columns(
        &self,
        graph: &QuantizedGraph,
        seed: &BlindingSeed,
        mut opening_values: impl RngCore,
    ) -> Vec<SmallColumn<u32>> {
        let rows = self.weight_domain();
        let mut cells = seed
            .rows(self.options.weight_columns, RESERVED_ROWS)
            .into_iter()
            .map(|tail| {
                let mut column = SmallColumn::of(vec![WEIGHT_OFFSET as u32; rows]);
                for (row, value) in (rows - RESERVED_ROWS..).zip(tail) {
                    column.set(row, value);
                }
                column
            })
            .collect::<Vec<_>>();
        for kernel in &self.kernels {
            if let Op::Conv { weights, bias, .. } = &graph.layers[kernel.layer].op {
                kernel.for_each_cell(weights, bias, |row, column, value| {
                    cells[column].numbers_mut()[row] = (value + WEIGHT_OFFSET) as u32;
                });
            }
        }
        let first = self.openings_row;
        for column in &mut cells {
            for row in first..first + self.options.openings {
                column.set(row, Fr::random(&mut opening_values));
            }
        }
        cells
    }
}

/// A uniform field element as a salt.
pub fn random_salt(rng: impl RngCore + CryptoRng) -> Fr {
    Fr::random(rng)
}

/// From the leaves of a run to its root, `nodes` of the pairs of each level.
fn climb_run(leaves: Vec<Fr>, nodes: &mut impl FnMut(&[[Fr; 2]]) -> Vec<Fr>) -> Fr {
    let mut level = leaves;
    while level.len() > 1 {
        let pairs = level.chunks(2).map(|pair| [pair[0], pair[pair.len() - 1]]);
        level = nodes(&pairs.collect::<Vec<_>>());
    }
    level.first().copied().unwrap_or(Fr::ZERO)
}

fn hash_nodes(pairs: &[[Fr; 2]]) -> Vec<Fr> {
    pairs.par_iter().map(|[left, right]| poseidon::hash_node(*left, *right)).collect()
}
