//! `data.overlength: split`: long texts and documents in pieces.

use serde_json::{Value, json};

use crate::fim::{FAMILIES, data, ids, learned, project, report, tokens};
use crate::support::{Project, says};

/// The options that split at 64 tokens.
const SPLIT: [&str; 4] = [
    "--set",
    "data.max_seq_length=64",
    "--set",
    "data.overlength=split",
];

const END: &str = "<|endoftext|>";

/// The body of the function with a number.
fn body(number: usize) -> String {
    format!("    total_{number} = a + {number}\n    return total_{number}")
}

/// A module of `n` functions.
fn module(n: usize) -> String {
    let functions = (0..n).map(|number| format!("def f{number}(a):\n{}\n", body(number)));
    functions.collect::<Vec<_>>().join("\n\n")
}

fn write_texts(project: &Project, texts: &[&str]) {
    let rows = texts.iter().map(|text| json!({"text": text}).to_string());
    project.write("d.jsonl", rows.collect::<Vec<_>>().join("\n"));
}

/// The text of each example, with its first token, which is never supervised.
fn spelled(report: &Value) -> Vec<String> {
    let texts = tokens(report, |token| Some(token["text"].as_str()?.to_owned()));
    texts.into_iter().map(|texts| texts.concat()).collect()
}

fn left_out(report: &Value) -> &Value {
    &report["datasets"][0]["left_out"]
}

#[test]
fn a_long_text_is_learned_in_pieces_that_begin_with_definitions() {
    let project = project(&FAMILIES[0]);
    let (long, short) = (module(12), module(1));
    write_texts(&project, &[&long, &short]);
    let (found, _) = report(&project, "path: d.jsonl, format: text", &SPLIT);
    let texts = spelled(&found);
    assert!(texts.len() >= 7, "{texts:?}");
    assert_eq!(texts.concat(), format!("{long}{END}{short}{END}"));
    assert_eq!(texts.iter().filter(|text| text.ends_with(END)).count(), 2);
    assert!(
        texts.iter().all(|text| text.starts_with("def f")),
        "{texts:?}"
    );
    assert!(ids(&found).iter().all(|ids| ids.len() <= 64));
    assert_eq!(left_out(&found), &json!({"split": 1}));
    let drop = [&SPLIT[..2], &["--set", "data.overlength=drop"]].concat();
    let (found, _) = report(&project, "path: d.jsonl, format: text", &drop);
    assert_eq!(left_out(&found), &json!({"overlong": 1}));
}

#[test]
fn all_pieces_of_a_text_are_on_one_side_of_the_split_into_training_and_validation() {
    let project = project(&FAMILIES[0]);
    let (first, second) = (module(12), module(12).replace("def f", "def g"));
    write_texts(&project, &[&first, &second]);
    let more = [&SPLIT[..], &["--set", "data.val_size=0.5"]].concat();
    let (found, _) = report(&project, "path: d.jsonl, format: text", &more);
    let count = |part: &str| found[part]["examples"].as_u64().expect("a number");
    assert_eq!(count("training"), count("validation"));
    let texts = spelled(&found).concat();
    let holds = |name: &str| texts.contains(name);
    assert_ne!(holds("def f"), holds("def g"), "{texts}");
}

#[test]
fn every_body_of_a_long_document_is_a_middle() {
    let project = project(&FAMILIES[0]);
    let long = module(12);
    write_texts(&project, &[&long]);
    let cut = "path: d.jsonl, format: fim, fim_rate: 1, fim_cut: block";
    let (found, _) = report(&project, cut, &SPLIT);
    let mut middles = learned(&found);
    middles.sort();
    let mut expected: Vec<String> = (0..12).map(|n| format!("{}{END}", body(n))).collect();
    expected.sort();
    assert_eq!(middles, expected);
    assert!(ids(&found).iter().all(|ids| ids.len() <= 64));
    assert_eq!(left_out(&found), &json!({"split": 1}));
    // Uncut documents: of the pieces, only the last ends as a text does.
    let (found, _) = report(&project, "path: d.jsonl, format: fim, fim_rate: 0", &SPLIT);
    assert_eq!(spelled(&found).concat(), format!("{long}{END}"));
}

#[test]
fn a_long_python_file_is_split_where_error_would_stop() {
    let project = project(&FAMILIES[0]);
    project.write("code/a.py", module(12));
    let keys = "path: code, format: fim, fim_rate: 0";
    let set = [&SPLIT[..2], &["--set", "data.overlength=error"]].concat();
    let error = data(&project, keys, &set).error(2);
    let hint = "hint: raise the limit, or leave such examples out with `data.overlength: drop`";
    says(&error, &["code/a.py: example has ", hint]);
    let (found, _) = report(&project, keys, &SPLIT);
    assert_eq!(spelled(&found).concat(), format!("{}{END}", module(12)));
}

#[test]
fn a_long_text_with_a_task_of_a_benchmark_is_left_out_in_all_pieces() {
    let project = project(&FAMILIES[0]);
    let tasks = slm_benchmarks::by_name("embedded")
        .and_then(|benchmark| benchmark.tasks())
        .expect("tasks");
    let long = format!("{}\n\n{}", module(12), tasks[0].view().prompt);
    write_texts(&project, &[&long, &module(1)]);
    for format in ["text", "fim, fim_rate: 0"] {
        let keys = format!("path: d.jsonl, format: {format}");
        let (found, notes) = report(&project, &keys, &SPLIT);
        says(&notes, &["first d.jsonl:1, from line 1: task embedded/"]);
        assert_eq!(spelled(&found), [format!("{}{END}", module(1))], "{format}");
        let n = left_out(&found)["shares_text"].as_u64().expect("a number");
        assert!(n >= 7, "{n}");
    }
}

#[test]
fn only_texts_and_documents_can_be_split() {
    let project = project(&FAMILIES[0]);
    let row = json!({"prompt": "a", "chosen": "b", "rejected": "c", "completion": "d"});
    project.write("d.jsonl", format!("{row}\n"));
    let preferences = [&SPLIT[..], &["--set", "train.objective=dpo"]].concat();
    for (format, set) in [("pairs", &preferences[..]), ("prompt_completion", &SPLIT)] {
        let keys = format!("path: d.jsonl, format: {format}");
        let error = data(&project, &keys, set).error(2);
        says(
            &error,
            &[
                "`data.overlength` is \"split\", allowed: drop, truncate or error, since only data sets of the formats \
                 text and fim can be split",
            ],
        );
    }
}
