//! `evaluate.speakers` from the outside: who answers for a role, and what cannot.

use serde_json::{Value, json};

use crate::answer_tasks;
use crate::dataset;
use crate::endpoint::{json_of, lines, project, run_of, server};
use crate::fake_server::{Say, completion, text_only};
use crate::support::{Finished, Project, copy_folder, says};

/// `evaluator compare --base-only` in `reflection` on the project's tasks.
fn reflect(project: &Project, settings: &[&str]) -> Finished {
    let own = ["evaluate.workflows=[reflection]", "evaluate.rounds=1"];
    answer_tasks(project, &[&own, settings].concat())
}

/// The names of the speakers of all calls of a run, by role.
fn spoken(project: &Project, printed: &str) -> Vec<(String, Value)> {
    let log = lines(&run_of(project, printed).join("trajectory.jsonl"));
    let calls = log.iter().filter_map(|line| line["what"].get("call"));
    let mut found: Vec<(String, Value)> = calls
        .map(|call| {
            let role = call["role"].as_str().expect("a role").to_owned();
            (role, call.get("speaker").cloned().unwrap_or(Value::Null))
        })
        .collect();
    found.sort_by_key(|(role, of)| format!("{role} {of}"));
    found.dedup();
    found
}

#[test]
fn an_adapter_answers_for_the_role_that_names_it() {
    let project = project(2);
    let printed = reflect(&project, &["evaluate.speakers={reviewer: tiny}"]).result();
    let expected = [
        ("coder".to_owned(), Value::Null),
        ("reviewer".to_owned(), json!("tiny")),
    ];
    let found = spoken(&project, &printed);
    assert!(expected.iter().all(|of| found.contains(of)), "{found:?}");
    assert!(
        found
            .iter()
            .all(|(role, of)| (role == "reviewer") == (of == "tiny"))
    );
    let run = run_of(&project, &printed);
    let info = json_of(&run.join("run.json"));
    let speaker = &info["speakers"][0];
    assert_eq!(
        (
            &speaker["role"],
            &speaker["speaker"],
            info["speakers"].as_array().map(Vec::len)
        ),
        (&json!("reviewer"), &json!("tiny"), Some(1))
    );
    assert_eq!(speaker["source"], "checkpoints/tiny/adapter");
    assert!(speaker["sha256"].is_string());
    assert_eq!(info.get("assisted"), None);
    let report = std::fs::read_to_string(run.join("report.md")).expect("a report");
    says(&report, &["**Training of a speaker.**"]);
}

#[test]
fn a_teacher_assists_the_workflows_in_which_it_answers() {
    let project = project(2);
    let teacher = server(|asked| {
        text_only(asked)
            .unwrap_or_else(|| Say::Json(200, completion(asked, "Think again.", "stop")))
    });
    let teacher_at = format!(
        "evaluate.teacher={{url: '{}', model: tiny/qwen2}}",
        teacher.url()
    );
    let settings = ["evaluate.speakers={reviewer: teacher}", &teacher_at];
    let printed = reflect(&project, &settings).result();
    let found = spoken(&project, &printed);
    assert!(
        found
            .iter()
            .all(|(role, of)| (role == "reviewer") == (of == "teacher")),
        "{found:?}"
    );
    assert!(!teacher.asked().is_empty());
    let info = json_of(&run_of(&project, &printed).join("run.json"));
    assert_eq!(info["assisted"], json!(["reflection"]));
}

#[test]
fn what_cannot_speak_is_refused_before_the_run() {
    let project = project(2);
    let refused = |settings: &[&str], parts: &[&str]| {
        let error = reflect(&project, settings).error(2);
        says(&error, parts);
        assert!(!project.path("reports").exists(), "nothing was run");
    };
    refused(
        &["evaluate.speakers={reviewer: missing}"],
        &["`evaluate.speakers.reviewer`", "missing"],
    );
    refused(
        &["evaluate.speakers={reviewer: teacher}"],
        &["`evaluate.teacher` is missing"],
    );
    refused(
        &["evaluate.teacher={url: 'http://127.0.0.1:1/v1', model: m}"],
        &["`evaluate.teacher`", "no role of evaluate.speakers"],
    );
    refused(
        &["evaluate.speakers={reviewer: a, coder: b, tester: c, planner: d}"],
        &["at most 3 different adapters"],
    );
    refused(
        &[
            "evaluate.speakers={reviewer: base}",
            "evaluate.adapter_roles=[coder]",
        ],
        &[
            "`evaluate.adapter_roles`",
            "evaluate.speakers names the speakers",
        ],
    );
}

#[test]
fn a_speaker_of_another_base_model_is_refused() {
    let project = project(2);
    copy_folder(
        &project.path("checkpoints/tiny/adapter"),
        &project.path("checkpoints/other/adapter"),
    );
    let refused = |parts: &[&str]| {
        let settings = ["evaluate.speakers={reviewer: checkpoints/other/adapter}"];
        says(&reflect(&project, &settings).error(2), parts);
    };
    let config = "checkpoints/other/adapter/adapter_config.json";
    let own = project.read(config);
    // The shapes are equal, the name is not.
    project.write(
        config,
        own.replace("\"tiny-qwen2\"", "\"some/other-model\""),
    );
    refused(&[
        "the adapter was trained on some/other-model",
        "hint: set `model.name_or_path`",
    ]);
}

#[test]
fn a_speaker_that_learned_a_task_of_the_run_is_refused() {
    let project = dataset::project();
    dataset::replaced(&project, |n| {
        let answer = |name: &str| (format!("    {name} = x + {n}\n    return {name}\n"), true);
        [answer("a"), answer("b")]
    });
    let words = ["latest", "--to", "sft", "-o", "set"];
    dataset::dataset(&project, &words).result();
    project.write(
        "checkpoints/tiny/adapter/training.json",
        json!({
            "steps": 1, "examples": 1, "final_loss": 1.0, "base_validation_loss": null, "best": null,
            "decontamination": null, "seconds": 1.0, "peak_memory_bytes": null,
            "datasets": [{"path": "set", "sha256": "ab", "tasks": json_of(&project.path("set/dataset.json"))["tasks"]}],
        })
        .to_string(),
    );
    let error = reflect(&project, &["evaluate.speakers={reviewer: tiny}"]).error(2);
    let parts = [
        "the adapter learned from 3 of the tasks",
        "--allow-learned-tasks",
    ];
    says(&error, &parts);
}
