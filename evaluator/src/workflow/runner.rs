//! Where programs are run: the sandbox, or a script in tests.

use anyhow::Result;
use slm_sandbox::{Job, Sandbox, Work};
use slm_scoring::recorded_verdict;

use super::desk::Trial;
use super::event::{Execution, ExecutionMeasures, TestRun};
use crate::digest::sha256_of;

/// What a test says whose turn never came.
pub(crate) const NOT_RUN: &str = "not run";

/// Runs programs, several at once.
pub(crate) trait Runner: Sync {
    /// Runs a program with its tests.
    ///
    /// # Errors
    /// Only trouble of our own; whatever the program does is part of the result.
    fn run(&self, trial: &Trial) -> Result<Execution>;

    /// How many may run at once.
    fn workers(&self) -> usize;
}

impl Runner for Sandbox {
    fn run(&self, trial: &Trial) -> Result<Execution> {
        let job = Job {
            program: trial.program.clone(),
            preamble: String::new(),
            work: Work::Asserts {
                setup: trial.setup.clone(),
                entry_point: String::new(),
                tests: trial.tests.clone(),
            },
        };
        let outcome = Sandbox::run(self, &job, self.limits())?;
        let tests = trial.tests.iter().zip(outcome.tests);
        Ok(Execution {
            code_sha256: sha256_of([trial.program.as_str()]),
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
            public: trial.public,
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
