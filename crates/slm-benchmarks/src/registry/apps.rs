//! APPS: problems of programming contests; programs read stdin, or define a function.
//!
//! Reads `train.jsonl` or `test.jsonl`. Problems without tests, which occur in the training part, are omitted.
//!
//! # Source
//! Hendrycks et al. 2021, arXiv:2105.09938; huggingface.co/datasets/codeparrot/apps.

use std::path::Path;

use slm_table::Exact;

use crate::fields::{Fields, texts};
use crate::format::{Data, Format, Reader};
use crate::literal::{python, tuple};
use crate::{
    BenchmarkError, CallTime, Calls, Expected, Oracle, OutputRule, StreamCase, Streams, Task,
    TaskView, Tests, docstring,
};

/// CPU seconds for each test, as in the publisher's own scorer.
const EACH_S: f64 = 4.0;
/// Names that the publisher's scorer (`eval/testing_util.py`) provides to every program.
///
/// Its numpy may be missing locally, which should affect only programs that use it. Its Python, 3.10 or older,
/// converts integers of any length to text.
const PRELUDE: &str = "\
import sys
import time
import itertools
from itertools import accumulate, product, permutations, combinations
import collections
from collections import Counter, OrderedDict, deque, defaultdict, ChainMap
from functools import lru_cache
import math
from math import sqrt, sin, cos, tan, ceil, fabs, floor, gcd, exp, log, log2
import fractions
from typing import List, Tuple
try:
    import numpy as np
except ImportError:
    pass
import random
import heapq
from heapq import *
if hasattr(sys, 'set_int_max_str_digits'):
    sys.set_int_max_str_digits(0)
";
/// Names that it also provides to programs that read and print.
const STREAM_PRELUDE: &str = "stdin = sys.stdin\nstdout = sys.stdout\n";

pub(crate) const FORMAT: Format = Format {
    name: "apps",
    data: Data {
        file: "test.jsonl",
        publisher: "huggingface.co/datasets/codeparrot/apps",
    },
    read: Reader::Whole(read),
};

fn read(path: &Path) -> Result<Vec<Task>, BenchmarkError> {
    let mut tasks = Vec::new();
    for row in slm_table::open(path)? {
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
            "field `input_output` has {n} inputs and {m} outputs, expected equal numbers"
        )));
    }
    if inputs.is_empty() {
        return Ok(None);
    }
    let starter = row.optional_text("starter_code")?.unwrap_or_default();
    let question = row.text("question")?;
    let (called, tests) = match cases.get("fn_name") {
        Some(Exact::Text(function)) => {
            let called = Called::of(function, starter);
            let tests = calls(row, &called.expression, inputs, outputs)?;
            (called, tests)
        }
        _ => (Called::default(), streams(row, inputs, outputs)?),
    };
    let id = if row.get("id").is_some() {
        "id"
    } else {
        "problem_id"
    };
    let view = TaskView {
        instruction: Some(with_starter(question, starter)),
        method: called.method,
        ..TaskView::new(
            format!("APPS/{}", row.id(id)?),
            docstring::module(&with_starter(question, starter)),
            &called.entry_point,
        )
    };
    let solutions = row.json("solutions")?;
    let solution = solutions
        .as_ref()
        .and_then(texts)
        .and_then(|all| all.into_iter().next());
    Ok(Some(Task::new(view, tests, solution.unwrap_or_default())))
}

/// The callee: if the starter code has a class `Solution`, its method. All fields are empty for a program that
/// prints.
#[derive(Debug, Default)]
pub(crate) struct Called {
    /// As in [`TaskView::entry_point`].
    pub(crate) entry_point: String,
    /// As in [`TaskView::method`].
    pub(crate) method: Option<String>,
    /// As in [`Calls::entry_point`].
    pub(crate) expression: String,
}

impl Called {
    pub(crate) fn of(function: &str, starter: &str) -> Self {
        if starter.contains("class Solution") {
            Self {
                entry_point: "Solution".to_owned(),
                method: Some(function.to_owned()),
                expression: format!("Solution().{function}"),
            }
        } else {
            Self {
                entry_point: function.to_owned(),
                method: None,
                expression: function.to_owned(),
            }
        }
    }
}

/// Joins a problem's text and the code that an answer must begin with.
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
        Exact::Array(items) => {
            let first = items.first().map(with_int_keys);
            let others = items.iter().skip(1).map(python);
            Ok(tuple(first.into_iter().chain(others)))
        }
        _ => Err(row.malformed("field `input_output` has a call whose input is not a list")),
    };
    let result = |output: &Exact| match output {
        Exact::Array(items) => {
            let items: Vec<String> = items.iter().map(with_int_keys).collect();
            format!("[{}]", items.join(", "))
        }
        other => with_int_keys(other),
    };
    Ok(Tests::Calls(Calls {
        entry_point: entry_point.to_owned(),
        prelude: PRELUDE.to_owned(),
        base: inputs.iter().map(arguments).collect::<Result<_, _>>()?,
        plus: None,
        expected: Expected::Values(outputs.iter().map(result).collect()),
        oracle: Oracle::Json { or_first: true },
        atol: 0.0,
        time: CallTime::each(EACH_S),
    }))
}

/// Writes a value as a Python expression; a dict whose keys are all whole numbers gets integer keys, which JSON
/// lacks.
fn with_int_keys(value: &Exact) -> String {
    let Exact::Object(fields) = value else {
        return python(value);
    };
    let keys: Option<Vec<String>> = fields.iter().map(|(key, _)| whole_number(key)).collect();
    let Some(keys) = keys else {
        return python(value);
    };
    let entries = keys.iter().zip(fields);
    let entries: Vec<String> = entries
        .map(|(key, (_, value))| format!("{key}: {}", python(value)))
        .collect();
    format!("{{{}}}", entries.join(", "))
}

/// Writes the result of Python's `int` on a text of ASCII digits as a literal.
fn whole_number(text: &str) -> Option<String> {
    let text = text.trim();
    let (sign, digits) = match text.strip_prefix('-') {
        Some(digits) => ("-", digits),
        None => ("", text.strip_prefix('+').unwrap_or(text)),
    };
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let significant = digits.trim_start_matches('0');
    let significant = if significant.is_empty() {
        "0"
    } else {
        significant
    };
    Some(format!("{sign}{significant}"))
}

fn streams(row: &Fields<'_>, inputs: &[Exact], outputs: &[Exact]) -> Result<Tests, BenchmarkError> {
    let line = |value: &Exact| match value {
        Exact::Text(text) => Some(text.clone()),
        _ => None,
    };
    // Some problems have a list of lines.
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
        prelude: format!("{PRELUDE}{STREAM_PRELUDE}"),
        cases: cases?,
        output: OutputRule::Apps,
        each_s: EACH_S,
    }))
}
