//! Audits in which the account is buyer or seller: jobs and entries are ended where that pays it.

use std::collections::BTreeMap;

use alloy::{
    primitives::{Address, Bytes, U256, keccak256},
    rpc::types::Log,
    sol_types::{SolEvent, SolValue},
};
use assay_client::{
    AuditEscrow, ContractClient,
    bindings::IAuditEscrow,
    chain::{BlockRef, LogScanner},
    escrow::{
        audit::{Entry, EntryState, Job, State, Terms},
        audit_end::{decided_winner, outcome},
    },
};
use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use super::{
    Watch,
    discovery::{Discovery, Source, of_each},
};
use crate::{
    duty::{Call, Due, Duty},
    error::RelayerError,
};

/// Watches one audit escrow for one account.
pub(crate) struct AuditWatch {
    escrow: AuditEscrow,
    account: Address,
    seen: Discovery<Found>,
    confirmed: Option<BlockRef>,
}

#[derive(Clone, Default, PartialEq, Serialize, Deserialize)]
struct Found {
    /// The terms of jobs that may yet pay the account, as the contract's ABI encodes them.
    open: BTreeMap<U256, Bytes>,
}

/// A job in the state of a block.
struct Look {
    id: U256,
    terms: Terms,
    job: Job,
    entries: Vec<Entry>,
}

impl AuditWatch {
    pub(crate) fn new(
        escrow: AuditEscrow,
        account: Address,
        source: &Source,
    ) -> Result<Self, RelayerError> {
        let topics = vec![IAuditEscrow::AuditOpened::SIGNATURE_HASH];
        let scanner = LogScanner::new(escrow.address(), topics, source.max_log_range);
        let name = format!("audits of {account} at {}", escrow.address());
        let seen = Discovery::open(name, escrow.chain().clone(), scanner, source)?;
        Ok(Self { escrow, account, seen, confirmed: None })
    }

    /// The jobs in the state of a block, where their terms are those that were read.
    async fn looks(&self, at: BlockRef) -> Result<Vec<Look>, RelayerError> {
        let escrow = self.escrow.in_block(at);
        let found = of_each(self.seen.found().open.clone(), |(id, encoded)| {
            let escrow = escrow.clone();
            async move {
                let Some(job) = escrow.job(id).await? else {
                    return Ok(None);
                };
                let terms = Terms::abi_decode(&encoded).ok();
                let Some(terms) = terms.filter(|_| job.termsHash == keccak256(&encoded)) else {
                    return Ok(None);
                };
                let mut entries = Vec::new();
                let mut next = U256::ONE;
                while next <= job.entries {
                    entries.push(escrow.entry(id, next).await?);
                    next += U256::ONE;
                }
                Ok(Some(Look { id, terms, job, entries }))
            }
        });
        Ok(found.await?.into_iter().flatten().collect())
    }

    /// Whether nothing more can come of a job for the account.
    fn is_over(&self, look: &Look, now: u64) -> bool {
        let is_buyer = look.terms.buyer == self.account;
        let party = is_buyer || look.entries.iter().any(|entry| entry.seller == self.account);
        if !party {
            return now > look.terms.enterBy;
        }
        let ended = !matches!(look.job.state, State::Open | State::Delivered);
        let live = |entry: &Entry| {
            matches!(entry.state, EntryState::Entered | EntryState::Accepted)
                && (is_buyer || entry.seller == self.account)
        };
        ended && !look.entries.iter().any(live)
    }

    /// What a job leaves to do for the account.
    fn duties(&self, look: &Look, now: u64) -> Vec<Duty> {
        let Look { id: job, terms, job: state, entries } = look;
        let (contract, job) = (self.escrow.address(), *job);
        let is_buyer = terms.buyer == self.account;
        let mut duties = Vec::new();
        let settles = match state.state {
            State::Open => {
                let last = if entries.is_empty() { terms.enterBy } else { terms.deliverBy };
                is_buyer && now > last
            }
            State::Delivered => match decided_winner(state, entries, terms, now) {
                None => false,
                Some(0) => is_buyer,
                Some(winner) => {
                    let winner = entries.get(winner - 1);
                    winner.is_some_and(|entry| entry.seller == self.account)
                }
            },
            _ => false,
        };
        if settles {
            duties.push(Duty::SettleAudit { contract, job });
        }
        for (place, stored) in entries.iter().enumerate() {
            let pays = match outcome(state, entries, terms, place + 1, now) {
                Some(EntryState::Forfeited) => is_buyer,
                Some(_) => stored.seller == self.account,
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

    fn call(&self, duty: Duty, terms: &Terms) -> Option<Call> {
        let (contract, terms) = (self.escrow.contract(), terms.clone());
        Some(Call::ready(match duty {
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
        }))
    }
}

#[async_trait]
impl Watch for AuditWatch {
    fn tells(&self, duty: &Duty) -> bool {
        duty.contract() == self.escrow.address() && !matches!(duty, Duty::Withdraw { .. })
    }

    async fn discover(&mut self, confirmed: BlockRef) -> Result<(), RelayerError> {
        self.confirmed = Some(confirmed);
        let note = |found: &mut Found, log: &Log| {
            let opened = IAuditEscrow::AuditOpened::decode_log(&log.inner).ok()?;
            found.open.insert(opened.jobId, opened.terms.abi_encode().into());
            Some(opened.jobId)
        };
        self.seen.advance_counted(confirmed, self.escrow.contract(), &note).await
    }

    async fn due(&mut self, at: BlockRef) -> Result<Vec<Due>, RelayerError> {
        let looks = self.looks(at).await?;
        let mut dues = Vec::new();
        for look in &looks {
            for duty in self.duties(look, at.timestamp) {
                if let Some(call) = self.call(duty, &look.terms) {
                    dues.push(Due { duty, deadline: None, pays: None, call });
                }
            }
        }
        if let Some(confirmed) = self.confirmed
            && looks.iter().any(|look| self.is_over(look, at.timestamp))
        {
            let looks = self.looks(confirmed).await?;
            let over = looks.iter().filter(|look| self.is_over(look, confirmed.timestamp));
            let over: Vec<U256> = over.map(|look| look.id).collect();
            if !over.is_empty() {
                self.seen.change(|found| found.open.retain(|id, _| !over.contains(id)))?;
            }
        }
        Ok(dues)
    }
}
