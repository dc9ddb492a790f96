//! The embedded tasks, checked by running them.

mod hub_forms;
mod parsons;
mod real_files;
mod records;

use std::collections::HashSet;
use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use slm_benchmarks::{Asserts, Benchmark, Embedded, Overlap, ScoringPhase, Task, Tests};
use slm_sandbox::{Interpreter, Job, Limits, Sandbox, Verdict, Work};

fn tasks() -> Vec<Task> {
    Embedded
        .tasks()
        .expect("the embedded files are well-formed")
}

/// Returns the hidden tests, which are plain asserts.
fn hidden(task: &Task) -> &[String] {
    match task.hidden().open(&ScoringPhase::begin()) {
        Tests::Asserts(Asserts { tests, .. }) => tests,
        other => panic!("{other:?}"),
    }
}

fn sandbox() -> Sandbox {
    let interpreter = Interpreter::resolve(None).expect("the tests need python3");
    Sandbox::new(interpreter, Limits::default()).expect("a sandbox")
}

/// Applies `check` to every embedded task.
fn for_each_task(check: impl Fn(&Task) + Sync) {
    for_each(&tasks(), check);
}

/// Applies `check` to every task, on two threads, since most of the time is Python's startup.
fn for_each(tasks: &[Task], check: impl Fn(&Task) + Sync) {
    let next = AtomicUsize::new(0);
    thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while let Some(task) = tasks.get(next.fetch_add(1, Ordering::Relaxed)) {
                    check(task);
                }
            });
        }
    });
}

#[test]
fn canonical_solutions_pass_their_hidden_tests_and_their_examples() {
    // The examples as parsed by Python's doctest.
    let doctest = "import doctest, sys\nresult = doctest.testmod(sys.modules['candidate'])\nassert result.attempted > 0 and result.failed == 0, result";
    let own_reading = |program: &str| Job {
        program: program.to_owned(),
        preamble: String::new(),
        work: Work::SharedProcess {
            setup: String::new(),
            tests: vec![doctest.to_owned()],
        },
        tree: None,
    };
    let sandbox = sandbox();
    for_each_task(|task| {
        let (view, phase) = (task.view(), ScoringPhase::begin());
        let program = format!("{}{}", view.prompt, task.canonical_solution(&phase));
        let mut tests = hidden(task).to_vec();
        tests.extend(view.public_examples.iter().cloned());
        let outcomes = [
            sandbox.run_tests(&program, &tests),
            sandbox.run(&own_reading(&program), sandbox.limits()),
        ];
        for outcome in outcomes {
            let outcome = outcome.expect("the sandbox works");
            let id = &view.task_id;
            assert_eq!(outcome.verdict, Verdict::Passed, "{id}: {outcome:#?}");
            assert!(outcome.cpu_s < 2.0, "{id}: {outcome:#?}");
        }
    });
}

#[test]
fn a_body_that_does_nothing_fails_the_hidden_tests_and_the_examples() {
    let sandbox = sandbox();
    for_each_task(|task| {
        let view = task.view();
        let program = format!("{}    pass\n", view.prompt);
        let hidden = hidden(task);
        let all = [hidden, &view.public_examples].concat();
        let outcome = sandbox
            .run_tests(&program, &all)
            .expect("the sandbox works");
        let (hidden, public) = outcome.tests.split_at(hidden.len());
        for tests in [hidden, public] {
            assert!(tests.iter().any(|test| !test.passed), "{}", view.task_id);
        }
        assert!(
            matches!(outcome.verdict, Verdict::Failed | Verdict::Error),
            "{}: {outcome:#?}",
            view.task_id
        );
    });
}

#[test]
fn the_files_run_by_themselves() {
    let sandbox = sandbox();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/registry/embedded");
    let files = files_below(&folder);
    let mut n_tasks = 0;
    for file in &files {
        let text = fs::read_to_string(file).expect("a readable file");
        n_tasks += text.lines().filter(|line| *line == "# task").count();
        let outcome = sandbox.run_tests(&text, &[]).expect("the sandbox works");
        assert_eq!(
            outcome.verdict,
            Verdict::Passed,
            "{}: {outcome:#?}",
            file.display()
        );
    }
    assert_eq!(
        n_tasks,
        tasks().len(),
        "a file of {files:?} is not in the list of embedded.rs"
    );
}

#[test]
fn tasks_have_the_shape_that_their_readme_asks_for() {
    let (phase, tasks) = (ScoringPhase::begin(), tasks());
    let (mut with_control_flow, mut classes, mut ids) = (0, 0, HashSet::new());
    for task in &tasks {
        let view = task.view();
        let id = &view.task_id;
        assert!(ids.insert(id), "{id} occurs twice");
        assert_eq!(*id, format!("embedded/{}", view.entry_point));
        assert!(
            view.prompt.ends_with("    \"\"\"\n"),
            "{id}: {}",
            view.prompt
        );
        assert!(
            !view.prompt.contains('\\'),
            "{id}: a backslash in the prompt"
        );
        let n_examples = view.public_examples.len();
        assert!((1..=3).contains(&n_examples), "{id}: {n_examples} examples");

        let tests = hidden(task).join("\n");
        let n_asserts = tests
            .lines()
            .filter(|line| line.starts_with("assert "))
            .count();
        assert!(n_asserts >= 5, "{id}: {n_asserts} asserts");
        for example in &view.public_examples {
            assert!(
                !tests.contains(example.as_str()),
                "{id} hides its example {example}"
            );
        }
        classes += usize::from(view.prompt.starts_with("class "));
        let solution = task.canonical_solution(&phase);
        let keywords = ["for ", "while ", "if "];
        with_control_flow += usize::from(keywords.iter().any(|word| solution.contains(word)));
    }
    assert!(tasks.len() >= 48, "{} tasks", tasks.len());
    assert!(classes >= 6, "{classes} classes");
    assert!(
        2 * with_control_flow >= tasks.len(),
        "{with_control_flow} with control flow"
    );
}

#[test]
fn no_docstring_sentence_stands_in_the_standard_library() {
    let answer = Command::new(Interpreter::resolve(None).expect("python3").executable)
        .args([
            "-c",
            "import sysconfig; print(sysconfig.get_path('stdlib'))",
        ])
        .output()
        .expect("python3 starts");
    let folder = PathBuf::from(String::from_utf8_lossy(&answer.stdout).trim());
    let tasks = tasks();
    let overlap = Overlap::new(&tasks, &ScoringPhase::begin());
    let files = files_below(&folder);
    assert!(
        files.len() > 100,
        "{} has {} files",
        folder.display(),
        files.len()
    );
    for file in files {
        let text = String::from_utf8_lossy(&fs::read(&file).expect("a readable file")).into_owned();
        assert_eq!(overlap.find(&text), None, "{}", file.display());
    }
}

/// Returns the Python files below a folder, without those of installed packages.
fn files_below(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).expect("a readable folder").flatten() {
        let path = entry.path();
        if path.is_dir() {
            if !path.ends_with("site-packages") && !path.ends_with("dist-packages") {
                files.extend(files_below(&path));
            }
        } else if path.extension() == Some(OsStr::new("py")) {
            files.push(path);
        }
    }
    files
}
