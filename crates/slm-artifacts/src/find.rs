//! Runs and adapters by the names that people give them.

use std::fs;
use std::path::{Component, Path, PathBuf};
use std::time::SystemTime;

use crate::adapter_folder::AdapterFolder;

/// The folder in which trainings are saved, relative to the working directory.
pub const CHECKPOINTS: &str = "checkpoints";

/// Why a name leads to no folder.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotFound {
    /// No folder has this name or begins with it.
    #[error("{name}: no such {what}{}", hint_of(.hint))]
    Missing {
        /// The name.
        name: String,
        /// What was searched for.
        what: &'static str,
        /// What to do.
        hint: String,
    },
    /// Several begin with it.
    #[error("{name} is the beginning of several names under {parent}\nhint: name one of {}", .candidates.join(", "))]
    Ambiguous {
        /// The name.
        name: String,
        /// Where they are.
        parent: String,
        /// Their names.
        candidates: Vec<String>,
    },
}

fn hint_of(hint: &str) -> String {
    if hint.is_empty() {
        String::new()
    } else {
        format!("\nhint: {hint}")
    }
}

/// The folders right below `parent` that `is_run` accepts, with the time that it gives, the newest first.
pub fn runs_below(
    parent: &Path,
    is_run: impl Fn(&Path) -> Option<SystemTime>,
) -> Vec<(SystemTime, PathBuf)> {
    let entries = fs::read_dir(parent).into_iter().flatten().flatten();
    let mut runs: Vec<_> = entries
        .map(|entry| entry.path())
        .filter_map(|path| Some((is_run(&path)?, path)))
        .collect();
    runs.sort_by(|a, b| b.cmp(a));
    runs
}

/// The run below `parent` that is called `name`, or whose name alone begins with it.
///
/// # Errors
/// None or several are.
pub fn run_by_name(
    parent: &Path,
    name: &str,
    is_run: impl Fn(&Path) -> Option<SystemTime>,
) -> Result<PathBuf, NotFound> {
    let mut named: Vec<_> = runs_below(parent, is_run)
        .into_iter()
        .filter_map(|(_, path)| Some((path.file_name()?.to_str()?.to_owned(), path)))
        .collect();
    named.sort();
    if let Some((_, path)) = named.iter().find(|(own, _)| own == name) {
        return Ok(path.clone());
    }
    let beginning = |(own, _): &&(String, PathBuf)| own.starts_with(name);
    let candidates: Vec<_> = named.iter().filter(beginning).collect();
    match &candidates[..] {
        [(_, path)] => Ok(path.clone()),
        [] => {
            let names: Vec<_> = named.into_iter().map(|(own, _)| own).collect();
            let hint = match &names[..] {
                [] => format!("there is none under {}", parent.display()),
                names => format!("under {} there are {}", parent.display(), names.join(", ")),
            };
            Err(NotFound::Missing {
                name: name.to_owned(),
                what: "run",
                hint,
            })
        }
        several => Err(NotFound::Ambiguous {
            name: name.to_owned(),
            parent: parent.display().to_string(),
            candidates: several.iter().map(|(own, _)| own.clone()).collect(),
        }),
    }
}

/// Whether a path is a single name, such as that of a run, and not `.`, `..` or a path to somewhere.
pub fn is_bare_name(path: &Path) -> bool {
    matches!(
        path.components().collect::<Vec<_>>()[..],
        [Component::Normal(_)]
    )
}

/// When a training's adapter was written, for the folder of a training that has finished.
pub fn finished(run: &Path) -> Option<SystemTime> {
    let adapter = run.join("adapter");
    let folder = AdapterFolder(&adapter);
    let written = fs::metadata(folder.weights()).and_then(|file| file.modified());
    written.ok().filter(|_| folder.config().is_file())
}

/// The folder of the adapter that a user means: an adapter's folder, the folder of its training, or the name of a training
/// below `checkpoints` or the beginning of it.
///
/// # Errors
/// There is no such folder, or it holds no adapter.
pub fn adapter_by_name(named: &Path, checkpoints: &Path) -> Result<PathBuf, NotFound> {
    let is_adapter = |folder: &Path| AdapterFolder(folder).config().is_file();
    if is_adapter(named) {
        return Ok(named.to_owned());
    }
    let inside = named.join("adapter");
    if is_adapter(&inside) {
        return Ok(inside);
    }
    let shown = named.display().to_string();
    let is_name = is_bare_name(named);
    // A folder of the working directory may have the name of a training.
    let by_name = is_name.then(|| run_by_name(checkpoints, &shown, finished));
    match by_name {
        Some(Ok(run)) => return Ok(run.join("adapter")),
        Some(Err(error @ NotFound::Ambiguous { .. })) => return Err(error),
        _ => {}
    }
    let training = if named.is_dir() {
        named.to_owned()
    } else {
        checkpoints.join(named)
    };
    let is_unfinished = training.join("log.jsonl").is_file();
    let missing = |what, hint: &str| NotFound::Missing {
        name: shown.clone(),
        what,
        hint: hint.to_owned(),
    };
    Err(if is_unfinished {
        missing(
            "finished training",
            "`trainer fit` with the same recipe resumes it",
        )
    } else if named.is_dir() {
        missing(
            "adapter: the folder holds no adapter_config.json",
            "an adapter's folder holds adapter_config.json and adapter_model.safetensors",
        )
    } else {
        match by_name {
            Some(Err(NotFound::Missing { hint, .. })) => {
                missing("adapter folder or training", &hint)
            }
            _ => missing("adapter folder", "`trainer runs` lists trainings"),
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn checkpoints(runs: &[&str]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().expect("a folder");
        for run in runs {
            let adapter = folder.path().join(run).join("adapter");
            fs::create_dir_all(&adapter).expect("a folder");
            for file in [AdapterFolder::CONFIG, AdapterFolder::WEIGHTS] {
                fs::write(adapter.join(file), "{}").expect("a file");
            }
        }
        folder
    }

    #[test]
    fn an_adapter_is_named_by_its_folder_its_training_or_a_unique_beginning() {
        let folder = checkpoints(&["quickstart", "qwen-a", "qwen-b"]);
        let root = folder.path();
        let found = |named: &Path| adapter_by_name(named, root);
        let expected = Ok(root.join("quickstart/adapter"));
        assert_eq!(found(&root.join("quickstart/adapter")), expected);
        assert_eq!(found(&root.join("quickstart")), expected);
        assert_eq!(found(Path::new("quickstart")), expected);
        assert_eq!(found(Path::new("qui")), expected);
        assert_eq!(found(Path::new("qwen-b")), Ok(root.join("qwen-b/adapter")));
        let text = found(Path::new("qwen")).expect_err("two").to_string();
        assert!(text.contains("name one of qwen-a, qwen-b"), "{text}");
        let text = found(Path::new("zebra")).expect_err("none").to_string();
        assert!(
            text.contains("there are quickstart, qwen-a")
                || text.contains("qwen-a, qwen-b, quickstart"),
            "{text}"
        );
        fs::create_dir(root.join("half")).expect("a folder");
        fs::write(root.join("half/log.jsonl"), "").expect("a file");
        for named in [Path::new("half"), &root.join("half")] {
            let text = found(named).expect_err("unfinished").to_string();
            assert!(text.contains("no such finished training"), "{text}");
        }
        let text = found(&root.join("no/such")).expect_err("none").to_string();
        assert!(text.contains("no such adapter folder"), "{text}");
    }

    #[test]
    fn a_folder_that_holds_no_adapter_is_refused_with_what_it_lacks() {
        let folder = checkpoints(&[]);
        let text = adapter_by_name(folder.path(), folder.path())
            .expect_err("no adapter")
            .to_string();
        assert!(text.contains("holds no adapter_config.json"), "{text}");
    }

    #[test]
    fn the_newest_run_comes_first() {
        let folder = checkpoints(&["a", "b"]);
        let time = |run: &Path| {
            let is_a = run.ends_with("a");
            Some(SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(u64::from(is_a)))
        };
        let runs = runs_below(folder.path(), time);
        let names: Vec<_> = runs.iter().map(|(_, path)| path.file_name()).collect();
        assert_eq!(names, [Some("a".as_ref()), Some("b".as_ref())]);
        assert_eq!(runs_below(&folder.path().join("none"), time), []);
    }
}
