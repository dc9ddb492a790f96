//! APPS: problems of programming contests; programs read stdin, or define a function.
//!
//! Read is `train.jsonl` or `test.jsonl`. Problems without tests, of which the training part has some, are left out.
//!
//! # Source
//! Hendrycks et al. 2021, arXiv:2105.09938; huggingface.co/datasets/codeparrot/apps.

use std::path::Path;

use table::Exact;

use crate::fields::{Fields, texts};
use crate::literal::{python, tuple};
use crate::registry::{Data, Format};
use crate::{
    BenchmarkError, CallTime, Calls, Expected, Oracle, StreamCase, Streams, Task, TaskView, Tests,
    docstring,
};

/// Seconds for each test, as in the publisher's own scorer.
const EACH_S: f64 = 4.0;

pub(crate) const FORMAT: Format = Format {
    name: "apps",
    data: Data {
        file: "test.jsonl",
        publisher: "huggingface.co/datasets/codeparrot/apps",
    },
    read,
};

fn read(path: &Path) -> Result<Vec<Task>, BenchmarkError> {
    let mut tasks = Vec::new();
    for row in table::open(path)? {
        tasks.extend(task(&Fields::of(&row?))?);
    }
    Ok(tasks)
}

fn task(row: &Fields<'_>) -> Result<Option<Task>, BenchmarkError> {
    let Some(cases) = row.exact("input_output")? else {
        return Ok(None);
    };
    let list = |name: &str| match cases.get(name) {
        Some(Exact::Array(items)) => Ok(items.as_slice()),
        _ => Err(row.malformed(format!("field `input_output` has no list `{name}`"))),
    };
    let (inputs, outputs) = (list("inputs")?, list("outputs")?);
    if inputs.len() != outputs.len() {
        let (n, m) = (inputs.len(), outputs.len());
        return Err(row.malformed(format!(
            "field `input_output` has {n} inputs and {m} outputs, expected as many"
        )));
    }
    if inputs.is_empty() {
        return Ok(None);
    }
    let starter = row.optional_text("starter_code")?.unwrap_or_default();
    let question = row.text("question")?;
    let (entry_point, tests) = match cases.get("fn_name") {
        Some(Exact::Text(function)) => {
            let entry_point = method_or_function(function, starter);
            let tests = calls(row, &entry_point, inputs, outputs)?;
            let name = if entry_point == *function {
                function.as_str()
            } else {
                "Solution"
            };
            (name, tests)
        }
        _ => ("", streams(row, inputs, outputs)?),
    };
    let id = if row.get("id").is_some() {
        "id"
    } else {
        "problem_id"
    };
    let view = TaskView {
        instruction: Some(with_starter(question, starter)),
        ..TaskView::new(
            format!("APPS/{}", row.id(id)?),
            docstring::module(&with_starter(question, starter)),
            entry_point,
        )
    };
    let solutions = row.json("solutions")?;
    let solution = solutions
        .as_ref()
        .and_then(texts)
        .and_then(|all| all.into_iter().next());
    Ok(Some(Task::new(view, tests, solution.unwrap_or_default())))
}

/// What is called: where the starter code has a class `Solution`, its method.
pub(crate) fn method_or_function(function: &str, starter: &str) -> String {
    if starter.contains("class Solution") {
        format!("Solution().{function}")
    } else {
        function.to_owned()
    }
}

/// A problem's text, and the code that an answer must begin with.
pub(crate) fn with_starter(question: &str, starter: &str) -> String {
    if starter.trim().is_empty() {
        question.trim().to_owned()
    } else {
        format!(
            "{}\n\nStart from this code:\n{}",
            question.trim(),
            starter.trim_end()
        )
    }
}

fn calls(
    row: &Fields<'_>,
    entry_point: &str,
    inputs: &[Exact],
    outputs: &[Exact],
) -> Result<Tests, BenchmarkError> {
    let arguments = |input: &Exact| match input {
        Exact::Array(items) => Ok(tuple(items.iter().map(python))),
        _ => Err(row.malformed("field `input_output` has a call whose input is not a list")),
    };
    Ok(Tests::Calls(Calls {
        entry_point: entry_point.to_owned(),
        prelude: String::new(),
        base: inputs.iter().map(arguments).collect::<Result<_, _>>()?,
        plus: None,
        expected: Expected::Values(outputs.iter().map(python).collect()),
        oracle: Oracle::Json { or_first: true },
        atol: 0.0,
        time: CallTime::each(EACH_S),
    }))
}

fn streams(row: &Fields<'_>, inputs: &[Exact], outputs: &[Exact]) -> Result<Tests, BenchmarkError> {
    let line = |value: &Exact| match value {
        Exact::Text(text) => Some(text.clone()),
        _ => None,
    };
    // Some problems have their lines as a list.
    let text = |value: &Exact| {
        let text = match value {
            Exact::Array(lines) => {
                let lines: Option<Vec<String>> = lines.iter().map(line).collect();
                lines.map(|lines| lines.join("\n"))
            }
            other => line(other),
        };
        text.ok_or_else(|| {
            row.malformed("field `input_output` has an input or output that is not text")
        })
    };
    let case = |(input, output)| {
        Ok(StreamCase {
            stdin: text(input)?,
            stdout: text(output)?,
        })
    };
    let cases: Result<Vec<StreamCase>, BenchmarkError> =
        inputs.iter().zip(outputs).map(case).collect();
    Ok(Tests::Streams(Streams {
        prelude: String::new(),
        cases: cases?,
        tolerance: 1e-6,
        each_s: EACH_S,
    }))
}
