//! The bundle: a seller's secret file with the quantized network, the layout it is proven in, and
//! the seed that blinds the commitment to its weights; and the architecture, its public part.

use std::{
    fs::{File, OpenOptions},
    io::{Read, Seek, SeekFrom, Write},
    path::{Path, PathBuf},
};

use halo2_proofs::halo2curves::bn256::Fr;
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;
use serde::{Deserialize, Serialize};

use assay_arithmetic::{keccak256, weight_columns::BlindingSeed};
pub use assay_circuit::Architecture;
use assay_circuit::{ArchitectureError, Layout, LayoutError, LayoutOptions, PlanRequest, plan};
use assay_files::Readers;
use assay_files::{FileError, Kind, envelope};
use assay_graph::{GraphError, QuantizedGraph};

const BUNDLE: Kind =
    Kind { magic: *b"ASSAYBDL", version: 2, name: "model bundle", readers: Readers::Owner };

/// Why a bundle cannot be made, read or used.
#[derive(Debug, thiserror::Error)]
pub enum BundleError {
    /// The bundle cannot be read or written, or is damaged.
    #[error(transparent)]
    File(#[from] FileError),
    /// The content is no bundle, or no architecture.
    #[error("{path} is no usable bundle or architecture: {problem}")]
    Content {
        /// The file.
        path: PathBuf,
        /// What is wrong with its content.
        problem: String,
    },
    /// The network breaks a rule.
    #[error("the quantized network is not valid: {0}")]
    Graph(#[from] GraphError),
    /// No circuit can be laid out for the network and the statement.
    #[error(transparent)]
    Layout(#[from] LayoutError),
    /// The architecture does not describe a valid network.
    #[error(transparent)]
    Architecture(#[from] ArchitectureError),
    /// The file that counts openings cannot be read, locked or written.
    #[error("cannot keep the count of openings in {path}: {source}")]
    Counter {
        /// That file, `<bundle>.openings`.
        path: PathBuf,
        /// What the operating system says.
        source: std::io::Error,
    },
    /// The file that counts openings does not hold a number.
    #[error(
        "{path} says {found:?}, which is no count of openings; restore it from a backup, or import \
         the model again under a new seed"
    )]
    CounterContent {
        /// That file, `<bundle>.openings`.
        path: PathBuf,
        /// What it holds.
        found: String,
    },
    /// No opening of the weights is left.
    #[error(
        "all {budget} openings of this bundle are used; a further proof could reveal the weights. If \
         another bundle of the model has openings left, derive a new one from it; else import the \
         model again: a new seed gives it a new commitment"
    )]
    BudgetSpent {
        /// Openings that the bundle had in all.
        budget: usize,
    },
    /// There is something where the derived bundle or its count would go.
    #[error("{path} exists; a derived bundle replaces nothing, as openings would be lost")]
    Exists {
        /// The file that is there.
        path: PathBuf,
    },
    /// Fewer openings are left than a derived bundle shall have.
    #[error("{asked} openings of the weights are asked for, the bundle has {left} left")]
    BudgetTooSmall {
        /// Openings asked for.
        asked: usize,
        /// Openings left.
        left: usize,
    },
}

/// A model as its owner keeps it. Secret: it holds the weights and the blinding seed.
pub struct Bundle {
    /// The quantized network, with its weights.
    pub graph: QuantizedGraph,
    /// What the planner chose for its circuit.
    pub options: LayoutOptions,
    /// One for all circuits of the model.
    pub seed: BlindingSeed,
    /// Proofs that may be made with this bundle: its share of the openings that the seed allows.
    pub budget: usize,
}

#[derive(Serialize, Deserialize)]
struct Body {
    graph: QuantizedGraph,
    options: LayoutOptions,
    seed: [u8; 32],
    budget: usize,
}

impl Bundle {
    /// Plans a layout for a network and draws a fresh seed.
    ///
    /// # Errors
    /// [`BundleError::Graph`] and [`BundleError::Layout`].
    pub fn new(graph: QuantizedGraph, request: PlanRequest) -> Result<Self, BundleError> {
        graph.validate()?;
        let options = plan(&graph, request)?.options;
        Ok(Self { graph, options, seed: BlindingSeed::random(), budget: options.openings })
    }

    /// The same model in a circuit for another statement. Its weights lie where this bundle's
    /// circuit has them, so both commit to them with the same points: one model, one hash. `path`
    /// is where this bundle lies, `output` where the new one is written; `budget` of this one's
    /// openings go to it.
    ///
    /// # Errors
    /// [`BundleError::Layout`]; [`BundleError::Exists`] when something lies at `output`;
    /// [`BundleError::BudgetTooSmall`] when fewer openings are left; [`BundleError::File`].
    pub fn derive(
        &self,
        path: &Path,
        output: &Path,
        request: PlanRequest,
        budget: usize,
    ) -> Result<Self, BundleError> {
        let options = self.plan_derived(request)?.options;
        for taken in [output.to_owned(), counter_path(output)] {
            if taken.exists() {
                return Err(BundleError::Exists { path: taken });
            }
        }
        // Written without openings first: they leave this bundle only when there is room on the disk.
        let mut derived = Self { graph: self.graph.clone(), options, seed: self.seed, budget: 0 };
        derived.write(output)?;
        if let Err(error) = self.count_openings(path, budget) {
            let _ = std::fs::remove_file(output);
            return Err(error);
        }
        derived.budget = budget;
        derived.write(output)?;
        Ok(derived)
    }

    /// The circuit that [`Bundle::derive`] would choose.
    ///
    /// # Errors
    /// [`LayoutError`].
    pub fn plan_derived(&self, request: PlanRequest) -> Result<Layout, LayoutError> {
        let place = Layout::new(&self.graph, self.options)?.weights_place();
        plan(&self.graph, PlanRequest { place: Some(place), ..request })
    }

    /// Writes the bundle's file, for its owner's eyes only.
    ///
    /// # Errors
    /// [`BundleError::File`].
    pub fn write(&self, path: &Path) -> Result<(), BundleError> {
        let body = Body {
            graph: self.graph.clone(),
            options: self.options,
            seed: self.seed.0,
            budget: self.budget,
        };
        let bytes = postcard::to_stdvec(&body).map_err(|error| content(path, error))?;
        Ok(envelope::write(path, BUNDLE, &[0; 32], &bytes)?)
    }

    /// Whether a file says that it is a bundle.
    pub fn is_bundle(path: &Path) -> bool {
        let mut magic = [0; BUNDLE.magic.len()];
        let read = File::open(path).and_then(|mut file| file.read_exact(&mut magic));
        read.is_ok() && magic == BUNDLE.magic
    }

    /// Reads a bundle's file and checks its network.
    ///
    /// # Errors
    /// [`BundleError::File`] for a damaged file, [`BundleError::Content`] and
    /// [`BundleError::Graph`] for one that holds something else.
    pub fn read(path: &Path) -> Result<Self, BundleError> {
        let (_, bytes) = envelope::read(path, BUNDLE)?;
        let body: Body = postcard::from_bytes(&bytes).map_err(|error| content(path, error))?;
        body.graph.validate()?;
        let (graph, options, budget) = (body.graph, body.options, body.budget);
        Ok(Self { graph, options, seed: BlindingSeed(body.seed), budget })
    }

    /// The layout of the bundle's circuit.
    ///
    /// # Errors
    /// [`BundleError::Layout`].
    pub fn layout(&self) -> Result<Layout, BundleError> {
        Ok(Layout::new(&self.graph, self.options)?)
    }

    /// The public part.
    pub fn architecture(&self) -> Architecture {
        Architecture::of(&self.graph, self.options)
    }

    /// The weight columns by rows of their domain; see [`Layout::weight_columns`]. The opening rows
    /// are drawn from the seed too.
    pub fn weight_columns(&self, layout: &Layout) -> Vec<Vec<Fr>> {
        let values = keccak256(&[b"assay.opening-values.v1", &self.seed.0]);
        layout.weight_columns(&self.graph, &self.seed, ChaCha20Rng::from_seed(values))
    }

    /// Counts one more proof, on disk, before it is made. The count lies beside the bundle, in
    /// `<bundle>.openings`.
    ///
    /// # Errors
    /// [`BundleError::BudgetSpent`] when the bundle's budget is used up; [`BundleError::Counter`]
    /// when the count cannot be kept.
    pub fn count_opening(&self, bundle: &Path) -> Result<usize, BundleError> {
        self.count_openings(bundle, 1)
    }

    /// Counts openings that are used or given away.
    fn count_openings(&self, bundle: &Path, count: usize) -> Result<usize, BundleError> {
        let path = counter_path(bundle);
        let fail = |source| BundleError::Counter { path: path.clone(), source };
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(&path)
            .map_err(fail)?;
        file.lock().map_err(fail)?;
        let used = read_count(&mut file, &path)?;
        let left = self.budget.saturating_sub(used);
        if left == 0 {
            return Err(BundleError::BudgetSpent { budget: self.budget });
        }
        if count > left {
            return Err(BundleError::BudgetTooSmall { asked: count, left });
        }
        file.seek(SeekFrom::Start(0)).map_err(fail)?;
        // Of fixed width, so that a torn write cannot make the count smaller.
        writeln!(file, "{:08}", used + count).map_err(fail)?;
        file.sync_all().map_err(fail)?;
        Ok(used + count)
    }

    /// Openings that are left: proofs that can be made.
    ///
    /// # Errors
    /// As [`Bundle::count_opening`].
    pub fn openings_left(&self, bundle: &Path) -> Result<usize, BundleError> {
        Ok(self.budget.saturating_sub(Self::openings_used(bundle)?))
    }

    /// Openings used so far: proofs made, and the shares of derived bundles.
    ///
    /// # Errors
    /// As [`Bundle::count_opening`].
    pub fn openings_used(bundle: &Path) -> Result<usize, BundleError> {
        let path = counter_path(bundle);
        match File::open(&path) {
            Ok(mut file) => read_count(&mut file, &path),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(0),
            Err(source) => Err(BundleError::Counter { path, source }),
        }
    }
}

/// Reads a published architecture; `path` names it in errors.
///
/// # Errors
/// [`BundleError::Content`] when the text is no architecture, or describes no valid network.
pub fn architecture_from_json(path: &Path, text: &str) -> Result<Architecture, BundleError> {
    Architecture::from_json(text).map_err(|error| content(path, error))
}

fn counter_path(bundle: &Path) -> PathBuf {
    let mut name = bundle.as_os_str().to_owned();
    name.push(".openings");
    PathBuf::from(name)
}

fn read_count(file: &mut File, path: &Path) -> Result<usize, BundleError> {
    let mut text = String::new();
    file.read_to_string(&mut text)
        .map_err(|source| BundleError::Counter { path: path.to_owned(), source })?;
    if text.is_empty() {
        return Ok(0);
    }
    text.trim()
        .parse()
        .map_err(|_| BundleError::CounterContent { path: path.to_owned(), found: text })
}

fn content(path: &Path, problem: impl std::fmt::Display) -> BundleError {
    BundleError::Content { path: path.to_owned(), problem: problem.to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use assay_testing::networks::mixed_network;

    #[test]
    fn survives_the_disk_and_hides_weights_from_the_architecture() {
        let folder = tempfile::tempdir().expect("folder");
        let path = folder.path().join("bundle");
        let bundle = Bundle::new(mixed_network().0, PlanRequest::default()).expect("bundle");
        bundle.write(&path).expect("write");
        let again = Bundle::read(&path).expect("read");
        assert_eq!((again.graph.clone(), again.options), (bundle.graph.clone(), bundle.options));
        let architecture = again.architecture();
        assert!(!architecture.to_json().contains("\"weights\":[1"));
        let back = architecture_from_json(&path, &architecture.to_json()).expect("parses");
        assert_eq!(back, architecture);
        let mut broken = architecture.clone();
        broken.graph.output = 1000;
        assert!(matches!(broken.layout(), Err(ArchitectureError::Graph(_))));
        broken.graph.input.tensor = 1000;
        let refused = architecture_from_json(&path, &broken.to_json());
        assert!(matches!(refused, Err(BundleError::Content { .. })));
        let (a, b) = (back.layout().expect("layout"), bundle.layout().expect("layout"));
        assert_eq!((a.k, a.profile, a.rows), (b.k, b.profile, b.rows));
    }

    #[test]
    fn openings_are_counted_and_end() {
        let folder = tempfile::tempdir().expect("folder");
        let path = folder.path().join("bundle");
        let request = PlanRequest { openings: Some(2), ..PlanRequest::default() };
        let bundle = Bundle::new(mixed_network().0, request).expect("bundle");
        assert_eq!(Bundle::openings_used(&path).expect("count"), 0);
        assert_eq!(bundle.count_opening(&path).expect("first"), 1);
        assert_eq!(bundle.count_opening(&path).expect("second"), 2);
        assert!(matches!(bundle.count_opening(&path), Err(BundleError::BudgetSpent { budget: 2 })));
        std::fs::write(counter_path(&path), "many").expect("write");
        assert!(matches!(bundle.count_opening(&path), Err(BundleError::CounterContent { .. })));
    }

    #[test]
    fn a_damaged_bundle_is_named() {
        let folder = tempfile::tempdir().expect("folder");
        let path = folder.path().join("bundle");
        let bundle = Bundle::new(mixed_network().0, PlanRequest::default()).expect("bundle");
        bundle.write(&path).expect("write");
        let mut bytes = std::fs::read(&path).expect("read");
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        std::fs::write(&path, &bytes).expect("write");
        let message = Bundle::read(&path).err().expect("refused").to_string();
        assert!(message.contains("damaged") && message.contains("bundle"), "{message}");
        std::fs::write(&path, &bytes[..40]).expect("write");
        assert!(Bundle::read(&path).is_err());
    }
}
