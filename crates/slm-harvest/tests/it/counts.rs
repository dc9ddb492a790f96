//! A scripted model of a known distribution gives the predicted counts.

use std::collections::BTreeSet;

use slm_harvest::{
    Answer, Harvest, HarvestError, Keep, Kind, LearnableTask, PairRule, Prefer, Reason,
    explained_by_lloc, harvest,
};

use crate::answers::{answer, settings, task};

/// Answers to tasks 1 to 3: of ten answers each, task 1 has eight that pass (three programs), task 2 two (two programs),
/// and task 3 ten (one program each, which makes it easy). The others pass five tests, except for one that passes none.
pub(crate) fn scripted() -> (Vec<Answer>, Vec<LearnableTask>) {
    let mut answers = Vec::new();
    for sample in 0..10 {
        let (body, passed) = match sample {
            0..=3 => ("    return x + 1\n".to_owned(), 10),
            4..=5 => ("    # why\n    y = x + 1\n    return y\n".to_owned(), 10),
            6..=7 => ("    return 1 + x\n".to_owned(), 10),
            8 => ("    return x + 2\n".to_owned(), 5),
            _ => ("    return None\n".to_owned(), 0),
        };
        answers.push(answer(1, sample, &body, passed));
        let body = format!("    return x + 2 + {sample} - {sample}\n");
        answers.push(answer(2, sample, &body, if sample < 2 { 10 } else { 5 }));
        let body = format!("    return x + 3 + {sample} - {sample}\n");
        answers.push(answer(3, sample, &body, 10));
    }
    (answers, vec![task(1), task(2), task(3)])
}

fn harvested(kind: Kind) -> Harvest {
    let (answers, tasks) = scripted();
    harvest(&answers, &tasks, &settings(kind), &|_| false).expect("rows")
}

/// Asserts that every answer is a side of a row, or left out for one reason.
#[track_caller]
fn check_sum(harvest: &Harvest) {
    let left_out: usize = harvest.left_out.values().sum();
    let origins: BTreeSet<(&str, u32)> = harvest
        .rows
        .iter()
        .flat_map(|row| &row.sides)
        .map(|side| (side.source.task_id.as_str(), side.source.sample))
        .collect();
    let sides = origins.len();
    assert_eq!(sides + left_out, harvest.answers, "{:?}", harvest.left_out);
}

#[test]
fn answers_that_pass_become_rows_once_per_program() {
    let found = harvested(Kind::Sft);
    check_sum(&found);
    let tasks: Vec<&str> = found.rows.iter().map(|row| row.task_id.as_str()).collect();
    assert_eq!(
        tasks,
        ["own/1", "own/1", "own/1", "own/2", "own/2", "own/3"]
    );
    let expected = [
        (Reason::FailedTests, 2 + 8),
        (Reason::SameProgram, 5),
        (Reason::EasyTask, 9),
    ];
    assert_eq!(found.left_out, expected.into());
}

#[test]
fn labelled_answers_are_good_or_wrong() {
    let found = harvested(Kind::Kto);
    check_sum(&found);
    let count = |label| {
        found
            .rows
            .iter()
            .filter(|row| row.label == Some(label))
            .count()
    };
    assert_eq!((count(true), count(false)), (6, 2 + 4));
    assert_eq!(found.left_out[&Reason::EnoughOfTask], 4);
}

#[test]
fn pairs_by_tests_have_a_clear_difference() {
    let found = harvested(Kind::Pairs(PairRule::Correctness));
    check_sum(&found);
    for row in &found.rows {
        let [chosen, rejected] = &row.sides[..] else {
            panic!("{row:?}");
        };
        assert_eq!(
            (chosen.source.tests_passed, rejected.source.tests_passed),
            (10, 5)
        );
    }
    let tasks: Vec<&str> = found.rows.iter().map(|row| row.task_id.as_str()).collect();
    // Three good programs with one bad one; two with eight, of which four pairs are kept.
    let expected = [["own/1"; 3].as_slice(), &["own/2"; 4]].concat();
    assert_eq!(tasks, expected);
    assert_eq!(found.left_out[&Reason::PassesNoTest], 1);
    assert_eq!(found.left_out[&Reason::NoPartner], 10);
}

#[test]
fn nine_of_ten_and_five_of_ten_tests_are_no_pair() {
    let check = |better: usize, worse: usize, is_pair: bool| {
        let answers = [
            answer(1, 0, "    return x + 1\n", better),
            answer(1, 1, "    return x + 2\n", worse),
        ];
        let settings = settings(Kind::Pairs(PairRule::Correctness));
        let found = harvest(&answers, &[task(1)], &settings, &|_| false);
        assert_eq!(found.is_ok(), is_pair, "{better} {worse}");
    };
    check(9, 5, false);
    check(9, 4, true);
    check(8, 1, false);
    check(10, 0, false);
    check(10, 1, true);
}

#[test]
fn the_order_of_the_answers_does_not_matter() {
    let (mut answers, tasks) = scripted();
    for kind in [
        Kind::Sft,
        Kind::Kto,
        Kind::Pairs(PairRule::Correctness),
        Kind::Pairs(PairRule::Maintainability),
    ] {
        let settings = settings(kind);
        let found = harvest(&answers, &tasks, &settings, &|_| false);
        answers.reverse();
        assert_eq!(harvest(&answers, &tasks, &settings, &|_| false), found);
        answers.rotate_left(7);
        assert_eq!(harvest(&answers, &tasks, &settings, &|_| false), found);
    }
}

#[test]
fn a_control_has_as_many_rows_of_the_same_tasks() {
    let (mut answers, tasks) = scripted();
    answers
        .retain(|of| of.record.task_id != "own/3" || !of.record.passed() || of.record.sample > 0);
    let mut control = settings(Kind::Sft);
    let kept = harvest(&answers, &tasks, &control, &|_| false).expect("rows");
    control.keep = Keep::None;
    let drawn = harvest(&answers, &tasks, &control, &|_| false).expect("rows");
    check_sum(&drawn);
    let tasks_of = |harvest: &Harvest| -> Vec<String> {
        harvest.rows.iter().map(|row| row.task_id.clone()).collect()
    };
    assert_eq!(tasks_of(&drawn), tasks_of(&kept));
    let failing = |harvest: &Harvest| {
        let sources = harvest.rows.iter().map(|row| &row.sides[0].source);
        sources.filter(|of| of.tests_passed < 10).count()
    };
    let mut seeds = BTreeSet::new();
    for seed in 0..8 {
        control.seed = seed;
        seeds.insert(failing(
            &harvest(&answers, &tasks, &control, &|_| false).expect("rows"),
        ));
    }
    assert!(seeds.len() > 1 && seeds.last() > Some(&0), "{seeds:?}");
    control.keep = Keep::Canonical;
    let canonical = harvest(&answers, &tasks, &control, &|_| false).expect("rows");
    let ids: Vec<String> = tasks_of(&canonical);
    assert_eq!(ids, ["own/1", "own/2", "own/3"]);
    assert_eq!(canonical.rows[1].sides[0].body, "    return x + 2");
}

#[test]
fn of_few_rows_each_task_has_one_before_any_has_two() {
    let (answers, tasks) = scripted();
    let mut few = settings(Kind::Sft);
    few.max_rows = Some(4);
    let found = harvest(&answers, &tasks, &few, &|_| false).expect("rows");
    let ids: Vec<&str> = found.rows.iter().map(|row| row.task_id.as_str()).collect();
    // Task 2 is solved least, so that its second answer comes first.
    assert_eq!(ids, ["own/1", "own/2", "own/2", "own/3"]);
    check_sum(&found);
}

#[test]
fn answers_that_the_publisher_replaces_are_counted_once() {
    let (answers, tasks) = scripted();
    let mut control = settings(Kind::Sft);
    (control.keep, control.max_rows) = (Keep::Canonical, Some(1));
    let found = harvest(&answers, &tasks, &control, &|_| false).expect("rows");
    assert_eq!(found.rows.len(), 1);
    // The rows are not answers of the model, so that all answers are left out.
    assert_eq!(found.left_out.values().sum::<usize>(), answers.len());
    assert!(!found.left_out.contains_key(&Reason::EnoughRows));
}

#[test]
fn the_share_that_length_explains_needs_ten_pairs() {
    let (answers, tasks) = crate::python::golden();
    let settings = settings(Kind::Pairs(PairRule::Maintainability));
    let rows = harvest(&answers, &tasks, &settings, &|_| false)
        .expect("pairs")
        .rows;
    assert!(rows.len() >= 10, "{}", rows.len());
    assert!(explained_by_lloc(&rows[..10]).is_some());
    assert_eq!(explained_by_lloc(&rows[..9]), None);
}

#[test]
fn the_most_likely_answer_comes_first() {
    let (mut answers, tasks) = scripted();
    for of in &mut answers {
        of.likelihood = Some(-1.0 - f64::from(of.record.sample));
    }
    answers
        .iter_mut()
        .filter(|of| of.record.sample == 6)
        .for_each(|of| of.likelihood = Some(-0.5));
    let mut likely = settings(Kind::Sft);
    (likely.prefer, likely.per_task) = (Prefer::Likelihood, 1);
    let found = harvest(&answers, &tasks, &likely, &|_| false).expect("rows");
    let samples: Vec<u32> = found
        .rows
        .iter()
        .map(|row| row.sides[0].source.sample)
        .collect();
    assert_eq!(samples, [6, 0, 6]);
}

#[test]
fn one_label_and_no_row_are_refused_with_the_counts() {
    let answers: Vec<Answer> = (0..3)
        .map(|sample| answer(1, sample, &format!("    return {sample}\n"), 0))
        .collect();
    let found = harvest(&answers, &[task(1)], &settings(Kind::Kto), &|_| false);
    let error = found.expect_err("one label");
    assert!(matches!(
        error,
        HarvestError::OneLabel {
            rows: 3,
            label: false,
            ..
        }
    ));
    let found = harvest(&answers, &[task(1)], &settings(Kind::Sft), &|_| false);
    let text = found.expect_err("no rows").to_string();
    assert_eq!(
        text,
        "none of 3 answers became a row\n  3 does not pass all hidden tests"
    );
}
