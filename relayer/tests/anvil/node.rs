//! An anvil process that dies with its owner.

use std::{
    io::{BufRead, BufReader},
    path::PathBuf,
    process::{Child, Command, Stdio},
};

/// Keys of anvil's default accounts.
pub const KEYS: [&str; 4] = [
    "0xac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80",
    "0x59c6995e998f97a5a0044966f0945389dc9e86dae88c7a8412f4603b6b78690d",
    "0x5de4111afa1a4b94908f83103eb1f1706367c2e68ca870fc3fb9a804cdab365a",
    "0x7c852118294e51e653712a81e05800f419141751be58f605c371e15141b007a6",
];

pub struct Anvil {
    process: Child,
    pub port: u16,
}

impl Anvil {
    /// Starts a node with the rules of Osaka on a free port.
    pub fn start() -> Self {
        Self::start_on(0)
    }

    /// The same on a port of the caller's choice.
    pub fn start_on(port: u16) -> Self {
        let mut process = Command::new(binary())
            .args(["--port", &port.to_string(), "--hardfork", "osaka", "--enable-tx-gas-limit"])
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(process.stdout.take().unwrap()).lines();
        let port = loop {
            let line = lines.next().expect("anvil ended before it listened").unwrap();
            if let Some(address) = line.strip_prefix("Listening on ") {
                break address.rsplit(':').next().unwrap().trim().parse().unwrap();
            }
        };
        // Read on, else anvil blocks when the pipe is full.
        std::thread::spawn(move || lines.for_each(drop));
        Self { process, port }
    }

    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    pub fn ws_url(&self) -> String {
        format!("ws://127.0.0.1:{}", self.port)
    }
}

impl Drop for Anvil {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn binary() -> PathBuf {
    root().join("node_modules/@foundry-rs/anvil-linux-amd64/bin/anvil")
}

/// forge's output folder.
pub fn artifacts() -> PathBuf {
    root().join("contracts/out")
}

/// What is missing for these tests, if anything.
pub fn missing() -> Option<String> {
    let artifact = artifacts().join("PredictionEscrow.sol/PredictionEscrow.json");
    let double = artifacts().join("VerifierDoubles.sol/MockVerifier.json");
    let absent = [(binary(), "npm ci"), (artifact, "forge build"), (double, "forge build")]
        .into_iter()
        .find(|(path, _)| !path.exists())?;
    let text = format!("{} is missing; run `{}`", absent.0.display(), absent.1);
    assert!(std::env::var_os("ASSAY_REQUIRE_ANVIL").is_none(), "{text}");
    Some(text)
}

/// Leaves the test, with a line that says why, where anvil or the artifacts are not installed.
#[macro_export]
macro_rules! require_anvil {
    () => {
        if let Some(reason) = $crate::node::missing() {
            eprintln!("skipped: {reason}");
            return;
        }
    };
}
