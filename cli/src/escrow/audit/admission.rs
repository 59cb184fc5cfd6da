//! Which models an audit lets in: by keys and verifiers that were made again here.

use std::path::PathBuf;

use alloy::primitives::{Address, B256};
use anyhow::{Context, Result};
use assay_client::escrow::audit::admission_hash;
use clap::Args;

use crate::{
    model::describe,
    output::Output,
    setup_trust::SetupTrust,
    trust::{PublishedModel, Solc, TrustReport, requires_audit},
    verifier::BuiltVerifier,
};

/// The models that may enter.
#[derive(Args)]
pub(crate) struct AdmissionArgs {
    /// Model card or published architecture whose key and verifier are admitted; may be repeated
    #[arg(long, value_name = "FILE", help_heading = "Trust")]
    admit: Vec<PathBuf>,
    /// Setup with which the verifying keys are made again: your own copy
    #[arg(long, env = "ASSAY_SETUP", value_name = "FILE", help_heading = "Trust")]
    setup: Option<PathBuf>,
    /// What must count as correct: that the label is among so many best classes. A circuit of another rank is
    /// refused
    #[arg(long, value_name = "N", default_value_t = 1, help_heading = "Trust")]
    pub top: usize,
    #[command(flatten)]
    solc: Solc,
    /// Folder of `assay verifier generate` whose key and verifier are admitted as they are; needs --trust-key
    #[arg(long, value_name = "DIR", requires = "trust_key", help_heading = "Trust")]
    admit_folder: Vec<PathBuf>,
    /// Take the keys in --admit-folder without making them again: whoever made one without constraints proves
    /// any accuracy
    #[arg(long, requires = "admit_folder", help_heading = "Trust")]
    trust_key: bool,
}

/// A key and a verifier that are let in.
pub(crate) struct Admission {
    pub vk_hash: B256,
    pub code_hash: B256,
    /// The weights and the owner that a card names; an architecture takes any.
    pub model_hash: Option<B256>,
    pub owner: Option<Address>,
    pub setup: SetupTrust,
    pub report: TrustReport,
}

impl Admission {
    /// What a job lists.
    pub(crate) fn hash(&self) -> B256 {
        admission_hash(self.vk_hash, self.code_hash)
    }
}

impl AdmissionArgs {
    /// Makes the keys and the verifiers' code again.
    pub(crate) fn open(&self, output: &Output) -> Result<Vec<Admission>> {
        let made = self.admit.iter().map(|path| {
            self.make(path, output).with_context(|| format!("cannot admit {}", path.display()))
        });
        let taken = self.admit_folder.iter().map(|folder| {
            let built = BuiltVerifier::read(folder)?;
            Ok(Admission {
                vk_hash: built.vk_hash,
                code_hash: built.code_hash,
                model_hash: None,
                owner: None,
                setup: built.setup(),
                report: TrustReport::key_file(),
            })
        });
        made.chain(taken).collect()
    }

    fn make(&self, path: &std::path::Path, output: &Output) -> Result<Admission> {
        let known = PublishedModel::of_file(path, self.setup.clone())?.open(output)?;
        requires_audit(known.layout(), self.top)?;
        let code = self.solc.code_of(known.key().info().profile(), output)?;
        let setup = known.setup().clone();
        let mut compared = known.compared();
        compared.push(describe(known.layout().options.statement));
        compared.push(format!("admitted with the verifier {} made here", code.code_hash));
        Ok(Admission {
            vk_hash: known.vk_hash(),
            code_hash: code.code_hash,
            model_hash: known.model_hash(),
            owner: known.owner()?,
            report: TrustReport::Recomputed { compared, setup: setup.clone() },
            setup,
        })
    }
}
