//! Tasks that workers of other processes make: handed in here, where the key is that signs.

use assay_client::ModelIdentity;

use super::{Relayer, remote_tasks::Remote};
use crate::{
    duty::{Call, Due},
    error::RelayerError,
    job::PredictionJob,
    proof_pool::{Finished, Work},
    proving::ProveError,
    queue::{Lease, Subject},
    store::HERE,
};

/// Whether nobody can want a proof any more, by the jobs that are not settled and by what is due.
fn has_ended(subject: Subject<'_>, active: &[PredictionJob], dues: Option<&[Due]>) -> bool {
    match (subject, dues) {
        (Subject::Job(id), _) => active.iter().all(|job| job.id() != id),
        (Subject::Duty(wanted), Some(dues)) => dues.iter().all(|due| match &due.call {
            Call::WithProof { key, .. } => key.as_str() != wanted,
            _ => true,
        }),
        (Subject::Duty(_), None) | (Subject::Unknown, _) => false,
    }
}

impl Relayer {
    /// Whether workers of other processes have room for a proof of this model.
    pub(super) async fn workers_have_room(
        &self,
        model: &ModelIdentity,
    ) -> Result<bool, RelayerError> {
        Ok(self.store.places(model).await? > self.remote.len())
    }

    /// Looks at what has become of the tasks of others, and counts the openings that they want. Whether one has ended.
    ///
    /// # Errors
    /// Those of the store.
    pub(super) async fn look_at_tasks(&mut self) -> Result<bool, RelayerError> {
        self.count_openings().await?;
        let mut tasks = self.store.tasks().await?;
        tasks.retain(|task| task.worker.as_ref().is_none_or(|worker| !worker.starts_with(HERE)));
        self.remote.names = tasks.iter().map(|task| task.name.clone()).collect();
        let Remote { names, works } = &mut self.remote;
        works.retain(|name, _| names.contains(name));
        let mut ended = false;
        for task in tasks {
            let (Some(outcome), Some(work)) = (task.outcome, self.remote.works.get(&task.name))
            else {
                continue;
            };
            let (work, fence) = (work.clone(), task.fence);
            tracing::info!(what = %work, worker = task.worker, "a worker has handed in its proof");
            let worker = task.worker.unwrap_or_default();
            let lease = Lease { task: task.name.clone(), fence, worker };
            let took = std::time::Duration::ZERO;
            let finished = Finished { work, lease, took, result: outcome.into() };
            self.note_finished(&finished).await?;
            // Stored, or of no use.
            self.store.drop_task(&task.name).await?;
            self.remote.names.remove(&task.name);
            self.remote.works.remove(&task.name);
            ended = true;
        }
        Ok(ended)
    }

    /// Takes tasks out of the queue that nobody needs any more.
    pub(super) async fn drop_tasks_unless(
        &mut self,
        needed: impl Fn(&Work) -> bool,
    ) -> Result<(), RelayerError> {
        let works = self.remote.works.iter();
        let unneeded: Vec<_> =
            works.filter(|(_, work)| !needed(work)).map(|(name, _)| name.clone()).collect();
        for name in unneeded {
            tracing::info!(task = %name, "proof no longer needed; nobody shall make it");
            self.store.drop_task(&name).await?;
            self.remote.names.remove(&name);
            self.remote.works.remove(&name);
        }
        Ok(())
    }

    /// Puts the tasks aside whose job has ended, as a confirmed block says, or whose duty is over: of those that nobody has
    /// asked for since this process began. Without the dues of all contracts those of duties are left.
    pub(super) async fn put_aside(
        &mut self,
        active: &[PredictionJob],
        dues: Option<&[Due]>,
    ) -> Result<(), RelayerError> {
        let Remote { names, works } = &self.remote;
        let unasked = names.iter().filter(|name| !works.contains_key(name));
        let ended: Vec<_> =
            unasked.filter(|name| has_ended(name.subject(), active, dues)).cloned().collect();
        self.store.put_aside(&ended).await?;
        for name in ended {
            tracing::info!(task = %name, "its job has ended; the task is put aside");
            self.remote.names.remove(&name);
        }
        Ok(())
    }

    async fn count_openings(&mut self) -> Result<(), RelayerError> {
        for (task, model) in self.store.wanted_openings().await? {
            let prover = self.provers.iter().find(|prover| prover.serves(&model));
            let Some(prover) = prover else { continue };
            match prover.count_opening() {
                Ok(()) => self.store.give_opening(&task).await?,
                Err(error @ ProveError::NotReady(_)) => {
                    tracing::warn!(%task, %error, code = "job-waits", "no opening for a worker");
                }
                Err(error) => tracing::warn!(%task, %error, "no opening for a worker"),
            }
        }
        Ok(())
    }
}
