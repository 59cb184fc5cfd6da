//! What commands write and what they never replace.

use std::{
    ffi::OsStr,
    fs,
    os::unix::fs::PermissionsExt,
    process::{Command, Stdio},
    time::Duration,
};

use crate::world::{Folder, World, command, digits, json, refusal, run};

/// A command that refuses, and with `--force` goes through.
fn refused_unless_forced(line: &[&dyn AsRef<OsStr>], breaks: &str) {
    let refused = refusal(line);
    assert!(refused.contains("is there already") && refused.contains(breaks), "{refused}");
    assert!(refused.contains("--force"), "{refused}");
    json(&[line, &[&"--force" as &dyn AsRef<OsStr>]].concat());
}

#[test]
fn keys_are_replaced_by_force_only() {
    let (world, folder) = (World::get(), Folder::new("keys"));
    let (setup, own) = (world.file("dev.srs"), world.file("best-keys"));
    let proving = fs::metadata(own.join("proving.key")).expect("key").modified().expect("time");
    let refused =
        refusal(&[&"keygen", &world.file("best.bundle"), &"--setup", &setup, &"-o", &own]);
    assert!(refused.contains("could no longer be proven from this folder"), "{refused}");
    let after = fs::metadata(own.join("proving.key")).expect("key").modified().expect("time");
    assert_eq!(proving, after);

    let (architecture, keys) = (world.file("best.json"), folder.file("keys"));
    let line: [&dyn AsRef<OsStr>; 7] =
        [&"keygen", &"--architecture", &architecture, &"--setup", &setup, &"-o", &keys];
    json(&line);
    refused_unless_forced(&line, "could no longer be proven from this folder");
}

#[test]
fn a_verifier_is_replaced_by_force_only() {
    let (world, folder) = (World::get(), Folder::new("verifier-folder"));
    let (architecture, keys) = (world.file("best.json"), world.file("best-keys"));
    let verifier = folder.file("verifier");
    let line: [&dyn AsRef<OsStr>; 9] = [
        &"verifier",
        &"generate",
        &"--architecture",
        &architecture,
        &"--keys",
        &keys,
        &"--no-compile",
        &"-o",
        &verifier,
    ];
    json(&line);
    refused_unless_forced(&line, "contracts deployed from this folder");
}

#[test]
fn another_architecture_is_replaced_by_force_only() {
    let (world, folder) = (World::get(), Folder::new("architecture"));
    let (file, model, best) =
        (folder.file("a.json"), world.file("model.bundle"), world.file("best.bundle"));
    let line =
        |bundle| -> [&dyn AsRef<OsStr>; 5] { [&"model", &"architecture", bundle, &"-o", &file] };
    assert_eq!(json(&line(&model))["was_there"], false);
    assert_eq!(json(&line(&model))["was_there"], true);
    refused_unless_forced(&line(&best), "could no longer be checked with it");
    assert_eq!(json(&line(&best))["was_there"], true);
}

#[test]
fn an_opening_that_is_there_is_left_alone() {
    let (world, folder) = (World::get(), Folder::new("openings"));
    let (architecture, image) = (world.file("best.json"), digits("images/00_7.png"));
    let (openings, salt) = (folder.file("openings"), format!("{:064x}", 5));
    let line: [&dyn AsRef<OsStr>; 10] = [
        &"input",
        &"commit",
        &"--architecture",
        &architecture,
        &"--input",
        &image,
        &"--salt",
        &salt,
        &"-o",
        &openings,
    ];
    let first = json(&line);
    assert_eq!(first["was_there"], false);
    let again = json(&line);
    assert_eq!((&again["was_there"], &again["opening"]), (&true.into(), &first["opening"]));
    let path = first["opening"].as_str().expect("a path");
    fs::write(path, "precious").expect("written");
    let refused = refusal(&line);
    assert!(refused.contains("is there already"), "{refused}");
    assert_eq!(fs::read(path).expect("read"), b"precious");
    // Half a salt is none.
    let short = run(&[
        &"input",
        &"commit",
        &"--architecture",
        &architecture,
        &"--input",
        &image,
        &"--salt",
        &"0x1234",
        &"-o",
        &openings,
    ]);
    assert_eq!(short.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&short.stderr).contains("64 hexadecimal digits"));
}

/// Ctrl-C stops a proof, and neither a proof nor an opening is left.
#[test]
fn an_interrupted_proof_leaves_nothing() {
    let (world, folder) = (World::get(), Folder::new("interrupted"));
    let (proof, opening) = (folder.file("digit.proof"), folder.file("digit.proof.opening.json"));
    let mut child = command(&[
        &"prove",
        &world.file("best.bundle"),
        &"--setup",
        &world.file("dev.srs"),
        &"--keys",
        &world.file("best-keys"),
        &"--input",
        &digits("images/00_7.png"),
        &"-o",
        &proof,
    ])
    // Slow enough to be interrupted.
    .env("RAYON_NUM_THREADS", "1")
    .env("ASSAY_KERNELS", "scalar")
    .stdout(Stdio::null())
    .stderr(Stdio::piped())
    .spawn()
    .expect("started");
    while !opening.exists() {
        assert!(child.try_wait().expect("running").is_none(), "ended before it began");
        std::thread::sleep(Duration::from_millis(5));
    }
    let signal = ["-INT", &child.id().to_string()].map(str::to_owned);
    assert!(Command::new("kill").args(signal).status().expect("sent").success());
    let output = child.wait_with_output().expect("ended");
    assert_eq!(output.status.code(), Some(1));
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(told.contains("cancelled"), "{told}");
    assert!(!proof.exists() && !opening.exists());
}

/// Without the opening of its input, a proof of a prediction is about nobody knows what.
#[test]
fn a_proof_comes_with_the_opening_of_its_input() {
    let (world, folder) = (World::get(), Folder::new("prove"));
    let (bundle, setup) = (folder.file("best.bundle"), world.file("dev.srs"));
    // Of its own, as others count the openings of the world's.
    json(&[
        &"model",
        &"derive",
        &world.file("model.bundle"),
        &"--statement",
        &"prediction",
        &"--outputs",
        &"best:3",
        &"--openings",
        &"4",
        &"-o",
        &bundle,
    ]);
    let (keys, image) = (world.file("best-keys"), digits("images/00_7.png"));
    let (proof, opening) = (folder.file("digit.proof"), folder.file("digit.proof.opening.json"));
    let line: [&dyn AsRef<OsStr>; 10] = [
        &"prove", &bundle, &"--setup", &setup, &"--keys", &keys, &"--input", &image, &"-o", &proof,
    ];
    let used = || json(&[&"model", &"inspect", &bundle])["openings_used"].clone();
    let report = json(&line);
    assert_eq!(report["opening"], opening.to_string_lossy().as_ref());
    let mode = fs::metadata(&opening).expect("opening").permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    // It is the opening that `input commit` writes: it opens the proof's commitment.
    let text: serde_json::Value =
        serde_json::from_slice(&fs::read(&opening).expect("read")).expect("JSON");
    let committed = json(&[
        &"input",
        &"commit",
        &"--bundle",
        &bundle,
        &"--input",
        &image,
        &"--salt",
        &text["salt"].as_str().expect("a salt"),
        &"-o",
        &folder.file("openings"),
    ]);
    assert_eq!(committed["commitment"], report["public_inputs"][1]);
    let kept = committed["opening"].as_str().expect("a path");
    assert_eq!(fs::read(kept).expect("read"), fs::read(&opening).expect("read"));

    // Neither is replaced, and no opening of the weights is used for that.
    let before = used();
    let refused = refusal(&line);
    assert!(refused.contains("digit.proof is there already"), "{refused}");
    fs::remove_file(&proof).expect("removed");
    let refused = refusal(&line);
    assert!(refused.contains("opening.json is there already"), "{refused}");
    assert_eq!(used(), before);
    // What fails later leaves no opening behind.
    let elsewhere = folder.file("elsewhere.json");
    let other: [&dyn AsRef<OsStr>; 2] = [&"--opening-output", &elsewhere];
    let mut broken = [&line[..], &other].concat();
    let missing = folder.file("missing");
    broken[5] = &missing;
    refusal(&broken);
    assert!(!elsewhere.exists());
    assert_eq!(
        json(&[&line[..], &other].concat())["opening"],
        elsewhere.to_string_lossy().as_ref()
    );
    assert!(proof.exists() && elsewhere.exists());
}

/// A bare number of coins, a word cut short: nobody knows what was meant.
#[test]
fn amounts_have_units_and_words_their_length() {
    let word = format!("0x{:064x}", 1);
    let said = |price: &str, commitment: &str| {
        let line: [&dyn AsRef<OsStr>; 8] = [
            &"escrow",
            &"open",
            &"--model",
            &"1",
            &"--commitment",
            &commitment,
            &"--price",
            &price,
        ];
        let done = run(&line);
        assert_eq!(done.status.code(), Some(2));
        String::from_utf8(done.stderr).expect("text")
    };
    assert!(said("1", &word).contains("1ether"));
    let short = said("1ether", "0x1234");
    assert!(short.contains("64 hexadecimal digits"), "{short}");
}
