//! What a relayer sells beside the jobs of the prediction escrow.

use std::path::PathBuf;

use alloy::primitives::U256;
use anyhow::{Context, Result, bail};
use assay_prover::circuit::StatementKind;
use assay_relayer::{
    AuditPolicy, AuditSales, DeliveryFolder, Publishing, RetrievalSales, RunSale, Sales,
    proving::InputStore,
};
use clap::Args;

use super::bundles::{Entry, Served};
use crate::amount::parse_native;

/// Longest place that an escrow logs, in bytes, less the name of a file.
const LONGEST_PLACE: usize = 4_096 - 128;

#[derive(Args)]
pub(super) struct SellingArgs {
    /// Folder of the collections that retrievals are about, each as <64 hexadecimal digits of its root>.set: with a --bundle
    /// for retrievals, those that name the signing account as holder are proven
    #[arg(long, value_name = "DIR", requires = "deployment", help_heading = "Retrievals")]
    collections: Option<PathBuf>,
    /// Folder for the openings of selected items, sealed to the key in the requester's hint: whatever serves
    /// --published-at to requesters reads it
    #[arg(long, value_name = "DIR", requires = "published_at", help_heading = "Retrievals")]
    published: Option<PathBuf>,
    /// What goes on chain before the name of a file in --published, such as `https://example.org/openings/`
    #[arg(long, value_name = "PLACE", requires = "published", help_heading = "Retrievals")]
    published_at: Option<String>,
    /// Publish openings for everybody where the requester names no key; whoever looks sees the items
    #[arg(long, requires = "published", help_heading = "Retrievals")]
    publish_unsealed: bool,
    /// Folder of the test sets of audits: with a --bundle for audits, those are entered that --audit-stake and the options
    /// beside it allow. Sealed sets are looked for here by their hash; the unsealed ones, which are secret, lie here too
    #[arg(
        long, value_name = "DIR", help_heading = "Audits",
        requires_all = ["deployment", "audit_key", "audit_stake", "audit_reward"]
    )]
    audits: Option<PathBuf>,
    /// File of the secret key to which buyers seal their sets, from `assay dataset key`
    #[arg(long, value_name = "FILE", requires = "audits", help_heading = "Audits")]
    audit_key: Option<PathBuf>,
    /// Largest stake of one audit, such as 0.5ether; it is lost if a claim cannot be proven in time
    #[arg(long, value_name = "AMOUNT", value_parser = parse_native, requires = "audits", help_heading = "Audits")]
    audit_stake: Option<U256>,
    /// Largest sum of all stakes in audits at the same time [default: --audit-stake]
    #[arg(long, value_name = "AMOUNT", value_parser = parse_native, requires = "audits", help_heading = "Audits")]
    audit_stakes: Option<U256>,
    /// Least reward of an audit; it also has to cover its proofs and calls, as the price of a job does
    #[arg(long, value_name = "AMOUNT", value_parser = parse_native, requires = "audits", help_heading = "Audits")]
    audit_reward: Option<U256>,
    /// Fetch sets from where their buyers say (https or http), which has this machine ask any server that a buyer names
    #[arg(long, requires = "audits", help_heading = "Audits")]
    fetch_sets: bool,
    /// Largest set that is fetched
    #[arg(long, value_name = "BYTES", default_value_t = 1 << 30, requires = "fetch_sets", help_heading = "Audits")]
    largest_set: u64,
}

impl SellingArgs {
    /// Where the inputs of proofs of a statement lie, if not among those of jobs.
    pub(super) fn inputs(&self, statement: StatementKind) -> Result<Option<InputStore>> {
        match statement {
            StatementKind::Retrieval { .. } => {
                let folder = self.collections.as_ref().context(
                    "a bundle for retrievals needs --collections, the folder of the collections that are searched",
                )?;
                Ok(Some(InputStore::new(folder)))
            }
            StatementKind::Audit { .. } => {
                let folder = self.audits.as_ref().context(
                    "a bundle for audits needs --audits, the folder for their test sets, and the options beside it",
                )?;
                Ok(Some(InputStore::new(folder)))
            }
            _ => Ok(None),
        }
    }

    /// Everything that is sold with these bundles, each of an entry of the registry.
    pub(super) fn sales(&self, served: &[(&Served, &Entry)]) -> Result<Sales> {
        if self.published_at.as_ref().is_some_and(|place| place.len() > LONGEST_PLACE) {
            bail!("--published-at is longer than {LONGEST_PLACE} bytes, which no escrow logs");
        }
        let publishing = match (&self.published, &self.published_at) {
            (Some(folder), Some(place)) => Some(Publishing {
                folder: folder.clone(),
                place: place.clone(),
                unsealed: self.publish_unsealed,
            }),
            _ => None,
        };
        let of = |wanted: &str| -> Vec<RunSale> {
            let pairs = served.iter().filter(|(served, _)| served.statement().name() == wanted);
            let sale = |(served, entry): &(&Served, &Entry)| RunSale {
                prover: served.prover.clone(),
                binding: entry.binding,
                model_id: entry.model_id,
            };
            pairs.map(sale).collect()
        };
        let (retrievals, audits) = (of("retrieval"), of("audit"));
        for (wanted, option, models, given) in [
            ("retrieval", "--collections", &retrievals, self.collections.is_some()),
            ("audit", "--audits", &audits, self.audits.is_some()),
        ] {
            if models.is_empty() && given {
                bail!(
                    "{option} needs a --bundle for it; `assay model derive --statement {wanted}` makes one"
                );
            }
        }
        let retrievals = RetrievalSales { models: retrievals, publishing };
        Ok(Sales { retrievals, audits: self.audits(audits) })
    }

    fn audits(&self, models: Vec<RunSale>) -> Option<AuditSales> {
        let (Some(folder), Some(key)) = (&self.audits, &self.audit_key) else {
            return None;
        };
        let deliveries = DeliveryFolder {
            folder: folder.clone(),
            key: key.clone(),
            fetch: self.fetch_sets.then_some(self.largest_set),
        };
        Some(AuditSales { models, deliveries })
    }

    /// What is risked and asked for in audits.
    ///
    /// # Errors
    /// A least reward of 0.
    pub(super) fn audit_policy(&self) -> Result<AuditPolicy> {
        let (Some(stake), Some(reward)) = (self.audit_stake, self.audit_reward) else {
            return Ok(AuditPolicy::default());
        };
        if reward.is_zero() {
            bail!("a least reward of 0 enters audits that pay nothing; 1wei enters all others");
        }
        let most_staked = self.audit_stakes.unwrap_or(stake);
        Ok(AuditPolicy { most_stake: stake, most_staked, least_reward: reward })
    }
}
