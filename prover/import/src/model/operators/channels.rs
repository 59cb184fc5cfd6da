//! Channels in another order, at no cost.

use super::{FloatOp, ImportError, Importer, Node, Step};

/// Channels that are not neighbours are cut run by run and joined; more runs are refused.
const MAX_RUNS: usize = 4096;

/// The given channels, ascending or not.
pub(in crate::model) fn pick_channels(
    importer: &mut Importer<'_>,
    node: &Node<'_>,
    input: usize,
    channels: &[usize],
) -> Result<usize, ImportError> {
    let [all, height, width] = importer.tensors[input].shape;
    if channels.iter().copied().eq(0..all) {
        return Ok(input);
    }
    let runs: Vec<&[usize]> = channels.chunk_by(|a, b| *b == a + 1).collect();
    if runs.len() > MAX_RUNS {
        return Err(node.error(format!(
            "it picks channels in {} runs; up to {MAX_RUNS} are supported",
            runs.len()
        )));
    }
    let mut parts = Vec::with_capacity(runs.len());
    for run in runs {
        if run.len() == all {
            parts.push(input);
            continue;
        }
        let op = FloatOp::Slice { input, start: run[0] };
        parts.push(importer.push(node, [run.len(), height, width], Step::Layer(op))?);
    }
    match *parts.as_slice() {
        [part] => Ok(part),
        _ => {
            let op = FloatOp::Concat { inputs: parts };
            importer.push(node, [channels.len(), height, width], Step::Layer(op))
        }
    }
}
