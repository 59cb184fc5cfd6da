//! Where a consumer sees each tensor: the exponent of `z` of position `(line, column)` of a channel
//! is `line * reading.line + column * reading.column`.
//!
//! All readers of a tensor share its reading. A convolution needs lines that do not run into each
//! other in the full correlation grid; a max-pool needs its output's reading to be its input's,
//! spread by the stride, because its comparisons are tied to the gathered values at one layout.

use assay_graph::{Op, QuantizedGraph, TensorId, Window};

use crate::LayoutError;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Reading {
    pub column: u64,
    pub line: u64,
}

impl Reading {
    /// All positions at exponent 0: an evaluation is the plain sum of a channel.
    pub const SUM: Self = Self { column: 0, line: 0 };

    /// The reading at `(stride_h, stride_w)`.
    pub fn strided(self, stride: [usize; 2]) -> Self {
        Self { column: self.column * stride[1] as u64, line: self.line * stride[0] as u64 }
    }

    /// One past the last exponent of a grid of this size; [`Reading::separates`] it.
    pub fn span(self, [height, width]: [usize; 2]) -> u64 {
        (height as u64 - 1) * self.line + (width as u64 - 1) * self.column + 1
    }

    /// A reading of `size` at which another grid fits between neighbours, whose exponents are below
    /// `gap`: each pair of positions has an exponent of its own. `None` where one is 2^32 or more.
    pub fn around(gap: u64, [height, width]: [usize; 2]) -> Option<Self> {
        let places = height as u128 * width as u128;
        let reading = || Self { column: gap, line: gap * width as u64 };
        (u128::from(gap) * places < MOST_EXPONENT).then(reading)
    }

    /// Whether a grid of this size has an exponent of its own for each position, below
    /// [`MOST_EXPONENT`].
    pub fn separates(self, [height, width]: [usize; 2]) -> bool {
        let [column, line] = [self.column, self.line].map(u128::from);
        let last = |size: usize| (size as u128).saturating_sub(1);
        column >= 1
            && column.max(line) < MOST_EXPONENT
            && (height == 1 || line > last(width) * column)
            && last(height) * line + last(width) * column < MOST_EXPONENT
    }
}

/// Exponents of `z` stay below this, so that no sum or product of them overflows, and that the bound
/// on a claim's degree holds. An architecture may come from a stranger.
const MOST_EXPONENT: u128 = 1 << 32;

/// Extent of a window, dilation included: `[height, width]`.
pub(crate) fn extent(window: &Window) -> [usize; 2] {
    [0, 1].map(|axis| (window.kernel[axis] - 1) * window.dilation[axis] + 1)
}

/// A reading for each tensor.
pub(crate) fn assign_readings(graph: &QuantizedGraph) -> Result<Vec<Reading>, LayoutError> {
    let mut groups = Groups::new(graph.tensors.len());
    for layer in &graph.layers {
        match &layer.op {
            Op::Add { inputs } | Op::Concat { inputs } => {
                inputs.iter().for_each(|input| groups.join(*input, layer.output));
            }
            Op::Slice { input, .. } => groups.join(*input, layer.output),
            // The factors of a product share a tile. A gate has one position: any reading suits it.
            Op::Multiply { inputs: [a, b], .. } | Op::Dot { inputs: [a, b], .. }
                if graph.tensors[*a].shape == graph.tensors[*b].shape =>
            {
                groups.join(*a, *b);
            }
            Op::Pointwise { inputs, .. } => {
                inputs.windows(2).for_each(|pair| groups.join(pair[0].0, pair[1].0));
            }
            _ => {}
        }
    }
    let pools = graph
        .layers
        .iter()
        .filter_map(|layer| match &layer.op {
            Op::MaxPool { input, window } => {
                let (from, to) = (groups.root(*input), groups.root(layer.output));
                Some(Pool { name: layer.name.clone(), from, to, stride: window.stride })
            }
            _ => None,
        })
        .collect::<Vec<_>>();
    let mut columns = pool_columns(graph.tensors.len(), &pools)?;
    make_room(graph, &mut groups, &pools, &mut columns);
    let lines = pool_lines(&mut groups, graph, &pools, &columns)?;
    let readings = (0..graph.tensors.len())
        .map(|tensor| {
            let root = groups.root(tensor);
            Reading { column: columns[root], line: lines[root] }
        })
        .collect::<Vec<_>>();
    check(graph, &readings)?;
    Ok(readings)
}

/// What every claim rests on, whatever the steps above have done: positions of a tensor, and of each
/// correlation's full grid, have exponents of their own.
fn check(graph: &QuantizedGraph, readings: &[Reading]) -> Result<(), LayoutError> {
    for (info, reading) in graph.tensors.iter().zip(readings) {
        if !reading.separates([info.shape[1], info.shape[2]]) {
            return Err(LayoutError::Exponents { part: info.name.clone() });
        }
    }
    for layer in &graph.layers {
        let (Op::Conv { input, window, .. }
        | Op::SumPool { input, window, .. }
        | Op::MaxPool { input, window }) = &layer.op
        else {
            continue;
        };
        let ([_, height, width], [tall, wide]) = (graph.tensors[*input].shape, extent(window));
        if !readings[*input].separates([height + tall - 1, width + wide - 1]) {
            return Err(LayoutError::Exponents { part: layer.name.clone() });
        }
    }
    Ok(())
}

/// A product of a reading and a stride.
fn spread(value: u64, stride: usize, pool: &Pool) -> Result<u64, LayoutError> {
    let product = u128::from(value) * stride as u128;
    let small = u64::try_from(product).ok().filter(|_| product < MOST_EXPONENT);
    small.ok_or_else(|| LayoutError::Exponents { part: pool.name.clone() })
}

struct Pool {
    name: String,
    from: TensorId,
    to: TensorId,
    stride: [usize; 2],
}

fn pool_columns(tensors: usize, pools: &[Pool]) -> Result<Vec<u64>, LayoutError> {
    let mut columns = vec![1u64; tensors];
    let mut fixed = vec![false; tensors];
    for pool in pools {
        let column = spread(columns[pool.from], pool.stride[1], pool)?;
        if (fixed[pool.to] && columns[pool.to] != column)
            || (pool.from == pool.to && pool.stride != [1, 1])
        {
            return Err(LayoutError::ConflictingPools { layer: pool.name.clone() });
        }
        columns[pool.to] = column;
        fixed[pool.to] = true;
    }
    // A pool whose input was widened only later would be inconsistent.
    for pool in pools {
        if columns[pool.to] != spread(columns[pool.from], pool.stride[1], pool)? {
            return Err(LayoutError::ConflictingPools { layer: pool.name.clone() });
        }
    }
    Ok(columns)
}

/// The first matrix of a product, where nothing else asks for a reading of it, gets one with room for a
/// line of the second between neighbours: the product then needs no copy of it.
fn make_room(graph: &QuantizedGraph, groups: &mut Groups, pools: &[Pool], columns: &mut [u64]) {
    let mut readers = vec![0; graph.tensors.len()];
    let mut members = vec![0; graph.tensors.len()];
    readers[graph.output] += 1;
    graph.layers.iter().flat_map(|layer| layer.op.inputs()).for_each(|input| readers[input] += 1);
    (0..graph.tensors.len()).for_each(|tensor| members[groups.root(tensor)] += 1);
    for layer in &graph.layers {
        let Op::MatMul { inputs: [first, second], .. } = &layer.op else { continue };
        let (root, other) = (groups.root(*first), groups.root(*second));
        let pooled = pools.iter().any(|pool| pool.from == root || pool.to == root);
        if readers[*first] > 1 || members[root] > 1 || pooled {
            continue;
        }
        let gap = columns[other].saturating_mul(graph.tensors[*second].shape[2] as u64);
        let [_, height, width] = graph.tensors[*first].shape;
        if Reading::around(gap, [height, width]).is_some() {
            columns[root] = gap;
        }
    }
}

/// The reading at which a product's first matrix has room for a line of the second between neighbours,
/// and whether the tensor itself is read so. `None` where exponents would be too large.
pub(crate) fn with_room(
    graph: &QuantizedGraph,
    readings: &[Reading],
    [first, second]: [TensorId; 2],
) -> Option<(Reading, bool)> {
    let gap = readings[second].column.saturating_mul(graph.tensors[second].shape[2] as u64);
    let [_, height, width] = graph.tensors[first].shape;
    let reading = Reading::around(gap, [height, width])?;
    // A single position is everywhere at exponent 0.
    Some((reading, height * width == 1 || readings[first].column == gap))
}

fn pool_lines(
    groups: &mut Groups,
    graph: &QuantizedGraph,
    pools: &[Pool],
    columns: &[u64],
) -> Result<Vec<u64>, LayoutError> {
    let mut lines = vec![0u64; graph.tensors.len()];
    for (tensor, info) in graph.tensors.iter().enumerate() {
        let root = groups.root(tensor);
        lines[root] = lines[root].max(columns[root] * info.shape[2] as u64);
    }
    for layer in &graph.layers {
        let (input, window) = match &layer.op {
            Op::Conv { input, window, .. }
            | Op::SumPool { input, window, .. }
            | Op::MaxPool { input, window } => (*input, window),
            _ => continue,
        };
        let root = groups.root(input);
        let width = graph.tensors[input].shape[2] + extent(window)[1] - 1;
        lines[root] = lines[root].max(columns[root] * width as u64);
    }
    // Requirements travel from a pool's output to its input, then values back.
    for pool in pools.iter().rev() {
        lines[pool.from] = lines[pool.from].max(lines[pool.to].div_ceil(pool.stride[0] as u64));
    }
    for pool in pools {
        lines[pool.to] = spread(lines[pool.from], pool.stride[0], pool)?;
    }
    for pool in pools {
        if lines[pool.to] != spread(lines[pool.from], pool.stride[0], pool)? {
            return Err(LayoutError::ConflictingPools { layer: pool.name.clone() });
        }
    }
    Ok(lines)
}

/// Tensors that must share a reading.
struct Groups {
    parent: Vec<usize>,
}

impl Groups {
    fn new(count: usize) -> Self {
        Self { parent: (0..count).collect() }
    }

    fn root(&mut self, mut index: usize) -> usize {
        while self.parent[index] != index {
            self.parent[index] = self.parent[self.parent[index]];
            index = self.parent[index];
        }
        index
    }

    fn join(&mut self, a: usize, b: usize) {
        let (a, b) = (self.root(a), self.root(b));
        self.parent[a.max(b)] = a.min(b);
    }
}
