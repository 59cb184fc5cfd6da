//! Audits in which the account is buyer or seller: they are entered, answered for and proven, and jobs and entries are ended
//! where that pays the account.

mod look;
mod selling;

use std::{collections::BTreeMap, time::Duration};

use alloy::{
    primitives::{Address, B256, Bytes, U256, keccak256},
    rpc::types::{Log, TransactionRequest},
    sol_types::{SolEvent, SolValue},
};
use assay_client::{
    AuditEscrow, ContractClient,
    bindings::IAuditEscrow,
    chain::{BlockRef, LogScanner},
    escrow::{
        audit::{Entry, EntryState, State, Terms},
        audit_end::{decided_winner, outcome},
    },
};
use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use super::{
    Watch,
    discovery::{Discovery, Source, of_each},
};
use crate::{
    deliveries::Delivery,
    duty::{Due, Duty},
    error::RelayerError,
    refusal::{LeftAlone, Refusal},
};
use look::Look;
use selling::Promised;

pub(crate) use selling::Selling as AuditSelling;

/// How often all events are read again because one is missing.
const READ_AGAIN: Duration = Duration::from_secs(60);

/// Watches one audit escrow for one account.
pub(crate) struct AuditWatch {
    escrow: AuditEscrow,
    account: Address,
    seen: Discovery<Found>,
    /// Whether to end what pays the account as buyer, and as seller of what was entered by hand.
    keep: bool,
    selling: Option<AuditSelling>,
    confirmed: Option<BlockRef>,
    /// What was delivered, as a quorum of the nodes shows it.
    agreed: BTreeMap<U256, Delivery>,
    /// Whether a job was delivered in a confirmed block, and no event says so.
    lacks_delivery: bool,
    /// When the events may be read again for that.
    not_before: Option<Instant>,
    left_alone: Vec<LeftAlone>,
}

#[derive(Clone, Default, PartialEq, Serialize, Deserialize)]
struct Found {
    /// Jobs that may yet pay the account.
    open: BTreeMap<U256, Order>,
    /// Block and hash of their deliveries, and of those of others.
    delivered: BTreeMap<U256, (u64, B256)>,
}

#[derive(Clone, PartialEq, Serialize, Deserialize)]
struct Order {
    /// The terms, as the contract's ABI encodes them.
    terms: Bytes,
    /// The list of admitted keys and verifiers.
    admitted: Vec<B256>,
}

impl AuditWatch {
    /// `keep` ends what pays the account; `selling` enters, answers for and proves what is worth it.
    pub(crate) async fn new(
        escrow: AuditEscrow,
        account: Address,
        source: &Source,
        keep: bool,
        selling: Option<AuditSelling>,
    ) -> Result<Self, RelayerError> {
        let topics = vec![
            IAuditEscrow::AuditOpened::SIGNATURE_HASH,
            IAuditEscrow::AuditDelivered::SIGNATURE_HASH,
        ];
        let scanner = LogScanner::new(escrow.address(), topics, source.max_log_range);
        let name = format!("audits and deliveries of {account} at {}", escrow.address());
        let seen = Discovery::open(name, escrow.chain().clone(), scanner, source).await?;
        Ok(Self {
            escrow,
            account,
            seen,
            keep,
            selling,
            confirmed: None,
            agreed: BTreeMap::new(),
            lacks_delivery: false,
            not_before: None,
            left_alone: Vec::new(),
        })
    }

    /// The jobs in the state of a block, where their terms are those that were read.
    async fn looks(&self, at: BlockRef) -> Result<Vec<Look>, RelayerError> {
        let escrow = self.escrow.in_block(at);
        let found = of_each(self.seen.found().open.clone(), |(id, order)| {
            let escrow = escrow.clone();
            async move {
                let Some(job) = escrow.job(id).await? else {
                    return Ok(None);
                };
                let terms = Terms::abi_decode(&order.terms).ok();
                let Some(terms) = terms.filter(|_| job.termsHash == keccak256(&order.terms)) else {
                    return Ok(None);
                };
                let mut entries = Vec::new();
                let mut next = U256::ONE;
                while next <= job.entries {
                    entries.push(escrow.entry(id, next).await?);
                    next += U256::ONE;
                }
                Ok(Some(Look { id, terms, admitted: order.admitted, job, entries }))
            }
        });
        Ok(found.await?.into_iter().flatten().collect())
    }

    fn is_own(&self, entry: &Entry) -> bool {
        entry.seller == self.account
    }

    /// Whether nothing more can come of a job for the account.
    fn is_over(&self, look: &Look, now: u64) -> bool {
        let is_buyer = look.terms.buyer == self.account;
        let party = is_buyer || look.entries.iter().any(|entry| self.is_own(entry));
        if !party {
            return now > look.terms.enterBy;
        }
        let ended = !matches!(look.job.state, State::Open | State::Delivered);
        let live = |entry: &Entry| is_live(entry) && (is_buyer || self.is_own(entry));
        ended && !look.entries.iter().any(live)
    }

    /// What a job leaves to end for the account.
    fn ends(&self, look: &Look, now: u64) -> Vec<Duty> {
        let Look { id: job, terms, job: state, entries, .. } = look;
        let (contract, job) = (self.escrow.address(), *job);
        let is_buyer = self.keep && terms.buyer == self.account;
        let mut duties = Vec::new();
        let winner = decided_winner(state, entries, terms, now);
        let settles = match state.state {
            State::Open => {
                let last = if entries.is_empty() { terms.enterBy } else { terms.deliverBy };
                is_buyer && now > last
            }
            State::Delivered => match winner {
                None => false,
                Some(0) => is_buyer,
                Some(winner) => entries.get(winner - 1).is_some_and(|entry| self.is_own(entry)),
            },
            _ => false,
        };
        if settles {
            duties.push(Duty::SettleAudit { contract, job });
        }
        for (place, stored) in entries.iter().enumerate() {
            // The end of the job ends the entry that wins, too.
            if settles && winner == Some(place + 1) {
                continue;
            }
            let pays = match outcome(state, entries, terms, place + 1, now) {
                Some(EntryState::Forfeited) => is_buyer,
                Some(_) => self.is_own(stored),
                None => false,
            };
            if pays {
                let entry = U256::from(place + 1);
                duties.push(Duty::ReleaseEntry { contract, job, entry });
            }
        }
        let bond = is_buyer
            && state.state == State::Delivered
            && !state.bondReturned
            && (state.waiting.is_zero() || now > terms.acceptBy);
        // The end of the job returns it too.
        if bond && !settles {
            duties.push(Duty::ReturnBond { contract, job });
        }
        duties
    }

    fn end_call(&self, duty: Duty, terms: &Terms) -> Option<TransactionRequest> {
        let (contract, terms) = (self.escrow.contract(), terms.clone());
        Some(match duty {
            Duty::SettleAudit { job, .. } => {
                contract.request(&IAuditEscrow::settleCall { jobId: job, terms })
            }
            Duty::ReleaseEntry { job, entry, .. } => {
                contract.request(&IAuditEscrow::releaseCall { jobId: job, terms, entry })
            }
            Duty::ReturnBond { job, .. } => {
                contract.request(&IAuditEscrow::returnBondCall { jobId: job, terms })
            }
            _ => return None,
        })
    }

    fn leave(&mut self, look: &Look, reason: Refusal) {
        let (contract, what) = (self.escrow.address(), format!("audit {}", look.id));
        self.left_alone.push(LeftAlone { contract, what, reason });
    }

    /// What the account does as seller, where that is not the end of something.
    async fn sold(&mut self, looks: &[Look], at: BlockRef) -> Result<Vec<Due>, RelayerError> {
        let mut dues = Vec::new();
        for look in looks {
            for place in 1..=look.entries.len() {
                if look.entries.get(place - 1).is_some_and(|entry| self.is_own(entry)) {
                    dues.extend(self.of_entry(look, place, at).await?);
                }
            }
        }
        let mut promised = self.promised(looks);
        let mut wanted: Vec<(bool, &Look)> = Vec::new();
        for look in looks.iter().filter(|look| self.may_enter(look, at.timestamp)) {
            let duty = Duty::EnterAudit { contract: self.escrow.address(), job: look.id };
            let sent = self.seen.store().duty(&duty).await?;
            let sent = sent.is_some_and(|record| !record.transactions.is_empty());
            wanted.push((!sent, look));
        }
        // What is on its way counts first.
        wanted.sort_by_key(|(not_sent, look)| (*not_sent, look.id));
        for (_, look) in wanted {
            let Some(selling) = &mut self.selling else { break };
            match selling.enter(&self.escrow, look, promised, at).await? {
                Ok(Some(due)) => {
                    promised.staked = promised.staked.saturating_add(U256::from(look.terms.stake));
                    promised.runs += due.pays.map_or(0, |pays| pays.proofs);
                    dues.push(due);
                }
                Ok(None) => {}
                Err(reason) => self.leave(look, reason),
            }
        }
        Ok(dues)
    }

    fn may_enter(&self, look: &Look, now: u64) -> bool {
        look.job.state == State::Open
            && now <= look.terms.enterBy
            && look.terms.buyer != self.account
            && !look.entries.iter().any(|entry| self.is_own(entry))
    }

    /// What the account's entries have at stake, and may have to prove.
    fn promised(&self, looks: &[Look]) -> Promised {
        let mut promised = Promised::default();
        for look in looks {
            for entry in look.entries.iter().filter(|entry| self.is_own(entry) && is_live(entry)) {
                promised.staked = promised.staked.saturating_add(U256::from(look.terms.stake));
                let runs = entry.missing.saturating_to::<u64>();
                promised.runs = promised.runs.saturating_add(runs);
            }
        }
        promised
    }

    /// What was delivered. One node alone is not believed where there are several: to give up because of garbage, or to be
    /// silent, costs a fee that nobody gives back.
    async fn delivery(&mut self, job: U256) -> Result<Option<Delivery>, RelayerError> {
        if let Some(agreed) = self.agreed.get(&job) {
            return Ok(Some(agreed.clone()));
        }
        let Some(&(number, hash)) = self.seen.found().delivered.get(&job) else {
            return Ok(None);
        };
        let topics = vec![IAuditEscrow::AuditDelivered::SIGNATURE_HASH];
        let scanner = LogScanner::new(self.escrow.address(), topics, 1).about(B256::from(job));
        let block = BlockRef { number, hash, timestamp: 0 };
        let shown = self.escrow.chain().agreed_logs(&scanner, block).await?;
        let agreed = shown.iter().find_map(|log| {
            let delivered = IAuditEscrow::AuditDelivered::decode_log(&log.inner).ok()?;
            Some(Delivery { data_hash: delivered.dataHash, place: delivered.place.clone() })
        });
        if let Some(agreed) = &agreed {
            self.agreed.insert(job, agreed.clone());
        }
        Ok(agreed)
    }

    /// What an entry of the account leaves to do.
    async fn of_entry(
        &mut self,
        look: &Look,
        entry: usize,
        at: BlockRef,
    ) -> Result<Vec<Due>, RelayerError> {
        if self.selling.is_none() {
            return Ok(Vec::new());
        }
        let state = look.entries.get(entry - 1).map(|stored| stored.state);
        let waits = look.job.state == State::Delivered
            && look.job.waiting.bit(entry - 1)
            && at.timestamp <= look.terms.acceptBy;
        match state {
            Some(EntryState::Entered) if waits => {
                let delivery = self.delivery(look.id).await?;
                if delivery.is_none() {
                    // The event comes with the confirmed block of the delivery.
                    let Some(confirmed) = self.confirmed else { return Ok(Vec::new()) };
                    let job = self.escrow.in_block(confirmed).job(look.id).await?;
                    if job.is_none_or(|job| job.state != State::Delivered) {
                        return Ok(Vec::new());
                    }
                    self.lacks_delivery = true;
                }
                let Some(selling) = &mut self.selling else {
                    return Ok(Vec::new());
                };
                let answer = selling.answer(&self.escrow, look, entry, delivery.as_ref()).await?;
                let (due, reason) = answer;
                if let Some(reason) = reason {
                    self.leave(look, reason);
                }
                Ok(due.into_iter().collect())
            }
            Some(EntryState::Accepted) => match &mut self.selling {
                Some(selling) => selling.prove(&self.escrow, look, entry, at).await,
                None => Ok(Vec::new()),
            },
            _ => Ok(Vec::new()),
        }
    }

    /// Forgets jobs of which nothing more can come, as a confirmed block says.
    async fn drop_final(&mut self, confirmed: BlockRef) -> Result<(), RelayerError> {
        let looks = self.looks(confirmed).await?;
        let over = looks.iter().filter(|look| self.is_over(look, confirmed.timestamp));
        let over: Vec<&Look> = over.collect();
        if over.is_empty() {
            return Ok(());
        }
        for look in &over {
            for entry in look.entries.iter().filter(|entry| self.is_own(entry)) {
                for root in [look.terms.testSetRoot, look.terms.challengeRoot] {
                    let subject = selling::subject(look, entry.modelId, root);
                    self.seen.store().forget_duty_proofs(self.escrow.address(), subject).await?;
                }
            }
        }
        let over: Vec<U256> = over.iter().map(|look| look.id).collect();
        let forget = |found: &mut Found| {
            found.open.retain(|id, _| !over.contains(id));
            found.delivered.retain(|id, _| !over.contains(id));
        };
        self.seen.change(forget).await?;
        self.agreed.retain(|id, _| !over.contains(id));
        Ok(())
    }
}

fn is_live(entry: &Entry) -> bool {
    matches!(entry.state, EntryState::Entered | EntryState::Accepted)
}

fn note(found: &mut Found, log: &Log) -> Option<U256> {
    if let Ok(delivered) = IAuditEscrow::AuditDelivered::decode_log(&log.inner) {
        let block = log.block_number.zip(log.block_hash);
        if let Some(block) = block.filter(|_| found.open.contains_key(&delivered.jobId)) {
            found.delivered.insert(delivered.jobId, block);
        }
        return None;
    }
    let opened = IAuditEscrow::AuditOpened::decode_log(&log.inner).ok()?;
    let (terms, admitted) = (opened.terms.abi_encode().into(), opened.admitted.clone());
    found.open.insert(opened.jobId, Order { terms, admitted });
    Some(opened.jobId)
}

#[async_trait]
impl Watch for AuditWatch {
    fn tells(&self, duty: &Duty) -> bool {
        duty.contract() == self.escrow.address() && !matches!(duty, Duty::Withdraw { .. })
    }

    async fn discover(&mut self, confirmed: BlockRef) -> Result<(), RelayerError> {
        self.confirmed = Some(confirmed);
        let may = self.not_before.is_none_or(|time| time <= Instant::now());
        if std::mem::take(&mut self.lacks_delivery) && may {
            self.not_before = Some(Instant::now() + READ_AGAIN);
            self.seen.lacks(false);
        }
        self.seen.advance_counted(confirmed, self.escrow.contract(), &note).await
    }

    async fn due(&mut self, at: BlockRef) -> Result<Vec<Due>, RelayerError> {
        let looks = self.looks(at).await?;
        self.left_alone.clear();
        let mut dues = Vec::new();
        for look in &looks {
            for duty in self.ends(look, at.timestamp) {
                let request = self.end_call(duty, &look.terms);
                dues.extend(request.map(|request| Due::ready(duty, request)));
            }
        }
        if self.selling.is_some() {
            dues.extend(self.sold(&looks, at).await?);
        }
        if let Some(confirmed) = self.confirmed
            && looks.iter().any(|look| self.is_over(look, at.timestamp))
        {
            self.drop_final(confirmed).await?;
        }
        Ok(dues)
    }

    fn left_alone(&self) -> Vec<LeftAlone> {
        self.left_alone.clone()
    }

    fn has_news(&mut self) -> bool {
        self.selling.as_mut().is_some_and(AuditSelling::has_news)
    }
}
