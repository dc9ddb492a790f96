//! What hidden tests can be: assertions, calls with known results, dialogues over stdin, and unittest classes.

use std::borrow::Cow;

use serde::Serialize;

/// The hidden tests of a task.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub enum Tests {
    /// Python that raises if the program is wrong.
    Asserts(Asserts),
    /// Calls of the entry point, whose results are compared with known ones.
    Calls(Calls),
    /// Whole programs that read stdin and print.
    Streams(Streams),
    /// Classes of Python's `unittest`.
    Unittest(Unittest),
}

/// Python that raises if the program is wrong.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Asserts {
    /// Definitions that program and tests share, run before both: classes of which instances go between them.
    pub preamble: String,
    /// Run once before the tests, with the program's names at hand.
    pub setup: String,
    /// Each a test, usually one `assert`.
    pub tests: Vec<String>,
}

/// Calls of the entry point, whose results are compared with known ones.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Calls {
    /// What is called, as an expression in the program's namespace: `f`, or `Solution().f`.
    pub entry_point: String,
    /// Stands before the program, such as the imports that the publisher grants.
    pub prelude: String,
    /// Arguments of each call, as a Python expression that gives a tuple.
    pub base: Vec<String>,
    /// The same for the benchmark's extra tests; `None` if it has none.
    pub plus: Option<Vec<String>>,
    /// Where the right results come from.
    pub expected: Expected,
    /// How results are compared.
    pub oracle: Oracle,
    /// Absolute tolerance of numbers; 0 asks for equality, except of floats in [`Oracle::Equal`] (see there).
    pub atol: f64,
    /// How long a call may take.
    pub time: CallTime,
}

/// Where the right results of [`Calls`] come from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub enum Expected {
    /// A program with the same entry point, run once on the same arguments.
    Reference(String),
    /// Python expressions, one for each base call.
    Values(Vec<String>),
}

/// How a result is compared with the right one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub enum Oracle {
    /// Equal by Python's `==`. Otherwise, where a tolerance is set, or the expected value is a float or a sequence of
    /// floats (then it is 1e-6, also for all later calls): of the same type, and close as numpy's `allclose` with a
    /// relative tolerance of 1e-7 has it.
    ///
    /// # Source
    /// The rules of EvalPlus 0.3.1, which the published verdicts follow.
    Equal,
    /// The same, but equality is that of the sets of elements.
    SetEqual,
    /// Whether the result is `None` must agree; a result that is a boolean stands for the answer itself.
    NotNone,
    /// Whatever is returned is right.
    Anything,
    /// As [`Oracle::Equal`], but 0 is always right, too.
    OrZero,
    /// As [`Oracle::Equal`], but right also within the absolute tolerance of what this program returns.
    OrWithin(String),
    /// As [`Oracle::Equal`], but right also if equal to what this program returns.
    OrEqualTo(String),
    /// A zero, up to the absolute tolerance, of the polynomial whose coefficients, the constant first, this program
    /// returns.
    ZeroOf(String),
    /// Equal in value and in type, also of every part: `1` is neither `1.0` nor `True`. Floats and sequences of floats
    /// agree as numpy's `allclose` has it, with its own relative tolerance of 1e-5 and an absolute one of 1e-6.
    ///
    /// # Source
    /// PyPI's `evoeval` 0.1.0.
    Typed,
    /// Whatever solves a puzzle that has several solutions.
    Puzzle {
        /// Which one.
        puzzle: Puzzle,
        /// A program that returns the arguments of a call.
        arguments: String,
    },
    /// Equal after a tuple has been turned into a list: results that were written as JSON.
    Json {
        /// Right, too, is the first element of the expected list.
        or_first: bool,
    },
}

impl Oracle {
    /// The program whose results say, beside those of the reference, what is right.
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

/// Tasks of `EvoEval` whose results are judged by what they are for.
///
/// # Source
/// PyPI's `evoeval` 0.1.0, oddities included.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub enum Puzzle {
    /// Of a text: a palindrome, were all letters small, that begins with the text and is as long as the reference's.
    Palindrome,
    /// Of coefficients and an interval: a zero of the polynomial in it, up to 0.02; `None` where the reference says so.
    ZeroInInterval,
    /// Of a maze, start and end: moves (`right`, `left`, `up`, `down`) from one to the other through cells that are not
    /// 1; an empty list where the reference finds none.
    Moves,
    /// Of a maze, start and end: neighbouring cells from one to the other that are not 0; an empty list where the
    /// reference finds none.
    Cells,
    /// Of numbers and a product: a tuple of two growing places of numbers that give it; the same words as the
    /// reference's where that has words.
    Factors,
}

/// How long one of the [`Calls`] may take, in seconds of CPU time.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct CallTime {
    /// At least this long.
    pub least_s: f64,
    /// This many times what the reference took, if that is longer.
    pub times_reference: f64,
    /// All calls of a suite together.
    pub all_s: f64,
}

impl CallTime {
    /// What EvalPlus allows (version 0.3.1).
    pub const EVALPLUS: Self = Self {
        least_s: 1.0,
        times_reference: 4.0,
        all_s: 60.0,
    };

    /// A fixed time for each call, without a reference.
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
    /// Stands before the program, such as the imports that the publisher grants.
    pub prelude: String,
    /// Input and expected output of each run.
    pub cases: Vec<StreamCase>,
    /// Which output is right.
    pub output: OutputRule,
    /// CPU seconds of each run.
    pub each_s: f64,
}

/// Which output of a program is right, beside the expected one itself, by whose rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub enum OutputRule {
    /// As many lines, each equal but for white space around it, or of decimals that are equal word by word.
    LiveCodeBench,
    /// Equal but for white space around lines and for empty lines; or lines that are numbers, close as numpy's
    /// `allclose` has it; or, at last, the same set of lines as sets of words, or of numbers rounded to three digits.
    Apps,
}

/// One run of a program.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct StreamCase {
    /// What it reads.
    pub stdin: String,
    /// What it must print, up to the [`OutputRule`].
    pub stdout: String,
}

/// Classes of Python's `unittest`. They patch and inspect the program, so they run in its own process: a program that
/// sets out to can forge its verdict.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Unittest {
    /// The module that defines the classes, run after the program in its namespace.
    pub source: String,
    /// Names of class and method of each test.
    pub methods: Vec<(String, String)>,
}

impl Calls {
    /// What is called in a program. By the publishers of contests, whose results are [`Oracle::Json`], that is the method
    /// of a class `Solution` if the program's text speaks of one, else the function of that name.
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

/// What stands before the name of a method.
const OWNER: &str = "Solution().";

impl Tests {
    /// How many tests there are, extra ones included.
    pub fn len(&self) -> usize {
        match self {
            Self::Asserts(asserts) => asserts.tests.len(),
            Self::Calls(calls) => calls.base.len() + calls.plus.as_ref().map_or(0, Vec::len),
            Self::Streams(streams) => streams.cases.len(),
            Self::Unittest(unittest) => unittest.methods.len(),
        }
    }

    /// Whether there is nothing to test.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Assertions without anything around them.
    pub(crate) fn plain(tests: Vec<String>) -> Self {
        Self::Asserts(Asserts {
            preamble: String::new(),
            setup: String::new(),
            tests,
        })
    }
}

impl Unittest {
    /// The tests of a module: methods that begin with `test`, of classes that name `TestCase` among their bases.
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
                // Of two methods with one name, Python keeps the last.
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
