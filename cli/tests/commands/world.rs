//! A folder with a model, its circuits and their keys, made once for all tests.

use std::{
    ffi::OsStr,
    fs,
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
    sync::OnceLock,
};

use serde_json::Value;

/// Items of the test set, and of each proof.
pub(crate) const ITEMS: usize = 5;
pub(crate) const BATCH: usize = 2;
/// The last one is not full.
pub(crate) const RUNS: usize = ITEMS.div_ceil(BATCH);

/// A folder of one test; it goes away, whatever the test finds.
pub(crate) struct Folder(PathBuf);

impl Folder {
    pub(crate) fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("assay-cli-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&path);
        fs::create_dir_all(&path).expect("folder");
        Self(path)
    }

    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

pub(crate) struct World {
    pub folder: PathBuf,
    pub root: String,
}

/// Paths of the world's files.
impl World {
    pub(crate) fn get() -> &'static Self {
        static WORLD: OnceLock<World> = OnceLock::new();
        WORLD.get_or_init(Self::make)
    }

    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// A circuit of the model for another statement.
    fn derive(&self, statement: &str, options: &[&str]) -> PathBuf {
        let (model, output) =
            (self.file("model.bundle"), self.file(&format!("{statement}.bundle")));
        let line: [&dyn AsRef<OsStr>; 7] =
            [&"model", &"derive", &model, &"--statement", &statement, &"-o", &output];
        let options = options.iter().map(|option| option as &dyn AsRef<OsStr>);
        json(&line.into_iter().chain(options).collect::<Vec<_>>());
        output
    }

    /// Tests run in one process, which has no end that could be awaited: the folder is that of the
    /// build, replaced by the next run.
    fn make() -> Self {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("world");
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir_all(&folder).expect("folder");
        let mut world = Self { folder, root: String::new() };
        let (model, audit) = (world.file("model.bundle"), world.file("audit.bundle"));
        let setup = world.file("dev.srs");
        let imported = json(&[
            &"model",
            &"import",
            &digits("lenet.onnx"),
            &"--calibrate",
            &digits("calibration.npz"),
            &"-o",
            &model,
        ]);
        let items = BATCH.to_string();
        let runs = ["--items", &items, "--depth", "3"];
        world.derive("audit", &runs);
        let retrieval = world.derive("retrieval", &[&["--class", "7"], &runs[..]].concat());
        let best = world.file("best.bundle");
        let line: [&dyn AsRef<OsStr>; 11] = [
            &"model",
            &"derive",
            &model,
            &"--statement",
            &"prediction",
            &"--outputs",
            &"best:3",
            &"--openings",
            &"16",
            &"-o",
            &best,
        ];
        json(&line);
        let k = json(&[&"model", &"inspect", &audit])["k"].as_u64().expect("k");
        let most = k.max(imported["k"].as_u64().expect("k"));
        json(&[&"setup", &"--dev", &"-k", &most.to_string(), &"-o", &setup]);
        for (bundle, name) in
            [(&model, "model"), (&audit, "audit"), (&retrieval, "retrieval"), (&best, "best")]
        {
            let architecture = world.file(&format!("{name}.json"));
            json(&[&"model", &"architecture", bundle, &"-o", &architecture]);
            let keys = world.file(&format!("{name}-keys"));
            json(&[&"keygen", bundle, &"--setup", &setup, &"-o", &keys]);
        }
        let set = world.file("test.set");
        let committed = json(&[
            &"dataset",
            &"commit",
            &digits("images"),
            &"--bundle",
            &model,
            &"--limit",
            &ITEMS.to_string(),
            &"-o",
            &set,
        ]);
        world.root = committed["root"].as_str().expect("root").to_owned();
        world
    }
}

pub(crate) fn digits(name: &str) -> PathBuf {
    repository("examples/digits").join(name)
}

pub(crate) fn repository(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(path)
}

pub(crate) fn command(arguments: &[&dyn AsRef<OsStr>]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_assay"));
    command.args(["--json", "--progress", "never"]);
    command.args(arguments.iter().map(|argument| -> &OsStr { (**argument).as_ref() }));
    for variable in ["ASSAY_RPC", "ASSAY_PRIVATE_KEY", "ASSAY_SETUP", "ASSAY_DEPLOYMENT"] {
        command.env_remove(variable);
    }
    command.env("ASSAY_CACHE_DIR", Path::new(env!("CARGO_TARGET_TMPDIR")).join("kept"));
    command.env("ASSAY_SOLC", repository("scripts/solc")).stdin(Stdio::null());
    command.env("ASSAY_STATE_DIR", state());
    command
}

/// Where the program records the openings of the tests' bundles: the build's folder, not the user's.
pub(crate) fn state() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join("state")
}

pub(crate) fn run(arguments: &[&dyn AsRef<OsStr>]) -> Output {
    command(arguments).output().expect("the program runs")
}

/// Starts a command that the test ends.
pub(crate) fn start(arguments: &[&dyn AsRef<OsStr>]) -> Child {
    let mut command = command(arguments);
    command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("the program runs")
}

/// What a command that succeeds prints.
pub(crate) fn json(arguments: &[&dyn AsRef<OsStr>]) -> Value {
    let done = run(arguments);
    let fault = String::from_utf8_lossy(&done.stderr);
    assert!(done.status.success(), "{fault}");
    serde_json::from_slice(&done.stdout).expect("JSON")
}

/// The message of a command that fails, with exit code 1.
pub(crate) fn refusal(arguments: &[&dyn AsRef<OsStr>]) -> String {
    let done = run(arguments);
    assert_eq!(done.status.code(), Some(1), "{}", String::from_utf8_lossy(&done.stdout));
    let told: Value = serde_json::from_slice(&done.stdout).expect("JSON");
    let text = String::from_utf8(done.stderr).expect("text");
    let error = told["error"].as_str().expect("an error");
    assert!(text.ends_with(&format!("error: {error}\n")), "{text}");
    text
}
