//! What is looked at for duties beside the jobs.

use std::sync::Arc;

use assay_client::{
    AuditEscrow, ContractClient, ModelRegistry, PredictionEscrow, RetrievalEscrow, ServiceBond,
};

use crate::{
    config::RelayerConfig,
    error::RelayerError,
    live_policy::LivePolicy,
    proving::Prover,
    sales::Sales,
    store::JobStore,
    watch::{
        AuditSelling, AuditWatch, CreditWatch, Proofs, Proving, RetrievalWatch, Selling,
        ServiceWatch, Source, Watch, keeping_watches,
    },
};

/// The watches of a relayer, but for that of jobs about collections.
///
/// # Errors
/// Settings that contradict each other, and those of the store.
pub(super) async fn watches(
    escrow: &PredictionEscrow,
    registry: &ModelRegistry,
    store: &JobStore,
    (config, policy): (&RelayerConfig, &LivePolicy),
    prover: &Arc<dyn Prover>,
    sales: Sales,
) -> Result<Vec<Box<dyn Watch>>, RelayerError> {
    let source = source_of(store, config);
    let duties = &config.duties;
    let missing = |text: &str| Err(RelayerError::Config(text.into()));
    if duties.answers.is_some() && duties.services.is_none() {
        return missing(
            "there are answers to be proven when they are contested, and no service bond",
        );
    }
    let Sales { retrievals, audits } = sales;
    let retrieves = !retrievals.models.is_empty();
    if retrieves && duties.retrievals.is_none() {
        return missing("there is a model for retrievals, and no escrow of retrievals");
    }
    if audits.is_some() && duties.audits.is_none() {
        return missing("there is a model for audits, and no escrow of audits");
    }
    let chain = escrow.chain().clone();
    let account = chain.account()?;
    let is_paid = config.recipient.is_none_or(|to| to == account);
    if (retrieves || audits.is_some()) && !is_paid {
        return missing("retrievals and audits pay the signing account; leave out --recipient");
    }
    let answers = duties.answers.clone();
    let services = answers.map(|answers| Proofs { prover: Arc::clone(prover), answers });
    let selling = || Selling::new(retrievals, registry.clone(), (config, policy), store.clone());
    let entering = |sales| {
        AuditSelling::new(sales, account, registry.clone(), (config, policy), store.clone())
    };
    let audits = audits.map(entering).transpose()?;
    let proving = Proving { services, retrievals: retrieves.then(selling), audits };
    let mut withdrawn = duties.contracts();
    // What the prediction escrow owes for single inputs is withdrawn with the jobs.
    withdrawn.extend(prover.proves_runs().then_some(escrow.address()));
    withdrawn.retain(|_| config.withdraw && is_paid);
    if duties.keep {
        return keeping_watches(escrow, duties, &source, proving, &withdrawn).await;
    }
    let mut served = vec![escrow.address()];
    let mut watches: Vec<Box<dyn Watch>> = Vec::new();
    if let (Some(proofs), Some(address)) = (proving.services, duties.services) {
        let bond = ServiceBond::at(chain.clone(), address);
        let watch = ServiceWatch::new(bond, account, &source, Some(proofs), false).await?;
        watches.push(Box::new(watch));
        served.push(address);
    }
    if let (Some(selling), Some(address)) = (proving.retrievals, duties.retrievals) {
        let retrievals = RetrievalEscrow::at(chain.clone(), address);
        let watch = RetrievalWatch::new(retrievals, account, &source, false, Some(selling)).await?;
        watches.push(Box::new(watch));
        served.push(address);
    }
    if let (Some(selling), Some(address)) = (proving.audits, duties.audits) {
        let audits = AuditEscrow::at(chain.clone(), address);
        let watch = AuditWatch::new(audits, account, &source, false, Some(selling)).await?;
        watches.push(Box::new(watch));
        served.push(address);
    }
    withdrawn.retain(|contract| served.contains(contract));
    if !withdrawn.is_empty() {
        let credits = CreditWatch::new(chain, account, &withdrawn, &duties.tokens);
        watches.push(Box::new(credits.with_accepted(policy.clone())));
    }
    Ok(watches)
}

/// Where the events of a relayer come from.
pub(super) fn source_of(store: &JobStore, config: &RelayerConfig) -> Source {
    Source {
        store: store.clone(),
        start_block: config.start_block,
        max_log_range: config.max_log_range,
    }
}
