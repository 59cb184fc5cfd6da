//! `assay retrieve`.

use anyhow::Result;
use clap::Subcommand;

use crate::{
    output::Output,
    run_proofs::{self, ProveRunsArgs, VerifyRunsArgs},
};

#[derive(Subcommand)]
pub(crate) enum RetrieveCommand {
    /// Prove which items of a committed collection the model assigns to a class, run by run
    #[command(after_help = "Example:
  assay model derive lenet.bundle --statement retrieval --class 3 --items 64 --depth 10 \\
    -o threes.bundle
  assay keygen threes.bundle --setup dev.srs -o keys
  assay retrieve prove threes.bundle --set images.set --setup dev.srs --keys keys -o proofs")]
    Prove(ProveRunsArgs),
    /// Check the proofs of a retrieval and list the selected items
    #[command(after_help = "Example:
  assay retrieve verify proofs --card threes.card.json --setup ceremony.srs --items 600 --root 0x... --json")]
    Verify(VerifyRunsArgs),
}

pub(crate) fn run(command: RetrieveCommand, output: &Output) -> Result<()> {
    match command {
        RetrieveCommand::Prove(args) => run_proofs::prove(&args, "retrieval", output),
        RetrieveCommand::Verify(args) => run_proofs::verify(&args, "retrieval", output),
    }
}
