//! Ctrl-C in every long command, and untrusted text on the terminal.

use std::fs;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use serde_json::json;

use crate::support::{Finished, Project, finish, says};
use crate::trained_project;

const EVALUATOR: &str = env!("CARGO_BIN_EXE_evaluator");

fn spawn(project: &Project, words: &str) -> Child {
    let words: Vec<&str> = words.split(' ').collect();
    project
        .command(EVALUATOR, &words)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the evaluator starts")
}

/// Waits until `ready`, stops the command with SIGINT, and returns its stderr.
fn interrupt(mut child: Child, mut ready: impl FnMut() -> bool) -> String {
    let started = Instant::now();
    while !ready() && child.try_wait().expect("a child").is_none() {
        assert!(started.elapsed() < Duration::from_mins(2), "no progress");
        sleep(Duration::from_millis(5));
    }
    let is_running = child.try_wait().expect("a child").is_none();
    let pid = child.id().to_string();
    let kill = Command::new("kill").args(["-INT", &pid]).status();
    assert!(kill.expect("kill runs").success());
    let output = child.wait_with_output().expect("the evaluator ends");
    let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(is_running, "it ended before it was stopped: {stderr}");
    assert_eq!(output.status.code(), Some(130), "{stderr}");
    stderr
}

/// Ready after a while.
fn in_a_moment() -> impl FnMut() -> bool {
    let started = Instant::now();
    move || started.elapsed() > Duration::from_millis(1500)
}

/// The folder of the only run, once it exists.
fn run_folder(project: &Project) -> Option<PathBuf> {
    let mut entries = fs::read_dir(project.path("reports")).ok()?;
    Some(entries.next()?.ok()?.path())
}

#[test]
fn every_experiment_says_where_its_steps_are_saved_and_continues_there() {
    for (experiment, more) in [
        ("compare", ""),
        ("sweep", " --set evaluate.sweep.temperatures=[0.5]"),
        ("workflows", ""),
        ("hypotheses", ""),
    ] {
        let project = trained_project();
        let words = format!(
            "{experiment} checkpoints/tiny/adapter --device cpu --set evaluate.max_new_tokens=64{more}"
        );
        let child = spawn(&project, &words);
        let log = || Some(run_folder(&project)?.join("trajectory.jsonl"));
        let lines = || {
            fs::read_to_string(log()?)
                .ok()
                .map(|text| text.lines().count())
        };
        let stderr = interrupt(child, || lines().is_some_and(|lines| lines >= 2));
        let folder = run_folder(&project).expect("a folder");
        let name = folder
            .file_name()
            .expect("a name")
            .to_string_lossy()
            .into_owned();
        let end = format!(
            "interrupted: every finished step and verdict is saved in reports/{name}\n\
             hint: continue with `{EVALUATOR} "
        );
        assert!(stderr.contains(&end), "{stderr}");
        let before = fs::read_to_string(log().expect("a log")).expect("a log");
        let whole = &before[..=before.rfind('\n').expect("a line")];

        // The printed command finds the logged steps.
        let again = stderr.rsplit_once("continue with `").expect("a command").1;
        let again = again.trim_end().trim_end_matches('`');
        assert!(again.contains(experiment), "{again}");
        let shell = project
            .command("sh", &["-c", &format!("exec {again}")])
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("a shell");
        let n = whole.lines().count();
        let stderr = interrupt(shell, || lines().is_some_and(|lines| lines > n));
        let after = fs::read_to_string(log().expect("a log")).expect("a log");
        assert!(after.starts_with(whole), "{stderr}");
    }
}

#[test]
fn scoring_keeps_its_verdicts_and_counting_has_none() {
    let project = Project::new();
    let task = json!({"task_id": "t/0", "prompt": "def f(x):\n    \"\"\"x\"\"\"\n", "entry_point": "f", "tests": ["assert f(1) == 1"]});
    project.write("tasks.jsonl", format!("{task}\n"));
    let samples: String = (0..40)
        .map(|i| json!({"task_id": "t/0", "solution": format!("def f(x):\n    while x != {}: pass\n", i + 2)}).to_string() + "\n")
        .collect();
    project.write("samples.jsonl", samples);
    let words = "score --benchmark custom --data tasks.jsonl samples.jsonl";
    let stderr = interrupt(spawn(&project, words), in_a_moment());
    let end = format!(
        "interrupted: all finished verdicts are kept in the score cache\n\
         hint: continue with `{EVALUATOR} {words}`\n"
    );
    assert!(stderr.ends_with(&end), "{stderr}");

    // Far more text than is measured in a moment, under many names.
    let function = "def f(a, b):\n    if a > b and b:\n        return a * b\n    return [x for x in range(a)]\n";
    project.write("many/0.py", function.repeat(45_000));
    for n in 1..100 {
        let linked = fs::hard_link(
            project.path("many/0.py"),
            project.path(&format!("many/{n}.py")),
        );
        linked.expect("a link");
    }
    for words in [
        "metrics many",
        "bench --shape tiny-qwen2 --new-tokens 200 --prompt-tokens 50 --batch 512,1024",
    ] {
        let stderr = interrupt(spawn(&project, words), in_a_moment());
        let end = format!(
            "interrupted: nothing was saved\nhint: start again with `{EVALUATOR} {words}`\n"
        );
        assert!(stderr.ends_with(&end), "{stderr}");
    }
}

#[test]
fn nothing_that_samples_or_files_hold_steers_the_terminal() {
    let steers = |c: char| {
        c.is_control() && c != '\n' && c != '\t'
            || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    let evil = "t/\u{1b}[2J\u{202e}0\u{9b}";
    let project = Project::new();
    let check = |what: &str, words: &[&str]| {
        let Finished { stdout, stderr, .. } = finish(&mut project.command(EVALUATOR, words));
        let text = format!("{stdout}{stderr}");
        assert!(!text.contains(steers), "{what}: {text:?}");
        says(&text, &["\\u{1b}[2J\\u{202e}0\\u{9b}"]);
    };
    let task = json!({"task_id": "t/0", "prompt": "def f(x):\n    \"\"\"x\"\"\"\n", "entry_point": "f", "tests": ["assert f(1) == 1"]});
    project.write("tasks.jsonl", format!("{task}\n"));
    project.write(
        "samples.jsonl",
        format!("{}\n", json!({"task_id": evil, "solution": "x"})),
    );
    let score = ["score", "--benchmark", "custom", "--data", "tasks.jsonl"];
    check("a task id", &[&score[..], &["samples.jsonl"]].concat());
    let name = "\u{1b}[2J\u{202e}0\u{9b}.py";
    project.write(name, "def f(:\n");
    check("a file that cannot be counted", &["metrics", name]);
    project.write(name, "def f(x):\n    return x\n");
    check("a file in a table", &["metrics", name]);
    check("a folder of a run", &["show", name, "t/0"]);
}
