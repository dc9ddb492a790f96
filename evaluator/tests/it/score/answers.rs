//! The forms of samples: whole programs, continuations of a prompt, answers with prose and Markdown, folders.

use serde_json::{Value, json};

use super::{document, project, score, score_command, solution, verdicts};
use crate::support::{Project, finish, says};

#[test]
fn extraction_is_done_only_if_asked_for() {
    let answer = "Sure!\n```python\ndef double(x):\n    return 2 * x\n```\nThat doubles x.";
    let project = project(&[solution("own/double", answer)]);
    let verdict = |words: &[&str]| document(score(&project, words))["samples"][0]["base"].clone();
    assert_eq!(verdict(&["samples.jsonl", "--json"]), "unparsable");
    assert_eq!(verdict(&["samples.jsonl", "--json", "--extract"]), "passed");
}

#[test]
fn fenced_answers_are_answered_with_a_hint_where_nothing_is_extracted() {
    let fenced = "```python\ndef double(x):\n    return 2 * x\n```\n";
    let project = project(&[
        solution("own/double", fenced),
        solution("own/first", "def first(items):\n    return items[0]\n"),
    ]);
    let hint = "hint: 1 of 2 samples contain a Markdown fence and do not parse; --extract takes the program out of each answer";
    for words in [&["samples.jsonl"][..], &["samples.jsonl", "--json"]] {
        let finished = score(&project, words);
        assert!(finished.stderr.contains(hint), "{}", finished.stderr);
        let extracted = score(&project, &[words, &["--extract"]].concat());
        assert!(
            !extracted.stderr.contains("--extract"),
            "{}",
            extracted.stderr
        );
    }
}

#[test]
fn an_answer_that_adds_nothing_to_its_prompt_is_empty_and_does_not_run() {
    let stub = "def double(x):\n    \"\"\"Twice x.\"\"\"\n";
    let project = project(&[
        solution("own/double", stub),
        json!({"task_id": "own/double", "completion": "    # to be done\n"}),
        json!({"task_id": "own/double", "completion": ""}),
        solution("own/double", "# nothing\n"),
        // These contain statements, and fail their tests.
        solution("own/double", "def double(x):\n    pass\n"),
        solution("own/double", "y = 1\n"),
    ]);
    for words in [
        &["samples.jsonl", "--json"][..],
        &["samples.jsonl", "--json", "--extract"],
    ] {
        let found = document(score(&project, words));
        assert_eq!(
            verdicts(&found),
            ["empty", "empty", "empty", "empty", "failed", "error"]
        );
        let samples = &found["samples"];
        assert_eq!(samples[0]["detail"], "adds no statement to the prompt");
        assert_eq!(samples[0]["base_failed"], json!([0, 1]));
    }
    let table = score(&project, &["samples.jsonl"]).result();
    assert!(table.contains("1 failed, 1 error, 4 empty"), "{table}");
    assert!(
        table.contains("  own/double  empty  adds no statement to the prompt"),
        "{table}"
    );
}

#[test]
fn a_folder_of_programs_is_read_as_evalplus_reads_it() {
    let project = project(&[]);
    let right = "def double(x):\n    return 2 * x\n";
    project.write("programs/own_double/0.py", right);
    project.write("programs/own_double/10.py", right.replace('2', "3"));
    project.write(
        "programs/own_double/2.py",
        format!("{right}\n# \n").as_bytes(),
    );
    project.write(
        "programs/own_double/9.py",
        b"def double(x):\n    return 2 * x  # \xff\n",
    );
    project.write("programs/own_double/notes.txt", "no program");
    project.write(
        "programs/own_first/0.py",
        "def first(items):\n    return items[0]\n",
    );
    let finished = score(&project, &["programs", "--json"]);
    assert!(
        finished
            .stderr
            .contains("entries skipped, since they are no file TASK/NUMBER.py: 1 of programs"),
        "{}",
        finished.stderr
    );
    let found = document(finished);
    let short: Vec<Value> = found["samples"]
        .as_array()
        .expect("samples")
        .iter()
        .map(|s| json!([s["task_id"], s["sample"], s["base"], s["detail"]]))
        .collect();
    assert_eq!(
        Value::from(short),
        json!([
            ["own/double", 0, "passed", null],
            ["own/double", 1, "passed", null],
            ["own/double", 2, "unparsable", "not UTF-8"],
            ["own/double", 3, "failed", found["samples"][3]["detail"]],
            ["own/first", 0, "passed", null],
        ])
    );
    project.write("programs/HumanEval_0/0.py", right);
    let finished = score(&project, &["programs"]);
    says(
        &finished.error(2),
        &[
            "programs/HumanEval_0: no task `HumanEval_0` in the benchmark",
            "hint: ",
        ],
    );
}

#[test]
fn answers_of_chat_models_are_extracted_with_the_imports_of_their_prompt() {
    let row = json!({
        "task_id": "HumanEval/0", "entry_point": "f", "canonical_solution": "    return sum(xs)\n",
        "prompt": "from typing import List\n\n\ndef f(xs: List[int]) -> int:\n    \"\"\"sum\"\"\"\n",
        "test": "def check(candidate):\n    assert candidate([1, 2]) == 3\n",
    });
    let project = Project::new();
    project.write("HumanEval.jsonl", format!("{row}\n"));
    let program = "def f(xs: List[int]) -> int:\n    return sum(xs)\n";
    let fenced = format!("```python\n{program}```\n");
    let constants = format!(
        "```python\nZERO = 0\n```\nand\n```python\n{}```\n",
        program.replace("sum(xs)", "sum(xs) + ZERO")
    );
    let draft = fenced.replace("sum(xs)", "len(xs)");
    let answers = [
        fenced.clone(),
        constants,
        format!("<think>\n{draft}</think>\n{fenced}"),
        format!("<|channel|>analysis<|message|>{draft}<|end|><|channel|>final<|message|>{fenced}"),
        format!("\u{feff}{fenced}"),
        "    return sum(xs)\n".to_owned(),
    ];
    let lines: Vec<String> = answers
        .iter()
        .flat_map(|answer| {
            let completion = json!({"task_id": "HumanEval/0", "completion": answer}).to_string();
            let is_whole = answer.contains("def f");
            let whole = is_whole.then(|| solution("HumanEval/0", answer).to_string());
            [completion].into_iter().chain(whole)
        })
        .collect();
    project.write("samples.jsonl", lines.join("\n"));
    let mut command = score_command(&project, "humaneval", "HumanEval.jsonl", "samples.jsonl");
    let found = document(finish(command.arg("--extract")));
    for (line, sample) in lines
        .iter()
        .zip(found["samples"].as_array().expect("samples"))
    {
        assert_eq!(sample["base"], "passed", "{line}\n{sample}");
    }
}

#[test]
fn half_of_a_surrogate_pair_costs_its_own_sample_alone() {
    let project = project(&[]);
    // Python's json accepts it, but no source can contain it: EvalPlus fails the first and passes the second.
    let lines = [
        r#"{"task_id": "own/double", "solution": "def double(x):\n    return 2 * x  # \ud83d\n"}"#,
        r#"{"task_id": "own/double", "solution": "def double(x):\n    return 2 * x\n"}"#,
        r#"{"task_id": "own/double", "note": "\ud83d", "completion": "    return 2 * x\n"}"#,
    ];
    project.write("samples.jsonl", lines.join("\n"));
    for words in [
        &["samples.jsonl", "--json"][..],
        &["samples.jsonl", "--json", "--extract"],
    ] {
        let found = document(score(&project, words));
        assert_eq!(verdicts(&found), ["unparsable", "passed", "passed"]);
        assert_eq!(
            found["samples"][0]["detail"],
            "half of a surrogate pair, which is no text"
        );
    }
}

#[test]
fn a_line_without_an_end_is_refused_and_not_kept() {
    let project = project(&[]);
    // A sparse file: one line of 1 GiB.
    let file = std::fs::File::create(project.path("samples.jsonl")).expect("a file");
    file.set_len(1 << 30).expect("a sparse file");
    let error = score(&project, &["samples.jsonl", "--json"]).error(2);
    says(&error, &["samples.jsonl:1: ", "has not ended after"]);
}
