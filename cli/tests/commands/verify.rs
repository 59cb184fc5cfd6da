//! `assay verify` says what a proof shows by the names of its statement.

use crate::world::{Folder, World, digits, json, refusal};

const WORD: &str = "0x0000000000000000000000000000000000000000000000000000000000000001";

#[test]
fn public_inputs_have_the_names_of_their_statement() {
    let (world, folder) = (World::get(), Folder::new("verify"));
    let (bundle, proof) = (world.file("best.bundle"), folder.file("best.proof"));
    let (keys, setup) = (world.file("best-keys"), world.file("dev.srs"));
    let proven = json(&[
        &"prove",
        &bundle,
        &"--setup",
        &setup,
        &"--keys",
        &keys,
        &"--input",
        &digits("images/00_7.png"),
        &"-o",
        &proof,
    ]);
    let architecture = world.file("best.json");
    let verify = [
        &"verify" as &dyn AsRef<std::ffi::OsStr>,
        &proof,
        &"--architecture",
        &architecture,
        &"--setup",
        &setup,
    ];
    let report = json(&verify);
    assert_eq!(report["valid"], true);
    // The last of the best is not the class.
    assert!(report["class"].is_null(), "{report}");
    assert!(report["statement"].as_str().is_some_and(|text| text.contains("3 best")), "{report}");
    let inputs = report["named_inputs"].as_array().expect("inputs");
    let names = inputs.iter().map(|input| input["name"].as_str().expect("name"));
    assert_eq!(
        names.collect::<Vec<_>>(),
        ["context", "input commitment", "best class 1", "best class 2", "best class 3"]
    );
    assert_eq!((&inputs[2]["value"], &proven["class"]), (&"7".into(), &7.into()));
    let commitment = report["public_inputs"][1].as_str().expect("a word");
    assert_eq!(inputs[1]["value"], commitment);
    let with = |option: &str, value: &str| {
        refusal(&[&verify[..], &[&option as &dyn AsRef<std::ffi::OsStr>, &value]].concat())
    };
    assert!(with("--commitment", WORD).contains(commitment));
    assert!(with("--context", WORD).contains("for context"));
}
