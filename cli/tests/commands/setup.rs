//! `assay setup`: what is imported under which name, and what is not replaced.

use std::{fs, path::Path};

use assay_prover::proof::Srs;

use crate::world::{Folder, World, json, refusal};

/// Bytes of our file before its points, and after them.
const BEFORE: usize = 56 + 40;
const AFTER: usize = 32;

/// halo2's raw parameters out of a file of ours: a development setup whose header is cut off.
fn cut_off(own: &Path, raw: &Path) {
    let bytes = fs::read(own).expect("a setup");
    let k = Srs::read_k(own).expect("its k");
    let mut cut = k.to_le_bytes().to_vec();
    cut.extend_from_slice(&bytes[BEFORE..bytes.len() - AFTER]);
    fs::write(raw, cut).expect("written");
}

#[test]
fn imports_say_of_which_ceremony_they_are() {
    let folder = Folder::new("setup-import");
    let (dev, raw, own) = (folder.file("dev.srs"), folder.file("raw"), folder.file("own.srs"));
    let made = json(&[&"setup", &"--dev", &"-k", &"6", &"-o", &dev]);
    assert_eq!((&made["dev"], &made["setup"]["kind"]), (&true.into(), &"unknown".into()));
    let id = made["setup"]["id"].as_str().expect("an id");
    cut_off(&dev, &raw);

    let fault = refusal(&[&"setup", &"--import", &raw, &"-o", &own]);
    let named =
        fault.contains(id) && fault.contains("--ceremony-point") && fault.contains("Hermez");
    assert!(named && !own.exists(), "{fault}");
    let report = json(&[&"setup", &"--import", &raw, &"-o", &own, &"--unknown-ceremony"]);
    assert_eq!((&report["setup"], &report["dev"]), (&made["setup"], &false.into()));
    assert_eq!((&report["k"], &report["format"]), (&6.into(), &"halo2 parameters, raw".into()));

    // Another point does not vouch for this one.
    let other = format!("0x{}", "12".repeat(32));
    refusal(&[&"setup", &"--import", &raw, &"-o", &own, &"--force", &"--ceremony-point", &other]);
    let line: [&dyn AsRef<std::ffi::OsStr>; 8] =
        [&"setup", &"--import", &raw, &"-o", &own, &"--force", &"--ceremony-point", &id];
    assert_eq!(json(&line)["setup"]["kind"], "ceremony_point");
    let smaller = folder.file("smaller.srs");
    let report =
        json(&[&"setup", &"--import", &raw, &"-o", &smaller, &"-k", &"4", &"--unknown-ceremony"]);
    assert_eq!((&report["k"], &report["setup"]), (&4.into(), &made["setup"]));
    let checked = json(&[&"setup", &"--check", &smaller]);
    assert_eq!((&checked["k"], &checked["setup"]), (&4.into(), &made["setup"]));
}

#[test]
fn setups_are_replaced_only_by_force() {
    let folder = Folder::new("setup-force");
    let (own, raw) = (folder.file("own.srs"), folder.file("raw"));
    let first = json(&[&"setup", &"--dev", &"-k", &"4", &"-o", &own]);
    cut_off(&own, &raw);
    for line in [
        vec!["--dev", "-k", "4"],
        vec!["--import", raw.to_str().expect("text"), "--unknown-ceremony"],
    ] {
        let before = fs::read(&own).expect("a setup");
        let mut arguments: Vec<&dyn AsRef<std::ffi::OsStr>> = vec![&"setup", &"-o", &own];
        arguments.extend(line.iter().map(|argument| argument as &dyn AsRef<std::ffi::OsStr>));
        let fault = refusal(&arguments);
        assert!(fault.contains("there already"), "{fault}");
        assert!(fs::read(&own).expect("a setup") == before);
        arguments.push(&"--force");
        json(&arguments);
    }
    // The import of the first came last.
    assert_eq!(json(&[&"setup", &"--check", &own])["setup"], first["setup"]);
}

#[test]
fn files_from_strangers_are_checked() {
    let folder = Folder::new("setup-check");
    let (own, wrong) = (folder.file("own.srs"), folder.file("wrong.srs"));
    json(&[&"setup", &"--dev", &"-k", &"4", &"-o", &own]);
    let mut bytes = fs::read(&own).expect("a setup");
    bytes[BEFORE + 70] ^= 1;
    fs::write(&wrong, bytes).expect("written");
    let fault = refusal(&[&"setup", &"--check", &wrong]);
    assert!(fault.contains("wrong.srs"), "{fault}");
    let new = folder.file("new.srs");
    assert!(refusal(&[&"setup", &"--import", &own, &"-o", &new]).contains("imported already"));
}

/// The same secret makes the same key, by whatever way the points came.
#[test]
fn keys_of_imported_parameters_are_the_same() {
    let (world, folder) = (World::get(), Folder::new("setup-keys"));
    let (raw, own) = (folder.file("raw"), folder.file("own.srs"));
    cut_off(&world.file("dev.srs"), &raw);
    json(&[&"setup", &"--import", &raw, &"-o", &own, &"--unknown-ceremony"]);
    let key = |setup: &Path| {
        let architecture = world.file("audit.json");
        let report =
            json(&[&"circuit", &"vk", &"--architecture", &architecture, &"--setup", &setup]);
        report["vk_hash"].clone()
    };
    assert_eq!(key(&own), key(&world.file("dev.srs")));
}
