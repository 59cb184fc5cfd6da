//! `assay escrow retrieval open`.

use alloy::primitives::{Address, B256, U256};
use anyhow::{Context, Result, bail};
use assay_relayer::{RetrievalEscrow, TypedContract, retrieval_escrow::Terms};
use clap::Args;
use serde::Serialize;

use crate::{
    chain::{ContractArgs, SenderArgs, Sent, amount_text, guard_dev_setup, parse_amount},
    input::parse_word,
    keygen::ModelSource,
    output::{Decimal, Output, table},
};

#[derive(Args)]
#[command(after_help = "Example:
  assay escrow retrieval open --model 3 --architecture threes.json --holder 0x... --root 0x... --items 600 \\
    --price 0.2ether --escrow 0x... --rpc http://127.0.0.1:8545 --private-key-file me.key")]
pub struct OpenArgs {
    /// Id of the predicate model in the escrow's registry
    #[arg(long, value_name = "ID")]
    model: U256,
    #[command(flatten)]
    source: ModelSource,
    /// Who holds the collection, and is paid
    #[arg(long, value_name = "ADDRESS")]
    holder: Address,
    /// Root of the collection
    #[arg(long, value_name = "HEX", value_parser = parse_word)]
    root: B256,
    /// Items of the collection
    #[arg(long, value_name = "N")]
    items: u32,
    /// Price: 1ether, 0.5eth, 30gwei, or a number of the token's smallest unit
    #[arg(long, value_parser = parse_amount)]
    price: U256,
    /// Token of the price [default: the chain's own coin]
    #[arg(long, value_name = "ADDRESS", default_value_t = Address::ZERO, hide_default_value = true)]
    token: Address,
    /// Binding hash of the model, checked off chain. Without it the registry's present one is taken
    #[arg(long, value_name = "HEX")]
    binding: Option<B256>,
    /// Seconds in which the runs are proven
    #[arg(long, default_value_t = 86_400, value_name = "SECONDS")]
    prove_within: u64,
    /// Seconds after that in which the openings are published
    #[arg(long, default_value_t = 86_400, value_name = "SECONDS")]
    open_within: u64,
    /// Public note to the holder, for example a key to encrypt the openings to
    #[arg(long, default_value = "")]
    hint: String,
    /// Allow a model with a development setup on a chain that is not a development chain
    #[arg(long)]
    dev: bool,
    #[command(flatten)]
    contract: ContractArgs,
    #[command(flatten)]
    sender: SenderArgs,
}

#[derive(Serialize)]
struct Report {
    job: Decimal,
    model: Decimal,
    binding_hash: B256,
    price: Decimal,
    token: Address,
    prove_by: u64,
    open_by: u64,
    /// For `assay retrieve prove --context`.
    context: B256,
    #[serde(flatten)]
    sent: Sent,
}

pub fn run(args: &OpenArgs, output: &Output) -> Result<()> {
    let architecture = args.source.architecture()?;
    let statement = architecture.layout()?.options.statement;
    let batch = match statement.run() {
        Some(run) if statement.name() == "retrieval" => run.items(),
        _ => bail!("this architecture proves statements of kind {}", statement.name()),
    };
    if args.price.bit_len() > 96 {
        bail!("{} is too much; amounts are below 2^96", args.price);
    }
    let report = args.sender.run(output, "opening the job", async |session| {
        let chain = &session.chain;
        let place = args.contract.find("RetrievalEscrow", chain)?;
        let escrow = RetrievalEscrow::at(chain.clone(), place.address);
        let record = escrow.contract().registry().await?.get(args.model).await?;
        let binding = record
            .binding
            .with_context(|| format!("model {} is not bound to a verifier yet", args.model))?;
        guard_dev_setup(binding.dev_setup, chain.chain_id(), args.dev)?;
        let circuit = B256::from(architecture.circuit_hash());
        if record.commitment.circuitHash != circuit {
            bail!(
                "model {} is registered with circuit {}, this one has {circuit}",
                args.model,
                record.commitment.circuitHash
            );
        }
        if let Some(wanted) = args.binding
            && wanted != binding.binding_hash
        {
            bail!("model {} has binding {}, not {wanted}", args.model, binding.binding_hash);
        }
        let prove_by = session.after(args.prove_within).await?;
        let open_by = prove_by.checked_add(args.open_within).context("a deadline is too far")?;
        let terms = Terms {
            requester: chain.account()?,
            holder: args.holder,
            token: args.token,
            price: args.price.to(),
            modelId: args.model,
            collectionRoot: args.root.into(),
            items: args.items,
            batch: u16::try_from(batch).context("the runs are too long")?,
            proveBy: prove_by,
            openBy: open_by,
        };
        let hint = args.hint.clone().into_bytes().into();
        let (job, outcome) = escrow.open(terms, binding.binding_hash, hint).await?;
        Ok(Report {
            job: Decimal(job),
            model: Decimal(args.model),
            binding_hash: binding.binding_hash,
            price: Decimal(args.price),
            token: args.token,
            prove_by,
            open_by,
            context: B256::from(escrow.contract().proof_context(job, args.holder)),
            sent: Sent::from(&outcome),
        })
    })?;
    output.finish(&report, || {
        table(&[
            ("job", report.job.to_string()),
            ("escrowed", amount_text(report.price.0, report.token)),
            ("prove until", format!("{} (Unix time)", report.prove_by)),
            ("publish until", report.open_by.to_string()),
            ("context", report.context.to_string()),
            ("gas", report.sent.gas_used.to_string()),
        ])
    })
}
