//! Retrievals in which the account is requester or holder: their runs are proven, their openings published, and they are
//! ended where that pays the account.

mod selling;

use std::collections::BTreeMap;

use alloy::{
    primitives::{Address, Bytes, U256, keccak256},
    rpc::types::Log,
    sol_types::{SolEvent, SolValue},
};
use assay_client::{
    ContractClient, RetrievalEscrow,
    bindings::IRetrievalEscrow,
    chain::{BlockRef, LogScanner},
    escrow::retrieval::{Job, State, Terms},
};
use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use super::{
    Watch,
    discovery::{Discovery, Source, of_each},
};
use crate::{
    duty::{Due, Duty},
    error::RelayerError,
    refusal::LeftAlone,
};

pub(crate) use selling::Selling;

/// Watches one retrieval escrow for one account.
pub(crate) struct RetrievalWatch {
    escrow: RetrievalEscrow,
    account: Address,
    seen: Discovery<Found>,
    /// Whether to end what pays the account as requester, and as holder without proving anything.
    keep: bool,
    selling: Option<Selling>,
    confirmed: Option<BlockRef>,
    left_alone: Vec<LeftAlone>,
}

#[derive(Clone, Default, PartialEq, Serialize, Deserialize)]
struct Found {
    /// Open ones of the account.
    open: BTreeMap<U256, Order>,
}

#[derive(Clone, PartialEq, Serialize, Deserialize)]
struct Order {
    /// The terms, as the contract's ABI encodes them.
    terms: Bytes,
    /// What the requester attached.
    hint: Bytes,
}

/// A job in the state of a block.
pub(super) struct Look {
    id: U256,
    terms: Terms,
    hint: Bytes,
    job: Job,
}

impl RetrievalWatch {
    /// `keep` ends what pays the account; `selling` proves what it is asked for as holder.
    pub(crate) async fn new(
        escrow: RetrievalEscrow,
        account: Address,
        source: &Source,
        keep: bool,
        selling: Option<Selling>,
    ) -> Result<Self, RelayerError> {
        let topics = vec![IRetrievalEscrow::RetrievalOpened::SIGNATURE_HASH];
        let scanner = LogScanner::new(escrow.address(), topics, source.max_log_range);
        let name = format!("retrievals and hints of {account} at {}", escrow.address());
        let seen = Discovery::open(name, escrow.chain().clone(), scanner, source).await?;
        let left_alone = Vec::new();
        Ok(Self { escrow, account, seen, keep, selling, confirmed: None, left_alone })
    }

    /// The jobs in the state of a block, where their terms are those that were read.
    async fn looks(&self, at: BlockRef) -> Result<Vec<Look>, RelayerError> {
        let escrow = self.escrow.in_block(at);
        let found = of_each(self.seen.found().open.clone(), |(id, order)| {
            let escrow = escrow.clone();
            async move { Ok((id, order, escrow.job(id).await?)) }
        });
        let of_terms = |(id, order, job): (U256, Order, Option<Job>)| {
            let job = job.filter(|job| job.termsHash == keccak256(&order.terms))?;
            Some(Look { id, terms: Terms::abi_decode(&order.terms).ok()?, hint: order.hint, job })
        };
        Ok(found.await?.into_iter().filter_map(of_terms).collect())
    }

    /// Whether nothing more can come of a job for the account.
    fn is_over(&self, look: &Look, now: u64) -> bool {
        let Look { terms, job, .. } = look;
        let lost = payee(terms, job, now) == Some(terms.requester);
        job.state != State::Open || lost && terms.requester != self.account
    }

    /// What a job leaves to do as holder, where that is not its end.
    async fn sold(&mut self, look: &Look, at: BlockRef) -> Result<Vec<Due>, RelayerError> {
        let (Some(selling), Some(confirmed)) = (&mut self.selling, self.confirmed) else {
            return Ok(Vec::new());
        };
        if !look.job.missing.is_zero() {
            return match selling.prove(&self.escrow, look, at).await? {
                Ok(dues) => Ok(dues),
                Err(reason) => {
                    let (contract, what) =
                        (self.escrow.address(), format!("retrieval {}", look.id));
                    self.left_alone.push(LeftAlone { contract, what, reason });
                    Ok(Vec::new())
                }
            };
        }
        // Openings that were shown cannot be taken back: the selection has to be final.
        let final_job = self.escrow.in_block(confirmed).job(look.id).await?;
        let is_final = final_job.is_some_and(|job| job.missing.is_zero());
        if !is_final || at.timestamp > look.terms.openBy {
            return Ok(Vec::new());
        }
        Ok(vec![selling.publish(&self.escrow, look, confirmed).await?])
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
            let subject = selling::subject(look);
            self.seen.store().forget_duty_proofs(self.escrow.address(), subject).await?;
        }
        let over: Vec<U256> = over.iter().map(|look| look.id).collect();
        self.seen.change(|found| found.open.retain(|id, _| !over.contains(id))).await
    }
}

#[async_trait]
impl Watch for RetrievalWatch {
    fn tells(&self, duty: &Duty) -> bool {
        duty.contract() == self.escrow.address() && !matches!(duty, Duty::Withdraw { .. })
    }

    async fn discover(&mut self, confirmed: BlockRef) -> Result<(), RelayerError> {
        self.confirmed = Some(confirmed);
        let account = self.account;
        let note = |found: &mut Found, log: &Log| {
            let opened = IRetrievalEscrow::RetrievalOpened::decode_log(&log.inner).ok()?;
            if [opened.terms.requester, opened.terms.holder].contains(&account) {
                let (terms, hint) = (opened.terms.abi_encode().into(), opened.hint.clone());
                found.open.insert(opened.jobId, Order { terms, hint });
            }
            Some(opened.jobId)
        };
        self.seen.advance_counted(confirmed, self.escrow.contract(), &note).await
    }

    async fn due(&mut self, at: BlockRef) -> Result<Vec<Due>, RelayerError> {
        let looks = self.looks(at).await?;
        let contract = self.escrow.address();
        self.left_alone.clear();
        let mut dues = Vec::new();
        for look in &looks {
            let Look { id, terms, job, .. } = look;
            if job.state != State::Open {
                continue;
            }
            let holds = terms.holder == self.account && self.selling.is_some();
            match payee(terms, job, at.timestamp) {
                Some(paid)
                    if paid == self.account && (self.keep || holds && paid == terms.holder) =>
                {
                    let call = IRetrievalEscrow::settleCall { jobId: *id, terms: terms.clone() };
                    let duty = Duty::SettleRetrieval { contract, job: *id };
                    dues.push(Due::ready(duty, self.escrow.contract().request(&call)));
                }
                None if holds => dues.extend(self.sold(look, at).await?),
                _ => {}
            }
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
        self.selling.as_mut().is_some_and(Selling::has_news)
    }
}

/// Whom a job pays that is ended at this time; `None` while it cannot be ended.
fn payee(terms: &Terms, job: &Job, now: u64) -> Option<Address> {
    if job.missing.is_zero() && !job.anySelected {
        return Some(terms.holder);
    }
    let last = if job.missing.is_zero() { terms.openBy } else { terms.proveBy };
    (now > last).then_some(terms.requester)
}

#[cfg(test)]
mod tests {
    use alloy::primitives::B256;

    use super::*;

    #[test]
    fn a_retrieval_pays_the_holder_of_nothing_and_else_the_requester() {
        let (requester, holder) = (Address::with_last_byte(1), Address::with_last_byte(2));
        let terms = Terms {
            requester,
            holder,
            token: Address::ZERO,
            price: Default::default(),
            modelId: U256::ONE,
            collectionRoot: U256::ONE,
            items: 4,
            batch: 4,
            proveBy: 100,
            openBy: 200,
        };
        let job = |missing: u64, selected: bool| Job {
            state: State::Open,
            items: U256::from(4),
            batch: U256::from(4),
            missing: U256::from(missing),
            anySelected: selected,
            termsHash: B256::ZERO,
        };
        assert_eq!(payee(&terms, &job(0, false), 1), Some(holder));
        assert_eq!(payee(&terms, &job(1, false), 100), None);
        assert_eq!(payee(&terms, &job(1, true), 101), Some(requester));
        assert_eq!(payee(&terms, &job(0, true), 200), None);
        assert_eq!(payee(&terms, &job(0, true), 201), Some(requester));
    }
}
