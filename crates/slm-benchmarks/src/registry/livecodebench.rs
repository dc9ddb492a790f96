//! `LiveCodeBench`, code generation: dated contest problems; programs read stdin, or define a method.
//!
//! The hidden tests are JSON, or (in the "lite" files) a pickled text of JSON, compressed with zlib, in base64; only
//! this one text is accepted in a pickle, since unpickling runs code.
//!
//! # Source
//! Jain et al. 2024, arXiv:2403.07974; `huggingface.co/datasets/livecodebench/code_generation_lite`.

use std::io::Read;

use base64::Engine;
use base64::engine::general_purpose::STANDARD_PAD_INDIFFERENT;
use flate2::read::ZlibDecoder;
use serde_json::Value;
use slm_table::Exact;

use super::apps::{Called, with_starter};
use crate::fields::{Fields, tasks_of_rows};
use crate::format::{Data, Format, Reader};
use crate::literal::{python, tuple};
use crate::{
    BenchmarkError, CallTime, Calls, Expected, Oracle, OutputRule, StreamCase, Streams, Task,
    TaskView, Tests, docstring,
};

/// Recursion limit, as in the publisher's scorer.
const RECURSION_LIMIT: u32 = 50_000;
/// Maximum digits of a printed integer, as in the publisher's scorer.
const INT_DIGITS: u32 = 50_000;
/// CPU seconds for each test, as in the publisher's own scorer.
const EACH_S: f64 = 6.0;
/// Limit of unpacked tests in bytes, which no genuine file exceeds.
const MOST_BYTES: u64 = 1 << 30;
/// Modules whose names the publisher's scorer (`lcb_runner/evaluation/testing_util.py`) provides to every program, in
/// its order.
const MODULES: [&str; 16] = [
    "string",
    "re",
    "datetime",
    "collections",
    "heapq",
    "bisect",
    "copy",
    "math",
    "random",
    "statistics",
    "itertools",
    "functools",
    "operator",
    "io",
    "sys",
    "json",
];

pub(crate) const FORMAT: Format = Format {
    name: "livecodebench",
    data: Data {
        file: "test.jsonl",
        publisher: "huggingface.co/datasets/livecodebench/code_generation_lite",
    },
    read: Reader::Whole(|path| tasks_of_rows(path, task)),
};

struct Case {
    input: String,
    output: String,
    functional: bool,
}

fn task(row: &Fields<'_>) -> Result<Task, BenchmarkError> {
    let public = cases(row, "public_test_cases", row.text("public_test_cases")?)?;
    let private = row.text("private_test_cases")?;
    let private = if private.trim_start().starts_with('[') {
        cases(row, "private_test_cases", private)?
    } else {
        let text = unpacked(private).ok_or_else(|| {
            row.malformed("field `private_test_cases` is neither JSON nor packed JSON")
        })?;
        cases(row, "private_test_cases", &text)?
    };
    let all: Vec<Case> = public.into_iter().chain(private).collect();
    if all.is_empty() {
        return Err(row.malformed(
            "fields `public_test_cases` and `private_test_cases` contain no test: every program would pass",
        ));
    }
    let starter = row.optional_text("starter_code")?.unwrap_or_default();
    let question = with_starter(row.text("question_content")?, starter);
    let metadata = row.json("metadata")?;
    let function = metadata
        .as_ref()
        .and_then(|data| data.get("func_name"))
        .and_then(Value::as_str);
    let (called, tests) = match function {
        Some(function) if all.iter().any(|case| case.functional) => {
            let called = Called::of(function, starter);
            let tests = calls(row, &called.expression, &all)?;
            (called, tests)
        }
        _ => (Called::default(), streams(all)),
    };
    let view = TaskView {
        instruction: Some(question.clone()),
        method: called.method,
        ..TaskView::new(
            format!("LiveCodeBench/{}", row.text("question_id")?),
            docstring::module(&question),
            &called.entry_point,
        )
    };
    Ok(Task::new(view, tests, String::new()))
}

fn cases(row: &Fields<'_>, name: &str, text: &str) -> Result<Vec<Case>, BenchmarkError> {
    let parsed = serde_json::from_str::<Value>(text)
        .map_err(|error| row.malformed(format!("field `{name}` is not JSON: {error}")))?;
    let case = |case: &Value| {
        let text = |name: &str| case.get(name)?.as_str().map(str::to_owned);
        Some(Case {
            input: text("input")?,
            output: text("output")?,
            functional: text("testtype")? == "functional",
        })
    };
    let cases = parsed
        .as_array()
        .and_then(|cases| cases.iter().map(case).collect());
    cases.ok_or_else(|| {
        row.malformed(format!(
            "field `{name}` is not a list of input, output and testtype"
        ))
    })
}

/// Returns the code that precedes every program. The order matters: `builtins` takes names such as `pow` and `open`
/// back from `math`, `operator` and `io`, and `typing` comes last.
fn prelude() -> String {
    let stars = MODULES.map(|module| format!("from {module} import *\n"));
    let names = MODULES.map(|module| format!("import {module}\n"));
    format!(
        "{}from builtins import *\nfrom typing import *\n{}sys.setrecursionlimit({RECURSION_LIMIT})\n\
         if hasattr(sys, 'set_int_max_str_digits'):\n    sys.set_int_max_str_digits({INT_DIGITS})\n",
        stars.concat(),
        names.concat()
    )
}

fn streams(cases: Vec<Case>) -> Tests {
    let cases = cases.into_iter().map(|case| StreamCase {
        stdin: case.input,
        stdout: case.output,
    });
    Tests::Streams(Streams {
        prelude: prelude(),
        cases: cases.collect(),
        output: OutputRule::LiveCodeBench,
        each_s: EACH_S,
    })
}

fn calls(row: &Fields<'_>, entry_point: &str, cases: &[Case]) -> Result<Tests, BenchmarkError> {
    let expression = |json: &str| {
        let value = Exact::parse(json.trim());
        value
            .map(|value| python(&value))
            .map_err(|problem| {
                row.malformed(format!(
                    "field `public_test_cases` or `private_test_cases` has a call that is not JSON: {problem}"
                ))
            })
    };
    let mut base = Vec::new();
    let mut outputs = Vec::new();
    for case in cases {
        let lines = case.input.lines().filter(|line| !line.trim().is_empty());
        let arguments: Vec<String> = lines.map(expression).collect::<Result<_, _>>()?;
        base.push(tuple(arguments));
        outputs.push(expression(&case.output)?);
    }
    Ok(Tests::Calls(Calls {
        entry_point: entry_point.to_owned(),
        prelude: prelude(),
        base,
        plus: None,
        expected: Expected::Values(outputs),
        oracle: Oracle::Json { or_first: false },
        atol: 0.0,
        time: CallTime::each(EACH_S),
    }))
}

/// Decodes base64, zlib, and a pickle that contains only a text.
fn unpacked(packed: &str) -> Option<String> {
    let mut pickle = Vec::new();
    ZlibDecoder::new(base64(packed)?.as_slice())
        .take(MOST_BYTES)
        .read_to_end(&mut pickle)
        .ok()?;
    unpickled_text(&pickle)
}

/// Decodes a base64 text, ignoring white space.
fn base64(text: &str) -> Option<Vec<u8>> {
    let text: String = text.split_ascii_whitespace().collect();
    STANDARD_PAD_INDIFFERENT.decode(text).ok()
}

/// Returns the only text of a pickle; `None` for a pickle with other contents.
///
/// # Source
/// The opcodes of `CPython`'s Lib/pickletools.py.
fn unpickled_text(pickle: &[u8]) -> Option<String> {
    fn take<'a>(rest: &mut &'a [u8], n: usize) -> Option<&'a [u8]> {
        let (taken, left) = rest.split_at_checked(n)?;
        *rest = left;
        Some(taken)
    }
    fn length(rest: &mut &[u8], n_bytes: usize) -> Option<usize> {
        let bytes = take(rest, n_bytes)?;
        let value = bytes
            .iter()
            .rev()
            .fold(0_u64, |value, &byte| value << 8 | u64::from(byte));
        usize::try_from(value).ok()
    }
    let (mut rest, mut text) = (pickle, None);
    loop {
        match take(&mut rest, 1)?[0] {
            // Protocol, frame, memo: ignored.
            0x80 | b'q' => drop(take(&mut rest, 1)?),
            0x95 => drop(take(&mut rest, 8)?),
            0x94 => {}
            b'r' => drop(take(&mut rest, 4)?),
            opcode @ (0x8c | b'X' | 0x8d) if text.is_none() => {
                let n_bytes = match opcode {
                    0x8c => 1,
                    b'X' => 4,
                    _ => 8,
                };
                let n = length(&mut rest, n_bytes)?;
                text = Some(String::from_utf8(take(&mut rest, n)?.to_vec()).ok()?);
            }
            b'.' => return text,
            _ => return None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_packed_text_is_unpacked() {
        // base64.b64encode(zlib.compress(pickle.dumps(json.dumps([...])))) in Python 3.11.
        let packed = "eJxrYJlqzQABPebR1UqZeQWlJUpWCkqGMXlKOgpK+aUlUIHDK0H8ktTikpLKglSQSHFJSmaeUm3sFD0AlaUUtA==";
        assert_eq!(
            unpacked(packed).as_deref(),
            Some("[{\"input\": \"1\\n\", \"output\": \"é\", \"testtype\": \"stdin\"}]")
        );
    }

    #[test]
    fn a_pickle_of_anything_else_is_refused() {
        // pickle.dumps(["a"]) and pickle.dumps(os.system), protocol 4.
        assert_eq!(
            unpickled_text(b"\x80\x04\x95\x07\x00\x00\x00\x00\x00\x00\x00]\x94\x8c\x01a\x94a."),
            None
        );
        assert_eq!(
            unpickled_text(b"\x80\x04\x8c\x05posix\x94\x8c\x06system\x94\x93\x94."),
            None
        );
        assert_eq!(unpickled_text(b"\x80\x04\x8c\xff"), None);
        assert_eq!(base64("YWJj"), Some(b"abc".to_vec()));
        assert_eq!(base64("YQ=="), Some(b"a".to_vec()));
        assert_eq!(base64("Y!"), None);
    }
}
