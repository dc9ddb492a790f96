//! Requests and answers from any tree of Python files: each documented function asks for its own body.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use cli::UserMistake;
use config::Dataset;
use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;

use super::counts::{Counts, Reason};
use super::function_filter::FunctionFilter;
use super::sample::{Content, Sample};

/// The standard library of the machine's Python.
const STDLIB: &str = "stdlib:";

/// Folders that hold tests, other people's packages or generated files.
const SKIPPED_FOLDERS: [&str; 8] = [
    "test",
    "tests",
    "idle_test",
    "site-packages",
    "dist-packages",
    "__pycache__",
    "node_modules",
    "lib2to3",
];

/// Reads the documented top-level functions under a folder, those alone whose syntax trees are not in `seen`.
///
/// Methods are left out: their bodies lean on a class that the request does not show. The result is the same on
/// every machine that has the same files: files are read in order of their paths, and where the recipe takes only
/// `max_examples`, the functions are shuffled with its seed, so that the first ones are a fair draw.
///
/// # Errors
/// The folder is missing, or holds no Python file.
pub(super) fn read(
    dataset: &Dataset,
    seed: u64,
    seen: &mut HashSet<u64>,
    counts: &mut Counts,
) -> Result<Vec<Sample>> {
    let root = folder(dataset)?;
    let mut files = Vec::new();
    find_python_files(&root, &mut files)?;
    if files.is_empty() {
        let text = format!(
            "{}: no Python file in this folder\nhint: `data.datasets[].path` names a folder with .py files",
            root.display()
        );
        return Err(UserMistake(text).into());
    }
    counts.unit = "documented functions";
    let filter = FunctionFilter::new(dataset);
    let mut samples = Vec::new();
    for file in files {
        counts.files += 1;
        let parsed = std::fs::read_to_string(&file)
            .ok()
            .and_then(|text| Some((metrics::syntax::documented_functions(&text).ok()?, text)));
        let Some((functions, text)) = parsed else {
            counts.leave_out(Reason::UnreadableFile);
            continue;
        };
        if filter.excludes_licence_of(&text) {
            counts.leave_out(Reason::ExcludedLicence);
            continue;
        }
        let path = file.display().to_string();
        for function in functions.into_iter().filter(|f| f.class_name.is_none()) {
            counts.found += 1;
            let source = format!("{}{}", function.stub, function.body);
            let mut is_new = || {
                let hash = metrics::syntax::normalised_hash(&source);
                hash.is_some_and(|hash| seen.insert(hash))
            };
            if let Some(reason) = filter.reason_against(&function, &source) {
                counts.leave_out(reason);
            } else if is_new() {
                samples.push(Sample {
                    origin: format!("{path}:{}", function.lineno),
                    content: Content::Code {
                        stub: function.stub,
                        body: function.body,
                    },
                    group: Some(path.clone()),
                });
            } else {
                counts.leave_out(Reason::Duplicate);
            }
        }
    }
    if dataset.max_examples.is_some() {
        samples.shuffle(&mut ChaCha8Rng::seed_from_u64(seed));
    }
    Ok(samples)
}

/// The folder that the data set names.
fn folder(dataset: &Dataset) -> Result<PathBuf> {
    if dataset.path == STDLIB {
        return standard_library();
    }
    let path = PathBuf::from(&dataset.path);
    if path.is_dir() {
        return Ok(path);
    }
    let what = if path.exists() {
        "is no folder"
    } else {
        "does not exist"
    };
    let text = format!(
        "data set {}: {what}\nhint: `data.datasets[].path` names a folder of Python files, or `stdlib:`",
        path.display()
    );
    Err(UserMistake(text).into())
}

/// Asks the machine's Python where its library lies.
fn standard_library() -> Result<PathBuf> {
    let python = cli::python();
    let output = std::process::Command::new(&python)
        .args([
            "-I",
            "-c",
            "import sysconfig; print(sysconfig.get_paths()['stdlib'])",
        ])
        .output()
        .with_context(|| {
            format!(
                "cannot run `{}`\nhint: install Python 3, or set PYTHON to its path",
                python.display()
            )
        })?;
    let path = PathBuf::from(String::from_utf8_lossy(&output.stdout).trim());
    if output.status.success() && path.is_dir() {
        return Ok(path);
    }
    anyhow::bail!(
        "`{}` does not say where its standard library is\n{}",
        python.display(),
        String::from_utf8_lossy(&output.stderr).trim()
    )
}

/// All `.py` files under `folder`, in order of their paths. Links are not followed, so a tree with a cycle ends.
fn find_python_files(folder: &Path, files: &mut Vec<PathBuf>) -> Result<()> {
    let mut entries = std::fs::read_dir(folder)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .with_context(|| format!("cannot read {}", folder.display()))?;
    entries.sort_by_key(std::fs::DirEntry::file_name);
    for entry in entries {
        let kind = entry
            .file_type()
            .with_context(|| format!("cannot read {}", entry.path().display()))?;
        let name = entry.file_name();
        let name = name.to_string_lossy();
        if kind.is_dir() && !SKIPPED_FOLDERS.contains(&name.as_ref()) && !name.starts_with('.') {
            find_python_files(&entry.path(), files)?;
        } else if kind.is_file() && name.ends_with(".py") {
            files.push(entry.path());
        }
    }
    Ok(())
}
