//! Layers whose function has two values and one jump between them, such as comparisons.
//!
//! The accumulator decides, before anything is shifted out: `acc = sum w x + c` with `c` rounded so that
//! `acc >= 0` says what the real numbers say, less the half that the shift adds. With whole factors
//! and one scale that is exact for every integer of the inputs.

use assay_graph::MAX_SHIFT;

use super::{calibrate::Range, scales::integer_range};
use crate::model::{Binary, Function};

/// Thresholds this close to an integer, relative to their size, are on it: float32 has no more digits.
const DIGITS: f64 = 1.2e-7;

/// Largest integer of a table, to either side.
const FARTHEST: i64 = 1 << 14;

/// A function that is constant below a place and from it on.
pub(super) struct Threshold {
    at: f64,
    below: f64,
    above: f64,
    /// At the place itself the function has its value above.
    closed: bool,
}

impl Threshold {
    pub(super) fn of(function: &Function) -> Option<Self> {
        let at = function.threshold()?;
        let step = 1.0 + at.abs() * 1e-3;
        let [below, here, above] = [at - step, at, at + step].map(|x| function.evaluate(x));
        let closed = here == above;
        let known = below.is_finite() && above.is_finite() && below != above;
        (known && (closed || here == below)).then_some(Self { at, below, above, closed })
    }

    /// The same for all thresholds: on the sign of what is left.
    pub(super) fn function(&self) -> Function {
        let above =
            Function::binary(Binary::LessOrEqual, Function::Constant(0.0), Function::Identity);
        if (self.below, self.above) == (0.0, 1.0) {
            return above;
        }
        Function::select(above, Function::Constant(self.above), Function::Constant(self.below))
    }

    /// The accumulator's scale, near the one wanted: with whole factors of inputs of one scale a
    /// multiple of that, so that no factor is rounded.
    pub(super) fn unit(wanted: f64, scales: &[f64], factors: &[f64]) -> f64 {
        let Some(first) = scales.first().filter(|first| scales.iter().all(|x| x == *first)) else {
            return wanted;
        };
        if factors.iter().any(|x| *x != x.round()) {
            return wanted;
        }
        first * (wanted / first).round().max(1.0)
    }

    /// The constant term for the real one, with what the shift adds taken away.
    pub(super) fn constant(&self, real: f64, unit: f64, shift: u32) -> f64 {
        let exact = (real - self.at) * unit;
        let nearest = exact.round();
        let size = (real.abs() + self.at.abs()) * unit;
        let exact = if (exact - nearest).abs() <= size * DIGITS { nearest } else { exact };
        let half = if shift == 0 { 0.0 } else { f64::from(shift - 1).exp2() };
        (if self.closed { exact.floor() } else { exact.ceil() - 1.0 }) - half
    }

    /// The shift at which all values seen, and the constants, fit; `None` where they are too far from
    /// the threshold.
    pub(super) fn shift(
        &self,
        range: Range,
        unit: f64,
        constants: f64,
        (least, bits): (u32, u32),
    ) -> Option<u32> {
        if (constants + self.at.abs()) * unit >= f64::from(1 << 30) {
            return None;
        }
        let far = (range.min - self.at).abs().max((range.max - self.at).abs());
        let most = f64::from(bits).exp2().min(FARTHEST as f64) / 2.0;
        (least..=MAX_SHIFT).find(|shift| far * unit / f64::from(*shift).exp2() <= most)
    }

    /// Integers that the table takes: twice as far as calibration went, it costs little.
    pub(super) fn domain(&self, range: Range, scale: f64) -> (i64, i64) {
        let range = Range { min: range.min - self.at, max: range.max - self.at };
        let (low, high) = integer_range(range, scale);
        let far = low.abs().max(high.abs()).saturating_mul(2).min(FARTHEST);
        (low.min(-far), high.max(far))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn comparison(operator: Binary, bound: f64) -> Threshold {
        let function = Function::binary(operator, Function::Identity, Function::Constant(bound));
        Threshold::of(&function).expect("a threshold")
    }

    /// All integers around a bound, on it and between two of them.
    #[test]
    fn integers_decide_as_reals_do() {
        for operator in [Binary::Less, Binary::LessOrEqual] {
            for (scale, bound) in
                [(10.0, 0.3f32), (128.0, 0.25), (7.0, -1.1), (255.0, 51.0 / 255.0)]
            {
                let threshold = comparison(operator, f64::from(bound));
                for shift in [0, 1, 5, 16] {
                    let unit = Threshold::unit(scale * 900.0, &[scale], &[1.0]);
                    assert_eq!(unit, scale * 900.0);
                    let constant = threshold.constant(0.0, unit, shift) as i64;
                    for integer in -400i64..400 {
                        let real = (integer as f64 / scale) as f32;
                        let expected = match operator {
                            Binary::Less => real < bound,
                            _ => real <= bound,
                        };
                        let acc = integer * 900 + constant;
                        let half = if shift == 0 { 0 } else { 1 << (shift - 1) };
                        let pre = (acc + half) >> shift;
                        let table = threshold.function();
                        // Below the bound the comparison holds.
                        assert_eq!(
                            table.evaluate(pre as f64) == 1.0,
                            expected,
                            "{integer} {scale} {bound}"
                        );
                    }
                }
            }
        }
    }

    #[test]
    fn what_is_too_far_away_has_no_shift() {
        let range = Range { min: -1.0, max: 1.0 };
        let near = comparison(Binary::Less, 0.25);
        assert_eq!(near.shift(range, 1e6, 0.0, (4, 12)), Some(10));
        assert_eq!(near.shift(range, 128.0, 0.0, (10, 12)), Some(10));
        assert_eq!(near.shift(range, 1e6, 2e3, (4, 12)), None);
        assert_eq!(comparison(Binary::Less, 1e9).shift(range, 128.0, 0.0, (4, 12)), None);
        let (low, high) = near.domain(range, 1000.0);
        assert!(low <= -2500 && high >= 2500, "{low} {high}");
    }

    #[test]
    fn what_has_three_values_is_no_threshold() {
        assert!(Threshold::of(&Function::sign()).is_none());
        assert!(Threshold::of(&Function::negation()).is_none());
        assert!(Threshold::of(&Function::relu()).is_none());
    }
}
