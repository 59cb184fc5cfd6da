//! Keccak-256 Fiat-Shamir transcript that a contract replays with one hash per challenge.
//!
//! Absorbed data is a plain byte string: a point is `x || y` (64 bytes), a scalar 32 bytes, all
//! big-endian and canonical. With `s_0 = keccak256(DOMAIN)`, a squeeze computes
//!
//! * `s_{i+1} = keccak256(s_i || data)` when `data` was absorbed since the last squeeze (the
//!   preimage is a multiple of 32 bytes long, at least 64), or
//! * `s_{i+1} = keccak256(s_i || 0x01)` when nothing was (33 bytes),
//!
//! so the two cases never share a preimage. The challenge is `s_{i+1} mod r`.
//!
//! Which bytes are points and which are scalars is fixed by the constraint system, whose digest
//! (the verifying key's transcript representation) is the first word absorbed, so no type tags are
//! needed.
//!
//! Bias: 2^256 = 5.29 r, so a residue has 5 or 6 preimages among the 2^256 digests and no challenge
//! is more than 6/5.29 = 1.14 times as likely as under the uniform distribution. Every soundness
//! bound grows by at most that factor for each challenge.
//!
//! Phases: the challenges of a phase are drawn when the last of its points was absorbed, and given
//! out in order when they are asked for (see [`super::phases`]).
//!
//! The identity has no encoding: a reader refuses `(0, 0)`, a writer reports it.

use std::{
    collections::VecDeque,
    io::{Read, Write},
};

use halo2_proofs::{
    halo2curves::{
        CurveAffine,
        bn256::{Fq, Fr, G1Affine},
        ff::PrimeField,
        group::prime::PrimeCurveAffine,
    },
    transcript::{
        EncodedChallenge, Transcript, TranscriptRead, TranscriptReadBuffer, TranscriptWrite,
        TranscriptWriterBuffer,
    },
};

use assay_arithmetic::keccak256;

use super::phases::Schedule;

/// Separates this transcript from every other use of Keccak-256; `s_0` is its digest.
pub const DOMAIN: &[u8] = b"assay-keccak256-transcript-v1";

/// Bytes of a point in proofs and in the transcript.
pub const POINT_BYTES: usize = 64;
/// Bytes of a scalar in proofs and in the transcript.
pub const SCALAR_BYTES: usize = 32;

/// What is wrong with the bytes of a proof, or with what a prover tried to write.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TranscriptError {
    /// The proof ended where a point or scalar was expected.
    #[error("proof ends early: no complete {what} at byte {offset}")]
    Truncated {
        /// `"point"` or `"scalar"`.
        what: &'static str,
        /// Where in the proof it should have started.
        offset: usize,
    },
    /// A coordinate is not below the base field's modulus.
    #[error("point at byte {offset} has a coordinate that is not below the field modulus")]
    Coordinate {
        /// Where in the proof the point starts.
        offset: usize,
    },
    /// Not a solution of y^2 = x^3 + 3.
    #[error("point at byte {offset} is not on the curve")]
    OffCurve {
        /// Where in the proof the point starts.
        offset: usize,
    },
    /// The identity, which has no place in a proof.
    #[error("point at byte {offset} is the point at infinity")]
    Infinity {
        /// Where in the proof the point starts.
        offset: usize,
    },
    /// A scalar is not below the group order.
    #[error("scalar at byte {offset} is not below the group order r")]
    Scalar {
        /// Where in the proof the scalar starts.
        offset: usize,
    },
    /// The prover's polynomial is zero, so that its commitment is the identity.
    #[error(
        "the commitment number {index} of the proof is the point at infinity (a zero polynomial); \
         this circuit cannot be proven with this transcript"
    )]
    ProverInfinity {
        /// How many points were written before it.
        index: usize,
    },
}

impl From<TranscriptError> for std::io::Error {
    fn from(error: TranscriptError) -> Self {
        std::io::Error::other(error)
    }
}

/// A 256-bit big-endian integer modulo r.
pub fn scalar_from_digest(digest: &[u8; 32]) -> Fr {
    use halo2_proofs::halo2curves::ff::FromUniformBytes;
    let mut wide = [0u8; 64];
    for (to, from) in wide.iter_mut().zip(digest.iter().rev()) {
        *to = *from;
    }
    Fr::from_uniform_bytes(&wide)
}

/// Big-endian bytes of a scalar.
pub fn scalar_to_bytes(scalar: &Fr) -> [u8; SCALAR_BYTES] {
    let mut bytes: [u8; 32] = scalar.to_repr();
    bytes.reverse();
    bytes
}

/// The scalar with these big-endian bytes; `None` if they are r or above.
pub fn scalar_from_bytes(bytes: &[u8; SCALAR_BYTES]) -> Option<Fr> {
    let mut repr = *bytes;
    repr.reverse();
    Fr::from_repr(repr).into()
}

/// `x || y` big-endian; the identity is 64 zero bytes, as the EVM's precompiles have it.
pub fn point_to_bytes(point: &G1Affine) -> [u8; POINT_BYTES] {
    let mut bytes = [0u8; POINT_BYTES];
    let (x, y) = bytes.split_at_mut(32);
    x.copy_from_slice(&point.x.to_repr());
    x.reverse();
    y.copy_from_slice(&point.y.to_repr());
    y.reverse();
    bytes
}

/// Decodes a point other than the identity; `offset` only goes into the error.
///
/// # Errors
/// [`TranscriptError::Infinity`]; [`TranscriptError::Coordinate`] when a coordinate is not below
/// the base field's modulus; [`TranscriptError::OffCurve`].
pub fn point_from_bytes(
    bytes: &[u8; POINT_BYTES],
    offset: usize,
) -> Result<G1Affine, TranscriptError> {
    if bytes.iter().all(|byte| *byte == 0) {
        return Err(TranscriptError::Infinity { offset });
    }
    let coordinate = |half: &[u8]| -> Option<Fq> {
        let mut repr = [0u8; 32];
        for (to, from) in repr.iter_mut().zip(half.iter().rev()) {
            *to = *from;
        }
        Fq::from_repr(repr).into()
    };
    let (x, y) = bytes.split_at(32);
    let (Some(x), Some(y)) = (coordinate(x), coordinate(y)) else {
        return Err(TranscriptError::Coordinate { offset });
    };
    Option::from(G1Affine::from_xy(x, y)).ok_or(TranscriptError::OffCurve { offset })
}

/// A squeezed digest.
#[derive(Debug, Clone, Copy)]
pub struct KeccakChallenge([u8; 32]);

impl EncodedChallenge<G1Affine> for KeccakChallenge {
    type Input = [u8; 32];

    fn new(digest: &[u8; 32]) -> Self {
        Self(*digest)
    }

    fn get_scalar(&self) -> Fr {
        scalar_from_digest(&self.0)
    }
}

/// State shared by reader and writer: the chained digest and what was absorbed since.
#[derive(Debug, Clone)]
struct Chain {
    state: [u8; 32],
    absorbed: Vec<u8>,
    fault: Option<TranscriptError>,
    /// Points that went into the proof.
    points: usize,
    schedule: Schedule,
    phase: u8,
    /// Challenges drawn at the end of a phase, not yet asked for.
    drawn: VecDeque<KeccakChallenge>,
}

impl Chain {
    fn new(schedule: &Schedule) -> Self {
        Self {
            state: keccak256(&[DOMAIN]),
            absorbed: Vec::new(),
            fault: None,
            points: 0,
            schedule: schedule.clone(),
            phase: 0,
            drawn: VecDeque::new(),
        }
    }

    fn squeeze(&mut self) -> KeccakChallenge {
        match self.drawn.pop_front() {
            Some(challenge) => challenge,
            None => self.draw(),
        }
    }

    /// Counts a point of the proof and draws challenges at the end of a phase.
    fn count_point(&mut self) {
        self.points += 1;
        while self.phase < self.schedule.phases()
            && self.points == self.schedule.columns_through(self.phase)
        {
            for _ in 0..self.schedule.challenges_after(self.phase) {
                let challenge = self.draw();
                self.drawn.push_back(challenge);
            }
            self.phase += 1;
        }
    }

    fn draw(&mut self) -> KeccakChallenge {
        self.state = if self.absorbed.is_empty() {
            keccak256(&[&self.state, &[1]])
        } else {
            keccak256(&[&self.state, &self.absorbed])
        };
        self.absorbed.clear();
        KeccakChallenge(self.state)
    }

    fn point(&mut self, point: &G1Affine) -> [u8; POINT_BYTES] {
        let bytes = point_to_bytes(point);
        self.absorbed.extend_from_slice(&bytes);
        bytes
    }

    fn scalar(&mut self, scalar: &Fr) -> [u8; SCALAR_BYTES] {
        let bytes = scalar_to_bytes(scalar);
        self.absorbed.extend_from_slice(&bytes);
        bytes
    }

    /// Keeps the first fault: the library turns some errors into a bare "opening error".
    fn fail(&mut self, error: TranscriptError) -> std::io::Error {
        self.fault.get_or_insert(error);
        error.into()
    }
}

/// The verifier's side: reads proof elements from `reader`.
#[derive(Debug, Clone)]
pub struct KeccakRead<R> {
    chain: Chain,
    reader: R,
    offset: usize,
}

impl<R> KeccakRead<R> {
    /// Reads a proof of a circuit with these phases.
    pub fn new(reader: R, schedule: &Schedule) -> Self {
        Self { chain: Chain::new(schedule), reader, offset: 0 }
    }

    /// The first malformed element met, if any.
    pub fn fault(&self) -> Option<TranscriptError> {
        self.chain.fault
    }

    /// The stream behind, positioned after the last element read.
    pub fn into_reader(self) -> R {
        self.reader
    }
}

impl<R: Read> TranscriptReadBuffer<R, G1Affine, KeccakChallenge> for KeccakRead<R> {
    fn init(reader: R) -> Self {
        Self::new(reader, &Schedule::default())
    }
}

impl<R: Read> Transcript<G1Affine, KeccakChallenge> for KeccakRead<R> {
    fn squeeze_challenge(&mut self) -> KeccakChallenge {
        self.chain.squeeze()
    }

    fn common_point(&mut self, point: G1Affine) -> std::io::Result<()> {
        self.chain.point(&point);
        Ok(())
    }

    fn common_scalar(&mut self, scalar: Fr) -> std::io::Result<()> {
        self.chain.scalar(&scalar);
        Ok(())
    }
}

impl<R: Read> TranscriptRead<G1Affine, KeccakChallenge> for KeccakRead<R> {
    fn read_point(&mut self) -> std::io::Result<G1Affine> {
        let mut bytes = [0u8; POINT_BYTES];
        let offset = self.offset;
        if self.reader.read_exact(&mut bytes).is_err() {
            let what = "point";
            return Err(self.chain.fail(TranscriptError::Truncated { what, offset }));
        }
        self.offset += POINT_BYTES;
        let point = point_from_bytes(&bytes, offset).map_err(|error| self.chain.fail(error))?;
        self.chain.absorbed.extend_from_slice(&bytes);
        self.chain.count_point();
        Ok(point)
    }

    fn read_scalar(&mut self) -> std::io::Result<Fr> {
        let mut bytes = [0u8; SCALAR_BYTES];
        let offset = self.offset;
        if self.reader.read_exact(&mut bytes).is_err() {
            let what = "scalar";
            return Err(self.chain.fail(TranscriptError::Truncated { what, offset }));
        }
        self.offset += SCALAR_BYTES;
        let scalar = scalar_from_bytes(&bytes)
            .ok_or_else(|| self.chain.fail(TranscriptError::Scalar { offset }))?;
        self.chain.absorbed.extend_from_slice(&bytes);
        Ok(scalar)
    }
}

/// The prover's side: writes proof elements to `writer`.
///
/// The library unwraps the errors of most writes, so a point at infinity is remembered and
/// reported by [`KeccakWrite::finish`] instead.
#[derive(Debug, Clone)]
pub struct KeccakWrite<W> {
    chain: Chain,
    writer: W,
}

impl<W> KeccakWrite<W> {
    /// Writes a proof of a circuit with these phases.
    pub fn new(writer: W, schedule: &Schedule) -> Self {
        Self { chain: Chain::new(schedule), writer }
    }

    /// The stream behind, or what could not be encoded.
    ///
    /// # Errors
    /// [`TranscriptError::ProverInfinity`] when a commitment was the point at infinity.
    pub fn finish(self) -> Result<W, TranscriptError> {
        match self.chain.fault {
            None => Ok(self.writer),
            Some(error) => Err(error),
        }
    }
}

impl<W: Write> TranscriptWriterBuffer<W, G1Affine, KeccakChallenge> for KeccakWrite<W> {
    fn init(writer: W) -> Self {
        Self::new(writer, &Schedule::default())
    }

    fn finalize(self) -> W {
        self.writer
    }
}

impl<W: Write> Transcript<G1Affine, KeccakChallenge> for KeccakWrite<W> {
    fn squeeze_challenge(&mut self) -> KeccakChallenge {
        self.chain.squeeze()
    }

    fn common_point(&mut self, point: G1Affine) -> std::io::Result<()> {
        self.chain.point(&point);
        Ok(())
    }

    fn common_scalar(&mut self, scalar: Fr) -> std::io::Result<()> {
        self.chain.scalar(&scalar);
        Ok(())
    }
}

impl<W: Write> TranscriptWrite<G1Affine, KeccakChallenge> for KeccakWrite<W> {
    fn write_point(&mut self, point: G1Affine) -> std::io::Result<()> {
        if bool::from(point.is_identity()) {
            let index = self.chain.points;
            let _ = self.chain.fail(TranscriptError::ProverInfinity { index });
        }
        let bytes = self.chain.point(&point);
        self.chain.count_point();
        self.writer.write_all(&bytes)
    }

    fn write_scalar(&mut self, scalar: Fr) -> std::io::Result<()> {
        let bytes = self.chain.scalar(&scalar);
        self.writer.write_all(&bytes)
    }
}
