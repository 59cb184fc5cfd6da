//! Means, sums and maxima over axes.

use std::rc::Rc;

use super::{
    FloatOp, Function, ImportError, Importer, Node, Step, Value, integers, shapes, unpadded,
    windows,
};
use crate::model::FloatTensorId;
use assay_graph::Window;

/// A reduction of whole lines, columns, planes or of the channels, as layers compute it.
struct Reduction {
    /// `[1, 1]` for the channels.
    kernel: [usize; 2],
    /// Shape of the result's tensor.
    result: [usize; 3],
    /// For each element of the result in the file its place in that tensor.
    places: Vec<usize>,
    /// Elements that are reduced to one.
    count: usize,
}

/// ReduceMean, ReduceSum, ReduceMax over lines, columns, both, or (not the maximum) channels.
pub(in crate::model) fn reduce(
    importer: &mut Importer<'_>,
    node: &Node<'_>,
) -> Result<(), ImportError> {
    let value = unpadded(importer, node, 0)?;
    let Some(reduced) = reduced_axes(importer, node, value.shape.len())? else {
        return importer.bind(node, value);
    };
    let pick = |gone: bool| -> Vec<usize> {
        let sizes = value.shape.iter().zip(&reduced);
        sizes.map(|(size, reduced)| if *reduced == gone { *size } else { 1 }).collect()
    };
    let strides = shapes::strides(&value.shape);
    let (kept, gone) = (pick(false), pick(true));
    let shape = if node.int("keepdims", 1) != 0 {
        kept.clone()
    } else {
        let left = value.shape.iter().zip(&reduced).filter(|(_, gone)| !**gone);
        left.map(|(size, _)| *size).collect()
    };
    let kept = shapes::strided_offsets(&kept, &strides);
    let gone = shapes::strided_offsets(&gone, &strides);
    if gone.len() == 1 {
        return importer.bind(node, Value { shape, ..value });
    }
    let Some(reduction) = reduction(&value, importer.shape(&value), &kept, &gone) else {
        return Err(node.error(format!(
            "of {:?} over those axes; height, width, both of them or the channels can be reduced",
            value.shape
        )));
    };
    let tensor = push(importer, node, &value, &reduction)?;
    let places = reduction.places;
    let same = places.iter().enumerate().all(|(index, place)| index == *place);
    let order = places.into_iter().map(|place| place as u32).collect();
    let order = (!same).then(|| Rc::new(order));
    importer.bind(node, Value { tensor, shape, order, pads: [0; 4], dropped: None })
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

/// The reduction that merges, for each offset of `kept`, the elements of the file at that offset plus
/// those of `gone`; `None` if no layer merges just these.
fn reduction(
    value: &Value,
    [channels, height, width]: [usize; 3],
    kept: &[usize],
    gone: &[usize],
) -> Option<Reduction> {
    let plane = height * width;
    let element = |index: usize| value.order.as_ref().map_or(index, |order| order[index] as usize);
    // Elements that are reduced together have one place in the result.
    type Place<'a> = &'a dyn Fn(usize) -> usize;
    let kinds: [(usize, [usize; 2], [usize; 3], Place<'_>); 4] = [
        (plane, [height, width], [channels, 1, 1], &|element| element / plane),
        (width, [1, width], [channels, height, 1], &|element| element / width),
        (height, [height, 1], [channels, 1, width], &|element| {
            element / plane * width + element % width
        }),
        (channels, [1, 1], [1, height, width], &|element| element % plane),
    ];
    kinds.into_iter().find_map(|(count, kernel, result, place)| {
        let places: Vec<usize> = kept.iter().map(|base| place(element(*base))).collect();
        let together = count == gone.len()
            && kept
                .iter()
                .zip(&places)
                .all(|(base, at)| gone.iter().all(|offset| place(element(base + offset)) == *at));
        together.then_some(Reduction { kernel, result, places, count })
    })
}

/// Adds the steps of the reduction, and gives the tensor of its result.
fn push(
    importer: &mut Importer<'_>,
    node: &Node<'_>,
    value: &Value,
    reduction: &Reduction,
) -> Result<FloatTensorId, ImportError> {
    let (input, function) = (value.tensor, Function::Identity);
    let [channels, ..] = importer.shape(value);
    let Reduction { kernel, result, .. } = *reduction;
    let count = reduction.count as f64;
    let total = node.operator() == "ReduceSum";
    let op = match (node.operator(), kernel) {
        ("ReduceMax", [1, 1]) => {
            return Err(node.error("the maximum over channels is not supported"));
        }
        ("ReduceMax", _) => FloatOp::MaxPool { input, window: Window::dense(kernel) },
        (_, [1, 1]) => FloatOp::Conv {
            input,
            window: Window::dense([1, 1]),
            groups: 1,
            weights: vec![if total { 1.0 } else { (1.0 / count) as f32 }; channels],
            bias: vec![0.0],
            function,
        },
        _ => FloatOp::MeanPool { input, window: Window::dense(kernel), function },
    };
    let tensor = importer.push(node, result, Step::Layer(op))?;
    if !total || kernel == [1, 1] {
        return Ok(tensor);
    }
    let (scale, bias) = (vec![count; channels], vec![0.0; channels]);
    importer.push(node, result, Step::Affine { input: tensor, scale, bias })
}
