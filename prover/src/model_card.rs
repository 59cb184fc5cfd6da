//! The model card: the one public file of a model, which its seller publishes and a buyer checks.
//!
//! Everything in a card is a claim. [`ModelCard::check`] sees that the claims agree with the architecture that
//! the card holds; that the verifying key is that of the architecture is seen by making it again
//! ([`crate::recomputed_key`]), and that a chain holds what the card says, by comparing it there.

use std::{fs, io, path::Path, path::PathBuf};

use serde::{Deserialize, Serialize};

use assay_circuit::{
    AnswerMode, Architecture, ArchitectureError, InputMode, Layout, OutputMode, StatementKind,
};
use assay_files::atomic_file::{self, Readers};
use assay_graph::{Shape, ValueEncoding};

/// First field of every card.
pub const CARD_FORMAT: &str = "assay-model-card-1";
/// Largest card that is read, in bytes: the tables of large networks take some tens of megabytes.
const MOST_BYTES: u64 = 1 << 28;

/// Why a card is not usable.
#[derive(Debug, thiserror::Error)]
pub enum CardError {
    /// The card cannot be read or written.
    #[error("cannot {action} {path}: {source}")]
    File {
        /// `read` or `write`.
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// No card, or one of another version.
    #[error("{path} is no model card of this version ({CARD_FORMAT}): {reason}")]
    Format {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// The architecture in it has no circuit.
    #[error("the card's architecture is not usable: {0}")]
    Architecture(#[from] ArchitectureError),
    /// A text with control characters.
    #[error("the card's text \"{text}\" has control characters; do not rely on it")]
    Text {
        /// The text, with these written out.
        text: String,
    },
    /// An owner that is no account.
    #[error("the card's owner \"{owner}\" is no account (0x and 40 digits), nor left open")]
    Owner {
        /// What stands there.
        owner: String,
    },
    /// A claim is not what follows from the architecture.
    #[error(
        "the card contradicts itself: its {what} is {claimed}, by its architecture it is {derived}; do \
         not rely on it"
    )]
    Contradiction {
        /// Which claim.
        what: &'static str,
        /// As the card has it.
        claimed: String,
        /// As it follows.
        derived: String,
    },
}

/// A word of 32 bytes: `0x` and 64 hexadecimal digits in JSON.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Word(pub [u8; 32]);

impl std::fmt::Display for Word {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "0x{}", hex::encode(self.0))
    }
}

impl Serialize for Word {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Word {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let mut bytes = [0; 32];
        text.strip_prefix("0x")
            .and_then(|digits| hex::decode_to_slice(digits, &mut bytes).ok())
            .ok_or_else(|| serde::de::Error::custom(format!("{text:?} is not 0x and 64 digits")))?;
        Ok(Self(bytes))
    }
}

/// What a seller publishes of a model.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ModelCard {
    /// [`CARD_FORMAT`].
    pub format: String,
    /// Name of the network.
    pub name: String,
    /// `prediction`, `audit` or `retrieval`.
    pub statement: String,
    /// Keccak-256 of the published architecture.
    pub circuit_hash: Word,
    /// Keccak-256 of the points that commit to the weights.
    pub model_hash: Word,
    /// Hash of the verifying key.
    pub vk_hash: Word,
    /// Parameters that the key was made with.
    pub setup: CardSetup,
    /// The verifier contract.
    pub verifier: CardVerifier,
    /// What goes in.
    pub input: CardInput,
    /// What comes out.
    pub output: CardOutput,
    /// Proofs that may be made with the bundle that the card was made from.
    pub openings: usize,
    /// Who registered the model: `0x` and 40 digits, or empty where that is left open.
    #[serde(default)]
    pub owner: String,
    /// Terms of use.
    #[serde(default)]
    pub licence: String,
    /// Where more is found.
    #[serde(default)]
    pub links: Vec<String>,
    /// The network without its weights, and its circuit's options.
    pub architecture: Architecture,
}

/// The setup of a key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CardSetup {
    /// Keccak-256 of `[s]_2`.
    pub id: Word,
    /// The ceremony that it is of, for people: the id decides.
    pub ceremony: Option<String>,
    /// The circuit has 2^k rows.
    pub k: u32,
}

/// The verifier contract of a key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CardVerifier {
    /// Digest of the column profile.
    pub profile: Word,
    /// EXTCODEHASH of the contract; absent where it was not compiled.
    pub code_hash: Option<Word>,
}

/// A model's input.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CardInput {
    /// `[channels, height, width]`, a byte each.
    pub shape: Shape,
    /// A byte b stands for `b * byte_scale + byte_offset`.
    pub byte_scale: f64,
    /// See `byte_scale`.
    pub byte_offset: f64,
    /// Where each channel of numbers has a scale of its own: bytes of a number, scales, offsets, and
    /// whether numbers beyond them become the nearest end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub values: Option<ValueEncoding>,
    /// `committed` or `public`.
    pub mode: String,
}

/// A model's output.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CardOutput {
    /// What a proof shows: `class`, `best:K`, `logits`, `number correct` or `bitmap`.
    pub shows: String,
    /// Logits, or classes.
    pub classes: usize,
    /// One step of a logit stands for this real number.
    pub step: f64,
    /// What the float network does after the logits, and the proven one does not.
    pub left_out: Option<String>,
    /// Names of the classes, in their order; may be empty.
    #[serde(default)]
    pub names: Vec<String>,
    /// Where a proof shows the outputs' numbers, how far each may be off the float network's, in real units:
    /// what the samples of the import showed, not proven. Empty where that is not known.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub bounds: Vec<f64>,
}

/// What of a card does not follow from the architecture.
#[derive(Clone, Debug, PartialEq)]
pub struct CardClaims {
    /// Keccak-256 of the points that commit to the weights.
    pub model_hash: [u8; 32],
    /// Hash of the verifying key.
    pub vk_hash: [u8; 32],
    /// Keccak-256 of the setup's point.
    pub setup_id: [u8; 32],
    /// Name of the ceremony.
    pub ceremony: Option<String>,
    /// Digest of the column profile.
    pub profile: [u8; 32],
    /// EXTCODEHASH of the verifier contract.
    pub code_hash: Option<[u8; 32]>,
    /// Proofs that may be made.
    pub openings: usize,
    /// What was left out of the float network's output.
    pub left_out: Option<String>,
    /// How far each output may be off; see [`CardOutput::bounds`].
    pub bounds: Vec<f64>,
}

impl ModelCard {
    /// A card without owner, names, licence and links.
    ///
    /// # Errors
    /// [`CardError::Architecture`].
    pub fn new(architecture: Architecture, claims: CardClaims) -> Result<Self, CardError> {
        let layout = architecture.layout()?;
        let shows_numbers = match architecture.options.statement {
            StatementKind::Prediction { output, .. } => {
                use OutputMode::{Commitment, Logits, Scored};
                matches!(output, Logits | Commitment | Scored(_))
            }
            StatementKind::Classification { answers, .. } => answers == AnswerMode::Numbers,
            _ => false,
        };
        let bounds = if shows_numbers { claims.bounds } else { Vec::new() };
        Ok(Self {
            format: CARD_FORMAT.to_owned(),
            name: architecture.graph.name.clone(),
            statement: layout.options.statement.name().to_owned(),
            circuit_hash: Word(architecture.circuit_hash()),
            model_hash: Word(claims.model_hash),
            vk_hash: Word(claims.vk_hash),
            setup: CardSetup { id: Word(claims.setup_id), ceremony: claims.ceremony, k: layout.k },
            verifier: CardVerifier {
                profile: Word(claims.profile),
                code_hash: claims.code_hash.map(Word),
            },
            input: input_of(&architecture),
            output: CardOutput { left_out: claims.left_out, bounds, ..output_of(&architecture) },
            openings: claims.openings,
            owner: String::new(),
            licence: String::new(),
            links: Vec::new(),
            architecture,
        })
    }

    /// Reads a card and checks it against itself; returns the layout of its circuit, too.
    ///
    /// # Errors
    /// [`CardError`].
    pub fn read(path: &Path) -> Result<(Self, Layout), CardError> {
        let failed = |source| CardError::File { action: "read", path: path.to_owned(), source };
        let format = |reason: String| CardError::Format { path: path.to_owned(), reason };
        let bytes = fs::metadata(path).map_err(failed)?.len();
        if bytes > MOST_BYTES {
            return Err(format(format!("it has {bytes} bytes, more than {MOST_BYTES}")));
        }
        let text = fs::read(path).map_err(failed)?;
        let card: Self =
            serde_json::from_slice(&text).map_err(|error| format(error.to_string()))?;
        if card.format != CARD_FORMAT {
            return Err(format(format!("it says {:?}", card.format)));
        }
        let layout = card.check()?;
        Ok((card, layout))
    }

    /// Writes the card where nothing may be, or over what is there.
    ///
    /// # Errors
    /// [`CardError::File`].
    pub fn write(&self, path: &Path, replace: bool) -> Result<(), CardError> {
        let failed = |source| CardError::File { action: "write", path: path.to_owned(), source };
        let text = serde_json::to_vec_pretty(self).map_err(|error| failed(error.into()))?;
        let write = if replace { atomic_file::write } else { atomic_file::write_new };
        write(path, Readers::Everyone, &text).map_err(failed)
    }

    /// What the seller writes freely: an owner is an account or is left open, and no text has control
    /// characters, which would change what a terminal shows.
    fn check_texts(&self) -> Result<(), CardError> {
        let texts = [&self.name, &self.licence, &self.statement, &self.output.shows];
        let more = self.links.iter().chain(&self.output.names).chain(&self.output.left_out);
        let more = more.chain(&self.setup.ceremony);
        if let Some(text) =
            texts.into_iter().chain(more).find(|text| text.contains(char::is_control))
        {
            return Err(CardError::Text { text: text.escape_default().to_string() });
        }
        if self.owner.is_empty() || is_address(&self.owner) {
            return Ok(());
        }
        Err(CardError::Owner { owner: self.owner.escape_default().to_string() })
    }

    /// Compares what the card says with what follows from its architecture.
    ///
    /// # Errors
    /// [`CardError::Architecture`], [`CardError::Contradiction`].
    pub fn check(&self) -> Result<Layout, CardError> {
        let layout = self.architecture.layout()?;
        let statement = layout.options.statement.name();
        let circuit = Word(self.architecture.circuit_hash());
        let (input, output) = (input_of(&self.architecture), output_of(&self.architecture));
        let claims: [(&str, String, String); 8] = [
            ("circuit hash", self.circuit_hash.to_string(), circuit.to_string()),
            ("statement", self.statement.clone(), statement.to_owned()),
            ("name", self.name.clone(), self.architecture.graph.name.clone()),
            ("number of rows", format!("2^{}", self.setup.k), format!("2^{}", layout.k)),
            ("input", format!("{:?}", self.input), format!("{input:?}")),
            ("output", self.output.shows.clone(), output.shows),
            ("number of classes", self.output.classes.to_string(), output.classes.to_string()),
            ("step of a logit", self.output.step.to_string(), output.step.to_string()),
        ];
        for (what, claimed, derived) in claims {
            if claimed != derived {
                return Err(CardError::Contradiction { what, claimed, derived });
            }
        }
        self.check_texts()?;
        let (names, classes) = (self.output.names.len(), self.output.classes);
        if names != 0 && names != classes {
            return Err(CardError::Contradiction {
                what: "number of class names",
                claimed: names.to_string(),
                derived: classes.to_string(),
            });
        }
        let bounds = &self.output.bounds;
        let usable = bounds.iter().all(|bound| bound.is_finite() && *bound >= 0.0);
        if !bounds.is_empty() && (bounds.len() != classes || !usable) {
            return Err(CardError::Contradiction {
                what: "number of error bounds",
                claimed: format!("{bounds:?}"),
                derived: classes.to_string(),
            });
        }
        Ok(layout)
    }
}

/// `0x` and 40 hexadecimal digits.
fn is_address(text: &str) -> bool {
    let digits = text.strip_prefix("0x").unwrap_or_default();
    digits.len() == 40 && digits.bytes().all(|digit| digit.is_ascii_hexdigit())
}

fn input_of(architecture: &Architecture) -> CardInput {
    let (graph, statement) = (&architecture.graph, architecture.options.statement);
    let is_public = matches!(statement, StatementKind::Prediction { input: InputMode::Public, .. });
    CardInput {
        shape: graph.tensors[graph.input.tensor].shape,
        byte_scale: graph.input.byte_scale,
        byte_offset: graph.input.byte_offset,
        values: graph.input.values.clone(),
        mode: if is_public { "public" } else { "committed" }.to_owned(),
    }
}

/// Without what was left out, and without names.
fn output_of(architecture: &Architecture) -> CardOutput {
    let graph = &architecture.graph;
    let shows = match architecture.options.statement {
        StatementKind::Prediction { output: OutputMode::Class, .. } => "class".to_owned(),
        StatementKind::Prediction { output: OutputMode::Best(count), .. } => {
            format!("best:{count}")
        }
        StatementKind::Prediction { output: OutputMode::Scored(count), .. } => {
            format!("scores:{count}")
        }
        StatementKind::Prediction { output: OutputMode::Logits, .. } => "logits".to_owned(),
        StatementKind::Prediction { output: OutputMode::Commitment, .. } => "commitment".to_owned(),
        StatementKind::Audit { top, .. } => format!("number correct, top-{top}"),
        StatementKind::Retrieval { class, .. } => format!("bitmap of class {class}"),
        StatementKind::Classification { answers: AnswerMode::Classes, .. } => {
            "class of each item".to_owned()
        }
        StatementKind::Classification { answers: AnswerMode::Numbers, .. } => {
            "number of each item".to_owned()
        }
    };
    let tensor = &graph.tensors[graph.output];
    CardOutput {
        shows,
        classes: tensor.shape[0],
        step: 1.0 / tensor.scale,
        left_out: None,
        names: Vec::new(),
        bounds: Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bundle::Bundle;
    use assay_circuit::PlanRequest;
    use assay_testing::networks::mixed_network;

    fn card() -> ModelCard {
        let bundle = Bundle::new(mixed_network().0, PlanRequest::default()).expect("bundle");
        let claims = CardClaims {
            model_hash: [1; 32],
            vk_hash: [2; 32],
            setup_id: [3; 32],
            ceremony: None,
            profile: [4; 32],
            code_hash: Some([5; 32]),
            openings: 7,
            left_out: Some("Softmax".to_owned()),
            bounds: Vec::new(),
        };
        ModelCard::new(bundle.architecture(), claims).expect("card")
    }

    #[test]
    fn a_card_survives_its_file_and_replaces_none() {
        let folder = tempfile::tempdir().expect("folder");
        let path = folder.path().join("card.json");
        let card = card();
        card.write(&path, false).expect("written");
        let (read, layout) = ModelCard::read(&path).expect("read");
        assert_eq!((&read, layout.k), (&card, card.setup.k));
        assert_eq!(read.architecture.circuit_hash(), card.circuit_hash.0);
        let error = card.write(&path, false).expect_err("exists");
        assert!(matches!(error, CardError::File { action: "write", .. }));
        card.write(&path, true).expect("replaced");
    }

    #[test]
    fn a_claim_that_does_not_follow_is_named() {
        type Change = fn(&mut ModelCard);
        let changes: [(&str, Change); 11] = [
            ("circuit hash", |card| card.circuit_hash = Word([9; 32])),
            ("statement", |card| card.statement = "audit".to_owned()),
            ("name", |card| card.name.push('x')),
            ("number of rows", |card| card.setup.k += 1),
            ("input", |card| card.input.byte_offset += 1.0),
            ("output", |card| card.output.shows = "logits".to_owned()),
            ("number of classes", |card| card.output.classes += 1),
            ("step of a logit", |card| card.output.step *= 2.0),
            ("number of class names", |card| card.output.names.push("cat".to_owned())),
            ("number of error bounds", |card| card.output.bounds = vec![0.5]),
            ("number of error bounds", |card| card.output.bounds = vec![-1.0; card.output.classes]),
        ];
        for (name, change) in changes {
            let mut changed = card();
            change(&mut changed);
            match changed.check() {
                Err(CardError::Contradiction { what, .. }) => assert_eq!(what, name),
                other => panic!("{name}: {:?}", other.map(|layout| layout.k)),
            }
        }
        // An architecture changed behind the card's back changes the circuit's hash.
        let mut changed = card();
        *changed.architecture.graph.functions[0].values.last_mut().expect("a table") -= 1;
        let error = changed.check().map(|layout| layout.k).expect_err("another circuit");
        assert!(matches!(error, CardError::Contradiction { what: "circuit hash", .. }), "{error}");
    }

    #[test]
    fn owners_are_accounts_and_texts_are_lines() {
        let mut changed = card();
        changed.owner = format!("0x{}", "3c".repeat(20));
        changed.check().map(|_| ()).expect("an account");
        for owner in ["0x3c", "3c", "0x", &format!("0x{}", "3g".repeat(20))] {
            changed.owner = owner.to_owned();
            assert!(matches!(changed.check(), Err(CardError::Owner { .. })), "{owner}");
        }
        let mut changed = card();
        changed.licence = "MIT\nverdict  good".to_owned();
        assert!(matches!(changed.check(), Err(CardError::Text { .. })));
        let mut changed = card();
        changed.links.push("\u{1b}[2J".to_owned());
        assert!(matches!(changed.check(), Err(CardError::Text { .. })));
    }

    #[test]
    fn other_files_are_no_cards() {
        let folder = tempfile::tempdir().expect("folder");
        let path = folder.path().join("card.json");
        let mut other = card();
        other.format = "assay-model-card-9".to_owned();
        other.write(&path, true).expect("written");
        assert!(matches!(ModelCard::read(&path), Err(CardError::Format { .. })));
        for text in ["", "{}", "[]", "\u{0}", &"[".repeat(100_000)] {
            fs::write(&path, text).expect("written");
            assert!(matches!(ModelCard::read(&path), Err(CardError::Format { .. })));
        }
        assert!(matches!(ModelCard::read(folder.path()), Err(CardError::File { .. })));
    }
}
