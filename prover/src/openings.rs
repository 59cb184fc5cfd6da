//! How many openings of its weights a bundle has left.
//!
//! Each proof of a model opens its weight columns at a fresh point, and only so many openings together say
//! nothing about the weights. So each bundle has a budget, and a counter beside it, `<bundle>.openings`,
//! which says what is used. The rules:
//!
//! * The counter is made with its bundle and carries the bundle's id. A counter that is missing, damaged or
//!   another bundle's is an error, never a count of 0.
//! * A change is written to a new file that takes the old one's place, and is on the disk before a proof
//!   begins: a crash leaves the old count or the new one, and never a proof that is not counted.
//! * This machine keeps a mark for each bundle: a copy of the last count, in its user's state folder
//!   ([`Marks`]). A counter that is behind its mark comes from a backup or a copy, and is refused.
//! * Openings go to a derived bundle as a share, which the source's counter records. What is unused can be
//!   given back once ([`give_back`]), after the derived bundle's counter has ended.
//!
//! What cannot be noticed: two copies of bundle and counter on two machines.

mod count;
mod error;
mod give_back;
mod marks;
mod share;
#[cfg(test)]
mod tests;

use std::{
    fs::{self, File, OpenOptions},
    io::{self, ErrorKind},
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
};

use count::{Count, State};

pub use error::OpeningsError;
pub use give_back::{GiveBackError, GivenBack, give_back, give_back_deleted};
pub use marks::Marks;
pub use share::{BundleId, Share};

/// What a bundle's openings went to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Usage {
    /// Openings that the bundle has in all.
    pub budget: usize,
    /// Openings used: by proofs, and by shares less what came back of them.
    pub used: usize,
    /// Proofs that can still be made; 0 for a bundle that was given back.
    pub left: usize,
    /// Proofs made with this bundle.
    pub proofs: usize,
    /// What derived bundles got, the first derived first.
    pub shares: Vec<Share>,
}

/// The openings of one bundle: its counter, and this machine's mark.
#[derive(Clone, Debug)]
pub struct Openings {
    path: PathBuf,
    bundle: BundleId,
    budget: usize,
    marks: Marks,
}

impl Openings {
    /// Those of the bundle in the file `bundle`, which has this id and budget. Nothing is read yet.
    pub fn of(bundle: &Path, id: BundleId, budget: usize, marks: &Marks) -> Self {
        Self { path: counter_path(bundle), bundle: id, budget, marks: marks.clone() }
    }

    /// The counter's file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Counts one more proof, on disk, before it is made. Returns how many openings are used then.
    ///
    /// # Errors
    /// [`OpeningsError`].
    pub fn count_proof(&self) -> Result<usize, OpeningsError> {
        self.update(|count| {
            count.require_live()?;
            if count.used() >= self.budget {
                return Err(OpeningsError::BudgetSpent { budget: self.budget });
            }
            count.proofs += 1;
            Ok(count.used())
        })
    }

    /// What is used and left.
    ///
    /// # Errors
    /// [`OpeningsError`], but for those that say that none is left.
    pub fn usage(&self) -> Result<Usage, OpeningsError> {
        // The mark is behind the counter or the same: read in the other order it could be ahead.
        let mark = self.marks.read(self.bundle)?;
        let count = self.read(mark.as_ref())?;
        let used = count.used();
        Ok(Usage {
            budget: self.budget,
            used,
            left: match count.state {
                State::Live => self.budget.saturating_sub(used),
                State::Pending | State::Ended => 0,
            },
            proofs: count.proofs,
            shares: count.shares,
        })
    }

    /// Makes the counter of a new bundle, which may be proven with at once, or when [`Openings::begin`] says
    /// so.
    pub(crate) fn create(&self, at_once: bool) -> Result<(), OpeningsError> {
        let state = if at_once { State::Live } else { State::Pending };
        let _mark = self.marks.lock(self.bundle)?;
        let count = Count::new(state);
        // Nothing stays of a bundle that is not made.
        let written = count.write_new(&self.path, self.bundle);
        written.inspect_err(|_| self.marks.forget(self.bundle))?;
        self.marks.write(self.bundle, &count).inspect_err(|_| self.forget())
    }

    /// Takes back what [`Openings::create`] made, for a bundle that could not be written.
    pub(crate) fn forget(&self) {
        let _ = fs::remove_file(&self.path);
        self.marks.forget(self.bundle);
    }

    /// Gives `given` openings to the bundle `bundle`, and returns how many are left.
    pub(crate) fn share(&self, bundle: BundleId, given: usize) -> Result<usize, OpeningsError> {
        self.update(|count| {
            count.require_live()?;
            let left = self.budget.saturating_sub(count.used());
            if left == 0 {
                return Err(OpeningsError::BudgetSpent { budget: self.budget });
            }
            if given > left {
                return Err(OpeningsError::BudgetTooSmall { asked: given, left });
            }
            count.shares.push(Share { bundle, given, returned: None });
            Ok(left - given)
        })
    }

    /// From now on there may be proofs with this bundle: its openings are its source's no more.
    pub(crate) fn begin(&self) -> Result<(), OpeningsError> {
        self.update(|count| {
            count.state = State::Live;
            Ok(())
        })
    }

    /// Ends the bundle: nothing is proven with it any more. Returns how many openings it has used.
    fn end(&self) -> Result<usize, OpeningsError> {
        self.update(|count| {
            count.state = State::Ended;
            Ok(count.used())
        })
    }

    /// The share of a derived bundle, if it got one.
    fn share_of(&self, bundle: BundleId) -> Result<Option<Share>, OpeningsError> {
        let shares = self.usage()?.shares;
        Ok(shares.into_iter().find(|share| share.bundle == bundle))
    }

    /// Takes back what the derived bundle `bundle`, which is ended, has not used. Once: a second time
    /// changes nothing. Returns what came back.
    fn take_back(&self, bundle: BundleId, used: usize) -> Result<usize, OpeningsError> {
        self.update(|count| {
            let share = count.shares.iter_mut().find(|share| share.bundle == bundle);
            Ok(share
                .map_or(0, |share| *share.returned.get_or_insert(share.given.saturating_sub(used))))
        })
    }

    /// Changes the count while nobody else can, and returns when that is on the disk.
    fn update<T>(
        &self,
        change: impl FnOnce(&mut Count) -> Result<T, OpeningsError>,
    ) -> Result<T, OpeningsError> {
        // The mark's lock keeps copies on this machine apart, the counter's other machines that share it.
        let _mark = self.marks.lock(self.bundle)?;
        let _counter = self.lock()?;
        let mark = self.marks.read(self.bundle)?;
        let mut count = self.read(mark.as_ref())?;
        let done = change(&mut count)?;
        count.changes = count.changes.saturating_add(1);
        // The counter first: a mark without its counter would shut the bundle after a crash.
        count.write(&self.path, self.bundle)?;
        self.marks.write(self.bundle, &count)?;
        Ok(done)
    }

    /// Locks the file that is the counter, and not one whose place it has just taken.
    fn lock(&self) -> Result<File, OpeningsError> {
        loop {
            let file = OpenOptions::new().read(true).write(true).open(&self.path);
            let file = file.map_err(|source| self.fault(source))?;
            file.lock().map_err(|source| self.fault(source))?;
            let locked = file.metadata().map_err(|source| self.fault(source))?;
            let there = fs::metadata(&self.path).map_err(|source| self.fault(source))?;
            if (locked.dev(), locked.ino()) == (there.dev(), there.ino()) {
                return Ok(file);
            }
        }
    }

    fn fault(&self, source: io::Error) -> OpeningsError {
        let path = self.path.clone();
        match source.kind() {
            ErrorKind::NotFound => OpeningsError::Missing { path },
            _ => OpeningsError::Io { path, source },
        }
    }

    /// The count, if it is this bundle's and goes on from the mark.
    fn read(&self, mark: Option<&Count>) -> Result<Count, OpeningsError> {
        let (bundle, count) = Count::read(&self.path)?;
        if bundle != self.bundle {
            return Err(OpeningsError::OtherBundle {
                path: self.path.clone(),
                found: bundle.to_string(),
                expected: self.bundle,
            });
        }
        if let Some(mark) = mark {
            count.require_after(mark, &self.path)?;
        }
        Ok(count)
    }
}

/// Where the openings of the bundle in this file are counted.
pub fn counter_path(bundle: &Path) -> PathBuf {
    let mut name = bundle.as_os_str().to_owned();
    name.push(".openings");
    PathBuf::from(name)
}
