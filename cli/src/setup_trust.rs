//! Whether a setup (KZG parameters) can be trusted: by its point alone.

use std::sync::OnceLock;

use alloy::primitives::{B256, keccak256};
use anyhow::{Result, bail};
use assay_prover::proof::{
    CEREMONIES, Ceremony,
    ceremony::{G2_POINT_BYTES, g2_from_bytes},
};
use clap::Args;
use serde::Serialize;

/// Chain id of local development nodes.
const DEV_CHAIN: u64 = 31337;

/// What the user vouches for, besides the known ceremonies; the same for a whole run of the program.
static VOUCHED: OnceLock<Vec<B256>> = OnceLock::new();

#[derive(Args)]
pub(crate) struct SetupTrustArgs {
    /// Trust setups with this point `[s]_2` too, besides those of known ceremonies: 256 hexadecimal digits
    /// (x1, x0, y1, y0 as in EIP-197), or the 64 of their Keccak-256. May be repeated
    #[arg(
        long,
        global = true,
        env = "ASSAY_CEREMONY_POINT",
        value_name = "HEX",
        value_delimiter = ',',
        value_parser = parse_point,
        help_heading = "Setup"
    )]
    ceremony_point: Vec<B256>,
}

impl SetupTrustArgs {
    /// To be called once, before any command runs.
    pub(crate) fn remember(&self) {
        VOUCHED.get_or_init(|| self.ceremony_point.clone());
    }
}

/// The ids of all setups that are trusted: of the known ceremonies, then of the points that were given.
pub(crate) fn known_setups() -> Vec<B256> {
    let known = CEREMONIES.iter().filter_map(Ceremony::setup_id).map(B256::from);
    known.chain(VOUCHED.get().into_iter().flatten().copied()).collect()
}

/// A point of G2, or the id of a setup, which is its Keccak-256.
fn parse_point(text: &str) -> Result<B256, String> {
    let wrong =
        || format!("{text:?} is neither a point of G2 in 256 hexadecimal digits nor an id in 64");
    let bytes = hex::decode(text.strip_prefix("0x").unwrap_or(text)).map_err(|_| wrong())?;
    if let Ok(id) = <[u8; 32]>::try_from(bytes.as_slice()) {
        return Ok(B256::from(id));
    }
    let point: [u8; G2_POINT_BYTES] = bytes.try_into().map_err(|_| wrong())?;
    match g2_from_bytes(&point) {
        Some(_) => Ok(keccak256(point)),
        None => Err(format!("{text:?} is no point of the group of order r of BN254's G2")),
    }
}

/// What a setup is, by its point.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct SetupTrust {
    /// Keccak-256 of `[s]_2`.
    pub id: B256,
    #[serde(flatten)]
    pub kind: SetupKind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub(crate) enum SetupKind {
    /// The point of a known ceremony.
    Ceremony { name: &'static str },
    /// The user gave the point.
    CeremonyPoint,
    /// Any other: somebody may know the secret, as the maker of a development setup does.
    Unknown,
}

impl SetupTrust {
    pub(crate) fn of(id: [u8; 32]) -> Self {
        let vouched = VOUCHED.get().is_some_and(|points| points.contains(&B256::from(id)));
        let kind = match Ceremony::of(&id) {
            Some(ceremony) => SetupKind::Ceremony { name: ceremony.name },
            None if vouched => SetupKind::CeremonyPoint,
            None => SetupKind::Unknown,
        };
        Self { id: B256::from(id), kind }
    }

    /// Whether it is of a ceremony, as far as anybody can know.
    pub(crate) fn is_trusted(&self) -> bool {
        self.kind != SetupKind::Unknown
    }

    /// Name of the known ceremony.
    pub(crate) fn ceremony(&self) -> Option<&'static str> {
        match self.kind {
            SetupKind::Ceremony { name } => Some(name),
            SetupKind::CeremonyPoint | SetupKind::Unknown => None,
        }
    }

    /// What hangs on the setup, for the end of a verdict.
    pub(crate) fn condition(&self) -> &'static str {
        if self.is_trusted() {
            ""
        } else {
            ", if nobody knows the secret of the setup, which is of no known ceremony"
        }
    }

    /// One line.
    pub(crate) fn text(&self) -> String {
        match self.kind {
            SetupKind::Ceremony { name } => format!("ceremony: {name}"),
            SetupKind::CeremonyPoint => "of the ceremony point that you gave".to_owned(),
            SetupKind::Unknown => {
                "of no known ceremony: whoever made it can forge proofs".to_owned()
            }
        }
    }

    /// A row for a table, where there is something to say.
    pub(crate) fn warning(&self) -> Option<(&'static str, String)> {
        (!self.is_trusted()).then(|| ("setup", self.text()))
    }
}

/// Setups of no known ceremony are for development chains.
///
/// # Errors
/// If the setup is one, the chain is another, and nobody said that this is meant.
pub(crate) fn guard_setup(setup: &SetupTrust, chain_id: u64, allowed: bool) -> Result<()> {
    guard_trusted(setup.is_trusted(), chain_id, allowed)
}

/// As [`guard_setup`], for whatever admits setups or was told of one.
///
/// # Errors
/// As [`guard_setup`].
pub(crate) fn guard_trusted(trusted: bool, chain_id: u64, allowed: bool) -> Result<()> {
    if !trusted && chain_id != DEV_CHAIN && !allowed {
        bail!(
            "the setup is of no known ceremony, so whoever made it can forge proofs, and chain {chain_id} \
             is not a development chain ({DEV_CHAIN}); use the parameters of a ceremony, name the \
             ceremony's point with --ceremony-point, or give --dev if you mean it"
        );
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use assay_prover::proof::Srs;

    use super::*;

    #[test]
    fn setups_are_known_by_their_point() {
        for ceremony in CEREMONIES {
            let id = ceremony.setup_id().expect("an id");
            let trust = SetupTrust::of(id);
            assert_eq!(trust.kind, SetupKind::Ceremony { name: ceremony.name });
            assert!(guard_setup(&trust, 1, false).is_ok());
        }
        let dev = SetupTrust::of(Srs::dev(4, [7; 32]).expect("a setup").id());
        assert!(!dev.is_trusted() && dev.warning().is_some());
        assert!(guard_setup(&dev, DEV_CHAIN, false).is_ok());
        assert!(guard_setup(&dev, 1, true).is_ok());
        assert!(guard_setup(&dev, 1, false).is_err());
    }

    #[test]
    fn points_are_given_in_full_or_by_their_hash() {
        let point = CEREMONIES[0].point().expect("a point");
        let id = B256::from(CEREMONIES[0].setup_id().expect("an id"));
        assert_eq!(parse_point(&hex::encode(point)), Ok(id));
        assert_eq!(parse_point(&id.to_string()), Ok(id));
        let mut other = point;
        other[127] ^= 1;
        for bad in ["", "0x12", &hex::encode(other), &"zz".repeat(32)] {
            assert!(parse_point(bad).is_err(), "{bad}");
        }
    }
}
