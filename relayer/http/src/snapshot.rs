//! The relayer's state as the page and the streams show it: made once a second, however many look.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use alloy::primitives::{Address, U256};
use assay_relayer::{JobState, PredictionJob, StoreError};
use serde::Serialize;
use tokio::{sync::watch, time::Instant};
use tokio_util::sync::{CancellationToken, DropGuard};
use utoipa::ToSchema;

use crate::{
    Source,
    views::{DutyView, JobView, StatusView},
};

/// How often it is made anew.
const PERIOD: Duration = Duration::from_secs(1);
/// How often all jobs are looked at, to add up what they paid: when one of those shown has changed, and now and then.
const COUNTING_PERIODS: [Duration; 2] = [Duration::from_secs(5), Duration::from_secs(60)];
/// Newest jobs that are shown, beside those that are not settled.
pub(crate) const SHOWN: usize = 50;

/// What does not change while a relayer runs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct About {
    /// The chain.
    pub chain_id: u64,
    /// The escrow that it follows.
    pub escrow: String,
    /// Who is paid.
    pub recipient: String,
    /// Hash of the model's weights.
    pub model_hash: String,
    /// Hash of the model's verifying key.
    pub vk_hash: String,
}

/// What the jobs in the store paid in one token.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct Earned {
    /// The token; null for the chain's native currency.
    pub token: Option<String>,
    /// In its smallest unit, a decimal number.
    pub amount: String,
    /// By so many jobs.
    pub jobs: usize,
}

/// The relayer's state at one moment.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct Snapshot {
    /// What does not change.
    pub about: About,
    /// Health, money and nodes.
    pub status: StatusView,
    /// Jobs that are not settled, and the newest others; the newest first.
    pub jobs: Vec<JobView>,
    /// Calls that the account owes itself: contested items, runs, settlements, refunds, withdrawals.
    pub duties: Vec<DutyView>,
    /// What confirmed jobs paid; settled jobs are forgotten after a month.
    pub earned: Vec<Earned>,
    /// Why the jobs are not those of this moment, where the store does not answer.
    pub store_error: Option<String>,
}

impl Snapshot {
    /// What is worth an event: not each block, nor each request to a node.
    fn news(&self) -> impl PartialEq + '_ {
        let StatusView {
            obstacles,
            left_alone,
            jobs,
            openings,
            proofs_running,
            balance,
            policy,
            ..
        } = &self.status;
        let health = (obstacles, left_alone, openings, proofs_running, balance, policy);
        (&self.jobs, &self.duties, &self.earned, &self.store_error, jobs, health)
    }
}

/// Renews a snapshot until it is dropped.
pub(crate) struct Renewing(DropGuard);

impl Renewing {
    /// What ends the renewing, and so all streams of it, when it is dropped.
    pub(crate) fn stopper(self) -> DropGuard {
        self.0
    }
}

/// The first snapshot, and those that follow.
pub(crate) async fn renewed(source: Source) -> (Renewing, watch::Receiver<Arc<Snapshot>>) {
    let mut maker = Maker { source, earned: Vec::new(), counted: None, changed: false };
    let first = maker.make(None).await;
    let (sender, receiver) = watch::channel(Arc::new(first));
    let token = CancellationToken::new();
    let guard = token.clone().drop_guard();
    tokio::spawn(async move {
        loop {
            tokio::select! {
                () = token.cancelled() => return,
                () = tokio::time::sleep(PERIOD) => {}
            }
            let before = Arc::clone(&sender.borrow());
            let made = maker.make(Some(&before)).await;
            sender.send_if_modified(|shown| {
                let news = shown.news() != made.news();
                *shown = Arc::new(made);
                news
            });
        }
    });
    (Renewing(guard), receiver)
}

struct Maker {
    source: Source,
    earned: Vec<Earned>,
    counted: Option<Instant>,
    /// Since then.
    changed: bool,
}

impl Maker {
    async fn make(&mut self, before: Option<&Snapshot>) -> Snapshot {
        let [soon, late] = COUNTING_PERIODS;
        let period = if self.changed { soon } else { late };
        let counts = self.counted.is_none_or(|at| at.elapsed() >= period);
        let store = self.source.store.clone();
        let read = async move {
            let jobs = shown(store.active().await?, store.newest(None, SHOWN).await?);
            let duties = store.duties().await?.iter().map(DutyView::from).collect();
            let earned = if counts { Some(earned(&store.jobs().await?)) } else { None };
            Ok::<_, StoreError>((jobs, duties, earned))
        };
        let kept = || before.map(|b| (b.jobs.clone(), b.duties.clone())).unwrap_or_default();
        let ((jobs, duties), store_error) = match read.await {
            Ok((jobs, duties, earned)) => {
                if let Some(earned) = earned {
                    (self.earned, self.counted) = (earned, Some(Instant::now()));
                    self.changed = false;
                }
                self.changed |= before.is_some_and(|before| before.jobs != jobs);
                ((jobs, duties), None)
            }
            Err(error) => (kept(), Some(error.to_string())),
        };
        Snapshot {
            about: self.source.about.clone(),
            status: StatusView::from(&self.source.status.read()),
            jobs,
            duties,
            earned: self.earned.clone(),
            store_error,
        }
    }
}

fn shown(active: Vec<PredictionJob>, newest: Vec<PredictionJob>) -> Vec<JobView> {
    let jobs: BTreeMap<U256, PredictionJob> =
        active.into_iter().chain(newest).map(|job| (job.id(), job)).collect();
    jobs.values().rev().map(JobView::from).collect()
}

fn earned(jobs: &[PredictionJob]) -> Vec<Earned> {
    let mut sums: BTreeMap<Address, (U256, usize)> = BTreeMap::new();
    for job in jobs {
        if matches!(job.state(), JobState::Confirmed { .. }) {
            let (sum, count) = sums.entry(job.terms.token).or_default();
            *sum = sum.saturating_add(job.terms.price);
            *count += 1;
        }
    }
    sums.into_iter()
        .map(|(token, (amount, jobs))| Earned {
            token: (token != Address::ZERO).then(|| token.to_string()),
            amount: amount.to_string(),
            jobs,
        })
        .collect()
}
