//! What takes long is computed beside the loop, and remembered until a restart. A failure is told for as long as nothing
//! else is known, and the work is done again after a pause, when it is asked for.

use std::{collections::HashMap, hash::Hash, time::Duration};

use tokio::{task::JoinHandle, time::Instant};

/// Results that are remembered.
const KEPT: usize = 256;

/// A result, or why there is none.
pub(crate) trait Answer: Clone + Send + 'static {
    /// Why there is no result.
    type Failure: Clone + Send + 'static;

    /// How long after a failure the work is worth another try; `None` for never.
    fn pause_after(failure: &Self::Failure) -> Option<Duration>;

    /// The failure where the work broke off.
    fn broken_off(why: String) -> Self::Failure;
}

type Outcome<V> = Result<V, <V as Answer>::Failure>;

enum Known<V: Answer> {
    Running {
        work: JoinHandle<Outcome<V>>,
        /// Whether it was said that it has ended.
        said: bool,
    },
    Done(V),
    Failed {
        why: V::Failure,
        at: Instant,
        /// Whether somebody was told so, and nobody that it may be otherwise by now.
        waited_for: bool,
    },
}

/// Works and their results, by what they are about.
pub(crate) struct Beside<K, V: Answer> {
    known: HashMap<K, Known<V>>,
    /// Whether a result came in: what looked at another state meanwhile has to look again.
    came_in: bool,
}

impl<K, V: Answer> Default for Beside<K, V> {
    fn default() -> Self {
        Self { known: HashMap::new(), came_in: false }
    }
}

impl<K: Clone + Eq + Hash, V: Answer> Beside<K, V> {
    /// What is known; `None` before anything is. Begins the work where nothing is known, or where a failure is old.
    pub(crate) async fn look<W>(&mut self, key: K, begin: impl FnOnce() -> W) -> Option<Outcome<V>>
    where
        W: Future<Output = Outcome<V>> + Send + 'static,
    {
        if let Some(Known::Running { work, .. }) = self.known.get_mut(&key) {
            if !work.is_finished() {
                return None;
            }
            let ended = work.await.unwrap_or_else(|error| Err(V::broken_off(error.to_string())));
            let known = match ended {
                Ok(done) => Known::Done(done),
                Err(why) => Known::Failed { why, at: Instant::now(), waited_for: true },
            };
            self.known.insert(key.clone(), known);
            self.came_in = true;
        }
        let before = match self.known.get_mut(&key) {
            Some(Known::Done(done)) => return Some(Ok(done.clone())),
            Some(Known::Failed { why, at, waited_for }) => {
                *waited_for = true;
                if V::pause_after(why).is_none_or(|pause| at.elapsed() < pause) {
                    return Some(Err(why.clone()));
                }
                Some(Err(why.clone()))
            }
            _ => None,
        };
        self.make_room();
        let work = tokio::spawn(begin());
        self.known.insert(key, Known::Running { work, said: false });
        before
    }

    fn make_room(&mut self) {
        if self.known.len() >= KEPT {
            self.known.retain(|_, known| matches!(known, Known::Running { .. }));
        }
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

fn has_news<V: Answer>(known: &mut Known<V>) -> bool {
    match known {
        Known::Running { work, said } => {
            let ended = !*said && work.is_finished();
            *said |= ended;
            ended
        }
        Known::Done(_) => false,
        Known::Failed { why, at, waited_for } => {
            let old = V::pause_after(why).is_some_and(|pause| at.elapsed() >= pause);
            let may_be_otherwise = *waited_for && old;
            *waited_for &= !may_be_otherwise;
            may_be_otherwise
        }
    }
}
