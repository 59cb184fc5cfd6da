//! Files of answers: what a provider has answered, and what a contested item is proven against.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use alloy::primitives::U256;
use serde::{Deserialize, Serialize};

use super::{Answer, AnswerTree, Receipt};

/// What a provider has answered; the leaves of the tree that it signs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answers {
    /// One for each input, or for each run.
    pub list: Vec<Answer>,
    /// Inputs in all.
    pub items: u64,
    /// Inputs of a run; 0 where each input has an answer of its own.
    pub batch: u64,
}

/// Why a file of answers cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
#[allow(missing_docs, reason = "the texts of the variants say what their fields hold")]
pub enum AnswersError {
    /// The file cannot be read.
    #[error("cannot read {path}: {source}", path = .path.display())]
    File { path: PathBuf, source: io::Error },
    /// A file of another form.
    #[error("{path} holds no answers, as `assay service answer` writes them: {reason}", path = .path.display())]
    Format { path: PathBuf, reason: String },
    /// Runs that do not fit the number of items.
    #[error(
        "{path} holds {runs} runs of {batch} items, which are not the runs of {items} items", path = .path.display()
    )]
    Runs { path: PathBuf, runs: usize, batch: u64, items: u64 },
    /// Too few or too many.
    #[error("{path} holds {count} answers; a batch has 1 to 65,536", path = .path.display())]
    Count { path: PathBuf, count: usize },
}

/// The same in a file.
#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum AnswersFile {
    Inputs(Vec<Answer>),
    Runs { items: u64, batch: u64, runs: Vec<Answer> },
}

impl Answers {
    /// Reads a file.
    ///
    /// # Errors
    /// [`AnswersError`].
    pub fn read(path: &Path) -> Result<Self, AnswersError> {
        let path = path.to_owned();
        let text = match fs::read_to_string(&path) {
            Ok(text) => text,
            Err(source) => return Err(AnswersError::File { path, source }),
        };
        let file = match serde_json::from_str(&text) {
            Ok(file) => file,
            Err(error) => return Err(AnswersError::Format { path, reason: error.to_string() }),
        };
        let answers = match file {
            AnswersFile::Inputs(list) => Self { items: list.len() as u64, list, batch: 0 },
            AnswersFile::Runs { items, batch, runs } => {
                if batch == 0 || items.div_ceil(batch) != runs.len() as u64 {
                    return Err(AnswersError::Runs { path, runs: runs.len(), batch, items });
                }
                Self { list: runs, items, batch }
            }
        };
        if answers.tree().is_none() {
            return Err(AnswersError::Count { path, count: answers.list.len() });
        }
        Ok(answers)
    }

    /// What a file of them holds.
    ///
    /// # Errors
    /// None that such answers can cause.
    pub fn to_json(&self) -> serde_json::Result<Vec<u8>> {
        let list = self.list.clone();
        serde_json::to_vec_pretty(&match self.batch {
            0 => AnswersFile::Inputs(list),
            batch => AnswersFile::Runs { items: self.items, batch, runs: list },
        })
    }

    /// The tree over them; `None` for none or more than 65,536.
    pub fn tree(&self) -> Option<AnswerTree> {
        AnswerTree::new(&self.list)
    }

    /// Whether a receipt is about them.
    pub fn are_of(&self, receipt: &Receipt) -> bool {
        receipt.count == U256::from(self.items)
            && self.tree().is_some_and(|tree| tree.root() == receipt.root)
    }
}

#[cfg(test)]
mod tests {
    use alloy::primitives::B256;

    use super::*;

    #[test]
    fn files_say_whether_answers_are_of_inputs_or_of_runs() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("answers.json");
        let one = format!(r#"{{"commitment": "{}", "outputs": [7, "0x8"]}}"#, B256::ZERO);
        let read = |text: &str| {
            fs::write(&path, text).unwrap();
            Answers::read(&path)
        };
        let inputs = read(&format!("[{one}, {one}]")).unwrap();
        assert_eq!((inputs.list.len(), inputs.items, inputs.batch), (2, 2, 0));
        assert_eq!(inputs.list[0].outputs, [U256::from(7), U256::from(8)]);
        let runs = |items, batch| {
            read(&format!(r#"{{"items": {items}, "batch": {batch}, "runs": [{one}, {one}]}}"#))
        };
        let found = runs(6, 4).unwrap();
        assert_eq!((found.list.len(), found.items, found.batch), (2, 6, 4));
        for (items, batch) in [(4, 4), (9, 4), (6, 0), (0, 4)] {
            let error = runs(items, batch).err().unwrap().to_string();
            assert!(error.contains("not the runs"), "{error}");
        }
        assert!(read("7").is_err() && read("[]").is_err());
        for answers in [inputs, found] {
            fs::write(&path, answers.to_json().unwrap()).unwrap();
            assert_eq!(Answers::read(&path).unwrap(), answers);
            let root = answers.tree().unwrap().root();
            let receipt = Receipt { root, count: U256::from(answers.items), ..Receipt::default() };
            assert!(answers.are_of(&receipt));
            assert!(!answers.are_of(&Receipt { count: U256::from(9), ..receipt.clone() }));
            assert!(!answers.are_of(&Receipt { root: B256::ZERO, ..receipt }));
        }
    }
}
