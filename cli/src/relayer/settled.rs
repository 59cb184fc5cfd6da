//! What is said of the job that a relayer was to settle.

use std::path::Path;

use alloy::primitives::B256;
use anyhow::{Context, Result};
use assay_client::ContractClient;
use assay_prover::{arithmetic::field::field_from_bytes, prediction::OutputWord, proof::ProofFile};
use assay_relayer::{PredictionJob, Relayer, proving::ProofReport};
use serde::Serialize;

use crate::{
    amount::amount_text, answer::number_text, new_file::NewFile, output::table, trust::TrustReport,
};

#[derive(Serialize)]
pub(super) struct SettledReport {
    pub(super) job: PredictionJob,
    pub(super) settled_as: &'static str,
    pub(super) transaction: Option<B256>,
    pub(super) gas_used: Option<u64>,
    pub(super) proof: Option<ProofFigures>,
    pub(super) trust: TrustReport,
}

#[derive(Serialize)]
pub(super) struct ProofFigures {
    /// Of a model that states a class.
    class: Option<u64>,
    /// Of a model that states a number: the integer of its output, and what it stands for.
    #[serde(skip_serializing_if = "Option::is_none")]
    number: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    real: Option<f64>,
    witness_s: f64,
    prove_wall_s: f64,
    proof_bytes: usize,
    openings_used: usize,
    openings: usize,
}

impl From<&ProofReport> for ProofFigures {
    fn from(report: &ProofReport) -> Self {
        let number = report.answer.and_then(OutputWord::number);
        Self {
            class: report.answer.and_then(OutputWord::class),
            number,
            real: number.and_then(|number| Some(number as f64 * report.step?)),
            witness_s: report.witness_time.as_secs_f64(),
            prove_wall_s: report.prove_time.as_secs_f64(),
            proof_bytes: report.proof_bytes,
            openings_used: report.openings.0,
            openings: report.openings.1,
        }
    }
}

/// Writes the proof of a job as a proof file.
pub(super) async fn save_proof(relayer: &Relayer, job: &PredictionJob, path: &Path) -> Result<()> {
    let artifact = relayer
        .store()
        .proof(job.id())
        .await?
        .with_context(|| format!("job {} has no proof", job.id()))?;
    let context = relayer.escrow().contract().proof_context(job.id(), relayer.recipient());
    let public_inputs = [context, job.terms.input_commitment]
        .iter()
        .chain(&artifact.outputs)
        .map(|word| field_from_bytes(&word.to_be_bytes()))
        .collect::<Option<Vec<_>>>()
        .context("a public input is not a field element")?;
    let proof = ProofFile {
        vk_hash: job.terms.model.vk_hash.0,
        public_inputs,
        proof: artifact.proof.to_vec(),
    };
    NewFile::new(path, None, "the proof in it would be lost").write(|path| Ok(proof.write(path)?))
}

pub(super) fn settled_text(report: &SettledReport) -> String {
    let mut rows = vec![
        ("job", report.job.id().to_string()),
        ("state", report.job.state().to_string()),
        ("price", amount_text(report.job.terms.price, report.job.terms.token)),
    ];
    if let Some(proof) = &report.proof {
        rows.extend(proof.class.map(|class| ("class", class.to_string())));
        rows.extend(proof.number.map(|number| ("number", number_text(number, proof.real))));
        rows.push((
            "proof",
            format!(
                "{} bytes, witness {:.2} s, proof {:.2} s",
                proof.proof_bytes, proof.witness_s, proof.prove_wall_s
            ),
        ));
    }
    rows.extend(report.trust.rows());
    if let Some(gas) = report.gas_used {
        rows.push(("gas", gas.to_string()));
    }
    table(&rows)
}
