//! What bundles are known by, and what goes from one to another.

use std::{fmt, str::FromStr};

use rand_core::{OsRng, RngCore};
use serde::{Deserialize, Serialize};

/// What tells a bundle from all others, its copies apart: 16 random bytes, drawn when it is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct BundleId(pub [u8; 16]);

impl BundleId {
    /// Draws an id.
    pub fn random() -> Self {
        let mut bytes = [0; 16];
        OsRng.fill_bytes(&mut bytes);
        Self(bytes)
    }
}

impl fmt::Display for BundleId {
    /// 32 hexadecimal digits.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl FromStr for BundleId {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mut bytes = [0; 16];
        hex::decode_to_slice(text, &mut bytes)
            .map_err(|_| format!("{text:?} is no bundle's id: 32 hexadecimal digits"))?;
        Ok(Self(bytes))
    }
}

/// Openings that went to a derived bundle.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Share {
    /// The derived bundle.
    pub bundle: BundleId,
    /// Openings that it got.
    pub given: usize,
    /// Openings that came back when it was ended; nothing while it may be proven with.
    pub returned: Option<usize>,
}
