//! Runners of programs: the sandbox, or a script in tests.

use anyhow::Result;
use slm_artifacts::sha256_of_texts;
use slm_sandbox::{Job, Sandbox, Work};
use slm_scoring::recorded_verdict;

use super::event::{ExecutionMeasures, ExecutionResult, TestRun};
use super::step_queue::Execution;

/// The message of a test that was not reached.
pub(crate) const NOT_RUN: &str = "not run";

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

impl Runner for Sandbox {
    fn run(&self, execution: &Execution) -> Result<ExecutionResult> {
        let job = Job {
            program: execution.program.clone(),
            preamble: String::new(),
            work: Work::Asserts {
                setup: execution.setup.clone(),
                entry_point: String::new(),
                tests: execution.tests.clone(),
            },
        };
        let outcome = Sandbox::run(self, &job, self.limits())?;
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
            sandbox: self.level().to_string(),
            measured: ExecutionMeasures {
                cpu_s: outcome.cpu_s,
                wall_s: outcome.wall_s,
                peak_memory_bytes: outcome.peak_memory_bytes,
            },
        })
    }

    fn workers(&self) -> usize {
        Sandbox::workers(self)
    }
}
