//! Which tiles have one evaluation for all of their channels.
//!
//! Where a claim takes channels together with powers of a challenge anyway, their evaluations run on into
//! each other, and the scalar program reads one cell in place of one a channel. Networks without products of
//! matrices are laid out as before there were any, so that their keys stay what they are.

use assay_graph::{Op, QuantizedGraph, TensorId};

use crate::layout::reading::Reading;
use crate::layout::tile::{ChannelStep, Fold};
use crate::statement::{OutputMode, StatementKind};

/// In claims about elements channel `c` counts `v^(2 c)`: a tile of two factors stands for `A + v B`, and the
/// powers of both are then different ones.
const ELEMENTS: usize = 2;

#[derive(Clone, Debug)]
pub(crate) struct Folds {
    /// Whether there are any.
    pub any: bool,
    /// Tensors of which a reader wants each channel by itself.
    by_channel: Vec<bool>,
    weight_columns: usize,
}

impl Folds {
    pub(crate) fn new(
        graph: &QuantizedGraph,
        statement: StatementKind,
        weight_columns: usize,
    ) -> Self {
        let any = graph.layers.iter().any(|layer| matches!(layer.op, Op::MatMul { .. }));
        let by_channel = by_channel(graph, statement);
        Self { any, by_channel, weight_columns }
    }

    /// Exponent of `v` from a channel to the next in claims about elements.
    pub(crate) fn power(&self) -> usize {
        if self.any { ELEMENTS } else { 1 }
    }

    /// Of channels that claims about elements take together.
    pub(crate) fn elements(&self) -> Option<Fold> {
        self.any.then(|| Fold::powers(self.power()))
    }

    /// Of what a tensor's readers take.
    pub(crate) fn read(&self, tensor: TensorId) -> Option<Fold> {
        self.elements().filter(|_| !self.by_channel[tensor])
    }

    /// Of the outputs of a convolution: they start anew with each group, at a multiple of the columns; see
    /// [`crate::layout::kernels::Kernel::output_index`].
    pub(crate) fn convolution(&self, groups: usize, [inputs, outputs]: [usize; 2]) -> Option<Fold> {
        if [inputs, outputs] == [1, 1] || groups == 1 {
            return self.any.then(|| Fold::powers(1));
        }
        let unused = outputs.next_multiple_of(self.weight_columns) - outputs;
        let [within, between] = [1, 1 + unused].map(|v| ChannelStep { v, z: 0 });
        self.any.then_some(Fold { block: outputs, steps: [within, between] })
    }

    /// Of products whose sums over `depth` channels are claimed.
    pub(crate) fn sums(&self, depth: usize) -> Option<Fold> {
        let [within, between] = [0, self.power()].map(|v| ChannelStep { v, z: 0 });
        self.any.then_some(Fold { block: depth, steps: [within, between] })
    }

    /// Of channels of so many groups that are the places of a line, `step` exponents from one to the next.
    pub(crate) fn places(&self, count: usize, step: u64) -> Option<Fold> {
        let step = i64::try_from(step).ok().filter(|_| self.any)?;
        let within = ChannelStep { v: 0, z: step };
        let between = ChannelStep { v: 1, z: -(step * (count as i64 - 1)) };
        Some(Fold { block: count, steps: [within, between] })
    }

    /// The same of places that are lines, too: only one line of them runs on.
    pub(crate) fn grid(&self, [height, width]: [usize; 2], reading: Reading) -> Option<Fold> {
        if height == 1 { self.places(width, reading.column) } else { None }
    }
}

/// Tensors of which channels are read one by one: as inputs of weights and matrices, for their arrangement
/// among others, or as outputs that are shown.
fn by_channel(graph: &QuantizedGraph, statement: StatementKind) -> Vec<bool> {
    let mut wanted = vec![false; graph.tensors.len()];
    wanted[graph.output] = matches!(
        statement,
        StatementKind::Prediction { output: OutputMode::Logits | OutputMode::Commitment, .. }
    );
    for layer in graph.layers.iter().rev() {
        let wanted_too = match &layer.op {
            Op::Conv { .. } | Op::Transpose { .. } | Op::MatMul { .. } => true,
            Op::Concat { .. } | Op::Slice { .. } => true,
            Op::Add { .. } => wanted[layer.output],
            // A gate stands at every place.
            Op::Multiply { .. } | Op::Dot { .. } => false,
            Op::SumPool { .. }
            | Op::MaxPool { .. }
            | Op::Pointwise { .. }
            | Op::Resize { .. }
            | Op::Spread { .. } => false,
        };
        if wanted_too {
            layer.op.inputs().into_iter().for_each(|input| wanted[input] = true);
        }
    }
    wanted
}
