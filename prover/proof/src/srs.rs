//! KZG parameters: powers of tau in G1, in coefficient and Lagrange form, and `[1]_2`, `[s]_2`.
//!
//! A development setup is made here from a seed, so whoever knows the seed can forge proofs; it is
//! marked as such in the file. Parameters of a ceremony are imported, see [`super::import`].
//!
//! Body of the file: k (4 bytes, little-endian), flags (4 bytes, bit 0: development setup), seed
//! of a development setup (32 bytes, else zero), then 2^k points in coefficient form, 2^k points
//! in Lagrange form, `[1]_2` and `[s]_2`, all uncompressed in the library's internal (Montgomery,
//! little-endian) form.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use halo2_proofs::{
    halo2curves::{
        bn256::{Bn256, Fr, G1Affine, G2Affine},
        ff::{Field, PrimeField},
        serde::SerdeObject,
    },
    poly::kzg::commitment::ParamsKZG,
};
use rand_chacha::ChaCha20Rng;
use rand_core::{OsRng, RngCore, SeedableRng};
use rayon::prelude::*;

use assay_arithmetic::keccak256;

use assay_kernels::{Bases, Kernels, kernels};

use assay_files::{FileError, Kind, Reader, Writer, check_belongs};

use super::{
    ceremony::{Ceremony, setup_id},
    domain::root_of_unity,
    fixed_base::FixedBase,
    group_fft::to_lagrange,
    verifier_params::assemble,
};

/// Largest k that a file may claim: 2^24 rows are 2 GiB of parameters.
pub const MAX_K: u32 = 24;

pub(super) const G1_BYTES: usize = 64;
pub(super) const G2_BYTES: usize = 128;
const FLAG_DEV: u32 = 1;
pub(super) const SRS: Kind = Kind::public(*b"ASSAYSRS", "KZG parameters");

/// KZG parameters for polynomials of 2^k coefficients.
#[derive(Debug, Clone)]
pub struct Srs {
    k: u32,
    monomial: Arc<Bases>,
    lagrange: Arc<Bases>,
    s_g2: G2Affine,
    dev_seed: Option<[u8; 32]>,
}

/// Why parameters are not available.
#[derive(Debug, thiserror::Error)]
pub enum SrsError {
    /// Reading or writing failed.
    #[error(transparent)]
    File(#[from] FileError),
    /// More rows than the parameters allow.
    #[error(
        "{path} holds parameters for k = {found}, k = {asked} is needed; make or get larger ones"
    )]
    TooSmall {
        /// The file.
        path: PathBuf,
        /// k of the file.
        found: u32,
        /// k asked for.
        asked: u32,
    },
    /// k out of range.
    #[error("k = {0} is out of range; between 1 and {MAX_K} is supported")]
    K(u32),
    /// The file is another one than a moment ago.
    #[error("{path} changed while it was read; nothing that follows from it is used")]
    Changed {
        /// The file.
        path: PathBuf,
    },
    /// Imported points are not powers of one secret.
    #[error("{path} does not hold consistent parameters: {reason}")]
    Inconsistent {
        /// The file.
        path: PathBuf,
        /// Which check failed.
        reason: &'static str,
    },
}

impl Srs {
    /// A development setup: the secret is derived from the seed. **Whoever knows the seed can
    /// forge proofs.** The same seed gives the same secret for every k.
    ///
    /// # Errors
    /// [`SrsError::K`] unless `k` is 1 to [`MAX_K`].
    pub fn dev(k: u32, seed: [u8; 32]) -> Result<Self, SrsError> {
        if !(1..=MAX_K).contains(&k) {
            return Err(SrsError::K(k));
        }
        let secret = dev_secret(&seed);
        let n = 1usize << k;
        let table = FixedBase::new(G1Affine::generator(), k);
        let mut scalars = vec![Fr::ZERO; n];
        par_chunks(&mut scalars, |start, chunk| {
            let mut power = secret.pow_vartime([start as u64]);
            for scalar in chunk {
                *scalar = power;
                power *= secret;
            }
        });
        let g = table.multiply(&scalars);

        // l_i(s) = (s^n - 1) / n * omega^i / (s - omega^i)
        let omega = root_of_unity(k);
        let factor =
            (secret.pow_vartime([n as u64]) - Fr::ONE) * Fr::TWO_INV.pow_vartime([u64::from(k)]);
        par_chunks(&mut scalars, |start, chunk| {
            let first = omega.pow_vartime([start as u64]);
            let mut power = first;
            for scalar in chunk.iter_mut() {
                *scalar = secret - power;
                power *= omega;
            }
            halo2_proofs::halo2curves::ff::BatchInvert::batch_invert(chunk.iter_mut());
            let mut power = first * factor;
            for scalar in chunk {
                *scalar *= power;
                power *= omega;
            }
        });
        let g_lagrange = table.multiply(&scalars);
        let s_g2 = G2Affine::from(G2Affine::generator() * secret);
        let (monomial, lagrange) = (Bases::new(kernels(), &g), Bases::new(kernels(), &g_lagrange));
        Ok(Self::of(k, monomial, lagrange, s_g2, Some(seed)))
    }

    /// A development setup with a seed from the operating system.
    ///
    /// # Errors
    /// [`SrsError::K`] unless `k` is 1 to [`MAX_K`].
    pub fn dev_random(k: u32) -> Result<Self, SrsError> {
        let mut seed = [0u8; 32];
        OsRng.fill_bytes(&mut seed);
        Self::dev(k, seed)
    }

    fn of(
        k: u32,
        monomial: Bases,
        lagrange: Bases,
        s_g2: G2Affine,
        dev_seed: Option<[u8; 32]>,
    ) -> Self {
        let (monomial, lagrange) = (Arc::new(monomial), Arc::new(lagrange));
        Self { k, monomial, lagrange, s_g2, dev_seed }
    }

    /// The same parameters for other kernels.
    pub fn with_kernels(&self, kernels: &'static dyn Kernels) -> Self {
        let bases = |bases: &Bases| Bases::new(kernels, &bases.to_points());
        let (monomial, lagrange) = (bases(&self.monomial), bases(&self.lagrange));
        Self::of(self.k, monomial, lagrange, self.s_g2, self.dev_seed)
    }

    /// What computes with these parameters.
    pub fn kernels(&self) -> &'static dyn Kernels {
        self.monomial.kernels()
    }

    /// `[s^i]_1`: commits to coefficients.
    pub fn monomial(&self) -> &Bases {
        &self.monomial
    }

    /// `[l_i(s)]_1`: commits to values by rows.
    pub fn lagrange(&self) -> &Bases {
        &self.lagrange
    }

    /// `[s]_2`.
    pub fn s_g2(&self) -> G2Affine {
        self.s_g2
    }

    /// A copy in the library's form.
    pub fn to_library(&self) -> ParamsKZG<Bn256> {
        let lagrange = Some(self.lagrange.to_points());
        assemble(self.k, self.monomial.to_points(), lagrange, self.s_g2)
    }

    /// Logarithm of the number of coefficients.
    pub fn k(&self) -> u32 {
        self.k
    }

    /// Whether this setup was made with a seed that it holds. That it was not says nothing: see
    /// [`Srs::ceremony`].
    pub fn is_dev(&self) -> bool {
        self.dev_seed.is_some()
    }

    /// Identifies the secret, whatever k: Keccak-256 of `[s]_2`.
    pub fn id(&self) -> [u8; 32] {
        setup_id(&self.s_g2)
    }

    /// The ceremony whose point this setup has. Without one somebody may know the secret.
    pub fn ceremony(&self) -> Option<&'static Ceremony> {
        Ceremony::of(&self.id())
    }

    /// Writes the file, over one that is there.
    ///
    /// # Errors
    /// [`SrsError::File`] when the file cannot be written.
    pub fn write(&self, path: &Path) -> Result<(), SrsError> {
        Ok(self.fill(path)?.finish()?)
    }

    /// Writes the file where nothing may be.
    ///
    /// # Errors
    /// [`SrsError::File`] when something is there, or the file cannot be written.
    pub fn write_new(&self, path: &Path) -> Result<(), SrsError> {
        Ok(self.fill(path)?.finish_new()?)
    }

    fn fill(&self, path: &Path) -> Result<Writer, SrsError> {
        let mut writer = start_file(path, self.k(), self.dev_seed, &self.id())?;
        for bases in [&self.monomial, &self.lagrange] {
            write_g1(&mut writer, path, bases)?;
        }
        for point in [G2Affine::generator(), self.s_g2] {
            writer.put(&point.to_raw_bytes())?;
        }
        Ok(writer)
    }

    /// The setup id that a file claims in its header, without reading the points: see
    /// [`Srs::check_file`].
    ///
    /// # Errors
    /// As [`Srs::read_k`].
    pub fn read_id(path: &Path) -> Result<[u8; 32], SrsError> {
        let mut reader = Reader::open(path, SRS)?;
        read_header(&mut reader)?;
        Ok(*reader.belongs_to())
    }

    /// k of a file, without reading the points.
    ///
    /// # Errors
    /// [`SrsError::File`] when the file cannot be read or does not hold parameters.
    pub fn read_k(path: &Path) -> Result<u32, SrsError> {
        let mut reader = Reader::open(path, SRS)?;
        read_header(&mut reader).map(|(k, _)| k)
    }

    /// Reads a file for circuits of 2^k rows (all of it, if `k` is `None`).
    ///
    /// A smaller k than the file's costs a transform over the group for ceremony parameters (seconds
    /// for 2^14 points, minutes from 2^18 on), so import for the k that is needed, or keep the result
    /// with [`Srs::write`]; a development setup is made again from its seed.
    ///
    /// # Errors
    /// [`SrsError::File`] when the file cannot be read, is damaged or does not hold parameters;
    /// [`SrsError::TooSmall`] when `k` is above the file's; [`SrsError::K`] when a development
    /// setup is read for a `k` of 0.
    pub fn read(path: &Path, k: Option<u32>) -> Result<Self, SrsError> {
        let mut reader = Reader::open(path, SRS)?;
        let (found, dev_seed) = read_header(&mut reader)?;
        let asked = k.unwrap_or(found);
        if asked > found {
            return Err(SrsError::TooSmall { path: path.to_owned(), found, asked });
        }
        if let Some(seed) = dev_seed
            && asked < found
        {
            let left = reader.left();
            reader.skip(left)?;
            let belongs_to = *reader.belongs_to();
            reader.finish()?;
            let srs = Self::dev(asked, seed)?;
            check_belongs(path, "KZG secret", &belongs_to, &srs.id())?;
            return Ok(srs);
        }
        let skipped = ((1u64 << found) - (1u64 << asked)) * G1_BYTES as u64;
        let monomial = read_g1(&mut reader, 1 << asked)?;
        reader.skip(skipped)?;
        let lagrange = if asked == found {
            read_g1(&mut reader, 1 << asked)?
        } else {
            reader.skip((G1_BYTES as u64) << found)?;
            Bases::new(kernels(), &to_lagrange(&monomial.to_points(), asked, &|_| ()))
        };
        let _g2 = read_g2(&mut reader)?;
        let s_g2 = read_g2(&mut reader)?;
        let belongs_to = *reader.belongs_to();
        reader.finish()?;
        let srs = Self::of(asked, monomial, lagrange, s_g2, dev_seed);
        check_belongs(path, "KZG secret", &belongs_to, &srs.id())?;
        Ok(srs)
    }
}

pub(super) fn dev_secret(seed: &[u8; 32]) -> Fr {
    let domain = keccak256(&[b"assay-dev-setup-v1", seed]);
    Fr::random(ChaCha20Rng::from_seed(domain))
}

fn par_chunks(values: &mut [Fr], fill: impl Fn(usize, &mut [Fr]) + Sync) {
    const CHUNK: usize = 1 << 12;
    values.par_chunks_mut(CHUNK).enumerate().for_each(|(index, chunk)| fill(index * CHUNK, chunk));
}

/// A file of ours up to its points.
pub(super) fn start_file(
    path: &Path,
    k: u32,
    dev_seed: Option<[u8; 32]>,
    id: &[u8; 32],
) -> Result<Writer, SrsError> {
    let body = 40 + 2 * ((G1_BYTES as u64) << k) + 2 * G2_BYTES as u64;
    let mut writer = Writer::create(path, SRS, id, body)?;
    writer.put(&k.to_le_bytes())?;
    let flags = if dev_seed.is_some() { FLAG_DEV } else { 0 };
    writer.put(&flags.to_le_bytes())?;
    writer.put(&dev_seed.unwrap_or_default())?;
    Ok(writer)
}

pub(super) fn read_header(reader: &mut Reader) -> Result<(u32, Option<[u8; 32]>), SrsError> {
    let path = reader.path().to_owned();
    let k = reader.take_u32()?;
    let flags = reader.take_u32()?;
    let mut seed = [0u8; 32];
    reader.take(&mut seed)?;
    if !(1..=MAX_K).contains(&k) || flags & !FLAG_DEV != 0 {
        let reason = format!("k = {k} with flags {flags} is not supported");
        return Err(FileError::content(&path, reason).into());
    }
    let expected = 2 * ((G1_BYTES as u64) << k) + 2 * G2_BYTES as u64;
    if reader.left() != expected {
        let reason = format!("it is too short or too long for k = {k}");
        return Err(FileError::content(&path, reason).into());
    }
    Ok((k, (flags == FLAG_DEV).then_some(seed)))
}

/// Points read or written at a time (1 MiB).
const BLOCK_POINTS: usize = 1 << 14;

fn read_g1(reader: &mut Reader, count: usize) -> Result<Bases, SrsError> {
    let mut bases = Bases::with_capacity(kernels(), count);
    let mut block = vec![0u8; BLOCK_POINTS.min(count) * G1_BYTES];
    while bases.len() < count {
        let bytes = &mut block[..BLOCK_POINTS.min(count - bases.len()) * G1_BYTES];
        reader.take(bytes)?;
        let points: Vec<_> =
            bytes.chunks_exact(G1_BYTES).map(G1Affine::from_raw_bytes_unchecked).collect();
        bases.extend(&points);
    }
    Ok(bases)
}

fn write_g1(writer: &mut Writer, path: &Path, bases: &Bases) -> Result<(), FileError> {
    let mut block = Vec::with_capacity(BLOCK_POINTS * G1_BYTES);
    for start in (0..bases.len()).step_by(BLOCK_POINTS) {
        block.clear();
        for index in start..bases.len().min(start + BLOCK_POINTS) {
            let written = bases.get(index).write_raw(&mut block);
            written.map_err(|source| FileError::Write { path: path.to_owned(), source })?;
        }
        writer.put(&block)?;
    }
    Ok(())
}

pub(super) fn read_g2(reader: &mut Reader) -> Result<G2Affine, SrsError> {
    let mut bytes = [0u8; G2_BYTES];
    reader.take(&mut bytes)?;
    G2Affine::from_raw_bytes(&bytes).ok_or_else(|| {
        FileError::content(reader.path(), "a point of G2 is not on the curve").into()
    })
}
