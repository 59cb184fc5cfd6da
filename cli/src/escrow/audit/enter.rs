//! `assay escrow audit enter`.

use std::path::PathBuf;

use alloy::primitives::{B256, U256};
use anyhow::{Context, Result, bail};
use assay_client::{
    ContractClient,
    escrow::audit::{AuditOrder, Offer, Terms, admission_hash},
};
use assay_prover::collection::sealed::Recipient;
use clap::Args;
use serde::Serialize;

use super::{Job, possession, sellers::SellersArgs};
use crate::{
    amount::amount_text,
    binding::{bound, require_circuit},
    chain::Sent,
    escrow::job::JobArgs,
    output::{Decimal, Id, Output, table},
    predicted::Predicted,
    published::ModelSource,
    setup_trust::guard_trusted,
};

#[derive(Args)]
#[command(after_help = "Example:
  assay escrow audit enter 1 --model 2 --bundle audit.bundle --encryption-key age1... \\
    --escrow 0x... --rpc http://127.0.0.1:8545 --private-key-file seller.key

Where the job has a challenge, a proof of the model's first run on that public collection is shown as well; without
one, the command says for which context:

  assay audit prove audit.bundle --set challenge.set --runs 0 1 --setup dev.srs --keys keys \\
    --context 0x... -o possession
  assay escrow audit enter 1 --possession possession ...")]
pub(crate) struct EnterArgs {
    #[command(flatten)]
    job: JobArgs,
    /// Id of the model in the escrow's registry
    #[arg(long, value_name = "ID")]
    model: U256,
    #[command(flatten)]
    source: ModelSource,
    #[command(flatten)]
    sellers: SellersArgs,
    /// Public key to which the test set shall be sealed, from `assay dataset key`; or a file with a key for
    /// another kind of encryption, logged as it is
    #[arg(long, value_name = "age1...|FILE")]
    encryption_key: Option<String>,
    /// Folder with the proof of the first run of the job's challenge, made by `assay audit prove`
    #[arg(long, value_name = "DIR")]
    possession: Option<PathBuf>,
    /// Enter although there is less time to prove than the proofs are expected to take
    #[arg(long)]
    short_windows: bool,
    /// Allow a setup of no known ceremony on a chain that is not a development chain
    #[arg(long)]
    dev: bool,
}

#[derive(Serialize)]
struct Report {
    job: Decimal,
    entry: Decimal,
    model: Id,
    batch: usize,
    stake: Decimal,
    /// For `assay audit prove --context`.
    context: B256,
    #[serde(flatten)]
    sent: Sent,
}

pub(super) fn run(args: &EnterArgs, output: &Output) -> Result<()> {
    let architecture = args.source.architecture()?;
    let layout = architecture.layout()?;
    let statement = layout.options.statement;
    let batch = match statement.run() {
        Some(run) if statement.name() == "audit" => run.items(),
        _ => bail!(
            "the bundle proves statements of kind {}; `assay model derive --statement audit` makes one for \
             audits",
            statement.name()
        ),
    };
    let encryption_key = match &args.encryption_key {
        Some(given) => encryption_key(given)?,
        None => Vec::new(),
    };
    let (report, token) = args.job.sender.run(output, "entering", async |session| {
        let job = Job::find(&args.job.contract, args.job.job, &session).await?;
        if !args.short_windows {
            let proofs = (job.terms().items as usize).div_ceil(batch);
            let each = Predicted::new(&layout, &architecture.graph).wall_s;
            require_time(job.terms(), proofs, each)?;
        }
        let registry = job.escrow.contract().registry().await?;
        // With another architecture nothing could be proven, and the stake were lost.
        require_circuit(&registry, args.model, &architecture).await?;
        let binding = bound(&registry, args.model).await?;
        guard_trusted(!binding.dev_setup, session.chain.chain_id(), args.dev)?;
        let which = place_in_list(
            &job.order,
            admission_hash(binding.model.vk_hash, binding.verifier_code_hash),
        )?;
        let account = session.chain.account()?;
        let folder = args.possession.as_deref();
        let (correct, proof) = possession::shown(&job, &binding, batch, account, folder)?;
        let offer = Offer {
            modelId: args.model,
            bindingHash: binding.binding_hash,
            batch: u32::try_from(batch).context("the runs are too long")?,
            admitted: job.order.admitted.clone(),
            which: U256::from(which),
            path: args.sellers.path(account, job.terms().sellers)?,
            encryptionKey: encryption_key.clone().into(),
            correct,
            possession: proof,
        };
        let (entry, outcome) = job.escrow.enter(&job.order, offer).await?;
        let report = Report {
            job: Decimal(args.job.job),
            entry: Decimal(entry),
            model: Id(args.model),
            batch,
            stake: Decimal(U256::from(job.terms().stake)),
            context: B256::from(job.context(account)),
            sent: Sent::from(&outcome),
        };
        Ok((report, job.terms().token))
    })?;
    output.finish(&report, || {
        table(&[
            ("job", report.job.to_string()),
            ("entry", report.entry.to_string()),
            ("staked", amount_text(report.stake.0, token)),
            ("items of a proof", report.batch.to_string()),
            ("context", report.context.to_string()),
            ("gas", report.sent.gas_used.to_string()),
        ])
    })
}

/// Whoever starts to prove when its turn has come has this one window; the contract only sees to it that it is
/// ten minutes long.
fn require_time(terms: &Terms, proofs: usize, each: f64) -> Result<()> {
    let needed = (1.5 * each * proofs as f64).ceil();
    if (terms.proveWindow as f64) < needed {
        bail!(
            "this job leaves {} s to prove a claim, and {needed:.0} s should be there for {proofs} proofs of \
             about {each:.0} s: the stake can be lost to the clock alone; --short-windows enters nevertheless",
            terms.proveWindow
        );
    }
    Ok(())
}

fn encryption_key(given: &str) -> Result<Vec<u8>> {
    if let Ok(recipient) = given.parse::<Recipient>() {
        return Ok(recipient.to_string().into_bytes());
    }
    let key = std::fs::read(given).with_context(|| {
        format!("{given} is no public key (age1...), and no file that can be read")
    })?;
    // What is logged on chain is public for ever.
    let text = String::from_utf8_lossy(&key);
    let digits = text.trim().trim_start_matches("0x");
    if text.contains("SECRET") || text.contains("PRIVATE") || (digits.len() == 64 && is_hex(digits))
    {
        bail!(
            "{given} looks like a secret key; give the public key, which `assay dataset key` prints"
        );
    }
    Ok(key)
}

fn is_hex(text: &str) -> bool {
    text.bytes().all(|digit| digit.is_ascii_hexdigit())
}

/// Index of the model's key and verifier in the list of those admitted; 0 where there is no list.
fn place_in_list(order: &AuditOrder, key: B256) -> Result<usize> {
    if order.admitted.is_empty() {
        return Ok(0);
    }
    order.admitted.iter().position(|admitted| *admitted == key).with_context(|| {
        format!(
            "the buyer of job {} does not admit the model's verifying key with its verifier; it takes \
             models of another architecture, statement or build",
            order.job_id
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn jobs_that_the_clock_wins_are_refused() {
        let terms = Terms { proveWindow: 600, ..Terms::default() };
        assert!(require_time(&terms, 16, 25.0).is_ok());
        let refused = require_time(&terms, 17, 25.0).expect_err("too short").to_string();
        assert!(
            refused.contains("600 s to prove a claim, and 638 s should be there for 17 proofs")
        );
    }
}
