//! Receipts: `assay service sign` and `post`.

use std::{
    fs,
    path::{Path, PathBuf},
};

use alloy::{
    primitives::{Address, B256, Bytes, U256},
    signers::SignerSync,
};
use anyhow::{Context, Result, bail};
use assay_client::{
    ChainError, ContractClient, ServiceBond,
    service_bond::{Answers, Receipt, batch_id, receipt_digest},
};
use assay_prover::{
    arithmetic::field::field_to_bytes, collection::Collection, files::atomic_file::Readers,
};
use assay_relayer::proving::InputStore;
use clap::Args;
use rand_core::{OsRng, RngCore};
use serde::{Deserialize, Serialize};

use super::answers::require_batch;
use crate::{
    amount::{Amount, amount_text, parse_amount},
    chain::{KeyArgs, NodeArgs, SenderArgs, Sent, refusal},
    contract::ContractArgs,
    hex_words::parse_hash,
    new_file::NewFile,
    output::{Decimal, Output, table},
    trust::{TrustArgs, TrustReport, requires_open_prediction},
};

#[derive(Args)]
#[command(after_help = "Example:
  assay service sign answers.json --service 0x... --buyer 0x... --price 0.1ether --escrow 0x... \\
    --rpc http://127.0.0.1:8545 --private-key-file provider.key -o receipt.json")]
pub(crate) struct SignArgs {
    /// File of answers
    answers: PathBuf,
    /// Id of the service
    #[arg(long, value_name = "HEX", value_parser = parse_hash)]
    service: B256,
    /// Who may post the receipt
    #[arg(long, value_name = "ADDRESS")]
    buyer: Address,
    /// What the buyer pays for the batch
    #[arg(long, value_parser = parse_amount)]
    price: Amount,
    /// Seconds in which the receipt can be posted
    #[arg(long, default_value_t = 86_400, value_name = "SECONDS")]
    valid_for: u64,
    /// Receipt to write
    #[arg(short, long, value_name = "FILE")]
    output: PathBuf,
    #[command(flatten)]
    contract: ContractArgs,
    #[command(flatten)]
    node: NodeArgs,
    #[command(flatten)]
    key: KeyArgs,
}

#[derive(Args)]
#[command(after_help = "Example:
  assay service post receipt.json --answers answers.json --inputs openings \\
    --card lenet.card.json --setup ceremony.srs --escrow 0x... --rpc http://127.0.0.1:8545 --private-key-file buyer.key")]
pub(crate) struct PostArgs {
    /// Receipt that the provider signed
    receipt: PathBuf,
    /// The answers received; the receipt's root must be over them
    #[arg(long, value_name = "FILE")]
    answers: PathBuf,
    /// Folder of your own openings: every answer must be about one of them
    #[arg(long, value_name = "DIR", required_unless_present = "set")]
    inputs: Option<PathBuf>,
    /// Your own collection of inputs, of a service that answers by runs: every run must be about it
    #[arg(long, value_name = "FILE", conflicts_with = "inputs")]
    set: Option<PathBuf>,
    /// Most that you pay [default: what the receipt says]
    #[arg(long, value_parser = parse_amount)]
    max_price: Option<Amount>,
    #[command(flatten)]
    trust: TrustArgs,
    #[command(flatten)]
    contract: ContractArgs,
    #[command(flatten)]
    sender: SenderArgs,
}

/// A receipt and its signature, as they are handed over.
#[derive(Serialize, Deserialize)]
struct SignedReceipt {
    chain_id: u64,
    contract: Address,
    receipt: Receipt,
    signature: Bytes,
}

#[derive(Serialize)]
struct SignReport {
    output: PathBuf,
    batch: B256,
    signer: Address,
    root: B256,
    /// Inputs that are answered.
    count: u64,
    price: Decimal,
    valid_until: u64,
}

pub(super) fn sign(args: &SignArgs, output: &Output) -> Result<()> {
    let answers = Answers::read(&args.answers)?;
    let root = answers.tree().context("there are no answers")?.root();
    let signer = args.key.load()?;
    let report = args.node.run(output, "signing", async |session| {
        let (bond, _) = args.contract.open::<ServiceBond>(&session).await?;
        let contract = bond.address();
        let service = bond.service(args.service).await?;
        let service = service
            .with_context(|| format!("contract {contract} has no service {}", args.service))?;
        // Contracts sign with keys that they alone know (ERC-1271).
        if service.signer != signer.address()
            && session.chain.code(service.signer).await?.is_empty()
        {
            bail!(
                "service {} has signer {}, not {}",
                args.service,
                service.signer,
                signer.address()
            );
        }
        require_batch(&answers, service.batch)?;
        let price = args.price.of(service.token)?;
        let valid_until = session.after(args.valid_for).await?;
        let receipt = Receipt {
            serviceId: args.service,
            buyer: args.buyer,
            root,
            count: U256::from(answers.items),
            price,
            nonce: U256::from(OsRng.next_u64()),
            validUntil: U256::from(valid_until),
        };
        let chain_id = session.chain.chain_id();
        let digest = receipt_digest(chain_id, contract, &receipt);
        let batch = batch_id(&receipt);
        let signature = signer.sign_hash_sync(&digest).context("cannot sign")?.as_bytes();
        let signed =
            SignedReceipt { chain_id, contract, receipt, signature: signature.to_vec().into() };
        NewFile::new(&args.output, None, "the receipt in it could not be shown any more")
            .write_bytes(Readers::Everyone, &serde_json::to_vec_pretty(&signed)?)?;
        Ok(SignReport {
            output: args.output.clone(),
            batch,
            signer: signer.address(),
            root,
            count: answers.items,
            price: Decimal(price),
            valid_until,
        })
    })?;
    output.finish(&report, || {
        table(&[
            ("receipt", report.output.display().to_string()),
            ("batch", report.batch.to_string()),
            ("answers", format!("{} under root {}", report.count, report.root)),
            ("signer", report.signer.to_string()),
            ("post until", format!("{} (Unix time)", report.valid_until)),
        ])
    })
}

#[derive(Serialize)]
struct Posted {
    batch: B256,
    service: B256,
    trust: TrustReport,
    price: Decimal,
    token: Address,
    contest_by: u64,
    #[serde(flatten)]
    sent: Sent,
}

pub(super) fn post(args: &PostArgs, output: &Output) -> Result<()> {
    let signed = read_receipt(&args.receipt)?;
    let receipt = &signed.receipt;
    let answers = Answers::read(&args.answers)?;
    if !answers.are_of(receipt) {
        bail!(
            "{} is not about the answers in {}: its root is another; do not pay for it",
            args.receipt.display(),
            args.answers.display()
        );
    }
    args.require_own(&answers, output)?;
    let trust = args.trust.prepare(output, requires_open_prediction)?;
    let report = args.sender.run(output, "posting the receipt", async |session| {
        let (bond, _) = args.contract.open::<ServiceBond>(&session).await?;
        let contract = bond.address();
        let chain_id = session.chain.chain_id();
        if (signed.chain_id, signed.contract) != (chain_id, contract) {
            bail!(
                "the receipt is for contract {} on chain {}, not for {contract} on chain {chain_id}",
                signed.contract,
                signed.chain_id
            );
        }
        let service = bond.service(receipt.serviceId).await?;
        let service =
            service.with_context(|| format!("there is no service {}", receipt.serviceId))?;
        require_batch(&answers, service.batch)?;
        let limit = args.max_price.map(|limit| limit.of(service.token)).transpose()?;
        if limit.is_some_and(|limit| receipt.price > limit) {
            bail!(
                "the receipt asks for {}, more than --max-price",
                amount_text(receipt.price, service.token)
            );
        }
        let registry = bond.contract().registry().await?;
        let (_, trust) = args.trust.choose(&trust, &registry, service.modelId).await?;
        let posted = bond.post(receipt.clone(), signed.signature.to_vec()).await;
        let (batch, outcome) = posted.map_err(|error| not_posted(error, batch_id(receipt)))?;
        Ok(Posted {
            batch: batch.batchId,
            service: receipt.serviceId,
            trust,
            price: Decimal(receipt.price),
            token: service.token,
            contest_by: batch.contestBy,
            sent: Sent::from(&outcome),
        })
    })?;
    output.finish(&report, || {
        let mut rows = vec![
            ("batch", report.batch.to_string()),
            ("escrowed", amount_text(report.price.0, report.token)),
            ("contest until", format!("{} (Unix time)", report.contest_by)),
        ];
        rows.extend(report.trust.rows());
        rows.push(("gas", report.sent.gas_used.to_string()));
        table(&rows)
    })
}

impl PostArgs {
    /// That the answers are about the buyer's own inputs.
    fn require_own(&self, answers: &Answers, output: &Output) -> Result<()> {
        const MESSAGE: &str = "checking answers";
        let not_yours = |index| {
            format!("answer {index} is about an input that is not yours; do not pay for it")
        };
        let bar = output.bar(answers.list.len() as u64, MESSAGE);
        if let Some(path) = &self.set {
            let set = Collection::read(path, &|_| {})?;
            let root = B256::from(field_to_bytes(&set.root()));
            if set.len() as u64 != answers.items {
                bail!(
                    "the answers are about {} inputs, {} has {}; do not pay for them",
                    answers.items,
                    path.display(),
                    set.len()
                );
            }
            for (index, answer) in answers.list.iter().enumerate() {
                if answer.commitment != root {
                    bail!(not_yours(index));
                }
                bar.step(MESSAGE);
            }
            return Ok(());
        }
        let folder = self.inputs.as_deref().context("give --inputs or --set")?;
        let inputs = InputStore::new(folder);
        for (index, answer) in answers.list.iter().enumerate() {
            inputs.get(answer.commitment).with_context(|| not_yours(index))?;
            bar.step(MESSAGE);
        }
        Ok(())
    }
}

/// Why a receipt was not posted, or may be posted after all.
fn not_posted(error: ChainError, batch: B256) -> anyhow::Error {
    if error.may_be_mined() {
        return anyhow::Error::from(error).context(format!(
            "the receipt may be posted all the same: look for batch {batch} with `assay service batch`"
        ));
    }
    refusal(error, || "the contract refuses the receipt".to_owned())
}

fn read_receipt(path: &Path) -> Result<SignedReceipt> {
    let text =
        fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    serde_json::from_str(&text).with_context(|| {
        format!("{} is not a receipt, as `assay service sign` writes it", path.display())
    })
}

#[cfg(test)]
mod tests {
    use assay_client::chain::Revert;

    use super::*;
    use crate::output::message;

    #[test]
    fn a_receipt_that_may_be_posted_is_not_called_refused() {
        let pending = ChainError::TransactionPending { hash: B256::ZERO, seconds: 180 };
        let text = message(&not_posted(pending, B256::with_last_byte(7)));
        assert!(text.contains("look for batch 0x") && text.contains("not in a block"), "{text}");
        let (account, balance, needed) = (Address::ZERO, U256::ZERO, U256::ONE);
        let poor = ChainError::InsufficientFunds { account, balance, needed };
        let text = message(&not_posted(poor, B256::ZERO));
        assert!(text.contains("send funds") && !text.contains("refuses"), "{text}");
        let revert = ChainError::Reverted(Revert::decode(Default::default()));
        let text = message(&not_posted(revert, B256::ZERO));
        assert!(text.starts_with("the contract refuses the receipt: "), "{text}");
    }

    #[test]
    fn receipts_survive_their_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("receipt.json");
        let receipt = Receipt { count: U256::from(3), price: U256::MAX, ..Receipt::default() };
        let signed = SignedReceipt {
            chain_id: 31337,
            contract: Address::with_last_byte(7),
            receipt: receipt.clone(),
            signature: vec![1; 65].into(),
        };
        fs::write(&path, serde_json::to_string(&signed).unwrap()).unwrap();
        assert_eq!(read_receipt(&path).unwrap().receipt, receipt);
        fs::write(&path, "{}").unwrap();
        assert!(read_receipt(&path).is_err());
    }
}
