//! The model registry, and the identity of a model.

use std::fmt;

use alloy::{
    primitives::{Address, B256, FixedBytes, U256, keccak256},
    sol_types::SolValue,
};
use serde::{Deserialize, Serialize};

use crate::{
    bindings::{ContractErrors, IModelRegistry, IPredictionEscrow},
    chain::{Artifact, Chain, ChainError, Deployed, TransactionOutcome},
    contract::{Contract, ContractClient},
};

pub use crate::bindings::IModelRegistry::ModelCommitment;

/// First four bytes of keccak256("halo2-kzg-bn254-v1"), see ERC-7992.
pub const PROOF_SYSTEM_ID: FixedBytes<4> = FixedBytes([0x30, 0x1c, 0x92, 0xec]);

/// A committed model: its verifying key and its weights.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct ModelIdentity {
    /// EXTCODEHASH of the data contract with the verifying key.
    pub vk_hash: B256,
    /// keccak256 of the weight-column points of any proof of the model.
    pub model_hash: B256,
}

impl fmt::Display for ModelIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "model {} with verifying key {}", self.model_hash, self.vk_hash)
    }
}

/// The client of a model registry.
#[derive(Clone, Debug)]
pub struct ModelRegistry {
    contract: Contract,
}

/// What the registry knows about a model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ModelRecord {
    /// Id in the registry; see [`model_id`].
    pub model_id: U256,
    /// Who may change its URI and deprecate it.
    pub owner: Address,
    /// What was registered.
    pub commitment: ModelCommitment,
    /// Withdrawn from new business.
    pub deprecated: bool,
    /// The contracts that check its proofs; `None` until the owner has bound them.
    pub binding: Option<ModelBinding>,
}

/// The contracts that check a model's proofs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ModelBinding {
    /// Verifying key and weights.
    pub model: ModelIdentity,
    /// What a buyer passes with an order.
    pub binding_hash: B256,
    /// The data contract with the verifying key.
    pub vk: Address,
    /// The verifier contract.
    pub verifier: Address,
    /// EXTCODEHASH of the verifier.
    pub verifier_code_hash: B256,
    /// The key's setup is of no ceremony that the registry knows, so somebody may be able to forge proofs.
    pub dev_setup: bool,
    /// What the key's setup is known by: keccak256 of `[s]_2`.
    pub setup_id: B256,
    /// First word of the key: what it states.
    pub statement: B256,
    /// Who registered the model.
    pub owner: Address,
}

/// Id of a model in every registry: keccak256 of owner and commitment, without the URI. So no
/// reorganization and nobody who registers a copy can put another owner behind an id.
pub fn model_id(owner: Address, commitment: &ModelCommitment) -> U256 {
    let ModelCommitment { modelHash, circuitHash, vkHash, proofSystemId, .. } = commitment;
    let words = (owner, *modelHash, *circuitHash, *vkHash, *proofSystemId);
    U256::from_be_bytes(keccak256(words.abi_encode_params()).0)
}

/// The hash that stands for all that a buyer relies on, as the registry computes it.
pub fn binding_hash(
    owner: Address,
    commitment: &ModelCommitment,
    vk: Address,
    verifier: Address,
    verifier_code_hash: B256,
) -> B256 {
    let ModelCommitment { modelHash, circuitHash, vkHash, proofSystemId, .. } = commitment;
    let words = (
        owner,
        *modelHash,
        *circuitHash,
        *vkHash,
        *proofSystemId,
        vk,
        verifier,
        verifier_code_hash,
    );
    keccak256(words.abi_encode_params())
}

/// A registration that was mined.
#[derive(Clone, Debug)]
pub struct Registered {
    /// Id in the registry.
    pub model_id: U256,
    /// What a buyer passes with an order.
    pub binding_hash: B256,
    /// The transaction.
    pub outcome: TransactionOutcome,
}

impl ContractClient for ModelRegistry {
    const NAME: &'static str = "ModelRegistry";

    type Probe = IModelRegistry::isCeremonyCall;

    fn probe() -> Self::Probe {
        IModelRegistry::isCeremonyCall { setupId: B256::ZERO }
    }

    fn new(contract: Contract) -> Self {
        Self { contract }
    }

    fn contract(&self) -> &Contract {
        &self.contract
    }
}

impl ModelRegistry {
    /// Deploys a registry from forge's artifact, which knows the ceremonies with these setup ids.
    ///
    /// # Errors
    /// As of [`Chain::deploy`].
    pub async fn deploy(
        chain: &Chain,
        artifact: &Artifact,
        ceremonies: &[B256],
    ) -> Result<(Self, Deployed), ChainError> {
        let init_code = artifact.with_arguments(&registry_constructor(ceremonies));
        let deployed = chain.deploy(init_code).await?;
        Ok((Self::at(chain.clone(), deployed.address), deployed))
    }

    /// Registers a model and binds it to its verifying key's data contract and its verifier.
    ///
    /// # Errors
    /// As of [`Contract::send`]; [`ChainError::Reverted`] among others with `AlreadyRegistered`,
    /// `ZeroValue`, `UriTooLong`, `CodeHashMismatch` and `MalformedVerifyingKey`.
    pub async fn register(
        &self,
        commitment: ModelCommitment,
        vk: Address,
        verifier: Address,
    ) -> Result<Registered, ChainError> {
        let call = IModelRegistry::registerBoundModelCall { commitment, vk, verifier };
        let outcome = self.contract.send(&call).await?;
        let bound = self.contract.event::<IModelRegistry::VerifierBound>(&outcome)?;
        Ok(Registered { model_id: bound.modelId, binding_hash: bound.bindingHash, outcome })
    }

    /// Binds a model that is registered already, which its owner does once.
    ///
    /// # Errors
    /// As of [`Self::register`], and with `ModelNotFound`, `NotModelOwner` and `AlreadyBound`.
    pub async fn bind(
        &self,
        model_id: U256,
        vk: Address,
        verifier: Address,
    ) -> Result<Registered, ChainError> {
        let call = IModelRegistry::bindVerifierCall { modelId: model_id, vk, verifier };
        let outcome = self.contract.send(&call).await?;
        let bound = self.contract.event::<IModelRegistry::VerifierBound>(&outcome)?;
        Ok(Registered { model_id, binding_hash: bound.bindingHash, outcome })
    }

    /// Changes a model's URI, the one thing that its owner can change.
    ///
    /// # Errors
    /// As of [`Contract::send`]; [`ChainError::Reverted`] among others with `ModelNotFound`,
    /// `NotModelOwner`, `DeprecatedModel` and `UriTooLong`.
    pub async fn set_uri(
        &self,
        model_id: U256,
        uri: String,
    ) -> Result<TransactionOutcome, ChainError> {
        let model =
            self.contract.query(&IModelRegistry::getModelCall { modelId: model_id }).await?;
        let call = IModelRegistry::updateModelCall {
            modelId: model_id,
            newCommitment: ModelCommitment { uri, ..model.commitment },
        };
        self.contract.send(&call).await
    }

    /// Withdraws a model from new business, for good.
    ///
    /// # Errors
    /// As of [`Contract::send`]; [`ChainError::Reverted`] among others with `ModelNotFound`,
    /// `NotModelOwner` and `DeprecatedModel`.
    pub async fn deprecate(&self, model_id: U256) -> Result<TransactionOutcome, ChainError> {
        let call = IModelRegistry::deprecateModelCall { modelId: model_id };
        self.contract.send(&call).await
    }

    /// The same for an id that may be unknown.
    ///
    /// # Errors
    /// As of [`Contract::query`].
    pub async fn find(&self, model_id: U256) -> Result<Option<ModelRecord>, ChainError> {
        let call = IModelRegistry::getModelCall { modelId: model_id };
        match self.contract.lookup::<ContractErrors::ModelNotFound, _>(&call).await? {
            Some(_) => Ok(Some(self.get(model_id).await?)),
            None => Ok(None),
        }
    }

    /// Reads a model; [`ChainError::Reverted`] with `ModelNotFound` for an unknown id.
    ///
    /// # Errors
    /// As of [`Contract::query`].
    pub async fn get(&self, model_id: U256) -> Result<ModelRecord, ChainError> {
        let model =
            self.contract.query(&IModelRegistry::getModelCall { modelId: model_id }).await?;
        let binding = self.binding(model_id).await?;
        Ok(ModelRecord {
            model_id,
            owner: model.owner,
            commitment: model.commitment,
            deprecated: model.deprecated,
            binding,
        })
    }

    /// The contracts that check a model's proofs; `None` if it is not bound yet.
    ///
    /// # Errors
    /// As of [`Contract::query`].
    pub async fn binding(&self, model_id: U256) -> Result<Option<ModelBinding>, ChainError> {
        let call = IModelRegistry::bindingOfCall { modelId: model_id };
        let Some(binding) = self.contract.lookup::<ContractErrors::NotBound, _>(&call).await?
        else {
            return Ok(None);
        };
        let call = IModelRegistry::admissionOfCall { modelId: model_id };
        let admission = self.contract.query(&call).await?;
        Ok(Some(ModelBinding {
            model: ModelIdentity { vk_hash: binding.vkHash, model_hash: binding.modelHash },
            binding_hash: admission.bindingHash,
            vk: binding.vk,
            verifier: binding.verifier,
            verifier_code_hash: binding.verifierCodeHash,
            dev_setup: binding.devSetup,
            setup_id: binding.setupId,
            statement: binding.statement,
            owner: binding.owner,
        }))
    }

    /// Ids of all models that were registered from block `from` on, oldest first.
    ///
    /// # Errors
    /// Those of the node.
    pub async fn ids(&self, from: u64) -> Result<Vec<U256>, ChainError> {
        let logged = self.contract.events::<IModelRegistry::ModelRegistered>(from).await?;
        Ok(logged.into_iter().map(|logged| logged.event.modelId).collect())
    }
}

// Here and not beside the type, so that `contract` does not depend on its own clients.
impl Contract {
    /// The registry that an escrow or a service bond takes its models from.
    ///
    /// # Errors
    /// [`ChainError::NoCode`], and [`ChainError::Reverted`] or [`ChainError::BadAnswer`] for a contract
    /// that has no registry, besides those of the node.
    pub async fn registry(&self) -> Result<ModelRegistry, ChainError> {
        // All of them have this function.
        let address = self.query(&IPredictionEscrow::registryCall {}).await?;
        Ok(ModelRegistry::at(self.chain().clone(), address))
    }
}

/// Constructor arguments of a registry: the setup ids of the ceremonies that it knows.
pub(crate) fn registry_constructor(ceremonies: &[B256]) -> Vec<u8> {
    (ceremonies.to_vec(),).abi_encode_params()
}

/// Constructor arguments of an escrow: registry, and whether locally made setups are admitted.
pub(crate) fn escrow_constructor(registry: Address, allow_dev_setup: bool) -> Vec<u8> {
    (registry, allow_dev_setup).abi_encode_params()
}
