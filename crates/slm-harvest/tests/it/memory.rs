//! Which answers a memory holds.

use slm_artifacts::FinishReason;
use slm_harvest::{Answer, HarvestError, LearnableTask, Memorable, Reason, memorable};

use crate::answers::{answer, task};
use crate::counts::scripted;

fn kept(answers: &[Answer], tasks: &[LearnableTask]) -> Memorable {
    memorable(answers, tasks, &|_| false).expect("entries")
}

#[test]
fn of_each_task_one_passing_program_is_kept_with_the_share_that_fails() {
    let (answers, tasks) = scripted();
    let found = kept(&answers, &tasks);
    let importance: Vec<(&str, f64)> = found
        .answers_kept
        .iter()
        .map(|of| (of.row.task_id.as_str(), of.importance))
        .collect();
    // Of ten answers each, eight, two and ten pass.
    assert_eq!(importance, [("own/1", 0.2), ("own/2", 0.8), ("own/3", 0.0)]);
    // 7, 1 and 9 other answers pass, and 10 fail.
    assert_eq!(
        found.left_out,
        [(Reason::FailedTests, 10), (Reason::OtherKept, 17)].into()
    );
    assert_eq!(found.answers, 30);
    let program = &found.answers_kept[0].program;
    assert!(program.starts_with("def add_1(x):\n    \"\"\"Add 1 to x.\"\"\"\n"));
    let mut reversed = answers.clone();
    reversed.reverse();
    assert_eq!(kept(&reversed, &tasks), found);
}

#[test]
fn a_program_of_an_earlier_task_is_not_kept_again() {
    let body = "    return x + 1\n";
    let mut again = answer(1, 0, body, 10);
    again.record.task_id = "own/9".to_owned();
    let mut tasks = [task(1), task(1)];
    (tasks[1].name, tasks[1].id) = ("own/9".to_owned(), "own/9".to_owned());
    // The same function with another docstring.
    tasks[1].prompt = "def add_1(x):\n    \"\"\"Count on.\"\"\"\n".to_owned();
    let found = kept(&[answer(1, 0, body, 10), again], &tasks);
    assert_eq!(found.answers_kept.len(), 1);
    assert_eq!(found.left_out, [(Reason::SameProgram, 1)].into());
}

#[test]
fn without_an_entry_every_answer_has_its_reason() {
    let mut truncated = answer(1, 0, "    return x + 1\n", 10);
    truncated.record.finish_reason = FinishReason::Length;
    let table =
        "    if x == 1:\n        return 2\n    if x == 2:\n        return 3\n    return x + 1\n";
    let answers = [
        truncated,
        answer(1, 1, table, 10),
        answer(1, 2, "    return 0\n", 2),
    ];
    let error = memorable(&answers, &[task(1)], &|_| false).expect_err("no entry");
    let HarvestError::NoEntries { answers, left_out } = &error else {
        panic!("{error:?}");
    };
    assert_eq!(*answers, 3);
    assert_eq!(
        *left_out,
        [
            (Reason::Truncated, 1),
            (Reason::TestTable, 1),
            (Reason::FailedTests, 1)
        ]
        .into()
    );
    assert!(
        error
            .to_string()
            .starts_with("none of 3 answers became a memory entry\n  1 ")
    );
}
