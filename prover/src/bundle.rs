//! The bundle: a seller's secret file with the quantized network, the layout it is proven in, and
//! the seed that blinds the commitment to its weights; and the architecture, its public part.

use std::{
    fs::File,
    io::Read,
    path::{Path, PathBuf},
};

use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;
use serde::{Deserialize, Serialize};

use assay_arithmetic::{keccak256, weight_columns::BlindingSeed};
pub use assay_circuit::Architecture;
use assay_circuit::{
    ArchitectureError, Layout, LayoutError, LayoutOptions, PlanRequest, SmallColumn, plan,
};
use assay_files::Readers;
use assay_files::{FileError, Kind, envelope};
use assay_graph::{GraphError, InputOrder, InputPart, QuantizedGraph, ValueEncoding};
use assay_import::model::FinalOperator;

use crate::openings::{BundleId, Marks, Openings, OpeningsError, counter_path};

const BUNDLE: Kind =
    Kind { magic: *b"ASSAYBDL", version: 5, name: "model bundle", readers: Readers::Owner };

/// The version before, which does not say the sizes of the file's inputs nor how far outputs are off.
const BEFORE: Kind = Kind { version: 4, ..BUNDLE };
/// The one before that, whose inputs have one scale.
const FIRST: Kind = Kind { version: 3, ..BUNDLE };

/// Why a bundle cannot be made, read or used.
#[derive(Debug, thiserror::Error)]
pub enum BundleError {
    /// The bundle cannot be read or written, or is damaged.
    #[error(transparent)]
    File(FileError),
    /// A bundle of another version of the software.
    #[error(
        "{path} is a bundle of format version {found}, this program reads version {expected}: import the model \
         again (a new seed, a new commitment) and register it anew"
    )]
    Version {
        /// The bundle.
        path: PathBuf,
        /// Version in the file.
        found: u32,
        /// Version of this program.
        expected: u32,
    },
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
    /// The openings cannot be counted, or are used.
    #[error(transparent)]
    Openings(#[from] OpeningsError),
    /// There is something where the bundle or its counter would go.
    #[error(
        "{path} exists; a bundle replaces nothing: a model whose bundle is gone can never be proven again, and \
         its openings would be lost. Choose another name"
    )]
    Exists {
        /// The file that is there.
        path: PathBuf,
    },
}

impl From<FileError> for BundleError {
    fn from(error: FileError) -> Self {
        match error {
            FileError::Version { path, found, expected, .. } => {
                Self::Version { path, found, expected }
            }
            FileError::Exists { path } => Self::Exists { path },
            other => Self::File(other),
        }
    }
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
    /// What the bundle's counter and marks know it by; another one in each derived bundle.
    pub id: BundleId,
    /// What the imported file computes after the logits, in its order. No circuit proves it, so it is not
    /// part of the architecture: the logits' largest, and their order, are the same without it.
    pub dropped: Vec<FinalOperator>,
    /// How far each output may be off the imported file's, in real units, by what the samples of its import
    /// showed: measured, not proven. Empty where it is not known, as in bundles of versions before.
    pub bounds: Vec<f64>,
}

/// What every version has.
#[derive(Serialize, Deserialize)]
struct Core {
    graph: QuantizedGraph,
    options: LayoutOptions,
    seed: [u8; 32],
    budget: usize,
    id: BundleId,
    dropped: Vec<FinalOperator>,
}

/// Of what the binary form of the graph's input leaves out, what version 4 has.
#[derive(Default, Serialize, Deserialize)]
struct Encoded {
    values: Option<ValueEncoding>,
    parts: Vec<InputPart>,
    order: Option<InputOrder>,
}

/// What this version adds.
#[derive(Default, Serialize, Deserialize)]
struct Added {
    sizes: Vec<Vec<usize>>,
    bounds: Vec<f64>,
}

/// In the file one follows the other, so that a version before is a beginning of this one.
type Body = (Core, Encoded, Added);

impl Bundle {
    /// Plans a layout for a network and draws a fresh seed and id.
    ///
    /// # Errors
    /// [`BundleError::Graph`] and [`BundleError::Layout`].
    pub fn new(graph: QuantizedGraph, request: PlanRequest) -> Result<Self, BundleError> {
        graph.validate()?;
        let options = plan(&graph, request)?.options;
        Ok(Self {
            graph,
            options,
            seed: BlindingSeed::random(),
            budget: options.openings,
            id: BundleId::random(),
            dropped: Vec::new(),
            bounds: Vec::new(),
        })
    }

    /// The same model in a circuit for another statement. Its weights lie where this bundle's
    /// circuit has them, so both commit to them with the same points: one model, one hash. `path`
    /// is where this bundle lies, `output` where the new one is written; `budget` of this one's
    /// openings go to it. Returns how many this one has left, too.
    ///
    /// # Errors
    /// [`BundleError::Layout`]; [`BundleError::Exists`] when something lies at `output`;
    /// [`BundleError::Openings`], for instance when fewer are left; [`BundleError::File`].
    pub fn derive(
        &self,
        path: &Path,
        output: &Path,
        request: PlanRequest,
        budget: usize,
        marks: &Marks,
    ) -> Result<(Self, usize), BundleError> {
        let options = self.plan_derived(request)?.options;
        let derived = Self {
            graph: self.graph.clone(),
            options,
            seed: self.seed,
            budget,
            id: BundleId::random(),
            dropped: self.dropped.clone(),
            bounds: self.bounds.clone(),
        };
        // All is on the disk before the openings leave this bundle, and they are used after that only.
        let openings = derived.write(output, marks, false)?;
        let left = self.openings(path, marks).share(derived.id, budget).inspect_err(|_| {
            let _ = std::fs::remove_file(output);
            openings.forget();
        })?;
        openings.begin()?;
        Ok((derived, left))
    }

    /// The circuit that [`Bundle::derive`] would choose.
    ///
    /// # Errors
    /// [`LayoutError`].
    pub fn plan_derived(&self, request: PlanRequest) -> Result<Layout, LayoutError> {
        let place = Layout::new(&self.graph, self.options)?.weights_place();
        plan(&self.graph, PlanRequest { place: Some(place), ..request })
    }

    /// Writes the bundle's file, for its owner's eyes only, and its counter, where neither may be.
    ///
    /// # Errors
    /// [`BundleError::Exists`], [`BundleError::File`], [`BundleError::Openings`].
    pub fn create(&self, path: &Path, marks: &Marks) -> Result<Openings, BundleError> {
        self.write(path, marks, true)
    }

    /// The same; without `at_once` nothing can be proven before [`Openings::begin`].
    fn write(&self, path: &Path, marks: &Marks, at_once: bool) -> Result<Openings, BundleError> {
        let core = Core {
            graph: self.graph.clone(),
            options: self.options,
            seed: self.seed.0,
            budget: self.budget,
            id: self.id,
            dropped: self.dropped.clone(),
        };
        let input = &self.graph.input;
        let encoded = Encoded {
            values: input.values.clone(),
            parts: input.parts.clone(),
            order: input.order.clone(),
        };
        let added = Added { sizes: input.sizes.clone(), bounds: self.bounds.clone() };
        let body: Body = (core, encoded, added);
        let bytes = postcard::to_stdvec(&body).map_err(|error| content(path, error))?;
        Self::require_free(path)?;
        // All that may fail for want of room is written before there is a counter.
        let mut writer = envelope::Writer::create(path, BUNDLE, &[0; 32], bytes.len() as u64)?;
        writer.put(&bytes)?;
        let openings = self.openings(path, marks);
        openings.create(at_once)?;
        writer.finish_new().inspect_err(|_| openings.forget())?;
        Ok(openings)
    }

    /// Refuses a path at which no bundle can be made, as something is there: before long work.
    ///
    /// # Errors
    /// [`BundleError::Exists`].
    pub fn require_free(path: &Path) -> Result<(), BundleError> {
        match [path.to_owned(), counter_path(path)].into_iter().find(|taken| taken.exists()) {
            Some(path) => Err(BundleError::Exists { path }),
            None => Ok(()),
        }
    }

    /// The openings of this bundle, which lies at `path`.
    pub fn openings(&self, path: &Path, marks: &Marks) -> Openings {
        Openings::of(path, self.id, self.budget, marks)
    }

    /// The real value that one step of the integers of the output, the logits, stands for.
    pub fn output_step(&self) -> Option<f64> {
        Some(1.0 / self.graph.tensors.get(self.graph.output)?.scale)
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
    /// [`BundleError::File`] for a damaged file, [`BundleError::Version`] for one of another version,
    /// [`BundleError::Content`] and [`BundleError::Graph`] for one that holds something else.
    pub fn read(path: &Path) -> Result<Self, BundleError> {
        let failed = |error| content(path, error);
        let body = match envelope::read(path, BUNDLE) {
            Err(FileError::Version { found, .. }) if found == BEFORE.version => {
                let (_, bytes) = envelope::read(path, BEFORE)?;
                let (core, encoded) = postcard::from_bytes(&bytes).map_err(failed)?;
                (core, encoded, Added::default())
            }
            Err(FileError::Version { found, .. }) if found == FIRST.version => {
                let (_, bytes) = envelope::read(path, FIRST)?;
                let core = postcard::from_bytes(&bytes).map_err(failed)?;
                (core, Encoded::default(), Added::default())
            }
            read => postcard::from_bytes::<Body>(&read?.1).map_err(failed)?,
        };
        let (core, Encoded { values, parts, order }, Added { sizes, bounds }) = body;
        let Core { mut graph, options, seed, budget, id, dropped } = core;
        let input = &mut graph.input;
        (input.values, input.parts, input.order, input.sizes) = (values, parts, order, sizes);
        graph.validate()?;
        let known = bounds.is_empty() || bounds.len() == graph.tensors[graph.output].shape[0];
        if !known || bounds.iter().any(|bound| !bound.is_finite() || *bound < 0.0) {
            return Err(content(path, "its bounds are not those of its outputs"));
        }
        Ok(Self { graph, options, seed: BlindingSeed(seed), budget, id, dropped, bounds })
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
    pub fn weight_columns(&self, layout: &Layout) -> Vec<SmallColumn<u32>> {
        let values = keccak256(&[b"assay.opening-values.v1", &self.seed.0]);
        layout.weight_columns(&self.graph, &self.seed, ChaCha20Rng::from_seed(values))
    }
}

/// Reads a published architecture; `path` names it in errors.
///
/// # Errors
/// [`BundleError::Content`] when the text is no architecture, or describes no valid network.
pub fn architecture_from_json(path: &Path, text: &str) -> Result<Architecture, BundleError> {
    Architecture::from_json(text).map_err(|error| content(path, error))
}

fn content(path: &Path, problem: impl std::fmt::Display) -> BundleError {
    BundleError::Content { path: path.to_owned(), problem: problem.to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use assay_graph::ChannelEncoding;
    use assay_testing::networks::mixed_network;

    #[test]
    fn survives_the_disk_and_hides_weights_from_the_architecture() {
        let folder = tempfile::tempdir().expect("folder");
        let path = folder.path().join("bundle");
        let bundle = Bundle::new(mixed_network().0, PlanRequest::default()).expect("bundle");
        bundle.create(&path, &Marks::at(folder.path())).expect("write");
        let again = Bundle::read(&path).expect("read");
        assert_eq!((again.graph.clone(), again.options), (bundle.graph.clone(), bundle.options));
        assert_eq!((again.id, again.budget), (bundle.id, bundle.budget));
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
    fn a_bundle_replaces_nothing() {
        let folder = tempfile::tempdir().expect("folder");
        let (path, marks) = (folder.path().join("bundle"), Marks::at(folder.path().join("marks")));
        let bundle = Bundle::new(mixed_network().0, PlanRequest::default()).expect("bundle");
        let other = Bundle::new(mixed_network().0, PlanRequest::default()).expect("bundle");
        assert_ne!(bundle.id, other.id);
        bundle.create(&path, &marks).expect("created");
        let content = |path: &Path| std::fs::read(path).expect("read");
        let (before, counted) = (content(&path), content(&counter_path(&path)));
        assert!(matches!(other.create(&path, &marks), Err(BundleError::Exists { .. })));
        assert_eq!((content(&path), content(&counter_path(&path))), (before, counted));
        // A counter alone is not replaced either.
        std::fs::remove_file(&path).expect("removed");
        assert!(matches!(other.create(&path, &marks), Err(BundleError::Exists { .. })));
        assert!(!path.exists());
        // Where the bundle cannot be written, no counter stays.
        let nowhere = folder.path().join("none").join("bundle");
        assert!(other.create(&nowhere, &marks).is_err());
    }

    #[test]
    fn bundles_of_versions_before_are_read() {
        let folder = tempfile::tempdir().expect("folder");
        let path = folder.path().join("bundle");
        let bundle = Bundle::new(mixed_network().0, PlanRequest::default()).expect("bundle");
        let core = Core {
            graph: bundle.graph.clone(),
            options: bundle.options,
            seed: bundle.seed.0,
            budget: bundle.budget,
            id: bundle.id,
            dropped: Vec::new(),
        };
        let encoded = Encoded { order: Some(InputOrder::ChannelsLast), ..Encoded::default() };
        let first = postcard::to_stdvec(&core).expect("bytes");
        let before = postcard::to_stdvec(&(core, encoded)).expect("bytes");
        for (kind, bytes, order) in
            [(FIRST, first, None), (BEFORE, before, Some(InputOrder::ChannelsLast))]
        {
            envelope::write(&path, kind, &[0; 32], &bytes).expect("written");
            let read = Bundle::read(&path).expect("read");
            assert_eq!((&read.graph.input.order, read.id), (&order, bundle.id));
            assert_eq!(read.graph.layers, bundle.graph.layers);
            assert!(read.graph.input.sizes.is_empty() && read.bounds.is_empty());
        }
    }

    #[test]
    fn encodings_of_features_survive_the_disk() {
        let folder = tempfile::tempdir().expect("folder");
        let path = folder.path().join("bundle");
        let mut graph = mixed_network().0;
        let channel = ChannelEncoding { scale: 0.25, offset: -3.0, most: 200, whole: false };
        let channels = vec![channel; graph.tensors[graph.input.tensor].shape[0]];
        graph.input.values = Some(ValueEncoding { bytes: 1, channels, clamp: true });
        (graph.input.byte_scale, graph.input.byte_offset) = (1.0, 0.0);
        let sizes = vec![vec![graph.tensors[graph.input.tensor].shape.iter().product()]];
        graph.input.sizes = sizes;
        let mut bundle = Bundle::new(graph, PlanRequest::default()).expect("bundle");
        bundle.bounds = vec![0.25; bundle.graph.tensors[bundle.graph.output].shape[0]];
        bundle.create(&path, &Marks::at(folder.path())).expect("write");
        let again = Bundle::read(&path).expect("read");
        assert_eq!((&again.graph, &again.bounds), (&bundle.graph, &bundle.bounds));
        let text = again.architecture().to_json();
        assert_eq!(
            architecture_from_json(&path, &text).expect("parses").graph.input,
            again.graph.input
        );
    }

    #[test]
    fn an_old_bundle_is_refused_with_the_way_out() {
        let folder = tempfile::tempdir().expect("folder");
        let path = folder.path().join("bundle");
        envelope::write(&path, Kind { version: 2, ..BUNDLE }, &[0; 32], b"old").expect("written");
        let refused = Bundle::read(&path).err().expect("refused").to_string();
        assert!(
            refused.contains("version 2") && refused.contains("import the model again"),
            "{refused}"
        );
    }

    #[test]
    fn what_an_import_left_out_is_kept_beside_the_architecture() {
        let folder = tempfile::tempdir().expect("folder");
        let path = folder.path().join("bundle");
        let mut bundle = Bundle::new(mixed_network().0, PlanRequest::default()).expect("bundle");
        let hash = bundle.architecture().circuit_hash();
        bundle.dropped = vec![FinalOperator::Softmax];
        bundle.create(&path, &Marks::at(folder.path())).expect("created");
        let again = Bundle::read(&path).expect("read");
        assert_eq!(again.dropped, [FinalOperator::Softmax]);
        assert_eq!(again.architecture().circuit_hash(), hash);
        let scale = again.graph.tensors[again.graph.output].scale;
        assert_eq!(again.output_step(), Some(1.0 / scale));
    }

    #[test]
    fn a_damaged_bundle_is_named() {
        let folder = tempfile::tempdir().expect("folder");
        let path = folder.path().join("bundle");
        let bundle = Bundle::new(mixed_network().0, PlanRequest::default()).expect("bundle");
        bundle.create(&path, &Marks::at(folder.path())).expect("write");
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
