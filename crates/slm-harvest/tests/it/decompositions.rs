//! What a decomposer learns from splits of tasks.

use std::collections::BTreeMap;

use slm_harvest::{Answer, Asks, HarvestError, Reason, Split, decompositions};

use crate::answers::{answer, task};

fn split(lines: &str, is_built_on: bool) -> Split {
    Split {
        messages: vec![("user".to_owned(), "Which functions?".to_owned())],
        lines: lines.to_owned(),
        step: 2,
        is_tried: true,
        is_built_on,
    }
}

/// An answer to task `number` that passes all hidden tests or some, over the function `once`.
fn of(number: usize, passes: bool) -> Answer {
    let mut answer = answer(number, 0, "    return x\n", if passes { 10 } else { 3 });
    answer
        .record
        .program
        .insert_str(0, "def once(x):\n    return x\n\n\n");
    answer
}

fn made(splits: &[(Answer, Option<Split>)]) -> Result<slm_harvest::Harvest, HarvestError> {
    let answers: Vec<Answer> = splits.iter().map(|(answer, _)| answer.clone()).collect();
    let tasks: Vec<_> = (1..=9).map(task).collect();
    let split_of = |answer: &Answer| {
        let found = splits.iter().find(|(of, _)| of == answer);
        found.and_then(|(_, split)| split.clone())
    };
    decompositions(&answers, &tasks, &split_of)
}

#[test]
fn a_split_is_wanted_if_the_program_over_its_functions_passes() {
    let harvest = made(&[
        (of(1, true), Some(split("once(x): x", true))),
        (of(2, false), Some(split("twice(x): x", true))),
        // Solved without the functions.
        (of(3, true), Some(split("thrice(x): x", false))),
        (of(4, true), None),
        (of(5, false), Some(split(" \n", false))),
        // Solved without its function, and ended before a program.
        (of(6, true), Some(split("other(x): x", true))),
        (
            of(7, false),
            Some(Split {
                is_tried: false,
                ..split("once(x): x", false)
            }),
        ),
    ])
    .expect("rows");
    let found: Vec<(&str, Option<bool>)> = harvest
        .rows
        .iter()
        .map(|row| (row.sides[0].body.as_str(), row.label))
        .collect();
    let expected = [
        ("once(x): x", Some(true)),
        ("twice(x): x", Some(false)),
        ("thrice(x): x", Some(false)),
        ("other(x): x", Some(false)),
    ];
    assert_eq!(found, expected);
    let asked = Asks::Messages(vec![("user".to_owned(), "Which functions?".to_owned())]);
    assert!(harvest.rows.iter().all(|row| row.asks == asked));
    assert!(
        harvest
            .rows
            .iter()
            .all(|row| row.sides[0].source.step == Some(2))
    );
    assert_eq!(harvest.answers, 7);
    let left_out = BTreeMap::from([
        (Reason::NoSplit, 1),
        (Reason::UntriedSplit, 1),
        (Reason::EmptySplit, 1),
    ]);
    assert_eq!(harvest.left_out, left_out);
}

#[test]
fn rows_of_one_label_are_refused() {
    let wanted = [(of(1, true), Some(split("once(x): x", true)))];
    assert!(matches!(
        made(&wanted),
        Err(HarvestError::OneLabel {
            rows: 1,
            label: true,
            ..
        })
    ));
    let none = [(of(1, true), None)];
    assert!(matches!(
        made(&none),
        Err(HarvestError::NoRows { answers: 1, .. })
    ));
}
