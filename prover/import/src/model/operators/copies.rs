//! Elements that are taken more than once.

use super::{FloatOp, ImportError, Importer, Node, Step, Value, arrange, channels};
use crate::model::importer::ordered;

/// Most copies of a tensor in one concatenation.
pub(in crate::model) const MAX_COPIES: usize = 4096;

/// As [`cut::take`], with elements that are taken more than once: each as often as any other.
pub(in crate::model) fn copies(
    importer: &mut Importer<'_>,
    node: &Node<'_>,
    value: &Value,
    shape: Vec<usize>,
    taken: &[usize],
) -> Result<Value, ImportError> {
    let stored @ [channels, height, width] = importer.shape(value);
    let count: usize = stored.iter().product();
    let mut seen = vec![0usize; count];
    let mut order = Vec::with_capacity(taken.len());
    for index in taken {
        let element = arrange::element(value, *index);
        order.push((seen[element] * count + element) as u32);
        seen[element] += 1;
    }
    let times = seen[0];
    if times > MAX_COPIES || seen.iter().any(|seen| *seen != times) {
        return unequal(importer, node, value, shape, taken);
    }
    let inputs = vec![value.tensor; times];
    let all = [channels * times, height, width];
    let tensor = importer.push(node, all, Step::Layer(FloatOp::Concat { inputs }))?;
    Ok(Value { tensor, shape, order: ordered(order), ..value.clone() })
}

/// Elements taken more or less often: all of them as channels.
fn unequal(
    importer: &mut Importer<'_>,
    node: &Node<'_>,
    value: &Value,
    shape: Vec<usize>,
    taken: &[usize],
) -> Result<Value, ImportError> {
    let count: usize = importer.shape(value).iter().product();
    let all = arrange::store(importer, node, value, [count, 1, 1], None)?;
    let tensor = channels::pick_channels(importer, node, all.tensor, taken)?;
    Ok(Value { tensor, shape, order: None, ..value.clone() })
}
