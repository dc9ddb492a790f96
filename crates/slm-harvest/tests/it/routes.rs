//! Which workflow is the cheapest that solves a task.

use slm_harvest::{Answer, Asks, HarvestError, LearnableTask, Reason, RouteRules, Routed, routes};
use slm_report::Decoding;

use crate::answers::{answer, task};

const REFERENCE: Decoding = Decoding {
    temperature: 1.0,
    top_p: 0.95,
};

/// An answer of a workflow, with its tokens.
fn of(workflow: &str, number: usize, sample: u32, passes: bool, tokens: usize) -> Answer {
    let passed = if passes { 10 } else { 3 };
    let mut answer = answer(number, sample, "    return x\n", passed);
    workflow.clone_into(&mut answer.record.workflow);
    answer.record.completion_tokens = tokens;
    answer
}

fn made(answers: &[Answer], tasks: &[LearnableTask]) -> Result<Routed, HarvestError> {
    let rules = RouteRules {
        listed: "- single\n- reflection",
        reference: &|run| (run == "run").then_some(REFERENCE),
        chooses: &|workflow| workflow.starts_with("adaptive"),
        words: &|task| task.entry_point.clone(),
    };
    routes(answers, tasks, &rules)
}

#[test]
fn the_cheapest_workflow_that_solves_a_task_is_its_label() {
    let answers = [
        of("single", 1, 0, true, 20),
        of("reflection", 1, 0, true, 90),
        of("single", 2, 0, false, 20),
        of("reflection", 2, 0, true, 90),
        of("tools", 2, 0, true, 80),
        // Of two samples one passes, which is enough, and costs 60 on average.
        of("single", 3, 0, true, 20),
        of("single", 3, 1, false, 100),
        of("reflection", 3, 0, true, 61),
        // Equal costs: the first by name.
        of("tools", 4, 0, true, 30),
        of("rag", 4, 0, true, 30),
    ];
    let tasks: Vec<LearnableTask> = (1..=4).map(task).collect();
    let found = made(&answers, &tasks).expect("routes");
    let labels: Vec<(&str, Option<&str>)> = found
        .tasks
        .iter()
        .map(|of| (of.task_id.as_str(), of.label.as_deref()))
        .collect();
    assert_eq!(
        labels,
        [
            ("own/1", Some("single")),
            ("own/2", Some("tools")),
            ("own/3", Some("single")),
            ("own/4", Some("rag")),
        ]
    );
    let of_third = &found.tasks[2].cells;
    assert_eq!(
        (of_third[1].workflow.as_str(), of_third[1].answers),
        ("single", 2)
    );
    assert_eq!(
        (of_third[1].pass_rate(), of_third[1].completion_tokens),
        (0.5, 60.0)
    );
    assert_eq!(found.tasks[0].words, "add_1");
    let rows: Vec<(&str, &str, Option<bool>)> = found
        .rows
        .iter()
        .map(|row| (&*row.task_id, &*row.sides[0].body, row.label))
        .collect();
    assert_eq!(
        rows,
        [
            ("own/1", "reflection", Some(false)),
            ("own/1", "single", Some(true)),
            ("own/2", "reflection", Some(false)),
            ("own/2", "single", Some(false)),
            ("own/2", "tools", Some(true)),
            ("own/3", "reflection", Some(false)),
            ("own/3", "single", Some(true)),
            ("own/4", "rag", Some(true)),
            ("own/4", "tools", Some(false)),
        ]
    );
    assert_eq!(
        found.rows[0].asks,
        Asks::Route("- single\n- reflection".to_owned())
    );
    assert_eq!((found.answers, found.left_out.len()), (10, 0));
    let mut reversed = answers.to_vec();
    reversed.reverse();
    assert_eq!(made(&reversed, &tasks), Ok(found));
}

#[test]
fn what_counts_for_no_row_has_its_reason() {
    let mut sampled_otherwise = of("single", 1, 1, true, 20);
    sampled_otherwise.record.decoding.temperature = 0.0;
    let mut untested = of("single", 1, 2, true, 20);
    untested.record.tests_total = 0;
    let mut of_test_split = task(3);
    of_test_split.is_of_test_split = true;
    let answers = [
        of("single", 1, 0, true, 20),
        sampled_otherwise,
        untested,
        of("adaptive", 1, 0, true, 20),
        of("single", 2, 0, false, 20),
        of("reflection", 2, 0, false, 20),
        of("single", 3, 0, true, 20),
    ];
    let found = made(&answers, &[task(1), task(2), of_test_split]).expect("routes");
    assert_eq!(
        found.left_out,
        [
            (Reason::TestSplit, 1),
            (Reason::Untested, 1),
            (Reason::Routed, 1),
            (Reason::OtherSampling, 1),
            (Reason::UnsolvedTask, 2),
        ]
        .into()
    );
    // A task that no workflow solves still counts for the nearest router.
    assert_eq!((found.tasks.len(), found.rows.len()), (2, 1));
    assert_eq!(found.tasks[1].label, None);
    let error = made(&answers[4..6], &[task(2)]).expect_err("no row");
    assert!(
        error.to_string().contains("2 task that no workflow solves"),
        "{error}"
    );
}
