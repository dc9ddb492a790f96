//! The right results of a task's calls: computed once in the sandbox, and kept by content.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use serde::{Deserialize, Serialize};
use slm_benchmarks::{Calls, Expected};
use slm_sandbox::{Call, CallOutcome, Job, Limits, Returned, Sandbox, Value, Work};

use super::calls::reached;
use crate::digest::sha256_of;

/// Changes when the same inputs would give other files.
const VERSION: &str = "answers 3";
/// A reference is trusted to end: CPU seconds of a call, and of a run of many.
const CALL_S: f64 = 300.0;
const RUN_S: f64 = 3600.0;
/// References of some tasks build large values.
pub(crate) const MEMORY_BYTES: u64 = 4 << 30;

/// The right results of a task.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Answers {
    pub(crate) base: Vec<Answer>,
    pub(crate) plus: Vec<Answer>,
}

/// The right result of one call.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Answer {
    /// `None` if the reference itself fails within the sandbox's limits, so that nothing can be compared.
    pub(crate) value: Option<Value>,
    /// Length of the value's text.
    pub(crate) bytes: usize,
    /// What the oracle's second program returned, if it has one and that did not raise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) aid: Option<Value>,
    /// CPU seconds of the reference.
    pub(crate) cpu_s: f64,
}

#[cfg(test)]
impl Answer {
    /// An answer of nothing, said to be so long.
    pub(crate) fn unknown(bytes: usize) -> Self {
        Self {
            value: None,
            bytes,
            aid: None,
            cpu_s: 0.0,
        }
    }
}

/// A folder of files of [`Answers`], each named by the hash of what it follows from.
pub(crate) struct AnswerCache {
    folder: PathBuf,
}

impl AnswerCache {
    pub(crate) fn new(folder: PathBuf) -> Self {
        Self { folder }
    }

    /// The answers of a task, from the folder or from a run of its reference.
    ///
    /// # Errors
    /// The reference fails on every input, or the sandbox has trouble of its own. A folder that cannot be
    /// written only costs time.
    pub(crate) fn get(&self, calls: &Calls, sandbox: &Sandbox) -> Result<Answers> {
        let interpreter = sandbox.interpreter();
        let key = sha256_of([VERSION, &format!("{calls:?}"), &interpreter.version]);
        let path = self.folder.join(format!("{key}.json"));
        // A file that cannot be read or understood is made again.
        let kept = fs::read(&path)
            .ok()
            .and_then(|text| serde_json::from_slice(&text).ok());
        if let Some(answers) = kept {
            return Ok(answers);
        }
        let answers = compute(calls, sandbox)?;
        if let Err(error) = write(&path, &answers) {
            slm_cli::note(&format!(
                "warning: cannot write {}: {error}",
                path.display()
            ));
        }
        Ok(answers)
    }
}

/// Writes under a name of its own, then renames, so that a file is whole or not there.
fn write(path: &Path, answers: &Answers) -> std::io::Result<()> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    let part = path.with_extension(format!("part-{}", std::process::id()));
    fs::write(&part, serde_json::to_vec(answers)?)?;
    fs::rename(&part, path)
}

fn compute(calls: &Calls, sandbox: &Sandbox) -> Result<Answers> {
    let suite = |arguments: &[String]| -> Result<Vec<Answer>> {
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
        let answers: Vec<Answer> = outcomes
            .iter()
            .enumerate()
            .map(|(i, call)| Answer {
                value: value(call).cloned(),
                bytes: value(call).map_or(0, |value| String::from(value.clone()).len()),
                aid: aids.get(i).and_then(value).cloned(),
                cpu_s: call.cpu_s,
            })
            .collect();
        if !answers.is_empty() && answers.iter().all(|answer| answer.value.is_none()) {
            let reason = match &outcomes[0].returned {
                Returned::Raised { message, .. } => message.as_str(),
                _ => "it does not come to its first call",
            };
            bail!("the reference fails on every input: {reason}");
        }
        Ok(answers)
    };
    Ok(Answers {
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

/// What each call gave. Where one ends a run, by memory or by the size of what was returned, the next run begins after
/// it.
fn run(
    program: &str,
    entry_point: &str,
    arguments: &[String],
    sandbox: &Sandbox,
) -> Result<Vec<CallOutcome>> {
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
        };
        let outcome = sandbox
            .run(&job, &limits)
            .context("cannot run the reference")?;
        if outcomes.is_empty() && reached(&outcome) == 0 {
            bail!("the reference does not run: {}", outcome.detail);
        }
        // Too large a sum of results: those at hand are good. Otherwise the first that is missing did it.
        let given = reached(&outcome);
        let missing =
            usize::from(given == 0 || outcome.verdict != slm_sandbox::Verdict::OutputLimit);
        outcomes.extend(outcome.calls.into_iter().take(given + missing));
    }
    Ok(outcomes)
}

/// The beginning of a long expression.
pub(crate) fn shortened(expression: &str) -> String {
    const CHARACTERS: usize = 120;
    let mut text: String = expression.chars().take(CHARACTERS).collect();
    if text.len() < expression.len() {
        text.push('…');
    }
    text
}
