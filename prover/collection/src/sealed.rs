//! Set files encrypted to those who shall have them: the age format, version 1
//! (<https://age-encryption.org/v1>), with X25519 keys. Other programs for that format read and write
//! the same files and keys.

use std::{
    fmt,
    fs::{self, File},
    io::{self, BufReader, BufWriter, Write},
    path::{Path, PathBuf},
    str::FromStr,
};

use age::{
    DecryptError, Decryptor, EncryptError, Encryptor, secrecy::ExposeSecret, x25519::Identity,
};

use assay_files::atomic_file::{self, AtomicFile, Readers};

/// The secret key of somebody to whom sets are sealed.
pub struct SealingKey(Identity);

/// The public part of a [`SealingKey`], as text `age1...`.
#[derive(Clone)]
pub struct Recipient(age::x25519::Recipient);

/// Why a set cannot be sealed or opened.
#[derive(Debug, thiserror::Error)]
pub enum SealError {
    /// The set, the sealed set or the key cannot be read.
    #[error("cannot read {path}: {source}", path = .path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the operating system says.
        source: io::Error,
    },
    /// The output cannot be written.
    #[error("cannot write {path}: {source}; nothing was changed", path = .path.display())]
    Write {
        /// The file to be made.
        path: PathBuf,
        /// What the operating system says.
        source: io::Error,
    },
    /// There is something where the output would go.
    #[error("{path} exists and is not replaced; choose another name, or move it away", path = .path.display())]
    Exists {
        /// The file that is there.
        path: PathBuf,
    },
    /// A key's file has no secret key right after its comments.
    #[error("{path} holds no secret key (a line AGE-SECRET-KEY-1...)", path = .path.display())]
    NoKey {
        /// The file.
        path: PathBuf,
    },
    /// A text is no public key.
    #[error("{text:?} is no public key; one begins with age1, see `assay dataset key`")]
    Recipient {
        /// The first 80 characters of it.
        text: String,
    },
    /// The list of recipients is empty.
    #[error("a set is sealed to one recipient or more")]
    NoRecipients,
    /// The file is sealed to others than the holder of this key.
    #[error("{path} is not sealed to this key", path = .path.display())]
    OtherKey {
        /// The sealed file.
        path: PathBuf,
    },
    /// The sealed file was changed or cut off, or is of another format.
    #[error("{path} is damaged or no sealed set: {problem}; get it again", path = .path.display())]
    Damaged {
        /// The sealed file.
        path: PathBuf,
        /// What the decryption found.
        problem: String,
    },
}

impl SealingKey {
    /// A fresh key from the operating system.
    pub fn random() -> Self {
        Self(Identity::generate())
    }

    /// The public key to which others seal what this key opens.
    pub fn recipient(&self) -> Recipient {
        Recipient(self.0.to_public())
    }

    /// Writes the key for its owner's eyes only. No file is replaced: what is sealed to a key that is
    /// lost is lost too.
    ///
    /// # Errors
    /// [`SealError::Exists`], [`SealError::Write`].
    pub fn write(&self, path: &Path) -> Result<(), SealError> {
        let (recipient, secret) = (self.recipient(), self.0.to_string());
        let text = format!("# public key: {recipient}\n{}\n", secret.expose_secret());
        atomic_file::write_new(path, Readers::Owner, text.as_bytes())
            .map_err(|source| unwritten(path, source))
    }

    /// Reads the first key of a file; lines that begin with `#` are comments.
    ///
    /// # Errors
    /// [`SealError::Read`], [`SealError::NoKey`].
    pub fn read(path: &Path) -> Result<Self, SealError> {
        let text = fs::read_to_string(path)
            .map_err(|source| SealError::Read { path: path.to_owned(), source })?;
        text.lines()
            .map(str::trim)
            .find(|line| !line.is_empty() && !line.starts_with('#'))
            .and_then(|line| Identity::from_str(line).ok())
            .map(Self)
            .ok_or_else(|| SealError::NoKey { path: path.to_owned() })
    }
}

impl fmt::Display for Recipient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for Recipient {
    type Err = SealError;

    fn from_str(text: &str) -> Result<Self, SealError> {
        let text = text.trim();
        age::x25519::Recipient::from_str(text)
            .map(Self)
            .map_err(|_| SealError::Recipient { text: text.chars().take(80).collect() })
    }
}

/// Encrypts the file `set` to `output`, for each of the recipients to open by itself. Each sealing is
/// another one, so no file is replaced: its hash may have been handed out.
///
/// # Errors
/// [`SealError::NoRecipients`], [`SealError::Read`], [`SealError::Write`], [`SealError::Exists`].
pub fn seal(set: &Path, recipients: &[Recipient], output: &Path) -> Result<(), SealError> {
    let unreadable = |source| SealError::Read { path: set.to_owned(), source };
    let input = File::open(set).map_err(unreadable)?;
    seal_from(BufReader::new(input), recipients, output)
}

/// The same of bytes that need not lie in a file, so that they are never on a disk in the open.
///
/// # Errors
/// As of [`seal`].
pub fn seal_bytes(data: &[u8], recipients: &[Recipient], output: &Path) -> Result<(), SealError> {
    seal_from(data, recipients, output)
}

fn seal_from(
    mut input: impl io::Read,
    recipients: &[Recipient],
    output: &Path,
) -> Result<(), SealError> {
    let unwritable = |source| SealError::Write { path: output.to_owned(), source };
    let to = recipients.iter().map(|recipient| &recipient.0 as &dyn age::Recipient);
    let encryptor = Encryptor::with_recipients(to).map_err(|error| match error {
        EncryptError::Io(source) => unwritable(source),
        _ => SealError::NoRecipients,
    })?;
    let buffer = BufWriter::new(create_new(output)?);
    let mut writer = encryptor.wrap_output(buffer).map_err(unwritable)?;
    io::copy(&mut input, &mut writer).map_err(unwritable)?;
    finish(writer.finish().map_err(unwritable)?, output)
}

/// Decrypts `sealed` to `output`. That is only what somebody sent: read it as a
/// [`Collection`](super::Collection) and compare its root.
///
/// # Errors
/// [`SealError::OtherKey`], [`SealError::Damaged`], [`SealError::Read`], [`SealError::Write`],
/// [`SealError::Exists`].
pub fn unseal(sealed: &Path, key: &SealingKey, output: &Path) -> Result<(), SealError> {
    let damaged = |problem: String| SealError::Damaged { path: sealed.to_owned(), problem };
    let file =
        File::open(sealed).map_err(|source| SealError::Read { path: sealed.to_owned(), source })?;
    let refused = |error| match error {
        DecryptError::NoMatchingKeys => SealError::OtherKey { path: sealed.to_owned() },
        error => damaged(error.to_string()),
    };
    let decryptor = Decryptor::new_buffered(BufReader::new(file)).map_err(refused)?;
    let identity = std::iter::once(&key.0 as &dyn age::Identity);
    let mut reader = decryptor.decrypt(identity).map_err(refused)?;
    let mut buffer = BufWriter::new(create_new(output)?);
    let mut block = vec![0; 1 << 16];
    loop {
        let length =
            io::Read::read(&mut reader, &mut block).map_err(|error| damaged(error.to_string()))?;
        if length == 0 {
            break;
        }
        let written = buffer.write_all(&block[..length]);
        written.map_err(|source| SealError::Write { path: output.to_owned(), source })?;
    }
    finish(buffer, output)
}

/// Starts a file for its owner's eyes only, unless something is there: a long encryption that cannot
/// be kept is not begun.
fn create_new(output: &Path) -> Result<AtomicFile, SealError> {
    if output.exists() {
        return Err(SealError::Exists { path: output.to_owned() });
    }
    AtomicFile::create(output, Readers::Owner).map_err(|source| unwritten(output, source))
}

fn finish(buffer: BufWriter<AtomicFile>, output: &Path) -> Result<(), SealError> {
    buffer
        .into_inner()
        .map_err(|error| error.into_error())
        .and_then(AtomicFile::finish_new)
        .map_err(|source| unwritten(output, source))
}

fn unwritten(path: &Path, source: io::Error) -> SealError {
    match source.kind() {
        io::ErrorKind::AlreadyExists => SealError::Exists { path: path.to_owned() },
        _ => SealError::Write { path: path.to_owned(), source },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sealed(to: &[&SealingKey]) -> (tempfile::TempDir, PathBuf, Vec<u8>) {
        let folder = tempfile::tempdir().expect("folder");
        // Longer than one block of the format.
        let content: Vec<u8> = (0..200_000u32).map(|i| (i.wrapping_mul(i) >> 7) as u8).collect();
        let (set, output) = (folder.path().join("set"), folder.path().join("set.age"));
        fs::write(&set, &content).expect("write");
        let to: Vec<_> = to.iter().map(|key| key.recipient()).collect();
        seal(&set, &to, &output).expect("seals");
        (folder, output, content)
    }

    #[test]
    fn each_recipient_opens_and_nobody_else() {
        let (a, b, c) = (SealingKey::random(), SealingKey::random(), SealingKey::random());
        let (folder, sealed, content) = sealed(&[&a, &b]);
        let back = folder.path().join("back");
        for key in [&a, &b] {
            unseal(&sealed, key, &back).expect("opens");
            assert_eq!(fs::read(&back).expect("read"), content);
            fs::remove_file(&back).expect("remove");
        }
        let again = folder.path().join("again.age");
        seal_bytes(&content, &[b.recipient()], &again).expect("seals");
        unseal(&again, &b, &back).expect("opens");
        assert_eq!(fs::read(&back).expect("read"), content);
        fs::remove_file(&again).and_then(|()| fs::remove_file(&back)).expect("remove");
        assert!(matches!(unseal(&sealed, &c, &back), Err(SealError::OtherKey { .. })));
        assert!(!back.exists());
        // Nothing is replaced, least of all the set itself.
        let set = folder.path().join("set");
        assert!(matches!(unseal(&sealed, &a, &set), Err(SealError::Exists { .. })));
        for output in [&set, &sealed] {
            assert!(matches!(seal(&set, &[a.recipient()], output), Err(SealError::Exists { .. })));
        }
        assert_eq!(fs::read(&set).expect("read"), content);
    }

    #[test]
    fn damage_is_found_and_leaves_nothing() {
        let key = SealingKey::random();
        let (folder, sealed, _) = sealed(&[&key]);
        let back = folder.path().join("back");
        let bytes = fs::read(&sealed).expect("read");
        for at in [0, 30, 150, bytes.len() / 2, bytes.len() - 1] {
            let mut broken = bytes.clone();
            broken[at] ^= 1;
            fs::write(&sealed, broken).expect("write");
            assert!(unseal(&sealed, &key, &back).is_err(), "byte {at}");
        }
        // Cut off between two blocks as well.
        for length in [0, 100, bytes.len() - 1, bytes.len() - 200_000 % 65_536 - 16] {
            fs::write(&sealed, &bytes[..length]).expect("write");
            assert!(unseal(&sealed, &key, &back).is_err(), "length {length}");
        }
        let files = fs::read_dir(folder.path()).expect("list").count();
        assert_eq!((files, back.exists()), (2, false));
    }

    #[test]
    fn keys_survive_the_disk_and_are_not_replaced() {
        let folder = tempfile::tempdir().expect("folder");
        let path = folder.path().join("seller.key");
        let key = SealingKey::random();
        key.write(&path).expect("write");
        let again = SealingKey::read(&path).expect("read");
        assert_eq!(again.recipient().to_string(), key.recipient().to_string());
        assert!(matches!(key.write(&path), Err(SealError::Exists { .. })));
        let mode = std::os::unix::fs::PermissionsExt::mode(
            &fs::metadata(&path).expect("metadata").permissions(),
        );
        assert_eq!(mode & 0o777, 0o600);
        fs::write(&path, "# nothing\n").expect("write");
        assert!(matches!(SealingKey::read(&path), Err(SealError::NoKey { .. })));
    }

    #[test]
    fn recipients_are_checked() {
        let text = SealingKey::random().recipient().to_string();
        assert!(text.starts_with("age1"));
        assert_eq!(format!("{text}\n").parse::<Recipient>().expect("parses").to_string(), text);
        assert!(text[..text.len() - 1].parse::<Recipient>().is_err());
        assert!("0x1234".parse::<Recipient>().is_err());
        let folder = tempfile::tempdir().expect("folder");
        let set = folder.path().join("set");
        fs::write(&set, "x").expect("write");
        let output = folder.path().join("out");
        assert!(matches!(seal(&set, &[], &output), Err(SealError::NoRecipients)));
    }
}
