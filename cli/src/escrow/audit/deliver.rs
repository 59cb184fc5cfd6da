//! `assay escrow audit deliver`.

use std::path::PathBuf;

use alloy::primitives::{B256, U256, keccak256};
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
Without it --data is what you have encrypted yourself (keys: `assay escrow audit show`). The set is delivered
to the entries of --approve, else to all; where --admit names the models that you know (cards or architectures),
as a job that was opened with --admit-at-delivery needs it, to those alone that are of one of them. The other
entries get their stakes back. Each entry that is delivered to and stays away costs the bond an abort fee; to
turn all of them away costs nothing: `assay escrow audit decline`.")]
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
    /// Ids of the entries that are delivered to, such as 1,3 [default: all that are admitted]
    #[arg(long, value_name = "IDS", value_delimiter = ',')]
    approve: Vec<U256>,
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
    /// Ids of the entries that were delivered to.
    approved: Vec<Decimal>,
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
                "job {} lists no keys, so delivering approves of its entries' keys: name the models that you know \
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
        }
        let approved = approved(&job, args, &entries, &admissions).await?;
        let ids: Vec<U256> = approved.iter().map(|entry| entry.entry).collect();
        let seen = seen(&entries, args.entries)?;
        let data = match (&args.set, &set) {
            (Some(path), Some(set)) => {
                job.require_test_set(set)?;
                if args.data.exists() {
                    bail!(
                        "{} exists: deliver it without --set, or seal to another file",
                        args.data.display()
                    );
                }
                seal_to(path, &recipients(&approved)?, &args.data, output)?
            }
            _ => std::fs::read(&args.data)
                .with_context(|| format!("cannot read {}", args.data.display()))?,
        };
        let data_hash = keccak256(&data);
        let place = args.place.clone().into_bytes().into();
        let outcome = job.escrow.deliver(&job.order, seen, &ids, data_hash, place).await?;
        Ok(Report {
            job: Decimal(args.job.job),
            entries: entries.len(),
            approved: ids.into_iter().map(Decimal).collect(),
            entries_hash: seen,
            data_hash,
            trust: trust(&job, &admissions),
            sent: Sent::from(&outcome),
        })
    })?;
    output.finish(&report, || {
        let mut rows = vec![
            (
                "job",
                format!(
                    "{} delivered to {} of {} entries",
                    report.job,
                    report.approved.len(),
                    report.entries
                ),
            ),
            ("data", report.data_hash.to_string()),
        ];
        rows.extend(report.trust.iter().flat_map(TrustReport::rows));
        rows.push(("gas", report.sent.gas_used.to_string()));
        table(&rows)
    })
}

/// The hash of the entries, unless others were looked at.
pub(super) fn seen(entries: &[AuditEntered], wanted: Option<B256>) -> Result<B256> {
    let seen = entries_hash(entries);
    if wanted.is_some_and(|wanted| wanted != seen) {
        bail!("the entries are no longer those that you looked at: their hash is {seen}");
    }
    Ok(seen)
}

/// Why the entries' keys are relied on. Those of a job with a list were admitted when it was opened.
fn trust(job: &Job, admissions: &[Admission]) -> Vec<TrustReport> {
    if admissions.is_empty() && job.order.admitted.is_empty() {
        return vec![TrustReport::registry()];
    }
    admissions.iter().map(|one| one.report.clone()).collect()
}

/// The keys that the sellers entered with.
fn recipients(entries: &[&AuditEntered]) -> Result<Vec<Recipient>> {
    entries
        .iter()
        .map(|entry| {
            let text = text_or_hex(&entry.encryptionKey);
            text.parse().with_context(|| {
                format!(
                    "entry {} of {} has no key that files are sealed to; leave it out with --approve, or \
                     encrypt the set for it yourself and deliver without --set",
                    entry.entry, entry.seller
                )
            })
        })
        .collect()
}

/// The entries that are delivered to: those that were named, or all; of these, the known ones.
async fn approved<'a>(
    job: &Job,
    args: &DeliverArgs,
    entries: &'a [AuditEntered],
    admissions: &[Admission],
) -> Result<Vec<&'a AuditEntered>> {
    let named = |entry: &AuditEntered| args.approve.contains(&entry.entry);
    if let Some(id) = args.approve.iter().find(|id| !entries.iter().any(|one| one.entry == **id)) {
        bail!("job {} has no entry {id}", args.job.job);
    }
    let mut approved = Vec::new();
    for entry in entries.iter().filter(|entry| args.approve.is_empty() || named(entry)) {
        let stranger =
            if admissions.is_empty() { None } else { stranger(job, entry, admissions).await? };
        match stranger {
            None => approved.push(entry),
            Some(reason) if named(entry) => {
                bail!("{reason}; do not deliver if you do not know them")
            }
            Some(_) => {}
        }
    }
    if approved.is_empty() {
        bail!(
            "none of the entries of job {} is of a model that is admitted; `assay escrow audit decline` turns \
             them away",
            args.job.job
        );
    }
    Ok(approved)
}

/// Why an entry is not of a model that is admitted; nothing of one that is.
async fn stranger(
    job: &Job,
    entry: &AuditEntered,
    admissions: &[Admission],
) -> Result<Option<String>> {
    let binding = job.binding(entry.modelId).await?;
    let known = admissions.iter().any(|one| {
        one.vk_hash == binding.model.vk_hash
            && one.code_hash == binding.verifier_code_hash
            && one.model_hash.is_none_or(|hash| hash == binding.model.model_hash)
            && one.owner.is_none_or(|owner| owner == binding.owner)
    });
    let reason = format!(
        "entry {} of {} is of {}, with a verifier of code hash {}, registered by {}, which none of those \
         admitted has",
        entry.entry, entry.seller, binding.model, binding.verifier_code_hash, binding.owner
    );
    Ok(Some(reason).filter(|_| binding.binding_hash != entry.bindingHash || !known))
}
