//! What models make of whole collections, computed beside everything else and remembered until a restart.

use std::{collections::HashMap, sync::Arc, time::Duration};

use alloy::primitives::U256;
use assay_client::ModelIdentity;
use tokio::{task::JoinHandle, time::Instant};

use crate::proving::{ProveError, Prover};

/// How long a collection may lie in its place unnoticed.
const LOOK_AGAIN: Duration = Duration::from_secs(2);
/// The same where another one is there that cannot be proven: reading it takes as long as a proof.
const LOOK_AGAIN_AT_ANOTHER: Duration = Duration::from_secs(60);
/// Collections that are remembered.
const KEPT: usize = 256;

/// What is known of one collection.
enum Known {
    Running {
        work: JoinHandle<Result<Vec<U256>, ProveError>>,
        /// Whether it was said that it has ended.
        said: bool,
    },
    /// The word that the proof of each run will show.
    Words(Arc<Vec<U256>>),
    Failed {
        why: Arc<ProveError>,
        at: Instant,
        /// Whether somebody was told so, and nobody that it may be otherwise by now.
        waited_for: bool,
    },
}

/// Surveys, one for each collection and model.
#[derive(Default)]
pub(crate) struct Surveys {
    known: HashMap<(U256, ModelIdentity), Known>,
    /// Whether a result came in: what looked at another state meanwhile has to look again.
    came_in: bool,
}

impl Surveys {
    /// What a model makes of a collection of so many items: the word of each run, or why there is none; `None` while that
    /// is computed.
    pub(crate) async fn look(
        &mut self,
        prover: &Arc<dyn Prover>,
        model: ModelIdentity,
        root: U256,
        items: u64,
    ) -> Option<Result<Arc<Vec<U256>>, Arc<ProveError>>> {
        let key = (root, model);
        if let Some(Known::Running { work, .. }) = self.known.get_mut(&key) {
            if !work.is_finished() {
                return None;
            }
            let interrupted = |error: tokio::task::JoinError| {
                Err(ProveError::Interrupted(format!(
                    "the look at the collection broke off: {error}"
                )))
            };
            let known = match work.await.unwrap_or_else(interrupted) {
                Ok(words) => Known::Words(Arc::new(words)),
                Err(error) => {
                    let (why, at) = (Arc::new(error), Instant::now());
                    Known::Failed { why, at, waited_for: true }
                }
            };
            self.known.insert(key, known);
            self.came_in = true;
        }
        let before = match self.known.get_mut(&key) {
            Some(Known::Words(words)) => return Some(Ok(Arc::clone(words))),
            Some(Known::Failed { why, at, waited_for }) => {
                *waited_for = true;
                let told = Some(Err(Arc::clone(why)));
                if at.elapsed() < pause_after(why) {
                    return told;
                }
                told
            }
            _ => None,
        };
        if self.known.len() >= KEPT {
            self.known.retain(|_, known| matches!(known, Known::Running { .. }));
        }
        let prover = Arc::clone(prover);
        let work = tokio::spawn(async move { prover.survey(root, items).await });
        self.known.insert(key, Known::Running { work, said: false });
        before
    }

    /// Whether another look would find something new. It is said once of each.
    pub(crate) fn has_news(&mut self) -> bool {
        let mut news = std::mem::take(&mut self.came_in);
        for known in self.known.values_mut() {
            news |= has_news(known);
        }
        news
    }
}

fn has_news(known: &mut Known) -> bool {
    match known {
        Known::Running { work, said } => {
            let ended = !*said && work.is_finished();
            *said |= ended;
            ended
        }
        Known::Words(_) => false,
        Known::Failed { why, at, waited_for } => {
            let may_be_otherwise = *waited_for && at.elapsed() >= pause_after(why);
            *waited_for &= !may_be_otherwise;
            may_be_otherwise
        }
    }
}

fn pause_after(error: &ProveError) -> Duration {
    match error {
        ProveError::InputUnavailable { .. } | ProveError::Interrupted(_) => LOOK_AGAIN,
        _ => LOOK_AGAIN_AT_ANOTHER,
    }
}
