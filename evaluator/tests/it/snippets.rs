//! Snippets that a model tries after its program: hostile ones stay in the box, and the model sees a short output.

use std::fs;

use serde_json::Value;

use crate::endpoint::{ask, lines, project, run_of, server};
use crate::fake_server::{Say, completion, solution};

/// Most characters of a snippet's output.
const MOST_OUTPUT: usize = 400;

/// Snippets with what their output must contain, in lower case; `{outside}` is a folder outside of the box.
const SNIPPETS: [(&str, &str); 8] = [
    ("print(1 + 1)", "2"),
    ("open('{outside}/written', 'w').write('x')", "error"),
    (
        "import socket\nsocket.create_connection(('127.0.0.1', {port}), timeout=2)",
        "",
    ),
    (
        "import os\nfor _ in range(1000):\n    os.fork()\nwhile True: pass",
        "",
    ),
    ("while True: print('x' * 1000)", "x"),
    ("while True: pass", "limit of"),
    ("kept = []\nkept.append(bytearray(1 << 40))", "memory"),
    ("print(open('{outside}/secret').read())", "error"),
];

/// Returns an action that tries a snippet, and after it the program.
fn answer(prompt: &str, snippet: &str, body: &str, task: usize) -> String {
    if prompt.contains("Observation:") {
        format!("```python\ndef add_{task}(x):\n{body}\n```")
    } else {
        format!("Action: try\n```python\n{snippet}\n```")
    }
}

#[test]
fn hostile_snippets_stay_in_the_box_and_the_model_sees_a_short_output() {
    let outside = tempfile::tempdir().expect("a folder");
    fs::write(outside.path().join("secret"), "quinquereme").expect("a file");
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("an address").port();
    listener.set_nonblocking(true).expect("a setting");
    let folder = outside.path().display().to_string();
    let fill = move |snippet: &str| {
        let port = port.to_string();
        snippet
            .replace("{outside}", &folder)
            .replace("{port}", &port)
    };
    let (project, server) = (
        project(SNIPPETS.len()),
        server(move |asked| {
            let task = asked.task();
            let snippet = fill(SNIPPETS[task.clamp(1, SNIPPETS.len()) - 1].0);
            let text = answer(&asked.prompt, &snippet, &solution(asked), task);
            Say::Json(200, completion(asked, &text, "stop"))
        }),
    );
    let finished = ask(
        &project,
        &server,
        &[
            "--set",
            "evaluate.workflows=[tools_blind]",
            "--set",
            "evaluate.tools.strategy=react",
            "--set",
            "evaluate.timeout_s=2",
            "--set",
            "evaluate.max_new_tokens=512",
        ],
    );
    let run = run_of(&project, &finished.result());
    let mut n_tried = 0;
    for step in lines(&run.join("trajectory.jsonl")) {
        let Value::Object(tried) = &step["what"]["execution"]["tried"] else {
            continue;
        };
        n_tried += 1;
        let task = step["trajectory"]["task_id"].as_str().expect("a name");
        let number: usize = task
            .rsplit('/')
            .next()
            .expect("a number")
            .parse()
            .expect("a number");
        let output = tried["output"].as_str().expect("a text");
        assert!(output.chars().count() <= MOST_OUTPUT, "{output}");
        assert!(
            output.to_lowercase().contains(SNIPPETS[number - 1].1),
            "{number}: {output}"
        );
        assert!(!output.contains("quinquereme"), "{output}");
    }
    assert_eq!(n_tried, SNIPPETS.len());
    assert!(!outside.path().join("written").exists());
    assert!(listener.accept().is_err(), "a snippet reached the port");
    for asked in server.asked() {
        assert!(!asked.prompt.contains("quinquereme"));
    }
}
