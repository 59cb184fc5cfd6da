//! Points in the form of the kernels.

/// A point in the form of the kernels: x and y, each four words, below the modulus.
///
/// The [`Ifma`](crate::Ifma) kernels have 2^260 times the coordinate where the library and the portable
/// kernels have 2^256 times.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C, align(64))]
pub struct Point(pub(crate) [u64; 8]);

impl Point {
    /// As in the library: both coordinates are zero, which no point on the curve has.
    pub(crate) const INFINITY: Self = Self([0; 8]);

    pub(crate) fn is_infinity(&self) -> bool {
        *self == Self::INFINITY
    }
}
