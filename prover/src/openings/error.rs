//! Why openings cannot be counted, each with the way out.

use std::{io, path::PathBuf};

use assay_files::FileError;

use super::share::BundleId;

/// What is told to somebody whose count is lost.
macro_rules! way_out {
    () => {
        "; bring the right one from where the bundle was used last, or, if that is lost, import the model \
         again (a new seed, a new commitment) and register it anew"
    };
}

/// Why openings cannot be counted, or none is left.
#[derive(Debug, thiserror::Error)]
pub enum OpeningsError {
    /// There is no counter where the bundle lies.
    #[error("{path} is missing: it says how many openings of the weights are used{}", way_out!())]
    Missing {
        /// The counter, `<bundle>.openings`.
        path: PathBuf,
    },
    /// The counter of another bundle.
    #[error("{path} counts the openings of bundle {found}, not of {expected}{}", way_out!())]
    OtherBundle {
        /// The counter.
        path: PathBuf,
        /// Bundle that it counts for.
        found: String,
        /// Bundle that it should count for.
        expected: BundleId,
    },
    /// The count is kept elsewhere, and that says no.
    #[error("no opening of the weights is had for this proof: {reason}")]
    Elsewhere {
        /// In its words.
        reason: String,
    },
    /// No count, or a damaged one.
    #[error("this is no count of openings: {source}{}", way_out!())]
    Content {
        /// What is wrong with which file.
        source: FileError,
    },
    /// The counter is behind what this machine has recorded.
    #[error(
        "{path} is older than the count that this machine has recorded ({found} changes, {recorded} are \
         known): it comes from a backup or a copy, and would use openings twice{}",
        way_out!()
    )]
    Older {
        /// The counter.
        path: PathBuf,
        /// Changes in its history.
        found: u64,
        /// Changes that this machine knows of.
        recorded: u64,
    },
    /// The counter is no continuation of what this machine has recorded.
    #[error(
        "{path} goes on otherwise than the count that this machine has recorded: two copies of the bundle \
         are in use, whose openings add up. Import the model again (a new seed, a new commitment) and \
         register it anew"
    )]
    Diverged {
        /// The counter.
        path: PathBuf,
    },
    /// A file cannot be locked, read or written.
    #[error("cannot keep the count of openings in {path}: {source}")]
    Io {
        /// The counter or the mark.
        path: PathBuf,
        /// What the operating system says.
        source: io::Error,
    },
    /// There is no folder for this machine's marks.
    #[error(
        "no state folder is known, in which this machine records the counts of openings; set \
         ASSAY_STATE_DIR to a folder that lasts (else it is assay/ in $XDG_STATE_HOME, else \
         $HOME/.local/state/assay)"
    )]
    NoStateFolder,
    /// The bundle was derived by half.
    #[error(
        "the derivation of this bundle was interrupted before it had its openings; give it back with `assay \
         model give-back`, and derive another"
    )]
    Pending,
    /// The bundle was given back to its source.
    #[error("the openings of this bundle were given back; nothing can be proven with it any more")]
    Ended,
    /// No opening of the weights is left.
    #[error(
        "all {budget} openings of this bundle are used; a further proof could reveal the weights. If \
         another bundle of the model has openings left, derive a new one from it; else import the \
         model again: a new seed gives it a new commitment"
    )]
    BudgetSpent {
        /// Openings that the bundle had in all.
        budget: usize,
    },
    /// Fewer openings are left than a derived bundle shall have.
    #[error("{asked} openings of the weights are asked for, the bundle has {left} left")]
    BudgetTooSmall {
        /// Openings asked for.
        asked: usize,
        /// Openings left.
        left: usize,
    },
}

impl OpeningsError {
    /// Whether it will be so for ever: all is used or given back. Else somebody can mend it.
    pub fn is_spent(&self) -> bool {
        matches!(self, Self::BudgetSpent { .. } | Self::BudgetTooSmall { .. } | Self::Ended)
    }
}
