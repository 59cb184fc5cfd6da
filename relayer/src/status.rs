//! What a person, or a program that watches the relayer, wants to know.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use alloy::primitives::U256;
use assay_client::chain::NodeHealth;
use serde::Serialize;
use tokio::time::Instant;

use crate::{
    error::RelayerError, heads::Heads, job::PredictionJob, policy::Quote, proving::OpeningsLeft,
    refusal::LeftAlone,
};

/// How long a balance is taken for the present one.
const BALANCE_AGE: Duration = Duration::from_secs(60);
/// Without a turn that went well for so long, the relayer is not ready.
const LATE: Duration = Duration::from_secs(120);

/// A relayer's state at the end of its newest turn.
#[derive(Clone, Debug, Default)]
pub struct Status {
    /// The end of the chain; `None` before the first turn that went well.
    pub heads: Option<Heads>,
    /// Jobs that are not settled, by state.
    pub jobs: BTreeMap<&'static str, usize>,
    /// Chain time, in seconds, until the nearest deadline of a job that is not settled; negative when it is past.
    pub least_slack: Option<i64>,
    /// How the nodes answer.
    pub nodes: Vec<NodeHealth>,
    /// Proofs that are being made.
    pub proofs_running: usize,
    /// Openings of the model's weights.
    pub openings: Option<OpeningsLeft>,
    /// Jobs that the escrow counts and no node has shown.
    pub missing_jobs: usize,
    /// Proofs that the disk had no room for.
    pub unsaved_proofs: usize,
    /// Calls that the contracts leave to do now.
    pub duties_due: usize,
    /// Those of them with a deadline that nothing here can do, and why: a bond may be lost.
    pub blocked_duties: Vec<String>,
    /// Retrievals and audits in which the account could sell, and why it does not.
    pub left_alone: Vec<LeftAlone>,
    /// Of the signing account, in wei.
    pub balance: Option<U256>,
    /// What a job would have to pay now; `None` before a node has said what gas costs.
    pub quote: Option<Quote>,
    /// How often things happened: errors by code, proofs, claims.
    pub counts: BTreeMap<&'static str, u64>,
    /// When the policy that holds was read, Unix time in seconds.
    pub policy_read_at: Option<u64>,
    /// Why what was read since does not hold, or only in part.
    pub policy_trouble: Option<String>,
    /// The newest trouble that concerned all jobs.
    pub last_error: Option<String>,
    pub(crate) went_well: Option<Instant>,
    pub(crate) looked_at_balance: Option<Instant>,
}

/// What stands against work.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Obstacle {
    /// One word for the kind.
    pub code: &'static str,
    /// In words, with what to do.
    pub text: String,
}

/// A [`Status`] that the relayer writes and others read; clones share it.
#[derive(Clone, Debug, Default)]
pub struct StatusBoard(Arc<Mutex<Status>>);

impl StatusBoard {
    fn status(&self) -> MutexGuard<'_, Status> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The present state.
    pub fn read(&self) -> Status {
        self.status().clone()
    }

    /// Counts one more of something.
    pub(crate) fn count(&self, what: &'static str) {
        *self.status().counts.entry(what).or_default() += 1;
    }

    pub(crate) fn went_well(&self) {
        let mut status = self.status();
        (status.went_well, status.last_error) = (Some(Instant::now()), None);
    }

    pub(crate) fn failed(&self, error: &RelayerError) {
        let mut status = self.status();
        status.last_error = Some(error.to_string());
        *status.counts.entry(error.code()).or_default() += 1;
    }

    /// Notes that the policy that holds was read at a time, Unix time in seconds.
    pub(crate) fn policy_holds(&self, at: u64) {
        self.status().policy_read_at = Some(at);
    }

    /// Notes why what was read of a policy does not hold, by the code of that kind of trouble; `None` ends that.
    pub fn policy_trouble(&self, trouble: Option<(&'static str, String)>) {
        let mut status = self.status();
        if let Some((code, _)) = &trouble {
            *status.counts.entry(code).or_default() += 1;
        }
        status.policy_trouble = trouble.map(|(_, text)| text);
    }

    pub(crate) fn wants_balance(&self) -> bool {
        self.status().looked_at_balance.is_none_or(|at| at.elapsed() >= BALANCE_AGE)
    }

    pub(crate) fn has_balance(&self, balance: U256) {
        let mut status = self.status();
        (status.balance, status.looked_at_balance) = (Some(balance), Some(Instant::now()));
    }

    pub(crate) fn update(
        &self,
        heads: Heads,
        jobs: &[PredictionJob],
        change: impl FnOnce(&mut Status),
    ) {
        let mut status = self.status();
        status.heads = Some(heads);
        status.jobs.clear();
        for job in jobs {
            *status.jobs.entry(job.state().name()).or_default() += 1;
        }
        let nearest = jobs.iter().map(|job| job.terms.deadline).min();
        status.least_slack = nearest.map(|deadline| {
            let seconds = i128::from(deadline) - i128::from(heads.newest.timestamp);
            i64::try_from(seconds).unwrap_or(i64::MAX)
        });
        change(&mut status);
    }
}

impl Status {
    /// Seconds since the newest turn that went well; `None` before the first.
    pub fn seconds_since_good_turn(&self) -> Option<u64> {
        self.went_well.map(|at| at.elapsed().as_secs())
    }

    /// What stands against work; empty for a relayer that is ready.
    pub fn obstacles(&self) -> Vec<Obstacle> {
        let mut found = Vec::new();
        let mut add = |code, text: String| found.push(Obstacle { code, text });
        match self.went_well {
            Some(at) if at.elapsed() < LATE => {}
            Some(at) => add(
                "no-turn",
                format!(
                    "no look at the chain went well for {} s{}",
                    at.elapsed().as_secs(),
                    self.last_error.as_ref().map(|e| format!(": {e}")).unwrap_or_default()
                ),
            ),
            None => add(
                "starting",
                self.last_error.clone().unwrap_or_else(|| "the first look is not over".into()),
            ),
        }
        if self.unsaved_proofs > 0 {
            add(
                "store-disk",
                format!(
                    "{} proofs wait in memory for room on the store's disk; make space, and do not stop the relayer",
                    self.unsaved_proofs
                ),
            );
        }
        if self.missing_jobs > 0 {
            add(
                "logs-incomplete",
                format!(
                    "{} jobs that the escrow counts are in no node's logs; add another node with --rpc",
                    self.missing_jobs
                ),
            );
        }
        for blocked in &self.blocked_duties {
            add("bond-at-risk", blocked.clone());
        }
        if self.openings.is_some_and(|openings| openings.left == 0) {
            add("openings-spent", "no opening of the model is left; import it anew".into());
        }
        found
    }
}
