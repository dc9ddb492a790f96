//! Expected outputs of a task's calls: computed once in the sandbox and cached by content hash.

use std::fs;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use slm_artifacts::{atomic_write, sha256_of_texts};
use slm_benchmarks::{Calls, Expected};
use slm_sandbox::{Call, CallOutcome, Job, Limits, Returned, Sandbox, Value, Work};

use crate::error::ScoringError;
use crate::outcome::calls_begun;

/// Part of the cache key; changed when the same inputs would lead to other outputs.
const VERSION: &str = "answers 3";
/// CPU limits, in seconds, of one call and of a run of many: a reference is trusted to end.
const CALL_S: f64 = 300.0;
const RUN_S: f64 = 3600.0;
/// Memory limit in bytes, since the references of some tasks build large values.
pub(crate) const MEMORY_BYTES: u64 = 4 << 30;

/// Expected outputs of a task, one for each call.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct ExpectedOutputs {
    pub(crate) base: Vec<ExpectedOutput>,
    pub(crate) plus: Vec<ExpectedOutput>,
}

/// Expected output of one call.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct ExpectedOutput {
    /// `None` if the reference itself fails within the sandbox's limits, so that nothing can be compared.
    pub(crate) value: Option<Value>,
    /// Length of the value's text.
    pub(crate) bytes: usize,
    /// Return value of the oracle's second program, if it has one and that did not raise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) aid: Option<Value>,
    /// CPU seconds of the reference.
    pub(crate) cpu_s: f64,
}

#[cfg(test)]
impl ExpectedOutput {
    /// Returns a missing output with this length.
    pub(crate) fn unknown(bytes: usize) -> Self {
        Self {
            value: None,
            bytes,
            aid: None,
            cpu_s: 0.0,
        }
    }
}

/// A folder of expected outputs, one file for each task, named by the hash of its inputs.
pub struct ExpectedOutputCache {
    folder: PathBuf,
    warn: Box<dyn Fn(&str) + Sync>,
}

impl ExpectedOutputCache {
    /// Creates a cache in a folder, which is created on first use. A folder that cannot be written only costs
    /// time; `warn` receives the reason, on the thread where it happens.
    pub fn new(folder: PathBuf, warn: impl Fn(&str) + Sync + 'static) -> Self {
        let warn = Box::new(warn);
        Self { folder, warn }
    }

    /// Returns the expected outputs of a task, from the folder or from a run of its reference program.
    ///
    /// # Errors
    /// The reference fails on every input, or the sandbox itself fails.
    pub(crate) fn get(
        &self,
        calls: &Calls,
        sandbox: &Sandbox,
    ) -> Result<ExpectedOutputs, ScoringError> {
        let interpreter = sandbox.interpreter();
        let key = sha256_of_texts([VERSION, &format!("{calls:?}"), &interpreter.version]);
        let path = self.folder.join(format!("{key}.json"));
        // A file that cannot be read or parsed is recomputed.
        let kept = fs::read(&path)
            .ok()
            .and_then(|text| serde_json::from_slice(&text).ok());
        if let Some(outputs) = kept {
            return Ok(outputs);
        }
        let outputs = compute(calls, sandbox)?;
        let written = serde_json::to_vec(&outputs).map_err(std::io::Error::from);
        if let Err(error) = written.and_then(|text| atomic_write(&path, text)) {
            (self.warn)(&format!(
                "warning: cannot write {}: {error}",
                path.display()
            ));
        }
        Ok(outputs)
    }
}

fn compute(calls: &Calls, sandbox: &Sandbox) -> Result<ExpectedOutputs, ScoringError> {
    let suite = |arguments: &[String]| -> Result<Vec<ExpectedOutput>, ScoringError> {
        let outcomes = match &calls.expected {
            Expected::Reference(program) => run(program, &calls.entry_point, arguments, sandbox)?,
            Expected::Values(values) => {
                let arguments: Vec<String> =
                    values.iter().map(|value| format!("({value},)")).collect();
                run(
                    "def same(value):\n    return value\n",
                    "same",
                    &arguments,
                    sandbox,
                )?
            }
        };
        let aids = match calls.oracle.second_program() {
            Some(program) => run(program, &calls.entry_point, arguments, sandbox)?,
            None => Vec::new(),
        };
        let outputs: Vec<ExpectedOutput> = outcomes
            .iter()
            .enumerate()
            .map(|(i, call)| ExpectedOutput {
                value: value(call).cloned(),
                bytes: value(call).map_or(0, |value| String::from(value.clone()).len()),
                aid: aids.get(i).and_then(value).cloned(),
                cpu_s: call.cpu_s,
            })
            .collect();
        if !outputs.is_empty() && outputs.iter().all(|output| output.value.is_none()) {
            let reason = match &outcomes[0].returned {
                Returned::Raised { message, .. } => message.as_str(),
                _ => "it ends before its first call",
            };
            return Err(ScoringError::ReferenceFails(reason.to_owned()));
        }
        Ok(outputs)
    };
    Ok(ExpectedOutputs {
        base: suite(&calls.base)?,
        plus: suite(calls.plus.as_deref().unwrap_or_default())?,
    })
}

fn value(call: &CallOutcome) -> Option<&Value> {
    match &call.returned {
        Returned::Value(value) => Some(value),
        _ => None,
    }
}

/// Returns the outcome of each call. If one ends a run, through memory or result size, the next run continues
/// after it.
fn run(
    program: &str,
    entry_point: &str,
    arguments: &[String],
    sandbox: &Sandbox,
) -> Result<Vec<CallOutcome>, ScoringError> {
    let limits = Limits {
        memory_bytes: MEMORY_BYTES,
        ..Limits::default().with_cpu_s(RUN_S)
    };
    let call = |arguments: &String| Call {
        arguments: arguments.clone(),
        cpu_s: CALL_S,
    };
    let mut outcomes: Vec<CallOutcome> = Vec::new();
    while outcomes.len() < arguments.len() {
        let job = Job {
            program: program.to_owned(),
            preamble: String::new(),
            work: Work::Calls {
                entry_point: entry_point.to_owned(),
                calls: arguments[outcomes.len()..].iter().map(call).collect(),
            },
            tree: None,
        };
        let outcome = sandbox
            .run(&job, &limits)
            .map_err(ScoringError::Reference)?;
        if outcomes.is_empty() && calls_begun(&outcome) == 0 {
            return Err(ScoringError::ReferenceDoesNotRun(outcome.detail));
        }
        // If the results together were too large, those received are valid. Otherwise the first missing call
        // ended the run.
        let given = calls_begun(&outcome);
        let missing =
            usize::from(given == 0 || outcome.verdict != slm_sandbox::Verdict::OutputLimit);
        outcomes.extend(outcome.calls.into_iter().take(given + missing));
    }
    Ok(outcomes)
}
