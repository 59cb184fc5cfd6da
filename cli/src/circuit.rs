//! `assay circuit`: what follows from a published architecture.

use std::path::{Path, PathBuf};

use alloy::primitives::{Address, B256, keccak256};
use anyhow::{Result, bail};
use assay_prover::{model_proof::generate_verifying_key, proof::key_file_data, solidity::vk_data};
use clap::{Args, Subcommand};
use serde::Serialize;

use crate::{
    chain::{NodeArgs, OptionalNodeArgs, block_on},
    model::describe,
    output::{Output, hex, table},
    published::ModelSource,
    setup_trust::SetupTrust,
    trust::read_setup,
};

#[derive(Subcommand)]
pub(crate) enum CircuitCommand {
    /// Make the verifying key of a published architecture, compare it with the one that is in use
    Vk(VkArgs),
}

#[derive(Args)]
#[command(after_help = "Example:
  assay circuit vk --architecture audit.json --setup ceremony.srs
  assay circuit vk --architecture audit.json --setup ceremony.srs --vk keys/verifying.key
  assay circuit vk --architecture audit.json --setup ceremony.srs --rpc http://127.0.0.1:8545 --address 0x...")]
pub(crate) struct VkArgs {
    #[command(flatten)]
    model: ModelSource,
    /// Parameters that the key in use was made with
    #[arg(long, env = "ASSAY_SETUP", value_name = "FILE")]
    setup: PathBuf,
    /// Verifying key to compare with: a file that `assay keygen` wrote
    #[arg(long, value_name = "FILE")]
    vk: Option<PathBuf>,
    /// Data contract to compare with
    #[arg(long, value_name = "ADDRESS", requires = "rpc")]
    address: Option<Address>,
    /// Hash to compare with, such as that of a registry's entry
    #[arg(long, value_name = "HEX", value_parser = crate::hex_words::parse_hash)]
    hash: Option<B256>,
    #[command(flatten)]
    node: OptionalNodeArgs,
}

#[derive(Serialize)]
struct Report {
    vk_hash: B256,
    /// Keccak-256 of the data contract's code (EXTCODEHASH); the hash above is defined as it.
    code_hash: B256,
    code_bytes: usize,
    profile: B256,
    circuit_hash: String,
    statement: String,
    k: u32,
    public_inputs: usize,
    setup: SetupTrust,
    /// With what the key was compared; all of it is the same.
    compared: Vec<String>,
}

pub(crate) fn run(command: CircuitCommand, output: &Output) -> Result<()> {
    match command {
        CircuitCommand::Vk(args) => vk(&args, output),
    }
}

fn vk(args: &VkArgs, output: &Output) -> Result<()> {
    let spinner = output.spinner("reading the architecture");
    let architecture = args.model.architecture()?;
    let layout = architecture.layout()?;
    spinner.message("reading the setup");
    let srs = read_setup(&args.setup, Some(layout.k), output)?;
    spinner.message(format!("making the verifying key for 2^{} rows", layout.k));
    let key = generate_verifying_key(&srs, &layout)?;
    let info = key.info();
    let code = vk_data(info);
    let (vk_hash, code_hash) = (B256::from(info.hash()), keccak256(&code));
    let mut found: Vec<(String, B256)> = Vec::new();
    found.extend(args.hash.map(|hash| ("--hash".to_owned(), hash)));
    if let Some(path) = &args.vk {
        found.push((path.display().to_string(), hash_of_file(path)?));
    }
    if let (Some(address), Some(node)) = (args.address, args.node.any_chain()) {
        spinner.message("asking the chain");
        found.push((format!("the contract {address}"), hash_of_contract(&node, address)?));
    }
    drop(spinner);
    for (what, hash) in &found {
        if *hash != vk_hash {
            bail!(
                "{what} has the hash {hash}, the verifying key of this architecture and setup has \
                 {vk_hash}: it is the key of another circuit, or made with another setup"
            );
        }
    }
    let report = Report {
        vk_hash,
        code_hash,
        code_bytes: code.len(),
        profile: B256::from(info.profile().digest()),
        circuit_hash: hex(architecture.circuit_hash()),
        statement: describe(layout.options.statement),
        k: layout.k,
        public_inputs: layout.public_inputs,
        setup: SetupTrust::of(info.setup_id()),
        compared: found.into_iter().map(|(what, _)| what).collect(),
    };
    output.finish(&report, || text(&report))
}

/// Hash of the key in a file, whatever circuit it is of.
fn hash_of_file(path: &Path) -> Result<B256> {
    Ok(keccak256(key_file_data(path)?))
}

fn hash_of_contract(node: &NodeArgs, address: Address) -> Result<B256> {
    block_on(async {
        let chain = node.connect().await?;
        if chain.code(address).await?.is_empty() {
            bail!("there is no contract at {address}");
        }
        Ok(chain.code_hash(address).await?)
    })
}

fn text(report: &Report) -> String {
    let mut rows = vec![
        ("verifying key", report.vk_hash.to_string()),
        ("code hash", format!("{} ({} bytes)", report.code_hash, report.code_bytes)),
        ("column profile", report.profile.to_string()),
        ("circuit", report.circuit_hash.clone()),
        ("statement", report.statement.clone()),
        ("rows", format!("2^{}", report.k)),
        ("public inputs", report.public_inputs.to_string()),
    ];
    rows.extend(report.compared.iter().map(|what| ("the same as", what.clone())));
    rows.extend(report.setup.warning());
    table(&rows)
}
