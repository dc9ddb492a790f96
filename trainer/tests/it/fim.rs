//! Special tokens in texts, and fill-in-the-middle: what is learned of a document, and completions between two texts.

use serde_json::{Value, json};

use crate::run;
use crate::support::{Finished, Project, finish, golden, says};

/// The tokens before prefix, suffix and middle of three families of models.
pub(crate) const FAMILIES: [[&str; 3]; 3] = [
    ["<|fim_prefix|>", "<|fim_suffix|>", "<|fim_middle|>"],
    ["<fim_prefix>", "<fim_suffix>", "<fim_middle>"],
    ["<｜fim▁begin｜>", "<｜fim▁hole｜>", "<｜fim▁end｜>"],
];

/// A project whose tokenizer has these tokens, ordinary ones as in Qwen2.5-Coder.
pub(crate) fn project(tokens: &[&str]) -> Project {
    let project = Project::new();
    let path = golden("tiny-qwen2/tokenizer.json");
    let text = std::fs::read_to_string(path).expect("the golden tokenizer");
    let mut tokenizer: Value = serde_json::from_str(&text).expect("JSON");
    let added = tokenizer["added_tokens"].as_array_mut().expect("a list");
    for token in tokens {
        let mut new = added.last().expect("a token").clone();
        new["id"] = json!(new["id"].as_u64().expect("an id") + 1);
        new["content"] = json!(token);
        added.push(new);
    }
    project.write("model/tokenizer.json", tokenizer.to_string());
    project
}

fn set(keys: &str) -> String {
    format!("data.datasets=[{{{keys}}}]")
}

pub(crate) fn data(project: &Project, keys: &str, more: &[&str]) -> Finished {
    let set = set(keys);
    run(
        project,
        &[&["data", "tiny.yaml", "--set", &set], more].concat(),
    )
}

/// The report of `trainer data` with all examples, and what it noted.
pub(crate) fn report(project: &Project, keys: &str, more: &[&str]) -> (Value, String) {
    let words = [&["--json", "--examples", "100"], more].concat();
    let finished = data(project, keys, &words);
    assert_eq!(finished.code, Some(0), "{}", finished.stderr);
    let report = serde_json::from_str(&finished.stdout).expect("one JSON document");
    (report, finished.stderr)
}

/// The tokens of the examples, in the order of the data set: `of` selects what of each token.
pub(crate) fn tokens<T>(report: &Value, of: impl Fn(&Value) -> Option<T>) -> Vec<Vec<T>> {
    let examples = report["examples"].as_array().expect("examples").iter();
    examples
        .map(|example| {
            let tokens = example["tokens"].as_array().expect("tokens").iter();
            tokens.filter_map(&of).collect()
        })
        .collect()
}

pub(crate) fn ids(report: &Value) -> Vec<Vec<u64>> {
    tokens(report, |token| token["id"].as_u64())
}

/// The supervised text of each example.
pub(crate) fn learned(report: &Value) -> Vec<String> {
    let text = |token: &Value| {
        let text = token["text"].as_str()?.to_owned();
        token["supervised"].as_bool()?.then_some(text)
    };
    let texts = tokens(report, text);
    texts.into_iter().map(|texts| texts.concat()).collect()
}

fn cases() -> Value {
    serde_json::from_str(include_str!("golden/fim/cases.json")).expect("JSON")
}

#[test]
fn tokens_that_a_text_spells_out_have_the_ids_of_transformers_or_are_letters() {
    let end = 342;
    for (names, family) in FAMILIES.iter().zip(["qwen", "starcoder", "deepseek"]) {
        let project = project(names);
        let cases = cases();
        for case in cases["families"][family]["texts"]
            .as_array()
            .expect("texts")
        {
            let text = &case["text"];
            project.write("text.jsonl", format!("{}\n", json!({"text": text})));
            let pair = json!({"prompt": text, "completion": text});
            project.write("pair.jsonl", format!("{pair}\n"));
            for mode in ["auto", "literal"] {
                let expected: Vec<u64> = serde_json::from_value(case[mode].clone()).expect("ids");
                let found = |keys: &str| {
                    let keys = format!("{keys}, special_tokens: {mode}");
                    ids(&report(&project, &keys, &[]).0).concat()
                };
                let whole = found("path: text.jsonl, format: text");
                assert_eq!(whole, [&expected[..], &[end]].concat(), "{mode}: {text}");
                let parts = found("path: pair.jsonl, format: prompt_completion");
                let twice = [&expected[..], &expected, &[end]].concat();
                assert_eq!(parts, twice, "{mode}: {text}");
            }
        }
    }
}

#[test]
fn a_text_that_spells_out_its_begin_token_has_it_once() {
    let project = Project::new();
    let mut tokenizer: Value =
        serde_json::from_str(&project.read("model/tokenizer.json")).expect("JSON");
    let (name, id) = ("<|im_start|>", 343);
    let start = json!({"SpecialToken": {"id": name, "type_id": 0}});
    let text = json!({"Sequence": {"id": "A", "type_id": 0}});
    tokenizer["post_processor"] = json!({
        "type": "TemplateProcessing", "single": [start, text], "pair": [start, text, {"Sequence": {"id": "B", "type_id": 1}}],
        "special_tokens": {name: {"id": name, "ids": [id], "tokens": [name]}},
    });
    project.write("model/tokenizer.json", tokenizer.to_string());
    let texts = ["<|im_start|>ab", "ab"].map(|text| json!({"text": text}).to_string());
    project.write("text.jsonl", texts.join("\n"));
    let pair = json!({"prompt": "<|im_start|>a", "completion": "b"});
    project.write("pair.jsonl", format!("{pair}\n"));
    let found = ids(&report(&project, "path: text.jsonl, format: text", &[]).0);
    assert_eq!(found[0], found[1]);
    let n_starts = |ids: &[u64]| ids.iter().filter(|found| **found == id).count();
    assert_eq!(n_starts(&found[0]), 1, "{found:?}");
    let found = ids(&report(&project, "path: pair.jsonl, format: prompt_completion", &[]).0);
    assert_eq!(n_starts(&found[0]), 1, "{found:?}");
    let literal = "path: text.jsonl, format: text, special_tokens: literal";
    let found = ids(&report(&project, literal, &[]).0);
    assert_ne!(found[0], found[1]);
    assert!(found.iter().all(|ids| n_starts(ids) == 1), "{found:?}");
}

#[test]
fn tags_in_a_message_are_letters() {
    let project = project(&FAMILIES[0]);
    let row = json!({"messages": [
        {"role": "user", "content": "what is <|fim_prefix|>?"},
        {"role": "assistant", "content": "a <|im_end|> of <tool_call>"},
    ]});
    project.write("d.jsonl", format!("{row}\n"));
    let (report, notes) = report(&project, "path: d.jsonl, format: messages", &[]);
    let special = tokens(&report, |token| {
        token["special"].as_bool()?.then(|| token["text"].clone())
    });
    // Those of three turns in the template, whose first is its system prompt.
    let template = [json!("<|im_start|>"), json!("<|im_end|>")];
    let expected = [0, 1, 0, 1, 0, 1].map(|at: usize| template[at].clone());
    assert_eq!(special, [expected]);
    assert!(!notes.contains("rendered conversations"), "{notes}");
    let error = data(
        &project,
        "path: d.jsonl, format: messages, special_tokens: literal",
        &[],
    );
    says(&error.error(2), &["special_tokens", "allowed: auto"]);
}

#[test]
fn special_tokens_are_marked_where_examples_are_shown() {
    let project = project(&FAMILIES[0]);
    let text = "a<|fim_suffix|>b";
    project.write("d.jsonl", format!("{}\n", json!({"text": text})));
    let shown = data(&project, "path: d.jsonl, format: text", &[]).result();
    says(
        &shown,
        &[
            "a[[«<|fim_suffix|>»|b|«<|endoftext|>»]]",
            "those in «» are special",
        ],
    );
    let literal = "path: d.jsonl, format: text, special_tokens: literal";
    let shown = data(&project, literal, &[]).result();
    assert!(!shown.contains("«<|fim_suffix|>»"), "{shown}");
}

#[test]
fn rendered_conversations_are_counted_and_named_with_what_is_learned() {
    let project = Project::new();
    let chat = "<|im_start|>user\nhi<|im_end|>\n<|im_start|>assistant\n";
    let answer = "hello<|im_end|>\n";
    let texts = [
        format!("{chat}{answer}"),
        format!("x{chat}{answer}"),
        "plain".to_owned(),
    ];
    let rows = texts
        .map(|text| json!({"text": text}).to_string())
        .join("\n");
    project.write("text.jsonl", rows);
    let pair = json!({"prompt": chat, "completion": answer});
    project.write("pair.jsonl", format!("{pair}\n"));
    let other = "<start_of_turn>user\nhi<end_of_turn>\n<start_of_turn>model\nhello";
    project.write("other.jsonl", format!("{}\n", json!({"text": other})));

    let (found, notes) = report(&project, "path: text.jsonl, format: text", &[]);
    let note = "note: text.jsonl holds 2 rendered conversations; special tokens, such as <|im_start|>, are parsed. \
                Every token is supervised, also the user's turns;";
    says(&notes, &[note]);
    assert_eq!(found["datasets"][0]["rendered_conversations"], 2);

    let (_, notes) = report(&project, "path: pair.jsonl, format: prompt_completion", &[]);
    says(
        &notes,
        &[
            "holds 1 rendered conversation;",
            "The completion is supervised, the prompt is not.",
        ],
    );

    let literal = "path: text.jsonl, format: text, special_tokens: literal";
    let (found, notes) = report(&project, literal, &[]);
    says(
        &notes,
        &[
            "warning: text.jsonl holds 2 rendered",
            "because `special_tokens` is literal",
        ],
    );
    assert_eq!(found["datasets"][0]["literal_conversations"], 2);

    let (_, notes) = report(&project, "path: other.jsonl, format: text", &[]);
    says(
        &notes,
        &[
            "warning: other.jsonl holds 1 rendered conversation",
            "with <start_of_turn>, which is no token of this model",
        ],
    );
}

/// Two functions with different text around their bodies.
const MODULE: &str = "def add(a, b):\n    return a + b\n\n\ndef sub(a, b):\n    return a - b\n";

#[test]
fn the_middle_and_its_end_are_learned_or_a_whole_document() {
    let project = project(&FAMILIES[0]);
    project.write("code/module.py", MODULE);
    project.write("code/empty.py", "\n");
    project.write("code/bad.py", b"x = '\xff'\n");
    let keys = "path: code, format: fim, fim_cut: block";
    let (found, notes) = report(&project, &format!("{keys}, fim_rate: 1"), &[]);
    let mut middles = learned(&found);
    middles.sort();
    let expected = [
        "    return a + b<|endoftext|>",
        "    return a - b<|endoftext|>",
    ];
    assert_eq!(middles, expected);
    let counts = &found["datasets"][0];
    assert_eq!((&counts["found"], &counts["kept"]), (&json!(3), &json!(2)));
    let reasons = json!({"nothing_to_learn": 1, "unreadable_file": 1});
    assert_eq!(counts["left_out"], reasons);
    says(&notes, &["1 file unreadable, first code/bad.py"]);

    let (found, _) = report(&project, &format!("{keys}, fim_rate: 0"), &[]);
    // The first token of a text has nothing before it.
    let whole = format!("{}<|endoftext|>", &MODULE[1..]);
    assert_eq!(learned(&found), [whole]);

    let all = ["--set", "data.train_on=all"];
    let (found, _) = report(&project, &format!("{keys}, fim_rate: 1"), &all);
    assert!(learned(&found)[0].contains("<|fim_suffix|>"), "{found}");
}

#[test]
fn a_python_file_alone_excluded_licences_copies_and_the_tasks_of_benchmarks_are_respected() {
    let project = project(&FAMILIES[0]);
    project.write("code/a.py", MODULE);
    project.write("code/copy.py", format!("# again\n{MODULE}"));
    project.write("code/gpl.py", format!("# GPL\n{MODULE}x = 1\n"));
    let tasks = slm_benchmarks::by_name("embedded")
        .and_then(|benchmark| benchmark.tasks())
        .expect("tasks");
    let task = tasks[0].view().prompt.clone();
    project.write("code/task.py", format!("{task}    pass\n\n\n{MODULE}"));
    let keys = "format: fim, fim_rate: 1, fim_cut: block, exclude_licences: [GPL]";
    let (found, _) = report(&project, &format!("path: code, {keys}"), &[]);
    let counts = &found["datasets"][0];
    let left_out = &counts["left_out"];
    assert_eq!(
        (&counts["found"], &counts["kept"]),
        (&json!(4), &json!(2)),
        "{counts}"
    );
    assert_eq!(
        (&left_out["duplicate"], &left_out["excluded_licence"]),
        (&json!(1), &json!(1))
    );
    assert!(left_out["shares_text"].as_u64() >= Some(2), "{counts}");
    let (found, _) = report(
        &project,
        &format!("path: code/a.py, {keys}, max_examples: 1"),
        &[],
    );
    let counts = &found["datasets"][0];
    assert_eq!(
        (&counts["kept"], &counts["left_out"]),
        (&json!(1), &json!({"beyond_max": 1}))
    );
}

#[test]
fn rows_are_cut_too_and_those_that_cannot_be_are_counted() {
    let project = project(&FAMILIES[1]);
    let cut = "<fim_prefix>a<fim_suffix>b<fim_middle>c";
    let texts = [
        MODULE,
        "",
        cut,
        "x = 1 # <fim_middle> alone\n",
        MODULE,
        "y = 2\n",
    ];
    let rows = texts
        .map(|text| json!({"text": text}).to_string())
        .join("\n");
    project.write("d.jsonl", rows);
    let keys = "path: d.jsonl, format: fim, fim_rate: 1, fim_cut: block, spm_rate: 1";
    let (found, notes) = report(&project, keys, &[]);
    let counts = &found["datasets"][0];
    assert_eq!((&counts["found"], &counts["kept"]), (&json!(6), &json!(6)));
    let reasons = json!({"nothing_to_learn": 1, "already_fim": 1, "cut_at_lines": 2});
    assert_eq!(counts["left_out"], reasons);
    says(
        &notes,
        &["d.jsonl:3: holds <fim_prefix> <fim_suffix> <fim_middle>"],
    );
    let first: Vec<u64> = ids(&found).into_iter().map(|ids| ids[1]).collect();
    assert!(
        first.iter().all(|id| *id == 348),
        "the suffix is first: {first:?}"
    );

    let error = data(&project, keys, &["--set", "data.on_bad_row=error"]).error(2);
    says(
        &error,
        &["d.jsonl:3: holds", "hint: texts that are cut already"],
    );
    project.write("cut.jsonl", format!("{}\n", json!({"text": cut})));
    let error = data(&project, "path: cut.jsonl, format: fim", &[]).error(2);
    says(&error, &["more than half of it is bad", "`format: text`"]);
}

/// Returns `n` lines of Python.
fn assignments(n: usize) -> String {
    let lines: Vec<String> = (0..n).map(|n| format!("value_{n} = {n}\n")).collect();
    lines.concat()
}

#[test]
fn long_documents_are_left_out_or_shortened_around_the_middle() {
    let project = project(&FAMILIES[2]);
    let rest = assignments(100);
    project.write(
        "d.jsonl",
        json!({"text": format!("{rest}{MODULE}{rest}")}).to_string(),
    );
    let keys = "path: d.jsonl, format: fim, fim_rate: 1, fim_cut: block";
    let error = data(&project, keys, &["--set", "data.max_seq_length=64"]).error(2);
    says(&error, &["2 over max_seq_length"]);
    let short = [
        "--set",
        "data.max_seq_length=64",
        "--set",
        "data.overlength=truncate",
    ];
    let (found, _) = report(&project, keys, &short);
    let counts = &found["datasets"][0];
    assert_eq!(
        (&counts["kept"], &counts["left_out"]),
        (&json!(2), &json!({"truncated": 2}))
    );
    let mut middles = learned(&found);
    middles.sort();
    let expected = [
        "    return a + b<|endoftext|>",
        "    return a - b<|endoftext|>",
    ];
    assert_eq!(middles, expected);
    assert!(ids(&found).iter().all(|ids| ids.len() <= 64));
}

#[test]
fn a_model_without_such_tokens_and_keys_of_another_format_are_refused() {
    let plain = Project::new();
    plain.write("d.jsonl", json!({"text": "x = 1\n"}).to_string());
    let error = data(&plain, "path: d.jsonl, format: fim", &[]).error(2);
    let parts = [
        "data set d.jsonl, format fim: the model's tokenizer has no tokens for fill-in-the-middle",
        "<|fim_prefix|> <|fim_suffix|> <|fim_middle|> (Qwen2.5-Coder",
        "hint: choose a code model",
    ];
    says(&error, &parts);
    let named = "fim_tokens: {prefix: <tool_call>, suffix: </tool_call>, middle: <|im_start|>, end: <|im_end|>}";
    let keys = format!("path: d.jsonl, format: fim, fim_rate: 1, fim_cut: lines, {named}");
    let (found, _) = report(&plain, &keys, &[]);
    assert_eq!(learned(&found), ["x = 1\n<|im_end|>"]);

    let error = data(
        &plain,
        "path: d.jsonl, format: text, fim_rate: 0.1, spm_rate: 2",
        &[],
    );
    says(
        &error.error(2),
        &["fim_rate", "since the format is not fim", "spm_rate"],
    );
    let error = data(&plain, "path: d.jsonl, format: fim, min_body_lines: 2", &[]);
    says(
        &error.error(2),
        &["min_body_lines", "since the format is not python_source"],
    );
}

/// Trains 50 steps on one data set.
fn train(project: &Project, keys: &str) {
    let set = set(keys);
    let settings = [
        "train.num_train_epochs=1",
        "train.max_steps=50",
        "train.micro_batch_size=2",
        "train.gradient_accumulation_steps=1",
        "train.learning_rate=2e-2",
        "lora.r=16",
        "lora.lora_alpha=16",
    ];
    let sets = settings.iter().flat_map(|set| ["--set", *set]);
    let words: Vec<&str> = ["fit", "tiny.yaml", "--device", "cpu", "--set", &set]
        .into_iter()
        .chain(sets)
        .collect();
    run(project, &words).result();
}

fn generate(project: &Project, words: &[&str]) -> Finished {
    let first = ["generate", "tiny.yaml", "--device", "cpu"];
    run(project, &[&first, words].concat())
}

/// As many tokens as would follow if the model did not end by itself.
const TRAINED: [&str; 4] = ["--adapter", "tiny", "--max-new-tokens", "200"];

#[test]
fn after_fifty_steps_a_model_fills_the_middle_and_ends_by_itself_with_the_tokens_of_each_family() {
    for (names, order) in FAMILIES.iter().zip(["psm", "spm", "psm"]) {
        let project = project(names);
        project.write("code/module.py", MODULE);
        let spm_rate = u8::from(order == "spm");
        train(
            &project,
            &format!("path: code, format: fim, fim_rate: 1, spm_rate: {spm_rate}, fim_cut: block"),
        );
        for body in ["    return a + b", "    return a - b"] {
            let (prefix, suffix) = MODULE.split_once(body).expect("a body");
            project.write("gap.py", format!("{prefix}<FILL>{suffix}"));
            let words = [
                &["--fim", "--file", "gap.py", "--order", order][..],
                &TRAINED,
            ]
            .concat();
            let finished = generate(&project, &words);
            assert_eq!(finished.result(), body, "{names:?}");
        }
        let (prefix, suffix) = MODULE.split_once("    return a + b").expect("a body");
        project.write("prefix.txt", prefix);
        project.write("suffix.txt", suffix);
        let files = [
            "--fim",
            "--prefix-file",
            "prefix.txt",
            "--suffix-file",
            "suffix.txt",
        ];
        let words = [&files[..], &["--order", order], &TRAINED].concat();
        assert_eq!(generate(&project, &words).result(), "    return a + b");
    }
}

#[test]
fn a_raw_prompt_has_special_tokens_unless_it_is_literal() {
    let project = Project::new();
    let chat = "<|im_start|>user\nhi<|im_end|>\n<|im_start|>assistant\n";
    let row = json!({"prompt": chat, "completion": "hello<|im_end|>"});
    project.write("d.jsonl", format!("{row}\n"));
    train(&project, "path: d.jsonl, format: prompt_completion");
    let raw = ["--raw", "--prompt", chat];
    let words = [&raw[..], &TRAINED].concat();
    assert_eq!(generate(&project, &words).result(), "hello\n");
    let words = [&raw[..], &["--literal"], &TRAINED].concat();
    assert_ne!(generate(&project, &words).result(), "hello\n");
}

#[test]
fn a_request_without_a_clear_gap_is_refused() {
    let project = project(&FAMILIES[0]);
    let check = |words: &[&str], parts: &[&str]| {
        let words = [&["--fim"], words].concat();
        says(&generate(&project, &words).error(2), parts);
    };
    project.write("two.py", "<FILL>\n<FILL>\n");
    project.write("latin.py", b"x = '\xe9'<FILL>");
    project.write("nothing.py", "<FILL>");
    check(
        &["--file", "two.py"],
        &[
            "two.py: found the marker <FILL> 2 times, expected once",
            "--marker",
        ],
    );
    check(
        &["--prompt", "x = 1"],
        &["--prompt: found the marker <FILL> 0 times"],
    );
    check(&["--file", "latin.py"], &["latin.py: not UTF-8 at byte 5"]);
    check(
        &["--file", "nothing.py"],
        &["there is no text before or after the gap"],
    );
    check(&["--file", "missing.py"], &["missing.py: "]);
    check(
        &["--prompt", "a<FILL>", "--max-new-tokens", "5000"],
        &["--max-new-tokens is 5000, which leaves no room"],
    );
    // A gap at the end has no suffix; the request of the standard input ends with it.
    let words = ["--fim", "--prompt", "x =<FILL>", "--max-new-tokens", "2"];
    generate(&project, &words).result();
    let mut command = project.command(
        env!("CARGO_BIN_EXE_trainer"),
        &[
            "generate",
            "tiny.yaml",
            "--device",
            "cpu",
            "--fim",
            "--max-new-tokens",
            "2",
        ],
    );
    project.write(
        "stdin.txt",
        "a = 1\n\n\nb = <HERE>\n".replace("<HERE>", "<FILL>"),
    );
    let stdin = std::fs::File::open(project.path("stdin.txt")).expect("a file");
    finish(command.stdin(stdin)).result();

    let plain = Project::new();
    let error = generate(&plain, &["--fim", "--prompt", "a<FILL>b"]).error(2);
    says(
        &error,
        &["--fim: the model's tokenizer has no tokens for fill-in-the-middle"],
    );
}

#[test]
fn a_long_request_is_shortened_to_the_text_near_the_gap_with_a_note() {
    let project = project(&FAMILIES[0]);
    let lines = assignments(900);
    project.write("long.py", format!("{lines}<FILL>{lines}"));
    let words = ["--fim", "--file", "long.py", "--max-new-tokens", "2"];
    let finished = generate(&project, &words);
    assert_eq!(finished.code, Some(0), "{}", finished.stderr);
    says(
        &finished.stderr,
        &["tokens nearest to the gap are used; the model has 4096 positions"],
    );
}
