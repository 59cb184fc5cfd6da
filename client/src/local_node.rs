//! A local node: an anvil process with funded accounts that ends with its owner. For tests and
//! measurements.

use std::{
    io::{self, BufRead, BufReader},
    os::unix::process::CommandExt as _,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

/// Why there is no local node.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
#[allow(missing_docs, reason = "the texts of the variants say what their fields hold")]
pub enum LocalNodeError {
    /// The program is missing, or cannot be run.
    #[error("cannot start {program}: {source}; scripts/install-tools.sh installs it", program = .program.display())]
    Start { program: PathBuf, source: io::Error },

    /// The shell that ends the node after its owner cannot be run.
    #[error("cannot start sh, which ends the node after this process: {0}")]
    Guard(io::Error),

    /// It does not run with these arguments, or its port is taken.
    #[error("the node ended before it listened")]
    Ended,

    /// Its output broke off.
    #[error("cannot read what the node says: {0}")]
    Output(io::Error),

    /// It is not the version of anvil that this reads.
    #[error("what the node says is not understood: {0}")]
    Answer(String),
}

/// A node of this process. It ends when this is dropped, and also when the process ends by a signal.
#[derive(Debug)]
pub struct LocalNode {
    process: Child,
    guard: Option<Child>,
    port: u16,
    keys: Vec<String>,
}

impl LocalNode {
    /// Starts anvil (`program`) with the rules of Osaka on a free port of 127.0.0.1.
    ///
    /// # Errors
    /// [`LocalNodeError`].
    pub fn start(program: &Path) -> Result<Self, LocalNodeError> {
        Self::start_on(program, 0)
    }

    /// The same on a port of the caller's choice; 0 stands for a free one.
    ///
    /// # Errors
    /// [`LocalNodeError`].
    pub fn start_on(program: &Path, port: u16) -> Result<Self, LocalNodeError> {
        let mut process = Command::new(program)
            .args(["--port", &port.to_string(), "--hardfork", "osaka", "--enable-tx-gas-limit"])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .map_err(|source| LocalNodeError::Start { program: program.to_owned(), source })?;
        let stdout = process.stdout.take();
        // From here on the process ends with the node, also on an error.
        let mut node = Self { process, guard: None, port: 0, keys: Vec::new() };
        let stdout = stdout.ok_or_else(|| LocalNodeError::Answer("it has no output".into()))?;
        node.guard = Some(guard(node.process.id()).map_err(LocalNodeError::Guard)?);
        let mut lines = BufReader::new(stdout).lines();
        while node.port == 0 {
            let line = lines.next().ok_or(LocalNodeError::Ended)?;
            let line = line.map_err(LocalNodeError::Output)?;
            if let Some(key) = private_key(&line) {
                node.keys.push(key.to_owned());
            }
            if let Some(address) = line.strip_prefix("Listening on ") {
                let port = address.trim().rsplit(':').next().and_then(|port| port.parse().ok());
                node.port = port
                    .ok_or_else(|| LocalNodeError::Answer(format!("it listens on {address:?}")))?;
            }
        }
        if node.keys.is_empty() {
            return Err(LocalNodeError::Answer("it showed no funded account".into()));
        }
        // Read on, else the node blocks when the pipe is full.
        std::thread::spawn(move || lines.for_each(drop));
        Ok(node)
    }

    /// The port it listens on.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Its address for JSON-RPC over HTTP.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// Its address for JSON-RPC over WebSocket.
    pub fn ws_url(&self) -> String {
        format!("ws://127.0.0.1:{}", self.port)
    }

    /// Private keys of the funded accounts, in hexadecimal with 0x; one at least.
    pub fn keys(&self) -> &[String] {
        &self.keys
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
fn guard(node: u32) -> io::Result<Child> {
    Command::new("sh")
        .args(["-c", "read -r _; kill -9 \"$0\"", &node.to_string()])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .process_group(0)
        .spawn()
}

/// The key in a line `(0) 0x<64 digits>`, with any number.
fn private_key(line: &str) -> Option<&str> {
    let (number, key) = line.trim().strip_prefix('(')?.split_once(')')?;
    number.parse::<u32>().ok()?;
    let key = key.trim();
    (key.len() == 66 && key.starts_with("0x")).then_some(key)
}

#[cfg(test)]
mod tests {
    use std::os::unix::process::ExitStatusExt as _;

    use super::*;

    #[test]
    fn a_guard_without_its_owner_ends_the_node() {
        let mut node = Command::new("sleep").arg("600").spawn().unwrap();
        let mut guard = guard(node.id()).unwrap();
        drop(guard.stdin.take());
        assert_eq!(node.wait().unwrap().signal(), Some(9));
        assert!(guard.wait().unwrap().success());
    }

    #[test]
    fn keys_are_told_from_addresses() {
        let key = format!("0x{}", "ab".repeat(32));
        assert_eq!(private_key(&format!("(0) {key}")), Some(key.as_str()));
        assert_eq!(private_key(&format!("(12) {key}")), Some(key.as_str()));
        assert_eq!(private_key(&format!("(x) {key}")), None);
        assert_eq!(private_key(&format!("(0) 0x{}", "ab".repeat(20))), None);
        assert_eq!(private_key("Private Keys"), None);
    }

    #[test]
    fn programs_that_are_no_node_are_named() {
        let error = LocalNode::start(Path::new("/nonexistent/anvil")).unwrap_err();
        assert!(error.to_string().contains("/nonexistent/anvil"), "{error}");
        assert!(matches!(LocalNode::start(Path::new("true")), Err(LocalNodeError::Ended)));
    }
}
