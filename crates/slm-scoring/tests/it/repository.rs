//! Tasks of a repository: their scores, and their visible examples.

use std::fs;

use slm_artifacts::Verdict;
use slm_benchmarks::{ScoringPhase, Task, TaskSet};
use slm_repository::{RepositoryError, TaskOptions, TreePools, make_tasks};
use slm_scoring::{ExpectedOutputCache, Scorer, ScoringError, visible_outcome};

use super::sandbox;

const SOURCE: &str = "\
import math

class Circle:
    '''A circle.'''

    def __init__(self, radius):
        self.radius = radius

    def area(self, digits):
        '''Returns the area.

        >>> Circle(1).area(2)
        3.14
        '''
        exact = math.pi * self.radius ** 2
        return round(exact, digits)

def unused(x):
    '''Has no test.'''
    return x
";

struct Files {
    folder: tempfile::TempDir,
    set: TaskSet,
}

/// Makes the tasks of a repository with a class and a test of its method.
fn files() -> Files {
    let folder = tempfile::tempdir().expect("a folder");
    let root = folder.path().join("repo");
    fs::create_dir(&root).expect("a folder");
    fs::write(root.join("shapes.py"), SOURCE).expect("a file");
    let test = "from shapes import Circle\ndef test_area(): assert Circle(2).area(1) == 12.6\n";
    fs::write(root.join("test_shapes.py"), test).expect("a file");
    let output = folder.path().join("own.jsonl");
    let options = TaskOptions {
        output: output.clone(),
        split: None,
        seed: 1,
    };
    let mut text = String::new();
    let report =
        make_tasks::<RepositoryError>(&root, sandbox(), &options, &mut |_| (), &mut |row| {
            text.push_str(&row.to_line());
            Ok(())
        });
    assert_eq!(report.expect("tasks").tested, 1);
    fs::write(&output, text).expect("a file");
    let set = slm_benchmarks::load("repository", Some(&output)).expect("tasks");
    Files { folder, set }
}

fn score(
    files: &Files,
    task: &Task,
    program: &str,
) -> Result<(Verdict, usize, usize), ScoringError> {
    let outputs = ExpectedOutputCache::new(files.folder.path().join("outputs"), |_| ());
    let scorer = Scorer {
        sandbox: sandbox(),
        expected_outputs: &outputs,
        phase: &ScoringPhase::begin(),
        trees: &TreePools::new(),
    };
    let total = scorer.score(task, program)?.total().expect("a score");
    Ok((total.verdict, total.passed, total.tests))
}

#[test]
fn programs_are_scored_inside_their_repository() {
    let files = files();
    let [area, unused] = &files.set.tasks[..] else {
        panic!("{:?}", files.set.tasks.len());
    };
    let of_area = |program: &str| score(&files, area, program).expect("a score");
    let phase = ScoringPhase::begin();
    let prompt = &area.view().prompt;
    let own = format!("{prompt}{}", area.canonical_solution(&phase));
    assert_eq!(of_area(&own), (Verdict::Passed, 2, 2));
    let wrong = format!("{prompt}        return 12.6\n");
    assert_eq!(of_area(&wrong).1, 1);
    let helper = "import cmath\nclass Circle:\n    def area(self, digits):\n        return squared(self.radius, digits)\ndef squared(r, digits):\n    return round(cmath.pi * r * r, digits)\n";
    assert_eq!(of_area(helper), (Verdict::Passed, 2, 2));
    assert_eq!(of_area("def circle(): return 1").0, Verdict::Error);
    assert_eq!(of_area("def area(self) return").0, Verdict::Unparsable);
    assert_eq!(of_area(prompt).0, Verdict::Empty);
    let prompt = &unused.view().prompt;
    let of_unused = |program: &str| score(&files, unused, program).expect("a score");
    assert_eq!(
        of_unused(&format!("{prompt}    return 2\n")),
        (Verdict::Untested, 0, 0)
    );
    assert_eq!(of_unused(prompt), (Verdict::Empty, 0, 0));
    assert_eq!(
        of_unused("def unused(x) return"),
        (Verdict::Unparsable, 0, 0)
    );
}

#[test]
fn visible_examples_run_inside_the_repository() {
    let files = files();
    let view = files.set.tasks[0].view();
    let outcome = |body: &str| {
        let program = format!("{}        {body}\n", view.prompt);
        visible_outcome(view, &program, sandbox(), &TreePools::new())
            .expect("a run")
            .expect("a task of a repository")
    };
    assert_eq!(outcome("return 3.14")[0].0, Verdict::Passed);
    assert_eq!(outcome("return 3")[0].0, Verdict::Failed);
    let unused = files.set.tasks[1].view();
    let import = |program: &str| {
        let program = format!("{}{program}", unused.prompt);
        let outcome = visible_outcome(unused, &program, sandbox(), &TreePools::new());
        let outcome = outcome.expect("a run").expect("a task of a repository");
        assert_eq!(outcome.len(), 1);
        outcome[0].clone()
    };
    assert_eq!(import("    return 2\n"), (Verdict::Passed, String::new()));
    let (verdict, detail) = import("    return x\nimport no_such_module\nprint(1)\n");
    assert_eq!(verdict, Verdict::Error);
    assert_eq!(
        detail,
        "ModuleNotFoundError: No module named 'no_such_module'; left out of the program: print(1)"
    );
    assert_eq!(import("    return 2 +\n").0, Verdict::Unparsable);
    let other = slm_benchmarks::load("embedded", None).expect("tasks");
    let none = visible_outcome(other.tasks[0].view(), "", sandbox(), &TreePools::new());
    assert_eq!(none.expect("no run"), None);
}

#[test]
fn tasks_that_do_not_match_the_repository_are_an_error_and_no_score() {
    let files = files();
    let output = files.folder.path().join("own.jsonl");
    let text = fs::read_to_string(&output).expect("a file");
    let moved = text.replace(r#""first_line":9"#, r#""first_line":8"#);
    assert_ne!(text, moved);
    fs::write(&output, moved).expect("a file");
    let set = slm_benchmarks::load("repository", Some(&output)).expect("tasks");
    let program = format!("{}        return 1\n", set.tasks[0].view().prompt);
    let error = score(&files, &set.tasks[0], &program)
        .expect_err("an error")
        .to_string();
    assert!(error.contains("contains no `Circle.area`"), "{error}");
}

#[test]
fn a_changed_repository_is_an_error_and_no_score() {
    let files = files();
    let write = |name: &str| fs::write(files.folder.path().join(name), "").expect("a file");
    let task = &files.set.tasks[0];
    let program = format!("{}        return 1\n", task.view().prompt);
    write("repo/README");
    assert!(score(&files, task, &program).is_ok());
    write("repo/new.py");
    let error = score(&files, task, &program)
        .expect_err("an error")
        .to_string();
    assert!(
        error.contains("changed since its tasks were made"),
        "{error}"
    );
}
