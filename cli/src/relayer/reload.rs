//! The file of `assay relayer run --config`, read again while it runs.

use std::{
    collections::BTreeMap,
    ffi::OsString,
    path::{Path, PathBuf},
    sync::Arc,
};

use anyhow::{Context, Result, anyhow};
use assay_relayer::{CancellationToken, PolicyFile, PolicyReading, Relayer};
use clap::{
    ArgMatches, Command, CommandFactory, FromArgMatches,
    error::{ContextKind, ContextValue},
};
use tokio::sync::Notify;

use super::{
    config_file::{merged, place},
    run::{POLICY, RunArgs},
};
use crate::{Cli, output::message};

/// Has a relayer go by its file, when that changes and when the process gets a SIGHUP, until told to stop.
pub(super) fn watch(relayer: &Relayer, path: &Path, shutdown: &CancellationToken) -> Result<()> {
    let source = Source::begun(std::env::args_os().collect(), path)?;
    let file = PolicyFile::new(relayer, path, move |text| {
        source.read(text).map_err(|error| message(&error))
    });
    let asked = Arc::new(Notify::new());
    tokio::spawn(tell_hangups(asked.clone()));
    tokio::spawn(file.watch(asked, shutdown.clone()));
    Ok(())
}

/// Tells of each SIGHUP, which ends the process no more.
async fn tell_hangups(asked: Arc<Notify>) {
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        match signal(SignalKind::hangup()) {
            Ok(mut hangups) => {
                while hangups.recv().await.is_some() {
                    asked.notify_one();
                }
            }
            Err(error) => {
                tracing::warn!(%error, "a SIGHUP is not heard; the file is looked at without one")
            }
        }
    }
    #[cfg(not(unix))]
    drop(asked);
}

/// The values of options, by their names.
type Values = BTreeMap<String, Vec<OsString>>;

/// What a text in the file means, beside what stands on the command line.
struct Source {
    path: PathBuf,
    command: Vec<OsString>,
    own: Vec<OsString>,
    /// What the relayer was started with.
    begun: Values,
}

impl Source {
    /// With these arguments, and what the file says now.
    fn begun(arguments: Vec<OsString>, path: &Path) -> Result<Self> {
        let at = arguments.windows(2).position(|pair| pair[0] == "relayer" && pair[1] == "run");
        let at = at.context("these are no arguments of `assay relayer run`")?;
        let (command, own) = arguments.split_at(at + 2);
        let (command, own) = (command.to_vec(), own.to_vec());
        let mut source = Self { path: path.to_owned(), command, own, begun: Values::new() };
        let text = std::fs::read_to_string(path)
            .with_context(|| format!("cannot read {}", path.display()))?;
        source.begun = source.values(&text)?.0;
        Ok(source)
    }

    fn read(&self, text: &str) -> Result<PolicyReading> {
        let (values, args) = self.values(text)?;
        let names = self.begun.keys().chain(values.keys());
        let mut wants_restart: Vec<String> = names
            .filter(|name| !POLICY.contains(&name.as_str()))
            .filter(|name| self.begun.get(*name) != values.get(*name))
            .cloned()
            .collect();
        wants_restart.sort();
        wants_restart.dedup();
        let policy = args.policy().with_context(|| self.path.display().to_string())?;
        Ok(PolicyReading { policy, wants_restart })
    }

    fn values(&self, text: &str) -> Result<(Values, RunArgs)> {
        let root = Cli::command();
        let arguments = merged(&self.command, &self.own, &root, (&self.path, text))?;
        let matches = root.clone().try_get_matches_from(arguments);
        let matches = matches.map_err(|error| self.explained(&error, text))?;
        let run = matches
            .subcommand_matches("relayer")
            .and_then(|relayer| relayer.subcommand_matches("run"))
            .context("these are no arguments of `assay relayer run`")?;
        let args = RunArgs::from_arg_matches(run).map_err(|error| self.explained(&error, text))?;
        Ok((values_of(run, &root), args))
    }

    /// What is wrong with an option, and where it stands.
    fn explained(&self, error: &clap::Error, text: &str) -> anyhow::Error {
        let said = error.to_string();
        let said = said.trim_start_matches("error: ").split("\n\n").next().unwrap_or_default();
        let said: Vec<&str> = said.split_whitespace().collect();
        let option = error.context().find_map(|(kind, value)| match (kind, value) {
            (ContextKind::InvalidArg, ContextValue::String(option)) => Some(option.clone()),
            _ => None,
        });
        let key = option.and_then(|option| {
            let name = option.strip_prefix("--")?;
            Some(name.split([' ', '=']).next()?.to_owned())
        });
        let place = match key {
            Some(key) => place(&self.path, text, &key),
            None => self.path.display().to_string(),
        };
        anyhow!("{place}: {}", said.join(" "))
    }
}

fn values_of(run: &ArgMatches, root: &Command) -> Values {
    let relayer = root.find_subcommand("relayer");
    let command = relayer.and_then(|relayer| relayer.find_subcommand("run"));
    let arguments = command.into_iter().flat_map(Command::get_arguments);
    let values = arguments.filter_map(|argument| {
        let raw = run.try_get_raw(argument.get_id().as_str()).ok()??;
        Some((argument.get_long()?.to_owned(), raw.map(OsString::from).collect()))
    });
    values.collect()
}

#[cfg(test)]
mod tests {
    use alloy::primitives::{Address, U256};

    use super::*;

    const FILE: &str = r#"
escrow = "0x00000000000000000000000000000000000000aa"
bundle = ["lenet.bundle"]
keys = ["keys"]
setup = "dev.srs"
inputs = "openings"
store = "jobs.db"
rpc = ["http://127.0.0.1:1"]
minimum-price = "5gwei"
"#;

    fn source(folder: &tempfile::TempDir, own: &[&str]) -> Source {
        let path = folder.path().join("relayer.toml");
        std::fs::write(&path, FILE).expect("written");
        let arguments = ["assay", "relayer", "run", "--config", "relayer.toml"];
        let arguments = arguments.iter().chain(own).map(OsString::from).collect();
        Source::begun(arguments, &path).expect("a file")
    }

    fn price(reading: &PolicyReading) -> U256 {
        reading.policy.minimum_prices[&Address::ZERO]
    }

    #[test]
    fn what_is_policy_changes_and_the_rest_wants_a_restart() {
        let folder = tempfile::tempdir().expect("folder");
        let source = source(&folder, &["--max-callback-gas", "7"]);
        let same = source.read(FILE).expect("the same");
        assert_eq!((price(&same), &same.wants_restart), (U256::from(5_000_000_000u64), &vec![]));
        let text = FILE.replace("5gwei", "4gwei").replace("jobs.db", "other.db")
            + "max-fee = \"9gwei\"\nstatus-address = \"127.0.0.1:9\"\nmax-callback-gas = 8\n\
               token = [\"0x00000000000000000000000000000000000000bb=3units\"]\nkeep-openings = 2\n";
        let other = source.read(&text).expect("another policy");
        assert_eq!(price(&other), U256::from(4_000_000_000u64));
        assert_eq!(other.wants_restart, ["status-address", "store"]);
        assert_eq!(other.policy.gas.and_then(|gas| gas.max_fee_per_gas), Some(9_000_000_000));
        // The command line goes first, as at the start.
        assert_eq!((other.policy.max_callback_gas, other.policy.openings_for_bonds), (7, 2));
        assert_eq!(other.policy.minimum_prices[&Address::with_last_byte(0xbb)], U256::from(3));
    }

    #[test]
    fn a_broken_file_is_told_with_its_line_and_key() {
        let folder = tempfile::tempdir().expect("folder");
        let source = source(&folder, &[]);
        for (text, wanted) in [
            (FILE.replace("5gwei", "nothing"), "relayer.toml, line 9, `minimum-price`"),
            (FILE.replace("5gwei", "0"), "relayer.toml, line 9, `minimum-price`"),
            (
                FILE.replace("minimum-price", "minimum-prize"),
                "relayer.toml, line 9, `minimum-prize`",
            ),
            (FILE.replace("= \"5gwei\"", "= "), "line 9"),
            (FILE.replace("minimum-price = \"5gwei\"", ""), "--minimum-price"),
        ] {
            let error = message(&source.read(&text).expect_err(&text));
            assert!(error.contains(wanted) && error.contains("relayer.toml"), "{wanted}: {error}");
            assert!(!error.contains('\u{1b}'), "{error}");
        }
    }

    #[test]
    fn a_policy_is_of_options_that_there_are() {
        let root = Cli::command();
        let run =
            root.find_subcommand("relayer").and_then(|r| r.find_subcommand("run")).expect("run");
        let known: Vec<&str> =
            run.get_arguments().filter_map(|argument| argument.get_long()).collect();
        for name in POLICY {
            assert!(known.contains(&name), "{name}");
        }
    }
}
