//! Which files of a folder are learned from.

use serde_json::{Value, json};

use crate::run;
use crate::support::{Project, says};

fn function(name: &str, text: &str) -> String {
    format!(
        "def {name}(w, h):\n    \"\"\"Weigh {text}.\"\"\"\n    return w * h + {}\n",
        name.len()
    )
}

/// A repository with copies of its code where tools leave them.
fn repository() -> Project {
    let project = Project::new();
    project.write("repo/.git/HEAD", "");
    project.write("repo/.gitignore", "/vendor/\n*_pb2.py\n");
    project.write("repo/src/a.py", function("a", "an apple"));
    project.write("repo/src/a_pb2.py", function("ab", "a message"));
    project.write("repo/src/bare.py", "def f(x):\n    return x\n");
    // An older copy of the file, which shares no syntax tree with it.
    project.write("repo/build/lib/a.py", function("aa", "an old apple"));
    project.write("repo/vendor/b.py", function("b", "a box"));
    project.write("repo/env/pyvenv.cfg", "");
    project.write("repo/env/c.py", function("c", "a can"));
    project
}

fn counts(project: &Project, dataset: &str) -> Value {
    let set = format!("data.datasets=[{{{dataset}}}]");
    let report = run(project, &["data", "tiny.yaml", "--set", &set, "--json"]).result();
    let report: Value = serde_json::from_str(&report).expect("JSON");
    report["datasets"][0].clone()
}

#[test]
fn what_git_ignores_and_what_tools_make_is_not_learned_from_unless_it_is_named() {
    let project = repository();
    let read = counts(&project, "path: repo, format: python_source");
    assert_eq!(
        (&read["files"], &read["kept"]),
        (&2.into(), &1.into()),
        "{read}"
    );
    // `.git`, `build` and `env`; `vendor` and `a_pb2.py`.
    assert_eq!(
        read["left_out"],
        json!({"skipped_folder": 3, "ignored": 2, "undocumented": 1})
    );
    let whole = counts(
        &project,
        "path: repo, format: fim, fim_tokens: {prefix: <tool_call>, suffix: </tool_call>, middle: <|im_start|>, end: <|im_end|>}",
    );
    assert_eq!(
        (
            &whole["left_out"]["skipped_folder"],
            &whole["left_out"]["ignored"]
        ),
        (&3.into(), &2.into()),
        "{whole}"
    );
    // The rules of the repository hold in its folders, and not for a folder that is named although they exclude it.
    let inner = counts(&project, "path: repo/src, format: python_source");
    assert_eq!(inner["left_out"], json!({"ignored": 1, "undocumented": 1}));
    let vendored = counts(&project, "path: repo/vendor, format: python_source");
    assert_eq!(vendored["kept"], 1);
    let built = counts(&project, "path: repo/build, format: python_source");
    assert_eq!(built["kept"], 1);
}

#[test]
fn a_folder_whose_files_are_all_left_out_is_an_error_that_counts_them() {
    let project = Project::new();
    project.write("only/.gitignore", "*.py\n");
    project.write("only/a.py", function("a", "an apple"));
    project.write("only/tests/b.py", function("b", "a box"));
    let set = "data.datasets=[{path: only, format: python_source}]";
    says(
        &run(&project, &["data", "tiny.yaml", "--set", set]).error(2),
        &[
            "only: no Python file in this folder, beside 1 folder not searched",
            "1 excluded by .gitignore",
            "hint: ",
        ],
    );
}
