//! `assay deploy`.

use std::{collections::BTreeMap, path::PathBuf};

use alloy::primitives::{Address, B256};
use anyhow::{Result, bail};
use assay_client::deployment::{Deployment, DeploymentPlan, Found, Placed, Planned, Step, salt};
use clap::Args;
use serde::Serialize;

use crate::{
    chain::SenderArgs,
    output::{Output, table},
    setup_trust::{guard_trusted, known_setups},
};

#[derive(Args)]
#[command(after_help = "Example:
  assay deploy --rpc http://127.0.0.1:8545 --private-key-file deployer.key
  assay deploy --check --rpc http://127.0.0.1:8545       compare what is there with this build
  assay deploy --registry 0x... ...                      escrows for another registry

Every contract has an address that follows from the build (CREATE2), the same on every chain. What is
there already is left alone, so the command can be repeated. The registry knows the ceremonies that this
program knows, and the points given with --ceremony-point. Other commands read the file of addresses
with --deployment, or from the environment variable ASSAY_DEPLOYMENT.")]
pub(crate) struct DeployArgs {
    /// forge's output folder
    #[arg(long, default_value = "contracts/out", value_name = "DIR")]
    artifacts: PathBuf,
    /// File of addresses to write [default: contracts/deployments/CHAIN.json]
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Deploy nothing: compare the code at every address, and the file if it is there, with the build
    #[arg(long)]
    check: bool,
    /// Have the escrows take their models from this registry
    #[arg(long, value_name = "ADDRESS")]
    registry: Option<Address>,
    /// Have the escrows admit models with a setup of no known ceremony, whose maker can forge proofs. Such
    /// escrows have addresses of their own
    #[arg(long)]
    allow_dev_setup: bool,
    /// Allow --allow-dev-setup on a chain that is not a development chain
    #[arg(long)]
    dev: bool,
    #[command(flatten)]
    sender: SenderArgs,
}

#[derive(Serialize)]
struct Report {
    chain_id: u64,
    output: PathBuf,
    /// Where a relayer starts to read.
    block: u64,
    allows_dev_setup: bool,
    contracts: BTreeMap<&'static str, Contract>,
}

#[derive(Serialize)]
struct Contract {
    address: Address,
    code_hash: B256,
    /// 0 for what was there already.
    gas_used: u64,
}

impl DeployArgs {
    fn file(&self, chain_id: u64) -> PathBuf {
        let default = || PathBuf::from(format!("contracts/deployments/{chain_id}.json"));
        self.output.clone().unwrap_or_else(default)
    }
}

pub(crate) fn run(args: &DeployArgs, output: &Output) -> Result<()> {
    let ceremonies = known_setups();
    let plan =
        DeploymentPlan::new(&args.artifacts, args.allow_dev_setup, args.registry, &ceremonies)?;
    if args.check { check(args, &plan, output) } else { deploy(args, &plan, output) }
}

fn deploy(args: &DeployArgs, plan: &DeploymentPlan, output: &Output) -> Result<()> {
    let report = args.sender.run(output, "deploying", async |session| {
        let chain = &session.chain;
        guard_trusted(!args.allow_dev_setup, chain.chain_id(), args.dev)?;
        let progress = |name: &str| session.spinner.message(format!("deploying {name}"));
        let steps = plan.deploy(chain, progress).await?;
        let path = args.file(chain.chain_id());
        let deployment = deployment(args, chain.chain_id(), &steps);
        let head = chain.head().await?.number;
        let known = Deployment::read(&path).ok().and_then(|known| kept(&known, &deployment, head));
        let block = match (since(&steps), known) {
            (Some(block), _) | (None, Some(block)) => block,
            (None, None) => {
                session.spinner.message("looking for the block of the first deployment");
                plan.first_block(chain).await?.unwrap_or(0)
            }
        };
        let deployment = Deployment { block, ..deployment };
        deployment.write(&path)?;
        Ok(Report {
            chain_id: chain.chain_id(),
            output: path,
            block,
            allows_dev_setup: args.allow_dev_setup,
            contracts: steps.iter().map(|step| (step.name, Contract::from(step))).collect(),
        })
    })?;
    output.finish(&report, || {
        let mut rows = vec![("chain".to_owned(), report.chain_id.to_string())];
        rows.extend(report.contracts.iter().map(|(name, contract)| {
            let gas = match contract.gas_used {
                0 => "was there".to_owned(),
                gas => format!("{gas} gas"),
            };
            ((*name).to_owned(), format!("{} ({gas})", contract.address))
        }));
        rows.push(("from block".to_owned(), report.block.to_string()));
        rows.push(("addresses".to_owned(), report.output.display().to_string()));
        table(&rows)
    })
}

impl From<&Step> for Contract {
    fn from(step: &Step) -> Self {
        let Placed { address, code_hash } = step.placed;
        Self { address, code_hash, gas_used: step.deployed.map_or(0, |(gas, _)| gas) }
    }
}

/// The block of the first deployment; `None` where a contract was there already.
fn since(steps: &[Step]) -> Option<u64> {
    let blocks: Option<Vec<u64>> =
        steps.iter().map(|step| step.deployed.map(|(_, block)| block)).collect();
    blocks?.into_iter().min()
}

/// The block of an earlier file, if that is of the same contracts on the same chain: a development chain
/// may have been begun anew since.
fn kept(known: &Deployment, found: &Deployment, head: u64) -> Option<u64> {
    let same = known.contracts == found.contracts && known.chain_id == found.chain_id;
    Some(known.block).filter(|block| same && (1..=head).contains(block))
}

/// The file for what was just deployed or found, without its block.
fn deployment(args: &DeployArgs, chain_id: u64, steps: &[Step]) -> Deployment {
    let mut contracts: BTreeMap<_, _> =
        steps.iter().map(|step| (step.name.to_owned(), step.placed)).collect();
    if let Some(address) = args.registry {
        contracts.insert("ModelRegistry".to_owned(), Placed { address, code_hash: B256::ZERO });
    }
    Deployment {
        chain_id,
        block: 0,
        allow_dev_setup: args.allow_dev_setup,
        salt: salt(),
        contracts,
    }
}

#[derive(Serialize)]
struct Checked {
    chain_id: u64,
    /// Whether every contract is there with this build's code, and the file says so.
    complete: bool,
    contracts: BTreeMap<&'static str, CheckedContract>,
    #[serde(skip)]
    file: PathBuf,
}

impl Checked {
    /// What is wrong, and what helps; `None` where all is well.
    fn complaint(&self) -> Option<String> {
        let found = |state: &str| {
            let found = self.contracts.iter().filter(|(_, contract)| contract.state == state);
            let names: Vec<&str> = found.map(|(name, _)| *name).collect();
            (!names.is_empty()).then(|| names.join(", "))
        };
        let file = self.file.display();
        let complaints: Vec<String> = [
            found(MISSING).map(|names| {
                format!("not deployed: {names}; `assay deploy` adds what is missing")
            }),
            found(OTHER_CODE).map(|names| {
                format!(
                    "other code at the address of {names}, which nothing can replace: compare the \
                     artifacts with those that were deployed"
                )
            }),
            found(OTHER_IN_FILE).map(|names| {
                format!(
                    "another address or code in {file} for {names}; `assay deploy` writes the file for \
                     this build"
                )
            }),
        ]
        .into_iter()
        .flatten()
        .collect();
        let chain = self.chain_id;
        (!complaints.is_empty())
            .then(|| format!("chain {chain} does not hold this build: {}", complaints.join("; ")))
    }
}

#[derive(Serialize)]
struct CheckedContract {
    address: Address,
    code_hash: Option<B256>,
    state: &'static str,
}

fn check(args: &DeployArgs, plan: &DeploymentPlan, output: &Output) -> Result<()> {
    let report = args.sender.node.run(output, "comparing the code", async |session| {
        let chain_id = session.chain.chain_id();
        let path = args.file(chain_id);
        let file = if path.exists() { Some(Deployment::read(&path)?) } else { None };
        let checked = plan.check(&session.chain).await?;
        let contracts: BTreeMap<_, _> = checked
            .into_iter()
            .map(|(planned, found)| (planned.name, judge(planned, found, file.as_ref())))
            .collect();
        let complete = contracts.values().all(|contract| contract.state == BUILT);
        Ok(Checked { chain_id, complete, contracts, file: path })
    })?;
    output.finish(&report, || {
        let rows: Vec<_> = report
            .contracts
            .iter()
            .map(|(name, contract)| (*name, format!("{}  {}", contract.address, contract.state)))
            .collect();
        table(&rows)
    })?;
    match report.complaint() {
        Some(complaint) => bail!(complaint),
        None => Ok(()),
    }
}

const BUILT: &str = "this build";
const OTHER_CODE: &str = "other code";
const MISSING: &str = "not deployed";
const OTHER_IN_FILE: &str = "another one in the file";

fn judge(planned: &Planned, found: Found, file: Option<&Deployment>) -> CheckedContract {
    let (code_hash, state) = match found {
        Found::Built { code_hash } => (Some(code_hash), BUILT),
        Found::Other { code_hash } => (Some(code_hash), OTHER_CODE),
        Found::Nothing => (None, MISSING),
    };
    let listed = file.and_then(|file| file.contracts.get(planned.name));
    let agrees = listed.is_none_or(|placed| {
        placed.address == planned.address && Some(placed.code_hash) == code_hash
    });
    let state = if state == BUILT && !agrees { OTHER_IN_FILE } else { state };
    CheckedContract { address: planned.address, code_hash, state }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_are_known_of_what_was_deployed_now() {
        let placed = Placed { address: Address::ZERO, code_hash: B256::ZERO };
        let step = |deployed| Step { name: "AuditEscrow", placed, deployed };
        assert_eq!(since(&[step(Some((1, 9))), step(Some((1, 7)))]), Some(7));
        assert_eq!(since(&[step(Some((1, 9))), step(None)]), None);
    }

    #[test]
    fn an_earlier_file_keeps_its_block_if_it_is_of_this_chain() {
        let file = |block, chain_id, address: u8| Deployment {
            chain_id,
            block,
            allow_dev_setup: true,
            salt: salt(),
            contracts: [(
                "AuditEscrow".to_owned(),
                Placed { address: Address::with_last_byte(address), code_hash: B256::ZERO },
            )]
            .into(),
        };
        let found = file(0, 5, 1);
        assert_eq!(kept(&file(7, 5, 1), &found, 7), Some(7));
        for other in [file(8, 5, 1), file(0, 5, 1), file(7, 6, 1), file(7, 5, 2)] {
            assert_eq!(kept(&other, &found, 7), None);
        }
    }

    #[test]
    fn checks_say_what_is_wrong_with_which_contract() {
        let checked = |states: &[(&'static str, &'static str)]| {
            let contract =
                |state| CheckedContract { address: Address::ZERO, code_hash: None, state };
            let contracts = states.iter().map(|(name, state)| (*name, contract(*state))).collect();
            Checked { chain_id: 5, complete: false, contracts, file: "5.json".into() }.complaint()
        };
        assert_eq!(checked(&[("A", BUILT), ("B", BUILT)]), None);
        let complaint = checked(&[("A", BUILT), ("B", MISSING), ("C", MISSING)]).unwrap();
        assert!(complaint.contains("not deployed: B, C; `assay deploy` adds"), "{complaint}");
        let complaint = checked(&[("A", OTHER_CODE), ("B", OTHER_IN_FILE)]).unwrap();
        assert!(complaint.contains("other code at the address of A,"), "{complaint}");
        assert!(complaint.contains("another address or code in 5.json for B"), "{complaint}");
        assert!(!complaint.contains("not deployed:"), "{complaint}");
    }
}
