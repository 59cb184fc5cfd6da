//! A count as it lies in a file.

use std::{io::ErrorKind, path::Path};

use serde::{Deserialize, Serialize};

use assay_files::{FileError, Kind, Readers, envelope};

use super::{
    error::OpeningsError,
    share::{BundleId, Share},
};

const COUNTER: Kind =
    Kind { magic: *b"ASSAYOPN", version: 1, name: "count of openings", readers: Readers::Owner };

/// Whether a bundle may be proven with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum State {
    /// It is being derived: its source may not have given its openings yet.
    Pending,
    /// It may.
    Live,
    /// It was given back.
    Ended,
}

/// Everything that happened to a bundle's openings; it only grows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Count {
    /// How often it was changed.
    pub changes: u64,
    pub state: State,
    pub proofs: usize,
    pub shares: Vec<Share>,
}

impl Count {
    pub(super) fn new(state: State) -> Self {
        Self { changes: 0, state, proofs: 0, shares: Vec::new() }
    }

    /// Openings used.
    pub(super) fn used(&self) -> usize {
        let away = |share: &Share| share.given.saturating_sub(share.returned.unwrap_or(0));
        self.shares.iter().map(away).fold(self.proofs, usize::saturating_add)
    }

    pub(super) fn require_live(&self) -> Result<(), OpeningsError> {
        match self.state {
            State::Live => Ok(()),
            State::Pending => Err(OpeningsError::Pending),
            State::Ended => Err(OpeningsError::Ended),
        }
    }

    /// Refuses a count, read from `path`, that does not go on from `mark`.
    pub(super) fn require_after(&self, mark: &Self, path: &Path) -> Result<(), OpeningsError> {
        if mark.state == State::Ended && self.state != State::Ended {
            return Err(OpeningsError::Ended);
        }
        if self.changes < mark.changes {
            return Err(OpeningsError::Older {
                path: path.to_owned(),
                found: self.changes,
                recorded: mark.changes,
            });
        }
        let kept = |(own, known): (&Share, &Share)| {
            (own.bundle, own.given) == (known.bundle, known.given)
                && (known.returned.is_none() || own.returned == known.returned)
        };
        let goes_on = self.proofs >= mark.proofs
            && self.shares.len() >= mark.shares.len()
            && self.shares.iter().zip(&mark.shares).all(kept);
        if !goes_on || (self.changes == mark.changes && self != mark) {
            return Err(OpeningsError::Diverged { path: path.to_owned() });
        }
        Ok(())
    }

    pub(super) fn read(path: &Path) -> Result<(BundleId, Self), OpeningsError> {
        let (belongs_to, body) = envelope::read(path, COUNTER).map_err(|error| match error {
            FileError::Read { path, source } if source.kind() == ErrorKind::NotFound => {
                OpeningsError::Missing { path }
            }
            FileError::Read { path, source } => OpeningsError::Io { path, source },
            source => OpeningsError::Content { source },
        })?;
        let mut bundle = BundleId([0; 16]);
        bundle.0.copy_from_slice(&belongs_to[..16]);
        let count = postcard::from_bytes(&body).map_err(|error| OpeningsError::Content {
            source: FileError::content(path, error.to_string()),
        })?;
        Ok((bundle, count))
    }

    /// Puts it in the place of the file that is there.
    pub(super) fn write(&self, path: &Path, bundle: BundleId) -> Result<(), OpeningsError> {
        let body = self.body(path)?;
        envelope::write(path, COUNTER, &belongs_to(bundle), &body)
            .map_err(|error| unwritten(path, error))
    }

    /// Puts it where nothing may be.
    pub(super) fn write_new(&self, path: &Path, bundle: BundleId) -> Result<(), OpeningsError> {
        let body = self.body(path)?;
        envelope::write_new(path, COUNTER, &belongs_to(bundle), &body)
            .map_err(|error| unwritten(path, error))
    }

    fn body(&self, path: &Path) -> Result<Vec<u8>, OpeningsError> {
        postcard::to_stdvec(self).map_err(|error| OpeningsError::Content {
            source: FileError::content(path, error.to_string()),
        })
    }
}

/// The id, then zeros.
fn belongs_to(bundle: BundleId) -> [u8; 32] {
    let mut field = [0; 32];
    field[..16].copy_from_slice(&bundle.0);
    field
}

fn unwritten(path: &Path, error: FileError) -> OpeningsError {
    let source = match error {
        FileError::Write { source, .. } => source,
        FileError::Exists { .. } => ErrorKind::AlreadyExists.into(),
        other => std::io::Error::other(other.to_string()),
    };
    OpeningsError::Io { path: path.to_owned(), source }
}
