//! Licences of Python files, for the record of what a model was trained on.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};

/// The name of a licence that was not found.
const UNKNOWN: &str = "unknown";

/// Lines at the start of a file in which an SPDX comment is searched.
const HEAD_LINES: usize = 40;

/// Bytes of a licence file or of package metadata that are read.
const MOST_BYTES: usize = 64 << 10;

/// Folders above a data set in which its licence is searched: `src` and `src/package` are below the project's folder. The
/// root of a git repository ends the search.
const LEVELS_ABOVE: usize = 2;

/// Names of licence files, in upper case and without their ending.
const LICENCE_FILES: [&str; 4] = ["LICENSE", "LICENCE", "COPYING", "UNLICENSE"];

/// Phrases of licence texts and their SPDX names, the more specific first.
const PHRASES: [(&str, &str); 14] = [
    ("boost software license", "BSL-1.0"),
    ("gnu affero general public license version 3", "AGPL-3.0"),
    ("gnu lesser general public license version 3", "LGPL-3.0"),
    ("gnu lesser general public license version 2.1", "LGPL-2.1"),
    ("gnu general public license version 3", "GPL-3.0"),
    ("gnu general public license version 2", "GPL-2.0"),
    ("mozilla public license version 2.0", "MPL-2.0"),
    ("apache license version 2.0", "Apache-2.0"),
    ("python software foundation license", "PSF-2.0"),
    ("redistributions of source code must retain", "BSD-2-Clause"),
    ("permission is hereby granted, free of charge", "MIT"),
    ("with or without fee is hereby granted, provided", "ISC"),
    ("this is free and unencumbered software", "Unlicense"),
    ("cc0 1.0 universal", "CC0-1.0"),
];

/// A phrase that the three-clause BSD licence has beside that of the two-clause one.
const BSD_THIRD_CLAUSE: &str = "neither the name of";

/// Licences of the files below a folder.
#[derive(Debug)]
pub(super) struct Licences {
    root: PathBuf,
    /// The licence of each folder that was searched.
    folders: HashMap<PathBuf, Option<String>>,
}

impl Licences {
    /// Prepares the search for the files below `root`.
    pub(super) fn of(root: &Path) -> Self {
        Self {
            root: root.canonicalize().unwrap_or_else(|_| root.to_owned()),
            folders: HashMap::new(),
        }
    }

    /// Returns the licence of a file: its SPDX comment, else that of the nearest folder with a licence file, package
    /// metadata or a `pyproject.toml` that names one.
    pub(super) fn of_file(&mut self, file: &Path, text: &str) -> String {
        if let Some(name) = spdx_comment(text) {
            return name;
        }
        let file = file.canonicalize().unwrap_or_else(|_| file.to_owned());
        let top = self.root.ancestors().nth(LEVELS_ABOVE).map(Path::to_owned);
        let mut licence = None;
        for folder in file.ancestors().skip(1) {
            licence = self.of_folder(folder);
            if licence.is_some() || top.as_deref() == Some(folder) || folder.join(".git").exists() {
                break;
            }
        }
        licence.unwrap_or_else(|| UNKNOWN.to_owned())
    }

    fn of_folder(&mut self, folder: &Path) -> Option<String> {
        if let Some(known) = self.folders.get(folder) {
            return known.clone();
        }
        let found = search(folder);
        self.folders.insert(folder.to_owned(), found.clone());
        found
    }
}

/// The licence that a folder's own files name, or the metadata of the package that it is.
fn search(folder: &Path) -> Option<String> {
    let of_package = || {
        let package = folder.file_name()?.to_string_lossy().replace('-', "_");
        let metadata = dist_info(folder.parent()?, &package)?;
        licence_of_metadata(&head_of(&metadata)?)
    };
    let project = || licence_of_pyproject(&head_of(&folder.join("pyproject.toml"))?);
    let file = || {
        let mut names: Vec<_> = fs::read_dir(folder)
            .ok()?
            .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
            .filter(|name| {
                let upper = name.to_uppercase();
                let stem = upper.split(['.', '-']).next().unwrap_or("");
                LICENCE_FILES.contains(&stem) && Path::new(name).extension() != Some("py".as_ref())
            })
            .collect();
        names.sort();
        let mut texts = names.iter().filter_map(|name| head_of(&folder.join(name)));
        texts.find_map(|text| licence_of_text(&text))
    };
    of_package().or_else(project).or_else(file)
}

/// The metadata file of an installed package, `NAME-VERSION.dist-info/METADATA`.
fn dist_info(folder: &Path, package: &str) -> Option<PathBuf> {
    let mut found: Vec<_> = fs::read_dir(folder)
        .ok()?
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| {
            let name = path
                .file_name()
                .unwrap_or_default()
                .to_string_lossy()
                .replace('-', "_");
            let name = name.strip_suffix(".dist_info").unwrap_or("");
            name.rsplit_once('_')
                .is_some_and(|(name, _)| name.eq_ignore_ascii_case(package))
        })
        .map(|path| path.join("METADATA"))
        .collect();
    found.sort();
    found.pop()
}

/// The first bytes of a file as text.
fn head_of(path: &Path) -> Option<String> {
    use std::io::Read;
    let mut bytes = Vec::new();
    // A named pipe would wait for a writer.
    let file = path.is_file().then(|| fs::File::open(path).ok())??;
    file.take(MOST_BYTES as u64).read_to_end(&mut bytes).ok()?;
    Some(String::from_utf8_lossy(&bytes).into_owned())
}

/// `SPDX-License-Identifier: NAME` in a comment at the start of a file.
fn spdx_comment(text: &str) -> Option<String> {
    let mut lines = text
        .lines()
        .take(HEAD_LINES)
        .filter(|line| line.trim_start().starts_with('#'));
    let name = lines
        .find_map(|line| line.split_once("SPDX-License-Identifier:"))?
        .1;
    plain_name(name)
}

/// `License-Expression: NAME`, or `License: NAME` of one line, or a classifier.
fn licence_of_metadata(text: &str) -> Option<String> {
    let header = text.split("\n\n").next().unwrap_or("");
    let field = |name: &str| header.lines().find_map(|line| line.strip_prefix(name));
    let classifier = || {
        let mut lines = header
            .lines()
            .filter_map(|line| line.strip_prefix("Classifier: License :: "));
        lines.next_back()?.rsplit(" :: ").next()
    };
    let name = |name: Option<&str>| name.and_then(plain_name);
    name(field("License-Expression: "))
        .or_else(|| name(field("License: ")))
        .or_else(|| name(classifier()))
}

/// `license = "NAME"` or `license = {text = "NAME"}` of a project.
fn licence_of_pyproject(text: &str) -> Option<String> {
    let line = text.lines().map(str::trim).find(|line| {
        line.split('=')
            .next()
            .is_some_and(|key| key.trim() == "license")
    })?;
    let value = line.split_once('=')?.1.trim();
    let value = match value.strip_prefix('{') {
        Some(table) => table.split_once("text")?.1.split_once('=')?.1,
        None => value,
    };
    plain_name(value.split(['"', '\'']).nth(1)?)
}

/// The licence whose text this is.
fn licence_of_text(text: &str) -> Option<String> {
    let words: Vec<_> = text
        .split(|c: char| c.is_whitespace() || matches!(c, '#' | '*'))
        .filter(|word| !word.is_empty())
        .collect();
    let text = words
        .join(" ")
        .to_lowercase()
        .replace("license, version", "license version");
    // The first in the text is that of the file: further ones are of parts that it includes.
    let found = PHRASES
        .iter()
        .filter_map(|(phrase, name)| Some((text.find(phrase)?, *name)))
        .min_by_key(|(place, _)| *place)?
        .1;
    let has_third = found == "BSD-2-Clause" && text.contains(BSD_THIRD_CLAUSE);
    Some(if has_third { "BSD-3-Clause" } else { found }.to_owned())
}

/// A name of plain characters on one line, short enough for a name.
fn plain_name(text: &str) -> Option<String> {
    let name = text.trim();
    let is_plain = |c: char| c.is_alphanumeric() || " .-+()/_:".contains(c);
    let is_name = !matches!(name, "" | "UNKNOWN") && name.len() <= 60 && name.chars().all(is_plain);
    is_name.then(|| name.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn licence(files: &[(&str, &str)], of: &str) -> String {
        let folder = tempfile::tempdir().expect("a folder");
        for (name, text) in files {
            let path = folder.path().join(name);
            fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
            fs::write(path, text).expect("a file");
        }
        let file = folder.path().join(of);
        let text = fs::read_to_string(&file).expect("the file");
        Licences::of(&folder.path().join("p/src")).of_file(&file, &text)
    }

    #[test]
    fn the_nearest_statement_of_a_licence_counts() {
        let code = ("p/src/pkg/a.py", "x = 1\n");
        let mit = "Permission is hereby granted, free of charge, to any person";
        for (files, expected) in [
            (vec![code], UNKNOWN),
            (vec![code, ("p/LICENSE", mit)], "MIT"),
            (
                vec![
                    code,
                    ("p/LICENSE", mit),
                    (
                        "p/src/pkg/LICENSE.txt",
                        "Apache License\n   Version 2.0, January 2004",
                    ),
                ],
                "Apache-2.0",
            ),
            (
                vec![
                    code,
                    (
                        "p/pyproject.toml",
                        "[project]\nlicense = \"BSD-3-Clause\"\n",
                    ),
                ],
                "BSD-3-Clause",
            ),
            (
                vec![
                    code,
                    (
                        "p/pyproject.toml",
                        "[project]\nlicense = {text = \"Proprietary\"}\n",
                    ),
                ],
                "Proprietary",
            ),
            (
                vec![
                    code,
                    (
                        "p/pyproject.toml",
                        "[project]\nlicense = {file = \"LICENSE\"}\n",
                    ),
                    ("p/LICENSE", mit),
                ],
                "MIT",
            ),
            (
                vec![
                    code,
                    (
                        "p/src/pkg-1.0.dist-info/METADATA",
                        "Name: pkg\nLicense: ISC\n\ntext",
                    ),
                ],
                "ISC",
            ),
            (
                vec![
                    (
                        "p/src/pkg/a.py",
                        "# SPDX-License-Identifier: GPL-2.0-only\n",
                    ),
                    ("p/LICENSE", mit),
                ],
                "GPL-2.0-only",
            ),
        ] {
            assert_eq!(licence(&files, "p/src/pkg/a.py"), expected, "{files:?}");
        }
    }

    #[test]
    fn a_text_that_is_no_name_is_not_a_licence() {
        assert_eq!(
            plain_name("MIT OR Apache-2.0"),
            Some("MIT OR Apache-2.0".to_owned())
        );
        assert_eq!(plain_name("a\u{1b}[31m"), None);
        assert_eq!(plain_name(&"x".repeat(61)), None);
    }
}
