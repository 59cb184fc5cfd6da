//! The bytes of a verifying key as a contract holds them, and as key files hold them.
//!
//! | bytes | content |
//! |---|---|
//! | 1 | `0x00`, so that the data contract cannot be run |
//! | 1 | [`FORMAT`] |
//! | 30 | what the circuit states, as its maker encodes it (`assay_circuit::StatementCode`) |
//! | 32 | digest of the column profile |
//! | 32 | k, the logarithm of the number of rows |
//! | 32 | inverse of 2^k modulo r |
//! | 32 | omega, the generator of the domain of 2^k rows |
//! | 32 | omega^last, last = -(blinding factors + 1) |
//! | 32 | number of public inputs |
//! | 32 | transcript representation: the library's digest of the whole verifying key |
//! | 128 | `[1]_2` as x1, x0, y1, y0 (the order of EIP-197) |
//! | 128 | `[s]_2` |
//! | 64 each | commitments of the fixed columns |
//! | 64 each | commitments of the permutation polynomials |
//!
//! Words are big-endian. The Keccak-256 of all of it is the key's hash everywhere: it equals the
//! EXTCODEHASH of the data contract. A commitment may be the point at infinity (64 zero bytes):
//! a fixed column that is zero everywhere has that one.
//!
//! Nothing in here is true because it is written here: whoever makes a key chooses every byte. It is worth
//! what the comparison with a key made from the published architecture and a trusted setup is worth.

use halo2_proofs::{
    halo2curves::{
        bn256::{Fr, G1Affine, G2Affine},
        ff::{Field, PrimeField},
        group::prime::PrimeCurveAffine,
    },
    plonk::VerifyingKey,
};

use assay_arithmetic::keccak256;

use super::{
    ceremony::{G2_POINT_BYTES, g2_from_bytes, g2_to_bytes},
    domain::root_of_unity,
    profile::Profile,
    transcript::{
        POINT_BYTES, point_from_bytes, point_to_bytes, scalar_from_bytes, scalar_to_bytes,
    },
};

/// Second byte of every key. Keys of the first format had flags there, 0 or 1.
pub const FORMAT: u8 = 2;
/// Bytes that say what a circuit states.
pub const STATEMENT_BYTES: usize = 30;
/// Words before the commitments.
pub const HEADER_WORDS: usize = 15;
/// Bytes before the first word.
pub const PREFIX_BYTES: usize = 2 + STATEMENT_BYTES;
/// Words from the first to `[s]_2`.
const S_G2_WORD: usize = 11;

/// Why bytes are not a verifying key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum VkDataError {
    /// Wrong length for the profile.
    #[error("{found} bytes long, this column profile needs {expected}")]
    Length {
        /// Length of the bytes.
        found: usize,
        /// Length by the profile.
        expected: usize,
    },
    /// First byte or format.
    #[error(
        "it does not start with a zero byte and the number of a known format, {FORMAT}; make it again"
    )]
    Prefix,
    /// Made for another column profile.
    #[error("it is for column profile {found}, this circuit has {expected}")]
    Profile {
        /// Digest in the bytes.
        found: String,
        /// Digest of the circuit.
        expected: String,
    },
    /// A word does not have the value that the others imply.
    #[error("its {0} is not valid")]
    Word(&'static str),
}

/// The decoded content.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VkData {
    /// What the circuit states.
    pub statement: [u8; STATEMENT_BYTES],
    /// Digest of the column profile.
    pub profile: [u8; 32],
    /// Logarithm of the number of rows.
    pub k: u32,
    /// Rotation of the last row, negative.
    pub last_rotation: i32,
    /// Number of public inputs.
    pub public_inputs: usize,
    /// Library's digest of the key.
    pub transcript_repr: Fr,
    /// `[s]_2`.
    pub s_g2: G2Affine,
    /// Commitments of the fixed columns.
    pub fixed: Vec<G1Affine>,
    /// Commitments of the permutation polynomials.
    pub permutation: Vec<G1Affine>,
}

impl VkData {
    /// Collects the content for a key made with parameters that hold `s_g2`.
    pub fn new(
        vk: &VerifyingKey<G1Affine>,
        profile: &Profile,
        s_g2: G2Affine,
        statement: [u8; STATEMENT_BYTES],
    ) -> Self {
        Self {
            statement,
            profile: profile.digest(),
            k: vk.get_domain().k(),
            last_rotation: profile.last_rotation(),
            public_inputs: profile.public_inputs,
            transcript_repr: vk.transcript_repr(),
            s_g2,
            fixed: vk.fixed_commitments().clone(),
            permutation: vk.permutation().commitments().clone(),
        }
    }

    /// Length of the bytes for a profile.
    pub fn byte_length(profile: &Profile) -> usize {
        PREFIX_BYTES
            + HEADER_WORDS * 32
            + (profile.fixed_columns + profile.permutation.len()) * POINT_BYTES
    }

    /// The bytes; see the module's table.
    pub fn to_bytes(&self) -> Vec<u8> {
        let omega = root_of_unity(self.k);
        let omega_inv = Option::<Fr>::from(omega.invert()).unwrap_or(Fr::ONE);
        let last = omega_inv.pow_vartime([u64::from(self.last_rotation.unsigned_abs())]);
        let mut bytes = vec![0, FORMAT];
        bytes.extend_from_slice(&self.statement);
        bytes.extend_from_slice(&self.profile);
        for word in [
            Fr::from(u64::from(self.k)),
            Fr::TWO_INV.pow_vartime([u64::from(self.k)]),
            omega,
            last,
            Fr::from(self.public_inputs as u64),
            self.transcript_repr,
        ] {
            bytes.extend_from_slice(&scalar_to_bytes(&word));
        }
        for point in [G2Affine::generator(), self.s_g2] {
            bytes.extend_from_slice(&g2_to_bytes(&point));
        }
        for point in self.fixed.iter().chain(&self.permutation) {
            bytes.extend_from_slice(&point_to_bytes(point));
        }
        bytes
    }

    /// Decodes bytes that must be for this profile; every word and point is checked.
    ///
    /// # Errors
    /// [`VkDataError::Length`] and [`VkDataError::Profile`] for bytes of another profile;
    /// [`VkDataError::Prefix`]; [`VkDataError::Word`] for a value that the others do not imply.
    pub fn from_bytes(bytes: &[u8], profile: &Profile) -> Result<Self, VkDataError> {
        let expected = Self::byte_length(profile);
        if bytes.len() != expected {
            return Err(VkDataError::Length { found: bytes.len(), expected });
        }
        let [0, FORMAT, rest @ ..] = bytes else {
            return Err(VkDataError::Prefix);
        };
        let Some((statement, rest)) = rest.split_first_chunk::<STATEMENT_BYTES>() else {
            return Err(VkDataError::Prefix);
        };
        let (header, points) = rest.split_at(HEADER_WORDS * 32);
        let words: Vec<[u8; 32]> = header
            .chunks_exact(32)
            .map(|chunk| {
                let mut word = [0u8; 32];
                word.copy_from_slice(chunk);
                word
            })
            .collect();
        let [digest, k, _, _, _, _, repr, ..] = words.as_slice() else {
            return Err(VkDataError::Prefix);
        };
        if *digest != profile.digest() {
            return Err(VkDataError::Profile {
                found: format!("0x{}", hex::encode(digest)),
                expected: format!("0x{}", hex::encode(profile.digest())),
            });
        }
        let k = match k {
            [head @ .., k] if head.iter().all(|byte| *byte == 0) && u32::from(*k) <= Fr::S => {
                u32::from(*k)
            }
            _ => return Err(VkDataError::Word("k")),
        };
        let transcript_repr =
            scalar_from_bytes(repr).ok_or(VkDataError::Word("transcript representation"))?;
        let s_g2 = header
            .get(S_G2_WORD * 32..)
            .and_then(|words| words.first_chunk::<G2_POINT_BYTES>())
            .and_then(g2_from_bytes)
            .ok_or(VkDataError::Word("point [s]_2"))?;
        let points = points
            .chunks_exact(POINT_BYTES)
            .map(|chunk| {
                let mut point = [0u8; POINT_BYTES];
                point.copy_from_slice(chunk);
                if point == [0u8; POINT_BYTES] {
                    return Ok(G1Affine::identity());
                }
                point_from_bytes(&point, 0).map_err(|_| VkDataError::Word("commitment"))
            })
            .collect::<Result<Vec<_>, _>>()?;
        let (fixed, permutation) = points.split_at(profile.fixed_columns.min(points.len()));
        let data = Self {
            statement: *statement,
            profile: profile.digest(),
            k,
            last_rotation: profile.last_rotation(),
            public_inputs: profile.public_inputs,
            transcript_repr,
            s_g2,
            fixed: fixed.to_vec(),
            permutation: permutation.to_vec(),
        };
        // Everything else in the header follows from these values.
        if data.to_bytes() != bytes {
            return Err(VkDataError::Word("header"));
        }
        Ok(data)
    }

    /// Keccak-256 of the bytes: the key's hash, and the EXTCODEHASH of its data contract.
    pub fn hash(&self) -> [u8; 32] {
        keccak256(&[&self.to_bytes()])
    }
}
