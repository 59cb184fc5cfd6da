//! What a disk has free.

use std::path::Path;

/// Bytes that the disk of a file or folder has free for this user; `None` where it does not say.
pub fn free_bytes(path: &Path) -> Option<u64> {
    let found = rustix::fs::statvfs(path);
    let found =
        found.inspect_err(|error| tracing::debug!(%error, "the disk does not say what is free"));
    found.ok().map(|disk| disk.f_bavail.saturating_mul(disk.f_frsize))
}
