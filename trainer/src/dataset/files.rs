//! The files of a data set: a single file, a folder, or a data set of the hub.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use slm_cli::{Fetched, Part, TrainingPart, Unclear, UserMistake, part_of};
use slm_config::{Dataset, DatasetFormat, Split};
use slm_table::ENDINGS;

use super::made::MadeDataset;
use super::python_documents;

/// The files of a data set on this machine.
#[derive(Debug, Default)]
pub(crate) struct Located {
    /// In reading order.
    pub(crate) files: Vec<PathBuf>,
    /// Files of the folder that are for validation or tests.
    pub(crate) not_for_training: Vec<PathBuf>,
    /// Whether the path is a tree of Python files for fill-in-the-middle, which are found when they are read.
    pub(crate) is_python: bool,
    /// Record of the download, for a data set from the hub.
    pub(crate) fetched: Option<Fetched>,
    /// The data set folder, for one that was made from answers to tasks.
    pub(crate) made: Option<MadeDataset>,
}

/// Locates the files of a data set: the named file, the rows of a data set folder, the training split of another folder,
/// or files downloaded from the hub.
///
/// # Errors
/// Nothing exists at the path, the folder has no data file or an ambiguous set of them, a data set folder is broken, or
/// the download fails.
pub(crate) fn locate(dataset: &Dataset) -> Result<Located> {
    if dataset.format == DatasetFormat::PythonSource {
        return Ok(Located::default());
    }
    if dataset.format.is_fim() && python_documents::are_at(&dataset.path)? {
        return Ok(Located {
            is_python: true,
            ..Located::default()
        });
    }
    let split = dataset.split.as_deref().and_then(Split::parse);
    let part = Part {
        split: split.as_ref().map(|split| split.name.as_str()),
        subset: dataset.subset.as_deref(),
    };
    if let Some(fetched) = slm_cli::fetch_dataset(&dataset.path, part, &ENDINGS)? {
        return Ok(Located {
            files: fetched.paths(),
            fetched: Some(fetched),
            ..Located::default()
        });
    }
    if let Some(made) = MadeDataset::open(dataset)? {
        return Ok(Located {
            files: vec![made.rows()],
            made: Some(made),
            ..Located::default()
        });
    }
    let path = PathBuf::from(&dataset.path);
    if path.is_dir() {
        folder(&path, part)
    } else {
        refuse_part_of_file(dataset, split.as_ref())?;
        Ok(Located {
            files: vec![path],
            ..Located::default()
        })
    }
}

/// Refuses a subset of a single file, and a split of it that is more than a range of rows of `train`.
fn refuse_part_of_file(dataset: &Dataset, split: Option<&Split>) -> Result<()> {
    let is_train = split.is_none_or(|split| split.name == "train");
    if is_train && dataset.subset.is_none() {
        return Ok(());
    }
    let text = format!(
        "data set {}: a single file has no splits or subsets\n\
         hint: name the folder of the data set, or remove `split` and `subset`; `split: train[:100]` selects rows",
        dataset.path
    );
    Err(UserMistake(text).into())
}

/// Locates the data files directly in a folder, or else those below it, as in a clone of a repository of the hub.
fn folder(path: &Path, part: Part<'_>) -> Result<Located> {
    let mistake = |problem: String| -> anyhow::Error {
        UserMistake(format!("{}: {problem}", path.display())).into()
    };
    let holds = |name: &str| path.join(name).is_file();
    if holds("dataset_dict.json") || (holds("dataset_info.json") && holds("state.json")) {
        return Err(mistake(
            "a folder of `datasets.save_to_disk`, whose Arrow files are not supported\n\
             hint: convert it in Python: `datasets.load_from_disk(FOLDER).to_parquet(\"data.parquet\")`; with \
             several splits, put `[\"train\"]` before `.to_parquet`"
                .to_owned(),
        ));
    }
    let part = match part_below(path, Depth::Folder, part)? {
        Ok(part) if !part.files.is_empty() => part,
        _ => part_below(path, Depth::All, part)?.map_err(|unclear| {
            let files: Vec<String> = unclear
                .candidates
                .iter()
                .map(|file| path.join(file).display().to_string())
                .collect();
            let hint = match &files[..] {
                [] => String::new(),
                files => format!(
                    "\nhint: name a file or folder as a data set: {}",
                    list(files)
                ),
            };
            mistake(format!("{unclear}{hint}"))
        })?,
    };
    if part.files.is_empty() {
        return Err(mistake(format!(
            "no data file in this folder\nhint: supported endings: {}",
            ENDINGS.join(", ")
        )));
    }
    let within = |files: Vec<String>| files.into_iter().map(|file| path.join(file)).collect();
    Ok(Located {
        files: within(part.files),
        not_for_training: within(part.others),
        ..Located::default()
    })
}

/// Returns a split of a folder, by default that for training, if it is unambiguous.
fn part_below(path: &Path, depth: Depth, part: Part<'_>) -> Result<Result<TrainingPart, Unclear>> {
    let mut found = Vec::new();
    find(path, "", depth, &mut found)?;
    found.sort();
    let names: Vec<&str> = found.iter().map(String::as_str).collect();
    Ok(part_of(&names, &ENDINGS, part))
}

/// Joins names, at most the first eight.
fn list(names: &[String]) -> String {
    const SHOWN: usize = 8;
    match names.len().checked_sub(SHOWN) {
        None | Some(0) => names.join(", "),
        Some(more) => format!("{}, and {more} more", names[..SHOWN].join(", ")),
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Depth {
    Folder,
    All,
}

/// Collects the paths of all files below a folder, relative to it, except hidden ones. Symbolic links to folders are
/// not followed, so a cyclic tree terminates.
fn find(folder: &Path, before: &str, depth: Depth, found: &mut Vec<String>) -> Result<()> {
    let unreadable = || format!("cannot read {}", folder.display());
    for entry in std::fs::read_dir(folder).with_context(unreadable)? {
        let entry = entry.with_context(unreadable)?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if name.starts_with('.') {
            continue;
        }
        let path = format!("{before}{name}");
        if !entry.file_type().with_context(unreadable)?.is_dir() {
            found.push(path);
        } else if depth == Depth::All {
            find(&entry.path(), &format!("{path}/"), depth, found)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn located(files: &[&str]) -> Result<Located, String> {
        let folder = tempfile::tempdir().expect("a temporary folder");
        for file in files {
            let path = folder.path().join(file);
            std::fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
            std::fs::write(path, "").expect("a file");
        }
        let shown = format!("{}/", folder.path().display());
        let short = |paths: Vec<PathBuf>| {
            let short = |path: PathBuf| path.display().to_string().replace(&shown, "").into();
            paths.into_iter().map(short).collect()
        };
        match super::folder(folder.path(), Part::default()) {
            Ok(located) => Ok(Located {
                files: short(located.files),
                not_for_training: short(located.not_for_training),
                ..Located::default()
            }),
            Err(error) => Err(error.to_string().replace(&shown, "")),
        }
    }

    fn check(files: &[&str], expected: &[&str], others: &[&str]) {
        let located = located(files).expect("a clear folder");
        let paths = |names: &[&str]| names.iter().map(PathBuf::from).collect::<Vec<_>>();
        assert_eq!(located.files, paths(expected), "{files:?}");
        assert_eq!(located.not_for_training, paths(others), "{files:?}");
    }

    #[test]
    fn the_training_part_of_a_folder_or_clone_is_taken() {
        check(
            &["b.jsonl", "a.jsonl.gz", "x.txt"],
            &["a.jsonl.gz", "b.jsonl"],
            &[],
        );
        check(
            &["train.jsonl", "test.jsonl"],
            &["train.jsonl"],
            &["test.jsonl"],
        );
        let (train, test) = (
            "data/train-00000-of-00001.jsonl",
            "data/test-00000-of-00001.jsonl",
        );
        let clone = [
            train,
            test,
            "README.md",
            ".git/x.jsonl",
            "dataset_infos.json",
        ];
        check(&clone, &[train], &[test]);
        // Deeper folders may hold anything, such as other versions or a cache.
        check(&["a.jsonl", "old/a.jsonl"], &["a.jsonl"], &[]);
    }

    #[test]
    fn an_unclear_folder_is_refused_by_name() {
        for (files, parts) in [
            (
                &["a.txt"][..],
                &["no data file in this folder", "hint: supported endings: "][..],
            ),
            (
                &["a.jsonl", "a.parquet"],
                &["holds data of 2 folders or formats", "a.parquet"],
            ),
            (
                &["en/train.csv", "de/train.csv"],
                &["holds data of 2 folders or formats", "de/train.csv"],
            ),
            (&["test.jsonl"], &["has no data for training", "test.jsonl"]),
            (
                &["train-00000-of-00002.csv"],
                &["is incomplete: it has 1 of 2 files of train"],
            ),
            (
                &[
                    "dataset_info.json",
                    "state.json",
                    "data-00000-of-00001.arrow",
                ],
                &["`datasets.save_to_disk`", "to_parquet"],
            ),
            (
                &["dataset_dict.json", "train/state.json"],
                &["`datasets.save_to_disk`"],
            ),
        ] {
            let error = located(files).expect_err("refused");
            for part in parts {
                assert!(error.contains(part), "{files:?}: {error}");
            }
        }
    }
}
