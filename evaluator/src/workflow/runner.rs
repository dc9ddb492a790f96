//! Runners of programs: the sandbox, or a script in tests.

use anyhow::Result;
use slm_artifacts::Verdict;
use slm_artifacts::sha256_of_texts;
use slm_benchmarks::TaskView;
use slm_sandbox::{Job, Sandbox, Work};
use slm_scoring::{TreePools, recorded_verdict, visible_outcome};

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

/// The sandbox, with copies of the repositories whose functions are tasks.
pub(crate) struct SandboxRunner<'a> {
    pub(crate) sandbox: &'a Sandbox,
    pub(crate) trees: &'a TreePools,
}

impl Runner for SandboxRunner<'_> {
    fn run(&self, execution: &Execution) -> Result<ExecutionResult> {
        match &execution.in_repository {
            Some(task) => self.run_in_repository(task, execution),
            None => self.run_alone(execution),
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
            measured: ExecutionMeasures::default(),
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
            measured: ExecutionMeasures {
                cpu_s: outcome.cpu_s,
                wall_s: outcome.wall_s,
                peak_memory_bytes: outcome.peak_memory_bytes,
            },
        })
    }
}
