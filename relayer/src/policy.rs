//! Which jobs are worth their work.

use std::time::Duration;

use alloy::primitives::{Address, B256, U256};
use assay_client::chain::BlockRef;

use crate::{
    config::{Policy, Profit},
    duty::Pays,
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

/// What a job in the native currency would have to pay now, and when its proof would be made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Quote {
    /// Least price that is taken at the present fee, in wei.
    pub least_price: U256,
    /// Gas that a claim uses, by the newest one.
    pub claim_gas: u64,
    /// Wei per unit of gas.
    pub gas_price: u128,
    /// Until its proof would be made, after all that wait now.
    pub expected_time: Duration,
}

impl Default for Costs {
    fn default() -> Self {
        Self { claim_gas: CLAIM_GAS, gas_price: None }
    }
}

impl Costs {
    /// What one more job would have to pay, after so many that wait, of which some are proven at once.
    pub(crate) fn quote(
        &self,
        policy: &Policy,
        proof_time: Duration,
        (waiting, at_once): (usize, usize),
    ) -> Option<Quote> {
        let gas_price = self.gas_price?;
        let profit = policy.profit?;
        let claim = U256::from(self.claim_gas).saturating_mul(U256::from(gas_price));
        let costs = claim.saturating_add(profit.proving_cost).saturating_add(profit.minimum);
        let least = policy.minimum_prices.get(&Address::ZERO).copied()?;
        let rounds = (waiting + 1).div_ceil(at_once.max(1));
        let rounds = u32::try_from(rounds).unwrap_or(u32::MAX);
        Some(Quote {
            least_price: costs.max(least),
            claim_gas: self.claim_gas,
            gas_price,
            expected_time: proof_time.saturating_mul(rounds),
        })
    }

    /// Why something had better not be proven now, if so: gas may become cheaper before its deadline. `gas` is what a
    /// call with a proof was seen to use; that of a claim stands for it where it is not known.
    pub(crate) fn objection(
        &self,
        profit: Option<Profit>,
        pays: Pays,
        gas: Option<u64>,
    ) -> Option<String> {
        let (profit, gas_price) = (profit?, self.gas_price?);
        if pays.token != Address::ZERO {
            return None;
        }
        let each = U256::from(gas.unwrap_or(self.claim_gas));
        let calls = each.saturating_mul(U256::from(gas_price));
        let calls = calls.saturating_mul(U256::from(pays.calls));
        let proofs = profit.proving_cost.saturating_mul(U256::from(pays.proofs));
        let costs = calls.saturating_add(proofs);
        (pays.amount < costs.saturating_add(profit.minimum)).then(|| {
            let what = match (pays.calls, pays.proofs) {
                (1, 1) => format!(
                    "a claim costs {calls} wei at the present {gas_price} wei per gas, its proof {proofs} wei"
                ),
                (more, made) => format!(
                    "{more} calls cost {calls} wei at the present {gas_price} wei per gas, {made} proofs {proofs} wei"
                ),
            };
            format!(
                "it pays {} wei; {what}, and {} wei are to be left: waiting for cheaper gas",
                pays.amount, profit.minimum
            )
        })
    }
}

/// Why a job is not for this relayer, whatever time is left; `served` is the entry of the registry that is served, if only one.
pub(crate) fn objection(
    policy: &Policy,
    served: Option<B256>,
    prover: &dyn Prover,
    terms: &PredictionTerms,
) -> Option<SkipReason> {
    if !prover.serves(&terms.model) {
        return Some(SkipReason::UnknownModel { model: terms.model });
    }
    if served.is_some_and(|served| served != terms.binding_hash) {
        return Some(SkipReason::OtherBinding { binding: terms.binding_hash });
    }
    policy.objection(terms, policy.margin(prover.expected_time()))
}

/// Whether less than `margin` seconds were left before a deadline at the time of a block.
pub(crate) fn is_too_late(deadline: u64, margin: u64, at: BlockRef) -> bool {
    at.timestamp.saturating_add(margin) > deadline
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quote_pays_for_everything_and_waits_for_all() {
        let profit = Profit { minimum: U256::from(10), proving_cost: U256::from(100) };
        let mut policy = Policy {
            minimum_prices: [(Address::ZERO, U256::from(5))].into(),
            profit: Some(profit),
            ..Policy::default()
        };
        let mut costs = Costs { claim_gas: 100_000, gas_price: None };
        let time = Duration::from_secs(3);
        assert_eq!(costs.quote(&policy, time, (0, 2)), None);
        costs.gas_price = Some(10);
        let quote = costs.quote(&policy, time, (4, 2)).unwrap();
        assert_eq!(quote.least_price, U256::from(1_000_110));
        assert_eq!(quote.expected_time, Duration::from_secs(9));
        policy.minimum_prices = [(Address::ZERO, U256::from(2_000_000))].into();
        assert_eq!(costs.quote(&policy, time, (0, 2)).unwrap().least_price, U256::from(2_000_000));
    }

    #[test]
    fn a_job_has_to_pay_for_its_claim_and_its_proof() {
        let costs = Costs { claim_gas: 100_000, gas_price: Some(10) };
        let profit = Profit { minimum: U256::from(10), proving_cost: U256::from(100) };
        let objection = |profit, price: u64| {
            costs.objection(profit, Pays::once(Address::ZERO, U256::from(price)), None)
        };
        assert!(
            objection(Some(profit), 1_000_109).is_some_and(|text| text.contains("1000000 wei"))
        );
        assert_eq!(objection(Some(profit), 1_000_110), None);
        assert_eq!(objection(None, 1_000_109), None);
        // Nobody knows what a token is worth.
        let other = Pays::once(Address::with_last_byte(1), U256::ZERO);
        assert_eq!(costs.objection(Some(profit), other, None), None);
        // What is still to be done is paid for, by the gas that such calls were seen to use.
        let pays = |amount: u64| Pays {
            token: Address::ZERO,
            amount: U256::from(amount),
            proofs: 2,
            calls: 3,
        };
        assert_eq!(costs.objection(Some(profit), pays(3 * 500 + 200 + 10), Some(50)), None);
        let text = costs.objection(Some(profit), pays(3 * 500 + 200 + 9), Some(50));
        assert!(text.is_some_and(|text| text.contains("3 calls cost 1500 wei")));
    }
}
