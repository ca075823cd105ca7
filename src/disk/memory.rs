//! Finds how much memory is left for the contents of files.

use std::fs;
use std::path::{Path, PathBuf};

/// The mount point of control groups, version 2.
const GROUPS: &str = "/sys/fs/cgroup";

/// Returns how many octets of memory this process can still use: the least of what the machine and its control groups
/// have left. Returns `u64::MAX` if the system does not report it.
pub(super) fn available() -> u64 {
    machine().into_iter().chain(groups()).min().unwrap_or(u64::MAX)
}

fn machine() -> Option<u64> {
    let text = fs::read_to_string("/proc/meminfo").ok()?;
    Some(field(&text, "MemAvailable:")? << 10)
}

/// The memory that is left in each group that the process is in and that has a limit.
fn groups() -> Vec<u64> {
    let own = fs::read_to_string("/proc/self/cgroup").ok();
    let own = own.as_deref().and_then(|text| text.lines().find_map(|line| line.strip_prefix("0::/")));
    let Some(own) = own else { return Vec::new() };
    let folder = Path::new(GROUPS).join(own);
    folder.ancestors().take_while(|above| above.starts_with(GROUPS)).filter_map(left_in).collect()
}

/// The memory that is left in a group; `None` if the group has no limit. Pages of files do not count as used, because
/// the kernel can drop them.
fn left_in(group: &Path) -> Option<u64> {
    let number = |name: &str| fs::read_to_string(group.join(name)).ok()?.trim().parse::<u64>().ok();
    let (most, used) = (number("memory.max")?, number("memory.current")?);
    let files = fs::read_to_string(PathBuf::from(group).join("memory.stat")).ok();
    let files = files.and_then(|text| field(&text, "file")).unwrap_or_default();
    Some(most.saturating_sub(used.saturating_sub(files)))
}

/// The number behind the first word of a line.
fn field(text: &str, name: &str) -> Option<u64> {
    let mut lines = text.lines().map(str::split_ascii_whitespace);
    lines.find_map(|mut words| (words.next() == Some(name)).then(|| words.next()?.parse().ok())?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_machine_and_the_tightest_group_are_known() {
        assert!(machine().is_some_and(|octets| octets > 1 << 20));
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| fs::write(folder.path().join(name), text).unwrap();
        write("memory.max", "max\n");
        assert_eq!(left_in(folder.path()), None);
        write("memory.max", "1000\n");
        write("memory.current", "700\n");
        assert_eq!(left_in(folder.path()), Some(300));
        write("memory.stat", "anon 300\nfile 400\n");
        assert_eq!(left_in(folder.path()), Some(700));
        assert_eq!(field("a 1\nMemAvailable:   12 kB\n", "MemAvailable:"), Some(12));
        assert!(available() > 0);
    }
}
