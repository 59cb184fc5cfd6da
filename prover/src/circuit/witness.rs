//! The witness: all advice columns, phase by phase, from the reference executor's run.

use halo2_proofs::halo2curves::{bn256::Fr, ff::Field};
use rand_core::{CryptoRng, RngCore};
use rayon::prelude::*;

use crate::graph::{ACTIVATION_OFFSET, Execution, Op, QuantizedGraph, WEIGHT_OFFSET};
use crate::poseidon::{self, RATE, WIDTH};

use super::{
    WitnessError, evaluations,
    layout::{BLINDING_ROWS, Layout, RESERVED_ROWS},
    program::ScalarColumns,
    rest,
    tile::{Tile, TileSource},
};

/// What is proven: an input, its salt and the reference run.
pub struct Assignment<'a> {
    pub graph: &'a QuantizedGraph,
    pub layout: &'a Layout,
    pub input: &'a [u8],
    pub salt: Fr,
    pub execution: &'a Execution,
}

/// Challenges drawn after the first phase.
#[derive(Clone, Copy, Debug)]
pub struct FirstChallenges {
    pub v: Fr,
    pub theta: Fr,
    pub beta: Fr,
}

/// First-phase columns, each of the layout's usable length.
pub struct FirstPhase {
    /// `weights[column][row]`.
    pub weights: Vec<Vec<Fr>>,
    /// `[pre, out, rem]` for each lane.
    pub lanes: Vec<[Vec<Fr>; 3]>,
    pub multiplicity: Vec<Fr>,
    /// Table rows that each tile row looks up: `[function, remainder]` for each lane.
    pub(super) looked_up: Vec<Vec<[u32; 2]>>,
    /// `s0` and `s1` of the hash rows, from the hash's first row on.
    pub(super) hash_scalars: Vec<[Fr; 2]>,
}

/// Third-phase columns.
pub struct ThirdPhase {
    /// One helper column a lane.
    pub lookups: Vec<Vec<Fr>>,
    pub lookup_sum: Vec<Fr>,
    pub produced: Vec<Fr>,
    pub consumed: Vec<Fr>,
    pub scalars: ScalarColumns,
}

impl Assignment<'_> {
    /// Number of rows that the assignment fills.
    pub fn rows(&self) -> usize {
        1 << self.layout.k
    }

    /// Everything before the first challenge. `blinding` masks the `rem` columns.
    pub fn first_phase(
        &self,
        weights: Vec<Vec<Fr>>,
        mut blinding: impl RngCore + CryptoRng,
    ) -> Result<FirstPhase, WitnessError> {
        let rows = self.rows();
        let lanes = self.layout.options.lanes;
        let small = (0..1u64 << 16).map(Fr::from).collect::<Vec<_>>();
        let stored = |value: i64| small[(value + i64::from(ACTIVATION_OFFSET)) as usize & 0xffff];
        let mut columns = vec![std::array::from_fn(|_| vec![Fr::ZERO; rows]); lanes];
        let mut looked_up = vec![vec![[0u32; 2]; rows]; lanes];
        let mut counts = vec![0u64; rows];
        for tile in &self.layout.tiles {
            let values = TileValues::new(self, tile)?;
            let dead = i64::from(self.layout.tables.functions[tile.function].min);
            let mut fault = None;
            tile.for_each_row(|row, channel, line, position| {
                let live = tile.live_lanes(position);
                for lane in 0..lanes {
                    let (pre, rem) = if lane < live {
                        values.get(channel, line, position * lanes + lane)
                    } else {
                        (dead, 0)
                    };
                    let looked = self.layout.tables.function_row(tile.function, pre);
                    let remainder = self.layout.tables.remainder_row(tile.shift, rem);
                    let (Some(function_row), Some(remainder_row)) = (looked, remainder) else {
                        fault = fault.or(Some(pre));
                        continue;
                    };
                    let table = &self.layout.tables.functions[tile.function];
                    let out = table.values[(pre - i64::from(table.min)) as usize];
                    columns[lane][0][row] = stored(pre);
                    columns[lane][1][row] = stored(i64::from(out));
                    columns[lane][2][row] = Fr::from(u64::from(rem));
                    looked_up[lane][row] = [function_row as u32, remainder_row as u32];
                    counts[function_row] += 1;
                    counts[remainder_row] += 1;
                }
            });
            if let Some(value) = fault {
                return Err(self.out_of_range(tile, value));
            }
        }
        let hash_scalars = self.hash(&mut columns);
        let first = self.layout.blinding_row;
        for lane in &mut columns {
            for cell in &mut lane[2][first..first + BLINDING_ROWS] {
                *cell = Fr::random(&mut blinding);
            }
        }
        Ok(FirstPhase {
            weights,
            lanes: columns,
            multiplicity: counts.into_iter().map(Fr::from).collect(),
            looked_up,
            hash_scalars,
        })
    }

    /// The `rest` column.
    pub fn second_phase(&self, v: Fr) -> Vec<Fr> {
        rest::column(self, v)
    }

    /// Everything after the last challenge. `instances` are the public inputs.
    pub fn third_phase(
        &self,
        first: &FirstPhase,
        rest: &[Fr],
        challenges: FirstChallenges,
        z: Fr,
        instances: &[Fr],
    ) -> ThirdPhase {
        evaluations::third_phase(self, first, rest, challenges, z, instances)
    }

    fn out_of_range(&self, tile: &Tile, value: i64) -> WitnessError {
        let table = &self.layout.tables.functions[tile.function];
        WitnessError::OutOfRange {
            layer: tile.name.clone(),
            value,
            min: table.min,
            max: table.min + table.values.len() as i32 - 1,
        }
    }

    /// Fills the hash rows; returns `s0` and `s1` of them.
    fn hash(&self, columns: &mut [[Vec<Fr>; 3]]) -> Vec<[Fr; 2]> {
        let Some(hash) = &self.layout.hash else { return Vec::new() };
        let mut elements = vec![self.salt];
        elements.extend(poseidon::pack_bytes(self.input));
        elements.resize(hash.blocks * RATE, Fr::ZERO);
        let with_scalars = columns.len() < 3;
        let mut scalars = vec![[Fr::ZERO; 2]; hash.end() - hash.first_row];
        let mut row = hash.first_row;
        let mut state = [Fr::ZERO; WIDTH];
        let mut write = |row: usize, state: &[Fr; WIDTH], helpers: Option<[Fr; 2]>| {
            for (index, value) in state.iter().enumerate() {
                columns[index / 3][index % 3][row] = *value;
            }
            if let Some([square, fourth]) = helpers {
                if with_scalars {
                    scalars[row - hash.first_row] = [square, fourth];
                } else {
                    columns[2][0][row] = square;
                    columns[2][1][row] = fourth;
                }
            }
        };
        let mut absorbed = Vec::new();
        let domain = poseidon::input_domain(self.input.len());
        for block in 0..=hash.blocks {
            let chained = if block == 0 { domain } else { state[0] };
            let inputs = elements.get(block * RATE..(block + 1) * RATE);
            // The last "block" is the single row that exports the result.
            let inputs: Vec<Fr> = match inputs {
                Some(inputs) => std::iter::once(chained).chain(inputs.iter().copied()).collect(),
                None => vec![Fr::ZERO],
            };
            for value in inputs {
                write(row, &state, None);
                absorbed.push((row, [value, state[0]]));
                state.rotate_left(1);
                state[WIDTH - 1] = value;
                row += 1;
            }
            if block == hash.blocks {
                break;
            }
            for (round, constants) in poseidon::sparse_constants().iter().enumerate() {
                let full = poseidon::is_full_round(round);
                let boxes = if full { WIDTH } else { 1 };
                for constant in &constants[..boxes] {
                    let input = state[0] + constant;
                    let square = input.square();
                    let fourth = square.square();
                    write(row, &state, Some([square, fourth]));
                    let fifth = fourth * input;
                    if full {
                        state.rotate_left(1);
                        state[WIDTH - 1] = fifth;
                    } else {
                        state[0] = fifth;
                    }
                    row += 1;
                }
                let mixed: [Fr; WIDTH] = std::array::from_fn(|i| {
                    poseidon::mds()[i].iter().zip(&state).fold(Fr::ZERO, |sum, (a, b)| sum + *a * b)
                });
                state = mixed;
            }
        }
        write(row, &state, None);
        for (row, values) in absorbed {
            scalars[row - hash.first_row] = values;
        }
        scalars
    }

    /// The public inputs of this assignment, after the context.
    pub fn public_values(&self) -> Vec<Fr> {
        let mut values = match self.layout.options.input_mode {
            super::InputMode::Committed => vec![poseidon::commit_input(self.salt, self.input)],
            super::InputMode::Public => poseidon::pack_bytes(self.input),
        };
        values.push(Fr::from(self.class() as u64));
        values
    }

    /// The first of the largest logits.
    pub fn class(&self) -> usize {
        let logits = &self.execution.tensors[self.graph.output];
        (0..logits.len()).rev().max_by_key(|j| logits[*j]).unwrap_or(0)
    }
}

impl Layout {
    /// The weight columns: weights, biases, and `opening_values` (uniform, seeded), which fill the
    /// rows kept for openings. Each holds the rows that the circuit assigns.
    pub fn weight_columns(
        &self,
        graph: &QuantizedGraph,
        mut opening_values: impl RngCore,
    ) -> Vec<Vec<Fr>> {
        let zero = Fr::from(WEIGHT_OFFSET as u64);
        let rows = (1 << self.k) - RESERVED_ROWS;
        let mut cells = vec![vec![zero; rows]; self.options.weight_columns];
        for kernel in &self.kernels {
            if let Op::Conv { weights, bias, .. } = &graph.layers[kernel.layer].op {
                kernel.for_each_cell(weights, bias, |row, column, value| {
                    cells[column][row] = Fr::from((value + WEIGHT_OFFSET) as u64);
                });
            }
        }
        let first = self.openings_row;
        for column in &mut cells {
            for cell in &mut column[first..first + self.options.openings] {
                *cell = Fr::random(&mut opening_values);
            }
        }
        cells
    }
}

/// Values of one tile.
enum TileValues<'a> {
    Bytes { bytes: &'a [u8], shape: [usize; 3] },
    Trace { pre: &'a [i32], rem: &'a [u32], shape: [usize; 3] },
    Owned { pre: Vec<i32>, rem: Vec<u32>, shape: [usize; 3] },
}

impl<'a> TileValues<'a> {
    fn new(assignment: &'a Assignment<'_>, tile: &Tile) -> Result<Self, WitnessError> {
        let shape = tile.shape;
        let graph = assignment.graph;
        Ok(match tile.source {
            TileSource::Input | TileSource::PackedInput => {
                Self::Bytes { bytes: assignment.input, shape }
            }
            TileSource::Layer(layer) => {
                let trace = &assignment.execution.layers[layer];
                Self::Trace { pre: &trace.pre, rem: &trace.rem, shape }
            }
            TileSource::PoolTap { layer, tap } => {
                let Op::MaxPool { input, window } = &graph.layers[layer].op else {
                    return Err(WitnessError::Mismatch);
                };
                let info = &graph.tensors[*input];
                let values = &assignment.execution.tensors[*input];
                let [_, height, width] = info.shape;
                let gather = |channel: usize, line: usize, column: usize, tap: usize| {
                    let place = |index: usize, axis: usize, offset: usize, size: usize| {
                        (index * window.stride[axis] + offset)
                            .checked_sub(window.pads[axis])
                            .filter(|place| *place < size)
                    };
                    let h = place(line, 0, tap / window.kernel[1], height);
                    let w = place(column, 1, tap % window.kernel[1], width);
                    match (h, w) {
                        (Some(h), Some(w)) => values[(channel * height + h) * width + w] - info.min,
                        _ => 0,
                    }
                };
                let mut pre = Vec::with_capacity(shape.iter().product());
                for channel in 0..shape[0] {
                    for line in 0..shape[1] {
                        for column in 0..shape[2] {
                            let reached = (0..tap)
                                .map(|before| gather(channel, line, column, before))
                                .fold(0, i32::max);
                            pre.push(gather(channel, line, column, tap) - reached);
                        }
                    }
                }
                Self::Owned { rem: vec![0; pre.len()], pre, shape }
            }
            TileSource::Ranking => {
                let info = &graph.tensors[graph.output];
                let logits = &assignment.execution.tensors[graph.output];
                let classes = logits.len() as i64;
                let key = |j: usize| (i64::from(logits[j]) << tile.shift) + classes - 1 - j as i64;
                let top = key(assignment.class());
                let least = i64::from(info.min) << tile.shift;
                let values = std::iter::once(top - least)
                    .chain((0..logits.len()).map(|j| top - key(j)))
                    .collect::<Vec<_>>();
                Self::Owned {
                    pre: values.iter().map(|value| (value >> tile.shift) as i32).collect(),
                    rem: values
                        .iter()
                        .map(|value| (value & ((1 << tile.shift) - 1)) as u32)
                        .collect(),
                    shape,
                }
            }
        })
    }

    /// `(pre, rem)`.
    fn get(&self, channel: usize, line: usize, column: usize) -> (i64, u32) {
        let index = |shape: &[usize; 3]| (channel * shape[1] + line) * shape[2] + column;
        match self {
            Self::Bytes { bytes, shape } => {
                (bytes.get(index(shape)).copied().map_or(0, i64::from), 0)
            }
            Self::Trace { pre, rem, shape } => (i64::from(pre[index(shape)]), rem[index(shape)]),
            Self::Owned { pre, rem, shape } => (i64::from(pre[index(shape)]), rem[index(shape)]),
        }
    }
}

/// Inverts all values in place, in parallel chunks; zeros stay zero.
pub(super) fn batch_invert(values: &mut [Fr]) {
    values.par_chunks_mut(1 << 12).for_each(|chunk| {
        let mut products = Vec::with_capacity(chunk.len());
        let mut product = Fr::ONE;
        for value in chunk.iter() {
            products.push(product);
            if !bool::from(value.is_zero()) {
                product *= value;
            }
        }
        let mut inverse = product.invert().unwrap_or(Fr::ZERO);
        for (value, before) in chunk.iter_mut().zip(products).rev() {
            if !bool::from(value.is_zero()) {
                let inverted = inverse * before;
                inverse *= *value;
                *value = inverted;
            }
        }
    });
}

/// A uniform field element as a salt.
pub fn random_salt(rng: impl RngCore + CryptoRng) -> Fr {
    Fr::random(rng)
}
