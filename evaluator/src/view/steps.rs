//! The steps of a trajectory as the page shows them.

use slm_artifacts::FinishReason;
use slm_report::html::{Part, Step, StepKind, Tone};

use crate::workflow::event::{CallResult, Decision, Event, ExecutionResult, LookupResult, What};

/// Describes a step.
pub(super) fn step(event: &Event) -> Step {
    let (kind, title, facts, parts) = match &event.what {
        What::Call(call) => (
            StepKind::Call,
            title_of_call(event, call),
            facts_of_call(call),
            parts_of_call(call),
        ),
        What::Execution(run) => (
            StepKind::Execution,
            title_of_execution(event, run),
            facts_of_execution(run),
            parts_of_execution(run),
        ),
        What::Lookup(found) => (
            StepKind::Lookup,
            format!("lookup in {}", found.tool.text()),
            facts_of_lookup(found),
            parts_of_lookup(found),
        ),
        What::Decision(end) => (
            StepKind::Decision,
            format!("end: {}", end.stop),
            facts_of_end(end),
            Vec::new(),
        ),
    };
    Step {
        number: event.step,
        round: event.round,
        kind,
        title,
        facts,
        parts,
    }
}

fn part(name: impl Into<String>, text: impl Into<String>, is_open: bool) -> Part {
    Part {
        name: name.into(),
        text: text.into(),
        tone: Tone::Plain,
        is_open,
    }
}

fn title_of_call(event: &Event, call: &CallResult) -> String {
    match event.parent {
        Some(parent) => format!("{}, on step {parent}", call.role),
        None => call.role.to_string(),
    }
}

fn facts_of_call(call: &CallResult) -> Vec<String> {
    let mut facts = vec![
        format!("{} tokens", call.completion_tokens),
        format!("{:.1} s", call.measured.wall_s),
    ];
    if call.measured.reused {
        facts.push("reused".to_owned());
    }
    if call.finish_reason == FinishReason::Length {
        facts.push(format!("cut off at {}", call.max_new_tokens));
    }
    if let Some(phase) = call.phase {
        facts.push(format!("phase {phase}"));
    }
    match &call.speaker {
        Some(speaker) => facts.push(format!("answered by {speaker}")),
        None if call.adapter_sha256.is_some() => facts.push("adapter".to_owned()),
        None => {}
    }
    if let Some(failure) = call.format_failure {
        facts.push(format!("format failure: {}", failure.text()));
    }
    if let Some(sum) = call.log_probability {
        facts.push(format!("log-probability {sum:.2}"));
    }
    facts
}

/// The messages, with the beginning of the answer that the request contains; the answer is last.
fn parts_of_call(call: &CallResult) -> Vec<Part> {
    let messages = call.messages.iter();
    let mut parts: Vec<Part> = messages
        .map(|message| part(message.role.clone(), message.content.clone(), false))
        .collect();
    if !call.begun.is_empty() {
        parts.push(part("beginning of the answer", call.begun.clone(), false));
    }
    parts.push(part("answer", call.text.clone(), true));
    parts
}

fn title_of_execution(event: &Event, run: &ExecutionResult) -> String {
    let what = if run.tried.is_some() {
        "snippet after"
    } else {
        "run of"
    };
    match event.parent {
        Some(parent) => format!("{what} step {parent}"),
        None => "run".to_owned(),
    }
}

fn facts_of_execution(run: &ExecutionResult) -> Vec<String> {
    let (public, own) = run.passed();
    let outcome = if run.tests.is_empty() {
        run.verdict.to_string()
    } else {
        format!("{} of {} tests passed", public + own, run.tests.len())
    };
    vec![outcome, format!("{:.2} s of CPU time", run.measured.cpu_s)]
}

fn parts_of_execution(run: &ExecutionResult) -> Vec<Part> {
    if let Some(tried) = &run.tried {
        return vec![
            part("snippet", tried.snippet.clone(), true),
            part("output", tried.output.clone(), true),
        ];
    }
    let tests = run.tests.iter().enumerate().map(|(at, test)| {
        let kind = if at < run.public {
            "example"
        } else {
            "own test"
        };
        let (outcome, tone) = if test.passed {
            ("passed", Tone::Good)
        } else {
            ("failed", Tone::Bad)
        };
        let text = if test.message.is_empty() {
            String::new()
        } else {
            format!("{}\n\n{}", test.test, test.message)
        };
        Part {
            name: format!(
                "{outcome} {kind}: {}",
                test.test.lines().next().unwrap_or_default()
            ),
            text,
            tone,
            is_open: !test.passed,
        }
    });
    let mut parts: Vec<Part> = tests.collect();
    if run.tests.is_empty() && !run.detail.is_empty() {
        parts.push(part("output", run.detail.clone(), true));
    }
    parts
}

fn facts_of_lookup(found: &LookupResult) -> Vec<String> {
    let mut facts = vec![match found.hits.len() {
        1 => "1 hit".to_owned(),
        n => format!("{n} hits"),
    }];
    if found.masked > 0 {
        facts.push(format!("{} hidden for this task", found.masked));
    }
    facts
}

fn parts_of_lookup(found: &LookupResult) -> Vec<Part> {
    let mut parts = vec![part("query", found.query.clone(), true)];
    for hit in &found.hits {
        let lines = hit.lines.map(|(first, last)| format!(":{first}-{last}"));
        let name = format!(
            "{} {:.3} {} {}{}",
            if hit.shown { "shown" } else { "found" },
            hit.score,
            hit.name,
            hit.source,
            lines.unwrap_or_default()
        );
        parts.push(part(name, "", false));
    }
    if let Some(problem) = &found.problem {
        parts.push(Part {
            tone: Tone::Bad,
            ..part("problem", problem.clone(), true)
        });
    }
    if !found.shown.is_empty() {
        parts.push(part("text in the prompt", found.shown.clone(), false));
    }
    parts
}

fn facts_of_end(end: &Decision) -> Vec<String> {
    let mut facts = vec![match end.chosen {
        Some(step) => format!("the program of step {step} was kept"),
        None => "no program".to_owned(),
    }];
    if let Some(routed_to) = end.routed_to {
        facts.push(format!("routed to {routed_to}"));
    }
    if end.complete == Some(false) {
        facts.push("the program is incomplete".to_owned());
    }
    let of = |spent: usize, left: usize| format!("{spent} of {}", spent + left);
    facts.push(format!(
        "{} tokens",
        of(end.spent.completion_tokens, end.left.completion_tokens)
    ));
    facts.push(format!("{} calls", of(end.spent.calls, end.left.calls)));
    facts.push(format!(
        "{} executions",
        of(end.spent.executions, end.left.executions)
    ));
    facts
}
