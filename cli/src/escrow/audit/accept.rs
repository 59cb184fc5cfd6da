//! `assay escrow audit accept`.

use std::path::PathBuf;

use alloy::primitives::{B256, U256};
use anyhow::{Context, Result, bail};
use assay_client::ContractClient;
use assay_prover::{bundle::Bundle, model_proof::model_hash};
use clap::{ArgGroup, Args};

use super::{EntryArgs, Job, step};
use crate::{
    binding::require_circuit, dataset, output::Output, run_proofs::Reference, trust::read_setup,
};

#[derive(Args)]
#[command(
    group = ArgGroup::new("checked").required(true).args(["set", "unchecked"]),
    after_help = "Example:
  assay escrow audit accept 1 --set test.set --bundle audit.bundle --setup dev.srs --escrow 0x... \\
    --rpc http://127.0.0.1:8545 --private-key-file seller.key

Whoever accepts claims a number of correct items, and loses the stake if it does not prove as many when its turn
has come: the highest claim first. So the set is looked at first: whether it is the committed one; whether the
bundle is the model that was entered, its circuit can prove every run of the set and its openings last; and how
many items the integer network classifies correctly. That is the claim."
)]
pub(crate) struct AcceptArgs {
    #[command(flatten)]
    entry: EntryArgs,
    /// The decrypted test set
    #[arg(long, value_name = "FILE", requires = "bundle")]
    set: Option<PathBuf>,
    /// Bundle with which the entry will be proven
    #[arg(long, value_name = "FILE", requires = "setup")]
    bundle: Option<PathBuf>,
    /// Parameters that its keys were made with
    #[arg(long, value_name = "FILE", requires = "set")]
    setup: Option<PathBuf>,
    /// Accept without a look at the test set, with the claim of --claim
    #[arg(long, requires = "claim")]
    unchecked: bool,
    /// Items that you will prove to be classified correctly
    #[arg(long, value_name = "N", requires = "unchecked")]
    claim: Option<u64>,
}

const GIVE_UP: &str = "do not accept; `assay escrow audit abort` gives up";

pub(super) fn run(args: &AcceptArgs, output: &Output) -> Result<()> {
    let claim = match (&args.set, &args.bundle, &args.setup, args.claim) {
        (Some(set), Some(bundle), Some(setup), _) => look_at(args, [set, bundle, setup], output)?,
        (.., Some(claim)) => claim,
        _ => bail!("give --set, --bundle and --setup, or --unchecked and --claim"),
    };
    let done = format!("accepted, with a claim of {claim}");
    step(&args.entry, output, &done, async |job, entry| {
        Ok(job.escrow.accept(&job.order, entry, U256::from(claim)).await?)
    })
}

/// What the model gets right; refuses a set with which the stake would be lost.
fn look_at(args: &AcceptArgs, [set, path, setup]: [&PathBuf; 3], output: &Output) -> Result<u64> {
    let set = dataset::read(set, output)?;
    let bundle = Bundle::read(path)?;
    let layout = bundle.layout()?;
    let srs = read_setup(setup, Some(layout.k), output)?;
    let spinner = output.spinner("committing to the weights");
    let own = B256::from(model_hash(&bundle, &layout, &srs)?);
    drop(spinner);
    let job = &args.entry.job;
    let required = job.sender.run(output, "looking at the job", async |session| {
        let found = Job::find(&job.contract, job.job, &session).await?;
        found.require_test_set(&set).context(GIVE_UP)?;
        let entry = found.entry(args.entry.entry).await?;
        let model = found.escrow.entry(job.job, entry).await?.modelId;
        let registry = found.escrow.contract().registry().await?;
        require_circuit(&registry, model, &bundle.architecture()).await?;
        // The same network, imported once more or committed to with another setup, is another model.
        let entered = found.binding(model).await?.model.model_hash;
        if entered != own {
            bail!(
                "the bundle holds model {own}, model {model:#066x}, which was entered, is {entered}"
            );
        }
        Ok(u64::from(found.terms().required))
    })?;
    let correct = Reference::new(&bundle, &layout, &set).and_then(|reference| {
        reference.require_openings(path, reference.runs())?;
        reference.count(output)
    });
    let correct = correct.context("this bundle cannot prove the job").context(GIVE_UP)?;
    if correct < required {
        bail!(
            "the model classifies {correct} of the {} items correctly, the job requires {required}: the stake \
             would be lost; {GIVE_UP}",
            set.len()
        );
    }
    Ok(correct)
}
