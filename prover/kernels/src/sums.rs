//! Sums, products and divisions of polynomials and of columns. All elements are plain ones.

#[cfg(test)]
mod measure;
pub(crate) mod portable;
#[cfg(test)]
mod tests;

use halo2curves::bn256::Fr;

use crate::Scalar;

/// Routines over many elements.
pub trait Sums {
    /// `output[i] = sum_j factor_j * polynomial_j[i]`. A shorter polynomial counts as padded with zeros, of a
    /// longer one only the start counts.
    fn combine(&self, terms: &[(&[Fr], Fr)], output: &mut [Fr]);

    /// `sum_i coefficients[i] * point^i`.
    fn evaluate(&self, coefficients: &[Fr], point: Fr) -> Fr;

    /// Divides by `X - root` and drops the remainder: place `i` takes the coefficient of `X^i` of the
    /// quotient, the last place zero.
    fn divide_by_linear(&self, coefficients: &mut [Fr], root: Fr);

    /// `values[i]` becomes `first` times all values before it. Returns `first` times all values.
    fn running_product(&self, values: &mut [Fr], first: Fr) -> Fr;

    /// Inverts each element; zeros stay zero.
    fn invert_all(&self, values: &mut [Fr]);

    /// `values[i] *= factors[i]`.
    ///
    /// # Panics
    ///
    /// Where the lengths differ.
    fn multiply_all(&self, values: &mut [Fr], factors: &[Fr]);

    /// `values[i] = a[i] + factor * b[i] + constant`.
    ///
    /// # Panics
    ///
    /// Where the lengths differ.
    fn affine(&self, a: &[Fr], b: &[Fr], factor: Fr, constant: Fr, values: &mut [Fr]);
}

impl Sums for Scalar {
    fn combine(&self, terms: &[(&[Fr], Fr)], output: &mut [Fr]) {
        portable::combine(terms, output);
    }

    fn evaluate(&self, coefficients: &[Fr], point: Fr) -> Fr {
        portable::evaluate(coefficients, point)
    }

    fn divide_by_linear(&self, coefficients: &mut [Fr], root: Fr) {
        portable::divide_by_linear(coefficients, root);
    }

    fn running_product(&self, values: &mut [Fr], first: Fr) -> Fr {
        portable::running_product(values, first)
    }

    fn invert_all(&self, values: &mut [Fr]) {
        portable::invert_all(values);
    }

    fn multiply_all(&self, values: &mut [Fr], factors: &[Fr]) {
        assert_eq!(values.len(), factors.len(), "lengths");
        portable::multiply_all(values, factors);
    }

    fn affine(&self, a: &[Fr], b: &[Fr], factor: Fr, constant: Fr, values: &mut [Fr]) {
        assert_eq!((a.len(), b.len()), (values.len(), values.len()), "lengths");
        portable::affine(a, b, factor, constant, values);
    }
}
