//! `HumanEval`+ and MBPP+: the same tasks with many more inputs; a reference program defines the correct results.
//!
//! Inputs are read with all their digits and with `NaN` and `Infinity`, and passed on as Python expressions, in which
//! the types that JSON lacks (tuples, sets, complex numbers) are restored. Both releases of MBPP+ (0.1.0, which the
//! published scores of Qwen2.5-Coder use, and 0.2.0) have the same format; each is scored by the rules of its time:
//! the equality of sets and two second programs were introduced with 0.2.0.
//!
//! The parquet files of the hub's data sets have another form, see [`hub`].
//!
//! # Source
//! Liu et al. 2023, arXiv:2305.01210; PyPI's `evalplus` 0.3.1 (for the early release 0.2.1) for
//! types, special cases and time limits.

mod arguments;
mod hub;
mod test_program;

use std::fs::File;
use std::io::Read;
use std::path::Path;

use slm_table::{Exact, Place};

use super::humaneval;
use crate::format::{Data, Format, Reader};
use crate::literal::{python, tuple};
use crate::{BenchmarkError, CallTime, Calls, Expected, Oracle, Task, TaskView, Tests};
use arguments::mbpp_arguments;

pub(crate) const HUMANEVAL_PLUS: Format = Format {
    name: "humaneval+",
    data: Data {
        file: "HumanEvalPlus.jsonl.gz",
        publisher: "github.com/evalplus/humanevalplus_release/releases",
    },
    read: Reader::Whole(read_humaneval_plus),
};

pub(crate) const MBPP_PLUS: Format = Format {
    name: "mbpp+",
    data: Data {
        file: "MbppPlus.jsonl.gz",
        publisher: "github.com/evalplus/mbppplus_release/releases",
    },
    read: Reader::Whole(read_mbpp_plus),
};

/// Maximum absolute value of a polynomial at its zero, by the rules of `EvoEval`.
pub(super) const ZERO: f64 = 1e-6;

/// The family of tasks, which determines the exceptions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Family {
    HumanEval,
    /// MBPP+ 0.2.0.
    Mbpp,
    /// MBPP+ 0.1.0, whose verdicts were made when fewer exceptions existed.
    EarlyMbpp,
    /// Reworded tasks of `HumanEval`, by the rules of `EvoEval`.
    Evo,
}

/// Tasks of MBPP+ 0.1.0 that 0.2.0 omits, by number.
const EARLY_TASKS: [u32; 21] = [
    83, 115, 117, 143, 164, 229, 249, 295, 396, 400, 407, 431, 438, 442, 461, 574, 582, 595, 640,
    746, 783,
];

fn read_humaneval_plus(path: &Path) -> Result<Vec<Task>, BenchmarkError> {
    read(path, Family::HumanEval, HUMANEVAL_PLUS.data)
}

fn read_mbpp_plus(path: &Path) -> Result<Vec<Task>, BenchmarkError> {
    read(path, Family::Mbpp, MBPP_PLUS.data)
}

/// Reads `HumanEval`+ as reworded by `EvoEval`, with its rules; `data` is the file that it publishes.
///
/// # Errors
/// The file cannot be read or is in another format.
pub(super) fn read_reworded(path: &Path, data: Data) -> Result<Vec<Task>, BenchmarkError> {
    read(path, Family::Evo, data)
}

fn read(path: &Path, mut family: Family, data: Data) -> Result<Vec<Task>, BenchmarkError> {
    if is_parquet(path) {
        return hub::read(path, family, data);
    }
    let mut rows = Vec::new();
    for line in slm_table::lines(path)? {
        let (place, text) = line?;
        match Exact::parse(text.trim_end()) {
            Ok(row) => rows.push((place, row)),
            Err(problem) => {
                return Err(BenchmarkError::Malformed {
                    place: place.to_string(),
                    problem: format!("not JSON: {problem}"),
                });
            }
        }
    }
    let rows: Vec<Row> = rows.iter().map(|(place, row)| Row { place, row }).collect();
    let is_of_hub = |row: &Row| match row.row.get("test") {
        Some(Exact::Text(test)) => hub::is_test_program(test),
        _ => false,
    };
    if rows.first().is_some_and(is_of_hub) {
        return hub::read(path, family, data);
    }
    let is_original = |row: &Row| {
        let has = |name| row.row.get(name).is_some();
        !has("plus_input") && (has("test") || has("test_list"))
    };
    if rows.first().is_some_and(is_original) {
        return Err(BenchmarkError::WantsRelease {
            path: path.to_owned(),
            found: "the original benchmark, without the tests that EvalPlus added",
            file: data.file,
            publisher: data.publisher,
        });
    }
    let of_early_release = |row: &Row| row.number().is_ok_and(is_early);
    if family == Family::Mbpp && rows.iter().any(of_early_release) {
        family = Family::EarlyMbpp;
    }
    rows.iter().map(|row| row.task(family)).collect()
}

/// Whether the task of this number is only in MBPP+ 0.1.0.
fn is_early(number: u32) -> bool {
    EARLY_TASKS.contains(&number)
}

/// Whether a file is parquet or called so, as the copies on the hub are; false if it cannot be read.
fn is_parquet(path: &Path) -> bool {
    if path.extension().is_some_and(|ending| ending == "parquet") {
        return true;
    }
    let mut magic = [0; 4];
    File::open(path)
        .and_then(|mut file| file.read_exact(&mut magic))
        .is_ok_and(|()| &magic == b"PAR1")
}

struct Row<'a> {
    place: &'a Place,
    row: &'a Exact,
}

impl<'a> Row<'a> {
    fn malformed(&self, problem: impl Into<String>) -> BenchmarkError {
        BenchmarkError::Malformed {
            place: self.place.to_string(),
            problem: problem.into(),
        }
    }

    fn need(&self, name: &str) -> Result<&'a Exact, BenchmarkError> {
        self.row.get(name).ok_or_else(|| {
            self.malformed(format!(
                "no field `{name}`\nhint: is this the data file of another benchmark?"
            ))
        })
    }

    fn text(&self, name: &str) -> Result<&'a str, BenchmarkError> {
        match self.need(name)? {
            Exact::Text(text) => Ok(text),
            _ => Err(self.malformed(format!("field `{name}` is not a string"))),
        }
    }

    /// Returns the arguments of each call.
    fn inputs(&self, name: &str) -> Result<Vec<&'a [Exact]>, BenchmarkError> {
        let lists = || match self.need(name) {
            Ok(Exact::Array(inputs)) => inputs
                .iter()
                .map(|input| match input {
                    Exact::Array(arguments) => Some(arguments.as_slice()),
                    _ => None,
                })
                .collect(),
            // The publisher writes an empty object if there are no inputs.
            Ok(Exact::Object(fields)) if fields.is_empty() => Some(Vec::new()),
            _ => None,
        };
        self.need(name)?;
        lists().ok_or_else(|| self.malformed(format!("field `{name}` is not a list of lists")))
    }

    /// Returns the number at the end of the task's id.
    fn number(&self) -> Result<u32, BenchmarkError> {
        let task_id = self.text("task_id")?;
        let number = task_id
            .rsplit('/')
            .next()
            .and_then(|text| text.parse().ok());
        number.ok_or_else(|| {
            self.malformed(format!(
                "task id `{task_id}`, expected one that ends in a number"
            ))
        })
    }

    fn atol(&self) -> Result<f64, BenchmarkError> {
        let atol = match self.need("atol")? {
            Exact::Number(text) => text.parse().ok(),
            _ => None,
        };
        atol.ok_or_else(|| self.malformed("field `atol` is not a number"))
    }

    fn task(&self, family: Family) -> Result<Task, BenchmarkError> {
        let task_id = self.text("task_id")?;
        let (prompt, entry_point) = (self.text("prompt")?, self.text("entry_point")?);
        let solution = self.text("canonical_solution")?;
        let atol = match family {
            Family::Evo => ZERO,
            Family::HumanEval | Family::Mbpp | Family::EarlyMbpp => self.atol()?,
        };
        let expression: fn(u32, &[Exact]) -> String = match family {
            Family::HumanEval | Family::Evo => |_, input| tuple(input.iter().map(python)),
            Family::Mbpp | Family::EarlyMbpp => mbpp_arguments,
        };
        let number = self.number()?;
        let calls = |name: &str| -> Result<Vec<String>, BenchmarkError> {
            let inputs = self.inputs(name)?;
            Ok(inputs
                .iter()
                .map(|input| expression(number, input))
                .collect())
        };
        let tests = Tests::Calls(Calls {
            entry_point: entry_point.to_owned(),
            prelude: String::new(),
            base: calls("base_input")?,
            plus: Some(calls("plus_input")?),
            expected: Expected::Reference(format!("{prompt}{solution}")),
            oracle: oracle(family, entry_point),
            atol,
            time: CallTime::EVALPLUS,
        });
        let view = match family {
            Family::HumanEval | Family::Evo => humaneval::view(task_id, prompt, entry_point),
            Family::Mbpp | Family::EarlyMbpp => mbpp_view(task_id, prompt, entry_point),
        };
        Ok(Task::new(view, tests, solution.to_owned()))
    }
}

/// Returns the view of an MBPP+ task, whose prompt contains one assert.
fn mbpp_view(task_id: &str, prompt: &str, entry_point: &str) -> TaskView {
    let mut view = TaskView::new(task_id, prompt.to_owned(), entry_point);
    let asserts = prompt.lines().filter(|line| line.starts_with("assert "));
    view.public_examples = asserts.take(1).map(str::to_owned).collect();
    view
}

/// Returns the rule for comparing the results of a function; the exceptions are EvalPlus's.
fn oracle(family: Family, entry_point: &str) -> Oracle {
    match (family, entry_point) {
        (Family::HumanEval | Family::Evo, "find_zero") => {
            Oracle::ZeroOf("def find_zero(xs):\n    return xs\n".to_owned())
        }
        (Family::Evo, _) => Oracle::Typed,
        // Mbpp/164: the published tests contradict the task's text.
        (Family::Mbpp | Family::EarlyMbpp, "are_equivalent") => Oracle::Anything,
        // Mbpp/295: for 0 and 1 it is undefined whether a number divides itself.
        (Family::Mbpp | Family::EarlyMbpp, "sum_div") => Oracle::OrZero,
        // Mbpp/581: "height" may be the slant height or the perpendicular one.
        (Family::Mbpp, "surface_Area") => Oracle::OrWithin(PERPENDICULAR.to_owned()),
        // Mbpp/558: numbers of different length may be padded with zeros.
        (Family::Mbpp, "digit_distance_nums") => Oracle::OrEqualTo(PADDED.to_owned()),
        (
            Family::Mbpp,
            "similar_elements"
            | "find_char_long"
            | "common_in_nested_lists"
            | "extract_singly"
            | "larg_nnum"
            | "intersection_array"
            | "find_dissimilar"
            | "Diff",
        ) => Oracle::SetEqual,
        // Their results are match objects or texts for yes and no.
        (
            Family::Mbpp | Family::EarlyMbpp,
            "check_str" | "text_match_three" | "text_starta_endb",
        ) => Oracle::NotNone,
        _ => Oracle::Equal,
    }
}

const PERPENDICULAR: &str = "\
import math
def surface_Area(base, height):
    slant = math.sqrt((base / 2) ** 2 + height ** 2)
    return round(base ** 2 + 4 * (base * slant) / 2)
";

const PADDED: &str = "\
def digit_distance_nums(first, second):
    digits = str(first), str(second)
    width = max(map(len, digits))
    return sum(abs(int(a) - int(b)) for a, b in zip(*(d.zfill(width) for d in digits)))
";
