//! `assay escrow`.

mod audit;
mod retrieval;
mod runs;

use std::{path::PathBuf, time::Duration};

use alloy::{
    network::TransactionBuilder,
    primitives::{Address, B256, U256},
};
use anyhow::{Context, Result, bail};
use assay_prover::{field::field_to_bytes, proof::ProofFile};
use assay_relayer::{
    Contract, PredictionEscrow, ProofArtifact, TypedContract,
    prediction_escrow::{OnChainJob, OnChainState, Order},
};
use clap::{Args, Subcommand, ValueEnum};
use serde::Serialize;

use crate::{
    chain::{
        ContractArgs, NodeArgs, SenderArgs, Sent, Session, amount_text, guard_dev_setup,
        parse_amount,
    },
    input::parse_word,
    output::{Decimal, Output, table},
};

#[derive(Subcommand)]
pub enum EscrowCommand {
    /// Escrow a price for the prediction of a model on a committed input
    Open(OpenArgs),
    /// Claim the price of a job with a proof
    Claim(ClaimArgs),
    /// Give the price of an expired job back to its buyer
    Refund(RefundArgs),
    /// Show a job
    Show(ShowArgs),
    /// Withdraw what this account was credited, in any contract that holds money
    Withdraw(WithdrawArgs),
    /// Pay for a proven accuracy on a hidden test set, to one seller or the best of several
    #[command(subcommand)]
    Audit(audit::AuditCommand),
    /// Pay for the proven selection of items from a committed collection
    #[command(subcommand)]
    Retrieval(retrieval::RetrievalCommand),
}

#[derive(Args)]
#[command(after_help = "Example:
  assay escrow open --escrow 0x... --model 1 --commitment 0x... --price 1ether --deadline 3600 \\
    --rpc http://127.0.0.1:8545 --private-key-file buyer.key")]
pub struct OpenArgs {
    #[command(flatten)]
    contract: ContractArgs,
    /// Id of the model in the escrow's registry
    #[arg(long, value_name = "ID")]
    model: U256,
    /// Commitment to the input, from `assay input commit`
    #[arg(long, value_name = "HEX", value_parser = parse_word)]
    commitment: B256,
    /// Price: 1ether, 0.5eth, 30gwei, or a number of the token's smallest unit
    #[arg(long, value_parser = parse_amount)]
    price: U256,
    /// Seconds from now within which the proof must be on chain
    #[arg(long, value_name = "SECONDS", default_value_t = 3600)]
    deadline: u64,
    /// Token of the price [default: the chain's own coin]
    #[arg(long, value_name = "ADDRESS", default_value_t = Address::ZERO, hide_default_value = true)]
    token: Address,
    /// Binding hash of the model, checked off chain. Without it the registry's present one is taken
    #[arg(long, value_name = "HEX")]
    binding: Option<B256>,
    /// Public note to the seller
    #[arg(long, default_value = "")]
    hint: String,
    /// Allow a model with a development setup on a chain that is not a development chain
    #[arg(long)]
    dev: bool,
    #[command(flatten)]
    sender: SenderArgs,
}

#[derive(Args)]
#[command(after_help = "Example:
  assay escrow claim 1 --escrow 0x... --proof job1.proof --rpc http://127.0.0.1:8545 --private-key-file seller.key")]
pub struct ClaimArgs {
    /// Id of the job
    job: U256,
    #[command(flatten)]
    contract: ContractArgs,
    /// Proof file that was made for this job and recipient
    #[arg(long, value_name = "FILE", required_unless_present = "raw_proof")]
    proof: Option<PathBuf>,
    /// Bare proof, in hexadecimal as the verifier contract takes it, in place of a proof file
    #[arg(long, value_name = "FILE", conflicts_with = "proof", requires = "class")]
    raw_proof: Option<PathBuf>,
    /// Class that the bare proof proves
    #[arg(long, requires = "raw_proof")]
    class: Option<U256>,
    /// Who is paid [default: the signing account]
    #[arg(long, value_name = "ADDRESS")]
    recipient: Option<Address>,
    /// Ask the node what would happen; send nothing
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    sender: SenderArgs,
}

#[derive(Args)]
#[command(after_help = "Example:
  assay escrow refund 1 --escrow 0x... --rpc http://127.0.0.1:8545 --private-key-file buyer.key")]
pub struct RefundArgs {
    /// Id of the job
    job: U256,
    #[command(flatten)]
    contract: ContractArgs,
    #[command(flatten)]
    sender: SenderArgs,
}

#[derive(Args)]
#[command(after_help = "Example:
  assay escrow show 1 --escrow 0x... --rpc http://127.0.0.1:8545")]
pub struct ShowArgs {
    /// Id of the job
    job: U256,
    #[command(flatten)]
    contract: ContractArgs,
    /// Wait up to this long until the job is claimed or refunded
    #[arg(long, value_name = "SECONDS")]
    wait: Option<u64>,
    #[command(flatten)]
    node: NodeArgs,
}

#[derive(Args)]
#[command(after_help = "Example:
  assay escrow withdraw --escrow 0x... --rpc http://127.0.0.1:8545 --private-key-file seller.key
  assay escrow withdraw --deployment contracts/deployments/31337.json --from audit ...")]
pub struct WithdrawArgs {
    #[command(flatten)]
    contract: ContractArgs,
    /// Token to withdraw [default: the chain's own coin]
    #[arg(long, value_name = "ADDRESS", default_value_t = Address::ZERO, hide_default_value = true)]
    token: Address,
    /// Pay out to another address
    #[arg(long, value_name = "ADDRESS")]
    to: Option<Address>,
    /// Pay out a part [default: everything]
    #[arg(long, value_parser = parse_amount)]
    amount: Option<U256>,
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
            Self::Prediction => "PredictionEscrow",
            Self::Audit => "AuditEscrow",
            Self::Retrieval => "RetrievalEscrow",
            Self::Service => "ServiceBond",
        }
    }
}

impl ContractArgs {
    fn prediction_escrow(&self, session: &Session) -> Result<PredictionEscrow> {
        let address = self.find("PredictionEscrow", &session.chain)?.address;
        Ok(PredictionEscrow::at(session.chain.clone(), address))
    }
}

pub fn run(command: EscrowCommand, output: &Output) -> Result<()> {
    match command {
        EscrowCommand::Open(args) => open(&args, output),
        EscrowCommand::Claim(args) => claim(&args, output),
        EscrowCommand::Refund(args) => refund(&args, output),
        EscrowCommand::Show(args) => show(&args, output),
        EscrowCommand::Withdraw(args) => withdraw(&args, output),
        EscrowCommand::Audit(command) => audit::run(command, output),
        EscrowCommand::Retrieval(command) => retrieval::run(command, output),
    }
}

#[derive(Serialize)]
struct OpenReport {
    job: Decimal,
    model: Decimal,
    binding_hash: B256,
    price: Decimal,
    token: Address,
    deadline: u64,
    #[serde(flatten)]
    sent: Sent,
}

fn open(args: &OpenArgs, output: &Output) -> Result<()> {
    let report = args.sender.run(output, "opening the job", async |session| {
        let chain = &session.chain;
        let escrow = args.contract.prediction_escrow(&session)?;
        let registry = escrow.registry().await?;
        let Some(binding) = registry.binding(args.model).await? else {
            bail!("model {} is not bound to a verifier yet", args.model);
        };
        guard_dev_setup(binding.dev_setup, chain.chain_id(), args.dev)?;
        if let Some(wanted) = args.binding
            && wanted != binding.binding_hash
        {
            bail!("model {} has binding {}, not {wanted}", args.model, binding.binding_hash);
        }
        let deadline = session.after(args.deadline).await?;
        let order = Order {
            modelId: args.model,
            bindingHash: binding.binding_hash,
            inputCommitment: U256::from_be_bytes(args.commitment.0),
            token: args.token,
            price: args.price,
            deadline,
            hint: args.hint.clone().into_bytes().into(),
        };
        let opened = escrow.open(order).await?;
        Ok(OpenReport {
            job: Decimal(opened.job_id),
            model: Decimal(args.model),
            binding_hash: binding.binding_hash,
            price: Decimal(args.price),
            token: args.token,
            deadline,
            sent: Sent::from(&opened.outcome),
        })
    })?;
    output.finish(&report, || {
        table(&[
            ("job", report.job.to_string()),
            ("escrowed", amount_text(report.price.0, report.token)),
            ("claims until", format!("{} (Unix time)", report.deadline)),
            ("binding", report.binding_hash.to_string()),
            ("gas", report.sent.gas_used.to_string()),
        ])
    })
}

#[derive(Serialize)]
struct ClaimReport {
    job: Decimal,
    recipient: Address,
    class: Decimal,
    /// Absent after a dry run.
    transaction: Option<B256>,
    gas_used: Option<u64>,
}

impl ClaimArgs {
    fn artifact(&self) -> Result<ProofArtifact> {
        match (&self.proof, &self.raw_proof, self.class) {
            (Some(path), _, _) => {
                let file = ProofFile::read(path)?;
                let class =
                    file.public_inputs.last().context("the proof file has no public inputs")?;
                let output = U256::from_be_bytes(field_to_bytes(class));
                Ok(ProofArtifact { proof: file.proof.into(), output })
            }
            (None, Some(path), Some(output)) => {
                let text = std::fs::read_to_string(path)
                    .with_context(|| format!("cannot read {}", path.display()))?;
                let proof = text.trim().parse().with_context(|| {
                    format!("{} does not hold a proof in hexadecimal", path.display())
                })?;
                Ok(ProofArtifact { proof, output })
            }
            _ => bail!("give --proof, or --raw-proof and --class"),
        }
    }
}

fn claim(args: &ClaimArgs, output: &Output) -> Result<()> {
    let artifact = args.artifact()?;
    let report = args.sender.run(output, "claiming", async |session| {
        let chain = &session.chain;
        let account = chain.account()?;
        let recipient = args.recipient.unwrap_or(account);
        let escrow = args.contract.prediction_escrow(&session)?;
        let outcome = if args.dry_run {
            chain.code_hash(escrow.address()).await?;
            let request = escrow.claim_request(args.job, recipient, &artifact).with_from(account);
            chain.call(request).await.context("the escrow would refuse this claim")?;
            None
        } else {
            let claimed = escrow.claim(args.job, recipient, &artifact).await;
            Some(claimed.context("the escrow refuses this claim")?)
        };
        Ok(ClaimReport {
            job: Decimal(args.job),
            recipient,
            class: Decimal(artifact.output),
            transaction: outcome.as_ref().map(|outcome| outcome.hash),
            gas_used: outcome.map(|outcome| outcome.gas_used),
        })
    })?;
    output.finish(&report, || {
        let result = match report.gas_used {
            Some(gas) => format!("claimed, {gas} gas"),
            None => "would be accepted".to_owned(),
        };
        table(&[
            ("job", report.job.to_string()),
            ("claim", result),
            ("class", report.class.to_string()),
            ("recipient", report.recipient.to_string()),
        ])
    })
}

#[derive(Serialize)]
struct RefundReport {
    job: Decimal,
    #[serde(flatten)]
    sent: Sent,
}

fn refund(args: &RefundArgs, output: &Output) -> Result<()> {
    let report = args.sender.run(output, "refunding", async |session| {
        let outcome = args.contract.prediction_escrow(&session)?.refund(args.job).await?;
        Ok(RefundReport { job: Decimal(args.job), sent: Sent::from(&outcome) })
    })?;
    output.finish(&report, || {
        table(&[
            ("job", format!("{} refunded; its buyer can withdraw the price", report.job)),
            ("gas", report.sent.gas_used.to_string()),
        ])
    })
}

#[derive(Serialize)]
struct JobReport {
    job: Decimal,
    state: &'static str,
    class: Option<Decimal>,
    model: Decimal,
    buyer: Address,
    token: Address,
    price: Decimal,
    deadline: u64,
    input_commitment: B256,
}

impl From<OnChainJob> for JobReport {
    fn from(job: OnChainJob) -> Self {
        let (state, class) = match job.state {
            OnChainState::Open => ("open", None),
            OnChainState::Claimed { output } => ("claimed", Some(Decimal(output))),
            OnChainState::Refunded => ("refunded", None),
        };
        Self {
            job: Decimal(job.job_id),
            state,
            class,
            model: Decimal(job.model_id),
            buyer: job.buyer,
            token: job.token,
            price: Decimal(job.price),
            deadline: job.deadline,
            input_commitment: B256::from(job.input_commitment.to_be_bytes()),
        }
    }
}

fn show(args: &ShowArgs, output: &Output) -> Result<()> {
    let report = args.node.run(output, "asking the escrow", async |session| {
        let escrow = args.contract.prediction_escrow(&session)?;
        let started = tokio::time::Instant::now();
        loop {
            let Some(job) = escrow.job(args.job).await? else {
                bail!("escrow {} has no job {}", escrow.address(), args.job);
            };
            let open = job.state == OnChainState::Open;
            match args.wait.map(Duration::from_secs) {
                Some(limit) if open && started.elapsed() >= limit => {
                    bail!("job {} is still open after {} s", args.job, limit.as_secs());
                }
                Some(_) if open => {
                    session.spinner.message("waiting for the proof");
                    tokio::time::sleep(Duration::from_millis(500)).await;
                }
                _ => return Ok(JobReport::from(job)),
            }
        }
    })?;
    output.finish(&report, || {
        let state = match report.class {
            Some(class) => format!("claimed: class {class}"),
            None => report.state.to_owned(),
        };
        table(&[
            ("job", report.job.to_string()),
            ("state", state),
            ("model", report.model.to_string()),
            ("price", amount_text(report.price.0, report.token)),
            ("buyer", report.buyer.to_string()),
            ("claims until", format!("{} (Unix time)", report.deadline)),
            ("input", report.input_commitment.to_string()),
        ])
    })
}

#[derive(Serialize)]
struct WithdrawReport {
    account: Address,
    token: Address,
    amount: Decimal,
    #[serde(flatten)]
    sent: Sent,
}

fn withdraw(args: &WithdrawArgs, output: &Output) -> Result<()> {
    let report = args.sender.run(output, "withdrawing", async |session| {
        let account = session.chain.account()?;
        let address = args.contract.find(args.from.contract(), &session.chain)?.address;
        let escrow = Contract::at(session.chain.clone(), address);
        let credit = escrow.credit(args.token, account).await?;
        let amount = args.amount.unwrap_or(credit);
        if credit.is_zero() || amount > credit {
            bail!(
                "account {account} has a credit of {} in contract {address}",
                amount_text(credit, args.token)
            );
        }
        let outcome = match (args.to, args.amount) {
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
