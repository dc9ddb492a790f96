//! Rows that cannot be used for training: one of each reason in every kind of file, layout and format. All other rows
//! keep their tokens, and the bad ones are counted by reason with the first place of each.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use serde_json::{Value, json};

use crate::fake_hub::FakeHub;
use crate::support::{Finished, Project, finish, says};
use crate::{fit, run};

/// Good rows of each file, the same number as in make.py.
const N_GOOD: usize = 40;

/// A template that refuses or rewrites messages with a mark.
const TEMPLATE: &str = "{% for m in messages %}\
    {% if 'REFUSE' in m.content %}{{ raise_exception('not this') }}{% endif %}\
    <|im_start|>{{ m.role }}\n{{ m.content | replace('SHOUT', 'shout') }}<|im_end|>\n{% endfor %}\
    {% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}";

const FORMATS: [&str; 5] = [
    "alpaca",
    "messages",
    "sharegpt",
    "prompt_completion",
    "text",
];

fn project() -> Project {
    let project = Project::new();
    project.write("model/chat_template.jinja", TEMPLATE);
    project
}

/// Builds a row as JSON whose last text is `raw`, with `first` as the text before it.
fn row(format: &str, first: &str, raw: &[u8]) -> Vec<u8> {
    let (before, after) = match format {
        "alpaca" => (format!(r#"{{"instruction": "{first}", "output": "#), "}"),
        "messages" => (
            format!(
                r#"{{"messages": [{{"role": "user", "content": "{first}"}}, {{"role": "assistant", "content": "#
            ),
            "}]}",
        ),
        "sharegpt" => (
            format!(
                r#"{{"conversations": [{{"from": "human", "value": "{first}"}}, {{"from": "gpt", "value": "#
            ),
            "}]}",
        ),
        "prompt_completion" => (format!(r#"{{"prompt": "{first}", "completion": "#), "}"),
        _ => (r#"{"text": "#.to_owned(), "}"),
    };
    [before.as_bytes(), raw, after.as_bytes()].concat()
}

fn good(format: &str, i: usize) -> Vec<u8> {
    let first = format!("Say {i}.");
    let last = if format == "text" {
        first.clone()
    } else {
        i.to_string()
    };
    row(format, &first, format!("\"{last}\"").as_bytes())
}

/// Builds a conversation in a format that has conversations.
fn turns(format: &str, messages: &[(&str, &str)]) -> Vec<u8> {
    let (column, role, text) = match format {
        "messages" => ("messages", "role", "content"),
        _ => ("conversations", "from", "value"),
    };
    let messages: Vec<Value> = messages
        .iter()
        .map(|(name, said)| {
            let name = match (*name, format) {
                ("user", "sharegpt") => "human",
                ("assistant", "sharegpt") => "gpt",
                (name, _) => name,
            };
            json!({role: name, text: said})
        })
        .collect();
    json!({column: messages}).to_string().into_bytes()
}

/// Returns bad rows of a format with their reasons. All but the first two are JSON values, and end where their brackets
/// do.
fn bad_rows(format: &str) -> Vec<(&'static str, Vec<u8>)> {
    let with = |raw: &[u8]| row(format, "q", raw);
    let many = format!("[{}0]", "0,".repeat(1 << 20));
    let mut rows = vec![
        ("broken_row", with(b"")),
        ("broken_row", with(b"tru")),
        ("broken_row", b"7".to_vec()),
        ("not_utf8", with(b"\"\xff\"")),
        ("lone_surrogate", with(br#""ok \ud83d""#)),
        ("too_large", with(many.as_bytes())),
        ("empty_field", with(b"null")),
        ("empty_field", b"{}".to_vec()),
        ("wrong_type", with(b"7")),
        ("wrong_type", with(br#"[{"type": "image", "url": "x"}]"#)),
    ];
    if !matches!(format, "text" | "prompt_completion") {
        rows.push(("refused_by_template", with(b"\"REFUSE\"")));
        rows.push(("rewritten_by_template", with(b"\"SHOUT\"")));
    }
    if matches!(format, "messages" | "sharegpt") {
        let (q, a) = (("user", "q"), ("assistant", "a"));
        let odd: [(&str, &[(&str, &str)]); 8] = [
            ("unknown_role", &[("developer", "d"), q, a]),
            ("unknown_role", &[q, ("bard", "b")]),
            ("odd_conversation", &[a, q, a]),
            ("odd_conversation", &[q, q, a]),
            ("odd_conversation", &[q, a, q]),
            ("odd_conversation", &[]),
            ("odd_conversation", &[("system", "s")]),
            ("odd_conversation", &[q, a, ("tool", "4"), a]),
        ];
        rows.extend(odd.map(|(reason, messages)| (reason, turns(format, messages))));
    }
    if format == "messages" {
        let messages = |extra: &str| {
            format!(
                r#"{{"messages": [{{"role": "user", "content": "q"}}, {{"role": "assistant", {extra}}}]}}"#
            )
            .into_bytes()
        };
        rows.push((
            "tool_call",
            messages(r#""content": null, "tool_calls": [{"type": "function"}]"#),
        ));
        rows.push((
            "message_weight",
            messages(r#""content": "bad", "weight": 0.5"#),
        ));
    }
    if format == "sharegpt" {
        let twice = br#"{"system": "s", "conversations": [{"from": "system", "value": "s"}, {"from": "human", "value": "q"}, {"from": "gpt", "value": "a"}]}"#;
        rows.push(("odd_conversation", twice.to_vec()));
    }
    if format == "prompt_completion" {
        let prompt = br#"{"prompt": [{"role": "assistant", "content": "a"}], "completion": "b"}"#;
        rows.push(("odd_conversation", prompt.to_vec()));
    }
    rows
}

/// Mixes bad rows into the good ones, and counts them by reason.
fn mixed(
    good: impl Fn(usize) -> Vec<u8>,
    bad: Vec<(&'static str, Vec<u8>)>,
) -> (Vec<Vec<u8>>, BTreeMap<String, u64>) {
    let mut counts = BTreeMap::new();
    let mut bad = bad.into_iter();
    let mut rows = Vec::new();
    for i in 0..N_GOOD {
        rows.push(good(i));
        if let Some((reason, row)) = bad.next() {
            *counts.entry(reason.to_owned()).or_default() += 1;
            rows.push(row);
        }
    }
    assert!(bad.next().is_none(), "more good rows are needed");
    (rows, counts)
}

fn lines(rows: &[Vec<u8>]) -> Vec<u8> {
    rows.join(&b'\n')
}

fn array(rows: &[Vec<u8>]) -> Vec<u8> {
    [&b"["[..], &rows.join(&b",\n"[..])[..], b"]\n"].concat()
}

/// Builds CSV with a header and some bad rows, and counts these by reason.
fn csv(format: &str) -> (Vec<u8>, BTreeMap<String, u64>) {
    let (names, mut bad) = match format {
        "text" => ("text,other", vec![("broken_row", b"a,b,c".to_vec())]),
        "alpaca" => (
            "instruction,output",
            vec![
                ("refused_by_template", b"REFUSE,a".to_vec()),
                ("rewritten_by_template", b"a,SHOUT".to_vec()),
            ],
        ),
        _ => ("prompt,completion", Vec::new()),
    };
    bad.push(("broken_row", b"a".to_vec()));
    bad.push(("not_utf8", b"\xff,\xff".to_vec()));
    let good = |i: usize| {
        let last = if format == "text" {
            String::new()
        } else {
            i.to_string()
        };
        format!("Say {i}.,{last}").into_bytes()
    };
    let (rows, counts) = mixed(good, bad);
    let text = [names.as_bytes(), b"\n", &lines(&rows)[..], b"\n"].concat();
    (text, counts)
}

/// Parses the JSON that `trainer data` printed.
fn report(finished: Finished) -> Value {
    serde_json::from_str(&finished.result()).expect("JSON")
}

fn words(set: &str) -> Vec<&str> {
    vec![
        "data",
        "tiny.yaml",
        "--json",
        "--examples",
        "1000",
        "--set",
        set,
    ]
}

fn data_set(path: &str, format: &str) -> String {
    format!("data.datasets=[{{path: '{path}', format: {format}}}]")
}

/// Checks the examples of the good rows, and the counts.
fn check(report: &Value, name: &str, examples: &Value, counts: &BTreeMap<String, u64>) {
    assert_eq!(report["examples"], *examples, "{name}");
    let set = &report["datasets"][0];
    assert_eq!(set["left_out"], json!(counts), "{name}");
    assert_eq!(set["kept"], N_GOOD, "{name}");
    let first = set["first"].as_object().expect("first places");
    assert_eq!(
        first.keys().collect::<Vec<_>>(),
        set["left_out"]
            .as_object()
            .expect("counts")
            .keys()
            .collect::<Vec<_>>(),
        "{name}"
    );
}

#[test]
fn a_bad_row_of_each_reason_costs_itself_alone_in_every_reader_and_format() {
    let project = project();
    let (hub, mut checked) = (FakeHub::new(), Vec::new());
    for format in FORMATS {
        let good_rows: Vec<Vec<u8>> = (0..N_GOOD).map(|i| good(format, i)).collect();
        project.write("good.jsonl", lines(&good_rows));
        let set = data_set("good.jsonl", format);
        let expected = report(run(&project, &words(&set)))["examples"].take();
        assert_eq!(expected.as_array().map(Vec::len), Some(N_GOOD));
        let mut read = |path: &str, counts: &BTreeMap<String, u64>, of_hub: bool| {
            let set = data_set(path, format);
            let mut command = project.command(env!("CARGO_BIN_EXE_trainer"), &words(&set));
            if of_hub {
                command
                    .env("HF_ENDPOINT", hub.url())
                    .env_remove("HF_HUB_OFFLINE");
            }
            check(
                &report(finish(&mut command)),
                &format!("{format}, {path}"),
                &expected,
                counts,
            );
            checked.push(format!("{format}, {path}: {}", counts.len()));
        };

        let (rows, mut counts) = mixed(|i| good(format, i), bad_rows(format));
        project.write("rows.jsonl", lines(&rows));
        read("rows.jsonl", &counts, false);
        project.write("rows.json", array(&rows));
        read("rows.json", &counts, false);
        project.write("array.jsonl", array(&rows));
        read("array.jsonl", &counts, false);
        for (name, text) in [("z.jsonl.gz", lines(&rows)), ("z.json.gz", array(&rows))] {
            project.write(name, gzipped(&text));
            read(name, &counts, false);
        }
        let repository = format!("tiny/{}", format.replace('_', "-"));
        let files = [
            ("data/train-00000-of-00001.jsonl", &lines(&rows)[..]),
            ("data/test-00000-of-00001.jsonl", b"{}"),
        ];
        hub.publish("datasets", &repository, "main", &files);
        read(&format!("hf:{repository}"), &counts, true);
        for (name, bytes) in files {
            project.write(&format!("{format}/{name}"), bytes);
        }
        counts.insert("not_for_training".to_owned(), 1);
        read(format, &counts, false);

        if !matches!(format, "messages" | "sharegpt") {
            let (text, counts) = csv(format);
            project.write("rows.csv", &text);
            read("rows.csv", &counts, false);
            project.write("z.csv.gz", gzipped(&text));
            read("z.csv.gz", &counts, false);
        }

        let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/golden/bad_rows");
        let counts = fs::read_to_string(golden.join("expected.json")).expect("the golden");
        let counts: BTreeMap<String, BTreeMap<String, u64>> =
            serde_json::from_str(&counts).expect("JSON");
        let name = format!("{format}.parquet");
        fs::copy(golden.join(&name), project.path(&name)).expect("a copy");
        read(&name, &counts[format], false);
    }
    assert_eq!(checked.len(), 5 * 8 + 3 * 2, "{checked:#?}");
}

/// Makes a gzip stream of stored blocks, which needs no compressor.
pub(crate) fn gzipped(bytes: &[u8]) -> Vec<u8> {
    let mut out = vec![0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255];
    let mut blocks = bytes.chunks(0xffff).peekable();
    while let Some(block) = blocks.next() {
        let n = block.len() as u16;
        out.push(u8::from(blocks.peek().is_none()));
        out.extend(n.to_le_bytes());
        out.extend((!n).to_le_bytes());
        out.extend(block);
    }
    let mut crc = u32::MAX;
    for byte in bytes {
        crc ^= u32::from(*byte);
        for _ in 0..8 {
            crc = (crc >> 1) ^ (0xedb8_8320 & (crc & 1).wrapping_neg());
        }
    }
    out.extend((!crc).to_le_bytes());
    out.extend((bytes.len() as u32).to_le_bytes());
    out
}

#[test]
fn the_first_bad_row_stops_the_run_where_the_recipe_says_so() {
    let project = project();
    for format in FORMATS {
        for (reason, bad) in bad_rows(format) {
            project.write(
                "rows.jsonl",
                lines(&[good(format, 0), bad, good(format, 1), good(format, 2)]),
            );
            let set = data_set("rows.jsonl", format);
            let words = [&words(&set)[..], &["--set", "data.on_bad_row=error"]].concat();
            // A damaged file is not the user's mistake.
            let damaged = ["broken_row", "not_utf8", "too_large"].contains(&reason);
            let error = run(&project, &words).error(if damaged { 1 } else { 2 });
            says(&error, &["rows.jsonl:2: "]);
        }
    }
}

#[test]
fn more_than_half_bad_is_a_mistake_that_names_the_counts_and_the_way_out() {
    let project = project();
    let check = |rows: &[Vec<u8>], keys: &str, parts: &[&str]| {
        project.write("rows.jsonl", lines(rows));
        let set = format!("data.datasets=[{{path: rows.jsonl, {keys}}}]");
        let error = fit(&project, &["--set", &set]).error(2);
        says(&error, parts);
        assert!(!project.path("checkpoints/tiny/adapter").exists());
    };
    let good = |i| good("alpaca", i);
    let (null, broken) = (row("alpaca", "q", b"null"), row("alpaca", "q", b""));
    check(
        &[good(0), null.clone(), broken, null.clone()],
        "format: alpaca",
        &[
            "data set rows.jsonl: more than half of it is bad, 3 of 4 rows",
            "2 with a missing or null field, first rows.jsonl:2: `output` is null",
            "1 broken, first rows.jsonl:3: not JSON: ",
            "hint: fill the field",
        ],
    );
    // A column that no row has, and a format that does not match.
    let rows = [good(0), good(1)];
    check(
        &rows,
        "format: alpaca, columns: {output: answer}",
        &[
            "2 of 2 rows",
            "no column `answer`; the row has `instruction`, `output`",
            "hint: name the file's column: --set data.datasets.0.columns.output=NAME",
        ],
    );
    check(
        &rows,
        "format: messages",
        &["no column `messages`", "hint: name the file's column"],
    );
    check(
        &rows,
        "format: alpaca, where: {lang: python}",
        &[
            "no column `lang`",
            "`data.datasets.0.where` names the file's columns",
        ],
    );
    check(
        &[row("alpaca", "REFUSE", b"\"a\"")],
        "format: alpaca",
        &[
            "1 refused by the chat template, first rows.jsonl:1: ",
            "not this",
            "hint: the messages must follow",
        ],
    );
}

#[test]
fn bad_rows_are_shown_and_go_with_the_adapter_and_into_the_report() {
    let project = project();
    let rows = [
        good("messages", 0),
        turns("messages", &[("assistant", "Hi")]),
        good("messages", 1),
    ];
    project.write("rows.jsonl", lines(&rows));
    let set = data_set("rows.jsonl", "messages");
    let finished = fit(&project, &["--set", &set]);
    let first = "rows.jsonl:2: message 1 of `messages` has role assistant, but user and assistant must alternate";
    says(
        &finished.stderr,
        &[
            "2 examples from 3 rows in 1 file of rows.jsonl; left out or cut: 1 with messages out of order",
            &format!("left out           1 with messages out of order, first {first}"),
        ],
    );
    finished.result();
    let summary = project.read("checkpoints/tiny/adapter/training.json");
    let summary: Value = serde_json::from_str(&summary).expect("JSON");
    let data = &summary["data"][0];
    assert_eq!(
        (
            &data["path"],
            &data["found"],
            &data["kept"],
            &data["left_out"]
        ),
        (
            &json!("rows.jsonl"),
            &json!(3),
            &json!(2),
            &json!({"odd_conversation": 1})
        )
    );
    assert!(
        data["first"]["odd_conversation"]
            .as_str()
            .is_some_and(|text| text.starts_with(first))
    );
    says(
        &project.read("checkpoints/tiny/training-report.md"),
        &[
            "1 with messages out of order |",
            "The first of each kind that was left out",
            "rows.jsonl:2: message 1",
        ],
    );
}

#[test]
fn a_content_in_parts_is_the_text_of_its_parts() {
    let project = project();
    let examples = |content: &str| {
        project.write("rows.jsonl", row("messages", "q", content.as_bytes()));
        let set = data_set("rows.jsonl", "messages");
        report(run(&project, &words(&set)))["examples"].take()
    };
    let part = |text: &str| format!(r#"{{"type": "text", "text": "{text}"}}"#);
    assert_eq!(
        examples(&format!("[{}]", part("hello"))),
        examples("\"hello\"")
    );
    let two = format!("[{}, {}]", part("a"), part("b"));
    assert_eq!(examples(&two), examples("\"a\\nb\""));
}

#[test]
fn a_name_out_of_a_file_reaches_the_terminal_without_its_control_characters() {
    let project = project();
    let bad = turns("messages", &[("\u{1b}[31mred", "x")]);
    project.write("rows.jsonl", lines(&[good("messages", 0), bad]));
    let set = data_set("rows.jsonl", "messages");
    let finished = run(&project, &words(&set));
    assert!(!finished.stderr.contains('\u{1b}'), "{}", finished.stderr);
    says(
        &finished.stderr,
        &["is \"\\u{1b}[31mred\", expected system, user, assistant or tool"],
    );
}
