//! `assay circuit vk`: the key follows from the architecture, and another one is refused.

use std::{
    ffi::OsStr,
    fs,
    io::{BufRead, BufReader, Read, Write},
    net::{TcpListener, TcpStream},
};

use serde_json::{Value, json as object};

use crate::world::{Folder, World, json, refusal, run};

const ADDRESS: &str = "0x00000000000000000000000000000000000000aa";

fn line() -> Vec<String> {
    let world = World::get();
    let path = |name: &str| world.file(name).to_string_lossy().into_owned();
    ["circuit", "vk", "--architecture", &path("audit.json"), "--setup", &path("dev.srs")]
        .map(str::to_owned)
        .to_vec()
}

fn views<'a>(line: &'a [String], more: &'a [&'a str]) -> Vec<&'a dyn AsRef<OsStr>> {
    let line = line.iter().map(|argument| argument as &dyn AsRef<OsStr>);
    line.chain(more.iter().map(|argument| argument as &dyn AsRef<OsStr>)).collect()
}

#[test]
fn files_and_hashes_are_compared() {
    let (world, line) = (World::get(), line());
    let report = json(&views(&line, &[]));
    let hash = report["vk_hash"].as_str().expect("a hash");
    assert_eq!(report["code_hash"], hash);
    let path = |name: &str| world.file(name).to_string_lossy().into_owned();
    let (own, other) = (path("audit-keys/verifying.key"), path("best-keys/verifying.key"));
    let same = json(&views(&line, &["--vk", &own, "--hash", hash]));
    assert_eq!(same["compared"].as_array().map(Vec::len), Some(2));
    let fault = refusal(&views(&line, &["--vk", &other]));
    assert!(fault.contains("best-keys") && fault.contains(hash), "{fault}");
    let fault = refusal(&views(&line, &["--hash", &format!("0x{}", "12".repeat(32))]));
    assert!(fault.contains("another circuit"), "{fault}");
    // A damaged file is named as such, and is no answer to the question.
    let folder = Folder::new("vk");
    let damaged = folder.file("verifying.key");
    let mut bytes = fs::read(&own).expect("key");
    bytes[200] ^= 1;
    fs::write(&damaged, bytes).expect("written");
    let fault = refusal(&views(&line, &["--vk", &damaged.to_string_lossy()]));
    assert!(fault.contains("damaged"), "{fault}");
}

#[test]
fn a_key_of_another_setup_is_another_key() {
    let (world, folder) = (World::get(), Folder::new("vk-setup"));
    let other = folder.file("other.srs");
    let k = json(&views(&line(), &[]))["k"].to_string();
    json(&[&"setup", &"--dev", &"-k", &k, &"-o", &other]);
    let fault = refusal(&[
        &"circuit",
        &"vk",
        &"--architecture",
        &world.file("audit.json"),
        &"--setup",
        &other,
        &"--vk",
        &world.file("audit-keys/verifying.key"),
    ]);
    assert!(fault.contains("another setup"), "{fault}");
}

#[test]
fn deployed_keys_are_compared() {
    let (world, line, folder) = (World::get(), line(), Folder::new("vk-chain"));
    let verifier = folder.file("verifier");
    json(&[
        &"verifier",
        &"generate",
        &"--architecture",
        &world.file("audit.json"),
        &"--keys",
        &world.file("audit-keys"),
        &"--no-compile",
        &"-o",
        &verifier,
    ]);
    let text = fs::read_to_string(verifier.join("verifier.json")).expect("description");
    let description: Value = serde_json::from_str(&text).expect("JSON");
    let code = description["vk_code"].as_str().expect("code").to_owned();
    let rpc = node(code.clone());
    let report = json(&views(&line, &["--rpc", &rpc, "--address", ADDRESS]));
    assert_eq!(report["vk_hash"], description["vk_hash"]);
    assert_eq!(report["compared"].as_array().map(Vec::len), Some(1));
    // One bit of a commitment.
    let end = if code.ends_with('0') { "1" } else { "0" };
    let rpc = node(format!("{}{end}", &code[..code.len() - 1]));
    let fault = refusal(&views(&line, &["--rpc", &rpc, "--address", ADDRESS]));
    assert!(fault.contains("contract") && fault.contains("another circuit"), "{fault}");
    let rpc = node("0x".to_owned());
    let fault = refusal(&views(&line, &["--rpc", &rpc, "--address", ADDRESS]));
    assert!(fault.contains("no contract"), "{fault}");
    // A contract is nowhere without a node.
    assert!(!run(&views(&line, &["--address", ADDRESS])).status.success());
}

/// A node that knows the code of all contracts, and nothing else; its address.
pub(crate) fn node(code: String) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let url = format!("http://{}", listener.local_addr().expect("an address"));
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let code = code.clone();
            std::thread::spawn(move || serve(&stream, &code));
        }
    });
    url
}

/// Answers requests until the client is gone.
fn serve(stream: &TcpStream, code: &str) -> Option<()> {
    let mut reader = BufReader::new(stream);
    loop {
        let mut length = 0;
        loop {
            let mut header = String::new();
            if reader.read_line(&mut header).ok()? == 0 {
                return None;
            }
            let header = header.trim().to_ascii_lowercase();
            if let Some(value) = header.strip_prefix("content-length:") {
                length = value.trim().parse().ok()?;
            }
            if header.is_empty() {
                break;
            }
        }
        let mut body = vec![0; length];
        reader.read_exact(&mut body).ok()?;
        let request: Value = serde_json::from_slice(&body).ok()?;
        let result = match request["method"].as_str()? {
            "eth_chainId" => "0x7a69",
            "eth_getCode" => code,
            _ => "0x0",
        };
        let answer = object!({ "jsonrpc": "2.0", "id": request["id"], "result": result });
        let answer = answer.to_string();
        let head = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length";
        write!(&*stream, "{head}: {}\r\n\r\n{answer}", answer.len()).ok()?;
    }
}
