//! Reviews with a scripted model.

use slm_config::Evaluate;

use super::*;
use crate::backend::scripted::{Line, Scripted};

const FILE: &str = "\
def plain(x):
    return x


def seen(x, found=[]):
    found.append(x)
    return found
";

const REWRITTEN: &str =
    "```python\ndef seen(x, found=()):\n    found = [*found, x]\n    return found\n```";

fn subjects() -> Vec<Subject> {
    let parsed = Parsed::of(FILE.to_owned()).expect("Python");
    vec![Subject {
        name: "a.py".to_owned(),
        outcome: Ok(parsed),
    }]
}

/// Returns the review of the file by a model that answers `line` to every request.
fn reviewed(line: impl Fn() -> Line) -> Review {
    let subjects = subjects();
    let evaluate = Evaluate::default();
    let requests = Requests::new(&evaluate, false).expect("the template");
    let model = Scripted::new(|_: &Query| line());
    let mut review = statically(&subjects);
    let asked = answered(&subjects, &requests, &model, &mut review).expect("answers");
    show(&asked, &mut review);
    assert_eq!(model.asked().len(), 1, "only the function with a finding");
    review
}

#[test]
fn findings_and_a_better_function_are_shown_at_the_lines_of_the_file() {
    let review = reviewed(|| Line::from(format!("2: grows\n1: shared\n{REWRITTEN}")));
    let found: Vec<(usize, &str, shown::Source)> = review.files[0]
        .findings
        .iter()
        .map(|of| (of.line, of.message.as_str(), of.source))
        .collect();
    assert_eq!(found.len(), 3);
    assert_eq!(found[0].2, shown::Source::Static);
    assert_eq!(found[1], (5, "shared", shown::Source::Model));
    assert_eq!(found[2], (6, "grows", shown::Source::Model));
    let rewrite = &review.files[0].rewrites[0];
    assert_eq!((rewrite.first_line, rewrite.last_line), (5, 7));
    assert_eq!(rewrite.lowers["mutable-default"], (1, 0));
    assert!(review.not_shown.is_empty(), "{:?}", review.not_shown);
    assert_eq!(
        (review.functions_flagged, review.functions_reviewed),
        (1, 1)
    );
    let page = page::page(&review);
    for part in [
        "a.py:6: model: grows\n",
        "a.py:5: rewritten seen: mutable-default 1 to 0, no tests known\n",
        "  - def seen(x, found=[]):\n",
        "  + def seen(x, found=()):\n",
    ] {
        assert!(page.contains(part), "{page}");
    }
}

#[test]
fn an_answer_without_an_end_or_without_room_shows_nothing_incomplete() {
    let review = reviewed(|| Line::endless("1: shared\n2: gro"));
    assert_eq!(review.files[0].findings.len(), 2);
    assert_eq!(review.not_shown["finding cut by the token limit"], 1);
    let review = reviewed(Line::without_room);
    assert_eq!(review.functions_reviewed, 0);
    assert_eq!(
        review.not_shown["function too long for the model's context"],
        1
    );
}

#[test]
fn a_stored_review_is_a_data_set_of_the_rewritten_functions_and_written_twice_is_the_same() {
    let subjects = subjects();
    let evaluate = Evaluate::default();
    let requests = Requests::new(&evaluate, false).expect("the template");
    let model = Scripted::new(|_: &Query| Line::from(format!("2: grows\n0: no\n{REWRITTEN}")));
    let mut review = statically(&subjects);
    let asked = answered(&subjects, &requests, &model, &mut review).expect("answers");
    show(&asked, &mut review);
    review.model = Some(shown::ReviewModel {
        base_model: "tiny".to_owned(),
        adapter: None,
        temperature: 0.0,
        top_p: 1.0,
        prompt_tokens: 1,
        completion_tokens: 1,
    });
    let exchanges: Vec<Exchange> = asked.iter().map(Asked::exchange).collect();
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("review");
    let bytes = || {
        let store = Store::open(&path, None).expect("a new folder, or a review");
        assert_eq!(store.write(&review, &exchanges).expect("written"), 1);
        let read = |name: &str| std::fs::read_to_string(path.join(name)).expect("a file");
        [
            "review.json",
            "answers.jsonl",
            "dataset/rows.jsonl",
            "dataset/sources.jsonl",
            "dataset/dataset.json",
        ]
        .map(read)
    };
    let first = bytes();
    assert_eq!(bytes(), first);
    let row: serde_json::Value = serde_json::from_str(&first[2]).expect("a row");
    let answer = row["completion"][0]["content"].as_str().expect("a text");
    assert_eq!(answer, format!("2: grows\n{REWRITTEN}"));
    let info = slm_artifacts::DatasetFolder(&path.join("dataset"))
        .read_info()
        .expect("readable")
        .expect("a description");
    assert_eq!((info.rows, info.kind), (1, slm_artifacts::DatasetKind::Sft));
    assert_eq!(info.tasks[0].task_id, "a.py::seen");
    let foreign = folder.path().join("foreign");
    std::fs::create_dir(&foreign).expect("a folder");
    std::fs::write(foreign.join("notes"), "").expect("a file");
    assert!(Store::open(&foreign, None).is_err());
    // Notes that were added to a review are not removed with it.
    std::fs::write(path.join("notes"), "").expect("a file");
    assert!(Store::open(&path, None).is_err());
}
