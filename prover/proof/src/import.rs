//! Imports KZG parameters that a ceremony made.

use std::{
    fs::File,
    io::{BufReader, Read, Seek, SeekFrom},
    path::Path,
    sync::Arc,
};

use halo2_proofs::{
    arithmetic::best_multiexp,
    halo2curves::{
        bn256::{Bn256, Fq, Fr, G1Affine, G2Affine},
        ff::{Field, PrimeField},
        group::{Curve, prime::PrimeCurveAffine},
        pairing::Engine,
        serde::SerdeObject,
    },
    poly::{
        EvaluationDomain,
        commitment::{Blind, Params, ParamsProver},
        kzg::commitment::ParamsKZG,
    },
};
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;
use rayon::prelude::*;

use assay_files::FileError;

use super::{
    srs::{G1_BYTES, G2_BYTES, MAX_K, Srs, SrsError},
    verifier_params::assemble,
};

impl Srs {
    /// Imports parameters in the library's own `params` layout (raw bytes), as other halo2
    /// projects publish them. Every point is checked, and that they are powers of one secret.
    ///
    /// # Errors
    /// [`SrsError::File`] when the file cannot be read or has another layout;
    /// [`SrsError::TooSmall`] when `k` is 0 or above the file's;
    /// [`SrsError::Inconsistent`] when a point fails its check.
    pub fn import_halo2(path: &Path, k: Option<u32>) -> Result<Self, SrsError> {
        let failed = |source| read_error(path, source);
        let file = File::open(path).map_err(failed)?;
        let length = file.metadata().map_err(failed)?.len();
        let mut file = BufReader::with_capacity(1 << 20, file);
        let mut word = [0u8; 4];
        file.read_exact(&mut word).map_err(failed)?;
        let found = u32::from_le_bytes(word);
        let expected = |k: u32| 4 + 2 * ((G1_BYTES as u64) << k) + 2 * G2_BYTES as u64;
        if !(1..=MAX_K).contains(&found) || expected(found) != length {
            let reason = format!("{length} bytes are not raw halo2 parameters for k = {found}");
            return Err(FileError::content(path, reason).into());
        }
        let asked = k.unwrap_or(found);
        if asked > found || asked == 0 {
            return Err(SrsError::TooSmall { path: path.to_owned(), found, asked });
        }
        let mut points = |count: usize, skip: usize| -> Result<Vec<G1Affine>, SrsError> {
            let mut bytes = vec![0u8; G1_BYTES * count];
            file.read_exact(&mut bytes).map_err(failed)?;
            let mut rest = Read::take(&mut file, (G1_BYTES * skip) as u64);
            std::io::copy(&mut rest, &mut std::io::sink()).map_err(failed)?;
            checked_points(&bytes).ok_or_else(|| inconsistent(path, "a point is not on the curve"))
        };
        let (n, rest) = (1usize << asked, (1usize << found) - (1usize << asked));
        let g = points(n, rest)?;
        let lagrange = points(n, rest)?;
        let mut bytes = [0u8; 2 * G2_BYTES];
        file.read_exact(&mut bytes).map_err(failed)?;
        let s_g2 = check_g2(path, &bytes)?;
        let lagrange = (asked == found).then_some(lagrange);
        Self::from_powers(path, asked, g, lagrange, s_g2)
    }

    /// Imports a snarkjs `.ptau` file (BN254), as published for the perpetual powers of tau. Every
    /// point that is used is checked, and that they are powers of one secret.
    ///
    /// The Lagrange form is computed, which for 2^17 points takes minutes; keep the result
    /// with [`Srs::write`].
    ///
    /// # Errors
    /// [`SrsError::File`] when the file cannot be read, is no `.ptau` file or of another curve;
    /// [`SrsError::TooSmall`] when `k` is above the file's, or not 1 to [`MAX_K`];
    /// [`SrsError::Inconsistent`] when a point fails its check.
    pub fn import_ptau(path: &Path, k: Option<u32>) -> Result<Self, SrsError> {
        let failed = |source| read_error(path, source);
        let mut file = BufReader::with_capacity(1 << 20, File::open(path).map_err(failed)?);
        let content = |reason: &str| FileError::content(path, reason);
        let (header, g1, g2) = ptau_sections(&mut file)
            .map_err(failed)?
            .ok_or_else(|| content("it is not a snarkjs powers-of-tau file"))?;

        file.seek(SeekFrom::Start(header)).map_err(failed)?;
        let mut bytes = [0u8; 4 + 32 + 4];
        file.read_exact(&mut bytes).map_err(failed)?;
        let (size, rest) = bytes.split_at(4);
        let (modulus, power) = rest.split_at(32);
        let mut q = (-Fq::ONE).to_repr();
        // q - 1 is even.
        q[0] += 1;
        if size != 32u32.to_le_bytes() || modulus != q {
            return Err(content("it is not for the curve BN254").into());
        }
        let found = little_endian(power) as u32;
        if !(1..=28).contains(&found) {
            return Err(content("its size is not valid").into());
        }
        let asked = k.unwrap_or(found.min(MAX_K));
        if asked > found || !(1..=MAX_K).contains(&asked) {
            let path = path.to_owned();
            return Err(SrsError::TooSmall { path, found, asked });
        }

        file.seek(SeekFrom::Start(g1)).map_err(failed)?;
        let mut bytes = vec![0u8; G1_BYTES << asked];
        file.read_exact(&mut bytes).map_err(failed)?;
        let g = checked_points(&bytes)
            .ok_or_else(|| inconsistent(path, "a point is not on the curve"))?;
        file.seek(SeekFrom::Start(g2)).map_err(failed)?;
        let mut bytes = [0u8; 2 * G2_BYTES];
        file.read_exact(&mut bytes).map_err(failed)?;
        let s_g2 = check_g2(path, &bytes)?;
        Self::from_powers(path, asked, g, None, s_g2)
    }

    /// Assembles ceremony parameters from points and checks that they belong together.
    fn from_powers(
        path: &Path,
        k: u32,
        g: Vec<G1Affine>,
        g_lagrange: Option<Vec<G1Affine>>,
        s_g2: G2Affine,
    ) -> Result<Self, SrsError> {
        check_powers(path, &g, &s_g2)?;
        let params = assemble(k, g, g_lagrange, s_g2);
        check_lagrange(path, &params)?;
        Ok(Self { params: Arc::new(params), dev_seed: None })
    }
}

fn inconsistent(path: &Path, reason: &'static str) -> SrsError {
    SrsError::Inconsistent { path: path.to_owned(), reason }
}

/// Decodes and checks points in raw form; `None` if one is not on the curve or is the identity.
fn checked_points(bytes: &[u8]) -> Option<Vec<G1Affine>> {
    bytes
        .par_chunks_exact(G1_BYTES)
        .map(|chunk| {
            G1Affine::from_raw_bytes(chunk).filter(|point| !bool::from(point.is_identity()))
        })
        .collect()
}

/// e(sum c_i g_{i+1}, `[1]_2`) = e(sum c_i g_i, `[s]_2`) for random c: all ratios are s.
fn check_powers(path: &Path, g: &[G1Affine], s_g2: &G2Affine) -> Result<(), SrsError> {
    let (Some(first), [_, upper @ ..]) = (g.first(), g) else {
        return Err(inconsistent(path, "there are no points"));
    };
    if *first != G1Affine::generator() {
        return Err(inconsistent(path, "[1]_1 is not the generator"));
    }
    let mut rng = ChaCha20Rng::from_entropy();
    let weights: Vec<Fr> = upper.iter().map(|_| Fr::random(&mut rng)).collect();
    let high = best_multiexp(&weights, upper).to_affine();
    let low = best_multiexp(&weights, &g[..upper.len()]).to_affine();
    if Bn256::pairing(&high, &G2Affine::generator()) != Bn256::pairing(&low, s_g2) {
        return Err(inconsistent(path, "the points are not powers of the secret in [s]_2"));
    }
    Ok(())
}

/// A random polynomial has the same commitment in both forms.
fn check_lagrange(path: &Path, params: &ParamsKZG<Bn256>) -> Result<(), SrsError> {
    let mut rng = ChaCha20Rng::from_entropy();
    let domain = EvaluationDomain::<Fr>::new(1, params.k());
    let values = (0..1usize << params.k()).map(|_| Fr::random(&mut rng)).collect();
    let lagrange = domain.lagrange_from_vec(values);
    let left = params.commit_lagrange(&lagrange, Blind::default());
    let coefficients = domain.lagrange_to_coeff(lagrange);
    if left != params.commit(&coefficients, Blind::default()) {
        return Err(inconsistent(path, "the Lagrange form does not match the coefficient form"));
    }
    Ok(())
}

fn read_error(path: &Path, source: std::io::Error) -> FileError {
    FileError::Read { path: path.to_owned(), source }
}

fn little_endian(bytes: &[u8]) -> u64 {
    bytes.iter().rev().fold(0, |value, byte| value << 8 | u64::from(*byte))
}

/// Where the header, the powers in G1 and those in G2 start; `None` if it is no such file.
///
/// The file is `"ptau"`, version 1, the number of sections, then sections of a type (4 bytes), a
/// length (8 bytes) and content. 1 is the header, 2 holds tau^i G1, 3 tau^i G2.
fn ptau_sections(file: &mut (impl Read + Seek)) -> std::io::Result<Option<(u64, u64, u64)>> {
    let mut start = [0u8; 12];
    file.read_exact(&mut start)?;
    let (magic, rest) = start.split_at(4);
    let (version, sections) = rest.split_at(4);
    let sections = little_endian(sections);
    if magic != b"ptau" || little_endian(version) != 1 || sections > 64 {
        return Ok(None);
    }
    let mut places = [None; 3];
    for _ in 0..sections {
        let mut section = [0u8; 12];
        file.read_exact(&mut section)?;
        let (kind, length) = section.split_at(4);
        let place = file.stream_position()?;
        if let Some(slot) =
            (little_endian(kind) as usize).checked_sub(1).and_then(|index| places.get_mut(index))
        {
            *slot = Some(place);
        }
        let Some(next) = place.checked_add(little_endian(length)) else {
            return Ok(None);
        };
        file.seek(SeekFrom::Start(next))?;
    }
    let [Some(header), Some(g1), Some(g2)] = places else {
        return Ok(None);
    };
    Ok(Some((header, g1, g2)))
}

/// Checks `[1]_2` and `[s]_2` in raw form and returns the latter.
fn check_g2(path: &Path, bytes: &[u8; 2 * G2_BYTES]) -> Result<G2Affine, SrsError> {
    let (g2, s_g2) = bytes.split_at(G2_BYTES);
    let (Some(g2), Some(s_g2)) = (G2Affine::from_raw_bytes(g2), G2Affine::from_raw_bytes(s_g2))
    else {
        return Err(inconsistent(path, "a point of G2 is not on the curve"));
    };
    if g2 != G2Affine::generator() {
        return Err(inconsistent(path, "[1]_2 is not the generator"));
    }
    Ok(s_g2)
}
