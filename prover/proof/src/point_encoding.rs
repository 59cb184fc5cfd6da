//! How files of others write points.

use std::path::Path;

use halo2_proofs::halo2curves::{
    bn256::{Fq, G1Affine, G2Affine},
    ff::PrimeField,
    group::GroupEncoding,
    serde::SerdeObject,
};
use rayon::prelude::*;

use super::{
    setup_check::decode_raw_point,
    srs::{G1_BYTES, G2_BYTES, SrsError},
};

/// The two bits of a compressed point's last byte that its coordinate leaves free.
const FLAGS: u8 = 0b1100_0000;
const SIXTH: u8 = 0b0100_0000;
const COORDINATE_BYTES: usize = 32;

/// How the points of a file are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Encoding {
    /// Both coordinates in Montgomery form, little-endian.
    Raw,
    /// x, little-endian, and in one of its free bits whether y is odd. The bit is the seventh in the first
    /// and the latest releases of halo2curves and the sixth between them, where the other one marks the
    /// point at infinity. That is never a point of a setup, so a set bit says odd in either.
    Compressed,
}

/// Decodes one file's points, and sees that it keeps to one bit.
#[derive(Debug)]
pub(super) struct Decoder {
    encoding: Encoding,
    flags: u8,
}

impl Encoding {
    /// Bytes of a point of G1.
    pub(super) fn g1_bytes(self) -> usize {
        match self {
            Self::Raw => G1_BYTES,
            Self::Compressed => G1_BYTES / 2,
        }
    }

    /// Bytes of a point of G2.
    pub(super) fn g2_bytes(self) -> usize {
        2 * self.g1_bytes()
    }
}

impl Decoder {
    pub(super) fn new(encoding: Encoding) -> Self {
        Self { encoding, flags: 0 }
    }

    /// Points of G1, all on the curve and none the point at infinity.
    pub(super) fn g1(&mut self, path: &Path, bytes: &[u8]) -> Result<Vec<G1Affine>, SrsError> {
        let chunks = bytes.par_chunks_exact(self.encoding.g1_bytes());
        let points: Result<Vec<G1Affine>, _> = match self.encoding {
            Encoding::Raw => chunks.map(decode_raw_point).collect(),
            Encoding::Compressed => {
                self.flags |= bytes.chunks_exact(32).fold(0, |all, chunk| all | flags_of(chunk));
                chunks
                    .map(|chunk| {
                        decompress::<G1Affine>(chunk).ok_or("a point of G1 is not on the curve")
                    })
                    .collect()
            }
        };
        let inconsistent = |reason| SrsError::Inconsistent { path: path.to_owned(), reason };
        points.map_err(inconsistent).and_then(|points| self.one_flag(path).map(|()| points))
    }

    /// A point of the curve of G2.
    pub(super) fn g2(&mut self, path: &Path, bytes: &[u8]) -> Result<G2Affine, SrsError> {
        debug_assert_eq!(bytes.len(), self.encoding.g2_bytes());
        let point = match self.encoding {
            Encoding::Raw => G2Affine::from_raw_bytes(bytes),
            Encoding::Compressed => {
                self.flags |= flags_of(bytes);
                decompress::<G2Affine>(bytes)
            }
        };
        let reason = "a point of G2 is not on the curve";
        let inconsistent = SrsError::Inconsistent { path: path.to_owned(), reason };
        point.ok_or(inconsistent).and_then(|point| self.one_flag(path).map(|()| point))
    }

    fn one_flag(&self, path: &Path) -> Result<(), SrsError> {
        if self.flags != FLAGS {
            return Ok(());
        }
        let reason = "both bits for the sign of a compressed point occur in it";
        Err(SrsError::Inconsistent { path: path.to_owned(), reason })
    }
}

fn flags_of(bytes: &[u8]) -> u8 {
    bytes.last().map_or(0, |last| last & FLAGS)
}

/// A point from its compressed form, with the sign in either bit; the library reads the sixth.
fn decompress<P: GroupEncoding>(bytes: &[u8]) -> Option<P> {
    let mut repr = P::Repr::default();
    let target = repr.as_mut();
    if target.len() != bytes.len() {
        return None;
    }
    target.copy_from_slice(bytes);
    if !is_canonical(bytes) {
        return None;
    }
    let last = target.last_mut()?;
    if *last & FLAGS != 0 {
        *last = (*last & !FLAGS) | SIXTH;
    }
    Option::from(P::from_bytes(&repr))
}

/// Whether each coordinate is below the field's modulus, flags aside: the library ends the program where one
/// of G2 is not.
fn is_canonical(bytes: &[u8]) -> bool {
    let count = bytes.len() / COORDINATE_BYTES;
    bytes.chunks_exact(COORDINATE_BYTES).enumerate().all(|(index, chunk)| {
        let mut repr = [0u8; COORDINATE_BYTES];
        repr.copy_from_slice(chunk);
        if index + 1 == count {
            repr[COORDINATE_BYTES - 1] &= !FLAGS;
        }
        Option::<Fq>::from(Fq::from_repr(repr)).is_some()
    })
}

/// Points in the raw form, which is that of our files.
pub(super) fn encode_raw(points: &[G1Affine]) -> Vec<u8> {
    let mut bytes = vec![0u8; points.len() * G1_BYTES];
    bytes.par_chunks_exact_mut(G1_BYTES).zip(points).for_each(|(target, point)| {
        let coordinates = [point.x, point.y];
        for (target, coordinate) in target.chunks_exact_mut(G1_BYTES / 2).zip(coordinates) {
            target.copy_from_slice(&coordinate.to_raw_bytes());
        }
    });
    bytes
}

/// A point of G2 in the raw form.
pub(super) fn encode_raw_g2(point: &G2Affine) -> [u8; G2_BYTES] {
    let mut bytes = [0u8; G2_BYTES];
    bytes.copy_from_slice(&point.to_raw_bytes());
    bytes
}
