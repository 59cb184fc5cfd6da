//! Openings that go back from a derived bundle to its source.
//!
//! Each step is on the disk before the next: the derived bundle ends, then its source takes what was unused,
//! then the derived bundle goes. A crash in between loses openings at worst, and the same call goes on from
//! there.

use std::{
    io::{self, ErrorKind},
    path::{Path, PathBuf},
};

use assay_files::atomic_file;

use super::{count::State, error::OpeningsError, marks::Marks, share::BundleId};
use crate::bundle::{Bundle, BundleError};

/// Why openings do not go back.
#[derive(Debug, thiserror::Error)]
pub enum GiveBackError {
    /// One of the bundles cannot be read.
    #[error(transparent)]
    Bundle(#[from] BundleError),
    /// The openings of one of the bundles cannot be counted.
    #[error("{path}: {source}", path = .path.display())]
    Openings {
        /// The bundle.
        path: PathBuf,
        /// Why.
        source: OpeningsError,
    },
    /// The derived bundle got no share of the source's openings.
    #[error(
        "bundle {bundle} is no share of {source_path}, whose openings it would get; `assay model inspect` lists \
         the shares of a source",
        source_path = .source_path.display()
    )]
    NoShare {
        /// The derived bundle.
        bundle: BundleId,
        /// The source.
        source_path: PathBuf,
    },
    /// This machine does not know how many openings the deleted bundle used.
    #[error(
        "this machine has not recorded what bundle {bundle} used ({folder} has no file of that name): ask for this \
         where the bundle was used",
        folder = .folder.display()
    )]
    NoRecord {
        /// The deleted bundle.
        bundle: BundleId,
        /// Folder of the marks.
        folder: PathBuf,
    },
    /// The share went back before.
    #[error("what bundle {bundle} left unused has been given back already")]
    Again {
        /// The deleted bundle.
        bundle: BundleId,
    },
    /// The derived bundle cannot be removed; the openings are back.
    #[error("the openings are given back, but {path} cannot be removed: {source}", path = .path.display())]
    Remove {
        /// The derived bundle.
        path: PathBuf,
        /// What the operating system says.
        source: io::Error,
    },
}

/// What went back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GivenBack {
    /// The derived bundle, which is ended.
    pub bundle: BundleId,
    /// Openings that it had got.
    pub given: usize,
    /// Openings that it used.
    pub used: usize,
    /// Openings that went back.
    pub returned: usize,
    /// Openings that the source has left.
    pub source_left: usize,
}

/// Ends the bundle in the file `derived`, gives its unused openings back to the bundle in the file `source`,
/// and removes it.
///
/// # Errors
/// [`GiveBackError`]. After any of them the same call may be made again.
pub fn give_back(derived: &Path, source: &Path, marks: &Marks) -> Result<GivenBack, GiveBackError> {
    let (bundle, origin) = (Bundle::read(derived)?, Bundle::read(source)?);
    let (from, to) = (bundle.openings(derived, marks), origin.openings(source, marks));
    let told = |path: &Path| {
        let path = path.to_owned();
        move |source| GiveBackError::Openings { path, source }
    };
    let share = to.share_of(bundle.id).map_err(told(source))?;
    // Without a share, one that was interrupted before it got any may go all the same.
    let count = from.read(None).map_err(told(derived))?;
    let is_pending = count.state == State::Pending && bundle.seed.0 == origin.seed.0;
    if share.is_none() && !is_pending {
        return Err(GiveBackError::NoShare { bundle: bundle.id, source_path: source.to_owned() });
    }
    let used = from.end().map_err(told(derived))?;
    let returned = to.take_back(bundle.id, used).map_err(told(source))?;
    let source_left = to.usage().map_err(told(source))?.left;
    // The bundle before its counter: nothing is proven with what has none.
    for path in [derived, from.path()] {
        match atomic_file::remove(path) {
            Err(source) if source.kind() != ErrorKind::NotFound => {
                return Err(GiveBackError::Remove { path: path.to_owned(), source });
            }
            _ => {}
        }
    }
    let given = share.map_or(0, |share| share.given);
    Ok(GivenBack { bundle: bundle.id, given, used, returned, source_left })
}

/// The same for a derived bundle that is deleted, by what this machine has recorded. Whoever calls it knows
/// that no copy of the bundle exists: with one, more openings could be used than the model has.
///
/// # Errors
/// [`GiveBackError`].
pub fn give_back_deleted(
    bundle: BundleId,
    source: &Path,
    marks: &Marks,
) -> Result<GivenBack, GiveBackError> {
    let to = Bundle::read(source)?.openings(source, marks);
    let told =
        |source_error| GiveBackError::Openings { path: source.to_owned(), source: source_error };
    let share = to.share_of(bundle).map_err(told)?;
    let Some(share) = share else {
        return Err(GiveBackError::NoShare { bundle, source_path: source.to_owned() });
    };
    if share.returned.is_some() {
        return Err(GiveBackError::Again { bundle });
    }
    let used = {
        let _lock = marks.lock(bundle).map_err(told)?;
        let Some(mut mark) = marks.read(bundle).map_err(told)? else {
            let folder = marks.folder().to_owned();
            return Err(GiveBackError::NoRecord { bundle, folder });
        };
        // Should a copy turn up on this machine, it cannot be proven with.
        mark.state = State::Ended;
        mark.changes = mark.changes.saturating_add(1);
        marks.write(bundle, &mark).map_err(told)?;
        mark.used()
    };
    let returned = to.take_back(bundle, used).map_err(told)?;
    let source_left = to.usage().map_err(told)?.left;
    Ok(GivenBack { bundle, given: share.given, used, returned, source_left })
}
