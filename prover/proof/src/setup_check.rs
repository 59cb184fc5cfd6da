//! Whether parameters are what they claim to be: powers of one secret, in both forms, in one pass.
//!
//! Each family of equations is checked at once, with the powers of a random number as weights. Parameters of
//! which one equation fails pass only if the number is a root of a polynomial of degree below n = 2^k, so
//! with a chance below n / r, for k = 24 about 2^-229. The points are taken in blocks and not kept.
//!
//! * Powers: with `A = sum rho^i g_i`, the sum of all but the last term is to `(A - g_0) / rho` as `[1]_2` to
//!   `[s]_2`, so each point is `s` times the one before it.
//! * Lagrange form: the polynomial with the value `sigma^i` at `omega^i` has the coefficients
//!   `c_j = (sigma^n - 1) / (n (sigma omega^-j - 1))`, so `sum sigma^i L_i = sum c_j g_j`.

use std::path::Path;

use halo2_proofs::{
    arithmetic::best_multiexp,
    halo2curves::{
        bn256::{Bn256, Fr, G1, G1Affine, G2Affine},
        ff::{BatchInvert, Field, PrimeField},
        group::{Curve, Group, prime::PrimeCurveAffine},
        pairing::Engine,
        serde::SerdeObject,
    },
};
use rand_core::OsRng;
use rayon::prelude::*;

use assay_files::{Reader, check_belongs};

use super::{
    ceremony::{in_subgroup, setup_id},
    domain::root_of_unity,
    srs::{G1_BYTES, SRS, Srs, SrsError, dev_secret, read_g2, read_header},
};

/// Points read, checked and passed on at a time: with the sums' buckets about 10 MiB.
pub(super) const BLOCK: usize = 1 << 15;

/// What [`Srs::check_file`] found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CheckedSetup {
    /// Logarithm of the number of coefficients.
    pub k: u32,
    /// Keccak-256 of `[s]_2`, as [`Srs::id`].
    pub id: [u8; 32],
}

impl Srs {
    /// Checks a file by pairings: that its points are on the curve and in the group of order r, and that
    /// they are the powers of the one secret in `[s]_2`, in both forms. [`Srs::read`] checks only that the
    /// file is whole, so a file from a stranger may have the `[s]_2` of a ceremony and other points; what
    /// is committed to with those binds nobody. Reads the file once, in blocks, and calls `progress` with
    /// the points done and their number.
    ///
    /// # Errors
    /// [`SrsError::File`] when the file cannot be read, is damaged or does not hold parameters;
    /// [`SrsError::Inconsistent`] when a check fails.
    pub fn check_file(path: &Path, progress: &dyn Fn(u64, u64)) -> Result<CheckedSetup, SrsError> {
        let failed = |reason| SrsError::Inconsistent { path: path.to_owned(), reason };
        let mut reader = Reader::open(path, SRS)?;
        let (k, dev_seed) = read_header(&mut reader)?;
        let (n, mut done) = (1usize << k, 0);
        let mut check = SetupCheck::new(k);
        let mut bytes = vec![0u8; BLOCK.min(n) * G1_BYTES];
        for add in [SetupCheck::add_powers, SetupCheck::add_lagrange] {
            for start in (0..n).step_by(BLOCK) {
                let count = BLOCK.min(n - start);
                let bytes = &mut bytes[..count * G1_BYTES];
                reader.take(bytes)?;
                add(&mut check, &decode_raw(bytes).map_err(failed)?).map_err(failed)?;
                done += count as u64;
                progress(done, 2 * n as u64);
            }
        }
        let g2 = read_g2(&mut reader)?;
        let s_g2 = read_g2(&mut reader)?;
        let belongs_to = *reader.belongs_to();
        reader.finish()?;
        check_g2(&g2, &s_g2).map_err(failed)?;
        check.finish(&s_g2).map_err(failed)?;
        if dev_seed.is_some_and(|seed| G2Affine::from(g2 * dev_secret(&seed)) != s_g2) {
            return Err(failed("they are not made from the seed in its header"));
        }
        let id = setup_id(&s_g2);
        check_belongs(path, "KZG secret", &belongs_to, &id)?;
        Ok(CheckedSetup { k, id })
    }
}

/// Sums over the points seen so far. Failed checks are sentences about "the parameters".
pub(super) struct SetupCheck {
    k: u32,
    omega_inv: Fr,
    rho: Fr,
    sigma: Fr,
    /// `rho^i`, of the next power.
    rho_power: Fr,
    /// `sigma omega^-j`, of the next power.
    sigma_turned: Fr,
    /// `sigma^i`, of the next Lagrange point.
    sigma_power: Fr,
    powers: u64,
    lagrange: u64,
    last: G1Affine,
    /// `sum rho^i g_i`.
    by_rho: G1,
    /// `sum g_j / (sigma omega^-j - 1)`.
    expected: G1,
    /// `sum sigma^i L_i`.
    by_sigma: G1,
}

impl SetupCheck {
    /// For 2^k points in each form, with fresh random numbers.
    pub(super) fn new(k: u32) -> Self {
        let mut rho = Fr::ZERO;
        while bool::from(rho.is_zero()) {
            rho = Fr::random(OsRng);
        }
        // In the domain the formula for the coefficients divides by zero.
        let mut sigma = Fr::ONE;
        while sigma.pow_vartime([1u64 << k]) == Fr::ONE {
            sigma = Fr::random(OsRng);
        }
        // omega^(n - 1) omega = 1
        let omega_inv = root_of_unity(k).pow_vartime([(1u64 << k) - 1]);
        Self {
            k,
            omega_inv,
            rho,
            sigma,
            rho_power: Fr::ONE,
            sigma_turned: sigma,
            sigma_power: Fr::ONE,
            powers: 0,
            lagrange: 0,
            last: G1Affine::generator(),
            by_rho: G1::identity(),
            expected: G1::identity(),
            by_sigma: G1::identity(),
        }
    }

    /// The next points in coefficient form; they must be on the curve.
    pub(super) fn add_powers(&mut self, points: &[G1Affine]) -> Result<(), &'static str> {
        let (Some(first), Some(last)) = (points.first(), points.last()) else {
            return Ok(());
        };
        if self.powers == 0 && *first != G1Affine::generator() {
            return Err("[1]_1 is not the generator");
        }
        let weights = geometric(&mut self.rho_power, self.rho, points.len());
        self.by_rho += best_multiexp(&weights, points);
        let mut weights = geometric(&mut self.sigma_turned, self.omega_inv, points.len());
        for weight in &mut weights {
            *weight -= Fr::ONE;
        }
        weights.iter_mut().batch_invert();
        self.expected += best_multiexp(&weights, points);
        self.last = *last;
        self.powers += points.len() as u64;
        Ok(())
    }

    /// The next points in Lagrange form; they must be on the curve.
    pub(super) fn add_lagrange(&mut self, points: &[G1Affine]) -> Result<(), &'static str> {
        let weights = geometric(&mut self.sigma_power, self.sigma, points.len());
        self.by_sigma += best_multiexp(&weights, points);
        self.lagrange += points.len() as u64;
        Ok(())
    }

    /// The verdict, with an `[s]_2` that passed [`check_g2`].
    pub(super) fn finish(self, s_g2: &G2Affine) -> Result<(), &'static str> {
        let n = 1u64 << self.k;
        if (self.powers, self.lagrange) != (n, n) {
            return Err("there are too few or too many points");
        }
        let (g1, g2) = (G1Affine::generator(), G2Affine::generator());
        let weight = self.rho.pow_vartime([n - 1]);
        let low = (self.by_rho - self.last * weight).to_affine();
        // high = (by_rho - g_0) / rho, with rho on the other side.
        let high = (self.by_rho - g1).to_affine();
        let low = (low * self.rho).to_affine();
        if Bn256::pairing(&high, &g2) != Bn256::pairing(&low, s_g2) {
            return Err("the points are not powers of the secret in [s]_2");
        }
        // [s^(n-1)]_1 with [s]_2 against [1]_1 with [1]_2.
        if Bn256::pairing(&self.last, s_g2) == Bn256::pairing(&g1, &g2) {
            return Err("the secret is a root of unity, so anybody can find it");
        }
        let factor =
            (self.sigma.pow_vartime([n]) - Fr::ONE) * Fr::TWO_INV.pow_vartime([u64::from(self.k)]);
        if self.by_sigma != self.expected * factor {
            return Err("the Lagrange form does not match the coefficient form");
        }
        Ok(())
    }
}

/// Checks `[1]_2` and `[s]_2`, which are on the curve: both in the group of order r, and no secret that
/// anybody knows.
pub(super) fn check_g2(g2: &G2Affine, s_g2: &G2Affine) -> Result<(), &'static str> {
    if *g2 != G2Affine::generator() {
        return Err("[1]_2 is not the generator");
    }
    if bool::from(s_g2.is_identity()) {
        return Err("the secret is 0");
    }
    if *s_g2 == *g2 || *s_g2 == -*g2 {
        return Err("the secret is 1 or -1");
    }
    if !in_subgroup(s_g2) {
        return Err("[s]_2 is not in the group of order r");
    }
    Ok(())
}

/// Points in the library's raw form (64 bytes each), all on the curve and none the identity. The curve over
/// the base field has no other points than those of order r.
pub(super) fn decode_raw(bytes: &[u8]) -> Result<Vec<G1Affine>, &'static str> {
    bytes.par_chunks_exact(G1_BYTES).map(decode_raw_point).collect()
}

/// One point in the library's raw form, as [`decode_raw`].
pub(super) fn decode_raw_point(bytes: &[u8]) -> Result<G1Affine, &'static str> {
    G1Affine::from_raw_bytes(bytes)
        .filter(|point| !bool::from(point.is_identity()))
        .ok_or("a point of G1 is not on the curve, or it is the point at infinity")
}

/// The next `count` terms of a geometric sequence.
fn geometric(next: &mut Fr, factor: Fr, count: usize) -> Vec<Fr> {
    (0..count)
        .map(|_| {
            let term = *next;
            *next *= factor;
            term
        })
        .collect()
}
