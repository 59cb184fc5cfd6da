//! KZG parameters: development setups, files, imports.

mod checks;
mod imports;
mod snarkjs;

use halo2_proofs::{
    SerdeFormat,
    halo2curves::bn256::Bn256,
    poly::{
        commitment::{Params, ParamsProver},
        kzg::commitment::ParamsKZG,
    },
};

use super::*;
use assay_files::FileError;
use assay_proof::SrsError;

fn raw(params: &ParamsKZG<Bn256>) -> Vec<u8> {
    let mut bytes = Vec::new();
    params.write_custom(&mut bytes, SerdeFormat::RawBytes).unwrap();
    bytes
}

#[test]
fn development_setup_is_a_setup() {
    let srs = Srs::dev(7, [3; 32]).unwrap();
    assert!(srs.is_dev());
    assert_eq!(srs.to_library().get_g().len(), 1 << 7);
    assert_eq!(srs.to_library().get_g()[0], G1Affine::generator());
    // The points are powers of one secret, in both forms.
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("kzg.srs");
    srs.write(&path).unwrap();
    Srs::check_file(&path, &|_, _| ()).unwrap();
    let smaller = Srs::dev(5, [3; 32]).unwrap();
    assert_eq!(smaller.id(), srs.id());
    assert_eq!(smaller.to_library().get_g(), &srs.to_library().get_g()[..32]);
    let mut downsized = srs.to_library();
    downsized.downsize(5);
    assert_eq!(raw(&downsized), raw(&smaller.to_library()));
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
        assert_eq!(raw(&read.to_library()), raw(&expected.to_library()));
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
