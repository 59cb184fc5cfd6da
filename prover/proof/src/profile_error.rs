//! What no verifier is made for.

/// Why a constraint system cannot be verified by this crate.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ProfileError {
    /// The library's own lookup argument is not replayed on chain.
    #[error("the circuit uses {0} library lookups; only gates and copies are supported")]
    Lookups(usize),
    /// Selectors that were not turned into fixed columns.
    #[error("the circuit has {0} virtual selectors; use plain fixed columns")]
    Selectors(usize),
    /// Not exactly one instance column, or one in the permutation argument.
    #[error("the circuit needs exactly one instance column outside the permutation, found {0}")]
    Instance(usize),
    /// The instance column is read at another rotation than zero.
    #[error("the instance column is read at rotation {0}; only rotation 0 is supported")]
    InstanceRotation(i32),
    /// Columns or challenges of a later phase come before those of an earlier one.
    #[error("advice columns and challenges must be declared phase by phase")]
    PhaseOrder,
    /// A column is read too far away.
    #[error(
        "a column is read at rotation {rotation}; {lowest} to 1 and powers of two are supported"
    )]
    Rotation {
        /// The rotation.
        rotation: i32,
        /// Lowest rotation that is supported: the row in which products end.
        lowest: i32,
    },
    /// The weight columns must be the first advice columns, all of the first phase.
    #[error(
        "{weight_columns} weight columns asked for, the circuit starts with {first_phase} first-phase columns"
    )]
    WeightColumns {
        /// Weight columns asked for.
        weight_columns: usize,
        /// Leading first-phase columns of the circuit.
        first_phase: usize,
    },
    /// Too few or too many public inputs.
    #[error("{0} public inputs asked for; between 1 and 256 are supported")]
    PublicInputs(usize),
    /// More public inputs than rows that are not blinded.
    #[error("{public_inputs} public inputs do not fit the {usable} usable rows of 2^{k}")]
    TooFewRows {
        /// Logarithm of the number of rows.
        k: u32,
        /// Public inputs of the circuit.
        public_inputs: usize,
        /// Rows before the blinding.
        usable: usize,
    },
    /// Two rotations of the circuit are the same on so few rows.
    #[error(
        "two rotations that the circuit reads at are the same one on 2^{k} rows; it needs more rows"
    )]
    RotationsMeet {
        /// Logarithm of the number of rows.
        k: u32,
    },
    /// The verifier contract addresses its memory with 16 bits.
    #[error(
        "proofs of {proof_bytes} bytes with {fixed} fixed columns are too large for a verifier contract"
    )]
    TooLarge {
        /// Length of a proof.
        proof_bytes: usize,
        /// Fixed columns.
        fixed: usize,
    },
}
