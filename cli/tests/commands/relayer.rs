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
    let world = World::get();
    let rpc = format!("{}/{API_KEY}", node("0x".to_owned()));
    let escrow = "0x00000000000000000000000000000000000000aa";
    let mut arguments: Vec<Box<dyn AsRef<OsStr>>> = Vec::new();
    for argument in ["relayer", "run", "--escrow", escrow, "--rpc", &rpc] {
        arguments.push(Box::new(argument.to_owned()));
    }
    for (option, path) in [
        ("--bundle", world.file("model.bundle")),
        ("--setup", world.file("dev.srs")),
        // Made here where they are not there yet.
        ("--keys", world.file("model-keys")),
        ("--inputs", folder.file("openings")),
        ("--store", folder.file("jobs.redb")),
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
