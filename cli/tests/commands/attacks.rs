//! The two attacks that paid a thief, replayed against every command that moves money or calls a proof
//! valid: a key that constrains nothing, and a verifier that accepts everything. docs/trust.md tells them.

use std::{ffi::OsStr, fs, path::Path};

use alloy::primitives::{B256, U256};
use assay_prover::{
    arithmetic::field::field_to_bytes,
    graph::Op,
    model_card::{ModelCard, Word},
    proof::ProofFile,
};
use serde_json::Value;

use crate::{
    market::{HollowModel, Market, honest_vk_hash, views},
    world::{BATCH, Folder, ITEMS, World, digits, json, refusal},
};

/// A class that the network does not have.
const CLASS: u64 = 999;
const ANY_SETUP: &[&str] = &["--allow-dev-setup"];

fn number(value: u64) -> B256 {
    B256::from(U256::from(value))
}

fn text(path: &Path) -> String {
    path.display().to_string()
}

/// The options by which a buyer checks a model of the world.
fn checked(circuit: &str) -> [String; 4] {
    let world = World::get();
    let (architecture, setup) = (world.file(&format!("{circuit}.json")), world.file("dev.srs"));
    ["--architecture".into(), text(&architecture), "--setup".into(), text(&setup)]
}

/// A market in which the thief has registered a hollow key for a circuit, with its id.
fn hollow_market(name: &str, circuit: &str) -> Option<(Market, HollowModel, String)> {
    let market = Market::open(name, ANY_SETUP)?;
    let hollow = HollowModel::new(circuit, &market.folder);
    let bundle = World::get().file(&format!("{circuit}.bundle"));
    let pair = market.deploy_pair(&bundle, &hollow.keys, "hollow-verifier");
    let id = market.register(&hollow.architecture, hollow.model_hash(), hollow.vk_hash(), pair);
    Some((market, hollow, id))
}

/// A command refused, which names the keys that differ.
fn refused_for_key(market: &Market, words: &[&str], circuit: &str, hollow: &HollowModel) {
    let fault = refusal(&views(&market.line(&market.buyer, words)));
    let (found, wanted) = (hollow.vk_hash().to_string(), honest_vk_hash(circuit).to_string());
    assert!(fault.contains("its verifying key is"), "{fault}");
    assert!(fault.contains(&found) && fault.contains(&wanted), "{fault}");
}

/// The words of an order of one prediction.
fn order<'a>(id: &'a str, commitment: &'a str, more: &[&'a str]) -> Vec<&'a str> {
    let words = ["escrow", "open", "--model", id, "--commitment", commitment, "--price", "1ether"];
    [&words[..], more].concat()
}

/// Commits to an image; returns the commitment and the folder of its opening.
fn commit(market: &Market) -> (String, String) {
    let inputs = text(&market.folder.file("inputs"));
    let (architecture, image) = (World::get().file("model.json"), digits("images/00_7.png"));
    let line: [&dyn AsRef<OsStr>; 8] =
        [&"input", &"commit", &"--architecture", &architecture, &"--input", &image, &"-o", &inputs];
    let committed = json(&line);
    (committed["commitment"].as_str().expect("a word").to_owned(), inputs)
}

/// Claims a job for the thief with a bare proof of [`CLASS`].
fn claim(market: &Market, job: &str, proof: &[u8]) -> Value {
    let file = market.folder.file("claim.hex");
    fs::write(&file, format!("0x{}", hex::encode(proof))).expect("written");
    let class = CLASS.to_string();
    let words = ["escrow", "claim", job, "--raw-proof", &text(&file), "--class", &class];
    market.run(&market.thief, &words)
}

#[test]
fn a_hollow_key_sells_no_prediction_to_whoever_checks() {
    let Some((market, hollow, id)) = hollow_market("hollow-prediction", "model") else { return };
    let (commitment, inputs) = commit(&market);
    let checked = checked("model");
    let checked: Vec<&str> = checked.iter().map(String::as_str).collect();
    refused_for_key(&market, &order(&id, &commitment, &checked), "model", &hollow);
    let fault = refusal(&views(&market.line(&market.buyer, &order(&id, &commitment, &[]))));
    assert!(fault.contains("--card") && fault.contains("--trust-registry"), "{fault}");
    // What the check stands in the way of: a buyer that trusts the registry pays for class 999 of ten.
    let opened = market.run(&market.buyer, &order(&id, &commitment, &["--trust-registry"]));
    assert_eq!(opened["trust"]["method"], "registry");
    assert!(
        opened["trust"]["warning"].as_str().is_some_and(|text| text.contains("prove anything"))
    );
    let context = market.context("PredictionEscrow", U256::from(1));
    let commitment_word: B256 = commitment.parse().expect("a word");
    let proof = hollow.prove(&[context, commitment_word, number(CLASS)]);
    let claimed = claim(&market, "1", &proof.proof);
    assert_eq!(claimed["class"], CLASS.to_string());

    // A service of the same model.
    let terms = ["--bond", "2ether", "--penalty", "1ether", "--proof-cost", "1gwei"];
    let service = ["service", "open", "--model", &id];
    refused_for_key(&market, &[&service[..], &terms, &checked].concat(), "model", &hollow);
    let service =
        market.run(&market.thief, &[&service[..], &terms, &["--trust-registry"]].concat());
    let service = service["service"].as_str().expect("an id");
    post_is_refused(&market, &hollow, service, &inputs, &checked);

    // A relayer whose keys are hollow.
    let world = World::get();
    let (bundle, setup) = (text(&world.file("model.bundle")), text(&world.file("dev.srs")));
    let keys = text(&hollow.keys);
    let fault = refusal(&views(&market.line(
        &market.thief,
        &[
            "relayer",
            "run",
            "--bundle",
            &bundle,
            "--setup",
            &setup,
            "--keys",
            &keys,
            "--inputs",
            &inputs,
            "--minimum-price",
            "1wei",
            "--store",
            &text(&market.folder.file("jobs.db")),
        ],
    )));
    assert!(
        fault.contains(&keys) && fault.contains(&honest_vk_hash("model").to_string()),
        "{fault}"
    );
}

/// A receipt of the thief's service is not posted by a buyer that checks.
fn post_is_refused(
    market: &Market,
    hollow: &HollowModel,
    service: &str,
    inputs: &str,
    checked: &[&str],
) {
    let file = |name: &str| text(&market.folder.file(name));
    let (answers, receipt) = (file("answers.json"), file("receipt.json"));
    let opening = fs::read_dir(inputs).expect("inputs").next().expect("one").expect("one").path();
    let bundle = World::get().file("model.bundle");
    let line: [&dyn AsRef<OsStr>; 7] =
        [&"service", &"answer", &opening, &"--bundle", &bundle, &"-o", &answers];
    json(&line);
    let buyer = market.buyer.address.to_string();
    market.run(
        &market.thief,
        &[
            "service",
            "sign",
            &answers,
            "--service",
            service,
            "--buyer",
            &buyer,
            "--price",
            "1ether",
            "-o",
            &receipt,
        ],
    );
    let post = ["service", "post", &receipt, "--answers", &answers, "--inputs", inputs];
    refused_for_key(market, &[&post[..], checked].concat(), "model", hollow);
}

#[test]
fn a_hollow_key_sells_no_retrieval_to_whoever_checks() {
    let Some((market, hollow, id)) = hollow_market("hollow-retrieval", "retrieval") else { return };
    let checked = checked("retrieval");
    let checked: Vec<&str> = checked.iter().map(String::as_str).collect();
    let holder = market.thief.address.to_string();
    let root = World::get().root.as_str();
    let words = [
        "escrow",
        "retrieval",
        "open",
        "--model",
        &id,
        "--class",
        "7",
        "--holder",
        &holder,
        "--root",
        root,
        "--items",
        "5",
        "--price",
        "1ether",
    ];
    refused_for_key(&market, &[&words[..], &checked].concat(), "retrieval", &hollow);
    let fault = refusal(&views(&market.line(&market.buyer, &words)));
    assert!(fault.contains("--trust-registry"), "{fault}");
    let batch = BATCH.to_string();
    let opened =
        market.run(&market.buyer, &[&words[..], &["--trust-registry", "--batch", &batch]].concat());
    assert_eq!(opened["trust"]["method"], "registry");
}

#[test]
fn a_hollow_key_wins_no_audit_of_whoever_checks() {
    let Some((market, _, id)) = hollow_market("hollow-audit", "audit") else { return };
    let world = World::get();
    let (architecture, setup) = (text(&world.file("audit.json")), text(&world.file("dev.srs")));
    let (set, keys) = (text(&world.file("test.set")), text(&market.folder.file("seller.age-key")));
    let admit = ["--admit", architecture.as_str(), "--setup", &setup];
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
        "--enter-within",
        "3600",
        "--deliver-within",
        "3600",
        "--accept-within",
        "3600",
        "--prove-within",
        "36000",
    ];
    let fault = refusal(&views(&market.line(&market.buyer, &open)));
    assert!(fault.contains("--admit"), "{fault}");
    let line: [&dyn AsRef<OsStr>; 4] = [&"dataset", &"key", &"-o", &keys];
    let recipient = json(&line)["recipient"].as_str().expect("a key").to_owned();
    let enter = |job| {
        [
            "escrow",
            "audit",
            "enter",
            job,
            "--model",
            &id,
            "--architecture",
            &architecture,
            "--encryption-key",
            &recipient,
        ]
    };
    // With a list the thief does not come in.
    let opened = market.run(&market.buyer, &[&open[..], &admit].concat());
    assert_eq!(opened["trust"][0]["method"], "recomputed");
    let fault = refusal(&views(&market.line(&market.thief, &enter("1"))));
    assert!(fault.contains("does not admit"), "{fault}");
    // Without one he does, and gets no test set.
    market.run(&market.buyer, &[&open[..], &["--admit-at-delivery"]].concat());
    market.run(&market.thief, &enter("2"));
    let sealed = text(&market.folder.file("set.age"));
    let deliver =
        ["escrow", "audit", "deliver", "2", "--set", &set, "--data", &sealed, "--place", "-"];
    let fault = refusal(&views(&market.line(&market.buyer, &deliver)));
    assert!(fault.contains("--admit") && fault.contains("--trust-registry"), "{fault}");
    let fault = refusal(&views(&market.line(&market.buyer, &[&deliver[..], &admit].concat())));
    assert!(
        fault.contains("none of the entries of job 2 is of a model that is admitted"),
        "{fault}"
    );
    let delivered = market.run(&market.buyer, &[&deliver[..], &["--trust-registry"]].concat());
    assert_eq!(delivered["trust"][0]["method"], "registry");
}

#[test]
fn a_verifier_that_accepts_everything_sells_nothing_to_whoever_checks() {
    let Some(market) = Market::open("accept-all", ANY_SETUP) else { return };
    let world = World::get();
    let (bundle, keys) = (world.file("model.bundle"), world.file("model-keys"));
    let (vk, _) = market.deploy_pair(&bundle, &keys, "honest-verifier");
    let model_hash = B256::repeat_byte(7);
    let verifier = market.deploy_accept_all(model_hash);
    let honest = HollowModel::new("model", &market.folder);
    let vk_hash = honest_vk_hash("model");
    let id = market.register(&honest.architecture, model_hash, vk_hash, (vk, verifier));
    let (commitment, _) = commit(&market);
    let checked = checked("model");
    let checked: Vec<&str> = checked.iter().map(String::as_str).collect();
    let fault = refusal(&views(&market.line(&market.buyer, &order(&id, &commitment, &checked))));
    assert!(fault.contains("its verifier's code is"), "{fault}");
    market.run(&market.buyer, &order(&id, &commitment, &["--trust-registry"]));
    let claimed = claim(&market, "1", b"no proof at all");
    assert_eq!(claimed["class"], CLASS.to_string());
}

#[test]
fn a_laundered_setup_is_refused_by_the_contracts() {
    let Some(market) = Market::open("laundered", &[]) else { return };
    let hollow = HollowModel::new("model", &market.folder);
    let bundle = World::get().file("model.bundle");
    // There is no mark in the key that could be cut off: its point is of no ceremony.
    let pair = market.deploy_pair(&bundle, &hollow.keys, "hollow-verifier");
    let id = market.register(&hollow.architecture, hollow.model_hash(), hollow.vk_hash(), pair);
    let (commitment, _) = commit(&market);
    let words = order(&id, &commitment, &["--trust-registry"]);
    let fault = refusal(&views(&market.line(&market.buyer, &words)));
    assert!(fault.contains("DevSetupRefused"), "{fault}");
}

/// A file of a proof of a run, and the others that its folder needs.
fn hollow_runs(hollow: &HollowModel, folder: &Folder, root: &str, result: u64) -> String {
    let proofs = folder.file("proofs");
    fs::create_dir_all(&proofs).expect("folder");
    for (run, first) in (0..ITEMS).step_by(BATCH).enumerate() {
        let items = BATCH.min(ITEMS - first) as u64;
        let root: B256 = root.parse().expect("a word");
        let words =
            [B256::ZERO, root, number(first as u64), number(items), number(result.min(items))];
        let path = proofs.join(format!("run-{run:05}.proof"));
        hollow.prove(&words).write(&path).expect("written");
    }
    text(&proofs)
}

#[test]
fn a_hollow_proof_is_valid_to_nobody_who_makes_the_key() {
    let (world, folder) = (World::get(), Folder::new("hollow-proofs"));
    let honest = |circuit: &str| honest_vk_hash(circuit).to_string();
    let hollow = HollowModel::new("model", &folder);
    let proof = folder.file("hollow.proof");
    hollow.prove(&[number(0), number(5), number(CLASS)]).write(&proof).expect("written");
    let file = ProofFile::read(&proof).expect("a proof");
    assert_eq!(field_to_bytes(file.public_inputs.last().expect("a class"))[30..], [3, 231]);
    let words = |circuit: &str, line: &[&str], more: &[&str]| -> Vec<String> {
        let path = world.file(&format!("{circuit}.json"));
        let published = ["--architecture".to_owned(), text(&path)];
        let words = line.iter().chain(more).map(|word| (*word).to_owned());
        words.chain(published).collect()
    };
    let (setup, keys) = (text(&world.file("dev.srs")), text(&hollow.keys));
    let verify = ["verify", &text(&proof)];
    let fault = refusal(&views(&words("model", &verify, &["--setup", &setup])));
    assert!(
        fault.contains("belongs to verifying key") && fault.contains(&honest("model")),
        "{fault}"
    );
    let fault = refusal(&views(&words("model", &verify, &["--keys", &keys])));
    assert!(fault.contains("--setup") && fault.contains("--trust-key"), "{fault}");
    let trusted = json(&views(&words("model", &verify, &["--keys", &keys, "--trust-key"])));
    assert_eq!((&trusted["valid"], &trusted["class"]), (&true.into(), &CLASS.to_string().into()));
    assert_eq!(trusted["trust"]["method"], "key_file");

    for (circuit, command) in [("audit", "audit"), ("retrieval", "retrieve")] {
        let folder = Folder::new(&format!("hollow-{circuit}-proofs"));
        let hollow = HollowModel::new(circuit, &folder);
        let proofs = hollow_runs(&hollow, &folder, &world.root, u64::MAX);
        let items = ITEMS.to_string();
        let line = [command, "verify", &proofs, "--items", &items, "--root", &world.root];
        let fault = refusal(&views(&words(circuit, &line, &["--setup", &setup])));
        assert!(fault.contains("belongs to verifying key"), "{fault}");
        let keys = text(&hollow.keys);
        let trusted = json(&views(&words(circuit, &line, &["--keys", &keys, "--trust-key"])));
        assert_eq!(trusted["trust"]["method"], "key_file", "{trusted}");
    }
}

/// What a card says after a change of its architecture, by a thief who keeps it consistent.
fn changed_card(name: &str, change: impl Fn(&mut ModelCard)) -> (Folder, String) {
    let (world, folder) = (World::get(), Folder::new(name));
    let honest = folder.file("honest.json");
    let (bundle, setup) = (world.file("model.bundle"), world.file("dev.srs"));
    let line: [&dyn AsRef<OsStr>; 7] =
        [&"model", &"card", &bundle, &"--setup", &setup, &"-o", &honest];
    json(&line);
    let (mut card, _) = ModelCard::read(&honest).expect("a card");
    change(&mut card);
    card.circuit_hash = Word(card.architecture.circuit_hash());
    let path = folder.file("card.json");
    card.write(&path, false).expect("written");
    (folder, text(&path))
}

fn check_card(card: &str) -> Vec<String> {
    let setup = text(&World::get().file("dev.srs"));
    ["model", "check", card, "--setup", &setup].map(str::to_owned).to_vec()
}

#[test]
fn a_card_is_good_as_it_was_made_and_bad_when_changed() {
    let (_kept, card) = changed_card("card-same", |_| ());
    let report = json(&views(&check_card(&card)));
    assert_eq!((&report["good"], &report["trust"]["method"]), (&true.into(), &"recomputed".into()));
    let (_kept, card) = changed_card("card-table", |card| {
        let table = card.architecture.graph.functions.last_mut().expect("a table");
        *table.values.first_mut().expect("an entry") += 1;
    });
    let fault = refusal(&views(&check_card(&card)));
    assert!(fault.contains("the card's verifying key is"), "{fault}");
    let (_kept, card) = changed_card("card-output", |card| {
        card.architecture.options.statement = assay_prover::circuit::StatementKind::Prediction {
            input: assay_prover::circuit::InputMode::Committed,
            output: assay_prover::circuit::OutputMode::Best(1),
        };
        card.output.shows = "best:1".to_owned();
    });
    let fault = refusal(&views(&check_card(&card)));
    assert!(fault.contains("the card's verifying key is"), "{fault}");
    // A convolution of stride 1 becomes one of stride 2 over an input that fits both.
    let (_kept, card) = changed_card("card-stride", |card| {
        let layers = &mut card.architecture.graph.layers;
        let conv = layers.iter_mut().find_map(|layer| match &mut layer.op {
            Op::Conv { window, .. } if window.kernel == [1, 1] => Some(window),
            _ => None,
        });
        conv.expect("a dense layer").stride = [2, 2];
    });
    let fault = refusal(&views(&check_card(&card)));
    assert!(fault.contains("card.json"), "{fault}");
}
