//! Retrievals in which the account is requester or holder: they are ended where that pays it.

use std::collections::BTreeMap;

use alloy::{
    primitives::{Address, Bytes, U256, keccak256},
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
    duty::{Call, Due, Duty},
    error::RelayerError,
};

/// Watches one retrieval escrow for one account.
pub(crate) struct RetrievalWatch {
    escrow: RetrievalEscrow,
    account: Address,
    seen: Discovery<Found>,
    confirmed: Option<BlockRef>,
}

#[derive(Clone, Default, PartialEq, Serialize, Deserialize)]
struct Found {
    /// The terms of open ones of the account, as the contract's ABI encodes them.
    open: BTreeMap<U256, Bytes>,
}

impl RetrievalWatch {
    pub(crate) fn new(
        escrow: RetrievalEscrow,
        account: Address,
        source: &Source,
    ) -> Result<Self, RelayerError> {
        let topics = vec![IRetrievalEscrow::RetrievalOpened::SIGNATURE_HASH];
        let scanner = LogScanner::new(escrow.address(), topics, source.max_log_range);
        let name = format!("retrievals of {account} at {}", escrow.address());
        let seen = Discovery::open(name, escrow.chain().clone(), scanner, source)?;
        Ok(Self { escrow, account, seen, confirmed: None })
    }

    /// The jobs in the state of a block, where their terms are those that were read.
    async fn jobs(&self, at: BlockRef) -> Result<Vec<(U256, Terms, Job)>, RelayerError> {
        let escrow = self.escrow.in_block(at);
        let found = of_each(self.seen.found().open.clone(), |(id, terms)| {
            let escrow = escrow.clone();
            async move { Ok((id, terms, escrow.job(id).await?)) }
        });
        let of_terms = |(id, terms, job): (U256, Bytes, Option<Job>)| {
            let job = job.filter(|job| job.termsHash == keccak256(&terms))?;
            Some((id, Terms::abi_decode(&terms).ok()?, job))
        };
        Ok(found.await?.into_iter().filter_map(of_terms).collect())
    }
}

#[async_trait]
impl Watch for RetrievalWatch {
    fn tells(&self, duty: &Duty) -> bool {
        matches!(duty, Duty::SettleRetrieval { contract, .. } if *contract == self.escrow.address())
    }

    async fn discover(&mut self, confirmed: BlockRef) -> Result<(), RelayerError> {
        self.confirmed = Some(confirmed);
        let account = self.account;
        let note = |found: &mut Found, log: &alloy::rpc::types::Log| {
            let opened = IRetrievalEscrow::RetrievalOpened::decode_log(&log.inner).ok()?;
            if [opened.terms.requester, opened.terms.holder].contains(&account) {
                found.open.insert(opened.jobId, opened.terms.abi_encode().into());
            }
            Some(opened.jobId)
        };
        self.seen.advance_counted(confirmed, self.escrow.contract(), &note).await
    }

    async fn due(&mut self, at: BlockRef) -> Result<Vec<Due>, RelayerError> {
        let jobs = self.jobs(at).await?;
        let contract = self.escrow.address();
        let mut dues = Vec::new();
        for (id, terms, job) in &jobs {
            if job.state == State::Open && payee(terms, job, at.timestamp) == Some(self.account) {
                let call = IRetrievalEscrow::settleCall { jobId: *id, terms: terms.clone() };
                let call = Call::ready(self.escrow.contract().request(&call));
                let duty = Duty::SettleRetrieval { contract, job: *id };
                dues.push(Due { duty, deadline: None, pays: None, call });
            }
        }
        if let Some(confirmed) = self.confirmed
            && jobs.iter().any(|(_, _, job)| job.state != State::Open)
        {
            let jobs = self.jobs(confirmed).await?;
            let ended = jobs.iter().filter(|(_, _, job)| job.state != State::Open);
            let over: Vec<U256> = ended.map(|(id, _, _)| *id).collect();
            if !over.is_empty() {
                self.seen.change(|found| found.open.retain(|id, _| !over.contains(id)))?;
            }
        }
        Ok(dues)
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
