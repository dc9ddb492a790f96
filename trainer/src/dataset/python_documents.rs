//! The files of a tree of Python files as documents for fill-in-the-middle.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use anyhow::Result;
use slm_config::{Dataset, SpecialTokens};
use slm_metrics::SyntaxError;

use super::content::Content;
use super::counts::{Counts, Reason};
use super::held_out::HeldOut;
use super::licences::Licences;
use super::python_source::{STDLIB, find_python_files, folder};
use super::sample::Sample;

/// Whether the path of a data set is one of Python files, not of rows: the standard library, a `.py` file, or a folder
/// with one in it or below it.
///
/// # Errors
/// A folder cannot be read.
pub(super) fn are_at(path: &str) -> Result<bool> {
    let is_python = |path: &Path| path.extension().is_some_and(|ending| ending == "py");
    let folder = Path::new(path);
    if !folder.is_dir() {
        return Ok(path == STDLIB || (is_python(folder) && folder.is_file()));
    }
    Ok(!find_python_files(folder, &mut Counts::default())?.is_empty())
}

/// Reads the Python files of a data set, except those that are `held_out` and copies of files whose hashes are in `seen`.
///
/// # Errors
/// A folder cannot be read, or the standard library is not found.
pub(super) fn read(
    dataset: &Dataset,
    held_out: &HeldOut,
    seen: &mut HashSet<u64>,
    counts: &mut Counts,
) -> Result<Vec<Sample>> {
    counts.unit = "Python files".into();
    let path = PathBuf::from(&dataset.path);
    let (root, files) = if path.is_file() {
        let root = path.parent().map_or_else(PathBuf::new, Path::to_path_buf);
        (root, vec![path])
    } else {
        let root = folder(dataset)?;
        let files = find_python_files(&root, counts)?;
        (root, files)
    };
    let mut licences = Licences::of(&root);
    let mut samples = Vec::new();
    for file in files {
        if held_out.contains(&file) {
            counts.leave_out(Reason::HeldOut);
            continue;
        }
        counts.files += 1;
        counts.found += 1;
        let origin = file.display().to_string();
        let text = match text_of(&file) {
            Ok(text) => text,
            Err(problem) => {
                counts.leave_out_first(Reason::UnreadableFile, &format!("{origin}{problem}"));
                continue;
            }
        };
        // Inverted, since a file may consist of a function that another data set has read. Files that do not parse are no
        // copies of each other.
        let hash = slm_metrics::syntax::normalised_hash(&text).map(|hash| !hash);
        if hash.is_some_and(|hash| !text.trim().is_empty() && !seen.insert(hash)) {
            counts.leave_out(Reason::Duplicate);
            continue;
        }
        let licence = licences.of_file(&file, &text);
        *counts.licences.entry(licence).or_default() += 1;
        let group = file.canonicalize().unwrap_or_else(|_| file.clone());
        samples.push(Sample {
            content: Content::Plain {
                prompt: String::new(),
                completion: text,
            },
            origin,
            special_tokens: SpecialTokens::Literal,
            group: Some(group.to_string_lossy().into_owned()),
        });
    }
    Ok(samples)
}

/// Returns the text of a Python file in its declared encoding; the error continues the file's path.
fn text_of(file: &Path) -> Result<String, String> {
    let bytes = std::fs::read(file).map_err(|error| format!(": cannot read: {error}"))?;
    slm_metrics::decode_python(&bytes).map_err(
        |SyntaxError {
             message,
             line,
             column,
         }| format!(":{line}:{column}: {message}"),
    )
}
