//! Memory that this machine has left.

use std::fs;
use std::path::Path;

use slm_cli::number_behind;

/// Where Linux shows control groups (version 2) and their limits: a container's, a batch system's, systemd's.
const GROUPS: &str = "/sys/fs/cgroup";

/// Bytes that this process can still take on the CPU's side, where the system says: what Linux calls available, or what
/// is left to the control groups that the process belongs to.
pub(crate) fn available_bytes() -> Option<u64> {
    let of_machine =
        number_behind(&fs::read_to_string("/proc/meminfo").ok()?, "MemAvailable:")? * 1024;
    let group = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
    // Of the lines of a mixed system, that of version 2 has the number 0 and no controllers.
    let group = group.lines().find_map(|line| line.strip_prefix("0::/"));
    let of_groups = left_to_groups(Path::new(GROUPS), group.unwrap_or(""));
    Some(of_machine.min(of_groups.unwrap_or(u64::MAX)))
}

/// The least that a group or one of those around it has left; `None` where no group has a limit.
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
    // Pages of files that nobody has used of late count as taken, and go when something else wants their place.
    let cache = read("memory.stat").and_then(|stat| number_behind(&stat, "inactive_file"));
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
        let available = available_bytes().expect("Linux says");
        assert!((1 << 20..1 << 50).contains(&available), "{available}");
    }
}
