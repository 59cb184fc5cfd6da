//! Which jobs are worth their work.

use std::time::Duration;

use alloy::primitives::{Address, U256};
use assay_client::chain::BlockRef;

use crate::{
    config::{Profit, RelayerConfig},
    job::{PredictionTerms, SkipReason},
    proving::Prover,
};

/// What a claim costs, mostly; measured by each one that is confirmed.
const CLAIM_GAS: u64 = 700_000;

/// What claims cost at present.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Costs {
    /// What the newest confirmed claim used.
    pub(crate) claim_gas: u64,
    /// Wei per unit of gas; `None` before a node has said it.
    pub(crate) gas_price: Option<u128>,
}

impl Default for Costs {
    fn default() -> Self {
        Self { claim_gas: CLAIM_GAS, gas_price: None }
    }
}

impl Costs {
    /// Why a job had better not be proven now, if so: gas may become cheaper before its deadline.
    pub(crate) fn objection(
        &self,
        profit: Option<Profit>,
        token: Address,
        price: U256,
    ) -> Option<String> {
        let (profit, gas_price) = (profit?, self.gas_price?);
        if token != Address::ZERO {
            return None;
        }
        let claim = U256::from(self.claim_gas).saturating_mul(U256::from(gas_price));
        let costs = claim.saturating_add(profit.proving_cost);
        (price < costs.saturating_add(profit.minimum)).then(|| {
            format!(
                "it pays {} wei; a claim costs {claim} wei at the present {gas_price} wei per gas, its proof {} wei, \
                 and {} wei are to be left: waiting for cheaper gas",
                price, profit.proving_cost, profit.minimum
            )
        })
    }
}

/// Why a job is not for this relayer, whatever time is left; `margin` is the time that is reckoned with for a proof.
pub(crate) fn objection(
    config: &RelayerConfig,
    prover: &dyn Prover,
    terms: &PredictionTerms,
    margin: Duration,
) -> Option<SkipReason> {
    if !prover.serves(&terms.model) {
        return Some(SkipReason::UnknownModel { model: terms.model });
    }
    if config.binding.is_some_and(|served| served != terms.binding_hash) {
        return Some(SkipReason::OtherBinding { binding: terms.binding_hash });
    }
    config.objection(terms, margin)
}

/// Whether less than `margin` seconds were left before a deadline at the time of a block.
pub(crate) fn is_too_late(deadline: u64, margin: u64, at: BlockRef) -> bool {
    at.timestamp.saturating_add(margin) > deadline
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_job_has_to_pay_for_its_claim_and_its_proof() {
        let costs = Costs { claim_gas: 100_000, gas_price: Some(10) };
        let profit = Profit { minimum: U256::from(10), proving_cost: U256::from(100) };
        let objection =
            |profit, price: u64| costs.objection(profit, Address::ZERO, U256::from(price));
        assert!(
            objection(Some(profit), 1_000_109).is_some_and(|text| text.contains("1000000 wei"))
        );
        assert_eq!(objection(Some(profit), 1_000_110), None);
        assert_eq!(objection(None, 1_000_109), None);
        // Nobody knows what a token is worth.
        assert_eq!(costs.objection(Some(profit), Address::with_last_byte(1), U256::ZERO), None);
    }
}
