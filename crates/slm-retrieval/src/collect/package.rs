//! The files of an installed package, and which objects of its private modules are public.

use std::collections::HashSet;
use std::path::Path;

use slm_metrics::syntax::imported_names;

use super::walk::{FoundFile, Rules, files_below};
use crate::error::RetrievalError;
use crate::lines::module_name;

/// Returns the source files of a package: all `.py` files of its folder, or the one file that it is.
///
/// # Errors
/// [`RetrievalError::CompiledPackage`] if it has none.
pub(super) fn source_files(name: &str, path: &Path) -> Result<Vec<FoundFile>, RetrievalError> {
    let is_python = |path: &Path| path.extension().is_some_and(|ending| ending == "py");
    let files = if path.is_dir() {
        let mut files = files_below(path, Rules::Package)?;
        files.retain(|file| is_python(&file.path));
        files
    } else if is_python(path) {
        vec![FoundFile {
            path: path.to_owned(),
            below: String::new(),
            is_link: false,
        }]
    } else {
        Vec::new()
    };
    if files.is_empty() {
        return Err(RetrievalError::CompiledPackage {
            name: name.to_owned(),
            path: path.to_owned(),
        });
    }
    Ok(files)
}

/// The names that the files of a package import from its own modules, which makes them public.
#[derive(Debug, Default)]
pub(super) struct Reexports(HashSet<(String, String)>);

impl Reexports {
    /// Reads the imports of public modules; each file is its source and its text.
    pub(super) fn of<'a>(files: impl IntoIterator<Item = (&'a str, &'a str)>) -> Self {
        let mut names = HashSet::new();
        for (source, text) in files {
            let module = module_name(source);
            if is_private(&module) {
                continue;
            }
            let is_package = source.ends_with("__init__.py");
            for import in imported_names(text) {
                let from = absolute(&module, is_package, import.level, &import.module);
                names.insert((from, import.name));
            }
        }
        Self(names)
    }

    /// Returns whether a top-level definition of a module is public as far as the module's name decides.
    pub(super) fn shows(&self, module: &str, name: &str) -> bool {
        let has = |name: &str| self.0.contains(&(module.to_owned(), name.to_owned()));
        !is_private(module) || has(name) || has("*")
    }
}

fn is_private(module: &str) -> bool {
    module.split('.').any(|part| part.starts_with('_'))
}

/// Returns the full name of the module that a relative import means.
fn absolute(module: &str, is_package: bool, level: u32, from: &str) -> String {
    if level == 0 {
        return from.to_owned();
    }
    let mut parts: Vec<&str> = module.split('.').collect();
    let n_up = level as usize - usize::from(is_package);
    parts.truncate(parts.len().saturating_sub(n_up));
    parts.extend(from.split('.').filter(|part| !part.is_empty()));
    parts.join(".")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_imported_from_private_modules_are_public() {
        let files = [
            (
                "pip:p/__init__.py",
                "from ._core import a\nfrom p._more import b as c\n",
            ),
            ("pip:p/sub/x.py", "from .._all import *\n"),
            ("pip:p/_core.py", "from ._hidden import d\n"),
        ];
        let reexports = Reexports::of(files);
        assert!(reexports.shows("p._core", "a"));
        assert!(!reexports.shows("p._core", "z"));
        assert!(reexports.shows("p._more", "b"));
        assert!(reexports.shows("p._all", "anything"));
        assert!(!reexports.shows("p._hidden", "d"));
        assert!(reexports.shows("p.sub.x", "z"));
    }
}
