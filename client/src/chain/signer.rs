//! Where the signing key comes from.

use std::{
    fmt, fs,
    path::{Path, PathBuf},
};

use alloy::signers::local::{LocalSigner, PrivateKeySigner};

use super::ChainError;

/// A source of the key that pays for transactions. Its `Debug` output holds no secret.
#[derive(Clone)]
pub enum SignerSource {
    /// 32 bytes in hexadecimal, with or without 0x. For development: the process list and the
    /// shell's history may show it.
    PrivateKey(String),
    /// A file that holds the key in hexadecimal.
    KeyFile(PathBuf),
    /// An encrypted key file (Web3 Secret Storage, version 3) and its password.
    Keystore {
        /// The key file.
        path: PathBuf,
        /// What it is encrypted with.
        password: String,
    },
    /// An encrypted key file and the file that holds its password (first line).
    KeystoreWithPasswordFile {
        /// The key file.
        path: PathBuf,
        /// The file with the password.
        password_file: PathBuf,
    },
}

impl SignerSource {
    /// Reads the key.
    ///
    /// # Errors
    /// [`ChainError::BadKey`] and [`ChainError::KeyFile`]; neither text contains key material.
    pub fn load(&self) -> Result<PrivateKeySigner, ChainError> {
        match self {
            Self::PrivateKey(hex) => parse_key(hex).map_err(|reason| ChainError::BadKey { reason }),
            Self::KeyFile(path) => {
                let text = read(path)?;
                parse_key(&text)
                    .map_err(|reason| ChainError::KeyFile { path: path.clone(), reason })
            }
            Self::Keystore { path, password } => decrypt(path, password),
            Self::KeystoreWithPasswordFile { path, password_file } => {
                let text = read(password_file)?;
                decrypt(path, text.lines().next().unwrap_or_default())
            }
        }
    }
}

impl fmt::Debug for SignerSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::PrivateKey(_) => f.write_str("PrivateKey(..)"),
            Self::KeyFile(path) => f.debug_tuple("KeyFile").field(path).finish(),
            Self::Keystore { path, .. } | Self::KeystoreWithPasswordFile { path, .. } => {
                f.debug_struct("Keystore").field("path", path).finish_non_exhaustive()
            }
        }
    }
}

fn read(path: &Path) -> Result<String, ChainError> {
    fs::read_to_string(path).map_err(|e| ChainError::KeyFile {
        path: path.to_owned(),
        reason: format!("cannot be read: {e}"),
    })
}

fn parse_key(text: &str) -> Result<PrivateKeySigner, String> {
    let text = text.trim();
    if text.is_empty() {
        return Err("it is empty".into());
    }
    // The parser's own error may quote the text.
    text.parse::<PrivateKeySigner>().map_err(|_| "it is not a secp256k1 secret key".into())
}

fn decrypt(path: &Path, password: &str) -> Result<PrivateKeySigner, ChainError> {
    // Told apart here: the decoder reports a missing file and a wrong password alike.
    read(path)?;
    LocalSigner::decrypt_keystore(path, password).map_err(|e| ChainError::KeyFile {
        path: path.to_owned(),
        reason: format!(
            "cannot be decrypted: {e}; check the password and that it is a version 3 keystore"
        ),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "0xac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80";
    const ADDRESS: &str = "0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266";

    #[test]
    fn keys_from_all_sources() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("key");
        fs::write(&file, format!("{KEY}\n")).unwrap();
        let signer = SignerSource::PrivateKey(KEY[2..].into()).load().unwrap();
        assert_eq!(signer.address().to_string(), ADDRESS);
        assert_eq!(SignerSource::KeyFile(file).load().unwrap().address(), signer.address());

        LocalSigner::encrypt_keystore(
            dir.path(),
            &mut rand::thread_rng(),
            signer.to_bytes(),
            "pass",
            Some("ks"),
        )
        .unwrap();
        let path = dir.path().join("ks");
        let password_file = dir.path().join("password");
        fs::write(&password_file, "pass\n").unwrap();
        let loaded = SignerSource::KeystoreWithPasswordFile { path: path.clone(), password_file }
            .load()
            .unwrap();
        assert_eq!(loaded.address(), signer.address());

        let wrong = SignerSource::Keystore { path, password: "other".into() }.load().err().unwrap();
        assert!(wrong.to_string().contains("password"), "{wrong}");
        let missing = SignerSource::KeyFile(dir.path().join("nothing")).load().err().unwrap();
        assert!(missing.to_string().contains("cannot be read"), "{missing}");
    }

    #[test]
    fn errors_and_debug_hide_the_key() {
        let bad = format!("{KEY}00");
        let error = SignerSource::PrivateKey(bad.clone()).load().err().unwrap();
        assert!(!error.to_string().contains(&bad[2..20]), "{error}");
        assert!(!format!("{:?}", SignerSource::PrivateKey(KEY.into())).contains(&KEY[2..10]));
        assert!(SignerSource::PrivateKey("  ".into()).load().is_err());
        assert!(SignerSource::PrivateKey("00".repeat(32)).load().is_err(), "zero is no key");
    }
}
