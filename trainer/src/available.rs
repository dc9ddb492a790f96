//! Free memory of this machine.

use std::fs;
use std::path::Path;

use slm_cli::number_after;

/// Mount point of the control groups (version 2), whose limits containers, batch systems and systemd set.
const GROUPS: &str = "/sys/fs/cgroup";

/// Returns the bytes of CPU memory that this process can still allocate: the smaller of Linux's `MemAvailable` and what
/// the limits of the process's control groups leave. `None` where the system does not report it.
pub(crate) fn available_bytes() -> Option<u64> {
    let of_machine =
        number_after(&fs::read_to_string("/proc/meminfo").ok()?, "MemAvailable:")? * 1024;
    let group = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
    // On a system with both versions, the line of version 2 has the number 0 and no controllers.
    let group = group.lines().find_map(|line| line.strip_prefix("0::/"));
    let of_groups = left_to_groups(Path::new(GROUPS), group.unwrap_or(""));
    Some(of_machine.min(of_groups.unwrap_or(u64::MAX)))
}

/// Returns the least free memory of a group and its ancestors; `None` where no group has a limit.
fn left_to_groups(root: &Path, group: &str) -> Option<u64> {
    let around = Path::new(group).ancestors();
    around
        .filter_map(|group| left_to_group(&root.join(group)))
        .min()
}

fn left_to_group(folder: &Path) -> Option<u64> {
    let read = |name| fs::read_to_string(folder.join(name)).ok();
    let number = |name| read(name)?.trim().parse::<u64>().ok();
    let (most, taken) = (number("memory.max")?, number("memory.current")?);
    // Inactive file pages count as used, but the kernel reclaims them when memory is needed.
    let cache = read("memory.stat").and_then(|stat| number_after(&stat, "inactive_file"));
    let taken = taken.saturating_sub(cache.unwrap_or(0));
    Some(most.saturating_sub(taken))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tightest_group_counts_without_what_it_only_remembers_of_files() {
        let root = tempfile::tempdir().expect("a folder");
        let group = |path: &str, max: &str, current: u64, inactive: u64| {
            let folder = root.path().join(path);
            fs::create_dir_all(&folder).expect("created");
            let stat = format!("anon 5\ninactive_file {inactive}\nactive_file 7\n");
            for (name, text) in [
                ("memory.max", format!("{max}\n")),
                ("memory.current", format!("{current}\n")),
                ("memory.stat", stat),
            ] {
                fs::write(folder.join(name), text).expect("written");
            }
        };
        assert_eq!(left_to_groups(root.path(), "jobs/7"), None, "no limits");
        group("jobs/7", "max", 400, 0);
        assert_eq!(left_to_groups(root.path(), "jobs/7"), None, "no limit");
        group("jobs", "1000", 600, 50);
        assert_eq!(left_to_groups(root.path(), "jobs/7"), Some(450));
        group("jobs/7", "300", 200, 150);
        assert_eq!(left_to_groups(root.path(), "jobs/7"), Some(250));
        assert_eq!(left_to_groups(root.path(), "jobs"), Some(450));
        assert_eq!(left_to_groups(root.path(), ""), None);
        group("", "100", 120, 0);
        assert_eq!(left_to_groups(root.path(), "jobs/7"), Some(0), "over it");
    }

    #[test]
    fn this_machine_says_what_it_has_left() {
        if !Path::new("/proc/meminfo").exists() {
            return;
        }
        let available = available_bytes().expect("MemAvailable");
        assert!((1 << 20..1 << 50).contains(&available), "{available}");
    }
}
