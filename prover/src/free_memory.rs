//! How much memory a proof could have.

use std::{fs, path::Path};

/// Bytes that this process may still take without the system swapping or killing: what Linux says is available,
/// or less where a control group (version 2, as containers have) limits the process. `None` where the system
/// does not tell.
pub fn free_memory() -> Option<u64> {
    let available = available(&fs::read_to_string("/proc/meminfo").ok()?)?;
    let group = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
    let left =
        group_path(&group).and_then(|group| left_in_group(Path::new("/sys/fs/cgroup"), group));
    Some(left.map_or(available, |left| left.min(available)))
}

/// Bytes of this process that are in memory; `None` where the system does not tell.
pub(crate) fn resident_memory() -> Option<u64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    kibibytes(&status, "VmRSS:")
}

/// Bytes, from the content of `/proc/meminfo`.
fn available(meminfo: &str) -> Option<u64> {
    kibibytes(meminfo, "MemAvailable:")
}

/// The bytes of a line that gives kibibytes.
fn kibibytes(text: &str, name: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    kib.checked_mul(1024)
}

/// The group in the unified hierarchy, from the content of `/proc/self/cgroup`.
fn group_path(cgroup: &str) -> Option<&str> {
    cgroup.lines().find_map(|line| line.strip_prefix("0::/"))
}

/// The least that the group and those above it leave.
fn left_in_group(root: &Path, group: &str) -> Option<u64> {
    let group = root.join(group);
    let number = |folder: &Path, file: &str| -> Option<u64> {
        fs::read_to_string(folder.join(file)).ok()?.trim().parse().ok()
    };
    group
        .ancestors()
        .take_while(|folder| folder.starts_with(root))
        .filter_map(|folder| {
            // Without a limit the file says `max`.
            let limit = number(folder, "memory.max")?;
            // Files that were read count as used until the memory is wanted for something else.
            let statistics = fs::read_to_string(folder.join("memory.stat")).unwrap_or_default();
            let reclaimable = statistics
                .lines()
                .find_map(|line| line.strip_prefix("inactive_file ")?.trim().parse().ok())
                .unwrap_or(0);
            let used = number(folder, "memory.current")?.saturating_sub(reclaimable);
            Some(limit.saturating_sub(used))
        })
        .min()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_system_is_understood() {
        let meminfo = "MemTotal:       24000000 kB\nMemAvailable:    2048 kB\nBuffers: 1 kB\n";
        assert_eq!(available(meminfo), Some(2 << 20));
        assert_eq!(available("MemTotal: 5 kB"), None);
        assert_eq!(group_path("1:cpu:/x\n0::/a/b\n"), Some("a/b"));
        assert!(!cfg!(target_os = "linux") || free_memory().is_some_and(|bytes| bytes > 0));
    }

    #[test]
    fn the_tightest_group_counts() {
        let root = tempfile::tempdir().expect("folder");
        let inner = root.path().join("a").join("b");
        fs::create_dir_all(&inner).expect("folders");
        let write = |folder: &Path, limit: &str, used: &str| {
            fs::write(folder.join("memory.max"), limit).expect("written");
            fs::write(folder.join("memory.current"), used).expect("written");
        };
        write(&inner, "max\n", "10\n");
        assert_eq!(left_in_group(root.path(), "a/b"), None);
        write(inner.parent().expect("a folder above"), "100\n", "40\n");
        assert_eq!(left_in_group(root.path(), "a/b"), Some(60));
        write(&inner, "50\n", "45\n");
        assert_eq!(left_in_group(root.path(), "a/b"), Some(5));
        write(&inner, "50\n", "70\n");
        assert_eq!(left_in_group(root.path(), "a/b"), Some(0));
        fs::write(inner.join("memory.stat"), "anon 5\ninactive_file 30\nactive_file 1\n")
            .expect("written");
        assert_eq!(left_in_group(root.path(), "a/b"), Some(10));
    }
}
