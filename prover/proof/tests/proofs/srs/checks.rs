//! What the pairings notice: files of ours with an intact envelope and points of somebody's choice.

use std::path::{Path, PathBuf};

use halo2_proofs::halo2curves::{
    CurveAffine,
    bn256::{Fq, Fq2, Fr, G1Affine, G2Affine},
    ff::{Field, PrimeField},
    group::{Curve, Group},
    serde::SerdeObject,
};

use assay_files::{FileError, Kind, Writer};
use assay_proof::{CheckedSetup, Srs, SrsError, ceremony::setup_id};

pub(super) const K: u32 = 5;

/// Points that somebody could write down, and the secret that they were made with.
#[derive(Clone)]
pub(super) struct Points {
    pub(super) g: Vec<G1Affine>,
    pub(super) lagrange: Vec<G1Affine>,
    pub(super) g2: G2Affine,
    pub(super) s_g2: G2Affine,
}

impl Points {
    /// The honest points of a secret.
    pub(super) fn of(s: Fr, k: u32) -> Self {
        let n = 1u64 << k;
        let omega = (k..Fr::S).fold(Fr::ROOT_OF_UNITY, |root, _| root.square());
        let g1 = |scalar: Fr| (G1Affine::generator() * scalar).to_affine();
        let lagrange = |i: u64| {
            let node = omega.pow_vartime([i]);
            let others = (0..n).filter(|j| *j != i).map(|j| omega.pow_vartime([j]));
            others.fold(Fr::ONE, |product, other| {
                product * (s - other) * (node - other).invert().expect("other nodes")
            })
        };
        Self {
            g: (0..n).map(|i| g1(s.pow_vartime([i]))).collect(),
            lagrange: (0..n).map(|i| g1(lagrange(i))).collect(),
            g2: G2Affine::generator(),
            s_g2: (G2Affine::generator() * s).to_affine(),
        }
    }

    /// A file of ours with these points.
    pub(super) fn write(&self, path: &Path, seed: Option<[u8; 32]>) {
        self.write_as(path, seed, setup_id(&self.s_g2));
    }

    /// The same, with a header that claims another setup.
    fn write_as(&self, path: &Path, seed: Option<[u8; 32]>, id: [u8; 32]) {
        let mut body = self.g.len().ilog2().to_le_bytes().to_vec();
        body.extend_from_slice(&u32::from(seed.is_some()).to_le_bytes());
        body.extend_from_slice(&seed.unwrap_or_default());
        for point in self.g.iter().chain(&self.lagrange) {
            point.write_raw(&mut body).unwrap();
        }
        self.g2.write_raw(&mut body).unwrap();
        self.s_g2.write_raw(&mut body).unwrap();
        let kind = Kind::public(*b"ASSAYSRS", "KZG parameters");
        let mut writer = Writer::create(path, kind, &id, body.len() as u64).unwrap();
        writer.put(&body).unwrap();
        writer.finish().unwrap();
    }
}

/// A point of the curve of G2 that is not of order r.
pub(super) fn outside_of_the_subgroup() -> G2Affine {
    (0u64..)
        .find_map(|c| {
            let x = Fq2::new(Fq::from(c), Fq::ZERO);
            let y: Fq2 = Option::from((x.square() * x + G2Affine::b()).sqrt())?;
            Option::from(G2Affine::from_xy(x, y))
        })
        .unwrap()
}

fn check(path: &Path) -> Result<CheckedSetup, SrsError> {
    Srs::check_file(path, &|_, _| {})
}

/// What is wrong with these points.
fn refusal(path: &Path, points: &Points) -> &'static str {
    points.write(path, None);
    match check(path) {
        Err(SrsError::Inconsistent { reason, .. }) => reason,
        other => panic!("{other:?}"),
    }
}

fn place() -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("kzg.srs");
    (folder, path)
}

/// Keys that are kept are found by the id in the header.
#[test]
fn a_header_that_claims_another_setup_is_refused() {
    let (_folder, path) = place();
    let points = Points::of(Fr::from(7), K);
    let other = setup_id(&Points::of(Fr::from(11), K).s_g2);
    points.write_as(&path, None, other);
    assert_eq!(Srs::read_id(&path).unwrap(), other);
    for error in [check(&path).unwrap_err(), Srs::read(&path, None).unwrap_err()] {
        assert!(matches!(error, SrsError::File(FileError::Mismatch { .. })), "{error}");
    }
}

#[test]
fn honest_files_pass() {
    let (_folder, path) = place();
    let points = Points::of(Fr::from(7), K);
    points.write(&path, None);
    let found = check(&path).unwrap();
    assert_eq!(found, CheckedSetup { k: K, id: setup_id(&points.s_g2) });

    // Several blocks, made by another program text.
    let srs = Srs::dev(16, [3; 32]).unwrap();
    srs.write(&path).unwrap();
    let seen = std::cell::RefCell::new(Vec::new());
    let found = Srs::check_file(&path, &|done, total| seen.borrow_mut().push((done, total)));
    assert_eq!(found.unwrap(), CheckedSetup { k: 16, id: srs.id() });
    let seen = seen.into_inner();
    assert_eq!(seen.last(), Some(&(2 << 16, 2 << 16)));
    assert!(seen.len() > 2 && seen.is_sorted());
}

#[test]
fn points_that_do_not_belong_together_are_noticed() {
    let (_folder, path) = place();
    let good = Points::of(Fr::from(7), K);
    let other = Points::of(Fr::from(11), K);
    let powers = "the points are not powers of the secret in [s]_2";
    let lagrange = "the Lagrange form does not match the coefficient form";

    for at in [1, 2, (1 << K) - 1] {
        let mut points = good.clone();
        points.g[at] = other.g[at];
        assert_eq!(refusal(&path, &points), powers, "{at}");
    }
    for at in [0, 1, (1 << K) - 1] {
        let mut points = good.clone();
        points.lagrange[at] = other.lagrange[at];
        assert_eq!(refusal(&path, &points), lagrange, "{at}");
    }
    // As a stranger would: the point of a ceremony, and the powers of a secret of one's own.
    let points = Points { s_g2: good.s_g2, ..other.clone() };
    assert_eq!(refusal(&path, &points), powers);
    let points = Points { lagrange: other.lagrange.clone(), ..good.clone() };
    assert_eq!(refusal(&path, &points), lagrange);
    // Two errors that cancel out in a plain sum.
    let mut points = good.clone();
    points.lagrange.swap(3, 4);
    assert_eq!(refusal(&path, &points), lagrange);
    let mut points = good.clone();
    points.g.swap(3, 4);
    assert_eq!(refusal(&path, &points), powers);
    // All of them multiplied by the same number.
    let twice = |point: &G1Affine| (point + point).to_affine();
    let points = Points {
        g: good.g.iter().map(twice).collect(),
        lagrange: good.lagrange.iter().map(twice).collect(),
        ..good.clone()
    };
    assert_eq!(refusal(&path, &points), "[1]_1 is not the generator");
    let points = Points { g2: good.s_g2, ..good };
    assert_eq!(refusal(&path, &points), "[1]_2 is not the generator");
}

#[test]
fn points_outside_of_the_groups_are_noticed() {
    let (_folder, path) = place();
    let good = Points::of(Fr::from(7), K);
    let not_on_the_curve = G1Affine { x: Fq::from(1), y: Fq::from(3) };
    let infinity = G1Affine { x: Fq::ZERO, y: Fq::ZERO };
    for bad in [not_on_the_curve, infinity] {
        let mut points = good.clone();
        points.g[9] = bad;
        assert!(refusal(&path, &points).contains("not on the curve"));
        let mut points = good.clone();
        points.lagrange[9] = bad;
        assert!(refusal(&path, &points).contains("not on the curve"));
    }
    let small = outside_of_the_subgroup();
    let points = Points { s_g2: small, ..good.clone() };
    assert_eq!(refusal(&path, &points), "[s]_2 is not in the group of order r");
    // Honest but for a part of another order, which a pairing may not see.
    let shifted = (small * -Fr::ONE + small + good.s_g2).to_affine();
    assert_ne!(shifted, good.s_g2);
    let points = Points { s_g2: shifted, ..good };
    assert_eq!(refusal(&path, &points), "[s]_2 is not in the group of order r");
}

#[test]
fn secrets_that_anybody_knows_are_refused() {
    let (_folder, path) = place();
    let good = Points::of(Fr::from(7), K);
    let root = (K..Fr::S).fold(Fr::ROOT_OF_UNITY, |root, _| root.square());
    for (secret, reason) in [
        (Fr::ZERO, "the secret is 0"),
        (Fr::ONE, "the secret is 1 or -1"),
        (-Fr::ONE, "the secret is 1 or -1"),
        (root, "the secret is a root of unity, so anybody can find it"),
        (root.square(), "the secret is a root of unity, so anybody can find it"),
    ] {
        // The zeros among the points would be refused for being the point at infinity.
        let filled = |points: Vec<G1Affine>| -> Vec<G1Affine> {
            let infinity = G1Affine { x: Fq::ZERO, y: Fq::ZERO };
            points
                .into_iter()
                .map(|point| if point == infinity { G1Affine::generator() } else { point })
                .collect()
        };
        let points = Points::of(secret, K);
        let points = Points { g: filled(points.g), lagrange: filled(points.lagrange), ..points };
        assert_eq!(refusal(&path, &points), reason);
    }
    assert!(bool::from((G2Affine::generator() * Fr::ZERO).is_identity()));
    good.write(&path, None);
    assert!(check(&path).is_ok());
}

#[test]
fn a_seed_makes_the_points_that_it_stands_beside() {
    let (_folder, path) = place();
    Points::of(Fr::from(7), K).write(&path, Some([3; 32]));
    let error = check(&path).unwrap_err();
    assert!(error.to_string().contains("seed"), "{error}");
    // A smaller setup is made from the seed, and then has another point than the file.
    let error = Srs::read(&path, Some(K - 1)).unwrap_err();
    assert!(matches!(error, SrsError::File(FileError::Mismatch { .. })), "{error}");
    Srs::dev(K, [3; 32]).unwrap().write(&path).unwrap();
    assert!(check(&path).is_ok());
}

#[test]
fn damaged_files_are_refused() {
    let (_folder, path) = place();
    Points::of(Fr::from(7), K).write(&path, None);
    let bytes = std::fs::read(&path).unwrap();
    for at in (0..bytes.len()).step_by(61) {
        let mut damaged = bytes.clone();
        damaged[at] ^= 4;
        std::fs::write(&path, damaged).unwrap();
        assert!(check(&path).is_err(), "byte {at}");
    }
    std::fs::write(&path, &bytes[..bytes.len() - 1]).unwrap();
    assert!(matches!(check(&path), Err(SrsError::File(FileError::Length { .. }))));
}
