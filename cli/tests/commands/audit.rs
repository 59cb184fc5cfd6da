//! Audits that are interrupted, and audits by several workers.

use std::{
    ffi::{OsStr, OsString},
    fs,
    path::PathBuf,
    sync::OnceLock,
    time::{Duration, Instant, SystemTime},
};

use serde_json::Value;

use crate::world::{BATCH, Folder, ITEMS, RUNS, World, digits, json, refusal, start};

/// Longest that one run may take, on a slow and busy machine.
const LONGEST: Duration = Duration::from_secs(300);

/// One seller's files.
struct Seller {
    folder: Folder,
    set: PathBuf,
}

impl Seller {
    fn new(name: &str) -> Self {
        let folder = Folder::new(name);
        // A bundle of its own: bundles count their openings.
        let (items, own) = (BATCH.to_string(), folder.file("audit.bundle"));
        json(&[
            &"model",
            &"derive",
            &World::get().file("model.bundle"),
            &"--statement",
            &"audit",
            &"--items",
            &items,
            &"--depth",
            &"3",
            &"--openings",
            &"16",
            &"-o",
            &own,
        ]);
        Self { folder, set: World::get().file("test.set") }
    }

    fn line(&self, more: &[&str]) -> Vec<OsString> {
        let world = World::get();
        let files: [(&str, PathBuf); 4] = [
            ("--set", self.set.clone()),
            ("--setup", world.file("dev.srs")),
            ("--keys", world.file("audit-keys")),
            ("-o", self.folder.file("proofs")),
        ];
        let mut line: Vec<OsString> = vec!["audit".into(), "prove".into()];
        line.push(self.folder.file("audit.bundle").into());
        for (option, file) in files {
            line.extend([option.into(), file.into()]);
        }
        line.extend(more.iter().map(OsString::from));
        line
    }

    fn prove(&self, more: &[&str]) -> Value {
        json(&views(&self.line(more)))
    }

    fn proof(&self, run: usize) -> PathBuf {
        self.folder.file("proofs").join(format!("run-{run:05}.proof"))
    }

    /// The runs that are proven, with the time of each file.
    fn proven(&self) -> Vec<(usize, SystemTime)> {
        let time = |run| fs::metadata(self.proof(run)).and_then(|found| found.modified()).ok();
        (0..RUNS).filter_map(|run| Some((run, time(run)?))).collect()
    }

    /// What a buyer finds.
    fn verified(&self) -> Value {
        let world = World::get();
        json(&[
            &"audit",
            &"verify",
            &self.folder.file("proofs"),
            &"--architecture",
            &world.file("audit.json"),
            &"--setup",
            &world.file("dev.srs"),
            &"--items",
            &ITEMS.to_string(),
            &"--root",
            &world.root,
        ])
    }

    /// All items are covered, each run by one proof, and the buyer counts what the network says.
    fn is_whole(&self, report: &Value, made: usize) {
        let fields = ["proofs", "made", "batch", "covered", "counted"].map(|name| &report[name]);
        assert_eq!(fields, [RUNS, made, BATCH, ITEMS, correct()], "{report}");
        let verified = self.verified();
        let fields = ["proofs", "covered", "counted"].map(|name| &verified[name]);
        assert_eq!(fields, [RUNS, ITEMS, correct()], "{verified}");
    }
}

fn views(line: &[OsString]) -> Vec<&dyn AsRef<OsStr>> {
    line.iter().map(|argument| argument as &dyn AsRef<OsStr>).collect()
}

/// Items that the network classifies correctly, image by image; labels are in the images' names.
fn correct() -> usize {
    static CORRECT: OnceLock<usize> = OnceLock::new();
    *CORRECT.get_or_init(count_correct)
}

fn count_correct() -> usize {
    let mut images = fs::read_dir(digits("images"))
        .expect("images")
        .map(|entry| entry.expect("an image").path())
        .collect::<Vec<_>>();
    images.sort();
    let model = World::get().file("model.bundle");
    let is_right = |image: &PathBuf| {
        let stem = image.file_stem().expect("name").to_string_lossy();
        let label: u64 = stem.rsplit('_').next().expect("label").parse().expect("a number");
        json(&[&"model", &"predict", &model, &"--input", image])["class"] == label
    };
    images.iter().take(ITEMS).filter(|image| is_right(image)).count()
}

#[test]
fn finished_runs_are_not_proven_again() {
    let seller = Seller::new("between");
    let first = seller.prove(&["--runs", "0", "2"]);
    assert_eq!((&first["made"], &first["covered"]), (&2.into(), &(2 * BATCH).into()), "{first}");
    let before = seller.proven();
    assert_eq!(before.len(), 2);
    let rest = seller.prove(&[]);
    seller.is_whole(&rest, RUNS - 2);
    assert_eq!(seller.proven()[..2], before);
    assert_eq!(rest["openings_used"], RUNS);
    // A proof of another run is neither taken for finished nor overwritten.
    let own = fs::read(seller.proof(0)).expect("proof");
    let other = fs::read(seller.proof(1)).expect("proof");
    fs::write(seller.proof(0), &other).expect("written");
    let fault = refusal(&views(&seller.line(&[])));
    assert!(fault.contains("run-00000") && fault.contains("first index"), "{fault}");
    assert_eq!(fs::read(seller.proof(0)).expect("kept"), other);
    fs::write(seller.proof(0), own).expect("written");
    // A damaged file is made again.
    let content = fs::read(seller.proof(RUNS - 1)).expect("proof");
    fs::write(seller.proof(RUNS - 1), &content[..content.len() / 2]).expect("written");
    let mended = seller.prove(&[]);
    seller.is_whole(&mended, 1);
}

#[test]
fn a_killed_audit_goes_on_where_it_was() {
    let seller = Seller::new("killed");
    let mut process = start(&views(&seller.line(&[])));
    let since = Instant::now();
    while seller.proven().is_empty() {
        assert!(since.elapsed() < LONGEST, "no run is proven");
        assert_eq!(process.try_wait().expect("a process"), None, "it ended too early");
        std::thread::sleep(Duration::from_millis(20));
    }
    // Into the next run.
    std::thread::sleep(Duration::from_millis(300));
    process.kill().expect("killed");
    process.wait().expect("ended");
    let before = seller.proven();
    assert!((1..RUNS).contains(&before.len()), "{before:?}");
    let report = seller.prove(&[]);
    seller.is_whole(&report, RUNS - before.len());
    let after = seller.proven();
    assert!(before.iter().all(|run| after.contains(run)), "{before:?} {after:?}");
    // The run that was interrupted may have opened the weights once more.
    let openings = report["openings_used"].as_u64().expect("a count") as usize;
    assert!((RUNS..=RUNS + 1).contains(&openings), "{report}");
    assert_eq!(seller.prove(&[])["made"], 0);
    assert_eq!(seller.proven(), after);
}

#[test]
fn workers_share_the_runs() {
    let seller = Seller::new("workers");
    let report = seller.prove(&["--workers", "3"]);
    seller.is_whole(&report, RUNS);
    assert_eq!(report["openings_used"], RUNS);
}

#[test]
fn a_run_that_cannot_be_proven_is_named() {
    let mut seller = Seller::new("fault");
    seller.set = seller.folder.file("wrong.set");
    // The third item has a label that is no class: the second run fails.
    let labels = seller.folder.file("labels.txt");
    let lines = (0..ITEMS).map(|item| if item == 2 { "99\n" } else { "1\n" });
    fs::write(&labels, lines.collect::<String>()).expect("written");
    let images = seller.folder.file("images");
    fs::create_dir_all(&images).expect("folder");
    for item in 0..ITEMS {
        fs::copy(digits("images/00_7.png"), images.join(format!("{item}.png"))).expect("copied");
    }
    let model = World::get().file("model.bundle");
    let commit = |option: &str, value: &OsStr| -> Vec<OsString> {
        let line: [&dyn AsRef<OsStr>; 11] = [
            &"dataset",
            &"commit",
            &images,
            &option,
            &value,
            &"--labels-file",
            &labels,
            &"--depth",
            &"3",
            &"-o",
            &seller.set,
        ];
        line.iter().map(|word| word.as_ref().to_owned()).collect()
    };
    // Where the network is known no such set is made.
    let fault = refusal(&views(&commit("--bundle", model.as_os_str())));
    assert!(fault.contains("item 2 has label 99"), "{fault}");
    json(&views(&commit("--shape", OsStr::new("1,28,28"))));
    // No run costs an opening of the weights before all are known to be provable.
    let fault = refusal(&views(&seller.line(&["--workers", "2"])));
    assert!(fault.contains("run 1 ") && fault.contains("label 99"), "{fault}");
    assert!(seller.proven().is_empty());
    assert_eq!(
        json(&[&"model", &"inspect", &seller.folder.file("audit.bundle")])["openings_used"],
        0
    );
}

/// Another bundle of the same network has the same circuit and keys, and other commitments.
#[test]
fn proofs_of_another_model_do_not_count_as_done() {
    let (world, seller) = (World::get(), Seller::new("other-model"));
    seller.prove(&["--runs", "0", "1"]);
    let own = seller.folder.file("audit.bundle");
    let again = seller.folder.file("again.bundle");
    json(&[
        &"model",
        &"import",
        &digits("lenet.onnx"),
        &"--calibrate",
        &digits("calibration.npz"),
        &"-o",
        &again,
    ]);
    fs::remove_file(&own).expect("removed");
    fs::remove_file(seller.folder.file("audit.bundle.openings")).expect("removed");
    let (items, depth) = (BATCH.to_string(), "3");
    let derive = |openings: &str| {
        json(&[
            &"model",
            &"derive",
            &again,
            &"--statement",
            &"audit",
            &"--items",
            &items,
            &"--depth",
            &depth,
            &"--openings",
            &openings,
            &"-o",
            &own,
        ])
    };
    derive("2");
    let fault = refusal(&views(&seller.line(&[])));
    assert!(fault.contains("run-00000") && fault.contains("but for model"), "{fault}");
    // Nor are runs begun for which the openings do not last.
    fs::remove_file(seller.proof(0)).expect("removed");
    let fault = refusal(&views(&seller.line(&[])));
    assert!(fault.contains("3 runs") && fault.contains("2 of the 2 openings"), "{fault}");
    assert!(seller.proven().is_empty());
    // One model in two circuits, and not in two bundles of the same network.
    let link = |a: &PathBuf| -> Vec<OsString> {
        let setup = world.file("dev.srs");
        let line: [&dyn AsRef<OsStr>; 6] = [&"model", &"link", a, &own, &"--setup", &setup];
        line.iter().map(|word| word.as_ref().to_owned()).collect()
    };
    let linked = json(&views(&link(&again)));
    assert_eq!(linked["model_hash"].as_str().map(str::len), Some(66), "{linked}");
    let fault = refusal(&views(&link(&world.file("model.bundle"))));
    assert!(fault.contains("hash"), "{fault}");
}

/// What a buyer refuses, each for its own reason.
#[test]
fn a_buyer_compares_what_the_proofs_are_about() {
    let (world, seller) = (World::get(), Seller::new("buyer"));
    let (zero, one) = (format!("0x{:064x}", 0), format!("0x{:064x}", 1));
    let made = seller.prove(&["--runs", "1", "3"]);
    let model = made["model_hash"].as_str().expect("a hash").to_owned();
    let (proofs, setup) = (seller.folder.file("proofs"), world.file("dev.srs"));
    let architecture = world.file("audit.json");
    let line = |items: &str, root: &str, more: &[&str]| -> Vec<OsString> {
        let files: [&dyn AsRef<OsStr>; 7] =
            [&"audit", &"verify", &proofs, &"--architecture", &architecture, &"--setup", &setup];
        let mut line: Vec<OsString> = files.iter().map(|word| word.as_ref().to_owned()).collect();
        line.extend(["--items", items, "--root", root].map(OsString::from));
        line.extend(more.iter().map(OsString::from));
        line
    };
    let refused = |items: usize, root: &str, more: &[&str]| {
        refusal(&views(&line(&items.to_string(), root, more)))
    };
    let (root, items) = (world.root.as_str(), ITEMS);
    let fault = refused(items, root, &[]);
    assert!(fault.contains("1 of 3 runs have no proof") && fault.contains("run 0"), "{fault}");
    let partial =
        json(&views(&line(&items.to_string(), root, &["--partial", "--model-hash", &model])));
    assert_eq!([&partial["complete"], &partial["valid"]], [false, true]);
    assert_eq!(partial["covered"], ITEMS - BATCH, "{partial}");
    assert!(refused(items, &zero, &["--partial"]).contains("its root is"));
    assert!(refused(items, root, &["--partial", "--context", &one]).contains("its context is"));
    assert!(refused(items, root, &["--partial", "--model-hash", &zero]).contains("but for model"));
    // Of one item more the last run would be a full one.
    assert!(refused(items + 1, root, &["--partial"]).contains("its number of items is"));
    let depth = refused(9, root, &[]);
    assert!(depth.contains("holds from 1 to 8 items"), "{depth}");
}
