//! Anvil and forge's artifacts in this repository.

use std::path::PathBuf;

use assay_client::LocalNode;

/// Keys of anvil's default accounts: those of [`LocalNode::keys`], for connections that do not have
/// the node at hand.
pub const KEYS: [&str; 4] = [
    "0xac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80",
    "0x59c6995e998f97a5a0044966f0945389dc9e86dae88c7a8412f4603b6b78690d",
    "0x5de4111afa1a4b94908f83103eb1f1706367c2e68ca870fc3fb9a804cdab365a",
    "0x7c852118294e51e653712a81e05800f419141751be58f605c371e15141b007a6",
];

/// A node on a free port.
///
/// # Panics
/// Where anvil does not start.
pub fn start() -> LocalNode {
    start_on(0)
}

/// A node on a port of the caller's choice.
///
/// # Panics
/// Where anvil does not start.
pub fn start_on(port: u16) -> LocalNode {
    LocalNode::start_on(&binary(), port).unwrap()
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn binary() -> PathBuf {
    root().join("node_modules/@foundry-rs/anvil-linux-amd64/bin/anvil")
}

/// forge's output folder.
pub fn artifacts() -> PathBuf {
    root().join("contracts/out")
}

/// What is missing for these tests, if anything.
///
/// # Panics
/// If something is missing and `ASSAY_REQUIRE_ANVIL` is set.
pub fn missing() -> Option<String> {
    let artifact = artifacts().join("PredictionEscrow.sol/PredictionEscrow.json");
    let double = artifacts().join("VerifierDoubles.sol/MockVerifier.json");
    let absent = [
        (binary(), "scripts/install-tools.sh"),
        (artifact, "forge build"),
        (double, "forge build"),
    ]
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
