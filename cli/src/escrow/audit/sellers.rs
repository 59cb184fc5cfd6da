//! The sellers that an audit is for.

use std::path::PathBuf;

use alloy::primitives::{Address, B256};
use anyhow::{Context, Result, bail};
use assay_client::escrow::sellers::Sellers;
use clap::Args;

/// Who may enter, each once.
#[derive(Args)]
pub(crate) struct SellersArgs {
    /// Seller that may enter; may be repeated [default: anybody, as often as they like]
    #[arg(long, value_name = "ADDRESS")]
    seller: Vec<Address>,
    /// File of sellers that may enter, one address a line
    #[arg(long, value_name = "FILE")]
    sellers: Option<PathBuf>,
}

impl SellersArgs {
    pub(super) fn read(&self) -> Result<Sellers> {
        let mut named = self.seller.clone();
        if let Some(path) = &self.sellers {
            let text = std::fs::read_to_string(path)
                .with_context(|| format!("cannot read {}", path.display()))?;
            for line in text.lines().map(str::trim).filter(|line| !line.is_empty()) {
                named.push(
                    line.parse()
                        .with_context(|| format!("{}: {line:?} is no address", path.display()))?,
                );
            }
            if named.is_empty() {
                bail!("{} names nobody", path.display());
            }
        }
        Ok(Sellers::new(&named))
    }

    /// The path of `account` to the root in a job's terms. A seller that is named alone needs no list.
    pub(super) fn path(&self, account: Address, root: B256) -> Result<Vec<B256>> {
        if root.is_zero() || Sellers::new(&[account]).root() == root {
            return Ok(Vec::new());
        }
        let sellers = self.read()?;
        if sellers.root() != root {
            bail!(
                "the job names its sellers; give all of them, as the buyer did, with --seller or --sellers \
                 (their root is {root}, that of the sellers given {})",
                sellers.root()
            );
        }
        sellers
            .path(account)
            .with_context(|| format!("account {account} is none of the sellers that the job names"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sellers_come_from_the_line_and_from_a_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("sellers");
        let [a, b, c] = [1, 2, 3].map(Address::with_last_byte);
        std::fs::write(&path, format!("{a}\n\n  {b}\n")).unwrap();
        let args = SellersArgs { seller: vec![c], sellers: Some(path.clone()) };
        assert_eq!(args.read().unwrap(), Sellers::new(&[a, b, c]));
        let root = Sellers::new(&[a, b, c]).root();
        assert_eq!(args.path(a, root).unwrap(), Sellers::new(&[a, b, c]).path(a).unwrap());
        assert!(args.path(Address::ZERO, root).unwrap_err().to_string().contains("is none of"));
        assert!(
            args.path(a, B256::with_last_byte(1)).unwrap_err().to_string().contains("names its")
        );
        std::fs::write(&path, "nobody").unwrap();
        assert!(args.read().unwrap_err().to_string().contains("is no address"));
        std::fs::write(&path, "\n").unwrap();
        let args = SellersArgs { seller: vec![], sellers: Some(path) };
        assert!(args.read().unwrap_err().to_string().contains("names nobody"));
    }

    #[test]
    fn who_is_named_alone_or_not_at_all_needs_no_list() {
        let args = SellersArgs { seller: vec![], sellers: None };
        let account = Address::with_last_byte(1);
        assert!(args.path(account, B256::ZERO).unwrap().is_empty());
        assert!(args.path(account, Sellers::new(&[account]).root()).unwrap().is_empty());
        assert_eq!(args.read().unwrap().root(), B256::ZERO);
    }
}
