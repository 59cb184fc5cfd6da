//! How many items an accuracy audit needs, how many spot checks find tampering, and what they cost.
//!
//! *Accuracy.* A model's measured accuracy on `n` fresh items is, with confidence `1 - d`, at most
//! `eps` above its true one when `n >= ln(m / d) / (2 eps^2)`: Hoeffding's inequality, one-sided,
//! with a union bound over `m` models that are tried on the same items.
//!
//! *Tampering.* Of a batch of `N` predictions at least a share `t` is wrong. `n` different ones,
//! chosen at random, are all right with probability `C(N - K, n) / C(N, n)`, `K = ceil(t N)`; for
//! large `N` that is `(1 - t)^n`.
//!
//! Both are the smallest integer that satisfies the bound; see [`PUBLISHED_ITEMS`] and
//! [`PUBLISHED_CHECKS`] for what that gives at the paper's figures.

/// Items that Kang et al. ("Scaling up Trustless DNN Inference with Zero-Knowledge Proofs", 2022)
/// give for an accuracy within `eps`, confidence 95 %, one model.
///
/// The bound is 599.15, 2,396.59 and 14,978.66. 600 and 14,979 are rounded up, 2,396 is cut off. No
/// rule of rounding gives both of the first two, as the second bound is four times the first: 2,396
/// is less than four times any number that rounds to 600 otherwise than up. [`accuracy_items`] rounds
/// up, to 2,397.
pub const PUBLISHED_ITEMS: [(f64, u64); 3] = [(0.05, 600), (0.025, 2_396), (0.01, 14_979)];

/// Spot checks that the same paper gives against tampering with a share of the predictions.
///
/// [`spot_checks`] gives exactly these at [`PUBLISHED_CHECKS_CONFIDENCE`] for batches of about 33,000
/// to 64,000 predictions, so for [`PUBLISHED_POPULATION`]. With repetition, or from an endless stream,
/// the last one is 367.04 rounded up, 368.
pub const PUBLISHED_CHECKS: [(f64, u64); 3] = [(0.05, 72), (0.02, 183), (0.01, 366)];
/// Confidence of [`PUBLISHED_CHECKS`]; that of [`PUBLISHED_ITEMS`] is 0.95.
pub const PUBLISHED_CHECKS_CONFIDENCE: f64 = 0.975;
/// Size of a batch for which [`PUBLISHED_CHECKS`] come out: that of ImageNet's validation set.
pub const PUBLISHED_POPULATION: u64 = 50_000;

/// Largest batch for which draws without repetition are computed.
pub const MAX_POPULATION: u64 = 1 << 24;
/// Counts above that are refused: the bound is not meant for it, and `f64` loses integers at 2^53.
const MAX_ITEMS: f64 = 1e15;

/// Why there is no plan.
#[derive(Clone, Copy, Debug, PartialEq, thiserror::Error)]
pub enum PlanError {
    /// A share or a confidence is not between 0 and 1, without the ends.
    #[error("{what} is {value}; it is between 0 and 1, without the ends")]
    Share {
        /// Which one, for the message.
        what: &'static str,
        /// Its value.
        value: f64,
    },
    /// A count is zero.
    #[error("the number of {what} is zero")]
    Zero {
        /// What is counted, for the message.
        what: &'static str,
    },
    /// The batch has more predictions than [`MAX_POPULATION`].
    #[error(
        "a batch of {0} predictions; up to {MAX_POPULATION} are supported, above that leave it out"
    )]
    Population(u64),
    /// The bound, held here, is above 10^15 items.
    #[error("{0} items are more than can be planned")]
    Items(f64),
    /// A time, an amount of gas or a price is negative or not finite.
    #[error("{what} is {value}; a finite number from 0 is expected")]
    Rate {
        /// Which one, for the message.
        what: &'static str,
        /// Its value.
        value: f64,
    },
}

/// A number of items that satisfies a bound.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SampleSize {
    /// The bound before it is rounded.
    pub exact: f64,
    /// The bound rounded up.
    pub items: u64,
}

/// Items that show the accuracy of each of `models` models within `eps`.
///
/// # Errors
/// [`PlanError`] for shares outside 0 to 1 and zero models.
pub fn accuracy_items(eps: f64, confidence: f64, models: u64) -> Result<SampleSize, PlanError> {
    let eps = share("the error", eps)?;
    let exact = log_inverse_error(confidence, models)? / (2.0 * eps * eps);
    if exact > MAX_ITEMS {
        return Err(PlanError::Items(exact));
    }
    Ok(SampleSize { exact, items: exact.ceil() as u64 })
}

/// The error within which `items` items show the accuracy of each of `models` models; the inverse
/// of [`accuracy_items`].
///
/// # Errors
/// [`PlanError`].
pub fn accuracy_error(items: u64, confidence: f64, models: u64) -> Result<f64, PlanError> {
    if items == 0 {
        return Err(PlanError::Zero { what: "items" });
    }
    Ok((log_inverse_error(confidence, models)? / (2.0 * items as f64)).sqrt())
}

/// Random checks of which at least one meets a wrong prediction with this confidence, when at least
/// a share `cheat` of the predictions is wrong. `population` is the size of the batch from which
/// they are drawn without repetition; without it each check is drawn from all.
///
/// # Errors
/// [`PlanError`] for shares outside 0 to 1 and batches of no or too many predictions.
pub fn spot_checks(cheat: f64, confidence: f64, population: Option<u64>) -> Result<u64, PlanError> {
    let cheat = share("the share of tampered predictions", cheat)?;
    let missed = 1.0 - share("the confidence", confidence)?;
    let Some(population) = population else {
        let exact = missed.ln() / (-cheat).ln_1p();
        return if exact > MAX_ITEMS {
            Err(PlanError::Items(exact))
        } else {
            Ok(exact.ceil().max(1.0) as u64)
        };
    };
    if population == 0 {
        return Err(PlanError::Zero { what: "predictions in a batch" });
    }
    if population > MAX_POPULATION {
        return Err(PlanError::Population(population));
    }
    let total = population as f64;
    // A product such as 0.01 * 700 lies a little above the integer.
    let good = total - (cheat * total * (1.0 - 1e-12)).ceil();
    let mut all_good = 1.0;
    let mut checks = 0;
    while all_good > missed {
        all_good *= (good - checks as f64) / (total - checks as f64);
        checks += 1;
    }
    Ok(checks)
}

/// What a proof takes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ProofRate {
    /// Items that a proof speaks of.
    pub batch: u64,
    /// Wall-clock seconds on one machine.
    pub seconds: Option<f64>,
    /// Gas of its verification on chain.
    pub gas: Option<f64>,
}

/// What gas costs.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct GasPrice {
    /// Price of one unit of gas, in gwei: 10^-9 ether.
    pub gwei: f64,
    /// Price of 1 ether, in any currency.
    pub ether: f64,
}

/// What a number of items costs; what is not known is left out.
#[derive(Clone, Copy, Debug, PartialEq, serde::Serialize)]
pub struct Cost {
    /// Proofs needed; the last one may speak of fewer items than the others.
    pub proofs: u64,
    /// Wall-clock seconds with all machines side by side.
    pub seconds: Option<f64>,
    /// Gas of verifying all proofs on chain.
    pub gas: Option<f64>,
    /// Price of that gas, in ether.
    pub ether: Option<f64>,
    /// In the currency of [`GasPrice::ether`].
    pub money: Option<f64>,
}

/// Cost of proving `items` items, run by run, on `machines` machines side by side.
///
/// # Errors
/// [`PlanError`] for an empty batch, no machine, and rates that are negative or not finite.
pub fn cost(
    items: u64,
    rate: &ProofRate,
    machines: u64,
    price: &GasPrice,
) -> Result<Cost, PlanError> {
    for (what, count) in [("items in a proof", rate.batch), ("machines", machines)] {
        if count == 0 {
            return Err(PlanError::Zero { what });
        }
    }
    let rates = [
        ("the time of a proof", rate.seconds),
        ("the gas of a proof", rate.gas),
        ("the gas price", Some(price.gwei)),
        ("the price of ether", Some(price.ether)),
    ];
    for (what, value) in rates {
        if let Some(value) = value.filter(|value| !value.is_finite() || *value < 0.0) {
            return Err(PlanError::Rate { what, value });
        }
    }
    let proofs = items.div_ceil(rate.batch);
    let gas = rate.gas.map(|gas| gas * proofs as f64);
    let ether = gas.map(|gas| gas * price.gwei * 1e-9);
    Ok(Cost {
        proofs,
        seconds: rate.seconds.map(|seconds| seconds * proofs.div_ceil(machines) as f64),
        gas,
        ether,
        money: ether.map(|ether| ether * price.ether),
    })
}

/// `ln(models / d)` for a confidence of `1 - d`.
fn log_inverse_error(confidence: f64, models: u64) -> Result<f64, PlanError> {
    if models == 0 {
        return Err(PlanError::Zero { what: "models" });
    }
    Ok((models as f64).ln() - (1.0 - share("the confidence", confidence)?).ln())
}

fn share(what: &'static str, value: f64) -> Result<f64, PlanError> {
    if value > 0.0 && value < 1.0 { Ok(value) } else { Err(PlanError::Share { what, value }) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_papers_audits_come_out() {
        let sizes = PUBLISHED_ITEMS.map(|(eps, _)| accuracy_items(eps, 0.95, 1).expect("a size"));
        assert_eq!(sizes.map(|size| size.items), [600, 2_397, 14_979]);
        for (size, (_, published)) in sizes.iter().zip(PUBLISHED_ITEMS) {
            // Each is one of the two integers around the bound.
            assert!((size.exact - published as f64).abs() < 1.0, "{size:?} {published}");
        }
        assert_eq!(sizes[1].exact.floor() as u64, PUBLISHED_ITEMS[1].1);
    }

    #[test]
    fn the_papers_spot_checks_come_out() {
        for (cheat, published) in PUBLISHED_CHECKS {
            let checks =
                spot_checks(cheat, PUBLISHED_CHECKS_CONFIDENCE, Some(PUBLISHED_POPULATION));
            assert_eq!(checks, Ok(published));
        }
        let endless = PUBLISHED_CHECKS.map(|(cheat, _)| spot_checks(cheat, 0.975, None));
        assert_eq!(endless, [Ok(72), Ok(183), Ok(368)]);
        assert_eq!(spot_checks(0.05, 0.95, None), Ok(59));
    }

    #[test]
    fn more_models_need_more_items() {
        assert_eq!(accuracy_items(0.05, 0.95, 100).expect("a size").items, 1_521);
        let error = accuracy_error(1_521, 0.95, 100).expect("an error");
        assert!(error <= 0.05 && accuracy_error(1_520, 0.95, 100).expect("an error") > 0.05);
    }

    /// By trying all ways to choose: the share of choices that miss all wrong predictions.
    #[test]
    fn spot_checks_are_the_least_that_suffice() {
        let choose = |n: u64, k: u64| (0..k).fold(1.0, |c, i| c * (n - i) as f64 / (i + 1) as f64);
        for (population, wrong) in [(20, 1), (20, 3), (50, 5), (7, 7)] {
            let cheat = wrong as f64 / population as f64 * 0.999;
            let checks = spot_checks(cheat, 0.9, Some(population)).expect("a number");
            let missed = |n: u64| match n <= population - wrong {
                true => choose(population - wrong, n) / choose(population, n),
                false => 0.0,
            };
            // 0.1 exactly at 18 of 20, where rounding decides.
            assert!(missed(checks) <= 0.1 + 1e-12, "{population} {wrong}: {checks}");
            assert!(checks == 0 || missed(checks - 1) > 0.1 - 1e-12, "{population} {wrong}");
        }
        // 7 of 700 wrong, not 8.
        assert_eq!(spot_checks(0.01, 0.5, Some(700)), spot_checks(0.00999, 0.5, Some(700)));
    }

    #[test]
    fn costs_add_up_over_whole_proofs() {
        let rate = ProofRate { batch: 64, seconds: Some(20.0), gas: Some(600_000.0) };
        let price = GasPrice { gwei: 2.0, ether: 3_000.0 };
        let cost = cost(600, &rate, 3, &price).expect("a cost");
        assert_eq!((cost.proofs, cost.seconds, cost.gas), (10, Some(80.0), Some(6_000_000.0)));
        assert!(cost.ether.is_some_and(|ether| (ether - 0.012).abs() < 1e-12));
        assert!(cost.money.is_some_and(|money| (money - 36.0).abs() < 1e-9));
        let unknown = ProofRate { seconds: None, gas: None, ..rate };
        let unknown = super::cost(600, &unknown, 1, &price).expect("a cost");
        assert_eq!((unknown.proofs, unknown.seconds, unknown.money), (10, None, None));
    }

    #[test]
    fn nonsense_is_refused() {
        for bad in [0.0, 1.0, -0.1, 1.5, f64::NAN] {
            assert!(matches!(accuracy_items(bad, 0.95, 1), Err(PlanError::Share { .. })));
            assert!(matches!(accuracy_items(0.05, bad, 1), Err(PlanError::Share { .. })));
            assert!(matches!(spot_checks(bad, 0.95, None), Err(PlanError::Share { .. })));
        }
        assert!(matches!(accuracy_items(0.05, 0.95, 0), Err(PlanError::Zero { what: "models" })));
        assert!(matches!(accuracy_items(1e-9, 0.95, 1), Err(PlanError::Items(_))));
        assert!(matches!(accuracy_error(0, 0.95, 1), Err(PlanError::Zero { .. })));
        assert!(matches!(spot_checks(0.5, 0.5, Some(0)), Err(PlanError::Zero { .. })));
        assert!(matches!(spot_checks(0.5, 0.5, Some(1 << 25)), Err(PlanError::Population(_))));
        let price = GasPrice { gwei: 1.0, ether: 1.0 };
        let rate = ProofRate { batch: 0, seconds: None, gas: None };
        assert!(matches!(cost(1, &rate, 1, &price), Err(PlanError::Zero { .. })));
        let rate = ProofRate { batch: 1, seconds: Some(f64::NAN), gas: None };
        assert!(matches!(cost(1, &rate, 1, &price), Err(PlanError::Rate { .. })));
    }
}
