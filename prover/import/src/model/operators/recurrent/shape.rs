//! What a recurrent node says of its input, and constants that have a part for each direction.

use super::super::{Constant, ImportError, Node};

/// What the node says of its input and its result.
pub(super) struct Shape {
    pub steps: usize,
    pub features: usize,
    pub hidden: usize,
    pub directions: usize,
    /// Batch first.
    pub batch_first: bool,
}

/// A state that is the same for all inputs of a batch, of which one is read.
pub(super) fn of_one_input(
    constant: &Constant,
    hidden: usize,
    directions: usize,
    batch: usize,
) -> Constant {
    let all = constant.values.len();
    let rows = || constant.values.chunks(hidden * batch);
    let alike = |block: &[f64]| block.chunks(hidden).all(|row| row == &block[..hidden]);
    if batch < 2 || Some(all) != (hidden * batch).checked_mul(directions) || !rows().all(alike) {
        return constant.clone();
    }
    let values = rows().flat_map(|block| block[..hidden].to_vec()).collect();
    Constant { shape: vec![directions, 1, hidden], values }
}

/// Entry `direction` of a constant that has one for each, as numbers.
pub(super) fn of_direction(
    node: &Node<'_>,
    constant: &Constant,
    direction: usize,
    count: usize,
    directions: usize,
) -> Result<Vec<f64>, ImportError> {
    if Some(constant.values.len()) != count.checked_mul(directions) {
        return Err(node.error(format!(
            "a constant of shape {:?}; {directions} times {count} values are needed",
            constant.shape
        )));
    }
    Ok(constant.values[direction * count..][..count].to_vec())
}
