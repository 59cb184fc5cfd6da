//! The first two phases once more, value by value as their definitions read. The third is
//! `mutation::late`.

use halo2_proofs::halo2curves::ff::Field;

use super::*;
use crate::layout::kernels::RestGrid;
use crate::layout::profile::TileCells;
use crate::layout::scalar_program::field;
use crate::witness::tile_values::{Place, TileValues};
use assay_graph::ACTIVATION_OFFSET;

/// What the tile rows hold, `[pre, out, rem]` for each lane, and how often each row of the table is
/// looked up.
pub(super) fn first_phase(assignment: &Assignment<'_>) -> (Vec<[Vec<Fr>; 3]>, Vec<Fr>) {
    let layout = assignment.layout;
    let rows = 1 << layout.k;
    let column = || vec![Fr::ZERO; rows];
    let mut lanes = vec![[column(), column(), column()]; layout.options.lanes];
    let mut counts = column();
    let stored = |value: i64| field(value + i64::from(ACTIVATION_OFFSET));
    for tile in &layout.tiles {
        let values = TileValues::new(assignment, tile).expect("of this network");
        let table = &layout.tables.functions[tile.function];
        tile.for_each_row(|at| {
            for (lane, columns) in lanes.iter_mut().enumerate() {
                let live = lane < tile.live_lanes(at.group, at.position);
                let place = live.then(|| {
                    let (image, column) = tile.place(&at, lane);
                    Place { image, channel: at.channel, line: at.line, column }
                });
                if tile.cells == TileCells::Product {
                    let [a, b] = place.map_or([0; 2], |place| values.factors(place));
                    columns[0][at.row] = stored(a);
                    columns[1][at.row] = stored(b);
                    continue;
                }
                let min = i64::from(table.min);
                let (pre, rem) = place.map_or((min, 0), |place| values.get(place));
                columns[0][at.row] = stored(pre);
                columns[1][at.row] = stored(i64::from(table.values[(pre - min) as usize]));
                columns[2][at.row] = Fr::from(u64::from(rem));
                counts[layout.tables.function_row(tile.function, pre).expect("a row")] += Fr::ONE;
                counts[layout.tables.remainder_row(tile.shift, rem).expect("a row")] += Fr::ONE;
            }
        });
    }
    (lanes, counts)
}

/// The `rest` column, by rows of the weights' domain.
pub(super) fn rest(assignment: &Assignment<'_>, v: Fr, u: Fr) -> Vec<Fr> {
    let mut column = vec![Fr::ZERO; assignment.layout.weight_domain()];
    for rest in &assignment.layout.rests {
        rest.for_each_cell(|row, line, position| {
            column[row] = rest_cell(assignment, rest, [line, position], v, u);
        });
    }
    column
}

/// The correlation at a position of the full grid, over all images, channels and outputs.
fn rest_cell(assignment: &Assignment<'_>, rest: &RestGrid, at: [usize; 2], v: Fr, u: Fr) -> Fr {
    let graph = assignment.graph;
    let window = &rest.window;
    let op = &graph.layers[rest.layer].op;
    let (Op::Conv { input, .. } | Op::SumPool { input, .. } | Op::MaxPool { input, .. }) = op
    else {
        panic!("no kernel");
    };
    let info = &graph.tensors[*input];
    let [channels, height, width] = info.shape;
    let power = |exponent: usize| v.pow_vartime([exponent as u64]);
    let taps = window.kernel[0] * window.kernel[1];
    let least = if let Op::MaxPool { .. } = op { info.min } else { 0 };
    // Where channels run on, those of claims about elements count every second power.
    let element =
        if graph.layers.iter().any(|layer| matches!(layer.op, Op::MatMul { .. })) { 2 } else { 1 };
    let mut sum = Fr::ZERO;
    for (tap, channel) in (0..taps).flat_map(|tap| (0..channels).map(move |c| (tap, c))) {
        let tap_of = [tap / window.kernel[1], tap % window.kernel[1]];
        let place = [0, 1].map(|axis: usize| {
            let reach = (window.kernel[axis] - 1) * window.dilation[axis];
            (at[axis] + tap_of[axis] * window.dilation[axis]).checked_sub(reach)
        });
        let [Some(h), Some(w)] = place else { continue };
        if h >= height || w >= width {
            continue;
        }
        let weight = match op {
            Op::Conv { weights, .. } => {
                let kernels = &assignment.layout.kernels;
                let kernel = kernels.iter().find(|kernel| kernel.layer == rest.layer);
                let kernel = kernel.expect("placed");
                let (group, local) = (channel / kernel.inputs, channel % kernel.inputs);
                let outputs = group * kernel.outputs..(group + 1) * kernel.outputs;
                let weigh = |output: usize| {
                    let weight = weights[(output * kernel.inputs + local) * taps + tap];
                    power(kernel.output_index(output)) * field(weight)
                };
                outputs.map(weigh).sum::<Fr>()
            }
            Op::SumPool { multiplier, .. } => power(element * channel) * field(*multiplier),
            _ => power(element * (channel + channels * tap)),
        };
        for (image, input_of) in assignment.inputs.iter().enumerate() {
            let value = input_of.execution.tensors[*input][(channel * height + h) * width + w];
            sum += u.pow_vartime([image as u64]) * weight * field(i64::from(value - least));
        }
    }
    sum
}
