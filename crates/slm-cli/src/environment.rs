//! The user's environment: folders, programs, switches.

use std::path::{Path, PathBuf};

/// Returns the folder of everything that can be recreated or downloaded again: `SLM_CACHE`, else `slm-lora` in the
/// user's cache folder.
pub fn cache_dir() -> PathBuf {
    set("SLM_CACHE").unwrap_or_else(|| {
        let user = set("XDG_CACHE_HOME").or_else(|| Some(set("HOME")?.join(".cache")));
        user.unwrap_or_else(std::env::temp_dir).join("slm-lora")
    })
}

/// Returns the value of an environment variable that is set and not empty.
pub(crate) fn set(name: &str) -> Option<PathBuf> {
    std::env::var_os(name)
        .filter(|value| !value.is_empty())
        .map(PathBuf::from)
}

/// Returns the folder of the processors' counters of energy: `SLM_POWERCAP`, which a container may have mounted elsewhere,
/// else that of Linux.
pub(crate) fn powercap() -> PathBuf {
    set("SLM_POWERCAP").unwrap_or_else(|| Path::new("/sys/class/powercap").to_owned())
}

/// Returns the configured Python: `PYTHON`, else `python3` on the search path.
pub fn python() -> PathBuf {
    named_python().unwrap_or_else(|| Path::new("python3").to_owned())
}

/// Returns the Python in `PYTHON`, if it is set.
pub fn named_python() -> Option<PathBuf> {
    set("PYTHON")
}

/// Returns the text of an environment variable that is set and not empty.
pub(crate) fn text(name: &str) -> Option<String> {
    set(name)?.into_os_string().into_string().ok()
}

/// Whether a variable is switched on, by the Python client's values.
pub(crate) fn is_on(name: &str) -> bool {
    text(name).is_some_and(|value| {
        let value = value.to_uppercase();
        ["1", "ON", "YES", "TRUE"].contains(&value.as_str())
    })
}

/// Replaces a leading `~` by the home folder.
pub(crate) fn expanded(path: PathBuf) -> PathBuf {
    match (path.strip_prefix("~"), set("HOME")) {
        (Ok(rest), Some(home)) => home.join(rest),
        _ => path,
    }
}
