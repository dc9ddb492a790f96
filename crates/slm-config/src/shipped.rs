//! The recipes that the programs contain, for an installation without the repository.

use std::path::{Path, PathBuf};

use crate::spelling::nearest;

/// A recipe of the folder `recipes/` of the repository, as a part of the program.
#[derive(Clone, Copy, Debug)]
pub struct ShippedRecipe {
    /// The file's name without `.yaml`.
    pub name: &'static str,
    /// Memory and time of its training, where known; else empty.
    pub needs: &'static str,
    /// The file as it is in the repository.
    text: &'static str,
    /// Files that the recipe names: the path from the recipe's folder, and the content.
    files: &'static [(&'static str, &'static str)],
}

/// No recipe has this name.
#[derive(Debug, thiserror::Error)]
#[error("no shipped recipe has the name `{name}`\nhint: {hint}")]
pub struct UnknownRecipe {
    name: String,
    hint: String,
}

macro_rules! shipped {
    ($name:literal, $needs:literal $(, $file:literal)*) => {
        ShippedRecipe {
            name: $name,
            needs: $needs,
            text: include_str!(concat!("../../../recipes/", $name, ".yaml")),
            files: &[$(($file, include_str!(concat!("../../../recipes/", $file)))),*],
        }
    };
}

/// All of them, the first one for a first try, the others by name.
const SHIPPED: &[ShippedRecipe] = &[
    shipped!("quickstart", "2 GB; 5 minutes on two cores"),
    shipped!("dpo", ""),
    shipped!("improve-maintainability", ""),
    shipped!("improve-mbpp", ""),
    shipped!("own-codebase", "a night on a CPU, an hour on a GPU"),
    shipped!(
        "own-library",
        "",
        "own-library/docs/brands.md",
        "own-library/docs/calendar.md",
        "own-library/docs/dues.md",
        "own-library/docs/house-time.md",
        "own-library/docs/quoins.md",
        "own-library/docs/soundings.md",
        "own-library/pyproject.toml",
        "own-library/skerrow/__init__.py",
        "own-library/skerrow/brands.py",
        "own-library/skerrow/dues.py",
        "own-library/skerrow/faults.py",
        "own-library/skerrow/glasses.py",
        "own-library/skerrow/quoins.py",
        "own-library/skerrow/soundings.py",
        "own-library/tasks.jsonl",
        "own-library/verify.py"
    ),
    shipped!(
        "praxis-0.5b",
        "5 GB; nine hours on two cores, in shards",
        "praxis/packages.txt",
        "praxis/mbpp-tasks.txt"
    ),
    shipped!(
        "praxis-1.5b",
        "10 GB; meant for a GPU",
        "praxis/packages.txt",
        "praxis/mbpp-tasks.txt"
    ),
    shipped!(
        "qwen-coder-0.5b",
        "3 GB; a night on a CPU, minutes on a GPU"
    ),
    shipped!(
        "qwen-coder-0.5b-fim",
        "3 GB; a night on a CPU, minutes on a GPU"
    ),
    shipped!("qwen-coder-1.5b", "10 GB on a CPU; meant for a GPU"),
    shipped!("qwen-coder-1.5b-qlora", ""),
    shipped!("smollm2-135m", "an hour or two on two cores"),
    shipped!(
        "smollm2-135m-hypotheses",
        "an hour on two cores, with its evaluation"
    ),
];

impl ShippedRecipe {
    /// All shipped recipes.
    pub fn all() -> &'static [Self] {
        SHIPPED
    }

    /// Returns the recipe with this name, which may end with `.yaml`.
    ///
    /// # Errors
    /// There is none; the hint suggests the nearest name.
    pub fn by_name(name: &str) -> Result<&'static Self, UnknownRecipe> {
        let plain = name.strip_suffix(".yaml").unwrap_or(name);
        SHIPPED
            .iter()
            .find(|recipe| recipe.name == plain)
            .ok_or_else(|| {
                let meant = nearest(plain, SHIPPED.iter().map(|recipe| recipe.name));
                UnknownRecipe {
                    name: crate::node::shown(name),
                    hint: meant.map_or_else(
                        || "`trainer recipes` lists them".to_owned(),
                        |meant| format!("did you mean `{meant}`?"),
                    ),
                }
            })
    }

    /// The first sentence of the comment at the top of the file.
    pub fn summary(&self) -> String {
        // The command and the editor's line come first, then an empty comment.
        let lines = self.text.lines().skip_while(|line| *line != "#").skip(1);
        let words: Vec<&str> = lines
            .map_while(|line| line.strip_prefix("# "))
            .flat_map(str::split_whitespace)
            .collect();
        let text = words.join(" ");
        let end = [". ", "? "]
            .iter()
            .filter_map(|end| Some(text.find(end)? + 1))
            .min();
        text[..end.unwrap_or(text.len())].to_owned()
    }

    /// The recipe for the file `path`, as it is in the repository except for comments: commands name `path` instead of
    /// the file in `recipes/`, and the schema for editors, which the repository contains, is replaced by the command
    /// that writes it.
    pub fn text_at(&self, path: &Path) -> String {
        let file = plain(path).unwrap_or_else(|| format!("{}.yaml", self.name));
        let folder = match file.rfind('/') {
            Some(end) => &file[..=end],
            None => "",
        };
        let own = format!("{}.yaml", self.name);
        let mut pieces = self.text.split("recipes/");
        let mut text = pieces.next().unwrap_or_default().to_owned();
        for piece in pieces {
            if folder.starts_with('/') && text.ends_with("./") {
                text.truncate(text.len() - "./".len());
            }
            if let Some(rest) = piece.strip_prefix(&own) {
                text.push_str(&file);
                text.push_str(rest);
            } else {
                text.push_str(folder);
                text.push_str(piece);
            }
        }
        let lines = text.split_inclusive('\n').map(|line| {
            if line.starts_with("# yaml-language-server:") {
                "# For an editor that checks keys: trainer recipe --schema > recipe.schema.json\n"
            } else {
                line
            }
        });
        lines.collect()
    }

    /// The files that the recipe names, for a recipe in the file `path`: their paths and contents.
    pub fn files_at(&self, path: &Path) -> Vec<(PathBuf, &'static str)> {
        let at = |(file, content): &(&str, &'static str)| (path.with_file_name(file), *content);
        self.files.iter().map(at).collect()
    }
}

/// The command that writes the recipe which `path` names, if it is the name of a shipped one.
pub(crate) fn command_for(path: &Path) -> Option<String> {
    let name = path.file_name()?.to_str()?;
    let stem = [".yaml", ".yml"]
        .iter()
        .find_map(|ending| name.strip_suffix(ending));
    let recipe = SHIPPED
        .iter()
        .find(|recipe| recipe.name == stem.unwrap_or(name))?;
    let own = format!("{}.yaml", recipe.name);
    let file = plain(path).filter(|_| stem.is_some()).unwrap_or(own);
    Some(format!("trainer recipes {} -o {file}", recipe.name))
}

/// A path as a word of a shell command; `None` for one that needs quotes.
fn plain(path: &Path) -> Option<String> {
    let text = path.to_str()?;
    let is_plain = |c: char| c.is_alphanumeric() || "-_./+".contains(c);
    (text.chars().all(is_plain) && !text.starts_with('-')).then(|| text.to_owned())
}
