//! Field elements as the 32 big-endian bytes that files, contracts and people see.

use halo2_proofs::halo2curves::ff::PrimeField;

/// An element of BN254's scalar field.
pub use halo2_proofs::halo2curves::bn256::Fr;

/// A field element from 32 big-endian bytes, `None` at or above the modulus.
pub fn field_from_bytes(bytes: &[u8; 32]) -> Option<Fr> {
    let mut repr = *bytes;
    repr.reverse();
    Fr::from_repr(repr).into()
}

/// 32 big-endian bytes.
pub fn field_to_bytes(value: &Fr) -> [u8; 32] {
    let mut bytes = value.to_repr();
    bytes.reverse();
    bytes
}
