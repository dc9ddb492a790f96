//! Requests and answers from any tree of Python files: each documented function asks for its own body.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;
use slm_cli::UserMistake;
use slm_config::Dataset;
use slm_metrics::SyntaxError;
use slm_metrics::syntax::{FunctionSurvey, Uncut, UncutFunction, survey_functions};

use super::counts::{Counts, Reason};
use super::function_filter::FunctionFilter;
use super::sample::{Content, Sample};

/// The standard library of the machine's Python.
const STDLIB: &str = "stdlib:";

/// Folders that hold tests, other people's packages or generated files.
const SKIPPED_FOLDERS: [&str; 7] = [
    "test",
    "tests",
    "idle_test",
    "site-packages",
    "dist-packages",
    "node_modules",
    "lib2to3",
];

/// A folder without Python files.
const COMPILED: &str = "__pycache__";

/// Reads the documented top-level functions under a folder, those alone whose syntax trees are not in `seen`.
///
/// Methods are left out: their bodies lean on a class that the request does not show. They are counted, as is every other
/// documented function that is no example. The result is the same on every machine that has the same files: files are
/// read in order of their paths, and where the recipe takes only `max_examples`, the functions are shuffled with its seed,
/// so that the first ones are a fair draw.
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
    find_python_files(&root, &mut files, counts)?;
    if files.is_empty() {
        let text = format!(
            "{}: no Python file in this folder\nhint: `data.datasets[].path` names a folder with .py files",
            root.display()
        );
        return Err(UserMistake(text).into());
    }
    counts.unit = "documented functions".into();
    let filter = FunctionFilter::new(dataset);
    let mut samples = Vec::new();
    for file in files {
        counts.files += 1;
        let path = file.display().to_string();
        let (text, survey) = match surveyed(&file) {
            Ok(surveyed) => surveyed,
            Err(problem) => {
                counts.leave_out_first(Reason::UnreadableFile, &format!("{path}{problem}"));
                continue;
            }
        };
        if filter.excludes_licence_of(&text) {
            counts.leave_out(Reason::ExcludedLicence);
            continue;
        }
        // Training and validation share no file, even where two data sets name its folder in different ways.
        let group = file.canonicalize().unwrap_or_else(|_| file.clone());
        let group = group.to_string_lossy().into_owned();
        counts.found += survey.functions.len() + survey.uncut.len();
        for function in &survey.uncut {
            counts.leave_out(reason_uncut(function));
        }
        for function in survey.functions {
            if function.class_name.is_some() {
                counts.leave_out(Reason::Method);
                continue;
            }
            let source = format!("{}{}", function.stub, function.body);
            let mut is_new = || {
                let hash = slm_metrics::syntax::normalised_hash(&source);
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
                    group: Some(group.clone()),
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

/// The text of a Python file and its documented functions; or what is wrong, to be read after the file's path.
fn surveyed(file: &Path) -> Result<(String, FunctionSurvey), String> {
    let bytes = std::fs::read(file).map_err(|error| format!(": cannot read: {error}"))?;
    let survey = || {
        let text = slm_metrics::decode_python(&bytes)?;
        let survey = survey_functions(&text)?;
        Ok((text, survey))
    };
    survey().map_err(
        |SyntaxError {
             message,
             line,
             column,
         }| format!(":{line}:{column}: {message}"),
    )
}

/// Why a documented function that is not cut into request and answer is left out.
fn reason_uncut(function: &UncutFunction) -> Reason {
    match function.reason {
        _ if function.is_method => Reason::Method,
        Uncut::Nested => Reason::NestedFunction,
        Uncut::NoBody => Reason::NoBody,
        Uncut::SharesLine => Reason::DocstringSharesLine,
        Uncut::Immovable => Reason::Immovable,
    }
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
    let python = slm_cli::python();
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

/// All `.py` files under `folder`, in order of their paths. Links are not followed, so a tree with a cycle ends; they
/// and the folders that are not searched are counted.
fn find_python_files(folder: &Path, files: &mut Vec<PathBuf>, counts: &mut Counts) -> Result<()> {
    let mut entries = std::fs::read_dir(folder)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .with_context(|| format!("cannot read {}", folder.display()))?;
    entries.sort_by_key(std::fs::DirEntry::file_name);
    for entry in entries {
        let path = entry.path();
        let kind = entry
            .file_type()
            .with_context(|| format!("cannot read {}", path.display()))?;
        let name = entry.file_name();
        let name = name.to_string_lossy();
        if kind.is_symlink() {
            if name.ends_with(".py") || path.is_dir() {
                counts.leave_out(Reason::SkippedLink);
            }
        } else if kind.is_dir() && name != COMPILED {
            if SKIPPED_FOLDERS.contains(&name.as_ref()) || name.starts_with('.') {
                counts.leave_out(Reason::SkippedFolder);
            } else {
                find_python_files(&path, files, counts)?;
            }
        } else if kind.is_file() && name.ends_with(".py") {
            files.push(path);
        }
    }
    Ok(())
}
