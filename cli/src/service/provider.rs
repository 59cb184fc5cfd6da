//! `assay service open`.

use alloy::primitives::{Address, B256, U256};
use anyhow::Result;
use assay_client::{ContractClient, ServiceBond, service_bond::Terms};
use clap::Args;
use serde::Serialize;

use crate::{
    amount::{Amount, amount_text, parse_amount},
    chain::{SenderArgs, Sent},
    contract::ContractArgs,
    hex_words::parse_hash,
    output::{Decimal, Id, Output, table},
    trust::{TrustArgs, TrustReport, requires_open_prediction},
};

#[derive(Args)]
#[command(after_help = "Example:
  assay service open --model 0x... --card lenet.card.json --setup ceremony.srs --bond 10ether \\
    --penalty 1ether --proof-cost 0.01ether --escrow 0x... --rpc http://127.0.0.1:8545 --private-key-file provider.key")]
pub(crate) struct OpenArgs {
    /// Id of the model in the contract's registry
    #[arg(long, value_name = "ID")]
    model: U256,
    /// What is put up; at least one penalty. Each open batch sets one penalty aside
    #[arg(long, value_parser = parse_amount)]
    bond: Amount,
    /// What a buyer gets, besides its money back, when a batch fails
    #[arg(long, value_parser = parse_amount)]
    penalty: Amount,
    /// What a buyer advances for each contested item
    #[arg(long, value_parser = parse_amount)]
    proof_cost: Amount,
    /// Account that signs receipts: a key's, or a contract with ERC-1271 [default: the signing
    /// account]
    #[arg(long, value_name = "ADDRESS")]
    signer: Option<Address>,
    /// Token of all amounts [default: the native currency]
    #[arg(long, value_name = "ADDRESS", default_value_t = Address::ZERO, hide_default_value = true)]
    token: Address,
    /// Seconds after posting in which a batch can be contested
    #[arg(long, default_value_t = 86_400, value_name = "SECONDS")]
    contest_window: u64,
    /// Seconds after a contest in which the items must be proven
    #[arg(long, default_value_t = 86_400, value_name = "SECONDS")]
    proof_window: u64,
    /// Seconds between notice and the bond's return; more than both windows together
    #[arg(long, default_value_t = 604_800, value_name = "SECONDS")]
    notice_period: u64,
    /// Makes services of equal terms different
    #[arg(long, default_value_t = B256::ZERO, hide_default_value = true, value_name = "HEX", value_parser = parse_hash)]
    salt: B256,
    #[command(flatten)]
    trust: TrustArgs,
    #[command(flatten)]
    contract: ContractArgs,
    #[command(flatten)]
    sender: SenderArgs,
}

#[derive(Serialize)]
struct Opened {
    service: B256,
    model: Id,
    binding_hash: B256,
    trust: TrustReport,
    signer: Address,
    bond: Decimal,
    token: Address,
    #[serde(flatten)]
    sent: Sent,
}

pub(super) fn open(args: &OpenArgs, output: &Output) -> Result<()> {
    let [stake, penalty, proof_cost] =
        [args.bond, args.penalty, args.proof_cost].map(|amount| amount.of(args.token));
    let (stake, penalty, proof_cost) = (stake?, penalty?, proof_cost?);
    let trust = args.trust.prepare(output, requires_open_prediction)?;
    let report = args.sender.run(output, "opening the service", async |session| {
        let (bond, _) = args.contract.open::<ServiceBond>(&session).await?;
        let registry = bond.contract().registry().await?;
        let (binding, trust) = args.trust.choose(&trust, &registry, args.model).await?;
        let signer = args.signer.map_or_else(|| session.chain.account(), Ok)?;
        let terms = Terms {
            modelId: args.model,
            bindingHash: binding.binding_hash,
            signer,
            token: args.token,
            penalty,
            proofCost: proof_cost,
            contestWindow: args.contest_window,
            proofWindow: args.proof_window,
            noticePeriod: args.notice_period,
        };
        let (service, outcome) = bond.open_service(terms, stake, args.salt).await?;
        Ok(Opened {
            service,
            model: Id(args.model),
            binding_hash: binding.binding_hash,
            trust,
            signer,
            bond: Decimal(stake),
            token: args.token,
            sent: Sent::from(&outcome),
        })
    })?;
    output.finish(&report, || {
        let mut rows = vec![
            ("service", report.service.to_string()),
            ("bond", amount_text(report.bond.0, report.token)),
            ("signer", report.signer.to_string()),
            ("binding", report.binding_hash.to_string()),
        ];
        rows.extend(report.trust.rows());
        rows.push(("gas", report.sent.gas_used.to_string()));
        table(&rows)
    })
}
