//! What a relayer sells beside the jobs of the prediction escrow.

use std::path::PathBuf;

use anyhow::{Context, Result, bail};
use assay_prover::circuit::StatementKind;
use assay_relayer::{Publishing, RetrievalSales, RunSale, Sales, proving::InputStore};
use clap::Args;

use super::bundles::{Entry, Served};

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
    /// What goes on chain before the name of a file in --published, such as https://example.org/openings/
    #[arg(long, value_name = "PLACE", requires = "published", help_heading = "Retrievals")]
    published_at: Option<String>,
    /// Publish openings for everybody where the requester names no key; whoever looks sees the items
    #[arg(long, requires = "published", help_heading = "Retrievals")]
    publish_unsealed: bool,
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
            StatementKind::Audit { .. } => bail!(
                "a relayer does not enter audits; `assay escrow audit enter` and the commands beside it do"
            ),
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
        let mut models = Vec::new();
        for (served, entry) in served {
            if matches!(served.statement(), StatementKind::Retrieval { .. }) {
                models.push(RunSale {
                    prover: served.prover.clone(),
                    binding: entry.binding,
                    model_id: entry.model_id,
                });
            }
        }
        if models.is_empty() && self.collections.is_some() {
            bail!(
                "--collections needs a --bundle for retrievals; `assay model derive --statement retrieval` makes one"
            );
        }
        Ok(Sales { retrievals: RetrievalSales { models, publishing } })
    }
}
