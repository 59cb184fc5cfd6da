//! Resizing to any size with any mode, as a matrix over the places of an image: each element of the
//! result is a sum of a few of the input.

use super::{FloatOp, Function, ImportError, Importer, Node, Step, Value};
use assay_graph::{Shape, Window};

/// Larger matrices are refused: the weights are secret, and each costs.
const MOST_WEIGHTS: usize = 1 << 22;

/// One axis: its sizes, and the factor that the node gives for it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Scale {
    pub from: usize,
    pub to: usize,
    pub factor: f64,
}

/// How a node finds and mixes elements.
pub(super) struct Rule<'a> {
    mode: &'a str,
    coordinates: &'a str,
    nearest: &'a str,
    cubic: f64,
    outside: bool,
}

impl<'a> Rule<'a> {
    pub(super) fn of(node: &'a Node<'_>, oldest: bool) -> Result<Self, ImportError> {
        let default =
            if oldest { ("asymmetric", "floor") } else { ("half_pixel", "round_prefer_floor") };
        if node.int("antialias", 0) != 0 {
            return Err(node.error("antialias is not supported; export without it"));
        }
        Ok(Self {
            mode: node.text("mode").unwrap_or("nearest"),
            coordinates: node.text("coordinate_transformation_mode").unwrap_or(default.0),
            nearest: node.text("nearest_mode").unwrap_or(default.1),
            cubic: node.float("cubic_coeff_a", -0.75)?,
            outside: node.int("exclude_outside", 0) == 0,
        })
    }

    /// For each element of the result the elements of the input and their weights.
    fn rows(&self, scale: Scale) -> Result<Vec<Vec<(usize, f64)>>, String> {
        let last = scale.from as f64 - 1.0;
        (0..scale.to)
            .map(|index| {
                let at = self.source(index as f64, scale)?;
                let taps = self.taps(at)?;
                let mut row: Vec<(usize, f64)> = Vec::with_capacity(taps.len());
                for (place, weight) in taps {
                    if !self.outside && !(0.0..=last).contains(&place) {
                        continue;
                    }
                    row.push((place.clamp(0.0, last) as usize, weight));
                }
                let sum: f64 = row.iter().map(|(_, weight)| weight).sum();
                row.iter_mut().for_each(|(_, weight)| *weight /= sum);
                Ok(row)
            })
            .collect()
    }

    /// Where in the input element `x` of the result lies.
    fn source(&self, x: f64, Scale { from, to, factor }: Scale) -> Result<f64, String> {
        let (from, to) = (from as f64, to as f64);
        Ok(match self.coordinates {
            "half_pixel" => (x + 0.5) / factor - 0.5,
            "half_pixel_symmetric" => {
                let adjusted = to / (factor * from);
                from / 2.0 * (1.0 - adjusted) + (x + 0.5) / factor - 0.5
            }
            "pytorch_half_pixel" if to <= 1.0 => 0.0,
            "pytorch_half_pixel" => (x + 0.5) / factor - 0.5,
            "asymmetric" => x / factor,
            "tf_half_pixel_for_nn" => (x + 0.5) / factor,
            "align_corners" if to <= 1.0 => 0.0,
            "align_corners" => x * (from - 1.0) / (to - 1.0),
            other => {
                return Err(format!("coordinate_transformation_mode `{other}` is not supported"));
            }
        })
    }

    fn taps(&self, at: f64) -> Result<Vec<(f64, f64)>, String> {
        let floor = at.floor();
        let part = at - floor;
        Ok(match self.mode {
            "nearest" => vec![(
                match self.nearest {
                    "round_prefer_floor" => (at - 0.5).ceil(),
                    "round_prefer_ceil" => (at + 0.5).floor(),
                    "floor" => floor,
                    "ceil" => at.ceil(),
                    other => return Err(format!("nearest_mode `{other}` is not known")),
                },
                1.0,
            )],
            "linear" | "bilinear" => vec![(floor, 1.0 - part), (floor + 1.0, part)],
            "cubic" => {
                let a = self.cubic;
                let near = |x: f64| ((a + 2.0) * x - (a + 3.0)) * x * x + 1.0;
                let far = |x: f64| ((a * x - 5.0 * a) * x + 8.0 * a) * x - 4.0 * a;
                vec![
                    (floor - 1.0, far(part + 1.0)),
                    (floor, near(part)),
                    (floor + 1.0, near(1.0 - part)),
                    (floor + 2.0, far(2.0 - part)),
                ]
            }
            other => return Err(format!("mode `{other}` is not supported")),
        })
    }
}

/// The value's tensor with its lines and columns resized: a matrix over all places at once.
pub(super) fn resized(
    importer: &mut Importer<'_>,
    node: &Node<'_>,
    value: &Value,
    rule: &Rule<'_>,
    scales: [Scale; 2],
) -> Result<usize, ImportError> {
    let [channels, height, width] = importer.shape(value);
    let [out_h, out_w] = scales.map(|scale| scale.to);
    let (places, results) = (height * width, out_h.saturating_mul(out_w));
    let cells = results.saturating_mul(places);
    if cells > MOST_WEIGHTS {
        return Err(node.error(format!(
            "from {height} x {width} to {out_h} x {out_w} with mode `{}`; up to {MOST_WEIGHTS} pairs of \
             places are supported, or mode `nearest` with whole factors",
            rule.mode
        )));
    }
    importer.reserve(cells).map_err(|problem| node.error(problem))?;
    let rows = |scale| rule.rows(scale).map_err(|problem| node.error(problem));
    let (lines, columns) = (rows(scales[0])?, rows(scales[1])?);
    let mut weights = vec![0f32; cells];
    for (y, line) in lines.iter().enumerate() {
        for (x, column) in columns.iter().enumerate() {
            let row = &mut weights[(y * out_w + x) * places..][..places];
            for (from_y, a) in line {
                for (from_x, b) in column {
                    row[from_y * width + from_x] += (a * b) as f32;
                }
            }
        }
    }
    if weights.iter().any(|weight| !weight.is_finite()) {
        return Err(node.error("a weight of the interpolation is not finite"));
    }
    let place_first: Shape = [places, 1, channels];
    let turn =
        |input| Step::Layer(FloatOp::Transpose { input, groups: 1, function: Function::Identity });
    let turned = importer.push(node, place_first, turn(value.tensor))?;
    let op = FloatOp::Conv {
        input: turned,
        window: Window::dense([1, 1]),
        groups: 1,
        weights,
        bias: vec![0.0; results],
        function: Function::Identity,
    };
    let mixed = importer.push(node, [results, 1, channels], Step::Layer(op))?;
    importer.push(node, [channels, out_h, out_w], turn(mixed))
}
