//! Verifying keys made, and their files.

use std::path::Path;

use assay_files::{FileError, Kind, Reader, check_belongs, envelope};
use halo2_proofs::{halo2curves::bn256::Fr, plonk::Circuit};

use crate::{
    key_generation,
    keys::{KeyCircuit, KeyInfo, KeyShape, VerifierKey, VerifierKeyError},
    srs::Srs,
};

pub use crate::{key_error::KeyError, proving_key::ProverKey};

/// Weight columns and public inputs, before the key's data.
const COUNTS_BYTES: usize = 8;

const VERIFYING_KEY: Kind = Kind::public(*b"ASSAYVK\0", "verifying key");

impl VerifierKey {
    /// Makes the verifying key of a circuit.
    ///
    /// # Errors
    /// [`KeyError::Profile`] when no verifier supports the circuit; [`KeyError::Circuit`] and
    /// [`KeyError::Layout`] when it does not fit the rows of `srs`.
    pub fn generate<C: Circuit<Fr>>(
        srs: &Srs,
        circuit: &C,
        shape: KeyShape,
    ) -> Result<Self, KeyError> {
        key_generation::generate(srs, circuit, shape).map(|(key, _)| key)
    }

    /// Writes the file.
    ///
    /// # Errors
    /// [`FileError::Write`].
    pub fn write(&self, path: &Path) -> Result<(), FileError> {
        let body = key_body(&self.info);
        envelope::write(path, VERIFYING_KEY, &self.info.hash(), &body)
    }

    /// Reads the verifying key of the circuit of type `C` with these parameters.
    ///
    /// # Errors
    /// [`KeyError::File`] when the file cannot be read, is damaged or of another length;
    /// [`KeyError::Version`]; [`KeyError::Profile`]; [`KeyError::OtherCircuit`] when it is the key of another circuit.
    pub fn read<C: Circuit<Fr>>(path: &Path, params: C::Params) -> Result<Self, KeyError> {
        let mut reader = Reader::open(path, VERIFYING_KEY)?;
        let length = reader.left();
        let key = Self::take::<C>(&mut reader, params, length)?;
        let belongs_to = *reader.belongs_to();
        reader.finish()?;
        check_belongs(path, "verifying key", &belongs_to, &key.info.hash())?;
        Ok(key)
    }

    /// Decodes a key from `length` bytes of a file.
    pub(crate) fn take<C: Circuit<Fr>>(
        reader: &mut Reader,
        params: C::Params,
        length: u64,
    ) -> Result<Self, KeyError> {
        let path = reader.path().to_owned();
        let weight_columns = reader.take_u32()? as usize;
        let public_inputs = reader.take_u32()? as usize;
        let circuit = KeyCircuit::of::<C>(params, weight_columns, public_inputs)?;
        // Compared before the bytes are read, so that a damaged length takes no memory.
        let expected = (circuit.data_bytes() + COUNTS_BYTES) as u64;
        if length != expected {
            let reason = format!("its key has {length} bytes, that of this circuit has {expected}");
            return Err(FileError::content(&path, reason).into());
        }
        let mut bytes = vec![0u8; circuit.data_bytes()];
        reader.take(&mut bytes)?;
        let key = circuit.key(&bytes);
        key.map_err(|error| match error {
            VerifierKeyError::Profile(error) => error.into(),
            VerifierKeyError::Data(error) => FileError::content(&path, error.to_string()).into(),
            VerifierKeyError::OtherCircuit { found, expected } => {
                KeyError::OtherCircuit { path: path.display().to_string(), found, expected }
            }
        })
    }
}

/// The content of the data contract of the verifying key in a file, whatever circuit it is of.
///
/// # Errors
/// [`FileError`].
pub fn key_file_data(path: &Path) -> Result<Vec<u8>, FileError> {
    let (_, body) = envelope::read(path, VERIFYING_KEY)?;
    let data = body.get(COUNTS_BYTES..).map(<[u8]>::to_vec);
    data.ok_or_else(|| FileError::content(path, "it is too short for a key"))
}

/// Weight columns, public inputs, data contract.
pub(crate) fn key_body(info: &KeyInfo) -> Vec<u8> {
    let mut body = Vec::new();
    body.extend_from_slice(&(info.profile().weight_columns as u32).to_le_bytes());
    body.extend_from_slice(&(info.profile().public_inputs as u32).to_le_bytes());
    body.extend_from_slice(&info.data().to_bytes());
    body
}

/// Fails unless parameters have the size and the secret that a key was made with.
pub(crate) fn matches_srs(info: &KeyInfo, srs: &Srs) -> bool {
    srs.k() == info.data().k && srs.id() == info.setup_id()
}
