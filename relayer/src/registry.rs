//! The model registry, typed.

use alloy::{
    primitives::{Address, B256, FixedBytes, U256},
    sol_types::{SolCall, SolEvent, SolValue},
};

use crate::{
    bindings::{ContractErrors, IModelRegistry},
    chain::{Artifact, Chain, ChainError, Deployed, TransactionOutcome},
    job::ModelIdentity,
};

pub use crate::bindings::IModelRegistry::ModelCommitment;

/// First four bytes of keccak256("halo2-kzg-bn254-v1"), see ERC-7992.
pub const PROOF_SYSTEM_ID: FixedBytes<4> = FixedBytes([0x30, 0x1c, 0x92, 0xec]);

/// A model registry contract.
#[derive(Clone, Debug)]
pub struct ModelRegistry {
    chain: Chain,
    address: Address,
}

/// What the registry knows about a model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ModelRecord {
    pub model_id: U256,
    pub owner: Address,
    pub commitment: ModelCommitment,
    pub deprecated: bool,
    /// The contracts that check its proofs; `None` until the owner has bound them.
    pub binding: Option<ModelBinding>,
}

/// The contracts that check a model's proofs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ModelBinding {
    pub model: ModelIdentity,
    /// What a buyer passes with an order.
    pub binding_hash: B256,
    pub vk: Address,
    pub verifier: Address,
    pub verifier_code_hash: B256,
    /// The key stems from a locally made setup, whose maker can forge proofs.
    pub dev_setup: bool,
}

/// A registration that was mined.
#[derive(Clone, Debug)]
pub struct Registered {
    pub model_id: U256,
    pub binding_hash: B256,
    pub outcome: TransactionOutcome,
}

impl ModelRegistry {
    /// The registry at `address`; nothing is asked of the chain yet.
    pub fn at(chain: Chain, address: Address) -> Self {
        Self { chain, address }
    }

    /// Deploys a registry from forge's artifact.
    pub async fn deploy(
        chain: &Chain,
        artifact: &Artifact,
    ) -> Result<(Self, Deployed), ChainError> {
        let deployed = chain.deploy(artifact.init_code.clone()).await?;
        Ok((Self::at(chain.clone(), deployed.address), deployed))
    }

    pub fn address(&self) -> Address {
        self.address
    }

    /// Registers a model and binds it to its verifying key's data contract and its verifier.
    pub async fn register(
        &self,
        commitment: ModelCommitment,
        vk: Address,
        verifier: Address,
    ) -> Result<Registered, ChainError> {
        let call = IModelRegistry::registerBoundModelCall { commitment, vk, verifier };
        let outcome = self.chain.transact(self.address, &call, U256::ZERO).await?;
        let bound =
            find_event::<IModelRegistry::VerifierBound>(&self.chain, self.address, &outcome)?;
        Ok(Registered { model_id: bound.modelId, binding_hash: bound.bindingHash, outcome })
    }

    /// Changes a model's URI, the one thing that its owner can change.
    pub async fn set_uri(
        &self,
        model_id: U256,
        uri: String,
    ) -> Result<TransactionOutcome, ChainError> {
        let commitment =
            self.query(&IModelRegistry::getModelCall { modelId: model_id }).await?.commitment;
        let call = IModelRegistry::updateModelCall {
            modelId: model_id,
            newCommitment: ModelCommitment { uri, ..commitment },
        };
        self.chain.transact(self.address, &call, U256::ZERO).await
    }

    /// Withdraws a model from new business, for good.
    pub async fn deprecate(&self, model_id: U256) -> Result<TransactionOutcome, ChainError> {
        let call = IModelRegistry::deprecateModelCall { modelId: model_id };
        self.chain.transact(self.address, &call, U256::ZERO).await
    }

    /// Reads a model; [`ChainError::Reverted`] with `ModelNotFound` for an unknown id.
    pub async fn get(&self, model_id: U256) -> Result<ModelRecord, ChainError> {
        let model = self.query(&IModelRegistry::getModelCall { modelId: model_id }).await?;
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
    pub async fn binding(&self, model_id: U256) -> Result<Option<ModelBinding>, ChainError> {
        let binding = match self.query(&IModelRegistry::bindingOfCall { modelId: model_id }).await {
            Ok(binding) => binding,
            Err(ChainError::Reverted(revert)) if revert.is::<ContractErrors::NotBound>() => {
                return Ok(None);
            }
            Err(error) => return Err(error),
        };
        let admission = self.query(&IModelRegistry::admissionOfCall { modelId: model_id }).await?;
        Ok(Some(ModelBinding {
            model: ModelIdentity { vk_hash: binding.vkHash, model_hash: binding.modelHash },
            binding_hash: admission.bindingHash,
            vk: binding.vk,
            verifier: binding.verifier,
            verifier_code_hash: binding.verifierCodeHash,
            dev_setup: binding.devSetup,
        }))
    }

    /// Number of models; ids run from 1 to it.
    pub async fn count(&self) -> Result<U256, ChainError> {
        self.query(&IModelRegistry::modelCountCall {}).await
    }

    async fn query<C: SolCall>(&self, call: &C) -> Result<C::Return, ChainError> {
        self.chain.query(self.address, call).await
    }
}

/// Constructor arguments of an escrow: registry, and whether locally made setups are admitted.
pub(crate) fn escrow_constructor(registry: Address, allow_dev_setup: bool) -> Vec<u8> {
    (registry, allow_dev_setup).abi_encode_params()
}

/// The first event of type `E` that `address` emitted in a transaction.
pub(crate) fn find_event<E: SolEvent>(
    chain: &Chain,
    address: Address,
    outcome: &TransactionOutcome,
) -> Result<E, ChainError> {
    outcome
        .logs
        .iter()
        .filter(|log| log.address() == address)
        .find_map(|log| E::decode_log(&log.inner).ok())
        .map(|log| log.data)
        .ok_or_else(|| ChainError::BadAnswer {
            node: chain.label().to_owned(),
            operation: format!("transaction {}", outcome.hash),
            reason: format!(
                "it succeeded without the event {}; is {address} the right contract?",
                E::SIGNATURE
            ),
        })
}
