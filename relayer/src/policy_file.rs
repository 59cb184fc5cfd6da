//! A file that says which work is taken, looked at beside the loop: what changes in it holds from the next turn on.

use std::{path::PathBuf, sync::Arc, time::Duration};

use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use crate::{config::Policy, live_policy::LivePolicy, relay::Relayer, status::StatusBoard};

/// How often the file is looked at.
const LOOK_EVERY: Duration = Duration::from_secs(2);

/// What was read of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PolicyReading {
    /// All of the policy.
    pub policy: Policy,
    /// Settings, by name, that are other ones than those that the relayer was started with, and hold from its next start on.
    pub wants_restart: Vec<String>,
}

/// What a text says, or why it says nothing, with file, line and key.
type Parse = Box<dyn Fn(&str) -> Result<PolicyReading, String> + Send>;

/// Watches the file of a relayer.
pub struct PolicyFile {
    path: PathBuf,
    parse: Parse,
    policy: LivePolicy,
    status: StatusBoard,
    /// The text that was read last, or why there was none.
    known: Option<Result<String, String>>,
    /// A text that was seen once: it may be half written.
    seen: Option<Result<String, String>>,
}

impl PolicyFile {
    /// The file at `path` of a relayer, with what knows what it says.
    pub fn new(
        relayer: &Relayer,
        path: impl Into<PathBuf>,
        parse: impl Fn(&str) -> Result<PolicyReading, String> + Send + 'static,
    ) -> Self {
        let (policy, status) = (relayer.policy().clone(), relayer.status().clone());
        let (path, parse) = (path.into(), Box::new(parse));
        Self { path, parse, policy, status, known: None, seen: None }
    }

    /// Looks at the file every two seconds, and at once when it is asked to, until told to stop.
    pub async fn watch(mut self, asked: Arc<Notify>, shutdown: CancellationToken) {
        loop {
            let asked = tokio::select! {
                () = shutdown.cancelled() => return,
                () = asked.notified() => true,
                () = tokio::time::sleep(LOOK_EVERY) => false,
            };
            self.look(asked).await;
        }
    }

    /// Looks at the file. What has changed counts if somebody asks for it, or when it has been the same for two looks:
    /// whoever writes a file may be in the middle of it.
    pub async fn look(&mut self, asked: bool) {
        let path = self.path.clone();
        let read = tokio::task::spawn_blocking(move || std::fs::read_to_string(path)).await;
        let text = match read {
            Ok(Ok(text)) => Ok(text),
            Ok(Err(error)) => Err(error.to_string()),
            Err(error) => Err(error.to_string()),
        };
        if !asked {
            if self.known.as_ref() == Some(&text) {
                self.seen = None;
                return;
            }
            if self.seen.as_ref() != Some(&text) {
                self.seen = Some(text);
                return;
            }
        }
        self.seen = None;
        self.take(&text, asked);
        self.known = Some(text);
    }

    fn take(&self, text: &Result<String, String>, asked: bool) {
        let file = self.path.display();
        let reading = match text {
            Ok(text) => (self.parse)(text),
            Err(error) => Err(format!("cannot read {file}: {error}")),
        };
        let reading = match reading {
            Ok(reading) => reading,
            Err(error) => {
                let code = "policy-refused";
                tracing::warn!(%file, error, code, "the policy stays as it is");
                self.status.policy_trouble(Some((code, error)));
                return;
            }
        };
        let trouble = (!reading.wants_restart.is_empty()).then(|| {
            let code = "needs-restart";
            let settings = reading.wants_restart.join(", ");
            let text = format!(
                "{settings} in {file} cannot change while the relayer runs, and stays as it was: it needs a restart"
            );
            tracing::warn!(%file, settings, code, "it needs a restart; until then it stays as it was");
            (code, text)
        });
        self.status.policy_trouble(trouble);
        // The first look only makes sure that nothing has changed since the start.
        if asked || self.known.is_some() || *self.policy.read() != reading.policy {
            self.policy.offer(reading.policy);
        }
    }
}
