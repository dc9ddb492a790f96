//! `ClassEval`: whole classes for a skeleton, tested by `unittest` classes.
//!
//! Three ways of generation are published: holistic (the whole class at once, which is the benchmark `classeval`),
//! incremental (method by method, each with the previous ones), compositional (method by method, each with the
//! signatures only). [`ClassTask`] creates the prompts of the latter two and assembles their methods.
//!
//! # Source
//! Du et al. 2023, arXiv:2308.01861; github.com/FudanSELab/ClassEval.

use std::path::Path;

use serde_json::Value;

use crate::fields::{Fields, tasks_of_rows};
use crate::format::{Data, Format, Reader};
use crate::{BenchmarkError, Task, TaskView, Tests, Unittest};

pub(crate) const FORMAT: Format = Format {
    name: "classeval",
    data: Data {
        file: "ClassEval_data.json",
        publisher: "github.com/FudanSELab/ClassEval",
    },
    read: Reader::Whole(|path| tasks_of_rows(path, task)),
};

fn task(row: &Fields<'_>) -> Result<Task, BenchmarkError> {
    let skeleton = row.text("skeleton")?;
    let tests = Unittest::of(row.text("test")?.to_owned());
    if tests.methods.is_empty() {
        return Err(row.malformed("`test` contains no unittest method"));
    }
    let imports = row.texts("import_statement")?.join("\n");
    let view = TaskView {
        instruction: Some(format!(
            "Complete the class {}:\n```python\n{}\n```",
            row.text("class_name")?,
            skeleton.trim_end()
        )),
        ..TaskView::new(
            row.text("task_id")?,
            format!("{}\n\n", skeleton.trim_end()),
            row.text("class_name")?,
        )
    };
    // It follows the skeleton, and defines the class again.
    let solution = format!("{imports}\n{}\n", row.text("solution_code")?.trim_end());
    Ok(Task::new(view, Tests::Unittest(tests), solution))
}

/// A class to be generated method by method.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClassTask {
    /// As in [`TaskView::task_id`].
    pub task_id: String,
    /// Imports, then the class up to the end of its constructor.
    head: String,
    /// Signature and docstring of each method, indented as in the class.
    stubs: Vec<String>,
    names: Vec<String>,
    solutions: Vec<String>,
}

impl ClassTask {
    /// Reads the classes of a file.
    ///
    /// # Errors
    /// As [`load`](crate::load).
    pub fn read(path: &Path) -> Result<Vec<Self>, BenchmarkError> {
        slm_table::open(path)?
            .map(|row| Self::of(&Fields::of(&row?)))
            .collect()
    }

    fn of(row: &Fields<'_>) -> Result<Self, BenchmarkError> {
        let methods = row
            .need("methods_info")?
            .as_array()
            .ok_or_else(|| row.malformed("field `methods_info` is not a list"))?;
        let texts = |name: &str| -> Result<Vec<String>, BenchmarkError> {
            let text = |method: &Value| method.get(name)?.as_str().map(str::to_owned);
            let texts: Option<Vec<String>> = methods.iter().map(text).collect();
            texts.ok_or_else(|| row.malformed(format!("a method without a text `{name}`")))
        };
        let indented = |texts: Vec<String>| texts.iter().map(|text| indented(text)).collect();
        Ok(Self {
            task_id: row.text("task_id")?.to_owned(),
            head: format!(
                "{}\n\n{}\n",
                row.texts("import_statement")?.join("\n"),
                row.text("class_constructor")?.trim_end()
            ),
            stubs: indented(texts("method_description")?),
            names: texts("method_name")?,
            solutions: texts("solution_code")?,
        })
    }

    /// Returns the number of methods.
    pub fn n_methods(&self) -> usize {
        self.stubs.len()
    }

    /// Returns Python to be continued with the body of method `index`, after the previous methods in `written`.
    pub fn incremental(&self, index: usize, written: &[String]) -> String {
        format!("{}{}\n", self.assemble(written), self.stubs[index])
    }

    /// Returns Python to be continued likewise, with only signature and docstring of all other methods.
    pub fn compositional(&self, index: usize) -> String {
        let others = self.stubs.iter().enumerate().filter(|(i, _)| *i != index);
        let others: Vec<String> = others
            .map(|(_, stub)| format!("{stub}\n        pass\n"))
            .collect();
        format!(
            "{}\n{}\n{}\n",
            self.head,
            others.join("\n"),
            self.stubs[index]
        )
    }

    /// Returns the class with these methods, each a whole definition with any indentation.
    pub fn assemble(&self, methods: &[String]) -> String {
        let mut class = format!("{}\n", self.head);
        for method in methods {
            class.push_str(&indented(method));
            class.push_str("\n\n");
        }
        class
    }

    /// Returns the name of method `index`.
    pub fn method_name(&self, index: usize) -> &str {
        &self.names[index]
    }

    /// Returns the publisher's own methods.
    pub fn canonical_methods(&self, _: &crate::ScoringPhase) -> &[String] {
        &self.solutions
    }
}

/// Indents a definition for a class. In the publisher's, only the first line is unindented; in a model's, the whole
/// definition may be.
fn indented(method: &str) -> String {
    const INDENT: usize = 4;
    let method = method.trim_end().trim_start_matches('\n');
    let width = |line: &str| line.len() - line.trim_start().len();
    let lines = || method.lines().filter(|line| !line.trim().is_empty());
    let first = lines().next().map_or(0, width);
    // The line after a decorator shows the indentation of the others, else the body does, one level deeper.
    let levels = if method.trim_start().starts_with('@') {
        1
    } else {
        2
    };
    let second = lines().nth(1).map_or(first + INDENT, width);
    if first == 0 && second >= levels * INDENT {
        return format!("{}{method}", " ".repeat(INDENT));
    }
    let shifted = method.lines().map(|line| {
        let from = first.min(width(line));
        let rest = &line[from..];
        if rest.is_empty() {
            String::new()
        } else {
            " ".repeat(INDENT) + rest
        }
    });
    shifted.collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(method: &str, expected: &str) {
        assert_eq!(indented(method), expected, "{method}");
    }

    #[test]
    fn methods_stand_in_the_class_however_they_came() {
        let expected = "    def f(self):\n        return 1";
        check("def f(self):\n        return 1", expected);
        check("def f(self):\n    return 1\n", expected);
        check("    def f(self):\n        return 1", expected);
        let decorated = "    @property\n    def f(self):\n        return 1";
        check("@property\n    def f(self):\n        return 1", decorated);
        check("@property\ndef f(self):\n    return 1", decorated);
    }
}
