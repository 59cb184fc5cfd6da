//! The code of the verifier contract that this build generates for a column profile.

use std::{fs, path::PathBuf, process::Command};

use alloy::primitives::{B256, Bytes, keccak256};
use anyhow::{Context, Result};
use assay_prover::{
    files::atomic_file::{self, Readers},
    proof::profile::Profile,
    solidity::{Options, compile, generate},
};
use clap::Args;
use serde::{Deserialize, Serialize};

use super::kept_folder;
use crate::output::Output;

/// The compiler of generated verifiers.
#[derive(Args, Clone)]
pub(crate) struct Solc {
    /// Solidity compiler 0.8.25 or later, with which the verifier's code is made again
    #[arg(
        long,
        env = "ASSAY_SOLC",
        default_value = "solc",
        value_name = "PROGRAM",
        help_heading = "Trust"
    )]
    pub solc: PathBuf,
}

/// A compiled verifier.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct VerifierCode {
    /// EXTCODEHASH of the deployed contract.
    pub code_hash: B256,
    /// Bytes of the deployed contract.
    pub runtime_bytes: usize,
    /// What deploys it.
    pub init_code: Bytes,
}

impl Solc {
    /// The code for a column profile: kept from an earlier time, or compiled now, which takes some seconds.
    pub(crate) fn code_of(&self, profile: &Profile, output: &Output) -> Result<VerifierCode> {
        let spinner = output.spinner("looking for the verifier's code");
        let contract = generate(profile, &Options::default());
        let version = self.version()?;
        let name = keccak256([contract.source.as_bytes(), version.as_bytes()].concat());
        let path = kept_folder()?.join("verifiers").join(format!("{}.json", hex::encode(name)));
        if let Some(kept) = fs::read(&path).ok().and_then(|text| serde_json::from_slice(&text).ok())
        {
            return Ok(kept);
        }
        spinner.message("compiling the verifier");
        let compiled = compile(&self.solc, &contract)?;
        let code = VerifierCode {
            code_hash: keccak256(&compiled.runtime_code),
            runtime_bytes: compiled.runtime_code.len(),
            init_code: compiled.init_code.into(),
        };
        // A folder that cannot be written costs time the next time, and nothing else.
        if let (Some(folder), Ok(text)) = (path.parent(), serde_json::to_vec(&code))
            && fs::create_dir_all(folder).is_ok()
        {
            let _ = atomic_file::write(&path, Readers::Owner, &text);
        }
        Ok(code)
    }

    /// What the compiler calls itself: other versions make other code.
    fn version(&self) -> Result<String> {
        let run = Command::new(&self.solc).arg("--version").output();
        let answer = run.with_context(|| {
            format!(
                "cannot run the Solidity compiler {}: the verifier's code is made again and compared; name one \
                 with --solc or ASSAY_SOLC",
                self.solc.display()
            )
        })?;
        Ok(String::from_utf8_lossy(&answer.stdout).into_owned())
    }
}
