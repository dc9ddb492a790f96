//! Samples as a folder: whole programs such as `HumanEval_0/0.py`, numbered within the folder of their task.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use slm_metrics::syntax::Form;

use super::Reader;
use super::task_ids::TaskIds;
use crate::error::SamplesError;

/// Reads the programs below `path`, in the order of the benchmark's tasks.
///
/// # Errors
/// [`SamplesError::Invalid`] for a folder that matches no task; a folder or file that cannot be read.
pub(super) fn read(path: &Path, samples: &mut Reader<'_>) -> Result<(), SamplesError> {
    let tasks = samples.tasks;
    let ids = TaskIds::of(tasks);
    let mut folders = Vec::new();
    let mut passed_over = 0;
    for folder in entries(path)? {
        if !folder.is_dir() {
            passed_over += 1;
            continue;
        }
        let name = name_of(&folder);
        let task = TaskIds::of_folder(tasks, &name).ok_or_else(|| {
            let unknown = ids.unknown(&name);
            SamplesError::Invalid(format!("{}: {unknown}", folder.display()))
        })?;
        folders.push((task, folder));
    }
    folders.sort_unstable();
    for (task, folder) in folders {
        let mut programs = entries(&folder)?;
        let n_entries = programs.len();
        programs.retain(|file| file.is_file() && file.extension().is_some_and(|end| end == "py"));
        passed_over += n_entries - programs.len();
        // Numeric order: `10.py` follows `9.py`.
        programs.sort_by_key(|file| {
            let name = name_of(&file.with_extension(""));
            (name.parse::<u64>().unwrap_or(u64::MAX), name)
        });
        for file in programs {
            let bytes = fs::read(&file).map_err(|source| unreadable(&file, source))?;
            // A file that is not UTF-8 affects only its own sample.
            let fault = std::str::from_utf8(&bytes).err().map(|_| "not UTF-8");
            let text = String::from_utf8_lossy(&bytes);
            let task_id = tasks[task].view().task_id.clone();
            samples.push(task, task_id, (&text, Form::Whole), fault);
        }
    }
    samples.found.passed_over = passed_over;
    Ok(())
}

/// Returns the entries of a folder, sorted by name.
fn entries(folder: &Path) -> Result<Vec<PathBuf>, SamplesError> {
    let read = || -> io::Result<Vec<PathBuf>> {
        let entries = fs::read_dir(folder)?;
        entries.map(|entry| Ok(entry?.path())).collect()
    };
    let mut entries = read().map_err(|source| unreadable(folder, source))?;
    entries.sort_unstable();
    Ok(entries)
}

fn unreadable(path: &Path, source: io::Error) -> SamplesError {
    SamplesError::Unreadable {
        path: path.to_owned(),
        source,
    }
}

fn name_of(path: &Path) -> String {
    let name = path.file_name().unwrap_or_default();
    name.to_string_lossy().into_owned()
}
