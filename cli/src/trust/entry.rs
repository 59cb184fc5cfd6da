//! A registry's entry, compared with what was made here.

use alloy::primitives::{Address, B256, U256};
use anyhow::{Context, Result, bail};
use assay_client::{
    ContractClient, ModelRegistry,
    registry::{ModelBinding, ModelRecord, PROOF_SYSTEM_ID, binding_hash, model_id},
};
use assay_prover::solidity::vk_data;

use super::{KnownModel, TrustReport, VerifierCode};

/// The key and the verifier that a model must have.
pub(crate) struct Expected {
    pub known: KnownModel,
    pub code: VerifierCode,
}

/// Compares a registry's entry, and the code at its addresses, with what is expected. Returns the binding
/// that was worked out here, which is what an order pins.
pub(crate) async fn check_entry(
    expected: &Expected,
    registry: &ModelRegistry,
    model: U256,
) -> Result<(ModelBinding, TrustReport)> {
    let record = registry.find(model).await?;
    let record = record
        .with_context(|| format!("registry {} has no model {model:#066x}", registry.address()))?;
    let binding = record.binding;
    let binding =
        binding.with_context(|| format!("model {model:#066x} is not bound to a verifier yet"))?;
    if record.deprecated {
        bail!("the owner of model {model:#066x} has withdrawn it from new business");
    }
    let mut compared = expected.known.compared();
    for (what, found, wanted) in words(expected, &record, &binding) {
        if found != wanted {
            bail!(
                "model {model:#066x} is not the model that you checked: its {what} is {found}, it must be \
                 {wanted}; do not pay for its proofs"
            );
        }
    }
    compared.push("the registry's entry has this key, circuit and verifier".to_owned());
    compared.push(check_owner(expected, model, record.owner)?);
    let chain = registry.chain();
    let contracts = [
        ("verifying key", binding.vk, expected.known.vk_hash()),
        ("verifier", binding.verifier, expected.code.code_hash),
    ];
    for (what, address, wanted) in contracts {
        let found = chain.code_hash(address).await?;
        if found != wanted {
            bail!(
                "the code at the {what}'s address {address} has hash {found}, it must be {wanted}; do not pay \
                 for proofs that it checks"
            );
        }
    }
    compared.push("the code of both contracts is the one made here".to_owned());
    let setup = expected.known.setup().clone();
    Ok((binding, TrustReport::Recomputed { compared, setup }))
}

/// What must be the same, word by word.
fn words(
    expected: &Expected,
    record: &ModelRecord,
    binding: &ModelBinding,
) -> Vec<(&'static str, B256, B256)> {
    let (known, commitment) = (&expected.known, &record.commitment);
    let info = known.key().info();
    let circuit = B256::from(known.architecture().circuit_hash());
    let first_word = vk_data(info).first_chunk::<32>().copied().unwrap_or_default();
    let id = B256::from(model_id(record.owner, commitment));
    let pinned = binding_hash(
        record.owner,
        commitment,
        binding.vk,
        binding.verifier,
        expected.code.code_hash,
    );
    let proof_system = B256::right_padding_from(PROOF_SYSTEM_ID.as_slice());
    let registered = B256::right_padding_from(commitment.proofSystemId.as_slice());
    let mut words = vec![
        ("circuit", commitment.circuitHash, circuit),
        ("verifying key", commitment.vkHash, known.vk_hash()),
        ("bound verifying key", binding.model.vk_hash, known.vk_hash()),
        ("verifier's code", binding.verifier_code_hash, expected.code.code_hash),
        ("setup", binding.setup_id, B256::from(info.setup_id())),
        ("statement", binding.statement, B256::from(first_word)),
        ("proof system", registered, proof_system),
        ("id", B256::from(record.model_id), id),
        ("binding", binding.binding_hash, pinned),
    ];
    if let Some(hash) = known.model_hash() {
        words.push(("model", commitment.modelHash, hash));
        words.push(("bound model", binding.model.model_hash, hash));
    }
    words
}

/// Compares the owner with the card's, where it names one.
fn check_owner(expected: &Expected, model: U256, owner: Address) -> Result<String> {
    match expected.known.owner()? {
        None => Ok(format!("its owner {owner} was not compared, as no card names one")),
        Some(named) if named == owner => Ok(format!("its owner is {owner}")),
        Some(named) => bail!(
            "model {model:#066x} is not the model that you checked: its owner is {owner}, the card's is {named}; \
             somebody else registered a copy"
        ),
    }
}
