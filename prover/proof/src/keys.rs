//! Verifying keys.
//!
//! A key is named by its hash: Keccak-256 of the bytes of its data contract (see
//! [`crate::vk_data`]), which cover the circuit, the commitments and `s` times the generator of G2 of the
//! KZG parameters.

use halo2_proofs::{
    halo2curves::bn256::{Bn256, Fr, G1Affine},
    plonk::{Circuit, ConstraintSystem, VerifyingKey, permutation},
    poly::kzg::commitment::ParamsKZG,
};

use crate::{
    ceremony::{Ceremony, setup_id},
    domain,
    phases::configure,
    profile::Profile,
    profile_error::ProfileError,
    verifier_params::verifier_params,
    vk_data::{STATEMENT_BYTES, VkData, VkDataError},
};

/// Why bytes are not the verifying key of a circuit.
#[derive(Debug, thiserror::Error)]
pub enum VerifierKeyError {
    /// The circuit is outside of what verifiers support.
    #[error(transparent)]
    Profile(#[from] ProfileError),
    /// The bytes are malformed, or for another column profile.
    #[error(transparent)]
    Data(#[from] VkDataError),
    /// A commitment does not belong to a circuit of this type.
    #[error("it is for another circuit: its digest is {found}, this circuit's is {expected}")]
    OtherCircuit {
        /// Digest in the bytes.
        found: String,
        /// Digest of the circuit with the commitments of the bytes.
        expected: String,
    },
}

/// What a circuit does not say of itself, for its key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeyShape {
    /// So many leading advice columns hold the model's weights.
    pub weight_columns: usize,
    /// So many values are in the instance column.
    pub public_inputs: usize,
    /// What the circuit states; part of the key and of its hash.
    pub statement: [u8; STATEMENT_BYTES],
}

/// What a key says beside the library's own content.
#[derive(Debug, Clone)]
pub struct KeyInfo {
    profile: Profile,
    data: VkData,
    hash: [u8; 32],
    params: ParamsKZG<Bn256>,
}

impl KeyInfo {
    pub(crate) fn new(profile: Profile, data: VkData) -> Self {
        let hash = data.hash();
        let params = verifier_params(data.k, data.s_g2);
        Self { profile, data, hash, params }
    }

    /// The column profile.
    pub fn profile(&self) -> &Profile {
        &self.profile
    }

    /// The content of the data contract.
    pub fn data(&self) -> &VkData {
        &self.data
    }

    /// The key's hash, EXTCODEHASH of its data contract.
    pub fn hash(&self) -> [u8; 32] {
        self.hash
    }

    /// What the circuit states, as its maker encoded it.
    pub fn statement(&self) -> &[u8; STATEMENT_BYTES] {
        &self.data.statement
    }

    /// Identifies the KZG parameters, as `Srs::id` does.
    pub fn setup_id(&self) -> [u8; 32] {
        setup_id(&self.data.s_g2)
    }

    /// The ceremony whose point the key has; without one, somebody may know how to forge proofs.
    pub fn ceremony(&self) -> Option<&'static Ceremony> {
        Ceremony::of(&self.setup_id())
    }

    /// Parameters that can only verify.
    pub fn verifier_params(&self) -> &ParamsKZG<Bn256> {
        &self.params
    }
}

/// What is needed to verify proofs.
#[derive(Debug, Clone)]
pub struct VerifierKey {
    pub(crate) vk: VerifyingKey<G1Affine>,
    pub(crate) info: KeyInfo,
}

impl VerifierKey {
    /// The library's key. Its domain cannot transform: the tables for that are left out.
    pub fn vk(&self) -> &VerifyingKey<G1Affine> {
        &self.vk
    }

    /// Everything else.
    pub fn info(&self) -> &KeyInfo {
        &self.info
    }

    /// The key's hash, EXTCODEHASH of its data contract.
    pub fn hash(&self) -> [u8; 32] {
        self.info.hash
    }

    /// Decodes the content of a key's data contract, for the circuit of type `C` with these parameters.
    ///
    /// # Errors
    /// [`VerifierKeyError`].
    pub fn from_data<C: Circuit<Fr>>(
        bytes: &[u8],
        params: C::Params,
        shape: KeyShape,
    ) -> Result<Self, VerifierKeyError> {
        let key =
            KeyCircuit::of::<C>(params, shape.weight_columns, shape.public_inputs)?.key(bytes)?;
        if *key.info.statement() != shape.statement {
            return Err(VkDataError::Word("statement").into());
        }
        Ok(key)
    }
}

/// The circuit that a key is read for.
pub(crate) struct KeyCircuit {
    cs: ConstraintSystem<Fr>,
    profile: Profile,
}

impl KeyCircuit {
    pub(crate) fn of<C: Circuit<Fr>>(
        params: C::Params,
        weight_columns: usize,
        public_inputs: usize,
    ) -> Result<Self, ProfileError> {
        let (schedule, cs) = configure::<C>(params)?;
        let profile = Profile::new(&cs, schedule, weight_columns, public_inputs)?;
        Ok(Self { cs, profile })
    }

    /// Length of the data contract.
    pub(crate) fn data_bytes(&self) -> usize {
        VkData::byte_length(&self.profile)
    }

    pub(crate) fn key(self, bytes: &[u8]) -> Result<VerifierKey, VerifierKeyError> {
        let Self { cs, profile } = self;
        let data = VkData::from_bytes(bytes, &profile)?;
        profile.check_rows(data.k)?;
        let domain = domain::without_tables(cs.degree(), data.k).ok_or(VkDataError::Word("k"))?;
        let vk = VerifyingKey::from_parts(
            domain,
            data.fixed.clone(),
            permutation::VerifyingKey::from_commitments(data.permutation.clone()),
            cs,
            Vec::new(),
            false,
        );
        if vk.transcript_repr() != data.transcript_repr {
            return Err(VerifierKeyError::OtherCircuit {
                found: format!("{:?}", data.transcript_repr),
                expected: format!("{:?}", vk.transcript_repr()),
            });
        }
        Ok(VerifierKey { vk, info: KeyInfo::new(profile, data) })
    }
}
