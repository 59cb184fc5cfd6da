//! Inputs of a network.

/// Inputs, and labels where there are any.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Dataset {
    /// Bytes of each input, `[channels, height, width]`, row-major.
    pub inputs: Vec<Vec<u8>>,
    /// Class of each input; empty, or as many as inputs.
    pub labels: Vec<usize>,
}
