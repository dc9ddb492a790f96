//! `ClassEval`: whole classes from a skeleton, tested by `unittest` classes.
//!
//! Three ways of writing one are published: holistic (the whole class at once, which is the benchmark `classeval`),
//! incremental (method by method, each seeing the ones before), compositional (method by method, each seeing the
//! signatures alone). [`ClassTask`] makes the prompts of the latter two and puts their methods together.
//!
//! # Source
//! Du et al. 2023, arXiv:2308.01861; github.com/FudanSELab/ClassEval.

use std::path::Path;

use serde_json::Value;

use crate::fields::{Fields, tasks_of_rows};
use crate::format::{Data, Format};
use crate::{BenchmarkError, Task, TaskView, Tests, Unittest};

pub(crate) const FORMAT: Format = Format {
    name: "classeval",
    data: Data {
        file: "ClassEval_data.json",
        publisher: "github.com/FudanSELab/ClassEval",
    },
    read: |path| tasks_of_rows(path, task),
};

fn task(row: &Fields<'_>) -> Result<Task, BenchmarkError> {
    let skeleton = row.text("skeleton")?;
    let tests = Unittest::of(row.text("test")?.to_owned());
    if tests.methods.is_empty() {
        return Err(row.malformed("`test` holds no unittest method"));
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
    // It follows the skeleton, and defines the class anew.
    let solution = format!("{imports}\n{}\n", row.text("solution_code")?.trim_end());
    Ok(Task::new(view, Tests::Unittest(tests), solution))
}

/// A class to be written method by method.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClassTask {
    /// As in [`TaskView::task_id`].
    pub task_id: String,
    /// Imports, then the class up to and with its constructor.
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

    /// Number of methods.
    pub fn n_methods(&self) -> usize {
        self.stubs.len()
    }

    /// Python to be continued with the body of method `index`, after the methods that were written before it.
    pub fn incremental(&self, index: usize, written: &[String]) -> String {
        format!("{}{}\n", self.assemble(written), self.stubs[index])
    }

    /// The same, with signature and docstring of all other methods in place of their code.
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

    /// The class with these methods, each a whole definition, however it is indented.
    pub fn assemble(&self, methods: &[String]) -> String {
        let mut class = format!("{}\n", self.head);
        for method in methods {
            class.push_str(&indented(method));
            class.push_str("\n\n");
        }
        class
    }

    /// Name of method `index`.
    pub fn method_name(&self, index: usize) -> &str {
        &self.names[index]
    }

    /// The publisher's own methods.
    pub fn canonical_methods(&self, _: &crate::ScoringPhase) -> &[String] {
        &self.solutions
    }
}

/// A definition as it stands in a class. The publisher's have only their first line at the margin; a model's may stand
/// there altogether.
fn indented(method: &str) -> String {
    const INDENT: usize = 4;
    let method = method.trim_end().trim_start_matches('\n');
    let width = |line: &str| line.len() - line.trim_start().len();
    let lines = || method.lines().filter(|line| !line.trim().is_empty());
    let first = lines().next().map_or(0, width);
    // The line after a decorator tells where the others stand, else the body, one level further in.
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
