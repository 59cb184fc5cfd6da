//! Matrix products of any kind: MatMul, Gemm, Einsum.
//!
//! Axes have labels, as in Einsum. A label that both operands and the result have is a batch (such as
//! the heads of an attention), one that only the operands have is summed over.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    Binary, Constant, FloatOp, Function, ImportError, Importer, Node, Step, Value, arithmetic,
    arrange, linear, shapes, unpadded,
};
use crate::model::importer::ordered;
use assay_graph::Window;

/// Names an axis; the same in both operands and the result where these are the same axis.
type Label = u32;

/// An operand and the labels of its axes.
enum Operand {
    Value(Value),
    Constant(Constant),
}

impl Operand {
    fn shape(&self) -> &[usize] {
        match self {
            Self::Value(value) => &value.shape,
            Self::Constant(constant) => &constant.shape,
        }
    }

    fn with_shape(self, shape: Vec<usize>) -> Self {
        match self {
            Self::Value(value) => Self::Value(Value { shape, ..value }),
            Self::Constant(constant) => Self::Constant(Constant { shape, ..constant }),
        }
    }
}

fn operand(
    importer: &mut Importer<'_>,
    node: &Node<'_>,
    index: usize,
) -> Result<Operand, ImportError> {
    let name = node.input(index).ok_or_else(|| node.error(format!("input {index} is missing")))?;
    Ok(match importer.constants.get(name) {
        Some(constant) if constant.values.is_empty() => {
            return Err(node.error(format!("its input `{name}` has no elements")));
        }
        Some(constant) => Operand::Constant((**constant).clone()),
        None => Operand::Value(unpadded(importer, node, index)?),
    })
}

pub(in crate::model) fn matmul(
    importer: &mut Importer<'_>,
    node: &Node<'_>,
) -> Result<(), ImportError> {
    let (left, right) = (operand(importer, node, 0)?, operand(importer, node, 1)?);
    let value = product(importer, node, left, right)?;
    importer.bind(node, value)
}

/// As numpy's matmul: the last two axes are multiplied, those before are batches.
fn product(
    importer: &mut Importer<'_>,
    node: &Node<'_>,
    left: Operand,
    right: Operand,
) -> Result<Value, ImportError> {
    const ROW: Label = 1 << 16;
    const INNER: Label = ROW + 1;
    const COLUMN: Label = ROW + 2;
    let ranks = [left.shape().len(), right.shape().len()];
    if ranks.contains(&0) || ranks.iter().any(|rank| *rank > 16) {
        return Err(node.error(format!("operands of {} and {} axes", ranks[0], ranks[1])));
    }
    // The last batch axis is batch 0 in both.
    let batches = |rank: usize| (0..rank.saturating_sub(2)).rev().map(|label| label as Label);
    let with = |rank: usize, last: [Label; 2]| -> Vec<Label> {
        let last = if rank == 1 { &last[1..] } else { &last[..] };
        batches(rank).chain(last.iter().copied()).collect()
    };
    let mut labels = [with(ranks[0], [ROW, INNER]), with(ranks[1], [INNER, COLUMN])];
    if ranks[1] == 1 {
        labels[1] = vec![INNER];
    }
    let mut output: Vec<Label> = batches(ranks[0].max(ranks[1])).collect();
    output.extend((ranks[0] > 1).then_some(ROW));
    output.extend((ranks[1] > 1).then_some(COLUMN));
    contract(importer, node, [left, right], labels, &output)
}

pub(in crate::model) fn gemm(
    importer: &mut Importer<'_>,
    node: &Node<'_>,
) -> Result<(), ImportError> {
    let (left, right) = (operand(importer, node, 0)?, operand(importer, node, 1)?);
    if left.shape().len() != 2 || right.shape().len() != 2 {
        return Err(node.error(format!(
            "operands of shape {:?} and {:?}; both have two axes",
            left.shape(),
            right.shape()
        )));
    }
    let labels = |transposed: bool, labels: [Label; 2]| {
        if transposed { vec![labels[1], labels[0]] } else { labels.to_vec() }
    };
    let labels =
        [labels(node.int("transA", 0) != 0, [0, 1]), labels(node.int("transB", 0) != 0, [1, 2])];
    let (alpha, beta) = (node.float("alpha", 1.0)?, node.float("beta", 1.0)?);
    let (mut scaled, operands) = (false, [left, right]);
    let operands = operands.map(|operand| match operand {
        Operand::Constant(constant) if !scaled => {
            scaled = true;
            Operand::Constant(constant.map(|w| w * alpha))
        }
        other => other,
    });
    let mut value = contract(importer, node, operands, labels, &[0, 2])?;
    if !scaled && alpha != 1.0 {
        let alpha = Constant { shape: Vec::new(), values: vec![alpha] };
        value = arithmetic::combine_constant(importer, node, Binary::Mul, &value, &alpha, false)?;
    }
    let Some(bias) = node.input(2) else { return importer.bind(node, value) };
    let value = if importer.constants.contains_key(bias) {
        let bias = super::required_constant(importer, node, 2)?.map(|b| b * beta);
        if shapes::broadcast_offsets(&bias.shape, &value.shape).is_none() {
            return Err(node.error(format!(
                "bias of shape {:?} for a result of shape {:?}",
                bias.shape, value.shape
            )));
        }
        arithmetic::combine_constant(importer, node, Binary::Add, &value, &bias, false)?
    } else {
        let bias = unpadded(importer, node, 2)?;
        let beta = Constant { shape: Vec::new(), values: vec![beta] };
        let bias = arithmetic::combine_constant(importer, node, Binary::Mul, &bias, &beta, false)?;
        arithmetic::combine(importer, node, Binary::Add, &value, &bias)?
    };
    importer.bind(node, value)
}

/// Einsum of two operands, without `...` and without diagonals.
pub(in crate::model) fn einsum(
    importer: &mut Importer<'_>,
    node: &Node<'_>,
) -> Result<(), ImportError> {
    let equation: String =
        node.text("equation").unwrap_or_default().chars().filter(|c| *c != ' ').collect();
    let problem = || {
        node.error(format!(
            "the equation `{equation}`; two operands and a result with letters are supported, as in \
             `bhid,bhjd->bhij`; export it as MatMul and Transpose"
        ))
    };
    let (inputs, output) = equation.split_once("->").ok_or_else(problem)?;
    let letters = |text: &str| -> Option<Vec<Label>> {
        let labels: Vec<Label> = text.chars().map(Label::from).collect();
        let unique: BTreeSet<_> = labels.iter().collect();
        let plain = text.chars().all(char::is_alphabetic) && unique.len() == labels.len();
        plain.then_some(labels)
    };
    let Some((left, right)) = inputs.split_once(',') else { return Err(problem()) };
    let labels = [letters(left).ok_or_else(problem)?, letters(right).ok_or_else(problem)?];
    let output = letters(output).ok_or_else(problem)?;
    let operands = [operand(importer, node, 0)?, operand(importer, node, 1)?];
    let known = |label: &Label| labels.iter().any(|labels| labels.contains(label));
    let fits = operands.iter().zip(&labels).all(|(o, labels)| o.shape().len() == labels.len());
    if !fits || node.inputs().len() != 2 || !output.iter().all(known) {
        return Err(problem());
    }
    let value = contract(importer, node, operands, labels, &output)?;
    importer.bind(node, value)
}

/// The labels of a product of two operands, by what happens to them.
struct Roles {
    sizes: BTreeMap<Label, usize>,
    batch: Vec<Label>,
    inner: Vec<Label>,
    /// Of each operand alone.
    own: [Vec<Label>; 2],
}

impl Roles {
    fn sizes(&self, labels: &[Label]) -> Vec<usize> {
        labels.iter().map(|label| self.sizes[label]).collect()
    }

    fn count(&self, labels: &[Label]) -> Result<usize, String> {
        shapes::element_count(&self.sizes(labels))
    }
}

/// Gives each label its role. An axis of 1 that is longer in the other operand is left out: its label
/// belongs to the other alone.
fn roles(
    node: &Node<'_>,
    shapes: [&[usize]; 2],
    labels: &mut [Vec<Label>; 2],
    output: &[Label],
) -> Result<(Roles, [Vec<usize>; 2]), ImportError> {
    let mut sizes: BTreeMap<Label, usize> = BTreeMap::new();
    for (shape, labels) in shapes.iter().zip(labels.iter()) {
        for (size, label) in shape.iter().zip(labels) {
            let known = sizes.entry(*label).or_insert(*size);
            if *known != *size && *known != 1 && *size != 1 {
                return Err(node.error(format!(
                    "operands of shape {:?} and {:?}, which do not fit each other",
                    shapes[0], shapes[1]
                )));
            }
            *known = (*known).max(*size);
        }
    }
    let mut kept = shapes.map(<[usize]>::to_vec);
    for (shape, labels) in kept.iter_mut().zip(labels.iter_mut()) {
        let long = |(size, label): &(&usize, &Label)| **size == sizes[*label];
        let pairs: (Vec<usize>, Vec<Label>) = shape.iter().zip(labels.iter()).filter(long).unzip();
        (*shape, *labels) = pairs;
    }
    let [left, right] = &*labels;
    let both = |label: &&Label| right.contains(label);
    let shared: Vec<Label> = left.iter().filter(both).copied().collect();
    let (batch, inner) = shared.into_iter().partition(|label| output.contains(label));
    let alone = |labels: &[Label], others: &[Label]| -> Vec<Label> {
        labels.iter().filter(|label| !others.contains(label)).copied().collect()
    };
    let own = [alone(left, right), alone(right, left)];
    if own.iter().flatten().any(|label| !output.contains(label)) {
        return Err(node.error(format!(
            "operands of shape {:?} and {:?}, which do not fit each other: an axis of only one of \
             them would be summed over; use ReduceSum before it",
            shapes[0], shapes[1]
        )));
    }
    Ok((Roles { sizes, batch, inner, own }, kept))
}

fn contract(
    importer: &mut Importer<'_>,
    node: &Node<'_>,
    operands: [Operand; 2],
    mut labels: [Vec<Label>; 2],
    output: &[Label],
) -> Result<Value, ImportError> {
    let shapes = [operands[0].shape(), operands[1].shape()];
    let (roles, kept) = roles(node, shapes, &mut labels, output)?;
    roles.count(output).map_err(|problem| node.error(problem))?;
    let [kept_left, kept_right] = kept;
    let [left, right] = operands;
    match (left.with_shape(kept_left), right.with_shape(kept_right)) {
        (Operand::Value(a), Operand::Value(b)) => {
            activations(importer, node, [&a, &b], &labels, &roles, output)
        }
        (Operand::Value(value), Operand::Constant(constant)) => {
            let [own, other] = &labels;
            weights(importer, node, (&value, own), (&constant, other), [0, 1], &roles, output)
        }
        (Operand::Constant(constant), Operand::Value(value)) => {
            let [other, own] = &labels;
            weights(importer, node, (&value, own), (&constant, other), [1, 0], &roles, output)
        }
        _ => Err(node.error("both operands are constant")),
    }
}

fn axes(labels: &[Label], wanted: &[&[Label]]) -> Vec<usize> {
    let at = |label: &Label| labels.iter().position(|own| own == label);
    wanted.iter().flat_map(|wanted| wanted.iter().filter_map(at)).collect()
}

/// The product of two activations: the rows of the one as channels, those of the other as places.
fn activations(
    importer: &mut Importer<'_>,
    node: &Node<'_>,
    values: [&Value; 2],
    labels: &[Vec<Label>; 2],
    roles: &Roles,
    output: &[Label],
) -> Result<Value, ImportError> {
    // The result's last axis is channels, as a layer over features wants it, unless a Softmax runs
    // along it: that wants places.
    let name = node.outputs().first().map_or("", String::as_str);
    let last_is_right = output.last().is_some_and(|label| roles.own[1].contains(label));
    let last_as_places = importer.outlook.leads_to_softmax(name);
    let first = usize::from(last_is_right != last_as_places);
    let mut tensors = [0; 2];
    for (tensor, index) in tensors.iter_mut().zip([first, 1 - first]) {
        let channels = axes(&labels[index], &[&roles.batch, &roles.inner]);
        let places = axes(&labels[index], &[&roles.own[index]]);
        *tensor = arrange::standard(importer, node, values[index], &channels, &places)?.tensor;
    }
    let count = |labels: &[Label]| roles.count(labels).map_err(|problem| node.error(problem));
    let groups = count(&roles.batch)?;
    let (rows, columns) = (count(&roles.own[first])?, count(&roles.own[1 - first])?);
    let op = FloatOp::MatMul { inputs: tensors, groups, function: Function::Identity };
    let channels = shapes::element_count(&[groups, rows]).map_err(|text| node.error(text))?;
    let tensor = importer.push(node, [channels, 1, columns], Step::Layer(op))?;
    let stored: Vec<Label> = [&roles.batch, &roles.own[first], &roles.own[1 - first]]
        .into_iter()
        .flatten()
        .copied()
        .collect();
    let shape = roles.sizes(output);
    let strides = shapes::strides(&roles.sizes(&stored));
    let steps: Vec<usize> = axes(&stored, &[output]).into_iter().map(|at| strides[at]).collect();
    importer.reserve(channels * columns).map_err(|problem| node.error(problem))?;
    let order = shapes::strided_offsets(&shape, &steps).into_iter().map(|at| at as u32).collect();
    Ok(Value { tensor, shape, order: ordered(order), pads: [0; 4], dropped: None })
}

/// The product of an activation and weights: a convolution of single places, with a group for each
/// batch; of one vector, a convolution that covers all of it.
fn weights(
    importer: &mut Importer<'_>,
    node: &Node<'_>,
    (value, own): (&Value, &[Label]),
    (constant, other): (&Constant, &[Label]),
    [index, weight_index]: [usize; 2],
    roles: &Roles,
    output: &[Label],
) -> Result<Value, ImportError> {
    let count = |labels: &[Label]| roles.count(labels).map_err(|problem| node.error(problem));
    let (groups, inputs) = (count(&roles.batch)?, count(&roles.inner)?);
    let outputs = count(&roles.own[weight_index])?;
    // [groups, outputs, inputs]
    let order = axes(other, &[&roles.batch, &roles.own[weight_index], &roles.inner]);
    let matrices = constant.transpose(&order);
    let mut matrices: Vec<f32> = matrices.values.iter().map(|w| *w as f32).collect();
    let stored: usize = importer.shape(value).iter().product();
    let channels = axes(own, &[&roles.batch, &roles.inner]);
    let one_vector = groups == 1 && stored == inputs;
    let (tensor, split) = if one_vector {
        let order = arrange::offsets(&value.shape, &channels);
        let places: Vec<usize> = order.iter().map(|at| arrange::element(value, *at)).collect();
        permute(&mut matrices, inputs, &places);
        let [_, height, width] = importer.shape(value);
        let window = Window::dense([height, width]);
        let tensor =
            linear::push(importer, node, value.tensor, window, 1, matrices, [outputs, 1, 1])?;
        (tensor, arrange::Split { channels: in_order(outputs), places: vec![0] })
    } else {
        let (value, split) = if groups == 1 {
            arrange::with_channels(importer, node, value, &channels)?
        } else {
            arrange::with_channels_in_order(importer, node, value, &channels)?
        };
        if groups == 1 {
            let places: Vec<usize> = split.channels.iter().map(|at| *at as usize).collect();
            permute(&mut matrices, inputs, &places);
        }
        let [_, height, width] = importer.shape(&value);
        let result = [groups.saturating_mul(outputs), height, width];
        let window = Window::dense([1, 1]);
        let tensor = linear::push(importer, node, value.tensor, window, groups, matrices, result)?;
        (tensor, arrange::Split { channels: in_order(result[0]), places: split.places })
    };
    // The labels as they lie in the tensor: channels, then places as the value has its own axes.
    let rest: Vec<Label> =
        own.iter().filter(|label| roles.own[index].contains(label)).copied().collect();
    let lying: Vec<Label> =
        [&roles.batch, &roles.own[weight_index], &rest].into_iter().flatten().copied().collect();
    let shape = roles.sizes(&lying);
    let axes_of_channels: Vec<usize> =
        (0..roles.batch.len() + roles.own[weight_index].len()).collect();
    let order = arrange::order_of(importer, node, &shape, &axes_of_channels, &split)?;
    let result = Value { tensor, shape, order, pads: [0; 4], dropped: None };
    super::layout::permuted(importer, node, &result, &axes(&lying, &[output]))
}

fn in_order(count: usize) -> Vec<u32> {
    (0..count as u32).collect()
}

/// Weight `k` of each row becomes that of input `places[k]`.
fn permute(matrix: &mut [f32], inputs: usize, places: &[usize]) {
    if places.iter().enumerate().all(|(index, place)| index == *place) || inputs == 0 {
        return;
    }
    let mut moved = vec![0.0; inputs];
    for row in matrix.chunks_mut(inputs) {
        for (weight, place) in row.iter().zip(places) {
            moved[*place] = *weight;
        }
        row.copy_from_slice(&moved);
    }
}
