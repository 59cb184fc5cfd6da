//! The model that a job or a service is about, as the registry has bound it to a verifier.

use alloy::primitives::{B256, U256};
use anyhow::{Context, Result, bail};
use assay_client::{ContractClient, ModelIdentity, ModelRegistry, registry::ModelBinding};
use assay_prover::bundle::Architecture;
use clap::Args;

use crate::setup_trust::guard_trusted;

#[derive(Args)]
pub(crate) struct BindingArgs {
    /// Binding hash of the model, checked off chain. Without it the registry's present one is taken
    #[arg(long, value_name = "HEX")]
    binding: Option<B256>,
    /// Allow a model with a development setup on a chain that is not a development chain
    #[arg(long)]
    dev: bool,
}

impl BindingArgs {
    /// The binding of a model, if it is the one that was asked for.
    pub(crate) async fn choose(
        &self,
        registry: &ModelRegistry,
        model: U256,
    ) -> Result<ModelBinding> {
        let binding = bound(registry, model).await?;
        guard_trusted(!binding.dev_setup, registry.chain().chain_id(), self.dev)?;
        if let Some(wanted) = self.binding
            && wanted != binding.binding_hash
        {
            bail!("model {model} has binding {}, not {wanted}", binding.binding_hash);
        }
        Ok(binding)
    }
}

/// The binding of a model that has one.
pub(crate) async fn bound(registry: &ModelRegistry, model: U256) -> Result<ModelBinding> {
    let binding = registry.binding(model).await?;
    binding.with_context(|| format!("model {model} is not bound to a verifier yet"))
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
        bail!("the bundle holds {bundle}; number {model}, which is to be proven, is {wanted}");
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
        bail!("model {model} is registered with circuit {registered}, this one has {circuit}");
    }
    Ok(())
}
