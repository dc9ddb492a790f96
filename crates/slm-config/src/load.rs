//! From a file and the `--set` arguments to a [`Recipe`].

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use crate::check::Needs;
use crate::deserialize::{self, Failure, Problem};
use crate::error::{Location, Mistake, RecipeError};
use crate::init_from::InitFrom;
use crate::node::{KeyPath, Node, Origin, Step, Value};
use crate::paths::FoundBeside;
use crate::recipe::Recipe;
use crate::yaml::{self, Position};
use crate::{check, experiment, overrides, paths, shipped, spelling};

/// Names that a recipe may hold and another crate owns.
pub type Names = &'static [&'static str];

/// Largest recipe file.
const MAX_BYTES: u64 = 1 << 20;

impl Recipe {
    /// Reads the recipe in the file `path` and applies `overrides`, each `section.key=value` with a YAML value; the last
    /// one for a key counts. `benchmarks` are the names that `evaluate.benchmarks` may hold. Relative paths stay as they are.
    ///
    /// # Errors
    /// The first mistake of form (syntax, type, unknown key), or all values out of range together.
    pub fn load(path: &Path, overrides: &[String], benchmarks: Names) -> Result<Self, RecipeError> {
        Ok(Self::read(path, overrides, benchmarks, Needs::Data)?.0)
    }

    /// Like [`Recipe::load`], for a command that reads no data sets: the recipe need not name any.
    ///
    /// # Errors
    /// As [`Recipe::load`].
    pub fn load_without_data(
        path: &Path,
        overrides: &[String],
        benchmarks: Names,
    ) -> Result<Self, RecipeError> {
        Ok(Self::read(path, overrides, benchmarks, Needs::NoData)?.0)
    }

    /// Like [`Recipe::load`], for a recipe as the user wrote it: a relative path in the file is that of the recipe's folder
    /// if it exists there, else of the working directory. Also returns the paths that were found beside the recipe.
    ///
    /// # Errors
    /// As [`Recipe::load`].
    pub fn load_with_paths(
        path: &Path,
        overrides: &[String],
        benchmarks: Names,
    ) -> Result<(Self, Vec<FoundBeside>), RecipeError> {
        let read = Self::read(path, overrides, benchmarks, Needs::Data)?;
        Ok(with_paths(path, read))
    }

    /// Like [`Recipe::load_with_paths`], for a command that reads no data sets.
    ///
    /// # Errors
    /// As [`Recipe::load`].
    pub fn load_with_paths_without_data(
        path: &Path,
        overrides: &[String],
        benchmarks: Names,
    ) -> Result<(Self, Vec<FoundBeside>), RecipeError> {
        let read = Self::read(path, overrides, benchmarks, Needs::NoData)?;
        Ok(with_paths(path, read))
    }

    fn read(
        path: &Path,
        overrides: &[String],
        benchmarks: Names,
        needs: Needs,
    ) -> Result<(Self, Node), RecipeError> {
        let unreadable = |source: io::Error| RecipeError::Unreadable {
            path: path.to_owned(),
            hint: hint_for_file(path),
            source,
        };
        let place = |position| Location::File {
            path: path.to_owned(),
            position,
        };
        let mut bytes = Vec::new();
        let file = File::open(path).map_err(unreadable)?;
        file.take(MAX_BYTES + 1)
            .read_to_end(&mut bytes)
            .map_err(unreadable)?;
        if bytes.len() as u64 > MAX_BYTES {
            return Err(RecipeError::TooLarge {
                place: place(None),
                limit_bytes: MAX_BYTES,
            });
        }
        let text = String::from_utf8(bytes).map_err(|error| {
            let good = &error.as_bytes()[..error.utf8_error().valid_up_to()];
            let good = String::from_utf8_lossy(good);
            let line = 1 + good.matches('\n').count();
            let column = 1 + good.chars().rev().take_while(|c| *c != '\n').count();
            RecipeError::NotUtf8 {
                place: place(Some((line, column))),
            }
        })?;
        // Some editors put a byte order mark in front.
        let text = text.trim_start_matches('\u{feff}');
        Self::parse_tree(text, path, overrides, benchmarks, needs)
    }

    /// Like [`Recipe::load`], from the text of the file `path`, whose folder is not searched.
    ///
    /// # Errors
    /// As [`Recipe::load`].
    pub fn parse(
        text: &str,
        path: &Path,
        overrides: &[String],
        benchmarks: Names,
    ) -> Result<Self, RecipeError> {
        Self::parse_for(text, path, overrides, benchmarks, Needs::Data)
    }

    /// Like [`Recipe::load_without_data`], from the text of the file `path`.
    ///
    /// # Errors
    /// As [`Recipe::load`].
    pub fn parse_without_data(
        text: &str,
        path: &Path,
        overrides: &[String],
        benchmarks: Names,
    ) -> Result<Self, RecipeError> {
        Self::parse_for(text, path, overrides, benchmarks, Needs::NoData)
    }

    fn parse_for(
        text: &str,
        path: &Path,
        overrides: &[String],
        benchmarks: Names,
        needs: Needs,
    ) -> Result<Self, RecipeError> {
        Ok(Self::parse_tree(text, path, overrides, benchmarks, needs)?.0)
    }

    fn parse_tree(
        text: &str,
        path: &Path,
        overrides: &[String],
        benchmarks: Names,
        needs: Needs,
    ) -> Result<(Self, Node), RecipeError> {
        let source = Source {
            text,
            path,
            overrides,
        };
        let tree = source.tree()?;
        let (mut recipe, negative) = deserialize::from_node::<Self>(&tree, benchmarks)
            .map_err(|failure| source.refuse(&tree, failure))?;
        if tree.child(&Step::Key("name".to_owned())).is_none() {
            recipe.name = name_of_file(path);
        }
        if let Some(init_from) = &mut recipe.lora.init_from {
            init_from.note_named(&tree);
        }
        experiment::find_declarations(&tree, &mut recipe.evaluate.hypotheses);
        recipe.train.forget_foreign_adam();
        let mistakes = source.mistakes(&tree, &recipe, negative, needs);
        if mistakes.is_empty() {
            recipe.train.fill_adam();
            Ok((recipe, tree))
        } else {
            Err(RecipeError::BadValues(mistakes))
        }
    }

    /// The recipe with every default written out, as YAML; [`Recipe::load`] reads it back as an
    /// equal recipe under any file name. Keys that follow the adapter of `lora.init_from` have no default and are left out.
    pub fn to_yaml(&self) -> String {
        yaml::to_text(self, &self.following())
    }

    /// The keys that follow the adapter of `lora.init_from`.
    pub(crate) fn following(&self) -> Vec<(&'static str, &'static str)> {
        let init_from = self.lora.init_from.iter();
        let keys = init_from.flat_map(InitFrom::following);
        keys.map(|key| ("lora", key)).collect()
    }
}

/// The recipe at `path` with its relative paths resolved.
fn with_paths(path: &Path, (mut recipe, tree): (Recipe, Node)) -> (Recipe, Vec<FoundBeside>) {
    let folder = path.parent().unwrap_or(Path::new(""));
    let found = paths::resolve(&mut recipe, &tree, folder);
    (recipe, found)
}

/// What the user wrote.
struct Source<'s> {
    text: &'s str,
    path: &'s Path,
    overrides: &'s [String],
}

impl Source<'_> {
    /// The file's tree with the overrides in it and every key under our name.
    fn tree(&self) -> Result<Node, RecipeError> {
        let mut tree =
            yaml::parse(self.text, Origin::File).map_err(|error| RecipeError::Syntax {
                place: self.in_file(error.position),
                message: error.message,
                hint: error.hint.map(str::to_owned),
            })?;
        match &tree.value {
            Value::Map(_) => {}
            Value::Null => {
                return Err(RecipeError::Empty {
                    place: self.in_file(None),
                });
            }
            other => {
                return Err(RecipeError::Syntax {
                    place: self.in_file(None),
                    message: format!("the recipe is {other}, expected sections like `model:`"),
                    hint: None,
                });
            }
        }
        self.canonicalise(&mut tree)?;
        for (index, argument) in self.overrides.iter().enumerate() {
            overrides::apply(&mut tree, index, argument)?;
            // The value may be a whole section: `--set "lora={rank: 4}"`.
            self.canonicalise(&mut tree)?;
        }
        Ok(tree)
    }

    fn canonicalise(&self, tree: &mut Node) -> Result<(), RecipeError> {
        spelling::canonicalise(tree).map_err(|twice| {
            let path = KeyPath::default()
                .child(&twice.section)
                .child(&twice.second);
            RecipeError::DuplicateKey {
                place: self.place(tree, &path),
                key: path.to_string(),
                other: format!("{}.{}", twice.section, twice.first),
            }
        })
    }

    /// The place of the value at `path`, or of the nearest mapping or list around it.
    fn place(&self, tree: &Node, path: &KeyPath) -> Location {
        let (node, spelled) = tree.nearest(path);
        match node.origin {
            Origin::Override(index) => Location::Override {
                argument: self.overrides[index].clone(),
            },
            Origin::File if spelled.is_empty() => self.in_file(None),
            Origin::File => self.in_file(yaml::locate(self.text, &spelled)),
        }
    }

    fn in_file(&self, position: Option<Position>) -> Location {
        let position = position.map(|at| (at.line, at.column));
        Location::File {
            path: self.path.to_owned(),
            position,
        }
    }

    fn refuse(&self, tree: &Node, failure: Failure) -> RecipeError {
        let path = failure.path.unwrap_or_default();
        let place = self.place(tree, &path);
        let key = path.to_string();
        match failure.problem {
            Problem::UnknownKey { key: leaf, known } => {
                let hint = spelling::hint_for_key(&path, &leaf, known);
                RecipeError::UnknownKey { place, key, hint }
            }
            Problem::MissingKey { .. } => RecipeError::MissingKey { place, key },
            Problem::UnknownChoice { found, choices } => {
                let hint = spelling::nearest(found.trim_matches('"'), choices.iter().copied())
                    .map(|meant| format!("did you mean `{meant}`?"));
                let expected = spelling::quoted(choices);
                wrong_type(place, &key, &found, &expected, hint)
            }
            Problem::WrongType {
                found,
                expected,
                hint,
            } => wrong_type(place, &key, &found, &expected, hint.map(str::to_owned)),
        }
    }

    fn mistakes(
        &self,
        tree: &Node,
        recipe: &Recipe,
        negative: Vec<KeyPath>,
        needs: Needs,
    ) -> Vec<Mistake> {
        let mut findings = check::findings(recipe, needs);
        for path in negative {
            if findings.iter().all(|finding| finding.path != path) {
                let (found, allowed) = (String::new(), "0 or more".to_owned());
                findings.push(check::Finding {
                    path,
                    found,
                    allowed,
                    hidden: false,
                });
            }
        }
        findings
            .into_iter()
            .map(|finding| Mistake {
                place: match self.place(tree, &finding.path) {
                    Location::Override { .. } if finding.hidden => Location::Override {
                        argument: format!("{}=...", finding.path),
                    },
                    place => place,
                },
                key: finding.path.to_string(),
                // As the user wrote it; a default has no node.
                found: match tree.get(&finding.path) {
                    Some(node) if !finding.hidden => node.value.to_string(),
                    _ => finding.found,
                },
                allowed: finding.allowed,
            })
            .collect()
    }
}

fn wrong_type(
    place: Location,
    key: &str,
    found: &str,
    expected: &str,
    hint: Option<String>,
) -> RecipeError {
    RecipeError::WrongType {
        place,
        key: key.into(),
        found: found.into(),
        expected: expected.into(),
        hint,
    }
}

/// The stem of a file's name, with `-` for what `name` may not hold.
fn name_of_file(path: &Path) -> String {
    let stem = path.file_stem().unwrap_or_default().to_string_lossy();
    let plain = |c: char| if check::is_plain(c) { c } else { '-' };
    let name: String = stem.trim_start_matches('.').chars().map(plain).collect();
    if name.is_empty() {
        "recipe".to_owned()
    } else {
        name
    }
}

/// Help for a path that is no recipe.
fn hint_for_file(path: &Path) -> Option<String> {
    if path.is_dir() {
        let folder = path.display();
        return Some(format!(
            "`trainer init {folder}` writes a recipe for a folder of code"
        ));
    }
    let mut with_ending = path.as_os_str().to_owned();
    with_ending.push(".yaml");
    let with_ending = PathBuf::from(with_ending);
    if !with_ending.is_file()
        && !path.exists()
        && let Some(command) = shipped::command_for(path)
    {
        return Some(format!("`{command}` writes the recipe of this name"));
    }
    let similar = with_ending
        .is_file()
        .then_some(with_ending)
        .or_else(|| similar_file(path));
    similar.map(|similar| format!("did you mean {}?", similar.display()))
}

/// The recipe in the same folder whose name is nearest to that of `path`.
fn similar_file(path: &Path) -> Option<PathBuf> {
    let folder = path
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty());
    let mut names: Vec<String> = fs::read_dir(folder.unwrap_or(Path::new(".")))
        .ok()?
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| {
            path.extension()
                .is_some_and(|ext| ext == "yaml" || ext == "yml")
        })
        .filter_map(|path| Some(path.file_name()?.to_str()?.to_owned()))
        .collect();
    names.sort();
    let wanted = path.file_name()?.to_str()?;
    let similar = spelling::nearest(wanted, names.iter().map(String::as_str))?;
    Some(path.with_file_name(similar))
}
