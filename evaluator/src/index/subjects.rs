//! What `evaluator index` was given: paths, and a query after them.

use std::path::{Path, PathBuf};

use slm_cli::UserMistake;
use slm_config::Recipe;
use slm_retrieval::{Holds, Sources};

use crate::knowledge::working_directory;

/// What is indexed, and what is looked for in it.
#[derive(Debug)]
pub(super) struct Subjects {
    pub(super) sources: Sources,
    pub(super) query: Option<String>,
}

/// Divides the words of a command into paths and a query, which comes last.
///
/// # Errors
/// A word before the last is neither a path nor a package, or the last looks like a path that does not exist.
pub(super) fn named(words: &[String]) -> Result<Subjects, UserMistake> {
    let (mut docs, mut code, mut query) = (Vec::new(), Vec::new(), None);
    for (at, word) in words.iter().enumerate() {
        let path = Path::new(word);
        let is_last = at + 1 == words.len();
        if word.starts_with("pip:") || word.contains('*') && !word.contains(' ') {
            docs.push(word.clone());
        } else if path.is_dir() {
            let holds = Holds::below(path).map_err(|error| UserMistake(error.to_string()))?;
            // A folder without any is indexed as documentation, which is refused with the reason.
            if holds.docs || !holds.code {
                docs.push(word.clone());
            }
            if holds.code {
                code.push(path.to_owned());
            }
        } else if path.is_file() {
            if is_python(path) {
                code.push(path.to_owned());
            } else {
                docs.push(word.clone());
            }
        } else if is_last && at > 0 && !looks_like_path(word) {
            query = Some(word.clone());
        } else {
            return Err(UserMistake(format!(
                "{word}: no such file or folder\n\
                 hint: name files, folders, patterns or pip:NAME first, and a query of several words last, in quotation \
                 marks"
            )));
        }
    }
    Ok(Subjects {
        sources: sources(docs, code),
        query,
    })
}

/// Takes what a recipe names, and the words of a command as the query.
///
/// # Errors
/// The recipe names nothing to index.
pub(super) fn of_recipe(recipe: &Recipe, words: &[String]) -> Result<Subjects, UserMistake> {
    let knowledge = &recipe.knowledge;
    if !knowledge.has_sources() {
        return Err(UserMistake(
            "the recipe names no documentation and no code\n\
             hint: add `knowledge: {docs: [docs], code: [src]}`"
                .to_owned(),
        ));
    }
    Ok(Subjects {
        sources: sources(knowledge.docs.clone(), knowledge.code.clone()),
        query: (!words.is_empty()).then(|| words.join(" ")),
    })
}

fn sources(docs: Vec<String>, code: Vec<PathBuf>) -> Sources {
    Sources {
        docs,
        code,
        root: working_directory(),
    }
}

fn is_python(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "py")
}

/// Whether a word that is no path was probably meant as one.
fn looks_like_path(word: &str) -> bool {
    let is_one_word = !word.contains(char::is_whitespace);
    is_one_word && (word.contains(['/', '\\']) || Path::new(word).extension().is_some())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_word_that_is_no_path_is_the_query() {
        let folder = tempfile::tempdir().expect("a folder");
        let at = |name: &str| folder.path().join(name).display().to_string();
        for name in ["a.py", "b.md"] {
            std::fs::write(folder.path().join(name), "").expect("a file");
        }
        let words = [at("a.py"), at("b.md"), at(""), "pip:x".to_owned()];
        let found = named(&words).expect("subjects");
        assert_eq!(found.sources.docs, [at("b.md"), at(""), "pip:x".to_owned()]);
        assert_eq!(
            found.sources.code,
            [PathBuf::from(at("a.py")), PathBuf::from(at(""))]
        );
        assert_eq!(found.query, None);
        let queried = named(&[at("a.py"), "open a file".to_owned()]).expect("subjects");
        assert_eq!(queried.query.as_deref(), Some("open a file"));
    }

    #[test]
    fn a_mistyped_path_is_not_taken_for_a_query() {
        let folder = tempfile::tempdir().expect("a folder");
        let there = folder.path().display().to_string();
        for words in [
            vec![there.clone(), "docs/guide.md".to_owned()],
            vec![there.clone(), "guide.md".to_owned()],
            vec!["a query alone".to_owned()],
            vec!["nowhere".to_owned(), there.clone()],
        ] {
            assert!(named(&words).is_err(), "{words:?}");
        }
    }
}
