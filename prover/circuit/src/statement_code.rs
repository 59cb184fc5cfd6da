//! The bytes of a verifying key that say what its circuit states, so that a contract can refuse a key of
//! another statement. They are the bytes 2 to 31 of the key's data contract:
//!
//! | byte of the key | content |
//! |---|---|
//! | 2 | 1 prediction, 2 audit, 3 retrieval, 4 classification |
//! | 3 | input of a prediction: 0 committed, 1 public; else 0 |
//! | 4 | what is shown: 1 class, 2 best classes, 3 logits, 4 number correct, 5 bitmap, 6 classes of the items, 7 their numbers, 8 commitment to all outputs, 9 best classes and their scores |
//! | 5 to 8 | number of output words |
//! | 9 | logarithm, to base 2, of the items of a run; 0 for a prediction |
//! | 10 | depth of the collection's tree; 0 for a prediction |
//! | 11 to 14 | class of a retrieval, or how many classes count as correct in an audit; else 0 |
//! | 15 to 31 | 0 |
//!
//! Numbers are big-endian. `contracts/src/libraries/VerifyingKey.sol` reads the same.

use assay_graph::QuantizedGraph;

use crate::statement::{AnswerMode, InputMode, MAX_LOG_CLASSIFIED, OutputMode, Run, StatementKind};

/// Bytes of a [`StatementCode`].
pub const STATEMENT_CODE_BYTES: usize = 30;

/// A statement as a verifying key holds it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StatementCode {
    /// What is stated. The class of a retrieval and the rank of an audit are below 2^32.
    pub kind: StatementKind,
    /// Number of output words: of a prediction its classes or logits, of a classification its packed answers,
    /// else 1.
    pub outputs: u32,
}

impl StatementCode {
    /// The code of a statement about a network.
    pub fn of(kind: StatementKind, graph: &QuantizedGraph) -> Self {
        Self { kind, outputs: saturated(kind.outputs(graph)) }
    }

    /// See the module's table.
    pub fn to_bytes(self) -> [u8; STATEMENT_CODE_BYTES] {
        let none = Run { log_items: 0, depth: 0 };
        let (kind, input, shown, run, parameter) = match self.kind {
            StatementKind::Prediction { input, output } => {
                let input = match input {
                    InputMode::Committed => 0,
                    InputMode::Public => 1,
                };
                let shown = match output {
                    OutputMode::Class => 1,
                    OutputMode::Best(_) => 2,
                    OutputMode::Scored(_) => 9,
                    OutputMode::Logits => 3,
                    OutputMode::Commitment => 8,
                };
                (1, input, shown, none, 0)
            }
            StatementKind::Audit { run, top } => (2, 0, 4, run, top),
            StatementKind::Retrieval { run, class } => (3, 0, 5, run, class),
            StatementKind::Classification { run, answers } => {
                let shown = match answers {
                    AnswerMode::Classes => 6,
                    AnswerMode::Numbers => 7,
                };
                (4, 0, shown, run, 0)
            }
        };
        let mut bytes = [0; STATEMENT_CODE_BYTES];
        let [outputs_at, parameter_at] = [3, 9];
        bytes[..3].copy_from_slice(&[kind, input, shown]);
        bytes[outputs_at..outputs_at + 4].copy_from_slice(&self.outputs.to_be_bytes());
        // Runs of valid statements are far below 2^32 items in trees at most 32 deep.
        bytes[7] = run.log_items.min(255) as u8;
        bytes[8] = run.depth.min(255) as u8;
        bytes[parameter_at..parameter_at + 4].copy_from_slice(&saturated(parameter).to_be_bytes());
        bytes
    }

    /// Reads what [`Self::to_bytes`] writes; `None` for anything else.
    pub fn from_bytes(bytes: &[u8; STATEMENT_CODE_BYTES]) -> Option<Self> {
        let word = |at: usize| -> u32 {
            bytes.iter().skip(at).take(4).fold(0, |value, byte| value << 8 | u32::from(*byte))
        };
        let (outputs, parameter) = (word(3), word(9) as usize);
        let [kind, input, shown, _, _, _, _, log_items, depth, ..] = *bytes;
        let run = Run { log_items: u32::from(log_items), depth: u32::from(depth) };
        let kind = match (kind, shown) {
            (1, _) => StatementKind::Prediction {
                input: if input == 0 { InputMode::Committed } else { InputMode::Public },
                output: match shown {
                    1 => OutputMode::Class,
                    2 => OutputMode::Best(outputs as usize),
                    3 => OutputMode::Logits,
                    8 if outputs == 1 => OutputMode::Commitment,
                    9 if outputs % 2 == 0 => OutputMode::Scored(outputs as usize / 2),
                    _ => return None,
                },
            },
            (2, 4) => StatementKind::Audit { run, top: parameter },
            (3, 5) => StatementKind::Retrieval { run, class: parameter },
            (4, 6 | 7) if run.log_items <= MAX_LOG_CLASSIFIED => {
                let answers = if shown == 6 { AnswerMode::Classes } else { AnswerMode::Numbers };
                if outputs as usize != run.answer_words() {
                    return None;
                }
                StatementKind::Classification { run, answers }
            }
            _ => return None,
        };
        let code = Self { kind, outputs };
        // One way to write each: what is left out above is zero.
        (code.to_bytes() == *bytes && outputs > 0).then_some(code)
    }
}

fn saturated(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn codes() -> Vec<StatementCode> {
        let run = Run { log_items: 6, depth: 10 };
        let prediction = |input, output, outputs| StatementCode {
            kind: StatementKind::Prediction { input, output },
            outputs,
        };
        vec![
            prediction(InputMode::Committed, OutputMode::Class, 1),
            prediction(InputMode::Public, OutputMode::Class, 1),
            prediction(InputMode::Committed, OutputMode::Best(5), 5),
            prediction(InputMode::Committed, OutputMode::Scored(3), 6),
            prediction(InputMode::Public, OutputMode::Scored(1), 2),
            prediction(InputMode::Committed, OutputMode::Logits, 1000),
            prediction(InputMode::Committed, OutputMode::Commitment, 1),
            prediction(InputMode::Public, OutputMode::Commitment, 1),
            StatementCode { kind: StatementKind::Audit { run, top: 5 }, outputs: 1 },
            StatementCode { kind: StatementKind::Retrieval { run, class: 70_000 }, outputs: 1 },
            classification(AnswerMode::Classes),
            classification(AnswerMode::Numbers),
        ]
    }

    /// The answers of 64 items.
    fn classification(answers: AnswerMode) -> StatementCode {
        let run = Run { log_items: 6, depth: 10 };
        StatementCode { kind: StatementKind::Classification { run, answers }, outputs: 5 }
    }

    #[test]
    fn every_statement_has_a_code_of_its_own() {
        let all: std::collections::BTreeSet<_> =
            codes().iter().map(|code| code.to_bytes()).collect();
        assert_eq!(all.len(), codes().len());
        for code in codes() {
            assert_eq!(StatementCode::from_bytes(&code.to_bytes()), Some(code));
        }
    }

    #[test]
    fn a_code_has_the_places_that_contracts_read() {
        let run = Run { log_items: 6, depth: 10 };
        let kind = StatementKind::Retrieval { run, class: 258 };
        let bytes = StatementCode { kind, outputs: 1 }.to_bytes();
        let expected = [3, 0, 5, 0, 0, 0, 1, 6, 10, 0, 0, 1, 2];
        assert_eq!(bytes[..13], expected);
        assert_eq!(bytes[13..], [0; 17]);
        let bytes = classification(AnswerMode::Classes).to_bytes();
        assert_eq!(bytes[..9], [4, 0, 6, 0, 0, 0, 5, 6, 10]);
        assert_eq!(bytes[9..], [0; 21]);
        assert_eq!(classification(AnswerMode::Numbers).to_bytes()[2], 7);
    }

    #[test]
    fn a_classification_has_as_many_words_as_its_items_take() {
        for (log_items, words) in [(0, 1), (3, 1), (4, 2), (8, 18)] {
            let run = Run { log_items, depth: 20 };
            let kind = StatementKind::Classification { run, answers: AnswerMode::Classes };
            for outputs in 1..20 {
                let code = StatementCode { kind, outputs };
                let read = StatementCode::from_bytes(&code.to_bytes());
                assert_eq!(read.is_some(), outputs == words, "2^{log_items} items: {outputs}");
            }
        }
    }

    #[test]
    fn other_bytes_are_no_code() {
        for code in codes() {
            let bytes = code.to_bytes();
            for at in 0..STATEMENT_CODE_BYTES {
                let mut other = bytes;
                other[at] ^= 0x80;
                // Another number of logits, class or run is another statement; all else is none.
                let read = StatementCode::from_bytes(&other);
                assert!(read.is_none_or(|read| read != code && read.to_bytes() == other), "{at}");
            }
        }
        assert_eq!(StatementCode::from_bytes(&[0; STATEMENT_CODE_BYTES]), None);
    }
}
