//! KZG parameters: development setups, files, imports.

mod checks;

use std::io::Write;

use halo2_proofs::{
    SerdeFormat,
    halo2curves::bn256::Bn256,
    poly::{
        commitment::{Params, ParamsProver},
        kzg::commitment::ParamsKZG,
    },
};
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;

use super::*;
use assay_files::FileError;
use assay_proof::SrsError;

fn raw(params: &ParamsKZG<Bn256>) -> Vec<u8> {
    let mut bytes = Vec::new();
    params.write_custom(&mut bytes, SerdeFormat::RawBytes).unwrap();
    bytes
}

/// Parameters of the library's own setup, as another project would publish them.
fn ceremony(k: u32) -> ParamsKZG<Bn256> {
    ParamsKZG::setup(k, ChaCha20Rng::from_seed([4; 32]))
}

#[test]
fn development_setup_is_a_setup() {
    let srs = Srs::dev(7, [3; 32]).unwrap();
    assert!(srs.is_dev());
    assert_eq!(srs.params().get_g().len(), 1 << 7);
    assert_eq!(srs.params().get_g()[0], G1Affine::generator());
    // The import checks that the points are powers of one secret, in both forms.
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("raw");
    std::fs::write(&path, raw(srs.params())).unwrap();
    Srs::import_halo2(&path, None).unwrap();
    let smaller = Srs::dev(5, [3; 32]).unwrap();
    assert_eq!(smaller.id(), srs.id());
    assert_eq!(smaller.params().get_g(), &srs.params().get_g()[..32]);
    let mut downsized = srs.params().clone();
    downsized.downsize(5);
    assert_eq!(raw(&downsized), raw(smaller.params()));
    assert_ne!(Srs::dev(5, [2; 32]).unwrap().id(), srs.id());
    assert!(matches!(Srs::dev(0, [0; 32]), Err(SrsError::K(0))));
    assert!(matches!(Srs::dev(29, [0; 32]), Err(SrsError::K(29))));
}

#[test]
fn files_of_parameters() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("kzg.srs");
    let srs = Srs::dev(7, [3; 32]).unwrap();
    srs.write(&path).unwrap();
    assert_eq!(Srs::read_k(&path).unwrap(), 7);
    for k in [None, Some(7), Some(4)] {
        let read = Srs::read(&path, k).unwrap();
        let expected = Srs::dev(k.unwrap_or(7), [3; 32]).unwrap();
        assert_eq!(raw(read.params()), raw(expected.params()));
        assert!(read.is_dev());
    }
    let error = Srs::read(&path, Some(8)).unwrap_err();
    assert!(matches!(error, SrsError::TooSmall { found: 7, asked: 8, .. }));
    let bytes = std::fs::read(&path).unwrap();
    for at in (0..bytes.len()).step_by(97) {
        let mut damaged = bytes.clone();
        damaged[at] ^= 4;
        std::fs::write(&path, damaged).unwrap();
        assert!(Srs::read(&path, None).is_err(), "byte {at}");
        assert!(Srs::read(&path, Some(4)).is_err(), "byte {at}");
    }
    std::fs::write(&path, &bytes[..bytes.len() - 1]).unwrap();
    let error = Srs::read(&path, None).unwrap_err();
    assert!(matches!(error, SrsError::File(FileError::Length { .. })));
}

#[test]
fn imports_the_librarys_layout() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("params.bin");
    let params = ceremony(6);
    std::fs::write(&path, raw(&params)).unwrap();
    let srs = Srs::import_halo2(&path, None).unwrap();
    assert!(!srs.is_dev());
    assert_eq!(raw(srs.params()), raw(&params));
    let smaller = Srs::import_halo2(&path, Some(4)).unwrap();
    let mut expected = params.clone();
    expected.downsize(4);
    assert_eq!(raw(smaller.params()), raw(&expected));
    // A ceremony's file: not marked, and readable for smaller circuits.
    let own = folder.path().join("own.srs");
    srs.write(&own).unwrap();
    let read = Srs::read(&own, Some(4)).unwrap();
    assert!(!read.is_dev());
    assert_eq!(raw(read.params()), raw(&expected));

    // Wrong points: another power, another Lagrange point, another [s]_2, off the curve.
    let good = raw(&params);
    let point = 64;
    let swap = |bytes: &mut Vec<u8>, a: usize, b: usize, length: usize| {
        let (first, second) = bytes.split_at_mut(b);
        first[a..a + length].swap_with_slice(&mut second[..length]);
    };
    let n = 1 << 6;
    let mut bad = Vec::new();
    for (a, b, length) in [
        (4 + 3 * point, 4 + 7 * point, point),
        (4 + (n + 3) * point, 4 + (n + 7) * point, point),
        (4 + 2 * n * point, 4 + 2 * n * point + 128, 128),
    ] {
        let mut bytes = good.clone();
        swap(&mut bytes, a, b, length);
        bad.push(bytes);
    }
    for at in [4 + 9 * point, 4 + (n + 9) * point, good.len() - 1] {
        let mut bytes = good.clone();
        bytes[at] ^= 1;
        bad.push(bytes);
    }
    for bytes in bad {
        std::fs::write(&path, bytes).unwrap();
        let error = Srs::import_halo2(&path, None).unwrap_err();
        assert!(matches!(error, SrsError::Inconsistent { .. }), "{error}");
    }
    let mut long = std::fs::File::create(&path).unwrap();
    long.write_all(&good).unwrap();
    long.write_all(&[0]).unwrap();
    assert!(matches!(
        Srs::import_halo2(&path, None),
        Err(SrsError::File(FileError::Content { .. }))
    ));
}

/// A `.ptau` file with sections that are not read before and after the powers.
fn ptau(params: &ParamsKZG<Bn256>, power: u32) -> Vec<u8> {
    use halo2_proofs::halo2curves::{ff::PrimeField, serde::SerdeObject};
    let mut header = 32u32.to_le_bytes().to_vec();
    let mut q = (-halo2_proofs::halo2curves::bn256::Fq::ONE).to_repr();
    q[0] += 1;
    header.extend_from_slice(&q);
    header.extend_from_slice(&power.to_le_bytes());
    header.extend_from_slice(&power.to_le_bytes());
    let g1: Vec<u8> = params.get_g().iter().flat_map(|point| point.to_raw_bytes()).collect();
    let g2 = [params.g2().to_raw_bytes(), params.s_g2().to_raw_bytes()].concat();
    let mut bytes = b"ptau".to_vec();
    bytes.extend_from_slice(&1u32.to_le_bytes());
    bytes.extend_from_slice(&5u32.to_le_bytes());
    for (kind, content) in [(7u32, vec![1; 9]), (1, header), (3, g2), (2, g1), (4, vec![2; 70])] {
        bytes.extend_from_slice(&kind.to_le_bytes());
        bytes.extend_from_slice(&(content.len() as u64).to_le_bytes());
        bytes.extend_from_slice(&content);
    }
    bytes
}

#[test]
fn imports_powers_of_tau() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("pot.ptau");
    // The file says 2^5 and holds up to twice as many points, as ceremonies do.
    let mut params = ceremony(6);
    let good = ptau(&params, 5);
    std::fs::write(&path, &good).unwrap();
    params.downsize(5);
    let srs = Srs::import_ptau(&path, None).unwrap();
    assert!(!srs.is_dev());
    assert_eq!(raw(srs.params()), raw(&params));
    params.downsize(3);
    assert_eq!(raw(Srs::import_ptau(&path, Some(3)).unwrap().params()), raw(&params));
    let error = Srs::import_ptau(&path, Some(6)).unwrap_err();
    assert!(matches!(error, SrsError::TooSmall { found: 5, asked: 6, .. }));

    for (at, what) in [(0, "magic"), (4, "version"), (45, "modulus"), (150, "[s]_2"), (500, "G1")] {
        let mut bytes = good.clone();
        bytes[at] ^= 1;
        std::fs::write(&path, bytes).unwrap();
        assert!(Srs::import_ptau(&path, None).is_err(), "{what}");
    }
    for length in [0, 11, 12, 40, 200, 700] {
        std::fs::write(&path, &good[..length]).unwrap();
        assert!(Srs::import_ptau(&path, None).is_err(), "{length} bytes");
    }
}
