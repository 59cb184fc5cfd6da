//! Classifications of committed collections, and outputs that proofs hide.

use std::{ffi::OsStr, fs, path::PathBuf};

use serde_json::Value;

use crate::world::{BATCH, Folder, ITEMS, RUNS, World, digits, json, refusal};

/// A circuit of the world's model with keys.
struct Circuit {
    folder: Folder,
}

impl Circuit {
    fn new(name: &str, options: &[&str]) -> Self {
        let (world, folder) = (World::get(), Folder::new(name));
        let (bundle, model) = (folder.file("bundle"), world.file("model.bundle"));
        let line: [&dyn AsRef<OsStr>; 7] =
            [&"model", &"derive", &model, &"--openings", &"8", &"-o", &bundle];
        let options = options.iter().map(|option| option as &dyn AsRef<OsStr>);
        json(&line.into_iter().chain(options).collect::<Vec<_>>());
        let (setup, keys) = (world.file("dev.srs"), folder.file("keys"));
        json(&[&"keygen", &bundle, &"--setup", &setup, &"-o", &keys]);
        Self { folder }
    }

    fn file(&self, name: &str) -> PathBuf {
        self.folder.file(name)
    }

    /// A command about the circuit, with its setup and keys where it `proves`.
    fn line<'a>(
        &self,
        command: &'a [&'a str],
        subject: PathBuf,
        options: &'a [&'a str],
        proves: bool,
    ) -> Vec<std::ffi::OsString> {
        let mut line = command.iter().map(Into::into).collect::<Vec<std::ffi::OsString>>();
        line.push(subject.into());
        line.extend(["--setup".into(), World::get().file("dev.srs").into()]);
        let (option, file) =
            if proves { ("--keys", self.file("keys")) } else { ("--bundle", self.file("bundle")) };
        line.extend([option.into(), file.into()]);
        line.extend(options.iter().map(Into::into));
        line
    }
}

fn views(line: &[std::ffi::OsString]) -> Vec<&dyn AsRef<OsStr>> {
    line.iter().map(|argument| argument as &dyn AsRef<OsStr>).collect()
}

fn text(path: &std::path::Path) -> &str {
    path.to_str().expect("a path that is text")
}

#[test]
fn a_collection_is_classified() {
    let (world, batch) = (World::get(), BATCH.to_string());
    let run = ["--statement", "classification", "--items", &batch, "--depth", "3"];
    let circuit = Circuit::new("classification", &run);
    let (set, proofs) = (world.file("test.set"), circuit.file("proofs"));
    let options = ["--set", text(&set), "-o", text(&proofs)];
    let bundle = circuit.file("bundle");
    let proven = json(&views(&circuit.line(&["classify", "prove"], bundle, &options, true)));
    assert_eq!(["proofs", "made", "counted"].map(|name| &proven[name]), [RUNS, RUNS, ITEMS]);

    let items = ITEMS.to_string();
    let collection = ["--items", &items, "--root", &world.root];
    let verify = circuit.line(&["classify", "verify"], proofs.clone(), &collection, false);
    let verified = json(&views(&verify));
    assert_eq!(verified["complete"], true, "{verified}");
    let answers = verified["answers"].as_array().expect("answers");
    assert_eq!(answers.len(), ITEMS);
    let images = fs::read_dir(digits("images")).expect("images");
    let mut images = images.map(|image| image.expect("an image").path()).collect::<Vec<_>>();
    images.sort();
    for (item, (answer, image)) in answers.iter().zip(&images).enumerate() {
        let predicted = json(&[&"model", &"predict", &circuit.file("bundle"), &"--input", image]);
        assert_eq!((&answer["item"], &answer["class"]), (&item.into(), &predicted["class"]));
    }

    // Another kind of runs, and a run that is not there.
    let other = circuit.line(&["audit", "verify"], proofs.clone(), &collection, false);
    assert!(refusal(&views(&other)).contains("classification"));
    fs::remove_file(proofs.join("run-00001.proof")).expect("removed");
    assert!(refusal(&views(&verify)).contains("1 of 3 runs have no proof"));
    let partial = [&verify[..], &["--partial".into()]].concat();
    let shown = json(&views(&partial));
    let items = shown["answers"].as_array().expect("answers").iter().map(|answer| &answer["item"]);
    assert_eq!(items.collect::<Vec<_>>(), [0, 1, 4]);
}

#[test]
fn hidden_outputs_are_handed_to_the_buyer() {
    let circuit = Circuit::new("hidden", &["--statement", "prediction", "--outputs", "commitment"]);
    let (proof, image) = (circuit.file("a.proof"), digits("images/00_7.png"));
    let options = ["--input", text(&image), "-o", text(&proof)];
    let line = circuit.line(&["prove"], circuit.file("bundle"), &options, true);
    let proven = json(&views(&line));
    let opening = circuit.file("a.proof.outputs.json");
    assert_eq!(proven["outputs_opening"], text(&opening));
    assert_eq!(proven["outputs"].as_array().map(Vec::len), Some(0), "{proven}");

    // The buyer gets the opening sealed.
    let (key, sealed) = (circuit.file("buyer.key"), circuit.file("a.age"));
    let made = json(&[&"dataset", &"key", &"-o", &key]);
    let to = made["recipient"].as_str().expect("a public key");
    let handed = json(&[&"output", &"seal", &opening, &"--to", &to, &"-o", &sealed]);
    let commitment = handed["commitment"].as_str().expect("a commitment");
    assert_eq!(proven["public_inputs"][2], commitment);
    let received = circuit.file("received.json");
    let unseal: [&dyn AsRef<OsStr>; 5] = [&"output", &"unseal", &sealed, &"--key", &key];
    let zeros = "0".repeat(64);
    let wrong = [&unseal[..], &[&"--commitment", &zeros, &"-o", &received]].concat();
    assert!(refusal(&wrong).contains(commitment));
    assert!(!received.exists());
    json(&[&unseal[..], &[&"--commitment", &commitment, &"-o", &received]].concat());
    assert_eq!(fs::read(&received).expect("read"), fs::read(&opening).expect("read"));

    let verify = |opening: &PathBuf| {
        let options = ["--outputs-opening", text(opening)];
        circuit.line(&["verify"], proof.clone(), &options, false)
    };
    let report = json(&views(&verify(&received)));
    let hidden = &report["hidden_outputs"];
    assert_eq!((&hidden["class"], &proven["class"]), (&7.into(), &7.into()), "{report}");
    let outputs = hidden["outputs"].as_array().expect("outputs");
    let written: Value = serde_json::from_slice(&fs::read(&opening).expect("read")).expect("JSON");
    let written = written["outputs"].as_array().expect("outputs");
    assert_eq!(outputs.len(), 10);
    for (output, integer) in outputs.iter().zip(written) {
        assert_eq!(output["value"], integer.to_string());
        assert!(output["real"].is_f64());
    }

    // Other outputs are not what the proof commits to.
    let other = circuit.file("other.json");
    let mut changed = written.clone();
    changed.swap(0, 7);
    let salt = format!("0x{}", "1".repeat(64));
    let lie = serde_json::json!({ "outputs": changed, "output_salt": salt });
    fs::write(&other, lie.to_string()).expect("written");
    assert!(refusal(&views(&verify(&other))).contains("other outputs or another salt"));
    // An opening is not replaced: the proof that it belongs to would say nothing.
    fs::remove_file(&proof).expect("removed");
    assert!(refusal(&views(&line)).contains("outputs of another proof"));
}

#[test]
fn the_best_classes_have_their_scores() {
    let circuit = Circuit::new("scores", &["--statement", "prediction", "--outputs", "scores:3"]);
    let (proof, image) = (circuit.file("a.proof"), digits("images/00_7.png"));
    let options = ["--input", text(&image), "-o", text(&proof)];
    let proven = json(&views(&circuit.line(&["prove"], circuit.file("bundle"), &options, true)));
    let predicted = json(&[&"model", &"predict", &circuit.file("bundle"), &"--input", &image]);
    let logits = predicted["logits"].as_array().expect("logits");
    let logits = logits.iter().map(|logit| logit.as_f64().expect("number")).collect::<Vec<_>>();
    let verified = json(&views(&circuit.line(&["verify"], proof, &[], false)));
    let named = verified["named_inputs"].as_array().expect("public inputs");
    for shown in [proven["outputs"].as_array().expect("outputs"), &named[2..]] {
        assert_eq!(shown.len(), 6, "{shown:?}");
        let (classes, scores) = shown.split_at(3);
        let classes = classes.iter().map(|output| {
            output["value"].as_str().and_then(|class| class.parse::<usize>().ok()).expect("a class")
        });
        let classes = classes.collect::<Vec<_>>();
        assert_eq!(classes[0], 7);
        for (class, score) in classes.iter().zip(scores) {
            let real = score["real"].as_f64().expect("number");
            assert!((real - logits[*class]).abs() < 1e-9, "{score}");
            let better = logits.iter().filter(|logit| **logit > logits[*class]).count();
            assert!(better < 3, "{class} is among the best three");
        }
        assert!(
            logits[classes[0]] >= logits[classes[1]] && logits[classes[1]] >= logits[classes[2]]
        );
    }
}
