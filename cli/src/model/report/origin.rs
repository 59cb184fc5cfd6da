//! Of what a report tells: the files, by their hashes, the day and the command.

use std::{
    fs::{self, File},
    io,
    path::{Path, PathBuf},
    time::{SystemTime, UNIX_EPOCH},
};

use anyhow::{Context, Result};
use assay_prover::{bundle::Bundle, circuit::Layout, model_proof::model_hash};
use serde::Serialize;
use sha2::{Digest, Sha256};

use crate::{
    output::{Output, hex},
    trust::read_setup,
};

/// Where the figures come from.
#[derive(Serialize)]
pub(super) struct Origin {
    /// UTC, `2026-11-30 04:55`.
    pub date: String,
    /// The program's arguments, as a shell takes them.
    pub command: String,
    pub bundle_id: String,
    /// Hash of the architecture with its circuit: what a verifying key is for.
    pub circuit_hash: String,
    /// Hash of the commitment to the weights, where a setup is given.
    pub model_hash: Option<String>,
    /// SHA-256 of the float network's file.
    pub network_sha256: String,
    /// SHA-256 of the file of inputs. Of a folder: of the lines that `sha256sum *` prints in it.
    pub inputs_sha256: String,
    pub inputs: PathBuf,
    /// Inputs left out at the beginning.
    pub skipped: usize,
}

/// The files of a report.
pub(super) struct Files<'a> {
    pub float: &'a Path,
    pub inputs: &'a Path,
    pub skipped: usize,
    pub setup: Option<&'a Path>,
}

impl Origin {
    pub(super) fn of(
        files: &Files<'_>,
        bundle: &Bundle,
        layout: &Layout,
        output: &Output,
    ) -> Result<Self> {
        let model_hash = match files.setup {
            Some(path) => {
                let srs = read_setup(path, Some(layout.k), output)?;
                let _spinner = output.spinner("committing to the weights");
                Some(hex(model_hash(bundle, layout, &srs)?))
            }
            None => None,
        };
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        let arguments = std::env::args_os().map(|argument| quoted(&argument.to_string_lossy()));
        Ok(Self {
            date: date(now),
            command: arguments.collect::<Vec<_>>().join(" "),
            bundle_id: bundle.id.to_string(),
            circuit_hash: hex(bundle.architecture().circuit_hash()),
            model_hash,
            network_sha256: hash_of(files.float)?,
            inputs_sha256: hash_of(files.inputs)?,
            inputs: files.inputs.to_owned(),
            skipped: files.skipped,
        })
    }
}

/// SHA-256 of a file, as `sha256sum` prints it. Of a folder: of the lines that `sha256sum *` prints in it, in
/// the order of the names' bytes.
fn hash_of(path: &Path) -> Result<String> {
    let failed = || format!("cannot read {}", path.display());
    let mut hash = Sha256::new();
    if !fs::metadata(path).with_context(failed)?.is_dir() {
        io::copy(&mut File::open(path).with_context(failed)?, &mut hash).with_context(failed)?;
        return Ok(format!("{:x}", hash.finalize()));
    }
    let mut names = Vec::new();
    for entry in fs::read_dir(path).with_context(failed)? {
        let entry = entry.with_context(failed)?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if !name.starts_with('.') && entry.path().is_file() {
            names.push((name, entry.path()));
        }
    }
    names.sort();
    for (name, file) in names {
        hash.update(format!("{}  {name}\n", hash_of(&file)?));
    }
    Ok(format!("{:x}", hash.finalize()))
}

/// A word as a shell takes it.
pub(super) fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./=:,+%@".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', "'\\''"))
}

/// Day and minute, UTC, of seconds since 1970.
fn date(seconds: u64) -> String {
    let (mut days, minutes) = (seconds / 86_400, seconds % 86_400 / 60);
    let leap =
        |year: u64| year.is_multiple_of(4) && !year.is_multiple_of(100) || year.is_multiple_of(400);
    let mut year = 1970;
    while days >= 365 + u64::from(leap(year)) {
        days -= 365 + u64::from(leap(year));
        year += 1;
    }
    let february = 28 + u64::from(leap(year));
    let mut month = 1;
    for length in [31, february, 31, 30, 31, 30, 31, 31, 30, 31, 30] {
        if days < length {
            break;
        }
        days -= length;
        month += 1;
    }
    format!("{year}-{month:02}-{:02} {:02}:{:02}", days + 1, minutes / 60, minutes % 60)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_are_those_of_the_calendar() {
        for (seconds, text) in [
            (0, "1970-01-01 00:00"),
            (951_782_400, "2000-02-29 00:00"),
            (1_735_689_599, "2024-12-31 23:59"),
            (4_107_542_400, "2100-03-01 00:00"),
        ] {
            assert_eq!(date(seconds), text);
        }
    }

    #[test]
    fn hashes_are_those_of_sha256sum() {
        let folder = tempfile::tempdir().expect("folder");
        for (name, text) in [("b", "abc"), ("a", ""), (".hidden", "x")] {
            fs::write(folder.path().join(name), text).expect("written");
        }
        let abc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        let none = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        assert_eq!(hash_of(&folder.path().join("b")).expect("hash"), abc);
        let lines = format!("{none}  a\n{abc}  b\n");
        let whole = format!("{:x}", Sha256::digest(lines));
        assert_eq!(hash_of(folder.path()).expect("hash"), whole);
        let error = hash_of(&folder.path().join("c")).expect_err("no file").to_string();
        assert!(error.contains("cannot read"), "{error}");
    }

    #[test]
    fn words_survive_a_shell() {
        let words = ["a.npz", "", "two words", "it's", "relu_3=14", "$(x)"].map(quoted);
        let wanted = ["a.npz", "''", "'two words'", "'it'\\''s'", "relu_3=14", "'$(x)'"];
        assert_eq!(words, wanted);
    }
}
