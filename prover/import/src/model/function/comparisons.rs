//! Functions that compare: of values 0 and 1, or of few values with a jump between them.

use super::{Binary, Function, Unary};

impl Function {
    /// 1 where the argument is not 0, 0 elsewhere.
    pub fn truth() -> Self {
        Self::negation().after(Self::negation())
    }

    /// 1 where the argument is 0, 0 elsewhere.
    pub fn negation() -> Self {
        Self::binary(Binary::Equal, Self::Identity, Self::Constant(0.0))
    }

    /// -1, 0 or 1.
    pub fn sign() -> Self {
        let zero = || Self::Constant(0.0);
        let positive = Self::binary(Binary::Less, zero(), Self::Identity);
        let negative = Self::binary(Binary::Less, Self::Identity, zero());
        Self::binary(Binary::Sub, positive, negative)
    }

    /// The integer part, towards 0.
    pub fn truncation() -> Self {
        let negative = Self::binary(Binary::Less, Self::Identity, Self::Constant(0.0));
        let whole = |operator| Self::unary(operator, Self::Identity);
        Self::select(negative, whole(Unary::Ceil), whole(Unary::Floor))
    }

    /// All values are 0 or 1.
    pub fn is_boolean(&self) -> bool {
        match self {
            Self::Constant(value) => *value == 0.0 || *value == 1.0,
            Self::Binary(operator, left, right) => match operator {
                Binary::Less | Binary::LessOrEqual | Binary::Equal => true,
                Binary::Min | Binary::Max | Binary::Mul => left.is_boolean() && right.is_boolean(),
                _ => false,
            },
            Self::Select(parts) => parts[1].is_boolean() && parts[2].is_boolean(),
            Self::Identity | Self::Unary(..) => false,
        }
    }

    /// Some part of it asks whether two values are equal.
    pub fn has_equality(&self) -> bool {
        match self {
            Self::Identity | Self::Constant(_) => false,
            Self::Unary(_, argument) => argument.has_equality(),
            Self::Binary(Binary::Equal, ..) => true,
            Self::Binary(_, left, right) => left.has_equality() || right.has_equality(),
            Self::Select(parts) => parts.iter().any(Self::has_equality),
        }
    }

    /// Some part of it has no value everywhere: a logarithm, a root, a quotient or a power.
    pub fn has_pole(&self) -> bool {
        match self {
            Self::Identity | Self::Constant(_) => false,
            Self::Unary(operator, argument) => {
                matches!(operator, Unary::Log | Unary::Sqrt) || argument.has_pole()
            }
            Self::Binary(operator, left, right) => {
                let constant = |part: &Self| matches!(part, Self::Constant(_));
                let pole = match operator {
                    Binary::Div => !constant(right),
                    Binary::Pow => true,
                    _ => false,
                };
                pole || left.has_pole() || right.has_pole()
            }
            Self::Select(parts) => parts.iter().any(Self::has_pole),
        }
    }

    /// The only place where the function's value changes, if it is constant on both sides of one.
    pub fn threshold(&self) -> Option<f64> {
        self.jumps().flatten()
    }

    /// The place of the jump, if there is any; `None` if the function is not constant beside it.
    #[expect(clippy::option_option, reason = "no jump is not the same as no such function")]
    fn jumps(&self) -> Option<Option<f64>> {
        let both = |left: Option<f64>, right: Option<f64>| match (left, right) {
            (Some(a), Some(b)) if a != b => None,
            _ => Some(left.or(right)),
        };
        match self {
            Self::Identity => None,
            Self::Constant(_) => Some(None),
            Self::Unary(_, argument) => argument.jumps(),
            Self::Binary(operator, left, right) => {
                if let (Some(left), Some(right)) = (left.jumps(), right.jumps()) {
                    return both(left, right);
                }
                if !matches!(operator, Binary::Less | Binary::LessOrEqual | Binary::Equal) {
                    return None;
                }
                let ((a, b), (c, d)) = (left.line()?, right.line()?);
                let at = (d - b) / (a - c);
                at.is_finite().then_some(Some(at))
            }
            Self::Select(parts) => {
                let [condition, yes, no] = parts.each_ref().map(Self::jumps);
                both(both(condition?, yes?)?, no?)
            }
        }
    }

    /// Slope and offset of a straight line.
    pub(in crate::model) fn line(&self) -> Option<(f64, f64)> {
        match self {
            Self::Identity => Some((1.0, 0.0)),
            Self::Constant(value) => Some((0.0, *value)),
            Self::Binary(operator, left, right) => {
                let ((a, b), (c, d)) = (left.line()?, right.line()?);
                match operator {
                    Binary::Add => Some((a + c, b + d)),
                    Binary::Sub => Some((a - c, b - d)),
                    Binary::Mul if a == 0.0 => Some((b * c, b * d)),
                    Binary::Mul if c == 0.0 => Some((a * d, b * d)),
                    Binary::Div if c == 0.0 => Some((a / d, b / d)),
                    _ => None,
                }
            }
            Self::Unary(..) | Self::Select(_) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn less(bound: f64) -> Function {
        Function::binary(Binary::Less, Function::Identity, Function::Constant(bound))
    }

    #[test]
    fn thresholds() {
        assert_eq!(less(0.5).threshold(), Some(0.5));
        assert_eq!(less(3.0).after(Function::affine(-2.0, 1.0)).threshold(), Some(-1.0));
        let choice = Function::select(less(0.5), Function::Constant(7.0), Function::Constant(2.0));
        assert_eq!(choice.threshold(), Some(0.5));
        assert_eq!(Function::sign().threshold(), Some(0.0));
        let between = Function::binary(Binary::Mul, less(1.0), less(2.0));
        assert_eq!(between.threshold(), None);
        let leaky = Function::select(less(0.0), Function::affine(0.2, 0.0), Function::Identity);
        assert_eq!(leaky.threshold(), None);
        assert!(leaky.is_homogeneous() && less(0.0).is_boolean());
        assert_eq!(leaky.to_string(), "((x < 0) ? (x * 0.2) : x)");
        assert_eq!((less(1.0).step(), leaky.step()), (Some(1.0), None));
    }

    #[test]
    fn values() {
        for (x, sign, whole) in [(-1.5, -1.0, -1.0), (0.0, 0.0, 0.0), (2.7, 1.0, 2.0)] {
            assert_eq!(
                (Function::sign().evaluate(x), Function::truncation().evaluate(x)),
                (sign, whole)
            );
            assert_eq!(Function::truth().evaluate(x), f64::from(u8::from(x != 0.0)));
        }
        let remainder = Function::binary(Binary::Mod, Function::Identity, Function::Constant(3.0));
        assert_eq!((remainder.evaluate(-1.0), remainder.evaluate(4.0)), (2.0, 1.0));
    }
}
