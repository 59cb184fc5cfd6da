//! Weights and rest cells: where they live and which cells hold their running sums.

use assay_graph::{Op, QuantizedGraph, Window};

use crate::layout::profile::KernelRow;
use crate::layout::reading::{Reading, extent};
use crate::layout::scalar_program::Cell;

/// The weights of one convolution.
#[derive(Clone, Debug)]
pub struct Kernel {
    pub layer: usize,
    pub groups: usize,
    /// Per group.
    pub inputs: usize,
    /// Per group.
    pub outputs: usize,
    /// `[height, width]`.
    pub taps: [usize; 2],
    pub first_row: usize,
    pub bias_row: usize,
    pub columns: usize,
    /// Exponent of `z` between neighbouring taps of a line.
    pub tap_step: u64,
}

impl Kernel {
    /// One input and one output a group: rows hold the taps of one kernel line.
    pub fn is_depthwise(&self) -> bool {
        self.inputs == 1 && self.outputs == 1
    }

    /// Rows that a kernel line of a depthwise convolution takes.
    pub fn chunks(&self) -> usize {
        self.taps[1].div_ceil(self.columns)
    }

    /// Power of `v` of output `j`: outputs of a group start at a multiple of the columns, so that
    /// the unused cells of a block's last row speak of no other output.
    pub fn output_index(&self, output: usize) -> usize {
        let padded =
            if self.is_depthwise() { 1 } else { self.outputs.next_multiple_of(self.columns) };
        output / self.outputs * padded + output % self.outputs
    }

    fn block_rows(&self) -> usize {
        self.outputs.div_ceil(self.columns) + 1
    }

    fn weight_rows(&self) -> usize {
        let taps = self.taps[0] * self.taps[1];
        if self.is_depthwise() {
            self.groups * self.taps[0] * self.chunks()
        } else {
            taps * self.groups * self.inputs * self.block_rows()
        }
    }

    fn bias_rows(&self) -> usize {
        (self.output_index(self.groups * self.outputs - 1) + 1).div_ceil(self.columns) + 1
    }

    /// One past the last row.
    pub fn end(&self) -> usize {
        self.bias_row + self.bias_rows()
    }

    /// Cell of `sum_j v^j w[j, input, tap]` over the outputs `j` of the input's group, `j` counted
    /// within the group.
    pub fn dense_sum(&self, tap: [usize; 2], input: usize) -> Cell {
        Cell::weight_sum(self.block_row(tap, input))
    }

    /// Cell of `sum_i z^(i * tap_step) w[channel, line, last tap - i]` over chunk `chunk` of a
    /// kernel line, `i` counted within the chunk.
    pub fn depthwise_sum(&self, channel: usize, line: usize, chunk: usize) -> Cell {
        Cell::weight_sum(self.depthwise_row(channel, line, chunk))
    }

    /// Cell of `sum_j v^index(j) bias[j]`.
    pub fn bias_sum(&self) -> Cell {
        Cell::weight_sum(self.bias_row)
    }

    /// Visits each weight and bias: `(row, column, value)`.
    pub fn for_each_cell(
        &self,
        weights: &[i64],
        bias: &[i64],
        mut visit: impl FnMut(usize, usize, i64),
    ) {
        let [height, width] = self.taps;
        for (output, bias) in bias.iter().enumerate() {
            let group = output / self.outputs;
            for input in 0..self.inputs {
                for line in 0..height {
                    for tap in 0..width {
                        let index = ((output * self.inputs + input) * height + line) * width + tap;
                        let (row, column) = if self.is_depthwise() {
                            let power = width - 1 - tap;
                            let row = self.depthwise_row(output, line, power / self.columns);
                            (row, power % self.columns)
                        } else {
                            let local = output % self.outputs;
                            let block = self.block_row([line, tap], group * self.inputs + input);
                            (block + local / self.columns, local % self.columns)
                        };
                        visit(row, column, weights[index]);
                    }
                }
            }
            let index = self.output_index(output);
            visit(self.bias_row + index / self.columns, index % self.columns, *bias);
        }
    }

    /// Rows whose sum continues by Horner's rule in `v`; the row after each block is blank.
    pub fn for_each_dense_row(&self, mut visit: impl FnMut(usize)) {
        if !self.is_depthwise() {
            let block = self.block_rows();
            for row in 0..self.weight_rows() {
                if row % block != block - 1 {
                    visit(self.first_row + row);
                }
            }
        }
        for row in self.bias_row..self.end() - 1 {
            visit(row);
        }
    }

    /// Rows of depthwise taps.
    pub fn for_each_kernel_row(&self, mut visit: impl FnMut(usize, KernelRow)) {
        if !self.is_depthwise() {
            return;
        }
        for row in 0..self.weight_rows() {
            visit(self.first_row + row, self.kernel_row(row % self.chunks()));
        }
    }

    pub fn kernel_rows(&self) -> Vec<KernelRow> {
        if !self.is_depthwise() {
            return Vec::new();
        }
        (0..self.chunks()).map(|chunk| self.kernel_row(chunk)).collect()
    }

    fn kernel_row(&self, chunk: usize) -> KernelRow {
        let live = (self.taps[1] - chunk * self.columns).min(self.columns);
        // With one tap no step is used, so all such rows are one kind.
        KernelRow { live, step: if live == 1 { 1 } else { self.tap_step as u32 } }
    }

    fn block_row(&self, tap: [usize; 2], input: usize) -> usize {
        let inputs = self.groups * self.inputs;
        let block = (tap[0] * self.taps[1] + tap[1]) * inputs + input;
        self.first_row + block * self.block_rows()
    }

    fn depthwise_row(&self, channel: usize, line: usize, chunk: usize) -> usize {
        self.first_row + (channel * self.taps[0] + line) * self.chunks() + chunk
    }
}

/// The positions of the full correlation grid that a strided or padded window does not keep, one
/// cell each, already summed over the outputs.
#[derive(Clone, Debug)]
pub struct RestGrid {
    pub layer: usize,
    pub first_row: usize,
    /// Grid size `[height, width]`.
    pub grid: [usize; 2],
    pub reading: Reading,
    pub window: Window,
    /// Output size `[height, width]`.
    pub outputs: [usize; 2],
}

impl RestGrid {
    pub fn rows(&self) -> usize {
        let [height, width] = self.grid;
        ((height - 1) as u64 * self.reading.line + (width - 1) as u64 * self.reading.column)
            as usize
            + 1
    }

    /// One past the last row, a blank row included.
    pub fn end(&self) -> usize {
        self.first_row + self.rows() + 1
    }

    pub fn sum(&self) -> Cell {
        Cell::weight_sum(self.first_row)
    }

    pub fn row(&self, line: usize, column: usize) -> usize {
        self.first_row
            + (line as u64 * self.reading.line + column as u64 * self.reading.column) as usize
    }

    /// Output at a grid position, if it is kept.
    pub fn kept(&self, line: usize, column: usize) -> Option<(usize, usize)> {
        let extents = extent(&self.window);
        let place = |position: usize, axis: usize| {
            let from = (position + self.window.pads[axis]).checked_sub(extents[axis] - 1)?;
            let output = from / self.window.stride[axis];
            (from % self.window.stride[axis] == 0 && output < self.outputs[axis]).then_some(output)
        };
        Some((place(line, 0)?, place(column, 1)?))
    }

    /// Visits the positions that are not kept: `(row, line, column)`.
    pub fn for_each_cell(&self, mut visit: impl FnMut(usize, usize, usize)) {
        for line in 0..self.grid[0] {
            for column in 0..self.grid[1] {
                if self.kept(line, column).is_none() {
                    visit(self.row(line, column), line, column);
                }
            }
        }
    }
}

/// Places all weights and rest grids, from `first_row` on; returns the end.
pub(crate) fn place(
    graph: &QuantizedGraph,
    readings: &[Reading],
    columns: usize,
    first_row: usize,
) -> (Vec<Kernel>, Vec<RestGrid>, usize) {
    let mut row = first_row;
    let (mut kernels, mut rests) = (Vec::new(), Vec::new());
    for (index, layer) in graph.layers.iter().enumerate() {
        if let Op::Conv { input, window, groups, .. } = &layer.op {
            let mut kernel = Kernel {
                layer: index,
                groups: *groups,
                inputs: graph.tensors[*input].shape[0] / groups,
                outputs: graph.tensors[layer.output].shape[0] / groups,
                taps: window.kernel,
                first_row: row,
                bias_row: row,
                columns,
                tap_step: readings[*input].column * window.dilation[1] as u64,
            };
            kernel.bias_row = row + kernel.weight_rows();
            row = kernel.end();
            kernels.push(kernel);
        }
    }
    for (index, layer) in graph.layers.iter().enumerate() {
        let (input, window) = match &layer.op {
            Op::Conv { input, window, .. }
            | Op::SumPool { input, window, .. }
            | Op::MaxPool { input, window } => (*input, *window),
            _ => continue,
        };
        let [_, height, width] = graph.tensors[input].shape;
        let [tall, wide] = extent(&window);
        let [_, out_height, out_width] = graph.tensors[layer.output].shape;
        let grid = [height + tall - 1, width + wide - 1];
        let rest = RestGrid {
            layer: index,
            first_row: row,
            grid,
            reading: readings[input],
            window,
            outputs: [out_height, out_width],
        };
        if grid != rest.outputs || window.stride != [1, 1] {
            row = rest.end();
            rests.push(rest);
        }
    }
    (kernels, rests, row)
}
