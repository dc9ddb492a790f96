//! Data sets through the commands: what is shown of them, what is trained on, and the errors for bad rows.

use std::fmt::Write as _;

use serde_json::Value;

use crate::support::{Finished, Project, finish, says};
use crate::{fit, run};

fn data(project: &Project, words: &[&str]) -> Finished {
    run(project, &[&["data", "tiny.yaml"], words].concat())
}

/// Formats `data.datasets` with one item.
fn set(keys: &str) -> String {
    format!("data.datasets=[{{{keys}}}]")
}

/// Writes a file of `n` conversations.
fn conversations(project: &Project, n: usize) {
    let mut text = String::new();
    for i in 0..n {
        let (question, answer) = (format!("What is {i} plus 1?"), i + 1);
        let _ = writeln!(
            text,
            r#"{{"messages": [{{"role": "user", "content": "{question}"}}, {{"role": "assistant", "content": "{answer}"}}]}}"#
        );
    }
    project.write("chat.jsonl", text);
}

#[test]
fn the_learned_part_of_the_first_examples_is_marked() {
    let project = Project::new();
    conversations(&project, 3);
    let set = set("path: chat.jsonl, format: messages");
    let shown = data(&project, &["--set", &set, "--examples", "1"]).result();
    says(
        &shown,
        &[
            "3 examples from 3 rows in 1 file of chat.jsonl",
            "training   3 examples, ",
            "length in tokens (max_seq_length 1024)",
            "example 1: ",
            "[[1|«<|im_end|>»]]",
        ],
    );
    let json = data(&project, &["--set", &set, "--examples", "2", "--json"]).result();
    let report: Value = serde_json::from_str(&json).expect("one JSON document");
    assert_eq!(report["training"]["examples"], 3);
    assert_eq!(report["training"]["supervised_tokens"], 6);
    let examples = report["examples"].as_array().expect("examples");
    assert_eq!(examples.len(), 2);
    let learned = examples[1]["tokens"].as_array().expect("tokens").iter();
    let learned: Vec<&str> = learned
        .filter(|token| token["supervised"] == true)
        .filter_map(|token| token["text"].as_str())
        .collect();
    assert_eq!(learned, ["2", "<|im_end|>"]);
}

#[test]
fn a_validation_part_is_kept_out_and_an_example_limit_and_weights_are_kept_to() {
    let project = Project::new();
    conversations(&project, 40);
    let totals = |keys: &str| {
        let set = set(&format!("path: chat.jsonl, format: messages{keys}"));
        let words = ["--set", &set, "--set", "data.val_size=0.25", "--json"];
        let report: Value = serde_json::from_str(&data(&project, &words).result()).expect("JSON");
        let count = |part: &str| report[part]["examples"].as_u64().expect("a number");
        (count("training"), count("validation"))
    };
    assert_eq!(totals(""), (30, 10));
    assert_eq!(totals(", weight: 2.5"), (75, 10));
    assert_eq!(totals(", max_examples: 8"), (6, 2));
}

#[test]
fn examples_that_hold_a_benchmarks_task_are_left_out_unless_the_recipe_wants_them() {
    let project = Project::new();
    let tasks = slm_benchmarks::by_name("embedded")
        .and_then(|b| b.tasks())
        .expect("tasks");
    let row = serde_json::json!({"prompt": "", "completion": tasks[0].view().prompt});
    project.write(
        "rows.jsonl",
        format!("{row}\n{{\"prompt\": \"a\", \"completion\": \"b\"}}\n"),
    );
    let set = set("path: rows.jsonl, format: prompt_completion");
    let shown = data(
        &project,
        &["--set", &set, "--set", "data.overlength=truncate"],
    )
    .result();
    says(
        &shown,
        &["1 example from 2 rows", "1 with text of a benchmark's task"],
    );
    let words = ["--set", &set, "--set", "data.decontaminate=false"];
    says(
        &data(&project, &words).result(),
        &["2 examples from 2 rows"],
    );
}

#[test]
fn the_benchmarks_of_the_recipe_are_searched_for_and_a_count_goes_with_the_adapter() {
    let project = Project::new();
    let solution = "    best = xs[0]\n    for x in xs:\n        best = x if x < best else best\n    return best\n";
    let task = serde_json::json!({
        "task_id": "own/least", "prompt": "def least(xs):\n    \"\"\"Weigh.\"\"\"\n", "entry_point": "least",
        "canonical_solution": solution, "tests": ["assert least([2, 1]) == 1"],
    });
    project.write("own.jsonl", format!("{task}\n"));
    project.write(
        "src/least.py",
        format!("def least(xs):\n    \"\"\"Return the least.\"\"\"\n{solution}"),
    );
    let own = "evaluate.benchmarks=[embedded, {name: custom, path: own.jsonl}]";
    let finished = fit(&project, &["--set", own]);
    let first = "1 with text of a benchmark's task, first src/least.py:1: task own/least";
    says(&finished.stderr, &[first]);
    finished.result();
    let summary: Value =
        serde_json::from_str(&project.read("checkpoints/tiny/adapter/training.json"))
            .expect("JSON");
    let expected = serde_json::json!({"benchmarks": ["embedded", "custom"], "left_out": 1});
    assert_eq!(summary["decontamination"], expected);
    says(
        &project.read("checkpoints/tiny/training-report.md"),
        &["Left out: 1 example with text or code of a task of embedded, custom."],
    );
    let missing = "evaluate.benchmarks=[{name: humaneval+, path: nowhere.jsonl}]";
    says(
        &fit(&project, &["--restart", "--set", missing]).error(2),
        &[
            "no data file nowhere.jsonl",
            "--set data.decontaminate=false",
        ],
    );
    let words = [
        "--restart",
        "--set",
        missing,
        "--set",
        "data.decontaminate=false",
    ];
    fit(&project, &words).result();
}

#[test]
fn the_same_function_in_two_data_sets_is_learned_once_and_a_file_stays_on_one_side() {
    let project = Project::new();
    for name in ["one", "two"] {
        let mut text = String::new();
        for n in 0..6 {
            let _ = write!(
                text,
                "def {name}_{n}(x):\n    \"\"\"Add {n} to x.\"\"\"\n    return x + {n}\n\n\n"
            );
        }
        project.write(&format!("{name}/a.py"), text);
    }
    // The same syntax tree as one/a.py, in another layout.
    let copy = project.read("one/a.py").replace("x + ", "x  +  ");
    project.write("two/copy.py", copy);
    let set =
        "data.datasets=[{path: one, format: python_source}, {path: two, format: python_source}]";
    let words = ["--set", set, "--set", "data.val_size=0.5", "--json"];
    let report: Value = serde_json::from_str(&data(&project, &words).result()).expect("JSON");
    let second = &report["datasets"][1];
    assert_eq!(second["left_out"]["duplicate"], 6, "{second}");
    assert_eq!(report["training"]["examples"], 6);
    assert_eq!(report["validation"]["examples"], 6);
}

#[test]
fn a_file_of_python_is_decoded_as_python_does_and_every_documented_function_is_counted() {
    let project = Project::new();
    let body = |name: &str, text: &str| {
        format!(
            "def {name}(w, h):\n    \"\"\"Area of a {text} with the given sides.\"\"\"\n    return w * h + {}\n",
            name.len()
        )
    };
    project.write(
        "code/bom.py",
        format!("\u{feff}{}", body("area", "rectangle")),
    );
    let latin: Vec<u8> = body("flaeche", "Fl\u{e4}che")
        .chars()
        .map(|c| c as u8)
        .collect();
    project.write(
        "code/latin.py",
        [&b"# -*- coding: latin-1 -*-\n"[..], &latin].concat(),
    );
    project.write("code/plain.py", body("plain", "plain"));
    let class = "class A:\n    def f(self, w):\n        \"\"\"Doc of the method f.\"\"\"\n        return w\n\n\n\
                 def outer():\n    def inner():\n        \"\"\"Doc.\"\"\"\n        return 1\n    return inner\n\n\n\
                 def stub():\n    \"\"\"Doc.\"\"\"\n";
    project.write("code/class.py", class);
    project.write("code/not.py", "def f(:\n");
    project.write("code/tests/a.py", body("test", "test"));
    let set = set("path: code, format: python_source");
    let finished = data(&project, &["--set", &set, "--json"]);
    says(
        &finished.stderr,
        &["left out           1 file unreadable, first code/not.py:1:"],
    );
    let report: Value = serde_json::from_str(&finished.result()).expect("JSON");
    let counts = &report["datasets"][0];
    assert_eq!(
        (&counts["files"], &counts["found"], &counts["kept"]),
        (&5.into(), &6.into(), &4.into())
    );
    let expected = serde_json::json!({
        "skipped_folder": 1, "unreadable_file": 1, "undocumented": 1, "nested_function": 1,
        "no_body": 1,
    });
    assert_eq!(counts["left_out"], expected);
}

#[test]
fn every_kind_of_file_gives_the_same_examples() {
    let project = Project::new();
    project.write("a.jsonl", "{\"text\": \"x = 1\"}\n{\"text\": \"y = 2\"}\n");
    project.write("a.json", "[{\"text\": \"x = 1\"}, {\"text\": \"y = 2\"}]");
    project.write("a.csv", "text\nx = 1\ny = 2\n");
    let of = |path: &str| {
        let set = set(&format!("path: {path}, format: text"));
        let json = data(&project, &["--set", &set, "--json"]).result();
        serde_json::from_str::<Value>(&json).expect("JSON")["examples"].clone()
    };
    let expected = of("a.jsonl");
    assert_eq!(expected.as_array().map(Vec::len), Some(2));
    assert_eq!(of("a.json"), expected);
    assert_eq!(of("a.csv"), expected);
}

#[test]
fn bad_rows_and_files_are_told_with_row_and_column_before_anything_is_written() {
    let project = Project::new();
    let check = |name: &str, text: &str, keys: &str, code: i32, parts: &[&str]| {
        project.write(name, text);
        let set = set(&format!("path: {name}, {keys}"));
        let words = ["--set", &set, "--set", "data.on_bad_row=error"];
        let error = fit(&project, &words).error(code);
        says(&error, parts);
        assert!(!project.path("checkpoints/tiny/adapter").exists());
    };
    let good = "{\"instruction\": \"a\", \"output\": \"b\"}\n";
    check(
        "a.jsonl",
        &format!("{good}{{\"question\": \"a\", \"output\": \"b\"}}\n"),
        "format: alpaca",
        2,
        &[
            "a.jsonl:2: no column `instruction`",
            "hint: name the file's column",
        ],
    );
    check(
        "b.jsonl",
        &format!("{good}{{\"instruction\": \"a\", \"output\": null}}\n"),
        "format: alpaca",
        2,
        &["b.jsonl:2: `output` is null", "hint: "],
    );
    check(
        "c.jsonl",
        "",
        "format: text",
        2,
        &["no training example is left", "0 rows"],
    );
    check(
        "d.jsonl",
        "{\"text\": \n",
        "format: text",
        1,
        &["d.jsonl:1: "],
    );
    check(
        "e.dat",
        "x",
        "format: text",
        2,
        &["e.dat: unknown kind of file", "hint: supported endings: "],
    );
    let turn = r#"{"role": "user", "content": "x"}"#;
    check(
        "f.jsonl",
        &format!("{{\"messages\": [{turn}, {turn}]}}\n"),
        "format: messages",
        2,
        &["f.jsonl:1: message 2 of `messages` has role user"],
    );
    let set = set("path: nowhere.jsonl, format: text");
    let error = fit(&project, &["--set", &set]).error(2);
    says(&error, &["nowhere.jsonl: no such file"]);
}

#[test]
fn a_template_that_refuses_a_conversation_is_told_with_its_row() {
    let project = Project::new();
    project.write(
        "model/chat_template.jinja",
        "{% for m in messages %}{% if m.role == 'system' %}{{ raise_exception('no system message') }}{% endif %}\
         <|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}\
         {% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}",
    );
    project.write(
        "a.jsonl",
        "{\"system\": \"s\", \"instruction\": \"a\", \"output\": \"b\"}\n",
    );
    let set = set("path: a.jsonl, format: alpaca");
    let error = fit(&project, &["--set", &set]).error(2);
    says(&error, &["a.jsonl:1: ", "no system message", "hint: "]);
}

#[test]
fn nothing_to_learn_is_a_mistake() {
    let project = Project::new();
    project.write("a.jsonl", "{\"prompt\": \"a\", \"completion\": \"\"}\n");
    let set = set("path: a.jsonl, format: prompt_completion");
    let words = ["--set", &set, "--set", "data.train_on_eos=none"];
    says(
        &fit(&project, &words).error(2),
        &["no training example is left", "1 with nothing to learn"],
    );
}

#[test]
fn a_training_on_conversations_ends_with_an_adapter_and_validates_on_the_way() {
    let project = Project::new();
    conversations(&project, 40);
    let set = set("path: chat.jsonl, format: messages");
    let words = [
        "--set",
        &set,
        "--set",
        "data.val_size=0.2",
        "--set",
        "train.eval_steps=3",
        "--set",
        "train.learning_rate=1e-2",
    ];
    let finished = fit(&project, &words);
    says(
        &finished.stderr,
        &[
            "validation         loss ",
            "best               validation loss ",
        ],
    );
    finished.result();
    let log = project.read("checkpoints/tiny/log.jsonl");
    let losses: Vec<(u64, f64)> = log
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).expect("JSON"))
        .filter_map(|line| Some((line["step"].as_u64()?, line["validation_loss"].as_f64()?)))
        .collect();
    let steps: Vec<u64> = losses.iter().map(|(step, _)| *step).collect();
    assert_eq!(steps, [0, 3, 6, 9, 12, 15, 16]);
    let best = losses
        .iter()
        .map(|(_, loss)| *loss)
        .fold(f64::INFINITY, f64::min);
    let summary: Value =
        serde_json::from_str(&project.read("checkpoints/tiny/adapter/training.json"))
            .expect("JSON");
    assert_eq!(summary["best"]["loss"].as_f64(), Some(best));

    // `trainer validate` measures the same loss, with the recipe from the adapter's folder.
    let adapter = "checkpoints/tiny/adapter";
    let recipe = format!("{adapter}/recipe.yaml");
    let words = ["validate", &recipe, "--adapter", adapter, "--json"];
    let report: Value = serde_json::from_str(&run(&project, &words).result()).expect("JSON");
    let found = report["loss"].as_f64().expect("a loss");
    assert!((found - best).abs() < 1e-9, "{found} for {best}");
    let base: Value =
        serde_json::from_str(&run(&project, &["validate", &recipe, "--json"]).result())
            .expect("JSON");
    assert!(base["loss"].as_f64().expect("a loss") > found);
}

#[test]
fn training_stops_early_when_validation_no_longer_falls_and_goes_on_to_the_same_end() {
    let project = Project::new();
    conversations(&project, 20);
    let set = set("path: chat.jsonl, format: messages");
    // A learning rate so high that the loss soon rises.
    let words = [
        "--set",
        &set,
        "--set",
        "data.val_size=0.2",
        "--set",
        "train.eval_steps=1",
        "--set",
        "train.early_stopping_patience=2",
        "--set",
        "train.learning_rate=0.5",
        "--set",
        "train.num_train_epochs=20",
    ];
    let finished = fit(&project, &words);
    says(&finished.stderr, &["; stopping early"]);
    finished.result();
    let summary: Value =
        serde_json::from_str(&project.read("checkpoints/tiny/adapter/training.json"))
            .expect("JSON");
    assert_eq!(summary["stopped_early"], true);
    let steps = summary["steps"].as_u64().expect("steps");
    assert_eq!(summary["best"]["step"].as_u64(), Some(steps - 2));
    let before = project.bytes("checkpoints/tiny/adapter/adapter_model.safetensors");
    fit(&project, &words).result();
    assert!(before == project.bytes("checkpoints/tiny/adapter/adapter_model.safetensors"));
}

#[test]
fn the_watchdog_ends_a_training_whose_loss_stays_too_high() {
    let project = Project::new();
    let words = [
        "--set",
        "train.loss_watchdog_threshold=0.5",
        "--set",
        "train.loss_watchdog_patience=2",
    ];
    says(
        &fit(&project, &words).error(1),
        &[
            "training diverged: loss is ",
            " at step 2 ",
            "for 2 steps in a row",
            "hint: ",
        ],
    );
}

#[test]
fn validating_without_a_validation_part_is_a_mistake() {
    let project = Project::new();
    says(
        &run(&project, &["validate", "tiny.yaml"]).error(2),
        &[
            "keeps no example for validation",
            "hint: set `data.val_size`",
        ],
    );
    conversations(&project, 3);
    let words = ["validate", "tiny.yaml", "--data", "chat.jsonl"];
    says(
        &run(&project, &words).result(),
        &["nats per token", "over 6 tokens of 3 examples"],
    );
    let mut command = project.command(
        env!("CARGO_BIN_EXE_trainer"),
        &[
            "validate",
            "tiny.yaml",
            "--adapter",
            "nowhere",
            "--data",
            "chat.jsonl",
        ],
    );
    says(
        &finish(&mut command).error(2),
        &["nowhere: no such adapter folder or training", "hint: "],
    );
}

/// Returns a row of `evaluator tasks` for the function `name` in `file`.
fn own_task(file: &str, name: &str, split: &str, body: &str) -> String {
    let row = serde_json::json!({
        "version": 1,
        "task_id": format!("{file}::{name}"),
        "prompt": format!("def {name}(w, h):\n    \"\"\"Weigh {name}.\"\"\"\n"),
        "entry_point": name,
        "kind": "measured",
        "tests": [],
        "public_examples": [],
        "canonical_solution": body,
        "why_untested": "no-test",
        "split": split,
        "repo": {"root": "repo", "sha256": "00", "files": 2},
        "target": {"file": file, "qualified_name": name, "first_line": 1, "body_first_line": 3, "last_line": 3},
    });
    format!("{row}\n")
}

#[test]
fn files_that_the_recipe_evaluates_on_are_not_learned_from() {
    let project = Project::new();
    let function = |name: &str| {
        format!(
            "def {name}(w, h):\n    \"\"\"Weigh {name}.\"\"\"\n    return w * h + {}\n\n\n",
            name.len()
        )
    };
    // The same function as one that is evaluated, under another name.
    let twin = function("eleven").replace("eleven", "twin");
    project.write(
        "repo/learned.py",
        function("one") + &function("three") + &twin,
    );
    project.write(
        "repo/judged.py",
        function("eleven") + &function("seventeen"),
    );
    let rows = own_task("learned.py", "one", "train", "    return w * h + 3\n")
        + &own_task("judged.py", "eleven", "eval", "    return w * h + 6\n");
    project.write("own.jsonl", rows);
    let dataset = set("path: repo, format: python_source");
    let benchmark = "evaluate.benchmarks=[{name: repository, path: own.jsonl}]";
    let words = ["--set", &dataset, "--set", benchmark, "--json"];
    let report: Value = serde_json::from_str(&data(&project, &words).result()).expect("JSON");
    let counts = &report["datasets"][0];
    assert_eq!(
        (&counts["found"], &counts["kept"]),
        (&3.into(), &2.into()),
        "{counts}"
    );
    assert_eq!(
        counts["left_out"],
        serde_json::json!({"held_out": 1, "shares_code": 1})
    );

    project.write(
        "own.jsonl",
        project.read("own.jsonl").replace("train", "eval"),
    );
    let error = data(&project, &words).error(2);
    says(
        &error,
        &["no training example is left", "evaluator tasks --split"],
    );

    // Without the repository, its files could not be recognised.
    project.write(
        "own.jsonl",
        project
            .read("own.jsonl")
            .replace("\"root\":\"repo\"", "\"root\":\"gone\""),
    );
    says(
        &data(&project, &words).error(2),
        &["whose files the recipe evaluates on"],
    );
}

#[test]
fn of_the_methods_of_a_class_everything_is_learned_or_counted() {
    let project = Project::new();
    let class = "import math\n\n\nclass Circle:\n    def __init__(self, r):\n        self.r = r\n\n    \
                 @property\n    def area(self):\n        \"\"\"Area of the circle.\"\"\"\n        \
                 return math.pi * self.r ** 2\n\n    def empty(self):\n        \"\"\"Nothing.\"\"\"\n";
    project.write("code/circle.py", class);
    let dataset = set("path: code, format: python_source");
    let words = ["--set", &dataset, "--examples", "1", "--json"];
    let report: Value = serde_json::from_str(&data(&project, &words).result()).expect("JSON");
    let counts = &report["datasets"][0];
    assert_eq!(
        (&counts["found"], &counts["kept"]),
        (&2.into(), &1.into()),
        "{counts}"
    );
    assert_eq!(
        counts["left_out"],
        serde_json::json!({"undocumented": 1, "no_body": 1})
    );
    let tokens = report["examples"][0]["tokens"].as_array().expect("tokens");
    let texts = tokens.iter().filter_map(|token| token["text"].as_str());
    let text: String = texts.collect();
    says(
        &text,
        &[
            "import math",
            "class Circle:\n    def __init__(self, r):\n        self.r = r\n\n    @property\n    def area(self):",
        ],
    );
}
