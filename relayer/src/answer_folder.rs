//! A folder with the answers that a provider has given, found by their root.

use std::{
    collections::HashMap,
    fs,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, SystemTime},
};

use assay_client::service_bond::{AnswerTree, Answers, Receipt};
use tokio::time::Instant;

/// How often a folder that lacks something is looked through.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

type Tree = (Arc<Answers>, Arc<AnswerTree>);

/// Files of `assay service answer`, of any name that ends with `.json`.
pub(crate) struct AnswerFolder {
    folder: PathBuf,
    /// What a file held when it had this time and size.
    files: HashMap<PathBuf, (Option<SystemTime>, u64, Option<Tree>)>,
    looked_at: Option<Instant>,
}

impl AnswerFolder {
    pub(crate) fn new(folder: PathBuf) -> Self {
        Self { folder, files: HashMap::new(), looked_at: None }
    }

    pub(crate) fn path(&self) -> &Path {
        &self.folder
    }

    /// The answers that a receipt is about.
    pub(crate) fn of(&mut self, receipt: &Receipt) -> Option<Tree> {
        if let Some(found) = self.known(receipt) {
            return Some(found);
        }
        if self.looked_at.is_none_or(|at| at.elapsed() >= LOOK_AGAIN) {
            self.look();
        }
        self.known(receipt)
    }

    fn known(&self, receipt: &Receipt) -> Option<Tree> {
        let trees = self.files.values().filter_map(|(_, _, tree)| tree.as_ref());
        let mut of_receipt = trees.filter(|(answers, tree)| {
            tree.root() == receipt.root
                && receipt.count == alloy::primitives::U256::from(answers.items)
        });
        of_receipt.next().cloned()
    }

    fn look(&mut self) {
        self.looked_at = Some(Instant::now());
        let entries = match fs::read_dir(&self.folder) {
            Ok(entries) => entries,
            Err(error) => {
                tracing::warn!(folder = %self.folder.display(), %error, "the answers cannot be read");
                return;
            }
        };
        for path in entries.flatten().map(|entry| entry.path()) {
            if path.extension().is_some_and(|extension| extension == "json") {
                self.read(path);
            }
        }
    }

    fn read(&mut self, path: PathBuf) {
        let Ok(about) = fs::metadata(&path) else {
            return;
        };
        let (time, size) = (about.modified().ok(), about.len());
        if self.files.get(&path).is_some_and(|known| (known.0, known.1) == (time, size)) {
            return;
        }
        let tree = match Answers::read(&path) {
            Ok(answers) => answers.tree().map(|tree| (Arc::new(answers), Arc::new(tree))),
            Err(error) => {
                tracing::warn!(%error, "a file is left out");
                None
            }
        };
        self.files.insert(path, (time, size, tree));
    }
}

#[cfg(test)]
mod tests {
    use alloy::primitives::{B256, U256};
    use assay_client::service_bond::Answer;

    use super::*;

    #[test]
    fn answers_are_found_by_their_root_whatever_their_file_is_called() {
        let dir = tempfile::tempdir().unwrap();
        let mut folder = AnswerFolder::new(dir.path().to_owned());
        let answers = |output: u64| Answers {
            list: vec![Answer { commitment: B256::ZERO, outputs: vec![U256::from(output)] }],
            items: 1,
            batch: 0,
        };
        let receipt = |of: &Answers| Receipt {
            root: of.tree().unwrap().root(),
            count: U256::from(of.items),
            ..Receipt::default()
        };
        fs::write(dir.path().join("a.json"), answers(1).to_json().unwrap()).unwrap();
        fs::write(dir.path().join("broken.json"), "7").unwrap();
        assert_eq!(*folder.of(&receipt(&answers(1))).unwrap().0, answers(1));
        assert!(folder.of(&receipt(&answers(2))).is_none());
        fs::write(dir.path().join("broken.json"), answers(2).to_json().unwrap()).unwrap();
        folder.looked_at = None;
        assert_eq!(*folder.of(&receipt(&answers(2))).unwrap().0, answers(2));
    }
}
