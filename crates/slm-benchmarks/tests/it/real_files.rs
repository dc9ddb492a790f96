//! The publishers' own files, if they exist.

#![allow(clippy::print_stderr, reason = "a skipped test must print the reason")]

use std::path::PathBuf;

use slm_benchmarks::{Asserts, ClassTask, Oracle, ScoringPhase, TaskSet, Tests, load, mbpp_shots};

/// Returns a file of the shared data folder, or prints that the test is skipped.
fn data(file: &str) -> Option<PathBuf> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("../../../shared/data")
        .join(file);
    if !path.exists() {
        eprintln!("skipped: {file} is missing");
        return None;
    }
    Some(path)
}

fn tasks(name: &str, file: &str) -> Option<TaskSet> {
    let path = data(file)?;
    Some(load(name, Some(&path)).unwrap_or_else(|error| panic!("{name}: {error}")))
}

/// Checks the numbers of tasks and of their tests.
fn check(name: &str, file: &str, expected: [usize; 2]) {
    let Some(set) = tasks(name, file) else {
        return;
    };
    let phase = ScoringPhase::begin();
    let tests = set.tasks.iter().map(|task| task.hidden().open(&phase));
    assert_eq!(
        [set.tasks.len(), tests.map(Tests::len).sum()],
        expected,
        "{name}"
    );
    for task in &set.tasks {
        let view = task.view();
        assert!(
            !task.canonical_solution(&phase).is_empty(),
            "{}",
            view.task_id
        );
        if name.starts_with("mbpp") {
            assert_eq!(view.public_examples.len(), 1, "{}", view.task_id);
        }
    }
}

#[test]
fn every_file_is_read_to_its_last_task_and_test() {
    check("humaneval", "humaneval/HumanEval.jsonl.gz", [164, 164]);
    check(
        "humaneval+",
        "humanevalplus/HumanEvalPlus.jsonl.gz",
        [164, 1570 + 122_683],
    );
    check("mbpp", "mbpp/mbpp.jsonl", [974, 2922]);
    check("mbpp-sanitized", "mbpp/sanitized-mbpp.json", [427, 1324]);
    check(
        "mbpp+",
        "mbppplus/MbppPlus-NoExtreme.jsonl.gz",
        [378, 1174 + 39_636],
    );
    check(
        "mbpp+",
        "mbppplus/MbppPlus-v0.1.0.jsonl.gz",
        [399, 1236 + 42_082],
    );
    check("classeval", "classeval/ClassEval_data.json", [100, 2196]);
    check(
        "leetcode",
        "leetcode/LeetCodeDataset-v0.2.0-test.jsonl.gz",
        [200, 492],
    );
}

#[test]
fn each_release_of_mbpp_plus_is_judged_by_the_rules_of_its_time() {
    let phase = ScoringPhase::begin();
    let oracle = |file: &str| -> Option<Oracle> {
        let set = tasks("mbpp+", file)?;
        let task = set
            .tasks
            .iter()
            .find(|task| task.view().task_id == "Mbpp/2");
        match task.expect("a task of that id").hidden().open(&phase) {
            Tests::Calls(calls) => Some(calls.oracle.clone()),
            other => panic!("{other:?}"),
        }
    };
    let (early, late) = (
        oracle("mbppplus/MbppPlus-v0.1.0.jsonl.gz"),
        oracle("mbppplus/MbppPlus-NoExtreme.jsonl.gz"),
    );
    if let (Some(early), Some(late)) = (early, late) {
        assert_eq!((early, late), (Oracle::Equal, Oracle::SetEqual));
    }
}

#[test]
fn escapes_in_the_examples_of_a_docstring_are_resolved() {
    let Some(set) = tasks("humaneval", "humaneval/HumanEval.jsonl.gz") else {
        return;
    };
    let task = set
        .tasks
        .iter()
        .find(|task| task.view().task_id == "HumanEval/51");
    let examples = &task.expect("a task of that id").view().public_examples;
    assert!(
        examples
            .contains(&r#"assert remove_vowels("abcdef\nghijklm") == 'bcdf\nghjklm'"#.to_owned()),
        "{examples:#?}"
    );
}

#[test]
fn leetcode_tests_are_one_by_one_on_one_instance() {
    let Some(set) = tasks("leetcode", "leetcode/LeetCodeDataset-v0.2.0-test.jsonl.gz") else {
        return;
    };
    let phase = ScoringPhase::begin();
    for task in &set.tasks {
        let Tests::Asserts(Asserts { setup, tests, .. }) = task.hidden().open(&phase) else {
            panic!("asserts");
        };
        assert!(setup.starts_with("candidate = Solution()."), "{setup}");
        assert!(tests.iter().all(|test| test.contains("candidate(")));
    }
}

#[test]
fn the_classes_can_be_asked_for_method_by_method() {
    let Some(path) = data("classeval/ClassEval_data.json") else {
        return;
    };
    let classes = ClassTask::read(&path).expect("the publisher's file");
    let phase = ScoringPhase::begin();
    let class = &classes[3];
    let methods = class.canonical_methods(&phase);
    assert_eq!(
        (class.method_name(0), class.n_methods()),
        ("count", methods.len())
    );
    let prompt = class.incremental(1, &methods[..1]);
    assert!(
        prompt.contains("ArrangementCalculator.factorial(n) //"),
        "{prompt}"
    );
    assert!(prompt.trim_end().ends_with("\"\"\""), "{prompt}");
    let prompt = class.compositional(1);
    assert!(
        !prompt.contains("factorial(n) //") && prompt.contains("def factorial(n):"),
        "{prompt}"
    );
}

#[test]
fn the_examples_of_the_few_shot_prompt_come_from_the_prompt_split() {
    let Some(path) = data("mbpp/mbpp.jsonl") else {
        return;
    };
    let shots = mbpp_shots(&path).expect("the publisher's file");
    assert_eq!(shots.len(), 3);
    assert!(
        shots[0]
            .text
            .starts_with("Write a function to find the similar elements")
    );
}

#[test]
fn most_tasks_of_humaneval_become_parsons_problems() {
    let Some(set) = tasks("humaneval", "humaneval/HumanEval.jsonl.gz") else {
        return;
    };
    let settings = slm_benchmarks::Parsons {
        distractors: 2,
        keeps_indent: false,
        wording: 1,
        seed: 1,
    };
    let set = set.into_parsons(&settings, &ScoringPhase::begin());
    assert_eq!(set.tasks.len() + set.left_out.values().sum::<usize>(), 164);
    assert!(set.tasks.len() > 70, "{:?}", set.left_out);
}

#[test]
fn reference_solutions_of_humaneval_pass_the_examples_of_its_text() {
    let Some(set) = tasks("humaneval", "humaneval/HumanEval.jsonl.gz") else {
        return;
    };
    let sandbox = crate::sandbox();
    let (mut with_examples, mut examples, mut wrong) = (0, 0, Vec::new());
    for task in &set.tasks {
        let (view, phase) = (task.view(), ScoringPhase::begin());
        if view.public_examples.is_empty() {
            continue;
        }
        with_examples += 1;
        examples += view.public_examples.len();
        let program = format!("{}{}", view.prompt, task.canonical_solution(&phase));
        let outcome = sandbox.run_tests(&program, &view.public_examples);
        let found = outcome.expect("the sandbox works").tests;
        for (test, example) in found.iter().zip(&view.public_examples) {
            if !test.passed {
                wrong.push(format!("{}: {example}", view.task_id));
            }
        }
    }
    // Examples of the text that its reference solution does not pass; in 116 a line of the session has no value.
    let ids: Vec<&str> = wrong
        .iter()
        .filter_map(|line: &String| line.split(':').next())
        .collect();
    assert_eq!(
        ids,
        ["HumanEval/47", "HumanEval/116", "HumanEval/148"],
        "{wrong:?}"
    );
    assert_eq!((with_examples, examples), (140, 386));
}
