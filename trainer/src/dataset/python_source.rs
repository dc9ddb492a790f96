//! Prompts and completions from a tree of Python files: each documented function becomes a request for its body.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;
use slm_artifacts::{GitIgnore, is_made_by_a_tool};
use slm_cli::UserMistake;
use slm_config::{Dataset, SpecialTokens};
use slm_metrics::SyntaxError;
use slm_metrics::syntax::{FunctionSurvey, Uncut, UncutFunction, survey_functions};

use super::content::Content;
use super::counts::{Counts, Reason};
use super::function_filter::FunctionFilter;
use super::held_out::HeldOut;
use super::licences::Licences;
use super::sample::Sample;

/// Names the standard library of the configured Python.
pub(super) const STDLIB: &str = "stdlib:";

/// Folders that hold tests, third-party packages or generated files.
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

/// Reads the documented top-level functions and methods of top-level classes below a folder, except those in files that
/// are `held_out`, and those whose syntax tree hashes are in `seen`.
///
/// Every other function is counted with the reason why it gives no example. The result is the same on every
/// machine with the same files: files are read in order of their paths, and if the recipe sets `max_examples`, the
/// functions are shuffled with its seed, so that the first ones are a uniform sample.
///
/// # Errors
/// The folder is missing, or contains no Python file.
pub(super) fn read(
    dataset: &Dataset,
    seed: u64,
    held_out: &HeldOut,
    seen: &mut HashSet<u64>,
    counts: &mut Counts,
) -> Result<Vec<Sample>> {
    let root = folder(dataset)?;
    let files = find_python_files(&root, counts)?;
    if files.is_empty() {
        let text = format!(
            "{}: no Python file in this folder{}\nhint: `data.datasets[].path` names a folder with .py files",
            root.display(),
            passed_over(counts)
        );
        return Err(UserMistake(text).into());
    }
    counts.unit = "documented functions".into();
    let filter = FunctionFilter::new(dataset);
    let mut licences = Licences::of(&root);
    let mut samples = Vec::new();
    for file in files {
        if held_out.contains(&file) {
            counts.leave_out(Reason::HeldOut);
            continue;
        }
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
        // Training and validation share no file, even if two data sets refer to its folder by different paths.
        let before = samples.len();
        let group = file.canonicalize().unwrap_or_else(|_| file.clone());
        let group = group.to_string_lossy().into_owned();
        counts.found += survey.functions.len() + survey.uncut.len();
        for _ in 0..survey.undocumented {
            counts.leave_out(Reason::Undocumented);
        }
        for function in &survey.uncut {
            counts.leave_out(reason_uncut(function));
        }
        for function in survey.functions {
            let mut is_new = || {
                let hash = slm_metrics::syntax::normalised_hash(&function.source);
                hash.is_some_and(|hash| seen.insert(hash))
            };
            if let Some(reason) = filter.reason_against(&function) {
                counts.leave_out(reason);
            } else if is_new() {
                samples.push(Sample {
                    origin: format!("{path}:{}", function.lineno),
                    content: Content::of_function(function),
                    special_tokens: SpecialTokens::Literal,
                    group: Some(group.clone()),
                });
            } else {
                counts.leave_out(Reason::Duplicate);
            }
        }
        if samples.len() > before {
            let licence = licences.of_file(&file, &text);
            *counts.licences.entry(licence).or_default() += 1;
        }
    }
    if dataset.max_examples.is_some() {
        samples.shuffle(&mut ChaCha8Rng::seed_from_u64(seed));
    }
    Ok(samples)
}

/// Returns what was passed over in the search for files, as an addition to an error; empty if nothing was.
fn passed_over(counts: &Counts) -> String {
    let text = counts.left_out_text();
    text.map_or_else(String::new, |text| format!(", beside {text}"))
}

/// Returns the text of a Python file and its documented functions; the error continues the file's path.
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

/// Returns the reason to leave out a documented function that cannot be divided into prompt and completion.
fn reason_uncut(function: &UncutFunction) -> Reason {
    match function.reason {
        Uncut::Nested | Uncut::InBlock => Reason::NestedFunction,
        Uncut::NoBody => Reason::NoBody,
        Uncut::SharesLine => Reason::DocstringSharesLine,
        Uncut::Immovable => Reason::Immovable,
    }
}

/// Returns the folder of the data set.
pub(super) fn folder(dataset: &Dataset) -> Result<PathBuf> {
    if dataset.path == STDLIB {
        return standard_library();
    }
    let path = PathBuf::from(&dataset.path);
    if path.is_dir() {
        return Ok(path);
    }
    let what = if path.exists() {
        "is not a folder"
    } else {
        "does not exist"
    };
    let text = format!(
        "data set {}: {what}{}\nhint: `data.datasets[].path` names a folder of Python files, or `stdlib:`",
        path.display(),
        slm_cli::searched(&path)
    );
    Err(UserMistake(text).into())
}

/// Asks the configured Python for the path of its standard library.
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
        "`{}` does not report the path of its standard library\n{}",
        python.display(),
        String::from_utf8_lossy(&output.stderr).trim()
    )
}

/// Returns all `.py` files below `folder` that `.gitignore` does not exclude, in order of their paths. Symbolic links are not
/// followed, so a cyclic tree terminates; links, skipped folders and what is excluded are counted.
pub(super) fn find_python_files(folder: &Path, counts: &mut Counts) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    walk(folder, &GitIgnore::of(folder), &mut files, counts)?;
    Ok(files)
}

fn walk(
    folder: &Path,
    rules: &GitIgnore,
    files: &mut Vec<PathBuf>,
    counts: &mut Counts,
) -> Result<()> {
    let mut entries = std::fs::read_dir(folder)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .with_context(|| format!("cannot read {}", folder.display()))?;
    entries.sort_by_key(std::fs::DirEntry::file_name);
    for entry in entries {
        let path = entry.path();
        let kind = entry
            .file_type()
            .with_context(|| format!("cannot read {}", path.display()))?;
        let file_name = entry.file_name();
        let name = file_name.to_string_lossy();
        if kind.is_symlink() {
            if name.ends_with(".py") || path.is_dir() {
                counts.leave_out(Reason::SkippedLink);
            }
        } else if kind.is_dir() && name != COMPILED {
            let is_skipped = SKIPPED_FOLDERS.contains(&name.as_ref()) || name.starts_with('.');
            if is_skipped || is_made_by_a_tool(&path) {
                counts.leave_out(Reason::SkippedFolder);
            } else if rules.excludes(&file_name, true) {
                counts.leave_out(Reason::Ignored);
            } else {
                walk(&path, &rules.inside(&file_name), files, counts)?;
            }
        } else if kind.is_file() && name.ends_with(".py") {
            if rules.excludes(&file_name, false) {
                counts.leave_out(Reason::Ignored);
            } else {
                files.push(path);
            }
        }
    }
    Ok(())
}
