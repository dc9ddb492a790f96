//! What the user's environment says: folders, programs, switches.

use std::path::{Path, PathBuf};

/// Where everything lies that can be made or fetched again: `SLM_CACHE`, else `slm-lora` in the user's cache folder.
pub fn cache_dir() -> PathBuf {
    set("SLM_CACHE").unwrap_or_else(|| {
        let user = set("XDG_CACHE_HOME").or_else(|| Some(set("HOME")?.join(".cache")));
        user.unwrap_or_else(std::env::temp_dir).join("slm-lora")
    })
}

/// An environment variable that is set, and not to nothing.
pub(crate) fn set(name: &str) -> Option<PathBuf> {
    std::env::var_os(name)
        .filter(|value| !value.is_empty())
        .map(PathBuf::from)
}

/// The machine's Python: `PYTHON`, else `python3` on the search path.
pub fn python() -> PathBuf {
    named_python().unwrap_or_else(|| Path::new("python3").to_owned())
}

/// The Python that the user names by `PYTHON`, if any.
pub fn named_python() -> Option<PathBuf> {
    set("PYTHON")
}

/// The text of an environment variable that is set, and not to nothing.
pub(crate) fn text(name: &str) -> Option<String> {
    set(name)?.into_os_string().into_string().ok()
}

/// Whether a variable says yes, in the Python client's words.
pub(crate) fn is_on(name: &str) -> bool {
    text(name).is_some_and(|value| {
        let value = value.to_uppercase();
        ["1", "ON", "YES", "TRUE"].contains(&value.as_str())
    })
}

/// The path with the home folder in place of a `~` in front.
pub(crate) fn expanded(path: PathBuf) -> PathBuf {
    match (path.strip_prefix("~"), set("HOME")) {
        (Ok(rest), Some(home)) => home.join(rest),
        _ => path,
    }
}
