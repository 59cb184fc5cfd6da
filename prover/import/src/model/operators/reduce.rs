//! Means, sums, extremes and norms over axes.

use super::{
    Binary, FloatOp, Function, ImportError, Importer, Node, Step, Unary, Value, arithmetic,
    arrange, cut, elementwise::function_of, integers, kinds, softmax, unpadded, windows,
};
use crate::model::{FloatTensorId, importer::ordered};
use assay_graph::{Shape, Window};

/// Most factors of a product of elements.
const MAX_FACTORS: usize = 64;

/// How elements become one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::model) enum Fold {
    Mean,
    Sum,
    Max,
    LogSumExp,
}

/// ReduceMean, ReduceSum and the like, over any axes.
pub(in crate::model) fn reduce(
    importer: &mut Importer<'_>,
    node: &Node<'_>,
) -> Result<(), ImportError> {
    let value = unpadded(importer, node, 0)?;
    let Some(reduced) = reduced_axes(importer, node, value.shape.len())? else {
        return importer.bind(node, value);
    };
    let leaves_integers =
        matches!(node.operator(), "ReduceMean" | "ReduceL2" | "ReduceLogSum" | "ReduceLogSumExp");
    if leaves_integers && node.input(0).is_some_and(|name| kinds::is_of_integers(importer, name)) {
        return Err(node.error("of integers its result is cut off; cast to float before"));
    }
    let unary = |operator| Function::unary(operator, Function::Identity);
    let result = match node.operator() {
        "ReduceMean" => fold(importer, node, Fold::Mean, &value, &reduced)?,
        "ReduceSum" => fold(importer, node, Fold::Sum, &value, &reduced)?,
        "ReduceMax" => fold(importer, node, Fold::Max, &value, &reduced)?,
        "ReduceLogSumExp" => fold(importer, node, Fold::LogSumExp, &value, &reduced)?,
        "ReduceMin" => {
            let negative = negated(importer, node, &value)?;
            let largest = fold(importer, node, Fold::Max, &negative, &reduced)?;
            negated(importer, node, &largest)?
        }
        "ReduceL1" => {
            let magnitudes = function_of(importer, node, &value, unary(Unary::Abs))?;
            fold(importer, node, Fold::Sum, &magnitudes, &reduced)?
        }
        "ReduceLogSum" => {
            let sum = fold(importer, node, Fold::Sum, &value, &reduced)?;
            function_of(importer, node, &sum, unary(Unary::Log))?
        }
        "ReduceProd" => product(importer, node, &value, &reduced)?,
        // ReduceSumSquare, ReduceL2
        operator => {
            let squares = square(importer, node, &value)?;
            let sum = fold(importer, node, Fold::Sum, &squares, &reduced)?;
            if operator == "ReduceL2" {
                let root = unary(Unary::Sqrt).after(Function::clip(Some(0.0), None));
                function_of(importer, node, &sum, root)?
            } else {
                sum
            }
        }
    };
    let shape = if node.int("keepdims", 1) != 0 {
        result.shape.clone()
    } else {
        let left = value.shape.iter().zip(&reduced).filter(|(_, gone)| !**gone);
        left.map(|(size, _)| *size).collect()
    };
    importer.bind(node, Value { shape, ..result })
}

/// `x * x`, by a product: a table would have to be as fine as its argument.
pub(in crate::model) fn square(
    importer: &mut Importer<'_>,
    node: &Node<'_>,
    value: &Value,
) -> Result<Value, ImportError> {
    let shape = importer.shape(value);
    let op = FloatOp::Product { inputs: [value.tensor; 2], function: Function::Identity };
    let tensor = importer.push(node, shape, Step::Layer(op))?;
    Ok(Value { tensor, ..value.clone() })
}

fn negated(
    importer: &mut Importer<'_>,
    node: &Node<'_>,
    value: &Value,
) -> Result<Value, ImportError> {
    function_of(importer, node, value, Function::affine(-1.0, 0.0))
}

/// The product of all elements along the axes: of a part for each position.
fn product(
    importer: &mut Importer<'_>,
    node: &Node<'_>,
    value: &Value,
    reduced: &[bool],
) -> Result<Value, ImportError> {
    let mut result = value.clone();
    for axis in (0..reduced.len()).filter(|axis| reduced[*axis]) {
        let size = result.shape[axis];
        if size > MAX_FACTORS {
            return Err(node.error(format!(
                "a product of {size} elements; up to {MAX_FACTORS} are supported"
            )));
        }
        let whole = result.clone();
        result = cut::cut(importer, node, &whole, &[(axis, vec![0])])?;
        for at in 1..size {
            let factor = cut::cut(importer, node, &whole, &[(axis, vec![at])])?;
            result = arithmetic::combine(importer, node, Binary::Mul, &result, &factor)?;
        }
    }
    Ok(result)
}

/// For each axis whether it is reduced; nothing where the node names no axes and is to do nothing then.
fn reduced_axes(
    importer: &Importer<'_>,
    node: &Node<'_>,
    rank: usize,
) -> Result<Option<Vec<bool>>, ImportError> {
    let axes = integers(importer, node, "axes", 1)?.filter(|axes| !axes.is_empty());
    if axes.is_none() && node.int("noop_with_empty_axes", 0) != 0 {
        return Ok(None);
    }
    let axes = axes.unwrap_or_else(|| (0..rank as i64).collect());
    let mut reduced = vec![false; rank];
    for axis in axes {
        reduced[windows::axis(node, axis, rank)?] = true;
    }
    Ok(Some(reduced))
}

/// The axes that are `reduced` become 1.
pub(in crate::model) fn fold(
    importer: &mut Importer<'_>,
    node: &Node<'_>,
    how: Fold,
    value: &Value,
    reduced: &[bool],
) -> Result<Value, ImportError> {
    let axes = |gone: bool| -> Vec<usize> {
        (0..reduced.len()).filter(|axis| reduced[*axis] == gone).collect()
    };
    let (kept, gone) = (axes(false), axes(true));
    let mut shape = value.shape.clone();
    gone.iter().for_each(|axis| shape[*axis] = 1);
    let count = arrange::combinations(&value.shape, &gone);
    if count == 1 {
        return Ok(Value { shape, ..value.clone() });
    }
    let elements: usize = importer.shape(value).iter().product();
    importer.reserve(2 * elements).map_err(|problem| node.error(problem))?;
    let linear = matches!(how, Fold::Mean | Fold::Sum);
    let found = Reduction::of(value, importer.shape(value), &kept, &gone)
        .filter(|found| linear || matches!(found.kind, Kind::Window(_)))
        .filter(|found| how != Fold::LogSumExp || found.is_whole_plane(importer.shape(value)));
    let (value, reduction) = match found {
        Some(found) => (value.clone(), found),
        None => {
            let value = arrange::standard(importer, node, value, &kept, &gone)?;
            let found = Reduction::of(&value, importer.shape(&value), &kept, &gone);
            (value, found.ok_or_else(|| node.error("its input cannot be arranged"))?)
        }
    };
    let tensor = push(importer, node, how, value.tensor, &reduction, count)?;
    let order = ordered(reduction.places);
    Ok(Value { tensor, shape, order, pads: [0; 4], dropped: None })
}

/// A reduction as layers compute it.
struct Reduction {
    kind: Kind,
    /// Shape of the result's tensor.
    result: Shape,
    /// For each element of the result in the file its place in that tensor.
    places: Vec<u32>,
}

enum Kind {
    /// Lines, columns or both.
    Window([usize; 2]),
    /// Sets of channels, as the set of each channel; of whole planes, or at each place.
    Channels { sets: Vec<usize>, planes: bool },
}

impl Reduction {
    /// The reduction that merges the elements along `gone` of a value, if layers merge just these.
    fn of(value: &Value, stored: Shape, kept: &[usize], gone: &[usize]) -> Option<Self> {
        let kept = arrange::offsets(&value.shape, kept);
        let gone = arrange::offsets(&value.shape, gone);
        Self::window(value, stored, &kept, &gone)
            .or_else(|| Self::channels(value, stored, &kept, &gone))
    }

    fn is_whole_plane(&self, [_, height, width]: Shape) -> bool {
        matches!(self.kind, Kind::Window(kernel) if kernel == [height, width])
    }

    fn window(
        value: &Value,
        [channels, height, width]: Shape,
        kept: &[usize],
        gone: &[usize],
    ) -> Option<Self> {
        let plane = height * width;
        // Elements that are reduced together have one place in the result.
        type Place<'a> = &'a dyn Fn(usize) -> usize;
        let kinds: [(usize, [usize; 2], Shape, Place<'_>); 3] = [
            (plane, [height, width], [channels, 1, 1], &|element| element / plane),
            (width, [1, width], [channels, height, 1], &|element| element / width),
            (height, [height, 1], [channels, 1, width], &|element| {
                element / plane * width + element % width
            }),
        ];
        kinds.into_iter().find_map(|(count, kernel, result, place)| {
            let places: Vec<u32> =
                kept.iter().map(|base| place(arrange::element(value, *base)) as u32).collect();
            let together = count == gone.len()
                && kept.iter().zip(&places).all(|(base, at)| {
                    gone.iter()
                        .all(|offset| place(arrange::element(value, base + offset)) == *at as usize)
                });
            together.then_some(Self { kind: Kind::Window(kernel), result, places })
        })
    }

    /// Sets of channels that are merged, all of them with their whole planes or place by place.
    fn channels(
        value: &Value,
        [channels, height, width]: Shape,
        kept: &[usize],
        gone: &[usize],
    ) -> Option<Self> {
        let plane = height * width;
        let planes = kept.len().checked_mul(plane)? != kept.len() && {
            // More than one place among the elements of the first.
            let place = |offset: &usize| arrange::element(value, *offset) % plane;
            gone.iter().any(|offset| place(offset) != place(&0))
        };
        let size = if planes { gone.len() / plane } else { gone.len() };
        let result_plane = if planes { 1 } else { plane };
        if size == 0
            || !channels.is_multiple_of(size)
            || size * if planes { plane } else { 1 } != gone.len()
        {
            return None;
        }
        let mut sets = vec![usize::MAX; channels];
        let mut found = 0;
        let mut places = Vec::with_capacity(kept.len());
        for base in kept {
            let first = arrange::element(value, *base);
            let (channel, place) = (first / plane, first % plane);
            if sets[channel] == usize::MAX {
                for offset in gone {
                    let other = arrange::element(value, base + offset) / plane;
                    if sets[other] != usize::MAX && sets[other] != found {
                        return None;
                    }
                    sets[other] = found;
                }
                found += 1;
            }
            let set = sets[channel];
            let fits = |offset: &usize| {
                let element = arrange::element(value, base + offset);
                sets[element / plane] == set && (planes || element % plane == place)
            };
            if !gone.iter().all(fits) {
                return None;
            }
            places.push((set * result_plane + if planes { 0 } else { place }) as u32);
        }
        let result = if planes { [found, 1, 1] } else { [found, height, width] };
        (found * size == channels && found * result_plane == kept.len()).then_some(Self {
            kind: Kind::Channels { sets, planes },
            result,
            places,
        })
    }
}

/// Adds the steps of the reduction of `count` elements to one, and gives the tensor of its result.
fn push(
    importer: &mut Importer<'_>,
    node: &Node<'_>,
    how: Fold,
    input: FloatTensorId,
    reduction: &Reduction,
    count: usize,
) -> Result<FloatTensorId, ImportError> {
    let function = Function::Identity;
    let [channels, height, width] = importer.tensors[input].shape;
    let result = reduction.result;
    match (&reduction.kind, how) {
        (Kind::Window(_), Fold::LogSumExp) => softmax::log_sum_exp(importer, node, input),
        (Kind::Window(kernel), Fold::Max) => {
            let op = FloatOp::MaxPool { input, window: Window::dense(*kernel) };
            importer.push(node, result, Step::Layer(op))
        }
        (Kind::Window(kernel), _) => {
            let op = FloatOp::MeanPool { input, window: Window::dense(*kernel), function };
            let tensor = importer.push(node, result, Step::Layer(op))?;
            if how == Fold::Mean {
                return Ok(tensor);
            }
            let (scale, bias) = (vec![count as f64; channels], vec![0.0; channels]);
            importer.push(node, result, Step::Affine { input: tensor, scale, bias })
        }
        (Kind::Channels { sets, planes }, _) => {
            let mut input = input;
            if *planes {
                let window = Window::dense([height, width]);
                let op = FloatOp::MeanPool { input, window, function: Function::Identity };
                input = importer.push(node, [channels, 1, 1], Step::Layer(op))?;
            }
            let taken = channels / result[0];
            let weight = match how {
                Fold::Sum if *planes => (height * width) as f64,
                Fold::Sum => 1.0,
                _ => 1.0 / taken as f64,
            };
            importer
                .reserve(channels.saturating_mul(result[0]))
                .map_err(|problem| node.error(problem))?;
            let op = merge_channels(input, sets, result[0], weight as f32);
            importer.push(node, result, Step::Layer(op))
        }
    }
}

/// The sum of each set of channels times `weight`.
fn merge_channels(input: FloatTensorId, sets: &[usize], outputs: usize, weight: f32) -> FloatOp {
    let channels = sets.len();
    // Neighbours need no weights between sets.
    let neighbours = sets.iter().enumerate().all(|(at, set)| at / (channels / outputs) == *set);
    let (groups, weights) = if neighbours {
        (outputs, vec![weight; channels])
    } else {
        let mut weights = vec![0.0; channels * outputs];
        sets.iter().enumerate().for_each(|(at, set)| weights[set * channels + at] = weight);
        (1, weights)
    };
    FloatOp::Conv {
        input,
        window: Window::dense([1, 1]),
        groups,
        weights,
        bias: vec![0.0; outputs],
        function: Function::Identity,
    }
}
