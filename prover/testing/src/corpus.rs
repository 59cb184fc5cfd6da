//! Every way in which a proof can be wrong: the native verifier and the contract refuse alike, and
//! name the same reason and place.

use halo2_proofs::halo2curves::{
    bn256::{Fq, Fr, G1Affine},
    ff::{Field, PrimeField},
};

use assay_solidity::selector;

use crate::{deployed::Deployed, evm::Outcome};
use assay_proof::{
    VerifierKey, VerifyError, public_inputs,
    transcript::{POINT_BYTES, TranscriptError, point_to_bytes},
};

/// What a verifier says.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Verdict {
    Accepted(Vec<u8>),
    Length,
    Count,
    Input(usize),
    Scalar(usize),
    Point(usize),
    Invalid,
    Other(String),
}

fn native(key: &VerifierKey, proof: &[u8], inputs: &[[u8; 32]]) -> Verdict {
    let verified = public_inputs(inputs).and_then(|inputs| key.verify(&inputs, proof));
    match verified {
        Ok(hash) => Verdict::Accepted(hash.to_vec()),
        Err(VerifyError::Length { .. }) => Verdict::Length,
        Err(VerifyError::PublicInputs { .. }) => Verdict::Count,
        Err(VerifyError::PublicInput(index)) => Verdict::Input(index),
        Err(VerifyError::Malformed(TranscriptError::Scalar { offset })) => Verdict::Scalar(offset),
        Err(VerifyError::Malformed(
            TranscriptError::Coordinate { offset }
            | TranscriptError::OffCurve { offset }
            | TranscriptError::Infinity { offset },
        )) => Verdict::Point(offset),
        Err(VerifyError::Invalid) => Verdict::Invalid,
        Err(other) => Verdict::Other(other.to_string()),
    }
}

fn on_chain(outcome: &Outcome) -> Verdict {
    let data = match &outcome.result {
        Ok(hash) => return Verdict::Accepted(hash.clone()),
        Err(data) => data,
    };
    let Some((id, argument)) = data.split_first_chunk::<4>() else {
        return Verdict::Other(hex::encode(data));
    };
    let id = u32::from_be_bytes(*id);
    let argument = argument.iter().fold(0usize, |value, byte| value << 8 | usize::from(*byte));
    let is = |signature| id == selector(signature);
    if is("ProofLength()") {
        Verdict::Length
    } else if is("PublicInputCount()") {
        Verdict::Count
    } else if is("PublicInputNotInField(uint256)") {
        Verdict::Input(argument)
    } else if is("ScalarNotInField(uint256)") {
        Verdict::Scalar(argument)
    } else if is("PointNotOnCurve(uint256)") {
        Verdict::Point(argument)
    } else if is("ProofInvalid()") {
        Verdict::Invalid
    } else {
        Verdict::Other(hex::encode(data))
    }
}

fn big_endian(repr: [u8; 32]) -> [u8; 32] {
    let mut bytes = repr;
    bytes.reverse();
    bytes
}

/// `bytes + 1`.
fn successor(mut bytes: [u8; 32]) -> [u8; 32] {
    for byte in bytes.iter_mut().rev() {
        let (sum, carry) = byte.overflowing_add(1);
        *byte = sum;
        if !carry {
            break;
        }
    }
    bytes
}

/// A good proof and both verifiers.
pub struct Corpus {
    /// Key of the native verifier.
    pub key: VerifierKey,
    /// The contract that verifies with the same key, on a chain of its own.
    pub deployed: Deployed,
    /// Bytes of the good proof.
    pub proof: Vec<u8>,
    /// Its public inputs, as big-endian words.
    pub inputs: Vec<[u8; 32]>,
    /// Number of damaged proofs refused so far; starts at 0.
    pub cases: usize,
}

impl Corpus {
    fn refused(&mut self, proof: &[u8], inputs: &[[u8; 32]], what: &str) -> Verdict {
        let verdict = native(&self.key, proof, inputs);
        let outcome = self.deployed.verify(proof, inputs);
        assert_eq!(verdict, on_chain(&outcome), "{what}");
        assert!(
            !matches!(verdict, Verdict::Accepted(_) | Verdict::Other(_)),
            "{what}: {verdict:?}"
        );
        self.cases += 1;
        verdict
    }

    fn refused_with(&mut self, range: std::ops::Range<usize>, with: &[u8], what: &str) -> Verdict {
        let mut proof = self.proof.clone();
        assert_ne!(&proof[range.clone()], with, "{what}: nothing changed");
        proof[range.clone()].copy_from_slice(with);
        self.refused(&proof, &self.inputs.clone(), &format!("{what} at {range:?}"))
    }
}

/// Where the pieces of a proof lie.
struct Places {
    /// First byte of each point.
    points: Vec<usize>,
    /// First byte of each scalar.
    scalars: Vec<usize>,
}

impl Places {
    fn new(key: &VerifierKey) -> Self {
        let profile = key.info().profile();
        let (first_points, scalars) = (profile.proof_points() - 2, profile.proof_scalars());
        let scalars_start = first_points * POINT_BYTES;
        let openings = scalars_start + scalars * 32;
        let points = (0..first_points).map(|index| index * POINT_BYTES);
        Self {
            points: points.chain([openings, openings + POINT_BYTES]).collect(),
            scalars: (0..scalars).map(|index| scalars_start + index * 32).collect(),
        }
    }
}

/// The order of the points' field, q, which no coordinate reaches.
fn coordinate_bound() -> [u8; 32] {
    successor(big_endian((-Fq::ONE).to_repr()))
}

/// The order of the scalars' field, r, which no scalar reaches.
fn scalar_bound() -> [u8; 32] {
    successor(big_endian((-Fr::ONE).to_repr()))
}

/// The sum as a number of 256 bits, which it must fit.
fn sum(left: &[u8], right: [u8; 32]) -> [u8; 32] {
    let mut word = [0u8; 32];
    let mut carry = 0;
    for index in (0..32).rev() {
        let sum = u32::from(left[index]) + u32::from(right[index]) + carry;
        word[index] = sum as u8;
        carry = sum >> 8;
    }
    assert_eq!(carry, 0);
    word
}

impl Corpus {
    /// Every region of the proof and of the public inputs, damaged in every way.
    pub fn refuse_all(mut self) {
        let (proof, inputs) = (self.proof.clone(), self.inputs.clone());
        let good = self.deployed.verify(&proof, &inputs);
        assert_eq!(on_chain(&good), native(&self.key, &proof, &inputs));
        assert!(good.result.is_ok());

        let places = Places::new(&self.key);
        for at in places.points {
            self.refuse_points(at);
        }
        for (index, at) in places.scalars.iter().enumerate() {
            self.refuse_scalars(index, *at);
        }
        self.refuse_lengths(places.scalars[0]);
        for index in 0..inputs.len() {
            self.refuse_inputs(index);
        }
        let mut more = inputs;
        more.push([0; 32]);
        assert_eq!(self.refused(&proof, &more, "more inputs"), Verdict::Count);
        assert_eq!(self.refused(&proof, &[], "no inputs"), Verdict::Count);
        println!("{} malformed proofs refused alike", self.cases);
    }

    /// The point at this byte of the proof.
    fn refuse_points(&mut self, at: usize) {
        let proof = self.proof.clone();
        let range = at..at + POINT_BYTES;
        for byte in [0, 15, 31, 32, 47, 63] {
            let flipped = proof[at + byte] ^ (1 << (byte % 8));
            let verdict = self.refused_with(at + byte..at + byte + 1, &[flipped], "flipped bit");
            assert_eq!(verdict, Verdict::Point(at));
        }
        let mut negated = proof[range.clone()].to_vec();
        let mut y: [u8; 32] = negated[32..].try_into().unwrap();
        y.reverse();
        negated[32..].copy_from_slice(&big_endian((-Fq::from_repr(y).unwrap()).to_repr()));
        assert_eq!(self.refused_with(range.clone(), &negated, "negated"), Verdict::Invalid);
        let other = point_to_bytes(&G1Affine::from(G1Affine::generator() * Fr::from(77)));
        assert_eq!(self.refused_with(range.clone(), &other, "another point"), Verdict::Invalid);
        let q = coordinate_bound();
        for (value, what) in [
            ([0; 64], "infinity"),
            ([0xff; 64], "all ones"),
            ([q, q].concat().try_into().unwrap(), "infinity, not reduced"),
        ] {
            let verdict = self.refused_with(range.clone(), &value, what);
            assert_eq!(verdict, Verdict::Point(at));
        }
        // x + q and y + q are the same point to a sloppy decoder, where they fit a word.
        for half in [at..at + 32, at + 32..at + 64] {
            let word = sum(&proof[half.clone()], q);
            let verdict = self.refused_with(half, &word, "coordinate plus q");
            assert_eq!(verdict, Verdict::Point(at));
        }
    }

    /// The scalar with this index, at this byte of the proof.
    fn refuse_scalars(&mut self, index: usize, at: usize) {
        let range = at..at + 32;
        for byte in [1, 16, 31] {
            let flipped = self.proof[at + byte] ^ (1 << (index % 8));
            let verdict = self.refused_with(at + byte..at + byte + 1, &[flipped], "flipped bit");
            assert!(matches!(verdict, Verdict::Invalid | Verdict::Scalar(_)));
        }
        let r = scalar_bound();
        for (value, what) in [(r, "r"), (successor(r), "r + 1"), ([0xff; 32], "all ones")] {
            let verdict = self.refused_with(range.clone(), &value, what);
            assert_eq!(verdict, Verdict::Scalar(at));
        }
        assert_eq!(self.refused_with(range, &[0; 32], "zero"), Verdict::Invalid);
    }

    /// Proofs that end early, such as before the scalars, or late.
    fn refuse_lengths(&mut self, scalars_start: usize) {
        let (proof, inputs) = (self.proof.clone(), self.inputs.clone());
        for length in [0, 1, 31, 32, 63, 64, scalars_start, proof.len() - 32, proof.len() - 1] {
            assert_eq!(self.refused(&proof[..length], &inputs, "truncated"), Verdict::Length);
        }
        for extra in [1, 31, 32, 64, 1000] {
            let mut long = proof.clone();
            long.resize(proof.len() + extra, 0);
            assert_eq!(self.refused(&long, &inputs, "extended"), Verdict::Length);
        }
    }

    /// The public input with this index.
    fn refuse_inputs(&mut self, index: usize) {
        let (proof, inputs) = (self.proof.clone(), self.inputs.clone());
        for byte in [1, 16, 31] {
            let mut changed = inputs.clone();
            changed[index][byte] ^= 0x10;
            let verdict = self.refused(&proof, &changed, "public input");
            assert!(matches!(verdict, Verdict::Invalid | Verdict::Input(_)));
        }
        let r = scalar_bound();
        for value in [r, successor(r), [0xff; 32]] {
            let mut changed = inputs.clone();
            changed[index] = value;
            let verdict = self.refused(&proof, &changed, "public input");
            assert_eq!(verdict, Verdict::Input(index));
        }
        let mut fewer = inputs;
        fewer.remove(index);
        assert_eq!(self.refused(&proof, &fewer, "fewer inputs"), Verdict::Count);
    }
}
