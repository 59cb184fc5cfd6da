//! `assay escrow claim --proofs`: the runs of a job about a collection.

use std::path::Path;

use alloy::primitives::Address;
use anyhow::{Context, Result, bail};
use assay_client::{ContractClient, PredictionEscrow};
use serde::Serialize;

use super::{
    prediction::ClaimArgs,
    runs::{self, Expected, ShownRun, Submitted},
};
use crate::{
    answer::code_of,
    binding::bound,
    output::{Decimal, Output, table},
};

#[derive(Serialize)]
struct Report {
    job: Decimal,
    recipient: Address,
    #[serde(flatten)]
    submitted: Submitted,
    /// Inputs that no proof has been paid for.
    unclaimed: Decimal,
}

pub(super) fn claim_runs(args: &ClaimArgs, folder: &Path, output: &Output) -> Result<()> {
    let id = args.job.job;
    let report = args.job.sender.run(output, "reading the job", async |session| {
        let recipient = args.recipient.map_or_else(|| session.chain.account(), Ok)?;
        let (escrow, _) = args.job.contract.open::<PredictionEscrow>(&session).await?;
        let find = async || {
            let job = escrow.job(id).await?;
            job.with_context(|| format!("escrow {} has no job {id}", escrow.address()))
        };
        let job = find().await?;
        if job.batch.is_zero() {
            bail!("job {id} is about one input; give its proof with --proof");
        }
        let binding = bound(&escrow.registry().await?, job.model_id).await?;
        let code = code_of(binding.statement).context("the model's statement is unknown here")?;
        let expected = Expected {
            vk_hash: binding.model.vk_hash,
            context: escrow.contract().proof_context(id, recipient),
            root: job.input_commitment,
            items: u64::try_from(job.items).context("the job has too many items")?,
            batch: u64::try_from(job.batch).context("the job's runs are too large")?,
            words: usize::try_from(code.outputs).context("the model shows too many words")?,
            command: "assay classify prove",
        };
        let runs = runs::read(folder, &expected)?;
        let is_claimed = async |run| escrow.is_claimed(id, run).await;
        let claim = async |run: &ShownRun| escrow.claim(id, recipient, &run.artifact()).await;
        let submitted = runs::submit(&runs, &session, is_claimed, claim).await?;
        let unclaimed = Decimal(find().await?.unclaimed);
        Ok(Report { job: Decimal(id), recipient, submitted, unclaimed })
    })?;
    output.finish(&report, || {
        table(&[
            ("job", report.job.to_string()),
            ("runs", report.submitted.shown()),
            ("inputs not claimed", report.unclaimed.to_string()),
            ("recipient", report.recipient.to_string()),
            ("gas", report.submitted.gas_used.to_string()),
        ])
    })
}
