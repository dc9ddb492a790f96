//! Text from files cannot control the terminal: control characters and overrides of the reading direction are shown as
//! escapes.

use crate::support::{Finished, Project};
use crate::{fit, run};

/// Clears the screen, then overrides the reading direction.
const EVIL: &str = "a\u{1b}[2J\u{202e}\u{9b}b\u{7f}";
/// Its escaped form.
const SHOWN: &str = "a\\u{1b}[2J\\u{202e}\\u{9b}b\\u{7f}";

fn steers(c: char) -> bool {
    c.is_control() && c != '\n' && c != '\t'
        || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// Asserts that a command showed the text of `EVIL`, and that its output contains no control sequences.
fn check(what: &str, finished: &Finished) {
    let text = format!("{}{}", finished.stdout, finished.stderr);
    assert!(!text.contains(steers), "{what}: {text:?}");
    assert!(text.contains(SHOWN), "{what}: {text}");
}

#[test]
fn names_keys_and_values_from_files_are_shown_with_escapes() {
    let project = Project::new();
    let recipe = project.read("tiny.yaml");
    let missing = format!("{EVIL}.yaml");
    check("a recipe's name", &run(&project, &["data", &missing]));
    let quoted = EVIL
        .replace('\u{1b}', "\\e")
        .replace('\u{9b}', "\\x9b")
        .replace('\u{7f}', "\\x7f");
    for (what, text) in [
        ("a recipe's key", format!("{recipe}\"{quoted}\": 3\n")),
        (
            "a recipe's value",
            recipe.replace(
                "name_or_path: model",
                &format!("name_or_path: \"{quoted}\""),
            ),
        ),
        (
            "a data set's path",
            recipe.replace("path: src", &format!("path: \"{quoted}\"")),
        ),
    ] {
        project.write("evil.yaml", text);
        check(what, &run(&project, &["data", "evil.yaml"]));
    }
    let json = serde_json::to_string(EVIL).expect("JSON");
    let adapter_config = "checkpoints/tiny/adapter/adapter_config.json";
    fit(&project, &[]).result();
    let config = project.read(adapter_config);
    project.write(
        adapter_config,
        config.replacen('{', &format!("{{{json}: 3,"), 1),
    );
    let generate = [
        "generate",
        "tiny.yaml",
        "--adapter",
        "checkpoints/tiny/adapter",
        "--prompt",
        "a",
    ];
    check(
        "an adapter's key",
        &run(
            &project,
            &[&generate[..], &["--max-new-tokens", "1"]].concat(),
        ),
    );
}

#[test]
fn a_python_file_of_any_name_is_counted_and_shown() {
    let project = Project::new();
    let source = project.read("src/stock.py");
    project.write(&format!("odd/{EVIL}/stock.py"), source);
    let set = format!(
        "data.datasets=[{{path: \"odd/{}\", format: python_source}}]",
        EVIL.replace('\u{1b}', "\\e")
            .replace('\u{9b}', "\\x9b")
            .replace('\u{7f}', "\\x7f")
    );
    check(
        "counts",
        &run(&project, &["data", "tiny.yaml", "--set", &set]),
    );
    let found = fit(&project, &["--set", &set]);
    check("notes of a training", &found);
    found.result();
}

#[test]
fn tokens_and_json_documents_are_shown_with_escapes() {
    let project = Project::new();
    let row = serde_json::json!({"prompt": "a", "completion": EVIL});
    project.write("rows.jsonl", format!("{row}\n"));
    let set = "data.datasets=[{path: rows.jsonl, format: prompt_completion}]";
    let shown = run(&project, &["data", "tiny.yaml", "--set", set]).result();
    assert!(!shown.contains(steers), "{shown:?}");
    assert!(shown.contains("\\u{1b}"), "{shown}");
    let json = run(&project, &["data", "tiny.yaml", "--set", set, "--json"]).result();
    assert!(!json.contains(steers), "{json:?}");
    let document: serde_json::Value = serde_json::from_str(&json).expect("JSON");
    let tokens = document["examples"][0]["tokens"]
        .as_array()
        .expect("tokens");
    let text: String = tokens
        .iter()
        .filter_map(|token| token["text"].as_str())
        .collect();
    assert!(text.contains("\u{1b}[2J"), "{text:?}");
}
