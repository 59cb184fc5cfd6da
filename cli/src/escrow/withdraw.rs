//! `assay escrow withdraw`.

use alloy::primitives::Address;
use anyhow::{Result, bail};
use assay_client::{
    AuditEscrow, Contract, ContractClient, PredictionEscrow, RetrievalEscrow, ServiceBond,
};
use clap::{Args, ValueEnum};
use serde::Serialize;

use crate::{
    amount::{Amount, amount_text, parse_amount},
    chain::{SenderArgs, Sent},
    contract::ContractArgs,
    output::{Decimal, Output, table},
};

#[derive(Args)]
#[command(after_help = "Example:
  assay escrow withdraw --escrow 0x... --rpc http://127.0.0.1:8545 --private-key-file seller.key
  assay escrow withdraw --deployment contracts/deployments/31337.json --from audit ...")]
pub(crate) struct WithdrawArgs {
    #[command(flatten)]
    contract: ContractArgs,
    /// Token to withdraw [default: the native currency]
    #[arg(long, value_name = "ADDRESS", default_value_t = Address::ZERO, hide_default_value = true)]
    token: Address,
    /// Pay out to another address
    #[arg(long, value_name = "ADDRESS")]
    to: Option<Address>,
    /// Pay out a part [default: everything]
    #[arg(long, value_parser = parse_amount)]
    amount: Option<Amount>,
    /// Which contract of --deployment holds the credit
    #[arg(long, value_enum, default_value = "prediction")]
    from: Holder,
    #[command(flatten)]
    sender: SenderArgs,
}

/// The contracts that hold credits.
#[derive(Clone, Copy, ValueEnum)]
enum Holder {
    Prediction,
    Audit,
    Retrieval,
    Service,
}

impl Holder {
    fn contract(self) -> &'static str {
        match self {
            Self::Prediction => PredictionEscrow::NAME,
            Self::Audit => AuditEscrow::NAME,
            Self::Retrieval => RetrievalEscrow::NAME,
            Self::Service => ServiceBond::NAME,
        }
    }
}

#[derive(Serialize)]
struct WithdrawReport {
    account: Address,
    token: Address,
    amount: Decimal,
    #[serde(flatten)]
    sent: Sent,
}

pub(super) fn run(args: &WithdrawArgs, output: &Output) -> Result<()> {
    let part = args.amount.map(|amount| amount.of(args.token)).transpose()?;
    let report = args.sender.run(output, "withdrawing", async |session| {
        let account = session.chain.account()?;
        let address = args.contract.find(args.from.contract(), &session.chain)?.address;
        let escrow = Contract::at(session.chain.clone(), address);
        let credit = escrow.credit(args.token, account).await?;
        let amount = part.unwrap_or(credit);
        if credit.is_zero() || amount > credit {
            bail!(
                "account {account} has a credit of {} in contract {address}",
                amount_text(credit, args.token)
            );
        }
        let outcome = match (args.to, part) {
            (None, None) => escrow.withdraw(args.token).await?,
            (to, _) => escrow.withdraw_to(args.token, to.unwrap_or(account), amount).await?,
        };
        Ok(WithdrawReport {
            account,
            token: args.token,
            amount: Decimal(amount),
            sent: Sent::from(&outcome),
        })
    })?;
    output.finish(&report, || {
        table(&[
            ("withdrawn", amount_text(report.amount.0, report.token)),
            ("gas", report.sent.gas_used.to_string()),
        ])
    })
}
