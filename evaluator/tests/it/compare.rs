//! Comparisons on a tiny model: the files that they write, and the resumption of an interrupted one.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::compare;
use crate::support::{Finished, Project, finish, says};

/// Tasks of the embedded benchmark.
const TASKS: usize = 68;

/// The folder of the only run.
fn only_run(project: &Project) -> PathBuf {
    let mut runs = fs::read_dir(project.path("reports")).expect("reports");
    let run = runs
        .next()
        .expect("a run")
        .expect("a readable folder")
        .path();
    assert!(runs.next().is_none(), "more than one run");
    run
}

fn records(run: &Path) -> String {
    fs::read_to_string(run.join("records.jsonl")).expect("records")
}

/// The length in bytes of the first `n` lines.
fn first_lines(text: &str, n: usize) -> usize {
    text.split_inclusive('\n').take(n).map(str::len).sum()
}

/// Arm and task of each record.
fn samples(run: &Path) -> BTreeSet<(String, String)> {
    let text = records(run);
    let keys: Vec<_> = text
        .lines()
        .map(|line| {
            let record: Value = serde_json::from_str(line).expect("a line of JSON");
            let text = |key: &str| record[key].as_str().expect("a text").to_owned();
            (text("arm"), text("task_id"))
        })
        .collect();
    let set: BTreeSet<_> = keys.iter().cloned().collect();
    assert_eq!(set.len(), keys.len(), "a sample twice");
    set
}

/// Every sample without the values that differ from run to run: the times.
fn answers(run: &Path) -> BTreeSet<String> {
    let text = records(run);
    let timeless = text.lines().map(|line| {
        let mut record: Value = serde_json::from_str(line).expect("a line of JSON");
        let record = record.as_object_mut().expect("an object");
        record.remove("generation_s").expect("a time");
        record.remove("cpu_s").expect("a time");
        record.remove("seconds_to_program");
        record.remove("reused_s");
        Value::from(record.clone()).to_string()
    });
    timeless.collect()
}

/// The trainer that was built with this evaluator.
fn trainer() -> PathBuf {
    let trainer = Path::new(env!("CARGO_BIN_EXE_evaluator")).with_file_name("trainer");
    assert!(
        trainer.is_file(),
        "no trainer beside the evaluator: run `cargo test --workspace`, which builds both"
    );
    trainer
}

/// A comparison with room for `blocks` of 512 bytes in each file, which simulates a full disk.
fn compare_on_full_disk(project: &Project, blocks: usize, words: &[&str]) -> Finished {
    let script = format!("trap '' XFSZ; ulimit -f {blocks}; exec \"$0\" \"$@\"");
    let fixed = [
        "-c",
        &script,
        env!("CARGO_BIN_EXE_evaluator"),
        "compare",
        "--device",
        "cpu",
        "--set",
        "evaluate.max_new_tokens=8",
    ];
    finish(&mut project.command("sh", &[&fixed, words].concat()))
}

/// One comparison of a hundred samples takes seconds, so all cases share one project.
#[test]
fn what_the_trainer_writes_the_evaluator_judges_once_and_goes_on_after_a_crash() {
    let project = Project::new();
    let trainer = trainer();
    let fitted = finish(&mut project.command(
        &trainer.to_string_lossy(),
        &["fit", "tiny.yaml", "--device", "cpu"],
    ));
    assert_eq!(fitted.result(), "adapter: checkpoints/tiny/adapter\n");

    let printed = compare(&project, &[]).result();
    let run = only_run(&project);
    let relative = run
        .strip_prefix(project.path(""))
        .expect("inside the project");
    assert_eq!(
        printed,
        format!("report: {}/report.md\n", relative.display())
    );
    project.assert_no_parts();

    everything_is_there(&run);
    a_second_comparison_changes_nothing(&project, &run);
    a_crash_costs_only_what_was_not_recorded(&project, &run);
    a_full_disk_costs_only_what_was_not_recorded(&project, &run);
    records_of_another_kind_are_left_alone(&project, &run);
    another_setting_is_another_run(&project, &run);
}

fn everything_is_there(run: &Path) {
    for file in ["report.md", "records.jsonl", "run.json", "summary.json"] {
        assert!(run.join(file).is_file(), "no {file}");
    }
    let report = fs::read_to_string(run.join("report.md")).expect("a report");
    let pictures: Vec<_> = fs::read_dir(run.join("pictures"))
        .expect("pictures")
        .collect();
    assert!(!pictures.is_empty());
    for picture in pictures {
        let path = picture.expect("a picture").path();
        assert_eq!(path.extension(), Some("svg".as_ref()), "{}", path.display());
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        assert!(
            report.contains(&format!("pictures/{name}")),
            "{name} is not shown"
        );
    }
    let samples = samples(run);
    for arm in ["base", "tiny"] {
        assert_eq!(
            samples.iter().filter(|(of, _)| of == arm).count(),
            TASKS,
            "{arm}"
        );
    }
    assert_eq!(samples.len(), 2 * TASKS);
    let info: Value =
        serde_json::from_slice(&fs::read(run.join("run.json")).expect("run.json")).expect("JSON");
    assert_eq!(info["base_model"]["name"], "tiny/qwen2");
    let command = "evaluator compare checkpoints/tiny/adapter --set evaluate.max_new_tokens=8";
    assert_eq!(info["command"], command);
    assert_eq!(info["adapters"][0]["training"]["steps"], 4);
    // The adapter's copy of the recipe contains every default, but still declares nothing.
    for row in info["plan"]["hypotheses"].as_array().expect("rows") {
        assert_eq!(row["declared"], "default", "{row}");
    }
    assert!(report.contains("this program's default effects; the recipe declares none"));
}

fn a_second_comparison_changes_nothing(project: &Project, run: &Path) {
    let before = records(run);
    let again = compare(project, &["--json"]);
    says(
        &again.stderr,
        &[
            "base single: all answers exist already",
            "tiny single: all answers exist already",
        ],
    );
    let printed: Value =
        serde_json::from_str(&again.result()).expect("one JSON document on stdout");
    let summary: Value =
        serde_json::from_slice(&fs::read(run.join("summary.json")).expect("summary"))
            .expect("JSON");
    assert_eq!(printed, summary);
    assert_eq!(records(run), before);
    assert_eq!(only_run(project), run);
}

fn a_crash_costs_only_what_was_not_recorded(project: &Project, run: &Path) {
    let (whole, all) = (records(run), answers(run));
    // Five samples are missing, and a sixth is cut in half.
    let kept = first_lines(&whole, 2 * TASKS - 6);
    fs::write(run.join("records.jsonl"), &whole[..kept + 100]).expect("a cut file");
    fs::remove_file(run.join("report.md")).expect("a report");
    compare(project, &[]).result();
    assert!(
        records(run).starts_with(&whole[..kept]),
        "a whole line was made again"
    );
    assert_eq!(answers(run), all);
    assert!(run.join("report.md").is_file());
    assert_eq!(only_run(project), run);
}

fn a_full_disk_costs_only_what_was_not_recorded(project: &Project, run: &Path) {
    let (whole, all) = (records(run), answers(run));
    let kept = first_lines(&whole, 2 * TASKS - 6);
    fs::write(run.join("records.jsonl"), &whole[..kept]).expect("a cut file");
    fs::remove_file(run.join("report.md")).expect("a report");
    let error = compare_on_full_disk(project, kept.div_ceil(512) + 1, &[]).error(1);
    says(
        &error,
        &[
            "records.jsonl",
            "hint: free space and run the same command again",
        ],
    );
    assert!(!run.join("report.md").exists(), "a report after: {error}");
    project.assert_no_parts();
    compare(project, &[]).result();
    assert_eq!(answers(run), all);
}

fn records_of_another_kind_are_left_alone(project: &Project, run: &Path) {
    let whole = records(run);
    for first_line in ["{\"version\": 99}\n", "no JSON\n"] {
        fs::write(run.join("records.jsonl"), first_line).expect("a file");
        says(
            &compare(project, &[]).error(1),
            &["records.jsonl:1", "hint: ", "move the folder away"],
        );
        assert_eq!(records(run), first_line);
    }
    fs::write(run.join("records.jsonl"), whole).expect("a file");
}

fn another_setting_is_another_run(project: &Project, run: &Path) {
    let before = records(run);
    fs::write(project.path("blocked"), "a file where a folder should be").expect("a file");
    let words = ["--reports", "blocked", "--set", "evaluate.sampling.seed=7"];
    let error = compare(project, &words).error(1);
    says(&error, &["cannot create blocked/tiny-"]);
    let same = run.file_name().expect("a name").to_string_lossy();
    assert!(
        !error.contains(&*same),
        "the run of another setting: {error}"
    );
    let runs = fs::read_dir(project.path("reports")).expect("reports");
    assert_eq!(runs.count(), 1);
    assert_eq!(records(run), before);
}
