//! Files of proving keys that are well framed and hold something else than a key.

use assay_files::{FileError, Kind, envelope};
use assay_proof::VerifierKeyError;
use halo2_proofs::halo2curves::serde::SerdeObject;

use super::*;

const PROVING_KEY: Kind = Kind { version: 2, ..Kind::public(*b"ASSAYPK\0", "proving key") };

/// The parts of a file's body.
#[derive(Clone)]
struct Body {
    key: Vec<u8>,
    columns: Vec<Vec<u8>>,
    /// Row, column, row.
    moved: Vec<Vec<(u32, u16, u32)>>,
}

impl Body {
    fn of(setup: &Setup) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("pk");
        setup.key.write(&path).unwrap();
        let (_, bytes) = envelope::read(&path, PROVING_KEY).unwrap();
        let length = u64::from_le_bytes(*bytes.first_chunk().unwrap()) as usize;
        let mut rest = &bytes[8 + length..];
        let rows = 1 << setup.params.k;
        let columns = setup.key.fixed().iter().map(|_| {
            let values = u32::from_le_bytes(*rest[1..].first_chunk().unwrap()) as usize;
            let width = [1, 2, 4].into_iter().find(|width| values <= 1 << width).unwrap();
            let (column, others) = rest.split_at(5 + 32 * values + rows * width / 8);
            rest = others;
            column.to_vec()
        });
        let columns = columns.collect();
        let moved: Vec<Vec<_>> = setup
            .key
            .moved()
            .iter()
            .map(|cells| cells.iter().map(|at| (at.row, at.to_column, at.to_row)).collect())
            .collect();
        let body = Self { key: bytes[..8 + length].to_vec(), columns, moved };
        assert_eq!(body.bytes(), bytes);
        body
    }

    fn bytes(&self) -> Vec<u8> {
        let mut bytes = self.key.clone();
        bytes.extend(self.columns.concat());
        for cells in &self.moved {
            bytes.extend((cells.len() as u32).to_le_bytes());
            for (row, to_column, to_row) in cells {
                bytes.extend(row.to_le_bytes());
                bytes.extend(to_column.to_le_bytes());
                bytes.extend(to_row.to_le_bytes());
            }
        }
        bytes
    }
}

/// A column of few values.
fn few(count: u32, values: &[u8], indices: &[u8]) -> Vec<u8> {
    [&[1], count.to_le_bytes().as_slice(), values, indices].concat()
}

fn scalars(values: &[u64]) -> Vec<u8> {
    values.iter().flat_map(|value| Fr::from(*value).to_raw_bytes()).collect()
}

fn read(setup: &Setup, body: &[u8]) -> Result<ProverKey, KeyError> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("pk");
    envelope::write(&path, PROVING_KEY, &setup.key.info().hash(), body).unwrap();
    ProverKey::read::<Sample>(&path, setup.params.clone())
}

fn refusal(setup: &Setup, body: &[u8]) -> String {
    match read(setup, body) {
        Err(KeyError::File(FileError::Content { reason, .. })) => reason,
        other => panic!("{other:?}"),
    }
}

#[test]
fn crafted_columns_are_refused() {
    let setup = small();
    let good = Body::of(&setup);
    let rows = 1usize << setup.params.k;
    let refused = |column: Vec<u8>| {
        let mut body = good.clone();
        body.columns[1] = column;
        refusal(&setup, &body.bytes())
    };
    assert!(refused(few(0, &[], &[0; 8])).contains("0 different values"));
    assert!(refused(few((1 << 16) + 1, &[], &[])).contains("65537 different values"));
    assert!(refused(few(u32::MAX, &[], &[])).contains("different values"));
    // Within bounds, and more than the file holds.
    assert!(refused(few(1 << 16, &scalars(&[0]), &[])).contains("ends early"));
    assert!(refused(few(2, &[0xff; 64], &[0; 8])).contains("r or above"));
    // The third of three values is index 2, bits 10; one row says 11.
    let mut indices = vec![0b1001_0010; rows / 4];
    let three = |indices: &[u8]| few(3, &scalars(&[0, 1, 5]), indices);
    let mut body = good.clone();
    body.columns[1] = three(&indices);
    let values = read(&setup, &body.bytes()).unwrap().fixed()[1].to_full();
    assert_eq!(values[..4], [5, 0, 1, 5].map(Fr::from));
    indices[5] = 0b0011_0010;
    assert!(refused(three(&indices)).contains("names no value"));
    assert!(refused(vec![3]).contains("unknown kind 3"));
    let mut all = [vec![2], scalars(&vec![4; rows])].concat();
    body.columns[1] = all.clone();
    let values = read(&setup, &body.bytes()).unwrap().fixed()[1].to_full();
    assert_eq!(values, vec![Fr::from(4); rows]);
    all[33..65].fill(0xff);
    assert!(refused(all).contains("r or above"));
}

#[test]
fn crafted_copies_are_refused() {
    let setup = small();
    let good = Body::of(&setup);
    let (rows, columns) = (1u32 << setup.params.k, good.moved.len());
    let refused = |change: &dyn Fn(&mut Body)| {
        let mut body = good.clone();
        change(&mut body);
        refusal(&setup, &body.bytes())
    };
    assert_eq!(columns, 3);
    assert!(good.moved.iter().all(|cells| !cells.is_empty()));
    let not_there = "moves a cell that is not there";
    assert!(refused(&|body| body.moved[0].last_mut().unwrap().0 = rows).contains(not_there));
    assert!(refused(&|body| body.moved[0][0].1 = columns as u16).contains(not_there));
    assert!(refused(&|body| body.moved[0][0].2 = rows).contains(not_there));
    assert!(refused(&|body| body.moved[0].reverse()).contains(not_there));
    assert!(refused(&|body| body.moved[0][1].0 = body.moved[0][0].0).contains(not_there));
    let two_to_one = "two cells to one";
    assert!(refused(&|body| body.moved[0][0].2 += 1).contains(two_to_one));
    assert!(
        refused(&|body| {
            body.moved[2].pop();
        })
        .contains(two_to_one)
    );
    assert!(refused(&|body| body.moved[1].push((rows - 1, 0, 0))).contains(two_to_one));
    let mut count = good.bytes();
    let at = count.len() - 4 - 10 * good.moved[2].len();
    count[at..at + 4].fill(0xff);
    assert!(refusal(&setup, &count).contains("ends early"));
}

#[test]
fn bodies_of_other_lengths_are_refused() {
    let setup = small();
    let bytes = Body::of(&setup).bytes();
    for length in (0..bytes.len()).rev().step_by(13) {
        assert!(read(&setup, &bytes[..length]).is_err(), "{length} bytes");
    }
    assert!(read(&setup, &[bytes.as_slice(), &[0]].concat()).is_err());
    read(&setup, &bytes).unwrap();
}

#[test]
fn keys_of_the_version_before_are_to_be_made_again() {
    let setup = small();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("pk");
    let old = Kind { version: 1, ..PROVING_KEY };
    envelope::write(&path, old, &setup.key.info().hash(), b"old").unwrap();
    let error = ProverKey::read::<Sample>(&path, setup.params.clone()).unwrap_err();
    assert!(matches!(error, KeyError::Version { found: 1, expected: 2, .. }));
    let text = error.to_string();
    assert!(text.contains("version 1") && text.contains("make the keys again"), "{text}");
}

/// The field has a domain for the rows, and none for the quotient.
#[test]
fn keys_of_too_many_rows_are_refused() {
    let setup = small();
    for k in [27, 28] {
        let data = assay_proof::vk_data::VkData { k, ..setup.key.info().data().clone() };
        let error = VerifierKey::from_data::<Sample>(
            &data.to_bytes(),
            setup.params.clone(),
            setup.params.shape(),
        )
        .unwrap_err();
        match k {
            27 => assert!(matches!(error, VerifierKeyError::OtherCircuit { .. }), "{error}"),
            _ => assert!(error.to_string().contains("its k is not valid"), "{error}"),
        }
    }
}
