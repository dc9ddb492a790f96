//! Workflows with lookups: every number of the section recomputed from the records, and pages of odd runs.

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde_json::Value;
use slm_artifacts::Verdict;
use slm_config::{Evaluate, Workflow};
use slm_report::{
    Experiment, KnowledgeInfo, OfflineCost, Plan, Report, RunInfo, SampleRecord, ShortBudget,
};

use crate::page::{check, check_snapshot, row_widths};
use crate::synthetic::{records_of_cells, run_of};

const TASKS: usize = 24;

const WORKFLOWS: [Workflow; 6] = [
    Workflow::Single,
    Workflow::Rag,
    Workflow::RagOracle,
    Workflow::Sketch,
    Workflow::Tools,
    Workflow::RagPlacebo,
];

/// Returns a run without a hypothesis in these workflows.
fn run_in(experiment: Experiment, workflows: &[Workflow], adapters: &[&str]) -> RunInfo {
    let evaluate = Evaluate {
        workflows: workflows.to_vec(),
        hypotheses: Vec::new(),
        ..Evaluate::default()
    };
    let mut run = run_of(Experiment::Compare, &[]);
    run.adapters = run_of(Experiment::Compare, adapters).adapters;
    if adapters.is_empty() {
        run.plan = Plan::new(experiment, &evaluate, &[]).expect("a plan");
    } else {
        let declared = Evaluate {
            workflows: workflows.to_vec(),
            ..Evaluate::default()
        };
        run.plan = Plan::new(experiment, &declared, adapters).expect("a plan");
    }
    run.benchmarks[0].tasks = TASKS;
    run.timings.clear();
    run.knowledge = Some(KnowledgeInfo {
        index_sha256: Some("a1b2c3d4".repeat(8)),
        chunks: 1234,
        files: 56,
        left_out: [("not UTF-8".to_owned(), 2), ("a test file".to_owned(), 7)].into(),
        masked: 9,
        memory_sha256: None,
        entries: 0,
        top_k: 3,
    });
    run
}

/// Whether a workflow solves a task: retrieval solves more than its placebo, which solves others than one answer.
fn solves(workflow: Workflow, task: usize) -> bool {
    match workflow {
        Workflow::Single => task.is_multiple_of(4),
        Workflow::Rag => task % 3 != 2,
        Workflow::RagPlacebo => task.is_multiple_of(3),
        Workflow::RagOracle => !task.is_multiple_of(5),
        Workflow::Sketch | Workflow::Tools => task.is_multiple_of(2),
        _ => task.is_multiple_of(6),
    }
}

/// Returns records whose numbers all differ by workflow and task; every third task has references.
fn records(run: &RunInfo) -> Vec<SampleRecord> {
    let mut records = records_of_cells(run, TASKS, |cell, task| (solves(cell.workflow, task), 3.0));
    for record in &mut records {
        let task: usize = record.task_id[8..].parse().expect("a number");
        let workflow = Workflow::ALL
            .iter()
            .find(|workflow| workflow.name() == record.workflow)
            .expect("a workflow");
        record.completion_tokens = 60 + 7 * (task % 5) + 3 * record.sample as usize;
        record.format_failures = usize::from(task.is_multiple_of(8));
        if !workflow.looks_up() {
            continue;
        }
        record.lookups = if *workflow == Workflow::Tools {
            2 + task % 3
        } else {
            1
        };
        record.unspent.lookups = 16 - record.lookups;
        record.masked = if task.is_multiple_of(6) {
            1 + task % 4
        } else {
            0
        };
        record.prompt_tokens =
            400 + 11 * task + usize::from(*workflow == Workflow::RagPlacebo) * (task % 7);
        record.recall = task
            .is_multiple_of(3)
            .then_some(1.0 / (1 + task % 4) as f64);
        record.copied = (task % 2 == 1).then_some(0.25 + 0.01 * task as f64);
        record.sketch_kept = (*workflow == Workflow::Sketch).then_some(0.5);
    }
    records
}

/// Returns the arm's part of the section.
fn arm(report: &Report, at: usize) -> &Value {
    &report.summary["findings"]["lookups"]["arms"][at]
}

/// Returns the entry of a list whose fields have these texts.
fn entry<'a>(list: &'a Value, fields: &[(&str, &str)]) -> &'a Value {
    let has = |of: &&Value| fields.iter().all(|(field, text)| of[*field] == *text);
    let list = list.as_array().expect("a list");
    list.iter()
        .find(has)
        .unwrap_or_else(|| panic!("{fields:?}"))
}

fn assert_close(found: &Value, expected: f64, what: &str) {
    let found = found.as_f64().unwrap_or_else(|| panic!("{what}: {found}"));
    assert!(
        (found - expected).abs() < 1e-9,
        "{what}: {found}, not {expected}"
    );
}

/// Returns the mean of a value by task of an arm in a workflow, over the samples that have it.
fn by_task(
    records: &[SampleRecord],
    arm: &str,
    workflow: &str,
    value: impl Fn(&SampleRecord) -> Option<f64>,
) -> Vec<(String, f64)> {
    let mut tasks: Vec<String> = records.iter().map(|of| of.task_id.clone()).collect();
    tasks.sort();
    tasks.dedup();
    let mean_of = |task: String| {
        let own = records
            .iter()
            .filter(|of| (&*of.arm, &*of.workflow, &of.task_id) == (arm, workflow, &task));
        let values: Vec<f64> = own.filter_map(&value).collect();
        let n = values.len() as f64;
        (n > 0.0).then(|| (task, values.iter().sum::<f64>() / n))
    };
    tasks.into_iter().filter_map(mean_of).collect()
}

fn mean(values: &[(String, f64)]) -> f64 {
    values.iter().map(|(_, value)| value).sum::<f64>() / values.len() as f64
}

/// A value of a record that a summary averages, by the summary's field.
type Field = (&'static str, fn(&SampleRecord) -> f64);

const MEANS: [Field; 5] = [
    ("lookups", |of| of.lookups as f64),
    ("masked", |of| of.masked as f64),
    ("prompt_tokens", |of| of.prompt_tokens as f64),
    ("completion_tokens", |of| of.completion_tokens as f64),
    ("format_failures", |of| of.format_failures as f64),
];

/// Asserts the summaries and the contrasts of an arm.
fn check_numbers(report: &Report, records: &[SampleRecord], run: &RunInfo, at: usize, name: &str) {
    let found = arm(report, at);
    assert_eq!(found["arm"], name);
    for workflow in run.plan.cells.iter().filter(|cell| cell.arm == name) {
        let workflow = workflow.workflow.name();
        let summary = entry(&found["workflows"], &[("workflow", workflow)]);
        let passes = |of: &SampleRecord| Some(f64::from(u8::from(of.passed())));
        let rates = by_task(records, name, workflow, passes);
        assert_close(&summary["pass_rate"]["share"], mean(&rates), workflow);
        for (field, value) in MEANS {
            let values = by_task(records, name, workflow, |of| Some(value(of)));
            assert_close(&summary[field], mean(&values), field);
        }
        for (field, value) in [
            (
                "recall",
                (|of| of.recall) as fn(&SampleRecord) -> Option<f64>,
            ),
            ("copied", |of| of.copied),
            ("sketch_kept", |of| of.sketch_kept),
        ] {
            let values = by_task(records, name, workflow, value);
            assert_eq!(summary[field]["tasks"], values.len(), "{workflow} {field}");
            if values.is_empty() {
                assert_eq!(summary[field]["mean"], Value::Null);
            } else {
                assert_close(&summary[field]["mean"], mean(&values), field);
            }
        }
        let (mut passed, mut tokens) = (0, 0);
        for of in records {
            if of.arm == name && of.workflow == workflow {
                passed += usize::from(of.passed());
                tokens += of.prompt_tokens + of.completion_tokens;
            }
        }
        let per_1000 = 1000.0 * passed as f64 / tokens as f64;
        assert_close(&summary["solved_per_1000_tokens"], per_1000, workflow);
        let cell = entry(
            &report.summary["cells"],
            &[("arm", name), ("workflow", workflow)],
        );
        assert_close(&cell["solved_per_1000_tokens"], per_1000, "the cell");
    }
    let contrasts = found["contrasts"].as_array().expect("a list");
    for contrast in contrasts {
        let [of, less] = ["workflow", "less"].map(|side| contrast[side].as_str().expect("a name"));
        let difference = |value: fn(&SampleRecord) -> f64| {
            let value = |record: &SampleRecord| Some(value(record));
            let less = by_task(records, name, less, value);
            let pairs = by_task(records, name, of, value)
                .into_iter()
                .filter_map(|(task, a)| {
                    let (_, b) = less.iter().find(|(other, _)| *other == task)?;
                    Some((task, a - b))
                });
            pairs.collect::<Vec<_>>()
        };
        let passes = difference(|of| f64::from(u8::from(of.passed())));
        let tokens = difference(|of| of.prompt_tokens as f64);
        assert_eq!(contrast["pass_rate"]["n"], passes.len());
        let differing = passes.iter().filter(|(_, by)| by.abs() > 1e-9).count();
        assert_eq!(contrast["pass_rate"]["differing"], differing);
        assert_close(&contrast["pass_rate"]["difference"], mean(&passes), of);
        assert_close(&contrast["prompt_tokens"]["difference"], mean(&tokens), of);
        let interval = &contrast["pass_rate"]["interval"];
        let expected = match (interval["low"].as_f64(), interval["high"].as_f64()) {
            _ if differing < 6 => "inconclusive",
            (Some(low), _) if low > 0.0 => "higher",
            (_, Some(high)) if high < 0.0 => "lower",
            _ => "inconclusive",
        };
        assert_eq!(contrast["direction"], expected, "{of} less {less}");
    }
}

#[test]
fn every_number_follows_from_the_records() {
    let run = run_in(Experiment::Workflows, &WORKFLOWS, &[]);
    let records = records(&run);
    let report = check(&records, &run);
    check_snapshot("lookups.md", &report);
    check_numbers(&report, &records, &run, 0, "base");
    let of: Vec<(&str, &str)> = arm(&report, 0)["contrasts"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|of| ["workflow", "less"].map(|side| of[side].as_str().expect("a name")))
        .map(|[of, less]| (of, less))
        .collect();
    let expected = [
        ("rag", "rag_placebo"),
        ("rag", "single"),
        ("rag_placebo", "single"),
        ("rag_oracle", "rag"),
        ("sketch", "single"),
        ("tools", "single"),
    ];
    assert_eq!(of, expected);
}

#[test]
fn several_arms_and_samples_are_averaged_by_task() {
    let mut run = run_in(Experiment::Compare, &WORKFLOWS, &["tuned"]);
    for cell in &mut run.plan.cells {
        cell.samples = 2;
    }
    let mut records = records(&run);
    // The arms lack different tasks, and a workflow lacks further ones.
    records.retain(|of| of.arm == "base" || of.task_id != "starter/05");
    records.retain(|of| of.workflow != "rag" || of.task_id != "starter/08");
    records.retain(|of| of.sample == 0 || of.task_id != "starter/10");
    for record in &mut records {
        if record.sample == 1 && record.task_id.ends_with('3') {
            (record.verdict, record.tests_passed) = (Verdict::Failed, 0);
        }
    }
    let report = check(&records, &run);
    for (at, name) in ["base", "tuned"].into_iter().enumerate() {
        check_numbers(&report, &records, &run, at, name);
    }
    let [base, tuned] = [0, 1].map(|at| &arm(&report, at)["tasks"]);
    assert_eq!(
        (base, tuned),
        (&Value::from(TASKS), &Value::from(TASKS - 1))
    );
    assert!(report.markdown.contains("pictures/lookups-2.svg"));
}

#[test]
fn content_and_length_of_the_prompt_are_named_apart() {
    let run = run_in(Experiment::Workflows, &WORKFLOWS, &[]);
    let mut records = records(&run);
    let report = check(&records, &run);
    let contrasts = &arm(&report, 0)["contrasts"];
    let content = entry(contrasts, &[("effect", "content")]);
    assert_eq!(
        (&content["workflow"], &content["less"]),
        (&"rag".into(), &"rag_placebo".into())
    );
    assert_eq!(content["direction"], "higher");
    let length = entry(contrasts, &[("effect", "prompt length")]);
    assert_eq!(
        (&length["workflow"], &length["less"]),
        (&"rag_placebo".into(), &"single".into())
    );
    assert_eq!(length["direction"], "inconclusive");
    for text in [
        "- **Effect of content** (`rag` less `rag_placebo`): +",
        "the whole interval is above 0.",
        "- **Effect of prompt length** (`rag_placebo` less `single`): ",
        "no effect is shown; a difference of ",
    ] {
        assert!(report.markdown.contains(text), "{text}");
    }
    // Task 6 has the longest placebo: 6 of 466 tokens more.
    let of = &arm(&report, 0)["prompt_lengths"];
    assert_close(&of["largest_difference"], 6.0 / 466.0, "largest");
    let prompts = |workflow: &str| {
        mean(&by_task(&records, "base", workflow, |of| {
            Some(of.prompt_tokens as f64)
        }))
    };
    assert_close(&of["rag"], prompts("rag"), "rag");
    assert_close(&of["placebo"], prompts("rag_placebo"), "placebo");
    records.retain(|of| of.workflow != "rag_placebo");
    let without = check(&records, &run);
    assert_eq!(arm(&without, 0)["prompt_lengths"], Value::Null);
    assert!(!without.markdown.contains("**Effect of content**"));
}

#[test]
fn few_tasks_that_differ_show_nothing_even_if_all_agree() {
    let run = run_in(Experiment::Workflows, &WORKFLOWS, &[]);
    let mut records = records(&run);
    for record in &mut records {
        let task: usize = record.task_id[8..].parse().expect("a number");
        let passes = record.workflow == "rag" && task < 5;
        record.tests_passed = if passes { record.tests_total } else { 0 };
        record.verdict = if passes {
            Verdict::Passed
        } else {
            Verdict::Failed
        };
    }
    let report = check(&records, &run);
    let content = entry(&arm(&report, 0)["contrasts"], &[("effect", "content")]);
    assert_eq!(content["pass_rate"]["differing"], 5);
    assert!(
        content["pass_rate"]["interval"]["low"].as_f64() > Some(0.0),
        "{content}"
    );
    assert_eq!(content["direction"], "inconclusive");
    assert!(!report.markdown.contains("the whole interval is"));
    for record in &mut records {
        record.verdict = Verdict::Failed;
    }
    let none = check(&records, &run).markdown;
    assert!(none.contains("too few tasks are solved by one of them alone"));
}

#[test]
fn a_ranking_that_tokens_turn_around_is_named() {
    let run = run_in(Experiment::Workflows, &WORKFLOWS, &[]);
    let mut records = records(&run);
    let report = check(&records, &run);
    let found = &arm(&report, 0)["rankings"];
    assert_eq!(found["by_pass_rate"][0], "rag", "{found}");
    assert_eq!(found["by_solved_per_1000_tokens"][0], "single", "{found}");
    assert!(!found.to_string().contains("rag_oracle"));
    assert!(
        report
            .markdown
            .contains("differs from the ranking by pass rate (`rag`, ")
    );
    for record in &mut records {
        (record.prompt_tokens, record.completion_tokens) = (100, 100);
    }
    let same = check(&records, &run);
    assert_eq!(arm(&same, 0)["rankings"], Value::Null);
    assert!(!same.markdown.contains("differs from the ranking"));
}

#[test]
fn the_limits_name_what_was_hidden_missing_short_and_paid_before() {
    let mut run = run_in(Experiment::Workflows, &WORKFLOWS, &[]);
    run.offline = vec![OfflineCost {
        what: "memory".to_owned(),
        completion_tokens: 4800,
        calls: 40,
        executions: 1,
    }];
    run.short_budgets = vec![
        ShortBudget {
            workflow: "tools".to_owned(),
            resource: "calls".to_owned(),
            most: 12,
            budget: 10,
        },
        ShortBudget {
            workflow: "tools".to_owned(),
            resource: "lookups".to_owned(),
            most: 8,
            budget: 4,
        },
    ];
    let page = check(&records(&run), &run).markdown;
    for text in [
        "Index: 1,234 chunks of 56 files, SHA-256 `a1b2c3d4`.",
        "- **Masked chunks.** 9 of 1,234 chunks were hidden for at least one task. 4 of 24 tasks with an answer by lookups \
         have a hidden chunk, at most 3 for one task.",
        "- **No web search.** `tools` reads the index",
        "- **Short budgets.** For one sample `tools` may need 12 `calls` and has 10; `tools` may need 8 `lookups` and has \
         4, so it may end before it is done.\n",
        "- **Missing controls.** `base`: `sketch` ran without `sketch_copy`, `best_of_n`; `tools` ran without \
         `tools_blind`, `reflection`, so what causes",
        "- **Work before the run.** `memory` cost 4,800 completion tokens, 40 calls and 1 execution before the run, which \
         no other number of this report contains: 200 tokens for each of the 24 tasks of the run.",
        "- **Left out of the index.** 7 files: a test file; 2 files: not UTF-8.\n",
        "16 calls, 16 executions and 16 lookups.",
        "> The run tests no hypothesis.",
        "| `rag_oracle` (upper bound) |",
        "`rag_oracle` is an upper bound",
        " recall@3 |",
    ] {
        assert!(page.contains(text), "`{text}` is not in:\n{page}");
    }
}

#[test]
fn a_run_without_lookups_has_no_word_of_them() {
    let run = run_in(
        Experiment::Workflows,
        &[Workflow::Single, Workflow::Codet],
        &[],
    );
    let run = RunInfo {
        knowledge: None,
        ..run
    };
    let report = check(&records(&run), &run);
    assert!(!report.markdown.contains("lookups"), "{}", report.markdown);
    assert_eq!(report.summary["findings"].get("lookups"), None);
    assert_eq!(report.pictures.len(), 2, "those of all workflows");
}

#[test]
fn a_sweep_of_a_workflow_with_lookups_shows_its_reference_alone() {
    let mut run = run_of(Experiment::Sweep, &[]);
    for cell in &mut run.plan.cells {
        cell.workflow = Workflow::ToolsBlind;
    }
    let report = check(&records(&run), &run);
    let workflows = arm(&report, 0)["workflows"].as_array().expect("a list");
    assert_eq!(workflows.len(), 1);
    assert_eq!(workflows[0]["samples"], TASKS);
}

#[test]
fn any_part_of_the_records_gives_a_page() {
    let mut run = run_in(Experiment::Compare, &WORKFLOWS, &["tuned"]);
    let all = records(&run);
    check(&[], &run);
    let mut rng = ChaCha8Rng::seed_from_u64(3);
    for kept in [0.01, 0.05, 0.2, 0.5, 0.9] {
        for _ in 0..3 {
            let part: Vec<SampleRecord> = all
                .iter()
                .filter(|_| rng.random::<f64>() < kept)
                .cloned()
                .collect();
            check(&part, &run);
        }
    }
    let of_one: Vec<SampleRecord> = all
        .iter()
        .filter(|of| of.workflow == "rag")
        .cloned()
        .collect();
    check(&of_one, &run);
    run.knowledge = None;
    let mut odd = all;
    for (at, record) in odd.iter_mut().enumerate() {
        (record.prompt_tokens, record.completion_tokens) = (0, 0);
        record.recall = [None, Some(f64::NAN), Some(0.0)][at % 3];
        if at.is_multiple_of(2) {
            (record.tests_passed, record.tests_total) = (0, 0);
        }
    }
    let page = check(&odd, &run).markdown;
    assert!(page.contains("the prompts of `rag` are empty"));
    assert!(page.contains("| recall |"));
}

#[test]
fn hostile_names_in_the_knowledge_stay_text() {
    let hostile = "</details><script>alert(1)</script>|`a`|\n\n# Heading [x](http://e.example) \u{202e}\u{0}<img src=x>";
    let mut run = run_in(Experiment::Workflows, &WORKFLOWS, &[]);
    let knowledge = run.knowledge.as_mut().expect("knowledge");
    knowledge.index_sha256 = Some(hostile.to_owned());
    knowledge.memory_sha256 = Some(format!("é{hostile}"));
    knowledge.entries = 1;
    knowledge.left_out = [(hostile.to_owned(), 1), (format!("{hostile}{hostile}"), 2)].into();
    run.offline = vec![OfflineCost {
        what: hostile.to_owned(),
        completion_tokens: usize::MAX,
        calls: 0,
        executions: 0,
    }];
    run.short_budgets = vec![ShortBudget {
        workflow: hostile.to_owned(),
        resource: hostile.to_owned(),
        most: 2,
        budget: 1,
    }];
    let page = check(&records(&run), &run).markdown;
    for rows in row_widths(&page) {
        assert!(rows.iter().all(|width| *width == rows[0]), "{rows:?}");
    }
    for hidden in ['\u{202e}', '\u{0}'] {
        assert!(!page.contains(hidden), "{hidden:?}");
    }
    assert!(!page.lines().any(|line| line.starts_with("# Heading")));
}
