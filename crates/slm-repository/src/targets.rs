//! The documented functions of a repository.

use std::collections::BTreeMap;
use std::path::Path;

use slm_metrics::syntax::{FunctionSource, Uncut, nameless_function_hashes, survey_functions};

use crate::error::RepositoryError;
use crate::files::{Listing, is_generated, is_of_tests, may_define_tests, text_of};
use crate::reason::Reason;

/// A function that may become a task. Its texts stay in the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Target {
    pub(crate) file: String,
    pub(crate) name: String,
    pub(crate) qualified_name: String,
    pub(crate) first_line: usize,
    pub(crate) body_first_line: usize,
    /// Whether the docstring has examples.
    pub(crate) has_examples: bool,
}

/// All documented functions.
#[derive(Debug, Clone, Default)]
pub(crate) struct Survey {
    /// By file and line.
    pub(crate) targets: Vec<Target>,
    /// Number of the others, with the reason of each.
    pub(crate) left_out: Vec<Reason>,
    /// Files of the tests that may define some.
    pub(crate) test_files: Vec<String>,
    /// Python files, tests included.
    pub(crate) n_files: usize,
    /// Files that are not Python in UTF-8, tests excluded.
    pub(crate) unparsable: Vec<String>,
    /// Pairs of files that contain the same function.
    pub(crate) shared: Vec<(String, String)>,
}

impl Survey {
    /// Reads the files of a listing one by one.
    pub(crate) fn of(
        root: &Path,
        listing: &Listing,
        on_file: &mut dyn FnMut(usize),
    ) -> Result<Self, RepositoryError> {
        let mut survey = Self::default();
        let mut first_with: BTreeMap<u64, String> = BTreeMap::new();
        for file in listing.python() {
            survey.n_files += 1;
            on_file(survey.n_files);
            let text = text_of(&root.join(file))?;
            if is_of_tests(file) {
                if may_define_tests(file, text.as_deref().unwrap_or_default()) {
                    survey.test_files.push(file.to_owned());
                }
                continue;
            }
            let Some(found) = text.as_deref().and_then(|text| survey_functions(text).ok()) else {
                survey.unparsable.push(file.to_owned());
                continue;
            };
            survey
                .left_out
                .extend(found.uncut.iter().map(|uncut| match uncut.reason {
                    Uncut::Nested | Uncut::InBlock => Reason::Nested,
                    Uncut::NoBody | Uncut::SharesLine | Uncut::Immovable => Reason::CannotBeCut,
                }));
            let of_file = if listing.is_compiled(file) {
                Some(Reason::Compiled)
            } else if text.as_deref().is_some_and(is_generated) {
                Some(Reason::Generated)
            } else {
                None
            };
            let last_with = last_places(&found.functions);
            for function in &found.functions {
                let hashes = nameless_function_hashes(&function.source).unwrap_or_default();
                let hash = hashes.first().copied();
                let duplicate = hash.and_then(|hash| first_with.get(&hash));
                if let Some(other) = duplicate
                    && other != file
                {
                    survey.shared.push((other.clone(), file.to_owned()));
                }
                let is_replaced =
                    last_with.get(&function.qualified_name()) != Some(&function.first_line);
                let reason = match (&of_file, duplicate) {
                    (Some(reason), _) => Some(reason.clone()),
                    // Python keeps the last of two definitions; an overload or a property's getter has no tests.
                    (None, _) if is_replaced => Some(Reason::CannotBeCut),
                    (None, Some(_)) => Some(Reason::Duplicate),
                    (None, None) => None,
                };
                if let Some(reason) = reason {
                    survey.left_out.push(reason);
                    continue;
                }
                if let Some(hash) = hash {
                    first_with.insert(hash, file.to_owned());
                }
                survey.targets.push(Target {
                    file: file.to_owned(),
                    name: function.name.clone(),
                    qualified_name: function.qualified_name(),
                    first_line: function.first_line,
                    body_first_line: function.body_first_line,
                    has_examples: function.docstring.contains(">>>"),
                });
            }
        }
        Ok(survey)
    }

    /// Returns the number of documented functions.
    pub(crate) fn n_found(&self) -> usize {
        self.targets.len() + self.left_out.len()
    }
}

impl Target {
    /// Returns the id of its task: `FILE::NAME`.
    pub(crate) fn id(&self) -> String {
        format!("{}::{}", self.file, self.qualified_name)
    }

    /// Reads the functions of its file again.
    pub(crate) fn functions_of_file(
        &self,
        root: &Path,
    ) -> Result<Vec<FunctionSource>, RepositoryError> {
        let text = text_of(&root.join(&self.file))?;
        let found = text.and_then(|text| survey_functions(&text).ok());
        Ok(found.unwrap_or_default().functions)
    }

    /// Returns whether a function of its file is this one.
    pub(crate) fn is(&self, function: &FunctionSource) -> bool {
        function.first_line == self.first_line && function.qualified_name() == self.qualified_name
    }
}

/// Returns the first line of the last definition of each name.
fn last_places(functions: &[FunctionSource]) -> BTreeMap<String, usize> {
    let places = functions.iter();
    places
        .map(|function| (function.qualified_name(), function.first_line))
        .collect()
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::files::held;

    fn survey(folder: &Path) -> Survey {
        let listing = Listing::of(folder).expect("a listing");
        Survey::of(folder, &listing, &mut |_| ()).expect("a survey")
    }

    #[test]
    fn ten_thousand_files_are_read_one_by_one() {
        let folder = tempfile::tempdir().expect("a folder");
        for i in 0..100 {
            let below = folder.path().join(format!("p{i}"));
            fs::create_dir(&below).expect("a folder");
            for j in 0..100 {
                let text = format!("def f{j}(x):\n    'F.'\n    return x + {i} * 100 + {j}\n");
                fs::write(below.join(format!("m{j}.py")), text).expect("a file");
            }
        }
        let survey = survey(folder.path());
        assert_eq!((survey.n_files, survey.targets.len()), (10_000, 10_000));
        assert_eq!(held::most(), 1);
    }

    #[test]
    fn what_cannot_be_a_task_is_left_out_with_its_reason() {
        let folder = tempfile::tempdir().expect("a folder");
        let write =
            |name: &str, text: &str| fs::write(folder.path().join(name), text).expect("a file");
        write(
            "a.py",
            "def f(x):\n    'F.'\n    return x\ndef h(): 'H.'; return 1\nif 1:\n    def n():\n        'N.'\n        return 2\n",
        );
        write("b.py", "def g(x):\n    'Same.'\n    return x\n");
        write(
            "c.py",
            "# Generated by a tool. DO NOT EDIT.\ndef c():\n    'C.'\n    return 3\n",
        );
        write("d.py", "def d():\n    'D.'\n    return 4\n");
        write("d.cpython-311-x86_64-linux-gnu.so", "");
        write("e.py", "def e(:\n");
        let survey = survey(folder.path());
        assert_eq!(survey.targets.len(), 1);
        let mut reasons = survey.left_out.clone();
        reasons.sort();
        assert_eq!(
            reasons,
            [
                Reason::Compiled,
                Reason::Generated,
                Reason::Nested,
                Reason::CannotBeCut,
                Reason::Duplicate
            ]
        );
        assert_eq!(survey.unparsable.len(), 1);
        assert_eq!(survey.shared, [("a.py".to_owned(), "b.py".to_owned())]);
    }
}
