//! Models and images that tests read in place.

use std::path::{Path, PathBuf};

/// A file of the shared data: below `$ASSAY_SHARED`, or in `shared` beside the repository. Prints a
/// line and returns `None` when it is not there, and the test is to be skipped.
pub fn shared(relative: &str) -> Option<PathBuf> {
    let root = std::env::var_os("ASSAY_SHARED").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared"),
        PathBuf::from,
    );
    let file = root.join(relative);
    if file.exists() {
        return Some(file);
    }
    println!("skipped: shared file {relative} is not there (set ASSAY_SHARED)");
    None
}
