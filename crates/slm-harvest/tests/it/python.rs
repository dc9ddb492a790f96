//! An independent script in plain Python keeps the same answers.

use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};
use slm_harvest::{Answer, Kind, LearnableTask, PairRule, Prefer, harvest};

use crate::answers::{answer, bodies, settings, task, whole};
use crate::counts::scripted;

/// Answers of many forms to eight tasks: every body with a number of passed tests that depends on task and sample, whole
/// programs in other words, tables of tests, and programs that do not continue the prompt.
pub(crate) fn golden() -> (Vec<Answer>, Vec<LearnableTask>) {
    let (mut answers, mut tasks) = scripted();
    for number in 4..12 {
        let mut sample = 0;
        let mut push = |program: Answer| {
            answers.push(program);
            sample += 1;
        };
        for (at, body) in bodies(number).iter().enumerate() {
            let passed = [10, 10, 4, 10, 10, 5, 10][(at + number) % 7];
            push(answer(number, at as u32, body, passed));
        }
        let more = [
            format!(
                "def add_{number}(x):\n    '''Other words.'''\n    # kept\n    return {number} + x\n"
            ),
            format!("def add_{number}(x): return x - -{number}\n"),
            format!("def add_{number}(x, y={number}):\n    return x + y\n"),
            format!("import math\n\ndef add_{number}(x):\n    return math.floor(x) + {number}\n"),
            format!(
                "def add_{number}(x):\n    if x == 1:\n        return {}\n    elif 2 == x:\n        return {}\n    return x + {number}\n",
                number + 1,
                number + 2
            ),
            format!(
                "def add_{number}(x):\n    if x == 1: return 1\n    elif x == 3: return 3\n    else:\n        if x == 4: return 4\n    if x == 5: return 5\n    if x == 6 or x == 7: return 6\n    if x == -8: return 8\n    return x + {number}\n"
            ),
            format!("def add_{number}(x):\n\treturn x + {number}\n\nprint(add_{number}(1))\n"),
            format!("def add_{number}(:\n"),
        ];
        for (at, program) in more.iter().enumerate() {
            push(whole(
                number,
                7 + at as u32,
                program,
                if at % 3 == 2 { 9 } else { 10 },
            ));
        }
        assert_eq!(sample, 15);
        tasks.push(task(number));
    }
    // A task in prose, whose answers are whole programs.
    let mut prose = task(12);
    "\"\"\"Write a function add_12 that adds 12.\"\"\"\n".clone_into(&mut prose.prompt);
    for (at, body) in bodies(12).iter().enumerate() {
        answers.push(whole(12, at as u32, &format!("def add_12(x):\n{body}"), 10));
        let program = format!("{}\ndef add_12(y):\n    return y + {at}\n", prose.prompt);
        answers.push(whole(12, 20 + at as u32, &program, 3));
    }
    tasks.push(prose);
    (answers, tasks)
}

fn write_lines(path: &Path, lines: impl Iterator<Item = Value>) {
    let text: Vec<String> = lines.map(|line| line.to_string()).collect();
    fs::write(path, text.join("\n") + "\n").expect("a file");
}

fn recomputed(folder: &Path, words: [&str; 3]) -> Value {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/recompute.py");
    let output = Command::new("python3")
        .arg(script)
        .args([folder.join("records.jsonl"), folder.join("tasks.jsonl")])
        .args(words)
        .output()
        .expect("python3");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{errors}");
    serde_json::from_slice(&output.stdout).expect("a list")
}

#[test]
fn a_script_in_plain_python_keeps_the_same_answers() {
    let (answers, tasks) = golden();
    let folder = tempfile::tempdir().expect("a folder");
    let records = answers
        .iter()
        .map(|of| serde_json::to_value(&of.record).expect("JSON"));
    write_lines(&folder.path().join("records.jsonl"), records);
    write_lines(
        &folder.path().join("tasks.jsonl"),
        tasks.iter().map(|task| {
            json!({
                "task_id": task.id, "prompt": task.prompt, "entry_point": task.entry_point,
                "public_examples": task.examples,
            })
        }),
    );
    let mut rows = Vec::new();
    for (word, kind) in [
        ("sft", Kind::Sft),
        ("kto", Kind::Kto),
        ("correctness", Kind::Pairs(PairRule::Correctness)),
        ("maintainability", Kind::Pairs(PairRule::Maintainability)),
    ] {
        for (prefer, per_task) in [(Prefer::MiCode, 4), (Prefer::Short, 2)] {
            let mut settings = settings(kind);
            (settings.prefer, settings.per_task) = (prefer, per_task);
            let found = harvest(&answers, &tasks, &settings, &|_| false).expect("rows");
            let kept: Vec<Value> = found
                .rows
                .iter()
                .enumerate()
                .flat_map(|(number, row)| {
                    row.sides.iter().map(move |side| {
                        let of = &side.source;
                        json!([number, of.side, of.task_id, of.arm, of.workflow, of.sample])
                    })
                })
                .collect();
            let expected = recomputed(folder.path(), [word, &per_task.to_string(), prefer.name()]);
            assert_eq!(Value::from(kept), expected, "{word} {per_task}");
            rows.push(found.rows.len());
        }
    }
    assert!(rows.iter().all(|&n| n >= 5), "{rows:?}");
}
