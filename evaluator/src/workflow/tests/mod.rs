//! Workflows on a scripted model: every stop rule, budget edge, format failure and decision.

mod adaptive;
mod beam;
mod budgets;
mod chat_chain;
mod decisions;
mod decompose;
mod memory;
mod resume;
mod retrieval;
mod selection;
mod stops;
mod tools;

use std::path::Path;
use std::rc::Rc;

use anyhow::Result;
use slm_benchmarks::TaskView;
use slm_config::{Evaluate, Prompts, Workflow};
use tempfile::TempDir;

use super::agent::{Grading, Settings};
use super::event::{CallResult, Event, ExecutionMeasures, ExecutionResult, TestRun, Tried, What};
use super::prompt::Templates;
use super::runner::Runner;
use super::schedule;
use super::step_queue::Execution;
use super::trajectory::{Finished, Identity, SpeakingAdapter};
use crate::backend::scripted::{Line, Scripted};
use crate::backend::{Backend, Query};
use crate::experiment::arm::{self, AnsweringArm};
use crate::json_lines;
use crate::knowledge::Knowledge;
use crate::routing::Routing;
use crate::run_folder::{RunFolder, TRAJECTORIES};
use slm_artifacts::{BASE_ARM, Verdict, sha256_of_texts};

/// A body that passes every test of [`task`].
const RIGHT: &str = "    return 2 * x\n";

/// Bodies that pass only the tests of 1 and 2, only that of 2, or none.
const SQUARE_PLUS_1: &str = "    return x * x - x + 2\n";
const SQUARE: &str = "    return x * x\n";
const ZERO: &str = "    return -1\n";

const TESTS: &str = "(2) == 4\nassert double(3) == 6";

/// A task with one public example.
fn task(name: &str) -> TaskView {
    serde_json::from_value(serde_json::json!({
        "task_id": format!("test/{name}"),
        "prompt": "def double(x):\n    \"\"\"Twice x.\n\n    >>> double(1)\n    2\n    \"\"\"\n",
        "entry_point": "double",
        "public_examples": ["assert double(1) == 2"],
    }))
    .expect("a task")
}

/// The kind of request in a workflow that a query is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Question {
    Draft,
    Plan,
    Code,
    Tests,
    Review,
    Revision,
    Split,
    Function,
    Assemble,
}

fn question(query: &Query) -> Question {
    let text = &query.messages.last().expect("a message").content;
    let marks = [
        ("short steps", Question::Plan),
        ("Complete the function. Reply", Question::Code),
        ("Write at most", Question::Tests),
        ("Reply with one line for each", Question::Split),
        ("Complete the function `", Question::Function),
        ("by calling these functions", Question::Assemble),
        ("APPROVED", Question::Review),
        ("Write the function again", Question::Revision),
    ];
    marks
        .iter()
        .find(|(mark, _)| text.contains(mark))
        .map_or(Question::Draft, |(_, question)| *question)
}

/// Returns a model that writes `first`, `revised` after a review, and reviews without approval.
fn writer(first: &'static str, revised: &'static str) -> impl Fn(&Query) -> Line {
    move |query| match question(query) {
        Question::Draft | Question::Code => Line::from(first),
        Question::Revision | Question::Assemble => Line::from(revised),
        Question::Tests => Line::from(TESTS),
        Question::Plan | Question::Review | Question::Split => Line::from("Think again."),
        Question::Function => Line::from("    return x + x\n"),
    }
}

/// Evaluates the bodies above instead of Python.
struct Arithmetic;

impl Runner for Arithmetic {
    fn run(&self, execution: &Execution) -> Result<ExecutionResult> {
        let tried = execution.snippet.as_ref().map(|snippet| Tried {
            snippet: snippet.clone(),
            output: format!("the output of {snippet} after {:?}", execution.program),
        });
        let double = |x: i64| match execution.program.lines().last().map(str::trim) {
            Some("return 2 * x") => 2 * x,
            Some("return x * x - x + 2") => x * x - x + 2,
            Some("return x * x") => x * x,
            _ => -1,
        };
        let passes = |test: &str| {
            let (call, value) = test.split_once(" == ").expect("an equality");
            let argument = call
                .trim_start_matches("assert double(")
                .trim_end_matches(')');
            let argument = argument.parse().expect("a number");
            double(argument).to_string() == value
        };
        let tests: Vec<TestRun> = execution
            .tests
            .iter()
            .map(|test| TestRun {
                test: test.clone(),
                passed: passes(test),
                message: if passes(test) {
                    String::new()
                } else {
                    format!("{test}\nAssertionError")
                },
            })
            .collect();
        let all = tests.iter().all(|test| test.passed);
        Ok(ExecutionResult {
            code_sha256: sha256_of_texts([execution.program.as_str()]),
            tests,
            public: execution.public,
            verdict: if all {
                Verdict::Passed
            } else {
                Verdict::Failed
            },
            detail: String::new(),
            sandbox: "none".to_owned(),
            tried,
            measured: ExecutionMeasures::default(),
        })
    }

    fn workers(&self) -> usize {
        2
    }
}

/// A run's folder, and the tasks and settings of the run.
struct World {
    folder: TempDir,
    evaluate: Evaluate,
    tasks: Vec<TaskView>,
    adapter: Option<&'static str>,
    speakers: Vec<SpeakingAdapter>,
    knowledge: Rc<Knowledge>,
    grading: Grading,
    routing: Rc<Routing>,
}

impl World {
    fn new() -> Self {
        Self {
            folder: tempfile::tempdir().expect("a folder"),
            evaluate: Evaluate::default(),
            tasks: vec![task("double")],
            adapter: None,
            speakers: Vec::new(),
            knowledge: Rc::new(Knowledge::none()),
            grading: Grading::from(&slm_config::Knowledge::default()),
            routing: Rc::new(Routing::by_model(vec![
                Workflow::Single,
                Workflow::Reflection,
                Workflow::MultiAgent,
            ])),
        }
    }

    fn with(mut self, change: impl FnOnce(&mut Evaluate)) -> Self {
        change(&mut self.evaluate);
        self
    }

    fn with_tasks(mut self, n: usize) -> Self {
        self.tasks = (0..n).map(|i| task(&format!("double{i}"))).collect();
        self
    }

    fn log(&self) -> std::path::PathBuf {
        self.folder.path().join(TRAJECTORIES)
    }

    /// Runs the trajectories of a workflow to their end.
    fn try_run(&self, workflow: Workflow, model: &dyn Backend) -> Result<Vec<Finished>> {
        let settings = Rc::new(Settings {
            evaluate: self.evaluate.clone(),
            templates: Templates::load(&Prompts::default()).expect("templates"),
            knowledge: Rc::clone(&self.knowledge),
            grading: self.grading,
            routing: Rc::clone(&self.routing),
        });
        let arm = AnsweringArm {
            name: self.adapter.unwrap_or(BASE_ARM),
            model,
            identity: Rc::new(Identity {
                run: "test".to_owned(),
                config_sha256: "config".to_owned(),
                model_sha256: "model".to_owned(),
                adapter_sha256: self.adapter.map(str::to_owned),
                speakers: self.speakers.clone(),
                teacher_sha256: Some("teacher".to_owned()),
            }),
        };
        let mut folder = RunFolder::open(self.folder.path().to_owned())?;
        let tasks: Vec<&TaskView> = self.tasks.iter().collect();
        let trajectories = arm::trajectories(&arm, workflow, &tasks, &settings, &mut folder)?;
        schedule::run(trajectories, model, &Arithmetic, folder.log(), &mut |_| {})
    }

    /// Runs the only trajectory of a workflow with a model that answers by `script`.
    fn run(&self, workflow: Workflow, script: impl Fn(&Query) -> Line) -> (Finished, Vec<Event>) {
        let mut finished = self
            .try_run(workflow, &Scripted::new(script))
            .expect("an end");
        assert_eq!(finished.len(), 1);
        (finished.remove(0), self.events())
    }

    fn events(&self) -> Vec<Event> {
        events(&self.log())
    }
}

/// Asserts that a run of `prepared` that is killed after 0, 1 or 2 answers continues to the trajectory of a whole one.
fn continues_to_the_same(
    workflow: Workflow,
    prepared: impl Fn() -> World,
    script: impl Fn(&Query) -> Line + Copy,
) {
    let whole = prepared();
    whole
        .try_run(workflow, &Scripted::new(script))
        .expect("an end");
    let expected = sorted(whole.events());
    for answers in 0..3 {
        let world = prepared();
        let _ = world.try_run(workflow, &Scripted::new(script).dying_after(answers));
        world
            .try_run(workflow, &Scripted::new(script))
            .expect("an end");
        let found = sorted(world.events());
        assert_eq!(found, expected, "{workflow} after {answers}");
    }
}

fn events(log: &Path) -> Vec<Event> {
    json_lines::read_file(log).expect("events")
}

/// Returns the events of a log sorted by key: two starts may differ only in their order.
fn sorted(mut events: Vec<Event>) -> Vec<Event> {
    events.sort_by_key(|event| (event.trajectory.clone(), event.step));
    events
}

fn calls(events: &[Event]) -> Vec<&CallResult> {
    events
        .iter()
        .filter_map(|event| match &event.what {
            What::Call(call) => Some(&**call),
            _ => None,
        })
        .collect()
}

/// The body of the program that was kept.
fn body(finished: &Finished) -> &str {
    let chosen = finished.chosen.as_ref().expect("a program");
    &chosen.text
}
