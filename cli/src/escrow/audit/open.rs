//! `assay escrow audit open`.

use std::path::PathBuf;

use alloy::primitives::{Address, B256, U256, aliases::U96};
use anyhow::{Context, Result, bail};
use assay_client::{
    AuditEscrow,
    escrow::audit::{Terms, admitted_keys},
};
use assay_prover::{arithmetic::field::field_to_bytes, collection::Collection};
use clap::{ArgGroup, Args};
use serde::Serialize;

use super::{admission::AdmissionArgs, possession::ChallengeArgs, sellers::SellersArgs};
use crate::{
    amount::{Amount, amount_text, parse_amount},
    chain::{SenderArgs, Sent},
    contract::ContractArgs,
    hex_words::parse_word,
    output::{Decimal, Output, table},
    setup_trust::guard_setup,
    trust::TrustReport,
};

#[derive(Args)]
#[command(
    group = ArgGroup::new("test").required(true).args(["set", "root"]),
    after_help = "Example:
  assay escrow audit open --set test.set --required 950 --reward 1ether --stake 0.5ether \\
    --admit audit.card.json --setup ceremony.srs --escrow 0x... \\
    --rpc http://127.0.0.1:8545 --private-key-file buyer.key

--admit takes a model card or a published architecture: its verifying key and verifier are made again here,
and the job takes models with these only. With --admit-at-delivery models of any key may enter, and `assay
escrow audit deliver` is the approval of those that are known.

An entry that the test set is delivered to and that stays away costs both sides the abort fee, which is burnt.
So name the sellers of a contest: else anybody can take all its places with weights that do not exist. Where nobody is
to be named, --challenge asks for a proof of the weights: it costs a seller the time and gas of one."
)]
pub(crate) struct OpenArgs {
    /// Committed test set
    #[arg(long, value_name = "FILE", conflicts_with = "items")]
    set: Option<PathBuf>,
    /// Root of the test set, in place of --set
    #[arg(long, value_name = "HEX", value_parser = parse_word, requires = "items")]
    root: Option<B256>,
    /// Items of the test set, with --root
    #[arg(long, value_name = "N", requires = "root")]
    items: Option<u32>,
    /// Items that must be classified correctly
    #[arg(long, value_name = "N")]
    required: u32,
    /// What counts as correct, for the record [default: `top-1`, by --top]
    #[arg(long, value_name = "NAME")]
    metric: Option<String>,
    /// What the best entry with enough correct items is paid
    #[arg(long, value_parser = parse_amount)]
    reward: Amount,
    /// What each seller puts up, and loses by proving too few items
    #[arg(long, value_parser = parse_amount)]
    stake: Amount,
    /// What the buyer puts up, and loses by silence, or an abort fee at a time: at least one for each of
    /// --max-entries [default: that much]
    #[arg(long, value_parser = parse_amount)]
    bond: Option<Amount>,
    /// What is burnt of the stake and of the bond for each entry that gives up when it has seen the test set; at
    /// most the stake. Without it, a buyer loses nothing by delivering garbage [default: a tenth of the stake]
    #[arg(long, value_parser = parse_amount)]
    abort_fee: Option<Amount>,
    /// Token of all amounts [default: the native currency]
    #[arg(long, value_name = "ADDRESS", default_value_t = Address::ZERO, hide_default_value = true)]
    token: Address,
    #[command(flatten)]
    sellers: SellersArgs,
    /// Sellers that may enter; with more than one this is a contest
    #[arg(long, default_value_t = 1, value_name = "N", value_parser = clap::value_parser!(u8).range(1..=16))]
    max_entries: u8,
    #[command(flatten)]
    admission: AdmissionArgs,
    /// Let models of any key enter; which models are let in is decided at the delivery
    #[arg(long, conflicts_with_all = ["admit", "admit_folder"])]
    admit_at_delivery: bool,
    #[command(flatten)]
    challenge: ChallengeArgs,
    /// Seconds in which sellers may enter
    #[arg(long, default_value_t = 86_400, value_name = "SECONDS")]
    enter_within: u64,
    /// Seconds after that in which the test set is delivered
    #[arg(long, default_value_t = 86_400, value_name = "SECONDS", value_parser = window())]
    deliver_within: u64,
    /// Seconds after that in which sellers claim their counts or give up
    #[arg(long, default_value_t = 86_400, value_name = "SECONDS", value_parser = window())]
    accept_within: u64,
    /// Seconds after that in which the highest claim is proven, and again as many for the next one if it is not
    #[arg(long, default_value_t = 604_800, value_name = "SECONDS", value_parser = window())]
    prove_within: u64,
    /// Public note to sellers
    #[arg(long, default_value = "")]
    hint: String,
    /// Admit a setup of no known ceremony on a chain that is not a development chain
    #[arg(long)]
    dev: bool,
    #[command(flatten)]
    contract: ContractArgs,
    #[command(flatten)]
    sender: SenderArgs,
}

/// Seconds that the contract takes for a step which somebody loses by who comes too late.
fn window() -> clap::builder::RangedU64ValueParser {
    clap::value_parser!(u64).range(600..=31_536_000)
}

/// The name of what counts as correct, as a word: its bytes, then zeros. What goes on record must not be
/// another rank than that of the circuits that are let in.
fn metric(given: Option<&str>, top: usize) -> Result<B256> {
    let own = format!("top-{top}");
    let text = given.unwrap_or(&own);
    if text.is_empty() || text.len() > 32 {
        bail!("--metric {text:?} is not a name of 1 to 32 bytes");
    }
    require_rank(text, top)?;
    Ok(B256::right_padding_from(text.as_bytes()))
}

/// Refuses a metric `top-N` of another rank.
pub(super) fn require_rank(metric: &str, top: usize) -> Result<()> {
    match metric.strip_prefix("top-") {
        Some(rank) if rank != top.to_string() => bail!(
            "the job's metric is {metric}, the circuits that are let in are top-{top}; give --top {rank}, or \
             another metric"
        ),
        _ => Ok(()),
    }
}

#[derive(Serialize)]
struct Report {
    job: Decimal,
    root: B256,
    items: u32,
    required: u32,
    reward: Decimal,
    bond: Decimal,
    abort_fee: Decimal,
    token: Address,
    /// Merkle root of the sellers that are named.
    sellers: Option<B256>,
    /// Root of the public collection on which sellers prove to have the weights.
    challenge: Option<B256>,
    admitted: Vec<B256>,
    trust: Vec<TrustReport>,
    enter_by: u64,
    deliver_by: u64,
    accept_by: u64,
    /// Seconds for each claim, one after the other.
    prove_window: u64,
    #[serde(flatten)]
    sent: Sent,
}

pub(super) fn run(args: &OpenArgs, output: &Output) -> Result<()> {
    let amounts = args.amounts()?;
    let admissions = args.admission.open(output)?;
    if admissions.is_empty() && !args.admit_at_delivery {
        bail!(
            "nothing says which models may enter: give --admit with a model card or an architecture (and \
             --setup), or --admit-at-delivery"
        );
    }
    let admitted: Vec<B256> = admissions.iter().map(|one| one.hash()).collect();
    let sellers = args.sellers.read()?.root();
    let metric = metric(args.metric.as_deref(), args.admission.top)?;
    let (root, items) = args.test_set(output)?;
    let challenge = args.challenge.root(items)?;
    if challenge == U256::from_be_bytes(root.0) {
        bail!("the challenge is the test set itself, which would not be hidden then");
    }
    let report = args.sender.run(output, "opening the job", async |session| {
        for admission in &admissions {
            guard_setup(&admission.setup, session.chain.chain_id(), args.dev)?;
        }
        let (escrow, _) = args.contract.open::<AuditEscrow>(&session).await?;
        let enter_by = session.after(args.enter_within).await?;
        let later = |time: u64, seconds| time.checked_add(seconds).context("a deadline is too far");
        let deliver_by = later(enter_by, args.deliver_within)?;
        let accept_by = later(deliver_by, args.accept_within)?;
        let terms = Terms {
            buyer: session.chain.account()?,
            sellers,
            token: args.token,
            reward: amounts.reward,
            bond: amounts.bond,
            stake: amounts.stake,
            abortFee: amounts.abort_fee,
            testSetRoot: root.into(),
            metric,
            items,
            required: args.required,
            maxEntries: args.max_entries,
            enterBy: enter_by,
            deliverBy: deliver_by,
            acceptBy: accept_by,
            proveWindow: args.prove_within,
            admittedKeys: admitted_keys(&admitted),
            challengeRoot: challenge,
        };
        let hint = args.hint.clone().into_bytes().into();
        let (job, outcome) = escrow.open(terms, admitted.clone(), hint).await?;
        Ok(Report {
            job: Decimal(job),
            root,
            items,
            required: args.required,
            reward: Decimal(U256::from(amounts.reward)),
            bond: Decimal(U256::from(amounts.bond)),
            abort_fee: Decimal(U256::from(amounts.abort_fee)),
            token: args.token,
            sellers: Some(sellers).filter(|root| !root.is_zero()),
            challenge: Some(B256::from(challenge)).filter(|root| !root.is_zero()),
            admitted: admitted.clone(),
            trust: admissions.iter().map(|one| one.report.clone()).collect(),
            enter_by,
            deliver_by,
            accept_by,
            prove_window: args.prove_within,
            sent: Sent::from(&outcome),
        })
    })?;
    output.finish(&report, || text_of(&report))
}

fn text_of(report: &Report) -> String {
    let escrowed = report.reward.0.saturating_add(report.bond.0);
    let mut rows = vec![
        ("job", report.job.to_string()),
        ("escrowed", amount_text(escrowed, report.token)),
        ("abort fee", amount_text(report.abort_fee.0, report.token)),
        ("wanted", format!("{} of {} items correct", report.required, report.items)),
        ("test set", report.root.to_string()),
        ("enter until", format!("{} (Unix time)", report.enter_by)),
        ("deliver until", report.deliver_by.to_string()),
        ("accept until", report.accept_by.to_string()),
        ("prove within", format!("{} s for each claim", report.prove_window)),
    ];
    rows.extend(report.challenge.map(|root| ("challenge", root.to_string())));
    rows.extend(report.trust.iter().flat_map(TrustReport::rows));
    rows.push(("gas", report.sent.gas_used.to_string()));
    table(&rows)
}

/// The money of a job, in its token.
struct Amounts {
    reward: U96,
    stake: U96,
    bond: U96,
    abort_fee: U96,
}

impl OpenArgs {
    fn amounts(&self) -> Result<Amounts> {
        let stake = self.stake.small(self.token)?;
        let abort_fee = match self.abort_fee {
            Some(fee) => fee.small(self.token)?,
            None => default_fee(stake),
        };
        // Of a fee that is too high the contract says so.
        let fees = abort_fee.saturating_mul(U96::from(self.max_entries));
        let bond = self.bond.map(|bond| bond.small(self.token)).transpose()?.unwrap_or(fees);
        if bond < fees {
            bail!(
                "the bond has to cover an abort fee for each of {} entries: give a --bond of {} at least, or \
                 another --abort-fee",
                self.max_entries,
                amount_text(U256::from(fees), self.token)
            );
        }
        Ok(Amounts { reward: self.reward.small(self.token)?, stake, bond, abort_fee })
    }

    /// Root and number of items.
    fn test_set(&self, output: &Output) -> Result<(B256, u32)> {
        match (&self.set, self.root, self.items) {
            (Some(path), ..) => {
                let _spinner = output.spinner("hashing the test set");
                let set = Collection::read(path, &|_| {})?;
                if set.labels().is_empty() {
                    bail!("{} has no labels; an audit needs one for each item", path.display());
                }
                let items = u32::try_from(set.len()).context("the test set is too large")?;
                Ok((B256::from(field_to_bytes(&set.root())), items))
            }
            (None, Some(root), Some(items)) => Ok((root, items)),
            _ => bail!("give --set, or --root and --items"),
        }
    }
}

/// A tenth of the stake, and something of the smallest one.
fn default_fee(stake: U96) -> U96 {
    let tenth = stake / U96::from(10);
    if tenth.is_zero() { stake.min(U96::ONE) } else { tenth }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_fee_is_never_nothing() {
        let fee = |stake: u64| default_fee(U96::from(stake)).to::<u64>();
        assert_eq!([fee(1), fee(9), fee(10), fee(500)], [1, 1, 1, 50]);
    }

    #[test]
    fn metrics_are_short_strings() {
        let word = metric(None, 1).unwrap();
        assert_eq!((&word[..5], word[5]), (&b"top-1"[..], 0));
        assert_eq!(metric(Some("top-5"), 5).unwrap(), metric(None, 5).unwrap());
        assert!(metric(Some("recall"), 5).is_ok());
        for bad in ["", &"x".repeat(33), "top-5", "top-01"] {
            assert!(metric(Some(bad), 1).is_err(), "{bad}");
        }
    }
}
