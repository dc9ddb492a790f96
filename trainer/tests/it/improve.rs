//! `trainer improve` with scripts in place of the programs that it starts: order, resuming, refusals and the report.

use std::fs;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::Duration;

use serde_json::Value;

use crate::support::{Finished, Project, finish, says};

const RECIPE: &str = "\
model: {name_or_path: model}
data: {datasets: [{path: src, format: python_source}]}
improve:
  tasks: [{name: mbpp, path: tasks.jsonl}]
  rounds: 2
  samples: 4
  judge_samples: 4
";

/// The stages of [`RECIPE`], by the last words of their commands' folders.
pub(crate) const STAGES: [&str; 9] = [
    "round-0/judge",
    "round-1/sample",
    "round-1/data",
    "round-1/fit",
    "round-1/judge",
    "round-2/sample",
    "round-2/data",
    "round-2/fit",
    "round-2/judge",
];

const LOG: &str = "checkpoints/rounds/improve.jsonl";

/// A project with tasks, a recipe `rounds.yaml`, and the scripts beside a copy of the trainer.
pub(crate) struct Rounds {
    pub(crate) project: Project,
    pub(crate) program: PathBuf,
}

impl Rounds {
    pub(crate) fn new() -> Self {
        let project = Project::new();
        project.write("rounds.yaml", RECIPE);
        project.write("tasks.jsonl", tasks(611..=680));
        let stubs = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/stubs");
        fs::create_dir(project.path("bin")).expect("a folder");
        for name in ["evaluator", "trainer"] {
            fs::copy(stubs.join(name), project.path(&format!("bin/{name}"))).expect("copied");
        }
        let program = project.path("bin/under-test");
        let built = Path::new(env!("CARGO_BIN_EXE_trainer"));
        fs::hard_link(built, &program)
            .or_else(|_| fs::copy(built, &program).map(drop))
            .expect("a copy of the trainer");
        Self { project, program }
    }

    pub(crate) fn command(&self, words: &[&str]) -> Command {
        let words = [&["improve", "rounds.yaml", "--device", "cpu"], words].concat();
        let program = self.program.to_str().expect("text");
        let mut command = self.project.command(program, &words);
        command.env("CALLS", self.project.path("calls.txt"));
        command
    }

    pub(crate) fn run(&self, words: &[&str]) -> Finished {
        finish(&mut self.command(words))
    }

    pub(crate) fn run_with(&self, name: &str, value: &str) -> Finished {
        finish(self.command(&[]).env(name, value))
    }

    /// The stages that were started since the last call, by the folder that each writes.
    pub(crate) fn started(&self) -> Vec<String> {
        let calls = fs::read_to_string(self.project.path("calls.txt")).unwrap_or_default();
        let _ = fs::remove_file(self.project.path("calls.txt"));
        let stage = |line: &str| {
            let at = STAGES.iter().rev().find(|stage| {
                let folder = format!("rounds/{stage} ");
                let recipe = format!("rounds/{stage}.yaml");
                format!("{line} ").contains(&folder) && !stage.ends_with("sample")
                    || line.contains(&recipe)
            });
            (*at.unwrap_or_else(|| panic!("{line}"))).to_owned()
        };
        calls.lines().map(stage).collect()
    }

    fn log(&self) -> Vec<Value> {
        let text = self.project.read(LOG);
        let lines = text.lines();
        lines
            .map(|line| serde_json::from_str(line).expect("JSON"))
            .collect()
    }

    /// The hashes of what each stage made.
    fn outputs(&self) -> Vec<Value> {
        self.log()
            .iter()
            .map(|line| line["outputs"].clone())
            .collect()
    }
}

/// Tasks in MBPP's format whose texts and solutions do not resemble each other.
fn tasks(ids: std::ops::RangeInclusive<u32>) -> String {
    let task = |id: u32| {
        let digits = id.to_string();
        let letters = digits.bytes().map(|digit| char::from(digit + 49));
        let word: String = letters.chain(['q']).collect();
        let step = |bit: u32| {
            let sign = if id >> bit & 1 == 0 { '+' } else { '*' };
            format!("    v{word} = v{word} {sign} x{word}\n")
        };
        let steps = (0..10).map(step).collect::<Vec<_>>().concat();
        let code = format!("def f{word}(x{word}):\n    v{word} = 1\n{steps}    return v{word}\n");
        let task = serde_json::json!({
            "task_id": id, "text": format!("Apply rule {word} to number {word}."), "code": code,
            "test_setup_code": "", "test_list": [format!("assert f{word}(0) is not None")],
        });
        format!("{task}\n")
    };
    ids.map(task).collect()
}

#[test]
fn all_rounds_run_in_order_and_the_best_adapter_is_kept() {
    let rounds = Rounds::new();
    let finished = rounds.run(&[]);
    says(
        &finished.stderr,
        &[
            "tasks              56 to learn from, 14 to compare rounds by; left out: none",
            "base model: judge (stage 1 of 9), time left unknown",
            "round 1 of 2: sample (stage 2 of 9), time left unknown",
            "round 2 of 2: fit (stage 8 of 9), about ",
        ],
    );
    let result = finished.result();
    assert!(
        result.starts_with("checkpoints/rounds/adapter: adapter of round 2, pass@1 "),
        "{result}"
    );
    assert!(!result.contains("no round beat"), "{result}");
    assert_eq!(rounds.started(), STAGES);
    let kept = rounds
        .project
        .read("checkpoints/rounds/adapter/adapter_model.safetensors");
    assert_eq!(kept, "60");
    // Round 2 is answered by the adapter of round 1, and its data are from both rounds.
    let commands: Vec<String> = rounds
        .log()
        .iter()
        .map(|line| line["command"].as_str().expect("text").to_owned())
        .collect();
    says(
        &commands[5],
        &[
            "evaluator sweep checkpoints/rounds/round-1/fit/adapter --recipe",
            "--allow-learned-tasks",
        ],
    );
    says(
        &commands[6],
        &["round-1/sample/run-", "round-2/sample/run-", "--to sft"],
    );
    let fit = rounds.project.read("checkpoints/rounds/round-2/fit.yaml");
    says(
        &fit,
        &[
            "path: checkpoints/rounds/round-2/data",
            "path: src",
            "dev-mbpp.txt",
            "- embedded",
        ],
    );
    let page = rounds.project.read("checkpoints/rounds/improve-report.md");
    says(
        &page,
        &[
            "the best of 2 by pass@1 on 14 dev tasks",
            "evaluator compare checkpoints/rounds/adapter --recipe",
            "| round 2, kept |",
        ],
    );
    let page = rounds
        .project
        .read("checkpoints/rounds/improve-report.html");
    says(
        &page,
        &[
            "<h1>Improvement rounds</h1>",
            "round 2 of 2",
            "14 dev tasks",
        ],
    );
    let words = ["view", "rounds", "-o", "again.html"];
    let trainer = env!("CARGO_BIN_EXE_trainer");
    finish(&mut rounds.project.command(trainer, &words)).result();
    assert_eq!(rounds.project.read("again.html"), page);
    rounds.project.assert_no_parts();
}

#[test]
fn a_second_start_skips_what_is_finished_and_gives_the_same_result() {
    let rounds = Rounds::new();
    let first = rounds.run(&[]).result();
    rounds.started();
    let before = rounds.project.read(LOG);
    assert_eq!(rounds.run(&[]).result(), first);
    assert_eq!(
        (rounds.started(), rounds.project.read(LOG)),
        (Vec::new(), before)
    );
    // Another round continues.
    rounds.run(&["--set", "improve.rounds=3"]).result();
    let started = rounds.project.read("calls.txt");
    assert_eq!(started.lines().count(), 4, "{started}");
    assert!(
        started.lines().all(|line| line.contains("round-3")),
        "{started}"
    );
    let document = rounds
        .run(&["--set", "improve.rounds=3", "--json"])
        .result();
    let document: Value = serde_json::from_str(&document).expect("one JSON document");
    assert_eq!(document["best_round"], 3);
    assert_eq!(document["rounds"].as_array().map(Vec::len), Some(3));
}

#[test]
fn a_stage_whose_output_was_changed_is_done_again_with_all_after_it() {
    let rounds = Rounds::new();
    rounds.run(&[]).result();
    rounds.started();
    let outputs = rounds.outputs();
    rounds.project.write(
        "checkpoints/rounds/round-1/fit/adapter/adapter_model.safetensors",
        "99",
    );
    let again = rounds.run(&[]);
    says(
        &again.stderr,
        &["round 1: fit and all after it is done again: what it made has not the logged hash"],
    );
    again.result();
    assert_eq!(rounds.started(), STAGES[3..]);
    assert_eq!(rounds.outputs(), outputs);
    // A line that was not written to its end counts as none.
    let log = rounds.project.read(LOG);
    rounds.project.write(LOG, &log[..log.len() - 9]);
    rounds.run(&[]).result();
    assert_eq!(
        (rounds.started(), rounds.outputs()),
        (
            STAGES[8..].iter().map(ToString::to_string).collect(),
            outputs
        )
    );
}

#[test]
fn changed_settings_repeat_only_the_stages_that_depend_on_them() {
    let rounds = Rounds::new();
    rounds.run(&[]).result();
    rounds.started();
    rounds.run(&["--set", "train.learning_rate=1e-5"]).result();
    assert_eq!(rounds.started(), STAGES[3..]);
    // A price changes only the report.
    let priced = [
        "--set",
        "train.learning_rate=1e-5",
        "--set",
        "costs.price_per_hour=3600",
        "--json",
    ];
    let document = rounds.run(&priced).result();
    assert_eq!(rounds.started(), [""; 0]);
    let document: Value = serde_json::from_str(&document).expect("one JSON document");
    let cost = &document["cost"];
    // 1 for a second.
    let number = |value: &Value| value.as_f64().expect("a number");
    let (money, seconds) = (number(&cost["money"]["known"]), number(&cost["seconds"]));
    assert!((money - seconds).abs() < 1e-9, "{cost}");
    assert_eq!(cost["kwh"], "unknown");
    let stages = document["stages"].as_array().expect("stages").iter();
    let stages: f64 = stages.map(|stage| number(&stage["cost"]["seconds"])).sum();
    assert!((stages - seconds).abs() < 1e-9);
    let page = rounds.project.read("checkpoints/rounds/improve-report.md");
    says(
        &page,
        &[
            "## What it cost",
            "| all | all |",
            "3600 for an hour of the machine.",
            "no counter of a processor's energy is in",
        ],
    );
    rounds
        .run(&[
            "--set",
            "train.learning_rate=1e-5",
            "--set",
            "improve.per_task=2",
        ])
        .result();
    assert_eq!(rounds.started(), STAGES[2..]);
}

#[test]
fn a_run_that_is_killed_at_any_time_continues_to_the_same_result() {
    continues_after_kills(|child| {
        let group = format!("-{}", child.id());
        let kill = Command::new("kill").args(["-9", "--", &group]).status();
        assert!(kill.expect("kill runs").success());
    });
}

#[test]
fn a_run_whose_trainer_alone_is_killed_continues_to_the_same_result() {
    continues_after_kills(|child| child.kill().expect("killed"));
}

/// Kills a run again and again until it ends, and compares it with one that was not.
fn continues_after_kills(kill: impl Fn(&mut Child)) {
    let whole = Rounds::new();
    whole.run_with("PAUSE", "0.001").result();
    let rounds = Rounds::new();
    let mut kills = 0;
    // A step that no stage's duration is a multiple of, so that kills hit each stage at different times.
    for delay in (1..).map(|n| Duration::from_millis(60 + 37 * n % 700)) {
        let mut command = rounds.command(&[]);
        command.env("PAUSE", "0.001").process_group(0);
        let mut child = command
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("the trainer starts");
        sleep(delay);
        if child.try_wait().expect("a child").is_some() {
            break;
        }
        kill(&mut child);
        child.wait().expect("a child");
        kills += 1;
        assert!(kills < 200, "it never ends");
    }
    rounds.run(&[]).result();
    assert!(kills >= 4, "{kills} kills");
    assert_eq!(rounds.outputs(), whole.outputs());
    let kept = |of: &Rounds| {
        of.project
            .read("checkpoints/rounds/adapter/adapter_model.safetensors")
    };
    assert_eq!(kept(&rounds), kept(&whole));
}

#[test]
fn a_command_that_the_rounds_started_ends_with_its_parent() {
    let rounds = Rounds::new();
    let mut command = rounds.command(&[]);
    command.env("PAUSE", "10").env("SLM_PARENT_PIPE", "1");
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the trainer starts");
    while !rounds.project.path("calls.txt").exists() {
        assert_eq!(child.try_wait().expect("a child"), None);
        sleep(Duration::from_millis(20));
    }
    // As the system does when the process at the other end is killed.
    drop(child.stdin.take());
    let output = child.wait_with_output().expect("an end");
    let error = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(130), "{error}");
    says(&error, &["the command that started this one has ended"]);
}

#[test]
fn a_failed_stage_is_named_and_the_stages_before_it_are_kept() {
    let rounds = Rounds::new();
    let error = rounds.run_with("FAIL", "round-2/sample 1").error(1);
    says(
        &error,
        &[
            "round 2: sample failed with exit code 1",
            "hint: the stages before it are finished",
        ],
    );
    assert_eq!(rounds.log().len(), 5);
    let error = rounds.run_with("FAIL", "round-2/fit 2").error(2);
    says(&error, &["round 2: fit was refused with exit code 2"]);
    let error = rounds.run_with("FAIL", "round-2/fit 130");
    assert_eq!(error.code, Some(130), "{}", error.stderr);
    says(
        &error.stderr,
        &["stopped at round 2: fit", "hint: continue with"],
    );
    rounds.started();
    rounds.run(&[]).result();
    assert_eq!(rounds.started(), STAGES[7..]);
}

#[test]
fn a_refused_data_set_is_an_error_in_every_round() {
    let rounds = Rounds::new();
    let error = rounds.run_with("STRENGTH", "0").error(2);
    says(&error, &["round 1: data was refused with exit code 2"]);
    let rounds = Rounds::new();
    let error = rounds.run_with("FAIL", "round-2/data 2").error(2);
    says(&error, &["round 2: data was refused with exit code 2"]);
    assert!(
        !rounds
            .project
            .path("checkpoints/rounds/improve-report.md")
            .exists()
    );
    rounds.started();
    rounds.run(&[]).result();
    assert_eq!(rounds.started(), STAGES[6..]);
}

#[test]
fn a_result_that_no_round_improved_is_named_so() {
    let rounds = Rounds::new();
    let result = rounds.run_with("STRENGTHS", "10 12").result();
    assert!(result.contains("adapter of round "), "{result}");
    assert!(
        result.trim_end().ends_with("no round beat the base model"),
        "{result}"
    );
    let page = rounds.project.read("checkpoints/rounds/improve-report.md");
    says(&page, &["**No round beat the base model** on these tasks."]);
}

#[test]
fn a_task_file_that_changed_between_rounds_is_refused() {
    let rounds = Rounds::new();
    rounds.run(&[]).result();
    rounds.project.write("tasks.jsonl", tasks(612..=681));
    let error = rounds.run(&[]).error(2);
    says(
        &error,
        &[
            "the file of improve.tasks[0], mbpp has changed since round 0",
            "hint: restore the file",
        ],
    );
    assert_eq!(rounds.log().len(), 9);
}

#[test]
fn a_task_file_that_changes_during_the_run_is_refused() {
    let whole = Rounds::new();
    whole.run(&[]).result();
    let rounds = Rounds::new();
    let before = rounds.project.read("tasks.jsonl");
    let error = rounds
        .run_with("CHANGE", "round-1/sample tasks.jsonl")
        .error(2);
    says(
        &error,
        &[
            "round 1: sample is not used",
            "tasks.jsonl: the file of improve.tasks[0], mbpp changed during the run: its SHA-256 was ",
            "hint: restore the file and start again; finished stages are kept",
        ],
    );
    assert_eq!(rounds.log().len(), 1);
    rounds.project.write("tasks.jsonl", before);
    rounds.started();
    rounds.run(&[]).result();
    assert_eq!(rounds.started(), STAGES[1..]);
    assert_eq!(rounds.outputs(), whole.outputs());
}

#[test]
fn a_changed_model_prompt_or_data_set_repeats_the_stages_that_read_it() {
    let rounds = Rounds::new();
    rounds.project.write("prompt.txt", "Plan.");
    let set = &["--set", "evaluate.prompts.planner=prompt.txt"];
    rounds.run(set).result();
    rounds.started();
    // Each stage from the changed one on is done again.
    rounds.project.write("src/more.py", "x = 1\n");
    let again = rounds.run(set);
    says(
        &again.stderr,
        &[
            "round 1: fit and all after it is done again: its input has changed: replayed data 1, src",
        ],
    );
    assert_eq!(rounds.started(), STAGES[3..]);
    rounds.project.write("prompt.txt", "Plan it.");
    let again = rounds.run(set);
    says(
        &again.stderr,
        &[
            "judge of the base model and all after it is done again: its input has changed: evaluate.prompts.planner",
        ],
    );
    assert_eq!(rounds.started(), STAGES);
    let config = rounds.project.read("model/config.json");
    rounds.project.write("model/config.json", config + "\n");
    let again = rounds.run(set);
    says(&again.stderr, &["its input has changed: base model"]);
    assert_eq!(rounds.started(), STAGES);
    rounds.run(set).result();
    assert!(rounds.started().is_empty());
}

#[test]
fn rounds_of_preferences_make_pairs_and_train_on_them() {
    let rounds = Rounds::new();
    let mut words = Vec::new();
    for set in [
        "data.datasets=[]",
        "train.objective=dpo",
        "improve.rule=maintainability",
        "improve.prefer=likelihood",
    ] {
        words.extend(["--set", set]);
    }
    rounds.run(&words).result();
    assert_eq!(rounds.started(), STAGES);
    let log = rounds.log();
    let command = log[2]["command"].as_str().expect("text");
    says(
        command,
        &[
            "--to pairs",
            "--prefer likelihood",
            "--device cpu",
            "--rule maintainability",
        ],
    );
    assert!(log[2]["inputs"]["base model"].is_string(), "{}", log[2]);
    let fit = rounds.project.read("checkpoints/rounds/round-2/fit.yaml");
    says(
        &fit,
        &[
            "objective: dpo",
            "path: checkpoints/rounds/round-2/data",
            "format: pairs",
        ],
    );
    // Nothing is replayed beside pairs.
    assert!(!fit.contains("path: src"), "{fit}");
    // The trainer reads the recipe and the rows.
    let words = ["data", "checkpoints/rounds/round-2/fit.yaml"];
    let program = rounds.program.to_str().expect("text");
    let shown = finish(&mut rounds.project.command(program, &words)).result();
    says(&shown, &["pairs"]);
}

#[test]
fn too_few_tasks_are_refused_with_the_reasons() {
    let rounds = Rounds::new();
    let text = tasks(11..=15) + &tasks(621..=650);
    rounds.project.write("tasks.jsonl", text);
    let error = rounds.run(&[]).error(2);
    says(
        &error,
        &[
            "leaves 30 tasks to learn from and to compare rounds by, fewer than `improve.fewest_tasks` (50)",
            "left out: 5 in the publisher's test split",
        ],
    );
    let error = rounds.run(&["--set", "improve.tasks=[]"]).error(2);
    says(
        &error,
        &["`improve.tasks` is missing", "hint: add `improve: {tasks:"],
    );
    let error = rounds.run(&["--set", "improve.tasks=[embedded]"]).error(2);
    says(&error, &["shared with `evaluate.benchmarks`"]);
    let set = "evaluate.endpoint={url: 'http://127.0.0.1:1'}";
    let error = rounds.run(&["--set", set]).error(2);
    says(&error, &["`evaluate.endpoint` is set"]);
    assert!(!rounds.project.path("checkpoints").exists());
}
