//! Chat templates of a recipe, thoughts, tools, weights and parts of data sets, as `trainer data` shows them.

use serde_json::{Value, json};

use crate::support::{Project, says};
use crate::{fit, run};

const CHATML: &str = "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}\
    {% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}";
/// As in R1: thoughts are omitted, and the prompt opens one.
const OMITS: &str = "{% for m in messages %}{% set c = m.content %}{% if m.role == 'assistant' and '</think>' in c %}\
    {% set c = c.split('</think>') | last %}{% endif %}<|im_start|>{{ m.role }}\n{{ c }}<|im_end|>\n{% endfor %}\
    {% if add_generation_prompt %}<|im_start|>assistant\n<think>\n{% endif %}";
const TOOLS: &str = "{% if tools %}{% for tool in tools %}{{ tool | tojson }}\n{% endfor %}{% endif %}{% for m in messages %}\
    <|im_start|>{{ m.role }}\n{{ m.content or '' }}{% for call in m.tool_calls or [] %}<tool_call>{{ call.function.name }}\
    {{ call.function.arguments | tojson }}</tool_call>{% endfor %}<|im_end|>\n{% endfor %}\
    {% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}";

fn turns(answer: &Value) -> Value {
    json!({"messages": [{"role": "user", "content": "q"}, answer]})
}

fn answer(text: &str) -> Value {
    json!({"role": "assistant", "content": text})
}

fn lines(rows: &[Value]) -> String {
    let rows: Vec<String> = rows.iter().map(Value::to_string).collect();
    rows.join("\n")
}

/// The report of `trainer data` for `rows` in the format `messages`.
fn data(project: &Project, rows: &[Value], sets: &[&str]) -> Value {
    project.write("rows.jsonl", lines(rows));
    let set = "data.datasets=[{path: rows.jsonl, format: messages}]";
    let mut words = vec!["data", "tiny.yaml", "--json", "--set", set];
    words.extend(sets.iter().flat_map(|set| ["--set", set]));
    serde_json::from_str(&run(project, &words).result()).expect("JSON")
}

/// The text of an example, or the supervised part of it.
fn text_of(report: &Value, example: usize, is_all: bool) -> String {
    let tokens = report["examples"][example]["tokens"]
        .as_array()
        .expect("tokens");
    let kept = tokens
        .iter()
        .filter(|token| is_all || token["supervised"] == true);
    kept.map(|token| token["text"].as_str().expect("text"))
        .collect()
}

/// The supervised text of an example.
fn learned(report: &Value, example: usize) -> String {
    text_of(report, example, false)
}

#[test]
fn the_template_and_its_variables_come_from_the_recipe_and_are_recorded_with_the_adapter() {
    let project = Project::new();
    let source = format!("{{{{ 'short' if terse else 'long' }}}}\n{CHATML}");
    project.write("own.jinja", &source);
    let template = "model.chat_template=own.jinja";
    let report = data(
        &project,
        &[turns(&answer("a"))],
        &[template, "model.chat_template_kwargs={terse: true}"],
    );
    let text = text_of(&report, 0, true);
    assert!(text.starts_with("short"), "{text}");
    let trained = fit(
        &project,
        &[
            "--set",
            template,
            "--set",
            "model.chat_template_kwargs.terse=true",
        ],
    );
    assert_eq!(trained.code, Some(0), "{}", trained.stderr);
    let adapter = "checkpoints/tiny/adapter";
    assert_eq!(
        project.read(&format!("{adapter}/chat_template.jinja")),
        source
    );
    let summary: Value =
        serde_json::from_str(&project.read(&format!("{adapter}/training.json"))).expect("JSON");
    assert_eq!(summary["chat_template"]["kwargs"], json!({"terse": true}));
    let asked = run(
        &project,
        &[
            "generate",
            "tiny.yaml",
            "--device",
            "cpu",
            "--adapter",
            adapter,
            "--prompt",
            "q",
            "--max-new-tokens",
            "1",
        ],
    );
    assert_eq!(asked.code, Some(0), "{}", asked.stderr);
    says(
        &asked.stderr,
        &[
            "was trained with another chat template",
            "was trained with `model.chat_template_kwargs` {terse: true}, not {}",
        ],
    );
    project.write(&format!("{adapter}/training.json"), "{");
    let validate = [
        "validate",
        "tiny.yaml",
        "--device",
        "cpu",
        "--adapter",
        adapter,
    ];
    let validated = run(
        &project,
        &[&validate[..], &["--set", "data.val_size=0.5"]].concat(),
    );
    assert_eq!(validated.code, Some(0), "{}", validated.stderr);
    let warning = "training.json: cannot be read, so that it is unknown with which chat template the adapter learned";
    says(&validated.stderr, &[warning]);
}

#[test]
fn a_missing_or_broken_template_and_a_reserved_variable_are_named() {
    let project = Project::new();
    project.write("broken.jinja", "{% for %}");
    for (set, parts) in [
        (
            "model.chat_template=none.jinja",
            &["`model.chat_template`: cannot read none.jinja", "hint: "][..],
        ),
        (
            "model.chat_template=broken.jinja",
            &["`model.chat_template`: broken.jinja: chat template: "],
        ),
        (
            "model.chat_template_kwargs={messages: 1}",
            &["model.chat_template_kwargs", "names other than"],
        ),
        (
            "model.chat_template_kwargs={a: [1]}",
            &[
                "model.chat_template_kwargs",
                "true, false, a whole number or text",
            ],
        ),
    ] {
        let error = run(&project, &["data", "tiny.yaml", "--set", set]).error(2);
        says(&error, parts);
    }
}

#[test]
fn thoughts_that_the_template_omits_are_counted_kept_or_stripped() {
    let project = Project::new();
    project.write("model/chat_template.jinja", OMITS);
    let thought = turns(&answer("<think>\nhm\n</think>\n\n42"));
    let plain = turns(&answer("a"));
    let rows = [thought, plain];
    let report = data(&project, &rows, &[]);
    assert_eq!(
        report["datasets"][0]["left_out"],
        json!({"rewritten_by_template": 1})
    );
    let report = data(&project, &rows, &["data.thinking=keep", "data.val_size=0"]);
    let texts = [learned(&report, 0), learned(&report, 1)];
    assert!(
        texts.contains(&"hm\n</think>\n\n42<|im_end|>".to_owned()),
        "{texts:?}"
    );
    let report = data(&project, &rows, &["data.thinking=strip"]);
    let texts = [learned(&report, 0), learned(&report, 1)];
    assert!(texts.contains(&"42<|im_end|>".to_owned()), "{texts:?}");
    // An earlier answer is cut by the template in a generation, too.
    let long = json!({"messages": [
        {"role": "user", "content": "q"}, answer("<think>\nhm\n</think>\n\n1"),
        {"role": "user", "content": "r"}, answer("2"),
    ]});
    let report = data(&project, &[long], &[]);
    assert_eq!(report["datasets"][0]["left_out"], json!({"cut_answer": 1}));
    assert_eq!(learned(&report, 0), "2<|im_end|>");
}

#[test]
fn tool_calls_are_learned_through_a_template_with_tools_and_counted_without() {
    let project = Project::new();
    let call = json!({"type": "function", "function": {"name": "calc", "arguments": "{\"b\": 1, \"a\": 2}"}});
    let row = json!({"messages": [
        {"role": "user", "content": "2+2?"}, {"role": "assistant", "content": null, "tool_calls": [call]},
        {"role": "tool", "content": "4"}, answer("4"),
    ], "tools": [{"name": "calc", "parameters": {}}]});
    let rows = [row, turns(&answer("a"))];
    project.write("model/chat_template.jinja", CHATML);
    let report = data(&project, &rows, &[]);
    assert_eq!(
        report["datasets"][0]["left_out"],
        json!({"refused_by_template": 1})
    );
    project.write("model/chat_template.jinja", TOOLS);
    let report = data(&project, &rows, &[]);
    assert_eq!(report["datasets"][0]["left_out"], json!({}));
    let texts = [learned(&report, 0), learned(&report, 1)];
    let expected = "<tool_call>calc{\"b\": 1, \"a\": 2}</tool_call><|im_end|>4<|im_end|>";
    assert!(texts.contains(&expected.to_owned()), "{texts:?}");
}

#[test]
fn a_message_of_weight_0_is_context_and_a_row_without_others_is_counted() {
    let project = Project::new();
    project.write("model/chat_template.jinja", CHATML);
    let bad = json!({"role": "assistant", "content": "bad", "weight": 0});
    let row = json!({"messages": [
        {"role": "user", "content": "q"}, bad, {"role": "user", "content": "q"}, answer("ok"),
    ]});
    let report = data(&project, &[row, turns(&bad)], &[]);
    assert_eq!(learned(&report, 0), "ok<|im_end|>");
    assert_eq!(
        report["datasets"][0]["left_out"],
        json!({"nothing_to_learn": 1})
    );
}

#[test]
fn a_split_of_a_folder_and_a_range_of_its_rows_are_selected_by_name() {
    let project = Project::new();
    let rows = |name: &str| {
        let rows: Vec<Value> = (0..10)
            .map(|i| json!({"text": format!("{name} {i}")}))
            .collect();
        lines(&rows)
    };
    project.write("set/train.jsonl", rows("train"));
    project.write("set/test.jsonl", rows("test"));
    let read = |keys: &str| {
        let set = format!("data.datasets=[{{path: set, format: text, {keys}}}]");
        run(
            &project,
            &[
                "data",
                "tiny.yaml",
                "--json",
                "--examples",
                "20",
                "--set",
                &set,
            ],
        )
    };
    for (keys, kept, left_out, word) in [
        ("split: test", 10, json!({}), "test"),
        (
            "split: 'train[:20%]'",
            2,
            json!({"outside_split": 8}),
            "train",
        ),
        (
            "split: 'train[-3:]'",
            3,
            json!({"outside_split": 7}),
            "train",
        ),
    ] {
        let report: Value = serde_json::from_str(&read(keys).result()).expect("JSON");
        let set = &report["datasets"][0];
        assert_eq!(
            (&set["kept"], &set["left_out"]),
            (&json!(kept), &left_out),
            "{keys}"
        );
        assert!(text_of(&report, 0, true).contains(word), "{keys}");
    }
    for (keys, part) in [
        ("split: dev", "has no data of split `dev`"),
        ("subset: other", "has no data of subset `other`"),
        ("split: 'train[5%]'", "SPLIT[FROM:TO]"),
    ] {
        says(&read(keys).error(2), &[part]);
    }
}

#[test]
fn merged_models_contain_the_template_of_the_recipe() {
    let project = Project::new();
    fit(&project, &[]).result();
    let text = format!("{CHATML}{{# of the recipe #}}");
    project.write("own.jinja", text.clone());
    let adapter = "checkpoints/tiny/adapter";
    let set = ["--set", "model.chat_template=own.jinja"];
    let merge = ["merge", "tiny.yaml", adapter, "merged"];
    run(&project, &[&merge[..], &set].concat()).result();
    assert_eq!(project.read("merged/chat_template.jinja"), text);
    let export = [
        "export",
        "tiny.yaml",
        adapter,
        "--to",
        "merged-gguf",
        "m.gguf",
    ];
    run(&project, &[&export[..], &set].concat()).result();
    let file = std::fs::read(project.path("m.gguf")).expect("written");
    let part = b"{# of the recipe #}";
    assert!(file.windows(part.len()).any(|window| window == part));
}
