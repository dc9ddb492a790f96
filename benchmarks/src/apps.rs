//! APPS: problems of programming contests; programs read stdin, or define a function.
//!
//! Read is `train.jsonl` or `test.jsonl`. Problems without tests, of which the training part has some, are left out.
//!
//! # Source
//! Hendrycks et al. 2021, arXiv:2105.09938; huggingface.co/datasets/codeparrot/apps.

use std::path::Path;

use serde_json::Value;

use crate::fields::{Fields, texts};
use crate::literal::{python_value, tuple};
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
    let Some(cases) = row.json("input_output")? else {
        return Ok(None);
    };
    let list = |name: &str| -> Result<&[Value], BenchmarkError> {
        let list = cases.get(name).and_then(Value::as_array);
        list.map(Vec::as_slice)
            .ok_or_else(|| row.malformed(format!("`input_output` has no list `{name}`")))
    };
    let (inputs, outputs) = (list("inputs")?, list("outputs")?);
    if inputs.len() != outputs.len() {
        let (n, m) = (inputs.len(), outputs.len());
        return Err(row.malformed(format!("{n} inputs and {m} outputs, expected as many")));
    }
    if inputs.is_empty() {
        return Ok(None);
    }
    let starter = row.optional_text("starter_code")?.unwrap_or_default();
    let question = row.text("question")?;
    let function = cases.get("fn_name").and_then(Value::as_str);
    let (entry_point, tests) = match function {
        Some(function) => {
            let entry_point = method_or_function(function, starter);
            let tests = calls(row, &entry_point, inputs, outputs)?;
            let name = if entry_point == function {
                function
            } else {
                "Solution"
            };
            (name, tests)
        }
        None => ("", streams(row, inputs, outputs)?),
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
    inputs: &[Value],
    outputs: &[Value],
) -> Result<Tests, BenchmarkError> {
    let arguments = |input: &Value| Some(tuple(input.as_array()?.iter().map(python_value)));
    let base: Option<Vec<String>> = inputs.iter().map(arguments).collect();
    Ok(Tests::Calls(Calls {
        entry_point: entry_point.to_owned(),
        prelude: String::new(),
        base: base.ok_or_else(|| row.malformed("the input of a call is not a list"))?,
        plus: None,
        expected: Expected::Values(outputs.iter().map(python_value).collect()),
        oracle: Oracle::Json { or_first: true },
        atol: 0.0,
        time: CallTime::each(EACH_S),
    }))
}

fn streams(row: &Fields<'_>, inputs: &[Value], outputs: &[Value]) -> Result<Tests, BenchmarkError> {
    // Some problems have their lines as a list.
    let text = |value: &Value| match value {
        Value::String(text) => Some(text.clone()),
        Value::Array(_) => texts(value).map(|lines| lines.join("\n")),
        _ => None,
    };
    let case = |(input, output)| {
        Some(StreamCase {
            stdin: text(input)?,
            stdout: text(output)?,
        })
    };
    let cases: Option<Vec<StreamCase>> = inputs.iter().zip(outputs).map(case).collect();
    Ok(Tests::Streams(Streams {
        prelude: String::new(),
        cases: cases.ok_or_else(|| row.malformed("an input or output is not text"))?,
        tolerance: 1e-6,
        each_s: EACH_S,
    }))
}
