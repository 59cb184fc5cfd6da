//! `assay model`, where it must not do harm.

use std::fs;

use crate::world::{Folder, digits, json, refusal};

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
