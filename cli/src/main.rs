//! The command line of Assay.

mod amount;
mod answer;
mod audit;
mod bench;
mod binding;
mod chain;
mod circuit;
mod classify;
mod contract;
mod dataset;
mod deploy;
mod escrow;
mod hex_words;
mod hidden_outputs;
mod input;
mod key_folder;
mod keygen;
#[cfg(test)]
mod lenet;
mod model;
mod new_file;
mod output;
mod predicted;
mod proof_watch;
mod prove;
mod public_inputs;
mod published;
mod relayer;
mod resources;
mod retrieve;
mod run_proofs;
mod service;
mod setup;
mod setup_trust;
mod trust;
mod verifier;
mod verify;

use std::process::ExitCode;

use anyhow::Result;
use clap::{CommandFactory, Parser, Subcommand, error::ErrorKind};

use output::Output;
use relayer::config_file::with_config_file;

/// Proofs about committed machine-learning models, and payment for them.
#[derive(Parser)]
#[command(name = "assay", version, arg_required_else_help = true, after_help = EXAMPLE)]
struct Cli {
    #[command(flatten)]
    output: output::OutputArgs,
    #[command(flatten)]
    setup_trust: setup_trust::SetupTrustArgs,
    #[command(subcommand)]
    command: Command,
}

const EXAMPLE: &str = "Example:
  assay model import lenet.onnx --calibrate calibration.npz -o lenet.bundle
  assay setup --dev -k 14 -o dev.srs
  assay keygen lenet.bundle --setup dev.srs -o keys
  assay prove lenet.bundle --setup dev.srs --keys keys --input 7.png -o digit.proof
  assay verify digit.proof --bundle lenet.bundle --setup dev.srs";

#[derive(Subcommand)]
enum Command {
    /// Import, inspect, publish and register models
    #[command(subcommand)]
    Model(model::ModelCommand),
    /// Make or import the parameters of the proof system (KZG powers of tau)
    Setup(setup::SetupArgs),
    /// Make a circuit's verifying key from the published architecture, compare it with one in use
    #[command(subcommand)]
    Circuit(circuit::CircuitCommand),
    /// Make the proving and the verifying key of a model
    Keygen(keygen::KeygenArgs),
    /// Commit to inputs, look at them
    #[command(subcommand)]
    Input(input::InputCommand),
    /// Commit to collections of inputs and labels, such as hidden test sets
    #[command(subcommand)]
    Dataset(dataset::DatasetCommand),
    /// Plan, prove and check audits of a model
    #[command(subcommand)]
    Audit(audit::AuditCommand),
    /// Prove and check which items of a collection a model selects
    #[command(subcommand)]
    Retrieve(retrieve::RetrieveCommand),
    /// Prove and check what a model makes of each item of a collection
    #[command(subcommand)]
    Classify(classify::ClassifyCommand),
    /// Prove one prediction
    Prove(prove::ProveArgs),
    /// Check a proof
    Verify(verify::VerifyArgs),
    /// Hand the outputs that a proof hides to who may read them
    #[command(subcommand)]
    Output(hidden_outputs::OutputCommand),
    /// Generate, deploy and call the verifier contract
    #[command(subcommand)]
    Verifier(verifier::VerifierCommand),
    /// Deploy all contracts at addresses that follow from the build, or check them
    Deploy(deploy::DeployArgs),
    /// Buy and sell predictions, audits and retrievals
    #[command(subcommand)]
    Escrow(escrow::EscrowCommand),
    /// Answer without proofs behind a bond, and have samples proven
    #[command(subcommand)]
    Service(service::ServiceCommand),
    /// Follow an escrow, prove its jobs, claim the payment
    #[command(subcommand)]
    Relayer(relayer::RelayerCommand),
    /// Measure the proof of one prediction, or an audit
    Bench(bench::BenchArgs),
}

fn main() -> ExitCode {
    let arguments = match with_config_file(std::env::args_os().collect(), &Cli::command()) {
        Ok(arguments) => arguments,
        Err(error) => {
            return refuse_usage(
                &Cli::command().error(ErrorKind::InvalidValue, format!("{error:#}")),
            );
        }
    };
    let cli = match Cli::try_parse_from(arguments) {
        Ok(cli) => cli,
        Err(error) => return refuse_usage(&error),
    };
    let output = Output::new(&cli.output);
    cli.setup_trust.remember();
    match run(cli.command, &output) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            output.fail(&output::message(&error));
            ExitCode::FAILURE
        }
    }
}

/// What clap says of help, versions and wrong arguments; of the last as JSON too, where that is asked for.
fn refuse_usage(error: &clap::Error) -> ExitCode {
    let asks_for_json = std::env::args_os().any(|argument| argument == "--json");
    if error.use_stderr() && asks_for_json {
        let text = error.to_string();
        println!(
            "{}",
            serde_json::json!({ "error": text.trim_end().trim_start_matches("error: ") })
        );
    }
    // Where neither stream is open there is nobody to tell.
    let _ = error.print();
    ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(2))
}

fn run(command: Command, output: &Output) -> Result<()> {
    match command {
        Command::Model(command) => model::run(command, output),
        Command::Setup(args) => setup::run(&args, output),
        Command::Circuit(command) => circuit::run(command, output),
        Command::Keygen(args) => keygen::run(&args, output),
        Command::Input(command) => input::run(command, output),
        Command::Dataset(command) => dataset::run(command, output),
        Command::Audit(command) => audit::run(command, output),
        Command::Retrieve(command) => retrieve::run(command, output),
        Command::Classify(command) => classify::run(command, output),
        Command::Prove(args) => prove::run(&args, output),
        Command::Verify(args) => verify::run(&args, output),
        Command::Output(command) => hidden_outputs::run(command, output),
        Command::Verifier(command) => verifier::run(command, output),
        Command::Deploy(args) => deploy::run(&args, output),
        Command::Escrow(command) => escrow::run(command, output),
        Command::Service(command) => service::run(command, output),
        Command::Relayer(command) => relayer::run(command, output),
        Command::Bench(args) => bench::run(&args, output),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_command_has_an_example_that_names_it() {
        fn check(command: &clap::Command, path: &str) {
            let leaves: Vec<_> = command.get_subcommands().collect();
            if leaves.is_empty() {
                let help = command.get_after_help().map(ToString::to_string).unwrap_or_default();
                assert!(help.starts_with("Example:") && help.contains(path), "{path}: {help:?}");
            }
            leaves.iter().for_each(|leaf| check(leaf, &format!("{path} {}", leaf.get_name())));
        }
        let command = Cli::command();
        command.clone().debug_assert();
        check(&command, "assay");
    }

    #[test]
    fn addresses_of_nodes_are_not_shown_in_the_help() {
        fn check(command: &clap::Command) {
            for argument in command.get_arguments() {
                let variable = argument.get_env().and_then(|name| name.to_str());
                // Providers put keys into them.
                if matches!(variable, Some("ASSAY_RPC" | "ASSAY_PRIVATE_RPC")) {
                    assert!(argument.is_hide_env_values_set(), "{}", command.get_name());
                }
            }
            command.get_subcommands().for_each(check);
        }
        check(&Cli::command());
    }

    #[test]
    fn keys_are_never_arguments() {
        fn names(command: &clap::Command) -> Vec<String> {
            let own = command.get_arguments().map(|argument| argument.get_id().to_string());
            own.chain(command.get_subcommands().flat_map(names)).collect()
        }
        for name in names(&Cli::command()) {
            assert!(name != "private_key" && name != "password", "{name}");
        }
    }
}
