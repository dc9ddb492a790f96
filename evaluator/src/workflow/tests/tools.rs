//! Tools on a scripted model and a made-up library.

mod observations;
mod planned;
mod react;
mod snippets;
mod whole_runs;

use std::rc::Rc;

use slm_benchmarks::TaskView;
use slm_config::{Strategy, Workflow};

use super::{Question, World, ZERO, calls, question};
use crate::backend::Query;
use crate::backend::scripted::Line;
use crate::knowledge::Knowledge;
use crate::workflow::event::{Event, ExecutionResult, LookupResult, What};
use crate::workflow::trajectory::Finished;

const BOTH: [Workflow; 2] = [Workflow::Tools, Workflow::ToolsBlind];

/// What gives the solution of `double` away.
const SECRET: &str = "DUPLEX";

/// A library whose function solves `double`, with a user of it, and a page that has nothing to do with it.
fn library() -> Knowledge {
    Knowledge::of_files(&[
        (
            "guide/moons.md",
            "# Moons\n\nHarbours sleep while pilots argue over lanterns and ropes.\n",
        ),
        (
            "twin.py",
            "class Twin:\n    \"\"\"A pair of equal things.\"\"\"\n\n    size = 2\n\n\ndef twice_of(y):\n    \"\"\"Count \
             y and y again: use the marker DUPLEX.\"\"\"\n    result = y\n    for _ in range(1):\n        result = \
             result + y\n    return result\n",
        ),
        (
            "user.py",
            "from twin import twice_of\n\n\ndef pairs(n):\n    \"\"\"All of them.\"\"\"\n    return [twice_of(k) for k \
             in range(n)]\n",
        ),
    ])
}

fn world(strategy: Strategy) -> World {
    let mut world = World::new().with(|evaluate| {
        evaluate.tools.strategy = strategy;
        evaluate.rounds = 2;
    });
    world.knowledge = Rc::new(library());
    world
}

fn text(query: &Query) -> String {
    let contents = query.messages.iter().map(|of| of.content.as_str());
    contents.collect::<Vec<_>>().join("\n")
}

fn is_action(query: &Query) -> bool {
    text(query).contains("Reply with one line `Action:")
}

fn is_choice(query: &Query) -> bool {
    text(query).contains("Name at most four tools")
}

/// What the model has seen of its actions.
fn history(query: &Query) -> String {
    let text = text(query);
    let after = text
        .split("## Actions and observations")
        .nth(1)
        .unwrap_or_default();
    after
        .split("Reply with one line")
        .next()
        .unwrap_or_default()
        .trim()
        .to_owned()
}

/// How many actions were answered.
fn n_observed(query: &Query) -> usize {
    history(query).matches("\nObservation: ").count()
}

fn whole(body: &str) -> String {
    format!("```python\ndef double(x):\n{body}```")
}

/// Answers actions by their number, and anything else with a program that is wrong in another way each time.
fn acts<'a>(actions: &'a [&'a str]) -> impl Fn(&Query) -> Line + 'a {
    move |query| {
        if is_action(query) {
            Line::from(
                actions
                    .get(n_observed(query))
                    .copied()
                    .unwrap_or("Action: run"),
            )
        } else {
            wrong(query)
        }
    }
}

fn wrong(query: &Query) -> Line {
    match question(query) {
        Question::Revision => Line::from(format!("    return -{}\n", query.seed % 1000 + 2)),
        _ => Line::from(ZERO),
    }
}

fn lookups(events: &[Event]) -> Vec<&LookupResult> {
    let found = events.iter().filter_map(|event| match &event.what {
        What::Lookup(found) => Some(found),
        _ => None,
    });
    found.collect()
}

fn runs(events: &[Event]) -> Vec<&ExecutionResult> {
    let runs = events.iter().filter_map(|event| match &event.what {
        What::Execution(run) => Some(run),
        _ => None,
    });
    runs.collect()
}

/// The user messages of the requests for actions.
fn asked_for_actions(events: &[Event]) -> Vec<String> {
    let all = calls(events).into_iter();
    let all = all.map(|call| call.messages.last().expect("a message").content.clone());
    all.filter(|text| text.contains("Reply with one line `Action:"))
        .collect()
}

/// Runs a script of actions; returns the result, the events, and each observation once.
fn react(actions: &[&str]) -> (Finished, Vec<Event>, Vec<String>) {
    let (finished, events) = world(Strategy::React).run(Workflow::Tools, acts(actions));
    let asked = asked_for_actions(&events);
    let last = asked.last().expect("an action");
    let history = last
        .split("## Actions and observations")
        .nth(1)
        .expect("a history");
    let observations = history.split("\nObservation: ").skip(1);
    let until_action = |text: &str| {
        let ends = [
            "\n\nAction: ",
            "\n\n```python",
            "\n\nAn ",
            "\n\nA program",
            "\n\nReply with",
        ];
        let end = ends.iter().filter_map(|end| text.find(end)).min();
        text[..end.unwrap_or(text.len())].to_owned()
    };
    (
        finished,
        events.clone(),
        observations.map(until_action).collect(),
    )
}

/// The task with another signature.
fn with_prompt(prompt: &str) -> TaskView {
    TaskView {
        prompt: prompt.to_owned(),
        ..super::task("double")
    }
}

/// Calls for actions, for a first program, and for revisions.
fn kinds(events: &[Event]) -> (usize, usize, usize) {
    let n_actions = asked_for_actions(events).len();
    let all = calls(events);
    let revisions = all.iter().filter(|call| {
        let text = &call.messages.last().expect("a message").content;
        text.contains("Write the function again")
    });
    let n_revisions = revisions.count();
    (n_actions, all.len() - n_actions - n_revisions, n_revisions)
}
