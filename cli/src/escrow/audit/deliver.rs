//! `assay escrow audit deliver`.

use std::path::PathBuf;

use alloy::primitives::{B256, keccak256};
use anyhow::{Context, Result, bail};
use assay_client::{
    contract::text_or_hex,
    escrow::audit::{AuditEntered, entries_hash},
};
use assay_prover::collection::sealed::Recipient;
use clap::Args;
use serde::Serialize;

use super::{
    Job,
    admission::{Admission, AdmissionArgs},
    open::require_rank,
};
use crate::{
    chain::Sent,
    dataset::{self, seal::seal_to},
    escrow::job::JobArgs,
    hex_words::parse_hash,
    output::{Decimal, Output, table},
    setup_trust::guard_setup,
    trust::TrustReport,
};

#[derive(Args)]
#[command(after_help = "Example:
  assay escrow audit deliver 1 --set test.set --data test.set.age \\
    --place https://example.org/test.set.age \\
    --escrow 0x... --rpc http://127.0.0.1:8545 --private-key-file buyer.key

With --set the test set is sealed to the keys that the sellers entered with, for upload to the place.
Without it --data is what you have encrypted yourself (keys: `assay escrow audit show`). In a job that was
opened with --admit-at-delivery the delivery approves of all entries: name the models that you know with
--admit (cards or architectures), and an entry of another key or verifier is refused.")]
pub(crate) struct DeliverArgs {
    #[command(flatten)]
    job: JobArgs,
    /// The test set. It is checked against the job and sealed to the sellers' keys, into --data
    #[arg(long, value_name = "FILE")]
    set: Option<PathBuf>,
    /// The encrypted test set; its hash goes on chain
    #[arg(long, value_name = "FILE")]
    data: PathBuf,
    /// Where sellers find it, for example a URI
    #[arg(long)]
    place: String,
    #[command(flatten)]
    admission: AdmissionArgs,
    /// Approve of entries whatever keys and verifiers they use: whoever entered with a key without
    /// constraints proves any accuracy
    #[arg(long, conflicts_with_all = ["admit", "admit_folder"], help_heading = "Trust")]
    trust_registry: bool,
    /// Allow a setup of no known ceremony on a chain that is not a development chain
    #[arg(long)]
    dev: bool,
    /// Hash of the entries that you have looked at, from `assay escrow audit show` [default: that of
    /// those on chain now]
    #[arg(long, value_name = "HEX", value_parser = parse_hash)]
    entries: Option<B256>,
}

#[derive(Serialize)]
struct Report {
    job: Decimal,
    entries: usize,
    entries_hash: B256,
    data_hash: B256,
    trust: Vec<TrustReport>,
    #[serde(flatten)]
    sent: Sent,
}

pub(super) fn run(args: &DeliverArgs, output: &Output) -> Result<()> {
    let set = args.set.as_ref().map(|path| dataset::read(path, output)).transpose()?;
    let admissions = args.admission.open(output)?;
    let report = args.job.sender.run(output, "delivering", async |session| {
        let job = Job::find(&args.job.contract, args.job.job, &session).await?;
        let entered = job.escrow.entered(&job.order).await?;
        let entries: Vec<AuditEntered> = entered.into_iter().map(|logged| logged.event).collect();
        if entries.is_empty() {
            bail!("nobody has entered job {} yet", args.job.job);
        }
        if job.order.admitted.is_empty() && admissions.is_empty() && !args.trust_registry {
            bail!(
                "job {} lists no keys, so delivering approves of its entries: name the models that you know \
                 with --admit (and --setup), or give --trust-registry to approve of any",
                args.job.job
            );
        }
        if !admissions.is_empty() {
            let metric = text_or_hex(job.terms().metric.as_slice());
            require_rank(metric.trim_end_matches('\0'), args.admission.top)?;
            for admission in &admissions {
                guard_setup(&admission.setup, session.chain.chain_id(), args.dev)?;
            }
            check(&job, &entries, &admissions).await?;
        }
        let seen = entries_hash(&entries);
        if let Some(wanted) = args.entries
            && wanted != seen
        {
            bail!("the entries are no longer those that you looked at: their hash is {seen}");
        }
        let data = match (&args.set, &set) {
            (Some(path), Some(set)) => {
                job.require_test_set(set)?;
                if args.data.exists() {
                    bail!(
                        "{} exists: deliver it without --set, or seal to another file",
                        args.data.display()
                    );
                }
                seal_to(path, &recipients(&entries)?, &args.data, output)?
            }
            _ => std::fs::read(&args.data)
                .with_context(|| format!("cannot read {}", args.data.display()))?,
        };
        let data_hash = keccak256(&data);
        let place = args.place.clone().into_bytes().into();
        let outcome = job.escrow.deliver(&job.order, seen, data_hash, place).await?;
        Ok(Report {
            job: Decimal(args.job.job),
            entries: entries.len(),
            entries_hash: seen,
            data_hash,
            trust: trust(&job, &admissions),
            sent: Sent::from(&outcome),
        })
    })?;
    output.finish(&report, || {
        let mut rows = vec![
            ("job", format!("{} delivered, entries: {}", report.job, report.entries)),
            ("data", report.data_hash.to_string()),
        ];
        rows.extend(report.trust.iter().flat_map(TrustReport::rows));
        rows.push(("gas", report.sent.gas_used.to_string()));
        table(&rows)
    })
}

/// Why the entries' keys are relied on. Those of a job with a list were admitted when it was opened.
fn trust(job: &Job, admissions: &[Admission]) -> Vec<TrustReport> {
    if admissions.is_empty() && job.order.admitted.is_empty() {
        return vec![TrustReport::registry()];
    }
    admissions.iter().map(|one| one.report.clone()).collect()
}

/// The keys that the sellers entered with.
fn recipients(entries: &[AuditEntered]) -> Result<Vec<Recipient>> {
    entries
        .iter()
        .map(|entry| {
            let text = text_or_hex(&entry.encryptionKey);
            text.parse().with_context(|| {
                format!(
                    "entry {} of {} has no key that files are sealed to; encrypt the set for it yourself \
                     and deliver without --set",
                    entry.entry, entry.seller
                )
            })
        })
        .collect()
}

/// Whether every entry's key and verifier are among those admitted.
async fn check(job: &Job, entries: &[AuditEntered], admissions: &[Admission]) -> Result<()> {
    for entry in entries {
        let binding = job.binding(entry.modelId).await?;
        let known = admissions.iter().any(|one| {
            one.vk_hash == binding.model.vk_hash
                && one.code_hash == binding.verifier_code_hash
                && one.model_hash.is_none_or(|hash| hash == binding.model.model_hash)
                && one.owner.is_none_or(|owner| owner == binding.owner)
        });
        if binding.binding_hash != entry.bindingHash || !known {
            bail!(
                "entry {} of {} is of {}, with a verifier of code hash {}, registered by {}, which none of \
                 those admitted has; do not deliver if you do not know them",
                entry.entry,
                entry.seller,
                binding.model,
                binding.verifier_code_hash,
                binding.owner
            );
        }
    }
    Ok(())
}
