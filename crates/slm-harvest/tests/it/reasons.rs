//! Each reason why an answer is left out.

use slm_artifacts::{FinishReason, Verdict};
use slm_harvest::{Answer, HarvestError, Kind, LearnableTask, PairRule, Reason, harvest};

use crate::answers::{answer, settings, stub, task, whole};

/// Asserts that the one answer is left out for this reason.
#[track_caller]
fn check(kind: Kind, of: Answer, task: LearnableTask, reason: Reason) {
    let machinery = |program: &str| program.contains("inspect");
    match harvest(&[of], &[task], &settings(kind), &machinery) {
        Err(HarvestError::NoRows { left_out, .. }) => assert_eq!(left_out, [(reason, 1)].into()),
        other => panic!("{other:?}"),
    }
}

fn right() -> Answer {
    answer(1, 0, "    return x + 1\n", 10)
}

#[test]
fn tasks_of_the_test_split_and_without_tests_are_left_out() {
    let mut of_test_split = task(1);
    of_test_split.is_of_test_split = true;
    check(Kind::Sft, right(), of_test_split, Reason::TestSplit);
    let mut untested = right();
    untested.record.tests_total = 0;
    untested.record.verdict = Verdict::Untested;
    check(Kind::Kto, untested, task(1), Reason::Untested);
}

#[test]
fn truncated_and_unparsable_answers_are_left_out() {
    let mut truncated = right();
    truncated.record.finish_reason = FinishReason::Length;
    check(Kind::Sft, truncated, task(1), Reason::Truncated);
    check(
        Kind::Kto,
        answer(1, 0, "    return (\n", 0),
        task(1),
        Reason::NoProgram,
    );
}

#[test]
fn a_program_that_was_stopped_is_no_bad_answer() {
    let mut slow = answer(1, 0, "    while True:\n        x\n", 3);
    slow.record.verdict = Verdict::Timeout;
    check(Kind::Kto, slow, task(1), Reason::Stopped);
}

#[test]
fn a_program_that_was_stopped_is_no_side_of_a_pair_by_tests() {
    for verdict in [Verdict::Timeout, Verdict::Memory] {
        let mut slow = answer(1, 1, "    while True:\n        x\n", 3);
        slow.record.verdict = verdict;
        let settings = settings(Kind::Pairs(PairRule::Correctness));
        let error = harvest(&[right(), slow], &[task(1)], &settings, &|_| false);
        let Err(HarvestError::NoRows { left_out, .. }) = error else {
            panic!("{error:?}");
        };
        assert_eq!(
            left_out,
            [(Reason::Stopped, 1), (Reason::NoPartner, 1)].into()
        );
    }
}

#[test]
fn an_answer_may_be_in_several_pairs_of_its_task() {
    let answers = [
        answer(1, 0, "    return x + 1\n", 10),
        answer(1, 1, "    return 1 + x\n", 10),
        answer(1, 2, "    return x + 2\n", 5),
        answer(1, 3, "    return x + 3\n", 4),
        answer(1, 4, "    return x + 4\n", 3),
    ];
    let counted = |number: usize, per_task: usize| {
        let mut settings = settings(Kind::Pairs(PairRule::Correctness));
        settings.per_task = per_task;
        let found = harvest(&answers[..number], &[task(1)], &settings, &|_| false);
        found.expect("a pair").left_out
    };
    assert_eq!(counted(3, 4), [].into());
    // Both good answers with each of the three bad ones make six pairs, of which the first four have the greatest
    // differences.
    assert_eq!(counted(5, 4), [(Reason::EnoughOfTask, 1)].into());
    assert_eq!(counted(5, 6), [].into());
    assert_eq!(counted(4, 1), [(Reason::EnoughOfTask, 2)].into());
}

#[test]
fn a_table_of_tests_is_left_out() {
    let table =
        "    if x == 1:\n        return 2\n    if x == 2:\n        return 3\n    return x + 1\n";
    check(
        Kind::Sft,
        answer(1, 0, table, 10),
        task(1),
        Reason::TestTable,
    );
}

#[test]
fn machinery_of_tests_counts_for_repositories_alone() {
    let body = "    import inspect\n    return x + 1\n";
    let mut own = task(1);
    own.is_of_repository = true;
    check(
        Kind::Sft,
        answer(1, 0, body, 10),
        own.clone(),
        Reason::TestMachinery,
    );
    let found = harvest(
        &[answer(1, 0, body, 10)],
        &[task(1)],
        &settings(Kind::Sft),
        &|_| true,
    );
    assert_eq!(found.expect("a row").rows.len(), 1);
    // What the prompt names already is the repository's own.
    own.prompt = format!("import inspect\n\n{}", stub(1));
    let program = format!("{}    return x + inspect.ONE\n", own.prompt);
    let found = harvest(
        &[whole(1, 0, &program, 10)],
        &[own],
        &settings(Kind::Sft),
        &|program| program.contains("inspect"),
    );
    assert_eq!(found.expect("a row").rows.len(), 1);
}

#[test]
fn other_signatures_and_fences_are_left_out() {
    let other = "def add_1(x, y=1):\n    return x + y\n";
    check(
        Kind::Sft,
        whole(1, 0, other, 10),
        task(1),
        Reason::NoContinuation,
    );
    let fence = "    \"\"\"\n    ```\n    \"\"\"\n    return x + 1\n";
    check(Kind::Sft, answer(1, 0, fence, 10), task(1), Reason::Fence);
}

#[test]
fn comments_are_removed_from_both_sides_of_a_pair_if_they_differ() {
    let poor = "    if x > 0 and x < 100 or x == 7 and x != 8:  # odd\n        return (x * 2 + 1 * 2) // 2\n    return (x * 3 + 1 * 3 - x + x) // 3\n";
    let plain = "    y = x\n    # one more\n    return y + 1\n";
    let answers = [answer(1, 0, poor, 10), answer(1, 1, plain, 10)];
    let settings = settings(Kind::Pairs(PairRule::Maintainability));
    let found = harvest(&answers, &[task(1)], &settings, &|_| false).expect("a pair");
    let [chosen, rejected] = &found.rows[0].sides[..] else {
        panic!("{found:?}");
    };
    assert_eq!(chosen.body, "    y = x\n    return y + 1");
    assert!(!rejected.body.contains('#'), "{}", rejected.body);
    assert!(chosen.source.mi_code >= rejected.source.mi_code.map(|of| of + 5.0));
    let alike = plain.replace("    # one more\n", "");
    let answers = [
        answer(1, 0, &poor.replace("  # odd", ""), 10),
        answer(1, 1, &alike, 10),
    ];
    let found = harvest(&answers, &[task(1)], &settings, &|_| false).expect("a pair");
    assert_eq!(found.rows[0].sides[0].body, alike.trim_end());
}

#[test]
fn equal_programs_are_no_pair() {
    let answers = [
        answer(1, 0, "    return x + 1\n", 10),
        answer(1, 1, "    return (x + 1)  # one\n", 3),
    ];
    let settings = settings(Kind::Pairs(PairRule::Correctness));
    let error = harvest(&answers, &[task(1)], &settings, &|_| false).expect_err("no pair");
    let HarvestError::NoRows { left_out, .. } = error else {
        panic!("{error}");
    };
    assert_eq!(
        left_out,
        [(Reason::SameProgram, 1), (Reason::NoPartner, 1)].into()
    );
}
