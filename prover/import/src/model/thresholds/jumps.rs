//! Functions that are constant but for jumps.

use super::super::{Binary, Function, Unary};

/// More jumps are left to a table.
const MOST_JUMPS: usize = 32;

/// A function that tells apart only what is below, at and above a threshold.
pub(super) struct StepFunction {
    pub threshold: f64,
    pub values: [f64; 3],
}

/// A function's values over a range, in the order of a number.
pub(super) struct Course {
    /// Before the first jump.
    pub first: f64,
    pub jumps: Vec<Jump>,
}

/// One place where it changes.
pub(super) struct Jump {
    /// The argument there.
    pub at: f64,
    /// Values before it, at it, and behind it.
    pub values: [f64; 3],
}

impl StepFunction {
    pub(super) fn of(function: &Function) -> Option<Self> {
        let threshold = threshold(function)?;
        let value = |x: f64| function.evaluate(threshold + x);
        let distances = [1e-6, 1e-3, 0.1, 0.7, 1.0, 3.0, 100.0, 1e4, 1e6];
        let [below, at, above] = [value(-1.0), value(0.0), value(1.0)];
        let same = distances.iter().all(|x| value(-x) == below && value(*x) == above);
        let values = [below, at, above];
        (same && values.iter().all(|value| value.is_finite())).then_some(Self { threshold, values })
    }

    /// The same of a number's sign, where numbers lie a half at least from each other.
    pub(super) fn of_signs(&self) -> Function {
        let [below, at, above] = self.values.map(Function::Constant);
        let less =
            |bound| Function::binary(Binary::Less, Function::Identity, Function::Constant(bound));
        of_integers(&Function::select(less(-0.5), below, Function::select(less(0.5), at, above)))
    }
}

/// The number that an expression compares its variable with, first.
fn threshold(function: &Function) -> Option<f64> {
    match function {
        Function::Identity | Function::Constant(_) => None,
        Function::Unary(_, argument) => threshold(argument),
        Function::Binary(Binary::Less | Binary::LessOrEqual | Binary::Equal, left, right) => {
            match (&**left, &**right) {
                (Function::Identity, Function::Constant(bound))
                | (Function::Constant(bound), Function::Identity) => Some(*bound),
                (left, right) => threshold(left).or_else(|| threshold(right)),
            }
        }
        Function::Binary(_, left, right) => threshold(left).or_else(|| threshold(right)),
        Function::Select(parts) => parts.iter().find_map(threshold),
    }
}

/// The function, of what is known to be whole.
pub(super) fn of_integers(function: &Function) -> Function {
    function.after(Function::unary(Unary::Whole, Function::Identity))
}

/// The places between `low` and `high` where a function that is constant elsewhere may change, ascending;
/// `None` for any other function, or for too many places.
pub(super) fn pieces(function: &Function, ends: [f64; 2]) -> Option<Vec<f64>> {
    let mut places = Vec::new();
    collect(function, ends, &mut places)?;
    places.retain(|place| (ends[0]..=ends[1]).contains(place));
    places.sort_by(f64::total_cmp);
    places.dedup();
    (places.len() <= MOST_JUMPS).then_some(places)
}

fn collect(function: &Function, ends: [f64; 2], places: &mut Vec<f64>) -> Option<()> {
    if places.len() > 4 * MOST_JUMPS {
        return None;
    }
    let mut crossing = |(a, b): (f64, f64), value: f64| {
        let at = (value - b) / a;
        at.is_finite().then(|| places.push(at))
    };
    match function {
        Function::Identity => None,
        Function::Constant(_) => Some(()),
        Function::Unary(operator, argument) => {
            let half = match operator {
                Unary::Floor | Unary::Ceil => Some(0.0),
                Unary::Round => Some(0.5),
                _ => None,
            };
            match (argument.line().filter(|(slope, _)| *slope != 0.0), half) {
                (Some(line), _) if *operator == Unary::IsZero => crossing(line, 0.0),
                (Some((slope, offset)), Some(half)) => {
                    let values = ends.map(|end| end * slope + offset - half);
                    let low = values[0].min(values[1]).ceil();
                    let high = values[0].max(values[1]).floor();
                    let count = high - low;
                    if count.is_nan() || count > MOST_JUMPS as f64 {
                        return None;
                    }
                    let count = (high - low + 1.0).max(0.0) as usize;
                    (0..count)
                        .all(|step| crossing((slope, offset), low + step as f64 + half).is_some())
                        .then_some(())
                }
                _ => collect(argument, ends, places),
            }
        }
        Function::Binary(Binary::Less | Binary::LessOrEqual | Binary::Equal, left, right) => {
            match (left.line(), right.line()) {
                (Some((a, b)), Some((c, d))) if a != c => crossing((a - c, b - d), 0.0),
                (Some(_), Some(_)) => Some(()),
                _ => {
                    collect(left, ends, places)?;
                    collect(right, ends, places)
                }
            }
        }
        Function::Binary(_, left, right) => {
            collect(left, ends, places)?;
            collect(right, ends, places)
        }
        Function::Select(parts) => parts.iter().try_for_each(|part| collect(part, ends, places)),
    }
}

/// The values of a function between two ends, from the first to the second, which may be less.
pub(super) fn course(function: &Function, ends: [f64; 2]) -> Option<Course> {
    let [low, high] = [ends[0].min(ends[1]), ends[0].max(ends[1])];
    let mut places = pieces(function, [low, high])?;
    if ends[1] < ends[0] {
        places.reverse();
    }
    let mut bounds = vec![ends[0]];
    bounds.extend(&places);
    bounds.push(ends[1]);
    let between = bounds.windows(2).map(|pair| function.evaluate((pair[0] + pair[1]) / 2.0));
    let between = between.collect::<Vec<_>>();
    let jumps = places.iter().enumerate().map(|(index, at)| {
        let values = [between[index], function.evaluate(*at), between[index + 1]];
        Jump { at: *at, values }
    });
    let jumps = jumps.collect::<Vec<_>>();
    let finite = jumps.iter().flat_map(|jump| jump.values).all(f64::is_finite);
    (finite && between[0].is_finite()).then_some(Course { first: between[0], jumps })
}

impl Function {
    /// It is constant but for jumps, of which there may be many.
    pub(in crate::model) fn is_piecewise(&self) -> bool {
        match self {
            Self::Identity => false,
            Self::Constant(_) => true,
            Self::Unary(Unary::Floor | Unary::Ceil | Unary::Round | Unary::IsZero, argument) => {
                argument.is_piecewise() || argument.line().is_some()
            }
            Self::Unary(_, argument) => argument.is_piecewise(),
            Self::Binary(operator, left, right) => {
                let compares =
                    matches!(operator, Binary::Less | Binary::LessOrEqual | Binary::Equal);
                let lines = left.line().is_some() && right.line().is_some();
                (compares && lines) || (left.is_piecewise() && right.is_piecewise())
            }
            Self::Select(parts) => parts.iter().all(Self::is_piecewise),
        }
    }
}
