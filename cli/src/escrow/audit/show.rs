//! `assay escrow audit show`.

use std::fmt::Write as _;

use alloy::primitives::{Address, B256, U256};
use anyhow::Result;
use assay_client::{
    contract::text_or_hex,
    escrow::audit::{EntryState, State, entries_hash, prove_by},
};
use serde::Serialize;

use super::Job;
use crate::{
    amount::amount_text,
    escrow::job::JobViewArgs,
    output::{Decimal, Id, Output, table},
};

#[derive(Serialize)]
struct Report {
    job: Decimal,
    state: &'static str,
    /// The chain's time.
    now: u64,
    buyer: Address,
    /// Merkle root of the sellers that are named.
    sellers: Option<B256>,
    token: Address,
    reward: Decimal,
    bond: Decimal,
    bond_returned: bool,
    stake: Decimal,
    abort_fee: Decimal,
    root: B256,
    metric: String,
    items: u32,
    required: u32,
    max_entries: u8,
    enter_by: u64,
    deliver_by: u64,
    accept_by: u64,
    /// Seconds for each claim, one after the other.
    prove_window: u64,
    admitted: Vec<B256>,
    /// Root of the public collection on which sellers prove to have the weights.
    challenge: Option<B256>,
    hint: String,
    entries: Vec<EntryReport>,
    entries_hash: B256,
    delivery: Option<Delivery>,
    /// The entry that was paid.
    winner: Option<Decimal>,
}

#[derive(Serialize)]
struct EntryReport {
    entry: Decimal,
    state: &'static str,
    seller: Address,
    model: Id,
    binding_hash: B256,
    batch: Decimal,
    /// Items that the seller claims to be correct, and until when that is proven.
    claim: Option<Decimal>,
    prove_by: Option<u64>,
    correct: Decimal,
    /// Runs not proven yet.
    missing: Decimal,
    certified: bool,
    /// For `assay audit prove --context`.
    context: B256,
    encryption_key: String,
}

#[derive(Serialize)]
struct Delivery {
    data_hash: B256,
    place: String,
}

pub(super) fn state_name(state: State) -> &'static str {
    match state {
        State::Open => "open",
        State::Delivered => "delivered",
        State::Paid => "paid",
        State::Refunded => "refunded",
        State::Undelivered => "undelivered",
        _ => "unknown",
    }
}

fn entry_name(state: EntryState) -> &'static str {
    match state {
        EntryState::Entered => "entered",
        EntryState::Accepted => "accepted",
        EntryState::Returned => "returned",
        EntryState::Forfeited => "forfeited",
        EntryState::Aborted => "aborted",
        _ => "unknown",
    }
}

pub(super) fn run(args: &JobViewArgs, output: &Output) -> Result<()> {
    let report = args.node.run(output, "asking the escrow", async |session| {
        let job = Job::find(&args.contract, args.job, &session).await?;
        report(&job, session.chain.head().await?.timestamp).await
    })?;
    output.finish(&report, || text(&report))
}

async fn report(job: &Job, now: u64) -> Result<Report> {
    let (escrow, order, terms) = (&job.escrow, &job.order, job.terms());
    let stored = escrow.job(order.job_id).await?;
    let entered = escrow.entered(order).await?;
    let mut entries = Vec::new();
    for logged in &entered {
        let event = &logged.event;
        let entry = escrow.entry(order.job_id, event.entry).await?;
        let claimed = !entry.claim.is_zero();
        entries.push(EntryReport {
            entry: Decimal(event.entry),
            state: entry_name(entry.state),
            seller: entry.seller,
            model: Id(entry.modelId),
            binding_hash: event.bindingHash,
            batch: Decimal(entry.batch),
            claim: claimed.then_some(Decimal(entry.claim)),
            prove_by: claimed.then(|| prove_by(terms, entry.turn)),
            correct: Decimal(entry.correct),
            missing: Decimal(entry.missing),
            certified: entry.certified,
            context: B256::from(job.context(entry.seller)),
            encryption_key: text_or_hex(&event.encryptionKey),
        });
    }
    let delivery = escrow.delivery(order).await?.map(|logged| Delivery {
        data_hash: logged.event.dataHash,
        place: text_or_hex(&logged.event.place),
    });
    let settlement = escrow.settlement(order).await?;
    let metric = terms.metric.as_slice();
    let metric = metric.split(|byte| *byte == 0).next().unwrap_or(metric);
    Ok(Report {
        job: Decimal(order.job_id),
        state: stored.as_ref().map_or("unknown", |stored| state_name(stored.state)),
        now,
        buyer: terms.buyer,
        sellers: Some(terms.sellers).filter(|root| !root.is_zero()),
        token: terms.token,
        reward: Decimal(U256::from(terms.reward)),
        bond: Decimal(U256::from(terms.bond)),
        bond_returned: stored.as_ref().is_some_and(|stored| stored.bondReturned),
        stake: Decimal(U256::from(terms.stake)),
        abort_fee: Decimal(U256::from(terms.abortFee)),
        root: B256::from(terms.testSetRoot),
        metric: text_or_hex(metric),
        items: terms.items,
        required: terms.required,
        max_entries: terms.maxEntries,
        enter_by: terms.enterBy,
        deliver_by: terms.deliverBy,
        accept_by: terms.acceptBy,
        prove_window: terms.proveWindow,
        admitted: order.admitted.clone(),
        challenge: Some(B256::from(terms.challengeRoot)).filter(|root| !root.is_zero()),
        hint: text_or_hex(&order.hint),
        entries_hash: entries_hash(entered.iter().map(|logged| &logged.event)),
        entries,
        delivery,
        winner: settlement
            .map(|logged| Decimal(logged.event.winner))
            .filter(|winner| !winner.0.is_zero()),
    })
}

fn text(report: &Report) -> String {
    let money = |amount: Decimal| amount_text(amount.0, report.token);
    let until = |deadline: u64| {
        let passed = if report.now > deadline { ", passed" } else { "" };
        format!("{deadline} (Unix time{passed})")
    };
    let returned = if report.bond_returned { ", returned" } else { "" };
    let mut rows = vec![
        ("job", report.job.to_string()),
        ("state", report.state.to_owned()),
        (
            "wanted",
            format!("{} of {} items correct ({})", report.required, report.items, report.metric),
        ),
        ("test set", report.root.to_string()),
        ("buyer", report.buyer.to_string()),
        ("reward", money(report.reward)),
        ("buyer's bond", format!("{}{}", money(report.bond), returned)),
        ("stake", money(report.stake)),
        ("abort fee", money(report.abort_fee)),
        ("enter until", until(report.enter_by)),
        ("deliver until", until(report.deliver_by)),
        ("accept until", until(report.accept_by)),
        ("prove within", format!("{} s for each claim", report.prove_window)),
        ("admitted keys", report.admitted.len().to_string()),
        ("entries", format!("{} of {}", report.entries.len(), report.max_entries)),
        ("hash of entries", report.entries_hash.to_string()),
    ];
    rows.extend(report.sellers.map(|root| ("sellers named", root.to_string())));
    rows.extend(report.challenge.map(|root| ("challenge", root.to_string())));
    rows.extend(report.delivery.as_ref().map(|delivery| ("delivered", delivery.place.clone())));
    rows.extend(report.winner.map(|winner| ("paid to entry", winner.to_string())));
    let mut text = table(&rows);
    for entry in &report.entries {
        let claim = match (entry.claim, entry.prove_by) {
            (Some(claim), Some(until_)) => {
                format!(" with a claim of {claim}, to prove until {}", until(until_))
            }
            _ => String::new(),
        };
        let _ = write!(
            text,
            "\nentry {}: {}{claim}, {} correct, {} runs missing\n{}",
            entry.entry,
            entry.state,
            entry.correct,
            entry.missing,
            table(&[
                ("  seller", entry.seller.to_string()),
                ("  model", entry.model.to_string()),
                ("  context", entry.context.to_string()),
            ])
        );
    }
    text
}
