//! Constant tensors and the arithmetic on them that exporters leave in a graph.

use super::{
    Binary,
    shapes::{broadcast_offsets, element_count, strided_offsets, strides},
};

/// A constant tensor, row-major. Integers are exact up to 2^53.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Constant {
    pub shape: Vec<usize>,
    pub values: Vec<f64>,
}

impl Constant {
    pub(super) fn vector(values: Vec<f64>) -> Self {
        Self { shape: vec![values.len()], values }
    }

    /// The value of a constant with one element.
    pub(super) fn scalar(&self) -> Option<f64> {
        match self.values.as_slice() {
            [value] => Some(*value),
            _ => None,
        }
    }

    pub(super) fn integers(&self) -> Vec<i64> {
        self.values.iter().map(|value| *value as i64).collect()
    }

    pub(super) fn binary(&self, operator: Binary, other: &Self) -> Option<Self> {
        let shape = broadcast_shape(&self.shape, &other.shape)?;
        element_count(&shape).ok()?;
        let left = broadcast_offsets(&self.shape, &shape)?;
        let right = broadcast_offsets(&other.shape, &shape)?;
        let values = left
            .iter()
            .zip(&right)
            .map(|(l, r)| operator.evaluate(self.values[*l], other.values[*r]))
            .collect();
        Some(Self { shape, values })
    }

    pub(super) fn map(&self, function: impl Fn(f64) -> f64) -> Self {
        Self {
            shape: self.shape.clone(),
            values: self.values.iter().map(|value| function(*value)).collect(),
        }
    }

    /// Axes reordered: axis `i` of the result is axis `permutation[i]`.
    pub(super) fn transpose(&self, permutation: &[usize]) -> Self {
        let old = strides(&self.shape);
        let shape: Vec<_> = permutation.iter().map(|axis| self.shape[*axis]).collect();
        let steps: Vec<_> = permutation.iter().map(|axis| old[*axis]).collect();
        let values =
            strided_offsets(&shape, &steps).into_iter().map(|offset| self.values[offset]).collect();
        Self { shape, values }
    }

    /// The given positions along `axis`; each must be below its size.
    pub(super) fn select(&self, axis: usize, positions: &[usize]) -> Self {
        let inner: usize = self.shape[axis + 1..].iter().product();
        let outer: usize = self.shape[..axis].iter().product();
        let mut values = Vec::with_capacity(outer * positions.len() * inner);
        for block in 0..outer {
            for position in positions {
                let start = (block * self.shape[axis] + position) * inner;
                values.extend_from_slice(&self.values[start..start + inner]);
            }
        }
        let mut shape = self.shape.clone();
        shape[axis] = positions.len();
        Self { shape, values }
    }

    /// Joins constants along `axis`; `None` when their shapes do not fit.
    pub(super) fn concat(parts: &[&Self], axis: usize) -> Option<Self> {
        let first = parts.first()?;
        let mut shape = first.shape.clone();
        *shape.get_mut(axis)? = 0;
        for part in parts {
            let mut rest = part.shape.clone();
            let size = std::mem::replace(rest.get_mut(axis)?, shape[axis]);
            if rest != shape {
                return None;
            }
            shape[axis] += size;
        }
        let outer: usize = shape[..axis].iter().product();
        let mut values = Vec::new();
        for block in 0..outer {
            for part in parts {
                let run = part.values.len() / outer;
                values.extend_from_slice(&part.values[block * run..(block + 1) * run]);
            }
        }
        Some(Self { shape, values })
    }
}

/// Shape of an elementwise operation on two shapes.
pub(super) fn broadcast_shape(left: &[usize], right: &[usize]) -> Option<Vec<usize>> {
    let rank = left.len().max(right.len());
    let size = |shape: &[usize], axis: usize| {
        (axis + shape.len()).checked_sub(rank).map_or(1, |axis| shape[axis])
    };
    (0..rank)
        .map(|axis| match (size(left, axis), size(right, axis)) {
            (l, r) if l == r || r == 1 => Some(l),
            (1, r) => Some(r),
            _ => None,
        })
        .collect()
}
