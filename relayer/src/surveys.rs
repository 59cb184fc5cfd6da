//! What models make of whole collections, computed beside everything else.

use std::{sync::Arc, time::Duration};

use alloy::primitives::U256;
use assay_client::ModelIdentity;

use crate::{
    beside::{Answer, Beside},
    proving::{ProveError, Prover},
};

/// How long a collection may lie in its place unnoticed.
const LOOK_AGAIN: Duration = Duration::from_secs(2);
/// The same where another one is there that cannot be proven: reading it takes as long as a proof.
const LOOK_AGAIN_AT_ANOTHER: Duration = Duration::from_secs(60);

/// The word that the proof of each run will show.
type Words = Arc<Vec<U256>>;

impl Answer for Words {
    type Failure = Arc<ProveError>;

    fn pause_after(failure: &Arc<ProveError>) -> Option<Duration> {
        Some(match **failure {
            ProveError::InputUnavailable { .. } | ProveError::Interrupted(_) => LOOK_AGAIN,
            _ => LOOK_AGAIN_AT_ANOTHER,
        })
    }

    fn broken_off(why: String) -> Arc<ProveError> {
        let why = format!("the look at the collection broke off: {why}");
        Arc::new(ProveError::Interrupted(why))
    }
}

/// Surveys, one for each collection and model.
#[derive(Default)]
pub(crate) struct Surveys(Beside<(U256, ModelIdentity), Words>);

impl Surveys {
    /// What a model makes of a collection of so many items: the word of each run, or why there is none; `None` while that
    /// is computed.
    pub(crate) async fn look(
        &mut self,
        prover: &Arc<dyn Prover>,
        model: ModelIdentity,
        root: U256,
        items: u64,
    ) -> Option<Result<Words, Arc<ProveError>>> {
        let prover = Arc::clone(prover);
        let survey = async move || prover.survey(root, items).await.map(Arc::new).map_err(Arc::new);
        self.0.look((root, model), survey).await
    }

    /// Whether another look would find something new. It is said once of each.
    pub(crate) fn has_news(&mut self) -> bool {
        self.0.has_news()
    }
}
