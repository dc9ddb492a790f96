//! Energy of processors by RAPL, as Linux shows it in the folder of powercap; of Intel's processors and of AMD's.
//!
//! A package `intel-rapl:N` includes its cores and its memory controller, whose counters `intel-rapl:N:M` are therefore
//! not added, and `intel-rapl-mmio:N` is a second counter of the same package. `psys` includes the packages.
//!
//! # Source
//! The kernel's Documentation/power/powercap/powercap.rst. The files are readable by root alone since CVE-2020-8694.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::counter::{Counter, Scale, Source};

/// More than a package draws: the largest are specified for about 500 W.
const MOST_WATTS: f64 = 1000.0;
/// The counters are in microjoules.
const JOULES_PER_UNIT: f64 = 1e-6;

/// The file of a package's counter.
struct EnergyFile(PathBuf);

impl Source for EnergyFile {
    fn read(&mut self) -> Result<u64, String> {
        number_in(&self.0)
    }
}

/// Returns the counters of all packages below the folder of powercap.
///
/// # Errors
/// There is none, or it is unclear which there are.
pub(super) fn packages(root: &Path) -> Result<Vec<Counter>, String> {
    let none = || {
        format!(
            "no counter of a processor's energy is in {}",
            root.display()
        )
    };
    let mut folders: Vec<PathBuf> = match fs::read_dir(root) {
        Ok(entries) => entries
            .map(|entry| entry.map(|entry| entry.path()))
            .collect::<io::Result<_>>()
            .map_err(|error| cannot_read(root, &error))?,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Err(none()),
        Err(error) => return Err(cannot_read(root, &error)),
    };
    folders.retain(|folder| is_top_level(folder));
    folders.sort();
    let mut counters = Vec::new();
    for folder in folders {
        let file = folder.join("name");
        let name = fs::read_to_string(&file).map_err(|error| cannot_read(&file, &error))?;
        if name.starts_with("package") {
            counters.push(package(&folder));
        }
    }
    if counters.is_empty() {
        return Err(none());
    }
    Ok(counters)
}

/// Whether a folder is `intel-rapl:N`.
fn is_top_level(folder: &Path) -> bool {
    let name = folder.file_name().and_then(|name| name.to_str());
    let number = name.and_then(|name| name.strip_prefix("intel-rapl:"));
    number.is_some_and(|number| {
        !number.is_empty() && number.bytes().all(|digit| digit.is_ascii_digit())
    })
}

fn package(folder: &Path) -> Counter {
    let scale = Scale {
        joules_per_unit: JOULES_PER_UNIT,
        // Without it, a return to 0 counts as one of a counter that was set back.
        largest: number_in(&folder.join("max_energy_range_uj")).ok(),
        most_watts: MOST_WATTS,
    };
    Counter::new(Box::new(EnergyFile(folder.join("energy_uj"))), scale)
}

fn number_in(file: &Path) -> Result<u64, String> {
    let text = fs::read_to_string(file).map_err(|error| cannot_read(file, &error))?;
    let number = text.trim().parse();
    number.map_err(|_| format!("{} holds no number", file.display()))
}

fn cannot_read(path: &Path, error: &io::Error) -> String {
    let reason = match error.kind() {
        io::ErrorKind::PermissionDenied => "permission denied".to_owned(),
        io::ErrorKind::NotFound => "it does not exist".to_owned(),
        _ => error.to_string(),
    };
    format!("cannot read {}: {reason}", path.display())
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// Writes a counter as the kernel shows it; values in microjoules.
    pub(in super::super) fn write(
        root: &Path,
        folder: &str,
        name: &str,
        energy: u64,
        largest: u64,
    ) {
        let folder = root.join(folder);
        fs::create_dir_all(&folder).expect("a folder");
        for (file, text) in [
            ("name", name.to_owned()),
            ("energy_uj", energy.to_string()),
            ("max_energy_range_uj", largest.to_string()),
        ] {
            fs::write(folder.join(file), text + "\n").expect("written");
        }
    }

    /// Sets a counter.
    pub(in super::super) fn set(root: &Path, folder: &str, energy: u64) {
        let file = root.join(folder).join("energy_uj");
        fs::write(file, format!("{energy}\n")).expect("written");
    }

    fn advance(counters: &mut [Counter], seconds: f64) -> Vec<Result<f64, String>> {
        counters
            .iter_mut()
            .map(|counter| counter.advance(seconds))
            .collect()
    }

    #[test]
    fn packages_are_counted_once_without_their_parts_and_without_the_whole_platform() {
        let root = tempfile::tempdir().expect("a folder");
        let root = root.path();
        fs::create_dir(root.join("intel-rapl")).expect("the kind of control");
        write(root, "intel-rapl:0", "package-0", 0, 262_143_328_850);
        write(root, "intel-rapl:0:0", "core", 0, 262_143_328_850);
        write(root, "intel-rapl:0:1", "dram", 0, 65_712_999_613);
        write(
            root,
            "intel-rapl:1",
            "package-1",
            65_532_000_000,
            65_532_610_987,
        );
        write(root, "intel-rapl:2", "psys", 0, 262_143_328_850);
        write(root, "intel-rapl-mmio:0", "package-0", 0, 262_143_328_850);
        let mut counters = packages(root).expect("two packages");
        for folder in [
            "intel-rapl:0",
            "intel-rapl:0:0",
            "intel-rapl:0:1",
            "intel-rapl:2",
            "intel-rapl-mmio:0",
        ] {
            set(root, folder, 80_000_000);
        }
        // 610,987 uJ up to the largest value, and 389,013 uJ from 0: 1 J.
        set(root, "intel-rapl:1", 389_013);
        assert_eq!(advance(&mut counters, 10.0), [Ok(80.0), Ok(1.0)]);
    }

    #[test]
    fn counters_that_are_missing_or_unreadable_are_named() {
        let root = tempfile::tempdir().expect("a folder");
        let root = root.path();
        let reason = packages(root).err().expect("none");
        assert!(
            reason.starts_with("no counter of a processor's energy"),
            "{reason}"
        );
        let reason = packages(&root.join("powercap")).err().expect("none");
        assert!(reason.ends_with("powercap"), "{reason}");
        write(root, "intel-rapl:0", "package-0", 0, 262_143_328_850);
        let file = root.join("intel-rapl:0/energy_uj");
        // A folder cannot be read as a file, not even by root.
        fs::remove_file(&file).expect("removed");
        fs::create_dir(&file).expect("a folder");
        let mut counters = packages(root).expect("a package");
        let found = advance(&mut counters, 10.0);
        let reason = found[0].as_ref().expect_err("unreadable");
        assert!(reason.contains("energy_uj: "), "{reason}");
        fs::remove_dir(&file).expect("removed");
        fs::write(&file, "12\n34").expect("written");
        let found = advance(&mut packages(root).expect("a package"), 10.0);
        let reason = found[0].as_ref().expect_err("no number");
        assert!(reason.ends_with("energy_uj holds no number"), "{reason}");
    }

    #[test]
    fn a_return_to_0_of_a_counter_without_a_known_largest_value_is_not_guessed() {
        let root = tempfile::tempdir().expect("a folder");
        let root = root.path();
        write(root, "intel-rapl:0", "package-0", 500, 262_143_328_850);
        fs::remove_file(root.join("intel-rapl:0/max_energy_range_uj")).expect("removed");
        let mut counters = packages(root).expect("a package");
        set(root, "intel-rapl:0", 4);
        let found = advance(&mut counters, 10.0);
        assert_eq!(found, [Err("a counter was set back".to_owned())]);
    }
}
