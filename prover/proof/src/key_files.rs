//! Verifying keys made, and their files.

use std::path::Path;

use assay_files::{FileError, Kind, Reader, Writer, check_belongs, envelope};
use halo2_proofs::{
    halo2curves::{
        bn256::{Fr, G1Affine},
        serde::SerdeObject,
    },
    plonk::{self, Circuit, ProvingKey, VerifyingKey, permutation},
    poly::commitment::Params,
};

use crate::{
    keys::{KeyCircuit, KeyInfo, KeyShape, VerifierKey, VerifierKeyError},
    phases::{Flat, configure},
    profile::Profile,
    profile_error::ProfileError,
    srs::Srs,
    verify::{self, VerifyError},
    vk_data::VkData,
};

const SCALAR_BYTES: usize = 32;
/// Weight columns and public inputs, before the key's data.
const COUNTS_BYTES: usize = 8;

const VERIFYING_KEY: Kind = Kind::public(*b"ASSAYVK\0", "verifying key");
const PROVING_KEY: Kind = Kind::public(*b"ASSAYPK\0", "proving key");

/// Why a key is not available.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// Reading or writing failed.
    #[error(transparent)]
    File(#[from] FileError),
    /// The circuit is outside of what verifiers support.
    #[error(transparent)]
    Profile(#[from] ProfileError),
    /// The library refused the circuit.
    #[error("key generation failed: {0}")]
    Circuit(plonk::Error),
    /// The circuit panicked while it was laid out.
    #[error("key generation failed: the circuit does not fit: {0}")]
    Layout(String),
    /// A fixed commitment does not belong to a circuit of this type.
    #[error("{path} is for another circuit: its digest is {found}, this circuit's is {expected}")]
    OtherCircuit {
        /// The file.
        path: String,
        /// Digest in the file.
        found: String,
        /// Digest of the circuit with the file's commitments.
        expected: String,
    },
}

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
        let (schedule, _) = configure::<C>(circuit.params())?;
        let vk = guarded(|| plonk::keygen_vk(&srs.params(), &Flat(circuit)))?;
        let profile = Profile::new(vk.cs(), schedule, shape.weight_columns, shape.public_inputs)?;
        let data = VkData::new(&vk, &profile, srs.params().s_g2(), shape.statement);
        let info = KeyInfo::new(profile, data);
        Ok(Self { vk, info })
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
    /// [`KeyError::Profile`]; [`KeyError::OtherCircuit`] when it is the key of another circuit.
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
    fn take<C: Circuit<Fr>>(
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

/// What is needed to prove.
#[derive(Debug, Clone)]
pub struct ProverKey {
    pk: ProvingKey<G1Affine>,
    info: KeyInfo,
}

impl ProverKey {
    /// Makes the proving key of a circuit; see [`VerifierKey::generate`].
    ///
    /// # Errors
    /// As [`VerifierKey::generate`].
    pub fn generate<C: Circuit<Fr>>(
        srs: &Srs,
        circuit: &C,
        shape: KeyShape,
    ) -> Result<Self, KeyError> {
        let (schedule, _) = configure::<C>(circuit.params())?;
        let pk = guarded(|| plonk::keygen_pk2(&srs.params(), &Flat(circuit), false))?;
        let (weights, inputs) = (shape.weight_columns, shape.public_inputs);
        let profile = Profile::new(pk.get_vk().cs(), schedule, weights, inputs)?;
        let data = VkData::new(pk.get_vk(), &profile, srs.params().s_g2(), shape.statement);
        let info = KeyInfo::new(profile, data);
        Ok(Self { pk, info })
    }

    /// The library's key.
    pub fn pk(&self) -> &ProvingKey<G1Affine> {
        &self.pk
    }

    /// The library's verifying key.
    pub fn vk(&self) -> &VerifyingKey<G1Affine> {
        self.pk.get_vk()
    }

    /// Everything else.
    pub fn info(&self) -> &KeyInfo {
        &self.info
    }

    /// The verifying key.
    pub fn verifier(&self) -> VerifierKey {
        VerifierKey { vk: self.pk.get_vk().clone(), info: self.info.clone() }
    }

    /// Writes the file: the verifying key, then all polynomials in the library's internal form.
    ///
    /// # Errors
    /// [`FileError::Write`].
    pub fn write(&self, path: &Path) -> Result<(), FileError> {
        let key = key_body(&self.info);
        let permutation = self.pk.permutation();
        let groups: [Vec<&[Fr]>; 5] = [
            [self.pk.l0(), self.pk.l_last(), self.pk.l_active_row()]
                .iter()
                .map(|poly| poly.values())
                .collect(),
            self.pk.fixed_values().iter().map(|p| p.values()).collect(),
            self.pk.fixed_polys().iter().map(|p| p.values()).collect(),
            permutation.permutations().iter().map(|p| p.values()).collect(),
            permutation.polys().iter().map(|p| p.values()).collect(),
        ];
        let polynomials: Vec<&[Fr]> = groups.into_iter().flatten().collect();
        let scalars: usize = polynomials.iter().map(|poly| poly.len()).sum();
        let body = 8 + key.len() as u64 + (scalars * SCALAR_BYTES) as u64;
        let mut writer = Writer::create(path, PROVING_KEY, &self.info.hash(), body)?;
        writer.put(&(key.len() as u64).to_le_bytes())?;
        writer.put(&key)?;
        let mut block = Vec::with_capacity(BLOCK_SCALARS * SCALAR_BYTES);
        for polynomial in polynomials {
            for scalars in polynomial.chunks(BLOCK_SCALARS) {
                block.clear();
                for scalar in scalars {
                    scalar
                        .write_raw(&mut block)
                        .map_err(|source| FileError::Write { path: path.to_owned(), source })?;
                }
                writer.put(&block)?;
            }
        }
        writer.finish()
    }

    /// Reads the proving key of the circuit of type `C` with these parameters.
    ///
    /// # Errors
    /// As [`VerifierKey::read`].
    pub fn read<C: Circuit<Fr>>(path: &Path, params: C::Params) -> Result<Self, KeyError> {
        let mut reader = Reader::open(path, PROVING_KEY)?;
        let mut word = [0u8; 8];
        reader.take(&mut word)?;
        let length = u64::from_le_bytes(word);
        let VerifierKey { vk, info } = VerifierKey::take::<C>(&mut reader, params, length)?;
        check_belongs(path, "verifying key", reader.belongs_to(), &info.hash())?;
        let n = 1usize << info.data().k;
        let fixed = info.profile().fixed_columns;
        let permuted = info.profile().permutation.len();
        let expected = ((3 + 2 * fixed + 2 * permuted) * n * SCALAR_BYTES) as u64;
        if reader.left() != expected {
            let reason = format!(
                "its polynomials take {} bytes, this circuit's take {expected}",
                reader.left()
            );
            return Err(FileError::content(path, reason).into());
        }
        let domain = vk.get_domain();
        let mut vectors = |count: usize| -> Result<Vec<Vec<Fr>>, FileError> {
            (0..count).map(|_| read_scalars(&mut reader, n)).collect()
        };
        let selectors = vectors(3)?;
        let fixed_values = vectors(fixed)?;
        let fixed_polys = vectors(fixed)?;
        let permutations = vectors(permuted)?;
        let permutation_polys = vectors(permuted)?;
        reader.finish()?;

        let coeff = |values: Vec<Vec<Fr>>| -> Vec<_> {
            values.into_iter().map(|v| domain.coeff_from_vec(v)).collect()
        };
        let lagrange = |values: Vec<Vec<Fr>>| -> Vec<_> {
            values.into_iter().map(|v| domain.lagrange_from_vec(v)).collect()
        };
        let mut selectors = coeff(selectors).into_iter();
        let (Some(l0), Some(l_last), Some(l_active_row)) =
            (selectors.next(), selectors.next(), selectors.next())
        else {
            return Err(FileError::content(path, "its polynomials are incomplete").into());
        };
        let (fixed_values, fixed_polys) = (lagrange(fixed_values), coeff(fixed_polys));
        let permutation =
            permutation::ProvingKey::from_parts(lagrange(permutations), coeff(permutation_polys));
        let pk = ProvingKey::from_parts(
            vk,
            l0,
            l_last,
            l_active_row,
            fixed_values,
            fixed_polys,
            permutation,
        );
        Ok(Self { pk, info })
    }
}

impl ProverKey {
    /// As [`VerifierKey::verify`].
    ///
    /// # Errors
    /// As [`VerifierKey::verify`].
    pub fn verify(&self, public_inputs: &[Fr], proof: &[u8]) -> Result<[u8; 32], VerifyError> {
        verify::verify(self.vk(), self.info(), public_inputs, proof)
    }
}

/// Scalars converted at a time (2 MiB).
const BLOCK_SCALARS: usize = 1 << 16;

fn read_scalars(reader: &mut Reader, count: usize) -> Result<Vec<Fr>, FileError> {
    let mut scalars = Vec::with_capacity(count);
    let mut block = vec![0u8; BLOCK_SCALARS.min(count) * SCALAR_BYTES];
    while scalars.len() < count {
        let step = BLOCK_SCALARS.min(count - scalars.len());
        let bytes = &mut block[..step * SCALAR_BYTES];
        reader.take(bytes)?;
        scalars.extend(bytes.chunks_exact(SCALAR_BYTES).map(Fr::from_raw_bytes_unchecked));
    }
    Ok(scalars)
}

/// Weight columns, public inputs, data contract.
fn key_body(info: &KeyInfo) -> Vec<u8> {
    let mut body = Vec::new();
    body.extend_from_slice(&(info.profile().weight_columns as u32).to_le_bytes());
    body.extend_from_slice(&(info.profile().public_inputs as u32).to_le_bytes());
    body.extend_from_slice(&info.data().to_bytes());
    body
}

/// The library panics where a circuit does not fit its rows; report that as an error.
fn guarded<T>(work: impl FnOnce() -> Result<T, plonk::Error>) -> Result<T, KeyError> {
    match std::panic::catch_unwind(std::panic::AssertUnwindSafe(work)) {
        Ok(result) => result.map_err(KeyError::Circuit),
        Err(payload) => Err(KeyError::Layout(crate::panic_message(&payload))),
    }
}

/// Fails unless parameters have the size and the secret that a key was made with.
pub(crate) fn matches_srs(info: &KeyInfo, srs: &Srs) -> bool {
    srs.params().k() == info.data().k && srs.id() == info.setup_id()
}
