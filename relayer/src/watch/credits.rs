//! What contracts owe the account.

use std::collections::BTreeSet;

use alloy::primitives::Address;
use assay_client::{Chain, Contract, bindings::ICustody, chain::BlockRef};
use async_trait::async_trait;

use super::{Watch, discovery::of_each};
use crate::{
    duty::{Due, Duty},
    error::RelayerError,
    live_policy::LivePolicy,
};

/// Watches the credits of one account in some contracts.
pub(crate) struct CreditWatch {
    chain: Chain,
    account: Address,
    contracts: Vec<Address>,
    /// With the zero address for the native currency.
    tokens: BTreeSet<Address>,
    /// Whose tokens are withdrawn too.
    policy: Option<LivePolicy>,
}

impl CreditWatch {
    /// Of the native currency and these tokens.
    pub(crate) fn new(
        chain: Chain,
        account: Address,
        contracts: &[Address],
        tokens: &BTreeSet<Address>,
    ) -> Self {
        let tokens = tokens.iter().copied().chain([Address::ZERO]).collect();
        Self { chain, account, contracts: contracts.to_vec(), tokens, policy: None }
    }

    /// The same, and of the tokens in which jobs are accepted, which a policy may add to.
    pub(crate) fn with_accepted(self, policy: LivePolicy) -> Self {
        Self { policy: Some(policy), ..self }
    }

    /// Contracts and tokens. A token that was ever accepted stays one.
    fn pairs(&mut self) -> BTreeSet<(Address, Address)> {
        if let Some(policy) = &self.policy {
            self.tokens.extend(policy.read().minimum_prices.keys());
        }
        let of = |contract| self.tokens.iter().map(move |token| (contract, *token));
        self.contracts.iter().copied().flat_map(of).collect()
    }
}

#[async_trait]
impl Watch for CreditWatch {
    fn tells(&self, duty: &Duty) -> bool {
        matches!(duty, Duty::Withdraw { .. })
    }

    async fn discover(&mut self, _: BlockRef) -> Result<(), RelayerError> {
        Ok(())
    }

    async fn due(&mut self, at: BlockRef) -> Result<Vec<Due>, RelayerError> {
        let (chain, account) = (self.chain.clone(), self.account);
        let credits = of_each(self.pairs(), |(contract, token)| {
            let there = Contract::at(chain.clone(), contract).in_block(at);
            async move { Ok((contract, token, there.credit(token, account).await?)) }
        });
        let owed = credits.await?.into_iter().filter(|(_, _, credit)| !credit.is_zero());
        let due = owed.map(|(contract, token, _)| {
            let call = ICustody::withdrawCall { token };
            let call = Contract::at(chain.clone(), contract).request(&call);
            Due::ready(Duty::Withdraw { contract, token }, call)
        });
        Ok(due.collect())
    }
}
