//! The kernels with AVX-512 IFMA.

mod memory;
mod multiexp;
mod program;
mod sums;
pub(crate) mod transform;
pub(crate) mod vector;
pub(crate) mod wide;

/// The kernels with AVX-512 IFMA; there is one only on machines that have the instructions.
#[derive(Clone, Copy, Debug)]
pub struct Ifma(());

impl Ifma {
    /// The kernels, if this machine has the instructions. Every function with vector instructions is
    /// called behind a value of this type, which is why calling it is sound.
    pub fn detect() -> Option<Self> {
        let there = is_x86_feature_detected!("avx512f")
            && is_x86_feature_detected!("avx512ifma")
            && is_x86_feature_detected!("avx512vl")
            && is_x86_feature_detected!("avx512dq");
        there.then_some(Self(()))
    }
}

#[cfg(test)]
mod tests {
    use halo2curves::bn256::{Fq, Fr};
    use proptest::prelude::*;

    use super::vector::{self, Eight};
    use super::*;
    use crate::field::{FqModulus, FrModulus, Modulus};
    use crate::words::{Words, of_fq, of_fr, to_fq, to_fr};

    /// A function of vectors applied to two times eight elements.
    fn apply<M: Modulus>(a: &[Words; 8], b: &[Words; 8], what: Operation) -> Option<[Words; 8]> {
        Ifma::detect()?;
        let mut out = [[0; 4]; 8];
        // SAFETY: the instructions are there.
        unsafe { apply_here::<M>(a, b, what, &mut out) };
        Some(out)
    }

    #[derive(Clone, Copy)]
    enum Operation {
        Multiply,
        Add,
        Sub,
    }

    #[target_feature(enable = "avx512f,avx512ifma,avx512vl,avx512dq")]
    fn apply_here<M: Modulus>(
        a: &[Words; 8],
        b: &[Words; 8],
        what: Operation,
        out: &mut [Words; 8],
    ) {
        let (a, b) = (vector::load(a), vector::load(b));
        let result: Eight = match what {
            Operation::Multiply => vector::multiply::<M>(&a, &b),
            Operation::Add => vector::add(&a, &b),
            Operation::Sub => vector::sub::<M, 1>(&a, &b),
        };
        vector::store(&vector::reduce::<M, 1>(&result), out);
    }

    proptest! {
        #[test]
        fn scalars_as_the_library(a: [[u64; 4]; 8], b: [[u64; 4]; 8]) {
            let (a, b) = (a.map(Fr::from_raw), b.map(Fr::from_raw));
            let (x, y) = (a.map(|a| of_fr(&a)), b.map(|b| of_fr(&b)));
            let sixteenth = Fr::from(16).invert().unwrap();
            let expected = [
                (Operation::Multiply, std::array::from_fn(|i| a[i] * b[i] * sixteenth)),
                (Operation::Add, std::array::from_fn::<_, 8, _>(|i| a[i] + b[i])),
                (Operation::Sub, std::array::from_fn(|i| a[i] - b[i])),
            ];
            for (what, expected) in expected {
                if let Some(found) = apply::<FrModulus>(&x, &y, what) {
                    prop_assert_eq!(found.map(to_fr), expected);
                }
            }
        }

        #[test]
        fn coordinates_as_the_library(a: [[u64; 4]; 8], b: [[u64; 4]; 8]) {
            let (a, b) = (a.map(Fq::from_raw), b.map(Fq::from_raw));
            let (x, y) = (a.map(|a| of_fq(&a)), b.map(|b| of_fq(&b)));
            let sixteenth = Fq::from(16).invert().unwrap();
            let expected: [Fq; 8] = std::array::from_fn(|i| a[i] * b[i] * sixteenth);
            if let Some(found) = apply::<FqModulus>(&x, &y, Operation::Multiply) {
                prop_assert_eq!(found.map(to_fq), expected);
            }
        }
    }
}
