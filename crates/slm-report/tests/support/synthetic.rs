//! Synthetic runs for tests: plausible numbers, no model.

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use slm_artifacts::{BASE_ARM, FinishReason, StopReason, Verdict};
use slm_report::{
    AdapterInfo, BaseModelInfo, BenchmarkInfo, Cell, Decoding, Experiment, NamedSeed, PhaseTiming,
    Plan, ProgramMetrics, RECORD_VERSION, RecipeInfo, RunInfo, STATISTICS, SampleRecord,
    SamplingInfo, SandboxInfo, SandboxProperty, Spending, TrainingSummary,
};

/// The keys of a resolved recipe that pages read, and some that they only show.
const RECIPE: &str = "model:\n  name_or_path: synthetic.gguf\nlora:\n  r: 8\n\
                      evaluate:\n  samples: 5\n  samples_temperature: 0.8\n";

/// Returns a comparison of these adapters.
pub(crate) fn run(adapters: &[&str]) -> RunInfo {
    run_of(Experiment::Compare, adapters)
}

/// Returns the same run, with a recipe that declares the effects.
pub(crate) fn declared_in_the_recipe(mut run: RunInfo) -> RunInfo {
    for hypothesis in &mut run.plan.hypotheses {
        hypothesis.declared = Some(slm_config::Declared::Recipe);
    }
    run
}

/// Returns an experiment with these adapters and the default recipe.
#[expect(clippy::too_many_lines, reason = "a field a line")]
pub(crate) fn run_of(experiment: Experiment, adapters: &[&str]) -> RunInfo {
    RunInfo {
        version: RECORD_VERSION,
        name: "synthetic".to_owned(),
        created: "2026-01-02T03:04:05Z".to_owned(),
        project_version: "0.1.0".to_owned(),
        config_sha256: "5b".repeat(32),
        command: "evaluator compare checkpoints/synthetic/adapter".to_owned(),
        base_model: BaseModelInfo {
            name: "HuggingFaceTB/SmolLM2-135M-Instruct".to_owned(),
            sha256: "1f".repeat(32),
        },
        adapters: adapters
            .iter()
            .map(|name| AdapterInfo {
                name: (*name).to_owned(),
                path: "checkpoints/synthetic/adapter".to_owned(),
                sha256: "2e".repeat(32),
                training: Some(TrainingSummary {
                    steps: 60,
                    examples: 480,
                    final_loss: 1.2345,
                    seconds: 312.0,
                    objective: None,
                    energy: None,
                }),
                decontaminated: Some(true),
                search: None,
                learned_tasks: Vec::new(),
            })
            .collect(),
        speakers: Vec::new(),
        recipe: RecipeInfo {
            yaml: RECIPE.to_owned(),
            sha256: "3d".repeat(32),
            declared: None,
        },
        benchmarks: vec![BenchmarkInfo {
            name: "starter".to_owned(),
            tasks: 40,
            sha256: "4c".repeat(32),
            left_out: std::collections::BTreeMap::new(),
        }],
        sources: Vec::new(),
        device: "cpu (flex)".to_owned(),
        threads: 2,
        python_version: "3.11.7".to_owned(),
        sandbox: SandboxInfo {
            level: "B (Landlock, seccomp, resource limits; no namespaces)".to_owned(),
            properties: [
                ("files outside cannot be read", true),
                ("no network", true),
                ("the space for files is limited", false),
            ]
            .map(|(name, enforced)| SandboxProperty {
                name: name.to_owned(),
                enforced,
            })
            .to_vec(),
        },
        seeds: [("sampling", 7), (STATISTICS, 1)]
            .map(|(name, seed)| NamedSeed {
                name: name.to_owned(),
                seed,
            })
            .into(),
        sampling: SamplingInfo {
            temperature: 0.0,
            top_p: None,
            top_k: None,
            max_new_tokens: 256,
            samples_per_task: 1,
        },
        plan: Plan::new(experiment, &slm_config::Evaluate::default(), adapters).expect("a plan"),
        budget: Spending {
            completion_tokens: 4096,
            calls: 16,
            executions: 16,
            lookups: 16,
        },
        timings: [
            ("generate base single", 130.4),
            ("generate adapter single", 122.9),
            ("hidden tests", 8.25),
        ]
        .map(|(phase, seconds)| PhaseTiming {
            phase: phase.to_owned(),
            seconds,
            energy: None,
        })
        .into(),
        knowledge: None,
        offline: Vec::new(),
        routes: None,
        short_budgets: Vec::new(),
        assisted: Vec::new(),
        endpoint: None,
        shard: None,
        merged_from: Vec::new(),
        interim: None,
        prices: None,
        canonical_cpu_s: (0..40)
            .map(|task| (format!("starter/{task:02}"), 0.024))
            .collect(),
        human: std::collections::BTreeMap::new(),
    }
}

/// Returns a sample that parses and fails a test.
pub(crate) fn sample(arm: &str, task: usize) -> SampleRecord {
    let program = format!(
        "def task_{task}(values):\n    \"\"\"Add what is positive.\"\"\"\n    total = 0\n    for value in values:\n        \
         if value > {task}:\n            total += value\n    return total\n"
    );
    SampleRecord {
        version: RECORD_VERSION,
        arm: arm.to_owned(),
        workflow: "single".to_owned(),
        decoding: Decoding {
            temperature: 0.0,
            top_p: 1.0,
        },
        benchmark: "starter".to_owned(),
        task_id: format!("starter/{task:02}"),
        sample: 0,
        seed: 7,
        prompt_tokens: 120,
        completion_tokens: 90,
        calls: 1,
        executions: 0,
        lookups: 0,
        masked: 0,
        recall: None,
        copied: None,
        sketch_kept: None,
        rounds: 0,
        attempts: None,
        tokens_to_program: None,
        seconds_to_program: None,
        stop: StopReason::Finished,
        phase: None,
        phases: Vec::new(),
        complete: None,
        routed_to: None,
        format_failures: 0,
        unspent: Spending {
            completion_tokens: 4006,
            calls: 15,
            executions: 16,
            lookups: 16,
        },
        finish_reason: FinishReason::Stop,
        generation_s: 3.2,
        reused_s: 0.0,
        retries: 0,
        tokens_estimated: false,
        completion: format!("Here it is:\n```python\n{program}```\n"),
        program,
        parsable: true,
        metrics: Some(metrics(70.0, 65.0)),
        verdict: Verdict::Failed,
        tests_passed: 1,
        tests_total: 4,
        executable: Some(true),
        detail: Some("AssertionError".to_owned()),
        cpu_s: 0.03,
        same_signature: None,
        similarity: None,
        reference_loss: None,
        bleu: None,
        line_use: None,
    }
}

/// Returns the sample without a program that parses.
pub(crate) fn unparsable(mut sample: SampleRecord) -> SampleRecord {
    "def task(:\n".clone_into(&mut sample.program);
    "def task(:\n".clone_into(&mut sample.completion);
    sample.parsable = false;
    sample.metrics = None;
    sample.verdict = Verdict::Unparsable;
    sample.tests_passed = 0;
    sample.executable = Some(false);
    sample
}

/// Returns the sample with every test passed.
pub(crate) fn solved(mut sample: SampleRecord) -> SampleRecord {
    sample.verdict = Verdict::Passed;
    sample.tests_passed = sample.tests_total;
    sample.detail = None;
    sample
}

/// Returns the sample as one of a task without tests.
pub(crate) fn untested(mut sample: SampleRecord) -> SampleRecord {
    if sample.parsable {
        sample.verdict = Verdict::Untested;
    }
    (sample.tests_passed, sample.tests_total) = (0, 0);
    sample.executable = None;
    sample.detail = None;
    sample
}

/// Returns metrics with these two indices.
pub(crate) fn metrics(maintainability_index: f64, mi_code: f64) -> ProgramMetrics {
    ProgramMetrics {
        loc: 9,
        lloc: 7,
        sloc: 7,
        blank: 1,
        single_comments: 1,
        cyclomatic_complexity: 3.0,
        halstead_volume: 12.0,
        maintainability_index,
        mi_code,
        lloc_code: Some(7),
        ..measured("pass\n", "")
    }
}

/// Returns the metrics of a program that answers `prompt`, with findings that depend on its length alone: pages should
/// not change with the rules.
pub(crate) fn measured(program: &str, prompt: &str) -> ProgramMetrics {
    let found = ProgramMetrics::measure(program, prompt).expect("a test program");
    let (reliability, smells) = (found.lloc % 2, found.lloc % 5 / 2);
    ProgramMetrics {
        security_findings: Some(usize::from(found.lloc == 9)),
        reliability_findings: Some(reliability),
        smells: Some(smells),
        debt_minutes: Some((10 * reliability + 5 * smells) as f64),
        ..found
    }
}

/// Returns the prompt of the synthetic programs of a task.
pub(crate) fn prompt(task: usize) -> String {
    format!("def task_{task}(values):\n    \"\"\"Add what is positive.\"\"\"\n")
}

/// Returns the sample with another program, its metrics, and an answer that contains it.
pub(crate) fn with_program(mut sample: SampleRecord, program: String) -> SampleRecord {
    let task = sample.task_id.rsplit('/').next();
    let task: usize = task.and_then(|task| task.parse().ok()).expect("a number");
    sample.metrics = Some(measured(&program, &prompt(task)));
    sample.completion = format!("Here it is:\n```python\n{program}```\n");
    sample.program = program;
    sample
}

/// Returns one line of text for each number of the range.
fn lines(numbers: std::ops::Range<usize>, line: impl Fn(usize) -> String) -> String {
    numbers.fold(String::new(), |text, number| text + &line(number))
}

/// Returns a program with these numbers of statements besides its loop, docstring lines and comments.
pub(crate) fn program(task: usize, statements: usize, docstring: usize, comments: usize) -> String {
    let more = lines(1..docstring, |line| {
        format!("    Line {line} of what it does.\n")
    });
    let end = if more.is_empty() {
        "\"\"\"".to_owned()
    } else {
        format!("\n{more}    \"\"\"")
    };
    let comments = lines(0..comments, |line| format!("    # Remark {line}.\n"));
    let statements = lines(0..statements, |at| {
        format!("    total = total * {} + {at}\n", task % 3 + 1)
    });
    format!(
        "def task_{task}(values):\n    \"\"\"Add what is positive.{end}\n    total = 0\n    for value in values:\n        \
         if value > {task}:\n            total += value\n{comments}{statements}    return total\n"
    )
}

/// Returns `tasks` records for the base model and each adapter: adapters comment more, and a third of their programs
/// equal the base model's.
pub(crate) fn records(adapters: &[&str], tasks: usize) -> Vec<SampleRecord> {
    let mut rng = ChaCha8Rng::seed_from_u64(11);
    let mut records = Vec::new();
    for (at, arm) in [BASE_ARM].iter().chain(adapters).enumerate() {
        for task in 0..tasks {
            let easy = 1.0 - task as f64 / tasks as f64;
            let same_as_base = at > 0 && rng.random_range(0..3) == 0;
            let of_base = (task * 7) % 11;
            let (statements, docstring, comments) = if at == 0 || same_as_base {
                (of_base, 1, 0)
            } else {
                (
                    of_base + rng.random_range(0..3_usize),
                    rng.random_range(1..6_usize),
                    rng.random_range(0..4_usize),
                )
            };
            let program = program(task, statements, docstring, comments);
            let mut sample = with_program(sample(arm, task), program);
            sample.completion_tokens = 9 * (6 + statements + docstring + comments);
            sample.generation_s = 0.035 * sample.completion_tokens as f64;
            let luck: f64 = rng.random();
            if luck < 0.12 {
                sample = unparsable(sample);
                sample.finish_reason = FinishReason::Length;
            } else if luck < 0.12 + easy * (0.4 + 0.15 * at as f64) {
                sample = solved(sample);
            } else if luck > 0.92 {
                sample.verdict = Verdict::Error;
                sample.tests_passed = 0;
                sample.executable = Some(false);
                sample.detail = Some("NameError: name 'math' is not defined".to_owned());
            }
            records.push(sample);
        }
    }
    records
}

/// A synthetic model's result for a task in a cell: whether it passes, and the complexity of its program.
pub(crate) type Made = (bool, f64);

/// Returns one record for each sample of each task in every cell of the plan of `run`, with the results of `made`.
pub(crate) fn records_of_cells(
    run: &RunInfo,
    tasks: usize,
    made: impl Fn(&Cell, usize) -> Made,
) -> Vec<SampleRecord> {
    let mut records = Vec::new();
    for cell in &run.plan.cells {
        for task in 0..tasks {
            let (passes, complexity) = made(cell, task);
            for number in 0..cell.samples {
                let mut sample = sample(&cell.arm, task);
                cell.workflow.name().clone_into(&mut sample.workflow);
                sample.decoding = cell.decoding;
                sample.sample = number;
                sample.metrics = Some(ProgramMetrics {
                    cyclomatic_complexity: complexity,
                    ..measured(&sample.program, &prompt(task))
                });
                // Tokens grow with a workflow's roles; the numbers only have to differ.
                sample.completion_tokens = 90 * (1 + cell.workflow as usize);
                records.push(if passes { solved(sample) } else { sample });
            }
        }
    }
    records
}
