//! Means, sums and maxima over axes.

use std::rc::Rc;

use super::{
    FloatOp, Function, ImportError, Importer, Node, Step, Value, integers, shapes, unpadded,
    windows,
};
use assay_graph::Window;

/// ReduceMean, ReduceSum, ReduceMax over lines, columns, both, or (not the maximum) channels.
pub(in crate::model) fn reduce(
    importer: &mut Importer<'_>,
    node: &Node<'_>,
) -> Result<(), ImportError> {
    let value = unpadded(importer, node, 0)?;
    let rank = value.shape.len();
    let axes = integers(importer, node, "axes", 1)?.filter(|axes| !axes.is_empty());
    if axes.is_none() && node.int("noop_with_empty_axes", 0) != 0 {
        return importer.bind(node, value);
    }
    let axes = axes.unwrap_or_else(|| (0..rank as i64).collect());
    let mut reduced = vec![false; rank];
    for axis in axes {
        reduced[windows::axis(node, axis, rank)?] = true;
    }
    let pick = |gone: bool| -> Vec<usize> {
        let size = |axis: usize| if reduced[axis] == gone { value.shape[axis] } else { 1 };
        (0..rank).map(size).collect()
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
    let [channels, height, width] = importer.shape(&value);
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
    let found = kinds.into_iter().find_map(|(count, window, result, place)| {
        let places: Vec<usize> = kept.iter().map(|base| place(element(*base))).collect();
        let together = count == gone.len()
            && kept
                .iter()
                .zip(&places)
                .all(|(base, at)| gone.iter().all(|offset| place(element(base + offset)) == *at));
        together.then_some((window, result, places))
    });
    let Some((kernel, result, places)) = found else {
        return Err(node.error(format!(
            "of {:?} over those axes; height, width, both of them or the channels can be reduced",
            value.shape
        )));
    };
    let (input, function) = (value.tensor, Function::Identity);
    let count = gone.len() as f64;
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
    let mut tensor = importer.push(node, result, Step::Layer(op))?;
    if total && kernel != [1, 1] {
        let (scale, bias) = (vec![count; channels], vec![0.0; channels]);
        tensor = importer.push(node, result, Step::Affine { input: tensor, scale, bias })?;
    }
    let same = places.iter().enumerate().all(|(index, place)| index == *place);
    let order = places.into_iter().map(|place| place as u32).collect();
    let order = (!same).then(|| Rc::new(order));
    importer.bind(node, Value { tensor, shape, order, pads: [0; 4], dropped: None })
}
