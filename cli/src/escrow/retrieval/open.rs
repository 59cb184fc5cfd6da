//! `assay escrow retrieval open`.

use alloy::primitives::{Address, B256, U256};
use anyhow::{Context, Result, bail};
use assay_client::{ContractClient, RetrievalEscrow, escrow::retrieval::Terms};
use clap::Args;
use serde::Serialize;

use crate::{
    amount::{Amount, amount_text, parse_amount},
    chain::{SenderArgs, Sent},
    contract::ContractArgs,
    hex_words::parse_word,
    output::{Decimal, Id, Output, table},
    trust::{Trust, TrustArgs, TrustReport, requires_retrieval},
};

#[derive(Args)]
#[command(after_help = "Example:
  assay escrow retrieval open --model 0x... --card threes.card.json --setup ceremony.srs --class 3 \\
    --holder 0x... --root 0x... --items 600 --price 0.2ether --escrow 0x... --rpc http://127.0.0.1:8545 --private-key-file me.key")]
pub(crate) struct OpenArgs {
    /// Id of the predicate model in the escrow's registry
    #[arg(long, value_name = "ID")]
    model: U256,
    /// Items of a proof: needed with --trust-registry, else what the model's circuit takes
    #[arg(long, value_name = "N", requires = "trust_registry")]
    batch: Option<u16>,
    /// The class that must be looked for
    #[arg(long, value_name = "CLASS")]
    class: usize,
    /// Who holds the collection, and is paid
    #[arg(long, value_name = "ADDRESS")]
    holder: Address,
    /// Root of the collection
    #[arg(long, value_name = "HEX", value_parser = parse_word)]
    root: B256,
    /// Items of the collection
    #[arg(long, value_name = "N")]
    items: u32,
    /// Price: 1ether, 0.5eth, 30gwei; of a token 1000units, in its smallest unit
    #[arg(long, value_parser = parse_amount)]
    price: Amount,
    /// Token of the price [default: the native currency]
    #[arg(long, value_name = "ADDRESS", default_value_t = Address::ZERO, hide_default_value = true)]
    token: Address,
    /// Seconds in which the runs are proven
    #[arg(long, default_value_t = 86_400, value_name = "SECONDS")]
    prove_within: u64,
    /// Seconds after that in which the openings are published
    #[arg(long, default_value_t = 86_400, value_name = "SECONDS")]
    open_within: u64,
    /// Public note to the holder, for example a key to encrypt the openings to
    #[arg(long, default_value = "")]
    hint: String,
    #[command(flatten)]
    trust: TrustArgs,
    #[command(flatten)]
    contract: ContractArgs,
    #[command(flatten)]
    sender: SenderArgs,
}

#[derive(Serialize)]
struct Report {
    job: Decimal,
    model: Id,
    binding_hash: B256,
    trust: TrustReport,
    price: Decimal,
    token: Address,
    prove_by: u64,
    open_by: u64,
    /// For `assay retrieve prove --context`.
    context: B256,
    #[serde(flatten)]
    sent: Sent,
}

pub(super) fn run(args: &OpenArgs, output: &Output) -> Result<()> {
    let price = args.price.small(args.token)?;
    let trust = args.trust.prepare(output, |layout| requires_retrieval(layout, args.class))?;
    let batch = match (&trust, args.batch) {
        (Trust::Recomputed(expected), _) => {
            let run = expected.known.layout().options.statement.run();
            let items = run.context("a retrieval is about runs")?.items();
            u16::try_from(items).context("the runs are too long")?
        }
        (Trust::Registry, Some(batch)) => batch,
        (Trust::Registry, None) => bail!("--trust-registry needs --batch: the items of a proof"),
    };
    let report = args.sender.run(output, "opening the job", async |session| {
        let (escrow, _) = args.contract.open::<RetrievalEscrow>(&session).await?;
        let registry = escrow.contract().registry().await?;
        let (binding, trust) = args.trust.choose(&trust, &registry, args.model).await?;
        let prove_by = session.after(args.prove_within).await?;
        let open_by = prove_by.checked_add(args.open_within).context("a deadline is too far")?;
        let terms = Terms {
            requester: session.chain.account()?,
            holder: args.holder,
            token: args.token,
            price,
            modelId: args.model,
            collectionRoot: args.root.into(),
            items: args.items,
            batch,
            proveBy: prove_by,
            openBy: open_by,
        };
        let hint = args.hint.clone().into_bytes().into();
        let (job, outcome) = escrow.open(terms, binding.binding_hash, hint).await?;
        Ok(Report {
            job: Decimal(job),
            model: Id(args.model),
            binding_hash: binding.binding_hash,
            trust,
            price: Decimal(U256::from(price)),
            token: args.token,
            prove_by,
            open_by,
            context: B256::from(escrow.contract().proof_context(job, args.holder)),
            sent: Sent::from(&outcome),
        })
    })?;
    output.finish(&report, || {
        let mut rows = vec![
            ("job", report.job.to_string()),
            ("escrowed", amount_text(report.price.0, report.token)),
            ("prove until", format!("{} (Unix time)", report.prove_by)),
            ("publish until", report.open_by.to_string()),
            ("context", report.context.to_string()),
        ];
        rows.extend(report.trust.rows());
        rows.push(("gas", report.sent.gas_used.to_string()));
        table(&rows)
    })
}
