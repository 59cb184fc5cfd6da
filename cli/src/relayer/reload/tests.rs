use alloy::primitives::{Address, U256};

use super::*;
use crate::relayer::run::POLICY;

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
    Source::begun(arguments, &path, POLICY).expect("a file")
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
        (FILE.replace("minimum-price", "minimum-prize"), "relayer.toml, line 9, `minimum-prize`"),
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
    let run = root.find_subcommand("relayer").and_then(|r| r.find_subcommand("run")).expect("run");
    let known: Vec<&str> = run.get_arguments().filter_map(|argument| argument.get_long()).collect();
    for name in POLICY.names {
        assert!(known.contains(name), "{name}");
    }
}
