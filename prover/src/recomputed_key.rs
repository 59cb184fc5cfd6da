//! The verifying key of a published architecture, made again: the one thing that tells a key that holds its
//! circuit's constraints from one that holds none. It costs as much as making keys, so it is kept in a folder
//! of the user's own, by the circuit, the setup and the build of the program.

use std::{
    fs,
    path::{Path, PathBuf},
};

use assay_arithmetic::keccak256;
use assay_circuit::{Architecture, ArchitectureError};
use assay_files::{FileError, Kind, Readers, envelope};
use assay_proof::{KeyError, Srs, SrsError, VerifierKey};

use crate::{checked_setup::CheckedSetups, model_proof::generate_verifying_key};

const KEPT_KEY: Kind =
    Kind { magic: *b"ASSAYRVK", version: 1, name: "kept verifying key", readers: Readers::Owner };

/// Why a key cannot be made again.
#[derive(Debug, thiserror::Error)]
pub enum RecomputeError {
    /// The architecture has no circuit.
    #[error(transparent)]
    Architecture(#[from] ArchitectureError),
    /// The setup cannot be read, is too small, or its points are not powers of its secret.
    #[error(transparent)]
    Setup(#[from] SrsError),
    /// Key generation failed.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// There is no kept key, and no setup to make one from.
    #[error(
        "the verifying key of this architecture was not made on this machine yet; name a setup that holds \
         2^{k} rows, of the setup id {setup_id}"
    )]
    NoSetup {
        /// Rows that the circuit needs, as a power of two.
        k: u32,
        /// The setup that is meant.
        setup_id: String,
    },
}

/// Where keys are kept, and for which build of the program.
#[derive(Debug, Clone)]
pub struct KeptKeys {
    folder: PathBuf,
    setups: CheckedSetups,
    build: [u8; 32],
}

/// A key that follows from an architecture and a setup.
#[derive(Debug, Clone)]
pub struct RecomputedKey {
    /// The key.
    pub key: VerifierKey,
    /// Whether it was made by an earlier call, and kept.
    pub was_kept: bool,
}

/// How far the making of a key is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RecomputeStep {
    /// Points of the setup that are checked, and their number.
    Checking(u64, u64),
    /// The key is made, for 2^k rows.
    Making(u32),
}

impl KeptKeys {
    /// Keys in `folder`, which is made when needed, from setups that are checked. `build` names the program
    /// whose circuits they are of: a key of another build is not found.
    pub fn new(folder: impl Into<PathBuf>, setups: CheckedSetups, build: [u8; 32]) -> Self {
        Self { folder: folder.into(), setups, build }
    }

    /// The key of an architecture's circuit with the setup `setup_id`, if it was made before.
    ///
    /// # Errors
    /// [`RecomputeError::Architecture`]. A kept file that is damaged counts as missing.
    pub fn find(
        &self,
        architecture: &Architecture,
        setup_id: &[u8; 32],
    ) -> Result<Option<RecomputedKey>, RecomputeError> {
        // So that an architecture without a circuit is an error whatever is kept.
        architecture.layout()?;
        let name = self.name(architecture, setup_id);
        let Ok((belongs_to, bytes)) = envelope::read(&self.path(&name), KEPT_KEY) else {
            return Ok(None);
        };
        let key = assay_verifier::verifying_key(architecture, &bytes).ok();
        let key = key.filter(|key| belongs_to == name && key.info().setup_id() == *setup_id);
        Ok(key.map(|key| RecomputedKey { key, was_kept: true }))
    }

    /// The key of an architecture's circuit with the setup in a file: kept, or made now. A setup is checked
    /// by pairings before a key is made with it, as its file may come from anybody.
    ///
    /// # Errors
    /// [`RecomputeError`]. That a key cannot be kept is no error.
    pub fn make(
        &self,
        architecture: &Architecture,
        setup: &Path,
        progress: &dyn Fn(RecomputeStep),
    ) -> Result<RecomputedKey, RecomputeError> {
        let layout = architecture.layout()?;
        let claimed = Srs::read_id(setup)?;
        if let Some(kept) = self.find(architecture, &claimed)? {
            return Ok(kept);
        }
        let checking = |done, all| progress(RecomputeStep::Checking(done, all));
        let srs = self.setups.read(setup, Some(layout.k), &checking)?;
        progress(RecomputeStep::Making(layout.k));
        let key = generate_verifying_key(&srs, &layout)?;
        // A folder that cannot be written costs time the next time, and nothing else.
        let _ = self.keep(architecture, &key);
        Ok(RecomputedKey { key, was_kept: false })
    }

    fn keep(&self, architecture: &Architecture, key: &VerifierKey) -> Result<(), FileError> {
        let name = self.name(architecture, &key.info().setup_id());
        let path = self.path(&name);
        fs::create_dir_all(&self.folder)
            .map_err(|source| FileError::Write { path: self.folder.clone(), source })?;
        envelope::write(&path, KEPT_KEY, &name, &key.info().data().to_bytes())
    }

    fn name(&self, architecture: &Architecture, setup_id: &[u8; 32]) -> [u8; 32] {
        keccak256(&[b"assay-kept-key-v1", &self.build, &architecture.circuit_hash(), setup_id])
    }

    fn path(&self, name: &[u8; 32]) -> PathBuf {
        self.folder.join(format!("{}.vk", hex::encode(name)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bundle::Bundle;
    use assay_circuit::{OutputMode, PlanRequest, StatementKind};
    use assay_testing::networks::{Builder, mixed_network};

    /// Key of `two_layers(2, 2, 3)` with the development setup of the seed `[3; 32]`.
    const KNOWN_KEY: &str = "4665cf3e9d8a9ab05fca10c42e1300bc8c8fda5d0adbea275744e664f882c752";

    struct World {
        folder: tempfile::TempDir,
        architecture: Architecture,
        setup: PathBuf,
    }

    impl World {
        fn new() -> Self {
            let folder = tempfile::tempdir().expect("folder");
            let bundle = Bundle::new(mixed_network().0, PlanRequest::default()).expect("bundle");
            let setup = folder.path().join("dev.srs");
            // Room for circuits that show more.
            let k = bundle.layout().expect("layout").k + 2;
            Srs::dev(k, [3; 32]).expect("setup").write(&setup).expect("written");
            Self { architecture: bundle.architecture(), setup, folder }
        }

        fn kept(&self, build: u8) -> KeptKeys {
            let setups = CheckedSetups::new(self.folder.path().join("checked"));
            KeptKeys::new(self.folder.path().join("kept"), setups, [build; 32])
        }

        fn make(&self, architecture: &Architecture) -> RecomputedKey {
            self.kept(1).make(architecture, &self.setup, &|_| ()).expect("a key")
        }
    }

    #[test]
    fn a_key_is_made_once_for_a_circuit_a_setup_and_a_build() {
        let world = World::new();
        let made = world.make(&world.architecture);
        assert!(!made.was_kept);
        let again = world.make(&world.architecture);
        assert!(again.was_kept);
        assert_eq!(again.key.hash(), made.key.hash());
        let id = Srs::read_id(&world.setup).expect("id");
        let find = |build, id: &[u8; 32]| {
            world.kept(build).find(&world.architecture, id).expect("an architecture")
        };
        assert!(find(1, &id).is_some());
        assert!(find(2, &id).is_none(), "of another build");
        assert!(find(1, &[5; 32]).is_none(), "of another setup");
        // A damaged file is as good as none.
        for entry in fs::read_dir(world.folder.path().join("kept")).expect("folder") {
            fs::write(entry.expect("entry").path(), b"x").expect("written");
        }
        assert!(find(1, &id).is_none());
        assert_eq!(world.make(&world.architecture).key.hash(), made.key.hash());
    }

    #[test]
    fn a_key_follows_from_the_architecture_and_from_nothing_else() {
        let world = World::new();
        let hash = |architecture: &Architecture| world.make(architecture).key.hash();
        let own = hash(&world.architecture);
        // Other weights: the same network, the same key.
        let (mut graph, _) = mixed_network();
        for layer in &mut graph.layers {
            if let assay_graph::Op::Conv { weights, .. } = &mut layer.op {
                weights.iter_mut().for_each(|weight| *weight = -*weight);
            }
        }
        let options = world.architecture.options;
        assert_eq!(hash(&Architecture::of(&graph, options)), own);
        // One table entry, one output: other keys.
        let mut table = world.architecture.clone();
        let entry = table.graph.functions[0].values.last_mut().expect("a table");
        *entry -= 1;
        assert_ne!(hash(&table), own);
        let output = OutputMode::Best(2);
        let input = assay_circuit::InputMode::Committed;
        let statement = StatementKind::Prediction { input, output };
        let mut shown = world.architecture.clone();
        shown.options.statement = statement;
        assert_ne!(hash(&shown), own);
    }

    /// A network of one convolution and a dense layer: `[channels, 7, 7]`, a window of 3 x 3.
    fn two_layers(channels: usize, stride: usize, outputs: usize) -> Architecture {
        let mut builder = Builder::new([channels, 7, 7]);
        let hidden = builder.conv(0, [3, 3], [stride, stride], [0; 4], outputs, 1, true);
        let [_, height, width] = builder.shape(hidden);
        let logits = builder.conv(hidden, [height, width], [1, 1], [0; 4], 5, 1, false);
        let graph = builder.finish(logits);
        Bundle::new(graph, PlanRequest::default()).expect("bundle").architecture()
    }

    #[test]
    fn strides_widths_and_statements_make_other_keys() {
        let world = World::new();
        let hash = |architecture: &Architecture| world.make(architecture).key.hash();
        let own = two_layers(2, 2, 3);
        let mut statement = own.clone();
        statement.options.statement =
            StatementKind::Audit { run: assay_circuit::Run { log_items: 1, depth: 2 }, top: 1 };
        let others = [two_layers(2, 1, 3), two_layers(2, 2, 4), two_layers(3, 2, 3), statement]
            .map(|a| hash(&a));
        let all = std::collections::BTreeSet::from_iter([&[hash(&own)][..], &others].concat());
        assert_eq!(all.len(), 5);
        assert_eq!(hash(&two_layers(2, 2, 3)), hash(&own));
    }

    /// On every machine, from every checkout: whoever changes this changes all keys.
    #[test]
    fn a_key_is_the_same_everywhere() {
        let world = World::new();
        let made = world.make(&two_layers(2, 2, 3)).key.hash();
        assert_eq!(hex::encode(made), KNOWN_KEY);
    }

    #[test]
    fn a_setup_whose_points_are_not_of_its_secret_makes_no_key() {
        let world = World::new();
        let k = world.architecture.layout().expect("layout").k;
        // As another project would write it: the point of one setup, the powers of another.
        let other = world.folder.path().join("other.srs");
        Srs::dev(k, [4; 32]).expect("setup").write(&other).expect("written");
        let kind = Kind::public(*b"ASSAYSRS", "KZG parameters");
        let (_, mut bytes) = envelope::read(&other, kind).expect("file");
        let (id, own) = envelope::read(&world.setup, kind).expect("file");
        let s_g2 = bytes.len() - 128..;
        bytes[s_g2].copy_from_slice(&own[own.len() - 128..]);
        // Flags and seed of a development setup, so that it is read as it stands.
        bytes[4..40].fill(0);
        envelope::write(&other, kind, &id, &bytes).expect("written");
        assert_eq!(Srs::read(&other, None).expect("a whole file").id(), id);
        let error = world.kept(1).make(&world.architecture, &other, &|_| ());
        assert!(matches!(error, Err(RecomputeError::Setup(SrsError::Inconsistent { .. }))));
    }
}
