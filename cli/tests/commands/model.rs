//! `assay model`, where it must not do harm.

use std::{ffi::OsStr, fs, path::Path};

use serde_json::Value;

use crate::world::{Folder, World, command, digits, json, refusal, run};

fn derive(source: &Path, output: &Path, openings: &str) -> Value {
    let line: [&dyn AsRef<OsStr>; 11] = [
        &"model",
        &"derive",
        &source,
        &"--statement",
        &"prediction",
        &"--outputs",
        &"best:2",
        &"--openings",
        &openings,
        &"-o",
        &output,
    ];
    json(&line)
}

#[test]
fn an_import_replaces_no_bundle() {
    let folder = Folder::new("import");
    let bundle = folder.file("model.bundle");
    let (network, samples) = (digits("lenet.onnx"), digits("calibration.npz"));
    let import: [&dyn AsRef<std::ffi::OsStr>; 7] =
        [&"model", &"import", &network, &"--calibrate", &samples, &"-o", &bundle];
    json(&import);
    let first = fs::read(&bundle).expect("bundle");

    let refused = refusal(&import);
    assert!(refused.contains("model.bundle exists"), "{refused}");
    assert!(refused.contains("another name"), "{refused}");
    assert_eq!(fs::read(&bundle).expect("bundle"), first);

    // Nor does a new bundle get the count of one that lies elsewhere.
    fs::rename(&bundle, folder.file("moved.bundle")).expect("moved");
    fs::write(folder.file("model.bundle.openings"), "00000003\n").expect("count");
    let refused = refusal(&import);
    assert!(refused.contains("model.bundle.openings exists"), "{refused}");
    assert!(!bundle.exists());
}

#[test]
fn openings_go_to_a_derived_bundle_and_back() {
    let folder = Folder::new("shares");
    let (source, derived) = (folder.file("model.bundle"), folder.file("best.bundle"));
    let (network, samples) = (digits("lenet.onnx"), digits("calibration.npz"));
    json(&[&"model", &"import", &network, &"--calibrate", &samples, &"-o", &source]);
    let inspect = || json(&[&"model", &"inspect", &source]);
    let all = inspect()["openings_left"].as_u64().expect("a count");
    assert_eq!(inspect()["openings"], all);
    let report = derive(&source, &derived, "5");
    assert_eq!([&report["openings"], &report["source_openings_left"]], [5, all - 5]);
    let id = report["bundle_id"].as_str().expect("an id").to_owned();
    let shares = &inspect()["shares"];
    assert_eq!((&shares[0]["bundle_id"], &shares[0]["openings"]), (&id.as_str().into(), &5.into()));
    assert!(shares[0]["returned"].is_null());

    // A copy without its counter is none, and has nothing to give back.
    let copy = folder.file("copy.bundle");
    fs::copy(&derived, &copy).expect("copied");
    for line in [
        &[&"model" as &dyn AsRef<OsStr>, &"inspect", &copy][..],
        &[&"model" as &dyn AsRef<OsStr>, &"give-back", &copy, &"--to", &source],
    ] {
        let refused = refusal(line);
        assert!(refused.contains("copy.bundle.openings is missing"), "{refused}");
        assert!(refused.contains("import the model again"), "{refused}");
    }
    let back = json(&[&"model", &"give-back", &derived, &"--to", &source]);
    assert_eq!([&back["returned"], &back["source_openings_left"]], [5, all]);
    assert_eq!(back["unseen"], false);
    assert!(!derived.exists());
    assert_eq!(inspect()["shares"][0]["returned"], 5);

    // One that is deleted: by its id, and with the promise that there is no copy.
    let id = derive(&source, &derived, "7")["bundle_id"].as_str().expect("an id").to_owned();
    fs::remove_file(&derived).expect("removed");
    let line: [&dyn AsRef<OsStr>; 6] =
        [&"model", &"give-back", &"--deleted", &id, &"--to", &source];
    assert_eq!(run(&line).status.code(), Some(2), "the promise is asked for");
    let sure = [&line[..], &[&"--no-copy-of-it-exists" as &dyn AsRef<OsStr>]].concat();
    let back = json(&sure);
    assert_eq!([&back["returned"], &back["source_openings_left"]], [7, all]);
    assert_eq!(back["unseen"], true);
    assert!(refusal(&sure).contains("already"));
}

#[test]
fn without_a_state_folder_nothing_is_counted() {
    let world = World::get();
    let mut inspect = command(&[&"model", &"inspect", &world.file("model.bundle")]);
    for name in ["ASSAY_STATE_DIR", "XDG_STATE_HOME", "HOME"] {
        inspect.env_remove(name);
    }
    let done = inspect.output().expect("the program runs");
    let said = String::from_utf8(done.stderr).expect("text");
    assert_eq!(done.status.code(), Some(1));
    assert!(said.contains("set ASSAY_STATE_DIR"), "{said}");
}

#[test]
fn the_scale_of_the_outputs_is_said() {
    let report = json(&[&"model", &"inspect", &World::get().file("model.bundle")]);
    assert!(report["output_step"].as_f64().is_some_and(|step| step > 0.0), "{report}");
    // The network ends with its logits.
    assert_eq!(report["dropped"].as_array().map(Vec::len), Some(0));
}
