//! The bundles that a relayer serves, and the entries of the registry that they are of.

use std::{path::PathBuf, sync::Arc};

use alloy::primitives::{B256, U256};
use anyhow::{Context, Result, bail};
use assay_client::{
    ContractClient, ModelIdentity, PredictionEscrow,
    registry::{ModelCommitment, PROOF_SYSTEM_ID, model_id},
};
use assay_prover::{
    bundle::{Architecture, Bundle},
    circuit::StatementKind,
};
use assay_relayer::proving::{InputStore, LocalProver};
use clap::Args;

use crate::{
    output::Output,
    trust::{Expected, KnownModel, Solc, TrustReport, check_entry},
};

#[derive(Args)]
pub(super) struct BundleArgs {
    /// Model bundle; may be repeated, each with a --keys of its own. What a bundle proves says what it serves: predictions,
    /// items of collections (one of both), retrievals or audits
    #[arg(long, value_name = "FILE", required = true)]
    bundle: Vec<PathBuf>,
    /// Parameters that the keys were made with
    #[arg(long, env = "ASSAY_SETUP", value_name = "FILE")]
    pub(super) setup: PathBuf,
    /// Folder of keys, one for each --bundle in their order; a proving key is made where there is none
    #[arg(long, value_name = "DIR", required = true)]
    keys: Vec<PathBuf>,
    /// Id of the model to serve, one for each --bundle in their order [default: those that the signing account registered]
    #[arg(long, value_name = "ID", help_heading = "Trust")]
    model: Vec<U256>,
    #[command(flatten)]
    solc: Solc,
    /// Serve jobs of any entry of the registry that has this model, without making its key and verifier
    /// again
    #[arg(long, conflicts_with = "model", help_heading = "Trust")]
    trust_registry: bool,
}

/// A bundle that is served.
pub(super) struct Served {
    pub(super) prover: Arc<LocalProver>,
    keys: PathBuf,
    architecture: Architecture,
    /// The key and the verifier that follow from it, made again; `None` where nobody shall look.
    expected: Option<Expected>,
    /// Its entry in the registry, where one was named.
    named: Option<U256>,
}

impl BundleArgs {
    /// Opens all of them, to make so many proofs at a time each; those of jobs about single inputs or items come first.
    pub(super) fn open(
        &self,
        inputs: impl Fn(StatementKind) -> Result<InputStore>,
        parallel: usize,
        output: &Output,
    ) -> Result<Vec<Served>> {
        if self.keys.len() != self.bundle.len() {
            bail!(
                "there are {} --bundle and {} --keys; each bundle has keys of its own, in the same order",
                self.bundle.len(),
                self.keys.len()
            );
        }
        if !self.model.is_empty() && self.model.len() != self.bundle.len() {
            bail!(
                "there are {} --bundle and {} --model; name the models of all bundles, in the same order, or of none",
                self.bundle.len(),
                self.model.len()
            );
        }
        let mut all = Vec::new();
        for (place, (path, keys)) in self.bundle.iter().zip(&self.keys).enumerate() {
            let spinner = output.spinner("reading the model and its keys");
            let architecture = Bundle::read(path)?.architecture();
            let inputs = inputs(architecture.layout()?.options.statement)?;
            let prover = LocalProver::open(path, &self.setup, keys, inputs)?;
            drop(spinner);
            all.push(Served {
                prover: Arc::new(prover.with_parallel_proofs(parallel)),
                keys: keys.clone(),
                expected: self.expected(&architecture, output)?,
                architecture,
                named: self.model.get(place).copied(),
            });
        }
        all.sort_by_key(|served| !served.is_of_jobs());
        if all.iter().filter(|served| served.is_of_jobs()).count() > 1 {
            bail!(
                "two bundles are for jobs of the prediction escrow; one relayer serves one of them, start another for the \
                 other with an account of its own"
            );
        }
        Ok(all)
    }

    /// The key and the verifier that follow from a bundle, made again; `None` where nobody shall look.
    fn expected(&self, architecture: &Architecture, output: &Output) -> Result<Option<Expected>> {
        if self.trust_registry {
            return Ok(None);
        }
        let known = KnownModel::of(architecture.clone(), Some(&self.setup), output)?;
        let code = self.solc.code_of(known.key().info().profile(), output)?;
        Ok(Some(Expected { known, code }))
    }
}

/// The entry of the registry that is served with a bundle.
pub(super) struct Entry {
    pub(super) model_id: U256,
    /// `None` where any entry of the model is served.
    pub(super) binding: Option<B256>,
    pub(super) trust: TrustReport,
}

impl Served {
    pub(super) fn statement(&self) -> StatementKind {
        self.prover.statement()
    }

    /// Whether it is for jobs of the prediction escrow.
    fn is_of_jobs(&self) -> bool {
        matches!(
            self.statement(),
            StatementKind::Prediction { .. } | StatementKind::Classification { .. }
        )
    }

    /// The entry that is served, which must be of the expected key and verifier.
    pub(super) async fn entry(&self, escrow: &PredictionEscrow) -> Result<Entry> {
        let prover: ModelIdentity = self.prover.model();
        let commitment = ModelCommitment {
            modelHash: prover.model_hash,
            circuitHash: B256::from(self.architecture.circuit_hash()),
            vkHash: prover.vk_hash,
            proofSystemId: PROOF_SYSTEM_ID,
            uri: String::new(),
        };
        let model = match self.named {
            Some(model) => model,
            None => model_id(escrow.chain().account()?, &commitment),
        };
        let Some(expected) = &self.expected else {
            return Ok(Entry { model_id: model, binding: None, trust: TrustReport::registry() });
        };
        if prover.vk_hash != expected.known.vk_hash() {
            bail!(
                "the keys in {} are of verifying key {}, the one that follows from the bundle and the setup is \
                 {}; make the keys again with `assay keygen`",
                self.keys.display(),
                prover.vk_hash,
                expected.known.vk_hash()
            );
        }
        let registry = escrow.registry().await?;
        let checked = check_entry(expected, &registry, model).await.with_context(|| {
            "no jobs can be served; `assay model register` registers the model for this account, --model names \
             another account's entry"
        });
        let (binding, trust) = checked?;
        if binding.model != prover {
            bail!("model {model:#066x} is {}, the bundle holds {prover}", binding.model);
        }
        Ok(Entry { model_id: model, binding: Some(binding.binding_hash), trust })
    }
}
