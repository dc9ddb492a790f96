//! The kinds of hidden tests: assertions, calls with known results, programs over stdin, and unittest classes.

use std::borrow::Cow;

use serde::Serialize;

use crate::repository_tests::RepositoryTests;

/// The hidden tests of a task.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub enum Tests {
    /// Python that raises if the program is wrong.
    Asserts(Asserts),
    /// Calls of the entry point, compared with expected results.
    Calls(Calls),
    /// Whole programs that read stdin and print.
    Streams(Streams),
    /// Classes of Python's `unittest`.
    Unittest(Unittest),
    /// Tests of the repository that contains the task's function.
    Repository(RepositoryTests),
    /// No tests: programs are only measured.
    Measured,
}

/// Python that raises if the program is wrong.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Asserts {
    /// Definitions that program and tests share, run before both: classes whose instances both use.
    pub preamble: String,
    /// Runs once before the tests, with access to the program's names.
    pub setup: String,
    /// The tests, usually one `assert` each.
    pub tests: Vec<String>,
}

/// Calls of the entry point, compared with expected results.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Calls {
    /// The callee, as an expression in the program's namespace: `f`, or `Solution().f`.
    pub entry_point: String,
    /// Precedes the program, for example the imports that the publisher provides.
    pub prelude: String,
    /// Arguments of each call, as a Python expression for a tuple.
    pub base: Vec<String>,
    /// The same for the benchmark's extra tests; `None` without extra tests.
    pub plus: Option<Vec<String>>,
    /// The source of the expected results.
    pub expected: Expected,
    /// The rule for comparing results.
    pub oracle: Oracle,
    /// Absolute tolerance of numbers; 0 requires equality, except for floats in [`Oracle::Equal`] (see there).
    pub atol: f64,
    /// The time limits of a call.
    pub time: CallTime,
}

/// The source of the expected results of [`Calls`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub enum Expected {
    /// A program with the same entry point, run once on the same arguments.
    Reference(String),
    /// Python expressions, one for each base call.
    Values(Vec<String>),
}

/// The rule for comparing a result with the expected one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub enum Oracle {
    /// Equal by Python's `==`. Otherwise, if a tolerance is set, or the expected value is a float or a sequence of
    /// floats (then the tolerance is 1e-6, also for all later calls): of the same type, and close by numpy's
    /// `allclose` with a relative tolerance of 1e-7.
    ///
    /// # Source
    /// The rules of EvalPlus 0.3.1, which the published verdicts follow.
    Equal,
    /// As [`Oracle::Equal`], but with equality of the sets of elements.
    SetEqual,
    /// Both results must be `None`, or neither; a boolean result means whether it is not `None`.
    NotNone,
    /// Every result is correct.
    Anything,
    /// As [`Oracle::Equal`], but 0 is always correct, too.
    OrZero,
    /// As [`Oracle::Equal`], but results within the absolute tolerance of this program's are correct, too.
    OrWithin(String),
    /// As [`Oracle::Equal`], but results equal to this program's are correct, too.
    OrEqualTo(String),
    /// A zero, up to the absolute tolerance, of the polynomial whose coefficients (constant first) this program
    /// returns.
    ZeroOf(String),
    /// Equal in value and type, recursively: `1` is neither `1.0` nor `True`. Floats and sequences of floats are
    /// compared with numpy's `allclose`, with its default relative tolerance of 1e-5 and an absolute one of 1e-6.
    ///
    /// # Source
    /// PyPI's `evoeval` 0.1.0.
    Typed,
    /// Any solution of a puzzle that has several solutions.
    Puzzle {
        /// The puzzle.
        puzzle: Puzzle,
        /// A program that returns the arguments of a call.
        arguments: String,
    },
    /// Equal after tuples are converted to lists: results that were written as JSON.
    Json {
        /// Whether the first element of the expected list is correct, too.
        or_first: bool,
    },
}

impl Oracle {
    /// Returns the program whose results decide, besides those of the reference, what is correct.
    pub fn second_program(&self) -> Option<&str> {
        match self {
            Self::OrWithin(program)
            | Self::OrEqualTo(program)
            | Self::ZeroOf(program)
            | Self::Puzzle {
                arguments: program, ..
            } => Some(program),
            Self::Equal
            | Self::SetEqual
            | Self::NotNone
            | Self::Anything
            | Self::OrZero
            | Self::Typed
            | Self::Json { .. } => None,
        }
    }
}

/// Tasks of `EvoEval` whose results are checked by their purpose.
///
/// # Source
/// PyPI's `evoeval` 0.1.0, oddities included.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub enum Puzzle {
    /// For a text: a palindrome, ignoring case, that begins with the text and is as long as the reference's.
    Palindrome,
    /// For coefficients and an interval: a zero of the polynomial in it, up to 0.02; `None` if the reference returns
    /// `None`.
    ZeroInInterval,
    /// For a maze, start and end: moves (`right`, `left`, `up`, `down`) from one to the other through cells that are
    /// not 1; an empty list if the reference finds none.
    Moves,
    /// For a maze, start and end: neighbouring cells from one to the other that are not 0; an empty list if the
    /// reference finds none.
    Cells,
    /// For numbers and a product: a tuple of two ascending indices of numbers with this product; the reference's text
    /// if the reference returns text.
    Factors,
}

/// The time limits of the [`Calls`], in seconds of CPU time.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct CallTime {
    /// Minimum limit of a call.
    pub least_s: f64,
    /// Multiple of the reference's time that is the limit, if that is longer.
    pub times_reference: f64,
    /// Limit for all calls of a suite together.
    pub all_s: f64,
}

impl CallTime {
    /// The limits of EvalPlus 0.3.1.
    pub const EVALPLUS: Self = Self {
        least_s: 1.0,
        times_reference: 4.0,
        all_s: 60.0,
    };

    /// Creates a fixed limit for each call, without a reference.
    pub const fn each(seconds: f64) -> Self {
        Self {
            least_s: seconds,
            times_reference: 0.0,
            all_s: 60.0,
        }
    }
}

/// Whole programs that read stdin and print.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Streams {
    /// Precedes the program, for example the imports that the publisher provides.
    pub prelude: String,
    /// Input and expected output of each run.
    pub cases: Vec<StreamCase>,
    /// The rule for comparing outputs.
    pub output: OutputRule,
    /// Limit of CPU seconds for each run.
    pub each_s: f64,
}

/// The publisher's rule by which an output is correct, besides the expected one itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub enum OutputRule {
    /// The same number of lines, each equal except for surrounding white space, or with decimals that are equal word
    /// by word.
    LiveCodeBench,
    /// Equal except for white space around lines and for empty lines; or lines of numbers that are close by numpy's
    /// `allclose`; or, as a last resort, the same set of lines as sets of words, or of numbers rounded to three
    /// digits.
    Apps,
}

/// One run of a program.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct StreamCase {
    /// The input.
    pub stdin: String,
    /// The expected output, compared by the [`OutputRule`].
    pub stdout: String,
}

/// Classes of Python's `unittest`. They patch and inspect the program, so they run in its own process, where a
/// hostile program can forge its verdict.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Unittest {
    /// The module with the classes, run after the program in its namespace.
    pub source: String,
    /// Class and method name of each test.
    pub methods: Vec<(String, String)>,
}

impl Calls {
    /// Returns the callee in a program. The publishers of contests, whose results are [`Oracle::Json`], call the
    /// method of a class `Solution` if the program's text contains that class, else the function of that name.
    ///
    /// # Source
    /// `run_test` and `compile_code` of the scorers of APPS and `LiveCodeBench`.
    pub fn called_in(&self, program: &str) -> Cow<'_, str> {
        let is_contest = matches!(self.oracle, Oracle::Json { .. });
        let function = self.entry_point.strip_prefix(OWNER);
        match (program.contains("class Solution"), function) {
            (false, Some(function)) if is_contest => function.into(),
            (true, None) if is_contest => format!("{OWNER}{}", self.entry_point).into(),
            _ => self.entry_point.as_str().into(),
        }
    }
}

/// Precedes the name of a method.
const OWNER: &str = "Solution().";

impl Tests {
    /// Returns the number of tests, extra ones included.
    pub fn len(&self) -> usize {
        match self {
            Self::Asserts(asserts) => asserts.tests.len(),
            Self::Calls(calls) => calls.base.len() + calls.plus.as_ref().map_or(0, Vec::len),
            Self::Streams(streams) => streams.cases.len(),
            Self::Unittest(unittest) => unittest.methods.len(),
            Self::Repository(repository) => repository.tests.len(),
            Self::Measured => 0,
        }
    }

    /// Whether there are no tests.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Creates assertions without setup and preamble.
    pub(crate) fn plain(tests: Vec<String>) -> Self {
        Self::Asserts(Asserts {
            preamble: String::new(),
            setup: String::new(),
            tests,
        })
    }
}

impl Unittest {
    /// Finds the tests of a module: methods that begin with `test`, of classes with `TestCase` among their bases.
    pub(crate) fn of(source: String) -> Self {
        let mut methods = Vec::new();
        let mut class: Option<&str> = None;
        for line in source.lines() {
            if let Some(definition) = line.strip_prefix("class ") {
                let name = definition.split(['(', ':']).next().unwrap_or_default();
                class = definition.contains("TestCase").then_some(name.trim());
            } else if let Some(definition) = line.trim_start().strip_prefix("def test")
                && line.starts_with([' ', '\t'])
                && let Some(class) = class
                && let Some((name, _)) = definition.split_once('(')
            {
                let method = (class.to_owned(), format!("test{name}"));
                // Python keeps the last of two methods with the same name.
                if !methods.contains(&method) {
                    methods.push(method);
                }
            }
        }
        Self { source, methods }
    }
}

#[cfg(test)]
mod checks {
    use super::*;

    #[test]
    fn a_program_of_a_contest_says_by_its_class_what_is_called() {
        let calls = |entry_point: &str, oracle| Calls {
            entry_point: entry_point.to_owned(),
            prelude: String::new(),
            base: Vec::new(),
            plus: None,
            expected: Expected::Values(Vec::new()),
            oracle,
            atol: 0.0,
            time: CallTime::EVALPLUS,
        };
        let json = || Oracle::Json { or_first: false };
        let (class, function) = ("class Solution:\n    def f(self): ...", "def f(): ...");
        for (entry_point, oracle, program, expected) in [
            ("Solution().f", json(), class, "Solution().f"),
            ("Solution().f", json(), function, "f"),
            ("f", json(), class, "Solution().f"),
            ("f", json(), function, "f"),
            ("f", Oracle::Equal, class, "f"),
        ] {
            let calls = calls(entry_point, oracle);
            assert_eq!(
                calls.called_in(program),
                expected,
                "{entry_point} {program}"
            );
        }
    }

    #[test]
    fn the_methods_of_test_classes_are_found() {
        let source = "\
import unittest
class Helper:
    def test_nothing(self): pass
class A(unittest.TestCase):
    def setUp(self): pass
    def test_one(self):
        def test_inner(): pass
    def test_two(self): pass
    def test_two(self): pass
class B(TestCase):
\tdef test_three(self): pass
def test_function(): pass
";
        let methods = Unittest::of(source.to_owned()).methods;
        let names: Vec<String> = methods.iter().map(|(c, m)| format!("{c}.{m}")).collect();
        assert_eq!(
            names,
            ["A.test_one", "A.test_inner", "A.test_two", "B.test_three"]
        );
    }
}
