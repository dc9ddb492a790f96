//! Three packages from PyPI: their own bodies pass, stubs fail, most mutants fail, and the same bytes result twice.

use std::path::{Path, PathBuf};
use std::process::Command;

use slm_benchmarks::{ScoringPhase, Tests};
use slm_repository::{ProgramRun, TreePool, run_program};

use super::{make, note, sandbox_of};

/// Package, and the least number of its tasks with tests.
const PACKAGES: [(&str, usize); 3] = [
    ("inflection==0.5.1", 10),
    ("toolz==1.0.0", 30),
    ("cachetools==5.5.0", 0),
];

/// Returns whether a command succeeds; its output is dropped.
fn succeeds(command: &mut Command) -> bool {
    command.output().is_ok_and(|output| output.status.success())
}

/// Returns an interpreter with pytest, and the folders of the packages; `None` without `LARGE_DATA=1` or without a
/// package index. With `REQUIRE_MODEL=1`, which demands all downloads, the latter fails instead.
fn packages() -> Option<(PathBuf, Vec<PathBuf>)> {
    if std::env::var_os("LARGE_DATA").is_none() {
        note("SKIPPED: tasks of packages from PyPI need LARGE_DATA=1");
        return None;
    }
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("repository-packages");
    std::fs::create_dir_all(&folder).expect("a folder");
    let python = folder.join("venv/bin/python");
    let mut is_there = python.is_file()
        || succeeds(
            Command::new("python3")
                .args(["-m", "venv"])
                .arg(folder.join("venv")),
        );
    let mut pip = Command::new(&python);
    pip.args(["-m", "pip", "install", "--quiet", "pytest==8.3.4"]);
    is_there = is_there && succeeds(&mut pip);
    let mut roots = Vec::new();
    for (package, _) in PACKAGES {
        let root = folder.join(package.replace("==", "-"));
        if is_there && !root.is_dir() {
            let mut pip = Command::new(&python);
            pip.args([
                "-m",
                "pip",
                "download",
                "--quiet",
                "--no-deps",
                "--no-binary",
                ":all:",
            ]);
            is_there = succeeds(pip.arg(package).current_dir(&folder));
            let mut extract = Command::new(&python);
            extract.args(["-m", "tarfile", "-e"]);
            extract.arg(format!("{}.tar.gz", package.replace("==", "-")));
            is_there = is_there && succeeds(extract.current_dir(&folder));
        }
        roots.push(root);
    }
    if !is_there {
        assert!(
            std::env::var_os("REQUIRE_MODEL").is_none(),
            "REQUIRE_MODEL is set, but the packages cannot be downloaded"
        );
        note("SKIPPED: packages from PyPI cannot be downloaded");
        return None;
    }
    Some((python, roots))
}

#[test]
fn tasks_of_packages_accept_their_own_bodies_and_notice_faults() {
    let Some((python, roots)) = packages() else {
        return;
    };
    let Some(sandbox) = sandbox_of(Some(&python)) else {
        return;
    };
    let folder = tempfile::tempdir().expect("a folder");
    let mut kinds = std::collections::BTreeSet::new();
    let (mut mutants, mut killed) = (0, 0);
    for (root, (package, least)) in roots.iter().zip(PACKAGES) {
        let options = slm_repository::TaskOptions {
            output: folder.path().join("own.jsonl"),
            split: Some(0.7),
            seed: 3,
        };
        let made = make(root, &sandbox, &options);
        note(&format!("{package}\n{}", made.report));
        assert!(made.report.tested >= least, "{package}: {}", made.report);
        assert_eq!(made.text, make(root, &sandbox, &options).text, "{package}");
        kinds.extend(made.report.tested_by_kind.keys().copied());
        mutants += made.report.mutants;
        killed += made.report.mutants_killed;
        // All rows, as the benchmark reads those for evaluation.
        let text = made.text.replace(r#""split":"train""#, r#""split":"eval""#);
        std::fs::write(&options.output, text).expect("a file");
        let set = slm_benchmarks::load("repository", Some(&options.output)).expect("tasks");
        let pool = TreePool::new(root.clone(), Some(made.report.repository_sha256.clone()));
        let phase = ScoringPhase::begin();
        for task in &set.tasks {
            let Tests::Repository(tests) = task.hidden().open(&phase) else {
                continue;
            };
            let view = task.view();
            let target = view.repository.as_ref().expect("a repository");
            let passed = |program: &str| {
                let run = run_program(&sandbox, &pool, target, &view.prompt, &tests.tests, program);
                match run.expect("a run") {
                    ProgramRun::Refused(fault) => panic!("{}: {fault}", view.task_id),
                    ProgramRun::Tested { results, .. } => results
                        .iter()
                        .filter(|(verdict, _)| *verdict == slm_sandbox::Verdict::Passed)
                        .count(),
                }
            };
            let body = task.canonical_solution(&phase);
            let first = body
                .lines()
                .find(|line| !line.trim().is_empty() && !line.trim_start().starts_with('#'));
            let first = first.expect("a statement");
            let indent = &first[..first.len() - first.trim_start().len()];
            let stub = format!("{}{indent}raise NotImplementedError\n", view.prompt);
            let whole = format!("{}{body}", view.prompt);
            assert_eq!(passed(&whole), tests.tests.len(), "{}", view.task_id);
            assert_eq!(passed(&stub), 0, "{}", view.task_id);
        }
    }
    assert!(killed * 5 >= mutants * 4, "{killed} of {mutants}");
    let all = ["doctest", "plain", "pytest", "unittest"];
    assert_eq!(kinds.into_iter().collect::<Vec<_>>(), all);
}
