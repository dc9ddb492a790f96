//! Scoring through the public API: scores of samples, caches, and unscored programs.

mod executability;
mod repository;

use std::fs;
use std::path::Path;
use std::sync::{Arc, LazyLock, Mutex};

use serde_json::{Value, json};
use slm_artifacts::Verdict;
use slm_benchmarks::{ScoringPhase, TaskSet};
use slm_repository::TreePools;
use slm_sandbox::{Interpreter, Level, LevelChoice, Limits, Sandbox};
use slm_scoring::{
    ExpectedOutputCache, Sample, SampleOptions, SamplesError, Score, ScoreCache, Scorer,
    ScoringProgress, read_samples,
};

/// Our own programs need no isolation, and the test process is no sandbox helper.
fn sandbox() -> &'static Sandbox {
    static SANDBOX: LazyLock<Sandbox> = LazyLock::new(|| {
        let python = Interpreter::resolve(None).expect("python3");
        let level = LevelChoice::Exactly(Level::C);
        Sandbox::with_level(python, Limits::default(), level)
            .expect("a sandbox, whose helper `cargo test --workspace` builds")
    });
    &SANDBOX
}

/// An EvalPlus task: base test `f(1)`, extra test `f(2)`.
fn row(reference: &str) -> Value {
    json!({
        "task_id": "HumanEval/0", "prompt": "def f(x):\n", "entry_point": "f", "canonical_solution": reference,
        "base_input": [[1]], "plus_input": [[2]], "atol": 0, "contract": "",
    })
}

/// A folder with the task's file and a file of programs.
struct Files {
    folder: tempfile::TempDir,
    set: TaskSet,
    samples: Vec<Sample>,
}

fn files(reference: &str, programs: &[&str]) -> Files {
    files_of(&row(reference), programs)
}

/// The files of a task that is this line.
fn files_of(row: &Value, programs: &[&str]) -> Files {
    let folder = tempfile::tempdir().expect("a folder");
    let data = folder.path().join("tasks.jsonl");
    fs::write(&data, format!("{row}\n")).expect("tasks");
    let lines: Vec<String> = programs
        .iter()
        .map(|program| json!({"task_id": "HumanEval/0", "solution": program}).to_string())
        .collect();
    let path = folder.path().join("samples.jsonl");
    fs::write(&path, lines.join("\n")).expect("samples");
    let set = slm_benchmarks::load("humaneval+", Some(&data)).expect("a benchmark");
    let samples = read_samples(&path, &set, SampleOptions::default()).expect("samples");
    Files {
        samples: samples.samples,
        folder,
        set,
    }
}

/// The scores of all samples, the progress, and the warnings.
fn score(files: &Files, outputs: &Path) -> (Vec<Score>, Vec<ScoringProgress>, Vec<String>) {
    let warnings = Arc::new(Mutex::new(Vec::new()));
    let expected_outputs = ExpectedOutputCache::new(outputs.to_owned(), {
        let warnings = Arc::clone(&warnings);
        move |text| warnings.lock().expect("no panic").push(text.to_owned())
    });
    let scorer = Scorer {
        sandbox: sandbox(),
        expected_outputs: &expected_outputs,
        phase: &ScoringPhase::begin(),
        trees: &TreePools::new(),
    };
    let mut cache = ScoreCache::open(&files.folder.path().join("scores.jsonl")).expect("a cache");
    let mut progress = Vec::new();
    let scores = scorer
        .score_samples(&files.set, &files.samples, &mut cache, &mut |of| {
            progress.push(of);
        })
        .expect("scores");
    let warnings = warnings.lock().expect("no panic").clone();
    (scores, progress, warnings)
}

#[test]
fn base_and_extra_tests_have_their_verdicts_and_equal_programs_run_once() {
    let right = "def f(x):\n    return x\n";
    let files = files(
        "    return x\n",
        &[right, "def f(x):\n    return 1\n", right, "def f(x) return"],
    );
    let outputs = files.folder.path().join("outputs");
    let (scores, progress, warnings) = score(&files, &outputs);
    let verdicts: Vec<(Verdict, usize)> = scores
        .iter()
        .map(|score| score.total().expect("a score"))
        .map(|total| (total.verdict, total.passed))
        .collect();
    assert_eq!(
        verdicts,
        [
            (Verdict::Passed, 2),
            (Verdict::Failed, 1),
            (Verdict::Passed, 2),
            (Verdict::Unparsable, 0),
        ]
    );
    let last = ScoringProgress::Samples {
        done: 3,
        total: 3,
        passed: 2,
    };
    assert_eq!(progress.last(), Some(&last));
    assert_eq!(warnings, Vec::<String>::new());

    let (again, progress, _) = score(&files, &outputs);
    assert_eq!(again, scores);
    assert_eq!(progress, [], "a kept score is not computed again");
}

#[test]
fn a_folder_that_cannot_be_written_costs_a_warning_and_no_score() {
    let files = files("    return x\n", &["def f(x):\n    return x\n"]);
    // A file in place of the folder.
    let outputs = files.folder.path().join("tasks.jsonl");
    let (scores, _, warnings) = score(&files, &outputs);
    let total = scores[0].total().expect("a score");
    assert_eq!(total.verdict, Verdict::Passed);
    assert!(
        warnings
            .iter()
            .all(|text| text.starts_with("warning: cannot write"))
            && !warnings.is_empty(),
        "{warnings:?}"
    );
}

#[test]
fn a_reference_that_fails_leaves_programs_unscored_with_its_reason() {
    let files = files("    return y\n", &["def f(x):\n    return x\n"]);
    let (scores, ..) = score(&files, &files.folder.path().join("outputs"));
    let reason = scores[0].unscored.as_deref().expect("a reason");
    assert!(
        reason.starts_with("the reference fails on every input: NameError"),
        "{reason}"
    );
    assert_eq!(scores[0].total(), None);
}

#[test]
fn what_is_no_sample_is_named_with_its_place() {
    let files = files("    return x\n", &["def f(x):\n    return x\n"]);
    let path = files.folder.path().join("other.jsonl");
    fs::write(&path, r#"{"task_id": "HumanEval/9", "solution": ""}"#).expect("a file");
    match read_samples(&path, &files.set, SampleOptions::default()) {
        Err(SamplesError::Invalid(text)) => {
            assert!(
                text.contains("other.jsonl:1: no task `HumanEval/9` in the benchmark\nhint: "),
                "{text}"
            );
        }
        other => panic!("{other:?}"),
    }
}
