//! `assay verifier`.

use std::{
    fs,
    path::{Path, PathBuf},
};

use alloy::{
    network::TransactionBuilder,
    primitives::{Address, B256, Bytes, U256, keccak256},
    rpc::types::TransactionRequest,
    sol,
    sol_types::SolCall,
};
use anyhow::{Context, Result, bail};
use assay_client::{chain::deploy::data_contract_init_code, deployment::deploy_once};
use assay_prover::{
    arithmetic::field::field_to_bytes,
    files::Readers,
    model_proof::generate_verifying_key,
    proof::ProofFile,
    solidity::{Options, compile, generate, vk_data},
};
use clap::{Args, Subcommand};
use serde::{Deserialize, Serialize};

use crate::{
    chain::{SenderArgs, Sent},
    key_folder::KeyFolder,
    new_file::NewFile,
    output::{Output, hex, table},
    published::ModelSource,
    setup_trust::{SetupTrust, guard_setup},
    trust::read_setup,
};

sol! {
    function verify(address vk, bytes proof, uint256[] publicInputs) external view returns (bytes32 weightsHash);
}

const DESCRIPTION: &str = "verifier.json";

/// What would be broken by replacing a folder's files.
const BREAKS: &str = "contracts deployed from this folder are described there";

#[derive(Subcommand)]
pub(crate) enum VerifierCommand {
    /// Write and compile the verifier contract of a model, and its verifying key's data
    Generate(GenerateArgs),
    /// Deploy the verifier contract and the verifying key's data contract
    Deploy(DeployArgs),
    /// Have a deployed verifier check a proof, in a transaction of its own
    Call(CallArgs),
}

#[derive(Args)]
#[command(after_help = "Example:
  assay verifier generate --bundle lenet.bundle --keys keys -o verifier
  assay verifier generate --architecture lenet.json --setup ceremony.srs -o verifier")]
pub(crate) struct GenerateArgs {
    #[command(flatten)]
    model: ModelSource,
    #[command(flatten)]
    key: KeySource,
    /// Solidity compiler 0.8.25 or later
    #[arg(long, env = "ASSAY_SOLC", default_value = "solc", value_name = "PROGRAM")]
    solc: PathBuf,
    /// Only write the Solidity source and the key's data
    #[arg(long)]
    no_compile: bool,
    /// Replace what is there: contracts deployed from the folder would no longer be described there
    #[arg(long)]
    force: bool,
    /// Folder to write to; a verifier that is there is not replaced
    #[arg(short, long, value_name = "DIR")]
    output: PathBuf,
}

/// Where the verifying key comes from.
#[derive(Args)]
#[group(required = true, multiple = false)]
struct KeySource {
    /// Folder of keys, made by `assay keygen`
    #[arg(long, value_name = "DIR")]
    keys: Option<PathBuf>,
    /// Parameters; the verifying key is made from them
    #[arg(long, value_name = "FILE")]
    setup: Option<PathBuf>,
}

#[derive(Args)]
#[command(after_help = "Example:
  assay verifier deploy verifier --rpc http://127.0.0.1:8545 --private-key-file seller.key")]
pub(crate) struct DeployArgs {
    /// Folder that `assay verifier generate` wrote
    folder: PathBuf,
    /// Use a verifier that is there already: models of one column profile share it
    #[arg(long, value_name = "ADDRESS")]
    verifier: Option<Address>,
    /// Allow a setup of no known ceremony on a chain that is not a development chain
    #[arg(long)]
    dev: bool,
    #[command(flatten)]
    sender: SenderArgs,
}

#[derive(Args)]
#[command(after_help = "Example:
  assay verifier call digit.proof --verifier 0x... --vk 0x... --rpc http://127.0.0.1:8545 --private-key-file me.key")]
pub(crate) struct CallArgs {
    /// Proof file
    proof: PathBuf,
    /// Verifier contract
    #[arg(long, value_name = "ADDRESS")]
    verifier: Address,
    /// Data contract of the verifying key
    #[arg(long, value_name = "ADDRESS")]
    vk: Address,
    #[command(flatten)]
    sender: SenderArgs,
}

/// What `generate` leaves beside the source for `deploy`.
#[derive(Serialize, Deserialize)]
struct Description {
    contract_name: String,
    /// Digest of the column profile.
    profile: B256,
    proof_bytes: usize,
    vk_hash: B256,
    /// Keccak-256 of the setup's point.
    setup_id: B256,
    /// Code of the data contract: 0x00, then the verifying key.
    vk_code: Bytes,
    /// Absent without a compiler.
    init_code: Option<Bytes>,
    runtime_bytes: Option<usize>,
    /// EXTCODEHASH of the verifier; absent without a compiler.
    #[serde(default)]
    verifier_code_hash: Option<B256>,
}

/// A verifying key and a verifier, by their code hashes, as a build made them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct BuiltVerifier {
    pub vk_hash: B256,
    pub code_hash: B256,
    pub setup_id: B256,
}

impl BuiltVerifier {
    /// What its setup is.
    pub(crate) fn setup(&self) -> SetupTrust {
        SetupTrust::of(self.setup_id.0)
    }

    /// Reads what `assay verifier generate` left in a folder.
    pub(crate) fn read(folder: &Path) -> Result<Self> {
        let description = Description::read(folder)?;
        let code_hash = description.verifier_code_hash.with_context(|| {
            format!(
                "{} has no compiled verifier; run `assay verifier generate` again",
                folder.display()
            )
        })?;
        let Description { vk_hash, setup_id, .. } = description;
        Ok(Self { vk_hash, code_hash, setup_id })
    }
}

impl Description {
    fn read(folder: &Path) -> Result<Self> {
        let path = folder.join(DESCRIPTION);
        let text = fs::read_to_string(&path).with_context(|| {
            format!("cannot read {}; `assay verifier generate` writes it", path.display())
        })?;
        serde_json::from_str(&text).with_context(|| {
            format!("{} was not written by `assay verifier generate`", path.display())
        })
    }
}

pub(crate) fn run(command: VerifierCommand, output: &Output) -> Result<()> {
    match command {
        VerifierCommand::Generate(args) => generate_verifier(&args, output),
        VerifierCommand::Deploy(args) => deploy(&args, output),
        VerifierCommand::Call(args) => call(&args, output),
    }
}

#[derive(Serialize)]
struct Generated {
    source: PathBuf,
    profile: B256,
    proof_bytes: usize,
    vk_hash: B256,
    vk_bytes: usize,
    setup: SetupTrust,
    verifier_code_bytes: Option<usize>,
    verifier_code_hash: Option<B256>,
}

fn generate_verifier(args: &GenerateArgs, output: &Output) -> Result<()> {
    let file = |name: &str| NewFile::new(args.output.join(name), Some(args.force), BREAKS);
    let description_file = file(DESCRIPTION);
    description_file.require_free()?;
    let spinner = output.spinner("reading the model");
    let layout = args.model.architecture()?.layout()?;
    spinner.message("reading the verifying key");
    let key = match (&args.key.keys, &args.key.setup) {
        (Some(folder), _) => KeyFolder(folder).verifying_key(&layout)?,
        (None, Some(setup)) => {
            spinner.message("making the verifying key");
            generate_verifying_key(&read_setup(setup, Some(layout.k), output)?, &layout)?
        }
        (None, None) => bail!("give --keys or --setup"),
    };
    let info = key.info();
    let contract = generate(info.profile(), &Options::default());
    fs::create_dir_all(&args.output)
        .with_context(|| format!("cannot make the folder {}", args.output.display()))?;
    let source = file(&format!("{}.sol", contract.contract_name));
    source.write_bytes(Readers::Everyone, contract.source.as_bytes())?;
    let compiled = if args.no_compile {
        None
    } else {
        spinner.message("compiling the verifier");
        Some(compile(&args.solc, &contract)?)
    };
    let vk_code = vk_data(info);
    let description = Description {
        contract_name: contract.contract_name.clone(),
        profile: B256::from(contract.profile),
        proof_bytes: contract.proof_bytes,
        vk_hash: B256::from(info.hash()),
        setup_id: B256::from(info.setup_id()),
        vk_code: vk_code.into(),
        runtime_bytes: compiled.as_ref().map(|compiled| compiled.runtime_code.len()),
        verifier_code_hash: compiled.as_ref().map(|compiled| keccak256(&compiled.runtime_code)),
        init_code: compiled.map(|compiled| compiled.init_code.into()),
    };
    let text = serde_json::to_string_pretty(&description)?;
    description_file.write_bytes(Readers::Everyone, text.as_bytes())?;
    drop(spinner);
    let report = Generated {
        source: source.path().to_owned(),
        profile: description.profile,
        proof_bytes: description.proof_bytes,
        vk_hash: description.vk_hash,
        vk_bytes: description.vk_code.len(),
        setup: SetupTrust::of(info.setup_id()),
        verifier_code_bytes: description.runtime_bytes,
        verifier_code_hash: description.verifier_code_hash,
    };
    output.finish(&report, || {
        let code = match report.verifier_code_bytes {
            Some(bytes) => format!("{bytes} bytes of at most 24576"),
            None => "not compiled".to_owned(),
        };
        table(&[
            ("source", report.source.display().to_string()),
            ("column profile", report.profile.to_string()),
            ("verifier code", code),
            ("verifying key", format!("{} ({} bytes)", report.vk_hash, report.vk_bytes)),
            ("proof", format!("{} bytes", report.proof_bytes)),
        ])
    })
}

#[derive(Serialize)]
struct DeployedPair {
    verifier: Address,
    verifier_code_bytes: usize,
    verifier_code_hash: B256,
    /// 0 for what was there already.
    verifier_gas: u64,
    vk: Address,
    vk_hash: B256,
    vk_bytes: usize,
    vk_gas: u64,
}

fn deploy(args: &DeployArgs, output: &Output) -> Result<()> {
    let path = args.folder.join(DESCRIPTION);
    let description = Description::read(&args.folder)?;
    let Some((0, vk_bytes)) = description.vk_code.split_first() else {
        bail!("the verifying key in {} does not start with a zero byte", path.display());
    };
    let report = args.sender.run(output, "deploying the verifier", async |session| {
        let chain = &session.chain;
        guard_setup(&SetupTrust::of(description.setup_id.0), chain.chain_id(), args.dev)?;
        let (verifier, verifier_gas) = match (args.verifier, &description.init_code) {
            (Some(address), _) => (address, 0),
            (None, Some(code)) => {
                let (placed, deployed) = deploy_once(chain, "the verifier", code).await?;
                (placed.address, deployed.map_or(0, |(gas, _)| gas))
            }
            (None, None) => bail!(
                "{} has no compiled verifier; run `assay verifier generate` without --no-compile",
                path.display()
            ),
        };
        let verifier_code_hash = chain.code_hash(verifier).await?;
        if let Some(expected) = description.verifier_code_hash
            && expected != verifier_code_hash
        {
            bail!(
                "the verifier at {verifier} has code hash {verifier_code_hash}, expected {expected}"
            );
        }
        let verifier_code_bytes = chain.code(verifier).await?.len();
        session.spinner.message("deploying the verifying key");
        let init_code = data_contract_init_code(vk_bytes)?;
        let (vk, deployed) = deploy_once(chain, "the verifying key", &init_code).await?;
        if vk.code_hash != description.vk_hash {
            bail!(
                "the data contract at {} has code hash {}, expected {}",
                vk.address,
                vk.code_hash,
                description.vk_hash
            );
        }
        Ok(DeployedPair {
            verifier,
            verifier_code_bytes,
            verifier_code_hash,
            verifier_gas,
            vk: vk.address,
            vk_hash: vk.code_hash,
            vk_bytes: description.vk_code.len(),
            vk_gas: deployed.map_or(0, |(gas, _)| gas),
        })
    })?;
    output.finish(&report, || {
        table(&[
            (
                "verifier",
                format!(
                    "{} ({} bytes, {})",
                    report.verifier,
                    report.verifier_code_bytes,
                    gas(report.verifier_gas)
                ),
            ),
            (
                "verifying key",
                format!("{} ({} bytes, {})", report.vk, report.vk_bytes, gas(report.vk_gas)),
            ),
            ("key hash", report.vk_hash.to_string()),
        ])
    })
}

fn gas(used: u64) -> String {
    if used == 0 { "was there".to_owned() } else { format!("{used} gas") }
}

#[derive(Serialize)]
struct Called {
    weights_hash: B256,
    /// The gas is that of the whole transaction.
    #[serde(flatten)]
    sent: Sent,
}

fn call(args: &CallArgs, output: &Output) -> Result<()> {
    let file = ProofFile::read(&args.proof)?;
    let call = verifyCall {
        vk: args.vk,
        proof: file.proof.clone().into(),
        publicInputs: file
            .public_inputs
            .iter()
            .map(|input| U256::from_be_bytes(field_to_bytes(input)))
            .collect(),
    };
    let report = args.sender.run(output, "verifying on chain", async |session| {
        let chain = &session.chain;
        let vk_hash = chain.code_hash(args.vk).await?;
        if vk_hash.0 != file.vk_hash {
            bail!(
                "the proof belongs to verifying key {}, the contract {} holds {vk_hash}",
                hex(file.vk_hash),
                args.vk
            );
        }
        let weights_hash = chain.query(args.verifier, &call).await?;
        let request =
            TransactionRequest::default().with_to(args.verifier).with_input(call.abi_encode());
        let outcome = chain.send(request).await?;
        Ok(Called { weights_hash, sent: Sent::from(&outcome) })
    })?;
    output.finish(&report, || {
        table(&[
            ("accepted for model", report.weights_hash.to_string()),
            (
                "NOT CHECKED",
                "what this contract and this key are; `assay model check` does that".to_owned(),
            ),
            ("gas", report.sent.gas_used.to_string()),
        ])
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use assay_client::bindings::VerifierErrors;
    use assay_prover::solidity::error_signatures;

    use super::*;

    #[test]
    fn errors_of_verifiers_are_those_that_are_decoded() {
        let written: BTreeSet<String> = error_signatures().map(ToOwned::to_owned).collect();
        let contract = VerifierErrors::abi::contract();
        let decoded: BTreeSet<String> = contract.errors().map(|error| error.signature()).collect();
        assert_eq!(written, decoded);
        assert!(!written.is_empty());
    }

    #[test]
    fn descriptions_without_a_compiled_verifier_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let missing = BuiltVerifier::read(folder.path()).unwrap_err().to_string();
        assert!(missing.contains("assay verifier generate"), "{missing}");
        let description = Description {
            contract_name: "Halo2Verifier".into(),
            profile: B256::ZERO,
            proof_bytes: 1,
            vk_hash: B256::with_last_byte(1),
            setup_id: B256::ZERO,
            vk_code: Bytes::new(),
            init_code: None,
            runtime_bytes: None,
            verifier_code_hash: None,
        };
        let write = |description: &Description| {
            let text = serde_json::to_string(description).unwrap();
            fs::write(folder.path().join(DESCRIPTION), text).unwrap();
        };
        write(&description);
        assert!(BuiltVerifier::read(folder.path()).is_err());
        let code_hash = B256::with_last_byte(2);
        write(&Description { verifier_code_hash: Some(code_hash), ..description });
        let built = BuiltVerifier::read(folder.path()).unwrap();
        assert_eq!((built.vk_hash, built.code_hash), (B256::with_last_byte(1), code_hash));
    }
}
