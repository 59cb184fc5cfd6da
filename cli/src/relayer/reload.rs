//! The file of `assay relayer run --config`, read again while it runs.

use std::{
    collections::BTreeMap,
    ffi::OsString,
    path::{Path, PathBuf},
    sync::Arc,
};

use anyhow::{Context, Result, anyhow};
use assay_relayer::{CancellationToken, Policy, PolicyFile, PolicyReading, Relayer};
use clap::{
    ArgMatches, Command, CommandFactory,
    error::{ContextKind, ContextValue},
};
use tokio::sync::Notify;

use super::config_file::{merged, place};
use crate::{Cli, output::message};

/// What of the options of `assay relayer run` is policy.
#[derive(Clone, Copy)]
pub(super) struct PolicyOptions {
    /// Their names.
    pub(super) names: &'static [&'static str],
    /// What their values come to.
    pub(super) policy: fn(&ArgMatches) -> Result<Policy>,
}

/// Has a relayer go by its file, when that changes and when the process gets a SIGHUP, until told to stop.
pub(super) fn watch(
    relayer: &Relayer,
    path: &Path,
    options: PolicyOptions,
    shutdown: &CancellationToken,
) -> Result<()> {
    let source = Source::begun(std::env::args_os().collect(), path, options)?;
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
    options: PolicyOptions,
    /// What the relayer was started with.
    begun: Values,
}

impl Source {
    /// With these arguments, and what the file says now.
    fn begun(arguments: Vec<OsString>, path: &Path, options: PolicyOptions) -> Result<Self> {
        let at = arguments.windows(2).position(|pair| pair[0] == "relayer" && pair[1] == "run");
        let at = at.context("these are no arguments of `assay relayer run`")?;
        let (command, own) = arguments.split_at(at + 2);
        let (command, own) = (command.to_vec(), own.to_vec());
        let (path_of, begun) = (path.to_owned(), Values::new());
        let mut source = Self { path: path_of, command, own, options, begun };
        let text = std::fs::read_to_string(path)
            .with_context(|| format!("cannot read {}", path.display()))?;
        source.begun = source.values(&text)?.0;
        Ok(source)
    }

    fn read(&self, text: &str) -> Result<PolicyReading> {
        let (values, run) = self.values(text)?;
        let names = self.begun.keys().chain(values.keys());
        let mut wants_restart: Vec<String> = names
            .filter(|name| !self.options.names.contains(&name.as_str()))
            .filter(|name| self.begun.get(*name) != values.get(*name))
            .cloned()
            .collect();
        wants_restart.sort();
        wants_restart.dedup();
        let policy = (self.options.policy)(&run);
        let policy = policy.with_context(|| self.path.display().to_string())?;
        Ok(PolicyReading { policy, wants_restart })
    }

    fn values(&self, text: &str) -> Result<(Values, ArgMatches)> {
        let root = Cli::command();
        let arguments = merged(&self.command, &self.own, &root, (&self.path, text))?;
        let matches = root.clone().try_get_matches_from(arguments);
        let matches = matches.map_err(|error| self.explained(&error, text))?;
        let run = matches
            .subcommand_matches("relayer")
            .and_then(|relayer| relayer.subcommand_matches("run"))
            .context("these are no arguments of `assay relayer run`")?;
        Ok((values_of(run, &root), run.clone()))
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
mod tests;
