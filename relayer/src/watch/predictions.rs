//! Predictions that the account has ordered: what nobody has proven in time is refunded.

use std::collections::BTreeSet;

use alloy::primitives::{Address, U256};
use assay_client::{
    ContractClient, PredictionEscrow,
    bindings::IPredictionEscrow,
    chain::BlockRef,
    escrow::prediction::{EventKind, OnChainState},
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
};

/// Watches one prediction escrow for one buyer.
pub(crate) struct PredictionWatch {
    escrow: PredictionEscrow,
    account: Address,
    seen: Discovery<Found>,
    confirmed: Option<BlockRef>,
}

#[derive(Clone, Default, PartialEq, Serialize, Deserialize)]
struct Found {
    /// Jobs of the account that may yet be refunded.
    open: BTreeSet<U256>,
}

impl PredictionWatch {
    pub(crate) async fn new(
        escrow: PredictionEscrow,
        account: Address,
        source: &Source,
    ) -> Result<Self, RelayerError> {
        let scanner = escrow.scanner(source.max_log_range);
        let name = format!("predictions of {account} at {}", escrow.address());
        let seen = Discovery::open(name, escrow.chain().clone(), scanner, source).await?;
        Ok(Self { escrow, account, seen, confirmed: None })
    }

    async fn states(
        &self,
        at: BlockRef,
    ) -> Result<Vec<(U256, Option<(OnChainState, u64)>)>, RelayerError> {
        let escrow = self.escrow.in_block(at);
        of_each(self.seen.found().open.clone(), |id| {
            let escrow = escrow.clone();
            async move { Ok((id, escrow.job(id).await?.map(|job| (job.state, job.deadline)))) }
        })
        .await
    }
}

#[async_trait]
impl Watch for PredictionWatch {
    fn tells(&self, duty: &Duty) -> bool {
        matches!(duty, Duty::RefundPrediction { contract, .. } if *contract == self.escrow.address())
    }

    async fn discover(&mut self, confirmed: BlockRef) -> Result<(), RelayerError> {
        self.confirmed = Some(confirmed);
        let (escrow, account) = (self.escrow.clone(), self.account);
        let note = |found: &mut Found, log: &alloy::rpc::types::Log| {
            let Ok(EventKind::Opened(opened)) = escrow.decode_event(log).map(|event| event.kind)
            else {
                return None;
            };
            if opened.buyer == account {
                found.open.insert(opened.jobId);
            }
            Some(opened.jobId)
        };
        self.seen.advance_counted(confirmed, self.escrow.contract(), &note).await
    }

    async fn due(&mut self, at: BlockRef) -> Result<Vec<Due>, RelayerError> {
        let states = self.states(at).await?;
        let contract = self.escrow.address();
        let mut dues = Vec::new();
        for (job, state) in &states {
            if let Some((OnChainState::Open, deadline)) = state
                && at.timestamp > *deadline
            {
                let call = IPredictionEscrow::refundCall { jobId: *job };
                let duty = Duty::RefundPrediction { contract, job: *job };
                dues.push(Due::ready(duty, self.escrow.contract().request(&call)));
            }
        }
        let ended = |state: &Option<(OnChainState, u64)>| {
            state.as_ref().is_some_and(|(state, _)| *state != OnChainState::Open)
        };
        if let Some(confirmed) = self.confirmed
            && states.iter().any(|(_, state)| ended(state))
        {
            let states = self.states(confirmed).await?;
            let over: Vec<U256> =
                states.iter().filter(|(_, state)| ended(state)).map(|(id, _)| *id).collect();
            if !over.is_empty() {
                self.seen.change(|found| found.open.retain(|id| !over.contains(id))).await?;
            }
        }
        Ok(dues)
    }
}
