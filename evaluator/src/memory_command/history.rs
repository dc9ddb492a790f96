//! What led to a program: the plan, and the visible tests that failed before it passed.

use std::collections::{BTreeMap, HashMap};

use anyhow::Result;
use slm_artifacts::{Expects, RowSource, Verdict};
use slm_config::Role;
use slm_metrics::syntax::without_reasoning;

use crate::dataset::runs::HarvestedRun;
use crate::run_folder::RunFolder;
use crate::workflow::event::{Event, ExecutionResult, Key, What};

/// Most failures of an entry.
const MOST_FAILURES: usize = 3;

/// Most characters of a failure.
const MOST_FAILURE_CHARS: usize = 160;

/// Most characters of a plan.
const MOST_PLAN_CHARS: usize = 800;

/// The steps of all trajectories, by run.
pub(super) struct Histories(HashMap<String, BTreeMap<Key, Vec<Event>>>);

/// What led to a program.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct History {
    pub(super) plan: Option<String>,
    /// A line for each different failure.
    pub(super) failed: Vec<String>,
}

impl Histories {
    /// Reads the trajectories of runs.
    ///
    /// # Errors
    /// A log cannot be read.
    pub(super) fn read(runs: &[HarvestedRun]) -> Result<Self> {
        let mut all = HashMap::new();
        for run in runs {
            let mut of_run: BTreeMap<Key, Vec<Event>> = BTreeMap::new();
            for event in RunFolder::read(&run.folder)?.1 {
                of_run
                    .entry(event.trajectory.clone())
                    .or_default()
                    .push(event);
            }
            for events in of_run.values_mut() {
                events.sort_by_key(|event| event.step);
            }
            all.insert(run.info.name.clone(), of_run);
        }
        Ok(Self(all))
    }

    /// Returns what led to an answer; nothing if its run has no log of it.
    pub(super) fn of(&self, source: &RowSource) -> History {
        let trajectories = self.0.get(&source.run).into_iter().flatten();
        let mut own = trajectories.filter(|(key, _)| {
            key.arm == source.arm
                && key.workflow.name() == source.workflow
                && key.decoding.temperature.to_bits() == source.temperature.to_bits()
                && key.decoding.top_p.to_bits() == source.top_p.to_bits()
                && key.task_id == source.task_id
                && key.sample == source.sample
        });
        let own = own.next().zip(source.step);
        own.map_or_else(History::default, |((_, events), step)| before(events, step))
    }
}

/// Returns what happened before the step that made the program: nothing of its execution.
fn before(events: &[Event], chosen: u32) -> History {
    let mut history = History::default();
    for event in events.iter().filter(|event| event.step < chosen) {
        match &event.what {
            What::Call(call) if call.role == Role::Planner && call.expects == Expects::Prose => {
                let plan = without_reasoning(&call.text).trim();
                if !plan.is_empty() && !plan.contains("```") {
                    history.plan = Some(shortened(plan, MOST_PLAN_CHARS));
                }
            }
            What::Execution(execution)
                if execution.verdict != Verdict::Passed && execution.tried.is_none() =>
            {
                let failed = failure(execution);
                if history.failed.len() < MOST_FAILURES && !history.failed.contains(&failed) {
                    history.failed.push(failed);
                }
            }
            _ => {}
        }
    }
    history
}

/// Describes the first failed test in a line: visible tests alone are in a trajectory.
fn failure(execution: &ExecutionResult) -> String {
    let failed = execution.tests.iter().find(|test| !test.passed);
    let line = match failed {
        None => execution.detail.clone(),
        Some(test) => {
            let mut reason = test.message.lines().map(str::trim);
            let reason = reason.rfind(|line| !line.is_empty()).unwrap_or_default();
            format!("`{}`: {reason}", test.test.trim())
        }
    };
    let words: Vec<&str> = line.split_whitespace().collect();
    shortened(&words.join(" "), MOST_FAILURE_CHARS)
}

fn shortened(text: &str, most: usize) -> String {
    if text.chars().count() <= most {
        return text.to_owned();
    }
    let kept: String = text.chars().take(most - 3).collect();
    format!("{}...", kept.trim_end())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn event(step: u32, what: &serde_json::Value) -> Event {
        let event = json!({
            "version": 4, "run": "run", "config_sha256": "", "step": step, "round": 0, "parent": null, "what": what,
            "trajectory": {
                "arm": "base", "workflow": "multi_agent", "decoding": {"temperature": 0.0, "top_p": 1.0},
                "task_id": "own/1", "sample": 0,
            },
        });
        serde_json::from_value(event).expect("an event")
    }

    fn plan(step: u32, text: &str) -> Event {
        event(
            step,
            &json!({"call": {
                "role": "planner", "expects": "prose", "messages": [], "begun": "", "messages_sha256": "",
                "temperature": 0.0, "top_p": 1.0, "top_k": null, "max_new_tokens": 9, "seed": 1, "model_sha256": "",
                "adapter_sha256": null, "prompt_tokens": 1, "completion_tokens": 1, "finish_reason": "stop",
                "text": text, "code_sha256": null, "format_failure": null, "measured": {"wall_s": 0.0},
            }}),
        )
    }

    fn execution(step: u32, message: &str) -> Event {
        let verdict = if message.is_empty() {
            "passed"
        } else {
            "failed"
        };
        event(
            step,
            &json!({"execution": {
                "code_sha256": "", "public": 1, "verdict": verdict, "detail": "", "sandbox": "none",
                "tests": [{"test": "assert f(1)\n  == 2", "passed": message.is_empty(), "message": message}],
                "measured": {"cpu_s": 0.0, "wall_s": 0.0, "peak_memory_bytes": 0},
            }}),
        )
    }

    #[test]
    fn the_plan_and_each_failure_before_the_program_are_kept_in_short() {
        let events = [
            plan(0, " 1. Double it.\n"),
            execution(2, "Traceback\nAssertionError\n"),
            execution(4, "Traceback\nAssertionError\n"),
            execution(6, &"x".repeat(500)),
            execution(8, ""),
            execution(10, "after the program"),
        ];
        let history = before(&events, 9);
        assert_eq!(history.plan.as_deref(), Some("1. Double it."));
        assert_eq!(history.failed.len(), 2);
        assert_eq!(history.failed[0], "`assert f(1) == 2`: AssertionError");
        assert_eq!(history.failed[1].chars().count(), MOST_FAILURE_CHARS);
        assert_eq!(before(&events, 0), History::default());
    }

    #[test]
    fn a_plan_with_code_is_none() {
        assert_eq!(before(&[plan(0, "```\nx\n```")], 3).plan, None);
    }
}
