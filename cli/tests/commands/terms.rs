//! What a model states is compared with what is asked for, and a setup with its own points, before anything
//! else happens.

use std::{ffi::OsStr, path::Path};

use assay_prover::{
    files::{Kind, envelope},
    proof::Srs,
};
use serde_json::Value;

use crate::{
    market::views,
    world::{BATCH, Folder, World, command, digits, json, refusal},
};

/// A node that is not there: what is refused before a connection does not ask it.
const NOWHERE: &str = "http://127.0.0.1:1";

fn text(path: &Path) -> String {
    path.display().to_string()
}

fn words(line: &[&str]) -> Vec<String> {
    line.iter().map(|word| (*word).to_owned()).collect()
}

/// The architecture of an audit in which the label may be among the best nine of ten.
fn lenient_audit(folder: &Folder) -> String {
    let (bundle, architecture) = (folder.file("top9.bundle"), folder.file("top9.json"));
    let model = World::get().file("model.bundle");
    let batch = BATCH.to_string();
    let line: [&dyn AsRef<OsStr>; 13] = [
        &"model",
        &"derive",
        &model,
        &"--statement",
        &"audit",
        &"--items",
        &batch,
        &"--depth",
        &"3",
        &"--top",
        &"9",
        &"-o",
        &bundle,
    ];
    json(&line);
    let line: [&dyn AsRef<OsStr>; 5] = [&"model", &"architecture", &bundle, &"-o", &architecture];
    json(&line);
    text(&architecture)
}

#[test]
fn an_audit_of_another_rank_is_another_accuracy() {
    let (world, folder) = (World::get(), Folder::new("rank"));
    let (architecture, setup) = (lenient_audit(&folder), text(&world.file("dev.srs")));
    let verify = [
        "audit",
        "verify",
        &text(&folder.file("proofs")),
        "--architecture",
        &architecture,
        "--setup",
        &setup,
        "--items",
        "5",
        "--root",
        &world.root,
    ];
    let fault = refusal(&views(&words(&verify)));
    assert!(fault.contains("9 best classes") && fault.contains("--top"), "{fault}");
    let fault = refusal(&views(&words(&[&verify[..], &["--top", "9"]].concat())));
    assert!(fault.contains("no proof of a run"), "{fault}");
    let (set, deployment) = (text(&world.file("test.set")), text(&folder.file("none.json")));
    let open = [
        "escrow",
        "audit",
        "open",
        "--set",
        &set,
        "--required",
        "5",
        "--reward",
        "1ether",
        "--stake",
        "1wei",
        "--admit",
        &architecture,
        "--setup",
        &setup,
        "--rpc",
        NOWHERE,
        "--deployment",
        &deployment,
    ];
    let fault = refusal(&views(&words(&open)));
    assert!(fault.contains("9 best classes"), "{fault}");
    // What goes on record is the rank of what was let in.
    let fault =
        refusal(&views(&words(&[&open[..], &["--top", "9", "--metric", "top-1"]].concat())));
    assert!(fault.contains("metric is top-1"), "{fault}");
    // All ten of ten classes would make every item correct.
    let model = world.file("model.bundle");
    let line: [&dyn AsRef<OsStr>; 9] = [
        &"model",
        &"derive",
        &model,
        &"--statement",
        &"audit",
        &"--top",
        &"10",
        &"-o",
        &folder.file("all.bundle"),
    ];
    assert!(refusal(&line).contains("--top 10 of 10 classes"));
}

#[test]
fn a_retrieval_of_another_class_is_another_selection() {
    let world = World::get();
    let (architecture, setup) = (text(&world.file("retrieval.json")), text(&world.file("dev.srs")));
    let owner = format!("0x{}", "11".repeat(20));
    let open = [
        "escrow",
        "retrieval",
        "open",
        "--model",
        "1",
        "--class",
        "3",
        "--holder",
        &owner,
        "--root",
        &world.root,
        "--items",
        "5",
        "--price",
        "1ether",
        "--architecture",
        &architecture,
        "--setup",
        &setup,
        "--rpc",
        NOWHERE,
        "--deployment",
        "none.json",
    ];
    let fault = refusal(&views(&words(&open)));
    assert!(fault.contains("looks for class 7, not for class 3"), "{fault}");
}

/// The `[s]_2` of one setup beside the points of another: what a key is made from would be anybody's choice.
#[test]
fn a_setup_with_foreign_points_makes_no_key() {
    let (world, folder) = (World::get(), Folder::new("foreign"));
    let (own, other) = (world.file("dev.srs"), folder.file("other.srs"));
    let k = Srs::read_k(&own).expect("k");
    Srs::dev(k, [4; 32]).expect("a setup").write(&other).expect("written");
    let kind = Kind::public(*b"ASSAYSRS", "KZG parameters");
    let (id, points) = envelope::read(&own, kind).expect("a file");
    let (_, mut body) = envelope::read(&other, kind).expect("a file");
    let s_g2 = body.len() - 128..;
    body[s_g2.clone()].copy_from_slice(&points[s_g2]);
    // No seed, which would tell.
    body[4..40].fill(0);
    envelope::write(&other, kind, &id, &body).expect("written");
    let (setup, bundle) = (text(&other), text(&world.file("model.bundle")));
    let (architecture, keys) = (text(&world.file("model.json")), text(&world.file("model-keys")));
    let image = text(&digits("images/00_7.png"));
    let output = text(&folder.file("output"));
    let lines: [&[&str]; 5] = [
        &["circuit", "vk", "--architecture", &architecture],
        &["keygen", "--architecture", &architecture, "-o", &output],
        &["verifier", "generate", "--no-compile", "--architecture", &architecture, "-o", &output],
        &["model", "card", &bundle, "-o", &output],
        &["prove", &bundle, "--keys", &keys, "--input", &image, "-o", &output],
    ];
    for line in lines {
        let fault = refusal(&views(&words(&[line, &["--setup", setup.as_str()][..]].concat())));
        assert!(fault.contains("does not hold consistent parameters"), "{line:?}: {fault}");
    }
}

#[test]
fn a_buyer_can_look_at_what_a_seller_publishes() {
    let world = World::get();
    let (architecture, bundle) = (world.file("model.json"), world.file("model.bundle"));
    let line: [&dyn AsRef<OsStr>; 3] = [&"model", &"inspect", &architecture];
    let seen = json(&line);
    let line: [&dyn AsRef<OsStr>; 3] = [&"model", &"inspect", &bundle];
    let own = json(&line);
    for field in ["layers", "tables", "parameters", "circuit_hash", "options", "k"] {
        assert_eq!(seen[field], own[field], "{field}");
    }
    assert_eq!(seen["parameters"], 61706);
    assert!(seen["openings"].is_null() && own["openings"].is_u64());
    let courses: Vec<&str> = seen["tables"]
        .as_array()
        .expect("tables")
        .iter()
        .filter_map(|table| table["course"].as_str())
        .collect();
    assert!(courses.contains(&"rising") && !courses.contains(&"constant"), "{courses:?}");
}

#[test]
fn failures_are_json_too() {
    let done = command(&[&"escrow", &"open", &"--price", &"5"]).output().expect("it runs");
    assert_eq!(done.status.code(), Some(2));
    let told: Value = serde_json::from_slice(&done.stdout).expect("JSON");
    assert!(told["error"].as_str().is_some_and(|text| text.contains("has no unit")), "{told}");
    let help = command(&[&"escrow", &"open", &"--help"]).output().expect("it runs");
    assert!(help.status.success() && help.stdout.starts_with(b"Escrow a price"));
}
