//! A local anvil node that ends with its owner.

use std::{
    io::{BufRead, BufReader},
    os::unix::process::CommandExt as _,
    path::Path,
    process::{Child, Command, Stdio},
};

use anyhow::{Context, Result, bail};

pub struct LocalNode {
    process: Child,
    guard: Option<Child>,
    port: u16,
    key: String,
}

impl LocalNode {
    /// Starts a node with the rules of Osaka on a free port.
    pub fn start(program: &Path) -> Result<Self> {
        let mut process = Command::new(program)
            .args(["--port", "0", "--hardfork", "osaka", "--enable-tx-gas-limit"])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .with_context(|| {
                format!("cannot start {}; scripts/install-tools.sh installs it", program.display())
            })?;
        let stdout = process.stdout.take().context("the node has no output")?;
        let mut node = Self { process, guard: None, port: 0, key: String::new() };
        node.guard = Some(guard(node.process.id())?);
        let mut lines = BufReader::new(stdout).lines();
        while node.port == 0 {
            let Some(line) = lines.next() else { bail!("the node ended before it listened") };
            let line = line.context("cannot read what the node says")?;
            if let Some(key) = private_key(&line)
                && node.key.is_empty()
            {
                node.key = key.to_owned();
            }
            if let Some(address) = line.strip_prefix("Listening on ") {
                let port = address.trim().rsplit(':').next().and_then(|port| port.parse().ok());
                node.port = port.with_context(|| format!("the node listens on {address:?}"))?;
            }
        }
        if node.key.is_empty() {
            bail!("the node showed no funded account");
        }
        // Read on, else the node blocks when the pipe is full.
        std::thread::spawn(move || lines.for_each(drop));
        Ok(node)
    }

    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// Private key of a funded account.
    pub fn key(&self) -> &str {
        &self.key
    }
}

impl Drop for LocalNode {
    fn drop(&mut self) {
        // The guard first: it knows the node by a number that another process may get.
        for process in self.guard.iter_mut().chain([&mut self.process]) {
            let _ = process.kill();
            let _ = process.wait();
        }
    }
}

/// Ends the node when this process ends by a signal and drops nothing: its end of the pipe closes then.
/// In a group of its own, so that Ctrl-C does not end the guard itself.
fn guard(node: u32) -> Result<Child> {
    Command::new("sh")
        .args(["-c", "read -r _; kill -9 \"$0\"", &node.to_string()])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .process_group(0)
        .spawn()
        .context("cannot start sh")
}

/// The key in a line `(0) 0x<64 digits>`.
fn private_key(line: &str) -> Option<&str> {
    let key = line.trim().strip_prefix("(0)")?.trim();
    (key.len() == 66 && key.starts_with("0x")).then_some(key)
}

#[cfg(test)]
mod tests {
    use std::{os::unix::process::ExitStatusExt as _, process::Command};

    use super::{guard, private_key};

    #[test]
    fn a_guard_without_its_owner_ends_the_node() {
        let mut node = Command::new("sleep").arg("600").spawn().expect("sleep");
        let mut guard = guard(node.id()).expect("guard");
        drop(guard.stdin.take());
        assert_eq!(node.wait().expect("ends").signal(), Some(9));
        assert!(guard.wait().expect("ends").success());
    }

    #[test]
    fn keys_are_told_from_addresses() {
        let key = format!("0x{}", "ab".repeat(32));
        assert_eq!(private_key(&format!("(0) {key}")), Some(key.as_str()));
        assert_eq!(private_key(&format!("(0) 0x{}", "ab".repeat(20))), None);
        assert_eq!(private_key("Private Keys"), None);
    }
}
