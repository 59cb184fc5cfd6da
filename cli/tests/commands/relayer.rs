//! `assay relayer run`: what it asks for, and what its log does not say.

use std::ffi::OsStr;

use crate::{
    circuit::node,
    world::{Folder, World, command},
};

const KEY: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
/// As providers put them into the addresses of their nodes.
const API_KEY: &str = "v3/5ecf00d5ecf00d";

/// A relayer at a node which is no escrow's, and what it says.
fn run(folder: &Folder, more: &[&str]) -> (Option<i32>, String) {
    run_at(&format!("{}/{API_KEY}", node("0x".to_owned())), folder, more)
}

/// The same at any node.
fn run_at(rpc: &str, folder: &Folder, more: &[&str]) -> (Option<i32>, String) {
    let world = World::get();
    let escrow = "0x00000000000000000000000000000000000000aa";
    let mut arguments: Vec<Box<dyn AsRef<OsStr>>> = Vec::new();
    for argument in ["relayer", "run", "--escrow", escrow, "--rpc", rpc] {
        arguments.push(Box::new(argument.to_owned()));
    }
    for (option, path) in [
        ("--bundle", world.file("model.bundle")),
        ("--setup", world.file("dev.srs")),
        // Made here where they are not there yet.
        ("--keys", world.file("model-keys")),
        ("--inputs", folder.file("openings")),
        ("--store", folder.file("jobs.db")),
    ] {
        arguments.push(Box::new(option));
        arguments.push(Box::new(path));
    }
    arguments.extend(more.iter().map(|text| Box::new((*text).to_owned()) as Box<dyn AsRef<OsStr>>));
    let views: Vec<&dyn AsRef<OsStr>> = arguments.iter().map(AsRef::as_ref).collect();
    let mut command = command(&views);
    command.env("ASSAY_PRIVATE_KEY", KEY).env("ASSAY_LOG", "trace");
    let done = command.output().expect("the program runs");
    (done.status.code(), String::from_utf8_lossy(&done.stderr).into_owned())
}

#[test]
fn the_least_price_is_the_sellers_choice() {
    let (code, said) = run(&Folder::new("relayer-price"), &[]);
    assert_eq!(code, Some(2), "{said}");
    assert!(said.contains("--minimum-price"), "{said}");
}

#[test]
fn the_log_does_not_hold_the_key_of_the_node() {
    let folder = Folder::new("relayer-log");
    let (code, said) = run(&folder, &["--minimum-price", "1gwei", "--max-fee", "3gwei"]);
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("is no PredictionEscrow"), "{said}");
    assert!(!said.contains("5ecf00d"), "{said}");
}

#[test]
fn jobs_that_pay_nothing_are_not_asked_for() {
    let (code, said) = run(&Folder::new("relayer-nothing"), &["--minimum-price", "0"]);
    assert_eq!(code, Some(2), "{said}");
    assert!(said.contains("pay nothing"), "{said}");
}

#[test]
fn a_node_that_is_down_is_waited_for() {
    let folder = Folder::new("relayer-down");
    // Nothing listens at either; the log must not hold the key here either.
    let rpc = format!("http://127.0.0.1:1/{API_KEY},http://127.0.0.1:2/{API_KEY}");
    let price = ["--minimum-price", "1gwei"];
    let limit = ["--until-settled", "1", "--give-up-after", "12"];
    let (code, said) = run_at(&rpc, &folder, &[&price[..], &limit].concat());
    assert_eq!(code, Some(1), "{said}");
    assert!(said.matches("waiting for one").count() >= 2, "{said}");
    assert!(said.contains("cannot be reached") && !said.contains("5ecf00d"), "{said}");
}

#[test]
fn its_log_can_be_read_by_programs() {
    let folder = Folder::new("relayer-json");
    let price = ["--minimum-price", "1gwei", "--json-log"];
    let limit = ["--until-settled", "1", "--give-up-after", "6"];
    let (_, said) = run_at("http://127.0.0.1:1", &folder, &[&price[..], &limit].concat());
    let lines: Vec<serde_json::Value> =
        said.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
    let waits = lines.iter().find(|line| line["code"] == "node-unreachable");
    let waits = waits.unwrap_or_else(|| panic!("no line with a code: {said}"));
    assert_eq!((&waits["level"], &waits["pause_s"]), (&"WARN".into(), &1.into()), "{said}");
    assert!(waits["message"].as_str().is_some_and(|text| text.contains("waiting")), "{said}");
}

#[test]
fn its_status_is_not_for_strangers() {
    let exposed = ["--minimum-price", "1gwei", "--status-address", "0.0.0.0:9464"];
    let (code, said) = run(&Folder::new("relayer-exposed"), &exposed);
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("--expose-status-to-network"), "{said}");
}

#[test]
fn each_bundle_has_keys_of_its_own() {
    let more = ["--minimum-price", "1gwei", "--bundle", "another.bundle"];
    let (code, said) = run(&Folder::new("relayer-bundles"), &more);
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("2 --bundle and 1 --keys"), "{said}");
}

#[test]
fn audits_are_entered_with_a_limit_and_a_key_only() {
    let more = ["--minimum-price", "1gwei", "--audits", "sets"];
    let (code, said) = run(&Folder::new("relayer-audits"), &more);
    assert_eq!(code, Some(2), "{said}");
    for option in ["--audit-key", "--audit-stake", "--audit-reward"] {
        assert!(said.contains(option), "{option}: {said}");
    }
}

#[test]
fn the_doctor_says_what_is_wrong() {
    let world = World::get();
    let folder = Folder::new("relayer-doctor");
    let (bundle, keys) = (world.file("model.bundle"), folder.file("no-keys"));
    let (inputs, store) = (folder.file("openings"), folder.file("jobs.db"));
    let escrow = "0x00000000000000000000000000000000000000aa";
    let mut command = command(&[
        &"relayer",
        &"doctor",
        &"--json",
        &"--escrow",
        &escrow,
        &"--bundle",
        &bundle,
        &"--keys",
        &keys,
        &"--inputs",
        &inputs,
        &"--store",
        &store,
        &"--rpc",
        &"http://127.0.0.1:1",
    ]);
    command.env("ASSAY_PRIVATE_KEY", KEY);
    let done = command.output().expect("the program runs");
    assert_eq!(done.status.code(), Some(1));
    let said = String::from_utf8_lossy(&done.stdout).into_owned();
    let report: serde_json::Value =
        serde_json::Deserializer::from_str(&said).into_iter().next().unwrap().unwrap();
    assert_eq!(report["healthy"], false, "{said}");
    let verdict = |what: &str| {
        let checks = report["checks"].as_array().expect("checks");
        let check = checks.iter().find(|check| check["what"] == what);
        check.unwrap_or_else(|| panic!("no {what}: {said}"))["verdict"].clone()
    };
    assert_eq!(verdict("bundle"), "good");
    assert_eq!(verdict("keys"), "warning");
    assert_eq!(verdict("inputs"), "warning");
    assert_eq!(verdict("connection"), "bad");
}
