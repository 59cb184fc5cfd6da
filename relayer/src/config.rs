//! Settings of the relayer.

use std::{
    collections::{BTreeSet, HashMap},
    path::PathBuf,
    time::Duration,
};

use alloy::primitives::{Address, B256, U256};
use assay_client::chain::GasPolicy;

use crate::{
    job::{PredictionTerms, SkipReason},
    sales::AuditPolicy,
    store::StorePlace,
    submitter::SubmitPolicy,
};

const LEAST_MARGIN: Duration = Duration::from_secs(30);

/// What a job in the native currency has to leave beyond its costs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Profit {
    /// In wei.
    pub minimum: U256,
    /// What one proof costs, in wei: the machine's time, and an opening of the weights.
    pub proving_cost: U256,
}

/// Which work is taken, and what may be spent on it: all that may change while a relayer runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    /// Tokens accepted and the least price in each; the zero address is the native currency. A
    /// claim costs gas whatever it pays, so there is no price that suits every chain.
    pub minimum_prices: HashMap<Address, U256>,
    /// Most gas that a buyer may have its contract called with: who claims pays for it, besides the claim's own.
    pub max_callback_gas: u64,
    /// What a job in the native currency has to leave; `None` looks at its price alone.
    pub profit: Option<Profit>,
    /// Jobs with less time than this before their deadline are not begun; `None` for one and a
    /// half times what a proof is expected to take, and half a minute at least.
    pub deadline_margin: Option<Duration>,
    /// Openings of the weights that jobs leave for contests.
    pub openings_for_bonds: usize,
    /// Bytes that the store's disk must have free before a proof is begun.
    pub least_disk: u64,
    /// What is risked and asked for in audits. By default none is entered that has a stake.
    pub audits: AuditPolicy,
    /// Limits on what transactions cost; `None` leaves those of the connection.
    pub gas: Option<GasPolicy>,
}

impl Default for Policy {
    /// No payment is accepted before there is a minimum price.
    fn default() -> Self {
        Self {
            minimum_prices: HashMap::new(),
            max_callback_gas: 0,
            profit: None,
            deadline_margin: None,
            openings_for_bonds: 0,
            least_disk: 64 << 20,
            audits: AuditPolicy::default(),
            gas: None,
        }
    }
}

/// Which contracts are watched for duties beside the prediction escrow, and which duties are done.
#[derive(Clone, Debug, Default)]
pub struct DutyConfig {
    /// The service bond, if any.
    pub services: Option<Address>,
    /// The audit escrow, if any.
    pub audits: Option<Address>,
    /// The retrieval escrow, if any.
    pub retrievals: Option<Address>,
    /// Folder of answers that were given: contested items of the account's own services are proven from it. `None`
    /// leaves contests alone.
    pub answers: Option<PathBuf>,
    /// Whether to settle, refund, release, punish and close what pays the account.
    pub keep: bool,
    /// Tokens that are withdrawn beside the native currency.
    pub tokens: BTreeSet<Address>,
}

impl DutyConfig {
    /// The contracts beside the prediction escrow.
    pub(crate) fn contracts(&self) -> Vec<Address> {
        [self.services, self.audits, self.retrievals].into_iter().flatten().collect()
    }
}

/// Settings of a relayer.
#[derive(Clone, Debug)]
pub struct RelayerConfig {
    /// Where the job store is.
    pub store: StorePlace,
    /// Who is paid; the signing account for `None`.
    pub recipient: Option<Address>,
    /// First block to read on a fresh store: that of the escrow's deployment, or earlier.
    pub start_block: u64,
    /// Most blocks asked for in one log query; narrowed by itself where a node wants less, down to one.
    pub max_log_range: u64,
    /// How often the chain is looked at.
    pub poll_interval: Duration,
    /// Proofs made at the same time in this process; 0 leaves all to workers.
    pub parallel_proofs: usize,
    /// Which work is taken. It holds until another is [offered](crate::LivePolicy::offer).
    pub policy: Policy,
    /// Settled jobs are forgotten this long after their deadline, by the chain's time; tasks of the queue this long after
    /// their job or duty has ended. Openings that were counted are never forgotten.
    pub keep_settled: Duration,
    /// Serve jobs of this binding only: the registry's entry that was checked, with its owner, verifying
    /// key and verifier. `None` serves every entry of the prover's model.
    pub binding: Option<B256>,
    /// What is done beside claiming jobs.
    pub duties: DutyConfig,
    /// Limits on claims and other transactions.
    pub submit: SubmitPolicy,
    /// Whether to withdraw what was earned after each payment. Only where the recipient is the
    /// signing account.
    pub withdraw: bool,
    /// How long running proofs are waited for when told to stop.
    pub shutdown_grace: Duration,
}

impl RelayerConfig {
    /// The defaults, with a store at `store`. No payment is accepted before there is a minimum
    /// price.
    pub fn new(store: impl Into<StorePlace>) -> Self {
        Self {
            store: store.into(),
            recipient: None,
            start_block: 0,
            max_log_range: 2_000,
            poll_interval: Duration::from_secs(2),
            parallel_proofs: 1,
            policy: Policy::default(),
            keep_settled: Duration::from_secs(30 * 24 * 3600),
            binding: None,
            duties: DutyConfig::default(),
            submit: SubmitPolicy::default(),
            withdraw: true,
            shutdown_grace: Duration::from_secs(30),
        }
    }
}

impl Policy {
    /// The margin before a deadline, with a prover whose proofs are expected to take that long on the machine of
    /// docs/benchmarks.md. Others are slower, or do other things beside.
    pub fn margin(&self, expected: Duration) -> Duration {
        self.deadline_margin.unwrap_or_else(|| LEAST_MARGIN.max(expected.saturating_mul(3)))
    }

    /// What speaks against a job's terms; `margin` is the time that is reckoned with for a proof.
    pub(crate) fn objection(
        &self,
        terms: &PredictionTerms,
        margin: Duration,
    ) -> Option<SkipReason> {
        let (notice, margin) = (terms.notice, margin.as_secs());
        let (gas, maximum) = (terms.callback_gas, self.max_callback_gas);
        match self.minimum_prices.get(&terms.token) {
            None => Some(SkipReason::TokenNotAccepted { token: terms.token }),
            Some(minimum) if terms.price < *minimum => {
                Some(SkipReason::PriceTooLow { price: terms.price, minimum: *minimum })
            }
            Some(_) if gas > maximum => Some(SkipReason::CallbackTooDear { gas, maximum }),
            Some(_) if notice != 0 && notice < margin => {
                Some(SkipReason::NoticeTooShort { notice, margin })
            }
            Some(_) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use alloy::primitives::Bytes;
    use assay_client::ModelIdentity;

    use super::*;

    /// Threat: an order that pays, and has its claim or its proof cost more than that.
    #[test]
    fn terms_that_cost_more_than_they_pay_are_left_alone() {
        let mut policy = Policy::default();
        policy.minimum_prices.insert(Address::ZERO, U256::from(10));
        let fair = PredictionTerms {
            job_id: U256::ONE,
            model_id: U256::ONE,
            model: ModelIdentity { vk_hash: B256::ZERO, model_hash: B256::ZERO },
            binding_hash: B256::ZERO,
            buyer: Address::ZERO,
            token: Address::ZERO,
            price: U256::from(10),
            deadline: 10_000,
            notice: 0,
            callback_gas: 0,
            input_commitment: U256::from(5),
            hint: Bytes::new(),
        };
        let objection = |policy: &Policy, terms| policy.objection(&terms, Duration::from_secs(700));
        assert_eq!(objection(&policy, fair.clone()), None);
        assert_eq!(objection(&policy, PredictionTerms { notice: 700, ..fair.clone() }), None);
        let (price, minimum) = (U256::from(9), U256::from(10));
        for (terms, reason) in [
            (
                PredictionTerms { token: Address::with_last_byte(1), ..fair.clone() },
                SkipReason::TokenNotAccepted { token: Address::with_last_byte(1) },
            ),
            (PredictionTerms { price, ..fair.clone() }, SkipReason::PriceTooLow { price, minimum }),
            (
                PredictionTerms { notice: 699, ..fair.clone() },
                SkipReason::NoticeTooShort { notice: 699, margin: 700 },
            ),
            (
                PredictionTerms { callback_gas: 1, ..fair.clone() },
                SkipReason::CallbackTooDear { gas: 1, maximum: 0 },
            ),
        ] {
            assert_eq!(objection(&policy, terms), Some(reason));
        }
        policy.max_callback_gas = 50_000;
        assert_eq!(objection(&policy, PredictionTerms { callback_gas: 50_000, ..fair }), None);
    }

    #[test]
    fn the_margin_follows_the_proving_time_unless_it_is_set() {
        let mut policy = Policy::default();
        let seconds = Duration::from_secs;
        assert_eq!(policy.margin(Duration::ZERO), seconds(30));
        assert_eq!(policy.margin(seconds(9)), seconds(30));
        assert_eq!(policy.margin(seconds(400)), seconds(1200));
        policy.deadline_margin = Some(seconds(5));
        assert_eq!(policy.margin(seconds(400)), seconds(5));
    }
}
