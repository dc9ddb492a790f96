//! Renders an answer as text: its outcome, the request, and one section per step.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use slm_config::Workflow;
use slm_report::SampleRecord;
use slm_report::diff::{DiffLine, diff_lines};

use super::answers::Answer;
use super::lookup;
use super::paint::{Paint, harmless};
use super::snippet;
use crate::run_folder::TRAJECTORIES;
use crate::workflow::event::{CallResult, Decision, Event, ExecutionResult, Key, What};
use slm_artifacts::Expects;
use slm_artifacts::counted;

/// Unchanged lines that are shown around a change.
const CONTEXT: usize = 3;

/// Renders an answer: its outcome, the request, and the steps.
pub(super) fn answer(key: &Key, answer: &Answer, has_log: bool, paint: Paint) -> String {
    let title = title(&key.arm, key);
    let mut page = paint.heading(&harmless(&title));
    page.push('\n');
    page += &super::outcome::outcome(answer.record.as_ref(), paint);
    let events = &answer.steps;
    let decision = events.iter().find_map(|event| match &event.what {
        What::Decision(decision) => Some(decision),
        _ => None,
    });
    match (decision, &answer.record) {
        (Some(decision), _) => page += &outcome(decision),
        (None, Some(record)) if events.is_empty() => page += &recorded(record, has_log, paint),
        (None, _) => page += "not finished yet\n",
    }
    let first = events.iter().find_map(|event| match &event.what {
        What::Call(call) => Some(call),
        _ => None,
    });
    if let Some(call) = first {
        page.push('\n');
        page += &request(call, paint);
    }
    let programs: BTreeMap<u32, String> = events
        .iter()
        .filter_map(|event| match &event.what {
            What::Call(call) if is_program(call) => Some((event.step, said(call))),
            _ => None,
        })
        .collect();
    for event in events {
        page.push('\n');
        match &event.what {
            What::Call(call) => page += &self::call(event, call, &programs, paint),
            What::Execution(run) => match &run.tried {
                Some(tried) => {
                    let facts = snippet::facts(run);
                    page += &section(event, &snippet::title(event.parent), &facts, paint);
                    page += &snippet::body(tried);
                }
                None => page += &execution(event, run, paint),
            },
            What::Lookup(found) => {
                page += &section(event, &lookup::title(found), &lookup::facts(found), paint);
                page += &lookup::body(found, paint);
            }
            What::Decision(decision) => page += &end(decision, key.workflow, &programs, paint),
        }
    }
    page
}

/// Returns whose answer it is, and to what.
pub(super) fn title(arm: &str, key: &Key) -> String {
    let drawn = if key.decoding.is_greedy() {
        String::new()
    } else {
        format!(" · {}", key.decoding)
    };
    let Key {
        task_id,
        workflow,
        sample,
        ..
    } = key;
    format!("{task_id} · {arm} · {workflow}{drawn} · sample {sample}")
}

/// Renders what a record holds of an answer without steps, down to its program.
fn recorded(record: &SampleRecord, has_log: bool, paint: Paint) -> String {
    let missing = if has_log {
        format!("{TRAJECTORIES} holds no step of this answer")
    } else {
        format!("this folder has no {TRAJECTORIES}")
    };
    format!(
        "stopped: {}\nspent: {}, {}, {}\nrequest and steps: not shown, {missing}\n\n{}\n{}",
        record.stop,
        counted(record.completion_tokens, "token"),
        counted(record.calls, "call"),
        counted(record.executions, "execution"),
        paint.heading("program"),
        indented(&record.program),
    )
}

/// Renders the first request, from which the answer starts.
fn request(call: &CallResult, paint: Paint) -> String {
    let mut text = String::new();
    for message in &call.messages {
        let heading = format!("request · {}", message.role);
        text += &(paint.heading(&harmless(&heading)) + "\n");
        text += &indented(&message.content);
    }
    if !call.begun.is_empty() {
        text += &(paint.heading("request · beginning of the answer") + "\n");
        text += &indented(&call.begun);
    }
    text
}

/// Renders the stop reason and what was spent of the budget.
fn outcome(decision: &Decision) -> String {
    let Decision {
        stop,
        chosen,
        spent,
        left,
        phase,
        complete,
        routed_to,
        ..
    } = decision;
    let kept = chosen.map_or_else(
        || "no program".to_owned(),
        |step| format!("the program of step {step} was kept"),
    );
    let phase = phase.map_or_else(String::new, |of| format!(" in phase {of}"));
    let kept = match complete {
        Some(false) => kept + ", which is incomplete",
        _ => kept,
    };
    let routed = routed_to.map_or_else(String::new, |of| format!("routed to: {of}\n"));
    let of = |spent: usize, left: usize| format!("{spent} of {}", spent + left);
    let lookups = match spent.lookups {
        0 => String::new(),
        lookups => format!(", {} lookups", of(lookups, left.lookups)),
    };
    format!(
        "{routed}stopped: {stop}{phase}; {kept}\nspent: {} tokens, {} calls, {} executions{lookups}\n",
        of(spent.completion_tokens, left.completion_tokens),
        of(spent.calls, left.calls),
        of(spent.executions, left.executions),
    )
}

/// Whether a program was requested, or written instead of an action.
fn is_program(call: &CallResult) -> bool {
    match call.expects {
        Expects::Program | Expects::Statement => true,
        Expects::Action => call.code_sha256.is_some(),
        Expects::Tests
        | Expects::Prose
        | Expects::Lookups
        | Expects::Signatures
        | Expects::Function
        | Expects::Question
        | Expects::Route
        | Expects::Judgement => false,
    }
}

fn call(
    event: &Event,
    call: &CallResult,
    programs: &BTreeMap<u32, String>,
    paint: Paint,
) -> String {
    let mut facts = vec![
        format!("{} tokens", call.completion_tokens),
        format!("{:.1} s", call.measured.wall_s),
    ];
    if call.measured.reused {
        facts.push("reused".to_owned());
    }
    if call.finish_reason == slm_artifacts::FinishReason::Length {
        facts.push(format!("cut off at {}", call.max_new_tokens));
    }
    if let Some(phase) = call.phase {
        let turn = call
            .turn
            .map_or_else(String::new, |turn| format!(", turn {turn}"));
        facts.push(format!("phase {phase}{turn}"));
    }
    match &call.speaker {
        Some(speaker) => facts.push(format!("speaker {}", slm_cli::printable(speaker))),
        None if call.adapter_sha256.is_some() => facts.push("adapter".to_owned()),
        None => {}
    }
    if let Some(failure) = call.format_failure {
        facts.push(format!("format failure: {}", failure.text()));
    }
    let revised = event.parent.and_then(|parent| programs.get(&parent));
    let is_program = is_program(call);
    let about = match event.parent {
        Some(parent) if is_program => format!(", instead of step {parent}"),
        Some(parent) => format!(", on step {parent}"),
        None => String::new(),
    };
    let title = format!("{}{about}", call.role);
    let body = match (programs.get(&event.step), revised) {
        (Some(program), Some(before)) => difference(before, program, paint),
        (Some(program), None) => indented(program),
        (None, _) => indented(&said(call)),
    };
    section(event, &title, &facts, paint) + &body
}

fn execution(event: &Event, run: &ExecutionResult, paint: Paint) -> String {
    let (public, own) = run.passed();
    let facts = [
        format!("{} of {} tests passed", public + own, run.tests.len()),
        format!("{:.2} s of CPU time", run.measured.cpu_s),
    ];
    let of = event.parent.unwrap_or_default();
    let mut text = section(event, &format!("run of step {of}"), &facts, paint);
    for (at, test) in run.tests.iter().enumerate() {
        let kind = if at < run.public {
            "example"
        } else {
            "own test"
        };
        let first_line = harmless(test.test.lines().next().unwrap_or(""));
        if test.passed {
            let _ = writeln!(text, "  {} {kind}: {first_line}", paint.good("passed"));
        } else {
            let _ = writeln!(text, "  {} {kind}: {first_line}", paint.bad("failed"));
            for line in harmless(&test.message)
                .lines()
                .filter(|line| *line != first_line)
            {
                let _ = writeln!(text, "         {line}");
            }
        }
    }
    if run.tests.is_empty() && !run.detail.is_empty() {
        text += &indented(&run.detail);
    }
    text
}

/// Renders the program that was kept, unless the only call shows it already.
fn end(
    decision: &Decision,
    workflow: Workflow,
    programs: &BTreeMap<u32, String>,
    paint: Paint,
) -> String {
    let title = format!("end · {}\n", decision.stop);
    let kept = decision.chosen.and_then(|step| programs.get(&step));
    match kept.filter(|_| workflow != Workflow::Single) {
        Some(program) => paint.heading(&title) + &indented(program),
        None => paint.heading(&title),
    }
}

fn section(event: &Event, title: &str, facts: &[String], paint: Paint) -> String {
    let round = match event.round {
        0 => String::new(),
        round => format!(" · round {round}"),
    };
    let heading = format!("step {}{round} · {title}", event.step);
    format!(
        "{} {}\n",
        paint.heading(&harmless(&heading)),
        paint.faint(&harmless(&format!("({})", facts.join(", "))))
    )
}

/// Returns the text of a call, after the beginning of the answer that the request contained.
fn said(call: &CallResult) -> String {
    let begun = call.begun.rsplit("```python\n").next().unwrap_or("");
    format!("{begun}{}", call.text)
}

fn indented(text: &str) -> String {
    let text = harmless(text);
    let lines = text.trim_end().lines().map(|line| format!("  {line}\n"));
    lines.collect()
}

/// Renders what a revision changed, line by line.
fn difference(before: &str, after: &str, paint: Paint) -> String {
    let mut text = String::new();
    let lines = diff_lines(&harmless(before), &harmless(after), CONTEXT);
    for (at, line) in lines.into_iter().enumerate() {
        let line = match line {
            DiffLine::Hunk(_) if at == 0 => continue,
            DiffLine::Hunk(_) => "  ...".to_owned(),
            DiffLine::Both(line) => format!("  {line}"),
            DiffLine::Removed(line) => paint.bad(&format!("- {line}")),
            DiffLine::Added(line) => paint.good(&format!("+ {line}")),
        };
        text += &(line + "\n");
    }
    if text.is_empty() {
        "  no change\n".clone_into(&mut text);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(step: u32, parent: Option<u32>, what: &serde_json::Value) -> Event {
        serde_json::from_value(serde_json::json!({
            "version": 2, "run": "r", "config_sha256": "c",
            "trajectory": {
                "arm": "base", "workflow": "reflection", "task_id": "t/f", "sample": 0,
                "decoding": {"temperature": 0.5, "top_p": 0.9},
            },
            "step": step, "round": u32::from(step > 1), "parent": parent, "what": what,
        }))
        .expect("an event")
    }

    fn program(text: &str) -> serde_json::Value {
        serde_json::json!({"call": {
            "role": "coder", "expects": "program", "messages": [{"role": "user", "content": "Double x\u{1b}[2J."}], "begun": "```python\ndef f(x):\n",
            "messages_sha256": "m", "temperature": 0.0, "top_p": 1.0, "top_k": null, "max_new_tokens": 64,
            "seed": 1, "model_sha256": "b", "adapter_sha256": null, "prompt_tokens": 9,
            "completion_tokens": 5, "finish_reason": "stop", "text": text, "code_sha256": "p",
            "format_failure": null, "measured": {"wall_s": 0.25},
        }})
    }

    fn page(paint: Paint) -> String {
        let events = [
            event(0, None, &program("    y = x\n    return y\u{1b}[2J")),
            event(
                1,
                Some(0),
                &serde_json::json!({"execution": {
                    "code_sha256": "p", "public": 1, "verdict": "failed", "detail": "", "sandbox": "A",
                    "tests": [
                        {"test": "assert f(1) == 2", "passed": false, "message": "assert f(1) == 2\nAssertionError: 1 == 2"},
                        {"test": "assert f(0) == 0", "passed": true, "message": ""},
                    ],
                    "measured": {"cpu_s": 0.05, "wall_s": 0.06, "peak_memory_bytes": 1},
                }}),
            ),
            event(
                2,
                None,
                &serde_json::json!({"lookup": {
                    "tool": "docs", "query": "double a number", "index_sha256": "i", "masked": 1,
                    "hits": [
                        {"chunk": 4, "source": "d.md", "lines": [1, 9], "name": "Doubling", "sha256": "h", "score": 2.5,
                         "overlap": 0.5, "shown": true},
                        {"chunk": 7, "source": "m.py", "lines": [3, 4], "name": "twice", "sha256": "h", "score": 1.0,
                         "overlap": 0.2, "shown": false},
                    ],
                    "shown": "### Doubling (d.md)\n\nTwice\u{1b}[2J.\n",
                }}),
            ),
            event(3, Some(0), &program("    y = x\n    return 2 * y")),
            event(
                4,
                Some(3),
                &serde_json::json!({"decision": {
                    "stop": "rounds_spent", "chosen": 3, "code_sha256": "p",
                    "spent": {"completion_tokens": 10, "calls": 2, "executions": 1, "lookups": 1},
                    "left": {"completion_tokens": 90, "calls": 0, "executions": 3, "lookups": 15},
                }}),
            ),
        ];
        let key = events[0].trajectory.clone();
        let answer = Answer {
            record: None,
            steps: events.to_vec(),
        };
        super::answer(&key, &answer, true, paint)
    }

    #[test]
    fn a_trajectory_reads_from_top_to_bottom() {
        let expected = "\
t/f · base · reflection · temperature 0.5, top-p 0.9 · sample 0
no record: the answer is not finished or not scored yet
stopped: rounds spent; the program of step 3 was kept
spent: 10 of 100 tokens, 2 of 2 calls, 1 of 4 executions, 1 of 16 lookups

request · user
  Double x\\u{1b}[2J.
request · beginning of the answer
  ```python
  def f(x):

step 0 · coder (5 tokens, 0.2 s)
  def f(x):
      y = x
      return y\\u{1b}[2J

step 1 · run of step 0 (1 of 2 tests passed, 0.05 s of CPU time)
  failed example: assert f(1) == 2
         AssertionError: 1 == 2
  passed own test: assert f(0) == 0

step 2 · round 1 · lookup in documentation (2 hits, 1 hidden for this task)
  query: double a number
  shown 2.500 Doubling d.md:1-9
  left out 1.000 twice m.py:3-4
  | ### Doubling (d.md)
  |
  | Twice\\u{1b}[2J.

step 3 · round 1 · coder, instead of step 0 (5 tokens, 0.2 s)
  def f(x):
      y = x
-     return y\\u{1b}[2J
+     return 2 * y

end · rounds spent
  def f(x):
      y = x
      return 2 * y
";
        assert_eq!(page(Paint::new(false)), expected);
    }

    #[test]
    fn colour_adds_nothing_but_colour() {
        let painted = page(Paint::new(true));
        assert!(painted.contains("\u{1b}[31m-     return y"), "{painted}");
        let mut plain = painted;
        for code in ["0", "1", "2", "31", "32"] {
            plain = plain.replace(&format!("\u{1b}[{code}m"), "");
        }
        assert_eq!(plain, page(Paint::new(false)));
    }
}
