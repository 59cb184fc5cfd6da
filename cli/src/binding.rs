//! The model that a job or a service is about, as the registry has bound it to a verifier.

use alloy::primitives::{B256, U256};
use anyhow::{Context, Result, bail};
use assay_client::{ModelIdentity, ModelRegistry, registry::ModelBinding};
use assay_prover::bundle::Architecture;

/// The binding of a model that has one.
pub(crate) async fn bound(registry: &ModelRegistry, model: U256) -> Result<ModelBinding> {
    let binding = registry.binding(model).await?;
    binding.with_context(|| format!("model {model:#066x} is not bound to a verifier yet"))
}

/// Refuses to prove with another model than the one that is to be proven: the proof would cost an opening
/// of the weights, and be worth nothing.
pub(crate) async fn require_model(
    registry: &ModelRegistry,
    model: U256,
    bundle: ModelIdentity,
) -> Result<()> {
    let wanted = bound(registry, model).await?.model;
    if wanted != bundle {
        bail!("the bundle holds {bundle}; model {model:#066x}, which is to be proven, is {wanted}");
    }
    Ok(())
}

/// Refuses a model that is registered with another circuit than that of an architecture.
pub(crate) async fn require_circuit(
    registry: &ModelRegistry,
    model: U256,
    architecture: &Architecture,
) -> Result<()> {
    let registered = registry.get(model).await?.commitment.circuitHash;
    let circuit = B256::from(architecture.circuit_hash());
    if registered != circuit {
        bail!(
            "model {model:#066x} is registered with circuit {registered}, this one has {circuit}"
        );
    }
    Ok(())
}
