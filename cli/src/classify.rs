//! `assay classify`.

use anyhow::Result;
use clap::Subcommand;

use crate::{
    output::Output,
    run_proofs::{self, ProveRunsArgs, VerifyRunsArgs},
};

#[derive(Subcommand)]
pub(crate) enum ClassifyCommand {
    /// Prove what the model makes of each item of a committed collection, run by run
    #[command(after_help = "Example:
  assay dataset commit images --bundle lenet.bundle -o images.set
  assay model derive lenet.bundle --statement classification --items 16 --depth 10 -o classes.bundle
  assay keygen classes.bundle --setup dev.srs -o keys
  assay classify prove classes.bundle --set images.set --setup dev.srs --keys keys -o proofs

A proof shows the class of each item of its run, or of a network with one output its number.")]
    Prove(ProveRunsArgs),
    /// Check the proofs of a classification and list the answers
    #[command(after_help = "Example:
  assay classify verify proofs --card classes.card.json --setup ceremony.srs --items 600 --root 0x... --json")]
    Verify(VerifyRunsArgs),
}

pub(crate) fn run(command: ClassifyCommand, output: &Output) -> Result<()> {
    match command {
        ClassifyCommand::Prove(args) => run_proofs::prove(&args, "classification", output),
        ClassifyCommand::Verify(args) => run_proofs::verify(&args, "classification", output),
    }
}
