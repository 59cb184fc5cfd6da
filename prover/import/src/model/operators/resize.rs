//! Resizing: nearest-neighbour upsampling by whole factors repeats elements, the rest is a matrix.

use super::{
    FloatOp, ImportError, Importer, Node, Step, Value, integers,
    interpolate::{self, Rule, Scale},
    optional_constant, unpadded,
};
use crate::model::importer::{channels_last_order, ordered};

/// Resize, and Upsample of older operator sets.
pub(in crate::model) fn resize(
    importer: &mut Importer<'_>,
    node: &Node<'_>,
) -> Result<(), ImportError> {
    let value = unpadded(importer, node, 0)?;
    // Upsample and Resize-10 have one mode of coordinates.
    let oldest = node.operator() == "Upsample" || node.inputs().len() == 2;
    let rule = Rule::of(node, oldest)?;
    if node.text("keep_aspect_ratio_policy").unwrap_or("stretch") != "stretch" {
        return Err(node.error("keep_aspect_ratio_policy is not supported; export with `stretch`"));
    }
    let (sizes, factors) = sizes(importer, node, &value)?;
    let stored = importer.shape(&value);
    // A tensor of one channel is both.
    let channels_last =
        super::is_channels_last(&value, stored) && value.shape.get(1..) != Some(&stored[..]);
    let [channels, height, width] =
        if channels_last { stored } else { importer.spatial(node, &value)? };
    let (lead, spatial): (&[usize], &[usize]) = match *value.shape.as_slice() {
        [_, _, _] if value.order.is_none() => (&[0, 1], &[2]),
        [_, _, _, _] if channels_last => (&[0, 3], &[1, 2]),
        [_, _, _, _] if value.order.is_none() => (&[0, 1], &[2, 3]),
        _ => {
            return Err(node.error(format!(
                "an input of shape {:?}; one image [1, channels, height, width] is supported",
                value.shape
            )));
        }
    };
    if lead.iter().any(|axis| sizes[*axis] != value.shape[*axis]) {
        return Err(node.error(format!(
            "{:?} to {sizes:?}; only height and width can be resized",
            value.shape
        )));
    }
    let mut scales = [height, width].map(|size| Scale { from: size, to: size, factor: 1.0 });
    for (place, axis) in spatial.iter().enumerate() {
        let (from, to) = (value.shape[*axis], sizes[*axis]);
        scales[place + 2 - spatial.len()] = Scale { from, to, factor: factors[*axis] };
    }
    if scales.iter().all(|scale| scale.from == scale.to && scale.factor == 1.0) {
        return importer.bind(node, value);
    }
    let repeated = scales.iter().all(|scale| repeats(node, oldest, *scale));
    let tensor = if repeated {
        let factor = scales.map(|scale| scale.to / scale.from);
        let op = FloatOp::Resize { input: value.tensor, factor, zeros: false };
        importer.push(node, [channels, scales[0].to, scales[1].to], Step::Layer(op))?
    } else {
        interpolate::resized(importer, node, &value, &rule, scales)?
    };
    let shape = importer.tensors[tensor].shape;
    let order = if channels_last { ordered(channels_last_order(shape)) } else { None };
    importer.bind(node, Value { tensor, shape: sizes, order, ..value })
}

/// Shape of the output, and the factor of each axis.
fn sizes(
    importer: &Importer<'_>,
    node: &Node<'_>,
    value: &Value,
) -> Result<(Vec<usize>, Vec<f64>), ImportError> {
    let rank = value.shape.len();
    // Resize-10 and Upsample: (x, scales); Resize-11 on: (x, roi, scales, sizes).
    let old = node.operator() == "Upsample" || node.inputs().len() == 2;
    let attribute = node.attribute("scales").map(|attribute| attribute.floats.as_slice());
    let scales: Option<Vec<f64>> = match attribute {
        Some(scales) => Some(scales.iter().map(|x| f64::from(*x)).collect()),
        None => optional_constant(importer, node, if old { 1 } else { 2 })?
            .map(|constant| constant.values.clone()),
    };
    let scales = scales.filter(|scales| !scales.is_empty());
    let explicit = if old { None } else { integers(importer, node, "sizes", 3)? };
    let axes = node.ints("axes").map(<[i64]>::to_vec);
    let axes = axes.unwrap_or_else(|| (0..rank as i64).collect());
    let mut result = value.shape.clone();
    let mut factors = vec![1.0; rank];
    let count = match (&scales, &explicit) {
        (Some(scales), _) => scales.len(),
        (None, Some(sizes)) => sizes.len(),
        (None, None) => return Err(node.error("scales and sizes are missing")),
    };
    if count != axes.len() {
        return Err(node.error(format!("{count} scales or sizes for {} axes", axes.len())));
    }
    for (index, axis) in axes.iter().enumerate() {
        let axis = super::windows::axis(node, *axis, rank)?;
        let size = match (&scales, &explicit) {
            (Some(scales), _) => (result[axis] as f64 * scales[index]).floor(),
            (None, Some(sizes)) => sizes[index] as f64,
            (None, None) => 0.0,
        };
        if !(1.0..=f64::from(1 << 24)).contains(&size) {
            return Err(node.error(format!("axis {axis} would have {size} elements")));
        }
        factors[axis] = match &scales {
            Some(scales) => scales[index],
            None => size / result[axis] as f64,
        };
        result[axis] = size as usize;
    }
    Ok((result, factors))
}

/// Nearest neighbours of which each element is as often there as the others: element `x` of the
/// output is element `x / factor` of the input, whatever the coordinate mode.
fn repeats(node: &Node<'_>, oldest: bool, Scale { from, to, .. }: Scale) -> bool {
    if node.text("mode").unwrap_or("nearest") != "nearest" || !to.is_multiple_of(from) {
        return false;
    }
    let default =
        if oldest { ("asymmetric", "floor") } else { ("half_pixel", "round_prefer_floor") };
    let mode = node.text("coordinate_transformation_mode").unwrap_or(default.0);
    let nearest = node.text("nearest_mode").unwrap_or(default.1);
    let factor = to as f64 / from as f64;
    let source = |x: f64| match mode {
        "half_pixel" | "half_pixel_symmetric" => Some((x + 0.5) / factor - 0.5),
        "pytorch_half_pixel" if to > 1 => Some((x + 0.5) / factor - 0.5),
        "pytorch_half_pixel" => Some(0.0),
        "asymmetric" => Some(x / factor),
        "tf_half_pixel_for_nn" => Some((x + 0.5) / factor),
        "align_corners" if to > 1 => Some(x * (from as f64 - 1.0) / (to as f64 - 1.0)),
        "align_corners" => Some(0.0),
        _ => None,
    };
    let round = |x: f64| match nearest {
        "round_prefer_floor" => Some((x - 0.5).ceil()),
        "round_prefer_ceil" => Some((x + 0.5).floor()),
        "floor" => Some(x.floor()),
        "ceil" => Some(x.ceil()),
        _ => None,
    };
    let last = from as f64 - 1.0;
    (0..to).all(|x| {
        let place = source(x as f64).and_then(round).map(|place| place.clamp(0.0, last) as usize);
        place == Some(x * from / to)
    })
}
