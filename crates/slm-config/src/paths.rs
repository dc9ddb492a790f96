//! Relative paths of a recipe: they count from the recipe's folder, then from the working directory.

use std::fmt;
use std::path::{Component, Path, PathBuf};

use crate::node::{KeyPath, Node, Origin};
use crate::recipe::Recipe;
use crate::speakers::RoleSpeaker;

/// Prefixes of names that are not paths.
const NOT_PATHS: [&str; 3] = ["hf:", "pip:", "stdlib:"];

/// A path that was found in the recipe's folder and not in the working directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FoundBeside {
    /// The key, such as `data.datasets[0].path`.
    pub key: String,
    /// The path from the working directory.
    pub path: PathBuf,
    /// Whether the working directory has a file or folder of this name, too.
    pub hides_another: bool,
}

impl fmt::Display for FoundBeside {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        let Self {
            key,
            path,
            hides_another,
        } = self;
        write!(f, "`{key}`: using {} beside the recipe", path.display())?;
        if *hides_another {
            f.write_str(", not the one in the working directory")?;
        }
        Ok(())
    }
}

/// Replaces relative paths that exist in `folder`, the recipe's, by paths from the working directory. A path in a `--set`
/// argument counts from the working directory, where it was typed.
#[expect(clippy::too_many_lines, reason = "one key with a path after the other")]
pub(crate) fn resolve(recipe: &mut Recipe, tree: &Node, folder: &Path) -> Vec<FoundBeside> {
    let mut found = Vec::new();
    if folder.as_os_str().is_empty() || folder == Path::new(".") {
        return found;
    }
    let mut beside = |key: &str, path: &Path| -> Option<PathBuf> {
        let place = KeyPath::parse(key).and_then(|key| tree.get(&key).map(|node| node.origin));
        let is_path = !NOT_PATHS
            .iter()
            .any(|prefix| path.to_string_lossy().starts_with(prefix));
        if place != Some(Origin::File) || !is_path || path.is_absolute() {
            return None;
        }
        // `.` and `..` are beside every recipe.
        let has_name = path
            .components()
            .any(|part| matches!(part, Component::Normal(_)));
        let inside = folder.join(path);
        let is_text = inside.to_str().is_some();
        if !has_name || !is_text || !inside.exists() || is_same(&inside, path) {
            return None;
        }
        found.push(FoundBeside {
            key: key.to_owned(),
            path: inside.clone(),
            hides_another: path.exists(),
        });
        Some(inside)
    };
    let text = |path: PathBuf| path.to_string_lossy().into_owned();
    let model = &mut recipe.model.name_or_path;
    if let Some(inside) = beside("model.name_or_path", Path::new(model)) {
        *model = text(inside);
    }
    if let Some(init_from) = &mut recipe.lora.init_from
        && let Some(inside) = beside("lora.init_from", &init_from.path)
    {
        init_from.path = inside;
    }
    if let Some(path) = &mut recipe.model.chat_template
        && let Some(inside) = beside("model.chat_template", path)
    {
        *path = inside;
    }
    for (index, dataset) in recipe.data.datasets.iter_mut().enumerate() {
        let key = format!("data.datasets[{index}].path");
        if let Some(inside) = beside(&key, Path::new(&dataset.path)) {
            dataset.path = text(inside);
        }
    }
    let evaluated = recipe.evaluate.benchmarks.iter_mut().enumerate();
    let evaluated =
        evaluated.map(|(index, named)| (format!("evaluate.benchmarks[{index}]"), named));
    let learned = recipe.improve.tasks.iter_mut().enumerate();
    let learned = learned.map(|(index, named)| (format!("improve.tasks[{index}]"), named));
    for (item, benchmark) in evaluated.chain(learned) {
        let files = [
            ("path", &mut benchmark.path),
            ("task_ids", &mut benchmark.task_ids),
        ];
        for (name, file) in files {
            let key = format!("{item}.{name}");
            if let Some(path) = file
                && let Some(inside) = beside(&key, path)
            {
                *path = inside;
            }
        }
    }
    for (index, source) in recipe.knowledge.docs.iter_mut().enumerate() {
        let key = format!("knowledge.docs[{index}]");
        // A pattern is beside the recipe if the folder before its first wildcard is.
        let fixed = source.find(['*', '?', '[']).map_or(source.len(), |at| {
            source[..at].rfind('/').unwrap_or_default()
        });
        let (fixed, pattern) = source.split_at(fixed);
        if let Some(inside) = beside(&key, Path::new(fixed)) {
            *source = format!("{}{pattern}", text(inside));
        }
    }
    for (index, path) in recipe.knowledge.code.iter_mut().enumerate() {
        if let Some(inside) = beside(&format!("knowledge.code[{index}]"), path) {
            *path = inside;
        }
    }
    if let Some(path) = &mut recipe.knowledge.memory
        && let Some(inside) = beside("knowledge.memory", path)
    {
        *path = inside;
    }
    for (role, speaker) in &mut recipe.evaluate.speakers {
        let key = format!("evaluate.speakers.{role}");
        if let RoleSpeaker::Adapter(name) = speaker
            && let Some(inside) = beside(&key, Path::new(name))
        {
            *name = text(inside);
        }
    }
    if let Some(path) = &mut recipe.evaluate.adaptive.routes
        && let Some(inside) = beside("evaluate.adaptive.routes", path)
    {
        *path = inside;
    }
    for (name, path) in recipe.evaluate.prompts.entries_mut() {
        let key = format!("evaluate.prompts.{name}");
        if let Some(path) = path
            && let Some(inside) = beside(&key, path)
        {
            *path = inside;
        }
    }
    found
}

/// Whether two paths lead to the same file or folder.
fn is_same(a: &Path, b: &Path) -> bool {
    let real = |path: &Path| path.canonicalize().ok();
    real(a).is_some() && real(a) == real(b)
}
