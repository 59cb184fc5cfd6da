//! Real functions of one variable, built from the elementwise operators of a network.

mod comparisons;

use std::fmt;

/// Larger expressions are not fused further, so that no chain of nodes can exhaust the stack.
const MAX_SIZE: usize = 64;

/// An expression in one variable.
#[derive(Clone, Debug, PartialEq)]
pub enum Function {
    /// The variable itself.
    Identity,
    /// The same value everywhere.
    Constant(f64),
    /// An operator on a function's value.
    Unary(Unary, Box<Function>),
    /// An operator on the values of two functions, left and right.
    Binary(Binary, Box<Function>, Box<Function>),
    /// The second where the first is not 0, the third elsewhere.
    Select(Box<[Function; 3]>),
}

/// Operators of one argument `x`, computed in `f64`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unary {
    /// `|x|`.
    Abs,
    /// Least integer that is not below `x`.
    Ceil,
    /// Gauss error function.
    Erf,
    /// `e^x`.
    Exp,
    /// Largest integer that is not above `x`.
    Floor,
    /// 1 where `x` is 0, and 0 elsewhere; between integers, it tells which are equal.
    IsZero,
    /// Natural logarithm; NaN below 0.
    Log,
    /// To the nearest integer, halves to even.
    Round,
    /// `1 / (1 + e^-x)`.
    Sigmoid,
    /// `ln(1 + e^x)`.
    Softplus,
    /// Square root; NaN below 0.
    Sqrt,
    /// Hyperbolic tangent.
    Tanh,
    /// `x`, which is a whole number and exact: a layer whose function starts so has a scale of 1.
    Whole,
}

/// Operators of two arguments, left and right, computed in `f64`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Binary {
    /// `left + right`.
    Add,
    /// `left - right`.
    Sub,
    /// `left * right`.
    Mul,
    /// `left / right`.
    Div,
    /// The smaller of both.
    Min,
    /// The larger of both.
    Max,
    /// `left` to the power of `right`.
    Pow,
    /// The remainder of `left` by `right` with the sign of `right`.
    Mod,
    /// 1 where `left < right`, 0 elsewhere.
    Less,
    /// 1 where `left <= right`, 0 elsewhere.
    LessOrEqual,
    /// 1 where both are equal, 0 elsewhere.
    Equal,
}

impl Function {
    /// `max(x, 0)`.
    pub fn relu() -> Self {
        Self::binary(Binary::Max, Self::Identity, Self::Constant(0.0))
    }

    /// `min(max(x, low), high)`, either bound possibly absent.
    pub fn clip(low: Option<f64>, high: Option<f64>) -> Self {
        let mut function = Self::Identity;
        if let Some(low) = low {
            function = Self::binary(Binary::Max, function, Self::Constant(low));
        }
        if let Some(high) = high {
            function = Self::binary(Binary::Min, function, Self::Constant(high));
        }
        function
    }

    /// `x` for `x >= 0`, `slope * x` below.
    pub fn leaky_relu(slope: f64) -> Self {
        if slope == 0.0 {
            return Self::relu();
        }
        let negative = Self::binary(Binary::Min, Self::Identity, Self::Constant(0.0));
        let negative = Self::binary(Binary::Mul, negative, Self::Constant(slope));
        Self::binary(Binary::Add, Self::relu(), negative)
    }

    /// `min(max(slope * x + offset, 0), 1)`.
    pub fn hard_sigmoid(slope: f64, offset: f64) -> Self {
        Self::clip(Some(0.0), Some(1.0)).after(Self::affine(slope, offset))
    }

    /// `x` for `x >= 0`, `alpha * (exp(x) - 1)` below, both times `gamma`.
    pub fn elu(alpha: f64, gamma: f64) -> Self {
        let negative = Self::binary(Binary::Min, Self::Identity, Self::Constant(0.0));
        let decay = Self::unary(Unary::Exp, negative);
        let decay = Self::binary(Binary::Sub, decay, Self::Constant(1.0));
        let decay = Self::binary(Binary::Mul, decay, Self::Constant(alpha));
        let sum = Self::binary(Binary::Add, Self::relu(), decay);
        Self::affine(gamma, 0.0).after(sum)
    }

    /// Gaussian error linear unit, exact or with the usual approximation by `tanh`.
    pub fn gelu(approximate: bool) -> Self {
        let x = || Self::Identity;
        let gate = if approximate {
            let cube = Self::binary(Binary::Pow, x(), Self::Constant(3.0));
            let cubic = Self::binary(Binary::Mul, cube, Self::Constant(0.044715));
            let sum = Self::binary(Binary::Add, x(), cubic);
            let scale = (2.0 / std::f64::consts::PI).sqrt();
            Self::unary(Unary::Tanh, Self::affine(scale, 0.0).after(sum))
        } else {
            Self::unary(Unary::Erf, Self::affine(std::f64::consts::FRAC_1_SQRT_2, 0.0))
        };
        Self::binary(Binary::Mul, x(), Self::affine(0.5, 0.5).after(gate))
    }

    /// ONNX QuantizeLinear: `clamp(round(x / scale) + zero_point, low, high)`.
    pub fn quantize(scale: f64, zero_point: f64, [low, high]: [f64; 2]) -> Self {
        let steps = Self::binary(Binary::Div, Self::Identity, Self::Constant(scale));
        let steps = Self::unary(Unary::Round, steps);
        Self::clip(Some(low), Some(high)).after(Self::affine(1.0, zero_point).after(steps))
    }

    /// ONNX DequantizeLinear: `(x - zero_point) * scale`.
    pub fn dequantize(scale: f64, zero_point: f64) -> Self {
        Self::affine(scale, 0.0).after(Self::affine(1.0, -zero_point))
    }

    /// `1 / x`.
    pub fn reciprocal() -> Self {
        Self::binary(Binary::Div, Self::Constant(1.0), Self::Identity)
    }

    /// `slope * x + offset`.
    pub fn affine(slope: f64, offset: f64) -> Self {
        let mut function = Self::Identity;
        if slope != 1.0 {
            function = Self::binary(Binary::Mul, function, Self::Constant(slope));
        }
        if offset != 0.0 {
            function = Self::binary(Binary::Add, function, Self::Constant(offset));
        }
        function
    }

    /// `operator` on the value of `argument`.
    pub fn unary(operator: Unary, argument: Self) -> Self {
        Self::Unary(operator, Box::new(argument))
    }

    /// `operator` on the values of `left` and `right`.
    pub fn binary(operator: Binary, left: Self, right: Self) -> Self {
        Self::Binary(operator, Box::new(left), Box::new(right))
    }

    /// `yes` where `condition` is not 0, `no` elsewhere.
    pub fn select(condition: Self, yes: Self, no: Self) -> Self {
        Self::Select(Box::new([condition, yes, no]))
    }

    /// The composition `x -> self(inner(x))`.
    #[must_use]
    pub fn after(&self, inner: Self) -> Self {
        match self {
            Self::Identity => inner,
            Self::Constant(value) => Self::Constant(*value),
            Self::Unary(operator, argument) => Self::unary(*operator, argument.after(inner)),
            Self::Binary(operator, left, right) => {
                Self::binary(*operator, left.after(inner.clone()), right.after(inner))
            }
            Self::Select(parts) => {
                Self::Select(Box::new(parts.each_ref().map(|part| part.after(inner.clone()))))
            }
        }
    }

    /// Number of nodes of the expression.
    pub fn size(&self) -> usize {
        match self {
            Self::Identity | Self::Constant(_) => 1,
            Self::Unary(_, argument) => 1 + argument.size(),
            Self::Binary(_, left, right) => 1 + left.size() + right.size(),
            Self::Select(parts) => 1 + parts.iter().map(Self::size).sum::<usize>(),
        }
    }

    /// Whether it is small enough to be composed with another one.
    pub fn may_grow(&self) -> bool {
        self.size() <= MAX_SIZE
    }

    /// Value at `x`; may be NaN or infinite where the function is undefined.
    pub fn evaluate(&self, x: f64) -> f64 {
        match self {
            Self::Identity => x,
            Self::Constant(value) => *value,
            Self::Unary(operator, argument) => operator.evaluate(argument.evaluate(x)),
            Self::Binary(operator, left, right) => {
                operator.evaluate(left.evaluate(x), right.evaluate(x))
            }
            Self::Select(parts) => {
                let [condition, yes, no] = &**parts;
                if condition.evaluate(x) != 0.0 { yes.evaluate(x) } else { no.evaluate(x) }
            }
        }
    }

    /// The scale of a quantized layer before this function is that after it.
    pub fn keeps_scale(&self) -> bool {
        self.is_clamp() || self.is_homogeneous()
    }

    /// `f(a * x) = a * f(x)` for every `a > 0`, as for ReLU: its integer table does not depend on
    /// the scale.
    pub fn is_homogeneous(&self) -> bool {
        match self {
            Self::Identity => true,
            Self::Constant(value) => *value == 0.0,
            Self::Unary(operator, argument) => *operator == Unary::Abs && argument.is_homogeneous(),
            Self::Binary(operator, left, right) => match operator {
                Binary::Add | Binary::Sub | Binary::Min | Binary::Max => {
                    left.is_homogeneous() && right.is_homogeneous()
                }
                Binary::Mul => {
                    let constant = |f: &Self| matches!(f, Self::Constant(_));
                    (left.is_homogeneous() && constant(right))
                        || (constant(left) && right.is_homogeneous())
                }
                Binary::Div => left.is_homogeneous() && matches!(**right, Self::Constant(_)),
                Binary::Pow | Binary::Mod | Binary::Less | Binary::LessOrEqual | Binary::Equal => {
                    false
                }
            },
            Self::Select(parts) => {
                let [condition, yes, no] = &**parts;
                condition.threshold() == Some(0.0) && yes.is_homogeneous() && no.is_homogeneous()
            }
        }
    }

    /// The step of a function all of whose values are its multiples, as after quantization;
    /// `None` for any other.
    pub fn step(&self) -> Option<f64> {
        let constant = |f: &Self| match f {
            Self::Constant(value) => Some(*value),
            _ => None,
        };
        match self {
            Self::Unary(Unary::Round | Unary::Floor | Unary::Ceil | Unary::IsZero, _) => Some(1.0),
            Self::Binary(..) if self.is_boolean() => Some(1.0),
            Self::Select(parts) => {
                let integer = |f: &Self| constant(f).is_some_and(|c| c == c.round());
                let [_, yes, no] = &**parts;
                let whole = |f: &Self| integer(f) || f.step() == Some(1.0);
                (whole(yes) && whole(no)).then_some(1.0)
            }
            Self::Binary(operator, left, right) => {
                let step = left.step()?;
                let sum = matches!(operator, Binary::Add | Binary::Sub | Binary::Min | Binary::Max);
                if sum && step == 1.0 && right.step() == Some(1.0) {
                    return Some(1.0);
                }
                let c = constant(right)?;
                match operator {
                    Binary::Mul => Some(step * c.abs()),
                    Binary::Div => Some(step / c.abs()),
                    Binary::Add | Binary::Sub | Binary::Min | Binary::Max => {
                        let steps = c / step;
                        ((steps - steps.round()).abs() < 1e-6).then_some(step)
                    }
                    Binary::Pow
                    | Binary::Mod
                    | Binary::Less
                    | Binary::LessOrEqual
                    | Binary::Equal => None,
                }
            }
            _ => None,
        }
        .filter(|step| step.is_normal())
    }

    /// Its argument is a whole number.
    pub fn takes_integers(&self) -> bool {
        match self {
            Self::Identity => false,
            Self::Constant(_) | Self::Unary(Unary::Whole, _) => true,
            Self::Unary(_, argument) => argument.takes_integers(),
            Self::Binary(_, left, right) => left.takes_integers() && right.takes_integers(),
            Self::Select(parts) => parts.iter().all(Self::takes_integers),
        }
    }

    /// Tells apart integers: its argument has to be exact, at a scale of 1.
    pub fn is_indicator(&self) -> bool {
        matches!(self, Self::Unary(Unary::IsZero, argument) if **argument == Self::Identity)
    }

    /// Made of the variable, constants, minima and maxima only: the output has the input's unit,
    /// so both may share one scale without loss.
    pub fn is_clamp(&self) -> bool {
        match self {
            Self::Identity | Self::Constant(_) => true,
            Self::Binary(Binary::Min | Binary::Max, left, right) => {
                left.is_clamp() && right.is_clamp()
            }
            _ => false,
        }
    }
}

impl fmt::Display for Function {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if *self == Self::relu() {
            return formatter.write_str("relu");
        }
        if *self == Self::clip(Some(0.0), Some(6.0)) {
            return formatter.write_str("relu6");
        }
        match self {
            Self::Identity => formatter.write_str("identity"),
            _ => self.write_expression(formatter),
        }
    }
}

impl Function {
    fn write_expression(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Identity => formatter.write_str("x"),
            Self::Constant(value) => write!(formatter, "{value}"),
            Self::Unary(operator, argument) => {
                write!(formatter, "{}(", operator.name())?;
                argument.write_expression(formatter)?;
                formatter.write_str(")")
            }
            Self::Select(parts) => {
                let [condition, yes, no] = &**parts;
                formatter.write_str("(")?;
                condition.write_expression(formatter)?;
                formatter.write_str(" ? ")?;
                yes.write_expression(formatter)?;
                formatter.write_str(" : ")?;
                no.write_expression(formatter)?;
                formatter.write_str(")")
            }
            Self::Binary(operator, left, right) => {
                let (open, between) = operator.notation();
                write!(formatter, "{open}")?;
                left.write_expression(formatter)?;
                formatter.write_str(between)?;
                right.write_expression(formatter)?;
                formatter.write_str(")")
            }
        }
    }
}

impl Unary {
    fn name(self) -> &'static str {
        match self {
            Self::Abs => "abs",
            Self::Ceil => "ceil",
            Self::Erf => "erf",
            Self::Exp => "exp",
            Self::Floor => "floor",
            Self::IsZero => "is_zero",
            Self::Log => "log",
            Self::Round => "round",
            Self::Sigmoid => "sigmoid",
            Self::Softplus => "softplus",
            Self::Sqrt => "sqrt",
            Self::Tanh => "tanh",
            Self::Whole => "whole",
        }
    }

    fn evaluate(self, x: f64) -> f64 {
        match self {
            Self::Abs => x.abs(),
            Self::Ceil => x.ceil(),
            Self::Erf => libm::erf(x),
            Self::Exp => libm::exp(x),
            Self::Floor => x.floor(),
            Self::IsZero => f64::from(u8::from(x.abs() < 0.5)),
            Self::Log => libm::log(x),
            Self::Round => x.round_ties_even(),
            Self::Sigmoid => 1.0 / (1.0 + libm::exp(-x)),
            Self::Softplus => x.max(0.0) + libm::log1p(libm::exp(-x.abs())),
            Self::Sqrt => x.sqrt(),
            Self::Tanh => libm::tanh(x),
            Self::Whole => x.round(),
        }
    }
}

impl Binary {
    fn notation(self) -> (&'static str, &'static str) {
        match self {
            Self::Add => ("(", " + "),
            Self::Sub => ("(", " - "),
            Self::Mul => ("(", " * "),
            Self::Div => ("(", " / "),
            Self::Pow => ("(", " ^ "),
            Self::Min => ("min(", ", "),
            Self::Max => ("max(", ", "),
            Self::Mod => ("(", " mod "),
            Self::Less => ("(", " < "),
            Self::LessOrEqual => ("(", " <= "),
            Self::Equal => ("(", " = "),
        }
    }

    pub(super) fn evaluate(self, left: f64, right: f64) -> f64 {
        match self {
            Self::Add => left + right,
            Self::Sub => left - right,
            Self::Mul => left * right,
            Self::Div => left / right,
            Self::Min => left.min(right),
            Self::Max => left.max(right),
            Self::Pow => libm::pow(left, right),
            Self::Mod => left - right * (left / right).floor(),
            Self::Less => f64::from(u8::from(left < right)),
            Self::LessOrEqual => f64::from(u8::from(left <= right)),
            Self::Equal => f64::from(u8::from(left == right)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn close(function: &Function, x: f64, expected: f64) {
        let value = function.evaluate(x);
        assert!((value - expected).abs() < 1e-6, "{function} at {x}: {value}, not {expected}");
    }

    #[test]
    fn known_values() {
        close(&Function::relu(), -2.0, 0.0);
        close(&Function::relu(), 2.5, 2.5);
        close(&Function::clip(Some(0.0), Some(6.0)), 7.0, 6.0);
        close(&Function::leaky_relu(0.1), -2.0, -0.2);
        close(&Function::leaky_relu(2.0), -2.0, -4.0);
        close(&Function::hard_sigmoid(1.0 / 6.0, 0.5), 1.0, 2.0 / 3.0);
        close(&Function::elu(1.0, 1.0), -1.0, -0.632_120_558_8);
        close(&Function::gelu(false), 1.0, 0.841_344_746_1);
        close(&Function::gelu(true), 1.0, 0.841_191_990_6);
        close(&Function::unary(Unary::Softplus, Function::Identity), 0.0, std::f64::consts::LN_2);
    }

    #[test]
    fn quantization_rounds_halves_to_even_and_saturates() {
        let quantize = Function::quantize(0.5, 3.0, [0.0, 255.0]);
        for (x, q) in [(0.25, 3.0), (0.75, 5.0), (-0.25, 3.0), (-9.0, 0.0), (500.0, 255.0)] {
            close(&quantize, x, q);
        }
        let both = Function::dequantize(0.5, 3.0).after(quantize);
        for (x, y) in [(0.25, 0.0), (0.75, 1.0), (-9.0, -1.5), (500.0, 126.0)] {
            close(&both, x, y);
        }
        assert_eq!(both.step(), Some(0.5));
        assert_eq!(Function::relu().after(both).step(), Some(0.5));
        let off_grid = Function::quantize(0.5, 0.25, [0.0, 255.0]);
        for function in [Function::relu(), Function::gelu(false), off_grid] {
            assert_eq!(function.step(), None, "{function}");
        }
    }

    #[test]
    fn homogeneous_functions_are_recognised() {
        for function in [Function::Identity, Function::relu(), Function::leaky_relu(0.25)] {
            assert!(function.is_homogeneous(), "{function}");
        }
        for function in [
            Function::clip(Some(0.0), Some(6.0)),
            Function::gelu(false),
            Function::affine(1.0, 2.0),
        ] {
            assert!(!function.is_homogeneous(), "{function}");
        }
    }

    #[test]
    fn names() {
        assert_eq!(Function::relu().to_string(), "relu");
        assert_eq!(Function::clip(Some(0.0), Some(6.0)).to_string(), "relu6");
        assert_eq!(Function::clip(Some(-1.0), None).to_string(), "max(x, -1)");
        let swish = Function::binary(
            Binary::Mul,
            Function::Identity,
            Function::unary(Unary::Sigmoid, Function::Identity),
        );
        assert_eq!(swish.to_string(), "(x * sigmoid(x))");
    }
}
