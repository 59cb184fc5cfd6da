//! Compiles generated contracts with an external `solc`.

use std::{
    io::Write,
    path::Path,
    process::{Command, Stdio},
};

use super::GeneratedVerifier;

/// What the compiler made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Compiled {
    /// Code that deploys the contract.
    pub init_code: Vec<u8>,
    /// The deployed code; at most 24,576 bytes by EIP-170.
    pub runtime_code: Vec<u8>,
    /// Warnings of the compiler; there should be none.
    pub warnings: Vec<String>,
}

/// Why there is no bytecode.
#[derive(Debug, thiserror::Error)]
pub enum CompileError {
    /// The compiler cannot be run.
    #[error("cannot run {solc}: {source}; name a solc 0.8.25 or later")]
    Run {
        /// The program.
        solc: String,
        /// Why.
        source: std::io::Error,
    },
    /// The compiler reported errors.
    #[error("solc refused the contract: {0}")]
    Solc(String),
    /// The compiler's answer is not as documented.
    #[error("solc gave an unexpected answer: {0}")]
    Answer(String),
}

/// Settings that generated verifiers are measured with. The intermediate representation is needed:
/// the optimizer holds more values than the stack has room for, and moves them to memory.
pub(crate) fn standard_json(contract: &GeneratedVerifier) -> serde_json::Value {
    let file = format!("{}.sol", contract.contract_name);
    serde_json::json!({
        "language": "Solidity",
        "sources": { file: { "content": contract.source } },
        "settings": {
            "optimizer": { "enabled": true, "runs": 200 },
            "viaIR": true,
            "evmVersion": "cancun",
            "metadata": { "appendCBOR": false, "bytecodeHash": "none" },
            "outputSelection": { "*": { "*": ["evm.bytecode.object", "evm.deployedBytecode.object"] } },
        },
    })
}

/// Compiles a contract that imports nothing.
///
/// # Errors
/// [`CompileError::Run`] when `solc` does not start; [`CompileError::Solc`] when it reports errors;
/// [`CompileError::Answer`] when its answer is no JSON or lacks the code.
pub fn compile(solc: &Path, contract: &GeneratedVerifier) -> Result<Compiled, CompileError> {
    compile_json(solc, contract, &standard_json(contract))
}

pub(super) fn compile_json(
    solc: &Path,
    contract: &GeneratedVerifier,
    input: &serde_json::Value,
) -> Result<Compiled, CompileError> {
    let run = |source| CompileError::Run { solc: solc.display().to_string(), source };
    let mut child = Command::new(solc)
        .arg("--standard-json")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(run)?;
    if let Some(mut stdin) = child.stdin.take() {
        stdin.write_all(input.to_string().as_bytes()).map_err(run)?;
    }
    let output = child.wait_with_output().map_err(run)?;
    let unexpected = |reason: String| CompileError::Answer(reason);
    let answer: serde_json::Value = serde_json::from_slice(&output.stdout).map_err(|error| {
        unexpected(format!("{error}; {}", String::from_utf8_lossy(&output.stderr)))
    })?;
    let messages = |severity: &str| -> Vec<String> {
        answer["errors"]
            .as_array()
            .into_iter()
            .flatten()
            .filter(|error| error["severity"] == severity)
            .map(|error| error["formattedMessage"].as_str().unwrap_or("?").to_owned())
            .collect()
    };
    let errors = messages("error");
    if !errors.is_empty() {
        return Err(CompileError::Solc(errors.join("\n")));
    }
    let file = format!("{}.sol", contract.contract_name);
    let evm = &answer["contracts"][&file][&contract.contract_name]["evm"];
    let code = |kind: &str| {
        let object = evm[kind]["object"].as_str().unwrap_or_default();
        hex::decode(object)
            .ok()
            .filter(|code| !code.is_empty())
            .ok_or_else(|| unexpected(format!("there is no {kind}")))
    };
    Ok(Compiled {
        init_code: code("bytecode")?,
        runtime_code: code("deployedBytecode")?,
        warnings: messages("warning"),
    })
}
