//! Folders in place of a data file: a data set of the hub is often one file per part of its split.

use std::fs;
use std::path::{Path, PathBuf};

use slm_artifacts::{sha256_of_file, sha256_of_texts};
use slm_table::ENDINGS;

use crate::BenchmarkError;

/// Files with the ending of a data file that only describe a data set.
const DESCRIPTIONS: [&str; 4] = [
    "dataset_infos.json",
    "dataset_info.json",
    "state.json",
    "dataset_dict.json",
];
/// Levels of folders that are searched for data files.
const DEPTH: usize = 3;
/// Entries of a folder that a message names.
const NAMED: usize = 5;

/// Why entries of a folder hold no task.
pub(super) const OTHER_ENTRIES: &str = "entries of the folder that are no data files";

/// Returns the folder of a benchmark in its data set on the hub, if that contains several benchmarks.
pub fn subset_of(name: &str) -> Option<&'static str> {
    match name {
        "mbpp" => Some("full"),
        "mbpp-sanitized" => Some("sanitized"),
        _ => None,
    }
}

/// Returns the files of a benchmark's data: `path` itself, or the data files of the folder `path`, by name.
///
/// # Errors
/// The folder cannot be read, contains no data file, or contains those of several data sets.
pub fn data_files(name: &str, path: &Path) -> Result<Vec<PathBuf>, BenchmarkError> {
    Ok(found(name, path)?.files)
}

/// The data files of a folder.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Found {
    pub(super) files: Vec<PathBuf>,
    /// Number of its other entries; hidden ones are not counted.
    pub(super) others: usize,
}

/// Finds the files of a benchmark's data, see [`data_files`].
pub(super) fn found(name: &str, path: &Path) -> Result<Found, BenchmarkError> {
    if !path.is_dir() {
        return Ok(Found {
            files: vec![path.to_owned()],
            others: 0,
        });
    }
    let mut folder = path.to_owned();
    for _ in 0..DEPTH {
        if let Some(subset) = subset_of(name).map(|subset| folder.join(subset))
            && subset.is_dir()
        {
            folder = subset;
        }
        let entries = entries(&folder)?;
        let (folders, plain): (Vec<_>, Vec<_>) =
            entries.into_iter().partition(|entry| entry.is_dir());
        let (files, others): (Vec<_>, Vec<_>) = plain.into_iter().partition(|file| is_data(file));
        if !files.is_empty() {
            let others = others.len() + folders.len();
            return Ok(Found { files, others });
        }
        match &folders[..] {
            [only] => folder.clone_from(only),
            [] => return Err(without_data(&folder, &others)),
            several => {
                let names: Vec<String> = several.iter().map(|entry| name_of(entry)).collect();
                return Err(BenchmarkError::Malformed {
                    place: folder.display().to_string(),
                    problem: format!(
                        "holds no data file but {} folders: {}\nhint: name one of them",
                        names.len(),
                        shown(&names)
                    ),
                });
            }
        }
    }
    Err(without_data(path, &[]))
}

/// Returns the SHA-256 of a benchmark's data in hex: of the file, or of the names and hashes of a folder's data files.
pub(super) fn sha256(name: &str, path: &Path) -> Result<String, BenchmarkError> {
    let of_file = |file: &Path| {
        sha256_of_file(file).map_err(|source| BenchmarkError::Unreadable {
            path: file.to_owned(),
            source,
        })
    };
    if !path.is_dir() {
        return of_file(path);
    }
    let mut texts = Vec::new();
    for file in found(name, path)?.files {
        texts.push(name_of(&file));
        texts.push(of_file(&file)?);
    }
    Ok(sha256_of_texts(texts.iter().map(String::as_str)))
}

/// Returns the entries of a folder by name, without hidden ones.
fn entries(folder: &Path) -> Result<Vec<PathBuf>, BenchmarkError> {
    let unreadable = |source| BenchmarkError::Unreadable {
        path: folder.to_owned(),
        source,
    };
    let mut entries = Vec::new();
    for entry in fs::read_dir(folder).map_err(unreadable)? {
        let path = entry.map_err(unreadable)?.path();
        if !name_of(&path).starts_with('.') {
            entries.push(path);
        }
    }
    entries.sort_unstable();
    Ok(entries)
}

fn is_data(path: &Path) -> bool {
    let name = name_of(path);
    let lower = name.to_lowercase();
    ENDINGS.iter().any(|ending| lower.ends_with(ending)) && !DESCRIPTIONS.contains(&name.as_str())
}

fn without_data(folder: &Path, others: &[PathBuf]) -> BenchmarkError {
    let names: Vec<String> = others.iter().map(|entry| name_of(entry)).collect();
    let found = if names.is_empty() {
        "it is empty".to_owned()
    } else {
        format!("found {}", shown(&names))
    };
    BenchmarkError::Malformed {
        place: folder.display().to_string(),
        problem: format!(
            "a folder without a data file: {found}\nhint: expected files that end in {}",
            ENDINGS.join(", ")
        ),
    }
}

/// Lists the first names.
fn shown(names: &[String]) -> String {
    let more = names.len().saturating_sub(NAMED);
    let first = names[..names.len() - more].join(", ");
    if more == 0 {
        first
    } else {
        format!("{first} and {more} more")
    }
}

fn name_of(path: &Path) -> String {
    let name = path.file_name().unwrap_or_default();
    name.to_string_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder(files: &[&str]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().expect("a folder");
        for file in files {
            let path = folder.path().join(file);
            fs::create_dir_all(path.parent().expect("a parent")).expect("a folder");
            fs::write(path, "").expect("a file");
        }
        folder
    }

    fn names(name: &str, files: &[&str]) -> Result<(Vec<String>, usize), String> {
        let folder = folder(files);
        let found = found(name, folder.path());
        let root = folder.path().display().to_string();
        let found = found.map_err(|error| error.to_string().replace(&root, "FOLDER"))?;
        let below = |file: &PathBuf| {
            let below = file.strip_prefix(folder.path()).expect("below");
            below.display().to_string()
        };
        Ok((found.files.iter().map(below).collect(), found.others))
    }

    #[test]
    fn a_folder_stands_for_its_data_files() {
        let files = [
            "data/test-00000-of-00001.parquet",
            "data/README.md",
            "data/.cache/x.json",
        ];
        let found = names("humaneval+", &files).expect("a data file");
        assert_eq!(found, (vec![files[0].to_owned()], 1));
        let mbpp = [
            "full/test.parquet",
            "full/train.parquet",
            "sanitized/test.parquet",
        ];
        let found = names("mbpp", &mbpp).expect("data files");
        assert_eq!(found.0, mbpp[..2]);
        let found = names("mbpp-sanitized", &mbpp).expect("a data file");
        assert_eq!(found.0, mbpp[2..]);
    }

    #[test]
    fn a_folder_that_is_not_clear_is_refused_by_name() {
        for (files, message) in [
            (
                &["README.md", "dataset_infos.json"][..],
                "FOLDER: a folder without a data file: found README.md, dataset_infos.json\nhint: expected files that end in .jsonl",
            ),
            (
                &["a/x.jsonl", "b/x.jsonl"],
                "FOLDER: holds no data file but 2 folders: a, b\nhint: name one of them",
            ),
        ] {
            let error = names("humaneval", files).expect_err("unclear");
            assert!(error.starts_with(message), "{error}");
        }
        let empty = names("humaneval", &[]).expect_err("nothing");
        assert!(
            empty.contains("a folder without a data file: it is empty"),
            "{empty}"
        );
    }
}
