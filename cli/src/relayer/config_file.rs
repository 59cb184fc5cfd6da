//! Options of a relayer from a file: `--config FILE`.
//!
//! The file is TOML; its keys are the long names of options. It is turned into arguments before they are parsed, so an
//! option means in the file exactly what it means on the command line, and is checked by the same code.

use std::{
    collections::BTreeSet,
    ffi::OsString,
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, bail};
use clap::{ArgAction, Args, Command};
use toml::{Table, Value, de::DeTable};

#[derive(Args)]
pub(super) struct ConfigArgs {
    /// File of options (TOML), whose keys are their names here without the dashes; what stands on the command line goes
    /// first
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

impl ConfigArgs {
    /// The file, if one is named.
    pub(super) fn file(&self) -> Option<&Path> {
        self.config.as_deref()
    }
}

/// Commands that read the same file: each takes from it what it knows.
const COMMANDS: [&str; 3] = ["run", "keep", "doctor"];

const OPTION: &str = "--config";

/// The arguments with those of the file that they name, if they are of a command that reads one. `root` describes all
/// commands.
///
/// # Errors
/// A file that cannot be read, is no TOML, or has a key that is no option.
pub(crate) fn with_config_file(arguments: Vec<OsString>, root: &Command) -> Result<Vec<OsString>> {
    let Some(at) = arguments.windows(2).position(|pair| {
        pair[0] == "relayer" && COMMANDS.iter().any(|command| pair[1] == **command)
    }) else {
        return Ok(arguments);
    };
    let (command, own) = arguments.split_at(at + 2);
    let Some(path) = named_file(own) else { return Ok(arguments) };
    let path = Path::new(&path);
    let text =
        fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    merged(command, own, root, (path, &text))
}

/// The arguments of a command, with those that the text of a file stands for before its own.
///
/// # Errors
/// A text that is no TOML, or has a key that is no option; with file, line and key.
pub(super) fn merged(
    command: &[OsString],
    own: &[OsString],
    root: &Command,
    (path, text): (&Path, &str),
) -> Result<Vec<OsString>> {
    let table: Table =
        text.parse().with_context(|| format!("{} is no TOML file", path.display()))?;
    let name = command.last().and_then(|name| name.to_str()).unwrap_or_default();
    let options = Options::of(root, name);
    let mut merged = command.to_vec();
    for (key, value) in &table {
        let added = options.arguments(key, value, own);
        merged.extend(added.with_context(|| place(path, text, key))?);
    }
    merged.extend_from_slice(own);
    Ok(merged)
}

/// Where a key stands: file, line and key.
pub(super) fn place(path: &Path, text: &str, key: &str) -> String {
    let table = DeTable::parse(text).ok();
    let found = table.as_ref().and_then(|table| {
        let mut keys = table.get_ref().keys();
        keys.find(|found| found.get_ref() == key).map(|found| found.span().start)
    });
    match found.and_then(|start| text.get(..start)) {
        Some(before) => {
            let line = before.matches('\n').count() + 1;
            format!("{}, line {line}, `{key}`", path.display())
        }
        None => format!("{}: `{key}`", path.display()),
    }
}

/// What stands behind `--config`.
fn named_file(own: &[OsString]) -> Option<OsString> {
    let joined = |argument: &OsString| {
        argument.to_str()?.strip_prefix(OPTION)?.strip_prefix('=').map(OsString::from)
    };
    let place = own.iter().position(|argument| argument == OPTION || joined(argument).is_some())?;
    joined(&own[place]).or_else(|| own.get(place + 1).cloned())
}

/// The options of one command, and the names that another one knows.
struct Options<'a> {
    own: Option<&'a Command>,
    others: BTreeSet<String>,
}

impl<'a> Options<'a> {
    fn of(root: &'a Command, name: &str) -> Self {
        let relayer = root.find_subcommand("relayer");
        let command = |name: &str| relayer.and_then(|relayer| relayer.find_subcommand(name));
        let names = COMMANDS.iter().filter_map(|name| command(name)).flat_map(|command| {
            command.get_arguments().filter_map(|argument| argument.get_long().map(str::to_owned))
        });
        Self { own: command(name), others: names.collect() }
    }

    /// What one key stands for; nothing where the command line has the option, or only another command knows it.
    fn arguments(&self, key: &str, value: &Value, own: &[OsString]) -> Result<Vec<OsString>> {
        let known = self.own.and_then(|command| {
            command.get_arguments().find(|argument| argument.get_long() == Some(key))
        });
        let Some(argument) = known.filter(|_| key != &OPTION[2..]) else {
            if self.others.contains(key) && key != &OPTION[2..] {
                return Ok(Vec::new());
            }
            bail!("no option of this name; `--help` names all of them, here without the dashes");
        };
        let option = format!("--{key}");
        let joined = format!("{option}=");
        let said = |argument: &OsString| {
            *argument == *option || argument.to_str().is_some_and(|text| text.starts_with(&joined))
        };
        if own.iter().any(said) {
            return Ok(Vec::new());
        }
        let takes_value = !matches!(argument.get_action(), ArgAction::SetTrue);
        let repeated = matches!(argument.get_action(), ArgAction::Append);
        match value {
            Value::Boolean(true) if !takes_value => Ok(vec![option.into()]),
            Value::Boolean(false) if !takes_value => Ok(Vec::new()),
            _ if !takes_value => bail!("it is true or false, not {value}"),
            Value::Array(values) if repeated => {
                values.iter().map(|value| Ok(joined.clone() + &plain(value)?)).map(os).collect()
            }
            Value::Array(_) => bail!("it takes one value"),
            value => Ok(vec![(joined + &plain(value)?).into()]),
        }
    }
}

fn os(text: Result<String>) -> Result<OsString> {
    text.map(OsString::from)
}

/// As it would stand on the command line.
fn plain(value: &Value) -> Result<String> {
    match value {
        Value::String(text) => Ok(text.clone()),
        Value::Integer(number) => Ok(number.to_string()),
        Value::Float(number) => Ok(number.to_string()),
        other => bail!("a text or a number is wanted, not {other}"),
    }
}

#[cfg(test)]
mod tests {
    use clap::Arg;

    use super::*;

    fn root() -> Command {
        let flag = |name: &'static str| Arg::new(name).long(name).action(ArgAction::SetTrue);
        let list = |name: &'static str| Arg::new(name).long(name).action(ArgAction::Append);
        let one = |name: &'static str| Arg::new(name).long(name);
        let run =
            Command::new("run").args([one("config"), one("price"), list("rpc"), flag("keep")]);
        let keep = Command::new("keep").args([one("config"), one("poll")]);
        Command::new("assay").subcommand(Command::new("relayer").subcommands([run, keep]))
    }

    fn expanded(text: &str, arguments: &[&str]) -> Result<Vec<String>> {
        let folder = tempfile::tempdir().expect("folder");
        let path = folder.path().join("node.toml");
        fs::write(&path, text).expect("written");
        let path = path.to_str().expect("a name");
        let of = |text: &&str| OsString::from(text.replace("FILE", path));
        let all = with_config_file(arguments.iter().map(of).collect(), &root())?;
        Ok(all.into_iter().map(|text| text.to_string_lossy().replace(path, "FILE")).collect())
    }

    const RUN: [&str; 5] = ["assay", "relayer", "run", "--config", "FILE"];

    #[test]
    fn keys_are_options() {
        let text = "price = \"5ether\"\nrpc = [\"a\", \"b\"]\nkeep = true\npoll = 7\n";
        let found = expanded(text, &RUN).expect("expanded");
        let options: BTreeSet<_> = found[3..found.len() - 2].iter().map(String::as_str).collect();
        assert_eq!(options, BTreeSet::from(["--price=5ether", "--rpc=a", "--rpc=b", "--keep"]));
        assert_eq!(found[..3], ["assay", "relayer", "run"]);
        // What another command knows is left to it.
        let keep = ["assay", "--json", "relayer", "keep", "--config=FILE"];
        let found = expanded(text, &keep).expect("expanded");
        assert_eq!(found[4..], ["--poll=7", "--config=FILE"]);
    }

    #[test]
    fn the_command_line_goes_first() {
        let text = "price = 5\nkeep = false\nrpc = \"a\"";
        for price in [&["--price", "6"][..], &["--price=6"]] {
            let arguments = [&RUN[..], price].concat();
            let found = expanded(text, &arguments).expect("expanded");
            let prices = found.iter().filter(|argument| argument.starts_with("--price"));
            assert_eq!(prices.count(), 1, "{found:?}");
            assert!(found.contains(&"--rpc=a".to_owned()) && !found.contains(&"--keep".to_owned()));
        }
    }

    #[test]
    fn what_is_no_option_is_refused() {
        for (text, reason) in [
            ("prise = 5", "no option"),
            ("config = \"other\"", "no option"),
            ("keep = 5", "true or false"),
            ("price = [1, 2]", "one value"),
            ("price = { a = 1 }", "a text or a number"),
            ("price", "no TOML"),
        ] {
            let error = format!("{:#}", expanded(text, &RUN).expect_err(text));
            assert!(error.contains(reason) && error.contains("node.toml"), "{text}: {error}");
        }
        let text = "# prise\nprice = 5\n\nprise = 5\n";
        let error = format!("{:#}", expanded(text, &RUN).expect_err(text));
        assert!(error.contains("node.toml, line 4, `prise`"), "{error}");
    }

    #[test]
    fn other_commands_are_left_alone() {
        let arguments = ["assay", "prove", "--config", "FILE"];
        assert_eq!(expanded("nonsense", &arguments).expect("left alone"), arguments);
        let arguments = ["assay", "relayer", "run", "--price", "5"];
        assert_eq!(expanded("nonsense", &arguments).expect("left alone"), arguments);
        let error = with_config_file(
            ["assay", "relayer", "run", "--config", "/nowhere/node.toml"]
                .map(OsString::from)
                .into(),
            &root(),
        );
        assert!(error.expect_err("no file").to_string().contains("/nowhere/node.toml"));
    }
}
