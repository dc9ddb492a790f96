//! Runners of programs: the sandbox, or a script in tests.

use anyhow::Result;
use slm_artifacts::Verdict;
use slm_artifacts::sha256_of_texts;
use slm_benchmarks::TaskView;
use slm_sandbox::{Job, Sandbox, Work};
use slm_scoring::{TreePools, recorded_verdict, visible_outcome};

use super::event::{ExecutionMeasures, ExecutionResult, TestRun, Tried};
use super::snippet::{output, script};
use super::step_queue::Execution;

/// The message of a test that was not reached.
pub(crate) const NOT_RUN: &str = "not run";

/// Makes a script print each line at once: what it printed before an exception would be lost otherwise.
const PRINT_AT_ONCE: &str = "__import__('sys').stdout.reconfigure(line_buffering=True)\n";

/// Runs programs, several at once.
pub(crate) trait Runner: Sync {
    /// Runs a program with its tests.
    ///
    /// # Errors
    /// Only errors of the runner itself; the program's behaviour is part of the result.
    fn run(&self, execution: &Execution) -> Result<ExecutionResult>;

    /// The number of programs that may run at once.
    fn workers(&self) -> usize;
}

/// The sandbox, with copies of the repositories whose functions are tasks.
pub(crate) struct SandboxRunner<'a> {
    pub(crate) sandbox: &'a Sandbox,
    pub(crate) trees: &'a TreePools,
}

impl Runner for SandboxRunner<'_> {
    fn run(&self, execution: &Execution) -> Result<ExecutionResult> {
        match (&execution.snippet, &execution.in_repository) {
            (Some(snippet), _) => self.run_snippet(snippet, execution),
            (None, Some(task)) => self.run_in_repository(task, execution),
            (None, None) => self.run_alone(execution),
        }
    }

    fn workers(&self) -> usize {
        self.sandbox.workers()
    }
}

impl SandboxRunner<'_> {
    fn run_in_repository(&self, task: &TaskView, execution: &Execution) -> Result<ExecutionResult> {
        let outcome = visible_outcome(task, &execution.program, self.sandbox, self.trees)?;
        let outcomes = outcome.unwrap_or_default();
        let failed = outcomes
            .iter()
            .find(|(verdict, _)| *verdict != Verdict::Passed);
        let (verdict, detail) = failed.cloned().unwrap_or((Verdict::Passed, String::new()));
        let tests = execution.tests.iter().zip(outcomes);
        Ok(ExecutionResult {
            code_sha256: sha256_of_texts([execution.program.as_str()]),
            tests: tests
                .map(|(test, (verdict, message))| TestRun {
                    test: test.clone(),
                    passed: verdict == Verdict::Passed,
                    message,
                })
                .collect(),
            public: execution.public,
            verdict,
            detail,
            sandbox: self.sandbox.level().to_string(),
            tried: None,
            measured: ExecutionMeasures::default(),
        })
    }

    /// Runs a snippet after the program as one script, whose standard output is kept.
    fn run_snippet(&self, snippet: &str, execution: &Execution) -> Result<ExecutionResult> {
        let job = Job {
            program: script(&execution.program, &execution.setup, snippet),
            preamble: PRINT_AT_ONCE.to_owned(),
            work: Work::Script {
                stdin: String::new(),
            },
            tree: None,
        };
        let outcome = self.sandbox.run(&job, self.sandbox.limits())?;
        let verdict = recorded_verdict(outcome.verdict);
        Ok(ExecutionResult {
            code_sha256: sha256_of_texts([execution.program.as_str()]),
            tests: Vec::new(),
            public: 0,
            verdict,
            detail: String::new(),
            sandbox: self.sandbox.level().to_string(),
            tried: Some(Tried {
                snippet: snippet.to_owned(),
                output: output(verdict, &outcome.output, &outcome.detail),
            }),
            measured: ExecutionMeasures {
                cpu_s: outcome.cpu_s,
                wall_s: outcome.wall_s,
                peak_memory_bytes: outcome.peak_memory_bytes,
            },
        })
    }

    fn run_alone(&self, execution: &Execution) -> Result<ExecutionResult> {
        let job = Job {
            program: execution.program.clone(),
            preamble: String::new(),
            work: Work::Asserts {
                setup: execution.setup.clone(),
                entry_point: String::new(),
                tests: execution.tests.clone(),
            },
            tree: None,
        };
        let outcome = self.sandbox.run(&job, self.sandbox.limits())?;
        let tests = execution.tests.iter().zip(outcome.tests);
        Ok(ExecutionResult {
            code_sha256: sha256_of_texts([execution.program.as_str()]),
            tests: tests
                .map(|(test, outcome)| TestRun {
                    test: test.clone(),
                    passed: outcome.passed,
                    message: if outcome.verdict.is_some() {
                        outcome.message
                    } else {
                        NOT_RUN.to_owned()
                    },
                })
                .collect(),
            public: execution.public,
            verdict: recorded_verdict(outcome.verdict),
            detail: outcome.detail,
            sandbox: self.sandbox.level().to_string(),
            tried: None,
            measured: ExecutionMeasures {
                cpu_s: outcome.cpu_s,
                wall_s: outcome.wall_s,
                peak_memory_bytes: outcome.peak_memory_bytes,
            },
        })
    }
}

#[cfg(test)]
mod tests {
    use slm_sandbox::{Interpreter, Level, LevelChoice, Limits};

    use super::*;

    const PROGRAM: &str = "def double(x):\n    return 2 * x\n";

    /// Runs snippets after [`PROGRAM`]; returns each verdict and output.
    ///
    /// The test's process cannot act as the sandbox's helper, so that there is no box: what leaves one is tested with the
    /// evaluator's binary.
    fn tried(snippets: &[&str]) -> Vec<(Verdict, String)> {
        let python = Interpreter::resolve(None).expect("python3");
        // Little memory, so that a program reaches that limit long before its CPU time ends, also on a slow machine.
        let limits = Limits {
            memory_bytes: 512 << 20,
            ..Limits::default().with_cpu_s(2.0)
        };
        let level = LevelChoice::Exactly(Level::C);
        let runner = SandboxRunner {
            sandbox: &Sandbox::with_level(python, limits, level).expect("a sandbox"),
            trees: &TreePools::new(),
        };
        let run = |snippet: &&str| {
            let result = runner.run(&Execution {
                program: PROGRAM.to_owned(),
                setup: "limit = 7".to_owned(),
                tests: Vec::new(),
                public: 0,
                in_repository: None,
                snippet: Some((*snippet).to_owned()),
            });
            let result = result.expect("a result");
            assert!(result.tests.is_empty() && !result.all_passed());
            assert_eq!(result.code_sha256, sha256_of_texts([PROGRAM]));
            let tried = result.tried.expect("a snippet");
            assert_eq!(tried.snippet, **snippet);
            (result.verdict, tried.output)
        };
        snippets.iter().map(run).collect()
    }

    #[test]
    fn a_snippet_sees_the_program_and_prints() {
        let outputs = tried(&[
            "print(double(limit))",
            "double(2)",
            "import sys\nprint(__name__, file=sys.stderr)\nprint('é')\nsys.exit(3)",
            "print(object())",
            "print(1)\nprint(double())",
            "print(",
            "input()",
        ]);
        let expected = [
            (Verdict::Passed, "14"),
            (Verdict::Passed, "nothing was printed"),
            (Verdict::Passed, "é"),
            (Verdict::Passed, "<object object at 0x...>"),
            (Verdict::Error, "1\nTypeError: double() missing 1 required"),
            (Verdict::Unparsable, "SyntaxError"),
            (Verdict::Error, "EOFError"),
        ];
        for ((verdict, output), (expected, text)) in outputs.iter().zip(expected) {
            assert_eq!(*verdict, expected, "{output}");
            assert!(output.contains(text), "{output}");
        }
    }

    #[test]
    fn a_snippet_that_uses_up_its_limits_gives_a_short_output() {
        let outputs = tried(&[
            "while True: print('x' * 1000)",
            "while True: pass",
            "print('begun', flush=True)\nkept = []\nwhile True: kept.append(bytearray(1 << 24))",
            "import os\nos.write(1, b'\\xff' * 100_000)",
            "raise ValueError('x' * 100_000)",
            "def f(): f()\nf()",
        ]);
        let expected = [
            Verdict::OutputLimit,
            Verdict::Timeout,
            Verdict::Memory,
            Verdict::Passed,
            Verdict::Error,
            Verdict::Error,
        ];
        for ((verdict, output), expected) in outputs.iter().zip(expected) {
            assert_eq!(*verdict, expected, "{output}");
            assert!(output.chars().count() <= 400, "{output}");
            assert!(!output.is_empty());
        }
    }
}
